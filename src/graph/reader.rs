//! The state while the text of a graph is read: the names so far, the tensors and operations that the statements made, and the faults.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use smallvec::SmallVec;

use super::structural::StructuralUses;
use super::value::{AxisExtremum, Operand, TensorId, Value};
use super::{Claim, GraphFault, MAX_FAULTS, MAX_OPERATIONS, TextStart};
use crate::network::Turn;
use crate::op::elementwise::shared::RecentOperations;
use crate::op::elementwise::{Elementwise, ElementwiseOperand};
use crate::op::layer::Reported;
use crate::op::operator::Operator;
use crate::op::rule::{Function, Operands};
use crate::op::slot::Reads;
use crate::python::tree::Span;
use crate::tensor::{Tensor, from_flat, len};

/// The largest number of entries of a result, and of its operands, for which the result is computed while the text is read.
const MAX_KNOWN: usize = 1 << 16;
/// The longest source text of an operation, in bytes, that can become its symbol.
pub const MAX_SOURCE: usize = 200;
/// The longest symbol, in characters.
const MAX_SYMBOL: usize = 12;

/// A tensor of the graph: the result of an operation, a given tensor or a constant.
#[allow(clippy::struct_excessive_bools)] // four independent facts
#[derive(Debug)]
pub struct GraphTensor {
    /// The shape.
    pub shape: Vec<usize>,
    /// The origin of the numbers.
    pub origin: TensorOrigin,
    /// `true` if the tensor depends on constants alone.
    pub is_constant: bool,
    /// `true` if a derivative can flow through the tensor to an input.
    pub flows: bool,
    /// The numbers, if they are known now: of given tensors and constants, and of small results of known tensors through which no derivative flows, such as
    /// `x > 0` for an input x.
    pub data: Option<Arc<Tensor>>,
    /// `true` if the text writes the shape: by `None`, `unsqueeze`, `view` or `keepdim`. Such a tensor gets no warning of accidental broadcasting.
    pub has_written_shape: bool,
    /// The names of the axes; empty if they have none.
    pub axes: Vec<Option<CompactString>>,
    /// `true` for a comparison, for masks joined by `&`, `|` or `~`, for a copy of a mask, and for a constant of `true` and `false`.
    pub is_mask: bool,
}

/// The origin of a tensor's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorOrigin {
    /// The given tensor or constant at this index of `leaves`.
    Leaf(usize),
    /// The operation at this index of `nodes`.
    Node(usize),
}

/// The name of a tensor. Its text is known at the end, because `h` becomes `h@1` if `h` is assigned again later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorName {
    /// The name that a statement assigns.
    pub base: CompactString,
    /// The index of `base` in the list of known names; `None` if `base` had no value when the tensor got its name.
    pub known: Option<usize>,
    /// The number of the assignment, from 1; 0 for a given tensor, and for an item of a list or a loop whose name has no assignment.
    pub version: usize,
    /// The number of the intermediate result within the statement, from 1; 0 for the result of the statement.
    pub intermediate: usize,
}

/// A given tensor, or a constant that the text makes.
#[derive(Debug)]
pub struct PendingLeaf {
    /// The name.
    pub name: TensorName,
    /// The numbers.
    pub value: Arc<Tensor>,
    /// The origin of the numbers.
    pub origin: LeafOrigin,
}

/// The origin of the numbers of a [`PendingLeaf`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafOrigin {
    /// An input of the file, which may have a derivative.
    Input,
    /// A constant of the file.
    Constant,
    /// The text. A constant such as `arange(3)` has a source text of its own, at this position of the text with this index. `None` for other constants, such
    /// as a list of numbers that is an operand, or the numbers with which `one_hot` compares.
    Text(Option<(usize, Span)>),
}

/// An operation that the text makes.
#[derive(Debug)]
pub struct PendingNode {
    /// The name.
    pub name: TensorName,
    /// `true` if the source text of the operation belongs to this operation alone, so that equations can show it.
    pub has_source: bool,
    /// The function.
    pub function: Arc<dyn Function>,
    /// The operands.
    pub reads: SmallVec<[TensorId; 2]>,
    /// The slots of the operands that are used as an index, a class or a mask.
    pub selectors: SmallVec<[usize; 2]>,
    /// The result.
    pub tensor: TensorId,
    /// `true` for a copy or a cast. Its operand counts as an index, a class or a mask if its result does.
    pub is_copy: bool,
    /// The index of the source text, and the position in it.
    pub at: (usize, Span),
    /// The number of its statement, from 0.
    pub statement: usize,
    /// The turn of the innermost loop.
    pub turn: Option<Turn>,
}

impl PendingNode {
    /// Returns whether the operand in this slot is used as an index, a class or a mask.
    pub fn is_selector(&self, slot: usize) -> bool {
        self.selectors.contains(&slot)
    }
}

/// A name of the text.
#[derive(Debug)]
pub struct KnownName {
    /// The value.
    pub binding: Binding,
    /// The number of assignments to the name so far that made a tensor or a number.
    pub versions: usize,
    /// `true` if the scenario gives a tensor with this name.
    pub is_given: bool,
}

/// The value of a name.
#[derive(Clone, Debug)]
pub enum Binding {
    /// A value.
    Known(Value),
    /// The statement that assigns the name, or the given tensor of this name, has a fault, which is reported.
    Faulty,
}

/// The state of reading a graph.
pub struct GraphReader<'t, 'c> {
    /// The source texts, such as one with all statements, or one for each statement.
    pub texts: &'t [&'t str],
    /// The places of these texts in the file.
    pub starts: &'t [TextStart],
    /// The index in `texts` of the text that is read now.
    pub text_number: usize,
    /// The index in `known_names` of each name.
    pub names: HashMap<CompactString, usize, foldhash::fast::RandomState>,
    /// All names, in the order in which they got their first value.
    pub known_names: Vec<KnownName>,
    /// The names of axes that the scenario gives, by tensor.
    pub axes: HashMap<CompactString, Vec<CompactString>>,
    /// The number of intermediate results of each version of a name so far.
    pub intermediates: HashMap<(CompactString, usize), usize>,
    /// All tensors.
    pub tensors: Vec<GraphTensor>,
    /// The given tensors and constants.
    pub leaves: Vec<PendingLeaf>,
    /// The operations.
    pub nodes: Vec<PendingNode>,
    /// The elementwise operations that were made last, which the next nodes can share.
    pub recent_operations: RecentOperations,
    /// The tensors that the current statement made and that have no name yet.
    pub fresh: Vec<TensorId>,
    /// The unnamed tensors of the right side of `a = b = x @ W`, which both targets share: each of them copies the result.
    pub shared: Vec<TensorId>,
    /// The statements: the index of the source text, and the position in it.
    pub statements: Vec<(usize, Span)>,
    /// The numbers of the statements in loops, by the index of the source text and the start.
    pub statement_at: HashMap<(usize, usize), usize>,
    /// The number of the current statement.
    pub statement: usize,
    /// The turn of the innermost loop.
    pub turn: Option<Turn>,
    /// The indices in `nodes` of the operations of each statement that has several.
    pub composite_statements: Vec<Range<usize>>,
    /// The indices in `nodes` of the operations of each call that has several.
    pub composite_calls: Vec<Range<usize>>,
    /// The given numbers on which the structure of the graph depends.
    pub structural: StructuralUses,
    /// The faults.
    pub faults: Vec<GraphFault>,
    /// Names without a value, with the source text and the position of their first use.
    pub missing: Vec<(CompactString, usize, Span)>,
    /// The names in `missing`.
    pub missing_names: HashSet<CompactString>,
    /// Warnings about valid lines that are probably mistakes.
    pub warnings: Vec<GraphFault>,
    /// Lines that have no meaning for the graph.
    pub left_out: Vec<(usize, Span)>,
    /// The last tensor that a statement assigned or returned, with the index of the source text and the position in it.
    pub output: Option<(TensorId, usize, Span)>,
    /// The last assignment, if it makes no tensor: its position, and the kind of its value.
    pub no_tensor: Option<(usize, Span, &'static str)>,
    /// `true` after `return`.
    pub has_returned: bool,
    /// The number of statements and operations so far. A statement and its first operation count as one.
    pub operations: usize,
    /// Whether the next operation is the first one of its statement, and was counted with it.
    pub first_is_counted: bool,
    /// Claims the memory of a tensor.
    pub claim: &'c mut Claim<'c>,
}

impl GraphReader<'_, '_> {
    /// Reports a fault at a position of the current text.
    pub fn fail(&mut self, span: &Span, message: impl Into<String>, help: impl Into<String>) -> Reported {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(GraphFault { text_number: self.text_number, span: span.clone(), message: message.into(), help: help.into() });
        }
        Reported
    }

    /// Adds a warning at a position of the current text.
    pub fn warn(&mut self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        if self.warnings.len() < MAX_FAULTS {
            self.warnings.push(GraphFault {
                text_number: self.text_number,
                span: span.clone(),
                message: message.into(),
                help: help.into(),
            });
        }
    }

    /// Counts a statement or an operation.
    ///
    /// # Errors
    /// If there are too many. Then reading stops.
    pub fn count(&mut self, span: &Span) -> Result<(), Reported> {
        self.operations += 1;
        if self.operations > MAX_OPERATIONS {
            let message = format!("the graph has more than {MAX_OPERATIONS} statements and operations");
            return Err(self.fail(span, message, "shorten its loops, or use operations on whole tensors"));
        }
        Ok(())
    }

    /// Reports a loop that would make too many statements, and stops reading.
    pub fn fail_too_long(&mut self, span: &Span, message: String) -> Reported {
        self.operations = MAX_OPERATIONS + 1;
        self.fail(span, message, "shorten it, or use operations on whole tensors")
    }

    /// Returns the indices of the operations from `first` on, if there are several.
    pub fn several_from(&self, first: usize) -> Option<Range<usize>> {
        (self.nodes.len() > first + 1).then_some(first..self.nodes.len())
    }

    /// Returns the source text at a position of the current text, as one line without comments.
    pub fn source(&self, span: &Span) -> String {
        self.source_in(self.text_number, span)
    }

    /// Returns the source text at a position of a text, as one line without comments.
    pub fn source_in(&self, text_number: usize, span: &Span) -> String {
        let text = self.texts.get(text_number).and_then(|text| text.get(span.clone())).unwrap_or_default();
        text.lines().map(|line| line.split('#').next().unwrap_or_default()).flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }

    /// Returns whether a tensor is a constant that the text makes, such as `arange(3)`.
    pub fn is_made_by_text(&self, id: TensorId) -> bool {
        matches!(self.tensors[id].origin, TensorOrigin::Leaf(leaf) if matches!(self.leaves[leaf].origin, LeafOrigin::Text(_)))
    }

    /// Returns the shape of a tensor.
    pub fn shape(&self, id: TensorId) -> &[usize] {
        &self.tensors[id].shape
    }

    /// Returns the shapes of tensors.
    fn shapes(&self, ids: &[TensorId]) -> SmallVec<[&[usize]; 3]> {
        ids.iter().map(|id| self.shape(*id)).collect()
    }

    /// Returns the shape of a tensor, a number, or a list of numbers.
    ///
    /// # Errors
    /// If the lists are ragged, or hold something else.
    pub fn shape_of(&mut self, value: &Value, span: &Span) -> Result<Vec<usize>, Reported> {
        match value {
            Value::Tensor(id) | Value::Extremum(AxisExtremum { values: id, .. }) => Ok(self.tensors[*id].shape.clone()),
            Value::List(_) | Value::Tuple(_) | Value::Range(_) => self.nested_numbers(value, span, &mut Vec::new()),
            _ => Ok(Vec::new()),
        }
    }

    /// Adds a given tensor or a constant.
    pub fn leaf(&mut self, name: TensorName, value: Arc<Tensor>, origin: LeafOrigin, is_mask: bool) -> TensorId {
        let id = self.tensors.len();
        let is_input = origin == LeafOrigin::Input;
        self.tensors.push(GraphTensor {
            shape: value.shape().to_vec(),
            origin: TensorOrigin::Leaf(self.leaves.len()),
            is_constant: !is_input,
            flows: is_input,
            data: Some(Arc::clone(&value)),
            has_written_shape: false,
            axes: Vec::new(),
            is_mask,
        });
        self.leaves.push(PendingLeaf { name, value, origin });
        id
    }

    /// Adds a constant that the current statement makes and whose source text is at `span`, such as `arange(3)`.
    ///
    /// # Errors
    /// If its memory is not available.
    pub fn written_constant(&mut self, shape: &[usize], data: Vec<f64>, span: &Span) -> Result<TensorId, Reported> {
        let id = self.constant(shape, data, span)?;
        if let Some(leaf) = self.leaves.last_mut() {
            leaf.origin = LeafOrigin::Text(Some((self.text_number, span.clone())));
        }
        Ok(id)
    }

    /// Adds a constant that the current statement makes for the operation at `span`.
    ///
    /// # Errors
    /// If its memory is not available.
    pub fn constant(&mut self, shape: &[usize], data: Vec<f64>, span: &Span) -> Result<TensorId, Reported> {
        self.claim_tensor(shape, span)?;
        let id = self.leaf(TensorName::default(), Arc::new(from_flat(shape, data)), LeafOrigin::Text(None), false);
        self.fresh.push(id);
        Ok(id)
    }

    /// Claims the memory of a tensor before it is made.
    ///
    /// # Errors
    /// If it is not available.
    pub fn claim_tensor(&mut self, shape: &[usize], span: &Span) -> Result<(), Reported> {
        (self.claim)(self.text_number, span, shape)
    }

    /// Adds an operation. None of its operands is an index, a class or a mask.
    ///
    /// # Errors
    /// If the shapes do not fit together, or the graph is too large.
    pub fn emit(&mut self, function: Arc<dyn Function>, reads: &[TensorId], span: &Span) -> Result<TensorId, Reported> {
        self.emit_selecting(function, reads, &[], span)
    }

    /// Adds a copy or a cast of tensors.
    ///
    /// # Errors
    /// If the graph is too large.
    pub fn emit_copy(&mut self, function: Arc<dyn Function>, reads: &[TensorId], span: &Span) -> Result<TensorId, Reported> {
        let id = self.emit(function, reads, span)?;
        self.mark_copy(id);
        self.tensors[id].is_mask = reads.iter().all(|read| self.tensors[*read].is_mask);
        Ok(id)
    }

    /// Marks the operation of a tensor as a copy or a cast.
    pub fn mark_copy(&mut self, id: TensorId) {
        if let TensorOrigin::Node(node) = self.tensors[id].origin {
            self.nodes[node].is_copy = true;
        }
    }

    /// Adds an operation. The operands at the positions `selectors` are indices, classes or masks.
    ///
    /// # Errors
    /// If the shapes do not fit together, or the graph is too large.
    pub fn emit_selecting(
        &mut self,
        function: Arc<dyn Function>,
        reads: &[TensorId],
        selectors: &[usize],
        span: &Span,
    ) -> Result<TensorId, Reported> {
        let shape = function.shape(&self.shapes(reads));
        let shape = shape.map_err(|mismatch| self.fail(span, mismatch.to_string(), ""))?;
        // the first operation of a statement was counted with the statement
        if !std::mem::take(&mut self.first_is_counted) {
            self.count(span)?;
        }
        self.claim_tensor(&shape, span)?;
        let flows = reads.iter().enumerate().any(|(slot, id)| self.tensors[*id].flows && function.backward(slot).is_some());
        let data = if flows { None } else { self.known_numbers(&*function, reads, &shape) };
        let tensor = self.tensors.len();
        let is_constant = reads.iter().all(|id| self.tensors[*id].is_constant);
        let origin = TensorOrigin::Node(self.nodes.len());
        self.tensors.push(GraphTensor {
            shape,
            origin,
            is_constant,
            flows,
            data,
            has_written_shape: false,
            axes: Vec::new(),
            is_mask: false,
        });
        self.nodes.push(PendingNode {
            name: TensorName::default(),
            has_source: true,
            function,
            reads: SmallVec::from_slice(reads),
            selectors: SmallVec::from_slice(selectors),
            tensor,
            is_copy: false,
            at: (self.text_number, span.clone()),
            statement: self.statement,
            turn: self.turn,
        });
        self.fresh.push(tensor);
        Ok(tensor)
    }

    /// Computes the numbers of an operation on known tensors; `None` if an operand is not known, or if the result or an operand is large.
    fn known_numbers(&self, function: &dyn Function, reads: &[TensorId], shape: &[usize]) -> Option<Arc<Tensor>> {
        let operands: Option<Vec<&Tensor>> = reads.iter().map(|id| self.tensors[*id].data.as_deref()).collect();
        let operands: Vec<&[f64]> = operands?.iter().filter_map(|tensor| tensor.as_slice()).collect();
        if len(shape) > MAX_KNOWN || operands.iter().any(|operand| operand.len() > MAX_KNOWN) || operands.len() < reads.len() {
            return None;
        }
        let rule = function.forward();
        // declared before `tensors`, so that it is dropped after them
        let memo;
        let tensors = Reads::inputs(operands);
        let mut numbers = vec![0.0; len(shape)];
        memo = rule.memo(&tensors);
        rule.overwrite(&Operands { tensors, memo: &memo }, &mut numbers);
        Some(Arc::new(from_flat(shape, numbers)))
    }

    /// Returns the symbol of an operation, which equations show if its result has no name of its own: its source text, in parentheses if it is more than one
    /// word. `None` if the text is too long, or belongs to several operations.
    pub fn symbol(&self, node: &PendingNode) -> Option<CompactString> {
        let (text_number, span) = &node.at;
        if !node.has_source || span.len() > MAX_SOURCE {
            return None;
        }
        let text = self.source_in(*text_number, span);
        if text.is_empty() || text.chars().count() > MAX_SYMBOL {
            return None;
        }
        let is_word = text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        Some(if is_word { text.into() } else { format_compact!("({text})") })
    }

    /// Adds an elementwise operation on tensors and numbers, which are broadcast to one shape.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast, or the graph is too large.
    pub fn elementwise(&mut self, operator: Operator, values: &[Value], span: &Span) -> Result<TensorId, Reported> {
        let mut reads: SmallVec<[TensorId; 3]> = SmallVec::new();
        let mut operands: SmallVec<[ElementwiseOperand; 3]> = SmallVec::new();
        for value in values {
            operands.push(match self.operand(value, span)? {
                Operand::Tensor(id) => {
                    reads.push(id);
                    ElementwiseOperand::Input(reads.len() - 1)
                }
                Operand::Number(number) => ElementwiseOperand::Constant(number),
            });
        }
        let broadcast = Elementwise::new(operator, &operands).broadcast(&self.shapes(&reads));
        match broadcast {
            Ok(function) => {
                self.warn_accidental_broadcast(&reads, span);
                let axes = self.joined_axes(&reads);
                let function = self.recent_operations.shared(function);
                let id = self.emit(function, &reads, span)?;
                self.tensors[id].axes = axes;
                Ok(id)
            }
            Err(_) => Err(self.fail_broadcast(&reads, span)),
        }
    }

    /// Reports tensors that cannot be broadcast to one shape.
    pub fn fail_broadcast(&mut self, reads: &[TensorId], span: &Span) -> Reported {
        let names: Vec<String> = reads.iter().map(|id| self.describe(*id)).collect();
        let message = format!("{} cannot be broadcast to one shape", names.join(" and "));
        let mut help = "axes are compared from the last one: two sizes must be equal, or one of them 1".to_owned();
        if let [a, b] = reads {
            let (a, b) = (self.shape(*a), self.shape(*b));
            let clash = a.iter().rev().zip(b.iter().rev()).find(|(a, b)| a != b && **a != 1 && **b != 1);
            if let Some((a, b)) = clash {
                help = format!("{a} meets {b}; {help}");
            }
        }
        self.fail(span, message, help)
    }
}
