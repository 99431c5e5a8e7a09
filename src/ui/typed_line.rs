//! Draws a line that is typed into. The cursor is always in view: a text that is too long for the line is shown from a later character on.
//!
//! ```text
//! :grad.conv1.weight[0,0,0,1]█      a wide line
//! :…weight[0,0,0,1]█                a narrow one, with the cursor at the end of the text
//! :grad.█onv1.weigh…                the same line with the cursor further left
//! ```

use ratatui::text::{Line, Span};

use super::theme::{StyleRole, Theme};
use crate::text::{characters, cut, width};

/// The sign of text that is not in view.
const MORE: &str = "…";

/// Returns a line of at most `room` cells: a text before the typed one, such as a colon, and the typed text with its cursor, which is on character `cursor`.
pub(super) fn typed_line(sign: &str, typed: &str, cursor: usize, room: usize, theme: &Theme) -> Line<'static> {
    // escaped, because pasted or replayed text may have control characters; the cursor at the end of the text is on a blank
    let characters: Vec<String> = characters(typed).map(String::from).chain([" ".to_owned()]).collect();
    let cursor = cursor.min(characters.len() - 1);
    let widths: Vec<usize> = characters.iter().map(|character| width(character)).collect();
    let all: usize = widths.iter().sum();
    // a long sign leaves half of the line to the typed text
    let sign = cut(sign, room - all.min(room.div_ceil(2)));
    let room = room - width(&sign);
    let under = cut(&characters[cursor], room);
    // the first character in view: as many as have room are before the cursor, and the sign for those before them
    let (mut first, mut used) = (cursor, width(&under));
    while first > 0 && used + widths[first - 1] + if first > 1 { width(MORE) } else { 0 } <= room {
        first -= 1;
        used += widths[first];
    }
    let more = if first > 0 && used < room { MORE } else { "" };
    let before = characters[first..cursor].concat();
    let after = cut(characters[cursor + 1..].concat().trim_end(), room - used - width(more));
    Line::from(vec![
        Span::styled(sign, theme.style(StyleRole::Key)),
        Span::raw(format!("{more}{before}")),
        Span::styled(under, theme.style(StyleRole::Plain).reversed()),
        Span::raw(after),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a line as text, with the character under the cursor in brackets.
    fn line(sign: &str, typed: &str, cursor: usize, room: usize) -> String {
        let line = typed_line(sign, typed, cursor, room, &Theme::default());
        assert!(line.width() <= room, "{line:?}");
        let texts: Vec<&str> = line.spans.iter().map(|span| &*span.content).collect();
        format!("{}{}[{}]{}", texts[0], texts[1], texts[2], texts[3])
    }

    #[test]
    fn the_cursor_is_in_view() {
        let address = "grad.conv1.weight[0,0,0,1]";
        for (cursor, room, expected) in [
            (26, 80, ":grad.conv1.weight[0,0,0,1][ ]"),
            (26, 20, ":…1.weight[0,0,0,1][ ]"),
            (25, 20, ":…v1.weight[0,0,0,1[]]"),
            (0, 20, ":[g]rad.conv1.weight[…"),
            (18, 20, ":grad.conv1.weight[[0]"),
            (19, 20, ":…ad.conv1.weight[0[,]"),
            (26, 3, ":…[ ]"),
            (26, 2, ":[ ]"),
            (26, 1, "[ ]"),
        ] {
            assert_eq!(line(":", address, cursor, room), expected, "{cursor} in {room}");
        }
        // a letter of two cells
        assert_eq!(line("/", "学学学", 3, 6), "/…学[ ]");
        assert_eq!(line("/", "学学学", 1, 2), "/[…]");
        // a control character is escaped
        assert_eq!(line("/", "\u{1b}x", 2, 20), "/<U+001B>x[ ]");
    }

    #[test]
    fn a_long_sign_leaves_half_of_the_line() {
        assert_eq!(line(" conv1.weight[0,0,0,1] = 2 → ", "0.25", 4, 20), " conv1.weight[…0.25[ ]");
        assert_eq!(line(" conv1.weight[0,0,0,1] = 2 → ", "0.123456789123", 14, 20), " conv1.we……56789123[ ]");
        assert_eq!(line(" w = ", "", 0, 20), " w = [ ]");
    }
}
