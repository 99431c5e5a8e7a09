//! Losses C = Σ f(a − t), or the mean, for a function f of one number, such as the absolute value.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::{A, A_ENTRY, Loss, NetworkOutput, Pointwise, PointwiseLoss, T, T_ENTRY};
use crate::expr::{Expr, Join, Primitive, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::rule::{Arguments, Equation, Factors, Gist, Operands, Term, constant, derived};

/// The function f of d = a − t, and of at most one key of the loss.
#[derive(Debug)]
pub(super) struct Distance {
    function: &'static Primitive,
    /// The expression f(a − t) of one entry.
    value: Expr,
    /// The expression f′(a − t) of one entry.
    slope: Expr,
    words: &'static str,
    back: &'static str,
}

const ERROR: Expr = Expr::Sub(&[A_ENTRY, T_ENTRY]);
const ERRORS: Expr = Expr::Sub(&[whole::X, whole::W]);
/// Σ f(a − t)
const TOTAL: Expr = Expr::Of(SUM, &[Expr::Arg(0)]);

impl Distance {
    /// A function with the explanation of the loss (`words`) and of its derivative (`back`).
    pub const fn new(function: &'static Primitive, words: &'static str, back: &'static str) -> Self {
        Self { function, value: Expr::Of(function, &[ERROR]), slope: Expr::Prime(function, &[ERROR]), words, back }
    }

    /// Makes the loss from the keys `reduction` and `key`, a positive number with this default.
    ///
    /// # Errors
    /// If the value of a key is not allowed.
    pub fn build(&'static self, args: &mut dyn Args, output: &NetworkOutput<'_>, key: Option<(&str, f64)>) -> Result<Loss, Reported> {
        let reduction = super::reduction(args, output);
        let mut keys = SmallVec::new();
        if let Some((key, default)) = key {
            let value = args.number(key)?.unwrap_or(default);
            if value <= 0.0 {
                let help = format!("PyTorch's default is {default}");
                return Err(args.fail_alone(key, format!("{key} must be more than 0, not {value}"), &help));
            }
            keys.push(value);
        }
        let (mean, scale) = reduction?;
        Ok(Loss::entry_by_entry(Arc::new(PointwiseLoss(DistanceLoss { distance: self, keys, mean, scale }))))
    }
}

/// A loss with the values of its keys.
#[derive(Clone, Debug)]
struct DistanceLoss {
    distance: &'static Distance,
    keys: SmallVec<[f64; 1]>,
    mean: bool,
    /// 1, or 1/n for the mean.
    scale: f64,
}

impl DistanceLoss {
    /// The arguments of f for entry i: a − t, then the keys.
    fn numbers(&self, x: &Operands<'_>, i: usize) -> SmallVec<[f64; 2]> {
        std::iter::once(x.get(A, i) - x.get(T, i)).chain(self.keys.iter().copied()).collect()
    }

    fn scaled(&self, factor: crate::op::rule::Arg) -> Factors {
        if self.mean { smallvec![constant(self.scale), factor] } else { smallvec![factor] }
    }
}

impl Pointwise for DistanceLoss {
    fn loss(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let value = self.distance.function.value(&self.numbers(x, i)).unwrap_or(f64::NAN);
        self.scaled(derived(&self.distance.value, A, i, value))
    }

    fn gradient(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        let Distance { function, slope, .. } = self.distance;
        let value = function.derivative(0, &self.numbers(x, i), f64::NAN).unwrap_or(f64::NAN);
        Term::product(self.scaled(derived(slope, A, i, value)))
    }

    fn equation(&self) -> Equation {
        let Distance { function, words, .. } = *self.distance;
        Equation {
            right: if self.mean { Expr::Product(Join::Matrix, &[whole::SHARE, TOTAL]) } else { TOTAL },
            name: "the loss",
            gist: Gist::Definition(function),
            words,
        }
    }

    fn back(&self) -> Equation {
        let right = if self.mean { Expr::Mul(&[whole::SHARE, Expr::Arg(1)]) } else { Expr::Arg(1) };
        Equation { right, name: "the derivative of the loss", gist: Gist::None, words: self.distance.back }
    }

    fn arguments(&self) -> Arguments {
        let function = self.distance.function;
        smallvec![Expr::Of(function, &[ERRORS]), Expr::Prime(function, &[ERRORS])]
    }
}
