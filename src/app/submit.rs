//! The key Enter in the prompt. It goes to the address, runs the command, begins the search or takes the typed number.

use std::sync::Arc;

use super::command::{CommandArgument, TypedCommand, TypedCommandKind};
use super::prediction::LooksAhead;
use super::prompt::Meaning;
use super::stepper_context::StepperContext;
use super::{Action, Cursor, ListKind, Mode, OverlayKind, Request, SPEEDS, State};
use crate::step::{Address, TensorEntry};

impl State {
    /// Does what the text of the prompt means, and closes the prompt. If the text is unknown or incomplete, the prompt stays open.
    pub(super) fn submit(&mut self) -> Option<Request> {
        let stepper = self.stepper_mut()?;
        let shown = Arc::clone(stepper.shown());
        let Mode::Prompt(prompt) = &mut stepper.mode else { return None };
        let meaning = prompt.meaning(&shown);
        let is_incomplete = match &meaning {
            Meaning::Unknown => true,
            Meaning::TypedCommand(command, argument) => command.needs_argument() && argument.is_empty(),
            _ => false,
        };
        if is_incomplete {
            prompt.is_refused = true;
            return None;
        }
        if let Meaning::Value(number, text) = meaning {
            match self.context()?.set_typed(number, &text) {
                Ok(()) => self.stepper_mut()?.mode = Mode::Normal,
                Err(why) => self.context()?.refuse(why),
            }
            return None;
        }
        if let Meaning::Answer(text) = meaning {
            self.with_context(|context| context.judge(&text));
            return None;
        }
        stepper.mode = Mode::Normal;
        match meaning {
            Meaning::Nothing | Meaning::Unknown | Meaning::Value(..) | Meaning::Answer(_) => {}
            Meaning::NoOp(word) => self.say(format!("this scenario has no op for {word}: the key M shows what it has"), false),
            Meaning::Address(text) => self.with_context(|context| context.go_to_typed(&text)),
            Meaning::Search(text) => self.with_context(|context| context.search(&text)),
            Meaning::Action(action) => return self.user_action(action),
            Meaning::TypedCommand(command, argument) => return self.execute(command, &argument),
        }
        None
    }

    /// Runs a typed command.
    fn execute(&mut self, command: &TypedCommand, argument: &str) -> Option<Request> {
        if command.argument == CommandArgument::Nothing && !argument.is_empty() {
            self.say(format!("{} takes no argument", command.name), true);
            return None;
        }
        // while prediction is on, the user is warned once before a command that shows later numbers
        let looks_ahead = matches!(command.kind, TypedCommandKind::Set | TypedCommandKind::NotFinite);
        if looks_ahead && self.warns_of(LooksAhead::Line(format!("{} {argument}", command.name))) {
            return None;
        }
        match command.kind {
            TypedCommandKind::Quit => return self.user_action(Action::Quit),
            TypedCommandKind::DiscardAndQuit => {
                self.request_after_edits = Some(Request::Quit);
                return self.user_action(Action::DiscardAndLeave);
            }
            TypedCommandKind::Open if argument.is_empty() => return Some(Request::Reload { keeps_edits: true }),
            TypedCommandKind::DiscardAndOpen if argument.is_empty() => return Some(Request::Reload { keeps_edits: false }),
            TypedCommandKind::DiscardAndOpen => {
                self.request_after_edits = Some(Request::Open(argument.to_owned()));
                return self.user_action(Action::DiscardAndLeave);
            }
            TypedCommandKind::Set => self.with_context(|context| context.set_number(argument)),
            TypedCommandKind::Write => return self.write_edits(path_in(argument), None),
            TypedCommandKind::WriteAndQuit => return self.write_edits(path_in(argument), Some(Request::Quit)),
            TypedCommandKind::Open => return self.leave(Request::Open(argument.to_owned())),
            TypedCommandKind::Breaks => self.toggle(OverlayKind::List(ListKind::Breaks)),
            TypedCommandKind::Speed => self.set_speed(argument),
            TypedCommandKind::Watch => self.with_context(|context| context.watch(argument)),
            TypedCommandKind::Mark => self.with_context(|context| context.mark(argument)),
            TypedCommandKind::Index => self.set_first_index(argument),
            TypedCommandKind::Score => self.show_or_reset_score(argument),
            TypedCommandKind::CompareLosses if argument.is_empty() => self.forget_compared_losses(),
            TypedCommandKind::CompareLosses => return Some(Request::CompareLosses(argument.to_owned())),
            TypedCommandKind::CompareGradients if argument.is_empty() => self.toggle(OverlayKind::List(ListKind::Comparison)),
            TypedCommandKind::CompareGradients => return Some(Request::CompareGradients(argument.to_owned())),
            TypedCommandKind::Break => self.with_context(|context| context.set_breakpoint(argument)),
            TypedCommandKind::Delete => self.with_context(|context| context.delete_breakpoint(argument)),
            TypedCommandKind::NotFinite => self.context().iter_mut().for_each(StepperContext::search_not_finite),
        }
        None
    }

    /// Calls `act` with the context, if a scenario is open.
    fn with_context(&mut self, act: impl FnOnce(&mut StepperContext<'_>)) {
        if let Some(mut context) = self.context() {
            act(&mut context);
        }
    }

    /// Sets the first index of subscripts, headings and channels.
    fn set_first_index(&mut self, text: &str) {
        let first = match text {
            "0" => 0,
            "1" => 1,
            _ => return self.say("write index 0 or index 1", true),
        };
        self.settings.count_from(first);
        self.say(format!("subscripts, headings and channels count from {first}"), false);
    }

    /// Sets the speed of play.
    fn set_speed(&mut self, text: &str) {
        let wanted: Option<f64> = text.parse().ok();
        let Some(speed) = SPEEDS.iter().position(|speed| Some(*speed) == wanted) else {
            let all: Vec<String> = SPEEDS.iter().map(ToString::to_string).collect();
            return self.say(format!("the speeds are {}", all.join(", ")), true);
        };
        self.settings.speed = speed;
        self.say(format!("play speed: {text} units a second"), false);
    }
}

/// Returns the path in the argument of a command; `None` for an empty argument.
fn path_in(argument: &str) -> Option<String> {
    (!argument.is_empty()).then(|| argument.to_owned())
}

impl StepperContext<'_> {
    /// Refuses the typed text for a reason. The prompt stays open, with the reason above it.
    pub(super) fn refuse(&mut self, why: impl AsRef<str>) {
        if let Mode::Prompt(prompt) = &mut self.stepper.mode {
            prompt.is_refused = true;
        }
        self.say(why, true);
    }

    /// Watches an entry of this sample or of the batch, or stops watching it.
    fn watch(&mut self, text: &str) {
        let document = Arc::clone(&self.stepper.document);
        let Some(scene) = document.scene(self.stepper.step) else { return };
        match scene.find_entry(text) {
            Ok(entry) => {
                let (address, is_watched) = self.stepper.watches.toggle(&scene, entry);
                self.report_watch(&address, is_watched);
            }
            Err(why) => self.say(why, true),
        }
    }

    /// Bookmarks the step on the screen with a name.
    fn mark(&mut self, name: &str) {
        let Some(here) = self.stepper.address_here() else { return };
        self.stepper.bookmarks.remove(&here);
        self.say(format!("bookmarked {here} as {name}: the key ' lists all bookmarks"), false);
        self.stepper.bookmarks.add(here, Some(name.to_owned()));
    }

    /// Goes to a typed address.
    fn go_to_typed(&mut self, text: &str) {
        self.stepper.play = None;
        if let Err(why) = text.parse::<Address>().map_err(|why| why.to_string()).and_then(|address| self.jump_to(address)) {
            self.say(why, true);
        }
    }

    /// Puts the cursor on an entry that no step computes, such as a weight, at the first step that reads it. Does nothing for `None`.
    pub(super) fn inspect_given(&mut self, entry: Option<TensorEntry>) {
        let document = Arc::clone(&self.stepper.document);
        let Some((TensorEntry { tensor, at }, scene)) = entry.zip(document.scene(self.stepper.step)) else { return };
        self.stepper.cursor = Some(Cursor::on(&scene, tensor, at));
        let name = scene.name(tensor, at);
        self.say(format!("{name} is given: this is the first step that reads it; r lists all uses, Esc closes the cursor"), false);
    }
}
