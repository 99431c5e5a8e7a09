//! Parses expressions.
//!
//! From the tightest to the loosest, the operators are `**` and `^` (right-associative), the unary `-`, `+` and `~`, then `*`, `/`, `//`, `%` and `@`, then `+`
//! and `-`, `&`, `|`, and the comparisons. As in Python, `-x**2` is `-(x**2)`, `2**-1` is ½, and `a > 0 & b` is `a > (0 & b)`.
//!
//! Parameters called `depth` count the recursive calls: the blocks, brackets, signs and powers around the expression. They limit the stack, and the *height* of
//! a tree limits the stack of its visitors.

use std::collections::HashSet;

use compact_str::CompactString;
use smallvec::SmallVec;

use super::cursor::{Parsed, TokenCursor, fail};
use super::lexer::{AUGMENTED, Token, TokenKind, closing};
use super::tree::{Argument, BinaryOperator, ComparisonOperator, ExprKind, Link, PythonExpr, Span, UnaryOperator, Word};
use super::{MAX_DEPTH, messages};

/// An expression with the height of its tree, which is 1 for a name. The expression is boxed, so that the recursive parser does not need a large stack.
pub(super) struct ExprWithHeight {
    pub expr: Box<PythonExpr>,
    height: usize,
}

/// An unfinished chain of operators with the same precedence. Its last operator has no right operand yet.
struct PendingChain {
    precedence: usize,
    /// The position of the first operand, with its parentheses.
    start: usize,
    first: Box<PythonExpr>,
    links: Vec<Link>,
    /// The largest height of the operands.
    height: usize,
    last_operator: (BinaryOperator, Span),
}

/// Returns the precedence and the operator of a token between two operands; a higher precedence binds tighter. `None` for other tokens.
fn binary_operator(kind: TokenKind) -> Option<(usize, BinaryOperator)> {
    let TokenKind::Sign(sign) = kind else { return None };
    Some(match sign {
        "|" => (0, BinaryOperator::Or),
        "&" => (1, BinaryOperator::And),
        "+" => (2, BinaryOperator::Add),
        "-" => (2, BinaryOperator::Sub),
        "*" => (3, BinaryOperator::Mul),
        "/" => (3, BinaryOperator::Div),
        "//" => (3, BinaryOperator::FloorDiv),
        "%" => (3, BinaryOperator::Mod),
        "@" => (3, BinaryOperator::MatMul),
        _ => return None,
    })
}

fn comparison_operator(kind: TokenKind) -> Option<ComparisonOperator> {
    let TokenKind::Sign(sign) = kind else { return None };
    Some(match sign {
        "<" => ComparisonOperator::Less,
        "<=" => ComparisonOperator::AtMost,
        ">" => ComparisonOperator::Greater,
        ">=" => ComparisonOperator::AtLeast,
        "==" => ComparisonOperator::Equal,
        "!=" => ComparisonOperator::NotEqual,
        _ => return None,
    })
}

impl TokenCursor<'_> {
    /// Returns the expression from `start` to the last token that was read. `parts_height` is the height of its highest part, 0 if it has none. If its tree is
    /// too high, the error is at the last token that was read.
    fn build(&self, start: usize, kind: ExprKind, parts_height: usize) -> Parsed<ExprWithHeight> {
        let end = self.previous().map_or(start, |token| token.end);
        if parts_height >= MAX_DEPTH {
            return Self::too_deep(self.previous().map_or(start..end, |token| token.span()));
        }
        Ok(ExprWithHeight { expr: Box::new(PythonExpr { span: start..end, kind }), height: parts_height + 1 })
    }

    fn too_deep<T>(span: Span) -> Parsed<T> {
        fail(span, format!("this expression is nested more than {MAX_DEPTH} deep"), messages::DEPTH_HELP)
    }

    /// Parses an expression, or several with commas between them.
    pub fn expression_list(&mut self, depth: usize) -> Parsed<ExprWithHeight> {
        let start = self.span().start;
        let first = self.expression(depth)?;
        if !self.is(",") {
            return Ok(first);
        }
        let (mut items, mut height) = (vec![*first.expr], first.height);
        // the end of the last item, without a comma after it
        let mut end = start;
        while self.is(",") {
            end = self.previous().map_or(start, |token| token.end);
            self.advance();
            let ends_list =
                self.is_end() || matches!(self.kind(), TokenKind::Sign(sign) if ")]}=:".contains(sign) || AUGMENTED.contains(&sign));
            if ends_list || self.is_keyword("in") {
                break;
            }
            let item = self.expression(depth)?;
            height = height.max(item.height);
            items.push(*item.expr);
            end = self.previous().map_or(start, |token| token.end);
        }
        let mut tuple = self.build(start, ExprKind::Tuple(items), height)?;
        tuple.expr.span.end = end;
        Ok(tuple)
    }

    /// Parses an expression without commas.
    pub fn expression(&mut self, depth: usize) -> Parsed<ExprWithHeight> {
        let start = self.span().start;
        let left = self.operators(depth)?;
        let Some(sign) = comparison_operator(self.kind()) else { return Ok(left) };
        self.advance();
        let right = self.operators(depth)?;
        if comparison_operator(self.kind()).is_some() {
            let help = "compare twice and combine the masks: (a < b) & (b < c)";
            return fail(self.span(), "a comparison has two sides, not three", help);
        }
        let height = left.height.max(right.height);
        self.build(start, ExprKind::Compare(sign, Box::new([*left.expr, *right.expr])), height)
    }

    /// Parses operands with operators between them.
    fn operators(&mut self, depth: usize) -> Parsed<ExprWithHeight> {
        // the precedence increases from one pending chain to the next, so there are at most four
        let mut pending: SmallVec<[PendingChain; 1]> = SmallVec::new();
        'operands: loop {
            let start = self.span().start;
            let mut operand = self.unary(depth)?;
            let mut operand_start = start;
            let next = binary_operator(self.kind());
            // an operator ends the chains with a higher precedence, and continues the chain with its own precedence
            while pending.last().is_some_and(|chain| next.is_none_or(|(precedence, _)| chain.precedence >= precedence))
                && let Some(mut chain) = pending.pop()
            {
                let (operator, span) = chain.last_operator;
                chain.height = chain.height.max(operand.height);
                chain.links.push(Link { operator, span, right: *operand.expr });
                if let Some((precedence, operator)) = next.filter(|(precedence, _)| *precedence == chain.precedence) {
                    pending.push(PendingChain { precedence, last_operator: (operator, self.span()), ..chain });
                    self.advance();
                    continue 'operands;
                }
                operand = self.build(chain.start, ExprKind::Chain(chain.first, chain.links), chain.height)?;
                operand_start = chain.start;
            }
            let Some((precedence, operator)) = next else { return Ok(operand) };
            pending.push(PendingChain {
                precedence,
                start: operand_start,
                first: operand.expr,
                links: Vec::with_capacity(1),
                height: operand.height,
                last_operator: (operator, self.span()),
            });
            self.advance();
        }
    }

    /// Parses a power, with the signs before it.
    fn unary(&mut self, depth: usize) -> Parsed<ExprWithHeight> {
        if depth > MAX_DEPTH {
            return Self::too_deep(self.span());
        }
        let start = self.span().start;
        let operator = match self.kind() {
            TokenKind::Sign("-") => UnaryOperator::Minus,
            TokenKind::Sign("+") => UnaryOperator::Plus,
            TokenKind::Sign("~") => UnaryOperator::Invert,
            _ => {
                let base = self.postfix(depth)?;
                if !self.eat("**") && !self.eat("^") {
                    return Ok(base);
                }
                let exponent = self.unary(depth + 1)?;
                let height = base.height.max(exponent.height);
                return self.build(start, ExprKind::Power(base.expr, exponent.expr), height);
            }
        };
        self.advance();
        let operand = self.unary(depth + 1)?;
        self.build(start, ExprKind::Unary(operator, operand.expr), operand.height)
    }

    /// Parses an operand with the attributes, calls and indices after it.
    pub fn postfix(&mut self, depth: usize) -> Parsed<ExprWithHeight> {
        let start = self.span().start;
        let mut base = self.operand(depth)?;
        loop {
            let open = self.token();
            let TokenKind::Sign(sign @ ("." | "(" | "[")) = open.kind else { return Ok(base) };
            let is_literal = matches!(base.expr.kind, ExprKind::Integer(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::None);
            let is_callable =
                matches!(base.expr.kind, ExprKind::Name(_) | ExprKind::Attribute(..) | ExprKind::Call(..) | ExprKind::Index(..));
            if (sign == "[" && is_literal) || (sign == "(" && !is_callable) {
                return self.stray();
            }
            self.advance();
            let mut height = base.height;
            let inner = base.expr;
            let kind = match sign {
                "." => ExprKind::Attribute(inner, self.attribute(open)?),
                "(" => ExprKind::Call(inner, self.arguments(open, depth + 1, &mut height)?),
                _ => ExprKind::Index(inner, self.items(open, depth + 1, &mut height)?),
            };
            base = self.build(start, kind, height)?;
        }
    }

    /// Reads the name after the point at `point`.
    fn attribute(&mut self, point: Token) -> Parsed<Word> {
        match self.kind() {
            TokenKind::Name => {}
            TokenKind::Keyword(_) => return Err(Box::new(messages::reserved(self.text, &self.token()))),
            TokenKind::Fault(_) => return self.stray(),
            _ => return fail(point.span(), "a name is missing after this point", "write a method or an attribute, as in x.T"),
        }
        let word = Word { text: CompactString::from(self.word()), span: self.span() };
        self.advance();
        Ok(word)
    }

    /// Parses the arguments of a call, up to the closing parenthesis. Raises `height` to that of the highest argument.
    fn arguments(&mut self, open: Token, depth: usize, height: &mut usize) -> Parsed<Vec<Argument>> {
        let mut arguments = Vec::new();
        let mut keywords = HashSet::new();
        while !self.is(")") {
            let keyword = (self.kind() == TokenKind::Name && self.peek(1).kind == TokenKind::Sign("="))
                .then(|| Word { text: CompactString::from(self.word()), span: self.span() });
            if let Some(word) = &keyword {
                if !keywords.insert(self.word()) {
                    let message = format!("the argument {} is given twice", messages::quoted(self.word()));
                    return fail(word.span.clone(), message, "leave one of the two out");
                }
                self.advance();
                self.advance();
            }
            let start = self.span();
            let value = self.expression(depth)?;
            // before a `for`, the error is that there is no comprehension: `close` reports it
            if keyword.is_none() && !keywords.is_empty() && !self.is_keyword("for") {
                let help = "write it before the arguments with keywords, or with its keyword";
                return fail(start.start..value.expr.span.end, "an argument without a keyword is after one with a keyword", help);
            }
            *height = (*height).max(value.height);
            arguments.push(Argument { keyword, value: *value.expr });
            if !self.eat(",") {
                break;
            }
        }
        self.close(open)?;
        Ok(arguments)
    }

    /// Parses the items of an index up to the closing bracket. Raises `height` to that of the highest item.
    fn items(&mut self, open: Token, depth: usize, height: &mut usize) -> Parsed<Vec<PythonExpr>> {
        if self.is("]") {
            let help = "write an index, such as x[0]";
            return fail(open.start..self.token().end, "these brackets are empty", help);
        }
        let mut items = Vec::new();
        let mut has_comma = false;
        while !self.is("]") {
            let item = self.item(depth)?;
            *height = (*height).max(item.height);
            items.push(*item.expr);
            if !self.eat(",") {
                break;
            }
            has_comma = true;
        }
        self.close(open)?;
        // x[(i, j)] is x[i, j]
        if !has_comma && let [PythonExpr { kind: ExprKind::Tuple(inner), .. }] = &mut items[..] {
            return Ok(std::mem::take(inner));
        }
        Ok(items)
    }

    /// Parses an item of an index: an expression or a slice.
    fn item(&mut self, depth: usize) -> Parsed<ExprWithHeight> {
        let start = self.span().start;
        let mut parts = [None, None, None];
        let mut height = 0;
        let mut colons = 0;
        loop {
            if !self.is(":") && !self.is(",") && !self.is("]") {
                let part = self.expression(depth)?;
                if colons == 0 && !self.is(":") {
                    return Ok(part);
                }
                height = height.max(part.height);
                parts[colons] = Some(part.expr);
            }
            if colons == 2 || !self.eat(":") {
                break;
            }
            colons += 1;
        }
        if colons == 0 {
            // a comma without an item before it
            return Err(Box::new(messages::missing_operand(self.text, &self.token(), self.previous_end())));
        }
        self.build(start, ExprKind::Slice(parts), height)
    }

    /// Reads the closing bracket. `open` is the opening bracket.
    fn close(&mut self, open: Token) -> Parsed<()> {
        let sign = &self.text[open.span()];
        if self.eat(closing(sign)) {
            return Ok(());
        }
        if self.is_end() {
            return Err(Box::new(messages::open_bracket(self.text, open.span())));
        }
        self.stray()
    }

    /// Parses a number, a string, a name, or an expression in brackets.
    fn operand(&mut self, depth: usize) -> Parsed<ExprWithHeight> {
        let open = self.token();
        let kind = match open.kind {
            TokenKind::Integer(value) => ExprKind::Integer(value),
            TokenKind::Float(value) => ExprKind::Float(value),
            TokenKind::Name => ExprKind::Name(self.word().into()),
            TokenKind::Keyword("True") => ExprKind::Bool(true),
            TokenKind::Keyword("False") => ExprKind::Bool(false),
            TokenKind::Keyword("None") => ExprKind::None,
            TokenKind::Sign("...") => ExprKind::Ellipsis,
            TokenKind::Text => return self.strings(),
            TokenKind::Sign("(") => return self.parentheses(depth + 1),
            TokenKind::Sign("[") => {
                self.advance();
                let (mut items, mut height) = (Vec::new(), 0);
                while !self.is("]") {
                    let item = self.expression(depth + 1)?;
                    height = height.max(item.height);
                    items.push(*item.expr);
                    if !self.eat(",") {
                        break;
                    }
                }
                self.close(open)?;
                return self.build(open.start, ExprKind::List(items), height);
            }
            _ => return self.no_operand(),
        };
        self.advance();
        self.build(open.start, kind, 0)
    }

    /// Returns the error for a token that cannot begin an operand.
    fn no_operand<T>(&self) -> Parsed<T> {
        let token = self.token();
        let next = self.peek(1).kind;
        let previous = self.previous().map(|token| token.kind);
        Err(Box::new(match token.kind {
            TokenKind::Fault(fault) => messages::fault(self.text, &token, fault),
            TokenKind::Keyword("not" | "await" | "yield") => messages::keyword(self.text, &token),
            TokenKind::Keyword("lambda") if matches!(next, TokenKind::Name | TokenKind::Sign(":")) => messages::keyword(self.text, &token),
            TokenKind::Keyword(_) => messages::reserved(self.text, &token),
            TokenKind::Sign("*" | "**") if matches!(previous, None | Some(TokenKind::Sign("(" | "[" | ",") | TokenKind::Newline)) => {
                return fail(token.span(), "a graph has no starred expressions", "write the items one by one");
            }
            _ => messages::missing_operand(self.text, &token, self.previous_end()),
        }))
    }

    /// Parses an expression in parentheses. The position of the result does not include the parentheses. Empty parentheses are a tuple, if they are a whole
    /// item or argument.
    fn parentheses(&mut self, depth: usize) -> Parsed<ExprWithHeight> {
        let open = self.token();
        let previous = self.previous().map(|token| token.kind);
        self.advance();
        if self.is(")") {
            let is_item = matches!(previous, Some(TokenKind::Sign("(" | "[" | "," | "=")))
                && matches!(self.peek(1).kind, TokenKind::Sign(")" | "]" | ","));
            if !is_item {
                return fail(open.start..self.token().end, "these parentheses are empty", "write a number or a name in them");
            }
            self.advance();
            return self.build(open.start, ExprKind::Tuple(Vec::new()), 0);
        }
        let inner = self.expression_list(depth)?;
        self.close(open)?;
        Ok(inner)
    }

    /// Parses one or more strings, which are joined.
    fn strings(&mut self) -> Parsed<ExprWithHeight> {
        let start = self.span().start;
        let mut joined = String::new();
        while self.kind() == TokenKind::Text {
            let (prefix, _) = self.word().split_once(['"', '\'']).unwrap_or_default();
            if prefix.contains(['f', 'F']) {
                return fail(self.span(), "a graph has no f-strings", "write the text itself, in quotes without f");
            }
            push_string(&mut joined, self.word());
            self.advance();
        }
        self.build(start, ExprKind::Text(joined.into()), 0)
    }
}

/// Appends the characters of a string that is written with its prefix and quotes.
fn push_string(to: &mut String, written: &str) {
    let quoted = written.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let is_raw = written[..written.len() - quoted.len()].contains(['r', 'R']);
    let is_long = quoted.len() >= 6 && (quoted.starts_with("\"\"\"") || quoted.starts_with("'''"));
    let quote_length = if is_long { 3 } else { 1 };
    let text = &quoted[quote_length..quoted.len() - quote_length];
    if is_raw || !text.contains('\\') {
        to.push_str(text);
        return;
    }
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => to.push('\n'),
            ('\\', Some('t')) => to.push('\t'),
            ('\\', Some(escaped @ ('\\' | '\'' | '"'))) => to.push(escaped),
            ('\\', Some('\n')) => {}
            // other escapes stay as they are
            ('\\', Some(other)) => to.extend(['\\', other]),
            _ => to.push(c),
        }
    }
}
