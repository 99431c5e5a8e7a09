//! Einsum, as in NumPy: sums of products whose axes have labels, y\[output\] = Σ x₀ · x₁ · …. Products of matrices, sums over axes and outer products are
//! einsums.
//!
//! In `ik,kj->ij`, the product of matrices, `y[i,j]` has a term for each value of k, the label that the output lacks. In the backward pass ∂C/∂x₀\[i,k\] has a
//! term ∂C/∂y\[i,j\] · x₁\[k,j\] for each value of j, the label that x₀ lacks. A label may occur twice in an operand: `ii->i` is a diagonal.
//!
//! The terms of an entry are in the order of nested loops over the labels that its tensor lacks. The outer loops are over labels of the output, in the order of
//! the output's axes. The inner loops are over the other labels, in the order of their indices. So the terms of a gradient are in the row-major order of the
//! entries of y that use the operand's entry. The factors of a term are the operands from left to right; in a gradient ∂C/∂y is the first factor.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use super::constant_weights::{ConstantWeights, Weights};
use super::contraction::{Contraction, Label};
use super::edges::Bilinear;
use super::mismatch::Mismatch;
use super::numpy::EinsumLabels;
use super::rule::{Arguments, Equation, Factors, Function, Gist, Operands, Rule, Term, TermNumbers, Use, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use super::written::Written;
use crate::expr::{Expr, Join, SUM, whole};

/// The kind of an einsum. It decides which equations and words are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EinsumKind {
    /// The product of two matrices, or of a matrix and a vector. Both may have further axes in front; then there is a product for each index along them.
    MatMul,
    /// The inner product of two vectors.
    Dot,
    /// The outer product of two vectors.
    Outer,
    /// The sum of one operand over some of its axes.
    Sum,
    /// Any other einsum.
    General,
}

/// Creates the function y\[output\] = Σ of the products of the operands. Each operand is given as the list of its axes' labels. A label is an index into
/// `sizes`, which has the number of values of each label.
///
/// ```
/// use gradstep::op::einsum::{EinsumKind, einsum};
///
/// // the product of a 2 x 3 and a 3 x 4 matrix
/// let product = einsum(&[&[0, 2], &[2, 1]], &[0, 1], &[2, 4, 3], EinsumKind::MatMul);
/// assert_eq!(product.shape(&[&[2, 3], &[3, 4]]), Ok(vec![2, 4]));
/// ```
#[must_use]
pub fn einsum(operands: &[&[usize]], output: &[usize], sizes: &[usize], kind: EinsumKind) -> Arc<dyn Function> {
    let plan = EinsumPlan::new(operands, output, sizes);
    let shape = |labels: &[usize]| labels.iter().map(|label| sizes[*label]).collect::<Vec<usize>>();
    let texts = kind.texts(operands.len());
    let labels = EinsumLabels { operands, output, sizes };
    let written = |operand: Option<usize>| labels.written(operand);
    if let [first, rest @ ..] = operands
        && rest.len() < 2
        && let Some(edges) = plan.contraction(operands, output, sizes)
    {
        return match rest {
            [] => {
                let edges = edges.with_shapes(&shape(first), &[], &shape(output));
                Arc::new(
                    ConstantWeights::new(edges, Weights::Unweighted, texts.forward, texts.back[0])
                        .with_written([written(None), written(Some(0))]),
                )
            }
            [second, ..] => {
                // of each edge, the first operand is the weight and the second is the input
                let edges = edges.with_shapes(&shape(second), &shape(first), &shape(output));
                let product = Bilinear::of_operands(edges, [texts.forward, texts.back[0], texts.back[1]]).with_written([
                    written(None),
                    written(Some(0)),
                    written(Some(1)),
                ]);
                let are_matrices = kind == EinsumKind::MatMul && first.len() > 1 && second.len() > 1;
                Arc::new(if are_matrices { product.as_matrix_product() } else { product })
            }
        };
    }
    let written = (0..operands.len()).map(Some).chain([None]).map(written).collect();
    Arc::new(Einsum(Arc::new(EinsumShared { plan, shape: shape(output), texts, written })))
}

/// The value of each label.
type LabelValues = SmallVec<[usize; 8]>;

/// The value of a label that has no value yet.
const UNSET: usize = usize::MAX;

/// The loops of an einsum. Its *tensors* are the operands in order, and then the output.
#[derive(Debug)]
struct EinsumPlan {
    sizes: Vec<usize>,
    tensors: Vec<TensorLoops>,
}

/// The loops for the entries of one tensor.
#[derive(Debug)]
struct TensorLoops {
    /// The label of each axis.
    axes: Vec<usize>,
    /// For each label, the distance in the tensor between two neighbouring values of the label; 0 for a label that the tensor lacks.
    strides: Vec<usize>,
    /// The labels that the tensor lacks, from the outermost loop to the innermost.
    summed: Vec<usize>,
    /// The number of terms of an entry. An entry off the diagonal has no terms (see `on_diagonal`).
    terms: u64,
    /// `None` if each label occurs once. Otherwise only entries on the diagonal have terms. The list has, for each entry, the number of earlier entries on the
    /// diagonal, and at its end the number of all entries on the diagonal.
    on_diagonal: Option<Vec<u64>>,
}

impl EinsumPlan {
    fn new(operands: &[&[usize]], output: &[usize], sizes: &[usize]) -> Self {
        let order = Self::order(operands, output, sizes);
        let axes_of_tensors = operands.iter().copied().chain([output]);
        let mut plan = Self { sizes: sizes.to_vec(), tensors: axes_of_tensors.map(|axes| TensorLoops::new(axes, &order, sizes)).collect() };
        for tensor in 0..plan.tensors.len() {
            let TensorLoops { axes, .. } = &plan.tensors[tensor];
            let repeats_label = axes.iter().enumerate().any(|(n, label)| axes[..n].contains(label));
            if repeats_label {
                let mut count = 0;
                let counts = (0..axes.iter().map(|label| sizes[*label]).product()).map(|entry| {
                    count += u64::from(plan.values(tensor, entry).is_some());
                    count
                });
                plan.tensors[tensor].on_diagonal = Some(std::iter::once(0).chain(counts).collect());
            }
        }
        plan
    }

    /// All labels in the order of the loops: first the labels of the output, then the others in ascending order.
    fn order(operands: &[&[usize]], output: &[usize], sizes: &[usize]) -> Vec<usize> {
        let is_summed = |label: &usize| !output.contains(label) && operands.iter().any(|axes| axes.contains(label));
        output.iter().copied().chain((0..sizes.len()).filter(is_summed)).collect()
    }

    /// The same einsum, of one or two operands, as a [`Contraction`], which has fast kernels. `None` if [`Contraction::new`] refuses it, for example because a
    /// label occurs twice in one tensor.
    fn contraction(&self, operands: &[&[usize]], output: &[usize], sizes: &[usize]) -> Option<Contraction> {
        let strides = |tensor: Option<&TensorLoops>, label: usize| tensor.map_or(0, |tensor| tensor.strides[label]);
        // the last tensor is the output, not an operand
        let [first, second] = [0, 1].map(|n| self.tensors[..operands.len()].get(n));
        let (input, weight) = if second.is_some() { (second, first) } else { (first, None) };
        let labels: Vec<Label> = Self::order(operands, output, sizes)
            .into_iter()
            .map(|label| Label { size: sizes[label], strides: [input, weight, self.tensors.last()].map(|tensor| strides(tensor, label)) })
            .collect();
        Contraction::new(&labels)
    }

    /// The values of the labels of a tensor at one of its entries, and 0 for the other labels. `None` if a label occurs twice, with different values.
    fn values(&self, tensor: usize, entry: usize) -> Option<LabelValues> {
        let mut values: LabelValues = SmallVec::from_elem(UNSET, self.sizes.len());
        let mut outer_index = entry;
        for &label in self.tensors[tensor].axes.iter().rev() {
            let (size, value) = (self.sizes[label], &mut values[label]);
            if *value != UNSET && *value != outer_index % size {
                return None;
            }
            *value = outer_index % size;
            outer_index /= size;
        }
        values.iter_mut().filter(|value| **value == UNSET).for_each(|value| *value = 0);
        Some(values)
    }

    /// Sets the values of the summed labels of a tensor to those of a term.
    fn set_term(&self, tensor: usize, term: u64, values: &mut LabelValues) {
        let mut outer_term = usize::try_from(term).expect("the terms of an entry fit in memory");
        for &label in self.tensors[tensor].summed.iter().rev() {
            values[label] = outer_term % self.sizes[label];
            outer_term /= self.sizes[label];
        }
    }

    /// The position of the term with these values of the labels among the terms of its entry.
    fn term_number(&self, tensor: usize, values: &LabelValues) -> u64 {
        self.tensors[tensor].summed.iter().fold(0, |number, label| number * self.sizes[*label] as u64 + values[*label] as u64)
    }
}

impl TensorLoops {
    fn new(axes: &[usize], order: &[usize], sizes: &[usize]) -> Self {
        let mut strides = vec![0; sizes.len()];
        let mut stride = 1;
        for &label in axes.iter().rev() {
            // a diagonal runs along several axes at once, so their strides are added
            strides[label] += stride;
            stride *= sizes[label];
        }
        let summed: Vec<usize> = order.iter().copied().filter(|label| !axes.contains(label)).collect();
        let terms = summed.iter().map(|label| sizes[*label] as u64).product();
        Self { axes: axes.to_vec(), strides, summed, terms, on_diagonal: None }
    }

    /// The row-major index of the entry with these values of the labels.
    fn place(&self, values: &LabelValues) -> usize {
        self.strides.iter().zip(values).map(|(stride, value)| stride * value).sum()
    }
}

/// An einsum without a contraction: of three operands or more, or one that [`EinsumPlan::contraction`] cannot express.
#[derive(Debug)]
struct Einsum(Arc<EinsumShared>);

/// The data of an einsum, which it shares with its rules.
#[derive(Debug)]
struct EinsumShared {
    plan: EinsumPlan,
    /// The shape of the output.
    shape: Vec<usize>,
    texts: EinsumTexts,
    /// The texts of the gradient of each operand, and of y, in other forms, such as NumPy.
    written: Vec<Written>,
}

impl Einsum {
    /// The rule that computes the tensor with this index in the plan.
    fn rule(&self, tensor: usize) -> Arc<dyn Rule> {
        let output = self.0.plan.tensors.len() - 1;
        let operands = (0..output).filter(|operand| *operand != tensor).map(|operand| (Input(operand), operand));
        let upstream = (tensor != output).then_some((Upstream, output));
        Arc::new(EinsumRule { shared: Arc::clone(&self.0), tensor, factors: upstream.into_iter().chain(operands).collect() })
    }
}

impl Function for Einsum {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.0.shape.clone())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        self.rule(self.0.plan.tensors.len() - 1)
    }

    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>> {
        Some(self.rule(input))
    }
}

/// The rule of y or of an operand's gradient.
#[derive(Debug)]
struct EinsumRule {
    shared: Arc<EinsumShared>,
    /// The index of the computed tensor in the plan.
    tensor: usize,
    /// The factors of a term. Each is given by its slot and by the index of its tensor in the plan.
    factors: SmallVec<[(Slot, usize); 4]>,
}

impl EinsumRule {
    /// Returns the loops over the terms of the tensor that the rule computes.
    fn loops(&self) -> &TensorLoops {
        &self.shared.plan.tensors[self.tensor]
    }
}

impl Rule for EinsumRule {
    fn work(&self, _operands: &Reads<usize>, entries: usize) -> u64 {
        // a term reads its factors, and takes about two operations more for the loops
        (entries as u64).saturating_mul(self.loops().terms).saturating_mul(self.factors.len() as u64 + 2)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let terms = self.loops().terms;
        for (at, sum) in out.iter_mut().enumerate() {
            *sum = self.add_terms(x, at, 0..terms, *sum);
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        let loops = self.loops();
        loops.on_diagonal.as_ref().map_or(entry as u64, |before| before[entry]) * loops.terms
    }

    fn terms_per_entry(&self) -> Option<u64> {
        self.loops().on_diagonal.is_none().then(|| self.loops().terms)
    }

    fn has_terms(&self, _x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        let before = self.loops().on_diagonal.as_ref()?;
        Some((0..count).map(|entry| before[entry] < before[entry + 1]).collect())
    }

    fn reason_unreached(&self, _x: &Operands<'_>, _entry: usize) -> &'static str {
        "it is not on the diagonal that is read"
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let plan = &self.shared.plan;
        let mut values = plan.values(self.tensor, at).expect("an entry off the diagonal has no term");
        plan.set_term(self.tensor, term, &mut values);
        let factors: Factors = self.factors.iter().map(|(slot, tensor)| entry(x, *slot, plan.tensors[*tensor].place(&values))).collect();
        Term::product(factors)
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let plan = &self.shared.plan;
        let Some(mut values) = plan.values(self.tensor, entry) else { return sum };
        if terms.is_empty() {
            return sum;
        }
        plan.set_term(self.tensor, terms.start, &mut values);
        let tensors: SmallVec<[&[f64]; 4]> = self.factors.iter().map(|(slot, _)| x.tensors[*slot]).collect();
        let strides = |n: usize, label: usize| plan.tensors[self.factors[n].1].strides[label];
        // the row-major index of each factor; it changes as the values of the innermost labels increase
        let mut places: SmallVec<[usize; 4]> = self.factors.iter().map(|(_, tensor)| plan.tensors[*tensor].place(&values)).collect();
        terms.fold(sum, |sum, _| {
            let value = tensors.iter().zip(&places).map(|(numbers, place)| numbers[*place]).reduce(|product, factor| product * factor);
            for &label in self.loops().summed.iter().rev() {
                values[label] += 1;
                if values[label] < plan.sizes[label] {
                    places.iter_mut().enumerate().for_each(|(n, place)| *place += strides(n, label));
                    break;
                }
                values[label] = 0;
                places.iter_mut().enumerate().for_each(|(n, place)| *place -= strides(n, label) * (plan.sizes[label] - 1));
            }
            sum + value.unwrap_or(1.0) // the product of no factors is 1
        })
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let plan = &self.shared.plan;
        let Some((_, read)) = self.factors.iter().find(|(factor_slot, _)| *factor_slot == slot) else { return Vec::new() };
        let Some(mut values) = plan.values(*read, at) else { return Vec::new() };
        let uses = (0..plan.tensors[*read].terms).map(|n| {
            plan.set_term(*read, n, &mut values);
            Use { entry: self.loops().place(&values), term: plan.term_number(self.tensor, &values) }
        });
        let mut uses: Vec<Use> = uses.collect();
        uses.sort_unstable();
        uses
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let plan = &self.shared.plan;
        let Some((_, read)) = self.factors.iter().find(|(factor_slot, _)| *factor_slot == slot) else { return TermNumbers::new() };
        let (Some(entry_values), Some(mut values)) = (plan.values(self.tensor, entry), plan.values(*read, at)) else {
            return TermNumbers::new();
        };
        let [entry_has, operand_has] = [self.tensor, *read].map(|tensor| move |label: &usize| plan.tensors[tensor].axes.contains(label));
        let labels = || 0..plan.sizes.len();
        if labels().any(|label| entry_has(&label) && operand_has(&label) && entry_values[label] != values[label]) {
            return TermNumbers::new();
        }
        labels().filter(entry_has).for_each(|label| values[label] = entry_values[label]);
        // a summed label that the operand does not have may take all its values
        let free: SmallVec<[usize; 4]> = self.loops().summed.iter().copied().filter(|label| !operand_has(label)).collect();
        let count: usize = free.iter().map(|label| plan.sizes[*label]).product();
        let numbers = (0..count).map(|n| {
            let mut outer_index = n;
            for &label in free.iter().rev() {
                values[label] = outer_index % plan.sizes[label];
                outer_index /= plan.sizes[label];
            }
            plan.term_number(self.tensor, &values)
        });
        numbers.collect()
    }

    fn equation(&self) -> Equation {
        let EinsumTexts { forward, back } = &self.shared.texts;
        if self.tensor + 1 == self.shared.plan.tensors.len() { *forward } else { back[self.tensor.min(1)] }
    }

    fn written(&self) -> Written {
        self.shared.written.get(self.tensor).cloned().unwrap_or_default()
    }

    fn arguments(&self) -> Arguments {
        self.factors.iter().map(|(slot, _)| Expr::All(*slot)).collect()
    }
}

/// The equations of an einsum.
#[derive(Clone, Copy, Debug)]
struct EinsumTexts {
    /// The equation of y.
    forward: Equation,
    /// The equations of the gradients of the first operand and of the others.
    back: [Equation; 2],
}

const A: Expr = whole::X;
const B: Expr = whole::W;
const DY: Expr = whole::DY;
const A_T: Expr = Expr::Transposed(&A);
const B_T: Expr = Expr::Transposed(&B);
/// The factors of a term of a general einsum. The equation of a longer term names only these.
const FACTORS: &[Expr; 6] = &[Expr::Arg(0), Expr::Arg(1), Expr::Arg(2), Expr::Arg(3), Expr::Arg(4), Expr::Arg(5)];

const fn equation(right: Expr, name: &'static str, words: &'static str) -> Equation {
    Equation { right, name, gist: Gist::None, words }
}

impl EinsumKind {
    /// The equations for this number of operands.
    fn texts(self, operands: usize) -> EinsumTexts {
        const MATMUL_BACK: &str = "Each entry of this matrix was multiplied by several entries of the other one. Its derivative is the sum over those products: the derivative of the product's entry, times the other factor.";
        const OTHERS: &str = "Each entry was a factor of several products. Its derivative is the sum over them: the derivative of the result's entry, times the other factors.";
        match (self, operands) {
            (Self::MatMul, _) => EinsumTexts {
                forward: equation(
                    Expr::Product(Join::Juxtaposed, &[A, B]),
                    "matrix product",
                    "Row times column: each entry is the sum of the products along a row of the left matrix and a column of the right one.",
                ),
                back: [
                    equation(Expr::Product(Join::Juxtaposed, &[DY, B_T]), "derivative of the left factor", MATMUL_BACK),
                    equation(Expr::Product(Join::Juxtaposed, &[A_T, DY]), "derivative of the right factor", MATMUL_BACK),
                ],
            },
            (Self::Dot, _) => EinsumTexts {
                forward: equation(
                    Expr::Inner(&[A, B]),
                    "inner product",
                    "The vectors are multiplied entry by entry, and the products are added.",
                ),
                back: [
                    equation(
                        Expr::Product(Join::Juxtaposed, &[DY, B]),
                        "derivative of the left vector",
                        "Each entry was multiplied by the entry of the other vector, so that is its local derivative.",
                    ),
                    equation(
                        Expr::Product(Join::Juxtaposed, &[DY, A]),
                        "derivative of the right vector",
                        "Each entry was multiplied by the entry of the other vector, so that is its local derivative.",
                    ),
                ],
            },
            (Self::Outer, _) => EinsumTexts {
                forward: equation(
                    Expr::Product(Join::Juxtaposed, &[A, B_T]),
                    "outer product",
                    "Every entry of the first vector is multiplied by every entry of the second.",
                ),
                back: [
                    equation(Expr::Product(Join::Juxtaposed, &[DY, B]), "derivative of the first vector", OTHERS),
                    equation(Expr::Product(Join::Juxtaposed, &[Expr::Transposed(&DY), A]), "derivative of the second vector", OTHERS),
                ],
            },
            (Self::Sum, _) | (Self::General, 1) => EinsumTexts {
                forward: equation(Expr::Of(SUM, &[A]), "sum", "The entries are added."),
                back: [equation(
                    Expr::Remark(&DY, "for every entry of the sum"),
                    "derivative of a sum",
                    "A sum passes its derivative on to each of its entries, unchanged: the local derivative is 1.",
                ); 2],
            },
            (Self::General, 2) => EinsumTexts {
                forward: equation(
                    Expr::Of(SUM, &[A, B]),
                    "sum of products",
                    "The operands are multiplied entry by entry along their common axes, and the products are added over the axes that the result lacks.",
                ),
                back: [
                    equation(Expr::Of(SUM, &[DY, B]), "derivative of the first operand", OTHERS),
                    equation(Expr::Of(SUM, &[DY, A]), "derivative of the second operand", OTHERS),
                ],
            },
            (Self::General, _) => {
                let factors = Expr::Of(SUM, FACTORS.get(..operands).unwrap_or(FACTORS));
                EinsumTexts {
                    forward: equation(
                        factors,
                        "sum of products",
                        "The operands are multiplied from left to right along their common axes, and the products are added over the axes that the result lacks.",
                    ),
                    back: [equation(factors, "derivative of an operand", OTHERS); 2],
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
