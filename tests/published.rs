//! Tests with published worked examples. `tests/published/NAME.toml` is the network of an example, and `NAME.published.json` has its source and the numbers
//! that the author printed. The tolerances follow from the number of printed digits.

mod numbers;

use std::fs;
use std::path::{Path, PathBuf};

use numbers::{json_printed_by_gradstep, number};
use serde_json::Value;

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    paths.sort();
    paths
}

/// The value at a path of keys and positions, such as `["samples", 0, "values", "fc1.z"]`.
fn value_at<'a>(mut value: &'a Value, path: &Value) -> Option<&'a Value> {
    for key in path.as_array()? {
        value = match key {
            Value::String(name) => value.get(name)?,
            position => value.get(usize::try_from(position.as_u64()?).ok()?)?,
        };
    }
    Some(value)
}

/// Compares numbers and returns their count. The first pair that differs is an error.
fn compare(expected: &Value, actual: &Value, tolerance: f64) -> Result<usize, String> {
    if let (Value::Array(expected), Value::Array(actual)) = (expected, actual)
        && expected.len() == actual.len()
    {
        return expected.iter().zip(actual).map(|(expected, actual)| compare(expected, actual, tolerance)).sum();
    }
    match (number(expected), number(actual)) {
        (Some(expected), Some(actual)) if (expected - actual).abs() <= tolerance => Ok(1),
        _ => Err(format!("{actual} instead of {expected}")),
    }
}

#[test]
fn gradstep_computes_every_published_number() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    let scenarios = scenarios();
    for path in &scenarios {
        let name = path.file_stem().unwrap().to_string_lossy();
        let published: Value = serde_json::from_str(&fs::read_to_string(path.with_extension("published.json")).unwrap()).unwrap();
        let computed = json_printed_by_gradstep("grads", path).unwrap_or_else(|error| panic!("{name}: {error}"));
        for check in published["checks"].as_array().unwrap() {
            let (place, tolerance) = (&check["path"], check["tolerance"].as_f64().unwrap());
            let found = value_at(&computed, place).ok_or("is missing".to_owned());
            match found.and_then(|actual| compare(&check["value"], actual, tolerance)) {
                Ok(count) => compared += count,
                Err(error) => wrong.push(format!("{name}: {place}: {error} ({})", published["source"])),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(scenarios.len() >= 21 && compared >= 400, "{} examples with {compared} numbers", scenarios.len());
}

/// Central differences agree with the derivatives of every example, for the numbers that its author chose.
#[test]
fn every_published_example_passes_gradcheck() {
    for path in scenarios() {
        if let Err(error) = json_printed_by_gradstep("gradcheck", &path) {
            panic!("{}: {error}", path.display());
        }
    }
}
