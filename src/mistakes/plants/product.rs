//! Mistakes at a product y = a · b of two tensors, entry by entry, such as that of a norm's weight and its normalised numbers.

use super::super::planting::Variant;
use super::super::site::{Site, Subject};
use super::super::wrong_rule::{all_terms, with_terms};
use super::factor::constant_factor;
use super::normalised::quotient;
use super::places::{upstream, upstream_place};
use crate::network::{Id, Role};
use crate::op::contraction::Contraction;
use crate::op::edges::{BilinearRule, View};
use crate::op::elementwise::{ElementwiseBackward, ElementwiseOperand};
use crate::op::operator::Operator;
use crate::op::slot::Slot::{self, Input};

/// The other factor of a site's product: its slot and its tensor.
fn other_factor(site: &Site<'_>) -> Option<(Slot, Id)> {
    if let Some(rule) = site.rule_as::<ElementwiseBackward>() {
        let is_product = rule.operation.operator == Operator::Mul;
        let ElementwiseOperand::Input(slot) = *rule.operation.operands.get(1 - rule.operand.min(1)).filter(|_| is_product)? else {
            return None;
        };
        let other = site.operands.get(Input(slot))?;
        return (slot != rule.slot && other != site.of).then_some((Input(slot), other));
    }
    // the weight of a norm's layer multiplies each entry by one number
    let rule = site.rule_as::<BilinearRule<Contraction>>().filter(|_| site.subject.has_layers())?;
    let [x, weight, _] = rule.roles.slots();
    let [entries, weights] = [x, weight].map(|slot| site.subject.len(site.operands[slot]));
    let is_of_norm = entries > 1 && entries == site.subject.len(site.y) && weights <= entries;
    let slot = if rule.view == View::Weight { x } else { weight };
    (is_of_norm && rule.view != View::Output).then(|| (slot, site.operands[slot]))
}

/// The tensors x and x − μ of a normalisation, from its result.
fn normalised_from(subject: &Subject<'_>, q: Id) -> Option<[Id; 2]> {
    if !subject.has_layers() {
        return quotient(subject, q).map(|(x, centred, ..)| [x, centred]);
    }
    let (_, product) = subject.producer(q)?;
    let centred = product.parts.first()?.operands.get(Input(0))?;
    let (_, difference) = subject.producer(centred)?;
    Some([difference.parts.first()?.operands.get(Input(0))?, centred])
}

/// The site's part without the other factor.
fn without_factor(site: &Site<'_>) -> Variant {
    Variant::only(site.with_rule(with_terms(site.rule, |rule, x, at| {
        all_terms(rule, x, at).iter().filter_map(upstream_place).map(|place| upstream(x, place)).collect()
    })))
}

/// Whether a tensor is a parameter, or an input that a graph learns.
fn is_learnable(site: &Site<'_>, id: Id) -> bool {
    let role = site.subject.network.tensor(id).role;
    role == Role::Parameter || role.is_learnable()
}

/// Whether a site is the way from a norm's weighted output to the normalised numbers.
fn is_through_norm_weight(site: &Site<'_>) -> bool {
    other_factor(site).is_some_and(|(_, weight)| is_learnable(site, weight)) && normalised_from(&site.subject, site.of).is_some()
}

/// A norm's weight is missing in its input gradient.
pub fn norm_weight_missing(site: &Site<'_>) -> Vec<Variant> {
    if is_through_norm_weight(site) { vec![without_factor(site)] } else { Vec::new() }
}

/// The other factor of a product is missing in the gradient of the first.
pub fn factor_missing(site: &Site<'_>) -> Vec<Variant> {
    let is_other = site.subject.has_layers() || is_through_norm_weight(site) || constant_factor(site).is_some();
    if is_other || other_factor(site).is_none() { Vec::new() } else { vec![without_factor(site)] }
}

/// The gradient of a norm's weight reads another tensor than the normalised numbers.
pub fn norm_weight_gradient(site: &Site<'_>) -> Vec<Variant> {
    let Some((slot, q)) = other_factor(site).filter(|_| is_learnable(site, site.of)) else { return Vec::new() };
    let Some([x, centred]) = normalised_from(&site.subject, q) else { return Vec::new() };
    let variant = |name: &str, detail: &str, id: Id| Variant::named(name, detail, [site.with_operand(slot, id)]);
    let same_size = |id: Id| site.subject.len(id) == site.subject.len(q);
    let mut variants = vec![variant("input", ": it reads the norm's input x", x), variant("centred", ": it reads x − μ", centred)];
    variants.extend(same_size(site.y).then(|| variant("output", ": it reads the norm's output", site.y)));
    variants
}
