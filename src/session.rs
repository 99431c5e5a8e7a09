//! Floor 9: recorded sessions. A session is a text file of JSON lines: a header with the whole text of the scenario, then one line per event, appended as
//! the event happens.
//!
//! ```text
//! {"gradstep_session":2,"program":"0.1.0","size":[120,40],"name":"figure-14","scenario":"title = …","at":1}
//! [1250,"key","<Right>"]
//! [1700,"click","grad.u"]
//! [1900,"wheel",3]
//! [1950,"play"]
//! [2000,"pieces",500]
//! [2100,"resize",[80,24]]
//! [4000,"quit"]
//! ```
//!
//! The files that the scenario reads are in the header, in base64: `"files":{"weights.npz":"UEsDB…"}`. So a session replays on any machine, even if its
//! scenario has changed or is gone.
//!
//! An `exact` session has an event for each unit of play and each slice of work. In other sessions play follows from the times, and `work` counts
//! iterations. A session file cannot ask for unlimited time or work: a gap between two events counts as at most 60 s, and the work of an event is limited
//! to what can be done until the next one (`command/replay/course.rs`).
//!
//! Times are milliseconds since the start. An incomplete line at the end of the file is dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::app::{Dialect, Visit};
use crate::keys::{self, Key};
use crate::step::Address;

/// The version of the file format that this program writes. It also reads version 1, in which some keys have another meaning ([`Dialect`]).
pub const FORMAT: u64 = 2;

/// The longest time between two events in a replay.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// The first line of a session: the scenario and the state before the first event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the file format.
    #[serde(rename = "gradstep_session")]
    pub format: u64,
    /// The version of the program that recorded it.
    pub program: String,
    /// Columns and rows of the screen.
    pub size: (u16, u16),
    /// The scenario's name.
    pub name: String,
    /// The whole text of the scenario.
    pub scenario: String,
    /// The bytes of the files that the scenario reads, by their paths in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "packed")]
    pub files: BTreeMap<String, Vec<u8>>,
    /// Whether each unit of play and each slice of work is recorded as an event.
    #[serde(default)]
    pub exact: bool,
    /// The iteration at which the stepper opened.
    #[serde(default = "first")]
    pub iteration: u64,
    /// The step at which it opened.
    pub at: u64,
    /// The address of `--at` or of the scenario's start, if it was still being computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

fn first() -> u64 {
    1
}

impl Header {
    /// The header of a session that this program records.
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
            exact: true,
            iteration: at.iteration,
            at: at.step,
            to: None,
        }
    }

    /// Returns the meaning of the session's keys.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        if self.format < 2 { Dialect::One } else { Dialect::Two }
    }

    /// Sets the address that is still being computed.
    #[must_use]
    pub fn on_the_way(self, to: Option<Address>) -> Self {
        Self { to: to.map(|to| to.to_string()), ..self }
    }

    /// Sets the files that the scenario reads.
    #[must_use]
    pub fn with_files(self, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files, ..self }
    }
}

/// Serialization of bytes as base64.
mod packed {
    use std::collections::BTreeMap;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Deserialize, Deserializer, Error as _};
    use serde::ser::Serializer;

    pub fn serialize<S: Serializer>(files: &BTreeMap<String, Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(files.iter().map(|(path, bytes)| (path, STANDARD.encode(bytes))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        let packed = BTreeMap::<String, String>::deserialize(deserializer)?;
        let unpacked = packed.into_iter().map(|(path, text)| Ok((path, STANDARD.decode(text)?)));
        unpacked.collect::<Result<_, base64::DecodeError>>().map_err(D::Error::custom)
    }
}

/// What happens in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key.
    Key(Key),
    /// A click on a step or on an entry of a tensor. It is recorded by its address, not by its place on the screen.
    Click(Address),
    /// A turn of the wheel, in lines; positive is down.
    Wheel(i16),
    /// The new columns and rows of the screen.
    Resize(u16, u16),
    /// The number of iterations that were computed of the job under way.
    Work(u64),
    /// The number of pieces of work that were done of the job under way.
    Pieces(u64),
    /// A unit of play was due.
    Play,
    /// The session was left.
    Quit,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Click(at) => write!(f, "click {at}"),
            Self::Wheel(lines) => write!(f, "wheel {lines}"),
            Self::Resize(columns, rows) => write!(f, "resize {columns}x{rows}"),
            Self::Work(iterations) => write!(f, "work {iterations}"),
            Self::Pieces(pieces) => write!(f, "work {pieces}"),
            Self::Play => f.write_str("play"),
            Self::Quit => f.write_str("quit"),
        }
    }
}

/// Rounds a time down to whole milliseconds, as it is recorded. The stepper uses the rounded time itself, so that a replay sees the same clock.
#[must_use]
pub fn recorded(time: Duration) -> Duration {
    Duration::from_millis(milliseconds(time).into())
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// A writer of a session. It writes each event at once.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    to: W,
}

impl<W: Write> Recorder<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(mut to: W, header: &Header) -> io::Result<Self> {
        let mut line = serde_json::to_vec(header)?;
        line.push(b'\n');
        to.write_all(&line)?;
        to.flush()?;
        Ok(Self { to })
    }

    /// Writes an event and flushes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, time: Duration, event: &Event) -> io::Result<()> {
        let time = milliseconds(time);
        let mut line = match event {
            Event::Key(key) => serde_json::to_vec(&(time, "key", key.to_string()))?,
            Event::Click(at) => serde_json::to_vec(&(time, "click", at.to_string()))?,
            Event::Wheel(lines) => serde_json::to_vec(&(time, "wheel", lines))?,
            Event::Resize(columns, rows) => serde_json::to_vec(&(time, "resize", (columns, rows)))?,
            Event::Work(iterations) => serde_json::to_vec(&(time, "work", iterations))?,
            Event::Pieces(pieces) => serde_json::to_vec(&(time, "pieces", pieces))?,
            Event::Play => serde_json::to_vec(&(time, "play"))?,
            Event::Quit => serde_json::to_vec(&(time, "quit"))?,
        };
        line.push(b'\n');
        self.to.write_all(&line)?;
        self.to.flush()
    }
}

/// A recorded session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The header.
    pub header: Header,
    /// The events in order, each with its time since the start. Gaps of more than 60 s are shortened to 60 s.
    pub events: Vec<(Duration, Event)>,
    /// Whether the last line was incomplete and was dropped.
    pub torn: bool,
}

/// The reason why a file is not a session. The text continues a sentence that begins with the name of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionError(String);

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SessionError {}

#[derive(Deserialize)]
struct Version {
    gradstep_session: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EventLine {
    Text(u32, String, String),
    Number(u32, String, i64),
    Resize(u32, String, (u16, u16)),
    Bare(u32, String),
}

impl Session {
    /// Reads a session from the bytes of its file.
    ///
    /// # Errors
    /// If the bytes are not a session, if the header is incomplete, if the format is newer, or if a line is not an event.
    pub fn read(bytes: &[u8]) -> Result<Self, SessionError> {
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        let header = header(lines.next().unwrap_or_default())?;
        let mut session = Self { header, events: Vec::new(), torn: false };
        let (mut last, mut now) = (Duration::ZERO, Duration::ZERO);
        for (number, line) in lines.enumerate() {
            match event(line) {
                Some((time, event)) if time >= last => {
                    now += time.saturating_sub(last).min(LONGEST_GAP);
                    session.events.push((now, event));
                    last = time;
                }
                _ if line.ends_with(b"\n") => return Err(SessionError(format!("is damaged: its line {} is not an event", number + 2))),
                _ => session.torn = true,
            }
        }
        Ok(session)
    }
}

fn header(line: &[u8]) -> Result<Header, SessionError> {
    const BEGINS: &[u8] = b"{\"gradstep_session\":";
    let no = |text: String| Err(SessionError(text));
    match serde_json::from_slice::<Version>(line) {
        Ok(Version { gradstep_session: 1..=FORMAT }) => {
            serde_json::from_slice(line).or_else(|why| no(format!("has a header that cannot be read: {why}")))
        }
        Ok(Version { gradstep_session: format }) if format > FORMAT => {
            no(format!("is a session of format {format}, and this program reads only formats up to {FORMAT}; use a newer version of it"))
        }
        Ok(_) => no(format!("is a session of an unknown format; this program reads formats 1 to {FORMAT}")),
        Err(_) if line.is_empty() => no("is empty: there is nothing to replay".to_owned()),
        Err(_) if !line.ends_with(b"\n") && (line.starts_with(BEGINS) || BEGINS.starts_with(line)) => {
            no("has an incomplete header: there is nothing to replay".to_owned())
        }
        Err(_) => no("is not a session; `gradstep SCENARIO --record FILE` records one".to_owned()),
    }
}

fn event(line: &[u8]) -> Option<(Duration, Event)> {
    let (time, event) = match serde_json::from_slice(line).ok()? {
        EventLine::Text(time, what, key) if what == "key" => match keys::parse(&key).ok()?.as_slice() {
            [key] => (time, Event::Key(*key)),
            _ => return None,
        },
        EventLine::Text(time, what, at) if what == "click" => (time, Event::Click(at.parse().ok()?)),
        EventLine::Number(time, what, lines) if what == "wheel" => (time, Event::Wheel(lines.try_into().ok()?)),
        EventLine::Number(time, what, iterations) if what == "work" => (time, Event::Work(iterations.try_into().ok()?)),
        EventLine::Number(time, what, pieces) if what == "pieces" => (time, Event::Pieces(pieces.try_into().ok()?)),
        EventLine::Bare(time, what) if what == "play" => (time, Event::Play),
        EventLine::Resize(time, what, (columns, rows)) if what == "resize" => (time, Event::Resize(columns, rows)),
        EventLine::Bare(time, what) if what == "quit" => (time, Event::Quit),
        _ => return None,
    };
    Some((Duration::from_millis(time.into()), event))
}
