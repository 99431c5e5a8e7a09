//! The values of `--format`. Each command has a table of the formats in which it can write its result.

use std::fmt::Debug;
use std::io::Write;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::output::Output;

/// The output of a command: stdout or a file.
pub(super) type CommandOutput = Output<Box<dyn Write>>;

/// An output format of a command: a row of the command's table.
#[derive(Debug)]
pub(super) struct OutputFormat<W: 'static> {
    /// The value of `--format`.
    pub name: &'static str,
    /// The description in the help.
    pub help: &'static str,
    /// The function that writes the command's result, or a struct of such functions.
    pub writer: W,
}

/// Returns the parser of `--format`, which accepts the names of `formats`.
pub(super) fn parser<W: Debug + Sync>(formats: &'static [OutputFormat<W>]) -> impl TypedValueParser<Value = &'static OutputFormat<W>> {
    let names = formats.iter().map(|format| PossibleValue::new(format.name).help(format.help));
    PossibleValuesParser::new(names).try_map(|name| formats.iter().find(|format| format.name == name).ok_or("no such format"))
}
