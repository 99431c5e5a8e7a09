//! The course of a session: its events, and where it is not exact the play between them, one after the other. Each is a piece of work with an end.

use std::time::Duration;

use crate::command::driver::{Done, Driver, Left, due};
use crate::session::{Event, Session};

/// The most pieces of work in a millisecond: no machine does one in 100 ns.
const PIECES: u128 = 10_000;
/// The longest slice that is recorded; a piece that is slow to end counts as one.
const SLICE: Duration = Duration::from_millis(20);

/// What is next in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A unit of play, which the session does not name.
    Play,
    /// An event, by its number from 0.
    Event(usize),
}

/// A session and how far it is.
#[derive(Debug)]
pub(super) struct Course {
    events: Vec<(Duration, Event)>,
    exact: bool,
    /// The next event, from 0.
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

    /// The work before the first event: an exact session says itself what was done on the way to its start.
    pub fn opening(&self) -> Left {
        if self.exact { Left::default() } else { Left::ALL }
    }

    /// What is next, and when; `None` after the last event.
    pub fn next(&self, driver: &Driver) -> Option<(Duration, Next)> {
        let (time, _) = self.events.get(self.done)?;
        let play = driver.state.wake().map(due).filter(|wake| !self.exact && driver.state.job().is_none() && wake < time);
        Some(play.map_or((*time, Next::Event(self.done)), |wake| (wake, Next::Play)))
    }

    /// An event, by its number.
    pub fn event(&self, number: usize) -> Option<&Event> {
        self.events.get(number).map(|(_, event)| event)
    }

    /// Begins what is next. Returns the work that it asks for, which is done before the rest; no more than there was time for when it was recorded.
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
                // what was there at once when it was recorded, or the session would say what was done
                let waits = !self.exact && !matches!(self.event(self.done), Some(Event::Work(_)));
                (done, if waits { Left { pieces: most, ..Left::ALL } } else { Left::default() })
            }
        }
    }
}

/// The most pieces that a session may ask for before what comes so much later.
fn most(gap: Duration) -> u64 {
    u64::try_from((gap.min(SLICE).as_millis() + 1) * PIECES).unwrap_or(u64::MAX)
}
