//! Estimates the memory of an iteration before it is computed.

use std::fmt;

use super::{Network, Op, Role, Train};
use crate::room::OverBudget;
use crate::step::Pass;
use crate::tensor::len;

/// The memory of an iteration, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Parameters and constants, which all samples share.
    pub fixed: u64,
    /// The runs of all samples of a batch, and their reduction.
    pub pass: u64,
    /// The run of one sample.
    pub run: u64,
    /// The new parameters of an update.
    pub parameters: u64,
    /// The new velocities of an update.
    pub velocities: u64,
}

/// The size of an entry.
const ENTRY: u64 = 8;
/// The size of a run without its tensors (measured).
const RUN: u64 = 256;
/// The size of an allocated tensor without its entries (measured).
const TENSOR: u64 = 256;
/// The size of one sample's part in a reduction (measured).
const TERM: u64 = 640;
/// The size of the index of one window's maximum in max-pooling, in the memos of all its rules.
const WINNER: u64 = 32;

impl Sizes {
    /// Estimates the sizes for a network with `batch` samples in a batch.
    #[must_use]
    pub fn of(network: &Network, batch: usize, train: Option<&Train>) -> Self {
        let bytes = |id| len(&network.tensor(id).shape) as u64 * ENTRY;
        let fixed = network.fixed().iter().map(|(id, _)| bytes(*id)).sum();
        let allocated = |id| if network.layout().is_allocated(id) { bytes(id) + TENSOR } else { 0 };
        let run = network.ops().iter().map(|op| allocated(op.output) + memos(network, op)).sum::<u64>() + RUN + network.layout().bytes();
        let reduced = network.ops().iter().filter(|op| {
            op.pass == Pass::Backward
                && matches!(network.tensor(op.output).role, Role::Gradient(of) if network.tensor(of).role == Role::Parameter)
        });
        let reduction = reduced.map(|op| bytes(op.output) + batch as u64 * TERM).sum::<u64>() + batch as u64 * TERM;
        let pass = run.saturating_mul(batch as u64).saturating_add(if batch > 1 { reduction } else { 0 });
        let Some(train) = train else { return Self { fixed, pass, run, ..Self::default() } };
        let parameters = train.learned.iter().map(|id| bytes(*id) + TENSOR).sum::<u64>();
        let moves = train.sgd.momentum != 0.0 || train.sgd.weight_decay != 0.0;
        Self { fixed, pass, run, parameters, velocities: if moves { parameters } else { 0 } }
    }

    /// The size of all new tensors of an update.
    #[must_use]
    pub fn update(&self) -> u64 {
        self.parameters.saturating_add(self.velocities)
    }
}

/// Returns the size of the memos of an op: the maxima of a max-pooling layer, a count for each entry of a mask.
fn memos(network: &Network, op: &Op) -> u64 {
    let entries = |id: &usize| len(&network.tensor(*id).shape) as u64;
    let of = |part: &super::Part| match part.rule.window() {
        Some(window) if window.filter.is_none() && op.pass == Pass::Backward => part.operands.last().map_or(0, entries) * WINNER,
        _ if part.operands.iter().any(|id| network.tensor(*id).role == Role::Constant) => entries(&op.output) * ENTRY,
        _ => 0,
    };
    op.parts.iter().map(of).sum()
}

/// The part of an iteration for which the memory budget is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The whole iteration.
    Iteration(u64, OverBudget),
    /// Only its update, which is left out.
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
