//! The pane with other tensors of the sample: those of the ops before and after the current one. It is below the matrices, if there is room.
//!
//! ```text
//! ─ other tensors ─────────────────────────
//!    a⁽⁰⁾ input  2     W⁽¹⁾ fc1.weight  2×2
//!    1  0.05              1     2
//!    2  0.1            1  0.15  0.2
//!                      2  0.25  0.3
//! ```

use std::cell::OnceCell;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ClickTarget;
use super::layout::is_roomy;
use super::matrix::{Mark, Matrix};
use super::theme::StyleRole;
use super::view::{MatrixTexts, OtherTensor, OtherTensors, StepView};
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
    let remaining = room.height.saturating_sub(filled + 2);
    let area = Rect { height: remaining, ..room };
    let shows_any = || {
        let others = others(view);
        others.nearest_first().any(|n| fits(view, &others.all[n], area))
    };
    if !is_roomy(screen) || remaining < MIN_LINES || !shows_any() { 0 } else { remaining }
}

/// Draws the pane.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    for (tensor, place) in tensors_with_places(view, area) {
        with_matrix(view, tensor.id, texts(view, tensor), |matrix| matrix.render(place, buf, &view.theme));
    }
}

/// Returns the entry under a cell of the screen.
#[must_use]
pub fn hit(view: &StepView<'_>, area: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let (tensor, place) = tensors_with_places(view, area).into_iter().find(|(_, place)| place.contains((x, y).into()))?;
    let entry = with_matrix(view, tensor.id, texts(view, tensor), |matrix| matrix.entry_at(place, x, y))?;
    Some(ClickTarget::Entry(tensor.id, entry))
}

/// Returns the tensors near the current op, whether the pane has room for them or not.
fn others<'a>(view: &'a StepView<'_>) -> &'a OtherTensors {
    view.other_tensors(|| list_others(view))
}

/// Lists the tensors near the current op, in the order of the ops. The inputs and parameters of an op come before its result.
fn list_others(view: &StepView<'_>) -> OtherTensors {
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
    // 1 for the tensor directly before or after the current op
    let distance = |n: usize| if n < before_count { before_count - n } else { n + 1 - before_count };
    let other = |(n, id): (usize, Id)| OtherTensor { id, distance: distance(n), texts: OnceCell::new() };
    OtherTensors { all: ids.into_iter().enumerate().map(other).collect(), before: before_count }
}

/// Returns the title of a tensor, the format of its numbers and its size. The first call for a tensor in a frame computes them.
fn texts<'a>(view: &StepView<'_>, tensor: &'a OtherTensor) -> &'a MatrixTexts {
    tensor.texts.get_or_init(|| {
        let numbers = view.numbers(tensor.id);
        let largest = numbers.iter().filter(|value| value.is_finite()).fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let format = if numbers.is_empty() {
            ColumnFormat::default().with_room(RESERVED_CELLS[0], RESERVED_CELLS[1])
        } else {
            view.format(tensor.id)
        };
        let texts = MatrixTexts { title: view.title(tensor.id), format, largest, size: [0; 2] };
        let size = with_matrix(view, tensor.id, &texts, |matrix| matrix.size().into());
        MatrixTexts { size, ..texts }
    })
}

/// Returns whether an area has room for a tensor.
fn fits(view: &StepView<'_>, tensor: &OtherTensor, area: Rect) -> bool {
    let [width, height] = texts(view, tensor).size;
    width + GAP <= area.width && height <= area.height
}

/// Returns the number of cells that a tensor takes, with the blank columns and the blank line after it.
fn cells([width, height]: [u16; 2]) -> u32 {
    u32::from(width + GAP) * (u32::from(height) + 1)
}

/// Returns the tensors that fit into the area, each with its position. If not all fit, those nearest to the current op are shown.
fn tensors_with_places<'a>(view: &'a StepView<'_>, area: Rect) -> Vec<(&'a OtherTensor, Rect)> {
    let others = others(view);
    let size = |tensor: &OtherTensor| texts(view, tensor).size;
    // tensors that take more cells than the area with one line more (the blank line after the last row) do not fit in any order; so the texts of tensors that
    // are farther away are not needed
    let max_cells = u32::from(area.width) * (u32::from(area.height) + 1);
    let mut near = others.before..others.before;
    let mut used = 0;
    for n in others.nearest_first() {
        if used > max_cells {
            break;
        }
        near = near.start.min(n)..near.end.max(n + 1);
        let tensor = &others.all[n];
        used += if fits(view, tensor, area) { cells(size(tensor)) } else { 0 };
    }
    let fitting: Vec<&OtherTensor> = others.all[near].iter().filter(|tensor| fits(view, tensor, area)).collect();
    let mut shown = &fitting[..];
    loop {
        if used <= max_cells
            && let Some(places) = flow(shown.iter().map(|tensor| size(tensor)), area)
        {
            return shown.iter().copied().zip(places).collect();
        }
        // the first or the last tensor is the farthest
        let [first, .., last] = shown else { return Vec::new() };
        let (farthest, nearer) = if first.distance > last.distance { (first, &shown[1..]) } else { (last, &shown[..shown.len() - 1]) };
        used -= cells(size(farthest));
        shown = nearer;
    }
}

/// Places rectangles side by side, in as many rows as they need; `None` if the area is too low for all.
fn flow(sizes: impl ExactSizeIterator<Item = [u16; 2]>, area: Rect) -> Option<Vec<Rect>> {
    let (mut x, mut y, mut row_height) = (area.x + GAP, area.y, 0);
    let mut places = Vec::with_capacity(sizes.len());
    for [width, height] in sizes {
        if x + width > area.right() {
            (x, y, row_height) = (area.x + GAP, y + row_height + 1, 0);
        }
        if y + height > area.bottom() {
            return None;
        }
        places.push(Rect { x, y, width, height });
        x += width + GAP;
        row_height = row_height.max(height);
    }
    Some(places)
}

/// Builds the widget of a tensor with these texts and calls `use_matrix` with it.
fn with_matrix<T>(view: &StepView<'_>, id: Id, texts: &MatrixTexts, use_matrix: impl FnOnce(&Matrix<'_>) -> T) -> T {
    let info = view.network().tensor(id);
    let value = |at: usize| view.number(id, at);
    let no_mark = |_: usize| Mark::None;
    use_matrix(&Matrix {
        name: if texts.title == *info.name { "" } else { &info.name },
        role: if view.pass_of(id) == Some(Pass::Backward) { StyleRole::Backward } else { StyleRole::Forward },
        leading: view.leading_names(info),
        first_index: view.first_index,
        heat: (len(&info.shape) > 1).then_some(texts.largest),
        ..Matrix::new(&texts.title, &info.shape, texts.format, &value, &no_mark)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_flow_into_rows() {
        let area = Rect::new(0, 0, 20, 7);
        let places = flow([[5, 3], [5, 2], [10, 3]].into_iter(), area).expect("room");
        assert_eq!(places, [Rect::new(3, 0, 5, 3), Rect::new(11, 0, 5, 2), Rect::new(3, 4, 10, 3)]);
        assert_eq!(flow([[5, 3], [5, 2], [10, 4]].into_iter(), area), None);
    }

    #[test]
    fn equally_near_tensors_before_the_op_come_first() {
        let tensor = |distance| OtherTensor { id: 0, distance, texts: OnceCell::new() };
        let order = |before: usize, distances: &[usize]| {
            OtherTensors { all: distances.iter().copied().map(tensor).collect(), before }.nearest_first().collect::<Vec<_>>()
        };
        assert_eq!(order(2, &[2, 1, 1, 2, 3]), [1, 2, 0, 3, 4]);
        assert_eq!(order(2, &[2, 1]), [1, 0]);
        assert_eq!(order(0, &[1, 2]), [0, 1]);
        assert!(order(0, &[]).is_empty());
    }
}
