//! Faulty texts.

use super::super::parse;
use super::statements;

/// A text, the wrong part of it, and the message.
type ErrorCase = (&'static str, &'static str, &'static str);

/// Checks that each text has one error, with this position and message.
fn check(table: &[ErrorCase]) {
    for (text, part, message) in table {
        let errors = parse(text).errors;
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert_eq!((&text[errors[0].span.clone()], &*errors[0].message), (*part, *message), "{text}");
        assert!(!errors[0].help.is_empty(), "{text}");
    }
}

#[test]
fn an_error_has_the_position_of_the_wrong_part() {
    check(&[
        ("u = a · b", "·", "\"·\" has no meaning in an expression"),
        ("u = a b", "b", "an operator is missing before \"b\""),
        ("u = (a", "(", "this parenthesis is not closed"),
        ("u = foo(a, [b)", "[", "this bracket is not closed"),
        ("u = (a]", "]", "this closing bracket has no opening one"),
        ("u = 2x", "x", "an operator is missing before \"x\""),
        ("u = 1.2.3", "1.2.3", "\"1.2.3\" is not a number"),
        ("u = 1__0", "1__0", "\"1__0\" is not a number"),
        ("u = 0x", "0x", "\"0x\" is not a number"),
        ("u = 0x__f", "0x__f", "\"0x__f\" is not a number"),
        ("u = 0b1__0", "0b1__0", "\"0b1__0\" is not a number"),
        ("u = 3j", "3j", "\"3j\" is a complex number"),
        ("u = 9223372036854775808", "9223372036854775808", "this integer is too large, it has more than 64 bits"),
        ("u = 1e400", "1e400", "this number is too large for f64"),
        ("u = 1e-400", "1e-400", "this number is too small for f64, it would become 0"),
        ("u =", "", "the expression is empty"),
        ("u = v =", "", "the expression is empty"),
        ("1u = a * b", "1u", "\"1u\" cannot be a name"),
        ("= a * b", "=", "a name is missing before ="),
        ("u = a *", "", "a number or a name is missing at the end"),
        ("u = a * / b", "/", "a number or a name is missing before \"/\""),
        ("u = * a", "*", "a number or a name is missing before \"*\""),
        ("u = a * ()", "()", "these parentheses are empty"),
        ("u = a + b)", ")", "this closing parenthesis has no opening one"),
        ("u = a]", "]", "this closing bracket has no opening one"),
        ("u = (a = b)", "=", "an assignment is not a part of an expression"),
        ("u = a ÷ b", "÷", "\"÷\" has no meaning in an expression"),
        ("u = x²", "²", "\"²\" has no meaning in an expression"),
        ("u = xᵀ @ y", "ᵀ", "\"ᵀ\" has no meaning in an expression"),
        ("u = “mean”", "“", "\"“\" has no meaning in an expression"),
        ("u = a : b", ":", "\":\" has no meaning here"),
        ("u = a && b", "&&", "masks are not combined with &&"),
        ("u = !a", "!", "\"!\" has no meaning in an expression"),
        ("u = lambda * 2", "lambda", "\"lambda\" cannot be a name"),
        ("lambda = 2", "lambda", "\"lambda\" cannot be a name"),
        ("u = f(a=1, b)", "b", "an argument without a keyword is after one with a keyword"),
        ("u = f(a=1, a=2)", "a", "the argument \"a\" is given twice"),
        ("u = x[]", "[]", "these brackets are empty"),
        ("u = x[,]", ",", "a number or a name is missing before \",\""),
        ("u = x[a:b:c:d]", ":", "\":\" has no meaning here"),
        ("u = x.", ".", "a name is missing after this point"),
        ("u = x.lambda", "lambda", "\"lambda\" cannot be a name"),
        ("u = 'abc", "'abc", "this string is not closed"),
        ("u = '''abc\nv = 1", "'''", "this string is not closed"),
        ("u = a \\ b", "\\", "a backslash has a meaning only at the end of a line"),
        ("u = 2(a)", "(", "an operator is missing before \"(\""),
        ("u = x[1:2", "[", "this bracket is not closed"),
        ("u = \"a\" \"b", "\"b", "this string is not closed"),
        ("a - b = c", "a - b", "\"a - b\" cannot be a name"),
        ("f(x) = 3", "f(x)", "\"f(x)\" cannot be a name"),
        ("a == b = c", "a == b", "a comparison cannot be assigned to"),
        ("a, b += 2", "+=", "\"+=\" needs a single name on its left"),
        ("u = a,, b", ",", "a number or a name is missing before \",\""),
        ("print(x", "(", "this parenthesis is not closed"),
        ("assert x == 'abc", "'abc", "this string is not closed"),
        ("x = a from b", "from", "an operator is missing before \"from\""),
        ("%matplotlib inline", "%", "a number or a name is missing before \"%\""),
        ("!pip install x", "!", "\"!\" has no meaning in an expression"),
        (")", ")", "a number or a name is missing before \")\""),
    ]);
}

#[test]
fn a_wrong_line_or_block_has_one_error() {
    check(&[
        ("for i in range(3)\n  u = i\nz = 2", "", "a colon is missing at the end of this line"),
        ("for i on range(3):\n  u = 1", "on", "the word \"in\" is missing before \"on\""),
        ("for i in :\n  u = 1", "", "the loop has no range"),
        ("for in x:\n  u = 1", "in", "the loop has no variable"),
        ("for x[0] in y: u = 1", "x[0]", "\"x[0]\" cannot be the variable of a loop"),
        ("for i in range(3):\nu = 1", ":", "the body is missing after this colon"),
        ("for i in range(3):", ":", "the body is missing after this colon"),
        ("for i in x: for j in y: u = 1", "for", "a block cannot begin after a colon"),
        ("  u = 1\nv = 2\nw = 3", "", "this line begins in another column than the lines before"),
        ("u = 1\n  v = 2\n  w = 3\nz = 4", "  ", "this line is indented, but no block begins here"),
        ("for i in x:\n        u = 1\n    v = 2\n    w = 2\nz = 3", "    ", "this line begins in another column than the lines before"),
        ("for i in x:\n        u = 1\n\tv = 2\nz = 3", "\t", "tabs and spaces are mixed in the indentation"),
        ("u = (a +\nv = b\nw = c", "(", "this parenthesis is not closed"),
        ("u = f(a,\nv = b\nw = c", "(", "this parenthesis is not closed"),
        ("u = f(a\nreturn u", "(", "this parenthesis is not closed"),
        ("u = f(a\nhs.append(h)\n", "(", "this parenthesis is not closed"),
        ("u = x[0\nfor i in y:\n  v = 1", "[", "this bracket is not closed"),
        ("u = f(a\n  b, c)", "b", "an operator is missing before \"b\""),
        // in an indentation, a blank of two or of three bytes is one column, and a tab goes on to column 8
        ("for i in x:\n\u{a0}u = f(a\n\u{a0}hs.append(h)\n\u{a0}w = 1", "(", "this parenthesis is not closed"),
        ("for i in x:\n\u{3000}u = f(a\n\u{3000}hs.append(h)\n\u{3000}w = 1", "(", "this parenthesis is not closed"),
        ("for i in x:\n\u{3000}u = f(a\n\u{3000}\u{3000}b, c)", "b", "an operator is missing before \"b\""),
        ("for i in x:\n    u = f(a\n\tb, c)", "b", "an operator is missing before \"b\""),
        ("u = a\n  .sum()", "  ", "this line is indented, but no block begins here"),
        ("u = a\n.sum()", ".", "a number or a name is missing before \".\""),
    ]);
}

/// Checks the errors of a table, and their helps.
fn check_helps(table: &[(&'static str, &'static str, &'static str, &'static str)]) {
    for (text, part, message, help) in table {
        check(&[(text, part, message)]);
        assert_eq!(parse(text).errors[0].help, *help, "{text}");
    }
}

#[test]
fn an_expression_that_only_python_has_is_an_error_with_a_help() {
    check_helps(&[
        ("u: int = 3", ":", "a graph has no annotations", "write u = … without its type"),
        (
            "u = a if m else b",
            "if",
            "a graph has no conditional expression",
            "write where(mask, a, b) instead of \"a if mask else b\"; if only one side is ever taken, write it alone",
        ),
        (
            "u = f(a if m else b)",
            "if",
            "a graph has no conditional expression",
            "write where(mask, a, b) instead of \"a if mask else b\"; if only one side is ever taken, write it alone",
        ),
        (
            "u = (m > 0) and (n < 1)",
            "and",
            "masks are not combined with \"and\"",
            "write &, with each side in parentheses: (a > 0) & (b > 0)",
        ),
        ("u = a or b", "or", "masks are not combined with \"or\"", "write |, with each side in parentheses: (a > 0) | (b > 0)"),
        ("u = not a", "not", "a mask is not negated with \"not\"", "write ~, with the mask in parentheses: ~(a > 0)"),
        ("u = a in b", "in", "a graph has no \"in\"", "compare with ==, and combine masks with |: (a == 1) | (a == 2)"),
        ("u = a not in b", "not", "a graph has no \"not in\"", "compare with ==, and combine masks with |: (a == 1) | (a == 2)"),
        (
            "u = a is None",
            "is",
            "a graph has no \"is\"",
            "compare numbers with ==; a test for None has one answer, so write the branch that it chooses alone",
        ),
        ("u = a < b < c", "<", "a comparison has two sides, not three", "compare twice and combine the masks: (a < b) & (b < c)"),
        ("u = lambda x: x", "lambda", "a graph has no \"lambda\"", "write its expression where the function is called"),
        (
            "u = [x for x in y]",
            "for",
            "a graph has no comprehension",
            "write a loop: hs = [], then \"for t in range(n):\" with hs.append(…) in its body",
        ),
        (
            "u = sum(x for x in y)",
            "for",
            "a graph has no comprehension",
            "write a loop: hs = [], then \"for t in range(n):\" with hs.append(…) in its body",
        ),
        ("u = f(*a)", "*", "a graph has no starred expressions", "write the items one by one"),
        ("u = f(a, **k)", "**", "a graph has no starred expressions", "write the items one by one"),
        ("a, *b = c", "*", "a graph has no starred expressions", "write the items one by one"),
        (
            "u = {a: 1}",
            "{",
            "a graph has no dictionaries and no sets",
            "give each value a name of its own; what belongs together is written in (…)",
        ),
        ("u = (y := 3)", ":=", "a graph has no :=", "write the assignment as a statement of its own, before this one"),
        ("u = f'{x}'", "f'{x}'", "a graph has no f-strings", "write the text itself, in quotes without f"),
        ("u = a << 2", "<<", "a graph has no <<", "multiply by a power of 2, or divide with //"),
        ("u = await x", "await", "a graph has no coroutines", "leave the word out"),
        ("u = yield x", "yield", "a graph has no generators", "write \"return e\" for the output"),
        ("h = {}", "{", "a graph has no dictionaries and no sets", "write a list: hs = [], then hs.append(h)"),
    ]);
}

#[test]
fn a_statement_that_only_python_has_is_an_error_with_a_help() {
    check_helps(&[
        (
            "if m > 0:\n    u = 1\nelif x:\n    v = 2\nelse:\n    w = 3\nz = 4",
            "if",
            "a graph has no if statement",
            "choose between tensors with where(mask, a, b); if only one branch ever runs, write its lines alone",
        ),
        ("else:\n  x = 3\ny = 4", "else", "a graph has no \"else\"", "choose between tensors with where(mask, a, b)"),
        (
            "def f(x, y=3):\n    u = x·y\n    return u\nz = 4",
            "def",
            "a graph has no function definitions",
            "paste the body of the function alone; what it returns is the output",
        ),
        ("@torch.no_grad()\n@b\ndef f(x):\n    return x\nz = 4", "@", "a graph has no decorators", "paste the body of the function alone"),
        (
            "async def f():\n a = 1\nz = 2",
            "async",
            "a graph has no function definitions",
            "paste the body of the function alone; what it returns is the output",
        ),
        (
            "class A(nn.Module):\n  def f(self):\n    return 3\n  x = 3\nz = 4",
            "class",
            "a graph has no classes",
            "paste the body of its forward method alone; self. before a name may stay",
        ),
        (
            "try:\n a = 1\nexcept E as e:\n b = 2\nfinally:\n c = 3\nz = 4",
            "try",
            "a graph has no exceptions",
            "write the lines after \"try:\" alone",
        ),
        ("raise ValueError('x')", "raise", "a graph has no exceptions", "leave the line out"),
        (
            "for i in x:\n  u = 1\nelse:\n  v = 2\nz = 3",
            "else",
            "a loop has no \"else\" in a graph",
            "write its lines after the loop, not indented",
        ),
        ("with open(f) as g:\n  u = 1\nz = 2", "as", "the context of \"with\" has no name in a graph", "write \"with torch.no_grad():\""),
        ("with a, b:\n  u = 1", ",", "\"with\" has one context in a graph", "write one \"with\" inside the other"),
    ]);
}

#[test]
fn the_statements_around_a_faulty_one_are_read() {
    for (text, expected, errors) in [
        ("u = a; v = b c; w = · d; z = (a; y = 2)", "u = a; faulty v; faulty w; faulty z y", 3),
        ("u: int = 3\n(a, b[i]), c.d = f(e, g=1) 2", "faulty u; faulty a b", 2),
        ("if m: u = 1; w = 3\nelse: v = 2\nz = 4", "faulty u w v; z = 4", 1),
        ("while True:\n  u = 1 1\n  break\nz = 2", "faulty u; z = 2", 1),
        ("@a\n@b\ndef f(x):\n    u = x\nz = 4", "faulty f u; z = 4", 1),
        ("for i in range(3):\n    break\n    u = i", "for i in (call range 3) {faulty ; u = i}", 1),
        ("for i range(3):\n  u = a b\nz = 2", "faulty i range u; z = 2", 2),
        ("u = 'abc\nv = 1", "faulty u; v = 1", 1),
        ("u = f(a,\n  dim=1\nv = b\nw = c d", "faulty u dim; v = b; faulty w", 2),
        ("u = f(a,\nv = b\nw = c", "faulty u v; w = c", 1),
        ("u = [x for x in y]; print(x for x in y); v = 1", "faulty u x; left out; v = 1", 1),
    ] {
        let program = parse(text);
        assert_eq!(statements(&program.statements), expected, "{text}");
        assert_eq!(program.errors.len(), errors, "{text}");
    }
}

#[test]
fn errors_beyond_the_fiftieth_are_counted() {
    let errors = |count: usize| parse(&"u = a b\n".repeat(count)).errors;
    assert_eq!(errors(50).len(), 50);
    assert_eq!(errors(51)[50].message, "from here on, 1 error is not shown");
    let many = errors(100_000);
    assert_eq!((many.len(), &*many[50].message), (51, "from here on, 99950 errors are not shown"));
    // the b of line 51; each line has 8 bytes, and b is byte 6
    assert_eq!(many[50].span, 50 * 8 + 6..50 * 8 + 7);
}
