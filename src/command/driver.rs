//! The driver of the stepper. It applies keys, clicks and the clock to the state. The terminal, `show --keys`, replays and tests use it.
//!
//! A long computation is a *job* of the state. The driver does it in slices of at most [`SLICE`], and reads the keyboard between two slices. A slice consists
//! of *pieces*, the smallest parts of a job, such as one op. *Play* moves the stepper by one unit, such as a step or an entry, again and again at regular
//! intervals. Each of these moves is a *play move*.

mod work;

pub use work::WorkLimit;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bundled;
use super::compare::{GradientsFile, compare_while, file_and_tensor};
use super::read::display_name;
use super::recent;
use super::scenario_file::ScenarioFile;
use super::source::ScenarioLoader;
use crate::app::{self, Action, ComparedLosses, Document, Focus, GradientComparison, Request, SLICE, State};
use crate::keys::{self, Code};
use crate::network::Network;
use crate::scenario::Scenario;
use crate::session::{Event, as_recorded};
use crate::step::{Address, Location, Scope};
use crate::tensor::{ravel, unravel};
use crate::text::sentence;
use crate::threads::BackgroundTask;
use crate::ui::{self, ClickTarget, RenderOptions};

/// The message for a click on a cell at which there is nothing to click.
const NOTHING_TO_CLICK: &str = "nothing to click here: click a number, a term, a node, a line, an op, a pass or a key";

/// The effect of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It had no effect.
    Nothing,
    /// It changed the state.
    Changed,
    /// It ends the program.
    Quit,
}

/// A state of the stepper, and the loader of the scenarios that it can open.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The state of the stepper.
    pub state: State,
    loader: ScenarioLoader,
    /// The task on the background thread, and what it does: `opening xor.toml`, `rereading xor.toml` or `comparing with mine.json`.
    task: Option<(String, BackgroundTask<Result<Opened, String>>)>,
    /// The comparison in progress has a weak pointer to this value, and stops when the value is dropped.
    comparison_guard: Option<Arc<()>>,
    /// The clock that measures slices of work.
    slice_clock: fn() -> Duration,
    /// The area of the screen, which limits scrolling; `None` if unknown.
    screen: Option<Rect>,
    /// The text to copy to the clipboard.
    copied: Option<String>,
    /// The file of the open scenario; `None` if the driver must not write files, as in a replay and in `show --keys`.
    file: Option<ScenarioFile>,
}

/// The result of reading a file on the background thread.
#[derive(Debug)]
enum Opened {
    /// Another scenario.
    Another(Box<Document>),
    /// The open scenario, read from its file again. It is shown with or without the unsaved edits.
    Again { scenario: Box<Scenario>, keeps_edits: bool },
    /// The comparison with the user's gradient file.
    Gradients(Box<GradientComparison>),
    /// The losses of another scenario.
    Losses(Box<ComparedLosses>),
}

/// The time since the first call of this function.
fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

impl Driver {
    /// Returns a driver of a state.
    #[must_use]
    pub fn new(state: State, loader: ScenarioLoader) -> Self {
        Self { state, loader, task: None, comparison_guard: None, slice_clock: elapsed, screen: None, copied: None, file: None }
    }

    /// Replaces the clock that measures slices of work.
    #[must_use]
    pub fn with_slice_clock(self, slice_clock: fn() -> Duration) -> Self {
        Self { slice_clock, ..self }
    }

    /// Lets the user write edits to files.
    #[must_use]
    pub fn writing_files(self) -> Self {
        let mut driver = Self { file: Some(ScenarioFile::new()), ..self };
        driver.begin_scenario_file();
        driver
    }

    /// Adds the file of a scenario that was just opened to the list of recent files, and offers unsaved edits of an earlier session.
    fn begin_scenario_file(&mut self) {
        let (Some(file), Some(document)) = (&mut self.file, self.state.document()) else { return };
        let unsaved_edits = file.begin(&document.scenario);
        // `opens_files` is `false` while a session is recorded: then the list of recent files stays as it is
        if let Some(path) = document.scenario.path.as_deref().filter(|_| self.loader.opens_files) {
            recent::add(path);
        }
        if let Some(edits) = unsaved_edits {
            self.state.offer_edits(edits);
        }
    }

    /// Writes the unsaved edits to the journal.
    fn keep_edits(&mut self) {
        let (Some(file), Some(stepper)) = (&self.file, self.state.stepper()) else { return };
        if let Err(error) = file.keep(stepper) {
            let is_error = true;
            self.state.say(format!("unsaved edits cannot be kept: {error}"), is_error);
        }
    }

    /// Writes the open scenario with its edits to `path`. If `path` is `None`, it is the scenario's own file. Returns whether it was written.
    fn write(&mut self, path: Option<&str>) -> bool {
        let Some(document) = self.state.document().map(Arc::clone) else { return false };
        let result = match &mut self.file {
            Some(file) => file.write(&document.scenario, path),
            None => Err(anyhow!("show and replay write no files")),
        };
        match result {
            Ok(sentence) => {
                self.state.edits_are_written(&sentence);
                true
            }
            Err(error) => {
                let is_error = true;
                self.state.say(sentence(&format!("{error:#}")), is_error);
                false
            }
        }
    }

    /// Checks once a second whether another program has changed the scenario's file, if there is nothing else to do. Returns whether the screen has changed.
    pub fn look_outside(&mut self, now: Duration) -> bool {
        if self.state.job().is_some() || self.task.is_some() {
            return false;
        }
        let (Some(file), Some(document)) = (&mut self.file, self.state.document()) else { return false };
        let change = file.look(&document.scenario, now);
        self.state.report_file_change(change)
    }

    /// Returns the time of the clock that measures slices of work.
    pub(super) fn slice_clock_time(&self) -> Duration {
        (self.slice_clock)()
    }

    /// Takes the text that the last event copies to the clipboard.
    pub fn take_copied(&mut self) -> Option<String> {
        self.copied.take()
    }

    /// Sets the columns and rows of the screen.
    pub fn set_screen_size(&mut self, (columns, rows): (u16, u16)) {
        self.screen = Some(Rect::new(0, 0, columns, rows));
    }

    /// Does the work of one turn of the event loop. It is a play move, if one is due, or else a slice of the job. Returns the event to record.
    pub fn tick(&mut self, now: Duration) -> Option<Event> {
        // a job uses the whole slice below, so this does not wait if there is one
        self.finish_task(if self.state.job().is_none() { SLICE } else { Duration::ZERO });
        let play_is_due = self.is_play_due(now);
        self.advance_clock(now);
        if play_is_due {
            return Some(Event::Play);
        }
        let mut limit = WorkLimit::UNLIMITED; // only the time limits the slice
        let pieces = self.work_slice(&mut limit);
        (pieces > 0).then_some(Event::Pieces(pieces))
    }

    /// Opens a scenario. A bundled one is opened at once. A file is read on the background thread, because it may be large.
    fn open(&mut self, name: String) {
        let loader = self.loader;
        let open = move |name: String| loader.open(&name).map(Box::new).map(Opened::Another);
        // if the loader opens no files, as in a replay or a recording, `loader.open` refuses a file at once
        let is_fast = !loader.opens_files || bundled::find(&name).is_some();
        let task = if is_fast { None } else { BackgroundTask::begin(name.clone(), open).ok() };
        if let Some(task) = task {
            self.task = Some((format!("opening {name}"), task));
        } else {
            // it is fast, or no thread could be started
            self.show_opened(open(name));
        }
    }

    /// Waits at most `wait` for the task on the background thread, and shows its result if it is done.
    fn finish_task(&mut self, wait: Duration) {
        if let Some((_, task)) = self.task.take_if(|(_, task)| task.is_done_within(wait))
            && let Some(opened) = task.take()
        {
            self.show_opened(opened);
        }
    }

    /// Reads the file of the open scenario again, on the background thread.
    fn reload(&mut self, keeps_edits: bool) {
        let is_error = true;
        let (Some(file), Some(document)) = (self.file.as_ref().filter(|_| self.loader.opens_files), self.state.document()) else {
            return self.state.say("show, replay and recordings do not reread files", is_error);
        };
        let Some(path) = file.path(&document.scenario) else {
            return self.state.say("this scenario has no file to reread: :e FILE opens one", is_error);
        };
        let (loader, name) = (self.loader, path.to_string_lossy().into_owned());
        let read = move |path: PathBuf| {
            let scenario = loader.reload(&path).map_err(|why| format!("not read again: {why}"))?;
            Ok(Opened::Again { scenario: Box::new(scenario), keeps_edits })
        };
        match BackgroundTask::begin(path, read) {
            Ok(task) => self.task = Some((format!("rereading {name}"), task)),
            // no thread could be started
            Err(path) => self.show_opened(read(path)),
        }
    }

    /// Reads the user's gradient file and compares the gradients, on the background thread.
    fn compare_gradients(&mut self, given: &str) {
        let (path, only_tensor) = file_and_tensor(given);
        let only_tensor = only_tensor.map(str::to_owned);
        let Some(document) = self.state.document().map(Arc::clone) else { return };
        if !self.loader.opens_files {
            let is_error = true;
            return self.state.say("a recorded session reads no file: open the scenario with --mine FILE", is_error);
        }
        let guard = Arc::new(());
        let weak_guard = Arc::downgrade(&guard);
        let compare = move |(path, document): (PathBuf, Arc<Document>)| {
            // Esc drops the guard, so that the count becomes 0
            let is_wanted = move || weak_guard.strong_count() > 0;
            match GradientsFile::read(&path, only_tensor.as_deref()).and_then(|file| compare_while(&document, file, is_wanted)) {
                Ok(Some(comparison)) => Ok(Opened::Gradients(Box::new(comparison))),
                Ok(None) => Err("not compared".to_owned()),
                Err(error) => Err(sentence(&format!("{error:#}"))),
            }
        };
        self.comparison_guard = Some(guard);
        match BackgroundTask::begin((PathBuf::from(path), document), compare.clone()) {
            Ok(task) => self.task = Some((format!("comparing with {}", display_name(path)), task)),
            // no thread could be started
            Err(path_and_document) => self.show_opened(compare(path_and_document)),
        }
    }

    /// Runs the gradient descent of another scenario: of a bundled one at once, of a file on the background thread.
    fn compare_losses(&mut self, name: String) {
        let (loader, is_bundled) = (self.loader, bundled::find(&name).is_some());
        if !loader.opens_files && !is_bundled {
            let is_error = true;
            return self.state.say("a recorded session reads no file: compare a bundled scenario", is_error);
        }
        let guard = Arc::new(());
        let weak_guard = Arc::downgrade(&guard);
        let compute = move |name: String| {
            let scenario = loader.scenario(&name)?;
            // Esc drops the guard, so that the count becomes 0
            let losses = ComparedLosses::of(scenario, &mut || weak_guard.strong_count() > 0)?;
            losses.map(|losses| Opened::Losses(Box::new(losses))).ok_or_else(|| "not compared".to_owned())
        };
        self.comparison_guard = Some(guard);
        let task = if is_bundled { None } else { BackgroundTask::begin(name.clone(), compute.clone()).ok() };
        if let Some(task) = task {
            self.task = Some((format!("comparing with {}", display_name(&name)), task));
        } else {
            // it is a bundled scenario, or no thread could be started
            self.show_opened(compute(name));
        }
    }

    /// Shows a scenario or a comparison, or the reason why the file cannot be used.
    fn show_opened(&mut self, opened: Result<Opened, String>) {
        match opened {
            Ok(Opened::Again { scenario, keeps_edits }) => {
                self.state.message = None;
                self.state.reload(&scenario, keeps_edits);
                self.keep_edits();
            }
            Ok(Opened::Gradients(comparison)) => self.state.compare_gradients(Arc::from(comparison)),
            Ok(Opened::Losses(losses)) => self.state.compare_losses(*losses),
            Ok(Opened::Another(document)) => {
                let at = None; // the start that the scenario file names
                self.state.open(Arc::from(document), at);
                self.begin_scenario_file();
            }
            Err(why) => {
                let is_error = true;
                self.state.say(why, is_error);
            }
        }
    }

    /// Returns whether [`Self::tick`] has something to do now.
    #[must_use]
    pub fn has_work(&self, now: Duration) -> bool {
        self.state.job().is_some() || self.task.is_some() || self.is_play_due(now)
    }

    /// Returns whether a play move is due.
    #[must_use]
    pub fn is_play_due(&self, now: Duration) -> bool {
        self.state.job().is_none() && self.state.wake().is_some_and(|due| due <= now)
    }

    /// Returns the time at which the driver has something to do. With a job, or a task on the background thread, it is 0 (at once). Otherwise it is the time of
    /// the next play move, or of the next check of the scenario's file. Returns `None` if there is nothing to do.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let at_once = (self.state.job().is_some() || self.task.is_some()).then_some(Duration::ZERO);
        let next_look = self.file.as_ref().and_then(ScenarioFile::next_look);
        at_once.or_else(|| self.state.wake().map(round_up).into_iter().chain(next_look).min())
    }

    /// Advances the clock of the state to the time `now`.
    pub fn advance_clock(&mut self, now: Duration) {
        app::update(&mut self.state, Action::Clock(now));
    }

    /// Applies an event at the time `now`.
    pub fn apply(&mut self, event: &Event, now: Duration) -> Effect {
        self.advance_clock(now);
        let action = match event {
            Event::Key(key) => keys::action(&self.state, *key),
            Event::Click(at) => self.click_action(at),
            Event::Row(row) => Some(Action::Choose(usize::try_from(*row).unwrap_or(usize::MAX))),
            Event::Miss => Some(Action::Say(NOTHING_TO_CLICK)),
            Event::WheelSideways(columns) => Some(Action::ScrollMatrices([0, *columns])),
            Event::Wheel(lines) => Some(Action::Scroll(*lines)),
            Event::Work(iterations) => Some(Action::JobIterations(*iterations)),
            Event::Pieces(pieces) => Some(Action::JobPieces(*pieces)),
            Event::Play => return Effect::Changed, // `advance_clock` has done the play move
            Event::Resize(columns, rows) => {
                self.set_screen_size((*columns, *rows));
                return Effect::Changed;
            }
            Event::Quit => return Effect::Quit,
        };
        let is_error = false; // of the messages below
        if *event == Event::Key(Code::Esc.into())
            && let Some((doing, _)) = self.task.take()
        {
            self.comparison_guard = None;
            self.state.say(format!("stopped {doing}"), is_error);
            return Effect::Changed;
        }
        let Some(action) = action else {
            let Event::Key(key) = event else { return Effect::Nothing };
            let help = if self.state.focus().is_prompt() { "Esc closes the line" } else { "? lists the keys" };
            self.state.say(format!("{} does nothing here: {help}", keys::shown(&key.to_string())), is_error);
            return Effect::Changed;
        };
        let effect = match (event, action.message_without_effect()) {
            (Event::Key(_), Some(why)) => self.update_or_say(action, why),
            _ => self.update(action),
        };
        if let Some((doing, _)) = &self.task {
            self.state.say(format!("{doing}: Esc stops this"), is_error);
        }
        effect
    }

    /// Does the same as [`Self::update`]. If the screen does not change, shows the message `why`.
    fn update_or_say(&mut self, action: Action, why: &str) -> Effect {
        self.state.message = None;
        let size = self.screen.map(|screen| (screen.width, screen.height));
        let frame = |driver: &Self| size.map(|size| driver.frame(&RenderOptions::default(), size));
        let before = frame(self);
        let effect = self.update(action);
        if before.is_some() && self.state.message.is_none() && frame(self) == before {
            self.state.say(why, false);
        }
        effect
    }

    /// Applies an action to the state, and fulfils the request that it returns.
    fn update(&mut self, action: Action) -> Effect {
        let effect = self.do_action(action);
        self.keep_edits();
        effect
    }

    fn do_action(&mut self, action: Action) -> Effect {
        match app::update(&mut self.state, action) {
            None => {
                // the largest scroll offset of the overlay is that at which its last line is visible
                if let Some(end) = self.screen.and_then(|screen| ui::overlay::max_scroll(&self.state, screen)) {
                    app::update(&mut self.state, Action::ScrollAtMost(end));
                }
            }
            Some(request) => return self.fulfil(request),
        }
        Effect::Changed
    }

    fn fulfil(&mut self, request: Request) -> Effect {
        match request {
            Request::Quit => return Effect::Quit,
            Request::Open(name) => self.open(name),
            Request::Reload { keeps_edits } => self.reload(keeps_edits),
            Request::CompareGradients(path) => self.compare_gradients(&path),
            Request::CompareLosses(name) => self.compare_losses(name),
            Request::Copy(text) => self.copied = Some(text),
            Request::Write { path, then } => {
                if self.write(path.as_deref())
                    && let Some(then) = then
                {
                    return self.fulfil(*then);
                }
            }
        }
        Effect::Changed
    }

    /// Returns the network of the current step.
    fn network(&self) -> Option<&Network> {
        self.state.trace_and_position().map(|(trace, at)| trace.network_of(at.run_index))
    }

    /// Returns the action of a click on a step or an entry: it goes there. `None` if the focus is not on the stepper itself, or if the network of the current
    /// step has no such entry.
    fn click_action(&self, at: &Address) -> Option<Action> {
        let network = self.network().filter(|_| matches!(self.state.focus(), Focus::Normal | Focus::Cursor | Focus::Answer))?;
        let (name, index) = match &at.location {
            Location::Step(k) => return Some(Action::GoToStep(*k)),
            // the two parts of the tensor's name. `2:loss`, the name of a tensor in the batch's network, is parsed as the scope `2:` and the name `loss`
            Location::Op { scope, name, index, .. } => (format!("{scope}{name}"), index.as_deref().unwrap_or_default()),
            // `loss` is also a special address, but here it is the name of the tensor
            Location::Loss => ("loss".to_owned(), &[][..]),
            _ => return None,
        };
        let tensor = network.find(&name)?;
        let entry = ravel(index, &network.tensor(tensor).shape)?;
        Some(Action::GoToEntry(tensor, entry))
    }

    /// Returns the event of a click on a cell of the screen. For a step or an entry, the event has the address.
    #[must_use]
    pub fn click_event(&self, options: &RenderOptions, screen: Rect, column: u16, row: u16) -> Event {
        let place = match ui::click(&self.state, options, screen, column, row) {
            None => return Event::Miss,
            Some(ClickTarget::Key(key)) => return Event::Key(key),
            Some(ClickTarget::Row(row)) => return Event::Row(row as u64),
            Some(ClickTarget::Step(step)) => Location::Step(step),
            Some(ClickTarget::Entry(tensor, entry)) => {
                let Some(info) = self.network().map(|network| network.tensor(tensor)) else { return Event::Miss };
                let index = unravel(entry, &info.shape);
                let index = (!index.is_empty()).then_some(index);
                Location::Op { scope: Scope::Any, name: info.name.to_string(), index, term: None }
            }
        };
        Event::Click(place.into())
    }

    /// Draws the state into a frame with these columns and rows.
    #[must_use]
    pub fn frame(&self, options: &RenderOptions, (columns, rows): (u16, u16)) -> Buffer {
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        ui::render(&self.state, options, area, &mut buffer);
        buffer
    }
}

/// Rounds a time up to a whole millisecond.
pub(super) fn round_up(time: Duration) -> Duration {
    let rounded_down = as_recorded(time);
    if rounded_down < time { rounded_down + Duration::from_millis(1) } else { rounded_down }
}
