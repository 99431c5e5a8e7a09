//! Writes random layers and losses as a scenario file.

use std::fmt::Write as _;

use super::choices::{Choices, Flavour};

pub const ACTIVATIONS: &[&str] = &[
    "identity",
    "relu",
    "sigmoid",
    "tanh",
    "softmax",
    "leaky_relu",
    "elu",
    "softplus",
    "silu",
    "gelu",
    "hardtanh",
    "relu6",
    "mish",
    "hardswish",
    "log_softmax",
];

/// The losses, each with the activations that it accepts before it. An empty list means any activation.
pub const LOSSES: &[(&str, &[&str])] = &[
    ("squared_error", &[]),
    ("upstream", &[]),
    ("cross_entropy_with_logits", &[]),
    ("binary_cross_entropy_with_logits", &[]),
    ("l1", &[]),
    ("huber", &[]),
    ("smooth_l1", &[]),
    ("l1_loss", &[]),
    ("huber_loss", &[]),
    ("smooth_l1_loss", &[]),
    ("mse_loss", &[]),
    ("nll", &[]),
    ("nll_loss", &[]),
    ("multi_margin", &[]),
    ("multi_margin_loss", &[]),
    ("kl_div", &[]),
    ("cross_entropy", &["softmax", "sigmoid"]),
    ("binary_cross_entropy", &["sigmoid"]),
];

/// A scenario file that is being written.
pub struct Writer<'a> {
    pub text: String,
    pub choices: &'a mut Choices,
    pub flavour: Flavour,
    /// The activation that computes the output so far; `None` after a layer that cannot have one, such as a pool.
    pub last_activation: Option<&'static str>,
    /// The names and shapes of the tensors that a layer can read.
    pub known: Vec<(String, Vec<usize>)>,
}

/// A tensor of this shape, inline.
pub fn tensor(choices: &mut Choices, flavour: Flavour, shape: &[usize]) -> String {
    let Some((&n, inner)) = shape.split_first() else { return format!("{:?}", choices.number(flavour)) };
    let entries: Vec<String> = (0..n).map(|_| tensor(choices, flavour, inner)).collect();
    format!("[{}]", entries.join(", "))
}

pub fn divisors(n: usize) -> Vec<usize> {
    (1..=n).filter(|d| n.is_multiple_of(*d)).collect()
}

impl<'a> Writer<'a> {
    /// Begins a file in which a layer can read the tensors `known`.
    pub fn new(choices: &'a mut Choices, flavour: Flavour, known: Vec<(String, Vec<usize>)>) -> Self {
        Self { text: String::new(), choices, flavour, last_activation: None, known }
    }

    /// Writes `key = value`.
    pub fn line(&mut self, key: &str, value: &str) {
        writeln!(self.text, "{key} = {value}").expect("a string");
    }

    /// Begins a layer. Its name is added to `known`, and the caller sets its shape there.
    pub fn begin(&mut self, kind: &str) {
        let name = format!("l{}", self.known.len());
        write!(self.text, "\n[[layer]]\ntype = \"{kind}\"\nname = \"{name}\"\n").expect("a string");
        self.known.push((name, Vec::new()));
    }

    pub fn tensor(&mut self, key: &str, shape: &[usize]) {
        let text = tensor(self.choices, self.flavour, shape);
        self.line(key, &text);
    }

    /// Writes a pair, as one number if both are equal.
    pub fn pair(&mut self, key: &str, [a, b]: [usize; 2]) {
        let text = if a == b { a.to_string() } else { format!("[{a}, {b}]") };
        self.line(key, &text);
    }

    /// Returns two sizes in `from..from + count`, which are equal at least half of the time.
    pub fn two(&mut self, from: usize, count: usize) -> [usize; 2] {
        let a = from + self.choices.pick(count);
        if self.choices.pick(2) == 0 { [a, a] } else { [a, from + self.choices.pick(count)] }
    }

    /// Writes the key `activation` of a layer, or no activation.
    pub fn activate(&mut self) {
        self.last_activation = Some("identity");
        if self.choices.pick(6) != 0 {
            self.write_activation("activation");
        }
    }

    /// Writes a random activation under this key, and its own keys such as `negative_slope`.
    pub fn write_activation(&mut self, key: &str) {
        let name = self.choices.choose(ACTIVATIONS);
        self.line(key, &format!("\"{name}\""));
        let own_key = match name {
            "leaky_relu" => "negative_slope",
            "elu" => "alpha",
            "hardtanh" => {
                if self.choices.pick(2) == 1 {
                    let [min, max] = self.choices.choose(&[["-0.5", "0.75"], ["0", "3"], ["-2", "-0.25"]]);
                    self.line("min_val", min);
                    self.line("max_val", max);
                }
                ""
            }
            _ => "",
        };
        if !own_key.is_empty() && self.choices.pick(2) == 1 {
            let value = self.choices.choose(&["0.3", "-0.5", "0", "2"]);
            self.line(own_key, value);
        }
        self.last_activation = Some(name);
    }

    /// The lines of the loss and the target; sometimes with a penalty of the weights.
    pub fn loss(&mut self, output: &[usize]) -> String {
        let lines = self.plain_loss(output);
        if self.choices.pick(4) > 0 {
            return lines;
        }
        let l2 = self.choices.choose(&["0.25", "0.01", "1e-3"]);
        // the loss is a table, or only a name
        if let Some(table) = lines.strip_suffix(" }") {
            return format!("{table}, l2 = {l2} }}");
        }
        let (before, name) = lines.rsplit_once("loss = ").expect("a loss");
        format!("{before}loss = {{ type = {name}, l2 = {l2} }}")
    }

    fn plain_loss(&mut self, output: &[usize]) -> String {
        let outputs: usize = output.iter().product();
        let accepts_last = |accepted: &[&str]| self.last_activation.is_some_and(|last| accepted.contains(&last));
        let for_last_activation: Vec<&str> = LOSSES.iter().filter(|(_, accepted)| accepts_last(accepted)).map(|(name, _)| *name).collect();
        let for_any_activation: Vec<&str> = LOSSES.iter().filter(|(_, accepted)| accepted.is_empty()).map(|(name, _)| *name).collect();
        let allowed = if !for_last_activation.is_empty() && self.choices.pick(2) == 1 { for_last_activation } else { for_any_activation };
        let name = self.choices.choose(&allowed);
        let shaped = tensor(self.choices, self.flavour, output);
        // in the shape of the output, or flat
        let target = if self.choices.pick(2) == 0 { shaped.clone() } else { format!("[{}]", shaped.replace(['[', ']'], "")) };
        match name {
            "squared_error" | "mse_loss" => {
                let reduction = self.choices.choose(&["", ", reduction = \"sum\"", ", reduction = \"mean\"", ", reduction = \"half_sum\""]);
                format!("target = {target}\nloss = {{ type = \"{name}\"{reduction} }}")
            }
            "l1" | "huber" | "smooth_l1" | "l1_loss" | "huber_loss" | "smooth_l1_loss" => {
                let key = match name {
                    "huber" | "huber_loss" => self.choices.choose(&["", ", delta = 0.5", ", delta = 2"]),
                    "smooth_l1" | "smooth_l1_loss" => self.choices.choose(&["", ", beta = 0.5", ", beta = 2"]),
                    _ => "",
                };
                let reduction = self.choices.choose(&["", ", reduction = \"sum\"", ", reduction = \"mean\""]);
                format!("target = {target}\nloss = {{ type = \"{name}\"{reduction}{key} }}")
            }
            "nll" | "nll_loss" if self.choices.pick(2) == 1 && outputs > 1 => {
                format!("target = {}\nloss = \"{name}\"", self.choices.pick(outputs))
            }
            "multi_margin" | "multi_margin_loss" => {
                let keys = self.choices.choose(&["", ", p = 2", ", margin = 0.5", ", p = 2, margin = 2"]);
                let class = if outputs > 1 { self.choices.pick(outputs) } else { 0 };
                format!("target = {class}\nloss = {{ type = \"{name}\"{keys} }}")
            }
            "kl_div" => {
                let probabilities: Vec<&str> = (0..outputs).map(|_| self.choices.choose(&["0.5", "0.25", "0", "1"])).collect();
                let reduction = self.choices.choose(&["", ", reduction = \"mean\""]);
                format!("target = [{}]\nloss = {{ type = \"kl_div\"{reduction} }}", probabilities.join(", "))
            }
            "upstream" if self.choices.pick(2) == 1 => format!("loss = {{ type = \"upstream\", gradient = {shaped} }}"),
            "binary_cross_entropy" | "binary_cross_entropy_with_logits" if self.choices.pick(3) > 0 => {
                let reduction = self.choices.choose(&["sum", "mean"]);
                format!("target = {target}\nloss = {{ type = \"{name}\", reduction = \"{reduction}\" }}")
            }
            "cross_entropy" | "cross_entropy_with_logits" if self.choices.pick(3) < 2 && outputs > 1 => {
                format!("target = {}\nloss = {{ type = \"{name}\", batch_reduction = \"sum\" }}", self.choices.pick(outputs))
            }
            _ => format!("target = {target}\nloss = \"{name}\""),
        }
    }
}
