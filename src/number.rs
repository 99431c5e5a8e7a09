//! The text of a number, in the forms that the program writes.
//!
//! | form | for | 0.1 + 0.2 | −1.5·10⁻⁹ | −0 | −∞ |
//! | --- | --- | --- | --- | --- | --- |
//! | [`exact`], [`Exact`], [`write_exact`] | text that can be read back | `0.30000000000000004` | `-1.5e-9` | `-0` | `-inf` |
//! | [`json`], [`Json`], [`write_json`] | JSON | `0.30000000000000004` | `-1.5e-9` | `-0.0` | `"-inf"` |
//! | [`exact_on_screen`] | the screen, all digits | `0.30000000000000004` | `−1.5e−9` | `−0` | `−inf` |
//! | [`short`], [`with_digits`], [`Digits`], [`ColumnFormat`] | the screen | `0.3000` | `−1.5e−9` | `0` | `−inf` |
//!
//! The exact and the JSON form have the fewest digits from which the same bits can be read back. Both write `nan` for every NaN.
//!
//! The short form is rounded, but it never misleads about zero, signs and whole numbers. It follows the **law of short numbers**. For every finite number:
//!
//! - the text of 0 and of −0 is `0`; any other text has the sign of its number, and a digit from 1 to 9;
//! - a text without a point and without an exponent is exact;
//! - a text that ends with a 0 after the point is rounded, because an exact text has no such zeros: the text of the number 1 is `1`, not `1.0000`;
//! - a number is never rounded up to a whole number (0.99996 is `0.9999`) or, with an exponent, to a power of ten.
//!
//! For example, `1.0000` is slightly more than 1: the text of 1 itself is `1`, and a number below 1 is not rounded up.

mod column;
mod short;
mod shown;

pub use column::ColumnFormat;
pub use short::{Digits, round_up, short, with_digits};
pub use shown::result_sign;

use std::fmt;
use std::io::Write as _;

use serde::{Serialize, Serializer};

/// Displays a number with the fewest digits that read back to it: `0.1`, `-2`, `1e-9`, `-0`, `inf`, `nan`.
#[derive(Clone, Copy, Debug)]
pub struct Exact(pub f64);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value.is_nan() {
            f.write_str("nan")
        } else if value.fract() == 0.0 && value.abs() < 1e16 {
            // `{:?}` would write `1.0`
            write!(f, "{value}")
        } else {
            // `{}` would write 1e-9 without an exponent
            write!(f, "{value:?}")
        }
    }
}

/// Returns a number as [`Exact`] displays it.
///
/// ```
/// assert_eq!(gradstep::number::exact(-0.1), "-0.1");
/// ```
#[must_use]
pub fn exact(value: f64) -> String {
    Exact(value).to_string()
}

/// Returns a number with all its digits for the screen. It is the text of [`exact`] with the minus sign that the screen uses.
///
/// ```
/// assert_eq!(gradstep::number::exact_on_screen(-1e-9), "−1e−9");
/// ```
#[must_use]
pub fn exact_on_screen(value: f64) -> String {
    exact(value).replace('-', "−")
}

/// Appends a number as [`Exact`] displays it.
///
/// # Panics
/// Never: writing to a vector cannot fail.
pub fn write_exact(value: f64, to: &mut Vec<u8>) {
    write!(to, "{}", Exact(value)).expect("writing to a vector cannot fail");
}

/// Returns the word for a number that is not finite: `inf`, `-inf` or `nan`. `None` for a finite number.
#[must_use]
pub fn not_finite_word(value: f64) -> Option<&'static str> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some("nan")
    } else if value > 0.0 {
        Some("inf")
    } else {
        Some("-inf")
    }
}

/// Serializes a number. JSON has no infinity and no NaN: these become the strings `"inf"`, `"-inf"` and `"nan"`.
///
/// # Errors
/// The errors of the serializer.
#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde's `serialize_with` needs
pub fn json<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match not_finite_word(*value) {
        Some(word) => serializer.serialize_str(word),
        None => serializer.serialize_f64(*value),
    }
}

/// A number that is serialized by [`json`].
#[derive(Clone, Copy, Debug)]
pub struct Json(pub f64);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json(&self.0, serializer)
    }
}

/// Appends the bytes that `serde_json` writes for [`Json`], without a serializer.
#[inline] // the loop over the entries of a tensor is in another module
pub fn write_json(value: f64, to: &mut Vec<u8>) {
    if let Some(word) = not_finite_word(value) {
        for part in ["\"", word, "\""] {
            to.extend_from_slice(part.as_bytes());
        }
    } else if value == 0.0 {
        // this value is frequent: after a relu, about half of the entries are 0
        to.extend_from_slice(if value.is_sign_negative() { &b"-0.0"[..] } else { b"0.0" });
    } else {
        let mut digits = zmij::Buffer::new();
        to.extend_from_slice(digits.format_finite(value).as_bytes());
    }
}

#[cfg(test)]
mod tests;
