//! The closed form of an entry, for a block of ops that has one, such as a batch norm. It is shown below the sum of the terms. In this example, the call
//! `y = F.batch_norm(…)` of a graph is the block. `y.8` and `y.9` are two of its intermediate tensors, and D and 1/σ are letters that the first line defines:
//!
//! ```text
//! all at once: 1/σ · (D − mean(D) − xhat · mean(D xhat)),  D = gamma·∂J/∂y, xhat = y.9, 1/σ = y.8
//! = 0.2 · (5 − 1.25 − 1.4 · 1.75) = 0.26; the sum over the paths is 0.26: difference 0
//! ```
//!
//! The text calls the sum of the terms "the sum over the paths", because each term belongs to one of the paths on which the output depends on the entry.

use crate::expr::OperandForm;
use crate::network::{ClosedBlock, Id};
use crate::op::closed_form::LetterForm;
use crate::op::slot::Slot;
use crate::scene::{ClosedEntry, after_sign};
use crate::text::width;
use crate::ui::view::StepView;

/// The largest difference, relative to max(|sum|, 1), that counts as a rounding error.
const ROUNDING: f64 = 1e-12;

/// The largest number of lines.
pub(super) const LINES: usize = 2;

/// Returns at most `height` lines of at most `room` cells: the formula in symbols and, if the entry is complete, in numbers. Returns no lines if the step is in
/// no block with a closed form. The formula in symbols is left out if it is too wide together with the definitions of its letters, or if there is room for only
/// one of both.
pub(super) fn lines(view: &StepView<'_>, room: usize, height: usize) -> Vec<String> {
    let Some(block) = view.closed_block() else { return Vec::new() };
    let forms = [LetterForm::Letters, LetterForm::Operands];
    let symbols = forms.into_iter().map(|form| with_definitions(view, block, form, ",  ")).find(|text| width(text) <= room);
    let Some(entry) = view.closed_entry(block) else { return symbols.into_iter().take(height).collect() };
    let value = view.value_text(entry.value);
    let numbers = format!("{} = {value}", formula(view, block, |n| number(view, block, &entry, n)));
    let difference = difference(view, entry.value - view.step.sum);
    let compared = format!("the sum over the paths is {}: difference {difference}", view.value_text(view.step.sum));
    let symbols = symbols.filter(|_| height > 1);
    let candidates = match symbols {
        _ if height == 0 => return Vec::new(),
        None => [format!("all at once: {numbers}; {compared}"), format!("all at once: {numbers}; difference {difference}")],
        Some(_) => [format!("= {numbers}; {compared}"), format!("= {numbers}; difference {difference}")],
    };
    let shortest = format!("all at once: {value}; difference {difference}");
    let with_numbers = candidates.into_iter().find(|text| width(text) <= room).unwrap_or(shortest);
    symbols.into_iter().chain([with_numbers]).collect()
}

/// Returns the formula in symbols with the definitions of its letters, for a text of any width; `None` if the step is in no block with a closed
/// form.
pub(super) fn sentence(view: &StepView<'_>) -> Option<String> {
    Some(format!("{}.", with_definitions(view, view.closed_block()?, LetterForm::Letters, ", where ")))
}

/// Returns the formula in symbols, `separator`, and the definitions of its letters. Without definitions, there is no separator.
fn with_definitions(view: &StepView<'_>, block: &ClosedBlock, form: LetterForm, separator: &str) -> String {
    let letters = block.form.letters(form);
    let letter = |n: usize| with_symbols(view, block, letters.get(n).map_or("", AsRef::as_ref));
    let definitions = block.form.definitions(form);
    let definitions = definitions.iter().map(|(letter, meaning)| (*letter, with_symbols(view, block, meaning)));
    // a tensor that has the name of its letter needs no definition
    let definitions = definitions.filter(|(letter, meaning)| letter != meaning).map(|(letter, meaning)| format!("{letter} = {meaning}"));
    let definitions: Vec<String> = definitions.collect();
    let separator = if definitions.is_empty() { "" } else { separator };
    format!("all at once: {}{separator}{}", formula(view, block, letter), definitions.join(", "))
}

/// Formats the difference between the value of the closed form and the sum of the terms, with a remark if it is as small as a rounding error.
fn difference(view: &StepView<'_>, difference: f64) -> String {
    let is_rounding = difference != 0.0 && difference.abs() <= ROUNDING * view.step.sum.abs().max(1.0);
    format!("{}{}", view.short(difference), if is_rounding { " ≈ 0, rounding" } else { "" })
}

/// Writes the formula. `text(n)` returns the text of its quantity n: a symbol or a number.
fn formula(view: &StepView<'_>, block: &ClosedBlock, text: impl Fn(usize) -> String) -> String {
    let name = |slot: Slot, _: OperandForm| match slot {
        Slot::Input(n) => text(n),
        _ => String::new(),
    };
    block.form.formula().equation(view.notation, &[], name)
}

/// Formats the value of quantity n of the formula. If an operand of the block has this value at the entry of the step, the value is formatted as in the
/// operand's matrix.
fn number(view: &StepView<'_>, block: &ClosedBlock, entry: &ClosedEntry, n: usize) -> String {
    let value = entry.quantities.get(n).copied().unwrap_or(f64::NAN);
    let (network, at) = (view.network(), view.at.entry);
    let operands = network.gradient_of(block.output).into_iter().chain(block.operands.iter().copied());
    let mut same_shape = operands.filter(|id| network.tensor(*id).shape == network.tensor(block.input).shape);
    let is_entry = |id: &Id| view.number(*id, at).is_some_and(|number| number.to_bits() == value.to_bits());
    let text = same_shape.find(is_entry).and_then(|id| view.entry_text(id, at)).unwrap_or_else(|| view.short(value));
    // every quantity but the first comes after an operator, so a negative number needs brackets
    if n == 0 { text } else { after_sign(text) }
}

/// Replaces `{x}` by the symbol of the input, `{0}` by that of the upstream derivative, and `{1}`, `{2}`, … by the symbols of the operands.
fn with_symbols(view: &StepView<'_>, block: &ClosedBlock, text: &str) -> String {
    let network = view.network();
    let symbol = |id| network.tensor(id).symbol.whole_in(view.notation);
    let upstream = network.gradient_of(block.output).map(symbol).unwrap_or_default();
    let text = text.replace("{x}", &symbol(block.input)).replace("{0}", &upstream);
    block.operands.iter().enumerate().fold(text, |text, (n, id)| text.replace(&format!("{{{}}}", n + 1), &symbol(*id)))
}
