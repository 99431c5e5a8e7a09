//! The comparison with the gradients that the user's own program computed: a row for each gradient, then the mistakes and the patterns.

use crate::app::comparing::NOT_LOADED;
use crate::app::{Action, List, ListRow, Stepper};
use crate::diff::{SourceTexts, Status};
use crate::number::with_digits;
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::text::{line, list_of_names};

/// Lists the gradients. Enter on a wrong gradient goes to its first wrong entry.
pub(super) fn list(stepper: &Stepper, _: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let own = stepper.own.as_ref().ok_or(NOT_LOADED)?;
    let document = &stepper.document;
    let trace = &document.trace;
    if !own.is_of(document) {
        return Err(format!("your gradients were compared in another iteration, or before edits (:mine {} compares again)", own.file));
    }
    let (mut rows, mut texts) = (Vec::new(), SourceTexts::new(trace.network()));
    for (index, (user, compared)) in own.user.tensors.iter().zip(&own.report.tensors).enumerate() {
        let (status, words) = match (compared.status, &user.values) {
            (Status::Equal, _) => ("equal", String::new()),
            (Status::Shape, Err(why)) => ("shape", why.clone()),
            (Status::NotFinite, _) => ("not finite", format!("{} of {}", compared.wrong.len(), compared.of)),
            _ => {
                let most = compared.max_abs.map_or_else(String::new, |most| format!(", at most by {}", with_digits(most, 3)));
                ("different", format!("{} of {}{most}", compared.wrong.len(), compared.of))
            }
        };
        let factor = own.user.factor_words(index).map_or_else(String::new, |factor| format!(" ({factor})"));
        let name = own.name(trace, index);
        let explained = texts.explain(&name);
        let source = explained.strip_prefix(&name).unwrap_or_default();
        let mut row = ListRow::text([name.clone(), status.to_owned(), format!("{words}{factor}{source}").trim_start().to_owned()]);
        row.action = own.address(trace, index).filter(|_| compared.status != Status::Equal).map(Action::GoToAddress);
        rows.push(row);
    }
    for cause in own.shown_causes() {
        let names: Vec<String> = cause.explains.iter().map(|tensor| own.name(trace, *tensor)).collect();
        let words = if cause.apart.is_empty() { line(&cause.words) } else { line(&format!("{}; {}", cause.words, cause.apart)) };
        let mut row = ListRow::text([list_of_names(&names), "why".to_owned(), texts.explain(&words)]);
        row.action = own.address_of_cause(trace, cause).map(Action::GoToAddress);
        rows.push(row);
    }
    if let Some(others) = own.other_causes() {
        rows.push(ListRow::text([String::new(), "why".to_owned(), format!("{others} as well")]));
    }
    if !own.unexplained.is_empty() {
        let names: Vec<String> = own.unexplained.iter().map(|tensor| own.name(trace, *tensor)).collect();
        rows.push(ListRow::text([list_of_names(&names), "why".to_owned(), "no known mistake explains the difference".to_owned()]));
    }
    if let Some(words) = own.consequence_words(trace) {
        rows.push(ListRow::text([String::new(), "why".to_owned(), words]));
    }
    for pattern in &own.patterns {
        rows.push(ListRow::text([own.name(trace, pattern.tensor), "pattern".to_owned(), line(&pattern.words)]));
    }
    Ok(List::new(format!("{}: {}", own.file, own.headline()), rows))
}
