//! The errors of a scenario file, drawn as rustc draws its diagnostics: message, source line and help.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::excerpt::{cut_at_word, excerpt, one_line};

/// The largest number of errors that are shown; the rest is counted.
const SHOWN: usize = 50;

/// The largest width of a message in cells.
const LONGEST: usize = 400;

/// One error of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The faulty bytes of the file; `None` for an error of the whole file.
    pub span: Option<Range<usize>>,
    /// The message: what is wrong.
    pub message: String,
    /// The help line: what to write instead; may be empty.
    pub help: String,
    /// A second position that the error concerns, with its own message.
    pub also: Option<(Range<usize>, String)>,
}

/// All errors of one file, in the order of the file.
#[derive(Clone, Debug)]
pub struct Faults {
    path: String,
    text: Arc<String>,
    list: Vec<Diagnostic>,
}

impl Faults {
    pub(super) fn new(path: String, text: Arc<String>, mut faults: Vec<Diagnostic>) -> Self {
        faults.sort_by_key(|fault| fault.span.as_ref().map(|span| span.start));
        Self { path, text, list: faults }
    }

    /// Returns the errors.
    #[must_use]
    pub fn faults(&self) -> &[Diagnostic] {
        &self.list
    }

    /// Draws all errors as rustc does, with or without colour; without a newline at the end.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.term_width(1000);
        let mut texts: Vec<String> = self.list.iter().take(SHOWN).map(|fault| trimmed(&renderer.render(&self.report(fault)))).collect();
        if self.list.len() > SHOWN {
            texts.push(format!("and {} more faults", self.list.len() - SHOWN));
        }
        texts.join("\n\n")
    }

    fn report(&self, fault: &Diagnostic) -> Vec<Group<'static>> {
        let mut group =
            Level::ERROR.primary_title(one_line(&cut_at_word(&fault.message, LONGEST))).elements(std::iter::empty::<Origin<'_>>());
        match &fault.span {
            Some(span) => group = self.place(group, span),
            None => group = group.element(Origin::path(one_line(&self.path))),
        }
        if !fault.help.is_empty() {
            group = group.element(Level::HELP.message(one_line(&cut_at_word(&fault.help, LONGEST))));
        }
        let mut groups = vec![group];
        if let Some((span, what)) = &fault.also {
            let group = Level::NOTE.secondary_title(one_line(what)).elements(std::iter::empty::<Origin<'_>>());
            groups.push(self.place(group, span));
        }
        groups
    }

    fn place(&self, group: Group<'static>, span: &Range<usize>) -> Group<'static> {
        let found = excerpt(&self.text, span);
        let mark = AnnotationKind::Primary.span(found.mark);
        group
            .element(Origin::path(one_line(&self.path)).line(found.line).char_column(found.column))
            .element(Snippet::source(found.text).line_start(found.line).annotation(mark))
    }
}

/// Removes blanks at the ends of lines, and the `:::` that the renderer puts between a position and its line.
fn trimmed(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let after_place = lines.len() > 1 && lines[lines.len() - 2].contains("--> ");
        if !(after_place && line.contains(":::") && !line.contains('|')) {
            lines.push(line.trim_end());
        }
    }
    lines.join("\n")
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, span: Range<usize>) -> String {
        let fault = Diagnostic {
            span: Some(span),
            message: "it is wrong".into(),
            help: "put it right".into(),
            also: Some((0..1, "so is this".into())),
        };
        Faults::new("a.toml".into(), Arc::new(text.to_owned()), vec![fault]).to_string()
    }

    #[test]
    fn a_fault_is_drawn_as_rustc_does() {
        insta::assert_snapshot!(drawn("a = 1\n\tb = \"中\" x\n", 15..16), @r#"
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
        insta::assert_snapshot!(drawn("a = [1,\n", 8..8), @"
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
    fn a_path_and_a_message_cannot_write_to_the_terminal() {
        let fault = Diagnostic { span: None, message: "\u{1b}]52;\u{7}\n".into(), help: String::new(), also: None };
        let text = Faults::new("\u{1b}[2J".into(), Arc::default(), vec![fault]).to_string();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
    }
}
