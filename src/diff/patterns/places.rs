//! Patterns of the places: where the wrong entries are.

use std::collections::HashSet;

use super::numbers::Found;
use super::{Pattern, Wrong};
use crate::diff::gradient::{Gradient, LossOf};
use crate::diff::report::{Report, Status};
use crate::network::{Id, Network, Role};
use crate::step::Pass;
use crate::tensor::{index_text, unravel};
use crate::trace::Trace;

/// The smallest number of wrong entries whose places can be no accident.
const FEW: usize = 2;

/// Returns the first pattern that the places of the wrong entries have.
pub(super) fn find(wrong: &Wrong<'_>, gradient: Gradient) -> Option<Found> {
    if wrong.places.len() == wrong.right.len() {
        return None;
    }
    by_sign(wrong, gradient).or_else(|| one_entry(wrong)).or_else(|| slice(wrong)).or_else(|| border(wrong))
}

fn one_entry(wrong: &Wrong<'_>) -> Option<Found> {
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
fn slice(wrong: &Wrong<'_>) -> Option<Found> {
    let shape = wrong.shape;
    if wrong.places.len() < FEW {
        return None;
    }
    for axis in (0..shape.len()).filter(|axis| shape[*axis] > 1) {
        let slices: HashSet<usize> = wrong.places.iter().map(|at| unravel(*at, shape)[axis]).collect();
        let Some(&only) = slices.iter().next().filter(|_| slices.len() == 1) else { continue };
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
fn border(wrong: &Wrong<'_>) -> Option<Found> {
    let [.., rows, columns] = *wrong.shape else { return None };
    let is_at_border = |at: &usize| {
        let index = unravel(*at, wrong.shape);
        let (row, column) = (index[index.len() - 2], index[index.len() - 1]);
        row == 0 || row + 1 == rows || column == 0 || column + 1 == columns
    };
    let has_inside = rows > 2 && columns > 2 && wrong.places.len() >= FEW;
    (has_inside && wrong.places.iter().all(is_at_border)).then(|| ("only-border", "only entries at the border are wrong".to_owned()))
}

/// The wrong entries are those at which the input of an activation is not positive, or positive.
fn by_sign(wrong: &Wrong<'_>, gradient: Gradient) -> Option<Found> {
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
        let per = match wrong.right.len().checked_div(values.len()) {
            Some(per) if per * values.len() == wrong.right.len() => per,
            _ => continue,
        };
        let wrong_rows: HashSet<usize> = wrong.places.iter().map(|at| at / per).collect();
        for (is_wanted, words) in [((|z: f64| z <= 0.0) as fn(f64) -> bool, "≤ 0"), (|z| z > 0.0, "> 0")] {
            let wanted = values.iter().filter(|z| is_wanted(**z)).count();
            let all_wanted = wrong_rows.iter().all(|row| is_wanted(values[*row]));
            // of few wrong entries, many would be on one side by accident
            let is_sure = wrong_rows.len() >= 5 || wrong_rows.len() == wanted && wanted >= FEW;
            // elsewhere numbers must be right that are not 0: behind a ReLU, all numbers at z ≤ 0 are
            let is_right = |(at, right): (usize, &f64)| !is_wanted(values[at / per]) && *right != 0.0;
            if all_wanted && is_sure && wrong.right.iter().enumerate().any(is_right) {
                return Some(("only-where", format!("wrong only where {} {words}", network.tensor(z).name)));
            }
        }
    }
    None
}

/// The inputs of activations that are near a tensor: the tensor itself, what is computed from it, what it is computed from, and for a parameter the output of
/// its layer.
fn activations(network: &Network, of: Id) -> Vec<Id> {
    let is_forward = |op: usize| network.ops()[op].pass == Pass::Forward;
    let readers = |id: Id| network.readers(id).iter().map(|reader| reader.op).filter(|op| is_forward(*op)).collect::<Vec<_>>();
    let shape = |id: Id| &network.tensor(id).shape;
    // an op that reads one tensor of its own shape, entry by entry
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
    let number = trace.sample_runs()[run].sample? + 1;
    let is_one = wrong.iter().all(|(_, other)| *other == run) && has_others && wrong.len() >= FEW;
    is_one.then(|| Pattern { tensor, id: "only-sample", words: format!("of the samples, only sample {number} has wrong gradients") })
}
