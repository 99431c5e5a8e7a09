//! Graphs: reads the text of a forward pass, a subset of Python with the functions of NumPy and PyTorch, into operations on tensors.
//!
//! The text is never executed by Python. [`python`] turns it into a syntax tree. `statement` then interprets the statements (an abstract interpretation). A
//! value is a tensor with a shape but without numbers, a known number, or a list of values. Each operation on a tensor becomes a node, so every shape is known
//! before the first number is computed. `loss = ((x @ W - t)**2).mean()` has the nodes
//!
//! ```text
//! loss.1 = x @ W
//! loss.2 = loss.1 - t
//! loss.3 = loss.2**2
//! loss.4 = loss.3.sum()
//! loss   = loss.4 * (1/n)
//! ```
//!
//! A name that is assigned several times has a tensor for each assignment: `h@1`, `h@2`, …, and the last one is `h`.

#![allow(clippy::similar_names)] // axis and axes, start, stop and step are NumPy's words

mod accidents;
mod arithmetic;
mod attribute;
mod call;
mod closed_forms;
mod dispatch;
mod expression;
mod functions;
mod implied;
mod index;
mod masks;
mod names;
mod noted_uses;
mod operands;
mod reader;
mod statement;
mod structural;
mod text;
mod value;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use compact_str::{CompactString, format_compact};

use crate::network::{GraphLeaf, GraphText, Node};
use crate::op::layer::Reported;
use crate::python::{self, tree::Span};
use crate::tensor::Tensor;
pub use functions::registry::names as function_names;
pub use implied::{ImpliedRole, ImpliedTensor, OtherRanks};
use reader::{Binding, GraphReader, TensorName, TensorOrigin};
use value::{Number, Scalar, Value};

/// The largest number of statements and operations.
pub const MAX_OPERATIONS: usize = 100_000;
/// The largest number of faults that are kept.
pub const MAX_FAULTS: usize = 50;

/// A fault or a warning, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphFault {
    /// The index of the source text: 0, or the index of the statement if each statement is a text.
    pub text_number: usize,
    /// The position in this text.
    pub span: Span,
    /// The message.
    pub message: String,
    /// The help text; may be empty.
    pub help: String,
}

/// A tensor that the scenario gives: an input or a constant.
#[derive(Clone, Debug)]
pub struct GivenTensor {
    /// The name.
    pub name: CompactString,
    /// The numbers; `None` if the tensor has a fault, which is reported.
    pub value: Option<Arc<Tensor>>,
    /// `true` for an input, which has a derivative; `false` for a constant.
    pub is_input: bool,
    /// `true` for a constant of `true` and `false`.
    pub is_mask: bool,
}

/// A function that claims the memory of a tensor. Its arguments are the index of a text, the position in the text at which the tensor is made, and the shape.
/// If it fails, it has reported a fault.
pub type Claim<'c> = dyn FnMut(usize, &Span, &[usize]) -> Result<(), Reported> + 'c;

/// The names of the axes of tensors, by tensor.
pub type AxisNames = HashMap<CompactString, Vec<CompactString>>;

/// The result of reading a graph.
#[derive(Debug, Default)]
pub struct GraphResult {
    /// The given tensors and the constants of the text.
    pub leaves: Vec<GraphLeaf>,
    /// The operations, in the order of the forward pass. They read the leaves, numbered from 0, and the nodes after them.
    pub nodes: Vec<Node>,
    /// The statements, and the nodes that a picture may show as one.
    pub text: GraphText,
    /// The position of each node.
    pub positions: Vec<(usize, Span)>,
    /// The output: the number of a leaf or a node; `None` after a fault.
    pub output: Option<usize>,
    /// The faults.
    pub faults: Vec<GraphFault>,
    /// The names without a value, each with the position of its first use.
    pub missing: Vec<(CompactString, usize, Span)>,
    /// The facts that the text implies about these names, in their order; empty if nothing is known.
    pub implied: Vec<ImpliedTensor>,
    /// Lines that are valid, but perhaps not meant.
    pub warnings: Vec<GraphFault>,
    /// Lines that have no meaning for the graph and are left out.
    pub left_out: Vec<(usize, Span)>,
    /// The names of all tensors, also after faults.
    pub names: BTreeSet<String>,
    /// `true` if a name has no value because of another fault, such as a fault of a given tensor.
    pub has_unknown: bool,
    /// The last assignment, if it makes no tensor: its position, and the kind of its value.
    pub no_tensor: Option<(usize, Span, &'static str)>,
    /// The shapes of all tensors that a statement assigns or that are given, by name.
    pub shapes: Vec<(String, Vec<usize>)>,
}

/// Reads a graph. `texts` are its source texts, one after another. `axes` has names of axes, and `output` is the name of the output; by default it is the
/// tensor that the last statement assigns. `claim` claims the memory of a tensor of a shape, at a position.
pub fn read(texts: &[&str], given: &[GivenTensor], axes: AxisNames, output: Option<&str>, claim: &mut Claim<'_>) -> GraphResult {
    let mut reader = GraphReader {
        texts,
        text_number: 0,
        names: HashMap::new(),
        axes,
        versions: HashMap::new(),
        intermediates: HashMap::new(),
        tensors: Vec::new(),
        leaves: Vec::new(),
        nodes: Vec::new(),
        fresh: Vec::new(),
        shared: Vec::new(),
        statements: Vec::new(),
        statement_at: HashMap::new(),
        statement: 0,
        turn: None,
        composite_statements: Vec::new(),
        composite_calls: Vec::new(),
        structural: structural::StructuralUses::default(),
        faults: Vec::new(),
        missing: Vec::new(),
        missing_names: HashSet::new(),
        warnings: Vec::new(),
        left_out: Vec::new(),
        output: None,
        has_returned: false,
        no_tensor: None,
        operations: 0,
        claim,
    };
    for tensor in given {
        give(&mut reader, tensor);
    }
    let mut programs = Vec::with_capacity(texts.len());
    for (text_number, text) in texts.iter().enumerate() {
        reader.text_number = text_number;
        let program = python::parse(text);
        for python::SyntaxError { span, message, help } in program.errors {
            reader.fail(&span, message, help);
        }
        reader.run(&program.statements);
        programs.push(program.statements);
    }
    let missing: Vec<CompactString> = reader.missing.iter().map(|(name, ..)| name.clone()).collect();
    let mut result = finish(reader, output);
    if !missing.is_empty() {
        result.implied = implied::infer(&programs, given, &missing);
    }
    result
}

/// Adds a given tensor, and binds its name.
fn give(reader: &mut GraphReader<'_, '_>, tensor: &GivenTensor) {
    let GivenTensor { name, value, is_input, is_mask } = tensor;
    let Some(value) = value else {
        reader.names.insert(name.clone(), Binding::Faulty);
        return;
    };
    let (is_input, is_mask) = (*is_input, *is_mask);
    // a constant of one number is known while the text is read, so it can be a size
    let number = value.first().copied().filter(|_| !is_input && value.ndim() == 0 && !is_mask);
    let id = reader.leaf(TensorName { base: name.clone(), version: 0, intermediate: 0 }, Arc::clone(value), is_input, is_mask);
    reader.name_axes(id);
    let value = match number {
        Some(x) => {
            #[allow(clippy::cast_possible_truncation)] // a whole number below 10¹⁵
            let value = if x.fract() == 0.0 && x.abs() < 1e15 { Scalar::Integer(x as i64) } else { Scalar::Float(x) };
            Value::Number(Number { value, tensor: Some(id), mention: None })
        }
        None => Value::Tensor(id),
    };
    reader.names.insert(name.clone(), Binding::Known(value));
}

/// Numbers all tensors, gives them their final names, and collects the result.
fn finish(mut reader: GraphReader<'_, '_>, output: Option<&str>) -> GraphResult {
    let leaf_count = reader.leaves.len();
    let final_number = |reader: &GraphReader<'_, '_>, id: usize| match reader.tensors[id].origin {
        TensorOrigin::Leaf(leaf) => leaf,
        TensorOrigin::Node(node) => leaf_count + node,
    };
    let has_faults = !reader.faults.is_empty() || !reader.missing.is_empty();
    let chosen = output_tensor(&reader, output);
    if let Some(id) = chosen.filter(|_| !has_faults) {
        check_output(&mut reader, id);
    }
    let uses = Uses::of(&reader, chosen);
    let versions = reader.versions.clone();
    let text_of = |name: &TensorName| name_text(name, versions.get(&name.base).copied().unwrap_or(0));
    let given: HashSet<&str> = reader.leaves.iter().filter(|leaf| leaf.name.version == 0).map(|leaf| leaf.name.base.as_str()).collect();
    // the last of three assignments to h has the plain name `h`, and the alias `h@3`. Any assignment to an input x has such an alias: also the only one, `x@1`
    let alias_of = |name: &TensorName| {
        let is_last_of_several =
            name.intermediate == 0 && versions.get(&name.base).is_some_and(|count| *count > 1 && *count == name.version);
        let is_assigned_input = given.contains(name.base.as_str()) && name.version > 0;
        (is_last_of_several || is_assigned_input).then(|| format_compact!("{}@{}", name.base, name.version))
    };
    let leaves: Vec<GraphLeaf> = reader
        .leaves
        .iter()
        .zip(&uses.leaves)
        .map(|(leaf, is_value)| GraphLeaf {
            name: text_of(&leaf.name).into(),
            value: Arc::clone(&leaf.value),
            is_differentiated: leaf.is_input && *is_value,
        })
        .collect();
    // a source text of several intermediate nodes, such as x[t] in a loop, does not tell them apart, so it is not a symbol
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for node in &reader.nodes {
        *counts.entry(node.symbol.as_str()).or_default() += usize::from(node.name.intermediate > 0);
    }
    let is_unique = |symbol: &str| !symbol.is_empty() && counts.get(symbol).is_none_or(|count| *count < 2);
    let nodes: Vec<Node> = reader
        .nodes
        .iter()
        .enumerate()
        .map(|(n, node)| Node {
            name: text_of(&node.name).into(),
            alias: alias_of(&node.name),
            symbol: if node.name.intermediate == 0 { None } else { Some(node.symbol.clone()).filter(|symbol| is_unique(symbol)) },
            function: Arc::clone(&node.function),
            reads: node.reads.iter().map(|id| final_number(&reader, *id)).collect(),
            is_differentiated: reader.tensors[node.tensor].flows && uses.nodes[n],
        })
        .collect();
    let names = leaves.iter().map(|leaf| leaf.name.clone()).chain(nodes.iter().map(|node| node.name.clone()));
    let names = names.chain(reader.names.keys().map(ToString::to_string)).collect();
    let named = |name: &TensorName, shape: &[usize]| (name.intermediate == 0).then(|| (text_of(name).to_string(), shape.to_vec()));
    let shapes = reader.tensors.iter().filter_map(|tensor| match tensor.origin {
        TensorOrigin::Leaf(leaf) => named(&reader.leaves[leaf].name, &tensor.shape),
        TensorOrigin::Node(node) => named(&reader.nodes[node].name, &tensor.shape),
    });
    GraphResult {
        text: text::graph_text(&reader, chosen),
        has_unknown: reader.names.values().any(|binding| matches!(binding, Binding::Faulty)),
        no_tensor: reader.no_tensor.clone(),
        shapes: shapes.collect(),
        output: chosen.map(|id| final_number(&reader, id)),
        positions: reader.nodes.iter().map(|node| node.at.clone()).collect(),
        leaves,
        nodes,
        names,
        faults: reader.faults,
        missing: reader.missing,
        implied: Vec::new(),
        warnings: reader.warnings,
        left_out: reader.left_out,
    }
}

/// The tensor that is the output: the one with this name or, without a name, the last one that the text computes. `None` if it is not known.
fn output_tensor(reader: &GraphReader<'_, '_>, name: Option<&str>) -> Option<usize> {
    let Some(name) = name else { return reader.output.as_ref().map(|(id, ..)| *id) };
    match reader.names.get(name) {
        Some(Binding::Known(Value::Tensor(id) | Value::Number(Number { tensor: Some(id), .. }))) => Some(*id),
        Some(Binding::Known(Value::Extremum(pair))) => Some(pair.values),
        _ => None,
    }
}

/// Checks that the output is one number.
fn check_output(reader: &mut GraphReader<'_, '_>, id: usize) {
    let shape = reader.shape(id).to_vec();
    if shape.iter().product::<usize>() == 1 {
        return;
    }
    let (text_number, span) = match reader.tensors[id].origin {
        TensorOrigin::Node(node) => reader.nodes[node].at.clone(),
        TensorOrigin::Leaf(_) => (reader.texts.len().saturating_sub(1), 0..0),
    };
    reader.text_number = text_number;
    let (described, name) = (reader.describe(id), reader.name_of(id));
    let message = format!("the output {described} is not a single number, so it has no gradient");
    reader.fail(&span, message, format!("add a line J = {name}.sum(), or J = ({name} * G).sum() with an upstream gradient G"));
}

/// The tensors that count as values and can have a derivative. A tensor that is only used as an index, a class or a mask is not a value, even if it is copied
/// first. All other tensors are values: the output, unused tensors, and the other operands of operations.
struct Uses {
    leaves: Vec<bool>,
    nodes: Vec<bool>,
}

impl Uses {
    fn of(reader: &GraphReader<'_, '_>, output: Option<usize>) -> Self {
        let mut is_used = vec![false; reader.tensors.len()];
        let mut is_value = vec![false; reader.tensors.len()];
        let mut uses = Self { leaves: vec![true; reader.leaves.len()], nodes: vec![true; reader.nodes.len()] };
        for (n, node) in reader.nodes.iter().enumerate().rev() {
            let id = node.tensor;
            uses.nodes[n] = is_value[id] || !is_used[id] || output == Some(id);
            for (read, is_selector) in node.reads.iter().zip(&node.is_selector) {
                is_used[*read] = true;
                // a copy of an index is an index, but a comparison of an index is not
                is_value[*read] |= !is_selector && (uses.nodes[n] || !node.is_copy);
            }
        }
        for (id, tensor) in reader.tensors.iter().enumerate() {
            if let TensorOrigin::Leaf(leaf) = tensor.origin {
                uses.leaves[leaf] = is_value[id] || !is_used[id];
            }
        }
        uses
    }
}

/// Returns the text of a name. `count` is the number of assignments to it.
fn name_text(name: &TensorName, count: usize) -> CompactString {
    let TensorName { base, version, intermediate } = name;
    // the last assignment has the plain name; an input that is assigned again is x@0
    let versioned = if *version == count { base.clone() } else { format_compact!("{base}@{version}") };
    if *intermediate == 0 { versioned } else { format_compact!("{versioned}.{intermediate}") }
}
