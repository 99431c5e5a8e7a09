//! Texts at random: the parser never panics, and all positions are in the text.

use proptest::prelude::*;

use super::super::parse;
use super::super::tree::{PythonExpr, Span, Statement, StatementKind};
use super::{children, height};
use crate::python::MAX_DEPTH;

const PIECES: &[&str] = &[
    "a",
    "b",
    "x",
    "self",
    "print",
    "1",
    "2.5",
    "1e3",
    "1.2.3",
    "0x",
    "1j",
    "'s'",
    "f'{a}'",
    "'",
    "'''",
    "\"\"\"",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ";",
    ".",
    "...",
    "=",
    "+=",
    "==",
    ":=",
    "<",
    "+",
    "-",
    "*",
    "**",
    "/",
    "@",
    "&",
    "|",
    "~",
    "^",
    "<<",
    "->",
    "\\",
    "\\\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n\t",
    "\r\n",
    "\r",
    " ",
    " ",
    "# c",
    "if",
    "else",
    "elif ",
    "for ",
    " in ",
    "while",
    "with",
    "as",
    "def",
    "class",
    "try",
    "except",
    "return ",
    "import",
    "pass",
    "not ",
    "and",
    "or",
    "is",
    "lambda",
    "async",
    "yield",
    "None",
    "True",
    "·",
    "²",
    "β",
    "\u{302}",
    "\u{a0}",
    "\u{feff}",
    "\u{1b}",
    "u = a * b",
    "for i in range(3):\n  ",
    "f(a, dim=1)",
    "x[1:, ::2]",
];

fn check_span(text: &str, span: &Span) {
    assert!(text.get(span.clone()).is_some(), "{span:?} in {text:?}");
}

fn check_expression(text: &str, expr: &PythonExpr, around: &Span) {
    check_span(text, &expr.span);
    assert!(expr.span.start >= around.start && expr.span.end <= around.end, "{expr:?} in {text:?}");
    for child in children(expr) {
        check_expression(text, child, &expr.span);
    }
}

fn check_statements(text: &str, statements: &[Statement], around: &Span) {
    let mut before = around.start;
    for Statement { span, kind } in statements {
        check_span(text, span);
        assert!(span.start >= before && span.end <= around.end, "{span:?} in {text:?}");
        before = span.end;
        let (expressions, body): (Vec<&PythonExpr>, &[Statement]) = match kind {
            StatementKind::Assign(targets, value) => (targets.iter().chain([value]).collect(), &[]),
            StatementKind::Augment(target, _, value) => (vec![target, value], &[]),
            StatementKind::For(variable, iterable, body) => (vec![variable, iterable], body),
            StatementKind::With(context, body) => (vec![context], body),
            StatementKind::Expression(value) | StatementKind::Return(value) => (vec![value], &[]),
            StatementKind::LeftOut | StatementKind::Faulty(_) => (Vec::new(), &[]),
        };
        for expr in expressions {
            check_expression(text, expr, span);
            assert!(height(expr) <= MAX_DEPTH);
        }
        check_statements(text, body, span);
    }
}

fn check(text: &str) {
    let program = parse(text);
    check_statements(text, &program.statements, &(0..text.len()));
    // 50 errors, and the number of the others
    assert!(program.errors.len() <= 51);
    for error in &program.errors {
        check_span(text, &error.span);
        assert!(!error.message.contains(char::is_control) && error.message.len() < 1000, "{:?}", error.message);
        assert!(!error.help.is_empty() && !error.help.contains(char::is_control) && error.help.len() < 1000, "{:?}", error.help);
    }
    let is_faulty = |statement: &Statement| matches!(statement.kind, StatementKind::Faulty(_));
    assert!(!program.errors.is_empty() || !program.statements.iter().any(is_faulty), "{text:?}");
}

proptest! {
    #[test]
    fn tokens_at_random(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        check(&pieces.concat());
        check(&pieces.join(" "));
    }

    #[test]
    fn characters_at_random(text in "\\PC{0,60}") {
        check(&text);
    }

    #[test]
    fn bytes_at_random(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        check(&String::from_utf8_lossy(&bytes));
    }
}
