//! Patterns of the places: where the wrong entries are.

use std::collections::HashSet;

use super::numbers::FoundPattern;
use super::{Pattern, WrongValues};
use crate::diff::gradient::{Gradient, LossOf};
use crate::diff::report::{Report, Status};
use crate::network::{Id, Network, Role};
use crate::step::Pass;
use crate::tensor::{index_text, unravel};
use crate::trace::Trace;

/// The smallest number of wrong tensors of one sample that is not taken for an accident.
const FEW: usize = 2;
/// A pattern is reported only if its places would contain all wrong entries by chance with at most this probability.
const MAX_CHANCE: f64 = 0.01;

/// Returns the probability that `wrong` of `all` places, chosen at random, are all among `inside` of them: C(inside, wrong) / C(all, wrong).
///
/// Two wrong entries of an image of 6 x 6 are at its border with the probability 20/36 · 19/35 = 0.30, twelve of them with 1e-4.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
fn chance(all: usize, inside: usize, wrong: usize) -> f64 {
    (0..wrong).map(|n| inside.saturating_sub(n) as f64 / (all - n) as f64).product()
}

/// Returns whether an entry shows that its place is right or wrong. An entry that is 0 in both tensors does not: with most mistakes it stays 0.
fn is_evidence(wrong: &WrongValues<'_>, at: usize) -> bool {
    wrong.right[at] != 0.0 || wrong.user[at] != 0.0
}

/// Returns the first pattern that the places of the wrong entries have.
pub(super) fn find(wrong: &WrongValues<'_>, gradient: Gradient) -> Option<FoundPattern> {
    if wrong.places.len() == wrong.right.len() {
        return None;
    }
    by_sign(wrong, gradient).or_else(|| one_entry(wrong)).or_else(|| slice(wrong)).or_else(|| border(wrong))
}

fn one_entry(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let [at] = *wrong.places else { return None };
    let index = unravel(at, wrong.shape);
    let which = match wrong.shape {
        [n] if at == 0 => format!("only the first of {n} entries is wrong"),
        [n] if at + 1 == *n => format!("only the last of {n} entries is wrong"),
        _ => format!("only the entry {} is wrong", index_text(&index)),
    };
    Some(("one-entry", which))
}

/// The wrong entries are all in one slice along an axis, such as the last filter.
fn slice(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let shape = wrong.shape;
    let all = (0..wrong.right.len()).filter(|at| is_evidence(wrong, *at)).count();
    for axis in (0..shape.len()).filter(|axis| shape[*axis] > 1) {
        let slices: HashSet<usize> = wrong.places.iter().map(|at| unravel(*at, shape)[axis]).collect();
        let Some(&only) = slices.iter().next().filter(|_| slices.len() == 1) else { continue };
        let inside = (0..wrong.right.len()).filter(|at| is_evidence(wrong, *at) && unravel(*at, shape)[axis] == only).count();
        // the probability is multiplied by the number of slices, because any slice would be a pattern
        #[allow(clippy::cast_precision_loss)] // a size
        if shape[axis] as f64 * chance(all, inside, wrong.places.len()) > MAX_CHANCE {
            continue;
        }
        let ordinal = match only {
            0 => "first ".to_owned(),
            _ if only + 1 == shape[axis] => "last ".to_owned(),
            _ => String::new(),
        };
        let number = if ordinal.is_empty() { format!(" {only}") } else { String::new() };
        let what = match (shape.len(), axis) {
            (4, 0) => "filter",
            (4 | 3, _) if axis + 3 == shape.len() => "channel",
            (2.., _) if axis + 2 == shape.len() => "row",
            (2.., _) if axis + 1 == shape.len() => "column",
            _ => "part",
        };
        return Some(("only-slice", format!("only the {ordinal}{what}{number} is wrong (index {only} of axis {axis})")));
    }
    None
}

/// The wrong entries are all at the border of the image.
fn border(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let [.., rows, columns] = *wrong.shape else { return None };
    let is_at_border = |at: &usize| {
        let index = unravel(*at, wrong.shape);
        let (row, column) = (index[index.len() - 2], index[index.len() - 1]);
        row == 0 || row + 1 == rows || column == 0 || column + 1 == columns
    };
    let all: Vec<usize> = (0..wrong.right.len()).filter(|at| is_evidence(wrong, *at)).collect();
    let at_border = all.iter().filter(|at| is_at_border(at)).count();
    let is_sure = rows > 2 && columns > 2 && chance(all.len(), at_border, wrong.places.len()) <= MAX_CHANCE;
    (is_sure && wrong.places.iter().all(is_at_border)).then(|| ("only-border", "only entries at the border are wrong".to_owned()))
}

/// The input z of an activation is ≤ 0 at all wrong entries, or > 0 at all of them.
fn by_sign(wrong: &WrongValues<'_>, gradient: Gradient) -> Option<FoundPattern> {
    let trace = wrong.trace;
    let run = match gradient.loss {
        LossOf::Sample(run) => run,
        LossOf::Batch if trace.samples() == 1 => 0,
        LossOf::Batch => return None,
    };
    let network = trace.network();
    for z in activations(network, gradient.of) {
        let values = trace.run(run).values(z);
        // one value of z for each entry, or for each row of a matrix of weights
        let entries_per_value = match wrong.right.len().checked_div(values.len()) {
            Some(entries_per_value) if entries_per_value * values.len() == wrong.right.len() => entries_per_value,
            _ => continue,
        };
        let wrong_rows: HashSet<usize> = wrong.places.iter().map(|at| at / entries_per_value).collect();
        let rows: HashSet<usize> = (0..wrong.right.len()).filter(|at| is_evidence(wrong, *at)).map(|at| at / entries_per_value).collect();
        for (has_sign, words) in [((|z: f64| z <= 0.0) as fn(f64) -> bool, "≤ 0"), (|z| z > 0.0, "> 0")] {
            let with_sign = rows.iter().filter(|row| has_sign(values[**row])).count();
            let all_have_sign = wrong_rows.iter().all(|row| has_sign(values[*row]));
            // the probability is doubled, because either sign would be a pattern
            let is_sure = 2.0 * chance(rows.len(), with_sign, wrong_rows.len()) <= MAX_CHANCE;
            if all_have_sign && is_sure {
                return Some(("only-where", format!("wrong only where {} {words}", network.tensor(z).name)));
            }
        }
    }
    None
}

/// The inputs of activations near a tensor: the tensor itself, if an activation reads it, and the input of the activation that computes it. For a parameter:
/// the output of its layer, if an activation reads this output.
fn activations(network: &Network, of: Id) -> Vec<Id> {
    let is_forward = |op: usize| network.ops()[op].pass == Pass::Forward;
    let readers = |id: Id| network.readers(id).iter().map(|reader| reader.op).filter(|op| is_forward(*op)).collect::<Vec<_>>();
    let shape = |id: Id| &network.tensor(id).shape;
    // an op whose only operand has the shape of its output
    let is_activation = |op: usize| {
        let op = &network.ops()[op];
        let reads: Vec<Id> =
            op.parts.iter().flat_map(|part| part.operands.each()).map(|(_, id)| id).filter(|id| *id != op.output).collect();
        matches!(reads[..], [z] if shape(z) == shape(op.output))
    };
    let mut found = Vec::new();
    if network.tensor(of).role == Role::Parameter {
        let outputs = readers(of).into_iter().map(|op| network.ops()[op].output);
        found.extend(outputs.filter(|z| shape(*z).first() == shape(of).first() && readers(*z).into_iter().any(is_activation)));
        return found;
    }
    if readers(of).into_iter().any(is_activation) {
        found.push(of);
    }
    if let Some(op) = network.producer(of).filter(|op| is_activation(*op)) {
        found.extend(network.ops()[op].parts.iter().flat_map(|part| part.operands.each()).map(|(_, id)| id).filter(|id| *id != of));
    }
    found
}

/// Only the gradients of one of several samples are wrong.
pub(super) fn one_sample(trace: &Trace, report: &Report) -> Option<Pattern> {
    let of_sample = |status: fn(Status) -> bool| {
        let tensors = report.tensors.iter().enumerate().filter(move |(_, tensor)| status(tensor.status));
        tensors.filter_map(|(n, tensor)| if let LossOf::Sample(run) = tensor.gradient.loss { Some((n, run)) } else { None })
    };
    let wrong: Vec<(usize, usize)> = of_sample(|status| status == Status::Different).collect();
    let &(tensor, run) = wrong.first()?;
    let has_others = of_sample(|status| status == Status::Equal).any(|(_, other)| other != run);
    let number = trace.runs()[run].sample? + 1;
    let is_one = wrong.iter().all(|(_, other)| *other == run) && has_others && wrong.len() >= FEW;
    is_one.then(|| Pattern {
        tensor,
        id: "only-sample",
        words: format!("of the samples, only sample {number} has wrong gradients"),
        explains: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_places_may_be_an_accident() {
        assert!((chance(36, 20, 2) - 0.301_587).abs() < 1e-6);
        assert!((chance(5, 2, 2) - 0.1).abs() < 1e-12 && (chance(10, 5, 5) - 1.0 / 252.0).abs() < 1e-12);
        // all places are inside; there are more wrong places than places inside; there is no wrong place
        assert!((chance(9, 9, 4) - 1.0).abs() < 1e-12 && chance(9, 3, 4) < 1e-12 && (chance(9, 3, 0) - 1.0).abs() < 1e-12);
    }
}
