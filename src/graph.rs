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
use crate::op::elementwise::shared::RecentOperations;
use crate::op::layer::Reported;
use crate::python::{self, tree::Span};
use crate::tensor::Tensor;
pub use functions::registry::names as function_names;
pub use implied::{ImpliedRole, ImpliedTensor, OtherRanks};
use reader::{Binding, GraphReader, KnownName, LeafOrigin, PendingLeaf, PendingNode, TensorName, TensorOrigin};
use value::{Number, Scalar, Value};

/// The largest number of statements and operations.
pub const MAX_OPERATIONS: usize = 100_000;
/// The number of texts that are parsed one after another, before they are interpreted.
const BATCH: usize = 32;
/// The largest number of faults that are kept.
pub const MAX_FAULTS: usize = 50;

/// A fault or a warning, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphFault {
    /// The index of the source text.
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
    /// The operations, in the order of the forward pass. Their operands are numbers: those of the leaves begin at 0, those of the nodes after the last leaf.
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
    /// The names and shapes of all tensors, also after faults.
    pub tensors: Vec<(CompactString, Vec<usize>)>,
    /// All names that are given or that a statement assigns.
    pub assigned: Vec<CompactString>,
    /// `true` if a name has no value because of another fault, such as a fault of a given tensor.
    pub has_unknown: bool,
    /// The last assignment, if it makes no tensor: its position, and the kind of its value.
    pub no_tensor: Option<(usize, Span, &'static str)>,
}

impl GraphResult {
    /// Returns the names of all tensors, and the names of other values.
    pub fn names(&self) -> BTreeSet<String> {
        self.tensors.iter().map(|(name, _)| name).chain(&self.assigned).map(ToString::to_string).collect()
    }

    /// Returns the names and shapes of all tensors that a statement assigns or that are given.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        // the name of an intermediate result has a dot
        self.tensors.iter().filter(|(name, _)| !name.contains('.')).map(|(name, shape)| (name.as_str(), &shape[..]))
    }
}

/// The place of a source text in the scenario file.
#[derive(Clone, Copy, Debug)]
pub struct TextStart {
    /// The number of the line of the file in which the text begins, from 1.
    pub line: usize,
    /// `true` if each line of the text is a line of the file. It is not if a line break is written as `\n`.
    pub has_lines_of_file: bool,
}

/// Reads a graph. `texts` are its source texts, one after another, and `starts` are their places. `axes` has names of axes, and `output` is the name of the
/// output; by default it is the last tensor that a statement assigns or returns. `claim` claims the memory of a tensor of a shape, at a position.
pub fn read(
    (texts, starts): (&[&str], &[TextStart]),
    given: &[GivenTensor],
    axes: AxisNames,
    output: Option<&str>,
    claim: &mut Claim<'_>,
) -> GraphResult {
    let mut reader = GraphReader {
        texts,
        starts,
        text_number: 0,
        names: HashMap::default(),
        known_names: Vec::with_capacity(given.len() + texts.len()),
        axes,
        intermediates: HashMap::new(),
        tensors: Vec::with_capacity(given.len() + texts.len()),
        leaves: Vec::new(),
        nodes: Vec::with_capacity(texts.len()),
        recent_operations: RecentOperations::default(),
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
        first_is_counted: false,
        claim,
    };
    for tensor in given {
        give(&mut reader, tensor);
    }
    // several texts are parsed before they are interpreted, because the code of parser and interpreter together does not fit into the processor's cache
    for (batch, texts) in texts.chunks(BATCH).enumerate() {
        let programs: Vec<_> = texts.iter().map(|text| python::parse(text)).collect();
        for (n, program) in programs.into_iter().enumerate() {
            reader.text_number = batch * BATCH + n;
            for python::SyntaxError { span, message, help } in program.errors {
                reader.fail(&span, message, help);
            }
            reader.run(&program.statements);
        }
    }
    let missing: Vec<CompactString> = reader.missing.iter().map(|(name, ..)| name.clone()).collect();
    let mut result = finish(reader, output);
    if !missing.is_empty() {
        // the statements are parsed again, because they are kept only until they are interpreted
        let programs: Vec<_> = texts.iter().map(|text| python::parse(text).statements).collect();
        result.implied = implied::infer(&programs, given, &missing);
    }
    result
}

/// Adds a given tensor, and binds its name.
fn give(reader: &mut GraphReader<'_, '_>, tensor: &GivenTensor) {
    let GivenTensor { name, value, is_input, is_mask } = tensor;
    let Some(value) = value else {
        reader.bind(name, Binding::Faulty);
        return;
    };
    let (is_input, is_mask) = (*is_input, *is_mask);
    // a constant of one number is known while the text is read, so it can be a size
    let number = value.first().copied().filter(|_| !is_input && value.ndim() == 0 && !is_mask);
    let known = reader.bind(name, Binding::Faulty);
    let name = TensorName { base: name.clone(), known: Some(known), version: 0, intermediate: 0 };
    let origin = if is_input { LeafOrigin::Input } else { LeafOrigin::Constant };
    let id = reader.leaf(name, Arc::clone(value), origin, is_mask);
    reader.name_axes(id);
    let value = match number {
        Some(x) => {
            #[allow(clippy::cast_possible_truncation)] // a whole number below 10¹⁵
            let value = if x.fract() == 0.0 && x.abs() < 1e15 { Scalar::Integer(x as i64) } else { Scalar::Float(x) };
            Value::Number(Number { value, tensor: Some(id), mention: None })
        }
        None => Value::Tensor(id),
    };
    reader.known_names[known].binding = Binding::Known(value);
    reader.known_names[known].is_given = true;
}

/// Numbers all tensors, gives them their final names, and collects the result.
fn finish(mut reader: GraphReader<'_, '_>, output: Option<&str>) -> GraphResult {
    let has_faults = !reader.faults.is_empty() || !reader.missing.is_empty();
    let chosen = output_tensor(&reader, output);
    if let Some(id) = chosen.filter(|_| !has_faults) {
        check_output(&mut reader, id);
    }
    let uses = Uses::of(&reader, chosen);
    let text = text::graph_text(&reader, chosen);
    let symbols = symbols(&reader);
    let GraphReader { names, known_names, tensors, leaves, nodes, .. } = reader;
    let final_name = |name: &TensorName| {
        let known = name.known.or_else(|| names.get(&name.base).copied()).map(|known| &known_names[known]);
        final_name(name, known)
    };
    let leaf_count = leaves.len();
    let final_number = |id: usize| match tensors[id].origin {
        TensorOrigin::Leaf(leaf) => leaf,
        TensorOrigin::Node(node) => leaf_count + node,
    };
    let leaves: Vec<GraphLeaf> = leaves
        .into_iter()
        .zip(uses.leaves)
        .map(|(PendingLeaf { name, value, origin }, is_value)| GraphLeaf {
            name: final_name(&name).0,
            value,
            is_differentiated: origin == LeafOrigin::Input && is_value,
        })
        .collect();
    let mut positions = Vec::with_capacity(nodes.len());
    let nodes: Vec<Node> = nodes
        .into_iter()
        .zip(symbols)
        .zip(uses.nodes)
        .map(|((node, symbol), is_value)| {
            positions.push(node.at);
            let (name, alias) = final_name(&node.name);
            let reads = node.reads.into_iter().map(final_number).collect();
            Node { name, alias, symbol, function: node.function, reads, is_differentiated: tensors[node.tensor].flows && is_value }
        })
        .collect();
    let output = chosen.map(final_number);
    let name_of = |origin: TensorOrigin| match origin {
        TensorOrigin::Leaf(leaf) => leaves[leaf].name.clone(),
        TensorOrigin::Node(node) => nodes[node].name.clone(),
    };
    GraphResult {
        text,
        has_unknown: known_names.iter().any(|known| matches!(known.binding, Binding::Faulty)),
        no_tensor: reader.no_tensor,
        tensors: tensors.into_iter().map(|tensor| (name_of(tensor.origin), tensor.shape)).collect(),
        assigned: names.into_keys().collect(),
        output,
        positions,
        leaves,
        nodes,
        faults: reader.faults,
        missing: reader.missing,
        implied: Vec::new(),
        warnings: reader.warnings,
        left_out: reader.left_out,
    }
}

/// Returns the symbols of the operations: the source texts of the intermediate nodes. A source text of several nodes, such as `x[t]` in a loop, does not
/// tell them apart, so it is not a symbol.
fn symbols(reader: &GraphReader<'_, '_>) -> Vec<Option<CompactString>> {
    let is_intermediate = |node: &PendingNode| node.name.intermediate > 0;
    let source = |node: &PendingNode| Some(node).filter(|node| is_intermediate(node)).and_then(|node| reader.symbol(node));
    let mut symbols: Vec<Option<CompactString>> = reader.nodes.iter().map(source).collect();
    let mut counts: HashMap<CompactString, usize> = HashMap::new();
    for symbol in symbols.iter().flatten() {
        *counts.entry(symbol.clone()).or_default() += 1;
    }
    for symbol in &mut symbols {
        symbol.take_if(|symbol| counts[symbol] > 1);
    }
    symbols
}

/// Returns the output: the tensor with this name or, without a name, the last tensor that a statement assigns or returns. `None` if there is none.
fn output_tensor(reader: &GraphReader<'_, '_>, name: Option<&str>) -> Option<usize> {
    let Some(name) = name else { return reader.output.as_ref().map(|(id, ..)| *id) };
    match reader.binding(name) {
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
            for (slot, read) in node.reads.iter().enumerate() {
                is_used[*read] = true;
                // a copy of an index is an index, but a comparison of an index is not
                is_value[*read] |= !node.is_selector(slot) && (uses.nodes[n] || !node.is_copy);
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

/// Returns the final name of a tensor, and its alias. The last of three assignments to h has the plain name `h`, and the alias `h@3`. An assignment to a given
/// tensor x has an alias even if it is the only one: `x@1`.
fn final_name(name: &TensorName, known: Option<&KnownName>) -> (CompactString, Option<CompactString>) {
    let TensorName { base, version, intermediate, .. } = name;
    let (count, is_given) = known.map_or((0, false), |known| (known.versions, known.is_given));
    let is_last = *version == count;
    let is_last_of_several = is_last && count > 1;
    let is_assigned_input = is_given && *version > 0;
    let alias = (*intermediate == 0 && (is_last_of_several || is_assigned_input)).then(|| format_compact!("{base}@{version}"));
    // a given tensor x to which a statement assigns is `x@0`
    let versioned = if is_last { base.clone() } else { format_compact!("{base}@{version}") };
    (if *intermediate == 0 { versioned } else { format_compact!("{versioned}.{intermediate}") }, alias)
}
