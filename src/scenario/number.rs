//! Converts written numbers to f64 and reports those that f64 cannot hold.

use toml::de::{DeFloat, DeInteger};

/// An error in a number: the message and the help text.
pub(super) type NumberError = (String, &'static str);

/// Converts an integer that f64 holds exactly.
pub(super) fn from_integer(integer: &DeInteger<'_>) -> Result<f64, NumberError> {
    match i64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(value) => exact(value),
        Err(_) => Err(too_long()),
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // the cast back reveals a loss
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

/// Converts a float that is finite and does not underflow to 0.
pub(super) fn from_float(float: &DeFloat<'_>) -> Result<f64, NumberError> {
    from_decimal(float.as_str())
}

/// The kind of a TOML number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberKind {
    Integer,
    Float,
}

/// Converts a decimal TOML number without underscores.
pub(super) fn from_toml(text: &str, kind: NumberKind) -> Result<f64, NumberError> {
    match kind {
        NumberKind::Integer => text.parse().map_err(|_| too_long()).and_then(exact),
        NumberKind::Float => from_decimal(text),
    }
}

fn too_long() -> NumberError {
    ("this integer is too large, it has more than 64 bits".to_owned(), "write it with a decimal point")
}

/// Converts a number in an expression: digits, optionally with a decimal point and an exponent.
pub(super) fn from_text(text: &str) -> Result<f64, NumberError> {
    match text.parse::<i64>() {
        Ok(value) => exact(value),
        Err(_) if text.bytes().all(|b| b.is_ascii_digit()) => Err(too_long()),
        Err(_) => from_decimal(text),
    }
}

fn from_decimal(text: &str) -> Result<f64, NumberError> {
    let value: f64 = text.parse().map_err(|_| ("this is not a number".to_owned(), ""))?;
    if value.is_nan() || (value.is_infinite() && text.contains("inf")) {
        return Err(("numbers must be finite".to_owned(), ""));
    }
    if value.is_infinite() {
        return Err(("this number is too large for f64".to_owned(), "the largest is about 1.8e308"));
    }
    let mantissa = || text.split(['e', 'E']).next().unwrap_or(text);
    if value == 0.0 && mantissa().bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        return Err((
            "this number is too small for f64, it would become 0".to_owned(),
            "the smallest is about 5e-324; write 0 if you mean it",
        ));
    }
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_exact_or_an_error() {
        for (text, value) in
            [("0.1", 0.1), ("0", 0.0), ("-0.0", 0.0), ("0e-999", 0.0), ("5e-324", 5e-324), ("9007199254740992", 9_007_199_254_740_992.0)]
        {
            assert_eq!(from_text(text), Ok(value), "{text}");
        }
        for text in ["9007199254740993", "-9007199254740993", "1e400", "1e-400", "nan", "-inf", "0.0001e-330"] {
            assert!(from_text(text).is_err(), "{text}");
        }
        assert!(from_text("9007199254740993.0").is_ok());
        assert!(from_text(&i64::MAX.to_string()).is_err());
    }
}
