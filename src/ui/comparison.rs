//! The sentences in the pane `why` about the gradients of the user's own program: the user's number, the right number, and the cause or pattern of the wrong
//! numbers.

use crate::app::{ComparedEntry, MistakeHere};
use crate::diff::SourceTexts;
use crate::mistakes::{Cause, WrongTerm};
use crate::step::TensorEntry;
use crate::text::{line, wrap};
use crate::ui::view::StepView;

/// A text as long as the longest sentence of [`entry_sentence`].
const ENTRY_TEXT: &str = "≠ yours −0.1234567, right −0.1234567";
/// The number of terms of a wrong rule that are shown.
const SHOWN_TERMS: usize = 3;
/// The number of lines that are reserved for the numbers of a wrong rule.
const MISTAKE_LINES: usize = 2;

/// Returns the sentences about the step. Those with a number of its entry are missing before the entry is complete. While prediction hides a number, there are
/// none.
#[must_use]
pub fn sentences(view: &StepView<'_>) -> Vec<String> {
    let mut sentences: Vec<String> = entry_sentence(view).into_iter().collect();
    if !view.hides_number() {
        let mut texts = SourceTexts::new(&view.document.scenario.network);
        sentences.extend(mistake_sentences(view).iter().chain(&pattern_sentences(view)).map(|sentence| texts.explain(sentence)));
    }
    sentences
}

/// Returns the sentence about the entry of the step: both numbers, if they differ. If they do not, but other entries of the tensor are wrong, the sentence says
/// that this one is right.
fn entry_sentence(view: &StepView<'_>) -> Option<String> {
    let (tensor, at) = (view.output, view.at.entry);
    let ComparedEntry { mine, differs, tensor: index } = view.compared_entry(tensor, at)?;
    let right = view.complete_number(tensor, at)?;
    if differs {
        return Some(format!("≠ {}", view.comparison()?.both_numbers(index, mine, right)));
    }
    // no sentence for a tensor without wrong entries
    view.comparison()?.has_wrong_entries(index).then(|| "your number is right here".to_owned())
}

/// Returns the sentences about the mistakes that concern the step: what the wrong rule does, and what it computes for the entry if the mistake is made here.
fn mistake_sentences(view: &StepView<'_>) -> Vec<String> {
    view.stepper
        .mistakes_here(&view.scene)
        .iter()
        .map(|mistake| format!("{}{}", what_is_wrong(mistake), wrong_rule(view, mistake)))
        .collect()
}

/// Returns the sentence about a mistake without its numbers, which is the same at each step of the op.
fn what_is_wrong(mistake: &MistakeHere<'_>) -> String {
    let Cause { words, right, .. } = mistake.cause;
    let right = if right.is_empty() { String::new() } else { format!("; right: {right}") };
    let (words, right) = (line(words), line(&right));
    let name = match mistake.position_and_count {
        Some([1, 1]) => "The mistake".to_owned(),
        Some([number, count]) => format!("Mistake {number} of {count}"),
        None => "Or this mistake, which gives the same numbers,".to_owned(),
    };
    match (&mistake.wrong, &mistake.made_at) {
        (Some(_), _) => format!("{name} is made here: {words}{right}."),
        (None, Some(address)) => format!("{name} is made at {}: {words}{right}.", line(address)),
        (None, None) => format!("{name}: {words}{right}."),
    }
}

/// Returns the sentence with the number of the wrong rule and that of the right one; empty if the mistake is made elsewhere, or if a number is not known yet.
fn wrong_rule(view: &StepView<'_>, mistake: &MistakeHere<'_>) -> String {
    let Some(wrong) = &mistake.wrong else { return String::new() };
    // the number of the wrong rule is shown only if the entries that it reads and the right number are known
    let is_known = |source: &TensorEntry| view.complete_number(source.tensor, source.at).is_some();
    let reads_known = wrong.terms.iter().flat_map(|term| term.sources.iter().flatten()).all(is_known);
    let Some(right) = view.complete_number(view.output, view.at.entry).filter(|_| reads_known) else { return String::new() };
    let factors = |term: &WrongTerm| term.term.args.iter().map(|arg| factor(view, arg.value)).collect::<Vec<_>>().join("·");
    let terms: Vec<String> = wrong.terms.iter().filter(|term| !term.term.args.is_empty()).take(SHOWN_TERMS).map(factors).collect();
    let more = if wrong.terms.len() > SHOWN_TERMS { " + …" } else { "" };
    // a single factor is the value itself, so it is not written twice
    let is_product = wrong.terms.iter().any(|term| term.term.args.len() > 1) || wrong.terms.len() > 1;
    let sum = if terms.is_empty() || !is_product { String::new() } else { format!("{}{more} = ", terms.join(" + ")) };
    format!(" The wrong rule: {sum}{}, the right one: {}.", view.short(wrong.value), view.short(right))
}

/// Formats a factor of a product. A negative factor is in brackets.
fn factor(view: &StepView<'_>, value: f64) -> String {
    if value < 0.0 { format!("({})", view.short(value)) } else { view.short(value) }
}

/// Returns the sentences about the patterns of the tensor that the step computes, which are the same at each step of the op.
fn pattern_sentences(view: &StepView<'_>) -> Vec<String> {
    let Some((comparison, tensor)) = view.comparison().zip(view.compared_tensor(view.output)) else { return Vec::new() };
    comparison.patterns_of(tensor).iter().map(|words| line(words)).collect()
}

/// Returns the largest number of lines of `width` cells that the sentences need at any step of the op.
#[must_use]
pub fn height(view: &StepView<'_>, width: usize) -> usize {
    let mut texts = SourceTexts::new(&view.document.scenario.network);
    let mut lines_of = |text: &str| wrap(&texts.explain(text), width).len();
    let number_lines = |mistake: &MistakeHere<'_>| if mistake.wrong.is_some() { MISTAKE_LINES } else { 0 };
    let mistakes = view.stepper.mistakes_here(&view.scene);
    let mistakes: usize = mistakes.iter().map(|mistake| lines_of(&what_is_wrong(mistake)) + number_lines(mistake)).sum();
    let Some((comparison, tensor)) = view.comparison().zip(view.compared_tensor(view.output)) else { return mistakes };
    let patterns: usize = pattern_sentences(view).iter().map(|sentence| lines_of(sentence)).sum();
    let factor = comparison.user.factor_words(tensor);
    let numbers = factor.map_or_else(|| ENTRY_TEXT.to_owned(), |factor| format!("{ENTRY_TEXT} ({factor})"));
    lines_of(&numbers) + mistakes + patterns
}
