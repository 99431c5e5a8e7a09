//! Addresses: texts that name a position in the trace, such as `57`, `loss` or `12/2:grad.conv1.weight[0,0,1,1]#3`. Users type them after `:` or `--at`.
//!
//! The full form is `iteration/sample:op[index]#term`. The last example names a step of sample 2 in iteration 12: term 3 of the entry `[0,0,1,1]` of
//! `grad.conv1.weight`. Iterations, samples and terms count from 1, indices from 0.

use std::fmt;
use std::str::FromStr;

use crate::tensor::{Index, index_text};

/// The sample or pass in which an address searches its op. Every sample has an op of the same name, and `reduce` or `update` may have one too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Anywhere: the address means the first op with the name.
    #[default]
    Any,
    /// The op of the sample with this number, from 1.
    Sample(usize),
    /// The op of the `reduce` pass.
    Reduce,
    /// The op of the `update` pass.
    Update,
}

/// The location of a step within an iteration. It is the part of an address after the `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The step with this number, from 1.
    Step(u64),
    /// The first step.
    First,
    /// The last step.
    Last,
    /// The first step of the loss.
    Loss,
    /// The first step of the backward pass.
    Backward,
    /// An op, one of its entries, or one term of an entry.
    Op {
        /// The sample or pass of the op.
        scope: Scope,
        /// The op's name.
        name: String,
        /// The entry's index, from 0; `None` for the whole op.
        index: Option<Index>,
        /// The term's number, from 1; `None` for the whole entry.
        term: Option<u64>,
    },
}

/// An address: a position in a given iteration, or in the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The iteration, from 1; `None` for the current one.
    pub iteration: Option<u64>,
    /// The location within the iteration.
    pub location: Location,
}

impl From<Location> for Address {
    fn from(location: Location) -> Self {
        Self { iteration: None, location }
    }
}

/// The reason why a text is not an address, as a sentence.
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

/// Parses a number of at least 1, without sign or blanks. `what` is the name of the number in the error message, such as `term`.
fn one_based(text: &str, what: &str) -> Result<u64, AddressError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return error(format!("the {what} must be a number from 1, not \"{text}\""));
    }
    match text.parse() {
        Ok(0) => error(format!("there is no {what} 0: {what}s count from 1")),
        Ok(n) => Ok(n),
        Err(_) => error(format!("the {what} {text} is too large")),
    }
}

/// Parses the text between the brackets of an index: `0,1,1`.
fn bracketed_index(text: &str) -> Result<Index, AddressError> {
    if text.trim().is_empty() {
        return Ok(Index::new());
    }
    text.split(',')
        .map(|part| {
            let part = part.trim();
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return error(format!("\"{part}\" is not an index: indices count from 0, as in [0,1]"));
            }
            part.parse().or_else(|_| error(format!("the index {part} is too large")))
        })
        .collect()
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let (iteration, location_text) = match text.split_once('/') {
            Some((n, location_text)) => (Some(one_based(n, "iteration")?), location_text),
            None => (None, text),
        };
        if location_text.is_empty() {
            return error(
                "an address is a step's number, an op such as conv1.z, an entry such as conv1.z[0,1,1], first, last, loss or backward",
            );
        }
        let location = match location_text {
            "first" => Location::First,
            "last" => Location::Last,
            "loss" => Location::Loss,
            "backward" => Location::Backward,
            _ if location_text.bytes().all(|b| b.is_ascii_digit()) => Location::Step(one_based(location_text, "step")?),
            _ => parse_op(location_text)?,
        };
        Ok(Self { iteration, location })
    }
}

/// Parses the address of an op: `sample:name[index]#term`. Only the name is required.
fn parse_op(text: &str) -> Result<Location, AddressError> {
    let (scope, without_scope) = match text.split_once(':') {
        None => (Scope::Any, text),
        Some(("reduce", without_scope)) => (Scope::Reduce, without_scope),
        Some(("update", without_scope)) => (Scope::Update, without_scope),
        Some((n, without_scope)) => {
            let sample = one_based(n, "sample")?;
            (Scope::Sample(usize::try_from(sample).or_else(|_| error(format!("the sample {n} is too large")))?), without_scope)
        }
    };
    let (entry, term) = match without_scope.split_once('#') {
        Some((entry, n)) => (entry, Some(one_based(n, "term")?)),
        None => (without_scope, None),
    };
    let (name, index) = match entry.split_once('[') {
        None => (entry, None),
        Some((name, inside)) => match inside.strip_suffix(']') {
            Some(inside) => (name, Some(bracketed_index(inside)?)),
            None => return error(format!("{entry} has no closing bracket: write ] after the index")),
        },
    };
    if name.is_empty() {
        return error("the name of an op is missing, such as conv1.z");
    }
    Ok(Location::Op { scope, name: name.to_owned(), index, term })
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
        match &self.location {
            Location::Step(k) => write!(f, "{k}"),
            Location::First => f.write_str("first"),
            Location::Last => f.write_str("last"),
            Location::Loss => f.write_str("loss"),
            Location::Backward => f.write_str("backward"),
            Location::Op { scope, name, index, term } => {
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
    fn a_parsed_address_is_displayed_as_the_text_it_was_parsed_from() {
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
    fn malformed_addresses_are_errors() {
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
