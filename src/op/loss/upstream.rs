//! `upstream`: C = ⟨a, G⟩ for a given G, so that ∂C/∂a = G: for stepping one layer with a known error.

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, Entries, Loss, LossKind, Output, Pointwise, T};
use crate::expr::{Expr, whole};
use crate::op::layer::{Args, Fan, Reported};
use crate::op::rule::{Equation, Factors, Gist, Operands, Term, entry};
use crate::tensor::Tensor;

/// The row of the registry.
pub const KIND: LossKind = LossKind { name: "upstream", keys: &["gradient"], build };

#[allow(clippy::unnecessary_wraps)] // the signature of the registry
fn build(args: &mut dyn Args, output: &Output<'_>) -> Result<Loss, Reported> {
    let target = args.has("gradient").then(|| args.tensor_or_flat("gradient", output.shape, Fan::of(output.shape)));
    Ok(of(target))
}

/// The loss with this G, or with one that each sample gives.
pub(super) fn of(target: Option<Tensor>) -> Loss {
    Loss { function: Arc::new(Entries(Upstream)), reads_z: false, shortcut: None, target }
}

#[derive(Clone, Copy, Debug)]
struct Upstream;

impl Pointwise for Upstream {
    fn loss(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        smallvec![entry(x, A, i), entry(x, T, i)]
    }

    fn gradient(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        Term::copy(entry(x, T, i))
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Inner(&[whole::X, whole::W]),
            name: "the loss",
            gist: Gist::Words("a given error"),
            words: "This loss only serves to start the backward pass with a known ∂C/∂a: it weighs every output with the number that shall be its derivative.",
        }
    }

    fn back(&self) -> Equation {
        Equation {
            right: whole::W,
            name: "the given error",
            gist: Gist::None,
            words: "The derivative of each output is the number that was given for it.",
        }
    }
}
