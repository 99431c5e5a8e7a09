//! Addresses: how a person or a program names a place in the trace.

use std::fmt;
use std::str::FromStr;

use crate::tensor::{Index, index_text};

/// Which of several equal ops is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Whatever comes first.
    #[default]
    Any,
    /// A sample, from 1.
    Sample(usize),
    /// The op of the `reduce` pass.
    Reduce,
    /// The op of the `update` pass.
    Update,
}

/// A place within an iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A step's number, from 1.
    Step(u64),
    /// The first step.
    First,
    /// The last step.
    Last,
    /// The first step of the loss.
    Loss,
    /// The first step of the backward pass.
    Backward,
    /// An op, one of its entries, or a term of that.
    Op {
        /// Which of several.
        scope: Scope,
        /// The op's name.
        name: String,
        /// The entry, from 0; `None` for the whole op.
        index: Option<Index>,
        /// The term, from 1.
        term: Option<u64>,
    },
}

/// An address: an optional iteration, and a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The iteration, from 1; `None` for the one at hand.
    pub iteration: Option<u64>,
    /// The place within it.
    pub place: Place,
}

impl From<Place> for Address {
    fn from(place: Place) -> Self {
        Self { iteration: None, place }
    }
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AddressError {}

fn error<T>(text: impl Into<String>) -> Result<T, AddressError> {
    Err(AddressError(text.into()))
}

/// A counting number from 1, without sign or blanks.
fn counted(text: &str, what: &str) -> Result<u64, AddressError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return error(format!("{what} must be a number from 1, not \"{text}\""));
    }
    match text.parse() {
        Ok(0) => error(format!("{what} counts from 1")),
        Ok(n) => Ok(n),
        Err(_) => error(format!("{what} {text} is too large")),
    }
}

fn bracketed(text: &str) -> Result<Index, AddressError> {
    if text.trim().is_empty() {
        return Ok(Index::new());
    }
    text.split(',')
        .map(|part| {
            let part = part.trim();
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return error(format!("an index counts from 0, as in [0,1]; \"{part}\" is none"));
            }
            part.parse().or_else(|_| error(format!("the index {part} is too large")))
        })
        .collect()
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (iteration, rest) = match text.split_once('/') {
            Some((n, rest)) => (Some(counted(n, "the iteration")?), rest),
            None => (None, text),
        };
        if rest.is_empty() {
            return error("an address is a step's number, an op such as conv1.z, an entry conv1.z[0,1,1], first, last, loss or backward");
        }
        let place = match rest {
            "first" => Place::First,
            "last" => Place::Last,
            "loss" => Place::Loss,
            "backward" => Place::Backward,
            _ if rest.bytes().all(|b| b.is_ascii_digit()) => Place::Step(counted(rest, "a step")?),
            _ => op(rest)?,
        };
        Ok(Self { iteration, place })
    }
}

fn op(text: &str) -> Result<Place, AddressError> {
    let (scope, rest) = match text.split_once(':') {
        None => (Scope::Any, text),
        Some(("reduce", rest)) => (Scope::Reduce, rest),
        Some(("update", rest)) => (Scope::Update, rest),
        Some((n, rest)) => {
            let sample = counted(n, "the sample")?;
            (Scope::Sample(usize::try_from(sample).or_else(|_| error(format!("the sample {n} is too large")))?), rest)
        }
    };
    let (rest, term) = match rest.split_once('#') {
        Some((rest, n)) => (rest, Some(counted(n, "the term")?)),
        None => (rest, None),
    };
    let (name, index) = match rest.split_once('[') {
        None => (rest, None),
        Some((name, inside)) => match inside.strip_suffix(']') {
            Some(inside) => (name, Some(bracketed(inside)?)),
            None => return error(format!("the bracket of {rest} is not closed by ]")),
        },
    };
    if name.is_empty() {
        return error("an op's name is missing, such as conv1.z");
    }
    Ok(Place::Op { scope, name: name.to_owned(), index, term })
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Sample(n) => write!(f, "{n}:"),
            Self::Reduce => f.write_str("reduce:"),
            Self::Update => f.write_str("update:"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(n) = self.iteration {
            write!(f, "{n}/")?;
        }
        match &self.place {
            Place::Step(k) => write!(f, "{k}"),
            Place::First => f.write_str("first"),
            Place::Last => f.write_str("last"),
            Place::Loss => f.write_str("loss"),
            Place::Backward => f.write_str("backward"),
            Place::Op { scope, name, index, term } => {
                write!(f, "{scope}{name}")?;
                if let Some(index) = index {
                    f.write_str(&index_text(index))?;
                }
                match term {
                    Some(term) => write!(f, "#{term}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in [
            "57",
            "first",
            "last",
            "loss",
            "backward",
            "12/57",
            "grad.conv1.weight",
            "grad.conv1.weight[0,0,1,1]",
            "grad.conv1.weight[0,0,1,1]#3",
            "2:grad.conv1.weight",
            "reduce:grad.conv1.weight",
            "12/2:conv1.z[0,0,0]",
            "update:conv1.weight",
            "loss#2",
            "u#1",
            "3/backward",
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_said() {
        for text in [
            "",
            "0",
            "12/",
            "0/1",
            "x/1",
            "conv1.z[",
            "conv1.z[a]",
            "conv1.z[-1]",
            "conv1.z#0",
            "0:conv1.z",
            "a:b",
            "[0]",
            "99999999999999999999999",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
