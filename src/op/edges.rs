//! Bilinear ops: neurons joined by edges, each edge with a weight. Seen from its outputs, from its weights and from its inputs, one set of
//! edges is the forward pass, the weight gradient and the error's way back; so all three have as many multiplications as there are edges.

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

/// From which of its three ends an edge is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The forward pass: the entry is a neuron of the layer.
    Output,
    /// The weight gradient: the entry is a weight.
    Weight,
    /// The error's way back: the entry is a neuron of the layer before.
    Input,
}

impl View {
    /// The index in [`Edge::ends`] of the end that is the entry.
    #[must_use]
    pub fn end(self) -> usize {
        match self {
            View::Output => 2,
            View::Weight => 1,
            View::Input => 0,
        }
    }

    /// The indices in [`Edge::ends`] of the two other ends, in the order in which the series writes the product.
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
    /// The end that is the entry in this view.
    #[must_use]
    pub fn end(&self, view: View) -> usize {
        self.ends()[view.end()]
    }
}

/// Which neurons are joined, in the order of the terms for each of the three views. Padding is no neuron and has no edge.
pub trait Edges: Debug + Send + Sync + 'static {
    /// The shape of the tensor whose entries are seen in this view; `None` if the edges join tensors of any shape.
    fn shape(&self, view: View) -> Option<Vec<usize>>;

    /// How many edges the entries before `entry` have in this view.
    fn prefix_terms(&self, view: View, entry: usize) -> u64;

    /// The number of edges of every entry in this view, if all entries have the same number.
    fn each(&self, _view: View) -> Option<u64> {
        None
    }

    /// Which of all `count` entries of this view have an edge, where not all have.
    fn has_terms(&self, view: View, count: usize) -> Option<Vec<bool>> {
        Some((0..count).map(|entry| self.prefix_terms(view, entry) < self.prefix_terms(view, entry + 1)).collect())
    }

    /// The edges of an entry, in order.
    fn nest(&self, view: View, entry: usize) -> Nest;

    /// Edge `term` (from 0) of an entry.
    fn edge(&self, view: View, entry: usize, term: u64) -> Edge {
        self.nest(view, entry).edge(count(term))
    }

    /// Which term of its entry an edge is in this view: the inverse of [`Edges::edge`].
    fn rank(&self, view: View, edge: Edge) -> u64;

    /// Shows all edges, as a first one, how far its ends move from one to the next, and how many there are, so that each of the `count` entries of this
    /// view, of the outputs or of the inputs, meets its own in order.
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

    /// Adds to each entry of `sums` what its edges read, times one weight if there is one, in order, where a kernel is faster than a walk along the
    /// edges. Returns whether it did.
    fn sum_of_one(&self, _view: View, _weight: Option<f64>, _read: &[f64], _sums: &mut [f64], _begun: Init) -> bool {
        false
    }

    /// For a filter that slides over an image: which lies on which in this view, in the slots [`X`], [`W`] and [`Upstream`].
    fn window(&self, _view: View) -> Option<Window> {
        None
    }
}

/// Edges whose weights are a tensor, with the fast kernel of their sums.
pub trait Weighted: Edges {
    /// Adds to each entry of `out` the products of its edges, in order. `a` and `b` are the other two ends' values: weight and input for
    /// [`View::Output`], input and error for [`View::Weight`], weight and error for [`View::Input`].
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]);

    /// The sums of the products alone, as in [`Rule::begin`].
    fn begin(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        self.begin_with_nothing(view, a, b, sums);
    }

    /// The same, added to nothing.
    fn begin_with_nothing(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        sums.fill(-0.0);
        self.accumulate(view, a, b, sums);
        if let Some(reached) = self.has_terms(view, sums.len()) {
            clear(sums, &reached);
        }
    }

    /// Adds the products of the first `terms` edges of an entry to `sum`, in order; `a` and `b` as in [`Weighted::accumulate`].
    fn add_up(&self, view: View, a: &[f64], b: &[f64], entry: usize, terms: usize, sum: f64) -> f64
    where
        Self: Sized,
    {
        let [i, j] = view.others();
        self.nest(view, entry).products((a, i), (b, j), terms, sum)
    }
}

/// Infers the shape of the outputs of these edges from tensors with their views and names.
///
/// # Errors
/// The first tensor that the edges do not fit.
pub fn inferred(edges: &impl Edges, inputs: &[(View, &'static str, &[usize])]) -> Result<Vec<usize>, Mismatch> {
    for (view, name, shape) in inputs {
        if let Some(must) = edges.shape(*view) {
            fits(name, shape, "expected shape", &must)?;
        }
    }
    Ok(edges.shape(View::Output).unwrap_or_else(|| inputs[0].2.to_vec()))
}

/// The function y = Σ w · x over edges; its inputs are x and w.
#[derive(Debug)]
pub struct Bilinear<E> {
    edges: Arc<E>,
    equations: [Equation; 3],
}

impl<E: Weighted> Bilinear<E> {
    /// The function of these edges, with the equations of the output, of the weight gradient and of the error's way back.
    pub fn new(edges: E, equations: [Equation; 3]) -> Self {
        Self { edges: Arc::new(edges), equations }
    }

    fn seen(&self, view: View) -> Arc<dyn Rule> {
        let equation = match view {
            View::Output => self.equations[0],
            View::Weight => self.equations[1],
            View::Input => self.equations[2],
        };
        Arc::new(Seen { edges: Arc::clone(&self.edges), view, equation })
    }
}

/// The slot of x.
pub const X: Slot = Input(0);
/// The slot of w.
pub const W: Slot = Input(1);

impl<E: Weighted> Function for Bilinear<E> {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        inferred(&*self.edges, &[(View::Input, "input", inputs[0]), (View::Weight, "weight", inputs[1])])
    }

    fn forward(&self) -> Arc<dyn Rule> {
        self.seen(View::Output)
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        Some(self.seen(if Input(slot) == W { View::Weight } else { View::Input }))
    }
}

/// The edges from one end.
#[derive(Debug)]
struct Seen<E> {
    edges: Arc<E>,
    view: View,
    equation: Equation,
}

impl<E: Edges> Seen<E> {
    /// The slots of an edge's two other ends, in the order in which the series writes the product.
    fn slots(&self) -> (Slot, Slot) {
        match self.view {
            View::Output => (W, X),
            View::Weight => (X, Upstream),
            View::Input => (W, Upstream),
        }
    }
}

impl<E: Weighted> Rule for Seen<E> {
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
        self.edges.add_up(self.view, x.tensors[a], x.tensors[b], entry, terms, sum)
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
    usize::try_from(terms).expect("terms of an entry")
}
