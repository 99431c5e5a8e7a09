//! Reads the keys of a layer or a loss: the implementation of [`Args`] for TOML tables.

use std::collections::HashMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::excerpt::quoted;
use super::misfit;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use super::tensor::{TensorSource, read_tensor, with_rank};
use crate::op::activation::{self, ACTIVATIONS, Activation};
use crate::op::layer::{Args, Fan, Reported};
use crate::op::rule::Function;
use crate::tensor::{Tensor, from_flat, len, shape_words};
use crate::words::{self, Vocabulary};

/// The keys whose values are tensors.
pub(super) const TENSORS: &[&str] = &["weight", "bias", "mask"];

/// The keys of one layer or of the loss. Each key is reported at most once, even if a layer reads it several times.
#[derive(Debug)]
pub(super) struct TableArgs<'a, 't, 'i> {
    pub reader: &'a mut ScenarioReader,
    /// The table; `None` for a loss that is only a name.
    pub table: Option<&'t TomlTable<'i>>,
    /// The position of the layer or loss.
    pub at: Span,
    /// The name in messages.
    pub who: &'a str,
    /// The shapes of the inputs.
    pub inputs: &'a [&'a [usize]],
    /// Help text: what determines the shapes of the tensors.
    pub shapes: &'a str,
    /// `true` if the sizes are known. Otherwise the layer is built only to check its keys, and a mismatch is not reported: it may follow from another error.
    pub sized: bool,
    /// `true` if the layer reads the network's input.
    pub reads_input: bool,
    /// `true` if an error makes the size of the output uncertain.
    pub doubtful: bool,
    /// The keys that have an error; no second one is reported for them.
    faulty: Vec<String>,
    /// The keys of tensors and of the activation that have been read.
    seen: Vec<String>,
    /// The tensors that have been read, but not made yet.
    tensors: HashMap<String, Result<TensorSource<'t, 'i>, Reported>>,
    /// The activation that the layer asked for.
    pub activation: Result<Option<&'static Activation>, Reported>,
}

impl<'a, 't, 'i> TableArgs<'a, 't, 'i> {
    pub fn new(
        reader: &'a mut ScenarioReader,
        table: Option<&'t TomlTable<'i>>,
        at: Span,
        who: &'a str,
        inputs: &'a [&'a [usize]],
        shapes: &'a str,
    ) -> Self {
        let (faulty, seen, tensors) = Default::default();
        Self {
            reader,
            table,
            at,
            who,
            inputs,
            shapes,
            sized: true,
            reads_input: false,
            doubtful: false,
            faulty,
            seen,
            tensors,
            activation: Ok(None),
        }
    }

    fn value(&self, key: &str) -> Option<&'t TomlValue<'i>> {
        self.table?.get(key)
    }

    fn is_faulty(&self, key: &str) -> bool {
        self.faulty.iter().any(|faulty| faulty == key)
    }

    /// Returns the value of a key, unless an error of it was reported.
    fn unreported(&self, key: &str) -> Option<&'t TomlValue<'i>> {
        self.value(key).filter(|_| !self.is_faulty(key))
    }

    fn place(&self, key: &str) -> Span {
        self.value(key).map_or(self.at.clone(), Spanned::span)
    }

    fn label(&self, key: &str) -> String {
        format!("{key} of {}", self.who)
    }

    /// Returns the value that was read, and remembers a key with an error. Set `size` if the sizes are unknown without this key.
    fn checked<T>(&mut self, key: &str, size: bool, read: Result<T, Reported>) -> Option<T> {
        if read.is_err() {
            self.suppress(key);
            self.sized &= !size;
        }
        read.ok()
    }

    /// Suppresses errors of a key, which may follow from another error.
    pub fn suppress(&mut self, key: &str) {
        self.faulty.push(key.to_owned());
    }

    /// Returns whether this key is read for the first time.
    fn first(&mut self, key: &str) -> bool {
        let first = !self.seen.iter().any(|seen| seen == key);
        if first {
            self.seen.push(key.to_owned());
        }
        first
    }

    /// Reads the tensor under a key, if there is one and it was not read before.
    fn look(&mut self, key: &str) {
        if let Some(value) = self.value(key)
            && self.first(key)
        {
            let read = read_tensor(self.reader, &self.label(key), value);
            self.tensors.insert(key.to_owned(), read);
        }
    }

    /// Returns the shape of the tensor under a key, if the file gives it.
    fn own_shape(&mut self, key: &str) -> Result<Option<Vec<usize>>, Reported> {
        self.look(key);
        match self.tensors.get(key) {
            Some(read) => read.as_ref().map(|found| found.shape().map(<[usize]>::to_vec)).map_err(|&fault| fault),
            None => Ok(None),
        }
    }

    /// Reads the activation under `key`, with its own keys; `None` if there is none or it was read before.
    fn read_activation(&mut self, key: &str) -> Result<Option<Arc<dyn Function>>, Reported> {
        let Some(table) = self.table.filter(|_| self.first(key)) else { return Ok(None) };
        // unknown until it is read
        let none = std::mem::replace(&mut self.activation, Err(Reported));
        let Some((name, place)) = self.reader.string(table, key)? else {
            if !self.is_faulty(key) {
                self.activation = none;
            }
            return Ok(None);
        };
        let Some(found) = activation::find(name) else {
            for (key, _) in ACTIVATIONS.iter().flat_map(|activation| activation.keys) {
                let _ = table.get(*key).map(|value| self.reader.number(key, value));
            }
            let names: Vec<&str> = ACTIVATIONS.iter().map(|activation| activation.name).collect();
            return Err(self.reader.fault(
                place,
                format!("there is no activation {}", quoted(name)),
                words::help(Vocabulary::Activation, name, &names),
            ));
        };
        self.activation = Ok(Some(found));
        let number = |&(key, default): &(&str, f64)| table.get(key).map_or(Ok(default), |value| self.reader.number(key, value));
        let keys: Vec<Result<f64, Reported>> = found.keys.iter().map(number).collect();
        let keys: Vec<f64> = keys.into_iter().collect::<Result<_, _>>()?;
        if let Some(n) = (1..keys.len()).find(|&n| found.has_ascending_keys && keys[n - 1] >= keys[n]) {
            let [(lower, _), (upper, _)] = [found.keys[n - 1], found.keys[n]];
            let span = [upper, lower].into_iter().find_map(|key| table.get(key)).map_or(place, toml::Spanned::span);
            let message = format!("{lower} is {}, which is not less than {upper}, {}", keys[n - 1], keys[n]);
            return Err(self.reader.fault(span, message, format!("give a {lower} that is less than {upper}")));
        }
        Ok(Some(found.function(&keys)))
    }

    /// Reads those of these keys that the layer has not read, so that their errors are reported.
    pub fn read_unread(&mut self, keys: &[&str], activation: Option<&str>) {
        for key in keys.iter().filter(|key| TENSORS.contains(key)) {
            self.look(key);
        }
        if let Some(key) = activation {
            let _ = self.read_activation(key);
        }
    }

    /// Makes the tensor under a key; if `flat` is set, a vector with the same number of entries is accepted too.
    fn try_tensor(&mut self, key: &str, shape: &[usize], fan: Fan, flat: bool) -> Result<Tensor, Reported> {
        let label = self.label(key);
        let own = self.own_shape(key)?;
        let Some(found) = self.tensors.remove(key) else {
            let help = format!("add {key} = …, with numbers or such as {{ init = \"normal\", seed = 1 }}");
            return Err(self.reader.fault(self.at.clone(), format!("{label} is missing"), help));
        };
        if let Some(own) = own
            && with_rank(&own, shape.len()).as_deref() != Some(shape)
            && !(flat && own == [len(shape)])
            && !(key == "bias" && shape.len() == 1 && misfit::is_vector(&own, shape[0]))
        {
            return Err(self.misfit(key, shape, &own, flat));
        }
        found?.fill(self.reader, &label, shape, fan)
    }

    /// Swaps the shape of a weight that seems to be written as in x out, so that the number of outputs is right and only the weight itself is reported.
    fn right_way_round(&self, key: &str, shape: Vec<usize>) -> Vec<usize> {
        let says_rows = |rows: usize| {
            let said = self.value("out_features").and_then(|value| value.get_ref().as_integer());
            said.is_some_and(|said| said.as_str().parse() == Ok(rows))
        };
        match (self.inputs.first(), &shape[..]) {
            (Some(&&[inputs]), &[rows, columns])
                if self.sized && key == "weight" && inputs > 1 && rows == inputs && columns != inputs && !says_rows(rows) =>
            {
                vec![columns, rows]
            }
            _ => shape,
        }
    }

    /// Reports a tensor of the wrong shape.
    fn misfit(&mut self, key: &str, shape: &[usize], own: &[usize], flat: bool) -> Reported {
        let is_weight = key == "weight" && shape.len() > 1;
        if is_weight {
            let sizes: &[&str] = if shape.len() == 2 { &["out_features"] } else { &["out_channels", "kernel_size"] };
            self.doubtful |= !sizes.iter().all(|key| self.has(key));
        } else if self.doubtful {
            return Reported; // it may follow from an error in the weight
        }
        let input = self.inputs.first().copied().filter(|_| self.reads_input);
        let transposed = self.value("type").and_then(|value| value.get_ref().as_str()) == Some("conv_transpose2d");
        let help = if is_weight { misfit::weight(shape, own, input, transposed) } else { None };
        let or_flat = if flat && shape.len() > 1 { ", or a flat vector of as many numbers" } else { "" };
        let message = format!("{} must be {}{or_flat}, not {}", self.label(key), shape_words(shape), shape_words(own));
        self.reader.fault(self.place(key), message, help.unwrap_or_else(|| self.shapes.to_owned()))
    }

    /// Returns the tensor under a key, or zeros after an error; an empty tensor if the sizes are unknown.
    fn tensor_of(&mut self, key: &str, shape: &[usize], fan: Fan, flat: bool) -> Tensor {
        if !self.sized {
            self.look(key); // errors of the tensor itself are reported
            return from_flat(&[0], Vec::new());
        }
        self.try_tensor(key, shape, fan, flat).unwrap_or_else(|Reported| from_flat(shape, vec![0.0; len(shape)]))
    }
}

impl Args for TableArgs<'_, '_, '_> {
    fn inputs(&self) -> &[&[usize]] {
        self.inputs
    }

    fn fail(&mut self, key: &str, message: String, help: &str) -> Reported {
        if self.sized { self.fail_alone(key, message, help) } else { Reported }
    }

    fn fail_alone(&mut self, key: &str, message: String, help: &str) -> Reported {
        if self.is_faulty(key) {
            return Reported;
        }
        self.suppress(key);
        let place = self.place(key);
        // if a kernel does not fit, the image may have its channels last
        let input =
            self.inputs.first().filter(|_| self.reads_input && matches!(key, "kernel_size" | "weight" | "dilation") && self.has(key));
        let suspected = input.and_then(|input| misfit::channels_last(input));
        self.reader.fault(place, message, suspected.unwrap_or_else(|| help.to_owned()))
    }

    fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn integer(&mut self, key: &str, least: usize) -> Result<Option<usize>, Reported> {
        let Some(value) = self.unreported(key) else { return Ok(None) };
        let read = self.reader.size(key, value, least);
        Ok(self.checked(key, true, read))
    }

    fn pair(&mut self, key: &str, least: usize) -> Result<Option<[usize; 2]>, Reported> {
        let Some(value) = self.unreported(key) else { return Ok(None) };
        let read = match value.get_ref() {
            DeValue::Integer(_) => self.reader.size(key, value, least).map(|n| [n, n]),
            DeValue::Array(items) => match &items[..] {
                [vertical, horizontal] => {
                    let pair = (self.reader.size(key, vertical, least), self.reader.size(key, horizontal, least));
                    pair.0.and_then(|vertical| Ok([vertical, pair.1?]))
                }
                items => {
                    let message = format!("{key} has {} entries, not 2", items.len());
                    Err(self.reader.fault(value.span(), message, "write one integer, or [vertical, horizontal]"))
                }
            },
            other => {
                let help =
                    other.as_str().filter(|_| key == "padding").and_then(|word| words::answer(Vocabulary::Padding, word, &[], |_| false));
                Err(self.reader.wrong_type(key, value, "an integer, or [vertical, horizontal]", &help.unwrap_or_default()))
            }
        };
        Ok(self.checked(key, true, read))
    }

    fn number(&mut self, key: &str) -> Result<Option<f64>, Reported> {
        let Some(value) = self.unreported(key) else { return Ok(None) };
        let read = self.reader.number(key, value);
        Ok(self.checked(key, false, read))
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>, Reported> {
        let Some(value) = self.unreported(key) else { return Ok(None) };
        let read = match value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.reader.wrong_type(key, value, "true or false", "")),
        };
        Ok(self.checked(key, false, read))
    }

    fn choice(&mut self, key: &str, words: &[&'static str]) -> Result<Option<&'static str>, Reported> {
        let Some(table) = self.table.filter(|_| !self.is_faulty(key)) else { return Ok(None) };
        let read = match self.reader.string(table, key) {
            Ok(None) => return Ok(None),
            Ok(Some((word, place))) => words.iter().find(|known| **known == word).copied().ok_or_else(|| {
                self.reader.fault(place, format!("{key} cannot be {}", quoted(word)), words::help(Vocabulary::Reduction, word, words))
            }),
            Err(fault) => Err(fault),
        };
        Ok(self.checked(key, false, read))
    }

    fn shape(&mut self, key: &str, rank: usize) -> Result<Option<Vec<usize>>, Reported> {
        let read = self.own_shape(key).and_then(|own| {
            let Some(own) = own.filter(|_| !self.is_faulty(key)) else { return Ok(None) };
            with_rank(&own, rank).map(|shape| Some(self.right_way_round(key, shape))).ok_or_else(|| {
                let (label, shape) = (self.label(key), shape_words(&own));
                let message = format!("{label} has {} dimensions ({shape}), but at most {rank} are possible", own.len());
                self.reader.fault(self.place(key), message, "")
            })
        });
        Ok(self.checked(key, true, read).flatten())
    }

    fn tensor(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor {
        self.tensor_of(key, shape, fan, false)
    }

    fn tensor_or_flat(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor {
        self.tensor_of(key, shape, fan, true)
    }

    fn claim(&mut self, shape: &[usize]) -> Result<(), Reported> {
        if self.sized { self.reader.claim(&self.at, shape) } else { self.reader.claim_assumed(shape) }
    }

    fn activation(&mut self, key: &str, _shape: &[usize]) -> Arc<dyn Function> {
        self.read_activation(key).ok().flatten().unwrap_or_else(activation::identity)
    }
}
