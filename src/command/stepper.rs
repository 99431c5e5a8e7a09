//! A state driven by events and the clock: the one path of the terminal, of `show --keys`, of a replay and of the tests.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::live::due;
use super::source::Shelf;
use crate::app::{self, Action, Mode, Request, State};
use crate::keys;
use crate::network::Network;
use crate::session::Event;
use crate::step::{Address, Place, Scope};
use crate::tensor::{ravel, unravel};
use crate::ui::{self, Look};

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It does nothing here.
    Nothing,
    /// It changed the state.
    Changed,
    /// It ends the program.
    Quit,
}

/// A state with the scenarios that it can open.
#[derive(Clone, Debug)]
pub struct Stepper {
    /// The state.
    pub state: State,
    shelf: Shelf,
    /// Iterations that are computed at once on the way to a far one.
    pace: u64,
    /// The screen that it is seen on, where one is known: beyond its end nothing scrolls.
    screen: Option<Rect>,
}

/// How long that may take: the screen lives on in between.
const SLICE: Range<Duration> = Duration::from_millis(15)..Duration::from_millis(50);

impl Stepper {
    /// Drives a state.
    #[must_use]
    pub fn new(state: State, shelf: Shelf) -> Self {
        Self { state, shelf, pace: 1, screen: None }
    }

    /// The screen has so many columns and rows.
    pub fn seen_on(&mut self, (columns, rows): (u16, u16)) {
        self.screen = Some(Rect::new(0, 0, columns, rows));
    }

    /// Works for a moment on what the state is waiting for; `None` when there is nothing. The event says what was done.
    pub fn work(&mut self, now: Duration) -> Option<Event> {
        self.state.way.as_ref()?;
        let event = Event::Work(self.pace);
        let begin = Instant::now();
        self.event(&event, now);
        let took = begin.elapsed();
        if took < SLICE.start {
            self.pace = self.pace.saturating_mul(2);
        } else if took >= SLICE.end {
            self.pace = (self.pace / 2).max(1);
        }
        Some(event)
    }

    /// Waits for what the state is waiting for, where nobody watches.
    pub fn arrive(&mut self) {
        app::update(&mut self.state, Action::Work(u64::MAX));
    }

    /// When the state changes by itself: at once, while it waits for something to be computed.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let at_once = self.state.way.is_some().then_some(Duration::ZERO);
        at_once.or_else(|| self.state.wake().map(due))
    }

    /// Whatever time has brought about.
    pub fn clock(&mut self, now: Duration) {
        app::update(&mut self.state, Action::Clock(now));
    }

    /// Takes an event, at a time.
    pub fn event(&mut self, event: &Event, now: Duration) -> Done {
        self.clock(now);
        let action = match event {
            Event::Key(key) => keys::action(&self.state, *key),
            Event::Click(at) => self.clicked(at),
            Event::Wheel(lines) => Some(Action::Wheel(*lines)),
            Event::Work(iterations) => Some(Action::Work(*iterations)),
            Event::Resize(columns, rows) => {
                self.seen_on((*columns, *rows));
                return Done::Changed;
            }
            Event::Quit => return Done::Quit,
        };
        let Some(action) = action else { return Done::Nothing };
        if !matches!(event, Event::Work(_)) {
            // what comes now may be slower
            self.pace = 1;
        }
        match app::update(&mut self.state, action) {
            None => {
                if let Some(end) = self.screen.and_then(|screen| ui::overlay::end(&self.state, screen)) {
                    app::update(&mut self.state, Action::ScrollAtMost(end));
                }
            }
            Some(Request::Quit) => return Done::Quit,
            Some(Request::Open(name)) => match self.shelf.open(&name) {
                Ok(lesson) => self.state.open(Arc::new(lesson), None),
                Err(why) => self.state.say(why, true),
            },
        }
        Done::Changed
    }

    /// The network of what is on the screen.
    fn network(&self) -> Option<&Network> {
        self.state.here().map(|(trace, at)| trace.network_of(at.stretch))
    }

    /// What a click on this does, when it is still there to be clicked on.
    fn clicked(&self, at: &Address) -> Option<Action> {
        let network = self.network().filter(|_| self.state.mode() == Mode::Stepper)?;
        let (name, index) = match &at.place {
            Place::Step(k) => return Some(Action::Go(*k)),
            // what the batch reads has its sample's number in its own name
            Place::Op { scope, name, index, .. } => (format!("{scope}{name}"), index.as_deref().unwrap_or_default()),
            // so a tensor of that name reads back
            Place::Loss => ("loss".to_owned(), &[][..]),
            _ => return None,
        };
        let tensor = network.find(&name)?;
        let entry = ravel(index, &network.tensor(tensor).shape)?;
        Some(Action::Visit(tensor, entry))
    }

    /// What lies under a cell of the screen, as a click is recorded.
    #[must_use]
    pub fn under(&self, screen: Rect, column: u16, row: u16) -> Option<Address> {
        let place = match ui::click(&self.state, screen, column, row)? {
            Action::Go(step) => Place::Step(step),
            Action::Visit(tensor, entry) => {
                let info = self.network()?.tensor(tensor);
                let index = unravel(entry, &info.shape);
                let index = (!index.is_empty()).then_some(index);
                Place::Op { scope: Scope::Any, name: info.name.to_string(), index, term: None }
            }
            _ => return None,
        };
        Some(place.into())
    }

    /// The frame that shows the state, in so many columns and rows.
    #[must_use]
    pub fn frame(&self, look: &Look, (columns, rows): (u16, u16)) -> Buffer {
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        ui::render(&self.state, look, area, &mut buffer);
        buffer
    }
}
