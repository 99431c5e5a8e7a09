//! The vertical axis of a chart: a linear or a logarithmic scale between round numbers.

use crate::number::short;

/// The smallest range of values that is divided, relative to their absolute value.
const MIN_RELATIVE_RANGE: f64 = 1e-12;
/// The smallest absolute value that differs from 0 on a scale.
const MIN_MAGNITUDE: f64 = 1e-300;

/// A scale between two round numbers.
#[derive(Clone, Debug)]
pub(super) struct AxisScale {
    low: f64,
    high: f64,
    is_log: bool,
    /// The values with labels, from the lowest on.
    marks: Vec<f64>,
}

impl AxisScale {
    /// Returns a scale for these values. Its labels divide it into about `labels` ranges. Returns `None` if it cannot show any of the values.
    pub fn of(values: &[f64], is_log: bool, labels: u16) -> Option<Self> {
        let has_place = |value: &f64| value.is_finite() && (!is_log || *value >= MIN_MAGNITUDE);
        let ends = values.iter().copied().filter(has_place).fold(None, |ends: Option<[f64; 2]>, value| {
            let [low, high] = ends.unwrap_or([value, value]);
            Some([low.min(value), high.max(value)])
        });
        let marks = if is_log { log_marks(ends?, labels) } else { linear_marks(ends?, labels) };
        Some(Self { low: *marks.first()?, high: *marks.last()?, is_log, marks })
    }

    /// Returns the position of a value, from 0 at the bottom to 1 at the top; `None` if the scale cannot show it.
    pub fn position(&self, value: f64) -> Option<f64> {
        if !value.is_finite() || self.is_log && value < MIN_MAGNITUDE {
            return None;
        }
        // on a linear scale, the values are halved, because the difference of two large numbers can overflow
        let scaled = |value: f64| if self.is_log { libm::log10(value) } else { value / 2.0 };
        let [low, high, value] = [self.low, self.high, value].map(scaled);
        Some(((value - low) / (high - low)).clamp(0.0, 1.0))
    }

    /// Returns the number of equal distances between the labels. On a logarithmic scale, whose distances are not equal, returns 1.
    pub fn steps(&self) -> usize {
        if self.is_log { 1 } else { self.marks.len() - 1 }
    }

    /// Returns the labels with their positions, from the lowest on.
    pub fn labels(&self) -> Vec<(String, f64)> {
        self.marks.iter().filter_map(|mark| Some((short(*mark), self.position(*mark)?))).collect()
    }
}

/// Returns digits · 10^exponent with a single rounding: 0.3 for 3 and −1.
fn decimal(digits: i64, exponent: i32) -> f64 {
    format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_possible_truncation, reason = "the logarithm of an f64 is small")]
fn exponent_of(value: f64) -> i32 {
    libm::floor(libm::log10(value)) as i32
}

/// Returns multiples of a round number that enclose the range from `low` to `high`.
fn linear_marks([low, high]: [f64; 2], labels: u16) -> Vec<f64> {
    let largest = low.abs().max(high.abs());
    let is_flat = high / 2.0 - low / 2.0 <= largest * MIN_RELATIVE_RANGE;
    let [low, high] = match () {
        () if largest < MIN_MAGNITUDE => [-1.0, 1.0],
        () if is_flat => [low - largest / 10.0, high + largest / 10.0].map(|end| end.clamp(f64::MIN, f64::MAX)),
        // if all values have the same sign, and the one nearest to 0 is less than half of the farthest, the axis begins or ends at 0
        () if low > 0.0 && low < high / 2.0 => [0.0, high],
        () if high < 0.0 && high > low / 2.0 => [low, 0.0],
        () => [low, high],
    };
    let smallest_step = (high / 2.0 - low / 2.0) / f64::from(labels) * 2.0;
    let exponent = exponent_of(smallest_step);
    let steps = [(1, exponent), (2, exponent), (5, exponent), (1, exponent + 1)];
    let (digits, exponent) =
        steps.into_iter().find(|(digits, exponent)| decimal(*digits, *exponent) >= smallest_step).unwrap_or((2, exponent + 1));
    let step = decimal(digits, exponent);
    #[expect(clippy::cast_possible_truncation, reason = "the range is at least a small part of its numbers")]
    let [first, last] = [libm::floor(low / step) as i64, libm::ceil(high / step) as i64];
    let marks = (first..=last).map(|n| decimal(n * digits, exponent));
    // the last multiple can be greater than the largest f64
    marks.map(|mark| mark.clamp(f64::MIN, f64::MAX)).collect()
}

/// Returns numbers such as 0.1, 0.2, 0.5 and 1 that enclose the range from `low` to `high`. If there are more than `labels`, returns only some of them,
/// including both ends.
fn log_marks([low, high]: [f64; 2], labels: u16) -> Vec<f64> {
    // the marks 3e, 3e + 1 and 3e + 2 are 10^e, 2 · 10^e and 5 · 10^e
    let mark = |n: i32| decimal([1, 2, 5][usize::try_from(n.rem_euclid(3)).unwrap_or(0)], n.div_euclid(3));
    let near = |value: f64| 3 * exponent_of(value);
    // the logarithm is rounded, so it can be one too large or too small
    let first = (near(low) - 3..=near(low) + 5).rev().find(|n| mark(*n) <= low).unwrap_or(near(low));
    let last = (near(high) - 3..=near(high) + 5).find(|n| mark(*n) >= high).unwrap_or(near(high) + 3).max(first + 1);
    let most = i32::from(labels).max(1);
    // all marks; if these are too many, every power of ten, every second power of ten, and so on
    let every = [1, 3].into_iter().chain((2..=i32::from(u8::MAX)).map(|n| 3 * n)).find(|every| (last - first) / every <= most).unwrap_or(1);
    (first..=last).filter(|n| n % every == 0 || *n == first || *n == last).map(|n| mark(n).min(f64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], is_log: bool, count: u16) -> Vec<String> {
        let scale = AxisScale::of(values, is_log, count).expect("a scale");
        for value in values {
            assert!(scale.position(*value).is_none_or(|position| (0.0..=1.0).contains(&position)), "{value}");
            assert!(scale.low <= *value && *value <= scale.high, "{values:?}: {} to {}", scale.low, scale.high);
        }
        scale.labels().into_iter().map(|(label, _)| label).collect()
    }

    #[test]
    fn labels_are_round_and_enclose_the_values() {
        assert_eq!(labels(&[0.73, 0.0097], false, 4), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(&[2.31, 2.2], false, 5), ["2.2", "2.25", "2.3", "2.35"]);
        assert_eq!(labels(&[-0.3, 0.9], false, 4), ["−0.5", "0", "0.5", "1"]);
        assert_eq!(labels(&[0.25, 0.25], false, 2), ["0.2", "0.25", "0.3"]);
        assert_eq!(labels(&[0.0], false, 2), ["−1", "0", "1"]);
        assert_eq!(labels(&[0.73, 0.0097], true, 8), ["0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(&[0.73, 0.0097], true, 3), ["0.005", "0.01", "0.1", "1"]);
        assert_eq!(labels(&[1.0], true, 3), ["1", "2"]);
    }

    #[test]
    fn extreme_values_have_a_scale() {
        for values in [[1e308, -1e308], [5e-324, 1e308], [1e-300, 1e-299], [1e15, 1e15 + 1.0], [f64::MAX, f64::MAX], [5e-324, 5e-324]] {
            labels(&values, false, 4);
        }
        for values in [[1e-300, 1e308], [f64::MAX, f64::MAX]] {
            labels(&values, true, 4);
        }
        assert!(AxisScale::of(&[f64::NAN, f64::INFINITY], false, 4).is_none());
        assert!(AxisScale::of(&[0.0, -1.0], true, 4).is_none());
        assert_eq!(AxisScale::of(&[0.0, 1.0], true, 4).and_then(|scale| scale.position(0.0)), None);
    }
}
