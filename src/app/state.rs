//! The state of the program.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::motion::Motion;
use super::{Document, Job, Message, Mode, Overlay, OverlayKind, Picker, Prompt, ScenarioEntry, Settings, Stepper};
use crate::step::Address;
use crate::trace::{Position, Trace};

/// The screen: the picker or the stepper.
#[derive(Clone, Debug)]
pub enum Screen {
    /// The list of scenarios.
    Picker(Picker),
    /// An open scenario.
    Stepper(Box<Stepper>),
}

impl Default for Screen {
    fn default() -> Self {
        Self::Picker(Picker::default())
    }
}

/// The focus of the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Focus {
    /// The list of scenarios.
    Picker,
    /// The stepper in its normal mode.
    Normal,
    /// The address line of the stepper.
    Prompt,
    /// The overlay.
    Overlay,
}

/// Everything that the screen shows.
#[derive(Clone, Debug)]
pub struct State {
    /// The screen: the picker or the stepper.
    pub screen: Screen,
    /// The text over the screen.
    pub overlay: Option<Overlay>,
    /// The scenarios in the picker.
    pub offers: Arc<Vec<ScenarioEntry>>,
    /// Choices that outlive the open scenario.
    pub settings: Settings,
    /// The sentence in the status line.
    pub message: Option<Message>,
    /// The time of the last event.
    pub now: Duration,
}

impl State {
    /// The picker over these scenarios.
    #[must_use]
    pub fn picker(offers: Vec<ScenarioEntry>) -> Self {
        Self {
            screen: Screen::default(),
            overlay: None,
            offers: Arc::new(offers),
            settings: Settings::default(),
            message: None,
            now: Duration::ZERO,
        }
    }

    /// Opens a scenario at step `at`; without it, at the scenario's own start or on the way there.
    pub fn open(&mut self, document: Arc<Document>, at: Option<u64>) {
        let start = document.scenario.start.clone().filter(|_| at.is_none());
        let notes = document.scenario.notes.is_some();
        // so that the first key of the address line takes no longer than the others
        let _ = document.names();
        self.screen = Screen::Stepper(Box::new(Stepper::new(document, at.unwrap_or(1))));
        self.overlay = None;
        self.message = None;
        if let Some(Err(why)) = start.map(|start| self.set_out(start)) {
            self.say(why, true);
        } else if notes && self.message.is_none() {
            self.say("n: what to look for in this scenario", false);
        }
    }

    /// The focus of the keyboard: the overlay before anything below it, then the screen, and in the stepper its mode.
    #[must_use]
    pub fn focus(&self) -> Focus {
        match (&self.overlay, &self.screen) {
            (Some(_), _) => Focus::Overlay,
            (None, Screen::Picker(_)) => Focus::Picker,
            (None, Screen::Stepper(stepper)) => match stepper.mode {
                Mode::Normal => Focus::Normal,
                Mode::Prompt(_) => Focus::Prompt,
            },
        }
    }

    /// The open scenario's stepper, also while the picker covers it.
    #[must_use]
    pub fn stepper(&self) -> Option<&Stepper> {
        match &self.screen {
            Screen::Picker(picker) => picker.over.as_deref(),
            Screen::Stepper(stepper) => Some(stepper),
        }
    }

    pub(super) fn stepper_mut(&mut self) -> Option<&mut Stepper> {
        match &mut self.screen {
            Screen::Picker(picker) => picker.over.as_deref_mut(),
            Screen::Stepper(stepper) => Some(stepper),
        }
    }

    /// The stepper with the parts of the state that its moves read and write.
    pub(super) fn motion(&mut self) -> Option<Motion<'_>> {
        let stepper = match &mut self.screen {
            Screen::Picker(picker) => picker.over.as_deref_mut()?,
            Screen::Stepper(stepper) => stepper,
        };
        Some(Motion { stepper, settings: &mut self.settings, message: &mut self.message, now: self.now })
    }

    /// The address line, if the stepper is in that mode.
    #[must_use]
    pub fn prompt(&self) -> Option<&Prompt> {
        match &self.stepper()?.mode {
            Mode::Prompt(prompt) => Some(prompt),
            Mode::Normal => None,
        }
    }

    /// The open scenario.
    #[must_use]
    pub fn document(&self) -> Option<&Arc<Document>> {
        self.stepper().map(|stepper| &stepper.document)
    }

    /// The work in progress.
    #[must_use]
    pub fn job(&self) -> Option<&Job> {
        self.stepper()?.job.as_ref()
    }

    /// When the next unit of play is due: when the state changes by itself.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        self.stepper()?.play
    }

    /// The trace, and the position of the step on the screen.
    #[must_use]
    pub fn here(&self) -> Option<(&Trace, Position)> {
        self.stepper()?.here()
    }

    /// Puts a sentence into the status line.
    pub fn say(&mut self, text: impl AsRef<str>, fault: bool) {
        self.message = Some(Message::new(text.as_ref(), fault));
    }

    /// Goes to an address: at once, or by a job if its iteration is far.
    ///
    /// # Errors
    /// As [`Document::find`].
    pub fn set_out(&mut self, address: Address) -> Result<(), String> {
        self.motion().map_or(Ok(()), |mut motion| motion.set_out(address))
    }

    /// Whether the next piece of the job is short, or done within this time. A long one is done by another thread, which goes on after that time.
    pub fn is_ready_within(&mut self, wait: Duration) -> bool {
        self.stepper_mut().is_none_or(|stepper| stepper.is_ready_within(wait))
    }

    /// Opens the picker on the scenario that is open.
    pub(super) fn pick(&mut self) {
        let open = self.document().map(|document| &document.scenario);
        let is_open = |offer: &ScenarioEntry| {
            let name = offer.name.strip_suffix(".toml").unwrap_or(&offer.name);
            open.is_some_and(|open| name == open.name && offer.title == open.title)
        };
        let selected = self.offers.iter().position(is_open).unwrap_or(0);
        let over = match mem::take(&mut self.screen) {
            Screen::Picker(picker) => picker.over,
            Screen::Stepper(stepper) => Some(stepper),
        };
        self.screen = Screen::Picker(Picker { selected, over });
    }

    /// The scenario that is selected in the picker.
    #[must_use]
    pub fn selected(&self) -> Option<&ScenarioEntry> {
        match &self.screen {
            Screen::Picker(picker) => self.offers.get(picker.selected),
            Screen::Stepper(_) => None,
        }
    }

    /// Moves the picker's selection by this number of rows.
    pub(super) fn select(&mut self, rows: i16) {
        if let Screen::Picker(picker) = &mut self.screen {
            picker.scroll(rows, self.offers.len());
        }
    }

    /// Returns from the picker to the stepper that it covers, if there is one.
    pub(super) fn uncover(&mut self) {
        if let Screen::Picker(picker) = &mut self.screen
            && let Some(stepper) = picker.over.take()
        {
            self.screen = Screen::Stepper(stepper);
        }
    }

    /// Opens an overlay, or closes it if it is open.
    pub(super) fn toggle(&mut self, kind: OverlayKind) {
        let has_notes = self.document().is_some_and(|document| document.scenario.notes.is_some());
        if kind == OverlayKind::Notes && !has_notes {
            return self.say("this scenario has no notes", false);
        }
        self.overlay = match self.overlay {
            Some(open) if open.kind == kind => None,
            _ => Some(Overlay::new(kind)),
        };
    }
}
