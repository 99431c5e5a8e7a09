//! The frames of a session, without a terminal.

use std::time::Duration;

use anyhow::Context as _;
use ratatui::buffer::Buffer;

use super::check_opening;
use super::cursor::{ReplayCursor, ReplayItem};
use crate::command::driver::{Driver, Effect};
use crate::keys::{self, Key};
use crate::session::{Event, Session};
use crate::ui::RenderOptions;

/// The largest number of frames of play moves between two events: the first 998 and the last one. With the frame of the event before them, these are 1000.
const MAX_PLAY_FRAMES: u64 = 999;
/// The largest number of columns and of rows of a frame.
const MAX_SIDE: u16 = 1000;

/// A frame of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The number of the frame, from 0.
    pub number: u64,
    /// The time since the start of the session.
    pub time: Duration,
    /// The event that led to the frame, such as `open`, a key, `play` or a new size.
    pub event: String,
    /// The number of frames of play that were left out before this frame.
    pub left_out: u64,
    /// The screen.
    pub buffer: Buffer,
}

/// A moment of a replay: the state of a frame before it is drawn.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// The number of the frame, from 0.
    pub number: u64,
    /// The number of events that are done.
    pub events: usize,
    pub time: Duration,
    pub event: String,
    /// The last key, and the name of its command. The focus at that time decides which command it is.
    pub key: Option<(Key, Option<&'static str>)>,
    pub left_out: u64,
    /// The columns and rows of the screen.
    size: (u16, u16),
}

impl Moment {
    /// The moment before the first event.
    fn opening(session: &Session) -> Self {
        let size = session.header.size;
        Self { number: 0, events: 0, time: Duration::ZERO, event: "open".to_owned(), key: None, left_out: 0, size }
    }

    /// Does the next event or play move. Returns `None` after the last one, and if the event ends the program.
    ///
    /// # Errors
    /// If Ctrl-C stops the work.
    fn advance(&mut self, cursor: &mut ReplayCursor, driver: &mut Driver) -> anyhow::Result<Option<ReplayItem>> {
        let Some((time, next)) = cursor.next(driver) else { return Ok(None) };
        let event = if let ReplayItem::Event(number) = next { cursor.event(number).cloned() } else { None };
        if let Some(Event::Key(key)) = event {
            self.key = Some((key, keys::command_name(&driver.state, key)));
        }
        let (effect, work) = cursor.apply_next(driver);
        if effect == Effect::Quit {
            return Ok(None);
        }
        driver.finish_within(work)?;
        self.number += 1;
        (self.time, self.events, self.left_out) = (time, cursor.done, 0);
        if let Some(Event::Resize(columns, rows)) = event {
            self.size = (columns, rows);
        }
        self.event = event.map_or_else(|| "play".to_owned(), |event| event.to_string());
        Ok(Some(next))
    }

    /// Draws the screen.
    pub fn draw(&self, driver: &Driver, options: &RenderOptions) -> Buffer {
        driver.frame(options, (self.size.0.min(MAX_SIDE), self.size.1.min(MAX_SIDE)))
    }
}

/// Calls `emit` with each frame of a session, in order.
///
/// # Errors
/// Those of `emit`, and if Ctrl-C stops the work, or if the session cannot begin.
pub fn frames(
    session: &Session,
    driver: Driver,
    options: &RenderOptions,
    mut emit: impl FnMut(Frame) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    moments(session, driver, |driver, moment| {
        let buffer = moment.draw(driver, options);
        let Moment { number, time, ref event, left_out, .. } = *moment;
        emit(Frame { number, time, event: event.clone(), left_out, buffer }).map(|()| true)
    })
}

/// Calls `emit` with each moment of a session, in order, until `emit` returns `false`.
///
/// # Errors
/// Those of [`frames`].
pub(super) fn moments(
    session: &Session,
    mut driver: Driver,
    mut emit: impl FnMut(&Driver, &Moment) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut cursor = ReplayCursor::new(session);
    let mut moment = Moment::opening(session);
    let mut emit = |driver: &Driver, moment: &Moment| emit(driver, moment).context("cannot write the frames");
    driver.finish_within(cursor.opening_work())?;
    check_opening(&driver.state)?;
    let mut goes_on = emit(&driver, &moment)?;
    // the number of play moves since the event before them
    let mut played: u64 = 0;
    while goes_on && let Some((_, next)) = cursor.next(&driver) {
        if matches!(next, ReplayItem::Event(_)) {
            if played >= MAX_PLAY_FRAMES {
                // `moment` is the last play move before the event; the moves between it and the first 998 are left out
                moment.left_out = played - MAX_PLAY_FRAMES;
                goes_on = emit(&driver, &moment)?;
            }
            played = 0;
        }
        let Some(next) = moment.advance(&mut cursor, &mut driver)? else { break };
        played += u64::from(next == ReplayItem::Play);
        if played < MAX_PLAY_FRAMES {
            goes_on = goes_on && emit(&driver, &moment)?;
        }
    }
    Ok(())
}

/// Returns the state after this number of events, and its moment. Events after the program has ended are ignored.
///
/// # Errors
/// If Ctrl-C stops the work, or if the session cannot begin.
pub(super) fn moment_at(session: &Session, mut driver: Driver, events: usize) -> anyhow::Result<(Driver, Moment)> {
    let mut cursor = ReplayCursor::new(session);
    let mut moment = Moment::opening(session);
    driver.finish_within(cursor.opening_work())?;
    check_opening(&driver.state)?;
    while cursor.done < events && moment.advance(&mut cursor, &mut driver)?.is_some() {}
    Ok((driver, moment))
}
