//! A scalar graph: inputs and expressions, decomposed into one node per operation.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use smallvec::SmallVec;
use toml::de::DeValue;

use super::excerpt::quoted;
use super::expression::{self, Item, Wrong, name_length};
use super::reader::{Reader, Span, Table};
use super::suggest;
use crate::network::{Builder, Network, Node};
use crate::op::layer::Faulty;
use crate::op::scalar::{self, Operand, Operator, Scalar};

/// Reads `[graph]`.
pub(super) fn graph(reader: &mut Reader, table: &Table<'_>, span: Span, text: &str) -> Result<Network, Faulty> {
    let before = reader.faults.len();
    reader.unknown(table, &["inputs", "nodes", "output"], "[graph]");
    let inputs = inputs(reader, table, span.clone());
    let lines = lines(reader, table, span, text);
    let (Ok(inputs), Ok(lines)) = (inputs, lines) else { return Err(Faulty) };
    let mut graph = Graph::new(&inputs, &lines);
    for line in &lines {
        if reader.full() {
            break;
        }
        let operations = line.text.bytes().filter(|b| b"+-*/^(".contains(b)).count();
        reader.claim_many(&line.place(0..line.text.len()), &[], operations.max(1))?;
        if let Err(Wrong { span, message, help }) = graph.line(line) {
            reader.fault(line.place(span), message, help);
        }
    }
    let output = output(reader, table, &graph, &lines);
    if reader.faults.len() > before {
        return Err(Faulty);
    }
    Ok(Builder::graph(&inputs, &graph.nodes, output?))
}

/// The inputs with their values.
fn inputs(reader: &mut Reader, table: &Table<'_>, span: Span) -> Result<Vec<(String, f64)>, Faulty> {
    let help = "write inputs = { a = 3, b = 2 }";
    let Some(value) = table.get("inputs") else {
        return Err(reader.fault(span, "the inputs of the graph are missing", help));
    };
    let DeValue::Table(inputs) = value.get_ref() else {
        return Err(reader.wrong("inputs", value, "a table of numbers", help));
    };
    let mut found = Vec::with_capacity(inputs.len());
    for (key, value) in inputs {
        let name = key.get_ref().as_ref();
        if let Err(Wrong { message, help, .. }) = checked_name(name, 0..0) {
            reader.fault(key.span(), message, help);
        }
        let number = reader.number(&format!("the input {}", quoted(name)), value);
        reader.claim(&key.span(), &[])?;
        // one that is faulty is still defined
        found.push((name.to_owned(), number.unwrap_or(0.0)));
    }
    Ok(found)
}

fn checked_name(name: &str, span: Range<usize>) -> Result<(), Wrong> {
    if name.is_empty() || name_length(name) != name.len() {
        let help = "a name begins with a letter or _, and goes on with letters, digits and _".to_owned();
        return Err(Wrong { span, message: format!("{} cannot be a name", quoted(name)), help });
    }
    if scalar::find(name).is_some() {
        return Err(Wrong { span, message: format!("{name} is a function"), help: "choose another name".to_owned() });
    }
    if ["first", "last", "backward"].contains(&name) {
        let message = format!("the name \"{name}\" is taken: it is the address of a step");
        return Err(Wrong { span, message, help: "choose another name".to_owned() });
    }
    Ok(())
}

/// One text of `nodes`.
#[derive(Debug)]
struct Line<'t> {
    text: &'t str,
    /// Where it stands in the file.
    span: Span,
    /// Where its first byte stands, when it stands there as it is, without escapes.
    start: Option<usize>,
}

impl Line<'_> {
    /// A place of the text as a place of the file.
    fn place(&self, inside: Range<usize>) -> Span {
        self.start.map_or(self.span.clone(), |start| start + inside.start..start + inside.end)
    }

    /// The name before the first `=`; where that stands.
    fn name(&self) -> Option<(&str, usize)> {
        self.text.split_once('=').map(|(name, _)| (name.trim(), name.len()))
    }
}

fn lines<'t>(reader: &mut Reader, table: &'t Table<'_>, span: Span, text: &str) -> Result<Vec<Line<'t>>, Faulty> {
    let help = "write nodes = [\"u = a * b\", \"v = u + c\"]";
    let Some(value) = table.get("nodes") else {
        return Err(reader.fault(span, "the nodes of the graph are missing", help));
    };
    let DeValue::Array(items) = value.get_ref() else {
        return Err(reader.wrong("nodes", value, "an array of strings", help));
    };
    if items.is_empty() {
        return Err(reader.fault(value.span(), "a graph has at least one node", help));
    }
    let mut lines = Vec::with_capacity(items.len());
    for item in &items[..] {
        if let DeValue::String(line) = item.get_ref() {
            lines.push(Line { text: line, span: item.span(), start: verbatim(text, item.span(), line) });
        } else {
            reader.wrong("each of the nodes", item, "a string such as \"u = a * b\"", "");
        }
    }
    if lines.len() == items.len() { Ok(lines) } else { Err(Faulty) }
}

/// Where the content of a TOML string begins in the file, when it stands there without escapes.
fn verbatim(text: &str, span: Span, content: &str) -> Option<usize> {
    let raw = text.get(span.clone())?;
    let inside = raw.trim_matches(['"', '\'']);
    let start = if inside.is_empty() { 0 } else { raw.find(inside)? };
    let newline =
        if raw.starts_with("\"\"\"") || raw.starts_with("'''") { inside.len() - inside.trim_start_matches(['\r', '\n']).len() } else { 0 };
    (&inside[newline..] == content).then_some(span.start + start + newline)
}

fn output(reader: &mut Reader, table: &Table<'_>, graph: &Graph<'_>, lines: &[Line<'_>]) -> Result<usize, Faulty> {
    let Some((name, place)) = reader.string(table, "output")? else {
        let last = lines.last().and_then(Line::name).and_then(|(name, _)| graph.defined.get(name));
        return last.copied().ok_or(Faulty);
    };
    if let Some(&number) = graph.defined.get(name) {
        return Ok(number);
    }
    let names: Vec<&str> = lines.iter().filter_map(|line| Some(line.name()?.0)).collect();
    Err(reader.fault(place, format!("the output {} is not defined", quoted(name)), suggest::help(name, &names)))
}

/// The nodes so far.
struct Graph<'t> {
    /// Names and their numbers, over inputs and nodes.
    defined: HashMap<&'t str, usize>,
    /// All names of the file.
    used: HashSet<&'t str>,
    inputs: usize,
    nodes: Vec<Node>,
    /// The number of the last intermediate name.
    counter: usize,
}

impl<'t> Graph<'t> {
    fn new(inputs: &'t [(String, f64)], lines: &'t [Line<'_>]) -> Self {
        let defined: HashMap<&str, usize> = inputs.iter().enumerate().map(|(number, (name, _))| (name.as_str(), number)).collect();
        let mut used: HashSet<&str> = defined.keys().copied().collect();
        used.extend(lines.iter().filter_map(|line| Some(line.name()?.0)));
        Self { defined, used, inputs: inputs.len(), nodes: Vec::new(), counter: 0 }
    }

    /// Adds the nodes of one line.
    fn line(&mut self, line: &'t Line<'_>) -> Result<(), Wrong> {
        let text = line.text;
        let Some((name, equals)) = line.name() else {
            let message = "a node is written name = expression".to_owned();
            return Err(Wrong { span: 0..text.len(), message, help: "for example u = a * b".to_owned() });
        };
        let start = text.len() - text.trim_start().len();
        let place = if name.is_empty() { equals..equals + 1 } else { start..start + name.len() };
        if name.is_empty() {
            return Err(Wrong { span: place, message: "a name is missing before =".to_owned(), help: "for example u = a * b".to_owned() });
        }
        checked_name(name, place.clone())?;
        if self.defined.contains_key(name) {
            let message = format!("{} is defined twice", quoted(name));
            return Err(Wrong { span: place, message, help: "choose another name".to_owned() });
        }
        let read = expression::parse(text, equals + 1..text.len()).and_then(|items| self.decompose(name, text, &items));
        if read.is_err() {
            // so that what uses it is not faulty too
            self.push(name, Operator::Copy, &[Operand::Constant(0.0)], &[]);
        }
        self.defined.insert(name, self.inputs + self.nodes.len() - 1);
        read
    }

    fn decompose(&mut self, name: &str, text: &str, items: &[Item]) -> Result<(), Wrong> {
        for item in items {
            if let Item::Name(span) = item {
                self.checked_use(name, &text[span.clone()], span)?;
            }
        }
        let mut stack: Vec<Argument> = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let value = match item {
                Item::Constant(value) => Argument::Constant(*value),
                Item::Name(span) => Argument::Number(self.defined[&text[span.clone()]]),
                Item::Apply(operator, count) => {
                    let arguments = stack.split_off(stack.len() - count);
                    let own = if place + 1 == items.len() { name.to_owned() } else { self.intermediate() };
                    self.apply(&own, *operator, &arguments);
                    Argument::Number(self.inputs + self.nodes.len() - 1)
                }
            };
            stack.push(value);
        }
        if !matches!(items.last(), Some(Item::Apply(..))) {
            self.apply(name, Operator::Copy, &stack);
        }
        Ok(())
    }

    /// A name must be defined before it is used.
    fn checked_use(&self, node: &str, name: &str, span: &Range<usize>) -> Result<(), Wrong> {
        if self.defined.contains_key(name) {
            return Ok(());
        }
        let (message, help) = if name == node {
            (format!("{} is used in its own definition", quoted(name)), String::new())
        } else if self.used.contains(name) {
            (format!("{} is used before its definition", quoted(name)), "put its node before this one".to_owned())
        } else {
            let names: Vec<&str> = self.defined.keys().copied().collect();
            let help = suggest::nearest(name, names.iter().copied());
            let help = help
                .map_or_else(|| "add it to inputs, or define it before this node".to_owned(), |name| format!("did you mean \"{name}\"?"));
            (format!("{} is not defined", quoted(name)), help)
        };
        Err(Wrong { span: span.clone(), message, help })
    }

    /// The next of t1, t2, … that the file does not use.
    fn intermediate(&mut self) -> String {
        loop {
            self.counter += 1;
            let name = format!("t{}", self.counter);
            if !self.used.contains(name.as_str()) {
                return name;
            }
        }
    }

    /// Every read has a slot of its own, even of one name.
    fn apply(&mut self, name: &str, operator: Operator, arguments: &[Argument]) {
        let mut reads = Vec::new();
        let operands: Vec<Operand> = arguments
            .iter()
            .map(|argument| match *argument {
                Argument::Constant(value) => Operand::Constant(value),
                Argument::Number(number) => {
                    reads.push(number);
                    Operand::Slot(reads.len() - 1)
                }
            })
            .collect();
        self.push(name, operator, &operands, &reads);
    }

    fn push(&mut self, name: &str, operator: Operator, operands: &[Operand], reads: &[usize]) {
        let scalar = Scalar { operator, operands: SmallVec::from_slice(operands) };
        self.nodes.push(Node { name: name.to_owned(), scalar, reads: reads.to_vec() });
    }
}

/// What an operation works on.
#[derive(Clone, Copy, Debug)]
enum Argument {
    Constant(f64),
    /// An input or a node.
    Number(usize),
}
