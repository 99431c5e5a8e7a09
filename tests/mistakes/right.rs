//! Right gradients of random networks and of graphs of tensors count as equal, in float64 and in float32, and no mistake is named.

use std::env;
use std::fs;
use std::path::Path;

use gradstep::diff::{Gradient, Report, Tolerance};
use gradstep::mistakes::causes;

use crate::{everything, learning_rate, networks, open, parameters, tensors};

/// The number of random networks: 100, or that of the variable `NETWORKS`.
fn count() -> usize {
    env::var("NETWORKS").ok().and_then(|count| count.parse().ok()).unwrap_or(100)
}

/// The graphs of tensors that are compared with PyTorch.
fn graphs() -> impl Iterator<Item = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphs/oracle");
    let mut paths: Vec<_> = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    // every tenth graph, unless many networks are asked for
    let stride = if count() < 1000 { 10 } else { 1 };
    paths.into_iter().step_by(stride).map(|path| fs::read_to_string(path).expect("a scenario"))
}

/// A number in single precision.
#[allow(clippy::cast_possible_truncation)] // the purpose
fn rounded(number: f64) -> f64 {
    f64::from(number as f32)
}

/// Whether a number neither overflows nor underflows in single precision.
fn fits_single(number: f64) -> bool {
    !rounded(number).is_infinite() && (number == 0.0 || rounded(number).abs() >= f64::from(f32::MIN_POSITIVE))
}

#[test]
fn no_mistake_is_named_for_right_gradients() {
    for text in networks::of_all_flavours(count()).chain(graphs()) {
        let document = open(&text);
        let trace = &document.trace;
        for wanted in [parameters(trace), everything(trace)] {
            let right: Vec<Vec<f64>> = wanted.iter().map(|gradient: &Gradient| gradient.right(trace).into_owned()).collect();
            if !right.iter().flatten().all(|number| fits_single(*number)) {
                continue;
            }
            let single = right.iter().map(|numbers| numbers.iter().copied().map(rounded).collect()).collect();
            for (numbers, tolerance) in [(right, Tolerance::FLOAT64), (single, Tolerance::FLOAT32)] {
                let mine = tensors(&wanted, &numbers);
                let report = Report::new(trace, &mine, tolerance);
                let wrong = report.first_wrong().map(|first| wanted[first].name(trace));
                assert!(report.is_equal(), "{wrong:?} with {tolerance:?} in\n{text}");
                let found = causes(trace, (&mine, &[]), &report, tolerance, learning_rate(&document), &mut |_, _| true)
                    .expect("not interrupted")
                    .causes;
                assert!(found.is_empty(), "{} in\n{text}", found[0].id);
            }
        }
    }
}
