//! A contraction by labels: an einsum of at most two operands, y = Σ w · x.
//!
//! Each label of the einsum is an index that runs over all its values, and each combination of values is one edge: it joins one entry of the input, of the
//! weight and of the output. A label is therefore nothing but its size and its stride in each of the three ends, 0 where an end does not have it. For
//! `oi,i->o` (a linear layer of 4 inputs and 3 outputs; the weight is named first, as in the product w · x):
//!
//! | label | size | stride in input | in weight | in output |
//! | --- | --- | --- | --- | --- |
//! | o | 3 | 0 | 4 | 1 |
//! | i | 4 | 1 | 1 | 0 |
//!
//! Seen from one end, the labels that this end has are known from the entry; the others are summed over, in their order: the terms of an entry are these
//! labels in mixed radix. From the output that is i, from the weight nothing, from the input o. The order of labels is that of the output's axes, then
//! that of their first appearance, so a weight that is used at many outputs gathers its terms over these in row-major order.
//!
//! Neighbouring labels that move all ends as one index would are merged. Then at most three loops remain in practice, which a [`Nest`] holds: one for each
//! way in which the two other ends can share a label. Where axes are permuted against each other so that more than three remain
//! (`abcdefgh,hgfedcba->`), there is no contraction: the caller brings one operand into the order of the other first, by a copy.

mod constant;
mod matrix;

use std::cmp::Reverse;
use std::sync::{Arc, LazyLock};

use smallvec::SmallVec;

use super::edges::{Edges, View, W, Weighted, X};
use super::mismatch::{Mismatch, Operand};
use super::nest::{Edge, Nest};
use super::rule::Window;
use super::slot::Slot::Upstream;
use crate::sums::Init;
use constant::Form;
use matrix::Matrix;

/// One index of an einsum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The number of its values.
    pub size: usize,
    /// The places that each end (input, weight, output) moves by from one value to the next; 0 in an end without this label.
    pub strides: [usize; 3],
}

/// A set of edges: one for each combination of values of its labels.
#[derive(Clone, Debug)]
pub struct Contraction {
    /// The edges from the input, from the weight and from the output.
    ends: Arc<[End; 3]>,
    /// The shapes of these; `None` for [`Contraction::elementwise`], which fits any.
    shapes: Option<Box<[Vec<usize>; 3]>>,
    /// The matrix, if it is the product of a matrix and a vector.
    matrix: Option<Matrix>,
    /// Whether each output reads a whole channel of an image.
    on_image: bool,
}

/// The edges as one end sees them.
#[derive(Clone, Debug)]
struct End {
    /// The labels that the end has, from the largest stride to the smallest.
    own: SmallVec<[Label; 3]>,
    /// The labels that are summed over, in order.
    summed: SmallVec<[Label; 3]>,
    /// The loops over these, for an entry whose first edge is yet to be set.
    nest: Nest,
}

/// Neighbouring labels that move all ends as one index would, merged. Those of size 1 move nothing.
fn merged(labels: impl Iterator<Item = Label>) -> SmallVec<[Label; 3]> {
    let mut merged = SmallVec::<[Label; 3]>::new();
    for label in labels.filter(|label| label.size != 1) {
        match merged.last_mut() {
            Some(outer) if outer.strides == label.strides.map(|stride| stride.saturating_mul(label.size)) => {
                *outer = Label { size: outer.size * label.size, strides: label.strides };
            }
            _ => merged.push(label),
        }
    }
    merged
}

impl End {
    /// The labels as end `end` sees them; `None` if its entries do not lie side by side, or more than three loops remain.
    fn of(labels: &[Label], end: usize) -> Option<Self> {
        let has = |label: &&Label| label.strides[end] != 0;
        let mut own: SmallVec<[Label; 4]> = labels.iter().filter(has).filter(|label| label.size != 1).copied().collect();
        own.sort_by_key(|label| Reverse(label.strides[end]));
        let mut places = 1_usize;
        for label in own.iter().rev() {
            if label.strides[end] != places {
                return None;
            }
            places = places.saturating_mul(label.size);
        }
        let summed = merged(labels.iter().filter(|label| !has(label)).copied());
        let mut nest = Nest { first: Edge { input: 0, weight: 0, output: 0 }, steps: [[0; 3]; 3], counts: [1; 3] };
        let free = nest.counts.len().checked_sub(summed.len())?;
        for (n, label) in (free..).zip(&summed) {
            (nest.steps[n], nest.counts[n]) = (label.strides.map(usize::cast_signed), label.size);
        }
        Some(Self { own: merged(own.into_iter()), summed, nest })
    }

    fn terms(&self) -> usize {
        self.nest.counts.iter().product()
    }

    /// The first edge of an entry.
    fn first(&self, end: usize, entry: usize) -> Edge {
        let mut ends = [0; 3];
        for (n, label) in self.own.iter().enumerate() {
            let stride = label.strides[end];
            let value = if stride == 1 { entry } else { entry / stride };
            let value = if n == 0 { value } else { value % label.size };
            for (place, stride) in ends.iter_mut().zip(label.strides) {
                *place += value * stride;
            }
        }
        let [input, weight, output] = ends;
        Edge { input, weight, output }
    }
}

/// The entries of a block from which on all are walked side by side, term by term.
const SIDE_BY_SIDE: usize = 8;

impl Contraction {
    /// The contraction over these labels, in the order of its terms. `None` if an end has gaps between its entries, or if more than three loops
    /// remain for an entry: then an operand must be permuted first.
    #[must_use]
    pub fn new(labels: &[Label]) -> Option<Self> {
        if labels.iter().any(|label| label.strides == [0; 3]) {
            return None;
        }
        let [input, weight, output] = std::array::from_fn(|end| End::of(labels, end));
        let ends = Arc::new([input?, weight?, output?]);
        let shapes = std::array::from_fn(|end| {
            let mut own: Vec<&Label> = labels.iter().filter(|label| label.strides[end] != 0).collect();
            own.sort_by_key(|label| Reverse(label.strides[end]));
            own.iter().map(|label| label.size).collect()
        });
        let matrix = match *labels {
            [Label { size: outputs, strides: [0, wide, 1] }, Label { size: inputs, strides: [1, 1, 0] }] if wide == inputs => {
                Some(Matrix { inputs, outputs })
            }
            _ => None,
        };
        Some(Self { ends, shapes: Some(Box::new(shapes)), matrix, on_image: false })
    }

    /// The contraction that an einsum writes, with the size of each label: `Contraction::of("oi,i->o", &[('o', 3), ('i', 4)])`. All tensors are in
    /// row-major order.
    ///
    /// # Panics
    /// If the text is no einsum of one or two operands over these labels, or if more than three loops remain.
    #[must_use]
    pub fn of(subscripts: &str, sizes: &[(char, usize)]) -> Self {
        let subscripts = Subscripts::parse(subscripts).expect("an einsum");
        let size = |label| sizes.iter().find(|(own, _)| *own == label).expect("the size of each label").1;
        subscripts.contraction(size).expect("at most three loops")
    }

    /// The edges from each entry to the one at the same place, for tensors of any shape.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn elementwise() -> Self {
        // shared, as there may be very many
        static ALL: LazyLock<Contraction> = LazyLock::new(|| {
            let all = Contraction::new(&[Label { size: usize::MAX, strides: [1; 3] }]).expect("no loop");
            Contraction { shapes: None, ..all }
        });
        ALL.clone()
    }

    /// The same edges between tensors of other shapes with as many entries: input, weight, output.
    #[must_use]
    pub fn shaped(mut self, input: &[usize], weight: &[usize], output: &[usize]) -> Self {
        self.shapes = Some(Box::new([input, weight, output].map(<[usize]>::to_vec)));
        self
    }

    /// The same edges, drawn as a window that lies on a whole channel of an image.
    #[must_use]
    pub fn on_image(self) -> Self {
        Self { on_image: true, ..self }
    }

    /// The kernel for sums of one operand in this view, where there is one.
    fn form(&self, view: View) -> Option<Form> {
        let End { own, summed, .. } = &self.ends[view.end()];
        let read = if view == View::Output { View::Input } else { View::Output }.end();
        let stride = |label: &Label| label.strides[read];
        match (&own[..], &summed[..]) {
            ([], []) => Some(Form::Copy),
            ([all], []) if stride(all) == 1 => Some(Form::Copy),
            ([all], []) if stride(all) == 0 => Some(Form::Spread(all.size)),
            ([each, all], []) if stride(each) == 1 && stride(all) == 0 => Some(Form::Spread(all.size)),
            ([], [all]) if stride(all) == 1 => Some(Form::Gather(all.size)),
            ([each], [all]) if stride(all) == 1 && stride(each) == all.size => Some(Form::Gather(all.size)),
            _ => None,
        }
    }
}

impl Edges for Contraction {
    fn shape(&self, view: View) -> Option<Vec<usize>> {
        self.shapes.as_ref().map(|shapes| shapes[view.end()].clone())
    }

    fn prefix_terms(&self, view: View, entry: usize) -> u64 {
        entry as u64 * self.ends[view.end()].terms() as u64
    }

    fn each(&self, view: View) -> Option<u64> {
        Some(self.ends[view.end()].terms() as u64)
    }

    fn has_terms(&self, _view: View, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn nest(&self, view: View, entry: usize) -> Nest {
        let end = &self.ends[view.end()];
        Nest { first: end.first(view.end(), entry), ..end.nest }
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        let places = edge.ends();
        self.ends[view.end()].summed.iter().fold(0, |rank, label| {
            let end = (0..3).find(|end| label.strides[*end] != 0).expect("a label moves an end");
            let value = places[end] / label.strides[end] % label.size;
            rank * label.size as u64 + value as u64
        })
    }

    fn sweep(&self, view: View, count: usize, mut show: impl FnMut(Edge, [isize; 3], usize)) {
        let end = &self.ends[view.end()];
        let (block, step) = end.own.last().map_or((1, [0; 3]), |label| (label.size, label.strides.map(usize::cast_signed)));
        let (terms, [_, _, columns]) = (end.terms(), end.nest.counts);
        for entry in (0..count).step_by(block) {
            let long = block.min(count - entry);
            let nest = self.nest(view, entry);
            if terms == 1 || long >= SIDE_BY_SIDE {
                nest.edges(0..terms).for_each(|edge| show(edge, step, long));
                continue;
            }
            for n in 0..long {
                let nest = Nest { first: nest.first.moved(step, n.cast_signed()), ..nest };
                (0..terms).step_by(columns).for_each(|term| show(nest.edge(term), nest.steps[2], columns));
            }
        }
    }

    fn sum_of_one(&self, view: View, weight: Option<f64>, read: &[f64], sums: &mut [f64], init: Init) -> bool {
        let form = self.form(view);
        if let Some(form) = form {
            form.add(weight, read, sums, init);
        }
        form.is_some()
    }

    fn window(&self, view: View) -> Option<Window> {
        let (image, filter) = match view {
            View::Output => (X, W),
            View::Weight => (X, Upstream),
            View::Input => (Upstream, W),
        };
        self.on_image.then_some(Window { image, filter: Some(filter), turned: view == View::Input, padding: [0, 0], pitch: [1, 1] })
    }
}

impl Weighted for Contraction {
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        if let Some(matrix) = self.matrix {
            return matrix.accumulate(view, a, b, out);
        }
        let (own, [i, j]) = (view.end(), view.others());
        self.sweep(view, out.len(), |edge, step, count| {
            let mut places = edge.ends();
            for _ in 0..count {
                out[places[own]] += a[places[i]] * b[places[j]];
                for (place, step) in places.iter_mut().zip(step) {
                    *place = place.wrapping_add_signed(step);
                }
            }
        });
    }

    fn begin(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        match self.matrix {
            Some(matrix) if view == View::Weight => matrix.outer(a, b, sums),
            _ => self.begin_with_nothing(view, a, b, sums),
        }
    }
}

/// The labels of the operands and the result of an einsum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscripts {
    /// The labels of the weight; `None` if there is one operand, the input.
    weight: Option<Vec<char>>,
    input: Vec<char>,
    output: Vec<char>,
}

impl Subscripts {
    /// Reads `oi,i->o`: the weight, the input and the output; or `ca->c`: the input and the output. `None` if it is written otherwise, if a label
    /// stands twice in one tensor (a diagonal).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let labels = |text: &str| {
            let labels: Vec<char> = text.trim().chars().collect();
            let plain = labels.iter().enumerate().all(|(n, label)| label.is_alphabetic() && !labels[..n].contains(label));
            plain.then_some(labels)
        };
        let (operands, output) = text.split_once("->")?;
        let (weight, input) = match operands.split_once(',') {
            Some((weight, input)) => (Some(labels(weight)?), labels(input)?),
            None => (None, labels(operands)?),
        };
        Some(Self { weight, input, output: labels(output)? })
    }

    /// The labels of input, weight and output.
    fn ends(&self) -> [&[char]; 3] {
        [&self.input, self.weight.as_deref().unwrap_or(&[]), &self.output]
    }

    /// All labels in the order of the terms: those of the output, then those of the operands as they appear.
    fn order(&self) -> Vec<char> {
        let mut order = self.output.clone();
        for label in self.ends()[1].iter().chain(&self.input) {
            if !order.contains(label) {
                order.push(*label);
            }
        }
        order
    }

    /// Infers the size of each label from the shapes of the operands, in the order in which they are written.
    ///
    /// # Errors
    /// When two axes with one label differ.
    ///
    /// # Panics
    /// If an operand has another number of axes than labels.
    pub fn sizes(&self, shapes: &[&[usize]]) -> Result<Vec<(char, usize)>, Mismatch> {
        let operands = self.weight.iter().map(|labels| ("weight", labels)).chain([("input", &self.input)]);
        let mut found: Vec<(char, usize, Operand)> = Vec::new();
        for ((name, labels), shape) in operands.zip(shapes) {
            assert_eq!(labels.len(), shape.len(), "an axis for each label");
            for (axis, (label, size)) in labels.iter().zip(*shape).enumerate() {
                let here = Operand::new(name, shape, Some(axis));
                match found.iter().find(|(own, ..)| own == label) {
                    Some((_, other, there)) if other != size => return Err(Mismatch { one: there.clone(), other: here }),
                    Some(_) => {}
                    None => found.push((*label, *size, here)),
                }
            }
        }
        Ok(found.into_iter().map(|(label, size, _)| (label, size)).collect())
    }

    /// The contraction over labels of these sizes; `None` if more than three loops remain for an entry.
    #[must_use]
    pub fn contraction(&self, size: impl Fn(char) -> usize) -> Option<Contraction> {
        let stride = |labels: &[char], label: char| {
            let at = labels.iter().position(|own| *own == label)?;
            Some(labels[at + 1..].iter().map(|inner| size(*inner)).product())
        };
        let label = |label: char| Label { size: size(label), strides: self.ends().map(|labels| stride(labels, label).unwrap_or(0)) };
        Contraction::new(&self.order().into_iter().map(label).collect::<Vec<_>>())
    }
}
