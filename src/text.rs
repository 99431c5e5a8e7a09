//! Text from files, made safe to show, and to line up.
//!
//! A terminal obeys control characters, and format characters (a right-to-left override, a zero
//! width) make a text look like another. Both become visible, as `<U+202E>`; dropping them would
//! show a text that is not in the file.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Combining marks on one letter; no script needs more, and stacked ones reach into other lines.
const MARKS: usize = 3;

/// `text` with every control and format character as `<U+XXXX>`; newlines stay.
///
/// Borrowed when there is nothing to escape. Escaping twice is escaping once.
///
/// ```
/// assert_eq!(gradstep::text::escape("a\u{202e}b\n"), "a<U+202E>b\n");
/// ```
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| matches!(b, b'\n' | b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut shown = 0;
    let mut marks = Marks::default();
    for (at, c) in text.char_indices() {
        if !marks.allow(c) {
            out.push_str(&text[shown..at]);
            let _ = write!(out, "<U+{:04X}>", u32::from(c)); // a String takes everything
            shown = at + c.len_utf8();
        }
    }
    if shown == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[shown..]);
    Cow::Owned(out)
}

/// The characters of `text`, each as [`escape`] shows it; a newline is escaped too.
pub fn characters(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut marks = Marks::default();
    text.char_indices().map(move |(at, c)| {
        if marks.allow(c) && c != '\n' { text[at..at + c.len_utf8()].into() } else { format!("<U+{:04X}>", u32::from(c)).into() }
    })
}

/// `text` escaped, with a blank for each newline: for a message that goes on in the same line.
#[must_use]
pub fn sentence(text: &str) -> String {
    escape(text).replace('\n', " ")
}

/// `text` escaped onto one line: a newline is `<U+000A>`.
///
/// ```
/// assert_eq!(gradstep::text::line("a\u{202e}b\n"), "a<U+202E>b<U+000A>");
/// ```
#[must_use]
pub fn line(text: &str) -> String {
    characters(text).collect()
}

/// Returns a count with its noun: `1 step`, `3 steps`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How many cells a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// A text of at most so many cells, with an ellipsis where it was cut.
#[must_use]
pub fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if width(&kept) + UnicodeWidthChar::width(c).unwrap_or(0) + 1 > cells {
            break;
        }
        kept.push(c);
    }
    if cells > 0 {
        kept.push('…');
    }
    kept
}

/// A text in lines of at most so many cells, broken between words; a longer word by itself.
#[must_use]
pub fn broken(text: &str, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        if used > 0 && used + 1 + width(word) > cells {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            let wide = UnicodeWidthChar::width(c).unwrap_or(0);
            if used > 0 && used + wide > cells {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += wide;
        }
    }
    lines.push(line);
    lines
}

/// `text` in so many cells, with blanks behind it; a longer one as it is. A name has any length, but `format!` panics at a width beyond a `u16`.
#[must_use]
pub fn to_left(text: &str, cells: usize) -> String {
    text.to_owned() + &blanks(text, cells)
}

/// The same with the blanks before it.
#[must_use]
pub fn to_right(text: &str, cells: usize) -> String {
    blanks(text, cells) + text
}

fn blanks(text: &str, cells: usize) -> String {
    " ".repeat(cells.saturating_sub(text.width()))
}

/// What the letter before already carries.
#[derive(Default)]
struct Marks {
    count: usize,
    /// A visible character stands right before, which a variation selector may choose a form of.
    on_letter: bool,
}

impl Marks {
    /// Whether `c`, the next character of the text, is shown as it is.
    fn allow(&mut self, c: char) -> bool {
        let on_letter = std::mem::take(&mut self.on_letter);
        if c == '\n' {
            self.count = 0;
            true
        } else if is_hidden(c) {
            false
        } else if matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{180b}'..='\u{180d}' | '\u{180f}') {
            on_letter
        } else if c.width() == Some(0) {
            self.count += 1;
            self.count <= MARKS
        } else {
            self.count = 0;
            self.on_letter = true;
            true
        }
    }
}

/// Controls, format characters, invisible fillers, private use and noncharacters.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_is_borrowed() {
        for text in ["", "∂C/∂w₁₂ = a⁽²⁾·δ\n  Wᵀ", "δ̂ naïve 中文 ✔️", "한국어"] {
            assert!(matches!(escape(text), Cow::Borrowed(t) if t == text), "{text}");
        }
    }

    #[test]
    fn every_listed_character_becomes_visible() {
        let listed = (0..0x20)
            .filter(|&c| c != 0x0a)
            .chain(0x7f..=0x9f)
            .chain([0x61c, 0xfeff, 0xad, 0x34f, 0x115f, 0x1160, 0x3164, 0xffa0, 0x180e])
            .chain(0x200b..=0x200f)
            .chain(0x2028..=0x202e)
            .chain(0x2060..=0x206f)
            .chain(0xe0000..=0xe0fff)
            .chain([0xe000, 0xf8ff, 0xf0000, 0x10_fffd, 0xfdd0, 0xfffe, 0x1_ffff, 0x10_ffff]);
        for code in listed {
            let c = char::from_u32(code).unwrap();
            let text = format!("a{c}b");
            assert_eq!(escape(&text), format!("a<U+{code:04X}>b"));
        }
    }

    #[test]
    fn the_fourth_mark_and_the_second_selector_become_visible() {
        assert_eq!(escape("e\u{301}\u{302}\u{303}e\u{301}"), "e\u{301}\u{302}\u{303}e\u{301}");
        assert_eq!(escape("e\u{301}\u{302}\u{303}\u{304}\u{305}"), "e\u{301}\u{302}\u{303}<U+0304><U+0305>");
        assert_eq!(escape("✔\u{fe0f}\u{fe0f}"), "✔\u{fe0f}<U+FE0F>");
        assert_eq!(escape("\u{fe0f}"), "<U+FE0F>");
    }

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "step")), ["0 steps", "1 step", "2 steps"]);
    }

    #[test]
    fn texts_line_up_by_their_cells_whatever_their_length() {
        assert_eq!((to_left("δ", 3), to_right("δ", 3)), ("δ  ".to_owned(), "  δ".to_owned()));
        assert_eq!((to_left("中", 3), to_right("e\u{301}", 3)), ("中 ".to_owned(), "  e\u{301}".to_owned()));
        assert_eq!((to_left("long", 3), to_right("long", 3)), ("long".to_owned(), "long".to_owned()));
        assert_eq!((to_left("", 70_000).len(), to_right("x", 70_000).len()), (70_000, 70_000));
    }

    proptest! {
        #[test]
        fn the_characters_are_the_text_as_it_is_escaped(text in any::<String>()) {
            prop_assert_eq!(characters(&text).count(), text.chars().count());
            prop_assert_eq!(line(&text), escape(&text).replace('\n', "<U+000A>"));
        }

        #[test]
        fn escaping_twice_is_escaping_once(text in any::<String>()) {
            let once = escape(&text).into_owned();
            prop_assert_eq!(escape(&once), once.as_str());
            prop_assert!(!once.chars().any(|c| c != '\n' && is_hidden(c)));
        }
    }
}
