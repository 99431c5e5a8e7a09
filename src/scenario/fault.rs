//! The faults of a scenario file, and their text. As in rustc's messages, the text is a message, the source line and a help line.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::excerpt::{cut_at_word, excerpt, one_line};

/// The largest number of faults that are shown. If there are more, only their number is given.
const MAX_SHOWN: usize = 50;

/// The largest width of a message or help line, in terminal cells.
const MAX_WIDTH: usize = 400;

/// One fault of a file, as the checks report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The range of bytes that the fault is about; `None` for a fault of the whole file.
    pub span: Option<Range<usize>>,
    /// The message: what is wrong.
    pub message: String,
    /// The help text: what to write instead; may be empty. It may have several lines.
    pub help: String,
    /// A second position that the fault concerns, with its own message.
    pub note: Option<(Range<usize>, String)>,
}

/// A fault as it is printed: with the line and the column of its position, and with texts that are cut and escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedFault {
    /// The line and the column, from 1; `None` for a fault of the whole file.
    pub place: Option<(usize, usize)>,
    /// The message: what is wrong.
    pub message: String,
    /// The help text: what to write instead.
    pub help: Option<String>,
    /// The line and the column of a second position, with its own message.
    pub note: Option<((usize, usize), String)>,
}

/// All faults of one file, sorted by position. [`fmt::Display`] writes them without colour.
#[derive(Clone, Debug)]
pub struct Faults {
    path: String,
    text: Arc<String>,
    list: Vec<Diagnostic>,
    /// `true` for warnings: the file is valid.
    are_warnings: bool,
}

impl Faults {
    pub(super) fn new(path: String, text: Arc<String>, mut faults: Vec<Diagnostic>) -> Self {
        faults.sort_by_key(|fault| fault.span.as_ref().map(|span| span.start));
        Self { path, text, list: faults, are_warnings: false }
    }

    /// Creates warnings about a valid file.
    pub(super) fn warnings(path: String, text: Arc<String>, warnings: Vec<Diagnostic>) -> Self {
        Self { are_warnings: true, ..Self::new(path, text, warnings) }
    }

    /// Returns the faults.
    #[must_use]
    pub fn faults(&self) -> &[Diagnostic] {
        &self.list
    }

    /// Returns the line and the column of the first fault, from 1; `None` if it is a fault of the whole file, or if there is none.
    #[must_use]
    pub fn first_place(&self) -> Option<(usize, usize)> {
        Some(self.place(self.list.first()?.span.as_ref()?))
    }

    fn place(&self, span: &Range<usize>) -> (usize, usize) {
        let excerpt = excerpt(&self.text, span);
        (excerpt.line, excerpt.column)
    }

    /// Returns the faults that [`Self::render`] shows, with their positions, and with texts that are cut and escaped in the same way.
    pub fn located(&self) -> impl Iterator<Item = LocatedFault> {
        self.list.iter().take(MAX_SHOWN).map(|fault| LocatedFault {
            place: fault.span.as_ref().map(|span| self.place(span)),
            message: one_line(&cut_at_word(&fault.message, MAX_WIDTH)),
            help: (!fault.help.is_empty()).then(|| help_text(&fault.help)),
            note: fault.note.as_ref().map(|(span, message)| (self.place(span), one_line(message))),
        })
    }

    /// Formats all faults in the style of rustc, with or without colour. The text has no newline at the end.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        // the renderer must not cut lines again: messages and source lines are already cut to smaller widths
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.term_width(1000);
        let mut texts: Vec<String> = self.list.iter().take(MAX_SHOWN).map(|fault| trim(&renderer.render(&self.groups(fault)))).collect();
        if self.list.len() > MAX_SHOWN {
            let what = if self.are_warnings { "warnings" } else { "faults" };
            texts.push(format!("and {} more {what}", self.list.len() - MAX_SHOWN));
        }
        texts.join("\n\n")
    }

    /// Returns one fault as groups of the renderer: the fault with its help line and, if the fault has a second position, a note about it.
    fn groups(&self, fault: &Diagnostic) -> Vec<Group<'static>> {
        let level = if self.are_warnings { Level::WARNING } else { Level::ERROR };
        let mut group = level.primary_title(one_line(&cut_at_word(&fault.message, MAX_WIDTH))).elements(std::iter::empty::<Origin<'_>>());
        match &fault.span {
            Some(span) => group = self.with_source_line(group, span),
            None => group = group.element(Origin::path(one_line(&self.path))),
        }
        if !fault.help.is_empty() {
            group = group.element(Level::HELP.message(help_text(&fault.help)));
        }
        let mut groups = vec![group];
        if let Some((span, message)) = &fault.note {
            let group = Level::NOTE.secondary_title(one_line(message)).elements(std::iter::empty::<Origin<'_>>());
            groups.push(self.with_source_line(group, span));
        }
        groups
    }

    /// Adds the position of `span` and the source line to a group.
    fn with_source_line(&self, group: Group<'static>, span: &Range<usize>) -> Group<'static> {
        let excerpt = excerpt(&self.text, span);
        let mark = AnnotationKind::Primary.span(excerpt.mark);
        group
            .element(Origin::path(one_line(&self.path)).line(excerpt.line).char_column(excerpt.column))
            .element(Snippet::source(excerpt.text).line_start(excerpt.line).annotation(mark))
    }
}

/// Returns a help text with its lines cut and escaped.
fn help_text(help: &str) -> String {
    help.lines().map(|line| one_line(&cut_at_word(line, MAX_WIDTH))).collect::<Vec<_>>().join("\n")
}

/// Removes blanks at the ends of lines. Also removes the line `:::` that the renderer sometimes writes between the position (`--> a.toml:1:2`) and the source
/// line.
fn trim(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let is_below_position = lines.len() > 1 && lines[lines.len() - 2].contains("--> ");
        if !(is_below_position && line.contains(":::") && !line.contains('|')) {
            lines.push(line.trim_end());
        }
    }
    lines.join("\n")
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colour = false;
        f.write_str(&self.render(colour))
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, span: Range<usize>) -> String {
        let fault = Diagnostic {
            span: Some(span),
            message: "it is wrong".into(),
            help: "put it right".into(),
            note: Some((0..1, "so is this".into())),
        };
        Faults::new("a.toml".into(), Arc::new(text.to_owned()), vec![fault]).to_string()
    }

    #[test]
    fn an_error_has_its_source_line_a_mark_a_help_line_and_a_note() {
        insta::assert_snapshot!(rendered("a = 1\n\tb = \"中\" x\n", 15..16), @r#"
        error: it is wrong
         --> a.toml:2:8
          |
        2 |     b = "中" x
          |            ^
          |
          = help: put it right
        note: so is this
         --> a.toml:1:1
          |
        1 | a = 1
          | ^
        "#);
        insta::assert_snapshot!(rendered("a = [1,\n", 8..8), @"
        error: it is wrong
         --> a.toml:1:8
          |
        1 | a = [1,
          |        ^
          |
          = help: put it right
        note: so is this
         --> a.toml:1:1
          |
        1 | a = [1,
          | ^
        ");
    }

    #[test]
    fn escape_characters_in_a_path_and_a_message_are_not_written() {
        let fault = Diagnostic { span: None, message: "\u{1b}]52;\u{7}\n".into(), help: String::new(), note: None };
        let text = Faults::new("\u{1b}[2J".into(), Arc::default(), vec![fault]).to_string();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
    }
}
