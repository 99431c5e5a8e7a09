//! Wrong masks of a relu. The gradients are computed here, from those of the layer after the relu.

use gradstep::app::Document;
use gradstep::mistakes::Cause;
use gradstep::network::Id;

use crate::{NETWORKS, open, parameters, search, tensors};

/// A condition on z.
type Mask = fn(f64) -> bool;

/// A network whose first layer has whole numbers. The first and the last z are 0: z₁ is x₁ − x₂, and x₁ is x₂; z₄ is x₁ − w − 1, and x₁ is w + 1.
fn network(seed: usize) -> String {
    let [w, x] = [seed + 1, seed + 2];
    format!(
        r#"
title = "relu"
input = [{x}, {x}, 1]
target = [1, -2]
loss = "squared_error"
layer = [
  {{ type = "linear", weight = [[1, -1, 0], [{w}, 1, -1], [-{w}, 0, 2], [1, 0, -{w}]], bias = [0, 1, 0, -1], activation = "relu" }},
  {{ type = "linear", weight = {{ init = "normal", seed = {seed}, shape = [2, 4] }}, bias = [1, 2] }},
]
"#
    )
}

/// The gradients of the parameters if the relu passes the error on where `mask` says so for z.
fn with_mask(document: &Document, mask: Mask) -> Vec<Vec<f64>> {
    let trace = &document.trace;
    let id = |name: &str| -> Id { trace.network().find(name).unwrap_or_else(|| panic!("no {name}")) };
    let values = |name: &str| trace.run(0).values(id(name));
    let wanted = parameters(trace);
    let of = |name: &str| wanted.iter().position(|gradient| gradient.of == id(name)).expect("a parameter");
    let mut numbers: Vec<Vec<f64>> = wanted.iter().map(|gradient| gradient.right(trace).into_owned()).collect();
    // the gradient of a bias is that of z
    let (dz2, w2, z) = (numbers[of("fc2.bias")].clone(), values("fc2.weight"), values("fc1.z"));
    // entry j of W₂ᵀ ∂C/∂z₂
    let back = |j: usize| dz2.iter().enumerate().map(|(i, dz)| dz * w2[i * z.len() + j]).sum::<f64>();
    let dz1: Vec<f64> = (0..z.len()).map(|j| if mask(z[j]) { back(j) } else { 0.0 }).collect();
    numbers[of("fc1.weight")] = dz1.iter().flat_map(|dz| values("input").iter().map(move |x| dz * x)).collect();
    numbers[of("fc1.bias")] = dz1;
    numbers
}

#[test]
fn a_wrong_mask_of_a_relu_is_named() {
    let masks: [(&str, Mask); 3] = [("z >= 0", |z| z >= 0.0), ("z < 0", |z| z < 0.0), ("z <= 0", |z| z <= 0.0)];
    for seed in 1..=NETWORKS {
        let document = open(&network(seed));
        let wanted = parameters(&document.trace);
        let right = tensors(&wanted, &with_mask(&document, |z| z > 0.0));
        assert!(search(&document, &right).is_empty(), "the right mask is no mistake");
        for (variant, mask) in masks {
            let found = search(&document, &tensors(&wanted, &with_mask(&document, mask)));
            let is_it = |cause: &Cause| cause.id == "activation-derivative-wrong" && cause.variant.as_deref() == Some(variant);
            let names: Vec<_> = found.iter().map(|cause| (cause.id, &cause.variant)).collect();
            assert!(found.iter().any(|cause| is_it(cause) && cause.explains.len() == 2), "{names:?}");
        }
    }
}
