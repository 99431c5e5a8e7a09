//! The source line below an error message, as in rustc's messages. The line is escaped. A long line is cut, so that only the text near the fault is shown. This
//! module also shortens the texts that messages quote from the file.

use std::borrow::Cow;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use crate::text::{escape, line};

/// The largest width in terminal cells of an excerpt. A longer line is cut.
const MAX_WIDTH: usize = 110;
/// The largest width in cells of the text before the fault, if the line is cut.
const WIDTH_BEFORE: usize = 40;
/// The text that replaces a tab.
const TAB: &str = "    ";
/// The largest width in cells of a quotation in a message.
const MAX_QUOTED_WIDTH: usize = 60;

/// A source line in which the fault is marked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The line's number, counted from 1.
    pub line: usize,
    /// The column of the mark in the uncut line, in characters counted from 1.
    pub column: usize,
    /// The shown part of the line, escaped, with `…` where it is cut.
    pub text: String,
    /// The range of bytes of `text` that is marked; empty if the fault is at the end of the line.
    pub mark: Range<usize>,
}

/// Returns the number of the line that contains byte `at`, counted from 1.
fn line_number(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
}

/// Returns the beginning of the character that contains byte `at`.
fn char_start(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the line in which `span` begins. The part of `span` in this line is marked.
pub(super) fn excerpt(text: &str, span: &Range<usize>) -> Excerpt {
    // start..end becomes the marked range; line_start..line_end becomes its line, without the line break and a byte order mark
    let mut start = char_start(text, span.start);
    if start == text.len() {
        // a fault at the end of the file is shown at the last line that is not blank
        start = text.trim_end().len();
    }
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let line_end = if text[line_start..line_end].ends_with('\r') { line_end - 1 } else { line_end };
    let has_byte_order_mark = text[line_start..line_end].starts_with('\u{feff}');
    let line_start = if has_byte_order_mark { line_start + '\u{feff}'.len_utf8() } else { line_start };
    let start = start.clamp(line_start, line_end);
    let end = char_start(text, span.end).clamp(start, line_end);

    let chars_before = text[line_start..start].chars().count();
    let line_fits = head(&text[line_start..line_end], MAX_WIDTH).len() == line_end - line_start;
    let before = if line_fits { &text[line_start..start] } else { tail(&text[line_start..start], WIDTH_BEFORE) };
    let is_cut_left = before.len() < start - line_start;
    // the width in cells that is left for the marked text and the text after it
    let room = MAX_WIDTH.saturating_sub(width(before));
    let marked = head(&text[start..end], room);
    let after = head(&text[start + marked.len()..line_end], room - width(marked));
    let is_cut_right = start + marked.len() + after.len() < line_end;

    let mut shown = String::from(if is_cut_left { "…" } else { "" });
    shown.push_str(&printable(before));
    let mark_start = shown.len();
    shown.push_str(&printable(marked));
    let mut mark_end = shown.len();
    shown.push_str(&printable(after));
    if is_cut_right {
        shown.push('…');
    }
    if mark_end == mark_start {
        // an empty span, such as that of a missing key, marks the next character
        mark_end += shown[mark_start..].chars().next().map_or(0, char::len_utf8);
    }
    Excerpt { line: line_number(text, line_start), column: chars_before + 1, text: shown, mark: mark_start..mark_end }
}

/// Returns the largest number of cells that a character can take after [`printable`]. A character without a width may be escaped, as `<U+202E>`.
fn max_cells(c: char) -> usize {
    let is_escaped = || matches!(escape(c.encode_utf8(&mut [0; 4])), Cow::Owned(_));
    match c.width() {
        _ if c == '\t' => TAB.len(),
        Some(width) if width > 0 && !is_escaped() => width,
        _ => format!("<U+{:04X}>", u32::from(c)).len(),
    }
}

/// Returns the largest number of cells that a text can take after [`printable`].
fn width(text: &str) -> usize {
    text.chars().map(max_cells).sum()
}

/// Returns the longest prefix that fits into `room` cells.
fn head(text: &str, room: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|&(_, c)| {
        used += max_cells(c);
        used > room
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Returns the longest suffix that fits into `room` cells.
fn tail(text: &str, room: usize) -> &str {
    let mut used = 0;
    let begin = text.char_indices().rev().find(|&(_, c)| {
        used += max_cells(c);
        used > room
    });
    begin.map_or(text, |(at, c)| &text[at + c.len_utf8()..])
}

/// Escapes a text and replaces its tabs by spaces.
fn printable(text: &str) -> String {
    escape(&text.replace('\t', TAB)).into_owned()
}

/// Escapes a text, including its line breaks, so that it is one line without control characters.
pub(super) fn one_line(text: &str) -> String {
    line(text)
}

/// Returns a text of the file in quotes, for a message. A long text is shortened.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", cut(text, MAX_QUOTED_WIDTH))
}

/// Shortens a text to at most `room` cells. If it was shortened, it ends with `…`, which is one more cell.
pub(super) fn cut(text: &str, room: usize) -> Cow<'_, str> {
    let start = head(text, room);
    if start.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(format!("{start}…")) }
}

/// Shortens a text to the words that fit into `room` cells, followed by ` …`. If the first word alone is too long, it is cut.
pub(super) fn cut_at_word(text: &str, room: usize) -> Cow<'_, str> {
    let start = head(text, room);
    if start.len() == text.len() {
        return Cow::Borrowed(text);
    }
    let words = start.rfind(char::is_whitespace).map(|blank| start[..blank].trim_end()).filter(|words| !words.is_empty());
    Cow::Owned(format!("{} …", words.unwrap_or(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_words_unless_it_is_one_long_word() {
        assert_eq!(cut_at_word("some words", 10), "some words");
        assert_eq!(cut_at_word("some words", 9), "some …");
        assert_eq!(cut_at_word("somewords", 5), "somew …");
    }

    /// Returns the line, the column, the shown text and the marked text.
    fn shown(text: &str, span: Range<usize>) -> (usize, usize, String, String) {
        let found = excerpt(text, &span);
        let marked = found.text[found.mark.clone()].to_owned();
        (found.line, found.column, found.text, marked)
    }

    #[test]
    fn a_column_counts_characters_not_bytes() {
        assert_eq!(shown("a = 1\nä = \"δ\" x", 16..17), (2, 9, "ä = \"δ\" x".into(), "x".into()));
    }

    #[test]
    fn tabs_become_spaces_and_carriage_returns_and_byte_order_marks_are_left_out() {
        assert_eq!(shown("\u{feff}\ta = b\r\nc", 8..12), (1, 6, "    a = b".into(), "b".into()));
        assert_eq!(shown("\u{feff}a", 0..4), (1, 1, "a".into(), "a".into()));
    }

    #[test]
    fn a_span_over_several_lines_marks_its_first_line() {
        assert_eq!(shown("w = [\n 1,\n]", 4..11), (1, 5, "w = [".into(), "[".into()));
    }

    #[test]
    fn an_error_at_the_end_of_the_file_is_shown_at_its_last_line_with_text() {
        assert_eq!(shown("a = [1,\n\n", 9..9), (1, 8, "a = [1,".into(), String::new()));
        assert_eq!(shown("", 0..0), (1, 1, String::new(), String::new()));
        assert_eq!(shown("\n\n", 2..9), (1, 1, String::new(), String::new()));
    }

    #[test]
    fn a_long_line_is_cut_to_a_window() {
        let text = format!("{}BAD{}", "x".repeat(5_000_000), "y".repeat(5_000_000));
        let (line, column, shown, marked) = shown(&text, 5_000_000..5_000_003);
        assert_eq!((line, column, marked.as_str()), (1, 5_000_001, "BAD"));
        // the … at both ends are additional
        assert_eq!(shown.chars().count(), MAX_WIDTH + 2);
        assert!(shown.starts_with("…x") && shown.ends_with("y…"));
    }

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(shown("a\u{202e} = \"\u{1b}\"", 7..10).2, "a<U+202E> = \"<U+001B>\"");
        assert_eq!(one_line("a\nb\u{7}"), "a<U+000A>b<U+0007>");
    }

    /// The escaped text of a character beyond U+FFFF has one or two cells more.
    #[test]
    fn escaped_characters_fit_into_the_width() {
        for c in ['\u{202e}', '\u{e0001}', '\u{10fffd}'] {
            let shown = shown(&String::from(c).repeat(100), 0..0).2;
            assert!((MAX_WIDTH - 10..=MAX_WIDTH + 1).contains(&shown.chars().count()), "{shown}");
        }
    }
}
