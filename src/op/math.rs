//! Numerically stable functions of numbers, such as the sigmoid and log-sum-exp. They are built on libm, which gives the same bits on every processor.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// max(0, x); NaN stays NaN.
///
/// ```
/// assert_eq!(gradstep::op::math::relu(-2.0), 0.0);
/// ```
#[must_use]
pub fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

/// The standard normal distribution function Φ(x) = ½ (1 + erf(x / √2)). It is computed as ½ erfc(−x / √2), which is accurate for negative x too.
///
/// ```
/// assert_eq!(gradstep::op::math::normal_cdf(0.0), 0.5);
/// ```
#[must_use]
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The standard normal density φ(x) = exp(−x²/2) / √(2π), the derivative of Φ; φ(0) ≈ 0.3989.
#[must_use]
pub fn normal_pdf(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt()
}

/// The sigmoid 1 / (1 + e⁻ˣ), without overflow for large |x|.
///
/// ```
/// assert_eq!(gradstep::op::math::sigmoid(0.0), 0.5);
/// ```
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::exp(-x))
    } else {
        let e = libm::exp(x);
        e / (1.0 + e)
    }
}

/// log(1 + eˣ). It is computed as max(x, 0) + log(1 + e^−|x|), which neither overflows nor loses digits.
///
/// ```
/// assert_eq!(gradstep::op::math::softplus(1000.0), 1000.0);
/// ```
#[must_use]
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// The pair (m, log Σ exp(x − m)), where m is the largest number of the slice. The sum of the pair is log Σ exp x. The two numbers are kept apart, because
/// adding them would lose digits if m is large.
///
/// ```
/// assert_eq!(gradstep::op::math::log_sum_exp(&[1000.0, 1000.0]), (1000.0, 2.0_f64.ln()));
/// ```
#[must_use]
pub fn log_sum_exp(x: &[f64]) -> (f64, f64) {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Σ exp(x − m) is 1 for the largest number itself, plus the sum over the others: log1p keeps the digits of a small sum
    let mut sum_of_others = 0.0;
    let mut has_skipped_largest = false;
    for &x in x {
        if x == largest && !has_skipped_largest {
            has_skipped_largest = true;
        } else {
            sum_of_others += libm::exp(x - largest);
        }
    }
    (largest, libm::log1p(sum_of_others))
}
