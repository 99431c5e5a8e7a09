//! The comparison with the gradients of the user's own program: the mistakes, the notes on names and layouts, a row for each group of gradients,
//! the patterns, and the gradients that the file does not have.

use crate::app::comparing::NOT_LOADED;
use crate::app::{Action, Difference, GradientComparison, Group, List, ListRow, Stepper, group_names, groups};
use crate::diff::{Pattern, SourceTexts, Status};
use crate::number::with_digits;
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::text::{line, list_of_names};
use crate::trace::Trace;

/// Lists the gradients. Enter on a wrong gradient goes to its first wrong entry.
pub(super) fn list(stepper: &Stepper, _: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let comparison = stepper.comparison.as_ref().ok_or(NOT_LOADED)?;
    let document = &stepper.document;
    let trace = &document.trace;
    if !comparison.is_of_iteration(document) {
        return Err(format!(
            "your gradients were compared in another iteration, or before edits (:mine {} compares again)",
            comparison.file
        ));
    }
    let (mut rows, mut texts) = (Vec::new(), SourceTexts::new(trace.network()));
    rows.extend(cause_rows(comparison, trace, &mut texts));
    rows.extend(comparison.notes().into_iter().map(|note| row([String::new(), "note".to_owned(), note])));
    let status = |index: usize| comparison.report.tensors[index].status;
    for group in groups(comparison, 0..comparison.report.tensors.len(), status) {
        rows.push(gradient_row(comparison, trace, &group, &mut texts));
    }
    let mut patterns: Vec<&Pattern> = comparison.patterns.iter().collect();
    patterns.dedup_by(|next, first| next.words == first.words);
    for pattern in patterns {
        let same = comparison.patterns.iter().filter(|other| other.words == pattern.words).map(|other| other.tensor);
        let names = list_of_names(&group_names(comparison, trace, same));
        // `line` escapes control characters
        rows.push(row([names, "pattern".to_owned(), line(&pattern.words)]));
    }
    let missing: Vec<String> = comparison.user.missing.iter().map(|gradient| line(&gradient.name(trace))).collect();
    if !missing.is_empty() {
        let words = format!("{}: not in the file, so not compared", list_of_names(&missing));
        rows.push(row([String::new(), "missing".to_owned(), words]));
    }
    Ok(List::new(format!("{}: {}", comparison.file, comparison.headline()), rows))
}

/// Returns a row whose last cell is shown in full, below the list, while the row is selected.
fn row(cells: [String; 3]) -> ListRow {
    ListRow { full_text: cells[2].clone(), ..ListRow::text(cells) }
}

/// Returns the row of a group: the gradients of one tensor in different samples, with the same status. Enter on wrong gradients goes to the first wrong entry.
fn gradient_row(comparison: &GradientComparison, trace: &Trace, group: &Group, texts: &mut SourceTexts<'_>) -> ListRow {
    let first = group.tensors[0];
    // the numbers of wrong entries and of all entries
    let (wrong, all) = group
        .comparisons(comparison)
        .fold((0, 0), |(wrong, entries), (_, compared)| (wrong + compared.wrong.len(), entries + compared.entries));
    let (status, words) = match (comparison.report.tensors[first].status, &comparison.user.tensors[first].values) {
        (Status::Equal, _) => ("equal", String::new()),
        (Status::Shape, Err(why)) => ("shape", why.clone()),
        (Status::NotFinite, _) => ("not finite", format!("{wrong} of {all}")),
        _ => {
            let status = if group.tensors.iter().all(|tensor| comparison.is_rounded(*tensor)) { "rounded" } else { "different" };
            let most = group.comparisons(comparison).filter_map(|(_, compared)| compared.max_abs).fold(0.0, f64::max);
            (status, format!("{wrong} of {all}, at most by {}", with_digits(most, 3)))
        }
    };
    let factor = comparison.user.factor_words(first).map_or_else(String::new, |factor| format!(" ({factor})"));
    let name = group.name(comparison, trace);
    // the source text of a graph's tensor, such as `(scores / sqrt(d), line 7)`, is in the last cell, not beside the name
    let explained = texts.explain(&name);
    let source = explained.strip_prefix(&name).unwrap_or_default();
    let words = format!("{words}{factor}{source}").trim_start().to_owned();
    let action = (comparison.report.tensors[first].status != Status::Equal).then_some(Action::GoToDifference(Difference::Tensor(first)));
    ListRow { action, ..ListRow::text([name, status.to_owned(), words]) }
}

/// Returns the rows of the mistakes. Enter on one goes to the step at which it is made.
fn cause_rows(comparison: &GradientComparison, trace: &Trace, texts: &mut SourceTexts<'_>) -> Vec<ListRow> {
    let mut rows = Vec::new();
    for cause in comparison.shown_causes() {
        let index = comparison.causes.iter().position(|other| std::ptr::eq(other, cause)).unwrap_or(0);
        let names = group_names(comparison, trace, cause.explains.iter().copied());
        let explains = if names.is_empty() { String::new() } else { format!(" [gives exactly your numbers of {}]", list_of_names(&names)) };
        let mut clauses = cause.rules();
        clauses.extend(Some(cause.told_apart_by.clone()).filter(|clause| !clause.is_empty()));
        let why = match comparison.position_and_count(cause) {
            Some([1, 1]) => "why".to_owned(),
            Some([position, count]) => format!("why {position}/{count}"),
            // an alternative to the mistakes before
            None => "or".to_owned(),
        };
        let words = texts.explain(&line(&clauses.join("; ")));
        let mut row = ListRow { full_text: format!("{words}{explains}"), ..ListRow::text([String::new(), why, words]) };
        row.action = comparison.place(index).map(|_| Action::GoToDifference(Difference::Mistake(index)));
        rows.push(row);
    }
    if let Some(others) = comparison.other_causes() {
        rows.push(ListRow::text([String::new(), "or".to_owned(), others]));
    }
    if !comparison.unexplained.is_empty() {
        let names = group_names(comparison, trace, comparison.unexplained.iter().copied());
        let words = format!("no mistake that gradstep knows gives the numbers of {}", list_of_names(&names));
        rows.push(row([String::new(), "why".to_owned(), words]));
    }
    if let Some(words) = comparison.consequence_words(trace) {
        rows.push(row([String::new(), "why".to_owned(), words]));
    }
    rows
}
