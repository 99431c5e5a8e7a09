//! Floor 9: recorded sessions of the stepper, and their file format. `gradstep --record FILE` writes a session, and `gradstep replay FILE` shows it again.
//!
//! A session file consists of lines of JSON. The first line is a header with the whole text of the scenario. Each further line is an event: its time in
//! milliseconds since the start, its kind, and its value. A line is written when its event happens.
//!
//! ```text
//! {"gradstep_session":2,"program":"0.1.0","size":[120,40],"name":"figure-14","scenario":"title = …","exact":true,"iteration":1,"at":1}
//! [1250,"key","<Right>"]
//! [1700,"click","grad.u"]
//! [1900,"wheel",3]
//! [1950,"play"]
//! [2000,"pieces",500]
//! [2100,"resize",[80,24]]
//! [4000,"quit"]
//! ```
//!
//! The header also contains the files that the scenario reads, in base64: `"files":{"weights.npz":"UEsDB…"}`. So a session replays on any machine, even if its
//! scenario has changed or is gone.
//!
//! The stepper can *play*: it moves by one unit, such as a step or an entry, again and again. A long computation is done in time slices, and each slice
//! consists of *pieces*. An `exact` session has a `play` event for each move of play, and for each slice a `pieces` event with the number of pieces. Older
//! sessions have no `play` events, and a replay computes the times of these moves. Their `work` events count computed iterations.
//!
//! A session file cannot make a replay run for an unlimited time. A gap between two events counts as at most 60 s, and an event can ask only for the work that
//! can be done until the next event (`command/replay/cursor.rs`). An incomplete last line is dropped.

mod event_line;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::app::{KeyMeanings, Visit};
use crate::keys::{Code, Key};
use crate::number::Digits;
use crate::step::{Address, Unit};

/// The version of the file format that this program writes. The program also reads version 1, in which some keys have other meanings ([`KeyMeanings`]).
pub const FORMAT: u64 = 2;

/// The longest time between two events in a replay. Longer gaps are shortened to it.
const MAX_GAP: Duration = Duration::from_secs(60);

/// The largest number of lines in the error about a damaged session.
const MAX_FAULTS: usize = 10;

/// The first line of a session: the scenario and the state before the first event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the file format.
    #[serde(rename = "gradstep_session")]
    pub format: u64,
    /// The version of the program that recorded the session.
    pub program: String,
    /// The size of the screen at the start: its columns and rows.
    pub size: (u16, u16),
    /// The name of the scenario.
    pub name: String,
    /// The whole text of the scenario.
    pub scenario: String,
    /// The bytes of each file that the scenario reads, by the path in the scenario.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "base64_files")]
    pub files: BTreeMap<String, Vec<u8>>,
    /// The bytes of the user's gradient file, by its path as it is typed after `:mine`; empty if there is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "base64_files")]
    pub mine: BTreeMap<String, Vec<u8>>,
    /// `true` if each move of play and each slice of work is recorded as an event.
    #[serde(default)]
    pub exact: bool,
    /// The iteration at which the stepper opened.
    #[serde(default = "first_iteration")]
    pub iteration: u64,
    /// The step at which the stepper opened.
    pub at: u64,
    /// The first index of subscripts, headings and channels at the start: 1 or 0.
    #[serde(default = "default_index", skip_serializing_if = "is_default_index")]
    pub index: usize,
    /// The name of the unit with which a scenario opens; `None` for a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The number of significant digits of numbers; `None` for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<usize>,
    /// The names of the scenarios in the picker, in its order. Versions without this key listed them in alphabetical order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<String>,
    /// The address of `--at` or the scenario's start, if a job was still on its way there when the recording began; otherwise `None`.
    #[serde(rename = "to", default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
}

/// The iteration in a session without the key `iteration`.
fn first_iteration() -> u64 {
    1
}

/// The first index in a session without the key `index`.
fn default_index() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde's `skip_serializing_if` needs")]
fn is_default_index(index: &usize) -> bool {
    *index == default_index()
}

impl Header {
    /// Returns the header of a session that this program records. `at` is the iteration and the step at which the stepper opens.
    #[must_use]
    pub fn new(name: String, scenario: String, at: Visit, size: (u16, u16)) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            format: FORMAT,
            program,
            size,
            name,
            scenario,
            files: BTreeMap::new(),
            mine: BTreeMap::new(),
            exact: true,
            iteration: at.iteration,
            at: at.step,
            index: default_index(),
            unit: None,
            digits: None,
            scenarios: Vec::new(),
            goal: None,
        }
    }

    /// Returns the meanings of the keys in this version of the file format.
    #[must_use]
    pub fn key_meanings(&self) -> KeyMeanings {
        if self.format < 2 { KeyMeanings::ToFirstSteps } else { KeyMeanings::ToLastSteps }
    }

    /// Sets the address that a job has not reached yet.
    #[must_use]
    pub fn with_goal(self, goal: Option<Address>) -> Self {
        Self { goal: goal.map(|goal| goal.to_string()), ..self }
    }

    /// Sets the first index of subscripts, headings and channels at the start.
    #[must_use]
    pub fn with_index(self, index: usize) -> Self {
        Self { index, ..self }
    }

    /// Sets the unit with which a scenario opens.
    #[must_use]
    pub fn with_unit(self, unit: Unit) -> Self {
        Self { unit: (unit != Unit::Step).then(|| unit.name().to_owned()), ..self }
    }

    /// Sets the number of significant digits.
    #[must_use]
    pub fn with_digits(self, digits: Digits) -> Self {
        Self { digits: (digits != Digits::default()).then_some(digits.count()), ..self }
    }

    /// Sets the names of the scenarios in the picker.
    #[must_use]
    pub fn with_scenarios(self, scenarios: Vec<String>) -> Self {
        Self { scenarios, ..self }
    }

    /// Sets the user's gradient file.
    #[must_use]
    pub fn with_mine(self, mine: BTreeMap<String, Vec<u8>>) -> Self {
        Self { mine, ..self }
    }

    /// Sets the files that the scenario reads.
    #[must_use]
    pub fn with_files(self, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files, ..self }
    }
}

/// Serializes the bytes of files as base64.
mod base64_files {
    use std::collections::BTreeMap;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Deserialize, Deserializer, Error as _};
    use serde::ser::Serializer;

    pub fn serialize<S: Serializer>(files: &BTreeMap<String, Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(files.iter().map(|(path, bytes)| (path, STANDARD.encode(bytes))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        let encoded = BTreeMap::<String, String>::deserialize(deserializer)?;
        let decoded = encoded.into_iter().map(|(path, text)| Ok((path, STANDARD.decode(text)?)));
        decoded.collect::<Result<_, base64::DecodeError>>().map_err(D::Error::custom)
    }
}

/// An event of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// A click on a step or on an entry of a tensor, recorded as the address of the step or entry.
    Click(Address),
    /// A click on a row (from 0) of the part of the screen with the focus: a row of a list, a block of the map, an iteration of the curve, a scenario of the
    /// picker, or a text above the prompt.
    Row(u64),
    /// A click on a cell at which there is nothing to click.
    Miss,
    /// The mouse wheel scrolled by this number of lines; positive is down.
    Wheel(i16),
    /// The mouse wheel was turned with Shift, by this number of columns; positive is to the right.
    WheelSideways(i16),
    /// The screen has a new size: columns and rows.
    Resize(u16, u16),
    /// This number of iterations was computed. Only sessions that are not exact have this event.
    Work(u64),
    /// This number of pieces of the long computation was done.
    Pieces(u64),
    /// Play moved the stepper by one unit.
    Play,
    /// The user quit the stepper.
    Quit,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Click(at) => write!(f, "click {at}"),
            Self::Row(row) => write!(f, "row {row}"),
            Self::Miss => f.write_str("miss"),
            Self::WheelSideways(columns) => write!(f, "wheel sideways {columns}"),
            Self::Wheel(lines) => write!(f, "wheel {lines}"),
            Self::Resize(columns, rows) => write!(f, "resize {columns}x{rows}"),
            Self::Work(iterations) => write!(f, "work {iterations}"),
            Self::Pieces(pieces) => write!(f, "work {pieces}"),
            Self::Play => f.write_str("play"),
            Self::Quit => f.write_str("quit"),
        }
    }
}

/// Rounds a time down to milliseconds, as in a session file. The stepper uses rounded times too, so that a replay has the same clock.
#[must_use]
pub fn as_recorded(time: Duration) -> Duration {
    Duration::from_millis(milliseconds(time).into())
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// A writer of a session file. It writes each event at once.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    output: W,
}

impl<W: Write> Recorder<W> {
    /// Begins a session file with its header.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn new(mut output: W, header: &Header) -> io::Result<Self> {
        let mut line = serde_json::to_vec(header)?;
        line.push(b'\n');
        output.write_all(&line)?;
        output.flush()?;
        Ok(Self { output })
    }

    /// Writes an event and flushes the output.
    ///
    /// # Errors
    /// If the event cannot be written.
    pub fn add(&mut self, time: Duration, event: &Event) -> io::Result<()> {
        let time = milliseconds(time);
        let mut line = match event {
            Event::Key(key) => serde_json::to_vec(&(time, "key", key.to_string()))?,
            Event::Row(row) => serde_json::to_vec(&(time, "row", row))?,
            Event::WheelSideways(columns) => serde_json::to_vec(&(time, "wheel sideways", columns))?,
            Event::Click(at) => serde_json::to_vec(&(time, "click", at.to_string()))?,
            Event::Wheel(lines) => serde_json::to_vec(&(time, "wheel", lines))?,
            Event::Resize(columns, rows) => serde_json::to_vec(&(time, "resize", (columns, rows)))?,
            Event::Work(iterations) => serde_json::to_vec(&(time, "work", iterations))?,
            Event::Pieces(pieces) => serde_json::to_vec(&(time, "pieces", pieces))?,
            Event::Miss => serde_json::to_vec(&(time, "miss"))?,
            Event::Play => serde_json::to_vec(&(time, "play"))?,
            Event::Quit => serde_json::to_vec(&(time, "quit"))?,
        };
        line.push(b'\n');
        self.output.write_all(&line)?;
        self.output.flush()
    }
}

/// A recorded session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The first line.
    pub header: Header,
    /// The events in order, each with its time since the start. Gaps of more than 60 s are shortened to 60 s.
    pub events: Vec<(Duration, Event)>,
    /// `true` if the last line was incomplete and was dropped.
    pub is_truncated: bool,
}

/// The reason why a file cannot be replayed. It continues a sentence that begins with the name of the file: "is empty: …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionError(String);

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SessionError {}

/// The version in a header. It is read before the other keys, because their meaning depends on it.
#[derive(Deserialize)]
struct Version {
    gradstep_session: u64,
}

impl Session {
    /// Returns whether the recording is incomplete: its last event does not end the program.
    #[must_use]
    pub fn breaks_off(&self) -> bool {
        let ends = |event: &Event| match event {
            Event::Quit => true,
            // a session that is not exact may end with the key that quits instead
            Event::Key(key) => !self.header.exact && matches!((key.code, key.ctrl), (Code::Char('q'), false) | (Code::Char('c'), true)),
            _ => false,
        };
        self.is_truncated || !self.events.last().is_some_and(|(_, event)| ends(event))
    }

    /// Reads a session from the bytes of its file.
    ///
    /// # Errors
    /// If the bytes are not a session, if the header is incomplete, if the format is newer, or if lines are not events. The error names up to ten such lines.
    pub fn read(bytes: &[u8]) -> Result<Self, SessionError> {
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        let header = parse_header(lines.next().unwrap_or_default())?;
        let mut session = Self { header, events: Vec::new(), is_truncated: false };
        // the time of the last event: as in the file, and with shortened gaps
        let (mut file_time, mut replay_time) = (Duration::ZERO, Duration::ZERO);
        let mut faults = Vec::new();
        // the first event is in line 2
        for (number, line) in (2..).zip(lines) {
            let read = event_line::parse(line).and_then(|(time, event)| {
                let is_in_order = time >= file_time;
                is_in_order
                    .then_some((time, event))
                    // the time is in column 2, after `[`
                    .ok_or_else(|| (2, format!("the time is before the {} ms of an event above it", file_time.as_millis())))
            });
            match read {
                Ok((time, event)) => {
                    replay_time += time.saturating_sub(file_time).min(MAX_GAP);
                    session.events.push((replay_time, event));
                    file_time = time;
                }
                Err((column, why)) if line.ends_with(b"\n") => faults.push(format!("line {number}, column {column}: {why}")),
                // only the last line can lack a newline; it is incomplete
                Err(_) => session.is_truncated = true,
            }
        }
        match faults.as_slice() {
            [] => Ok(session),
            [fault] => Err(SessionError(format!("is damaged: {fault}"))),
            _ => {
                let more = faults.len().saturating_sub(MAX_FAULTS);
                let ending = if more > 0 { format!("\n  and {more} more") } else { String::new() };
                let shown = faults[..faults.len().min(MAX_FAULTS)].join("\n  ");
                Err(SessionError(format!("is damaged: {} of its lines are not events\n  {shown}{ending}", faults.len())))
            }
        }
    }
}

/// Parses the first line of a session file.
fn parse_header(line: &[u8]) -> Result<Header, SessionError> {
    const HEADER_START: &[u8] = b"{\"gradstep_session\":";
    let error = |text: String| Err(SessionError(text));
    match serde_json::from_slice::<Version>(line) {
        Ok(Version { gradstep_session: 1..=FORMAT }) => {
            serde_json::from_slice(line).or_else(|why| error(format!("has a header that cannot be read: {why}")))
        }
        Ok(Version { gradstep_session: format }) if format > FORMAT => {
            error(format!("is a session of format {format}, and this program reads only formats up to {FORMAT}; use a newer version of it"))
        }
        Ok(_) => error(format!("is a session of an unknown format; this program reads formats 1 to {FORMAT}")),
        Err(_) if line.is_empty() => error("is empty: there is nothing to replay".to_owned()),
        Err(_) if !line.ends_with(b"\n") && (line.starts_with(HEADER_START) || HEADER_START.starts_with(line)) => {
            error("has an incomplete header: there is nothing to replay".to_owned())
        }
        Err(_) => error("is not a session; `gradstep SCENARIO --record FILE` records one".to_owned()),
    }
}
