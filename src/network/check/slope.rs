//! The slope of the loss by an entry, from differences, and the verdict that follows on a derivative.
//!
//! A step that is longer than the bend of the loss shows a slope that has nothing to do with the derivative: a step of 1 at tanh(10⁶ (x − 1000)). A step that is too
//! short shows rounding. So no single step is believed where the first one does not agree: slopes are taken at steps of many sizes, and from the finest three
//! neighbours that agree the search goes to coarser ones for as long as they do not contradict. The most exact of these is the slope.

use std::cmp::Ordering;

use super::probe::{Crossing, Moved, Probe};
use super::steps::{COARSE, FIRST, coarse, exact, fine};
use super::{Compared, FLOOR, TOLERANCE, Verdict};
use crate::network::Id;

/// An entry that is not farther than this from a kink is near it.
const NEAR: f64 = 1e-6;

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

/// To which sides an entry is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Both,
    Left,
    Right,
}

impl Slope {
    fn of(slope: f64) -> Self {
        if slope.is_finite() { Self::Smooth(slope) } else { Self::NotFinite }
    }

    /// The five-point difference (8 (C(+h) − C(−h)) − (C(+2h) − C(−2h))) / 12h, where no kink is crossed.
    fn central(moves: &[Moved; 4], h: f64) -> Self {
        if moves.iter().any(|moved| moved.crossed != moves[0].crossed) {
            return Self::Crossed;
        }
        let [narrow, wide] = central(moves, h);
        Self::of((4.0 * narrow - wide) / 3.0)
    }

    /// The difference (4 (C(h) − C) − (C(2h) − C)) / 2h to one side, where no kink is crossed but this one.
    fn sided([near, far]: &[Moved; 2], here: f64, h: f64, kink: Option<Place>) -> Self {
        if near.crossed != far.crossed || near.crossed.iter().any(|&crossing| Some(place(crossing)) != kink) {
            return Self::Crossed;
        }
        Self::of(2.0 * ((near.loss - here) / h) - (far.loss - here) / (2.0 * h))
    }
}

/// The three-point differences of h and of 2h.
fn central([far, left, right, further]: &[Moved; 4], h: f64) -> [f64; 2] {
    [(right.loss - left.loss) / (2.0 * h), (further.loss - far.loss) / (4.0 * h)]
}

/// Whether the loss bends little within the step: the slopes of h and 2h are alike, and the curvatures too, up to this error.
fn smooth(moves: &[Moved; 4], here: f64, h: f64, error: f64) -> bool {
    let [narrow, wide] = central(moves, h);
    let [far, left, right, further] = moves;
    // how much the slope to the right is larger than that to the left; twice as much at the double step, where the loss is smooth
    let jump = |left: &Moved, right: &Moved| (right.loss - here) / h + (left.loss - here) / h;
    let (inner, outer) = (jump(left, right), jump(far, further));
    let allowed = 0.01 * (narrow.abs().max(wide.abs()) + inner.abs()) + error;
    (narrow - wide).abs() <= allowed && (outer - 4.0 * inner).abs() <= allowed
}

/// The largest ratio between neighbouring steps at which a step longer than the entry itself still confirms the shorter one. Beyond it the loss may have
/// saturated, so that its slope there is 0 whatever it is here.
const FAR: f64 = 64.0;

/// A slope that the differences of several steps agree on.
#[derive(Clone, Copy, Debug)]
struct Settled {
    slope: f64,
    /// How wrong it may be.
    doubt: f64,
    /// The step; `None` where no three neighbours agree.
    step: Option<f64>,
}

/// The slope that the differences of these steps, from long to short, settle on; `noise` is about how far rounding moves the loss, `size` the entry's own size
/// or 1.
fn settled(slopes: &[(f64, Slope)], size: f64, noise: f64) -> Option<Settled> {
    let slopes: Vec<(f64, f64)> = slopes
        .iter()
        .filter_map(|&(h, slope)| match slope {
            Slope::Smooth(slope) => Some((h, slope)),
            _ => None,
        })
        .collect();
    let pairs: Vec<Settled> = slopes
        .windows(2)
        .map(|pair| Settled { slope: pair[0].1, doubt: (pair[0].1 - pair[1].1).abs() + noise / pair[0].0, step: None })
        .collect();
    let sure = slopes.windows(3).zip(&pairs).enumerate().rev().find_map(|(n, (three, pair))| {
        let [(_, long), (_, middle), (h, short)] = *three else { return None };
        let spread = (long - middle).abs().max((long - short).abs()).max((middle - short).abs()) + noise / h;
        // relative to the slope itself: random slopes are not alike because they are small
        (spread <= (0.01 * middle.abs()).max(10.0 * noise / h)).then_some((n, Settled { doubt: spread, step: Some(three[0].0), ..*pair }))
    });
    let Some((finest, mut best)) = sure else {
        return pairs.into_iter().min_by(|a, b| a.doubt.total_cmp(&b.doubt));
    };
    for (pair, steps) in pairs[..=finest].iter().zip(slopes.windows(2)).rev() {
        let &[(h, _), (shorter, _)] = steps else { break };
        if h > size && h > FAR * shorter {
            break;
        }
        if (pair.slope - best.slope).abs() > 3.0 * (pair.doubt + best.doubt) {
            break;
        }
        if pair.doubt < best.doubt {
            best = Settled { step: Some(h), ..*pair };
        }
    }
    Some(best)
}

/// The slopes of the loss by one tensor's entries.
pub(super) struct Slopes<'a, 'p> {
    pub probe: &'p mut Probe<'a>,
    /// The tensor, and its entries where nothing moves.
    pub of: Id,
    pub values: &'a [f64],
    /// The loss where nothing moves.
    pub loss: f64,
    /// About how far rounding moves the loss while an entry moves.
    pub noise: f64,
}

/// The largest error of a derivative that agrees with a difference.
fn allowed(derivative: f64, difference: f64) -> f64 {
    if derivative.is_finite() { TOLERANCE * derivative.abs().max(difference.abs()).max(FLOOR) } else { 0.0 }
}

impl Settled {
    fn agrees(&self, derivative: f64) -> bool {
        let allowed = allowed(derivative, self.slope);
        (derivative - self.slope).abs() <= allowed && self.doubt <= allowed
    }

    /// Whether the derivative is wrong beyond doubt. Where no three neighbours agree, no slope is certain enough but to contradict NaN and infinities.
    fn contradicts(&self, derivative: f64) -> bool {
        if self.step.is_none() {
            return !derivative.is_finite();
        }
        let wrong = (derivative - self.slope).abs();
        wrong.is_nan() || wrong > allowed(derivative, self.slope) + 10.0 * self.doubt
    }
}

impl Slopes<'_, '_> {
    /// An entry's own size, or 1 where it is smaller.
    fn size(&self, at: usize) -> f64 {
        self.values[at].abs().max(1.0)
    }

    /// What becomes of the loss with one entry moved.
    fn moved(&mut self, at: usize, by: f64) -> Moved {
        self.probe.moved(self.of, at, self.values[at] + by)
    }

    /// What becomes of it 2h and h to the left, and to the right.
    fn moves(&mut self, at: usize, h: f64) -> [Moved; 4] {
        [-2.0, -1.0, 1.0, 2.0].map(|steps| self.moved(at, steps * h))
    }

    /// The slope at a step, to both sides or to one, where no kink is crossed but this one.
    fn slope(&mut self, at: usize, h: f64, side: Side, kink: Option<Place>) -> Slope {
        let h = match side {
            Side::Both => return Slope::central(&self.moves(at, h), h),
            Side::Left => -h,
            Side::Right => h,
        };
        Slope::sided(&[h, 2.0 * h].map(|by| self.moved(at, by)), self.loss, h, kink)
    }

    fn slopes(&mut self, at: usize, steps: &[f64], side: Side, kink: Option<Place>) -> Vec<(f64, Slope)> {
        steps.iter().map(|&h| (h, self.slope(at, h, side, kink))).collect()
    }

    /// The slopes to both sides of a kink, the smaller one first, and how wrong they may be.
    fn sides(&mut self, at: usize, kink: Place) -> Option<([f64; 2], f64)> {
        let steps = coarse(self.values[at]);
        let [left, right] = [Side::Left, Side::Right].map(|side| self.slopes(at, &steps, side, Some(kink)));
        let size = self.size(at);
        let (left, right) = (settled(&left, size, self.noise)?, settled(&right, size, self.noise)?);
        Some(([left.slope.min(right.slope), left.slope.max(right.slope)], left.doubt.max(right.doubt)))
    }

    /// A derivative at a kink, with the moves of the first step, and the kinks: the convention takes the slope of one side, or one between them.
    /// Where several kinks meet each may take another piece, and the derivative lies anywhere.
    fn at_kink(&mut self, at: usize, h: f64, derivative: f64, first: [Moved; 4], kinks: &[Place]) -> (f64, Verdict) {
        let none = (f64::NAN, Verdict::Kink);
        let &[kink] = kinks else { return none };
        let size = |[low, high]: [f64; 2]| low.abs().max(high.abs()).max(FLOOR);
        let between = |sides: [f64; 2], doubt: f64| {
            let allowed = TOLERANCE * size(sides) + 10.0 * doubt;
            // also right for a derivative that is NaN
            derivative >= sides[0] - allowed && derivative <= sides[1] + allowed
        };
        let [far, left, right, further] = first;
        let sides = [([left, far], -h), ([right, further], h)].map(|(moves, h)| Slope::sided(&moves, self.loss, h, Some(kink)));
        if let [Slope::Smooth(left), Slope::Smooth(right)] = sides
            && between([left.min(right), left.max(right)], self.noise / h)
        {
            return none;
        }
        let Some((sides, doubt)) = self.sides(at, kink) else { return none };
        if between(sides, doubt) || doubt > 1e-3 * size(sides) {
            return none;
        }
        (if derivative < sides[0] { sides[0] } else { sides[1] }, Verdict::Off)
    }

    /// Where the slopes to both sides differ, and go on differing as the step shrinks: a kink if each side settles, else a place where the differences
    /// mean nothing, for the loss bends too much, or is rounded too much. None where a shorter step shows a smooth bend with this same slope, as of a
    /// softmax tie, whose two sides bend alike at every step.
    fn corner(&mut self, at: usize, mut step: f64, slope: f64) -> Option<Verdict> {
        let (here, noise) = (self.moved(at, 0.0).loss, self.noise);
        let mut sides = |step: f64| [-1.0, 1.0].map(|way| (self.moved(at, way * step).loss - here) / (way * step));
        let jump = |[left, right]: [f64; 2]| (right - left).abs();
        let mut wide = sides(step);
        let mut found = None;
        loop {
            step = exact(step / 8.0);
            let narrow = sides(step);
            let size = narrow[0].abs().max(narrow[1].abs());
            let rounding = 100.0 * noise / step;
            if !(jump(narrow) > 0.5 * jump(wide) && jump(narrow) > 0.01 * size && jump(narrow) > rounding) {
                let smooth = jump(narrow) <= 0.5 * jump(wide) && rounding <= 0.01 * size;
                let middle = f64::midpoint(narrow[0], narrow[1]);
                return found.filter(|_| !(smooth && (middle - slope).abs() <= 0.01 * slope.abs()));
            }
            if wide.iter().zip(&narrow).all(|(wide, narrow)| (wide - narrow).abs() < 0.1 * size) {
                return Some(Verdict::Kink);
            }
            (wide, found) = (narrow, Some(Verdict::Unsettled));
        }
    }

    /// The kinks that the shortest step crosses and that the entry is exactly on.
    fn kinks(&mut self, at: usize) -> Vec<Place> {
        let shortest = coarse(self.values[at])[COARSE.len() - 1];
        let moves = self.moves(at, shortest);
        let mut kinks: Vec<Place> = moves.iter().flat_map(|moved| &moved.crossed).copied().map(place).collect();
        kinks.sort_unstable();
        kinks.dedup();
        kinks.retain(|&(op, entry, part)| self.probe.is_tie(op, entry, part));
        kinks
    }

    /// The most certain of the slopes to these sides, at these steps.
    fn settle(&mut self, at: usize, steps: &[f64], sides: &[Side]) -> Option<Settled> {
        let settled = sides.iter().filter_map(|&side| {
            let slopes = self.slopes(at, steps, side, None);
            settled(&slopes, self.size(at), self.noise)
        });
        let order = |a: &Settled, b: &Settled| {
            b.step.is_some().cmp(&a.step.is_some()).then(a.doubt.partial_cmp(&b.doubt).unwrap_or(Ordering::Equal))
        };
        settled.min_by(order)
    }

    /// The derivative by one entry, judged.
    pub fn compare(&mut self, at: usize, derivative: f64) -> Compared {
        let of = |difference, verdict| Compared::of(at, derivative, difference, verdict);
        if !self.loss.is_finite() {
            return of(f64::NAN, Verdict::NotFinite);
        }
        let h = exact(FIRST * self.values[at].abs().max(1.0));
        let moves = self.moves(at, h);
        let first = Slope::central(&moves, h);
        let mut trusted = true;
        if let Slope::Smooth(difference) = first {
            let error = allowed(derivative, difference);
            trusted = smooth(&moves, self.loss, h, TOLERANCE * derivative.abs().max(difference.abs()) + 10.0 * self.noise / h);
            if trusted && derivative.is_finite() && (derivative - difference).abs() <= error && self.noise / h <= error {
                return of(difference, Verdict::Agrees);
            }
        }
        let crossed = first == Slope::Crossed;
        let mut near = false;
        if crossed {
            let kinks = self.kinks(at);
            if !kinks.is_empty() {
                let (difference, verdict) = self.at_kink(at, h, derivative, moves, &kinks);
                return of(difference, verdict);
            }
            near = [-NEAR, NEAR].iter().any(|&by| !self.moved(at, by).crossed.is_empty());
        }
        let sides: &[Side] = if crossed { &[Side::Both, Side::Left, Side::Right] } else { &[Side::Both] };
        let mut settled = self.settle(at, &coarse(self.values[at]), sides);
        if !(trusted && settled.is_some_and(|settled| settled.agrees(derivative))) {
            settled = self.settle(at, &fine(self.values[at], self.loss, derivative), sides);
        }
        Compared { near, ..self.judged(at, derivative, settled, crossed) }
    }

    /// The verdict on a derivative by an entry, from the slope that differences settle on, which crosses no kink that is known to be `beside` it.
    fn judged(&mut self, at: usize, derivative: f64, settled: Option<Settled>, beside: bool) -> Compared {
        let of = |difference, verdict| Compared::of(at, derivative, difference, verdict);
        let Some(settled) = settled else { return of(f64::NAN, Verdict::NotFinite) };
        if settled.agrees(derivative) {
            return of(settled.slope, Verdict::Agrees);
        }
        if !settled.contradicts(derivative) {
            return of(f64::NAN, Verdict::Unsettled);
        }
        let step = settled.step.unwrap_or(FIRST * self.values[at].abs().max(1.0));
        match if beside { None } else { self.corner(at, step, settled.slope) } {
            Some(verdict) => of(f64::NAN, verdict),
            None => of(settled.slope, Verdict::Off),
        }
    }
}
