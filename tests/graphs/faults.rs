//! Texts with one fault each: every message is a snapshot.

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
