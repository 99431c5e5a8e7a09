//! Reads the table `[samples]`. It has all inputs in one tensor, and all targets in another. The first axis of both counts the samples, as in the arrays of a
//! data set: `input = { file = "mnist.npz", key = "x_test" }` with the shape 10000 x 28 x 28 has 10000 images.

use std::ops::Range;

use toml::de::DeValue;

use super::reader::{ScenarioReader, Span, TomlTable};
use super::tensor::{TensorSource, read_tensor};
use crate::op::layer::{Fan, Reported};
use crate::tensor::{flat, len};
use crate::text::counted;

/// The keys of `[samples]`.
pub(super) const KEYS: &[&str] = &["input", "target", ROWS];
/// The key that selects a range of the samples: the first one, and the one after the last.
pub(super) const ROWS: &str = "rows";

/// The inputs or the targets of `[samples]`: one tensor for all samples.
#[derive(Debug)]
pub(super) struct Stack {
    /// The position of the tensor in the file.
    pub span: Span,
    /// The shape of one sample.
    pub shape: Vec<usize>,
    /// The numbers of the samples that are read, one sample after the other.
    data: Vec<f64>,
}

impl Stack {
    /// Returns sample `index`, counted from 0 among the samples that are read.
    pub fn sample<'t, 'i>(&self, index: usize) -> TensorSource<'t, 'i> {
        let size = len(&self.shape);
        TensorSource::Inline { shape: self.shape.clone(), data: self.data[index * size..][..size].to_vec() }
    }
}

/// The table `[samples]`.
#[derive(Debug)]
pub(super) struct StackedSamples {
    /// The inputs; `None` if the key is missing. `target` has the targets in the same way.
    pub input: Option<Result<Stack, Reported>>,
    pub target: Option<Result<Stack, Reported>>,
    /// The rows that are read, counted from 0 in the file's tensors. It is one row if the number of samples is uncertain.
    pub rows: Range<usize>,
    /// `true` if the number of samples is certain.
    pub is_complete: bool,
}

/// Reads the table `[samples]`.
pub(super) fn read(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> StackedSamples {
    let faults_before = reader.faults.len();
    let wanted_rows = rows(reader, table);
    let input = stack(reader, table, "input", wanted_rows.as_ref());
    // rows that are missing in the inputs are reported only there, and not for the targets again
    let wanted_rows = wanted_rows.filter(|_| !matches!(input, Some(Err(Reported))));
    let target = stack(reader, table, "target", wanted_rows.as_ref());
    let counts = [&input, &target].map(|stack| stack.as_ref().and_then(|stack| stack.as_ref().ok()).map(|(_, count)| *count));
    if let ([Some(inputs), Some(targets)], None, Some(value)) = (counts, &wanted_rows, table.get("target"))
        && inputs != targets
    {
        let help = "both have a first axis that counts the samples; rows = [0, 10] takes the first ten of both";
        reader.report(value.span(), format!("there are {inputs} inputs, but {targets} targets"), help);
    }
    let is_complete = reader.faults.len() == faults_before && counts.iter().any(Option::is_some);
    let count = counts.into_iter().flatten().min().filter(|_| is_complete).unwrap_or(1);
    let first = wanted_rows.map_or(0, |rows| rows.start);
    let stack_of = |stack: Option<Result<(Stack, usize), Reported>>| {
        // after a fault, the inputs and targets may have different numbers of samples
        stack.map(|stack| stack.and_then(|(stack, _)| if is_complete { Ok(stack) } else { Err(Reported) }))
    };
    StackedSamples { input: stack_of(input), target: stack_of(target), rows: first..first + count, is_complete }
}

/// Reads the key `rows`; `None` if it is missing or faulty.
fn rows(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> Option<Range<usize>> {
    let value = table.get(ROWS)?;
    let help = "write rows = [0, 10] for the first ten samples: the first, counted from 0, and the one after the last";
    let DeValue::Array(items) = value.get_ref() else {
        reader.wrong_type(ROWS, value, "two integers, [first, end]", help);
        return None;
    };
    let [first, end] = &items[..] else {
        reader.report(value.span(), format!("rows has {}, not 2", counted(items.len(), "entry")), help);
        return None;
    };
    let (first, end) = (reader.size("the first of rows", first, 0).ok()?, reader.size("the end of rows", end, 1).ok()?);
    if first >= end {
        reader.report(value.span(), format!("the range from {first} to {end} is empty: the end is excluded"), help);
        return None;
    }
    Some(first..end)
}

/// Reads the inputs or the targets, with the number of samples. Returns `None` if the key is missing.
fn stack(
    reader: &mut ScenarioReader,
    table: &TomlTable<'_>,
    key: &str,
    wanted_rows: Option<&Range<usize>>,
) -> Option<Result<(Stack, usize), Reported>> {
    let value = table.get(key)?;
    let span = value.span();
    let label = format!("{key} of [samples]");
    let mut read = || {
        let source = read_tensor(reader, &label, value)?;
        let Some(shape) = source.shape().map(<[usize]>::to_vec) else {
            let help = "add its shape, whose first size is the number of samples, such as shape = [10, 1, 4, 4]";
            return Err(reader.report(span.clone(), format!("the shape of {label} is not known"), help));
        };
        let Some((&row_count, sample_shape)) = shape.split_first() else {
            let help = "its first axis counts the samples; a single sample is written as input = … and target = … at the top of the file";
            return Err(reader.report(span.clone(), format!("{label} is a single number"), help));
        };
        if key == "input"
            && let Some(stored) = source.stored()
        {
            stored.warn_of_bytes(reader);
        }
        let rows = wanted_rows.cloned().unwrap_or(0..row_count);
        if rows.end > row_count {
            let at = table.get(ROWS).map_or(span.clone(), toml::Spanned::span);
            let help = format!("rows count from 0, and the end is excluded: rows = [0, {row_count}] takes all");
            return Err(reader.report(at, format!("rows end at {}, but {label} has {}", rows.end, counted(row_count, "row")), help));
        }
        // only a file can be read in part
        let stored = match &source {
            TensorSource::File(stored) => stored.rows(rows.clone()),
            _ => None,
        };
        let is_part = stored.is_some();
        let source = stored.map_or(source, TensorSource::File);
        let read_shape = if is_part { [&[rows.len()], sample_shape].concat() } else { shape.clone() };
        // claims the memory of this tensor; the memory of the samples, to which its numbers are copied, is claimed separately
        reader.claim_for_sample(&span, &read_shape)?;
        let numbers = source.fill(reader, &label, &read_shape, Fan::of(&read_shape))?;
        let skipped = if is_part { 0 } else { rows.start * len(sample_shape) };
        let data = flat(&numbers)[skipped..][..rows.len() * len(sample_shape)].to_vec();
        Ok((Stack { span: span.clone(), shape: sample_shape.to_vec(), data }, rows.len()))
    };
    Some(read())
}
