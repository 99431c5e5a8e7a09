//! Commands that are planned for a later version. The help does not list them, and they fail with a message.

use anyhow::bail;

/// The names of the planned commands.
const COMMANDS: [&str; 1] = ["diff"];

/// Returns an error if a command is planned.
pub(super) fn refuse(name: &str) -> anyhow::Result<()> {
    if COMMANDS.contains(&name) {
        bail!("`gradstep {name}` comes with a later version; `gradstep --help` lists the commands of this one");
    }
    Ok(())
}
