use std::sync::Arc;

use super::*;
use crate::network::{Builder, Node};
use crate::op::rule::{Operands, Rule};
use crate::op::scalar::{Operand, Operator, Scalar};
use crate::scenario::{Limits, Source, read};

/// J = 2 (a b + c), the series' figure 14.
fn figure_14() -> Trace {
    let scalar = |operator, operands: [Operand; 2]| Scalar { operator, operands: operands.into_iter().collect() };
    let (x, y) = (Operand::Slot(0), Operand::Slot(1));
    let nodes = [
        Node { name: "u".into(), scalar: scalar(Operator::Mul, [x, y]), reads: vec![0, 1] },
        Node { name: "v".into(), scalar: scalar(Operator::Add, [x, y]), reads: vec![3, 2] },
        Node { name: "J".into(), scalar: scalar(Operator::Mul, [Operand::Constant(2.0), x]), reads: vec![4] },
    ];
    let inputs = [("a".to_owned(), 3.0), ("b".to_owned(), 2.0), ("c".to_owned(), 4.0)];
    let network = Arc::new(Builder::graph(&inputs, &nodes, 5));
    let run = Run::new(&network, &[]);
    Trace::new(network, vec![run])
}

fn value(trace: &Trace, name: &str) -> f64 {
    trace.run(0).values(trace.network().find(name).expect(name))[0]
}

#[test]
#[allow(clippy::float_cmp)] // whole numbers
fn figure_14_has_the_numbers_of_the_series() {
    let trace = figure_14();
    for (name, expected) in [
        ("u", 6.0),
        ("v", 10.0),
        ("J", 20.0),
        ("grad.J", 1.0),
        ("grad.v", 2.0),
        ("grad.u", 2.0),
        ("grad.c", 2.0),
        ("grad.a", 4.0),
        ("grad.b", 6.0),
    ] {
        assert_eq!(value(&trace, name), expected, "{name}");
    }
}

#[test]
fn every_step_is_found_again_by_its_address() {
    let trace = figure_14();
    for k in 1..=trace.len() {
        let at = trace.position(k).expect("a step");
        let address = trace.address(&at).to_string();
        assert_eq!(trace.resolve(&address.parse().expect("an address")), Ok(k), "{address}");
    }
    assert!(trace.position(0).is_none());
    assert!(trace.position(trace.len() + 1).is_none());
}

#[test]
fn what_is_not_there_is_said_in_a_sentence() {
    let trace = figure_14();
    let said = |address: &str| trace.resolve(&address.parse().expect(address)).expect_err(address);
    assert_eq!(said("gard.a"), "there is no op gard.a; did you mean grad.a?");
    for nothing_alike in ["zzz", "é", "uuuuu"] {
        assert_eq!(said(nothing_alike), format!("there is no op {nothing_alike}"));
    }
    let number = "a step's number counts over the whole iteration and takes nothing in front: write 7, not 1:7";
    assert_eq!(said("1:7"), number);
    assert_eq!(said("99"), "there is no step 99: the last is 10");
    assert_eq!(said("a"), "a is given, not computed: no step makes it");
    assert_eq!(said("u[0]"), "u is a single number: it has no index");
    assert_eq!(said("u#2"), "there is no term 2: u has 1");
    assert_eq!(said("2:u"), "there is no sample 2 in this iteration: there is 1");
}

#[test]
fn uses_lead_to_the_steps_that_read() {
    let trace = figure_14();
    let b = trace.network().find("b").expect("b");
    let ops: Vec<String> = trace.uses(0, b, 0).iter().map(|found| trace.network().tensor(found.tensor).name.to_string()).collect();
    assert_eq!(ops, ["u", "grad.a"]);
}

#[test]
fn what_threads_have_shared_is_the_sum_of_its_terms() {
    for (path, text) in
        [("figure-01", include_str!("../../scenarios/figure-01.toml")), ("every-layer", include_str!("../../tests/valid/every-layer.toml"))]
    {
        let scenario =
            read(Source { name: path.into(), path_shown: path.into(), text: text.into() }, Limits::default()).expect("no faults");
        let run = Run::new(&scenario.network, &scenario.given(0));
        for (number, op) in scenario.network.ops().iter().enumerate() {
            for (entry, value) in run.values(op.output).iter().enumerate() {
                let terms = |(rule, x): &(&dyn Rule, Operands<'_>)| rule.before(x, entry + 1) - rule.before(x, entry);
                let add = |sum, part: (&dyn Rule, Operands<'_>)| part.0.partial(&part.1, entry, terms(&part), sum);
                let start = if run.terms(op, number, entry) == 0 { 0.0 } else { -0.0 };
                let sum: f64 = run.parts(op, number).fold(start, add);
                assert_eq!(sum.to_bits(), value.to_bits(), "{path}: {} {entry}", scenario.network.tensor(op.output).name);
            }
        }
    }
}
