//! Escapes text from files for the terminal, and aligns, cuts and wraps text by its width in cells. A cell is the screen space of one ASCII character; `中`
//! is two cells wide.
//!
//! A terminal obeys control characters. Format characters, such as a right-to-left override or a zero-width space, can make one text look like another. Both
//! are escaped, for example as `<U+202E>`. They are not dropped, because the screen would then show a text that is not in the file.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The largest number of combining marks on one letter. Usual text needs no more, and a larger number of marks would cover the line above.
const MAX_MARKS: usize = 3;

/// Returns `text` with control and format characters, invisible fillers, characters for private use and noncharacters as `<U+XXXX>`. Newlines are unchanged.
/// Combining marks beyond three on a letter, and a variation selector that follows no visible character, are escaped too.
///
/// The result is borrowed if there is nothing to escape. Escaping a text twice gives the same result as escaping it once.
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
    // the position up to which `text` is copied to `out`
    let mut copied_to = 0;
    let mut state = EscapeState::default();
    for (at, c) in text.char_indices() {
        if !state.shows(c) {
            out.push_str(&text[copied_to..at]);
            let _ = write!(out, "<U+{:04X}>", u32::from(c)); // writing to a String cannot fail
            copied_to = at + c.len_utf8();
        }
    }
    if copied_to == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied_to..]);
    Cow::Owned(out)
}

/// Iterates over the characters of `text`, each escaped if [`escape`] would escape it. Newlines are escaped too.
pub fn characters(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut state = EscapeState::default();
    text.char_indices().map(move |(at, c)| {
        if state.shows(c) && c != '\n' { text[at..at + c.len_utf8()].into() } else { format!("<U+{:04X}>", u32::from(c)).into() }
    })
}

/// Returns `text` escaped, with a blank for each newline, so that it can be part of a line.
#[must_use]
pub fn sentence(text: &str) -> String {
    escape(text).replace('\n', " ")
}

/// Returns `text` escaped as one line: a newline becomes `<U+000A>`.
///
/// ```
/// assert_eq!(gradstep::text::line("a\u{202e}b\n"), "a<U+202E>b<U+000A>");
/// ```
#[must_use]
pub fn line(text: &str) -> String {
    characters(text).collect()
}

/// Returns a count with its noun: `1 step`, `3 steps`, `2 entries`, `2 axes`, `2 indices`.
#[must_use]
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) {
        return format!("1 {noun}");
    }
    match noun {
        _ if noun.ends_with("index") => format!("{count} {}ices", noun.trim_end_matches("ex")),
        _ if noun.ends_with("axis") => format!("{count} {}es", noun.trim_end_matches("is")),
        _ if noun.ends_with("class") => format!("{count} {noun}es"),
        _ if noun.ends_with("entry") => format!("{count} {}ies", noun.trim_end_matches('y')),
        _ => format!("{count} {noun}s"),
    }
}

/// Returns the verb for a count: `is` for 1, otherwise `are`.
#[must_use]
pub fn are<N: Copy + PartialEq + From<u8>>(count: N) -> &'static str {
    if count == N::from(1) { "is" } else { "are" }
}

/// Returns the first three names, and the number of the others: `a, b, c and 4 more`.
#[must_use]
pub fn list_of_names(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// Returns the width of a text, in cells.
#[must_use]
pub fn width(text: &str) -> usize {
    if is_simple(text) { text.chars().count() } else { UnicodeWidthStr::width(text) }
}

/// Returns whether a text has only characters for which [`is_one_cell`] is `true`.
#[must_use]
pub fn is_simple(text: &str) -> bool {
    text.chars().all(is_one_cell)
}

/// Returns whether a character belongs to one of the blocks of letters, digits and signs whose characters always take one cell, and never form one character
/// with their neighbours. `false` does not mean the opposite.
#[must_use]
pub fn is_one_cell(character: char) -> bool {
    /// A bit for each character before U+2C80.
    static IS_ONE_CELL: [u32; 0x2c80 / 32] = {
        let mut table = [0; 0x2c80 / 32];
        let mut code = 0;
        while code < 0x2c80 {
            if let Some(character) = char::from_u32(code)
                && is_in_block(character)
            {
                table[code as usize / 32] |= 1 << (code % 32);
            }
            code += 1;
        }
        table
    };
    let code = u32::from(character);
    IS_ONE_CELL.get(code as usize / 32).is_some_and(|bits| bits >> (code % 32) & 1 == 1)
}

/// Returns the same as [`is_one_cell`], without a table.
const fn is_in_block(character: char) -> bool {
    matches!(
        character,
        ' '..='~' // ASCII
            | '¡'..='¬' | '®'..='\u{2ff}' // Latin letters; between the two ranges is the soft hyphen
            | '\u{370}'..='\u{3ff}' // Greek letters
            | '\u{1d2c}'..='\u{1dbf}' | '\u{2c7c}' // letters as superscripts and subscripts
            | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' // punctuation
            | '\u{2070}'..='\u{20cf}' // superscripts and subscripts
            | '\u{2190}'..='\u{22ff}' // arrows, mathematical operators
            | '\u{2308}'..='\u{230b}' | '\u{27e8}'..='\u{27eb}' // brackets
            | '\u{2500}'..='\u{25fc}' // lines, blocks, geometric shapes
            | '\u{2800}'..='\u{28ff}' // braille
    )
}

/// Returns a text cut to at most `cells` cells, with an ellipsis if it was cut.
#[must_use]
pub fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        // one cell is for the ellipsis
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

/// Wraps a text between words into lines of at most `cells` cells. A word longer than a line is broken. If the text begins with blanks, so does each line; if
/// there are several lines, the blanks take at most half of each.
///
/// ```
/// assert_eq!(gradstep::text::wrap("  a bc d", 6), ["  a bc", "  d"]);
/// ```
#[must_use]
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    if width(text) <= cells {
        return vec![text.to_owned()];
    }
    let words = text.trim_start_matches(' ');
    let indentation = (text.len() - words.len()).min(cells / 2);
    let mut lines = wrap_words(words, cells - indentation);
    for line in &mut lines {
        line.insert_str(0, &" ".repeat(indentation));
    }
    lines
}

/// Wraps a text that does not begin with a blank.
fn wrap_words(text: &str, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let word_width = width(word);
        if used > 0 && used + 1 + word_width > cells {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        if used + word_width <= cells && is_simple(word) {
            line.push_str(word);
            used += word_width;
            continue;
        }
        for c in word.chars() {
            let char_width = if is_one_cell(c) { 1 } else { UnicodeWidthChar::width(c).unwrap_or(0) };
            if used > 0 && used + char_width > cells {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += char_width;
        }
    }
    lines.push(line);
    lines
}

/// Wraps a text as [`wrap`] does, into at most `most` lines. If the text is longer, the last line is cut and ends with an ellipsis.
#[must_use]
pub fn wrap_at_most(text: &str, cells: usize, most: usize) -> Vec<String> {
    let mut lines = wrap(text, cells);
    if lines.len() > most {
        let rest = lines.split_off(most.saturating_sub(1));
        // if no line is allowed, the rest is the whole text
        lines.extend((most > 0).then(|| cut(&rest.join(" "), cells)));
    }
    lines
}

/// Pads `text` with blanks on the right to `cells` cells; a longer text is unchanged.
///
/// `format!` is not used for the padding, because it panics at a width above 65,535, and the name of a layer may be longer.
#[must_use]
pub fn align_left(text: &str, cells: usize) -> String {
    text.to_owned() + &blanks(text, cells)
}

/// Pads `text` with blanks on the left to `cells` cells; a longer text is unchanged.
#[must_use]
pub fn align_right(text: &str, cells: usize) -> String {
    blanks(text, cells) + text
}

fn blanks(text: &str, cells: usize) -> String {
    " ".repeat(cells.saturating_sub(width(text)))
}

/// The state of [`escape`] between two characters. It decides which characters are shown and which are escaped.
#[derive(Default)]
struct EscapeState {
    /// The number of combining marks on the last letter.
    mark_count: usize,
    /// `true` if the character before is visible and not a combining mark. Only then, a variation selector may follow.
    is_after_letter: bool,
}

impl EscapeState {
    /// Returns whether `c`, the next character of the text, is shown unescaped.
    fn shows(&mut self, c: char) -> bool {
        // most characters are printable ASCII
        if matches!(c, ' '..='~') {
            *self = Self { mark_count: 0, is_after_letter: true };
            return true;
        }
        let is_after_letter = std::mem::take(&mut self.is_after_letter); // set again below if `c` is visible
        let is_variation_selector = matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{180b}'..='\u{180d}' | '\u{180f}');
        if c == '\n' {
            self.mark_count = 0;
            true
        } else if is_hidden(c) {
            false
        } else if is_variation_selector {
            is_after_letter
        } else if c.width() == Some(0) {
            self.mark_count += 1;
            self.mark_count <= MAX_MARKS
        } else {
            self.mark_count = 0;
            self.is_after_letter = true;
            true
        }
    }
}

/// Returns whether `c` is a control or format character, an invisible filler, a character for private use, or a noncharacter.
fn is_hidden(c: char) -> bool {
    c.is_control()
        // the last two code points of every plane, such as U+FFFE and U+1FFFF, are noncharacters
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// Joins texts with blanks. Returns `None` if they are wider than `room` cells. Stops at the first text that does not fit, because an op can have very many
/// parts.
#[must_use]
pub fn joined_within(room: usize, texts: impl Iterator<Item = String>) -> Option<String> {
    let mut joined = String::new();
    for text in texts {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(&text);
        if width(&joined) > room {
            return None;
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_is_borrowed() {
        for text in ["", "∂C/∂w₁₂ = a⁽²⁾·δ\n  Wᵀ", "δ̂ naïve 中文 ✔️", "한국어"] {
            assert!(matches!(escape(text), Cow::Borrowed(t) if t == text), "{text}");
        }
    }

    #[test]
    fn hidden_characters_are_escaped() {
        let listed = (0..0x20)
            .filter(|&c| c != 0x0a)
            .chain(0x7f..=0x9f)
            .chain([0x61c, 0xfeff, 0xad, 0x34f, 0x115f, 0x1160, 0x3164, 0xffa0, 0x180e])
            .chain(0x200b..=0x200f)
            .chain(0x2028..=0x202e)
            .chain(0x2060..=0x206f)
            .chain(0x13430..=0x1343f)
            .chain(0xe0000..=0xe0fff)
            .chain([0xe000, 0xf8ff, 0xf0000, 0x10_fffd, 0xfdd0, 0xfffe, 0x1_ffff, 0x10_ffff]);
        for code in listed {
            let c = char::from_u32(code).unwrap();
            let text = format!("a{c}b");
            assert_eq!(escape(&text), format!("a<U+{code:04X}>b"));
        }
    }

    #[test]
    fn a_fourth_mark_and_a_second_variation_selector_are_escaped() {
        assert_eq!(escape("e\u{301}\u{302}\u{303}e\u{301}"), "e\u{301}\u{302}\u{303}e\u{301}");
        assert_eq!(escape("e\u{301}\u{302}\u{303}\u{304}\u{305}"), "e\u{301}\u{302}\u{303}<U+0304><U+0305>");
        assert_eq!(escape("✔\u{fe0f}\u{fe0f}"), "✔\u{fe0f}<U+FE0F>");
        assert_eq!(escape("\u{fe0f}"), "<U+FE0F>");
    }

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "step")), ["0 steps", "1 step", "2 steps"]);
        assert_eq!(["index", "axis", "entry"].map(|noun| counted(2, noun)), ["2 indices", "2 axes", "2 entries"]);
    }

    #[test]
    fn wrapped_lines_are_indented_as_the_text() {
        assert_eq!(wrap("a bc d", 4), ["a bc", "d"]);
        assert_eq!(wrap("    a bc", 4), ["  a", "  bc"]);
        assert_eq!(wrap("    a", 5), ["    a"]);
        assert_eq!([wrap("", 4), wrap(" a", 1)], [[""], ["a"]]);
    }

    #[test]
    fn no_more_lines_than_allowed() {
        assert_eq!([0, 1, 2, 3].map(|most| wrap_at_most("a bc d", 4, most).join("|")), ["", "a b…", "a bc|d", "a bc|d"]);
        assert!(wrap_at_most("a", 4, 0).is_empty());
    }

    #[test]
    fn texts_are_padded_by_their_width_on_the_screen() {
        assert_eq!((align_left("δ", 3), align_right("δ", 3)), ("δ  ".to_owned(), "  δ".to_owned()));
        assert_eq!((align_left("中", 3), align_right("e\u{301}", 3)), ("中 ".to_owned(), "  e\u{301}".to_owned()));
        assert_eq!((align_left("long", 3), align_right("long", 3)), ("long".to_owned(), "long".to_owned()));
        assert_eq!((align_left("", 70_000).len(), align_right("x", 70_000).len()), (70_000, 70_000));
    }

    proptest! {
        #[test]
        fn the_characters_join_to_the_escaped_text(text in any::<String>()) {
            prop_assert_eq!(characters(&text).count(), text.chars().count());
            prop_assert_eq!(line(&text), escape(&text).replace('\n', "<U+000A>"));
        }

        #[test]
        fn escaping_an_escaped_text_changes_nothing(text in any::<String>()) {
            let once = escape(&text).into_owned();
            prop_assert_eq!(escape(&once), once.as_str());
            prop_assert!(!once.chars().any(|c| c != '\n' && is_hidden(c)));
        }
    }

    #[test]
    fn only_the_parts_that_fit_are_formatted() {
        let formatted = Cell::new(0);
        let parts = |count: usize| {
            formatted.set(0);
            let formatted = &formatted;
            (0..count).map(move |n| {
                formatted.set(formatted.get() + 1);
                format!("+ b{n}")
            })
        };
        assert_eq!(joined_within(14, parts(3)).as_deref(), Some("+ b0 + b1 + b2"));
        assert_eq!(joined_within(13, parts(3)), None);
        assert_eq!(joined_within(14, parts(100_000)), None);
        // three parts fit, and the fourth does not
        assert_eq!(formatted.get(), 4);
        assert_eq!(joined_within(0, parts(0)).as_deref(), Some(""));
    }
}
