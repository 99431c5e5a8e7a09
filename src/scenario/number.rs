//! Converts the numbers of a scenario file to f64. An integer is a fault if f64 would round it. A decimal number may be rounded, but not to 0 or infinity.

use toml::de::{DeFloat, DeInteger};

/// A fault in a number: the message, and the help text (which may be empty).
pub(super) type NumberError = (String, &'static str);

/// Converts a TOML integer. An integer that f64 would round, such as 2⁵³ + 1, is a fault.
pub(super) fn from_integer(integer: &DeInteger<'_>) -> Result<f64, NumberError> {
    match i64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(value) => exact(value),
        Err(_) => Err(integer_too_large()),
    }
}

/// Converts an integer. An integer that f64 would round is a fault.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // the cast back detects a loss; it is to i128, because 2⁶³ does not fit into i64
fn exact(value: i64) -> Result<f64, NumberError> {
    let float = value as f64;
    if float as i128 == i128::from(value) {
        return Ok(float);
    }
    Err((
        format!("f64 cannot hold {value}; the nearest is {}", float as i128),
        "write the nearest, or add a decimal point to have it rounded",
    ))
}

/// Converts a TOML float. A float that is infinite, NaN or underflows to 0 is a fault.
pub(super) fn from_float(float: &DeFloat<'_>) -> Result<f64, NumberError> {
    from_decimal(float.as_str())
}

/// The type of a TOML number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberKind {
    Integer,
    Float,
}

/// Converts the text of a TOML number in decimal digits, without underscores.
pub(super) fn from_toml(text: &str, kind: NumberKind) -> Result<f64, NumberError> {
    match kind {
        NumberKind::Integer => text.parse().map_err(|_| integer_too_large()).and_then(exact),
        NumberKind::Float => from_decimal(text),
    }
}

fn integer_too_large() -> NumberError {
    ("this integer is too large, it has more than 64 bits".to_owned(), "write it with a decimal point")
}

/// Converts a number in an expression that the user types: digits, optionally with a decimal point and an exponent.
pub(super) fn from_expression(text: &str) -> Result<f64, NumberError> {
    match text.parse::<i64>() {
        Ok(value) => exact(value),
        Err(_) if text.bytes().all(|b| b.is_ascii_digit()) => Err(integer_too_large()),
        Err(_) => from_decimal(text),
    }
}

/// Converts a number with a decimal point or an exponent.
fn from_decimal(text: &str) -> Result<f64, NumberError> {
    let value: f64 = text.parse().map_err(|_| ("this is not a number".to_owned(), ""))?;
    // TOML has the words `nan` and `inf`; if the value is infinite without the word, the number is too large
    if value.is_nan() || (value.is_infinite() && text.contains("inf")) {
        return Err(("numbers must be finite".to_owned(), ""));
    }
    if value.is_infinite() {
        return Err(("this number is too large for f64".to_owned(), "the largest is about 1.8e308"));
    }
    if value == 0.0 && !mantissa_is_zero(text) {
        return Err((
            "this number is too small for f64, it would become 0".to_owned(),
            "the smallest is about 5e-324; write 0 if you mean it",
        ));
    }
    Ok(value)
}

/// Returns whether all digits before the exponent are 0. 0e-999 is 0, but 1e-999 is a fault, because it would be rounded to 0.
fn mantissa_is_zero(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    !mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    #[test]
    fn integers_that_would_be_rounded_and_decimals_out_of_range_are_errors() {
        for (text, value) in
            [("0.1", 0.1), ("0", 0.0), ("-0.0", 0.0), ("0e-999", 0.0), ("5e-324", 5e-324), ("9007199254740992", 9_007_199_254_740_992.0)]
        {
            assert_eq!(from_expression(text), Ok(value), "{text}");
        }
        for text in ["9007199254740993", "-9007199254740993", "1e400", "1e-400", "nan", "-inf", "0.0001e-330"] {
            assert!(from_expression(text).is_err(), "{text}");
        }
        assert!(from_expression("9007199254740993.0").is_ok());
        assert!(from_expression(&i64::MAX.to_string()).is_err());
    }
}
