//! `gradstep replay`: plays a recorded session in the terminal, or prints its frames as text.

mod course;
mod player;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;
use ratatui::buffer::Buffer;

pub use player::Player;

use super::format::{self, OutputFormat, Sink};
use super::look::Global;
use super::read::{file, shown};
use super::source::{ScenarioLoader, SessionFiles};

use super::driver::{Done, Driver};
use super::{Invocation, offers, output_to};
use crate::app::{Document, State};
use crate::output;
use crate::scenario::{self, Limits, Source};
use crate::session::{Event, Session};
use crate::step::{Address, Place};
use crate::terminal::{self, Options};
use crate::ui::{RenderOptions, export};
use course::{Course, Next};

/// The size of the largest session that is read, in bytes: enough for a scenario with its files and a million keys.
const LARGEST: usize = 64 << 20;
/// The largest number of frames of play that are shown between two events.
const MOST: u64 = 999;
/// The largest number of columns and of rows of a frame.
const LONGEST: u16 = 1000;

/// Writes the frames of a session.
type SessionWriter = fn(&Session, Driver, &Global, &mut Sink) -> anyhow::Result<()>;

static FORMATS: &[OutputFormat<SessionWriter>] = &[OutputFormat { name: "text", help: "Each frame as plain text", writer: text }];

/// Play a recorded session.
#[derive(Debug, Parser)]
#[command(name = "replay")]
pub(super) struct ReplayCommand {
    /// The file that `gradstep SCENARIO --record FILE` has written
    session: PathBuf,
    /// The speed; 2 is twice as fast as it was recorded
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    speed: f64,
    /// Print the frames instead of playing them
    #[arg(long, value_parser = format::parser(FORMATS, &["cast", "svg"]))]
    format: Option<&'static OutputFormat<SessionWriter>>,
    /// Write the frames to this file instead of stdout
    #[arg(short, long, value_name = "FILE", requires = "format")]
    output: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.001..=1000.0).contains(speed));
    speed.ok_or_else(|| "write a number from 0.001 to 1000, such as 2".to_owned())
}

impl Invocation for ReplayCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let name = shown(&self.session);
        let session = Session::read(&read(&self.session)?).map_err(|why| anyhow!("{name} {why}"))?;
        let driver = begin(&session, global.limits())?;
        if session.torn {
            let mut to = output::stderr();
            writeln!(to, "{}", global.text(&format!("note: the last line of {name} is incomplete and is left out")))?;
            to.finish()?;
        }
        match self.format {
            Some(format) => {
                let mut to = output_to(self.output(), self.session.as_os_str(), &[])?;
                (format.writer)(&session, driver, global, &mut to)?;
                to.finish()?;
            }
            None => terminal::run(&mut Player::new(&session, driver, self.speed, global.look()), &Options { mouse: !global.no_mouse })?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes each frame as text, below a line with its number, its time and its event.
fn text(session: &Session, driver: Driver, global: &Global, to: &mut Sink) -> anyhow::Result<()> {
    frames(session, driver, &global.plain(), |frame| {
        let Frame { number, time, what, left_out, buffer } = frame;
        if left_out > 0 {
            let first = number - left_out;
            writeln!(to, "--- {first} to {}  left out: {left_out} frames of play; at most 1000 frames are shown per event", number - 1)?;
        }
        write!(to, "{}", global.text(&format!("--- {number}  {:.3}s  {what}\n", time.as_secs_f64())))?;
        Ok(to.text(&export::text(&buffer))?)
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        bail!("a session is replayed from a file, not from the standard input");
    }
    file(path, LARGEST)
}

/// Returns a driver of the state in which the session begins.
///
/// # Errors
/// The faults of the session's scenario, or the address if the scenario does not have it.
pub fn begin(session: &Session, limits: Limits) -> anyhow::Result<Driver> {
    let header = &session.header;
    let path_shown = format!("{} (in the session)", header.name);
    let source = Source { name: header.name.clone(), path_shown, text: header.scenario.clone() };
    let scenario = scenario::read_beside(source, limits, Arc::new(SessionFiles(header.files.clone())))?;
    let mut state = State::picker(offers::bundled());
    state.settings.dialect = header.dialect();
    state.open(Arc::new(Document::new(scenario)), Some(1));
    if header.at == 0 {
        bail!("the session begins at step 0, but steps count from 1");
    }
    let opens = Address { iteration: Some(header.iteration), place: Place::Step(header.at) };
    state.go_to(opens).map_err(|why| anyhow!("the session begins at a step that its scenario does not have: {why}"))?;
    if let Some(to) = &header.to {
        let to = to.parse::<Address>().map_err(|why| why.to_string()).and_then(|to| state.go_to(to));
        to.map_err(|why| anyhow!("the session goes to an address that its scenario does not have: {why}"))?;
    }
    check_arrival(&state)?;
    let mut driver = Driver::new(state, ScenarioLoader::bundled(limits));
    driver.seen_on(header.size);
    Ok(driver)
}

/// Fails if the state could not be computed up to the session's beginning.
fn check_arrival(state: &State) -> anyhow::Result<()> {
    match &state.message {
        Some(message) if message.is_error => bail!("the session begins at a step that its scenario does not have: {}", message.text),
        _ => Ok(()),
    }
}

/// A frame of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its number; the opening frame is 0.
    pub number: u64,
    /// The time since the start of the session.
    pub time: Duration,
    /// The event that led to it: `open`, a key, `play`, a new size.
    pub what: String,
    /// The number of frames of play that were left out before it.
    pub left_out: u64,
    /// The screen.
    pub buffer: Buffer,
}

/// Calls `give` with each frame of a session, in order.
///
/// # Errors
/// Those of `give`.
pub fn frames(
    session: &Session,
    mut driver: Driver,
    look: &RenderOptions,
    mut give: impl FnMut(Frame) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut course = Course::new(session);
    let mut size = session.header.size;
    let mut number = 0;
    let mut show = |driver: &Driver, size: (u16, u16), time: Duration, what: String, left_out: u64| {
        let buffer = driver.frame(look, (size.0.min(LONGEST), size.1.min(LONGEST)));
        number += left_out + 1;
        give(Frame { number: number - 1, time, what, left_out, buffer }).context("cannot write the frames")
    };
    driver.finish(course.opening())?;
    check_arrival(&driver.state)?;
    show(&driver, size, Duration::ZERO, "open".to_owned(), 0)?;
    // the number of units of play since the last event, and the time of the last one that is not shown
    let (mut played, mut hidden) = (0, None);
    while let Some((time, next)) = course.next(&driver) {
        if let (Next::Event(_), Some(last)) = (next, hidden.take()) {
            show(&driver, size, last, "play".to_owned(), played - MOST)?;
        }
        let (done, left) = course.go_on(&mut driver);
        if done == Done::Quit {
            return Ok(());
        }
        driver.finish(left)?;
        let Next::Event(event) = next else {
            played += 1;
            if played < MOST {
                show(&driver, size, time, "play".to_owned(), 0)?;
            } else {
                hidden = Some(time);
            }
            continue;
        };
        played = 0;
        let Some(event) = course.event(event) else { continue };
        if let Event::Resize(columns, rows) = event {
            size = (*columns, *rows);
        }
        show(&driver, size, time, event.to_string(), 0)?;
    }
    Ok(())
}
