//! How a layer or a loss reads its keys: the file's side of [`Args`].

use std::collections::HashMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::excerpt::quoted;
use super::reader::{Reader, Span, Table, Value};
use super::suggest;
use super::tensor::{Written, raised, written};
use crate::op::activation::{self, ACTIVATIONS};
use crate::op::layer::{Args, Fan, Faulty};
use crate::op::rule::Function;
use crate::tensor::{Tensor, from_flat, len, shape_words};

/// The keys of one layer, or of the loss.
#[derive(Debug)]
pub(super) struct Keys<'a, 't, 'i> {
    pub reader: &'a mut Reader,
    /// Its table; a loss that is only a name has none.
    pub table: Option<&'t Table<'i>>,
    /// Where it stands.
    pub at: Span,
    /// Its name in messages.
    pub who: &'a str,
    /// The shapes of what it reads.
    pub inputs: &'a [&'a [usize]],
    /// Where the shapes of its tensors come from, in words.
    pub shapes: &'a str,
    /// Tensors that have been looked at.
    tensors: HashMap<String, Result<Written<'t, 'i>, Faulty>>,
    /// The activation that it asked for.
    pub activation: Option<&'static str>,
}

impl<'a, 't, 'i> Keys<'a, 't, 'i> {
    pub fn new(
        reader: &'a mut Reader,
        table: Option<&'t Table<'i>>,
        at: Span,
        who: &'a str,
        inputs: &'a [&'a [usize]],
        shapes: &'a str,
    ) -> Self {
        Self { reader, table, at, who, inputs, shapes, tensors: HashMap::new(), activation: None }
    }

    fn value(&self, key: &str) -> Option<&'t Value<'i>> {
        self.table?.get(key)
    }

    fn place(&self, key: &str) -> Span {
        self.value(key).map_or(self.at.clone(), Spanned::span)
    }

    fn label(&self, key: &str) -> String {
        format!("{key} of {}", self.who)
    }

    /// Reads the tensor under a key, once; whether there is one.
    fn look(&mut self, key: &str) -> Result<bool, Faulty> {
        let Some(value) = self.value(key) else { return Ok(false) };
        if !self.tensors.contains_key(key) {
            let read = written(self.reader, &self.label(key), value);
            self.tensors.insert(key.to_owned(), read);
        }
        self.tensors[key].as_ref().map_or_else(|&fault| Err(fault), |_| Ok(true))
    }

    /// The shape of the tensor under a key, where it is known from itself.
    fn own_shape(&mut self, key: &str) -> Result<Option<Vec<usize>>, Faulty> {
        let there = self.look(key)?;
        Ok(if there { self.tensors[key].as_ref().ok().and_then(Written::shape).map(<[usize]>::to_vec) } else { None })
    }

    /// The activation under `key`, with its own keys; `None` when there is none.
    fn read_activation(&mut self, key: &str) -> Result<Option<Arc<dyn Function>>, Faulty> {
        let Some(table) = self.table else { return Ok(None) };
        let Some((name, place)) = self.reader.string(table, key)? else { return Ok(None) };
        let Some(found) = activation::find(name) else {
            let names: Vec<&str> = ACTIVATIONS.iter().map(|activation| activation.name).collect();
            return Err(self.reader.fault(place, format!("there is no activation {}", quoted(name)), suggest::help(name, &names)));
        };
        self.activation = Some(found.name);
        let number = |&(key, default): &(&str, f64)| table.get(key).map_or(Ok(default), |value| self.reader.number(key, value));
        let keys: Vec<f64> = found.keys.iter().map(number).collect::<Result<_, _>>()?;
        Ok(Some((found.function)(&keys)))
    }

    /// Checks what can be checked of a layer whose input is not known.
    pub fn check_alone(&mut self, keys: &[&str], activation: Option<&str>) {
        for key in keys {
            if matches!(key, &"weight" | &"bias" | &"mask") {
                let _ = self.look(key); // its faults are reported
            }
        }
        if let Some(key) = activation {
            let _ = self.read_activation(key);
        }
    }

    /// The tensor under a key; `flat` where a vector of as many numbers will do.
    fn try_tensor(&mut self, key: &str, shape: &[usize], fan: Fan, flat: bool) -> Result<Tensor, Faulty> {
        let label = self.label(key);
        let own = self.own_shape(key)?;
        let Some(found) = self.tensors.remove(key) else {
            let help = format!("add {key} = …, with numbers or such as {{ init = \"normal\", seed = 1 }}");
            return Err(self.reader.fault(self.at.clone(), format!("{label} is missing"), help));
        };
        if let Some(own) = own
            && raised(&own, shape.len()).as_deref() != Some(shape)
            && !(flat && own == [len(shape)])
        {
            let or_flat = if flat && shape.len() > 1 { ", or a flat vector of as many numbers" } else { "" };
            let message = format!("{label} must be {}{or_flat}, not {}", shape_words(shape), shape_words(&own));
            return Err(self.reader.fault(self.place(key), message, self.shapes));
        }
        found?.fill(self.reader, &label, shape, fan)
    }
}

impl Args for Keys<'_, '_, '_> {
    fn inputs(&self) -> &[&[usize]] {
        self.inputs
    }

    fn fail(&mut self, key: &str, message: String, help: &str) -> Faulty {
        let place = self.place(key);
        self.reader.fault(place, message, help)
    }

    fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn integer(&mut self, key: &str, least: usize) -> Result<Option<usize>, Faulty> {
        self.value(key).map(|value| self.reader.size(key, value, least)).transpose()
    }

    fn pair(&mut self, key: &str, least: usize) -> Result<Option<[usize; 2]>, Faulty> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Integer(_) => self.reader.size(key, value, least).map(|n| Some([n, n])),
            DeValue::Array(items) => match &items[..] {
                [vertical, horizontal] => {
                    let pair = (self.reader.size(key, vertical, least), self.reader.size(key, horizontal, least));
                    Ok(Some([pair.0?, pair.1?]))
                }
                items => {
                    let message = format!("{key} has {} entries", items.len());
                    Err(self.reader.fault(value.span(), message, "write one integer, or [vertical, horizontal]"))
                }
            },
            _ => Err(self.reader.wrong(key, value, "an integer, or [vertical, horizontal]", "")),
        }
    }

    fn number(&mut self, key: &str) -> Result<Option<f64>, Faulty> {
        self.value(key).map(|value| self.reader.number(key, value)).transpose()
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>, Faulty> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Boolean(flag) => Ok(Some(*flag)),
            _ => Err(self.reader.wrong(key, value, "true or false", "")),
        }
    }

    fn choice(&mut self, key: &str, words: &[&'static str]) -> Result<Option<&'static str>, Faulty> {
        let Some(table) = self.table else { return Ok(None) };
        let Some((word, place)) = self.reader.string(table, key)? else { return Ok(None) };
        match words.iter().find(|known| **known == word) {
            Some(known) => Ok(Some(known)),
            None => Err(self.reader.fault(place, format!("{key} cannot be {}", quoted(word)), suggest::help(word, words))),
        }
    }

    fn shape(&mut self, key: &str, rank: usize) -> Result<Option<Vec<usize>>, Faulty> {
        let Some(own) = self.own_shape(key)? else { return Ok(None) };
        if let Some(shape) = raised(&own, rank) {
            return Ok(Some(shape));
        }
        let message = format!("{} has {} dimensions ({}), but at most {rank} are possible", self.label(key), own.len(), shape_words(&own));
        Err(self.reader.fault(self.place(key), message, ""))
    }

    fn tensor(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor {
        self.try_tensor(key, shape, fan, false).unwrap_or_else(|Faulty| from_flat(shape, vec![0.0; len(shape)]))
    }

    fn tensor_or_flat(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor {
        self.try_tensor(key, shape, fan, true).unwrap_or_else(|Faulty| from_flat(shape, vec![0.0; len(shape)]))
    }

    fn claim(&mut self, shape: &[usize]) -> Result<(), Faulty> {
        self.reader.claim(&self.at, shape)
    }

    fn activation(&mut self, key: &str, _shape: &[usize]) -> Arc<dyn Function> {
        let identity = || (activation::find("identity").expect("a name of the table").function)(&[]);
        self.read_activation(key).ok().flatten().unwrap_or_else(identity)
    }
}
