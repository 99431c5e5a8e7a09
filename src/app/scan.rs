//! Searches and breakpoints: the actions of their keys, and the work of their jobs. A *scan* looks at the steps one op after another until it finds a match or
//! a breakpoint.

use std::sync::Arc;

use super::breakpoints::BreakpointSpec;
use super::job::{Job, MAX_SCAN_COST, Seek, SeekGoal};
use super::scan_job::{ScanGoal, ScanJob, ScanKind};
use super::stepper_context::StepperContext;
use super::{Action, Search};
use crate::scene::EntryState;
use crate::step::Unit;
use crate::trace::{Hit, Scanned, ValueTest};

/// The largest count before the keys of searches and breakpoints.
const MAX_REPEATS: u64 = 1_000_000;

impl StepperContext<'_> {
    /// Does an action that is about searches, breakpoints or wrong entries of the user's gradients. `count` is the number typed before the key.
    pub fn do_search_action(&mut self, action: &Action, count: Option<u64>) {
        let times = count.unwrap_or(1).clamp(1, MAX_REPEATS);
        match action {
            Action::NextMatch(direction) => self.next_match(*direction < 0, times),
            Action::FirstDifference => self.first_difference(),
            Action::ToggleBreakpoint => self.toggle_breakpoint(),
            Action::ContinueToBreakpoint(direction) => self.continue_to_breakpoint(*direction < 0, times),
            Action::GoToBreakpoint(number) => self.go_to_breakpoint(*number),
            _ => {}
        }
    }

    /// Begins a search at this step. The keys `n` and `N` repeat it.
    pub fn search(&mut self, text: &str) {
        match Search::parse(text) {
            Ok(search) => {
                self.stepper.search = Some(search);
                self.next_match(false, 1);
            }
            Err(why) => self.say(why, true),
        }
    }

    /// Begins a search for the first value of this iteration that is not finite.
    pub fn search_not_finite(&mut self) {
        let search = Search::Value(ValueTest::NOT_FINITE);
        self.stepper.search = Some(search.clone());
        self.begin_scan(ScanKind::Search(search), false, 1, 0);
    }

    /// Goes to the next match of the last search, or to the previous one.
    fn next_match(&mut self, goes_back: bool, times: u64) {
        let Some(search) = self.stepper.search.clone() else {
            if self.stepper.comparison.is_some() {
                return self.search_differences(goes_back, times);
            }
            return self.say("there is no search yet: / searches; the key a shows the scenario's notes", false);
        };
        if search == Search::Differences {
            return self.next_difference(goes_back, times);
        }
        let step = self.stepper.step;
        self.begin_scan(ScanKind::Search(search), goes_back, times, step);
    }

    /// Continues to the next breakpoint, or goes back to the previous one.
    fn continue_to_breakpoint(&mut self, goes_back: bool, times: u64) {
        if self.stepper.breakpoints.all().is_empty() {
            return self.say("there is no breakpoint: B sets one here, :break ENTRY elsewhere", false);
        }
        let step = self.stepper.step;
        self.begin_scan(ScanKind::Breakpoints, goes_back, times, step);
    }

    /// Begins a scan after `step`, or before it if the scan goes back. If the same scan is already in progress, it finds `times` more matches or breakpoints
    /// instead.
    fn begin_scan(&mut self, kind: ScanKind, goes_back: bool, times: u64, step: u64) {
        let goal = ScanGoal { kind, goes_back, remaining: times, start: self.stepper.current_visit() };
        let goal_in_progress = self.stepper.job.as_mut().and_then(Job::scan_goal);
        if let Some(same_goal) = goal_in_progress.filter(|in_progress| in_progress.kind == goal.kind && in_progress.goes_back == goes_back)
        {
            same_goal.remaining = same_goal.remaining.saturating_add(times).min(MAX_REPEATS);
            return;
        }
        self.stop_and_forget_moves();
        *self.message = None;
        self.stepper.visits.record_jump_from(goal.start);
        let document = Arc::clone(&self.stepper.document);
        self.begin_job(Job::Scan(Box::new(goal.scan_from(&document.trace, step))));
    }

    /// Does one piece of a scan: it looks at some steps.
    pub(super) fn scan_piece(&mut self, mut job: ScanJob) {
        let document = Arc::clone(&self.stepper.document);
        let trace = &document.trace;
        let mut budget = MAX_SCAN_COST;
        let scanned = match &job.goal.kind {
            ScanKind::Search(search) => job.scan.advance(trace, &|run, tensor| search.stops(trace, run, tensor), &mut budget),
            ScanKind::Breakpoints => {
                let breakpoints = self.stepper.breakpoints.by_name();
                job.scan.advance(trace, &|run, tensor| breakpoints.stops(trace, run, tensor), &mut budget)
            }
        };
        let continued = match scanned {
            Scanned::Unfinished => {
                job.progress.step = job.scan.step(trace);
                job
            }
            Scanned::Found(hit) if job.goal.remaining > 1 => {
                job.goal.remaining -= 1;
                job.goal.scan_from(trace, hit.step)
            }
            Scanned::Found(hit) => {
                self.go_to_step(hit.step);
                return self.say_found(&job, hit);
            }
            Scanned::Nothing => match &job.goal.kind {
                ScanKind::Search(_) if !job.is_wrapped => job.wrapped(trace),
                ScanKind::Search(search) => return self.say(search.nothing(&document), false),
                ScanKind::Breakpoints => return self.continue_in_other_iteration(job.goal),
            },
        };
        self.stepper.job = Some(Job::Scan(Box::new(continued)));
    }

    /// Shows a message about the match. For a value at a later step than that at which the key was pressed, the message begins with "found ahead".
    fn say_found(&mut self, job: &ScanJob, hit: Hit) {
        let again = match (job.is_wrapped, job.goal.goes_back) {
            (false, _) => "",
            (true, false) => " (from the first step again)",
            (true, true) => " (from the last step again)",
        };
        // the scan went once around the iteration, to the match at which it began
        let is_only_match = hit.step == job.from && job.is_wrapped;
        match &job.goal.kind {
            ScanKind::Search(_) if is_only_match => self.say("this is the only match", false),
            ScanKind::Search(Search::Name(part)) => self.say(format!("found {part}{again}"), false),
            ScanKind::Search(Search::Value(_) | Search::Differences) => {
                let value = self.stepper.document.trace.get(hit.step).map_or_else(String::new, |step| self.settings.digits.short(step.sum));
                let found = if hit.step > job.goal.start.step { "found ahead" } else { "found" };
                self.say(format!("{found}: {value}{again}"), false);
            }
            ScanKind::Breakpoints => {
                if let Some(breakpoint) = self.stepper.breakpoints.get(hit.number) {
                    let text = format!("breakpoint {}: {}", breakpoint.number, breakpoint.spec);
                    self.say(text, false);
                }
            }
        }
    }

    /// Continues the search for a breakpoint in the next iteration, or in the previous one if the scan goes back. In the last iteration it stops at the last
    /// step, in the first one at the first step.
    fn continue_in_other_iteration(&mut self, goal: ScanGoal) {
        let document = Arc::clone(&self.stepper.document);
        let iteration = document.trace.iteration();
        let is_at_end = if goal.goes_back { iteration == 1 } else { document.is_last_iteration };
        if is_at_end {
            self.go_to_step(if goal.goes_back { 1 } else { document.trace.len() });
            let (further, end) = if goal.goes_back { ("earlier", "first") } else { ("further", "last") };
            return self.say(format!("no {further} breakpoint: ran to the {end} step; Backspace goes back"), false);
        }
        let to = if goal.goes_back { iteration - 1 } else { iteration + 1 };
        let computation = document.descent.start(to);
        match document.check_memory(&computation) {
            Ok(()) => self.stepper.job = Some(Job::Seek(Seek::new(SeekGoal::Scan(goal), to, computation))),
            Err(why) => self.say(why, true),
        }
    }

    /// Scans the iteration that was computed for a move to a breakpoint.
    pub(super) fn scan_iteration(&mut self, goal: ScanGoal) {
        let document = Arc::clone(&self.stepper.document);
        let step = if goal.goes_back { document.trace.len() + 1 } else { 0 };
        self.stepper.job = Some(Job::Scan(Box::new(goal.scan_from(&document.trace, step))));
    }

    /// Sets a breakpoint, or removes it if there is one. It is at the entry under the cursor. Without a cursor, it is at this step's entry or op.
    fn toggle_breakpoint(&mut self) {
        let Some(scene) = self.stepper.scene() else { return };
        let subject = self.stepper.subject(&scene);
        let is_op = self.stepper.cursor.is_none() && !matches!(self.stepper.unit, Unit::Step | Unit::Entry);
        // some tensors of the batch are copies of a sample's tensor; then the breakpoint stops in this sample only
        let copied_from = scene.origin(subject.tensor);
        let sample = copied_from.as_ref().and_then(|(sample_scene, _)| sample_scene.sample()).filter(|_| scene.samples().len() > 1);
        let (scene, tensor) = copied_from.unwrap_or((scene, subject.tensor));
        let name = scene.name(tensor, subject.at);
        match scene.state_of(tensor, subject.at) {
            EntryState::Given(_) => return self.say(format!("{name} is given: no step computes it, so nothing can stop there"), false),
            EntryState::NoTerms(why) => return self.say(format!("no step computes {name}, it is 0: {why}"), false),
            EntryState::Complete { .. } | EntryState::Partial { .. } | EntryState::Pending { .. } => {}
        }
        let spec = BreakpointSpec::at(&scene, tensor, (!is_op).then_some(subject.at));
        let spec = sample.map_or(spec.clone(), |sample| spec.only_in(sample));
        if let Some(removed) = self.stepper.breakpoints.remove_spec(&spec) {
            return self.say(format!("breakpoint {} is removed: {spec}", removed.number), false);
        }
        self.add_breakpoint(spec);
    }

    /// Adds a breakpoint, and shows a message with its number.
    pub(super) fn add_breakpoint(&mut self, spec: BreakpointSpec) {
        let text = match self.stepper.breakpoints.add(spec) {
            Ok(Some(added)) => format!("breakpoint {}: {}, {}", added.number, added.spec, added.spec.stops_at()),
            Ok(None) => "there is a breakpoint already: :breaks lists them".to_owned(),
            Err(why) => why,
        };
        self.say(text, false);
    }

    /// Sets the breakpoint that a text describes. For an empty text, does the same as the key `B`.
    pub fn set_breakpoint(&mut self, text: &str) {
        if text.is_empty() {
            return self.toggle_breakpoint();
        }
        match BreakpointSpec::parse(text, self.stepper.shown()) {
            Ok(spec) => self.add_breakpoint(spec),
            Err(why) => self.say(why, true),
        }
    }

    /// Removes the breakpoint with the number in the text, or all breakpoints if the text is `all`.
    pub fn delete_breakpoint(&mut self, text: &str) {
        if text == "all" {
            let count = self.stepper.breakpoints.clear();
            let removed = if count == 1 { "breakpoint is" } else { "breakpoints are" };
            return self.say(format!("{count} {removed} removed"), false);
        }
        let removed = text.parse().ok().and_then(|number| self.stepper.breakpoints.remove(number));
        match removed {
            Some(removed) => self.say(format!("breakpoint {} is removed: {}", removed.number, removed.spec), false),
            None => self.say(format!("there is no breakpoint {text}: :breaks lists them"), true),
        }
    }

    /// Goes to the op or the entry of a breakpoint.
    fn go_to_breakpoint(&mut self, number: u32) {
        let Some(address) = self.stepper.breakpoints.get(number).map(|breakpoint| breakpoint.spec.address()) else { return };
        self.stepper.play = None;
        if let Err(why) = self.jump_to(address) {
            self.say(why, true);
        }
    }
}
