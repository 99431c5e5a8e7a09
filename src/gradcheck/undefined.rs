//! Derivatives that are infinite or NaN, but not wrong.
//!
//! For example, for √x − √x at 0 the chain rule computes ∞ − ∞ = NaN, although the function is always 0 and has the slope 0. PyTorch computes NaN too. Such a
//! derivative counts as undefined. If the chain rule does not explain an infinite or NaN derivative, it counts as wrong.

use std::collections::HashMap;

use super::{TensorCheck, Verdict};
use crate::network::{Id, Network, Op, Part, Role, Run};
use crate::op::rule::{Arg, Operands, Origin, Rule, Term};
use crate::op::slot::Slot;
use crate::step::Pass;
use crate::tensor::len;

/// Changes the verdict from [`Verdict::Off`] to [`Verdict::Undefined`] for each derivative that the chain rule itself makes infinite or NaN.
///
/// `checked` must be in the order of the backward pass, because a derivative that is computed from an undefined derivative is undefined too.
pub(super) fn mark_undefined(network: &Network, run: &Run, checked: &mut [TensorCheck]) {
    // for each tensor of derivatives, its index in `checked`
    let numbers: HashMap<Id, usize> = checked.iter().enumerate().map(|(n, checked)| (checked.gradient, n)).collect();
    for n in 0..checked.len() {
        for k in 0..checked[n].checks.len() {
            let check = checked[n].checks[k];
            if check.verdict != Verdict::Off || check.derivative.is_finite() {
                continue;
            }
            let is_off = |gradient: Id, at: usize| {
                let checks = numbers.get(&gradient).map(|&n| &checked[n].checks);
                checks.is_some_and(|checks| checks.iter().any(|other| other.at == at && other.verdict == Verdict::Off))
            };
            if is_undefined(network, run, checked[n].gradient, check.at, is_off) {
                let check = &mut checked[n].checks[k];
                (check.difference, check.error, check.verdict) = (f64::NAN, f64::NAN, Verdict::Undefined);
            }
        }
    }
}

/// Returns whether the chain rule itself makes the entry `at` of a gradient infinite or NaN. `is_off` returns whether an entry of another derivative is wrong.
pub(super) fn is_undefined(network: &Network, run: &Run, gradient: Id, at: usize, is_off: impl Fn(Id, usize) -> bool) -> bool {
    let Role::Gradient(of) = network.tensor(gradient).role else { return false };
    NonFiniteDerivative { network, run, gradient, of, at }.is_undefined(is_off)
}

/// A derivative that is infinite or NaN.
struct NonFiniteDerivative<'a> {
    network: &'a Network,
    run: &'a Run,
    /// The tensor of the derivative.
    gradient: Id,
    /// The tensor x of the derivative ∂C/∂x.
    of: Id,
    /// The offset of the entry in both tensors.
    at: usize,
}

impl NonFiniteDerivative<'_> {
    /// Returns whether the derivative equals the sum of its terms, and one of the terms is undefined. `is_off(gradient, at)` returns whether another derivative
    /// is wrong.
    fn is_undefined(&self, is_off: impl Fn(Id, usize) -> bool) -> bool {
        let Self { network, run, gradient, at, .. } = *self;
        let Some(number) = network.producer(gradient) else { return false };
        let op: &Op = &network.ops()[number];
        let count = |rule: &dyn Rule, x: &Operands<'_>| rule.prefix_terms(x, at + 1) - rule.prefix_terms(x, at);
        let sum = run.parts(op, number).fold(-0.0, |sum, (rule, x)| rule.add_first_terms(&x, at, count(rule, &x), sum));
        let value = run.values(gradient)[at];
        if sum.to_bits() != value.to_bits() && !(sum.is_nan() && value.is_nan()) {
            return false;
        }
        let mut parts = run.parts(op, number).zip(&op.parts);
        parts.any(|((rule, x), part)| (0..count(rule, &x)).any(|term| self.is_term_undefined(&rule.term(&x, at, term), &x, part, &is_off)))
    }

    /// Returns whether a term of the derivative is undefined: it is infinite or NaN for one of these reasons. It overflows, it reads an infinite or NaN number
    /// of the forward pass, it reads an undefined derivative, or its local derivative is infinite.
    fn is_term_undefined(&self, term: &Term, x: &Operands<'_>, part: &Part, is_off: impl Fn(Id, usize) -> bool) -> bool {
        let Self { network, of, at, .. } = *self;
        if term.value.is_finite() {
            return false;
        }
        if term.args.iter().all(|arg| arg.value.is_finite()) {
            return true; // the term overflows
        }
        let is_forward = |slot: Slot| !matches!(network.tensor(part.operands[slot]).role, Role::Gradient(_));
        let reads_infinite = |arg: &Arg| match arg.origin {
            Origin::Entry { slot, .. } => is_forward(slot),
            // all operands are checked, because a factor can depend on operands that its expression does not name: the derivative of 2^∞ depends on 2 and ∞
            Origin::Derived { at, .. } => {
                x.tensors.each().any(|(slot, values)| is_forward(slot) && values.get(at).is_some_and(|value| !value.is_finite()))
            }
            _ => false,
        };
        if term.args.iter().any(|arg| !arg.value.is_finite() && reads_infinite(arg)) {
            return true;
        }
        // the derivative ∂C/∂y that the term multiplies by the local derivative ∂y/∂x
        let upstream = term.args.iter().find_map(|arg| match arg.origin {
            Origin::Entry { slot, at } => match network.tensor(part.operands[slot]).role {
                Role::Gradient(output) => Some((part.operands[slot], output, at, arg.value)),
                _ => None,
            },
            _ => None,
        });
        let Some((gradient, output, output_at, value)) = upstream else { return false };
        if !value.is_finite() {
            return !is_off(gradient, output_at);
        }
        let is_infinite_local = |arg: &Arg| !arg.value.is_finite() && matches!(arg.origin, Origin::Derived { .. });
        term.args.iter().any(is_infinite_local) && is_steep(network, self.run, (output, output_at), (of, at))
    }
}

/// Returns whether the local derivative ∂y/∂x is infinite: its differences are not finite, or they grow without limit as the step gets smaller. Here y is the
/// entry `output_at` of the tensor `output`, and x is the entry `at` of the tensor `of`.
fn is_steep(network: &Network, run: &Run, (output, output_at): (Id, usize), (of, at): (Id, usize)) -> bool {
    let Some(op) = network.producer(output).map(|number| &network.ops()[number]).filter(|op| op.pass != Pass::Backward) else {
        return false;
    };
    let x = run.values(of)[at];
    let y_after_move = |distance: f64| {
        let mut entries = run.values(of).to_vec();
        entries[at] = x + distance;
        let mut sums = vec![0.0; len(&network.tensor(output).shape)];
        op.compute(|id| if id == of { &entries } else { run.values(id) }, &mut sums);
        sums[output_at]
    };
    // From 2⁵³ on, every number is an even integer. There (−½)ˣ has a value for every x, but between two of them it has none, and the chain rule gives NaN
    if x.abs() >= 9_007_199_254_740_992.0 {
        return true;
    }
    // (−½)ˣ has a value for an integer x, but not for the next number
    if [x.next_down(), x.next_up()].iter().any(|next| !y_after_move(next - x).is_finite()) {
        return true;
    }
    let y = y_after_move(0.0);
    let scale = if x == 0.0 { 1.0 } else { x.abs() };
    [-scale, scale].iter().any(|direction| {
        // each step is a hundredth of the step before, and its slope must be larger by at least a fifth
        let slopes = [1e-6, 1e-8, 1e-10].map(|step| ((y_after_move(step * direction) - y) / (step * direction)).abs());
        slopes.iter().any(|slope| !slope.is_finite()) || slopes.windows(2).all(|pair| pair[1] > 1.2 * pair[0])
    })
}
