//! Losses C = Σ f(d), or the mean over the outputs, for a function f of the error d = a − t. For example, `l1` is the loss with f(d) = |d|.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::{A, A_ENTRY, ALL_A, ALL_T, Loss, LossReduction, NetworkOutput, Pointwise, PointwiseLoss, T, T_ENTRY};
use crate::expr::{Expr, Join, Primitive, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::rule::{Arguments, Equation, Factors, Gist, Operands, Term, derived};

/// The function f of a loss. Its arguments are d = a − t and, for some losses, the value of a key.
#[derive(Debug)]
pub(super) struct Distance {
    /// The function f.
    function: &'static Primitive,
    /// The expression f(a − t) of one entry.
    value: Expr,
    /// The expression f′(a − t) of one entry.
    derivative: Expr,
    /// The explanation of the loss.
    words: &'static str,
    /// The explanation of the derivative.
    derivative_words: &'static str,
}

/// The error a − t of one entry.
const ERROR: Expr = Expr::Sub(&[A_ENTRY, T_ENTRY]);
/// The errors a − t of all entries.
const ERRORS: Expr = Expr::Sub(&[ALL_A, ALL_T]);
/// Σ f(a − t): argument 0 is f(a − t) ([`DistanceLoss::arguments`]).
const TOTAL: Expr = Expr::Of(SUM, &[Expr::Arg(0)]);

impl Distance {
    /// Creates the function of a loss, with the explanations of the loss and of its derivative.
    pub const fn new(function: &'static Primitive, words: &'static str, derivative_words: &'static str) -> Self {
        Self { function, value: Expr::Of(function, &[ERROR]), derivative: Expr::Prime(function, &[ERROR]), words, derivative_words }
    }

    /// Makes the loss from the values of its keys. Every such loss has the key `reduction`. A loss may have a second key, whose value must be more than 0;
    /// `second_key` has its name and default.
    ///
    /// # Errors
    /// If the value of a key is not allowed.
    pub fn build(
        &'static self,
        args: &mut dyn Args,
        output: &NetworkOutput<'_>,
        default_reduction: &'static str,
        second_key: Option<(&str, f64)>,
    ) -> Result<Loss, Reported> {
        let reduction = LossReduction::read_or(args, output, default_reduction);
        let mut parameters = SmallVec::new();
        if let Some((key, default)) = second_key {
            let value = args.number(key)?.unwrap_or(default);
            if value <= 0.0 {
                let help = format!("PyTorch's default is {default}");
                return Err(args.fail(key, format!("{key} must be more than 0, not {value}"), &help));
            }
            parameters.push(value);
        }
        let reduction = reduction?;
        Ok(Loss::of_output_and_target(Arc::new(PointwiseLoss(DistanceLoss { distance: self, parameters, reduction }))))
    }
}

/// A loss C = Σ f(a − t) with the values of its keys, such as δ of the Huber loss.
#[derive(Clone, Debug)]
struct DistanceLoss {
    distance: &'static Distance,
    /// The arguments of f after d: the value of the second key, if there is one.
    parameters: SmallVec<[f64; 1]>,
    reduction: LossReduction,
}

impl DistanceLoss {
    /// The arguments of f for entry i: a − t, then the parameters.
    fn function_arguments(&self, x: &Operands<'_>, i: usize) -> SmallVec<[f64; 2]> {
        std::iter::once(x.get(A, i) - x.get(T, i)).chain(self.parameters.iter().copied()).collect()
    }
}

impl Pointwise for DistanceLoss {
    fn loss_factors(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let value = self.distance.function.value(&self.function_arguments(x, i)).unwrap_or(f64::NAN);
        self.reduction.scaled(derived(&self.distance.value, A, i, value))
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        let Distance { function, derivative, .. } = self.distance;
        // f′ does not use the value of f, so NaN is passed as this value
        let value = function.derivative(0, &self.function_arguments(x, i), f64::NAN).unwrap_or(f64::NAN);
        Term::product(self.reduction.scaled(derived(derivative, A, i, value)))
    }

    fn equation(&self) -> Equation {
        let Distance { function, words, .. } = *self.distance;
        Equation {
            right: if self.reduction.is_mean { Expr::Product(Join::Juxtaposed, &[whole::SHARE, TOTAL]) } else { TOTAL },
            name: "the loss",
            gist: Gist::Definition(function),
            words,
        }
    }

    fn gradient_equation(&self) -> Equation {
        let right = if self.reduction.is_mean { Expr::Mul(&[whole::SHARE, Expr::Arg(1)]) } else { Expr::Arg(1) };
        Equation { right, name: "the derivative of the loss", gist: Gist::None, words: self.distance.derivative_words }
    }

    /// f(a − t) and f′(a − t).
    fn arguments(&self) -> Arguments {
        let function = self.distance.function;
        smallvec![Expr::Of(function, &[ERRORS]), Expr::Prime(function, &[ERRORS])]
    }
}
