//! An optimizer in a few words, such as `sgd, learning_rate 0.5`.

use super::optimizer::{Optimizer, UpdateRule};
use super::schedule::Schedule;
use crate::number::short;

impl Optimizer {
    /// Returns the name of the optimizer, and those of its settings that are not 0, by their keys of `[train]`. Settings that are rarely changed, such as
    /// `betas` and `eps`, are left out.
    ///
    /// ```
    /// assert_eq!(gradstep::network::Optimizer::sgd(0.5, 0.9, 0.0).summary(), "sgd, learning_rate 0.5, momentum 0.9");
    /// ```
    #[must_use]
    pub fn summary(&self) -> String {
        let (name, rule_settings): (&str, Vec<(&str, f64)>) = match self.rule {
            UpdateRule::Sgd { momentum, dampening, .. } => ("sgd", vec![("momentum", momentum), ("dampening", dampening)]),
            UpdateRule::Adam { is_decoupled: false, .. } => ("adam", Vec::new()),
            UpdateRule::Adam { is_decoupled: true, .. } => ("adamw", Vec::new()),
            UpdateRule::RmsProp { momentum, .. } => ("rmsprop", vec![("momentum", momentum)]),
            UpdateRule::Adagrad { lr_decay, .. } => ("adagrad", vec![("lr_decay", lr_decay)]),
        };
        let is_nesterov = matches!(self.rule, UpdateRule::Sgd { is_nesterov: true, .. });
        let schedule = self.schedule.map(|schedule| match schedule {
            Schedule::Step { .. } => "step",
            Schedule::Exponential { .. } => "exponential",
            Schedule::Cosine { .. } => "cosine",
        });
        let numbers = [("learning_rate", self.learning_rate)].into_iter().chain(rule_settings).chain([("weight_decay", self.weight_decay)]);
        let mut words = vec![name.to_owned()];
        words.extend(numbers.filter(|(_, value)| *value != 0.0).map(|(key, value)| format!("{key} {}", short(value))));
        words.extend(is_nesterov.then(|| "nesterov".to_owned()));
        words.extend(schedule.map(|name| format!("{name} lr_schedule")));
        words.join(", ")
    }
}
