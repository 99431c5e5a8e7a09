//! Contractions: an einsum of one or two operands, y = Σ w · x, as a set of edges.
//!
//! An einsum such as `oi,i->o` (a linear layer: weight, input, output) names each axis of its tensors by a *label*. Each combination of values of all
//! labels is one edge: o = 2 and i = 1 give the edge of `w[2, 1]`, `x[1]` and `y[2]`, its three *ends* ([`super::edges`]).
//!
//! A label is stored as its size and its strides, one for each end. If the label's value grows by 1, the row-major index of the end grows by the stride.
//! The stride is 0 in a tensor without the label. For 4 inputs and 3 outputs:
//!
//! | label | size | stride in input | in weight | in output |
//! | --- | --- | --- | --- | --- |
//! | o | 3 | 0 | 4 | 1 |
//! | i | 4 | 1 | 1 | 0 |
//!
//! The index of an entry fixes the values of its tensor's labels, the *free* ones. The entry's terms are loops over the other labels, the *summed* ones: over i
//! for an output, over o for an input, over no label for a weight. Output 2 has the terms `w[2, 0] · x[0]`, `w[2, 1] · x[1]`, …. The loops are nested
//! in the order of the labels: first those of the output, then the others as they appear in the text. So the terms of an input or a weight are in the
//! row-major order of the outputs that use it.
//!
//! Neighbouring labels that act as one index are merged: in `ab,ab->`, a and b run through both operands in row-major order, so they become one label
//! of size a · b. A [`Nest`] has three loops. If more than three summed labels remain, as in `abcdefgh,hgfedcba->`, no contraction is created: the caller must
//! first copy one operand into another order of axes.

mod matrix;
mod one_operand;
mod product;
mod run;

use std::cmp::Reverse;
use std::sync::{Arc, LazyLock};

use smallvec::SmallVec;

use super::edges::{BilinearRule, Edges, Roles, View, W, Weighted, X};
use super::mismatch::{Mismatch, MismatchedTensor};
use super::nest::{Edge, Nest};
use super::rule::Window;
use super::slot::Slot::Upstream;
use crate::sums::Init;
pub use matrix::MatrixShape;
use one_operand::SumKernel;
use product::MatrixProduct;
use run::{EndRun, add_run};

/// A label of an einsum: one index, which appears in some of the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The number of values.
    pub size: usize,
    /// The strides in input, weight and output; 0 in a tensor without this label.
    pub strides: [usize; 3],
}

/// The shape of a tensor.
type Shape = SmallVec<[usize; 4]>;

/// The set of edges of an einsum: one for each combination of the values of its labels.
#[derive(Clone, Debug)]
pub struct Contraction {
    /// All labels, split in three ways: for an entry of the input, for an entry of the weight, and for an entry of the output.
    ends: Arc<[EndLabels; 3]>,
    /// The shapes of input, weight and output; `None` for [`Contraction::elementwise`], which fits any shape.
    shapes: Option<Box<[Shape; 3]>>,
    /// The shape of the weight if this is a matrix-vector product, for which there are faster kernels.
    matrix: Option<MatrixShape>,
    /// `true` if each output reads a whole channel of an image. The drawing then shows the output as a window over that channel.
    is_on_image: bool,
}

/// All labels, split into the labels that the tensor of one end has, and the labels that an entry of this tensor sums over.
#[derive(Clone, Debug)]
struct EndLabels {
    /// The free labels, which this end has, from the largest stride to the smallest.
    free: SmallVec<[Label; 3]>,
    /// The summed labels, which this end lacks, in the order of their loops.
    summed: SmallVec<[Label; 3]>,
    /// The loops over the summed labels. `nest.first` is a placeholder; [`EndLabels::first_edge`] returns the first edge of an entry.
    nest: Nest,
}

/// Merges neighbouring labels that act as one index, and drops labels of size 1. Two labels act as one index if in each end the outer stride is the inner
/// stride times the inner size. The result is appended to `merged`, which is empty.
fn merge(labels: impl Iterator<Item = Label>, merged: &mut SmallVec<[Label; 3]>) {
    for label in labels.filter(|label| label.size != 1) {
        match merged.last_mut() {
            Some(outer) if outer.strides == label.strides.map(|stride| stride.saturating_mul(label.size)) => {
                *outer = Label { size: outer.size * label.size, strides: label.strides };
            }
            _ => merged.push(label),
        }
    }
}

impl EndLabels {
    /// Creates the lists without labels.
    fn empty() -> Self {
        let nest = Nest { first: Edge { input: 0, weight: 0, output: 0 }, steps: [[0; 3]; 3], counts: [1; 3] };
        Self { free: SmallVec::new(), summed: SmallVec::new(), nest }
    }

    /// Splits the labels for the end with this index in [`Edge::ends`], into lists that are empty before. `None` if the end's entries are not contiguous in
    /// row-major order, or if more than three loops remain.
    fn split(&mut self, labels: &[Label], end: usize) -> Option<()> {
        let Self { free, summed, nest } = self;
        let is_free = |label: &&Label| label.strides[end] != 0;
        let mut by_stride = SmallVec::<[&Label; 4]>::new();
        by_stride.extend(labels.iter().filter(is_free).filter(|label| label.size != 1));
        by_stride.sort_by_key(|label| Reverse(label.strides[end]));
        // from the innermost axis outwards, each stride must be the number of entries inside that axis
        let mut inner_entries = 1_usize;
        for label in by_stride.iter().rev() {
            if label.strides[end] != inner_entries {
                return None;
            }
            inner_entries = inner_entries.saturating_mul(label.size);
        }
        merge(labels.iter().filter(|label| !is_free(label)).copied(), summed);
        // the summed labels become the innermost loops; the outer loops are not needed and have one iteration
        let unused_loops = nest.counts.len().checked_sub(summed.len())?;
        for (n, label) in (unused_loops..).zip(&*summed) {
            (nest.steps[n], nest.counts[n]) = (label.strides.map(usize::cast_signed), label.size);
        }
        merge(by_stride.into_iter().copied(), free);
        Some(())
    }

    /// Returns the number of terms of each entry.
    fn term_count(&self) -> usize {
        self.nest.counts.iter().product()
    }

    /// Returns the first edge of an entry, at which all summed labels are 0. `end` is the index in [`Edge::ends`] of this end.
    fn first_edge(&self, end: usize, entry: usize) -> Edge {
        let mut indices = [0; 3];
        for (n, label) in self.free.iter().enumerate() {
            let stride = label.strides[end];
            // divisions are slow, so those that change nothing are left out: a division by 1, and the remainder at the outermost label
            let value = if stride == 1 { entry } else { entry / stride };
            let value = if n == 0 { value } else { value % label.size };
            for (index, stride) in indices.iter_mut().zip(label.strides) {
                *index += value * stride;
            }
        }
        let [input, weight, output] = indices;
        Edge { input, weight, output }
    }
}

/// The smallest block of neighbouring entries that [`Contraction::sweep`] visits term by term: the first terms of all entries, then the second terms,
/// and so on. In a smaller block it visits one entry after another.
const MIN_BLOCK: usize = 8;

impl Contraction {
    /// Creates the contraction over these labels. The order of the labels is the order of the loops over the terms. Returns `None` in three cases:
    ///
    /// - The entries of an end are not contiguous in row-major order.
    /// - More than three loops remain for an entry. As in the first case, an operand must first be copied into another order of axes.
    /// - A label has the stride 0 in all three ends.
    #[must_use]
    pub fn new(labels: &[Label]) -> Option<Self> {
        if labels.iter().any(|label| label.strides == [0; 3]) {
            return None;
        }
        let mut ends = std::array::from_fn(|_| EndLabels::empty());
        for (end, end_labels) in ends.iter_mut().enumerate() {
            end_labels.split(labels, end)?;
        }
        let shapes = std::array::from_fn(|end| {
            let mut free = SmallVec::<[&Label; 4]>::new();
            free.extend(labels.iter().filter(|label| label.strides[end] != 0));
            free.sort_by_key(|label| Reverse(label.strides[end]));
            free.iter().map(|label| label.size).collect()
        });
        // the strides of `oi,i->o` as in the table of this module
        let matrix = match *labels {
            [Label { size: outputs, strides: [0, row_len, 1] }, Label { size: inputs, strides: [1, 1, 0] }] if row_len == inputs => {
                Some(MatrixShape { inputs, outputs })
            }
            _ => None,
        };
        Some(Self { ends: Arc::new(ends), shapes: Some(Box::new(shapes)), matrix, is_on_image: false })
    }

    /// Creates the contraction of an einsum, from its text and the size of each label. All tensors are in row-major order.
    ///
    /// ```
    /// use gradstep::op::{contraction::Contraction, edges::{Edges, View}};
    ///
    /// let linear = Contraction::einsum("oi,i->o", &[('o', 3), ('i', 4)]);
    /// // term 1 of y[2] is w[2, 1] · x[1], and w[2, 1] is at the row-major index 2 · 4 + 1 = 9
    /// assert_eq!(linear.edge(View::Output, 2, 1).ends(), [1, 9, 2]);
    /// ```
    ///
    /// # Panics
    /// If the text is not an einsum of one or two operands over these labels, or if more than three loops remain.
    #[must_use]
    pub fn einsum(subscripts: &str, sizes: &[(char, usize)]) -> Self {
        let subscripts = Subscripts::parse(subscripts).expect("the text is an einsum");
        let size = |label| sizes.iter().find(|(sized, _)| *sized == label).expect("every label has a size").1;
        subscripts.contraction(size).expect("at most three loops remain")
    }

    /// Creates the edges that join entry i of the input, of the weight and of the output, for each i. They fit tensors of any shape.
    ///
    /// # Panics
    /// Does not happen: the `expect` cannot fail, because the terms of an entry need no loop.
    #[must_use]
    pub fn elementwise() -> Self {
        // one shared value, because a network may have very many elementwise functions
        static SHARED: LazyLock<Contraction> = LazyLock::new(|| {
            // the largest size, because the edges are for tensors of any size
            let contraction = Contraction::new(&[Label { size: usize::MAX, strides: [1; 3] }]).expect("no loop remains");
            Contraction { shapes: None, ..contraction }
        });
        SHARED.clone()
    }

    /// Replaces the shapes of input, weight and output. Each keeps its number of entries.
    #[must_use]
    pub fn with_shapes(mut self, input: &[usize], weight: &[usize], output: &[usize]) -> Self {
        self.shapes = Some(Box::new([input, weight, output].map(Shape::from_slice)));
        self
    }

    /// Makes the drawing show each output as a window over a whole channel of an image.
    #[must_use]
    pub fn on_image(self) -> Self {
        Self { is_on_image: true, ..self }
    }

    /// Returns the fast kernel that sums the entries of one operand in this view. `None` if the sums read the operand in a pattern without a kernel.
    fn sum_kernel(&self, view: View) -> Option<SumKernel> {
        let EndLabels { free, summed, .. } = &self.ends[view.computed_end()];
        let read_end = if view == View::Output { View::Input } else { View::Output }.computed_end();
        let read_stride = |label: &Label| label.strides[read_end];
        match (&free[..], &summed[..]) {
            // a single entry, or `i->i`
            ([], []) => Some(SumKernel::Copy),
            ([i], []) if read_stride(i) == 1 => Some(SumKernel::Copy),
            // `->n` and `i->in`: each read entry is repeated n times
            ([n], []) if read_stride(n) == 0 => Some(SumKernel::Expand(n.size)),
            ([i, n], []) if read_stride(i) == 1 && read_stride(n) == 0 => Some(SumKernel::Expand(n.size)),
            // `n->` and `in->i`: n neighbours are added
            ([], [n]) if read_stride(n) == 1 => Some(SumKernel::Sum(n.size)),
            ([i], [n]) if read_stride(n) == 1 && read_stride(i) == n.size => Some(SumKernel::Sum(n.size)),
            // `ni->i` and `oni->oi`: n rows are added
            ([i], [n]) if read_stride(i) == 1 && read_stride(n) == i.size => Some(SumKernel::SumRows { n: n.size, width: i.size }),
            ([o, i], [n]) if read_stride(i) == 1 && read_stride(n) == i.size && read_stride(o) == n.size * i.size => {
                Some(SumKernel::SumRows { n: n.size, width: i.size })
            }
            // `i->ni`: the entries are repeated n times
            ([n, i], []) if read_stride(i) == 1 && read_stride(n) == 0 => Some(SumKernel::Tile(i.size)),
            _ => None,
        }
    }
}

impl Edges for Contraction {
    fn shape(&self, view: View) -> Option<Vec<usize>> {
        self.shapes.as_ref().map(|shapes| shapes[view.computed_end()].to_vec())
    }

    fn prefix_terms(&self, view: View, entry: usize) -> u64 {
        entry as u64 * self.ends[view.computed_end()].term_count() as u64
    }

    fn edges_per_entry(&self, view: View) -> Option<u64> {
        Some(self.ends[view.computed_end()].term_count() as u64)
    }

    fn has_terms(&self, _view: View, _count: usize) -> Option<Vec<bool>> {
        None // every entry has an edge
    }

    fn nest(&self, view: View, entry: usize) -> Nest {
        let labels = &self.ends[view.computed_end()];
        Nest { first: labels.first_edge(view.computed_end(), entry), ..labels.nest }
    }

    fn edge(&self, view: View, entry: usize, term: u64) -> Edge {
        let labels = &self.ends[view.computed_end()];
        let first = labels.first_edge(view.computed_end(), entry);
        if term == 0 {
            return first;
        }
        Nest { first, ..labels.nest }.edge(usize::try_from(term).expect("the terms of an entry fit in memory"))
    }

    fn rank(&self, view: View, edge: Edge) -> u64 {
        let indices = edge.ends();
        // the row-major number of the edge over the summed labels; the value of a label is found from any end that has it
        self.ends[view.computed_end()].summed.iter().fold(0, |rank, label| {
            let end = (0..3).find(|end| label.strides[*end] != 0).expect("every label has a stride in some end");
            let value = indices[end] / label.strides[end] % label.size;
            rank * label.size as u64 + value as u64
        })
    }

    fn sweep(&self, view: View, count: usize, mut visit: impl FnMut(Edge, [isize; 3], usize)) {
        let labels = &self.ends[view.computed_end()];
        // a block is a run of entries along the innermost label of this end; their first terms are evenly spaced, and so are their second terms, …
        let (block_len, entry_step) = labels.free.last().map_or((1, [0; 3]), |label| (label.size, label.strides.map(usize::cast_signed)));
        let (terms, [_, _, inner_count]) = (labels.term_count(), labels.nest.counts);
        for entry in (0..count).step_by(block_len) {
            let block_len = block_len.min(count - entry);
            let nest = self.nest(view, entry);
            if terms == 1 || block_len >= MIN_BLOCK {
                // a run for each term, over the entries of the block
                nest.edges(0..terms).for_each(|edge| visit(edge, entry_step, block_len));
                continue;
            }
            // runs for each entry of the block, over the innermost loop of its terms
            for n in 0..block_len {
                let nest = Nest { first: nest.first.moved(entry_step, n.cast_signed()), ..nest };
                (0..terms).step_by(inner_count).for_each(|term| visit(nest.edge(term), nest.steps[2], inner_count));
            }
        }
    }

    fn sum_by_kernel(&self, view: View, weight: Option<f64>, read: &[f64], sums: &mut [f64], init: Init) -> bool {
        let kernel = self.sum_kernel(view);
        if let Some(kernel) = kernel {
            kernel.compute(weight, read, sums, init);
        }
        kernel.is_some()
    }

    fn window(&self, view: View) -> Option<Window> {
        let (image, filter) = match view {
            View::Output => (X, W),
            View::Weight => (X, Upstream),
            View::Input => (Upstream, W),
        };
        self.is_on_image.then_some(Window {
            image,
            filter: Some(filter),
            turned: view == View::Input,
            is_1d: false,
            padding: [[0; 2]; 2],
            spread: [1, 1],
            pitch: [1, 1],
        })
    }
}

impl Weighted for Contraction {
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]) {
        if let Some(matrix) = self.matrix {
            return matrix.accumulate(view, a, b, out);
        }
        if self.multiply_matrices(view, [a, b], out, Init::Accumulate) {
            return;
        }
        let (computed_end, [a_end, b_end]) = (view.computed_end(), view.factor_ends());
        self.sweep(view, out.len(), |first, step, count| {
            let run = |end: usize| EndRun { first: first.ends()[end], step: step[end] };
            add_run(out, run(computed_end), [(a, run(a_end)), (b, run(b_end))], count);
        });
    }

    fn overwrite(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        if let Some(matrix) = self.matrix.filter(|_| view == View::Weight) {
            return matrix.set_outer_product(a, b, sums);
        }
        let is_computed = self.matrix.is_none() && self.multiply_matrices(view, [a, b], sums, Init::Overwrite);
        if !is_computed {
            self.overwrite_by_accumulate(view, a, b, sums);
        }
    }

    fn overwrite_input_gradient(&self, w: &[f64], e: &[f64], y: &[f64], sums: &mut [f64]) {
        if !self.matrix.is_some_and(|matrix| matrix.set_sparse_input_gradient(w, e, y, sums)) {
            self.overwrite(View::Input, w, e, sums);
        }
    }
}

impl Contraction {
    /// Computes sums by the kernel for products of matrices; returns `false` if this is not such a product.
    fn multiply_matrices(&self, view: View, factors: [&[f64]; 2], sums: &mut [f64], init: Init) -> bool {
        let ends = view.factor_ends();
        let Some(product) = MatrixProduct::new(&self.ends[view.computed_end()], ends, sums.len()) else { return false };
        let [a, b] = factors;
        product.compute(if product.has_row_factors_from(ends[0]) { [a, b] } else { [b, a] }, sums, init);
        true
    }
}

impl BilinearRule<Contraction> {
    /// Returns the shape of the matrix if the rule computes the weight gradient of a matrix-vector product, the outer product e xᵀ.
    #[must_use]
    pub fn outer_product(&self) -> Option<MatrixShape> {
        self.edges.matrix.filter(|_| self.view == View::Weight && self.roles == Roles::Layer)
    }
}

/// The text of an einsum, parsed: the labels of the axes of each tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscripts {
    /// The labels of the weight; `None` if the input is the only operand.
    weight: Option<Labels>,
    input: Labels,
    output: Labels,
}

/// The labels of the axes of a tensor.
type Labels = SmallVec<[char; 4]>;

impl Subscripts {
    /// Parses a text of the form `oi,i->o` (weight, input, output) or `ca->c` (input, output). `None` if the text has another form, or if a label occurs
    /// twice in one tensor: `ii->i`, a diagonal, is not supported.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let labels = |text: &str| {
            let labels: Labels = text.trim().chars().collect();
            let is_valid = labels.iter().enumerate().all(|(n, label)| label.is_alphabetic() && !labels[..n].contains(label));
            is_valid.then_some(labels)
        };
        let (operands, output) = text.split_once("->")?;
        let (weight, input) = match operands.split_once(',') {
            Some((weight, input)) => (Some(labels(weight)?), labels(input)?),
            None => (None, labels(operands)?),
        };
        Some(Self { weight, input, output: labels(output)? })
    }

    /// Returns the labels of input, weight and output, in the order of [`Edge::ends`].
    fn ends(&self) -> [&[char]; 3] {
        [&self.input, self.weight.as_deref().unwrap_or(&[]), &self.output]
    }

    /// Returns all labels in the order of the loops over the terms: those of the output, then the others as they appear in weight and input.
    fn loop_order(&self) -> Labels {
        let mut order = self.output.clone();
        for label in self.weight.iter().flatten().chain(&self.input) {
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
        // each label with its size and the axis that it was first found at
        let mut found: Vec<(char, usize, MismatchedTensor)> = Vec::new();
        for ((name, labels), shape) in operands.zip(shapes) {
            assert_eq!(labels.len(), shape.len(), "every axis has a label");
            for (axis, (label, size)) in labels.iter().zip(*shape).enumerate() {
                let this_axis = MismatchedTensor::new(name, shape, Some(axis));
                match found.iter().find(|(known, ..)| known == label) {
                    Some((_, first_size, first_axis)) if first_size != size => {
                        return Err(Mismatch { one: first_axis.clone(), other: this_axis });
                    }
                    Some(_) => {}
                    None => found.push((*label, *size, this_axis)),
                }
            }
        }
        Ok(found.into_iter().map(|(label, size, _)| (label, size)).collect())
    }

    /// Creates the contraction, where `size` returns the size of a label. `None` if more than three loops remain for an entry.
    #[must_use]
    pub fn contraction(&self, size: impl Fn(char) -> usize) -> Option<Contraction> {
        let stride = |labels: &[char], label: char| {
            let axis = labels.iter().position(|other| *other == label)?;
            Some(labels[axis + 1..].iter().map(|inner| size(*inner)).product())
        };
        let label = |label: char| Label { size: size(label), strides: self.ends().map(|labels| stride(labels, label).unwrap_or(0)) };
        Contraction::new(&self.loop_order().into_iter().map(label).collect::<SmallVec<[Label; 4]>>())
    }
}
