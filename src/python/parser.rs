//! Parses statements. After a statement with an error, the parser continues with the next statement.

use super::cursor::{Parsed, TokenCursor, fail};
use super::lexer::{LexicalFault, TokenKind};
use super::messages::{self, quoted};
use super::tree::{BinaryOperator, ExprKind, PythonExpr, Statement, StatementKind};
use super::{MAX_DEPTH, Program, SyntaxError, names};

/// Keywords of lines that have no meaning for a graph.
const LEFT_OUT: &[&str] = &["import", "from", "assert", "pass", "del", "global", "nonlocal"];

/// Keywords of statements that may have a block.
const COMPOUND: &[&str] = &["if", "elif", "else", "while", "for", "with", "def", "class", "try", "except", "finally", "async"];

/// Keywords that continue a statement after its block.
const CLAUSES: &[&str] = &["elif", "else", "except", "finally"];

/// The message about a `for` without `in`.
const NO_IN: &str = "the loop has no \"in\"";

/// Parses a text.
pub(super) fn program(text: &str) -> Program {
    let mut cursor = TokenCursor::new(text);
    let statements = cursor.statements(0);
    Program { statements, errors: cursor.into_errors() }
}

/// Returns the operator of an augmented assignment.
fn augmented_operator(kind: TokenKind) -> Option<BinaryOperator> {
    let TokenKind::Sign(sign) = kind else { return None };
    Some(match sign {
        "+=" => BinaryOperator::Add,
        "-=" => BinaryOperator::Sub,
        "*=" => BinaryOperator::Mul,
        "/=" => BinaryOperator::Div,
        "//=" => BinaryOperator::FloorDiv,
        "%=" => BinaryOperator::Mod,
        "@=" => BinaryOperator::MatMul,
        "**=" | "^=" => BinaryOperator::Pow,
        "&=" => BinaryOperator::And,
        "|=" => BinaryOperator::Or,
        _ => return None,
    })
}

impl TokenCursor<'_> {
    /// Parses statements up to the end of the block. `depth` is the number of blocks around them.
    fn statements(&mut self, depth: usize) -> Vec<Statement> {
        let mut statements = Vec::with_capacity(1);
        // the number of open blocks that do not belong to a statement
        let mut strays = 0;
        loop {
            match self.kind() {
                TokenKind::End => return statements,
                TokenKind::Dedent if strays == 0 => return statements,
                TokenKind::Dedent => {
                    strays -= 1;
                    self.advance();
                }
                TokenKind::Indent => {
                    strays += 1;
                    statements.push(self.stray_block());
                }
                TokenKind::Newline | TokenKind::Sign(";") => self.advance(),
                _ => statements.push(self.statement(depth)),
            }
        }
    }

    /// Reads the first line of a block that does not belong to a statement.
    fn stray_block(&mut self) -> Statement {
        let span = self.span();
        self.advance();
        let (first, start) = (self.at, self.span().start);
        let help = match self.kind() {
            TokenKind::Sign(_) => "if it goes on from the line before, write the whole expression in parentheses",
            _ => "begin it in the same column as the line before; only the body of a for or with is indented",
        };
        self.report(SyntaxError { span, message: "this line is indented, but no block begins here".into(), help: help.into() });
        self.recover(first);
        let kind = StatementKind::Faulty(names::assigned(self.text, &self.tokens[first..self.at]));
        Statement { span: start..self.previous_end().max(start), kind }
    }

    /// Parses a statement up to the end of its line, to a semicolon, or to the end of its block.
    fn statement(&mut self, depth: usize) -> Statement {
        let (first, start) = (self.at, self.span().start);
        let kind = match self.statement_kind(depth) {
            Ok(kind) => kind,
            Err(error) => {
                let is_print = self.tokens[first].kind == TokenKind::Name
                    && &self.text[self.tokens[first].span()] == "print"
                    && matches!(self.tokens[first + 1].kind, TokenKind::Sign("(") | TokenKind::Text | TokenKind::Name);
                self.recover(first);
                let has_fault = || self.tokens[first..self.at].iter().any(|token| matches!(token.kind, TokenKind::Fault(_)));
                if is_print && !has_fault() {
                    // the argument of `print` is not computed, so it may be anything, such as an f-string
                    StatementKind::LeftOut
                } else {
                    self.report(*error);
                    StatementKind::Faulty(names::assigned(self.text, &self.tokens[first..self.at]))
                }
            }
        };
        Statement { span: start..self.previous_end().max(start), kind }
    }

    fn statement_kind(&mut self, depth: usize) -> Parsed<StatementKind> {
        if let TokenKind::Keyword(mut keyword) = self.kind()
            && self.peek(1).kind != TokenKind::Sign("=")
            && messages::refused_statement(keyword).is_some()
        {
            if self.peek(1).kind == TokenKind::Keyword("def") {
                keyword = "def"; // async def
            }
            let (message, help) = messages::refused_statement(keyword).unwrap_or_default();
            return fail(self.span(), message, help);
        }
        match self.kind() {
            TokenKind::Keyword(keyword) if self.peek(1).kind == TokenKind::Sign("=") && !matches!(keyword, "None" | "True" | "False") => {
                Err(Box::new(messages::reserved(self.text, &self.token())))
            }
            TokenKind::Keyword("for") => self.for_loop(depth),
            TokenKind::Keyword("with") => self.with_block(depth),
            TokenKind::Keyword("return") => self.return_value(depth),
            TokenKind::Keyword(keyword) if LEFT_OUT.contains(&keyword) => {
                let first = self.at;
                self.skip_line(first, /* stops_at_semicolon */ true);
                let fault = self.tokens[first..self.at].iter().find(|token| matches!(token.kind, TokenKind::Fault(_)));
                match fault {
                    Some(token) => Err(Box::new(messages::stray(self.text, token, token.start))),
                    None => Ok(StatementKind::LeftOut),
                }
            }
            TokenKind::Sign("@") => fail(self.span(), "a graph has no decorators", "paste the body of the function alone"),
            TokenKind::Sign("%") => {
                fail(self.span(), "a number or a name is missing before \"%\"", "leave out lines of a notebook that begin with %")
            }
            TokenKind::Sign("." | "*" | "/" | "//" | "**" | "^" | "&" | "|" | "<" | "<=" | ">" | ">=" | "==" | "!=" | ",") => {
                let message = format!("a number or a name is missing before {}", quoted(self.word()));
                fail(self.span(), message, "if this line goes on from the line before, write the whole expression in parentheses")
            }
            TokenKind::Sign("=") => fail(self.span(), "a name is missing before =", "for example u = a * b"),
            TokenKind::Integer(_) | TokenKind::Float(_)
                if self.peek(1).kind == TokenKind::Name && self.peek(2).kind == TokenKind::Sign("=") =>
            {
                let span = self.span().start..self.peek(1).end;
                fail(span.clone(), format!("{} cannot be a name", quoted(&self.text[span])), messages::NAME_HELP)
            }
            _ => self.assignment_or_expression(depth),
        }
    }

    /// Parses an assignment or an expression.
    fn assignment_or_expression(&mut self, depth: usize) -> Parsed<StatementKind> {
        let first = *self.expression_list(depth)?.expr;
        if let Some(operator) = augmented_operator(self.kind()) {
            self.check_target(&first)?;
            if let ExprKind::Tuple(_) | ExprKind::List(_) = first.kind {
                let help = "write an assignment for each name";
                return fail(self.span(), format!("{} needs a single name on its left", quoted(self.word())), help);
            }
            let value = self.value(depth)?;
            self.end_of_statement()?;
            return Ok(StatementKind::Augment(first, operator, value));
        }
        if self.is(":")
            && matches!(first.kind, ExprKind::Name(_) | ExprKind::Attribute(..) | ExprKind::Index(..))
            && !self.is_division_sign()
        {
            let name = &self.text[first.span];
            return fail(self.span(), "a graph has no annotations", format!("write {} = … without its type", crate::text::line(name)));
        }
        if !self.is("=") {
            self.end_of_statement()?;
            let is_text = matches!(first.kind, ExprKind::Text(_));
            return Ok(if is_text { StatementKind::LeftOut } else { StatementKind::Expression(first) });
        }
        let (mut targets, mut value) = (Vec::with_capacity(1), first);
        while self.is("=") {
            self.check_target(&value)?;
            targets.push(value);
            value = self.value(depth)?;
        }
        self.end_of_statement()?;
        Ok(StatementKind::Assign(targets, value))
    }

    /// Returns whether the `:` at the current position probably means a division, as in `a : b`. Otherwise it is the annotation of a name, as in `a: int = 3`.
    /// The two have different messages.
    fn is_division_sign(&self) -> bool {
        let blank_before = self.previous().is_some_and(|token| token.end < self.token().start);
        blank_before
            && self.tokens[self.at..]
                .iter()
                .take_while(|token| !matches!(token.kind, TokenKind::Newline | TokenKind::Sign(";")))
                .all(|token| token.kind != TokenKind::Sign("="))
    }

    /// Parses the right side after the `=` at the current position.
    fn value(&mut self, depth: usize) -> Parsed<PythonExpr> {
        let end = self.token().end;
        self.advance();
        if self.is_end() {
            return fail(end..end, "the expression is empty", "write what the node computes, as in u = a * b");
        }
        Ok(*self.expression_list(depth)?.expr)
    }

    /// Checks that an expression may be at the left side of `=`.
    fn check_target(&self, target: &PythonExpr) -> Parsed<()> {
        match &target.kind {
            ExprKind::Name(_) | ExprKind::Attribute(..) | ExprKind::Index(..) => Ok(()),
            ExprKind::Tuple(items) | ExprKind::List(items) => items.iter().try_for_each(|item| self.check_target(item)),
            ExprKind::Compare(..) => fail(target.span.clone(), "a comparison cannot be assigned to", "write one = for an assignment"),
            _ => {
                let message = format!("{} cannot be a name", quoted(&self.text[target.span.clone()]));
                fail(target.span.clone(), message, messages::NAME_HELP)
            }
        }
    }

    /// Checks that the statement ends at the current token.
    fn end_of_statement(&self) -> Parsed<()> {
        if self.is_end() { Ok(()) } else { self.stray() }
    }

    fn return_value(&mut self, depth: usize) -> Parsed<StatementKind> {
        self.advance();
        if self.is_end() {
            return Ok(StatementKind::LeftOut);
        }
        let value = *self.expression_list(depth)?.expr;
        self.end_of_statement()?;
        Ok(StatementKind::Return(value))
    }

    fn for_loop(&mut self, depth: usize) -> Parsed<StatementKind> {
        let first = self.at;
        let header = self.for_header(depth);
        self.block(depth, first, header, |(variable, iterable), body| StatementKind::For(variable, iterable, body))
    }

    /// Parses `for variable in iterable:`.
    fn for_header(&mut self, depth: usize) -> Parsed<(PythonExpr, PythonExpr)> {
        let help = "write \"for i in range(n):\"";
        self.advance();
        let start = self.span().start;
        let mut end = start;
        let mut names = Vec::new();
        let mut has_comma = false;
        while !self.is_keyword("in") {
            if self.is_end() || self.is(":") {
                return fail(self.previous_end()..self.previous_end(), NO_IN, help);
            }
            let name = *self.postfix(depth)?.expr;
            self.check_variable(&name)?;
            end = self.previous_end();
            names.push(name);
            if !self.eat(",") {
                break;
            }
            has_comma = true;
        }
        if let TokenKind::Fault(_) = self.kind() {
            return self.stray();
        }
        if !self.is_keyword("in") {
            let message = format!("the word \"in\" is missing before {}", quoted(self.word()));
            return if self.is_end() { fail(end..end, NO_IN, help) } else { fail(self.span(), message, help) };
        }
        let variable = match names.pop() {
            None => return fail(self.span(), "the loop has no variable", help),
            Some(name) if names.is_empty() && !has_comma => name,
            Some(name) => {
                names.push(name);
                PythonExpr { span: start..end, kind: ExprKind::Tuple(names) }
            }
        };
        self.advance();
        if self.is(":") || self.is_end() {
            return fail(self.previous_end()..self.previous_end(), "the loop has no range", help);
        }
        let iterable = *self.expression_list(depth)?.expr;
        self.colon(help)?;
        Ok((variable, iterable))
    }

    /// Checks that an expression can be the variable of a loop.
    fn check_variable(&self, variable: &PythonExpr) -> Parsed<()> {
        match &variable.kind {
            ExprKind::Name(_) => Ok(()),
            ExprKind::Tuple(items) if items.iter().all(|item| matches!(item.kind, ExprKind::Name(_))) => Ok(()),
            _ => {
                let message = format!("{} cannot be the variable of a loop", quoted(&self.text[variable.span.clone()]));
                fail(variable.span.clone(), message, "write a name, or several names with commas")
            }
        }
    }

    fn with_block(&mut self, depth: usize) -> Parsed<StatementKind> {
        let first = self.at;
        let header = self.with_header(depth);
        self.block(depth, first, header, StatementKind::With)
    }

    /// Parses the context of a `with`, and its colon.
    fn with_header(&mut self, depth: usize) -> Parsed<PythonExpr> {
        let help = "write \"with torch.no_grad():\"";
        self.advance();
        let context = *self.expression(depth)?.expr;
        if self.is_keyword("as") {
            return fail(self.span(), "the context of \"with\" has no name in a graph", help);
        }
        if self.is(",") {
            return fail(self.span(), "\"with\" has one context in a graph", "write one \"with\" inside the other");
        }
        self.colon(help)?;
        Ok(context)
    }

    /// Reads the colon at the end of a header.
    fn colon(&mut self, help: &str) -> Parsed<()> {
        if self.eat(":") {
            return Ok(());
        }
        if self.is_end() {
            let end = self.previous_end();
            return fail(end..end, "a colon is missing at the end of this line", help);
        }
        self.stray()
    }

    /// Parses the body of the statement with this header. `first` is the index of the statement's first token. If the header has an error, the errors of the
    /// body are reported too.
    fn block<H>(
        &mut self,
        depth: usize,
        first: usize,
        header: Parsed<H>,
        kind: impl FnOnce(H, Vec<Statement>) -> StatementKind,
    ) -> Parsed<StatementKind> {
        let header = match header {
            Ok(header) => header,
            Err(error) => {
                self.skip_line(first, /* stops_at_semicolon */ false);
                if self.peek(1).kind != TokenKind::Indent || depth >= MAX_DEPTH {
                    return Err(error);
                }
                self.report(*error);
                self.body(depth)?;
                return Ok(StatementKind::Faulty(names::assigned(self.text, &self.tokens[first..self.at])));
            }
        };
        let body = self.body(depth)?;
        if self.is_keyword("else") {
            return fail(self.span(), "a loop has no \"else\" in a graph", "write its lines after the loop, not indented");
        }
        Ok(kind(header, body))
    }

    /// Parses a body: an indented block, or statements in the same line.
    fn body(&mut self, depth: usize) -> Parsed<Vec<Statement>> {
        if depth >= MAX_DEPTH {
            return fail(self.span(), format!("blocks are nested more than {MAX_DEPTH} deep"), "write fewer loops inside loops");
        }
        if self.kind() != TokenKind::Newline {
            return self.body_in_line(depth);
        }
        if self.peek(1).kind != TokenKind::Indent {
            let end = self.previous_end();
            return fail(end.saturating_sub(1)..end, "the body is missing after this colon", "indent the lines that belong to it");
        }
        self.advance();
        self.advance();
        let body = self.statements(depth + 1);
        if self.kind() == TokenKind::Dedent {
            self.advance();
        }
        Ok(body)
    }

    /// Parses the statements after the colon of a header.
    fn body_in_line(&mut self, depth: usize) -> Parsed<Vec<Statement>> {
        let mut body = Vec::new();
        while !matches!(self.kind(), TokenKind::Newline | TokenKind::End) {
            if let TokenKind::Keyword("for" | "with") = self.kind() {
                let help = "write it in the next line, indented";
                return fail(self.span(), "a block cannot begin after a colon", help);
            }
            if !self.eat(";") {
                body.push(self.statement(depth + 1));
            }
        }
        Ok(body)
    }

    /// Skips the rest of a statement, with its block. `first` is the index of the statement's first token.
    fn recover(&mut self, first: usize) {
        let begin = self.tokens[first].kind;
        let is_compound = match begin {
            TokenKind::Keyword(keyword) => COMPOUND.contains(&keyword),
            TokenKind::Sign("@") => true,
            _ => false,
        };
        // each turn skips a line and its block; the next turn skips a clause such as `else`, or what a decorator belongs to
        loop {
            self.skip_line(first, !is_compound);
            if self.kind() != TokenKind::Newline {
                return;
            }
            if self.peek(1).kind == TokenKind::Indent {
                self.advance();
                self.skip_block();
            }
            // after a skipped block, the current token begins the next line; otherwise it is the line end before it
            let at_newline = self.kind() == TokenKind::Newline;
            let TokenKind::Keyword(next) = self.peek(usize::from(at_newline)).kind else {
                if at_newline && begin == TokenKind::Sign("@") && self.peek(1).kind == TokenKind::Sign("@") {
                    self.advance();
                    continue;
                }
                return;
            };
            let continues = match begin {
                TokenKind::Keyword(_) => is_compound && CLAUSES.contains(&next),
                // the function after a decorator
                _ => is_compound && at_newline && matches!(next, "def" | "class" | "async"),
            };
            if !continues {
                return;
            }
            self.at += usize::from(at_newline);
        }
    }

    /// Skips tokens up to the end of the line. `first` is the index of the statement's first token. With `stops_at_semicolon`, stops at a semicolon too,
    /// unless it is within a bracket of the statement.
    fn skip_line(&mut self, first: usize, stops_at_semicolon: bool) {
        let mut open = 0_usize;
        // brackets are counted from the beginning of the statement
        let mut at = if stops_at_semicolon { first } else { self.at };
        loop {
            match self.tokens[at].kind {
                TokenKind::Newline | TokenKind::End if at >= self.at => break,
                TokenKind::Sign(";") if stops_at_semicolon && open == 0 && at >= self.at => break,
                TokenKind::Sign("(" | "[" | "{") => open += 1,
                TokenKind::Sign(")" | "]" | "}") | TokenKind::Fault(LexicalFault::WrongBracket(_)) => open = open.saturating_sub(1),
                _ => {}
            }
            at += 1;
        }
        self.at = at;
    }

    /// Skips the block that begins at the current token.
    fn skip_block(&mut self) {
        let mut open = 0_usize;
        loop {
            match self.kind() {
                TokenKind::Indent => open += 1,
                TokenKind::Dedent => open = open.saturating_sub(1),
                _ => {}
            }
            if self.kind() == TokenKind::End {
                return;
            }
            self.advance();
            if open == 0 {
                return;
            }
        }
    }
}
