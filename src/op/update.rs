//! Two rules of an optimizer that are not linear in their operands: c · x², and c · x · rate(s). The factor rate(s) = 1 / (√s + ε), where s is a mean or a sum
//! of squared gradients, divides x by the usual size of a gradient.
//!
//! For x = 3, c = 0.5, s = 4 and ε = 0 the first is 4.5 and the second 0.75. Both are in the update pass, and have no derivative.

use smallvec::smallvec;

use super::rule::{Equation, Operands, Rule, Term, Use, constant, derived, elementwise_use, entry, one_term_each};
use super::slot::Slot::{self, Input};
use crate::expr::{Expr, Form, Primitive};
use crate::sums::{Init, put};

/// rate(s) of one entry.
pub const RATE: &Primitive = &Primitive::new("rate").arguments(&["s"]).form(Form::Call);
/// rate(s, m) of one entry, where m is a mean of x, and s a mean of x².
pub const RATE_OF_CENTRED: &Primitive = &Primitive::new("rate").arguments(&["s", "m"]).form(Form::Call);
const ONE_RATE: Expr = Expr::Of(RATE, &[Expr::Entry(Input(1))]);
const ONE_CENTRED_RATE: Expr = Expr::Of(RATE_OF_CENTRED, &[Expr::Entry(Input(1)), Expr::Entry(Input(2))]);

/// The settings of rate(s) = 1 / (√s / √correction + ε), or rate(s, m) = 1 / (√(s − m²) / √correction + ε).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateOptions {
    /// The correction of s: 1 − β₂ᵗ in Adam, and 1 in other optimizers.
    pub correction: f64,
    /// ε.
    pub eps: f64,
}

impl RateOptions {
    /// Returns rate(s), or rate(s, m).
    ///
    /// ```
    /// let options = gradstep::op::update::RateOptions { correction: 1.0, eps: 0.0 };
    /// assert_eq!((options.rate(4.0, None), options.rate(13.0, Some(3.0))), (0.5, 0.5));
    /// ```
    #[must_use]
    #[inline]
    pub fn rate(self, squares: f64, mean: Option<f64>) -> f64 {
        let variance = mean.map_or(squares, |mean| squares - mean * mean);
        // a square root has the same bits on every processor
        1.0 / (variance.sqrt() / self.correction.sqrt() + self.eps)
    }
}

/// y += c · x · x, entry by entry. If there is no c, x · x is added.
pub fn add_squares(c: Option<f64>, x: &[f64], y: &mut [f64]) {
    match c {
        Some(c) => put(y, x.iter().map(|x| c * x * x), Init::Accumulate),
        None => put(y, x.iter().map(|x| x * x), Init::Accumulate),
    }
}

/// y += c · x · rate(s), entry by entry. If `mean` is given, the rate is rate(s, m).
pub fn add_rated(c: f64, x: &[f64], squares: &[f64], mean: Option<&[f64]>, options: RateOptions, y: &mut [f64]) {
    let pairs = x.iter().zip(squares);
    match mean {
        None => put(y, pairs.map(|(x, s)| c * x * options.rate(*s, None)), Init::Accumulate),
        Some(mean) => put(y, pairs.zip(mean).map(|((x, s), m)| c * x * options.rate(*s, Some(*m))), Init::Accumulate),
    }
}

/// The rule c · x².
#[derive(Clone, Copy, Debug)]
pub struct Squares {
    /// c; `None` for 1.
    pub coefficient: Option<f64>,
    /// The equation.
    pub equation: Equation,
}

impl Rule for Squares {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        add_squares(self.coefficient, x.tensors[Input(0)], out);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let factor = entry(x, Input(0), at);
        Term::product(self.coefficient.map(constant).into_iter().chain([factor.clone(), factor]).collect())
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        elementwise_use(at)
    }

    fn equation(&self) -> Equation {
        self.equation
    }
}

/// The rule c · x · rate(s), or c · x · rate(s, m). Its operands are x, s and, if the rate is centred, m.
#[derive(Clone, Copy, Debug)]
pub struct Rated {
    /// c.
    pub coefficient: f64,
    /// The settings of the rate.
    pub options: RateOptions,
    /// `true` if the rate is rate(s, m).
    pub is_centred: bool,
    /// The equation.
    pub equation: Equation,
}

impl Rated {
    fn mean<'a>(&self, x: &Operands<'a>) -> Option<&'a [f64]> {
        self.is_centred.then(|| x.tensors[Input(2)])
    }
}

impl Rule for Rated {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        add_rated(self.coefficient, x.tensors[Input(0)], x.tensors[Input(1)], self.mean(x), self.options, out);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let rate = self.options.rate(x.get(Input(1), at), self.mean(x).map(|mean| mean[at]));
        let expr = if self.is_centred { &ONE_CENTRED_RATE } else { &ONE_RATE };
        Term::product(smallvec![constant(self.coefficient), entry(x, Input(0), at), derived(expr, Input(1), at, rate)])
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        elementwise_use(at)
    }

    fn equation(&self) -> Equation {
        self.equation
    }
}
