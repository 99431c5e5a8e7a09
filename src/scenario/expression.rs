//! Parses the expression of a number that the user types, such as `1/3` or `1 + 2 * sqrt(3)`. The result is a list of instructions for a stack machine, in the
//! order of evaluation: for `a + b * 2`, push a, push b, push 2, multiply, add. Names are parsed as variables; the caller reports that they are not numbers.
//!
//! The method is precedence climbing (Pratt parsing). Each operator has a binding power, and an operand belongs to the neighbouring operator with the larger
//! binding power. From the largest power to the smallest, the operators are `^` (right-associative), the unary minus, `*` and `/`, `+` and `-`. So `-x^2` is
//! `-(x^2)`, and `2^3^2` is `2^(3^2)`.

use std::ops::Range;

use super::excerpt::quoted;
use super::number;
use crate::op::operator::{self, FUNCTIONS, NamedFunction, Operator};
use crate::words::{self, Vocabulary};

/// The largest depth of nested parentheses, minuses and powers. It bounds the recursion of the parser.
const MAX_DEPTH: usize = 100;

/// The binding powers of `+` and `-` to the left and to the right. In `a - b - c`, the first minus binds b with its right power 2, and the second with its left
/// power 1. So b belongs to the first minus.
const SUM: (u8, u8) = (1, 2);
/// The binding powers of `*` and `/`.
const PRODUCT: (u8, u8) = (3, 4);
/// The binding power of the unary minus, to the right.
const MINUS: u8 = 5;
/// The binding powers of `^` to the left and to the right. The right power is smaller, so that `^` is right-associative: in `a^b^c`, b belongs to the second
/// `^`.
const POWER: (u8, u8) = (8, 7);

/// One instruction of a stack machine.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Instruction {
    /// Pushes a number.
    Constant(f64),
    /// Pushes the value of a variable. Its name is at these bytes of the text.
    Variable(Range<usize>),
    /// Pops the given number of values and pushes the result of the operator.
    Apply(Operator, usize),
}

/// A fault in an expression: its position, the message and the help text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpressionError {
    pub span: Range<usize>,
    pub message: String,
    pub help: String,
}

/// Returns an error.
fn fail<T>(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Result<T, ExpressionError> {
    Err(ExpressionError { span, message: message.into(), help: help.into() })
}

/// A token of an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ExpressionToken {
    Number(f64),
    /// A variable or a function; its text is at the parser's `span`.
    Name,
    /// An operator, a parenthesis, a comma or `=`.
    Sign(char),
    /// The end of the expression.
    End,
}

/// Returns the length of the name at the beginning of a text; 0 if the text does not begin with a name.
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

/// Parses the expression in `range` of `text`. Positions in the result and in errors are bytes of `text`.
pub(super) fn parse(text: &str, range: Range<usize>) -> Result<Vec<Instruction>, ExpressionError> {
    let mut parser = ExpressionParser {
        text: &text[..range.end],
        token: ExpressionToken::End,
        span: range.start..range.start,
        next: range.start,
        instructions: Vec::new(),
    };
    parser.advance()?;
    if parser.token == ExpressionToken::End {
        return fail(range, "the number is missing", "write one, such as 0.1 or 1/3");
    }
    let (min_power, depth) = (0, 0);
    parser.expression(min_power, depth)?;
    match parser.token {
        ExpressionToken::End => Ok(parser.instructions),
        ExpressionToken::Sign(')') => fail(parser.span, "this closing parenthesis has no opening one", "leave it out"),
        ExpressionToken::Sign(',') => {
            fail(parser.span, "a comma is allowed only between the arguments of a function", "write the decimal point as .")
        }
        ExpressionToken::Sign('=') => parser.equals_sign(),
        _ => {
            let help = "a product is written with *";
            fail(parser.span.clone(), format!("an operator is missing before {}", quoted(parser.token_text())), help)
        }
    }
}

struct ExpressionParser<'a> {
    text: &'a str,
    /// The current token.
    token: ExpressionToken,
    /// The position of the current token.
    span: Range<usize>,
    /// The position after the current token.
    next: usize,
    /// The result so far.
    instructions: Vec<Instruction>,
}

impl<'a> ExpressionParser<'a> {
    /// Returns the text of the current token.
    fn token_text(&self) -> &'a str {
        &self.text[self.span.clone()]
    }

    /// Reads the next token.
    fn advance(&mut self) -> Result<(), ExpressionError> {
        let rest = &self.text[self.next..];
        let start = self.next + (rest.len() - rest.trim_start().len());
        let rest = &self.text[start..];
        let name_len = name_length(rest);
        let Some(first) = rest.chars().next() else {
            (self.token, self.span) = (ExpressionToken::End, start..start);
            return Ok(());
        };
        let length = if name_len > 0 {
            self.token = ExpressionToken::Name;
            // a name after the name of a module, as in math.exp
            let function_len = rest[name_len..].strip_prefix('.').map_or(0, name_length);
            if function_len > 0 {
                let dotted_length = name_len + 1 + function_len;
                let function = &rest[name_len + 1..dotted_length];
                let help = match operator::find(function) {
                    Some(_) => format!("write {function} alone"),
                    None => "write numbers only, such as 1/3".to_owned(),
                };
                return fail(start..start + dotted_length, format!("{} is not a number", quoted(&rest[..dotted_length])), help);
            }
            name_len
        } else if first.is_ascii_digit() || first == '.' {
            let length = number_length(rest);
            self.token = ExpressionToken::Number(Self::number(self.text, start, length)?);
            length
        } else {
            if !"+-*/^(),=".contains(first) {
                return self.unknown_character(first, start);
            }
            // `**` is Python's spelling of `^`
            let is_power = rest.starts_with("**");
            self.token = ExpressionToken::Sign(if is_power { '^' } else { first });
            if is_power { 2 } else { first.len_utf8() }
        };
        self.span = start..start + length;
        self.next = self.span.end;
        Ok(())
    }

    /// Converts the `length` bytes of `text` from byte `start` on to a number.
    fn number(text: &str, start: usize, length: usize) -> Result<f64, ExpressionError> {
        let (number, after) = text[start..].split_at(length);
        let lacks_digits = number.starts_with('.') || number.ends_with('.');
        if lacks_digits || after.starts_with(['.', '_']) {
            // the message quotes the number with the characters beside it, such as `.3` in 1.2.3 and `l27` in l27.25
            let is_beside = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
            let word_start = text[..start].trim_end_matches(is_beside).len();
            let word_end = text.len() - after.trim_start_matches(is_beside).len();
            let message = format!("{} is not a number", quoted(&text[word_start..word_end]));
            return fail(word_start..word_end, message, "numbers are written 2, 0.5 or 1e-3");
        }
        number::from_expression(number).or_else(|(message, help)| fail(start..start + length, message, help))
    }

    /// Returns the error for `=`, which is the current token.
    fn equals_sign<T>(&self) -> Result<T, ExpressionError> {
        fail(self.span.clone(), "\"=\" has no meaning in a number", "write the new value alone, such as 1/3")
    }

    /// Returns the error for a character that no expression may contain.
    fn unknown_character<T>(&self, first: char, start: usize) -> Result<T, ExpressionError> {
        let help = match first {
            '·' | '×' | '∙' | '⋅' => "a product is written with *",
            '−' | '–' => "a minus is written with -",
            '÷' | ':' => "a quotient is written with /",
            '[' | '{' => "write round parentheses",
            _ => "a number is written with digits, functions, + - * / ^ and parentheses",
        };
        let span = start..start + first.len_utf8();
        fail(span.clone(), format!("{} has no meaning in a number", quoted(&self.text[span])), help)
    }

    /// Parses an operand, and then pairs of an operator and an operand. Stops before an operator whose left binding power is less than `min_power`. `depth` is
    /// the depth of nesting.
    fn expression(&mut self, min_power: u8, depth: usize) -> Result<(), ExpressionError> {
        if depth > MAX_DEPTH {
            let help = "write its value, or an expression with fewer parentheses and signs";
            return fail(self.span.clone(), format!("this expression is nested more than {MAX_DEPTH} deep"), help);
        }
        self.operand(depth)?;
        loop {
            let (operator, (left, right)) = match self.token {
                ExpressionToken::Sign('+') => (Operator::Add, SUM),
                ExpressionToken::Sign('-') => (Operator::Sub, SUM),
                ExpressionToken::Sign('*') => (Operator::Mul, PRODUCT),
                ExpressionToken::Sign('/') => (Operator::DIV, PRODUCT),
                ExpressionToken::Sign('^') => (Operator::POW, POWER),
                _ => return Ok(()),
            };
            if left < min_power {
                return Ok(());
            }
            self.advance()?;
            self.expression(right, depth + 1)?;
            self.instructions.push(Instruction::Apply(operator, 2));
        }
    }

    /// Parses a number, a variable, a call, an expression in parentheses, or a minus with its operand.
    fn operand(&mut self, depth: usize) -> Result<(), ExpressionError> {
        let span = self.span.clone();
        match self.token {
            ExpressionToken::Number(value) => {
                self.instructions.push(Instruction::Constant(value));
                self.advance()
            }
            ExpressionToken::Name => {
                self.advance()?;
                if self.token == ExpressionToken::Sign('(') {
                    return self.call(span, depth);
                }
                let name = &self.text[span.clone()];
                if let Some(function) = operator::find(name) {
                    let example = ["(…)", "(…, …)", "(…, …, …)"][function.arity() - 1];
                    return fail(span, format!("{name} is a function, but has no arguments here"), format!("write {name}{example}"));
                }
                self.instructions.push(Instruction::Variable(span));
                Ok(())
            }
            ExpressionToken::Sign('-') => {
                self.advance()?;
                if let ExpressionToken::Number(value) = self.token {
                    // a minus before a number becomes part of the number: it is a negative constant
                    let number_start = self.span.start;
                    self.advance()?;
                    if self.token != ExpressionToken::Sign('^') {
                        self.instructions.push(Instruction::Constant(-value));
                        return Ok(());
                    }
                    // in -2^2 the minus is applied to the power 2^2, so the parser goes back to the number
                    self.next = number_start;
                    self.advance()?;
                }
                self.expression(MINUS, depth + 1)?;
                self.instructions.push(Instruction::Apply(Operator::Neg, 1));
                Ok(())
            }
            ExpressionToken::Sign('(') => {
                self.advance()?;
                if self.token == ExpressionToken::Sign(')') {
                    return fail(span.start..self.span.end, "these parentheses are empty", "");
                }
                self.expression(0, depth + 1)?;
                self.close(span)
            }
            ExpressionToken::Sign(sign) => fail(span, format!("a number is missing before \"{sign}\""), ""),
            ExpressionToken::End => fail(span, "a number is missing at the end", ""),
        }
    }

    /// Reads the closing parenthesis. `open` is the position of the opening one.
    fn close(&mut self, open: Range<usize>) -> Result<(), ExpressionError> {
        match self.token {
            ExpressionToken::Sign(')') => self.advance(),
            ExpressionToken::End => fail(open, "this parenthesis is not closed", "add )"),
            ExpressionToken::Sign(',') => {
                fail(self.span.clone(), "a comma is allowed only between the arguments of a function", "write the decimal point as .")
            }
            ExpressionToken::Sign('=') => self.equals_sign(),
            _ => fail(
                self.span.clone(),
                format!("an operator is missing before {}", quoted(self.token_text())),
                "a product is written with *",
            ),
        }
    }

    /// Parses the arguments of the function whose name is at `name`. The current token is the opening parenthesis.
    fn call(&mut self, name: Range<usize>, depth: usize) -> Result<(), ExpressionError> {
        let function_name = &self.text[name.clone()];
        let Some(function) = operator::find(function_name) else {
            let names: Vec<&str> = FUNCTIONS.iter().map(NamedFunction::name).collect();
            return fail(
                name,
                format!("there is no function {}", quoted(function_name)),
                words::help(Vocabulary::Function, function_name, &names),
            );
        };
        let open = self.span.clone();
        self.advance()?;
        let mut count = 0;
        if self.token != ExpressionToken::Sign(')') {
            loop {
                self.expression(0, depth + 1)?;
                count += 1;
                if self.token != ExpressionToken::Sign(',') {
                    break;
                }
                self.advance()?;
            }
        }
        let end = self.span.end;
        self.close(open)?;
        if count != function.arity() {
            let takes = ["one argument", "two arguments", "three arguments"][function.arity() - 1];
            return fail(name.start..end, format!("{function_name} takes {takes}, not {count}"), "");
        }
        self.instructions.push(Instruction::Apply(Operator::Call(function), count));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the expression in prefix notation, with parentheses around each operation.
    fn prefix_notation(text: &str) -> String {
        let mut stack: Vec<String> = Vec::new();
        for instruction in parse(text, 0..text.len()).unwrap_or_else(|error| panic!("{text}: {}", error.message)) {
            let next = match instruction {
                Instruction::Constant(value) => value.to_string(),
                Instruction::Variable(span) => text[span].to_owned(),
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
    fn operators_have_their_precedence_and_associativity() {
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
            assert_eq!(prefix_notation(text), expected, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_but_a_long_sum_is_not() {
        for text in ["(".repeat(100_000), format!("{}a", "-".repeat(100_000)), vec!["a"; 100_000].join("^"), "exp(".repeat(100_000)] {
            let error = parse(&text, 0..text.len()).unwrap_err();
            assert!(error.message.contains("nested"), "{}", error.message);
        }
        // 100,000 variables and 99,999 additions
        let sum = vec!["a"; 100_000].join(" + ");
        assert_eq!(parse(&sum, 0..sum.len()).map(|instructions| instructions.len()), Ok(199_999));
    }

    #[test]
    fn a_power_has_two_spellings() {
        for (python, text) in [("2**3", "2^3"), ("-2 ** 2", "-2 ^ 2"), ("2**3**2", "2^3^2"), ("a * 2**-1", "a * 2^-1")] {
            let instructions = |text: &str| format!("{:?}", parse(text, 0..text.len()).unwrap());
            assert_eq!(instructions(python), instructions(text), "{python}");
        }
        assert!(parse("2 * * 3", 0..7).is_err());
    }

    #[test]
    fn an_error_has_the_position_of_the_wrong_part() {
        for (text, wrong_part) in [
            ("2 + a · b", "·"),
            ("2 + a b", "b"),
            ("2 + (a", "("),
            ("2 + foo(a)", "foo"),
            ("2 + max(a)", "max(a)"),
            ("2 + 2x", "x"),
            ("2 + 1.2.3", "1.2.3"),
        ] {
            let error = parse(text, 0..text.len()).unwrap_err();
            assert_eq!(&text[error.span], wrong_part, "{}", error.message);
        }
    }
}
