//! Draws curves over the iterations with braille dots, between two axes.
//!
//! ```text
//!  0.8 ┤⠒⠒⠤⢄⡀
//!  0.4 ┤     ◉⠢ ⡀        solid up to the last known value, then dashed; other curves are dotted
//!    0 ┤         ⠈ ⠒ ⠒
//!      └┬────┬────┬────
//!       1    10   20
//! ```

mod scale;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::picture::canvas::{Canvas, Stroke, text_at, text_ending_at};
use super::picture::target::Spots;
use super::theme::{StyleRole, Theme};
use crate::app::{Curve, Curves};
use crate::number::{round_up, short};
use crate::text::width;
use scale::AxisScale;

/// The sign of the iteration on the screen.
pub(super) const HERE: &str = "◉";
/// The sign of the marker, which the user moves.
pub(super) const MARKER: &str = "◆";
/// Up to this number of iterations, the axis has room for all iterations from the start.
const MAX_FULL_AXIS: u64 = 200;
/// The number of lines of a chart for each label of the vertical axis.
const LINES_PER_LABEL: u16 = 4;
/// The number of dots of a dash. A gap between two dashes is half as long.
const DASH: i32 = 6;
/// A curve is divided into this number of equal parts. Its letter is between the parts.
const LETTERS_ALONG: usize = 4;
/// The letter of the first other curve. The current curve has the letter `a`.
pub(super) const FIRST_OTHER_LETTER: char = 'b';
/// The columns of a letter after the end of a curve, with the blank before it.
const LETTER_WIDTH: u16 = 2;
/// The distance between two dots of a dotted curve.
const DOTTED: i32 = 4;

/// A chart of curves.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    pub curves: &'a Curves,
    pub is_log: bool,
    /// `true` if the vertical axis includes 0, so that it seldom changes while a curve grows.
    pub begins_at_zero: bool,
    /// The iteration of the marker; `None` if there is no marker.
    pub marker: Option<u64>,
    pub theme: &'a Theme,
}

/// Converts iterations and values to positions of braille dots.
struct Plot {
    /// The area of the curves.
    area: Rect,
    /// The number of columns to the right of the area, in which the curves have their letters.
    margin: u16,
    scale: AxisScale,
    /// The last iteration of the horizontal axis.
    last_iteration: u64,
}

/// The line style of a curve.
#[derive(Clone, Copy)]
struct LineStyle {
    stroke: Stroke,
    /// The curve is solid up to this iteration.
    solid_until: u64,
    /// The distance between two dots after `solid_until`. If it is 0, the curve is dashed.
    gap: i32,
}

impl Chart<'_> {
    /// Returns the plot for an area; `None` if the scale cannot show any value.
    fn plot(&self, area: Rect) -> Option<Plot> {
        // the last two lines are the horizontal axis and its labels
        let lines = area.height.saturating_sub(2);
        let zero = self.begins_at_zero.then_some(0.0);
        let values: Vec<f64> = self.curves.points().map(|(_, value)| value).chain(zero).collect();
        let scale = AxisScale::of(&values, self.is_log, (lines / LINES_PER_LABEL).clamp(1, 8))?;
        let label_width = scale.labels().iter().map(|(label, _)| width(label)).max().unwrap_or(0);
        // a blank and the vertical axis come after a label
        let left = (u16::try_from(label_width).unwrap_or(0) + 2).min(area.width);
        // the height is divided equally among the distances between labels; the lines that remain are above
        let steps = u16::try_from(scale.steps()).unwrap_or(u16::MAX);
        let height = if lines > steps { (lines - 1) / steps * steps + 1 } else { lines };
        let inside = Rect { x: area.x + left, y: area.y + lines - height, width: area.width - left, height };
        let plot = Plot { area: inside, margin: 0, scale, last_iteration: last_shown(self.curves) };
        let margin = plot.letters_in_a_row(self.curves) * LETTER_WIDTH;
        Some(Plot { area: Rect { width: inside.width.saturating_sub(margin), ..inside }, margin, ..plot })
    }

    /// Returns the iteration that is drawn at a cell of the screen.
    pub fn iteration_at(&self, area: Rect, x: u16, y: u16) -> Option<u64> {
        let plot = self.plot(area).filter(|plot| plot.area.contains((x, y).into()))?;
        // the column of an iteration increases with the iteration, so binary search finds it
        let column = x - plot.area.x;
        let (mut first, mut last) = (1, plot.last_iteration);
        while first < last {
            let middle = first + (last - first) / 2;
            if plot.column(middle) < column { first = middle + 1 } else { last = middle }
        }
        Some(first)
    }

    /// Draws the chart.
    pub fn render(&self, area: Rect, buf: &mut Buffer) {
        let Some(plot) = self.plot(area) else {
            let has_values = self.curves.points().next().is_some();
            let text = if has_values { "this scale cannot show any of the values" } else { "no values yet" };
            return text_at(buf, area, 2, 0, text, self.theme.style(StyleRole::Dim));
        };
        if plot.area.height < 2 || plot.area.width < 10 {
            return;
        }
        // without the blank lines above the plot
        let with_axes = Rect { y: plot.area.y, height: area.bottom() - plot.area.y, ..area };
        self.draw_axes(&plot, with_axes, buf);
        self.draw_curves(&plot, buf);
        self.draw_marks(&plot, buf);
    }

    /// Draws the axes with their labels.
    fn draw_axes(&self, plot: &Plot, area: Rect, buf: &mut Buffer) {
        let dim = self.theme.style(StyleRole::Dim);
        let axis = plot.area.x - area.x - 1;
        for y in 0..plot.area.height {
            text_at(buf, area, axis, y, "│", dim);
        }
        // a label is left out if its row has a label already
        let mut last_label_row = plot.area.height;
        for (label, position) in plot.scale.labels() {
            let y = plot.row(position);
            if y < last_label_row {
                text_ending_at(buf, area, axis - 1, y, &label, dim);
                text_at(buf, area, axis, y, "┤", dim);
                last_label_row = y;
            }
        }
        text_at(buf, area, axis, plot.area.height, &format!("└{}", "─".repeat(plot.area.width.into())), dim);
        let mut first_free_column = 0;
        for (iteration, label) in plot.iteration_labels() {
            let x = plot.column(iteration);
            let start = x.saturating_sub(u16::try_from(width(&label) / 2).unwrap_or(0));
            let end = start + u16::try_from(width(&label)).unwrap_or(0);
            if start >= first_free_column && end <= plot.area.width {
                text_at(buf, area, axis + 1 + x, plot.area.height, "┬", dim);
                text_at(buf, area, axis + 1 + start, plot.area.height + 1, &label, dim);
                first_free_column = end + 1;
            }
        }
    }

    /// Draws all curves. If there are several, each has its letter after its end. If there are at least three, those of other scenarios also have their letters
    /// along the curve.
    fn draw_curves(&self, plot: &Plot, buf: &mut Buffer) {
        let stroke = |style: Style, rank| Stroke { style, rank, is_thick: rank > 1, is_sparse: false, spot: None };
        let mut canvas = Canvas::new(plot.area);
        let faint = self.theme.style(StyleRole::Forward);
        let others = || self.curves.others.iter().enumerate();
        let style = |(n, curve): (usize, &Curve)| if curve.other_scenario.is_some() { scenario_style(self.theme, n) } else { faint };
        for (n, curve) in others() {
            plot.draw(&curve.points, LineStyle { stroke: stroke(style((n, curve)), 1), solid_until: 0, gap: DOTTED }, &mut canvas);
        }
        let current_style = self.theme.style(StyleRole::Backward);
        plot.draw(
            &self.curves.current.points,
            LineStyle { stroke: stroke(current_style, 2), solid_until: self.curves.known, gap: 0 },
            &mut canvas,
        );
        canvas.render(buf, &mut Spots::default());
        if self.curves.others.is_empty() {
            return;
        }
        for ((n, curve), letter) in
            others().zip(FIRST_OTHER_LETTER..).filter(|((_, curve), _)| self.curves.others.len() > 1 && curve.other_scenario.is_some())
        {
            // the letters of each curve are an eighth of a part after those of the curve before, so that they are not one above the other
            let along = (1..LETTERS_ALONG).map(|k| curve.points.len() * k / LETTERS_ALONG + curve.points.len() * n / (8 * LETTERS_ALONG));
            for place in along.filter_map(|at| curve.points.get(at)).filter_map(|point| plot.cell(*point)) {
                letter_along(buf, plot.area, place, letter, style((n, curve)));
            }
        }
        let with_margin = Rect { width: plot.area.width + plot.margin, ..plot.area };
        let all = [(&self.curves.current, current_style)].into_iter().chain(others().map(|(n, curve)| (curve, style((n, curve)))));
        for ((curve, style), letter) in all.zip('a'..) {
            if let Some(end) = curve.points.last().and_then(|point| plot.cell(*point)) {
                letter_after(buf, with_margin, end, letter, style);
            }
        }
    }

    /// Draws the sign of the iteration on the screen, and the marker with a line to the axis.
    fn draw_marks(&self, plot: &Plot, buf: &mut Buffer) {
        // no iteration is on the screen
        if self.curves.here == 0 {
            return;
        }
        let cell_of = |iteration: u64| self.curves.nearest(iteration).and_then(|point| plot.cell(point));
        let is_known = self.curves.current.points.last().is_some_and(|(last, _)| *last >= self.curves.here);
        // if the value of the iteration on the screen is not known yet, its mark is on the axis
        let here = if is_known { cell_of(self.curves.here) } else { Some([plot.column(self.curves.here), plot.area.height]) };
        let marker = self.marker.and_then(cell_of);
        if let Some([x, _]) = marker {
            for y in 0..plot.area.height {
                let cell = &mut buf[(plot.area.x + x, plot.area.y + y)];
                if cell.symbol() == " " {
                    cell.set_symbol("┊").set_style(self.theme.style(StyleRole::Dim));
                }
            }
        }
        if let Some([x, y]) = marker {
            text_at(buf, plot.area, x, y, MARKER, self.theme.style(StyleRole::Step));
        }
        if let Some([x, y]) = here {
            let role = if here == marker { StyleRole::Step } else { StyleRole::Result };
            let with_axis = Rect { height: plot.area.height + 1, ..plot.area };
            text_at(buf, with_axis, x, y, HERE, self.theme.style(role).not_underlined());
        }
    }
}

/// Returns the style of the curve of another scenario; n is its index among the other curves. It is a colour of shared weights. The first of these colours is
/// left out, because it is similar to the colour of the open scenario.
pub(super) fn scenario_style(theme: &Theme, n: usize) -> Style {
    theme.shared(n + 1)
}

/// Returns whether a cell of the area has a letter.
fn has_letter(buf: &Buffer, area: Rect, [x, y]: [u16; 2]) -> bool {
    x < area.width && buf[(area.x + x, area.y + y)].symbol().starts_with(|c: char| c.is_ascii_lowercase())
}

/// Writes the letter of a curve on the curve, unless another letter is there or beside it.
fn letter_along(buf: &mut Buffer, area: Rect, [x, y]: [u16; 2], letter: char, style: Style) {
    if !(x.saturating_sub(1)..=x + 1).any(|x| has_letter(buf, area, [x, y])) {
        text_at(buf, area, x, y, &letter.to_string(), style.bold());
    }
}

/// Writes the letter of a curve after its end, and after the letters of curves that end in the same cell.
fn letter_after(buf: &mut Buffer, area: Rect, [end, y]: [u16; 2], letter: char, style: Style) {
    let places = (1..).map(|n| end + n * LETTER_WIDTH).take_while(|x| *x < area.width);
    if let Some(x) = places.into_iter().find(|x| !has_letter(buf, area, [*x, y])) {
        text_at(buf, area, x, y, &letter.to_string(), style.bold());
    }
}

/// Returns the last iteration on the axis. If the descent has at most [`MAX_FULL_AXIS`] iterations or is complete, it is the last of all. Otherwise it is the
/// last computed one, rounded up, and at least [`MAX_FULL_AXIS`].
fn last_shown(curves: &Curves) -> u64 {
    let computed = curves.points().map(|(iteration, _)| iteration).max().unwrap_or(1);
    if curves.iterations <= MAX_FULL_AXIS || curves.is_complete {
        return curves.iterations.max(computed).max(2);
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the end of an axis is approximate"
    )]
    let rounded = round_up(computed as f64).ceil() as u64;
    rounded.max(MAX_FULL_AXIS).min(curves.iterations).max(computed)
}

impl Plot {
    /// Returns the largest number of curves that end in the same row; 0 if there is only one curve.
    fn letters_in_a_row(&self, curves: &Curves) -> u16 {
        if curves.others.is_empty() {
            return 0;
        }
        let ends = curves.others.iter().chain([&curves.current]).filter_map(|curve| curve.points.last());
        let rows: Vec<u16> = ends.filter_map(|(_, value)| Some(self.row(self.scale.position(*value)?))).collect();
        let in_row = |row: &u16| rows.iter().filter(|end_row| *end_row == row).count();
        u16::try_from(rows.iter().map(in_row).max().unwrap_or(0)).unwrap_or(u16::MAX)
    }

    /// Returns the column of dots of an iteration.
    fn dot_column(&self, iteration: u64) -> i32 {
        let dots = u64::from(self.area.width) * 2 - 1;
        let last = u128::from(self.last_iteration - 1);
        // (iteration − 1) / last · dots, rounded to the nearest dot
        let column = (u128::from(iteration - 1) * u128::from(dots) * 2 + last) / (last * 2);
        i32::try_from(column).unwrap_or(i32::MAX)
    }

    /// Returns the row of dots for a position on the vertical axis, from 0 at the bottom to 1 at the top. The positions 0 and 1 are in the middle of a cell,
    /// like the labels.
    fn dot_row(&self, position: f64) -> i32 {
        let dots = f64::from(self.area.height.saturating_sub(1)) * 4.0;
        #[expect(clippy::cast_possible_truncation, reason = "a position is at most 1")]
        // 1.5 is the middle of the rows 0 to 3, the dots of the first cell
        let row = libm::round(1.5 + (1.0 - position) * dots) as i32;
        row
    }

    /// Returns the column of cells of an iteration, from 0 at the left of the area.
    fn column(&self, iteration: u64) -> u16 {
        u16::try_from(self.dot_column(iteration) / 2).unwrap_or(u16::MAX)
    }

    /// Returns the row of cells for a position on the vertical axis, from 0 at the top of the area.
    fn row(&self, position: f64) -> u16 {
        u16::try_from(self.dot_row(position) / 4).unwrap_or(0).min(self.area.height.saturating_sub(1))
    }

    /// Returns the column and the row of a point's cell; `None` if the scale cannot show its value.
    fn cell(&self, (iteration, value): (u64, f64)) -> Option<[u16; 2]> {
        Some([self.column(iteration), self.row(self.scale.position(value)?)])
    }

    /// Draws a curve. If the scale cannot show a value, there is a gap.
    fn draw(&self, points: &[(u64, f64)], style: LineStyle, canvas: &mut Canvas) {
        let dot = |(iteration, value): (u64, f64)| Some([self.dot_column(iteration), self.dot_row(self.scale.position(value)?)]);
        for (n, point) in points.iter().enumerate() {
            let Some(to) = dot(*point) else { continue };
            let from = n.checked_sub(1).and_then(|before| dot(points[before])).unwrap_or(to);
            canvas.dot_line(from, to, style.stroke, |_, x| match style.gap {
                _ if point.0 <= style.solid_until => true,
                0 => x % (DASH + DASH / 2) < DASH,
                gap => x % gap == 0,
            });
        }
    }

    /// Returns the iterations with a label: the first one, and the multiples of a round number. The round number is the smallest of 1, 2, 5, 10, 20, 50, … for
    /// which the labels fit.
    fn iteration_labels(&self) -> Vec<(u64, String)> {
        #[expect(clippy::cast_precision_loss, reason = "a label is short")]
        let label = |iteration: u64| (iteration, short(iteration as f64));
        // the number of labels that fit, with four blanks between them
        let max_labels = u64::from(self.area.width) / (width(&label(self.last_iteration).1) as u64 + 4);
        let fits = |interval: &u64| self.last_iteration / *interval <= max_labels.max(1) || *interval > self.last_iteration;
        let powers_of_10 = (0..).map(|exponent| 10_u64.saturating_pow(exponent));
        let mut round_numbers = powers_of_10.flat_map(|power| [1, 2, 5].map(|digit| power.saturating_mul(digit)));
        let interval = round_numbers.find(fits).unwrap_or(u64::MAX);
        let multiples = (1..=self.last_iteration / interval).map(|n| n * interval).filter(|iteration| *iteration > 1);
        [1].into_iter().chain(multiples).map(label).collect()
    }
}
