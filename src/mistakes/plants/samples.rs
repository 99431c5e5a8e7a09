//! Mistakes in the reduction over the samples, and over the outputs.

use std::sync::Arc;

use super::super::plan::{Change, Edit, Ops};
use super::super::planting::{Planted, Variant, Wanted};
use super::super::site::{Site, Subject};
use super::super::wrong_rule::scaled;
use crate::network::Op;
use crate::op::constant_weights::{ConstantWeightsRule, Weights};
use crate::op::contraction::Contraction;
use crate::op::downcast::downcast;
use crate::op::rule::{Operands, Origin};
use crate::step::Pass;

/// The ops of the reduction, with their numbers; none for a single sample.
fn reductions<'a>(subject: &Subject<'a>) -> Vec<(usize, &'a Op)> {
    if subject.trace.samples() < 2 || subject.trace.runs().len() == subject.trace.samples() {
        return Vec::new();
    }
    let network = subject.trace.network_of(subject.trace.samples());
    network.ops().iter().enumerate().filter(|(_, op)| op.pass == Pass::Reduce).collect()
}

/// The coefficient of each sample: 1/n for a mean, 1 for a sum.
fn coefficient(op: &Op) -> f64 {
    let rule = op.parts.first().and_then(|part| downcast::<ConstantWeightsRule<Contraction>>(&part.rule));
    match rule.map(ConstantWeightsRule::weights) {
        Some(Weights::Uniform(k)) => *k,
        _ => 1.0,
    }
}

/// The edits that scale what the samples add to the gradients of the batch. The penalty of the weights stays.
fn scale_all(subject: &Subject<'_>, factor: f64) -> Vec<Edit> {
    let parts = 0..subject.trace.samples();
    let edit =
        |(number, _): (usize, &Op)| Edit::Op(Ops::Batch, number, Change::Parts(parts.clone(), Arc::new(move |rule| scaled(rule, factor))));
    reductions(subject).into_iter().map(edit).collect()
}

/// Only one sample's gradient is left, without the factor 1/n of the mean or with it.
fn only(wanted: &Wanted<'_>, sample: usize) -> Vec<Planted> {
    let subject = &wanted.subject;
    let ops = reductions(subject);
    let Some(coefficient) = ops.first().map(|(_, op)| coefficient(op)) else { return Vec::new() };
    let kept = |op: &Op| std::iter::once(sample).chain(subject.trace.samples()..op.parts.len()).collect();
    let keep = |(number, op): &(usize, &Op)| Edit::Op(Ops::Batch, *number, Change::Keep(kept(op)));
    let kept: Vec<Edit> = ops.iter().map(keep).collect();
    if coefficient.to_bits() == 1.0_f64.to_bits() {
        return vec![Variant { name: None, detail: String::new(), edits: kept }.at(Vec::new())];
    }
    let undivided = kept.iter().cloned().chain(scale_all(subject, 1.0 / coefficient)).collect::<Vec<_>>();
    vec![
        Variant::named("undivided", "", undivided).at(Vec::new()),
        Variant::named("divided", ", divided by the number of samples", kept).at(Vec::new()),
    ]
}

pub fn only_last(wanted: &Wanted<'_>) -> Vec<Planted> {
    only(wanted, wanted.subject.trace.samples() - 1)
}

pub fn only_first(wanted: &Wanted<'_>) -> Vec<Planted> {
    only(wanted, 0)
}

/// The number of outputs over which the loss is a mean, and the first op of the backward pass; 1 if the loss is a sum.
#[derive(Clone, Copy)]
struct OutputReduction {
    op: usize,
    outputs: f64,
    is_mean: bool,
}

#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ outputs
fn outputs(subject: &Subject<'_>) -> Option<OutputReduction> {
    let (op, _) = subject.backward_ops().next().filter(|_| subject.has_layers())?;
    let sites = subject.sites_of(op);
    let site = sites.iter().find(|site| site.is_of_loss())?;
    let outputs = subject.len(site.of) as f64;
    let is_mean = constants(site).iter().any(|constant| [1.0, 2.0].iter().any(|k| (constant.abs() * outputs - k).abs() < 1e-12));
    (outputs > 1.0).then_some(OutputReduction { op, outputs, is_mean })
}

/// The constants in the first term of a gradient.
fn constants(site: &Site<'_>) -> Vec<f64> {
    let run = site.subject.trace.run(0);
    let tensors = site.operands.map(|id| run.values(id));
    let memo = site.rule.memo(&tensors);
    let term = site.rule.term(&Operands { tensors: tensors.map(|tensor| tensor), memo: &memo }, 0, 0);
    term.args.iter().filter(|arg| arg.origin == Origin::Constant).map(|arg| arg.value).collect()
}

fn scaled_output(reduction: OutputReduction, factor: f64) -> Edit {
    Edit::sample(reduction.op, Change::Each(Arc::new(move |rule| scaled(rule, factor))))
}

/// A sum over samples or outputs instead of the mean, or a mean instead of the sum.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
fn other_reduction(wanted: &Wanted<'_>, is_mean_right: bool) -> Vec<Planted> {
    let subject = &wanted.subject;
    let factor = |n: f64| if is_mean_right { n } else { 1.0 / n };
    let samples = reductions(subject).first().map(|(_, op)| coefficient(op));
    let samples = samples.filter(|coefficient| (coefficient.to_bits() == 1.0_f64.to_bits()) != is_mean_right);
    let of_samples = samples.map(|_| scale_all(subject, factor(subject.trace.samples() as f64)));
    let of_outputs = outputs(subject).filter(|outputs| outputs.is_mean == is_mean_right);
    let of_outputs = of_outputs.map(|outputs| vec![scaled_output(outputs, factor(outputs.outputs))]);
    let mut planted = Vec::new();
    planted.extend(of_samples.clone().map(|edits| Variant::named("samples", " over the samples", edits).at(Vec::new())));
    planted.extend(of_outputs.clone().map(|edits| Variant::named("outputs", " over the outputs", edits).at(Vec::new())));
    let both = of_samples.zip(of_outputs).map(|(samples, outputs)| [samples, outputs].concat());
    planted.extend(both.map(|edits| Variant::named("both", " over the samples and the outputs", edits).at(Vec::new())));
    planted
}

pub fn sum_instead_of_mean(wanted: &Wanted<'_>) -> Vec<Planted> {
    other_reduction(wanted, true)
}

pub fn mean_instead_of_sum(wanted: &Wanted<'_>) -> Vec<Planted> {
    other_reduction(wanted, false)
}
