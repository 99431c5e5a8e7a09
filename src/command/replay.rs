//! `gradstep replay`: plays a recorded session in the terminal, or writes its frames as text, as a picture, as sentences or as a recording of a terminal.
//!
//! `ReplayCursor` decides what happens next. [`Player`] shows it in the terminal. [`frames`] makes the frames without a terminal.

mod cursor;
mod frames;
mod player;
mod writers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::text::counted;
use anyhow::{anyhow, bail};
use clap::Parser;

pub use frames::{Frame, frames};
pub use player::Player;

use super::compare::{GradientsFile, compare_while, file_and_tensor};
use super::format::{self, OutputFormat};
use super::options::GlobalOptions;
use super::read::{display_name, read_file};
use super::source::{ScenarioLoader, SessionFiles};

use super::driver::Driver;
use super::{Invocation, bundled, open_output, picker_entries};
use crate::app::{Document, State};
use crate::number::Digits;
use crate::scenario::{self, Limits, Source};
use crate::session::Session;
use crate::step::{Address, Location, Unit};
use crate::terminal::{self, TerminalOptions};
use writers::{FORMATS, Recording, SessionWriter};

/// The size of the largest session file that is read, in bytes: enough for a scenario with its recorded files and a million keys.
const MAX_SESSION_BYTES: usize = 64 << 20;

/// Play a recorded session.
#[derive(Debug, Parser)]
pub(super) struct ReplayCommand {
    /// A file written by `gradstep SCENARIO --record FILE`
    session: PathBuf,
    /// The speed; 2 is twice the recorded speed
    #[arg(long, value_name = "X", default_value = "1", value_parser = parse_speed)]
    speed: f64,
    /// Start at event N (0: the beginning, last: the last event) and pause there; with --format, write only the frame of event N
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_event)]
    at: Option<usize>,
    /// Write the frames instead of playing them
    #[arg(long, value_parser = format::parser(FORMATS))]
    format: Option<&'static OutputFormat<SessionWriter>>,
    /// Write the frames to this file instead of stdout
    #[arg(short, long, value_name = "FILE", requires = "format")]
    output: Option<PathBuf>,
}

/// Parses a speed: `2`, `0.5`.
fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.001..=1000.0).contains(speed));
    speed.ok_or_else(|| "write a number from 0.001 to 1000, such as 2".to_owned())
}

/// The value for `--at last`. The number of events is not known until the session is read.
const LAST: usize = usize::MAX;

/// Parses the number of an event, or `last`.
fn parse_event(text: &str) -> Result<usize, String> {
    let number = if text == "last" { Some(LAST) } else { text.parse().ok() };
    number.ok_or_else(|| "write the number of an event, such as 12, or last".to_owned())
}

impl Invocation for ReplayCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let name = display_name(&self.session);
        let session = Session::read(&read_session(&self.session)?).map_err(|why| anyhow!("{name} {why}"))?;
        let events = session.events.len();
        if let Some(at) = self.at.filter(|at| *at != LAST && *at > events) {
            bail!("--at {at}: {name} has {}; write a number from 0 to {events}, or last", counted(events, "event"));
        }
        let driver = begin(&session, global.limits())?;
        let at = self.at.map(|at| at.min(events));
        let note = if let Some(format) = self.format {
            let mut to = open_output(self.output(), self.session.as_os_str(), &[])?;
            let note = (format.writer)(&Recording { session: &session, speed: self.speed, at }, driver, global, &mut to)?;
            to.finish()?;
            note
        } else {
            let player = Player::new(&session, driver, self.speed, global.for_stepper());
            terminal::run(&mut player.starting_at(at), &TerminalOptions { mouse: !global.no_mouse })?;
            None
        };
        if let Some(note) = note {
            global.report(&format!("note: {note}"))?;
        }
        if session.breaks_off() {
            let what = match (session.is_truncated, session.events.len()) {
                (true, _) => "its last line is incomplete and is left out".to_owned(),
                (false, 0) => "it has no events".to_owned(),
                (false, events) => format!("it has {}, and the last does not end the program", counted(events, "event")),
            };
            global.report(&format!("note: the recording {name} breaks off: {what}"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the file of a session.
fn read_session(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        bail!("a session is replayed from a file, not from the standard input");
    }
    read_file(path, MAX_SESSION_BYTES)
}

/// Returns a driver of the state in which the session begins.
///
/// # Errors
/// If the session's scenario is not valid, if the step at which the session begins or the address to which it goes does not exist or needs too much memory, or
/// if the session's gradients of `--mine` cannot be compared.
pub fn begin(session: &Session, limits: Limits) -> anyhow::Result<Driver> {
    let header = &session.header;
    let path_shown = format!("{} (in the session)", header.name);
    let source = Source { name: header.name.clone(), path_shown, text: header.scenario.clone() };
    let scenario = scenario::read_with_files(source, limits, Arc::new(SessionFiles(header.files.clone())))?;
    let has_list = !header.scenarios.is_empty();
    let entries = if has_list { picker_entries::named(&header.scenarios) } else { picker_entries::named(bundled::OF_OLD_RECORDINGS) };
    let mut state = State::picker(entries);
    state.settings.key_meanings = header.key_meanings();
    state.settings.count_from(header.index);
    state.settings.start_unit = header.unit.as_deref().and_then(Unit::named).unwrap_or(Unit::Step);
    state.settings.digits = header.digits.and_then(Digits::new).unwrap_or_default();
    let document = Arc::new(Document::new(scenario));
    let mine = header.mine.iter().next();
    let comparison = mine
        .map(|(typed, bytes)| {
            let (path, only_tensor) = file_and_tensor(typed);
            GradientsFile { path: path.to_owned(), bytes: bytes.clone(), only_tensor: only_tensor.map(str::to_owned) }
        })
        .map(|file| compare_while(&document, file, || /* is_wanted */ true))
        .transpose()?;
    // opens at step 1, which costs least; then `go_to` goes to the step at which the session begins
    state.open(document, Some(1));
    if header.at == 0 {
        bail!("the session begins at step 0, but steps count from 1");
    }
    let opening_step = Address { iteration: Some(header.iteration), location: Location::Step(header.at) };
    state.go_to(opening_step).map_err(|why| anyhow!("the session begins at a step that cannot be reached: {why}"))?;
    if let Some(goal) = &header.goal {
        let opened = goal.parse::<Address>().map_err(|why| why.to_string()).and_then(|goal| state.go_to(goal));
        opened.map_err(|why| anyhow!("the session goes to an address that cannot be reached: {why}"))?;
    }
    check_opening(&state)?;
    state.greet();
    if let Some(comparison) = comparison.flatten() {
        state.compare_gradients(Arc::new(comparison));
    }
    let mut driver = Driver::new(state, ScenarioLoader::bundled(limits));
    driver.set_screen_size(header.size);
    Ok(driver)
}

/// Returns an error if the state shows an error message: then the step at which the session begins was not reached.
fn check_opening(state: &State) -> anyhow::Result<()> {
    match &state.message {
        Some(message) if message.is_error => bail!("the session begins at a step that cannot be reached: {}", message.text),
        _ => Ok(()),
    }
}
