//! The tensors that are computed from given ones.

use crate::network::{BatchSource, Id};
use crate::trace::Trace;

/// Returns for each run and each tensor whether it is one of the tensors `from` or is computed from one of them. Each tensor of `from` is given by its run, and
/// its id in the network of this run.
#[must_use]
pub fn reached(trace: &Trace, from: &[(usize, Id)]) -> Vec<Vec<bool>> {
    let mut all: Vec<Vec<bool>> = Vec::with_capacity(trace.runs().len());
    // the samples come before the batch
    for run in 0..trace.runs().len() {
        let network = trace.network_of(run);
        let mut reached = vec![false; network.tensors().len()];
        for (_, id) in from.iter().filter(|(from_run, _)| *from_run == run) {
            reached[*id] = true;
        }
        if trace.runs()[run].sample.is_none() {
            for (id, source) in network.sources() {
                reached[id] |= matches!(source, BatchSource::Sample(sample, of) if all[sample][of]);
            }
        }
        for op in network.ops() {
            reached[op.output] |= op.parts.iter().any(|part| part.operands.iter().any(|id| reached[*id]));
        }
        all.push(reached);
    }
    all
}
