//! For each optimizer and schedule, ten iterations agree with PyTorch's numbers (`tests/optimizers/generate.py`). The steps of each reduction and update add up
//! to its tensors. `train`, which computes no steps, gets the same bits.

use std::fs;
use std::path::{Path, PathBuf};

use gradstep::app::Document;
use gradstep::diff::{Gradient, LossOf};
use gradstep::scenario::{Limits, Scenario, Source, read};
use gradstep::step::Pass;
use serde_json::Value;

const TOLERANCE: f64 = 1e-10;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/optimizers");
    let files = fs::read_dir(folder).expect("the cases").map(|entry| entry.expect("an entry").path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    cases.sort();
    assert!(cases.len() >= 30, "{}", cases.len());
    cases
}

fn scenario(path: &Path) -> Scenario {
    let text = fs::read_to_string(path).expect("a scenario");
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    read(Source { path_shown: format!("{name}.toml"), name, text }, Limits::default()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The numbers of nested JSON lists, in row-major order.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

fn assert_near(what: &str, actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() <= TOLERANCE * expected.abs().max(1e-3), "{what}: {actual}, PyTorch has {expected}");
    }
}

#[test]
fn ten_iterations_agree_with_pytorch() {
    for path in cases() {
        // the document of the first iteration
        let first = Document::new(scenario(&path));
        let expected = fs::read_to_string(path.with_extension("expected.json")).expect("the numbers");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        for (n, expected) in expected["iterations"].as_array().expect("a list").iter().enumerate() {
            let name = format!("{}, iteration {}", path.display(), n + 1);
            let iteration = first.descent.iteration(n as u64 + 1);
            assert_near(&format!("{name}: loss"), &[iteration.loss], &flat(&expected["loss"]));
            let document = first.iteration(n as u64 + 1);
            for (parameter, values) in expected["gradients"].as_object().expect("gradients") {
                let trace = &document.trace;
                let of = trace.network().find(parameter).expect("a parameter");
                let gradient = Gradient { of, loss: LossOf::Batch };
                assert_near(&format!("{name}: grad.{parameter}"), &gradient.right(trace), &flat(values));
            }
            let batch = &iteration.runs[iteration.runs.len() - 1];
            for (tensor, values) in expected["values"].as_object().expect("tensors") {
                let is_computed =
                    |op: &&gradstep::network::Op| op.pass == Pass::Update && *batch.network.tensor(op.output).name == **tensor;
                let op = batch.network.ops().iter().find(is_computed).unwrap_or_else(|| panic!("{name}: no op {tensor}"));
                assert_near(&format!("{name}: {tensor}"), batch.run.values(op.output), &flat(values));
            }
        }
    }
}

#[test]
fn the_steps_of_each_reduction_and_update_add_up_to_its_tensors() {
    for path in cases() {
        let first = Document::new(scenario(&path));
        for document in [first.iteration(1), first.iteration(2), first.iteration(7)] {
            let trace = &document.trace;
            let mut updates = 0;
            for k in 1..=trace.len() {
                let at = trace.position(k).expect("a step");
                let step = trace.step(&at);
                if !matches!(step.pass, Pass::Reduce | Pass::Update) {
                    continue;
                }
                updates += u64::from(step.pass == Pass::Update);
                let product = step.factors.iter().skip(1).fold(step.factors[0].value, |product, factor| product * factor.value);
                assert_eq!(product.to_bits(), step.value.to_bits(), "{}: step {k}", path.display());
                if step.term == step.terms {
                    let value = trace.run(at.run_index).values(trace.op_at(&at).output)[at.entry];
                    assert_eq!(value.to_bits(), step.sum.to_bits(), "{}: step {k}", path.display());
                }
                assert_eq!(trace.resolve(&trace.address(&at)), Ok(k), "{}", trace.address(&at));
            }
            assert!(updates > 0, "{}", path.display());
        }
    }
}

#[test]
fn training_without_steps_has_the_same_bits() {
    for path in cases() {
        let last = Document::new(scenario(&path)).descent.iteration(10);
        let batch = &last.runs[last.runs.len() - 1];
        let mut descent = scenario(&path).into_descent();
        let result = descent.run(|_, _| true).expect("enough memory");
        let network = descent.network();
        assert_eq!(result.losses.len(), 10);
        let expected = fs::read_to_string(path.with_extension("expected.json")).expect("the numbers");
        let expected: Value = serde_json::from_str(&expected).expect("JSON");
        assert_near(
            &format!("{}: the last loss", path.display()),
            // the loss with the parameters after the last update
            &[descent.sample_losses(&result.parameters).loss],
            &flat(&expected["loss"]),
        );
        assert_eq!(result.losses[9].to_bits(), last.loss.to_bits(), "{}", path.display());
        let learned = &descent.train().expect("[train]").learned;
        for (id, tensor) in result.parameters.iter().filter(|(id, _)| learned.contains(id)) {
            let name = &network.tensor(*id).name;
            let op = batch.network.ops().iter().find(|op| op.pass == Pass::Update && batch.network.tensor(op.output).name == *name);
            let steps = batch.run.values(op.expect("an update").output);
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(tensor.as_slice().expect("in order")), bits(steps), "{}: {name}", path.display());
        }
    }
}
