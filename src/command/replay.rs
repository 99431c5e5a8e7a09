//! `gradstep replay`: plays a recorded session in the terminal, or prints its frames as text.
//!
//! `ReplayCursor` decides what happens next. [`Player`] shows it in the terminal, [`frames`] without a terminal.

mod cursor;
mod player;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;
use ratatui::buffer::Buffer;

pub use player::Player;

use super::format::{self, CommandOutput, OutputFormat};
use super::options::GlobalOptions;
use super::read::{display_name, read_file};
use super::source::{ScenarioLoader, SessionFiles};

use super::driver::{Driver, Effect};
use super::{Invocation, bundled, open_output, picker_entries};
use crate::app::{Document, State};
use crate::number::Digits;
use crate::output;
use crate::scenario::{self, Limits, Source};
use crate::session::{Event, Session};
use crate::step::{Address, Place, Unit};
use crate::terminal::{self, TerminalOptions};
use crate::ui::{RenderOptions, export};
use cursor::{ReplayCursor, ReplayItem};

/// The size of the largest session file that is read, in bytes: enough for a scenario with its files and a million keys.
const MAX_SESSION_BYTES: usize = 64 << 20;
/// The largest number of play moves whose frames are printed between two events: the first 998 and the last.
const MAX_PLAY_FRAMES: u64 = 999;
/// The largest number of columns and of rows of a printed frame.
const MAX_SIDE: u16 = 1000;

/// A function that writes the frames of a session in one format.
type SessionWriter = fn(&Session, Driver, &GlobalOptions, &mut CommandOutput) -> anyhow::Result<()>;

static FORMATS: &[OutputFormat<SessionWriter>] = &[OutputFormat { name: "text", help: "Each frame as plain text", writer: write_text }];

/// Play a recorded session.
#[derive(Debug, Parser)]
#[command(name = "replay")]
pub(super) struct ReplayCommand {
    /// A file written by `gradstep SCENARIO --record FILE`
    session: PathBuf,
    /// The speed; 2 is twice the recorded speed
    #[arg(long, value_name = "X", default_value = "1", value_parser = parse_speed)]
    speed: f64,
    /// Print the frames instead of playing them
    #[arg(long, value_parser = format::parser(FORMATS, /* planned */ &["cast", "svg"]))]
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

impl Invocation for ReplayCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let name = display_name(&self.session);
        let session = Session::read(&read_session(&self.session)?).map_err(|why| anyhow!("{name} {why}"))?;
        let driver = begin(&session, global.limits())?;
        match self.format {
            Some(format) => {
                let mut to = open_output(self.output(), self.session.as_os_str(), &[])?;
                (format.writer)(&session, driver, global, &mut to)?;
                to.finish()?;
            }
            None => terminal::run(
                &mut Player::new(&session, driver, self.speed, global.for_stepper()),
                &TerminalOptions { mouse: !global.no_mouse },
            )?,
        }
        if session.breaks_off() {
            let what = match (session.is_truncated, session.events.len()) {
                (true, _) => "its last line is incomplete and is left out".to_owned(),
                (false, 0) => "it has no events".to_owned(),
                (false, events) => {
                    format!("it has {events} {}, and the last does not end the program", if events == 1 { "event" } else { "events" })
                }
            };
            let mut to = output::stderr();
            writeln!(to, "{}", global.in_charset(&format!("note: the recording {name} breaks off: {what}")))?;
            to.finish()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes each frame as text. A line above the frame has its number, its time and its event.
fn write_text(session: &Session, driver: Driver, global: &GlobalOptions, to: &mut CommandOutput) -> anyhow::Result<()> {
    frames(session, driver, &global.for_plain_text(), |frame| {
        let Frame { number, time, event, left_out, buffer } = frame;
        if left_out > 0 {
            let first = number - left_out;
            writeln!(to, "--- {first} to {}  left out: {left_out} frames of play; at most 1000 frames are shown per event", number - 1)?;
        }
        write!(to, "{}", global.in_charset(&format!("--- {number}  {:.3}s  {event}\n", time.as_secs_f64())))?;
        Ok(to.text(&export::text(&buffer))?)
    })
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
/// If the session's scenario is not valid, or if it does not have the step at which the session begins.
pub fn begin(session: &Session, limits: Limits) -> anyhow::Result<Driver> {
    let header = &session.header;
    let path_shown = format!("{} (in the session)", header.name);
    let source = Source { name: header.name.clone(), path_shown, text: header.scenario.clone() };
    let scenario = scenario::read_with_files(source, limits, Arc::new(SessionFiles(header.files.clone())))?;
    let alphabetical: Vec<_> = bundled::ALL.iter().map(|bundled| bundled.name).collect();
    let is_named = !header.scenarios.is_empty();
    let mut state = State::picker(if is_named { picker_entries::named(&header.scenarios) } else { picker_entries::named(&alphabetical) });
    state.settings.dialect = header.dialect();
    state.settings.count_from(header.index);
    state.settings.start_unit = header.unit.as_deref().and_then(Unit::named).unwrap_or(Unit::Step);
    state.settings.digits = header.digits.and_then(Digits::new).unwrap_or_default();
    // opens at step 1, the cheapest; `go_to` then goes to the step at which the session begins
    state.open(Arc::new(Document::new(scenario)), Some(1));
    if header.at == 0 {
        bail!("the session begins at step 0, but steps count from 1");
    }
    let opening_step = Address { iteration: Some(header.iteration), place: Place::Step(header.at) };
    state.go_to(opening_step).map_err(|why| anyhow!("the session begins at a step that its scenario does not have: {why}"))?;
    if let Some(goal) = &header.goal {
        let found = goal.parse::<Address>().map_err(|why| why.to_string()).and_then(|goal| state.open_at(&goal));
        found.map_err(|why| anyhow!("the session goes to an address that its scenario does not have: {why}"))?;
    }
    check_opening(&state)?;
    state.greet();
    let mut driver = Driver::new(state, ScenarioLoader::bundled(limits));
    driver.set_screen_size(header.size);
    Ok(driver)
}

/// Fails if the state reports that its scenario does not have the step at which the session begins.
fn check_opening(state: &State) -> anyhow::Result<()> {
    match &state.message {
        Some(message) if message.is_error => bail!("the session begins at a step that its scenario does not have: {}", message.text),
        _ => Ok(()),
    }
}

/// A frame of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The number of the frame, from 0.
    pub number: u64,
    /// The time since the start of the session.
    pub time: Duration,
    /// The event that led to the frame: `open`, a key, `play`, a new size.
    pub event: String,
    /// The number of frames of play that were left out before this frame.
    pub left_out: u64,
    /// The screen.
    pub buffer: Buffer,
}

/// Calls `emit` with each frame of a session, in order.
///
/// # Errors
/// Those of `emit`.
pub fn frames(
    session: &Session,
    mut driver: Driver,
    options: &RenderOptions,
    mut emit: impl FnMut(Frame) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut cursor = ReplayCursor::new(session);
    let mut size = session.header.size;
    let mut number = 0;
    let mut show = |driver: &Driver, size: (u16, u16), time: Duration, event: String, left_out: u64| {
        let buffer = driver.frame(options, (size.0.min(MAX_SIDE), size.1.min(MAX_SIDE)));
        number += left_out + 1;
        emit(Frame { number: number - 1, time, event, left_out, buffer }).context("cannot write the frames")
    };
    driver.finish_within(cursor.opening_work())?;
    check_opening(&driver.state)?;
    let none_left_out = 0;
    show(&driver, size, Duration::ZERO, "open".to_owned(), none_left_out)?;
    // the number of play moves since the last event
    let mut played = 0;
    // the time of the last play move, if its frame is not printed yet
    let mut hidden = None;
    while let Some((time, next)) = cursor.next(&driver) {
        if let (ReplayItem::Event(_), Some(last)) = (next, hidden.take()) {
            show(&driver, size, last, "play".to_owned(), played - MAX_PLAY_FRAMES)?;
        }
        let (effect, work) = cursor.apply_next(&mut driver);
        if effect == Effect::Quit {
            return Ok(());
        }
        driver.finish_within(work)?;
        let ReplayItem::Event(event) = next else {
            played += 1;
            if played < MAX_PLAY_FRAMES {
                show(&driver, size, time, "play".to_owned(), none_left_out)?;
            } else {
                hidden = Some(time);
            }
            continue;
        };
        played = 0;
        let Some(event) = cursor.event(event) else { continue };
        if let Event::Resize(columns, rows) = event {
            size = (*columns, *rows);
        }
        show(&driver, size, time, event.to_string(), none_left_out)?;
    }
    Ok(())
}
