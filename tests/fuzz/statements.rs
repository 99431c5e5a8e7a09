//! Writes random statements of a graph: tokens of its text, mostly in an order that Python allows.

use gradstep::scenario::graph_functions;
use proptest::prelude::*;
use proptest::sample::Index;

/// Names, of which some have no value.
const NAMES: &[&str] = &["x", "w", "W", "b", "h", "C", "G", "n", "eps", "y", "ix", "mask", "u", "v", "J", "missing", "self.x"];
/// Operands that are no names.
const LITERALS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "0.5",
    "1e-5",
    "1e999",
    "10**9",
    "10**18",
    "9223372036854775807",
    "None",
    "True",
    "'mean'",
    "...",
    "[1, 2]",
    "[]",
    "(2, 3)",
];
const OPERATORS: &[&str] = &[" + ", " - ", " * ", " / ", " @ ", " ** ", " < ", " == ", " & ", " // ", " % ", ", ", "."];
const KEYWORDS: &[&str] = &["dim=", "axis=", "keepdim=", "keepdims=", "reduction=", "num_classes=", "weight=", "*", ""];
const INDICES: &[&str] = &["0", "-1", ":", "1:", "::2", "::-1", "None", "...", "y", "ix", "range(n), y", "mask", "10**18", "0, :, ix"];
const ATTRIBUTES: &[&str] = &[".T", ".shape", ".shape[0]", ".mT", ".values", ".indices", ".grad", ".size()"];
const PREFIXES: &[&str] = &["", "torch.", "np.", "F."];
/// Whole lines that are put among the random assignments, such as loops and imports.
const LINES: &[&str] = &[
    "for t in range(3):\n    u = x * t",
    "for t in range(10**9):\n    u = x",
    "for r in W:\n    u = r",
    "u = x; v = u\\",
    "hs = []\nhs.append(x)\nu = torch.stack(hs)",
    "import torch",
    "loss.backward()",
    "with torch.no_grad():\n    u = x",
    "u += x",
    "x[0] = 1",
    "a, u = x",
    "return x.sum()",
    "def f(x):\n    return x",
    "u = (x +\n  w)  # comment",
    "\"\"\"text",
];

/// A word of an expression, chosen by relative positions in the lists.
#[derive(Clone, Debug)]
enum Word {
    Name(Index),
    Literal(Index),
    Operator(Index),
    Call(Index, Index),
    Method(Index),
    Keyword(Index),
    Index(Index),
    Attribute(Index),
    Open,
    Close,
}

fn word() -> impl Strategy<Value = Word> {
    let index = any::<Index>;
    prop_oneof![
        6 => index().prop_map(Word::Name),
        2 => index().prop_map(Word::Literal),
        4 => index().prop_map(Word::Operator),
        3 => (index(), index()).prop_map(|(prefix, function)| Word::Call(prefix, function)),
        3 => index().prop_map(Word::Method),
        1 => index().prop_map(Word::Keyword),
        2 => index().prop_map(Word::Index),
        1 => index().prop_map(Word::Attribute),
        1 => Just(Word::Open),
        3 => Just(Word::Close),
    ]
}

fn pick<'l>(at: &Index, list: &[&'l str]) -> &'l str {
    let found: &&str = at.get(list);
    found
}

/// Writes an expression. Operands get operators between them, and parentheses are closed at the end, so that many of the expressions are valid.
fn expression(words: &[Word], functions: &[&str]) -> String {
    // `depth` counts the open parentheses; `has_operand` says whether the text ends with an operand, after which an operator may follow
    let (mut text, mut depth, mut has_operand) = (String::new(), 0_usize, false);
    for word in words {
        let operand = match word {
            Word::Name(at) => pick(at, NAMES).to_string(),
            Word::Literal(at) => pick(at, LITERALS).to_string(),
            Word::Call(prefix, function) => format!("{}{}(", pick(prefix, PREFIXES), pick(function, functions)),
            Word::Open => "(".to_owned(),
            Word::Keyword(at) => pick(at, KEYWORDS).to_string(),
            Word::Operator(at) if has_operand => {
                text.push_str(pick(at, OPERATORS));
                has_operand = false;
                continue;
            }
            Word::Method(at) if has_operand => {
                text.extend([".", pick(at, functions), "("]);
                (depth, has_operand) = (depth + 1, false);
                continue;
            }
            Word::Index(at) if has_operand => {
                text.extend(["[", pick(at, INDICES), "]"]);
                continue;
            }
            Word::Attribute(at) if has_operand => {
                text.push_str(pick(at, ATTRIBUTES));
                continue;
            }
            Word::Close if depth > 0 => {
                text.push(')');
                (depth, has_operand) = (depth - 1, true);
                continue;
            }
            _ => continue,
        };
        if has_operand {
            text += if depth > 0 { ", " } else { " + " };
        }
        has_operand = !operand.ends_with(['(', '=', '*']);
        depth += usize::from(operand.ends_with('('));
        text += &operand;
    }
    text + if has_operand { "" } else { "x" } + &")".repeat(depth)
}

/// Several statements. The last one is a sum, so that the graph has an output.
pub fn statements() -> impl Strategy<Value = String> {
    let functions: Vec<&'static str> = graph_functions().collect();
    let line = prop_oneof![
        8 => (any::<Index>(), prop::collection::vec(word(), 1..14)).prop_map(move |(target, words)| {
            format!("{} = {}", pick(&target, &["u", "v", "J", "x", "u, v"]), expression(&words, &functions))
        }),
        1 => prop::sample::select(LINES).prop_map(str::to_owned),
    ];
    prop::collection::vec(line, 1..5).prop_map(|lines| format!("{}\nJ = torch.sum(u)", lines.join("\n")))
}
