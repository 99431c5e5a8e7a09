//! The samples: one, written as `input` and `target` of the file, or several, each a `[[sample]]`.

use std::sync::Arc;

use super::Sample;
use super::excerpt::one_line;
use super::layers::Last;
use super::reader::{Reader, Span, Table};
use super::sample;
use crate::op::layer::Faulty;
use crate::tensor::{Tensor, shape_words};

/// The keys of a `[[sample]]`.
const KEYS: &[&str] = &["name", "input", "target"];

/// Where a sample is written.
pub(super) struct Row<'t, 'i> {
    table: &'t Table<'i>,
    /// Where its table stands; `None` for the file itself.
    at: Option<Span>,
}

/// The places of all samples; at least one.
pub(super) fn rows<'t, 'i>(reader: &mut Reader, table: &'t Table<'i>) -> Result<Vec<Row<'t, 'i>>, Faulty> {
    let Some((key, _)) = table.get_key_value("sample") else { return Ok(vec![Row { table, at: None }]) };
    let help = "write each sample as a [[sample]], or leave [[sample]] out";
    for single in ["input", "target"] {
        if let Some((place, _)) = table.get_key_value(single) {
            let message = format!("{single} stands beside [[sample]]");
            reader.fault_with(place.span(), message, help, (key.span(), "the samples are here"));
        }
    }
    let tables = reader.tables(table, "sample")?;
    if tables.is_empty() {
        return Err(reader.fault(key.span(), "there is no sample", "add a [[sample]] with an input and a target"));
    }
    for (own, _) in &tables {
        reader.unknown(own, KEYS, "[[sample]]");
    }
    Ok(tables.into_iter().map(|(table, at)| Row { table, at: Some(at) }).collect())
}

/// The inputs of all samples, which have one shape.
pub(super) fn inputs(reader: &mut Reader, rows: &[Row<'_, '_>], rank: Option<usize>) -> Result<Vec<Tensor>, Faulty> {
    let mut inputs: Vec<Tensor> = Vec::with_capacity(rows.len());
    let mut whole = Ok(());
    for row in rows {
        match sample::input(reader, row.table, row.at.as_ref(), rank) {
            Err(fault) => whole = Err(fault),
            Ok(input) => {
                if let Some(first) = inputs.first()
                    && first.shape() != input.shape()
                {
                    let place = row.table.get("input").map(toml::Spanned::span).unwrap_or_default();
                    let message = format!(
                        "this input is {}, but that of the first sample is {}",
                        shape_words(input.shape()),
                        shape_words(first.shape())
                    );
                    whole = Err(reader.fault(place, message, "all inputs have one shape"));
                }
                inputs.push(input);
            }
        }
    }
    whole.map(|()| inputs)
}

/// The targets of all samples.
pub(super) fn targets(
    reader: &mut Reader,
    rows: &[Row<'_, '_>],
    file: &Table<'_>,
    last: Result<&Last, Faulty>,
    own: Option<&Tensor>,
) -> Result<Vec<Tensor>, Faulty> {
    let place = |row: &Row<'_, '_>| row.at.clone().or_else(|| file.get("loss").map(toml::Spanned::span)).unwrap_or_default();
    let targets: Vec<Result<Tensor, Faulty>> = rows.iter().map(|row| sample::target(reader, row.table, place(row), last, own)).collect();
    targets.into_iter().collect()
}

/// The samples of these inputs and targets.
pub(super) fn joined(reader: &mut Reader, rows: &[Row<'_, '_>], inputs: Vec<Tensor>, targets: Vec<Tensor>) -> Vec<Sample> {
    let name =
        |reader: &mut Reader, row: &Row<'_, '_>| row.at.as_ref().and_then(|_| reader.line(row.table, "name")).map(|name| one_line(&name));
    let samples = rows.iter().zip(inputs).zip(targets);
    samples
        .map(|((row, input), target)| Sample { name: name(reader, row), input: Some(Arc::new(input)), target: Some(Arc::new(target)) })
        .collect()
}
