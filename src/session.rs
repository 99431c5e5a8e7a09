//! Floor 9: recorded sessions. A session is a text file of JSON lines: a header with the scenario's whole text, then one line per event,
//! appended as it happens.
//!
//! ```text
//! {"gradstep_session":1,"program":"0.1.0","size":[120,40],"name":"figure-14","scenario":"title = …","at":1}
//! [1250,"key","<Right>"]
//! [1700,"click","grad.u"]
//! [1900,"wheel",3]
//! [1950,"play"]
//! [2000,"pieces",500]
//! [2100,"resize",[80,24]]
//! [4000,"quit"]
//! ```
//!
//! A scenario that reads weights from files brings them along: `"files":{"weights.npz":"UEsDB…"}` in the header, in base64. So a session replays
//! anywhere, whatever has become of its scenario.
//!
//! An `exact` session has an event for each unit of play and each slice of work. In others play follows from the times, and `work` counts iterations.
//! What a session asks for is bounded: a gap between two events counts at most 60 s, and work at most until the next event (`command/replay/course.rs`).
//!
//! Times are milliseconds since the start. A line that was cut off at the end of the file is dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keys::{self, Key};
use crate::step::Address;

/// The newest format that this program reads, and the one that it writes.
pub const FORMAT: u64 = 1;

/// The longest time between two events.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// What is known before the first event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format of the file.
    #[serde(rename = "gradstep_session")]
    pub format: u64,
    /// The version of the program that recorded it.
    pub program: String,
    /// Columns and rows of the screen.
    pub size: (u16, u16),
    /// The scenario's name.
    pub name: String,
    /// The scenario's whole text.
    pub scenario: String,
    /// The bytes of the files that it reads, by the paths that it names them by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "packed")]
    pub files: BTreeMap<String, Vec<u8>>,
    /// Whether each unit of play and each slice of work is an event of its own.
    #[serde(default)]
    pub exact: bool,
    /// The iteration at which the stepper opened.
    #[serde(default = "first")]
    pub iteration: u64,
    /// The step of it.
    pub at: u64,
    /// The address that it was on the way to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

fn first() -> u64 {
    1
}

impl Header {
    /// The header of a session that this program records.
    #[must_use]
    pub fn new(name: String, scenario: String, (iteration, at): (u64, u64), size: (u16, u16)) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, program, size, name, scenario, files: BTreeMap::new(), exact: true, iteration, at, to: None }
    }

    /// The same on the way to an address, where there is one.
    #[must_use]
    pub fn on_the_way(self, to: Option<Address>) -> Self {
        Self { to: to.map(|to| to.to_string()), ..self }
    }

    /// The same with the files that the scenario reads.
    #[must_use]
    pub fn with_files(self, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files, ..self }
    }
}

/// Bytes as text.
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
    /// A click on something: a step, or an entry of a tensor. Where it was on the screen does not matter.
    Click(Address),
    /// The wheel was turned, by so many lines down.
    Wheel(i16),
    /// The screen has so many columns and rows now.
    Resize(u16, u16),
    /// There was time to compute so many iterations more on the way to a far one.
    Work(u64),
    /// There was time for so many pieces of what was under way.
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

/// The time of an event as it is recorded: in whole milliseconds. The program itself goes by it while it records, so that a replay sees the
/// same clock.
#[must_use]
pub fn recorded(time: Duration) -> Duration {
    Duration::from_millis(milliseconds(time).into())
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// Writes a session as it happens.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    to: W,
}

impl<W: Write> Recorder<W> {
    /// Begins a session.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(mut to: W, header: &Header) -> io::Result<Self> {
        let mut line = serde_json::to_vec(header)?;
        line.push(b'\n');
        to.write_all(&line)?;
        to.flush()?;
        Ok(Self { to })
    }

    /// Adds an event, at once.
    ///
    /// # Errors
    /// When it cannot be written.
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
    /// What is known before the first event.
    pub header: Header,
    /// The events, each with its time since the start, in order. Between two of them lie at most 60 s, whatever the file says.
    pub events: Vec<(Duration, Event)>,
    /// Whether the last line was cut off, and dropped.
    pub torn: bool,
}

/// Why a file is no session, as the end of a sentence that begins with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSession(String);

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoSession {}

#[derive(Deserialize)]
struct Version {
    gradstep_session: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Text(u32, String, String),
    Number(u32, String, i64),
    Resize(u32, String, (u16, u16)),
    Bare(u32, String),
}

impl Session {
    /// Reads a session from the bytes of its file.
    ///
    /// # Errors
    /// When it is none, when its header is cut off, when it is of a newer format, or when a line within it is no event.
    pub fn read(bytes: &[u8]) -> Result<Self, NoSession> {
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
                _ if line.ends_with(b"\n") => return Err(NoSession(format!("is damaged: its line {} is no event", number + 2))),
                _ => session.torn = true,
            }
        }
        Ok(session)
    }
}

fn header(line: &[u8]) -> Result<Header, NoSession> {
    const BEGINS: &[u8] = b"{\"gradstep_session\":";
    let no = |text: String| Err(NoSession(text));
    match serde_json::from_slice::<Version>(line) {
        Ok(Version { gradstep_session: FORMAT }) => {
            serde_json::from_slice(line).or_else(|why| no(format!("has a header that cannot be read: {why}")))
        }
        Ok(Version { gradstep_session: format }) if format > FORMAT => {
            no(format!("is a session of format {format}, which is newer than this program; it reads format {FORMAT}"))
        }
        Ok(_) => no("is a session of a format that never was".to_owned()),
        Err(_) if line.is_empty() => no("is empty: there is nothing to replay".to_owned()),
        Err(_) if !line.ends_with(b"\n") && (line.starts_with(BEGINS) || BEGINS.starts_with(line)) => {
            no("is cut off within its header: there is nothing to replay".to_owned())
        }
        Err(_) => no("is no session that `gradstep SCENARIO --record FILE` has recorded".to_owned()),
    }
}

fn event(line: &[u8]) -> Option<(Duration, Event)> {
    let (time, event) = match serde_json::from_slice(line).ok()? {
        Line::Text(time, what, key) if what == "key" => match keys::parse(&key).ok()?.as_slice() {
            [key] => (time, Event::Key(*key)),
            _ => return None,
        },
        Line::Text(time, what, at) if what == "click" => (time, Event::Click(at.parse().ok()?)),
        Line::Number(time, what, lines) if what == "wheel" => (time, Event::Wheel(lines.try_into().ok()?)),
        Line::Number(time, what, iterations) if what == "work" => (time, Event::Work(iterations.try_into().ok()?)),
        Line::Number(time, what, pieces) if what == "pieces" => (time, Event::Pieces(pieces.try_into().ok()?)),
        Line::Bare(time, what) if what == "play" => (time, Event::Play),
        Line::Resize(time, what, (columns, rows)) if what == "resize" => (time, Event::Resize(columns, rows)),
        Line::Bare(time, what) if what == "quit" => (time, Event::Quit),
        _ => return None,
    };
    Some((Duration::from_millis(time.into()), event))
}
