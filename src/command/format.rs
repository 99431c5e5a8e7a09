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
    /// The functions that write the command's result.
    pub writer: W,
}

/// Returns the parser of `--format`, which accepts the names of `formats`. The error for a name in `planned` says that a later version will have it.
pub(super) fn parser<W: Debug + Sync>(
    formats: &'static [OutputFormat<W>],
    planned: &'static [&'static str],
) -> impl TypedValueParser<Value = &'static OutputFormat<W>> {
    let shown = formats.iter().map(|format| PossibleValue::new(format.name).help(format.help));
    let hidden = planned.iter().map(|name| PossibleValue::new(*name).hide(true));
    PossibleValuesParser::new(shown.chain(hidden)).try_map(|name| {
        let found = formats.iter().find(|format| format.name == name);
        found.ok_or_else(|| format!("{name} comes with a later version"))
    })
}
