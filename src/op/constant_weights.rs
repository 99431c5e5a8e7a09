//! Functions y = Σ k · x with fixed weights k, which are not trained: 1/n in a mean, 1 in a copy or a sum. A bias is such a function too: its x is the
//! parameter b, and each entry of y is one entry of b.
//!
//! Each product k · x is an edge. An edge has three ends: an entry of x, an entry of a weight and an entry of y ([`super::edges`]). Here its weight end is not
//! used, because k is a constant. For the mean of two entries, y = 0.5 · x₀ + 0.5 · x₁, there are two edges with the constant 0.5, and in the backward pass
//! ∂C/∂x₀ = 0.5 · ∂C/∂y.

use std::ops::Range;
use std::sync::Arc;

use super::edges::{Edges, View, infer_output_shape};
use super::mismatch::Mismatch;
use super::nest::Edge;
use super::rule::{Equation, Function, Operands, Rule, Term, TermNumbers, Use, Window, constant, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use super::written::Written;
use crate::sums::{Init, clear};

/// The constant weights of the edges.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// Each entry of y has one edge, without a weight: it is a copy of the entry of x at the other end. The term of an edge is shown as a copy, in ∂C/∂x too.
    Copy,
    /// Edges without weights: each entry is a plain sum.
    Unweighted,
    /// The same weight for all edges.
    Uniform(f64),
    /// A weight for each output, which all edges of that output share.
    ByOutput(Vec<f64>),
    /// A weight for each edge, which [`Edges::edge_weight`] returns.
    ByEdge,
}

/// The function y = Σ k · x over the edges of `E`, with constants k. Its only input is x.
#[derive(Debug)]
pub struct ConstantWeights<E>(Arc<Inner<E>>);

/// The data of the function, which it shares with its rules.
#[derive(Debug)]
struct Inner<E> {
    edges: E,
    weights: Weights,
    /// The equation of y.
    equation: Equation,
    /// The equation of ∂C/∂x.
    back: Equation,
    /// The texts of y and ∂C/∂x in other forms, such as NumPy.
    written: [Written; 2],
}

impl<E: Edges> ConstantWeights<E> {
    /// Creates the function from its edges and weights, with the equations of y and of ∂C/∂x.
    pub fn new(edges: E, weights: Weights, equation: Equation, back: Equation) -> Self {
        Self(Arc::new(Inner { edges, weights, equation, back, written: Default::default() }))
    }

    /// Returns the same function, with texts of y and ∂C/∂x in other forms.
    #[must_use]
    pub fn with_written(mut self, written: [Written; 2]) -> Self {
        // `new` has just created the data, so there is no second pointer to it
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.written = written;
        }
        self
    }
}

impl<E: Edges> Function for ConstantWeights<E> {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        infer_output_shape(&self.0.edges, &[(View::Input, "input", inputs[0])])
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(ConstantWeightsRule { inner: Arc::clone(&self.0), view: View::Output })
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(ConstantWeightsRule { inner: Arc::clone(&self.0), view: View::Input }))
    }
}

/// The rule of y or of ∂C/∂x.
#[derive(Debug)]
pub struct ConstantWeightsRule<E> {
    inner: Arc<Inner<E>>,
    /// The tensor that the rule computes: [`View::Output`] for y, [`View::Input`] for ∂C/∂x.
    pub view: View,
}

impl<E: Edges> ConstantWeightsRule<E> {
    /// The edges.
    #[must_use]
    pub fn edges(&self) -> &E {
        &self.inner.edges
    }

    /// The constant weights of the edges.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.inner.weights
    }

    /// Returns the slot of the operand that is read: x for y, ∂C/∂y for ∂C/∂x.
    fn read_slot(&self) -> Slot {
        if self.view == View::Output { Input(0) } else { Upstream }
    }

    /// Returns the view whose entries are the entries of the operand that is read. They are the other end of each edge.
    fn read_view(&self) -> View {
        if self.view == View::Output { View::Input } else { View::Output }
    }

    /// Returns the weight of an edge; `None` if the sum has no weights.
    fn weight(&self, edge: Edge) -> Option<f64> {
        match &self.inner.weights {
            Weights::Copy | Weights::Unweighted => None,
            Weights::Uniform(k) => Some(*k),
            Weights::ByOutput(weights) => Some(weights[edge.output]),
            Weights::ByEdge => Some(self.inner.edges.edge_weight(edge)),
        }
    }

    /// Computes all sums with a fast kernel of the edges. Returns `false`, and leaves `sums` unchanged, if the edges have no kernel for these weights.
    fn compute_by_kernel(&self, x: &Operands<'_>, sums: &mut [f64], init: Init) -> bool {
        let weight = match self.inner.weights {
            Weights::Copy | Weights::Unweighted => None,
            Weights::Uniform(k) => Some(k),
            Weights::ByOutput(_) | Weights::ByEdge => return false,
        };
        self.inner.edges.sum_by_kernel(self.view, weight, x.tensors[self.read_slot()], sums, init)
    }

    /// Returns the number of edges of an entry in a view.
    fn edge_count(&self, view: View, at: usize) -> u64 {
        self.inner.edges.prefix_terms(view, at + 1) - self.inner.edges.prefix_terms(view, at)
    }
}

impl<E: Edges> Rule for ConstantWeightsRule<E> {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        if self.compute_by_kernel(x, out, Init::Accumulate) {
            return;
        }
        let (read, read_view) = (x.tensors[self.read_slot()], self.read_view());
        // each call gets a run of `count` edges; neighbouring edges of the run have the same distance, `step`
        self.inner.edges.sweep(self.view, out.len(), |first, step, count| {
            let second = first.moved(step, 1);
            if first.output != second.output || (count > 1 && matches!(self.inner.weights, Weights::ByEdge)) {
                // the edges of the run have different outputs or different weights
                let mut edge = first;
                for _ in 0..count {
                    let value = read[edge.index_in(read_view)];
                    out[edge.index_in(self.view)] += self.weight(edge).map_or(value, |k| k * value);
                    edge = edge.moved(step, 1);
                }
                return;
            }
            // all edges of the run have the same output, so they have the same weight
            let (output, k) = (first.output, self.weight(first));
            let input_step = second.input.wrapping_sub(first.input);
            let inputs = (0..count).map(|n| first.input.wrapping_add(input_step.wrapping_mul(n)));
            if self.view == View::Output {
                // all inputs are added to the output
                out[output] = inputs.fold(out[output], |sum, at| sum + k.map_or(read[at], |k| k * read[at]));
            } else {
                // the term of each edge is added to the derivative of its input
                let share = k.map_or(read[output], |k| k * read[output]);
                if input_step == 1 {
                    out[first.input..][..count].iter_mut().for_each(|sum| *sum += share);
                } else {
                    inputs.for_each(|at| out[at] += share);
                }
            }
        });
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        if self.compute_by_kernel(x, sums, Init::Overwrite) {
            return;
        }
        // −0 + x has the bits of x for every x, whereas 0 + −0 is 0
        sums.fill(-0.0);
        self.accumulate(x, sums);
        if let Some(has_terms) = self.inner.edges.has_terms(self.view, sums.len()) {
            // entries without terms become 0
            clear(sums, &has_terms);
        }
    }

    fn work(&self, _operands: &Reads<usize>, entries: usize) -> u64 {
        self.inner.edges.prefix_terms(self.view, entries)
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        self.inner.edges.prefix_terms(self.view, entry)
    }

    fn terms_per_entry(&self) -> Option<u64> {
        self.inner.edges.edges_per_entry(self.view)
    }

    fn has_terms(&self, _x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        self.inner.edges.has_terms(self.view, count)
    }

    fn reason_unreached(&self, _x: &Operands<'_>, entry: usize) -> &'static str {
        self.inner.edges.reason_unreached(self.view, entry)
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let edge = self.inner.edges.edge(self.view, at, term);
        let read = entry(x, self.read_slot(), edge.index_in(self.read_view()));
        if matches!(self.inner.weights, Weights::Copy) {
            return Term::copy(read);
        }
        Term::product(self.weight(edge).map(constant).into_iter().chain([read]).collect())
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let (read, read_view) = (x.tensors[self.read_slot()], self.read_view());
        let [start, end] = [terms.start, terms.end].map(|term| usize::try_from(term).expect("the terms of an entry fit in memory"));
        let add = |sum: f64, edge: Edge| {
            let value = read[edge.index_in(read_view)];
            sum + self.weight(edge).map_or(value, |k| k * value)
        };
        if end - start == 1 {
            // finding a single edge needs no loops
            return add(sum, self.inner.edges.edge(self.view, entry, terms.start));
        }
        self.inner.edges.nest(self.view, entry).edges(start..end).fold(sum, add)
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot != self.read_slot() {
            return Vec::new();
        }
        let read_view = self.read_view();
        let edges = (0..self.edge_count(read_view, at)).map(|n| self.inner.edges.edge(read_view, at, n));
        edges.map(|edge| Use { entry: edge.index_in(self.view), term: self.inner.edges.rank(self.view, edge) }).collect()
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        if slot != self.read_slot() {
            return TermNumbers::new();
        }
        // the end that the read view computes is the end in the operand that is read
        let read_end = self.read_view().computed_end();
        self.inner.edges.nest(self.view, entry).edge_numbers_at(read_end, at)
    }

    fn written(&self) -> Written {
        self.inner.written[usize::from(self.view == View::Input)].clone()
    }

    fn equation(&self) -> Equation {
        if self.view == View::Output { self.inner.equation } else { self.inner.back }
    }

    fn window(&self) -> Option<Window> {
        // a pool has no filter with weights, so only the image and its padding are drawn
        let Window { image, is_1d, padding, .. } = self.inner.edges.window(self.view)?;
        Some(Window { image, filter: None, turned: false, is_1d, padding, spread: [1, 1], pitch: [0, 0] })
    }
}
