//! The driver: it applies events and the clock to the state of the stepper. The terminal, `show --keys`, a replay and the tests all go through it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bundled;
use super::progress::with_progress;
use super::source::ScenarioLoader;
use crate::app::{self, Action, Document, Focus, Job, Request, SLICE, State};
use crate::keys::{self, Code};
use crate::network::Network;
use crate::session::{Event, recorded};
use crate::step::{Address, Place, Scope};
use crate::tensor::{ravel, unravel};
use crate::threads::BackgroundTask;
use crate::ui::{self, RenderOptions};

/// The effect of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It had no effect.
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
    loader: ScenarioLoader,
    /// The name of the file that is being opened, and its document, which another thread computes.
    opening: Option<(String, BackgroundTask<Result<Document, String>>)>,
    /// The clock by which slices of work end.
    watch: fn() -> Duration,
    /// The area of the screen, if known: it limits scrolling.
    screen: Option<Rect>,
}

/// The time since the first call.
fn time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// A limit on the work that is still to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The largest number of iterations.
    pub iterations: u64,
    /// The largest number of pieces of work; an iteration is one or more pieces.
    pub pieces: u64,
}

impl Left {
    /// No limit.
    pub const ALL: Self = Self { iterations: u64::MAX, pieces: u64::MAX };
}

impl Driver {
    /// Drives a state.
    #[must_use]
    pub fn new(state: State, loader: ScenarioLoader) -> Self {
        Self { state, loader, opening: None, watch: time, screen: None }
    }

    /// Replaces the clock of the slices of work.
    #[must_use]
    pub fn timed_by(self, watch: fn() -> Duration) -> Self {
        Self { watch, ..self }
    }

    /// The time since an arbitrary moment.
    pub(super) fn time(&self) -> Duration {
        (self.watch)()
    }

    /// Sets the columns and rows of the screen.
    pub fn seen_on(&mut self, (columns, rows): (u16, u16)) {
        self.screen = Some(Rect::new(0, 0, columns, rows));
    }

    /// Does one turn of the event loop: a unit of play that is due, or else a slice of the work under way. Returns the event to record.
    pub fn turn(&mut self, now: Duration) -> Option<Event> {
        // with a job, `slice` below waits instead
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

    /// Opens an entry of the picker: a bundled scenario at once, a file on another thread.
    fn open(&mut self, name: String) {
        let loader = self.loader;
        let opened = if !loader.files || bundled::find(&name).is_some() {
            Err(name)
        } else {
            BackgroundTask::begin(name.clone(), move |name| loader.open(&name)).map(|document| (name, document))
        };
        match opened {
            Ok(opening) => self.opening = Some(opening),
            Err(name) => self.show(loader.open(&name)),
        }
    }

    /// Shows the file that is being opened if it is ready within `wait`.
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

    /// Returns whether a unit of play is due.
    #[must_use]
    pub fn is_due(&self, now: Duration) -> bool {
        self.state.job().is_none() && self.state.wake().is_some_and(|due| due <= now)
    }

    /// Works on the job for a slice of time and subtracts the work done from `left`. Returns the number of pieces done.
    pub fn slice(&mut self, left: &mut Left) -> u64 {
        let (end, mut done) = (self.time() + SLICE, 0);
        while left.iterations > 0 && left.pieces > 0 {
            let Some(before) = self.state.job().map(Job::progress) else { break };
            if !self.state.is_ready_within(end.saturating_sub(self.time())) {
                break;
            }
            app::update(&mut self.state, Action::JobPieces(1));
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

    /// Finishes all work under way, with progress on stderr.
    ///
    /// # Errors
    /// If Ctrl-C stops it.
    pub fn arrive(&mut self) -> anyhow::Result<()> {
        self.finish(Left::ALL)
    }

    /// Works until the job is done or the limit `left` is used up.
    ///
    /// # Errors
    /// If Ctrl-C stops it.
    pub(super) fn finish(&mut self, mut left: Left) -> anyhow::Result<()> {
        self.open_within(Duration::MAX);
        if self.state.job().is_none() {
            return Ok(());
        }
        with_progress(|go_on| {
            while let Some((next, to)) = self.state.job().map(Job::progress).filter(|_| left.iterations > 0 && left.pieces > 0) {
                if !go_on(next, to) {
                    return None;
                }
                self.slice(&mut left);
            }
            Some(())
        })
    }

    /// The time at which the state changes without an event: at once while work is under way or a file is being opened, otherwise the next unit of play.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let at_once = (self.state.job().is_some() || self.opening.is_some()).then_some(Duration::ZERO);
        at_once.or_else(|| self.state.wake().map(due))
    }

    /// Advances the state to the time `now`.
    pub fn clock(&mut self, now: Duration) {
        app::update(&mut self.state, Action::Clock(now));
    }

    /// Applies an event at the time `now`.
    pub fn event(&mut self, event: &Event, now: Duration) -> Done {
        self.clock(now);
        let action = match event {
            Event::Key(key) => keys::action(&self.state, *key),
            Event::Click(at) => self.clicked(at),
            Event::Wheel(lines) => Some(Action::Scroll(*lines)),
            Event::Work(iterations) => Some(Action::JobIterations(*iterations)),
            Event::Pieces(pieces) => Some(Action::JobPieces(*pieces)),
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
        let Some(action) = action else {
            let Event::Key(key) = event else { return Done::Nothing };
            self.state.say(format!("{} does nothing here: ? lists the keys", keys::shown(&key.to_string())), false);
            return Done::Changed;
        };
        let done = self.update(action);
        if let Some((name, _)) = &self.opening {
            self.state.say(format!("opening {name}: Esc leaves it"), false);
        }
        done
    }

    fn update(&mut self, action: Action) -> Done {
        match app::update(&mut self.state, action) {
            None => {
                if let Some(end) = self.screen.and_then(|screen| ui::overlay::max_scroll(&self.state, screen)) {
                    app::update(&mut self.state, Action::ScrollAtMost(end));
                }
            }
            Some(Request::Quit) => return Done::Quit,
            Some(Request::Open(name)) => self.open(name),
        }
        Done::Changed
    }

    /// The network of the current step.
    fn network(&self) -> Option<&Network> {
        self.state.trace_and_position().map(|(trace, at)| trace.network_of(at.sample_run))
    }

    /// The action of a recorded click; `None` if its target is not on the screen now.
    fn clicked(&self, at: &Address) -> Option<Action> {
        let network = self.network().filter(|_| matches!(self.state.focus(), Focus::Normal | Focus::Cursor))?;
        let (name, index) = match &at.place {
            Place::Step(k) => return Some(Action::GoToStep(*k)),
            // in the batch's network the name of a sample's tensor begins with the sample's number: `2:loss`
            Place::Op { scope, name, index, .. } => (format!("{scope}{name}"), index.as_deref().unwrap_or_default()),
            // the address `loss` can also be the name of a tensor
            Place::Loss => ("loss".to_owned(), &[][..]),
            _ => return None,
        };
        let tensor = network.find(&name)?;
        let entry = ravel(index, &network.tensor(tensor).shape)?;
        Some(Action::GoToEntry(tensor, entry))
    }

    /// The address under a cell of the screen, in the form in which a click is recorded.
    #[must_use]
    pub fn under(&self, look: &RenderOptions, screen: Rect, column: u16, row: u16) -> Option<Address> {
        let place = match ui::click(&self.state, look, screen, column, row)? {
            Action::GoToStep(step) => Place::Step(step),
            Action::GoToEntry(tensor, entry) => {
                let info = self.network()?.tensor(tensor);
                let index = unravel(entry, &info.shape);
                let index = (!index.is_empty()).then_some(index);
                Place::Op { scope: Scope::Any, name: info.name.to_string(), index, term: None }
            }
            _ => return None,
        };
        Some(place.into())
    }

    /// Draws the state into a frame of the given columns and rows.
    #[must_use]
    pub fn frame(&self, look: &RenderOptions, (columns, rows): (u16, u16)) -> Buffer {
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        ui::render(&self.state, look, area, &mut buffer);
        buffer
    }
}

/// Rounds a time up to a whole millisecond.
pub(super) fn due(time: Duration) -> Duration {
    let whole = recorded(time);
    if whole < time { whole + Duration::from_millis(1) } else { whole }
}
