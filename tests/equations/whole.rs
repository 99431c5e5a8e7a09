//! The right-hand side of every equation equals its tensor: each part equals the values of its rule, and the sum of the parts equals the tensor of the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::Path;

use gradstep::app::Document;
use gradstep::expr::{Notation, OperandPart as Named};
use gradstep::op::slot::Slot;
use gradstep::trace::{Position, Trace};

use super::evaluator::Part;
use super::keys::Keys;
use super::scenarios::{self, Headed};
use super::tensor::Tensor;

/// The largest allowed difference, relative to the number, or to 1 if that is larger.
const TOLERANCE: f64 = 1e-12;

/// The text of each evaluated equation and the largest number that it gave.
type Tally = BTreeMap<String, (String, f64)>;

fn near(is: f64, right: f64) -> bool {
    is == right || (is.is_nan() && right.is_nan()) || (is - right).abs() <= TOLERANCE * right.abs().max(1.0)
}

/// Compares all entries.
fn same(says: &Tensor, holds: &[f64]) -> Result<(), String> {
    match says.values.iter().zip(holds).position(|(says, holds)| !near(*says, *holds)) {
        Some(at) => Err(format!("says {:e} for entry {at}, which is {:e}", says.values[at], holds[at])),
        None => Ok(()),
    }
}

/// Checks one op: each part, and their sum.
fn op(trace: &Trace, at: &Position, keys: &Keys, tally: &mut Tally) -> Result<(), String> {
    let (network, run, op) = (trace.network_of(at.sample_run), trace.run(at.sample_run), trace.op_at(at));
    let shape = &network.tensor(op.output).shape;
    let mut sum = Tensor::zeros(shape);
    for number in 0..op.parts.len() {
        let (rule, x) = run.part(op, at.op, number);
        let (right, arguments) = (trace.equation(at, number).right, rule.arguments());
        let written = format!("{right:?} of {arguments:?}");
        let part = Part { network, run, keys, op, number, arguments, jacobian: None };
        let says = part.right_hand_side(&right).map_err(|why| format!("part {number}: {why}"))?;
        let mut holds = vec![0.0; says.values.len()];
        rule.begin(&x, &mut holds);
        same(&says, &holds).map_err(|why| format!("part {number} {why}"))?;
        let largest = says.values.iter().map(|value| value.abs()).fold(0.0, f64::max);
        let known = tally.entry(written).or_insert_with(|| (trace.right_hand_side(at, number, Notation::Unicode), 0.0));
        known.1 = known.1.max(largest);
        sum = sum.zip(says, |a, b| a + b)?;
    }
    same(&sum, run.values(op.output))
}

/// Checks all ops of an iteration that have steps, and returns the faults.
fn all(heading: &str, document: &Document, keys: &Keys, tally: &mut Tally) -> Vec<String> {
    let trace = &document.trace;
    let mut wrong = Vec::new();
    for (.., steps) in trace.ops() {
        let at = trace.position(steps.start).expect("a step");
        if let Err(why) = op(trace, &at, keys, tally) {
            wrong.push(format!("{heading}: {}: {why}", trace.equation_text(&at, Notation::Unicode)));
        }
    }
    wrong
}

/// Checks the first two iterations of scenarios; the second one has a velocity.
fn hold(scenarios: &[Headed], tally: &mut Tally) {
    let mut wrong = Vec::new();
    for (heading, text) in scenarios {
        let (document, keys) = (super::document(heading, text), Keys::of(text));
        wrong.extend(all(heading, &document, &keys, tally));
        if document.descent.iterations() > 1 {
            wrong.extend(all(heading, &document.iteration(2), &keys, tally));
        }
    }
    assert!(wrong.is_empty(), "{} equations are not true:\n{}", wrong.len(), wrong.join("\n"));
}

fn bundled() -> Vec<Headed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(folder).expect("the scenarios").map(|entry| entry.expect("an entry").path());
    let mut all: Vec<Headed> = files
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), fs::read_to_string(&path).expect("a scenario")))
        .collect();
    all.sort();
    all
}

#[test]
fn every_equation_is_true_of_its_tensors() {
    let mut tally = Tally::new();
    hold(&[scenarios::kinds(), scenarios::others()].concat(), &mut tally);
    // 0 = 0 would prove nothing
    let empty: Vec<&String> = tally.values().filter(|(_, largest)| *largest < 1e-3).map(|(text, _)| text).collect();
    assert!(empty.is_empty(), "all numbers of these are 0: {empty:?}");
}

#[test]
fn equations_of_bundled_scenarios_are_true() {
    hold(&bundled(), &mut Tally::new());
}

#[test]
fn a_name_in_an_equation_means_one_tensor() {
    let mut found = BTreeSet::new();
    for (heading, text) in [scenarios::kinds(), scenarios::others()].concat() {
        let document = super::document(&heading, &text);
        let trace = &document.trace;
        for (.., steps) in trace.ops() {
            let at = trace.position(steps.start).expect("a step");
            let op = trace.op_at(&at);
            let mut tensors: BTreeMap<String, usize> = BTreeMap::new();
            for (number, part) in op.parts.iter().enumerate() {
                let equation = trace.equation(&at, number);
                let mut see = |slot: Slot, whole: bool| {
                    let id = part.operands[slot];
                    let named = if whole { Named::Whole } else { Named::Letter };
                    let text = trace.operand_text(&at, number, slot, named, Notation::Unicode);
                    if *tensors.entry(text).or_insert(id) != id {
                        found.insert(equation.name);
                    }
                };
                // the letters ∂y/∂x of a graph are names of nodes, which are all different
                let exprs = iter::once(equation.right).chain(part.rule.arguments());
                exprs.for_each(|expr| expr.visit(&mut see));
            }
        }
    }
    assert!(found.is_empty(), "one name for two tensors in {found:?}");
}
