//! Mistakes about a tensor that is used several times: its gradient is the sum over its uses.

use super::super::plan::{Change, Edit};
use super::super::planting::{Planted, Wanted, Way};
use super::super::site::Subject;
use crate::network::{Id, Op, Role};

/// The backward ops of tensors that are used several times: the number of the op, x, and the y of each use.
fn shared(subject: &Subject<'_>) -> Vec<(usize, Id, Vec<Id>)> {
    let several = |(number, op): (usize, &Op)| {
        let Role::Gradient(of) = subject.network.tensor(op.output).role else { return None };
        let uses: Vec<Id> = subject.sites_of(number).iter().map(|site| site.y).collect();
        (uses.len() > 1 && uses.len() == op.parts.len()).then_some((number, of, uses))
    };
    subject.backward_ops().filter_map(several).collect()
}

/// The layers of the uses, if they are different ones.
fn layers(subject: &Subject<'_>, uses: &[Id]) -> Option<Vec<usize>> {
    let layers: Vec<usize> = uses.iter().map(|y| subject.network.tensor(*y).layer).collect::<Option<_>>()?;
    layers.iter().any(|layer| *layer != layers[0]).then_some(layers)
}

/// The parts of the uses that are kept.
fn kept(op: usize, uses: usize, is_kept: impl Fn(usize) -> bool) -> Edit {
    Edit::sample(op, Change::Keep((0..uses).filter(|n| is_kept(*n)).collect()))
}

/// One of the branches of a skip connection passes no error back.
pub fn skip_forgotten(wanted: &Wanted<'_>) -> Vec<Planted> {
    let subject = &wanted.subject;
    let mut planted = Vec::new();
    for (number, of, uses) in shared(subject) {
        let Some(layers) = layers(subject, &uses) else { continue };
        let mut seen: Vec<usize> = Vec::new();
        for layer in &layers {
            if seen.contains(layer) {
                continue;
            }
            seen.push(*layer);
            let edit = kept(number, uses.len(), |n| layers[n] != *layer);
            let name = subject.network.layers()[*layer].name.to_string();
            let at = if subject.network.tensor(of).layer.is_some() { subject.place_of(of) } else { "input".to_owned() };
            planted.push(Way::variant(name.clone(), format!(", the one through {name}"), [edit]).at(vec![at]));
        }
    }
    planted
}

/// One of the uses of a graph's tensor is forgotten.
pub fn forgotten(wanted: &Wanted<'_>) -> Vec<Planted> {
    let subject = &wanted.subject;
    if subject.has_layers() {
        return Vec::new();
    }
    let mut planted = Vec::new();
    for (number, of, uses) in shared(subject) {
        for (use_number, y) in uses.iter().enumerate().take(MAX_USES) {
            let edit = kept(number, uses.len(), |n| n != use_number);
            let name = subject.network.tensor(*y).name.to_string();
            planted
                .push(Way::variant(name.clone(), format!(" is forgotten: the one through {name}"), [edit]).at(vec![subject.place_of(of)]));
        }
    }
    planted
}

/// The largest number of uses of one tensor that are left out one by one.
const MAX_USES: usize = 64;

/// Of a graph's tensor that is used in each turn of a loop only the gradient of the last turn is left, or of the first.
pub fn overwritten_per_turn(wanted: &Wanted<'_>) -> Vec<Planted> {
    let subject = &wanted.subject;
    if subject.has_layers() {
        return Vec::new();
    }
    let mut planted = Vec::new();
    for (number, of, uses) in shared(subject) {
        let at = vec![subject.place_of(of)];
        // the uses are in the order of the forward pass; a backward pass ends with the first one
        let only = |kept_use: usize| kept(number, uses.len(), |n| n == kept_use);
        planted.push(Way::variant("first", ": the first turn's is left", [only(0)]).at(at.clone()));
        planted.push(Way::variant("last", ": the last turn's is left", [only(uses.len() - 1)]).at(at));
    }
    planted
}
