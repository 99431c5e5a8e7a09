//! Reads the samples: a single one from the top-level keys `input` and `target`, or several from `[[sample]]` tables.

use std::sync::Arc;

use super::Sample;
use super::layers::LastLayer;
use super::reader::{ScenarioReader, Span, TomlTable};
use super::sample::{self, Objective};
use crate::op::layer::Reported;
use crate::tensor::{Tensor, shape_words};

/// The keys of a `[[sample]]`, and those keys that are tensors.
pub(super) const KEYS: &[&str] = &["name", "input", "target"];
pub(super) const TENSORS: &[&str] = &["input", "target"];

/// The table of a sample.
pub(super) struct SampleTable<'t, 'i> {
    table: &'t TomlTable<'i>,
    /// The position of the `[[sample]]`; `None` for the file's own table.
    at: Option<Span>,
    name: Option<String>,
}

/// The tables of all samples.
pub(super) struct SampleTables<'t, 'i> {
    list: Vec<SampleTable<'t, 'i>>,
    /// `true` if the list is certainly complete.
    all: bool,
}

impl SampleTables<'_, '_> {
    /// Returns the number of samples, if it is certain.
    pub fn count(&self) -> Option<usize> {
        self.all.then_some(self.list.len())
    }
}

/// Finds the tables of all samples.
pub(super) fn rows<'t, 'i>(reader: &mut ScenarioReader, table: &'t TomlTable<'i>) -> SampleTables<'t, 'i> {
    let Some((key, _)) = table.get_key_value("sample") else {
        return SampleTables { list: vec![SampleTable { table, at: None, name: None }], all: true };
    };
    let help = "write each sample as a [[sample]], or leave [[sample]] out";
    let before = reader.faults.len();
    for single in ["input", "target"] {
        if let Some((place, _)) = table.get_key_value(single) {
            let message = format!("a file with [[sample]] has no {single} of its own");
            reader.fault_with(place.span(), message, help, (key.span(), "the samples are here"));
        }
    }
    let (tables, all) = reader.tables(table, "sample");
    if all && tables.is_empty() {
        reader.fault(key.span(), "there is no sample", "add a [[sample]] with an input and a target");
    }
    let all = reader.faults.len() == before;
    let row = |(table, at)| SampleTable { table, at: Some(at), name: reader.line(table, "name") };
    SampleTables { list: tables.into_iter().map(row).collect(), all }
}

/// Reads the inputs of all samples and reports those whose shape differs from the first.
pub(super) fn inputs(reader: &mut ScenarioReader, rows: &SampleTables<'_, '_>, rank: Option<usize>) -> Vec<Result<Tensor, Reported>> {
    let mut inputs: Vec<Result<Tensor, Reported>> = Vec::with_capacity(rows.list.len());
    for row in &rows.list {
        let input = sample::input(reader, row.table, row.at.as_ref(), rank);
        if let Ok(input) = &input
            && let Some(first) = inputs.iter().flatten().next()
            && first.shape() != input.shape()
        {
            let place = row.table.get("input").map(toml::Spanned::span).unwrap_or_default();
            let message =
                format!("this input is {}, but that of the first sample is {}", shape_words(input.shape()), shape_words(first.shape()));
            reader.fault(place, message, "give all inputs the same shape");
        }
        inputs.push(input);
    }
    inputs
}

/// Returns the shape of the inputs if it is the same for all.
pub(super) fn shape(inputs: &[Result<Tensor, Reported>]) -> Result<Vec<usize>, Reported> {
    let mut shapes = inputs.iter().flatten().map(Tensor::shape);
    let first = shapes.next().ok_or(Reported)?;
    if shapes.all(|shape| shape == first) { Ok(first.to_vec()) } else { Err(Reported) }
}

/// Reads the targets of all samples.
pub(super) fn targets(
    reader: &mut ScenarioReader,
    rows: &SampleTables<'_, '_>,
    file: &TomlTable<'_>,
    last: Option<&LastLayer>,
    goal: &Objective,
) -> Vec<Result<Tensor, Reported>> {
    // if the loss is missing, a missing target is not reported as well
    let wanted = goal.named || file.contains_key("sample");
    let place = |row: &SampleTable<'_, '_>| row.at.clone().or_else(|| file.get("loss").map(toml::Spanned::span)).unwrap_or_default();
    let target = |row: &SampleTable<'_, '_>| match row.table.get_key_value("target") {
        Some((key, _)) if goal.gives_target => {
            Err(reader.fault(key.span(), "the target is given twice: here, and as gradient of the loss", "leave one of the two out"))
        }
        Some((_, value)) => sample::target(reader, value, last),
        None if goal.gives_target => goal.loss.as_ref().ok().and_then(|loss| loss.target.clone()).ok_or(Reported),
        None if wanted => {
            let shape = last.and_then(|last| Some(format!("; {}", last.words(last.shape.as_ref().ok()?))));
            Err(reader.fault(place(row), "target is missing", format!("add target = …{}", shape.unwrap_or_default())))
        }
        None => Err(Reported),
    };
    rows.list.iter().map(target).collect()
}

/// Joins inputs and targets to samples.
pub(super) fn joined(
    rows: SampleTables<'_, '_>,
    inputs: Vec<Result<Tensor, Reported>>,
    targets: Vec<Result<Tensor, Reported>>,
) -> Result<Vec<Sample>, Reported> {
    let samples = rows.list.into_iter().zip(inputs).zip(targets);
    samples
        .map(|((row, input), target)| Ok(Sample { name: row.name, input: Some(Arc::new(input?)), target: Some(Arc::new(target?)) }))
        .collect()
}
