//! How a number is shown: short enough for a column, and never so short that it lies.
//!
//! The law, for every finite number: a shown number has the sign of what it stands for; it is zero only for zero; without a point
//! and without an exponent it is exact; and it is never rounded up to a whole number that it lies below (0.99996 is `0.9999`), nor,
//! with an exponent, to a power of ten.
//! Fewer decimals than the column has therefore mean that they are all: `1` is one, `1.0000` is a little more.
//!
//! On screen minus is U+2212; [`exact`] alone writes ASCII, for it is copied and read back.

use std::fmt::Write as _;

/// The widest a column of numbers gets unless told otherwise, in cells.
pub const CAP: usize = 8;

/// Digits of the largest number of a tensor that suffice, and fewer of which would tell too little.
const ENOUGH: usize = 4;
const LEAST: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Decimals at most; 0 where all numbers are whole.
    Fixed(usize),
    /// Decimals of the mantissa.
    Scientific(usize),
}

/// How the numbers of one tensor are shown in a column, aligned by the decimal point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    style: Style,
    /// Cells before the point, the sign among them, and from the point on.
    left: usize,
    right: usize,
}

impl Default for Format {
    /// One digit, whole.
    fn default() -> Self {
        Self { style: Style::Fixed(0), left: 1, right: 0 }
    }
}

impl Format {
    /// The format for these numbers, about [`CAP`] cells wide at most.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        Self::within(CAP, values)
    }

    /// The format for these numbers that stays within `cap` cells, or within 8 where a smaller `cap` would need more.
    ///
    /// A number outside the sample that does not fit is drawn as `#`.
    #[must_use]
    pub fn within(cap: usize, values: impl IntoIterator<Item = f64>) -> Self {
        let cap = cap.max(3);
        let values: Vec<f64> = values.into_iter().collect();
        let style = choose(cap, values.iter().copied().filter(|v| v.is_finite()));
        let mut format = Self { style, left: 1, right: 0 };
        // a text costs much more than a comparison: most numbers are as wide as the widest, and fit where that fits
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
        // with exponents every finite number has had the room that it wants
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

    /// The most cells before the point and from there on that these numbers can need.
    fn widest(&self, values: &[f64]) -> (usize, usize) {
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let largest = finite().fold(0.0_f64, |most, v| most.max(v.abs()));
        let sign = usize::from(finite().any(|v| v < 0.0));
        match self.style {
            Style::Fixed(decimals) => (sign + places(largest).max(1).unsigned_abs(), if decimals == 0 { 0 } else { decimals + 1 }),
            Style::Scientific(decimals) => {
                let least = finite().map(f64::abs).filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
                // the exponents between these two are no longer
                let exponent = |v: f64| format!("{v:e}").split_once('e').map_or(0, |(_, exponent)| exponent.len());
                let longest = [least, largest].into_iter().filter(|v| *v > 0.0 && v.is_finite()).map(exponent).max().unwrap_or(0);
                (sign + 1, if decimals == 0 { 0 } else { 1 + decimals } + 1 + longest)
            }
        }
    }

    /// Makes room for a text; with `plain` not for an exponent, which is fitted into what the others need where it can be.
    fn widen(&mut self, text: &str, plain: bool) {
        if plain && text.contains('e') {
            return;
        }
        let (left, right) = split(text);
        self.left = self.left.max(left);
        self.right = self.right.max(right);
    }

    /// The cells that a number of this format takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.left + self.right
    }

    /// The cell in which the units stand, from 0.
    #[must_use]
    pub fn units(&self) -> usize {
        self.left.saturating_sub(1)
    }

    /// The number, without the blanks that align it; `#` in each cell when it has no room.
    #[must_use]
    pub fn text(&self, value: f64) -> String {
        self.fitting(value).unwrap_or_else(|| "#".repeat(self.width()))
    }

    /// The number in exactly [`Format::width`] cells, its point under the other points.
    #[must_use]
    pub fn cell(&self, value: f64) -> String {
        let text = self.text(value);
        self.align(&text)
    }

    /// A mark in the cells of a number, where the units stand.
    #[must_use]
    pub fn align(&self, text: &str) -> String {
        let (left, right) = split(text);
        let before = if left > self.left { self.width().saturating_sub(left + right) } else { self.left - left };
        let after = self.width().saturating_sub(before + left + right);
        let mut out = String::with_capacity(self.width() + 4);
        let _ = write!(out, "{:before$}{text}{:after$}", "", "");
        out
    }

    /// The texts for a number, the most telling first.
    fn candidates(&self, value: f64) -> impl Iterator<Item = String> + use<> {
        let (first, digits) = match self.style {
            Style::Fixed(decimals) => (fixed(value, decimals), 2),
            Style::Scientific(decimals) => (whole_or_none(value, 1), decimals),
        };
        first.into_iter().chain((0..=digits).rev().map(move |d| scientific(value, d)))
    }

    fn fitting(&self, value: f64) -> Option<String> {
        self.candidates(value).find(|text| {
            let (left, right) = split(text);
            if value.is_finite() { left <= self.left && right <= self.right } else { left <= self.width() }
        })
    }
}

/// Numbers that surely have decimals to show, or need none.
#[derive(Clone, Copy)]
struct Plain {
    least: f64,
    whole: bool,
}

impl Plain {
    fn has(self, value: f64) -> bool {
        value == 0.0 || (value.abs() >= self.least && value.abs() < 1e15 && (!self.whole || value.fract() == 0.0))
    }
}

/// The plain numbers of a style; `None` for exponents.
fn plain(style: Style) -> Option<Plain> {
    let Style::Fixed(decimals) = style else { return None };
    Some(Plain { least: 2.0 * 10_f64.powi(-i32::try_from(decimals).unwrap_or(i32::MAX)), whole: decimals == 0 })
}

/// Fixed decimals or an exponent, for numbers that are all finite.
fn choose(cap: usize, values: impl Iterator<Item = f64>) -> Style {
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
    // Decimals with room for them, and those after which the largest number has digits enough.
    let room = cap.saturating_sub(before + 1);
    let enough = (ENOUGH.cast_signed() + isize::from(places > 0) - places).max(1).unsigned_abs();
    let shown = decimals.min(room).min(enough);
    let told = shown.cast_signed() + places;
    if shown == decimals || told >= LEAST.cast_signed() && shown > 0 {
        Style::Fixed(shown)
    } else {
        Style::Scientific(cap.saturating_sub(usize::from(negative) + 5).clamp(1, LEAST))
    }
}

/// Digits before the point: 3 for 123.4, 0 for 0.5, -2 for 0.00123.
#[expect(clippy::cast_possible_truncation, reason = "the exponent of an f64 is small")]
fn places(magnitude: f64) -> isize {
    if magnitude == 0.0 { 1 } else { magnitude.log10().floor() as isize + 1 }
}

/// Decimals without which the number is not exact, at most `cap`.
fn decimals_needed(value: f64, cap: usize) -> usize {
    if value.fract() == 0.0 {
        return 0;
    }
    let text = format!("{value}");
    text.find('.').map_or(0, |point| (text.len() - point - 1).min(cap))
}

/// Cells before the point (or the exponent), and from there on.
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

fn word(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("nan")
    } else if value == f64::INFINITY {
        Some("inf")
    } else if value == f64::NEG_INFINITY {
        Some("−inf")
    } else {
        None
    }
}

/// A whole number of at most `digits` digits, a word, or none.
fn whole_or_none(value: f64, digits: i32) -> Option<String> {
    if let Some(word) = word(value) {
        return Some(word.to_owned());
    }
    (value.fract() == 0.0 && value.abs() < 10_f64.powi(digits)).then(|| signed(value, &format!("{}", value.abs())))
}

fn signed(value: f64, magnitude: &str) -> String {
    if value < 0.0 { format!("−{magnitude}") } else { magnitude.to_owned() }
}

/// The number with at most so many decimals, fewer when they are exact; none when that would break the law.
fn fixed(value: f64, decimals: usize) -> Option<String> {
    if let Some(whole) = whole_or_none(value, 15) {
        return Some(whole);
    }
    let magnitude = value.abs();
    if magnitude >= 1e15 {
        return None;
    }
    let mut text = format!("{magnitude:.decimals$}");
    let read = text.parse::<f64>().ok()?;
    if read.total_cmp(&magnitude).is_eq() {
        return Some(signed(value, text.trim_end_matches('0')));
    }
    if read == 0.0 || decimals == 0 {
        return None;
    }
    if read > magnitude && read.fract() == 0.0 {
        // Rounded up to a whole number: cut instead.
        text = format!("{}.{:9<decimals$}", magnitude.trunc(), "");
    }
    // Cut down to zero.
    text.bytes().any(|b| (b'1'..=b'9').contains(&b)).then(|| signed(value, &text))
}

/// The number with an exponent and so many decimals of the mantissa, fewer when they are exact.
fn scientific(value: f64, decimals: usize) -> String {
    if let Some(word) = word(value) {
        return word.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    let exact = format!("{magnitude:e}");
    let (mantissa, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
    if mantissa.len() <= 2 + decimals && (decimals > 0 || mantissa.len() == 1) {
        return signed(value, &exact.replace("e-", "e−"));
    }
    let mut text = format!("{magnitude:.decimals$e}");
    if !text.ends_with(&format!("e{exponent}")) || text.parse::<f64>().is_ok_and(f64::is_infinite) {
        // Rounded up to the next power of ten, or beyond what an f64 holds: cut instead.
        let end = if decimals == 0 { 1 } else { 2 + decimals };
        text = format!("{}e{exponent}", &mantissa[..end]);
    }
    signed(value, &text.replace("e-", "e−"))
}

/// The number in an equation, with about 4 digits: `0.05`, `−0.12`, `1.2e−9`; whole numbers plain.
#[must_use]
pub fn short(value: f64) -> String {
    brief(value, ENOUGH)
}

/// The same with about so many digits, at least one.
#[must_use]
pub fn brief(value: f64, enough: usize) -> String {
    let magnitude = value.abs();
    if let Some(whole) = whole_or_none(value, 7) {
        return whole;
    }
    // Exact and short is best.
    let digits = || format!("{magnitude:e}").bytes().take_while(|&b| b != b'e').filter(u8::is_ascii_digit).count();
    let plain = (1e-3..1e6).contains(&magnitude) || ((1e-4..1e6).contains(&magnitude) && digits() <= 2);
    if plain {
        let decimals = (enough.cast_signed() - places(magnitude)).max(1).unsigned_abs();
        if let Some(text) = fixed(value, decimals) {
            return text;
        }
    }
    scientific(value, enough.max(1) - 1)
}

/// The fewest digits that read back to the same number, in ASCII: `0.1`, `-2`, `1e-9`, `inf`, `nan`; a negative zero is `-0`.
#[must_use]
pub fn exact(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests;
