//! The course of a session: its events in order, and the units of play between them if the session is not exact.
//!
//! An exact session records each unit of play and each slice of work, so a replay only follows the events. In other sessions the replay derives the play
//! from the times. An event may ask for work, which is done before the next event. A session file can ask for any number of pieces of work, so their
//! number is limited to what a machine can do until the next event, or in 20 ms: 10 000 pieces per millisecond.

use std::time::Duration;

use crate::command::driver::{Done, Driver, Left, due};
use crate::session::{Event, Session};

/// The largest number of pieces of work in a millisecond: none takes less than 100 ns.
const PIECES: u128 = 10_000;
/// The longest slice of work that is recorded. Longer times come from a single slow piece.
const SLICE: Duration = Duration::from_millis(20);

/// The next thing to do in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A unit of play that the session does not record.
    Play,
    /// The event with this number, from 0.
    Event(usize),
}

/// A session and the position in it.
#[derive(Debug)]
pub(super) struct Course {
    events: Vec<(Duration, Event)>,
    exact: bool,
    /// The number of events done.
    pub done: usize,
}

impl Course {
    pub fn new(session: &Session) -> Self {
        Self { events: session.events.clone(), exact: session.header.exact, done: 0 }
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// The work before the first event: none in an exact session, which records that work as events.
    pub fn opening(&self) -> Left {
        if self.exact { Left::default() } else { Left::ALL }
    }

    /// The next thing to do and its time; `None` after the last event.
    pub fn next(&self, driver: &Driver) -> Option<(Duration, Next)> {
        let (time, _) = self.events.get(self.done)?;
        let play = driver.state.wake().map(due).filter(|wake| !self.exact && driver.state.job().is_none() && wake < time);
        Some(play.map_or((*time, Next::Event(self.done)), |wake| (wake, Next::Play)))
    }

    /// The event with this number.
    pub fn event(&self, number: usize) -> Option<&Event> {
        self.events.get(number).map(|(_, event)| event)
    }

    /// Applies the next event or unit of play. Returns its effect and the work that must be done before the one after it, limited by the time until then.
    pub fn go_on(&mut self, driver: &mut Driver) -> (Done, Left) {
        let Some((time, next)) = self.next(driver) else { return (Done::Nothing, Left::default()) };
        let Next::Event(number) = next else {
            driver.clock(time);
            return (Done::Changed, Left { pieces: most(SLICE), ..Left::ALL });
        };
        self.done += 1;
        let gap = self.events.get(self.done).map_or(SLICE, |(next, _)| next.saturating_sub(time));
        let most = most(gap);
        match self.events[number].1 {
            Event::Work(iterations) => {
                driver.clock(time);
                (Done::Changed, Left { iterations, pieces: most })
            }
            Event::Pieces(pieces) => {
                driver.clock(time);
                (Done::Changed, Left { pieces: pieces.min(most), ..Left::ALL })
            }
            ref event => {
                let done = driver.event(event, time);
                // in a session that is not exact, an event without a `work` event after it was answered at once: finish its work now
                let waits = !self.exact && !matches!(self.event(self.done), Some(Event::Work(_)));
                (done, if waits { Left { pieces: most, ..Left::ALL } } else { Left::default() })
            }
        }
    }
}

/// The largest number of pieces that fit into the time until the next event.
fn most(gap: Duration) -> u64 {
    u64::try_from((gap.min(SLICE).as_millis() + 1) * PIECES).unwrap_or(u64::MAX)
}
