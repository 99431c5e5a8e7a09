//! Compares the error messages and warnings of scenario files with snapshots. The first line of each file is a comment with the expected message in other
//! words.

use std::fs;

use crate::numbers::{files, open, stem};

#[test]
fn every_fault_has_its_message() {
    let (mut messages, mut valid) = (Vec::new(), Vec::new());
    for path in files("faults") {
        let text = fs::read_to_string(&path).expect("the file can be read");
        let first_line = text.lines().next().unwrap_or_default();
        match open(&path) {
            Ok(_) => valid.push(format!("{}: {first_line}", stem(&path))),
            Err(faults) => messages.push(format!("{}\n{first_line}\n{faults}\n", stem(&path))),
        }
    }
    assert!(valid.is_empty(), "{} texts have no fault:\n{}", valid.len(), valid.join("\n"));
    insta::assert_snapshot!("faults", messages.join("\n"));
}

/// The first line of a text says "expects warning" or "expects no warning". The messages are a snapshot.
#[test]
fn lines_that_are_probably_a_mistake_have_a_warning() {
    let mut all = Vec::new();
    for path in files("warnings") {
        let text = fs::read_to_string(&path).expect("the file can be read");
        let first_line = text.lines().next().unwrap_or_default();
        let scenario = open(&path).unwrap_or_else(|faults| panic!("{}:\n{faults}", stem(&path)));
        let warnings = &scenario.warnings;
        if first_line.starts_with("# expects warning") {
            assert_eq!(warnings.faults().len(), 1, "{}: {first_line}\n{warnings}", stem(&path));
        } else if first_line.starts_with("# expects no warning") {
            assert!(warnings.faults().is_empty(), "{}: {first_line}\n{warnings}", stem(&path));
        }
        if !warnings.faults().is_empty() {
            all.push(format!("{}\n{first_line}\n{warnings}\n", stem(&path)));
        }
    }
    insta::assert_snapshot!("warnings", all.join("\n"));
}
