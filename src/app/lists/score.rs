//! The score of prediction. For each rule, it has the number of answers that were right at once, right after a hint, or shown, and of questions with only wrong
//! answers. The note names rules to practise.

use std::cmp::Reverse;

use crate::app::{Action, List, ListRow, Outcome, RuleScore, Stepper};
use crate::scene::Scene;
use crate::step::TensorEntry;

/// The largest number of rules that the note suggests for practice.
const MAX_NAMED: usize = 3;

/// Lists the rules. The rules with the most missed questions come first; a question is missed if it was not answered right at once. Enter goes to the last
/// missed question.
pub(super) fn list(stepper: &Stepper, _: &Scene<'_>, _: TensorEntry) -> Result<List, String> {
    let prediction = &stepper.prediction;
    if prediction.score.is_empty() {
        return Err("no question yet: p starts prediction".to_owned());
    }
    let missed = |score: &RuleScore| score.all() - score.at_once();
    let mut rules: Vec<&RuleScore> = prediction.score.iter().collect();
    // the sort is stable: rules with equal counts stay in the order of their first questions
    rules.sort_by_key(|score| Reverse(missed(score)));
    let has_wrong = rules.iter().any(|score| score.counts[Outcome::Wrong as usize] > 0);
    let row = |score: &&RuleScore| {
        let [at_once, after_hint, shown, wrong] = score.counts;
        let mut cells = vec![
            score.rule.to_owned(),
            format!("{at_once} right at once"),
            format!("{after_hint} right after a hint"),
            format!("{shown} shown"),
        ];
        if has_wrong {
            cells.push(format!("{wrong} wrong"));
        }
        ListRow { cells, action: score.missed.clone().map(Action::GoToAddress), ..ListRow::default() }
    };
    let practise: Vec<&str> = rules.iter().filter(|score| missed(score) > 0).take(MAX_NAMED).map(|score| score.rule).collect();
    let (right, all) = prediction.totals();
    let mut list = List::new(format!("prediction: {right} of {all} right at once"), rules.iter().map(row).collect());
    let mut note = vec![match practise.as_slice() {
        [] => "nothing to practise".to_owned(),
        rules => format!("practise: {}", rules.join(", ")),
    }];
    if !practise.is_empty() {
        note.push("Enter goes to the last one missed".to_owned());
    }
    if !prediction.is_on {
        note.push("p continues, :score new resets the score".to_owned());
    }
    list.note = note.join("; ");
    Ok(list)
}
