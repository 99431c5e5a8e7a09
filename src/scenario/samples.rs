//! The samples: one, written as `input` and `target` of the file, or several, each a `[[sample]]`.

use std::sync::Arc;

use super::Sample;
use super::layers::LastLayer;
use super::reader::{ScenarioReader, Span, TomlTable};
use super::sample::{self, Objective};
use crate::op::layer::Reported;
use crate::tensor::{Tensor, shape_words};

/// The keys of a `[[sample]]`, and those of them that are tensors.
pub(super) const KEYS: &[&str] = &["name", "input", "target"];
pub(super) const TENSORS: &[&str] = &["input", "target"];

/// Where a sample is written.
pub(super) struct SampleTable<'t, 'i> {
    table: &'t TomlTable<'i>,
    /// Where its table stands; `None` for the file itself.
    at: Option<Span>,
    name: Option<String>,
}

/// The places of the samples.
pub(super) struct SampleTables<'t, 'i> {
    list: Vec<SampleTable<'t, 'i>>,
    /// Whether these are all, for certain.
    all: bool,
}

impl SampleTables<'_, '_> {
    /// How many samples there are, where that is certain.
    pub fn count(&self) -> Option<usize> {
        self.all.then_some(self.list.len())
    }
}

/// The places of all samples.
pub(super) fn rows<'t, 'i>(reader: &mut ScenarioReader, table: &'t TomlTable<'i>) -> SampleTables<'t, 'i> {
    let Some((key, _)) = table.get_key_value("sample") else {
        return SampleTables { list: vec![SampleTable { table, at: None, name: None }], all: true };
    };
    let help = "write each sample as a [[sample]], or leave [[sample]] out";
    let before = reader.faults.len();
    for single in ["input", "target"] {
        if let Some((place, _)) = table.get_key_value(single) {
            let message = format!("{single} stands beside [[sample]]");
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

/// The inputs of all samples, which have one shape.
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
            reader.fault(place, message, "all inputs have one shape");
        }
        inputs.push(input);
    }
    inputs
}

/// The shape of the inputs, where they agree on one.
pub(super) fn shape(inputs: &[Result<Tensor, Reported>]) -> Result<Vec<usize>, Reported> {
    let mut shapes = inputs.iter().flatten().map(Tensor::shape);
    let first = shapes.next().ok_or(Reported)?;
    if shapes.all(|shape| shape == first) { Ok(first.to_vec()) } else { Err(Reported) }
}

/// The targets of all samples.
pub(super) fn targets(
    reader: &mut ScenarioReader,
    rows: &SampleTables<'_, '_>,
    file: &TomlTable<'_>,
    last: Option<&LastLayer>,
    goal: &Objective,
) -> Vec<Result<Tensor, Reported>> {
    // without a loss a target that is missing is no fault of its own
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

/// The samples of these inputs and targets.
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
