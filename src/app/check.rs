//! The gradient check of one entry w. It compares the derivative ∂C/∂w of the backward pass with a difference quotient, such as (C(w + h) − C(w − h)) / 2h for
//! a small h. This needs the loss C for several values of w, so it is a job on a background thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Document, List, ListRow};
use crate::gradcheck::{DerivativeCheck, FLOOR, NEAR, TOLERANCE, Verdict, check_batch_entry, check_entry};
use crate::network::{Id, Role};
use crate::number::{exact_on_screen, with_digits};
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::threads::BackgroundTask;

/// A gradient check of one entry. It has not begun yet, or runs on the background thread.
#[derive(Clone, Debug)]
pub struct Check {
    /// The address of the derivative.
    pub name: String,
    /// The iteration.
    pub iteration: u64,
    derivative: Derivative,
    /// The first step that computes the derivative, if this step is after the one on the screen.
    pending: Option<u64>,
    stop: Arc<StopOnDrop>,
    task: Option<BackgroundTask<DerivativeCheck>>,
}

/// A derivative: an entry of a gradient tensor in the run of a sample or of the batch.
#[derive(Clone, Copy, Debug)]
struct Derivative {
    run_index: usize,
    gradient: Id,
    at: usize,
}

/// A flag for the background thread. It is set when this value is dropped, so that the thread stops when nobody needs its result.
#[derive(Debug, Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Check {
    /// Returns the check of ∂C/∂w for the entry w. If the entry is itself a derivative, that derivative is checked.
    ///
    /// # Errors
    /// A sentence if there is no such derivative.
    pub(super) fn of(scene: &Scene<'_>, entry: TensorEntry) -> Result<Self, String> {
        let derivative = derivative(scene, entry)?;
        let Derivative { run_index, gradient, at } = derivative;
        let (name, pending) = scene.address_in(run_index, gradient, at);
        Ok(Self { name, iteration: scene.step.iteration, derivative, pending, stop: Arc::default(), task: None })
    }

    /// Computes the check.
    fn run(derivative: Derivative, document: &Document, stop: &AtomicBool) -> DerivativeCheck {
        let Derivative { run_index, gradient, at } = derivative;
        let runs = document.trace.runs();
        let checked = &runs[run_index];
        match checked.sample {
            Some(_) => check_entry(&checked.network, &checked.run, gradient, at, stop),
            None => check_batch_entry(&runs[..document.trace.samples()], checked, gradient, at, stop),
        }
    }

    /// Starts the check on the background thread, unless it has started.
    pub(super) fn in_background(mut self, document: &Arc<Document>) -> Self {
        if self.task.is_none() {
            let (document, derivative, stop) = (Arc::clone(document), self.derivative, Arc::clone(&self.stop.0));
            self.task = BackgroundTask::begin((), move |()| Self::run(derivative, &document, &stop)).ok();
        }
        self
    }

    /// Waits for the background thread, but not longer than this time. Returns whether the thread has the result. Returns `true` if no thread runs:
    /// [`Check::finish`] then computes the check.
    pub(super) fn is_done_within(&self, wait: Duration) -> bool {
        self.task.as_ref().is_none_or(|task| task.is_done_within(wait))
    }

    /// Returns a list with the derivative, the differences and the verdict.
    pub(super) fn finish(self, document: &Document) -> List {
        let Self { name, derivative, pending, stop, task, .. } = self;
        // computes the check here if no thread ran, or if a clone of the state has taken the result: it can be taken only once
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
            // if the derivative is smaller than FLOOR, its error is divided by FLOOR, not by the derivative
            let floor = if check.derivative.abs() < FLOOR { format!("; relative to {}", exact_on_screen(FLOOR)) } else { String::new() };
            rows.push(row(
                "relative error",
                format!("{}, at most {} is allowed{floor}", with_digits(check.error, 3), exact_on_screen(TOLERANCE)),
            ));
        }
        let checked = &document.trace.runs()[derivative.run_index];
        let loss = if checked.sample.is_some() { checked.run.values(checked.network.loss())[0] } else { document.loss };
        rows.push(row("verdict", verdict(check.verdict, is_between(check.derivative, sides), loss.is_finite()).to_owned()));
        let mut list = List::new(format!("gradient check of {name}"), rows);
        // the verdict
        list.selected = list.rows.len() - 1;
        let mut note = "recomputed: the entry is moved a little to both sides, and the loss is computed again each time.".to_owned();
        if check.is_near_kink {
            note = format!("{note} A kink of the loss is within {NEAR:e} of the entry, so all moves stay on one side of it.");
        }
        // with one sample and no penalty, the loss of the sample is also the loss of the batch
        if document.trace.samples() > 1 || document.trace.in_batch(document.trace.network().loss()).is_some() {
            let runs = document.trace.runs();
            let whose = runs[derivative.run_index].sample.map_or("the batch".to_owned(), |sample| format!("sample {} alone", sample + 1));
            note = format!("of the loss of {whose}; {note}");
        }
        if let Some(step) = pending {
            note = format!("{note} Step {step} computes this derivative, which is later than the step on the screen.");
        }
        list.note = note;
        list
    }
}

/// Returns whether a derivative is between the slopes on both sides of a kink; `false` if they are not known.
fn is_between(derivative: f64, sides: Option<[f64; 2]>) -> bool {
    // these comparisons are false for a NaN derivative
    sides.is_some_and(|[left, right]| left.min(right) <= derivative && derivative <= left.max(right))
}

/// Returns a sentence about a verdict. `is_between` is `true` if the derivative is between the slopes on both sides of a kink.
fn verdict(verdict: Verdict, is_between: bool, is_loss_finite: bool) -> &'static str {
    match verdict {
        Verdict::Agrees => "agrees",
        Verdict::Off => "wrong",
        Verdict::Kink if is_between => "at a kink: any number between both slopes",
        // several kinks meet, or it is a corner, or a slope is only about that of the convention
        Verdict::Kink => "at a kink: the derivative is a convention",
        Verdict::NotFinite if is_loss_finite => "nothing to compare: the loss is finite, but no difference of two losses is",
        Verdict::NotFinite => "nothing to compare: the loss is not finite",
        Verdict::Unsettled => "undecided: rounding hides the slope",
        Verdict::Undefined => "undefined: the chain rule meets a derivative that is infinite or NaN",
    }
}

/// Returns the derivative of the loss by an entry. If the entry is itself a derivative, returns the entry. The derivatives of a sample are those of the
/// sample's own loss.
fn derivative(scene: &Scene<'_>, TensorEntry { tensor, at }: TensorEntry) -> Result<Derivative, String> {
    let (network, run_index) = (scene.network(), scene.at.run_index);
    let info = network.tensor(tensor);
    let no_derivative = || format!("{} has no derivative in this scenario", scene.name(tensor, at));
    // a tensor of the batch that is a copy of a sample's tensor
    if let Some((sample_scene, copied)) = scene.origin(tensor) {
        return derivative(&sample_scene, TensorEntry { tensor: copied, at }).map_err(|_| no_derivative());
    }
    let is_gradient = match info.role {
        Role::Gradient(_) => true,
        // a reduced tensor is the loss of the batch or the gradient of a parameter
        Role::Reduced(_) => tensor != network.loss(),
        _ => false,
    };
    if is_gradient {
        return Ok(Derivative { run_index, gradient: tensor, at });
    }
    let gradient = network.gradient_of(tensor).ok_or_else(no_derivative)?;
    // if the batch has one sample, its gradients are those of this sample
    let (run_index, gradient) = scene.canonical(gradient);
    Ok(Derivative { run_index, gradient, at })
}
