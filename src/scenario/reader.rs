//! The state that all parts of parsing share: the errors so far, the claimed memory, and methods that read single values.
//!
//! A file is parsed in up to two passes. The first makes at most [`EAGER_ENTRIES`] numbers and leaves zeros in place of the rest, so that a file beyond the
//! memory limit is refused before much is allocated. If it left out any numbers and found no error, a second pass makes them all.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::archives::{Archives, Files};
use super::budget::Budget;
use super::excerpt::one_line;
use super::extract::Array;
use super::fault::Diagnostic;
use super::number;
use crate::op::layer::Reported;
use crate::text::escape;

/// A TOML value with its position.
pub(super) type TomlValue<'i> = Spanned<DeValue<'i>>;
/// A TOML table.
pub(super) type TomlTable<'i> = DeTable<'i>;
/// A range of bytes of the file.
pub(super) type Span = Range<usize>;

/// The largest number of errors; parsing stops when it is reached.
pub(super) const KEPT: usize = 100;

/// The errors, the opened files and the claimed memory of a scenario that is being parsed.
#[derive(Debug)]
pub(super) struct ScenarioReader {
    pub faults: Vec<Diagnostic>,
    /// The files with tensors.
    pub archives: Archives,
    /// The extracted arrays that are not used yet, by the byte of their placeholder; `None` if nothing was extracted.
    pub arrays: Option<HashMap<usize, Array>>,
    pub budget: Budget,
    /// The number of entries that layers with an unknown input shape may still claim.
    assumed_entries: usize,
    /// The number of entries that may still be made in the first pass; `None` in the second pass, which makes all.
    eager_entries: Option<usize>,
    /// `true` if the first pass left out numbers.
    pub deferred: bool,
}

/// Returns the type of a value in words.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The largest number of entries that the first pass makes or reads from files: 8 MiB of them.
const EAGER_ENTRIES: usize = 1 << 20;

impl ScenarioReader {
    pub fn new(limit: u64, files: Arc<dyn Files>) -> Self {
        Self::of(limit, Archives::new(files))
    }

    fn of(limit: u64, archives: Archives) -> Self {
        Self {
            faults: Vec::new(),
            archives,
            arrays: None,
            budget: Budget::new(limit),
            assumed_entries: EAGER_ENTRIES,
            eager_entries: None,
            deferred: false,
        }
    }

    /// Makes the reader of the first pass.
    pub fn first_pass(limit: u64, files: Arc<dyn Files>) -> Self {
        Self { eager_entries: Some(EAGER_ENTRIES), ..Self::new(limit, files) }
    }

    /// Makes the reader of the second pass, which keeps the opened files.
    pub fn second_pass(self) -> Self {
        Self::of(self.budget.limit, self.archives.reset_unpacked())
    }

    /// Returns whether the numbers of a tensor with `entries` entries are left to the second pass.
    pub fn defers(&mut self, entries: usize) -> bool {
        let Some(left) = self.eager_entries else { return false };
        self.eager_entries = Some(left.saturating_sub(entries));
        let later = entries > left;
        self.deferred |= later;
        later
    }

    /// Returns whether the largest number of errors is reached.
    pub fn full(&self) -> bool {
        self.faults.len() >= KEPT
    }

    /// Reports an error at a position.
    pub fn fault(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.keep(Diagnostic { span: Some(span), message: message.into(), help: help.into(), also: None })
    }

    /// Reports an error that concerns two positions.
    pub fn fault_with(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>, also: (Span, &str)) -> Reported {
        let also = Some((also.0, also.1.to_owned()));
        self.keep(Diagnostic { span: Some(span), message: message.into(), help: help.into(), also })
    }

    /// Reports an error of the whole file.
    pub fn file_fault(&mut self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.keep(Diagnostic { span: None, message: message.into(), help: help.into(), also: None })
    }

    /// Reports an error.
    pub fn keep(&mut self, fault: Diagnostic) -> Reported {
        if !self.full() {
            self.faults.push(fault);
        }
        Reported
    }

    /// Reports a value of the wrong type.
    pub fn wrong_type(&mut self, key: &str, value: &TomlValue<'_>, wanted: &str, help: &str) -> Reported {
        self.fault(value.span(), format!("{key} must be {wanted}, not {}", type_name(value.get_ref())), help)
    }

    /// Reads a string, unescaped.
    pub fn string<'t>(&mut self, table: &'t TomlTable<'_>, key: &str) -> Result<Option<(&'t str, Span)>, Reported> {
        match table.get(key) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::String(text) => Ok(Some((text.as_ref(), value.span()))),
                _ => Err(self.wrong_type(key, value, "a string", "")),
            },
        }
    }

    /// Reads a string as one line, escaped.
    pub fn line(&mut self, table: &TomlTable<'_>, key: &str) -> Option<String> {
        self.string(table, key).ok().flatten().map(|(text, _)| one_line(text.trim()))
    }

    /// Reads a string of any number of lines, escaped.
    pub fn lines(&mut self, table: &TomlTable<'_>, key: &str) -> Option<String> {
        self.string(table, key).ok().flatten().map(|(text, _)| escape(&text.replace("\r\n", "\n")).into_owned())
    }

    /// Reads an array of tables, `[[key]]`. Returns the tables, and `false` if some entries are not tables.
    pub fn tables<'t, 'i>(&mut self, table: &'t TomlTable<'i>, key: &str) -> (Vec<(&'t TomlTable<'i>, Span)>, bool) {
        let help = format!("write [[{key}]] on a line of its own, and its keys below");
        let Some(value) = table.get(key) else { return (Vec::new(), true) };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value, "a list of tables", &help);
            return (Vec::new(), false);
        };
        let mut found = Vec::with_capacity(items.len());
        for item in &items[..] {
            match item.get_ref() {
                DeValue::Table(table) => found.push((table, item.span())),
                _ => {
                    self.wrong_type(&format!("each {key}"), item, "a table", &help);
                }
            }
        }
        let all = found.len() == items.len();
        (found, all)
    }

    /// Reads a finite number.
    pub fn number(&mut self, key: &str, value: &TomlValue<'_>) -> Result<f64, Reported> {
        let read = match value.get_ref() {
            DeValue::Integer(integer) => number::from_integer(integer),
            DeValue::Float(float) => number::from_float(float),
            _ => return Err(self.wrong_type(key, value, "a number", "")),
        };
        read.map_err(|(message, help)| self.fault(value.span(), message, help))
    }

    /// Reads an integer that is at least `least`.
    pub fn integer(&mut self, key: &str, value: &TomlValue<'_>, least: u64) -> Result<u64, Reported> {
        let DeValue::Integer(integer) = value.get_ref() else {
            return Err(self.wrong_type(key, value, "an integer", ""));
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(n) => match u64::try_from(n) {
                Ok(n) if n >= least => Ok(n),
                _ => Err(self.fault(value.span(), format!("{key} must be at least {least}, not {n}"), "")),
            },
            Err(_) => Err(self.fault(value.span(), format!("{key} is too large"), "integers have at most 64 bits")),
        }
    }

    /// Reads an integer that is at least `least` and fits into `usize`.
    pub fn size(&mut self, key: &str, value: &TomlValue<'_>, least: usize) -> Result<usize, Reported> {
        let n = self.integer(key, value, least as u64)?;
        usize::try_from(n).map_err(|_| self.fault(value.span(), format!("{key} is too large"), ""))
    }

    /// Claims a tensor of a layer whose input is unknown. A refusal is not reported.
    pub fn claim_assumed(&mut self, shape: &[usize]) -> Result<(), Reported> {
        let entries = shape.iter().try_fold(1, |entries: usize, &n| entries.checked_mul(n)).ok_or(Reported)?;
        self.assumed_entries = self.assumed_entries.checked_sub(entries).ok_or(Reported)?;
        Ok(())
    }
}
