//! Reads `[graph]`: a scalar computational graph with inputs and expressions. Each expression is split into nodes with one operation each.
//!
//! `C = (a * b - c)^2` becomes `t1 = a * b`, `t2 = t1 - c` and `C = t2^2`. An expression with an error is replaced by the constant 0, so that expressions
//! that use its name are still checked.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::excerpt::quoted;
use super::expression::{self, ExpressionError, Instruction, name_length};
use super::known::KnownNetwork;
use super::reader::{MAX_FAULTS, ScenarioReader, Span, TomlTable};
use crate::network::{Builder, Node};
use crate::op::elementwise::{Elementwise, ElementwiseOperand};
use crate::op::layer::Reported;
use crate::op::operator::{self, Operator};
use crate::tensor::from_flat;
use crate::words::{self, Vocabulary, suggest};

/// The keys of `[graph]`.
pub(super) const KEYS: &[&str] = &["inputs", "nodes", "output"];

/// Reads `[graph]`. `span` is the position of the header, and `text` is the text of the file.
pub(super) fn graph(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span, text: &str) -> KnownNetwork {
    let (inputs, has_all_inputs) = inputs(reader, table, span.clone());
    let (lines, has_all_lines) = lines(reader, table, span, text);
    let mut graph = Graph::new(&inputs, &lines, has_all_inputs && has_all_lines);
    let faults_before = reader.faults.len();
    for (n, line) in lines.iter().enumerate() {
        // an upper bound of the number of nodes that this line adds: each node has an operator or a function with its parenthesis
        let operations = line.text.bytes().filter(|b| b"+-*/^(".contains(b)).count();
        let scalar = &[];
        if reader.is_full() || reader.claim_many(&line.file_span(0..line.text.len()), scalar, operations.max(1)).is_err() {
            break;
        }
        for ExpressionError { span, message, help } in graph.add_line(line) {
            reader.report(line.file_span(span), message, help);
        }
        graph.line_of_node.resize(graph.nodes.len(), n); // all nodes that were added are made from line n
    }
    let lines_are_valid = reader.faults.len() == faults_before;
    let output = output(reader, table, &mut graph, &lines);
    let Graph { nodes, line_of_node, has_all_names, missing, .. } = graph;
    if lines_are_valid
        && has_all_names
        && let Ok(output) = output
    {
        let tensors = inputs.iter().map(|(name, value)| (name.clone(), from_flat(&[], vec![*value]))).collect();
        match Builder::graph(tensors, nodes, output) {
            Ok(network) => return KnownNetwork::Complete(network),
            Err((node, mismatch)) => {
                let line = &lines[line_of_node[node]];
                reader.report(line.file_span(0..line.text.len()), mismatch.to_string(), "");
            }
        }
    }
    let inputs: Vec<String> = inputs.iter().map(|(name, _)| name.clone()).collect();
    // the names of inputs and nodes. A missing name was reported at its first use; it is added, so that an address with this name is not reported too
    let names = || {
        inputs
            .iter()
            .map(String::as_str)
            .chain(lines.iter().filter_map(|line| Some(line.name()?.0)))
            .chain(missing)
            .map(str::to_owned)
            .collect()
    };
    let names = has_all_names.then(names);
    KnownNetwork::Graph { names, inputs: has_all_inputs.then_some(inputs) }
}

/// Reads the names and values of the inputs. The second result is `true` if all names are known.
fn inputs(reader: &mut ScenarioReader, table: &TomlTable<'_>, span: Span) -> (Vec<(String, f64)>, bool) {
    let help = "write inputs = { a = 3, b = 2 }";
    let Some(value) = table.get("inputs") else {
        reader.report(span, "the inputs of the graph are missing", help);
        return (Vec::new(), false);
    };
    let DeValue::Table(inputs) = value.get_ref() else {
        reader.wrong_type("inputs", value, "a table of numbers", help);
        return (Vec::new(), false);
    };
    let mut found = Vec::with_capacity(inputs.len());
    let mut has_all_names = true;
    for (key, value) in inputs {
        let name = key.get_ref().as_ref();
        let unused_span = 0..0; // the error is reported at the key
        if let Err(ExpressionError { message, help, .. }) = check_name(name, unused_span) {
            reader.report(key.span(), message, help);
        }
        let number = reader.number(&format!("the input {}", quoted(name)), value);
        has_all_names &= is_name(name) && reader.claim(&key.span(), &[]).is_ok();
        // an input with an error still defines its name
        found.push((name.to_owned(), number.unwrap_or(0.0)));
    }
    (found, has_all_names)
}

/// Returns whether a text has the form of a name: letters, digits and `_`, but no digit at the beginning.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name_length(name) == name.len()
}

/// Checks that an input or a node may have this name. An error has the position `span`.
fn check_name(name: &str, span: Range<usize>) -> Result<(), ExpressionError> {
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

/// One string of the key `nodes`, such as `"u = a * b"`.
#[derive(Debug)]
struct NodeLine<'t> {
    text: &'t str,
    /// The position of the string in the file.
    span: Span,
    /// The position in the file of the first byte of `text`; `None` if the string has escapes, because positions in `text` then differ from those in the file.
    start: Option<usize>,
}

impl NodeLine<'_> {
    /// Converts a range of `text` to a range of the file. For a string with escapes, it is the range of the whole string.
    fn file_span(&self, inside: Range<usize>) -> Span {
        self.start.map_or(self.span.clone(), |start| start + inside.start..start + inside.end)
    }

    /// Returns the name before the first `=`, and the position of the `=` in `text`. `None` if there is no `=`.
    fn name(&self) -> Option<(&str, usize)> {
        self.text.split_once('=').map(|(name, _)| (name.trim(), name.len()))
    }
}

/// Reads the strings of `nodes`. The second result is `true` if all items are strings.
fn lines<'t>(reader: &mut ScenarioReader, table: &'t TomlTable<'_>, span: Span, text: &str) -> (Vec<NodeLine<'t>>, bool) {
    let help = "write nodes = [\"u = a * b\", \"v = u + c\"]";
    let Some(value) = table.get("nodes") else {
        reader.report(span, "the nodes of the graph are missing", help);
        return (Vec::new(), false);
    };
    let DeValue::Array(items) = value.get_ref() else {
        reader.wrong_type("nodes", value, "an array of strings", help);
        return (Vec::new(), false);
    };
    if items.is_empty() {
        reader.report(value.span(), "a graph has at least one node", help);
        return (Vec::new(), false);
    }
    let mut lines = Vec::with_capacity(items.len());
    for item in &items[..] {
        if let DeValue::String(line) = item.get_ref() {
            lines.push(NodeLine { text: line, span: item.span(), start: content_start(text, item.span(), line) });
        } else {
            reader.wrong_type("each of the nodes", item, "a string such as \"u = a * b\"", "");
        }
    }
    let are_all_strings = lines.len() == items.len();
    (lines, are_all_strings)
}

/// Returns the position at which the content of the TOML string at `span` begins, after its quotes; `None` if the string has escapes.
fn content_start(text: &str, span: Span, content: &str) -> Option<usize> {
    let raw = text.get(span.clone())?;
    let inside = raw.trim_matches(['"', '\'']);
    let start = if inside.is_empty() { 0 } else { raw.find(inside)? };
    // a line break directly after the quotes of a multi-line string is not part of the content
    let newline =
        if raw.starts_with("\"\"\"") || raw.starts_with("'''") { inside.len() - inside.trim_start_matches(['\r', '\n']).len() } else { 0 };
    (&inside[newline..] == content).then_some(span.start + start + newline)
}

/// Returns the number of the graph's output: of the node that the key `output` names, or of the last node.
fn output<'t>(
    reader: &mut ScenarioReader,
    table: &'t TomlTable<'_>,
    graph: &mut Graph<'t>,
    lines: &[NodeLine<'_>],
) -> Result<usize, Reported> {
    let Some((name, span)) = reader.string(table, "output")? else {
        let last = lines.last().and_then(NodeLine::name).and_then(|(name, _)| graph.defined.get(name));
        return last.copied().ok_or(Reported); // a last line without a name was reported
    };
    if let Some(&number) = graph.defined.get(name) {
        return Ok(number);
    }
    if !graph.has_all_names {
        return Err(Reported); // the name may exist but could not be read
    }
    graph.missing.insert(name);
    let names: Vec<&str> = lines.iter().filter_map(|line| Some(line.name()?.0)).collect();
    Err(reader.report(span, format!("the output {} is not defined", quoted(name)), suggest::help(name, &names)))
}

/// The graph while it is built line by line. Inputs and nodes have numbers from 0: first the inputs, then the nodes.
struct Graph<'t> {
    /// The names that are defined so far, with the number of their input or node.
    defined: HashMap<&'t str, usize>,
    /// All names that the file defines, including those of later lines.
    all_names: HashSet<&'t str>,
    /// `true` if `all_names` is complete. Otherwise an undefined name is not reported, because its definition may be one that could not be read.
    has_all_names: bool,
    /// Undefined names that were reported at their use.
    missing: HashSet<&'t str>,
    /// Names that the file defines although they are not allowed, such as `exp`. The error is reported at their definition.
    forbidden: HashSet<&'t str>,
    /// The number of inputs.
    inputs: usize,
    nodes: Vec<Node>,
    /// For each node, the index of the line that it was made from.
    line_of_node: Vec<usize>,
    /// The number in the last intermediate name: 2 for `t2`.
    counter: usize,
}

impl<'t> Graph<'t> {
    /// Makes the graph without its nodes. `is_complete` is `false` if the file has inputs or lines that could not be read.
    fn new(inputs: &'t [(String, f64)], lines: &'t [NodeLine<'_>], is_complete: bool) -> Self {
        let inputs = inputs.iter().map(|(name, _)| name.as_str());
        let node_names = || lines.iter().map(|line| line.name().map_or("", |(name, _)| name));
        let all_names: HashSet<&str> = inputs.clone().chain(node_names()).collect();
        let unused_span = || 0..0; // the error itself is dropped here, and reported at the definition
        let forbidden = all_names.iter().copied().filter(|name| check_name(name, unused_span()).is_err()).collect();
        let has_all_names = is_complete && node_names().all(is_name);
        let defined: HashMap<&str, usize> = inputs.enumerate().map(|(number, name)| (name, number)).collect();
        Self {
            inputs: defined.len(),
            defined,
            all_names,
            has_all_names,
            missing: HashSet::new(),
            forbidden,
            nodes: Vec::new(),
            line_of_node: Vec::new(),
            counter: 0,
        }
    }

    /// Adds the nodes of one line. Returns the errors of the line.
    fn add_line(&mut self, line: &'t NodeLine<'_>) -> Vec<ExpressionError> {
        let text = line.text;
        let Some((name, equals)) = line.name() else {
            let message = "a node is written name = expression".to_owned();
            return vec![ExpressionError { span: 0..text.len(), message, help: "for example u = a * b".to_owned() }];
        };
        let mut errors: Vec<ExpressionError> = self.check_definition(line, name, equals).err().into_iter().collect();
        let is_new = !self.defined.contains_key(name);
        let parsed = match expression::parse(text, equals + 1..text.len()) {
            Ok(instructions) => self.check_uses(name, text, &instructions).map(|()| instructions),
            // the error is a forbidden name such as `exp`, which is already reported at its definition
            Err(error) if self.forbidden.contains(&text[error.span.clone()]) => Err(Vec::new()),
            Err(error) => Err(vec![error]),
        };
        match parsed {
            Ok(instructions) if is_new => self.add_nodes(name, text, &instructions),
            Ok(_) => {}
            Err(expression_errors) => {
                if is_new {
                    // a placeholder, so that the expressions that use this name have no error
                    self.push(name, Operator::Copy, &[ElementwiseOperand::Constant(0.0)], &[]);
                }
                errors.extend(expression_errors);
            }
        }
        if is_new {
            self.defined.insert(name, self.inputs + self.nodes.len() - 1);
        }
        errors
    }

    /// Checks the name that a line defines: it must be allowed and new. `equals` is the position of the `=`.
    fn check_definition(&self, line: &NodeLine<'_>, name: &str, equals: usize) -> Result<(), ExpressionError> {
        let text = line.text;
        let start = text.len() - text.trim_start().len();
        let span = if name.is_empty() { equals..equals + 1 } else { start..start + name.len() };
        if name.is_empty() {
            return Err(ExpressionError {
                span,
                message: "a name is missing before =".to_owned(),
                help: "for example u = a * b".to_owned(),
            });
        }
        check_name(name, span.clone())?;
        if self.defined.contains_key(name) {
            let message = format!("{} is defined twice", quoted(name));
            return Err(ExpressionError { span, message, help: "choose another name".to_owned() });
        }
        Ok(())
    }

    /// Checks that all names in the expression of `node` are defined. Returns one error for each undefined name. `Err` with an empty list means that an
    /// undefined name may have a definition that could not be read: then the expression cannot be used, but nothing is reported.
    fn check_uses(&mut self, node: &str, text: &'t str, instructions: &[Instruction]) -> Result<(), Vec<ExpressionError>> {
        let (mut errors, mut reported) = (Vec::new(), HashSet::new());
        let mut has_unknown = false;
        for instruction in instructions {
            if let Instruction::Variable(span) = instruction
                && errors.len() < MAX_FAULTS
            {
                let name = &text[span.clone()];
                match self.check_use(node, name, span) {
                    // the definition may be one that could not be read
                    Err(_) if !self.has_all_names && !self.all_names.contains(name) => has_unknown = true,
                    Err(error) if reported.insert(name) => {
                        self.missing.insert(name);
                        errors.push(error);
                    }
                    _ => {}
                }
            }
        }
        if errors.is_empty() && !has_unknown { Ok(()) } else { Err(errors) }
    }

    /// Adds one node for each operation of an expression. The node of the last operation is called `name`, the others `t1`, `t2`, ….
    fn add_nodes(&mut self, name: &str, text: &str, instructions: &[Instruction]) {
        let mut stack: Vec<Argument> = Vec::new();
        for (n, instruction) in instructions.iter().enumerate() {
            let value = match instruction {
                Instruction::Constant(value) => Argument::Constant(*value),
                Instruction::Variable(span) => Argument::Reference(self.defined[&text[span.clone()]]),
                Instruction::Apply(operator, count) => {
                    let arguments = stack.split_off(stack.len() - count);
                    let is_last = n + 1 == instructions.len();
                    let node = if is_last { name.to_owned() } else { self.next_intermediate() };
                    self.add_operation(&node, *operator, &arguments);
                    Argument::Reference(self.inputs + self.nodes.len() - 1)
                }
            };
            stack.push(value);
        }
        // an expression without an operation, such as `u = a`, becomes a copy
        if !matches!(instructions.last(), Some(Instruction::Apply(..))) {
            self.add_operation(name, Operator::Copy, &stack);
        }
    }

    /// Checks that `name` is defined before its use in the expression of `node`.
    fn check_use(&self, node: &str, name: &str, span: &Range<usize>) -> Result<(), ExpressionError> {
        if self.defined.contains_key(name) {
            return Ok(());
        }
        let (message, help) = if name == node {
            (format!("{} is used in its own definition", quoted(name)), String::new())
        } else if self.all_names.contains(name) {
            (format!("{} is used before its definition", quoted(name)), "put its node before this one".to_owned())
        } else {
            let names: Vec<&str> = self.defined.keys().copied().collect();
            let near = suggest::nearest(name, names.iter().copied()).map(suggest::did_you_mean);
            // for variables the table has only help texts and no translations, so there is no candidate to choose from
            let (candidates, is_allowed) = (&[], |_: &str| false);
            let help = near.or_else(|| words::table_help(Vocabulary::Variable, name, candidates, is_allowed));
            let help = help.unwrap_or_else(|| "add it to inputs, or define it before this node".to_owned());
            (format!("{} is not defined", quoted(name)), help)
        };
        Err(ExpressionError { span: span.clone(), message, help })
    }

    /// Returns the next of the names t1, t2, … that the file does not define itself.
    fn next_intermediate(&mut self) -> String {
        loop {
            self.counter += 1;
            let name = format!("t{}", self.counter);
            if !self.all_names.contains(name.as_str()) {
                return name;
            }
        }
    }

    /// Adds a node for one operation. Each argument that is not a constant gets a slot of its own in the list of values that the node reads: in `a * a`, the
    /// node reads `a` twice.
    fn add_operation(&mut self, name: &str, operator: Operator, arguments: &[Argument]) {
        let mut reads = Vec::new();
        let operands: Vec<ElementwiseOperand> = arguments
            .iter()
            .map(|argument| match *argument {
                Argument::Constant(value) => ElementwiseOperand::Constant(value),
                Argument::Reference(number) => {
                    reads.push(number);
                    ElementwiseOperand::Input(reads.len() - 1)
                }
            })
            .collect();
        self.push(name, operator, &operands, &reads);
    }

    /// Adds a node. `reads[slot]` is the number of the input or node that [`ElementwiseOperand::Input`] with this slot refers to.
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
    Reference(usize),
}
