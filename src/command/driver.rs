//! A state driven by events and the clock: the one path of the terminal, of `show --keys`, of a replay and of the tests.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bundled;
use super::progress::travel;
use super::source::ScenarioLoader;
use crate::app::{self, Action, Document, Focus, Job, Request, SLICE, State};
use crate::keys::{self, Code};
use crate::network::Network;
use crate::session::{Event, recorded};
use crate::step::{Address, Place, Scope};
use crate::tensor::{ravel, unravel};
use crate::threads::Elsewhere;
use crate::ui::{self, RenderOptions};

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
pub struct Driver {
    /// The state.
    pub state: State,
    shelf: ScenarioLoader,
    /// The file that another thread reads and computes, for it to be opened.
    opening: Option<(String, Elsewhere<Result<Document, String>>)>,
    /// The time, by which slices of work end.
    watch: fn() -> Duration,
    /// The screen that it is seen on, where one is known: beyond its end nothing scrolls.
    screen: Option<Rect>,
}

/// The time since it was first asked for.
fn time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// Work that is left to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// At most this number of iterations.
    pub iterations: u64,
    /// At most this number of pieces of them.
    pub pieces: u64,
}

impl Left {
    /// All that is under way.
    pub const ALL: Self = Self { iterations: u64::MAX, pieces: u64::MAX };
}

impl Driver {
    /// Drives a state.
    #[must_use]
    pub fn new(state: State, shelf: ScenarioLoader) -> Self {
        Self { state, shelf, opening: None, watch: time, screen: None }
    }

    /// The same with another clock for its slices of work.
    #[must_use]
    pub fn timed_by(self, watch: fn() -> Duration) -> Self {
        Self { watch, ..self }
    }

    /// The time since some moment.
    pub(super) fn time(&self) -> Duration {
        (self.watch)()
    }

    /// The screen has so many columns and rows.
    pub fn seen_on(&mut self, (columns, rows): (u16, u16)) {
        self.screen = Some(Rect::new(0, 0, columns, rows));
    }

    /// One turn of the loop that the clock has asked for: a unit of play that is due, or a slice of what is under way. Returns the event that says what
    /// was done.
    pub fn turn(&mut self, now: Duration) -> Option<Event> {
        // one wait of a slice, not two
        self.open_within(if self.state.job().is_none() { SLICE } else { Duration::ZERO });
        let due = self.is_due(now);
        self.clock(now);
        if due {
            return Some(Event::Play);
        }
        let mut all = Left::ALL;
        let pieces = self.slice(&mut all);
        (pieces > 0).then_some(Event::Pieces(pieces))
    }

    /// Opens what the picker offers: at once where it is inside the program, elsewhere once it is read.
    fn open(&mut self, name: String) {
        let from = self.shelf;
        let opened = if !from.files || bundled::find(&name).is_some() {
            Err(name)
        } else {
            Elsewhere::begin(name.clone(), move |name| from.open(&name)).map(|document| (name, document))
        };
        match opened {
            Ok(opening) => self.opening = Some(opening),
            Err(name) => self.show(from.open(&name)),
        }
    }

    /// Shows the file that is being opened, if it is there within this time.
    fn open_within(&mut self, wait: Duration) {
        if let Some((_, document)) = self.opening.take_if(|(_, document)| document.is_done_within(wait))
            && let Some(document) = document.take()
        {
            self.show(document);
        }
    }

    fn show(&mut self, opened: Result<Document, String>) {
        match opened {
            Ok(document) => self.state.open(Arc::new(document), None),
            Err(why) => self.state.say(why, true),
        }
    }

    /// Whether the clock makes a unit of play.
    #[must_use]
    pub fn is_due(&self, now: Duration) -> bool {
        self.state.job().is_none() && self.state.wake().is_some_and(|due| due <= now)
    }

    /// Works for a slice of time on what is under way, and takes that off what is left; returns the number of pieces.
    pub fn slice(&mut self, left: &mut Left) -> u64 {
        let (end, mut done) = (self.time() + SLICE, 0);
        while left.iterations > 0 && left.pieces > 0 {
            let Some(before) = self.state.job().map(Job::progress) else { break };
            if !self.state.is_ready_within(end.saturating_sub(self.time())) {
                break;
            }
            app::update(&mut self.state, Action::Pieces(1));
            done += 1;
            left.pieces -= 1;
            if self.state.job().map(Job::progress) != Some(before) {
                left.iterations -= 1;
            }
            if self.time() >= end {
                break;
            }
        }
        if self.state.job().is_none() {
            *left = Left::default();
        }
        done
    }

    /// Waits for what is under way, where nobody watches.
    ///
    /// # Errors
    /// When Ctrl-C stops it.
    pub fn arrive(&mut self) -> anyhow::Result<()> {
        self.finish(Left::ALL)
    }

    /// The same, as far as that is left to be done.
    pub(super) fn finish(&mut self, mut left: Left) -> anyhow::Result<()> {
        self.open_within(Duration::MAX);
        if self.state.job().is_none() {
            return Ok(());
        }
        travel(|go_on| {
            while let Some((next, to)) = self.state.job().map(Job::progress).filter(|_| left.iterations > 0 && left.pieces > 0) {
                if !go_on(next, to) {
                    return None;
                }
                self.slice(&mut left);
            }
            Some(())
        })
    }

    /// When the state changes by itself: at once, while it waits for something to be computed or read.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let at_once = (self.state.job().is_some() || self.opening.is_some()).then_some(Duration::ZERO);
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
            Event::Wheel(lines) => Some(Action::Scroll(*lines)),
            Event::Work(iterations) => Some(Action::Work(*iterations)),
            Event::Pieces(pieces) => Some(Action::Pieces(*pieces)),
            Event::Play => return Done::Changed,
            Event::Resize(columns, rows) => {
                self.seen_on((*columns, *rows));
                return Done::Changed;
            }
            Event::Quit => return Done::Quit,
        };
        if *event == Event::Key(Code::Esc.into()) && self.opening.take().is_some() {
            self.state.say("not opened", false);
            return Done::Changed;
        }
        let Some(action) = action else { return Done::Nothing };
        let done = self.update(action);
        if let Some((name, _)) = &self.opening {
            self.state.say(format!("opening {name}: Esc leaves it"), false);
        }
        done
    }

    fn update(&mut self, action: Action) -> Done {
        match app::update(&mut self.state, action) {
            None => {
                if let Some(end) = self.screen.and_then(|screen| ui::overlay::end(&self.state, screen)) {
                    app::update(&mut self.state, Action::ScrollAtMost(end));
                }
            }
            Some(Request::Quit) => return Done::Quit,
            Some(Request::Open(name)) => self.open(name),
        }
        Done::Changed
    }

    /// The network of what is on the screen.
    fn network(&self) -> Option<&Network> {
        self.state.here().map(|(trace, at)| trace.network_of(at.sample_run))
    }

    /// What a click on this does, when it is still there to be clicked on.
    fn clicked(&self, at: &Address) -> Option<Action> {
        let network = self.network().filter(|_| self.state.focus() == Focus::Normal)?;
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
    pub fn under(&self, look: &RenderOptions, screen: Rect, column: u16, row: u16) -> Option<Address> {
        let place = match ui::click(&self.state, look, screen, column, row)? {
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
    pub fn frame(&self, look: &RenderOptions, (columns, rows): (u16, u16)) -> Buffer {
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        ui::render(&self.state, look, area, &mut buffer);
        buffer
    }
}

/// The first whole millisecond that is not before a time.
pub(super) fn due(time: Duration) -> Duration {
    let whole = recorded(time);
    if whole < time { whole + Duration::from_millis(1) } else { whole }
}
