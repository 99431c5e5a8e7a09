//! Reads the statements of a graph, a text in a subset of Python's grammar. The text is never executed.
//!
//! ```text
//! diff = x - mu              Assign([diff], Chain(x, [- mu]))
//! J = (diff**2).sum()        Assign([J], Call(Attribute(Power(diff, 2), sum), []))
//! ```
//!
//! [`parse`] splits the text into tokens, with the indentation as tokens too (`lexer`), and the tokens into statements (`parser`, `expression`). A statement
//! with an error becomes [`StatementKind::Faulty`](tree::StatementKind::Faulty), and the next statement is read, so one run reports the errors of all
//! statements. Parts of Python that a graph does not support, such as `if`, are errors whose help says what to write instead (`messages`).
//!
//! As in the scalar graphs of earlier versions, `^` is a power and not Python's exclusive or. The parser is our own: the parsers of the whole language, such as
//! `rustpython-parser`, bring a large syntax tree, tens of crates, and messages for programs instead of graphs.

mod cursor;
mod expression;
mod lexer;
mod messages;
mod names;
mod parser;
pub mod tree;

#[cfg(test)]
mod tests;

use tree::{Span, Statement};

/// The largest depth of a syntax tree, and of nested parentheses and blocks.
pub const MAX_DEPTH: usize = 256;

/// An error in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The position of the wrong part.
    pub span: Span,
    /// The message.
    pub message: String,
    /// The help: what the reader of the message can do.
    pub help: String,
}

/// The statements of a text and its errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The statements.
    pub statements: Vec<Statement>,
    /// The errors in the order of the statements: at most 50, and then one that counts the others.
    pub errors: Vec<SyntaxError>,
}

/// Parses a text.
///
/// ```
/// let program = gradstep::python::parse("u = a * b; J = u.sum()");
/// assert_eq!((program.statements.len(), program.errors.len()), (2, 0));
/// ```
#[must_use]
pub fn parse(text: &str) -> Program {
    parser::program(text)
}
