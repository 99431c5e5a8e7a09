//! Finds the blocks of a graph whose derivative has a closed form: norms, log-softmax and cross-entropies, as calls or written line by line.
//!
//! A block is found by the functions of its operations, not by names or texts. The lines
//!
//! ```text
//! mu   = x.mean(0, keepdim=True)
//! diff = x - mu
//! var  = (diff**2).mean(0, keepdim=True)
//! xhat = diff / torch.sqrt(var + eps)
//! y    = gamma * xhat + beta
//! ```
//!
//! are matched from `xhat` back to `x`: a quotient of x − mean(x) and √(v + ε), where v is the mean of (x − mean(x))² over the same entries. Then the block
//! goes on to `y`. The closed form is the whole derivative by `x` only if every path from `x` to the output goes through `y`. So a block does not count if an
//! operation outside it reads one of its inner tensors, such as `var`.

mod matcher;
mod norm;
mod softmax;
mod structure;

use std::collections::HashSet;

use super::reader::{GraphReader, TensorOrigin};
use super::value::TensorId;
use crate::op::closed_form::ClosedForm;
use matcher::Matcher;
use structure::Structure;

/// The largest number of operations of a block.
const MAX_BLOCK: usize = 256;

/// A block whose derivative by its input has a closed form. Its tensors have the ids of the reader. `graph/text.rs` replaces these ids by the indices of the
/// leaves and nodes.
#[derive(Debug)]
pub struct PendingBlock {
    /// The closed form.
    pub form: ClosedForm,
    /// The input.
    pub input: TensorId,
    /// The result.
    pub output: TensorId,
    /// The operands of the closed form, without its first operand: the derivative by the result.
    pub operands: Vec<TensorId>,
    /// The tensors that the block computes.
    pub members: Vec<TensorId>,
    /// The single numbers on which the closed form depends, with their values, such as the n of `x.sum() / n`.
    pub fixed: Vec<(TensorId, f64)>,
}

/// A block of which it is not yet known whether all paths from its input to the output of the graph go through its own output.
struct BlockCandidate {
    form: ClosedForm,
    input: TensorId,
    output: TensorId,
    operands: Vec<TensorId>,
}

/// Finds the blocks of a graph.
pub fn find(reader: &GraphReader<'_, '_>, output: Option<TensorId>) -> Vec<PendingBlock> {
    let Some(output) = output else { return Vec::new() };
    let structure = Structure::new(reader, output);
    let mut blocks = Vec::new();
    for node in &reader.nodes {
        if structure.len(node.tensor) < 2 || !reader.tensors[node.tensor].flows {
            continue;
        }
        let mut matcher = Matcher::new(&structure);
        let Some(candidate) = norm::block(&mut matcher, node.tensor).or_else(|| {
            matcher = Matcher::new(&structure);
            softmax::block(&mut matcher, node.tensor)
        }) else {
            continue;
        };
        let Some(members) = members(&structure, &matcher, &candidate) else { continue };
        let BlockCandidate { form, input, output, operands } = candidate;
        let block = PendingBlock { form, input, output, operands, members, fixed: matcher.fixed };
        blocks.extend(before_views(&structure, &block));
        blocks.push(block);
    }
    blocks
}

/// Returns the tensors that a block computes and that depend on its input. `None` if a path leads around its output, if the block has an operation that was not
/// matched or more than [`MAX_BLOCK`] operations, or if a tensor such as γ depends on the input, which it must not.
fn members(structure: &Structure<'_, '_, '_>, matcher: &Matcher<'_, '_, '_, '_>, candidate: &BlockCandidate) -> Option<Vec<TensorId>> {
    let matched: HashSet<TensorId> = matcher.matched.iter().copied().collect();
    // the shifts, such as the maximum that is subtracted before a softmax, may be computed in any way, because the result does not depend on them
    let unchecked: HashSet<TensorId> = structure.between(candidate.input, &matcher.shifts, MAX_BLOCK)?.into_iter().collect();
    let members = structure.between(candidate.input, &[candidate.output], MAX_BLOCK)?;
    let is_member = |id: TensorId| members.binary_search(&id).is_ok();
    let is_complete = members.iter().all(|member| {
        (matched.contains(member) || unchecked.contains(member)) && (*member == candidate.output || structure.users(*member).all(is_member))
    });
    (is_complete && !matcher.independent.iter().any(|id| is_member(*id) || *id == candidate.input)).then_some(members)
}

/// If the input of a block is a view of a tensor that has no other reader, returns the block with this tensor as its input. If this tensor is such a view too,
/// also returns the block with the tensor of which it is a view, and so on.
fn before_views(structure: &Structure<'_, '_, '_>, block: &PendingBlock) -> Vec<PendingBlock> {
    let (mut blocks, mut input, mut members) = (Vec::new(), block.input, block.members.clone());
    while let Some(source) = structure.view_of(input)
        && structure.users(source).eq([input])
        && members.len() < MAX_BLOCK
    {
        members.insert(0, input);
        input = source;
        let PendingBlock { form, output, operands, fixed, .. } = block;
        let (form, operands, fixed) = (form.clone(), operands.clone(), fixed.clone());
        blocks.push(PendingBlock { form, input, output: *output, operands, members: members.clone(), fixed });
    }
    blocks
}

/// Returns the index in `nodes` of the operation that computes a tensor.
fn node_of(reader: &GraphReader<'_, '_>, id: TensorId) -> Option<usize> {
    match reader.tensors[id].origin {
        TensorOrigin::Node(node) => Some(node),
        TensorOrigin::Leaf(_) => None,
    }
}
