//! The normalisations of a pass: q = (x − μ) / σ, in a layer, in a call such as `F.layer_norm`, or in lines of a graph.

use std::sync::Arc;

use super::super::site::RightIteration;
use super::graph_norm::{centred, elementwise, squared};
use super::norm::norms;
use crate::network::{Id, Part};
use crate::op::elementwise::ElementwiseOperand;
use crate::op::operator::Operator;
use crate::op::slot::Slot::Input;
use crate::step::Pass;

/// A normalisation q = (x − μ) / σ.
#[derive(Clone, Debug)]
pub(super) struct Normalised {
    pub x: Id,
    /// x − μ
    pub centred: Id,
    pub q: Id,
    /// σ, or 1/σ.
    pub scale: Id,
    /// Whether x − μ is divided by `scale`. Otherwise it is multiplied by it.
    pub is_divided: bool,
    /// For each entry of x, the entry of `scale`: entries with the same number are a group.
    pub groups: Arc<[usize]>,
    /// The op that computes ∂C/∂x.
    pub op: usize,
    /// The parts of this op that belong to the normalisation.
    pub parts: Vec<usize>,
}

/// Returns the normalisations of a pass, in the order of the forward pass.
pub(super) fn all(iteration: &RightIteration<'_>) -> Vec<Normalised> {
    if iteration.has_layers() { in_layers(iteration) } else { in_graph(iteration) }
}

fn in_layers(iteration: &RightIteration<'_>) -> Vec<Normalised> {
    // the result of the first forward op that reads `id`, and whose first part is wanted
    let computed_from = |id: Id, is_wanted: &dyn Fn(&Part) -> bool| {
        let mut ops = iteration.network.readers(id).iter().map(|reader| &iteration.network.ops()[reader.op]);
        ops.find(|op| op.pass == Pass::Forward && op.parts.first().is_some_and(is_wanted)).map(|op| op.output)
    };
    let of_norm = |norm: super::norm::Norm| {
        let scale = computed_from(norm.variance, &|part| part.operands.len() == 1)?;
        let q = computed_from(scale, &|part| part.operands.contains(&norm.centred))?;
        let groups: Arc<[usize]> = (0..iteration.len(norm.x)).map(|at| at / norm.n).collect();
        on_paths(iteration, NormWithoutOp { x: norm.x, centred: norm.centred, q, scale, is_divided: false, groups })
    };
    norms(iteration).into_iter().filter_map(of_norm).collect()
}

/// A normalisation before its backward op is found.
struct NormWithoutOp {
    x: Id,
    centred: Id,
    q: Id,
    scale: Id,
    is_divided: bool,
    groups: Arc<[usize]>,
}

/// Finds the parts of ∂C/∂x that belong to a normalisation: those of the paths from x to q.
fn on_paths(iteration: &RightIteration<'_>, found: NormWithoutOp) -> Option<Normalised> {
    let NormWithoutOp { x, centred, q, scale, is_divided, groups } = found;
    let (op, backward) = iteration.producer(iteration.network.gradient_of(x)?)?;
    iteration.network.gradient_of(q)?; // without a gradient of q there is no backward pass through the normalisation
    let before_q = before(iteration, q);
    let sites = iteration.sites_of(op);
    let parts: Vec<usize> = sites.iter().filter(|site| before_q[site.y]).map(|site| site.part).collect();
    (parts.len() > 1 && sites.len() == backward.parts.len()).then_some(Normalised { x, centred, q, scale, is_divided, groups, op, parts })
}

/// For each tensor, whether it is the tensor `id`, or `id` is computed from it in the forward pass.
fn before(iteration: &RightIteration<'_>, id: Id) -> Vec<bool> {
    let mut reaches = vec![false; iteration.network.tensors().len()];
    reaches[id] = true;
    for op in iteration.network.ops().iter().rev().filter(|op| op.pass == Pass::Forward) {
        if reaches[op.output] {
            op.parts.iter().flat_map(|part| part.operands.iter()).for_each(|read| reaches[*read] = true);
        }
    }
    reaches
}

/// If q is (x − μ) / σ or (x − μ) · (1/σ): x, x − μ, the tensor σ or 1/σ, and whether q is a division.
pub(super) fn quotient(iteration: &RightIteration<'_>, q: Id) -> Option<(Id, Id, Id, bool)> {
    let (rule, part) = elementwise(iteration, q)?;
    let is_divided = rule.0.operator == Operator::DIV;
    let [ElementwiseOperand::Input(first), ElementwiseOperand::Input(second)] = rule.0.operands[..] else { return None };
    if !is_divided && rule.0.operator != Operator::Mul {
        return None;
    }
    let [first, second] = [part.operands.get(Input(first))?, part.operands.get(Input(second))?];
    let found = |difference: Id, scale: Id| {
        let (x, _) = centred(iteration, difference)?;
        let before_scale = before(iteration, scale);
        // σ is computed from (x − μ)²
        let is_square = |id: Id| squared(iteration, id).and_then(|c| centred(iteration, c)).is_some_and(|(of, _)| of == x);
        let is_scale = (0..before_scale.len()).any(|id| before_scale[id] && is_square(id));
        is_scale.then_some((x, difference, scale, is_divided))
    };
    found(first, second).or_else(|| if is_divided { None } else { found(second, first) })
}

fn in_graph(iteration: &RightIteration<'_>) -> Vec<Normalised> {
    let forward = iteration.network.ops().iter().filter(|op| op.pass == Pass::Forward);
    let of_node = |q: Id| {
        let (x, centred, scale, is_divided) = quotient(iteration, q)?;
        let (rule, part) = elementwise(iteration, q)?;
        let broadcast = rule.0.broadcast.as_ref()?;
        let slot = part.operands.iter().position(|id| *id == scale)?;
        let groups: Arc<[usize]> = (0..iteration.len(q)).map(|at| broadcast.operand_entry(slot, at)).collect();
        let is_same_shape = iteration.len(q) == iteration.len(x);
        on_paths(iteration, NormWithoutOp { x, centred, q, scale, is_divided, groups }).filter(|_| is_same_shape)
    };
    forward.map(|op| op.output).filter_map(of_node).collect()
}
