//! Closed forms: the derivative of a composed function as one formula, beside the sum over the paths through its parts.
//!
//! The sum over the paths is what the backward pass adds up, term by term. Most of the terms cancel on paper, and what is left is short. Both are computed from the same
//! numbers, so a difference is a rounding error:
//!
//! | function | formula | source |
//! | --- | --- | --- |
//! | batch norm, layer norm, group norm | (D − mean D − x̂ · mean(D x̂)) / σ, with D = γ ∂J/∂y | Ioffe and Szegedy, "Batch Normalization", 2015 |
//! | softmax with cross-entropy | (p − t) / n · ∂J/∂L | Bridle, "Training stochastic model recognition algorithms as networks", 1990 |

use smallvec::SmallVec;

use super::groups::Groups;
use super::slot::Slot::Input;
use crate::expr::Expr;

/// The largest number of entries of a group over which a mean is taken for one frame.
const MAX_GROUP: usize = 4096;

/// The quantities of a formula for one entry, in the order of [`ClosedForm::letters`].
pub type Quantities = SmallVec<[f64; 5]>;

/// A closed form of the derivative of a function by its first argument.
#[derive(Clone, Debug, PartialEq)]
pub enum ClosedForm {
    /// The derivative of y = γ x̂ + β by x, where x̂ is x with mean 0 and variance 1 in each group. The operands are ∂J/∂y, x̂, 1/σ and, if it is given, γ.
    Norm {
        /// The entries that are normalised together.
        groups: Groups,
        /// The place of γ for an entry of x: `entry / inner % size`. `None` without γ.
        weight: Option<WeightPlace>,
    },
    /// The derivative of the negative logarithm of the softmax of z at the class of each row, by z. The operands are ∂J/∂L, log p and the classes.
    CrossEntropy {
        /// The rows, along the axis of the classes.
        rows: Groups,
        /// The number of rows if the loss is their mean, 1 if it is their sum.
        divisor: f64,
    },
}

/// The place of the weight of an entry: `entry / inner % size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightPlace {
    /// The number of entries of x that follow each other with the same weight.
    pub inner: usize,
    /// The number of weights.
    pub size: usize,
}

const D: Expr = Expr::Entry(Input(0));
const MEAN_D: Expr = Expr::Entry(Input(1));
const X_HAT: Expr = Expr::Entry(Input(2));
const MEAN_D_X: Expr = Expr::Entry(Input(3));
const INVERSE: Expr = Expr::Entry(Input(4));
/// 1/σ · (D − mean D − x̂ · mean(D x̂))
const NORM: Expr = Expr::Mul(&[INVERSE, Expr::Sub(&[Expr::Sub(&[D, MEAN_D]), Expr::Mul(&[X_HAT, MEAN_D_X])])]);
/// (p − t) / n · ∂J/∂L
const CROSS_ENTROPY: Expr =
    Expr::Mul(&[Expr::Div(&[Expr::Sub(&[Expr::Entry(Input(0)), Expr::Entry(Input(1))]), Expr::Entry(Input(2))]), Expr::Entry(Input(3))]);

impl ClosedForm {
    /// Returns the formula. Its quantities are the slots `Input(0)`, `Input(1)`, ….
    #[must_use]
    pub fn formula(&self) -> &'static Expr {
        match self {
            Self::Norm { .. } => &NORM,
            Self::CrossEntropy { .. } => &CROSS_ENTROPY,
        }
    }

    /// Returns the letters of the quantities.
    #[must_use]
    pub fn letters(&self) -> &'static [&'static str] {
        match self {
            Self::Norm { .. } => &["D", "mean(D)", "xhat", "mean(D xhat)", "1/σ"],
            Self::CrossEntropy { .. } => &["p", "t", "n", "{0}"],
        }
    }

    /// Returns the definitions of the letters, in which `{0}`, `{1}`, … stand for the symbols of the operands and `{x}` for the input.
    #[must_use]
    pub fn definitions(&self) -> &'static str {
        match self {
            Self::Norm { weight: Some(_), .. } => "D = {3}·{0}, xhat = {1}, 1/σ = {2}",
            Self::Norm { weight: None, .. } => "D = {0}, xhat = {1}, 1/σ = {2}",
            Self::CrossEntropy { .. } => "p = softmax({x}), t = 1 for the class in {2}, else 0",
        }
    }

    /// Returns whether the formula of one entry reads few enough numbers for a frame.
    #[must_use]
    pub fn is_short(&self) -> bool {
        match self {
            Self::Norm { groups, .. } => groups.len <= MAX_GROUP,
            Self::CrossEntropy { .. } => true,
        }
    }

    /// Computes the quantities for an entry of the input from the numbers of the operands.
    #[must_use]
    pub fn quantities(&self, operands: &[&[f64]], at: usize) -> Option<Quantities> {
        match (self, operands) {
            (Self::Norm { groups, weight }, [upstream, normalised, inverse, weights @ ..]) => {
                let weighted = |at: usize| match (weight, weights) {
                    (Some(WeightPlace { inner, size }), [weights]) => weights[at / inner % size] * upstream[at],
                    _ => upstream[at],
                };
                let (group, _) = groups.group_of(at);
                #[expect(clippy::cast_precision_loss, reason = "a number of entries")]
                let n = groups.len as f64;
                let mean = |number: &dyn Fn(usize) -> f64| groups.places(group).map(number).sum::<f64>() / n;
                let means = [mean(&weighted), mean(&|at| weighted(at) * normalised[at])];
                Some([weighted(at), means[0], normalised[at], means[1], *inverse.get(group)?].into_iter().collect())
            }
            (Self::CrossEntropy { rows, divisor }, [upstream, log_p, classes]) => {
                let (row, class) = rows.group_of(at);
                #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "classes are small whole numbers")]
                let target = if *classes.get(row)? == class as f64 { 1.0 } else { 0.0 };
                Some([libm::exp(log_p[at]), target, *divisor, *upstream.first()?].into_iter().collect())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(form: &ClosedForm, operands: &[&[f64]], at: usize) -> f64 {
        let quantities = form.quantities(operands, at).expect("operands that fit");
        let number = |slot| match slot {
            Input(n) => quantities[n],
            _ => f64::NAN,
        };
        form.formula().value(&number).expect("a number")
    }

    /// The first column of the scenario `batch-norm`, worked out by hand: x = (6, 14, 0, 8), σ = 5, γ = 5, and only the second example has an error.
    #[test]
    fn the_derivative_of_a_norm_by_hand() {
        let form = ClosedForm::Norm { groups: Groups::along(&[4, 1], &[0]), weight: Some(WeightPlace { inner: 1, size: 1 }) };
        let operands: [&[f64]; 4] = [&[0.0, 1.0, 0.0, 0.0], &[-0.2, 1.4, -1.4, 0.2], &[0.2], &[5.0]];
        for (at, by_hand) in [-0.18, 0.26, 0.24, -0.32].into_iter().enumerate() {
            assert!((value(&form, &operands, at) - by_hand).abs() < 1e-15, "{at}");
        }
    }

    /// Two rows with the probabilities 1/2, 1/4, 1/4 and the classes 0 and 2.
    #[test]
    fn the_derivative_of_cross_entropy_by_hand() {
        let form = ClosedForm::CrossEntropy { rows: Groups::along(&[2, 3], &[1]), divisor: 2.0 };
        let log_p = [0.5, 0.25, 0.25, 0.5, 0.25, 0.25].map(libm::log);
        for (at, by_hand) in [-0.25, 0.125, 0.125, 0.25, 0.125, -0.375].into_iter().enumerate() {
            assert!((value(&form, &[&[1.0], &log_p, &[0.0, 2.0]], at) - by_hand).abs() < 1e-15, "{at}");
        }
    }
}
