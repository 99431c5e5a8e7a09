//! `multi_margin`: PyTorch's `MultiMarginLoss` of one sample, the hinge loss of several classes. C = Σ max(0, margin − `a_y` + aᵢ)ᵖ / n, where the sum is over
//! the classes i ≠ y. n is the number of classes, p is 1 or 2, and y is the true class: the (first) entry at which the target is largest. Where the argument of
//! max is exactly 0, the derivative is 0.
//!
//! For a = (1, 3, 2.5), y = 1 (counted from 0) and margin 1, C = (0 + 0.5) / 3 and ∂C/∂a = (0, −1, 1) / 3.

use std::sync::Arc;

use smallvec::smallvec;

use super::{A, A_ENTRY, ALL_A, ALL_T, Loss, LossKind, NetworkOutput, Pointwise, PointwiseLoss, T};
use crate::expr::{Expr, Form, Join, Primitive, SUM, whole};
use crate::op::layer::{Args, Reported};
use crate::op::math::relu;
use crate::op::rule::{Equation, Factors, Gist, Memo, Operands, Term, constant, derived};
use crate::op::slot::Reads;

/// The row of this loss in [`LOSSES`](super::LOSSES).
pub const KIND: LossKind = LossKind { name: "multi_margin", keys: &["margin", "p"], build };
/// The row of PyTorch's function. Its default reduction, the mean over the samples, is also the default of the key `batch_reduction`.
pub const PYTORCH: LossKind = LossKind { name: "multi_margin_loss", ..KIND };

fn build(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Loss, Reported> {
    let margin = args.number("margin")?.unwrap_or(1.0);
    let p = args.integer("p", 1)?.unwrap_or(1);
    if p > 2 {
        return Err(args.fail("p", format!("p must be 1 or 2, not {p}"), "PyTorch's default is 1"));
    }
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
    let share = 1.0 / crate::tensor::len(output.shape) as f64;
    Ok(Loss::of_output_and_target(Arc::new(PointwiseLoss(MultiMargin { margin, is_squared: p == 2, share }))))
}

/// The summand of a class: max(0, margin − `a_y` + aᵢ)ᵖ, and 0 for the true class y. Its arguments are aᵢ (printed `hinge(a)`), all outputs and the target.
const HINGE: &Primitive = &Primitive::new("hinge").arguments(&["a"]).form(Form::Call);
/// hinge(aᵢ | a, t)
const SUMMAND: Expr = Expr::Of(HINGE, &[A_ENTRY, Expr::All(A), Expr::All(T)]);
/// The derivative of the sum of all summands with respect to aᵢ.
const SLOPE: Expr = Expr::Prime(HINGE, &[A_ENTRY, Expr::All(A), Expr::All(T)]);
/// Σ hinge(a, t)
const TOTAL: Expr = Expr::Of(SUM, &[Expr::Of(HINGE, &[ALL_A, ALL_T])]);

#[derive(Clone, Copy, Debug)]
struct MultiMargin {
    margin: f64,
    /// `true` for p = 2.
    is_squared: bool,
    /// 1/n for n classes.
    share: f64,
}

/// The memo: the true class y, and n · ∂C/∂`a_y`, which is minus the sum of n · ∂C/∂aᵢ over all other classes.
struct TrueClass {
    class: usize,
    slope: f64,
}

impl MultiMargin {
    /// margin − `a_y` + aᵢ, added in PyTorch's order. `class` is the true class y.
    fn missing_margin(&self, a: &[f64], class: usize, i: usize) -> f64 {
        self.margin - a[class] + a[i]
    }

    /// The derivative of max(0, d)ᵖ with respect to the missing margin d.
    fn slope(&self, d: f64) -> f64 {
        match (d > 0.0 || d.is_nan(), self.is_squared) {
            (false, _) => 0.0,
            (true, false) => 1.0,
            (true, true) => 2.0 * d,
        }
    }
}

impl Pointwise for MultiMargin {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let (a, t) = (tensors[A], tensors[T]);
        let class = (0..t.len()).fold(0, |best, i| if t[i] > t[best] { i } else { best });
        let others = (0..a.len()).filter(|i| *i != class);
        let slope = -others.map(|i| self.slope(self.missing_margin(a, class, i))).sum::<f64>();
        Some(Arc::new(TrueClass { class, slope }))
    }

    fn loss_factors(&self, x: &Operands<'_>, i: usize, _term: usize) -> Factors {
        let TrueClass { class, .. } = *x.memo().expect("the memo of this rule");
        let hinge = if i == class { 0.0 } else { relu(self.missing_margin(x.tensors[A], class, i)) };
        let summand = if self.is_squared { hinge * hinge } else { hinge };
        smallvec![constant(self.share), derived(&SUMMAND, A, i, summand)]
    }

    fn gradient_term(&self, x: &Operands<'_>, i: usize, _term: usize) -> Term {
        let TrueClass { class, slope } = *x.memo().expect("the memo of this rule");
        let slope = if i == class { slope } else { self.slope(self.missing_margin(x.tensors[A], class, i)) };
        Term::product(smallvec![constant(self.share), derived(&SLOPE, A, i, slope)])
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Product(Join::Juxtaposed, &[whole::SHARE, TOTAL]),
            name: "the loss",
            gist: Gist::Words("the margin of the true class"),
            words: "The output of the true class y should be larger than every other by at least the margin. hinge(aᵢ | a, t) is what is missing, max(0, margin − a_y + aᵢ), for each other class i (squared if p is 2), and 0 for y itself. y is the entry at which the target is largest.",
        }
    }

    fn gradient_equation(&self) -> Equation {
        Equation {
            right: Expr::Mul(&[whole::SHARE, Expr::Prime(HINGE, &[ALL_A, ALL_T])]),
            name: "the derivative of the loss",
            gist: Gist::None,
            words: "A class whose output is below a_y by at least the margin has the derivative 0. Any other class has the derivative 1, or twice the missing margin if p is 2, divided by n. The derivative of the true class is minus the sum of the others.",
        }
    }
}
