//! The short text of one number on the screen, by the law in [`number`](super): rounded to fit, but never to a wrong sign, to zero or up to a whole number.

use super::not_finite;

/// The number of significant digits on the screen.
pub(super) const ENOUGH: usize = 4;

/// Returns ⌊log₁₀ magnitude⌋ + 1, the number of digits before the point: 3 for 123.4, 0 for 0.5, −2 for 0.00123.
#[expect(clippy::cast_possible_truncation, reason = "the exponent of an f64 is small")]
pub(super) fn places(magnitude: f64) -> isize {
    if magnitude == 0.0 { 1 } else { magnitude.log10().floor() as isize + 1 }
}

/// Returns the word for a number that is not finite, with the screen's minus.
fn word(value: f64) -> Option<&'static str> {
    not_finite(value).map(|word| if word == "-inf" { "−inf" } else { word })
}

/// Returns the text of a whole number of at most `digits` digits, or the word for a number that is not finite; otherwise `None`.
pub(super) fn whole_or_none(value: f64, digits: i32) -> Option<String> {
    if let Some(word) = word(value) {
        return Some(word.to_owned());
    }
    (value.fract() == 0.0 && value.abs() < 10_f64.powi(digits)).then(|| signed(value, &format!("{}", value.abs())))
}

fn signed(value: f64, magnitude: &str) -> String {
    if value < 0.0 { format!("−{magnitude}") } else { magnitude.to_owned() }
}

/// Returns a number in fixed point, with `decimals` decimals or fewer if they are exact; `None` if that text would break the law.
pub(super) fn fixed(value: f64, decimals: usize) -> Option<String> {
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
        // rounded up to a whole number: truncate instead
        text = format!("{}.{:9<decimals$}", magnitude.trunc(), "");
    }
    // only 0 is shown as 0
    text.bytes().any(|b| (b'1'..=b'9').contains(&b)).then(|| signed(value, &text))
}

/// Returns a number with an exponent, and with `decimals` decimals in the mantissa or fewer if they are exact.
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
    if mantissa.len() <= 2 + decimals && (decimals > 0 || mantissa.len() == 1) {
        return signed(value, &exact.replace("e-", "e−"));
    }
    let mut text = format!("{magnitude:.decimals$e}");
    if !text.ends_with(&format!("e{exponent}")) || text.parse::<f64>().is_ok_and(f64::is_infinite) {
        // rounded up to the next power of ten, or to infinity: truncate instead
        let end = if decimals == 0 { 1 } else { 2 + decimals };
        text = format!("{}e{exponent}", &mantissa[..end]);
    }
    signed(value, &text.replace("e-", "e−"))
}

/// Returns a number with about 4 digits: `0.05`, `−0.12`, `1.2e−9`, `3`.
#[must_use]
pub fn short(value: f64) -> String {
    brief(value, ENOUGH)
}

/// Returns a number with about `enough` significant digits, at least one.
#[must_use]
pub fn brief(value: f64, enough: usize) -> String {
    let magnitude = value.abs();
    if let Some(whole) = whole_or_none(value, 7) {
        return whole;
    }
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

/// The width in cells of a typical number in an equation, such as −0.1234. It is reserved for numbers that are not computed yet.
pub const USUAL: usize = 7;

/// Rounds a magnitude up to one of …, 0.8, 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, …
///
/// It is the end of a scale, which then seldom changes while more numbers are computed.
#[must_use]
pub fn round_up(magnitude: f64) -> f64 {
    if magnitude == 0.0 || !magnitude.is_finite() {
        return magnitude;
    }
    let power = libm::pow(10.0, libm::floor(libm::log10(magnitude)));
    [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|end| *end >= magnitude)
        .unwrap_or(magnitude)
}
