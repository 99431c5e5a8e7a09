//! The JSON of `gradstep diff`. The fields of these types are its keys.

use serde::Serialize;

use crate::app::{Document, GradientComparison};
use crate::diff::{Comparison, SourceTexts, Status, Worst};
use crate::mistakes::{Cause, Explanation};
use crate::number::Json;
use crate::tensor::{Index, unravel};
use crate::trace::Trace;

/// The report.
#[derive(Serialize)]
pub(super) struct JsonReport<'a> {
    /// The version of the JSON format.
    format: u8,
    scenario: &'a str,
    rtol: Json,
    atol: Json,
    equal: bool,
    tensors: Vec<GradientRow<'a>>,
    first: Option<FirstWrong>,
    causes: Vec<CauseRow>,
    /// The wrong tensors that no cause of the first group explains ([`CauseRow::group`]).
    unexplained: Vec<String>,
    /// The wrong tensors that are wrong only because an unexplained one is.
    consequences: Vec<String>,
    patterns: Vec<PatternRow>,
}

/// A gradient of the user's file, or (`missing`) a gradient that the file does not have.
#[derive(Serialize)]
struct GradientRow<'a> {
    name: String,
    /// The name in the file, if it differs from `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    given: Option<&'a str>,
    /// The source text of a tensor of a graph whose name is not in its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    status: &'static str,
    /// The number of wrong entries; `None` if no numbers were compared.
    wrong: Option<usize>,
    /// The number of all entries.
    of: usize,
    max_abs: Option<Json>,
    max_rel: Option<Json>,
    worst: Option<WorstRow>,
}

/// The entry with the largest difference.
#[derive(Serialize)]
struct WorstRow {
    index: Index,
    mine: Json,
    right: Json,
}

/// The first wrong entry of the first wrong tensor.
#[derive(Serialize)]
struct FirstWrong {
    tensor: String,
    /// The index; `None` if the tensor has another shape.
    index: Option<Index>,
    /// The address that the stepper opens; `None` if no step computes the gradient.
    address: Option<String>,
}

/// A mistake that explains tensors.
#[derive(Serialize)]
pub(super) struct CauseRow {
    id: &'static str,
    variant: Option<String>,
    at: Vec<String>,
    /// The number of the group, from 1. The mistakes of one group act together. Each group is an alternative explanation.
    group: usize,
    explains: Vec<String>,
    /// The wrong rule and the right rule, in words.
    words: String,
    /// Other mistakes that give the same numbers.
    same: Vec<String>,
    /// A gradient, or a change of the network, that shows which of them was made.
    apart: Option<String>,
}

/// A pattern in the differences of a wrong tensor, such as one factor for all entries.
#[derive(Serialize)]
struct PatternRow {
    tensor: String,
    id: &'static str,
    words: String,
}

/// The `status` of a comparison.
pub(super) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Equal => "equal",
        Status::Different => "different",
        Status::Shape => "shape",
        Status::NotFinite => "not_finite",
    }
}

impl<'a> JsonReport<'a> {
    /// Returns the report of a comparison.
    pub fn of(comparison: &'a GradientComparison, document: &'a Document) -> Self {
        let Explanation { user, report, patterns, .. } = &**comparison;
        let trace = &document.trace;
        let name = |tensor: usize| user.tensors[tensor].gradient.name(trace);
        let mut tensors: Vec<GradientRow<'_>> = user
            .tensors
            .iter()
            .zip(&report.tensors)
            .map(|(tensor, compared)| GradientRow::new(trace, &tensor.name_in_file, compared))
            .collect();
        tensors.extend(user.missing.iter().map(|gradient| GradientRow {
            name: gradient.name(trace),
            given: None,
            source: SourceTexts::of(trace, *gradient),
            status: "missing",
            wrong: None,
            of: gradient.shape(trace).iter().product(),
            max_abs: None,
            max_rel: None,
            worst: None,
        }));
        let pattern =
            |pattern: &crate::diff::Pattern| PatternRow { tensor: name(pattern.tensor), id: pattern.id, words: pattern.words.clone() };
        Self {
            format: 1,
            scenario: &document.scenario.title,
            rtol: Json(user.tolerance.relative),
            atol: Json(user.tolerance.of_largest),
            equal: report.is_equal(),
            tensors,
            first: report.first_wrong().map(|first| FirstWrong::new(trace, &report.tensors[first])),
            causes: comparison.causes.iter().map(|cause| CauseRow::new(cause, trace, &name)).collect(),
            unexplained: comparison.unexplained.iter().map(|tensor| name(*tensor)).collect(),
            consequences: comparison.consequences.iter().map(|tensor| name(*tensor)).collect(),
            patterns: patterns.iter().map(pattern).collect(),
        }
    }
}

impl<'a> GradientRow<'a> {
    fn new(trace: &Trace, given: &'a str, compared: &Comparison) -> Self {
        let name = compared.gradient.name(trace);
        let shape = compared.gradient.shape(trace);
        let worst = |worst: Worst| WorstRow { index: unravel(worst.at, shape), mine: Json(worst.mine), right: Json(worst.right) };
        Self {
            given: Some(given).filter(|given| *given != name),
            source: SourceTexts::of(trace, compared.gradient),
            name,
            status: status_name(compared.status),
            // without numbers to compare, such as in a tensor of another shape, no number of wrong entries is known
            wrong: compared.max_abs.map(|_| compared.wrong.len()),
            of: compared.entries,
            max_abs: compared.max_abs.map(Json),
            max_rel: compared.max_rel.map(Json),
            worst: compared.worst.map(worst),
        }
    }
}

impl CauseRow {
    fn new(cause: &Cause, trace: &Trace, name: &impl Fn(usize) -> String) -> Self {
        let Cause { id, variant, at, group, explains, .. } = cause;
        let explain = |text: &str| SourceTexts::new(trace.network()).explain(text);
        Self {
            id,
            variant: variant.clone(),
            at: at.clone(),
            group: *group,
            explains: explains.iter().map(|tensor| name(*tensor)).collect(),
            words: explain(&cause.rules().join("; ")),
            same: cause.same.iter().map(|name| explain(name)).collect(),
            apart: Some(explain(&cause.told_apart_by)).filter(|clause| !clause.is_empty()),
        }
    }
}

impl FirstWrong {
    fn new(trace: &Trace, compared: &Comparison) -> Self {
        let gradient = compared.gradient;
        let entry = compared.wrong.first().copied();
        let index = entry.map(|at| unravel(at, gradient.shape(trace)));
        Self { tensor: gradient.name(trace), index, address: gradient.address(trace, entry).map(|address| address.to_string()) }
    }
}
