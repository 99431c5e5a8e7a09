//! A parser of the bytes that a terminal sends: keys, mouse reports and pasted text.
//!
//! ```text
//! 6C                l            1B 5B 43              ESC [ C          the right arrow
//! C3 A9             é            1B 5B 31 3B 35 43     ESC [ 1 ; 5 C    the same with Ctrl
//! 1B 78             Alt-x        1B 5B 3C 30 3B ... M  ESC [ < 0 ; … M  a mouse button
//! ```
//!
//! Crossterm's parser waits for the rest of an incomplete sequence without limit and drops all keys meanwhile. This one has [`Sequences::give_up`].

use std::collections::VecDeque;
use std::mem::take;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

const ESC: u8 = 0x1b;
/// The sequence after a pasted text.
const PASTED: &[u8] = b"\x1b[201~";
/// The longest sequence that is decoded, in bytes. A longer one is read to its end and ignored.
const LONGEST: usize = 64;
/// The largest pasted text, in bytes. A longer one is cut: the program uses only a line of it.
const LONGEST_PASTE: usize = 1 << 16;

/// The state of the parser: the part of a sequence that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ParserState {
    /// Nothing.
    #[default]
    Between,
    /// ESC: the Esc key, or the beginning of a sequence.
    Escape,
    /// ESC [ and parameters.
    Csi,
    /// ESC O.
    Ss3,
    /// This number of bytes is missing: of a UTF-8 character, an old mouse report, or a function key of the Linux console.
    Bytes(usize),
    /// A pasted text. The last n bytes read are the first n bytes of [`PASTED`].
    Paste(usize),
}

/// The parser: [`Sequences::take`] reads bytes, [`Sequences::next`] returns events.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    state: ParserState,
    /// The bytes after ESC [ or ESC O, or those of a character or of a pasted text.
    part: Vec<u8>,
    /// Whether the character follows an ESC, which means Alt.
    alt: bool,
    events: VecDeque<Event>,
}

impl Sequences {
    /// Removes and returns the next event.
    pub fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns whether there is an event.
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns whether the last sequence is incomplete.
    pub fn unfinished(&self) -> bool {
        self.state != ParserState::Between
    }

    /// Reads bytes. A sequence may be split between calls.
    pub fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    /// Handles a pause in the input: a single ESC is the Esc key.
    pub fn pause(&mut self) {
        if self.state == ParserState::Escape {
            self.state = ParserState::Between;
            self.key(KeyCode::Esc, KeyModifiers::NONE);
        }
    }

    /// Gives up an incomplete sequence. An incomplete pasted text is pasted as far as it was read.
    pub fn give_up(&mut self) {
        self.pause();
        if let ParserState::Paste(matched) = self.state {
            self.paste(&PASTED[..matched]);
            self.pasted();
        }
        self.begin(ParserState::Between);
    }

    fn begin(&mut self, state: ParserState) {
        self.state = state;
        self.alt = false;
        self.part.clear();
    }

    fn byte(&mut self, byte: u8) {
        match self.state {
            ParserState::Between => self.first(byte),
            ParserState::Escape => match byte {
                b'[' => self.begin(ParserState::Csi),
                b'O' => self.begin(ParserState::Ss3),
                ESC => {
                    self.pause();
                    self.first(byte);
                }
                _ => {
                    self.begin(ParserState::Between);
                    self.alt = true;
                    self.first(byte);
                }
            },
            ParserState::Ss3 | ParserState::Csi if !(0x20..0x7f).contains(&byte) => {
                // no sequence contains a control character or a UTF-8 byte: this one was cut off, and the byte (such as Ctrl-C) begins something new
                self.begin(ParserState::Between);
                self.first(byte);
            }
            ParserState::Ss3 => {
                self.begin(ParserState::Between);
                self.final_byte(b"", byte);
            }
            ParserState::Csi => match byte {
                // `ESC [ [ A` and `ESC [ M` with three bytes: their `[` and `M` do not end the sequence
                b'[' if self.part.is_empty() => self.rest_of(byte, 1),
                b'M' if self.part.is_empty() => self.rest_of(byte, 3),
                0x40..0x7f => {
                    let part = take(&mut self.part);
                    self.begin(ParserState::Between);
                    if part.len() < LONGEST {
                        self.final_byte(&part, byte);
                    }
                }
                _ if self.part.len() < LONGEST => self.part.push(byte),
                _ => {}
            },
            ParserState::Bytes(left) => {
                self.part.push(byte);
                self.state = ParserState::Bytes(left - 1);
                if left == 1 {
                    self.bytes();
                }
            }
            ParserState::Paste(matched) if byte == PASTED[matched] => {
                self.state = ParserState::Paste(matched + 1);
                if matched + 1 == PASTED.len() {
                    self.pasted();
                }
            }
            ParserState::Paste(matched) => {
                self.paste(&PASTED[..matched]);
                let again = byte == PASTED[0];
                if !again {
                    self.paste(&[byte]);
                }
                self.state = ParserState::Paste(usize::from(again));
            }
        }
    }

    /// Reads the first byte of a key or a sequence.
    fn first(&mut self, byte: u8) {
        let more = match byte {
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => 0,
        };
        if more > 0 {
            let alt = self.alt;
            self.rest_of(byte, more);
            self.alt = alt;
            return;
        }
        let (code, modifiers) = match byte {
            ESC => return self.begin(ParserState::Escape),
            b'\r' => (KeyCode::Enter, KeyModifiers::NONE),
            b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
            0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
            0 => (KeyCode::Char(' '), KeyModifiers::CONTROL),
            1..=0x1a => (KeyCode::Char(char::from(byte - 1 + b'a')), KeyModifiers::CONTROL),
            0x1c..=0x1f => (KeyCode::Char(char::from(byte - 0x1c + b'4')), KeyModifiers::CONTROL),
            b' '..=b'~' => character(char::from(byte)),
            // the middle of a character without its beginning
            _ => return self.begin(ParserState::Between),
        };
        self.key_after_escape(code, modifiers);
    }

    fn rest_of(&mut self, first: u8, more: usize) {
        self.begin(ParserState::Bytes(more));
        self.part.push(first);
    }

    /// Handles the bytes of [`ParserState::Bytes`], which are now complete.
    fn bytes(&mut self) {
        let (part, alt) = (take(&mut self.part), self.alt);
        self.begin(ParserState::Between);
        self.alt = alt;
        match part.as_slice() {
            [b'[', key @ b'A'..=b'E'] => self.key(KeyCode::F(key - b'A' + 1), KeyModifiers::NONE),
            [b'M', buttons, column, row] => {
                let place = |byte: &u8| u16::from(byte.saturating_sub(32));
                self.mouse(buttons.checked_sub(32), place(column), place(row), true);
            }
            text => {
                if let Some(c) = str::from_utf8(text).ok().and_then(|text| text.chars().next()) {
                    let (code, modifiers) = character(c);
                    self.key_after_escape(code, modifiers);
                }
            }
        }
        self.alt = false;
    }

    fn key_after_escape(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        let alt = if take(&mut self.alt) { KeyModifiers::ALT } else { KeyModifiers::NONE };
        self.key(code, modifiers | alt);
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.events.push_back(Event::Key(KeyEvent::new(code, modifiers)));
    }

    fn paste(&mut self, bytes: &[u8]) {
        let room = LONGEST_PASTE - self.part.len().min(LONGEST_PASTE);
        self.part.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn pasted(&mut self) {
        let text = String::from_utf8_lossy(&self.part).into_owned();
        self.begin(ParserState::Between);
        self.events.push_back(Event::Paste(text));
    }

    /// Handles a complete sequence: `part` is between ESC [ or ESC O and the final `byte`.
    fn final_byte(&mut self, part: &[u8], byte: u8) {
        let Ok(part) = str::from_utf8(part) else { return };
        if let (Some(mouse), b'M' | b'm') = (part.strip_prefix('<'), byte) {
            return self.mouse_report(mouse, 0, byte == b'M');
        }
        let mut numbers = part.split(';').map(|text| text.split(':').next().unwrap_or_default().parse::<u32>().ok());
        let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
        let modifiers = modifiers(second.unwrap_or(1).saturating_sub(1));
        let code = match byte {
            b'~' if first == Some(200) => return self.begin(ParserState::Paste(0)),
            b'M' => return self.mouse_report(part, 32, true),
            b'A' => KeyCode::Up,
            b'B' => KeyCode::Down,
            b'C' => KeyCode::Right,
            b'D' => KeyCode::Left,
            b'F' => KeyCode::End,
            b'H' => KeyCode::Home,
            b'P'..=b'S' => KeyCode::F(byte - b'P' + 1),
            b'Z' => return self.key(KeyCode::BackTab, modifiers | KeyModifiers::SHIFT),
            b'~' => match first.map(numbered) {
                Some(Some(code)) => code,
                _ => return,
            },
            b'u' => match first.and_then(char::from_u32).map(coded) {
                Some(code) => code,
                None => return,
            },
            _ => return,
        };
        // `ESC [ 97 ; 1 : 3 u`: the terminal also reports repeats and releases
        let kind = match part.split(';').nth(1).and_then(|text| text.split(':').nth(1)) {
            Some("2") => KeyEventKind::Repeat,
            Some("3") => KeyEventKind::Release,
            _ => KeyEventKind::Press,
        };
        let code = if code == KeyCode::Tab && modifiers.contains(KeyModifiers::SHIFT) { KeyCode::BackTab } else { code };
        self.events.push_back(Event::Key(KeyEvent::new_with_kind(code, modifiers, kind)));
    }

    /// Handles the text `buttons;column;row` of a mouse report; column and row count from 1.
    fn mouse_report(&mut self, text: &str, base: u8, down: bool) {
        let mut numbers = text.split(';');
        let buttons = numbers.next().and_then(|text| text.parse::<u8>().ok()).and_then(|buttons| buttons.checked_sub(base));
        let mut place = || numbers.next().and_then(|text| text.parse::<u16>().ok());
        if let (Some(column), Some(row)) = (place(), place()) {
            self.mouse(buttons, column, row, down);
        }
    }

    fn mouse(&mut self, buttons: Option<u8>, column: u16, row: u16, down: bool) {
        let (Some(buttons), Some(column), Some(row)) = (buttons, column.checked_sub(1), row.checked_sub(1)) else { return };
        let button = [MouseButton::Left, MouseButton::Middle, MouseButton::Right];
        let kind = match (buttons & 0b11 | buttons >> 4 & 0b1100, buttons & 0b10_0000 != 0) {
            (n @ 0..=2, false) if down => MouseEventKind::Down(button[usize::from(n)]),
            (n @ 0..=2, false) => MouseEventKind::Up(button[usize::from(n)]),
            (n @ 0..=2, true) => MouseEventKind::Drag(button[usize::from(n)]),
            (3, false) => MouseEventKind::Up(MouseButton::Left),
            (3..=5, true) => MouseEventKind::Moved,
            (4, false) => MouseEventKind::ScrollUp,
            (5, false) => MouseEventKind::ScrollDown,
            (6, false) => MouseEventKind::ScrollLeft,
            (7, false) => MouseEventKind::ScrollRight,
            _ => return,
        };
        let modifiers = modifiers(u32::from(buttons >> 2 & 0b111));
        self.events.push_back(Event::Mouse(MouseEvent { kind, column, row, modifiers }));
    }
}

/// Decodes a mask with Shift, Alt and Ctrl as the bits 1, 2 and 4.
fn modifiers(mask: u32) -> KeyModifiers {
    let held = [KeyModifiers::SHIFT, KeyModifiers::ALT, KeyModifiers::CONTROL];
    held.into_iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).fold(KeyModifiers::NONE, |all, (_, one)| all | one)
}

fn character(c: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(c), if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE })
}

/// The key of `ESC [ NUMBER ~`.
fn numbered(number: u32) -> Option<KeyCode> {
    let f = |less: u32| u8::try_from(number - less).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => f(10),
        17..=21 => f(11),
        23..=26 => f(12),
        28..=29 => f(15),
        31..=34 => f(17),
        _ => None,
    }
}

/// The key of `ESC [ CHARACTER u`.
fn coded(c: char) -> KeyCode {
    match c {
        '\r' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\u{1b}' => KeyCode::Esc,
        '\u{7f}' => KeyCode::Backspace,
        c => KeyCode::Char(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<String> {
        let mut sequences = Sequences::default();
        sequences.take(bytes);
        sequences.pause();
        shown(&mut sequences)
    }

    fn shown(sequences: &mut Sequences) -> Vec<String> {
        std::iter::from_fn(|| sequences.next())
            .map(|event| match event {
                Event::Key(key) if key.kind == KeyEventKind::Press => format!("{:?} {:?}", key.code, key.modifiers),
                Event::Key(key) => format!("{:?} {:?}", key.kind, key.code),
                Event::Mouse(mouse) => format!("{:?} {},{} {:?}", mouse.kind, mouse.column, mouse.row, mouse.modifiers),
                Event::Paste(text) => format!("paste {text}"),
                other => format!("{other:?}"),
            })
            .map(|text| text.replace("KeyModifiers(0x0)", "").replace("KeyModifiers", "").trim().to_owned())
            .collect()
    }

    #[test]
    fn bytes_become_keys() {
        for (bytes, expected) in [
            (&b"a"[..], "Char('a')"),
            ("é".as_bytes(), "Char('é')"),
            ("中".as_bytes(), "Char('中')"),
            ("😀".as_bytes(), "Char('😀')"),
            (b"A", "Char('A') (SHIFT)"),
            (b"\x03", "Char('c') (CONTROL)"),
            (b"\x00", "Char(' ') (CONTROL)"),
            (b"\x1c", "Char('4') (CONTROL)"),
            (b"\r", "Enter"),
            (b"\t", "Tab"),
            (b"\x7f", "Backspace"),
            (b"\x1b", "Esc"),
            (b"\x1bx", "Char('x') (ALT)"),
            (b"\x1b\x03", "Char('c') (CONTROL | ALT)"),
            ("\u{1b}é".as_bytes(), "Char('é') (ALT)"),
            (b"\x1b[A", "Up"),
            (b"\x1bOB", "Down"),
            (b"\x1b[1;5C", "Right (CONTROL)"),
            (b"\x1b[1;2D", "Left (SHIFT)"),
            (b"\x1b[Z", "BackTab (SHIFT)"),
            (b"\x1b[3~", "Delete"),
            (b"\x1b[5;3~", "PageUp (ALT)"),
            (b"\x1bOP", "F(1)"),
            (b"\x1b[[B", "F(2)"),
            (b"\x1b[24~", "F(12)"),
            (b"\x1b[15;6~", "F(5) (SHIFT | CONTROL)"),
            (b"\x1b[97;5u", "Char('a') (CONTROL)"),
            (b"\x1b[97;1:3u", "Release Char('a')"),
            (b"\x1b[9;2u", "BackTab (SHIFT)"),
            (b"\x1b[<0;5;7M", "Down(Left) 4,6"),
            (b"\x1b[<0;5;7m", "Up(Left) 4,6"),
            (b"\x1b[<65;1;1M", "ScrollDown 0,0"),
            (b"\x1b[<52;65535;1M", "Drag(Left) 65534,0 (SHIFT | CONTROL)"),
            (b"\x1b[M #$", "Down(Left) 2,3"),
            (b"\x1b[32;5;7M", "Down(Left) 4,6"),
            (b"\x1b[200~a\x1b[201b\x1b\x1b[201~", "paste a\u{1b}[201b\u{1b}"),
            (b"\x1b[200~\xff\x1b[201~", "paste \u{fffd}"),
        ] {
            assert_eq!(read(bytes), [expected], "{bytes:?}");
        }
    }

    #[test]
    fn unknown_sequences_are_ignored() {
        let nothing: [&[u8]; 12] = [
            b"\xff",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\x1b[<0;0;1M",
            b"\x1b[<;;M",
            b"\x1b[<0;99999;1M",
            b"\x1b[M\x1f  ",
            b"\x1b[99~",
            b"\x1b[?62;4c",
            b"\x1b[1114112u",
            b"\x1b[>1;2 q",
            b"\x1b[201~",
        ];
        for bytes in nothing {
            let found = read(bytes);
            assert!(found.is_empty(), "{bytes:?}: {found:?}");
        }
        let long = [&b"\x1b[<"[..], &b"1".repeat(100_000), b"Mx"].concat();
        assert_eq!(read(&long), ["Char('x')"]);
    }

    #[test]
    fn a_sequence_may_be_split_and_a_control_character_ends_it() {
        let bytes = "\u{1b}[<0;5;7M\u{1b}[200~aé\u{1b}[201~\u{1b}[1;5Cé\u{1b}OAq".as_bytes();
        let whole = read(bytes);
        assert_eq!(whole.len(), 6, "{whole:?}");
        for cut in (0..bytes.len()).filter(|&cut| cut == 0 || bytes[cut - 1] != ESC) {
            let mut sequences = Sequences::default();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                sequences.take(piece);
                sequences.pause();
            }
            assert_eq!(shown(&mut sequences), whole, "cut at {cut}");
        }
        for half in ["\u{1b}[", "\u{1b}[<0;1", "\u{1b}[?", "\u{1b}O"] {
            assert_eq!(read(format!("{half}\u{3}").as_bytes()), ["Char('c') (CONTROL)"], "{half:?}");
            assert_eq!(read(format!("{half}\u{1b}").as_bytes()), ["Esc"], "{half:?}");
        }
    }

    #[test]
    fn the_key_after_a_sequence_that_was_given_up_is_read() {
        for (half, left) in [
            (&b"\x1b[<0;1"[..], None),
            (b"\x1b[?", None),
            (b"\x1b[", None),
            (b"\x1bO", None),
            (b"\x1b[M ", None),
            (b"\xe2\x82", None),
            (b"\x1b[200~", Some("paste")),
            (b"\x1b[200~text\x1b[20", Some("paste text\u{1b}[20")),
        ] {
            let mut sequences = Sequences::default();
            sequences.take(half);
            sequences.pause();
            assert!(sequences.unfinished() && !sequences.has_event(), "{half:?}");
            sequences.give_up();
            assert!(!sequences.unfinished());
            sequences.take(b"q");
            let expected: Vec<&str> = left.into_iter().chain(["Char('q')"]).collect();
            assert_eq!(shown(&mut sequences), expected, "{half:?}");
        }
    }

    #[test]
    fn an_endless_pasted_text_takes_limited_memory() {
        let mut sequences = Sequences::default();
        sequences.take(b"\x1b[200~");
        (0..1000).for_each(|_| sequences.take(&[b'x'; 1024]));
        assert!(sequences.part.capacity() <= 2 * LONGEST_PASTE);
        sequences.take(PASTED);
        assert_eq!(shown(&mut sequences)[0].len(), LONGEST_PASTE + "paste ".len());
    }
}
