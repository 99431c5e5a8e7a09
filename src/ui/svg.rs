//! Writes a frame as SVG. Each text has a fixed length in pixels, so that columns are aligned in any monospaced font.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

use super::export::{named_colour_number, row};
use super::theme::{Background, Rgb, indexed};

/// The width of a cell. All lengths are in pixels.
const WIDTH: f64 = 8.4;
/// The height of a cell.
const HEIGHT: f64 = 18.0;
/// The margin around the frame.
const MARGIN: f64 = 14.0;
/// The size of the font.
const FONT: f64 = 14.0;
/// The distance from the top of a cell to the baseline of its text.
const BASELINE: f64 = 13.2;

/// The sixteen named colours, for a dark and for a light background.
const NAMED: [[u32; 16]; 2] = [
    [
        0x15_18_1e, 0xe0_6c_75, 0x98_c3_79, 0xe5_b5_4a, 0x61_9f_ef, 0xc6_78_dd, 0x56_b6_c2, 0xb6_bd_ca, 0x7a_80_8c, 0xff_87_8f, 0xb5_e0_94,
        0xff_d5_80, 0x8a_bd_ff, 0xe0_9c_f2, 0x7f_d6_e0, 0xf2_f4_f8,
    ],
    [
        0x1d_1f_24, 0xb4_23_18, 0x2c_6e_49, 0xd9_98_00, 0x1f_5f_bf, 0x8b_30_a8, 0x00_6b_75, 0xb8_bd_c6, 0x6b_70_7a, 0xd4_48_3b, 0x3d_8f_60,
        0xe8_b0_3a, 0x3d_7d_dd, 0xa8_50_c4, 0x1c_8a_95, 0xff_ff_ff,
    ],
];
/// The default foreground and background, for a dark and for a light background.
const DEFAULTS: [(Rgb, Rgb); 2] = [([0xd7, 0xdb, 0xe2], [0x16, 0x19, 0x20]), ([0x24, 0x27, 0x2d], [0xff, 0xff, 0xff])];

/// Returns the frame as a self-contained SVG document, on a dark or a light background.
#[must_use]
pub fn svg(buf: &Buffer, background: Background) -> String {
    let [backgrounds, texts] = layers(buf, background);
    format!("{}{}{backgrounds}{texts}</svg>\n", start((buf.area.width, buf.area.height)), background_rect(background))
}

/// Returns the start tag of a document for a frame of this size, in columns and rows.
pub(super) fn start((columns, rows): (u16, u16)) -> String {
    let (w, h) = (f64::from(columns) * WIDTH + 2.0 * MARGIN, f64::from(rows) * HEIGHT + 2.0 * MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.1}\" height=\"{h:.1}\" viewBox=\"0 0 {w:.1} {h:.1}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"{FONT}\">\n"
    )
}

/// Returns the rectangle that is the background of the document.
pub(super) fn background_rect(background: Background) -> String {
    let colour = DEFAULTS[usize::from(background == Background::Light)].1;
    format!("<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{}\"/>\n", hex(colour))
}

/// Returns the two layers of a frame: the backgrounds of the cells, and the texts and shapes on them. Each element is on one line. The elements of a layer do
/// not overlap, except for underlines and the ends of lines.
pub(super) fn layers(buf: &Buffer, background: Background) -> [String; 2] {
    let mut layers = [String::new(), String::new()];
    for (i, y) in (0_u16..).zip(buf.area.top()..buf.area.bottom()) {
        backgrounds(&mut layers[0], buf, y, top(i), background);
        texts(&mut layers[1], buf, y, top(i), background);
    }
    layers
}

/// Returns the top of a row, in pixels.
fn top(row: u16) -> f64 {
    MARGIN + f64::from(row) * HEIGHT
}

/// The style of a cell with RGB colours. The modifiers reversed, dim and hidden are already applied to the colours; `modifier` has hidden and the others.
#[derive(Clone, Copy, PartialEq)]
struct CellStyle {
    fg: Rgb,
    bg: Option<Rgb>,
    modifier: Modifier,
}

/// Converts the style of a cell.
fn cell_style(cell: &Cell, background: Background) -> CellStyle {
    let side = usize::from(background == Background::Light);
    let (default_fg, default_background) = DEFAULTS[side];
    let rgb = |colour: Color| match colour {
        Color::Rgb(r, g, b) => Some([r, g, b]),
        Color::Indexed(i) if i >= 16 => Some(indexed(i)),
        Color::Indexed(i) => Some(named_colour(side, i)),
        other => named_colour_number(other).map(|i| named_colour(side, i)),
    };
    let (mut fg, mut bg) = (rgb(cell.fg).unwrap_or(default_fg), rgb(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        (fg, bg) = (bg.unwrap_or(default_background), Some(fg));
    }
    if cell.modifier.contains(Modifier::DIM) {
        let behind = bg.unwrap_or(default_background);
        fg = std::array::from_fn(|c| u8::midpoint(fg[c], behind[c]));
    }
    if cell.modifier.contains(Modifier::HIDDEN) {
        fg = bg.unwrap_or(default_background);
    }
    CellStyle { fg, bg, modifier: cell.modifier - Modifier::REVERSED - Modifier::DIM }
}

/// Returns one of the sixteen named colours. `side` is 0 for a dark background, 1 for a light one.
fn named_colour(side: usize, i: u8) -> Rgb {
    let [_, r, g, b] = NAMED[side][usize::from(i & 15)].to_be_bytes();
    [r, g, b]
}

/// Returns a colour as `#rrggbb`.
fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Writes the backgrounds of a row: one rectangle for each run of equal colour.
fn backgrounds(out: &mut String, buf: &Buffer, y: u16, top: f64, background: Background) {
    // the current run of cells with one colour: the colour, and the left and right edge
    let mut run: Option<(Rgb, f64, f64)> = None;
    let mut close = |run: Option<(Rgb, f64, f64)>| {
        if let Some((colour, from, to)) = run {
            let width = to - from;
            let fill = hex(colour);
            let _ = writeln!(out, "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{HEIGHT:.1}\" fill=\"{fill}\"/>");
        }
    };
    for (x, cell) in row(buf, y) {
        let (from, to) = span(buf, x, cell.symbol());
        let bg = cell_style(cell, background).bg;
        run = match (run, bg) {
            (Some((colour, start, _)), Some(bg)) if colour == bg => Some((colour, start, to)),
            (old, bg) => {
                close(old);
                bg.map(|bg| (bg, from, to))
            }
        };
    }
    close(run);
}

/// Returns the left and right edge of a cell's symbol, in pixels.
fn span(buf: &Buffer, x: u16, symbol: &str) -> (f64, f64) {
    let from = MARGIN + f64::from(x - buf.area.left()) * WIDTH;
    let cells = u16::try_from(symbol.width().max(1)).unwrap_or(1);
    (from, from + f64::from(cells) * WIDTH)
}

/// Writes the texts and the underlines of a row. A text element is a run of cells of equal style without blanks.
fn texts(out: &mut String, buf: &Buffer, y: u16, top: f64, background: Background) {
    let mut run: Option<TextRun> = None;
    // the current underline: its colour, and its left and right edge
    let mut underline: Option<(Rgb, f64, f64)> = None;
    for (x, cell) in row(buf, y) {
        let cell_style = cell_style(cell, background);
        let symbol = cell.symbol();
        let (from, to) = span(buf, x, symbol);
        let underlined = cell_style.modifier.contains(Modifier::UNDERLINED);
        underline = match underline {
            Some((colour, start, _)) if underlined && colour == cell_style.fg => Some((colour, start, to)),
            old => {
                write_underline(out, old, top);
                underlined.then_some((cell_style.fg, from, to))
            }
        };
        let shape = shape(symbol, from, top);
        let blank = symbol.trim().is_empty();
        if let Some(r) = run.take_if(|r| blank || shape.is_some() || r.cell_style != cell_style) {
            r.write(out, top);
        }
        if let Some(shape) = shape {
            let colour = hex(cell_style.fg);
            let _ = writeln!(out, "{}", shape.replace('@', &colour));
        } else if !blank {
            let r = run.get_or_insert_with(|| TextRun { cell_style, from, to, text: String::new() });
            r.to = to;
            escape(&mut r.text, symbol);
        }
    }
    if let Some(r) = run {
        r.write(out, top);
    }
    write_underline(out, underline, top);
}

/// Adjacent cells of equal style, with their left and right edge in pixels.
struct TextRun {
    cell_style: CellStyle,
    from: f64,
    to: f64,
    text: String,
}

impl TextRun {
    /// Writes the text element.
    fn write(&self, out: &mut String, top: f64) {
        let bold = if self.cell_style.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
        let italic = if self.cell_style.modifier.contains(Modifier::ITALIC) { " font-style=\"italic\"" } else { "" };
        let crossed = if self.cell_style.modifier.contains(Modifier::CROSSED_OUT) { " text-decoration=\"line-through\"" } else { "" };
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{bold}{italic}{crossed}>{}</text>",
            self.from,
            top + BASELINE,
            self.to - self.from,
            hex(self.cell_style.fg),
            self.text
        );
    }
}

/// Writes an underline, given as its colour, its left and its right edge. Does nothing for `None`.
fn write_underline(out: &mut String, underline: Option<(Rgb, f64, f64)>, top: f64) {
    if let Some((colour, from, to)) = underline {
        let _ = writeln!(
            out,
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"1\" fill=\"{}\"/>",
            top + HEIGHT - 2.5,
            to - from,
            hex(colour)
        );
    }
}

/// Appends text escaped for XML. Characters that XML does not allow become U+FFFD.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// The dots of a braille pattern as column and row, in the order of their bits.
const DOTS: [[f64; 2]; 8] = [[0.0, 0.0], [0.0, 1.0], [0.0, 2.0], [1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [0.0, 3.0], [1.0, 3.0]];

/// Returns a box-drawing character, a block or a braille pattern as SVG shapes, in which `@` stands for the colour. Returns `None` for other characters. The
/// shapes of neighbouring cells touch, which is not so in some fonts.
fn shape(symbol: &str, x: f64, y: f64) -> Option<String> {
    let c = symbol.chars().next()?;
    // a line of one pixel goes through the middle of a pixel
    let (cx, cy) = ((x + WIDTH / 2.0).floor() + 0.5, (y + HEIGHT / 2.0).floor() + 0.5);
    let (right, bottom) = (x + WIDTH, y + HEIGHT);
    let rect = |x: f64, y: f64, w: f64, h: f64, opacity: f64| {
        format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"@\" opacity=\"{opacity}\"/>")
    };
    let line = |d: String, width: f64, dash: &str| format!("<path d=\"{d}\" fill=\"none\" stroke=\"@\" stroke-width=\"{width}\"{dash}/>");
    // the block characters for 1/8 to 8/8 have consecutive code points
    let eighths = |from: char| f64::from(u32::from(c) - u32::from(from) + 1) / 8.0;
    // a rounded corner between two edges: the right (dx = 1) or left (−1) edge, and the lower (dy = 1) or upper (−1) edge
    let arc = |dx: f64, dy: f64| {
        let r = 4.0;
        let (ex, ey) = (if dx > 0.0 { right } else { x }, if dy > 0.0 { bottom } else { y });
        line(format!("M{cx:.1} {ey:.1}V{:.1}Q{cx:.1} {cy:.1} {:.1} {cy:.1}H{ex:.1}", cy + dy * r, cx + dx * r), 1.0, "")
    };
    Some(match c {
        '\u{2800}'..='\u{28ff}' => {
            let is_set = |bit: &usize| u32::from(c) >> bit & 1 == 1;
            let place = |[column, row]: [f64; 2]| (x + WIDTH * (0.25 + column / 2.0), y + HEIGHT * (0.125 + row / 4.0));
            let dots = (0..DOTS.len()).filter(is_set).map(|bit| place(DOTS[bit]));
            // a line of length 0 with round ends is a dot
            let d = dots.fold(String::new(), |d, (x, y)| d + &format!("M{x:.1} {y:.2}h0"));
            line(d, 2.2, " stroke-linecap=\"round\"")
        }
        '█' => rect(x, y, WIDTH, HEIGHT, 1.0),
        '▓' => rect(x, y, WIDTH, HEIGHT, 0.75),
        '▒' => rect(x, y, WIDTH, HEIGHT, 0.5),
        '▀' => rect(x, y, WIDTH, HEIGHT / 2.0, 1.0),
        '▁'..='▇' => rect(x, bottom - HEIGHT * eighths('▁'), WIDTH, HEIGHT * eighths('▁'), 1.0),
        // from 7/8 of the width down to 1/8
        '▉'..='▏' => rect(x, y, WIDTH * (1.0 - eighths('▉')), HEIGHT, 1.0),
        '▐' => rect(x + WIDTH / 2.0, y, WIDTH / 2.0, HEIGHT, 1.0),
        '╭' => arc(1.0, 1.0),
        '╮' => arc(-1.0, 1.0),
        '╰' => arc(1.0, -1.0),
        '╯' => arc(-1.0, -1.0),
        '╌' | '┄' | '┈' => line(format!("M{x:.1} {cy:.1}H{right:.1}"), 1.0, " stroke-dasharray=\"2.1\""),
        '╎' | '┆' | '┊' => line(format!("M{cx:.1} {y:.1}V{bottom:.1}"), 1.0, " stroke-dasharray=\"3\""),
        '═' => line(format!("M{x:.1} {:.1}H{right:.1}M{x:.1} {:.1}H{right:.1}", cy - 1.5, cy + 1.5), 1.0, ""),
        '║' => line(format!("M{:.1} {y:.1}V{bottom:.1}M{:.1} {y:.1}V{bottom:.1}", cx - 1.5, cx + 1.5), 1.0, ""),
        _ => {
            // the arms of the character (u for up, r for right, d for down, l for left), and their width
            let (arms, width) = match c {
                '─' => ("rl", 1.0),
                '━' => ("rl", 2.0),
                '│' => ("ud", 1.0),
                '┃' => ("ud", 2.0),
                '┌' => ("rd", 1.0),
                '┐' => ("dl", 1.0),
                '└' => ("ur", 1.0),
                '┘' => ("ul", 1.0),
                '├' => ("urd", 1.0),
                '┤' => ("udl", 1.0),
                '┬' => ("rdl", 1.0),
                '┴' => ("url", 1.0),
                '┼' => ("urdl", 1.0),
                '╵' => ("u", 1.0),
                '╶' => ("r", 1.0),
                '╷' => ("d", 1.0),
                '╴' => ("l", 1.0),
                _ => return None,
            };
            // each arm is longer than its half of the cell, so that no gap is between two arms or two cells
            let mut d = String::new();
            for arm in arms.chars() {
                let _ = match arm {
                    'u' => write!(d, "M{cx:.1} {:.1}V{y:.1}", cy + width / 2.0),
                    'd' => write!(d, "M{cx:.1} {:.1}V{bottom:.1}", cy - width / 2.0),
                    'r' => write!(d, "M{cx:.1} {cy:.1}H{:.1}", right + 0.5),
                    _ => write!(d, "M{cx:.1} {cy:.1}H{:.1}", x - 0.5),
                };
            }
            line(d, width, "")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn runs_are_merged_and_text_is_escaped() {
        let mut buf = Buffer::empty(Rect::new(3, 2, 20, 2));
        buf.set_string(3, 2, "a<b & c", Style::new().bg(Color::Rgb(1, 2, 3)).bold());
        buf.set_string(3, 3, "─╮ 漢x", Style::new().reversed());
        let out = svg(&buf, Background::Dark);
        assert_eq!(out.matches("fill=\"#010203\"").count(), 1, "{out}");
        assert!(out.contains("font-weight=\"bold\">a&lt;b</text>"), "{out}");
        assert!(out.contains(">&amp;</text>"), "{out}");
        // 3 cells of 8.4 pixels; the reversed text has the colour of the dark background
        assert!(out.contains("textLength=\"25.2\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#161920\">漢x</text>"), "{out}");
        // ─ and ╮ are shapes
        assert_eq!(out.matches("<path").count(), 2, "{out}");
        assert!(out.starts_with("<svg ") && out.ends_with("</svg>\n"));
    }

    #[test]
    fn an_empty_frame_and_control_characters_give_valid_svg() {
        let out = svg(&Buffer::empty(Rect::ZERO), Background::Light);
        assert_eq!(out.matches("<rect").count(), 1);
        let mut buf = Buffer::empty(Rect::new(0, 0, 3, 1));
        buf[(0, 0)].set_symbol("\u{1b}]52;c;\u{7}");
        buf[(1, 0)].set_symbol("\u{ffff}");
        let out = svg(&buf, Background::Light);
        assert!(out.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{ffff}'), "{out:?}");
    }

    #[test]
    fn a_block_character_has_the_size_of_its_part_of_a_cell() {
        assert!(shape("▄", 0.0, 0.0).unwrap().contains("height=\"9.0\""));
        assert!(shape("▌", 0.0, 0.0).unwrap().contains("width=\"4.2\""));
        assert!(shape("x", 0.0, 0.0).is_none());
    }

    #[test]
    fn every_dot_of_a_braille_pattern_is_drawn() {
        // dots 1 and 2 are the upper two of the left column, and dot 8 is the last of the right column
        let dots = shape("\u{2883}", 0.0, 0.0).expect("a shape");
        assert!(dots.contains("d=\"M2.1 2.25h0M2.1 6.75h0M6.3 15.75h0\""), "{dots}");
        assert_eq!(shape("⣿", 0.0, 0.0).expect("a shape").matches('M').count(), 8);
    }
}
