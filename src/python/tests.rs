//! Tests of the parser: trees in prefix notation, errors with their positions, and texts at random.

mod errors;
mod random;

use std::fmt::Write as _;

use super::tree::{Argument, BinaryOperator, ComparisonOperator, ExprKind, Link, PythonExpr, Statement, StatementKind, UnaryOperator};
use super::{MAX_DEPTH, parse};

fn joined(items: &[PythonExpr]) -> String {
    items.iter().map(expression).collect::<Vec<_>>().join(" ")
}

fn binary(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Add => "+",
        BinaryOperator::Sub => "-",
        BinaryOperator::Mul => "*",
        BinaryOperator::Div => "/",
        BinaryOperator::FloorDiv => "//",
        BinaryOperator::Mod => "%",
        BinaryOperator::MatMul => "@",
        BinaryOperator::Pow => "**",
        BinaryOperator::And => "&",
        BinaryOperator::Or => "|",
    }
}

/// Returns an expression in prefix notation, with parentheses around each operation. Operators of a chain are written with two operands.
fn expression(expr: &PythonExpr) -> String {
    match &expr.kind {
        ExprKind::Integer(value) => value.to_string(),
        ExprKind::Float(value) => format!("{value:?}"),
        ExprKind::Text(text) => format!("{text:?}"),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::None => "None".into(),
        ExprKind::Ellipsis => "...".into(),
        ExprKind::Name(name) => name.to_string(),
        ExprKind::Attribute(base, name) => format!("{}.{}", expression(base), name.text),
        ExprKind::Call(function, arguments) => {
            let argument = |argument: &Argument| {
                let keyword = argument.keyword.as_ref().map_or(String::new(), |word| format!("{}=", word.text));
                format!(" {keyword}{}", expression(&argument.value))
            };
            format!("(call {}{})", expression(function), arguments.iter().map(argument).collect::<String>())
        }
        ExprKind::Index(base, items) => format!("(index {} {})", expression(base), joined(items)),
        ExprKind::Slice(parts) => parts.each_ref().map(|part| part.as_ref().map_or(String::new(), |part| expression(part))).join(":"),
        ExprKind::Unary(operator, operand) => {
            let sign = match operator {
                UnaryOperator::Minus => "-",
                UnaryOperator::Plus => "+",
                UnaryOperator::Invert => "~",
            };
            format!("({sign} {})", expression(operand))
        }
        ExprKind::Chain(first, links) => {
            let fold = |left: String, link: &Link| format!("({} {left} {})", binary(link.operator), expression(&link.right));
            links.iter().fold(expression(first), fold)
        }
        ExprKind::Power(base, exponent) => format!("(** {} {})", expression(base), expression(exponent)),
        ExprKind::Compare(comparison, sides) => {
            let sign = match comparison {
                ComparisonOperator::Less => "<",
                ComparisonOperator::AtMost => "<=",
                ComparisonOperator::Greater => ">",
                ComparisonOperator::AtLeast => ">=",
                ComparisonOperator::Equal => "==",
                ComparisonOperator::NotEqual => "!=",
            };
            format!("({sign} {})", joined(&sides[..]))
        }
        ExprKind::Tuple(items) => format!("(tuple {})", joined(items)),
        ExprKind::List(items) => format!("[{}]", joined(items)),
    }
}

fn statements(list: &[Statement]) -> String {
    let mut out = String::new();
    for statement in list {
        let separator = if out.is_empty() { "" } else { "; " };
        let _ = write!(out, "{separator}{}", statement_text(statement));
    }
    out
}

fn statement_text(statement: &Statement) -> String {
    match &statement.kind {
        StatementKind::Assign(targets, value) => {
            format!("{}{}", targets.iter().map(|target| expression(target) + " = ").collect::<String>(), expression(value))
        }
        StatementKind::Augment(target, operator, value) => {
            format!("{} {}= {}", expression(target), binary(*operator), expression(value))
        }
        StatementKind::For(variable, iterable, body) => {
            format!("for {} in {} {{{}}}", expression(variable), expression(iterable), statements(body))
        }
        StatementKind::With(context, body) => format!("with {} {{{}}}", expression(context), statements(body)),
        StatementKind::Expression(value) => expression(value),
        StatementKind::Return(value) => format!("return {}", expression(value)),
        StatementKind::LeftOut => "left out".into(),
        StatementKind::Faulty(names) => format!("faulty {}", names.join(" ")),
    }
}

/// Compares the statements of each text, which has no errors.
fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        let program = parse(text);
        assert_eq!(program.errors, [], "{text}");
        assert_eq!(statements(&program.statements), *expected, "{text}");
    }
}

#[test]
fn operators_have_their_precedence_and_associativity() {
    check(&[
        ("a + b * c", "(+ a (* b c))"),
        ("a - b - c", "(- (- a b) c)"),
        ("a / b / c", "(/ (/ a b) c)"),
        ("a * b + c * d - e", "(- (+ (* a b) (* c d)) e)"),
        ("a + b * c @ d // e % f + g", "(+ (+ a (% (// (@ (* b c) d) e) f)) g)"),
        ("x^y^2", "(** x (** y 2))"),
        ("x**y^2", "(** x (** y 2))"),
        ("-x^2", "(- (** x 2))"),
        ("-2**2", "(- (** 2 2))"),
        ("2**-1", "(** 2 (- 1))"),
        ("2^-x*y", "(* (** 2 (- x)) y)"),
        ("2^-x^2", "(** 2 (- (** x 2)))"),
        ("(-2)^2", "(** (- 2) 2)"),
        ("-2 * x", "(* (- 2) x)"),
        ("2 - -x", "(- 2 (- x))"),
        ("-x * y", "(* (- x) y)"),
        ("~a & b | c & ~d", "(| (& (~ a) b) (& c (~ d)))"),
        ("a > 0 & b", "(> a (& 0 b))"),
        ("(a > 0) & (b <= 1)", "(& (> a 0) (<= b 1))"),
        ("a + b != c | d", "(!= (+ a b) (| c d))"),
        ("+a == b", "(== (+ a) b)"),
        ("x.T @ y", "(@ x.T y)"),
        ("x.a.b(c)[d]**2", "(** (index (call x.a.b c) d) 2)"),
        ("1e-3*y", "(* 0.001 y)"),
        ("((a))", "a"),
    ]);
}

#[test]
fn calls_indices_and_literals_become_trees() {
    check(&[
        ("max(a, -b) + exp(c)", "(+ (call max a (- b)) (call exp c))"),
        ("f(a, dim=1)(b)", "(call (call f a dim=1) b)"),
        ("f(a, b,)", "(call f a b)"),
        ("f()", "(call f)"),
        ("zeros(())", "(call zeros (tuple ))"),
        ("x.view((2, 3), dim=(0,))", "(call x.view (tuple 2 3) dim=(tuple 0))"),
        ("x[..., None, 1:, ::2]", "(index x ... None 1:: ::2)"),
        ("x[:]", "(index x ::)"),
        ("x[a:b:c]", "(index x a:b:c)"),
        ("x[-1, :n]", "(index x (- 1) :n:)"),
        ("x[(i, j)]", "(index x i j)"),
        ("x[i, j,]", "(index x i j)"),
        ("x[[1, 2]]", "(index x [1 2])"),
        ("x[range(n), y == 1]", "(index x (call range n) (== y 1))"),
        ("[[1, 2.5], []]", "[[1 2.5] []]"),
        (".5 + 5. + 1_000 + 1e3 + 0x1F + 1_0.2_5E-1", "(+ (+ (+ (+ (+ 0.5 5.0) 1000) 1000.0) 31) 1.025)"),
        ("True, False, None", "(tuple true false None)"),
        ("u = 'a\"b' \"c'\\n\"", "u = \"a\\\"bc'\\n\""),
        ("u = r'\\n' '''two\nlines'''", "u = \"\\\\ntwo\\nlines\""),
        ("β1 = µ_x * x\u{302}", "β1 = (* µ_x x\u{302})"),
        ("u\u{a0}= a", "u = a"),
        ("einsum('ij,jk->ik', a, b)", "(call einsum \"ij,jk->ik\" a b)"),
    ]);
}

#[test]
fn statements_of_all_kinds_become_trees() {
    check(&[
        ("u = a * b", "u = (* a b)"),
        ("u = v = a", "u = v = a"),
        ("a, b = c", "(tuple a b) = c"),
        ("(a, [b, c]), = d,", "(tuple (tuple a [b c])) = (tuple d)"),
        ("x[0].y += 1; x **= 2;", "(index x 0).y += 1; x **= 2"),
        ("x ^= 2; x @= w; x //= 2", "x **= 2; x @= w; x //= 2"),
        ("'a docstring'\nu = 1", "left out; u = 1"),
        ("import torch.nn as nn\nfrom x import (a,\n b)\nu = 1", "left out; left out; u = 1"),
        ("assert x.shape == (3,) and not y, f'{x}'; pass; del x; global y", "left out; left out; left out; left out"),
        ("print(x); print(f'{x}', *y)\nprint 'a', x\nx", "(call print x); left out; left out; x"),
        ("return", "left out"),
        ("return a, b", "return (tuple a b)"),
        ("for i in range(3): u = i; v = u", "for i in (call range 3) {u = i; v = u}"),
        ("for a, b in c, d:\n    e = 1\nf = 2", "for (tuple a b) in (tuple c d) {e = 1}; f = 2"),
        ("for (i) in x:\n\tfor j in y:\n\t\tu = 1\n\tv = 2\nw = 3", "for i in x {for j in y {u = 1}; v = 2}; w = 3"),
        ("with torch.no_grad():\n  u = 1\n  v = 2", "with (call torch.no_grad) {u = 1; v = 2}"),
        ("", ""),
        (" # only a comment\n\n", ""),
    ]);
}

#[test]
fn lines_end_as_in_python() {
    check(&[
        ("u = (a +  # first\n\n  b)\nv = 1", "u = (+ a b); v = 1"),
        ("u = f(a,\ndim=1,\n  p=b\n)", "u = (call f a dim=1 p=b)"),
        ("u = a + \\\n  b", "u = (+ a b)"),
        ("  u = 1\n\n# comment\n  v = 2\n", "u = 1; v = 2"),
        ("u = 1\r\nfor i in x:\r\n  v = 2\r\n\r\nw = 3\r\n", "u = 1; for i in x {v = 2}; w = 3"),
        ("\u{feff}u = 1", "u = 1"),
        ("for i in x:\n\tu = 1\n\tfor j in y:\n\t  v = 2", "for i in x {u = 1; for j in y {v = 2}}"),
        ("u = [\n  [1, 2],\n  [3, 4],\n]", "u = [[1 2] [3 4]]"),
        ("u = (a\n  .sum()\n  + b)", "u = (+ (call a.sum) b)"),
    ]);
}

#[test]
fn the_position_of_an_expression_is_without_its_own_parentheses() {
    let text = "y = ((a) + b).sum() + (c, d)";
    let program = parse(text);
    let [Statement { span, kind: StatementKind::Assign(_, value) }] = &program.statements[..] else { panic!("{program:?}") };
    assert_eq!(&text[span.clone()], text);
    assert_eq!(&text[value.span.clone()], "((a) + b).sum() + (c, d)");
    let ExprKind::Chain(first, links) = &value.kind else { panic!("{value:?}") };
    assert_eq!(&text[links[0].right.span.clone()], "c, d");
    assert_eq!(&text[links[0].span.clone()], "+");
    let ExprKind::Call(function, _) = &first.kind else { panic!("{first:?}") };
    let ExprKind::Attribute(sum, word) = &function.kind else { panic!("{function:?}") };
    assert_eq!((&text[sum.span.clone()], &text[word.span.clone()]), ("(a) + b", "sum"));
}

/// Returns the height of an expression's tree.
fn height(expr: &PythonExpr) -> usize {
    1 + children(expr).into_iter().map(height).max().unwrap_or(0)
}

/// Returns the parts of an expression.
fn children(expr: &PythonExpr) -> Vec<&PythonExpr> {
    match &expr.kind {
        ExprKind::Attribute(base, _) | ExprKind::Unary(_, base) => vec![base],
        ExprKind::Call(base, arguments) => std::iter::once(&**base).chain(arguments.iter().map(|argument| &argument.value)).collect(),
        ExprKind::Index(base, items) => std::iter::once(&**base).chain(items).collect(),
        ExprKind::Slice(parts) => parts.iter().flatten().map(|part| &**part).collect(),
        ExprKind::Chain(first, links) => std::iter::once(&**first).chain(links.iter().map(|link| &link.right)).collect(),
        ExprKind::Power(base, exponent) => vec![base, exponent],
        ExprKind::Compare(_, sides) => sides.iter().collect(),
        ExprKind::Tuple(items) | ExprKind::List(items) => items.iter().collect(),
        _ => Vec::new(),
    }
}

#[test]
fn deep_nesting_is_an_error_but_long_lines_are_not() {
    let n = 100_000;
    // a tree of height 40,001, although only 200 brackets are nested
    let inside_out = (0..200).fold("x".to_owned(), |inner, _| format!("({inner}{})", ".T".repeat(200)));
    for text in [
        "(".repeat(n),
        "[".repeat(n),
        "f(".repeat(n),
        "x[".repeat(n),
        format!("{}a", "-".repeat(n)),
        format!("{}a", "~ ".repeat(n)),
        vec!["a"; n].join("^"),
        format!("x{}", ".T".repeat(n)),
        format!("x{}", "[0]".repeat(n)),
        format!("f{}", "()".repeat(n)),
        format!("{}a{}", "(".repeat(n), ")".repeat(n)),
        inside_out,
    ] {
        let errors = parse(&text).errors;
        assert_eq!(errors.len(), 1);
        assert!(errors[0].message.contains("nested"), "{}", errors[0].message);
    }
    for (text, count) in [
        (vec!["a"; n].join(" + "), 1),
        (vec!["a*b"; n].join(" - "), 1),
        (format!("[{}]", "a, ".repeat(n)), 1),
        ("u = ".repeat(n) + "a", 1),
        ("u = a * b\n".repeat(50_000), 50_000),
        ("u = a * b; ".repeat(50_000), 50_000),
    ] {
        let program = parse(&text);
        assert_eq!((program.errors.len(), program.statements.len()), (0, count));
    }
    let nested = |n: usize| format!("{}a{}", "(b, ".repeat(n), ")".repeat(n));
    let program = parse(&nested(MAX_DEPTH - 1));
    let StatementKind::Expression(value) = &program.statements[0].kind else { panic!("{:?}", program.errors) };
    assert_eq!(height(value), MAX_DEPTH);
    assert_eq!(parse(&nested(MAX_DEPTH)).errors.len(), 1);
    let loops =
        |n: usize| (0..n).map(|depth| " ".repeat(depth) + "for i in x:\n").collect::<String>() + &" ".repeat(n) + "u = " + &nested(1);
    assert_eq!(parse(&loops(250)).errors, []);
    assert!(parse(&loops(1000)).errors[0].message.contains("nested"));
}
