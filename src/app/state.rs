//! The state of the program. It determines what each frame shows and what each key does.

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tui_input::InputRequest;

use super::lists;
use super::prompt::is_written_in_full;
use super::stepper_context::StepperContext;
use super::{
    Commands, CurveMarker, Document, Focus, Job, Message, Mode, NetworkMap, Overlay, OverlayKind, Picker, Prompt, PromptKind, Request,
    ScenarioEntry, Settings, Stepper,
};
use crate::step::{Address, Unit};
use crate::trace::{Position, Trace};

/// The screen: the picker or the stepper.
#[derive(Clone, Debug)]
pub enum Screen {
    /// The picker: the list of scenarios.
    Picker(Picker),
    /// The stepper: a step of an open scenario.
    Stepper(Box<Stepper>),
}

impl Default for Screen {
    fn default() -> Self {
        Self::Picker(Picker::default())
    }
}

/// The state of the program. [`super::update`] changes it, and the `ui` draws it.
#[derive(Clone, Debug)]
pub struct State {
    /// The screen: the picker or the stepper.
    pub screen: Screen,
    /// The open overlay.
    pub overlay: Option<Overlay>,
    /// The scenarios in the picker.
    pub scenarios: Arc<Vec<ScenarioEntry>>,
    /// The settings. They are kept when another scenario is opened.
    pub settings: Settings,
    /// The message in the status line.
    pub message: Option<Message>,
    /// The time of the last event, since the start of the program.
    pub now: Duration,
    /// A request, such as [`Request::Quit`], that waits until the user has decided about unsaved edits.
    pub(super) request_after_edits: Option<Request>,
}

impl State {
    /// Returns a state with the picker and these scenarios.
    #[must_use]
    pub fn picker(scenarios: Vec<ScenarioEntry>) -> Self {
        Self {
            screen: Screen::default(),
            overlay: None,
            scenarios: Arc::new(scenarios),
            settings: Settings::default(),
            message: None,
            now: Duration::ZERO,
            request_after_edits: None,
        }
    }

    /// Opens a scenario at step `at`. If `at` is `None`, goes to the start that the scenario file names, as [`Self::go_to`] does.
    pub fn open(&mut self, document: Arc<Document>, at: Option<u64>) {
        let start = document.scenario.start.clone().filter(|_| at.is_none());
        // the names are sorted now, so that the first key in the prompt is fast
        let _ = document.names();
        let mut stepper = Stepper::new(document, at.unwrap_or(1));
        stepper.unit = stepper.units().into_iter().rfind(|unit| *unit <= self.settings.start_unit).unwrap_or(Unit::Step);
        self.screen = Screen::Stepper(Box::new(stepper));
        self.overlay = None;
        self.message = None;
        if let Some(Err(why)) = start.map(|start| self.go_to(start)) {
            self.say(why, true);
        }
        self.greet();
    }

    /// Shows a hint about an open scenario, such as that this step is the start that the file names. Keeps a message that is not a hint.
    pub fn greet(&mut self) {
        let Some(stepper) = self.stepper().filter(|_| self.message.as_ref().is_none_or(|message| message.is_hint)) else { return };
        let scenario = &stepper.document.scenario;
        let start = scenario.start.as_ref().and_then(|start| stepper.document.trace.resolve(start).ok());
        let hint = match (start.is_some_and(|start| start == stepper.step && start > 1), scenario.notes.is_some()) {
            (true, true) => "the file's start; g: step 1, a: notes",
            (true, false) => "the file's start; g: step 1",
            (false, true) => "a: what to look for in this scenario",
            (false, false) if scenario.axes_remark.is_some() => "the file has its axes in another order; a: which",
            (false, false) => "",
        };
        self.message = (!hint.is_empty()).then(|| Message::hint(hint));
    }

    /// Returns the part of the screen that receives the keys: the overlay; if none is open, the picker; if it is not open, the stepper in its mode.
    #[must_use]
    pub fn focus(&self) -> Focus {
        self.overlay.as_ref().map_or_else(|| self.focus_of_screen(), Overlay::focus)
    }

    /// Returns the part of the screen that would receive the keys if no overlay were open.
    fn focus_of_screen(&self) -> Focus {
        match &self.screen {
            Screen::Picker(Picker { filter: Some(_), .. }) => Focus::Filter,
            Screen::Picker(_) => Focus::Picker,
            Screen::Stepper(stepper) => match stepper.mode {
                Mode::Normal if stepper.cursor.is_some() => Focus::Cursor,
                Mode::Normal => Focus::Normal,
                Mode::Prompt(ref prompt) if matches!(prompt.kind, PromptKind::Answer(_)) => Focus::Answer,
                Mode::Prompt(_) => Focus::Prompt,
            },
        }
    }

    /// Returns the part of the screen that receives the keys after the open overlay is closed.
    #[must_use]
    pub fn focus_below(&self) -> Focus {
        let below = self.overlay.as_ref().and_then(|overlay| overlay.below.as_ref());
        below.map_or_else(|| self.focus_of_screen(), |overlay| overlay.focus())
    }

    /// Returns the stepper, even if the picker covers it; `None` if no scenario is open.
    #[must_use]
    pub fn stepper(&self) -> Option<&Stepper> {
        match &self.screen {
            Screen::Picker(picker) => picker.stepper.as_deref(),
            Screen::Stepper(stepper) => Some(stepper),
        }
    }

    /// Returns the stepper mutably, even if the picker covers it.
    pub(super) fn stepper_mut(&mut self) -> Option<&mut Stepper> {
        match &mut self.screen {
            Screen::Picker(picker) => picker.stepper.as_deref_mut(),
            Screen::Stepper(stepper) => Some(stepper),
        }
    }

    /// Returns the stepper, with the other parts of the state that its actions read and write; `None` if no scenario is open.
    pub(super) fn context(&mut self) -> Option<StepperContext<'_>> {
        let stepper = match &mut self.screen {
            Screen::Picker(picker) => picker.stepper.as_deref_mut()?,
            Screen::Stepper(stepper) => stepper,
        };
        Some(StepperContext { stepper, settings: &mut self.settings, message: &mut self.message, now: self.now })
    }

    /// Returns the open prompt. It belongs to the picker's filter or to the stepper. An overlay or the picker may cover it.
    #[must_use]
    pub fn prompt(&self) -> Option<&Prompt> {
        if let Screen::Picker(Picker { filter: Some(filter), .. }) = &self.screen {
            return Some(filter);
        }
        match &self.stepper()?.mode {
            Mode::Prompt(prompt) => Some(prompt),
            Mode::Normal => None,
        }
    }

    /// Returns whether a text needs no completion: it is a full address, command or word of a topic (such as `stride`).
    #[must_use]
    pub fn is_palette_line(&self, commands: Commands, text: &str) -> bool {
        self.shown().is_some_and(|document| is_written_in_full(document, commands, text))
    }

    /// Returns the open scenario with the iteration as it is shown at the step on the screen.
    #[must_use]
    pub fn shown(&self) -> Option<&Arc<Document>> {
        self.stepper().map(Stepper::shown)
    }

    /// Returns the open scenario.
    #[must_use]
    pub fn document(&self) -> Option<&Arc<Document>> {
        self.stepper().map(|stepper| &stepper.document)
    }

    /// Returns the job in progress.
    #[must_use]
    pub fn job(&self) -> Option<&Job> {
        self.stepper()?.job.as_ref()
    }

    /// Returns the time at which the caller must pass an [`super::Action::Clock`] to [`super::update`], because play makes its next move then; `None` if play
    /// is paused.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        self.stepper()?.play
    }

    /// Returns the trace, and the position of the step on the screen.
    #[must_use]
    pub fn trace_and_position(&self) -> Option<(&Trace, Position)> {
        self.stepper()?.trace_and_position()
    }

    /// Shows a message in the status line.
    pub fn say(&mut self, text: impl AsRef<str>, is_error: bool) {
        self.message = Some(Message::new(text.as_ref(), is_error));
    }

    /// Goes to an address: in this iteration at once, in another one when a job has computed that iteration.
    ///
    /// # Errors
    /// As [`Document::open`].
    pub fn go_to(&mut self, address: Address) -> Result<(), String> {
        self.context().map_or(Ok(()), |mut context| context.go_to(address))
    }

    /// Starts the next piece of the job on the background thread if the piece is long, and waits for it, but not longer than this time. Returns whether the
    /// job can go on now: the piece is done, or it is short, so that this thread does it. Otherwise the background thread continues with the piece.
    pub fn can_continue_within(&mut self, wait: Duration) -> bool {
        self.stepper_mut().is_none_or(|stepper| stepper.can_continue_within(wait))
    }

    /// Opens the picker and selects the open scenario.
    pub(super) fn open_picker(&mut self) {
        let open = self.document().map(|document| &document.scenario);
        // the picker lists the path of a file, such as `lab/net.toml`, but the scenario's name is `net`
        let is_open = |scenario: &ScenarioEntry| {
            let name = Path::new(&scenario.name).file_stem().unwrap_or_default();
            open.is_some_and(|open| name == &*open.name && scenario.title == open.title)
        };
        let selected = self.scenarios.iter().position(is_open).unwrap_or(0);
        let stepper = match mem::take(&mut self.screen) {
            Screen::Picker(picker) => picker.stepper,
            Screen::Stepper(stepper) => Some(stepper),
        };
        self.screen = Screen::Picker(Picker { selected, filter: None, stepper });
    }

    /// Returns the scenario that is selected in the picker, if the picker is open and lists it.
    #[must_use]
    pub fn selected_scenario(&self) -> Option<&ScenarioEntry> {
        match &self.screen {
            Screen::Picker(picker) if picker.listed_indices(&self.scenarios).contains(&picker.selected) => {
                self.scenarios.get(picker.selected)
            }
            _ => None,
        }
    }

    /// Edits the text of the picker's filter. If the selected scenario is not listed any more, selects the first one.
    pub(super) fn edit_filter(&mut self, request: InputRequest) {
        if let Screen::Picker(picker) = &mut self.screen
            && let Some(filter) = &mut picker.filter
        {
            if filter.is_closed_by(request) {
                picker.filter = None;
            } else {
                filter.edit(request);
            }
            // selects a listed scenario
            picker.scroll(0, &self.scenarios);
        }
    }

    /// Moves the picker's selection down by this number of rows, up if negative.
    pub(super) fn move_selection(&mut self, rows: i16) {
        if let Screen::Picker(picker) = &mut self.screen {
            picker.scroll(rows, &self.scenarios);
        }
    }

    /// Closes the picker's filter, so that all scenarios are listed again.
    pub(super) fn end_filter(&mut self) {
        if let Screen::Picker(picker) = &mut self.screen {
            picker.filter = None;
        }
    }

    /// Closes the picker and returns to the stepper below it. Does nothing if no scenario is open.
    pub(super) fn close_picker(&mut self) {
        if let Screen::Picker(picker) = &mut self.screen
            && let Some(stepper) = picker.stepper.take()
        {
            self.screen = Screen::Stepper(stepper);
        }
    }

    /// Opens an overlay, or closes it if it is open.
    pub(super) fn toggle(&mut self, kind: OverlayKind) {
        let is_open = self.overlay.as_ref().is_some_and(|open| open.kind == kind);
        let opened = match kind {
            _ if is_open => return self.close(),
            OverlayKind::Help => Ok(Overlay { below: self.overlay.take().map(Box::new), ..Overlay::text(kind) }),
            OverlayKind::Notes
                if self.document().is_some_and(|document| document.scenario.notes.is_some() || document.scenario.axes_remark.is_some()) =>
            {
                Ok(Overlay::text(kind))
            }
            OverlayKind::Notes => Err("this scenario has no notes".to_owned()),
            // the job of the gradient check opens it
            OverlayKind::Check => return,
            OverlayKind::Map => match self.stepper() {
                Some(stepper) => NetworkMap::of(stepper).map(Overlay::map).ok_or_else(|| "there is no step".to_owned()),
                None => return,
            },
            OverlayKind::Curve => match self.stepper().map(|stepper| stepper.current_visit().iteration) {
                Some(iteration) => self.ask_for_curve().map(|()| Overlay::curve(CurveMarker { iteration })),
                None => return,
            },
            OverlayKind::List(list) => match self.stepper() {
                Some(stepper) => lists::build(list, stepper, &self.settings).map(|list| Overlay::list(kind, list)),
                None => return,
            },
        };
        match opened {
            Ok(overlay) => self.overlay = Some(overlay),
            Err(why) => self.say(why, false),
        }
    }
}
