//! The last two lines of the screen. The first is the status line, with the position of the step and a message. The second is the key bar or the prompt.

use compact_str::CompactString;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::{Action, ComparedEntry, Focus, OverlayKind, Prompt, PromptKind, SPEEDS, State, Stepper, hidden_symbol, number_name};
use crate::glyph::SEPARATOR;
use crate::keys::{self, Key, KeyBinding};
use crate::number::exact_on_screen;
use crate::scene::EntryState;
use crate::step::{TensorEntry, Unit};
use crate::text::{cut, width};
use crate::ui::hints::Hints;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::{StyleRole, Theme};
use crate::ui::typed_line::typed_line;
use crate::ui::view::StepView;

/// Returns the position of the step, cut to `room` columns, and the number of columns that remain beside it.
///
/// The position is the address of the entry, and the number of the step in the iteration: `grad.conv1.weight[0,0,1,1]  step 57/112`.
fn position(view: &StepView<'_>, room: usize) -> (String, usize) {
    let position = cut(&format!(" {}  step {}/{}", view.address(), view.at.step, view.step_count()), room);
    // there is one blank at the right edge, and at least two blanks between the position and the text beside it
    let remaining = room.saturating_sub(width(&position) + 3);
    (position, remaining)
}

/// The place of a message on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagePlace {
    /// The status line, beside the position.
    Status,
    /// The last line, in place of the key bar.
    LastLine,
    /// A box above the status line.
    Box,
}

/// A message on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownMessage<'a> {
    /// The longest text of the message that has room.
    pub text: &'a str,
    /// `true` if the message reports an error.
    pub is_error: bool,
    /// The place of the text.
    pub place: MessagePlace,
}

/// Returns the message and the first place in which it fits on a screen of `room` columns. Returns `None` if there is no message, or if the progress of a job
/// is shown instead. Also returns `None` if only a box has room for the message, and it is a hint or a question of prediction is open.
#[must_use]
pub fn shown_message<'a>(view: &StepView<'a>, room: usize) -> Option<ShownMessage<'a>> {
    let message = view.state.message.as_ref().filter(|_| view.stepper.job.is_none())?;
    let (_, remaining) = position(view, room);
    let texts = || [&message.text].into_iter().chain(&message.shorter).map(String::as_str);
    let has_last_line = matches!(view.state.focus(), Focus::Normal | Focus::Cursor);
    let in_status = |text: &str| width(text) <= remaining;
    let in_last_line = |text: &str| has_last_line && !message.is_hint && width(text) + 2 <= room;
    let fits = |text: &&str| in_status(text) || in_last_line(text);
    let (text, place) = match texts().find(fits) {
        Some(text) => (text, if in_status(text) { MessagePlace::Status } else { MessagePlace::LastLine }),
        // a hint without room is not shown; during a question of prediction, the pane `why` has the message
        None if message.is_hint || view.state.focus() == Focus::Answer => return None,
        None => (texts().next_back()?, MessagePlace::Box),
    };
    Some(ShownMessage { text, is_error: message.is_error, place })
}

/// Draws the status line. The position is at the left edge. At the right edge is the progress of a job. Without a job, it is a message that fits. Without such
/// a message, it is facts such as the unit.
pub fn status_line(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let theme = &view.theme;
    let status = theme.style(StyleRole::Status);
    buf.set_style(area, status);
    let room = area.width as usize;
    let (position, remaining) = position(view, room);
    let mut facts = Vec::new();
    let (op_step, op_steps) = view.progress(Unit::Op);
    if op_steps > 1 {
        facts.push(format!("step {op_step} of {op_steps} in this op"));
    }
    if view.stepper.prediction.is_on {
        let (correct, all) = view.stepper.prediction.totals();
        facts.push(format!("predicted {correct}/{all}"));
    }
    facts.push(format!("unit: {}", view.stepper.unit.name()));
    if view.stepper.play.is_some() {
        facts.push(format!("playing {}/s", SPEEDS[view.state.settings.speed]));
    }
    if let Some(count) = view.stepper.count {
        facts.push(count.to_string());
    }
    let job = view.stepper.job.as_ref().map(|job| format!("computing: {}, Esc stops", job.describe()));
    let right = if let Some(job) = job {
        Span::styled(cut(&job, remaining), status)
    } else if let Some(message) = shown_message(view, room).filter(|message| message.place == MessagePlace::Status) {
        Span::styled(message.text, if message.is_error { theme.style(StyleRole::Error) } else { status })
    } else {
        while facts.len() > 1 && width(&facts.join(SEPARATOR)) > remaining {
            facts.remove(0);
        }
        Span::styled(cut(&facts.join(SEPARATOR), remaining), status)
    };
    let gap = room.saturating_sub(width(&position) + width(&right.content) + 1);
    Line::from(vec![Span::styled(position, status.bold()), Span::styled(" ".repeat(gap), status), right]).draw(area, buf);
}

/// Draws the last line. It is a message that is too long for the status line, or else the key bar or the prompt.
pub fn last_line(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    if let Some(message) = shown_message(view, area.width.into()).filter(|message| message.place == MessagePlace::LastLine) {
        let style = view.theme.style(if message.is_error { StyleRole::Error } else { StyleRole::Plain });
        return Line::styled(format!(" {}", message.text), style).draw(area, buf);
    }
    let (text, bar_area) = beside_cursor(view, area);
    Line::styled(text, view.theme.style(StyleRole::Step)).draw(Rect { width: bar_area.x - area.x, ..area }, buf);
    key_bar(view.state, &view.theme, bar_area, buf);
}

/// Returns the entry under the cursor with all its digits, or the reason why it has no number.
#[must_use]
pub fn under_cursor(view: &StepView<'_>) -> Option<String> {
    let TensorEntry { tensor, at } = view.cursor()?;
    let state = match view.state_of(tensor, at) {
        // adding 0 turns −0 into 0; only the key d shows the sign of a zero
        EntryState::Given(value) | EntryState::Complete { value, .. } => format!("= {}", exact_on_screen(value + 0.0)),
        EntryState::Partial { sum, .. } => format!("= {} so far", exact_on_screen(sum + 0.0)),
        EntryState::Pending { steps } if view.hides_step(steps.start) => "is hidden".to_owned(),
        EntryState::Pending { steps } if steps.is_empty() => "is not computed yet".to_owned(),
        EntryState::Pending { steps } => format!("is not computed yet: step {}", steps.start),
        EntryState::NoTerms(why) => format!("is 0: {why}"),
    };
    let (name, symbol) = (view.name(tensor, at), view.entry_symbol_with_layer(tensor, at));
    let symbol = if symbol == name { String::new() } else { format!("  {symbol}") };
    let user = view.compared_entry(tensor, at);
    // the text before the user's number, and the factor by which the user's tensor is multiplied before it is compared
    let label = |index: usize| view.comparison().map(|all| (all.label(index), all.user.factor(index))).unwrap_or_default();
    let number = |user: ComparedEntry| {
        let (sign, (label, factor)) = (if user.differs { '≠' } else { '=' }, label(user.tensor));
        let verb = if factor.is_some() { " is" } else { "" };
        format!("  {sign} {label}{verb} {}", exact_on_screen(user.mine + 0.0))
    };
    let user = user.map_or_else(String::new, number);
    Some(format!("{name} {state}{user}{symbol}"))
}

/// Draws the prompt if it has the focus, otherwise the key bar with the keys of the current focus.
pub fn key_bar(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let focus = state.focus();
    if let (true, Some(prompt)) = (focus.is_prompt(), state.prompt()) {
        let line = prompt_line(state, prompt, theme, area);
        if let Some(keys) = prompt_hints(prompt, &line, area) {
            keys.line(theme).right_aligned().draw(area, buf);
        }
        return line.draw(area, buf);
    }
    bar_hints(state, area.width).line(theme).draw(area, buf);
}

/// Returns the hints of the key bar.
fn bar_hints(state: &State, bar_width: u16) -> Hints {
    bar_rows(state, bar_width).into_iter().fold(Hints::default().text(StyleRole::Plain, " "), |hints, BarRow { row, keys }| {
        let mut word = CompactString::const_new(" ");
        word.push_str(row.bar);
        let hints = hints.key(StyleRole::Key, row.keys[0], keys).key(StyleRole::KeyBar, row.keys[0], word);
        hints.text(StyleRole::KeyBar, "  ")
    })
}

/// A row of the table of keys in the key bar.
struct BarRow {
    row: &'static KeyBinding,
    /// The text of its keys.
    keys: CompactString,
}

impl BarRow {
    /// Returns the width of the row: its keys, a blank, its word, and two blanks.
    fn width(&self) -> usize {
        width(&self.keys) + width(self.row.bar) + 3
    }
}

/// Returns the keys of a row as the key bar shows them: the first key, and the second key if it is an arrow. If the user has set a key, it replaces the first
/// one.
fn bar_keys(state: &State, row: &KeyBinding) -> CompactString {
    let is_arrow = |key: &str| matches!(key, "<Left>" | "<Right>" | "<Up>" | "<Down>");
    let keys = keys::user_keys(state, row);
    let arrow = row.keys.get(1).copied().filter(|key| is_arrow(key) && keys.iter().skip(1).any(|shown| shown == key));
    let mut text = CompactString::default();
    for key in keys.first().copied().into_iter().chain(arrow) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&keys::shown(key));
    }
    text
}

/// Returns the rows of the table of keys that fit into a key bar of this width. The help is always among them.
fn bar_rows(state: &State, bar_width: u16) -> Vec<BarRow> {
    let focus = state.focus();
    // without an open scenario, the picker cannot be closed
    let can_close = focus != Focus::Picker || state.stepper().is_some();
    // if a list has no actions, Enter does nothing
    let list = state.overlay.as_ref().and_then(|overlay| overlay.list.as_ref());
    let can_choose = list.is_none_or(|list| list.rows.iter().any(|row| row.action.is_some()));
    let is_possible = |row: &KeyBinding| match row.action {
        Action::Close => can_close,
        Action::Accept => focus != Focus::List || can_choose,
        _ => true,
    };
    let is_help = |bar: &BarRow| bar.row.action == Action::ToggleOverlay(OverlayKind::Help);
    let has_key = |row: &KeyBinding| !row.bar.is_empty() && !keys::user_keys(state, row).is_empty();
    let rows = keys::rows(focus).filter(|row| has_key(row) && is_possible(row));
    let rows: Vec<BarRow> = rows.map(|row| BarRow { row, keys: bar_keys(state, row) }).collect();
    let mut used = 1 + rows.iter().filter(|bar| is_help(bar)).map(BarRow::width).sum::<usize>();
    // the two blanks after the last row may be cut
    let mut fits = |bar: &BarRow| {
        let is_shown = is_help(bar) || used + bar.width() <= usize::from(bar_width) + 2;
        used += if is_shown && !is_help(bar) { bar.width() } else { 0 };
        is_shown
    };
    rows.into_iter().filter(|bar| fits(bar)).collect()
}

/// Returns the key that the last line of the stepper, `area`, names at a column.
#[must_use]
pub fn key_at(view: &StepView<'_>, area: Rect, x: u16) -> Option<Key> {
    if shown_message(view, area.width.into()).is_some_and(|message| message.place == MessagePlace::LastLine) {
        return None;
    }
    bar_key_at(view.state, beside_cursor(view, area).1, x)
}

/// Returns the key that the key bar or the prompt, `area`, names at a column.
#[must_use]
pub fn bar_key_at(state: &State, area: Rect, x: u16) -> Option<Key> {
    if let (true, Some(prompt)) = (state.focus().is_prompt(), state.prompt()) {
        let line = prompt_line(state, prompt, &Theme::default(), area);
        let keys = prompt_hints(prompt, &line, area)?;
        return keys.key_at(usize::from(area.right()) - keys.width(), x);
    }
    bar_hints(state, area.width).key_at(area.x.into(), x)
}

/// Returns the text about the entry under the cursor (empty without a cursor), and the area beside it.
fn beside_cursor(view: &StepView<'_>, area: Rect) -> (String, Rect) {
    let cursor = under_cursor(view).filter(|_| view.state.focus() == Focus::Cursor);
    let text = cut(&cursor.map_or_else(String::new, |text| format!(" {text} ")), area.width.into());
    let wide = u16::try_from(width(&text)).unwrap_or(u16::MAX).min(area.width);
    (text, Rect { x: area.x + wide, width: area.width - wide, ..area })
}

/// Returns the beginning of the prompt: a colon, a slash, or the name of the number that is edited or predicted.
pub fn line_sign(state: &State, prompt: &Prompt) -> String {
    match (prompt.kind, state.shown()) {
        (PromptKind::Search | PromptKind::Filter, _) => "/".to_owned(),
        (PromptKind::Answer(hidden), _) => {
            let scene = state.stepper().and_then(Stepper::scene).map(|scene| state.settings.applied_to(scene));
            scene.map_or_else(String::new, |scene| format!(" {} = ", hidden_symbol(&scene, hidden)))
        }
        (PromptKind::Value(place), Some(document)) => {
            format!(" {} = {} → ", number_name(&document.scenario, place), exact_on_screen(document.scenario.given_value(place)))
        }
        _ => ":".to_owned(),
    }
}

/// Returns the prompt: its beginning, and the typed text with the cursor.
fn prompt_line(state: &State, prompt: &Prompt, theme: &Theme, area: Rect) -> Line<'static> {
    typed_line(&line_sign(state, prompt), prompt.input.value(), prompt.input.cursor(), area.width.into(), theme)
}

/// Returns the keys at the right end of the prompt; `None` if the typed text leaves no room for them.
fn prompt_hints(prompt: &Prompt, line: &Line<'_>, area: Rect) -> Option<Hints> {
    let keys: &[(&str, &str, &str)] = match prompt.kind {
        PromptKind::Value(_) => &[("<Enter>", "Enter", " set"), ("<Esc>", "Esc", " leave")],
        PromptKind::Answer(_) => &[("<Enter>", "Enter", " judge"), ("<Tab>", "Tab", " show"), ("<Esc>", "Esc", " leave")],
        PromptKind::Filter => &[("<Down>", "↓", " down"), ("<Enter>", "Enter", " open"), ("<Esc>", "Esc", " end")],
        _ => &[("<Tab>", "Tab", " choose"), ("<Enter>", "Enter", " go"), ("<Esc>", "Esc", " close")],
    };
    let hints = keys.iter().enumerate().fold(Hints::default(), |hints, (n, (key, name, word))| {
        let hints = hints.key(StyleRole::Key, key, *name).key(StyleRole::KeyBar, key, *word);
        hints.text(StyleRole::KeyBar, if n + 1 < keys.len() { "  " } else { " " })
    });
    (line.width() + hints.width() + 3 <= usize::from(area.width)).then_some(hints)
}
