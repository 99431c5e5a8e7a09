//! `upstream`: starts the backward pass with a given gradient G, like `a.backward(G)` in PyTorch. The loss is C = ⟨a, G⟩ = Σ aᵢ Gᵢ, so that ∂C/∂a = G.
//!
//! With this loss a scenario can show the backward pass of a single layer. For a = (2, 3) and G = (1, −1), C = −1 and ∂C/∂a = (1, −1).

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, ALL_A, ALL_T, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, T};
use crate::expr::Expr;
use crate::op::layer::{Args, Fan, Reported};
use crate::op::rule::{Equation, Factors, Gist, Operands, Term, entry};
use crate::tensor::Tensor;

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "upstream", keys: &["gradient"], build };

#[allow(clippy::unnecessary_wraps)] // the signature of `LossKind::build`
fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    // the fan matters only for random values
    let gradient = args.has("gradient").then(|| args.tensor_or_flat("gradient", output.shape, Fan::of(output.shape)));
    Ok(loss(gradient))
}

/// Creates the loss with this G. With `None`, G is the target of each sample.
pub(super) fn loss(gradient: Option<Tensor>) -> Loss {
    // the function reads G in the slot of the target
    Loss { function: Arc::new(PointwiseLoss(UpstreamLoss)), reads_z: false, closed_formula: None, target: gradient }
}

/// The loss C = Σ aᵢ Gᵢ. G is in the slot of the target.
#[derive(Clone, Copy, Debug)]
struct UpstreamLoss;

impl Pointwise for UpstreamLoss {
    fn loss_factors(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        smallvec![entry(x, A, i), entry(x, T, i)]
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        Term::copy(entry(x, T, i))
    }

    fn loss_value(&self, x: &Operands<'_>, i: usize, _term: usize) -> f64 {
        x.get(A, i) * x.get(T, i)
    }

    fn gradient_value(&self, x: &Operands<'_>, i: usize, _term: usize) -> f64 {
        x.get(T, i)
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Inner(&[ALL_A, ALL_T]),
            name: "the loss",
            gist: Gist::Words("a given error"),
            words: "This loss only serves to start the backward pass with a given ∂C/∂a: each output is multiplied by the given number, which then is its derivative.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        Equation { right: ALL_T, name: "the given error", gist: Gist::None, words: "The derivative of each output is the given number." }
    }
}
