//! The steps by which an entry is moved.

/// The first step, times max(1, |w|) of the entry w.
pub(super) const FIRST: f64 = 1e-5;
/// The steps that are compared with one another where the first does not settle it: long ones round off less, short ones bend less.
pub(super) const COARSE: [f64; 8] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9];

/// The largest power of two up to `h`, so that an entry moves by exactly as much; `h` itself where it is subnormal.
pub(super) fn exact(h: f64) -> f64 {
    if h.is_normal() { f64::from_bits(h.to_bits() & !((1 << 52) - 1)) } else { h }
}

/// [`COARSE`] for an entry.
pub(super) fn coarse(value: f64) -> [f64; COARSE.len()] {
    COARSE.map(|step| exact(step * value.abs().max(1.0)))
}

/// Steps of all sizes at which the loss may bend, from long to short: in proportion to the entry, to max(1, |w|), and to the way on which the loss would
/// change by itself or by 1. Each is a quarter of the one before; those that rounding would change are left out.
pub(super) fn fine(value: f64, loss: f64, derivative: f64) -> Vec<f64> {
    let ways =
        [(value.abs().max(1.0), 21), (value.abs(), 21), (loss.abs() / derivative.abs(), 12), (loss.abs().max(1.0) / derivative.abs(), 12)];
    let mut steps: Vec<f64> = coarse(value).to_vec();
    for (way, count) in ways {
        let first = exact(way / 32.0);
        steps.extend((0..count).map(|n| first * 0.25_f64.powi(n)).take_while(|h| *h > 0.0 && h.is_finite()));
    }
    let moves = |h: f64| [-2.0, -1.0, 1.0, 2.0].iter().all(|n| (((value + n * h) - value) - n * h).abs() <= 1e-8 * h);
    steps.retain(|&h| moves(h));
    steps.sort_by(|a, b| b.total_cmp(a));
    steps.dedup();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_move_an_entry_by_exactly_as_much() {
        for value in [0.0, 1.0, -1.0, 0.3, 1000.0, -1e5, 1e-170, 1e-310, 1.7e308] {
            let steps = fine(value, 0.5, 1e6);
            assert!(steps.len() >= 8 && steps.is_sorted_by(|a, b| a > b), "{value}: {steps:?}");
            for h in steps {
                assert!(((value + h) - value - h).abs() <= 1e-8 * h, "{value} + {h:e}");
            }
        }
        assert_eq!(exact(1e-5), 2f64.powi(-17));
    }
}
