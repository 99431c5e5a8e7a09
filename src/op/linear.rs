//! `linear`: z = W a + b, every neuron joined with every neuron of the layer before.

use std::sync::Arc;

use super::edges::{Bilinear, Edge, Edges, View, Weighted};
use super::layer::{Args, Fan, Faulty, Layer, LayerKind, Stage, weighted};
use super::nest::Nest;
use super::rule::Equation;

/// The row of the registry.
pub const KIND: LayerKind = LayerKind {
    name: "linear",
    base: "fc",
    keys: &["weight", "bias", "out_features"],
    rank: Some(1),
    joins: false,
    activation: Some("activation"),
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Faulty> {
    let shape = args.input_shape().to_vec();
    let inputs = match shape.as_slice() {
        [] => 1,
        &[n] => n,
        _ => {
            let text = crate::tensor::shape_text(&shape);
            return Err(args.fail(
                "type",
                format!("a linear layer reads a vector, but its input is {text}"),
                "put a layer with type = \"flatten\" before it",
            ));
        }
    };
    let given = args.shape("weight", 2)?;
    let outputs = args.size("out_features", given.as_ref().map(|s| s[0]))?;
    args.claim(&[outputs, inputs])?;
    args.claim(&[outputs])?;
    let z = Stage::new("z", &[outputs]);
    weighted(args, z, Arc::new(Bilinear::new(Linear { inputs, outputs })), &[outputs, inputs], outputs, Fan { inputs, outputs })
}

/// The edges of a fully-connected layer: `outputs` x `inputs`.
#[derive(Debug)]
pub struct Linear {
    /// Neurons of the layer before.
    pub inputs: usize,
    /// Neurons of this layer.
    pub outputs: usize,
}

impl Linear {
    fn join(&self, output: usize, input: usize) -> Edge {
        Edge { input, weight: output * self.inputs + input, output }
    }
}

impl Edges for Linear {
    fn before(&self, view: View, entry: usize) -> u64 {
        let terms = match view {
            View::Output => self.inputs,
            View::Weight => 1,
            View::Input => self.outputs,
        };
        entry as u64 * terms as u64
    }

    fn nest(&self, view: View, entry: usize) -> Nest {
        match view {
            View::Output => Nest::line(self.join(entry, 0), [1, 1, 0], self.inputs),
            View::Weight => Nest::line(self.join(entry / self.inputs, entry % self.inputs), [0; 3], 1),
            View::Input => Nest::line(self.join(0, entry), [0, self.inputs.cast_signed(), 1], self.outputs),
        }
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        match view {
            View::Output => edge.input as u64,
            View::Weight => 0,
            View::Input => edge.output as u64,
        }
    }
}

impl Weighted for Linear {
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        match view {
            View::Output => matrix_vector(a, b, out),
            View::Weight => {
                for (row, error) in out.chunks_exact_mut(self.inputs).zip(b) {
                    for (w, input) in row.iter_mut().zip(a) {
                        *w += input * error;
                    }
                }
            }
            View::Input => {
                for (row, error) in a.chunks_exact(self.inputs).zip(b) {
                    for (sum, w) in out.iter_mut().zip(row) {
                        *sum += w * error;
                    }
                }
            }
        }
    }

    fn equation(&self, view: View) -> Equation {
        match view {
            View::Output => Equation {
                symbols: "{1} {0}",
                name: "weighted input",
                words: "Every neuron takes all outputs of the layer before, each times the weight of its edge, and adds them up.",
            },
            View::Weight => Equation {
                symbols: "{3} {0}ᵀ",
                name: "weight gradient: the input times the error",
                words: "A weight matters as much as what flows in at its beginning times the error at its end: wᵢⱼ is used once, on aⱼ, for zᵢ, and ∂zᵢ/∂wᵢⱼ = aⱼ.",
            },
            View::Input => Equation {
                symbols: "{1}ᵀ {3}",
                name: "the error moves back through the weights",
                words: "A neuron of the layer before feeds every neuron of this one. Its derivative gathers all their errors, each through the weight of its edge: the transposed matrix.",
            },
        }
    }
}

/// out += W x, eight rows side by side, each adding in the order of its columns.
fn matrix_vector(w: &[f64], x: &[f64], out: &mut [f64]) {
    const ROWS: usize = 8;
    let n = x.len();
    let mut blocks = out.chunks_exact_mut(ROWS);
    let mut rows = w.chunks_exact(ROWS * n);
    for (out, w) in blocks.by_ref().zip(rows.by_ref()) {
        let mut sums: [f64; ROWS] = (&*out).try_into().expect("a block");
        let mut row = w.chunks_exact(n);
        let rows: [&[f64]; ROWS] = std::array::from_fn(|_| row.next().expect("eight rows"));
        for (j, x) in x.iter().enumerate() {
            for (sum, row) in sums.iter_mut().zip(&rows) {
                *sum += row[j] * x;
            }
        }
        out.copy_from_slice(&sums);
    }
    for (sum, row) in blocks.into_remainder().iter_mut().zip(rows.remainder().chunks_exact(n)) {
        for (w, x) in row.iter().zip(x) {
            *sum += w * x;
        }
    }
}
