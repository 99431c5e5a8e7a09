//! Estimates how much memory an iteration of gradient descent needs, before the iteration is computed.

use std::fmt;

use super::stored_sums::{PARTS_INTERVAL, TERMS_INTERVAL};
use super::{Network, Op, Role, Train};
use crate::memory_budget::OverBudget;
use crate::op::loss::BatchLoss;
use crate::step::Pass;
use crate::tensor::len;

/// The memory of an iteration: each number is in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Parameters and constants, which all samples share.
    pub shared_tensors: u64,
    /// An iteration without its update: the runs of all samples of a batch, and their reduction.
    pub without_update: u64,
    /// The run of one sample.
    pub run: u64,
    /// The new parameters that an update computes.
    pub parameters: u64,
    /// The states that an update computes, such as velocities.
    pub states: u64,
    /// The states that the next iteration reads.
    pub kept_states: u64,
}

/// The size of an entry, in bytes.
const ENTRY_BYTES: u64 = 8;
/// The size of a run without its tensors in bytes (measured).
const RUN_BYTES: u64 = 256;
/// The size of an allocated tensor without its entries, in bytes (measured).
const TENSOR_BYTES: u64 = 256;
/// The size in bytes of one part of a reduction's op (measured). The op has one part for each sample.
const PART_BYTES: u64 = 640;
/// An upper bound on the size in bytes that one window takes in the memo of a max pool, which remembers the maxima. The memo has two lists: the index of each
/// window's maximum, in the order of the windows, and the same indices with their windows, sorted by index. They have 8 and 16 bytes. The rest is for
/// the counts with which the second list is sorted, which are freed after it.
const WINNER_BYTES: u64 = 32;

impl Sizes {
    /// Estimates the sizes for a network with `batch` samples in a batch.
    #[must_use]
    pub fn of(network: &Network, batch: usize, loss: BatchLoss, train: Option<&Train>) -> Self {
        let bytes = |id| len(&network.tensor(id).shape) as u64 * ENTRY_BYTES;
        let shared_tensors = network.shared_tensors().iter().map(|(id, _)| bytes(*id)).sum();
        let run = *network.layout().run_bytes.get_or_init(|| run_bytes(network));
        let parameter_gradients = network.with_role(Role::Parameter).filter_map(|id| network.gradient_of(id));
        // each reduced gradient with its stored sums and its parts, and then the parts of the reduced loss
        let reduction =
            parameter_gradients.map(|id| bytes(id) * (1 + batch as u64 / PARTS_INTERVAL as u64) + batch as u64 * PART_BYTES).sum::<u64>()
                + batch as u64 * PART_BYTES;
        // two parts for each weight: one in its gradient, and one in the loss
        let penalty = if loss.l2 == 0.0 { 0 } else { network.weights().count() as u64 * 2 * PART_BYTES };
        let has_reduction = batch > 1 || penalty > 0;
        let without_update = run.saturating_mul(batch as u64).saturating_add(if has_reduction { reduction + penalty } else { 0 });
        let Some(train) = train else { return Self { shared_tensors, without_update, run, ..Self::default() } };
        let parameters = train.learned.iter().map(|id| bytes(*id) + TENSOR_BYTES).sum::<u64>();
        let [states, kept_states] = train.optimizer.state_counts().map(|count| parameters.saturating_mul(count));
        Self { shared_tensors, without_update, run, parameters, states, kept_states }
    }

    /// The size of all new tensors of an update.
    #[must_use]
    pub fn update(&self) -> u64 {
        self.parameters.saturating_add(self.states)
    }
}

/// Returns the size of a run with its tensors, memos and stored sums.
fn run_bytes(network: &Network) -> u64 {
    let layout = network.layout();
    let allocated = |id| if layout.is_allocated(id) { len(&network.tensor(id).shape) as u64 * ENTRY_BYTES + TENSOR_BYTES } else { 0 };
    network.ops().iter().map(|op| allocated(op.output) + memos(network, op)).sum::<u64>() + RUN_BYTES + layout.bytes()
}

/// Returns the size of the memos and stored sums of an op. A memo keeps the results that a rule needs in all its steps: the indices of the maxima of a max
/// pool, or a number for each entry of a dropout's mask.
fn memos(network: &Network, op: &Op) -> u64 {
    let entries = |id: &usize| len(&network.tensor(*id).shape) as u64;
    let stored = match (op.parts.as_slice(), entries(&op.output)) {
        // a long sum has one or two terms for each entry of an operand
        ([part], 1) => 2 * part.operands.iter().map(entries).sum::<u64>() / TERMS_INTERVAL as u64,
        // the stored sums of an op with very many parts
        (parts, entries) => parts.len() as u64 / PARTS_INTERVAL as u64 * entries,
    };
    let memo = |part: &super::Part| match part.rule.window() {
        // a window without a filter belongs to a pool; its last operand is ∂C/∂y, which has one entry for each window
        Some(window) if window.filter.is_none() && op.pass == Pass::Backward => part.operands.last().map_or(0, entries) * WINNER_BYTES,
        _ if part.operands.iter().any(|id| network.tensor(*id).role == Role::Constant) => entries(&op.output) * ENTRY_BYTES,
        _ => 0,
    };
    op.parts.iter().map(memo).sum::<u64>() + stored * ENTRY_BYTES
}

/// A computation that needs more memory than the budget has. It has the number of the iteration (from 1) and the missing memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The whole iteration, which cannot be computed.
    Iteration(u64, OverBudget),
    /// The update of the iteration. The rest of the iteration is computed.
    Update(u64, OverBudget),
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iteration(number, short) => write!(f, "iteration {number} {short}"),
            Self::Update(number, short) => write!(f, "iteration {number} with its update {short}"),
        }
    }
}
