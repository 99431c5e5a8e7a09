//! Evaluates the right-hand side of every equation from the tensors that it names. Each part equals the values of its rule, and the whole equals the tensor of
//! the op.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::Path;

use gradstep::app::Document;
use gradstep::expr::{Notation, OperandForm};
use gradstep::op::slot::Slot;
use gradstep::trace::{Position, Trace};

use super::evaluator::Part;
use super::keys::Keys;
use super::scenarios::{self, Headed};
use super::tensor::Tensor;

/// The largest allowed difference, relative to the number, or to 1 if that is larger.
const TOLERANCE: f64 = 1e-12;

/// A right-hand side that was evaluated.
struct RightHandSide {
    /// The right-hand side as the program prints it.
    printed: String,
    /// The largest magnitude of an entry of all its results.
    largest: f64,
}

/// The right-hand sides that were evaluated, by the debug text of the expression and its arguments.
type RightHandSides = BTreeMap<String, RightHandSide>;

fn is_near(value: f64, expected: f64) -> bool {
    value == expected || (value.is_nan() && expected.is_nan()) || (value - expected).abs() <= TOLERANCE * expected.abs().max(1.0)
}

/// Compares the entries of an evaluated equation with those of the run.
fn compare(evaluated: &Tensor, expected: &[f64]) -> Result<(), String> {
    match evaluated.values.iter().zip(expected).position(|(value, expected)| !is_near(*value, *expected)) {
        Some(at) => Err(format!("gives {:e} for entry {at}, which is {:e}", evaluated.values[at], expected[at])),
        None => Ok(()),
    }
}

/// Checks one op: each part, and their sum. The evaluator looks up the stride, ε and other numbers in `keys`, the keys of the scenario file. The right-hand
/// side of each part is added to `evaluated`.
fn check_op(trace: &Trace, position: &Position, keys: &Keys, evaluated: &mut RightHandSides) -> Result<(), String> {
    let (network, run, op) = (trace.network_of(position.run_index), trace.run(position.run_index), trace.op_at(position));
    let shape = &network.tensor(op.output).shape;
    let mut sum = Tensor::zeros(shape);
    for number in 0..op.parts.len() {
        let (rule, operands) = run.part(op, position.op, number);
        let (right, arguments) = (trace.equation(position, number).right, rule.arguments());
        let debug_text = format!("{right:?} of {arguments:?}");
        let part = Part { network, run, keys, op, number, arguments, iteration: trace.iteration(), jacobian: None };
        let result = part.right_hand_side(&right).map_err(|why| format!("part {number}: {why}"))?;
        let mut expected = vec![0.0; result.values.len()];
        rule.overwrite(&operands, &mut expected);
        compare(&result, &expected).map_err(|why| format!("part {number} {why}"))?;
        let largest = result.values.iter().map(|value| value.abs()).fold(0.0, f64::max);
        let printed = || trace.right_hand_side(position, number, Notation::Unicode);
        let known = evaluated.entry(debug_text).or_insert_with(|| RightHandSide { printed: printed(), largest: 0.0 });
        known.largest = known.largest.max(largest);
        sum = sum.zip(result, |a, b| a + b)?;
    }
    compare(&sum, run.values(op.output))
}

/// Checks all ops of an iteration that have steps. Returns a message for each wrong equation.
fn check_iteration(heading: &str, document: &Document, keys: &Keys, evaluated: &mut RightHandSides) -> Vec<String> {
    let trace = &document.trace;
    let mut wrong = Vec::new();
    for (.., steps) in trace.ops() {
        let position = trace.position(steps.start).expect("a step");
        if let Err(why) = check_op(trace, &position, keys, evaluated) {
            wrong.push(format!("{heading}: {}: {why}", trace.equation_text(&position, Notation::Unicode)));
        }
    }
    wrong
}

/// Checks the first two iterations of each scenario. The first iteration has no previous velocity, so only the second checks the term μ v of the momentum.
fn check_scenarios(scenarios: &[Headed], evaluated: &mut RightHandSides) {
    let mut wrong = Vec::new();
    for (heading, text) in scenarios {
        let (document, keys) = (super::document(heading, text), Keys::of(text));
        wrong.extend(check_iteration(heading, &document, &keys, evaluated));
        if document.descent.iterations() > 1 {
            wrong.extend(check_iteration(heading, &document.iteration(2), &keys, evaluated));
        }
    }
    assert!(wrong.is_empty(), "{} equations are not true:\n{}", wrong.len(), wrong.join("\n"));
}

/// The bundled scenarios without the graphs of tensors: broadcasts and lookups have no operator that the evaluator knows. `tests/graphs` compares their
/// numbers.
fn bundled() -> Vec<Headed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(folder).expect("the scenarios").map(|entry| entry.expect("an entry").path());
    let mut all: Vec<Headed> = files
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), fs::read_to_string(&path).expect("a scenario")))
        .collect();
    all.retain(|(_, text): &Headed| !text.contains("[graph.inputs]"));
    all.sort();
    all
}

#[test]
fn right_hand_sides_equal_their_tensors() {
    let mut evaluated = RightHandSides::new();
    check_scenarios(&[scenarios::one_per_kind(), scenarios::variations()].concat(), &mut evaluated);
    // an equation such as 0 = 0 would prove nothing
    let zeros: Vec<&String> = evaluated.values().filter(|right| right.largest < 1e-3).map(|right| &right.printed).collect();
    assert!(zeros.is_empty(), "all numbers of these equations are 0: {zeros:?}");
}

#[test]
fn right_hand_sides_of_bundled_scenarios_equal_their_tensors() {
    check_scenarios(&bundled(), &mut RightHandSides::new());
}

#[test]
fn a_name_in_an_equation_means_one_tensor() {
    let mut ambiguous = BTreeSet::new();
    for (heading, text) in [scenarios::one_per_kind(), scenarios::variations()].concat() {
        let document = super::document(&heading, &text);
        let trace = &document.trace;
        for (.., steps) in trace.ops() {
            let position = trace.position(steps.start).expect("a step");
            let op = trace.op_at(&position);
            let mut tensors: BTreeMap<String, usize> = BTreeMap::new();
            for (number, part) in op.parts.iter().enumerate() {
                let equation = trace.equation(&position, number);
                let mut visitor = |slot: Slot, is_whole: bool| {
                    let id = part.operands[slot];
                    // an equation names an operand as a whole tensor, such as a⁽¹⁾, or by a letter to which it adds indices, such as aᵢ
                    let form = if is_whole { OperandForm::Whole } else { OperandForm::Letter };
                    let name = trace.operand_text(&position, number, slot, form, Notation::Unicode);
                    if *tensors.entry(name).or_insert(id) != id {
                        ambiguous.insert(equation.name);
                    }
                };
                // the letters in ∂y/∂x are not visited: they are names of a graph's nodes, which are all different
                let exprs = iter::once(equation.right).chain(part.rule.arguments());
                exprs.for_each(|expr| expr.visit(&mut visitor));
            }
        }
    }
    assert!(ambiguous.is_empty(), "one name for two tensors in {ambiguous:?}");
}
