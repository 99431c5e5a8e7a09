//! What is wrong with a file: where, what, and what to do.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::excerpt::{cut_at_word, excerpt, one_line};

/// More faults than anybody reads; the rest is counted.
const SHOWN: usize = 50;

/// Cells of a message; what is longer quotes too much.
const LONGEST: usize = 400;

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The bytes of the file that are wrong; `None` when the whole file is meant.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
    /// Another place that belongs to the fault, and what it is.
    pub also: Option<(Range<usize>, String)>,
}

/// All faults of one file, in the order of the file.
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

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> &[Diagnostic] {
        &self.list
    }

    /// All faults as rustc draws them, with or without colour; ends without a newline.
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

/// Without blanks at the ends of lines, and without the `:::` that the renderer puts between a place and its line.
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
