//! A network is a directed acyclic graph of ops. Each op computes one tensor in the forward pass, the loss or the backward pass.
//!
//! `build` makes a network from layers or from the nodes of a graph, and derives the backward ops from the forward ops by the chain rule. A [`Run`] has the
//! values of all tensors for one sample. A [`Batch`] has further ops: they reduce the losses and gradients of several samples, and update the parameters. A
//! [`Descent`] computes iterations of gradient descent.
//!
//! An op is a sum of **parts**: `z = W a + b` has the parts `W a` and `b`. Each part has a rule. The rule lists the **terms** that the part adds to each entry
//! of z: `W a` adds one product for each column of W, and `b` adds one number.

mod batch;
mod build;
mod checkpoints;
mod descent;
mod descent_result;
mod forward_reads;
mod graph_text;
mod grouped;
mod iteration;
mod iteration_runs;
mod learn;
mod numbers;
mod optimizer;
mod optimizer_summary;
mod run;
mod schedule;
mod series;
mod size;
mod stored_sums;
mod symbol;
mod train;

pub use batch::Batch;
pub use build::{Builder, GraphLeaf, LayersBuilder, Node};
pub use descent::{Descent, DescentComputation};
pub use descent_result::{DescentResult, SampleLosses};
pub use forward_reads::ForwardReads;
pub use graph_text::{ClosedBlock, Fold, GraphText, SourcePlace, StatementText, StructuralUse, Turn};
pub use iteration::Iteration;
pub use iteration_runs::{IterationRun, IterationRuns};
pub use optimizer::{Optimizer, UpdateRule, parameter_of_state};
pub use run::Run;
pub use schedule::Schedule;
pub use series::{Losses, NotFinite, Series};
pub use size::{Shortage, Sizes};
pub use symbol::{Symbol, SymbolKind};
pub use train::{Given, Train};

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use compact_str::{CompactString, format_compact};
use smallvec::SmallVec;

use grouped::Grouped;
use numbers::MemoryLayout;

use crate::op::rule::{Rule, Window};
use crate::op::slot::{Reads, Slot};
use crate::step::Pass;
use crate::tensor::{Tensor, len};

/// The id of a tensor: its index in the network's list of tensors.
pub type Id = usize;

/// The role of a tensor in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An input. Each sample has its own. The inputs of a graph are part of the network, and are the same for all samples.
    Input {
        /// `true` for an input of a graph, which gradient descent may update.
        learns: bool,
    },
    /// The expected output. Each sample has its own.
    Target,
    /// A weight or bias.
    Parameter,
    /// A tensor that gradient descent does not change: a dropout mask, a running mean or variance of a batch norm, or a constant of a graph.
    Constant,
    /// A result of the forward pass.
    Value,
    /// The loss.
    Loss,
    /// The derivative ∂C/∂x, where C is the loss. The `Id` is that of x.
    Gradient(Id),
    /// A tensor of a batch: the sum or mean of one tensor over its samples, with a penalty. The `Id` is that of this tensor in the samples' network.
    Reduced(Id),
}

impl Role {
    /// Returns whether gradient descent may update the tensor. It may update parameters, and the inputs of a graph.
    #[must_use]
    pub fn is_learnable(self) -> bool {
        matches!(self, Self::Parameter | Self::Input { learns: true })
    }
}

/// The origin of the numbers of an input of a batch's network. Each `Id` is that of a tensor in the samples' network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchSource {
    /// A tensor of one sample. The first number is the index of the sample in the batch.
    Sample(usize, Id),
    /// A parameter before the update.
    Parameter(Id),
    /// A state of a parameter in the previous iteration, such as its velocity. The first number is the index of the state among the states of the update.
    State(usize, Id),
}

/// A tensor without its numbers.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// The name in addresses: `conv1.z`, `grad.conv1.weight`.
    pub name: CompactString,
    /// The shape.
    pub shape: Vec<usize>,
    /// The symbol, such as a⁽¹⁾ or δ⁽²⁾, in the notation of V. Petersen's series.
    pub symbol: Symbol,
    /// The role in the network.
    pub role: Role,
    /// The index of the layer, from 0; `None` for the input, the target, the loss and the tensors of a graph.
    pub layer: Option<usize>,
    /// `true` for a filter with the shape [in, out, …], and for its gradient. A transposed convolution has such a filter. Other filters have the shape [out,
    /// in, …].
    pub inputs_first: bool,
    /// The name without the layer, such as `weight` or `z`. A gradient ∂C/∂x has the suffix of x. Empty for a tensor without a layer.
    pub suffix: &'static str,
    /// The origin of the numbers, for an input of a batch's network.
    pub source: Option<BatchSource>,
    /// The parameter, a tensor of the samples' network, to which a tensor of a batch's network belongs: its old value, its new value or a state such as its
    /// velocity.
    pub parameter: Option<Id>,
}

/// A part of an op: a rule with its operands.
#[derive(Clone, Debug)]
pub struct Part {
    /// The rule.
    pub rule: Arc<dyn Rule>,
    /// The tensor for each slot of the rule. A slot is a place for an operand.
    pub operands: Reads<Id>,
}

/// The computation of one tensor: each entry is the sum of the terms of all parts, in order.
#[derive(Clone, Debug)]
pub struct Op {
    /// The tensor that the op computes.
    pub output: Id,
    /// The pass of the op.
    pub pass: Pass,
    /// The parts whose terms are added, in this order.
    pub parts: SmallVec<[Part; 1]>,
}

impl Op {
    /// The first 16 parts; all parts if there are fewer. No screen has room for the operands of more parts. Three kinds of ops can have more: a reduction has
    /// one part for each sample of the batch, a sum of layers has one for each layer, and a gradient has one for each use of its tensor.
    #[must_use]
    pub fn first_16_parts(&self) -> &[Part] {
        &self.parts[..self.parts.len().min(16)]
    }

    /// The first part that slides a window over an image, with its window; `None` if no part does.
    #[must_use]
    pub fn window(&self) -> Option<(&Part, Window)> {
        self.first_16_parts().iter().find_map(|part| Some((part, part.rule.window()?)))
    }

    /// Computes the op's tensor and writes it to `sums`. `tensor` returns the entries of an operand.
    pub fn compute<'a>(&self, tensor: impl Fn(Id) -> &'a [f64], sums: &mut [f64]) {
        let in_run = false;
        run::add_up(self, tensor, in_run, sums, |_, _| {});
    }

    /// If this op is a loss that reads the output a and the pre-activation z: returns both. Such a loss is computed from z, which is numerically stable.
    /// [`Op::without_z`] returns the same loss computed from a.
    #[must_use]
    pub fn output_and_z(&self) -> Option<[Id; 2]> {
        match *self.parts.first()?.operands {
            [output, _, z] if self.pass == Pass::Loss => Some([output, z]),
            _ => None,
        }
    }

    /// Returns a loss that reads only the output, and not the pre-activation z. It may be called only if [`Op::output_and_z`] returns tensors.
    #[must_use]
    pub fn without_z(&self) -> Self {
        let mut op = self.clone();
        // the operands are the output, the target and z
        op.parts[0].operands.forget_last_input();
        op
    }
}

/// One use of a tensor as an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The index of the op that reads the tensor.
    pub op: usize,
    /// The index of the part that reads it.
    pub part: usize,
    /// The slot of the part's rule in which the tensor is.
    pub slot: Slot,
}

/// The name and type of a layer.
#[derive(Clone, Debug)]
pub struct LayerInfo {
    /// The name.
    pub name: CompactString,
    /// The `type` in a scenario file, such as `conv2d`.
    pub kind: &'static str,
}

/// The parts of a network that are collected at their first use.
#[derive(Debug, Default)]
struct NetworkIndex {
    /// The tensor of each name.
    by_name: OnceLock<HashMap<CompactString, Id>>,
    /// The uses of the tensor as an operand, for each tensor.
    readers: OnceLock<Grouped<Reader>>,
    /// The approximate number of multiplications, for each op.
    work: OnceLock<Vec<u64>>,
}

/// A network: tensors, and the ops that compute them, in the order of computation.
#[derive(Debug)]
pub struct Network {
    tensors: Vec<TensorInfo>,
    ops: Vec<Op>,
    layers: Vec<LayerInfo>,
    /// Second names of tensors.
    aliases: Vec<(CompactString, Id)>,
    /// See [`Network::shared_tensors`].
    shared: Vec<(Id, Arc<Tensor>)>,
    /// The index of the op that computes the tensor, for each tensor.
    producer: Vec<Option<usize>>,
    /// The names, the readers and the work, which are collected at their first use.
    index: Box<NetworkIndex>,
    /// See [`Network::part_offsets`].
    part_offsets: HashMap<usize, Vec<u64>>,
    /// The locations of the tensors in the memory of a run.
    layout: Arc<MemoryLayout>,
    /// The tensor ∂C/∂x, for each tensor x.
    gradients: Vec<Option<Id>>,
    /// See [`Network::forward_reads`].
    forward_reads: ForwardReads,
    /// See [`Network::input_from`]. If there is such an input for each sample, the map has only that of the first sample.
    inputs: HashMap<BatchSource, Id>,
    /// See [`Network::reads_samples`].
    reads_samples: bool,
    output: Id,
    loss: Id,
    /// See [`Network::text`]; boxed because a network of layers has none.
    text: Box<GraphText>,
}

/// Up to this number of parts, a linear search is faster than a binary search in [`Network::part_offsets`].
const FEW_PARTS: usize = 4;

/// Returns the list that [`Network::part_offsets`] describes.
fn part_offsets(op: &Op) -> Option<Vec<u64>> {
    if op.parts.len() <= FEW_PARTS {
        return None;
    }
    let (mut offsets, mut offset) = (Vec::with_capacity(op.parts.len() + 1), 0);
    offsets.push(offset);
    for part in &op.parts {
        offset += part.rule.terms_per_entry()?;
        offsets.push(offset);
    }
    Some(offsets)
}

/// Returns the approximate number of multiplications of an op.
fn work(op: &Op, entries: impl Fn(Id) -> usize) -> u64 {
    let work_of_part = |part: &Part| part.rule.work(&part.operands.map(&entries), entries(op.output));
    op.parts.iter().map(work_of_part).sum()
}

impl Network {
    /// Creates a network. If two tensors have the same name, [`Network::find`] returns the later one. `derivatives` are pairs of a tensor x and its tensor
    /// ∂C/∂x, in addition to the tensors with [`Role::Gradient`].
    fn new(
        tensors: Vec<TensorInfo>,
        ops: Vec<Op>,
        layers: Vec<LayerInfo>,
        shared: Vec<(Id, Arc<Tensor>)>,
        output: Id,
        loss: Id,
        derivatives: &[(Id, Id)],
    ) -> Self {
        let mut producer = vec![None; tensors.len()];
        for (number, op) in ops.iter().enumerate() {
            producer[op.output] = Some(number);
        }
        // a network of layers has few ops, and its map is made from these
        let forward_reads = if layers.is_empty() { ForwardReads::of(&ops) } else { ForwardReads::default() };
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
        let is_in_map = |source: &BatchSource| !matches!(source, BatchSource::Sample(1.., _));
        let sourced = tensors.iter().enumerate().filter_map(|(id, tensor)| Some((tensor.source?, id)));
        let inputs = sourced.filter(|(source, _)| is_in_map(source)).collect();
        let layout = Arc::new(MemoryLayout::of(&tensors, &ops, &shared));
        Self {
            tensors,
            ops,
            layers,
            aliases: Vec::new(),
            shared,
            producer,
            index: Box::default(),
            part_offsets,
            layout,
            gradients,
            forward_reads,
            inputs,
            reads_samples,
            output,
            loss,
            text: Box::default(),
        }
    }

    /// The text of a graph; empty for a network of layers.
    #[must_use]
    pub fn text(&self) -> &GraphText {
        &self.text
    }

    /// Gives a tensor, and its derivative, a second name for [`Network::find`].
    fn add_name(&mut self, name: CompactString, id: Id) {
        self.aliases.extend(self.gradients[id].map(|gradient| (format_compact!("grad.{name}"), gradient)));
        self.aliases.push((name, id));
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

    /// Returns the symbol of a tensor of a graph, with the tensor's name instead of its statement: ∂J/∂var.1 instead of ∂J/∂(diff**2).
    #[must_use]
    pub fn named_symbol(&self, id: Id) -> Symbol {
        let info = &self.tensors[id];
        let name = match info.role {
            Role::Gradient(of) => &self.tensors[of].name,
            _ => &info.name,
        };
        Symbol { letter: name.clone(), whole: name.clone(), ..info.symbol.clone() }
    }

    /// The ops, in the order of computation: forward, loss and backward for a sample; reduce and update for a batch.
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
        let by_name = self.index.by_name.get_or_init(|| {
            let names = self.tensors.iter().enumerate().map(|(id, tensor)| (tensor.name.clone(), id));
            names.chain(self.aliases.iter().cloned()).collect()
        });
        by_name.get(name).copied()
    }

    /// The index of the op that computes a tensor; `None` for inputs, targets, parameters and constants.
    #[must_use]
    pub fn producer(&self, id: Id) -> Option<usize> {
        self.producer[id]
    }

    /// The uses of a tensor as an operand, in the order of the ops.
    #[must_use]
    pub fn readers(&self, id: Id) -> &[Reader] {
        let readers = self.index.readers.get_or_init(|| {
            let parts = self.ops.iter().enumerate().flat_map(|(op, Op { parts, .. })| parts.iter().enumerate().map(move |part| (op, part)));
            let readers = parts
                .flat_map(|(op, (part, Part { operands, .. }))| operands.each().map(move |(slot, id)| (id, Reader { op, part, slot })));
            Grouped::new(self.tensors.len(), readers)
        });
        readers.of(id)
    }

    /// The locations of the tensors in the memory of a run.
    pub(self) fn layout(&self) -> &Arc<MemoryLayout> {
        &self.layout
    }

    /// The approximate number of multiplications of an op.
    #[must_use]
    pub fn work(&self, op: usize) -> u64 {
        let entries = |id: Id| len(&self.tensors[id].shape);
        self.index.work.get_or_init(|| self.ops.iter().map(|op| work(op, entries)).collect())[op]
    }

    /// The list of an op with many parts, with which a binary search finds the part that has a given term. Element p is the number of terms that the parts
    /// before part p add to each entry; the last element is the number of all terms. For a mean over 5 samples, which has 5 parts with one term each, the list
    /// is [0, 1, 2, 3, 4, 5].
    ///
    /// `None` for an op with up to 4 parts, and for an op with a part that adds more terms to some entries than to others.
    #[must_use]
    pub fn part_offsets(&self, op: usize) -> Option<&[u64]> {
        (self.ops[op].parts.len() > FEW_PARTS).then(|| self.part_offsets.get(&op)).flatten().map(Vec::as_slice)
    }

    /// The tensor ∂C/∂x of a tensor x; `None` if the network does not compute it.
    #[must_use]
    pub fn gradient_of(&self, id: Id) -> Option<Id> {
        self.gradients[id]
    }

    /// The operands of a graph's ops in the forward pass; empty for a network of layers.
    #[must_use]
    pub fn forward_reads(&self) -> &ForwardReads {
        &self.forward_reads
    }

    /// The inputs of a batch's network, with their sources.
    pub fn sources(&self) -> impl Iterator<Item = (Id, BatchSource)> + '_ {
        self.tensors.iter().enumerate().filter_map(|(id, tensor)| Some((id, tensor.source?)))
    }

    /// Returns the input of a batch's network that comes from this source; `None` if the batch does not read it.
    #[must_use]
    pub fn input_from(&self, source: BatchSource) -> Option<Id> {
        let id = match source {
            // for each tensor, the inputs of the samples 0, 1, … have consecutive ids
            BatchSource::Sample(sample, of) => self.inputs.get(&BatchSource::Sample(0, of))? + sample,
            BatchSource::Parameter(_) | BatchSource::State(..) => *self.inputs.get(&source)?,
        };
        self.tensors.get(id).filter(|tensor| tensor.source == Some(source)).map(|_| id)
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

    /// Returns whether the network reads numbers of the samples. For a graph, it is `false` for the network of a sample, but `true` for that of a batch.
    #[must_use]
    pub fn reads_samples(&self) -> bool {
        self.reads_samples
    }

    /// The tensors that gradient descent may update.
    pub fn learnable(&self) -> impl Iterator<Item = Id> + '_ {
        self.tensors.iter().enumerate().filter(|(_, tensor)| tensor.role.is_learnable()).map(|(id, _)| id)
    }

    /// The weights on which the loss has a penalty: the `weight` of each layer, in file order.
    pub fn weights(&self) -> impl Iterator<Item = Id> + '_ {
        self.with_role(Role::Parameter).filter(|id| self.tensors[*id].suffix == "weight")
    }

    /// The tensors that are the same for all samples, with their values: parameters, constants, and the inputs of a graph.
    #[must_use]
    pub fn shared_tensors(&self) -> &[(Id, Arc<Tensor>)] {
        &self.shared
    }

    /// Removes and returns [`Network::shared_tensors`]. From then on, the caller must pass these tensors to each run.
    pub(super) fn take_shared_tensors(&mut self) -> Vec<(Id, Arc<Tensor>)> {
        std::mem::take(&mut self.shared)
    }

    /// The tensors with this role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = Id> + '_ {
        self.tensors.iter().enumerate().filter(move |(_, t)| t.role == role).map(|(id, _)| id)
    }
}
