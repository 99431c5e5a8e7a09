//! Tables of formats: a command writes its result in one of the formats of its table.

use std::fmt::Debug;
use std::io::Write;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::output::Output;

/// The output of a command: stdout or a file.
pub(super) type Sink = Output<Box<dyn Write>>;

/// A format of a command, a row of its table.
#[derive(Debug)]
pub(super) struct Format<W: 'static> {
    /// The value of `--format`.
    pub name: &'static str,
    /// The line about it in the help.
    pub help: &'static str,
    /// Writes the command's result.
    pub writer: W,
}

/// Reads the value of `--format`: the name of one of these formats. The names of planned formats get an error of their own.
pub(super) fn parser<W: Debug + Sync>(
    formats: &'static [Format<W>],
    planned: &'static [&'static str],
) -> impl TypedValueParser<Value = &'static Format<W>> {
    let shown = formats.iter().map(|format| PossibleValue::new(format.name).help(format.help));
    let hidden = planned.iter().map(|name| PossibleValue::new(*name).hide(true));
    PossibleValuesParser::new(shown.chain(hidden)).try_map(|name| {
        let found = formats.iter().find(|format| format.name == name);
        found.ok_or_else(|| format!("{name} comes with a later version"))
    })
}
