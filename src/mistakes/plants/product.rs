//! Mistakes at products of two tensors: entry by entry, such as that of a norm's weight and its normalised numbers, or of matrices.

use super::super::planting::Variant;
use super::super::site::{RightIteration, Site};
use super::super::wrong_rule::{all_terms, with_terms};
use super::factor::constant_factor;
use super::normalised::quotient;
use super::places::{upstream, upstream_place};
use crate::network::{Id, Role};
use crate::op::contraction::Contraction;
use crate::op::downcast::downcast;
use crate::op::edges::{BilinearRule, View};
use crate::op::elementwise::{ElementwiseBackward, ElementwiseForward, ElementwiseOperand};
use crate::op::operator::Operator;
use crate::op::rule::{Operands, Term};
use crate::op::slot::Slot::{self, Input};
use crate::step::Pass;

/// The other factor of a site's product: its slot and its tensor.
fn other_factor(site: &Site<'_>) -> Option<(Slot, Id)> {
    if let Some(rule) = site.rule_as::<ElementwiseBackward>() {
        let is_product = rule.operation.operator == Operator::Mul;
        // of the two operands of a product, the one that is not the site's; other operations have up to three operands
        let ElementwiseOperand::Input(slot) = *rule.operation.operands.get(1 - rule.operand.min(1)).filter(|_| is_product)? else {
            return None;
        };
        let other = site.operands.get(Input(slot))?;
        return (slot != rule.slot && other != site.of).then_some((Input(slot), other));
    }
    // the weight of a norm's layer multiplies each entry by one number
    let rule = site.rule_as::<BilinearRule<Contraction>>().filter(|_| site.iteration.has_layers())?;
    let [x, weight, _] = rule.roles.slots();
    let [entries, weights] = [x, weight].map(|slot| site.iteration.len(site.operands[slot]));
    let is_of_norm = entries > 1 && entries == site.iteration.len(site.y) && weights <= entries;
    let slot = if rule.view == View::Weight { x } else { weight };
    (is_of_norm && rule.view != View::Output).then(|| (slot, site.operands[slot]))
}

/// The largest number of other tensors that are tried for a factor.
const MAX_OTHERS: usize = 12;
/// The largest number of operations from a product to the activation that is computed from it, with the activation.
const MAX_BETWEEN: usize = 6;

/// The gradient of a graph's weight in a product of matrices reads another tensor of the same shape instead of the other factor.
pub fn other_tensor_read(site: &Site<'_>) -> Vec<Variant> {
    let iteration = &site.iteration;
    let Some(rule) = site.rule_as::<BilinearRule<Contraction>>().filter(|rule| rule.view != View::Output && !iteration.has_layers()) else {
        return Vec::new();
    };
    if !is_learnable(site, site.of) {
        return Vec::new();
    }
    let [x, weight, _] = rule.roles.slots();
    let slot = if rule.view == View::Weight { x } else { weight };
    let own = site.operands[slot];
    let tensors = iteration.network.tensors();
    let is_value = |id: Id| matches!(tensors[id].role, Role::Value | Role::Constant | Role::Input { .. });
    let is_other = |id: &Id| *id != own && iteration.shape(*id) == iteration.shape(own) && is_value(*id);
    let mut others: Vec<Id> = (0..tensors.len()).filter(is_other).collect();
    others.sort_by_key(|id| id.abs_diff(own));
    let variant = |name: &str, detail: String, id: Id| Variant::named(name, detail, [site.with_operand(slot, id)]);
    // the name of this variant has no tensor in it, so that in a loop the mistakes of all turns have the same name
    let result = activation_after(iteration, site.y).filter(is_other);
    let of_result =
        result.map(|id| variant("result", ": the activation that follows, instead of what the product has read".to_owned(), id));
    let named = |id: Id| variant(&tensors[id].name, format!(": {} instead of {}", tensors[id].name, tensors[own].name), id);
    let others = others.into_iter().filter(|id| Some(*id) != result).take(MAX_OTHERS).map(named);
    of_result.into_iter().chain(others).collect()
}

/// The first activation that is computed from a tensor, through sums and other operations that keep its size.
fn activation_after(iteration: &RightIteration<'_>, mut id: Id) -> Option<Id> {
    for _ in 0..MAX_BETWEEN {
        let mut readers = iteration.network.readers(id).iter().map(|reader| &iteration.network.ops()[reader.op]);
        let op = readers.find(|op| op.pass == Pass::Forward && iteration.len(op.output) == iteration.len(id))?;
        let rule: &ElementwiseForward = downcast(&op.parts.first()?.rule)?;
        if let (Operator::Call(_), [_]) = (rule.0.operator, &rule.0.operands[..]) {
            return Some(op.output);
        }
        id = op.output;
    }
    None
}

/// In a product of matrices whose gradient is a sum over the first axis of y, such as the examples of a batch: only the terms of the last index are left, or
/// of the first.
pub fn batch_overwritten(site: &Site<'_>) -> Vec<Variant> {
    let is_product = site.rule_as::<BilinearRule<Contraction>>().is_some_and(|rule| rule.view != View::Output);
    let [batch, rest @ ..] = site.iteration.shape(site.y) else { return Vec::new() };
    let row_len = rest.iter().product::<usize>();
    if !is_product || site.iteration.has_layers() || !is_learnable(site, site.of) || *batch < 2 || rest.is_empty() {
        return Vec::new();
    }
    let tensors = site.operands.map(|id| site.iteration.values(id));
    let memo = site.rule.memo(&tensors);
    let terms = all_terms(site.rule.as_ref(), &Operands { tensors: tensors.reborrow(), memo: &memo }, 0);
    let mut indices = terms.iter().filter_map(upstream_place).map(|place| place / row_len);
    let first = indices.next();
    if indices.all(|index| Some(index) == first) {
        return Vec::new(); // the gradient is no sum over the first axis
    }
    let only = |kept: usize| {
        let is_kept = move |term: &Term| upstream_place(term).is_some_and(|place| place / row_len == kept);
        with_terms(site.rule, move |rule, x, at| all_terms(rule, x, at).into_iter().filter(is_kept).collect())
    };
    vec![
        Variant::named("batch", ": of the first axis only the last index is left", [site.with_rule(only(batch - 1))]),
        Variant::named("batch-first", ": of the first axis only the first index is left", [site.with_rule(only(0))]),
    ]
}

/// The tensors x and x − μ of a normalisation, from its result.
fn normalised_from(iteration: &RightIteration<'_>, q: Id) -> Option<[Id; 2]> {
    if !iteration.has_layers() {
        return quotient(iteration, q).map(|(x, centred, ..)| [x, centred]);
    }
    let (_, product) = iteration.producer(q)?;
    let centred = product.parts.first()?.operands.get(Input(0))?;
    let (_, difference) = iteration.producer(centred)?;
    Some([difference.parts.first()?.operands.get(Input(0))?, centred])
}

/// The site's part without the other factor.
fn without_factor(site: &Site<'_>) -> Variant {
    Variant::unnamed(site.with_rule(with_terms(site.rule, |rule, x, at| {
        all_terms(rule, x, at).iter().filter_map(upstream_place).map(|place| upstream(x, place)).collect()
    })))
}

/// Whether a tensor is a parameter, or an input that a graph learns.
fn is_learnable(site: &Site<'_>, id: Id) -> bool {
    site.iteration.network.tensor(id).role.is_learnable()
}

/// Whether a site is the way from a norm's weighted output to the normalised numbers.
fn is_through_norm_weight(site: &Site<'_>) -> bool {
    other_factor(site).is_some_and(|(_, weight)| is_learnable(site, weight)) && normalised_from(&site.iteration, site.of).is_some()
}

/// A norm's weight is missing in its input gradient.
pub fn norm_weight_missing(site: &Site<'_>) -> Vec<Variant> {
    if is_through_norm_weight(site) { vec![without_factor(site)] } else { Vec::new() }
}

/// The other factor of a product is missing in the gradient of the first.
pub fn factor_missing(site: &Site<'_>) -> Vec<Variant> {
    // this mistake is for graphs. A norm's weight and a constant factor have other mistakes: `norm_weight_missing` and `scale_missing`
    let has_other_mistake = site.iteration.has_layers() || is_through_norm_weight(site) || constant_factor(site).is_some();
    if has_other_mistake || other_factor(site).is_none() { Vec::new() } else { vec![without_factor(site)] }
}

/// The gradient of a norm's weight reads another tensor than the normalised numbers.
pub fn norm_weight_gradient(site: &Site<'_>) -> Vec<Variant> {
    let Some((slot, q)) = other_factor(site).filter(|_| is_learnable(site, site.of)) else { return Vec::new() };
    let Some([x, centred]) = normalised_from(&site.iteration, q) else { return Vec::new() };
    let variant = |name: &str, detail: &str, id: Id| Variant::named(name, detail, [site.with_operand(slot, id)]);
    let same_size = |id: Id| site.iteration.len(id) == site.iteration.len(q);
    let mut variants = vec![variant("input", ": it reads the norm's input x", x), variant("centred", ": it reads x − μ", centred)];
    variants.extend(same_size(site.y).then(|| variant("output", ": it reads the norm's output", site.y)));
    variants
}
