//! Broadcasting as in NumPy and PyTorch: shapes are aligned at their last axis, and axes that are missing or have size 1 are repeated.
//!
//! For `[3, 1] + [4]` the result is 3x4; entry (i, j) reads entry (i, 0) of the first operand and entry j of the second. In the backward pass, the
//! derivative of entry (i, 0) is the sum over the 4 entries that read it, and that of entry j over 3, in row-major order.

use smallvec::SmallVec;

use super::mismatch::{Mismatch, MismatchedTensor};
use crate::tensor::len;

/// Tensors broadcast to one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    shape: Vec<usize>,
    operands: SmallVec<[BroadcastOperand; 2]>,
}

/// The axes of the result, split by whether one operand has them or is repeated along them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BroadcastOperand {
    /// The axes that the operand has.
    own: SmallVec<[BroadcastAxis; 4]>,
    /// The axes along which it is repeated.
    repeated: SmallVec<[BroadcastAxis; 4]>,
}

/// One axis of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BroadcastAxis {
    size: usize,
    /// The stride in the result.
    result: usize,
    /// The stride in the operand; 0 if it is repeated.
    operand: usize,
}

/// Infers the shape that tensors are broadcast to, from their names and shapes.
///
/// ```
/// use gradstep::op::broadcast::shape;
///
/// assert_eq!(shape(&[("a", &[3, 1]), ("b", &[4])]), Ok(vec![3, 4]));
/// ```
///
/// # Errors
/// The first tensor with an axis that is neither 1 nor the size of that axis in the tensors before it.
///
/// # Panics
/// Never.
pub fn shape(operands: &[(&'static str, &[usize])]) -> Result<Vec<usize>, Mismatch> {
    let mut shape: Vec<usize> = Vec::new();
    for (n, (name, own)) in operands.iter().enumerate() {
        if own.len() > shape.len() {
            shape.splice(0..0, vec![1; own.len() - shape.len()]);
        }
        let first = shape.len() - own.len();
        for (axis, size) in own.iter().enumerate() {
            let met = &mut shape[first + axis];
            if *met == 1 {
                *met = *size;
            } else if *size != 1 && size != met {
                // an earlier operand gave this axis its size
                let from_end = own.len() - axis;
                let gave = |other: &&(&str, &[usize])| other.1.len().checked_sub(from_end).is_some_and(|at| other.1[at] == *met);
                let (other, with) = operands[..n].iter().find(gave).expect("the size comes from an earlier operand");
                return Err(Mismatch {
                    one: MismatchedTensor::new(name, own, Some(axis)),
                    other: MismatchedTensor::new(other, with, Some(with.len() - from_end)),
                });
            }
        }
    }
    Ok(shape)
}

impl Broadcast {
    /// Broadcasts tensors with these names and shapes.
    ///
    /// # Errors
    /// Those of [`shape`].
    pub fn new(operands: &[(&'static str, &[usize])]) -> Result<Self, Mismatch> {
        let shape = shape(operands)?;
        let operands = operands.iter().map(|(_, own)| BroadcastOperand::new(own, &shape)).collect();
        Ok(Self { shape, operands })
    }

    /// The shape of the result.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the entry of an operand that an entry of the result reads.
    #[must_use]
    pub fn read(&self, operand: usize, result: usize) -> usize {
        self.operands[operand].own.iter().map(|axis| result / axis.result % axis.size * axis.operand).sum()
    }

    /// Returns the number of entries of the result that read each entry of an operand.
    #[must_use]
    pub fn readers(&self, operand: usize) -> usize {
        self.operands[operand].repeated.iter().map(|axis| axis.size).product()
    }

    /// Returns the n-th entry of the result, from 0 in row-major order, that reads an entry of an operand.
    #[must_use]
    pub fn reader(&self, operand: usize, entry: usize, mut n: usize) -> usize {
        let BroadcastOperand { own, repeated } = &self.operands[operand];
        let mut place = own.iter().map(|axis| entry / axis.operand % axis.size * axis.result).sum();
        for axis in repeated.iter().rev() {
            place += n % axis.size * axis.result;
            n /= axis.size;
        }
        place
    }

    /// Returns the number n of an entry of the result among those that read the same entry of an operand: the inverse of [`Broadcast::reader`].
    #[must_use]
    pub fn rank(&self, operand: usize, result: usize) -> usize {
        self.operands[operand].repeated.iter().fold(0, |rank, axis| rank * axis.size + result / axis.result % axis.size)
    }
}

impl BroadcastOperand {
    fn new(own: &[usize], shape: &[usize]) -> Self {
        let first = shape.len() - own.len();
        let mut axes = Self { own: SmallVec::new(), repeated: SmallVec::new() };
        for (at, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let result = len(&shape[at + 1..]);
            match at.checked_sub(first) {
                Some(at) if own[at] != 1 => axes.own.push(BroadcastAxis { size, result, operand: len(&own[at + 1..]) }),
                _ => axes.repeated.push(BroadcastAxis { size, result, operand: 0 }),
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

    /// Returns the entry that broadcasting reads, by definition.
    fn by_definition(own: &[usize], shape: &[usize], result: usize) -> usize {
        let index = unravel(result, shape);
        let aligned = &index[shape.len() - own.len()..];
        let read: Vec<usize> = aligned.iter().zip(own).map(|(at, size)| if *size == 1 { 0 } else { *at }).collect();
        ravel(&read, own).expect("the index is in the shape")
    }

    #[test]
    fn every_entry_is_read_by_its_readers() {
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
            for (operand, own) in shapes.into_iter().enumerate() {
                let read = |result: usize| by_definition(own, broadcast.shape(), result);
                for entry in 0..len(own) {
                    let readers: Vec<usize> = results.clone().filter(|result| read(*result) == entry).collect();
                    let found: Vec<usize> = (0..broadcast.readers(operand)).map(|n| broadcast.reader(operand, entry, n)).collect();
                    assert_eq!(found, readers, "{shapes:?}: entry {entry} of operand {operand}");
                    for (rank, result) in readers.into_iter().enumerate() {
                        assert_eq!((broadcast.read(operand, result), broadcast.rank(operand, result)), (entry, rank), "{shapes:?}");
                    }
                }
            }
        }
    }
}
