//! Breakpoints can be set, listed and removed. The keys `c` and `C` stop at the same steps as a simple scan of all steps of all iterations.

use gradstep::app::{Document, ListKind, OverlayKind, State, Visit};
use gradstep::step::Unit;

use super::{TRAINED, address, at, enter, message, place, press, small};

/// Tests every step of every iteration, and returns those at which a breakpoint stops.
fn scan(document: &Document, stops: impl Fn(&Document, u64) -> bool) -> Vec<Visit> {
    (1..=document.iterations())
        .flat_map(|iteration| {
            let document_there = document.iteration(iteration);
            (1..=document_there.trace.len())
                .filter(|step| stops(&document_there, *step))
                .map(|step| Visit { iteration, step })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The address of a step without its sample and term: `fc1.z[1]` for `2:fc1.z[1]#2`.
fn entry_of(document: &Document, step: u64) -> String {
    let text = document.trace.address(&document.trace.position(step).unwrap()).to_string();
    let text = text.split('#').next().unwrap();
    text.trim_start_matches("1:").trim_start_matches("2:").to_owned()
}

fn is_last_term(document: &Document, step: u64) -> bool {
    let position = document.trace.position(step).unwrap();
    position.term + 1 == position.terms
}

/// Whether a breakpoint stops at a step.
type Stops = Box<dyn Fn(&Document, u64) -> bool>;

/// Lists of breakpoints, each under a title. A breakpoint is given by the argument of `:break`, and by a function that says at which steps it must stop.
fn cases() -> Vec<(&'static str, Vec<(&'static str, Stops)>)> {
    let entry = |name: &'static str| -> Stops { Box::new(move |d, k| is_last_term(d, k) && entry_of(d, k) == name) };
    let op = |name: &'static str| -> Stops {
        Box::new(move |d, k| d.trace.span(k, Unit::Op).start == k && entry_of(d, k).split('[').next() == Some(name))
    };
    // stops at the first entry of the op whose value passes the test
    let condition = |name: &'static str, test: fn(f64) -> bool| -> Stops {
        Box::new(move |d, k| {
            let holds = |k: u64| is_last_term(d, k) && test(d.trace.get(k).unwrap().sum);
            let op = d.trace.span(k, Unit::Op);
            entry_of(d, k).split('[').next() == Some(name) && holds(k) && !(op.start..k).any(holds)
        })
    };
    vec![
        ("entry", vec![("fc1.z[1]", entry("fc1.z[1]"))]),
        ("op", vec![("grad.fc1.z", op("grad.fc1.z"))]),
        (
            "reduced",
            vec![("reduce:grad.fc1.weight[0,1]", Box::new(|d, k| is_last_term(d, k) && entry_of(d, k) == "reduce:grad.fc1.weight[0,1]"))],
        ),
        ("updated", vec![("fc1.weight", op("update:fc1.weight"))]),
        ("condition", vec![("fc1.a > 0.5", condition("fc1.a", |v| v > 0.5))]),
        ("magnitude", vec![("|grad.fc1.z| > 0.4", condition("grad.fc1.z", |v| v.abs() > 0.4))]),
        (
            "of an entry",
            vec![(
                "fc1.z[0] < -1",
                Box::new(|d, k| is_last_term(d, k) && entry_of(d, k) == "fc1.z[0]" && d.trace.get(k).unwrap().sum < -1.0),
            )],
        ),
        (
            "one sample",
            vec![(
                "2:fc1.a[0]",
                Box::new(|d, k| is_last_term(d, k) && d.trace.address(&d.trace.position(k).unwrap()).to_string().starts_with("2:fc1.a[0]")),
            )],
        ),
        (
            "one iteration",
            vec![("3/loss", Box::new(|d, k| d.trace.iteration() == 3 && d.trace.span(k, Unit::Op).start == k && entry_of(d, k) == "loss"))],
        ),
        (
            "several",
            vec![("fc1.z[1]", entry("fc1.z[1]")), ("grad.fc1.z", op("grad.fc1.z")), ("fc1.a > 0.5", condition("fc1.a", |v| v > 0.5))],
        ),
    ]
}

#[test]
fn c_stops_where_a_scan_of_all_steps_stops() {
    for one_at_a_time in [false, true] {
        let document = small(&if one_at_a_time { format!("{TRAINED}batch_size = 1\n") } else { TRAINED.to_owned() });
        for (title, breakpoints) in &cases() {
            // with one sample in each batch there is no reduce pass, and not every iteration has the sample 2
            if one_at_a_time && matches!(*title, "reduced" | "one sample") {
                continue;
            }
            let wanted = scan(&document, |d, k| breakpoints.iter().any(|(_, stops)| stops(d, k)));
            assert!(!wanted.is_empty(), "{title}");
            let mut state = at(&document, 1);
            for (text, _) in breakpoints {
                enter(&mut state, &format!(":break {text}"));
                assert!(message(&state).starts_with("breakpoint "), "{title}: {}", message(&state));
            }
            // `c` does not stop at the step at which it is pressed
            for visit in wanted.iter().filter(|visit| **visit != Visit { iteration: 1, step: 1 }) {
                press(&mut state, "c");
                assert_eq!(place(&state), *visit, "{title}: c");
                assert!(message(&state).starts_with("breakpoint "), "{title}: {}", message(&state));
            }
            press(&mut state, "c");
            let last = Visit { iteration: document.iterations(), step: document.iteration(document.iterations()).trace.len() };
            assert_eq!(
                (place(&state), message(&state).as_str()),
                (last, "no further breakpoint: ran to the last step; Backspace goes back"),
                "{title}"
            );
            for visit in wanted.iter().rev().filter(|visit| **visit != last) {
                press(&mut state, "C");
                assert_eq!(place(&state), *visit, "{title}: C");
            }
            press(&mut state, "C");
            assert_eq!(place(&state), Visit { iteration: 1, step: 1 }, "{title}");
            // a count, and the way back
            press(&mut state, "3c");
            let third = wanted.iter().filter(|visit| **visit != Visit { iteration: 1, step: 1 }).nth(2).copied().unwrap_or(last);
            assert_eq!(place(&state), third, "{title}: 3c");
            press(&mut state, "<C-o>");
            assert_eq!(place(&state), Visit { iteration: 1, step: 1 }, "{title}: Ctrl-O");
        }
    }
}

#[test]
fn b_sets_a_breakpoint_here_and_removes_it() {
    let document = small(TRAINED);
    let step = document.trace.resolve(&"1:fc1.z[1]#2".parse().unwrap()).unwrap();
    // in the unit step or entry, the breakpoint is at the entry of the step; in a larger unit, at its op; with a cursor, at the entry under the cursor
    for (keys, label) in
        [("", "fc1.z[1]"), ("k", "fc1.z[1]"), ("kk", "fc1.z"), ("kkk", "fc1.z"), ("i<Up>", "fc1.z[0]"), ("kki", "fc1.z[1]")]
    {
        let mut state = at(&document, step);
        press(&mut state, keys);
        press(&mut state, "B");
        let labels = |state: &State| {
            state.stepper().unwrap().breakpoints.all().iter().map(|breakpoint| breakpoint.spec.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(labels(&state), [label], "{keys}");
        assert!(message(&state).starts_with(&format!("breakpoint 1: {label}, at the ")), "{}", message(&state));
        press(&mut state, "B");
        assert_eq!((labels(&state), message(&state)), (Vec::new(), format!("breakpoint 1 is removed: {label}")));
        press(&mut state, "B");
        assert_eq!(state.stepper().unwrap().breakpoints.all()[0].number, 2, "a number is not used again");
    }
    // an input is not computed
    let mut state = at(&document, step);
    press(&mut state, "i<Tab>B");
    assert!(message(&state).contains("no step computes it"), "{}", message(&state));
}

#[test]
fn breakpoints_are_listed_and_removed_by_number() {
    let document = small(TRAINED);
    let mut state = at(&document, 1);
    for keys in ["c", "C"] {
        press(&mut state, keys);
        assert!(message(&state).starts_with("there is no breakpoint"));
    }
    enter(&mut state, ":breaks");
    assert!(message(&state).starts_with("there is no breakpoint"));
    for text in ["fc1.z[1]", "|grad.fc1.z| > 1", "3/loss"] {
        enter(&mut state, &format!(":break {text}"));
    }
    enter(&mut state, ":breaks");
    let overlay = state.overlay.clone().unwrap();
    assert_eq!(overlay.kind, OverlayKind::List(ListKind::Breaks));
    let list = overlay.list.unwrap();
    assert_eq!(list.note, "c runs to the next breakpoint, C back to the previous one; :delete 2 removes number 2");
    let rows: Vec<String> = list.rows.iter().map(|row| row.cells.join(" ")).collect();
    assert_eq!(
        rows,
        ["1 fc1.z[1] at the last term", "2 |grad.fc1.z| > 1 at the first entry for which it holds", "3 3/loss at the first step of the op"]
    );
    press(&mut state, "jj<Enter>");
    assert_eq!((place(&state).iteration, address(&state).as_str()), (3, "1:loss#1"));
    enter(&mut state, ":delete 2");
    assert_eq!(message(&state), "breakpoint 2 is removed: |grad.fc1.z| > 1");
    enter(&mut state, ":delete 2");
    assert_eq!(message(&state), "there is no breakpoint 2: :breaks lists them");
    enter(&mut state, ":delete all");
    assert_eq!(message(&state), "2 breakpoints are removed");
    enter(&mut state, ":break fc1.z[1]");
    enter(&mut state, ":delete all");
    assert_eq!(message(&state), "1 breakpoint is removed");
    for (text, why) in [
        ("fc2.z", "there is no op fc2.z"),
        ("input", "input is given, not computed: no step makes it"),
        ("fc1.z[9]", "fc1.z has no entry [9]; its last entry is [1]"),
        ("fc1.z[0]#2", "a breakpoint is at an entry or an op, not at a term: leave out #"),
        ("|fc1.z > 1", "the second | is missing, as in |grad.fc1.z| > 1"),
        ("|fc1.z|", "a condition is missing: |fc1.z| > 1"),
        ("fc1.z > one", "one is not a number: write > 1, < 0, == 0, nan, inf or |x| > 1"),
        ("9/fc1.z", "there is no iteration 9: the last is 4"),
    ] {
        enter(&mut state, &format!(":break {text}"));
        assert!(message(&state).starts_with(why), "{text}: {}", message(&state));
        assert!(state.stepper().unwrap().breakpoints.all().is_empty());
    }
}
