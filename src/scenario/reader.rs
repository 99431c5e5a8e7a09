//! The state of reading a scenario file, which all modules of `scenario` share: the faults so far, the claimed memory, and the opened weight files. Its methods
//! read single values and report faults.
//!
//! A file is read in up to two passes. The first pass makes at most [`EAGER_ENTRIES`] numbers by initializers and from weight files; the others stay 0. So if
//! the file needs more than the memory limit, this is known before much memory is allocated. If the first pass left out numbers and found no fault, a second
//! pass makes all of them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::archives::{Archives, Files};
use super::axes::FileLayout;
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

/// The largest number of faults. When it is reached, most loops over parts of the file stop.
pub(super) const MAX_FAULTS: usize = 100;

/// The state of parsing one scenario file.
#[derive(Debug)]
pub(super) struct ScenarioReader {
    /// The faults so far.
    pub faults: Vec<Diagnostic>,
    /// Warnings about valid lines that are probably mistakes.
    pub warnings: Vec<Diagnostic>,
    /// The positions of the statements of a graph that are left out because they have no effect, such as `import`.
    pub left_out: Vec<Span>,
    /// The order in which the file writes the axes of its tensors.
    pub layout: FileLayout,
    /// The weights whose axes the file writes in another order than PyTorch's, each with the file's order in words.
    pub reordered: Vec<(String, &'static str)>,
    /// The weight files.
    pub archives: Archives,
    /// The arrays that `extract` took out of the text, by the position of their placeholder. `None` if it took none. An array is removed from this map when it
    /// is read.
    pub arrays: Option<HashMap<usize, Array>>,
    /// The memory that is claimed so far.
    pub budget: Budget,
    /// The number of entries that layers with assumed inputs may still have. A layer whose input is unknown is built with an assumed one, to check its keys.
    assumed_entries: usize,
    /// The number of entries that the first pass may still make; `None` in the second pass, which has no such limit.
    eager_entries: Option<usize>,
    /// `true` if this is the first pass, and it left out numbers.
    pub has_deferred: bool,
}

/// Returns the type of a value for messages, such as `an integer`.
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

/// The largest number of entries that the first pass makes or reads from files, and the largest number that layers with assumed inputs have together. As f64
/// they take 8 MiB.
const EAGER_ENTRIES: usize = 1 << 20;

impl ScenarioReader {
    /// Makes the state of a pass that makes the numbers of all tensors.
    fn with_archives(limit: u64, archives: Archives) -> Self {
        Self {
            faults: Vec::new(),
            warnings: Vec::new(),
            left_out: Vec::new(),
            layout: FileLayout::default(),
            reordered: Vec::new(),
            archives,
            arrays: None,
            budget: Budget::new(limit),
            assumed_entries: EAGER_ENTRIES,
            eager_entries: None,
            has_deferred: false,
        }
    }

    /// Makes the state of the first pass. `limit` is the memory limit in bytes.
    pub fn first_pass(limit: u64, files: Arc<dyn Files>) -> Self {
        Self { eager_entries: Some(EAGER_ENTRIES), ..Self::with_archives(limit, Archives::new(files)) }
    }

    /// Makes the state of the second pass. Only the opened weight files are kept.
    pub fn into_second_pass(self) -> Self {
        Self::with_archives(self.budget.limit, self.archives.for_second_pass())
    }

    /// Counts a tensor with `entries` entries. Returns `true` if the first pass leaves out its numbers. It does if this tensor and the tensors before it have
    /// more than [`EAGER_ENTRIES`] entries together.
    pub fn defer(&mut self, entries: usize) -> bool {
        let Some(left) = self.eager_entries else { return false };
        self.eager_entries = Some(left.saturating_sub(entries));
        let is_deferred = entries > left;
        self.has_deferred |= is_deferred;
        is_deferred
    }

    /// Returns whether the largest number of faults is reached. Later faults are dropped.
    pub fn is_full(&self) -> bool {
        self.faults.len() >= MAX_FAULTS
    }

    /// Reports a fault at a position.
    pub fn report(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.report_diagnostic(Diagnostic { span: Some(span), message: message.into(), help: help.into(), note: None })
    }

    /// Adds a warning: the file is valid, but the user probably meant something else.
    pub fn warn(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.warnings.push(Diagnostic { span: Some(span), message: message.into(), help: help.into(), note: None });
    }

    /// Reports a fault that concerns two positions. `note` is the second one, with its own message.
    pub fn report_with_note(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>, note: (Span, &str)) -> Reported {
        let note = Some((note.0, note.1.to_owned()));
        self.report_diagnostic(Diagnostic { span: Some(span), message: message.into(), help: help.into(), note })
    }

    /// Reports a fault of the whole file.
    pub fn report_for_file(&mut self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.report_diagnostic(Diagnostic { span: None, message: message.into(), help: help.into(), note: None })
    }

    /// Reports a fault with all its parts.
    pub fn report_diagnostic(&mut self, fault: Diagnostic) -> Reported {
        if !self.is_full() {
            self.faults.push(fault);
        }
        Reported
    }

    /// Reports a value of the wrong type.
    pub fn wrong_type(&mut self, label: &str, value: &TomlValue<'_>, wanted: &str, help: &str) -> Reported {
        self.report(value.span(), format!("{label} must be {wanted}, not {}", type_name(value.get_ref())), help)
    }

    /// Reads the string under a key, as written, with its position; `None` if the key is missing.
    pub fn string<'t>(&mut self, table: &'t TomlTable<'_>, key: &str) -> Result<Option<(&'t str, Span)>, Reported> {
        match table.get(key) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::String(text) => Ok(Some((text.as_ref(), value.span()))),
                _ => Err(self.wrong_type(key, value, "a string", "")),
            },
        }
    }

    /// Reads the string under a key as one line: trimmed and escaped, including its line breaks. `None` if the key is missing or not a string.
    pub fn line(&mut self, table: &TomlTable<'_>, key: &str) -> Option<String> {
        self.string(table, key).ok().flatten().map(|(text, _)| one_line(text.trim()))
    }

    /// Reads the string under a key and escapes it, but keeps its line breaks. `None` if the key is missing or not a string.
    pub fn lines(&mut self, table: &TomlTable<'_>, key: &str) -> Option<String> {
        self.string(table, key).ok().flatten().map(|(text, _)| escape(&text.replace("\r\n", "\n")).into_owned())
    }

    /// Reads an array of tables, `[[key]]`. Returns the tables with their positions, and `false` if the value or one of its items has the wrong type. A missing
    /// array counts as empty.
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
        let all_are_tables = found.len() == items.len();
        (found, all_are_tables)
    }

    /// Reads a finite number. `label` names the value in messages.
    pub fn number(&mut self, label: &str, value: &TomlValue<'_>) -> Result<f64, Reported> {
        let read = match value.get_ref() {
            DeValue::Integer(integer) => number::from_integer(integer),
            DeValue::Float(float) => number::from_float(float),
            _ => return Err(self.wrong_type(label, value, "a number", "")),
        };
        read.map_err(|(message, help)| self.report(value.span(), message, help))
    }

    /// Reads an integer that is at least `min`.
    pub fn integer(&mut self, label: &str, value: &TomlValue<'_>, min: u64) -> Result<u64, Reported> {
        let DeValue::Integer(integer) = value.get_ref() else {
            return Err(self.wrong_type(label, value, "an integer", ""));
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(n) => match u64::try_from(n) {
                Ok(n) if n >= min => Ok(n),
                _ => Err(self.report(value.span(), format!("{label} must be at least {min}, not {n}"), "")),
            },
            Err(_) => Err(self.report(value.span(), format!("{label} is too large"), "integers have at most 64 bits")),
        }
    }

    /// Reads an integer that is at least `min` and fits into `usize`.
    pub fn size(&mut self, label: &str, value: &TomlValue<'_>, min: usize) -> Result<usize, Reported> {
        let n = self.integer(label, value, min as u64)?;
        usize::try_from(n).map_err(|_| self.report(value.span(), format!("{label} is too large"), ""))
    }

    /// Counts the entries of a tensor in a layer with assumed inputs. Too many entries are an error that the user does not see, because the assumption may be
    /// the reason.
    pub fn claim_assumed(&mut self, shape: &[usize]) -> Result<(), Reported> {
        let entries = shape.iter().try_fold(1, |entries: usize, &n| entries.checked_mul(n)).ok_or(Reported)?;
        self.assumed_entries = self.assumed_entries.checked_sub(entries).ok_or(Reported)?;
        Ok(())
    }
}
