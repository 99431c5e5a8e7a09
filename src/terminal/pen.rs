//! What is written so that a terminal shows another frame: the cells that look otherwise, with as few bytes as it takes.
//!
//! Cells of one ink are written together where that is shorter than line by line; the cursor moves by the shortest sequence; an ink is changed by what
//! differs, in one sequence; of a blank, colours and weight that nobody sees are as they happen to be. Sequences are those of a VT100, and colours.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use smallvec::SmallVec;
use unicode_width::UnicodeWidthStr as _;

/// What is seen of a blank.
const SEEN: Modifier =
    Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::SLOW_BLINK).union(Modifier::RAPID_BLINK).union(Modifier::CROSSED_OUT);
/// What each attribute is switched on and off by. Bold and dim go out together.
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

/// Unchanged cells that are sooner written again than jumped over.
const GAP: u16 = 4;

/// Colours and attributes of what is written.
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

    /// Whether a cell looks as it should when this ink writes it.
    fn fits(self, cell: &Cell) -> bool {
        let own = Self::of(cell);
        self == own || is_blank(cell) && self.bg == own.bg && !self.modifier.intersects(SEEN)
    }

    /// The ink most like this one that leaves a blank of a background.
    fn blank(self, bg: Color) -> Self {
        Self { bg, modifier: self.modifier.difference(SEEN), ..self }
    }
}

/// Whether nothing is seen of a cell but its background.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(SEEN)
}

fn width(cell: &Cell) -> u16 {
    let symbol = cell.symbol();
    if symbol.len() == 1 { 1 } else { u16::try_from(symbol.width()).unwrap_or(1) }
}

/// Neighbouring cells of one ink.
struct Run {
    x: u16,
    y: u16,
    end: u16,
    ink: Ink,
    /// All are blanks: the ink is that of the last frame, but for its background.
    blank: bool,
}

/// Writes frames.
#[derive(Debug, Default)]
pub struct Pen {
    bytes: Vec<u8>,
}

impl Pen {
    /// Writes what makes `next` of `shown`. Both are as large; the terminal's ink is plain before and after.
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

    /// Writes bytes that are no frame.
    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What has been written since this was last asked.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// The cells that differ, from the first line to the last. Most do not, and of these nothing else is asked; only where a wide character changes does it
/// take more, as terminals differ in what becomes of its other half.
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

/// What looks otherwise, from the first line to the last.
fn runs(shown: &Buffer, next: &Buffer) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (x, y, cell) in changed(shown, next) {
        let blank = is_blank(cell);
        // half of a wide character looks as that does, whatever its own cell says
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
        runs.push(Run { x, y, end, ink: Ink::of(cell), blank });
    }
    runs
}

/// The bytes that write some runs of a frame in their order.
fn written<'a>(next: &Buffer, runs: impl Iterator<Item = &'a Run>) -> Vec<u8> {
    let mut line = Line { bytes: Vec::with_capacity(2048), at: None, ink: Ink::default(), next };
    for run in runs {
        line.dip(if run.blank { line.ink.blank(run.ink.bg) } else { run.ink });
        line.go(run.x, run.y);
        line.print(run.x, run.y, run.end);
    }
    line.dip(Ink::default());
    line.bytes
}

/// What is being written.
struct Line<'a> {
    bytes: Vec<u8>,
    /// Where the cursor is, where that is known.
    at: Option<(u16, u16)>,
    ink: Ink,
    next: &'a Buffer,
}

impl Line<'_> {
    /// Writes the cells of a line up to a column.
    fn print(&mut self, mut x: u16, y: u16, end: u16) {
        while x < end {
            let Some(cell) = self.next.cell((x, y)) else { break };
            self.bytes.extend_from_slice(cell.symbol().as_bytes());
            x += width(cell).max(1);
        }
        // behind the last column terminals differ in where they are
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
            let mut way = Text::new();
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

    /// Whether the cells up to a column may be written again with the ink at hand, each as a byte.
    fn may_print(&self, x: u16, y: u16, end: u16) -> bool {
        (x..end).all(|x| self.next.cell((x, y)).is_some_and(|cell| cell.symbol().len() == 1 && self.ink.fits(cell)))
    }

    /// Changes the ink: by what differs, or from plain, whichever is shorter.
    fn dip(&mut self, ink: Ink) {
        if ink == self.ink {
            return;
        }
        let (mut difference, mut anew) = (Text::new(), Text::new());
        if ink != Ink::default() {
            number(&mut anew, 0);
            change(&mut anew, Ink::default(), ink);
            change(&mut difference, self.ink, ink);
        }
        let best = if anew.len() < difference.len() { anew } else { difference };
        self.bytes.extend_from_slice(b"\x1b[");
        self.bytes.extend_from_slice(&best);
        self.bytes.push(b'm');
        self.ink = ink;
    }
}

/// A short sequence.
type Text = SmallVec<[u8; 64]>;

fn digits(text: &mut Text, number: u16) {
    if number > 9 {
        digits(text, number / 10);
    }
    text.push(b"0123456789"[usize::from(number % 10)]);
}

/// A number, after a semicolon where others are before it.
fn number(text: &mut Text, number: u8) {
    if !text.is_empty() {
        text.push(b';');
    }
    digits(text, number.into());
}

/// A sequence of a number, 1 being the one that may be left out.
fn moved(by: u16, letter: u8) -> Text {
    let mut text = Text::from_slice(b"\x1b[");
    if by > 1 {
        digits(&mut text, by);
    }
    text.push(letter);
    text
}

fn place(x: u16, y: u16) -> Text {
    let mut text = Text::from_slice(b"\x1b[");
    if (x, y) != (0, 0) {
        digits(&mut text, y + 1);
        text.push(b';');
        digits(&mut text, x + 1);
    }
    text.push(b'H');
    text
}

/// The numbers that change one ink into another.
fn change(text: &mut Text, from: Ink, to: Ink) {
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

/// The numbers of a colour: in front from 30 on, behind from 40 on. The terminal's own sixteen are those that every terminal with colours knows.
fn colour(text: &mut Text, colour: Color, first: u8) {
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
