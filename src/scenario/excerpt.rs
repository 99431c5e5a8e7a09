//! The source line below an error message: escaped, and cut to a window around the error. Also cuts quotations for messages.

use std::borrow::Cow;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use crate::text::{escape, line};

/// The largest width in cells of what is shown before the error in a long line, and of the whole excerpt.
const BEFORE: usize = 40;
const WIDTH: usize = 110;
/// The largest width in cells of a quotation in a message.
const QUOTED: usize = 60;

/// A source line with a mark.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The line's number, counted from 1.
    pub line: usize,
    /// The column of the mark in characters, counted from 1.
    pub column: usize,
    /// The visible part of the line.
    pub text: String,
    /// The marked bytes of `text`; empty at the end of the text.
    pub mark: Range<usize>,
}

/// Returns the number of the line that has the byte `at`, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
}

fn boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the first line of `span` in `text`.
pub(super) fn excerpt(text: &str, span: &Range<usize>) -> Excerpt {
    let mut start = boundary(text, span.start);
    if start == text.len() {
        // the file may end with blank lines: show the last line that is not blank
        start = text.trim_end().len();
    }
    let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let to = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let to = if text[from..to].ends_with('\r') { to - 1 } else { to };
    let from = if text[from..to].starts_with('\u{feff}') { from + '\u{feff}'.len_utf8() } else { from };
    let start = start.clamp(from, to);
    let end = boundary(text, span.end).clamp(start, to);

    let left = text[from..start].chars().count();
    let whole = head(&text[from..to], WIDTH).len() == to - from;
    let before = if whole { &text[from..start] } else { tail(&text[from..start], BEFORE) };
    let cut_left = before.len() < start - from;
    let room = WIDTH.saturating_sub(width(before));
    let marked = head(&text[start..end], room);
    let after = head(&text[start + marked.len()..to], room - width(marked));
    let cut_right = start + marked.len() + after.len() < to;

    let mut shown = String::from(if cut_left { "…" } else { "" });
    shown.push_str(&plain(before));
    let begin = shown.len();
    shown.push_str(&plain(marked));
    let mut finish = shown.len();
    shown.push_str(&plain(after));
    if cut_right {
        shown.push('…');
    }
    if finish == begin {
        finish += shown[begin..].chars().next().map_or(0, char::len_utf8);
    }
    Excerpt { line: line_of(text, from), column: left + 1, text: shown, mark: begin..finish }
}

/// Returns an upper bound of a character's width in cells after escaping.
fn cells(c: char) -> usize {
    match c.width() {
        _ if c == '\t' => 4,
        None | Some(0) => 8,
        Some(_) if matches!(escape(c.encode_utf8(&mut [0; 4])), Cow::Owned(_)) => 8,
        Some(width) => width,
    }
}

fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// Returns the longest prefix that fits into `room` cells.
fn head(text: &str, room: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|&(_, c)| {
        used += cells(c);
        used > room
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Returns the longest suffix that fits into `room` cells.
fn tail(text: &str, room: usize) -> &str {
    let mut used = 0;
    let begin = text.char_indices().rev().find(|&(_, c)| {
        used += cells(c);
        used > room
    });
    begin.map_or(text, |(at, c)| &text[at + c.len_utf8()..])
}

fn plain(text: &str) -> String {
    escape(&text.replace('\t', "    ")).into_owned()
}

/// Escapes a text to one line that is safe to show.
pub(super) fn one_line(text: &str) -> String {
    line(text)
}

/// Quotes a text of the file in a message, shortened if it is long.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", cut(text, QUOTED))
}

/// Shortens a text to `room` cells, with `…` at the end.
pub(super) fn cut(text: &str, room: usize) -> Cow<'_, str> {
    let start = head(text, room);
    if start.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(format!("{start}…")) }
}

/// Shortens a text to whole words that fit into `room` cells. Only a first word that is longer than that is cut.
pub(super) fn cut_at_word(text: &str, room: usize) -> Cow<'_, str> {
    let start = head(text, room);
    if start.len() == text.len() {
        return Cow::Borrowed(text);
    }
    let whole = start.rfind(char::is_whitespace).map(|at| start[..at].trim_end()).filter(|words| !words.is_empty());
    Cow::Owned(format!("{} …", whole.unwrap_or(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_cut() {
        assert_eq!(cut_at_word("some words", 10), "some words");
        assert_eq!(cut_at_word("some words", 9), "some …");
        assert_eq!(cut_at_word("somewords", 5), "somew …");
    }

    fn shown(text: &str, span: Range<usize>) -> (usize, usize, String, String) {
        let found = excerpt(text, &span);
        let marked = found.text[found.mark.clone()].to_owned();
        (found.line, found.column, found.text, marked)
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(shown("a = 1\nä = \"δ\" x", 16..17), (2, 9, "ä = \"δ\" x".into(), "x".into()));
    }

    #[test]
    fn tabs_carriage_returns_and_the_byte_order_mark_are_handled() {
        assert_eq!(shown("\u{feff}\ta = b\r\nc", 8..12), (1, 6, "    a = b".into(), "b".into()));
        assert_eq!(shown("\u{feff}a", 0..4), (1, 1, "a".into(), "a".into()));
    }

    #[test]
    fn a_span_over_several_lines_marks_the_first() {
        assert_eq!(shown("w = [\n 1,\n]", 4..11), (1, 5, "w = [".into(), "[".into()));
    }

    #[test]
    fn the_end_of_the_file_is_the_end_of_its_last_line() {
        assert_eq!(shown("a = [1,\n\n", 9..9), (1, 8, "a = [1,".into(), String::new()));
        assert_eq!(shown("", 0..0), (1, 1, String::new(), String::new()));
        assert_eq!(shown("\n\n", 2..9), (1, 1, String::new(), String::new()));
    }

    #[test]
    fn a_long_line_is_cut_to_a_window() {
        let text = format!("{}BAD{}", "x".repeat(5_000_000), "y".repeat(5_000_000));
        let (line, column, shown, marked) = shown(&text, 5_000_000..5_000_003);
        assert_eq!((line, column, marked.as_str()), (1, 5_000_001, "BAD"));
        assert_eq!(shown.chars().count(), WIDTH + 2);
        assert!(shown.starts_with("…x") && shown.ends_with("y…"));
    }

    #[test]
    fn nothing_invisible_is_shown() {
        assert_eq!(shown("a\u{202e} = \"\u{1b}\"", 7..10).2, "a<U+202E> = \"<U+001B>\"");
        assert_eq!(one_line("a\nb\u{7}"), "a<U+000A>b<U+0007>");
    }
}
