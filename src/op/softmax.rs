//! Softmax, aᵢ = exp zᵢ / Σⱼ exp zⱼ, and log-softmax, aᵢ = zᵢ − log Σⱼ exp zⱼ: PyTorch's `Softmax` and `LogSoftmax`.
//!
//! Both work within each slice of a tensor: the whole tensor, or the entries along one axis. The largest entry of a slice is subtracted from all before the
//! exponentials, which then cannot overflow. Example: softmax((0, log 3)) = (0.25, 0.75).

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::smallvec;

use super::functions::EXP;
use super::math;
use super::rule::{Equation, Function, Gist, Memo, Operands, Rule, Term, Use, entries, entry, evaluated};
use super::rule::{TermNumbers, one_each};
use super::slot::{
    Reads,
    Slot::{self, Input, Output, Upstream},
};
use crate::expr::{Expr, Join, Primitive, whole};
use crate::tensor::{Places, len};

/// Softmax of one entry, given its slice.
pub(super) const SOFTMAX: &Primitive = &Primitive::new("softmax").of(&["z"]);
/// Log-softmax of one entry, given its slice.
const LOG_SOFTMAX: &Primitive = &Primitive::new("log_softmax").of(&["z"]);
const A: Expr = Expr::Entry(Output);
const A_I: Expr = Expr::Indexed(&A, "i");
const A_J: Expr = Expr::Indexed(&A, "j");
/// 1 if i = j, else 0.
const SAME: Expr = Expr::Name("[i=j]");
const J: Expr = Expr::Name("J");
const J_OF_DY: Expr = Expr::Product(Join::Matrix, &[Expr::Transposed(&J), whole::DY]);
const J_JI: Expr = Expr::Indexed(&J, "ji");
const SLOPE: Expr = Expr::Quotient(&[A_J, Expr::Indexed(&Expr::Entry(Input(0)), "i")]);
/// Jᵀ ∂C/∂a of softmax, where J has the entries aⱼ ([i=j] − aᵢ).
const JACOBIAN: Expr = Expr::Where(&[J_OF_DY, Expr::Equal(&[J_JI, SLOPE, Expr::Product(Join::Matrix, &[A_J, Expr::Sub(&[SAME, A_I])])])]);
/// Jᵀ ∂C/∂a of log-softmax, where J has the entries [i=j] − exp aᵢ.
const LOG_JACOBIAN: Expr = Expr::Where(&[J_OF_DY, Expr::Equal(&[J_JI, SLOPE, Expr::Sub(&[SAME, Expr::Of(EXP, &[A_I])])])]);

/// The slices of a tensor, each of which is normalised by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slices {
    /// One slice: the whole tensor.
    Whole,
    /// The entries along one axis.
    Along {
        /// The size of the axis.
        n: usize,
        /// The distance in memory between neighbours along the axis: the product of the sizes of the axes after it.
        step: usize,
    },
}

/// The entries `first + j · step` for j = 0 … n − 1.
#[derive(Clone, Copy, Debug)]
struct Slice {
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

    /// The number of entries of a slice, and the distance between neighbours, in a tensor with `entries` entries.
    fn sizes(self, entries: usize) -> (usize, usize) {
        match self {
            Self::Whole => (entries, 1),
            Self::Along { n, step } => (n, step),
        }
    }

    /// The slice with this number.
    fn get(self, number: usize, entries: usize) -> Slice {
        let (n, step) = self.sizes(entries);
        Slice { number, first: number / step * step * n + number % step, n, step }
    }

    /// The slice that contains an entry.
    fn of(self, at: usize, entries: usize) -> Slice {
        let (n, step) = self.sizes(entries);
        self.get(at / (n * step) * step + at % step, entries)
    }

    /// All slices.
    fn all(self, entries: usize) -> impl Iterator<Item = Slice> {
        let (n, _) = self.sizes(entries);
        (0..entries / n).map(move |number| self.get(number, entries))
    }
}

impl Slice {
    /// The place of entry j: `first + j · step`.
    fn place(self, j: usize) -> usize {
        self.first + j * self.step
    }

    /// The inverse of [`Slice::place`]; `None` for an entry of another slice.
    fn rank(self, at: usize) -> Option<usize> {
        let from = at.checked_sub(self.first)?;
        (from.is_multiple_of(self.step) && from / self.step < self.n).then_some(from / self.step)
    }

    fn places(self) -> Places {
        Places { first: self.first, counts: [1, self.n], steps: [0, self.step] }
    }

    /// The values of its entries.
    fn values(self, tensor: &[f64]) -> Cow<'_, [f64]> {
        match self.step {
            1 => Cow::Borrowed(&tensor[self.first..][..self.n]),
            _ => Cow::Owned(self.places().each().map(|at| tensor[at]).collect()),
        }
    }
}

/// The two numbers that normalise all entries of a slice: its largest entry m, and Σ exp(zⱼ − m) for softmax or its logarithm for log-softmax.
pub(super) struct SoftmaxNormaliser {
    largest: f64,
    sum: f64,
}

impl SoftmaxNormaliser {
    /// The largest entry m and Σ exp(zⱼ − m).
    pub fn of(z: &[f64]) -> Self {
        let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { largest, sum: z.iter().map(|z| libm::exp(z - largest)).sum() }
    }

    /// The softmax of an entry.
    pub fn value(&self, z: f64) -> f64 {
        libm::exp(z - self.largest) / self.sum
    }
}

/// The differences between softmax and log-softmax.
#[derive(Debug)]
struct SoftmaxVariant {
    function: &'static Primitive,
    shared: fn(&[f64]) -> SoftmaxNormaliser,
    /// The output from the input.
    value: fn(f64, &SoftmaxNormaliser) -> f64,
    /// The softmax pᵢ, from the output aᵢ.
    probability: fn(f64) -> f64,
    /// Whether each term of the derivative has the factor aⱼ, as that of softmax does.
    weighted: bool,
    /// [i=j] − pᵢ: 0 − pᵢ for j ≠ i, and 1 − pᵢ for j = i.
    column: [Expr; 2],
    forward: Equation,
    backward: Equation,
}

impl SoftmaxVariant {
    /// Adds the terms of ∂C/∂z of one slice. The outer loop is over the terms, the inner one over the entries, whose sums are independent; each entry
    /// still adds its terms in order.
    fn add(&self, a: &[f64], da: &[f64], sums: &mut [f64]) {
        let p: Cow<'_, [f64]> = if self.weighted { Cow::Borrowed(a) } else { a.iter().map(|a| (self.probability)(*a)).collect() };
        let add = |factor: f64, sums: &mut [f64], p: &[f64]| sums.iter_mut().zip(p).for_each(|(sum, p)| *sum += factor * (0.0 - p));
        for (j, da) in da.iter().enumerate() {
            let factor = if self.weighted { da * a[j] } else { *da };
            add(factor, &mut sums[..j], &p[..j]);
            sums[j] += factor * (1.0 - p[j]);
            add(factor, &mut sums[j + 1..], &p[j + 1..]);
        }
    }
}

static SOFTMAX_VARIANT: SoftmaxVariant = SoftmaxVariant {
    function: SOFTMAX,
    shared: SoftmaxNormaliser::of,
    value: |z, shared| shared.value(z),
    probability: |a| a,
    weighted: true,
    column: [Expr::Sub(&[Expr::Number(0.0), A]), Expr::Sub(&[Expr::Number(1.0), A])],
    forward: Equation {
        right: Expr::Of(SOFTMAX, &[whole::X]),
        name: "softmax",
        gist: Gist::Words("aᵢ = exp zᵢ / Σⱼ exp zⱼ"),
        words: "The exponentials make all numbers positive, and the division by their sum makes them add up to 1: a probability for each class.",
    },
    backward: Equation {
        right: JACOBIAN,
        name: "the softmax's Jacobian",
        gist: Gist::None,
        words: "Every zᵢ changes every aⱼ, because all are divided by the same sum: more of one class is less of the others. So all derivatives ∂C/∂aⱼ count, each through ∂aⱼ/∂zᵢ = aⱼ ([i=j] − aᵢ), where [i=j] is 1 if i = j, else 0.",
    },
};

static LOG_SOFTMAX_VARIANT: SoftmaxVariant = SoftmaxVariant {
    function: LOG_SOFTMAX,
    shared: |z| {
        let (largest, log) = math::log_sum_exp(z);
        SoftmaxNormaliser { largest, sum: log }
    },
    value: |z, shared| (z - shared.largest) - shared.sum,
    probability: libm::exp,
    weighted: false,
    column: [Expr::Sub(&[Expr::Number(0.0), Expr::Of(EXP, &[A])]), Expr::Sub(&[Expr::Number(1.0), Expr::Of(EXP, &[A])])],
    forward: Equation {
        right: Expr::Of(LOG_SOFTMAX, &[whole::X]),
        name: "log-softmax",
        gist: Gist::Words("aᵢ = zᵢ − log Σⱼ exp zⱼ"),
        words: "The logarithm of the softmax, without the division: the same number is subtracted from every zᵢ, so that the exponentials of all aᵢ add up to 1.",
    },
    backward: Equation {
        right: LOG_JACOBIAN,
        name: "the log-softmax's Jacobian",
        gist: Gist::None,
        words: "If zᵢ grows by a small h, aᵢ grows by h, and the logarithm that is subtracted everywhere grows by h · exp aᵢ. So all derivatives ∂C/∂aⱼ count, each through ∂aⱼ/∂zᵢ = [i=j] − exp aᵢ, where [i=j] is 1 if i = j, else 0.",
    },
};

/// Softmax or log-softmax within each slice.
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
    fn slice(&self, x: &Operands<'_>, at: usize) -> Slice {
        self.0.slices.of(at, x.tensors[Input(0)].len())
    }

    fn value(&self, x: &Operands<'_>, at: usize) -> f64 {
        let shared = &x.memo::<Vec<SoftmaxNormaliser>>().expect("the memo of this rule")[self.slice(x, at).number];
        (self.0.variant.value)(x.get(Input(0), at), shared)
    }
}

impl Rule for SoftmaxForward {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let z = tensors[Input(0)];
        let shared: Vec<SoftmaxNormaliser> = self.0.slices.all(z.len()).map(|slice| (self.0.variant.shared)(&slice.values(z))).collect();
        Some(Arc::new(shared))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let (z, shared) = (x.tensors[Input(0)], x.memo::<Vec<SoftmaxNormaliser>>().expect("the memo of this rule"));
        for (slice, shared) in self.0.slices.all(z.len()).zip(shared) {
            for at in slice.places().each() {
                out[at] += (self.0.variant.value)(z[at], shared);
            }
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    /// The arguments are the entries of the slice, with the one at the same place first ([`entries`]).
    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let all = self.slice(x, at).places();
        let args = entries(x, Input(0), at, all, std::iter::once(at).chain(all.each().filter(|&j| j != at)));
        Term::apply(self.0.variant.function, args, self.value(x, at))
    }

    fn partial(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        if terms == 0 { sum } else { sum + self.value(x, entry) }
    }

    fn uses(&self, x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        self.slice(x, at).places().each().map(|entry| Use { entry, term: 0 }).collect()
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, _slot: Slot, at: usize) -> TermNumbers {
        self.slice(x, entry).rank(at).map(|_| 0).into_iter().collect()
    }

    fn gathers(&self) -> bool {
        true
    }

    fn equation(&self) -> Equation {
        self.0.variant.forward
    }
}

/// The rule of ∂C/∂zᵢ: Σⱼ ∂C/∂aⱼ · aⱼ · ([i=j] − aᵢ) for softmax, Σⱼ ∂C/∂aⱼ · ([i=j] − exp aᵢ) for log-softmax, summed over the slice.
#[derive(Debug)]
struct SoftmaxBackward(Softmax);

impl SoftmaxBackward {
    fn slice(&self, x: &Operands<'_>, at: usize) -> Slice {
        self.0.slices.of(at, x.tensors[Output].len())
    }
}

impl Rule for SoftmaxBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let variant = self.0.variant;
        for slice in self.0.slices.all(out.len()) {
            let (a, da) = (slice.values(x.tensors[Output]), slice.values(x.tensors[Upstream]));
            if slice.step == 1 {
                variant.add(&a, &da, &mut out[slice.first..][..slice.n]);
                continue;
            }
            let mut sums = slice.values(out).into_owned();
            variant.add(&a, &da, &mut sums);
            for (at, sum) in slice.places().each().zip(sums) {
                out[at] = sum;
            }
        }
    }

    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        entries as u64 * self.0.slices.sizes(operands[Output]).0 as u64
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        entry as u64 * self.0.slices.sizes(x.tensors[Output].len()).0 as u64
    }

    fn term(&self, x: &Operands<'_>, i: usize, term: u64) -> Term {
        let j = self.slice(x, i).place(usize::try_from(term).expect("the number of a term fits into usize"));
        let variant = self.0.variant;
        let slope = evaluated(x, &variant.column[usize::from(i == j)], Output, i);
        let mut args = smallvec![entry(x, Upstream, j)];
        args.extend(variant.weighted.then(|| entry(x, Output, j)));
        args.push(slope.by(j));
        Term::product(args)
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let slice = self.slice(x, at);
        let own = slice.rank(at).expect("a slice contains the entry that it was found by") as u64;
        let column = slice.places().each().map(|entry| Use { entry, term: own });
        let row = (0..slice.n as u64).map(|term| Use { entry: at, term });
        match slot {
            Output if self.0.variant.weighted => column.chain(row).collect(),
            Output => row.collect(),
            Upstream => column.collect(),
            _ => Vec::new(),
        }
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let slice = self.slice(x, entry);
        let Some(rank) = slice.rank(at) else { return TermNumbers::new() };
        match slot {
            Output if entry == at => (0..slice.n as u64).collect(),
            Output if !self.0.variant.weighted => TermNumbers::new(),
            Output | Upstream => smallvec![rank as u64],
            _ => TermNumbers::new(),
        }
    }

    fn equation(&self) -> Equation {
        self.0.variant.backward
    }
}
