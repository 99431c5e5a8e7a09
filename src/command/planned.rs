//! The commands of later versions. The help does not list them, and they fail with a message of their own.

use anyhow::bail;

const COMMANDS: [&str; 2] = ["diff", "new"];

/// Refuses a command of a later version.
pub(super) fn command(name: &str) -> anyhow::Result<()> {
    if COMMANDS.contains(&name) {
        bail!("`gradstep {name}` comes with a later version; `gradstep --help` lists the commands of this one");
    }
    Ok(())
}
