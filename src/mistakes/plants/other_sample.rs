//! Mistakes about samples: the backward pass of a sample reads numbers of another sample, such as activations that a later sample has overwritten.

use super::super::plan::{OtherSample, PassChange};
use super::super::planting::Variant;
use super::super::site::Site;
use super::activation::AppliedActivation;
use super::linear::weight_gradient;
use crate::network::{Id, Role};
use crate::op::downcast::downcast;
use crate::op::max_pool2d::MaxPoolBackward;
use crate::op::slot::Slot;
use crate::op::softmax::SoftmaxBackward;

/// The other samples: the name of the variant, and a clause.
const OTHERS: [(OtherSample, &str, &str); 4] = [
    (OtherSample::Last, "last", "of the last sample"),
    (OtherSample::First, "first", "of the first sample"),
    (OtherSample::Next, "next", "of the next sample"),
    (OtherSample::Previous, "previous", "of the previous sample"),
];

/// The tensors of the forward pass that a backward part reads and that each sample computes: x of a weight gradient, or input and output of
/// an activation or a max pool.
fn forward_tensors(site: &Site<'_>) -> Vec<Id> {
    let in_slots = |slots: &[Slot]| slots.iter().filter_map(|slot| site.operands.get(*slot)).collect();
    if let Some([x, ..]) = weight_gradient(site) {
        return in_slots(&[x]);
    }
    let is_pool = downcast::<MaxPoolBackward>(site.rule).is_some();
    let reads_values = is_pool || AppliedActivation::at(site).is_some() || site.rule_as::<SoftmaxBackward>().is_some();
    if reads_values { in_slots(&[Slot::Input(0), Slot::Output]) } else { Vec::new() }
}

/// The backward pass reads the activations, or the error, of another sample.
pub fn read(site: &Site<'_>) -> Vec<Variant> {
    if site.iteration.trace.samples() < 2 {
        return Vec::new();
    }
    let forward = forward_tensors(site);
    let is_error = |id: &Id| matches!(site.iteration.network.tensor(*id).role, Role::Gradient(_));
    let upstream = site.operands.get(Slot::Upstream).filter(is_error);
    let variant = |kind: &str, words: &str, ids: &[Id], (other, name, clause): &(OtherSample, &str, &str)| {
        let edits: Vec<PassChange> = ids.iter().map(|id| PassChange::Elsewhere(site.op, *id, *other)).collect();
        Variant::named(format!("{kind}-{name}"), format!(": {words} {clause}"), edits)
    };
    let of_forward = OTHERS.iter().filter(|_| !forward.is_empty()).map(|other| variant("activations", "the activations", &forward, other));
    // only the errors of the next and the previous sample are tried, as in a batch that is shifted by one
    let of_error = upstream.into_iter().flat_map(|id| OTHERS[2..].iter().map(move |other| variant("error", "the error", &[id], other)));
    of_forward.chain(of_error).collect()
}
