//! Edges whose weight is a number of the equation, not a parameter: copies, sums, means.

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

/// The numbers on the edges.
#[derive(Clone, Debug)]
pub enum Weights {
    /// None, and nothing is computed: each entry is a copy of the one that it reads.
    Copy,
    /// None is written: each edge hands on what it reads.
    None,
    /// One for all.
    One(f64),
    /// One for the edges of each output.
    ByOutput(Vec<f64>),
}

/// The function y = Σ k · x over edges, with fixed numbers k; its input is x.
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
    /// The function of these edges and numbers, with its equations forwards and backwards.
    pub fn new(edges: E, weights: Weights, equation: Equation, back: Equation) -> Self {
        Self(Arc::new(Inner { edges, weights, equation, back }))
    }
}

impl<E: Edges> Function for ConstantWeights<E> {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        inferred(&self.0.edges, &[(View::Input, "input", inputs[0])])
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Seen { inner: Arc::clone(&self.0), view: View::Output })
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Seen { inner: Arc::clone(&self.0), view: View::Input }))
    }
}

/// The edges from one end.
#[derive(Debug)]
struct Seen<E> {
    inner: Arc<Inner<E>>,
    view: View,
}

impl<E: Edges> Seen<E> {
    /// The slot of an edge's other end.
    fn slot(&self) -> Slot {
        if self.view == View::Output { Input(0) } else { Upstream }
    }

    /// An edge's other end: the view from there, and the place.
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

    /// Adds all sums by a kernel of the edges, if they have one for these weights. Returns whether it did.
    fn add_at_once(&self, x: &Operands<'_>, sums: &mut [f64], init: Init) -> bool {
        let weight = match self.inner.weights {
            Weights::Copy | Weights::None => None,
            Weights::One(k) => Some(k),
            Weights::ByOutput(_) => return false,
        };
        self.inner.edges.sum_of_one(self.view, weight, x.tensors[self.slot()], sums, init)
    }

    fn terms(&self, view: View, at: usize) -> u64 {
        self.inner.edges.prefix_terms(view, at + 1) - self.inner.edges.prefix_terms(view, at)
    }
}

impl<E: Edges> Rule for Seen<E> {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        if self.add_at_once(x, out, Init::Accumulate) {
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
            // one window: what it sees goes to one sum, or one number to all that it sees
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
        if self.add_at_once(x, sums, Init::Overwrite) {
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
        let [start, end] = [terms.start, terms.end].map(|term| usize::try_from(term).expect("terms of an entry"));
        self.inner.edges.nest(self.view, entry).edges(start..end).fold(sum, |sum, edge| {
            let value = read[edge.end(other)];
            sum + self.weight(edge).map_or(value, |k| k * value)
        })
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
        // an input is the first of an edge's ends, an output the last
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
