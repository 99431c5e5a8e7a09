//! Random scalar graphs over the whole expression language, as scenario files.

use crate::generated::tape::{Flavour, Tape};

/// The functions and their numbers of arguments.
pub const FUNCTIONS: &[(&str, usize)] = &[
    ("relu", 1),
    ("abs", 1),
    ("min", 2),
    ("max", 2),
    ("sin", 1),
    ("cos", 1),
    ("tan", 1),
    ("tanh", 1),
    ("sigmoid", 1),
    ("exp", 1),
    ("sqrt", 1),
    ("log", 1),
    ("square", 1),
    ("reciprocal", 1),
    ("rsqrt", 1),
    ("log1p", 1),
    ("expm1", 1),
    ("erf", 1),
    ("logsigmoid", 1),
    ("softplus", 1),
    ("silu", 1),
    ("gelu", 1),
    ("gelu_tanh", 1),
    ("leaky_relu", 2),
    ("elu", 2),
    ("clamp", 3),
    ("clamp_min", 2),
    ("clamp_max", 2),
];

/// A scenario with a graph.
pub fn graph(tape: &mut Tape, flavour: Flavour) -> String {
    let mut names: Vec<String> = (0..=tape.pick(4)).map(|n| format!("x{n}")).collect();
    let inputs: Vec<String> = names.iter().map(|name| format!("{name} = {:?}", tape.number(flavour))).collect();
    let mut nodes = Vec::new();
    for n in 0..=tape.pick(5) {
        // the second node has the name that gradstep would give to its first intermediate node
        let name = if n == 1 { "t1".to_owned() } else { format!("n{n}") };
        let expression = expression(tape, &names, flavour, 3);
        nodes.push(format!("\"{name} = {expression}\""));
        names.push(name);
    }
    let output = if tape.rarely(5) { format!("output = \"{}\"\n", names[names.len() - 1 - tape.pick(nodes.len())]) } else { String::new() };
    format!("title = \"random\"\n[graph]\ninputs = {{ {} }}\nnodes = [{}]\n{output}", inputs.join(", "), nodes.join(", "))
}

fn expression(tape: &mut Tape, names: &[String], flavour: Flavour, depth: usize) -> String {
    if depth == 0 {
        return leaf(tape, names);
    }
    match tape.pick(11) {
        0 => leaf(tape, names),
        n @ 1..6 => {
            let (mut a, mut b) = (expression(tape, names, flavour, depth - 1), expression(tape, names, flavour, depth - 1));
            // one operand may be a number; an operation on numbers alone is a number, and no step
            if tape.rarely(3) {
                let number = format!("{:?}", tape.number(flavour));
                *(if tape.rarely(2) { &mut a } else { &mut b }) = number;
            }
            format!("({a}) {} ({b})", ["*", "+", "-", "/", "^"][n - 1])
        }
        6 => format!("-({})", expression(tape, names, flavour, depth - 1)),
        7 => format!("({})^{}", expression(tape, names, flavour, depth - 1), tape.of(&["2", "3", "-1", "0.5", "0", "1"])),
        _ => {
            let (name, arity) = tape.of(FUNCTIONS);
            // the bounds and slopes of a function are numbers
            let numbers = if matches!(name, "clamp" | "clamp_min" | "clamp_max" | "leaky_relu" | "elu") { arity - 1 } else { 0 };
            let mut arguments: Vec<String> = (0..arity - numbers).map(|_| expression(tape, names, flavour, depth - 1)).collect();
            arguments.extend((0..numbers).map(|n| format!("{:?}", [-0.5, 0.75][n])));
            if name == "gelu_tanh" {
                return format!("gelu({}, approximate='tanh')", arguments[0]);
            }
            format!("{name}({})", arguments.join(", "))
        }
    }
}

fn leaf(tape: &mut Tape, names: &[String]) -> String {
    names[tape.pick(names.len())].clone()
}
