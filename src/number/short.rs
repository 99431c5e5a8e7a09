//! The short text of one number on the screen. It is rounded to a few digits ([`Digits`]). It follows the law of short numbers in [`number`](super): rounding
//! never changes the sign, and a number other than 0 is never rounded to 0 or up to a whole number.

use super::not_finite_word;

/// The number of significant digits of the numbers on the screen. A whole number has all its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digits(usize);

impl Default for Digits {
    fn default() -> Self {
        Self(4)
    }
}

impl Digits {
    /// The smallest number of digits. With two, most steps of a sum would not change the text of the sum.
    pub const MIN: usize = 3;
    /// The largest number of digits. With more, the numbers of an equation would not fit on a narrow screen.
    pub const MAX: usize = 8;

    /// Returns this number of digits; `None` unless it is from [`Digits::MIN`] to [`Digits::MAX`].
    #[must_use]
    pub fn new(count: usize) -> Option<Self> {
        (Self::MIN..=Self::MAX).contains(&count).then_some(Self(count))
    }

    /// Returns the number of digits.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0
    }

    /// Returns a number with about this many digits: `0.05`, `−0.12`, `1.2e−9`, `3`.
    #[must_use]
    pub fn short(self, value: f64) -> String {
        with_digits(value, self.0)
    }

    /// Returns the width in cells of a typical number in an equation, such as −0.1234. An equation keeps this width free for each number that is not computed
    /// yet.
    #[must_use]
    pub const fn typical_width(self) -> usize {
        // the sign, a 0 and the point
        self.0 + 3
    }

    /// Returns the default for the largest width of a column in cells: 8 for 4 digits, which is enough for −12.3456.
    #[must_use]
    pub const fn column_width(self) -> usize {
        self.0 + 4
    }
}

/// The largest number of digits before the point in fixed point. An f64 has about 15 decimal digits.
const FIXED_DIGITS: i32 = 15;
/// 10 to the power of [`FIXED_DIGITS`]. A number of at least this magnitude needs an exponent.
pub(super) const FIXED_LIMIT: f64 = 1e15;

/// Returns the number of digits before the point, ⌊log₁₀ magnitude⌋ + 1. It is 3 for 123.4, and 0 for 0.5. It is −2 for 0.00123, which has two zeros after the
/// point. It is 1 for 0.
#[expect(clippy::cast_possible_truncation, reason = "the exponent of an f64 is small")]
pub(super) fn integer_digits(magnitude: f64) -> isize {
    if magnitude == 0.0 { 1 } else { libm::log10(magnitude).floor() as isize + 1 }
}

/// Returns the word for a number that is not finite, with a minus sign instead of a hyphen; `None` for a finite number.
fn word(value: f64) -> Option<&'static str> {
    not_finite_word(value).map(|word| if word == "-inf" { "−inf" } else { word })
}

/// Returns the text of a whole number of at most `digits` digits, or the word for a number that is not finite; `None` for any other number.
pub(super) fn whole_or_word(value: f64, digits: i32) -> Option<String> {
    if let Some(word) = word(value) {
        return Some(word.to_owned());
    }
    (value.fract() == 0.0 && value.abs() < 10_f64.powi(digits)).then(|| signed(value, whole_text(value.abs())))
}

/// Returns the digits of a whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of at most 15 digits, without a sign")]
fn whole_text(magnitude: f64) -> String {
    // an integer is written faster than an f64
    if magnitude < FIXED_LIMIT { (magnitude as u64).to_string() } else { magnitude.to_string() }
}

/// Puts the sign of `value` before the text of its magnitude.
fn signed(value: f64, magnitude: String) -> String {
    if value < 0.0 { ["−", &magnitude].concat() } else { magnitude }
}

/// The numbers below this limit, with at most [`QUICK_DECIMALS`] decimals, have at most 15 digits. So two different texts of this kind are never the same f64.
const QUICK_LIMIT: f64 = 1e6;
const QUICK_DECIMALS: usize = 9;

/// The result of [`rounded_shortest`].
pub(super) enum Rounded {
    /// The text.
    Text(String),
    /// The text would break the law of short numbers.
    BreaksLaw,
    /// The method does not apply: the number or the number of decimals is too large, the shortest digits have an exponent, or they are in the middle between
    /// two texts.
    Undecided,
}

/// Returns the text of [`fixed`] for a number above 0 that is not whole. Its shortest digits, from which the same bits can be read back, are rounded. This is
/// faster than rounding the number itself, and has the same result, unless the shortest digits are in the middle between two texts.
pub(super) fn rounded_shortest(magnitude: f64, decimals: usize) -> Rounded {
    if magnitude >= QUICK_LIMIT || decimals > QUICK_DECIMALS {
        return Rounded::Undecided;
    }
    let mut buffer = zmij::Buffer::new();
    let exact = buffer.format_finite(magnitude);
    let Some(point) = exact.find('.').filter(|_| !exact.contains('e')) else { return Rounded::Undecided };
    let end = point + 1 + decimals;
    let Some(dropped) = exact.as_bytes().get(end..).filter(|dropped| !dropped.is_empty()) else { return Rounded::Text(exact.to_owned()) };
    if dropped == b"5" {
        return Rounded::Undecided;
    }
    if decimals == 0 {
        return Rounded::BreaksLaw;
    }
    let mut text = exact.as_bytes()[..end].to_vec();
    let is_up = dropped[0] >= b'5';
    // a number that would be rounded up to a whole number is cut instead: its decimals are nines
    if is_up && text[point + 1..].iter().any(|digit| *digit != b'9') {
        let last = text.iter().rposition(|digit| *digit != b'9').unwrap_or(0);
        text[last] += 1;
        text[last + 1..].fill(b'0');
    }
    let is_zero = text.iter().all(|byte| matches!(byte, b'0' | b'.'));
    String::from_utf8(text).ok().filter(|_| !is_zero).map_or(Rounded::BreaksLaw, Rounded::Text)
}

/// Returns a number in fixed point with `decimals` decimals. If a shorter text is exact, it has fewer. Returns `None` if this text would break the law, or if
/// the number has more than 15 digits before the point.
pub(super) fn fixed(value: f64, decimals: usize) -> Option<String> {
    if let Some(whole) = whole_or_word(value, FIXED_DIGITS) {
        return Some(whole);
    }
    let magnitude = value.abs();
    if magnitude >= FIXED_LIMIT {
        return None;
    }
    match rounded_shortest(magnitude, decimals) {
        Rounded::Text(text) => return Some(signed(value, text)),
        Rounded::BreaksLaw => return None,
        Rounded::Undecided => {}
    }
    let mut text = format!("{magnitude:.decimals$}");
    let rounded = text.parse::<f64>().ok()?;
    if rounded.total_cmp(&magnitude).is_eq() {
        text.truncate(text.trim_end_matches('0').len());
        return Some(signed(value, text));
    }
    if rounded == 0.0 || decimals == 0 {
        return None;
    }
    if rounded > magnitude && rounded.fract() == 0.0 {
        // the number was rounded up to a whole number, such as 0.99996 to `1.0000`, so every decimal becomes a nine
        text = format!("{}.{:9<decimals$}", magnitude.trunc(), "");
    }
    Some(signed(value, text))
}

/// Returns a number with an exponent. The part before the e has `decimals` decimals. If a shorter text is exact, it has fewer.
pub(super) fn scientific(value: f64, decimals: usize) -> String {
    if let Some(word) = word(value) {
        return word.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    let exact = format!("{magnitude:e}");
    let (mantissa, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
    // the length of the part before the e: the digit before the point, the point, and the decimals
    let mantissa_len = if decimals == 0 { 1 } else { 2 + decimals };
    if mantissa.len() <= mantissa_len {
        return signed(value, exact.replace("e-", "e−"));
    }
    let mut text = format!("{magnitude:.decimals$e}");
    if !text.ends_with(&format!("e{exponent}")) || text.parse::<f64>().is_ok_and(f64::is_infinite) {
        // the number was rounded up to a power of ten, such as 9.9996e5 to 1.000e6, or to infinity, so the exact digits are cut off instead
        text = format!("{}e{exponent}", &mantissa[..mantissa_len]);
    }
    signed(value, text.replace("e-", "e−"))
}

/// Returns a number with the default number of digits, about four: `0.05`, `−0.12`, `1.2e−9`, `3`.
#[must_use]
pub fn short(value: f64) -> String {
    Digits::default().short(value)
}

/// Returns a number with about this many significant digits, at least one. A whole number below 10⁷ has all its digits.
#[must_use]
pub fn with_digits(value: f64, significant_digits: usize) -> String {
    let magnitude = value.abs();
    if let Some(whole) = whole_or_word(value, 7) {
        return whole;
    }
    // the number of digits of the exact text
    let digits = || format!("{magnitude:e}").bytes().take_while(|&b| b != b'e').filter(u8::is_ascii_digit).count();
    // `0.0005` is easier to read than `5e−4`, but `1.234e−4` is easier to read than `0.0001234`
    let is_fixed = (1e-3..1e6).contains(&magnitude) || ((1e-4..1e6).contains(&magnitude) && digits() <= 2);
    if is_fixed {
        let decimals = (significant_digits.cast_signed() - integer_digits(magnitude)).max(1).unsigned_abs();
        if let Some(text) = fixed(value, decimals) {
            return text;
        }
    }
    scientific(value, significant_digits.max(1) - 1)
}

/// Rounds a magnitude up to one of …, 0.8, 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, …
///
/// The result is used as the end of a scale, such as that of a chart. Because these numbers are far apart, the scale seldom changes when more numbers are
/// computed.
#[must_use]
pub fn round_up(magnitude: f64) -> f64 {
    if magnitude == 0.0 || !magnitude.is_finite() {
        return magnitude;
    }
    let power = libm::pow(10.0, libm::floor(libm::log10(magnitude)));
    [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|end| *end >= magnitude)
        .unwrap_or(magnitude)
}
