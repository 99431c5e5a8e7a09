//! The gradient check of one entry: a question that computes the network again. On a large network it is a job, which a background thread does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Document, List, ListRow};
use crate::gradcheck::{DerivativeCheck, FLOOR, TOLERANCE, Verdict, check_batch_entry, check_entry};
use crate::network::{Id, Role};
use crate::number::{exact_on_screen, with_digits};
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::threads::BackgroundTask;

/// A gradient check of one entry, with the background thread that does it once it has begun.
#[derive(Clone, Debug)]
pub struct Check {
    /// The address of the derivative.
    pub name: String,
    /// The iteration.
    pub iteration: u64,
    derivative: Derivative,
    /// The first step that computes the derivative, if that is a later one.
    pending: Option<u64>,
    stop: Arc<StopOnDrop>,
    task: Option<BackgroundTask<DerivativeCheck>>,
}

/// A derivative: the tensor of a run that holds it, and its place there.
#[derive(Clone, Copy, Debug)]
struct Derivative {
    sample_run: usize,
    gradient: Id,
    at: usize,
}

/// A flag that stops the background thread as soon as the result is no longer needed.
#[derive(Debug, Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Check {
    /// Returns the check of the derivative of the loss by an entry. An entry of a gradient is the derivative itself.
    ///
    /// # Errors
    /// A sentence if there is no such derivative.
    pub(super) fn of(scene: &Scene<'_>, entry: TensorEntry) -> Result<Self, String> {
        let derivative = derivative(scene, entry)?;
        let Derivative { sample_run, gradient, at } = derivative;
        let (name, pending) = scene.described_in(sample_run, gradient, at);
        Ok(Self { name, iteration: scene.step.iteration, derivative, pending, stop: Arc::default(), task: None })
    }

    /// Does the check.
    fn run(derivative: Derivative, document: &Document, stop: &AtomicBool) -> DerivativeCheck {
        let Derivative { sample_run, gradient, at } = derivative;
        let runs = document.trace.sample_runs();
        let own = &runs[sample_run];
        match own.sample {
            Some(_) => check_entry(&own.network, &own.run, gradient, at, stop),
            None => check_batch_entry(&runs[..document.trace.samples()], own, gradient, at, stop),
        }
    }

    /// Begins the check on the background thread, unless it has begun.
    pub(super) fn in_background(mut self, document: &Arc<Document>) -> Self {
        if self.task.is_none() {
            let (document, derivative, stop) = (Arc::clone(document), self.derivative, Arc::clone(&self.stop.0));
            self.task = BackgroundTask::begin((), move |()| Self::run(derivative, &document, &stop)).ok();
        }
        self
    }

    /// Waits for the background thread, but not longer than this time. Returns whether [`Check::finish`] returns without a wait.
    pub(super) fn is_done_within(&self, wait: Duration) -> bool {
        self.task.as_ref().is_none_or(|task| task.is_done_within(wait))
    }

    /// Returns the answer: the derivative, the differences, and the verdict.
    pub(super) fn finish(self, document: &Document) -> List {
        let Self { name, derivative, pending, stop, task, .. } = self;
        // if a clone of this state has taken the result, the check is done again
        let done = task.and_then(|task| task.take()).unwrap_or_else(|| Self::run(derivative, document, &stop.0));
        let DerivativeCheck { check, sides } = done;
        let row = |what: &str, number: String| ListRow::text([what.to_owned(), number]);
        let mut rows = vec![row("the backward pass", exact_on_screen(check.derivative))];
        if let Some([left, right]) = sides {
            rows.push(row("slope to the left", exact_on_screen(left)));
            rows.push(row("slope to the right", exact_on_screen(right)));
        } else if check.difference.is_finite() {
            rows.push(row("central difference", exact_on_screen(check.difference)));
            rows.push(row("their difference", exact_on_screen(check.derivative - check.difference)));
            // a small derivative is compared as if it were this large
            let floor = if check.derivative.abs() < FLOOR { format!("; relative to {}", exact_on_screen(FLOOR)) } else { String::new() };
            rows.push(row(
                "relative error",
                format!("{}, at most {} is allowed{floor}", with_digits(check.error, 3), exact_on_screen(TOLERANCE)),
            ));
        }
        let own = &document.trace.sample_runs()[derivative.sample_run];
        let loss = if own.sample.is_some() { own.run.values(own.network.loss())[0] } else { document.loss };
        rows.push(row("verdict", verdict(check.verdict, sides.is_some(), loss.is_finite()).to_owned()));
        let mut list = List::new(format!("gradient check of {name}"), rows);
        list.selected = list.rows.len() - 1;
        let mut note = "recomputed: the entry is moved a little to both sides, and the loss is computed again each time.".to_owned();
        if check.is_near_kink {
            note.push_str(" A kink of the loss is within 1e-6 of the entry, so all moves stay on one side of it.");
        }
        if document.trace.samples() > 1 {
            let runs = document.trace.sample_runs();
            let whose = runs[derivative.sample_run].sample.map_or("the batch".to_owned(), |sample| format!("sample {} alone", sample + 1));
            note = format!("of the loss of {whose}; {note}");
        }
        if let Some(step) = pending {
            note = format!("{note} Step {step} computes this derivative, which is later than the step on the screen.");
        }
        list.note = note;
        list
    }
}

/// Returns a sentence about a verdict.
fn verdict(verdict: Verdict, has_sides: bool, has_loss: bool) -> &'static str {
    match verdict {
        Verdict::Agrees => "agrees",
        Verdict::Off => "wrong",
        Verdict::Kink if has_sides => "at a kink: any number between both slopes",
        Verdict::Kink => "at a kink: there is no single slope",
        Verdict::NotFinite if has_loss => "nothing to compare: the loss is finite here, but no difference of it is",
        Verdict::NotFinite => "nothing to compare: the loss is not finite there",
        Verdict::Unsettled => "open: rounding hides the slope",
        Verdict::Undefined => "undefined: the chain rule meets a derivative that is infinite or NaN",
    }
}

/// Returns the derivative of the loss by an entry: the entry itself if it belongs to a gradient. What a sample gives to the batch is a derivative of the sample's loss.
fn derivative(scene: &Scene<'_>, TensorEntry { tensor, at }: TensorEntry) -> Result<Derivative, String> {
    let (network, own) = (scene.network(), scene.at.sample_run);
    let info = network.tensor(tensor);
    let none = || format!("{} has no derivative in this scenario", scene.name(tensor, at));
    if let Some((there, of)) = scene.origin(tensor) {
        return derivative(&there, TensorEntry { tensor: of, at }).map_err(|_| none());
    }
    let is_gradient = match info.role {
        Role::Gradient(_) => true,
        Role::Reduced(_) => tensor != network.loss(),
        _ => false,
    };
    if is_gradient {
        return Ok(Derivative { sample_run: own, gradient: tensor, at });
    }
    let gradient = network.gradient_of(tensor).ok_or_else(none)?;
    // a batch of one sample has the sample's gradients
    let (sample_run, gradient) = scene.home(gradient);
    Ok(Derivative { sample_run, gradient, at })
}
