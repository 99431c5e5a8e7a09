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
//! - The cursor moves by the shortest sequence. A gap of up to 4 unchanged cells is not skipped; its cells are written again.
//! - An ink is set by its differences from the last ink or, if this is shorter, from the plain ink.
//! - A blank cell shows only its background. So it does not change the current text colour and attributes.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use smallvec::SmallVec;
use unicode_width::UnicodeWidthStr as _;

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

/// A gap of up to this number of unchanged cells is written again, not skipped.
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
    if symbol.len() == 1 { 1 } else { u16::try_from(symbol.width()).unwrap_or(1) }
}

/// Neighbouring changed cells that are written with one ink: the columns `x..end` of row `y`.
struct InkRun {
    x: u16,
    y: u16,
    end: u16,
    ink: Ink,
    /// `true` if all cells are blank. Then only the background of the ink matters.
    is_blank: bool,
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
        let by_line = run_bytes(next, runs.iter());
        let mut inks: Vec<Ink> = Vec::new();
        for run in &runs {
            if !run.is_blank && !inks.contains(&run.ink) {
                inks.push(run.ink);
            }
        }
        // blank runs come first: they are right with any text colour, so also with the plain ink
        let blank_runs = runs.iter().filter(|run| run.is_blank);
        let sorted_runs = inks.iter().flat_map(|ink| runs.iter().filter(|run| !run.is_blank && run.ink == *ink));
        let by_ink = run_bytes(next, blank_runs.chain(sorted_runs));
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

/// Returns the cells that differ, with column and row, line by line.
///
/// The fast comparison is wrong for wide characters, because half of an old one can stay on the screen. If a wide character changes, ratatui's slower
/// comparison is used.
fn changed_cells<'a>(shown: &'a Buffer, next: &'a Buffer) -> Vec<(u16, u16, &'a Cell)> {
    let pairs = shown.content.iter().zip(&next.content).enumerate().filter(|(_, (before, after))| before != after);
    let mut cells = Vec::with_capacity(256);
    for (n, (before, after)) in pairs {
        if width(before) != 1 || width(after) != 1 {
            return shown.diff_iter(next).collect();
        }
        let (x, y) = next.pos_of(n);
        cells.push((x, y, after));
    }
    cells
}

/// The runs of cells that look different, from the first line to the last.
fn runs(shown: &Buffer, next: &Buffer) -> Vec<InkRun> {
    let mut runs: Vec<InkRun> = Vec::new();
    for (x, y, cell) in changed_cells(shown, next) {
        let blank = is_blank(cell);
        // the screen shows the second half of a wide character here, not what `shown` has in this cell
        let was_half = x > shown.area.x && shown.cell((x - 1, y)).is_some_and(|left| width(left) > 1);
        if blank && !was_half && shown.cell((x, y)).is_some_and(|before| is_blank(before) && before.bg == cell.bg) {
            continue;
        }
        let end = x + width(cell).max(1);
        if let Some(run) = runs.last_mut().filter(|run| run.y == y && run.end == x) {
            if !run.is_blank && run.ink.can_write(cell) || run.is_blank && blank && run.ink.bg == cell.bg {
                run.end = end;
                continue;
            }
            // a blank run is continued by a text on the same background that has no attributes visible on a blank cell
            if run.is_blank && Ink::of_cell(cell).for_blank(run.ink.bg) == Ink::of_cell(cell) {
                (run.end, run.ink, run.is_blank) = (end, Ink::of_cell(cell), false);
                continue;
            }
        }
        runs.push(InkRun { x, y, end, ink: Ink::of_cell(cell), is_blank: blank });
    }
    runs
}

/// The bytes that write runs of a frame in the given order.
fn run_bytes<'a>(next: &Buffer, runs: impl Iterator<Item = &'a InkRun>) -> Vec<u8> {
    let mut writer = RunWriter { bytes: Vec::with_capacity(2048), cursor: None, ink: Ink::default(), next };
    for run in runs {
        writer.set_ink(if run.is_blank { writer.ink.for_blank(run.ink.bg) } else { run.ink });
        writer.move_cursor(run.x, run.y);
        writer.print(run.x, run.y, run.end);
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
    /// Writes the cells `x..end` of a row.
    fn print(&mut self, mut x: u16, y: u16, end: u16) {
        while x < end {
            let Some(cell) = self.next.cell((x, y)) else { break };
            self.bytes.extend_from_slice(cell.symbol().as_bytes());
            x += width(cell).max(1);
        }
        // after the last column, the position of the cursor differs between terminals
        self.cursor = (x < self.next.area.right()).then_some((x, y));
    }

    /// Moves the cursor in the fewest bytes.
    fn move_cursor(&mut self, x: u16, y: u16) {
        if self.cursor == Some((x, y)) {
            return;
        }
        let mut shortest = move_to(x, y);
        if let Some((from_x, from_y)) = self.cursor {
            if from_y == y && from_x < x && x - from_x <= MAX_GAP && self.can_rewrite(from_x, y, x) {
                return self.print(from_x, y, x);
            }
            let mut relative = SequenceBytes::new();
            if y != from_y {
                relative.extend(move_by(y.abs_diff(from_y), if y > from_y { b'B' } else { b'A' }));
            }
            if x != from_x {
                relative.extend(move_by(x.abs_diff(from_x), if x > from_x { b'C' } else { b'D' }));
            }
            if relative.len() < shortest.len() {
                shortest = relative;
            }
        }
        self.bytes.extend_from_slice(&shortest);
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
        let (mut difference, mut from_plain) = (SequenceBytes::new(), SequenceBytes::new());
        if ink != Ink::default() {
            append_code(&mut from_plain, 0); // the plain ink
            append_changes(&mut from_plain, Ink::default(), ink);
            append_changes(&mut difference, self.ink, ink);
        }
        let codes = if from_plain.len() < difference.len() { from_plain } else { difference };
        self.bytes.extend_from_slice(b"\x1b[");
        self.bytes.extend_from_slice(&codes);
        self.bytes.push(b'm');
        self.ink = ink;
    }
}

/// The bytes of an escape sequence.
type SequenceBytes = SmallVec<[u8; 64]>;

/// Appends the digits of a number.
fn append_digits(text: &mut SequenceBytes, number: u16) {
    if number > 9 {
        append_digits(text, number / 10);
    }
    text.push(b"0123456789"[usize::from(number % 10)]);
}

/// Appends a code of a sequence, after a semicolon if it is not the first.
fn append_code(text: &mut SequenceBytes, code: u8) {
    if !text.is_empty() {
        text.push(b';');
    }
    append_digits(text, code.into());
}

/// The sequence that moves the cursor in a direction: `ESC[3B` is 3 rows down, `ESC[B` is 1.
fn move_by(count: u16, letter: u8) -> SequenceBytes {
    let mut text = SequenceBytes::from_slice(b"\x1b[");
    if count > 1 {
        append_digits(&mut text, count);
    }
    text.push(letter);
    text
}

/// The sequence that moves the cursor to a column and row: `ESC[2;5H` is row 2, column 5, and `ESC[H` is the corner.
fn move_to(x: u16, y: u16) -> SequenceBytes {
    let mut text = SequenceBytes::from_slice(b"\x1b[");
    if (x, y) != (0, 0) {
        append_digits(&mut text, y + 1);
        text.push(b';');
        append_digits(&mut text, x + 1);
    }
    text.push(b'H');
    text
}

/// Appends the codes that change one ink into another.
fn append_changes(text: &mut SequenceBytes, from: Ink, to: Ink) {
    let mut on = from.modifier;
    for (attribute, _, off) in ATTRIBUTES {
        if on.difference(to.modifier).contains(attribute) {
            append_code(text, off);
            // the code for off can switch off two attributes: bold and dim
            for (switched_off, ..) in ATTRIBUTES.into_iter().filter(|(.., code)| *code == off) {
                on.remove(switched_off);
            }
        }
    }
    for (attribute, code, _) in ATTRIBUTES {
        if to.modifier.difference(on).contains(attribute) {
            append_code(text, code);
        }
    }
    if from.fg != to.fg {
        append_colour(text, to.fg, 30);
    }
    if from.bg != to.bg {
        append_colour(text, to.bg, 40);
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
