//! Functions of one number that several ops share. The elementary ones are libm's: the same bits on every processor.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// max(0, x); what is not a number stays so.
#[must_use]
pub fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

/// Φ(x) = ½ (1 + erf(x / √2)), through 1 − erf, which keeps its digits where x is negative.
#[must_use]
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// φ(x) = exp(−x²/2) / √(2π), the derivative of Φ.
#[must_use]
pub fn normal_pdf(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt()
}

/// 1 / (1 + e⁻ˣ), without overflow on either side.
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

/// log(1 + eˣ), exact for all x.
#[must_use]
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// The largest number of a slice and log Σ exp(x − largest): log-sum-exp without overflow, in two parts that keep all digits.
#[must_use]
pub fn log_sum_exp(x: &[f64]) -> (f64, f64) {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut rest = 0.0;
    let mut seen = false;
    for &x in x {
        if x == largest && !seen {
            seen = true;
        } else {
            rest += libm::exp(x - largest);
        }
    }
    (largest, libm::log1p(rest))
}
