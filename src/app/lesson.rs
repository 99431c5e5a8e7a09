//! A scenario with one of its iterations, and the way from an address to a step.

use std::ops::Range;
use std::sync::Arc;

use crate::network::{Descent, Iteration};
use crate::scenario::Scenario;
use crate::step::{Address, Place};
use crate::trace::Trace;

/// A scenario that is open, with its computation.
#[derive(Debug)]
pub struct Lesson {
    /// What was read.
    pub scenario: Arc<Scenario>,
    /// What it computes: one iteration.
    pub trace: Trace,
    /// All its iterations.
    pub descent: Arc<Descent>,
    /// The loss of the batch.
    pub loss: f64,
    /// Whether the descent ends with this iteration.
    pub last: bool,
    /// The scenario's remarks, with the steps that each belongs to: an op's, an entry's or one.
    pub remarks: Vec<(Range<u64>, String)>,
}

impl Lesson {
    /// Runs a scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let descent = Arc::new(scenario.descent());
        Self::at(Arc::new(scenario), descent, 1)
    }

    /// The same scenario at another iteration; at the last one where the descent ends before.
    #[must_use]
    pub fn iteration(&self, number: u64) -> Self {
        Self::at(Arc::clone(&self.scenario), Arc::clone(&self.descent), number)
    }

    /// The same scenario at another iteration, or at the last one where the descent ends before. `go_on` is asked after each piece of work, with the next
    /// iteration and the wanted one; `None` where it says no.
    pub fn reach(&self, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Option<Self> {
        let iteration = self.compute(number, go_on)?;
        Some(Self::of(Arc::clone(&self.scenario), Arc::clone(&self.descent), iteration))
    }

    /// The step that an address means, and the lesson at its iteration where that is another one. `go_on` is asked as in [`Lesson::reach`]; `None` where
    /// it says no.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what there is instead.
    pub fn find(&self, address: &Address, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<(Option<Self>, u64)>, String> {
        let Some(number) = self.elsewhere(address)? else { return Ok(Some((None, self.trace.resolve(address)?))) };
        self.known(address)?;
        let Some(iteration) = self.compute(number, go_on) else { return Ok(None) };
        self.arrive(number, iteration, address).map(Some)
    }

    fn compute(&self, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Option<Iteration> {
        let mut walk = self.descent.walk(number);
        while go_on(walk.next(), number) {
            if let Some(iteration) = self.descent.advance(&mut walk, &mut { 1 })
                && (iteration.number >= number || iteration.stopped)
            {
                return Some(iteration);
            }
        }
        None
    }

    /// Finds out what can be known of an address in another iteration before that is computed: whether any op has its name.
    ///
    /// # Errors
    /// As [`Lesson::find`].
    pub(super) fn known(&self, address: &Address) -> Result<(), String> {
        match &address.place {
            Place::Op { name, .. } if !self.trace.stretches().iter().any(|stretch| stretch.network.find(name).is_some()) => {
                self.trace.resolve(&address.place.clone().into()).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// The iteration that an address names, where it is another one.
    pub(super) fn elsewhere(&self, address: &Address) -> Result<Option<u64>, String> {
        let number = address.iteration.filter(|number| *number != self.trace.iteration());
        let last = self.descent.iterations();
        if number == Some(0) {
            return Err("iterations count from 1".to_owned());
        }
        if let Some(number) = number.filter(|number| *number > last) {
            let there = if last == 1 { "this scenario has one".to_owned() } else { format!("the last is {last}") };
            return Err(format!("there is no iteration {number}: {there}"));
        }
        Ok(number)
    }

    /// Where an address leads in iteration `number`, which was computed; or an earlier one was, with which the descent ends.
    pub(super) fn arrive(&self, number: u64, iteration: Iteration, address: &Address) -> Result<(Option<Self>, u64), String> {
        let reached = iteration.number;
        if reached != number {
            return Err(format!("there is no iteration {number}: the tolerance ends the descent at {reached}"));
        }
        let lesson = Self::of(Arc::clone(&self.scenario), Arc::clone(&self.descent), iteration);
        let step = lesson.trace.resolve(address)?;
        Ok((Some(lesson), step))
    }

    fn at(scenario: Arc<Scenario>, descent: Arc<Descent>, number: u64) -> Self {
        let iteration = descent.iteration(number);
        Self::of(scenario, descent, iteration)
    }

    fn of(scenario: Arc<Scenario>, descent: Arc<Descent>, iteration: Iteration) -> Self {
        let Iteration { number, stretches, loss, stopped } = iteration;
        let last = stopped || number >= descent.iterations();
        let trace = Trace::of(number, stretches);
        let remarks = scenario.remarks.iter().filter_map(|r| Some((trace.range(&r.at).ok()?, r.text.clone()))).collect();
        Self { scenario, trace, descent, loss, last, remarks }
    }
}
