//! `upstream`: C = ⟨a, G⟩ = Σ aᵢ Gᵢ for a given tensor G, so that ∂C/∂a = G, as with `a.backward(G)` in PyTorch. It starts the backward pass of a single
//! layer with a known gradient.

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, T};
use crate::expr::{Expr, whole};
use crate::op::layer::{Args, Fan, Reported};
use crate::op::rule::{Equation, Factors, Gist, Operands, Term, entry};
use crate::tensor::Tensor;

/// The row of this loss in the registry.
pub const KIND: LossKind = LossKind { name: "upstream", keys: &["gradient"], build };

#[allow(clippy::unnecessary_wraps)] // the signature of `LossKind::build`
fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let target = args.has("gradient").then(|| args.tensor_or_flat("gradient", output.shape, Fan::of(output.shape)));
    Ok(of(target))
}

/// The loss with this G, or with `None` the target of each sample as G.
pub(super) fn of(target: Option<Tensor>) -> Loss {
    Loss { function: Arc::new(PointwiseLoss(UpstreamLoss)), reads_z: false, shortcut: None, target }
}

#[derive(Clone, Copy, Debug)]
struct UpstreamLoss;

impl Pointwise for UpstreamLoss {
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
            words: "This loss only serves to start the backward pass with a given ∂C/∂a: it multiplies every output by the number that is to be its derivative.",
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
