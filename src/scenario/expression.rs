//! Parses the expressions of a graph by precedence climbing, to instructions of a stack machine in the order of evaluation.
//!
//! `a + b * 2` becomes: push a, push b, push 2, multiply, add. `^` binds tightest and is right-associative, then the unary minus, then `*` and `/`, then `+`
//! and `-`: `-x^2` is `-(x^2)`, and `2^3^2` is `2^(3^2)`.

use std::ops::Range;

use super::excerpt::quoted;
use super::number;
use crate::op::operator::{self, FUNCTIONS, NamedFunction, Operator};
use crate::words::{self, Vocabulary};

/// The deepest nesting of parentheses, minuses and powers.
const DEEPEST: usize = 100;

/// The binding powers of an operator to its left and to its right. `^` has the smaller one on the right: it is right-associative.
const SUM: (u8, u8) = (1, 2);
const PRODUCT: (u8, u8) = (3, 4);
const MINUS: u8 = 5;
const POWER: (u8, u8) = (8, 7);

/// One instruction of a stack machine.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Instruction {
    /// Pushes a number.
    Constant(f64),
    /// Pushes the value of the name at this position.
    Name(Range<usize>),
    /// Pops n values and pushes the result of the operation.
    Apply(Operator, usize),
}

/// An error in an expression: its position, the message and the help text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpressionError {
    pub span: Range<usize>,
    pub message: String,
    pub help: String,
}

fn wrong<T>(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Result<T, ExpressionError> {
    Err(ExpressionError { span, message: message.into(), help: help.into() })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Number(f64),
    Name,
    Sign(char),
    End,
}

/// Returns the length of the name at the beginning of a text; 0 if there is none.
pub(super) fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// Returns the length of the number at the beginning of a text.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(0);
    if text[length..].starts_with('.') {
        length += 1 + digits(length + 1);
    }
    if text[length..].starts_with(['e', 'E']) {
        let sign = usize::from(text[length + 1..].starts_with(['+', '-']));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

/// Parses the expression in `range` of `text`. Positions are bytes of `text`.
pub(super) fn parse(text: &str, range: Range<usize>) -> Result<Vec<Instruction>, ExpressionError> {
    let mut parser =
        Parser { text: &text[..range.end], token: Token::End, span: range.start..range.start, next: range.start, items: Vec::new() };
    parser.advance()?;
    if parser.token == Token::End {
        return wrong(range, "the expression is empty", "write what the node computes, as in u = a * b");
    }
    parser.expression(0, 0)?;
    match parser.token {
        Token::End => Ok(parser.items),
        Token::Sign(')') => wrong(parser.span, "this closing parenthesis has no opening one", "leave it out"),
        Token::Sign(',') => {
            wrong(parser.span, "a comma is allowed only between the arguments of a function", "write the decimal point as .")
        }
        Token::Sign('=') => wrong(parser.span, "a node has only one =", "write two nodes"),
        _ => {
            let help = "a product is written with *";
            wrong(parser.span.clone(), format!("an operator is missing before {}", quoted(parser.word())), help)
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    /// The current token, its position, and the position at which the next one begins.
    token: Token,
    span: Range<usize>,
    next: usize,
    items: Vec<Instruction>,
}

impl<'a> Parser<'a> {
    fn word(&self) -> &'a str {
        &self.text[self.span.clone()]
    }

    fn advance(&mut self) -> Result<(), ExpressionError> {
        let rest = &self.text[self.next..];
        let start = self.next + (rest.len() - rest.trim_start().len());
        let rest = &self.text[start..];
        let name = name_length(rest);
        let Some(first) = rest.chars().next() else {
            (self.token, self.span) = (Token::End, start..start);
            return Ok(());
        };
        let length = if name > 0 {
            self.token = Token::Name;
            let dotted = rest[name..].strip_prefix('.').map_or(0, name_length);
            if dotted > 0 {
                let whole = name + 1 + dotted;
                let help = format!("write {} alone: a name has no dot in it", &rest[name + 1..whole]);
                return wrong(start..start + whole, format!("{} cannot be a name", quoted(&rest[..whole])), help);
            }
            name
        } else if first.is_ascii_digit() || first == '.' {
            let length = number_length(rest);
            self.token = Token::Number(Self::number(rest, start, length)?);
            length
        } else {
            if !"+-*/^(),=".contains(first) {
                return self.unknown(first, start);
            }
            self.token = Token::Sign(first);
            first.len_utf8()
        };
        self.span = start..start + length;
        self.next = self.span.end;
        Ok(())
    }

    fn number(rest: &str, start: usize, length: usize) -> Result<f64, ExpressionError> {
        let text = &rest[..length];
        let whole =
            length + rest[length..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_')).unwrap_or(rest.len() - length);
        let bare = text.starts_with('.') || text.ends_with('.');
        if bare || rest[length..].starts_with(['.', '_']) {
            return wrong(
                start..start + whole,
                format!("{} is not a number", quoted(&rest[..whole])),
                "numbers are written 2, 0.5 or 1e-3",
            );
        }
        number::from_text(text).or_else(|(message, help)| wrong(start..start + length, message, help))
    }

    fn unknown<T>(&self, first: char, start: usize) -> Result<T, ExpressionError> {
        let help = match first {
            '·' | '×' | '∙' | '⋅' => "a product is written with *",
            '−' | '–' => "a minus is written with -",
            '÷' | ':' => "a quotient is written with /",
            '[' | '{' => "write round parentheses",
            _ => "an expression has numbers, names, functions, + - * / ^ and parentheses",
        };
        let span = start..start + first.len_utf8();
        wrong(span.clone(), format!("{} has no meaning in an expression", quoted(&self.text[span])), help)
    }

    /// Parses an operand and all operators after it whose left binding power is at least `least`.
    fn expression(&mut self, least: u8, depth: usize) -> Result<(), ExpressionError> {
        if depth > DEEPEST {
            let help = "split it: define parts of it as nodes before this one";
            return wrong(self.span.clone(), format!("this expression is nested more than {DEEPEST} deep"), help);
        }
        self.operand(depth)?;
        loop {
            let (operator, (left, right)) = match self.token {
                Token::Sign('+') => (Operator::Add, SUM),
                Token::Sign('-') => (Operator::Sub, SUM),
                Token::Sign('*') => (Operator::Mul, PRODUCT),
                Token::Sign('/') => (Operator::DIV, PRODUCT),
                Token::Sign('^') => (Operator::POW, POWER),
                _ => return Ok(()),
            };
            if left < least {
                return Ok(());
            }
            let before = self.span.clone();
            self.advance()?;
            if self.token == Token::Sign('*') && operator == Operator::Mul && before.end == self.span.start {
                return wrong(before.start..self.span.end, "** is not an operator", "a power is written with ^");
            }
            self.expression(right, depth + 1)?;
            self.items.push(Instruction::Apply(operator, 2));
        }
    }

    fn operand(&mut self, depth: usize) -> Result<(), ExpressionError> {
        let span = self.span.clone();
        match self.token {
            Token::Number(value) => {
                self.items.push(Instruction::Constant(value));
                self.advance()
            }
            Token::Name => {
                self.advance()?;
                if self.token == Token::Sign('(') {
                    return self.call(span, depth);
                }
                let name = &self.text[span.clone()];
                if let Some(function) = operator::find(name) {
                    let example = if function.arity() == 1 { "(…)" } else { "(…, …)" };
                    return wrong(span, format!("{name} is a function, but has no arguments here"), format!("write {name}{example}"));
                }
                self.items.push(Instruction::Name(span));
                Ok(())
            }
            Token::Sign('-') => {
                self.advance()?;
                if let Token::Number(value) = self.token {
                    let number = self.span.clone();
                    self.advance()?;
                    if self.token != Token::Sign('^') {
                        self.items.push(Instruction::Constant(-value));
                        return Ok(());
                    }
                    // in -2^2 the number is the base of the power: parse it again without the minus
                    self.next = number.start;
                    self.advance()?;
                }
                self.expression(MINUS, depth + 1)?;
                self.items.push(Instruction::Apply(Operator::Neg, 1));
                Ok(())
            }
            Token::Sign('(') => {
                self.advance()?;
                if self.token == Token::Sign(')') {
                    return wrong(span.start..self.span.end, "these parentheses are empty", "");
                }
                self.expression(0, depth + 1)?;
                self.close(span)
            }
            Token::Sign(sign) => wrong(span, format!("a number or a name is missing before \"{sign}\""), ""),
            Token::End => wrong(span, "a number or a name is missing at the end", ""),
        }
    }

    fn close(&mut self, open: Range<usize>) -> Result<(), ExpressionError> {
        match self.token {
            Token::Sign(')') => self.advance(),
            Token::End => wrong(open, "this parenthesis is not closed", "add )"),
            Token::Sign(',') => {
                wrong(self.span.clone(), "a comma is allowed only between the arguments of a function", "write the decimal point as .")
            }
            Token::Sign('=') => wrong(self.span.clone(), "a node has only one =", "write two nodes"),
            _ => wrong(self.span.clone(), format!("an operator is missing before {}", quoted(self.word())), "a product is written with *"),
        }
    }

    /// Parses the call of the function whose name is at `name`; the current token is its parenthesis.
    fn call(&mut self, name: Range<usize>, depth: usize) -> Result<(), ExpressionError> {
        let word = &self.text[name.clone()];
        let Some(function) = operator::find(word) else {
            let names: Vec<&str> = FUNCTIONS.iter().map(NamedFunction::name).collect();
            return wrong(name, format!("there is no function {}", quoted(word)), words::help(Vocabulary::Function, word, &names));
        };
        let open = self.span.clone();
        self.advance()?;
        let mut count = 0;
        if self.token != Token::Sign(')') {
            loop {
                self.expression(0, depth + 1)?;
                count += 1;
                if self.token != Token::Sign(',') {
                    break;
                }
                self.advance()?;
            }
        }
        let close = self.span.end;
        self.close(open)?;
        if count != function.arity() {
            let takes = if function.arity() == 1 { "one argument" } else { "two arguments" };
            return wrong(name.start..close, format!("{word} takes {takes}, not {count}"), "");
        }
        self.items.push(Instruction::Apply(Operator::Call(function), count));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the expression with all its parentheses.
    fn shape(text: &str) -> String {
        let mut stack: Vec<String> = Vec::new();
        for item in parse(text, 0..text.len()).unwrap_or_else(|fault| panic!("{text}: {}", fault.message)) {
            let next = match item {
                Instruction::Constant(value) => value.to_string(),
                Instruction::Name(span) => text[span].to_owned(),
                Instruction::Apply(operator, count) => {
                    let args = stack.split_off(stack.len() - count).join(" ");
                    format!("({operator:?} {args})")
                }
            };
            stack.push(next);
        }
        stack.concat()
    }

    #[test]
    fn operators_bind_as_the_format_says() {
        for (text, expected) in [
            ("a + b * c", "(Add a (Mul b c))"),
            ("a - b - c", "(Sub (Sub a b) c)"),
            ("a / b / c", "(Call(\"/\") (Call(\"/\") a b) c)"),
            ("x^y^2", "(Call(\"^\") x (Call(\"^\") y 2))"),
            ("-x^2", "(Neg (Call(\"^\") x 2))"),
            ("-2^2", "(Neg (Call(\"^\") 2 2))"),
            ("2^-1", "(Call(\"^\") 2 -1)"),
            ("2^-x*y", "(Mul (Call(\"^\") 2 (Neg x)) y)"),
            ("2^-x^2", "(Call(\"^\") 2 (Neg (Call(\"^\") x 2)))"),
            ("(-2)^2", "(Call(\"^\") -2 2)"),
            ("-2 * x", "(Mul -2 x)"),
            ("2 - -x", "(Sub 2 (Neg x))"),
            ("2 - - 3", "(Sub 2 -3)"),
            ("- -2", "(Neg -2)"),
            ("-(2)", "(Neg 2)"),
            ("-x * y", "(Mul (Neg x) y)"),
            ("x-2", "(Sub x 2)"),
            ("1e-3*y", "(Mul 0.001 y)"),
            ("max(a, -b) + exp(c)", "(Add (Call(\"max\") a (Neg b)) (Call(\"exp\") c))"),
            ("((a))", "a"),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_limited_and_length_is_not() {
        for text in ["(".repeat(100_000), format!("{}a", "-".repeat(100_000)), vec!["a"; 100_000].join("^"), "exp(".repeat(100_000)] {
            let fault = parse(&text, 0..text.len()).unwrap_err();
            assert!(fault.message.contains("nested"), "{}", fault.message);
        }
        let sum = vec!["a"; 100_000].join(" + ");
        assert_eq!(parse(&sum, 0..sum.len()).map(|items| items.len()), Ok(199_999));
    }

    #[test]
    fn errors_have_positions_of_the_text() {
        for (text, at) in [
            ("u = a · b", "·"),
            ("u = a b", "b"),
            ("u = (a", "("),
            ("u = a ** b", "**"),
            ("u = foo(a)", "foo"),
            ("u = max(a)", "max(a)"),
            ("u = 2x", "x"),
            ("u = 1.2.3", "1.2.3"),
        ] {
            let fault = parse(text, 4..text.len()).unwrap_err();
            assert_eq!(&text[fault.span], at, "{}", fault.message);
        }
    }
}
