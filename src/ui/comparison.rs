//! The sentences in the pane `why` about the gradients of the user's own program: the user's number, the right number, and the cause or pattern of the wrong numbers.

use crate::app::OwnEntry;
use crate::diff::SourceTexts;
use crate::mistakes::{Cause, WrongEntry, WrongTerm};
use crate::step::TensorEntry;
use crate::text::{line, wrap};
use crate::ui::view::View;

/// A text as long as the numbers of an entry.
const ENTRY_TEXT: &str = "≠ yours −0.1234567, right −0.1234567";
/// The number of terms of a wrong rule that are shown.
const SHOWN_TERMS: usize = 3;
/// The number of lines that are reserved for the numbers of a wrong rule.
const MISTAKE_LINES: usize = 2;

/// Returns the sentences about the step. There are none before its entry is complete and while prediction hides its number.
#[must_use]
pub fn sentences(view: &View<'_>) -> Vec<String> {
    let mut sentences: Vec<String> = entry_sentence(view).into_iter().collect();
    if !view.hides_number() {
        let mut texts = SourceTexts::new(&view.document.scenario.network);
        sentences.extend(mistake_sentences(view).iter().chain(&op_sentences(view)).map(|sentence| texts.explain(sentence)));
    }
    sentences
}

/// Returns the sentence about the entry of the step: both numbers, if they differ.
fn entry_sentence(view: &View<'_>) -> Option<String> {
    let (tensor, at) = (view.output, view.at.entry);
    let OwnEntry { mine, differs, tensor: index } = view.own_entry(tensor, at)?;
    let right = view.complete_number(tensor, at)?;
    if differs {
        return Some(format!("≠ {}", view.own()?.beside(index, mine, right)));
    }
    // no sentence for a tensor without wrong entries
    view.own()?.has_wrong_entries(index).then(|| "your number is equal here".to_owned())
}

/// Returns the sentences about the mistakes that are made at the op of the step: what the wrong rule does, and what it computes for the entry.
fn mistake_sentences(view: &View<'_>) -> Vec<String> {
    let sentence = |(cause, wrong): (&Cause, WrongEntry)| {
        let made = format!("The mistake is made here: {}.", line(&cause.words));
        // the user's number is shown only if the right one, beside it, is known
        let is_known = |source: &TensorEntry| view.complete_number(source.tensor, source.at).is_some();
        let reads_known = wrong.terms.iter().flat_map(|term| term.sources.iter().flatten()).all(is_known);
        let Some(right) = view.complete_number(view.output, view.at.entry).filter(|_| reads_known) else { return made };
        let factors = |term: &WrongTerm| term.term.args.iter().map(|arg| factor(view, arg.value)).collect::<Vec<_>>().join("·");
        let terms: Vec<String> = wrong.terms.iter().filter(|term| !term.term.args.is_empty()).take(SHOWN_TERMS).map(factors).collect();
        let more = if wrong.terms.len() > SHOWN_TERMS { " + …" } else { "" };
        let sum = if terms.is_empty() { String::new() } else { format!("{}{more} = ", terms.join(" + ")) };
        format!("{made} The wrong rule: {sum}{}, the right one: {}.", view.short(wrong.value), view.short(right))
    };
    view.stepper.own_mistakes(&view.scene).into_iter().map(sentence).collect()
}

/// Formats a factor of a product. A negative factor is in brackets.
fn factor(view: &View<'_>, value: f64) -> String {
    if value < 0.0 { format!("({})", view.short(value)) } else { view.short(value) }
}

/// Returns the sentences about the tensor that the step computes, which are the same at each step of the op.
fn op_sentences(view: &View<'_>) -> Vec<String> {
    let Some((own, tensor)) = view.own().zip(view.own_tensor(view.output)) else { return Vec::new() };
    own.words(tensor).iter().map(|words| line(words)).collect()
}

/// Returns the largest number of lines that the sentences need at any step of the op.
#[must_use]
pub fn height(view: &View<'_>, wide: usize) -> usize {
    let mistakes = view.stepper.own_mistakes(&view.scene);
    let made =
        mistakes.iter().map(|(cause, _)| wrap(&format!("The mistake is made here: {}.", line(&cause.words)), wide).len() + MISTAKE_LINES);
    let made: usize = made.sum();
    if view.own_tensor(view.output).is_none() {
        return made;
    }
    let mut texts = SourceTexts::new(&view.document.scenario.network);
    let op: usize = op_sentences(view).iter().map(|sentence| wrap(&texts.explain(sentence), wide).len()).sum();
    let factor = view.own().zip(view.own_tensor(view.output)).and_then(|(own, tensor)| own.user.factor_words(tensor));
    wrap(&factor.map_or_else(|| ENTRY_TEXT.to_owned(), |factor| format!("{ENTRY_TEXT} ({factor})")), wide).len() + made + op
}
