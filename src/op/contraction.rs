//! Contractions by labels: an einsum of at most two operands, y = Σ w · x, as a set of edges.
//!
//! Each label of the einsum is an index, and each combination of their values is one edge, which joins an entry of the input, of the weight and of
//! the output. A label is therefore a size and a stride in each of these three ends, 0 in an end without that label. For `oi,i->o` (a linear layer of
//! 4 inputs and 3 outputs; the weight is named first, as in the product w · x):
//!
//! | label | size | stride in input | in weight | in output |
//! | --- | --- | --- | --- | --- |
//! | o | 3 | 0 | 4 | 1 |
//! | i | 4 | 1 | 1 | 0 |
//!
//! An entry fixes the labels of its own end, and its terms run over the others: over i for an output, over o for an input, over none for a weight.
//! For o = 2 the terms are `w[2, 0] · x[0]`, `w[2, 1] · x[1]`, …. Labels are ordered as the output's axes, then by first appearance, so the terms of
//! a weight are in the row-major order of the outputs that use it.
//!
//! Neighbouring labels that move all ends like a single index are merged. At most three loops then remain in practice, as a [`Nest`] holds. If the
//! axes of the operands are permuted so that more remain (`abcdefgh,hgfedcba->`), there is no contraction: the caller first permutes an operand by a
//! copy.

mod constant;
mod matrix;

use std::cmp::Reverse;
use std::sync::{Arc, LazyLock};

use smallvec::SmallVec;

use super::edges::{Edges, View, W, Weighted, X};
use super::mismatch::{Mismatch, MismatchedTensor};
use super::nest::{Edge, Nest};
use super::rule::Window;
use super::slot::Slot::Upstream;
use crate::sums::Init;
use constant::SumKernel;
use matrix::MatrixShape;

/// An index of an einsum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The number of values.
    pub size: usize,
    /// The stride in each end (input, weight, output); 0 in an end without this label.
    pub strides: [usize; 3],
}

/// The set of edges of an einsum: one for each combination of the values of its labels.
#[derive(Clone, Debug)]
pub struct Contraction {
    /// The edges as seen from the input, the weight and the output.
    ends: Arc<[EndLabels; 3]>,
    /// The shapes of input, weight and output; `None` for [`Contraction::elementwise`], which fits any.
    shapes: Option<Box<[Vec<usize>; 3]>>,
    /// The shape of the matrix, if this is a product of a matrix and a vector.
    matrix: Option<MatrixShape>,
    /// `true` if each output reads a whole channel of an image.
    on_image: bool,
}

/// The labels, split by whether one end has them.
#[derive(Clone, Debug)]
struct EndLabels {
    /// The labels of this end, from the largest stride to the smallest.
    own: SmallVec<[Label; 3]>,
    /// The labels that are summed over, in order.
    summed: SmallVec<[Label; 3]>,
    /// The loops over the summed labels; the first edge depends on the entry.
    nest: Nest,
}

/// Merges neighbouring labels that move all ends like a single index, and drops labels of size 1.
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

impl EndLabels {
    /// Splits the labels for end `end`. `None` if its entries are not contiguous, or if more than three loops remain.
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

    /// Returns the first edge of an entry.
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

/// The number of neighbouring entries from which on [`Contraction::sweep`] visits all of them term by term, instead of one entry after another.
const SIDE_BY_SIDE: usize = 8;

impl Contraction {
    /// Creates the contraction over these labels, in the order of its terms. `None` if the entries of an end are not contiguous, or if more than
    /// three loops remain for an entry: then an operand must be permuted first.
    #[must_use]
    pub fn new(labels: &[Label]) -> Option<Self> {
        if labels.iter().any(|label| label.strides == [0; 3]) {
            return None;
        }
        let [input, weight, output] = std::array::from_fn(|end| EndLabels::of(labels, end));
        let ends = Arc::new([input?, weight?, output?]);
        let shapes = std::array::from_fn(|end| {
            let mut own: Vec<&Label> = labels.iter().filter(|label| label.strides[end] != 0).collect();
            own.sort_by_key(|label| Reverse(label.strides[end]));
            own.iter().map(|label| label.size).collect()
        });
        let matrix = match *labels {
            [Label { size: outputs, strides: [0, wide, 1] }, Label { size: inputs, strides: [1, 1, 0] }] if wide == inputs => {
                Some(MatrixShape { inputs, outputs })
            }
            _ => None,
        };
        Some(Self { ends, shapes: Some(Box::new(shapes)), matrix, on_image: false })
    }

    /// Creates the contraction of an einsum, from its text and the size of each label. All tensors are in row-major order.
    ///
    /// ```
    /// use gradstep::op::{contraction::Contraction, edges::{Edges, View}};
    ///
    /// let linear = Contraction::of("oi,i->o", &[('o', 3), ('i', 4)]);
    /// assert_eq!(linear.edge(View::Output, 2, 1).ends(), [1, 9, 2]); // x[1] · w[2, 1] is a term of y[2]
    /// ```
    ///
    /// # Panics
    /// If the text is not an einsum of one or two operands over these labels, or if more than three loops remain.
    #[must_use]
    pub fn of(subscripts: &str, sizes: &[(char, usize)]) -> Self {
        let subscripts = Subscripts::parse(subscripts).expect("the text is an einsum");
        let size = |label| sizes.iter().find(|(own, _)| *own == label).expect("every label has a size").1;
        subscripts.contraction(size).expect("at most three loops remain")
    }

    /// Creates the edges that join each entry with the one at the same index, for tensors of any shape.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn elementwise() -> Self {
        // shared, as a network may have very many of them
        static ALL: LazyLock<Contraction> = LazyLock::new(|| {
            let all = Contraction::new(&[Label { size: usize::MAX, strides: [1; 3] }]).expect("no loop remains");
            Contraction { shapes: None, ..all }
        });
        ALL.clone()
    }

    /// Reshapes input, weight and output; each keeps its number of entries.
    #[must_use]
    pub fn shaped(mut self, input: &[usize], weight: &[usize], output: &[usize]) -> Self {
        self.shapes = Some(Box::new([input, weight, output].map(<[usize]>::to_vec)));
        self
    }

    /// Marks each output as a window over a whole channel of an image, for the drawing.
    #[must_use]
    pub fn on_image(self) -> Self {
        Self { on_image: true, ..self }
    }

    /// Returns the kernel for sums of one operand in this view, if there is one.
    fn sum_kernel(&self, view: View) -> Option<SumKernel> {
        let EndLabels { own, summed, .. } = &self.ends[view.end()];
        let read = if view == View::Output { View::Input } else { View::Output }.end();
        let stride = |label: &Label| label.strides[read];
        match (&own[..], &summed[..]) {
            ([], []) => Some(SumKernel::Copy),
            ([all], []) if stride(all) == 1 => Some(SumKernel::Copy),
            ([all], []) if stride(all) == 0 => Some(SumKernel::Expand(all.size)),
            ([each, all], []) if stride(each) == 1 && stride(all) == 0 => Some(SumKernel::Expand(all.size)),
            ([], [all]) if stride(all) == 1 => Some(SumKernel::Sum(all.size)),
            ([each], [all]) if stride(all) == 1 && stride(each) == all.size => Some(SumKernel::Sum(all.size)),
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

    fn edge(&self, view: View, entry: usize, term: u64) -> Edge {
        let end = &self.ends[view.end()];
        let first = end.first(view.end(), entry);
        if term == 0 { first } else { Nest { first, ..end.nest }.edge(usize::try_from(term).expect("the terms of an entry fit in memory")) }
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        let places = edge.ends();
        self.ends[view.end()].summed.iter().fold(0, |rank, label| {
            let end = (0..3).find(|end| label.strides[*end] != 0).expect("every label has a stride in some end");
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

    fn sum_by_kernel(&self, view: View, weight: Option<f64>, read: &[f64], sums: &mut [f64], init: Init) -> bool {
        let kernel = self.sum_kernel(view);
        if let Some(kernel) = kernel {
            kernel.add(weight, read, sums, init);
        }
        kernel.is_some()
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
            _ => self.begin_from_zero(view, a, b, sums),
        }
    }
}

/// The labels of the operands and of the result of an einsum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscripts {
    /// The labels of the weight; `None` if the input is the only operand.
    weight: Option<Vec<char>>,
    input: Vec<char>,
    output: Vec<char>,
}

impl Subscripts {
    /// Parses `oi,i->o` (weight, input, output) or `ca->c` (input, output). `None` if the text has another form, or if a label occurs twice in one
    /// tensor (a diagonal).
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

    /// Returns the labels of input, weight and output.
    fn ends(&self) -> [&[char]; 3] {
        [&self.input, self.weight.as_deref().unwrap_or(&[]), &self.output]
    }

    /// Returns all labels in the order of the terms: those of the output, then those of the operands as they appear.
    fn order(&self) -> Vec<char> {
        let mut order = self.output.clone();
        for label in self.ends()[1].iter().chain(&self.input) {
            if !order.contains(label) {
                order.push(*label);
            }
        }
        order
    }

    /// Infers the size of each label from the shapes of the operands, in their written order.
    ///
    /// # Errors
    /// If two axes with the same label have different sizes.
    ///
    /// # Panics
    /// If the number of axes of an operand is not its number of labels.
    pub fn sizes(&self, shapes: &[&[usize]]) -> Result<Vec<(char, usize)>, Mismatch> {
        let operands = self.weight.iter().map(|labels| ("weight", labels)).chain([("input", &self.input)]);
        let mut found: Vec<(char, usize, MismatchedTensor)> = Vec::new();
        for ((name, labels), shape) in operands.zip(shapes) {
            assert_eq!(labels.len(), shape.len(), "an axis for each label");
            for (axis, (label, size)) in labels.iter().zip(*shape).enumerate() {
                let here = MismatchedTensor::new(name, shape, Some(axis));
                match found.iter().find(|(own, ..)| own == label) {
                    Some((_, other, there)) if other != size => return Err(Mismatch { one: there.clone(), other: here }),
                    Some(_) => {}
                    None => found.push((*label, *size, here)),
                }
            }
        }
        Ok(found.into_iter().map(|(label, size, _)| (label, size)).collect())
    }

    /// Creates the contraction for labels of these sizes; `None` if more than three loops remain for an entry.
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
