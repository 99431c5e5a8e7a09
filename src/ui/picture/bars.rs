//! Draws the terms of an entry as bars. Negative terms go to the left of an axis. This is the picture of ops that do not connect neurons, such as the sums over
//! a batch and the update.
//!
//! ```text
//! 0.25·∂C₁/∂w₁₁  0.01314            │━━━
//! 0.25·∂C₂/∂w₁₁ −0.0551 ━━━━━━━━━━━━│
//! 0.25·∂C₃/∂w₁₁                     │∙
//! so far         −0.0420    ━━━━━━━━━│
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::canvas::{text_at, text_ending_at};
use super::target::{Spot, Spots};
use crate::glyph;
use crate::number::round_up;
use crate::text::{cut, width};
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The smallest width of the bars without numbers beside them, in cells.
const MIN_BARS: usize = 12;
/// The smallest width of the bars with numbers beside them, in cells.
const MIN_BARS_BESIDE_NUMBERS: usize = 6;

/// The largest number of rows from one line to the next.
const MAX_DISTANCE: u16 = 4;

/// A line of the picture: a term, or the sum.
struct Bar {
    name: String,
    /// The number that the bar shows; `None` if it is not computed yet.
    value: Option<f64>,
    /// The number as text; empty if it is not computed yet.
    text: String,
    role: StyleRole,
}

/// Draws the picture. A click on the line of a term goes to its step.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer, spots: &mut Spots) {
    // three more lines are a blank line at the top, the sum, and the number of terms
    let Some(rows) = area.height.checked_sub(3).filter(|rows| *rows > 0 && area.width >= 24) else { return };
    let (current, count) = (view.at.term, view.at.terms);
    let rows = u64::from(rows);
    let first = current.saturating_sub(rows / 2).min(count.saturating_sub(rows));
    let terms: Vec<_> = (first..count.min(first + rows)).map(|term| (term, view.term(term))).collect();
    let mut bars: Vec<Bar> = Vec::with_capacity(terms.len() + 1);
    bars.extend(terms.iter().map(|(number, term)| Bar {
        name: view.in_symbols(term),
        value: term.value(),
        text: view.term_text(term).unwrap_or_default(),
        role: if *number == current { StyleRole::Step } else { StyleRole::Plain },
    }));
    let result = format!("→ {}", view.unambiguous_symbol(view.output, view.at.entry));
    // `so far` has 6 cells
    let widest = bars.iter().map(|bar| width(&bar.name)).chain([width(&result), 6]).max().unwrap_or(6);
    let (name, role) = if current + 1 == count { (result, StyleRole::Result) } else { ("so far".to_owned(), StyleRole::Plain) };
    let sum = view.running_sum();
    bars.push(Bar { name, value: sum, text: sum.map(|sum| view.value_text(sum)).unwrap_or_default(), role });

    let values: Vec<f64> = terms.iter().flat_map(|(number, term)| [term.value(), view.sum_after(*number)]).flatten().collect();
    let room = usize::from(area.width) - 2;
    // the widths of the names and of the numbers
    let names = widest.min(room - MIN_BARS);
    let numbers = bars.iter().map(|bar| width(&bar.text)).max().unwrap_or(0).max(view.digits.typical_width());
    // if space is short, the numbers are left out and the bars stay, because the equation pane shows the numbers too
    let numbers = Some(numbers + 1).filter(|numbers| names + numbers + MIN_BARS_BESIDE_NUMBERS <= room).unwrap_or(0);
    let left = 1 + names + numbers + 1;
    // the largest absolute values of the negative and of the positive terms and running sums, rounded up
    let [negative, positive] =
        [-1.0, 1.0].map(|sign| round_up(values.iter().map(|value| sign * value).filter(|value| value.is_finite()).fold(0.0, f64::max)));
    let scale = BarScale { largest: negative + positive, cells: room + 1 - left };
    let axis = left + scale.bar_cells(negative);
    // if there are few lines, there are blank lines between them
    let count_of_lines = cell(bars.len());
    let free = area.height.saturating_sub(2);
    let distance = (free / count_of_lines).clamp(1, MAX_DISTANCE);
    let top = 1 + free.saturating_sub((count_of_lines - 1) * distance + 1) / 2;
    let row_of = |n: u16| top + n * distance;
    for ((number, _), n) in terms.iter().zip(0..) {
        spots.add(Rect { y: area.y + row_of(n), height: 1, ..area }, Spot::Step(view.at.with_term(*number).step));
    }
    for (y, bar) in (0..).map(row_of).zip(&bars) {
        let style = view.theme.style(bar.role);
        text_at(buf, area, 1, y, &cut(&bar.name, names), style);
        if numbers > 0 {
            text_ending_at(buf, area, cell(1 + names + numbers), y, &bar.text, style);
        }
        text_at(buf, area, cell(axis), y, "│", view.theme.style(StyleRole::Dim));
        let Some(value) = bar.value else {
            text_at(buf, area, cell(axis + 1), y, glyph::TO_COME, style);
            continue;
        };
        // the style of the step is not used, because its background would fill the whole line
        let role = if bar.role == StyleRole::Step { StyleRole::Result } else { bar.role };
        let (line, style) = ("━".repeat(scale.bar_cells(value.abs())), view.theme.style(role).not_underlined());
        if value < 0.0 {
            text_ending_at(buf, area, cell(axis), y, &line, style);
        } else {
            text_at(buf, area, cell(axis + 1), y, &line, style);
        }
    }
    if terms.len() as u64 != count {
        let text = format!("{} of {count} terms", terms.len());
        text_at(buf, area, 1, area.height - 1, &text, view.theme.style(StyleRole::Dim));
    }
}

/// Converts a number of cells to the type of coordinates.
fn cell(x: usize) -> u16 {
    u16::try_from(x).unwrap_or(u16::MAX)
}

/// The scale of the bars.
struct BarScale {
    /// The absolute value whose bar would take all cells except that of the axis: the sum of the longest bars on both sides.
    largest: f64,
    /// The number of cells of the bars on both sides and of the axis.
    cells: usize,
}

impl BarScale {
    /// Returns the number of cells for an absolute value. It is at least 1; it is 0 if the value is 0 or not finite.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // between 0 and `cells`
    fn bar_cells(&self, magnitude: f64) -> usize {
        if magnitude == 0.0 || !magnitude.is_finite() {
            return 0;
        }
        // the axis takes one cell
        let most = self.cells.saturating_sub(1);
        ((magnitude / self.largest * most as f64).round() as usize).clamp(1, most.max(1))
    }
}
