//! Compares the gradients that the user's own program computed with those of the scenario: `--mine FILE` and `:mine FILE`. A comparison is valid for one
//! iteration and for the numbers that the scenario had then. After an edit, and in other iterations, the screen shows no comparison.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use super::cursor::Cursor;
use super::stepper_context::StepperContext;
use super::{Document, Search, State};
use crate::diff::{FileTensor, Gradient, ROUNDED, SourceTexts, Status, UserGradients, UserTolerance, both_on_screen};
use crate::interrupt::Interrupted;
use crate::mistakes::{Cause, Explanation, GoOn, WrongEntry};
use crate::network::{BatchSource, Id};
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::step::{Address, Location, Scope, TensorEntry, Unit};
use crate::text::{counted, line, list_of_names};
use crate::trace::Trace;

/// The options of a comparison.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompareOptions {
    /// The tolerance of the user.
    pub tolerance: UserTolerance,
    /// The learning rate of the user's update; `None` for that of the scenario.
    pub learning_rate: Option<f64>,
}

/// The user's own gradients, their differences from the right ones, and the explanation of the differences.
#[derive(Debug)]
pub struct OwnGradients {
    /// The name of their file, escaped.
    pub file: String,
    /// The result of the comparison, with the mistakes that explain the differences.
    explanation: Explanation,
    /// The indices of the tensors whose difference no mistake explains.
    pub unexplained: Vec<usize>,
    /// The learning rate of the user's update.
    learning_rate: Option<f64>,
    /// The iteration.
    iteration: u64,
    /// The scenario of the comparison. After an edit, the document has another one.
    scenario: Arc<Scenario>,
    /// For each right tensor, the index of the user's tensor. The key is the index of a run and the id of the right tensor in the network of this run.
    by_tensor: HashMap<(usize, Id), usize>,
}

/// The largest number of other possible mistakes that are shown beside the best one.
const MAX_ALTERNATIVES: usize = 2;

/// The user's number for an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnEntry {
    /// The index of the tensor in the user's list.
    pub tensor: usize,
    /// The user's number.
    pub mine: f64,
    /// Whether it differs from the right number.
    pub differs: bool,
}

impl Deref for OwnGradients {
    type Target = Explanation;

    fn deref(&self) -> &Explanation {
        &self.explanation
    }
}

impl OwnGradients {
    /// Compares the tensors of a file with the gradients of a document's iteration. [`Self::find_causes`] then finds out why some of them differ.
    ///
    /// # Errors
    /// A sentence if no tensor can be compared.
    pub fn compared(document: &Document, file: String, tensors: Vec<FileTensor>, options: CompareOptions) -> Result<Self, String> {
        let trace = &document.trace;
        let user = UserGradients::new(trace, tensors, options.tolerance)?;
        let learning_rate = options.learning_rate.or_else(|| document.descent.train().map(|train| train.optimizer.learning_rate));
        let (iteration, scenario) = (trace.iteration(), Arc::clone(&document.scenario));
        let mut own = Self {
            file,
            explanation: Explanation::compared(trace, user),
            unexplained: Vec::new(),
            learning_rate,
            iteration,
            scenario,
            by_tensor: HashMap::new(),
        };
        let place = |(index, tensor): (usize, &crate::diff::UserTensor)| Some((tensor.gradient.find(trace)?, index));
        own.by_tensor = own.user.tensors.iter().enumerate().filter_map(place).collect();
        Ok(own)
    }

    /// Searches for mistakes that explain the differences. Calls `go_on` with two numbers: the number of mistakes that were tried, and the number of all
    /// mistakes. The search ends if `go_on` returns `false`.
    ///
    /// # Errors
    /// [`Interrupted`] if `go_on` returns `false`.
    pub fn find_causes(self, document: &Document, go_on: GoOn<'_>) -> Result<Self, Interrupted> {
        let explanation = self.explanation.find_causes(&document.trace, self.learning_rate, go_on)?;
        let unexplained = explanation.unexplained();
        Ok(Self { explanation, unexplained, ..self })
    }

    /// Compares the tensors of a file and searches for mistakes, without interruption.
    ///
    /// # Errors
    /// As [`Self::compared`].
    ///
    /// # Panics
    /// Never: nothing interrupts the search.
    pub fn new(document: &Document, file: String, tensors: Vec<FileTensor>, options: CompareOptions) -> Result<Self, String> {
        let own = Self::compared(document, file, tensors, options)?;
        Ok(own.find_causes(document, &mut |_, _| true).expect("nothing interrupts the search"))
    }

    /// Returns whether the comparison is valid for this document: it is at the same iteration, and no number was edited since.
    #[must_use]
    pub fn is_of(&self, document: &Document) -> bool {
        self.iteration == document.trace.iteration() && self.is_of_scenario(document)
    }

    fn is_of_scenario(&self, document: &Document) -> bool {
        Arc::ptr_eq(&self.scenario, &document.scenario)
    }

    /// Returns the index of the user's tensor for a tensor of a run. Some tensors of the batch are copies of a sample's tensor; for them, returns the index for
    /// the sample's tensor.
    #[must_use]
    pub fn tensor(&self, trace: &Trace, run: usize, tensor: Id) -> Option<usize> {
        let place = match trace.network_of(run).tensor(tensor).source {
            Some(BatchSource::Sample(sample, of)) => (sample, of),
            Some(_) => return None,
            None => (run, tensor),
        };
        self.by_tensor.get(&place).copied()
    }

    /// Returns the user's number for an entry. Returns `None` while the scene does not know the right number completely.
    #[must_use]
    pub fn entry(&self, trace: &Trace, scene: &Scene<'_>, tensor: Id, at: usize) -> Option<OwnEntry> {
        let index = self.tensor(trace, scene.at.run_index, tensor)?;
        // until the right number is complete, it is unknown whether the user's number differs
        scene.complete_number(tensor, at)?;
        let mine = *self.user.tensors[index].values.as_ref().ok()?.get(at)?;
        Some(OwnEntry { tensor: index, mine, differs: self.report.tensors[index].wrong.binary_search(&at).is_ok() })
    }

    /// Returns a user's number and the right one as a text: `yours 0.1 (times 4: your loss is a mean), right −0.3`. The factor in brackets is known if all
    /// numbers of the tensor have it.
    #[must_use]
    pub fn beside(&self, index: usize, mine: f64, right: f64) -> String {
        let both = both_on_screen(mine, right);
        self.user.factor_words(index).map_or_else(|| both.clone(), |factor| both.replacen(", right", &format!(" ({factor}), right"), 1))
    }

    /// Returns the label of a user's number. It is `yours`, or with a factor `yours, times 4: your loss is a mean`.
    #[must_use]
    pub fn label(&self, index: usize) -> String {
        self.user.factor_words(index).map_or_else(|| "yours".to_owned(), |factor| format!("yours, {factor}"))
    }

    /// Returns whether a tensor has entries that differ.
    #[must_use]
    pub fn has_wrong_entries(&self, index: usize) -> bool {
        !self.report.tensors[index].wrong.is_empty()
    }

    /// Returns the mistakes that the screen shows. A *group* is one explanation of all differences: a mistake, or several mistakes together. The screen shows
    /// the best group. If it is a single mistake, the screen also shows a few groups that explain the differences as well.
    pub fn shown_causes(&self) -> impl Iterator<Item = &Cause> {
        let last = if self.is_single() { 1 + MAX_ALTERNATIVES } else { 1 };
        self.causes.iter().filter(move |cause| cause.group <= last)
    }

    /// Returns a clause with the number of explanations that are not shown: `3 other pairs fit`.
    #[must_use]
    pub fn other_causes(&self) -> Option<String> {
        let shown = self.shown_causes().map(|cause| cause.group).max().unwrap_or(0);
        let others = self.causes.iter().map(|cause| cause.group).max().unwrap_or(0) - shown;
        let what = match self.causes.iter().filter(|cause| cause.group == 1).count() {
            1 => ["mistake fits", "mistakes fit"],
            2 => ["pair fits", "pairs fit"],
            _ => ["combination fits", "combinations fit"],
        };
        (others > 0).then(|| format!("{others} other {}", what[usize::from(others > 1)]))
    }

    /// Returns whether the best explanation is a single mistake.
    fn is_single(&self) -> bool {
        self.causes.iter().filter(|cause| cause.group == 1).count() == 1
    }

    /// Returns whether no tensor before this one has wrong numbers.
    #[must_use]
    pub fn is_first_of_values(&self, index: usize) -> bool {
        let is_wrong = |status: Status| matches!(status, Status::Different | Status::NotFinite);
        self.report.tensors.iter().position(|tensor| is_wrong(tensor.status)) == Some(index)
    }

    /// Returns a clause about the wrong tensors that only follow from earlier ones; `None` if there are none.
    #[must_use]
    pub fn consequence_words(&self, trace: &Trace) -> Option<String> {
        let mut names: Vec<String> = Vec::new();
        for index in &self.consequences {
            let name = line(&trace.network().tensor(self.user.tensors[*index].gradient.of).name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let (are, consequences) = if names.len() == 1 { ("is", "a consequence") } else { ("are", "consequences") };
        let from = match self.unexplained[..] {
            [one] => self.name(trace, one),
            _ => "the wrong gradients before".to_owned(),
        };
        (!names.is_empty()).then(|| format!("only {consequences}: {} {are} right for your numbers of {from}", list_of_names(&names)))
    }

    /// Returns clauses about a wrong tensor: the mistakes that explain its numbers, and the patterns in them.
    #[must_use]
    pub fn words(&self, index: usize) -> Vec<String> {
        let causes =
            self.shown_causes().filter(|cause| cause.explains.contains(&index)).map(|cause| format!("your mistake: {}", cause.words));
        let patterns = self.patterns.iter().filter(|pattern| pattern.tensor == index);
        causes.chain(patterns.map(|pattern| format!("your numbers: {}", pattern.words))).collect()
    }

    /// Returns the mistakes that the user made at an op of a run. With each mistake comes the wrong number that it gives for an entry, if all operands are
    /// right.
    pub fn mistakes_at<'a>(
        &'a self,
        trace: &'a Trace,
        run: usize,
        op: usize,
        entry: usize,
    ) -> impl Iterator<Item = (&'a Cause, WrongEntry)> {
        self.shown_causes().filter_map(move |cause| {
            let wrong = cause.ops.iter().find(|wrong| wrong.op == op).and_then(|wrong| wrong.entry(trace, run, entry))?;
            Some((cause, wrong))
        })
    }

    /// Returns the name of a tensor, escaped.
    #[must_use]
    pub fn name(&self, trace: &Trace, index: usize) -> String {
        line(&self.user.tensors[index].gradient.name(trace))
    }

    /// Returns the sentence about the number of wrong gradients.
    #[must_use]
    pub fn headline(&self) -> String {
        let all = self.report.tensors.len();
        let wrong = self.report.tensors.iter().filter(|tensor| tensor.status != Status::Equal).count();
        if self.is_only_rounded() {
            return format!("{wrong} of {} {} only by rounding", counted(all, "gradient"), if wrong == 1 { "differs" } else { "differ" });
        }
        match (wrong, all) {
            (0, 1) => "the gradient is equal".to_owned(),
            (0, n) => format!("all {n} gradients are equal"),
            (_, 1) => "the gradient is wrong".to_owned(),
            (wrong, n) => format!("{wrong} of {} {} wrong", counted(n, "gradient"), if wrong == 1 { "is" } else { "are" }),
        }
    }

    /// Returns whether all tensors that differ are the right numbers, rounded.
    #[must_use]
    pub fn is_only_rounded(&self) -> bool {
        let is_rounded = |tensor: usize| self.patterns.iter().any(|pattern| pattern.tensor == tensor && pattern.id == ROUNDED);
        let mut differing = (0..self.report.tensors.len()).filter(|tensor| !self.report.tensors[*tensor].is_equal()).peekable();
        differing.peek().is_some() && differing.all(is_rounded)
    }

    /// Returns the address of the first wrong entry of a tensor. If no entry is wrong, it is the address of the tensor.
    #[must_use]
    pub fn address(&self, trace: &Trace, index: usize) -> Option<Address> {
        let compared = &self.report.tensors[index];
        let address = compared.gradient.address(trace, compared.wrong.first().copied())?;
        Some(Address { iteration: (self.iteration > 1).then_some(self.iteration), ..address })
    }

    /// Returns the address of the op at which the user made a mistake; `None` if the mistake concerns the whole backward pass.
    pub(super) fn address_of_cause(&self, trace: &Trace, cause: &Cause) -> Option<Address> {
        let wrong = cause.ops.first()?;
        let run = if wrong.is_of_batch { trace.samples() } else { 0 };
        let network = &trace.runs().get(run)?.network;
        let name = network.tensor(network.ops().get(wrong.op)?.output).name.to_string();
        let scope = match trace.runs()[run].sample {
            None => Scope::Reduce,
            _ if trace.samples() == 1 => Scope::Any,
            Some(sample) => Scope::Sample(sample + 1),
        };
        let iteration = (self.iteration > 1).then_some(self.iteration);
        Some(Address { iteration, location: Location::Op { scope, name, index: None, term: None } })
    }

    /// Returns the first wrong entry of a tensor if no step computes it. The right number of such an entry is 0: for example, a pixel that no maximum of a
    /// max-pool chose has the derivative 0, and no step.
    fn first_unreached(&self, trace: &Trace, index: usize) -> Option<TensorEntry> {
        let compared = &self.report.tensors[index];
        let (run, tensor) = compared.gradient.find(trace)?;
        let at = *compared.wrong.first()?;
        let has_steps = trace.entry_steps(run, tensor, at).is_some_and(|steps| !steps.is_empty());
        (!has_steps).then_some(TensorEntry { tensor, at })
    }

    /// Returns the last steps of wrong entries: the nearest one before `step`, the nearest one after it, the first and the last. After the last step of an
    /// entry, its number is complete.
    fn wrong_steps(&self, trace: &Trace, step: u64) -> WrongSteps {
        let mut found = WrongSteps::default();
        for compared in &self.report.tensors {
            let Some((run, id)) = compared.gradient.find(trace) else { continue };
            let last = |at: &usize| trace.entry_steps(run, id, *at).filter(|steps| !steps.is_empty()).map(|steps| steps.end - 1);
            let wrong = &compared.wrong;
            // the entries are in the order of their steps; entries without steps are left out
            let end_of = |at: &usize| trace.entry_steps(run, id, *at).map_or(0, |steps| steps.end.saturating_sub(1));
            let split = wrong.partition_point(|at| end_of(at) < step);
            let after = wrong.partition_point(|at| end_of(at) <= step);
            let before = wrong[..split].iter().rev().find_map(last);
            let next = wrong[after..].iter().find_map(last);
            found.before = found.before.max(before);
            found.after = [found.after, next].into_iter().flatten().min();
            found.first = [found.first, wrong.iter().find_map(last)].into_iter().flatten().min();
            found.last = found.last.max(wrong.iter().rev().find_map(last));
        }
        found
    }
}

/// Steps that complete wrong entries: the result of [`OwnGradients::wrong_steps`].
#[derive(Clone, Copy, Debug, Default)]
struct WrongSteps {
    before: Option<u64>,
    after: Option<u64>,
    first: Option<u64>,
    last: Option<u64>,
}

impl State {
    /// Shows the user's gradients beside those of the open scenario, and reports which are wrong.
    pub fn compare_gradients(&mut self, own: Arc<OwnGradients>) {
        let Some(stepper) = self.stepper_mut() else { return };
        let go_on = if own.report.is_equal() { "" } else { ": D goes to the first difference" };
        let sentence = format!("{}: {}{go_on}", own.file, own.headline());
        stepper.own = Some(own);
        self.say(sentence, false);
    }
}

/// The message if no gradients of the user are loaded.
pub(super) const NOT_LOADED: &str = "no gradients of your own are loaded (:mine FILE compares with a file, as does --mine FILE)";

impl StepperContext<'_> {
    /// Goes to the first wrong entry. From then on, `n` and `N` go to the next and the previous wrong entry.
    pub(super) fn first_difference(&mut self) {
        let Some(own) = self.stepper.own.clone() else { return self.say(NOT_LOADED, false) };
        let document = Arc::clone(&self.stepper.document);
        if !own.is_of_scenario(&document) {
            return self.say(format!("your gradients were compared before the edits (:mine {} compares them again)", own.file), false);
        }
        if own.iteration != document.trace.iteration() {
            let Some(address) = own.report.first().and_then(|first| own.address(&document.trace, first)) else {
                return self.say(own.headline(), false);
            };
            self.stepper.search = Some(Search::Differences);
            return self.do_action(&super::Action::GoToAddress(address), None);
        }
        let Some(first) = own.report.first() else { return self.say(format!("{}: {}", own.file, own.headline()), false) };
        self.stepper.search = Some(Search::Differences);
        let trace = &document.trace;
        if let Some(entry) = own.first_unreached(trace, first)
            && let Some(step) = own.report.tensors[first].gradient.address(trace, None).and_then(|op| trace.resolve(&op).ok())
        {
            // all numbers of the op are known at its last step
            self.jump_to_step(trace.span(step, Unit::Op).end - 1);
            self.stepper.cursor = self.stepper.scene().map(|scene| Cursor::on(&scene, entry.tensor, entry.at));
            return self.say(own.first_words(trace, first), false);
        }
        let step = own.wrong_steps(trace, 0).first.or_else(|| own.address(trace, first).and_then(|address| trace.resolve(&address).ok()));
        if let Some(step) = step {
            self.jump_to_step(step);
        }
        self.say(own.first_words(trace, first), false);
    }

    /// Goes to the next wrong entry, or to the previous one. After the last comes the first.
    pub(super) fn next_difference(&mut self, goes_back: bool, times: u64) {
        let Some(own) = self.stepper.own.clone() else { return self.say(NOT_LOADED, false) };
        let document = Arc::clone(&self.stepper.document);
        if !own.is_of(&document) {
            return self.first_difference();
        }
        let (mut step, mut wrapped) = (self.stepper.step, "");
        for _ in 0..times.min(MAX_TIMES) {
            let found = own.wrong_steps(&document.trace, step);
            let (next, other_end) = if goes_back { (found.before, found.last) } else { (found.after, found.first) };
            let Some(reached) = next.or(other_end) else { return self.say("no entry of your gradients differs", false) };
            if next.is_none() {
                wrapped = if goes_back { " (from the last step again)" } else { " (from the first step again)" };
            }
            step = reached;
        }
        if step == self.stepper.step {
            return self.say("this is the only difference", false);
        }
        self.jump_to_step(step);
        let words = self.stepper.scene().and_then(|scene| {
            let entry = own.entry(&document.trace, &scene, scene.output, scene.at.entry)?;
            let right = scene.complete_number(scene.output, scene.at.entry)?;
            Some(own.beside(entry.tensor, entry.mine, right))
        });
        self.say(format!("{}{wrapped}", words.unwrap_or_default()), false);
    }

    fn jump_to_step(&mut self, step: u64) {
        self.stop_and_forget_moves();
        let before = self.stepper.visit();
        self.stepper.cursor = None;
        if self.go(step) {
            self.stepper.visits.record_jump_from(before);
        }
    }
}

/// The largest number of times that one key goes to the next wrong entry.
const MAX_TIMES: u64 = 10_000;

impl OwnGradients {
    /// Returns the sentence about the first wrong tensor: the number of wrong entries, and the first of them with both numbers.
    fn first_words(&self, trace: &Trace, index: usize) -> String {
        let (user, compared) = (&self.user.tensors[index], &self.report.tensors[index]);
        let name = |gradient: &Gradient, at| {
            gradient.address(trace, at).map_or_else(|| line(&gradient.name(trace)), |address| line(&address.to_string()))
        };
        let first = match (&user.values, compared.wrong.first()) {
            (Err(why), _) => format!("{}: {why}", name(&compared.gradient, None)),
            (Ok(values), Some(&at)) => {
                let numbers = self.beside(index, values[at], compared.gradient.right(trace)[at]);
                format!("{}: {numbers}", name(&compared.gradient, Some(at)))
            }
            (Ok(_), None) => name(&compared.gradient, None),
        };
        SourceTexts::new(trace.network()).explain(&format!("{}, first {first}", self.headline()))
    }
}
