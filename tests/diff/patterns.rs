//! A pattern is a sentence such as "only the last row is wrong". `diff` reports a pattern only if the wrong entries are unlikely to be there by chance.

use std::fs;

use gradstep::app::Document;
use gradstep::diff::{Gradient, LossOf, Report, Tolerance, UserTensor, patterns};
use gradstep::tensor::unravel;
use tempfile::tempdir;

use super::document;

const NET: &str = r#"
title = "places"
input = { init = "normal", seed = 1, shape = [1, 8, 8] }
target = { init = "normal", seed = 2, shape = [12] }
loss = "squared_error"
layer = [
  { type = "conv2d", weight = { init = "normal", seed = 3, std = 0.4 }, out_channels = 1, kernel_size = 3, padding = 1, activation = "tanh" },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = 4, std = 0.2 }, out_features = 16, activation = "leaky_relu" },
  { type = "linear", weight = { init = "normal", seed = 5 }, out_features = 12 },
]
"#;

fn net() -> Document {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("net.toml");
    fs::write(&path, NET).expect("a file");
    document(&path.to_string_lossy())
}

/// The patterns that are found in the gradient of a tensor if the first `most` entries for which `is_wrong` holds are made wrong.
fn found(document: &Document, name: &str, most: usize, is_wrong: impl Fn(&[usize]) -> bool) -> Vec<String> {
    let trace = &document.trace;
    let gradient = Gradient { of: trace.network().find(name).expect("a tensor"), loss: LossOf::Batch };
    let mut values = gradient.right(trace).into_owned();
    let shape = gradient.shape(trace);
    let mut left = most;
    for (at, value) in values.iter_mut().enumerate() {
        if left > 0 && is_wrong(&unravel(at, shape)) {
            #[allow(clippy::cast_precision_loss)] // at most 6
            let error = 0.1 + 0.01 * ((at * at) % 7) as f64;
            *value += error;
            left -= 1;
        }
    }
    let mine = [UserTensor { gradient, name_in_file: String::new(), values: Ok(values) }];
    let report = Report::new(trace, &mine, Tolerance::FLOAT64);
    patterns(trace, &mine, &report, Tolerance::FLOAT64).into_iter().map(|pattern| format!("{}: {}", pattern.id, pattern.words)).collect()
}

#[test]
fn a_pattern_of_positions_is_reported_only_if_chance_does_not_explain_it() {
    let document = net();
    let trace = &document.trace;
    let is_at_border = |index: &[usize]| index[1..].iter().any(|at| [0, 7].contains(at));
    let border = ["only-border: only entries at the border are wrong".to_owned()];
    // 28 of 64 entries are at the border. The probability that two random entries are there is C(28, 2) / C(64, 2) = 0.19; for 20 entries, it is 2e-10
    assert_eq!(found(&document, "conv1.z", 2, is_at_border), [] as [&str; 0]);
    assert_eq!(found(&document, "conv1.z", 28, is_at_border), border);
    assert_eq!(found(&document, "conv1.z", 20, |index| is_at_border(index) && index[2] != 3), border);

    let z = trace.run(0).values(trace.network().find("fc1.z").expect("a tensor"));
    let closed = z.iter().filter(|z| **z <= 0.0).count();
    assert!((4..13).contains(&closed), "{z:?}");
    let is_closed = |index: &[usize]| z[index[0]] <= 0.0;
    let only_where = ["only-where: wrong only where fc1.z ≤ 0".to_owned()];
    assert_eq!(found(&document, "fc1.z", 2, is_closed), [] as [&str; 0]);
    assert_eq!(found(&document, "fc1.z", usize::MAX, is_closed), only_where);
    assert_eq!(found(&document, "fc1.weight", usize::MAX, is_closed), only_where);
    assert_eq!(found(&document, "fc1.z", usize::MAX, |index| !is_closed(index)), ["only-where: wrong only where fc1.z > 0"]);

    // the weight is 12x16. Two random entries are in one row with the probability 12 · C(16, 2) / C(192, 2) = 0.08, three entries with 0.006
    assert_eq!(found(&document, "fc2.weight", 2, |index| index[0] == 3), [] as [&str; 0]);
    assert_eq!(found(&document, "fc2.weight", 3, |index| index[0] == 3), ["only-slice: only the row 3 is wrong (index 3 of axis 0)"]);
    assert_eq!(found(&document, "fc2.weight", 16, |index| index[0] == 11), ["only-slice: only the last row is wrong (index 11 of axis 0)"]);
    assert_eq!(found(&document, "fc2.weight", 1, |index| index[0] == 3), ["one-entry: only the entry [3,0] is wrong"]);
}

/// The patterns that are found in the right gradients of all parameters of a bundled scenario after `change`.
fn patterns_after(name: &str, change: impl Fn(&mut [UserTensor])) -> Vec<String> {
    let document = document(name);
    let trace = &document.trace;
    let gradients = trace.network().learnable().map(|of| Gradient { of, loss: LossOf::Batch });
    let mut mine: Vec<UserTensor> = gradients
        .map(|gradient| UserTensor { gradient, name_in_file: String::new(), values: Ok(gradient.right(trace).into_owned()) })
        .collect();
    mine.sort_by_key(|tensor| tensor.gradient.order(trace));
    change(&mut mine);
    let report = Report::new(trace, &mine, Tolerance::FLOAT64);
    let found = patterns(trace, &mine, &report, Tolerance::FLOAT64);
    let different = report.tensors.iter().filter(|compared| !compared.is_equal()).count();
    let explaining = found.iter().filter(|pattern| pattern.explains).count();
    assert_eq!(
        explaining,
        if found.is_empty() { 0 } else { different },
        "each wrong gradient has an explaining pattern, or none has: {found:?}"
    );
    let mut words: Vec<String> = found.into_iter().map(|pattern| format!("{}: {}", pattern.id, pattern.words)).collect();
    words.dedup();
    words
}

fn numbers(mine: &mut [UserTensor]) -> impl Iterator<Item = &mut f64> {
    mine.iter_mut().flat_map(|tensor| tensor.values.as_mut().expect("numbers"))
}

#[test]
fn clipped_gradients_have_a_pattern() {
    let by_value = |c: f64| patterns_after("mazur-2-2-2", |mine| numbers(mine).for_each(|number| *number = number.clamp(-c, c)));
    let beyond = "clipped: every entry beyond ±0.02 is ±0.02, and the others are right: your gradients are clipped by value";
    assert_eq!(by_value(0.02), [beyond]);
    assert_eq!(by_value(100.0), [] as [&str; 0]);
    // as PyTorch's `clip_grad_norm_` scales
    let scaled_to = |numbers: &mut dyn Iterator<Item = &mut f64>, norm: f64| {
        let numbers: Vec<&mut f64> = numbers.collect();
        let norm_before = numbers.iter().map(|number| **number * **number).sum::<f64>().sqrt();
        assert!(norm_before > norm, "{norm_before}");
        for number in numbers {
            *number *= norm / (norm_before + 1e-6);
        }
    };
    let by_norm = patterns_after("mazur-2-2-2", |mine| scaled_to(&mut numbers(mine), 0.05));
    assert!(by_norm.len() == 1 && by_norm[0].ends_with("their common norm is 0.05: your gradients are clipped by norm"), "{by_norm:?}");
    let each = patterns_after("mazur-2-2-2", |mine| {
        for tensor in mine {
            scaled_to(&mut tensor.values.as_mut().expect("numbers").iter_mut(), 0.001);
        }
    });
    assert!(each.len() == 1 && each[0].contains("with the norm 0.001, as each wrong gradient is"), "{each:?}");
}

#[test]
fn gradients_that_are_all_zeros_have_a_pattern() {
    let words = patterns_after("mazur-2-2-2", |mine| numbers(mine).for_each(|number| *number = 0.0));
    assert_eq!(words, ["zero: every entry is 0: it was never computed, or was set to 0 before you saved it"]);
}

/// An attention with a bias of the keys. The bias adds one number to all scores of a row, so the softmax does not change, and the gradient of the bias
/// is 0, apart from rounding. The rows of the gradient of the scores add up to 0.
const ATTENTION: &str = r#"
title = "a bias of the keys"
[graph]
nodes = """
s = q @ (k + b).T
p = F.softmax(s, dim=-1)
J = (p * G).sum()
"""
[graph.inputs]
q = [[0.3, -1.1], [0.7, 0.2]]
k = [[1.3, 0.1], [-0.4, 0.9], [0.6, -0.8]]
b = [0.17, -0.23]
[graph.constants]
G = [[1.1, -0.3, 0.7], [0.2, 0.9, -1.3]]
"#;

/// The patterns that are found if the gradient of the tensor `name` of a graph has the numbers that `values` makes from the right ones.
fn patterns_of_graph(text: &str, name: &str, values: impl FnOnce(&[f64]) -> Vec<f64>) -> Vec<String> {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("net.toml");
    fs::write(&path, text).expect("a file");
    let document = document(&path.to_string_lossy());
    let trace = &document.trace;
    let gradient = Gradient { of: trace.network().find(name).expect("a tensor"), loss: LossOf::Batch };
    let values = values(&gradient.right(trace));
    let mine = [UserTensor { gradient, name_in_file: String::new(), values: Ok(values) }];
    let report = Report::new(trace, &mine, Tolerance::FLOAT64);
    assert!(!report.is_equal(), "{name}");
    patterns(trace, &mine, &report, Tolerance::FLOAT64).into_iter().map(|pattern| pattern.words).collect()
}

#[test]
fn rounding_noise_is_no_pattern() {
    // the right numbers are about 1e-17, so any numbers are about 1e16 times the right ones
    let bias = patterns_of_graph(ATTENTION, "b", |right| {
        assert!(right.iter().all(|number| number.abs() < 1e-15) && right.iter().any(|number| *number != 0.0), "{right:?}");
        vec![0.3, 0.5]
    });
    assert_eq!(bias, [] as [&str; 0]);
    // numbers that are only rounding errors count as 0, not as a multiple of the right ones
    assert_eq!(patterns_of_graph(ATTENTION, "s", |right| right.iter().map(|number| number * 1e-15).collect()), ["every entry is 0"]);
    // rounding errors do not hide a pattern
    let scaled = patterns_of_graph(ATTENTION, "s", |right| right.iter().map(|number| 3.0 * number + 1e-16).collect());
    assert_eq!(scaled, ["every wrong entry is 3 times the right one"]);
}

/// Equal entries that are a quarter of the right ones are scaled, not clipped.
#[test]
fn equal_entries_with_a_factor_are_not_clipped() {
    let text = "title = \"t\"\n[graph]\nnodes = \"\"\"\ny = x + b\nJ = (y * G).sum()\n\"\"\"\n[graph.inputs]\nx = [[1, 2], [3, 4]]\nb = [1, 2]\n\
                [graph.constants]\nG = [[1, 5], [2, -2]]\n";
    let words = patterns_of_graph(text, "b", |right| {
        assert_eq!(right, [3.0, 3.0]);
        vec![0.75, 0.75]
    });
    assert_eq!(words, ["every wrong entry is 1/4 times the right one"]);
}

/// The weights were saved instead of their gradients.
#[test]
fn values_instead_of_gradients_are_their_own_reason() {
    let document = document("mazur-2-2-2");
    let run = document.trace.run(0);
    let words = patterns_after("mazur-2-2-2", |mine| {
        for tensor in mine {
            tensor.values = Ok(run.values(tensor.gradient.of).to_vec());
        }
    });
    assert_eq!(words, ["value: these are the numbers of the tensor itself, not of its gradient"]);
}
