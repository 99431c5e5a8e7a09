//! The operations of a graph as structures that can be compared: the function of each tensor, its operands, and its readers on the way to the output.

use std::cell::OnceCell;
use std::sync::Arc;

use smallvec::SmallVec;

use super::node_of;
use crate::graph::reader::GraphReader;
use crate::graph::value::TensorId;
use crate::op::broadcast::Broadcast;
use crate::op::closed_form::Targets;
use crate::op::constant_weights::{ConstantWeightsRule, Weights};
use crate::op::contraction::Contraction;
use crate::op::copies::CopiesOfInput;
use crate::op::downcast::downcast;
use crate::op::edges::{Edges, View};
use crate::op::elementwise::{ElementwiseForward, ElementwiseOperand};
use crate::op::gather::{Direction, GatherRule};
use crate::op::groups::Groups;
use crate::op::lookup::LookupGather;
use crate::op::operator::Operator;
use crate::op::rule::Rule;
use crate::op::softmax::SoftmaxBackward;
use crate::tensor::len;

/// An operand of an elementwise operation.
#[derive(Clone, Copy, Debug)]
pub enum ElementwiseArgument {
    /// The tensor, and its input slot.
    Tensor(TensorId, usize),
    /// A number in the source text.
    Number(f64),
}

/// An elementwise operation.
pub struct Applied {
    /// The operator.
    pub operator: Operator,
    /// The operands.
    pub arguments: SmallVec<[ElementwiseArgument; 3]>,
    /// The broadcast; `None` if all operands have the same shape.
    pub broadcast: Option<Arc<Broadcast>>,
}

/// The operations of a graph.
pub struct Structure<'g, 't, 'c> {
    /// The graph.
    pub reader: &'g GraphReader<'t, 'c>,
    output: TensorId,
    users: OnceCell<Vec<SmallVec<[TensorId; 2]>>>,
}

impl<'g, 't, 'c> Structure<'g, 't, 'c> {
    /// Creates the structure of a graph with this output.
    pub fn new(reader: &'g GraphReader<'t, 'c>, output: TensorId) -> Self {
        Self { reader, output, users: OnceCell::new() }
    }

    /// Returns the shape of a tensor.
    pub fn shape(&self, id: TensorId) -> &'g [usize] {
        &self.reader.tensors[id].shape
    }

    /// Returns the number of entries of a tensor.
    pub fn len(&self, id: TensorId) -> usize {
        len(self.shape(id))
    }

    /// Returns the tensors that read a tensor and pass a derivative from the output of the graph back to it. A tensor that reads it twice, as x · x does, is
    /// returned twice.
    pub fn users(&self, id: TensorId) -> impl Iterator<Item = TensorId> + '_ {
        let users = self.users.get_or_init(|| {
            let tensors = &self.reader.tensors;
            let mut users: Vec<SmallVec<[TensorId; 2]>> = vec![SmallVec::new(); tensors.len()];
            for node in self.reader.nodes.iter().rev().filter(|node| tensors[node.tensor].flows) {
                if node.tensor == self.output || !users[node.tensor].is_empty() {
                    let reads = node.reads.iter().enumerate();
                    reads
                        .filter(|(slot, read)| !node.is_selector(*slot) && tensors[**read].flows)
                        .for_each(|(_, read)| users[*read].push(node.tensor));
                }
            }
            users
        });
        users[id].iter().copied()
    }

    /// Returns the only reader of a tensor, in the sense of [`Self::users`]. `None` if it has none or several, or is the output of the graph.
    pub fn only_user(&self, id: TensorId) -> Option<TensorId> {
        let mut users = self.users(id);
        users.next().filter(|_| users.next().is_none() && id != self.output)
    }

    /// Returns the operands of the operation that computes a tensor.
    pub fn reads(&self, id: TensorId) -> &'g [TensorId] {
        node_of(self.reader, id).map_or(&[], |node| &self.reader.nodes[node].reads)
    }

    /// Returns the rule of a tensor's values.
    fn rule(&self, id: TensorId) -> Option<Arc<dyn Rule>> {
        Some(self.reader.nodes[node_of(self.reader, id)?].function.forward())
    }

    /// Returns the elementwise operation that computes a tensor.
    pub fn applied(&self, id: TensorId) -> Option<Applied> {
        let rule = self.rule(id)?;
        let ElementwiseForward(operation) = downcast(&rule)?;
        let argument = |operand: &ElementwiseOperand| match *operand {
            ElementwiseOperand::Input(slot) => ElementwiseArgument::Tensor(self.reads(id)[slot], slot),
            ElementwiseOperand::Constant(number) => ElementwiseArgument::Number(number),
        };
        let arguments = operation.operands.iter().map(argument).collect();
        Some(Applied { operator: operation.operator, arguments, broadcast: operation.broadcast.clone() })
    }

    /// Returns the tensor of which a tensor is a view: a reshape or a plain copy, with the same entries in the same order. `None` if it is no view. A detached
    /// copy is no view.
    pub fn view_of(&self, id: TensorId) -> Option<TensorId> {
        let rule = self.rule(id)?;
        if let Some(copies) = downcast::<GatherRule<CopiesOfInput>>(&rule) {
            return copies.gather.is_view().then(|| self.reads(id)[0]);
        }
        match downcast::<ElementwiseForward>(&rule)?.0.operator {
            Operator::Copy => Some(self.reads(id)[0]),
            _ => None,
        }
    }

    /// If each entry of a tensor is the sum of a group of an operand's entries, returns the operand and the groups. Entry n must be the sum of group n.
    pub fn sum(&self, id: TensorId) -> Option<(TensorId, Groups)> {
        let rule = self.rule(id)?;
        let rule = downcast::<ConstantWeightsRule<Contraction>>(&rule)?;
        let operand = *self.reads(id).first()?;
        if !matches!(rule.weights(), Weights::Unweighted) || rule.edges().edges_per_entry(View::Input) != Some(1) {
            return None;
        }
        let shape = self.shape(operand);
        let output_entry = |at: usize| rule.edges().edge(View::Input, at, 0).output;
        // an axis is summed if the next entry along it is in the same sum
        let axes: Vec<usize> = (0..shape.len()).filter(|axis| output_entry(one_along(shape, *axis)) == output_entry(0)).collect();
        let groups = Groups::along(shape, &axes);
        (groups.count == self.len(id) && is_group_number(shape, &groups, output_entry)).then_some((operand, groups))
    }

    /// Returns the operand of a softmax, its slices, and whether it is a log-softmax.
    pub fn softmax(&self, id: TensorId) -> Option<(TensorId, Groups, bool)> {
        let function = &self.reader.nodes[node_of(self.reader, id)?].function;
        let rule = function.backward(0)?;
        let rule = downcast::<SoftmaxBackward>(&rule)?;
        let operand = *self.reads(id).first()?;
        Some((operand, rule.groups(self.shape(operand))?, rule.is_log()))
    }

    /// If a tensor picks one class from each row of its first operand, as `p[range(n), y]` does, returns the classes: as targets, and the tensor from which
    /// they are read, if there is one.
    pub fn picked(&self, id: TensorId, rows: &Groups) -> Option<(Targets, Option<TensorId>)> {
        let rule = self.rule(id)?;
        if let Some(copies) = downcast::<GatherRule<CopiesOfInput>>(&rule) {
            let class_of = |row: usize| {
                let (source_row, class) = rows.group_of(copies.gather.source(row)?);
                (source_row == row).then_some(class)
            };
            let classes: Option<Vec<usize>> = (0..rows.count).map(class_of).collect();
            return classes.filter(|_| self.len(id) == rows.count).map(|classes| (Targets::Known(classes.into()), None));
        }
        let rule = downcast::<GatherRule<LookupGather>>(&rule).filter(|rule| rule.direction == Direction::Forward)?;
        let indices = self.reads(id).get(1..)?;
        // the indices of rows, such as arange(n), are made by the source text and never change
        let known = |n: usize| {
            let tensor = &self.reader.tensors[indices[n]];
            let is_made = node_of(self.reader, indices[n]).is_none() && self.reader.is_made_by_text(indices[n]);
            tensor.data.as_deref().filter(|_| is_made).and_then(|data| data.as_slice())
        };
        let class_index = rule.gather.class_tensor(rows, &known)?;
        indices.get(class_index).filter(|classes| self.len(**classes) == rows.count).map(|classes| (Targets::Classes, Some(*classes)))
    }

    /// Returns the tensors that depend on `input` and on which some of `ends` depend, in order; an end that depends on `input` is one of them. `None` if the
    /// search finds more than `max_count` tensors.
    pub fn between(&self, input: TensorId, ends: &[TensorId], max_count: usize) -> Option<Vec<TensorId>> {
        // a tensor comes after its operands
        let mut stack: Vec<TensorId> = ends.iter().copied().filter(|end| *end > input).collect();
        let mut seen = stack.clone();
        while let Some(id) = stack.pop() {
            for read in self.reads(id) {
                if *read > input && !seen.contains(read) {
                    seen.push(*read);
                    stack.push(*read);
                }
            }
            if seen.len() > max_count {
                return None;
            }
        }
        seen.sort_unstable();
        let mut between: Vec<TensorId> = Vec::new();
        for id in seen {
            let depends = |read: &TensorId| *read == input || between.binary_search(read).is_ok();
            if self.reader.tensors[id].flows && self.reads(id).iter().any(depends) {
                between.push(id);
            }
        }
        Some(between)
    }
}

/// Returns the flat index of the entry whose index is 1 on an axis and 0 on the other axes. If the axis has size 1, returns that of the first entry.
fn one_along(shape: &[usize], axis: usize) -> usize {
    if shape[axis] > 1 { len(&shape[axis + 1..]) } else { 0 }
}

/// Returns whether `number` maps each entry of a tensor to the index of its group. `number` has to be a sum of the entry's indices, each times a factor. So
/// only the first entry and one entry for each axis are tested.
pub fn is_group_number(shape: &[usize], groups: &Groups, number: impl Fn(usize) -> usize) -> bool {
    let is_right = |at: usize| number(at) == groups.group_of(at).0;
    number(0) == 0 && (0..shape.len()).all(|axis| is_right(one_along(shape, axis)))
}

/// Returns whether `number` is the same for all entries of a group, in each group. `number` has to be a sum of the entry's indices, each times a factor.
pub fn is_same_in_groups(shape: &[usize], groups: &Groups, number: impl Fn(usize) -> usize) -> bool {
    // the entry one along an axis has the index 0 in its group if it is in another group than the first entry
    let is_right = |at: usize| groups.group_of(at).1 == 0 || number(at) == number(0);
    (0..shape.len()).all(|axis| is_right(one_along(shape, axis)))
}
