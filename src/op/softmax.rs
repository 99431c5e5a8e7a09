//! Softmax, aᵢ = exp zᵢ / Σⱼ exp zⱼ, and log-softmax, aᵢ = zᵢ − log Σⱼ exp zⱼ: PyTorch's `Softmax` and `LogSoftmax`.
//!
//! Both normalise each *slice* of a tensor separately. A slice is the whole tensor, or a line of entries along one axis: the slices of a 2 x 3 tensor along
//! axis 1 are its two rows. The largest entry of a slice is subtracted from all its entries before exp, because exp of a large number would overflow. This does
//! not change the result. For example, softmax((0, log 3)) = (0.25, 0.75).

mod kernel;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use smallvec::smallvec;

use super::functions::EXP;
use super::groups::Groups;
use super::numpy::NumPyForm;
use super::numpy::code::NumPyCode;
use super::rule::{Equation, Function, Gist, Memo, Operands, Rule, Term, Use, entries, entry, evaluated};
use super::rule::{TermNumbers, one_term_each};
use super::slot::{
    Reads,
    Slot::{self, Input, Output, Upstream},
};
use super::written::Written;
use crate::expr::{Expr, Form, Join, LOG, Primitive, whole};
use crate::tensor::{Places, len};

/// Softmax of one entry. The first argument is this entry. The further arguments are the other entries of its slice, or all entries of the slice as one
/// argument.
pub(crate) const SOFTMAX: &Primitive = &Primitive::new("softmax").arguments(&["z"]);
/// Log-softmax of one entry, with the arguments of [`SOFTMAX`].
const LOG_SOFTMAX: &Primitive = &Primitive::new("log_softmax").arguments(&["z"]);
/// One entry of the output a.
const A: Expr = Expr::Entry(Output);
const A_I: Expr = Expr::Indexed(&A, "i");
const A_J: Expr = Expr::Indexed(&A, "j");
/// 1 if i = j, else 0.
const DELTA_IJ: Expr = Expr::Name("[i=j]");
/// The Jacobian, with the entries Jⱼᵢ = ∂aⱼ/∂zᵢ.
const J: Expr = Expr::Name("J");
/// zᵢ, in the definition.
const Z_I: Expr = Expr::Indexed(&Expr::Name("z"), "i");
/// The sum over j, in the definition.
const SUM_OVER_J: &Primitive = &Primitive::new("sum_j").symbol("Σⱼ").form(Form::Sum);
/// Σⱼ exp zⱼ
const SUM_OF_EXP: Expr = Expr::Of(SUM_OVER_J, &[Expr::Of(EXP, &[Expr::Indexed(&Expr::Name("z"), "j")])]);
/// aᵢ = exp zᵢ / Σⱼ exp zⱼ
const SOFTMAX_DEFINITION: Expr = Expr::Equal(&[Expr::Indexed(&Expr::Name("a"), "i"), Expr::Div(&[Expr::Of(EXP, &[Z_I]), SUM_OF_EXP])]);
/// aᵢ = zᵢ − log Σⱼ exp zⱼ
const LOG_SOFTMAX_DEFINITION: Expr = Expr::Equal(&[Expr::Indexed(&Expr::Name("a"), "i"), Expr::Sub(&[Z_I, Expr::Of(LOG, &[SUM_OF_EXP])])]);
/// Jᵀ ∂C/∂a
const J_TRANSPOSED_DY: Expr = Expr::Product(Join::Juxtaposed, &[Expr::Transposed(&J), whole::DY]);
const J_JI: Expr = Expr::Indexed(&J, "ji");
/// ∂aⱼ/∂zᵢ
const DERIVATIVE: Expr = Expr::PartialOf(&[A_J, Expr::Indexed(&Expr::Entry(Input(0)), "i")]);
/// Jᵀ ∂C/∂a of softmax, with Jⱼᵢ = aⱼ ([i=j] − aᵢ).
const JACOBIAN: Expr =
    Expr::Where(&[J_TRANSPOSED_DY, Expr::Equal(&[J_JI, DERIVATIVE, Expr::Product(Join::Juxtaposed, &[A_J, Expr::Sub(&[DELTA_IJ, A_I])])])]);
/// Jᵀ ∂C/∂a of log-softmax, with Jⱼᵢ = [i=j] − exp aᵢ.
const LOG_JACOBIAN: Expr = Expr::Where(&[J_TRANSPOSED_DY, Expr::Equal(&[J_JI, Expr::Sub(&[DELTA_IJ, Expr::Of(EXP, &[A_I])])])]);

/// The slices of a tensor. Each slice is normalised separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slices {
    /// One slice: the whole tensor.
    Whole,
    /// The entries along one axis.
    Along {
        /// The size of the axis, which is the number of entries of a slice.
        n: usize,
        /// The distance in memory between neighbours along the axis: the product of the sizes of the axes after it.
        step: usize,
    },
}

/// One slice: the entries with the row-major indices `first + j · step` for j = 0 … n − 1.
#[derive(Clone, Copy, Debug)]
struct Slice {
    /// The index of the slice among all slices of the tensor.
    number: usize,
    first: usize,
    n: usize,
    step: usize,
}

impl Slices {
    /// The slices along an axis of a tensor of this shape.
    ///
    /// # Panics
    /// If the tensor has no such axis.
    #[must_use]
    pub fn along(shape: &[usize], axis: usize) -> Self {
        Self::Along { n: shape[axis], step: len(&shape[axis + 1..]) }
    }

    /// The number of entries of each slice, and the distance between neighbours, in a tensor with `entries` entries.
    fn length_and_step(self, entries: usize) -> (usize, usize) {
        match self {
            Self::Whole => (entries, 1),
            Self::Along { n, step } => (n, step),
        }
    }

    /// The slice with this number, in a tensor with `entries` entries.
    fn get(self, number: usize, entries: usize) -> Slice {
        let (n, step) = self.length_and_step(entries);
        // `step` interleaved slices together are a block of `step · n` neighbouring entries
        let first = number / step * (step * n) + number % step;
        Slice { number, first, n, step }
    }

    /// The slice that contains the entry `at`, in a tensor with `entries` entries.
    fn containing(self, at: usize, entries: usize) -> Slice {
        let (n, step) = self.length_and_step(entries);
        // each block of `n · step` entries before `at` has `step` slices
        self.get(at / (n * step) * step + at % step, entries)
    }

    /// All slices of a tensor with `entries` entries.
    fn all(self, entries: usize) -> impl Iterator<Item = Slice> {
        let (n, _) = self.length_and_step(entries);
        (0..entries / n).map(move |number| self.get(number, entries))
    }
}

impl Slice {
    /// The index in the tensor of entry j of the slice.
    fn place(self, j: usize) -> usize {
        self.first + j * self.step
    }

    /// The index within the slice of the entry `at` of the tensor: the inverse of [`Slice::place`]. `None` for an entry of another slice.
    fn index_of(self, at: usize) -> Option<usize> {
        let offset = at.checked_sub(self.first)?;
        (offset.is_multiple_of(self.step) && offset / self.step < self.n).then_some(offset / self.step)
    }

    /// The indices in the tensor of all entries of the slice.
    fn places(self) -> Places {
        Places { first: self.first, counts: [1, self.n], steps: [0, self.step] }
    }

    /// The values of the slice's entries. They are copied if they are not neighbours in `tensor`.
    fn values(self, tensor: &[f64]) -> Cow<'_, [f64]> {
        match self.step {
            1 => Cow::Borrowed(&tensor[self.first..][..self.n]),
            _ => Cow::Owned(self.places().each().map(|at| tensor[at]).collect()),
        }
    }
}

/// The two numbers that normalise all entries of a slice.
pub(super) struct SoftmaxNormaliser {
    /// The largest entry m.
    largest: f64,
    /// Σ exp(zⱼ − m) for softmax; the logarithm of this sum for log-softmax.
    sum: f64,
}

impl SoftmaxNormaliser {
    /// The normaliser of softmax for a slice with the entries `z`.
    pub fn of(z: &[f64]) -> Self {
        let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { largest, sum: z.iter().map(|z| libm::exp(z - largest)).sum() }
    }

    /// The softmax of the entry z of the slice.
    pub fn value(&self, z: f64) -> f64 {
        libm::exp(z - self.largest) / self.sum
    }
}

/// The differences between softmax and log-softmax. Each of the two has one value of this type.
#[derive(Debug)]
struct SoftmaxVariant {
    function: &'static Primitive,
    /// Returns the [`SoftmaxNormaliser::sum`] of a slice. The argument is Σ exp(zⱼ − m) for softmax. For log-softmax it is this sum without the largest entry,
    /// whose exponential is 1: log1p adds the 1, and keeps the digits of a small sum ([`log_of_sum`](super::math::log_of_sum)).
    normaliser_sum: fn(f64) -> f64,
    /// Returns the output aᵢ for the input zᵢ.
    value: fn(f64, &SoftmaxNormaliser) -> f64,
    /// Returns the probability pᵢ = softmax(z)ᵢ for the output aᵢ: aᵢ itself, or exp aᵢ for log-softmax.
    probability: fn(f64) -> f64,
    /// `true` for softmax, whose derivative has the factor aⱼ in each term; `false` for log-softmax.
    has_factor_a: bool,
    /// The expressions of [i=j] − pᵢ: first 0 − pᵢ for j ≠ i, then 1 − pᵢ for j = i.
    delta_minus_p: [Expr; 2],
    /// The equation of a.
    forward: Equation,
    /// The equation of ∂C/∂z.
    backward: Equation,
}

static SOFTMAX_VARIANT: SoftmaxVariant = SoftmaxVariant {
    function: SOFTMAX,
    normaliser_sum: |sum| sum,
    value: |z, normaliser| normaliser.value(z),
    probability: |a| a,
    has_factor_a: true,
    delta_minus_p: [Expr::Sub(&[Expr::Number(0.0), A]), Expr::Sub(&[Expr::Number(1.0), A])],
    forward: Equation {
        right: Expr::Of(SOFTMAX, &[whole::X]),
        name: "softmax",
        gist: Gist::Formula(SOFTMAX_DEFINITION),
        words: "The exponentials make all numbers positive, and the division by their sum makes them add up to 1: a probability for each class.",
    },
    backward: Equation {
        right: JACOBIAN,
        name: "the softmax's Jacobian",
        gist: Gist::None,
        words: "Every {x}ᵢ changes every {y}ⱼ, because all are divided by the same sum: more of one class is less of the others. So all derivatives ∂{C}/∂{y}ⱼ count, each through ∂{y}ⱼ/∂{x}ᵢ = {y}ⱼ ([i=j] − {y}ᵢ), where [i=j] is 1 if i = j, else 0.",
    },
};

static LOG_SOFTMAX_VARIANT: SoftmaxVariant = SoftmaxVariant {
    function: LOG_SOFTMAX,
    normaliser_sum: libm::log1p,
    value: |z, normaliser| (z - normaliser.largest) - normaliser.sum,
    probability: libm::exp,
    has_factor_a: false,
    delta_minus_p: [Expr::Sub(&[Expr::Number(0.0), Expr::Of(EXP, &[A])]), Expr::Sub(&[Expr::Number(1.0), Expr::Of(EXP, &[A])])],
    forward: Equation {
        right: Expr::Of(LOG_SOFTMAX, &[whole::X]),
        name: "log-softmax",
        gist: Gist::Formula(LOG_SOFTMAX_DEFINITION),
        words: "The logarithm of the softmax, without the division: the same number is subtracted from every {x}ᵢ, so that the exponentials of all {y}ᵢ add up to 1.",
    },
    backward: Equation {
        right: LOG_JACOBIAN,
        name: "the log-softmax's Jacobian",
        gist: Gist::None,
        words: "If {x}ᵢ grows by a small h, {y}ᵢ grows by h, and the logarithm that is subtracted everywhere grows by h · exp {y}ᵢ. So all derivatives ∂{C}/∂{y}ⱼ count, each through ∂{y}ⱼ/∂{x}ᵢ = [i=j] − exp {y}ᵢ, where [i=j] is 1 if i = j, else 0.",
    },
};

/// Softmax or log-softmax of each slice.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    variant: &'static SoftmaxVariant,
    slices: Slices,
}

impl Softmax {
    /// Softmax of each slice: aᵢ = exp zᵢ / Σⱼ exp zⱼ.
    #[must_use]
    pub fn within(slices: Slices) -> Self {
        Self { variant: &SOFTMAX_VARIANT, slices }
    }

    /// Log-softmax of each slice: aᵢ = zᵢ − log Σⱼ exp zⱼ.
    #[must_use]
    pub fn log_within(slices: Slices) -> Self {
        Self { variant: &LOG_SOFTMAX_VARIANT, slices }
    }
}

impl Function for Softmax {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(SoftmaxForward(*self))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(SoftmaxBackward(*self)))
    }
}

/// The rule of a.
#[derive(Debug)]
struct SoftmaxForward(Softmax);

impl SoftmaxForward {
    /// The slice that contains the entry `at`.
    fn slice(&self, x: &Operands<'_>, at: usize) -> Slice {
        self.0.slices.containing(at, x.tensors[Input(0)].len())
    }

    /// The normalisers of all slices, in order.
    fn normalisers<'a>(x: &Operands<'a>) -> &'a [SoftmaxNormaliser] {
        x.memo::<Vec<SoftmaxNormaliser>>().expect("the memo of this rule")
    }

    fn value(&self, x: &Operands<'_>, at: usize) -> f64 {
        let normaliser = &Self::normalisers(x)[self.slice(x, at).number];
        (self.0.variant.value)(x.get(Input(0), at), normaliser)
    }
}

impl Rule for SoftmaxForward {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        Some(Arc::new(kernel::normalisers(self.0.variant, self.0.slices, tensors[Input(0)])))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let z = x.tensors[Input(0)];
        if self.0.variant.has_factor_a {
            return kernel::add_softmax(self.0.slices, z, Self::normalisers(x), out);
        }
        kernel::add_log_softmax(self.0.slices, z, Self::normalisers(x), out);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    /// The only term of an entry: the function of all entries of the slice.
    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let all = self.slice(x, at).places();
        // the first argument is the entry of z with the index of the computed entry
        let named = std::iter::once(at).chain(all.each().filter(|&j| j != at));
        let args = entries(x, Input(0), at, all, named);
        Term::apply(self.0.variant.function, args, self.value(x, at))
    }

    fn add_first_terms(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        if terms == 0 { sum } else { sum + self.value(x, entry) }
    }

    fn uses(&self, x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        self.slice(x, at).places().each().map(|entry| Use { entry, term: 0 }).collect()
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, _slot: Slot, at: usize) -> TermNumbers {
        // the only term of an entry, with index 0, reads all entries of its slice
        self.slice(x, entry).index_of(at).map(|_| 0).into_iter().collect()
    }

    fn is_gather(&self) -> bool {
        true
    }

    fn equation(&self) -> Equation {
        self.0.variant.forward
    }
}

/// The rule of ∂C/∂zᵢ: Σⱼ ∂C/∂aⱼ · aⱼ · ([i=j] − aᵢ) for softmax, and Σⱼ ∂C/∂aⱼ · ([i=j] − exp aᵢ) for log-softmax. The sums are over the entries of the slice,
/// and i and j are indices within it. Term j of an entry is the term with ∂C/∂aⱼ.
#[derive(Debug)]
pub struct SoftmaxBackward(Softmax);

impl SoftmaxBackward {
    /// Returns `true` for the rule of log-softmax.
    #[must_use]
    pub fn is_log(&self) -> bool {
        !self.0.variant.has_factor_a
    }

    /// The softmax of the same slices.
    #[must_use]
    pub fn softmax(&self) -> Softmax {
        Softmax::within(self.0.slices)
    }

    /// The slices of a tensor of this shape as groups; `None` if the shape has no axis with these slices.
    #[must_use]
    pub fn groups(&self, shape: &[usize]) -> Option<Groups> {
        let is_along = |axis: &usize| Slices::along(shape, *axis) == self.0.slices;
        let axes = match self.0.slices {
            Slices::Whole => (0..shape.len()).collect(),
            Slices::Along { .. } => vec![(0..shape.len()).find(is_along)?],
        };
        Some(Groups::along(shape, &axes))
    }

    /// The slice that contains the entry `at`.
    fn slice(&self, x: &Operands<'_>, at: usize) -> Slice {
        self.0.slices.containing(at, x.tensors[Output].len())
    }
}

impl Rule for SoftmaxBackward {
    fn written(&self) -> Written {
        // only slices along the last axis, or the whole tensor as one slice, are written in NumPy
        let sum = match self.0.slices {
            Slices::Whole => ".sum()",
            Slices::Along { step: 1, .. } => ".sum(-1, keepdims=True)",
            Slices::Along { .. } => return Written::default(),
        };
        let (y, dy) = (NumPyCode::output, NumPyCode::upstream);
        Written::in_numpy(NumPyForm::new(if self.0.variant.has_factor_a {
            y().times(dy().plus(dy().times(y()).then(sum).negative()))
        } else {
            dy().plus(NumPyCode::call("np.exp", vec![y()]).times(dy().then(sum)).negative())
        }))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        kernel::add_gradient(self.0.variant, self.0.slices, x.tensors[Output], x.tensors[Upstream], out);
    }

    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        entries as u64 * self.0.slices.length_and_step(operands[Output]).0 as u64
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        entry as u64 * self.0.slices.length_and_step(x.tensors[Output].len()).0 as u64
    }

    fn term(&self, x: &Operands<'_>, i: usize, term: u64) -> Term {
        let j = self.slice(x, i).place(usize::try_from(term).expect("the number of a term fits into usize"));
        let variant = self.0.variant;
        let delta_minus_p = evaluated(x, &variant.delta_minus_p[usize::from(i == j)], Output, i);
        let mut args = smallvec![entry(x, Upstream, j)];
        args.extend(variant.has_factor_a.then(|| entry(x, Output, j)));
        args.push(delta_minus_p.with_second_place(j));
        Term::product(args)
    }

    fn add_terms(&self, x: &Operands<'_>, i: usize, terms: Range<u64>, sum: f64) -> f64 {
        let (slice, variant) = (self.slice(x, i), self.0.variant);
        let (a, da) = (x.tensors[Output], x.tensors[Upstream]);
        let p = (variant.probability)(a[i]);
        let [first, end] = [terms.start, terms.end].map(|term| usize::try_from(term).expect("the number of a term fits into usize"));
        (first..end).map(|term| slice.place(term)).fold(sum, |sum, j| {
            let factor = if variant.has_factor_a { da[j] * a[j] } else { da[j] };
            sum + factor * (if i == j { 1.0 } else { 0.0 } - p)
        })
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let slice = self.slice(x, at);
        let j = slice.index_of(at).expect("a slice contains the entry that it was found by") as u64;
        // as ∂C/∂aⱼ or aⱼ, the entry j is in term j of all entries; as pᵢ, the entry i is in all terms of entry i
        let term_j_of_all = slice.places().each().map(|entry| Use { entry, term: j });
        let all_terms_of_entry = (0..slice.n as u64).map(|term| Use { entry: at, term });
        match slot {
            Output if self.0.variant.has_factor_a => term_j_of_all.chain(all_terms_of_entry).collect(),
            Output => all_terms_of_entry.collect(),
            Upstream => term_j_of_all.collect(),
            _ => Vec::new(),
        }
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let slice = self.slice(x, entry);
        let Some(j) = slice.index_of(at) else { return TermNumbers::new() };
        match slot {
            Output if entry == at => (0..slice.n as u64).collect(),
            Output if !self.0.variant.has_factor_a => TermNumbers::new(),
            Output | Upstream => smallvec![j as u64],
            _ => TermNumbers::new(),
        }
    }

    fn equation(&self) -> Equation {
        self.0.variant.backward
    }
}
