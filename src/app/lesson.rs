//! A scenario with one of its iterations, and the way from an address to a step.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::Names;
use crate::network::{Descent, Iteration, Op};
use crate::scenario::Scenario;
use crate::step::{Address, Pass, Place};
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
    /// The names of a sample's ops, the same in all iterations.
    names: Arc<OnceLock<Names>>,
    /// Those of the batch's ops, in `reduce` and in `update`.
    batch: [OnceLock<Names>; 2],
}

impl Lesson {
    /// Runs a scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let descent = Arc::new(scenario.descent());
        let iteration = descent.iteration(1);
        Self::of(Arc::new(scenario), descent, Arc::default(), iteration)
    }

    /// The same scenario at another iteration; at the last one where the descent ends before.
    #[must_use]
    pub fn iteration(&self, number: u64) -> Self {
        self.with(self.descent.iteration(number))
    }

    /// The same scenario at another iteration, or at the last one where the descent ends before. `go_on` is asked after each piece of work, with the next
    /// iteration and the wanted one; `None` where it says no.
    pub fn reach(&self, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Option<Self> {
        self.compute(number, go_on).map(|iteration| self.with(iteration))
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
        let lesson = self.with(iteration);
        let step = lesson.trace.resolve(address)?;
        Ok((Some(lesson), step))
    }

    /// The names of a sample's ops that have steps.
    #[must_use]
    pub fn names(&self) -> &Names {
        self.names.get_or_init(|| self.names_of(0, |_| true))
    }

    /// The names of the batch's ops that have steps, in one of its passes.
    #[must_use]
    pub fn batch_names(&self, pass: Pass) -> &Names {
        self.batch[usize::from(pass == Pass::Update)].get_or_init(|| {
            let batch = self.trace.stretches().len() - 1;
            if self.trace.stretches()[batch].sample.is_some() {
                return Names::default();
            }
            self.names_of(batch, |op| op.pass == pass)
        })
    }

    fn names_of(&self, stretch: usize, wanted: impl Fn(&Op) -> bool) -> Names {
        let network = self.trace.network_of(stretch);
        let ops = network.ops().iter().zip(self.trace.spans_of(stretch)).filter(|(op, span)| wanted(op) && !span.is_empty());
        Names::new(ops.map(|(op, _)| Arc::clone(&network.tensor(op.output).name)))
    }

    fn with(&self, iteration: Iteration) -> Self {
        Self::of(Arc::clone(&self.scenario), Arc::clone(&self.descent), Arc::clone(&self.names), iteration)
    }

    fn of(scenario: Arc<Scenario>, descent: Arc<Descent>, names: Arc<OnceLock<Names>>, iteration: Iteration) -> Self {
        let Iteration { number, stretches, loss, stopped } = iteration;
        let last = stopped || number >= descent.iterations();
        let trace = Trace::of(number, stretches);
        let remarks = scenario.remarks.iter().filter_map(|r| Some((trace.range(&r.at).ok()?, r.text.clone()))).collect();
        Self { scenario, trace, descent, loss, last, remarks, names, batch: Default::default() }
    }
}
