//! Numerically stable functions of numbers, such as the sigmoid and log-sum-exp. They are built on libm, which gives the same bits on every processor.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use pulp::Arch;

use crate::elementary;
use crate::scratch::Scratch;

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

/// Replaces each x by Φ(x); the bits are those of [`normal_cdf`].
pub fn normal_cdfs(x: &mut [f64]) {
    each(x, |x| -x * FRAC_1_SQRT_2);
    elementary::erfc(x);
    each(x, |erfc| 0.5 * erfc);
}

/// The standard normal density φ(x) = exp(−x²/2) / √(2π), the derivative of Φ; φ(0) ≈ 0.3989.
#[must_use]
pub fn normal_pdf(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt()
}

/// Replaces each x by φ(x); the bits are those of [`normal_pdf`].
pub fn normal_pdfs(x: &mut [f64]) {
    let divisor = (2.0 * PI).sqrt();
    each(x, |x| -0.5 * x * x);
    elementary::exp(x);
    each(x, |exp| exp / divisor);
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

/// Replaces each x by its sigmoid; the bits are those of [`sigmoid`].
pub fn sigmoids(x: &mut [f64]) {
    for x in x.chunks_mut(MAX_CHUNK) {
        let mut exps = [0.0; MAX_CHUNK];
        // both formulas of the sigmoid contain e^−|x|
        let exps = exp_minus_abs(x, &mut exps);
        Arch::new().dispatch(move || {
            for (x, e) in x.iter_mut().zip(&*exps) {
                *x = (if *x >= 0.0 { 1.0 } else { *e }) / (1.0 + e);
            }
        });
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

/// Replaces each x by its softplus; the bits are those of [`softplus`].
pub fn softpluses(x: &mut [f64]) {
    for x in x.chunks_mut(MAX_CHUNK) {
        let mut exps = [0.0; MAX_CHUNK];
        let exps = exp_minus_abs(x, &mut exps);
        x.iter_mut().zip(exps).for_each(|(x, exp)| *x = x.max(0.0) + libm::log1p(*exp));
    }
}

/// Computes e^−|x| of each x.
fn exp_minus_abs<'e>(x: &[f64], exps: &'e mut [f64; MAX_CHUNK]) -> &'e mut [f64] {
    let exps = &mut exps[..x.len()];
    exps.copy_from_slice(x);
    each(exps, |x| -x.abs());
    elementary::exp(exps);
    exps
}

/// The largest number of entries that a function with a second array, such as [`sigmoids`], computes at once.
const MAX_CHUNK: usize = 64;

/// Replaces each number by `function` of it.
fn each(x: &mut [f64], function: impl Fn(f64) -> f64) {
    Arch::new().dispatch(move || x.iter_mut().for_each(|x| *x = function(*x)));
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
    let mut exponentials = Scratch::new(x.len());
    exponentials.iter_mut().zip(x).for_each(|(exponential, x)| *exponential = x - largest);
    elementary::exp(&mut exponentials);
    (largest, log_of_sum(x, largest, &exponentials))
}

/// The second number of [`log_sum_exp`], computed from the largest number m and from exp(x − m) of all numbers.
#[must_use]
pub fn log_of_sum(x: &[f64], largest: f64, exponentials: &[f64]) -> f64 {
    // Σ exp(x − m) is 1 for the largest number, plus the sum over the others. log1p keeps the digits of the sum over the others if it is small
    let index_of_largest = x.iter().position(|x| *x == largest);
    let others = exponentials.iter().enumerate().filter(|(n, _)| Some(*n) != index_of_largest);
    libm::log1p(others.fold(0.0, |sum, (_, exponential)| sum + exponential))
}
