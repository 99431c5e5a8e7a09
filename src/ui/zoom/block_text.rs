//! Text in large characters. A character is 5 dots high, and most are 3 dots wide. Subscripts are 4 dots high, and end one dot lower.
//!
//! ```text
//! ▀▀█   █▀█ ▄█  ▀▀█     In medium size, a cell of the screen has two dots, one above the other.
//! █▀▀ ▀ █ █  █   ▀█     So a digit takes 3 columns and 3 lines,
//! ▀▀▀   ▀▀▀ ▀▀▀ ▀▀▀     and there is a blank column between two characters.
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// A blank as wide as a digit.
pub const BLANK: char = '\u{2007}';

/// The height of a character, in dots.
const HEIGHT: usize = 5;

/// The height of a subscript, in dots. It ends one dot below the other characters.
const SUBSCRIPT_HEIGHT: usize = 4;

/// The digits of subscripts.
#[rustfmt::skip]
const SUBSCRIPTS: [[&str; SUBSCRIPT_HEIGHT]; 10] = [
    ["###", "#.#", "#.#", "###"],
    [".#.", "##.", ".#.", "###"],
    ["##.", "..#", ".#.", "###"],
    ["###", ".#.", "..#", "##."],
    ["#.#", "#.#", "###", "..#"],
    ["###", "##.", "..#", "##."],
    ["#..", "###", "#.#", "###"],
    ["###", "..#", ".#.", ".#."],
    [".##", "###", "#.#", "###"],
    ["###", "#.#", "###", "..#"],
];

/// The dots of a character: its rows, and the number of dots by which its top is lower than that of other characters.
struct Dots {
    rows: &'static [&'static str],
    top: usize,
}

impl Dots {
    fn of(c: char) -> Self {
        match u32::from(c).checked_sub(u32::from('₀')).and_then(|digit| SUBSCRIPTS.get(digit as usize)) {
            Some(rows) => Self { rows, top: HEIGHT + 1 - SUBSCRIPT_HEIGHT },
            None => Self { rows: glyph(c), top: 0 },
        }
    }

    fn width(&self) -> usize {
        self.rows[0].len()
    }

    /// Returns whether the dot in a row of the text is set. Row 0 is the top of characters that are not subscripts.
    fn is_set(&self, row: usize, column: usize) -> bool {
        row.checked_sub(self.top).and_then(|row| self.rows.get(row)).is_some_and(|row| row.as_bytes().get(column) == Some(&b'#'))
    }
}

/// Returns whether the font has all characters of a text.
#[must_use]
pub fn is_in_font(text: &str) -> bool {
    text.chars().all(|c| Dots::of(c).rows != UNKNOWN)
}

/// The sizes of the characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FontSize {
    /// A dot is two columns wide and a line high.
    Large,
    /// A dot is a column wide and half a line high.
    Medium,
    /// A dot is a column wide and a line high. It is for ASCII, which has no half blocks.
    Tall,
    /// Ordinary text.
    Plain,
}

impl FontSize {
    /// Returns the number of lines of a text.
    #[must_use]
    pub fn lines(self) -> u16 {
        match self {
            Self::Large | Self::Tall => 5,
            Self::Medium => 3,
            Self::Plain => 1,
        }
    }

    /// Returns the number of columns of a text.
    #[must_use]
    pub fn width(self, text: &str) -> usize {
        match self {
            Self::Plain => crate::text::width(text),
            Self::Medium | Self::Tall => width_in_dots(text),
            Self::Large => 2 * width_in_dots(text),
        }
    }

    /// Returns the number of columns between two characters.
    #[must_use]
    pub fn gap(self) -> usize {
        match self {
            Self::Large => 2,
            Self::Medium | Self::Tall => 1,
            Self::Plain => 0,
        }
    }

    /// Returns this size and the smaller ones.
    #[must_use]
    pub fn and_smaller(self) -> &'static [Self] {
        match self {
            Self::Large => &[Self::Large, Self::Medium, Self::Plain],
            Self::Medium => &[Self::Medium, Self::Plain],
            Self::Tall => &[Self::Tall, Self::Plain],
            Self::Plain => &[Self::Plain],
        }
    }

    /// Returns the largest size in which a text fits into a width. It is at most this size.
    #[must_use]
    pub fn fitting(self, text: &str, width: usize) -> Self {
        self.and_smaller().iter().copied().find(|size| size.width(text) <= width).unwrap_or(Self::Plain)
    }
}

/// Returns the width of a text in dots, with one dot between two characters.
fn width_in_dots(text: &str) -> usize {
    let widths = text.chars().map(|c| Dots::of(c).width());
    (widths.map(|dots| dots + 1).sum::<usize>()).saturating_sub(1)
}

/// Draws a text at the upper left corner of an area, clipped at its right edge.
pub fn draw(text: &str, size: FontSize, style: Style, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    if size == FontSize::Plain {
        buf.set_stringn(area.x, area.y, text.replace(BLANK, " "), area.width.into(), style);
        return;
    }
    let mut column = 0_usize;
    for c in text.chars() {
        let dots = Dots::of(c);
        let wide = dots.width();
        for dot in 0..wide {
            let is_set = |row: usize| dots.is_set(row, dot);
            // the rows up to `HEIGHT` inclusive, because a subscript ends one dot lower
            match size {
                FontSize::Large => (0..=HEIGHT).filter(|row| is_set(*row)).for_each(|row| {
                    put(area, [2 * (column + dot), row], "█", style, buf);
                    put(area, [2 * (column + dot) + 1, row], "█", style, buf);
                }),
                FontSize::Tall => (0..=HEIGHT).filter(|row| is_set(*row)).for_each(|row| put(area, [column + dot, row], "█", style, buf)),
                FontSize::Medium | FontSize::Plain => (0..=HEIGHT / 2).for_each(|line| match [is_set(2 * line), is_set(2 * line + 1)] {
                    [true, true] => put(area, [column + dot, line], "█", style, buf),
                    [true, false] => put(area, [column + dot, line], "▀", style, buf),
                    [false, true] => put(area, [column + dot, line], "▄", style, buf),
                    [false, false] => {}
                }),
            }
        }
        column += wide + 1;
    }
}

/// Sets a cell of an area, if it is inside.
fn put(area: Rect, [column, line]: [usize; 2], symbol: &str, style: Style, buf: &mut Buffer) {
    let [Ok(column), Ok(line)] = [u16::try_from(column), u16::try_from(line)] else { return };
    if column < area.width
        && line < area.height
        && let Some(cell) = buf.cell_mut((area.x + column, area.y + line))
    {
        cell.set_symbol(symbol).set_style(style);
    }
}

/// The rows of dots of a box, for characters that are not in the table.
const UNKNOWN: &[&str] = &["###"; HEIGHT];

/// Returns the rows of dots of a character.
#[rustfmt::skip]
const fn glyph(c: char) -> &'static [&'static str] {
    match c {
        '0' => &["###", "#.#", "#.#", "#.#", "###"],
        '1' => &[".#.", "##.", ".#.", ".#.", "###"],
        '2' => &["###", "..#", "###", "#..", "###"],
        '3' => &["###", "..#", ".##", "..#", "###"],
        '4' => &["#.#", "#.#", "###", "..#", "..#"],
        '5' => &["###", "#..", "###", "..#", "###"],
        '6' => &["###", "#..", "###", "#.#", "###"],
        '7' => &["###", "..#", ".#.", ".#.", ".#."],
        '8' => &["###", "#.#", "###", "#.#", "###"],
        '9' => &["###", "#.#", "###", "..#", "###"],
        ' ' => &[".", ".", ".", ".", "."],
        BLANK => &["...", "...", "...", "...", "..."],
        '.' => &[".", ".", ".", ".", "#"],
        ',' => &[".", ".", ".", "#", "#"],
        '·' | '⋅' | '*' => &[".", ".", "#", ".", "."],
        '∙' => &["...", "...", ".#.", "...", "..."],
        ':' => &[".", "#", ".", "#", "."],
        '-' | '−' => &["...", "...", "###", "...", "..."],
        '+' => &["...", ".#.", "###", ".#.", "..."],
        '=' => &["...", "###", "...", "###", "..."],
        '≠' => &["..#", "###", ".#.", "###", "#.."],
        '≈' => &[".#..#", "#.##.", ".....", ".#..#", "#.##."],
        '(' => &[".#", "#.", "#.", "#.", ".#"],
        ')' => &["#.", ".#", ".#", ".#", "#."],
        '[' => &["##", "#.", "#.", "#.", "##"],
        ']' => &["##", ".#", ".#", ".#", "##"],
        '/' => &["..#", "..#", ".#.", "#..", "#.."],
        '^' => &[".#.", "#.#", "...", "...", "..."],
        '|' => &["#", "#", "#", "#", "#"],
        '?' => &["###", "..#", ".#.", "...", ".#."],
        '…' => &[".....", ".....", ".....", ".....", "#.#.#"],
        '∞' => &[".....", "##.##", "#.#.#", "##.##", "....."],
        '′' | '\'' => &["#", "#", ".", ".", "."],
        '²' => &["##", ".#", "#.", "##", ".."],
        '½' => &["#...", "#.#.", "..##", ".#.#", "#..."],
        '√' => &["..##", "..#.", "..#.", "#.#.", ".#.."],
        'a' => &["...", "##.", ".##", "#.#", "###"],
        'b' => &["#..", "##.", "#.#", "#.#", "##."],
        'c' => &["...", ".##", "#..", "#..", ".##"],
        'd' => &["..#", ".##", "#.#", "#.#", ".##"],
        'e' => &["...", ".##", "#.#", "##.", ".##"],
        'f' => &[".##", "#..", "##.", "#..", "#.."],
        'g' => &[".##", "#.#", ".##", "..#", "##."],
        'h' => &["#..", "##.", "#.#", "#.#", "#.#"],
        'i' => &["#", ".", "#", "#", "#"],
        'j' => &["..#", "...", "..#", "#.#", ".#."],
        'k' => &["#..", "#.#", "##.", "##.", "#.#"],
        'l' => &["##.", ".#.", ".#.", ".#.", ".##"],
        'm' => &[".....", "##.#.", "#.#.#", "#.#.#", "#.#.#"],
        'n' => &["...", "##.", "#.#", "#.#", "#.#"],
        'o' => &["...", ".#.", "#.#", "#.#", ".#."],
        'p' => &["...", "##.", "#.#", "##.", "#.."],
        'q' => &["...", ".##", "#.#", ".##", "..#"],
        'r' => &["...", ".##", "#..", "#..", "#.."],
        's' => &["...", ".##", "##.", ".##", "##."],
        't' => &[".#.", "###", ".#.", ".#.", ".##"],
        'u' => &["...", "#.#", "#.#", "#.#", ".##"],
        'v' => &["...", "#.#", "#.#", "#.#", ".#."],
        'w' => &[".....", "#.#.#", "#.#.#", "#.#.#", ".#.#."],
        'x' => &["...", "#.#", ".#.", "#.#", "#.#"],
        'y' => &["#.#", "#.#", ".##", "..#", "##."],
        'z' => &["...", "###", ".##", "#..", "###"],
        'σ' => &["....", ".###", "#.#.", "#.#.", ".#.."],
        'Σ' => &["###", "#..", ".#.", "#..", "###"],
        'δ' => &[".##", ".#.", ".##", "#.#", "##."],
        '∂' => &["##.", "..#", ".##", "#.#", "##."],
        'μ' => &["#.#", "#.#", "#.#", "###", "#.."],
        _ => capital(c),
    }
}

/// Returns the rows of dots of a capital letter. Only the letters that occur in symbols have some.
#[rustfmt::skip]
const fn capital(c: char) -> &'static [&'static str] {
    match c {
        'A' => &[".#.", "#.#", "###", "#.#", "#.#"],
        'B' => &["##.", "#.#", "##.", "#.#", "##."],
        'C' => &[".##", "#..", "#..", "#..", ".##"],
        'D' => &["##.", "#.#", "#.#", "#.#", "##."],
        'E' => &["###", "#..", "##.", "#..", "###"],
        'F' => &["###", "#..", "##.", "#..", "#.."],
        'J' => &["..#", "..#", "..#", "#.#", "###"],
        'L' => &["#..", "#..", "#..", "#..", "###"],
        'P' => &["###", "#.#", "###", "#..", "#.."],
        'Q' => &["###", "#.#", "#.#", "###", "..#"],
        'R' => &["##.", "#.#", "##.", "#.#", "#.#"],
        'S' => &[".##", "#..", ".#.", "..#", "##."],
        'T' => &["###", ".#.", ".#.", ".#.", ".#."],
        'W' => &["#...#", "#...#", "#.#.#", "##.##", "#...#"],
        'X' => &["#.#", "#.#", ".#.", "#.#", "#.#"],
        'Y' => &["#.#", "#.#", ".#.", ".#.", ".#."],
        'N' => &["#..#", "##.#", "#.##", "#..#", "#..#"],
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, size: FontSize) -> String {
        let area = Rect::new(0, 0, u16::try_from(size.width(text)).expect("small"), size.lines());
        let mut buf = Buffer::empty(area);
        draw(text, size, Style::default(), area, &mut buf);
        crate::ui::export::text(&buf)
    }

    #[test]
    fn characters_are_rectangles_of_dots() {
        let characters = "0123456789 .,·∙:-+=≠≈()[]/^|?…∞′²½√abcdefghijklmnopqrstuvwxyzABCDEFJLNPQRSTWXYσΣδ∂μ₀₁₂₃₄₅₆₇₈₉\u{1f600}";
        for c in characters.chars() {
            let rows = Dots::of(c).rows;
            assert!(rows.iter().all(|row| row.len() == rows[0].len() && row.bytes().all(|dot| b"#.".contains(&dot))), "{c}");
        }
        // characters with different meanings have different dots
        let distinct: std::collections::HashSet<_> = characters.chars().map(|c| Dots::of(c).rows).collect();
        assert_eq!(distinct.len(), characters.chars().count());
    }

    #[test]
    fn a_text_is_drawn_in_each_size() {
        assert_eq!(drawn("-1.5", FontSize::Medium), "    ▄█    █▀▀\n▀▀▀  █    ▀▀█\n    ▀▀▀ ▀ ▀▀▀\n");
        assert_eq!(drawn("7", FontSize::Large), "██████\n    ██\n  ██\n  ██\n  ██\n");
        // a subscript is one dot lower
        assert_eq!(drawn("a₁", FontSize::Medium), "▄▄\n▄▀█ ▄█\n▀▀▀ ▄█▄\n");
        // `⁽` and `⁾` have no dots
        assert!(is_in_font("∂C/∂w₁₂ = a₁·δ₂") && !is_in_font("a⁽⁰⁾₁"));
        assert_eq!(drawn("∂C", FontSize::Plain), "∂C\n");
    }

    #[test]
    fn the_picture_at_the_top_of_this_file_is_right() {
        let width = FontSize::Medium.width("2·013");
        let lines = include_str!("block_text.rs").lines().skip_while(|line| *line != "//! ```text").skip(1).take(3);
        let picture: String = lines.map(|line| line.chars().skip("//! ".len()).take(width).chain(['\n']).collect::<String>()).collect();
        assert_eq!(picture, drawn("2·013", FontSize::Medium));
    }

    #[test]
    fn the_largest_size_that_fits_is_taken() {
        // the text is 3 + 1 + 3 + 3 dots wide with 3 gaps: 13 columns in the medium size, 26 in the large one
        let size = |width| FontSize::Large.fitting("0.25", width);
        assert_eq!([26, 25, 13, 12].map(size), [FontSize::Large, FontSize::Medium, FontSize::Medium, FontSize::Plain]);
        assert_eq!(FontSize::Medium.fitting("0.25", 100), FontSize::Medium);
    }
}
