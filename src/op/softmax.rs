//! `softmax`: aᵢ = exp zᵢ / Σⱼ exp zⱼ over all entries of its input.

use std::sync::Arc;

use smallvec::smallvec;

use super::rule::{Arg, Meets, one_each};
use super::rule::{Equation, Function, Gist, Memo, Operands, Origin, Rule, Term, Use, entries, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Output, Upstream},
};
use crate::expr::{Expr, Join, Primitive, whole};
use crate::tensor::Places;

/// How it is written: of one entry, given all.
pub(super) const SOFTMAX: &Primitive = &Primitive::new("softmax").of(&["z"]);

/// The function.
#[derive(Debug)]
pub struct Softmax;

impl Function for Softmax {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Forward)
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Jacobian))
    }
}

/// The largest entry and the sum of the exponentials less it: what all entries of a softmax share.
pub(super) struct Shared {
    largest: f64,
    sum: f64,
}

impl Shared {
    pub fn of(z: &[f64]) -> Self {
        let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { largest, sum: z.iter().map(|z| libm::exp(z - largest)).sum() }
    }

    pub fn value(&self, z: f64) -> f64 {
        libm::exp(z - self.largest) / self.sum
    }
}

#[derive(Debug)]
struct Forward;

impl Rule for Forward {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        Some(Arc::new(Shared::of(tensors[Input(0)])))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let shared = x.memo::<Shared>().expect("made from the same operands");
        for (a, z) in out.iter_mut().zip(x.tensors[Input(0)]) {
            *a += shared.value(*z);
        }
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn reached(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    /// The arguments are all entries of z, the one of the same place first; many are named at once.
    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let shared = x.memo::<Shared>().expect("made from the same operands");
        let all = Places::all(x.tensors[Input(0)].len());
        let args = entries(x, Input(0), at, all, std::iter::once(at).chain(all.each().filter(|&j| j != at)));
        Term::apply(SOFTMAX, args, shared.value(x.get(Input(0), at)))
    }

    fn partial(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        let shared = x.memo::<Shared>().expect("made from the same operands");
        if terms == 0 { sum } else { sum + shared.value(x.get(Input(0), entry)) }
    }

    fn uses(&self, x: &Operands<'_>, _slot: Slot, _at: usize) -> Vec<Use> {
        (0..x.tensors[Input(0)].len()).map(|entry| Use { entry, term: 0 }).collect()
    }

    fn meets(&self, _x: &Operands<'_>, _entry: usize, _slot: Slot, _at: usize) -> Meets {
        smallvec![0]
    }

    fn gathers(&self) -> bool {
        true
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Of(SOFTMAX, &[whole::X]),
            name: "softmax",
            gist: Gist::Words("aᵢ = exp zᵢ / Σⱼ exp zⱼ"),
            words: "The exponentials make all numbers positive, and their sum as the divisor makes them add up to 1: a probability for each class.",
        }
    }
}

/// ∂C/∂zᵢ = Σⱼ ∂C/∂aⱼ · aⱼ · (δᵢⱼ − aᵢ).
#[derive(Debug)]
struct Jacobian;

const A: Expr = Expr::Entry(Output);

/// Jᵀ ∂C/∂a, with the entries of J.
const JACOBIAN: Expr = Expr::Where(&[
    Expr::Product(Join::Matrix, &[Expr::Transposed(&Expr::Name("J")), whole::DY]),
    Expr::Equal(&[
        Expr::Indexed(&Expr::Name("J"), "ji"),
        Expr::Quotient(&[A_J, Expr::Indexed(&Expr::Entry(Input(0)), "i")]),
        Expr::Product(Join::Matrix, &[A_J, Expr::Sub(&[Expr::Name("[i=j]"), Expr::Indexed(&A, "i")])]),
    ]),
]);
const A_J: Expr = Expr::Indexed(&A, "j");

/// δᵢⱼ − aᵢ.
fn column(a: &[f64], i: usize, j: usize) -> f64 {
    if i == j { 1.0 - a[i] } else { 0.0 - a[i] }
}

impl Rule for Jacobian {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let a = x.tensors[Output];
        // all entries side by side: each adds up its own terms in order
        for (j, da) in x.tensors[Upstream].iter().enumerate() {
            let moved = da * a[j];
            let add = |out: &mut [f64], a: &[f64]| out.iter_mut().zip(a).for_each(|(sum, a)| *sum += moved * (0.0 - a));
            add(&mut out[..j], &a[..j]);
            out[j] += moved * column(a, j, j);
            add(&mut out[j + 1..], &a[j + 1..]);
        }
    }

    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        entries as u64 * operands[Output] as u64
    }

    fn before(&self, x: &Operands<'_>, entry: usize) -> u64 {
        entry as u64 * x.tensors[Output].len() as u64
    }

    fn term(&self, x: &Operands<'_>, i: usize, term: u64) -> Term {
        let j = usize::try_from(term).expect("a term of an entry");
        let expr = if i == j { &Expr::Sub(&[Expr::Number(1.0), A]) } else { &Expr::Sub(&[Expr::Number(0.0), A]) };
        let origin = Origin::Derived { expr, slot: Output, at: i, by: Some(j) };
        let value = column(x.tensors[Output], i, j);
        Term::product(smallvec![entry(x, Upstream, j), entry(x, Output, j), Arg { origin, value }])
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let all = 0..x.tensors[Output].len();
        let column = all.clone().map(|entry| Use { entry, term: at as u64 });
        match slot {
            Output => column.chain(all.map(|term| Use { entry: at, term: term as u64 })).collect(),
            Upstream => column.collect(),
            _ => Vec::new(),
        }
    }

    fn meets(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> Meets {
        match slot {
            Output if entry == at => (0..x.tensors[Output].len() as u64).collect(),
            Output | Upstream => smallvec![at as u64],
            _ => Meets::new(),
        }
    }

    fn equation(&self) -> Equation {
        Equation {
            right: JACOBIAN,
            name: "the softmax's Jacobian",
            gist: Gist::None,
            words: "Every zᵢ moves every aⱼ, because all share one divisor: more of one class is less of the others. So all derivatives ∂C/∂aⱼ count, each through ∂aⱼ/∂zᵢ = aⱼ ([i=j] − aᵢ), where [i=j] is 1 if i = j, else 0.",
        }
    }
}
