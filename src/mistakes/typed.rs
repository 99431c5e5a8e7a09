//! A number that the user types, and its tolerances. It is right if two significant digits agree with the answer. A mistake gives it only if all typed digits
//! agree.

use crate::scenario::typed_number;

/// A typed number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TypedNumber {
    value: f64,
    /// Half of a unit of the last digit; `None` for an expression such as 1/3.
    half_unit: Option<f64>,
}

impl TypedNumber {
    /// Reads a number or an expression of numbers.
    ///
    /// # Errors
    /// A sentence if the text is not a number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value = typed_number(text)?;
        Ok(Self { value, half_unit: half_unit(text.trim()) })
    }

    /// Returns whether this equals a number, to two significant digits. A number whose magnitude is at most `rounding_error` counts as 0.
    #[must_use]
    pub fn is_right(self, answer: f64, rounding_error: f64) -> bool {
        if answer.abs() <= rounding_error {
            return self.value.abs() <= rounding_error;
        }
        self.is_within(answer, two_digits(answer))
    }

    /// Returns whether this equals a number of a rule in all typed digits, at least two. If the rule gives more than two numbers (`count`), more digits must
    /// agree, because one of many numbers agrees by chance more often.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2⁵³ numbers")]
    pub(super) fn is_number(self, number: f64, count: usize) -> bool {
        let tolerance = two_digits(number) * (2.0 / count as f64).min(1.0);
        self.is_within(number, self.half_unit.map_or(tolerance, |half| half.min(tolerance)))
    }

    fn is_within(self, number: f64, tolerance: f64) -> bool {
        // a number in the middle may be rounded up or down: 0.675 to 0.67 or to 0.68
        number.is_finite() && (self.value - number).abs() <= tolerance + 1e-9 * number.abs()
    }
}

/// Returns half of a unit of the second significant digit of a number; 0 for 0.
fn two_digits(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { 0.5 * libm::exp10(libm::log10(number.abs()).floor() - 1.0) }
}

/// Returns half of a unit of the last digit of a decimal number; `None` for another text.
fn half_unit(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(['-', '+', '−']);
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let is_plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let last = exponent.saturating_sub(i32::try_from(decimals).unwrap_or(i32::MAX));
    is_plain.then(|| 0.5 * 10_f64.powi(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_right(text: &str, answer: f64) -> bool {
        TypedNumber::parse(text).expect("a number").is_right(answer, 0.0)
    }

    #[test]
    fn two_significant_digits_are_enough() {
        // 0.671 lies between 0.665 and 0.675, which two digits round to 0.67
        assert!(is_right("0.67", 0.671) && is_right("0.671", 0.671) && is_right("6.7e-1", 0.671));
        assert!(!is_right("0.68", 0.671) && !is_right("0.66", 0.671) && !is_right("-0.67", 0.671));
        assert!(is_right("10", 9.96) && is_right("2", 1.96) && !is_right("2.1", 1.96));
        assert!(is_right("1/3", 1.0 / 3.0) && is_right("0.33", 1.0 / 3.0) && is_right("-1/3", -0.333));
        assert!(is_right("120", 123.0) && !is_right("130", 123.0));
    }

    #[test]
    fn zero_is_right_only_for_zero_and_for_a_rounding_error() {
        assert!(is_right("0", 0.0) && is_right("-0", 0.0) && !is_right("0.001", 0.0));
        // a rounding error
        assert!(TypedNumber::parse("0").expect("a number").is_right(2.8e-17, 1e-13));
        assert!(!is_right("0", 2.8e-17));
    }

    #[test]
    fn a_wrong_rule_must_give_all_typed_digits() {
        let is_number = |text: &str, number: f64| TypedNumber::parse(text).expect("a number").is_number(number, 1);
        assert!(is_number("0.62", 0.6243) && is_number("0.624", 0.6243));
        assert!(!is_number("0.623", 0.6243) && !is_number("0.61", 0.6243));
    }

    #[test]
    fn of_many_numbers_more_digits_must_agree() {
        let is_number = |text: &str, count| TypedNumber::parse(text).expect("a number").is_number(0.6243, count);
        assert!(is_number("0.62", 2) && !is_number("0.62", 4) && is_number("0.624", 4) && is_number("0.624", 20));
        assert!(!is_number("0.624", 100) && is_number("0.6243", 100));
    }
}
