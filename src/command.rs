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
/// `gradstep SCENARIO` opens the stepper, which shows one step at a time: `gradstep figure-14`. `gradstep` alone opens a list of scenarios.
#[derive(Debug, Parser)]
#[command(name = "gradstep", version, max_term_width = 100)]
#[command(override_usage = "gradstep [OPTIONS] [SCENARIO] [--at ADDRESS] [--record FILE]\n       gradstep [OPTIONS] COMMAND")]
#[command(after_help = AFTER, subcommand_value_name = "COMMAND")]
struct Cli {
    #[command(flatten)]
    global: Global,
}

const AFTER: &str = "\
SCENARIO is the path of a file, the name of a bundled scenario, or - for the standard input. A text with a path separator or the ending .toml is \
a path. Otherwise a bundled name comes before a file of the same name, and the beginning of a bundled name is enough if only one begins so and no file \
has that name. A file with weights (.npy, .npz, .safetensors) is not a scenario: gradstep FILE lists its tensors.

ADDRESS is a step (57), an op by the name of the tensor that it computes (grad.conv1.weight), an entry of it (grad.conv1.weight[0,0,1,1]), a term of an \
entry, from 1 (grad.conv1.weight[0,0,1,1]#3), or first, last, loss, backward. A prefix selects a sample (2:loss), the sum or mean over the samples \
(reduce:loss) or the update of the parameters (update:fc1.weight). 12/ at the very beginning selects iteration 12: with several samples, 12/loss is the \
first sample's loss and 12/reduce:loss the batch's.

Exit status: 0 success; 1 a check failed, or a scenario is not valid; 2 wrong usage, or a file that cannot be read or written.";

/// A command. Its fields are its arguments, and its doc comment is its help.
trait Invocation: Parser {
    /// The output file; `None` means stdout.
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
            // fail before anything is read or computed
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

/// The clap command of the whole command line.
fn program() -> clap::Command {
    Cli::command().subcommands(COMMANDS.iter().map(|row| (row.declare)()))
}

/// The same as users type it: without hidden commands, and with the options of the stepper, which has no command word.
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
    // a usage error is printed before the arguments are parsed, so `--ascii` is looked up here
    let ascii = look::ascii_locale() || arguments.iter().any(|argument| argument == "--ascii");
    let done = with_open_command(arguments).and_then(|arguments| match parsed(arguments) {
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

/// Parses the arguments into the options of every command, and the rest.
fn parsed(arguments: Vec<OsString>) -> Result<(Global, ArgMatches), clap::Error> {
    let arguments = program().try_get_matches_from(arguments)?;
    Ok((Cli::from_arg_matches(&arguments)?.global, arguments))
}

fn run(arguments: &ArgMatches, global: &Global) -> anyhow::Result<ExitCode> {
    global.threads.into_iter().for_each(threads::set_limit);
    let Some((name, arguments)) = arguments.subcommand() else {
        standard::stdout_is_open()?;
        return run::pick(global);
    };
    let row = COMMANDS.iter().find(|row| (row.declare)().get_name() == name).expect("a command of the table");
    (row.run)(arguments, global)
}

/// Prints the faults of a scenario.
fn invalid(faults: &Faults, global: &Global) -> anyhow::Result<ExitCode> {
    let mut to = output::stderr();
    // unescaped: `render` escapes the texts itself and adds colours
    writeln!(to.raw(), "{}", global.text(&faults.render(global.coloured(&io::stderr()))))?;
    to.finish()?;
    Ok(ExitCode::from(1))
}

/// Prints where Ctrl-C stopped a command. Any other error is passed on.
fn stopped(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    let why = error.downcast::<Interrupted>()?;
    let mut to = output::stderr();
    writeln!(to, "{why}")?;
    to.finish()?;
    Ok(ExitCode::from(INTERRUPTED))
}

/// Prints the help or the version, or an error in the command line.
fn usage(error: &clap::Error, ascii: bool) -> anyhow::Result<ExitCode> {
    let plain = error.render().to_string();
    let plain = if ascii { glyph::ascii_text(&plain) } else { plain };
    if error.use_stderr() {
        // the message quotes the arguments unescaped: print it without colours, through the escaping writer
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

/// Inserts the hidden command `open` if the first argument is a scenario and not a command.
///
/// `gradstep --ascii xor` becomes `gradstep --ascii open xor`. Clap could not tell an optional SCENARIO beside the commands from a misspelt command.
fn with_open_command(mut arguments: Vec<OsString>) -> anyhow::Result<Vec<OsString>> {
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
                // an option of the stepper, before its scenario
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
            "{} is not a command, a bundled scenario or a file{near} (see `gradstep --help` and `gradstep list`)",
            shown(first)
        ));
    }
    arguments.insert(place, OPEN.into());
    Ok(arguments)
}

/// Opens the output file, or stdout. Refuses to overwrite the input file `from` and the files that it reads (`beside`, in the same folder).
fn output_to(file: Option<&Path>, from: &OsStr, beside: &[String]) -> anyhow::Result<Sink> {
    let Some(path) = file else { return Ok(output::unlined()) };
    let mut read = vec![PathBuf::from(from)];
    read.extend(beside.iter().map(|file| Path::new(from).with_file_name(file)));
    if let Ok(to) = path.canonicalize()
        && read.iter().any(|from| from.canonicalize().is_ok_and(|from| from == to))
    {
        bail!("{} is an input of this command, and would be lost; write to another file", shown(path));
    }
    output::file(path).with_context(|| format!("cannot write {}", shown(path)))
}

/// The document of a scenario at iteration `n`.
fn at_iteration(scenario: Scenario, n: u64) -> anyhow::Result<Document> {
    let address = Address { iteration: Some(n), place: Place::First };
    Ok(opened(scenario, &address)?.map_err(anyhow::Error::msg)?.0)
}

/// Computes a scenario up to an address, with progress on stderr. Returns the document and the step, or why there is no such address.
fn opened(scenario: Scenario, address: &Address) -> anyhow::Result<Result<(Document, u64), String>> {
    progress::with_progress(|go_on| Document::open(scenario, address, go_on).transpose())
}
