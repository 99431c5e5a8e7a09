//! Matrices in the plain mode, row by row.

use std::ops::Range;

use super::step::number;
use crate::app::ComparedEntry;
use crate::network::Id;
use crate::number::exact;
use crate::scene::Grid;
use crate::tensor::shape_text;
use crate::text::line;
use crate::ui::view::StepView;

/// The largest number of matrices of a tensor, of rows and of columns that are read out.
const MAX_SIDE: usize = 32;

/// Returns the rows of all matrices of the step: its operands, then its result.
#[must_use]
pub fn matrices(view: &StepView<'_>) -> Vec<String> {
    let mut ids: Vec<Id> = Vec::new();
    for shown in view.tensors() {
        if !ids.contains(&shown.tensor) {
            ids.push(shown.tensor);
        }
    }
    ids.into_iter().flat_map(|id| matrix(view, id)).collect()
}

/// Returns the rows of a tensor of this step's network, one matrix after the other. Of a large tensor, returns only the matrices, rows and columns around the
/// entry that this step reads or computes or, if there is no such entry, the first ones.
#[must_use]
pub fn matrix(view: &StepView<'_>, tensor: Id) -> Vec<String> {
    let info = view.network().tensor(tensor);
    let grid = Grid::of(&info.shape);
    let focus = if tensor == view.output {
        Some(view.at.entry)
    } else {
        view.sources_now().iter().find(|source| source.tensor == tensor).map(|source| source.at)
    };
    let [block, row, column] = focus.map_or([0; 3], |at| grid.coordinates(at));
    let first = view.first_index;
    let [blocks, rows, columns] = [(block, grid.blocks), (row, grid.rows), (column, grid.columns)].map(|(at, all)| window(at, all));
    let by = |shape: &[usize]| shape_text(shape).replace('x', " by ");
    let repeated = view.repetition(tensor).map_or_else(String::new, |(repetition, _)| format!(", broadcast to {}", by(repetition.shape())));
    let mut lines = vec![format!("{}, {}{repeated}:", line(&info.name), by(&info.shape))];
    let cut = [(&blocks, grid.blocks, "matrices"), (&rows, grid.rows, "rows"), (&columns, grid.columns, "columns")];
    let cut = cut.iter().filter(|(range, all, _)| range.len() < *all);
    lines.extend(cut.map(|(range, all, what)| format!("{what} {} to {} of {all}", range.start + first, range.end - 1 + first)));
    for block in blocks.clone() {
        if grid.blocks > 1 {
            let index = crate::tensor::unravel(grid.entry([block, 0, 0]), &info.shape);
            let leading: Vec<String> = index[..index.len() - 2].iter().map(|n| (n + first).to_string()).collect();
            lines.push(format!("matrix {}:", leading.join(" ")));
        }
        for row in rows.clone() {
            let numbers: Vec<String> =
                columns.clone().map(|column| marked(view, tensor, grid.entry([block, row, column]), focus)).collect();
            let head = if grid.rows > 1 { format!("row {}: ", row + first) } else { String::new() };
            lines.push(format!("{head}{}", numbers.join(", ")));
        }
    }
    lines
}

/// Returns the number of an entry: in brackets if it is the entry `focus`, and with the number of the user's own program if that differs.
fn marked(view: &StepView<'_>, tensor: Id, at: usize, focus: Option<usize>) -> String {
    let number = number(view, tensor, at);
    let factor = |user: &ComparedEntry| {
        view.comparison().and_then(|all| all.user.factor_words(user.tensor)).map_or_else(String::new, |factor| format!(", {factor}"))
    };
    let user = view.compared_entry(tensor, at).filter(|user| user.differs);
    let user = user.map_or_else(String::new, |user| format!(" (yours {}{})", exact(user.mine), factor(&user)));
    if focus == Some(at) { format!("[{number}]{user}") } else { format!("{number}{user}") }
}

/// Returns at most [`MAX_SIDE`] of `all` indices, with `at` among them.
fn window(at: usize, all: usize) -> Range<usize> {
    let start = at.saturating_sub(MAX_SIDE / 2).min(all.saturating_sub(MAX_SIDE));
    start..(start + MAX_SIDE).min(all)
}
