//! The largest difference at which two numbers count as equal.

/// A tolerance: |mine − right| ≤ `relative`·|right| + `of_largest`·max|right| + `of_terms`·Σ|terms|.
///
/// The maximum is over all entries of the tensor, and the sum is over the terms of the entry: the rounding error of a sum
/// depends on the magnitudes of its terms, which can be much larger than the sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// The share of the right number.
    pub relative: f64,
    /// The share of the largest entry of the tensor.
    pub of_largest: f64,
    /// The share of the sum of the magnitudes of the entry's terms.
    pub of_terms: f64,
}

impl Tolerance {
    /// The tolerance for numbers that were computed in double precision.
    pub const FLOAT64: Self = Self { relative: 1e-6, of_largest: 1e-9, of_terms: 1e-12 };
    /// The tolerance for numbers that were computed in single precision. PyTorch's float32 gradients stay within 1.1e-5 of the largest entry.
    pub const FLOAT32: Self = Self { relative: 1e-4, of_largest: 3e-5, of_terms: 1e-5 };

    /// The tolerance for numbers in half precision. In bfloat16, rounding changes a number by up to 1/256 of it, and each op of the user's pass may round.
    pub const FLOAT16: Self = Self { relative: 2e-2, of_largest: 1e-2, of_terms: 1e-2 };

    /// Returns the tolerance with other shares of the right number and of the largest entry; `None` leaves a share as it is.
    #[must_use]
    pub fn with(self, relative: Option<f64>, of_largest: Option<f64>) -> Self {
        Self { relative: relative.unwrap_or(self.relative), of_largest: of_largest.unwrap_or(self.of_largest), ..self }
    }

    /// Returns the tolerance whose shares are the smaller ones of two tolerances.
    #[must_use]
    pub fn smaller(self, other: Self) -> Self {
        Self {
            relative: self.relative.min(other.relative),
            of_largest: self.of_largest.min(other.of_largest),
            of_terms: self.of_terms.min(other.of_terms),
        }
    }

    /// Returns whether a number counts as equal to the right one. `largest` is [`largest`] of the right tensor; `terms` returns the sum of the magnitudes of
    /// the entry's terms, and is called only if the two other shares are not enough. Equal infinities are equal, and so are two NaN.
    ///
    /// ```
    /// use gradstep::diff::Tolerance;
    ///
    /// assert!(Tolerance::FLOAT64.is_equal(1.000_000_5, 1.0, 1.0, || 0.0));
    /// assert!(!Tolerance::FLOAT64.is_equal(1.000_005, 1.0, 1.0, || 0.0));
    /// // if Σ|terms| is 1, as for the terms 0.5 and −0.5, 1e-13 can be a rounding error
    /// assert!(Tolerance::FLOAT64.is_equal(1e-13, 0.0, 0.0, || 1.0));
    /// ```
    #[must_use]
    pub fn is_equal(self, mine: f64, right: f64, largest: f64, terms: impl FnOnce() -> f64) -> bool {
        if !mine.is_finite() || !right.is_finite() {
            return mine.to_bits() == right.to_bits() || mine.is_nan() && right.is_nan();
        }
        let difference = (mine - right).abs();
        let near = self.relative * right.abs() + self.of_largest * largest;
        difference <= near || difference <= near + self.of_terms * terms()
    }

    /// Returns whether all entries of a tensor count as equal to the right ones; `false` for another number of entries. `terms` returns the sum of the
    /// magnitudes of an entry's terms.
    #[must_use]
    pub fn are_equal(self, mine: &[f64], right: &[f64], terms: impl Fn(usize) -> f64) -> bool {
        let largest = largest(right);
        mine.len() == right.len()
            && mine.iter().zip(right).enumerate().all(|(at, (mine, right))| self.is_equal(*mine, *right, largest, || terms(at)))
    }
}

/// The largest magnitude of the finite numbers.
#[must_use]
pub fn largest(values: &[f64]) -> f64 {
    values.iter().filter(|value| value.is_finite()).fold(0.0, |largest, value| largest.max(value.abs()))
}

/// The precision in which a user has computed gradients, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// float16 or bfloat16.
    Half,
    /// float32.
    Single,
    /// float64.
    Double,
}

impl Precision {
    /// Returns the lowest precision of the tensors: one gradient in a lower precision shows that a part of the pass was computed in it. `tensors` are pairs of
    /// a tensor's numbers and whether its file has them in half precision.
    ///
    /// A tensor is in single precision if f32 can represent all its numbers and one of them needs more than 16 binary digits. Such numbers are rare among those
    /// written by hand. Without such a tensor, the precision is single if f32 can represent all numbers of all tensors.
    ///
    /// ```
    /// use gradstep::diff::Precision;
    ///
    /// let tenth = f64::from(0.1_f32);
    /// assert_eq!(Precision::of(&[(&[0.5, 2.0], false), (&[0.1], false)]), Precision::Double);
    /// assert_eq!(Precision::of(&[(&[0.5, tenth], false), (&[0.1], false)]), Precision::Single);
    /// ```
    #[must_use]
    pub fn of(tensors: &[(&[f64], bool)]) -> Self {
        let of_tensor = |(values, is_half): &(&[f64], bool)| {
            let is_single = || values.iter().copied().all(is_float32) && values.iter().any(|value| binary_digits(*value) > 16);
            if *is_half { Some(Self::Half) } else { is_single().then_some(Self::Single) }
        };
        let all_single = || tensors.iter().all(|(values, _)| values.iter().copied().all(is_float32));
        let lowest = tensors.iter().filter_map(of_tensor).min();
        lowest.unwrap_or_else(|| if all_single() { Self::Single } else { Self::Double })
    }

    /// The tolerance for numbers of this precision.
    #[must_use]
    pub fn tolerance(self) -> Tolerance {
        match self {
            Self::Half => Tolerance::FLOAT16,
            Self::Single => Tolerance::FLOAT32,
            Self::Double => Tolerance::FLOAT64,
        }
    }

    /// The names of its types.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Half => "float16 or bfloat16",
            Self::Single => "float32",
            Self::Double => "float64",
        }
    }
}

/// The number of binary digits of a number from its first 1 to its last 1; 0 for 0, infinities and NaN.
fn binary_digits(value: f64) -> u32 {
    let fraction = value.to_bits() & ((1 << (f64::MANTISSA_DIGITS - 1)) - 1);
    match fraction {
        _ if value == 0.0 || !value.is_finite() => 0,
        0 => 1,
        _ => f64::MANTISSA_DIGITS - fraction.trailing_zeros(),
    }
}

/// Returns whether f32 can represent a number exactly. Such a number was probably computed in single precision, even if its file has float64. Also `true` for
/// infinities and NaN.
#[must_use]
#[allow(clippy::cast_possible_truncation)] // the cast back shows whether the cast changed the value
pub fn is_float32(value: f64) -> bool {
    !value.is_finite() || f64::from(value as f32).to_bits() == value.to_bits()
}
