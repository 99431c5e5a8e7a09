//! How far rounding moves the loss.

use smallvec::SmallVec;

use super::probe::{Forward, ops, output_and_z};
use crate::network::{Id, Network, Run};

/// About how far rounding moves the loss while an entry of a tensor moves. What is computed again is rounded again, and counts where it is read: the output
/// of a sigmoid does not where the loss is computed from its z, however steep the loss is in it.
pub(super) fn noise(forward: &Forward<'_>, of: Id) -> f64 {
    let Forward { network, run, .. } = forward;
    let (mut depends, mut counts) = (vec![false; network.tensors().len()], vec![false; network.tensors().len()]);
    depends[of] = true;
    counts[network.loss()] = true;
    for op in ops(network).filter(|op| op.output != of) {
        let unread = output_and_z(op).map(|[output, z]| if output == of { z } else { output });
        let reads = op.parts.iter().flat_map(|part| part.operands.iter()).filter(|&&id| depends[id] && Some(id) != unread);
        let reads: SmallVec<[Id; 4]> = reads.copied().collect();
        depends[op.output] = !reads.is_empty();
        reads.iter().for_each(|&id| counts[id] = true);
    }
    let rounded = (0..counts.len()).filter(|&id| id != of && depends[id] && counts[id]);
    // the root of the sum of the squares, of which none overflows or underflows
    let (mut largest, mut squares) = (0.0_f64, 0.0);
    for (id, gradient) in rounded.filter_map(|id| Some((id, network.gradient_of(id)?))) {
        let sizes = forward.sizes(id);
        for (at, (value, slope)) in run.values(id).iter().zip(run.values(gradient)).enumerate() {
            let size = sizes.map_or(value.abs(), |sizes| sizes[at]);
            let moves = (size * slope).abs();
            if !moves.is_finite() || moves == 0.0 {
                continue;
            }
            if moves > largest {
                squares *= (largest / moves).powi(2);
                largest = moves;
            }
            squares += (moves / largest).powi(2);
        }
    }
    4.0 * f64::EPSILON * (largest * squares.sqrt() + largest_in_the_loss(network, run))
}

/// The largest number that was rounded on the way to the loss: one near 0 may be the sum of large terms.
fn largest_in_the_loss(network: &Network, run: &Run) -> f64 {
    let Some(number) = network.made_by(network.loss()) else { return 0.0 };
    let (mut largest, mut sum) = (0.0_f64, -0.0);
    for (rule, x) in run.parts(&network.ops()[number], number) {
        sum = rule.walk(&x, 0, 0..rule.before(&x, 1), sum, &mut |term, sum| {
            largest = [term.value, sum].into_iter().filter(|size| size.is_finite()).fold(largest, |most, size| most.max(size.abs()));
        });
    }
    largest
}
