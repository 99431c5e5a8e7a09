//! The terms of an entry with their values and shares.

use crate::app::{Action, List, ListRow, Stepper};
use crate::scene::{EntryTerm, Scene};
use crate::step::{Kind, TensorEntry, Unit};

/// The largest number of listed terms.
const MAX_LISTED: u64 = 2000;

/// A row of the list: one term, or all neighbouring products that are 0.
enum TermRow {
    /// The term with this number, from 0.
    Term(u64),
    /// The terms `begin..end`.
    Zeros(u64, u64),
}

/// Lists the terms of an entry up to this step, each with its value and its share of Σ|terms| in percent. Neighbouring products that are 0 share one row. Enter
/// goes to a term.
pub(super) fn list(_: &Stepper, scene: &Scene<'_>, entry: TensorEntry) -> Result<List, String> {
    let name = scene.address_of(entry.tensor, entry.at);
    // the last step of the entry that is done at the step on the screen
    let there = scene.last_step_of(entry.tensor, entry.at)?;
    let (steps, last_known) = (there.span(Unit::Entry), there.at.step);
    // the numbers of terms that are computed, and of all terms
    let known = last_known - steps.start + 1;
    let all = steps.end - steps.start;
    // of a long sum, only the last terms up to this step are listed
    let first = known.saturating_sub(MAX_LISTED);
    let terms: Vec<_> = (first..known).map(|term| there.term(term)).collect();
    let magnitude: f64 = terms.iter().filter_map(EntryTerm::value).map(f64::abs).sum();
    let share = |value: f64| if magnitude == 0.0 { "0 %".to_owned() } else { format!("{:.1} %", 100.0 * value.abs() / magnitude) };
    let is_zero = |index: usize| terms[index].kind() == Kind::Product && terms[index].value() == Some(0.0);
    let mut term_rows: Vec<TermRow> = Vec::new();
    for (number, index) in (first..).zip(0..terms.len()) {
        match term_rows.last_mut() {
            Some(TermRow::Zeros(_, end)) if is_zero(index) => *end = number + 1,
            _ if is_zero(index) => term_rows.push(TermRow::Zeros(number, number + 1)),
            _ => term_rows.push(TermRow::Term(number)),
        }
    }
    let cells = |number: u64| {
        let term = &terms[usize::try_from(number - first).unwrap_or(0)];
        let value = term.value().unwrap_or(0.0);
        [
            (number + 1).to_string(),
            there.in_symbols(term),
            there.in_numbers(term).unwrap_or_default(),
            there.term_text(term).unwrap_or_default(),
            share(value),
        ]
    };
    let to_row = |row: &TermRow| match *row {
        TermRow::Term(number) => ListRow::action(cells(number), Action::GoToStep(steps.start + number)),
        TermRow::Zeros(begin, end) if end == begin + 1 => ListRow::action(cells(begin), Action::GoToStep(steps.start + begin)),
        TermRow::Zeros(begin, end) => {
            let cells_of_zeros = [
                format!("{}–{end}", begin + 1),
                format!("{} products of value 0", end - begin),
                String::new(),
                scene.short(0.0),
                "0 %".to_owned(),
            ];
            ListRow::action(cells_of_zeros, Action::GoToStep(steps.start + begin))
        }
    };
    let count = if known == all { format!("{all}") } else { format!("the first {known} of {all}") };
    let mut list = List::new(format!("terms of {name}: {count}"), term_rows.iter().map(to_row).collect());
    // the row of the step on the screen is selected
    let now = scene.at.step.clamp(steps.start, last_known) - steps.start;
    let contains_step = |row: &TermRow| {
        matches!(*row, TermRow::Term(number) if number == now) || matches!(*row, TermRow::Zeros(begin, end) if (begin..end).contains(&now))
    };
    list.selected = term_rows.iter().position(contains_step).unwrap_or(0);
    let sum = there.sum_after(known - 1).unwrap_or(0.0);
    let sum = there.value_text(sum);
    let to_come = match all - known {
        0 => String::new(),
        1 => "; 1 more term: not computed yet".to_owned(),
        more => format!("; {more} more terms: not computed yet"),
    };
    let so_far = if known == all { "" } else { " so far" };
    list.note = if first > 0 {
        format!("sum{so_far} {sum}{to_come}; the last {MAX_LISTED} terms, with shares of their own Σ|terms|")
    } else {
        format!("sum{so_far} = {sum}{to_come}; shares are of Σ|terms| = {}", there.value_text(magnitude))
    };
    Ok(list)
}
