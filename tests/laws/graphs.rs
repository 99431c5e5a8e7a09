//! Writes random scalar graphs over the whole expression language, as scenario files.

use crate::generated::choices::{Choices, Flavour};

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
pub fn graph(choices: &mut Choices, flavour: Flavour) -> String {
    let mut names: Vec<String> = (0..=choices.pick(4)).map(|n| format!("x{n}")).collect();
    let inputs: Vec<String> = names.iter().map(|name| format!("{name} = {:?}", choices.number(flavour))).collect();
    let mut nodes = Vec::new();
    for n in 0..=choices.pick(5) {
        // `t1` is the name that earlier versions of gradstep gave to the first intermediate node
        let name = if n == 1 { "t1".to_owned() } else { format!("n{n}") };
        let expression = expression(choices, &names, flavour, 3);
        nodes.push(format!("\"{name} = {expression}\""));
        names.push(name);
    }
    let output =
        if choices.one_in(5) { format!("output = \"{}\"\n", names[names.len() - 1 - choices.pick(nodes.len())]) } else { String::new() };
    format!("title = \"random\"\n[graph]\ninputs = {{ {} }}\nnodes = [{}]\n{output}", inputs.join(", "), nodes.join(", "))
}

fn expression(choices: &mut Choices, names: &[String], flavour: Flavour, depth: usize) -> String {
    if depth == 0 {
        return leaf(choices, names);
    }
    match choices.pick(11) {
        0 => leaf(choices, names),
        n @ 1..6 => {
            let (mut a, mut b) = (expression(choices, names, flavour, depth - 1), expression(choices, names, flavour, depth - 1));
            // one operand may be a number; an operation on numbers alone is a number, and no step
            if choices.one_in(3) {
                let number = format!("{:?}", choices.number(flavour));
                *(if choices.one_in(2) { &mut a } else { &mut b }) = number;
            }
            format!("({a}) {} ({b})", ["*", "+", "-", "/", "^"][n - 1])
        }
        6 => format!("-({})", expression(choices, names, flavour, depth - 1)),
        7 => format!("({})^{}", expression(choices, names, flavour, depth - 1), choices.choose(&["2", "3", "-1", "0.5", "0", "1"])),
        _ => {
            let (name, arity) = choices.choose(FUNCTIONS);
            // the bounds and slopes of a function are numbers
            let numbers = if matches!(name, "clamp" | "clamp_min" | "clamp_max" | "leaky_relu" | "elu") { arity - 1 } else { 0 };
            let mut arguments: Vec<String> = (0..arity - numbers).map(|_| expression(choices, names, flavour, depth - 1)).collect();
            arguments.extend((0..numbers).map(|n| format!("{:?}", [-0.5, 0.75][n])));
            if name == "gelu_tanh" {
                return format!("gelu({}, approximate='tanh')", arguments[0]);
            }
            format!("{name}({})", arguments.join(", "))
        }
    }
}

fn leaf(choices: &mut Choices, names: &[String]) -> String {
    names[choices.pick(names.len())].clone()
}
