//! The closed form of an entry, for a block of ops that has one, such as a batch norm. It is shown below the sum of the terms:
//!
//! ```text
//! all at once: 1/σ · (D − mean(D) − xhat · mean(D xhat)),  D = gamma·∂J/∂y, xhat = y.9, 1/σ = y.8
//! = 0.2 · (5 − 1.25 − 1.4 · 1.75) = 0.26; the sum over the paths is 0.26: difference 0
//! ```

use crate::expr::OperandForm;
use crate::network::{ClosedBlock, Id};
use crate::op::slot::Slot;
use crate::scene::{ClosedEntry, after_sign};
use crate::text::width;
use crate::ui::view::View;

/// The largest difference, relative to max(|sum|, 1), that counts as a rounding error.
const ROUNDING: f64 = 1e-12;

/// The largest number of lines.
pub(super) const LINES: usize = 2;

/// Returns at most `height` lines of at most `room` cells. They have the formula in symbols and, if the entry is complete, in numbers. There are no lines if
/// the call has no closed form.
pub(super) fn lines(view: &View<'_>, room: usize, height: usize) -> Vec<String> {
    let Some(block) = view.closed_block() else { return Vec::new() };
    let symbols = format!("all at once: {}", formula(view, block, |n| letter(view, block, n)));
    let definitions = with_symbols(view, block, &block.form.definitions());
    // if a tensor's name is its letter, it needs no definition
    let says_something = |definition: &&str| definition.split_once(" = ").is_none_or(|(letter, meaning)| letter != meaning);
    let definitions = definitions.split(", ").filter(says_something).collect::<Vec<_>>().join(", ");
    let defined = format!("{symbols},  {definitions}");
    let symbols = if width(&defined) <= room { defined } else { symbols };
    let Some(entry) = view.closed_entry(block) else { return [symbols].into_iter().take(height).collect() };
    let value = view.value_text(entry.value);
    let numbers = format!("{} = {value}", formula(view, block, |n| number(view, block, &entry, n)));
    let difference = difference(view, entry.value - view.step.sum);
    let compared = format!("the sum over the paths is {}: difference {difference}", view.value_text(view.step.sum));
    let candidates = match height {
        0 => return Vec::new(),
        1 => [format!("all at once: {numbers}; {compared}"), format!("all at once: {numbers}; difference {difference}")],
        _ => [format!("= {numbers}; {compared}"), format!("= {numbers}; difference {difference}")],
    };
    let shortest = format!("all at once: {value}; difference {difference}");
    let with_numbers = candidates.into_iter().find(|text| width(text) <= room).unwrap_or(shortest);
    if height == 1 { vec![with_numbers] } else { vec![symbols, with_numbers] }
}

/// Formats the difference between the two values, with a remark if it is as small as a rounding error.
fn difference(view: &View<'_>, difference: f64) -> String {
    let is_rounding = difference != 0.0 && difference.abs() <= ROUNDING * view.step.sum.abs().max(1.0);
    format!("{}{}", view.short(difference), if is_rounding { " ≈ 0, rounding" } else { "" })
}

/// Writes the formula. `text` returns the text of each quantity.
fn formula(view: &View<'_>, block: &ClosedBlock, text: impl Fn(usize) -> String) -> String {
    let name = |slot: Slot, _: OperandForm| match slot {
        Slot::Input(n) => text(n),
        _ => String::new(),
    };
    block.form.formula().equation(view.notation, &[], name)
}

/// Returns the letter of a quantity.
fn letter(view: &View<'_>, block: &ClosedBlock, n: usize) -> String {
    with_symbols(view, block, block.form.letters().get(n).map_or("", AsRef::as_ref))
}

/// Formats the value of a quantity. An entry of a tensor is formatted as in its matrix.
fn number(view: &View<'_>, block: &ClosedBlock, entry: &ClosedEntry, n: usize) -> String {
    let value = entry.quantities.get(n).copied().unwrap_or(f64::NAN);
    let (network, at) = (view.network(), view.at.entry);
    let operands = network.gradient_of(block.output).into_iter().chain(block.operands.iter().copied());
    let mut alike = operands.filter(|id| network.tensor(*id).shape == network.tensor(block.input).shape);
    let is_entry = |id: &Id| view.number(*id, at).is_some_and(|number| number.to_bits() == value.to_bits());
    let text = alike.find(is_entry).and_then(|id| view.entry_text(id, at)).unwrap_or_else(|| view.short(value));
    if n == 0 { text } else { after_sign(text) }
}

/// Replaces `{x}` by the symbol of the input, and `{0}`, `{1}`, … by the symbols of the operands.
fn with_symbols(view: &View<'_>, block: &ClosedBlock, text: &str) -> String {
    let network = view.network();
    let symbol = |id| network.tensor(id).symbol.whole_in(view.notation);
    let upstream = network.gradient_of(block.output).map(symbol).unwrap_or_default();
    let text = text.replace("{x}", &symbol(block.input)).replace("{0}", &upstream);
    block.operands.iter().enumerate().fold(text, |text, (n, id)| text.replace(&format!("{{{}}}", n + 1), &symbol(*id)))
}
