//! `binary_cross_entropy_with_logits`: C = −Σ [t log σ(a) + (1 − t) log(1 − σ(a))], or the mean over the outputs; finite for every finite
//! logit.

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, Entries, Loss, LossKind, Output, Pointwise, REST_OF_T, T, T_ENTRY};
use crate::expr::{Expr, LOG, Primitive};
use crate::op::layer::{Args, Faulty};
use crate::op::math::{sigmoid, softplus};
use crate::op::rule::{Args as Factors, Equation, Operands, Term, constant, derived, entry};

/// The row of the registry.
pub const KIND: LossKind = LossKind { name: "binary_cross_entropy_with_logits", keys: &["reduction"], build };

fn build(args: &mut dyn Args, output: &Output<'_>) -> Result<Loss, Faulty> {
    let (mean, scale) = super::reduction(args, output)?;
    Ok(Loss { function: Arc::new(Entries(Binary { mean, scale })), reads_z: false, shortcut: None, target: None })
}

const PROBABILITY: Expr = Expr::Of(&Primitive::smooth("sigmoid"), &[A_ENTRY]);

#[derive(Clone, Copy, Debug)]
struct Binary {
    mean: bool,
    scale: f64,
}

impl Pointwise for Binary {
    const TERMS: usize = 2;

    fn loss(&self, x: &Operands<'_>, i: usize, term: usize) -> Factors {
        let (a, t) = (x.get(A, i), x.get(T, i));
        if term == 0 {
            smallvec![constant(-self.scale), entry(x, T, i), derived(&Expr::Of(LOG, &[PROBABILITY]), A, i, -softplus(-a))]
        } else {
            smallvec![
                constant(-self.scale),
                derived(&REST_OF_T, T, i, 1.0 - t),
                derived(&Expr::Of(LOG, &[Expr::Sub(&[Expr::Number(1.0), PROBABILITY])]), A, i, -softplus(a))
            ]
        }
    }

    fn term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::of_loss(self.loss(x, i, term))
    }

    fn gradient(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        let difference = derived(&Expr::Sub(&[PROBABILITY, T_ENTRY]), A, i, sigmoid(x.get(A, i)) - x.get(T, i));
        Term::product(if self.mean { smallvec![constant(self.scale), difference] } else { smallvec![difference] })
    }

    fn equation(&self) -> Equation {
        Equation {
            symbols: if self.mean {
                "−1/n Σ [{1} log σ({0}) + (1−{1}) log(1−σ({0}))]"
            } else {
                "−Σ [{1} log σ({0}) + (1−{1}) log(1−σ({0}))]"
            },
            name: "the loss: binary cross-entropy on logits",
            words: "The outputs are logits: the sigmoid that makes probabilities of them is part of the loss, so that the logarithm never meets a 0. Where the target is 1 the logarithm of the probability counts, where it is 0 that of the rest to 1.",
        }
    }

    fn back(&self) -> Equation {
        Equation {
            symbols: if self.mean { "1/n (σ({0}) − {1})" } else { "σ({0}) − {1}" },
            name: "the derivative of the loss",
            words: "Sigmoid and binary cross-entropy together have a simple derivative: the probability that came out less the one that should have.",
        }
    }
}
