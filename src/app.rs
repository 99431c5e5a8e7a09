//! Floor 6: what the program knows and does. [`update`] is the only way to change a [`State`]; it reads no clock, no file and no terminal.

mod lesson;
mod motion;
mod names;
mod prompt;
mod way;

use std::sync::Arc;
use std::time::Duration;

pub use lesson::Lesson;
pub use names::Names;
pub use prompt::Prompt;
pub use way::Way;

use crate::network::Id;
use crate::step::Unit;
use crate::text;
use crate::trace::{Position, Trace};

/// One scenario that the picker offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What opens it: a bundled name or a path.
    pub name: String,
    /// Its title.
    pub title: String,
    /// One line about it.
    pub summary: String,
    /// Where its numbers come from.
    pub source: String,
    /// Whether it is inside the binary.
    pub bundled: bool,
}

/// What the user is looking at, and so what keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// The list of scenarios.
    Picker,
    /// The stepper.
    Stepper,
    /// The address line of the stepper.
    Prompt,
    /// A text over the stepper or the picker: help or notes.
    Overlay,
}

/// A text over the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The keys.
    Help,
    /// The scenario's own notes.
    Notes,
}

/// The panes that can be the focus, which a small screen shows larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The matrices.
    Operands,
    /// The picture of what is connected.
    Picture,
    /// The rule in words.
    Words,
}

/// What the status line has to say besides the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One sentence.
    pub text: String,
    /// Whether it reports a fault.
    pub fault: bool,
}

/// The longest that is worked between two looks at the keyboard, but for what is short.
pub const SLICE: Duration = Duration::from_millis(15);

/// Steps per second of play.
pub const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
const USUAL_SPEED: usize = 3;

/// The longest count that a number before a key can give.
const MOST: u64 = 999_999_999_999;

/// Everything that the screen shows.
#[derive(Clone, Debug)]
pub struct State {
    /// The open scenario.
    pub lesson: Option<Arc<Lesson>>,
    /// The step on the screen, from 1.
    pub step: u64,
    /// The unit of moving.
    pub unit: Unit,
    /// When the next step of play is due; `None` when paused.
    pub play: Option<Duration>,
    /// Which of [`SPEEDS`].
    pub speed: usize,
    /// The number typed before a key.
    pub count: Option<u64>,
    /// The address line, when it is open.
    pub prompt: Option<Prompt>,
    /// The way to a far iteration or through many units, while it is not at its end.
    pub way: Option<Way>,
    /// The text over the screen, and how far it is scrolled.
    pub overlay: Option<(Overlay, u16)>,
    /// The pane in the place that panes share.
    pub pane: Pane,
    /// The scenarios to pick from.
    pub offers: Arc<Vec<Offer>>,
    /// The picker's selected row; `None` while the picker is closed.
    pub picking: Option<usize>,
    /// Rows and columns by which the matrices are scrolled away from this step's entries.
    pub scroll: [isize; 2],
    /// What there is to say.
    pub message: Option<Message>,
    /// The time of the last event.
    pub now: Duration,
}

/// Everything that can be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// One unit on.
    Forward,
    /// One unit back.
    Back,
    /// One step on, whatever the unit.
    StepForward,
    /// One step back, whatever the unit.
    StepBack,
    /// To the first step.
    First,
    /// To the last step; with a count to that step.
    Last,
    /// To the beginning of the backward pass.
    BackwardPass,
    /// A finer unit.
    Finer,
    /// A coarser unit.
    Coarser,
    /// Plays, or pauses.
    Play,
    /// Faster play.
    Faster,
    /// Slower play.
    Slower,
    /// A digit of the count.
    Digit(u8),
    /// The next pane into the place that panes share.
    NextPane,
    /// The pane before.
    PreviousPane,
    /// Opens the address line.
    Prompt,
    /// A change of the address line.
    Edit(tui_input::InputRequest),
    /// The next completion of the address line.
    Complete,
    /// The completion before.
    CompleteBack,
    /// Goes to the address in the line; opens the picked scenario.
    Accept,
    /// Goes to a step.
    Go(u64),
    /// Goes to the step that makes this entry of a tensor on the screen; to the first that reads it, where it is given.
    Visit(Id, usize),
    /// Scrolls what scrolls: an overlay, the picker, or the matrices by rows.
    Wheel(i16),
    /// Shows or hides the keys.
    Help,
    /// Shows or hides the scenario's notes.
    Notes,
    /// Scrolls the overlay, or moves the picker's choice.
    Down,
    /// The same, the other way.
    Up,
    /// A page of the same.
    PageDown,
    /// A page of the same, the other way.
    PageUp,
    /// The overlay is scrolled by so many lines at most: there are no more.
    ScrollAtMost(u16),
    /// Opens the picker.
    Pick,
    /// Closes whatever is open.
    Close,
    /// Ends the program.
    Quit,
    /// Time has passed.
    Clock(Duration),
    /// There was time to compute so many iterations more on the way to a far one.
    Work(u64),
    /// There was time for so many pieces of what is under way: an op, the beginning or the end of a run, or a move by a unit.
    Pieces(u64),
}

/// What only the world outside can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Open this scenario and give it to [`State::open`].
    Open(String),
    /// End the program.
    Quit,
}

impl State {
    /// The picker over these scenarios.
    #[must_use]
    pub fn picker(offers: Vec<Offer>) -> Self {
        Self {
            lesson: None,
            step: 1,
            unit: Unit::Step,
            play: None,
            speed: USUAL_SPEED,
            count: None,
            prompt: None,
            way: None,
            overlay: None,
            pane: Pane::Picture,
            offers: Arc::new(offers),
            picking: Some(0),
            scroll: [0, 0],
            message: None,
            now: Duration::ZERO,
        }
    }

    /// Opens a scenario at step `at`; without it at its start, or on the way there where that is far.
    pub fn open(&mut self, lesson: Arc<Lesson>, at: Option<u64>) {
        let start = lesson.scenario.start.clone().filter(|_| at.is_none());
        let notes = lesson.scenario.notes.is_some();
        self.step = at.unwrap_or(1).clamp(1, lesson.trace.len());
        self.unit = Unit::Step;
        self.scroll = [0, 0];
        self.overlay = None;
        self.play = None;
        self.picking = None;
        self.prompt = None;
        self.way = None;
        self.message = None;
        // the first look at the address line takes no longer than the others
        let _ = lesson.names();
        self.lesson = Some(lesson);
        if let Some(Err(why)) = start.map(|start| self.set_out(start)) {
            self.say(why, true);
        } else if notes && self.message.is_none() {
            self.say("n: what to look for in this scenario", false);
        }
    }

    /// What keys mean now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        if self.overlay.is_some() {
            Mode::Overlay
        } else if self.prompt.is_some() {
            Mode::Prompt
        } else if self.picking.is_some() || self.lesson.is_none() {
            Mode::Picker
        } else {
            Mode::Stepper
        }
    }

    /// The trace, and where the step on the screen stands in it. All tensors on the screen are those of its stretch: of a sample, or of the batch.
    #[must_use]
    pub fn here(&self) -> Option<(&Trace, Position)> {
        let trace = &self.lesson.as_ref()?.trace;
        Some((trace, trace.position(self.step)?))
    }

    /// When the state changes by itself.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        self.play
    }

    /// A sentence in the status line, escaped: what was typed, or was in a session, may be in it.
    pub fn say(&mut self, text: impl AsRef<str>, fault: bool) {
        self.message = Some(Message { text: text::line(text.as_ref()), fault });
    }

    /// From one step of play to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / SPEEDS[self.speed])
    }

    fn toggle(&mut self, overlay: Overlay) {
        self.overlay = match self.overlay {
            Some((open, _)) if open == overlay => None,
            _ => Some((overlay, 0)),
        };
    }

    fn page(&mut self, way: i16) {
        self.wheel(way * if self.mode() == Mode::Stepper { 5 } else { 10 });
    }

    fn wheel(&mut self, lines: i16) {
        if self.mode() == Mode::Stepper {
            let most = self.rows();
            self.scroll[0] = (self.scroll[0] + isize::from(lines)).clamp(-most, most);
        } else {
            self.scroll(i32::from(lines));
        }
    }

    /// The rows of the largest matrix on the screen: farther nothing scrolls away from what is marked.
    fn rows(&self) -> isize {
        let Some((trace, at)) = self.here() else { return 0 };
        let op = trace.op_at(&at);
        let read = op.first_parts().iter().flat_map(|part| part.operands.iter().copied());
        let rows = |id| match *trace.network_of(at.stretch).tensor(id).shape {
            [.., rows, _] | [rows] => rows,
            [] => 1,
        };
        read.chain([op.output]).map(rows).max().and_then(|rows| isize::try_from(rows).ok()).unwrap_or(0)
    }

    fn scroll(&mut self, lines: i32) {
        if let Some((_, scroll)) = &mut self.overlay {
            *scroll = scroll.saturating_add_signed(i16::try_from(lines).unwrap_or(0));
        } else if let Some(picked) = &mut self.picking {
            let last = self.offers.len().saturating_sub(1);
            *picked = picked.saturating_add_signed(lines as isize).min(last);
        }
    }
}

/// Does what an action says. What only the world outside can do is returned.
pub fn update(state: &mut State, action: Action) -> Option<Request> {
    match action {
        Action::Clock(now) => {
            state.clock(now);
            return None;
        }
        Action::Work(iterations) => {
            state.worked(iterations, u64::MAX);
            return None;
        }
        Action::Pieces(pieces) => {
            state.worked(u64::MAX, pieces);
            return None;
        }
        Action::ScrollAtMost(lines) => {
            state.overlay = state.overlay.map(|(overlay, scroll)| (overlay, scroll.min(lines)));
            return None;
        }
        _ => {}
    }
    let count = state.count.take();
    state.message = None;
    match action {
        Action::Digit(digit) => state.count = Some((count.unwrap_or(0) * 10 + u64::from(digit)).min(MOST)),
        Action::Quit => return Some(Request::Quit),
        Action::Help => state.toggle(Overlay::Help),
        Action::Notes => state.notes(),
        Action::Down => state.scroll(1),
        Action::Up => state.scroll(-1),
        Action::PageDown => state.page(1),
        Action::PageUp => state.page(-1),
        Action::Wheel(lines) => state.wheel(lines),
        Action::Close => state.close(),
        Action::Pick => state.pick(),
        Action::Accept => return state.accept(),
        Action::NextPane => state.pane = turn(state.pane, 1),
        Action::PreviousPane => state.pane = turn(state.pane, 2),
        Action::Prompt => state.prompt = Some(Prompt::default()),
        Action::Edit(request) => state.edit(request),
        Action::Complete => state.complete(1),
        Action::CompleteBack => state.complete(-1),
        moving => state.travel(&moving, count),
    }
    None
}

/// The pane that comes so many after another into the place that panes share.
#[must_use]
pub fn turn(pane: Pane, by: usize) -> Pane {
    const ORDER: [Pane; 3] = [Pane::Picture, Pane::Words, Pane::Operands];
    let place = ORDER.iter().position(|p| *p == pane).unwrap_or(0);
    ORDER[(place + by) % ORDER.len()]
}

impl State {
    /// Opens the picker on the scenario that is open.
    fn pick(&mut self) {
        let open = self.lesson.as_ref().map(|lesson| &lesson.scenario);
        let is_open = |offer: &Offer| {
            let name = offer.name.strip_suffix(".toml").unwrap_or(&offer.name);
            open.is_some_and(|open| name == open.name && offer.title == open.title)
        };
        self.picking = Some(self.offers.iter().position(is_open).unwrap_or(0));
    }

    fn notes(&mut self) {
        match &self.lesson {
            Some(lesson) if lesson.scenario.notes.is_none() => self.say("this scenario has no notes", false),
            _ => self.toggle(Overlay::Notes),
        }
    }

    fn close(&mut self) {
        if self.overlay.take().is_some() || self.prompt.take().is_some() {
            return;
        }
        if self.lesson.is_some() && self.picking.take().is_none() {
            self.stop();
        }
    }

    fn accept(&mut self) -> Option<Request> {
        if self.overlay.take().is_some() {
            return None;
        }
        if self.prompt.is_some() {
            self.go_to_prompt();
            return None;
        }
        let offer = self.offers.get(self.picking?)?;
        Some(Request::Open(offer.name.clone()))
    }
}
