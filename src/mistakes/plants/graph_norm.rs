//! Plants mistakes into the backward pass of a normalisation that a graph writes line by line, and of detached tensors.

use std::sync::Arc;

use super::super::plan::{OpChange, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::site::{RightIteration, Site};
use super::super::wrong_rule::{scaled, with_terms};
use super::norm::WITH_MEAN;
use crate::network::{Id, Op, Part};
use crate::op::constant_weights::ConstantWeightsRule;
use crate::op::contraction::Contraction;
use crate::op::copies::{CopiesOfInput, CopyKind};
use crate::op::downcast::downcast;
use crate::op::elementwise::{ElementwiseForward, ElementwiseOperand};
use crate::op::functions::SQUARE;
use crate::op::gather::GatherRule;
use crate::op::operator::Operator;
use crate::op::rule::{Function, Operands, Rule, Term, constant};
use crate::op::seed::Seed;
use crate::op::slot::{Reads, Slot};
use crate::step::Pass;

/// Returns the elementwise operation that computes a tensor of a graph, and its part; `None` for a tensor with another rule, and for a network of layers.
pub(super) fn elementwise<'a>(iteration: &RightIteration<'a>, id: Id) -> Option<(&'a ElementwiseForward, &'a Part)> {
    let (_, op) = iteration.producer(id).filter(|_| !iteration.has_layers())?;
    let part = op.parts.first()?;
    Some((downcast(&part.rule)?, part))
}

/// Returns the tensor x if a node is k · x, x / k or k / x for a constant k, else the node itself.
fn unscaled(iteration: &RightIteration<'_>, id: Id) -> Id {
    match elementwise(iteration, id) {
        Some((ElementwiseForward(operation), part)) if has_constant(&operation.operands) && is_scaling(operation.operator) => {
            part.operands[Slot::Input(0)]
        }
        _ => id,
    }
}

/// Whether one of two operands is a constant.
fn has_constant(operands: &[ElementwiseOperand]) -> bool {
    operands.len() == 2 && operands.iter().any(|operand| matches!(operand, ElementwiseOperand::Constant(_)))
}

fn is_scaling(operator: Operator) -> bool {
    operator == Operator::Mul || operator == Operator::DIV
}

/// The tensor x if a node is a sum over axes of x.
fn summed(iteration: &RightIteration<'_>, id: Id) -> Option<Id> {
    let (_, op) = iteration.producer(id)?;
    let part = op.parts.first().filter(|part| downcast::<ConstantWeightsRule<Contraction>>(&part.rule).is_some())?;
    let of = part.operands[Slot::Input(0)];
    (iteration.len(of) > iteration.len(id)).then_some(of)
}

/// The tensor x and its mean, if a node is x − mean(x).
pub(super) fn centred(iteration: &RightIteration<'_>, id: Id) -> Option<(Id, Id)> {
    let (ElementwiseForward(operation), part) = elementwise(iteration, id).filter(|(rule, _)| rule.0.operator == Operator::Sub)?;
    if operation.operands.len() != 2 || has_constant(&operation.operands) {
        return None;
    }
    let [x, mean] = [part.operands.get(Slot::Input(0))?, part.operands.get(Slot::Input(1))?];
    (summed(iteration, unscaled(iteration, mean))? == x).then_some((x, mean))
}

/// The tensor c if a node is c² for c = x − mean(x).
pub(super) fn squared(iteration: &RightIteration<'_>, id: Id) -> Option<Id> {
    let (ElementwiseForward(operation), part) = elementwise(iteration, id)?;
    let base = part.operands.get(Slot::Input(0))?;
    let is_square = match (operation.operator, operation.operands.get(1)) {
        (Operator::Mul, Some(ElementwiseOperand::Input(_))) => part.operands.iter().all(|id| *id == base),
        (Operator::Call(called), None) => called.function == SQUARE,
        (operator, Some(ElementwiseOperand::Constant(two))) => operator == Operator::POW && two.to_bits() == 2.0_f64.to_bits(),
        _ => false,
    };
    (is_square && centred(iteration, base).is_some()).then_some(base)
}

/// The change that leaves out the site's part.
fn forgotten(site: &Site<'_>) -> Variant {
    let parts = site.iteration.network.ops()[site.op].parts.len();
    Variant::unnamed(PassChange::sample(site.op, OpChange::Keep((0..parts).filter(|part| *part != site.part).collect())))
}

/// ∂C/∂x lacks the path through mean(x): the site's tensor is x, and its y is the sum over x.
pub fn mean_missing(site: &Site<'_>) -> Vec<Variant> {
    let iteration = &site.iteration;
    let is_mean = |node: Id| centred(iteration, node).is_some_and(|(x, mean)| x == site.of && unscaled(iteration, mean) == site.y);
    let is_path = summed(iteration, site.y) == Some(site.of)
        && iteration.network.ops().iter().any(|op| op.pass == Pass::Forward && is_mean(op.output));
    if is_path { vec![forgotten(site)] } else { Vec::new() }
}

/// ∂C/∂c lacks the path through the variance, for c = x − mean(x). In a second variant, ∂C/∂x also lacks the path through mean(x).
pub fn variance_missing(site: &Site<'_>) -> Vec<Variant> {
    let iteration = &site.iteration;
    if squared(iteration, site.y) != Some(site.of) {
        return Vec::new();
    }
    let x = centred(iteration, site.of).map(|(x, _)| x);
    let gradient_of_x = x.and_then(|x| iteration.network.gradient_of(x)).and_then(|gradient| iteration.network.producer(gradient));
    let paths = gradient_of_x.map_or_else(Vec::new, |op| iteration.sites_of(op));
    let of_mean: Vec<PassChange> = paths.iter().flat_map(mean_missing).flat_map(|variant| variant.edits).collect();
    let alone = forgotten(site);
    let mut variants = Vec::new();
    if !of_mean.is_empty() {
        variants.push(Variant::named("and-mean", WITH_MEAN, [alone.edits.clone(), of_mean].concat()));
    }
    variants.insert(0, alone);
    variants
}

/// The variance is divided by n − 1, in both passes or in one of them.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
pub fn unbiased(site: &Site<'_>) -> Vec<Variant> {
    let iteration = &site.iteration;
    let is_scaled = elementwise(iteration, site.y).is_some_and(|(rule, _)| is_scaling(rule.0.operator) && has_constant(&rule.0.operands));
    let Some(squares) = summed(iteration, site.of).filter(|squares| is_scaled && squared(iteration, *squares).is_some()) else {
        return Vec::new();
    };
    let n = iteration.len(squares) as f64 / iteration.len(site.of) as f64;
    let factor = n / (n - 1.0);
    let back = site.with_rule(scaled(site.rule, factor));
    let mut variants = vec![Variant::named("backward-only", " in the backward pass", [back.clone()])];
    if let Some(forward) = site.with_forward_rule(|rule| scaled(rule, factor)) {
        variants.insert(0, Variant::named("both-ways", "", [forward.clone(), back]));
        variants.push(Variant::named("forward-only", " in the forward pass", [forward]));
    }
    variants
}

/// The gradient passes back through a detached tensor.
pub fn detached(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let mut planted = Vec::new();
    for op in iteration.network.ops().iter().filter(|op| op.pass == Pass::Forward) {
        let is_detach =
            |part: &&Part| downcast::<GatherRule<CopiesOfInput>>(&part.rule).is_some_and(|rule| rule.gather.kind == CopyKind::Detach);
        let Some(source) = op.parts.first().filter(is_detach).and_then(|part| part.operands.get(Slot::Input(0))) else { continue };
        let producer = iteration.network.gradient_of(source).and_then(|gradient| iteration.producer(gradient));
        if let (Some((number, _)), Some(numbers)) = (producer, gradient_through(iteration, op.output)) {
            // `with_terms` takes the rule to replace. These terms do not read it, so `Seed` is a placeholder
            let rule = with_terms(&(Arc::new(Seed) as Arc<dyn Rule>), move |_, _, at| {
                vec![Term::product([constant(numbers[at])].into_iter().collect())]
            });
            let edit = PassChange::sample(number, OpChange::Add(Part { rule, operands: Reads::inputs([]) }));
            planted.push(Variant::unnamed(edit).at(vec![iteration.place_of(op.output)]));
        }
    }
    planted
}

/// Returns the gradient that a tensor would have if it were not detached, from the gradients of the tensors that are computed from it. `None` if one of these
/// has no elementwise derivative, or if there are none.
fn gradient_through(iteration: &RightIteration<'_>, id: Id) -> Option<Vec<f64>> {
    let mut sum = vec![0.0; iteration.len(id)];
    let mut is_reached = false;
    for (y, part) in readers(iteration, id) {
        let upstream = match iteration.network.gradient_of(y) {
            Some(gradient) => iteration.values(gradient).to_vec(),
            None => gradient_through(iteration, y)?,
        };
        let ElementwiseForward(operation) = downcast(&part.rule)?;
        for (slot, _) in part.operands.each().filter(|(_, read)| *read == id) {
            let Slot::Input(input) = slot else { continue };
            let rule = operation.backward(input)?;
            let inputs = part.operands.iter().map(|read| iteration.values(*read));
            let tensors = Reads::inputs(inputs).with_output(iteration.values(y)).with_upstream(upstream.as_slice());
            let memo = rule.memo(&tensors);
            let mut contribution = vec![0.0; sum.len()];
            rule.overwrite(&Operands { tensors: tensors.reborrow(), memo: &memo }, &mut contribution);
            sum.iter_mut().zip(contribution).for_each(|(sum, contribution)| *sum += contribution);
            is_reached = true;
        }
    }
    is_reached.then_some(sum)
}

/// The forward parts that read a tensor, each with the tensor that it computes.
fn readers<'a>(iteration: &RightIteration<'a>, id: Id) -> Vec<(Id, &'a Part)> {
    let forward = iteration.network.ops().iter().filter(|op: &&Op| op.pass == Pass::Forward);
    let parts = forward.flat_map(|op| op.parts.iter().map(|part| (op.output, part)));
    parts.filter(|(_, part)| part.operands.contains(&id)).collect()
}
