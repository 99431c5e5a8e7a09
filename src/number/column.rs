//! The common format of the numbers in a column: as many decimals as fit, aligned at the decimal point.
//!
//! ```text
//!  0.5969
//! −0.1         4 decimals, 2 cells before the point, 5 from the point on;
//!  1           a number that needs fewer decimals is exact,
//!  3.1e−5      one that 4 decimals cannot show has an exponent
//! ```
//!
//! [`choose`] picks the notation from the largest number and the decimals needed; [`Format::within`] then measures the cells.

use std::fmt::Write as _;

use super::short::{ENOUGH, fixed, places, scientific, whole_or_none};

/// The default largest width of a column, in cells.
pub const CAP: usize = 8;

/// The smallest number of significant digits for the largest number of a column. If fewer fit, the column has exponents.
const LEAST: usize = 3;

/// The notation of the numbers in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Fixed point with at most this number of decimals; 0 for whole numbers.
    Fixed(usize),
    /// An exponent and at most this number of decimals in the mantissa.
    Scientific(usize),
}

/// The format of one tensor's numbers in a column that is aligned by the decimal point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub(super) style: Style,
    /// The number of cells before the point, including the sign.
    pub(super) left: usize,
    /// The number of cells from the point on, including the point.
    pub(super) right: usize,
}

impl Default for Format {
    /// The format of whole numbers of one digit.
    fn default() -> Self {
        Self { style: Style::Fixed(0), left: 1, right: 0 }
    }
}

impl Format {
    /// Returns the format for these numbers, at most about [`CAP`] cells wide.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        Self::within(CAP, values)
    }

    /// Returns the format for these numbers, at most `cap` cells wide; 8 if a smaller `cap` is too narrow.
    ///
    /// Another number that does not fit is drawn as `#`.
    #[must_use]
    pub fn within(cap: usize, values: impl IntoIterator<Item = f64>) -> Self {
        let cap = cap.max(3);
        let values: Vec<f64> = values.into_iter().collect();
        let style = choose(cap, values.iter().copied().filter(|v| v.is_finite()));
        let mut format = Self { style, left: 1, right: 0 };
        // shortcut: stop at the first number that needs the largest possible width, because making texts is slow
        let widest = format.widest(&values);
        for &v in &values {
            if (format.left, format.right) == widest {
                break;
            }
            if let Some(text) = format.candidates(v).next().filter(|_| v.is_finite()) {
                format.widen(&text, matches!(style, Style::Fixed(_)));
            }
        }
        let plain = Some(style).filter(|_| (format.left, format.right) == widest).and_then(plain);
        // with exponents every finite number fits already
        let has_room = |v: f64| matches!(style, Style::Scientific(_)) && v.is_finite();
        for &v in &values {
            if has_room(v) || plain.is_some_and(|plain| plain.has(v)) {
                continue;
            }
            if format.fitting(v).is_none() {
                let text = scientific(v, 0);
                if v.is_finite() {
                    format.widen(&text, false);
                } else {
                    format.left += text.chars().count() - format.width();
                }
            }
        }
        format
    }

    /// Returns a wider column: at least `left` cells before the point and `right` from the point on, but no more on the right than fit into [`CAP`].
    #[must_use]
    pub fn with_room(self, left: usize, right: usize) -> Self {
        let left = self.left.max(left);
        Self { left, right: self.right.max(right.min(CAP.saturating_sub(left))), ..self }
    }

    /// Returns whether the format was made for whole numbers only.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.style == Style::Fixed(0)
    }

    /// Returns upper bounds of `left` and `right` for these numbers.
    fn widest(&self, values: &[f64]) -> (usize, usize) {
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let largest = finite().fold(0.0_f64, |most, v| most.max(v.abs()));
        let sign = usize::from(finite().any(|v| v < 0.0));
        match self.style {
            Style::Fixed(decimals) => (sign + places(largest).max(1).unsigned_abs(), if decimals == 0 { 0 } else { decimals + 1 }),
            Style::Scientific(decimals) => {
                let least = finite().map(f64::abs).filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
                // the smallest or the largest number has the longest exponent
                let exponent = |v: f64| format!("{v:e}").split_once('e').map_or(0, |(_, exponent)| exponent.len());
                let longest = [least, largest].into_iter().filter(|v| *v > 0.0 && v.is_finite()).map(exponent).max().unwrap_or(0);
                (sign + 1, if decimals == 0 { 0 } else { 1 + decimals } + 1 + longest)
            }
        }
    }

    /// Widens the column for a text; with `plain`, a text with an exponent does not widen it.
    pub(super) fn widen(&mut self, text: &str, plain: bool) {
        if plain && text.contains('e') {
            return;
        }
        let (left, right) = split(text);
        self.left = self.left.max(left);
        self.right = self.right.max(right);
    }

    /// Returns the width of a number in cells.
    #[must_use]
    pub fn width(&self) -> usize {
        self.left + self.right
    }

    /// Returns the position of the units digit, in cells from 0.
    #[must_use]
    pub fn units(&self) -> usize {
        self.left.saturating_sub(1)
    }

    /// Returns a number without padding, or `#` in each cell if it does not fit.
    #[must_use]
    pub fn text(&self, value: f64) -> String {
        self.fitting(value).unwrap_or_else(|| "#".repeat(self.width()))
    }

    /// Returns a number in exactly [`Format::width`] cells, aligned by the point.
    #[must_use]
    pub fn cell(&self, value: f64) -> String {
        let text = self.text(value);
        self.align(&text)
    }

    /// Pads a text to the width of the column, with its point, or else its end, aligned with the others'.
    #[must_use]
    pub fn align(&self, text: &str) -> String {
        let (left, right) = split(text);
        let before = if left > self.left { self.width().saturating_sub(left + right) } else { self.left - left };
        let after = self.width().saturating_sub(before + left + right);
        let mut out = String::with_capacity(self.width() + 4);
        let _ = write!(out, "{:before$}{text}{:after$}", "", "");
        out
    }

    /// Returns the possible texts of a number, the best first.
    pub(super) fn candidates(&self, value: f64) -> impl Iterator<Item = String> + use<> {
        let (first, digits) = match self.style {
            Style::Fixed(decimals) => (fixed(value, decimals), 2),
            Style::Scientific(decimals) => (whole_or_none(value, 1), decimals),
        };
        first.into_iter().chain((0..=digits).rev().map(move |d| scientific(value, d)))
    }

    /// Returns the best text that fits; `None` if none fits.
    pub(super) fn fitting(&self, value: f64) -> Option<String> {
        self.candidates(value).find(|text| {
            let (left, right) = split(text);
            if value.is_finite() { left <= self.left && right <= self.right } else { left <= self.width() }
        })
    }
}

/// A quick test for numbers that surely fit a fixed-point column: zero, or at least two units of the last decimal.
#[derive(Clone, Copy)]
struct Plain {
    /// The smallest such magnitude.
    least: f64,
    /// Whether the numbers must be whole.
    whole: bool,
}

impl Plain {
    fn has(self, value: f64) -> bool {
        value == 0.0 || (value.abs() >= self.least && value.abs() < 1e15 && (!self.whole || value.fract() == 0.0))
    }
}

/// Returns the quick test for a style; `None` for exponents.
fn plain(style: Style) -> Option<Plain> {
    let Style::Fixed(decimals) = style else { return None };
    Some(Plain { least: 2.0 * 10_f64.powi(-i32::try_from(decimals).unwrap_or(i32::MAX)), whole: decimals == 0 })
}

/// Chooses the notation for finite numbers.
pub(super) fn choose(cap: usize, values: impl Iterator<Item = f64>) -> Style {
    let mut max = 0.0_f64;
    let mut negative = false;
    let mut decimals = 0;
    let mut whole = true;
    for v in values {
        max = max.max(v.abs());
        negative |= v < 0.0;
        if whole || decimals < cap {
            let needed = decimals_needed(v, cap);
            decimals = decimals.max(needed);
            whole &= needed == 0;
        }
    }
    let places = places(max);
    let before = usize::from(negative) + places.max(1).unsigned_abs();
    if before > cap {
        return Style::Scientific(cap.saturating_sub(usize::from(negative) + 5).min(LEAST));
    }
    if whole {
        return Style::Fixed(0);
    }
    // as many decimals as fit, and not more digits for the largest number than `ENOUGH`
    let room = cap.saturating_sub(before + 1);
    let enough = (ENOUGH.cast_signed() + isize::from(places > 0) - places).max(1).unsigned_abs();
    let shown = decimals.min(room).min(enough);
    let digits = shown.cast_signed() + places;
    if shown == decimals || digits >= LEAST.cast_signed() && shown > 0 {
        Style::Fixed(shown)
    } else {
        Style::Scientific(cap.saturating_sub(usize::from(negative) + 5).clamp(1, LEAST))
    }
}

/// Returns the number of decimals of the exact decimal text, at most `cap`.
fn decimals_needed(value: f64, cap: usize) -> usize {
    if value.fract() == 0.0 {
        return 0;
    }
    let text = format!("{value}");
    text.find('.').map_or(0, |point| (text.len() - point - 1).min(cap))
}

/// Returns the number of cells before the point or the exponent, and the number of the rest.
fn split(text: &str) -> (usize, usize) {
    let all = text.chars().count();
    match text.find(['.', 'e']) {
        Some(at) => {
            let left = text[..at].chars().count();
            (left, all - left)
        }
        None => (all, 0),
    }
}
