//! Reasons why the differences at one step size prove nothing.
//!
//! A difference approximates a slope if the step is short enough for the curve of the loss and long enough for its rounding errors. The differences at several
//! step sizes agree then. But they can also agree by chance, or because all steps are too long: for c + sin(x) with c = 10¹⁹ and x = 10⁹, the sine changes the
//! sum by less than its rounding error, so every difference is 0. Therefore the moves of the difference are made again, and some others between them:
//!
//! - The loss is computed with other rounding errors (`jitter`).
//! - The loss after the other moves must lie on the polynomial through the losses after the moves of the difference.
//! - So must each number on the path to the loss, such as the sine. Otherwise its slope is not known, and neither is that of the loss.

use std::borrow::Cow;

use super::difference::MoveDirection;
use super::jitter::{DRAWS, Move, moved_tensors};
use super::perturb::Workspace;
use super::rounding::Path;
use crate::network::Id;
use crate::tensor::len;

/// Other moves than those of a difference, in step sizes.
const OTHER_MOVES: [f64; 6] = [-1.7, -1.3, -0.6, 0.3, 0.7, 1.4];

/// The largest number of entries on the path to the loss that are all examined. If there are more, only the loss is.
const MAX_ENTRIES: usize = 1 << 20;

/// The result of examining a difference.
pub(super) struct Doubt {
    /// The change of the loss by other rounding errors.
    pub noise: f64,
    /// The distance of the loss from the polynomial.
    pub misfit: f64,
    /// `true` if a number on the path to the loss is far from its polynomial.
    pub hides_a_curve: bool,
}

/// The numbers after a move, which is given in step sizes.
type Moved<'a> = (f64, Vec<Cow<'a, [f64]>>);

impl Doubt {
    /// Examines the difference with the step size `h`, for the entry `at` of the tensor `of` with this value.
    pub fn of(workspace: &Workspace<'_>, of: Id, (at, value): (usize, f64), direction: MoveDirection, h: f64) -> Self {
        let forward = workspace.forward();
        let network = forward.network;
        let path = Path::from(network, of);
        let moved = |t: f64, draw: Option<u64>| {
            let to = Move { of, at, value: value + t * h };
            // the move after rounding
            ((to.value - value) / h, moved_tensors(forward, &path, to, draw))
        };
        let stencil: Vec<Moved<'_>> = direction.moves().iter().map(|&t| moved(t, None)).collect();
        let is_inside = |t: &f64| direction == MoveDirection::Both || (*t > 0.0) == (direction == MoveDirection::Right);
        let others: Vec<Moved<'_>> = OTHER_MOVES.into_iter().filter(is_inside).map(|t| moved(t, None)).collect();
        let (_, here) = moved(0.0, None);
        // for each move of the difference, the numbers with other rounding errors
        let mut noises: Vec<Vec<f64>> = here.iter().map(|entries| vec![0.0; entries.len()]).collect();
        for (&t, (_, plain)) in direction.moves().iter().zip(&stencil) {
            for draw in 0..DRAWS {
                if workspace.is_stopped() {
                    break;
                }
                let (_, changed) = moved(t, Some(draw));
                for id in (0..noises.len()).filter(|&id| id != of && path.depends[id]) {
                    for (noise, (plain, changed)) in noises[id].iter_mut().zip(plain[id].iter().zip(&*changed[id])) {
                        // a NaN does not change the noise
                        *noise = noise.max((plain - changed).abs());
                    }
                }
            }
        }
        let fit = Fit { stencil: &stencil, others: &others, here: &here };
        let loss = network.loss();
        let on_path = || (0..noises.len()).filter(|&id| id != of && id != loss && path.depends[id]);
        let hides_a_curve = |id: Id| {
            let matters = |place: usize| network.gradient_of(id).is_none_or(|gradient| forward.run.values(gradient)[place] != 0.0);
            (0..here[id].len()).any(|place| {
                let (misfit, change) = fit.misfit(id, place);
                misfit > 0.1 * change + 3.0 * noises[id][place] + 8.0 * f64::EPSILON * here[id][place].abs() && matters(place)
            })
        };
        let is_examined = on_path().map(|id| len(&network.tensor(id).shape)).sum::<usize>() <= MAX_ENTRIES;
        Self { noise: noises[loss][0], misfit: fit.misfit(loss, 0).0, hides_a_curve: is_examined && on_path().any(hides_a_curve) }
    }
}

/// The polynomials through the numbers after the moves of a difference.
struct Fit<'f, 'a> {
    /// The moves of the difference.
    stencil: &'f [Moved<'a>],
    /// Other moves.
    others: &'f [Moved<'a>],
    /// The numbers without a move.
    here: &'f [Cow<'a, [f64]>],
}

impl Fit<'_, '_> {
    /// Returns the largest distance of an entry from its polynomial after the other moves, and the largest change of the entry by a move of the difference. A
    /// distance or a change that is NaN does not count.
    fn misfit(&self, id: Id, place: usize) -> (f64, f64) {
        let here = self.here[id][place];
        let change = |tensors: &[Cow<'_, [f64]>]| tensors[id][place] - here;
        // Lagrange's formula. It has no summand for the move 0, because the change without a move is 0
        let polynomial = |t: f64| -> f64 {
            let basis = |own: f64| {
                self.stencil.iter().map(|(t, _)| *t).filter(|&other| other != own).map(|other| (t - other) / (own - other)).product::<f64>()
            };
            self.stencil.iter().map(|(own, tensors)| change(tensors) * basis(*own) * t / own).sum()
        };
        let misfits = self.others.iter().map(|(t, tensors)| (change(tensors) - polynomial(*t)).abs());
        let largest = |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(0.0, f64::max);
        (largest(&mut misfits.into_iter()), largest(&mut self.stencil.iter().map(|(_, tensors)| change(tensors).abs())))
    }
}
