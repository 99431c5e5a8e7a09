//! The slope of the loss by an entry, from differences, and what it says of a derivative.

use smallvec::SmallVec;

use super::probe::{Crossing, Forward, Moved, Probe, ops, output_and_z};
use super::{Compared, FLOOR, TOLERANCE, Verdict};
use crate::network::Id;

/// The first step, times max(1, |w|) of the entry w.
const STEP: f64 = 1e-5;
/// The steps that are compared with one another where the first does not settle it: long ones round off less, short ones bend less.
const STEPS: [f64; 8] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9];

/// The slope of the loss at one step, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slope {
    Smooth(f64),
    Crossed,
    NotFinite,
}

/// A kink, without the side that is taken.
type Place = (usize, usize, usize);

fn place((op, entry, part, _): Crossing) -> Place {
    (op, entry, part)
}

impl Slope {
    fn of(slope: f64) -> Self {
        if slope.is_finite() { Self::Smooth(slope) } else { Self::NotFinite }
    }

    /// The five-point difference (8 (C(+h) − C(−h)) − (C(+2h) − C(−2h))) / 12h.
    fn central([far, left, right, further]: &[Moved; 4], h: f64) -> Self {
        if [left, right, further].iter().any(|moved| moved.crossed != far.crossed) {
            return Self::Crossed;
        }
        Self::of((8.0 * (right.loss - left.loss) - (further.loss - far.loss)) / (12.0 * h))
    }

    /// The difference (4 (C(h) − C) − (C(2h) − C)) / 2h to one side of a kink, where no other one is crossed.
    fn sided([near, far]: &[Moved; 2], here: f64, h: f64, kink: Place) -> Self {
        if near.crossed != far.crossed || near.crossed.iter().any(|&crossing| place(crossing) != kink) {
            return Self::Crossed;
        }
        Self::of((4.0 * (near.loss - here) - (far.loss - here)) / (2.0 * h))
    }
}

/// About how far rounding moves the loss while an entry of a tensor moves. What is computed anew is rounded anew, and counts where it is read: the output
/// of a sigmoid does not where the loss is computed from its z, however steep the loss is in it.
pub(super) fn noise(forward: &Forward<'_>, of: Id) -> f64 {
    let Forward { network, run, .. } = forward;
    let (mut depends, mut counts) = (vec![false; network.tensors().len()], vec![false; network.tensors().len()]);
    depends[of] = true;
    counts[network.loss()] = true;
    for op in ops(network).filter(|op| op.output != of) {
        let unread = output_and_z(op).map(|[output, z]| if output == of { z } else { output });
        let reads = op.parts.iter().flat_map(|part| &part.operands).filter(|&&id| depends[id] && Some(id) != unread);
        let reads: SmallVec<[Id; 4]> = reads.copied().collect();
        depends[op.output] = !reads.is_empty();
        reads.iter().for_each(|&id| counts[id] = true);
    }
    let rounded = (0..counts.len()).filter(|&id| id != of && depends[id] && counts[id]);
    let moves = rounded.filter_map(|id| Some((id, network.gradient_of(id)?))).flat_map(|(id, gradient)| {
        let entries = run.values(id).iter().zip(run.values(gradient));
        entries.map(|(value, slope)| (value * slope).powi(2)).filter(|square| square.is_finite())
    });
    4.0 * f64::EPSILON * (moves.sum::<f64>().sqrt() + run.values(network.loss())[0].abs())
}

/// The slopes of the loss by one tensor's entries.
pub(super) struct Slopes<'a, 'p> {
    pub probe: &'p mut Probe<'a>,
    /// The tensor, and its entries where nothing moves.
    pub of: Id,
    pub values: &'a [f64],
    /// The loss where nothing moves.
    pub loss: f64,
    /// [`noise`].
    pub noise: f64,
}

impl Slopes<'_, '_> {
    /// What becomes of the loss with one entry moved.
    fn moved(&mut self, at: usize, by: f64) -> Moved {
        self.probe.moved(self.of, at, self.values[at] + by)
    }

    /// What becomes of it 2h and h to the left, and to the right.
    fn moves(&mut self, at: usize, h: f64) -> [Moved; 4] {
        [-2.0, -1.0, 1.0, 2.0].map(|steps| self.moved(at, steps * h))
    }

    fn slope(&mut self, at: usize, h: f64) -> Slope {
        Slope::central(&self.moves(at, h), h)
    }

    /// The same where several steps are needed: the slope on which two neighbouring steps agree best, and how well.
    fn settled(&self, slopes: &[Slope], scale: f64) -> Option<(f64, f64)> {
        let pairs = slopes.windows(2).zip(STEPS).filter_map(|(pair, step)| match pair {
            [Slope::Smooth(long), Slope::Smooth(short)] => Some((*long, (long - short).abs() + self.noise / (step * scale))),
            _ => None,
        });
        pairs.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The slopes to both sides of a kink, the smaller one first, and how wrong they may be.
    fn sides(&mut self, at: usize, scale: f64, kink: Place) -> Option<([f64; 2], f64)> {
        let here = self.loss;
        let mut slope = |h: f64| Slope::sided(&[h, 2.0 * h].map(|by| self.moved(at, by)), here, h, kink);
        let [left, right] = [-scale, scale].map(|way| STEPS.map(|step| slope(step * way)));
        let ((left, doubt_left), (right, doubt_right)) = (self.settled(&left, scale)?, self.settled(&right, scale)?);
        Some(([left.min(right), left.max(right)], doubt_left.max(doubt_right)))
    }

    /// A derivative at a kink, with the moves of the first step and of the least: the convention takes the slope of one side, or one between them.
    /// Where several kinks meet each may take another piece, and the derivative lies anywhere.
    fn at_kink(&mut self, at: usize, scale: f64, derivative: f64, first: [Moved; 4], least: &[Moved; 4]) -> (f64, Verdict) {
        let none = (f64::NAN, Verdict::Kink);
        let mut kinks: Vec<Place> = least.iter().flat_map(|moved| &moved.crossed).copied().map(place).collect();
        kinks.dedup();
        let [kink] = kinks[..] else { return none };
        let size = |[low, high]: [f64; 2]| low.abs().max(high.abs()).max(FLOOR);
        let between = |sides: [f64; 2], doubt: f64| {
            let allowed = TOLERANCE * size(sides) + 10.0 * doubt;
            // also right for a derivative that is no number
            derivative >= sides[0] - allowed && derivative <= sides[1] + allowed
        };
        let h = STEP * scale;
        let [far, left, right, further] = first;
        let sides = [([left, far], -h), ([right, further], h)].map(|(moves, h)| Slope::sided(&moves, self.loss, h, kink));
        if let [Slope::Smooth(left), Slope::Smooth(right)] = sides
            && between([left.min(right), left.max(right)], self.noise / h)
        {
            return none;
        }
        let Some((sides, doubt)) = self.sides(at, scale, kink) else { return none };
        if between(sides, doubt) || doubt > 1e-3 * size(sides) {
            return none;
        }
        (if derivative < sides[0] { sides[0] } else { sides[1] }, Verdict::Off)
    }

    /// Where the slopes to both sides differ, and go on differing as the step shrinks: a kink if each side settles, else a place where the differences
    /// mean nothing, for the loss bends too much, or is rounded too much.
    fn corner(&mut self, at: usize, scale: f64) -> Option<Verdict> {
        let here = self.moved(at, 0.0).loss;
        let [wide, narrow] =
            [STEP, STEP / 10.0].map(|step| [-1.0, 1.0].map(|way| (self.moved(at, way * step * scale).loss - here) / (way * step * scale)));
        let jump = |[left, right]: [f64; 2]| (right - left).abs();
        let size = narrow[0].abs().max(narrow[1].abs());
        let noise = self.noise / (STEP / 10.0 * scale);
        if !(jump(narrow) > 0.5 * jump(wide) && jump(narrow) > 0.01 * size && jump(narrow) > 100.0 * noise) {
            return None;
        }
        let settles = wide.iter().zip(&narrow).all(|(wide, narrow)| (wide - narrow).abs() < 0.1 * size);
        Some(if settles { Verdict::Kink } else { Verdict::Unsettled })
    }

    /// The derivative by one entry, judged.
    pub fn compare(&mut self, at: usize, derivative: f64) -> Compared {
        let scale = self.values[at].abs().max(1.0);
        let allowed = |difference: f64| TOLERANCE * derivative.abs().max(difference.abs()).max(FLOOR);
        let of = |difference, verdict| Compared::of(at, derivative, difference, verdict);
        if !self.loss.is_finite() {
            return of(f64::NAN, Verdict::NotFinite);
        }
        let moves = self.moves(at, STEP * scale);
        let first = Slope::central(&moves, STEP * scale);
        if let Slope::Smooth(difference) = first
            && derivative.is_finite()
            && (derivative - difference).abs() <= allowed(difference)
            && self.noise / (STEP * scale) <= allowed(difference)
        {
            return of(difference, Verdict::Agrees);
        }
        // where the shortest step crosses a kink too, the entry stands on it
        if first == Slope::Crossed {
            let least = STEPS[STEPS.len() - 1] * scale;
            let nearest = self.moves(at, least);
            if Slope::central(&nearest, least) == Slope::Crossed {
                let (difference, verdict) = self.at_kink(at, scale, derivative, moves, &nearest);
                return of(difference, verdict);
            }
        }
        let slopes = STEPS.map(|step| if step == STEP { first } else { self.slope(at, step * scale) });
        let crossed = first == Slope::Crossed;
        let Some((difference, doubt)) = self.settled(&slopes, scale) else {
            return of(f64::NAN, if slopes.contains(&Slope::Crossed) { Verdict::Kink } else { Verdict::NotFinite });
        };
        let wrong = (derivative - difference).abs();
        let allowed = if derivative.is_finite() { allowed(difference) } else { 0.0 };
        if wrong <= allowed && doubt <= allowed {
            return of(difference, Verdict::Agrees);
        }
        // also right for a derivative that is no number
        let off = wrong.is_nan() || wrong > allowed + 10.0 * doubt;
        if off {
            return match self.corner(at, scale) {
                Some(verdict) => of(f64::NAN, verdict),
                None => of(difference, Verdict::Off),
            };
        }
        of(f64::NAN, if crossed { Verdict::Kink } else { Verdict::Unsettled })
    }
}
