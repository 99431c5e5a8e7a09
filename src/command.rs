//! Floor 9: the command line, one file for each command.

pub mod bundled;
mod check;
mod completions;
pub mod driver;
mod format;
mod gradcheck;
mod grads;
mod holds;
mod json;
mod list;
mod live;
mod look;
mod man;
pub mod offers;
mod paper;
mod planned;
mod progress;
mod read;
pub mod replay;
mod report;
mod run;
mod show;
mod source;
mod tensors;
mod trace;
mod train;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgMatches, CommandFactory, FromArgMatches as _, Parser};

pub use live::Live;
pub use source::ScenarioLoader;

use crate::app::Document;
use crate::glyph;
use crate::output::{self, is_closed_pipe, standard};
use crate::scenario::{Faults, Scenario};
use crate::step::{Address, Place};
use crate::threads;
use crate::words::suggest;
use format::Sink;
use look::Global;
use progress::{INTERRUPTED, Interrupted};
use read::shown;
use run::OPEN;

/// Step through every multiplication of backpropagation.
///
/// Without a command the stepper opens: `gradstep figure-14`, or the picker when no scenario is named.
#[derive(Debug, Parser)]
#[command(name = "gradstep", version, max_term_width = 100)]
#[command(override_usage = "gradstep [OPTIONS] [SCENARIO] [--at ADDRESS] [--record FILE]\n       gradstep [OPTIONS] COMMAND")]
#[command(after_help = AFTER, subcommand_value_name = "COMMAND")]
struct Cli {
    #[command(flatten)]
    global: Global,
}

const AFTER: &str = "\
SCENARIO is the path of a file, the name of a bundled scenario, or - for the standard input. What has a separator in it or ends in .toml is \
a path; of anything else a bundled name wins over a file, and the beginning of one bundled name is enough where no file is called so. A file with weights \
(.npy, .npz, .safetensors) is no scenario: gradstep FILE lists what is in it.

ADDRESS is a step 57, an op grad.conv1.weight, an entry grad.conv1.weight[0,0,1,1], a term of it grad.conv1.weight[0,0,1,1]#3, or first, \
last, loss, backward. Before an op 2: means the second sample, reduce: and update: what the batch does; before all 12/ means iteration 12. With several samples 12/loss is the first sample's, and \
12/reduce:loss the batch's.

Exit status: 0 done; 1 something was found, or a scenario is not valid; 2 wrong usage, or a file that cannot be read or written.";

/// A command. Its fields are its arguments, and its doc comment is its help.
trait Invocation: Parser {
    /// The file that the output goes to; `None` where it goes to stdout.
    fn output(&self) -> Option<&Path> {
        None
    }

    /// Runs it.
    fn run(&self, global: &Global) -> anyhow::Result<ExitCode>;
}

/// A row of the table of commands.
struct CommandRow {
    /// Returns its name, help and arguments.
    declare: fn() -> clap::Command,
    /// Runs it with its arguments.
    run: fn(&ArgMatches, &Global) -> anyhow::Result<ExitCode>,
}

const fn row<C: Invocation>() -> CommandRow {
    CommandRow {
        declare: <C as CommandFactory>::command,
        run: |arguments, global| {
            let command = C::from_arg_matches(arguments)?;
            // before anything is read or computed in vain
            if command.output().is_none() {
                standard::stdout_is_open()?;
            }
            command.run(global)
        },
    }
}

/// All commands, in the order of the help.
static COMMANDS: &[CommandRow] = &[
    row::<run::OpenCommand>(),
    row::<list::ListCommand>(),
    row::<check::CheckCommand>(),
    row::<grads::GradsCommand>(),
    row::<gradcheck::GradcheckCommand>(),
    row::<trace::TraceCommand>(),
    row::<train::TrainCommand>(),
    row::<show::ShowCommand>(),
    row::<replay::ReplayCommand>(),
    row::<completions::CompletionsCommand>(),
    row::<man::ManCommand>(),
];

/// The whole command line, as clap knows it.
fn program() -> clap::Command {
    Cli::command().subcommands(COMMANDS.iter().map(|row| (row.declare)()))
}

/// The same as users type it: without hidden commands, and with the options of the stepper, whose command is not typed.
fn typed_program() -> clap::Command {
    let stepper = run::OpenCommand::command();
    let options = stepper.get_arguments().filter(|arg| !arg.is_positional()).cloned();
    let commands = COMMANDS.iter().map(|row| (row.declare)()).filter(|command| !command.is_hide_set());
    Cli::command().args(options).subcommands(commands)
}

/// Runs the program with these arguments, the program's name first.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // what is wrong with the arguments is said before they are understood
    let ascii = look::ascii_locale() || arguments.iter().any(|argument| argument == "--ascii");
    let done = completed(arguments).and_then(|arguments| match parsed(arguments) {
        Ok((global, arguments)) => run(&arguments, &global).or_else(|error| match error.downcast::<Faults>() {
            Ok(faults) => invalid(&faults, &global),
            Err(error) => stopped(error),
        }),
        Err(error) => usage(&error, ascii),
    });
    output::exit(
        done.map_err(|error| if ascii && !is_closed_pipe(&error) { anyhow!(glyph::ascii_text(&format!("{error:#}"))) } else { error }),
    )
}

/// The options of every command, and all arguments.
fn parsed(arguments: Vec<OsString>) -> Result<(Global, ArgMatches), clap::Error> {
    let arguments = program().try_get_matches_from(arguments)?;
    Ok((Cli::from_arg_matches(&arguments)?.global, arguments))
}

fn run(arguments: &ArgMatches, global: &Global) -> anyhow::Result<ExitCode> {
    global.threads.into_iter().for_each(threads::limit);
    let Some((name, arguments)) = arguments.subcommand() else {
        standard::stdout_is_open()?;
        return run::pick(global);
    };
    let row = COMMANDS.iter().find(|row| (row.declare)().get_name() == name).expect("a command of the table");
    (row.run)(arguments, global)
}

/// Says what is wrong with a scenario.
fn invalid(faults: &Faults, global: &Global) -> anyhow::Result<ExitCode> {
    let mut to = output::stderr();
    // escaped by itself, so that colours can be in it
    writeln!(to.raw(), "{}", global.text(&faults.render(global.coloured(&io::stderr()))))?;
    to.finish()?;
    Ok(ExitCode::from(1))
}

/// Says where Ctrl-C has stopped a command, if that is what has happened.
fn stopped(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    let why = error.downcast::<Interrupted>()?;
    let mut to = output::stderr();
    writeln!(to, "{why}")?;
    to.finish()?;
    Ok(ExitCode::from(INTERRUPTED))
}

/// Help and version, or what is wrong with the command line.
fn usage(error: &clap::Error, ascii: bool) -> anyhow::Result<ExitCode> {
    let plain = error.render().to_string();
    let plain = if ascii { glyph::ascii_text(&plain) } else { plain };
    if error.use_stderr() {
        // what was typed is in it, unescaped: without colours, through the escaping writer
        let mut to = output::stderr();
        to.text(&plain)?;
        to.finish()?;
        return Ok(ExitCode::from(2));
    }
    standard::stdout_is_open()?;
    let mut to = output::stdout();
    let coloured = look::is_terminal() && look::colour_wanted() && !ascii;
    if coloured {
        write!(to.raw(), "{}", error.render().ansi())?;
    } else {
        to.text(&plain)?;
    }
    to.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// The arguments with the command that a scenario without a command stands for: clap would take an optional SCENARIO beside commands for a
/// misspelt command, and the other way round.
fn completed(mut arguments: Vec<OsString>) -> anyhow::Result<Vec<OsString>> {
    let cli = program();
    let mut place = 1;
    while let Some(argument) = arguments.get(place) {
        let text = argument.to_string_lossy();
        let Some(option) = text.strip_prefix('-').filter(|rest| !rest.is_empty()) else { break };
        let name = option.strip_prefix('-').unwrap_or("");
        let known = cli.get_arguments().find(|known| known.get_long() == Some(name.split('=').next().unwrap_or(name)));
        place += match known {
            Some(known) if known.get_action().takes_values() && !name.contains('=') => 2,
            Some(_) => 1,
            None if matches!(option, "h" | "V" | "-help" | "-version") => return Ok(arguments),
            None => {
                // an option of the stepper's, before its scenario
                arguments.insert(place, OPEN.into());
                return Ok(arguments);
            }
        };
    }
    let Some(first) = arguments.get(place) else { return Ok(arguments) };
    let text = first.to_string_lossy();
    let commands = || cli.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
    if text == "help" || commands().any(|command| command == text) {
        return Ok(arguments);
    }
    planned::command(&text)?;
    if !source::exists(first) {
        let names = commands().chain(bundled::ALL.iter().map(|bundled| bundled.name));
        let near = suggest::clause(suggest::nearest(&text, names));
        return Err(anyhow!(
            "{} is neither a command nor a bundled scenario nor a file{near} (see `gradstep --help` and `gradstep list`)",
            shown(first)
        ));
    }
    arguments.insert(place, OPEN.into());
    Ok(arguments)
}

/// Opens a file for the output, or stdout. The file that the output is made from, and the files beside that, are not written over.
fn output_to(file: Option<&Path>, from: &OsStr, beside: &[String]) -> anyhow::Result<Sink> {
    let Some(path) = file else { return Ok(output::unlined()) };
    let mut read = vec![PathBuf::from(from)];
    read.extend(beside.iter().map(|file| Path::new(from).with_file_name(file)));
    if let Ok(to) = path.canonicalize()
        && read.iter().any(|from| from.canonicalize().is_ok_and(|from| from == to))
    {
        bail!("{} is what is read, and would be lost; write to another file", shown(path));
    }
    output::file(path).with_context(|| format!("cannot write {}", shown(path)))
}

/// The document of a scenario at one of its iterations.
fn at_iteration(scenario: Scenario, n: u64) -> anyhow::Result<Document> {
    let address = Address { iteration: Some(n), place: Place::First };
    Ok(opened(scenario, &address)?.map_err(anyhow::Error::msg)?.0)
}

/// A scenario where an address leads, with progress on the way; or why it leads nowhere.
fn opened(scenario: Scenario, address: &Address) -> anyhow::Result<Result<(Document, u64), String>> {
    progress::travel(|go_on| Document::open(scenario, address, go_on).transpose())
}
