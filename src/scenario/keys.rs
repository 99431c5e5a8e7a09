//! How a layer or a loss reads its keys: the file's side of [`Args`].

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

/// The keys that are tensors.
pub(super) const TENSORS: &[&str] = &["weight", "bias", "mask"];

/// The keys of one layer, or of the loss.
#[derive(Debug)]
pub(super) struct TableArgs<'a, 't, 'i> {
    pub reader: &'a mut ScenarioReader,
    /// Its table; a loss that is only a name has none.
    pub table: Option<&'t TomlTable<'i>>,
    /// Where it stands.
    pub at: Span,
    /// Its name in messages.
    pub who: &'a str,
    /// The shapes of what it reads.
    pub inputs: &'a [&'a [usize]],
    /// Where the shapes of its tensors come from, in words.
    pub shapes: &'a str,
    /// Whether the sizes are known. Else what is built goes nowhere, and what does not fit may follow from that.
    pub sized: bool,
    /// Whether it reads the network's input.
    pub reads_input: bool,
    /// Whether a fault leaves the sizes of what it computes in doubt.
    pub doubtful: bool,
    /// TableArgs with a fault, which are told of no second one.
    faulty: Vec<String>,
    /// TableArgs of tensors and of the activation that have been looked at.
    seen: Vec<String>,
    /// Tensors that have been looked at, and not made yet.
    tensors: HashMap<String, Result<TensorSource<'t, 'i>, Reported>>,
    /// The activation that it asked for.
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

    /// What stands under a key, unless its fault was told.
    fn unless_told(&self, key: &str) -> Option<&'t TomlValue<'i>> {
        self.value(key).filter(|_| !self.is_faulty(key))
    }

    fn place(&self, key: &str) -> Span {
        self.value(key).map_or(self.at.clone(), Spanned::span)
    }

    fn label(&self, key: &str) -> String {
        format!("{key} of {}", self.who)
    }

    /// What a key says, unless it is faulty; `size` where the sizes are not known without it.
    fn unless_faulty<T>(&mut self, key: &str, size: bool, read: Result<T, Reported>) -> Option<T> {
        if read.is_err() {
            self.suppress(key);
            self.sized &= !size;
        }
        read.ok()
    }

    /// Says nothing of a key, for it may follow from something that is not known.
    pub fn suppress(&mut self, key: &str) {
        self.faulty.push(key.to_owned());
    }

    /// Whether it is the first time that this key is looked at.
    fn first(&mut self, key: &str) -> bool {
        let first = !self.seen.iter().any(|seen| seen == key);
        if first {
            self.seen.push(key.to_owned());
        }
        first
    }

    /// Reads the tensor under a key, where there is one, once.
    fn look(&mut self, key: &str) {
        if let Some(value) = self.value(key)
            && self.first(key)
        {
            let read = read_tensor(self.reader, &self.label(key), value);
            self.tensors.insert(key.to_owned(), read);
        }
    }

    /// The shape of the tensor under a key, where it is known from itself.
    fn own_shape(&mut self, key: &str) -> Result<Option<Vec<usize>>, Reported> {
        self.look(key);
        match self.tensors.get(key) {
            Some(read) => read.as_ref().map(|found| found.shape().map(<[usize]>::to_vec)).map_err(|&fault| fault),
            None => Ok(None),
        }
    }

    /// The activation under `key`, with its own keys; `None` when there is none, or when it was read before.
    fn read_activation(&mut self, key: &str) -> Result<Option<Arc<dyn Function>>, Reported> {
        let Some(table) = self.table.filter(|_| self.first(key)) else { return Ok(None) };
        // not known, until it is read
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
        if let Some(n) = (1..keys.len()).find(|&n| found.ordered && keys[n - 1] >= keys[n]) {
            let [(lower, _), (upper, _)] = [found.keys[n - 1], found.keys[n]];
            let span = [upper, lower].into_iter().find_map(|key| table.get(key)).map_or(place, toml::Spanned::span);
            let message = format!("{lower} is {}, which is not less than {upper}, {}", keys[n - 1], keys[n]);
            return Err(self.reader.fault(span, message, format!("give a {lower} that is less than {upper}")));
        }
        Ok(Some(found.function(&keys)))
    }

    /// Looks at those of these keys that nobody has looked at; their faults are reported.
    pub fn read_unread(&mut self, keys: &[&str], activation: Option<&str>) {
        for key in keys.iter().filter(|key| TENSORS.contains(key)) {
            self.look(key);
        }
        if let Some(key) = activation {
            let _ = self.read_activation(key);
        }
    }

    /// The tensor under a key; `flat` where a vector of as many numbers will do.
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

    /// The shape out x in of a weight that seems to be written in x out: then its outputs are known all the same, and the tensor itself does not fit.
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

    /// Reports a tensor of another shape than the one that it must have.
    fn misfit(&mut self, key: &str, shape: &[usize], own: &[usize], flat: bool) -> Reported {
        let is_weight = key == "weight" && shape.len() > 1;
        if is_weight {
            let sizes: &[&str] = if shape.len() == 2 { &["out_features"] } else { &["out_channels", "kernel_size"] };
            self.doubtful |= !sizes.iter().all(|key| self.has(key));
        } else if self.doubtful {
            return Reported; // it may follow
        }
        let input = self.inputs.first().copied().filter(|_| self.reads_input);
        let transposed = self.value("type").and_then(|value| value.get_ref().as_str()) == Some("conv_transpose2d");
        let help = if is_weight { misfit::weight(shape, own, input, transposed) } else { None };
        let or_flat = if flat && shape.len() > 1 { ", or a flat vector of as many numbers" } else { "" };
        let message = format!("{} must be {}{or_flat}, not {}", self.label(key), shape_words(shape), shape_words(own));
        self.reader.fault(self.place(key), message, help.unwrap_or_else(|| self.shapes.to_owned()))
    }

    /// The tensor under a key, or zeros; nothing for a layer that goes nowhere.
    fn tensor_of(&mut self, key: &str, shape: &[usize], fan: Fan, flat: bool) -> Tensor {
        if !self.sized {
            self.look(key); // its own faults are reported
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
        // what does not fit into an image may be a fault of the image
        let input =
            self.inputs.first().filter(|_| self.reads_input && matches!(key, "kernel_size" | "weight" | "dilation") && self.has(key));
        let suspected = input.and_then(|input| misfit::channels_last(input));
        self.reader.fault(place, message, suspected.unwrap_or_else(|| help.to_owned()))
    }

    fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn integer(&mut self, key: &str, least: usize) -> Result<Option<usize>, Reported> {
        let Some(value) = self.unless_told(key) else { return Ok(None) };
        let read = self.reader.size(key, value, least);
        Ok(self.unless_faulty(key, true, read))
    }

    fn pair(&mut self, key: &str, least: usize) -> Result<Option<[usize; 2]>, Reported> {
        let Some(value) = self.unless_told(key) else { return Ok(None) };
        let read = match value.get_ref() {
            DeValue::Integer(_) => self.reader.size(key, value, least).map(|n| [n, n]),
            DeValue::Array(items) => match &items[..] {
                [vertical, horizontal] => {
                    let pair = (self.reader.size(key, vertical, least), self.reader.size(key, horizontal, least));
                    pair.0.and_then(|vertical| Ok([vertical, pair.1?]))
                }
                items => {
                    let message = format!("{key} has {} entries", items.len());
                    Err(self.reader.fault(value.span(), message, "write one integer, or [vertical, horizontal]"))
                }
            },
            other => {
                let help =
                    other.as_str().filter(|_| key == "padding").and_then(|word| words::answer(Vocabulary::Padding, word, &[], |_| false));
                Err(self.reader.wrong_type(key, value, "an integer, or [vertical, horizontal]", &help.unwrap_or_default()))
            }
        };
        Ok(self.unless_faulty(key, true, read))
    }

    fn number(&mut self, key: &str) -> Result<Option<f64>, Reported> {
        let Some(value) = self.unless_told(key) else { return Ok(None) };
        let read = self.reader.number(key, value);
        Ok(self.unless_faulty(key, false, read))
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>, Reported> {
        let Some(value) = self.unless_told(key) else { return Ok(None) };
        let read = match value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.reader.wrong_type(key, value, "true or false", "")),
        };
        Ok(self.unless_faulty(key, false, read))
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
        Ok(self.unless_faulty(key, false, read))
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
        Ok(self.unless_faulty(key, true, read).flatten())
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
