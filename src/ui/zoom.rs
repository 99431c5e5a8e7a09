//! The zoomed step. It shows only the equation and the operands, in characters that can be read from the last row of a lecture hall.
//!
//! ```text
//! ∂C/∂W⁽¹⁾ = a⁽⁰⁾ * δ⁽¹⁾               the op
//! a₂₂·δ₂₁ = 3·3 = 9                    the term of this step, in large characters; if there is no room, the symbols are small and above it
//! ∂C/∂w₁₂ so far, term 3 of 4          the running sum
//! 2 + 9 = 11                           in large characters
//!
//! a⁽⁰⁾          δ⁽¹⁾          ∂C/∂W    the operands and the result
//! ```

mod block_text;
mod matrices;

pub use matrices::render as matrices;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use self::block_text::{FontSize, draw, is_in_font};
use super::equation;
use super::line::DrawLine as _;
use super::theme::StyleRole;
use super::view::StepView;
use crate::expr::Notation;
use crate::glyph;
use crate::number::result_sign;

/// The smallest screen (columns, lines) for [`FontSize::Large`].
const LARGE: (u16, u16) = (190, 55);
/// The smallest screen for [`FontSize::Medium`].
const MEDIUM: (u16, u16) = (60, 20);
/// The smallest screen for [`FontSize::Tall`].
const TALL: (u16, u16) = (60, 28);

/// Returns the size of the characters. It depends only on the screen, so that it is the same at each step.
fn size(view: &StepView<'_>, screen: Rect) -> FontSize {
    let fits = |(columns, lines): (u16, u16)| screen.width >= columns && screen.height >= lines;
    let sizes: &[(FontSize, (u16, u16))] = match view.notation {
        Notation::Ascii => &[(FontSize::Large, LARGE), (FontSize::Tall, TALL)],
        Notation::Unicode | Notation::Latex => &[(FontSize::Large, LARGE), (FontSize::Medium, MEDIUM)],
    };
    sizes.iter().find(|(_, smallest)| fits(*smallest)).map_or(FontSize::Plain, |(size, _)| *size)
}

/// Returns the number of lines of the equation: the op, the term and the running sum, each with a blank line.
#[must_use]
pub fn height(view: &StepView<'_>, screen: Rect, _: Rect) -> u16 {
    2 + 2 * (1 + size(view, screen).lines() + 1)
}

/// Draws the equation.
pub fn equation(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let line = |y: u16, height: u16| Rect { y: area.y + y, height, ..area }.intersection(area);
    equation::head(view, line(0, 1), buf);
    let size = size(view, buf.area);
    let (term_label, term) = term_texts(view);
    let (sum_label, sum) = sum_texts(view);
    let plain = view.theme.style(StyleRole::Plain).bold();
    let result = ink(view, if view.is_complete() { StyleRole::Result } else { StyleRole::Plain });
    let step = ink(view, StyleRole::Step);
    // line 0 has the op and line 2 the label of the term. The term in large characters and a blank line follow, and then the label of the sum
    let sum_y = 3 + size.lines() + 1;
    let room = usize::from(area.width);
    for (y, [symbols, words], texts, style) in [(2, term_label, term.as_slice(), step), (sum_y, sum_label, sum.as_slice(), result)] {
        let fitting = texts.iter().find(|text| size.width(text) <= room);
        let Some(text) = fitting.or(texts.first()) else { continue };
        // if there is room, the symbols are large too
        let equation = format!("{symbols} = {text}");
        let has_room = size != FontSize::Plain && !symbols.is_empty() && is_in_font(&equation) && size.width(&equation) <= room;
        let (label, text) = if has_room { (words, equation) } else { (joined(&symbols, &words), text.clone()) };
        Line::styled(label, plain).draw(line(y, 1), buf);
        // there is one more line, because a subscript extends into the blank line
        draw(&text, size.fitting(&text, room), style, line(y + 1, size.lines() + 1), buf);
    }
}

/// Joins the symbols and the words of a label.
fn joined(symbols: &str, words: &str) -> String {
    let separator = match (symbols.is_empty(), words.is_empty()) {
        (false, false) => ", ",
        _ => "",
    };
    format!("{symbols}{separator}{words}")
}

/// Returns the style of large characters. They have no background. The style of the step is mostly a background, so they get the style of the result instead.
fn ink(view: &StepView<'_>, role: StyleRole) -> Style {
    let role = if role == StyleRole::Step { StyleRole::Result } else { role };
    Style { bg: None, ..view.theme.style(role).not_underlined().remove_modifier(Modifier::REVERSED) }
}

/// Returns the term of this step: its label (symbols, words), and the versions of its text, the longest first: `3·3 = 9`, and if there is no room `3·3`,
/// because the sum shows the 9 too.
fn term_texts(view: &StepView<'_>) -> ([String; 2], Vec<String>) {
    let term = view.term(view.at.term);
    let unknown = if term.is_hidden() { glyph::HIDDEN } else { glyph::TO_COME };
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| unknown.to_owned());
    let [numbers, value] = [or_unknown(view.in_numbers(&term)), or_unknown(view.term_text(&term))];
    let sign = term.value().map_or("=", |number| result_sign(&[&numbers], &value, number));
    let numbers = if numbers == value { vec![value] } else { vec![format!("{numbers} {sign} {value}"), numbers] };
    ([view.in_symbols(&term), String::new()], numbers)
}

/// Returns the running sum: its label (symbols, words), such as `∂C/∂w₁₂ so far, term 3 of 4`, and the versions of its text: the addition of this step,
/// `2 + 9 = 11`, and if there is no room `11`.
fn sum_texts(view: &StepView<'_>) -> ([String; 2], Vec<String>) {
    let entry = view.unambiguous_symbol(view.output, view.at.entry);
    let (term, terms) = (view.at.term + 1, view.at.terms);
    let label = match (view.is_complete(), terms) {
        (true, 1) => [entry, String::new()],
        (true, _) => [entry, format!("all {terms} terms")],
        // the sum so far is not the entry, so there is no `=` after the symbol of the entry
        (false, _) => [String::new(), format!("{entry} so far, term {term} of {terms}")],
    };
    let hidden = || glyph::HIDDEN.to_owned();
    let result = view.running_sum().map_or_else(hidden, |sum| view.value_text(sum));
    let before = view.at.term.checked_sub(1).and_then(|before| view.sum_text(before));
    let value = view.term_text(&view.term(view.at.term)).unwrap_or_else(hidden);
    let sum = before.map(|before| equation::sum_text(view, &before, &value, &result));
    (label, sum.into_iter().chain([result]).collect())
}
