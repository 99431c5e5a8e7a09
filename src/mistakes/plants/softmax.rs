//! Mistakes in the derivative of a softmax: ∂C/∂zᵢ = aᵢ (∂C/∂aᵢ − Σ aⱼ ∂C/∂aⱼ), with the sum over the entries that are normalised together.

use std::any::Any;
use std::sync::Arc;

use super::super::planting::Variant;
use super::super::site::Site;
use super::super::wrong_rule::{WrongRule, WrongTerms};
use crate::op::groups::Groups;
use crate::op::rule::{Function as _, Memo, Operands, Rule, Term, constant, entry};
use crate::op::slot::Reads;
use crate::op::slot::Slot::{Output, Upstream};
use crate::op::softmax::{Slices, Softmax, SoftmaxBackward};

/// The derivative with another sum: aᵢ (∂C/∂aᵢ + k Σ wⱼ ∂C/∂aⱼ). In the right derivative, k is −1 and wⱼ is aⱼ.
#[derive(Clone, Debug)]
struct OtherSum {
    /// For each entry, the index of its group. The entries of a group are added up in one sum.
    groups: Arc<[usize]>,
    /// The factor k of the sum.
    factor: f64,
    /// `true` if wⱼ is aⱼ, `false` if it is 1.
    is_weighted: bool,
}

impl WrongTerms for OtherSum {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let mut sums = vec![0.0; self.groups.iter().max().map_or(0, |last| last + 1)];
        for ((group, a), da) in self.groups.iter().zip(tensors[Output]).zip(tensors[Upstream]) {
            sums[*group] += if self.is_weighted { a * da } else { *da };
        }
        Some(Arc::new(sums) as Arc<dyn Any + Send + Sync>)
    }

    fn terms(&self, x: &Operands<'_>, at: usize) -> Vec<Term> {
        let sums = x.memo::<Vec<f64>>().expect("the memo of this rule");
        let a = || entry(x, Output, at);
        let own_term = Term::product([a(), entry(x, Upstream, at)].into_iter().collect());
        vec![own_term, Term::product([a(), constant(self.factor * sums[self.groups[at]])].into_iter().collect())]
    }
}

/// The groups of entries that the softmax at the site normalises together, and the shape of its result; `None` if the site has another rule.
fn groups(site: &Site<'_>) -> Option<(Groups, Vec<usize>)> {
    let shape = site.iteration.shape(site.y).to_vec();
    let rule = site.rule_as::<SoftmaxBackward>().filter(|rule| !rule.is_log())?;
    Some((rule.groups(&shape)?, shape))
}

/// For each entry of a tensor, the index of its group.
fn group_indices(groups: &Groups, entries: usize) -> Arc<[usize]> {
    (0..entries).map(|at| groups.group_of(at).0).collect()
}

/// The change of the backward pass that puts the derivative with another sum at the site.
fn with_sum(site: &Site<'_>, sum: OtherSum) -> super::super::plan::PassChange {
    site.with_rule(Arc::new(WrongRule(sum)) as Arc<dyn Rule>)
}

/// The sum goes along the wrong axis. If the softmax normalises each row (the entries along the last axis), the sum goes down the columns; otherwise it goes
/// along the rows.
pub fn sum_of_columns(site: &Site<'_>) -> Vec<Variant> {
    let Some((own, shape)) = groups(site) else { return Vec::new() };
    let [.., rows, columns] = shape[..] else { return Vec::new() };
    if rows < 2 || columns < 2 {
        return Vec::new();
    }
    let is_along_rows = own.group_of(0).0 == own.group_of(1).0;
    let axis = if is_along_rows { shape.len() - 2 } else { shape.len() - 1 };
    let groups = group_indices(&Groups::along(&shape, &[axis]), site.iteration.len(site.y));
    vec![Variant::unnamed(with_sum(site, OtherSum { groups, factor: -1.0, is_weighted: true }))]
}

/// The sum has a wrong sign, wrong terms, or goes over all entries.
pub fn sum_wrong(site: &Site<'_>) -> Vec<Variant> {
    let Some((own, _)) = groups(site) else { return Vec::new() };
    let entries = site.iteration.len(site.y);
    let right = OtherSum { groups: group_indices(&own, entries), factor: -1.0, is_weighted: true };
    let variant = |name: &str, detail: &str, sum: OtherSum| Variant::named(name, detail, [with_sum(site, sum)]);
    let mut variants = vec![
        variant("added", ": it is added instead of subtracted", OtherSum { factor: 1.0, ..right.clone() }),
        variant("unweighted", ": it is the sum of ∂C/∂aⱼ, without aⱼ", OtherSum { is_weighted: false, ..right.clone() }),
    ];
    #[allow(clippy::cast_precision_loss)] // no tensor has 2⁵³ entries
    let n = own.len as f64;
    variants.push(variant("mean", ": it is the mean of ∂C/∂aⱼ", OtherSum { factor: -1.0 / n, is_weighted: false, ..right.clone() }));
    if own.count > 1 {
        variants.push(variant("all-entries", ": it goes over all entries", OtherSum { groups: vec![0; entries].into(), ..right }));
    }
    variants
}

/// The softmax normalises the entries along another axis, in both passes.
pub fn along_wrong_axis(site: &Site<'_>) -> Vec<Variant> {
    let Some(rule) = site.rule_as::<SoftmaxBackward>().filter(|_| !site.iteration.has_layers()) else { return Vec::new() };
    let shape = site.iteration.shape(site.y);
    let Some(own) = rule.groups(shape) else { return Vec::new() };
    let other = |axis: usize| {
        let is_own = Groups::along(shape, &[axis]) == own;
        let slices = Slices::along(shape, axis);
        let softmax = if rule.is_log() { Softmax::log_within(slices) } else { Softmax::within(slices) };
        let back = softmax.backward(0).filter(|_| !is_own && shape[axis] > 1)?;
        let edits = [site.with_forward_rule(|_| softmax.forward())?, site.with_rule(back)];
        Some(Variant::named(format!("axis {axis}"), format!(": axis {axis}"), edits))
    };
    (0..shape.len()).filter_map(other).collect()
}

/// The gradient of log-softmax after a softmax: a softmax is applied to z first.
#[derive(Debug)]
struct AfterSoftmax {
    /// For each entry, the number of its group.
    groups: Arc<[usize]>,
}

impl AfterSoftmax {
    /// For each entry, the sum of its group.
    fn sums(&self, numbers: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.groups.iter().max().map_or(0, |last| last + 1)];
        self.groups.iter().zip(numbers).for_each(|(group, number)| sums[*group] += number);
        self.groups.iter().map(|group| sums[*group]).collect()
    }
}

/// The products of two lists, entry by entry.
fn products(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one * other).collect()
}

/// The differences of two lists, entry by entry.
fn differences(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one - other).collect()
}

impl WrongTerms for AfterSoftmax {
    /// With u = ∂C/∂a, p = softmax(z) and q = softmax(p), ∂C/∂pᵢ is uᵢ − qᵢ Σ u, and ∂C/∂zᵢ is pᵢ (∂C/∂pᵢ − Σ pⱼ ∂C/∂pⱼ).
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let p: Vec<f64> = tensors[Output].iter().map(|a| libm::exp(*a)).collect();
        let exp: Vec<f64> = p.iter().map(|p| libm::exp(*p)).collect();
        let q: Vec<f64> = exp.iter().zip(self.sums(&exp)).map(|(exp, sum)| exp / sum).collect();
        let dp = differences(tensors[Upstream], &products(&q, &self.sums(tensors[Upstream])));
        let weighted_sums = self.sums(&products(&p, &dp));
        Some(Arc::new(products(&p, &differences(&dp, &weighted_sums))))
    }

    fn terms(&self, x: &Operands<'_>, at: usize) -> Vec<Term> {
        let dz = x.memo::<Vec<f64>>().expect("the memo of this rule");
        vec![Term::product([constant(dz[at])].into_iter().collect())]
    }
}

/// In a graph, a softmax is applied to what a log-softmax reads.
pub(super) fn applied_before_log_softmax(site: &Site<'_>) -> Vec<Variant> {
    let Some(rule) = site.rule_as::<SoftmaxBackward>().filter(|rule| rule.is_log() && !site.iteration.has_layers()) else {
        return Vec::new();
    };
    let Some(groups) = rule.groups(site.iteration.shape(site.y)) else { return Vec::new() };
    let groups = group_indices(&groups, site.iteration.len(site.y));
    vec![Variant::unnamed(site.with_rule(Arc::new(WrongRule(AfterSoftmax { groups })) as Arc<dyn Rule>))]
}
