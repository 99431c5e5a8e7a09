//! The region of an operand that the terms of an entry read.

use std::ops::Range;

use super::MarkedEntries;
use crate::scene::Grid;
use crate::ui::operand::OperandMatrix;
use crate::ui::view::StepView;

/// Returns the ranges of rows and columns of an operand that the terms of the current entry read. If the operand consists of several matrices, as a filter
/// does, the ranges are those in the matrix with the entry `focus`.
pub(super) fn around(
    view: &StepView<'_>,
    operand: &OperandMatrix,
    marks: &MarkedEntries,
    focus: Option<usize>,
) -> Option<[Range<usize>; 2]> {
    let grid = Grid::of(&view.network().tensor(operand.shown.tensor).shape);
    let [block, ..] = grid.coordinates(focus?);
    let in_block = marks.by_entry.entries(operand.shown.tensor).filter(|at| grid.coordinates(*at)[0] == block);
    (!operand.shown.is_result).then(|| region(&grid, in_block))?
}

/// Returns the smallest ranges of rows and columns that contain these entries. If the tensor consists of several matrices, they count as one.
pub(super) fn region(grid: &Grid, entries: impl Iterator<Item = usize>) -> Option<[Range<usize>; 2]> {
    entries.map(|at| grid.coordinates(at)).fold(None, |region: Option<[Range<usize>; 2]>, [_, row, column]| {
        let [rows, columns] = region.unwrap_or([row..row + 1, column..column + 1]);
        Some([rows.start.min(row)..rows.end.max(row + 1), columns.start.min(column)..columns.end.max(column + 1)])
    })
}
