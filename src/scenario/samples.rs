//! Reads the samples of a scenario file. A file with one sample has it in the top-level keys `input` and `target`. A file with several samples has a
//! `[[sample]]` table for each, or one table `[samples]` for all.

use std::sync::Arc;

use toml::de::DeValue;

use super::layers::LastLayer;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use super::sample::{self, Objective};
use super::stacked::{self, Stack, StackedSamples};
use super::tensor::read_tensor;
use super::{Sample, insertion};
use crate::op::layer::Reported;
use crate::tensor::{Tensor, shape_words};

/// The keys of a `[[sample]]`.
pub(super) const KEYS: &[&str] = &["name", "input", "target"];
/// The keys of a `[[sample]]` whose values are tensors.
pub(super) const TENSORS: &[&str] = &["input", "target"];

/// The table that contains the input and target of a sample.
pub(super) struct SampleTable<'t, 'i> {
    table: &'t TomlTable<'i>,
    /// The position of the `[[sample]]` or `[samples]`; `None` for the top-level table of the file.
    header_span: Option<Span>,
    name: Option<String>,
}

/// The tables of all samples.
pub(super) struct SampleTables<'t, 'i> {
    list: Vec<SampleTable<'t, 'i>>,
    /// The table `[samples]`, whose samples are in the list too; `None` if the file has no such table.
    stacked: Option<StackedSamples>,
    /// `true` if it is certain that the list has all samples.
    is_complete: bool,
}

impl SampleTables<'_, '_> {
    /// Returns the number of samples, if it is certain.
    pub fn count(&self) -> Option<usize> {
        self.is_complete.then_some(self.list.len())
    }
}

/// Finds the tables of all samples.
pub(super) fn find_tables<'t, 'i>(reader: &mut ScenarioReader, table: &'t TomlTable<'i>) -> SampleTables<'t, 'i> {
    let stacked = table.get_key_value("samples");
    let Some((key, _)) = stacked.or_else(|| table.get_key_value("sample")) else {
        return SampleTables { list: vec![SampleTable { table, header_span: None, name: None }], stacked: None, is_complete: true };
    };
    let (header, help) = match stacked {
        Some(_) => ("[samples]", "write all samples below [samples], or leave it out"),
        None => ("[[sample]]", "write each sample as a [[sample]], or leave [[sample]] out"),
    };
    let faults_before = reader.faults.len();
    let excluded_keys: &[&str] = if stacked.is_some() { &["input", "target", "sample"] } else { TENSORS };
    for excluded in excluded_keys {
        if let Some((excluded_key, _)) = table.get_key_value(*excluded) {
            let message = format!("a file with {header} has no {excluded} of its own");
            reader.report_with_note(excluded_key.span(), message, help, (key.span(), "the samples are here"));
        }
    }
    if let Some((key, value)) = stacked {
        return stacked_tables(reader, key.span(), value);
    }
    let (tables, all_are_tables) = reader.tables(table, "sample");
    if all_are_tables && tables.is_empty() {
        reader.report(key.span(), "there is no sample", "add a [[sample]] with an input and a target");
    }
    let is_complete = reader.faults.len() == faults_before;
    let sample_table = |(table, header_span)| SampleTable { table, header_span: Some(header_span), name: reader.line(table, "name") };
    SampleTables { list: tables.into_iter().map(sample_table).collect(), stacked: None, is_complete }
}

/// Reads the table `[samples]`, whose header is at `header_span`.
fn stacked_tables<'t, 'i>(reader: &mut ScenarioReader, header_span: Span, value: &'t TomlValue<'i>) -> SampleTables<'t, 'i> {
    let DeValue::Table(table) = value.get_ref() else {
        reader.wrong_type("samples", value, "a table", "write [samples] on a line of its own, and input = … and target = … below");
        return SampleTables { list: Vec::new(), stacked: None, is_complete: false };
    };
    let stacked = stacked::read(reader, table);
    let is_complete = stacked.is_complete;
    let has_rows = table.contains_key(stacked::ROWS);
    let sample = |row: usize| SampleTable { table, header_span: Some(header_span.clone()), name: has_rows.then(|| format!("row {row}")) };
    SampleTables { list: stacked.rows.clone().map(sample).collect(), stacked: Some(stacked), is_complete }
}

impl SampleTables<'_, '_> {
    /// Returns the inputs or the targets of `[samples]`. Returns `None` if the file has no such table, or the table has no such key.
    fn stack(&self, select: impl Fn(&StackedSamples) -> &Option<Result<Stack, Reported>>) -> Option<Result<&Stack, Reported>> {
        let stack = select(self.stacked.as_ref()?).as_ref()?;
        Some(stack.as_ref().map_err(|&reported| reported))
    }
}

/// Reads the inputs of all samples. Reports an input if its shape differs from the shape of the first. After a fault in the inputs of `[samples]`, returns a
/// list with a single `Err`. `rank` is the number of dimensions that the first layer needs, if it is known.
pub(super) fn inputs(reader: &mut ScenarioReader, tables: &SampleTables<'_, '_>, rank: Option<usize>) -> Vec<Result<Tensor, Reported>> {
    let mut inputs: Vec<Result<Tensor, Reported>> = Vec::with_capacity(tables.list.len());
    for (number, sample) in tables.list.iter().enumerate() {
        let input = match (tables.stack(|stacked| &stacked.input), sample.table.get("input")) {
            (Some(stack), _) => {
                stack.and_then(|stack| sample::input(reader, &stack.span, stack.sample(number).in_image_layout(reader), rank))
            }
            (None, Some(value)) => {
                let source = read_tensor(reader, "input", value);
                source.and_then(|source| sample::input(reader, &value.span(), source.in_image_layout(reader), rank))
            }
            (None, None) => Err(missing_input(reader, sample)),
        };
        if input.is_err() && tables.stacked.is_some() {
            // all later samples have the same fault
            return vec![input];
        }
        if let Ok(input) = &input
            && let Some(first) = inputs.iter().flatten().next()
            && first.shape() != input.shape()
        {
            let span = sample.table.get("input").map(toml::Spanned::span).unwrap_or_default();
            let message =
                format!("this input is {}, but that of the first sample is {}", shape_words(input.shape()), shape_words(first.shape()));
            reader.report(span, message, "give all inputs the same shape");
        }
        inputs.push(input);
    }
    inputs
}

/// Reports that a sample has no input.
fn missing_input(reader: &mut ScenarioReader, sample: &SampleTable<'_, '_>) -> Reported {
    let help = "add input = …, with the numbers that the first layer reads";
    match &sample.header_span {
        None => reader.report(insertion::after_top_level_keys(sample.table), "input is missing", help),
        Some(span) => reader.report(span.clone(), "this sample has no input", help),
    }
}

/// Returns the shape of the inputs, if all inputs that could be read have the same shape.
pub(super) fn shape(inputs: &[Result<Tensor, Reported>]) -> Result<Vec<usize>, Reported> {
    let mut shapes = inputs.iter().flatten().map(Tensor::shape);
    let first = shapes.next().ok_or(Reported)?;
    if shapes.all(|shape| shape == first) { Ok(first.to_vec()) } else { Err(Reported) }
}

/// Reads the targets of all samples. `last` is the last layer, if it is known. Its output is compared with the target.
pub(super) fn targets(
    reader: &mut ScenarioReader,
    tables: &SampleTables<'_, '_>,
    file: &TomlTable<'_>,
    last: Option<&LastLayer>,
    objective: &Objective,
) -> Vec<Result<Tensor, Reported>> {
    // a loss of unknown kind may be a misspelt `upstream`, which can give the target in its key `gradient`. Then a missing target is reported only if the file
    // has [[sample]] or [samples], because these tables are expected to have targets
    let needs_target = objective.is_kind_known || file.contains_key("sample") || file.contains_key("samples");
    // the position of a fault about a missing target: the [[sample]], or the loss
    let missing_at =
        |sample: &SampleTable<'_, '_>| sample.header_span.clone().or_else(|| file.get("loss").map(toml::Spanned::span)).unwrap_or_default();
    let mut target = |(number, sample): (usize, &SampleTable<'_, '_>)| match sample.table.get_key_value("target") {
        Some((key, _)) if objective.gives_target => Err(reader.report(
            key.span(),
            "the target is given twice: here, and in the key `gradient` of the loss",
            "leave one of the two out",
        )),
        Some((_, value)) => match tables.stack(|stacked| &stacked.target) {
            Some(stack) => stack.and_then(|stack| sample::fitted_target(reader, &stack.span, stack.sample(number), Some(number), last)),
            None => sample::target(reader, value, last),
        },
        None if objective.gives_target => objective.loss.as_ref().ok().and_then(|loss| loss.target.clone()).ok_or(Reported),
        None if needs_target => {
            let needed_shape = last.and_then(|last| Some(format!("; {}", last.shape_sentence(last.shape.as_ref().ok()?))));
            Err(reader.report(missing_at(sample), "target is missing", format!("add target = …{}", needed_shape.unwrap_or_default())))
        }
        None => Err(Reported),
    };
    let mut targets = Vec::with_capacity(tables.list.len());
    for numbered_sample in tables.list.iter().enumerate() {
        targets.push(target(numbered_sample));
        if targets.last().is_some_and(Result::is_err) && tables.stacked.is_some() {
            break; // all further samples have the same fault
        }
    }
    targets
}

/// Makes the samples from their tables, inputs and targets.
pub(super) fn join(
    tables: SampleTables<'_, '_>,
    inputs: Vec<Result<Tensor, Reported>>,
    targets: Vec<Result<Tensor, Reported>>,
) -> Result<Vec<Sample>, Reported> {
    let samples = tables.list.into_iter().zip(inputs).zip(targets);
    samples
        .map(|((sample, input), target)| Ok(Sample { name: sample.name, input: Some(Arc::new(input?)), target: Some(Arc::new(target?)) }))
        .collect()
}
