//! The commands of later versions: absent from the help, and refused with a sentence of their own.

use anyhow::bail;

const COMMANDS: [&str; 2] = ["diff", "new"];

/// Refuses a command of a later version.
pub(super) fn command(name: &str) -> anyhow::Result<()> {
    if COMMANDS.contains(&name) {
        bail!("`gradstep {name}` comes with a later version; `gradstep --help` shows what there is");
    }
    Ok(())
}
