//! Schedules of the learning rate: PyTorch's `StepLR`, `ExponentialLR` and `CosineAnnealingLR`, with one `step()` after each iteration.

use std::f64::consts::PI;

/// A formula for the learning rate of an iteration. η is the first learning rate, and n the number of earlier iterations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// η · γ^⌊n / size⌋
    Step {
        /// The number of iterations with the same learning rate.
        size: u64,
        /// γ.
        gamma: f64,
    },
    /// η · γⁿ
    Exponential {
        /// γ.
        gamma: f64,
    },
    /// min + (η − min) (1 + cos(π n / period)) / 2
    Cosine {
        /// The number of iterations until the learning rate is at its minimum.
        period: u64,
        /// The minimum.
        min: f64,
    },
}

impl Schedule {
    /// Returns the learning rate after n iterations. `first` is η, the learning rate of the first iteration.
    ///
    /// ```
    /// use gradstep::network::Schedule;
    ///
    /// let halved = Schedule::Step { size: 10, gamma: 0.5 };
    /// assert_eq!([0, 9, 10, 20].map(|n| halved.rate(0.5, n)), [0.5, 0.5, 0.25, 0.125]);
    /// ```
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ iterations
    pub fn rate(self, first: f64, n: u64) -> f64 {
        match self {
            Self::Step { size, gamma } => first * libm::pow(gamma, (n / size) as f64),
            Self::Exponential { gamma } => first * libm::pow(gamma, n as f64),
            Self::Cosine { period, min } => min + (first - min) * (1.0 + libm::cos(PI * n as f64 / period as f64)) / 2.0,
        }
    }
}
