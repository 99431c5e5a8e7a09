//! The help overlay: a list of the keys. It is generated from the table of keys (`keys.rs`), which also decides what a key does.

use ratatui::text::{Line, Span, Text};

use crate::app::{Focus, Screen, State};
use crate::glyph;
use crate::keys;
use crate::text::{width, wrap};
use crate::ui::theme::{StyleRole, Theme};

/// The width of the column of keys.
const KEYS_WIDTH: usize = 26;

/// The first line. It says how to get to the legend at the end.
const LEGEND_HINT: &str = "at the end of this text (press G): what the marks ∙ ‹ › [ ] = ┊ ░ and the colours mean";

/// The remark on the first number of subscripts and indices.
const COUNTS: &str =
    "Subscripts, headings and channels count from 1, or from 0 (I); terms from 1; indices in brackets from 0, as in NumPy.";

/// The actions of the mouse, and the option that turns it off.
const MOUSE: &[(&str, &str)] = &[
    (
        "click",
        "on an entry, a term, a node or line of the picture, an op, the timeline: goes there; on a number that no step computes: puts the cursor there; on a row or a block: chooses it; on the title: the notes; on a key: presses it",
    ),
    ("wheel", "scrolls the matrices, with Shift sideways, or the list that is open"),
    ("--no-mouse", "leaves the mouse to the terminal, which can then select text"),
];

/// The parts of the stepper over which the help can be opened, with the titles of their keys.
const BELOW: [(Focus, &str); 5] = [
    (Focus::Cursor, "with the cursor of i"),
    (Focus::List, "in the list"),
    (Focus::Map, "in the map"),
    (Focus::Curve, "in the curve"),
    (Focus::Overlay, "in the text"),
];

/// The marks in matrices, equations and pictures, with their meaning.
const MARKS: &[(&str, &str)] = &[
    ("[ ]", "a factor of this step, and this step's term in the equation"),
    ("‹ ›", "read by another term of the same entry"),
    ("=", "the entry that is being computed"),
    ("≠", "after a number: the gradient in your file differs (D, :mine)"),
    ("{ }", "the cursor of i"), // `i` is the key that begins the inspection of entries
    (glyph::TO_COME, "alone: not computed yet"),
    ("·", "between two numbers: times"),
    (glyph::HIDDEN, "a hidden number to predict (key p)"),
    ("┊", "the copy of an entry that a broadcast repeats; the copy that is read has the marks of the entry"),
    ("░", "padding, or a gap that a stride makes between errors: a 0 without steps"),
    ("■ □", "a filter on a large image: a pixel under a weight, or any other pixel"),
    ("← → ↑ ↓", "at the edge of a matrix: more entries in this direction"),
    ("rot180", "the filter is drawn turned by 180°"),
    ("→", "before a matrix: the result"),
    ("▾ ▼  ▸ ▶", "beside a heat map: columns and rows that the entry reads (▾ ▸), and that this step reads or computes (▼ ▶)"),
    ("0.7000", "a 0 at the end: the number is rounded. 0.7 is exactly 0.7 (d: all digits)"),
    ("≈", "computed with all digits: the shown numbers are rounded and would give another last digit"),
    ("≈ 0", "a sum that is 0 except for rounding errors"),
    ("▌", "before a text: the scenario's note about this step"),
    ("dotted lines", "belong to other entries, if many lines cross; the lines of this entry are solid"),
    ("thick and thin lines", "of a maximum: from the winner, and from the losers; in the backward pass, only the winner has a line"),
    ("[a] =b (c)", "nodes of a graph: read by this step, being computed, neither"),
    ("⊞4", "after a node of a graph: the node contains 4 operations (key F opens it)"),
    ("━ ┄", "in the timeline: steps that are done, and steps to come"),
];

/// The colours, each with a sample in its style and its meaning.
const COLOURS: &[(&str, StyleRole, &str)] = &[
    ("grey", StyleRole::Forward, "the forward pass"),
    ("blue", StyleRole::Backward, "the backward pass"),
    ("[marked]", StyleRole::Step, "what this step reads"),
    ("‹marked›", StyleRole::Entry, "what the other terms of the entry read"),
    ("=marked", StyleRole::Result, "the entry that is being computed"),
    (
        "filters",
        StyleRole::Plain,
        "one colour for each shared weight, in the matrix and in the picture; this step's line has the accent colour",
    ),
];

/// Appends a heading and rows of two columns. `inside` is the width of the text in cells.
fn section(text: &mut Text<'static>, theme: &Theme, inside: usize, title: &'static str, rows: &[(&'static str, &'static str)]) {
    text.push_line("");
    text.push_line(Line::styled(title, theme.style(StyleRole::Heading)));
    for (label, words) in rows {
        text.extend(row_lines(Span::styled(*label, theme.style(StyleRole::Key)), words, inside));
    }
}

/// Returns the lines of one row: the label on the left of the first line, and the wrapped text in the right column.
fn row_lines(label: Span<'static>, words: &str, inside: usize) -> Vec<Line<'static>> {
    let mut label = Some(label);
    let line = |words: String| {
        // empty from the second line on
        let label = label.take().unwrap_or_default();
        let pad = " ".repeat(KEYS_WIDTH.saturating_sub(width(&label.content)).max(1));
        Line::from(vec![label, Span::raw(format!("{pad}{words}"))])
    };
    wrap(words, inside.saturating_sub(KEYS_WIDTH)).into_iter().map(line).collect()
}

/// Returns the keys of the screen below the help. For the stepper, the text also has the keys of the prompt, remarks on counts and indices, and a legend of the
/// mouse, the marks and the colours.
pub(super) fn text(state: &State, theme: &Theme, inside: usize) -> Text<'static> {
    let screen_focus = match state.screen {
        Screen::Picker(_) => Focus::Picker,
        Screen::Stepper(_) => Focus::Normal,
    };
    let below = BELOW.iter().find(|(focus, _)| *focus == state.focus_below());
    let mut text = Text::default();
    if screen_focus == Focus::Normal {
        text.extend(wrap(LEGEND_HINT, inside).into_iter().map(|line| Line::styled(line, theme.style(StyleRole::Heading))));
    }
    let prompts: &[_] = match state.screen {
        Screen::Picker(_) => &[(Focus::Filter, "in the filter of /")],
        Screen::Stepper(_) => &[(Focus::Prompt, "in the prompt of : and /"), (Focus::Answer, "in the prompt of p")],
    };
    for (focus, title) in below.copied().into_iter().chain([(screen_focus, "")]).chain(prompts.iter().copied()) {
        let title = if title.is_empty() && below.is_some() { "in the stepper" } else { title };
        if !text.lines.is_empty() {
            text.push_line("");
        }
        if !title.is_empty() {
            text.push_line(Line::styled(title, theme.style(StyleRole::Heading)));
        }
        for row in keys::rows(focus) {
            let keys = keys::user_keys(state, row).into_iter().map(keys::shown).collect::<Vec<_>>().join("  ");
            if keys.is_empty() && row.name.is_empty() {
                continue;
            }
            // if the user's settings give all keys of a command to other commands, its name is shown instead of its keys
            let keys = if keys.is_empty() { format!(":{}", row.name) } else { keys };
            text.extend(row_lines(Span::styled(keys, theme.style(StyleRole::Key)), row.description, inside));
        }
    }
    if screen_focus == Focus::Normal {
        text.push_line("");
        text.push_line("A number before a key repeats it: 10l moves ten units forward.");
        text.extend(wrap(COUNTS, inside).into_iter().map(Line::raw));
        section(&mut text, theme, inside, "the mouse", MOUSE);
        section(&mut text, theme, inside, "the marks", MARKS);
        text.push_line("");
        text.push_line(Line::styled("the colours", theme.style(StyleRole::Heading)));
        for (sample, role, words) in COLOURS {
            text.extend(row_lines(Span::styled(*sample, theme.style(*role)), words, inside));
        }
        let words = format!("the sign and the size of a number: {}, stronger is larger", theme.palette.words());
        text.extend(row_lines(Span::raw("background"), &words, inside));
    }
    text
}
