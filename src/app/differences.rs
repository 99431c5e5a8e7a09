//! The keys `D`, `n` and `N`: moves to the numbers that differ from the user's own gradients, and to the steps at which the mistakes are made.

use std::sync::Arc;

use super::comparing::{MistakePlace, NOT_LOADED};
use super::cursor::Cursor;
use super::stepper_context::StepperContext;
use super::{Action, GradientComparison, Message, Search};
use crate::diff::{Gradient, SourceTexts, both_on_screen};
use crate::network::Id;
use crate::step::{Address, TensorEntry};
use crate::text::line;
use crate::trace::Trace;

/// A place of the comparison with the user's own gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The first wrong entry of the user's tensor with this index.
    Tensor(usize),
    /// The entry at which the mistake with this index is made.
    Mistake(usize),
}

/// A step to go to. If no step computes the wanted entry, the cursor shows the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Destination {
    step: u64,
    cursor: Option<TensorEntry>,
}

/// A wrong tensor of the user: its index, and the right tensor with its run.
#[derive(Clone, Copy, Debug)]
struct WrongTensor {
    index: usize,
    run: usize,
    tensor: Id,
    /// The number of wrong entries of the tensors before this one.
    before: usize,
}

/// The position of the entry on the screen among the wrong entries.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// The number of wrong entries before the entry on the screen.
    before: usize,
    /// As `before`, with the entry on the screen if it is complete and wrong.
    up_to_here: usize,
}

impl Destination {
    /// Returns the destination for an entry: the step that completes it. An entry without steps is complete when its op is, so the destination is the op's last
    /// step, with the cursor on the entry. Returns `None` for a tensor without an op.
    fn of(trace: &Trace, run: usize, tensor: Id, at: usize) -> Option<Self> {
        let steps = trace.entry_steps(run, tensor, at)?;
        if !steps.is_empty() {
            return Some(Self { step: steps.end - 1, cursor: None });
        }
        let last = trace.run(run).values(tensor).len().saturating_sub(1);
        let end = trace.entry_steps(run, tensor, last)?.end;
        Some(Self { step: end.saturating_sub(1).max(1), cursor: Some(TensorEntry { tensor, at }) })
    }
}

impl GradientComparison {
    /// The address of the first wrong entry of a tensor; if there is no wrong entry, the address of the tensor.
    fn address(&self, trace: &Trace, index: usize) -> Option<Address> {
        let compared = &self.report.tensors[index];
        let address = compared.gradient.address(trace, compared.wrong.first().copied())?;
        Some(Address { iteration: (self.iteration() > 1).then_some(self.iteration()), ..address })
    }

    /// Returns the destination for a place; `None` if the trace does not have the place, or no op computes its tensor.
    fn destination(&self, trace: &Trace, place: Difference) -> Option<Destination> {
        match place {
            Difference::Mistake(mistake) => {
                let MistakePlace { run, entry } = self.place(mistake)?;
                Destination::of(trace, run, entry.tensor, entry.at)
            }
            Difference::Tensor(index) => {
                let compared = &self.report.tensors[index];
                let (run, tensor) = compared.gradient.find(trace)?;
                match compared.wrong.first() {
                    Some(at) => Destination::of(trace, run, tensor, *at),
                    // the user's tensor has another shape than the right one, so no entries were compared
                    None => Some(Destination { step: trace.resolve(&self.address(trace, index)?).ok()?, cursor: None }),
                }
            }
        }
    }

    /// Returns the places that the key `D` shows in turn: the first wrong entry, and the places of the mistakes. If the first wrong tensor belongs to the
    /// batch, and the first mistake is made in a sample, the mistakes come first. Of places with the same destination, only the first is kept.
    fn places_in_turn(&self, trace: &Trace, first: usize) -> Vec<Difference> {
        let run = self.report.tensors[first].gradient.find(trace).map(|(run, _)| run);
        let is_of_batch = |run: usize| trace.runs()[run].sample.is_none();
        let mistakes: Vec<(usize, MistakePlace)> = self.places_of_explaining_mistakes().collect();
        let mistakes_are_first = run.is_some_and(is_of_batch) && mistakes.first().is_some_and(|(_, place)| !is_of_batch(place.run));
        let mut places: Vec<Difference> = mistakes.into_iter().map(|(mistake, _)| Difference::Mistake(mistake)).collect();
        places.insert(if mistakes_are_first { places.len() } else { 0 }, Difference::Tensor(first));
        let mut seen = Vec::new();
        places.retain(|place| match self.destination(trace, *place) {
            Some(destination) if seen.contains(&destination) => false,
            Some(destination) => {
                seen.push(destination);
                true
            }
            // the first wrong tensor stays, because the message is about it
            None => *place == Difference::Tensor(first),
        });
        places
    }

    /// Returns the tensors with wrong entries, in the order of the steps. A tensor without an op is left out.
    fn wrong_tensors(&self, trace: &Trace) -> Vec<WrongTensor> {
        let mut before = 0;
        let mut tensors = Vec::new();
        for (index, compared) in self.report.tensors.iter().enumerate().filter(|(_, compared)| !compared.wrong.is_empty()) {
            if let Some((run, tensor)) = compared.gradient.find(trace) {
                tensors.push(WrongTensor { index, run, tensor, before });
                before += compared.wrong.len();
            }
        }
        tensors
    }

    /// The sentence about the first wrong tensor: the number of wrong gradients, and the first wrong entry with both numbers.
    fn first_words(&self, trace: &Trace, index: usize) -> String {
        let (user, compared) = (&self.user.tensors[index], &self.report.tensors[index]);
        let name = |gradient: &Gradient, at| {
            gradient.address(trace, at).map_or_else(|| line(&gradient.name(trace)), |address| line(&address.to_string()))
        };
        let first = match (&user.values, compared.wrong.first()) {
            (Err(why), _) => format!("{}: {why}", name(&compared.gradient, None)),
            (Ok(_), Some(&at)) => {
                format!("{}: {}", name(&compared.gradient, Some(at)), self.numbers(trace, index, at).unwrap_or_default())
            }
            (Ok(_), None) => name(&compared.gradient, None),
        };
        SourceTexts::new(trace.network()).explain(&format!("{}, first {first}", self.headline()))
    }

    /// Returns the user's number of an entry beside the right one.
    fn numbers(&self, trace: &Trace, index: usize, at: usize) -> Option<String> {
        let mine = *self.user.tensors[index].values.as_ref().ok()?.get(at)?;
        Some(self.both_numbers(index, mine, self.report.tensors[index].gradient.right(trace)[at]))
    }

    /// As [`Self::numbers`], but shorter if the numbers of the file were multiplied by a factor before the comparison: the label has the factor, and the number
    /// in the file is left out. For the factor 4: `yours × 4 −0.4, right −0.3`.
    fn short_numbers(&self, trace: &Trace, index: usize, at: usize) -> Option<String> {
        let mine = *self.user.tensors[index].values.as_ref().ok()?.get(at)?;
        let right = self.report.tensors[index].gradient.right(trace)[at];
        Some(both_on_screen(mine, right).replacen("yours", &self.label(index), 1))
    }

    /// Returns the message at a place that `D` shows, in several forms, the longest first. `next` is the place of the next `D`.
    fn place_words(&self, trace: &Trace, place: Difference, next: Option<Difference>) -> Vec<String> {
        let again = match next {
            None => String::new(),
            Some(Difference::Tensor(_)) => "; D again: the first wrong number".to_owned(),
            Some(Difference::Mistake(mistake)) => format!("; D again: {}", self.mistake_name(mistake, "the step of the mistake")),
        };
        match place {
            Difference::Tensor(index) => {
                let headline = self.headline();
                let first = self.report.tensors[index].wrong.first();
                let numbers = first.and_then(|at| self.numbers(trace, index, *at)).map_or_else(String::new, |both| format!(": {both}"));
                vec![
                    format!("{}{again}", self.first_words(trace, index)),
                    format!("{headline}, first here{numbers}{again}"),
                    format!("{headline}, first here{again}"),
                ]
            }
            Difference::Mistake(mistake) => {
                let sample = self.place(mistake).and_then(|place| trace.runs()[place.run].sample).filter(|_| trace.samples() > 1);
                let sample = sample.map_or_else(String::new, |sample| format!(", in sample {}", sample + 1));
                let made = format!("{} is made here{sample}", self.mistake_name(mistake, "the mistake"));
                vec![format!("{}: {made}{again}", self.headline()), format!("{made}{again}")]
            }
        }
    }

    /// Returns the message if `D` has no further place to show, in a longer and a shorter form: why there is no other step of a mistake. `first` is the index
    /// of the first wrong tensor.
    fn no_step_words(&self, first: usize) -> [String; 2] {
        let explained = self.patterns.iter().find(|pattern| pattern.tensor == first && pattern.explains);
        let why = match (explained, self.causes.is_empty()) {
            (Some(pattern), _) => line(&pattern.words),
            (None, true) => "no mistake that gradstep knows gives these numbers, so there is no step of a mistake to show".to_owned(),
            (None, false) if self.places_of_explaining_mistakes().next().is_some() => "the mistake is made at this step".to_owned(),
            (None, false) => "no step shows the mistake".to_owned(),
        };
        [format!("{}, first here; {why} (n: the next wrong number)", self.headline()), why]
    }

    /// Returns the name of a mistake: its position if several act together, otherwise `single`.
    fn mistake_name(&self, mistake: usize, single: &str) -> String {
        match self.position_and_count(&self.causes[mistake]) {
            Some([position, count]) if count > 1 => format!("mistake {position} of {count}"),
            _ => single.to_owned(),
        }
    }
}

impl StepperContext<'_> {
    /// Goes to the first of the places of [`GradientComparison::places_in_turn`]. If one of these places is on the screen, goes to the next one instead. `n`
    /// and `N` then go to the other wrong entries.
    pub(super) fn first_difference(&mut self) {
        let Some(comparison) = self.stepper.comparison.clone() else { return self.say(NOT_LOADED, false) };
        let Some(first) = comparison.report.first_wrong() else {
            return self.say(format!("{}: {}", comparison.file, comparison.headline()), false);
        };
        let trace = &Arc::clone(&self.stepper.document).trace;
        let places = if comparison.is_of_iteration(&self.stepper.document) {
            comparison.places_in_turn(trace, first)
        } else {
            vec![Difference::Tensor(first)]
        };
        let here = Destination {
            step: self.stepper.step,
            cursor: self.stepper.scene().and_then(|scene| Some(self.stepper.cursor?.entry(&scene))),
        };
        let current = places.iter().position(|place| comparison.destination(trace, *place) == Some(here));
        let next = current.map_or(0, |current| (current + 1) % places.len());
        let after_next = places[(next + 1) % places.len()];
        if current.is_some() && places.len() == 1 && comparison.is_of_iteration(&self.stepper.document) {
            return *self.message = Some(Message::first_that_fits(&comparison.no_step_words(first)));
        }
        self.go_to_difference(places[next]);
        if comparison.is_of_iteration(&self.stepper.document) {
            let texts = comparison.place_words(trace, places[next], (places.len() > 1).then_some(after_next));
            *self.message = Some(Message::first_that_fits(&texts));
        }
    }

    /// Goes to a place of the comparison, and lets `n` and `N` go to the wrong entries.
    pub(super) fn go_to_difference(&mut self, place: Difference) {
        let Some(comparison) = self.stepper.comparison.clone() else { return self.say(NOT_LOADED, false) };
        let document = Arc::clone(&self.stepper.document);
        if !comparison.is_of_scenario(&document) {
            return self
                .say(format!("your gradients were compared before the edits (:mine {} compares them again)", comparison.file), false);
        }
        self.stepper.search = Some(Search::Differences);
        self.settings.show_why_pane();
        if comparison.is_of_iteration(&document) {
            if let Some(destination) = comparison.destination(&document.trace, place) {
                self.jump_to_destination(destination);
            }
            return *self.message = Some(Message::first_that_fits(&comparison.place_words(&document.trace, place, None)));
        }
        match place {
            Difference::Tensor(index) if let Some(address) = comparison.address(&document.trace, index) => {
                self.do_action(&Action::GoToAddress(address), None);
            }
            _ => self.say(comparison.headline(), false),
        }
    }

    /// Does what `n` and `N` do if there was no search yet: they go to the wrong entries.
    pub(super) fn search_differences(&mut self, goes_back: bool, times: u64) {
        let Some(comparison) = self.stepper.comparison.clone() else { return self.say(NOT_LOADED, false) };
        if comparison.report.is_equal() {
            return self.say(format!("{}: no wrong number, {}", comparison.file, comparison.headline()), false);
        }
        self.stepper.search = Some(Search::Differences);
        self.next_difference(goes_back, times);
    }

    /// Goes forward or back by `times` wrong entries. After the last comes the first.
    pub(super) fn next_difference(&mut self, goes_back: bool, times: u64) {
        let Some(comparison) = self.stepper.comparison.clone() else { return self.say(NOT_LOADED, false) };
        let document = Arc::clone(&self.stepper.document);
        if !comparison.is_of_iteration(&document) {
            return self.first_difference();
        }
        let trace = &document.trace;
        let tensors = comparison.wrong_tensors(trace);
        let count = tensors.last().map_or(0, |last| last.before + comparison.report.tensors[last.index].wrong.len());
        if count == 0 {
            return self.say("no step computes an entry that differs from yours", false);
        }
        let position = self.position_among_wrong(&comparison, trace, &tensors);
        let times = usize::try_from(times).unwrap_or(usize::MAX);
        // a full round through the wrong entries ends where it began, so more than one round becomes a number of entries from count + 1 to 2 · count. It stays
        // above count, so that `wrapped` has its message
        let times = if times > count { (times - 1) % count + 1 + count } else { times };
        // the index of the entry among all wrong entries, from 0
        let (number, wrapped) = if goes_back {
            let number = (position.before + 2 * count - times) % count;
            (number, if times > position.before { " (from the last one again)" } else { "" })
        } else {
            let number = position.up_to_here + times - 1;
            (number % count, if number >= count { " (from the first one again)" } else { "" })
        };
        let wrong = tensors[tensors.partition_point(|tensor| tensor.before <= number) - 1];
        let at = comparison.report.tensors[wrong.index].wrong[number - wrong.before];
        let Some(destination) = Destination::of(trace, wrong.run, wrong.tensor, at) else { return };
        self.settings.show_why_pane();
        let is_here = self.stepper.step == destination.step && destination.cursor.is_none() && self.stepper.cursor.is_none();
        if count == 1 && is_here {
            return self.say("this is the only difference", false);
        }
        self.jump_to_destination(destination);
        let both = comparison.numbers(trace, wrong.index, at).unwrap_or_default();
        let number_of_all = format!("wrong number {} of {count}", number + 1);
        let place = format!("{both}, {number_of_all}");
        let why_no_step =
            destination.cursor.map(|_| format!("; no step computes it: {}", trace.reason_unreached(wrong.run, wrong.tensor, at)));
        let texts = [
            format!("{place}{}{wrapped}", why_no_step.unwrap_or_default()),
            format!("{place}{wrapped}"),
            format!("{}, {number_of_all}{wrapped}", comparison.short_numbers(trace, wrong.index, at).unwrap_or_default()),
            format!("{number_of_all}{wrapped}"),
            format!("{}/{count}{wrapped}", number + 1),
        ];
        *self.message = Some(Message::first_that_fits(&texts));
    }

    /// Returns the position of the entry on the screen among the wrong entries.
    fn position_among_wrong(&self, comparison: &GradientComparison, trace: &Trace, tensors: &[WrongTensor]) -> Position {
        let step = self.stepper.step;
        // tensors whose op has begun
        let begun = tensors.partition_point(|wrong| trace.entry_steps(wrong.run, wrong.tensor, 0).is_some_and(|steps| steps.start <= step));
        let Some(last) = begun.checked_sub(1).map(|last| tensors[last]) else { return Position { before: 0, up_to_here: 0 } };
        let wrong = &comparison.report.tensors[last.index].wrong;
        let scene = self.stepper.document.scene(step).filter(|scene| scene.at.run_index == last.run && scene.output == last.tensor);
        let Some(scene) = scene else { return Position { before: last.before + wrong.len(), up_to_here: last.before + wrong.len() } };
        let cursor = self.stepper.cursor.map(|cursor| cursor.entry(&scene)).filter(|entry| entry.tensor == scene.output);
        let at = cursor.map_or(scene.at.entry, |entry| entry.at);
        let is_complete = scene.complete_number(scene.output, at).is_some();
        let before = last.before + wrong.partition_point(|other| *other < at);
        let up_to_here = if is_complete { last.before + wrong.partition_point(|other| *other <= at) } else { before };
        Position { before, up_to_here }
    }

    /// Jumps to the step of a destination. If the destination has an entry for the cursor, opens the cursor there; otherwise closes the cursor.
    fn jump_to_destination(&mut self, destination: Destination) {
        self.stop_and_forget_moves();
        let before = self.stepper.current_visit();
        self.stepper.cursor = None;
        if self.go_to_step(destination.step) {
            self.stepper.visits.record_jump_from(before);
        }
        let scene = self.stepper.scene();
        self.stepper.cursor = destination
            .cursor
            .zip(scene)
            .and_then(|(entry, scene)| (scene.output == entry.tensor).then(|| Cursor::on(&scene, entry.tensor, entry.at)));
    }
}
