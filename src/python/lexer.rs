//! Splits a text into tokens. As in Python, the indentation of lines becomes tokens too: [`TokenKind::Indent`] comes before the first line of a block, and
//! [`TokenKind::Dedent`] after its last line.
//!
//! A wrong character, string, number or indentation becomes a [`TokenKind::Fault`]. The parser reports it when it reaches this token.

mod number;

use smallvec::SmallVec;

use super::characters::{begins_name, blank_length, continues_name, is_line_end, name_length};
use super::tree::Span;
use number::number;

/// A token with its position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

impl Token {
    /// Returns the position.
    pub fn span(&self) -> Span {
        self.start..self.end
    }
}

/// The kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TokenKind {
    Integer(i64),
    Float(f64),
    /// A string in quotes, with its prefix.
    Text,
    Name,
    /// A word that cannot be a name.
    Keyword(&'static str),
    /// An operator, a bracket or punctuation.
    Sign(&'static str),
    /// The end of a line, outside brackets.
    Newline,
    /// The beginning of a block. Its position is that of the blanks before the first line.
    Indent,
    /// The end of a block.
    Dedent,
    Fault(LexicalFault),
    /// The end of the text.
    End,
}

/// The errors that the lexer finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LexicalFault {
    /// A character without a meaning.
    Character,
    /// A string without its closing quote.
    OpenString,
    NotANumber,
    Complex,
    IntegerTooLarge,
    FloatTooLarge,
    FloatTooSmall,
    /// A line whose indentation ends a block, but is not that of a block around it.
    Indentation,
    /// Tabs and blanks whose widths cannot be compared without knowing the width of a tab.
    Tabs,
    /// A backslash that is not at the end of its line.
    Backslash,
    /// An opening bracket that is not closed. The position is that of the bracket.
    OpenBracket,
    /// A closing bracket that does not fit the opening one. The text is the one that would fit.
    WrongBracket(&'static str),
}

/// Python's keywords.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except",
    "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try",
    "while", "with", "yield",
];

/// Keywords that begin a statement, and that cannot stand at the beginning of a line otherwise.
const STATEMENTS: &[&str] =
    &["assert", "break", "class", "continue", "def", "del", "global", "import", "nonlocal", "pass", "raise", "return", "try"];

/// Keywords of statements that end with a colon. Some may begin a line within brackets.
const HEADERS: &[&str] = &["for", "if", "while", "with", "elif", "else", "except", "finally", "async"];

/// Operators, brackets and punctuation, the frequent ones first. A longer one comes before its beginning: `**` before `*`.
const SIGNS: &[&str] = &[
    "==", "=", "(", ")", ",", "...", ".", "**=", "**", "*=", "*", "+=", "+", "->", "-=", "-", "[", "]", "//=", "//", "/=", "/", "@=", "@",
    ":=", ":", ";", "<<=", "<<", "<=", "<", ">>=", ">>", ">=", ">", "!=", "%=", "%", "&=", "&", "|=", "|", "^=", "^", "~", "{", "}",
];

/// The operators of augmented assignments.
pub(super) const AUGMENTED: &[&str] = &["+=", "-=", "*=", "/=", "//=", "%=", "@=", "**=", "^=", "&=", "|=", "<<=", ">>="];

/// The number of open brackets with which a wrong closing bracket is compared.
const COMPARED_BRACKETS: usize = 4;

/// Returns the tokens of a text. The last one is [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    // most tokens with the blanks beside them have two characters or more
    let tokens = Vec::with_capacity(text.len() / 2 + 2);
    let mut lexer = Lexer { text, at, tokens, brackets: Vec::new(), indents: SmallVec::new() };
    while lexer.begin_line() {
        lexer.line();
    }
    while let Some(indent) = lexer.indents.pop() {
        if indent.is_block {
            lexer.push(TokenKind::Dedent, text.len());
        }
    }
    lexer.push(TokenKind::End, text.len());
    lexer.tokens
}

/// Returns the closing bracket for an opening one.
pub(super) fn closing(opening: &str) -> &'static str {
    match opening {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// Returns the column after the blanks at the beginning of a line, with a tab stop at every eighth column, and the number of the blanks.
fn indentation(blanks: &str) -> (usize, usize) {
    blanks.chars().fold((0, 0), |(column, count), c| (if c == '\t' { column / 8 * 8 + 8 } else { column + 1 }, count + 1))
}

/// Returns whether a text begins with an operator of an assignment.
fn begins_assignment(text: &str) -> bool {
    (text.starts_with('=') && !text.starts_with("==")) || AUGMENTED.iter().any(|sign| text.starts_with(sign))
}

/// The indentation of a block, or of a line that is wrong.
#[derive(Clone, Copy, Debug)]
struct Indent {
    /// The column of the first character, with a tab stop at every eighth column.
    column: usize,
    /// The column if a tab is as wide as a blank. Two indentations must have the same order in both ways of counting.
    characters: usize,
    /// `true` if an Indent token was written for it.
    is_block: bool,
}

struct Lexer<'t> {
    text: &'t str,
    /// The position of the next character.
    at: usize,
    tokens: Vec<Token>,
    /// The positions of the open brackets.
    brackets: Vec<usize>,
    /// The indentations of the open blocks; the first one is that of the whole text.
    indents: SmallVec<[Indent; 2]>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Appends a token from the current position up to `end`, and continues after it.
    fn push(&mut self, kind: TokenKind, end: usize) {
        self.tokens.push(Token { kind, start: self.at.min(end), end });
        self.at = end;
    }

    /// Returns the position of the end of the current line.
    fn line_end(&self) -> usize {
        self.rest().find(is_line_end).map_or(self.text.len(), |length| self.at + length)
    }

    /// Skips the line break at the current position.
    fn skip_line_end(&mut self) {
        let rest = self.rest();
        self.at += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with(is_line_end)) };
    }

    /// Skips empty lines, and compares the indentation of the next line with those of the open blocks. Returns `false` at the end of the text.
    fn begin_line(&mut self) -> bool {
        loop {
            let start = self.at;
            self.at += blank_length(self.rest());
            match self.rest().chars().next() {
                None => return false,
                Some('#') => self.at = self.line_end(),
                Some(c) if is_line_end(c) => {}
                Some(_) => {
                    self.indent(start);
                    return true;
                }
            }
            self.skip_line_end();
        }
    }

    /// Writes the tokens for the indentation from `start` up to the current position.
    fn indent(&mut self, start: usize) {
        let (column, characters) = indentation(&self.text[start..self.at]);
        let end = self.at;
        let Some(top) = self.indents.last().copied() else {
            self.indents.push(Indent { column, characters, is_block: false });
            return;
        };
        let mut is_consistent = true;
        if column > top.column {
            is_consistent = characters > top.characters;
            self.tokens.push(Token { kind: TokenKind::Indent, start, end });
            self.indents.push(Indent { column, characters, is_block: true });
        } else {
            while let Some(indent) = self.indents.last().copied().filter(|indent| indent.column > column) {
                self.indents.pop();
                is_consistent &= indent.characters > characters;
                if indent.is_block {
                    self.push(TokenKind::Dedent, end);
                }
            }
            if let Some(outer) = self.indents.last().filter(|indent| indent.column == column) {
                is_consistent &= outer.characters == characters;
            } else {
                self.indents.push(Indent { column, characters, is_block: false });
                self.tokens.push(Token { kind: TokenKind::Fault(LexicalFault::Indentation), start, end });
            }
        }
        if !is_consistent {
            self.tokens.push(Token { kind: TokenKind::Fault(LexicalFault::Tabs), start, end });
        }
    }

    /// Reads the tokens up to the end of the line. A line with open brackets continues in the next line.
    fn line(&mut self) {
        loop {
            self.at += blank_length(self.rest());
            let Some(first) = self.rest().chars().next() else { break };
            match first {
                '#' => self.at = self.line_end(),
                '\n' | '\r' if self.brackets.is_empty() => break,
                '\n' | '\r' => {
                    self.skip_line_end();
                    if self.is_statement() {
                        break;
                    }
                }
                '\\' => self.backslash(),
                '"' | '\'' => self.string(0),
                '0'..='9' => self.number(),
                '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
                _ if begins_name(first) => self.word(),
                _ => self.sign(first),
            }
        }
        if let Some(open) = self.brackets.last().copied() {
            self.tokens.push(Token { kind: TokenKind::Fault(LexicalFault::OpenBracket), start: open, end: open + 1 });
            self.brackets.clear();
            // `self.at` is in the next line already, so the line ends after the last token before the fault
            let end = self.tokens.iter().rev().nth(1).map_or(self.at, |token| token.end);
            self.tokens.push(Token { kind: TokenKind::Newline, start: end, end });
            return;
        }
        self.push(TokenKind::Newline, self.at);
        self.skip_line_end();
    }

    /// Returns whether the line at the current position begins a new statement although a bracket is open, because a closing bracket was forgotten. Python
    /// would then read to the end of the text. The result is `false` for every line that a graph allows in brackets.
    fn is_statement(&self) -> bool {
        let end = self.line_end();
        let (blanks, line) = self.text[self.at..end].split_at(blank_length(&self.text[self.at..end]));
        let (word, after_word) = line.split_at(name_length(line));
        if word.is_empty() {
            return false;
        }
        if STATEMENTS.contains(&word) {
            return true;
        }
        if HEADERS.contains(&word) {
            return line.trim_end().ends_with(':');
        }
        if KEYWORDS.contains(&word) {
            return false;
        }
        let previous = self.tokens.last().map(|token| token.kind);
        // within brackets, an operator or a comma is between an operand and a name
        let follows_operand =
            matches!(previous, Some(TokenKind::Name | TokenKind::Integer(_) | TokenKind::Float(_) | TokenKind::Sign(")" | "]" | "}")));
        let after_word = after_word.trim_start();
        if begins_assignment(after_word) {
            // `dim=1` may be an argument
            let is_in_call = self.brackets.last().is_some_and(|&open| self.text[open..].starts_with('('));
            let is_argument = is_in_call && after_word.starts_with('=') && matches!(previous, Some(TokenKind::Sign("(" | ",")));
            return !is_argument;
        }
        let is_target = |c: char| continues_name(c) || c.is_whitespace() || ".,[]:".contains(c);
        let has_target = || after_word.find(|c| !is_target(c)).is_some_and(|length| begins_assignment(&after_word[length..]));
        let is_deeper_than_block = || indentation(blanks).0 > self.indents.last().map_or(0, |indent| indent.column);
        follows_operand && (!is_deeper_than_block() || has_target())
    }

    /// Joins the current line with the next one.
    fn backslash(&mut self) {
        let after = &self.rest()[1..];
        let blanks = blank_length(after);
        if after[blanks..].is_empty() || after[blanks..].starts_with(is_line_end) {
            self.at += 1 + blanks;
            self.skip_line_end();
        } else {
            self.push(TokenKind::Fault(LexicalFault::Backslash), self.at + 1);
        }
    }

    /// Reads a name, a keyword, or a string with a prefix.
    fn word(&mut self) {
        let rest = self.rest();
        let length = name_length(rest);
        let (word, after) = rest.split_at(length);
        let is_prefix = || matches!(word.to_ascii_lowercase().as_str(), "r" | "u" | "b" | "f" | "rb" | "br" | "fr" | "rf");
        if after.starts_with(['"', '\'']) && is_prefix() {
            return self.string(length);
        }
        // all keywords have a small second letter, unlike names such as x1 and W
        let may_be_keyword = word.as_bytes().get(1).is_some_and(u8::is_ascii_lowercase);
        let keyword = KEYWORDS.iter().filter(|_| may_be_keyword).find(|keyword| **keyword == word);
        self.push(keyword.map_or(TokenKind::Name, |keyword| TokenKind::Keyword(keyword)), self.at + length);
    }

    /// Reads a string with a prefix of `prefix` bytes.
    fn string(&mut self, prefix: usize) {
        let rest = &self.rest()[prefix..];
        let quote = &rest[..1];
        let triple = quote.repeat(3);
        let is_long = rest.starts_with(&triple);
        let delimiter: &str = if is_long { &triple } else { quote };
        let bytes = rest.as_bytes();
        let mut length = delimiter.len();
        while length < bytes.len() {
            if bytes[length..].starts_with(delimiter.as_bytes()) {
                return self.push(TokenKind::Text, self.at + prefix + length + delimiter.len());
            }
            match bytes[length] {
                b'\\' if rest[length + 1..].starts_with("\r\n") => length += 3,
                b'\\' => length += 1 + rest[length + 1..].chars().next().map_or(0, char::len_utf8),
                b'\n' | b'\r' if !is_long => break,
                _ => length += 1,
            }
        }
        let end = self.at + prefix + length.min(rest.len());
        if is_long {
            // the error is at the opening quotes, and the rest of the text belongs to the string
            self.tokens.push(Token { kind: TokenKind::Fault(LexicalFault::OpenString), start: self.at, end: self.at + prefix + 3 });
            self.at = self.text.len();
        } else {
            self.push(TokenKind::Fault(LexicalFault::OpenString), end);
        }
    }

    /// Reads a number.
    fn number(&mut self) {
        let rest = self.rest();
        let (length, kind) = number(rest);
        let after = &rest[length..];
        // the length of the number with the characters after it, such as `.3` in 1.2.3, for the fault
        let word_length = length + after.find(|c| !continues_name(c) && c != '.').unwrap_or(after.len());
        if after.starts_with(['.', '_']) || kind == TokenKind::Fault(LexicalFault::NotANumber) {
            return self.push(TokenKind::Fault(LexicalFault::NotANumber), self.at + word_length);
        }
        if after.starts_with(['j', 'J']) && !after[1..].starts_with(continues_name) {
            return self.push(TokenKind::Fault(LexicalFault::Complex), self.at + length + 1);
        }
        self.push(kind, self.at + length);
    }

    /// Reads an operator, a bracket or punctuation.
    fn sign(&mut self, first: char) {
        let rest = self.rest();
        let has_same_first_byte = |sign: &&&str| sign.as_bytes().first() == rest.as_bytes().first();
        let Some(sign) = SIGNS.iter().filter(has_same_first_byte).find(|sign| rest.starts_with(**sign)) else {
            return self.push(TokenKind::Fault(LexicalFault::Character), self.at + first.len_utf8());
        };
        match *sign {
            "(" | "[" | "{" => self.brackets.push(self.at),
            ")" | "]" | "}" => {
                if self.reject_wrong_bracket(sign) {
                    return;
                }
                self.brackets.pop();
            }
            _ => {}
        }
        self.push(TokenKind::Sign(sign), self.at + sign.len());
    }

    /// If a closing bracket does not fit the innermost open one, writes a fault and continues after the bracket. Returns whether it did.
    fn reject_wrong_bracket(&mut self, sign: &'static str) -> bool {
        let closing_at = |open: usize| closing(&self.text[open..=open]);
        let Some(&open) = self.brackets.last() else { return false };
        let expected = closing_at(open);
        if expected == sign {
            return false;
        }
        // in `(a + [b)` the `(` fits, and one inner bracket is not closed
        let inner_count = self.brackets.iter().rev().take(COMPARED_BRACKETS).position(|&open| closing_at(open) == sign);
        if let Some(inner_count) = inner_count {
            self.tokens.push(Token { kind: TokenKind::Fault(LexicalFault::OpenBracket), start: open, end: open + 1 });
            self.brackets.truncate(self.brackets.len() - inner_count - 1);
            self.push(TokenKind::Sign(sign), self.at + sign.len());
        } else {
            self.brackets.pop();
            self.push(TokenKind::Fault(LexicalFault::WrongBracket(expected)), self.at + sign.len());
        }
        true
    }
}
