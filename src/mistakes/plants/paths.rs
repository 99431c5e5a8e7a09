//! Mistakes about a tensor that is used several times: its gradient is the sum over its uses.

use std::any::{Any, TypeId};

use super::super::plan::{OpChange, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::site::{RightIteration, Site};
use crate::network::{Id, Op, Part, Role};
use crate::op::downcast::downcast;
use crate::op::elementwise::ElementwiseForward;
use crate::op::operator::Operator;
use crate::op::slot::Slot;
use crate::step::Pass;

/// For each tensor that is used several times: the number of its backward op, the tensor, and its uses.
fn shared<'a>(iteration: &RightIteration<'a>) -> Vec<(usize, Id, Vec<Site<'a>>)> {
    let several = |(number, op): (usize, &Op)| {
        let Role::Gradient(of) = iteration.network.tensor(op.output).role else { return None };
        let uses = iteration.sites_of(number);
        // only ∂J/∂J has a part that is no use
        (uses.len() > 1 && uses.len() == op.parts.len()).then_some((number, of, uses))
    };
    iteration.backward_ops().filter_map(several).collect()
}

/// The change that leaves an op of `parts` parts only the parts for which `is_kept` is `true`.
fn kept(op: usize, parts: usize, is_kept: impl Fn(usize) -> bool) -> PassChange {
    PassChange::sample(op, OpChange::Keep((0..parts).filter(|n| is_kept(*n)).collect()))
}

/// The layer of a site's y.
fn layer(site: &Site<'_>) -> Option<usize> {
    site.iteration.network.tensor(site.y).layer
}

/// A branch of a skip connection passes no error back: a summand of an `add` layer, or one of several layers that read the same layer.
pub fn skip_forgotten(site: &Site<'_>) -> Vec<Variant> {
    if !is_on_branch(site) {
        return Vec::new();
    }
    // all parts through the site's layer are left out together, such as the three paths through a norm
    let uses = site.iteration.sites_of(site.op);
    let parts = site.iteration.network.ops()[site.op].parts.len();
    let edit = kept(site.op, parts, |n| uses.get(n).is_none_or(|other| layer(other) != layer(site)));
    let name = site.iteration.place_of(site.of);
    vec![Variant::named(name.clone(), format!(", that to {name}"), [edit])]
}

/// A branch of a skip connection passes its error back twice.
pub fn skip_twice(site: &Site<'_>) -> Vec<Variant> {
    if !is_on_branch(site) {
        return Vec::new();
    }
    let parts = &site.iteration.network.ops()[site.op].parts;
    let uses = site.iteration.sites_of(site.op).into_iter().filter(|other| layer(other) == layer(site));
    let edits: Vec<PassChange> = uses.map(|other| PassChange::sample(site.op, OpChange::Add(parts[other.part].clone()))).collect();
    let name = site.iteration.place_of(site.of);
    vec![Variant::named(name.clone(), format!(", that to {name}"), edits)]
}

/// Whether a site is on a branch: a summand of an `add` layer, or one of several layers that read the same layer.
fn is_on_branch(site: &Site<'_>) -> bool {
    let iteration = site.iteration;
    let is_of_layers = |parts: &[Part]| {
        let inputs: Vec<Option<Id>> = parts.iter().map(|part| part.operands.get(Slot::Input(0))).collect();
        let is_outside = |id: &Option<Id>| {
            id.is_some_and(|id| iteration.network.tensor(id).layer != layer(site) && iteration.network.tensor(id).role != Role::Parameter)
        };
        inputs.len() > 1 && inputs.iter().all(is_outside)
    };
    let is_summand = site.forward().is_some_and(|(_, op)| is_of_layers(&op.parts));
    let uses = iteration.sites_of(site.op);
    let is_branch = uses.len() > 1 && uses.iter().any(|other| layer(other) != layer(site));
    layer(site).is_some() && (is_summand || is_branch)
}

/// Similar uses: they have the same type of rule, and read the same parameters.
type UseKind = (TypeId, Vec<Id>);

/// The n-th of the similar uses of a tensor.
type NthOfKind = (UseKind, usize);

fn kind(site: &Site<'_>) -> UseKind {
    let is_parameter = |id: &Id| *id != site.of && site.iteration.network.tensor(*id).role.is_learnable();
    ((site.rule.as_ref() as &dyn Any).type_id(), site.operands.iter().copied().filter(is_parameter).collect())
}

/// A use of a graph's tensor is forgotten: one use, the same use in each turn of a loop, or all uses in the next turn.
pub fn forgotten(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    if iteration.has_layers() {
        return Vec::new();
    }
    let mut planted = truncated(iteration);
    // the first of the similar uses of a tensor is the same use in each turn of a loop; so is the second, and so on
    let mut by_kind: Vec<(NthOfKind, Vec<(PassChange, String)>)> = Vec::new();
    for (number, of, uses) in shared(iteration) {
        for (use_number, site) in uses.iter().enumerate().take(MAX_USES) {
            let edit = kept(number, uses.len(), |n| n != use_number);
            let name = iteration.network.tensor(site.y).name.to_string();
            // the two uses of z in z · z are also left out together
            if uses[..use_number].iter().any(|other| other.y == site.y) {
                let both = kept(number, uses.len(), |n| uses[n].y != site.y);
                let detail = format!(" through {name}");
                planted.push(Variant::named(name.clone(), detail, [both]).at(vec![iteration.place_of(of)]));
            }
            let own_kind = kind(site);
            let nth = uses[..use_number].iter().filter(|other| kind(other) == own_kind).count();
            let own = (own_kind, nth);
            let index = by_kind.iter().position(|(known, _)| *known == own).unwrap_or_else(|| {
                by_kind.push((own, Vec::new()));
                by_kind.len() - 1
            });
            by_kind[index].1.push((edit.clone(), iteration.place_of(of)));
            planted.push(Variant::named(name.clone(), format!(" through {name}"), [edit]).at(vec![iteration.place_of(of)]));
        }
    }
    for (_, alike) in by_kind.into_iter().filter(|(_, alike)| alike.len() > 1) {
        let (edits, at): (Vec<PassChange>, Vec<String>) = alike.into_iter().unzip();
        planted.push(Variant::named("each-turn", " of the same use in each turn", edits).at(at));
    }
    planted
}

/// A use of a graph's tensor is counted twice.
pub fn counted_twice(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    if iteration.has_layers() {
        return Vec::new();
    }
    let mut planted = Vec::new();
    for (number, of, uses) in shared(iteration) {
        for site in uses.iter().take(MAX_USES) {
            let name = iteration.network.tensor(site.y).name.to_string();
            let part = iteration.network.ops()[number].parts[site.part].clone();
            let detail = format!(" through {name}");
            planted.push(Variant::named(name, detail, [PassChange::sample(number, OpChange::Add(part))]).at(vec![iteration.place_of(of)]));
        }
    }
    planted
}

/// The largest number of uses of a tensor that are left out or counted twice, each in turn, and of the lengths of a truncated loop that are tried.
const MAX_USES: usize = 64;

/// The gradients of two parameters of the same shape are exchanged.
pub fn exchanged(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let (iteration, own) = (&wrong_tensor.iteration, wrong_tensor.of);
    let network = iteration.network;
    if !network.tensor(own).role.is_learnable() {
        return Vec::new();
    }
    let same_shape = network.learnable().filter(|other| *other != own && iteration.shape(*other) == iteration.shape(own));
    let planted = same_shape.filter_map(|other| {
        let edit = PassChange::Exchange(network.gradient_of(own)?, network.gradient_of(other)?);
        let at = [own.min(other), own.max(other)].map(|of| network.tensor(of).name.to_string());
        Some(Variant::unnamed(edit).at(at.to_vec()))
    });
    planted.collect()
}

/// Whether a graph's tensor depends on another one.
fn depends(iteration: &RightIteration<'_>, id: Id, on: Id) -> bool {
    let mut reached = vec![false; iteration.network.tensors().len()];
    reached[on] = true;
    for op in iteration.network.ops().iter().filter(|op| op.pass == Pass::Forward) {
        reached[op.output] |= op.parts.iter().any(|part| part.operands.iter().any(|read| reached[*read]));
    }
    reached[id]
}

/// If a graph's tensor is used in each turn of a loop: only the gradient of the last turn is left, or of the first.
pub fn overwritten_per_turn(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let iteration = &wrong_tensor.iteration;
    if iteration.has_layers() {
        return Vec::new();
    }
    let mut planted = Vec::new();
    // the changes and the places of the variants "first" and "last", for all tensors together
    let mut of_all: [(Vec<PassChange>, Vec<String>); 2] = Default::default();
    for (number, of, uses) in shared(iteration) {
        let (first, last) = (&uses[0], &uses[uses.len() - 1]);
        let are_alike =
            uses.iter().enumerate().all(|(n, site)| kind(site).0 == kind(first).0 && uses[..n].iter().all(|other| other.y != site.y));
        // more than two similar uses are taken for the turns of a loop; two are, only if the second use depends on the first
        let are_turns = are_alike && (uses.len() > 2 || depends(iteration, last.y, first.y));
        if !are_turns {
            continue;
        }
        // the uses are in the order of the forward pass, and the backward pass comes to the first use last: if uses overwrite each other, the first is left
        for (n, (kept_use, name)) in [(0, "first"), (uses.len() - 1, "last")].into_iter().enumerate() {
            let edit = kept(number, uses.len(), |use_number| use_number == kept_use);
            of_all[n].0.push(edit.clone());
            of_all[n].1.push(iteration.place_of(of));
            planted.push(Variant::named(name, format!(": only that of the {name} use is left"), [edit]).at(vec![iteration.place_of(of)]));
        }
    }
    for ((edits, at), name) in of_all.into_iter().zip(["first", "last"]).filter(|((edits, _), _)| edits.len() > 1) {
        planted.push(Variant::named(name, format!(": only that of the {name} use is left"), edits).at(at));
    }
    planted
}

/// A use of a loop's tensor in the turn after the one that computes the tensor.
struct Carried {
    /// The number of the turn in which the tensor is computed, from 1.
    turn: usize,
    /// The number of turns.
    turns: usize,
    /// The statement that computes the tensor in each turn.
    statement: usize,
    /// The tensor.
    of: Id,
    /// The change that leaves the use out of the tensor's gradient.
    edit: PassChange,
}

/// The uses of a loop's tensors in the turn after the one that computes them.
fn carried(iteration: &RightIteration<'_>) -> Vec<Carried> {
    let text = iteration.network.text();
    let use_of = |site: Site<'_>| {
        let own = text.origin(site.of)?;
        let (turn, next) = (own.turn?, text.origin(site.y)?.turn?);
        let parts = iteration.network.ops()[site.op].parts.len();
        let edit = kept(site.op, parts, |part| part != site.part);
        let is_next = next.count == turn.count && next.number == turn.number + 1;
        let is_carried = is_next && !is_running_sum(&site);
        is_carried.then_some(Carried { turn: turn.number, turns: turn.count, statement: own.statement, of: site.of, edit })
    };
    iteration.sites().into_iter().filter_map(use_of).collect()
}

/// Whether the only use of x is y = x + …, as for the sum of the losses of the turns. It is not a state of the turns.
fn is_running_sum(site: &Site<'_>) -> bool {
    let network = site.iteration.network;
    let is_forward = |op: usize| network.ops()[op].pass == Pass::Forward;
    let is_sum = |(_, op): (usize, &Op)| {
        op.parts.iter().any(|part| downcast::<ElementwiseForward>(&part.rule).is_some_and(|rule| rule.0.operator == Operator::Add))
    };
    site.forward().is_some_and(is_sum) && network.readers(site.of).iter().filter(|reader| is_forward(reader.op)).count() == 1
}

/// In a loop, the gradients lack the part from the next turn: in all turns, in all turns through one of several tensors, or before the last turns. This is
/// backpropagation through time that is cut off.
fn truncated(iteration: &RightIteration<'_>) -> Vec<Planted> {
    let carried = carried(iteration);
    let variant = |name: String, detail: &str, is_cut: &dyn Fn(&Carried) -> bool| {
        let cut: Vec<&Carried> = carried.iter().filter(|carried| is_cut(carried)).collect();
        let mut at: Vec<String> = cut.iter().map(|carried| iteration.place_of(carried.of)).collect();
        at.dedup();
        let detail = format!(" from the next turn of the loop{detail}");
        Variant::named(name, detail, cut.into_iter().map(|carried| carried.edit.clone()).collect::<Vec<_>>()).at(at)
    };
    let Some(turns) = carried.iter().map(|carried| carried.turns).max() else { return Vec::new() };
    let mut planted = vec![variant("next-turn".to_owned(), ": no error goes back from a turn to the turn before", &|_| true)];
    let mut statements: Vec<usize> = carried.iter().map(|carried| carried.statement).collect();
    statements.sort_unstable();
    statements.dedup();
    for statement in statements.iter().copied().filter(|_| statements.len() > 1) {
        let name = format!("next-turn-{}", last_of_statement(iteration, statement));
        planted.push(variant(name, "", &|carried| carried.statement == statement));
    }
    for kept_turns in (2..turns).rev().take(MAX_USES) {
        let detail = format!(": the error goes back through the last {kept_turns} turns only");
        planted.push(variant(format!("last-{kept_turns}-turns"), &detail, &|carried| carried.turn == turns - kept_turns));
    }
    planted
}

/// The name of the last tensor that a statement computes: `h` for `h = tanh(…)` in a loop.
fn last_of_statement(iteration: &RightIteration<'_>, statement: usize) -> String {
    let text = iteration.network.text();
    let is_of_statement = |id: &Id| text.origin(*id).is_some_and(|origin| origin.statement == statement);
    let last = (0..iteration.network.tensors().len()).rfind(is_of_statement);
    last.map_or_else(String::new, |id| iteration.network.tensor(id).name.to_string())
}
