//! Mistakes in the gradient 2 λ w of the penalty λ Σ w².

use std::sync::Arc;

use super::super::plan::{OpChange, Ops, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::wrong_rule::{scaled, with_terms};
use super::scale::parameter_ops;
use crate::network::Id;
use crate::op::rule::{Operands, Rule, Term, constant};
use crate::op::slot::Slot;

/// The gradient λ sign(w) of the penalty λ Σ |w| by the weight `at`, as one term. It is computed from 2 λ w, the gradient of the penalty λ Σ w².
fn sign_of_weight(rule: &dyn Rule, x: &Operands<'_>, at: usize) -> Vec<Term> {
    let weight = x.get(Slot::Input(0), at).abs();
    let right = rule.term(x, at, 0).value;
    let value = if weight == 0.0 { 0.0 } else { right / (2.0 * weight) };
    vec![Term::product([constant(value)].into_iter().collect())]
}

/// The gradient of the penalty is left out, has another factor, or is that of λ Σ |w|: in all weights, or only in the wrong one.
pub fn wrong(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    let (trace, samples) = (iteration.trace, iteration.trace.samples());
    let Some(batch) = trace.batch_network() else { return Vec::new() };
    // an op has one part for each sample; the parts after them are those of the penalty
    let parts = |op: usize| samples..batch.ops()[op].parts.len();
    let ops: Vec<(usize, Id)> = parameter_ops(iteration)
        .into_iter()
        .filter(|(ops, op, _)| *ops == Ops::Batch && !parts(*op).is_empty())
        .map(|(_, op, of)| (op, of))
        .collect();
    let of_wrong: Vec<(usize, Id)> = ops.iter().copied().filter(|(_, of)| *of == wrong_tensor.of).collect();
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
    let n = samples as f64;
    let of_samples = [("divided", " is divided by the number of samples", 1.0 / n), ("per-sample", " is added once for each sample", n)];
    let mut planted = Vec::new();
    let name = &iteration.network.tensor(wrong_tensor.of).name;
    // the name in `at` replaces `{}` when the sentence is printed
    for (place, at, ops) in [(String::new(), Vec::new(), &ops), (" of {}".to_owned(), vec![name.to_string()], &of_wrong)] {
        if ops.is_empty() {
            continue;
        }
        let missing = ops.iter().map(|(op, _)| PassChange::Op(Ops::Batch, *op, OpChange::Keep((0..samples).collect()))).collect::<Vec<_>>();
        planted.push(Variant::named("missing", format!("{place} is missing"), missing).at(at.clone()));
        let of_l1: Vec<PassChange> = ops
            .iter()
            .map(|(op, _)| PassChange::Op(Ops::Batch, *op, OpChange::Parts(parts(*op), Arc::new(|rule| with_terms(rule, sign_of_weight)))))
            .collect();
        planted.push(Variant::named("of-l1", format!("{place} is λ times the sign of w, as for a penalty λ |w|"), of_l1).at(at.clone()));
        for (name, words, factor) in [("half", " has no factor 2", 0.5)].into_iter().chain(of_samples.into_iter().filter(|_| samples > 1)) {
            let scale = |(op, _): &(usize, Id)| {
                PassChange::Op(Ops::Batch, *op, OpChange::Parts(parts(*op), Arc::new(move |rule| scaled(rule, factor))))
            };
            planted.push(Variant::named(name, format!("{place}{words}"), ops.iter().map(scale).collect::<Vec<_>>()).at(at.clone()));
        }
    }
    planted
}
