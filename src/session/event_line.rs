//! Reads a line of a session file, which is an event with its time. An error has the column of the fault, and says what is expected there.

use std::time::Duration;

use serde_json::Value;

use super::Event;
use crate::keys;
use crate::text::{cut, line};
use crate::words::suggest;

/// The kinds of events, as they are written in a session file. [`Event`] describes them.
const KINDS: [&str; 11] = ["key", "click", "row", "wheel", "wheel sideways", "work", "pieces", "miss", "play", "resize", "quit"];
/// The largest width of a quoted text, in cells.
const QUOTED: usize = 40;

/// A fault in a line: its column, from 1, and a sentence.
pub(super) type LineFault = (usize, String);

/// Reads an event and its time.
///
/// # Errors
/// The first fault of the line.
pub(super) fn parse(bytes: &[u8]) -> Result<(Duration, Event), LineFault> {
    let values = serde_json::from_slice::<Vec<Value>>(bytes).map_err(|error| {
        let before = &bytes[..bytes.len().min(error.column().saturating_sub(1))];
        let column = if bytes.first() == Some(&b'[') { String::from_utf8_lossy(before).chars().count() + 1 } else { 1 };
        (column, "an event is written as [1250,\"key\",\"l\"]: its time, its kind and its value".to_owned())
    })?;
    event_of(&values).map_err(|(n, what)| (column(bytes, n), what))
}

/// Returns the column (from 1) of element `n` (from 0) of a JSON array. If there are fewer elements, returns the column of the closing bracket. The JSON parser
/// does not report columns.
fn column(bytes: &[u8], n: usize) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let mut at = text.find('[').map_or(0, |open| open + 1);
    for number in 0..=n {
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\t', '\r', '\n', ',']).len();
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        // no value begins at the closing bracket
        if number == n || !matches!(values.next(), Some(Ok(_))) {
            break;
        }
        at += values.byte_offset();
    }
    text[..at].chars().count() + 1
}

/// Returns the event and the time that the values of a line describe.
///
/// # Errors
/// The index of the value that is wrong or missing, and a sentence.
fn event_of(values: &[Value]) -> Result<(Duration, Event), (usize, String)> {
    let time = values.first().and_then(Value::as_u64).and_then(|time| u32::try_from(time).ok());
    let time = time.ok_or_else(|| (0, format!("an event begins with its time, a whole number of milliseconds up to {}", u32::MAX)))?;
    let kind = values.get(1).and_then(Value::as_str);
    let kind = kind.ok_or_else(|| (1, "after the time comes the kind of the event, such as \"key\"".to_owned()))?;
    let event = event(kind, values.get(2)).map_err(|what| (if KINDS.contains(&kind) { 2 } else { 1 }, what))?;
    if values.len() > 3 {
        return Err((3, "this value is too many: the event ends before it".to_owned()));
    }
    Ok((Duration::from_millis(time.into()), event))
}

/// Returns the event with a kind and, if the line has one, a value.
///
/// # Errors
/// A sentence if the kind is unknown, or about the value that is expected.
fn event(kind: &str, value: Option<&Value>) -> Result<Event, String> {
    let quoted = |text: &str| line(&cut(text, QUOTED));
    let expected = |what: &str| format!("\"{kind}\" needs {what}");
    let count = || value.and_then(Value::as_u64).ok_or_else(|| expected("a whole number, at least 0"));
    let lines = || {
        value
            .and_then(Value::as_i64)
            .and_then(|lines| i16::try_from(lines).ok())
            .ok_or_else(|| expected("a whole number from -32768 to 32767"))
    };
    let text = |what: &str| value.and_then(Value::as_str).ok_or_else(|| expected(what));
    let without_value = |event: Event| if value.is_none() { Ok(event) } else { Err(format!("\"{kind}\" has no value")) };
    Ok(match kind {
        "key" => {
            let text = text("a key in vim's notation, such as \"l\" or \"<Right>\"")?;
            match keys::parse(text).map_err(|why| line(&why))?[..] {
                [key] => Event::Key(key),
                _ => return Err(format!("\"{}\" is not one key: each key is an event", quoted(text))),
            }
        }
        "click" => {
            let text = text("an address, such as \"grad.u\"")?;
            Event::Click(text.parse().map_err(|why: crate::step::AddressError| line(&why.to_string()))?)
        }
        "row" => Event::Row(count()?),
        "wheel" => Event::Wheel(lines()?),
        "wheel sideways" => Event::WheelSideways(lines()?),
        "work" => Event::Work(count()?),
        "pieces" => Event::Pieces(count()?),
        "resize" => match value.map(|value| serde_json::from_value(value.clone())) {
            Some(Ok((columns, rows))) => Event::Resize(columns, rows),
            _ => return Err(expected("the columns and the rows of the screen, such as [80,24]")),
        },
        "miss" => without_value(Event::Miss)?,
        "play" => without_value(Event::Play)?,
        "quit" => without_value(Event::Quit)?,
        _ => return Err(format!("there is no event \"{}\": {}", quoted(kind), suggest::help(kind, &KINDS))),
    })
}
