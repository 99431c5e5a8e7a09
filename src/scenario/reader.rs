//! What all parts of the reading share: the faults found so far, the memory asked for, and the reading of plain values with their place.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::archives::{Archives, Files};
use super::budget::Budget;
use super::excerpt::one_line;
use super::fault::Diagnostic;
use super::lifted::Array;
use super::number;
use crate::op::layer::Reported;
use crate::text::escape;

/// A value with its place.
pub(super) type TomlValue<'i> = Spanned<DeValue<'i>>;
/// A table.
pub(super) type TomlTable<'i> = DeTable<'i>;
/// Bytes of the file.
pub(super) type Span = Range<usize>;

/// So many faults are looked for; nobody reads more, and looking costs time.
pub(super) const KEPT: usize = 100;

/// Faults and memory.
#[derive(Debug)]
pub(super) struct ScenarioReader {
    pub faults: Vec<Diagnostic>,
    /// The files that tensors come from.
    pub archives: Archives,
    /// The arrays of numbers that were taken out of the text, until they are asked for; `None` where there were none.
    pub lifted: Option<HashMap<usize, Array>>,
    pub budget: Budget,
    /// Entries that may still be supposed.
    assumed_entries: usize,
    /// Entries that may still be made in a reading that is for the shapes; `None` in one that makes them all.
    eager_entries: Option<usize>,
    /// Whether numbers were left out for that.
    pub deferred: bool,
}

/// What a value is, in words.
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

/// So many entries are made, or taken from files, in the first reading; more are worth a second one: 8 MiB.
const EAGER_ENTRIES: usize = 1 << 20;

impl ScenarioReader {
    pub fn new(limit: u64, files: Arc<dyn Files>) -> Self {
        Self::of(limit, Archives::new(files))
    }

    fn of(limit: u64, archives: Archives) -> Self {
        Self {
            faults: Vec::new(),
            archives,
            lifted: None,
            budget: Budget::new(limit),
            assumed_entries: EAGER_ENTRIES,
            eager_entries: None,
            deferred: false,
        }
    }

    /// A reader that makes few numbers, so that a file that asks for too much is refused before much is made.
    pub fn first_pass(limit: u64, files: Arc<dyn Files>) -> Self {
        Self { eager_entries: Some(EAGER_ENTRIES), ..Self::new(limit, files) }
    }

    /// A reader for what was put off; the files that are open stay open.
    pub fn second_pass(self) -> Self {
        Self::of(self.budget.limit, self.archives.reset_unpacked())
    }

    /// Whether the numbers of so many entries are left for a second reading.
    pub fn defers(&mut self, entries: usize) -> bool {
        let Some(left) = self.eager_entries else { return false };
        self.eager_entries = Some(left.saturating_sub(entries));
        let later = entries > left;
        self.deferred |= later;
        later
    }

    /// Whether there are so many faults that nobody wants more.
    pub fn full(&self) -> bool {
        self.faults.len() >= KEPT
    }

    /// Keeps a fault at a place.
    pub fn fault(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.keep(Diagnostic { span: Some(span), message: message.into(), help: help.into(), also: None })
    }

    /// Keeps a fault that belongs to two places.
    pub fn fault_with(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>, also: (Span, &str)) -> Reported {
        let also = Some((also.0, also.1.to_owned()));
        self.keep(Diagnostic { span: Some(span), message: message.into(), help: help.into(), also })
    }

    /// Keeps a fault of the whole file.
    pub fn file_fault(&mut self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.keep(Diagnostic { span: None, message: message.into(), help: help.into(), also: None })
    }

    /// Keeps a fault.
    pub fn keep(&mut self, fault: Diagnostic) -> Reported {
        if !self.full() {
            self.faults.push(fault);
        }
        Reported
    }

    /// A value of another kind than the one wanted.
    pub fn wrong_type(&mut self, key: &str, value: &TomlValue<'_>, wanted: &str, help: &str) -> Reported {
        self.fault(value.span(), format!("{key} must be {wanted}, not {}", type_name(value.get_ref())), help)
    }

    /// A text as it is in the file.
    pub fn string<'t>(&mut self, table: &'t TomlTable<'_>, key: &str) -> Result<Option<(&'t str, Span)>, Reported> {
        match table.get(key) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::String(text) => Ok(Some((text.as_ref(), value.span()))),
                _ => Err(self.wrong_type(key, value, "a string", "")),
            },
        }
    }

    /// A text of one line, escaped.
    pub fn line(&mut self, table: &TomlTable<'_>, key: &str) -> Option<String> {
        self.string(table, key).ok().flatten().map(|(text, _)| one_line(text.trim()))
    }

    /// A text of any number of lines, escaped.
    pub fn lines(&mut self, table: &TomlTable<'_>, key: &str) -> Option<String> {
        self.string(table, key).ok().flatten().map(|(text, _)| escape(&text.replace("\r\n", "\n")).into_owned())
    }

    /// The tables of an array of tables, `[[key]]`; whether there is nothing else.
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

    /// A finite number.
    pub fn number(&mut self, key: &str, value: &TomlValue<'_>) -> Result<f64, Reported> {
        let read = match value.get_ref() {
            DeValue::Integer(integer) => number::from_integer(integer),
            DeValue::Float(float) => number::from_float(float),
            _ => return Err(self.wrong_type(key, value, "a number", "")),
        };
        read.map_err(|(message, help)| self.fault(value.span(), message, help))
    }

    /// An integer that is at least `least`.
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

    /// An integer that counts things in memory.
    pub fn size(&mut self, key: &str, value: &TomlValue<'_>, least: usize) -> Result<usize, Reported> {
        let n = self.integer(key, value, least as u64)?;
        usize::try_from(n).map_err(|_| self.fault(value.span(), format!("{key} is too large"), ""))
    }

    /// Asks for a tensor that is made in a layer of which the size of the input is not known: some is allowed, and nothing is reported.
    pub fn claim_assumed(&mut self, shape: &[usize]) -> Result<(), Reported> {
        let entries = shape.iter().try_fold(1, |entries: usize, &n| entries.checked_mul(n)).ok_or(Reported)?;
        self.assumed_entries = self.assumed_entries.checked_sub(entries).ok_or(Reported)?;
        Ok(())
    }
}
