//! An open scenario with one of its iterations, and the lookup of a step by its address.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::{OpNames, SLICE};
use crate::network::{Descent, DescentWalk, Iteration, Op, Shortage};
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::step::{Address, Pass, Place, Scope};
use crate::threads::BackgroundTask;
use crate::trace::{Replacement, Trace};

/// A scenario that is open, with its computation.
#[derive(Debug)]
pub struct Document {
    /// The scenario as read from its file.
    pub scenario: Arc<Scenario>,
    /// The trace of one iteration.
    pub trace: Trace,
    /// The descent, which computes any iteration.
    pub descent: Arc<Descent>,
    /// The loss of the batch.
    pub loss: f64,
    /// `true` if the descent ends with this iteration.
    pub last: bool,
    /// The missing memory, if there is too little for the update of this iteration.
    pub lack: Option<Shortage>,
    /// The scenario's remarks, each with the steps that it covers: those of an op, those of an entry, or one step.
    pub remarks: Vec<(Range<u64>, String)>,
    /// The names of a sample's ops, which are the same in all iterations.
    names: Arc<OnceLock<OpNames>>,
    /// The names of the batch's ops, in `reduce` and in `update`.
    batch: [OnceLock<OpNames>; 2],
}

impl Document {
    /// Opens a scenario and computes its first iteration.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let descent = Arc::new(scenario.descent());
        let iteration = compute_whole(&descent, 1);
        Self::of(Arc::new(scenario), descent, Arc::default(), iteration)
    }

    /// Opens a scenario at an address, and returns it with the step there. Only one iteration is in memory at a time. `go_on` is called as in
    /// [`Document::reach`]; `None` if it returns `false`.
    ///
    /// # Errors
    /// As [`Document::find`].
    pub fn open(scenario: Scenario, address: &Address, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<(Self, u64)>, String> {
        let first = Self::new(scenario);
        let Some(number) = first.other_iteration(address)? else {
            let step = first.resolve(address)?;
            return Ok(Some((first, step)));
        };
        first.may_exist(number, address)?;
        let (scenario, descent, names) = (Arc::clone(&first.scenario), Arc::clone(&first.descent), Arc::clone(&first.names));
        drop(first);
        let Some(iteration) = compute(&descent, number, go_on)? else { return Ok(None) };
        document_at(scenario, descent, names, number, iteration, address).map(Some)
    }

    /// Returns the same scenario at another iteration; at the last one if the descent ends earlier.
    #[must_use]
    pub fn iteration(&self, number: u64) -> Self {
        let number = number.clamp(1, self.descent.iterations());
        self.with(compute_whole(&self.descent, number))
    }

    /// Returns the same scenario at another iteration, or at the last one if the descent ends earlier. `go_on(next, number)` is called before each piece of
    /// work, with the next iteration and the wanted one; `None` if it returns `false`.
    ///
    /// # Errors
    /// Returns a sentence if the iteration needs more memory than is left.
    pub fn reach(&self, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Self>, String> {
        let iteration = compute(&self.descent, number, go_on)?;
        Ok(iteration.map(|iteration| self.with(iteration)))
    }

    /// Returns the step at an address, and the document of its iteration if that is another one. `go_on` is called as in [`Document::reach`]; `None` if it
    /// returns `false`.
    ///
    /// # Errors
    /// Returns one sentence that says what is wrong and what exists instead.
    pub fn find(&self, address: &Address, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<(Option<Self>, u64)>, String> {
        let Some(number) = self.other_iteration(address)? else { return Ok(Some((None, self.resolve(address)?))) };
        self.may_exist(number, address)?;
        let Some(iteration) = compute(&self.descent, number, go_on)? else { return Ok(None) };
        self.arrive(number, iteration, address).map(Some)
    }

    /// Returns the step at an address in this iteration.
    ///
    /// # Errors
    /// As [`Document::find`].
    pub(super) fn resolve(&self, address: &Address) -> Result<u64, String> {
        self.trace.resolve(address).map_err(|why| match (self.lack, &address.place) {
            (Some(lack), Place::Op { scope, name, .. }) if *scope == Scope::Update || self.is_updated(name) => lack.to_string(),
            _ => why,
        })
    }

    /// Returns whether an update computes a tensor of this name.
    fn is_updated(&self, name: &str) -> bool {
        let parameter = self.trace.network().find(name.strip_prefix("velocity.").unwrap_or(name));
        self.descent.train().is_some_and(|train| parameter.is_some_and(|id| train.learned.contains(&id)))
    }

    /// Checks that there is enough memory for the last iteration of a walk.
    ///
    /// # Errors
    /// Returns a sentence with the size of the iteration if it needs more memory than is left.
    pub fn fits(&self, walk: &DescentWalk) -> Result<(), String> {
        let lack = self.lack.filter(|_| walk.next() > self.trace.iteration());
        walk.refused().or(lack).map_or(Ok(()), |lack| Err(lack.to_string()))
    }

    /// Checks an address in iteration `number` before that iteration is computed.
    ///
    /// # Errors
    /// As [`Document::find`], if the address cannot exist whatever is computed.
    pub(super) fn may_exist(&self, number: u64, address: &Address) -> Result<(), String> {
        self.trace.may_exist(&address.place, &self.descent.samples(number))
    }

    /// Returns the iteration that an address names; `None` if it is this one.
    pub(super) fn other_iteration(&self, address: &Address) -> Result<Option<u64>, String> {
        let number = address.iteration.filter(|number| *number != self.trace.iteration());
        let last = self.descent.iterations();
        if number == Some(0) {
            return Err("there is no iteration 0: iterations count from 1".to_owned());
        }
        if let Some(number) = number.filter(|number| *number > last) {
            let there = if last == 1 { "this scenario has one".to_owned() } else { format!("the last is {last}") };
            return Err(format!("there is no iteration {number}: {there}"));
        }
        Ok(number)
    }

    /// Returns the document at iteration `number`, and the step at an address there. `iteration` is that iteration, or an earlier one if the descent ends with it.
    pub(super) fn arrive(&self, number: u64, iteration: Iteration, address: &Address) -> Result<(Option<Self>, u64), String> {
        let (document, step) =
            document_at(Arc::clone(&self.scenario), Arc::clone(&self.descent), Arc::clone(&self.names), number, iteration, address)?;
        Ok((Some(document), step))
    }

    /// Returns the document at this iteration, and the step at the first of these places that exists there.
    pub(super) fn arrive_at_any(&self, iteration: Iteration, places: &[Place]) -> (Option<Self>, u64) {
        let document = self.with(iteration);
        let step = places.iter().find_map(|place| document.resolve(&place.clone().into()).ok()).unwrap_or(1);
        (Some(document), step)
    }

    /// Returns the names of a sample's ops that have steps.
    #[must_use]
    pub fn names(&self) -> &OpNames {
        self.names.get_or_init(|| self.names_of(0, |_| true))
    }

    /// Returns the names of the batch's ops that have steps, in one of its passes.
    #[must_use]
    pub fn batch_names(&self, pass: Pass) -> &OpNames {
        self.batch[usize::from(pass == Pass::Update)].get_or_init(|| {
            let batch = self.trace.sample_runs().len() - 1;
            if self.trace.sample_runs()[batch].sample.is_some() {
                return OpNames::default();
            }
            self.names_of(batch, |op| op.pass == pass)
        })
    }

    fn names_of(&self, sample_run: usize, wanted: impl Fn(&Op) -> bool) -> OpNames {
        let network = self.trace.network_of(sample_run);
        let ops = network.ops().iter().zip(self.trace.spans_of(sample_run)).filter(|(op, span)| wanted(op) && !span.is_empty());
        OpNames::new(ops.map(|(op, _)| network.tensor(op.output).name.clone()))
    }

    /// Returns the scene of a step of this iteration; `None` past either end.
    #[must_use]
    pub fn scene(&self, step: u64) -> Option<Scene<'_>> {
        Scene::of(&self.trace, step)
    }

    /// Returns the largest number of iterations of the descent.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.descent.iterations()
    }

    /// Returns whether it is known at a step that the descent ends with this iteration, though more are allowed. The loss decides this, so it is known from the
    /// loss on.
    #[must_use]
    pub fn ends_early(&self, step: u64) -> bool {
        self.last && self.trace.iteration() < self.iterations() && step >= self.trace.loss_step()
    }

    /// Returns the document with the same numbers up to a step and other ones in everything that is computed later ([`Trace::with_future`]), and with the
    /// opposite of `last`. Tests use it to show that frames do not depend on later numbers.
    #[must_use]
    pub fn with_future(&self, after: u64, other: Replacement) -> Self {
        let known = after >= self.trace.loss_step();
        Self {
            scenario: Arc::clone(&self.scenario),
            trace: self.trace.with_future(after, other),
            descent: Arc::clone(&self.descent),
            loss: if known { self.loss } else { other(self.loss) },
            last: self.last == known,
            lack: self.lack,
            remarks: self.remarks.clone(),
            names: Arc::clone(&self.names),
            batch: Default::default(),
        }
    }

    fn with(&self, iteration: Iteration) -> Self {
        Self::of(Arc::clone(&self.scenario), Arc::clone(&self.descent), Arc::clone(&self.names), iteration)
    }

    fn of(scenario: Arc<Scenario>, descent: Arc<Descent>, names: Arc<OnceLock<OpNames>>, iteration: Iteration) -> Self {
        let last = iteration.ends() || iteration.number >= descent.iterations();
        let Iteration { number, sample_runs, loss, shortage, .. } = iteration;
        let trace = Trace::of(number, sample_runs);
        let remarks = scenario.remarks.iter().filter_map(|r| Some((trace.range(&r.at).ok()?, r.text.clone()))).collect();
        Self { scenario, trace, descent, loss, last, lack: shortage, remarks, names, batch: Default::default() }
    }
}

/// Computes iteration `number`, or the last one if the descent ends earlier.
fn compute(descent: &Arc<Descent>, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Iteration>, String> {
    let walk = descent.walk(number);
    match walk.refused() {
        Some(lack) => Err(lack.to_string()),
        None => Ok(finish_walk(descent, walk, number, go_on)),
    }
}

/// Computes iteration `number`, or the last one if the descent ends earlier, without interruption.
fn compute_whole(descent: &Arc<Descent>, number: u64) -> Iteration {
    finish_walk(descent, descent.walk(number), number, &mut |_, _| true).unwrap_or_else(|| unreachable!("it always goes on"))
}

/// Continues a walk to iteration `number`, or to the last one if the descent ends earlier. Long pieces run on the other thread, as in the stepper: their memory
/// is reused, and `go_on` is called every 15 ms.
fn finish_walk(descent: &Arc<Descent>, mut walk: DescentWalk, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Option<Iteration> {
    /// The number of short pieces between two calls of `go_on`.
    const FEW: u64 = 64;
    let long = |descent: &Descent, mut walk: DescentWalk| (descent.advance(&mut walk, &mut { 1 }), walk);
    while go_on(walk.next(), number) {
        let next = walk.next();
        let elsewhere = if descent.is_next_long(&walk) {
            let shared = Arc::clone(descent);
            BackgroundTask::begin(walk, move |walk| long(&shared, walk)).map_err(|walk| long(descent, walk))
        } else {
            let iteration = descent.advance_to_long(&mut walk, &mut { FEW });
            Err((iteration, walk))
        };
        let done = match elsewhere {
            Err(done) => done,
            Ok(elsewhere) => {
                while !elsewhere.is_done_within(SLICE) {
                    if !go_on(next, number) {
                        return None;
                    }
                }
                elsewhere.take().expect("a finished piece is taken once")
            }
        };
        walk = done.1;
        if let Some(iteration) = done.0.filter(|iteration| iteration.number >= number || iteration.ends()) {
            return Some(iteration);
        }
    }
    None
}

/// Returns the document at iteration `number`, and the step at an address there. `iteration` is that iteration, or an earlier one if the descent ends with it.
fn document_at(
    scenario: Arc<Scenario>,
    descent: Arc<Descent>,
    names: Arc<OnceLock<OpNames>>,
    number: u64,
    iteration: Iteration,
    address: &Address,
) -> Result<(Document, u64), String> {
    let (reached, lack) = (iteration.number, iteration.shortage);
    if reached != number {
        let why = format!("there is no iteration {number}: the tolerance ends the descent at {reached}");
        return Err(lack.map_or(why, |lack| lack.to_string()));
    }
    let document = Document::of(scenario, descent, names, iteration);
    let step = document.resolve(address)?;
    Ok((document, step))
}
