//! The pane with the curve of the loss over the iterations, up to the step on the screen. Only large screens have it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ClickTarget;
use super::chart::Chart;
use super::picture::canvas::text_at;
use super::theme::StyleRole;
use super::view::StepView;
use crate::app::Curves;
use crate::keys::Code;
use crate::text::cut;

/// The width and height of the smallest screen with the pane.
const LARGE: (u16, u16) = (160, 50);
/// The lines of the pane, without its title.
const LINES: u16 = 13;

/// Returns the number of lines of the pane. It is 0 if there is only one iteration, or no room.
#[must_use]
pub fn height(view: &StepView<'_>, screen: Rect, room: Rect) -> u16 {
    // the pane takes less than half of the room
    let has_room = screen.width >= LARGE.0 && screen.height >= LARGE.1 && room.height > 2 * LINES;
    if has_room && view.document.iterations() > 1 { LINES } else { 0 }
}

/// Returns the target of a click: the key that opens the large curve.
#[must_use]
#[expect(clippy::unnecessary_wraps, reason = "the table of panes asks for an option")]
pub fn hit(_: &StepView<'_>, _: Rect, _: u16, _: u16) -> Option<ClickTarget> {
    Some(ClickTarget::Key(Code::Char('L').into()))
}

/// Draws the pane.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let Some(curves) = view.stepper.curve_so_far() else { return };
    if curves.current.points.is_empty() {
        return text_at(buf, area, 2, 1, "the loss of this iteration is not computed yet", view.theme.style(StyleRole::Dim));
    }
    let Some(sentence) = curves.not_finite_sentence() else { return chart(view, &curves, area, buf) };
    text_at(buf, area, 2, 0, &cut(&sentence, usize::from(area.width.saturating_sub(2))), view.theme.style(StyleRole::Error));
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    chart(view, &curves, below, buf);
}

fn chart(view: &StepView<'_>, curves: &Curves, area: Rect, buf: &mut Buffer) {
    Chart { curves, is_log: false, begins_at_zero: true, marker: None, theme: &view.theme }.render(area, buf);
}
