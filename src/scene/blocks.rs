//! The network as blocks. In a network of layers, the blocks are the input, each layer and the loss; in a graph, they are the nodes. A *fold* is a group of
//! neighbouring nodes, such as those of one statement. While it is closed, it is one block. A line leads from a block to each block that reads its output.
//!
//! Blocks are in the order of computation, from top to bottom. The lines are drawn beside them in *lanes*, as in `git log --graph`. A lane is free again after
//! the last block that reads it. For example, in a residual block `sum` reads `c2` and `c1`. The line from `c1` passes `c2` in another lane:
//!
//! ```text
//! ■      c1     reads x, opens lane 0
//! ├→■    c2     reads lane 0, opens lane 1
//! ■←╯    sum    reads lanes 0 and 1, both end
//! ```

use smallvec::SmallVec;

use super::Scene;
use crate::expr::Notation;
use crate::network::{Id, Network, Op, Role};
use crate::step::Pass;

/// The largest number of lanes. If all are in use, a block gets no lane. The blocks that read it then name it in their texts.
pub const MAX_LANES: usize = 12;

/// A block of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its output.
    pub tensor: Id,
    /// Its layer; `None` for the input, the loss and the nodes of a graph.
    pub layer: Option<usize>,
    /// The tensors of the layer that no op computes, such as its weight and its bias.
    pub parameters: SmallVec<[Id; 2]>,
    /// The ops of the forward pass and the loss that belong to the block, then those of the backward pass.
    ops: [SmallVec<[usize; 2]>; 2],
    /// The blocks that it reads, in ascending order.
    pub reads: SmallVec<[usize; 2]>,
    /// The last block that reads its output.
    pub last_reader: Option<usize>,
    /// The lane of its output, if it has one.
    pub lane: Option<usize>,
    /// The lanes that are in use after the block, as bits: bit n is lane n.
    pub below: u16,
    /// The lanes of the blocks that it reads, as bits.
    pub joins: u16,
}

/// All blocks of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    all: Vec<Block>,
    /// The block of each tensor of the network.
    of_tensor: Vec<usize>,
    /// The number of lanes.
    pub lanes: usize,
}

impl Block {
    /// Returns the number of ops of the forward pass and the loss.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.ops[0].len()
    }
}

impl Blocks {
    /// Returns the blocks of the samples' network. The ops of the batch, such as the mean of the losses, are a second network (`batch_block`). `is_open`
    /// returns whether the fold with this index is open.
    #[must_use]
    pub fn of(network: &Network, is_open: &dyn Fn(usize) -> bool) -> Self {
        let (mut all, of_tensor) = if network.layers().is_empty() { nodes(network, is_open) } else { layers(network) };
        for (id, tensor) in network.tensors().iter().enumerate() {
            if matches!(tensor.role, Role::Parameter | Role::Constant) && tensor.layer.is_some() {
                all[of_tensor[id]].parameters.push(id);
            }
        }
        for (number, op) in network.ops().iter().enumerate() {
            let block = of_tensor[op.output];
            all[block].ops[usize::from(op.pass == Pass::Backward)].push(number);
            if op.pass != Pass::Backward {
                // a block reads only blocks above it. An op that reads a tensor of its own block makes no line
                let read = operands(op).map(|id| of_tensor[id]).filter(|read| *read < block);
                all[block].reads.extend(read);
            }
        }
        for reader in 0..all.len() {
            all[reader].reads.sort_unstable();
            all[reader].reads.dedup();
            for read in all[reader].reads.clone() {
                all[read].last_reader = Some(reader);
            }
        }
        let lanes = assign_lanes(&mut all);
        Self { all, of_tensor, lanes }
    }

    /// Returns the number of blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether there are no blocks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns a block.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Block> {
        self.all.get(number)
    }

    /// Returns the block of a tensor of the samples' network, which is not the network of the batch's ops.
    #[must_use]
    pub fn of_tensor(&self, tensor: Id) -> usize {
        self.of_tensor.get(tensor).copied().unwrap_or(0)
    }
}

/// Returns the tensors that an op reads.
fn operands(op: &Op) -> impl Iterator<Item = Id> + '_ {
    op.parts.iter().flat_map(|part| part.operands.iter().copied())
}

/// Returns a block without lines and ops.
fn block(tensor: Id, layer: Option<usize>) -> Block {
    let (parameters, ops, reads) = (SmallVec::new(), [SmallVec::new(), SmallVec::new()], SmallVec::new());
    Block { tensor, layer, parameters, ops, reads, last_reader: None, lane: None, below: 0, joins: 0 }
}

/// Returns the blocks of a network of layers, and the block of each tensor.
fn layers(network: &Network) -> (Vec<Block>, Vec<usize>) {
    let inputs: Vec<Id> = network.with_role(Role::Input { learns: false }).collect();
    let mut all: Vec<Block> = inputs.iter().map(|input| block(*input, None)).collect();
    // the output of each layer is set below; until then it is 0
    all.extend((0..network.layers().len()).map(|layer| block(0, Some(layer))));
    let loss = all.len();
    all.push(block(network.loss(), None));
    let mut of_tensor = Vec::with_capacity(network.tensors().len());
    for (id, tensor) in network.tensors().iter().enumerate() {
        let number = match (tensor.layer, tensor.role) {
            (Some(layer), _) => inputs.len() + layer,
            (None, Role::Gradient(differentiated)) if differentiated < id => of_tensor[differentiated],
            // an input, or a tensor of the loss
            (None, _) => inputs.iter().position(|input| *input == id).unwrap_or(loss),
        };
        // the output of a layer is the last value that it computes
        if tensor.role == Role::Value && tensor.layer.is_some() {
            all[number].tensor = id;
        }
        of_tensor.push(number);
    }
    (all, of_tensor)
}

/// Returns the nodes of a graph as blocks, and the block of each tensor. An input comes before the first node that reads it. A closed fold is one block, at the
/// position of its last tensor.
fn nodes(network: &Network, is_open: &dyn Fn(usize) -> bool) -> (Vec<Block>, Vec<usize>) {
    const NO_BLOCK: usize = usize::MAX;
    let tensors = network.tensors();
    let mut all = Vec::with_capacity(tensors.len() / 2 + 1);
    let mut of_tensor = vec![NO_BLOCK; tensors.len()];
    let shown_as = |id: Id| network.text().shown_as(id, is_open);
    // makes the block of a tensor, unless it exists, or the tensor is in a closed fold, whose last tensor makes the block
    let mut add_block = |id: Id, all: &mut Vec<Block>| {
        if of_tensor[id] == NO_BLOCK && shown_as(id) == id {
            of_tensor[id] = all.len();
            all.push(block(id, None));
        }
    };
    for op in network.ops().iter().filter(|op| op.pass != Pass::Backward) {
        operands(op).for_each(|id| add_block(id, &mut all));
        add_block(op.output, &mut all);
    }
    let is_node = |id: Id| !matches!(tensors[id].role, Role::Gradient(_));
    // the given tensors that no op reads
    (0..tensors.len()).filter(|id| is_node(*id)).for_each(|id| add_block(id, &mut all));
    (0..tensors.len()).filter(|id| is_node(*id)).for_each(|id| of_tensor[id] = of_tensor[shown_as(id)]);
    for (id, gradient) in (0..tensors.len()).filter_map(|id| Some((id, network.gradient_of(id)?))) {
        of_tensor[gradient] = of_tensor[id];
    }
    of_tensor.iter_mut().filter(|block| **block == NO_BLOCK).for_each(|block| *block = 0);
    (all, of_tensor)
}

/// Gives each block the first free lane, which it keeps until the last block that reads it. Returns the number of lanes.
fn assign_lanes(all: &mut [Block]) -> usize {
    // the last reader of the block in each lane
    let mut ends = [None; MAX_LANES];
    let mut lanes = 1;
    for number in 0..all.len() {
        let lane_bit = |lane: Option<usize>| lane.map_or(0, |lane| 1 << lane);
        let joins = all[number].reads.iter().map(|read| lane_bit(all[*read].lane)).fold(0, |bits, bit: u16| bits | bit);
        // the lanes that this block is the last to read become free
        for end in &mut ends {
            if *end == Some(number) {
                *end = None;
            }
        }
        let free = ends.iter().position(Option::is_none);
        if let Some(lane) = free {
            lanes = lanes.max(lane + 1);
            ends[lane] = all[number].last_reader;
        }
        let below = (0..MAX_LANES).filter(|lane| ends[*lane].is_some()).map(|lane| lane_bit(Some(lane))).fold(0, |bits, bit| bits | bit);
        all[number].lane = free;
        (all[number].below, all[number].joins) = (below, joins);
    }
    lanes
}

impl<'a> Scene<'a> {
    /// If this is a step of the batch, returns the scene of the last step of the last sample; otherwise `None`.
    #[must_use]
    pub fn last_of_samples(&self) -> Option<Scene<'a>> {
        let last = self.trace.samples().checked_sub(1).filter(|_| self.sample().is_none())?;
        let end = self.trace.passes_of(last).map(|(_, steps)| steps.end).max()?;
        self.at_step(end - 1)
    }

    /// Returns the block that this step computes.
    #[must_use]
    pub fn block(&self, blocks: &Blocks) -> usize {
        if self.sample().is_some() { blocks.of_tensor(self.output) } else { self.batch_block(blocks, self.op()) }
    }

    /// Returns the block to which an op of the batch belongs: that of its layer, or that of the first of its output and operands that is a tensor of the
    /// samples too. If there is neither, returns the last block, the loss.
    fn batch_block(&self, blocks: &Blocks, op: &Op) -> usize {
        let (network, samples) = (self.network(), self.trace.network());
        let info = network.tensor(op.output);
        if info.layer.is_some() {
            return blocks.all.iter().position(|block| block.layer == info.layer).unwrap_or(0);
        }
        let sample_tensor = |id: Id| match network.tensor(id).role {
            Role::Reduced(summed) => Some(summed),
            _ => samples.find(&network.tensor(id).name),
        };
        let id = std::iter::once(op.output).chain(operands(op)).find_map(sample_tensor);
        id.map_or(blocks.len().saturating_sub(1), |id| blocks.of_tensor(id))
    }

    /// Returns the progress of a block's forward ops and of its backward ops in this sample: the number of steps that are done, and the number of all steps.
    #[must_use]
    pub fn block_progress(&self, block: &Block) -> [(u64, u64); 2] {
        block.ops.each_ref().map(|ops| {
            let steps = ops.iter().map(|op| self.trace.op_steps(self.at.run_index, *op));
            steps.fold((0, 0), |(done, total), steps| {
                let count = steps.end - steps.start;
                (done + (self.at.step + 1).saturating_sub(steps.start).min(count), total + count)
            })
        })
    }

    /// Returns the first step of a block in the pass of this step. If it has none there, returns another step. In the backward pass: its first forward step, or
    /// else the first step that reads its output. In the forward pass and the loss: the first step that reads its output, or else its first backward step.
    /// In the passes of the batch: as for the last step of the last sample.
    #[must_use]
    pub fn block_step(&self, blocks: &Blocks, number: usize) -> Option<u64> {
        let block = blocks.get(number)?;
        if self.sample().is_none() {
            return self.batch_step(blocks, number).or_else(|| self.last_of_samples()?.block_step(blocks, number));
        }
        let first = |ops: &[usize]| {
            let steps = ops.iter().map(|op| self.trace.op_steps(self.at.run_index, *op));
            steps.filter(|steps| !steps.is_empty()).map(|steps| steps.start).min()
        };
        let [forward, backward] = block.ops.each_ref().map(|ops| first(ops));
        let first_reader = || self.trace.uses(self.at.run_index, block.tensor, 0).first().map(|found| found.step);
        if self.is_backward() { backward.or(forward).or_else(first_reader) } else { forward.or_else(first_reader).or(backward) }
    }

    /// Returns the first step of the batch that computes a tensor of a block, in the pass of this step.
    fn batch_step(&self, blocks: &Blocks, number: usize) -> Option<u64> {
        let of_pass = self.network().ops().iter().enumerate().filter(|(_, op)| op.pass == self.step.pass);
        let ops = of_pass.filter(|(_, op)| self.batch_block(blocks, op) == number);
        ops.map(|(op, _)| self.trace.op_steps(self.at.run_index, op)).find(|steps| !steps.is_empty()).map(|steps| steps.start)
    }

    /// Returns a block's name and a second text: the kind of its layer, the equation of its node or the statement of its fold, or `given` for an input. For the
    /// loss of a network of layers, the second text is empty.
    #[must_use]
    pub fn block_texts(&self, block: &Block, notation: Notation) -> (String, String) {
        let network = self.network();
        if let Some(layer) = block.layer {
            let info = &network.layers()[layer];
            return (info.name.to_string(), info.kind.to_owned());
        }
        let second_text = match network.producer(block.tensor) {
            None => "given".to_owned(),
            // only a network of layers reads samples, and there this block is the loss
            Some(_) if network.reads_samples() => String::new(),
            Some(_) if block.operations() > 1 => self.written(block.tensor).unwrap_or_default(),
            Some(_) => self.block_equation(block, notation).unwrap_or_default(),
        };
        (network.tensor(block.tensor).name.to_string(), second_text)
    }

    /// Returns the right-hand side of the equation of a block's output; `None` if no step computes it.
    #[must_use]
    pub fn block_equation(&self, block: &Block, notation: Notation) -> Option<String> {
        let at = self.first_position(block.tensor, 0)?;
        Some(self.trace.right_hand_side(&at, 0, notation))
    }
}
