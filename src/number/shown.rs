//! Decides whether a reader who adds or multiplies the rounded numbers on the screen gets the result on the screen.
//!
//! ```text
//! 0.6091 + (−0.1523) = 0.4568      0.4568 is the sum of the shown numbers
//! −0.0937 + (−0.0993) ≈ −0.1931    the shown numbers add up to −0.1930, but the numbers with all their digits add up to −0.1931
//! ```

/// The sign before a result that follows from the numbers on the screen.
const EXACT: &str = "=";
/// The sign before a result whose last digits do not follow from the numbers on the screen, because these are rounded.
const ROUNDED: &str = "≈";

/// The largest relative error of the calculations in this file. A reader calculates with decimal digits, and does not have this error.
const SLACK: f64 = 1e-9;

/// The brackets of a negative number after a sign.
const BRACKETS: [char; 2] = ['(', ')'];

/// Returns the sign between a sum and its result. It is `≈` if calculating with the shown numbers gives other digits, and `=` otherwise. `terms` are the texts
/// of the terms: each is a number or a product of numbers. `result` is the text of the number `value`. If a term is anything else, such as `exp(1)`, the sign
/// is `=`.
///
/// ```
/// # use gradstep::number::result_sign;
/// assert_eq!(result_sign(&["0.6091", "(−0.1523)"], "0.4568", 0.45679), "=");
/// assert_eq!(result_sign(&["−0.0937", "(−0.0993)"], "−0.1931", -0.19308), "≈");
/// assert_eq!(result_sign(&["0.8·0.7613"], "0.6091", 0.60906), "≈");
/// ```
#[must_use]
pub fn result_sign(terms: &[&str], result: &str, value: f64) -> &'static str {
    let calculated: Option<f64> = terms.iter().map(|term| term.split('·').map(quotient).product::<Option<f64>>()).sum();
    let (Some(calculated), Some(shown)) = (calculated, read(result)) else { return EXACT };
    // A text that is rounded to the nearest number has an error of at most half a unit of its last digit. A text that was not rounded up, such as 0.9999 for
    // 0.99996, can have a larger error. Then the sign can be ≈
    let error = if shown.to_bits() == value.to_bits() { 0.0 } else { last_unit(result) / 2.0 };
    let slack = SLACK * calculated.abs().max(shown.abs());
    if (calculated - shown).abs() <= error + slack { EXACT } else { ROUNDED }
}

/// Returns the number of a factor such as `0.5`, `(−1)` or `1/0.2387`; `None` if it is not a finite number.
fn quotient(text: &str) -> Option<f64> {
    let mut numbers = text.split('/').map(read);
    let first = numbers.next()??;
    numbers.try_fold(first, |quotient, divisor| Some(quotient / divisor?)).filter(|number| number.is_finite())
}

/// Returns the number of a text, which may have brackets; `None` for a text that is not a finite number.
fn read(text: &str) -> Option<f64> {
    text.trim_matches(BRACKETS).replace('−', "-").parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Returns the unit of the last digit of a text: 0.001 for `0.125`, 10 for `1.2e2`.
fn last_unit(text: &str) -> f64 {
    let text = text.trim_matches(BRACKETS).replace('−', "-");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let exponent = exponent.parse::<i32>().unwrap_or(0) - i32::try_from(decimals).unwrap_or(0);
    10_f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_shown_numbers_has_an_equals_sign_only_if_it_adds_up() {
        for (texts, result, value, expected) in [
            (["2", "9"], "11", 11.0, "="),
            (["1", "(−3)"], "−2", -2.0, "="),
            (["0.1", "0.2"], "0.3000", 0.1 + 0.2, "="),
            (["0.3333", "0.6667"], "1", 1.0, "="),
            (["0.3333", "0.6666"], "1", 1.0, "≈"),
            (["−0.0937", "(−0.0993)"], "−0.1931", -0.193_078, "≈"),
            // the shown numbers add up to 0.25, which lies halfway: both 0.2 and 0.3 are accepted
            (["0.2", "0.05"], "0.2", 0.249, "="),
            (["0.2", "0.05"], "0.3", 0.251, "="),
            (["1.25e−9", "2e−9"], "3.25e−9", 3.25e-9, "="),
            (["1.25e−9", "2e−9"], "3.26e−9", 3.261e-9, "≈"),
            // the result is exact and has fewer digits than the terms
            (["0.0313", "0.0937"], "0.125", 0.125, "="),
            (["0.0312", "0.0937"], "0.125", 0.125, "≈"),
            (["?", "2"], "?", 0.0, "="),
            (["inf", "2"], "inf", f64::INFINITY, "="),
        ] {
            assert_eq!(result_sign(&texts, result, value), expected, "{texts:?} {result}");
        }
    }

    #[test]
    fn a_single_term_has_the_rounded_sign_only_if_it_is_a_product_of_numbers() {
        for (text, result, value, expected) in [
            ("3·3", "9", 9.0, "="),
            ("0.5·0.5·0.5", "0.125", 0.125, "="),
            ("0.9134·(−0.1087)", "−0.0993", -0.099_329, "="),
            ("0.8·0.7613", "0.6091", 0.609_06, "≈"),
            ("(−1)·1/0.2387", "−4.1899", -4.18987, "≈"),
            ("(−1)·1/0.25", "−4", -4.0, "="),
            ("0.5·(0.7−1)", "−0.15", -0.15, "="),
            ("softmax(1 | 2)", "0.2689", 0.268_94, "="),
            ("0.7613", "0.7613", 0.761_34, "="),
        ] {
            assert_eq!(result_sign(&[text], result, value), expected, "{text} {result}");
        }
    }
}
