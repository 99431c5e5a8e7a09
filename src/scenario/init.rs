//! Initializers: tensors that are made by a rule, `{ init = "he_normal", seed = 1 }`.

use std::sync::{Mutex, PoisonError};
use std::thread;

use toml::de::DeValue;

use super::excerpt::quoted;
use super::file;
use super::random::{Generator, NORMAL, UNIFORM};
use super::reader::{ScenarioReader, Span, TomlTable};
use super::spelling::mend_keys;
use crate::op::layer::{Fan, Reported};
use crate::tensor::len;
use crate::threads;
use crate::words::{self, Vocabulary};

/// A rule: its name, and its keys with their default values; `None` for a required key. Random rules have the key `seed` too.
#[derive(Debug)]
struct InitRule {
    name: &'static str,
    keys: &'static [(&'static str, Option<f64>)],
    random: bool,
    fans: bool,
}

#[rustfmt::skip]
const RULES: &[InitRule] = &[
    InitRule { name: "zeros", keys: &[], random: false, fans: false },
    InitRule { name: "ones", keys: &[], random: false, fans: false },
    InitRule { name: "constant", keys: &[("value", None)], random: false, fans: false },
    InitRule { name: "linspace", keys: &[("start", None), ("stop", None)], random: false, fans: false },
    InitRule { name: "arange", keys: &[("start", Some(0.0)), ("step", Some(1.0))], random: false, fans: false },
    InitRule { name: "uniform", keys: &[("low", Some(0.0)), ("high", Some(1.0))], random: true, fans: false },
    InitRule { name: "normal", keys: &[("mean", Some(0.0)), ("std", Some(1.0))], random: true, fans: false },
    InitRule { name: "xavier_uniform", keys: &[], random: true, fans: true },
    InitRule { name: "he_normal", keys: &[], random: true, fans: true },
];

/// The number of random entries from which a second thread pays off: they take half a millisecond.
const MIN_PARALLEL_ENTRIES: usize = 1 << 14;

/// A rule with the values of its keys.
#[derive(Clone, Debug)]
pub(super) struct Initializer<'t, 'i> {
    kind: &'static InitRule,
    numbers: [f64; 2],
    seed: u64,
    table: &'t TomlTable<'i>,
    span: Span,
    /// The shape from the key `shape`.
    pub shape: Option<Vec<usize>>,
}

/// Corrects the keys of a table `{ init = … }` or `{ file = … }`.
pub(super) fn mend(reader: &mut ScenarioReader, table: &mut TomlTable<'_>) {
    if table.contains_key("file") {
        return mend_keys(reader, table, file::KEYS, Vocabulary::InitKey, "a tensor from a file");
    }
    let kind = table.get("init").and_then(|name| find(name.get_ref().as_str()?));
    let mut known = vec!["init", "shape"];
    for own in RULES.iter().filter(|own| kind.is_none_or(|kind| kind.name == own.name)) {
        known.extend(own.keys.iter().map(|(key, _)| *key));
        known.extend(own.random.then_some("seed"));
    }
    if !table.contains_key("init") {
        known.extend(file::KEYS);
    }
    let owner = kind.map_or_else(|| "a tensor".to_owned(), |kind| format!("init \"{}\"", kind.name));
    mend_keys(reader, table, &known, Vocabulary::InitKey, &owner);
}

/// Returns the names of all rules.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|kind| kind.name)
}

/// Returns whether a rule needs a seed.
pub(super) fn is_random(name: &str) -> bool {
    find(name).is_some_and(|kind| kind.random)
}

/// Returns all keys of `{ init = … }` and `{ file = … }`.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let own = RULES.iter().flat_map(|kind| kind.keys).map(|(key, _)| *key);
    ["init", "shape", "seed"].into_iter().chain(file::KEYS.iter().copied()).chain(own)
}

fn find(name: &str) -> Option<&'static InitRule> {
    RULES.iter().find(|kind| kind.name == name)
}

impl<'t, 'i> Initializer<'t, 'i> {
    /// Reads a rule and reports its errors.
    pub fn read(reader: &mut ScenarioReader, key: &str, table: &'t TomlTable<'i>, span: Span) -> Result<Self, Reported> {
        let Some((name, place)) = reader.string(table, "init")? else {
            return Err(reader.fault(span, format!("{key} needs init = …"), "for example { init = \"normal\", seed = 1 }"));
        };
        let Some(kind) = find(name) else {
            let names: Vec<&str> = names().collect();
            return Err(reader.fault(place, format!("there is no init {}", quoted(name)), words::help(Vocabulary::Init, name, &names)));
        };
        let before = reader.faults.len();
        let mut numbers = [0.0; 2];
        for (number, (key, default)) in numbers.iter_mut().zip(kind.keys) {
            match (table.get(*key), default) {
                (Some(value), _) => *number = reader.number(key, value).unwrap_or(0.0),
                (None, Some(default)) => *number = *default,
                (None, None) => {
                    reader.fault(span.clone(), format!("init \"{name}\" needs {key}"), format!("add {key} = …"));
                }
            }
        }
        let mut seed = 0;
        if kind.random {
            if let Some(value) = table.get("seed") {
                seed = reader.integer("seed", value, 0).unwrap_or(0);
            } else {
                let help = "add seed = 1, or any other: one seed gives the same numbers everywhere";
                reader.fault(span.clone(), format!("init \"{name}\" needs a seed"), help);
            }
        }
        // a faulty rule makes zeros, because its shape is still known
        let kind = if reader.faults.len() > before { &RULES[0] } else { kind };
        let shape = shape(reader, table)?;
        Ok(Self { kind, numbers, seed, table, span, shape })
    }

    /// Returns the position of a key, or of the whole table if the key is missing.
    fn place(&self, key: &str) -> Span {
        self.table.get(key).map_or(self.span.clone(), toml::Spanned::span)
    }

    /// Makes the numbers of a tensor of this shape in row-major order.
    pub fn fill(&self, reader: &mut ScenarioReader, key: &str, shape: &[usize], fan: Fan) -> Result<Vec<f64>, Reported> {
        if self.kind.fans && shape.len() < 2 {
            let message =
                format!("init \"{}\" is for weights: {key} has fewer than two dimensions, so it has no fan-in and fan-out", self.kind.name);
            return Err(reader.fault(self.place("init"), message, "take \"zeros\", \"uniform\" or \"normal\""));
        }
        let [a, b] = self.numbers;
        match self.kind.name {
            "uniform" if a > b => {
                let place = if self.table.contains_key("low") { "low" } else { "high" };
                return Err(reader.fault(self.place(place), format!("low is {a}, but high is only {b}"), ""));
            }
            "normal" if b < 0.0 => return Err(reader.fault(self.place("std"), format!("std must be at least 0, not {b}"), "")),
            _ => {}
        }
        if reader.defers(len(shape)) {
            return Ok(vec![0.0; len(shape)]);
        }
        let data = self.data(len(shape), fan);
        if data.iter().any(|x| !x.is_finite()) {
            return Err(reader.fault(self.span.clone(), format!("this makes numbers for {key} that are too large for f64"), ""));
        }
        Ok(data)
    }

    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
    fn data(&self, n: usize, fan: Fan) -> Vec<f64> {
        let [a, b] = self.numbers;
        match self.kind.name {
            "ones" => vec![1.0; n],
            "constant" => vec![a; n],
            "linspace" => {
                let step = if n > 1 { (b - a) / (n - 1) as f64 } else { 0.0 };
                // counted from the nearer end, so that both ends are exact, as in PyTorch
                (0..n).map(|i| if i < n.div_ceil(2) { a + step * i as f64 } else { b - step * (n - 1 - i) as f64 }).collect()
            }
            "arange" => (0..n).map(|i| a + b * i as f64).collect(),
            "uniform" => self.drawn(n, UNIFORM, |random, data| data.fill_with(|| a + (b - a) * random.uniform())),
            "normal" => self.drawn(n, NORMAL, |random, data| {
                random.normals(data);
                for x in data {
                    *x = a + b * *x;
                }
            }),
            "xavier_uniform" => {
                let bound = (6.0 / (fan.inputs + fan.outputs) as f64).sqrt();
                self.drawn(n, UNIFORM, |random, data| data.fill_with(|| -bound + (bound + bound) * random.uniform()))
            }
            "he_normal" => {
                let std = (2.0 / fan.inputs as f64).sqrt();
                self.drawn(n, NORMAL, |random, data| {
                    random.normals(data);
                    for x in data {
                        *x *= std;
                    }
                })
            }
            _ => vec![0.0; n],
        }
    }

    /// Makes `n` random numbers, each of which takes `steps` steps of the generator. A second thread may make the second half.
    fn drawn(&self, n: usize, steps: usize, draw: impl Fn(&mut Generator, &mut [f64]) + Sync) -> Vec<f64> {
        let mut data = vec![0.0; n];
        let fill = |from: usize, data: &mut [f64]| {
            let mut random = Generator::new(self.seed);
            random.skip(from * steps);
            draw(&mut random, data);
        };
        if n < MIN_PARALLEL_ENTRIES || threads::limit() == 1 {
            fill(0, &mut data);
        } else {
            let (first, second) = data.split_at_mut(n / 2);
            let second = Mutex::new(Some(second));
            // done by the thread that comes first
            let fill_second = || {
                let second = second.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(data) = second {
                    fill(n / 2, data);
                }
            };
            thread::scope(|scope| {
                threads::try_spawn(scope, fill_second);
                fill(0, first);
                fill_second();
            });
        }
        data
    }
}

/// Reads the key `shape`, such as `shape = [2, 3]`.
fn shape(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> Result<Option<Vec<usize>>, Reported> {
    let Some(value) = table.get("shape") else { return Ok(None) };
    let DeValue::Array(items) = value.get_ref() else {
        return Err(reader.wrong_type("shape", value, "an array of integers", "write it as [2, 3]"));
    };
    items.iter().map(|item| reader.size("a dimension of shape", item, 1)).collect::<Result<_, _>>().map(Some)
}
