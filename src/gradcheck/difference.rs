//! Slopes of the loss from finite differences, and the slope on which the differences at several step sizes agree.

use super::perturb::{KinkSite, Perturbed};

/// The slope of the loss at one step size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum StepSlope {
    /// A finite slope.
    Finite(f64),
    /// There is no slope, because the step crosses a kink.
    CrossesKink,
    /// There is no slope, because the loss after a move is not finite.
    NotFinite,
}

impl StepSlope {
    fn of(slope: f64) -> Self {
        if slope.is_finite() { Self::Finite(slope) } else { Self::NotFinite }
    }

    /// The five-point difference (8 (C(h) − C(−h)) − (C(2h) − C(−2h))) / 12h, from the results of the moves −2h, −h, h and 2h.
    pub fn central(moves: &[Perturbed; 4], h: f64) -> Self {
        if moves.iter().any(|moved| moved.crossings != moves[0].crossings) {
            return Self::CrossesKink;
        }
        // the five-point difference, from two three-point differences
        let [narrow, wide] = three_point(moves, h);
        Self::of((4.0 * narrow - wide) / 3.0)
    }

    /// The one-sided difference (4 (C(h) − C(0)) − (C(2h) − C(0))) / 2h, from the results of the moves h and 2h. If the entry is on the kink `kink`, every move
    /// crosses this kink, but no other kink may be crossed.
    pub fn one_sided([near, far]: &[Perturbed; 2], loss: f64, h: f64, kink: Option<KinkSite>) -> Self {
        if near.crossings != far.crossings || near.crossings.iter().any(|crossing| Some(crossing.site) != kink) {
            return Self::CrossesKink;
        }
        Self::of(2.0 * ((near.loss - loss) / h) - (far.loss - loss) / (2.0 * h))
    }
}

/// The three-point differences (C(h) − C(−h)) / 2h, for the step sizes h and 2h.
fn three_point([far_left, left, right, far_right]: &[Perturbed; 4], h: f64) -> [f64; 2] {
    [(right.loss - left.loss) / (2.0 * h), (far_right.loss - far_left.loss) / (4.0 * h)]
}

/// Returns whether the loss is smooth at this step size. It is if the slopes and the curvatures at h and at 2h differ by at most 1 % plus `error`, the error
/// of a slope.
pub(super) fn is_smooth(moves: &[Perturbed; 4], loss: f64, h: f64, error: f64) -> bool {
    let [narrow, wide] = three_point(moves, h);
    let [far_left, left, right, far_right] = moves;
    // the second difference C(s) + C(−s) − 2 C(0) is about s² C″, which is h² C″ for s = h and 4 h² C″ for s = 2h. Both are divided by h, so that they can be
    // compared with slopes
    let second_difference = |left: &Perturbed, right: &Perturbed| (right.loss - loss) / h + (left.loss - loss) / h;
    let (inner, outer) = (second_difference(left, right), second_difference(far_left, far_right));
    let allowed = 0.01 * (narrow.abs().max(wide.abs()) + inner.abs()) + error;
    (narrow - wide).abs() <= allowed && (outer - 4.0 * inner).abs() <= allowed
}

/// The largest ratio of a step size to the next shorter one. It limits only steps that are longer than max(1, |w|), where w is the value of the entry. Far from
/// w, the loss may be saturated and have the slope 0, which says nothing about the slope at w. So such a long step is used only if the ratio is not larger than
/// this.
const LARGEST_RATIO: f64 = 64.0;

/// The directions in which an entry is moved for a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MoveDirection {
    /// Up and down, for a central difference.
    Both,
    /// Down, for a one-sided difference.
    Left,
    /// Up, for a one-sided difference.
    Right,
}

impl MoveDirection {
    /// The moves of a difference, in step sizes.
    pub fn moves(self) -> &'static [f64] {
        match self {
            Self::Both => &[-2.0, -1.0, 1.0, 2.0],
            Self::Left => &[-2.0, -1.0],
            Self::Right => &[1.0, 2.0],
        }
    }
}

/// The estimated slope of the loss.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub slope: f64,
    /// A bound on the error of the slope.
    pub uncertainty: f64,
    /// The step size of the slope; `None` if no three neighbouring step sizes have slopes that agree.
    pub step: Option<f64>,
}

/// Estimates the slope from differences at many step sizes, from long to short.
///
/// If a step is too long, the shape of the loss is not visible (for example a step of 1 for tanh(10⁶ (x − 1000))). If it is too short, the rounding errors are
/// too large. So the search begins with the shortest three neighbouring steps whose slopes agree, and continues to longer steps while their slopes agree. The
/// result is the slope with the smallest uncertainty.
///
/// `slopes` are pairs of a step size and its slope. `noise` is the rounding error of the loss, and `size` is max(1, |w|).
pub(super) fn estimate(slopes: &[(f64, StepSlope)], size: f64, noise: f64) -> Option<Estimate> {
    let slopes: Vec<(f64, f64)> = slopes
        .iter()
        .filter_map(|&(h, slope)| match slope {
            StepSlope::Finite(slope) => Some((h, slope)),
            _ => None,
        })
        .collect();
    // for each two neighbouring steps, the slope at the longer step
    let pairs: Vec<Estimate> = slopes
        .windows(2)
        .map(|pair| Estimate { slope: pair[0].1, uncertainty: (pair[0].1 - pair[1].1).abs() + noise / pair[0].0, step: None })
        .collect();
    // the index of the shortest three steps that agree, and their estimate
    let shortest = slopes.windows(3).zip(&pairs).enumerate().rev().find_map(|(n, (three, pair))| {
        let [(_, long), (_, middle), (h, short)] = *three else { return None };
        let spread = (long - middle).abs().max((long - short).abs()).max((middle - short).abs()) + noise / h;
        // the limit is relative to the slope, because small random slopes would otherwise seem to agree
        let agree = spread <= (0.01 * middle.abs()).max(10.0 * noise / h);
        agree.then_some((n, Estimate { uncertainty: spread, step: Some(three[0].0), ..*pair }))
    });
    let Some((shortest, mut best)) = shortest else {
        return pairs.into_iter().min_by(|a, b| a.uncertainty.total_cmp(&b.uncertainty));
    };
    for (pair, steps) in pairs[..=shortest].iter().zip(slopes.windows(2)).rev() {
        let &[(h, _), (shorter, _)] = steps else { break };
        if h > size && h > LARGEST_RATIO * shorter {
            break;
        }
        if (pair.slope - best.slope).abs() > 3.0 * (pair.uncertainty + best.uncertainty) {
            break;
        }
        if pair.uncertainty < best.uncertainty {
            best = Estimate { step: Some(h), ..*pair };
        }
    }
    Some(best)
}
