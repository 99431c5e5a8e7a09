//! Bytes of what a network computes, known before it is computed.

use std::fmt;

use super::{Network, Op, Role, Train};
use crate::room::OverBudget;
use crate::step::Pass;
use crate::tensor::len;

/// Bytes that the computation of an iteration takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// What does not come from a sample: parameters and constants.
    pub fixed: u64,
    /// The runs of all samples of a batch, and their reduction.
    pub pass: u64,
    /// A run of one sample.
    pub run: u64,
    /// The parameters that an update makes.
    pub parameters: u64,
    /// The velocities that it makes.
    pub velocities: u64,
}

/// Bytes of an entry.
const ENTRY: u64 = 8;
/// Bytes that a run takes besides its tensors, a tensor with memory of its own besides its entries, and a term of each sample in a reduction (measured).
const RUN: u64 = 256;
const TENSOR: u64 = 256;
const TERM: u64 = 640;
/// Bytes that a winner of a max-pool takes, in all of its rules' memos.
const WINNER: u64 = 32;

impl Sizes {
    /// The sizes for a network that learns from so many samples at once.
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

    /// What an update makes.
    #[must_use]
    pub fn update(&self) -> u64 {
        self.parameters.saturating_add(self.velocities)
    }
}

/// Bytes that the rules of an op remember: the winners of a pool, a count for each entry of a mask.
fn memos(network: &Network, op: &Op) -> u64 {
    let entries = |id: &usize| len(&network.tensor(*id).shape) as u64;
    let of = |part: &super::Part| match part.rule.window() {
        Some(window) if window.filter.is_none() && op.pass == Pass::Backward => part.operands.last().map_or(0, entries) * WINNER,
        _ if part.operands.iter().any(|id| network.tensor(*id).role == Role::Constant) => entries(&op.output) * ENTRY,
        _ => 0,
    };
    op.parts.iter().map(of).sum()
}

/// What memory is too short for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// An iteration as a whole.
    Iteration(u64, OverBudget),
    /// Its update alone: it ends before.
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
