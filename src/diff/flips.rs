//! Entries so close to a kink that they are on its other side in single precision.
//!
//! Take a relu with z = 1e-9: its derivative is 1. Single precision may compute z = −1e-8 instead, and the derivative is 0. The right gradients in single
//! precision then differ from those of the trace. Such an entry is called a *gate*, because its sign decides whether the derivative passes. If the user's
//! gradients are different, each gate near a kink is moved to the other side on trial, and the gradients are computed again. The move with which the most
//! tensors equal the user's is kept, if these are more tensors than before. Then the other gates are tried again, together with the kept moves.

use super::report::{Report, UserTensor};
use super::tolerance::{Tolerance, largest};
use crate::interrupt::{TERM, goes_on};
use crate::network::{Id, Network};
use crate::op::rule::{Origin, expand_slice};
use crate::step::Pass;
use crate::tensor::{from_flat, index_text, unravel};
use crate::trace::Trace;

/// The largest distance between a gate and its kink, as a share of the tensor's largest entry.
const NEAR: f64 = 1e-5;
/// The largest number of gates that are tried. `MAX_WORK` allows fewer in a large network, but at least `MIN_GATES`.
const MAX_GATES: usize = 256;
const MIN_GATES: usize = 8;
/// The largest number of multiplications for the trial of all gates.
const MAX_WORK: u64 = 100_000_000;
/// The largest number of gates that are moved together.
const MAX_TOGETHER: usize = 8;

/// An entry that may be on the other side of a kink in single precision.
#[derive(Clone, Debug, PartialEq)]
struct Gate {
    /// The index of the sample's run in [`Trace::runs`].
    run: usize,
    /// The tensor of the entry.
    tensor: Id,
    /// The position of the entry in the tensor.
    at: usize,
    /// A number near the entry, on the other side of the kink.
    beyond_kink: f64,
}

/// A computation with some gates on the other side of their kinks.
#[derive(Debug)]
pub(super) struct Flipped {
    /// The trace of this computation.
    pub trace: Trace,
    /// The addresses of the gates: `conv1.z[0,1,2]`.
    pub entries: Vec<String>,
}

/// Returns the trace with flipped gates that has the user's numbers in the most tensors. `None` if no gate makes more tensors equal than in the right trace.
pub(super) fn find(trace: &Trace, mine: &[UserTensor], report: &Report, tolerance: Tolerance) -> Option<Flipped> {
    let differing = |report: &Report| report.tensors.iter().filter(|tensor| !tensor.is_equal()).count();
    let mut fewest = differing(report);
    let mut untried = if fewest > 0 { gates(trace) } else { Vec::new() };
    let mut best: Option<Flipped> = None;
    for _ in 0..MAX_TOGETHER {
        let current = best.as_ref().map_or(trace, |flipped| &flipped.trace);
        // the gate that leaves the fewest different tensors, by its index in `untried`, and its trace
        let mut best_gate: Option<(usize, Trace)> = None;
        let work = work(trace.network());
        for (n, gate) in untried.iter().enumerate().take_while(|_| goes_on(work)) {
            let moved = with_gate(current, gate);
            let wrong = differing(&Report::new(&moved, mine, tolerance));
            if wrong < fewest {
                (fewest, best_gate) = (wrong, Some((n, moved)));
            }
        }
        let Some((n, moved)) = best_gate else { break };
        let Gate { run, tensor, at, .. } = untried.remove(n);
        let mut entries = best.take().map_or_else(Vec::new, |flipped| flipped.entries);
        entries.push(address(trace, run, tensor, at));
        best = Some(Flipped { trace: moved, entries });
        if fewest == 0 {
            break;
        }
    }
    best
}

/// The work of all ops of one sample, in multiplications.
fn work(network: &Network) -> u64 {
    (0..network.ops().len()).map(|op| network.work(op)).sum()
}

/// The address of an entry: `conv1.z[0,1,2]`, or `2:conv1.z[0,1,2]` in a batch of several samples.
fn address(trace: &Trace, run: usize, tensor: Id, at: usize) -> String {
    let info = trace.network_of(run).tensor(tensor);
    let sample = trace.runs()[run].sample.filter(|_| trace.samples() > 1).map_or_else(String::new, |sample| format!("{}:", sample + 1));
    format!("{sample}{}{}", info.name, index_text(&unravel(at, &info.shape)))
}

/// Returns the trace in which a gate is on the other side of its kink. All tensors that depend on it are computed again.
fn with_gate(trace: &Trace, gate: &Gate) -> Trace {
    let network = trace.network_of(gate.run);
    let mut values = trace.run(gate.run).values(gate.tensor).to_vec();
    values[gate.at] = gate.beyond_kink;
    let tensor = from_flat(&network.tensor(gate.tensor).shape, values);
    Trace::of_iteration(trace.iteration(), trace.runs_with_tensor(gate.run, gate.tensor, tensor))
}

/// Returns the gates of all samples.
fn gates(trace: &Trace) -> Vec<Gate> {
    let mut gates = Vec::new();
    let network = trace.network();
    let max_gates = usize::try_from(MAX_WORK / work(network).max(1)).unwrap_or(MAX_GATES).clamp(MIN_GATES, MAX_GATES);
    for run in 0..trace.samples() {
        let network = trace.network_of(run);
        for number in 0..network.ops().len() {
            if gates.len() < max_gates && network.ops()[number].pass == Pass::Forward {
                gates_of_op(trace, network, (run, number), max_gates, &mut gates);
            }
        }
    }
    gates
}

/// Appends the gates of one op, up to `max_gates` in all. `number` is the number of the op in its network.
fn gates_of_op(trace: &Trace, network: &Network, (run, number): (usize, usize), max_gates: usize, gates: &mut Vec<Gate>) {
    let op = &network.ops()[number];
    let entries = trace.run(run).values(op.output).len();
    for ((rule, x), part) in trace.run(run).parts(op, number).zip(&op.parts) {
        let has_term = |at: usize| rule.prefix_terms(&x, at) < rule.prefix_terms(&x, at + 1);
        let first = (0..entries).find(|at| has_term(*at));
        // the pieces of a function with kinks, such as z ≤ 0 and z > 0 for a relu
        let Some(pieces) = first.and_then(|at| rule.term(&x, at, 0).function?.pieces()) else { continue };
        for at in (0..entries).filter(|at| has_term(*at)).take_while(|_| goes_on(TERM)) {
            let args = expand_slice(&x, rule.term(&x, at, 0).args);
            let values: Vec<f64> = args.iter().map(|arg| arg.value).collect();
            let piece = pieces.piece_at(values.len(), |n| values[n]);
            for (n, arg) in args.iter().enumerate() {
                let Origin::Entry { slot, at: place } = arg.origin else { continue };
                let tensor = part.operands[slot];
                let max_distance = NEAR * largest(trace.run(run).values(tensor));
                // given numbers and exact zeros are the same in both precisions
                let is_rounded = values[n] != 0.0 && network.producer(tensor).is_some();
                let is_beyond = |moved: f64| pieces.piece_at(values.len(), |m| if m == n { moved } else { values[m] }) != piece;
                // the number moved up, then down; in both directions by the shortest distance first
                let moves = [max_distance, -max_distance]
                    .into_iter()
                    .flat_map(|step| [1.0 / 1024.0, 1.0 / 32.0, 1.0].map(|share| values[n] + step * share));
                let beyond_kink = moves.into_iter().find(|moved| is_beyond(*moved)).filter(|_| is_rounded);
                let gate = beyond_kink.map(|beyond_kink| Gate { run, tensor, at: place, beyond_kink });
                if let Some(gate) = gate.filter(|gate| gates.len() < max_gates && !gates.iter().any(|known| known.same_entry(gate))) {
                    gates.push(gate);
                }
            }
        }
    }
}

impl Gate {
    fn same_entry(&self, other: &Self) -> bool {
        (self.run, self.tensor, self.at) == (other.run, other.tensor, other.at)
    }
}
