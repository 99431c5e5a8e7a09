//! `gradstep man`: prints the manual page. It has a section for each command.

use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, Parser};
use clap_mangen::Man;
use clap_mangen::roff::Roff;

use super::options::GlobalOptions;
use super::{Invocation, typed_program};
use crate::output;

/// Print the manual page.
///
/// `gradstep man | man -l -` shows it, `gradstep man > gradstep.1` saves it.
#[derive(Debug, Parser)]
pub(super) struct ManCommand {}

impl Invocation for ManCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let mut to = output::stdout();
        to.text(&global.in_charset(&page(typed_program())?))?;
        to.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The manual page in roff, with a section for each command.
fn page(program: Command) -> anyhow::Result<String> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut page = Vec::new();
    let man = Man::new(program.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    Roff::new().control("SH", ["COMMANDS"]).to_writer(&mut page)?;
    for command in program.get_subcommands() {
        Roff::new().control("SS", [command.get_bin_name().unwrap_or_default()]).to_writer(&mut page)?;
        page.extend(section(command)?.bytes());
    }
    man.render_extra_section(&mut page)?;
    // each section begins with the same roff definitions; all copies except one are removed
    let definitions = Roff::new().render();
    let page = String::from_utf8(page)?.replace(&definitions, "").replace("\n.SH EXTRA\n", "\n.SH NOTES\n");
    Ok(definitions + &page)
}

/// Returns the usage, description and arguments of a command, without headings and without the options of every command.
fn section(command: &Command) -> anyhow::Result<String> {
    let is_in_every_command = |arg: &Arg| arg.is_global_set() || matches!(arg.get_action(), ArgAction::Help);
    let man = Man::new(command.clone().mut_args(|arg| if is_in_every_command(&arg) { arg.hide(true) } else { arg }));
    let mut text = Vec::new();
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    // replaces headings by paragraphs
    let lines =
        String::from_utf8(text)?.lines().map(|line| if line.starts_with(".SH ") { ".PP" } else { line }.to_owned()).collect::<Vec<_>>();
    Ok(lines.join("\n") + "\n")
}
