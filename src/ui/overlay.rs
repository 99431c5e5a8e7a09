//! Draws the open overlay: a framed text or a list over the screen. Each text has a file with a function that builds it, and a row in `title_and_content`.

mod curve;
mod help;
mod list;
mod map;
mod notes;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Span, Text};
use ratatui::widgets::{Block, BorderType, Padding, Paragraph, Widget};

use crate::app::{OverlayKind, State};
use crate::ui::hints::Hints;
use crate::ui::theme::{StyleRole, Theme};
use crate::ui::view::StepView;
use crate::ui::{ClickTarget, RenderOptions, backdrop};

/// The largest width of an overlay. Longer lines would be hard to read.
const MAX_WIDTH: u16 = 78;

/// A function that returns the text of an overlay, wrapped to a number of columns.
type Content = fn(&State, &Theme, usize) -> Text<'static>;

/// Returns the title of an overlay with a text, and the function that builds the text; `None` for a list, the map and the curve.
fn title_and_content(kind: OverlayKind) -> Option<(&'static str, Content)> {
    match kind {
        OverlayKind::Help => Some((" help: keys, mouse, marks and colours ", help::text)),
        OverlayKind::Notes => Some((" notes ", notes::text)),
        OverlayKind::List(_) | OverlayKind::Check | OverlayKind::Map | OverlayKind::Curve => None,
    }
}

/// Returns the lines of a text for a number of columns, without colours; no lines for a list, the map and the curve.
#[must_use]
pub fn text_lines(state: &State, kind: OverlayKind, columns: usize) -> Vec<String> {
    let text = title_and_content(kind).map(|(_, content)| content(state, &Theme::default(), columns)).unwrap_or_default();
    text.lines.iter().map(|line| line.spans.iter().map(|span| span.content.as_ref()).collect()).collect()
}

/// The open overlay, laid out on a screen.
struct OverlayLayout {
    title: &'static str,
    text: Paragraph<'static>,
    area: Rect,
    /// The scroll offset at which the last line is visible, in lines.
    max_scroll: u16,
}

/// Lays out an overlay in the middle of the screen.
fn overlay_layout(kind: OverlayKind, state: &State, theme: &Theme, screen: Rect) -> Option<OverlayLayout> {
    let (title, content) = title_and_content(kind)?;
    let wide = MAX_WIDTH.min(screen.width.saturating_sub(4));
    // the border and the padding take 3 columns on each side, and 2 lines above and below
    let inside = wide.saturating_sub(6);
    let text = content(state, theme, usize::from(inside));
    let lines = u16::try_from(text.lines.len()).unwrap_or(u16::MAX);
    let text = Paragraph::new(text);
    // the status line and the key bar stay in view
    let room = screen.height.saturating_sub(2);
    let high = lines.saturating_add(4).min(room);
    let area = Rect { x: screen.x + (screen.width - wide) / 2, y: screen.y + (room - high) / 2, width: wide, height: high };
    Some(OverlayLayout { title, text, area, max_scroll: lines.saturating_sub(high.saturating_sub(4)) })
}

/// Returns the scroll offset at which the last line of the open text is visible; `None` if no overlay with a text is open.
#[must_use]
pub fn max_scroll(state: &State, screen: Rect) -> Option<u16> {
    let overlay = state.overlay.as_ref()?;
    overlay_layout(overlay.kind, state, &Theme::default(), screen).map(|layout| layout.max_scroll)
}

/// Draws the open overlay, if there is one.
pub fn render(state: &State, options: &RenderOptions, screen: Rect, buf: &mut Buffer) {
    let Some(overlay) = &state.overlay else { return };
    let theme = &options.theme;
    if let (Some(map), Some(view)) = (&overlay.map, StepView::of(state, *options)) {
        return map::render(&view, map, screen, buf);
    }
    if let (Some(marker), Some(view)) = (overlay.curve, StepView::of(state, *options)) {
        return curve::render(&view, marker, screen, buf);
    }
    if let Some(list) = &overlay.list {
        return list::render(list, theme, screen, buf);
    }
    let Some(OverlayLayout { title, text, area, max_scroll }) = overlay_layout(overlay.kind, state, theme, screen) else { return };
    let scroll = overlay.scroll.min(max_scroll);
    backdrop::clear(area, screen, buf);
    let hints = hints(scroll, max_scroll, area).in_border(area);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(StyleRole::Dim))
        .title(Span::styled(title, theme.style(StyleRole::Heading)))
        .title_bottom(hints.line(theme).right_aligned())
        .padding(Padding::symmetric(2, 1));
    text.scroll((scroll, 0)).block(block).render(area, buf);
}

/// Returns the hints in the lower border of a framed text: which lines are in view, and the keys.
fn hints(scroll: u16, max_scroll: u16, area: Rect) -> Hints {
    let hints = Hints::default().text(StyleRole::Dim, " ");
    let hints = if max_scroll == 0 { hints } else { scroll_hints(hints, scroll, max_scroll, area.height.saturating_sub(4)) };
    hints.key(StyleRole::Dim, "<Esc>", "Esc: close ")
}

/// Appends the lines in view, such as `lines 1–20 of 60`, and the keys that scroll. `height` is the number of lines in view.
fn scroll_hints(hints: Hints, scroll: u16, max_scroll: u16, height: u16) -> Hints {
    let lines = format!("lines {}–{} of {} │ ", scroll + 1, scroll + height, max_scroll + height);
    let keys = [("j", "j "), ("k", "k "), ("<PgDn>", "PgDn "), ("<PgUp>", "PgUp "), ("g", "g "), ("G", "G")];
    let hints = keys.into_iter().fold(hints.text(StyleRole::Dim, lines), |hints, (key, name)| hints.key(StyleRole::Dim, key, name));
    hints.text(StyleRole::Dim, ": scroll, ")
}

/// Returns the target of a click on a cell of the screen: a row, a block or an iteration of the open overlay, or a key that its border names.
#[must_use]
pub fn hit(state: &State, screen: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let overlay = state.overlay.as_ref()?;
    let view = || StepView::of(state, RenderOptions::default());
    match (&overlay.list, &overlay.map, overlay.curve) {
        (Some(list), ..) => list::hit(list, screen, x, y),
        (_, Some(map), _) => map::hit(&view()?, map, screen, x, y),
        (.., Some(_)) => curve::hit(&view()?, screen, x, y),
        _ => {
            let OverlayLayout { area, max_scroll, .. } = overlay_layout(overlay.kind, state, &Theme::default(), screen)?;
            hints(overlay.scroll.min(max_scroll), max_scroll, area).key_in_border(area, x, y).map(ClickTarget::Key)
        }
    }
}
