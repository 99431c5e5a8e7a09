//! Losses of the error a − t: the sum or the mean over the entries of one function of it, such as its absolute value.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::{A, A_ENTRY, Entries, Loss, Output, Pointwise, T, T_ENTRY};
use crate::expr::{Expr, Join, Primitive, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::rule::{Arguments, Equation, Factors, Gist, Operands, Term, constant, derived};

/// A function of the error d = a − t and of one key of the loss.
#[derive(Debug)]
pub(super) struct Distance {
    function: &'static Primitive,
    /// f(a − t) of one entry.
    value: Expr,
    /// f′(a − t) of one entry.
    slope: Expr,
    words: &'static str,
    back: &'static str,
}

const ERROR: Expr = Expr::Sub(&[A_ENTRY, T_ENTRY]);
const ERRORS: Expr = Expr::Sub(&[whole::X, whole::W]);
/// Σ f(a − t)
const TOTAL: Expr = Expr::Of(SUM, &[Expr::Arg(0)]);

impl Distance {
    /// A function with the explanations of the loss and of its derivative.
    pub const fn new(function: &'static Primitive, words: &'static str, back: &'static str) -> Self {
        Self { function, value: Expr::Of(function, &[ERROR]), slope: Expr::Prime(function, &[ERROR]), words, back }
    }

    /// The loss with this function. Its key, if it has one, is a positive number.
    ///
    /// # Errors
    /// When a key of the loss has a fault.
    pub fn build(&'static self, args: &mut dyn Args, output: &Output<'_>, key: Option<(&str, f64)>) -> Result<Loss, Reported> {
        let reduction = super::reduction(args, output);
        let mut keys = SmallVec::new();
        if let Some((key, default)) = key {
            let value = args.number(key)?.unwrap_or(default);
            if value <= 0.0 {
                let help = format!("PyTorch's is {default}");
                return Err(args.fail_alone(key, format!("{key} must be more than 0, not {value}"), &help));
            }
            keys.push(value);
        }
        let (mean, scale) = reduction?;
        Ok(Loss::entry_by_entry(Arc::new(Entries(Sum { distance: self, keys, mean, scale }))))
    }
}

/// A loss with its numbers.
#[derive(Clone, Debug)]
struct Sum {
    distance: &'static Distance,
    keys: SmallVec<[f64; 1]>,
    mean: bool,
    /// 1, or 1/n for the mean.
    scale: f64,
}

impl Sum {
    /// The error of an entry, and the keys.
    fn numbers(&self, x: &Operands<'_>, i: usize) -> SmallVec<[f64; 2]> {
        std::iter::once(x.get(A, i) - x.get(T, i)).chain(self.keys.iter().copied()).collect()
    }

    fn scaled(&self, factor: crate::op::rule::Arg) -> Factors {
        if self.mean { smallvec![constant(self.scale), factor] } else { smallvec![factor] }
    }
}

impl Pointwise for Sum {
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
