//! Compares the values and gradients of the graphs in `oracle` and `exercises` with those that PyTorch computed from the same statements (`generate.py`).

use std::fs;

use gradstep::network::{Network, Role, Run};
use serde_json::Value;

use crate::numbers::{files, open, run, stem};

/// The largest difference from a value of PyTorch, relative to the value, or to [`FLOOR`] if the value is smaller.
const VALUE_TOLERANCE: f64 = 1e-12;
/// The same for a gradient.
const GRADIENT_TOLERANCE: f64 = 1e-10;
/// The smallest number to which a difference is relative.
const FLOOR: f64 = 1e-3;

/// Appends the numbers of nested arrays to `all`, and returns the shape of the arrays.
fn numbers(value: &Value, all: &mut Vec<f64>) -> Vec<usize> {
    match value {
        Value::Array(items) => {
            let inner = items.iter().map(|item| numbers(item, all)).last().unwrap_or_default();
            std::iter::once(items.len()).chain(inner).collect()
        }
        Value::String(text) => {
            all.push(text.parse().expect("nan, inf or -inf"));
            Vec::new()
        }
        Value::Bool(flag) => {
            all.push(f64::from(u8::from(*flag)));
            Vec::new()
        }
        other => {
            all.push(other.as_f64().expect("a number"));
            Vec::new()
        }
    }
}

/// Returns a message about the first difference between the tensor `name` and the expected numbers. `is_input` is `true` for the gradient of an input that the
/// scenario gives, and `false` for the gradient of a statement.
fn difference(network: &Network, run: &Run, (name, is_input): (&str, bool), expected: &Value, tolerance: f64) -> Option<String> {
    // if a statement assigns to the input x, the gradient of the input is called `grad.x@0`, and `grad.x` is that of the last assignment
    let input = name.strip_prefix("grad.").map(|base| format!("grad.{base}@0"));
    let input = input.filter(|_| is_input).and_then(|input| network.find(&input));
    let Some(id) = input.or_else(|| network.find(name)) else { return Some(format!("{name} does not exist")) };
    let mut all = Vec::new();
    let shape = numbers(expected, &mut all);
    if shape != network.tensor(id).shape {
        return Some(format!("{name} has the shape {:?}, expected {shape:?}", network.tensor(id).shape));
    }
    let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs().max(FLOOR);
    let actual = run.values(id);
    let wrong = (0..all.len()).find(|entry| !close(actual[*entry], all[*entry]))?;
    Some(format!("{name} at {wrong} is {}, expected {}", actual[wrong], all[wrong]))
}

/// Compares all scenarios of a folder, and returns the number of compared tensors and the differences.
fn compare(folder: &str) -> (usize, Vec<String>) {
    let (mut compared, mut wrong) = (0, Vec::new());
    for path in files(folder) {
        let case = stem(&path).to_owned();
        let Ok(text) = fs::read_to_string(path.with_extension("expected.json")) else { continue };
        let expected: Value = serde_json::from_str(&text).expect("JSON");
        let scenario = match open(&path) {
            Ok(scenario) => scenario,
            Err(faults) => {
                wrong.push(format!("{case}: {faults}"));
                continue;
            }
        };
        let (network, run) = run(&scenario);
        let mut check = |name: (&str, bool), value: &Value, tolerance: f64| {
            compared += 1;
            wrong.extend(difference(&network, &run, name, value, tolerance).map(|difference| format!("{case}: {difference}")));
        };
        for (name, value) in expected["values"].as_object().expect("values") {
            check((name, false), value, VALUE_TOLERANCE);
        }
        for part in ["gradients", "statements"] {
            for (name, value) in expected[part].as_object().expect("gradients") {
                check((&format!("grad.{name}"), part == "gradients"), value, GRADIENT_TOLERANCE);
            }
        }
        // an input must have a gradient both here and in PyTorch; other tensors need none
        for (id, tensor) in network.tensors().iter().enumerate() {
            if tensor.role.is_learnable()
                && network.gradient_of(id).is_some()
                && !expected["gradients"][tensor.name.as_str().trim_end_matches("@0")].is_null()
            {
                continue;
            }
            if matches!(tensor.role, Role::Input { .. }) {
                wrong.push(format!("{case}: {} lacks a gradient, here or in PyTorch", tensor.name));
            }
        }
    }
    (compared, wrong)
}

#[test]
fn small_graphs_agree_with_pytorch() {
    let (compared, wrong) = compare("oracle");
    assert!(wrong.is_empty(), "{} wrong of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 3000, "{compared} tensors");
}

#[test]
fn exercises_agree_with_pytorch() {
    let (compared, wrong) = compare("exercises");
    assert!(wrong.is_empty(), "{} wrong of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 300, "{compared} tensors");
}
