//! The pane with the statement of a graph. The operation that the step computes, or whose derivative it computes, is marked in it.
//!
//! ```text
//! line 4   var = («diff**2»).mean(0, keepdim=True)                                 part 1 of 3
//! ```

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::glyph::SEPARATOR;
use crate::scene::StatementHere;
use crate::text::{cut, width};
use crate::ui::equation;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The marks before and after the operation.
const MARKS: [&str; 2] = ["«", "»"];
/// The smallest height of a screen that has the pane.
const HIGH_SCREEN: u16 = 22;
/// The smallest height of a screen that also has a blank line above the pane.
const HIGHER_SCREEN: u16 = 30;
/// The smallest width of a line with room for the longest texts.
const WIDE_SCREEN: u16 = 100;
/// The number of characters before the operation that a long statement still shows.
const BEFORE: usize = 12;

/// Returns the number of lines of the pane. For every op of a graph on a high screen it is 1, so that panes do not move from op to op.
#[must_use]
pub fn height(view: &StepView<'_>, screen: Rect, _: Rect) -> u16 {
    u16::from(view.has_statements() && screen.height >= HIGH_SCREEN)
}

/// Returns the number of blank lines above the pane. If there is no statement, they are above the equation.
#[must_use]
pub fn gap_height(view: &StepView<'_>, screen: Rect, _: Rect) -> u16 {
    let enough = if view.has_statements() { HIGHER_SCREEN } else { HIGH_SCREEN };
    u16::from(screen.height >= enough)
}

/// Draws the pane.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let Some(statement) = view.statement().filter(|_| view.has_statements()) else { return };
    let theme = &view.theme;
    let dim = theme.style(StyleRole::Dim);
    let back = match view.is_backward() {
        true if area.width < WIDE_SCREEN => "back, ",
        true => "back through ",
        false => "",
    };
    let label = format!("{back}line {}   ", statement.line);
    // the texts for the right end, the longest first: the facts, or the title of the equation if its line has no room for it
    let mut rights: Vec<(String, StyleRole)> = Vec::new();
    let mut facts = facts(&statement);
    if let Some(titles) = equation::moved_titles(view, area.width.into()) {
        rights.extend(titles.into_iter().map(|title| (title.into_owned(), StyleRole::Heading)));
    } else {
        rights.push((facts.join(SEPARATOR), StyleRole::Dim));
        facts.pop();
        rights.push((facts.join(SEPARATOR), StyleRole::Dim));
    }
    // the cells for the statement: without the label, the marks, the text at the right end, and two blanks before it
    let room_beside = |right: &str| usize::from(area.width).saturating_sub(width(&label) + width(right) + MARKS.len() + 2);
    let fitting = rights.iter().position(|(right, _)| width(statement.text) <= room_beside(right));
    let (right, role) = rights.swap_remove(fitting.unwrap_or(rights.len() - 1));
    let room = room_beside(&right);
    let [before, part, after] = pieces(statement.text, &statement.part, room);
    let gap = room.saturating_sub(width(&before) + width(&part) + width(&after)) + 2;
    let style = theme.style(if view.is_backward() { StyleRole::Backward } else { StyleRole::Plain }).bold();
    Line::from(vec![
        Span::styled(label, dim),
        Span::raw(before),
        Span::styled(MARKS[0], style),
        Span::styled(part, style),
        Span::styled(MARKS[1], style),
        Span::raw(after),
        Span::raw(" ".repeat(gap)),
        Span::styled(right, theme.style(role)),
    ])
    .draw(area, buf);
}

/// Returns facts such as `turn 2 of 5` (of the loop) and `part 1 of 3` (the operation among those of its statement).
fn facts(statement: &StatementHere<'_>) -> Vec<String> {
    let [number, count] = statement.number;
    let part = (count > 1).then(|| format!("part {number} of {count}"));
    statement.turn.map(|turn| format!("turn {} of {}", turn.number, turn.count)).into_iter().chain(part).collect()
}

/// Returns the text before the operation, the operation, and the text after it. Together they have at most `room` cells: first the beginning is cut, then the
/// end.
fn pieces(text: &str, part: &Range<usize>, room: usize) -> [String; 3] {
    let (before, rest) = text.split_at_checked(part.start).unwrap_or(("", text));
    let (part, after) = rest.split_at_checked(part.len()).unwrap_or((rest, ""));
    let before = if width(text) > room && before.chars().count() > BEFORE {
        let reversed_end = before.chars().rev().take(BEFORE).collect::<Vec<_>>();
        format!("…{}", reversed_end.into_iter().rev().collect::<String>())
    } else {
        before.to_owned()
    };
    let part = cut(part, room.saturating_sub(width(&before)));
    let after = cut(after, room.saturating_sub(width(&before) + width(&part)));
    [before, part, after]
}

/// Returns the statement as a sentence for the plain mode, with the operation in quotation marks.
#[must_use]
pub fn sentence(view: &StepView<'_>) -> Option<String> {
    let statement = view.statement().filter(|_| view.has_statements())?;
    let part = statement.text.get(statement.part.clone())?;
    let of = facts(&statement).into_iter().map(|fact| format!(", {fact}")).collect::<Vec<_>>().concat();
    let back = if view.is_backward() { "Back through line" } else { "Line" };
    Some(format!("{back} {}{of}: {}. The operation is \"{part}\".", statement.line, statement.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_statement_is_cut_around_its_operation() {
        let text = "loss = (first + second + third) * fourth";
        let part = 8..22;
        assert_eq!(&text[part.clone()], "first + second");
        assert_eq!(pieces(text, &part, 60).concat(), text);
        assert_eq!(pieces(text, &(25..30), 26), ["… + second + ", "third", ") * fou…"].map(str::to_owned));
        assert_eq!(pieces(text, &part, 18), ["loss = (", "first + s…", ""].map(str::to_owned));
    }
}
