//! The keys of a scenario, from its text.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

/// A value of a key.
#[derive(Clone, Debug)]
enum Value {
    Number(f64),
    Flag(bool),
    Text,
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
        DeValue::Table(own) => Value::Table(table(own)),
        _ => Value::Text,
    }
}

fn table(own: &DeTable<'_>) -> Table {
    Table(own.iter().map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref()))).collect())
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
            Some(Value::Table(own)) => own.clone(),
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

    /// The sizes for rows and columns. A single integer is both.
    pub fn pair(&self, key: &str) -> Option<[usize; 2]> {
        match self.0.get(key)? {
            Value::List(both) => Some([size(&both[0]), size(&both[1])]),
            single => Some([size(single); 2]),
        }
    }
}
