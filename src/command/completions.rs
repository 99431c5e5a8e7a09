//! `gradstep completions`: prints a script that completes commands and options in a shell.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use clap_complete::{Shell, generate};

use super::options::GlobalOptions;
use super::{Invocation, typed_program};
use crate::output;

/// Print a script that completes commands and options in a shell.
///
/// For bash: gradstep completions bash > ~/.local/share/bash-completion/completions/gradstep
#[derive(Debug, Parser)]
pub(super) struct CompletionsCommand {
    /// The shell that reads the script
    shell: Shell,
}

impl Invocation for CompletionsCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        generate(self.shell, &mut typed_program(), env!("CARGO_PKG_NAME"), &mut script);
        let mut to = output::stdout();
        to.raw().write_all(global.in_charset(&String::from_utf8(script)?).as_bytes())?;
        to.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
