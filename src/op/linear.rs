//! `linear`: z = W a + b, every neuron joined with every neuron of the layer before.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};

use super::edges::{Bilinear, Edges, View, Weighted};
use super::layer::{Args, Fan, Faulty, Layer, LayerKind, Stage, Z, weighted};
use super::nest::{Edge, Nest};
use super::rule::{Equation, Gist};
use crate::expr::{Expr, Join, whole};
use crate::sums::LANES;
use crate::threads::stretches;

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
    let given = args.shape("weight", 2)?;
    let inputs = match *shape {
        [] => 1,
        [n] => n,
        _ => flattened(args, &shape, given.as_deref())?,
    };
    let outputs = args.size("out_features", given.map(|s| s[0]))?;
    args.claim(&[outputs, inputs])?;
    args.claim(&[outputs])?;
    let z = Stage::new(Z, &[outputs]);
    weighted(args, z, Arc::new(Bilinear::new(Linear { inputs, outputs })), &[outputs, inputs], outputs, Fan { inputs, outputs })
}

/// Reports an input that is not a vector, and goes on as if it were flattened: the inputs of a neuron, where the outputs are certain all the same.
fn flattened(args: &mut dyn Args, shape: &[usize], weight: Option<&[usize]>) -> Result<usize, Faulty> {
    let text = crate::tensor::shape_text(shape);
    let flatten = "put a layer with type = \"flatten\" before it";
    let help = match *shape {
        [1, n] => format!("if its first dimension counts one sample, leave that out and write the {n} numbers alone; otherwise {flatten}"),
        [n, 1] => format!("if it is one sample as a column, write the {n} numbers in one array; otherwise {flatten}"),
        [rows, n] => format!(
            "are its {rows} rows samples? Then write each as a [[sample]] of its own, with input = {n} numbers and its target; otherwise {flatten}"
        ),
        _ => flatten.to_owned(),
    };
    let fault = args.fail("type", format!("a linear layer reads a vector, but its input is {text}"), &help);
    let inputs = crate::tensor::len(shape);
    let certain = args.has("out_features") || weight.is_some_and(|weight| weight[1] == inputs);
    if shape.len() < 3 || !certain { Err(fault) } else { Ok(weight.map_or(inputs, |weight| weight[1])) }
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
        let Self { inputs, outputs } = *self;
        match view {
            View::Output => stretches(out, 2 * ROWS, inputs as u64, |at, out| {
                Arch::new().dispatch(Kernel { view, a: &a[at * inputs..][..out.len() * inputs], b, inputs, out });
            }),
            View::Weight => stretches(out, inputs, 1, |at, out| {
                Arch::new().dispatch(Kernel { view, a, b: &b[at / inputs..], inputs, out });
            }),
            View::Input => stretches(out, LANES, outputs as u64, |at, out| {
                Arch::new().dispatch(Kernel { view, a: &a[at..], b, inputs, out });
            }),
        }
    }

    fn begin(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        if view == View::Weight {
            // one term each
            stretches(sums, self.inputs, 1, |at, products| Arch::new().dispatch(Outer { x: a, e: &b[at / self.inputs..], products }));
            return;
        }
        sums.fill(-0.0);
        self.accumulate(view, a, b, sums);
    }

    fn equation(&self, view: View) -> Equation {
        match view {
            View::Output => Equation {
                right: Expr::Product(Join::Matrix, &[whole::W, whole::X]),
                name: "weighted input",
                gist: Gist::None,
                words: "Every neuron takes all outputs of the layer before, each times the weight of its edge, and adds them up.",
            },
            View::Weight => Equation {
                right: Expr::Product(Join::Matrix, &[whole::DY, Expr::Transposed(&whole::X)]),
                name: "weight gradient",
                gist: Gist::Words("the input times the error"),
                words: "A weight matters as much as what flows in at its beginning times the error at its end: wᵢⱼ is used once, on aⱼ, for zᵢ, and ∂zᵢ/∂wᵢⱼ = aⱼ.",
            },
            View::Input => Equation {
                right: Expr::Product(Join::Matrix, &[Expr::Transposed(&whole::W), whole::DY]),
                name: "the error moves back through the weights",
                gist: Gist::None,
                words: "A neuron of the layer before feeds every neuron of this one. Its derivative gathers all their errors, each through the weight of its edge: the transposed matrix.",
            },
        }
    }
}

/// The plain loops, for some of the sums, built anew for each kind of vector registers.
struct Kernel<'a> {
    view: View,
    a: &'a [f64],
    b: &'a [f64],
    inputs: usize,
    out: &'a mut [f64],
}

impl WithSimd for Kernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { view, a, b, inputs, out } = self;
        match view {
            View::Output => matrix_vector(a, b, out),
            View::Weight => outer(a, b, out),
            View::Input => transposed_vector(a, b, inputs, out),
        }
    }
}

/// Rows of sums that share a register: a block of so many columns is turned within registers, so that each row adds in its own lane.
const ROWS: usize = 4;

/// out += W x, each row adding in the order of its columns. Two blocks at once, far apart: one alone would wait for its own sums.
#[inline(always)]
fn matrix_vector(w: &[f64], x: &[f64], out: &mut [f64]) {
    let half = out.len() / (2 * ROWS) * ROWS;
    let (first, out) = out.split_at_mut(half);
    let (second, out) = out.split_at_mut(half);
    let (w_first, w) = w.split_at(half * x.len());
    let (w_second, w) = w.split_at(half * x.len());
    let w_both = w_first.chunks_exact(ROWS * x.len()).zip(w_second.chunks_exact(ROWS * x.len()));
    for ((a, b), (u, v)) in first.as_chunks_mut().0.iter_mut().zip(second.as_chunks_mut().0).zip(w_both) {
        two_blocks([u, v], x, [a, b]);
    }
    for (sum, row) in out.iter_mut().zip(w.chunks_exact(x.len())) {
        *sum = row.iter().zip(x).fold(*sum, |sum, (w, x)| sum + w * x);
    }
}

#[inline(always)]
fn two_blocks(w: [&[f64]; 2], x: &[f64], out: [&mut [f64; ROWS]; 2]) {
    let (blocks, rest) = x.as_chunks::<ROWS>();
    let row = |half: usize, row: usize| &w[half][row * x.len()..].as_chunks::<ROWS>().0[..blocks.len()];
    let [a, b, c, d] = [row(0, 0), row(0, 1), row(0, 2), row(0, 3)];
    let [e, f, g, h] = [row(1, 0), row(1, 1), row(1, 2), row(1, 3)];
    let mut sums = [*out[0], *out[1]];
    for (i, x) in blocks.iter().enumerate() {
        add_block([&a[i], &b[i], &c[i], &d[i]], x, &mut sums[0]);
        add_block([&e[i], &f[i], &g[i], &h[i]], x, &mut sums[1]);
    }
    for ((sums, w), out) in sums.into_iter().zip(w).zip(out) {
        for ((sum, w), out) in sums.into_iter().zip(w.chunks_exact(x.len())).zip(out) {
            *out = w[x.len() - rest.len()..].iter().zip(rest).fold(sum, |sum, (w, x)| sum + w * x);
        }
    }
}

#[inline(always)]
fn add_block(rows: [&[f64; ROWS]; ROWS], x: &[f64; ROWS], sums: &mut [f64; ROWS]) {
    let turned: [[f64; ROWS]; ROWS] = std::array::from_fn(|column| rows.map(|row| row[column]));
    for (column, x) in turned.iter().zip(x) {
        for (sum, w) in sums.iter_mut().zip(column) {
            *sum += w * x;
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

/// Rows of W that a sum takes before it goes back to memory.
const TALL: usize = 8;

/// out += Wᵀ e for some columns, of which W begins with the first, some rows at once, in order; a row is so long.
#[inline(always)]
fn transposed_vector(w: &[f64], e: &[f64], long: usize, out: &mut [f64]) {
    let n = out.len();
    let row = |row: usize| &w[row * long..][..n];
    let (blocks, rest) = e.as_chunks::<TALL>();
    for (block, e) in blocks.iter().enumerate() {
        let rows: [&[f64]; TALL] = std::array::from_fn(|n| row(block * TALL + n));
        for (j, out) in out.iter_mut().enumerate() {
            let mut sum = *out;
            for (row, e) in rows.iter().zip(e) {
                sum += row[j] * e;
            }
            *out = sum;
        }
    }
    for (n, e) in (blocks.len() * TALL..).zip(rest) {
        for (sum, w) in out.iter_mut().zip(row(n)) {
            *sum += w * e;
        }
    }
}
