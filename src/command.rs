//! Floor 9: the command line. Each command has a file in this module, and a row in the table `COMMANDS`.
//!
//! [`main`] parses the arguments, runs the command and returns the exit status.

pub mod bundled;
mod check;
mod compare;
mod completions;
mod diff;
pub mod driver;
#[cfg(test)]
mod faults;
mod format;
mod gradcheck;
mod grads;
mod journal;
mod json;
mod kept_edits;
mod list;
mod live;
mod man;
mod new;
mod open;
mod options;
mod outside;
pub mod picker_entries;
mod plain;
mod progress;
mod proposal;
mod read;
mod recent;
pub mod replay;
mod report;
mod scenario_file;
mod settings;
mod show;
mod source;
mod templates;
mod tensors;
mod text_writer;
mod trace;
mod train;
mod user_settings;
mod weights_listing;
mod write;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgMatches, CommandFactory, FromArgMatches as _, Parser};

pub use live::TerminalStepper;
pub use source::ScenarioLoader;

use crate::app::Document;
use crate::glyph;
use crate::output::{self, is_closed_pipe, standard};
use crate::scenario::{Faults, Scenario};
use crate::step::{Address, Location};
use crate::threads;
use crate::weights::tensor_files;
use crate::words::suggest;
use format::CommandOutput;
use open::OPEN;
use options::GlobalOptions;
use progress::{DescentInterrupted, INTERRUPTED};
use read::display_name;

/// Step through every multiplication of backpropagation.
///
/// `gradstep SCENARIO` opens the stepper, which shows one step at a time: `gradstep figure-14`. `gradstep` without a scenario opens a list of scenarios.
/// `gradstep SCENARIO --help` describes the options of the stepper, such as --at and --record.
#[derive(Debug, Parser)]
#[command(name = "gradstep", version, max_term_width = 100)]
#[command(override_usage = "gradstep [OPTIONS] [SCENARIO] [--at ADDRESS] [--record FILE]\n       gradstep [OPTIONS] COMMAND")]
#[command(after_help = AFTER_HELP, subcommand_value_name = "COMMAND")]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
}

/// The last part of `gradstep --help` and of the manual page.
const AFTER_HELP: &str = concat!(
    "\
SCENARIO is the path of a file, the name of a bundled scenario, or - for the standard input. An argument that contains a path separator or ends in .toml \
is always a path. Any other argument is the name of a bundled scenario or, if there is none, a file in the current folder. A bundled name can be \
shortened to its beginning, if no other bundled name begins with it and no file has this name. \
If the file contains tensors (",
    tensor_files!(),
    ") instead of a scenario, \
gradstep lists the tensors.

ADDRESS is a step (57), an op by the name of the tensor that it computes (grad.conv1.weight), an entry of that tensor, counted from 0 \
(grad.conv1.weight[0,0,1,1]), a term of that entry, counted from 1 (grad.conv1.weight[0,0,1,1]#3), or one of these words: \
first, last (the first and the last step), loss, backward (the first step of the backward pass). The name of an op can have a prefix: 2:loss is \
the loss of the second sample, reduce:loss the sum or mean of the losses of all samples, and update:fc1.weight the new value of the parameter \
fc1.weight. An address can begin with an iteration: 12/loss is the loss of iteration 12. With several samples, 12/loss is the loss of the first \
sample, and 12/reduce:loss the loss of the batch.

Exit status: 0 success; 1 a check failed, or a scenario is not valid; 2 wrong usage, or a file that cannot be read or written; 130 stopped by Ctrl-C."
);

/// A command with its arguments. The fields of the type are the arguments, and its doc comment is the help text.
trait Invocation: Parser {
    /// The output file; `None` for stdout.
    fn output(&self) -> Option<&Path> {
        None
    }

    /// Runs the command and returns the exit status.
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode>;
}

/// A row of the table of commands.
struct CommandRow {
    /// The name of the command.
    name: &'static str,
    /// Returns the help and the arguments of the command.
    declare: fn() -> clap::Command,
    /// Runs the command with the parsed arguments.
    run: fn(&ArgMatches, &GlobalOptions) -> anyhow::Result<ExitCode>,
}

/// Returns the row of the command `C`.
const fn row<C: Invocation>(name: &'static str) -> CommandRow {
    CommandRow {
        name,
        declare: <C as CommandFactory>::command,
        run: |arguments, global| {
            let command = C::from_arg_matches(arguments)?;
            // if stdout is closed, all output would be lost, so the command fails before it reads or computes anything
            if command.output().is_none() {
                standard::ensure_stdout_is_open()?;
            }
            command.run(global)
        },
    }
}

/// All commands, in the order of the help.
static COMMANDS: &[CommandRow] = &[
    row::<open::OpenCommand>(OPEN),
    row::<list::ListCommand>("list"),
    row::<new::NewCommand>("new"),
    row::<check::CheckCommand>("check"),
    row::<grads::GradsCommand>("grads"),
    row::<gradcheck::GradcheckCommand>("gradcheck"),
    row::<diff::DiffCommand>("diff"),
    row::<trace::TraceCommand>("trace"),
    row::<train::TrainCommand>("train"),
    row::<show::ShowCommand>("show"),
    row::<replay::ReplayCommand>("replay"),
    row::<settings::SettingsCommand>("settings"),
    row::<completions::CompletionsCommand>("completions"),
    row::<man::ManCommand>("man"),
];

impl CommandRow {
    /// Returns the command with its name.
    fn command(&self) -> clap::Command {
        (self.declare)().name(self.name)
    }
}

/// Returns the command line as users type it, for completions and the manual page: `gradstep figure-14 --at 57`.
///
/// The command `open` is hidden, because [`with_open_command`] inserts it. Its options are listed as options of `gradstep`.
fn typed_program() -> clap::Command {
    let stepper = open::OpenCommand::command();
    let options = stepper.get_arguments().filter(|arg| !arg.is_positional()).cloned();
    let commands = COMMANDS.iter().map(CommandRow::command).filter(|command| !command.is_hide_set());
    Cli::command().args(options).subcommands(commands)
}

/// Runs the program. The first argument is the name of the program.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // `--ascii` is searched in the arguments before they are parsed, because it also applies to messages about arguments that cannot be parsed
    let ascii = options::is_ascii_locale() || arguments.iter().any(|argument| argument == "--ascii");
    let program = Cli::command();
    let result = with_open_command(&program, arguments).and_then(|(arguments, rows)| match parse(program, rows, arguments) {
        Ok((global, arguments)) => run(&arguments, &global).or_else(|error| match error.downcast::<Faults>() {
            Ok(faults) => print_faults(&faults, &global),
            Err(error) => print_interruption(error),
        }),
        Err(error) => print_usage(&error, ascii),
    });
    output::exit_status(
        result.map_err(|error| if ascii && !is_closed_pipe(&error) { anyhow!(glyph::ascii_text(&format!("{error:#}"))) } else { error }),
    )
}

/// Parses the arguments. `rows` are the rows of the commands that may follow. Returns the global options, and all arguments.
fn parse(program: clap::Command, rows: &[CommandRow], arguments: Vec<OsString>) -> Result<(GlobalOptions, ArgMatches), clap::Error> {
    let arguments = program.subcommands(rows.iter().map(CommandRow::command)).try_get_matches_from(arguments)?;
    Ok((Cli::from_arg_matches(&arguments)?.global, arguments))
}

/// Returns the row of the command with this name.
fn row_of(name: &str) -> Option<&'static CommandRow> {
    COMMANDS.iter().find(|row| row.name == name)
}

/// Runs a command with its arguments. Without a command, opens the picker.
fn run(arguments: &ArgMatches, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
    global.threads.into_iter().for_each(threads::set_limit);
    if let Some((name, arguments)) = arguments.subcommand()
        && let Some(row) = row_of(name)
    {
        return (row.run)(arguments, global);
    }
    standard::ensure_stdout_is_open()?;
    open::open_picker(global)
}

/// Prints the faults of a scenario.
fn print_faults(faults: &Faults, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
    let mut to = output::stderr();
    // the texts are escaped by `render`, which also adds colours
    writeln!(to.raw(), "{}", global.in_charset(&faults.render(global.has_colours(&io::stderr()))))?;
    to.finish()?;
    Ok(ExitCode::from(1))
}

/// Prints the place at which Ctrl-C stopped a command: an iteration, or a stage of a comparison. Any other error is returned.
fn print_interruption(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    let place = match error.downcast::<DescentInterrupted>() {
        Ok(interrupted) => interrupted.to_string(),
        Err(error) => error.downcast::<compare::ComparisonStopped>()?.to_string(),
    };
    let mut to = output::stderr();
    writeln!(to, "{place}")?;
    to.finish()?;
    Ok(ExitCode::from(INTERRUPTED))
}

/// Prints the help, the version, or an error in the command line. Clap returns all of them as errors.
fn print_usage(error: &clap::Error, ascii: bool) -> anyhow::Result<ExitCode> {
    let plain = error.render().to_string();
    let plain = if ascii { glyph::ascii_text(&plain) } else { plain };
    if error.use_stderr() {
        // the message quotes arguments without escaping them; escaping it here also removes its colours
        let mut to = output::stderr();
        to.text(&plain)?;
        to.finish()?;
        return Ok(ExitCode::from(2));
    }
    standard::ensure_stdout_is_open()?;
    let mut to = output::stdout();
    let has_colours = options::stdout_is_terminal() && options::wants_colours() && !ascii;
    if has_colours {
        write!(to.raw(), "{}", error.render().ansi())?;
    } else {
        to.text(&plain)?;
    }
    to.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Inserts the hidden command `open` before a scenario: `gradstep --ascii xor` becomes `gradstep --ascii open xor`.
/// Without this, clap would take a misspelt command for a scenario, and report a missing file.
///
/// Also returns the rows of the commands that the parser needs: the row of the named command, no row for the version, and otherwise all rows. Declaring all
/// commands takes longer than running a small one.
fn with_open_command(program: &clap::Command, mut arguments: Vec<OsString>) -> anyhow::Result<(Vec<OsString>, &'static [CommandRow])> {
    let only = |name: &str| row_of(name).map_or(COMMANDS, std::slice::from_ref);
    let mut position = 1;
    while let Some(argument) = arguments.get(position) {
        let text = argument.to_string_lossy();
        let Some(after_dash) = text.strip_prefix('-').filter(|after_dash| !after_dash.is_empty()) else { break };
        // `threads=2` for `--threads=2`; empty for an option with one dash
        let long_option = after_dash.strip_prefix('-').unwrap_or("");
        let known = program.get_arguments().find(|known| known.get_long() == Some(long_option.split('=').next().unwrap_or(long_option)));
        // an option whose value is the next argument is passed over together with the value
        position += match known {
            Some(known) if known.get_action().takes_values() && !long_option.contains('=') => 2,
            Some(_) => 1,
            None if matches!(after_dash, "h" | "-help") => return Ok((arguments, COMMANDS)),
            None if matches!(after_dash, "V" | "-version") => return Ok((arguments, &[])),
            None => {
                // the argument is an option of `open` before the scenario, as in `gradstep --at 57 xor`
                arguments.insert(position, OPEN.into());
                return Ok((arguments, only(OPEN)));
            }
        };
    }
    let Some(first) = arguments.get(position) else { return Ok((arguments, COMMANDS)) };
    let text = first.to_string_lossy();
    if text == "help" {
        // `help --help` prints the help too
        let is_help = |option: &OsString| option == "--help" || option == "-h";
        if arguments.get(position + 1).is_some_and(is_help) {
            arguments.truncate(position + 1);
        }
        return Ok((arguments, COMMANDS));
    }
    // `open` is not a command that users type
    if text != OPEN && row_of(&text).is_some() {
        let rows = only(&text);
        return Ok((arguments, rows));
    }
    if !source::is_scenario_argument(first) {
        let commands = COMMANDS.iter().map(|row| row.name).filter(|name| *name != OPEN);
        let names = commands.chain(bundled::ALL.iter().map(|bundled| bundled.name));
        let near = suggest::clause(suggest::nearest(&text, names));
        return Err(anyhow!(
            "{} is not a command, a bundled scenario or a file{near} (see `gradstep --help` and `gradstep list`)",
            display_name(first)
        ));
    }
    arguments.insert(position, OPEN.into());
    Ok((arguments, only(OPEN)))
}

/// Opens the output file; stdout if `file` is `None`.
///
/// # Errors
/// If the output file is an input (the scenario, or one of `tensor_files` in its folder), or if it cannot be written.
fn open_output(file: Option<&Path>, scenario: &OsStr, tensor_files: &[String]) -> anyhow::Result<CommandOutput> {
    open_output_beside(file, &[(scenario, tensor_files)])
}

/// Does the same as [`open_output`] for several scenarios with their tensor files.
fn open_output_beside(file: Option<&Path>, scenarios: &[(&OsStr, &[String])]) -> anyhow::Result<CommandOutput> {
    let Some(path) = file else { return Ok(output::stdout_without_line_buffer()) };
    let inputs_of = |(scenario, files): &(&OsStr, &[String])| {
        let files: Vec<PathBuf> = files.iter().map(|file| Path::new(scenario).with_file_name(file)).collect();
        [PathBuf::from(scenario)].into_iter().chain(files)
    };
    let mut inputs = scenarios.iter().flat_map(inputs_of);
    if let Ok(output) = path.canonicalize()
        && inputs.any(|input| input.canonicalize().is_ok_and(|input| input == output))
    {
        bail!("{} is an input of this command, and would be lost; write to another file", display_name(path));
    }
    output::file(path).with_context(|| format!("cannot write {}", display_name(path)))
}

/// Computes a scenario up to iteration `n`.
fn document_at_iteration(scenario: Scenario, n: u64) -> anyhow::Result<Document> {
    let address = Address { iteration: Some(n), location: Location::First };
    Ok(document_at(scenario, &address)?.map_err(anyhow::Error::msg)?.0)
}

/// Computes a scenario up to an address, with progress on stderr. Returns the document and the step, or the reason why there is no such address.
fn document_at(scenario: Scenario, address: &Address) -> anyhow::Result<Result<(Document, u64), String>> {
    progress::with_progress(|go_on| Document::open(scenario, address, go_on).transpose())
}
