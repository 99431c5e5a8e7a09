//! Prints the equation of every op in Unicode, ASCII and LaTeX as a snapshot. Also evaluates each equation, and compares the result with the tensor.

mod dual;
mod evaluator;
mod keys;
mod optimizer;
mod right_hand_sides;
mod scenarios;
mod tensor;
mod windows;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gradstep::app::Document;
use gradstep::expr::Notation;
use gradstep::op::rule::Gist;
use gradstep::scenario::{self, Limits, Source};

fn document(heading: &str, text: &str) -> Document {
    let source = Source { name: "equations".into(), path_shown: "equations.toml".into(), text: text.into() };
    Document::new(scenario::read(source, Limits::default()).unwrap_or_else(|faults| panic!("{heading}: {faults}\n{text}")))
}

/// Writes the equations of a scenario that are not written yet, one line for each notation.
fn write(to: &mut String, seen: &mut BTreeSet<String>, heading: &str, text: &str) {
    let document = document(heading, text);
    let trace = &document.trace;
    let mut lines = String::new();
    for (.., steps) in trace.ops() {
        let Some(at) = trace.position(steps.start) else { continue };
        let equation = trace.equation(&at, 0);
        let [unicode, ascii, latex] =
            [Notation::Unicode, Notation::Ascii, Notation::Latex].map(|notation| trace.equation_text(&at, notation));
        assert!(ascii.is_ascii() && latex.is_ascii(), "{ascii}\n{latex}");
        assert!(!ascii.contains('?'), "{heading}: {ascii}");
        if seen.insert(unicode.clone()) {
            writeln!(lines, "{unicode}\n  {}\n  {ascii}\n  {latex}", equation.title(Notation::Unicode)).expect("a string");
            // a definition or a formula is an expression too, so it is printed in all notations
            if matches!(equation.gist, Gist::Definition(_) | Gist::Formula(_)) {
                let [ascii, latex] = [Notation::Ascii, Notation::Latex].map(|notation| equation.gist.text(notation));
                assert!(ascii.is_ascii() && latex.is_ascii(), "{ascii}\n{latex}");
                writeln!(lines, "  {ascii}\n  {latex}").expect("a string");
            }
        }
    }
    write!(to, "# {heading}\n{lines}\n").expect("a string");
}

#[test]
fn every_op_has_its_equation_in_three_notations() {
    let (mut text, mut seen) = (String::new(), BTreeSet::new());
    for (heading, scenario) in scenarios::one_per_kind() {
        write(&mut text, &mut seen, &heading, &scenario);
    }
    insta::with_settings!({ omit_expression => true, snapshot_path => "../snapshots" }, { insta::assert_snapshot!("equations", text) });
}
