//! Bilinear ops, y = Σ w · x, described by their edges: linear layers, convolutions, einsums.
//!
//! An *edge* is one product of such a sum. It has three *ends*: an entry of the input x, an entry of the weight w and an entry of the output y. For
//! y = w₀ x₀ + w₁ x₁ the edges are (x₀, w₀, y) and (x₁, w₁, y).
//!
//! The same edges give all three passes. A pass computes the tensor at one of the three ends; its [`View`] names that end. Each entry of the computed
//! tensor is a sum with one term for each edge that ends at the entry. The term is the product of the edge's other two ends:
//!
//! | pass | [`View`] | sum over the edges that end at the entry |
//! | --- | --- | --- |
//! | forward | `Output` | `y[o] = Σ w · x` |
//! | weight gradient | `Weight` | `∂C/∂w[k] = Σ x · ∂C/∂y` |
//! | input gradient | `Input` | `∂C/∂x[i] = Σ w · ∂C/∂y` |
//!
//! In the example y has two terms, and ∂C/∂w₁ = x₁ · ∂C/∂y has one. The number of multiplications of each pass is the number of edges.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use smallvec::smallvec;

use super::mismatch::{Mismatch, check_same_shape};
use super::nest::{Edge, Nest};
use super::product_layout::ProductSlots;
use super::rule::{Equation, Function, Operands, Rule, Term, TermNumbers, Use, Window, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Output, Upstream},
};
use super::written::Written;
use crate::sums::{Init, clear};

/// One of the three passes, named by the end of the edges that it computes. An *entry* of a view is an entry of the tensor that the pass computes.
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
    /// Returns the index in [`Edge::ends`] of the end that this pass computes.
    #[must_use]
    pub fn computed_end(self) -> usize {
        match self {
            View::Output => 2,
            View::Weight => 1,
            View::Input => 0,
        }
    }

    /// Returns the indices in [`Edge::ends`] of the two factors, in the order in which the equations write them.
    #[must_use]
    pub fn factor_ends(self) -> [usize; 2] {
        match self {
            View::Output => [1, 0],
            View::Weight => [0, 2],
            View::Input => [1, 2],
        }
    }
}

impl Edge {
    /// Returns the end of this edge in a view: the index of the entry whose sum has this edge as a term.
    #[must_use]
    pub fn index_in(&self, view: View) -> usize {
        self.ends()[view.computed_end()]
    }
}

/// A set of edges. In each view the edges of an entry have an order, which is the order of its terms. Padding is not part of the input and has no edges.
pub trait Edges: Debug + Send + Sync + 'static {
    /// Returns the shape of the tensor that this view computes; `None` if tensors of any shape fit.
    fn shape(&self, view: View) -> Option<Vec<usize>>;

    /// Returns the number of edges of all entries before `entry` in this view.
    fn prefix_terms(&self, view: View, entry: usize) -> u64;

    /// Returns the number of edges of each entry in this view; `None` if it may differ between entries.
    fn edges_per_entry(&self, _view: View) -> Option<u64> {
        None
    }

    /// Returns a flag for each of the `count` entries of this view: `true` if the entry has an edge. `None` if every entry has one.
    fn has_terms(&self, view: View, count: usize) -> Option<Vec<bool>> {
        Some((0..count).map(|entry| self.prefix_terms(view, entry) < self.prefix_terms(view, entry + 1)).collect())
    }

    /// Returns the reason why an entry of this view has no edge. [`Rule::reason_unreached`] has examples.
    fn reason_unreached(&self, _view: View, _entry: usize) -> &'static str {
        "no term contributes to it"
    }

    /// Returns the edges of an entry of this view, in order, as nested loops.
    fn nest(&self, view: View, entry: usize) -> Nest;

    /// Returns the edge that is term `term` of an entry of this view. Terms are counted from 0.
    fn edge(&self, view: View, entry: usize, term: u64) -> Edge {
        self.nest(view, entry).edge(to_usize(term))
    }

    /// Returns the position of an edge among the edges of its entry of this view: the inverse of [`Edges::edge`].
    fn rank(&self, view: View, edge: Edge) -> u64;

    /// Visits all edges of the `count` entries of this view, in runs of evenly spaced edges. Each call `visit(first, step, len)` visits the edges `first`,
    /// `first + step`, …, `first + (len - 1) · step`, where `step` has a number for each end. A run may mix edges of different entries, but the edges of each
    /// entry are visited in order. Implementations must support the views `Output` and `Input`.
    fn sweep(&self, view: View, count: usize, mut visit: impl FnMut(Edge, [isize; 3], usize))
    where
        Self: Sized,
    {
        for entry in 0..count {
            for term in 0..self.prefix_terms(view, entry + 1) - self.prefix_terms(view, entry) {
                // a run with a single edge, so its step has no effect
                let (step, run_len) = ([0; 3], 1);
                visit(self.edge(view, entry, term), step, run_len);
            }
        }
    }

    /// Returns the weight of an edge if the weights are in no tensor and differ among the edges of an output, such as the coefficients of a bilinear
    /// interpolation.
    fn edge_weight(&self, _edge: Edge) -> f64 {
        1.0
    }

    /// Sums with a fast kernel over edges that all have the same `weight`; `None` is the weight 1. Returns `false`, and leaves `sums` unchanged, if there is no
    /// such kernel.
    ///
    /// For [`Init::Accumulate`], the kernel adds to `sums[entry]` one term for each edge of the entry, in order. For [`Init::Overwrite`], it replaces
    /// `sums[entry]` by the sum of these terms:
    ///
    /// | view | `read` | term of an edge |
    /// | --- | --- | --- |
    /// | `Output` | x | `weight · read[edge.input]` |
    /// | `Input` | ∂C/∂y | `weight · read[edge.output]` |
    fn sum_by_kernel(&self, _view: View, _weight: Option<f64>, _read: &[f64], _sums: &mut [f64], _init: Init) -> bool {
        false
    }

    /// Returns sentences about those sizes of the windows that matter to the equation of a view. The text is empty if no size matters.
    fn size_words(&self, _view: View) -> String {
        String::new()
    }

    /// Returns the geometry of the filter that slides over an image in this view, for the drawing. `None` if the edges are not those of a sliding filter.
    fn window(&self, _view: View) -> Option<Window> {
        None
    }
}

/// Edges whose weights are a tensor, with fast kernels for the three sums of products.
pub trait Weighted: Edges {
    /// Adds to each entry of `out` the products `a · b` of its edges, in order. The error is ∂C/∂y.
    ///
    /// | view | `a` | `b` |
    /// | --- | --- | --- |
    /// | `Output` | weight | input |
    /// | `Weight` | input | error |
    /// | `Input` | weight | error |
    fn accumulate(&self, view: View, a: &[f64], b: &[f64], out: &mut [f64]);

    /// Overwrites `sums` with the sums of the products `a · b`, as [`Rule::overwrite`] does. `a` and `b` are as in [`Weighted::accumulate`].
    fn overwrite(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        self.overwrite_by_accumulate(view, a, b, sums);
    }

    /// Does the same as [`Weighted::overwrite`] for the view `Input`, with the weight `w` and the error `e`. `y` is the output, as the forward pass computed it
    /// from this weight: each entry of y is the sum of all its terms, and perhaps of the terms of other parts.
    fn overwrite_input_gradient(&self, w: &[f64], e: &[f64], _y: &[f64], sums: &mut [f64]) {
        self.overwrite(View::Input, w, e, sums);
    }

    /// Implements [`Weighted::overwrite`] by [`Weighted::accumulate`]. The sums start at −0, because −0 + x has the bits of x for every x, whereas 0 + −0
    /// is 0. Entries without edges become 0.
    fn overwrite_by_accumulate(&self, view: View, a: &[f64], b: &[f64], sums: &mut [f64]) {
        sums.fill(-0.0);
        self.accumulate(view, a, b, sums);
        if let Some(has_terms) = self.has_terms(view, sums.len()) {
            // sets the entries without terms to 0
            clear(sums, &has_terms);
        }
    }

    /// Adds the products of the first `terms` edges of an entry to `sum`, in order. `a` and `b` are as in [`Weighted::accumulate`].
    fn add_terms(&self, view: View, a: &[f64], b: &[f64], entry: usize, terms: usize, sum: f64) -> f64
    where
        Self: Sized,
    {
        let [a_end, b_end] = view.factor_ends();
        self.nest(view, entry).products((a, a_end), (b, b_end), terms, sum)
    }
}

/// Infers the shape of the output from the tensors that the forward pass reads. Each tensor is given as its view, its name for messages and its shape.
/// Edges that fit any shape have an output of the shape of the first tensor.
///
/// # Errors
/// Returns the first tensor whose shape does not fit the edges.
pub fn infer_output_shape(edges: &impl Edges, inputs: &[(View, &'static str, &[usize])]) -> Result<Vec<usize>, Mismatch> {
    for (view, name, shape) in inputs {
        if let Some(expected) = edges.shape(*view) {
            check_same_shape(name, shape, "expected shape", &expected)?;
        }
    }
    let (_, _, first_shape) = inputs[0];
    Ok(edges.shape(View::Output).unwrap_or_else(|| first_shape.to_vec()))
}

/// The function y = Σ w · x over a set of edges; its inputs are x and w.
#[derive(Debug)]
pub struct Bilinear<E> {
    edges: Arc<E>,
    roles: Roles,
    /// The equations of the output, the weight gradient and the input gradient.
    equations: [Equation; 3],
    is_matrix_product: bool,
    /// The texts of y and of the gradients of the first and the second operand in other forms, such as NumPy.
    written: [Written; 3],
}

/// The slots of x and w, and the order of the factors in a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// A layer: input 0 is x, input 1 is w. The factors are w · x, x · ∂C/∂y and w · ∂C/∂y.
    Layer,
    /// A product of two operands: input 0 is w, input 1 is x. The factors are w · x, ∂C/∂y · x and ∂C/∂y · w.
    Operands,
}

impl Roles {
    /// The slots of input, weight and output, in the order of [`Edge::ends`].
    #[must_use]
    pub fn slots(self) -> [Slot; 3] {
        match self {
            Self::Layer => [X, W, Upstream],
            Self::Operands => [W, X, Upstream],
        }
    }

    /// The two factors of a term, as indices in [`Edge::ends`], in the order in which the term shows them. The order makes no difference to the product.
    fn factor_ends(self, view: View) -> [usize; 2] {
        let [first, second] = view.factor_ends();
        if self == Self::Layer || view == View::Output { [first, second] } else { [second, first] }
    }
}

impl<E: Weighted> Bilinear<E> {
    /// Creates the function, with the equations of the output, the weight gradient and the input gradient.
    pub fn new(edges: E, equations: [Equation; 3]) -> Self {
        Self { edges: Arc::new(edges), roles: Roles::Layer, equations, is_matrix_product: false, written: Default::default() }
    }

    /// Creates the product of two operands: the first is w, and the second is x. The equations are those of the output and of the gradients of the first and
    /// the second operand. In a gradient's term, ∂C/∂y is the first factor.
    pub fn of_operands(edges: E, equations: [Equation; 3]) -> Self {
        Self { edges: Arc::new(edges), roles: Roles::Operands, equations, is_matrix_product: false, written: Default::default() }
    }

    /// Returns the same function, marked as a product of matrices: either of two matrices, or of two matrices for each index along the other axes.
    #[must_use]
    pub fn as_matrix_product(self) -> Self {
        Self { is_matrix_product: true, ..self }
    }

    /// Returns the same function, with texts of y and the gradients in other forms.
    #[must_use]
    pub fn with_written(self, written: [Written; 3]) -> Self {
        Self { written, ..self }
    }

    fn rule(&self, view: View) -> Arc<dyn Rule> {
        let equation = match view {
            View::Output => self.equations[0],
            View::Weight => self.equations[1],
            View::Input => self.equations[2],
        };
        let written = match view {
            View::Output => &self.written[0],
            View::Weight => &self.written[1],
            View::Input => &self.written[2],
        }
        .clone();
        Arc::new(BilinearRule {
            edges: Arc::clone(&self.edges),
            roles: self.roles,
            view,
            equation,
            is_matrix_product: self.is_matrix_product,
            written,
        })
    }
}

/// The slot of the input x.
pub const X: Slot = Input(0);
/// The slot of the weight w.
pub const W: Slot = Input(1);

impl<E: Weighted> Function for Bilinear<E> {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        match self.roles {
            Roles::Layer => infer_output_shape(&*self.edges, &[(View::Input, "input", inputs[0]), (View::Weight, "weight", inputs[1])]),
            Roles::Operands => {
                infer_output_shape(&*self.edges, &[(View::Weight, "first operand", inputs[0]), (View::Input, "second operand", inputs[1])])
            }
        }
    }

    fn forward(&self) -> Arc<dyn Rule> {
        self.rule(View::Output)
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        let [_, weight, _] = self.roles.slots();
        Some(self.rule(if Input(slot) == weight { View::Weight } else { View::Input }))
    }
}

/// The rule that computes the tensor of one view.
#[derive(Debug)]
pub struct BilinearRule<E> {
    /// The edges.
    pub edges: Arc<E>,
    /// The slots of x and w.
    pub roles: Roles,
    /// The tensor that the rule computes.
    pub view: View,
    equation: Equation,
    is_matrix_product: bool,
    written: Written,
}

impl<E: Edges> BilinearRule<E> {
    /// Returns the slots of the two factors that the kernels take. They match [`View::factor_ends`].
    fn slots(&self) -> (Slot, Slot) {
        let [a, b] = self.view.factor_ends().map(|end| self.roles.slots()[end]);
        (a, b)
    }

    /// Returns the two factors in the order in which a term shows them, each as its slot and its index in [`Edge::ends`].
    fn factors(&self) -> [(Slot, usize); 2] {
        self.roles.factor_ends(self.view).map(|end| (self.roles.slots()[end], end))
    }
}

impl<E: Weighted> Rule for BilinearRule<E> {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let (a, b) = self.slots();
        self.edges.accumulate(self.view, x.tensors[a], x.tensors[b], out);
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        let (a, b) = self.slots();
        self.edges.overwrite(self.view, x.tensors[a], x.tensors[b], sums);
    }

    fn overwrite_in_run(&self, x: &Operands<'_>, sums: &mut [f64]) {
        match x.tensors.get(Output) {
            Some(y) if self.view == View::Input => {
                let (w, e) = self.slots();
                self.edges.overwrite_input_gradient(x.tensors[w], x.tensors[e], y, sums);
            }
            _ => self.overwrite(x, sums),
        }
    }

    fn work(&self, _operands: &Reads<usize>, entries: usize) -> u64 {
        self.edges.prefix_terms(self.view, entries)
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        self.edges.prefix_terms(self.view, entry)
    }

    fn terms_per_entry(&self) -> Option<u64> {
        self.edges.edges_per_entry(self.view)
    }

    fn has_terms(&self, _x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        self.edges.has_terms(self.view, count)
    }

    fn reason_unreached(&self, _x: &Operands<'_>, entry: usize) -> &'static str {
        self.edges.reason_unreached(self.view, entry)
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let ends = self.edges.edge(self.view, at, term).ends();
        let [(a, a_end), (b, b_end)] = self.factors();
        Term::product(smallvec![entry(x, a, ends[a_end]), entry(x, b, ends[b_end])])
    }

    fn add_first_terms(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        let (a, b) = self.slots();
        let terms = to_usize(terms);
        self.edges.add_terms(self.view, x.tensors[a], x.tensors[b], entry, terms, sum)
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        if terms.start == 0 {
            return self.add_first_terms(x, entry, terms.end, sum);
        }
        let (a, b) = self.slots();
        let [a_end, b_end] = self.view.factor_ends();
        let terms = to_usize(terms.start)..to_usize(terms.end);
        self.edges.nest(self.view, entry).products_in_range((x.tensors[a], a_end), (x.tensors[b], b_end), terms, sum)
    }

    fn visit_terms(&self, x: &Operands<'_>, at: usize, terms: Range<u64>, sum: f64, visit: &mut dyn FnMut(&Term, f64)) -> f64 {
        let [(a, a_end), (b, b_end)] = self.factors();
        let terms = to_usize(terms.start)..to_usize(terms.end);
        // one `Term` is used for all edges; its factors are placeholders at first, and each edge replaces them
        let mut term = Term::product(smallvec![entry(x, a, 0), entry(x, b, 0)]);
        self.edges.nest(self.view, at).edges(terms).fold(sum, |sum, edge| {
            let ends = edge.ends();
            (term.args[0], term.args[1]) = (entry(x, a, ends[a_end]), entry(x, b, ends[b_end]));
            term.value = term.args[0].value * term.args[1].value;
            let sum = sum + term.value;
            visit(&term, sum);
            sum
        })
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let (a, b) = self.slots();
        if slot != a && slot != b {
            return Vec::new();
        }
        // the view whose entries are the entries of the operand in `slot`: in this view, the edges of the entry `at` can be listed
        let [input, weight, _] = self.roles.slots();
        let operand_view = match slot {
            _ if slot == input => View::Input,
            _ if slot == weight => View::Weight,
            _ => View::Output,
        };
        let edge_count = self.edges.prefix_terms(operand_view, at + 1) - self.edges.prefix_terms(operand_view, at);
        (0..edge_count)
            .map(|n| {
                let edge = self.edges.edge(operand_view, at, n);
                Use { entry: edge.index_in(self.view), term: self.edges.rank(self.view, edge) }
            })
            .collect()
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        match self.factors().into_iter().find(|(factor_slot, _)| *factor_slot == slot) {
            Some((_, end)) => self.edges.nest(self.view, entry).edge_numbers_at(end, at),
            None => TermNumbers::new(),
        }
    }

    fn size_words(&self) -> String {
        self.edges.size_words(self.view)
    }

    fn equation(&self) -> Equation {
        self.equation
    }

    fn written(&self) -> Written {
        self.written.clone()
    }

    fn product_slots(&self) -> Option<ProductSlots> {
        let [right, left, result] = self.roles.slots().map(Some);
        // the first operand is at the weight's end of each edge
        self.is_matrix_product.then_some(match self.view {
            View::Output => ProductSlots { left, above: right, corner: None },
            View::Weight => ProductSlots { left: None, above: right, corner: result },
            View::Input => ProductSlots { left, above: None, corner: result },
        })
    }

    fn window(&self) -> Option<Window> {
        self.edges.window(self.view)
    }
}

fn to_usize(terms: u64) -> usize {
    usize::try_from(terms).expect("the terms of an entry fit in memory")
}
