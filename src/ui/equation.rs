//! The equation pane. It shows the equation of the op in symbols. Then it shows the current entry three times: in symbols, in numbers, and with the values of
//! its terms. The last line is the running sum. The term of this step is in brackets.
//!
//! ```text
//! ∂C/∂W⁽¹⁾ = a⁽⁰⁾ * δ⁽¹⁾                    weight gradient: the input convolved with the error
//! ∂C/∂w₁₂  =  a₁₂·δ₁₁  +  a₁₃·δ₁₂    + [a₂₂·δ₂₁] +  a₂₃·δ₂₂
//!          =  2·0.31   +  0·(−0.12)  + [1·0.05 ] +  ∙
//!          =  0.62     +  0          + [0.05   ] +  ∙
//!   so far =  0.62 + 0.05 = 0.67                                                  term 3 of 4
//! ```

mod at_once;
mod paths;

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::expr::{Notation, Sign};
use crate::glyph;
use crate::number::result_sign;
use crate::op::rule::{Equation, Gist};
use crate::scene::{HiddenNumber, Path, after_sign};
use crate::text::{align_left, align_right, cut, joined_within, width};
use crate::ui::ClickTarget;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The number of lines of the pane: the op in symbols, three lines with the terms of the entry, the running sum, and one line for [`alternative`] or NumPy.
const HEIGHT: u16 = 6;

/// The smallest height of a screen on which [`alternative`] may have two lines.
const TALL_SCREEN: u16 = 30;

/// The largest number of terms that are shown. No screen has room for more.
const MAX_TERMS: u64 = 64;

/// The largest number of parts of an op whose line in NumPy is shown. The line of an op with more parts is longer than the pane.
const MAX_NUMPY_PARTS: usize = 64;

/// The sign between the two sides of the equation.
const EQUALS: &str = "=";

/// The number of cells of the sign between the two sides, with a blank before and after it.
const SIGN_CELLS: usize = 3;

/// The sign between two terms.
const PLUS: &str = " + ";

/// The number of cells around a term: two brackets or blanks, and the plus before it.
const AROUND_TERM: usize = 2 + PLUS.len();

/// The number of cells reserved for the ellipses before and after the terms.
const ELLIPSES: usize = 8;

/// The text in place of earlier terms that do not fit.
const EARLIER: &str = "… + ";
/// The text in place of later terms that do not fit.
const LATER: &str = " + …";
/// The index of the line that shows the values of the terms: the pane's lines 1, 2 and 3 show the terms in symbols, in numbers, and as values.
const VALUES_LINE: usize = 3;

/// A column of the pane: one term.
struct TermColumn {
    /// The number of the term, from 0.
    term: u64,
    /// The term in symbols, the term in numbers, and its value.
    texts: [String; 3],
    /// The sign between the numbers and the value. It is `≈` if the shown numbers are rounded, so that calculating with them gives other digits.
    sign: &'static str,
}

impl TermColumn {
    fn width(&self) -> usize {
        self.texts.iter().map(|text| width(text)).max().unwrap_or(0)
    }
}

/// Returns the number of lines that the pane requests. On a tall screen, `alternative` may have a second line in a graph, and one more for a closed form.
#[must_use]
pub fn height(view: &StepView<'_>, screen: Rect, _: Rect) -> u16 {
    // the inputs of a graph are part of the network, so a graph reads no samples
    let is_scalar_graph = !view.document.scenario.network.reads_samples();
    let is_tall = screen.height >= TALL_SCREEN;
    HEIGHT + u16::from(is_tall && is_scalar_graph) + u16::from(is_tall && view.closed_block().is_some())
}

/// Draws the pane.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    for (line, row) in lines(view, area.width as usize, area.height as usize).into_iter().zip(area.rows()) {
        line.draw(row, buf);
    }
}

/// Draws the first line of the pane: the op's equation and its title.
pub(super) fn head(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let tensor = view.network().tensor(view.output).symbol.whole_in(view.notation);
    // as in `margin`, but for this line alone
    let margin = width(&tensor) + width(sign(view)) - 1;
    heading(view, &tensor, margin, area.width.into()).line(view, area.width.into()).draw(area, buf);
}

/// Returns the lines of the pane, `room` cells wide and at most `height` of them.
fn lines(view: &StepView<'_>, room: usize, height: usize) -> Vec<Line<'static>> {
    let theme = &view.theme;
    let plain = theme.style(StyleRole::Plain);
    let tensor = view.network().tensor(view.output).symbol.whole_in(view.notation);
    let entry = view.unambiguous_symbol(view.output, view.at.entry);
    let margin = margin(view);
    let mut lines = vec![heading(view, &tensor, margin, room).line(view, room)];
    let columns = columns(view, room.saturating_sub(margin + SIGN_CELLS));
    for n in 0..3 {
        let start = match n {
            0 => Span::styled(left_and_sign(view, &entry, margin), plain.bold()),
            _ => Span::styled(format!("{} {} ", " ".repeat(margin), row_sign(&columns, n)), plain),
        };
        let mut spans = vec![start];
        spans.extend(row(view, &columns, n));
        lines.push(Line::from(spans));
    }
    lines.push(running_sum(view, margin, room));
    let paths = view.paths();
    if !has_values_line(view, paths.len(), height) {
        lines.remove(VALUES_LINE);
    }
    let lines_left = height.saturating_sub(lines.len());
    lines.extend(alternative(view, &paths, margin, [room, lines_left]));
    // the equation with letters for the indices, and the NumPy line for the whole tensor; if there is room for only one of them, the NumPy line
    let lines_left = height.saturating_sub(lines.len());
    let is_short = view.op().parts.len() <= MAX_NUMPY_PARTS;
    let numpy = (is_short && lines_left > 0).then(|| view.numpy_line(view.output)).flatten().map(|line| format!("in NumPy: {line}"));
    let index_line = || {
        let with_names = view.index_line(true).filter(|text| width(text) + margin + SIGN_CELLS <= room);
        with_names.or_else(|| view.index_line(false))
    };
    let indexed = (lines_left > usize::from(numpy.is_some())).then(index_line).flatten();
    for text in indexed.into_iter().chain(numpy) {
        let text = cut(&text, room.saturating_sub(margin + SIGN_CELLS));
        lines.push(Line::from(vec![Span::raw(" ".repeat(margin + SIGN_CELLS)), Span::styled(text, theme.style(StyleRole::Dim))]));
    }
    lines
}

/// Returns whether the pane has the line with the values of the terms, if it has `height` lines and the entry has `paths` paths to the output.
fn has_values_line(view: &StepView<'_>, paths: usize, height: usize) -> bool {
    // a copy has only one number, so its value would repeat the line with the numbers
    let repeats_numbers = is_copy(view);
    // the sum of a single term is its value, so the value is left out if the paths need its line: the heading, the three lines of terms and the sum are 5 lines
    let paths_need_its_line = view.at.terms == 1 && paths > 1 && height < 5 + paths::LINES;
    !repeats_numbers && !paths_need_its_line
}

/// Returns whether all terms of a graph's op are copies of entries. Then the line with the numbers and the line with the values are the same.
fn is_copy(view: &StepView<'_>) -> bool {
    let step = &view.step;
    !view.network().reads_samples()
        && view.op().parts.len() == 1
        && step.factors.len() == 1
        && step.factors[0].derived.is_none()
        && step.function.is_none()
}

/// Returns the step of the term that is drawn at a cell of the pane.
#[must_use]
pub fn hit(view: &StepView<'_>, area: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    // the lines 1 and 2 show the terms, and line 3 their values if there is a line for them
    let term_rows = area.y + 1..area.y + if has_values_line(view, view.paths().len(), area.height.into()) { 4 } else { 3 };
    if !term_rows.contains(&y) {
        return None;
    }
    let margin = margin(view);
    let columns = columns(view, usize::from(area.width).saturating_sub(margin + SIGN_CELLS));
    // the first term comes after the left-hand side, the sign with its blanks, and perhaps an ellipsis
    let mut left = usize::from(area.x) + margin + SIGN_CELLS + if columns.first()?.term > 0 { width(EARLIER) } else { 0 };
    for (n, column) in columns.iter().enumerate() {
        left += if n > 0 { PLUS.len() } else { 0 };
        // two brackets or blanks are around the term
        let cells = left..left + column.width() + 2;
        if cells.contains(&usize::from(x)) {
            return Some(ClickTarget::Step(view.at.with_term(column.term).step));
        }
        left = cells.end;
    }
    None
}

/// Returns the width of the left-hand sides. They end at the same column, so that the signs after them are in one column too.
fn margin(view: &StepView<'_>) -> usize {
    let tensor = view.network().tensor(view.output).symbol.whole_in(view.notation);
    let entry = view.unambiguous_symbol(view.output, view.at.entry);
    // `so far` needs 6 cells; if the sign has two cells, it takes one of them from the left-hand side
    (width(&tensor).max(width(&entry)) + width(sign(view)) - 1).max(6)
}

/// Returns the sign between the sides of the equation: `=`, or the arrow of the update, which has two characters in ASCII.
fn sign(view: &StepView<'_>) -> &'static str {
    let sign = if view.is_update() { Sign::Becomes } else { Sign::Equals };
    sign.text(view.notation).trim()
}

/// Returns the beginning of a line, `margin + SIGN_CELLS` cells wide: the left-hand side, aligned to the right, and the sign between two blanks.
fn left_and_sign(view: &StepView<'_>, left: &str, margin: usize) -> String {
    let sign = sign(view);
    format!("{} {sign} ", align_right(left, margin + 1 - width(sign)))
}

/// The first line: the op's equation, and its title.
struct Heading {
    text: String,
    /// The title on the right; empty if there is no room.
    title: String,
    /// If the first line has no room for a title: the titles for the line of the statement, the longest first.
    moved_titles: Option<[Cow<'static, str>; 3]>,
}

/// Builds the first line: the op's equation on the left, and its title on the right. If the line is too narrow, the title is shortened ([`titles`]). If this is
/// not enough, a sum of at least three parts is shortened to its first and last part. If this is not enough either, the title moves to the line of the
/// statement (in a graph), or the equation is shortened to the part of this step.
fn heading(view: &StepView<'_>, left: &str, margin: usize, room: usize) -> Heading {
    let parts = view.op().parts.len();
    let part = view.part();
    let right_side = |part: usize| view.right_hand_side(part, view.notation);
    let (before, after) = (if part > 0 { "… " } else { "" }, if part + 1 < parts { " + …" } else { "" });
    let first_and_last = match parts {
        0..3 => (0..parts).map(right_side).collect::<Vec<_>>().join(" "),
        _ => format!("{} + … {}", right_side(0), right_side(parts - 1)),
    };
    let all_parts = joined_within(room, (0..parts).map(right_side));
    let with_constants = all_parts.as_ref().map(|all_parts| format!("{all_parts}{}", constants(view, ",  ")));
    let only_part = format!("{before}{}{after}", right_side(part));
    let with_left = |right: String| format!("{}{right}", left_and_sign(view, left, margin));
    let titles = titles(&view.equation(part), view.notation);
    // returns the first text that fits into the line together with a title and at least three blanks, and the longest such title
    let first_fitting = |texts: &[String]| {
        let pairs = texts.iter().flat_map(|text| titles.iter().map(move |title| (text.clone(), title.to_string())));
        pairs.into_iter().find(|(text, title)| width(text) + 3 + width(title) <= room)
    };
    let complete: Vec<String> = with_constants.into_iter().chain(all_parts.clone()).map(with_left).collect();
    // a sum of at least three parts can be shortened to the first and the last one
    let ends_of_sum = if parts >= 3 { vec![with_left(first_and_last.clone())] } else { Vec::new() };
    if let Some((text, title)) = first_fitting(&complete).or_else(|| first_fitting(&ends_of_sum)) {
        return Heading { text, title, moved_titles: None };
    }
    if view.has_statements() {
        let by_name = || joined_within(room, (0..parts).map(|part| view.right_hand_side_by_name(part, view.notation)));
        let middle_left_out = (parts >= 3).then(|| first_and_last.clone());
        // if the line is still too long, its left-hand side begins at the left edge
        let at_left = by_name().map(|right| format!("{left} {} {right}", sign(view)));
        let without_title =
            [all_parts, by_name(), middle_left_out].into_iter().flatten().map(with_left).chain(at_left).find(|text| width(text) <= room);
        if let Some(text) = without_title {
            return Heading { text, title: String::new(), moved_titles: Some(titles) };
        }
    }
    let shortened = [first_and_last, only_part].map(with_left);
    let (text, title) = first_fitting(&shortened).unwrap_or_else(|| (cut(&shortened[1], room), String::new()));
    Heading { text, title, moved_titles: None }
}

impl Heading {
    fn line(self, view: &StepView<'_>, room: usize) -> Line<'static> {
        let Self { text, title, .. } = self;
        let gap = room.saturating_sub(width(&text) + width(&title));
        Line::from(vec![
            Span::styled(text, view.theme.style(view.pass_role()).bold()),
            Span::raw(" ".repeat(gap)),
            Span::styled(title, view.theme.style(StyleRole::Heading)),
        ])
    }
}

/// Returns the titles of the equation, the longest first, if its line of `room` cells has no room for one.
#[must_use]
pub fn moved_titles(view: &StepView<'_>, room: usize) -> Option<[Cow<'static, str>; 3]> {
    let tensor = view.network().tensor(view.output).symbol.whole_in(view.notation);
    heading(view, &tensor, margin(view), room).moved_titles
}

/// Returns the constants in the equation of the op with their values, each after a separator: `,  η = 0.5`.
#[must_use]
pub fn constants(view: &StepView<'_>, separator: &str) -> String {
    let text = |(name, value): &(&str, f64)| format!("{separator}{name} = {}", view.short(*value));
    view.named_constants().iter().map(text).collect::<Vec<_>>().concat()
}

/// Returns the title of an equation and two shorter forms for narrow screens.
fn titles(equation: &Equation, notation: Notation) -> [Cow<'static, str>; 3] {
    let title = equation.title(notation);
    match equation.gist {
        Gist::None => [title, equation.name.into(), equation.name.into()],
        gist => [title, gist.text(notation), equation.name.into()],
    }
}

/// Returns the column of the current term, and as many columns of other terms around it as fit into `room` cells.
fn columns(view: &StepView<'_>, room: usize) -> Vec<TermColumn> {
    let column = |number: u64| {
        let term = view.term(number);
        let unknown = if term.is_hidden() { glyph::HIDDEN } else { glyph::TO_COME };
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| unknown.to_owned());
        let texts = [view.in_symbols(&term), or_unknown(view.in_numbers(&term)), or_unknown(view.term_text(&term))];
        let sign = term.value().map_or(EQUALS, |value| result_sign(&[&texts[1]], &texts[2], value));
        // a plus comes before every term except the first
        TermColumn { term: number, texts: if number > 0 { texts.map(after_sign) } else { texts }, sign }
    };
    let now = view.at.term;
    let mut columns = vec![column(now)];
    let around = 2 + if view.at.terms > 1 { ELLIPSES } else { 0 };
    if columns[0].width() + around > room {
        for text in &mut columns[0].texts {
            *text = cut(text, room.saturating_sub(around));
        }
        return columns;
    }
    // two brackets or blanks are around the term, and there is no plus before the first column
    let mut used = columns[0].width() + 2 + ELLIPSES;
    // the shown terms are `first..end`
    let (mut first, mut end) = (now, now + 1);
    while columns.len() < usize::try_from(MAX_TERMS).unwrap_or(64) {
        let has_later = end < view.at.terms;
        let has_earlier = first > 0;
        // earlier and later terms are added in turn, an earlier one first. As long as there are later terms to add, at most two earlier ones are added
        let takes_later = has_later && (!has_earlier || now - first >= 2 || end - now <= now - first);
        let next = match (takes_later, has_earlier) {
            (true, _) => column(end),
            (false, true) => column(first - 1),
            (false, false) => break,
        };
        used += next.width() + AROUND_TERM;
        // with the next column, all terms are shown: no ellipsis needs its cells
        let shows_all = columns.len() as u64 + 1 == view.at.terms;
        if used > room + ELLIPSES * usize::from(shows_all) {
            break;
        }
        if next.term >= now {
            end += 1;
            columns.push(next);
        } else {
            first -= 1;
            columns.insert(0, next);
        }
    }
    columns
}

/// Returns the sign before row 1 or 2. Before the values it is `≈`, if calculating with the shown numbers gives other digits for some value.
fn row_sign(columns: &[TermColumn], n: usize) -> &'static str {
    let of_values = || columns.iter().map(|column| column.sign).find(|sign| *sign != EQUALS);
    if n == 2 { of_values().unwrap_or(EQUALS) } else { EQUALS }
}

/// Builds one of the three rows of terms: row 0 has the symbols, row 1 the numbers, row 2 the values.
fn row(view: &StepView<'_>, columns: &[TermColumn], n: usize) -> Vec<Span<'static>> {
    let dim = view.theme.style(StyleRole::Dim);
    let mut spans = Vec::new();
    if columns.first().is_some_and(|column| column.term > 0) {
        spans.push(Span::styled(EARLIER, dim));
    }
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            spans.push(Span::styled(PLUS, dim));
        }
        let text = &column.texts[n];
        let style = term_style(view, column.term);
        let (open, close) = if column.term == view.at.term && view.at.terms > 1 { ("[", "]") } else { (" ", " ") };
        spans.push(Span::styled(format!("{open}{}{close}", align_left(text, column.width())), style));
    }
    if columns.last().is_some_and(|column| column.term + 1 < view.at.terms) {
        spans.push(Span::styled(LATER, dim));
    }
    spans
}

/// Returns the style of a term. Terms before this step, of this step and after it have different styles.
fn term_style(view: &StepView<'_>, term: u64) -> Style {
    match term.cmp(&view.at.term) {
        std::cmp::Ordering::Less => view.theme.style(StyleRole::Plain),
        std::cmp::Ordering::Equal => view.theme.style(StyleRole::Step),
        std::cmp::Ordering::Greater => view.theme.style(StyleRole::Dim),
    }
}

/// Builds the line with the running sum, before and after this step.
fn running_sum(view: &StepView<'_>, margin: usize, room: usize) -> Line<'static> {
    let step = &view.step;
    let hidden = || glyph::HIDDEN.to_owned();
    let result = view.running_sum().map_or_else(hidden, |sum| view.value_text(sum));
    let is_sum_of_all = step.term == step.terms || view.hidden == Some(HiddenNumber::Entry);
    let left = if is_sum_of_all { "all" } else { "so far" };
    // `step.term` counts from 1, and `view.sum_text` from 0, so the term before has number `step.term − 2`
    let before = step.term.checked_sub(2).and_then(|before| view.sum_text(before));
    let value = || view.term_text(&view.term(view.at.term)).unwrap_or_else(hidden);
    let mut text = before.map_or_else(|| result.clone(), |before| sum_text(view, &before, &value(), &result));
    if view.is_rounding_error() {
        text.push_str(" ≈ 0, rounding");
    }
    let right = format!("term {} of {}", step.term, step.terms);
    let start = format!("{} = ", align_right(left, margin));
    // one more blank comes after `start`, and at least three come before `right`
    let text = cut(&text, room.saturating_sub(width(&start) + width(&right) + 4));
    let gap = room.saturating_sub(width(&start) + width(&text) + 2 + width(&right));
    let style = view.theme.style(if is_sum_of_all { StyleRole::Result } else { StyleRole::Plain });
    Line::from(vec![
        Span::raw(format!("{start} ")),
        Span::styled(text, style),
        Span::raw(" ".repeat(gap + 1)),
        Span::styled(right, view.theme.style(StyleRole::Dim)),
    ])
}

/// Returns the addition of this step, such as `0.62 + 0.05 = 0.67`: the sum before it, the value of its term, and the sum after it.
#[must_use]
pub fn sum_text(view: &StepView<'_>, before: &str, value: &str, result: &str) -> String {
    // for a rounding error, the sum is written with all its digits, so its sign is not `≈`
    let sign = if view.is_rounding_error() { EQUALS } else { result_sign(&[before, value], result, view.step.sum) };
    format!("{before} + {} {sign} {result}", after_sign(value.to_owned()))
}

/// Returns the texts of [`alternative`], each at most `room` cells wide.
fn alternative_texts(view: &StepView<'_>, paths: &[Path], [room, height]: [usize; 2]) -> Vec<String> {
    match view.closed_formula() {
        Some((symbols, value)) => vec![cut(&format!("in one step: {symbols} = {}", view.value_text(value)), room)],
        None if view.closed_block().is_some() => at_once::lines(view, room, height.min(at_once::LINES)),
        None => paths::lines(view, paths, room, height.min(paths::LINES)),
    }
}

/// Returns the sentence about the closed form of the entry, with the definitions of its letters; `None` if there is no closed form.
#[must_use]
pub fn closed_form_sentence(view: &StepView<'_>) -> Option<String> {
    at_once::sentence(view)
}

/// Returns the texts of `alternative` without a limit of width, for the plain mode: one step, or the sum over all paths.
#[must_use]
pub fn alternative_sentences(view: &StepView<'_>) -> Vec<String> {
    // the closed form is written once, when the entry is complete
    if view.closed_block().is_some() && !view.is_complete() {
        return Vec::new();
    }
    alternative_texts(view, &view.paths(), [WHOLE_LINE, 1])
}

/// A width at which no line is cut.
const WHOLE_LINE: usize = 10_000;

/// Returns lines with a different way to compute the entry. They are shown at the last term of the entry; the symbols of a closed form are shown at all terms:
///
/// - If there is a shorter formula for the entry, it is shown. For example, it is a − t for the derivative of softmax and cross-entropy.
/// - In the backward pass of a graph, the closed form of a call is shown.
/// - Otherwise, in the backward pass of a graph, the sum over all paths from the node to the output is shown.
///
/// `room` is the number of cells of a line, and `height` the largest number of lines.
fn alternative(view: &StepView<'_>, paths: &[Path], margin: usize, [room, height]: [usize; 2]) -> Vec<Line<'static>> {
    let texts = alternative_texts(view, paths, [room.saturating_sub(margin + SIGN_CELLS), height]);
    let line = |text| Line::from(vec![Span::raw(" ".repeat(margin + SIGN_CELLS)), Span::styled(text, view.theme.style(StyleRole::Dim))]);
    texts.into_iter().map(line).collect()
}
