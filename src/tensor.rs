//! Arrays of f64 in row-major order. An entry is named by its *index*, which has one number for each dimension, or by its *place*, which is its offset in
//! row-major order. For example, in the shape 2x3 the entry with the index `[1,0]` is at place 3.

use ndarray::{Array1, ArrayD, IxDyn, s};
use smallvec::SmallVec;

/// An array of f64 of any rank, always in row-major (standard) layout.
pub type Tensor = ArrayD<f64>;

/// The index of an entry, from 0 in every dimension; empty for a scalar.
pub type Index = SmallVec<[usize; 4]>;

/// Creates a tensor of `shape` with `data` in row-major order.
///
/// # Panics
/// If `data` does not have as many entries as the shape.
#[must_use]
pub fn from_flat(shape: &[usize], data: Vec<f64>) -> Tensor {
    Tensor::from_shape_vec(IxDyn(shape), data).expect("`data` has as many entries as the shape")
}

/// The size of a cache line in bytes.
pub const LINE_BYTES: usize = 64;

/// The number of entries of a cache line.
pub const LINE_ENTRIES: usize = LINE_BYTES / size_of::<f64>();

/// Creates a tensor of zeros whose first entry is at the beginning of a cache line, because it takes longer to load or store a vector register across two
/// lines.
///
/// # Panics
/// Does not happen: the `expect` cannot fail, because the slice has as many entries as the shape.
#[must_use]
pub fn aligned_zeros(shape: &[usize]) -> Tensor {
    let len = len(shape);
    // the extra entries are room to begin at a cache line; the system provides memory that is already zeroed
    let memory = Array1::from_vec(vec![0.0; len + LINE_ENTRIES]);
    // `align_offset` may return `usize::MAX`, which means that it does not know; then the tensor is not aligned
    let begin = memory.as_ptr().align_offset(LINE_BYTES).min(LINE_ENTRIES);
    memory.slice_move(s![begin..begin + len]).into_shape_with_order(IxDyn(shape)).expect("as many entries as the shape")
}

/// The largest number of entries that [`aligned`] copies: 2 MB, about the size of a core's own cache. The kernels wait for the entries of a larger tensor
/// anyway.
const MAX_ALIGNED: usize = 1 << 18;

/// Moves a tensor to the beginning of a cache line, as [`aligned_zeros`] does. Leaves it where it is if it has more than 2¹⁸ entries, or fewer
/// than a cache line.
#[must_use]
pub fn aligned(tensor: Tensor) -> Tensor {
    let is_aligned = tensor.as_ptr().align_offset(LINE_BYTES) == 0;
    if is_aligned || !(LINE_ENTRIES..=MAX_ALIGNED).contains(&tensor.len()) {
        return tensor;
    }
    let mut copy = aligned_zeros(tensor.shape());
    flat_mut(&mut copy).copy_from_slice(flat(&tensor));
    copy
}

/// The entries of a tensor in row-major order.
///
/// # Panics
/// If the tensor is not in standard layout. All tensors of this crate are.
#[must_use]
pub fn flat(tensor: &Tensor) -> &[f64] {
    tensor.as_slice().expect("tensors are in standard layout")
}

/// The entries of a tensor in row-major order, mutable.
///
/// # Panics
/// As [`flat`].
#[must_use]
pub fn flat_mut(tensor: &mut Tensor) -> &mut [f64] {
    tensor.as_slice_mut().expect("tensors are in standard layout")
}

/// The number of entries of a tensor of this shape; 1 for a scalar.
#[must_use]
pub fn len(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Returns the index of the entry at place `at`.
///
/// ```
/// assert_eq!(gradstep::tensor::unravel(3, &[2, 3]).as_slice(), [1, 0]);
/// ```
#[must_use]
pub fn unravel(mut at: usize, shape: &[usize]) -> Index {
    // `max(1)`, because a size of 0 cannot be a divisor
    let mut index: Index = SmallVec::from_elem(0, shape.len());
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = at % n.max(1);
        at /= n.max(1);
    }
    index
}

/// Returns the place of the entry with this index; `None` if the index is outside the shape or has another number of dimensions.
///
/// ```
/// assert_eq!(gradstep::tensor::ravel(&[1, 0], &[2, 3]), Some(3));
/// ```
#[must_use]
pub fn ravel(index: &[usize], shape: &[usize]) -> Option<usize> {
    (index.len() == shape.len() && index.iter().zip(shape).all(|(i, n)| i < n))
        .then(|| index.iter().zip(shape).fold(0, |at, (i, n)| at * n + i))
}

/// Formats an index as in an address: `[0,1,1]`; empty for a scalar.
#[must_use]
pub fn index_text(index: &[usize]) -> String {
    if index.is_empty() {
        return String::new();
    }
    let inside: Vec<String> = index.iter().map(ToString::to_string).collect();
    format!("[{}]", inside.join(","))
}

/// Places at equal distances in a tensor, such as those of a window of an image: `first + row · steps[0] + column · steps[1]` for each row and column.
///
/// A 2x2 window at row 1, column 2 of an image with 5 columns has `first` 7, `counts` `[2, 2]` and `steps` `[5, 1]`: the places 7, 8, 12 and 13.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The place of row 0, column 0.
    pub first: usize,
    /// The number of rows, and of columns in each row.
    pub counts: [usize; 2],
    /// The distance between two rows, and between two columns.
    pub steps: [usize; 2],
}

impl Places {
    /// All places of a tensor with this number of entries.
    #[must_use]
    pub fn all(entries: usize) -> Self {
        Self { first: 0, counts: [1, entries], steps: [0, 1] }
    }

    /// The number of places.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a window or a tensor is never empty
    pub fn len(self) -> usize {
        self.counts[0] * self.counts[1]
    }

    /// Iterates over the places, row by row.
    pub fn each(self) -> impl Iterator<Item = usize> + Clone {
        let Self { first, counts: [rows, columns], steps: [down, across] } = self;
        (0..rows).flat_map(move |row| (0..columns).map(move |column| first + row * down + column * across))
    }

    /// Returns whether the place `at` is one of these places.
    #[must_use]
    pub fn contains(self, at: usize) -> bool {
        let Self { first, counts: [rows, columns], steps: [down, across] } = self;
        let Some(distance) = at.checked_sub(first) else { return false };
        // in a dilated window, a row may end after the next row has begun, so the place can be between the first and the last place of several rows. The
        // division gives the last of these rows. The search begins there, and goes back until a row ends before the place
        let last_row = distance.checked_div(down).unwrap_or(0).min(rows.saturating_sub(1));
        let row_width = columns.saturating_sub(1) * across;
        (0..=last_row).rev().take_while(|row| distance - row * down <= row_width).any(|row| {
            let in_row = distance - row * down;
            in_row.is_multiple_of(across.max(1)) && in_row / across.max(1) < columns
        })
    }
}

/// Formats a shape for messages: `1x32x32`; `scalar` for rank 0.
#[must_use]
pub fn shape_text(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// Formats a shape for the screen: `1×32×32`; `scalar` for rank 0.
#[must_use]
pub fn shape_on_screen(shape: &[usize]) -> String {
    if shape.is_empty() { shape_text(shape) } else { shape_text(shape).replace('x', "×") }
}

/// Returns the width of [`shape_on_screen`] in cells.
#[must_use]
pub fn width_on_screen(shape: &[usize]) -> usize {
    if shape.is_empty() {
        return shape_text(shape).len();
    }
    let digits = |n: &usize| n.checked_ilog10().map_or(1, |log| log as usize + 1);
    // one sign between two numbers
    shape.iter().map(digits).sum::<usize>() + shape.len() - 1
}

/// Describes a shape in words: `a single number`, `a vector of 3 numbers`, `1x32x32`.
#[must_use]
pub fn shape_words(shape: &[usize]) -> String {
    match shape {
        [] => "a single number".to_owned(),
        [1] => "a vector of 1 number".to_owned(),
        [n] => format!("a vector of {n} numbers"),
        _ => shape_text(shape),
    }
}

/// Returns the index of a factor that is computed from an entry: the index of this entry. If the factor is computed from two entries of a tensor, the index of
/// the second one follows.
#[must_use]
pub fn joined_index(first: Index, second: Option<Index>) -> Index {
    let mut index = first;
    index.extend(second.into_iter().flatten());
    index
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
    fn aligned_tensors_begin_at_a_cache_line() {
        let is_aligned = |tensor: &Tensor| tensor.as_ptr().align_offset(LINE_BYTES) == 0;
        for count in [8, 9, 100, 1001] {
            let zeros = aligned_zeros(&[count, 2]);
            assert!(is_aligned(&zeros) && zeros.shape() == [count, 2] && flat(&zeros).iter().all(|entry| *entry == 0.0));
            let numbers = from_flat(&[count], (0_u32..).map(f64::from).take(count).collect());
            assert!(is_aligned(&aligned(numbers.clone())));
            assert_eq!(aligned(numbers.clone()), numbers);
        }
    }

    #[test]
    fn the_width_of_a_shape_is_that_of_its_text() {
        for shape in [&[][..], &[0], &[1], &[9], &[10, 99], &[3, 100, 1], &[12_345, 6]] {
            assert_eq!(width_on_screen(shape), crate::text::width(&shape_on_screen(shape)), "{shape:?}");
        }
    }

    #[test]
    fn contains_is_true_for_exactly_the_places_that_each_iterates_over() {
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
