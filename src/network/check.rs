//! Derivatives against differences of the loss: an entry of a tensor is moved a little both ways, what depends on it is computed anew, and the
//! slope of the loss is compared with the derivative that the backward pass has found.

use std::cmp::Ordering;

use super::{Id, Network, Role, Run};
use crate::step::{Kind, Pass};
use crate::tensor::{flat, from_flat, len};

/// The largest relative error of a derivative that agrees.
pub const TOLERANCE: f64 = 1e-6;
/// The smallest number that an error is taken relative to.
pub const FLOOR: f64 = 1e-3;

/// The first step, times max(1, |w|) of the entry w.
const STEP: f64 = 1e-5;
/// The steps that are compared with one another where the first does not settle it: long ones round off less, short ones bend less.
const STEPS: [f64; 8] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9];

/// What the differences say of a derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It agrees.
    Agrees,
    /// It is wrong.
    Off,
    /// The loss has a kink there: a sign or a winner changes, or its slope does. So there is no derivative, only a convention.
    Kink,
    /// The loss is not finite there.
    NotFinite,
    /// Rounding hides the slope: differences of several steps do not agree among themselves.
    Unsettled,
}

/// One derivative and the slope of the loss.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The row-major place of the entry.
    pub at: usize,
    /// From the backward pass.
    pub derivative: f64,
    /// From the differences; NaN where there is none.
    pub difference: f64,
    /// |derivative − difference| relative to the larger of them, or to [`FLOOR`] where that is larger still; NaN where there is no difference.
    pub error: f64,
    /// What follows.
    pub verdict: Verdict,
}

/// The derivatives by one tensor's entries.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The tensor of the derivatives.
    pub gradient: Id,
    /// How many entries it has.
    pub entries: usize,
    /// Those that were looked at, in order.
    pub compared: Vec<Compared>,
}

impl Checked {
    /// How many entries have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.compared.iter().filter(|compared| compared.verdict == verdict).count()
    }

    /// The entry with the largest error, among those that agree or are off.
    #[must_use]
    pub fn worst(&self) -> Option<&Compared> {
        let judged = self.compared.iter().filter(|compared| matches!(compared.verdict, Verdict::Agrees | Verdict::Off));
        // the first of equals
        judged.rev().max_by(|a, b| {
            (a.verdict == Verdict::Off, a.error).partial_cmp(&(b.verdict == Verdict::Off, b.error)).unwrap_or(Ordering::Equal)
        })
    }
}

/// Every tensor that the backward pass has a derivative for, in its order: at most `most` entries of each, spread over it, the same in every run.
#[must_use]
pub fn check(network: &Network, run: &Run, most: usize) -> Vec<Checked> {
    let backward = network.ops().iter().filter(|op| op.pass == Pass::Backward);
    let checked = backward.filter_map(|op| {
        let Role::Gradient(of) = network.tensor(op.output).role else { return None };
        let entries = len(&network.tensor(of).shape);
        let slopes = Slopes::new(network, run, of);
        let compared = sample(entries, most).map(|at| slopes.compare(at, run.values(op.output)[at])).collect();
        Some(Checked { gradient: op.output, entries, compared })
    });
    checked.collect()
}

/// At most `most` of so many places: one from each of as many equal stretches, where within it by a multiplicative hash, so that no row or
/// column of a matrix is missed altogether.
fn sample(entries: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = entries.min(most);
    let border = move |k: usize| usize::try_from(k as u128 * entries as u128 / count as u128).unwrap_or(entries);
    (0..count).map(move |k| {
        let hash = (k as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let (from, to) = (border(k), border(k + 1));
        from + usize::try_from((u128::from(hash) * (to - from) as u128) >> 32).unwrap_or(0)
    })
}

/// The slope of the loss at one step, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slope {
    Smooth(f64),
    Crossed,
    NotFinite,
}

/// The slopes of the loss by one tensor's entries.
struct Slopes<'a> {
    network: &'a Network,
    run: &'a Run,
    of: Id,
    /// The forward ops with kinks that depend on the tensor.
    bent: Vec<usize>,
    /// About how far rounding moves the loss.
    noise: f64,
}

impl<'a> Slopes<'a> {
    fn new(network: &'a Network, run: &'a Run, of: Id) -> Self {
        let mut depends = vec![false; network.tensors().len()];
        depends[of] = true;
        let (mut bent, mut squares) = (Vec::new(), 0.0);
        for (number, op) in network.ops().iter().enumerate().take_while(|(_, op)| op.pass != Pass::Backward) {
            if op.output == of || !op.parts.iter().any(|part| part.operands.iter().any(|&read| depends[read])) {
                continue;
            }
            depends[op.output] = true;
            if has_kinks(network, run, number) {
                bent.push(number);
            }
            if let Some(gradient) = network.gradient_of(op.output) {
                let moves = run.values(op.output).iter().zip(run.values(gradient)).map(|(value, slope)| (value * slope).powi(2));
                squares += moves.filter(|square| square.is_finite()).sum::<f64>();
            }
        }
        let noise = 4.0 * f64::EPSILON * (squares.sqrt() + run.values(network.loss())[0].abs());
        Self { network, run, of, bent, noise }
    }

    /// The run with one entry moved.
    fn moved(&self, at: usize, by: f64) -> Run {
        let mut entries = self.run.values(self.of).to_vec();
        entries[at] += by;
        self.run.with(self.network, self.of, from_flat(&self.network.tensor(self.of).shape, entries))
    }

    fn loss(&self, run: &Run) -> f64 {
        flat(run.tensor(self.network.loss()))[0]
    }

    /// On which side of each kink a run stands.
    fn sides(&self, run: &Run) -> Vec<usize> {
        let mut sides = Vec::new();
        for &number in &self.bent {
            let op = &self.network.ops()[number];
            for (rule, x) in run.parts(op, number) {
                for entry in 0..len(&self.network.tensor(op.output).shape) {
                    if rule.before(&x, entry) < rule.before(&x, entry + 1) {
                        let term = rule.term(&x, entry, 0);
                        let args: Vec<f64> = term.args.iter().map(|arg| arg.value).collect();
                        sides.extend(side(term.kind, term.function, &args));
                    }
                }
            }
        }
        sides
    }

    /// The five-point difference (8 (C(+h) − C(−h)) − (C(+2h) − C(−2h))) / 12h.
    fn slope(&self, at: usize, h: f64) -> Slope {
        let runs = [-2.0, -1.0, 1.0, 2.0].map(|steps| self.moved(at, steps * h));
        let sides = self.sides(&runs[0]);
        if runs[1..].iter().any(|run| self.sides(run) != sides) {
            return Slope::Crossed;
        }
        let [far, left, right, further] = runs.each_ref().map(|run| self.loss(run));
        let slope = (8.0 * (right - left) - (further - far)) / (12.0 * h);
        if slope.is_finite() { Slope::Smooth(slope) } else { Slope::NotFinite }
    }

    /// The same where several steps are needed: the slope on which two neighbouring steps agree best, and how well.
    fn settled(&self, slopes: &[Slope], scale: f64) -> Option<(f64, f64)> {
        let pairs = slopes.windows(2).zip(STEPS).filter_map(|(pair, step)| match pair {
            [Slope::Smooth(long), Slope::Smooth(short)] => Some((*long, (long - short).abs() + self.noise / (step * scale))),
            _ => None,
        });
        pairs.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// Whether the slopes to both sides differ, and go on differing as the step shrinks.
    fn corner(&self, at: usize, scale: f64) -> bool {
        let here = self.loss(&self.moved(at, 0.0));
        let [wide, narrow] = [STEP, STEP / 10.0].map(|step| {
            let h = step * scale;
            let [left, right] = [-h, h].map(|by| (self.loss(&self.moved(at, by)) - here) / by);
            ((right - left).abs(), left.abs().max(right.abs()), self.noise / h)
        });
        narrow.0 > 0.5 * wide.0 && narrow.0 > 0.01 * narrow.1 && narrow.0 > 100.0 * narrow.2
    }

    fn compare(&self, at: usize, derivative: f64) -> Compared {
        let scale = self.run.values(self.of)[at].abs().max(1.0);
        let allowed = |difference: f64| TOLERANCE * derivative.abs().max(difference.abs()).max(FLOOR);
        let of = |difference: f64, verdict| {
            let error = (derivative - difference).abs() / derivative.abs().max(difference.abs()).max(FLOOR);
            let error = if difference.is_finite() && !error.is_finite() { f64::INFINITY } else { error };
            Compared { at, derivative, difference, error, verdict }
        };
        let first = self.slope(at, STEP * scale);
        if let Slope::Smooth(difference) = first
            && derivative.is_finite()
            && (derivative - difference).abs() <= allowed(difference)
            && self.noise / (STEP * scale) <= allowed(difference)
        {
            return of(difference, Verdict::Agrees);
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
        if off && !self.corner(at, scale) {
            return of(difference, Verdict::Off);
        }
        of(f64::NAN, if off || crossed { Verdict::Kink } else { Verdict::Unsettled })
    }
}

/// Which of its pieces a function with kinks takes for these arguments; `None` for one without.
fn side(kind: Kind, function: Option<&str>, args: &[f64]) -> Option<usize> {
    let order = |a: f64, b: f64| match a.partial_cmp(&b) {
        Some(Ordering::Less) => 0,
        Some(Ordering::Equal) => 1,
        Some(Ordering::Greater) => 2,
        None => 3,
    };
    match (kind, function) {
        (Kind::Select, _) => Some((1..args.len()).fold(0, |best, i| if args[i] > args[best] { i } else { best })),
        (_, Some("relu" | "leaky_relu" | "elu" | "abs")) => Some(order(args[0], 0.0)),
        (_, Some("min" | "max")) => Some(order(args[0], args[1])),
        _ => None,
    }
}

/// Whether an op has kinks: its first term says so for all.
fn has_kinks(network: &Network, run: &Run, number: usize) -> bool {
    let op = &network.ops()[number];
    let entries = len(&network.tensor(op.output).shape);
    op.pass == Pass::Forward
        && run.parts(op, number).any(|(rule, x)| {
            let first = (0..entries).find(|&entry| rule.before(&x, entry) < rule.before(&x, entry + 1));
            first.is_some_and(|entry| {
                let term = rule.term(&x, entry, 0);
                let args: Vec<f64> = term.args.iter().map(|arg| arg.value).collect();
                side(term.kind, term.function, &args).is_some()
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_in_order_without_repetition_and_leaves_out_no_row() {
        for (entries, most) in [(1, 200), (200, 200), (201, 200), (80_000, 200), (usize::MAX / 2, 7)] {
            let places: Vec<usize> = sample(entries, most).collect();
            assert_eq!(places.len(), entries.min(most));
            assert!(places.is_sorted_by(|a, b| a < b) && places.iter().all(|&at| at < entries), "{entries}");
        }
        let columns: std::collections::BTreeSet<usize> = sample(80_000, 200).map(|at| at % 20).collect();
        assert_eq!(columns.len(), 20);
    }

    #[test]
    fn a_side_changes_with_a_sign_or_a_winner() {
        let relu = |x: f64| side(Kind::Apply, Some("relu"), &[x]);
        assert!(relu(-1e-9) != relu(0.0) && relu(0.0) != relu(1e-9) && relu(-1e-9) != relu(1e-9));
        assert_ne!(side(Kind::Select, Some("max"), &[1.0, 2.0]), side(Kind::Select, Some("max"), &[2.0, 1.0]));
        assert_ne!(side(Kind::Apply, Some("min"), &[1.0, 2.0]), side(Kind::Apply, Some("min"), &[2.0, 1.0]));
        assert_eq!(side(Kind::Apply, Some("exp"), &[1.0]), None);
    }
}
