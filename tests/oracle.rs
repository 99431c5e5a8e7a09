//! Tests that compare the output of `grads` and `train` with numbers that PyTorch computed in float64 for the same scenario.

mod numbers;

use std::fs;
use std::path::Path;

use numbers::{json_printed_by_gradstep, number};
use serde_json::Value;

/// The largest relative errors.
const VALUE_TOLERANCE: f64 = 1e-12;
const GRADIENT_TOLERANCE: f64 = 1e-10;
/// The error of a smaller number is relative to this number.
const FLOOR: f64 = 1e-3;

/// Derivatives that are wrong in the files from PyTorch: case, node, right number. If a node is a copy, such as `n3 = n0`, both names are one tensor in
/// PyTorch, so PyTorch wrote the derivative of n0 for n3 (see `tests/oracle/README.md`).
const COPIES: [(&str, &str, f64); 2] = [("graph-075", "n3", 1.682), ("graph-100", "n1", 1.0)];

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs().max(FLOOR)
}

/// A comparison of all expected numbers of a case with those that gradstep prints.
struct Comparison<'a> {
    case: &'a str,
    compared: usize,
    wrong: Vec<String>,
}

impl Comparison<'_> {
    /// Compares two JSON values at a place such as `.samples[0].gradients`. Keys that are not expected are ignored.
    fn compare(&mut self, place: &str, expected: &Value, actual: &Value, tolerance: f64) {
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => {
                // the numbers of `train` are compared with the output of the command `train`
                for (key, value) in expected.iter().filter(|(key, _)| *key != "train") {
                    let inside = format!("{place}.{key}");
                    let tolerance = match key.as_str() {
                        "gradients" => GRADIENT_TOLERANCE,
                        // trained parameters have the tolerance of gradients
                        "values" if !place.starts_with(".train") => VALUE_TOLERANCE,
                        _ => tolerance,
                    };
                    let copy = COPIES.iter().find(|(case, node, _)| *case == self.case && inside.ends_with(&format!("gradients.{node}")));
                    match (actual.get(key), copy) {
                        (Some(actual), Some((.., right))) => self.compare(&inside, &Value::from(*right), actual, tolerance),
                        (Some(actual), None) => self.compare(&inside, value, actual, tolerance),
                        (None, _) => self.wrong.push(format!("{}: {inside} is missing", self.case)),
                    }
                }
            }
            (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
                for (n, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                    self.compare(&format!("{place}[{n}]"), expected, actual, tolerance);
                }
            }
            _ => {
                self.compared += 1;
                let same = match (number(expected), number(actual)) {
                    (Some(expected), Some(actual)) => close(actual, expected, tolerance),
                    _ => expected == actual,
                };
                if !same {
                    self.wrong.push(format!("{}: {place} is {actual}, expected {expected}", self.case));
                }
            }
        }
    }
}

#[test]
fn every_case_agrees_with_pytorch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let (mut wrong, mut compared, mut trained) = (Vec::new(), 0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        let case = path.file_stem().unwrap().to_str().unwrap();
        let expected: Value = serde_json::from_str(&fs::read_to_string(path.with_extension("expected.json")).unwrap()).unwrap();
        let mut comparison = Comparison { case, compared: 0, wrong: Vec::new() };
        match json_printed_by_gradstep("grads", &path) {
            Ok(actual) => comparison.compare("", &expected, &actual, VALUE_TOLERANCE),
            Err(error) => comparison.wrong.push(format!("{case}: {error}")),
        }
        if let Some(expected) = expected.get("train") {
            trained += 1;
            match json_printed_by_gradstep("train", &path) {
                Ok(actual) => comparison.compare(".train", expected, &actual, GRADIENT_TOLERANCE),
                Err(error) => comparison.wrong.push(format!("{case}: {error}")),
            }
        }
        compared += comparison.compared;
        wrong.extend(comparison.wrong);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 100_000 && trained > 20, "{compared} numbers compared, {trained} trained");
}
