//! Mistakes in the reduction over the samples, and over the outputs.

use std::sync::Arc;

use super::super::plan::{OpChange, Ops, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::site::RightIteration;
use super::super::wrong_rule::scaled;
use super::scale::parameter_ops;
use crate::expr::{Expr, whole};
use crate::network::{Id, Op};
use crate::op::constant_weights::{ConstantWeightsRule, Weights};
use crate::op::contraction::Contraction;
use crate::op::downcast::downcast;
use crate::step::Pass;

/// The ops of the reduce pass, with their numbers; none for a single sample, and none if the trace has no run of the batch.
fn reductions<'a>(iteration: &RightIteration<'a>) -> Vec<(usize, &'a Op)> {
    let Some(network) = iteration.trace.batch_network().filter(|_| iteration.trace.samples() > 1) else { return Vec::new() };
    network.ops().iter().enumerate().filter(|(_, op)| op.pass == Pass::Reduce).collect()
}

/// The coefficient of each sample's gradient in a reduction: 1/n for a mean, 1 for a sum.
fn coefficient(op: &Op) -> f64 {
    let rule = op.parts.first().and_then(|part| downcast::<ConstantWeightsRule<Contraction>>(&part.rule));
    match rule.map(ConstantWeightsRule::weights) {
        Some(Weights::Uniform(k)) => *k,
        _ => 1.0,
    }
}

/// Reductions that have the same mistake: all of them, those of a layer, or a single one.
struct Reductions<'a> {
    /// The name of the layer or the parameter; empty for all reductions.
    at: Vec<String>,
    ops: Vec<(usize, &'a Op)>,
}

impl Reductions<'_> {
    /// The end of a sentence; `{}` stands for the name in `at` and is filled in later. Empty for all reductions.
    fn place(&self) -> &'static str {
        if self.at.is_empty() { "" } else { ", in {} alone" }
    }

    /// The changes that scale the samples' parts of the batch's gradients. The parts after them, the penalty of the weights, are not scaled.
    fn scaled(&self, samples: usize, factor: f64) -> Vec<PassChange> {
        let change = move || OpChange::Parts(0..samples, Arc::new(move |rule| scaled(rule, factor)));
        self.ops.iter().map(|(number, _)| PassChange::Op(Ops::Batch, *number, change())).collect()
    }
}

/// The reductions in which a mistake is possible: all of them, those of the wrong parameter's layer, and that of the wrong parameter.
fn possible<'a>(wrong_tensor: &WrongTensor<'a>) -> Vec<Reductions<'a>> {
    let iteration = &wrong_tensor.iteration;
    let all = reductions(iteration);
    if all.is_empty() {
        return Vec::new();
    }
    let parameters: Vec<(usize, Id)> =
        parameter_ops(iteration).into_iter().filter(|(ops, ..)| *ops == Ops::Batch).map(|(_, op, of)| (op, of)).collect();
    let layer = |of: Id| iteration.network.tensor(of).layer;
    let of_parameters = |is_chosen: &dyn Fn(Id) -> bool| -> Vec<(usize, &'a Op)> {
        let is_of_chosen = |number: usize| parameters.iter().any(|(op, of)| *op == number && is_chosen(*of));
        all.iter().copied().filter(|(number, _)| is_of_chosen(*number)).collect()
    };
    let of_layer = of_parameters(&|of| layer(of).is_some() && layer(of) == layer(wrong_tensor.of));
    let of_wrong = of_parameters(&|of| of == wrong_tensor.of);
    let mut places = vec![Reductions { at: Vec::new(), ops: all.clone() }];
    if of_layer.len() > 1 && of_layer.len() < parameters.len() {
        places.push(Reductions { at: vec![iteration.place_of(wrong_tensor.of)], ops: of_layer });
    }
    if of_wrong.len() < parameters.len() && !of_wrong.is_empty() {
        places.push(Reductions { at: vec![iteration.network.tensor(wrong_tensor.of).name.to_string()], ops: of_wrong });
    }
    places
}

/// Only one sample's gradient is left, without the factor 1/n of the mean or with it.
fn only(wrong_tensor: &WrongTensor<'_>, sample: usize) -> Vec<Planted> {
    let samples = wrong_tensor.iteration.trace.samples();
    let kept = |op: &Op| std::iter::once(sample).chain(samples..op.parts.len()).collect();
    let mut planted = Vec::new();
    for reductions in possible(wrong_tensor) {
        let edits: Vec<PassChange> =
            reductions.ops.iter().map(|(number, op)| PassChange::Op(Ops::Batch, *number, OpChange::Keep(kept(op)))).collect();
        let coefficient = coefficient(reductions.ops[0].1);
        let place = reductions.place();
        if coefficient.to_bits() == 1.0_f64.to_bits() {
            planted.push(Variant { name: None, detail: place.to_owned(), edits }.at(reductions.at));
            continue;
        }
        let undivided = edits.iter().cloned().chain(reductions.scaled(samples, 1.0 / coefficient)).collect::<Vec<_>>();
        planted.push(Variant::named("undivided", place, undivided).at(reductions.at.clone()));
        planted.push(Variant::named("divided", format!(", divided by the number of samples{place}"), edits).at(reductions.at));
    }
    planted
}

pub fn only_last(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    only(wrong_tensor, wrong_tensor.iteration.trace.samples() - 1)
}

pub fn only_first(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    only(wrong_tensor, 0)
}

/// The largest number of last samples that are left out.
const MAX_LEFT_OUT: usize = 8;

/// The gradients of the first sample, or of the last ones, are left out: a loop begins too late or ends too early. If only one sample remains, it is another
/// mistake: [`only_first`] or [`only_last`].
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
pub fn left_out(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let samples = wrong_tensor.iteration.trace.samples();
    let Some(all) = possible(wrong_tensor).into_iter().next().filter(|_| samples > 2) else { return Vec::new() };
    let last = (1..=MAX_LEFT_OUT.min(samples - 2)).map(|n| {
        let words = if n == 1 { "the last one".to_owned() } else { format!("the last {n}") };
        (format!("last {n}"), words, 0..samples - n)
    });
    let mut planted = Vec::new();
    for (name, words, kept) in last.chain(std::iter::once(("first 1".to_owned(), "the first one".to_owned(), 1..samples))) {
        let kept_parts = |op: &Op| kept.clone().chain(samples..op.parts.len()).collect();
        let edits: Vec<PassChange> =
            all.ops.iter().map(|(number, op)| PassChange::Op(Ops::Batch, *number, OpChange::Keep(kept_parts(op)))).collect();
        if coefficient(all.ops[0].1).to_bits() != 1.0_f64.to_bits() {
            let mean = edits.iter().cloned().chain(all.scaled(samples, samples as f64 / kept.len() as f64)).collect::<Vec<_>>();
            planted.push(Variant::named(format!("{name}, mean"), format!(": {words}; the mean is over the others"), mean).at(Vec::new()));
        }
        planted.push(Variant::named(name, format!(": {words}"), edits).at(Vec::new()));
    }
    planted
}

/// The reduction of the loss over the outputs: the first op of the backward pass, the number of outputs, and whether the loss is their mean or their sum.
#[derive(Clone, Copy)]
struct OutputReduction {
    op: usize,
    outputs: f64,
    is_mean: bool,
}

#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ outputs
fn output_reduction(iteration: &RightIteration<'_>) -> Option<OutputReduction> {
    let (op, _) = iteration.backward_ops().next().filter(|_| iteration.has_layers())?;
    let sites = iteration.sites_of(op);
    let site = sites.iter().find(|site| site.is_of_loss())?;
    let outputs = iteration.len(site.of) as f64;
    let is_mean = site.forward().is_some_and(|(_, loss)| loss.parts.iter().any(|part| is_mean(&part.rule.equation().right)));
    (outputs > 1.0).then_some(OutputReduction { op, outputs, is_mean })
}

/// Whether the equation of a loss has the factor 1/n of a mean over its outputs.
fn is_mean(expr: &Expr) -> bool {
    *expr == whole::SHARE
        || match expr {
            Expr::Product(_, factors) | Expr::Mul(factors) => factors.iter().any(is_mean),
            Expr::Neg(inner) | Expr::Remark(inner, _) => is_mean(inner),
            _ => false,
        }
}

fn scaled_output(reduction: OutputReduction, factor: f64) -> PassChange {
    PassChange::sample(reduction.op, OpChange::Each(Arc::new(move |rule| scaled(rule, factor))))
}

/// Returns mistakes in which the loss is scaled by a wrong factor: over the samples, over the outputs, and over both. `is_possible(is_mean)` returns whether
/// the mistake is possible for a mean or for a sum, and `factor(n)` returns the factor for n samples or outputs.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
fn scaled_loss(wrong_tensor: &WrongTensor<'_>, is_possible: fn(bool) -> bool, factor: fn(f64) -> f64) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let samples = iteration.trace.samples();
    let is_mean = |reductions: &Reductions<'_>| coefficient(reductions.ops[0].1).to_bits() != 1.0_f64.to_bits();
    let places: Vec<Reductions<'_>> = possible(wrong_tensor).into_iter().filter(|reductions| is_possible(is_mean(reductions))).collect();
    let of_samples = |reductions: &Reductions<'_>| reductions.scaled(samples, factor(samples as f64));
    let over_outputs = output_reduction(iteration).filter(|reduction| is_possible(reduction.is_mean));
    let of_outputs = over_outputs.map(|reduction| vec![scaled_output(reduction, factor(reduction.outputs))]);
    let mut planted = Vec::new();
    for (n, reductions) in places.iter().enumerate() {
        let detail = format!(" over the {samples} samples{}", reductions.place());
        planted.push(Variant::named("samples", detail, of_samples(reductions)).at(reductions.at.clone()));
        // the first place is all reductions
        if let Some(of_outputs) = of_outputs.as_ref().filter(|_| n == 0) {
            let both = [of_samples(reductions), of_outputs.clone()].concat();
            planted.push(Variant::named("both", format!(" over the {samples} samples and the outputs"), both).at(Vec::new()));
        }
    }
    planted.extend(of_outputs.map(|edits| Variant::named("outputs", " over the outputs", edits).at(Vec::new())));
    planted
}

pub fn sum_instead_of_mean(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    scaled_loss(wrong_tensor, |is_mean| is_mean, |n| n)
}

pub fn mean_instead_of_sum(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    scaled_loss(wrong_tensor, |is_mean| !is_mean, |n| 1.0 / n)
}

/// The factor 1/n of the mean is multiplied in once more: at the end, or already in the error of each sample.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
pub fn mean_twice(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let mut planted = scaled_loss(wrong_tensor, |is_mean| is_mean, |n| 1.0 / n);
    let iteration = &wrong_tensor.iteration;
    let is_of_sample = iteration.trace.runs()[wrong_tensor.run].sample.is_some();
    let is_mean = reductions(iteration).first().is_some_and(|(_, op)| coefficient(op).to_bits() != 1.0_f64.to_bits());
    // the gradients of the batch alone do not show where the factor is
    if let Some((first, _)) = iteration.backward_ops().next().filter(|_| is_of_sample && is_mean) {
        let factor = 1.0 / iteration.trace.samples() as f64;
        let edit = PassChange::sample(first, OpChange::Each(Arc::new(move |rule| scaled(rule, factor))));
        planted.push(Variant::named("samples-of-error", " over the samples, once in the error of each", [edit]).at(Vec::new()));
    }
    planted
}
