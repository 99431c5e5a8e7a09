//! A search for values or for names stops at the same steps as a simple scan of all steps.

use std::sync::Arc;

use gradstep::app::Document;
use gradstep::command::ScenarioLoader;
use gradstep::scenario::Limits;

use super::{TRAINED, address, at, enter, message, place, press, small};

fn scenarios() -> Vec<(String, Arc<Document>)> {
    let loader = ScenarioLoader::bundled(Limits::default());
    let mut all: Vec<_> =
        ["figure-07", "figure-14", "figure-19", "xor"].map(|name| (name.to_owned(), Arc::new(loader.open(name).unwrap()))).into();
    all.push(("trained".to_owned(), small(TRAINED)));
    all
}

/// The last steps of all entries, each with its value.
fn entries(document: &Document) -> Vec<(u64, f64)> {
    let steps = (1..=document.trace.len()).filter_map(|k| document.trace.get(k));
    steps.filter(|step| step.term == step.terms).map(|step| (step.step, step.sum)).collect()
}

/// Returns the next and the previous match from a step. The search wraps around at both ends.
fn neighbours(matches: &[u64], step: u64) -> [Option<u64>; 2] {
    let next = matches.iter().find(|at| **at > step).or(matches.first());
    let previous = matches.iter().rev().find(|at| **at < step).or(matches.last());
    [next.copied(), previous.copied()]
}

#[test]
fn a_search_for_values_agrees_with_a_scan_of_all_steps() {
    type Test = fn(f64) -> bool;
    let tests: [(&str, Test); 6] = [
        ("/ > 1", |value| value > 1.0),
        ("/< 0", |value| value < 0.0),
        ("/ == 0", |value| value == 0.0),
        ("/|x| > 0.5", |value| value.abs() > 0.5),
        ("/ nan", f64::is_nan),
        ("/ inf", f64::is_infinite),
    ];
    for (name, document) in scenarios() {
        let (all, len) = (entries(&document), document.trace.len());
        for (typed, test) in tests {
            let matches: Vec<u64> = all.iter().filter(|(_, value)| test(*value)).map(|(step, _)| *step).collect();
            for step in [1, len / 3 + 1, len / 2 + 1, len].into_iter().chain(matches.first().copied()) {
                let [next, previous] = neighbours(&matches, step);
                let mut state = at(&document, step);
                enter(&mut state, typed);
                assert_eq!(place(&state).step, next.unwrap_or(step), "{name} {typed} from {step}");
                match next {
                    None => assert!(message(&state).starts_with("no value in "), "{}", message(&state)),
                    Some(next) if next == step => assert_eq!(message(&state), "this is the only match"),
                    Some(next) => assert_eq!(message(&state).starts_with("found ahead: "), next > step, "{}", message(&state)),
                }
                let mut three_further = next;
                for _ in 0..3 {
                    three_further = three_further.and_then(|step| neighbours(&matches, step)[0]);
                }
                press(&mut state, "3n");
                assert_eq!(place(&state).step, three_further.unwrap_or(step), "{name} {typed} 3n");
                let mut state = at(&document, step);
                enter(&mut state, typed);
                press(&mut state, &format!("{step}G"));
                press(&mut state, "N");
                assert_eq!(place(&state).step, previous.unwrap_or(step), "{name} {typed} back from {step}");
            }
        }
    }
}

#[test]
fn a_search_for_names_finds_ops() {
    for (name, document) in scenarios() {
        for part in ["grad.", "z", "weight", "loss", "nowhere"] {
            let first = |k: &u64| document.trace.span(*k, gradstep::step::Unit::Op).start == *k;
            let ops = (1..=document.trace.len()).filter(first).filter(|k| document.trace.get(*k).unwrap().op.contains(part));
            let matches: Vec<u64> = ops.collect();
            for step in [1, document.trace.len() / 2, document.trace.len()] {
                let mut state = at(&document, step);
                enter(&mut state, &format!("/{part}"));
                let [next, _] = neighbours(&matches, step);
                assert_eq!(place(&state).step, next.unwrap_or(step), "{name} /{part} from {step}");
                press(&mut state, "N");
                let back = next.and_then(|next| neighbours(&matches, next)[1]);
                assert_eq!(place(&state).step, back.unwrap_or(step), "{name} /{part} and N");
            }
        }
    }
}

#[test]
fn n_without_a_search_mentions_the_key_of_the_notes() {
    let mut state = at(&small(TRAINED), 3);
    for key in ["n", "N"] {
        press(&mut state, key);
        assert!(message(&state).ends_with("the key a shows the scenario's notes") && place(&state).step == 3);
    }
    enter(&mut state, "/ >");
    assert_eq!(message(&state), "a number is missing after >: write > 1, < 0, == 0, nan, inf or |x| > 1");
}

#[test]
fn the_first_value_that_is_not_finite_is_found() {
    let text = "title = \"over\"\n[graph]\ninputs = { a = 800, b = 0.25 }\nnodes = [\"u = a * b\", \"v = exp(a)\", \"w = u * v\"]\n";
    let document = small(text);
    let first = entries(&document).iter().find(|(_, value)| !value.is_finite()).unwrap().0;
    for step in [1, document.trace.len()] {
        let mut state = at(&document, step);
        enter(&mut state, ":first value that is not finite");
        assert_eq!((place(&state).step, address(&state).as_str()), (first, "v#1"));
        press(&mut state, "<C-o>");
        assert_eq!(place(&state).step, step, "Ctrl-O goes back to the step before the search");
        enter(&mut state, "/ inf");
        assert_eq!(
            place(&state).step,
            neighbours(&entries(&document).iter().filter(|(_, v)| v.is_infinite()).map(|e| e.0).collect::<Vec<_>>(), step)[0].unwrap()
        );
    }
    let mut state = at(&small(TRAINED), 9);
    enter(&mut state, ":first value that is not finite");
    assert_eq!((message(&state).as_str(), place(&state).step), ("no value in iteration 1 is not finite", 9));
}
