//! Broadcasting as in NumPy and PyTorch: shapes are aligned at their last axis, and an axis that is missing or has size 1 is repeated along the result's.
//!
//! For `[3, 1] + [4]` the result is 3x4; entry (i, j) reads entry (i, 0) of the first operand and j of the second. Backwards, entry (i, 0) gathers over the
//! 4 entries that read it and j over 3, in row-major order.

use smallvec::SmallVec;

use super::mismatch::{Mismatch, Operand};
use crate::tensor::len;

/// Tensors broadcast to one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    shape: Vec<usize>,
    operands: SmallVec<[Repeated; 2]>,
}

/// The entries of the result that read each entry of one operand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Repeated {
    /// The axes that the operand has.
    own: SmallVec<[Axis; 4]>,
    /// The axes along which it is repeated.
    repeated: SmallVec<[Axis; 4]>,
}

/// One axis of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    size: usize,
    /// The distance between neighbours in the result.
    result: usize,
    /// The distance between neighbours in the operand; 0 if it is repeated.
    operand: usize,
}

/// Infers the shape that tensors are broadcast to, from their names and shapes.
///
/// # Errors
/// The first tensor with an axis that is neither 1 nor as large as that of the tensors before it.
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
                let (other, with) = operands[..n].iter().find(gave).expect("the operand that gave the size");
                return Err(Mismatch {
                    one: Operand::new(name, own, Some(axis)),
                    other: Operand::new(other, with, Some(with.len() - from_end)),
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
    /// As [`shape`].
    pub fn new(operands: &[(&'static str, &[usize])]) -> Result<Self, Mismatch> {
        let shape = shape(operands)?;
        let operands = operands.iter().map(|(_, own)| Repeated::new(own, &shape)).collect();
        Ok(Self { shape, operands })
    }

    /// The shape of the result.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The entry of an operand that an entry of the result reads.
    #[must_use]
    pub fn read(&self, operand: usize, result: usize) -> usize {
        self.operands[operand].own.iter().map(|axis| result / axis.result % axis.size * axis.operand).sum()
    }

    /// The number of entries of the result that read each entry of an operand.
    #[must_use]
    pub fn readers(&self, operand: usize) -> usize {
        self.operands[operand].repeated.iter().map(|axis| axis.size).product()
    }

    /// The n-th entry of the result, from 0 in row-major order, that reads this entry of an operand.
    #[must_use]
    pub fn reader(&self, operand: usize, entry: usize, mut n: usize) -> usize {
        let Repeated { own, repeated } = &self.operands[operand];
        let mut place = own.iter().map(|axis| entry / axis.operand % axis.size * axis.result).sum();
        for axis in repeated.iter().rev() {
            place += n % axis.size * axis.result;
            n /= axis.size;
        }
        place
    }

    /// The place of an entry of the result among those that read the same entry of an operand: the inverse of [`Broadcast::reader`].
    #[must_use]
    pub fn rank(&self, operand: usize, result: usize) -> usize {
        self.operands[operand].repeated.iter().fold(0, |rank, axis| rank * axis.size + result / axis.result % axis.size)
    }
}

impl Repeated {
    fn new(own: &[usize], shape: &[usize]) -> Self {
        let first = shape.len() - own.len();
        let mut axes = Self { own: SmallVec::new(), repeated: SmallVec::new() };
        for (at, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let result = len(&shape[at + 1..]);
            match at.checked_sub(first) {
                Some(at) if own[at] != 1 => axes.own.push(Axis { size, result, operand: len(&own[at + 1..]) }),
                _ => axes.repeated.push(Axis { size, result, operand: 0 }),
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
    fn shapes_meet_at_their_last_axes() {
        assert_eq!(shape(&[("a", &[3, 1]), ("b", &[4])]), Ok(vec![3, 4]));
        assert_eq!(shape(&[("a", &[]), ("b", &[2, 1, 5]), ("c", &[3, 1])]), Ok(vec![2, 3, 5]));
        let wrong = shape(&[("first operand", &[1]), ("second operand", &[2, 3, 4]), ("third operand", &[2, 4])]).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the third operand is 2x4, but the second operand is 2x3x4: axis 0 of the third operand (2) must be axis 1 of the second operand (3)"
        );
    }

    /// The entry that broadcasting reads, by its definition.
    fn by_definition(own: &[usize], shape: &[usize], result: usize) -> usize {
        let index = unravel(result, shape);
        let aligned = &index[shape.len() - own.len()..];
        let read: Vec<usize> = aligned.iter().zip(own).map(|(at, size)| if *size == 1 { 0 } else { *at }).collect();
        ravel(&read, own).expect("an entry")
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
            let broadcast = Broadcast::new(&shapes.map(|shape| ("operand", shape))).expect("they fit");
            let results = 0..len(broadcast.shape());
            for (operand, own) in shapes.into_iter().enumerate() {
                let read = |result: usize| by_definition(own, broadcast.shape(), result);
                for entry in 0..len(own) {
                    let readers: Vec<usize> = results.clone().filter(|result| read(*result) == entry).collect();
                    let told: Vec<usize> = (0..broadcast.readers(operand)).map(|n| broadcast.reader(operand, entry, n)).collect();
                    assert_eq!(told, readers, "{shapes:?}: entry {entry} of operand {operand}");
                    for (rank, result) in readers.into_iter().enumerate() {
                        assert_eq!((broadcast.read(operand, result), broadcast.rank(operand, result)), (entry, rank), "{shapes:?}");
                    }
                }
            }
        }
    }
}
