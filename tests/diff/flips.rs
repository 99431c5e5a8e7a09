//! Rounding can decide whether a relu passes a gradient: a user's float32 program can compute z slightly below 0 where gradstep computes it slightly above 0.
//! Gradients that differ only because of this count as equal in float32, but not in float64.

use std::fs;

use gradstep::app::{CompareOptions, Document, GradientComparison};
use gradstep::diff::{Choice, FileTensor, Precision};
use tempfile::tempdir;

use super::document;

/// z = [0.1 + 0.2 − 0.3, 1]: in double precision z₁ is 5.6e-17, which is above 0, so the relu passes the gradient.
const NEAR: &str = "title = \"near a kink\"\nloss = \"squared_error\"\ninput = [1, 1, 1]\ntarget = [0]\n\n[[layer]]\ntype = \"linear\"\n\
    weight = [[0.1, 0.2, -0.3], [0.5, 0.25, 0.25]]\nactivation = \"relu\"\n\n[[layer]]\ntype = \"linear\"\nweight = [[1, 2]]\n";

fn near() -> Document {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("net.toml");
    fs::write(&path, NEAR).expect("a file");
    document(&path.to_string_lossy())
}

/// Compares the right gradient of fc1.weight, after all numbers of the first neuron's row are replaced by `first_row`, and those of the second multiplied by
/// `factor`.
fn compared(document: &Document, first_row: f64, factor: f64) -> GradientComparison {
    let network = document.trace.network();
    let id = network.find("grad.fc1.weight").expect("a gradient");
    let right = document.trace.run(0).values(id);
    assert!(right[..3].iter().all(|value| *value != 0.0), "the relu is open: {right:?}");
    let values = (0..6).map(|at| if at < 3 { first_row } else { factor * right[at] }).collect();
    let tensor =
        FileTensor { name: "fc1.weight".to_owned(), sample: None, shape: vec![2, 3], values, is_half: false, choice: Choice::Compared };
    let comparison = GradientComparison::new(document, "mine.json".to_owned(), vec![tensor], CompareOptions::default());
    comparison.expect("a gradient")
}

#[test]
fn a_gate_that_rounding_flips_is_reported_and_counts_as_equal() {
    let document = near();
    let flipped = compared(&document, 0.0, 1.0);
    assert!(flipped.user.precision == Precision::Single && flipped.report.is_equal(), "{:?}", flipped.report);
    let note = "fc1.z[0] is so near a kink that float32 and float64 are on different sides of it: counted as equal";
    assert!(flipped.user.notes.iter().any(|told| told == note), "{:?}", flipped.user.notes);
    assert!(flipped.causes.is_empty() && flipped.patterns.is_empty());
    // a closed gate gives 0, so another wrong number is not explained by it
    assert!(!compared(&document, 0.5, 1.0).report.is_equal());
    // with an error of 1e-12, the other numbers are those of a double-precision program, in which the row counts as wrong
    let double = compared(&document, 0.0, 1.0 + 1e-12);
    assert!(double.user.precision == Precision::Double && double.report.tensors[0].wrong == [0, 1, 2], "{:?}", double.report);
}
