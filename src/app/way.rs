//! What takes longer than a key may: the way to a far iteration, and moves through many units. It is done piece by piece, so that the screen lives on
//! meanwhile and the way can be left.

use std::sync::Arc;
use std::time::Duration;

use super::{Lesson, State};
use crate::network::Walk;
use crate::step::{Address, Place, Unit};
use crate::threads::Elsewhere;

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
    walk: Option<Going>,
    /// Iterations to go on by from there, back where it is negative: the same key was pressed again meanwhile.
    more: i64,
}

/// The way to an iteration.
#[derive(Clone, Debug)]
enum Going {
    Here(Box<Walk>),
    /// Another thread does the next piece, on the way to this iteration first.
    Elsewhere(u64, Elsewhere<Piece>),
}

impl Going {
    /// The next iteration to compute.
    fn next(&self) -> u64 {
        match self {
            Self::Here(walk) => walk.next(),
            Self::Elsewhere(next, _) => *next,
        }
    }
}

/// The lesson where a way leads, if it is another one, and the step there; or why it leads nowhere.
type Found = Result<(Option<Lesson>, u64), String>;

/// Where the walk stands after one or several pieces.
#[derive(Debug)]
enum Piece {
    /// It is not at its end; `true` if an iteration was completed.
    On(Box<Walk>, bool),
    /// The last iteration of the way is computed.
    Arrived(Box<Found>),
}

/// Does at most this number of pieces of the way, to the end of an iteration, and takes them off the number.
fn go(lesson: &Lesson, goal: &Goal, to: u64, mut walk: Box<Walk>, pieces: &mut u64) -> Piece {
    let Some(iteration) = lesson.descent.advance(&mut walk, pieces) else { return Piece::On(walk, false) };
    let number = iteration.number;
    if number < to && !iteration.ends() {
        return Piece::On(walk, true);
    }
    let address = match goal {
        Goal::Address(address) => return Piece::Arrived(Box::new(lesson.arrive(to, iteration, address))),
        Goal::OrLast(place) => {
            if number < to {
                Place::Last
            } else {
                place.clone()
            }
        }
        Goal::Units(_, times) => {
            if *times < 0 {
                Place::Last
            } else {
                Place::First
            }
        }
    };
    Piece::Arrived(Box::new(lesson.arrive(number, iteration, &address.into())))
}

impl Way {
    /// The next iteration to compute, and the last.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.walk.as_ref().map_or(self.to, Going::next).min(self.to), self.to)
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

    /// Moves on by so many more units when this is a move by the same unit to the same side. Returns whether it is.
    pub(super) fn extend(&mut self, unit: Unit, by: i64) -> bool {
        match &mut self.goal {
            Goal::Units(own, left) if *own == unit && left.signum() == by.signum() => *left = left.saturating_add(by),
            Goal::OrLast(_) if unit == Unit::Iteration => self.more = self.more.saturating_add(by),
            _ => return false,
        }
        true
    }

    /// Whether what is computed next takes so much memory that another thread does it.
    fn is_large(&self) -> bool {
        matches!(&self.walk, Some(Going::Here(walk)) if walk.is_large())
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
                lesson.may_exist(to, &address)?;
                // its memory first
                self.way = None;
                let walk = lesson.descent.walk(to);
                lesson.fits(&walk)?;
                self.begin(Way { goal: Goal::Address(address), to, walk: Some(Going::Here(Box::new(walk))), more: 0 });
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
            Ok(()) => self.begin(Way { goal: Goal::OrLast(place), to, walk: Some(Going::Here(Box::new(walk))), more: 0 }),
            Err(why) => self.say(why, true),
        }
    }

    /// Moves by a number of units, on or back: to the first step of the unit that it comes to, or as far as there are any.
    pub(super) fn by_units(&mut self, unit: Unit, times: i64) {
        let Some(lesson) = &self.lesson else { return };
        let to = lesson.trace.iteration();
        self.begin(Way { goal: Goal::Units(unit, times), to, walk: None, more: 0 });
    }

    /// Sets out, and goes as far as a key may.
    fn begin(&mut self, way: Way) {
        self.way = Some(way);
        let mut left = AT_ONCE;
        while let (Some(way), Some(lesson)) = (&self.way, &self.lesson) {
            let (cost, far) = (way.cost(lesson), way.far());
            if way.is_large() {
                return;
            }
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
            let piece = match way.walk.take() {
                None => {
                    pieces -= 1;
                    self.next_unit(&lesson);
                    continue;
                }
                Some(Going::Here(walk)) => go(&lesson, &way.goal, way.to, walk, &mut pieces),
                Some(Going::Elsewhere(_, piece)) => {
                    pieces -= 1;
                    // what a clone of this state has taken is computed again
                    piece.take().unwrap_or_else(|| Piece::On(Box::new(lesson.descent.walk(way.to)), false))
                }
            };
            match piece {
                Piece::On(walk, next) => {
                    way.walk = Some(Going::Here(walk));
                    iterations -= u64::from(next);
                }
                Piece::Arrived(found) => {
                    iterations -= 1;
                    self.arrived(*found);
                }
            }
        }
    }

    /// Whether the next piece of the way is done within this time, or is short: another thread does a long one, and goes on with it after that time.
    pub fn is_ready_within(&mut self, wait: Duration) -> bool {
        let (Some(way), Some(lesson)) = (&mut self.way, &self.lesson) else { return true };
        way.walk = match way.walk.take() {
            Some(Going::Here(walk)) if lesson.descent.is_long(&walk) => {
                let (next, to) = (walk.next(), way.to);
                let (lesson, goal) = (Arc::clone(lesson), way.goal.clone());
                let piece = Elsewhere::begin(walk, move |walk| go(&lesson, &goal, to, walk, &mut { 1 }));
                Some(piece.map_or_else(Going::Here, |piece| Going::Elsewhere(next, piece)))
            }
            going => going,
        };
        match &way.walk {
            Some(Going::Elsewhere(_, piece)) => piece.is_done_within(wait),
            _ => true,
        }
    }

    /// Goes where the way has led.
    fn arrived(&mut self, found: Found) {
        let Some(Way { goal, more, .. }) = self.way.take() else { return };
        match found {
            Ok((other, step)) => self.jump(other, step),
            Err(why) => return self.say(why, true),
        }
        let Goal::Units(unit, times) = goal else {
            self.message = None;
            if matches!(goal, Goal::Address(_)) {
                self.name_the_loss();
            }
            if let Some(lesson) = self.lesson.clone().filter(|_| more != 0) {
                self.by_iterations(&lesson, more);
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
            self.way = Some(Way { goal: Goal::Units(unit, times), to, walk: Some(Going::Here(Box::new(walk))), more: 0 });
            return;
        }
        self.units_left(unit, times - times.signum());
    }

    fn units_left(&mut self, unit: Unit, times: i64) {
        let to = self.lesson.as_ref().map_or(1, |lesson| lesson.trace.iteration());
        self.way = (times != 0).then_some(Way { goal: Goal::Units(unit, times), to, walk: None, more: 0 });
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
