//! Initializers: rules that make the numbers of a tensor, such as `{ init = "he_normal", seed = 1 }` or `{ init = "zeros" }`.

use std::sync::{Mutex, PoisonError};
use std::thread;

use toml::de::DeValue;

use super::excerpt::quoted;
use super::random::{Generator, NORMAL_STEPS, UNIFORM_STEPS};
use super::reader::{ScenarioReader, Span, TomlTable};
use super::spelling::mend_keys;
use super::weight_file;
use crate::op::layer::{Fan, Reported};
use crate::tensor::{Tensor, aligned_zeros, flat, flat_mut, len};
use crate::threads;
use crate::words::{self, Vocabulary};

/// The numbers that a rule makes.
#[derive(Clone, Copy, Debug)]
enum InitKind {
    Zeros,
    Ones,
    Constant,
    Linspace,
    Arange,
    Uniform,
    Normal,
    XavierUniform,
    HeNormal,
}

/// A rule that makes the numbers of a tensor.
#[derive(Debug)]
struct InitRule {
    name: &'static str,
    kind: InitKind,
    /// The keys with their default values; `None` for a required key.
    keys: &'static [(&'static str, Option<f64>)],
    /// `true` if the rule makes random numbers, so that the key `seed` is required.
    is_random: bool,
    /// `true` if the rule uses the fan-in or fan-out of a weight.
    uses_fans: bool,
}

#[rustfmt::skip]
const RULES: &[InitRule] = &[
    InitRule { name: "zeros", kind: InitKind::Zeros, keys: &[], is_random: false, uses_fans: false },
    InitRule { name: "ones", kind: InitKind::Ones, keys: &[], is_random: false, uses_fans: false },
    InitRule { name: "constant", kind: InitKind::Constant, keys: &[("value", None)], is_random: false, uses_fans: false },
    InitRule { name: "linspace", kind: InitKind::Linspace, keys: &[("start", None), ("stop", None)], is_random: false, uses_fans: false },
    InitRule { name: "arange", kind: InitKind::Arange, keys: &[("start", Some(0.0)), ("step", Some(1.0))], is_random: false, uses_fans: false },
    InitRule { name: "uniform", kind: InitKind::Uniform, keys: &[("low", Some(0.0)), ("high", Some(1.0))], is_random: true, uses_fans: false },
    InitRule { name: "normal", kind: InitKind::Normal, keys: &[("mean", Some(0.0)), ("std", Some(1.0))], is_random: true, uses_fans: false },
    InitRule { name: "xavier_uniform", kind: InitKind::XavierUniform, keys: &[], is_random: true, uses_fans: true },
    InitRule { name: "he_normal", kind: InitKind::HeNormal, keys: &[], is_random: true, uses_fans: true },
];

/// The smallest number of random entries for which a second thread is used. One thread makes this many in half a millisecond.
const MIN_PARALLEL_ENTRIES: usize = 1 << 14;

/// An initializer of the file: a rule with the values of its keys.
#[derive(Clone, Debug)]
pub(super) struct Initializer<'t, 'i> {
    rule: &'static InitRule,
    /// The values of the rule's keys, in the order of [`InitRule::keys`]. A rule has at most two; missing values are 0.
    parameters: [f64; 2],
    seed: u64,
    table: &'t TomlTable<'i>,
    span: Span,
    /// The shape from the key `shape`.
    pub shape: Option<Vec<usize>>,
}

/// Reports and mends the unknown keys of a table `{ init = … }` or `{ file = … }`.
pub(super) fn mend(reader: &mut ScenarioReader, table: &mut TomlTable<'_>) {
    if table.contains_key("file") {
        return mend_keys(reader, table, weight_file::KEYS, Vocabulary::InitKey, "a tensor from a file");
    }
    let rule = table.get("init").and_then(|name| find_rule(name.get_ref().as_str()?));
    let mut known = vec!["init", "shape"];
    // if the rule is unknown, the keys of all rules are accepted
    for possible in RULES.iter().filter(|possible| rule.is_none_or(|rule| rule.name == possible.name)) {
        known.extend(possible.keys.iter().map(|(key, _)| *key));
        known.extend(possible.is_random.then_some("seed"));
    }
    // if the table has neither `init` nor `file`, its key `file` may be misspelt
    if !table.contains_key("init") {
        known.extend(weight_file::KEYS);
    }
    let owner = rule.map_or_else(|| "a tensor".to_owned(), |rule| format!("init \"{}\"", rule.name));
    mend_keys(reader, table, &known, Vocabulary::InitKey, &owner);
}

/// Returns the names of all rules.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.name)
}

/// Returns whether the rule of this name makes random numbers and needs a seed.
pub(super) fn is_random(name: &str) -> bool {
    find_rule(name).is_some_and(|rule| rule.is_random)
}

/// Returns all keys of `{ init = … }` and `{ file = … }`.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let rule_keys = RULES.iter().flat_map(|rule| rule.keys).map(|(key, _)| *key);
    ["init", "shape", "seed"].into_iter().chain(weight_file::KEYS.iter().copied()).chain(rule_keys)
}

fn find_rule(name: &str) -> Option<&'static InitRule> {
    RULES.iter().find(|rule| rule.name == name)
}

impl<'t, 'i> Initializer<'t, 'i> {
    /// Reads the table `{ init = … }` and reports its faults. `label` is the tensor's name in messages, such as `weight of fc1`. `span` is the position of the
    /// table.
    pub fn read(reader: &mut ScenarioReader, label: &str, table: &'t TomlTable<'i>, span: Span) -> Result<Self, Reported> {
        let Some((name, name_span)) = reader.string(table, "init")? else {
            return Err(reader.report(span, format!("{label} needs init = …"), "for example { init = \"normal\", seed = 1 }"));
        };
        let Some(rule) = find_rule(name) else {
            let names: Vec<&str> = names().collect();
            return Err(reader.report(
                name_span,
                format!("there is no init {}", quoted(name)),
                words::help(Vocabulary::InitRule, name, &names),
            ));
        };
        let faults_before = reader.faults.len();
        let mut parameters = [0.0; 2];
        for (parameter, (key, default)) in parameters.iter_mut().zip(rule.keys) {
            match (table.get(*key), default) {
                (Some(value), _) => *parameter = reader.number(key, value).unwrap_or(0.0),
                (None, Some(default)) => *parameter = *default,
                (None, None) => {
                    reader.report(span.clone(), format!("init \"{name}\" needs {key}"), format!("add {key} = …"));
                }
            }
        }
        let mut seed = 0;
        if rule.is_random {
            if let Some(value) = table.get("seed") {
                seed = reader.integer("seed", value, 0).unwrap_or(0);
            } else {
                let help = "add seed = 1, or any other: one seed gives the same numbers everywhere";
                reader.report(span.clone(), format!("init \"{name}\" needs a seed"), help);
            }
        }
        // after a fault, the first rule (zeros) makes the tensor, because its shape is still known
        let rule = if reader.faults.len() > faults_before { &RULES[0] } else { rule };
        let shape = shape(reader, table)?;
        Ok(Self { rule, parameters, seed, table, span, shape })
    }

    /// Returns the position of a key, or of the whole table if the key is missing.
    fn span_of(&self, key: &str) -> Span {
        self.table.get(key).map_or(self.span.clone(), toml::Spanned::span)
    }

    /// Makes a tensor of this shape. Some rules use `fan`, the fan-in and fan-out. `label` is the tensor's name in messages.
    ///
    /// The scenario file is read in up to two passes. If the tensors have too many numbers, the first pass gets zeros instead.
    pub fn fill(&self, reader: &mut ScenarioReader, label: &str, shape: &[usize], fan: Fan) -> Result<Tensor, Reported> {
        if self.rule.uses_fans && shape.len() < 2 {
            let message = format!(
                "init \"{}\" is for weights: {label} has fewer than two dimensions, so it has no fan-in and fan-out",
                self.rule.name
            );
            return Err(reader.report(self.span_of("init"), message, "take \"zeros\", \"uniform\" or \"normal\""));
        }
        // the values of the rule's keys: low and high, or mean and std
        let [a, b] = self.parameters;
        match self.rule.kind {
            InitKind::Uniform if a > b => {
                let written_key = if self.table.contains_key("low") { "low" } else { "high" };
                return Err(reader.report(self.span_of(written_key), format!("low is {a}, but high is only {b}"), ""));
            }
            InitKind::Normal if b < 0.0 => return Err(reader.report(self.span_of("std"), format!("std must be at least 0, not {b}"), "")),
            _ => {}
        }
        if reader.defer(len(shape)) {
            return Ok(aligned_zeros(shape));
        }
        let mut tensor = aligned_zeros(shape);
        self.write(flat_mut(&mut tensor), fan);
        if flat(&tensor).iter().any(|x| !x.is_finite()) {
            return Err(reader.report(self.span.clone(), format!("this makes numbers for {label} that are too large for f64"), ""));
        }
        Ok(tensor)
    }

    /// Replaces zeros by the numbers of the rule.
    #[allow(clippy::cast_precision_loss)] // there are far less than 2⁵³ numbers
    fn write(&self, data: &mut [f64], fan: Fan) {
        let n = data.len();
        // the values of the rule's keys: start and stop, start and step, low and high, or mean and std
        let [a, b] = self.parameters;
        match self.rule.kind {
            InitKind::Zeros => {}
            InitKind::Ones => data.fill(1.0),
            InitKind::Constant => data.fill(a),
            InitKind::Linspace => {
                let step = if n > 1 { (b - a) / (n - 1) as f64 } else { 0.0 };
                // as in PyTorch, the first half is computed from the start and the second half from the stop, so that both ends are exact
                let number = |i: usize| if i < n.div_ceil(2) { a + step * i as f64 } else { b - step * (n - 1 - i) as f64 };
                data.iter_mut().enumerate().for_each(|(i, x)| *x = number(i));
            }
            InitKind::Arange => data.iter_mut().enumerate().for_each(|(i, x)| *x = a + b * i as f64),
            InitKind::Uniform => self.draw(data, UNIFORM_STEPS, |random, data| data.fill_with(|| a + (b - a) * random.uniform())),
            InitKind::Normal => self.draw(data, NORMAL_STEPS, |random, data| {
                random.normals(data);
                for x in data {
                    *x = a + b * *x;
                }
            }),
            InitKind::XavierUniform => {
                let bound = (6.0 / (fan.inputs + fan.outputs) as f64).sqrt();
                self.draw(data, UNIFORM_STEPS, |random, data| data.fill_with(|| -bound + (bound + bound) * random.uniform()));
            }
            InitKind::HeNormal => {
                let std = (2.0 / fan.inputs as f64).sqrt();
                self.draw(data, NORMAL_STEPS, |random, data| {
                    random.normals(data);
                    for x in data {
                        *x *= std;
                    }
                });
            }
        }
    }

    /// Makes random numbers with `make`. Each number takes `steps` steps of the generator. A second thread makes the second half: it skips the steps
    /// of the first half.
    fn draw(&self, data: &mut [f64], steps: usize, make: impl Fn(&mut Generator, &mut [f64]) + Sync) {
        let n = data.len();
        let fill = |first: usize, data: &mut [f64]| {
            let mut random = Generator::new(self.seed);
            random.skip(first * steps);
            make(&mut random, data);
        };
        if n < MIN_PARALLEL_ENTRIES || threads::limit() == 1 {
            fill(0, data);
        } else {
            let (first, second) = data.split_at_mut(n / 2);
            let second = Mutex::new(Some(second));
            // the first call of this closure makes the second half. Both threads call it, because the other thread may start late or not at all
            let fill_second = || {
                let untaken = second.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(data) = untaken {
                    fill(n / 2, data);
                }
            };
            thread::scope(|scope| {
                threads::try_spawn(scope, fill_second);
                fill(0, first);
                fill_second();
            });
        }
    }
}

/// Reads the key `shape`, such as `shape = [2, 3]`; `None` if it is missing.
fn shape(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> Result<Option<Vec<usize>>, Reported> {
    let Some(value) = table.get("shape") else { return Ok(None) };
    let DeValue::Array(items) = value.get_ref() else {
        return Err(reader.wrong_type("shape", value, "an array of integers", "write it as [2, 3]"));
    };
    items.iter().map(|item| reader.size("a dimension of shape", item, 1)).collect::<Result<_, _>>().map(Some)
}
