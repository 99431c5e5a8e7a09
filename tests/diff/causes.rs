//! The mistakes in the gradients of `tests/diff/plants` are named.

use gradstep::mistakes::{Cause, cause_of_shape, causes};
use serde_json::Value;

use super::plants::{Compared, cases, text};

fn search(compared: &Compared) -> Vec<Cause> {
    let rate = compared.document.descent.train().map(|train| train.optimizer.learning_rate);
    let trace = &compared.document.trace;
    let user = &compared.user;
    let mut found = causes(trace, &user.tensors, &compared.report, user.tolerance, rate, &mut |_, _| true).expect("not interrupted");
    for (index, shape, numbers) in &user.misshapen {
        found.extend(cause_of_shape(trace, user.tensors[*index].gradient, (*index, shape, numbers), user.tolerance));
    }
    found
}

fn ids(case: &Value, field: &str) -> Vec<String> {
    case[field].as_array().map_or_else(Vec::new, |all| all.iter().filter_map(|one| one["id"].as_str()).map(str::to_owned).collect())
}

/// The number of cases with a transposed matrix of another shape, which is compared with the names of the file.
const MOST_MISSED: usize = 2;

#[test]
fn planted_mistakes_are_named() {
    let mut missed = Vec::new();
    let mut counts = [0, 0];
    for case in &cases() {
        let (name, compared) = (text(case, "name"), Compared::of(case));
        let found = search(&compared);
        let named: Vec<&str> = found.iter().map(|cause| cause.id).collect();
        let (planted, same) = (ids(case, "planted"), ids(case, "same"));
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

    assert!(counts[0] <= MOST_MISSED, "{counts:?}\n{}", missed.join("\n"));
}
