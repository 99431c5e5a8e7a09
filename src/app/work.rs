//! Begins jobs, does their pieces and ends them. `job.rs` defines jobs and pieces.

use std::sync::Arc;
use std::time::Duration;

use super::check::Check;
use super::computation_state::ComputationState;
use super::job::{Job, Seek, SeekGoal, SeekProgress, SeekResult, UnitMove};
use super::stepper_context::StepperContext;
use super::{KeyMeanings, Setting, Stepper, TrainJob};
use crate::step::{Address, Kind, Location, Scope, Unit};

/// The largest amount of work that is done immediately when a job begins, in computed steps. It takes about ten milliseconds. The rest is done in later time
/// slices.
const MAX_IMMEDIATE_COST: u64 = 10_000_000;
/// The largest number of products of value 0 that are skipped in one piece of work.
const MAX_SKIPPED: usize = 256;

impl StepperContext<'_> {
    /// Goes to an address. If it is in another iteration, and the computation of this iteration takes long, the stepper goes there when a job has computed it.
    ///
    /// # Errors
    /// As [`super::Document::open`].
    pub fn go_to(&mut self, address: Address) -> Result<(), String> {
        let document = Arc::clone(&self.stepper.document);
        match document.other_iteration(&address)? {
            None => {
                self.stepper.job = None;
                let (step, given) = document.locate(&address)?;
                self.go_to_step(step);
                self.mention_batch_loss();
                self.inspect_given(given);
            }
            Some(to) => {
                document.check_address(to, &address)?;
                // frees the memory of the old job first, because the new job may need it
                self.stepper.job = None;
                let computation = document.descent.start(to);
                document.check_memory(&computation)?;
                self.begin_job(Job::Seek(Seek::new(SeekGoal::Address(address), to, computation)));
            }
        }
        Ok(())
    }

    /// Goes to an address as [`StepperContext::go_to`] does, and adds the step on the screen to the history of jumps.
    ///
    /// # Errors
    /// As [`super::Document::open`].
    pub fn jump_to(&mut self, address: Address) -> Result<(), String> {
        let here = self.stepper.current_visit();
        self.stepper.forward_moves = None;
        self.go_to(address)?;
        if self.has_moved(here) {
            self.stepper.visits.record_jump_from(here);
        }
        Ok(())
    }

    /// Moves by `times` iterations, back if negative, and goes to the same entry and term there. It stops at the first and the last iteration.
    /// With [`KeyMeanings::ToFirstSteps`], goes to first steps of iterations instead.
    pub fn move_by_iterations(&mut self, times: i64) {
        if self.settings.key_meanings == KeyMeanings::ToFirstSteps {
            return self.move_by_iterations_to_first_steps(times);
        }
        let document = Arc::clone(&self.stepper.document);
        let current = document.trace.iteration();
        let last = if document.is_last_iteration { current } else { document.descent.iterations() };
        let to = current.saturating_add_signed(times).clamp(1, last.max(1));
        if to != current {
            let locations = self.stepper.nearest_locations_in(to);
            self.seek_iteration(to, locations);
        }
    }

    /// Moves by `count` iterations, back if negative, and goes to the first step of an iteration. At the ends it stops at the first step of the first
    /// iteration, or at the last step of the last one.
    fn move_by_iterations_to_first_steps(&mut self, count: i64) {
        let document = Arc::clone(&self.stepper.document);
        let current = document.trace.iteration();
        let last = if document.is_last_iteration { current } else { document.descent.iterations() };
        // at a later step of an iteration, the first move back goes to the start of this iteration
        let back = count.unsigned_abs() - u64::from(count < 0 && self.stepper.step > 1);
        let wanted = if count < 0 { current.saturating_sub(back).max(1) } else { current.saturating_add(count.unsigned_abs()) };
        let (to, location) = if wanted > last { (last, Location::Last) } else { (wanted, Location::First) };
        if to == current {
            self.go_to_step(if location == Location::Last { document.trace.len() } else { 1 });
            if let Some(shortage) = document.shortage.filter(|_| wanted > last) {
                self.say(shortage.to_string(), true);
            }
            return;
        }
        self.seek_iteration(to, vec![location]);
    }

    /// Jumps to another iteration, to the step that corresponds to the step on the screen.
    pub fn jump_to_iteration(&mut self, to: u64) {
        let here = self.stepper.current_visit();
        if to == here.iteration {
            return self.say("this is already the iteration", false);
        }
        self.stop_and_forget_moves();
        let locations = self.stepper.nearest_locations_in(to);
        self.seek_iteration(to, locations);
        if self.has_moved(here) {
            self.stepper.visits.record_jump_from(here);
        }
    }

    /// Begins a seek to another iteration. The goal is the first of these locations that the iteration has.
    fn seek_iteration(&mut self, to: u64, locations: Vec<Location>) {
        let document = Arc::clone(&self.stepper.document);
        let computation = document.descent.start(to);
        match document.check_memory(&computation) {
            Ok(()) => self.begin_job(Job::Seek(Seek::new(SeekGoal::Iteration { locations, more: 0 }, to, computation))),
            Err(why) => self.say(why, true),
        }
    }

    /// Moves by `count` units, back if negative, to the last step of a unit. At the ends it stops at the first or the last step.
    /// With [`KeyMeanings::ToFirstSteps`], goes to the first step of a unit instead.
    pub fn move_by_units(&mut self, unit: Unit, count: i64) {
        let iteration = self.stepper.document.trace.iteration();
        self.begin_job(Job::Move { units: UnitMove { unit, remaining: count }, iteration });
    }

    /// Begins the gradient check of the entry under the cursor. Without a cursor, it is the entry of the step.
    ///
    /// If a job other than a move is in progress, the job continues and a message asks the user to wait.
    pub fn check_gradient(&mut self) {
        if let Some(job) = self.stepper.job.as_ref().filter(|job| !job.is_move()) {
            let sentence = format!("still computing, {}: ask x when it is done, or stop it with Esc", job.describe());
            return self.say(sentence, false);
        }
        self.stop_and_forget_moves();
        let check = self.stepper.scene().map(|scene| Check::of(&scene, self.stepper.subject(&scene)));
        match check {
            Some(Ok(check)) => self.begin_job(Job::Check(check)),
            Some(Err(why)) => self.say(why, false),
            None => {}
        }
    }

    /// Begins a job, and does as much of it as [`MAX_IMMEDIATE_COST`] allows.
    pub(super) fn begin_job(&mut self, job: Job) {
        self.stepper.job = Some(job);
        let mut budget = MAX_IMMEDIATE_COST;
        while let Some(job) = &self.stepper.job {
            let cost = job.cost(&self.stepper.document);
            // the work until the screen changes: a whole seek, an iteration of the descent, or one piece of another job
            let (iterations, pieces) = match job {
                // a piece that would block the key is left to the next time slice
                Job::Seek(seek) if seek.would_block_key() => return,
                Job::Train(train) if train.computation.would_block_key() => return,
                Job::Seek(seek) => (seek.remaining_iterations(), u64::MAX),
                Job::Train(_) => (1, u64::MAX),
                Job::Move { .. } | Job::Check(_) | Job::Scan(_) => (1, 1),
            };
            if cost > budget {
                return;
            }
            budget -= cost;
            self.work_on_job(iterations, pieces);
        }
    }

    /// Continues the job until `iterations` iterations or `pieces` pieces are done, whichever comes first. If the job ends, shows its result.
    pub fn work_on_job(&mut self, mut iterations: u64, mut pieces: u64) {
        while iterations > 0 && pieces > 0 {
            match self.stepper.job.take() {
                None => return,
                Some(Job::Move { units, .. }) => {
                    pieces -= 1;
                    self.next_unit(units);
                }
                Some(Job::Check(check)) => {
                    pieces -= 1;
                    self.stepper.check_result = Some(check.finish(&self.stepper.document));
                }
                Some(Job::Scan(scan)) => {
                    pieces -= 1;
                    self.scan_piece(*scan);
                }
                Some(Job::Train(train)) => iterations -= u64::from(self.train_piece(*train, &mut pieces)),
                Some(Job::Seek(Seek { goal, to, computation })) => {
                    let document = Arc::clone(&self.stepper.document);
                    let progress = match computation {
                        ComputationState::Ready(computation) => goal.advance(&document, to, computation, &mut pieces),
                        ComputationState::InBackground(_, task) => {
                            pieces -= 1;
                            // the result can be taken only once: if a clone of this state has taken it, the computation begins again
                            task.take().unwrap_or_else(|| SeekProgress::Unfinished {
                                computation: Box::new(goal.experiment(&document).descent.start(to)),
                                completed_iteration: false,
                            })
                        }
                    };
                    match progress {
                        SeekProgress::Unfinished { computation, completed_iteration } => {
                            self.stepper.job = Some(Job::Seek(Seek { goal, to, computation: ComputationState::Ready(computation) }));
                            iterations -= u64::from(completed_iteration);
                        }
                        SeekProgress::Complete(found) => {
                            iterations -= 1;
                            self.complete_seek(&goal, *found);
                        }
                    }
                }
            }
        }
    }

    /// Goes to the step that a seek has found. Then continues with the rest of a move by units, or with the iterations that were added during the seek.
    fn complete_seek(&mut self, goal: &SeekGoal, found: SeekResult) {
        let old_iteration = self.stepper.current_visit().iteration;
        let old = Arc::clone(&self.stepper.document);
        match found {
            Ok((new_document, step)) => {
                if let Some(new_document) = new_document {
                    self.stepper.document = Arc::new(new_document);
                }
                self.go_to_step(step);
            }
            Err(why) => return self.say(why, true),
        }
        match *goal {
            SeekGoal::Address(ref address) => {
                *self.message = None;
                self.mention_batch_loss();
                self.inspect_given(self.stepper.document.locate(address).ok().and_then(|(_, given)| given));
            }
            SeekGoal::Iteration { more, .. } => {
                *self.message = None;
                let iterations_forward = self.stepper.current_visit().iteration.saturating_sub(old_iteration);
                self.stepper.forward_moves.iter_mut().for_each(|moves| moves.count_done(iterations_forward));
                if more != 0 {
                    self.move_by_iterations(more);
                }
            }
            SeekGoal::Edited(ref edit) => self.complete_edit(edit, old),
            SeekGoal::Reloaded(ref reload) => self.complete_reload(reload),
            SeekGoal::Scan(ref scan_goal) => self.scan_iteration(scan_goal.clone()),
            SeekGoal::Units(units) => {
                // the step is now the first one of the new iteration (the last one for a move back); this counts as a move by one unit
                let span = self.stepper.document.trace.span(self.stepper.step, units.unit);
                match (self.settings.key_meanings, units.remaining < 0) {
                    (KeyMeanings::ToFirstSteps, true) => _ = self.go_to_step(span.start),
                    (KeyMeanings::ToLastSteps, false) => _ = self.go_to_step(span.end - 1),
                    (KeyMeanings::ToFirstSteps, false) | (KeyMeanings::ToLastSteps, true) => {}
                }
                self.count_forward(units.remaining, 1);
                self.set_rest_of_move(units.with_remaining(units.remaining - units.remaining.signum()));
            }
        }
    }

    /// Moves by the next unit. If it is in another iteration, begins a seek to that iteration. If the unit is the step, moves by many units at once.
    fn next_unit(&mut self, units: UnitMove) {
        let UnitMove { unit, remaining } = units;
        let document = Arc::clone(&self.stepper.document);
        let (trace, iteration, step) = (&document.trace, document.trace.iteration(), self.stepper.step);
        if unit == Unit::Step && remaining != 0 {
            if self.settings.is_on(Setting::SkipZeros) {
                if self.next_nonzero(units) {
                    return;
                }
            } else {
                let steps_left = if remaining > 0 { trace.len() - step } else { step - 1 };
                let count = i64::try_from(steps_left).unwrap_or(i64::MAX).min(remaining.abs()) * remaining.signum();
                if count != 0 {
                    self.go_to_step(step.saturating_add_signed(count));
                    self.count_forward(remaining, count.unsigned_abs());
                    return self.set_rest_of_move(units.with_remaining(remaining - count));
                }
            }
        }
        let span = trace.span(step, unit);
        // `None` if this iteration has no further unit in this direction
        let next = match (self.settings.key_meanings, remaining > 0) {
            (KeyMeanings::ToLastSteps, true) if step + 1 < span.end => Some(span.end - 1),
            (KeyMeanings::ToLastSteps, true) if step < trace.len() => Some(trace.span(step + 1, unit).end - 1),
            (KeyMeanings::ToLastSteps, false) if span.start > 1 => Some(span.start - 1),
            (KeyMeanings::ToFirstSteps, true) if span.end <= trace.len() => Some(span.end),
            (KeyMeanings::ToFirstSteps, false) if span.start < step => Some(span.start),
            (KeyMeanings::ToFirstSteps, false) if span.start > 1 => Some(trace.span(span.start - 1, unit).start),
            _ => None,
        };
        if let Some(next) = next {
            self.go_to_step(next);
            self.count_forward(remaining, 1);
        } else if remaining > 0 && document.is_last_iteration {
            self.go_to_step(trace.len());
            return;
        } else if remaining < 0 && iteration == 1 || remaining == 0 {
            self.go_to_step(if remaining == 0 { step } else { 1 });
            return;
        } else {
            let to = if remaining > 0 { iteration + 1 } else { iteration - 1 };
            let computation = document.descent.start(to);
            match document.check_memory(&computation) {
                Ok(()) => self.stepper.job = Some(Job::Seek(Seek::new(SeekGoal::Units(units), to, computation))),
                Err(why) => self.say(why, true),
            }
            return;
        }
        self.set_rest_of_move(units.with_remaining(remaining - remaining.signum()));
    }

    /// Counts the units of a move forward, so that `h` can undo them. `remaining` is negative for a move back.
    fn count_forward(&mut self, remaining: i64, units: u64) {
        if remaining > 0 {
            self.stepper.forward_moves.iter_mut().for_each(|moves| moves.count_done(units));
        }
    }

    /// Moves to the next step of this iteration that is not a product of value 0. If it is far away, moves only as far as one piece of work allows. Returns
    /// `false` if this iteration has no further steps.
    fn next_nonzero(&mut self, units: UnitMove) -> bool {
        let document = Arc::clone(&self.stepper.document);
        let (trace, direction) = (&document.trace, units.remaining.signum());
        let is_zero = |k: u64| trace.get(k).is_some_and(|step| step.kind == Kind::Product && step.value == 0.0);
        let mut step = self.stepper.step;
        for _ in 0..MAX_SKIPPED {
            let next = step.saturating_add_signed(direction);
            if next == 0 || next > trace.len() {
                break;
            }
            step = next;
            if !is_zero(step) {
                self.go_to_step(step);
                self.count_forward(units.remaining, 1);
                self.set_rest_of_move(units.with_remaining(units.remaining - direction));
                return true;
            }
        }
        let moved = self.go_to_step(step);
        if moved {
            self.set_rest_of_move(units);
        }
        moved
    }

    /// Makes the rest of a move the current job. If no unit remains, ends the job.
    fn set_rest_of_move(&mut self, units: UnitMove) {
        let iteration = self.stepper.document.trace.iteration();
        self.stepper.job = (units.remaining != 0).then_some(Job::Move { units, iteration });
    }

    /// Stops the job and play. A message names the progress of the job, or says that play is paused. Does nothing if there is neither a job nor play.
    pub fn stop_job_and_play(&mut self) {
        let was_playing = self.stepper.play.take().is_some();
        if let Some(job) = self.stepper.job.take() {
            self.say(format!("stopped at {}", job.describe()), false);
        } else if was_playing {
            self.say("paused: Space plays on", false);
        }
    }

    /// Pauses play, and ends a move by units, without a message.
    pub fn pause_play(&mut self) {
        self.stepper.play = None;
        self.stepper.job.take_if(|job| job.is_move());
    }
}

impl Stepper {
    /// Returns the locations in another iteration that correspond to the step on the screen, the best first: the same term, the same entry, the same op, and
    /// the first step, which always exists. If the batch of that iteration has other samples, the locations are in the sample with the same position in the
    /// batch.
    pub(super) fn nearest_locations_in(&self, iteration: u64) -> Vec<Location> {
        let mut locations = vec![Location::First];
        if let Some((trace, at)) = self.trace_and_position()
            && let Location::Op { scope, name, index, term } = trace.address(&at).location
        {
            let scope = match scope {
                Scope::Sample(_) => {
                    self.document.descent.samples(iteration).get(at.run_index).map_or(scope, |sample| Scope::Sample(sample + 1))
                }
                scope => scope,
            };
            let op = |index, term| Location::Op { scope, name: name.clone(), index, term };
            locations = vec![op(index.clone(), term), op(index, None), op(None, None), Location::First];
        }
        locations
    }

    /// Starts the next piece of the job on the background thread if the piece is long, and waits for it, but not longer than this time. Returns whether the
    /// job can go on now.
    pub(super) fn can_continue_within(&mut self, wait: Duration) -> bool {
        self.job = match self.job.take() {
            Some(Job::Seek(Seek { goal, to, computation })) => {
                let (document, task_goal) = (Arc::clone(&self.document), goal.clone());
                let descent = Arc::clone(&goal.experiment(&document).descent);
                let computation =
                    computation.in_background(&descent, move |computation| task_goal.advance(&document, to, computation, &mut { 1 }));
                Some(Job::Seek(Seek { goal, to, computation }))
            }
            Some(Job::Train(train)) => {
                let TrainJob { entry, iterations, computation } = *train;
                let experiment = self.document.experiment().clone();
                let computation = computation.in_background(&self.document.descent, move |computation| {
                    TrainJob::advance(entry, &experiment, computation, &mut { 1 })
                });
                Some(Job::Train(Box::new(TrainJob { entry, iterations, computation })))
            }
            Some(Job::Check(check)) => Some(Job::Check(check.in_background(&self.document))),
            job => job,
        };
        match &self.job {
            Some(Job::Check(check)) => check.is_done_within(wait),
            Some(Job::Seek(seek)) => seek.computation.can_continue_within(wait),
            Some(Job::Train(train)) => train.computation.can_continue_within(wait),
            _ => true,
        }
    }
}
