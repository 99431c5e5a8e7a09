//! A text over the screen. An overlay is a file with its text, and a row here.

mod help;
mod notes;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, BorderType, Clear, Padding, Paragraph, Widget, Wrap};

use crate::app::{OverlayKind, State};
use crate::ui::theme::{Role, Theme};

/// The widest comfortable line.
const WIDEST: u16 = 78;

/// The text of an overlay in a number of columns.
type Content = fn(&State, &Theme, usize) -> Text<'static>;

/// The title and the text of an overlay: a row for each.
fn row(kind: OverlayKind) -> (&'static str, Content) {
    match kind {
        OverlayKind::Help => (" keys ", help::text),
        OverlayKind::Notes => (" notes ", notes::text),
    }
}

/// The overlay that is open, laid out on a screen.
struct Laid {
    title: &'static str,
    text: Paragraph<'static>,
    area: Rect,
    /// The most lines by which it can be scrolled.
    end: u16,
}

fn laid(kind: OverlayKind, state: &State, theme: &Theme, screen: Rect) -> Laid {
    let wide = WIDEST.min(screen.width.saturating_sub(4));
    let inside = wide.saturating_sub(6);
    let (title, content) = row(kind);
    let text = Paragraph::new(content(state, theme, usize::from(inside))).wrap(Wrap { trim: false });
    let lines = u16::try_from(wrapped(&text, inside)).unwrap_or(u16::MAX);
    // the status line and the keys stay in view
    let room = screen.height.saturating_sub(2);
    let high = lines.saturating_add(4).min(room);
    let area = Rect { x: screen.x + (screen.width - wide) / 2, y: screen.y + (room - high) / 2, width: wide, height: high };
    Laid { title, text, area, end: lines.saturating_sub(high.saturating_sub(4)) }
}

/// The most lines by which the overlay that is open can be scrolled on a screen.
#[must_use]
pub fn end(state: &State, screen: Rect) -> Option<u16> {
    state.overlay.map(|overlay| laid(overlay.kind, state, &Theme::default(), screen).end)
}

/// Draws the overlay that is open, if one is.
pub fn render(state: &State, theme: &Theme, screen: Rect, buf: &mut Buffer) {
    let Some(overlay) = state.overlay else { return };
    let Laid { title, text, area, end } = laid(overlay.kind, state, theme, screen);
    let scroll = overlay.scroll.min(end);
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

/// The number of lines that a text takes, counted by drawing it.
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
