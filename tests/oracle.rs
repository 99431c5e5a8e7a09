//! Tests that compare the output of `grads` and `train` with numbers that PyTorch computed in float64 for the same scenario.

mod numbers;

use std::fs;
use std::path::Path;

use numbers::{number, printed};
use serde_json::Value;

/// Tolerances relative to the expected number, or to [`FLOOR`] if that is larger.
const VALUES: f64 = 1e-12;
const GRADIENTS: f64 = 1e-10;
const FLOOR: f64 = 1e-3;

/// Derivatives that are wrong in the files from PyTorch: case, node, right number. For PyTorch the nodes of `n3 = n0` are one tensor, so it gave the derivative
/// with respect to n0 instead of n3 (see `tests/oracle/README.md`).
const COPIES: [(&str, &str, f64); 2] = [("graph-075", "n3", 1.682), ("graph-100", "n1", 1.0)];

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs().max(FLOOR)
}

/// A comparison of JSON values down to the numbers; keys that are not expected are ignored.
struct Comparison<'a> {
    case: &'a str,
    compared: usize,
    wrong: Vec<String>,
}

impl Comparison<'_> {
    fn see(&mut self, place: &str, expected: &Value, is: &Value, tolerance: f64) {
        match (expected, is) {
            (Value::Object(expected), Value::Object(is)) => {
                for (key, value) in expected.iter().filter(|(key, _)| *key != "train") {
                    let inside = format!("{place}.{key}");
                    let tolerance = match key.as_str() {
                        "gradients" => GRADIENTS,
                        "values" if !place.starts_with(".train") => VALUES,
                        _ => tolerance,
                    };
                    let copy = COPIES.iter().find(|(case, node, _)| *case == self.case && inside.ends_with(&format!("gradients.{node}")));
                    match (is.get(key), copy) {
                        (Some(is), Some((.., right))) => self.see(&inside, &Value::from(*right), is, tolerance),
                        (Some(is), None) => self.see(&inside, value, is, tolerance),
                        (None, _) => self.wrong.push(format!("{}: {inside} is missing", self.case)),
                    }
                }
            }
            (Value::Array(expected), Value::Array(is)) if expected.len() == is.len() => {
                for (n, (expected, is)) in expected.iter().zip(is).enumerate() {
                    self.see(&format!("{place}[{n}]"), expected, is, tolerance);
                }
            }
            _ => {
                self.compared += 1;
                let same = match (number(expected), number(is)) {
                    (Some(expected), Some(is)) => close(is, expected, tolerance),
                    _ => expected == is,
                };
                if !same {
                    self.wrong.push(format!("{}: {place} is {is}, expected {expected}", self.case));
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
        match printed("grads", &path) {
            Ok(is) => comparison.see("", &expected, &is, VALUES),
            Err(error) => comparison.wrong.push(format!("{case}: {error}")),
        }
        if let Some(expected) = expected.get("train") {
            trained += 1;
            match printed("train", &path) {
                Ok(is) => comparison.see(".train", expected, &is, GRADIENTS),
                Err(error) => comparison.wrong.push(format!("{case}: {error}")),
            }
        }
        compared += comparison.compared;
        wrong.extend(comparison.wrong);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 100_000 && trained > 20, "{compared} numbers compared, {trained} trained");
}
