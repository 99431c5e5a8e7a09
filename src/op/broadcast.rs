//! Broadcasting as in NumPy and PyTorch: shapes are aligned at their last axes, and an operand is repeated along the axes that it lacks and along its axes
//! of size 1.
//!
//! The sum of operands of shape 3x1 and 4 has the shape 3x4. Its entry (i, j) reads entry (i, 0) of the first operand and entry j of the second. In the
//! backward pass the derivative of entry (i, 0) is a sum over its 4 *readers*, the entries of the result that read it: (i, 0), …, (i, 3). An entry j
//! of the second operand has 3 readers: (0, j), (1, j), (2, j). Readers are always in row-major order.
//!
//! Entries are given by their row-major index: entry (i, j) of the result has the index 4 i + j.

use smallvec::SmallVec;

use super::mismatch::{Mismatch, MismatchedTensor};
use super::numpy::code::NumPyCode;
use super::slot::Slot;
use super::written::{IndexForm, broadcast_index, repeated_letters};
use crate::tensor::len;

/// The broadcast of some operands to a common shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// The shape of the result.
    shape: Vec<usize>,
    /// The shape of each operand.
    operand_shapes: SmallVec<[Vec<usize>; 2]>,
    /// The axes of each operand, and those along which it is repeated.
    operands: SmallVec<[BroadcastOperand; 2]>,
    /// The rows of the result.
    rows: Rows,
}

/// The rows of the result: neighbouring entries along which each operand either advances with the result, or stays at one entry. Rows are as long as possible:
/// two operands of the shapes 2x3x4 and 2x1x1 have two rows of 12 entries.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rows {
    /// The number of entries of each row.
    len: usize,
    /// For each operand, the step from the place of an entry to that of the next: 1 or 0.
    steps: SmallVec<[usize; 2]>,
    /// The loops over the rows, from the outermost to the innermost.
    loops: SmallVec<[RowLoop; 2]>,
}

/// A loop over rows, along one or more neighbouring axes of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RowLoop {
    size: usize,
    /// For each operand, the distance between the places that two neighbouring rows of this loop read.
    strides: SmallVec<[usize; 2]>,
}

/// Iterates over the rows of the result. For each row, returns the place in an operand that the first entry of the row reads.
pub struct RowPlaces<'a> {
    rows: &'a Rows,
    operand: usize,
    /// The place that is returned next.
    place: usize,
    /// The current index of each loop.
    indices: SmallVec<[usize; 4]>,
}

/// An operand. The axes of the result are split into the axes that the operand has and the axes along which the operand is repeated. Axes of size 1 are left
/// out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BroadcastOperand {
    /// The axes that the operand has.
    present: SmallVec<[BroadcastAxis; 4]>,
    /// The axes along which it is repeated.
    repeated: SmallVec<[BroadcastAxis; 4]>,
}

/// One axis of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BroadcastAxis {
    size: usize,
    /// The stride in the result.
    result_stride: usize,
    /// The stride in the operand; 0 if the operand is repeated along this axis.
    operand_stride: usize,
}

/// Infers the shape of the result from the names and shapes of the operands.
///
/// ```
/// use gradstep::op::broadcast::shape;
///
/// assert_eq!(shape(&[("a", &[3, 1]), ("b", &[4])]), Ok(vec![3, 4]));
/// ```
///
/// # Errors
/// Returns the first operand with an axis that does not fit: its size is not 1, and differs from the size of that axis in an earlier operand.
///
/// # Panics
/// Does not happen: the `expect` cannot fail, because the size of each axis comes from an operand.
pub fn shape(operands: &[(&'static str, &[usize])]) -> Result<Vec<usize>, Mismatch> {
    let mut shape: Vec<usize> = Vec::new();
    for (n, (name, shape_before_broadcast)) in operands.iter().enumerate() {
        if shape_before_broadcast.len() > shape.len() {
            // insert axes of size 1 before the axes that are known so far
            shape.splice(0..0, vec![1; shape_before_broadcast.len() - shape.len()]);
        }
        let first_axis = shape.len() - shape_before_broadcast.len();
        for (axis, size) in shape_before_broadcast.iter().enumerate() {
            let size_so_far = &mut shape[first_axis + axis];
            if *size_so_far == 1 {
                *size_so_far = *size;
            } else if *size != 1 && size != size_so_far {
                // find the earlier operand that gave this axis its size; the axis is counted from the end, where shapes are aligned
                let from_end = shape_before_broadcast.len() - axis;
                let has_that_size = |(_, other): &&(&str, &[usize])| {
                    let axis = other.len().checked_sub(from_end);
                    axis.is_some_and(|axis| other[axis] == *size_so_far)
                };
                let (other_name, other_shape) = operands[..n].iter().find(has_that_size).expect("the size comes from an earlier operand");
                return Err(Mismatch {
                    one: MismatchedTensor::new(name, shape_before_broadcast, Some(axis)),
                    other: MismatchedTensor::new(other_name, other_shape, Some(other_shape.len() - from_end)),
                });
            }
        }
    }
    Ok(shape)
}

impl Broadcast {
    /// Broadcasts operands with these names and shapes.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`shape`].
    pub fn new(operands: &[(&'static str, &[usize])]) -> Result<Self, Mismatch> {
        let shape = shape(operands)?;
        let operand_shapes = operands.iter().map(|(_, shape_before_broadcast)| shape_before_broadcast.to_vec()).collect();
        let operands: SmallVec<[_; 2]> =
            operands.iter().map(|(_, shape_before_broadcast)| BroadcastOperand::new(shape_before_broadcast, &shape)).collect();
        let rows = Rows::new(&shape, &operands);
        Ok(Self { shape, operand_shapes, operands, rows })
    }

    /// Returns the number of entries of a row of the result. Along a row, each operand either advances with the result or stays at one entry.
    #[must_use]
    pub fn row_len(&self) -> usize {
        self.rows.len
    }

    /// Returns the step of an operand along a row: 1, or 0 if the operand is repeated.
    #[must_use]
    pub fn row_step(&self, operand: usize) -> usize {
        self.rows.steps[operand]
    }

    /// Returns the place in an operand that the first entry of each row reads, row after row.
    #[must_use]
    pub fn row_places(&self, operand: usize) -> RowPlaces<'_> {
        RowPlaces { rows: &self.rows, operand, place: 0, indices: SmallVec::from_elem(0, self.rows.loops.len()) }
    }

    /// The index of the entry of an operand that an entry of the result reads, with letters for the axes of the result: `i,0`. `None` if one of these axes has
    /// no letter.
    #[must_use]
    pub fn index_of(&self, operand: usize) -> Option<String> {
        broadcast_index(&self.operand_shapes[operand], &self.shape)
    }

    /// The sum of ∂C/∂y over the readers of an operand's entry, with letters for the indices. `None` if the result has more axes than there are letters.
    #[must_use]
    pub fn indexed(&self, operand: usize) -> Option<IndexForm> {
        let summed = repeated_letters(&self.operand_shapes[operand], &self.shape)?;
        let result = broadcast_index(&self.shape, &self.shape)?;
        Some(IndexForm { entry: self.index_of(operand)?, summed, is_negative: false, factors: vec![(Slot::Upstream, result)] })
    }

    /// Returns the sum of `term`, the derivative of each entry of the result, over the axes along which the operand is repeated, in NumPy: `dy.sum(0)`.
    #[must_use]
    pub fn summed_in_numpy(&self, operand: usize, term: NumPyCode) -> NumPyCode {
        super::numpy::summed(term, &self.operand_shapes[operand], &self.shape)
    }

    /// The shape of the result.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the entry of an operand that is read by the result's entry with the index `result`.
    #[must_use]
    pub fn operand_entry(&self, operand: usize, result: usize) -> usize {
        // the entry's index along the axis, times the operand's stride
        let offset = |axis: &BroadcastAxis| result / axis.result_stride % axis.size * axis.operand_stride;
        self.operands[operand].present.iter().map(offset).sum()
    }

    /// Returns the number of readers of each entry of an operand.
    #[must_use]
    pub fn reader_count(&self, operand: usize) -> usize {
        self.operands[operand].repeated.iter().map(|axis| axis.size).product()
    }

    /// Returns reader `n` (from 0) of the entry `entry` of an operand.
    #[must_use]
    pub fn reader(&self, operand: usize, entry: usize, n: usize) -> usize {
        let BroadcastOperand { present, repeated } = &self.operands[operand];
        let mut result: usize = present.iter().map(|axis| entry / axis.operand_stride % axis.size * axis.result_stride).sum();
        // n is a row-major index over the repeated axes; it is split here from the innermost axis outwards
        let mut outer_index = n;
        for axis in repeated.iter().rev() {
            result += outer_index % axis.size * axis.result_stride;
            outer_index /= axis.size;
        }
        result
    }

    /// Returns the position of a reader among the readers of the same operand entry; `result` is the reader's index. This is the inverse of
    /// [`Broadcast::reader`]: with `n = reader_rank(operand, result)`, `reader(operand, operand_entry(operand, result), n)` is `result`.
    #[must_use]
    pub fn reader_rank(&self, operand: usize, result: usize) -> usize {
        self.operands[operand].repeated.iter().fold(0, |rank, axis| rank * axis.size + result / axis.result_stride % axis.size)
    }
}

impl Rows {
    /// Divides a result of this shape into rows.
    fn new(shape: &[usize], operands: &[BroadcastOperand]) -> Self {
        let mut rows = Self { len: 1, steps: SmallVec::from_elem(1, operands.len()), loops: SmallVec::new() };
        let mut is_first = true;
        // from the innermost axis outwards
        for (axis, &size) in shape.iter().enumerate().rev().filter(|(_, size)| **size != 1) {
            let result_stride = len(&shape[axis + 1..]);
            let strides: SmallVec<[usize; 2]> = operands.iter().map(|operand| operand.stride(result_stride)).collect();
            // whether this axis and the loop inside it act as one loop: for each operand, one step here is as far as all `len` steps inside
            let continues = |inner: &[usize], len: usize| strides.iter().zip(inner).all(|(outer, inner)| *outer == inner * len);
            // the innermost axis is the row; each further axis lengthens the row or the outermost loop so far, or becomes a new loop
            match rows.loops.last_mut() {
                None if is_first => (rows.len, rows.steps) = (size, strides),
                None if continues(&rows.steps, rows.len) => rows.len *= size,
                Some(inner) if continues(&inner.strides, inner.size) => inner.size *= size,
                _ => rows.loops.push(RowLoop { size, strides }),
            }
            is_first = false;
        }
        rows.loops.reverse();
        rows
    }
}

impl Iterator for RowPlaces<'_> {
    type Item = usize;

    /// Returns the next place. After the last row it starts again with the first.
    fn next(&mut self) -> Option<usize> {
        let place = self.place;
        for (index, RowLoop { size, strides }) in self.indices.iter_mut().zip(&self.rows.loops).rev() {
            *index += 1;
            self.place += strides[self.operand];
            if *index < *size {
                break;
            }
            self.place -= *size * strides[self.operand];
            *index = 0;
        }
        Some(place)
    }
}

impl BroadcastOperand {
    /// The operand's stride along the axis whose stride in the result is `result_stride`; 0 if the operand is repeated along this axis.
    fn stride(&self, result_stride: usize) -> usize {
        self.present.iter().find(|axis| axis.result_stride == result_stride).map_or(0, |axis| axis.operand_stride)
    }

    /// Splits the axes of the result's `shape` for an operand of shape `shape_before_broadcast`.
    fn new(shape_before_broadcast: &[usize], shape: &[usize]) -> Self {
        let missing_axes = shape.len() - shape_before_broadcast.len();
        let mut axes = Self { present: SmallVec::new(), repeated: SmallVec::new() };
        for (axis, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let result_stride = len(&shape[axis + 1..]);
            match axis.checked_sub(missing_axes) {
                Some(own_axis) if shape_before_broadcast[own_axis] != 1 => {
                    axes.present.push(BroadcastAxis { size, result_stride, operand_stride: len(&shape_before_broadcast[own_axis + 1..]) });
                }
                _ => axes.repeated.push(BroadcastAxis { size, result_stride, operand_stride: 0 }),
            }
        }
        axes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{ravel, unravel};

    #[test]
    fn shapes_are_aligned_at_their_last_axes() {
        assert_eq!(shape(&[("a", &[3, 1]), ("b", &[4])]), Ok(vec![3, 4]));
        assert_eq!(shape(&[("a", &[]), ("b", &[2, 1, 5]), ("c", &[3, 1])]), Ok(vec![2, 3, 5]));
        let wrong = shape(&[("first operand", &[1]), ("second operand", &[2, 3, 4]), ("third operand", &[2, 4])]).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the third operand is 2x4, but the second operand is 2x3x4: axis 0 of the third operand (2) must be axis 1 of the second operand (3)"
        );
    }

    /// Returns the operand's entry that an entry of the result reads: the same index at the aligned axes, or 0 along axes of size 1.
    fn by_definition(shape_before_broadcast: &[usize], shape: &[usize], result: usize) -> usize {
        let index = unravel(result, shape);
        let aligned = &index[shape.len() - shape_before_broadcast.len()..];
        let read: Vec<usize> = aligned.iter().zip(shape_before_broadcast).map(|(at, size)| if *size == 1 { 0 } else { *at }).collect();
        ravel(&read, shape_before_broadcast).expect("the index is in the shape")
    }

    #[test]
    fn every_entry_is_read_by_exactly_its_readers_in_order() {
        let pairs: [[&[usize]; 2]; 7] = [
            [&[], &[]],
            [&[3], &[3]],
            [&[3, 1], &[4]],
            [&[2, 1, 3], &[1, 4, 1]],
            [&[1, 1, 3], &[2, 1]],
            [&[2, 1, 3, 1, 2, 1, 2], &[3, 1, 2, 1, 3, 1]],
            [&[5], &[]],
        ];
        for shapes in pairs {
            let broadcast = Broadcast::new(&shapes.map(|shape| ("operand", shape))).expect("the shapes can be broadcast");
            let results = 0..len(broadcast.shape());
            for operand in 0..2 {
                let (len, step) = (broadcast.row_len(), broadcast.row_step(operand));
                let mut first_places = broadcast.row_places(operand);
                for row in results.clone().step_by(len) {
                    let place = first_places.next().expect("a place");
                    for n in 0..len {
                        assert_eq!(place + n * step, broadcast.operand_entry(operand, row + n), "{shapes:?}");
                    }
                }
            }
            for (operand, shape_before_broadcast) in shapes.into_iter().enumerate() {
                let read = |result: usize| by_definition(shape_before_broadcast, broadcast.shape(), result);
                for entry in 0..len(shape_before_broadcast) {
                    let readers: Vec<usize> = results.clone().filter(|result| read(*result) == entry).collect();
                    let found: Vec<usize> = (0..broadcast.reader_count(operand)).map(|n| broadcast.reader(operand, entry, n)).collect();
                    assert_eq!(found, readers, "{shapes:?}: entry {entry} of operand {operand}");
                    for (rank, result) in readers.into_iter().enumerate() {
                        assert_eq!(
                            (broadcast.operand_entry(operand, result), broadcast.reader_rank(operand, result)),
                            (entry, rank),
                            "{shapes:?}"
                        );
                    }
                }
            }
        }
    }
}
