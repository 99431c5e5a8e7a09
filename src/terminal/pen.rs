//! The pen: it writes the difference between two frames in few bytes, with the escape sequences of a VT100 and those for colours.
//!
//! The changed cells are joined to runs of one ink (colours and attributes). Example: from `x = 1` to `x = 2`, with a red number at row 2, column 5:
//!
//! ```text
//! ESC[31m  ESC[2;5H  2  ESC[m        red ink, cursor to row 2 column 5, the text, plain ink
//! ```
//!
//! It saves bytes in four ways:
//!
//! - The runs are written line by line, or ink by ink, whichever is shorter.
//! - The cursor moves by the shortest sequence; a gap of up to 4 unchanged cells is written again instead.
//! - An ink is changed by its differences from the last one, or from plain, whichever is shorter.
//! - A blank cell shows only its background, so its other colours and attributes stay as they happen to be.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use smallvec::SmallVec;
use unicode_width::UnicodeWidthStr as _;

/// The attributes that are visible on a blank.
const SEEN: Modifier =
    Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::SLOW_BLINK).union(Modifier::RAPID_BLINK).union(Modifier::CROSSED_OUT);
/// The codes that switch each attribute on and off. Bold and dim have the same code for off.
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

/// The largest gap of unchanged cells that is written again instead of skipped.
const GAP: u16 = 4;

/// The colours and attributes of the written text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ink {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Ink {
    fn of(cell: &Cell) -> Self {
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    /// Whether a cell looks right if it is written with this ink.
    fn fits(self, cell: &Cell) -> bool {
        let own = Self::of(cell);
        self == own || is_blank(cell) && self.bg == own.bg && !self.modifier.intersects(SEEN)
    }

    /// The ink closest to this one that writes a blank with background `bg`.
    fn blank(self, bg: Color) -> Self {
        Self { bg, modifier: self.modifier.difference(SEEN), ..self }
    }
}

/// Whether only the background of a cell is visible.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(SEEN)
}

fn width(cell: &Cell) -> u16 {
    let symbol = cell.symbol();
    if symbol.len() == 1 { 1 } else { u16::try_from(symbol.width()).unwrap_or(1) }
}

/// Neighbouring cells of one ink: the columns `x..end` of row `y`.
struct InkRun {
    x: u16,
    y: u16,
    end: u16,
    ink: Ink,
    /// Whether all cells are blanks, which need only the background of the ink.
    blank: bool,
}

/// A writer of frames. It collects bytes; [`Pen::take`] returns them.
#[derive(Debug, Default)]
pub struct Pen {
    bytes: Vec<u8>,
}

impl Pen {
    /// Writes the bytes that change the frame `shown` into `next`. Both have the same size; the terminal's ink is plain before and after.
    pub fn draw(&mut self, shown: &Buffer, next: &Buffer) {
        let runs = runs(shown, next);
        let by_line = written(next, runs.iter());
        let mut inks: Vec<Ink> = Vec::new();
        for run in &runs {
            if !run.blank && !inks.contains(&run.ink) {
                inks.push(run.ink);
            }
        }
        let blanks = runs.iter().filter(|run| run.blank);
        let by_ink = written(next, blanks.chain(inks.iter().flat_map(|ink| runs.iter().filter(|run| !run.blank && run.ink == *ink))));
        self.bytes.extend(if by_ink.len() < by_line.len() { by_ink } else { by_line });
    }

    /// Writes other bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the bytes written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// The cells that differ, from the first line to the last. This is a fast comparison. If a wide character changes, ratatui's slower one is used, because
/// terminals treat its other half differently.
fn changed<'a>(shown: &'a Buffer, next: &'a Buffer) -> Vec<(u16, u16, &'a Cell)> {
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
    for (x, y, cell) in changed(shown, next) {
        let blank = is_blank(cell);
        // the second half of a wide character shows that character, not its own cell
        let half = x > shown.area.x && shown.cell((x - 1, y)).is_some_and(|before| width(before) > 1);
        if blank && !half && shown.cell((x, y)).is_some_and(|before| is_blank(before) && before.bg == cell.bg) {
            continue;
        }
        let end = x + width(cell).max(1);
        if let Some(run) = runs.last_mut().filter(|run| run.y == y && run.end == x) {
            if !run.blank && run.ink.fits(cell) || run.blank && blank && run.ink.bg == cell.bg {
                run.end = end;
                continue;
            }
            if run.blank && Ink::of(cell).blank(run.ink.bg) == Ink::of(cell) {
                (run.end, run.ink, run.blank) = (end, Ink::of(cell), false);
                continue;
            }
        }
        runs.push(InkRun { x, y, end, ink: Ink::of(cell), blank });
    }
    runs
}

/// The bytes that write runs of a frame in the given order.
fn written<'a>(next: &Buffer, runs: impl Iterator<Item = &'a InkRun>) -> Vec<u8> {
    let mut writer = RunWriter { bytes: Vec::with_capacity(2048), at: None, ink: Ink::default(), next };
    for run in runs {
        writer.set_ink(if run.blank { writer.ink.blank(run.ink.bg) } else { run.ink });
        writer.go(run.x, run.y);
        writer.print(run.x, run.y, run.end);
    }
    writer.set_ink(Ink::default());
    writer.bytes
}

/// The bytes so far and the state of the terminal after them.
struct RunWriter<'a> {
    bytes: Vec<u8>,
    /// The column and row of the cursor; `None` if unknown.
    at: Option<(u16, u16)>,
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
        // after the last column the position of the cursor depends on the terminal
        self.at = (x < self.next.area.right()).then_some((x, y));
    }

    /// Moves the cursor in the fewest bytes.
    fn go(&mut self, x: u16, y: u16) {
        if self.at == Some((x, y)) {
            return;
        }
        let mut best = place(x, y);
        if let Some((from_x, from_y)) = self.at {
            if from_y == y && from_x < x && x - from_x <= GAP && self.may_print(from_x, y, x) {
                return self.print(from_x, y, x);
            }
            let mut way = SequenceBytes::new();
            if y != from_y {
                way.extend(moved(y.abs_diff(from_y), if y > from_y { b'B' } else { b'A' }));
            }
            if x != from_x {
                way.extend(moved(x.abs_diff(from_x), if x > from_x { b'C' } else { b'D' }));
            }
            if way.len() < best.len() {
                best = way;
            }
        }
        self.bytes.extend_from_slice(&best);
        self.at = Some((x, y));
    }

    /// Whether the cells `x..end` can be written again with the current ink, one byte each.
    fn may_print(&self, x: u16, y: u16, end: u16) -> bool {
        (x..end).all(|x| self.next.cell((x, y)).is_some_and(|cell| cell.symbol().len() == 1 && self.ink.fits(cell)))
    }

    /// Changes the ink by its differences, or from plain, whichever is shorter.
    fn set_ink(&mut self, ink: Ink) {
        if ink == self.ink {
            return;
        }
        let (mut difference, mut from_plain) = (SequenceBytes::new(), SequenceBytes::new());
        if ink != Ink::default() {
            number(&mut from_plain, 0);
            change(&mut from_plain, Ink::default(), ink);
            change(&mut difference, self.ink, ink);
        }
        let best = if from_plain.len() < difference.len() { from_plain } else { difference };
        self.bytes.extend_from_slice(b"\x1b[");
        self.bytes.extend_from_slice(&best);
        self.bytes.push(b'm');
        self.ink = ink;
    }
}

/// The bytes of an escape sequence.
type SequenceBytes = SmallVec<[u8; 64]>;

fn digits(text: &mut SequenceBytes, number: u16) {
    if number > 9 {
        digits(text, number / 10);
    }
    text.push(b"0123456789"[usize::from(number % 10)]);
}

/// Appends a number, after a semicolon if it is not the first.
fn number(text: &mut SequenceBytes, number: u8) {
    if !text.is_empty() {
        text.push(b';');
    }
    digits(text, number.into());
}

/// The sequence that moves the cursor: `ESC[3B`, and `ESC[B` for 1.
fn moved(by: u16, letter: u8) -> SequenceBytes {
    let mut text = SequenceBytes::from_slice(b"\x1b[");
    if by > 1 {
        digits(&mut text, by);
    }
    text.push(letter);
    text
}

fn place(x: u16, y: u16) -> SequenceBytes {
    let mut text = SequenceBytes::from_slice(b"\x1b[");
    if (x, y) != (0, 0) {
        digits(&mut text, y + 1);
        text.push(b';');
        digits(&mut text, x + 1);
    }
    text.push(b'H');
    text
}

/// Appends the numbers that change one ink into another.
fn change(text: &mut SequenceBytes, from: Ink, to: Ink) {
    let mut on = from.modifier;
    for (attribute, _, off) in ATTRIBUTES {
        if on.difference(to.modifier).contains(attribute) {
            number(text, off);
            for (other, ..) in ATTRIBUTES.into_iter().filter(|(.., its)| *its == off) {
                on.remove(other);
            }
        }
    }
    for (attribute, code, _) in ATTRIBUTES {
        if to.modifier.difference(on).contains(attribute) {
            number(text, code);
        }
    }
    if from.fg != to.fg {
        colour(text, to.fg, 30);
    }
    if from.bg != to.bg {
        colour(text, to.bg, 40);
    }
}

/// Appends the numbers of a colour; `first` is 30 for the foreground and 40 for the background. The 16 named colours exist on every terminal with colours.
fn colour(text: &mut SequenceBytes, colour: Color, first: u8) {
    let own = match colour {
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
        Color::Indexed(index) => return [first + 8, 5, index].into_iter().for_each(|n| number(text, n)),
        Color::Rgb(r, g, b) => return [first + 8, 2, r, g, b].into_iter().for_each(|n| number(text, n)),
    };
    number(text, first + own);
}

#[cfg(test)]
mod tests;
