//! What later versions bring: not in the help, and said when it is typed.

use anyhow::bail;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

const COMMANDS: [&str; 4] = ["completions", "diff", "man", "new"];

/// Refuses a command that is not built yet.
pub(super) fn command(name: &str) -> anyhow::Result<()> {
    if COMMANDS.contains(&name) {
        bail!("`gradstep {name}` comes with a later version; `gradstep --help` shows what there is");
    }
    Ok(())
}

/// One of the formats that are built; those that are not are refused with a sentence of their own.
pub(super) fn format<T: Copy + Send + Sync + 'static>(
    built: &'static [(&'static str, T)],
    later: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    let shown = built.iter().map(|(name, _)| PossibleValue::new(*name));
    let hidden = later.iter().map(|name| PossibleValue::new(*name).hide(true));
    PossibleValuesParser::new(shown.chain(hidden)).try_map(|name| {
        let found = built.iter().find(|(known, _)| *known == name).map(|(_, format)| *format);
        found.ok_or_else(|| format!("{name} comes with a later version"))
    })
}
