//! Compares the gradients that the user's own program computed with those of the scenario: `--mine FILE` and `:mine FILE`. A comparison is valid for one
//! iteration and for the numbers that the scenario had then. After an edit, and in other iterations, the screen shows no comparison.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use super::{Document, Message, State, groups};
use crate::diff::{FileTensor, Precision, ROUNDED, Status, UserGradients, UserTolerance, both_on_screen};
use crate::interrupt::Interrupted;
use crate::mistakes::{Cause, Explanation, GoOn, WrongEntry, WrongOp};
use crate::network::{BatchSource, Id, Role};
use crate::number::{exact, with_digits};
use crate::scenario::Scenario;
use crate::scene::Scene;
use crate::step::{Location, TensorEntry};
use crate::tensor::unravel;
use crate::text::{are, counted, line, list_of_names};
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
pub struct GradientComparison {
    /// The name of the user's file, escaped.
    pub file: String,
    /// The result of the comparison, with the mistakes that explain the differences.
    explanation: Explanation,
    /// The indices of the tensors whose difference no mistake explains.
    pub unexplained: Vec<usize>,
    /// The learning rate of the user's update; `None` if no option gives one and the scenario has no update.
    learning_rate: Option<f64>,
    /// The iteration that was compared.
    iteration: u64,
    /// The scenario of the comparison. After an edit, the document has another one.
    scenario: Arc<Scenario>,
    /// For each right tensor, the index of the user's tensor. The key is the index of a run and the id of the right tensor in the network of this run.
    by_tensor: HashMap<(usize, Id), usize>,
    /// The places of the mistakes, in the order of [`Explanation::causes`]; `None` for a mistake that is not shown, or that is not made at an op.
    places: Vec<Option<MistakePlace>>,
}

/// The place of a mistake: the first entry for which the wrong rule gives another number than the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MistakePlace {
    /// The run of the op.
    pub run: usize,
    /// The entry, in the network of the run.
    pub entry: TensorEntry,
}

/// A mistake that concerns a step.
#[derive(Clone, Debug)]
pub struct MistakeHere<'a> {
    /// The mistake.
    pub cause: &'a Cause,
    /// The position of the mistake, from 1, and the number of all mistakes that act together: `[2, 3]` for the second of three. `None` for an alternative to
    /// the best explanation.
    pub position_and_count: Option<[usize; 2]>,
    /// The numbers of the wrong rule, if the mistake is made at the op of the step.
    pub wrong: Option<WrongEntry>,
    /// The address of the entry at which the mistake is made, if its op is not the op of the step.
    pub made_at: Option<String>,
}

/// The largest number of other possible mistakes that are shown beside the best one.
const MAX_ALTERNATIVES: usize = 2;

/// The user's number for an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComparedEntry {
    /// The index of the tensor in the user's list.
    pub tensor: usize,
    /// The user's number.
    pub mine: f64,
    /// Whether it differs from the right number.
    pub differs: bool,
}

impl Deref for GradientComparison {
    type Target = Explanation;

    fn deref(&self) -> &Explanation {
        &self.explanation
    }
}

impl GradientComparison {
    /// Compares the tensors of a file with the gradients of a document's iteration. [`Self::find_causes`] then finds out why some of them differ.
    ///
    /// # Errors
    /// A sentence if no tensor can be compared.
    pub fn without_causes(document: &Document, file: String, tensors: Vec<FileTensor>, options: CompareOptions) -> Result<Self, String> {
        let trace = &document.trace;
        let user = UserGradients::new(trace, tensors, options.tolerance)?;
        let learning_rate = options.learning_rate.or_else(|| document.descent.train().map(|train| train.optimizer.learning_rate));
        let (iteration, scenario) = (trace.iteration(), Arc::clone(&document.scenario));
        let mut comparison = Self {
            file,
            explanation: Explanation::without_causes(trace, user),
            unexplained: Vec::new(),
            learning_rate,
            iteration,
            scenario,
            by_tensor: HashMap::new(),
            places: Vec::new(),
        };
        let key_and_index = |(index, tensor): (usize, &crate::diff::UserTensor)| Some((tensor.gradient.find(trace)?, index));
        comparison.by_tensor = comparison.user.tensors.iter().enumerate().filter_map(key_and_index).collect();
        Ok(comparison)
    }

    /// Searches for mistakes that explain the differences. Calls `go_on` with two numbers: the number of mistakes that were tried, and the number of all
    /// mistakes. The search ends if `go_on` returns `false`.
    ///
    /// # Errors
    /// [`Interrupted`] if `go_on` returns `false`.
    pub fn find_causes(self, document: &Document, go_on: GoOn<'_>) -> Result<Self, Interrupted> {
        let explanation = self.explanation.find_causes(&document.trace, self.learning_rate, go_on)?;
        let unexplained = explanation.unexplained();
        let mut comparison = Self { explanation, unexplained, ..self };
        let shown = comparison.shown_mistake_groups();
        let place = |cause: &Cause| shown.contains(&cause.group).then(|| place_of(cause, &document.trace, &comparison.user)).flatten();
        comparison.places = comparison.causes.iter().map(place).collect();
        Ok(comparison)
    }

    /// Compares the tensors of a file and searches for mistakes, without interruption.
    ///
    /// # Errors
    /// As [`Self::without_causes`].
    ///
    /// # Panics
    /// Never: nothing interrupts the search.
    pub fn new(document: &Document, file: String, tensors: Vec<FileTensor>, options: CompareOptions) -> Result<Self, String> {
        let comparison = Self::without_causes(document, file, tensors, options)?;
        Ok(comparison.find_causes(document, &mut |_, _| true).expect("nothing interrupts the search"))
    }

    /// Returns whether the comparison is valid for this document: it is at the same iteration, and no number was edited since.
    #[must_use]
    pub fn is_of_iteration(&self, document: &Document) -> bool {
        self.iteration == document.trace.iteration() && self.is_of_scenario(document)
    }

    /// Returns whether no number was edited since the comparison: each edit makes a new [`Scenario`].
    pub(super) fn is_of_scenario(&self, document: &Document) -> bool {
        Arc::ptr_eq(&self.scenario, &document.scenario)
    }

    /// Returns the index of the user's tensor for a tensor of a run. Some tensors of the batch are copies of a sample's tensor; for them, returns the index for
    /// the sample's tensor.
    #[must_use]
    pub fn tensor(&self, trace: &Trace, run: usize, tensor: Id) -> Option<usize> {
        let key = match trace.network_of(run).tensor(tensor).source {
            Some(BatchSource::Sample(run_of_sample, tensor_of_sample)) => (run_of_sample, tensor_of_sample),
            Some(_) => return None,
            None => (run, tensor),
        };
        self.by_tensor.get(&key).copied()
    }

    /// Returns the user's number for an entry. Returns `None` if the user has none, and while the scene does not know the right number completely.
    #[must_use]
    pub fn entry(&self, trace: &Trace, scene: &Scene<'_>, tensor: Id, at: usize) -> Option<ComparedEntry> {
        let index = self.tensor(trace, scene.at.run_index, tensor)?;
        // until the right number is complete, it is unknown whether the user's number differs
        scene.complete_number(tensor, at)?;
        let mine = *self.user.tensors[index].values.as_ref().ok()?.get(at)?;
        Some(ComparedEntry { tensor: index, mine, differs: self.report.tensors[index].wrong.binary_search(&at).is_ok() })
    }

    /// Returns a user's number and the right one as a text. If the number in the file was multiplied before the comparison, the text also has the number in the
    /// file:
    /// `yours −0.4 (4 times the −0.1 of your file), right −0.3`.
    #[must_use]
    pub fn both_numbers(&self, index: usize, mine: f64, right: f64) -> String {
        let both = both_on_screen(mine, right);
        // NaN and ∞ are the same in the file
        let Some(factor) = self.user.factor(index).filter(|_| mine.is_finite()) else { return both };
        #[allow(clippy::cast_precision_loss)] // the factor is the number of samples: far fewer than 2⁵³
        let in_file = with_digits(mine / factor as f64, 5);
        both.replacen(", right", &format!(" ({factor} times the {in_file} of your file), right"), 1)
    }

    /// Returns the label of a user's number. It is `yours`, or `yours × 4` if the number in the file is multiplied by 4 before it is compared.
    #[must_use]
    pub fn label(&self, index: usize) -> String {
        self.user.factor(index).map_or_else(|| "yours".to_owned(), |factor| format!("yours × {factor}"))
    }

    /// Returns whether a tensor has entries that differ.
    #[must_use]
    pub fn has_wrong_entries(&self, index: usize) -> bool {
        !self.report.tensors[index].wrong.is_empty()
    }

    /// The numbers of the groups of mistakes that are different from each other. The other groups are the same mistakes in other words.
    fn mistake_groups(&self) -> Vec<usize> {
        let mut groups: Vec<usize> = self.causes.iter().filter(|cause| !cause.is_restated).map(|cause| cause.group).collect();
        groups.dedup();
        groups
    }

    /// The numbers of the groups of mistakes that are shown: the best one and, if it is a single mistake, a few alternatives. If the best group has several
    /// mistakes, it has too many alternatives to show.
    fn shown_mistake_groups(&self) -> Vec<usize> {
        let mut groups = self.mistake_groups();
        groups.truncate(if self.together().count() == 1 { 1 + MAX_ALTERNATIVES } else { 1 });
        groups
    }

    /// Returns the mistakes of the best group, which has the number 1. They act together.
    fn together(&self) -> impl Iterator<Item = &Cause> {
        self.causes.iter().filter(|cause| cause.group == 1)
    }

    /// Returns the mistakes that are shown: those of the best group and, if this group is a single mistake, a few alternatives to it.
    pub fn shown_causes(&self) -> impl Iterator<Item = &Cause> {
        let shown = self.shown_mistake_groups();
        self.causes.iter().filter(move |cause| shown.contains(&cause.group))
    }

    /// Returns the position of a mistake, from 1, among the mistakes that act together, and the number of these mistakes; `None` for an alternative.
    #[must_use]
    pub fn position_and_count(&self, cause: &Cause) -> Option<[usize; 2]> {
        let position = self.together().position(|other| std::ptr::eq(other, cause))?;
        Some([position + 1, self.together().count()])
    }

    /// Returns the places of the mistakes that explain the user's gradients, alone or together, each with the index of its mistake.
    pub(super) fn places_of_explaining_mistakes(&self) -> impl Iterator<Item = (usize, MistakePlace)> {
        let places = self.places.iter().zip(&self.causes).enumerate();
        places.filter(|(_, (_, cause))| cause.group == 1).filter_map(|(index, (place, _))| Some((index, (*place)?)))
    }

    /// Returns the place of the mistake with this index.
    pub(super) fn place(&self, mistake: usize) -> Option<MistakePlace> {
        self.places.get(mistake).copied().flatten()
    }

    /// Returns a clause about the alternatives that are not shown: `3 other pairs fit`.
    #[must_use]
    pub fn other_causes(&self) -> Option<String> {
        let others = self.mistake_groups().len() - self.shown_mistake_groups().len();
        let what = match self.together().count() {
            1 => ["mistake fits", "mistakes fit"],
            2 => ["pair fits", "pairs fit"],
            _ => ["combination fits", "combinations fit"],
        };
        (others > 0).then(|| format!("{others} other {}", what[usize::from(others > 1)]))
    }

    /// Returns whether this tensor is the first one with wrong numbers. A tensor of another shape does not count.
    #[must_use]
    pub fn is_first_with_wrong_numbers(&self, index: usize) -> bool {
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

    /// Returns the patterns of the numbers of a wrong tensor, as clauses.
    #[must_use]
    pub fn patterns_of(&self, index: usize) -> Vec<String> {
        self.patterns.iter().filter(|pattern| pattern.tensor == index).map(|pattern| format!("your numbers: {}", pattern.words)).collect()
    }

    /// Returns the mistakes that concern a step: those that are made at its op, and those that explain the tensor that it computes.
    pub fn mistakes_here<'a>(&'a self, trace: &'a Trace, scene: &Scene<'_>) -> impl Iterator<Item = MistakeHere<'a>> {
        let (run, op, entry) = (scene.at.run_index, scene.at.op, scene.at.entry);
        let tensor = self.tensor(trace, run, scene.output);
        let shown = self.shown_mistake_groups();
        self.causes.iter().enumerate().filter(move |(_, cause)| shown.contains(&cause.group)).filter_map(move |(index, cause)| {
            let wrong = cause.ops.iter().find(|wrong_op| wrong_op.op == op).and_then(|wrong_op| wrong_op.entry(trace, run, entry));
            let explains = tensor.is_some_and(|tensor| cause.explains.contains(&tensor));
            let made_at = || self.place(index).and_then(|place| place.address(trace));
            (wrong.is_some() || explains).then(|| MistakeHere {
                cause,
                position_and_count: self.position_and_count(cause),
                made_at: if wrong.is_none() { made_at() } else { None },
                wrong,
            })
        })
    }

    /// Returns sentences about the comparison: the precision of the numbers, matched names, tensors that are left out, other layouts and scales.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let precision = self.user.precision;
        let [relative, of_largest] = [self.user.tolerance.relative, self.user.tolerance.of_largest].map(exact);
        let has_numbers = self.report.tensors.iter().any(|tensor| matches!(tensor.status, Status::Equal | Status::Different));
        let precision_note = (precision < Precision::Double && has_numbers).then(|| {
            format!(
                "the numbers of a gradient fit into {}, so all are compared within {relative} of the right number plus {of_largest} of the tensor's largest entry",
                precision.name()
            )
        });
        precision_note.into_iter().chain(self.user.notes.iter().cloned()).collect()
    }

    /// The name of a tensor, escaped.
    #[must_use]
    pub fn name(&self, trace: &Trace, index: usize) -> String {
        line(&self.user.tensors[index].gradient.name(trace))
    }

    /// Returns the numbers of wrong gradients and of all gradients. The gradients of a tensor in several samples count once.
    #[must_use]
    pub fn counts(&self) -> [usize; 2] {
        let count = |is_counted: &dyn Fn(usize) -> bool| {
            groups(self, (0..self.report.tensors.len()).filter(|index| is_counted(*index)), |_| ()).len()
        };
        [count(&|index| !self.report.tensors[index].is_equal()), count(&|_| true)]
    }

    /// Returns the sentence about the number of wrong gradients.
    #[must_use]
    pub fn headline(&self) -> String {
        let [wrong, all] = self.counts();
        if self.is_only_rounded() {
            return format!("{wrong} of {} {} rounded, and otherwise right", counted(all, "gradient"), are(wrong));
        }
        match (wrong, all) {
            (0, 1) => "the gradient is right".to_owned(),
            (0, n) => format!("all {n} gradients are right"),
            (_, 1) => "the gradient is wrong".to_owned(),
            (wrong, n) => format!("{wrong} of {} {} wrong", counted(n, "gradient"), are(wrong)),
        }
    }

    /// Returns whether all tensors that differ are the right numbers, rounded.
    #[must_use]
    pub fn is_only_rounded(&self) -> bool {
        let mut differing = (0..self.report.tensors.len()).filter(|tensor| !self.report.tensors[*tensor].is_equal()).peekable();
        differing.peek().is_some() && differing.all(|tensor| self.is_rounded(tensor))
    }

    /// Returns whether a tensor differs, and has the right numbers, rounded.
    #[must_use]
    pub fn is_rounded(&self, tensor: usize) -> bool {
        self.patterns.iter().any(|pattern| pattern.tensor == tensor && pattern.id == ROUNDED)
    }

    /// The iteration that was compared.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }
}

impl MistakePlace {
    /// Returns the address of the entry: `2:grad.fc1.z[0]`. `None` if its op has no step.
    fn address(self, trace: &Trace) -> Option<String> {
        let Self { run, entry: TensorEntry { tensor, at } } = self;
        // an entry without terms has no step, so the address is made from the address of the op's first step
        let first = trace.position(trace.entry_steps(run, tensor, 0)?.start)?;
        let mut address = trace.address(&first);
        if let Location::Op { index, term, .. } = &mut address.location {
            *index = Some(unravel(at, &trace.network_of(run).tensor(tensor).shape)).filter(|index| !index.is_empty());
            *term = None;
        }
        // if the op has no step, `first` is a step of a later op
        (trace.op_at(&first).output == tensor).then(|| line(&address.to_string()))
    }
}

/// Returns the place of a mistake: in the first run in which its wrong rule changes a number, the first op and the first entry that it changes.
fn place_of(cause: &Cause, trace: &Trace, user: &UserGradients) -> Option<MistakePlace> {
    let mut ops: Vec<_> = cause.ops.iter().collect();
    // the user has no loss to compare, so a gradient shows the mistake better
    let is_loss = |wrong: &WrongOp| {
        let network = trace.batch_network().filter(|_| wrong.is_of_batch).unwrap_or(trace.network());
        network.tensor(network.ops()[wrong.op].output).role == Role::Loss
    };
    ops.sort_by_key(|wrong| (is_loss(wrong), wrong.op));
    let changed = |run: usize| {
        let mut entries = ops.iter().filter_map(move |wrong| wrong.first_changed(trace, run, user.tolerance));
        entries.next().map(|entry| MistakePlace { run, entry })
    };
    (0..trace.runs().len()).find_map(changed)
}

impl State {
    /// Shows the user's gradients beside those of the open scenario, and reports which are wrong.
    pub fn compare_gradients(&mut self, comparison: Arc<GradientComparison>) {
        let Some(stepper) = self.stepper_mut() else { return };
        let [long_hint, short_hint] =
            if comparison.report.is_equal() { ["", ""] } else { [": D goes to the first difference", ": D shows the first"] };
        let note_count = comparison.notes().len();
        let headline = comparison.headline();
        let notes = if note_count > 0 { format!("; :mine lists {}", counted(note_count, "note")) } else { String::new() };
        let texts = [format!("{}: {headline}{long_hint}{notes}", comparison.file), format!("{headline}{short_hint}{notes}")];
        stepper.comparison = Some(comparison);
        self.message = Some(Message::first_that_fits(&texts));
    }
}

/// The message if no gradients of the user are loaded.
pub(super) const NOT_LOADED: &str = "no gradients of your own are loaded (:mine FILE compares with a file, as does --mine FILE)";
