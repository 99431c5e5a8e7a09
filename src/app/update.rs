//! [`update`], which applies an action to the state of the program, and the short actions. `motion.rs` does the moves, `work.rs` the jobs.

use std::sync::Arc;

use super::predicting::looks_ahead;
use super::prediction::LooksAhead;
use super::stepper_context::StepperContext;
use super::{
    Action, CopyFormat, FileChange, Focus, Job, ListKind, Mode, NetworkMap, Overlay, OverlayKind, Prompt, PromptKind, Request, Screen,
    Setting, State,
};
use crate::text::cut;

/// The largest number that can be typed before a key. A larger one is reduced to it.
const MAX_COUNT: u64 = 999_999_999_999;
/// The largest width, in cells, of a copied text in the message `copied: …`. A longer text is cut.
const COPIED_TEXT_WIDTH: usize = 60;

/// Changes the state by an action. Returns a request if the caller has to do something, such as open a scenario or end the program.
pub fn update(state: &mut State, action: Action) -> Option<Request> {
    let request = state.apply(action);
    state.close_overlay_of_old_network();
    state.show_check_result();
    state.ask_prediction_at_new_step();
    request
}

impl State {
    /// Does an action.
    fn apply(&mut self, action: Action) -> Option<Request> {
        match action {
            Action::Clock(now) => {
                self.now = self.now.max(now);
                self.context().iter_mut().for_each(StepperContext::play_if_due);
            }
            Action::JobIterations(iterations) => self.context().iter_mut().for_each(|context| context.advance_job(iterations, u64::MAX)),
            Action::JobPieces(pieces) => self.context().iter_mut().for_each(|context| context.advance_job(u64::MAX, pieces)),
            Action::ScrollAtMost(lines) => {
                if let Some(overlay) = &mut self.overlay {
                    overlay.scroll = overlay.scroll.min(lines);
                }
            }
            Action::Halt => {
                if let Some(stepper) = self.stepper_mut() {
                    (stepper.play, stepper.job) = (None, None);
                }
            }
            user_action => return self.user_action(user_action),
        }
        None
    }

    /// Opens the result of a gradient check as a list. If an overlay, the prompt or the picker is open, the result waits until they are closed.
    fn show_check_result(&mut self) {
        if matches!(self.focus(), Focus::Normal | Focus::Cursor)
            && let Some(result) = self.stepper_mut().and_then(|stepper| stepper.check_result.take())
        {
            self.overlay = Some(Overlay::list(OverlayKind::Check, result));
        }
    }

    /// Copies a text about the entry under the cursor. Without a cursor, it is about the entry of the step.
    fn copy(&mut self, format: CopyFormat) -> Option<Request> {
        let stepper = self.stepper()?;
        let scene = stepper.scene()?;
        match format.text(stepper, &scene, stepper.subject(&scene)) {
            Ok(text) => {
                self.say(format!("copied: {}", cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), COPIED_TEXT_WIDTH)), false);
                Some(Request::Copy(text))
            }
            Err(why) => {
                self.say(why, false);
                None
            }
        }
    }

    /// Clears the count and the message of the last action, and does an action of a key, a click or the wheel.
    pub(super) fn user_action(&mut self, action: Action) -> Option<Request> {
        let count = self.stepper_mut().and_then(|stepper| stepper.count.take());
        self.message = None;
        let keeps_waiting =
            matches!(action, Action::EditNumber(_) | Action::MoveCursor(_) | Action::NextMatrix(_) | Action::Channel(_) | Action::Say(_));
        if !keeps_waiting {
            // after the key `e`, a typed digit begins the new value. Any other action than these ends this, so that a digit is a count again
            self.stepper_mut().into_iter().for_each(|stepper| stepper.awaits_value = false);
        }
        let accepts_count = action.accepts_count();
        // `0G` has a message of its own, a digit continues the number, and closing and quitting need no message
        if count == Some(0) && accepts_count && !matches!(action, Action::Last | Action::Digit(_) | Action::Close | Action::Quit) {
            self.say("a number before a key says how often the key acts: at least 1", false);
            return None;
        }
        let request = self.act(action, count);
        if let Some(count) = count.filter(|_| !accepts_count && self.message.is_none()) {
            self.say(format!("the number {count} before this key does nothing"), false);
        }
        request
    }

    /// Does an action for [`Self::user_action`]. `count` is the number typed before the key. With prediction on, warns first of an action that can show numbers
    /// of later steps; repeating the action does it.
    fn act(&mut self, action: Action, count: Option<u64>) -> Option<Request> {
        if looks_ahead(&action) && self.warns_of(LooksAhead::Action(action.clone())) {
            return None;
        }
        match action {
            Action::Digit(digit) => {
                if let Some(stepper) = self.stepper_mut() {
                    stepper.count = Some((count.unwrap_or(0) * 10 + u64::from(digit)).min(MAX_COUNT));
                }
            }
            Action::Quit => return self.leave(Request::Quit),
            Action::QuitAtOnce => return Some(Request::Quit),
            Action::DiscardAndLeave => {
                self.stepper_mut().into_iter().for_each(|stepper| stepper.edits.discard());
                return self.request_after_edits.take();
            }
            Action::RestoreEdits => {
                let old = self.stepper_mut().and_then(|stepper| stepper.old_edits.take());
                self.context().iter_mut().zip(old).for_each(|(context, old)| context.restore_edits(&old));
            }
            Action::DiscardOldEdits => self.stepper_mut().into_iter().for_each(|stepper| stepper.old_edits = None),
            Action::WriteEdits => return self.write_edits(None, None),
            Action::WriteAndLeave => {
                let then = self.request_after_edits.take();
                return self.write_edits(None, then);
            }
            Action::ToggleOverlay(kind) => self.toggle(kind),
            Action::Scroll(lines) => self.scroll(lines),
            Action::Page(pages) => {
                let page_lines = if matches!(self.focus(), Focus::Normal | Focus::Cursor) { 5 } else { 10 }; // rows of the matrices, or other lines
                self.scroll(pages * page_lines);
            }
            Action::Close => self.close(),
            Action::OpenPicker => self.open_picker(),
            Action::Accept => return self.accept(),
            Action::ScrollMatrices(distance) => match self.focus() {
                Focus::Normal | Focus::Cursor => self.stepper_mut().into_iter().for_each(|stepper| stepper.scroll_by(distance)),
                Focus::Curve => self.move_marker(distance[1].into()),
                _ => self.say("this does not scroll sideways", false),
            },
            Action::Choose(row) => return self.choose_row(row),
            Action::FollowLine { back } => {
                if self.map_mut().is_some_and(|map| !map.follow(back)) {
                    self.say(if back { "this block reads no other" } else { "no other block reads this one" }, false);
                }
            }
            Action::ToggleFold => self.toggle_fold(),
            Action::CycleSetting(setting, count) => self.cycle_setting(setting, count),
            Action::Copy(format) => return self.copy(format),
            Action::Say(sentence) => self.say(sentence, false),
            Action::CopyCommandLine(arguments) => return self.copy_command_line(arguments),
            // this action is only in recordings of format 1
            Action::OpenPrompt => self.open_prompt(PromptKind::Addresses),
            Action::OpenPalette(commands) => self.open_prompt(PromptKind::Palette(commands)),
            Action::OpenSearch => self.open_prompt(PromptKind::Search),
            Action::FirstDifference
            | Action::NextMatch(_)
            | Action::ToggleBreakpoint
            | Action::ContinueToBreakpoint(_)
            | Action::GoToBreakpoint(_) => {
                self.context().iter_mut().for_each(|context| context.do_search_action(&action, count));
            }
            Action::TogglePrediction => self.toggle_prediction(),
            Action::ShowAnswer => self.context().iter_mut().for_each(StepperContext::show_the_answer),
            Action::EditPrompt(edit) if self.focus() == Focus::Filter => self.edit_filter(edit),
            Action::EditPrompt(_) | Action::Complete | Action::CompleteBack => {
                if let Some(stepper) = self.stepper_mut() {
                    stepper.edit_prompt(&action);
                }
            }
            Action::MoveMarker(_) | Action::RunOrPauseDescent => self.act_on_curve(&action, count),
            Action::First | Action::Last if self.focus() == Focus::Curve => self.act_on_curve(&action, count),
            stepper_action => {
                if let Some(mut context) = self.context() {
                    context.do_action(&stepper_action, count);
                }
            }
        }
        None
    }

    /// Returns whether the open scenario has unsaved edits.
    fn has_unsaved_edits(&self) -> bool {
        self.stepper().is_some_and(|stepper| stepper.edits.are_unsaved())
    }

    /// Returns a request that leaves the open scenario. If there are unsaved edits, stores the request and asks about the edits first.
    pub(super) fn leave(&mut self, request: Request) -> Option<Request> {
        if !self.has_unsaved_edits() {
            return Some(request);
        }
        self.request_after_edits = Some(request);
        let question = OverlayKind::List(ListKind::Unsaved);
        if self.overlay.as_ref().is_some_and(|overlay| overlay.kind == question) {
            self.say("there are unsaved edits: choose a row, or Esc to go on", false);
        } else {
            self.overlay = None;
            self.toggle(question);
        }
        None
    }

    /// Offers the unsaved edits of an earlier session.
    pub fn offer_edits(&mut self, edits: Vec<(String, f64)>) {
        if let Some(stepper) = self.stepper_mut() {
            stepper.old_edits = Some(edits);
            self.toggle(OverlayKind::List(ListKind::OldEdits));
        }
    }

    /// Returns the request to write the edits to the file `path`, or to the scenario's own file if `path` is `None`. After that, the caller fulfils the request
    /// `then`. If there is nothing to write, returns `then`; if that is `None` too, shows a message.
    pub(super) fn write_edits(&mut self, path: Option<String>, then: Option<Request>) -> Option<Request> {
        let stepper = self.stepper()?;
        let is_file_deleted = stepper.file_change == Some(FileChange::Deleted);
        if stepper.edits.done().is_empty() && !stepper.edits.are_unsaved() && path.is_none() && !is_file_deleted {
            if then.is_some() {
                return then;
            }
            self.say("there is no edit to write: e edits the number under the cursor", false);
            return None;
        }
        Some(Request::Write { path, then: then.map(Box::new) })
    }

    /// Records that the edits are written to a file, and shows the message `sentence` about it.
    pub fn edits_are_written(&mut self, sentence: &str) {
        if let Some(stepper) = self.stepper_mut() {
            stepper.edits.mark_written();
        }
        self.say(sentence, false);
    }

    /// Moves a setting forward by `count` choices. If the screen does not show the new choice, a message names it.
    fn cycle_setting(&mut self, setting: Setting, count: i64) {
        self.settings.cycle(setting, count);
        match setting {
            // the screen shows the choice of these settings
            Setting::Pane | Setting::Zoom | Setting::LogScale | Setting::ParameterPath => {}
            Setting::HeatMap if self.settings.is_on(setting) => self.say("matrices that do not fit are drawn as heat maps", false),
            Setting::HeatMap => self.say("matrices are drawn as numbers", false),
            Setting::SkipZeros if self.settings.is_on(setting) => self.say("l, h, s and S skip products that are 0", false),
            Setting::Index if self.settings.is_on(setting) => self.say("subscripts, headings and channels count from 0", false),
            Setting::Index => self.say("subscripts, headings and channels count from 1", false),
            Setting::SkipZeros => self.say("l, h, s and S stop at products that are 0 too", false),
        }
    }

    /// Opens or closes a fold: [`Action::ToggleFold`].
    fn toggle_fold(&mut self) {
        let tensor = self.map_mut().and_then(|map| map.blocks.get(map.selected)).map(|block| block.tensor);
        let Some(stepper) = self.stepper_mut() else { return };
        let sentence = stepper.toggle_fold(tensor);
        if tensor.is_some() {
            let blocks = Arc::new(NetworkMap::blocks_of(stepper));
            if let Some(map) = self.map_mut() {
                map.replace(blocks);
            }
        }
        self.say(sentence, false);
    }

    /// Opens the prompt at the bottom of the stepper. In the picker, a search opens the filter, and any other kind only shows a message.
    fn open_prompt(&mut self, kind: PromptKind) {
        while self.overlay.is_some() {
            self.close();
        }
        match &mut self.screen {
            Screen::Stepper(stepper) => {
                // play stops, so that the step on the screen stays while the user types
                stepper.play = None;
                stepper.mode = Mode::Prompt(Prompt::new(kind));
            }
            Screen::Picker(picker) if kind == PromptKind::Search => picker.filter = Some(Prompt::new(PromptKind::Filter)),
            Screen::Picker(_) => self.say("commands and searches are for an open scenario: Enter opens the selected one", false),
        }
    }

    /// Closes the part of the screen with the focus: [`Action::Close`].
    pub(super) fn close(&mut self) {
        match self.focus() {
            Focus::Curve => {
                self.overlay = None;
                if let Some(stepper) = self.stepper_mut() {
                    stepper.job.take_if(|job| matches!(job, Job::Train(_)));
                }
            }
            Focus::Overlay | Focus::List | Focus::Map => {
                self.overlay = self.overlay.take().and_then(|overlay| overlay.below).map(|below| *below);
            }
            Focus::Picker => self.close_picker(),
            Focus::Filter => self.end_filter(),
            Focus::Cursor => self.stepper_mut().into_iter().for_each(|stepper| stepper.cursor = None),
            Focus::Prompt | Focus::Answer => self.stepper_mut().into_iter().for_each(|stepper| stepper.mode = Mode::Normal),
            Focus::Normal => self.context().iter_mut().for_each(StepperContext::stop_job_and_play),
        }
    }

    /// Does what Enter does in the part of the screen with the focus: [`Action::Accept`].
    fn accept(&mut self) -> Option<Request> {
        match self.focus() {
            Focus::Overlay => self.close(),
            Focus::List => return self.choose_list_row(),
            Focus::Map => return self.choose_block(),
            Focus::Picker | Focus::Filter => {
                let Some(selected) = self.selected_scenario() else {
                    self.say("no scenario has these words", false);
                    return None;
                };
                let open = Request::Open(selected.name.clone());
                return self.leave(open);
            }
            Focus::Curve => self.go_to_marker(),
            Focus::Prompt | Focus::Answer => return self.submit(),
            Focus::Normal | Focus::Cursor => {}
        }
        None
    }

    /// Does [`Action::Choose`].
    fn choose_row(&mut self, row: usize) -> Option<Request> {
        let overlay = self.overlay.as_mut().map(|overlay| (&mut overlay.list, &mut overlay.map));
        match (overlay, &mut self.screen) {
            (Some((Some(list), _)), _) => list.selected = row.min(list.rows.len().saturating_sub(1)),
            (Some((None, Some(map))), _) => map.selected = row.min(map.blocks.len().saturating_sub(1)),
            // a row of a curve is an iteration
            (Some(_), _) => {
                self.put_marker(row as u64);
                return None;
            }
            (None, Screen::Picker(picker)) => picker.selected = row.min(self.scenarios.len().saturating_sub(1)),
            (None, Screen::Stepper(stepper)) => stepper.choose_completion(row)?,
        }
        self.accept()
    }

    /// Closes the list, and does the action of its selected row.
    fn choose_list_row(&mut self) -> Option<Request> {
        let list = self.overlay.take()?.list?;
        let action = list.rows.get(list.selected)?.action.clone()?;
        self.user_action(action)
    }

    /// Closes the map, and goes to the selected block.
    fn choose_block(&mut self) -> Option<Request> {
        let map = self.overlay.take()?.map?;
        match map.step(self.stepper()?) {
            Some(step) => return self.user_action(Action::GoToStep(step)),
            None => self.say("no step computes or reads this block", false),
        }
        None
    }

    /// Does an action on the open curve. `count` is the number typed before the key.
    fn act_on_curve(&mut self, action: &Action, count: Option<u64>) {
        match action {
            Action::MoveMarker(by) => {
                let times = count.map_or(1, |count| i64::try_from(count).unwrap_or(i64::MAX));
                self.move_marker(by.saturating_mul(times));
            }
            Action::First => self.move_marker(i64::MIN),
            Action::Last => self.put_marker(count.unwrap_or(u64::MAX)),
            Action::RunOrPauseDescent => self.context().iter_mut().for_each(StepperContext::run_or_pause_descent),
            _ => {}
        }
    }

    /// Moves the marker of the open curve by a number of its points, back if negative.
    fn move_marker(&mut self, points: i64) {
        let curves = self.curves();
        if let (Some(curves), Some(marker)) = (curves, self.overlay.as_mut().and_then(|overlay| overlay.curve.as_mut())) {
            marker.move_by(points, &curves);
        }
    }

    /// Puts the marker of the open curve on the point that is nearest to an iteration.
    fn put_marker(&mut self, iteration: u64) {
        let nearest = self.curves().and_then(|curves| curves.nearest(iteration));
        if let (Some((iteration, _)), Some(marker)) = (nearest, self.overlay.as_mut().and_then(|overlay| overlay.curve.as_mut())) {
            marker.iteration = iteration;
        }
    }

    /// Closes the curve, and goes to the iteration of its marker.
    fn go_to_marker(&mut self) {
        let marker = self.overlay.as_ref().and_then(|overlay| overlay.curve);
        if let Some(marker) = marker {
            self.go_to_iteration(marker.iteration);
        }
    }

    /// Closes the curve, and goes to an iteration.
    fn go_to_iteration(&mut self, iteration: u64) {
        self.close();
        let last = self.stepper().map_or(1, |stepper| stepper.document.iterations());
        self.context().iter_mut().for_each(|context| context.jump_to_iteration(iteration.clamp(1, last)));
    }

    /// Returns the open map.
    fn map_mut(&mut self) -> Option<&mut NetworkMap> {
        self.overlay.as_mut()?.map.as_mut()
    }

    /// Scrolls the part of the screen with the focus: [`Action::Scroll`].
    fn scroll(&mut self, lines: i16) {
        match self.focus() {
            Focus::Overlay | Focus::List | Focus::Map => self.overlay.iter_mut().for_each(|overlay| overlay.scroll(lines)),
            Focus::Curve => self.move_marker(lines.into()),
            Focus::Picker | Focus::Filter => self.move_selection(lines),
            Focus::Prompt | Focus::Answer => {
                let next = if lines > 0 { Action::Complete } else { Action::CompleteBack };
                self.stepper_mut().into_iter().for_each(|stepper| stepper.edit_prompt(&next));
            }
            Focus::Normal | Focus::Cursor => self.stepper_mut().into_iter().for_each(|stepper| stepper.scroll_by([lines, 0])),
        }
    }
}
