//! Floor 3: a directed acyclic graph of ops. A chain of layers and a scalar graph are both one; the backward pass is made from the forward
//! ops by the chain rule, and a run computes all tensors of one sample.

mod batch;
mod build;
mod checkpoints;
mod descent;
mod learn;
mod numbers;

mod run;
mod sample_runs;
mod size;
mod symbol;
mod train;

pub use batch::{Batch, BatchSource, SgdOptions};
pub use build::{Builder, Chain, Node};
pub use descent::{Descent, DescentResult, DescentWalk, Iteration, SampleLosses};
pub use run::Run;
pub use sample_runs::{SampleRun, SampleRuns};
pub use size::{Shortage, Sizes};
pub use symbol::{Symbol, SymbolKind};
pub use train::{Given, Train};

use std::collections::HashMap;
use std::sync::Arc;

use compact_str::CompactString;
use smallvec::SmallVec;

use numbers::MemoryLayout;

use crate::op::rule::{Rule, Window};
use crate::op::slot::{Reads, Slot};
use crate::step::Pass;
use crate::tensor::{Tensor, len};

/// The number of a tensor in its network.
pub type Id = usize;

/// What a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An input: of each sample, or of the network itself, as in a graph.
    Input {
        /// Whether it belongs to the network, so that gradient descent may update it.
        learns: bool,
    },
    /// What the output should be, given with the sample.
    Target,
    /// A weight or bias.
    Parameter,
    /// Given with a layer, and nothing learns it: a mask.
    Constant,
    /// Computed in the forward pass.
    Value,
    /// The loss.
    Loss,
    /// ∂C/∂ of another tensor.
    Gradient(Id),
    /// In a batch: what becomes of this tensor of the samples' network, over all of them.
    Reduced(Id),
}

impl Role {
    /// Returns whether gradient descent may update the tensor: a parameter, or an input of a graph.
    #[must_use]
    pub fn is_learnable(self) -> bool {
        matches!(self, Self::Parameter | Self::Input { learns: true })
    }
}

/// What is known of a tensor without its numbers.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// Its name in addresses: `conv1.z`, `grad.conv1.weight`.
    pub name: CompactString,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How the series writes it.
    pub symbol: Symbol,
    /// What it is.
    pub role: Role,
    /// The layer it belongs to; `None` for the input, the target, the loss and the tensors of a graph.
    pub layer: Option<usize>,
    /// Whether a filter, or its gradient, leads from its first dimension to its second, not the other way round.
    pub inputs_first: bool,
}

/// One rule with what it reads.
#[derive(Clone, Debug)]
pub struct Part {
    /// The rule.
    pub rule: Arc<dyn Rule>,
    /// The tensors in its slots.
    pub operands: Reads<Id>,
}

/// The computation of one tensor: each entry is the sum of the terms of all parts, in order.
#[derive(Clone, Debug)]
pub struct Op {
    /// The tensor that it computes.
    pub output: Id,
    /// The pass that it belongs to.
    pub pass: Pass,
    /// What it is the sum of.
    pub parts: Vec<Part>,
}

/// So many parts of an op are looked at to tell what kind of op it is; no screen has room for the operands of more.
const FIRST: usize = 16;

impl Op {
    /// Its first parts: all, but for an op of very many.
    #[must_use]
    pub fn first_parts(&self) -> &[Part] {
        &self.parts[..self.parts.len().min(FIRST)]
    }

    /// The first of these that lays a filter on an image, and how.
    #[must_use]
    pub fn window(&self) -> Option<(&Part, Window)> {
        self.first_parts().iter().find_map(|part| Some((part, part.rule.window()?)))
    }

    /// Computes the op's tensor into `sums`, from the entries of the tensors that it reads.
    pub fn compute<'a>(&self, tensor: impl Fn(Id) -> &'a [f64], sums: &mut [f64]) {
        run::add_up(self, tensor, sums);
    }

    /// The network's output and its z, for a loss that reads both. Such a loss is computed from z, in which it is stable, and reads the output itself
    /// only without z.
    #[must_use]
    pub fn output_and_z(&self) -> Option<[Id; 2]> {
        match *self.parts.first()?.operands {
            [output, _, z] if self.pass == Pass::Loss => Some([output, z]),
            _ => None,
        }
    }

    /// The same loss without its z, so that it reads the output itself.
    #[must_use]
    pub fn without_z(&self) -> Self {
        let mut op = self.clone();
        op.parts[0].operands.forget_last_input();
        op
    }
}

/// Where a tensor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The op's number.
    pub op: usize,
    /// Which of its parts.
    pub part: usize,
    /// The slot of that part's rule.
    pub slot: Slot,
}

/// A layer, as the screen names it.
#[derive(Clone, Debug)]
pub struct LayerInfo {
    /// Its name.
    pub name: CompactString,
    /// Its `type`.
    pub kind: &'static str,
}

/// A network: tensors, and the ops that compute them, in the order of the telling.
#[derive(Debug)]
pub struct Network {
    tensors: Vec<TensorInfo>,
    ops: Vec<Op>,
    layers: Vec<LayerInfo>,
    by_name: HashMap<CompactString, Id>,
    /// Values that do not come from a sample.
    fixed: Vec<(Id, Arc<Tensor>)>,
    /// For each tensor, the op that computes it.
    producer: Vec<Option<usize>>,
    /// For each tensor, who reads it.
    readers: Vec<SmallVec<[Reader; 1]>>,
    /// For each op, about how many multiplications it takes.
    work: Vec<u64>,
    /// For each op of many parts, what [`Network::part_offsets`] says of it.
    part_offsets: HashMap<usize, Vec<u64>>,
    /// Where the tensors lie in a run.
    layout: Arc<MemoryLayout>,
    /// For each tensor, its ∂C/∂.
    gradients: Vec<Option<Id>>,
    reads_samples: bool,
    output: Id,
    loss: Id,
}

/// As many parts as are sooner looked at one by one.
const FEW: usize = 4;

/// Terms of one entry before each part of an op, and all of them, where the op has many parts and each has as many terms for every entry.
fn part_offsets(op: &Op) -> Option<Vec<u64>> {
    if op.parts.len() <= FEW {
        return None;
    }
    let mut before = Vec::with_capacity(op.parts.len() + 1);
    before.push(0);
    for part in &op.parts {
        before.push(before[before.len() - 1] + part.rule.each()?);
    }
    Some(before)
}

/// About how many multiplications an op takes.
fn work(op: &Op, entries: impl Fn(Id) -> usize) -> u64 {
    let part = |part: &Part| part.rule.work(&part.operands.map(&entries), entries(op.output));
    op.parts.iter().map(part).sum()
}

impl Network {
    /// The network of these ops; where two tensors have one name, it means the later one. `derivatives` are tensors with their ∂C/∂, where the role of that
    /// does not say it.
    fn of(
        tensors: Vec<TensorInfo>,
        ops: Vec<Op>,
        layers: Vec<LayerInfo>,
        fixed: Vec<(Id, Arc<Tensor>)>,
        output: Id,
        loss: Id,
        derivatives: &[(Id, Id)],
    ) -> Self {
        let by_name = tensors.iter().enumerate().map(|(id, t)| (t.name.clone(), id)).collect();
        let mut producer = vec![None; tensors.len()];
        let mut readers = vec![SmallVec::<[Reader; 1]>::new(); tensors.len()];
        for (number, op) in ops.iter().enumerate() {
            producer[op.output] = Some(number);
            for (part, reads) in op.parts.iter().enumerate() {
                for (slot, id) in reads.operands.each() {
                    readers[id].push(Reader { op: number, part, slot });
                }
            }
        }
        let entries = |id: Id| len(&tensors[id].shape);
        let work = ops.iter().map(|op| work(op, entries)).collect();
        let part_offsets = ops.iter().enumerate().filter_map(|(number, op)| Some((number, part_offsets(op)?))).collect();
        let mut gradients = vec![None; tensors.len()];
        for (id, tensor) in tensors.iter().enumerate() {
            if let Role::Gradient(of) = tensor.role {
                gradients[of] = Some(id);
            }
        }
        for (of, id) in derivatives {
            gradients[*of] = Some(*id);
        }
        let reads_samples = tensors.iter().any(|tensor| tensor.role == Role::Input { learns: false });
        let layout = Arc::new(MemoryLayout::of(&tensors, &ops, &fixed));
        Self { tensors, ops, layers, by_name, fixed, producer, readers, work, part_offsets, layout, gradients, reads_samples, output, loss }
    }

    /// All tensors.
    #[must_use]
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// One tensor.
    #[must_use]
    pub fn tensor(&self, id: Id) -> &TensorInfo {
        &self.tensors[id]
    }

    /// The ops of one sample: forward, loss, backward.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The layers, in file order; none in a graph.
    #[must_use]
    pub fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    /// The tensor of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Id> {
        self.by_name.get(name).copied()
    }

    /// The op that computes a tensor; `None` for inputs, targets and parameters.
    #[must_use]
    pub fn producer(&self, id: Id) -> Option<usize> {
        self.producer[id]
    }

    /// Where a tensor is read, in the order of the ops.
    #[must_use]
    pub fn readers(&self, id: Id) -> &[Reader] {
        &self.readers[id]
    }

    /// Where the tensors lie in a run.
    pub(self) fn layout(&self) -> &Arc<MemoryLayout> {
        &self.layout
    }

    /// About how many multiplications an op takes.
    #[must_use]
    pub fn work(&self, op: usize) -> u64 {
        self.work[op]
    }

    /// Terms of one entry before each part of an op, and all of them: for an op of many parts, each with as many terms for every entry. Whoever
    /// looks for a part need not go through them.
    #[must_use]
    pub fn part_offsets(&self, op: usize) -> Option<&[u64]> {
        self.part_offsets.get(&op).map(Vec::as_slice)
    }

    /// The ∂C/∂ of a tensor.
    #[must_use]
    pub fn gradient_of(&self, id: Id) -> Option<Id> {
        self.gradients[id]
    }

    /// The last layer's output; a graph's output.
    #[must_use]
    pub fn output(&self) -> Id {
        self.output
    }

    /// The loss; a graph's output.
    #[must_use]
    pub fn loss(&self) -> Id {
        self.loss
    }

    /// Returns whether the network has inputs that each sample gives. A graph has none.
    #[must_use]
    pub fn reads_samples(&self) -> bool {
        self.reads_samples
    }

    /// The tensors that gradient descent may update.
    pub fn learnable(&self) -> impl Iterator<Item = Id> + '_ {
        self.tensors.iter().enumerate().filter(|(_, tensor)| tensor.role.is_learnable()).map(|(id, _)| id)
    }

    /// What does not come from a sample, with its values: parameters and constants; the inputs of a graph.
    #[must_use]
    pub fn fixed(&self) -> &[(Id, Arc<Tensor>)] {
        &self.fixed
    }

    /// Takes away what does not come from a sample: whoever runs the network gives it then.
    pub(super) fn take_fixed(&mut self) -> Vec<(Id, Arc<Tensor>)> {
        std::mem::take(&mut self.fixed)
    }

    /// The tensors with this role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = Id> + '_ {
        self.tensors.iter().enumerate().filter(move |(_, t)| t.role == role).map(|(id, _)| id)
    }
}
