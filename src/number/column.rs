//! The common format of the numbers in a column. The decimal points are aligned. The width and the number of significant digits limit the decimals.
//!
//! ```text
//!  0.5969      The column has 4 decimals: 2 cells before the point, and 5 from the point on.
//! −0.1         A number that needs fewer decimals is exact.
//!  1
//!  3.1e−5      A number that 4 decimals would round to 0 has an exponent.
//! ```
//!
//! [`choose_style`] chooses fixed point or exponents from the largest number and the decimals that the numbers need. [`ColumnFormat::within`] then computes
//! the width from the texts.

use smallvec::SmallVec;

use super::short::{Digits, FIXED_LIMIT, fixed, integer_digits, scientific, whole_or_word};

/// The smallest number of significant digits of the largest number for which the column has fixed point. If fewer fit, the column has exponents, unless it
/// shows all decimals that its numbers have.
const MIN_DIGITS: usize = 3;

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
pub struct ColumnFormat {
    pub(super) style: Style,
    /// The number of significant digits.
    pub(super) digits: Digits,
    /// The number of cells before the point, including the sign.
    pub(super) before_point: usize,
    /// The number of cells from the point on, including the point.
    pub(super) from_point: usize,
}

impl Default for ColumnFormat {
    /// The format for whole numbers of one digit.
    fn default() -> Self {
        Self { style: Style::Fixed(0), digits: Digits::default(), before_point: 1, from_point: 0 }
    }
}

impl ColumnFormat {
    /// Returns the format for these numbers with the default number of digits.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        Self::with(Digits::default(), values)
    }

    /// Returns the format for these numbers with this number of digits, at most about [`Digits::column_width`] cells wide.
    #[must_use]
    pub fn with(digits: Digits, values: impl IntoIterator<Item = f64>) -> Self {
        Self::with_digits_within(digits, digits.column_width(), values)
    }

    /// Returns the format for these numbers, at most about `cap` cells wide. A column with exponents can be some cells wider.
    ///
    /// All of these numbers fit. If a number that is added later does not fit, it is drawn as `#`.
    #[must_use]
    pub fn within(cap: usize, values: impl IntoIterator<Item = f64>) -> Self {
        Self::with_digits_within(Digits::default(), cap, values)
    }

    /// Returns the format for these numbers with this number of digits, at most about `cap` cells wide.
    pub(super) fn with_digits_within(digits: Digits, cap: usize, values: impl IntoIterator<Item = f64>) -> Self {
        let cap = cap.max(3); // fewer than 3 cells have no room for a decimal, as in `0.5`
        // a picture of a graph has hundreds of columns with one number each, which need no allocation
        let values: SmallVec<[f64; 4]> = values.into_iter().collect();
        let (style, range) = choose_style(digits, cap, values.iter().copied().filter(|v| v.is_finite()));
        let mut format = Self { style, digits, before_point: 1, from_point: 0 };
        // formatting texts is slow, so the loop ends when the column has the largest possible width
        let max_widths = format.max_widths(&values, range);
        for &v in &values {
            if (format.before_point, format.from_point) == max_widths {
                break;
            }
            if let Some(text) = format.candidates(v).next().filter(|_| v.is_finite()) {
                let ignore_exponents = matches!(style, Style::Fixed(_));
                format.widen(&text, ignore_exponents);
            }
        }
        // the quick test is valid only if the column has the largest possible width
        let quick_fit = Some(style).filter(|_| (format.before_point, format.from_point) == max_widths).and_then(QuickFit::new);
        // the first loop has already widened a column with exponents for every finite number
        let is_measured = |v: f64| matches!(style, Style::Scientific(_)) && v.is_finite();
        for &v in &values {
            if is_measured(v) || quick_fit.is_some_and(|quick_fit| quick_fit.surely_fits(v)) {
                continue;
            }
            if format.fitting_text(v).is_none() {
                // an exponent or a word such as `nan` can need more cells than the texts before it
                let text = scientific(v, 0);
                if v.is_finite() {
                    let ignore_exponents = false;
                    format.widen(&text, ignore_exponents);
                } else {
                    // the word does not fit, so it is wider than the column
                    format.before_point += text.chars().count() - format.width();
                }
            }
        }
        format
    }

    /// Returns the column with room for later numbers: at least `before_point` cells before the point, and `from_point` cells for the point and the decimals.
    /// If the column would be wider than [`Digits::column_width`], it gets fewer decimals.
    #[must_use]
    pub fn with_room(self, before_point: usize, from_point: usize) -> Self {
        let before_point = self.before_point.max(before_point);
        let room = self.digits.column_width().saturating_sub(before_point);
        Self { before_point, from_point: self.from_point.max(from_point.min(room)), ..self }
    }

    /// Returns the format with at least the decimals of another format, if both are in fixed point. If the other format has more decimals, a number that fits
    /// both then has the same text in both.
    #[must_use]
    pub fn with_decimals_of(self, other: &Self) -> Self {
        match (self.style, other.style) {
            (Style::Fixed(decimals), Style::Fixed(other_decimals)) if other_decimals > decimals => {
                Self { style: other.style, from_point: self.from_point.max(other.from_point), ..self }
            }
            _ => self,
        }
    }

    /// Returns the number of decimals for which the column has room.
    #[must_use]
    pub fn decimals(&self) -> usize {
        self.from_point.saturating_sub(1)
    }

    /// Returns the largest possible `before_point` and `from_point` for these numbers.
    fn max_widths(&self, values: &[f64], ValueRange { largest, integer_digits, has_negative }: ValueRange) -> (usize, usize) {
        let sign = usize::from(has_negative);
        match self.style {
            Style::Fixed(decimals) => (sign + integer_digits.max(1).unsigned_abs(), if decimals == 0 { 0 } else { decimals + 1 }),
            Style::Scientific(decimals) => {
                let finite = values.iter().filter(|v| v.is_finite());
                let smallest = finite.map(|v| v.abs()).filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
                // the longest exponent is that of the smallest or of the largest number
                let exponent_len = |v: f64| format!("{v:e}").split_once('e').map_or(0, |(_, exponent)| exponent.len());
                let longest = [smallest, largest].into_iter().filter(|v| *v > 0.0 && v.is_finite()).map(exponent_len).max().unwrap_or(0);
                let point_and_decimals = if decimals == 0 { 0 } else { 1 + decimals };
                let e = 1;
                (sign + 1, point_and_decimals + e + longest)
            }
        }
    }

    /// Widens the column until `text` fits. With `ignore_exponents`, a text with an exponent changes nothing.
    pub(super) fn widen(&mut self, text: &str, ignore_exponents: bool) {
        if ignore_exponents && text.contains('e') {
            return;
        }
        let (before, from) = split_at_point(text);
        self.before_point = self.before_point.max(before);
        self.from_point = self.from_point.max(from);
    }

    /// Returns the width of the column in cells.
    #[must_use]
    pub fn width(&self) -> usize {
        self.before_point + self.from_point
    }

    /// Returns the position of the units digit (the last digit before the point) in the text of [`ColumnFormat::cell`]: 0 for the leftmost character.
    #[must_use]
    pub fn units(&self) -> usize {
        self.before_point.saturating_sub(1)
    }

    /// Returns the text of a number without padding. If it does not fit, returns one `#` for each cell of the width.
    #[must_use]
    pub fn text(&self, value: f64) -> String {
        self.fitting_text(value).unwrap_or_else(|| "#".repeat(self.width()))
    }

    /// Returns the text of a number without padding. If it does not fit, returns the text of [`Digits::short`].
    #[must_use]
    pub fn text_or_short(&self, value: f64) -> String {
        self.fitting_text(value).unwrap_or_else(|| self.digits.short(value))
    }

    /// Returns the text of a number without padding. It is the text of the column, if the column has no exponents and shows at most one significant digit too
    /// few. Otherwise it is that of [`Digits::short`].
    #[must_use]
    pub fn precise_text(&self, value: f64) -> String {
        let is_precise = |text: &String| {
            let read = text.replace('−', "-").parse::<f64>();
            // with four digits, half a unit of the third digit is at most 0.5 %
            let tolerance = 0.5 * 10_f64.powi(2 - i32::try_from(self.digits.count()).unwrap_or(i32::MAX));
            !value.is_finite() || read.is_ok_and(|read| (read - value).abs() <= tolerance * value.abs())
        };
        let is_fixed = matches!(self.style, Style::Fixed(_));
        self.fitting_text(value).filter(|text| is_fixed && is_precise(text)).unwrap_or_else(|| self.digits.short(value))
    }

    /// Returns the text of a number, aligned at the point and padded to [`ColumnFormat::width`].
    #[must_use]
    pub fn cell(&self, value: f64) -> String {
        let text = self.text(value);
        self.align(&text)
    }

    /// Pads a text to the width of the column. The point of the text is at the column's point. If the text has no point, its `e` or its end is there.
    #[must_use]
    pub fn align(&self, text: &str) -> String {
        let (before, from) = split_at_point(text);
        // a word such as `−inf` may be wider than the part before the point; then it ends at the right edge
        let left_pad = if before > self.before_point { self.width().saturating_sub(before + from) } else { self.before_point - before };
        let right_pad = self.width().saturating_sub(left_pad + before + from);
        let mut out = String::with_capacity(left_pad + text.len() + right_pad);
        out.extend(std::iter::repeat_n(' ', left_pad));
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', right_pad));
        out
    }

    /// Returns the possible texts of a number, the best first.
    pub(super) fn candidates(&self, value: f64) -> impl Iterator<Item = String> + use<> {
        // the first candidate; the candidates after it have exponents, and at most `max_decimals` decimals before the e
        let (first, max_decimals) = match self.style {
            // the cells of a point and n decimals have room for a point, n − 2 decimals and a short exponent, such as e5. Here n is the number of digits,
            // and few columns have more decimals
            Style::Fixed(decimals) => (fixed(value, decimals), self.digits.count() - 2),
            Style::Scientific(decimals) => (whole_or_word(value, 1), decimals),
        };
        first.into_iter().chain((0..=max_decimals).rev().map(move |decimals| scientific(value, decimals)))
    }

    /// Returns the best text that fits; `None` if no text fits.
    pub(super) fn fitting_text(&self, value: f64) -> Option<String> {
        self.candidates(value).find(|text| {
            let (before, from) = split_at_point(text);
            if value.is_finite() { before <= self.before_point && from <= self.from_point } else { before <= self.width() }
        })
    }
}

/// A quick test for numbers that certainly fit a fixed-point column of the largest possible width. They are zero, and numbers of at least two units of the last
/// decimal. A smaller number could be rounded to zero, and would then need an exponent, so it needs the slow test.
#[derive(Clone, Copy)]
struct QuickFit {
    /// The smallest absolute value, except zero, that certainly fits.
    least: f64,
    /// `true` if only whole numbers fit.
    must_be_whole: bool,
}

impl QuickFit {
    /// Returns the test for a column with this style; `None` for exponents.
    fn new(style: Style) -> Option<Self> {
        let Style::Fixed(decimals) = style else { return None };
        let unit = 10_f64.powi(-i32::try_from(decimals).unwrap_or(i32::MAX));
        Some(Self { least: 2.0 * unit, must_be_whole: decimals == 0 })
    }

    /// Returns whether a number certainly fits. If the result is `false`, it may fit nevertheless.
    fn surely_fits(self, value: f64) -> bool {
        value == 0.0 || (value.abs() >= self.least && value.abs() < FIXED_LIMIT && (!self.must_be_whole || value.fract() == 0.0))
    }
}

/// The cells of a text in scientific notation without its sign and decimals: a digit, the point, and an exponent such as `e−9`.
const SCIENTIFIC_CELLS: usize = 5;

/// The largest of some finite numbers without their signs, and whether one of them is below zero.
#[derive(Clone, Copy)]
pub(super) struct ValueRange {
    largest: f64,
    /// The number of digits of the largest number before the point, as [`integer_digits`] counts them.
    integer_digits: isize,
    has_negative: bool,
}

/// Chooses the notation for a column of finite numbers with this number of digits, at most `cap` cells wide. Also returns the range of the numbers.
pub(super) fn choose_style(digits: Digits, cap: usize, values: impl Iterator<Item = f64>) -> (Style, ValueRange) {
    let mut largest = 0.0_f64;
    let mut has_negative = false;
    let mut decimals = 0;
    let mut all_whole = true;
    for v in values {
        largest = largest.max(v.abs());
        has_negative |= v < 0.0;
        if all_whole || decimals < cap {
            let needed = decimals_needed(v, cap);
            decimals = decimals.max(needed);
            all_whole &= needed == 0;
        }
    }
    let range = ValueRange { largest, integer_digits: integer_digits(largest), has_negative };
    (range.style(digits, cap, if all_whole { None } else { Some(decimals) }), range)
}

impl ValueRange {
    /// Chooses the notation. `decimals` is the number of decimals that the numbers have; `None` if all are whole.
    fn style(self, digits: Digits, cap: usize, decimals: Option<usize>) -> Style {
        let Self { integer_digits, has_negative, .. } = self;
        let sign = usize::from(has_negative);
        // a number below 1 has a 0 before its point, so there is at least one digit there
        let before_point = sign + integer_digits.max(1).unsigned_abs();
        if before_point > cap {
            return Style::Scientific(cap.saturating_sub(sign + SCIENTIFIC_CELLS).min(digits.count() - 1));
        }
        let Some(decimals) = decimals else { return Style::Fixed(0) };
        // the number of decimals has three limits: the decimals that the numbers have (`decimals`), the decimals that fit (`room`), and the decimals with
        // which the largest number has enough significant digits (`useful`)
        let room = cap.saturating_sub(before_point + 1);
        // numbers from 1 on get one more decimal than the significant digits need: with four digits, 12.375 may have three decimals
        let useful = (digits.count().cast_signed() + isize::from(integer_digits > 0) - integer_digits).max(1).unsigned_abs();
        let shown = decimals.min(room).min(useful);
        let digits_of_largest = shown.cast_signed() + integer_digits;
        if shown == decimals || digits_of_largest >= MIN_DIGITS.cast_signed() && shown > 0 {
            Style::Fixed(shown)
        } else {
            Style::Scientific(cap.saturating_sub(sign + SCIENTIFIC_CELLS).clamp(1, digits.count() - 1))
        }
    }
}

/// Returns the number of decimals of the exact decimal text, at most `cap`.
fn decimals_needed(value: f64, cap: usize) -> usize {
    if value.fract() == 0.0 {
        return 0;
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format(value);
    let decimals = |text: &str| text.find('.').map_or(0, |point| (text.len() - point - 1).min(cap));
    // `{}` has no exponent, but takes longer
    if shortest.contains('e') { decimals(&format!("{value}")) } else { decimals(shortest) }
}

/// Returns the number of cells before the point (or before the exponent if there is no point), and the number of the remaining cells.
fn split_at_point(text: &str) -> (usize, usize) {
    let all = text.chars().count();
    match text.find(['.', 'e']) {
        Some(at) => {
            let before = text[..at].chars().count();
            (before, all - before)
        }
        None => (all, 0),
    }
}
