//! Functions of one number that several ops share. The elementary ones are libm's: the same bits on every processor.

/// max(0, x); what is not a number stays so.
#[must_use]
pub fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
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
