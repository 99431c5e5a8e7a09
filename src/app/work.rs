//! The work on a job: begins it, does its pieces, and ends it.

use std::sync::Arc;
use std::time::Duration;

use super::job::{Job, JobPiece, Seek, SeekGoal, SeekResult, Units, Walking};
use super::motion::Motion;
use super::{Dialect, Mode, Setting, Stepper};
use crate::step::{Address, Kind, Place, Scope, Unit};
use crate::threads::BackgroundTask;

/// The largest cost of the work that a key does at once, counted in computed steps: about ten milliseconds. The rest is done in later time slices.
const AT_ONCE: u64 = 10_000_000;
/// The largest number of products that one piece of work skips.
const SKIPPED: usize = 256;

impl Motion<'_> {
    /// Goes to an address: at once, or by a job if its iteration is far.
    ///
    /// # Errors
    /// As [`super::Document::find`].
    pub fn go_to(&mut self, address: Address) -> Result<(), String> {
        let document = Arc::clone(&self.stepper.document);
        match document.other_iteration(&address)? {
            None => {
                self.stepper.job = None;
                let step = document.resolve(&address)?;
                self.go(step);
                self.point_to_batch_loss();
            }
            Some(to) => {
                document.may_exist(to, &address)?;
                // frees the memory of the old job first
                self.stepper.job = None;
                let walk = document.descent.walk(to);
                document.fits(&walk)?;
                self.begin(Job::Seek(Seek::new(SeekGoal::Address(address), to, walk)));
            }
        }
        Ok(())
    }

    /// Goes to an address as [`Motion::go_to`] does, and keeps the place that it leaves among the places visited.
    ///
    /// # Errors
    /// As [`super::Document::find`].
    pub fn jump_to(&mut self, address: Address) -> Result<(), String> {
        let here = self.stepper.place();
        self.stepper.return_point = None;
        self.go_to(address)?;
        if self.has_moved(here) {
            self.stepper.visits.leave(here);
        }
        Ok(())
    }

    /// Goes to the address in the line, and leaves the line.
    pub fn go_to_prompt(&mut self) {
        let Mode::Prompt(prompt) = &self.stepper.mode else { return };
        let typed = prompt.input.value().trim().to_owned();
        self.stepper.mode = Mode::Normal;
        if typed.is_empty() {
            return;
        }
        self.stepper.play = None;
        if let Err(why) = typed.parse::<Address>().map_err(|why| why.to_string()).and_then(|address| self.jump_to(address)) {
            self.say(why, true);
        }
    }

    /// Moves by `times` iterations, back if negative, to the same entry and term there. Beyond the ends, goes to the first or the last iteration.
    pub fn by_iterations(&mut self, times: i64) {
        if self.settings.dialect == Dialect::One {
            return self.by_iterations_to_first_steps(times);
        }
        let document = Arc::clone(&self.stepper.document);
        let now = document.trace.iteration();
        let end = if document.last { now } else { document.descent.iterations() };
        let to = now.saturating_add_signed(times).clamp(1, end.max(1));
        if to != now {
            let places = self.stepper.same_place_in(to);
            self.seek_iteration(to, places);
        }
    }

    /// Moves by `times` iterations, back if negative, to the first step of an iteration. Beyond the ends, goes to the first or the last step of all.
    fn by_iterations_to_first_steps(&mut self, times: i64) {
        let document = Arc::clone(&self.stepper.document);
        let now = document.trace.iteration();
        let end = if document.last { now } else { document.descent.iterations() };
        // the first move back goes to the start of this iteration
        let back = times.unsigned_abs() - u64::from(times < 0 && self.stepper.step > 1);
        let wanted = if times < 0 { now.saturating_sub(back).max(1) } else { now.saturating_add(times.unsigned_abs()) };
        let (to, place) = if wanted > end { (end, Place::Last) } else { (wanted, Place::First) };
        if to == now {
            self.go(if place == Place::Last { document.trace.len() } else { 1 });
            return document.lack.filter(|_| wanted > end).into_iter().for_each(|lack| self.say(lack.to_string(), true));
        }
        self.seek_iteration(to, vec![place]);
    }

    /// Begins a seek to the first of some places that exists in another iteration.
    fn seek_iteration(&mut self, to: u64, places: Vec<Place>) {
        let document = Arc::clone(&self.stepper.document);
        let walk = document.descent.walk(to);
        match document.fits(&walk) {
            Ok(()) => self.begin(Job::Seek(Seek::new(SeekGoal::Iteration { places, more: 0 }, to, walk))),
            Err(why) => self.say(why, true),
        }
    }

    /// Moves by `times` units, back if negative, to the last step of a unit; at most to the first step or to the last unit.
    pub fn by_units(&mut self, unit: Unit, times: i64) {
        let iteration = self.stepper.document.trace.iteration();
        self.begin(Job::Move { units: Units { unit, left: times }, iteration });
    }

    /// Begins a job, and does as much of it as a key may do at once.
    fn begin(&mut self, job: Job) {
        self.stepper.job = Some(job);
        let mut left = AT_ONCE;
        while let Some(job) = &self.stepper.job {
            let cost = job.cost(&self.stepper.document);
            let far = match job {
                Job::Seek(seek) if seek.is_large() => return,
                Job::Seek(seek) => Some(seek.remaining()),
                Job::Move { .. } => None,
            };
            if cost > left {
                return;
            }
            left -= cost;
            match far {
                Some(far) => self.work(far, u64::MAX),
                None => self.work(1, 1),
            }
        }
    }

    /// Does `iterations` iterations or `pieces` pieces of the job, whichever is less work, and goes to its goal at its end. A piece is one of
    /// [`crate::network::Descent::advance`], or a move by one unit.
    pub fn work(&mut self, mut iterations: u64, mut pieces: u64) {
        while iterations > 0 && pieces > 0 {
            match self.stepper.job.take() {
                None => return,
                Some(Job::Move { units, .. }) => {
                    pieces -= 1;
                    self.next_unit(units);
                }
                Some(Job::Seek(Seek { goal, to, walk })) => {
                    let document = Arc::clone(&self.stepper.document);
                    let piece = match walk {
                        Walking::Here(walk) => goal.advance(&document, to, walk, &mut pieces),
                        Walking::Elsewhere(_, piece) => {
                            pieces -= 1;
                            // if a clone of this state has taken the piece, it is computed again
                            piece.take().unwrap_or_else(|| JobPiece::On(Box::new(document.descent.walk(to)), false))
                        }
                    };
                    match piece {
                        JobPiece::On(walk, next) => {
                            self.stepper.job = Some(Job::Seek(Seek { goal, to, walk: Walking::Here(walk) }));
                            iterations -= u64::from(next);
                        }
                        JobPiece::Arrived(found) => {
                            iterations -= 1;
                            self.arrive(&goal, *found);
                        }
                    }
                }
            }
        }
    }

    /// Goes to the goal of a seek, and continues from there if the job is not done.
    fn arrive(&mut self, goal: &SeekGoal, found: SeekResult) {
        let before = self.stepper.place().iteration;
        match found {
            Ok((other, step)) => {
                if let Some(other) = other {
                    self.stepper.document = Arc::new(other);
                }
                self.go(step);
            }
            Err(why) => return self.say(why, true),
        }
        match *goal {
            SeekGoal::Address(_) => {
                *self.message = None;
                self.point_to_batch_loss();
            }
            SeekGoal::Iteration { more, .. } => {
                *self.message = None;
                let moved = self.stepper.place().iteration.saturating_sub(before);
                self.stepper.return_point.iter_mut().for_each(|point| point.advance(moved));
                if more != 0 {
                    self.by_iterations(more);
                }
            }
            SeekGoal::Units(units) => {
                let span = self.stepper.document.trace.span(self.stepper.step, units.unit);
                match (self.settings.dialect, units.left < 0) {
                    (Dialect::One, true) => _ = self.go(span.start),
                    (Dialect::Two, false) => _ = self.go(span.end - 1),
                    (Dialect::One, false) | (Dialect::Two, true) => {}
                }
                self.count_forward(units.left, 1);
                self.units_left(units.with(units.left - units.left.signum()));
            }
        }
    }

    /// Moves by the next unit within this iteration, or begins a seek to the iteration of the next unit.
    fn next_unit(&mut self, units: Units) {
        let Units { unit, left } = units;
        let document = Arc::clone(&self.stepper.document);
        let (trace, number, step) = (&document.trace, document.trace.iteration(), self.stepper.step);
        if unit == Unit::Step && left != 0 {
            if self.settings.is_on(Setting::SkipZeros) {
                if self.next_nonzero(units) {
                    return;
                }
            } else {
                let room = if left > 0 { trace.len() - step } else { step - 1 };
                let by = i64::try_from(room).unwrap_or(i64::MAX).min(left.abs()) * left.signum();
                if by != 0 {
                    self.go(step.saturating_add_signed(by));
                    self.count_forward(left, by.unsigned_abs());
                    return self.units_left(units.with(left - by));
                }
            }
        }
        let span = trace.span(step, unit);
        let next = match (self.settings.dialect, left > 0) {
            (Dialect::Two, true) if step + 1 < span.end => Some(span.end - 1),
            (Dialect::Two, true) if step < trace.len() => Some(trace.span(step + 1, unit).end - 1),
            (Dialect::Two, false) if span.start > 1 => Some(span.start - 1),
            (Dialect::One, true) if span.end <= trace.len() => Some(span.end),
            (Dialect::One, false) if span.start < step => Some(span.start),
            (Dialect::One, false) if span.start > 1 => Some(trace.span(span.start - 1, unit).start),
            _ => None,
        };
        if let Some(next) = next {
            self.go(next);
            self.count_forward(left, 1);
        } else if left > 0 && document.last {
            self.go(trace.len());
            return;
        } else if left < 0 && number == 1 || left == 0 {
            self.go(if left == 0 { step } else { 1 });
            return;
        } else {
            let to = if left > 0 { number + 1 } else { number - 1 };
            let walk = document.descent.walk(to);
            match document.fits(&walk) {
                Ok(()) => self.stepper.job = Some(Job::Seek(Seek::new(SeekGoal::Units(units), to, walk))),
                Err(why) => self.say(why, true),
            }
            return;
        }
        self.units_left(units.with(left - left.signum()));
    }

    /// Counts units that were moved forward, for the return of `h`; `left` is negative for a move back.
    fn count_forward(&mut self, left: i64, units: u64) {
        if left > 0 {
            self.stepper.return_point.iter_mut().for_each(|point| point.advance(units));
        }
    }

    /// Moves to the next step of this iteration that is no product of value 0, or as far towards it as one piece of work reaches. Returns `false` if there
    /// are no further steps in this iteration.
    fn next_nonzero(&mut self, units: Units) -> bool {
        let document = Arc::clone(&self.stepper.document);
        let (trace, by) = (&document.trace, units.left.signum());
        let is_zero = |k: u64| trace.get(k).is_some_and(|step| step.kind == Kind::Product && step.value == 0.0);
        let mut step = self.stepper.step;
        for _ in 0..SKIPPED {
            let next = step.saturating_add_signed(by);
            if next == 0 || next > trace.len() {
                break;
            }
            step = next;
            if !is_zero(step) {
                self.go(step);
                self.count_forward(units.left, 1);
                self.units_left(units.with(units.left - by));
                return true;
            }
        }
        let moved = self.go(step);
        if moved {
            self.units_left(units);
        }
        moved
    }

    /// Keeps the rest of a move as the job, if there is any.
    fn units_left(&mut self, units: Units) {
        let iteration = self.stepper.document.trace.iteration();
        self.stepper.job = (units.left != 0).then_some(Job::Move { units, iteration });
    }

    /// Stops the job, and play with it.
    pub fn stop(&mut self) {
        if let Some(job) = self.stepper.job.take() {
            self.stepper.play = None;
            self.say(format!("stopped at {}", job.describe()), false);
        }
    }

    /// Pauses play, even in the middle of a move.
    pub fn pause(&mut self) {
        self.stepper.play = None;
        self.stepper.job.take_if(|job| job.units().is_some());
    }
}

impl Stepper {
    /// Returns the places in another iteration that are nearest to the step on the screen: its entry and term, its entry, its op, and the first step, which
    /// always exists. In a batch of other samples it takes the sample at the same position.
    fn same_place_in(&self, iteration: u64) -> Vec<Place> {
        let mut places = vec![Place::First];
        if let Some((trace, at)) = self.here()
            && let Place::Op { scope, name, index, term } = trace.address(&at).place
        {
            let scope = match scope {
                Scope::Sample(_) => {
                    self.document.descent.samples(iteration).get(at.sample_run).map_or(scope, |sample| Scope::Sample(sample + 1))
                }
                scope => scope,
            };
            let op = |index, term| Place::Op { scope, name: name.clone(), index, term };
            places = vec![op(index.clone(), term), op(index, None), op(None, None), Place::First];
        }
        places
    }

    /// Returns whether the next piece of the job is short, or was done within this time. Another thread does a long piece, and continues after that time.
    pub(super) fn is_ready_within(&mut self, wait: Duration) -> bool {
        self.job = match self.job.take() {
            Some(Job::Seek(Seek { goal, to, walk: Walking::Here(walk) })) if self.document.descent.is_next_long(&walk) => {
                let (next, document, own) = (walk.next(), Arc::clone(&self.document), goal.clone());
                let piece = BackgroundTask::begin(walk, move |walk| own.advance(&document, to, walk, &mut { 1 }));
                let walk = piece.map_or_else(Walking::Here, |piece| Walking::Elsewhere(next, piece));
                Some(Job::Seek(Seek { goal, to, walk }))
            }
            job => job,
        };
        match &self.job {
            Some(Job::Seek(Seek { walk: Walking::Elsewhere(_, piece), .. })) => piece.is_done_within(wait),
            _ => true,
        }
    }
}
