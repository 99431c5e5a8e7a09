//! The seed of the backward pass: the derivative of the network's loss C with respect to C, which is 1. All other derivatives follow from it by the chain rule.

use smallvec::smallvec;

use super::rule::{Equation, Gist, Operands, Rule, Term, Use, constant, one_term_each};
use super::slot::Slot;
use crate::expr::whole;

/// The rule of ∂C/∂C = 1.
#[derive(Debug)]
pub struct Seed;

impl Rule for Seed {
    fn accumulate(&self, _x: &Operands<'_>, out: &mut [f64]) {
        out[0] += 1.0;
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn term(&self, _x: &Operands<'_>, _entry: usize, _term: u64) -> Term {
        Term::product(smallvec![constant(1.0)])
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, _at: usize) -> Vec<Use> {
        Vec::new()
    }

    fn equation(&self) -> Equation {
        Equation {
            right: whole::ONE,
            name: "the backward pass begins",
            gist: Gist::None,
            words: "The derivative of the output by itself is 1. The backward pass starts here and follows the edges back.",
        }
    }
}
