//! Mistakes at the output: the loss and the activation before it.

use std::sync::Arc;

use super::super::plan::PassChange;
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::site::{RightIteration, Site};
use super::super::wrong_rule::{Instead, all_terms, chained, reading, with_terms};
use super::activation::{AppliedActivation, applies};
use super::places::upstream_times;
use crate::network::{Id, Op, Role};
use crate::op::copies::{CopiesOfInput, CopyKind};
use crate::op::downcast::downcast;
use crate::op::elementwise::ElementwiseForward;
use crate::op::functions::SIGMOID;
use crate::op::functions::guarded::BINARY_CROSS_ENTROPY;
use crate::op::gather::{Direction, GatherRule};
use crate::op::lookup::LookupGather;
use crate::op::math;
use crate::op::operator::Operator;
use crate::op::rule::{Function as _, Operands, Origin, Rule, Term, constant};
use crate::op::slot::Slot;
use crate::op::softmax::{SOFTMAX, SoftmaxBackward};

/// Whether a site is the derivative of a loss on logits that applies `function` itself, such as the softmax.
fn reads_logits(site: &Site<'_>, function: &'static crate::expr::Primitive) -> bool {
    if !site.is_of_loss() {
        return false;
    }
    let run = site.iteration.trace.run(0);
    let tensors = site.operands.map(|id| run.values(id));
    let memo = site.rule.memo(&tensors);
    let term = site.rule.term(&Operands { tensors: tensors.reborrow(), memo: &memo }, 0, 0);
    term.args.iter().any(|arg| matches!(arg.origin, Origin::Derived { expr, .. } if applies(expr, &[function])))
}

/// The right entries of the rule's result.
fn right(rule: &dyn Rule, x: &Operands<'_>) -> Vec<f64> {
    let mut right = vec![0.0; x.tensors[Slot::Input(0)].len()];
    rule.overwrite(x, &mut right);
    right
}

/// The numbers from which a wrong gradient of a loss on logits is computed.
struct LossNumbers {
    /// The probabilities p.
    p: Vec<f64>,
    /// The right gradient.
    dz: Vec<f64>,
    /// The target.
    t: Vec<f64>,
}

/// A wrong gradient of a loss on logits: `wrong(numbers, i)` is its entry i.
fn of_logits(site: &Site<'_>, probabilities: fn(&[f64]) -> Vec<f64>, wrong: fn(&LossNumbers, usize) -> f64) -> Variant {
    Variant::unnamed(site.with_rule(with_terms(site.rule, move |rule, x, at| {
        let [z, t] = [0, 1].map(|slot| x.tensors[Slot::Input(slot)]);
        let numbers = LossNumbers { p: probabilities(z), dz: right(rule, x), t: t.to_vec() };
        vec![Term::product([constant(wrong(&numbers, at))].into_iter().collect())]
    })))
}

/// The probabilities of a sigmoid.
fn sigmoid(z: &[f64]) -> Vec<f64> {
    z.iter().map(|z| math::sigmoid(*z)).collect()
}

/// p (1 − p) ∂C/∂z
const TIMES_SLOPE: fn(&LossNumbers, usize) -> f64 = |LossNumbers { p, dz, .. }, i| p[i] * (1.0 - p[i]) * dz[i];

/// The derivative of the output's activation is missing. A loss on logits applies the activation itself.
pub fn activation_missing(site: &Site<'_>) -> Vec<Variant> {
    if reads_logits(site, SOFTMAX) {
        return vec![of_logits(site, softmax, |LossNumbers { p, t, .. }, i| -t[i] / p[i])];
    }
    if reads_logits(site, SIGMOID) {
        return vec![of_logits(site, sigmoid, |LossNumbers { p, dz, .. }, i| dz[i] / (p[i] * (1.0 - p[i])))];
    }
    super::activation::missing_at_output(site)
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exp: Vec<f64> = z.iter().map(|z| libm::exp(z - largest)).collect();
    let sum: f64 = exp.iter().sum();
    exp.into_iter().map(|exp| exp / sum).collect()
}

/// The error a − t of softmax with cross-entropy is multiplied by the derivative of the softmax again.
pub fn softmax_twice(site: &Site<'_>) -> Vec<Variant> {
    if site.rule_as::<SoftmaxBackward>().is_some() && site.is_output() && has_closed_formula(site) {
        return vec![
            Variant::unnamed(site.with_rule(chained(site.rule, site.rule))),
            Variant::named("diagonal-only", DIAGONAL, [site.with_rule(chained(site.rule, &diagonal(site.rule)))]),
        ];
    }
    if let Some(rule) = site.rule_as::<SoftmaxBackward>().filter(|_| !site.iteration.has_layers()) {
        let of_softmax = rule.softmax().backward(0).filter(|_| rule.is_log());
        // the probabilities are exp of the log-softmax's output
        let again = of_softmax.map(|of_softmax| reading(&of_softmax, Slot::Output, Instead::Computed(libm::exp)));
        return vec![Variant::unnamed(site.with_rule(chained(site.rule, again.as_ref().unwrap_or(site.rule))))];
    }
    if !reads_logits(site, SOFTMAX) {
        return Vec::new();
    }
    let diagonal = Variant { name: Some("diagonal-only".to_owned()), detail: DIAGONAL.to_owned(), ..of_logits(site, softmax, TIMES_SLOPE) };
    vec![
        of_logits(site, softmax, |LossNumbers { p, dz, .. }, i| p[i] * (dz[i] - p.iter().zip(dz).map(|(p, dz)| p * dz).sum::<f64>())),
        diagonal,
    ]
}

/// The gradient k (softmax(p) Σt − t) of a cross-entropy that takes the probabilities p for logits. `unit(i)` is entry i of the right gradient without its
/// factor k.
fn error_of_probabilities(LossNumbers { p, dz, t }: &LossNumbers, unit: impl Fn(usize) -> f64) -> Vec<f64> {
    let (k, all) = (scale_of_error(dz, unit), t.iter().sum::<f64>());
    softmax(p).into_iter().zip(t).map(|(q, t)| k * (q * all - t)).collect()
}

/// A softmax is applied to the logits before the cross-entropy, which applies a softmax itself.
pub fn softmax_before_cross_entropy(site: &Site<'_>) -> Vec<Variant> {
    if site.rule_as::<SoftmaxBackward>().is_some() {
        return super::softmax::applied_before_log_softmax(site);
    }
    if reads_logits(site, SOFTMAX) {
        return vec![of_logits(site, softmax, |numbers, i| {
            let LossNumbers { p, t, .. } = numbers;
            let all: f64 = t.iter().sum();
            let dp = error_of_probabilities(numbers, |at| p[at] * all - t[at]);
            p[i] * (dp[i] - p.iter().zip(&dp).map(|(p, dp)| p * dp).sum::<f64>())
        })];
    }
    // the network has the softmax itself, and its loss reads probabilities
    let is_of_output = |other: Site<'_>| other.y == site.of && other.rule_as::<SoftmaxBackward>().is_some() && has_closed_formula(&other);
    if site.is_of_loss() && site.iteration.sites().into_iter().any(is_of_output) {
        return vec![of_logits(site, <[f64]>::to_vec, |numbers, i| {
            let LossNumbers { p, t, .. } = numbers;
            error_of_probabilities(numbers, |at| -t[at] / p[at])[i]
        })];
    }
    Vec::new()
}

/// The clause about a derivative of the softmax that has only its diagonal.
const DIAGONAL: &str = ", of which only the diagonal is taken";

/// Whether the loss and the activation have a closed formula for ∂C/∂z, as softmax and cross-entropy have.
fn has_closed_formula(site: &Site<'_>) -> bool {
    site.operands.get(Slot::Target).is_some()
}

/// Whether y is the probability that a binary cross-entropy of a graph reads.
fn is_read_by_cross_entropy(site: &Site<'_>) -> bool {
    let network = site.iteration.network;
    network.readers(site.y).iter().any(|reader| {
        let rule = &network.ops()[reader.op].parts[reader.part].rule;
        let operator = downcast::<ElementwiseForward>(rule).map(|rule| rule.0.operator);
        matches!(operator, Some(Operator::Call(called)) if *called.function == *BINARY_CROSS_ENTROPY)
    })
}

/// The terms of softmax's derivative with i = j.
fn diagonal(rule: &Arc<dyn Rule>) -> Arc<dyn Rule> {
    with_terms(rule, |rule, x, at| {
        let is_own = |term: &Term| {
            term.args.iter().any(|arg| matches!(arg.origin, Origin::Derived { at, second: Some(second), .. } if at == second))
        };
        all_terms(rule, x, at).into_iter().filter(is_own).collect()
    })
}

/// Only the diagonal aᵢ (1 − aᵢ) of the softmax's derivative is used.
pub fn softmax_diagonal(site: &Site<'_>) -> Vec<Variant> {
    if site.rule_as::<SoftmaxBackward>().is_some() {
        return vec![Variant::unnamed(site.with_rule(diagonal(site.rule)))];
    }
    let is_logits = reads_logits(site, SOFTMAX);
    is_logits.then(|| of_logits(site, softmax, |LossNumbers { p, t, .. }, i| -t[i] * (1.0 - p[i]))).into_iter().collect()
}

/// The sum over the row is not subtracted in the softmax's derivative.
pub fn softmax_row_sum_missing(site: &Site<'_>) -> Vec<Variant> {
    let is_softmax = site.rule_as::<SoftmaxBackward>().is_some_and(|rule| !rule.is_log());
    let own = || with_terms(site.rule, |_, x, at| vec![upstream_times(x, at, x.get(Slot::Output, at))]);
    if is_softmax { vec![Variant::unnamed(site.with_rule(own()))] } else { Vec::new() }
}

/// k in ∂C/∂z = k (p Σt − t), the error of a cross-entropy: 1/n for a mean over n outputs. `unit(i)` is entry i of the error without k. k is read off at
/// the largest of these entries, which is not 0.
fn scale_of_error(dz: &[f64], unit: impl Fn(usize) -> f64) -> f64 {
    let largest = (0..dz.len()).max_by(|one, other| unit(*one).abs().total_cmp(&unit(*other).abs()));
    largest.map_or(1.0, |at| dz[at] / unit(at))
}

/// The target is not subtracted in the error p − t of a cross-entropy.
pub fn target_missing(site: &Site<'_>) -> Vec<Variant> {
    if let Some(rule) = site.rule_as::<SoftmaxBackward>() {
        let is_of_layer = site.is_output() && has_closed_formula(site);
        if rule.is_log() && !site.iteration.has_layers() {
            // with u = ∂C/∂a: ∂C/∂zᵢ = uᵢ − pᵢ Σ u, where u is −1 at the target
            let without = with_terms(site.rule, |rule, x, at| {
                let right: f64 = all_terms(rule, x, at).iter().map(|term| term.value).sum();
                vec![Term::product([constant(right - x.get(Slot::Upstream, at))].into_iter().collect())]
            });
            return vec![Variant::unnamed(site.with_rule(without))];
        }
        if rule.is_log() || !is_of_layer {
            return Vec::new();
        }
        // with u = ∂C/∂a: ∂C/∂zᵢ = aᵢ (uᵢ − Σ uⱼ aⱼ), where uᵢ aᵢ is −tᵢ
        let without = with_terms(site.rule, |rule, x, at| {
            let right: f64 = all_terms(rule, x, at).iter().map(|term| term.value).sum();
            let own_term = x.get(Slot::Output, at) * x.get(Slot::Upstream, at);
            vec![Term::product([constant(right - own_term)].into_iter().collect())]
        });
        return vec![Variant::unnamed(site.with_rule(without))];
    }
    if reads_logits(site, SOFTMAX) {
        return vec![of_logits(site, softmax, |LossNumbers { p, dz, t }, i| {
            let all: f64 = t.iter().sum();
            scale_of_error(dz, |at| p[at] * all - t[at]) * p[i] * all
        })];
    }
    if reads_logits(site, SIGMOID) {
        return vec![of_logits(site, sigmoid, |LossNumbers { p, dz, t }, i| scale_of_error(dz, |at| p[at] - t[at]) * p[i])];
    }
    Vec::new()
}

/// The error a − t of a cross-entropy is multiplied by a (1 − a), the derivative of a sigmoid. The error of a sigmoid already takes
/// it into account, and a softmax has another derivative.
pub fn sigmoid_again(site: &Site<'_>) -> Vec<Variant> {
    let is_sigmoid = AppliedActivation::at(site).is_some_and(|g| g.function == SIGMOID);
    if is_sigmoid && (site.is_output() && has_closed_formula(site) || is_read_by_cross_entropy(site)) {
        return vec![Variant::unnamed(site.with_rule(chained(site.rule, site.rule)))];
    }
    if site.rule_as::<SoftmaxBackward>().is_some() && site.is_output() && has_closed_formula(site) {
        return vec![Variant::unnamed(site.with_rule(chained(site.rule, &diagonal(site.rule))))];
    }
    for (function, probabilities) in [(SIGMOID, sigmoid as fn(&[f64]) -> Vec<f64>), (SOFTMAX, softmax)] {
        if reads_logits(site, function) {
            return vec![of_logits(site, probabilities, TIMES_SLOPE)];
        }
    }
    Vec::new()
}

/// A sample has the target of another sample or class, or the targets are wrong in the same way in all samples: shifted or reversed.
pub fn wrong_target(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let (trace, network) = (wrong_tensor.iteration.trace, wrong_tensor.iteration.network);
    let Some(target) = network.with_role(Role::Target).next() else { return wrong_labels(wrong_tensor) };
    let samples = trace.samples();
    let numbers = |sample: usize| trace.run(sample).values(target);
    let number = |sample: usize| trace.runs()[sample].sample.unwrap_or(sample) + 1;
    let given = |sample: usize, numbers: &[f64]| PassChange::Given(sample, target, numbers.into());
    let mut planted = Vec::new();
    for sample in 0..samples {
        for other in (0..samples).filter(|other| *other != sample && numbers(*other) != numbers(sample)).take(MAX_TARGETS) {
            let name = format!("sample {} with the target of sample {}", number(sample), number(other));
            planted.push(Variant::named(name.clone(), format!(": {name}"), [given(sample, numbers(other))]).at(Vec::new()));
        }
        let class = one_hot(numbers(sample));
        for other in (0..numbers(sample).len()).filter(|other| class.is_some_and(|class| class != *other)).take(MAX_TARGETS) {
            let mut wrong = vec![0.0; numbers(sample).len()];
            wrong[other] = 1.0;
            let of_sample = if samples > 1 { format!("sample {} with ", number(sample)) } else { String::new() };
            let name = format!("{of_sample}class {other}");
            let detail = format!(": {name} instead of {}", class.unwrap_or(0));
            planted.push(Variant::named(name, detail, [given(sample, &wrong)]).at(Vec::new()));
        }
    }
    planted.extend(of_all_samples(wrong_tensor, target));
    let shifted = |by: usize| {
        let edits: Vec<PassChange> = (0..samples).map(|sample| given(sample, numbers((sample + by) % samples))).collect();
        Variant::named(format!("shifted by {by}"), ": each sample has the target of another one", edits).at(Vec::new())
    };
    if samples > 1 {
        planted.extend([shifted(1), shifted(samples - 1)]);
        let reversed: Vec<PassChange> = (0..samples).map(|sample| given(sample, numbers(samples - 1 - sample))).collect();
        planted.push(Variant::named("samples reversed", ": the targets are in the reverse order of the samples", reversed).at(Vec::new()));
    }
    planted
}

/// The tensor of which `id` is a copy in another shape, perhaps through several copies: `labels` for `labels.view(-1)`. `id` itself if it is no copy.
fn given_source(iteration: &RightIteration<'_>, mut id: Id) -> Id {
    while let Some((_, Op { parts, .. })) = iteration.producer(id)
        && let [part] = parts.as_slice()
        && let [source] = *part.operands.iter().copied().collect::<Vec<_>>()
        && iteration.len(source) == iteration.len(id)
        && downcast::<GatherRule<CopiesOfInput>>(&part.rule).is_some_and(|rule| rule.gather.kind == CopyKind::View)
    {
        id = source;
    }
    id
}

/// For a graph whose classes are indices of a lookup: each class is replaced by the next or the previous class, or each position has the class of the next or
/// the previous position.
fn wrong_labels(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let mut planted = Vec::new();
    for part in iteration.network.ops().iter().flat_map(|op| &op.parts) {
        let Some(rule) = downcast::<GatherRule<LookupGather>>(&part.rule).filter(|rule| rule.direction == Direction::Forward) else {
            continue;
        };
        // the operand 0 is the table, and the others are the indices
        for (index_number, id) in part.operands.iter().skip(1).enumerate() {
            let given = given_source(iteration, *id);
            let Some(size) = rule.gather.index_size(index_number).filter(|_| iteration.network.tensor(given).role == Role::Constant) else {
                continue;
            };
            #[allow(clippy::cast_precision_loss)] // an axis has fewer than 2⁵³ entries
            let size = size as f64;
            for (by, name, detail) in
                [(1.0, "next-class", ": each class is the next one"), (size - 1.0, "previous-class", ": each class is the one before")]
            {
                let labels: Vec<f64> = iteration.values(*id).iter().map(|label| (label + by) % size).collect();
                planted.push(Variant::named(name, detail, [PassChange::Given(0, *id, labels.into())]).at(vec![iteration.place_of(*id)]));
            }
            let (labels, row_len) = (iteration.values(*id), iteration.shape(given).last().copied().unwrap_or(1));
            if labels.windows(2).all(|pair| pair[1] == pair[0] + 1.0) {
                continue; // 0, 1, 2, …: these are positions, not classes
            }
            for (by, name, detail) in [
                (1, "next-position", ": each position has the class of the next one"),
                (row_len.saturating_sub(1), "previous-position", ": each position has the class of the one before"),
            ] {
                let moved: Vec<f64> = (0..labels.len()).map(|at| labels[at / row_len * row_len + (at % row_len + by) % row_len]).collect();
                if moved != labels {
                    planted.push(Variant::named(name, detail, [PassChange::Given(0, *id, moved.into())]).at(vec![iteration.place_of(*id)]));
                }
            }
        }
    }
    planted
}

/// Targets that are wrong in the same way for all samples: the class beside the right one, the entries in reverse order.
fn of_all_samples(wrong_tensor: &WrongTensor<'_>, target: Id) -> Vec<Planted> {
    let trace = wrong_tensor.iteration.trace;
    let given = |other: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<PassChange> {
        (0..trace.samples()).map(|run| PassChange::Given(run, target, other(trace.run(run).values(target)).into())).collect()
    };
    let rotated = |by: usize| move |right: &[f64]| (0..right.len()).map(|at| right[(at + by) % right.len()]).collect::<Vec<f64>>();
    let len = trace.run(0).values(target).len();
    let mut planted = Vec::new();
    if len > 1 {
        planted.push(
            Variant::named("reversed", ": its entries are in reverse order", given(&|right| right.iter().rev().copied().collect()))
                .at(Vec::new()),
        );
    }
    if one_hot(trace.run(0).values(target)).is_some() && trace.samples() > 1 {
        // entry i is read from i − 1, or from the end: the 1 moves to the next class
        planted.push(Variant::named("next-class", ": each class is the next one", given(&rotated(len - 1))).at(Vec::new()));
        planted.push(Variant::named("previous-class", ": each class is the one before", given(&rotated(1))).at(Vec::new()));
    }
    planted
}

/// The largest number of other targets that are tried for a sample.
const MAX_TARGETS: usize = 32;

/// The class of a target that is 1 for one class and 0 for the others; `None` for another target.
fn one_hot(target: &[f64]) -> Option<usize> {
    let ones: Vec<usize> = (0..target.len()).filter(|at| target[*at].to_bits() == 1.0_f64.to_bits()).collect();
    let [class] = ones[..] else { return None };
    (target.len() > 1 && target.iter().filter(|t| **t == 0.0).count() + 1 == target.len()).then_some(class)
}
