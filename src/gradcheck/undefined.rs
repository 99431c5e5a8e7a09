//! Derivatives that are infinite or NaN, but not wrong.
//!
//! For √x − √x at 0 the chain rule computes ∞ − ∞ = NaN, in PyTorch too, although the loss itself has the slope 0. Such a derivative is undefined, not wrong.
//! A derivative that is not finite without such a cause stays wrong.

use std::collections::HashMap;

use super::{TensorCheck, Verdict};
use crate::network::{Id, Network, Op, Part, Role, Run};
use crate::op::rule::{Arg, Operands, Origin, Rule, Term};
use crate::op::slot::Slot;
use crate::step::Pass;
use crate::tensor::len;

/// Changes the verdict from [`Verdict::Off`] to [`Verdict::Undefined`] for each derivative that the chain rule itself makes infinite or NaN. `checked` is in the
/// order of the backward pass.
pub(super) fn mark_undefined(network: &Network, run: &Run, checked: &mut [TensorCheck]) {
    let places: HashMap<Id, usize> = checked.iter().enumerate().map(|(n, checked)| (checked.gradient, n)).collect();
    for n in 0..checked.len() {
        for k in 0..checked[n].checks.len() {
            let check = checked[n].checks[k];
            if check.verdict != Verdict::Off || check.derivative.is_finite() {
                continue;
            }
            let is_off = |gradient: Id, at: usize| {
                let found = places.get(&gradient).map(|&n| &checked[n].checks);
                found.is_some_and(|found| found.iter().any(|other| other.at == at && other.verdict == Verdict::Off))
            };
            let gradient = checked[n].gradient;
            let Role::Gradient(of) = network.tensor(gradient).role else { continue };
            if (NonFiniteDerivative { network, run, gradient, of, at: check.at }).is_undefined(is_off) {
                let check = &mut checked[n].checks[k];
                (check.difference, check.error, check.verdict) = (f64::NAN, f64::NAN, Verdict::Undefined);
            }
        }
    }
}

/// A derivative that is not finite.
struct NonFiniteDerivative<'a> {
    network: &'a Network,
    run: &'a Run,
    /// The tensor of the derivative.
    gradient: Id,
    /// The tensor x of the derivative ∂C/∂x.
    of: Id,
    at: usize,
}

impl NonFiniteDerivative<'_> {
    /// Returns whether the derivative equals the sum of its terms, and one of these is undefined. `is_off` returns whether an entry of another derivative is
    /// wrong.
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

    /// Returns whether a term of the derivative is undefined, that is, not finite for one of these reasons: it overflows, it reads a number of the forward pass
    /// that is not finite, it reads an undefined derivative, or its local derivative is infinite.
    fn is_term_undefined(&self, term: &Term, x: &Operands<'_>, part: &Part, is_off: impl Fn(Id, usize) -> bool) -> bool {
        let Self { network, of, at, .. } = *self;
        if term.value.is_finite() {
            return false;
        }
        if term.args.iter().all(|arg| arg.value.is_finite()) {
            return true; // it overflows
        }
        let is_forward = |slot: Slot| !matches!(network.tensor(part.operands[slot]).role, Role::Gradient(_));
        let reads_infinite = |arg: &Arg| match arg.origin {
            Origin::Entry { slot, .. } => is_forward(slot),
            // its expression need not name every operand: the derivative of 2^∞ is computed from 2 and ∞
            Origin::Derived { at, .. } => {
                x.tensors.each().any(|(slot, values)| is_forward(slot) && values.get(at).is_some_and(|value| !value.is_finite()))
            }
            _ => false,
        };
        if term.args.iter().any(|arg| !arg.value.is_finite() && reads_infinite(arg)) {
            return true;
        }
        let upstream = term.args.iter().find_map(|arg| match arg.origin {
            Origin::Entry { slot, at } => match network.tensor(part.operands[slot]).role {
                Role::Gradient(above) => Some((part.operands[slot], above, at, arg.value)),
                _ => None,
            },
            _ => None,
        });
        let Some((gradient, above, place, value)) = upstream else { return false };
        if !value.is_finite() {
            return !is_off(gradient, place);
        }
        let is_local = |arg: &Arg| !arg.value.is_finite() && matches!(arg.origin, Origin::Derived { .. });
        term.args.iter().any(is_local) && is_steep(network, self.run, (above, place), (of, at))
    }
}

/// Returns whether the local derivative of the entry `place` of `above` by the entry `at` of `of` is infinite: its differences are not finite, or grow without
/// bound as the step shrinks.
fn is_steep(network: &Network, run: &Run, (above, place): (Id, usize), (of, at): (Id, usize)) -> bool {
    let Some(op) = network.producer(above).map(|number| &network.ops()[number]).filter(|op| op.pass != Pass::Backward) else {
        return false;
    };
    let here = run.values(of)[at];
    let value = |by: f64| {
        let mut entries = run.values(of).to_vec();
        entries[at] = here + by;
        let mut sums = vec![0.0; len(&network.tensor(above).shape)];
        op.compute(|id| if id == of { &entries } else { run.values(id) }, &mut sums);
        sums[place]
    };
    let before = value(0.0);
    let scale = if here == 0.0 { 1.0 } else { here.abs() };
    [-scale, scale].iter().any(|direction| {
        let slopes = [1e-6, 1e-8, 1e-10].map(|step| ((value(step * direction) - before) / (step * direction)).abs());
        slopes.iter().any(|slope| !slope.is_finite()) || slopes.windows(2).all(|pair| pair[1] > 1.2 * pair[0])
    })
}
