//! Tests of the pen: a terminal emulator shows the frames, and some changes have exactly the expected bytes.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::*;

/// A pseudorandom number generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.roll(items.len() as u64)).unwrap()]
    }
}

const COLOURS: [Color; 7] =
    [Color::Reset, Color::Reset, Color::Red, Color::LightBlue, Color::DarkGray, Color::Indexed(99), Color::Rgb(1, 200, 30)];
const MODIFIERS: [Modifier; 6] =
    [Modifier::empty(), Modifier::BOLD, Modifier::DIM, Modifier::UNDERLINED, Modifier::REVERSED, Modifier::BOLD.union(Modifier::ITALIC)];

/// Writes random words in random inks.
fn scribble(dice: &mut Dice, buffer: &mut Buffer) {
    let area = buffer.area;
    for _ in 0..dice.roll(12) {
        let (x, y) = (dice.roll(area.width.into()), dice.roll(area.height.into()));
        let style = Style::reset().fg(dice.pick(&COLOURS)).bg(dice.pick(&COLOURS)).add_modifier(dice.pick(&MODIFIERS));
        let text = dice.pick(&["a", "ab", " ", "      ", "∂C/∂w₁₂", "x  y", "0.25 ", "━━━"]);
        buffer.set_string(u16::try_from(x).unwrap(), u16::try_from(y).unwrap(), text, style);
    }
}

/// A colour in the types of the emulator.
fn emulated(colour: Color) -> vt100::Color {
    let indexed = |n| vt100::Color::Idx(n);
    match colour {
        Color::Red => indexed(1),
        Color::DarkGray => indexed(8),
        Color::LightBlue => indexed(12),
        Color::Indexed(n) => indexed(n),
        Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
        _ => vt100::Color::Default,
    }
}

/// `true` if the emulator shows a cell as it should.
fn is_shown(terminal: &vt100::Parser, cell: &Cell, x: u16, y: u16) -> bool {
    let Some(shown) = terminal.screen().cell(y, x) else { return false };
    let text = if shown.contents().is_empty() { " " } else { shown.contents() };
    let same_background = shown.bgcolor() == emulated(cell.bg)
        && shown.underline() == cell.modifier.contains(Modifier::UNDERLINED)
        && shown.inverse() == cell.modifier.contains(Modifier::REVERSED);
    let same_text_style = shown.fgcolor() == emulated(cell.fg)
        && shown.bold() == cell.modifier.contains(Modifier::BOLD)
        && shown.dim() == cell.modifier.contains(Modifier::DIM)
        && shown.italic() == cell.modifier.contains(Modifier::ITALIC);
    text == cell.symbol() && same_background && (same_text_style || is_blank(cell))
}

#[test]
fn a_terminal_shows_the_frame_after_random_changes() {
    let mut dice = Dice(7);
    for (width, height) in [(3, 2), (20, 5), (80, 24)] {
        let area = Rect::new(0, 0, width, height);
        let mut terminal = vt100::Parser::new(height, width, 0);
        let (mut shown, mut pen) = (Buffer::empty(area), Pen::default());
        for frame in 0..400 {
            let mut next = if dice.roll(9) == 0 { Buffer::empty(area) } else { shown.clone() };
            scribble(&mut dice, &mut next);
            pen.draw(&shown, &next);
            terminal.process(&pen.take());
            // the first column after the last character
            let mut x = 0;
            for (n, cell) in next.content().iter().enumerate() {
                let (column, row) = next.pos_of(n);
                // the second half of a wide character has no cell of its own
                x = if column == 0 { 0 } else { x };
                if column >= x {
                    assert!(
                        is_shown(&terminal, cell, column, row),
                        "frame {frame}, {column},{row}: {cell:?}\n{}",
                        terminal.screen().contents()
                    );
                    x = column + super::width(cell);
                }
            }
            shown = next;
        }
        // after each frame the pen resets the colours and bold, so that the next text on the terminal is plain
        assert_eq!((terminal.screen().fgcolor(), terminal.screen().bold()), (vt100::Color::Default, false));
    }
}

/// The bytes that change a frame with the texts `before` into one with the texts `after`.
fn bytes(before: &[(u16, u16, &str, Style)], after: &[(u16, u16, &str, Style)]) -> String {
    let area = Rect::new(0, 0, 40, 4);
    let frame = |texts: &[(u16, u16, &str, Style)]| {
        let mut buffer = Buffer::empty(area);
        for (x, y, text, style) in texts {
            buffer.set_string(*x, *y, text, *style);
        }
        buffer
    };
    let mut pen = Pen::default();
    pen.draw(&frame(before), &frame(after));
    String::from_utf8(pen.take()).unwrap().replace('\x1b', "ESC")
}

#[test]
fn changes_are_written_in_few_bytes() {
    let (plain, red) = (Style::new(), Style::new().fg(Color::Red));
    assert_eq!(bytes(&[], &[]), "");
    // a blank cell shows neither its text colour nor bold
    assert_eq!(bytes(&[(3, 1, " ", red)], &[(3, 1, " ", plain.bold())]), "");
    assert_eq!(bytes(&[], &[(3, 1, "a b", red)]), "ESC[31mESC[2;4Ha bESC[m");
    // the cells of a small gap are written again, a larger gap is skipped
    assert_eq!(bytes(&[(3, 1, "a--b", plain)], &[(3, 1, "c--d", plain)]), "ESC[2;4Hc--d");
    assert_eq!(bytes(&[(3, 1, "a------b", plain)], &[(3, 1, "c------d", plain)]), "ESC[2;4HcESC[6Cd");
    // after `a`, the cursor is in the column after it. A cell straight below the cursor is reached by a shorter move than any other cell of that line
    assert_eq!(bytes(&[], &[(3, 1, "a", plain), (3, 2, "b", plain)]), "ESC[2;4HaESC[3;4Hb");
    assert_eq!(bytes(&[], &[(3, 1, "a", plain), (4, 2, "b", plain)]), "ESC[2;4HaESC[Bb");
    // an *ink* is the colours and attributes of a cell. Here it takes fewer bytes to write all cells of one ink, and then all cells of the next
    let by_ink = bytes(&[], &[(0, 0, "a", red), (5, 0, "b", plain), (9, 0, "c", red), (14, 0, "d", plain)]);
    assert_eq!(by_ink, "ESC[31mESC[HaESC[8CcESC[mESC[5DbESC[8Cd");
    // the next ink is set in the shorter of two ways: by its differences from the last ink (22 ends bold), or by a reset (0) and its differences from plain
    // text
    let changes = bytes(&[], &[(0, 0, "a", red.bold()), (1, 0, "b", red), (2, 0, "c", plain.bg(Color::Blue))]);
    assert_eq!(changes, "ESC[1;31mESC[HaESC[22mbESC[0;44mcESC[m");
}
