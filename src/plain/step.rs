//! The sentences about a step in the plain mode.

use crate::glyph::spoken;
use crate::network::Id;
use crate::number::result_sign;
use crate::scene::EntryState;
use crate::step::Factor;
use crate::text::line;
use crate::ui::view::StepView;
use crate::ui::{comparison, equation, statement, words};

/// The words in place of a hidden number.
const HIDDEN: &str = "the hidden number";
/// The largest number of terms that are read out in symbols.
const MAX_TERMS: u64 = 8;

/// Returns the sentences about the effect of the last edit; no sentences if no effect is shown.
pub(super) fn effect(view: &StepView<'_>) -> Vec<String> {
    let Some(effect) = view.stepper.shown_effect() else { return Vec::new() };
    let facts = words::effect_facts(view, effect);
    std::iter::once(effect.edit.summary(view.digits)).chain(facts).map(|fact| sentence(&fact)).collect()
}

/// Returns the sentences about the step: the equation, the term with the origin of its factors, the sum so far, other ways to compute the entry, and the
/// reason.
pub(super) fn sentences(view: &StepView<'_>) -> Vec<String> {
    let op_equation = view.equation(view.part());
    let constants = equation::constants(view, ", ");
    let mut lines = vec![sentence(&format!("{}. {}{constants}", op_equation.title(view.notation), view.equation_text(view.notation)))];
    lines.extend(statement::sentence(view).map(|text| sentence(&text)));
    lines.extend(all_terms(view));
    lines.push(term(view));
    lines.extend(view.step.factors.iter().filter_map(|factor| source(view, factor)));
    if !view.hides_number() {
        lines.push(sum(view));
        // one alternative is a sum over paths such as `J ← u ← x`. `spoken` would read these arrows as assignments
        lines.extend(equation::alternative_sentences(view).iter().map(|way| sentence(&way.replace('←', " from "))));
    }
    lines.extend(comparison::sentences(view).iter().map(|words| sentence(&words.replace('≠', "Different:"))));
    lines.push(format!("Why: {}", sentence(&words::rule_text(view))));
    lines.extend(words::remark_text(view).map(|remark| format!("Note: {}", sentence(&remark.replace('\n', " ")))));
    lines
}

/// Returns a text in spoken words with a full stop.
fn sentence(text: &str) -> String {
    let said = spoken(&line(text));
    if said.ends_with(['.', '?', '!', ':']) { said } else { format!("{said}.") }
}

/// Returns the symbol of the entry that the step computes.
fn entry(view: &StepView<'_>) -> String {
    view.unambiguous_symbol(view.output, view.at.entry)
}

/// Returns the sum of all terms in symbols; `None` for a single term, because the sentence about the term contains it.
fn all_terms(view: &StepView<'_>) -> Option<String> {
    let count = view.at.terms;
    if count < 2 {
        return None;
    }
    let symbols = |term: u64| view.in_symbols(&view.term(term));
    let shown: Vec<String> = (0..count.min(MAX_TERMS)).map(symbols).collect();
    let rest = count - count.min(MAX_TERMS);
    let more = if rest > 0 { format!(" + {rest} more") } else { String::new() };
    Some(sentence(&format!("{} = {}{more}", entry(view), shown.join(" + "))))
}

/// Returns the sentence about the term: in symbols, in numbers, and its value.
fn term(view: &StepView<'_>) -> String {
    let term = view.term(view.at.term);
    let symbols = view.in_symbols(&term);
    let mut forms = vec![symbols];
    let mut sign = "=";
    match (view.in_numbers(&term), view.term_text(&term)) {
        (Some(numbers), Some(value)) => {
            sign = term.value().map_or(sign, |number| result_sign(&[&numbers], &value, number));
            for form in [numbers, value] {
                if forms.last() != Some(&form) {
                    forms.push(form);
                }
            }
        }
        (Some(numbers), None) => forms.extend([numbers, HIDDEN.to_owned()]),
        (None, _) => forms.push(HIDDEN.to_owned()),
    }
    let last = forms.pop().unwrap_or_default();
    let all = if forms.is_empty() { last } else { format!("{} {sign} {last}", forms.join(" = ")) };
    let head = match view.at.terms {
        1 => entry(view),
        terms => format!("Term {} of {terms} of {}", view.at.term + 1, entry(view)),
    };
    let joint = if view.at.terms == 1 { " = " } else { ": " };
    sentence(&format!("{head}{joint}{all}"))
}

/// Returns the sentence about the entry behind a factor: its address, the step that computed it, and its value. The factor is this entry itself, or it is
/// computed from the entry.
fn source(view: &StepView<'_>, factor: &Factor) -> Option<String> {
    let entry = factor.source?;
    let symbol = spoken(&view.factor(factor, view.part()));
    let info = view.network().tensor(entry.tensor);
    if factor.slice.is_some() {
        return Some(format!("{symbol} is of {}.", line(&info.name)));
    }
    let address = line(&view.address_of(entry.tensor, entry.at));
    let value = number(view, entry.tensor, entry.at);
    let origin = match view.state_of(entry.tensor, entry.at) {
        EntryState::Given(_) => "given".to_owned(),
        EntryState::Complete { steps, .. } => format!("from step {}", steps.end - 1),
        EntryState::Partial { .. } => "the sum so far".to_owned(),
        EntryState::Pending { .. } => "not computed yet".to_owned(),
        EntryState::NoTerms(why) => why.to_owned(),
    };
    let verb = if factor.derived.is_some() { "is computed from" } else { "is" };
    Some(format!("{symbol} {verb} {address}, {origin}: {value}."))
}

/// Returns an entry's number with the digits of the screen, or words if it is not computed yet.
pub(super) fn number(view: &StepView<'_>, tensor: Id, at: usize) -> String {
    view.entry_text(tensor, at).map_or_else(|| "not computed yet".to_owned(), |text| text.replace('−', "-"))
}

/// Returns the sentence about the sum so far or, if the entry is complete, about its value. It must not be called while numbers of the step are hidden.
fn sum(view: &StepView<'_>) -> String {
    let result = view.value_text(view.step.sum);
    let is_last = view.is_complete();
    let rounding = if view.is_rounding_error() { ", which is 0 except for rounding" } else { "" };
    let before = view.at.term.checked_sub(1).and_then(|before| view.sum_text(before));
    let value = view.term_text(&view.term(view.at.term)).unwrap_or_else(|| result.clone());
    let sum = before.map_or_else(|| result.clone(), |before| equation::sum_text(view, &before, &value, &result));
    match (is_last, view.at.terms) {
        (true, 1) => sentence(&format!("The entry is complete: {result}{rounding}")),
        (true, terms) => sentence(&format!("All {terms} terms: {sum}{rounding}. The entry is complete")),
        (false, _) => sentence(&format!("So far: {sum}{rounding}")),
    }
}
