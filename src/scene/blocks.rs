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

use std::ops::Range;

use smallvec::SmallVec;

use super::Scene;
use crate::expr::Notation;
use crate::network::{ForwardReads, Id, Network, Op, Role, TensorInfo};

/// The largest number of lanes. If all are in use, a block gets no lane. The blocks that read it then name it in their texts.
pub const MAX_LANES: usize = 12;

/// A block of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its output.
    pub tensor: Id,
    /// Its layer; `None` for the input, the loss and the nodes of a graph.
    pub layer: Option<usize>,
    /// The tensors of the forward pass and the loss that belong to the block: those of the layer, or those of the closed fold.
    pub members: Range<Id>,
    /// The last block that reads its output.
    pub last_reader: Option<usize>,
    /// The lane of its output, if it has one.
    pub lane: Option<usize>,
    /// The lanes that are in use after the block, as bits: bit n is lane n.
    pub below: u16,
    /// The lanes of the blocks that it reads, as bits.
    pub joins: u16,
    lines: &'a [DataLine],
}

impl Block<'_> {
    /// Returns the blocks that this block reads, in ascending order.
    #[must_use]
    pub fn reads(&self) -> impl ExactSizeIterator<Item = usize> {
        self.lines.iter().map(|line| line.read as usize)
    }
}

/// A line of the map: a block reads another one. Lines are sorted by the reader, then by the block that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DataLine {
    reader: u32,
    read: u32,
}

/// A block as it is stored. A map may have 50,000 blocks and is made when a key is pressed, so they are small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StoredBlock {
    tensor: u32,
    /// The first tensor of [`Block::members`], and the one after the last.
    members: [u32; 2],
    /// [`NO_NUMBER`] for a block that no block reads.
    last_reader: u32,
    below: u16,
    joins: u16,
    /// [`NO_LANE`] for a block without a lane.
    lane: u8,
}

const NO_NUMBER: u32 = u32::MAX;
const NO_LANE: u8 = u8::MAX;

/// All blocks of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    all: Vec<StoredBlock>,
    lines: Vec<DataLine>,
    /// The block of each tensor of the network that is no gradient.
    of_tensor: Vec<u32>,
    /// The blocks of the layers; empty for a graph.
    layers: Range<usize>,
    /// The number of lanes.
    pub lanes: usize,
}

impl Blocks {
    /// Returns the blocks of the samples' network. The ops of the batch, such as the mean of the losses, are a second network (`batch_block`). `is_open`
    /// returns whether the fold with this index is open.
    ///
    /// The blocks are made again each time a key opens the map, also of graphs with 50,000 nodes. So only the ops of the forward pass and the loss are visited.
    #[must_use]
    pub fn of(network: &Network, is_open: &dyn Fn(usize) -> bool) -> Self {
        let (mut blocks, of_layers);
        let reads = if network.layers().is_empty() {
            blocks = nodes(network, is_open);
            network.forward_reads()
        } else {
            blocks = layers(network);
            of_layers = ForwardReads::of(network.ops());
            &of_layers
        };
        blocks.draw_lines(reads);
        blocks.assign_lanes();
        blocks
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
    pub fn get(&self, number: usize) -> Option<Block<'_>> {
        let stored = self.all.get(number)?;
        let known = |number: u32| (number != NO_NUMBER).then_some(number as usize);
        let [start, end] = [number, number + 1].map(|number| self.lines.partition_point(|line| (line.reader as usize) < number));
        Some(Block {
            tensor: stored.tensor as Id,
            layer: self.layers.contains(&number).then(|| number - self.layers.start),
            members: stored.members[0] as Id..stored.members[1] as Id,
            last_reader: known(stored.last_reader),
            lane: (stored.lane != NO_LANE).then_some(stored.lane.into()),
            below: stored.below,
            joins: stored.joins,
            lines: &self.lines[start..end],
        })
    }

    /// Returns the block of a tensor of the samples' network (not of the batch's network). A gradient ∂C/∂x has no block: pass x instead.
    #[must_use]
    pub fn of_tensor(&self, tensor: Id) -> usize {
        self.of_tensor.get(tensor).map_or(0, |block| *block as usize)
    }

    /// Adds a block with one member, its output. Returns its number.
    fn push(&mut self, tensor: Id) -> u32 {
        let number = small(self.all.len());
        let members = [small(tensor), small(tensor + 1)];
        self.all.push(StoredBlock { tensor: small(tensor), members, last_reader: NO_NUMBER, below: 0, joins: 0, lane: NO_LANE });
        number
    }

    /// Draws a line to each block from the blocks that its forward ops read.
    fn draw_lines(&mut self, reads: &ForwardReads) {
        self.lines.reserve(reads.operand_count());
        // the ops come mostly in the order of their blocks. Then the lines of a block are neighbours, and only these few are sorted
        let (mut current, mut first, mut all_in_order) = (0, 0, true);
        for (output, operands) in reads.iter() {
            let reader = self.of_tensor[output];
            if reader != current {
                self.sort_lines(first);
                all_in_order &= reader > current;
                (current, first) = (reader, self.lines.len());
            }
            for id in operands {
                let read = self.of_tensor[id];
                // no line leads from a block to itself
                if read < reader {
                    self.lines.push(DataLine { reader, read });
                }
            }
        }
        self.sort_lines(if all_in_order { first } else { 0 });
        for line in &self.lines {
            self.all[line.read as usize].last_reader = line.reader;
        }
    }

    /// Sorts the lines from `first` on, and removes those that are there twice.
    fn sort_lines(&mut self, first: usize) {
        let lines = &mut self.lines[first..];
        if lines.is_sorted_by(|a, b| a < b) {
            return;
        }
        lines.sort_unstable();
        let mut kept = 1;
        for n in 1..lines.len() {
            if lines[n] != lines[kept - 1] {
                lines[kept] = lines[n];
                kept += 1;
            }
        }
        self.lines.truncate(first + kept);
    }

    /// Gives each block the first free lane, which it keeps until the last block that reads it.
    fn assign_lanes(&mut self) {
        self.lanes = 1;
        let mut lines = self.lines.iter().peekable();
        // the lanes in use, as bits
        let mut in_use = 0_u16;
        for number in 0..self.all.len() {
            let mut joins = 0;
            while let Some(line) = lines.next_if(|line| line.reader as usize == number) {
                let read = self.all[line.read as usize];
                let lane = if read.lane == NO_LANE { 0 } else { 1 << read.lane };
                joins |= lane;
                if read.last_reader as usize == number {
                    in_use &= !lane;
                }
            }
            let block = &mut self.all[number];
            block.joins = joins;
            let free = in_use.trailing_ones() as usize;
            if free < MAX_LANES {
                self.lanes = self.lanes.max(free + 1);
                block.lane = u8::try_from(free).unwrap_or(NO_LANE);
                if block.last_reader != NO_NUMBER {
                    in_use |= 1 << free;
                }
            }
            block.below = in_use;
        }
    }
}

/// Returns a number of a block or a tensor as it is stored.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(NO_NUMBER)
}

/// Returns the tensors that an op reads.
fn operands(op: &Op) -> impl Iterator<Item = Id> + '_ {
    op.parts.iter().flat_map(|part| part.operands.iter().copied())
}

/// Returns the blocks of a network of layers, without lines.
fn layers(network: &Network) -> Blocks {
    let tensors = network.tensors();
    let mut blocks = Blocks { all: Vec::new(), lines: Vec::new(), of_tensor: vec![0; tensors.len()], layers: 0..0, lanes: 0 };
    for input in network.with_role(Role::Input { learns: false }) {
        blocks.of_tensor[input] = blocks.push(input);
    }
    blocks.layers = blocks.len()..blocks.len() + network.layers().len();
    // the outputs and the other members are set below
    network.layers().iter().for_each(|_| _ = blocks.push(0));
    let loss = blocks.push(network.loss());
    let has_block = |tensor: &TensorInfo| !matches!(tensor.role, Role::Gradient(_) | Role::Input { learns: false });
    for (id, tensor) in tensors.iter().enumerate().filter(|(_, tensor)| has_block(tensor)) {
        let Some(layer) = tensor.layer else {
            blocks.of_tensor[id] = loss;
            continue;
        };
        let number = blocks.layers.start + layer;
        blocks.of_tensor[id] = small(number);
        let block = &mut blocks.all[number];
        // the tensors of a layer are neighbours; its output is the last value that it computes
        let is_first = block.members[0] == 0;
        block.members = [if is_first { small(id) } else { block.members[0] }, small(id + 1)];
        if tensor.role == Role::Value {
            block.tensor = small(id);
        }
    }
    blocks
}

/// Returns the nodes of a graph as blocks, without lines. An input comes before the first node that reads it. A closed fold is one block, at the position of
/// its last tensor.
fn nodes(network: &Network, is_open: &dyn Fn(usize) -> bool) -> Blocks {
    let text = network.text();
    let all = Vec::with_capacity(text.node_count());
    let mut blocks = Blocks { all, lines: Vec::new(), of_tensor: vec![NO_NUMBER; text.node_count()], layers: 0..0, lanes: 0 };
    // the tensor whose block represents each tensor
    let shown: Vec<u32> = (0..text.node_count()).map(|id| small(text.shown_as(id, is_open))).collect();
    // makes the block of a tensor, unless it exists, or the tensor is in a closed fold, whose last tensor makes the block
    let mut add_block = |id: Id| {
        if blocks.of_tensor[id] == NO_NUMBER && shown[id] as Id == id {
            blocks.of_tensor[id] = blocks.push(id);
        }
    };
    for (output, operands) in network.forward_reads().iter() {
        operands.for_each(&mut add_block);
        add_block(output);
    }
    // the given tensors that no op reads
    (0..text.node_count()).for_each(add_block);
    for (id, output) in shown.into_iter().enumerate().filter(|(id, output)| *output as Id != *id) {
        blocks.of_tensor[id] = blocks.of_tensor[output as Id];
        // the first member of a closed fold comes first
        let block = &mut blocks.all[blocks.of_tensor[id] as usize];
        block.members[0] = block.members[0].min(small(id));
    }
    blocks
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
        if self.sample().is_some() { blocks.of_tensor(self.neuron(self.output)) } else { self.batch_block(blocks, self.op()) }
    }

    /// Returns the block to which an op of the batch belongs: that of its layer, or that of the first of its output and operands that is a tensor of the
    /// samples too. If there is neither, returns the last block, the loss.
    fn batch_block(&self, blocks: &Blocks, op: &Op) -> usize {
        let (network, samples) = (self.network(), self.trace.network());
        let info = network.tensor(op.output);
        if let Some(layer) = info.layer {
            return blocks.layers.start + layer;
        }
        let sample_tensor = |id: Id| match network.tensor(id).role {
            Role::Reduced(summed) => Some(summed),
            _ => samples.find(&network.tensor(id).name),
        };
        let with_block = |id: Id| match samples.tensor(id).role {
            Role::Gradient(differentiated) => differentiated,
            _ => id,
        };
        let id = std::iter::once(op.output).chain(operands(op)).find_map(sample_tensor);
        id.map_or(blocks.len().saturating_sub(1), |id| blocks.of_tensor(with_block(id)))
    }

    /// Returns the ops of the forward pass and the loss that belong to a block, then those of the backward pass.
    fn block_ops(&self, block: &Block<'_>) -> [SmallVec<[usize; 2]>; 2] {
        let network = self.network();
        let forward = block.members.clone().filter_map(|id| network.producer(id)).collect();
        let backward = block.members.clone().filter_map(|id| network.producer(network.gradient_of(id)?)).collect();
        [forward, backward]
    }

    /// Returns the number of ops of a block in the forward pass and the loss.
    #[must_use]
    pub fn block_operations(&self, block: &Block<'_>) -> usize {
        block.members.clone().filter(|id| self.network().producer(*id).is_some()).count()
    }

    /// Returns the tensors of a layer that no op computes, such as its weight and its bias. A node has none.
    pub fn block_parameters(&self, block: &Block<'_>) -> impl Iterator<Item = Id> {
        let network = self.network();
        let ids = if block.layer.is_some() { block.members.clone() } else { 0..0 };
        ids.filter(|id| matches!(network.tensor(*id).role, Role::Parameter | Role::Constant))
    }

    /// Returns the progress of a block's forward ops and of its backward ops in this sample: the number of steps that are done, and the number of all steps.
    #[must_use]
    pub fn block_progress(&self, block: &Block<'_>) -> [(u64, u64); 2] {
        self.block_ops(block).map(|ops| {
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
        let [forward, backward] = self.block_ops(&block).map(|ops| first(&ops));
        let first_reader = || self.trace.uses(self.at.run_index, block.tensor, 0).first().map(|found| found.step);
        if self.is_backward() { backward.or(forward).or_else(first_reader) } else { forward.or_else(first_reader).or(backward) }
    }

    /// Returns the first step of the batch that computes a tensor of a block, in the pass of this step.
    fn batch_step(&self, blocks: &Blocks, number: usize) -> Option<u64> {
        let of_pass = self.network().ops().iter().enumerate().filter(|(_, op)| op.pass == self.step.pass);
        let ops = of_pass.filter(|(_, op)| self.batch_block(blocks, op) == number);
        ops.map(|(op, _)| self.trace.op_steps(self.at.run_index, op)).find(|steps| !steps.is_empty()).map(|steps| steps.start)
    }

    /// Returns a block's name and a second text: the kind of its layer, the right-hand side of its node's equation, the source text of its closed fold, or
    /// `given` for an input. For the loss of a network of layers, the second text is empty.
    #[must_use]
    pub fn block_texts(&self, block: &Block<'_>, notation: Notation) -> (String, String) {
        let network = self.network();
        if let Some(layer) = block.layer {
            let info = &network.layers()[layer];
            return (info.name.to_string(), info.kind.to_owned());
        }
        let second_text = match network.producer(block.tensor) {
            None => "given".to_owned(),
            // only a network of layers reads samples, and there this block is the loss
            Some(_) if network.reads_samples() => String::new(),
            Some(_) if self.block_operations(block) > 1 => self.written(block.tensor).unwrap_or_default(),
            Some(_) => self.block_equation(block, notation).unwrap_or_default(),
        };
        (network.tensor(block.tensor).name.to_string(), second_text)
    }

    /// Returns the right-hand side of the equation of a block's output; `None` if no step computes it.
    #[must_use]
    pub fn block_equation(&self, block: &Block<'_>, notation: Notation) -> Option<String> {
        let at = self.first_position(block.tensor, 0)?;
        Some(self.trace.right_hand_side(&at, 0, notation))
    }
}
