//! Why: the rule in words, and the scenario's own remark where there is one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use crate::ui::theme::Role;
use crate::ui::view::View;

/// Draws the pane.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let inner = crate::ui::titled("why", &view.theme, area, buf);
    let part = view.trace().part_at(&view.at);
    let (equation, _) = view.trace().equation(&view.at, part);
    let mut text = Text::default();
    if let Some(remark) = remark(view) {
        text.push_line(Line::from(vec![
            Span::styled("▌ ", view.theme.style(Role::Note)),
            Span::styled(remark.to_owned(), view.theme.style(Role::Note)),
        ]));
    }
    if inner.width < 60 {
        text.push_line(Line::styled(equation.name, view.theme.style(Role::Heading)));
    }
    text.push_line(Line::raw(equation.words));
    Paragraph::new(text).wrap(Wrap { trim: true }).render(inner, buf);
}

/// The remark that belongs to this step most closely.
fn remark<'a>(view: &View<'a>) -> Option<&'a str> {
    let here = view.lesson.remarks.iter().filter(|(steps, _)| steps.contains(&view.at.step));
    here.min_by_key(|(steps, _)| steps.end - steps.start).map(|(_, text)| text.as_str())
}
