//! Functions y = Σ k · x whose weights k are constants of the equation, not parameters: copies, sums, means, biases.

use std::ops::Range;
use std::sync::Arc;

use super::edges::{Edges, View, X as IMAGE, inferred};
use super::mismatch::Mismatch;
use super::nest::Edge;
use super::rule::{Equation, Function, Operands, Rule, Term, TermNumbers, Use, Window, clear, constant, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use crate::sums::Init;

/// The constant weights of the edges.
#[derive(Clone, Debug)]
pub enum Weights {
    /// No weights, and each entry is a copy of the one that it reads: nothing is computed.
    Copy,
    /// No weights: each entry is the plain sum of what it reads.
    None,
    /// The same weight for all edges.
    One(f64),
    /// One weight for all edges of each output.
    ByOutput(Vec<f64>),
}

/// The function y = Σ k · x over edges, with constants k; its input is x. For a mean of two entries, y = 0.5 · x₀ + 0.5 · x₁.
#[derive(Debug)]
pub struct ConstantWeights<E>(Arc<Inner<E>>);

#[derive(Debug)]
struct Inner<E> {
    edges: E,
    weights: Weights,
    equation: Equation,
    back: Equation,
}

impl<E: Edges> ConstantWeights<E> {
    /// Creates the function from its edges and weights, with the equations of y and of ∂C/∂x.
    pub fn new(edges: E, weights: Weights, equation: Equation, back: Equation) -> Self {
        Self(Arc::new(Inner { edges, weights, equation, back }))
    }
}

impl<E: Edges> Function for ConstantWeights<E> {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        inferred(&self.0.edges, &[(View::Input, "input", inputs[0])])
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
struct ConstantWeightsRule<E> {
    inner: Arc<Inner<E>>,
    view: View,
}

impl<E: Edges> ConstantWeightsRule<E> {
    /// Returns the slot of the operand: x, or ∂C/∂y.
    fn slot(&self) -> Slot {
        if self.view == View::Output { Input(0) } else { Upstream }
    }

    /// Returns the view of the end that is read.
    fn other(&self) -> View {
        if self.view == View::Output { View::Input } else { View::Output }
    }

    fn weight(&self, edge: Edge) -> Option<f64> {
        match &self.inner.weights {
            Weights::Copy | Weights::None => None,
            Weights::One(k) => Some(*k),
            Weights::ByOutput(weights) => Some(weights[edge.output]),
        }
    }

    /// Computes all sums by a kernel of the edges. Returns `false`, and does nothing, if they have none for these weights.
    fn add_by_kernel(&self, x: &Operands<'_>, sums: &mut [f64], init: Init) -> bool {
        let weight = match self.inner.weights {
            Weights::Copy | Weights::None => None,
            Weights::One(k) => Some(k),
            Weights::ByOutput(_) => return false,
        };
        self.inner.edges.sum_by_kernel(self.view, weight, x.tensors[self.slot()], sums, init)
    }

    fn terms(&self, view: View, at: usize) -> u64 {
        self.inner.edges.prefix_terms(view, at + 1) - self.inner.edges.prefix_terms(view, at)
    }
}

impl<E: Edges> Rule for ConstantWeightsRule<E> {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        if self.add_by_kernel(x, out, Init::Accumulate) {
            return;
        }
        let (read, other) = (x.tensors[self.slot()], self.other());
        self.inner.edges.sweep(self.view, out.len(), |mut edge, step, count| {
            let next = edge.moved(step, 1);
            if edge.output != next.output {
                for _ in 0..count {
                    let value = read[edge.end(other)];
                    out[edge.end(self.view)] += self.weight(edge).map_or(value, |k| k * value);
                    edge = edge.moved(step, 1);
                }
                return;
            }
            // all edges of the run have one output: forwards they add to its sum, backwards its error is added to each of their inputs
            let k = self.weight(edge);
            let apart = next.input.wrapping_sub(edge.input);
            let inputs = (0..count).map(|n| edge.input.wrapping_add(apart.wrapping_mul(n)));
            if self.view == View::Output {
                out[edge.output] = inputs.fold(out[edge.output], |sum, at| sum + k.map_or(read[at], |k| k * read[at]));
            } else {
                let share = k.map_or(read[edge.output], |k| k * read[edge.output]);
                if apart == 1 {
                    out[edge.input..][..count].iter_mut().for_each(|sum| *sum += share);
                } else {
                    inputs.for_each(|at| out[at] += share);
                }
            }
        });
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        if self.add_by_kernel(x, sums, Init::Overwrite) {
            return;
        }
        sums.fill(-0.0);
        self.accumulate(x, sums);
        if let Some(reached) = self.inner.edges.has_terms(self.view, sums.len()) {
            clear(sums, &reached);
        }
    }

    fn work(&self, _operands: &Reads<usize>, entries: usize) -> u64 {
        self.inner.edges.prefix_terms(self.view, entries)
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        self.inner.edges.prefix_terms(self.view, entry)
    }

    fn each(&self) -> Option<u64> {
        self.inner.edges.each(self.view)
    }

    fn has_terms(&self, _x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        self.inner.edges.has_terms(self.view, count)
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let edge = self.inner.edges.edge(self.view, at, term);
        let read = entry(x, self.slot(), edge.end(self.other()));
        if matches!(self.inner.weights, Weights::Copy) {
            return Term::copy(read);
        }
        Term::product(self.weight(edge).map(constant).into_iter().chain([read]).collect())
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let (read, other) = (x.tensors[self.slot()], self.other());
        let [start, end] = [terms.start, terms.end].map(|term| usize::try_from(term).expect("the terms of an entry fit in memory"));
        let add = |sum: f64, edge: Edge| {
            let value = read[edge.end(other)];
            sum + self.weight(edge).map_or(value, |k| k * value)
        };
        if end - start == 1 {
            return add(sum, self.inner.edges.edge(self.view, entry, terms.start));
        }
        self.inner.edges.nest(self.view, entry).edges(start..end).fold(sum, add)
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot != self.slot() {
            return Vec::new();
        }
        let edges = (0..self.terms(self.other(), at)).map(|term| self.inner.edges.edge(self.other(), at, term));
        edges.map(|edge| Use { entry: edge.end(self.view), term: self.inner.edges.rank(self.view, edge) }).collect()
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        if slot != self.slot() {
            return TermNumbers::new();
        }
        // the index of the end that is read: 0 is the input, 2 the output
        let end = if self.view == View::Output { 0 } else { 2 };
        self.inner.edges.nest(self.view, entry).reaching(end, at)
    }

    fn equation(&self) -> Equation {
        if self.view == View::Output { self.inner.equation } else { self.inner.back }
    }

    fn window(&self) -> Option<Window> {
        let Window { image, padding, .. } = self.inner.edges.window(self.view)?;
        Some(Window { image: if image == IMAGE { Input(0) } else { Upstream }, filter: None, turned: false, padding, pitch: [0, 0] })
    }
}
