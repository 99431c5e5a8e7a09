//! Mistakes in the backward pass of a dropout, and of a normalisation, whose input reaches the output directly, through the mean and through the variance.

use std::sync::Arc;

use super::super::plan::{OpChange, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::site::{RightIteration, Site};
use super::super::wrong_rule::{Instead, reading, scaled, with_terms};
use super::places::{upstream, upstream_times};
use crate::network::{Id, Part};
use crate::op::downcast::downcast;
use crate::op::dropout::MaskedScale;
use crate::op::norm::VarianceForward;
use crate::op::rule::{Rule, Term, entry};
use crate::op::slot::Slot::{Input, Upstream};

/// The tensors of a norm: x, the mean μ, the differences c = x − μ, and the variance v.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    pub x: Id,
    mean: Id,
    pub centred: Id,
    pub variance: Id,
    /// The number of the op of v.
    op: usize,
    /// The number of entries of a group.
    pub n: usize,
}

/// The norms of a network's layers.
pub(super) fn norms(iteration: &RightIteration<'_>) -> Vec<Norm> {
    let norm = |(op, part): (usize, &Part)| {
        let n = downcast::<VarianceForward>(&part.rule)?.n();
        let centred = part.operands[Input(0)];
        let (_, differences) = iteration.producer(centred)?;
        let [x, mean] = differences.parts.iter().map(|part| part.operands[Input(0)]).collect::<Vec<_>>()[..] else { return None };
        Some(Norm { x, mean, centred, variance: iteration.network.ops()[op].output, op, n })
    };
    let ops = iteration.network.ops().iter().enumerate();
    ops.filter_map(|(number, op)| Some((number, op.parts.first()?))).filter_map(norm).collect()
}

/// The change that leaves out the path through y in the gradient of x.
fn without(iteration: &RightIteration<'_>, x: Id, y: Id) -> Option<PassChange> {
    let (op, right) = iteration.producer(iteration.network.gradient_of(x)?)?;
    let part = iteration.sites_of(op).into_iter().find(|site| site.y == y)?.part;
    Some(PassChange::sample(op, OpChange::Keep((0..right.parts.len()).filter(|n| *n != part).collect())))
}

/// A variant for each norm and, if there are several, one for all of them together.
fn for_norms(
    iteration: &RightIteration<'_>,
    edits: impl Fn(&Norm) -> Option<Vec<PassChange>>,
    name: Option<&str>,
    detail: &str,
) -> Vec<Planted> {
    let changed: Vec<(String, Vec<PassChange>)> =
        norms(iteration).iter().filter_map(|norm| Some((iteration.place_of(norm.variance), edits(norm)?))).collect();
    let variant = |edits: Vec<PassChange>| Variant { name: name.map(str::to_owned), detail: detail.to_owned(), edits };
    let mut planted: Vec<Planted> = changed.iter().map(|(at, edits)| variant(edits.clone()).at(vec![at.clone()])).collect();
    if changed.len() > 1 {
        let (at, edits): (Vec<String>, Vec<Vec<PassChange>>) = changed.into_iter().unzip();
        planted.push(variant(edits.concat()).at(at));
    }
    planted
}

/// The path through the mean is missing.
pub fn mean_missing(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    for_norms(iteration, |norm| Some(vec![without(iteration, norm.x, norm.mean)?]), None, "")
}

/// The end of the sentence about a missing path through the variance, if the path through the mean is missing too.
pub(super) const WITH_MEAN: &str = ", and so is the path through the mean: both are taken as constants";

/// The path through the variance is missing, alone or together with the path through the mean.
pub fn variance_missing(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let variance = |norm: &Norm| without(iteration, norm.centred, norm.variance);
    let mut planted = for_norms(iteration, |norm| Some(vec![variance(norm)?]), None, "");
    let both = |norm: &Norm| Some(vec![variance(norm)?, without(iteration, norm.x, norm.mean)?]);
    planted.extend(for_norms(iteration, both, Some("and-mean"), WITH_MEAN));
    planted
}

/// The variance is divided by n − 1, in both passes or in the backward pass alone.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
pub fn unbiased(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let edits = |norm: &Norm, is_forward_too: bool| {
        let factor = norm.n as f64 / (norm.n as f64 - 1.0);
        let (op, _) = iteration.producer(iteration.network.gradient_of(norm.centred)?)?;
        let site = iteration.sites_of(op).into_iter().find(|site| site.y == norm.variance)?;
        let back = site.with_rule(scaled(site.rule, factor));
        let forward = PassChange::sample(norm.op, OpChange::Each(Arc::new(move |rule| scaled(rule, factor))));
        (norm.n > 1).then(|| if is_forward_too { vec![forward, back] } else { vec![back] })
    };
    let mut planted = for_norms(iteration, |norm| edits(norm, true), Some("both-ways"), "");
    planted.extend(for_norms(iteration, |norm| edits(norm, false), Some("backward-only"), " in the backward pass"));
    planted
}

/// The backward rule of a dropout, if the site is one.
fn dropout<'a>(site: &Site<'a>) -> Option<&'a MaskedScale> {
    site.rule_as::<MaskedScale>().filter(|rule| rule.operand == Upstream)
}

/// Dropped neurons pass the error back, with the factor 1 / (1 − p) or without it.
pub fn mask_missing(site: &Site<'_>) -> Vec<Variant> {
    let Some(scale) = dropout(site).map(MaskedScale::scale) else { return Vec::new() };
    let with_scale: Arc<dyn Rule> = with_terms(site.rule, move |_, x, at| vec![upstream_times(x, at, scale)]);
    let copied = with_terms(site.rule, |_, x, at| vec![upstream(x, at)]);
    vec![
        Variant::unnamed(site.with_rule(with_scale)),
        Variant::named("and-scale", ", and so is the factor 1 / (1 − p)", [site.with_rule(copied)]),
    ]
}

/// The error is multiplied by the mask of another dropout of the same shape.
pub fn mask_of_another(site: &Site<'_>) -> Vec<Variant> {
    if dropout(site).is_none() {
        return Vec::new();
    }
    let iteration = &site.iteration;
    let is_other = |other: &Site<'_>| other.y != site.y && dropout(other).is_some() && iteration.shape(other.y) == iteration.shape(site.y);
    let variant = |other: Site<'_>| {
        let name = iteration.place_of(other.y);
        Variant::named(name.clone(), format!(": that of {name}"), [site.with_operand(Input(1), other.operands[Input(1)])])
    };
    iteration.sites().into_iter().filter(is_other).map(variant).collect()
}

/// Another mask was drawn in the backward pass, and multiplies the error. The mask is read off the user's zeros. This is possible if the wrong tensor is the
/// gradient of the dropout's input or, with a single sample, has a row for each entry of it, as the weight of the layer before has.
pub fn other_mask(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let mut planted = Vec::new();
    for site in iteration.sites().into_iter().filter(|site| dropout(site).is_some()) {
        let n = iteration.len(site.of);
        let is_before = wrong_tensor.of == site.of
            || iteration.network.tensor(wrong_tensor.of).layer == iteration.network.tensor(site.of).layer && iteration.trace.samples() == 1;
        if !is_before || !wrong_tensor.user.len().is_multiple_of(n) {
            continue;
        }
        let row_len = wrong_tensor.user.len() / n;
        let mask: Vec<f64> =
            wrong_tensor.user.chunks(row_len).map(|row| if row.iter().any(|number| *number != 0.0) { 1.0 } else { 0.0 }).collect();
        // a mask that keeps at most one entry could come from any mistake that loses errors
        if mask.iter().filter(|bit| **bit != 0.0).count() > 1 {
            let edit = site.with_rule(reading(site.rule, Input(1), Instead::Numbers(mask.into())));
            planted.push(Variant::unnamed(edit).at(vec![iteration.place_of(site.y)]));
        }
    }
    planted
}

/// The factor 1 / (1 − p) is missing.
pub fn scale_missing(site: &Site<'_>) -> Vec<Variant> {
    if dropout(site).is_none_or(|rule| rule.scale().to_bits() == 1.0_f64.to_bits()) {
        return Vec::new();
    }
    let masked =
        with_terms(site.rule, |_, x, at| vec![Term::product([entry(x, Upstream, at), entry(x, Input(1), at)].into_iter().collect())]);
    vec![Variant::unnamed(site.with_rule(masked))]
}
