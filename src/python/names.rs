//! Finds the names that faulty statements would assign. The parser reports such a statement and skips it. Later uses of these names are then not reported.

use compact_str::CompactString;

use super::lexer::{AUGMENTED, Token, TokenKind};

/// Returns the names that these statements would assign, if this can be seen without parsing: names before `=`, `:=` and the like, and after `for`, `def`,
/// `class`, `as` and `import`.
pub(super) fn assigned(text: &str, tokens: &[Token]) -> Vec<CompactString> {
    let mut names = Vec::new();
    let ends = |token: &Token| matches!(token.kind, TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent | TokenKind::Sign(";"));
    for statement in tokens.split(ends) {
        of_statement(text, statement, &mut names);
    }
    names
}

/// Appends the names of one statement.
fn of_statement(text: &str, tokens: &[Token], names: &mut Vec<CompactString>) {
    if let [Token { kind: TokenKind::Name, start, end }, Token { kind: TokenKind::Sign(":"), .. }, ..] = tokens {
        // x: int = 3
        names.push(text[*start..*end].into());
        return;
    }
    // for each open bracket, `true` if it comes after a value, as in a call; `calls` is the number of these `true`s
    let (mut brackets, mut calls) = (Vec::new(), 0);
    // the names that are assigned if `=` or an operator such as `+=` follows
    let mut targets: Vec<&str> = Vec::new();
    let mut is_after_for = false;
    for (at, token) in tokens.iter().enumerate() {
        let previous = at.checked_sub(1).map(|before| tokens[before]);
        let next = tokens.get(at + 1).map(|token| token.kind);
        let is_after_value = previous.is_some_and(|token| matches!(token.kind, TokenKind::Name | TokenKind::Sign(")" | "]")));
        let word = &text[token.span()];
        match token.kind {
            // a parenthesis after a value belongs to a call, and contains no names that are assigned
            TokenKind::Sign("(" | "[") => {
                brackets.push(is_after_value);
                calls += usize::from(is_after_value);
            }
            TokenKind::Sign(")" | "]") => calls -= usize::from(brackets.pop() == Some(true)),
            TokenKind::Sign("=") if brackets.is_empty() => names.extend(targets.drain(..).map(CompactString::from)),
            TokenKind::Sign(sign) if AUGMENTED.contains(&sign) => names.extend(targets.drain(..).map(CompactString::from)),
            // in `for i in x: y = i`, the body of the loop does not assign the names before the colon
            TokenKind::Sign(":") if brackets.is_empty() => targets.clear(),
            TokenKind::Keyword("for") => is_after_for = true,
            TokenKind::Keyword("in") => is_after_for = false,
            TokenKind::Name => {
                let is_definition = matches!(previous.map(|token| token.kind), Some(TokenKind::Keyword("def" | "class" | "as" | "import")));
                // in a bracket that is not closed, a name at the start of a line is assigned too, if `=` follows
                let begins_line = previous.is_some_and(|before| text[before.end.min(token.start)..token.start].contains(['\n', '\r']));
                let is_assigned = next == Some(TokenKind::Sign("=")) && begins_line;
                if is_after_for || is_definition || is_assigned || next == Some(TokenKind::Sign(":=")) {
                    names.push(word.into());
                } else if calls == 0
                    && previous.is_none_or(|token| token.kind != TokenKind::Sign("."))
                    && !matches!(next, Some(TokenKind::Sign("(" | ".")))
                {
                    targets.push(word);
                }
            }
            _ => {}
        }
    }
}
