//! The values of `--format`: each command has a table of formats in which it can write its result.

use std::fmt::Debug;
use std::io::Write;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::output::Output;

/// The output of a command: stdout or a file.
pub(super) type Sink = Output<Box<dyn Write>>;

/// An output format of a command, a row of its table.
#[derive(Debug)]
pub(super) struct OutputFormat<W: 'static> {
    /// The value of `--format`.
    pub name: &'static str,
    /// Its line in the help.
    pub help: &'static str,
    /// Writes the command's result.
    pub writer: W,
}

/// Returns the parser of `--format`: it accepts the names of `formats`. For the names in `planned` the error tells that a later version has them.
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
