//! Mistakes in graphs of tensors: broadcasts, lookups, products, powers, sums over axes.

use std::sync::Arc;

use super::super::planting::Variant;
use super::super::site::{RightIteration, Site};
use super::super::wrong_rule::{Instead, all_terms, moved, reading, scaled, with_terms};
use super::attention;
use super::factor::constant_factor;
use super::places::{count, last_two, upstream, upstream_place, upstream_times};
use crate::expr::SQRT;
use crate::network::Id;
use crate::op::avg_pool2d::reciprocal;
use crate::op::constant_weights::{ConstantWeightsRule, Weights};
use crate::op::contraction::Contraction;
use crate::op::copies::{CopiesOfInput, CopyKind};
use crate::op::downcast::downcast;
use crate::op::edges::{BilinearRule, View};
use crate::op::elementwise::{ElementwiseBackward, ElementwiseForward, ElementwiseOperand};
use crate::op::extremum::ExtremumGather;
use crate::op::functions::guarded::ROOT_OF_SQUARES;
use crate::op::functions::{MAX, MIN, RECIPROCAL, RSQRT, SQUARE};
use crate::op::gather::GatherRule;
use crate::op::lookup::LookupGather;
use crate::op::operator::Operator;
use crate::op::rule::{Operands, Rule, Term, constant};
use crate::op::slot::Slot::{Input, Output};
use crate::step::Pass;

/// The number of copies of each entry of an operand that is broadcast; `None` for an operand that is not.
fn copy_count(site: &Site<'_>) -> Option<usize> {
    let ElementwiseBackward { operation, slot, .. } = site.rule_as()?;
    operation.broadcast.as_ref().map(|broadcast| broadcast.reader_count(*slot)).filter(|copies| *copies > 1)
}

/// The gradient of a broadcast operand is the mean over its copies.
pub fn averaged(site: &Site<'_>) -> Vec<Variant> {
    copy_count(site).map(|copies| Variant::unnamed(site.with_rule(scaled(site.rule, reciprocal(copies))))).into_iter().collect()
}

/// The gradient of a broadcast operand is that of one of its copies; or, if the operand is computed from a sum over axes, the gradients of its copies are not
/// added up before they go back through this sum.
pub fn not_summed(site: &Site<'_>) -> Vec<Variant> {
    if copy_count(site).is_none() {
        return passed_on_unsummed(site).into_iter().collect();
    }
    let last = with_terms(site.rule, |rule, x, at| vec![rule.term(x, at, count(rule, x, at) - 1)]);
    let first = with_terms(site.rule, |rule, x, at| vec![rule.term(x, at, 0)]);
    let operand = &site.iteration.network.tensor(site.of).name;
    let only = |copy: &str| format!(": only that of the {copy} copy of {operand} is left");
    vec![Variant::named("last", only("last"), [site.with_rule(last)]), Variant::named("first", only("first"), [site.with_rule(first)])]
}

/// In y = x ∘ u, u is computed entry by entry from a sum s over axes of x, and is broadcast to the shape of x. The gradient of u is not summed over the
/// copies of u. So each entry of x gets only the share of its own copy.
fn passed_on_unsummed(site: &Site<'_>) -> Option<Variant> {
    let iteration = site.iteration;
    // `View` is that of `op/edges.rs`, not PyTorch's `view`: this rule computes the gradient of the sum's input
    site.rule_as::<ConstantWeightsRule<Contraction>>().filter(|rule| rule.view == View::Input && !iteration.has_layers())?;
    if iteration.len(site.y) == iteration.len(site.of) {
        return None;
    }
    // the loop goes from s to its only reader, then to the only reader of that, and so on, up to y. u is the last tensor with the size of s
    let mut u = site.y;
    let y = loop {
        let forward: Vec<_> =
            iteration.network.readers(u).iter().filter(|reader| iteration.network.ops()[reader.op].pass == Pass::Forward).collect();
        let [reader] = forward[..] else { return None };
        let op = &iteration.network.ops()[reader.op];
        downcast::<ElementwiseForward>(&op.parts[reader.part].rule)?;
        match iteration.len(op.output) {
            same if same == iteration.len(u) => u = op.output,
            _ if iteration.len(op.output) == iteration.len(site.of) => break op.output,
            _ => return None,
        }
    };
    let [gradient_of_sum, gradient_of_u] = [site.y, u].map(|id| iteration.network.gradient_of(id));
    let (gradient_of_sum, gradient_of_u) = (gradient_of_sum?, gradient_of_u?);
    let use_in_y = iteration.sites_of(iteration.network.producer(gradient_of_u)?).into_iter().find(|use_of_u| use_of_u.y == y)?;
    let rule = use_in_y.rule_as::<ElementwiseBackward>()?;
    let (broadcast, slot) = (rule.operation.broadcast.clone()?, rule.slot);
    // ∂u/∂s of each entry: the gradient of s divided by that of u. If both gradients are equal (both may be 0), it is 1
    let pairs = iteration.values(gradient_of_sum).iter().zip(iteration.values(gradient_of_u));
    let factors: Vec<f64> = pairs.map(|(sum, u)| if u.to_bits() == sum.to_bits() { 1.0 } else { sum / u }).collect();
    let unsummed = with_terms(use_in_y.rule, move |right, x, at| {
        let entry = broadcast.operand_entry(slot, at);
        let mut term = right.term(x, entry, broadcast.reader_rank(slot, at) as u64);
        term.args.push(constant(factors[entry]));
        term.value *= factors[entry];
        vec![term]
    });
    Some(Variant::named("passed-on", ": that of each copy goes back on its own", [site.with_part(unsummed, use_in_y.operands.clone())]))
}

/// Returns the gradient of a broadcast operand before it is summed over its copies: its shape, its numbers, and the y that reads the copies. `None` if it is
/// the sum of several uses, or not broadcast.
pub(in super::super) fn unsummed(iteration: &RightIteration<'_>, of: Id) -> Option<(Vec<usize>, Vec<f64>, Id)> {
    let sites = iteration.sites_of(iteration.network.producer(iteration.network.gradient_of(of)?)?);
    let [site] = sites.as_slice() else { return None };
    copy_count(site)?;
    let rule = site.rule_as::<ElementwiseBackward>()?;
    let (broadcast, slot) = (rule.operation.broadcast.clone()?, rule.slot);
    let tensors = site.operands.map(|id| iteration.values(id));
    let memo = site.rule.memo(&tensors);
    let x = Operands { tensors: tensors.reborrow(), memo: &memo };
    let value = |at: usize| site.rule.term(&x, broadcast.operand_entry(slot, at), broadcast.reader_rank(slot, at) as u64).value;
    Some((iteration.shape(site.y).to_vec(), (0..iteration.len(site.y)).map(value).collect(), site.y))
}

/// Whether a site's y copies entries of its operand, each perhaps several times: a lookup, a slice or a repetition.
fn reads_by_index(site: &Site<'_>) -> bool {
    let is_slice = |rule: &GatherRule<CopiesOfInput>| matches!(rule.gather.kind, CopyKind::Slice | CopyKind::Repeat | CopyKind::Expand);
    site.rule_as::<GatherRule<LookupGather>>().is_some() || site.rule_as::<GatherRule<CopiesOfInput>>().is_some_and(is_slice)
}

/// If an entry is read several times, only the gradient of the last use is left, or of the first.
pub fn index_overwritten(site: &Site<'_>) -> Vec<Variant> {
    if !reads_by_index(site) {
        return Vec::new();
    }
    let last = |rule: &dyn Rule, x: &Operands<'_>, at: usize| -> Vec<Term> { all_terms(rule, x, at).pop().into_iter().collect() };
    let first = |rule: &dyn Rule, x: &Operands<'_>, at: usize| -> Vec<Term> { all_terms(rule, x, at).into_iter().take(1).collect() };
    vec![
        Variant::unnamed(site.with_rule(with_terms(site.rule, last))),
        Variant::named("first", " by the first", [site.with_rule(with_terms(site.rule, first))]),
    ]
}

/// The derivative of a maximum or minimum over axes goes to all entries over which it is taken (a group, such as a row); or that of max(a, b) or min(a, b) goes
/// to both arguments.
pub fn max_to_all(site: &Site<'_>) -> Vec<Variant> {
    if let Some(rule) = site.rule_as::<GatherRule<ExtremumGather>>() {
        let groups = rule.gather.groups().clone();
        return vec![Variant::unnamed(site.with_rule(with_terms(site.rule, move |_, x, at| vec![upstream(x, groups.group_of(at).0)])))];
    }
    let is_extreme =
        |rule: &ElementwiseBackward| matches!(rule.operation.operator, Operator::Call(called) if [MAX, MIN].contains(&called.function));
    if !site.rule_as::<ElementwiseBackward>().is_some_and(is_extreme) || copy_count(site).is_some() {
        return Vec::new();
    }
    vec![Variant::named(
        "both-arguments",
        ": both arguments get it",
        [site.with_rule(with_terms(site.rule, |_, x, at| vec![upstream(x, at)]))],
    )]
}

/// The other slot of an operation on two tensors.
fn other_slot(rule: &ElementwiseBackward) -> Option<usize> {
    match rule.operation.operands[..] {
        [ElementwiseOperand::Input(a), ElementwiseOperand::Input(b)] if a != b => Some(if a == rule.slot { b } else { a }),
        _ => None,
    }
}

/// The derivatives of the two operands are exchanged.
pub fn operands_swapped(site: &Site<'_>) -> Vec<Variant> {
    let Some((_, op)) = site.forward() else { return Vec::new() };
    let inputs: Vec<usize> = op.parts.first().map_or_else(Vec::new, |part| part.operands.iter().copied().collect());
    let [a, b] = inputs[..] else { return Vec::new() };
    let (own, other) = if site.of == a { (a, b) } else { (b, a) };
    let mut variants = Vec::new();
    if let Some(rule) = site.rule_as::<ElementwiseBackward>() {
        let Some(other_slot) = other_slot(rule) else { return variants };
        let (operation, slot, operand) = (rule.operation.clone(), rule.slot, rule.operand);
        // the right derivative of a product is the other factor: the wrong one is the operand itself
        let wrong_derivative = match rule.operation.operator {
            Operator::Mul => |own: f64, _: f64, _: usize| own,
            Operator::Sub => |_: f64, _: f64, operand: usize| if operand == 0 { -1.0 } else { 1.0 },
            _ => return variants,
        };
        let place = move |slot: usize, at: usize| operation.broadcast.as_ref().map_or(at, |broadcast| broadcast.operand_entry(slot, at));
        let swapped = with_terms(site.rule, move |right, x, at| {
            let outputs = all_terms(right, x, at).into_iter().filter_map(|term| upstream_place(&term));
            let value = |output: usize| {
                let [own, other] = [slot, other_slot].map(|slot| x.get(Input(slot), place(slot, output)));
                wrong_derivative(own, other, operand)
            };
            outputs.map(|output| upstream_times(x, output, value(output))).collect()
        });
        variants.push(Variant::unnamed(site.with_rule(swapped)));
    } else if let Some(rule) = site.rule_as::<BilinearRule<Contraction>>() {
        let ([batch @ .., n, m], [other_batch @ .., p, q]) = (site.iteration.shape(own), site.iteration.shape(other)) else {
            return variants;
        };
        let [x, w, _] = rule.roles.slots();
        let slot = if rule.view == View::Weight { x } else { w };
        if batch == other_batch && (n, m) == (q, p) {
            // the transpose of the operand itself is read instead of the other operand: its entry (i, j), at i · n + j, is at j · m + i of the operand
            let transposed: Vec<usize> =
                (0..site.iteration.len(own)).map(|at| at / (n * m) * (n * m) + at % n * m + at % (n * m) / n).collect();
            let rule = reading(site.rule, slot, Instead::Places(transposed.into()));
            variants.push(Variant::named(
                "own-operand",
                ": the gradient of a factor is computed from this factor itself",
                [site.with_part(rule, site.operands.clone().with(slot, own))],
            ));
        }
        if batch.is_empty() && other_batch.is_empty() && (n, m) == (p, q) {
            let exchanged = site.iteration.sites().into_iter().find(|other_site| other_site.y == site.y && other_site.of == other);
            variants.extend(exchanged.map(|other| Variant::unnamed(site.with_rule(Arc::clone(other.rule)))));
        }
    }
    variants
}

/// A transpose is missing in the gradient of a product of matrices, or in that of a transpose.
pub fn transpose_missing(site: &Site<'_>) -> Vec<Variant> {
    if let Some(rule) = site.rule_as::<BilinearRule<Contraction>>().filter(|_| !site.iteration.has_layers()) {
        let [x, w, _] = rule.roles.slots();
        let slot = if rule.view == View::Weight { x } else { w };
        let shape = site.iteration.shape(site.operands[slot]);
        if !matches!(shape, [.., n, m] if n == m && *n > 1) || rule.view == View::Output {
            return Vec::new();
        }
        let transposed = last_two(shape, |[row, column], _| [column, row]);
        return vec![Variant::unnamed(site.with_rule(reading(site.rule, slot, Instead::Places(transposed))))];
    }
    if !site.rule_as::<GatherRule<CopiesOfInput>>().is_some_and(|rule| rule.gather.kind == CopyKind::Permute) {
        return Vec::new();
    }
    // the entries of the gradient keep their order in memory, as if it were reshaped and not transposed
    let reshaped = site.with_rule(with_terms(site.rule, |_, x, at| vec![upstream(x, at)]));
    let detail = if site.iteration.shape(site.of) == site.iteration.shape(site.y) { "" } else { ": its entries are only reshaped" };
    vec![Variant { name: Some("of-a-transpose".to_owned()), detail: detail.to_owned(), edits: vec![reshaped] }]
}

/// The exponent of a power, if the site differentiates it by its base.
fn exponent(site: &Site<'_>) -> Option<f64> {
    let rule = site.rule_as::<ElementwiseBackward>().filter(|rule| rule.operand == 0)?;
    let Operator::Call(called) = rule.operation.operator else { return None };
    if Operator::Call(called) == Operator::POW {
        return match rule.operation.operands[1] {
            ElementwiseOperand::Constant(exponent) => Some(exponent),
            ElementwiseOperand::Input(_) => None,
        };
    }
    [(SQUARE, 2.0), (SQRT, 0.5), (ROOT_OF_SQUARES, 0.5), (RECIPROCAL, -1.0), (RSQRT, -0.5)]
        .into_iter()
        .find(|(function, _)| *function == called.function)
        .map(|(_, n)| n)
}

/// The derivative of a power has a wrong exponent, or lacks its factor; or the divisor of a quotient is not squared.
pub fn power(site: &Site<'_>) -> Vec<Variant> {
    if let Some(n) = exponent(site) {
        let with_formula = |factor: f64, exponent: f64| {
            site.with_rule(with_terms(site.rule, move |_, x, at| {
                vec![upstream_times(x, at, factor * libm::pow(x.get(Input(0), at), exponent))]
            }))
        };
        let mut variants = vec![
            Variant::named("exponent-kept", ": the exponent is not lowered", [with_formula(n, n)]),
            Variant::named("exponent-raised", ": the exponent is raised instead of lowered", [with_formula(n, n + 1.0)]),
        ];
        // a square is a squared error of the loss if each op that reads it, such as a sum, computes a single number. If its factor 2 is missing, the mistake is
        // `factor-two-missing`
        let network = site.iteration.network;
        let mut forward = network.readers(site.y).iter().map(|reader| &network.ops()[reader.op]).filter(|op| op.pass == Pass::Forward);
        let is_squared_error = n.to_bits() == 2.0_f64.to_bits() && forward.all(|op| site.iteration.len(op.output) == 1);
        if !is_squared_error {
            variants.push(Variant::named("factor-missing", ": the exponent is missing as a factor", [with_formula(1.0, n - 1.0)]));
        }
        return variants;
    }
    let is_divisor = |rule: &&ElementwiseBackward| rule.operand == 1 && rule.operation.operator == Operator::DIV;
    let Some(rule) = site.rule_as::<ElementwiseBackward>().filter(is_divisor) else { return Vec::new() };
    let (operation, slot) = (rule.operation.clone(), rule.slot);
    // −a/b instead of −a/b²
    let wrong = with_terms(site.rule, move |right, x, at| {
        let nth_reader = |n: usize| operation.broadcast.as_ref().map_or(at, |broadcast| broadcast.reader(slot, at, n));
        (0..all_terms(right, x, at).len()).map(nth_reader).map(|output| upstream_times(x, output, -x.get(Output, output))).collect()
    });
    vec![Variant::named("of-a-divisor", ": the divisor is not squared", [site.with_rule(wrong)])]
}

/// A sum over an axis goes along the wrong one of two axes of the same size.
pub fn keepdim_lost(site: &Site<'_>) -> Vec<Variant> {
    let transposed_places = |shape: &[usize]| -> Option<Arc<[usize]>> {
        let [.., rows, columns] = *shape else { return None };
        (rows == columns && rows > 1).then(|| last_two(shape, |[row, column], _| [column, row]))
    };
    if copy_count(site).is_some() {
        let shape = site.iteration.shape(site.y);
        let (Some(places), Some(rule)) = (transposed_places(shape), site.rule_as::<ElementwiseBackward>()) else { return Vec::new() };
        let (Some(broadcast), slot) = (rule.operation.broadcast.clone(), rule.slot) else { return Vec::new() };
        // the terms of the entries of y in the same column instead of the same row
        let exchanged = with_terms(site.rule, move |right, x, at| {
            let outputs = (0..broadcast.reader_count(slot)).map(|n| places[broadcast.reader(slot, at, n)]);
            outputs.map(|output| right.term(x, broadcast.operand_entry(slot, output), broadcast.reader_rank(slot, output) as u64)).collect()
        });
        return vec![Variant::unnamed(site.with_rule(exchanged))];
    }
    let is_sum = |rule: &ConstantWeightsRule<Contraction>| rule.view == View::Input && !matches!(rule.weights(), Weights::Copy);
    if !site.rule_as::<ConstantWeightsRule<Contraction>>().is_some_and(is_sum) || site.iteration.has_layers() {
        return Vec::new();
    }
    let has_several_sums = site.iteration.len(site.y) > 1 && site.iteration.len(site.y) < site.iteration.len(site.of);
    let places = transposed_places(site.iteration.shape(site.of)).filter(|_| has_several_sums);
    places.map(|places| Variant::named("of-a-sum", "", [site.with_rule(moved(site.rule, places))])).into_iter().collect()
}

/// A constant factor of the forward pass is missing in the backward pass.
pub fn scale_missing(site: &Site<'_>) -> Vec<Variant> {
    let factor = constant_factor(site).filter(|factor| *factor != 1.0 && *factor != 0.0 && !attention::is_scale(site));
    factor.map(|_| Variant::unnamed(site.with_rule(with_terms(site.rule, |_, x, at| vec![upstream(x, at)])))).into_iter().collect()
}

/// The derivative of a mean over all entries is that of their sum.
pub fn sum_instead_of_mean(site: &Site<'_>) -> Vec<Variant> {
    let Some(factor) = constant_factor(site).filter(|_| site.iteration.len(site.of) == 1) else { return Vec::new() };
    let Some((_, op)) = site.iteration.producer(site.of) else { return Vec::new() };
    let Some(summed) = op.parts.first().and_then(|part| part.operands.get(Input(0))) else { return Vec::new() };
    #[allow(clippy::cast_precision_loss)] // no tensor has 2⁵³ entries
    let n = site.iteration.len(summed) as f64;
    // the factor of a mean is ±1/n
    if n < 2.0 || (factor.abs() * n - 1.0).abs() > 1e-12 {
        return Vec::new();
    }
    // the name of y replaces `{}` when the sentence is printed
    vec![Variant::named("outputs", ", where {} is the mean", [site.with_rule(scaled(site.rule, n))])]
}
