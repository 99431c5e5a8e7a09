//! Each file in `tests/diff/plants` has gradients with one or two known mistakes, or with an unknown one. `gradstep diff` names the known mistakes.

use gradstep::mistakes::Explanation;
use serde_json::Value;

use super::plants::{Compared, cases, text};

fn explanation_of(compared: Compared) -> Explanation {
    let rate = compared.document.descent.train().map(|train| train.optimizer.learning_rate);
    Explanation::new(&compared.document.trace, compared.user, rate, &mut |_, _| true).expect("not interrupted")
}

fn ids(case: &Value, field: &str) -> Vec<String> {
    case[field].as_array().map_or_else(Vec::new, |all| all.iter().filter_map(|one| one["id"].as_str()).map(str::to_owned).collect())
}

#[test]
fn planted_mistakes_are_named() {
    let mut missed = Vec::new();
    // the numbers of wrong and of right explanations
    let mut counts = [0, 0];
    for case in &cases() {
        let (name, compared) = (text(case, "name"), Compared::of(case));
        let found = explanation_of(compared).causes;
        let named: Vec<&str> = found.iter().map(|cause| cause.id).collect();
        // `same` are other mistakes that give the same numbers as the planted one
        let (planted, same) = (ids(case, "planted"), ids(case, "same"));
        // of several planted mistakes, all must be in the first explanation, which is group 1
        let is_right = match text(case, "kind") {
            "none" => found.is_empty(),
            "one" => named.first().is_some_and(|first| planted.iter().chain(&same).any(|id| id == first)),
            _ => {
                let group: Vec<&str> = found.iter().filter(|cause| cause.group == 1).map(|cause| cause.id).collect();
                planted.iter().all(|id| group.contains(&id.as_str()))
            }
        };
        counts[usize::from(is_right)] += 1;
        if !is_right {
            let found: Vec<_> =
                found.iter().map(|cause| (cause.id, &cause.variant, &cause.at, cause.group, cause.explains.len())).collect();
            missed.push(format!("{name}: planted {} (same {same:?}), found {found:?}", case["planted"]));
        }
    }

    assert!(missed.is_empty(), "{counts:?}\n{}", missed.join("\n"));
}

/// A sample's gradients can be those of the mean loss, or of the loss of the sample: they differ by a factor. If too few entries are right
/// to decide, `diff` chooses the scale in which known mistakes explain more.
#[test]
fn the_scale_of_the_samples_is_found() {
    let mut counts = [0, 0];
    for case in &cases() {
        // the form of the user's file: whether it has the gradients of the samples, and of which loss
        let (name, form) = (text(case, "name"), text(case, "form"));
        let is_mean = match form {
            // one tensor with the gradients of all samples, of the mean loss
            "stack" => true,
            // `own-stack`: one tensor with the gradients of all samples, of each sample's own loss
            // `all`: one tensor for each sample, of its own loss
            "own-stack" | "all" => false,
            _ => continue,
        };
        let compared = Compared::of(case);
        let n = compared.document.trace.samples();
        if n == 1 || text(case, "kind") == "none" {
            continue;
        }
        let explanation = explanation_of(compared);
        let notes = explanation.user.notes.join("\n");
        assert_eq!(notes.contains(&format!("compared times {n}")), is_mean, "{name}: {notes}");
        assert!(explanation.unexplained().is_empty(), "{name}: {:?}", explanation.causes);
        counts[usize::from(is_mean)] += 1;
    }
    assert!(counts[0] > 5 && counts[1] > 3, "{counts:?}");
}
