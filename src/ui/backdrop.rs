//! The background of a box over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

/// The smallest width of a part of the screen that stays in view beside a box. A narrower part is cleared, because it would show only cut words.
const SMALLEST_REST: u16 = 24;
/// The blank columns between a box and the screen beside it.
const MARGIN: u16 = 2;

/// Clears the place of a box, and the screen on its left and on its right: a margin if enough of the screen stays in view there, else everything.
pub fn clear(box_area: Rect, screen: Rect, buf: &mut Buffer) {
    let rest = [box_area.x.saturating_sub(screen.x), screen.right().saturating_sub(box_area.right())];
    let [left, right] = rest.map(|rest| if rest < SMALLEST_REST + MARGIN { rest } else { MARGIN });
    let cleared = Rect { x: box_area.x.saturating_sub(left), width: box_area.width.saturating_add(left + right), ..box_area };
    Clear.render(cleared.intersection(screen), buf);
}
