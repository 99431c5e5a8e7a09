//! Draws a long message in a box, if it fits neither into the status line nor into the last line. The box is above these lines. The next key removes it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Widget};

use crate::text::{width, wrap_at_most};
use crate::ui::line::DrawLine as _;
use crate::ui::status::{self, MessagePlace, ShownMessage};
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;
use crate::ui::{backdrop, popup};

/// The number of lines below the box: the status line and the key bar.
const BELOW: u16 = 2;
/// The cells of a line that the border and its blanks need.
const BORDER: usize = 4;

/// Returns the message with its lines and the area of its box; `None` if no message needs a box.
fn layout<'a>(view: &StepView<'a>, screen: Rect) -> Option<(ShownMessage<'a>, Vec<String>, Rect)> {
    let message = status::shown_message(view, screen.width.into()).filter(|message| message.place == MessagePlace::Box)?;
    // above the list of candidates of the prompt
    let bottom = popup::area(view.state, screen).map_or(screen.bottom().saturating_sub(BELOW), |popup| popup.y);
    // the first two lines stay visible, and the border needs two more
    let max_lines = usize::from(bottom - screen.y).saturating_sub(4).max(1);
    let inside = usize::from(screen.width).saturating_sub(BORDER).max(1);
    let lines = wrap_at_most(message.text, inside, max_lines);
    let size = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let box_width = size(lines.iter().map(|line| width(line)).max().unwrap_or(0) + BORDER).min(screen.width);
    let box_height = size(lines.len() + 2);
    let area = Rect { x: screen.x, y: bottom.saturating_sub(box_height), width: box_width, height: box_height }.intersection(screen);
    Some((message, lines, area))
}

/// Returns whether a cell of the screen is in the box.
pub fn contains(view: &StepView<'_>, screen: Rect, x: u16, y: u16) -> bool {
    layout(view, screen).is_some_and(|(_, _, area)| area.contains((x, y).into()))
}

/// Draws the box.
pub fn render(view: &StepView<'_>, screen: Rect, buf: &mut Buffer) {
    let Some((message, lines, area)) = layout(view, screen) else { return };
    backdrop::clear(area, screen, buf);
    let style = view.theme.style(if message.is_error { StyleRole::Error } else { StyleRole::Plain });
    Block::bordered().border_type(BorderType::Rounded).border_style(view.theme.style(StyleRole::Dim)).render(area, buf);
    let rows = Rect { x: area.x + 2, y: area.y + 1, width: area.width.saturating_sub(3), height: area.height.saturating_sub(2) };
    for (line, row) in lines.into_iter().zip(rows.rows()) {
        Line::styled(line, style).draw(row, buf);
    }
}
