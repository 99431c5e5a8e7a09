//! Reads the settings of a scenario's optimizer; PyTorch's defaults replace missing settings.

use super::keys::{Keys, Table};

/// PyTorch's β₁ and β₂. No scenario of these tests has others.
pub const BETAS: [f64; 2] = [0.9, 0.999];

/// The table `[train]` of a scenario.
pub struct Optimizer(Table);

impl Optimizer {
    pub fn of(keys: &Keys) -> Self {
        Self(keys.below("train"))
    }

    fn name(&self) -> &str {
        self.0.text("optimizer").unwrap_or("sgd")
    }

    fn is_adam(&self) -> bool {
        self.name().starts_with("adam")
    }

    pub fn number(&self, key: &str) -> f64 {
        let default = match (key, self.name()) {
            ("learning_rate", "adam" | "adamw") => 1e-3,
            ("learning_rate", "rmsprop" | "adagrad") | ("weight_decay", "adamw") => 1e-2,
            ("eps", "adagrad") => 1e-10,
            ("eps", _) => 1e-8,
            ("alpha", _) => 0.99,
            _ => 0.0,
        };
        self.0.number(key).unwrap_or(default)
    }

    /// The factor by which the running mean of the squared gradients is too small in an iteration, because it begins at 0: 1 − β₂ᵗ.
    pub fn correction(&self, iteration: u64) -> f64 {
        if self.is_adam() { 1.0 - power(BETAS[1], iteration) } else { 1.0 }
    }

    /// The learning rate of an iteration, divided by 1 − β₁ᵗ for Adam: the running mean of the gradients begins at 0 too.
    #[allow(clippy::cast_precision_loss)] // the first iterations
    pub fn rate(&self, iteration: u64) -> f64 {
        // the only schedule of the scenarios is a step of 1 with a factor of ½
        let scheduled = if self.0.has("lr_schedule") { power(0.5, iteration - 1) } else { 1.0 };
        let mean_correction = if self.is_adam() { 1.0 - power(BETAS[0], iteration) } else { 1.0 };
        self.number("learning_rate") * scheduled / mean_correction / (1.0 + (iteration - 1) as f64 * self.number("lr_decay"))
    }
}

fn power(base: f64, exponent: u64) -> f64 {
    (0..exponent).map(|_| base).product()
}
