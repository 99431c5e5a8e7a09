//! An open scenario with one computed iteration. It finds the step of an address, such as `12/conv1.z[0]`, and computes another iteration if the address names
//! one.

use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use super::{OpNames, SLICE};
use crate::network::{Descent, DescentComputation, Id, Iteration, Op, Shortage, parameter_of_state};
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::step::{Address, Location, Pass, Scope, TensorEntry};
use crate::tensor::ravel;
use crate::threads::BackgroundTask;
use crate::trace::{Replacement, Trace};

/// A scenario and its gradient descent: the data that is the same in all iterations. Clones share the data.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The scenario, with the changes of the user.
    pub scenario: Arc<Scenario>,
    /// The gradient descent, which computes the iterations.
    pub descent: Arc<Descent>,
    /// The names of a sample's ops. They are sorted once, because they are the same in all iterations.
    names: Arc<OnceLock<OpNames>>,
}

/// A change of the scenario file by another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Its text differs from the text that gradstep read.
    Changed,
    /// The file does not exist any more.
    Deleted,
}

/// A scenario that is open, with one computed iteration.
///
/// If the tolerance ends the descent with this iteration, the iteration has no update, but only its loss tells so. Until the loss is known, the screen shows
/// the *planned* iteration, which has an update. The steps of this update are numbered, but their results are never computed. The steps up to the loss are the
/// same in both iterations. Moves go only to steps of the computed iteration.
#[derive(Debug)]
pub struct Document {
    experiment: Experiment,
    /// The planned iteration; `None` if the tolerance does not end the descent with this iteration.
    planned: Option<Arc<Document>>,
    /// The trace of one iteration.
    pub trace: Trace,
    /// The loss of the batch in this iteration.
    pub loss: f64,
    /// `true` if the descent ends with this iteration.
    pub is_last_iteration: bool,
    /// The missing memory, if there is not enough memory for the update of this iteration.
    pub shortage: Option<Shortage>,
    /// The texts of the scenario's `[[note]]`s. Each has the range of steps at which it is shown: the steps of an op, of an entry, or a single step. The texts
    /// whose address names the iteration come first, then those whose address names the sample or the pass.
    pub remarks: Vec<(Range<u64>, String)>,
    /// The names of the batch's ops in the pass `reduce` and in the pass `update`.
    batch_names: [OnceLock<OpNames>; 2],
}

impl Deref for Document {
    type Target = Experiment;

    fn deref(&self) -> &Experiment {
        &self.experiment
    }
}

impl Experiment {
    /// Returns the experiment with a scenario, before its first iteration.
    pub(super) fn new(scenario: Scenario) -> Self {
        let descent = Arc::new(scenario.descent());
        Self { scenario: Arc::new(scenario), descent, names: Arc::default() }
    }

    /// Replaces the scenario by one with the same network but other numbers.
    #[must_use]
    pub fn with_scenario(&self, scenario: Scenario) -> Self {
        Self { names: Arc::clone(&self.names), ..Self::new(scenario) }
    }

    /// Returns the document of a computed iteration, and the step of an address in it. The document is always `Some`. It is an
    /// `Option` because `SeekResult` (`job.rs`) has one: a seek returns no document if the iteration on the screen has the step.
    ///
    /// # Errors
    /// Returns a sentence if the descent ended before iteration `number`, so that `iteration` is an earlier one, or if the address does not exist.
    pub(super) fn document_at(&self, number: u64, iteration: Iteration, address: &Address) -> Result<(Option<Document>, u64), String> {
        let (document, step) = document_at(self.clone(), number, iteration, address)?;
        Ok((Some(document), step))
    }

    /// Returns the document at this iteration (always `Some`, as in [`Experiment::document_at`]), and the step of the first of these locations that the
    /// iteration has; step 1 if it has none.
    pub(super) fn document_at_first_of(&self, iteration: Iteration, locations: &[Location]) -> (Option<Document>, u64) {
        let document = Document::with_parts(self.clone(), iteration);
        let step = locations.iter().find_map(|location| document.resolve(&location.clone().into()).ok()).unwrap_or(1);
        (Some(document), step)
    }
}

impl Document {
    /// Opens a scenario and computes its first iteration.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let experiment = Experiment::new(scenario);
        let iteration = compute_uninterrupted(&experiment.descent, 1);
        Self::with_parts(experiment, iteration)
    }

    /// Opens a scenario at an address. Returns the document and the step of the address. If the address names an input, a parameter or a target, the step is
    /// the first one that reads it. Only one iteration is in memory at a time. `go_on` is called as in [`Document::reach`]; if it returns `false`, this
    /// function returns `None`.
    ///
    /// # Errors
    /// Returns one sentence about the error and about what exists instead.
    pub fn open(scenario: Scenario, address: &Address, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<(Self, u64)>, String> {
        let first = Self::new(scenario);
        let Some(number) = first.other_iteration(address)? else {
            let (step, _) = first.locate(address)?;
            return Ok(Some((first, step)));
        };
        first.check_address(number, address)?;
        let experiment = first.experiment.clone();
        drop(first);
        let Some(iteration) = compute(&experiment.descent, number, go_on)? else { return Ok(None) };
        document_at(experiment, number, iteration, address).map(Some)
    }

    /// Returns the same scenario at iteration `number`, or at the last iteration if the descent ends earlier.
    #[must_use]
    pub fn iteration(&self, number: u64) -> Self {
        let number = number.clamp(1, self.descent.iterations());
        self.with_iteration(compute_uninterrupted(&self.descent, number))
    }

    /// Returns the same scenario at iteration `number`. The caller can interrupt the computation: `go_on` is called about every 15 ms, or more often, with two
    /// numbers, the iteration in progress and `number`. If it returns `false`, this function returns `None`.
    ///
    /// # Errors
    /// Returns a sentence if the descent ends earlier, or if the iteration needs more memory than is free.
    pub fn reach(&self, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Self>, String> {
        let Some(iteration) = compute(&self.descent, number, go_on)? else { return Ok(None) };
        check_reached(number, &iteration)?;
        Ok(Some(self.with_iteration(iteration)))
    }

    /// Finds an entry that no step computes (an input, a parameter or a target) by its address. Returns the entry and the first step of this iteration that
    /// reads it. An address without an index means the first entry. Returns `None` if a step computes the entry, if no step reads it, or if the address has
    /// another iteration or a term.
    #[must_use]
    pub fn given_entry(&self, address: &Address) -> Option<(TensorEntry, u64)> {
        let Location::Op { index, term: None, .. } = &address.location else { return None };
        if address.iteration.is_some_and(|number| number != self.trace.iteration()) {
            return None;
        }
        let (run, tensor) = self.trace.tensor(address).ok()?;
        let network = self.trace.network_of(run);
        let shape = &network.tensor(tensor).shape;
        let at = index.as_ref().map_or(Some(0), |index| ravel(index, shape)).filter(|_| network.producer(tensor).is_none())?;
        let step = self.trace.uses(run, tensor, at).first()?.step;
        Some((TensorEntry { tensor, at }, step))
    }

    /// Returns the step of an address in this iteration. If the address names an input, a parameter or a target, the step is the first one that reads it, and
    /// this entry is returned too.
    ///
    /// # Errors
    /// As [`Document::open`].
    pub(super) fn locate(&self, address: &Address) -> Result<(u64, Option<TensorEntry>), String> {
        match self.resolve(address) {
            Ok(step) => Ok((step, None)),
            Err(why) => self.given_entry(address).map(|(entry, step)| (step, Some(entry))).ok_or(why),
        }
    }

    /// Returns the step of an address in this iteration.
    ///
    /// # Errors
    /// As [`Document::open`].
    pub(super) fn resolve(&self, address: &Address) -> Result<u64, String> {
        self.trace.resolve(address).map_err(|why| {
            let is_of_update =
                matches!(&address.location, Location::Op { scope, name, .. } if *scope == Scope::Update || self.is_update_op(name));
            let reason = || self.shortage.map(|shortage| shortage.to_string()).or_else(|| self.reason_without_update());
            if is_of_update { reason().unwrap_or(why) } else { why }
        })
    }

    /// Returns whether gradient descent updates a tensor of the samples' network.
    pub(super) fn is_updated(&self, tensor: Id) -> bool {
        self.descent.train().is_some_and(|train| train.learned.contains(&tensor))
    }

    /// Returns whether the update pass has an op of this name. It is the name of a learned parameter or of its velocity.
    fn is_update_op(&self, name: &str) -> bool {
        self.trace.network().find(parameter_of_state(name).unwrap_or(name)).is_some_and(|parameter| self.is_updated(parameter))
    }

    /// Checks that there is enough memory for all iterations that a computation needs.
    ///
    /// # Errors
    /// Returns a sentence with the size of the iteration that needs more memory than is free.
    pub fn check_memory(&self, computation: &DescentComputation) -> Result<(), String> {
        // if this iteration has no memory for its update, no later iteration can be computed
        let no_update = self.shortage.filter(|_| computation.iteration() > self.trace.iteration());
        computation.missing_memory().or(no_update).map_or(Ok(()), |shortage| Err(shortage.to_string()))
    }

    /// Checks whether iteration `number` can have this address, before the iteration is computed.
    ///
    /// # Errors
    /// As [`Document::open`], if no iteration can have the address.
    pub(super) fn check_address(&self, number: u64, address: &Address) -> Result<(), String> {
        self.trace.check_location(&address.location, &self.descent.samples(number))
    }

    /// Returns the iteration of an address; `None` if it is this document's iteration, or if the address has no iteration.
    ///
    /// # Errors
    /// Returns a sentence if the iteration is 0, or greater than the number of iterations.
    pub(super) fn other_iteration(&self, address: &Address) -> Result<Option<u64>, String> {
        let number = address.iteration.filter(|number| *number != self.trace.iteration());
        let last = self.descent.iterations();
        if number == Some(0) {
            return Err("there is no iteration 0: iterations count from 1".to_owned());
        }
        if let Some(number) = number.filter(|number| *number > last) {
            let range = if last == 1 { "this scenario has one".to_owned() } else { format!("the last is {last}") };
            return Err(format!("there is no iteration {number}: {range}"));
        }
        Ok(number)
    }

    /// Returns the names of a sample's ops that have steps.
    #[must_use]
    pub fn names(&self) -> &OpNames {
        self.names.get_or_init(|| self.names_of(0, |_| true))
    }

    /// Returns the names of the batch's ops that have steps. `pass` is `reduce` or `update`. If the trace has no batch, there are no names.
    #[must_use]
    pub fn batch_names(&self, pass: Pass) -> &OpNames {
        self.batch_names[usize::from(pass == Pass::Update)].get_or_init(|| {
            // the run of the batch is the last one
            let last_run = self.trace.runs().len() - 1;
            if self.trace.runs()[last_run].sample.is_some() {
                return OpNames::default();
            }
            self.names_of(last_run, |op| op.pass == pass)
        })
    }

    /// Returns whether the sample or the batch has a tensor of this name.
    #[must_use]
    pub fn has_tensor(&self, name: &str) -> bool {
        let batch = || [Pass::Reduce, Pass::Update].iter().any(|pass| self.batch_names(*pass).contains(name));
        self.trace.network().find(name).is_some() || batch()
    }

    /// Returns the names of those ops of a run for which `is_wanted` is `true` and which have steps.
    fn names_of(&self, run_index: usize, is_wanted: impl Fn(&Op) -> bool) -> OpNames {
        let network = self.trace.network_of(run_index);
        let ops = network.ops().iter().zip(self.trace.spans_of(run_index)).filter(|(op, span)| is_wanted(op) && !span.is_empty());
        OpNames::new(ops.map(|(op, _)| network.tensor(op.output).name.clone()))
    }

    /// Returns the scene of a step of this iteration; `None` if there is no such step.
    #[must_use]
    pub fn scene(&self, step: u64) -> Option<Scene<'_>> {
        Scene::of(self.planned_at(step).map_or(&self.trace, |planned| &planned.trace), step)
    }

    /// Returns the planned iteration if the screen shows it while only the numbers of the steps up to `last_known` are known.
    pub(super) fn planned_at(&self, last_known: u64) -> Option<&Arc<Document>> {
        self.planned.as_ref().filter(|_| last_known < self.trace.loss_step())
    }

    /// Returns a sentence that this iteration has no update; `None` if it has one, or if the tolerance is not the reason.
    pub(super) fn reason_without_update(&self) -> Option<String> {
        let iteration = self.trace.iteration();
        self.planned.as_ref().map(|_| format!("the tolerance ends the descent at iteration {iteration}, which has no update"))
    }

    /// Returns the largest number of iterations of the descent.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.descent.iterations()
    }

    /// Returns whether the descent ends with this iteration because of the scenario's `tolerance`. The loss of this iteration decides this. So the result is
    /// `false` until the step that computes the loss.
    #[must_use]
    pub fn ends_early(&self, step: u64) -> bool {
        let is_early = self.is_last_iteration && self.trace.iteration() < self.iterations();
        is_early && self.shortage.is_none() && step >= self.trace.loss_step()
    }

    /// Returns a copy with other numbers in all steps after step `after` ([`Trace::with_future`]). If the loss is one of these numbers, `is_last_iteration` is
    /// inverted: the copy has an update if the tolerance ends the descent with this iteration, and no update if the tolerance could end it. Tests use the copy
    /// to show that frames do not depend on later numbers.
    #[must_use]
    pub fn with_future(&self, after: u64, other: Replacement) -> Self {
        let with_trace = |trace: &Trace, loss, is_last_iteration, planned| {
            let copy = Self::new_at(self.experiment.clone(), trace.with_future(after, other), loss, is_last_iteration, self.shortage);
            Self { planned, ..copy }
        };
        if after >= self.trace.loss_step() {
            return with_trace(&self.trace, self.loss, self.is_last_iteration, self.planned.clone());
        }
        let (loss, is_last_iteration) = (other(self.loss), !self.is_last_iteration);
        if let Some(planned) = &self.planned {
            return with_trace(&planned.trace, loss, is_last_iteration, None);
        }
        if self.shortage.is_some() || !self.descent.can_end_early(self.trace.iteration()) {
            return with_trace(&self.trace, loss, is_last_iteration, None);
        }
        let ended = self.trace.with_batch(self.descent.batch_without_update(self.trace.iteration(), self.trace.runs()));
        let planned = with_trace(&self.trace, loss, self.is_last_iteration, None);
        with_trace(&ended, loss, is_last_iteration, Some(Arc::new(planned)))
    }

    /// Returns the same scenario at a computed iteration.
    fn with_iteration(&self, iteration: Iteration) -> Self {
        Self::with_parts(self.experiment.clone(), iteration)
    }

    /// Returns the scenario and its descent, without the computed iteration.
    pub(super) fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// Returns the document of an experiment at a computed iteration.
    fn with_parts(experiment: Experiment, iteration: Iteration) -> Self {
        let is_last_iteration = iteration.ends_descent() || iteration.number >= experiment.descent.iterations();
        let Iteration { number, runs, loss, shortage, planned, .. } = iteration;
        let trace = Trace::of_iteration(number, runs);
        let planned = planned.map(|batch| {
            let is_last_iteration = number >= experiment.descent.iterations();
            Arc::new(Self::new_at(experiment.clone(), trace.with_batch(Some(batch)), loss, is_last_iteration, shortage))
        });
        Self { planned, ..Self::new_at(experiment, trace, loss, is_last_iteration, shortage) }
    }

    /// Returns the document of an experiment with the trace of an iteration.
    fn new_at(experiment: Experiment, trace: Trace, loss: f64, is_last_iteration: bool, shortage: Option<Shortage>) -> Self {
        let remarks = remarks(&experiment.scenario, &trace);
        Self { experiment, planned: None, trace, loss, is_last_iteration, shortage, remarks, batch_names: Default::default() }
    }
}

/// Returns the remarks on an iteration, each with its range of steps. Remarks whose address names the iteration come first, then those whose address names the
/// sample or the pass.
fn remarks(scenario: &Scenario, trace: &Trace) -> Vec<(Range<u64>, String)> {
    let names_scope = |location: &Location| matches!(location, Location::Op { scope, .. } if *scope != Scope::Any);
    let mut remarks: Vec<_> = scenario.remarks.iter().collect();
    remarks.sort_by_key(|remark| (remark.at.iteration.is_none(), !names_scope(&remark.at.location)));
    remarks.into_iter().filter_map(|remark| Some((trace.range(&remark.at).ok()?, remark.text.clone()))).collect()
}

/// Computes iteration `number`, or the last one if the descent ends earlier. `go_on` is called as in [`Document::reach`].
fn compute(descent: &Arc<Descent>, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Iteration>, String> {
    let computation = descent.start(number);
    match computation.missing_memory() {
        Some(shortage) => Err(shortage.to_string()),
        None => Ok(finish_computation(descent, computation, number, go_on)),
    }
}

/// Computes iteration `number`, or the last one if the descent ends earlier, without interruption.
fn compute_uninterrupted(descent: &Arc<Descent>, number: u64) -> Iteration {
    finish_computation(descent, descent.start(number), number, &mut |_, _| true)
        .unwrap_or_else(|| unreachable!("`go_on` always returns true"))
}

/// Continues a computation to iteration `number`. If the descent ends earlier, continues to its last iteration. The computation is done in pieces: a piece is
/// one op, or the start or end of a run.
///
/// Long pieces run on the background thread, as in the stepper, while this thread calls `go_on` every 15 ms. The same background thread does all of them, so
/// that a piece can use the memory that the piece before it freed.
fn finish_computation(
    descent: &Arc<Descent>,
    mut computation: DescentComputation,
    number: u64,
    go_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Option<Iteration> {
    /// The largest number of short pieces between two calls of `go_on`.
    const MAX_SHORT_PIECES: u64 = 64;
    // `&mut { 1 }` is the number of pieces that may be done
    let one_piece = |descent: &Descent, mut computation: DescentComputation| (descent.advance(&mut computation, &mut { 1 }), computation);
    while go_on(computation.iteration(), number) {
        let in_progress = computation.iteration();
        let completed;
        if descent.is_next_piece_long(&computation) {
            let shared = Arc::clone(descent);
            (completed, computation) = match BackgroundTask::begin(computation, move |computation| one_piece(&shared, computation)) {
                Ok(task) => {
                    while !task.is_done_within(SLICE) {
                        if !go_on(in_progress, number) {
                            return None;
                        }
                    }
                    task.take().expect("the result is taken only here")
                }
                // there is no background thread, so this thread does the piece
                Err(computation) => one_piece(descent, computation),
            };
        } else {
            completed = descent.advance_to_long_piece(&mut computation, &mut { MAX_SHORT_PIECES });
        }
        if let Some(iteration) = completed.filter(|iteration| iteration.number >= number || iteration.ends_descent()) {
            return Some(iteration);
        }
    }
    None
}

/// Returns the document of a computed iteration, and the step of an address in it.
///
/// # Errors
/// As [`Experiment::document_at`].
fn document_at(experiment: Experiment, number: u64, iteration: Iteration, address: &Address) -> Result<(Document, u64), String> {
    check_reached(number, &iteration)?;
    let document = Document::with_parts(experiment, iteration);
    let (step, _) = document.locate(address)?;
    Ok((document, step))
}

/// Checks that a computed iteration is the wanted one.
///
/// # Errors
/// Returns a sentence if the descent ended earlier, because of the scenario's `tolerance` or because memory is short.
fn check_reached(number: u64, iteration: &Iteration) -> Result<(), String> {
    let reached = iteration.number;
    if reached == number {
        return Ok(());
    }
    let why = format!("there is no iteration {number}: the tolerance ends the descent at {reached}");
    Err(iteration.shortage.as_ref().map_or(why, ToString::to_string))
}
