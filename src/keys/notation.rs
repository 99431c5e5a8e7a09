//! Keys as text in vim's notation: `ll<End>:57<Enter>` is the key `l` twice, then End, the keys `:`, `5` and `7`, and Enter. `<C-c>` is c with Ctrl. The key
//! `<` is written as `<lt>`, and an invisible character by its number: `<U+202E>`.

use std::borrow::Cow;
use std::fmt;

use crate::text;

/// A key without its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are those on the keys
pub enum Code {
    Char(char),
    Enter,
    Esc,
    Tab,
    Backspace,
    Delete,
    Insert,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

/// A key with its modifiers. A character includes the effect of Shift: `G`, not Shift and `g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The key without its modifiers.
    pub code: Code,
    /// `true` if Ctrl is pressed with the key.
    pub ctrl: bool,
    /// `true` if Alt is pressed with the key.
    pub alt: bool,
    /// `true` if Shift is pressed with a key that is not a character.
    pub shift: bool,
}

impl From<Code> for Key {
    fn from(code: Code) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }
}

/// The names in angle brackets. If a key has several names, the first one is written.
const NAMES: &[(&str, Code)] = &[
    ("Enter", Code::Enter),
    ("CR", Code::Enter),
    ("Return", Code::Enter),
    ("Esc", Code::Esc),
    ("Tab", Code::Tab),
    ("BS", Code::Backspace),
    ("Del", Code::Delete),
    ("Insert", Code::Insert),
    ("Up", Code::Up),
    ("Down", Code::Down),
    ("Left", Code::Left),
    ("Right", Code::Right),
    ("Home", Code::Home),
    ("End", Code::End),
    ("PgUp", Code::PageUp),
    ("PageUp", Code::PageUp),
    ("PgDn", Code::PageDown),
    ("PageDown", Code::PageDown),
    ("Space", Code::Char(' ')),
    ("lt", Code::Char('<')),
    ("Bar", Code::Char('|')),
    ("Bslash", Code::Char('\\')),
];

/// Parses a text in vim's notation.
///
/// # Errors
/// Returns a sentence about the first name that is unknown or has no closing `>`.
pub fn parse(text: &str) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '<' {
            let end = rest.find('>').ok_or_else(|| format!("the key name {rest} is not closed by >; a < itself is <lt>"))?;
            keys.push(key_named(&rest[1..end])?);
            rest = &rest[end + 1..];
        } else {
            keys.push(Code::Char(c).into());
            rest = &rest[c.len_utf8()..];
        }
    }
    Ok(keys)
}

/// Returns the key of a name without its angle brackets, such as `C-Left` or `F5`.
fn key_named(name: &str) -> Result<Key, String> {
    // the loop adds the modifiers to this key; after the loop, the code of the name replaces `Enter`
    let mut key = Key::from(Code::Enter);
    let mut rest = name;
    loop {
        let mut chars = rest.chars();
        match (chars.next(), chars.next()) {
            // a modifier, if a key follows after the `-`
            (Some('C' | 'c'), Some('-')) if rest.len() > 2 => key.ctrl = true,
            (Some('M' | 'm' | 'A' | 'a'), Some('-')) if rest.len() > 2 => key.alt = true,
            (Some('S' | 's'), Some('-')) if rest.len() > 2 => key.shift = true,
            _ => break,
        }
        rest = &rest[2..];
    }
    let mut chars = rest.chars();
    key.code = match (chars.next(), chars.next()) {
        (Some(c), None) => Code::Char(c),
        (Some('U' | 'u'), Some('+')) => {
            u32::from_str_radix(&rest[2..], 16).ok().and_then(char::from_u32).map(Code::Char).ok_or_else(|| unknown(name))?
        }
        (Some('F' | 'f'), Some('0'..='9')) => {
            rest[1..].parse().ok().filter(|n| (1..=12).contains(n)).map(Code::F).ok_or_else(|| unknown(name))?
        }
        _ => NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(rest)).map(|(_, code)| *code).ok_or_else(|| unknown(name))?,
    };
    Ok(key)
}

/// Returns the error about an unknown name.
fn unknown(name: &str) -> String {
    format!(
        "there is no key <{name}>; there are <Enter>, <Esc>, <Tab>, <Space>, <Left>, <Right>, <Up>, <Down>, <Home>, <End>, <PgUp>, <PgDn>, <BS>, <Del>, <Insert>, <lt> for a <, <Bar>, <Bslash>, <F1>, <C-c>, <M-x>, <S-Tab> and <U+202E>"
    )
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modifiers = [(self.ctrl, "C-"), (self.alt, "M-"), (self.shift, "S-")];
        let prefix: String = modifiers.into_iter().filter(|(is_pressed, _)| *is_pressed).map(|(_, text)| text).collect();
        match self.code {
            // `characters` returns an owned text if it has escaped the character
            Code::Char(c) if matches!(text::characters(c.encode_utf8(&mut [0; 4])).next(), Some(Cow::Owned(_))) => {
                write!(f, "<{prefix}U+{:04X}>", u32::from(c))
            }
            Code::Char(c) if prefix.is_empty() && c != '<' && c != ' ' => write!(f, "{c}"),
            Code::Char(c) if c != '<' && c != ' ' => write!(f, "<{prefix}{c}>"),
            Code::F(n) => write!(f, "<{prefix}F{n}>"),
            code => {
                let name = NAMES.iter().find(|(_, known)| *known == code).map_or("", |(name, _)| name);
                write!(f, "<{prefix}{name}>")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_key_is_parsed_as_the_same_key() {
        for text in
            ["l", "<Enter>", "<Space>", "<C-c>", "<S-Tab>", "<lt>", "<F12>", "<M-x>", "G", ":", "é", "<C-Left>", "<U+202E>", "<M-U+200B>"]
        {
            let keys = parse(text).expect(text);
            assert_eq!(keys.len(), 1, "{text}");
            assert_eq!(keys[0].to_string(), text);
        }
        assert_eq!(parse("ll<End>:57<Enter>").expect("keys").len(), 7);
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        assert!(parse("<Nope>").is_err());
        assert!(parse("<Enter").is_err());
        assert!(parse("<>").is_err());
        assert!(parse("<F99>").is_err());
        assert!(parse("<U+>").is_err());
        assert!(parse("<U+D800>").is_err());
    }
}
