//! The verdict on one derivative.
//!
//! Most derivatives agree with the difference at the first step size, and no other is tried. Otherwise the differences at eight step sizes are compared (the
//! coarse steps). If these do not confirm the derivative, the differences at many more step sizes are compared (the fine steps). A step that crosses a kink is
//! not used. There are other rules for an entry on a kink.

use std::cmp::Ordering;

use super::difference::{Estimate, MoveDirection, StepSlope, estimate, is_smooth};
use super::doubt::Doubt;
use super::jitter::DerivativeRanges;
use super::perturb::{KinkSite, Perturbed, Workspace};
use super::steps::{COARSE_STEPS, FIRST_STEP, coarse_steps, fine_steps, power_of_two};
use super::{EntryCheck, FLOOR, NEAR, TOLERANCE, Verdict};
use crate::network::Id;

/// A direction, and each step size with its slope in this direction.
type DirectionSlopes = (MoveDirection, Vec<(f64, StepSlope)>);

/// Judges the derivatives ∂C/∂x of the loss for the entries of one tensor x.
pub(super) struct Judge<'a, 'p> {
    pub workspace: &'p mut Workspace<'a>,
    /// The tensor x.
    pub tensor: Id,
    /// The entries of x before any move.
    pub values: &'a [f64],
    /// The loss before any move.
    pub loss: f64,
    /// The rounding error of the loss.
    pub noise: f64,
    /// The changes of derivatives when numbers are rounded in another way.
    pub ranges: &'p DerivativeRanges,
}

/// Returns the largest error with which a derivative still agrees with a difference. An infinite or NaN derivative never agrees.
fn allowed(derivative: f64, difference: f64) -> f64 {
    if derivative.is_finite() { TOLERANCE * derivative.abs().max(difference.abs()).max(FLOOR) } else { 0.0 }
}

impl Estimate {
    /// Returns whether the derivative agrees with the slope. If the slope is too uncertain, returns `false`.
    fn agrees(&self, derivative: f64) -> bool {
        let allowed = allowed(derivative, self.slope);
        (derivative - self.slope).abs() <= allowed && self.uncertainty <= allowed
    }

    /// Returns whether the derivative is certainly wrong. If the slope is uncertain, a finite derivative neither agrees with it nor contradicts it.
    fn contradicts(&self, derivative: f64) -> bool {
        // there are no three neighbouring steps whose slopes agree, so only an infinite or NaN derivative is certainly wrong
        if self.step.is_none() {
            return !derivative.is_finite();
        }
        let error = (derivative - self.slope).abs();
        error.is_nan() || error > allowed(derivative, self.slope) + 10.0 * self.uncertainty
    }
}

impl Judge<'_, '_> {
    /// Returns max(1, |v|) for an entry with the value v. The step sizes are in proportion to it.
    fn size(&self, at: usize) -> f64 {
        self.values[at].abs().max(1.0)
    }

    /// Returns the loss after an entry was moved by `distance`, and the kinks that the move crosses.
    fn moved(&mut self, at: usize, distance: f64) -> Perturbed {
        self.workspace.perturb(self.tensor, at, self.values[at] + distance)
    }

    /// Returns the results of moves of an entry by −2h, −h, h and 2h.
    fn moves(&mut self, at: usize, h: f64) -> [Perturbed; 4] {
        [-2.0, -1.0, 1.0, 2.0].map(|steps| self.moved(at, steps * h))
    }

    /// Returns the slope at one step size. A one-sided step may cross `kink`.
    fn slope(&mut self, at: usize, h: f64, direction: MoveDirection, kink: Option<KinkSite>) -> StepSlope {
        let signed_h = match direction {
            MoveDirection::Both => return StepSlope::central(&self.moves(at, h), h),
            MoveDirection::Left => -h,
            MoveDirection::Right => h,
        };
        StepSlope::one_sided(&[signed_h, 2.0 * signed_h].map(|distance| self.moved(at, distance)), self.loss, signed_h, kink)
    }

    /// Returns each step size with its slope.
    fn slopes(&mut self, at: usize, steps: &[f64], direction: MoveDirection, kink: Option<KinkSite>) -> Vec<(f64, StepSlope)> {
        steps.iter().map(|&h| (h, self.slope(at, h, direction, kink))).collect()
    }

    /// Estimates the slopes to the left and to the right of a kink. Returns the two slopes, the smaller one first, and the larger one of their uncertainties.
    /// Returns `None` if a side has no estimate.
    fn slopes_beside(&mut self, at: usize, kink: KinkSite) -> Option<([f64; 2], f64)> {
        let steps = coarse_steps(self.values[at]);
        let [left, right] = [MoveDirection::Left, MoveDirection::Right].map(|direction| self.slopes(at, &steps, direction, Some(kink)));
        let size = self.size(at);
        let (left, right) = (estimate(&left, size, self.noise)?, estimate(&right, size, self.noise)?);
        Some(([left.slope.min(right.slope), left.slope.max(right.slope)], left.uncertainty.max(right.uncertainty)))
    }

    /// The slopes of the loss to the left and to the right of an entry. The entry is on a kink of an op, or on a corner of the loss that is not a kink of an
    /// op. `None` if a side has no finite slope.
    pub fn sides(&mut self, at: usize) -> Option<[f64; 2]> {
        let kinks = self.kinks(at);
        let (size, noise) = (self.size(at), self.noise);
        if let [kink] = kinks[..] {
            let steps = coarse_steps(self.values[at]);
            let mut slope_at = |direction| Some(estimate(&self.slopes(at, &steps, direction, Some(kink)), size, noise)?.slope);
            return Some([slope_at(MoveDirection::Left)?, slope_at(MoveDirection::Right)?]);
        }
        // there is a corner, or several kinks meet: the formula of `StepSlope::one_sided` at the first step size, whatever kinks the moves cross
        let h = power_of_two(FIRST_STEP * size);
        let slopes = [-h, h].map(|signed_h| {
            let [near, far] = [signed_h, 2.0 * signed_h].map(|distance| self.moved(at, distance).loss);
            2.0 * ((near - self.loss) / signed_h) - (far - self.loss) / (2.0 * signed_h)
        });
        slopes.iter().all(|slope| slope.is_finite()).then_some(slopes)
    }

    /// Judges a derivative at an entry that is on these kinks. `first` are the results of the moves by −2h, −h, h and 2h, for the first step size h. Returns
    /// the difference and the verdict.
    ///
    /// If there is one kink, every derivative between the slopes to the left and to the right is accepted, because the derivative at a kink is a convention. If
    /// several kinks meet, each may have a different convention, so every derivative is accepted.
    fn judge_on_kink(&mut self, at: usize, h: f64, derivative: f64, first: [Perturbed; 4], kinks: &[KinkSite]) -> (f64, Verdict) {
        let accepted = (f64::NAN, Verdict::Kink);
        let &[kink] = kinks else { return accepted };
        let larger_size = |[low, high]: [f64; 2]| low.abs().max(high.abs()).max(FLOOR);
        let is_between = |slopes: [f64; 2], uncertainty: f64| {
            let allowed = TOLERANCE * larger_size(slopes) + 10.0 * uncertainty;
            // these comparisons are false for a NaN derivative
            derivative >= slopes[0] - allowed && derivative <= slopes[1] + allowed
        };
        let [far_left, left, right, far_right] = first;
        let sides = [([left, far_left], -h), ([right, far_right], h)]
            .map(|(moves, signed_h)| StepSlope::one_sided(&moves, self.loss, signed_h, Some(kink)));
        if let [StepSlope::Finite(left), StepSlope::Finite(right)] = sides
            && is_between([left.min(right), left.max(right)], self.noise / h)
        {
            return accepted;
        }
        let Some((slopes, uncertainty)) = self.slopes_beside(at, kink) else { return accepted };
        // slopes that are too uncertain prove nothing
        if is_between(slopes, uncertainty) || uncertainty > 1e-3 * larger_size(slopes) {
            return accepted;
        }
        (if derivative < slopes[0] { slopes[0] } else { slopes[1] }, Verdict::Off)
    }

    /// Searches for a corner of the loss that is not a kink of an op: the slopes to the left and to the right differ, and they still differ when the step gets
    /// smaller.
    ///
    /// Returns [`Verdict::Kink`] if the slope on each side converges, and [`Verdict::Unsettled`] if the slopes differ and do not converge (because of strong
    /// curvature or rounding errors). Returns `None` if there is no corner, or if a shorter step shows a smooth loss with the slope `slope`.
    fn corner(&mut self, at: usize, mut step: f64, slope: f64) -> Option<Verdict> {
        // `self.loss` is not used: after any move of an output of the network, even by 0, the loss is computed from the output instead of z, and is rounded
        // differently
        let (loss, noise) = (self.moved(at, 0.0).loss, self.noise);
        let mut slopes = |step: f64| [-1.0, 1.0].map(|sign| (self.moved(at, sign * step).loss - loss) / (sign * step));
        let jump = |[left, right]: [f64; 2]| (right - left).abs();
        let mut wide = slopes(step);
        // `Unsettled` as soon as the slopes differ at one step size
        let mut found = None;
        loop {
            step = power_of_two(step / 8.0);
            let narrow = slopes(step);
            let size = narrow[0].abs().max(narrow[1].abs());
            let rounding = 100.0 * noise / step;
            // at a smooth point, the jump becomes an eighth when the step gets smaller
            let has_jump = jump(narrow) > 0.5 * jump(wide) && jump(narrow) > 0.01 * size && jump(narrow) > rounding;
            if !has_jump {
                let is_smooth = jump(narrow) <= 0.5 * jump(wide) && rounding <= 0.01 * size;
                let middle = f64::midpoint(narrow[0], narrow[1]);
                let confirms_slope = is_smooth && (middle - slope).abs() <= 0.01 * slope.abs();
                return if confirms_slope { None } else { found };
            }
            let has_converged = wide.iter().zip(&narrow).all(|(wide, narrow)| (wide - narrow).abs() < 0.1 * size);
            if has_converged {
                return Some(Verdict::Kink);
            }
            (wide, found) = (narrow, Some(Verdict::Unsettled));
        }
    }

    /// Returns the kinks on which the entry is exactly. Every step crosses them, so they are among the kinks that the shortest step crosses.
    fn kinks(&mut self, at: usize) -> Vec<KinkSite> {
        let shortest = coarse_steps(self.values[at])[COARSE_STEPS.len() - 1];
        let moves = self.moves(at, shortest);
        let mut kinks: Vec<KinkSite> = moves.iter().flat_map(|moved| &moved.crossings).map(|crossing| crossing.site).collect();
        kinks.sort_unstable();
        kinks.dedup();
        kinks.retain(|&kink| self.workspace.is_on_kink(kink));
        kinks
    }

    /// Returns the slopes in each of these directions.
    fn slopes_in(&mut self, at: usize, steps: &[f64], directions: &[MoveDirection]) -> Vec<DirectionSlopes> {
        directions.iter().map(|&direction| (direction, self.slopes(at, steps, direction, None))).collect()
    }

    /// Estimates the slope in each direction. Returns the best estimate and its direction: an estimate in which three step sizes agree, if there is one, and
    /// among several the one with the smallest uncertainty. `noise` is the rounding error of the loss.
    fn estimate(&self, at: usize, slopes: &[DirectionSlopes], noise: f64) -> Option<(MoveDirection, Estimate)> {
        let estimates = slopes.iter().filter_map(|(direction, slopes)| Some((*direction, estimate(slopes, self.size(at), noise)?)));
        // an estimate with a step, in which three step sizes agree, comes first
        let order = |(_, a): &(MoveDirection, Estimate), (_, b): &(MoveDirection, Estimate)| {
            b.step.is_some().cmp(&a.step.is_some()).then(a.uncertainty.partial_cmp(&b.uncertainty).unwrap_or(Ordering::Equal))
        };
        estimates.min_by(order)
    }

    /// Returns the estimate that proves that the derivative is wrong; `None` if there is none. See `doubt` and `jitter` for what can make a right derivative
    /// seem to be wrong.
    fn proof(&mut self, at: usize, derivative: f64, mut slopes: Vec<DirectionSlopes>) -> Option<Estimate> {
        let mut noise = self.noise;
        loop {
            let (direction, estimate) = self.estimate(at, &slopes, noise)?;
            if !estimate.contradicts(derivative) {
                return None;
            }
            let Some(h) = estimate.step else { return Some(estimate) };
            let doubt = Doubt::of(self.workspace, self.tensor, (at, self.values[at]), direction, h);
            if doubt.noise > 2.0 * noise {
                noise = doubt.noise;
                continue;
            }
            let estimate = Estimate { uncertainty: estimate.uncertainty.max(doubt.misfit / h), ..estimate };
            if doubt.hides_a_curve || !estimate.contradicts(derivative) {
                // shorter steps may show the curve. Their noise is measured again
                noise = self.noise;
                for (_, slopes) in slopes.iter_mut().filter(|(of, _)| *of == direction) {
                    slopes.retain(|&(step, _)| step < h);
                }
                continue;
            }
            return (!self.is_rounding_error(at, derivative, estimate.slope)).then_some(estimate);
        }
    }

    /// Returns whether rounding errors of the backward pass can explain the error of a derivative.
    fn is_rounding_error(&self, at: usize, derivative: f64, slope: f64) -> bool {
        let forward = self.workspace.forward();
        let range = || self.ranges.range(forward, self.tensor, at, &|| self.workspace.is_stopped());
        derivative.is_finite() && (derivative - slope).abs() <= 4.0 * range()
    }

    /// Checks the derivative by one entry.
    pub fn check(&mut self, at: usize, derivative: f64) -> EntryCheck {
        let result = |difference, verdict| EntryCheck::new(at, derivative, difference, verdict);
        if !self.loss.is_finite() {
            return result(f64::NAN, Verdict::NotFinite);
        }
        let h = power_of_two(FIRST_STEP * self.size(at));
        let moves = self.moves(at, h);
        let first = StepSlope::central(&moves, h);
        let mut is_smooth_loss = true;
        if let StepSlope::Finite(difference) = first {
            let largest_error = allowed(derivative, difference);
            let uncertainty = TOLERANCE * derivative.abs().max(difference.abs()) + 10.0 * self.noise / h;
            is_smooth_loss = is_smooth(&moves, self.loss, h, uncertainty);
            if is_smooth_loss
                && derivative.is_finite()
                && (derivative - difference).abs() <= largest_error
                && self.noise / h <= largest_error
            {
                return result(difference, Verdict::Agrees);
            }
        }
        let crosses_kink = first == StepSlope::CrossesKink;
        let mut is_near_kink = false;
        if crosses_kink {
            let kinks = self.kinks(at);
            if !kinks.is_empty() {
                let (difference, verdict) = self.judge_on_kink(at, h, derivative, moves, &kinks);
                return result(difference, verdict);
            }
            is_near_kink = [-NEAR, NEAR].iter().any(|&distance| !self.moved(at, distance).crossings.is_empty());
        }
        // if the kink is to the left of the entry, steps to the right do not cross it
        let directions: &[MoveDirection] =
            if crosses_kink { &[MoveDirection::Both, MoveDirection::Left, MoveDirection::Right] } else { &[MoveDirection::Both] };
        let mut slopes = self.slopes_in(at, &coarse_steps(self.values[at]), directions);
        let agrees = |estimate: Option<(MoveDirection, Estimate)>| estimate.is_some_and(|(_, estimate)| estimate.agrees(derivative));
        if !(is_smooth_loss && agrees(self.estimate(at, &slopes, self.noise))) {
            slopes = self.slopes_in(at, &fine_steps(self.values[at], self.loss, derivative), directions);
        }
        EntryCheck { is_near_kink, ..self.judge(at, derivative, slopes, crosses_kink) }
    }

    /// Judges a derivative by slopes from steps that cross no kink. `is_beside_kink` is `true` if the first step size crossed a kink.
    fn judge(&mut self, at: usize, derivative: f64, slopes: Vec<DirectionSlopes>, is_beside_kink: bool) -> EntryCheck {
        let result = |difference, verdict| EntryCheck::new(at, derivative, difference, verdict);
        let Some((_, estimate)) = self.estimate(at, &slopes, self.noise) else { return result(f64::NAN, Verdict::NotFinite) };
        if estimate.agrees(derivative) {
            return result(estimate.slope, Verdict::Agrees);
        }
        let Some(estimate) = self.proof(at, derivative, slopes) else { return result(f64::NAN, Verdict::Unsettled) };
        let step = estimate.step.unwrap_or(FIRST_STEP * self.size(at));
        let corner = if is_beside_kink { None } else { self.corner(at, step, estimate.slope) };
        match corner {
            Some(verdict) => result(f64::NAN, verdict),
            None => result(estimate.slope, Verdict::Off),
        }
    }
}
