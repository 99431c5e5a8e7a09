//! The position of the parser in the tokens of a text, and the errors so far.

use super::lexer::{self, LexicalFault, Token, TokenKind};
use super::tree::Span;
use super::{SyntaxError, messages};
use crate::text::counted;

/// The largest number of errors that are kept. Further errors are only counted.
const MAX_ERRORS: usize = 50;

/// The result of parsing a part of the text.
pub(super) type Parsed<T> = Result<T, Box<SyntaxError>>;

/// Returns an error.
pub(super) fn fail<T>(span: Span, message: impl Into<String>, help: impl Into<String>) -> Parsed<T> {
    Err(Box::new(SyntaxError { span, message: message.into(), help: help.into() }))
}

/// The tokens of a text with a current one.
pub(super) struct TokenCursor<'t> {
    pub text: &'t str,
    pub tokens: Vec<Token>,
    /// The index of the current token.
    pub at: usize,
    errors: Vec<SyntaxError>,
    /// The number of errors that are not kept.
    hidden_count: usize,
    /// The position of the first error that is not kept.
    first_hidden: Span,
}

impl<'t> TokenCursor<'t> {
    /// Returns a cursor at the first token of a text.
    pub fn new(text: &'t str) -> Self {
        Self { text, tokens: lexer::tokens(text), at: 0, errors: Vec::new(), hidden_count: 0, first_hidden: 0..0 }
    }

    /// Returns the current token.
    pub fn token(&self) -> Token {
        self.tokens[self.at]
    }

    /// Returns the token that is `ahead` tokens after the current one. After the last token, it is [`TokenKind::End`].
    pub fn peek(&self, ahead: usize) -> Token {
        let end = Token { kind: TokenKind::End, start: self.text.len(), end: self.text.len() };
        self.tokens.get(self.at + ahead).copied().unwrap_or(end)
    }

    /// Returns the kind of the current token.
    pub fn kind(&self) -> TokenKind {
        self.tokens[self.at].kind
    }

    /// Returns the position of the current token.
    pub fn span(&self) -> Span {
        self.token().span()
    }

    /// Returns the text of the current token.
    pub fn word(&self) -> &'t str {
        &self.text[self.span()]
    }

    /// Returns the token before the current one.
    pub fn previous(&self) -> Option<Token> {
        self.at.checked_sub(1).map(|at| self.tokens[at])
    }

    /// Returns the end of the last token before the current one that is neither a line end nor indentation; 0 if there is none. The fault of an open bracket is
    /// skipped too, because its position is that of the bracket, before other tokens.
    pub fn previous_end(&self) -> usize {
        let is_part = |token: &&Token| {
            !matches!(token.kind, TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent | TokenKind::Fault(LexicalFault::OpenBracket))
        };
        self.tokens[..self.at].iter().rev().find(is_part).map_or(0, |token| token.end)
    }

    /// Returns whether the current token is this sign.
    pub fn is(&self, sign: &str) -> bool {
        matches!(self.kind(), TokenKind::Sign(current) if current == sign)
    }

    /// Returns whether the current token is this keyword.
    pub fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.kind(), TokenKind::Keyword(current) if current == keyword)
    }

    /// Returns whether the current token ends a statement.
    pub fn is_end(&self) -> bool {
        matches!(self.kind(), TokenKind::Newline | TokenKind::End | TokenKind::Sign(";"))
    }

    /// Continues with the next token. At the last token, nothing happens.
    pub fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// If the current token is this sign, continues with the next token. Returns whether it was.
    pub fn eat(&mut self, sign: &str) -> bool {
        let is_sign = self.is(sign);
        if is_sign {
            self.advance();
        }
        is_sign
    }

    /// Returns the error for a current token that cannot follow an expression.
    pub fn stray<T>(&self) -> Parsed<T> {
        Err(Box::new(messages::stray(self.text, &self.token(), self.previous_end())))
    }

    /// Adds an error.
    pub fn report(&mut self, error: SyntaxError) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        } else {
            if self.hidden_count == 0 {
                self.first_hidden = error.span;
            }
            self.hidden_count += 1;
        }
    }

    /// Returns the kept errors and, if others were not kept, one more error with their number.
    pub fn into_errors(mut self) -> Vec<SyntaxError> {
        let count = self.hidden_count;
        if count > 0 {
            let message =
                format!("from here on, {} not shown", if count == 1 { "1 error is".into() } else { counted(count, "error") + " are" });
            self.errors.push(SyntaxError { span: self.first_hidden, message, help: "correct the errors above first".into() });
        }
        self.errors
    }
}
