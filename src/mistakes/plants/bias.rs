//! Mistakes in the gradient of a bias that several positions share.

use super::super::planting::Variant;
use super::super::site::Site;
use super::super::wrong_rule::{scaled, with_terms};
use super::places::count;
use crate::network::Role;
use crate::op::avg_pool2d::reciprocal;
use crate::op::constant_weights::{ConstantWeightsRule, Weights};
use crate::op::contraction::Contraction;
use crate::op::conv2d::Conv2d;
use crate::op::downcast::downcast;
use crate::op::edges::{BilinearRule, View};
use crate::op::slot::Slot;

/// The number of positions that share each entry of a bias; `None` if the site is not a bias's gradient.
fn positions(site: &Site<'_>) -> Option<usize> {
    let rule = site.rule_as::<ConstantWeightsRule<Contraction>>()?;
    let is_bias = site.iteration.network.tensor(site.of).role == Role::Parameter && matches!(rule.weights(), Weights::Unweighted);
    (is_bias && rule.view == View::Input).then(|| site.iteration.len(site.y) / site.iteration.len(site.of).max(1))
}

/// The number of products in the sum of each entry of z, beside the bias, if the site is the bias's gradient.
pub(super) fn products_beside(site: &Site<'_>) -> Option<f64> {
    positions(site)?;
    let (_, op) = site.forward()?;
    let product = op.parts.first()?;
    let weight = if let Some(rule) = downcast::<BilinearRule<Contraction>>(&product.rule) {
        product.operands[rule.roles.slots()[1]]
    } else if downcast::<BilinearRule<Conv2d>>(&product.rule).is_some() {
        product.operands[Slot::Input(1)]
    } else {
        // in a transposed convolution, the entries of z have different numbers of products
        return None;
    };
    #[allow(clippy::cast_precision_loss)] // no layer has 2⁵³ weights
    Some((site.iteration.len(weight) / site.iteration.shape(weight).first()?.max(&1)) as f64)
}

/// The mean over the positions instead of the sum.
pub fn divided(site: &Site<'_>) -> Vec<Variant> {
    let Some(n) = positions(site).filter(|n| *n > 1) else { return Vec::new() };
    let mut variants = vec![Variant::unnamed(site.with_rule(scaled(site.rule, reciprocal(n))))];
    let samples = site.iteration.trace.samples();
    if samples > 1 {
        let divided = site.with_rule(scaled(site.rule, reciprocal(n * samples)));
        variants.push(Variant::named("and-samples", ", divided by the number of samples once more", [divided]));
    }
    variants
}

/// Only the error of the first position.
pub fn first_only(site: &Site<'_>) -> Vec<Variant> {
    positions(site)
        .filter(|n| *n > 1)
        .map(|_| Variant::unnamed(site.with_rule(with_terms(site.rule, |rule, x, at| vec![rule.term(x, at, 0)]))))
        .into_iter()
        .collect()
}

/// Only the error of the last position.
pub fn last_only(site: &Site<'_>) -> Vec<Variant> {
    let last = || with_terms(site.rule, |rule, x, at| vec![rule.term(x, at, count(rule, x, at) - 1)]);
    positions(site).filter(|n| *n > 1).map(|_| Variant::unnamed(site.with_rule(last()))).into_iter().collect()
}
