//! A scenario with one of its iterations, and the way from an address to a step.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::{Names, SLICE};
use crate::network::{Descent, Iteration, Lack, Op, Walk};
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::step::{Address, Pass, Place, Scope};
use crate::threads::Elsewhere;
use crate::trace::{Other, Trace};

/// A scenario that is open, with its computation.
#[derive(Debug)]
pub struct Document {
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
    /// Why it has no update, where memory is too short for one.
    pub lack: Option<Lack>,
    /// The scenario's remarks, with the steps that each belongs to: an op's, an entry's or one.
    pub remarks: Vec<(Range<u64>, String)>,
    /// The names of a sample's ops, the same in all iterations.
    names: Arc<OnceLock<Names>>,
    /// Those of the batch's ops, in `reduce` and in `update`.
    batch: [OnceLock<Names>; 2],
}

impl Document {
    /// Runs a scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let descent = Arc::new(scenario.descent());
        let iteration = undisturbed(&descent, 1);
        Self::of(Arc::new(scenario), descent, Arc::default(), iteration)
    }

    /// A scenario at an address, and the step that this means; no other iteration than its own is kept meanwhile. `go_on` is asked as in
    /// [`Document::reach`]; `None` where it says no.
    ///
    /// # Errors
    /// As [`Document::find`].
    pub fn open(scenario: Scenario, address: &Address, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<(Self, u64)>, String> {
        let first = Self::new(scenario);
        let Some(number) = first.elsewhere(address)? else {
            let step = first.resolve(address)?;
            return Ok(Some((first, step)));
        };
        first.may_exist(number, address)?;
        let (scenario, descent, names) = (Arc::clone(&first.scenario), Arc::clone(&first.descent), Arc::clone(&first.names));
        drop(first);
        let Some(iteration) = compute(&descent, number, go_on)? else { return Ok(None) };
        arrive(scenario, descent, names, number, iteration, address).map(Some)
    }

    /// The same scenario at another iteration; at the last one where the descent ends before.
    #[must_use]
    pub fn iteration(&self, number: u64) -> Self {
        let number = number.clamp(1, self.descent.iterations());
        self.with(undisturbed(&self.descent, number))
    }

    /// The same scenario at another iteration, or at the last one where the descent ends before. `go_on` is asked after each piece of work, with the next
    /// iteration and the wanted one; `None` where it says no.
    ///
    /// # Errors
    /// A sentence, when the iteration takes more memory than is left.
    pub fn reach(&self, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Self>, String> {
        let iteration = compute(&self.descent, number, go_on)?;
        Ok(iteration.map(|iteration| self.with(iteration)))
    }

    /// The step that an address means, and the document at its iteration where that is another one. `go_on` is asked as in [`Document::reach`]; `None` where
    /// it says no.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what there is instead.
    pub fn find(&self, address: &Address, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<(Option<Self>, u64)>, String> {
        let Some(number) = self.elsewhere(address)? else { return Ok(Some((None, self.resolve(address)?))) };
        self.may_exist(number, address)?;
        let Some(iteration) = compute(&self.descent, number, go_on)? else { return Ok(None) };
        self.arrive(number, iteration, address).map(Some)
    }

    /// The step that an address in this iteration means.
    ///
    /// # Errors
    /// As [`Document::find`].
    pub(super) fn resolve(&self, address: &Address) -> Result<u64, String> {
        self.trace.resolve(address).map_err(|why| match (self.lack, &address.place) {
            (Some(lack), Place::Op { scope, name, .. }) if *scope == Scope::Update || self.is_updated(name) => lack.to_string(),
            _ => why,
        })
    }

    /// Whether an update would make a tensor of this name.
    fn is_updated(&self, name: &str) -> bool {
        let parameter = self.trace.network().find(name.strip_prefix("velocity.").unwrap_or(name));
        self.descent.train().is_some_and(|train| parameter.is_some_and(|id| train.learned.contains(&id)))
    }

    /// Whether there is memory for the end of a way.
    ///
    /// # Errors
    /// A sentence with the size of the iteration, when it takes more memory than is left.
    pub fn fits(&self, walk: &Walk) -> Result<(), String> {
        let lack = self.lack.filter(|_| walk.next() > self.trace.iteration());
        walk.refused().or(lack).map_or(Ok(()), |lack| Err(lack.to_string()))
    }

    /// Checks an address in iteration `number` before that is computed.
    ///
    /// # Errors
    /// As [`Document::find`], when no computation can make the address exist.
    pub(super) fn may_exist(&self, number: u64, address: &Address) -> Result<(), String> {
        self.trace.may_exist(&address.place, &self.descent.samples(number))
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

    /// The scenario at iteration `number`, and the step that an address means there. `iteration` is that one, or an earlier one if the descent ends with it.
    pub(super) fn arrive(&self, number: u64, iteration: Iteration, address: &Address) -> Result<(Option<Self>, u64), String> {
        let (document, step) =
            arrive(Arc::clone(&self.scenario), Arc::clone(&self.descent), Arc::clone(&self.names), number, iteration, address)?;
        Ok((Some(document), step))
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
            let batch = self.trace.sample_runs().len() - 1;
            if self.trace.sample_runs()[batch].sample.is_some() {
                return Names::default();
            }
            self.names_of(batch, |op| op.pass == pass)
        })
    }

    fn names_of(&self, sample_run: usize, wanted: impl Fn(&Op) -> bool) -> Names {
        let network = self.trace.network_of(sample_run);
        let ops = network.ops().iter().zip(self.trace.spans_of(sample_run)).filter(|(op, span)| wanted(op) && !span.is_empty());
        Names::new(ops.map(|(op, _)| network.tensor(op.output).name.clone()))
    }

    /// The scene of a step of this iteration; `None` past either end.
    #[must_use]
    pub fn scene(&self, step: u64) -> Option<Scene<'_>> {
        Scene::of(&self.trace, step)
    }

    /// The most iterations of the descent.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.descent.iterations()
    }

    /// Returns whether it is known at a step that the descent ends with this iteration, though more are allowed: its loss decides, once it is computed.
    #[must_use]
    pub fn ends_early(&self, step: u64) -> bool {
        self.last && self.trace.iteration() < self.iterations() && step >= self.trace.loss_step()
    }

    /// The scenario as it is up to a step, with other numbers in all that is computed later ([`Trace::with_future`]), and with another end.
    #[must_use]
    pub fn with_future(&self, after: u64, other: Other) -> Self {
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

    fn of(scenario: Arc<Scenario>, descent: Arc<Descent>, names: Arc<OnceLock<Names>>, iteration: Iteration) -> Self {
        let last = iteration.ends() || iteration.number >= descent.iterations();
        let Iteration { number, sample_runs, loss, lack, .. } = iteration;
        let trace = Trace::of(number, sample_runs);
        let remarks = scenario.remarks.iter().filter_map(|r| Some((trace.range(&r.at).ok()?, r.text.clone()))).collect();
        Self { scenario, trace, descent, loss, last, lack, remarks, names, batch: Default::default() }
    }
}

/// Computes iteration `number`, or the last one where the descent ends before.
fn compute(descent: &Arc<Descent>, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Iteration>, String> {
    let walk = descent.walk(number);
    match walk.refused() {
        Some(lack) => Err(lack.to_string()),
        None => Ok(walked(descent, walk, number, go_on)),
    }
}

/// Computes iteration `number`, or the last one if the descent ends before, without asking whether to go on.
fn undisturbed(descent: &Arc<Descent>, number: u64) -> Iteration {
    walked(descent, descent.walk(number), number, &mut |_, _| true).unwrap_or_else(|| unreachable!("it always goes on"))
}

/// Goes on with a walk to iteration `number`, or to the last one if the descent ends before. Long pieces run on the other thread, as they do in the stepper:
/// so their memory is reused, and `go_on` is asked every 15 ms.
fn walked(descent: &Arc<Descent>, mut walk: Walk, number: u64, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Option<Iteration> {
    /// Short pieces between two looks whether to go on.
    const FEW: u64 = 64;
    let long = |descent: &Descent, mut walk: Walk| (descent.advance(&mut walk, &mut { 1 }), walk);
    while go_on(walk.next(), number) {
        let next = walk.next();
        let elsewhere = if descent.is_long(&walk) {
            let shared = Arc::clone(descent);
            Elsewhere::begin(walk, move |walk| long(&shared, walk)).map_err(|walk| long(descent, walk))
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
                elsewhere.take().expect("nobody else has it")
            }
        };
        walk = done.1;
        if let Some(iteration) = done.0.filter(|iteration| iteration.number >= number || iteration.ends()) {
            return Some(iteration);
        }
    }
    None
}

/// The scenario at iteration `number`, and the step that an address means there. `iteration` is that one, or an earlier one if the descent ends with it.
fn arrive(
    scenario: Arc<Scenario>,
    descent: Arc<Descent>,
    names: Arc<OnceLock<Names>>,
    number: u64,
    iteration: Iteration,
    address: &Address,
) -> Result<(Document, u64), String> {
    let (reached, lack) = (iteration.number, iteration.lack);
    if reached != number {
        let why = format!("there is no iteration {number}: the tolerance ends the descent at {reached}");
        return Err(lack.map_or(why, |lack| lack.to_string()));
    }
    let document = Document::of(scenario, descent, names, iteration);
    let step = document.resolve(address)?;
    Ok((document, step))
}
