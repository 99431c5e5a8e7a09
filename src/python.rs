//! Reads the statements of a graph, a text in a subset of Python's grammar. The text is never executed.
//!
//! ```text
//! diff = x - mu              Assign([diff], Chain(x, [- mu]))
//! J = (diff**2).sum()        Assign([J], Call(Attribute(Power(diff, 2), sum), []))
//! ```
//!
//! [`parse`] splits the text into tokens (`lexer`); the indentation of lines becomes tokens too. Then it parses the tokens into statements (`parser`,
//! `expression`). A statement with an error becomes [`StatementKind::Faulty`](tree::StatementKind::Faulty), and the parser continues with the next one, so that
//! the errors of all statements are reported at once. Parts of Python that a graph does not support, such as `if`, are errors whose help says what to write
//! instead (`messages`).
//!
//! As in the scalar graphs of earlier versions, `^` is a power and not Python's exclusive or. The parser is not from a crate: the parsers of the whole
//! language, such as `rustpython-parser`, need a large syntax tree and tens of crates, and their messages are about programs, not graphs.

mod characters;
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
    /// The help: what the user can do.
    pub help: String,
}

/// The statements of a text and its errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The statements.
    pub statements: Vec<Statement>,
    /// The errors in the order of the statements. There are at most 50, and one more whose message has the number of the errors that are left out.
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
