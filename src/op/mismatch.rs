//! Shape errors, such as a 3x4 weight with an input of 5 numbers. The message names both tensors and the wrong axis of each.

use std::fmt;

use crate::tensor::shape_words;

/// Two tensors whose shapes do not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The tensor whose shape does not fit.
    pub one: MismatchedTensor,
    /// The tensor whose shape it must fit.
    pub other: MismatchedTensor,
}

/// A tensor of a [`Mismatch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MismatchedTensor {
    /// The name in the message: `weight`.
    pub name: &'static str,
    /// The shape.
    pub shape: Vec<usize>,
    /// The wrong axis, from 0; `None` if the number of axes is wrong.
    pub axis: Option<usize>,
}

impl MismatchedTensor {
    /// Creates the tensor from its name, shape and wrong axis.
    #[must_use]
    pub fn new(name: &'static str, shape: &[usize], axis: Option<usize>) -> Self {
        Self { name, shape: shape.to_vec(), axis }
    }

    /// Writes the axis with its size: `axis 1 of the weight (4)`.
    fn fmt_axis(&self, f: &mut fmt::Formatter<'_>, axis: usize) -> fmt::Result {
        match self.shape[..] {
            [n] => write!(f, "the {}'s size ({n})", self.name),
            _ => write!(f, "axis {axis} of the {} ({})", self.name, self.shape[axis]),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { one, other } = self;
        let [own, wanted] = [one, other].map(|operand| shape_words(&operand.shape));
        write!(f, "the {} is {own}, but the {} is {wanted}: ", one.name, other.name)?;
        let (Some(axis), Some(other_axis)) = (one.axis, other.axis) else { return f.write_str("they must have the same number of axes") };
        one.fmt_axis(f, axis)?;
        f.write_str(" must be ")?;
        other.fmt_axis(f, other_axis)
    }
}

/// The shape without leading axes of size 1.
fn without_leading_ones(shape: &[usize]) -> &[usize] {
    &shape[shape.iter().take_while(|size| **size == 1).count()..]
}

/// Checks that a tensor has the same shape as another one, apart from leading axes of size 1. Both names are for the message.
///
/// # Errors
/// Returns both tensors, with the last axis in which they differ. The shapes are aligned at their last axes. If only the number of axes differs, no
/// axis is given.
pub fn check_same_shape(name: &'static str, shape: &[usize], other_name: &'static str, other_shape: &[usize]) -> Result<(), Mismatch> {
    let [actual, wanted] = [shape, other_shape].map(without_leading_ones);
    if actual == wanted {
        return Ok(());
    }
    let axes_from_end = actual.iter().rev().zip(wanted.iter().rev()).position(|(actual, wanted)| actual != wanted);
    let axis = |shape: &[usize]| axes_from_end.map(|n| shape.len() - 1 - n);
    Err(Mismatch {
        one: MismatchedTensor::new(name, shape, axis(shape)),
        other: MismatchedTensor::new(other_name, other_shape, axis(other_shape)),
    })
}

/// Infers the shape of a sum of tensors. `summands` are the inferred shapes of the tensors. The shapes must be equal apart from leading axes of size 1. The
/// result is the shape with the most axes.
///
/// # Errors
/// Returns the error of the first summand whose shape could not be inferred, or whose shape differs from the shape of the summands before it.
pub fn shape_of_sum(summands: impl Iterator<Item = Result<Vec<usize>, Mismatch>>) -> Result<Vec<usize>, Mismatch> {
    let mut sum: Option<Vec<usize>> = None;
    for shape in summands {
        let shape = shape?;
        match &sum {
            None => sum = Some(shape),
            Some(so_far) => {
                check_same_shape("next summand", &shape, "first one", so_far)?;
                if shape.len() > so_far.len() {
                    sum = Some(shape);
                }
            }
        }
    }
    Ok(sum.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_names_both_shapes_and_the_axis() {
        let text =
            |own: &[usize], wanted: &[usize]| check_same_shape("weight", own, "input", wanted).map_err(|mismatch| mismatch.to_string());
        assert_eq!(
            text(&[3, 4], &[5]).unwrap_err(),
            "the weight is 3x4, but the input is a vector of 5 numbers: axis 1 of the weight (4) must be the input's size (5)"
        );
        assert_eq!(
            text(&[3, 4], &[1, 2, 4]).unwrap_err(),
            "the weight is 3x4, but the input is 1x2x4: axis 0 of the weight (3) must be axis 1 of the input (2)"
        );
        assert_eq!(
            text(&[2, 3, 4], &[3, 4]).unwrap_err(),
            "the weight is 2x3x4, but the input is 3x4: they must have the same number of axes"
        );
        assert_eq!((text(&[1, 1, 4], &[4]), text(&[], &[1, 1])), (Ok(()), Ok(())));
    }

    #[test]
    fn a_sum_has_the_shape_of_its_summand_with_the_most_axes() {
        let sum = |shapes: &[&[usize]]| shape_of_sum(shapes.iter().map(|shape| Ok(shape.to_vec())));
        assert_eq!(sum(&[&[2, 3], &[1, 2, 3], &[2, 3]]), Ok(vec![1, 2, 3]));
        let mismatch = sum(&[&[2, 3], &[2, 4]]).unwrap_err();
        assert_eq!((mismatch.one.axis, mismatch.other.shape), (Some(1), vec![2, 3]));
    }
}
