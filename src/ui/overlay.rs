//! A text over the screen: the keys, or the scenario's notes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, BorderType, Clear, Padding, Paragraph, Widget, Wrap};

use crate::app::{Mode, Overlay, State};
use crate::keys;
use crate::text::{broken, width};
use crate::ui::theme::{Role, Theme};

/// The widest comfortable line.
const WIDEST: u16 = 78;

/// The overlay that is open, laid out on a screen.
struct Laid {
    title: &'static str,
    text: Paragraph<'static>,
    area: Rect,
    /// By how many lines it can be scrolled.
    end: u16,
}

fn laid(overlay: Overlay, state: &State, theme: &Theme, screen: Rect) -> Laid {
    let wide = WIDEST.min(screen.width.saturating_sub(4));
    let inside = wide.saturating_sub(6);
    let (title, text) = match overlay {
        Overlay::Help => (" keys ", help(state, theme, usize::from(inside))),
        Overlay::Notes => (" notes ", notes(state, theme)),
    };
    let text = Paragraph::new(text).wrap(Wrap { trim: false });
    let lines = u16::try_from(wrapped(&text, inside)).unwrap_or(u16::MAX);
    // the status line and the keys stay in view
    let room = screen.height.saturating_sub(2);
    let high = lines.saturating_add(4).min(room);
    let area = Rect { x: screen.x + (screen.width - wide) / 2, y: screen.y + (room - high) / 2, width: wide, height: high };
    Laid { title, text, area, end: lines.saturating_sub(high.saturating_sub(4)) }
}

/// By how many lines the overlay that is open can be scrolled on a screen.
#[must_use]
pub fn end(state: &State, screen: Rect) -> Option<u16> {
    state.overlay.map(|(overlay, _)| laid(overlay, state, &Theme::default(), screen).end)
}

/// Draws the overlay that is open, if one is.
pub fn render(state: &State, theme: &Theme, screen: Rect, buf: &mut Buffer) {
    let Some((overlay, scroll)) = state.overlay else { return };
    let Laid { title, text, area, end } = laid(overlay, state, theme, screen);
    let scroll = scroll.min(end);
    let more = if scroll < end { " j: more, Esc: close " } else { " Esc: close " };
    Clear.render(area, buf);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(Role::Dim))
        .title(Span::styled(title, theme.style(Role::Heading)))
        .title_bottom(Line::from(Span::styled(more, theme.style(Role::Dim))).right_aligned())
        .padding(Padding::symmetric(2, 1));
    text.scroll((scroll, 0)).block(block).render(area, buf);
}

/// How many lines a text takes; counted by the drawing itself.
fn wrapped(paragraph: &Paragraph<'_>, width: u16) -> usize {
    const LONGEST: u16 = 400;
    if width == 0 {
        return 0;
    }
    let area = Rect::new(0, 0, width, LONGEST);
    let mut buffer = Buffer::empty(area);
    paragraph.clone().render(area, &mut buffer);
    let last = (0..LONGEST).rev().find(|y| (0..width).any(|x| buffer[(x, *y)].symbol() != " "));
    last.map_or(0, |y| y as usize + 1)
}

/// Columns of the keys in the help.
const KEYS: usize = 15;

fn help(state: &State, theme: &Theme, inside: usize) -> Text<'static> {
    let mode = if state.lesson.is_some() && state.picking.is_none() { Mode::Stepper } else { Mode::Picker };
    let mut text = Text::default();
    for (mode, title) in [(mode, None), (Mode::Prompt, Some("in the address line"))] {
        if mode == Mode::Prompt && state.lesson.is_none() {
            continue;
        }
        if let Some(title) = title {
            text.push_line("");
            text.push_line(Line::styled(title, theme.style(Role::Heading)));
        }
        for row in keys::rows(mode) {
            let keys = row.keys.iter().map(|key| keys::shown(key)).collect::<Vec<_>>().join("  ");
            let mut keys = Some(keys);
            for words in broken(row.words, inside.saturating_sub(KEYS)) {
                let keys = keys.take().unwrap_or_default();
                let pad = " ".repeat(KEYS.saturating_sub(width(&keys)).max(1));
                text.push_line(Line::from(vec![Span::styled(keys, theme.style(Role::Key)), Span::raw(format!("{pad}{words}"))]));
            }
        }
    }
    if mode == Mode::Stepper {
        text.push_line("");
        text.push_line("A number before a key repeats it: 10l is ten units forward.");
        text.push_line("The mouse: a click goes to the entry, the op or the step under it; the wheel scrolls the matrices.");
        text.push_line("Subscripts count from 1, as in mathematics; indices in brackets from 0, as in NumPy.");
    }
    text
}

fn notes(state: &State, theme: &Theme) -> Text<'static> {
    let mut text = Text::default();
    let Some(lesson) = &state.lesson else { return text };
    let scenario = &lesson.scenario;
    text.push_line(Line::styled(scenario.title.clone(), theme.style(Role::Heading)));
    text.push_line("");
    for line in scenario.notes.iter().flat_map(|notes| notes.trim().lines()) {
        text.push_line(line.to_owned());
    }
    if let Some(source) = &scenario.source {
        text.push_line("");
        text.push_line(Line::styled(source.clone(), theme.style(Role::Dim)));
    }
    text
}
