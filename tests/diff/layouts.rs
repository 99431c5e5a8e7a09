//! Keras stores the axes of a filter in another order than PyTorch. `diff` recognises this order, and compares the numbers in PyTorch's order.

use std::fs;

use gradstep::app::{CompareOptions, Document, GradientComparison};
use gradstep::diff::{Choice, FileTensor, Gradient, LossOf, Precision};
use gradstep::network::Role;
use gradstep::tensor::{len, ravel, unravel};
use tempfile::tempdir;

use super::document;

/// Two convolutions, the second with as many input as output channels and a square filter, and a linear layer.
const NET: &str = r#"
title = "filters"
input = { init = "normal", seed = 1, shape = [2, 6, 6] }
target = [0, 1, 0]
loss = "cross_entropy"
layer = [
  { type = "conv2d", weight = { init = "normal", seed = 2, std = 0.4 }, out_channels = 3, kernel_size = 3, activation = "relu" },
  { type = "conv2d", weight = { init = "normal", seed = 4, std = 0.4 }, out_channels = 3, kernel_size = 3, activation = "relu" },
  { type = "flatten" },
  { type = "linear", weight = { init = "normal", seed = 6, std = 0.4 }, out_features = 3, activation = "softmax" },
]
"#;

/// The right gradients of the parameters. The filters whose names `is_keras` accepts have the order height x width x in x out.
fn right_gradients(document: &Document, is_keras: fn(&str) -> bool) -> Vec<FileTensor> {
    let trace = &document.trace;
    let network = trace.network();
    let learnable = network.tensors().iter().enumerate().filter(|(_, tensor)| tensor.role == Role::Parameter);
    let tensor = |(of, tensor): (usize, &gradstep::network::TensorInfo)| {
        let right = Gradient { of, loss: LossOf::Batch }.right(trace).into_owned();
        let (name, ours) = (tensor.name.to_string(), &tensor.shape);
        let [out, input, height, width] = ours[..] else {
            return FileTensor { name, sample: None, shape: ours.clone(), values: right, is_half: false, choice: Choice::Compared };
        };
        if !is_keras(&name) {
            return FileTensor { name, sample: None, shape: ours.clone(), values: right, is_half: false, choice: Choice::Compared };
        }
        let shape = vec![height, width, input, out];
        let from = |at: usize| {
            let index = unravel(at, &shape);
            ravel(&[index[3], index[2], index[0], index[1]], ours).expect("an entry")
        };
        let values = (0..len(ours)).map(|at| right[from(at)]).collect();
        FileTensor { name, sample: None, shape, values, is_half: false, choice: Choice::Compared }
    };
    learnable.map(tensor).collect()
}

fn compared(document: &Document, tensors: Vec<FileTensor>) -> GradientComparison {
    GradientComparison::new(document, "mine.npz".to_owned(), tensors, CompareOptions::default()).expect("gradients")
}

#[test]
fn filters_in_the_order_of_keras_are_no_difference() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("net.toml");
    fs::write(&path, NET).expect("a file");
    let document = document(&path.to_string_lossy());
    let all = compared(&document, right_gradients(&document, |_| true));
    assert!(all.report.is_equal(), "{:?}", all.report);
    let note = "all filters of the file have another order of axes (HWIO, height x width x in x out, as in Keras, instead of out x in x height x width): compared in our order, which is no difference";
    assert_eq!(all.user.notes, [note]);
    // names of Keras, too
    let mut renamed = right_gradients(&document, |_| true);
    for tensor in &mut renamed {
        tensor.name = tensor.name.replace(".weight", "/kernel");
    }
    assert!(compared(&document, renamed).report.is_equal());
    // if only one of several weights has the order of Keras, this is a mistake, and its text names the order
    let one = compared(&document, right_gradients(&document, |name| name == "conv1.weight"));
    let wrong: Vec<&str> = one.user.tensors.iter().filter_map(|tensor| tensor.values.as_ref().err().map(String::as_str)).collect();
    assert_eq!(wrong, ["it is 3x3x2x3, which is our 3x2x3x3 in the order of Keras: HWIO, height x width x in x out"]);
    assert_eq!(one.causes.iter().map(|cause| cause.id).collect::<Vec<_>>(), ["weight-layout-transposed"]);
    // gradients in our order get no note
    let ours = compared(&document, right_gradients(&document, |_| false));
    assert!(ours.report.is_equal() && ours.user.notes.is_empty(), "{:?}", ours.user.notes);
}

/// One gradient in a lower precision shows that a part of the pass was computed in it, so it decides the tolerance of all gradients.
#[test]
#[allow(clippy::cast_possible_truncation)] // single precision is wanted
fn the_lowest_precision_decides_the_tolerance() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("net.toml");
    fs::write(&path, NET).expect("a file");
    let document = document(&path.to_string_lossy());
    // the last gradient has the digits of double precision, and all others have those of single precision
    let mut tensors = right_gradients(&document, |_| false);
    let (last, others) = tensors.split_last_mut().expect("tensors");
    for value in others.iter_mut().flat_map(|tensor| &mut tensor.values) {
        *value = f64::from(*value as f32);
    }
    // a relative error above the tolerance 1e-6 of double precision, and below that of single precision, 1e-4
    for value in &mut last.values {
        *value *= 1.0 + 1.5e-6;
    }
    let mixed = compared(&document, tensors.clone());
    assert!(mixed.user.precision == Precision::Single && mixed.report.is_equal(), "{:?}", mixed.report);
    // the same numbers without a float32 gradient are wrong
    let double = compared(&document, tensors[tensors.len() - 1..].to_vec());
    assert!(double.user.precision == Precision::Double && !double.report.is_equal(), "{:?}", double.report);
    // one gradient in half precision is enough
    tensors[0].is_half = true;
    // rounded to the digits of float16, which has 10 bits after the point: 42 fewer than f64
    for value in &mut tensors[0].values {
        *value = f64::from_bits((value.to_bits() + (1 << 41)) & !((1 << 42) - 1));
    }
    let half = compared(&document, tensors);
    assert!(half.user.precision == Precision::Half && half.report.is_equal(), "{:?}", half.report);
}
