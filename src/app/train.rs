//! The key `L`: runs gradient descent, and draws the curves of the loss and of the values of a parameter.
//!
//! A [`DescentComputation`](crate::network::DescentComputation) computes one iteration after the other, in *pieces*. A piece is one op, or the start or end of
//! a run.

use std::sync::Arc;

use super::computation_state::ComputationState;
use super::job::Job;
use super::stepper_context::StepperContext;
use super::train_job::{TrainJob, TrainProgress};
use super::training::FollowedParameter;
use super::{ComparedLosses, Curves, Setting, State, Stepper};
use crate::network::{Id, Role};
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::tensor::{index_text, unravel};

impl StepperContext<'_> {
    /// Chooses the parameter whose values are drawn, and continues the descent. A move in progress is stopped first; during any other job, the descent does not
    /// continue.
    ///
    /// # Errors
    /// A sentence if there is no curve.
    pub(super) fn ask_for_curve(&mut self) -> Result<(), String> {
        let document = Arc::clone(&self.stepper.document);
        if document.descent.train().is_none() {
            return Err("the scenario has no [train]: it has one iteration, and no curve".to_owned());
        }
        if document.iterations() == 1 {
            return Err("the descent has one iteration, and no curve: iterations in [train] sets the number".to_owned());
        }
        let entry = self.stepper.parameter_in_question().ok_or("the descent learns no parameter")?;
        self.stepper.training.current.follow(entry, &document.scenario.budget);
        let is_free = self.stepper.job.as_ref().is_none_or(Job::is_move);
        if is_free && !self.stepper.is_training_complete() {
            self.stop_and_forget_moves();
            self.run_descent();
        }
        Ok(())
    }

    /// Continues the descent, or pauses it.
    pub(super) fn run_or_pause_descent(&mut self) {
        match &self.stepper.job {
            Some(Job::Train(_)) => self.stepper.job = None,
            Some(job) => {
                let sentence = format!("still computing, {}: afterwards, Space runs the descent", job.describe());
                self.say(sentence, false);
            }
            None if self.stepper.is_training_complete() => self.say("this is the last iteration: there is nothing more to compute", false),
            None => self.run_descent(),
        }
    }

    /// Continues the descent after the last iteration for which the value of the chosen parameter is stored.
    fn run_descent(&mut self) {
        let document = Arc::clone(&self.stepper.document);
        let Some(followed) = &self.stepper.training.current.followed else { return };
        let (entry, iterations) = (followed.entry, document.iterations());
        let computation = document.descent.start_from(followed.values.last_iteration() + 1, iterations);
        match document.check_memory(&computation) {
            Ok(()) => self.begin_job(Job::Train(Box::new(TrainJob::new(entry, iterations, computation)))),
            Err(why) => self.say(why, true),
        }
    }

    /// Does at most `pieces` pieces of a job, and at most one iteration. Subtracts the number of done pieces from `pieces`. Returns whether an iteration is
    /// complete now.
    pub(super) fn train_piece(&mut self, job: TrainJob, pieces: &mut u64) -> bool {
        let TrainJob { entry, iterations, computation } = job;
        let document = Arc::clone(&self.stepper.document);
        let progress = match computation {
            ComputationState::Ready(computation) => Some(TrainJob::advance(entry, document.experiment(), computation, pieces)),
            ComputationState::InBackground(_, task) => {
                *pieces -= 1;
                task.take()
            }
        };
        let current = &mut self.stepper.training.current;
        let (computation, completed) = match (progress, &mut current.followed) {
            (Some(TrainProgress { computation, completed }), Some(followed)) => {
                if let Some(iteration) = completed {
                    followed.values.push(iteration.number, iteration.value);
                    current.reached = current.reached.max(iteration.number);
                    current.end = iteration.is_last.then_some(iteration.number).or(current.end);
                }
                (computation, completed)
            }
            // the result can be taken from the thread only once: if a clone of this state has taken it, this state begins the computation again
            (_, followed) => {
                let next = followed.as_ref().map_or(0, |followed| followed.values.last_iteration()) + 1;
                (Box::new(document.descent.start_from(next, iterations)), None)
            }
        };
        if completed.is_none_or(|iteration| !iteration.is_last) {
            self.stepper.job =
                Some(Job::Train(Box::new(TrainJob { entry, iterations, computation: ComputationState::Ready(computation) })));
        }
        completed.is_some()
    }
}

impl State {
    /// Chooses the parameter whose values are drawn, and continues the descent, as [`StepperContext::ask_for_curve`].
    ///
    /// # Errors
    /// A sentence if there is no curve.
    pub(super) fn ask_for_curve(&mut self) -> Result<(), String> {
        self.context().map_or(Ok(()), |mut context| context.ask_for_curve())
    }

    /// Returns the curves of the open overlay: of the loss, or of a parameter.
    #[must_use]
    pub fn curves(&self) -> Option<Curves> {
        self.stepper()?.curves(self.settings.is_on(Setting::ParameterPath))
    }
}

impl Stepper {
    /// Returns the last iteration whose loss is known at the step on the screen; 0 if there is none. A loss that prediction hides is not known.
    fn last_iteration_with_known_loss(&self) -> u64 {
        let trace = &self.document.trace;
        trace.iteration() - u64::from(self.last_known() < trace.loss_step())
    }

    /// Returns whether no further iteration can be computed.
    fn is_training_complete(&self) -> bool {
        let current = &self.training.current;
        current.end.is_some_and(|end| current.followed.as_ref().is_some_and(|followed| followed.values.last_iteration() >= end))
    }

    /// Returns the curve of the loss up to the step on the screen; `None` if the descent has one iteration.
    #[must_use]
    pub fn curve_so_far(&self) -> Option<Curves> {
        let document = &self.document;
        let known = self.last_iteration_with_known_loss();
        (document.iterations() > 1).then(|| Curves {
            name: "loss".to_owned(),
            shows_loss: true,
            current: self.training.current.loss_curve(known),
            others: Vec::new(),
            here: document.trace.iteration(),
            known,
            computed: known,
            iterations: document.iterations(),
            is_complete: false,
            optimizer: document.descent.train().map_or_else(String::new, |train| train.optimizer.summary()),
        })
    }

    /// Returns the curves of all training runs. With `shows_parameter`, they show the chosen parameter, otherwise the loss. The curve of the current training
    /// run ends at the last computed iteration.
    fn curves(&self, shows_parameter: bool) -> Option<Curves> {
        let so_far = self.curve_so_far()?;
        let current = &self.training.current;
        let earlier = &self.training.earlier;
        let compared = self.training.compared.iter().map(ComparedLosses::curve);
        let computed = current.reached.max(so_far.known);
        let common = Curves {
            computed,
            iterations: current.end.unwrap_or(so_far.iterations),
            is_complete: self.is_training_complete(),
            current: current.loss_curve(computed),
            others: compared.chain(earlier.iter().map(|training| training.loss_curve(training.reached))).collect(),
            ..so_far
        };
        let Some(FollowedParameter { entry, values }) = current.followed.as_ref().filter(|_| shows_parameter) else { return Some(common) };
        let entry = *entry;
        let info = self.document.trace.network().tensor(entry.tensor);
        Some(Curves {
            name: format!("{}{}", info.name, index_text(&unravel(entry.at, &info.shape))),
            shows_loss: false,
            current: current.parameter_curve(entry)?,
            others: earlier.iter().filter_map(|training| training.parameter_curve(entry)).collect(),
            // the parameter's value before the update is known at every step of the iteration
            known: common.here,
            computed: values.last_iteration(),
            ..common
        })
    }

    /// Returns the entry of a learned parameter whose values are drawn. The candidates, in this order, are the entry under the cursor, the entry that was drawn
    /// last, the entry of the step, and the first entry of all.
    fn parameter_in_question(&self) -> Option<TensorEntry> {
        let train = self.document.descent.train()?;
        let scene = self.scene()?;
        let under_cursor = || self.cursor.and_then(|cursor| self.learned_entry(&scene, cursor.entry(&scene)));
        let drawn_last = || self.training.current.followed.as_ref().map(|followed| followed.entry);
        let of_step = || self.learned_entry(&scene, TensorEntry { tensor: scene.output, at: scene.at.entry });
        let first_of_all = || train.learned.first().map(|tensor| TensorEntry { tensor: *tensor, at: 0 });
        under_cursor().or_else(drawn_last).or_else(of_step).or_else(first_of_all)
    }

    /// Returns the entry w of a learned parameter, if the given entry is w, the gradient of w, its velocity or its new value. Returns `None` for any other
    /// entry.
    fn learned_entry(&self, scene: &Scene<'_>, TensorEntry { tensor, at }: TensorEntry) -> Option<TensorEntry> {
        let trace = &self.shown().trace;
        let sample_network = trace.network();
        // the run that has the tensor's numbers, and the tensor's id in the network of this run
        let (run_index, tensor_in_run) = scene.canonical(tensor);
        let run = &trace.runs()[run_index];
        // w for the gradient ∂C/∂w, and for w itself
        let parameter_of = |id: Id| match sample_network.tensor(id).role {
            Role::Gradient(of) => of,
            _ => id,
        };
        let parameter = match (run.sample, run.network.tensor(tensor_in_run).role) {
            (Some(_), _) => parameter_of(tensor_in_run),
            (None, Role::Reduced(gradient)) => parameter_of(gradient),
            (None, _) => run.network.tensor(tensor_in_run).parameter?,
        };
        self.document.is_updated(parameter).then_some(TensorEntry { tensor: parameter, at })
    }
}
