//! Mistakes in attention: A = softmax(Q Kᵀ / √d).

use std::sync::Arc;

use super::super::planting::Variant;
use super::super::site::{RightIteration, Site};
use super::super::wrong_rule::{Instead, reading, scaled};
use super::factor::constant_factor;
use super::places::last_two;
use crate::network::Id;
use crate::op::contraction::Contraction;
use crate::op::downcast::downcast;
use crate::op::edges::{BilinearRule, View};
use crate::op::slot::Slot;
use crate::op::softmax::SoftmaxBackward;
use crate::step::Pass;

/// The largest number of operations from a tensor to the softmax that is computed from it, such as a mask and the softmax.
const MAX_BETWEEN: usize = 4;

/// Whether a softmax reads a tensor, also through operations that keep its size.
fn feeds_softmax(iteration: &RightIteration<'_>, id: Id) -> bool {
    let is_read = |id: Id| iteration.sites().iter().any(|site| site.of == id && site.rule_as::<SoftmaxBackward>().is_some());
    let mut here = vec![id];
    for _ in 0..MAX_BETWEEN {
        if here.iter().any(|id| is_read(*id)) {
            return true;
        }
        let readers = here.iter().flat_map(|id| iteration.network.readers(*id)).map(|reader| &iteration.network.ops()[reader.op]);
        let forward = readers.filter(|op| op.pass == Pass::Forward && iteration.len(op.output) == iteration.len(id));
        here = forward.map(|op| op.output).collect();
    }
    false
}

/// Whether a tensor is a product of two matrices.
fn is_product(iteration: &RightIteration<'_>, id: Id) -> bool {
    let part = iteration.producer(id).and_then(|(_, op)| op.parts.first());
    part.is_some_and(|part| downcast::<BilinearRule<Contraction>>(&part.rule).is_some())
}

/// The factor 1/√d of a site's scores; `None` for another factor.
fn scale_of_scores(site: &Site<'_>) -> Option<f64> {
    let scale = constant_factor(site).filter(|scale| *scale != 0.0 && *scale != 1.0)?;
    let iteration = &site.iteration;
    // Q Kᵀ / √d, or (Q / √d) Kᵀ
    let is_of_scores = || is_product(iteration, site.of) && feeds_softmax(iteration, site.y);
    let products = || iteration.network.readers(site.y).iter().map(|reader| iteration.network.ops()[reader.op].output);
    let is_of_factor = || products().any(|product| is_product(iteration, product) && feeds_softmax(iteration, product));
    (!iteration.has_layers() && (is_of_scores() || is_of_factor())).then_some(scale)
}

/// For the gradient of Q or of K in the product Q Kᵀ: the factor 1/√d by which the product is multiplied later.
fn scale_of_product(site: &Site<'_>) -> Option<f64> {
    site.rule_as::<BilinearRule<Contraction>>().filter(|rule| rule.view != View::Output && !site.iteration.has_layers())?;
    let scaling = site.iteration.network.readers(site.y).iter().map(|reader| &site.iteration.network.ops()[reader.op]);
    let mut scaled = scaling.filter(|op| op.pass == Pass::Forward).map(|op| op.output);
    let gradient = site.iteration.network.gradient_of(site.y)?;
    let sites = site.iteration.sites_of(site.iteration.network.producer(gradient)?);
    scaled.find_map(|output| scale_of_scores(sites.iter().find(|scaling| scaling.y == output)?))
}

/// Whether a constant factor is the 1/√d of attention.
pub fn is_scale(site: &Site<'_>) -> bool {
    scale_of_scores(site).is_some()
}

/// The factor 1/√d is missing in both passes, in one of them, or only in the gradient of Q or of K.
pub fn scale_missing(site: &Site<'_>) -> Vec<Variant> {
    if let Some(scale) = scale_of_product(site) {
        let unscaled = site.with_rule(scaled(site.rule, 1.0 / scale));
        return vec![Variant::named("one-factor", " in the gradient of one factor", [unscaled])];
    }
    let Some(scale) = scale_of_scores(site) else { return Vec::new() };
    let back = site.with_rule(scaled(site.rule, 1.0 / scale));
    let mut variants = vec![Variant::named("backward-only", " in the backward pass", [back.clone()])];
    if let Some(forward) = site.with_forward_rule(|rule| scaled(rule, 1.0 / scale)) {
        variants.push(Variant::named("both-ways", " in both passes", [forward.clone(), back]));
        variants.push(Variant::named("forward-only", " in the forward pass", [forward]));
    }
    variants
}

/// The factor 1/√d is multiplied in twice, in both passes or only in the backward pass.
pub fn scale_twice(site: &Site<'_>) -> Vec<Variant> {
    let Some(scale) = scale_of_scores(site) else { return Vec::new() };
    let back = site.with_rule(scaled(site.rule, scale));
    let mut variants = vec![Variant::named("backward-only", " in the backward pass", [back.clone()])];
    if let Some(forward) = site.with_forward_rule(|rule| scaled(rule, scale)) {
        variants.push(Variant::named("both-ways", " in both passes: the scores are divided by d", [forward, back]));
    }
    variants
}

/// The error of a product is read as its transpose in the gradient of a factor: ∂C/∂S Q instead of (∂C/∂S)ᵀ Q for S = Q Kᵀ.
pub fn error_transposed(site: &Site<'_>) -> Vec<Variant> {
    let shape = site.iteration.shape(site.y);
    let is_square = matches!(*shape, [.., rows, columns] if rows == columns && rows > 1);
    let is_factor = site.rule_as::<BilinearRule<Contraction>>().is_some_and(|rule| rule.view != View::Output);
    if site.iteration.has_layers() || !is_square || !is_factor || site.operands.get(Slot::Upstream).is_none() {
        return Vec::new();
    }
    let exchanged = last_two(shape, |[row, column], _| [column, row]);
    vec![Variant::unnamed(site.with_rule(reading(&Arc::clone(site.rule), Slot::Upstream, Instead::Places(exchanged))))]
}
