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
}
