//! If several mistakes give the same numbers, `diff` names a gradient that would tell them apart. After this gradient is added to the file, fewer
//! mistakes are named.

use std::collections::{HashMap, HashSet};

use gradstep::diff::{Gradient, LossOf};
use gradstep::mistakes::plantings;

use crate::{in_order, learning_rate, networks, open, parameters, search, tensors};

/// The tensors that a sentence names: `∂C/∂fc1.z differs between these mistakes: …`.
fn named(sentence: &str) -> Option<Vec<&str>> {
    let (gradients, _) = sentence.split_once(" differ")?;
    gradients.split(", ").flat_map(|gradients| gradients.split(" and ")).map(|gradient| gradient.strip_prefix("∂C/∂")).collect()
}

/// The largest number of networks on which each mistake is tried.
const MAX_NETWORKS: usize = 4;

#[test]
fn the_named_gradient_tells_the_mistakes_apart() {
    let mut count = 0;
    let mut tried: HashMap<&str, usize> = HashMap::new();
    for text in networks::of_students() {
        let document = open(&text);
        let (trace, rate) = (&document.trace, learning_rate(&document));
        // with few gradients in the file, more mistakes have the same numbers
        let all = parameters(trace);
        let wanted = all[all.len().saturating_sub(2)..].to_vec();
        let mut tried_here = HashSet::new();
        for planting in plantings(trace, &wanted, rate) {
            let times = tried.entry(planting.id).or_default();
            if *times == MAX_NETWORKS || !tried_here.insert(planting.id) {
                continue;
            }
            *times += 1;
            let found = search(&document, &tensors(&wanted, &planting.gradients));
            let Some(names) = found.first().and_then(|best| named(&best.told_apart_by)) else { continue };
            let of = |name: &str| trace.network().find(name).unwrap_or_else(|| panic!("no tensor {name}: {}", found[0].told_apart_by));
            // the gradient by the batch's loss for a parameter, by the loss of each sample for any other tensor
            let gradients_of = |of| {
                let is_of_batch = trace.network().tensor(of).role.is_learnable();
                let samples = if is_of_batch { 0 } else { trace.samples() };
                let of_samples = (0..samples).map(|run| Gradient { of, loss: LossOf::Sample(run) });
                is_of_batch.then_some(Gradient { of, loss: LossOf::Batch }).into_iter().chain(of_samples).collect::<Vec<_>>()
            };
            let added: Vec<Gradient> = names.iter().flat_map(|name| gradients_of(of(name))).collect();
            assert!(added.iter().all(|gradient| !wanted.contains(gradient)), "{names:?} are in the file");
            let more = in_order(trace, [wanted.clone(), added].concat());
            // the same mistake, with more gradients in the file
            let planted_with_more = plantings(trace, &more, rate);
            let same = planted_with_more
                .iter()
                .find(|other| (other.id, &other.variant, &other.at) == (planting.id, &planting.variant, &planting.at));
            let Some(same) = same else { continue };
            let left = search(&document, &tensors(&more, &same.gradients));
            // the order of the alternatives does not matter: each mistake that `apart` separates from the best one gives other numbers now
            let groups = |causes: &[gradstep::mistakes::Cause]| causes.iter().map(|cause| cause.group).max().unwrap_or(0);
            assert!(groups(&left) < groups(&found), "{}: {} does not tell apart in\n{text}", planting.id, found[0].told_apart_by);
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// If `diff` says that other weights or inputs would tell two mistakes apart, then they do: with new random weights and inputs, the two mistakes give
/// different gradients.
#[test]
fn other_numbers_tell_the_mistakes_apart() {
    let mut count = 0;
    for (text, other_text) in networks::templates(1).zip(networks::templates(7)) {
        let document = open(&text);
        let (trace, rate) = (&document.trace, learning_rate(&document));
        let all = parameters(trace);
        let wanted = all[all.len().saturating_sub(1)..].to_vec();
        let other = open(&other_text);
        let planted_in_other = plantings(&other.trace, &wanted, rate);
        let mut tried_here = HashSet::new();
        for planting in plantings(trace, &wanted, rate) {
            if !tried_here.insert(planting.id) {
                continue;
            }
            let found = search(&document, &tensors(&wanted, &planting.gradients));
            let group = |number: usize| found.iter().filter(|cause| cause.group == number).collect::<Vec<_>>();
            let ([best], [second]) = (&group(1)[..], &group(2)[..]) else { continue };
            if !second.told_apart_by.ends_with("would tell them apart") {
                continue;
            }
            let gradients = |cause: &gradstep::mistakes::Cause| {
                let same = planted_in_other
                    .iter()
                    .find(|planting| (planting.id, &planting.variant, &planting.at) == (cause.id, &cause.variant, &cause.at));
                same.map(|same| &same.gradients)
            };
            let (Some(one), Some(two)) = (gradients(best), gradients(second)) else { continue };
            let differ =
                one.iter().flatten().zip(two.iter().flatten()).any(|(one, two)| (one - two).abs() > 1e-9 * one.abs().max(two.abs()));
            assert!(differ, "{} {:?} and {} {:?}: {} in\n{text}", best.id, best.at, second.id, second.at, second.told_apart_by);
            count += 1;
        }
    }
    assert!(count > 2, "{count}");
}
