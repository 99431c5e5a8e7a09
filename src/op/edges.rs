//! Bilinear ops, y = Σ w · x, described by their edges: linear layers, convolutions, einsums.
//!
//! An edge joins one input, one weight and one output, and is one product. The same set of edges gives all three passes:
//!
//! | pass | [`View`] | sum over the edges of an entry |
//! | --- | --- | --- |
//! | forward | `Output` | `y[o] = Σ w · x` |
//! | weight gradient | `Weight` | `∂C/∂w[k] = Σ x · ∂C/∂y` |
//! | input gradient | `Input` | `∂C/∂x[i] = Σ w · ∂C/∂y` |
//!
//! So each pass has as many multiplications as there are edges. For y = w₀ x₀ + w₁ x₁ the edges are (x₀, w₀, y) and (x₁, w₁, y): y has two terms, and
//! ∂C/∂w₁ = x₁ · ∂C/∂y has one.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use smallvec::smallvec;

use super::mismatch::{Mismatch, fits};
use super::nest::{Edge, Nest};
use super::rule::{Equation, Function, Operands, Rule, Term, TermNumbers, Use, Window, clear, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use crate::sums::Init;

/// The end of the edges that is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The forward pass: entries are outputs.
    Output,
    /// The weight gradient: entries are weights.
    Weight,
    /// The input gradient: entries are inputs.
    Input,
}

impl View {
    /// Returns the index in [`Edge::ends`] of the end that is computed.
    #[must_use]
    pub fn end(self) -> usize {
        match self {
            View::Output => 2,
            View::Weight => 1,
            View::Input => 0,
        }
    }

    /// Returns the indices in [`Edge::ends`] of the two factors, in the order in which the equations write them.
    #[must_use]
    pub fn others(self) -> [usize; 2] {
        match self {
            View::Output => [1, 0],
            View::Weight => [0, 2],
            View::Input => [1, 2],
        }
    }
}

impl Edge {
    /// Returns the index of the entry in this view.
    #[must_use]
    pub fn end(&self, view: View) -> usize {
        self.ends()[view.end()]
    }
}

/// A set of edges, ordered by entry and term for each of the three views. Padding is no input and has no edges.
pub trait Edges: Debug + Send + Sync + 'static {
    /// Returns the shape of the tensor that this view computes; `None` if tensors of any shape fit.
    fn shape(&self, view: View) -> Option<Vec<usize>>;

    /// Returns the number of edges of all entries before `entry` in this view.
    fn prefix_terms(&self, view: View, entry: usize) -> u64;

    /// Returns the number of edges of each entry in this view, if it is the same for all.
    fn each(&self, _view: View) -> Option<u64> {
        None
    }

    /// Returns, for each of the `count` entries of this view, whether it has an edge; `None` if all have.
    fn has_terms(&self, view: View, count: usize) -> Option<Vec<bool>> {
        Some((0..count).map(|entry| self.prefix_terms(view, entry) < self.prefix_terms(view, entry + 1)).collect())
    }

    /// Returns the edges of an entry, in order.
    fn nest(&self, view: View, entry: usize) -> Nest;

    /// Returns edge `term` of an entry, counted from 0.
    fn edge(&self, view: View, entry: usize, term: u64) -> Edge {
        self.nest(view, entry).edge(count(term))
    }

    /// Returns the number of an edge among those of its entry in this view: the inverse of [`Edges::edge`].
    fn rank(&self, view: View, edge: Edge) -> u64;

    /// Calls `show` with all edges, in runs: the first edge, the step of its ends and the length. Each of the `count` entries of this view meets its
    /// edges in order. The view is `Output` or `Input`.
    fn sweep(&self, view: View, count: usize, mut show: impl FnMut(Edge, [isize; 3], usize))
    where
        Self: Sized,
    {
        for entry in 0..count {
            for term in 0..self.prefix_terms(view, entry + 1) - self.prefix_terms(view, entry) {
                show(self.edge(view, entry, term), [0; 3], 1);
            }
        }
    }

    /// Adds the inputs (`Input`: the errors) of its edges to each entry of `sums`, in order, each times `weight` if there is one. Returns `false`,
    /// and does nothing, if there is no fast kernel for that.
    fn sum_by_kernel(&self, _view: View, _weight: Option<f64>, _read: &[f64], _sums: &mut [f64], _init: Init) -> bool {
        false
    }

    /// Returns the image and the filter that slides over it in this view, for the drawing; `None` if there are none.
    fn window(&self, _view: View) -> Option<Window> {
        None
    }
}

/// Edges whose weights are a tensor, with kernels for their sums of products.
pub trait Weighted: Edges {
    /// Adds the products `a · b` of its edges to each entry of `out`, in order. `a` and `b` are the weight and the input for [`View::Output`], the
    /// input and the error for [`View::Weight`], the weight and the error for [`View::Input`].
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]);

    /// Sets `sums` to the sums of the products, as in [`Rule::begin`].
    fn begin(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        self.begin_from_zero(view, a, b, sums);
    }

    /// Implements [`Weighted::begin`] by [`Weighted::accumulate`]: sums start at −0, and entries without edges become 0.
    fn begin_from_zero(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        sums.fill(-0.0);
        self.accumulate(view, a, b, sums);
        if let Some(reached) = self.has_terms(view, sums.len()) {
            clear(sums, &reached);
        }
    }

    /// Adds the products of the first `terms` edges of an entry to `sum`, in order. `a` and `b` are as in [`Weighted::accumulate`].
    fn add_terms(&self, view: View, a: &[f64], b: &[f64], entry: usize, terms: usize, sum: f64) -> f64
    where
        Self: Sized,
    {
        let [i, j] = view.others();
        self.nest(view, entry).products((a, i), (b, j), terms, sum)
    }
}

/// Infers the shape of the output from the other tensors, each given as its view, name and shape.
///
/// # Errors
/// The first tensor whose shape does not fit the edges.
pub fn inferred(edges: &impl Edges, inputs: &[(View, &'static str, &[usize])]) -> Result<Vec<usize>, Mismatch> {
    for (view, name, shape) in inputs {
        if let Some(must) = edges.shape(*view) {
            fits(name, shape, "expected shape", &must)?;
        }
    }
    Ok(edges.shape(View::Output).unwrap_or_else(|| inputs[0].2.to_vec()))
}

/// The function y = Σ w · x over a set of edges; its inputs are x and w.
#[derive(Debug)]
pub struct Bilinear<E> {
    edges: Arc<E>,
    equations: [Equation; 3],
}

impl<E: Weighted> Bilinear<E> {
    /// Creates the function, with the equations of the output, the weight gradient and the input gradient.
    pub fn new(edges: E, equations: [Equation; 3]) -> Self {
        Self { edges: Arc::new(edges), equations }
    }

    fn rule(&self, view: View) -> Arc<dyn Rule> {
        let equation = match view {
            View::Output => self.equations[0],
            View::Weight => self.equations[1],
            View::Input => self.equations[2],
        };
        Arc::new(BilinearRule { edges: Arc::clone(&self.edges), view, equation })
    }
}

/// The slot of the input x.
pub const X: Slot = Input(0);
/// The slot of the weight w.
pub const W: Slot = Input(1);

impl<E: Weighted> Function for Bilinear<E> {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        inferred(&*self.edges, &[(View::Input, "input", inputs[0]), (View::Weight, "weight", inputs[1])])
    }

    fn forward(&self) -> Arc<dyn Rule> {
        self.rule(View::Output)
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        Some(self.rule(if Input(slot) == W { View::Weight } else { View::Input }))
    }
}

/// The rule of one view.
#[derive(Debug)]
struct BilinearRule<E> {
    edges: Arc<E>,
    view: View,
    equation: Equation,
}

impl<E: Edges> BilinearRule<E> {
    /// Returns the slots of the two factors, in the order in which the equations write them.
    fn slots(&self) -> (Slot, Slot) {
        match self.view {
            View::Output => (W, X),
            View::Weight => (X, Upstream),
            View::Input => (W, Upstream),
        }
    }
}

impl<E: Weighted> Rule for BilinearRule<E> {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let (a, b) = self.slots();
        self.edges.accumulate(self.view, x.tensors[a], x.tensors[b], out);
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        let (a, b) = self.slots();
        self.edges.begin(self.view, x.tensors[a], x.tensors[b], sums);
    }

    fn work(&self, _operands: &Reads<usize>, entries: usize) -> u64 {
        self.edges.prefix_terms(self.view, entries)
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        self.edges.prefix_terms(self.view, entry)
    }

    fn each(&self) -> Option<u64> {
        self.edges.each(self.view)
    }

    fn has_terms(&self, _x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        self.edges.has_terms(self.view, count)
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let (a, b) = self.slots();
        let ends = self.edges.edge(self.view, at, term).ends();
        let [i, j] = self.view.others().map(|end| ends[end]);
        Term::product(smallvec![entry(x, a, i), entry(x, b, j)])
    }

    fn partial(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        let (a, b) = self.slots();
        let terms = count(terms);
        self.edges.add_terms(self.view, x.tensors[a], x.tensors[b], entry, terms, sum)
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        if terms.start == 0 {
            return self.partial(x, entry, terms.end, sum);
        }
        let (a, b) = self.slots();
        let [i, j] = self.view.others();
        let terms = count(terms.start)..count(terms.end);
        self.edges.nest(self.view, entry).more_products((x.tensors[a], i), (x.tensors[b], j), terms, sum)
    }

    fn walk(&self, x: &Operands<'_>, at: usize, terms: Range<u64>, sum: f64, tell: &mut dyn FnMut(&Term, f64)) -> f64 {
        let (a, b) = self.slots();
        let terms = count(terms.start)..count(terms.end);
        let mut term = Term::product(smallvec![entry(x, a, 0), entry(x, b, 0)]);
        self.edges.nest(self.view, at).edges(terms).fold(sum, |sum, edge| {
            let [i, j] = self.view.others().map(|end| edge.ends()[end]);
            (term.args[0], term.args[1]) = (entry(x, a, i), entry(x, b, j));
            term.value = term.args[0].value * term.args[1].value;
            let sum = sum + term.value;
            tell(&term, sum);
            sum
        })
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let (a, b) = self.slots();
        if slot != a && slot != b {
            return Vec::new();
        }
        let from = match slot {
            X => View::Input,
            W => View::Weight,
            _ => View::Output,
        };
        let terms = self.edges.prefix_terms(from, at + 1) - self.edges.prefix_terms(from, at);
        (0..terms)
            .map(|term| {
                let edge = self.edges.edge(from, at, term);
                Use { entry: edge.end(self.view), term: self.edges.rank(self.view, edge) }
            })
            .collect()
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let (a, b) = self.slots();
        let [i, j] = self.view.others();
        match slot {
            _ if slot == a => self.edges.nest(self.view, entry).reaching(i, at),
            _ if slot == b => self.edges.nest(self.view, entry).reaching(j, at),
            _ => TermNumbers::new(),
        }
    }

    fn equation(&self) -> Equation {
        self.equation
    }

    fn window(&self) -> Option<Window> {
        self.edges.window(self.view)
    }
}

fn count(terms: u64) -> usize {
    usize::try_from(terms).expect("the terms of an entry fit in memory")
}
