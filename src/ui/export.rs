//! Writes a frame as plain text, or as text with ANSI escape sequences.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

/// Returns the cells of a row with their columns. Cells that the right half of a wide character covers are left out.
pub(super) fn row(buf: &Buffer, y: u16) -> impl Iterator<Item = (u16, &Cell)> {
    let mut next_free = buf.area.left();
    (buf.area.left()..buf.area.right()).filter_map(move |x| {
        let cell = buf.cell((x, y))?;
        if x < next_free {
            return None;
        }
        next_free = x.saturating_add(u16::try_from(cell.symbol().width().max(1)).unwrap_or(1));
        Some((x, cell))
    })
}

/// Returns the frame as plain text: a line for each row, without trailing blanks.
#[must_use]
pub fn text(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let start = out.len();
        row(buf, y).for_each(|(_, cell)| out.push_str(cell.symbol()));
        out.truncate(start + out[start..].trim_end().len());
        out.push('\n');
    }
    out
}

/// Returns the frame as text with ANSI escape sequences for its styles. Each line starts and ends unstyled.
#[must_use]
pub fn ansi(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let mut style = plain();
        // unstyled blanks are written only when a text follows, so that no line ends with blanks
        let mut blanks = 0;
        for (_, cell) in row(buf, y) {
            let cell_style = cell.style();
            if cell_style == plain() && cell.symbol() == " " {
                blanks += 1;
                continue;
            }
            if blanks > 0 && style != plain() {
                out.push_str("\u{1b}[0m");
                style = plain();
            }
            out.extend(std::iter::repeat_n(' ', std::mem::take(&mut blanks)));
            if cell_style != style {
                escape(&mut out, cell_style);
                style = cell_style;
            }
            out.push_str(cell.symbol());
        }
        if style != plain() {
            out.push_str("\u{1b}[0m");
        }
        out.push('\n');
    }
    out
}

/// Returns the style of an unstyled cell. Ratatui gives such a cell the colours `Reset`, so it is not `Style::new()`.
pub(super) fn plain() -> Style {
    Cell::default().style()
}

/// The SGR parameter (of the escape sequence `ESC [ … m`, which sets a style) of each modifier except rapid blinking, which no pane uses.
const CODES: [(Modifier, u8); 8] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::SLOW_BLINK, 5),
    (Modifier::REVERSED, 7),
    (Modifier::HIDDEN, 8),
    (Modifier::CROSSED_OUT, 9),
];

/// Appends the escape sequence that sets a style.
fn escape(out: &mut String, style: Style) {
    out.push_str("\u{1b}[0");
    for (modifier, code) in CODES {
        if style.add_modifier.contains(modifier) {
            let _ = write!(out, ";{code}");
        }
    }
    colour(out, style.fg, 30);
    colour(out, style.bg, 40);
    out.push('m');
}

/// Appends the SGR parameters of a colour; `base` is 30 for the foreground, 40 for the background.
fn colour(out: &mut String, colour: Option<Color>, base: u8) {
    let number = match colour {
        None | Some(Color::Reset) => return,
        Some(Color::Rgb(r, g, b)) => {
            let _ = write!(out, ";{};2;{r};{g};{b}", base + 8);
            return;
        }
        Some(Color::Indexed(i)) => {
            let _ = write!(out, ";{};5;{i}", base + 8);
            return;
        }
        Some(named) => named_colour_number(named).unwrap_or(0),
    };
    // the bright colours 8 to 15 have the codes 90 to 97 and 100 to 107
    let code = if number < 8 { base + number } else { base + 60 + (number - 8) };
    let _ = write!(out, ";{code}");
}

/// Returns the number of a named colour, 0 to 15; `None` for an RGB or indexed colour.
pub(super) fn named_colour_number(colour: Color) -> Option<u8> {
    const NAMED: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    (0..).zip(NAMED).find_map(|(i, c)| (c == colour).then_some(i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    /// Returns a frame of 3 rows whose first cell is at column 2 and row 1. The last row is blank.
    fn frame() -> Buffer {
        let mut buf = Buffer::empty(Rect::new(2, 1, 14, 3));
        buf.set_string(2, 1, "plain  ", Style::new());
        buf.set_string(2, 2, "a", Style::new().fg(Color::Red).bg(Color::LightBlue).bold());
        buf.set_string(3, 2, "漢b", Style::new().fg(Color::Rgb(1, 2, 3)).bg(Color::Indexed(200)));
        buf.set_string(8, 2, "c", Style::new().reversed());
        buf.set_string(9, 2, "  ", Style::new().underlined());
        buf
    }

    #[test]
    fn text_has_no_trailing_blanks_and_no_styles() {
        assert_eq!(text(&frame()), "plain\na漢b  c\n\n");
        assert_eq!(text(&Buffer::empty(Rect::new(0, 0, 0, 0))), "");
    }

    #[test]
    fn ansi_sets_each_style_and_resets_it_at_the_end_of_the_line() {
        let expected = "plain\n\
            \u{1b}[0;1;31;104ma\u{1b}[0;38;2;1;2;3;48;5;200m漢b\u{1b}[0m  \u{1b}[0;7mc\u{1b}[0;4m  \u{1b}[0m\n\n";
        assert_eq!(ansi(&frame()), expected);
    }

    #[test]
    fn a_terminal_that_reads_the_ansi_shows_the_frame() {
        let buf = frame();
        let mut terminal = vt100::Parser::new(3, 14, 0);
        terminal.process(ansi(&buf).replace('\n', "\r\n").trim_end().as_bytes());
        // the row 2 of the frame, with the column x, is the row 1 of the terminal, with the column x - 2
        for (x, cell) in row(&buf, 2) {
            let seen = terminal.screen().cell(1, x - 2).unwrap();
            // the terminal has no text in a cell to which nothing was written
            assert_eq!(seen.contents().trim(), cell.symbol().trim());
            assert_eq!(seen.bold(), cell.modifier.contains(Modifier::BOLD));
            assert_eq!(seen.inverse(), cell.modifier.contains(Modifier::REVERSED));
            assert_eq!(seen.underline(), cell.modifier.contains(Modifier::UNDERLINED));
            let expected = match cell.fg {
                Color::Red => vt100::Color::Idx(1),
                Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
                _ => vt100::Color::Default,
            };
            assert_eq!(seen.fgcolor(), expected);
        }
    }
}
