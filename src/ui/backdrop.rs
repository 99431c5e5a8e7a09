//! Clears the screen around a box. Otherwise, parts of words would be visible beside the box.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

/// The smallest width of the screen beside a box and its margin. A narrower part is cleared, because it would show only parts of words.
const MIN_REST: u16 = 24;
/// The blank columns between a box and the screen beside it.
const MARGIN: u16 = 2;

/// Clears the area of a box, and a margin on its left and right. If the rest of the screen on a side is narrower than [`MIN_REST`], clears it too.
pub fn clear(box_area: Rect, screen: Rect, buf: &mut Buffer) {
    let rest = [box_area.x.saturating_sub(screen.x), screen.right().saturating_sub(box_area.right())];
    let [left, right] = rest.map(|rest| if rest < MIN_REST + MARGIN { rest } else { MARGIN });
    let cleared = Rect { x: box_area.x.saturating_sub(left), width: box_area.width.saturating_add(left + right), ..box_area };
    Clear.render(cleared.intersection(screen), buf);
}
