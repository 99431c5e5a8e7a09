//! Mistakes in the backward pass of a linear layer, and mistakes about what a weight gradient reads.

use super::super::planting::Variant;
use super::super::site::{RightIteration, Site};
use super::super::wrong_rule::{Instead, moved, reading, scaled, with_terms};
use super::places::count;
use crate::network::{Id, Op, Role};
use crate::op::activation::ActivationForward;
use crate::op::constant_weights::{ConstantWeightsRule, Weights};
use crate::op::contraction::Contraction;
use crate::op::conv_transpose2d::Transposed;
use crate::op::conv2d::Conv2d;
use crate::op::downcast::downcast;
use crate::op::edges::{BilinearRule, View};
use crate::op::slot::Slot;
use crate::step::Pass;

/// A product of a matrix of parameters and a vector.
struct Dense {
    view: View,
    /// The slot of the matrix.
    weight: Slot,
    outputs: usize,
    inputs: usize,
}

fn dense(site: &Site<'_>) -> Option<Dense> {
    let rule = site.rule_as::<BilinearRule<Contraction>>().filter(|_| site.iteration.has_layers())?;
    let [x, weight, _] = rule.roles.slots();
    let [outputs, inputs] = *site.iteration.shape(site.operands[weight]) else { return None };
    let fits = site.iteration.len(site.operands[x]) == inputs && site.iteration.len(site.y) == outputs;
    // a matrix with one row or one column has the same numbers in memory as its transpose
    (fits && outputs > 1 && inputs > 1).then_some(Dense { view: rule.view, weight, outputs, inputs })
}

/// Names the variant if the matrix is not square: its entries are then read in another shape.
fn reshaped(dense: &Dense, mut variant: Variant) -> Variant {
    if dense.outputs != dense.inputs {
        variant.name = Some("reshaped".to_owned());
        ", whose entries are read in the other shape".clone_into(&mut variant.detail);
    }
    variant
}

/// The gradient of the weight is written as its transpose.
pub fn outer_product_transposed(site: &Site<'_>) -> Vec<Variant> {
    let Some(dense) = dense(site).filter(|dense| dense.view == View::Weight) else { return Vec::new() };
    // the outer product x ∂C/∂zᵀ has entry (i, o) at the place i · outputs + o
    let transposed: Vec<usize> =
        (0..dense.outputs * dense.inputs).map(|at| at % dense.outputs * dense.inputs + at / dense.outputs).collect();
    vec![reshaped(&dense, Variant::unnamed(site.with_rule(moved(site.rule, transposed))))]
}

/// The error goes back through W instead of Wᵀ.
pub fn transpose_missing(site: &Site<'_>) -> Vec<Variant> {
    let Some(dense) = dense(site).filter(|dense| dense.view == View::Input) else { return Vec::new() };
    // entry [o, i] of the matrix that is read instead of W is at i · outputs + o of W's memory
    let places = (0..dense.outputs * dense.inputs).map(|at| at % dense.inputs * dense.outputs + at / dense.inputs).collect();
    let edit = site.with_rule(reading(site.rule, dense.weight, Instead::Places(places)));
    vec![reshaped(&dense, Variant::unnamed(edit))]
}

/// Each write to the input gradient overwrites what earlier outputs added.
pub fn overwritten(site: &Site<'_>) -> Vec<Variant> {
    if dense(site).is_none_or(|dense| dense.view != View::Input) {
        return Vec::new();
    }
    let last = with_terms(site.rule, |rule, x, at| vec![rule.term(x, at, count(rule, x, at) - 1)]);
    vec![Variant::named("input-gradient", ": of the input gradient only the last product is left", [site.with_rule(last)])]
}

/// The slots of x, w and ∂C/∂y of a weight gradient, if the site is one.
pub(super) fn weight_gradient(site: &Site<'_>) -> Option<[Slot; 3]> {
    let is_parameter = site.iteration.network.tensor(site.of).role == Role::Parameter;
    let (view, slots) = if let Some(rule) = site.rule_as::<BilinearRule<Contraction>>() {
        (rule.view, rule.roles.slots())
    } else if let Some(rule) = site.rule_as::<BilinearRule<Conv2d>>() {
        (rule.view, rule.roles.slots())
    } else {
        let rule = site.rule_as::<BilinearRule<Transposed>>()?;
        (rule.view, rule.roles.slots())
    };
    (view == View::Weight && is_parameter).then_some(slots)
}

/// The tensor x if `id` is a copy of x in another shape, as after a flatten; otherwise `id` itself.
fn copied_from(iteration: &RightIteration<'_>, mut id: Id) -> Id {
    while let Some((_, Op { parts, .. })) = iteration.producer(id)
        && let [part] = parts.as_slice()
        && downcast::<ConstantWeightsRule<Contraction>>(&part.rule).is_some_and(|rule| matches!(rule.weights(), Weights::Copy))
    {
        id = part.operands[Slot::Input(0)];
    }
    id
}

/// The tensor z if a tensor is a = g(z).
fn before_activation(iteration: &RightIteration<'_>, id: Id) -> Option<Id> {
    let (_, op) = iteration.producer(id)?;
    let part = op.parts.first().filter(|part| downcast::<ActivationForward>(&part.rule).is_some())?;
    part.operands.get(Slot::Input(0))
}

/// The weight gradient reads z of the previous layer instead of a.
pub fn z_instead_of_a(site: &Site<'_>) -> Vec<Variant> {
    let Some([x, ..]) = weight_gradient(site) else { return Vec::new() };
    let z = before_activation(&site.iteration, copied_from(&site.iteration, site.operands[x]));
    z.map(|z| Variant::unnamed(site.with_operand(x, z))).into_iter().collect()
}

/// The weight gradient reads another tensor instead of its input: one of the layer that computes the input, or of a layer beside that one.
pub fn input_off_by_one(site: &Site<'_>) -> Vec<Variant> {
    let Some([x, ..]) = weight_gradient(site) else { return Vec::new() };
    let (iteration, own) = (site.iteration, site.operands[x]);
    // the input of the network counts as layer 0
    let layer = |id: Id| iteration.network.tensor(id).layer.map_or(0, |layer| layer + 1);
    let z = before_activation(&iteration, copied_from(&iteration, own));
    let values = iteration.network.ops().iter().filter(|op| op.pass == Pass::Forward).map(|op| op.output);
    let is_other = |id: &Id| {
        let (is_own, is_z) = (*id == own || copied_from(&iteration, *id) == copied_from(&iteration, own), Some(*id) == z);
        !is_own && !is_z && iteration.len(*id) == iteration.len(own) && layer(*id).abs_diff(layer(own)) <= 1
    };
    let variant = |id: Id| {
        let name = iteration.network.tensor(id).name.to_string();
        let detail = format!(": {name} instead of {}", iteration.network.tensor(own).name);
        Variant::named(name, detail, [site.with_operand(x, id)])
    };
    iteration.network.with_role(Role::Input { learns: false }).chain(values).filter(is_other).map(variant).collect()
}

/// The gradient of a parameter reads the error of another layer, or ∂C/∂a instead of ∂C/∂z.
pub fn error_off_by_one(site: &Site<'_>) -> Vec<Variant> {
    let iteration = site.iteration;
    let is_parameter = iteration.network.tensor(site.of).role == Role::Parameter;
    let Some(own) = site.operands.get(Slot::Upstream).filter(|_| is_parameter) else { return Vec::new() };
    // a tensor without a layer is next to no layer
    let layer = |id: Id| iteration.network.tensor(id).layer.unwrap_or(usize::MAX);
    let earlier = iteration.backward_ops().take_while(|(number, _)| *number < site.op).map(|(_, op)| op.output);
    let is_other = |id: &Id| {
        let is_error = matches!(iteration.network.tensor(*id).role, Role::Gradient(of) if iteration.network.tensor(of).role == Role::Value);
        is_error && *id != own && iteration.len(*id) == iteration.len(own) && layer(*id).abs_diff(layer(own)) <= 1
    };
    let variant = |id: Id| {
        let name = iteration.network.tensor(id).name.to_string();
        let error = |id: Id| match iteration.network.tensor(id).role {
            Role::Gradient(of) => format!("∂C/∂{}", iteration.network.tensor(of).name),
            _ => iteration.network.tensor(id).name.to_string(),
        };
        Variant::named(name, format!(": {} instead of {}", error(id), error(own)), [site.with_operand(Slot::Upstream, id)])
    };
    earlier.filter(is_other).map(variant).collect()
}

/// The bias is added to each product of the sum, so that it counts as often as there are products.
pub fn bias_in_every_product(site: &Site<'_>) -> Vec<Variant> {
    let Some(products) = super::bias::products_beside(site).filter(|products| *products > 1.0) else { return Vec::new() };
    let back = site.with_rule(scaled(site.rule, products));
    let mut variants = vec![Variant::named("backward-only", " in its gradient", [back.clone()])];
    if let Some(forward) = site.with_forward_rule(|rule| scaled(rule, products)) {
        variants.insert(0, Variant::named("both-ways", "", [forward, back]));
    }
    variants
}
