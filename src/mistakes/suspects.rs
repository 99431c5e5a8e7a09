//! The ops that can be the reason for a wrong tensor. Only mistakes at these ops are tried.

use std::collections::HashSet;

use super::fit::ComparedTensor;
use super::plan::{Ops, PassChange};
use crate::network::{Id, Network};
use crate::trace::Trace;

/// For each op, whether it can be the reason for the wrong tensor.
pub(super) struct Suspects {
    of_sample: Vec<bool>,
    of_batch: Vec<bool>,
}

impl Suspects {
    /// Finds the ops that can be the reason for the wrong tensor at `index`. `is_settled` returns whether a tensor of the user is right, or its numbers are
    /// taken as they are. An op counts only if there is a way from the op to the wrong tensor without a settled tensor. A mistake at any other op could reach
    /// the wrong tensor only through a settled tensor, whose numbers the mistake must not change.
    pub fn of(trace: &Trace, tensors: &[ComparedTensor<'_>], index: usize, is_settled: impl Fn(usize) -> bool) -> Self {
        let settled: HashSet<(usize, Id)> =
            tensors.iter().enumerate().filter(|(at, _)| is_settled(*at)).map(|(_, tensor)| (tensor.run, tensor.id)).collect();
        let ComparedTensor { run, id, gradient, .. } = tensors[index];
        let is_of_sample = trace.runs()[run].sample.is_some();
        let of_batch = if is_of_sample { Vec::new() } else { reaching_ops(trace.network_of(run), id, |_| false) };
        // for a tensor of the batch, the gradient of the same parameter in the sample's network
        let in_sample = if is_of_sample { Some(id) } else { trace.network().gradient_of(gradient.of) };
        // with several samples, the same tensor can be right in one and wrong in another
        let is_settled = |id: Id| trace.samples() == 1 && settled.contains(&(0, id));
        let of_sample = in_sample.map_or_else(Vec::new, |id| reaching_ops(trace.network(), id, is_settled));
        Self { of_sample, of_batch }
    }

    /// Returns whether a change can be the reason for the wrong tensor.
    pub fn has(&self, edit: &PassChange) -> bool {
        let (ops, number) = match edit {
            PassChange::Op(Ops::Sample, number, _) | PassChange::Elsewhere(number, ..) => (&self.of_sample, number),
            PassChange::Op(Ops::Batch, number, _) => (&self.of_batch, number),
            PassChange::Given(..) | PassChange::Exchange(..) => return true,
        };
        ops.get(*number).is_some_and(|is_suspect| *is_suspect)
    }
}

/// For each op, whether there is a way from it to the tensor `id` with no settled tensor before `id`.
fn reaching_ops(network: &Network, id: Id, is_settled: impl Fn(Id) -> bool) -> Vec<bool> {
    let mut reaches = vec![false; network.tensors().len()];
    reaches[id] = true;
    let mut ops = vec![false; network.ops().len()];
    for (number, op) in network.ops().iter().enumerate().rev() {
        if reaches[op.output] && (op.output == id || !is_settled(op.output)) {
            ops[number] = true;
            op.parts.iter().flat_map(|part| part.operands.iter()).for_each(|read| reaches[*read] = true);
        }
    }
    ops
}
