//! The comparison with the gradients of the user's own program: the mistakes, the notes on names and layouts, a row for each gradient, and the patterns.

use crate::app::comparing::NOT_LOADED;
use crate::app::{Action, Difference, GradientComparison, List, ListRow, Stepper};
use crate::diff::{SourceTexts, Status};
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
    if !comparison.is_of(document) {
        return Err(format!(
            "your gradients were compared in another iteration, or before edits (:mine {} compares again)",
            comparison.file
        ));
    }
    let (mut rows, mut texts) = (Vec::new(), SourceTexts::new(trace.network()));
    rows.extend(cause_rows(comparison, trace, &mut texts));
    rows.extend(
        comparison
            .notes()
            .into_iter()
            .map(|note| ListRow { whole: note.clone(), ..ListRow::text([String::new(), "note".to_owned(), note]) }),
    );
    for (index, (user, compared)) in comparison.user.tensors.iter().zip(&comparison.report.tensors).enumerate() {
        let (status, words) = match (compared.status, &user.values) {
            (Status::Equal, _) => ("equal", String::new()),
            (Status::Shape, Err(why)) => ("shape", why.clone()),
            (Status::NotFinite, _) => ("not finite", format!("{} of {}", compared.wrong.len(), compared.of)),
            _ => {
                let most = compared.max_abs.map_or_else(String::new, |most| format!(", at most by {}", with_digits(most, 3)));
                ("different", format!("{} of {}{most}", compared.wrong.len(), compared.of))
            }
        };
        let factor = comparison.user.factor_words(index).map_or_else(String::new, |factor| format!(" ({factor})"));
        let name = comparison.name(trace, index);
        let explained = texts.explain(&name);
        let source = explained.strip_prefix(&name).unwrap_or_default();
        let mut row = ListRow::text([name.clone(), status.to_owned(), format!("{words}{factor}{source}").trim_start().to_owned()]);
        row.action = (compared.status != Status::Equal).then_some(Action::GoToDifference(Difference::Tensor(index)));
        rows.push(row);
    }
    for pattern in &comparison.patterns {
        rows.push(ListRow::text([comparison.name(trace, pattern.tensor), "pattern".to_owned(), line(&pattern.words)]));
    }
    let missing: Vec<String> = comparison.user.missing.iter().map(|gradient| line(&gradient.name(trace))).collect();
    if !missing.is_empty() {
        let words = format!("{}: not in the file, so not compared", list_of_names(&missing));
        rows.push(ListRow::text([String::new(), "missing".to_owned(), words]));
    }
    Ok(List::new(format!("{}: {}", comparison.file, comparison.headline()), rows))
}

/// Returns the rows of the mistakes. Enter on one goes to the step at which it is made.
fn cause_rows(comparison: &GradientComparison, trace: &Trace, texts: &mut SourceTexts<'_>) -> Vec<ListRow> {
    let mut rows = Vec::new();
    for cause in comparison.shown_causes() {
        let index = comparison.causes.iter().position(|other| std::ptr::eq(other, cause)).unwrap_or(0);
        let names: Vec<String> = cause.explains.iter().map(|tensor| comparison.name(trace, *tensor)).collect();
        let explains = if names.is_empty() { String::new() } else { format!(" [explains {}]", list_of_names(&names)) };
        let clauses = [&*cause.words, cause.right, &*cause.apart].into_iter().filter(|clause| !clause.is_empty()).collect::<Vec<_>>();
        let why = match comparison.number_of(cause) {
            Some([1, 1]) => "why".to_owned(),
            Some([number, count]) => format!("why {number}/{count}"),
            None => "or".to_owned(),
        };
        let words = texts.explain(&line(&clauses.join("; ")));
        let mut row = ListRow { whole: format!("{words}{explains}"), ..ListRow::text([String::new(), why, words]) };
        row.action = comparison.place(index).map(|_| Action::GoToDifference(Difference::Mistake(index)));
        rows.push(row);
    }
    if let Some(others) = comparison.other_causes() {
        rows.push(ListRow::text([String::new(), "or".to_owned(), others]));
    }
    if !comparison.unexplained.is_empty() {
        let names: Vec<String> = comparison.unexplained.iter().map(|tensor| comparison.name(trace, *tensor)).collect();
        let words = format!("no known mistake explains {}", list_of_names(&names));
        rows.push(ListRow { whole: words.clone(), ..ListRow::text([String::new(), "why".to_owned(), words]) });
    }
    if let Some(words) = comparison.consequence_words(trace) {
        rows.push(ListRow { whole: words.clone(), ..ListRow::text([String::new(), "why".to_owned(), words]) });
    }
    rows
}
