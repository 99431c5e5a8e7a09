//! Reads the keys of a scenario from its text.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

/// A value of a key.
#[derive(Clone, Debug)]
enum Value {
    Number(f64),
    Flag(bool),
    Text(String),
    List(Vec<Value>),
    Table(Table),
}

/// A table of keys.
#[derive(Clone, Debug, Default)]
pub struct Table(HashMap<String, Value>);

/// The keys of a scenario file, with their values.
#[derive(Debug)]
pub struct Keys(Table);

fn value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Integer(number) => Value::Number(number.as_str().parse().expect("a decimal integer")),
        DeValue::Float(number) => Value::Number(number.as_str().parse().expect("a number")),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Array(list) => Value::List(list.iter().map(|item| self::value(item.get_ref())).collect()),
        DeValue::Table(keys) => Value::Table(table(keys)),
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Datetime(_) => Value::Text(String::new()),
    }
}

fn table(keys: &DeTable<'_>) -> Table {
    Table(keys.iter().map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref()))).collect())
}

impl Keys {
    pub fn of(text: &str) -> Self {
        Self(table(DeTable::parse(text).expect("TOML").get_ref()))
    }

    /// The keys of layer `number`, counted from 0.
    pub fn layer(&self, number: usize) -> Table {
        match self.0.0.get("layer") {
            Some(Value::List(layers)) => match &layers[number] {
                Value::Table(layer) => layer.clone(),
                _ => Table::default(),
            },
            _ => Table::default(),
        }
    }

    /// The keys of a table of the file: `loss` or `train`.
    pub fn below(&self, key: &str) -> Table {
        match self.0.0.get(key) {
            Some(Value::Table(keys)) => keys.clone(),
            _ => Table::default(),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // sizes of small tensors
fn size(value: &Value) -> usize {
    match value {
        Value::Number(number) => *number as usize,
        other => panic!("{other:?} is not a size"),
    }
}

impl Table {
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.0.get(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.0.get(key)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The padding before and after each axis. `reach` is (kernel − 1) · dilation, of which `"same"` takes one half before the image and the rest after it.
    pub fn padding(&self, reach: [usize; 2], is_1d: bool) -> [[usize; 2]; 2] {
        let numbers: Vec<usize> = match self.0.get("padding") {
            Some(Value::Text(word)) if word == "same" => return reach.map(|n| [n / 2, n - n / 2]),
            None | Some(Value::Text(_)) => vec![0],
            Some(Value::List(list)) => list.iter().map(size).collect(),
            Some(single) => vec![size(single)],
        };
        match (&numbers[..], is_1d) {
            (&[n], false) => [[n; 2]; 2],
            (&[n], true) => [[0; 2], [n; 2]],
            (&[left, right], true) => [[0; 2], [left, right]],
            (&[vertical, horizontal], false) => [[vertical; 2], [horizontal; 2]],
            (&[top, bottom, left, right], _) => [[top, bottom], [left, right]],
            _ => panic!("{numbers:?} is not a padding"),
        }
    }

    /// A key with one number for rows and one for columns. A single integer is both.
    pub fn pair(&self, key: &str) -> Option<[usize; 2]> {
        match self.0.get(key)? {
            Value::List(both) => Some([size(&both[0]), size(&both[1])]),
            single => Some([size(single); 2]),
        }
    }
}
