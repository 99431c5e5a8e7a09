//! Derivatives that are infinite or NaN by right, as PyTorch's are: the chain rule meets ∞ on its way although the loss itself has a slope, as with
//! √x − √x at 0. Such a derivative cannot be compared; one that is not finite for no such reason stays off.

use std::collections::HashMap;

use super::{Checked, Verdict};
use crate::network::run::add_up;
use crate::network::{Id, Network, Role, Run};
use crate::op::rule::{Arg, Operands, Origin, Rule, Term};
use crate::op::slot::Slot;
use crate::step::Pass;
use crate::tensor::len;

/// Gives [`Verdict::Undefined`] to the derivatives that are off because they are not finite and follow, by their own terms, from one that is not
/// and is not off, from a local derivative that differences find infinite too, from an infinite number of the forward pass, or from a product
/// that overflows. `checked` is in the order of the backward pass.
pub(super) fn undefined(network: &Network, run: &Run, checked: &mut [Checked]) {
    let places: HashMap<Id, usize> = checked.iter().enumerate().map(|(n, checked)| (checked.gradient, n)).collect();
    for n in 0..checked.len() {
        for k in 0..checked[n].compared.len() {
            let compared = checked[n].compared[k];
            if compared.verdict != Verdict::Off || compared.derivative.is_finite() {
                continue;
            }
            let off = |gradient: Id, at: usize| {
                let found = places.get(&gradient).map(|&n| &checked[n].compared);
                found.is_some_and(|found| found.iter().any(|other| other.at == at && other.verdict == Verdict::Off))
            };
            if excused(network, run, checked[n].gradient, compared.at, off) {
                let compared = &mut checked[n].compared[k];
                (compared.difference, compared.error, compared.verdict) = (f64::NAN, f64::NAN, Verdict::Undefined);
            }
        }
    }
}

/// Whether a term of this derivative is not finite by right; `off` knows whether an entry of another derivative is off.
fn excused(network: &Network, run: &Run, gradient: Id, at: usize, off: impl Fn(Id, usize) -> bool) -> bool {
    let (Some(number), Role::Gradient(of)) = (network.made_by(gradient), network.tensor(gradient).role) else { return false };
    let op = &network.ops()[number];
    let count = |rule: &dyn Rule, x: &Operands<'_>| rule.before(x, at + 1) - rule.before(x, at);
    let sum = run.parts(op, number).fold(-0.0, |sum, (rule, x)| rule.partial(&x, at, count(rule, &x), sum));
    if sum.to_bits() != run.values(gradient)[at].to_bits() && !(sum.is_nan() && run.values(gradient)[at].is_nan()) {
        return false; // it is not what its own terms say
    }
    let mut parts = run.parts(op, number).zip(&op.parts);
    parts.any(|((rule, x), part)| {
        (0..count(rule, &x)).any(|term| {
            let Term { args, value, .. } = rule.term(&x, at, term);
            if value.is_finite() {
                return false;
            }
            if args.iter().all(|arg| arg.value.is_finite()) {
                return true; // it overflows
            }
            // a number of the forward pass that is not finite, by itself or in a local derivative
            let forward = |slot: Slot| !matches!(network.tensor(part.operands[slot]).role, Role::Gradient(_));
            let infinite = |arg: &Arg| match arg.origin {
                Origin::Entry { slot, .. } => forward(slot),
                // its text need not name all that it is derived from: 2 and ∞ make the derivative of 2^∞
                Origin::Derived { at, .. } => {
                    x.tensors.each().any(|(slot, values)| forward(slot) && values.get(at).is_some_and(|value| !value.is_finite()))
                }
                _ => false,
            };
            if args.iter().any(|arg| !arg.value.is_finite() && infinite(arg)) {
                return true;
            }
            // the derivative by what this one goes through
            let upstream = args.iter().find_map(|arg| match arg.origin {
                Origin::Entry { slot, at } => match network.tensor(part.operands[slot]).role {
                    Role::Gradient(above) => Some((part.operands[slot], above, at, arg.value)),
                    _ => None,
                },
                _ => None,
            });
            let Some((gradient, above, place, value)) = upstream else { return false };
            if !value.is_finite() {
                return !off(gradient, place);
            }
            let local = |arg: &Arg| !arg.value.is_finite() && matches!(arg.origin, Origin::Derived { .. });
            args.iter().any(local) && steep(network, run, (above, place), (of, at))
        })
    })
}

/// Whether an entry of a tensor has no finite derivative by an entry that its op reads, going by differences: it is not finite to one side, or its slope grows without
/// end as the step shrinks.
fn steep(network: &Network, run: &Run, (above, place): (Id, usize), (of, at): (Id, usize)) -> bool {
    let Some(op) = network.made_by(above).map(|number| &network.ops()[number]).filter(|op| op.pass != Pass::Backward) else { return false };
    let here = run.values(of)[at];
    let value = |by: f64| {
        let mut entries = run.values(of).to_vec();
        entries[at] = here + by;
        let mut sums = vec![0.0; len(&network.tensor(above).shape)];
        add_up(op, |id| if id == of { &entries } else { run.values(id) }, &mut sums);
        sums[place]
    };
    let still = value(0.0);
    let scale = if here == 0.0 { 1.0 } else { here.abs() };
    [-scale, scale].iter().any(|way| {
        let slopes = [1e-6, 1e-8, 1e-10].map(|step| ((value(step * way) - still) / (step * way)).abs());
        slopes.iter().any(|slope| !slope.is_finite()) || slopes.windows(2).all(|pair| pair[1] > 1.2 * pair[0])
    })
}
