//! Each text has one fault, and each error message is a snapshot.

use std::fs;

use crate::numbers::{files, open, stem};

#[test]
fn every_fault_has_its_message() {
    let (mut all, mut valid) = (Vec::new(), Vec::new());
    for path in files("faults") {
        let text = fs::read_to_string(&path).expect("the file can be read");
        let expects = text.lines().next().unwrap_or_default();
        match open(&path) {
            Ok(_) => valid.push(format!("{}: {expects}", stem(&path))),
            Err(faults) => all.push(format!("{}\n{expects}\n{faults}\n", stem(&path))),
        }
    }
    assert!(valid.is_empty(), "{} texts have no fault:\n{}", valid.len(), valid.join("\n"));
    insta::assert_snapshot!("faults", all.join("\n"));
}

/// The first line of a text says "expects warning" or "expects no warning". The messages are a snapshot.
#[test]
fn lines_that_are_probably_a_mistake_have_a_warning() {
    let mut all = Vec::new();
    for path in files("warnings") {
        let text = fs::read_to_string(&path).expect("the file can be read");
        let expects = text.lines().next().unwrap_or_default();
        let scenario = open(&path).unwrap_or_else(|faults| panic!("{}:\n{faults}", stem(&path)));
        let warnings = &scenario.warnings;
        if expects.starts_with("# expects warning") {
            assert_eq!(warnings.faults().len(), 1, "{}: {expects}\n{warnings}", stem(&path));
        } else if expects.starts_with("# expects no warning") {
            assert!(warnings.faults().is_empty(), "{}: {expects}\n{warnings}", stem(&path));
        }
        if !warnings.faults().is_empty() {
            all.push(format!("{}\n{expects}\n{warnings}\n", stem(&path)));
        }
    }
    insta::assert_snapshot!("warnings", all.join("\n"));
}
