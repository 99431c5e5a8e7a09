//! Products: `@`, `matmul`, `dot`, `outer`, `linear`, `einsum`.

use std::ops::RangeInclusive;

use crate::graph::call::{Call, FunctionRow, Spelling};
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::einsum::{EinsumKind, einsum as einsum_function};
use crate::op::layer::Reported;
use crate::op::operator::Operator;
use crate::python::tree::Span;
use crate::tensor::len;
use crate::text::counted;

use super::shape::viewed;

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["matmul"], parameters: &["input|a|x1", "other|b|x2"], build: matmul_call },
    FunctionRow { names: &["mm"], parameters: &["input", "mat2"], build: mm },
    FunctionRow { names: &["bmm"], parameters: &["input", "mat2"], build: bmm },
    FunctionRow { names: &["mv"], parameters: &["input", "vec"], build: mv },
    FunctionRow { names: &["dot"], parameters: &["input|a", "other|b"], build: dot },
    FunctionRow { names: &["inner"], parameters: &["input|a", "other|b"], build: inner },
    FunctionRow { names: &["outer"], parameters: &["input|a", "vec2|b"], build: outer },
    FunctionRow { names: &["linear"], parameters: &["input", "weight", "bias"], build: linear },
    FunctionRow { names: &["einsum"], parameters: &["equation", "*operands"], build: einsum },
];

fn matmul_call(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let ((left, _), (right, _)) = (call.required(reader, 0)?, call.required(reader, 1)?);
    matmul(reader, &left, &right, &call.span)
}

fn mm(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    matmul_of_ranks(reader, call, [2, 2], "two matrices")
}

fn bmm(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    matmul_of_ranks(reader, call, [3, 3], "two batches of matrices")
}

fn mv(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    matmul_of_ranks(reader, call, [2, 1], "a matrix and a vector")
}

/// Returns the two operands of a product and their ranks.
fn operands(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<(Value, Value, [usize; 2]), Reported> {
    let ((left, left_span), (right, right_span)) = (call.required(reader, 0)?, call.required(reader, 1)?);
    let ranks = [reader.shape_of(&left, &left_span)?.len(), reader.shape_of(&right, &right_span)?.len()];
    Ok((left, right, ranks))
}

/// Multiplies two operands of these ranks. `words` name them in the message, such as "two matrices".
fn matmul_of_ranks(reader: &mut GraphReader<'_, '_>, call: &Call, ranks: [usize; 2], words: &str) -> Result<Value, Reported> {
    let (left, right, found) = operands(reader, call)?;
    if found != ranks {
        return Err(reader.fail(&call.span, format!("{} multiplies {words}", call.name), "@ multiplies tensors of any rank"));
    }
    matmul(reader, &left, &right, &call.span)
}

/// Multiplies vectors, matrices, and batches of matrices, as `numpy.matmul` does.
///
/// # Errors
/// If the shapes do not fit together.
pub fn matmul(reader: &mut GraphReader<'_, '_>, left: &Value, right: &Value, span: &Span) -> Result<Value, Reported> {
    let (a, b) = (reader.tensor(left, span)?, reader.tensor(right, span)?);
    let (left_shape, right_shape) = (reader.shape(a).to_vec(), reader.shape(b).to_vec());
    if left_shape.is_empty() || right_shape.is_empty() {
        return Err(reader.fail(span, "@ multiplies matrices and vectors, but one operand is a single number", "write *"));
    }
    let columns = left_shape[left_shape.len() - 1];
    // the entries of a vector count as rows
    let rows = right_shape[right_shape.len().saturating_sub(2)];
    if columns != rows {
        let message = format!("{} @ {}: {} {}", reader.describe(a), reader.describe(b), columns_meet(columns), counted(rows, "row"));
        let fits_transposed = right_shape.len() >= 2 && right_shape[right_shape.len() - 1] == columns;
        let help = if fits_transposed {
            let name = reader.name_of(b);
            match name.strip_suffix(".T") {
                Some(name) => format!("the second one fits if it is not transposed: {name}"),
                None => format!("the second one fits if it is transposed: {name}.T"),
            }
        } else {
            "the columns of the first operand are the rows of the second one".to_owned()
        };
        return Err(reader.fail(span, message, help));
    }
    // labels: 0 the rows of a, 1 the columns of b, 2 the summed axis, then the axes of the batch
    let mut sizes = vec![1, 1, columns];
    let (mut left_labels, mut right_labels, mut output) = (vec![2], vec![2], Vec::new());
    if left_shape.len() > 1 {
        sizes[0] = left_shape[left_shape.len() - 2];
        left_labels.insert(0, 0);
        output.push(0);
    }
    if right_shape.len() > 1 {
        sizes[1] = right_shape[right_shape.len() - 1];
        right_labels.push(1);
        output.push(1);
    }
    let batch_of = |shape: &[usize]| shape[..shape.len().saturating_sub(2)].to_vec();
    let (left_batch, right_batch) = (batch_of(&left_shape), batch_of(&right_shape));
    let rank = left_batch.len().max(right_batch.len());
    for n in 0..rank {
        // axis n of a batch, counted from its last axis
        let size = |batch: &[usize]| batch.len().checked_sub(n + 1).map(|axis| batch[axis]);
        let (left_size, right_size) = (size(&left_batch), size(&right_batch));
        let broadcast_size = left_size.unwrap_or(1).max(right_size.unwrap_or(1));
        if [left_size, right_size].into_iter().flatten().any(|size| size != broadcast_size && size != 1) {
            let message = format!("{} @ {}: their batches cannot be broadcast", reader.describe(a), reader.describe(b));
            return Err(reader.fail(span, message, "the axes before the last two must be equal, or 1"));
        }
        let label = sizes.len();
        sizes.push(broadcast_size);
        for (size, labels) in [(left_size, &mut left_labels), (right_size, &mut right_labels)] {
            match size {
                None => {}
                Some(size) if size == broadcast_size => labels.insert(0, label),
                Some(_) => {
                    // an axis of size 1 that is repeated has a label of its own
                    labels.insert(0, sizes.len());
                    sizes.push(1);
                }
            }
        }
        output.insert(0, label);
    }
    let kind = if left_shape.len() == 1 && right_shape.len() == 1 { EinsumKind::Dot } else { EinsumKind::MatMul };
    let function = einsum_function(&[&left_labels, &right_labels], &output, &sizes, kind);
    reader.emit(function, &[a, b], span).map(Value::Tensor)
}

fn dot(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    // NumPy's dot multiplies matrices too; PyTorch's does not
    inner_product(reader, call, call.spelling != Spelling::Torch)
}

fn inner(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    inner_product(reader, call, false)
}

fn inner_product(reader: &mut GraphReader<'_, '_>, call: &Call, allows_matrices: bool) -> Result<Value, Reported> {
    let (left, right, ranks) = operands(reader, call)?;
    match ranks {
        [0, _] | [_, 0] => reader.elementwise(Operator::Mul, &[left, right], &call.span).map(Value::Tensor),
        [1, 1] => matmul(reader, &left, &right, &call.span),
        [1 | 2, 1 | 2] if allows_matrices => matmul(reader, &left, &right, &call.span),
        _ => {
            let help = "torch.dot multiplies two vectors; @ multiplies matrices, as np.dot does";
            Err(reader.fail(&call.span, format!("{} of tensors with {} and {} axes is not possible", call.name, ranks[0], ranks[1]), help))
        }
    }
}

fn outer(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let [a, b] = [0, 1].map(|at| call.tensor(reader, at));
    let (mut a, mut b) = (a?, b?);
    if call.is_numpy() {
        // NumPy flattens its operands
        for id in [&mut a, &mut b] {
            let entries = len(reader.shape(*id));
            *id = if reader.shape(*id).len() == 1 { *id } else { viewed(reader, *id, &[entries], &call.span)? };
        }
    }
    let ([rows], [columns]) = (reader.shape(a), reader.shape(b)) else {
        return Err(reader.fail(&call.span, "outer multiplies two vectors", "x[:, None] * y[None, :] does the same"));
    };
    let function = einsum_function(&[&[0], &[1]], &[0, 1], &[*rows, *columns], EinsumKind::Outer);
    reader.emit(function, &[a, b], &call.span).map(Value::Tensor)
}

fn linear(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    let (x, weight) = (call.tensor(reader, 0)?, call.tensor(reader, 1)?);
    let (input, shape) = (reader.shape(x).to_vec(), reader.shape(weight).to_vec());
    let Some((columns, [outputs, inputs])) = input.last().copied().zip(<[usize; 2]>::try_from(&shape[..]).ok()) else {
        return Err(reader.fail(&call.span, "linear takes an input and a weight of the shape out x in", ""));
    };
    if columns != inputs {
        let meet = format!("{} {}", columns_meet(columns), counted(inputs, "input"));
        let message = format!("{} meets the weight {}: {meet}", reader.describe(x), reader.describe(weight));
        let help = if columns == outputs {
            "PyTorch's weight is out x in: yours seems to be in x out, so write x @ W"
        } else {
            "PyTorch's weight is out x in"
        };
        return Err(reader.fail(&call.span, message, help));
    }
    let rank = input.len();
    // einsum("…i,oi->…o"): the axes of x are the labels 0 to rank − 1, the last one is i, and o is the label `rank`
    let mut sizes = input.clone();
    sizes.push(outputs);
    let left: Vec<usize> = (0..rank).collect();
    let output: Vec<usize> = (0..rank - 1).chain([rank]).collect();
    let function = einsum_function(&[&left, &[rank, rank - 1]], &output, &sizes, EinsumKind::General);
    let product = reader.emit(function, &[x, weight], &call.span)?;
    match call.get(2).map(|(bias, _)| bias.clone()) {
        Some(bias) => reader.elementwise(Operator::Add, &[Value::Tensor(product), bias], &call.span).map(Value::Tensor),
        None => Ok(Value::Tensor(product)),
    }
}

/// The labels of an einsum. Each axis of an operand has a label: the number of its letter, or a label of its own if the axis has size 1 and is repeated. Axes
/// with the same label have the same size.
#[derive(Debug, Default)]
struct EinsumAxes {
    /// The letter of each label; [`UNNAMED`] for a label that no letter names.
    letters: Vec<char>,
    /// The size of each label.
    sizes: Vec<usize>,
    /// The labels of the axes of each operand.
    labels: Vec<Vec<usize>>,
}

/// The letter of an axis of size 1 that is repeated: it has a label of its own.
const UNNAMED: char = '\0';

impl EinsumAxes {
    /// Adds a label, and returns its number.
    fn new_label(&mut self, letter: char, size: usize) -> usize {
        self.letters.push(letter);
        self.sizes.push(size);
        self.letters.len() - 1
    }

    /// Adds an operand. A fault is a message and a help text.
    fn add(&mut self, reader: &GraphReader<'_, '_>, operand: &str, id: TensorId) -> Result<(), (String, &'static str)> {
        let shape = reader.shape(id).to_vec();
        if operand.chars().count() != shape.len() {
            let [letters, axes] = [(operand.chars().count(), "letter"), (shape.len(), "axis")].map(|(count, noun)| counted(count, noun));
            let message = format!("\"{operand}\" has {letters}, but {} has {axes}", reader.describe(id));
            return Err((message, "write a letter for each axis"));
        }
        let mut labels = Vec::new();
        for (letter, size) in operand.chars().zip(shape) {
            let label = match self.letters.iter().position(|known| *known == letter) {
                Some(label) => label,
                None => self.new_label(letter, size),
            };
            match (self.sizes[label], size) {
                (known, size) if known == size => labels.push(label),
                // an axis of size 1 is repeated, as in PyTorch
                (_, 1) => labels.push(self.new_label(UNNAMED, 1)),
                // the axes with this letter so far have size 1, and are repeated
                (1, size) => {
                    let single = self.new_label(UNNAMED, 1);
                    for earlier in self.labels.iter_mut().flatten().filter(|earlier| **earlier == label) {
                        *earlier = single;
                    }
                    self.sizes[label] = size;
                    labels.push(label);
                }
                (known, size) => {
                    let message = format!("the axes \"{letter}\" have the sizes {known} and {size}");
                    return Err((message, "axes with one letter must have one size"));
                }
            }
        }
        self.labels.push(labels);
        Ok(())
    }

    /// Returns the labels of the letters after `->`, or a message.
    fn named(&self, result: &str) -> Result<Vec<usize>, String> {
        let mut output = Vec::new();
        for letter in result.chars() {
            match self.letters.iter().position(|known| *known == letter) {
                Some(at) if !output.contains(&at) => output.push(at),
                _ => return Err(format!("the letter \"{letter}\" after -> must occur only once there, and must also occur before ->")),
            }
        }
        Ok(output)
    }

    /// Returns the labels of the result of an einsum without `->`, as in NumPy and PyTorch: first the axes of `...`, then the letters that occur once, in the
    /// order of the alphabet.
    fn implicit_result(&self) -> Vec<usize> {
        let count = |at: usize| self.labels.iter().flatten().filter(|label| **label == at).count();
        let is_of_ellipsis = |at: usize| ELLIPSIS_LETTERS.contains(&self.letters[at]);
        let is_in_result = |at: &usize| is_of_ellipsis(*at) || (self.letters[*at] != UNNAMED && count(*at) == 1);
        let mut result: Vec<usize> = (0..self.letters.len()).filter(is_in_result).collect();
        result.sort_by_key(|at| (!is_of_ellipsis(*at), self.letters[*at]));
        result
    }
}

/// The letters that take the place of `...`: mathematical bold letters, which nobody writes in an equation.
const ELLIPSIS_LETTERS: RangeInclusive<char> = '\u{1d400}'..='\u{1d433}';

/// Replaces `...` in the texts of an einsum by letters that occur nowhere else. An operand whose `...` stands for fewer axes than that of another operand gets
/// the last of these letters. A fault is a message.
fn with_ellipsis(
    reader: &GraphReader<'_, '_>,
    operands: &[&str],
    result: Option<&str>,
    ids: &[TensorId],
) -> Result<(Vec<String>, Option<String>), String> {
    if !operands.iter().any(|operand| operand.contains("...")) {
        return Ok((operands.iter().map(ToString::to_string).collect(), result.map(str::to_owned)));
    }
    let mut largest_count = 0;
    let mut counts = Vec::new();
    for (operand, id) in operands.iter().zip(ids) {
        let named = operand.replace("...", "").chars().count();
        let Some(unnamed) = reader.shape(*id).len().checked_sub(named) else {
            return Err(format!("\"{operand}\" has more letters than {} has axes", reader.describe(*id)));
        };
        let unnamed = if operand.contains("...") { unnamed } else { 0 };
        counts.push(unnamed);
        largest_count = largest_count.max(unnamed);
    }
    let letters: String = ELLIPSIS_LETTERS.take(largest_count).collect();
    let tail = |count: usize| letters.chars().skip(largest_count - count).collect::<String>();
    let spelled = operands.iter().zip(&counts).map(|(operand, count)| operand.replace("...", &tail(*count))).collect();
    Ok((spelled, result.map(|result| result.replace("...", &letters))))
}

fn einsum(reader: &mut GraphReader<'_, '_>, call: &Call) -> Result<Value, Reported> {
    call.required(reader, 0)?;
    // not `None`: it is required
    let Some(text) = call.text(reader, 0)? else { return Err(Reported) };
    let values = match &call.starred[..] {
        [(value, span)] if value.items().is_some() => {
            value.items().unwrap_or_default().into_iter().map(|item| (item, span.clone())).collect()
        }
        starred => starred.to_vec(),
    };
    let ids: Vec<TensorId> = values.iter().map(|(value, span)| reader.tensor(value, span)).collect::<Result<_, _>>()?;
    let help = "for example einsum(\"ij,jk->ik\", a, b)";
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (operands, result) = match text.split_once("->") {
        Some((operands, result)) => (operands, Some(result)),
        None => (text.as_str(), None),
    };
    let operands: Vec<&str> = operands.split(',').collect();
    if operands.len() != ids.len() {
        let message = format!("the text has {} operands, but {} are given", operands.len(), ids.len());
        return Err(reader.fail(&call.span, message, help));
    }
    let (operands, result) = match with_ellipsis(reader, &operands, result, &ids) {
        Ok(spelled_out) => spelled_out,
        Err(message) => return Err(reader.fail(&call.span, message, "\"...\" stands for the axes of an operand that have no letter")),
    };
    let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
    let result = result.as_deref();
    if let Some(wrong) = operands.iter().flat_map(|operand| operand.chars()).find(|c| !c.is_alphabetic()) {
        let message = format!("\"{wrong}\" is not possible in the text of an einsum");
        return Err(reader.fail(&call.span, message, "write a letter for each axis"));
    }
    let mut axes = EinsumAxes::default();
    for (operand, id) in operands.iter().zip(&ids) {
        axes.add(reader, operand, *id).map_err(|(message, help)| reader.fail(&call.span, message, help))?;
    }
    let output = match result {
        Some(result) => axes.named(result).map_err(|message| reader.fail(&call.span, message, help))?,
        None => axes.implicit_result(),
    };
    let EinsumAxes { labels, sizes, .. } = axes;
    let operands: Vec<&[usize]> = labels.iter().map(Vec::as_slice).collect();
    reader.emit(einsum_function(&operands, &output, &sizes, EinsumKind::General), &ids, &call.span).map(Value::Tensor)
}

/// Returns a number of columns with its verb: `1 column meets`, `2 columns meet`.
fn columns_meet(columns: usize) -> String {
    format!("{} {}", counted(columns, "column"), if columns == 1 { "meets" } else { "meet" })
}
