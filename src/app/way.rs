//! What takes longer than a key may: the way to a far iteration, and moves through many units. It is done piece by piece, so that the screen lives on
//! meanwhile and the way can be left.

use super::{Lesson, State};
use crate::network::{Iteration, Walk};
use crate::step::{Address, Place, Unit};

/// The cost of what a key does by itself, counted in steps that are computed: some ten milliseconds. What costs more is left to [`State::work`].
const AT_ONCE: u64 = 10_000_000;
/// The least cost of an iteration, of one of its ops, and of moving by a unit.
const ITERATION: u64 = 10_000;
const OP: u64 = 1_000;
const MOVE: u64 = 1_000;

/// Where a way leads.
#[derive(Clone, Debug)]
enum Goal {
    /// To an address in the iteration that is computed.
    Address(Address),
    /// To a place of that iteration; to the last step where the descent ends before it.
    OrLast(Place),
    /// By this number of units, back where it is negative.
    Units(Unit, i64),
}

/// Something long that is under way.
#[derive(Clone, Debug)]
pub struct Way {
    goal: Goal,
    /// The iteration to which it leads, or is now.
    to: u64,
    /// How far that iteration is computed; `None` where the next piece needs no other iteration.
    walk: Option<Walk>,
}

impl Way {
    /// The next iteration to compute, and the last.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.walk.as_ref().map_or(self.to, Walk::next).min(self.to), self.to)
    }

    /// One clause that says how far it is.
    #[must_use]
    pub fn told(&self) -> String {
        let (next, to) = self.progress();
        match self.goal {
            Goal::Units(unit, left) if left.unsigned_abs() > 1 => {
                format!("iteration {next}, {} {} to go", left.unsigned_abs(), unit.plural())
            }
            _ => format!("iteration {next} of {to}"),
        }
    }

    /// The number of iterations to compute before the next thing happens.
    fn far(&self) -> u64 {
        self.walk.as_ref().map_or(0, |walk| self.to - walk.next().min(self.to) + 1)
    }

    /// The cost until then.
    fn cost(&self, lesson: &Lesson) -> u64 {
        let ops = lesson.trace.op_count() as u64;
        match (&self.walk, &self.goal) {
            (Some(_), _) => self.far().saturating_mul(lesson.trace.len().max(ITERATION).max(ops.saturating_mul(OP))),
            // these look at the ops one by one
            (None, Goal::Units(Unit::Pass | Unit::Sample, _)) => ops.max(MOVE),
            (None, _) => MOVE,
        }
    }
}

impl State {
    /// Goes to an address: at once, or on a way where its iteration is far.
    ///
    /// # Errors
    /// As [`Lesson::find`].
    pub fn set_out(&mut self, address: Address) -> Result<(), String> {
        let Some(lesson) = self.lesson.clone() else { return Ok(()) };
        match lesson.elsewhere(&address)? {
            None => {
                self.way = None;
                let step = lesson.resolve(&address)?;
                self.jump(None, step);
                self.name_the_loss();
            }
            Some(to) => {
                lesson.known(&address)?;
                let walk = lesson.descent.walk(to);
                lesson.fits(&walk)?;
                self.begin(Way { goal: Goal::Address(address), to, walk: Some(walk) });
            }
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
            self.jump(None, step);
            return lesson.lack.filter(|_| wanted > end).into_iter().for_each(|lack| self.say(lack.to_string(), true));
        }
        let walk = lesson.descent.walk(to);
        match lesson.fits(&walk) {
            Ok(()) => self.begin(Way { goal: Goal::OrLast(place), to, walk: Some(walk) }),
            Err(why) => self.say(why, true),
        }
    }

    /// Moves by a number of units, on or back: to the first step of the unit that it comes to, or as far as there are any.
    pub(super) fn by_units(&mut self, unit: Unit, times: i64) {
        let Some(lesson) = &self.lesson else { return };
        let to = lesson.trace.iteration();
        self.begin(Way { goal: Goal::Units(unit, times), to, walk: None });
    }

    /// Sets out, and goes as far as a key may.
    fn begin(&mut self, way: Way) {
        self.way = Some(way);
        let mut left = AT_ONCE;
        while let (Some(way), Some(lesson)) = (&self.way, &self.lesson) {
            let (cost, far) = (way.cost(lesson), way.far());
            if cost > left {
                return;
            }
            left -= cost;
            if far > 0 { self.work(far, u64::MAX) } else { self.work(1, 1) }
        }
    }

    /// Does this number of iterations of the way or of pieces of them, whichever are fewer, and goes where it leads when it is at its end. A piece is
    /// one of [`crate::network::Descent::advance`], or a move by a unit.
    pub(super) fn work(&mut self, mut iterations: u64, mut pieces: u64) {
        while iterations > 0 && pieces > 0 {
            let (Some(way), Some(lesson)) = (&mut self.way, self.lesson.clone()) else { return };
            let Some(walk) = &mut way.walk else {
                pieces -= 1;
                self.next_unit(&lesson);
                continue;
            };
            let Some(iteration) = lesson.descent.advance(walk, &mut pieces) else { return };
            iterations -= 1;
            if iteration.number >= way.to || iteration.ends() {
                self.arrived(&lesson, iteration);
            }
        }
    }

    /// Goes where the way leads, in an iteration that is computed.
    fn arrived(&mut self, lesson: &Lesson, iteration: Iteration) {
        let Some(Way { goal, to, .. }) = self.way.take() else { return };
        let number = iteration.number;
        let found = match &goal {
            Goal::Address(address) => lesson.arrive(to, iteration, address),
            Goal::OrLast(place) => lesson.arrive(number, iteration, &if number < to { Place::Last } else { place.clone() }.into()),
            Goal::Units(_, times) => lesson.arrive(number, iteration, &if *times < 0 { Place::Last } else { Place::First }.into()),
        };
        match found {
            Ok((other, step)) => self.jump(other, step),
            Err(why) => return self.say(why, true),
        }
        let Goal::Units(unit, times) = goal else {
            self.message = None;
            if matches!(goal, Goal::Address(_)) {
                self.name_the_loss();
            }
            return;
        };
        if times < 0
            && let Some(lesson) = &self.lesson
        {
            let start = lesson.trace.span(self.step, unit).start;
            self.jump(None, start);
        }
        self.units_left(unit, times - times.signum());
    }

    /// Moves by the next unit of the way, within this iteration; in front of another one, the way leads there.
    fn next_unit(&mut self, lesson: &Lesson) {
        let Some(Way { goal: Goal::Units(unit, times), .. }) = self.way else { return };
        let (trace, number) = (&lesson.trace, lesson.trace.iteration());
        if unit == Unit::Step && times != 0 {
            let room = if times > 0 { trace.len() - self.step } else { self.step - 1 };
            let by = i64::try_from(room).unwrap_or(i64::MAX).min(times.abs()) * times.signum();
            if by != 0 {
                self.jump(None, self.step.saturating_add_signed(by));
                return self.units_left(unit, times - by);
            }
        }
        let span = trace.span(self.step, unit);
        if times > 0 && span.end <= trace.len() {
            self.jump(None, span.end);
        } else if times > 0 && lesson.last {
            self.jump(None, trace.len());
            return self.units_left(unit, 0);
        } else if times < 0 && span.start < self.step {
            self.jump(None, span.start);
        } else if times < 0 && span.start > 1 {
            self.jump(None, trace.span(span.start - 1, unit).start);
        } else if times < 0 && number == 1 || times == 0 {
            return self.units_left(unit, 0);
        } else {
            let to = if times > 0 { number + 1 } else { number - 1 };
            let walk = lesson.descent.walk(to);
            if let Err(why) = lesson.fits(&walk) {
                self.units_left(unit, 0);
                return self.say(why, true);
            }
            self.way = Some(Way { goal: Goal::Units(unit, times), to, walk: Some(walk) });
            return;
        }
        self.units_left(unit, times - times.signum());
    }

    fn units_left(&mut self, unit: Unit, times: i64) {
        let to = self.lesson.as_ref().map_or(1, |lesson| lesson.trace.iteration());
        self.way = (times != 0).then_some(Way { goal: Goal::Units(unit, times), to, walk: None });
    }

    /// Leaves the way, and the play that it is a part of.
    pub(super) fn stop(&mut self) {
        if let Some(way) = self.way.take() {
            self.play = None;
            self.say(format!("stopped at {}", way.told()), false);
        }
    }

    /// Pauses play, also in the middle of a unit.
    pub(super) fn pause(&mut self) {
        self.play = None;
        self.way.take_if(|way| matches!(way.goal, Goal::Units(..)));
    }
}
