//! Scaled copies that are added up: the mean over samples, and the update of a weight.

use smallvec::smallvec;

use super::rule::{Equation, Operands, Rule, Term, Use, constant, entry, one_each, same_place};

/// y = c x, or y = x without a coefficient. A sum of such parts is a linear combination.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    /// The coefficient; `None` for 1, which makes no multiplication.
    pub by: Option<f64>,
    /// What it says.
    pub equation: Equation,
}

impl Rule for Scaled {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (y, x) in out.iter_mut().zip(x.tensors[0]) {
            *y += self.by.map_or(*x, |by| by * x);
        }
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
            Some(by) => Term::product(smallvec![constant(by), entry(x, 0, at)]),
            None => Term::product(smallvec![entry(x, 0, at)]),
        }
    }

    fn uses(&self, _x: &Operands<'_>, _slot: usize, at: usize) -> Vec<Use> {
        same_place(at)
    }

    fn equation(&self) -> Equation {
        self.equation
    }
}
