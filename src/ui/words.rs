//! The pane `why`. It shows the scenario's remark about this step, if there is one, and the rule in words. After an edit, it shows the effect of the edit
//! instead. Sentences about the user's own gradients come first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::{Change, EditEffect, PredictionQuestion, hidden_symbol};
use crate::glyph::with_minus_signs;
use crate::number::ColumnFormat;
use crate::op::counted_zero;
use crate::scenario::GivenNumber;
use crate::scene::HiddenNumber;
use crate::step::Unit;
use crate::text::{self, width, wrap};
use crate::ui::line::DrawLine as _;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;
use crate::ui::{comparison, equation};

/// The vertical bar before each line of a remark.
const BAR: &str = "▌ ";
/// If the pane is narrower than this, it shows the op's title, because the equation pane may have no room for it.
const NARROW: usize = 60;
/// The number of lines that are reserved for a question of prediction and a hint.
const QUESTION_LINES: usize = 3;

/// Draws the pane.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let part = view.part();
    let words = rule_text(view);
    let wide = usize::from(area.width);
    let text = match (view.stepper.shown_effect(), view.stepper.open_question()) {
        (Some(effect), _) => effect_lines(view, effect, wide),
        (None, Some(question)) => {
            // the remark is left out, because it may contain the hidden number
            question_lines(view, question, wide).into_iter().chain(lines(view, part, &words, None, wide)).collect()
        }
        (None, None) => lines(view, part, &words, remark(view).filter(|_| !view.hides_number()), wide),
    };
    let mut text: Vec<Line<'static>> = comparison_lines(view, wide).into_iter().chain(text).collect();
    let form = closed_form_lines(view, wide);
    // a formula that does not fit is left out: without its last lines, it would have letters without a definition
    if text.len() + form.len() <= usize::from(area.height) {
        text.extend(form);
    }
    let is_cut = text.len() > usize::from(area.height);
    for (line, row) in text.into_iter().zip(area.rows()) {
        line.draw(row, buf);
    }
    if is_cut
        && !area.is_empty()
        && let Some(end) = buf.cell_mut((area.right().saturating_sub(1), area.bottom().saturating_sub(1)))
    {
        end.set_symbol("…").set_style(view.theme.style(StyleRole::Dim));
    }
}

/// Returns the number of lines that the pane requests. It is the largest number that any step of this op needs, so that nothing moves from step to step. (Only
/// the first 16 parts of the op are looked at.)
#[must_use]
pub fn height(view: &StepView<'_>, _: Rect, room: Rect) -> u16 {
    let parts = 0..view.op().first_16_parts().len();
    let line_count =
        |remark| parts.clone().map(|part| lines(view, part, &view.longest_words(part), remark, usize::from(room.width)).len()).max();
    let op = view.span(Unit::Op);
    let remarks = view.document.remarks.iter().filter(|(steps, _)| steps.start < op.end && op.start < steps.end);
    let rule_lines = remarks.map(|(_, text)| line_count(Some(text.as_str()))).chain([line_count(None)]).flatten().max().unwrap_or(0);
    let asking_lines = if view.stepper.prediction.is_on { QUESTION_LINES } else { 0 };
    let edit_lines = view.stepper.shown_effect().map_or(0, |effect| effect_lines(view, effect, usize::from(room.width)).len());
    let compared_lines = comparison::height(view, usize::from(room.width).saturating_sub(width(BAR)));
    u16::try_from(rule_lines.max(edit_lines) + asking_lines + compared_lines).unwrap_or(u16::MAX)
}

/// Returns the lines about the comparison with the user's gradient file.
fn comparison_lines(view: &StepView<'_>, wide: usize) -> Vec<Line<'static>> {
    let note = view.theme.style(StyleRole::Note);
    let rows = comparison::sentences(view).into_iter().flat_map(|text| wrap(&view.notation.words(&text), wide.saturating_sub(width(BAR))));
    rows.map(|text| Line::from(vec![Span::styled(BAR, note), Span::raw(text)])).collect()
}

/// Returns the lines with the closed form of the entry and the definitions of its letters, which the equation pane of a narrow screen may not show.
fn closed_form_lines(view: &StepView<'_>, wide: usize) -> Vec<Line<'static>> {
    let form = equation::closed_form_sentence(view).filter(|_| wide < NARROW).unwrap_or_default();
    let dim = view.theme.style(StyleRole::Dim);
    wrap(&view.notation.words(&form), wide).into_iter().filter(|text| !text.is_empty()).map(|text| Line::styled(text, dim)).collect()
}

/// Returns the question about the hidden number.
#[must_use]
pub fn question_text(view: &StepView<'_>, question: &PredictionQuestion) -> String {
    // if an entry has one term, the question about the entry and the one about the term are the same
    let (what, other_keys) = match question.hidden {
        HiddenNumber::Term if view.at.terms > 1 => ("this term", " Esc k: the whole entry."),
        HiddenNumber::Entry if view.at.terms > 1 && view.stepper.unit == Unit::Entry => ("this entry", " Esc j: term by term."),
        HiddenNumber::Entry if view.at.terms > 1 => ("this entry", ""),
        HiddenNumber::Term | HiddenNumber::Entry => ("this number", ""),
    };
    format!("What is {what}, {}? Two significant digits are enough; 1/3 works too.{other_keys}", hidden_symbol(view, question.hidden))
}

/// Returns the hint about the last wrong answer, if there is one.
#[must_use]
pub fn hint_text(question: &PredictionQuestion) -> Option<String> {
    let [typed, words] = question.hint.as_ref()?;
    Some(with_minus_signs(&text::line(&format!("{typed}: {words}"))).into_owned())
}

/// Returns the lines with the question about the hidden number, and with the hint about the last wrong answer.
fn question_lines(view: &StepView<'_>, question: &PredictionQuestion, wide: usize) -> Vec<Line<'static>> {
    let asks = question_text(view, question);
    let heading = view.theme.style(StyleRole::Heading);
    let mut lines: Vec<Line<'static>> =
        wrap(&view.notation.words(&asks), wide).into_iter().map(|text| Line::styled(text, heading)).collect();
    if let Some(hint) = hint_text(question) {
        let note = view.theme.style(StyleRole::Note);
        let shown = wrap(&view.notation.words(&hint), wide.saturating_sub(width(BAR)));
        lines.extend(shown.into_iter().map(|text| Line::from(vec![Span::styled(BAR, note), Span::styled(text, note)])));
    }
    lines
}

/// Returns the lines of the pane: the remark, the op's title if the pane is narrow, and `words`, which are the rule of the part.
fn lines(view: &StepView<'_>, part: usize, words: &str, remark: Option<&str>, wide: usize) -> Vec<Line<'static>> {
    let equation = view.equation(part);
    let note = view.theme.style(StyleRole::Note);
    let shown = |text: &str| wrap(&view.notation.words(&with_minus_signs(&text.replace('\n', " "))), wide.saturating_sub(width(BAR)));
    let remark = remark.map(|text| shown(&with_edit_note(view, text))).unwrap_or_default();
    let mut lines: Vec<Line<'static>> =
        remark.into_iter().map(|text| Line::from(vec![Span::styled(BAR, note), Span::styled(text, note)])).collect();
    if wide < NARROW {
        lines.extend(
            wrap(&equation.title(view.notation), wide).into_iter().map(|text| Line::styled(text, view.theme.style(StyleRole::Heading))),
        );
    }
    lines.extend(wrap(&view.notation.words(words), wide).into_iter().map(Line::raw));
    lines
}

/// Returns a remark. If the user has edited numbers, the text says that the remark is about the numbers before the edits.
fn with_edit_note(view: &StepView<'_>, remark: &str) -> String {
    let about = if view.stepper.edits.done().is_empty() { "" } else { "before the edits: " };
    format!("{about}{remark}")
}

/// Returns the rule of the step's part in words. If the term counts as 0 without a computation, returns the reason for it instead.
#[must_use]
pub fn rule_text(view: &StepView<'_>) -> String {
    counted_zero::reason(view.step.function).map_or_else(|| view.words(view.part()), str::to_owned)
}

/// Returns the remark about this step; `None` while a number is hidden, because the remark may contain it.
#[must_use]
pub fn remark_text(view: &StepView<'_>) -> Option<String> {
    remark(view).filter(|_| !view.hides_number()).map(|text| with_edit_note(view, text))
}

/// Returns the facts about the last edit: the change of the loss, and the change that the derivative predicts.
#[must_use]
pub fn effect_facts(view: &StepView<'_>, effect: &EditEffect) -> Vec<String> {
    let [before, after] = effect.loss;
    let symbol = view.loss_symbol(view.notation);
    // the loss has as many digits as in its matrix
    let [old, new] = effect.loss.map(|loss| ColumnFormat::with(view.digits, [loss]).text_or_short(loss));
    let mut facts = vec![format!("{symbol} {old} → {new}"), format!("Δ{symbol} = {}", view.short(after - before))];
    facts.push(match effect.estimate {
        Some(estimate) => format!("{} = {}", estimate_terms(view, effect, &symbol), view.short(estimate)),
        None => reason_without_estimate(view, effect),
    });
    facts
}

/// Returns the lines about the last edit: the change of the number, and the facts about it.
fn effect_lines(view: &StepView<'_>, effect: &EditEffect, wide: usize) -> Vec<Line<'static>> {
    // a fact is not broken over two lines if it fits into one
    let mut rows: Vec<String> = Vec::new();
    for fact in effect_facts(view, effect) {
        let fact = view.notation.words(&with_minus_signs(&fact)).into_owned();
        match rows.last_mut().filter(|row| width(row) + 3 + width(&fact) + width(BAR) <= wide) {
            Some(row) => *row = format!("{row}   {fact}"),
            None => rows.push(fact),
        }
    }
    let note = view.theme.style(StyleRole::Note);
    let mut lines = vec![Line::styled(
        view.notation.words(&with_minus_signs(&effect.edit.summary(view.digits))).into_owned(),
        view.theme.style(StyleRole::Heading),
    )];
    let rows = rows.iter().flat_map(|row| wrap(row, wide.saturating_sub(width(BAR))));
    lines.extend(rows.map(|text| Line::from(vec![Span::styled(BAR, note), Span::raw(text)])));
    lines
}

/// Returns the formula of the estimated change of the loss: `∂C/∂w₁₂·Δw₁₂ = 12·(−0.5)`, `Σ ∂C/∂w·Δw` for several numbers of one tensor, and words for several
/// tensors.
fn estimate_terms(view: &StepView<'_>, effect: &EditEffect, symbol: &str) -> String {
    let factor = |number: f64| if number < 0.0 { format!("({})", view.short(number)) } else { view.short(number) };
    match (edited_symbol(view, effect).as_deref(), effect.derivative, effect.edit.changes.as_slice()) {
        (Some(edited), Some(derivative), [change]) => {
            format!("∂{symbol}/∂{edited}·Δ{edited} = {}·{}", factor(derivative), factor(change.new - change.old))
        }
        (Some(edited), ..) => format!("Σ ∂{symbol}/∂{edited}·Δ{edited}"),
        (None, ..) => "by the derivatives".to_owned(),
    }
}

/// Returns the reason why the derivatives give no estimate of the change of the loss.
fn reason_without_estimate(view: &StepView<'_>, effect: &EditEffect) -> String {
    let is_rate = |change: &Change| change.number == GivenNumber::LearningRate;
    match view.step.iteration {
        1 if effect.edit.changes.iter().all(is_rate) => "the loss before the first update does not depend on the learning rate",
        1 => "the backward pass computes no derivative by this number",
        _ => "no derivative predicts it: the edit also changes the updates before this iteration",
    }
    .to_owned()
}

/// Returns the symbol of the number that an edit changes. If the edit changes several entries of a tensor, returns the letter of the tensor. Returns `None` for
/// several tensors, or for a number that is in no tensor, such as the learning rate.
fn edited_symbol(view: &StepView<'_>, effect: &EditEffect) -> Option<String> {
    let tensor = |change: &Change| change.number.tensor().map(|(_, tensor)| tensor);
    let changes = effect.edit.changes.as_slice();
    let first = tensor(changes.first()?)?;
    let entry = match changes {
        [Change { number: GivenNumber::Shared { at, .. } | GivenNumber::Sample { at, .. }, .. }] => Some(*at),
        _ => None,
    };
    changes.iter().all(|change| tensor(change) == Some(first)).then(|| view.given_symbol(first, entry, view.notation))
}

/// Returns the remark about this step. If there are several, returns the one for the fewest steps. If several are for equally few steps, returns the first.
fn remark<'a>(view: &StepView<'a>) -> Option<&'a str> {
    let covering = view.document.remarks.iter().filter(|(steps, _)| steps.contains(&view.at.step));
    covering.min_by_key(|(steps, _)| steps.end - steps.start).map(|(_, text)| text.as_str())
}
