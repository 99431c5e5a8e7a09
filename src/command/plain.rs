//! `gradstep --plain`: the stepper without a screen. It reads lines, and answers each line in sentences ([`crate::plain`]).
//!
//! A line is a string of keys, as for `show --keys`, or the text after `:`, with or without the colon. An empty line reads the step out again.

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::driver::{Driver, Effect, WorkLimit};
use super::options::GlobalOptions;
use crate::app::{Focus, Prompt, PromptKind, Setting, Settings, State};
use crate::glyph;
use crate::keys::{self, COMMANDS, Code, Key};
use crate::output;
use crate::plain::{self, PlainReader};
use crate::session::{Event, Recorder, as_recorded};
use crate::text;
use crate::ui::RenderOptions;
use crate::ui::view::StepView;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// A command that only the plain mode has. It answers with something that the screen would show all the time.
struct PlainCommand {
    /// The name. If it ends in a blank, an argument follows.
    name: &'static str,
    /// A sentence about its effect.
    description: &'static str,
    /// Returns the answer.
    answer: fn(&StepView<'_>, &str) -> Vec<String>,
}

/// The commands of this mode.
const PLAIN_COMMANDS: &[PlainCommand] = &[
    PlainCommand { name: "matrices", description: "read the matrices of this step by rows", answer: |view, _| plain::matrices(view) },
    PlainCommand { name: "matrix ", description: "read one tensor by rows: matrix fc1.weight", answer: matrix },
    PlainCommand { name: "help", description: "this list", answer: |_, _| help() },
];

/// The meaning of a line.
enum Line {
    /// Keys to press.
    Keys(Vec<Key>),
    /// A row of the open list, from 0.
    Row(usize),
    /// A command of this mode, and its argument.
    Command(&'static PlainCommand, String),
    /// Read the step out again.
    Again,
}

/// Answers lines from stdin until it ends. Writes the events to `recorder` if there is one.
pub(super) fn run(driver: Driver, global: &GlobalOptions, recorder: Option<Recorder<Box<dyn Write>>>) -> anyhow::Result<ExitCode> {
    let mut options = global.for_plain_text();
    // equations are read out with words for their letters, so the letters must not be converted to ASCII first
    options.ascii = false;
    let is_terminal = io::stdin().is_terminal();
    let mut mode = PlainMode {
        driver: driver.writing_files(),
        reader: PlainReader::default(),
        options,
        in_ascii: global.is_ascii(),
        recorder,
        start: Instant::now(),
        has_ended_play: false,
        copied: Vec::new(),
    };
    mode.finish_work()?;
    let (reads_step, needs_answer) = (true, false);
    mode.answer(reads_step, needs_answer)?;
    loop {
        if is_terminal {
            mode.print(&["> ".to_owned()], "")?;
        }
        let Some(line) = read_line(&mut io::stdin().lock())? else { break };
        if mode.execute_line(&line)? == Effect::Quit {
            break;
        }
    }
    mode.record(&Event::Quit)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a line without its line break; `None` at the end of the input.
///
/// # Errors
/// If the input cannot be read, or a line is too long.
fn read_line(from: &mut impl BufRead) -> anyhow::Result<Option<String>> {
    let mut bytes = Vec::new();
    io::Read::take(from, MAX_LINE_BYTES).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    anyhow::ensure!(
        bytes.ends_with(b"\n") || (bytes.len() as u64) < MAX_LINE_BYTES,
        "a line of the input is longer than {MAX_LINE_BYTES} bytes"
    );
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned()))
}

/// The stepper and its answers.
struct PlainMode {
    driver: Driver,
    reader: PlainReader,
    options: RenderOptions,
    /// `true` if only ASCII characters are printed.
    in_ascii: bool,
    /// The texts that the last command copied. The answer contains them.
    copied: Vec<String>,
    recorder: Option<Recorder<Box<dyn Write>>>,
    /// The time at which the recording began.
    start: Instant,
    /// `true` if this line has stopped play.
    has_ended_play: bool,
}

impl PlainMode {
    /// Executes a line, and answers.
    fn execute_line(&mut self, line: &str) -> anyhow::Result<Effect> {
        let mut reads_step = false;
        // `true` after an address, a question or a row of its candidates: then the status line alone is no answer, so the step is read out too
        let mut needs_answer = false;
        let settings_before = self.driver.state.settings.clone();
        if is_unknown_text_open(&self.driver.state) && chosen_candidate(&self.driver.state, line).is_none() {
            // the line is not the number of a candidate, so it is not about the unknown text in the prompt, which is closed
            self.press(Code::Esc.into())?;
            self.driver.state.message = None;
        }
        match meaning(&self.driver.state, line) {
            Err(why) => self.driver.state.say(why, true),
            Ok(Line::Again) => reads_step = true,
            Ok(Line::Command(command, argument)) => return self.answer_command(command, &argument),
            Ok(Line::Row(row)) => {
                needs_answer = self.driver.state.focus() == Focus::Prompt;
                if self.choose(row)? == Effect::Quit {
                    return Ok(Effect::Quit);
                }
            }
            Ok(Line::Keys(keys)) => {
                self.driver.state.message = None;
                // a colon, at least one character, and Enter
                needs_answer = keys.len() > 2 && keys[0].code == Code::Char(':');
                self.close_above_step(keys.first().copied())?;
                for key in keys {
                    // if a key has no action, the line ends there, because the keys after it may not do what the user meant
                    let has_meaning = keys::action(&self.driver.state, key).is_some();
                    if self.press(key)? == Effect::Quit {
                        return Ok(Effect::Quit);
                    }
                    // the line also ends if a warning of prediction keeps the prompt closed
                    let opens_prompt = matches!(key.code, Code::Char(':' | '/'));
                    if !has_meaning || opens_prompt && self.driver.state.focus() == Focus::Normal {
                        break;
                    }
                }
            }
        }
        if std::mem::take(&mut self.has_ended_play) {
            self.driver.state.say("play needs a screen: l moves forward, 10l by ten units", false);
        }
        reads_step |= self.say_settings(&settings_before);
        self.answer(reads_step, needs_answer)?;
        Ok(Effect::Changed)
    }

    /// Closes what is over the step if `key`, the first key of a line, is meant for the step: a prompt if the key is `:` or `/`, and an overlay, a list or the
    /// picker if the key has no action in it.
    fn close_above_step(&mut self, key: Option<Key>) -> anyhow::Result<()> {
        let opens_prompt = key.is_some_and(|key| matches!(key.code, Code::Char(':' | '/')));
        if opens_prompt && matches!(self.driver.state.focus(), Focus::Prompt | Focus::Answer) {
            self.press(Code::Esc.into())?;
            self.driver.state.message = None;
        }
        let is_over = |state: &State| match state.focus() {
            Focus::Overlay | Focus::List | Focus::Map | Focus::Curve => true,
            Focus::Picker => state.stepper().is_some(),
            Focus::Normal | Focus::Cursor | Focus::Prompt | Focus::Answer | Focus::Filter => false,
        };
        if is_over(&self.driver.state) && key.is_some_and(|key| keys::action(&self.driver.state, key).is_none()) {
            self.press(Code::Esc.into())?;
            self.driver.state.message = None;
        }
        Ok(())
    }

    fn press(&mut self, key: Key) -> anyhow::Result<Effect> {
        let effect = self.apply(&Event::Key(key))?;
        // play needs a screen, so it is stopped at once
        if self.driver.state.wake().is_some() {
            self.apply(&Event::Key(Code::Char(' ').into()))?;
            self.has_ended_play = true;
        }
        Ok(effect)
    }

    /// Applies an event, does its work, and records both. A copied text is kept for the answer.
    fn apply(&mut self, event: &Event) -> anyhow::Result<Effect> {
        self.record(event)?;
        let now = self.now();
        let effect = self.driver.apply(event, now);
        self.finish_work()?;
        if let Some(copied) = self.driver.take_copied() {
            // the answer contains the text itself, so a message that says no more is left out
            self.driver.state.message.take_if(|message| message.text.starts_with("copied: "));
            self.copied.extend(copied.lines().map(str::to_owned));
        }
        Ok(effect)
    }

    /// Does the work of the open job, and records each slice.
    fn finish_work(&mut self) -> anyhow::Result<()> {
        let Self { driver, recorder, start, .. } = self;
        driver.finish_in_slices(WorkLimit::UNLIMITED, |pieces| record(recorder, start.elapsed(), &Event::Pieces(pieces)))
    }

    /// Returns the time since the start of the recording.
    fn now(&self) -> Duration {
        as_recorded(self.start.elapsed())
    }

    /// Writes an event to the recording, if there is one.
    fn record(&mut self, event: &Event) -> anyhow::Result<()> {
        let now = self.now();
        record(&mut self.recorder, now, event)
    }

    /// Chooses a row of the list, the map or the picker, or a candidate of the prompt, whichever is open.
    fn choose(&mut self, row: usize) -> anyhow::Result<Effect> {
        if matches!(self.driver.state.focus(), Focus::List | Focus::Prompt) {
            return self.apply(&Event::Row(row as u64));
        }
        for key in [vec![Key::from(Code::Home)], vec![Key::from(Code::Down); row], vec![Code::Enter.into()]].concat() {
            if self.press(key)? == Effect::Quit {
                return Ok(Effect::Quit);
            }
        }
        Ok(Effect::Changed)
    }

    /// Shows a message if a changed setting affects only the screen. Returns whether a changed setting requires that the step is read out again.
    fn say_settings(&mut self, before: &Settings) -> bool {
        let state = &mut self.driver.state;
        // the number of choices differs from setting to setting, and none has as many as 1000, so each change is a change modulo 1000
        let max_choices = 1000;
        let is_changed = |setting| before.choice(setting, max_choices) != state.settings.choice(setting, max_choices);
        let [zoom, heat_map] = [Setting::Zoom, Setting::HeatMap].map(is_changed);
        let reads_step = is_changed(Setting::Index) || is_changed(Setting::Pane);
        if zoom {
            state.say("zoom is for the screen, as the option --zoom: the equation and the operands alone, in large characters", false);
        } else if heat_map {
            state.say("heat maps are for the screen: matrices reads the numbers", false);
        }
        reads_step
    }

    /// Prints the answer of a command of this mode.
    fn answer_command(&mut self, command: &PlainCommand, argument: &str) -> anyhow::Result<Effect> {
        let Some(view) = StepView::of(&self.driver.state, self.options) else {
            self.driver.state.say("open a scenario first", true);
            let (reads_step, needs_answer) = (false, false);
            self.answer(reads_step, needs_answer)?;
            return Ok(Effect::Changed);
        };
        let mut lines = vec![plain::status(&view)];
        lines.extend((command.answer)(&view, argument));
        self.print(&lines, "\n")?;
        Ok(Effect::Changed)
    }

    /// Prints the answer to the last line. With `reads_step`, reads the step out even if it was read out before. With `needs_answer`, reads it
    /// out if the answer would otherwise be only the status line.
    fn answer(&mut self, reads_step: bool, needs_answer: bool) -> anyhow::Result<()> {
        let mut lines = self.reader.answer(&self.driver.state, self.options, reads_step);
        if needs_answer && lines.len() == 1 && self.copied.is_empty() {
            lines = self.reader.answer(&self.driver.state, self.options, true);
        }
        // the copied texts come after the status line, which is the first line
        lines.splice(1..1, self.copied.drain(..));
        self.print(&lines, "\n")
    }

    /// Prints lines, each with `end` after it.
    fn print(&self, lines: &[String], end: &str) -> anyhow::Result<()> {
        let mut to = output::stdout();
        for line in lines {
            let line = if self.in_ascii { glyph::ascii_text(line) } else { line.clone() };
            write!(to, "{line}{end}")?;
        }
        to.finish()
    }
}

/// Returns whether the prompt shows candidates for an unknown text.
fn is_unknown_text_open(state: &State) -> bool {
    let is_unknown = |prompt: &Prompt| prompt.is_refused && !matches!(prompt.kind, PromptKind::Value(_) | PromptKind::Answer(_));
    state.focus() == Focus::Prompt && state.prompt().is_some_and(is_unknown)
}

/// Returns the index of the candidate whose number is this line.
fn chosen_candidate(state: &State, line: &str) -> Option<usize> {
    let (prompt, stepper) = (state.prompt()?, state.stepper()?);
    let row = line.trim().parse::<usize>().ok()?.checked_sub(1)?;
    (prompt.is_refused && row < prompt.candidates(stepper.shown()).len()).then_some(row)
}

/// Writes an event to a recording, if there is one.
fn record(recorder: &mut Option<Recorder<Box<dyn Write>>>, time: Duration, event: &Event) -> anyhow::Result<()> {
    match recorder {
        Some(recorder) => recorder.add(time, event).context("cannot write the recording"),
        None => Ok(()),
    }
}

/// Returns the meaning of a line.
///
/// # Errors
/// A sentence if the line is not a valid string of keys.
fn meaning(state: &State, line: &str) -> Result<Line, String> {
    let text = line.trim();
    let focus = state.focus();
    let row = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    if let (Focus::List | Focus::Map | Focus::Picker | Focus::Filter, Some(row)) = (focus, row) {
        return Ok(Line::Row(row));
    }
    if let Some(row) = chosen_candidate(state, text).filter(|_| focus == Focus::Prompt) {
        return Ok(Line::Row(row));
    }
    // a line that begins with : or / is not typed into the open prompt, but closes it and opens another one
    let begins_another = matches!(text.chars().next(), Some(':' | '/'));
    if focus.is_prompt() && !begins_another {
        // the text is typed into the open prompt, in place of a text that was refused
        let mut keys = keys::parse(line)?;
        if state.prompt().is_some_and(|prompt| prompt.is_refused) {
            keys.insert(0, Key { ctrl: true, ..Code::Char('u').into() });
        }
        if !keys.iter().any(|key| matches!(key.code, Code::Enter | Code::Esc | Code::Tab)) {
            keys.push(Code::Enter.into());
        }
        return Ok(Line::Keys(keys));
    }
    if text.is_empty() {
        // after an answer in prediction, Enter goes to the next question
        let goes_on = state.stepper().is_some_and(|stepper| stepper.prediction.is_on) && focus == Focus::Normal;
        return Ok(if goes_on { Line::Keys(vec![Code::Enter.into()]) } else { Line::Again });
    }
    let (has_colon, palette_line) = text.strip_prefix(':').map_or((false, text), |after_colon| (true, after_colon.trim_start()));
    let with_argument = |command: &'static PlainCommand| {
        let argument = if command.name.ends_with(' ') {
            palette_line.strip_prefix(command.name)?
        } else {
            (palette_line == command.name).then_some("")?
        };
        Some(Line::Command(command, argument.trim().to_owned()))
    };
    if let Some(line) = PLAIN_COMMANDS.iter().find_map(with_argument) {
        return Ok(line);
    }
    if text.starts_with('/') && !matches!(focus, Focus::Picker | Focus::Filter) {
        return Ok(Line::Keys(text.chars().map(|c| Key::from(Code::Char(c))).chain([Code::Enter.into()]).collect()));
    }
    // a single character is a key, even if a node has this name
    let is_palette_line = has_colon || text.chars().nth(1).is_some() && state.is_palette_line(COMMANDS, text);
    if is_palette_line && focus != Focus::Picker {
        let typed = std::iter::once(':').chain(palette_line.chars()).map(|c| Key::from(Code::Char(c)));
        return Ok(Line::Keys(typed.chain([Code::Enter.into()]).collect()));
    }
    keys::parse(line).map(Line::Keys)
}

/// Returns the rows of the tensor with this name in the step's run.
fn matrix(view: &StepView<'_>, name: &str) -> Vec<String> {
    match view.network().find(name) {
        Some(tensor) => plain::matrix(view, tensor),
        None => vec![format!("there is no tensor {} here; the key M lists the blocks of the network", text::line(name))],
    }
}

/// Returns a description of this mode and its keys.
fn help() -> Vec<String> {
    let mut lines = vec![
        "A line is a string of keys, such as 3l, or an address, such as loss, or a command, such as set fc1.bias[0] 0.5.".to_owned(),
        "A single character is a key; a colon before it makes it an address. An empty line reads the step out again. The end of the input ends the program.".to_owned(),
    ];
    lines.extend(PLAIN_COMMANDS.iter().map(|command| format!("{}: {}", command.name.trim(), command.description)));
    lines.extend(plain::help());
    lines
}
