//! The way to a far iteration: it is computed piece by piece, so that the screen lives on meanwhile, and can be left.

use super::{Lesson, State};
use crate::network::Walk;
use crate::step::{Address, Place};

/// The most steps that are computed at once, and what an iteration counts at least: some ten milliseconds of work.
const AT_ONCE: u64 = 10_000_000;
const LEAST: u64 = 10_000;

/// On the way to an address in a far iteration.
#[derive(Clone, Debug)]
pub struct Way {
    address: Address,
    to: u64,
    /// Whether the last step will do, where the descent ends before.
    or_last: bool,
    walk: Walk,
}

impl Way {
    /// The next iteration to compute, and the last.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.walk.next().min(self.to), self.to)
    }
}

impl State {
    /// Goes to an address: at once, or on a way where its iteration is far.
    ///
    /// # Errors
    /// As [`Lesson::find`].
    pub(super) fn set_out(&mut self, lesson: &Lesson, address: Address) -> Result<(), String> {
        match lesson.elsewhere(&address)? {
            None => {
                self.way = None;
                let step = lesson.trace.resolve(&address)?;
                self.jump(None, step);
            }
            Some(to) => self.begin(lesson, Way { address, to, or_last: false, walk: lesson.descent.walk(to) }),
        }
        Ok(())
    }

    /// Moves by so many iterations, forwards or back: to the first step of one; at the ends to the first or the last step of all.
    pub(super) fn by_iterations(&mut self, lesson: &Lesson, times: i64) {
        let (now, len) = (lesson.trace.iteration(), lesson.trace.len());
        let end = if lesson.last { now } else { lesson.descent.iterations() };
        // to the beginning of this one first
        let back = times.unsigned_abs() - u64::from(times < 0 && self.step > 1);
        let wanted = if times < 0 { now.saturating_sub(back).max(1) } else { now.saturating_add(times.unsigned_abs()) };
        let (to, place) = if wanted > end { (end, Place::Last) } else { (wanted, Place::First) };
        if to == now {
            let step = if place == Place::Last { len } else { 1 };
            return self.jump(None, step);
        }
        self.begin(lesson, Way { address: Address { iteration: Some(to), place }, to, or_last: true, walk: lesson.descent.walk(to) });
    }

    fn begin(&mut self, lesson: &Lesson, way: Way) {
        let far = way.to - way.walk.next() + 1;
        self.way = Some(way);
        if far.saturating_mul(lesson.trace.len().max(LEAST)) <= AT_ONCE {
            self.work(far);
        }
    }

    /// Computes so many iterations more of the way, and goes where it leads when it is at its end.
    pub(super) fn work(&mut self, iterations: u64) {
        let (Some(way), Some(lesson)) = (&mut self.way, self.lesson.clone()) else { return };
        for _ in 0..iterations {
            let iteration = lesson.descent.advance(&mut way.walk);
            if iteration.number < way.to && !iteration.stopped {
                continue;
            }
            let found = if way.or_last && iteration.number < way.to {
                lesson.arrive(iteration.number, iteration, &Place::Last.into())
            } else {
                lesson.arrive(way.to, iteration, &way.address)
            };
            self.way = None;
            self.message = None;
            return match found {
                Ok((other, step)) => self.jump(other, step),
                Err(why) => self.say(why, true),
            };
        }
    }

    /// Leaves the way.
    pub(super) fn stop(&mut self) {
        if let Some(way) = self.way.take() {
            let (next, to) = way.progress();
            self.say(format!("stopped at iteration {next} of {to}"), false);
        }
    }
}
