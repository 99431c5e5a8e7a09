//! Right gradients count as equal, and `diff` reports no pattern and no mistake for them: PyTorch's gradients in float32 and float64 (`tests/diff/right`).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use gradstep::app::{CompareOptions, GradientComparison};
use gradstep::diff::{Precision, read};
use serde_json::Value;

use super::document;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/right")
}

#[test]
fn gradients_of_pytorch_are_equal() {
    let manifest = fs::read_to_string(folder().join("manifest.json")).expect("the manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let [cases, hard] = ["cases", "hard"].map(|list| manifest[list].as_array().expect("a list"));
    assert!(cases.len() >= 150 && hard.len() >= 16);
    let mut wrong = Vec::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for case in cases.iter().chain(hard) {
        let text = |field: &str| case[field].as_str().unwrap_or_else(|| panic!("{field} of {case}"));
        *counts.entry(text("type")).or_default() += 1;
        let document = document(&folder().join(text("scenario")).to_string_lossy());
        let mine = text("mine");
        let tensors = read(mine, fs::read(folder().join(mine)).expect("a file"), None).unwrap_or_else(|error| panic!("{mine}: {error:?}"));
        let comparison = GradientComparison::new(&document, mine.to_owned(), tensors, CompareOptions::default());
        let comparison = comparison.unwrap_or_else(|why| panic!("{mine}: {why}"));
        let is_float32 = text("type") == "float32";
        if is_float32 && comparison.user.precision != Precision::Single {
            wrong.push(format!("{mine}: float32 is not noticed"));
        }
        if !comparison.report.is_equal()
            || !comparison.patterns.is_empty()
            || !comparison.causes.is_empty()
            || !comparison.user.missing.is_empty() && !mine.starts_with("graph")
        {
            wrong.push(format!("{mine}: {}; {:?}", comparison.headline(), comparison.user.notes));
        }
    }
    assert!(counts["float32"] > 70 && counts["float64"] > 70, "{counts:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
