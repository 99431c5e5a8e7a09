//! The step sizes by which an entry w is moved.

/// The first step size, in units of max(1, |w|).
pub(super) const FIRST_STEP: f64 = 1e-5;
/// The step sizes, in units of max(1, |w|), that are compared if the first step size does not decide. Long steps have small rounding errors, short steps have
/// small truncation errors.
pub(super) const COARSE_STEPS: [f64; 8] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9];

/// Returns the largest power of two that is at most `h`. If `h` is subnormal, returns `h`. With a power of two, w ± h is usually exact.
pub(super) fn power_of_two(h: f64) -> f64 {
    // clears the 52 bits of the mantissa
    if h.is_normal() { f64::from_bits(h.to_bits() & !((1 << 52) - 1)) } else { h }
}

/// Returns the step sizes of [`COARSE_STEPS`] for an entry with this value.
pub(super) fn coarse_steps(value: f64) -> [f64; COARSE_STEPS.len()] {
    COARSE_STEPS.map(|step| power_of_two(step * value.abs().max(1.0)))
}

/// Returns the coarse step sizes, and step sizes for all scales on which the loss C may curve, from long to short.
///
/// The scales are max(1, |w|), |w|, |C| / |∂C/∂w| and max(1, |C|) / |∂C/∂w|. For each scale, the first step is 1/32 of it, and each further step is a quarter
/// of the step before. A step is left out if rounding changes w ± h or w ± 2h by more than 10⁻⁸ h.
pub(super) fn fine_steps(value: f64, loss: f64, derivative: f64) -> Vec<f64> {
    // each scale with its number of steps: the shortest of 21 steps is 2⁻⁴⁵ of the scale, and the shortest of 12 steps is 2⁻²⁷ of it
    let scales =
        [(value.abs().max(1.0), 21), (value.abs(), 21), (loss.abs() / derivative.abs(), 12), (loss.abs().max(1.0) / derivative.abs(), 12)];
    let mut steps: Vec<f64> = coarse_steps(value).to_vec();
    for (scale, count) in scales {
        let first = power_of_two(scale / 32.0);
        steps.extend((0..count).map(|n| first * 0.25_f64.powi(n)).take_while(|h| *h > 0.0 && h.is_finite()));
    }
    let is_exact = |h: f64| [-2.0, -1.0, 1.0, 2.0].iter().all(|n| (((value + n * h) - value) - n * h).abs() <= 1e-8 * h);
    steps.retain(|&h| is_exact(h));
    steps.sort_by(|a, b| b.total_cmp(a));
    steps.dedup();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_hardly_changes_the_size_of_a_step() {
        for value in [0.0, 1.0, -1.0, 0.3, 1000.0, -1e5, 1e-170, 1e-310, 1.7e308] {
            let (loss, derivative) = (0.5, 1e6);
            let steps = fine_steps(value, loss, derivative);
            assert!(steps.len() >= 8 && steps.is_sorted_by(|a, b| a > b), "{value}: {steps:?}");
            for h in steps {
                assert!(((value + h) - value - h).abs() <= 1e-8 * h, "{value} + {h:e}");
            }
        }
        assert_eq!(power_of_two(1e-5), 2f64.powi(-17));
    }
}
