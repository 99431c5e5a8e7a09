//! Backward passes with planted mistakes, for tests.

use super::candidates::Candidates;
use super::cause::{Cause, WrongOp};
use super::fit::{Candidate, ComparedTensor, Fit};
use super::plan::{PassChange, Plan, WrongPass};
use super::site::RightIteration;
use crate::diff::{Gradient, TermSums};
use crate::network::Id;
use crate::trace::Trace;

/// A backward pass with one mistake in it.
#[derive(Debug)]
pub struct Planting {
    /// The name of the mistake.
    pub id: &'static str,
    /// The name of the variant, if the mistake has several.
    pub variant: Option<String>,
    /// The names of the places that the mistake changes.
    pub at: Vec<String>,
    /// The gradients of the pass, one for each of the wanted ones.
    pub gradients: Vec<Vec<f64>>,
}

/// Returns the wanted gradients as the tensors of a user with these numbers.
fn compared<'a>(trace: &'a Trace, wanted: &[Gradient], numbers: &'a [Vec<f64>]) -> Vec<ComparedTensor<'a>> {
    let tensors = wanted.iter().zip(numbers).enumerate().filter_map(|(index, (gradient, numbers))| {
        let (run, id) = gradient.find(trace)?;
        Some(ComparedTensor { index, run, id, gradient: *gradient, numbers, differs: false, terms: TermSums::of(trace, *gradient) })
    });
    tensors.collect()
}

/// For tests: returns each pass with one mistake, at one place or at several, that changes one of these gradients.
#[must_use]
pub fn plantings(trace: &Trace, wanted: &[Gradient], learning_rate: Option<f64>) -> Vec<Planting> {
    let numbers: Vec<Vec<f64>> = wanted.iter().map(|gradient| gradient.right(trace).into_owned()).collect();
    let tensors = compared(trace, wanted, &numbers);
    let iteration = RightIteration { trace, network: trace.network(), learning_rate };
    let candidates = Candidates::new(iteration, &tensors);
    let base = Fit::default();
    let mut all = Vec::new();
    for first in 0..tensors.len() {
        for candidate in candidates.of(&base, &tensors[first]) {
            let plan = base.plan.with(trace, &candidate.edits);
            let mut pass = WrongPass::new(trace, &plan);
            // a candidate that changes several tensors is planted only at the first of them
            if tensors.iter().position(|tensor| pass.is_changed(tensor.run, tensor.id)) != Some(first) {
                continue;
            }
            let gradients = tensors.iter().map(|tensor| pass.values(tensor.run, tensor.id).to_vec()).collect();
            all.push(Planting { id: candidate.mistake.id, variant: candidate.variant, at: candidate.at, gradients });
        }
    }
    all
}

/// A backward pass with two mistakes in it.
#[derive(Debug)]
pub struct PlantedPair {
    /// The names of the mistakes.
    pub ids: [&'static str; 2],
    /// The gradients of the passes with one of them, one for each of the wanted ones.
    pub each: [Vec<Vec<f64>>; 2],
    /// The gradients of the pass with both.
    pub both: Vec<Vec<f64>>,
}

/// For tests: returns a pass with two different mistakes that change different ops. `pick(n)` chooses a number below n. `None` if no gradient is wanted, or if
/// no pair that it has tried changes different ops.
#[must_use]
pub fn planted_pair(
    trace: &Trace,
    wanted: &[Gradient],
    learning_rate: Option<f64>,
    pick: &mut dyn FnMut(usize) -> usize,
) -> Option<PlantedPair> {
    let numbers: Vec<Vec<f64>> = wanted.iter().map(|gradient| gradient.right(trace).into_owned()).collect();
    let tensors = compared(trace, wanted, &numbers);
    let iteration = RightIteration { trace, network: trace.network(), learning_rate };
    let candidates = Candidates::new(iteration, &tensors);
    let base = Fit::default();
    let last = tensors.len().checked_sub(1)?;
    let picked = pick(tensors.len()).min(last);
    let mut candidates = candidates.of(&base, &tensors[picked]);
    // only mistakes at a single place
    candidates.retain(|candidate| candidate.sites.len() < 2);
    // first a mistake is chosen and then its place, so that a mistake with many possible places is as likely as one with a single place
    let mut ids: Vec<&str> = candidates.iter().map(|candidate| candidate.mistake.id).collect();
    ids.dedup();
    let mut choose = || {
        let id = ids[pick(ids.len())];
        let of_mistake: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.mistake.id == id).collect();
        of_mistake[pick(of_mistake.len())]
    };
    let gradients_of_pass = |edits: &[PassChange]| {
        let plan = base.plan.with(trace, edits);
        let mut pass = WrongPass::new(trace, &plan);
        tensors.iter().map(|tensor| pass.values(tensor.run, tensor.id).to_vec()).collect::<Vec<_>>()
    };
    let changed_ops = |candidate: &Candidate| {
        base.plan.with(trace, &candidate.edits).changed_ops().map(|(is_of_batch, op, _)| (is_of_batch, op)).collect::<Vec<_>>()
    };
    for _ in 0..MAX_TRIES {
        let (one, other) = (choose(), choose());
        let ops = changed_ops(one);
        let is_apart = one.mistake.id != other.mistake.id && changed_ops(other).iter().all(|op| !ops.contains(op));
        if is_apart {
            let both = [one.edits.clone(), other.edits.clone()].concat();
            return Some(PlantedPair {
                ids: [one.mistake.id, other.mistake.id],
                each: [gradients_of_pass(&one.edits), gradients_of_pass(&other.edits)],
                both: gradients_of_pass(&both),
            });
        }
    }
    None
}

/// The largest number of pairs that are tried.
const MAX_TRIES: usize = 16;

/// For tests: returns the gradients of the pass with the ops of all causes, and with the user's numbers of unexplained gradients (`taken`). `None` if a cause
/// has no op, if two causes change the same op, if a cause exchanges two gradients, or if the trace lacks a wanted gradient.
#[must_use]
pub fn gradients_with(trace: &Trace, wanted: &[Gradient], causes: &[Cause], taken: &[(Gradient, &[f64])]) -> Option<Vec<Vec<f64>>> {
    let ops: Vec<&WrongOp> = causes.iter().flat_map(|cause| &cause.ops).collect();
    let mut places: Vec<(bool, usize)> = ops.iter().map(|wrong| (wrong.is_of_batch, wrong.op)).collect();
    places.sort_unstable();
    places.dedup();
    if places.len() < ops.len() || causes.iter().any(|cause| cause.ops.is_empty()) {
        return None;
    }
    // a wrong op that writes another tensor than the right op exchanges two gradients
    let writes_own_output = |wrong: &&WrongOp| {
        let run = if wrong.is_of_batch { trace.samples() } else { 0 };
        trace.network_of(run).ops()[wrong.op].output == wrong.wrong.output
    };
    if !ops.iter().all(writes_own_output) {
        return None;
    }
    let plan = Plan::of_ops(ops.into_iter().map(|wrong| (wrong.is_of_batch, wrong.op, wrong.wrong.clone())));
    let plan = plan.taking(taken.iter().filter_map(|(gradient, numbers)| gradient.find(trace).map(|(run, id)| (run, id, *numbers))));
    let mut pass = WrongPass::new(trace, &plan);
    let numbers = wanted.iter().map(|gradient| gradient.find(trace).map(|(run, id)| pass.values(run, id).to_vec()));
    numbers.collect()
}

/// For tests: returns the gradients of a pass in which ∂C/∂x has other numbers: in each sample, `change(index, right)` replaces the right number of an entry.
/// `None` if no op of a sample computes ∂C/∂x, or if the trace lacks a wanted gradient.
#[must_use]
pub fn gradients_with_other(trace: &Trace, wanted: &[Gradient], x: Id, change: impl Fn(usize, f64) -> f64) -> Option<Vec<Vec<f64>>> {
    let id = trace.network().gradient_of(x)?;
    trace.network().producer(id)?;
    let changed = |run: usize| trace.run(run).values(id).iter().enumerate().map(|(at, right)| change(at, *right)).collect();
    let changed: Vec<Vec<f64>> = (0..trace.samples()).map(changed).collect();
    let plan = Plan::default().taking(changed.iter().enumerate().map(|(run, numbers)| (run, id, numbers.as_slice())));
    let mut pass = WrongPass::new(trace, &plan);
    let numbers = wanted.iter().map(|gradient| gradient.find(trace).map(|(run, id)| pass.values(run, id).to_vec()));
    numbers.collect()
}
