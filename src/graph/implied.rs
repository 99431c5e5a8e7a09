//! Infers the shapes of names without a value from the text, as far as the text implies them.
//!
//! The statements are interpreted on shapes that are known in part (`implied/shapes.rs`). In `h = x @ W + b` with x of 4x3, the first size of W is 3, and b has
//! a number for each column of the product. Each operation records what it implies, and the text is read again until nothing new is found.
//!
//! The first phase uses only certain facts. The second phase assumes the usual shape where the text does not determine it: a matrix to the right of `@`, a
//! bias with one axis. If the assumptions contradict each other, the result is that of the first phase.

mod arguments;
mod expression;
mod functions;
mod inference;
mod networks;
mod shapes;

use std::collections::HashSet;
use std::rc::Rc;

use compact_str::CompactString;

use super::GivenTensor;
use super::statement::{assigned_names, first_name, is_left_out};
use crate::python::tree::{BinaryOperator, ExprKind, PythonExpr, Statement, StatementKind};
use crate::tensor::Tensor;
use inference::{Assumed, Implied, Inference, Likely, MissingName, Usage};
use shapes::Shape;

/// The largest number of statements that are interpreted, with those of unrolled loops.
const MAX_STATEMENTS: usize = 5000;
/// The largest number of names whose shapes are inferred.
const MAX_NAMES: usize = 50;
/// The text is read again at most this many times, and one more time for each name.
const MAX_ROUNDS: usize = 4;
/// The largest number of matrices that are checked for being vectors instead.
const MAX_TRIED_VECTORS: usize = 12;

/// The facts that the text implies about a name without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpliedTensor {
    /// The name.
    pub name: CompactString,
    /// The sizes, each `None` if it is not known; `None` if the rank is not known.
    pub shape: Option<Vec<Option<usize>>>,
    /// The use of the name.
    pub role: ImpliedRole,
    /// A shape with which the tensor is broadcast, if other shapes are possible.
    pub broadcasts_with: Option<Vec<Option<usize>>>,
    /// Other ranks that the text allows.
    pub other_ranks: OtherRanks,
    /// The last size, if the shape is not known.
    pub last_size: Option<usize>,
    /// The shape of a tensor of probabilities, if the tensor has classes and probabilities are possible instead.
    pub probabilities: Option<Vec<Option<usize>>>,
}

/// The ranks that the text allows beside that of the shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherRanks {
    /// The size of the vector, if the tensor may be a vector.
    pub vector: Option<usize>,
    /// `true` if there may be more axes before those of the shape.
    pub more: bool,
}

/// The use of a name without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImpliedRole {
    /// Numbers with a derivative.
    Numbers,
    /// Indices or classes, which are below this number if it is known.
    Indices(Option<usize>),
    /// A table with at least this number of rows.
    Table(usize),
    /// Numbers that cannot have a derivative.
    Constant,
    /// A size, such as the `n` of `x.view(n, -1)`, with its value if it is known.
    Size(Option<usize>),
}

/// Infers the shapes of the names without a value. `programs` are the statements of the texts.
pub fn infer(programs: &[Vec<Statement>], given: &[GivenTensor], missing: &[CompactString]) -> Vec<ImpliedTensor> {
    let text = Text { programs, given, missing };
    let Some(certain) = text.solve(false, &HashSet::new()) else { return Vec::new() };
    let Some(assumed) = text.solve(true, &HashSet::new()) else {
        return certain.missing.iter().map(|missing| result(&certain, missing)).collect();
    };
    let mut results: Vec<ImpliedTensor> = assumed.missing.iter().map(|missing| result(&assumed, missing)).collect();
    // an assumed matrix may be a vector instead, unless this contradicts the text
    for result in results.iter_mut().filter(|result| result.other_ranks.vector.is_some()).take(MAX_TRIED_VECTORS) {
        if text.solve(true, &HashSet::from([result.name.clone()])).is_none() {
            result.other_ranks.vector = None;
        }
    }
    results
}

/// A text with the given tensors and the names without a value.
struct Text<'t> {
    programs: &'t [Vec<Statement>],
    given: &'t [GivenTensor],
    missing: &'t [CompactString],
}

impl Text<'_> {
    /// Reads the text until nothing new is found; `None` if it is too long, or contradicts itself. If `assumes` is `true`, the second phase follows the first.
    /// The names of `vectors` are assumed to be vectors.
    fn solve(&self, assumes: bool, vectors: &HashSet<CompactString>) -> Option<Inference> {
        let new = |vectors: HashSet<CompactString>| Inference { vectors, ..Inference::default() };
        let mut inference = new(vectors.clone());
        let (mut sizes_before, mut vector_count) = (Vec::new(), vectors.len());
        for round in 0.. {
            inference.assumes = assumes && round > 0;
            read(&mut inference, self)?;
            if inference.vectors.len() > vector_count {
                // some assumed matrices are vectors: begin again with this knowledge
                vector_count = inference.vectors.len();
                inference = new(std::mem::take(&mut inference.vectors));
                continue;
            }
            if inference.assumes {
                settle(&mut inference);
            }
            let sizes_now: Vec<_> = inference.missing.iter().map(|missing| known_sizes(&inference, missing.shape)).collect();
            if sizes_now == sizes_before && inference.assumes == assumes || round >= MAX_ROUNDS + self.missing.len() {
                break;
            }
            sizes_before = sizes_now;
        }
        Some(inference).filter(|inference| !inference.shapes.has_conflict)
    }
}

/// Reads the text once; `None` if it is too long.
fn read(inference: &mut Inference, text: &Text<'_>) -> Option<()> {
    inference.names.clear();
    inference.largest.clear();
    inference.statement_count = 0;
    inference.lookup_count = 0;
    if inference.missing.is_empty() {
        for name in text.missing.iter().take(MAX_NAMES) {
            let shape = inference.shapes.unknown_shape();
            inference.missing.push(MissingName {
                name: name.clone(),
                shape,
                usage: Usage::default(),
                likely: None,
                assumed: None,
                last_size: None,
                probabilities: None,
            });
        }
    }
    // a likely shape is dropped if the shape of its name is still unknown
    let Inference { shapes, missing: names, .. } = inference;
    names.iter_mut().filter(|missing| shapes.sizes(missing.shape).is_none()).for_each(|missing| missing.likely = None);
    for tensor in text.given {
        let value = match &tensor.value {
            #[allow(clippy::cast_possible_truncation)] // a whole number below 10¹⁵
            Some(value) if value.ndim() == 0 && !tensor.is_input => match value.first() {
                Some(x) if x.fract() == 0.0 && x.abs() < 1e15 => Implied::Integer(*x as i64),
                _ => Implied::Number,
            },
            Some(value) => {
                let shape = inference.shapes.known(value.shape());
                inference.largest.extend(largest(value).map(|largest| (shape, largest)));
                Implied::Tensor(shape)
            }
            None => Implied::Unknown,
        };
        inference.names.insert(tensor.name.clone(), value);
    }
    for statements in text.programs {
        run(inference, statements)?;
    }
    inference.solve_products();
    Some(())
}

/// Returns the largest entry of a tensor that may be one of indices: whole numbers that are not negative.
fn largest(tensor: &Tensor) -> Option<usize> {
    const MAX_INDEX: f64 = 1e9;
    let is_index = |x: &f64| x.fract() == 0.0 && (0.0..MAX_INDEX).contains(x);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole numbers below 10⁹
    tensor.iter().try_fold(0, |most: usize, x| is_index(x).then(|| most.max(*x as usize)))
}

/// Gives each name of unknown rank its likely shape.
fn settle(inference: &mut Inference) {
    for n in 0..inference.missing.len() {
        let MissingName { shape, likely, .. } = inference.missing[n];
        if inference.shapes.sizes(shape).is_some() {
            continue;
        }
        match likely {
            Some(Likely::Last(other)) => {
                let sizes = inference.shapes.sizes(other).unwrap_or_default();
                // the bias of a product with a vector may be a number or a vector, so it is left open
                let is_vector = sizes.len() == 1 && !inference.vectors.is_empty();
                if let Some(last) = sizes.last().filter(|_| !is_vector) {
                    inference.shapes.set(shape, vec![*last]);
                }
            }
            Some(Likely::Whole(other)) => inference.shapes.equate(shape, other),
            Some(Likely::Any(_)) | None => {}
        }
    }
}

/// Returns the sizes of a shape, each `None` if it is not known; `None` if the rank is not known.
fn known_sizes(inference: &Inference, shape: Shape) -> Option<Vec<Option<usize>>> {
    inference.shapes.sizes(shape).map(|sizes| sizes.into_iter().map(|size| inference.shapes.value(size)).collect())
}

/// Collects what is known about a name at the end.
fn result(inference: &Inference, missing: &MissingName) -> ImpliedTensor {
    let mut shape = known_sizes(inference, missing.shape);
    if let (Usage::Table(rows), Some([first @ None, ..])) = (missing.usage, shape.as_deref_mut()) {
        *first = Some(rows);
    }
    let partly_known = |shape| known_sizes(inference, shape).filter(|sizes| sizes.iter().any(Option::is_some));
    let broadcasts_with = match missing.likely {
        Some(Likely::Last(other) | Likely::Whole(other) | Likely::Any(other)) => partly_known(other),
        None => None,
    };
    let role = match missing.usage {
        Usage::Numbers => ImpliedRole::Numbers,
        Usage::Indices(below) => ImpliedRole::Indices(below.and_then(|size| inference.shapes.value(size))),
        Usage::Table(rows) => ImpliedRole::Table(rows),
        Usage::Constant => ImpliedRole::Constant,
        Usage::Size(size) => ImpliedRole::Size(inference.shapes.value(size)),
    };
    // an assumed matrix without a known size is not reported
    let shape = shape.filter(|sizes| missing.assumed.is_none() || sizes.iter().any(Option::is_some));
    // as a vector, the tensor would have the first size of the assumed matrix
    let vector = shape.as_ref().filter(|sizes| missing.assumed.is_some() && sizes.len() == 2).and_then(|sizes| sizes[0]);
    let other_ranks = OtherRanks { vector, more: missing.assumed == Some(Assumed::Matrices) && shape.is_some() };
    let probabilities = missing.probabilities.and_then(|shape| known_sizes(inference, shape));
    let last_size = missing.last_size.and_then(|size| inference.shapes.value(size)).filter(|_| shape.is_none());
    ImpliedTensor { name: missing.name.clone(), shape, role, broadcasts_with, other_ranks, last_size, probabilities }
}

/// Interprets statements; `None` if there are too many.
fn run(inference: &mut Inference, statements: &[Statement]) -> Option<()> {
    for statement in statements {
        inference.statement_count += 1;
        if inference.statement_count > MAX_STATEMENTS {
            return None;
        }
        if is_left_out(&statement.kind) {
            continue;
        }
        match &statement.kind {
            StatementKind::Assign(targets, value) => {
                let value = inference.evaluate(value);
                for target in targets {
                    assign(inference, target, &value);
                }
            }
            StatementKind::Augment(target, operator, value) => augment(inference, target, *operator, value),
            StatementKind::For(variable, iterable, body) => for_loop(inference, variable, iterable, body)?,
            StatementKind::With(_, body) => run(inference, body)?,
            StatementKind::Expression(expr) => append(inference, expr),
            StatementKind::Return(value) => drop(inference.evaluate(value)),
            StatementKind::LeftOut => {}
            StatementKind::Faulty(names) => names.iter().for_each(|name| drop(inference.names.insert(name.clone(), Implied::Unknown))),
        }
    }
    Some(())
}

/// Interprets `target += value` as `target = target + value`, and so for the other operators.
fn augment(inference: &mut Inference, target: &PythonExpr, operator: BinaryOperator, value: &PythonExpr) {
    let link = crate::python::tree::Link { operator, span: value.span.clone(), right: value.clone() };
    let sum = PythonExpr { span: value.span.clone(), kind: ExprKind::Chain(Box::new(target.clone()), vec![link]) };
    let value = inference.evaluate(&sum);
    assign(inference, target, &value);
}

fn assign(inference: &mut Inference, target: &PythonExpr, value: &Implied) {
    match &target.kind {
        ExprKind::Tuple(targets) | ExprKind::List(targets) => {
            let items: Vec<Implied> = match value {
                Implied::Items(items) if items.len() == targets.len() => items.to_vec(),
                Implied::Pieces(shape) => vec![Implied::Tensor(*shape); targets.len()],
                Implied::Pair(shape) if targets.len() == 2 => vec![Implied::Tensor(*shape); 2],
                _ => vec![Implied::Unknown; targets.len()],
            };
            targets.iter().zip(&items).for_each(|(target, item)| assign(inference, target, item));
        }
        // x[i] = value keeps the shape
        ExprKind::Index(..) => {}
        _ => {
            if let Some(name) = first_name(target) {
                inference.names.insert(name, value.clone());
            }
        }
    }
}

/// Interprets `list.append(value)` and `list.extend(values)`.
fn append(inference: &mut Inference, expr: &PythonExpr) {
    let ExprKind::Call(function, arguments) = &expr.kind else { return };
    let (ExprKind::Attribute(base, method), [argument]) = (&function.kind, &arguments[..]) else { return };
    let value = inference.evaluate(&argument.value);
    let Some(name) = first_name(base) else { return };
    let Some(Implied::Items(items)) = inference.names.get_mut(&name) else { return };
    match (method.text.as_str(), value) {
        ("append", value) => Rc::make_mut(items).push(value),
        ("extend", Implied::Items(values)) => Rc::make_mut(items).extend(values.iter().cloned()),
        // the number of items is not known any more
        _ => {
            inference.names.insert(name, Implied::Unknown);
        }
    }
}

/// Unrolls a loop. If the number of turns is unknown, the body is read once, and the names that it assigns are unknown after it.
fn for_loop(inference: &mut Inference, variable: &PythonExpr, iterable: &PythonExpr, body: &[Statement]) -> Option<()> {
    let iterated = inference.evaluate(iterable);
    // the rows of a tensor: their number, if it is known, and the value of each row
    let rows = match &iterated {
        Implied::Tensor(shape) => inference.shapes.sizes(*shape).and_then(|sizes| {
            let (first, rest) = sizes.split_first()?;
            let row = if rest.is_empty() { Implied::Number } else { Implied::Tensor(inference.shapes.of(rest.to_vec())) };
            Some((inference.shapes.value(*first), row))
        }),
        _ => None,
    };
    let turns = match (&iterated, &rows) {
        (Implied::Items(items), _) => Some(items.len()),
        (_, Some((turns, _))) => *turns,
        _ => None,
    };
    for turn in 0..turns.unwrap_or(1) {
        let value = match (&iterated, &rows) {
            (Implied::Items(items), _) => items[turn].clone(),
            (_, Some((_, row))) => row.clone(),
            _ => Implied::Unknown,
        };
        assign(inference, variable, &value);
        run(inference, body)?;
    }
    if turns.is_none() {
        let changed: Vec<CompactString> = body.iter().flat_map(|statement| assigned_names(&statement.kind)).collect();
        for name in changed {
            inference.names.insert(name, Implied::Unknown);
        }
    }
    Some(())
}
