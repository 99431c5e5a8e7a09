//! The output formats of `gradstep replay`.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;

use super::frames::{Frame, frames, moment_at, moments};
use crate::command::driver::Driver;
use crate::command::format::{CommandOutput, OutputFormat};
use crate::command::options::GlobalOptions;
use crate::plain::PlainReader;
use crate::session::Session;
use crate::text::{are, counted};
use crate::ui::animation::{Animation, MAX_FRAMES, MAX_MEBIBYTES};
use crate::ui::{export, marker, svg};

/// A session and the options for writing it.
#[derive(Debug)]
pub(super) struct Recording<'a> {
    pub session: &'a Session,
    /// The speed; 2 is twice the recorded speed.
    pub speed: f64,
    /// The number of events after which a single frame is written; `None` for all frames.
    pub at: Option<usize>,
}

/// A function that writes a session in one format. Returns a note for the user.
pub(super) type SessionWriter = fn(&Recording<'_>, Driver, &GlobalOptions, &mut CommandOutput) -> anyhow::Result<Option<String>>;

pub(super) static FORMATS: &[OutputFormat<SessionWriter>] = &[
    OutputFormat { name: "text", help: "Each frame as plain text; with --at, only one frame", writer: write_text },
    OutputFormat {
        name: "plain",
        help: "Each event and its answer in sentences, as with `gradstep SCENARIO --plain`",
        writer: write_plain,
    },
    OutputFormat { name: "svg", help: "An animated SVG image that loops; with --at, an image of only one frame", writer: write_svg },
    OutputFormat { name: "cast", help: "A recording of a terminal, for `asciinema play` and its web player", writer: write_cast },
];

impl Recording<'_> {
    /// Converts a time of the session to the time of the output.
    fn time(&self, time: Duration) -> Duration {
        time.div_f64(self.speed)
    }
}

/// Writes each frame as text. A line above the frame has its number, its time and its event.
fn write_text(recording: &Recording<'_>, driver: Driver, global: &GlobalOptions, to: &mut CommandOutput) -> anyhow::Result<Option<String>> {
    let options = global.for_plain_text();
    if let Some(at) = recording.at {
        let (driver, moment) = moment_at(recording.session, driver, at)?;
        to.text(&export::text(&moment.draw(&driver, &options)))?;
        return Ok(None);
    }
    frames(recording.session, driver, &options, |frame| {
        let Frame { number, time, event, left_out, buffer } = frame;
        if left_out > 0 {
            let first = number - left_out;
            let (last, frames) = (number - 1, counted(left_out, "frame"));
            writeln!(to, "--- {first} to {last}  left out: {frames} of play; at most 1000 frames are shown per event")?;
        }
        write!(to, "{}", global.in_charset(&format!("--- {number}  {:.3}s  {event}\n", time.as_secs_f64())))?;
        Ok(to.text(&export::text(&buffer))?)
    })?;
    Ok(None)
}

/// Writes the events, each with its answer in sentences.
fn write_plain(
    recording: &Recording<'_>,
    driver: Driver,
    global: &GlobalOptions,
    to: &mut CommandOutput,
) -> anyhow::Result<Option<String>> {
    let mut options = global.for_plain_text();
    // equations are read out with words for their letters, so the letters must not be converted to ASCII first
    options.ascii = false;
    let mut reader = PlainReader::default();
    let mut answer = |driver: &Driver, event: &str| {
        let lines = std::iter::once(format!("> {event}")).chain(reader.answer(&driver.state, options, false));
        for line in lines {
            writeln!(to, "{}", global.in_charset(&line))?;
        }
        anyhow::Ok(())
    };
    if let Some(at) = recording.at {
        let (driver, moment) = moment_at(recording.session, driver, at)?;
        answer(&driver, &moment.event)?;
        return Ok(None);
    }
    moments(recording.session, driver, |driver, moment| answer(driver, &moment.event).map(|()| true))?;
    Ok(None)
}

/// Writes an animated SVG image with the keys below its frames, or an image of one frame.
fn write_svg(recording: &Recording<'_>, driver: Driver, global: &GlobalOptions, to: &mut CommandOutput) -> anyhow::Result<Option<String>> {
    let options = global.for_svg();
    if let Some(at) = recording.at {
        let (driver, moment) = moment_at(recording.session, driver, at)?;
        to.raw().write_all(svg::svg(&moment.draw(&driver, &options), options.theme.background).as_bytes())?;
        return Ok(None);
    }
    let mut animation = Animation::new(options.theme.background);
    let events = &recording.session.events;
    let mut end = events.last().map_or(Duration::ZERO, |(time, _)| *time);
    let mut note = None;
    let mut left_out = 0;
    moments(recording.session, driver, |driver, moment| {
        left_out += moment.left_out;
        let frame = marker::with_caption(moment.draw(driver, &options), moment.key, &options);
        let has_room = animation.add(recording.time(moment.time), frame);
        if !has_room {
            // the frame after the last event of `moment` does not fit, so the image ends at the event before it
            end = moment.time;
            let (last, events) = (moment.events.saturating_sub(1), events.len());
            note = Some(format!("the image ends at event {last} of {events}: it has at most {MAX_FRAMES} frames and {MAX_MEBIBYTES} MiB"));
        }
        Ok(has_room)
    })?;
    to.raw().write_all(animation.finish(recording.time(end)).as_bytes())?;
    let (frames, are) = (counted(left_out, "frame"), are(left_out));
    let play_note = (left_out > 0).then(|| format!("{frames} of play {are} left out: at most 1000 frames are drawn for one event"));
    Ok(note.or(play_note))
}

/// Writes a recording of a terminal in the format of asciinema, version 2. Only the rows of a frame that have changed are written.
fn write_cast(recording: &Recording<'_>, driver: Driver, global: &GlobalOptions, to: &mut CommandOutput) -> anyhow::Result<Option<String>> {
    let options = global.for_svg();
    let header = &recording.session.header;
    let (width, height) = header.size;
    writeln!(to.raw(), "{}", json!({"version": 2, "width": width, "height": height, "title": header.name}))?;
    // the kind is "o" for output, and "r" for a new size of the terminal
    let mut write_event = |time: Duration, kind: &str, data: &str| writeln!(to.raw(), "{}", json!([time.as_secs_f64(), kind, data]));
    let mut rows: Vec<String> = Vec::new();
    let mut size = header.size;
    let mut draw = |time: Duration, frame: &ratatui::buffer::Buffer| {
        let new_size = (frame.area.width, frame.area.height);
        // ?25l hides the cursor, 2J clears the screen, 5;1H moves to row 5, and 2K clears this row
        let mut data = if rows.is_empty() { "\u{1b}[?25l".to_owned() } else { String::new() };
        if new_size != size {
            write_event(time, "r", &format!("{}x{}", new_size.0, new_size.1))?;
            data.push_str("\u{1b}[2J");
            rows.clear();
            size = new_size;
        }
        let new_rows: Vec<String> = export::ansi(frame).lines().map(str::to_owned).collect();
        for (number, row) in new_rows.iter().enumerate().filter(|(number, row)| rows.get(*number) != Some(row)) {
            data.extend([&*format!("\u{1b}[{};1H\u{1b}[2K", number + 1), row]);
        }
        rows = new_rows;
        if data.is_empty() { Ok(()) } else { write_event(time, "o", &data) }
    };
    if let Some(at) = recording.at {
        let (driver, moment) = moment_at(recording.session, driver, at)?;
        draw(Duration::ZERO, &moment.draw(&driver, &options))?;
        return Ok(None);
    }
    moments(recording.session, driver, |driver, moment| {
        draw(recording.time(moment.time), &moment.draw(driver, &options))?;
        Ok(true)
    })?;
    Ok(None)
}
