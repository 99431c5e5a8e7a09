//! A parser for the bytes that a terminal sends: keys, mouse reports and pasted text.
//!
//! ```text
//! 6C                l            1B 5B 43              ESC [ C          the right arrow
//! C3 A9             é            1B 5B 31 3B 35 43     ESC [ 1 ; 5 C    Ctrl and the right arrow
//! 1B 78             Alt-x        1B 5B 3C 30 3B ... M  ESC [ < 0 ; … M  a mouse button
//! ```
//!
//! Crossterm's parser waits for the rest of an incomplete sequence without a limit, and takes all keys until then as parts of it. This parser can drop an
//! incomplete sequence ([`SequenceParser::drop_incomplete`]).

use std::collections::VecDeque;
use std::mem::take;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

const ESC: u8 = 0x1b;
/// The sequence that ends a pasted text.
const PASTE_END: &[u8] = b"\x1b[201~";
/// A sequence with this number of parameter bytes, or more, is read to its end and ignored.
const MAX_SEQUENCE: usize = 64;
/// The longest pasted text, in bytes. A longer text is cut, because it is pasted into a prompt of one line.
const MAX_PASTE: usize = 1 << 16;

/// The state of the parser: the part of the current key or sequence that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ParserState {
    /// Nothing was read: the next byte begins a key or a sequence.
    #[default]
    Start,
    /// ESC: the Esc key, or the first byte of a sequence.
    Escape,
    /// ESC [ and parameters: a control sequence.
    Csi,
    /// ESC O: a key follows.
    Ss3,
    /// The beginning of a UTF-8 character, of an old mouse report, or of a function key of the Linux console. This number of bytes is missing.
    Missing(usize),
    /// A pasted text. Its last n bytes are the first n bytes of [`PASTE_END`].
    Paste(usize),
}

/// The parser. [`SequenceParser::push`] takes bytes, [`SequenceParser::next_event`] returns events.
#[derive(Debug, Default)]
pub(super) struct SequenceParser {
    state: ParserState,
    /// The bytes so far: the parameters after ESC [, or the bytes of a character or a pasted text.
    bytes: Vec<u8>,
    /// `true` if an ESC came before the character, which means Alt.
    has_alt: bool,
    events: VecDeque<Event>,
}

impl SequenceParser {
    /// Removes and returns the next event.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// `true` if there is an event.
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// `true` if the last sequence is incomplete.
    pub fn is_incomplete(&self) -> bool {
        self.state != ParserState::Start
    }

    /// Parses bytes. A sequence may be split between calls.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push_byte(byte);
        }
    }

    /// Handles a pause in the input. An ESC before a pause is the Esc key, not the beginning of a sequence.
    pub fn pause(&mut self) {
        if self.state == ParserState::Escape {
            self.state = ParserState::Start;
            self.add_key(KeyCode::Esc, KeyModifiers::NONE);
        }
    }

    /// Drops an incomplete sequence. The part of a pasted text that was read is not dropped but pasted.
    pub fn drop_incomplete(&mut self) {
        self.pause();
        if let ParserState::Paste(matched) = self.state {
            self.add_to_paste(&PASTE_END[..matched]);
            self.end_paste();
        }
        self.begin(ParserState::Start);
    }

    /// Changes to a state, and forgets the bytes so far.
    fn begin(&mut self, state: ParserState) {
        self.state = state;
        self.has_alt = false;
        self.bytes.clear();
    }

    fn push_byte(&mut self, byte: u8) {
        match self.state {
            ParserState::Start => self.first_byte(byte),
            ParserState::Escape => match byte {
                b'[' => self.begin(ParserState::Csi),
                b'O' => self.begin(ParserState::Ss3),
                ESC => {
                    self.pause();
                    self.first_byte(byte);
                }
                _ => {
                    self.begin(ParserState::Start);
                    self.has_alt = true;
                    self.first_byte(byte);
                }
            },
            ParserState::Ss3 | ParserState::Csi if !(0x20..0x7f).contains(&byte) => {
                // no sequence contains a control character or a UTF-8 byte, so the sequence was cut off, and the byte (such as Ctrl-C) begins a new key
                self.begin(ParserState::Start);
                self.first_byte(byte);
            }
            ParserState::Ss3 => {
                self.begin(ParserState::Start);
                self.end_sequence(b"", byte);
            }
            ParserState::Csi => match byte {
                // two sequences continue after a bracket or a letter: `ESC [ [ A` has one more byte, and `ESC [ M` has three more
                b'[' if self.bytes.is_empty() => self.begin_with(byte, 1),
                b'M' if self.bytes.is_empty() => self.begin_with(byte, 3),
                // the final byte of a sequence
                0x40..0x7f => {
                    let parameters = take(&mut self.bytes);
                    self.begin(ParserState::Start);
                    if parameters.len() < MAX_SEQUENCE {
                        self.end_sequence(&parameters, byte);
                    }
                }
                _ if self.bytes.len() < MAX_SEQUENCE => self.bytes.push(byte),
                _ => {}
            },
            ParserState::Missing(left) => {
                self.bytes.push(byte);
                self.state = ParserState::Missing(left - 1);
                if left == 1 {
                    self.end_missing();
                }
            }
            ParserState::Paste(matched) if byte == PASTE_END[matched] => {
                self.state = ParserState::Paste(matched + 1);
                if matched + 1 == PASTE_END.len() {
                    self.end_paste();
                }
            }
            ParserState::Paste(matched) => {
                self.add_to_paste(&PASTE_END[..matched]);
                // the bytes before only looked like the end of the text; this byte may begin the real end
                let begins_end = byte == PASTE_END[0];
                if !begins_end {
                    self.add_to_paste(&[byte]);
                }
                self.state = ParserState::Paste(usize::from(begins_end));
            }
        }
    }

    /// Reads the first byte of a key or a sequence.
    fn first_byte(&mut self, byte: u8) {
        // the number of further bytes of a UTF-8 character
        let following = match byte {
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => 0,
        };
        if following > 0 {
            let has_alt = self.has_alt;
            self.begin_with(byte, following);
            self.has_alt = has_alt;
            return;
        }
        let (code, modifiers) = match byte {
            ESC => return self.begin(ParserState::Escape),
            b'\r' => (KeyCode::Enter, KeyModifiers::NONE),
            b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
            0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
            // Ctrl-Space is 0, Ctrl-A is 1, …, Ctrl-Z is 0x1a, Ctrl-4 is 0x1c, …
            0 => (KeyCode::Char(' '), KeyModifiers::CONTROL),
            1..=0x1a => (KeyCode::Char(char::from(byte - 1 + b'a')), KeyModifiers::CONTROL),
            0x1c..=0x1f => (KeyCode::Char(char::from(byte - 0x1c + b'4')), KeyModifiers::CONTROL),
            b' '..=b'~' => character(char::from(byte)),
            // not the first byte of a character
            _ => return self.begin(ParserState::Start),
        };
        self.add_key_with_alt(code, modifiers);
    }

    /// Begins a character or sequence with its first byte. `missing` bytes of it follow.
    fn begin_with(&mut self, first: u8, missing: usize) {
        self.begin(ParserState::Missing(missing));
        self.bytes.push(first);
    }

    /// Handles the bytes of [`ParserState::Missing`], which are complete.
    fn end_missing(&mut self) {
        let (bytes, has_alt) = (take(&mut self.bytes), self.has_alt);
        self.begin(ParserState::Start);
        self.has_alt = has_alt;
        match bytes.as_slice() {
            [b'[', key @ b'A'..=b'E'] => self.add_key(KeyCode::F(key - b'A' + 1), KeyModifiers::NONE),
            [b'M', buttons, column, row] => {
                // each number is sent as a byte, plus 32
                let number = |byte: &u8| u16::from(byte.saturating_sub(32));
                let is_press = true;
                self.add_mouse(buttons.checked_sub(32), number(column), number(row), is_press);
            }
            text => {
                if let Some(c) = str::from_utf8(text).ok().and_then(|text| text.chars().next()) {
                    let (code, modifiers) = character(c);
                    self.add_key_with_alt(code, modifiers);
                }
            }
        }
        self.has_alt = false;
    }

    /// Adds a key, with Alt if an ESC came before it.
    fn add_key_with_alt(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        let alt = if take(&mut self.has_alt) { KeyModifiers::ALT } else { KeyModifiers::NONE };
        self.add_key(code, modifiers | alt);
    }

    fn add_key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.events.push_back(Event::Key(KeyEvent::new(code, modifiers)));
    }

    /// Adds bytes to the pasted text.
    fn add_to_paste(&mut self, bytes: &[u8]) {
        let room = MAX_PASTE - self.bytes.len().min(MAX_PASTE);
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Ends the pasted text.
    fn end_paste(&mut self) {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        self.begin(ParserState::Start);
        self.events.push_back(Event::Paste(text));
    }

    /// Handles a complete sequence: ESC [ or ESC O, then the parameters, then the final byte.
    fn end_sequence(&mut self, parameters: &[u8], final_byte: u8) {
        let Ok(parameters) = str::from_utf8(parameters) else { return };
        if let (Some(mouse), b'M' | b'm') = (parameters.strip_prefix('<'), final_byte) {
            let offset = 0;
            return self.mouse_report(mouse, offset, final_byte == b'M');
        }
        // `5;3` in `ESC [ 5 ; 3 ~`: the key, and 1 + the mask of its modifiers
        let mut numbers = parameters.split(';').map(|text| text.split(':').next().unwrap_or_default().parse::<u32>().ok());
        let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
        let modifiers = modifiers(second.unwrap_or(1).saturating_sub(1));
        let code = match final_byte {
            // the beginning of a pasted text
            b'~' if first == Some(200) => return self.begin(ParserState::Paste(0)),
            b'M' => {
                // this older form has no letter for a release
                let (offset, is_press) = (32, true);
                return self.mouse_report(parameters, offset, is_press);
            }
            b'A' => KeyCode::Up,
            b'B' => KeyCode::Down,
            b'C' => KeyCode::Right,
            b'D' => KeyCode::Left,
            b'F' => KeyCode::End,
            b'H' => KeyCode::Home,
            b'P'..=b'S' => KeyCode::F(final_byte - b'P' + 1),
            b'Z' => return self.add_key(KeyCode::BackTab, modifiers | KeyModifiers::SHIFT),
            b'~' => match first.map(key_of_number) {
                Some(Some(code)) => code,
                _ => return,
            },
            b'u' => match first.and_then(char::from_u32).map(key_of_char) {
                Some(code) => code,
                None => return,
            },
            _ => return,
        };
        // `ESC [ 97 ; 1 : 3 u`: the terminal also reports repeats and releases
        let kind = match parameters.split(';').nth(1).and_then(|text| text.split(':').nth(1)) {
            Some("2") => KeyEventKind::Repeat,
            Some("3") => KeyEventKind::Release,
            _ => KeyEventKind::Press,
        };
        let code = if code == KeyCode::Tab && modifiers.contains(KeyModifiers::SHIFT) { KeyCode::BackTab } else { code };
        self.events.push_back(Event::Key(KeyEvent::new_with_kind(code, modifiers, kind)));
    }

    /// Handles the text `buttons;column;row` of a mouse report. Column and row count from 1. The terminal has added `offset` to the buttons. `is_press` is
    /// `false` for a release.
    fn mouse_report(&mut self, text: &str, offset: u8, is_press: bool) {
        let mut numbers = text.split(';');
        let buttons = numbers.next().and_then(|text| text.parse::<u8>().ok()).and_then(|buttons| buttons.checked_sub(offset));
        let mut position = || numbers.next().and_then(|text| text.parse::<u16>().ok());
        if let (Some(column), Some(row)) = (position(), position()) {
            self.add_mouse(buttons, column, row, is_press);
        }
    }

    /// Adds a mouse event. From the lowest bit on, `buttons` has two bits of the button's number, Shift, Alt, Ctrl, motion, and two more bits of the button's
    /// number. If `buttons` is `None`, the report is invalid, and nothing is added.
    fn add_mouse(&mut self, buttons: Option<u8>, column: u16, row: u16, is_press: bool) {
        const BUTTONS: [MouseButton; 3] = [MouseButton::Left, MouseButton::Middle, MouseButton::Right];
        let (Some(buttons), Some(column), Some(row)) = (buttons, column.checked_sub(1), row.checked_sub(1)) else { return };
        // 0 to 2 are buttons, 3 means no button, and 4 to 7 are directions of the wheel
        let number = buttons & 0b11 | buttons >> 4 & 0b1100;
        let is_motion = buttons & 0b10_0000 != 0;
        let kind = match (number, is_motion) {
            (n @ 0..=2, false) if is_press => MouseEventKind::Down(BUTTONS[usize::from(n)]),
            (n @ 0..=2, false) => MouseEventKind::Up(BUTTONS[usize::from(n)]),
            (n @ 0..=2, true) => MouseEventKind::Drag(BUTTONS[usize::from(n)]),
            // the older forms report a release without its button
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
    held.into_iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).fold(KeyModifiers::NONE, |all, (_, modifier)| all | modifier)
}

/// The key of a character; an upper-case letter has Shift.
fn character(c: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(c), if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE })
}

/// The key of `ESC [ NUMBER ~`.
fn key_of_number(number: u32) -> Option<KeyCode> {
    // the numbers of the function keys have gaps
    let function_key = |offset: u32| u8::try_from(number - offset).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function_key(10),
        17..=21 => function_key(11),
        23..=26 => function_key(12),
        28..=29 => function_key(15),
        31..=34 => function_key(17),
        _ => None,
    }
}

/// The key of `ESC [ NUMBER u`, by the character with this number.
fn key_of_char(c: char) -> KeyCode {
    match c {
        '\r' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        '\u{1b}' => KeyCode::Esc,
        '\u{7f}' => KeyCode::Backspace,
        c => KeyCode::Char(c),
    }
}

#[cfg(test)]
mod tests;
