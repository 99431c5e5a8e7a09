//! Mistakes that multiply gradients by a number, add a multiple of the weights, or read the weights after their update.

use std::sync::Arc;

use super::super::plan::{OpChange, Ops, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::site::{RightIteration, Site};
use super::super::wrong_rule::{Instead, reading, scaled, with_terms};
use crate::network::{Id, Op, Part, Role};
use crate::op::rule::{Term, constant};
use crate::op::slot::Reads;
use crate::step::Pass;

/// A possible place of a factor: the names of the tensors, a clause about the place, and the changes that multiply by the factor.
type ScaledPlace = (Vec<String>, String, Vec<PassChange>);

/// The possible places of a factor: the whole pass, all parameters, the wrong tensor, a tensor and everything that is computed from it, or one summand of a
/// gradient that is a sum over several uses.
fn everywhere(wrong_tensor: &WrongTensor<'_>, factor: f64) -> Vec<ScaledPlace> {
    let iteration = &wrong_tensor.iteration;
    let each = move || OpChange::Each(Arc::new(move |rule| scaled(rule, factor)));
    let mut places = Vec::new();
    if let Some((first, _)) = iteration.backward_ops().next() {
        places.push((Vec::new(), String::new(), vec![PassChange::sample(first, each())]));
    }
    let parameters: Vec<PassChange> = parameter_ops(iteration).into_iter().map(|(ops, op, _)| PassChange::Op(ops, op, each())).collect();
    if parameters.len() > 1 {
        places.push((Vec::new(), " in the gradients of all parameters".to_owned(), parameters));
    }
    let wrong_name = iteration.network.tensor(wrong_tensor.of).name.to_string();
    // other gradients are computed from that of a value, but not from that of a parameter or an input
    let is_value = iteration.network.producer(wrong_tensor.of).is_some();
    // the name of the place replaces `{}` when the sentence is printed
    let detail = if is_value { format!(" from the gradient of {wrong_name} on") } else { " in the gradient of {} alone".to_owned() };
    places.extend(own_op(wrong_tensor).map(|(ops, op)| (vec![wrong_name], detail, vec![PassChange::Op(ops, op, each())])));
    // the last ops first: nearest to the wrong tensor
    let mut ops: Vec<(usize, Id)> = iteration.backward_ops().map(|(number, op)| (number, op.output)).collect();
    ops.reverse();
    for (number, id) in ops {
        if let Role::Gradient(of) = iteration.network.tensor(id).role
            && of != wrong_tensor.of
        {
            let detail = format!(" from the gradient of {} on", iteration.network.tensor(of).name);
            places.push((vec![iteration.place_of(of)], detail, vec![PassChange::sample(number, each())]));
        }
    }
    places.extend(summands(iteration, factor));
    places
}

/// For each gradient of a value that is read several times: each of its summands, that is, what one use of the value adds to the gradient.
fn summands(iteration: &RightIteration<'_>, factor: f64) -> Vec<ScaledPlace> {
    let mut places = Vec::new();
    for (number, op) in iteration.backward_ops() {
        let uses = iteration.sites_of(number);
        for (n, site) in uses.iter().enumerate().filter(|_| uses.len() == op.parts.len()) {
            let is_own = |other: &&Site<'_>| other.y == site.y;
            // both factors of z · z are one use
            if uses[..n].iter().any(|other| other.y == site.y) || uses.iter().all(|other| is_own(&other)) {
                continue;
            }
            let parts = uses.iter().filter(is_own).map(|site| site.part);
            let change = |part| OpChange::Parts(part..part + 1, Arc::new(move |rule| scaled(rule, factor)));
            let name = |id: Id| &iteration.network.tensor(id).name;
            let detail = format!(" in what {} adds to the gradient of {}", name(site.y), name(site.of));
            places.push((vec![iteration.place_of(site.y)], detail, parts.map(|part| PassChange::sample(number, change(part))).collect()));
        }
    }
    places
}

/// The op that computes the wrong tensor.
fn own_op(wrong_tensor: &WrongTensor<'_>) -> Option<(Ops, usize)> {
    let network = wrong_tensor.iteration.trace.network_of(wrong_tensor.run);
    let ops = if wrong_tensor.iteration.trace.runs()[wrong_tensor.run].sample.is_some() { Ops::Sample } else { Ops::Batch };
    network.producer(wrong_tensor.id).map(|op| (ops, op))
}

/// The ops that compute the gradients of the parameters, each with its parameter. If the batch reduces a gradient, it is the op of the batch.
pub(super) fn parameter_ops(iteration: &RightIteration<'_>) -> Vec<(Ops, usize, Id)> {
    let (trace, network) = (iteration.trace, iteration.network);
    let is_parameter = |of: Id| network.tensor(of).role.is_learnable();
    let of_sample = iteration.backward_ops().filter_map(|(number, op)| match network.tensor(op.output).role {
        Role::Gradient(of) if is_parameter(of) => Some((number, op.output, of)),
        _ => None,
    });
    of_sample
        .filter_map(|(number, gradient, of)| match trace.in_batch(gradient) {
            Some((run, id)) => trace.network_of(run).producer(id).map(|number| (Ops::Batch, number, of)),
            None => (trace.samples() == 1).then_some((Ops::Sample, number, of)),
        })
        .collect()
}

/// A mistake for each possible place of a known factor.
fn multiplied(wrong_tensor: &WrongTensor<'_>, factor: f64, variant: Option<&str>, detail: &str) -> Vec<Planted> {
    let variant = |place: String, edits| Variant { name: variant.map(str::to_owned), detail: format!("{detail}{place}"), edits };
    everywhere(wrong_tensor, factor).into_iter().map(|(at, place, edits)| variant(place, edits).at(at)).collect()
}

pub fn sign_flipped(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    multiplied(wrong_tensor, -1.0, None, "")
}

pub fn factor_two_extra(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    multiplied(wrong_tensor, 2.0, None, "")
}

pub fn factor_two_missing(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    multiplied(wrong_tensor, 0.5, None, "")
}

/// The learning rate as a factor of the gradient, with the sign of the gradient or of the update.
pub fn learning_rate(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let Some(rate) = wrong_tensor.iteration.learning_rate.filter(|rate| *rate != 1.0 && *rate != 0.0) else { return Vec::new() };
    let mut planted = multiplied(wrong_tensor, rate, None, "");
    planted.extend(multiplied(wrong_tensor, -rate, Some("negative"), " with a minus, as in the update,"));
    planted
}

/// For pairs (value, by): the ratio value / by of the pair with the largest `by`. `None` if no other `by` is of comparable size, so that no second entry can
/// confirm the ratio.
fn common_ratio(numbers: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let numbers: Vec<(f64, f64)> = numbers.collect();
    let largest = numbers.iter().map(|(_, by)| by.abs()).fold(0.0, f64::max);
    let (value, by) = *numbers.iter().find(|(_, by)| by.abs() == largest)?;
    let confirming = numbers.iter().filter(|(_, by)| by.abs() > 1e-3 * largest).count();
    (largest > 0.0 && confirming > 1).then(|| value / by)
}

/// A factor that is the same for all entries.
pub fn constant_factor(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let factor = common_ratio(wrong_tensor.user.iter().copied().zip(wrong_tensor.right.iter().copied()));
    let Some(factor) = factor.filter(|factor| factor.is_finite() && *factor != 1.0 && *factor != 0.0) else { return Vec::new() };
    if wrong_tensor
        .user
        .iter()
        .zip(wrong_tensor.right)
        .any(|(user, right)| (user - factor * right).abs() > 1e-3 * (factor * right).abs().max(1e-300))
    {
        return Vec::new();
    }
    let name = rounded_text(factor);
    multiplied(wrong_tensor, factor, Some(&name), &format!(" {name}"))
}

/// The text of an estimated number, with six digits.
fn rounded_text(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    format!("{rounded}")
}

/// A multiple of the weights is added to their gradient, as weight decay does.
pub fn weight_decay(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    added(wrong_tensor, "", |weight| weight)
}

/// A multiple of the signs of the weights is added to their gradient, as a penalty λ Σ |w| does.
pub fn weight_sign(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    added(wrong_tensor, "the sign of ", |weight| if weight == 0.0 { 0.0 } else { weight.signum() })
}

/// A multiple of a function of the weights is added to their gradient: in all matrices, in all parameters, or in the wrong tensor alone.
fn added(wrong_tensor: &WrongTensor<'_>, of_what: &str, function: fn(f64) -> f64) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    if !iteration.network.tensor(wrong_tensor.of).role.is_learnable() {
        return Vec::new();
    }
    let weights = iteration.values(wrong_tensor.of).iter().map(|weight| function(*weight));
    let multiple = common_ratio(wrong_tensor.user.iter().zip(wrong_tensor.right).map(|(user, right)| user - right).zip(weights));
    let Some(multiple) = multiple.filter(|multiple| multiple.is_finite() && *multiple != 0.0) else { return Vec::new() };
    let add = |(ops, op, of): (Ops, usize, Id)| {
        let added: Vec<f64> = iteration.values(of).iter().map(|weight| multiple * function(*weight)).collect();
        // `with_terms` takes the rule to replace. These terms do not read it, so `Seed` is a placeholder
        let rule = with_terms(&(Arc::new(crate::op::seed::Seed) as Arc<dyn crate::op::rule::Rule>), move |_, _, at| {
            vec![Term::product([constant(added[at])].into_iter().collect())]
        });
        PassChange::Op(ops, op, OpChange::Add(Part { rule, operands: Reads::inputs([]) }))
    };
    let all = parameter_ops(iteration);
    let is_matrix = |(.., of): &(Ops, usize, Id)| iteration.shape(*of).len() > 1;
    let name = rounded_text(multiple);
    let variant = |kind: &str, edits: Vec<PassChange>| {
        Variant::named(format!("{name} {kind}"), format!(": {name} times {of_what}each {kind}"), edits).at(Vec::new())
    };
    let of_wrong: Vec<PassChange> = all.iter().copied().filter(|(.., of)| *of == wrong_tensor.of).map(add).collect();
    vec![
        variant("weight", all.iter().copied().filter(is_matrix).map(add).collect()),
        variant("parameter", all.iter().copied().map(add).collect()),
        Variant::named(name.clone(), format!(": {name} times {of_what}{{}}"), of_wrong)
            .at(vec![iteration.network.tensor(wrong_tensor.of).name.to_string()]),
    ]
}

/// The backward pass reads the weights after the update.
pub fn updated_weights(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let Some(rate) = iteration.learning_rate.filter(|rate| *rate != 0.0) else { return Vec::new() };
    let trace = iteration.trace;
    let updated = |(ops, op, of): (Ops, usize, Id)| {
        let run = if ops == Ops::Batch { trace.samples() } else { 0 };
        let gradient = trace.run(run).values(trace.network_of(run).ops()[op].output);
        let computed = || iteration.values(of).iter().zip(gradient).map(|(weight, gradient)| weight - rate * gradient).collect();
        (of, after_update(iteration, of).unwrap_or_else(computed))
    };
    let mut places: Vec<(String, PassChange)> = Vec::new();
    for (of, new) in parameter_ops(iteration).into_iter().map(updated) {
        // a gradient of the weight itself does not read it
        for site in iteration.sites().into_iter().filter(|site| site.of != of) {
            if let Some((slot, _)) = site.operands.each().find(|(_, id)| *id == of) {
                let rule = reading(site.rule, slot, Instead::Numbers(Arc::clone(&new)));
                places.push((iteration.place_of(of), site.with_rule(rule)));
            }
        }
    }
    let variant = |detail: String, edits: Vec<PassChange>| Variant { name: None, detail, edits };
    let all = variant(String::new(), places.iter().map(|(_, edit)| edit.clone()).collect()).at(Vec::new());
    // the name in `at` replaces `{}` when the sentence is printed
    let single = places.iter().map(|(at, edit)| variant(": those of {}".to_owned(), vec![edit.clone()]).at(vec![at.clone()]));
    std::iter::once(all).chain(single).collect()
}

/// The numbers of a parameter after the update of this iteration, if the trace has one.
fn after_update(iteration: &RightIteration<'_>, of: Id) -> Option<Arc<[f64]>> {
    let run = iteration.trace.samples();
    let batch = iteration.trace.runs().get(run)?;
    let is_new = |op: &&Op| {
        let tensor = batch.network.tensor(op.output);
        op.pass == Pass::Update && tensor.parameter == Some(of) && tensor.role == Role::Parameter
    };
    let op = batch.network.ops().iter().find(is_new)?;
    Some(iteration.trace.run(run).values(op.output).into())
}
