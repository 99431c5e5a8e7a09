//! Texts about the part of a tensor that is in view, such as `1–2 of 0–3`. Indices count from `first_index`, which is 0 or 1.

use std::ops::Range;

use crate::tensor::{shape_on_screen, unravel};

/// Returns the indices of a range, such as `2–7`, or `2` for a single index.
pub fn index_range(range: &Range<usize>, first_index: usize) -> String {
    let from = range.start + first_index;
    if range.len() > 1 { format!("{from}–{}", from + range.len() - 1) } else { from.to_string() }
}

/// Returns the text after `of` in `2–7 of 9`: the number of indices if they count from 1, all indices (`0–8`) if they count from 0.
pub fn all_indices(count: usize, first_index: usize) -> String {
    if first_index == 0 { index_range(&(0..count), 0) } else { count.to_string() }
}

/// Returns the indices in the leading dimensions of the matrix at offset `block`, such as `2,1`.
pub fn leading_index(block: usize, leading: &[usize], first_index: usize) -> String {
    unravel(block, leading).iter().map(|index| (index + first_index).to_string()).collect::<Vec<_>>().join(",")
}

/// Returns the matrices of a tensor of a graph in three lengths: `matrix 2,1 of 3×4`, `matrix 2,1` and `(2,1)`. `leading` is the shape of the leading
/// dimensions.
pub fn matrices(blocks: &Range<usize>, leading: &[usize], first_index: usize) -> [String; 3] {
    let index = |block: usize| leading_index(block, leading, first_index);
    let (word, shown) = match blocks.len() {
        0 | 1 => ("matrix", index(blocks.start)),
        _ => ("matrices", format!("{}–{}", index(blocks.start), index(blocks.end - 1))),
    };
    [format!("{word} {shown} of {}", shape_on_screen(leading)), format!("{word} {shown}"), format!("({shown})")]
}
