//! The arguments of a call while shapes are inferred.

use super::inference::{Implied, Inference};
use super::shapes::{Shape, Size};

/// The arguments of a call, by the parameters of the function.
#[derive(Debug, Default)]
pub struct ImpliedArguments {
    /// The value of each parameter; `None` if it is not given.
    pub values: Vec<Option<Implied>>,
    /// The values of the parameter with a star, such as the sizes of `x.view(2, 3)`.
    pub starred_arguments: Vec<Implied>,
    /// The shapes of the names of unknown rank that are factors of the first argument: of G in `(y * G).sum()`.
    pub factors: Vec<Shape>,
    /// `true` for a call without a module or a tensor before the name, such as `max(a, b)`, which compares two arguments.
    pub is_bare: bool,
    /// `true` for a call such as `np.split(x, 2)`.
    pub is_numpy: bool,
}

impl ImpliedArguments {
    /// Returns the value of a parameter; an unknown one if it is not given.
    pub fn get(&self, parameter: usize) -> Implied {
        self.values.get(parameter).cloned().flatten().unwrap_or(Implied::Unknown)
    }

    /// Returns whether a parameter is given, and is not `None`.
    pub fn has(&self, parameter: usize) -> bool {
        matches!(self.values.get(parameter), Some(Some(value)) if !matches!(value, Implied::Nothing))
    }

    /// Returns the values of the parameter with a star: the same for `x.view(2, 3)` and `x.view([2, 3])`.
    pub fn starred(&self, inference: &mut Inference) -> Vec<Implied> {
        match &self.starred_arguments[..] {
            [Implied::Items(items)] => items.to_vec(),
            // a tensor in the place of a list: its numbers are not known here
            [Implied::Tensor(shape)] if inference.missing_of(*shape).is_none() => vec![Implied::Unknown],
            starred => starred.to_vec(),
        }
    }
}

/// Returns the axis that a number means in a tensor of this rank: −1 is the last one. `None` if the number is not known or not an axis.
pub fn axis(inference: &Inference, value: &Implied, rank: usize) -> Option<usize> {
    let n = inference.integer(value)?;
    let axis = if n < 0 { n + i64::try_from(rank).ok()? } else { n };
    usize::try_from(axis).ok().filter(|axis| *axis < rank)
}

/// Returns the sizes of the first argument.
pub fn sizes(inference: &mut Inference, arguments: &ImpliedArguments) -> Option<Vec<Size>> {
    let shape = inference.shape(&arguments.get(0))?;
    inference.shapes.sizes(shape)
}

/// Returns a tensor of these sizes.
pub fn tensor(inference: &mut Inference, sizes: Vec<Size>) -> Implied {
    Implied::Tensor(inference.shapes.of(sizes))
}
