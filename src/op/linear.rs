//! `linear`: z = W a + b, every neuron joined with every neuron of the layer before.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};

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

    fn reached(&self, _view: View, _count: usize) -> Option<Vec<bool>> {
        None
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
        Arch::new().dispatch(Kernel { view, a, b, out });
    }

    fn begin(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        if view == View::Weight {
            // one term each
            Arch::new().dispatch(Outer { x: a, e: b, products: sums });
            return;
        }
        sums.fill(-0.0);
        self.accumulate(view, a, b, sums);
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

/// The plain loops, built anew for each kind of vector registers.
struct Kernel<'a> {
    view: View,
    a: &'a [f64],
    b: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for Kernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { view, a, b, out } = self;
        match view {
            View::Output => matrix_vector(a, b, out),
            View::Weight => outer(a, b, out),
            View::Input => transposed_vector(a, b, out),
        }
    }
}

/// Rows of W that are added up at once.
const ROWS: usize = 8;

/// Columns of W that are multiplied at once; a longer row of sums would leave the others waiting.
const CHUNK: usize = 16;

/// out += W x, each row adding in the order of its columns: first products, in registers, then sums, of which the processor has several rows in flight.
#[inline(always)]
fn matrix_vector(w: &[f64], x: &[f64], out: &mut [f64]) {
    let mut products = [[0.0; CHUNK]; ROWS];
    for (sums, w) in out.chunks_mut(ROWS).zip(w.chunks(ROWS * x.len())) {
        for (chunk, x) in x.chunks(CHUNK).enumerate() {
            for (products, row) in products.iter_mut().zip(w.chunks_exact(w.len() / sums.len())) {
                for (product, (w, x)) in products.iter_mut().zip(row[chunk * CHUNK..].iter().zip(x)) {
                    *product = w * x;
                }
            }
            for (sum, products) in sums.iter_mut().zip(&products) {
                *sum = products[..x.len()].iter().fold(*sum, |sum, product| sum + product);
            }
        }
    }
}

/// out += e xᵀ.
#[inline(always)]
fn outer(x: &[f64], e: &[f64], out: &mut [f64]) {
    for (row, e) in out.chunks_exact_mut(x.len()).zip(e) {
        for (w, x) in row.iter_mut().zip(x) {
            *w += x * e;
        }
    }
}

/// e xᵀ.
struct Outer<'a> {
    x: &'a [f64],
    e: &'a [f64],
    products: &'a mut [f64],
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (row, e) in self.products.chunks_exact_mut(self.x.len()).zip(self.e) {
            for (product, x) in row.iter_mut().zip(self.x) {
                *product = x * e;
            }
        }
    }
}

/// out += Wᵀ e, some rows at once, in order.
#[inline(always)]
fn transposed_vector(w: &[f64], e: &[f64], out: &mut [f64]) {
    let n = out.len();
    let (blocks, rest) = e.as_chunks::<ROWS>();
    for (e, w) in blocks.iter().zip(w.chunks_exact(ROWS * n)) {
        let rows: [&[f64]; ROWS] = std::array::from_fn(|row| &w[row * n..][..n]);
        for (j, sum) in out.iter_mut().enumerate() {
            for (row, e) in rows.iter().zip(e) {
                *sum += row[j] * e;
            }
        }
    }
    for (row, e) in w[blocks.len() * ROWS * n..].chunks_exact(n).zip(rest) {
        for (sum, w) in out.iter_mut().zip(row) {
            *sum += w * e;
        }
    }
}
