//! The rounding error of the loss.

use smallvec::SmallVec;

use super::perturb::{ForwardPass, forward_ops};
use crate::network::{Id, Network, Run};

/// Estimates the change of the loss that is only caused by rounding, while an entry of the tensor `of` moves.
///
/// To first order, it is 4ε (√Σ (vᵢ ∂C/∂vᵢ)² + L). Here ε is the machine epsilon, the vᵢ are the rounded numbers on all paths from the moved tensor to the loss
/// C, and L is the largest term or partial sum of the loss. If the loss is computed from the pre-activation z, no path goes through the output of the network.
pub(super) fn rounding_noise(forward: &ForwardPass<'_>, of: Id) -> f64 {
    let ForwardPass { network, run, .. } = forward;
    let Path { depends, is_read } = Path::from(network, of);
    let rounded = (0..is_read.len()).filter(|&id| id != of && depends[id] && is_read[id]);
    // the root of the sum of squares is `largest · √squares`: all numbers are divided by the largest one, so that no square overflows or underflows (as in
    // BLAS nrm2)
    let (mut largest, mut squares) = (0.0_f64, 0.0);
    for (id, gradient) in rounded.filter_map(|id| Some((id, network.gradient_of(id)?))) {
        let magnitudes = forward.rounded_magnitudes(id);
        for (at, (value, slope)) in run.values(id).iter().zip(run.values(gradient)).enumerate() {
            let magnitude = magnitudes.map_or(value.abs(), |magnitudes| magnitudes[at]);
            let change = (magnitude * slope).abs();
            if !change.is_finite() || change == 0.0 {
                continue;
            }
            if change > largest {
                squares *= (largest / change).powi(2);
                largest = change;
            }
            squares += (change / largest).powi(2);
        }
    }
    4.0 * f64::EPSILON * (largest * squares.sqrt() + largest_term_of_loss(network, run))
}

/// The tensors between a moved tensor and the loss.
pub(super) struct Path {
    /// For each tensor, `true` if it depends on the moved tensor.
    pub depends: Vec<bool>,
    /// For each tensor, `true` if an op of the forward pass reads it, or if it is the loss.
    is_read: Vec<bool>,
}

impl Path {
    /// Returns the path from the tensor `of` to the loss.
    pub fn from(network: &Network, of: Id) -> Self {
        let (mut depends, mut is_read) = (vec![false; network.tensors().len()], vec![false; network.tensors().len()]);
        depends[of] = true;
        is_read[network.loss()] = true;
        for op in forward_ops(network).filter(|op| op.output != of) {
            // a loss that has the output and z as operands uses only one of them: the output if `of` is the output, and z otherwise
            let unread = op.output_and_z().map(|[output, z]| if output == of { z } else { output });
            let reads = op.parts.iter().flat_map(|part| part.operands.iter()).filter(|&&id| depends[id] && Some(id) != unread);
            let reads: SmallVec<[Id; 4]> = reads.copied().collect();
            depends[op.output] = !reads.is_empty();
            reads.iter().for_each(|&id| is_read[id] = true);
        }
        Self { depends, is_read }
    }
}

/// Returns the largest absolute value of the finite terms and partial sums of the loss. It can be much larger than the loss, if large terms cancel.
fn largest_term_of_loss(network: &Network, run: &Run) -> f64 {
    let Some(number) = network.producer(network.loss()) else { return 0.0 };
    let (mut largest, mut sum) = (0.0_f64, -0.0);
    for (rule, x) in run.parts(&network.ops()[number], number) {
        sum = rule.visit_terms(&x, 0, 0..rule.prefix_terms(&x, 1), sum, &mut |term, sum| {
            largest = [term.value, sum].into_iter().filter(|size| size.is_finite()).fold(largest, |most, size| most.max(size.abs()));
        });
    }
    largest
}
