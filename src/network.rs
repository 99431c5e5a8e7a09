//! Floor 3: a network is a directed acyclic graph of ops, each of which computes one tensor.
//!
//! Both layers and scalar graphs are built into such a network (`build`). The backward ops follow from the forward ops by the chain rule and are ops like the
//! others. A [`Run`] computes all tensors for one sample, a [`Batch`] reduces the samples' losses and gradients and updates the parameters, and a
//! [`Descent`] computes one iteration after another.
//!
//! An op is a sum of parts: `z = W a + b` has the part `W a` and the part `b`, and each entry of z is the sum of both parts' terms.

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

/// The role of a tensor in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An input, given by each sample or, in a graph, by the network.
    Input {
        /// `true` for an input of a graph, which gradient descent may update.
        learns: bool,
    },
    /// The expected output, given by each sample.
    Target,
    /// A weight or bias.
    Parameter,
    /// A tensor of a layer that is not learned: a dropout mask.
    Constant,
    /// A result of the forward pass.
    Value,
    /// The loss.
    Loss,
    /// The derivative ∂C/∂x of the loss by another tensor x.
    Gradient(Id),
    /// In a batch: the sum or mean, over the samples, of this tensor of the samples' network.
    Reduced(Id),
}

impl Role {
    /// Returns whether gradient descent may update the tensor: a parameter, or an input of a graph.
    #[must_use]
    pub fn is_learnable(self) -> bool {
        matches!(self, Self::Parameter | Self::Input { learns: true })
    }
}

/// A tensor without its numbers.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// Its name in addresses: `conv1.z`, `grad.conv1.weight`.
    pub name: CompactString,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its symbol, such as a⁽¹⁾ or δ⁽²⁾, in the notation of V. Petersen's series.
    pub symbol: Symbol,
    /// Its role.
    pub role: Role,
    /// Its layer; `None` for the input, the target, the loss and the tensors of a graph.
    pub layer: Option<usize>,
    /// `true` for a filter with the shape [in, out, …], as in a transposed convolution, and for its gradient; others have [out, in, …].
    pub inputs_first: bool,
}

/// A rule with its operands.
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
    /// The parts whose terms are added, in this order.
    pub parts: Vec<Part>,
}

/// The largest number of parts that [`Op::first_parts`] returns. No screen has room for the operands of more.
const FIRST: usize = 16;

impl Op {
    /// The first 16 parts. A batch's reduction has more: one for each sample.
    #[must_use]
    pub fn first_parts(&self) -> &[Part] {
        &self.parts[..self.parts.len().min(FIRST)]
    }

    /// The first of these parts that slides a window over an image, with the window.
    #[must_use]
    pub fn window(&self) -> Option<(&Part, Window)> {
        self.first_parts().iter().find_map(|part| Some((part, part.rule.window()?)))
    }

    /// Computes the op's tensor into `sums`. `tensor` returns the entries of an operand.
    pub fn compute<'a>(&self, tensor: impl Fn(Id) -> &'a [f64], sums: &mut [f64]) {
        run::add_up(self, tensor, sums);
    }

    /// The output a and its pre-activation z, for a loss that reads both. Such a loss is computed from z, which is numerically stable; without z it is computed
    /// from a.
    #[must_use]
    pub fn output_and_z(&self) -> Option<[Id; 2]> {
        match *self.parts.first()?.operands {
            [output, _, z] if self.pass == Pass::Loss => Some([output, z]),
            _ => None,
        }
    }

    /// Returns the same loss without z, computed from the output.
    #[must_use]
    pub fn without_z(&self) -> Self {
        let mut op = self.clone();
        op.parts[0].operands.forget_last_input();
        op
    }
}

/// One use of a tensor as an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The op's number.
    pub op: usize,
    /// The index of the part.
    pub part: usize,
    /// The slot of that part's rule.
    pub slot: Slot,
}

/// The name and type of a layer.
#[derive(Clone, Debug)]
pub struct LayerInfo {
    /// Its name.
    pub name: CompactString,
    /// Its `type`.
    pub kind: &'static str,
}

/// A network: tensors, and the ops that compute them, in the order of computation.
#[derive(Debug)]
pub struct Network {
    tensors: Vec<TensorInfo>,
    ops: Vec<Op>,
    layers: Vec<LayerInfo>,
    by_name: HashMap<CompactString, Id>,
    /// See [`Network::fixed`].
    fixed: Vec<(Id, Arc<Tensor>)>,
    /// For each tensor, the op that computes it.
    producer: Vec<Option<usize>>,
    /// For each tensor, its uses as an operand.
    readers: Vec<SmallVec<[Reader; 1]>>,
    /// For each op, the approximate number of multiplications.
    work: Vec<u64>,
    /// See [`Network::part_offsets`].
    part_offsets: HashMap<usize, Vec<u64>>,
    /// The locations of the tensors in the memory of a run.
    layout: Arc<MemoryLayout>,
    /// For each tensor, the derivative of the loss by it.
    gradients: Vec<Option<Id>>,
    reads_samples: bool,
    output: Id,
    loss: Id,
}

/// The largest number of parts for which a linear search is faster than [`Network::part_offsets`].
const FEW: usize = 4;

/// See [`Network::part_offsets`].
fn part_offsets(op: &Op) -> Option<Vec<u64>> {
    if op.parts.len() <= FEW {
        return None;
    }
    let mut before = Vec::with_capacity(op.parts.len() + 1);
    before.push(0);
    for part in &op.parts {
        before.push(before[before.len() - 1] + part.rule.terms_per_entry()?);
    }
    Some(before)
}

/// Returns the approximate number of multiplications of an op.
fn work(op: &Op, entries: impl Fn(Id) -> usize) -> u64 {
    let part = |part: &Part| part.rule.work(&part.operands.map(&entries), entries(op.output));
    op.parts.iter().map(part).sum()
}

impl Network {
    /// Creates a network. If two tensors have the same name, the name denotes the later one. `derivatives` are pairs of a tensor and the derivative by it, in
    /// addition to those with [`Role::Gradient`].
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

    /// The layers, in file order; empty for a graph.
    #[must_use]
    pub fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    /// Returns the tensor with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Id> {
        self.by_name.get(name).copied()
    }

    /// The op that computes a tensor; `None` for inputs, targets and parameters.
    #[must_use]
    pub fn producer(&self, id: Id) -> Option<usize> {
        self.producer[id]
    }

    /// The uses of a tensor as an operand, in the order of the ops.
    #[must_use]
    pub fn readers(&self, id: Id) -> &[Reader] {
        &self.readers[id]
    }

    /// The locations of the tensors in the memory of a run.
    pub(self) fn layout(&self) -> &Arc<MemoryLayout> {
        &self.layout
    }

    /// The approximate number of multiplications of an op.
    #[must_use]
    pub fn work(&self, op: usize) -> u64 {
        self.work[op]
    }

    /// For an op with more than 4 parts, each with the same number of terms for every entry: the number of an entry's terms before each part and, last, of all
    /// its terms. A mean over 5 samples, one term each, has [0, 1, 2, 3, 4, 5]. The part of a term is found in it by binary search.
    #[must_use]
    pub fn part_offsets(&self, op: usize) -> Option<&[u64]> {
        self.part_offsets.get(&op).map(Vec::as_slice)
    }

    /// The derivative ∂C/∂x of the loss by a tensor x.
    #[must_use]
    pub fn gradient_of(&self, id: Id) -> Option<Id> {
        self.gradients[id]
    }

    /// The output of the last layer, or of a graph.
    #[must_use]
    pub fn output(&self) -> Id {
        self.output
    }

    /// The loss, or the output of a graph.
    #[must_use]
    pub fn loss(&self) -> Id {
        self.loss
    }

    /// Returns whether samples give inputs to the network; `false` for a graph.
    #[must_use]
    pub fn reads_samples(&self) -> bool {
        self.reads_samples
    }

    /// The tensors that gradient descent may update.
    pub fn learnable(&self) -> impl Iterator<Item = Id> + '_ {
        self.tensors.iter().enumerate().filter(|(_, tensor)| tensor.role.is_learnable()).map(|(id, _)| id)
    }

    /// The tensors that are the same for all samples, with their values: parameters, constants, and the inputs of a graph.
    #[must_use]
    pub fn fixed(&self) -> &[(Id, Arc<Tensor>)] {
        &self.fixed
    }

    /// Removes and returns [`Network::fixed`]. The caller then gives these tensors to each run.
    pub(super) fn take_fixed(&mut self) -> Vec<(Id, Arc<Tensor>)> {
        std::mem::take(&mut self.fixed)
    }

    /// The tensors with this role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = Id> + '_ {
        self.tensors.iter().enumerate().filter(move |(_, t)| t.role == role).map(|(id, _)| id)
    }
}
