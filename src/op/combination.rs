//! Scaled copies that are added up: the mean over samples, and the update of a weight.

use smallvec::smallvec;

use super::rule::{Equation, Operands, Rule, Term, Use, constant, entry, one_each, same_place};
use super::slot::Slot::{self, Input};

/// y = c x, or y = x without a coefficient. A sum of such parts is a linear combination.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    /// The coefficient; `None` for 1, which makes no multiplication.
    pub by: Option<f64>,
    /// What it says.
    pub equation: Equation,
}

/// Adds c x to y, entry by entry: a product, then a sum.
pub fn add_scaled(by: Option<f64>, x: &[f64], y: &mut [f64]) {
    match by {
        Some(by) => y.iter_mut().zip(x).for_each(|(y, x)| *y += by * x),
        None => y.iter_mut().zip(x).for_each(|(y, x)| *y += x),
    }
}

/// Sets y to c x.
fn scaled(by: Option<f64>, x: &[f64], y: &mut [f64]) {
    match by {
        Some(by) => y.iter_mut().zip(x).for_each(|(y, x)| *y = by * x),
        None => y.copy_from_slice(x),
    }
}

/// Makes c x of x.
pub fn scale(by: Option<f64>, x: &mut [f64]) {
    if let Some(by) = by {
        for x in x {
            *x *= by;
        }
    }
}

impl Rule for Scaled {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        add_scaled(self.by, x.tensors[Input(0)], out);
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        scaled(self.by, x.tensors[Input(0)], sums);
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn each(&self) -> Option<u64> {
        Some(1)
    }

    fn reached(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        match self.by {
            Some(by) => Term::product(smallvec![constant(by), entry(x, Input(0), at)]),
            None => Term::product(smallvec![entry(x, Input(0), at)]),
        }
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        same_place(at)
    }

    fn equation(&self) -> Equation {
        self.equation
    }
}
