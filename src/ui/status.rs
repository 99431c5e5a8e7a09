//! The last two lines of the screen: the status line with position and message, then the key bar or the address line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::app::{Action, Document, Focus, Message, OverlayKind, Prompt, SPEEDS, State};
use crate::glyph::BETWEEN;
use crate::keys::{self, KeyBinding};
use crate::number::exact;
use crate::scene::EntryState;
use crate::step::{TensorEntry, Unit};
use crate::text;
use crate::text::{cut, width};
use crate::ui::theme::{StyleRole, Theme};
use crate::ui::view::View;

/// Returns the position, cut to `room` columns, and the columns left beside it: `grad.conv1.weight[0,0,1,1]  step 57/112`.
fn place(view: &View<'_>, room: usize) -> (String, usize) {
    let place = cut(&format!(" {}  step {}/{}", view.address(), view.at.step, view.step_count()), room);
    let left = room.saturating_sub(width(&place) + 3);
    (place, left)
}

/// Returns the message, and whether it fits beside the position.
fn message<'a>(view: &View<'a>, left: usize) -> Option<(&'a Message, bool)> {
    view.state.message.as_ref().map(|message| (message, width(&message.text) <= left))
}

/// Draws the status line: the position at the left edge, then a job's progress, the message or the unit.
pub fn position(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let theme = &view.theme;
    let status = theme.style(StyleRole::Status);
    buf.set_style(area, status);
    let room = area.width as usize;
    let (place, left) = place(view, room);
    let mut facts = Vec::new();
    let (entry, entries) = view.progress(Unit::Op);
    if entries > 1 {
        facts.push(format!("{entry} of {entries} in this op"));
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
        Span::styled(cut(&job, left), status)
    } else if let Some((message, true)) = message(view, left) {
        Span::styled(message.text.clone(), if message.fault { theme.style(StyleRole::Error) } else { status })
    } else {
        while facts.len() > 1 && width(&facts.join(BETWEEN)) > left {
            facts.remove(0);
        }
        Span::styled(cut(&facts.join(BETWEEN), left), status)
    };
    let gap = room.saturating_sub(width(&place) + width(&right.content) + 1);
    Line::from(vec![Span::styled(place, status.bold()), Span::styled(" ".repeat(gap), status), right]).render(area, buf);
}

/// Draws the last line: the key bar, or the message if it does not fit beside the position.
pub fn last(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let (_, left) = place(view, area.width as usize);
    match message(view, left) {
        Some((message, false)) if matches!(view.state.focus(), Focus::Normal | Focus::Cursor) && view.stepper.job.is_none() => {
            let style = view.theme.style(if message.fault { StyleRole::Error } else { StyleRole::Plain });
            Line::styled(format!(" {}", cut(&message.text, (area.width as usize).saturating_sub(2))), style).render(area, buf);
        }
        _ => {
            let cursor = under_cursor(view).filter(|_| view.state.focus() == Focus::Cursor);
            let text = cursor.map_or_else(String::new, |text| format!(" {text} "));
            let wide = u16::try_from(width(&text)).unwrap_or(u16::MAX).min(area.width);
            Line::styled(text, view.theme.style(StyleRole::Step)).render(area, buf);
            keys(view.state, &view.theme, Rect { x: area.x + wide, width: area.width - wide, ..area }, buf);
        }
    }
}

/// Returns the entry under the cursor with all its digits, or the reason why it has none.
fn under_cursor(view: &View<'_>) -> Option<String> {
    let TensorEntry { tensor, at } = view.cursor()?;
    let state = match view.state_of(tensor, at) {
        EntryState::Given(value) | EntryState::Complete { value, .. } => format!("= {}", exact(value)),
        EntryState::Partial { sum, .. } => format!("= {} so far", exact(sum)),
        EntryState::Pending { steps } => format!("is not computed yet: step {}", steps.start),
        EntryState::Unreached(why) => format!("= 0: {why}"),
    };
    let (name, symbol) = (view.name(tensor, at), view.whole_entry(tensor, at));
    let symbol = if symbol == name { String::new() } else { format!("  {symbol}") };
    Some(format!("{name} {state}{symbol}"))
}

/// Draws the key bar: the keys of the current focus, from the table that dispatches them; or the address line.
pub fn keys(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let focus = state.focus();
    if let (Focus::Prompt, Some(prompt), Some(document)) = (focus, state.prompt(), state.document()) {
        return address_line(document, prompt, theme, area, buf);
    }
    // the first key of each row, and the second if it is an arrow
    let arrow = |key: &str| matches!(key, "<Left>" | "<Right>" | "<Up>" | "<Down>");
    let shown = |row: &KeyBinding| {
        let keys = row.keys.iter().enumerate().filter(|(n, key)| *n == 0 || (*n == 1 && arrow(key)));
        keys.map(|(_, key)| keys::shown(key)).collect::<Vec<_>>().join(" ")
    };
    let wide = |row: &KeyBinding| width(&shown(row)) + width(row.bar) + 3;
    let nowhere_back = focus == Focus::Picker && state.stepper().is_none();
    let rows = || keys::rows(focus).filter(|row| !(row.bar.is_empty() || nowhere_back && row.action == Action::Close));
    // the help key is always shown
    let help = |row: &KeyBinding| row.action == Action::Toggle(OverlayKind::Help);
    let mut used = 1 + rows().filter(|row| help(row)).map(wide).sum::<usize>();
    let mut spans = vec![Span::raw(" ")];
    for row in rows() {
        if !help(row) {
            if used + wide(row) > area.width as usize + 2 {
                continue;
            }
            used += wide(row);
        }
        spans.push(Span::styled(shown(row), theme.style(StyleRole::Key)));
        spans.push(Span::styled(format!(" {}  ", row.bar), theme.style(StyleRole::KeyBar)));
    }
    Line::from(spans).render(area, buf);
}

fn address_line(document: &Document, prompt: &Prompt, theme: &Theme, area: Rect, buf: &mut Buffer) {
    // typed, pasted or replayed text is untrusted: it is escaped here
    let mut typed = text::characters(prompt.input.value());
    let before: String = typed.by_ref().take(prompt.input.cursor()).collect();
    let under = typed.next().unwrap_or_default().into_owned();
    let after: String = typed.collect();
    let wide_typed = width(&before) + width(&under) + width(&after);
    let under = if under.is_empty() { " ".to_owned() } else { under };
    let mut spans = vec![
        Span::styled(":", theme.style(StyleRole::Key)),
        Span::raw(before),
        Span::styled(under, theme.style(StyleRole::Plain).reversed()),
        Span::raw(format!("{after}   ")),
    ];
    // names contain the typed text: they are escaped too
    let names: Vec<String> = prompt.completions(document).iter().map(|name| text::line(name)).collect();
    let chosen = prompt.chosen();
    // the chosen completion is in view, with as many before it as fit
    let room = (area.width as usize).saturating_sub(wide_typed + 6);
    let wide = |names: &[String]| names.iter().map(|name| width(name) + 2).sum::<usize>();
    let end = chosen.map_or(0, |chosen| (chosen + 1).min(names.len()));
    let first = (0..end).find(|first| wide(&names[*first..end]) <= room).unwrap_or(end.saturating_sub(1));
    for (i, name) in names.iter().enumerate().skip(first) {
        let role = if chosen == Some(i) { StyleRole::Step } else { StyleRole::Dim };
        spans.push(Span::styled(name.clone(), theme.style(role)));
        spans.push(Span::raw("  "));
    }
    Line::from(spans).render(area, buf);
}
