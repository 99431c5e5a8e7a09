//! The arguments of a call whose shapes are known in part.

use super::inference::{Implied, Inference};
use super::shapes::{Shape, Size};

/// The arguments of a call, by the parameters of the function.
#[derive(Debug, Default)]
pub struct ImpliedArguments {
    /// The value of each parameter; `None` if it is not given.
    pub values: Vec<Option<Implied>>,
    /// The values of a parameter with a star.
    pub rest: Vec<Implied>,
    /// The names of unknown rank that are factors of the first argument: G in `(y * G).sum()`.
    pub factors: Vec<Shape>,
    /// `true` for `max(a, b)` without a module: two arguments are compared.
    pub is_bare: bool,
    /// `true` for NumPy's spelling.
    pub is_numpy: bool,
}

impl ImpliedArguments {
    /// Returns the value of a parameter; an unknown one if it is not given.
    pub fn get(&self, at: usize) -> Implied {
        self.values.get(at).cloned().flatten().unwrap_or(Implied::Unknown)
    }

    /// Returns whether a parameter is given, and is not `None`.
    pub fn has(&self, at: usize) -> bool {
        matches!(self.values.get(at), Some(Some(value)) if !matches!(value, Implied::Nothing))
    }

    /// Returns the values that follow, given one by one or as one list.
    pub fn following(&self, inference: &mut Inference) -> Vec<Implied> {
        match &self.rest[..] {
            [Implied::Items(items)] => items.to_vec(),
            [Implied::Tensor(shape)] if inference.missing_of(*shape).is_none() => vec![Implied::Unknown],
            rest => rest.to_vec(),
        }
    }
}

/// Returns the axis that a number means in a tensor of this rank.
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
