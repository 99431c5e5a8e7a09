//! The loss and the derivatives with other rounding errors.
//!
//! The estimate of `rounding` is of first order, with the slopes at the entry itself. It is too small if such a slope happens to be near 0, or if rounding
//! moves the argument of a function far: 10¹² x has an absolute rounding error of about 10⁻⁴, and sin(10¹² x) may be at its maximum. Here each rounded number
//! is changed by a few units in its last place, at random, and the loss and the derivatives are computed from the changed numbers. This is the Monte Carlo
//! arithmetic of Parker ("Monte Carlo Arithmetic", 1997).

use std::borrow::Cow;
use std::sync::OnceLock;

use super::dependents::RoundedMagnitude;
use super::perturb::{ForwardPass, forward_ops};
use super::rounding::Path;
use crate::network::{Id, Network, Op, Run};
use crate::splitmix::SplitMix64;
use crate::step::Pass;
use crate::tensor::len;

/// The number of times that the loss after a move is computed with other rounding errors. The derivatives are computed twice as often.
pub(super) const DRAWS: u64 = 4;

/// The largest change of a rounded number v, in units of ε |v|.
const AMPLITUDE: f64 = 2.0;

/// Returns a number between −1 and 1 that depends on all these numbers.
fn random(numbers: [u64; 3]) -> f64 {
    let hash = numbers.iter().fold(0_u64, |hash, number| SplitMix64(hash ^ number).bits());
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// Changes the entries of the tensor `id` at random. `draw` chooses the changes. `magnitudes` are the largest rounded numbers in the computation of each entry
/// of the run, which has the entries `before`; `None` for the entries themselves.
fn change(entries: &mut [f64], id: Id, before: &[f64], magnitudes: Option<&[f64]>, draw: u64) {
    for (place, (entry, before)) in entries.iter_mut().zip(before).enumerate() {
        // if the largest rounded number is the entry itself, a move changes both
        let magnitude = magnitudes.map(|magnitudes| magnitudes[place]).filter(|&magnitude| magnitude != before.abs());
        let magnitude = magnitude.unwrap_or(entry.abs());
        let changed = *entry + AMPLITUDE * f64::EPSILON * magnitude * random([draw, id as u64, place as u64]);
        // an infinite magnitude says nothing about a finite entry
        *entry = if changed.is_finite() { changed } else { *entry };
    }
}

/// A move of an entry: its tensor, its offset and its new value.
#[derive(Clone, Copy)]
pub(super) struct Move {
    pub of: Id,
    pub at: usize,
    pub value: f64,
}

/// Computes the tensors of the forward pass after a move. `draw` chooses the changes of the rounded numbers; without it, no number is changed.
pub(super) fn moved_tensors<'a>(forward: &ForwardPass<'a>, path: &Path, to: Move, draw: Option<u64>) -> Vec<Cow<'a, [f64]>> {
    let (network, run) = (forward.network, forward.run);
    let mut tensors: Vec<Cow<'a, [f64]>> = (0..network.tensors().len()).map(|id| Cow::Borrowed(run.values(id))).collect();
    tensors[to.of].to_mut()[to.at] = to.value;
    for op in forward_ops(network).filter(|op| op.output != to.of && path.depends[op.output]) {
        let reads_moved_output = op.output_and_z().is_some_and(|[output, _]| output == to.of);
        let op = if reads_moved_output { Cow::Owned(op.without_z()) } else { Cow::Borrowed(op) };
        let mut entries = vec![0.0; len(&network.tensor(op.output).shape)];
        op.compute(|id| &tensors[id], &mut entries);
        if let Some(draw) = draw {
            change(&mut entries, op.output, run.values(op.output), forward.rounded_magnitudes(op.output), draw);
        }
        tensors[op.output] = Cow::Owned(entries);
    }
    tensors
}

/// The changes of derivatives when the numbers are rounded in another way.
pub(super) struct DerivativeRanges {
    /// For each op of the backward pass, the largest rounded number in the computation of each entry; empty for other ops.
    magnitudes: OnceLock<Vec<Vec<f64>>>,
    /// For each tensor of derivatives, how far apart the smallest and the largest value of each entry are.
    ranges: Vec<OnceLock<Vec<f64>>>,
}

impl DerivativeRanges {
    pub fn new(network: &Network) -> Self {
        Self { magnitudes: OnceLock::new(), ranges: network.tensors().iter().map(|_| OnceLock::new()).collect() }
    }

    /// Returns the range of the entry `at` of the derivatives by the tensor `of`. The numbers between `of` and the loss are rounded in another way, and so are
    /// the derivatives. The entries of `of` are changed by a few units in the last place: no difference is exact enough for a derivative that depends on them.
    /// If `is_stopped` returns `true`, returns early with a meaningless result.
    pub fn range(&self, forward: &ForwardPass<'_>, of: Id, at: usize, is_stopped: &dyn Fn() -> bool) -> f64 {
        let Some(gradient) = forward.network.gradient_of(of) else { return 0.0 };
        let ranges = self.ranges[gradient].get_or_init(|| self.ranges_by(forward, of, gradient, is_stopped));
        ranges.get(at).copied().unwrap_or(0.0)
    }

    fn ranges_by(&self, forward: &ForwardPass<'_>, of: Id, gradient: Id, is_stopped: &dyn Fn() -> bool) -> Vec<f64> {
        let (network, run) = (forward.network, forward.run);
        let magnitudes = self.magnitudes.get_or_init(|| {
            let listed = |(number, op): (usize, &Op)| {
                let is_listed = op.pass == Pass::Backward && forward.has_lists && !is_stopped();
                if is_listed { rounded_magnitudes(network, run, op, number) } else { Vec::new() }
            };
            network.ops().iter().enumerate().map(listed).collect()
        });
        let path = Path::from(network, of);
        let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); run.values(gradient).len()];
        for draw in 0..2 * DRAWS {
            let mut tensors: Vec<Cow<'_, [f64]>> = (0..network.tensors().len()).map(|id| Cow::Borrowed(run.values(id))).collect();
            change(tensors[of].to_mut(), of, run.values(of), None, draw);
            let is_affected = |op: &Op| if op.pass == Pass::Backward { true } else { op.output != of && path.depends[op.output] };
            let ops = network.ops().iter().enumerate().take_while(|(_, op)| op.pass <= Pass::Backward);
            for (number, op) in ops.filter(|(_, op)| is_affected(op)) {
                if is_stopped() {
                    break;
                }
                let mut entries = vec![0.0; len(&network.tensor(op.output).shape)];
                op.compute(|id| &tensors[id], &mut entries);
                let plain = entries.clone();
                let listed = Some(&magnitudes[number][..]).filter(|listed| listed.len() == entries.len());
                change(&mut entries, op.output, run.values(op.output), listed.or_else(|| forward.rounded_magnitudes(op.output)), draw);
                for (entry, (plain, before)) in entries.iter_mut().zip(plain.iter().zip(run.values(op.output))) {
                    if (plain.abs() - 1.0).abs() <= 8.0 * f64::EPSILON {
                        // a saturated function, such as tanh(40): the derivative 1 − tanh² is 0, however large it is multiplied. The backward pass does not
                        // compute 1 − a from a saturated output a
                        *entry = *plain;
                    } else if !entry.is_finite() {
                        // an exponent that is no longer an integer, for example, makes a NaN from a negative base
                        *entry = *before;
                    }
                }
                tensors[op.output] = Cow::Owned(entries);
                if op.output == gradient {
                    break;
                }
            }
            for ((low, high), entry) in bounds.iter_mut().zip(&*tensors[gradient]) {
                (*low, *high) = (low.min(*entry), high.max(*entry));
            }
        }
        bounds.into_iter().map(|(low, high)| (high - low).max(0.0)).collect()
    }
}

/// Returns for each entry of an op's output the largest absolute value of a rounded number in its computation.
fn rounded_magnitudes(network: &Network, run: &Run, op: &Op, number: usize) -> Vec<f64> {
    let parts: Vec<_> = run.parts(op, number).collect();
    let magnitude = |at: usize| {
        let mut rounded = RoundedMagnitude::default();
        for (rule, x) in &parts {
            for term in 0..rule.prefix_terms(x, at + 1) - rule.prefix_terms(x, at) {
                let term = rule.term(x, at, term);
                rounded.add(term.kind, term.function, &term.args, term.value);
            }
        }
        rounded.largest
    };
    (0..len(&network.tensor(op.output).shape)).map(magnitude).collect()
}
