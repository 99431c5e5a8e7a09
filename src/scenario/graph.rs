//! Reads `[graph]`, a scalar graph: inputs, and expressions that are decomposed into one node per operation.
//!
//! `C = (a * b - c)^2` becomes `t1 = a * b`, `t2 = t1 - c` and `C = t2^2`. After an error the node is replaced by the constant 0, so that the nodes that use
//! it are still checked.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::excerpt::quoted;
use super::expression::{self, ExpressionError, Instruction, name_length};
use super::known::KnownNetwork;
use super::reader::{KEPT, ScenarioReader, Span, TomlTable};
use crate::network::{Builder, Node};
use crate::op::elementwise::{Elementwise, ElementwiseOperand};
use crate::op::layer::Reported;
use crate::op::operator::{self, Operator};
use crate::tensor::from_flat;
use crate::words::{self, Vocabulary, suggest};

pub(super) const KEYS: &[&str] = &["inputs", "nodes", "output"];

/// Reads `[graph]`.
pub(super) fn graph(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span, text: &str) -> KnownNetwork {
    let (inputs, all_inputs) = inputs(reader, table, span.clone());
    let (lines, all_lines) = lines(reader, table, span, text);
    let mut graph = Graph::new(&inputs, &lines, all_inputs && all_lines);
    let before = reader.faults.len();
    for (n, line) in lines.iter().enumerate() {
        let operations = line.text.bytes().filter(|b| b"+-*/^(".contains(b)).count();
        if reader.full() || reader.claim_many(&line.place(0..line.text.len()), &[], operations.max(1)).is_err() {
            break;
        }
        for ExpressionError { span, message, help } in graph.line(line) {
            reader.fault(line.place(span), message, help);
        }
        graph.written.resize(graph.nodes.len(), n);
    }
    let whole = reader.faults.len() == before;
    let output = output(reader, table, &mut graph, &lines);
    let Graph { nodes, written, known, missing, .. } = graph;
    if whole
        && known
        && let Ok(output) = output
    {
        let tensors = inputs.iter().map(|(name, value)| (name.clone(), from_flat(&[], vec![*value]))).collect();
        match Builder::graph(tensors, nodes, output) {
            Ok(network) => return KnownNetwork::Tensors(network),
            Err((node, mismatch)) => {
                let line = &lines[written[node]];
                reader.fault(line.place(0..line.text.len()), mismatch.to_string(), "");
            }
        }
    }
    let inputs: Vec<String> = inputs.iter().map(|(name, _)| name.clone()).collect();
    let names = || {
        inputs
            .iter()
            .map(String::as_str)
            .chain(lines.iter().filter_map(|line| Some(line.name()?.0)))
            .chain(missing)
            .map(str::to_owned)
            .collect()
    };
    let names = known.then(names);
    KnownNetwork::Graph { names, inputs: all_inputs.then_some(inputs) }
}

/// Reads the inputs with their values. Returns `false` if some names are unknown.
fn inputs(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span) -> (Vec<(String, f64)>, bool) {
    let help = "write inputs = { a = 3, b = 2 }";
    let Some(value) = table.get("inputs") else {
        reader.fault(span, "the inputs of the graph are missing", help);
        return (Vec::new(), false);
    };
    let DeValue::Table(inputs) = value.get_ref() else {
        reader.wrong_type("inputs", value, "a table of numbers", help);
        return (Vec::new(), false);
    };
    let mut found = Vec::with_capacity(inputs.len());
    let mut all = true;
    for (key, value) in inputs {
        let name = key.get_ref().as_ref();
        if let Err(ExpressionError { message, help, .. }) = checked_name(name, 0..0) {
            reader.fault(key.span(), message, help);
        }
        let number = reader.number(&format!("the input {}", quoted(name)), value);
        all &= is_name(name) && reader.claim(&key.span(), &[]).is_ok();
        // an input with an error is still defined
        found.push((name.to_owned(), number.unwrap_or(0.0)));
    }
    (found, all)
}

/// Returns whether a text has the form of a name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name_length(name) == name.len()
}

fn checked_name(name: &str, span: Range<usize>) -> Result<(), ExpressionError> {
    if !is_name(name) {
        let help = "a name begins with a letter or _, and goes on with letters, digits and _".to_owned();
        return Err(ExpressionError { span, message: format!("{} cannot be a name", quoted(name)), help });
    }
    if operator::find(name).is_some() {
        return Err(ExpressionError { span, message: format!("{name} is a function"), help: "choose another name".to_owned() });
    }
    if ["first", "last", "backward"].contains(&name) {
        let message = format!("the name \"{name}\" is taken: it is the address of a step");
        return Err(ExpressionError { span, message, help: "choose another name".to_owned() });
    }
    Ok(())
}

/// One string of `nodes`.
#[derive(Debug)]
struct NodeLine<'t> {
    text: &'t str,
    /// The position of the string in the file.
    span: Span,
    /// The position of its first byte; `None` if the string has escapes, so that positions inside it cannot be mapped.
    start: Option<usize>,
}

impl NodeLine<'_> {
    /// Converts a range of the text to a range of the file.
    fn place(&self, inside: Range<usize>) -> Span {
        self.start.map_or(self.span.clone(), |start| start + inside.start..start + inside.end)
    }

    /// Returns the name before the first `=`, and the position of the `=`.
    fn name(&self) -> Option<(&str, usize)> {
        self.text.split_once('=').map(|(name, _)| (name.trim(), name.len()))
    }
}

/// Reads the strings of `nodes`. Returns `false` if some entries are not strings.
fn lines<'t>(reader: &mut ScenarioReader, table: &'t TomlTable<'_>, span: Span, text: &str) -> (Vec<NodeLine<'t>>, bool) {
    let help = "write nodes = [\"u = a * b\", \"v = u + c\"]";
    let Some(value) = table.get("nodes") else {
        reader.fault(span, "the nodes of the graph are missing", help);
        return (Vec::new(), false);
    };
    let DeValue::Array(items) = value.get_ref() else {
        reader.wrong_type("nodes", value, "an array of strings", help);
        return (Vec::new(), false);
    };
    if items.is_empty() {
        reader.fault(value.span(), "a graph has at least one node", help);
        return (Vec::new(), false);
    }
    let mut lines = Vec::with_capacity(items.len());
    for item in &items[..] {
        if let DeValue::String(line) = item.get_ref() {
            lines.push(NodeLine { text: line, span: item.span(), start: verbatim(text, item.span(), line) });
        } else {
            reader.wrong_type("each of the nodes", item, "a string such as \"u = a * b\"", "");
        }
    }
    let all = lines.len() == items.len();
    (lines, all)
}

/// Returns the position at which the content of a TOML string begins; `None` if it has escapes.
fn verbatim(text: &str, span: Span, content: &str) -> Option<usize> {
    let raw = text.get(span.clone())?;
    let inside = raw.trim_matches(['"', '\'']);
    let start = if inside.is_empty() { 0 } else { raw.find(inside)? };
    let newline =
        if raw.starts_with("\"\"\"") || raw.starts_with("'''") { inside.len() - inside.trim_start_matches(['\r', '\n']).len() } else { 0 };
    (&inside[newline..] == content).then_some(span.start + start + newline)
}

/// Returns the number of the output: the node that `output` names, or the last one.
fn output<'t>(
    reader: &mut ScenarioReader,
    table: &'t TomlTable<'_>,
    graph: &mut Graph<'t>,
    lines: &[NodeLine<'_>],
) -> Result<usize, Reported> {
    let Some((name, place)) = reader.string(table, "output")? else {
        let last = lines.last().and_then(NodeLine::name).and_then(|(name, _)| graph.defined.get(name));
        return last.copied().ok_or(Reported);
    };
    if let Some(&number) = graph.defined.get(name) {
        return Ok(number);
    }
    if !graph.known {
        return Err(Reported); // it may be a name that could not be read
    }
    graph.missing.insert(name);
    let names: Vec<&str> = lines.iter().filter_map(|line| Some(line.name()?.0)).collect();
    Err(reader.fault(place, format!("the output {} is not defined", quoted(name)), suggest::help(name, &names)))
}

/// The graph so far. Inputs and nodes are numbered in one sequence, the inputs first.
struct Graph<'t> {
    /// The defined names and their numbers.
    defined: HashMap<&'t str, usize>,
    /// All names that the file defines anywhere.
    used: HashSet<&'t str>,
    /// `true` if `used` is complete. Otherwise an unknown name may be one that could not be read.
    known: bool,
    /// Undefined names that were reported where they are used.
    missing: HashSet<&'t str>,
    /// Defined names that are not allowed, such as `exp`; they are reported.
    refused: HashSet<&'t str>,
    inputs: usize,
    nodes: Vec<Node>,
    /// The index of each node's line.
    written: Vec<usize>,
    /// The number of the last intermediate name.
    counter: usize,
}

impl<'t> Graph<'t> {
    fn new(inputs: &'t [(String, f64)], lines: &'t [NodeLine<'_>], all: bool) -> Self {
        let inputs = inputs.iter().map(|(name, _)| name.as_str());
        let nodes = || lines.iter().map(|line| line.name().map_or("", |(name, _)| name));
        let used: HashSet<&str> = inputs.clone().chain(nodes()).collect();
        let refused = used.iter().copied().filter(|name| checked_name(name, 0..0).is_err()).collect();
        let known = all && nodes().all(is_name);
        let defined: HashMap<&str, usize> = inputs.enumerate().map(|(number, name)| (name, number)).collect();
        Self {
            inputs: defined.len(),
            defined,
            used,
            known,
            missing: HashSet::new(),
            refused,
            nodes: Vec::new(),
            written: Vec::new(),
            counter: 0,
        }
    }

    /// Adds the nodes of one line. Returns its errors.
    fn line(&mut self, line: &'t NodeLine<'_>) -> Vec<ExpressionError> {
        let text = line.text;
        let Some((name, equals)) = line.name() else {
            let message = "a node is written name = expression".to_owned();
            return vec![ExpressionError { span: 0..text.len(), message, help: "for example u = a * b".to_owned() }];
        };
        let mut wrong: Vec<ExpressionError> = self.checked_definition(line, name, equals).err().into_iter().collect();
        let new = !self.defined.contains_key(name);
        let faults = match expression::parse(text, equals + 1..text.len()) {
            Ok(items) => self.checked_uses(name, text, &items).map(|()| items),
            // the error is a name that is already reported
            Err(fault) if self.refused.contains(&text[fault.span.clone()]) => Err(Vec::new()),
            Err(fault) => Err(vec![fault]),
        };
        match faults {
            Ok(items) if new => self.decompose(name, text, &items),
            Ok(_) => {}
            Err(faults) => {
                if new {
                    // a placeholder, so that nodes that use it have no error
                    self.push(name, Operator::Copy, &[ElementwiseOperand::Constant(0.0)], &[]);
                }
                wrong.extend(faults);
            }
        }
        if new {
            self.defined.insert(name, self.inputs + self.nodes.len() - 1);
        }
        wrong
    }

    /// Checks the name of a new node.
    fn checked_definition(&self, line: &NodeLine<'_>, name: &str, equals: usize) -> Result<(), ExpressionError> {
        let text = line.text;
        let start = text.len() - text.trim_start().len();
        let place = if name.is_empty() { equals..equals + 1 } else { start..start + name.len() };
        if name.is_empty() {
            return Err(ExpressionError {
                span: place,
                message: "a name is missing before =".to_owned(),
                help: "for example u = a * b".to_owned(),
            });
        }
        checked_name(name, place.clone())?;
        if self.defined.contains_key(name) {
            let message = format!("{} is defined twice", quoted(name));
            return Err(ExpressionError { span: place, message, help: "choose another name".to_owned() });
        }
        Ok(())
    }

    /// Checks that all names of an expression are defined. Each name is reported once.
    fn checked_uses(&mut self, node: &str, text: &'t str, items: &[Instruction]) -> Result<(), Vec<ExpressionError>> {
        let (mut wrong, mut reported) = (Vec::new(), HashSet::new());
        let mut unknown = false;
        for item in items {
            if let Instruction::Name(span) = item
                && wrong.len() < KEPT
            {
                let name = &text[span.clone()];
                match self.checked_use(node, name, span) {
                    Err(_) if !self.known && !self.used.contains(name) => unknown = true,
                    Err(fault) if reported.insert(name) => {
                        self.missing.insert(name);
                        wrong.push(fault);
                    }
                    _ => {}
                }
            }
        }
        if wrong.is_empty() && !unknown { Ok(()) } else { Err(wrong) }
    }

    fn decompose(&mut self, name: &str, text: &str, items: &[Instruction]) {
        let mut stack: Vec<Argument> = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let value = match item {
                Instruction::Constant(value) => Argument::Constant(*value),
                Instruction::Name(span) => Argument::Number(self.defined[&text[span.clone()]]),
                Instruction::Apply(operator, count) => {
                    let arguments = stack.split_off(stack.len() - count);
                    let own = if place + 1 == items.len() { name.to_owned() } else { self.intermediate() };
                    self.apply(&own, *operator, &arguments);
                    Argument::Number(self.inputs + self.nodes.len() - 1)
                }
            };
            stack.push(value);
        }
        if !matches!(items.last(), Some(Instruction::Apply(..))) {
            self.apply(name, Operator::Copy, &stack);
        }
    }

    /// Checks that one name is defined before its use.
    fn checked_use(&self, node: &str, name: &str, span: &Range<usize>) -> Result<(), ExpressionError> {
        if self.defined.contains_key(name) {
            return Ok(());
        }
        let (message, help) = if name == node {
            (format!("{} is used in its own definition", quoted(name)), String::new())
        } else if self.used.contains(name) {
            (format!("{} is used before its definition", quoted(name)), "put its node before this one".to_owned())
        } else {
            let names: Vec<&str> = self.defined.keys().copied().collect();
            let near = suggest::nearest(name, names.iter().copied()).map(suggest::question);
            let help = near.or_else(|| words::answer(Vocabulary::Name, name, &[], |_| false));
            let help = help.unwrap_or_else(|| "add it to inputs, or define it before this node".to_owned());
            (format!("{} is not defined", quoted(name)), help)
        };
        Err(ExpressionError { span: span.clone(), message, help })
    }

    /// Returns the next of t1, t2, … that the file does not use.
    fn intermediate(&mut self) -> String {
        loop {
            self.counter += 1;
            let name = format!("t{}", self.counter);
            if !self.used.contains(name.as_str()) {
                return name;
            }
        }
    }

    /// Adds a node for one operation. Each argument gets its own slot, even if a name occurs twice.
    fn apply(&mut self, name: &str, operator: Operator, arguments: &[Argument]) {
        let mut reads = Vec::new();
        let operands: Vec<ElementwiseOperand> = arguments
            .iter()
            .map(|argument| match *argument {
                Argument::Constant(value) => ElementwiseOperand::Constant(value),
                Argument::Number(number) => {
                    reads.push(number);
                    ElementwiseOperand::Slot(reads.len() - 1)
                }
            })
            .collect();
        self.push(name, operator, &operands, &reads);
    }

    fn push(&mut self, name: &str, operator: Operator, operands: &[ElementwiseOperand], reads: &[usize]) {
        let function = Arc::new(Elementwise::new(operator, operands));
        self.nodes.push(Node { name: name.to_owned(), function, reads: reads.to_vec() });
    }
}

/// An argument of an operation.
#[derive(Clone, Copy, Debug)]
enum Argument {
    Constant(f64),
    /// The number of an input or a node.
    Number(usize),
}
