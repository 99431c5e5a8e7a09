//! Writes the difference between two frames in few bytes, with the escape sequences of a VT100 and those for colours.
//!
//! An *ink* is the colours and attributes of a cell. Neighbouring changed cells with the same ink form a *run*. For example, if a frame changes from `x = 1` to
//! `x = 2`, with the number in red at row 2, column 5, these bytes are written:
//!
//! ```text
//! ESC[31m  ESC[2;5H  2  ESC[m        red ink, cursor to row 2 column 5, the text, plain ink
//! ```
//!
//! Four methods save bytes:
//!
//! - The runs are written in two orders, line by line and ink by ink. The shorter result is used.
//! - The cursor moves by the shortest sequence. A gap of up to 4 unchanged cells of the current ink is not skipped; its cells are written again.
//! - An ink is set by its differences from the last ink or, if this is shorter, from the plain ink.
//! - A blank cell shows only its background. So it does not change the current text colour and attributes.

use std::ops::Range;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use smallvec::SmallVec;
use unicode_width::UnicodeWidthStr as _;

use crate::text::is_one_cell;

/// The attributes that are visible on a blank cell.
const VISIBLE_ON_BLANK: Modifier =
    Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::SLOW_BLINK).union(Modifier::RAPID_BLINK).union(Modifier::CROSSED_OUT);
/// The attributes, each with its code for on and its code for off. Bold and dim have the same code for off.
const ATTRIBUTES: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// A gap of up to this number of unchanged cells is written again, not skipped, if the current ink can write its cells.
const MAX_GAP: u16 = 4;

/// The colours and attributes of the written text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ink {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Ink {
    fn of_cell(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    /// Returns whether a cell looks right if it is written with this ink.
    fn can_write(self, cell: &Cell) -> bool {
        let needed = Self::of_cell(cell);
        self == needed || is_blank(cell) && self.bg == needed.bg && !self.modifier.intersects(VISIBLE_ON_BLANK)
    }

    /// Returns whether the ink `next` lacks a colour or an attribute of this ink. If it does not, each code from this ink to `next` is also a code from the
    /// plain ink to `next`.
    fn loses_to(self, next: Self) -> bool {
        let loses = |colour: Color, next: Color| colour != Color::Reset && next == Color::Reset;
        loses(self.fg, next.fg) || loses(self.bg, next.bg) || !next.modifier.contains(self.modifier)
    }

    /// Returns this ink with the background `bg`, without attributes that are visible on a blank cell.
    fn for_blank(self, bg: Color) -> Self {
        Self { bg, modifier: self.modifier.difference(VISIBLE_ON_BLANK), ..self }
    }
}

/// `true` if only the background of a cell is visible.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(VISIBLE_ON_BLANK)
}

/// The number of columns of a cell's text: 2 for a wide character.
fn width(cell: &Cell) -> u16 {
    let symbol = cell.symbol();
    let mut characters = symbol.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) if is_one_cell(character) => 1,
        // a control character counts as one column, as every text of one byte
        _ if symbol.len() == 1 => 1,
        _ => u16::try_from(symbol.width()).unwrap_or(1),
    }
}

/// `true` if two cells have the same text, colours and attributes. Ratatui's comparison compares other fields too, which the program does not set. It calls
/// the system's comparison of texts, which takes longer than the comparison of one character.
fn is_same(one: &Cell, other: &Cell) -> bool {
    let symbols = match (one.symbol().as_bytes(), other.symbol().as_bytes()) {
        ([a], [b]) => a == b,
        ([a, b], [c, d]) => [a, b] == [c, d],
        ([a, b, c], [d, e, f]) => [a, b, c] == [d, e, f],
        (a, b) => a == b,
    };
    symbols && one.fg == other.fg && one.bg == other.bg && one.modifier == other.modifier
}

/// Neighbouring changed cells that are written with one ink: the columns `x..end` of row `y`.
struct InkRun {
    x: u16,
    y: u16,
    end: u16,
    ink: Ink,
    /// `true` if all cells are blank. Then only the background of the ink matters.
    is_blank: bool,
    /// The text of the cells, as a part of [`Runs::text`].
    text: Range<usize>,
}

/// The runs of a frame. Their texts are collected once, because each run is written in two orders.
#[derive(Default)]
struct Runs {
    all: Vec<InkRun>,
    text: Vec<u8>,
}

/// A writer of frames. It collects bytes, which [`Pen::take`] returns.
#[derive(Debug, Default)]
pub struct Pen {
    bytes: Vec<u8>,
}

impl Pen {
    /// Writes the bytes that change the frame `shown` into the frame `next`. The frames have the same size. The terminal's ink is plain before and after.
    pub fn draw(&mut self, shown: &Buffer, next: &Buffer) {
        let runs = runs(shown, next);
        let by_line = run_bytes(next, &runs.text, runs.all.iter());
        let mut inks: Vec<Ink> = Vec::new();
        // blank runs come first: they are right with any text colour, so also with the plain ink
        let mut sorted_runs: Vec<(usize, &InkRun)> = runs.all.iter().map(|run| (order_of_ink(&mut inks, run), run)).collect();
        sorted_runs.sort_by_key(|(order, _)| *order);
        let by_ink = run_bytes(next, &runs.text, sorted_runs.into_iter().map(|(_, run)| run));
        self.bytes.extend(if by_ink.len() < by_line.len() { by_ink } else { by_line });
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the bytes written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// Returns 0 for a blank run. For another run, returns the place of its ink in the list of inks, from 1; a new ink is appended to the list.
fn order_of_ink(inks: &mut Vec<Ink>, run: &InkRun) -> usize {
    if run.is_blank {
        return 0;
    }
    let place = inks.iter().position(|ink| *ink == run.ink).unwrap_or_else(|| {
        inks.push(run.ink);
        inks.len() - 1
    });
    place + 1
}

/// Returns the cells that differ, with column and row, line by line.
///
/// The fast comparison is wrong for wide characters, because half of an old one can stay on the screen. If a wide character changes, ratatui's slower
/// comparison is used.
fn changed_cells<'a>(shown: &'a Buffer, next: &'a Buffer) -> Vec<(u16, u16, &'a Cell)> {
    let mut cells = Vec::with_capacity(256);
    let columns = usize::from(next.area.width).max(1);
    let rows = shown.content.chunks(columns).zip(next.content.chunks(columns));
    for ((before, after), y) in rows.zip(next.area.y..) {
        for ((before, after), x) in before.iter().zip(after).zip(next.area.x..) {
            if is_same(before, after) {
                continue;
            }
            if width(before) != 1 || width(after) != 1 {
                return shown.diff_iter(next).collect();
            }
            cells.push((x, y, after));
        }
    }
    cells
}

/// The runs of cells that look different, from the first line to the last.
fn runs(shown: &Buffer, next: &Buffer) -> Runs {
    let mut runs = Runs::default();
    for (x, y, cell) in changed_cells(shown, next) {
        let blank = is_blank(cell);
        // the screen shows the second half of a wide character here, not what `shown` has in this cell
        let was_half = || x > shown.area.x && shown.cell((x - 1, y)).is_some_and(|left| width(left) > 1);
        if blank && shown.cell((x, y)).is_some_and(|before| is_blank(before) && before.bg == cell.bg) && !was_half() {
            continue;
        }
        let (end, ink, start) = (x + width(cell).max(1), Ink::of_cell(cell), runs.text.len());
        runs.text.extend_from_slice(cell.symbol().as_bytes());
        let text_end = runs.text.len();
        if let Some(run) = runs.all.last_mut().filter(|run| run.y == y && run.end == x) {
            let is_same_ink = !run.is_blank && run.ink.can_write(cell) || run.is_blank && blank && run.ink.bg == cell.bg;
            // a blank run is continued by a text on the same background that has no attributes visible on a blank cell
            if is_same_ink || run.is_blank && ink.for_blank(run.ink.bg) == ink {
                if !is_same_ink {
                    (run.ink, run.is_blank) = (ink, false);
                }
                (run.end, run.text.end) = (end, text_end);
                continue;
            }
        }
        runs.all.push(InkRun { x, y, end, ink, is_blank: blank, text: start..text_end });
    }
    runs
}

/// The bytes that write runs of a frame in the given order.
fn run_bytes<'a>(next: &Buffer, text: &[u8], runs: impl Iterator<Item = &'a InkRun>) -> Vec<u8> {
    let mut writer = RunWriter { bytes: Vec::with_capacity(2048), cursor: None, ink: Ink::default(), next };
    for run in runs {
        writer.set_ink(if run.is_blank { writer.ink.for_blank(run.ink.bg) } else { run.ink });
        writer.move_cursor(run.x, run.y);
        writer.bytes.extend_from_slice(&text[run.text.clone()]);
        writer.set_cursor(run.end, run.y);
    }
    writer.set_ink(Ink::default());
    writer.bytes
}

/// A writer of runs: the bytes so far, and the state of the terminal after them.
struct RunWriter<'a> {
    bytes: Vec<u8>,
    /// The column and row of the cursor; `None` if unknown.
    cursor: Option<(u16, u16)>,
    ink: Ink,
    next: &'a Buffer,
}

impl RunWriter<'_> {
    /// Sets the position of the cursor after a text.
    fn set_cursor(&mut self, x: u16, y: u16) {
        // after the last column, the position of the cursor differs between terminals
        self.cursor = (x < self.next.area.right()).then_some((x, y));
    }

    /// Moves the cursor in the fewest bytes.
    fn move_cursor(&mut self, x: u16, y: u16) {
        if self.cursor == Some((x, y)) {
            return;
        }
        if let Some((from_x, from_y)) = self.cursor {
            if from_y == y && from_x < x && x - from_x <= MAX_GAP && self.can_rewrite(from_x, y, x) {
                self.bytes.extend((from_x..x).filter_map(|x| self.next.cell((x, y))).flat_map(|cell| cell.symbol().bytes()));
                return self.set_cursor(x, y);
            }
            let (lines, columns) = (y.abs_diff(from_y), x.abs_diff(from_x));
            if length_of_move_by(lines) + length_of_move_by(columns) < length_of_move_to(x, y) {
                append_move_by(&mut self.bytes, lines, if y > from_y { b'B' } else { b'A' });
                append_move_by(&mut self.bytes, columns, if x > from_x { b'C' } else { b'D' });
                self.cursor = Some((x, y));
                return;
            }
        }
        append_move_to(&mut self.bytes, x, y);
        self.cursor = Some((x, y));
    }

    /// `true` if the cells `x..end` of a row can be written again with the current ink, one byte each.
    fn can_rewrite(&self, x: u16, y: u16, end: u16) -> bool {
        (x..end).all(|x| self.next.cell((x, y)).is_some_and(|cell| cell.symbol().len() == 1 && self.ink.can_write(cell)))
    }

    /// Changes the ink. The codes are the differences from the last ink or, if this is shorter, from the plain ink.
    fn set_ink(&mut self, ink: Ink) {
        if ink == self.ink {
            return;
        }
        // without codes, the sequence `ESC[m` sets the plain ink
        let mut codes = SequenceBytes::new();
        if ink != Ink::default() {
            append_changes(&mut codes, self.ink, ink);
            if self.ink.loses_to(ink) {
                let mut from_plain = SequenceBytes::new();
                append_code(&mut from_plain, 0); // the plain ink
                append_changes(&mut from_plain, Ink::default(), ink);
                if from_plain.len() < codes.len() {
                    codes = from_plain;
                }
            }
        }
        self.bytes.extend_from_slice(b"\x1b[");
        self.bytes.extend_from_slice(&codes);
        self.bytes.push(b'm');
        self.ink = ink;
    }
}

/// The bytes of an escape sequence.
type SequenceBytes = SmallVec<[u8; 64]>;

/// Appends the digits of a code.
fn append_code_digits(text: &mut SequenceBytes, code: u8) {
    if code > 99 {
        text.push(b'0' + code / 100);
    }
    if code > 9 {
        text.push(b'0' + code / 10 % 10);
    }
    text.push(b'0' + code % 10);
}

/// Appends the digits of a number.
fn append_digits(bytes: &mut Vec<u8>, number: u16) {
    if number > 9 {
        append_digits(bytes, number / 10);
    }
    bytes.push(b"0123456789"[usize::from(number % 10)]);
}

/// Returns the number of digits of a number.
fn digits(number: u16) -> usize {
    match number {
        0..=9 => 1,
        10..=99 => 2,
        100..=999 => 3,
        1000..=9999 => 4,
        _ => 5,
    }
}

/// Appends a code of a sequence, after a semicolon if it is not the first.
fn append_code(text: &mut SequenceBytes, code: u8) {
    if !text.is_empty() {
        text.push(b';');
    }
    append_code_digits(text, code);
}

/// Appends the sequence that moves the cursor in a direction: `ESC[3B` is 3 rows down, `ESC[B` is 1. Appends nothing for a distance of 0.
fn append_move_by(bytes: &mut Vec<u8>, count: u16, letter: u8) {
    if count > 0 {
        bytes.extend_from_slice(b"\x1b[");
        if count > 1 {
            append_digits(bytes, count);
        }
        bytes.push(letter);
    }
}

/// Returns the length of the sequence of [`append_move_by`].
fn length_of_move_by(count: u16) -> usize {
    match count {
        0 => 0,
        1 => 3,
        _ => 3 + digits(count),
    }
}

/// Appends the sequence that moves the cursor to a column and row: `ESC[2;5H` is row 2, column 5, and `ESC[H` is the corner.
fn append_move_to(bytes: &mut Vec<u8>, x: u16, y: u16) {
    bytes.extend_from_slice(b"\x1b[");
    if (x, y) != (0, 0) {
        append_digits(bytes, y + 1);
        bytes.push(b';');
        append_digits(bytes, x + 1);
    }
    bytes.push(b'H');
}

/// Returns the length of the sequence of [`append_move_to`].
fn length_of_move_to(x: u16, y: u16) -> usize {
    if (x, y) == (0, 0) { 3 } else { 4 + digits(y + 1) + digits(x + 1) }
}

/// Appends the codes that change one ink into another.
fn append_changes(text: &mut SequenceBytes, from: Ink, to: Ink) {
    if from.modifier != to.modifier {
        append_attributes(text, from.modifier, to.modifier);
    }
    if from.fg != to.fg {
        append_colour(text, to.fg, 30);
    }
    if from.bg != to.bg {
        append_colour(text, to.bg, 40);
    }
}

/// Appends the codes that change some attributes into others.
fn append_attributes(text: &mut SequenceBytes, from: Modifier, to: Modifier) {
    let mut on = from;
    if !to.contains(from) {
        for (attribute, _, off) in ATTRIBUTES {
            if on.difference(to).contains(attribute) {
                append_code(text, off);
                // the code for off can switch off two attributes: bold and dim
                for (switched_off, ..) in ATTRIBUTES.into_iter().filter(|(.., code)| *code == off) {
                    on.remove(switched_off);
                }
            }
        }
    }
    for (attribute, code, _) in ATTRIBUTES {
        if to.difference(on).contains(attribute) {
            append_code(text, code);
        }
    }
}

/// Appends the codes of a colour. `first` is 30 for the foreground and 40 for the background.
fn append_colour(text: &mut SequenceBytes, colour: Color, first: u8) {
    // 39 and 49 are the default colours, and 90 to 97 and 100 to 107 the bright colours; 38 and 48 begin an indexed or an RGB colour
    let offset = match colour {
        Color::Reset => 9,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
        Color::Indexed(index) => return [first + 8, 5, index].into_iter().for_each(|n| append_code(text, n)),
        Color::Rgb(r, g, b) => return [first + 8, 2, r, g, b].into_iter().for_each(|n| append_code(text, n)),
    };
    append_code(text, first + offset);
}

#[cfg(test)]
mod tests;
