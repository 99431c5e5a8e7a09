//! The watch pane: the entries that the user watches, each with its number at this step. The pane is hidden if nothing is watched.
//!
//! ```text
//! watch  fc1.weight[0,1] = 0.25       fc1.z[0] = 0.6 so far       grad.fc1.z[0] not computed yet
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::ClickTarget;
use crate::app::Watch;
use crate::scene::EntryState;
use crate::text::{align_left, cut, width};
use crate::ui::line::DrawLine as _;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The word at the left edge.
const LABEL: &str = " watch  ";
/// The number of cells for a number. It does not depend on the numbers, so that nothing moves.
const NUMBER: usize = 22;
/// The pane has at most 1/8 of the lines of the screen.
const SCREEN_LINES_PER_LINE: u16 = 8;

/// The pane as columns, which are filled row by row.
struct WatchColumns {
    count: usize,
    /// The width of each column.
    wide: usize,
}

impl WatchColumns {
    fn of(watches: &[Watch], room: usize) -> Self {
        let room = room.saturating_sub(width(LABEL)).max(1);
        let wide = watches.iter().map(|watch| width(&watch.address)).max().unwrap_or(0) + NUMBER + 2;
        Self { count: (room / wide).max(1), wide: wide.min(room) }
    }
}

/// Returns the number of lines that the pane needs if it is as wide as `room`; 0 if nothing is watched.
pub fn height(view: &StepView<'_>, screen: Rect, room: Rect) -> u16 {
    let watches = view.stepper.watches.all();
    let lines = watches.len().div_ceil(WatchColumns::of(watches, room.width.into()).count);
    u16::try_from(lines).unwrap_or(u16::MAX).min((screen.height / SCREEN_LINES_PER_LINE).max(1))
}

/// Draws the pane.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let watches = view.stepper.watches.all();
    let columns = WatchColumns::of(watches, area.width.into());
    let cells: Vec<Vec<Span<'static>>> = shown(watches, &columns, area).iter().map(|watch| cell(view, watch, columns.wide)).collect();
    for (n, (row, place)) in cells.chunks(columns.count).zip(area.rows()).enumerate() {
        let label = if n == 0 { LABEL.to_owned() } else { " ".repeat(width(LABEL)) };
        let mut spans = vec![Span::styled(label, view.theme.style(StyleRole::Heading))];
        spans.extend(row.iter().flatten().cloned());
        Line::from(spans).draw(place, buf);
    }
}

/// Returns the watches that are shown: all, or the last ones if there is not enough room.
fn shown<'a>(watches: &'a [Watch], columns: &WatchColumns, area: Rect) -> &'a [Watch] {
    &watches[watches.len().saturating_sub(columns.count * usize::from(area.height))..]
}

/// Returns the address of a watched entry and its number, padded to `wide` columns.
fn cell(view: &StepView<'_>, watch: &Watch, wide: usize) -> Vec<Span<'static>> {
    let (number, is_known) = match watch.state(&view.scene) {
        None => ("not in this iteration".to_owned(), false),
        Some(EntryState::Given(value) | EntryState::Complete { value, .. }) => (format!("= {}", view.short(value)), true),
        Some(EntryState::Partial { sum, .. }) => (format!("= {} so far", view.short(sum)), true),
        Some(EntryState::NoTerms(_)) => ("= 0".to_owned(), true),
        Some(EntryState::Pending { steps }) if view.hides_step(steps.start) => ("hidden".to_owned(), false),
        Some(EntryState::Pending { .. }) => ("not computed yet".to_owned(), false),
    };
    let number = cut(&number, NUMBER);
    let name = cut(&watch.address, wide.saturating_sub(width(&number) + 2));
    let rest = wide.saturating_sub(width(&name) + 1);
    let style = view.theme.style(if is_known { StyleRole::Plain } else { StyleRole::Dim });
    vec![Span::styled(name, view.theme.style(StyleRole::Plain)), Span::styled(format!(" {}", align_left(&number, rest)), style)]
}

/// Returns the first step of the watched entry under a cell of the screen.
#[must_use]
pub fn hit(view: &StepView<'_>, area: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let watches = view.stepper.watches.all();
    let columns = WatchColumns::of(watches, area.width.into());
    let column = usize::from(x.checked_sub(area.x)?).checked_sub(width(LABEL))? / columns.wide;
    let row = usize::from(y.checked_sub(area.y)?);
    let watch = shown(watches, &columns, area).get(row * columns.count + column).filter(|_| column < columns.count)?;
    watch.state(&view.scene)?.first_step().map(ClickTarget::Step)
}
