//! Floor 0: arrays of f64 in row-major order, and the way from an entry's index to its place and back.

use ndarray::{ArrayD, IxDyn};
use smallvec::SmallVec;

/// An array of f64 of any rank, always in row-major (standard) layout.
pub type Tensor = ArrayD<f64>;

/// An entry of a tensor, counted from 0 in every dimension; empty for a scalar.
pub type Index = SmallVec<[usize; 4]>;

/// A tensor of `shape` that holds `data` in row-major order.
///
/// # Panics
/// When `data` is not as long as the shape says.
#[must_use]
pub fn from_flat(shape: &[usize], data: Vec<f64>) -> Tensor {
    Tensor::from_shape_vec(IxDyn(shape), data).expect("as many entries as the shape says")
}

/// The entries of a tensor in row-major order.
///
/// # Panics
/// Never for tensors that this crate makes: they are all in standard layout.
#[must_use]
pub fn flat(tensor: &Tensor) -> &[f64] {
    tensor.as_slice().expect("standard layout")
}

/// The same, to be changed.
///
/// # Panics
/// As [`flat`].
#[must_use]
pub fn flat_mut(tensor: &mut Tensor) -> &mut [f64] {
    tensor.as_slice_mut().expect("standard layout")
}

/// The number of entries of a tensor of this shape; 1 for a scalar.
#[must_use]
pub fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The index of the entry at the row-major place `at`.
#[must_use]
pub fn unravel(mut at: usize, shape: &[usize]) -> Index {
    let mut index: Index = SmallVec::from_elem(0, shape.len());
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = at % n.max(1);
        at /= n.max(1);
    }
    index
}

/// The row-major place of an entry, or `None` when the index does not fit the shape.
#[must_use]
pub fn ravel(index: &[usize], shape: &[usize]) -> Option<usize> {
    (index.len() == shape.len() && index.iter().zip(shape).all(|(i, n)| i < n))
        .then(|| index.iter().zip(shape).fold(0, |at, (i, n)| at * n + i))
}

/// An index as it is typed: `[0,1,1]`; nothing for that of a scalar.
#[must_use]
pub fn index_text(index: &[usize]) -> String {
    if index.is_empty() {
        return String::new();
    }
    let inside: Vec<String> = index.iter().map(ToString::to_string).collect();
    format!("[{}]", inside.join(","))
}

/// Places in a tensor that lie evenly: rows of columns, such as a window on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The first, in row-major order.
    pub first: usize,
    /// How many rows there are, and how many places a row has.
    pub counts: [usize; 2],
    /// How far the next row lies, and the next place of a row.
    pub steps: [usize; 2],
}

impl Places {
    /// All places of a tensor with so many entries.
    #[must_use]
    pub fn all(entries: usize) -> Self {
        Self { first: 0, counts: [1, entries], steps: [0, 1] }
    }

    /// How many they are.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // nobody names nothing
    pub fn len(self) -> usize {
        self.counts[0] * self.counts[1]
    }

    /// The places, row by row.
    pub fn each(self) -> impl Iterator<Item = usize> + Clone {
        let Self { first, counts: [rows, columns], steps: [down, across] } = self;
        (0..rows).flat_map(move |row| (0..columns).map(move |column| first + row * down + column * across))
    }

    /// Whether a place is among them.
    #[must_use]
    pub fn contains(self, at: usize) -> bool {
        let Self { first, counts: [rows, columns], steps: [down, across] } = self;
        let Some(from) = at.checked_sub(first) else { return false };
        // the rows of a dilated window may lie in one another's gaps, so its row is not to be told by a division alone
        let row = from.checked_div(down).unwrap_or(0).min(rows.saturating_sub(1));
        (0..=row).rev().take_while(|row| from - row * down <= columns.saturating_sub(1) * across).any(|row| {
            let along = from - row * down;
            along.is_multiple_of(across.max(1)) && along / across.max(1) < columns
        })
    }
}

/// A shape as it is written in messages: `1x32x32`; `scalar` for rank 0.
#[must_use]
pub fn shape_text(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// A shape in words: `a vector of 3 numbers`, `1x32x32`.
#[must_use]
pub fn shape_words(shape: &[usize]) -> String {
    match shape {
        [] => "a single number".to_owned(),
        [1] => "a vector of 1 number".to_owned(),
        [n] => format!("a vector of {n} numbers"),
        _ => shape_text(shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unravel_and_ravel_are_inverse() {
        let shape = [2, 3, 4];
        for at in 0..24 {
            assert_eq!(ravel(&unravel(at, &shape), &shape), Some(at));
        }
        assert_eq!(ravel(&[], &[]), Some(0));
        assert_eq!(ravel(&[0, 3, 0], &shape), None);
        assert_eq!(ravel(&[0, 0], &shape), None);
    }

    #[test]
    fn a_place_is_contained_where_it_is_listed() {
        let all = Places::all(7);
        let window = Places { first: 12, counts: [3, 2], steps: [10, 3] };
        let overlapping = Places { first: 2, counts: [3, 4], steps: [5, 4] };
        for places in [all, window, overlapping, Places { first: 4, counts: [1, 1], steps: [9, 1] }] {
            let listed: Vec<usize> = places.each().collect();
            assert_eq!(listed.len(), places.len());
            assert!((0..60).all(|at| places.contains(at) == listed.contains(&at)), "{places:?}");
        }
    }
}
