//! The pane with other tensors of the sample: those of the ops before and after the current one. It is below the matrices, if there is room.
//!
//! ```text
//! ─ other tensors ─────────────────────────
//!    a⁽⁰⁾ input  2     W⁽¹⁾ fc1.weight  2×2
//!    1  0.05              1     2
//!    2  0.1            1  0.15  0.2
//!                      2  0.25  0.3
//! ```

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ClickTarget;
use super::layout::is_roomy;
use super::matrix::{Mark, Matrix};
use super::theme::StyleRole;
use super::view::{OtherTensor, StepView};
use crate::network::Id;
use crate::number::ColumnFormat;
use crate::step::Pass;
use crate::tensor::len;

/// The smallest number of lines of the pane, without its title.
const MIN_LINES: u16 = 5;
/// The largest number of ops before the current one, and after it, whose tensors are shown.
const MAX_OPS: usize = 40;
/// The largest number of entries of a tensor in the pane.
const MAX_ENTRIES: usize = 200;
/// The columns between two tensors, and on the left of the first.
const GAP: u16 = 3;
/// The cells that are reserved for a number that is not computed yet: before the decimal point, and from the point on.
const RESERVED_CELLS: [usize; 2] = [2, 5];

/// Returns the number of lines of the pane. The matrices use the first `filled` lines of the area. If too few lines are left, it is 0.
#[must_use]
pub fn height(view: &StepView<'_>, screen: Rect, room: Rect, filled: u16) -> u16 {
    // one line is blank, and one is the title of the pane
    let lines_left = room.height.saturating_sub(filled + 2);
    let shows_any = || !tensors_with_places(view, Rect { height: lines_left, ..room }).is_empty();
    if is_roomy(screen) && lines_left >= MIN_LINES && shows_any() { lines_left } else { 0 }
}

/// Draws the pane.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    for (id, place) in tensors_with_places(view, area) {
        with_matrix(view, id, |matrix| matrix.render(place, buf, &view.theme));
    }
}

/// Returns the entry under a cell of the screen.
#[must_use]
pub fn hit(view: &StepView<'_>, area: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let (id, place) = tensors_with_places(view, area).into_iter().find(|(_, place)| place.contains((x, y).into()))?;
    with_matrix(view, id, |matrix| matrix.entry_at(place, x, y)).map(|entry| ClickTarget::Entry(id, entry))
}

/// Returns the tensors of the pane in the order of the ops, and the number of those before the current op. The inputs and parameters of an op come before its
/// result.
fn others(view: &StepView<'_>) -> (Vec<Id>, usize) {
    let in_matrices_pane: Vec<Id> = view.tensors().into_iter().map(|shown| shown.tensor).collect();
    let network = view.network();
    let mut ids: Vec<Id> = Vec::new();
    let add = |ids: &mut Vec<Id>, id: Id| {
        if len(&network.tensor(id).shape) <= MAX_ENTRIES && !in_matrices_pane.contains(&id) && !ids.contains(&id) {
            ids.push(id);
        }
    };
    let is_given = |id: &Id| network.producer(*id).is_none();
    let add_op = |ids: &mut Vec<Id>, (id, _): (Id, Range<u64>)| {
        let parts = network.producer(id).map_or(&[][..], |op| network.ops()[op].first_16_parts());
        parts.iter().flat_map(|part| part.operands.iter().copied()).filter(is_given).for_each(|operand| add(ids, operand));
        add(ids, id);
    };
    let mut before: Vec<_> = view.ops_before().take(MAX_OPS).collect();
    before.reverse();
    for op in before {
        add_op(&mut ids, op);
    }
    let before_count = ids.len();
    // `ops_from` begins with the current op
    for op in view.ops_from().skip(1).take(MAX_OPS) {
        add_op(&mut ids, op);
    }
    (ids, before_count)
}

/// Returns the tensors of the pane with their sizes, whether they fit into its area or not.
fn tensors_with_sizes(view: &StepView<'_>) -> Vec<OtherTensor> {
    let (ids, before) = others(view);
    let with_size = |(n, id): (usize, Id)| OtherTensor {
        id,
        size: with_matrix(view, id, |matrix| matrix.size().into()),
        // 1 for the tensor directly before or after the current op
        distance: if n < before { before - n } else { n + 1 - before },
    };
    ids.into_iter().enumerate().map(with_size).collect()
}

/// Returns the tensors that fit into the area, each with its position. If not all fit, those nearest to the current op are shown.
fn tensors_with_places(view: &StepView<'_>, area: Rect) -> Vec<(Id, Rect)> {
    let fits = |tensor: &&OtherTensor| tensor.size[0] + GAP <= area.width && tensor.size[1] <= area.height;
    let mut shown: Vec<OtherTensor> = view.other_tensors(|| tensors_with_sizes(view)).iter().filter(fits).copied().collect();
    loop {
        let requests: Vec<[u16; 2]> = shown.iter().map(|tensor| tensor.size).collect();
        if let Some(places) = flow(&requests, area) {
            return shown.iter().map(|tensor| tensor.id).zip(places).collect();
        }
        let farthest = shown.iter().enumerate().max_by_key(|(_, tensor)| tensor.distance).map_or(0, |(n, _)| n);
        shown.remove(farthest);
    }
}

/// Places rectangles side by side, in as many rows as they need; `None` if the area is too low for all.
fn flow(sizes: &[[u16; 2]], area: Rect) -> Option<Vec<Rect>> {
    let (mut x, mut y, mut row_height) = (area.x + GAP, area.y, 0);
    let mut places = Vec::with_capacity(sizes.len());
    for [width, height] in sizes {
        if x + width > area.right() {
            (x, y, row_height) = (area.x + GAP, y + row_height + 1, 0);
        }
        if y + height > area.bottom() {
            return None;
        }
        places.push(Rect { x, y, width: *width, height: *height });
        x += width + GAP;
        row_height = row_height.max(*height);
    }
    Some(places)
}

/// Builds the widget of a tensor and calls `use_matrix` with it.
fn with_matrix<T>(view: &StepView<'_>, id: Id, use_matrix: impl FnOnce(&Matrix<'_>) -> T) -> T {
    let info = view.network().tensor(id);
    let title = view.title(id);
    let numbers = view.numbers(id);
    let largest = numbers.iter().filter(|value| value.is_finite()).fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let format = if numbers.is_empty() { ColumnFormat::default().with_room(RESERVED_CELLS[0], RESERVED_CELLS[1]) } else { view.format(id) };
    let value = |at: usize| view.number(id, at);
    let no_mark = |_: usize| Mark::None;
    use_matrix(&Matrix {
        name: if title == *info.name { "" } else { &info.name },
        role: if view.pass_of(id) == Some(Pass::Backward) { StyleRole::Backward } else { StyleRole::Forward },
        leading: view.leading_names(info),
        first_index: view.first_index,
        heat: (len(&info.shape) > 1).then_some(largest),
        ..Matrix::new(&title, &info.shape, format, &value, &no_mark)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_flow_into_rows() {
        let area = Rect::new(0, 0, 20, 7);
        let places = flow(&[[5, 3], [5, 2], [10, 3]], area).expect("room");
        assert_eq!(places, [Rect::new(3, 0, 5, 3), Rect::new(11, 0, 5, 2), Rect::new(3, 4, 10, 3)]);
        assert_eq!(flow(&[[5, 3], [5, 2], [10, 4]], area), None);
    }
}
