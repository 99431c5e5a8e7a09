//! A cursor over the events of a session. It decides what a replay does next, and how much work it may do.
//!
//! While the stepper *plays*, it moves by one unit, such as a step, again and again at regular intervals. Each such move is a *play move*. A long computation
//! is a *job*. It is done in *slices* of a few milliseconds, and a slice consists of *pieces*, such as one op.
//!
//! - An *exact* session has an event for each play move, and for each slice an event with the number of pieces. Its replay only follows the events.
//! - An older session has no events for play moves, and `work` events for only some slices. Its replay computes the times of the play moves.
//!
//! The work of an event is done before the next event. A damaged session file could ask for any amount of work. So the work is limited to 10,000 pieces for
//! each millisecond until the next event, and for one more. At most 20 ms of this time count. No machine can do more pieces in this time. Only the work before
//! the first event of an older session has no limit.

use std::time::Duration;

use crate::command::driver::{Driver, Effect, WorkLimit, round_up};
use crate::session::{Event, Session};

/// The largest number of pieces of work in a millisecond. No piece takes less than 100 ns.
const PIECES_PER_MS: u128 = 10_000;
/// The longest time until the next event that counts for the limit of pieces. A recorded slice takes longer only if one of its pieces is slow.
const MAX_SLICE: Duration = Duration::from_millis(20);

/// The next thing to do in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplayItem {
    /// A play move that the session does not record.
    Play,
    /// The event with this number, from 0.
    Event(usize),
}

/// The events of a session and a position among them.
#[derive(Debug)]
pub(super) struct ReplayCursor {
    events: Vec<(Duration, Event)>,
    /// `true` if each play move and each slice of work is an event.
    is_exact: bool,
    /// The number of events done.
    pub done: usize,
}

impl ReplayCursor {
    pub fn new(session: &Session) -> Self {
        Self { events: session.events.clone(), is_exact: session.header.exact, done: 0 }
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns the work to do before the first event. In an exact session, it is in the events.
    pub fn opening_work(&self) -> WorkLimit {
        if self.is_exact { WorkLimit::default() } else { WorkLimit::UNLIMITED }
    }

    /// The time and the kind of the next thing to do; `None` after the last event.
    pub fn next(&self, driver: &Driver) -> Option<(Duration, ReplayItem)> {
        let (event_time, _) = self.events.get(self.done)?;
        let may_play = !self.is_exact && driver.state.job().is_none();
        // the time is in whole milliseconds, like the times of events
        let play_time = driver.state.wake().map(round_up).filter(|time| may_play && time < event_time);
        Some(play_time.map_or((*event_time, ReplayItem::Event(self.done)), |time| (time, ReplayItem::Play)))
    }

    /// The event with this number.
    pub fn event(&self, number: usize) -> Option<&Event> {
        self.events.get(number).map(|(_, event)| event)
    }

    /// Applies the next event or play move. Returns its effect, and the work to do before the event after it.
    pub fn apply_next(&mut self, driver: &mut Driver) -> (Effect, WorkLimit) {
        let Some((time, next)) = self.next(driver) else { return (Effect::Nothing, WorkLimit::default()) };
        let ReplayItem::Event(number) = next else {
            driver.advance_clock(time);
            return (Effect::Changed, WorkLimit { pieces: max_pieces(MAX_SLICE), ..WorkLimit::UNLIMITED });
        };
        self.done += 1;
        let time_until_next = self.events.get(self.done).map_or(MAX_SLICE, |(next, _)| next.saturating_sub(time));
        let max_pieces = max_pieces(time_until_next);
        match self.events[number].1 {
            Event::Work(iterations) => {
                driver.advance_clock(time);
                (Effect::Changed, WorkLimit { iterations, pieces: max_pieces })
            }
            Event::Pieces(pieces) => {
                driver.advance_clock(time);
                (Effect::Changed, WorkLimit { pieces: pieces.min(max_pieces), ..WorkLimit::UNLIMITED })
            }
            ref event => {
                let effect = driver.apply(event, time);
                // in a session that is not exact, the work of an event is done directly after it, unless the next event is a `work` event with the number of
                // iterations
                let work_is_due = !self.is_exact && !matches!(self.event(self.done), Some(Event::Work(_)));
                (effect, if work_is_due { WorkLimit { pieces: max_pieces, ..WorkLimit::UNLIMITED } } else { WorkLimit::default() })
            }
        }
    }
}

/// The largest number of pieces of work in this time.
fn max_pieces(time: Duration) -> u64 {
    // one more millisecond, because the times of events are rounded
    u64::try_from((time.min(MAX_SLICE).as_millis() + 1) * PIECES_PER_MS).unwrap_or(u64::MAX)
}
