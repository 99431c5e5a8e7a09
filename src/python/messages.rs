//! The error messages for wrong tokens, and for parts of Python that a graph does not support.

use super::SyntaxError;
use super::lexer::{LexicalFault, Token, TokenKind, closing};
use super::tree::Span;
use crate::text;

/// The largest width in cells of a quotation in a message.
const MAX_QUOTED_WIDTH: usize = 60;

/// The help for a name that Python does not allow.
pub(super) const NAME_HELP: &str = "a name begins with a letter or _, and goes on with letters, digits and _";

/// The help for an expression or a block that is nested too deep.
pub(super) const DEPTH_HELP: &str = "split it: define parts of it as nodes before this one";

const IN_HELP: &str = "compare with ==, and combine masks with |: (a == 1) | (a == 2)";

/// Returns a part of the text in quotes, shortened.
pub(super) fn quoted(part: &str) -> String {
    // the part is shortened first, so that not all of a long text is escaped; one character too many makes `cut` add its ellipsis
    let end = part.char_indices().nth(MAX_QUOTED_WIDTH + 1).map_or(part.len(), |(at, _)| at);
    format!("\"{}\"", text::cut(&text::line(&part[..end]), MAX_QUOTED_WIDTH))
}

fn error(span: Span, message: impl Into<String>, help: impl Into<String>) -> SyntaxError {
    SyntaxError { span, message: message.into(), help: help.into() }
}

/// Returns the message and the help for a keyword that begins a statement, if a graph does not support such statements.
pub(super) fn refused_statement(keyword: &str) -> Option<(&'static str, &'static str)> {
    Some(match keyword {
        "if" => (
            "a graph has no if statement",
            "choose between tensors with where(mask, a, b); if only one branch ever runs, write its lines alone",
        ),
        "elif" | "else" => ("a graph has no \"else\"", "choose between tensors with where(mask, a, b)"),
        "while" => ("a graph has no while loop", "write \"for i in range(n):\" with a constant n"),
        "def" => ("a graph has no function definitions", "paste the body of the function alone; what it returns is the output"),
        "class" => ("a graph has no classes", "paste the body of its forward method alone; self. before a name may stay"),
        "try" | "except" | "finally" => ("a graph has no exceptions", "write the lines after \"try:\" alone"),
        "raise" => ("a graph has no exceptions", "leave the line out"),
        "async" | "await" => ("a graph has no coroutines", "leave the word out"),
        "yield" => ("a graph has no generators", "write \"return e\" for the output"),
        "break" | "continue" => (
            "a loop of a graph makes all its turns in full",
            "leave the line out and write the range of the turns that run, or choose with where(mask, a, b)",
        ),
        _ => return None,
    })
}

/// Returns the error for a keyword within an expression.
pub(super) fn keyword(text: &str, token: &Token) -> SyntaxError {
    let word = &text[token.span()];
    let mask_error = |sign: &str, example: &str| {
        error(
            token.span(),
            format!("masks are not combined with \"{word}\""),
            format!("write {sign}, with each side in parentheses: {example}"),
        )
    };
    match word {
        "and" => mask_error("&", "(a > 0) & (b > 0)"),
        "or" => mask_error("|", "(a > 0) | (b > 0)"),
        "not" => error(token.span(), "a mask is not negated with \"not\"", "write ~, with the mask in parentheses: ~(a > 0)"),
        "in" => error(token.span(), "a graph has no \"in\"", IN_HELP),
        "is" => error(
            token.span(),
            "a graph has no \"is\"",
            "compare numbers with ==; a test for None has one answer, so write the branch that it chooses alone",
        ),
        "if" | "else" => error(
            token.span(),
            "a graph has no conditional expression",
            "write where(mask, a, b) instead of \"a if mask else b\"; if only one side is ever taken, write it alone",
        ),
        "for" => error(
            token.span(),
            "a graph has no comprehension",
            "write a loop: hs = [], then \"for t in range(n):\" with hs.append(…) in its body",
        ),
        "lambda" => error(token.span(), "a graph has no \"lambda\"", "write its expression where the function is called"),
        "await" | "yield" => {
            let (message, help) = refused_statement(word).unwrap_or_default();
            error(token.span(), message, help)
        }
        _ => reserved(text, token),
    }
}

/// Returns the error for a keyword that is used as a name.
pub(super) fn reserved(text: &str, token: &Token) -> SyntaxError {
    let word = &text[token.span()];
    error(token.span(), format!("{} cannot be a name", quoted(word)), format!("it is a keyword of Python; write {word}_"))
}

/// Returns the error for a token that cannot follow an expression. `previous_end` is the end of the expression.
pub(super) fn stray(text: &str, token: &Token, previous_end: usize) -> SyntaxError {
    let span = token.span();
    let word = &text[span.clone()];
    let missing = || error(token.span(), format!("an operator is missing before {}", quoted(word)), "a product is written with *");
    match token.kind {
        TokenKind::Fault(fault) => self::fault(text, token, fault),
        TokenKind::Keyword("True" | "False" | "None" | "as" | "from" | "import") => missing(),
        TokenKind::Keyword("not") => not_in(span),
        TokenKind::Keyword(_) => keyword(text, token),
        TokenKind::Sign(")") => error(span, "this closing parenthesis has no opening one", "leave it out"),
        TokenKind::Sign("]" | "}") => error(span, "this closing bracket has no opening one", "leave it out"),
        TokenKind::Sign("=") => error(
            span,
            "an assignment is not a part of an expression",
            "write it as a statement of its own; two numbers are compared with ==",
        ),
        TokenKind::Sign(":=") => error(span, "a graph has no :=", "write the assignment as a statement of its own, before this one"),
        TokenKind::Sign("<<" | ">>") => error(span, format!("a graph has no {word}"), "multiply by a power of 2, or divide with //"),
        TokenKind::Sign(":") => error(
            span,
            "\":\" has no meaning here",
            "a quotient is written with /; a slice is written in brackets after a name, such as x[1:3]",
        ),
        TokenKind::Sign("->") => error(span, format!("{} has no meaning in an expression", quoted(word)), "leave it out"),
        TokenKind::Sign("{") => braces(text, span),
        TokenKind::Sign(",") => error(span, "this comma has no meaning here", "write the decimal point as ., and each statement alone"),
        TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent | TokenKind::End => missing_operand(text, token, previous_end),
        _ => missing(),
    }
}

/// Returns the error for a token that cannot begin an operand. `previous_end` is the end of the token before it.
pub(super) fn missing_operand(text: &str, token: &Token, previous_end: usize) -> SyntaxError {
    let help = "write one before it, or leave it out";
    match token.kind {
        TokenKind::Sign(sign @ ("&" | "|")) if text[..previous_end].ends_with(sign) && previous_end == token.start => {
            error(previous_end - 1..token.end, format!("masks are not combined with {sign}{sign}"), format!("write {sign} once"))
        }
        TokenKind::Sign("{") => braces(text, token.span()),
        TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent | TokenKind::End | TokenKind::Sign(";") => {
            error(previous_end..previous_end, "a number or a name is missing at the end", "write one, or leave the operator out")
        }
        _ => error(token.span(), format!("a number or a name is missing before {}", quoted(&text[token.span()])), help),
    }
}

/// Returns the error for `not` after an expression, as in `a not in b`.
fn not_in(span: Span) -> SyntaxError {
    error(span, "a graph has no \"not in\"", IN_HELP)
}

fn braces(text: &str, span: Span) -> SyntaxError {
    let is_empty = text[span.end..].trim_start().starts_with('}');
    let help = if is_empty {
        "write a list: hs = [], then hs.append(h)"
    } else {
        "give each value a name of its own; what belongs together is written in (…)"
    };
    error(span, "a graph has no dictionaries and no sets", help)
}

/// Returns the error for a bracket that is not closed.
pub(super) fn open_bracket(text: &str, span: Span) -> SyntaxError {
    let sign = &text[span.clone()];
    let noun = if sign == "(" { "parenthesis" } else { "bracket" };
    error(span, format!("this {noun} is not closed"), format!("add {}", closing(sign)))
}

/// Returns the error for a fault that the lexer found.
pub(super) fn fault(text: &str, token: &Token, fault: LexicalFault) -> SyntaxError {
    let span = token.span();
    let word = &text[span.clone()];
    match fault {
        LexicalFault::Character => {
            error(span, format!("{} has no meaning in an expression", quoted(word)), character_help(word.chars().next().unwrap_or(' ')))
        }
        LexicalFault::OpenString => {
            let quotes = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let quote = if quotes.starts_with("'''") || quotes.starts_with("\"\"\"") { &quotes[..3] } else { &quotes[..1] };
            error(span, "this string is not closed", format!("add {quote}"))
        }
        LexicalFault::NotANumber => error(span, format!("{} is not a number", quoted(word)), "numbers are written 2, 0.5 or 1e-3"),
        LexicalFault::Complex => {
            error(span, format!("{} is a complex number", quoted(word)), "the numbers of a graph are real; leave j out")
        }
        LexicalFault::IntegerTooLarge => {
            error(span, "this integer is too large, it has more than 64 bits", "write it with a decimal point")
        }
        LexicalFault::FloatTooLarge => error(span, "this number is too large for f64", "the largest is about 1.8e308"),
        LexicalFault::FloatTooSmall => {
            error(span, "this number is too small for f64, it would become 0", "the smallest is about 5e-324; write 0 if you mean it")
        }
        LexicalFault::Indentation => error(
            span,
            "this line begins in another column than the lines before",
            "begin it in the column of the block that it belongs to",
        ),
        LexicalFault::Tabs => error(span, "tabs and spaces are mixed in the indentation", "indent all lines with spaces alone"),
        LexicalFault::Backslash => error(span, "a backslash has a meaning only at the end of a line", "leave it out"),
        LexicalFault::OpenBracket => open_bracket(text, span),
        LexicalFault::WrongBracket(expected) => error(span, "this closing bracket has no opening one", format!("write {expected}")),
    }
}

/// Returns the help for a character without a meaning.
fn character_help(c: char) -> &'static str {
    match c {
        '·' | '×' | '∙' | '⋅' | '⊙' | '∘' | '∗' | '⨉' => "a product is written with *",
        '−' | '–' | '—' => "a minus is written with -",
        '÷' | '∕' | '⁄' => "a quotient is written with /",
        '⁰' | '¹' | '²' | '³' | '⁴' | '⁵' | '⁶' | '⁷' | '⁸' | '⁹' | '⁻' => "a power is written with **",
        '₀'..='₉' => "an index is written in brackets, as in x[0], and a number in a name with digits, as in x0",
        'ᵀ' | '⊤' => "a transpose is written .T",
        '√' => "a root is written sqrt(x)",
        '∑' => "a sum is written x.sum()",
        '∏' => "a product of all entries is written x.prod()",
        '≤' | '⩽' => "write <=",
        '≥' | '⩾' => "write >=",
        '≠' => "write !=",
        '←' | '≔' => "write =",
        '…' => "write ...",
        '‘' | '’' | '“' | '”' | '`' | '´' => "a string is in quotes ' or \"",
        '!' => "a mask is negated with ~; leave out lines of a notebook that begin with !",
        '?' => "leave it out; where(mask, a, b) chooses between two numbers",
        _ => "an expression has numbers, names, calls, brackets, and operators such as + - * / ** @ < ==",
    }
}
