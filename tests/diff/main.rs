//! `gradstep diff` reports no difference for right gradients. For wrong ones, it finds the first wrong tensor and its first wrong entry.

mod answers;
mod causes;
mod false_reasons;
mod flips;
#[cfg(debug_assertions)] // a release build does not count the work
mod interrupt;
mod layouts;
mod mistakes;
mod patterns;
mod plants;
mod program;
mod right;
mod screen;
mod stepper;

use gradstep::app::Document;
use gradstep::command::{ScenarioLoader, bundled};
use gradstep::diff::{Gradient, LossOf, Report, Status, TermSums, Tolerance, UserTensor};
use gradstep::network::Role;
use gradstep::scenario::Limits;
use gradstep::trace::Trace;

fn document(name: &str) -> Document {
    let loader = ScenarioLoader { limits: Limits::default(), opens_files: true };
    loader.open(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All gradients of a trace as tensors of a user, in the order of the backward pass.
fn right_gradients(trace: &Trace) -> Vec<UserTensor> {
    let network = trace.network();
    let mut gradients = Vec::new();
    for of in (0..network.tensors().len()).filter(|of| network.gradient_of(*of).is_some()) {
        if matches!(network.tensor(of).role, Role::Gradient(_) | Role::Loss) {
            continue;
        }
        gradients.extend((0..trace.samples()).map(|run| Gradient { of, loss: LossOf::Sample(run) }));
        gradients.push(Gradient { of, loss: LossOf::Batch });
    }
    gradients.retain(|gradient| gradient.find(trace).is_some());
    gradients.sort_by_key(|gradient| gradient.order(trace));
    let tensor =
        |gradient: Gradient| UserTensor { gradient, name_in_file: gradient.name(trace), values: Ok(gradient.right(trace).to_vec()) };
    gradients.into_iter().map(tensor).collect()
}

#[test]
#[allow(clippy::cast_possible_truncation)] // rounded to single precision
fn right_gradients_are_equal_and_a_changed_entry_is_found() {
    for bundled in bundled::ALL {
        let document = document(bundled.name);
        let trace = &document.trace;
        let mut mine = right_gradients(trace);
        assert!(Report::new(trace, &mine, Tolerance::FLOAT64).is_equal(), "{}", bundled.name);
        for tensor in &mut mine {
            tensor.values.as_mut().unwrap().iter_mut().for_each(|value| *value = f64::from(*value as f32));
        }
        assert!(Report::new(trace, &mine, Tolerance::FLOAT32).is_equal(), "{}", bundled.name);

        let n = mine.len() / 2;
        let values = mine[n].values.as_mut().unwrap();
        let at = values.len() - 1;
        values[at] += 0.5;
        let report = Report::new(trace, &mine, Tolerance::FLOAT32);
        let compared = &report.tensors[n];
        assert_eq!(
            (report.first_wrong(), compared.status, &compared.wrong[..]),
            (Some(n), Status::Different, &[at][..]),
            "{}",
            bundled.name
        );
        let address = compared.gradient.address(trace, Some(at)).expect("a gradient that is computed");
        // the address may name an entry without terms, which has no step, so only its tensor is looked up
        let tensor = trace.tensor(&address).unwrap_or_else(|error| panic!("{}: {address}: {error}", bundled.name));
        assert_eq!(Some(tensor), compared.gradient.find(trace), "{address}");
    }
}

/// For a gradient of the mean loss, the sum of the absolute values of the terms is the mean of the samples' sums.
#[test]
fn the_terms_of_a_mean_are_those_of_its_samples() {
    let document = document("xor");
    let trace = &document.trace;
    let of = trace.network().find("fc1.weight").expect("a parameter");
    let entry = |loss: LossOf| TermSums::of(trace, Gradient { of, loss }).entry(0);
    let samples: Vec<f64> = (0..trace.samples()).map(|run| entry(LossOf::Sample(run))).collect();
    assert!(samples.len() > 1 && samples.iter().any(|sum| *sum > 0.0), "{samples:?}");
    #[allow(clippy::cast_precision_loss)] // a few samples
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    assert!((entry(LossOf::Batch) - mean).abs() < 1e-15, "{} {mean}", entry(LossOf::Batch));
}
