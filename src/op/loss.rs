//! Losses: C as a sum of terms over the entries of the output, and ∂C/∂a entry by entry. A new one is a file and a row of [`LOSSES`].

mod cross_entropy;
mod squared_error;
mod upstream;

use std::fmt::Debug;
use std::sync::Arc;

use super::layer::{Args, Faulty};
use super::rule::{Args as Factors, Equation, Function, Memo, Operands, Rule, Term, Use, one_each, same_place};
use crate::tensor::Tensor;

/// All losses.
pub const LOSSES: &[LossKind] = &[cross_entropy::KIND, squared_error::KIND, upstream::KIND];

/// A kind of loss: one row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct LossKind {
    /// Its `type`.
    pub name: &'static str,
    /// Its own keys.
    pub keys: &'static [&'static str],
    /// Reads its keys and makes the loss for this output.
    pub build: fn(&mut dyn Args, &Output<'_>) -> Result<Loss, Faulty>,
}

/// What a loss may know of the network's output.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The output layer's name.
    pub layer: &'a str,
    /// The output's shape.
    pub shape: &'a [usize],
    /// The name of the activation that computes it; `None` for a layer without one.
    pub activation: Option<&'a str>,
}

/// What a loss reads, by slot: the output a, the target t, and where `reads_z` the input z of the output's activation.
const A: usize = 0;
const T: usize = 1;
const Z: usize = 2;

/// A loss as ops.
#[derive(Debug)]
pub struct Loss {
    /// C, a scalar, of the output, the target, and z where `reads_z`.
    pub function: Arc<dyn Function>,
    /// Whether the function has z as its third input.
    pub reads_z: bool,
    /// ∂C/∂z of the output's activation in one step, from z, a, ∂C/∂a and t, with its symbols.
    pub shortcut: Option<(Arc<dyn Rule>, &'static str)>,
    /// The target of all samples, where the loss itself gives it.
    pub target: Option<Tensor>,
}

/// A loss that looks at each entry of the output by itself.
trait Pointwise: Debug + Send + Sync + Copy + 'static {
    /// What must be known of all entries.
    fn memo(&self, _tensors: &[&Tensor]) -> Memo {
        None
    }
    /// The factors of the loss's term for entry i.
    fn loss(&self, x: &Operands<'_>, i: usize) -> Factors;
    /// ∂C/∂aᵢ.
    fn gradient(&self, x: &Operands<'_>, i: usize) -> Term;
    /// C.
    fn equation(&self) -> Equation;
    /// ∂C/∂a.
    fn back(&self) -> Equation;
}

/// The function of a pointwise loss.
#[derive(Debug)]
struct Entries<P>(P);

impl<P: Pointwise> Function for Entries<P> {
    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Sum(self.0))
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        (slot == A).then(|| Arc::new(Slope(self.0)) as Arc<dyn Rule>)
    }
}

#[derive(Debug)]
struct Sum<P>(P);

impl<P: Pointwise> Rule for Sum<P> {
    fn memo(&self, tensors: &[&Tensor]) -> Memo {
        self.0.memo(tensors)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for i in 0..x.tensors[A].len() {
            out[0] += Term::product(self.0.loss(x, i)).value;
        }
    }

    fn before(&self, x: &Operands<'_>, entry: usize) -> u64 {
        (entry * x.tensors[A].len()) as u64
    }

    fn term(&self, x: &Operands<'_>, _entry: usize, term: u64) -> Term {
        Term::product(self.0.loss(x, usize::try_from(term).expect("a term of an entry")))
    }

    fn uses(&self, _x: &Operands<'_>, slot: usize, at: usize) -> Vec<Use> {
        if slot == Z { Vec::new() } else { vec![Use { entry: 0, term: at as u64 }] }
    }

    fn equation(&self) -> Equation {
        self.0.equation()
    }
}

#[derive(Debug)]
struct Slope<P>(P);

impl<P: Pointwise> Rule for Slope<P> {
    fn memo(&self, tensors: &[&Tensor]) -> Memo {
        self.0.memo(tensors)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (i, sum) in out.iter_mut().enumerate() {
            *sum += self.0.gradient(x, i).value;
        }
    }

    fn before(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        self.0.gradient(x, at)
    }

    fn uses(&self, _x: &Operands<'_>, slot: usize, at: usize) -> Vec<Use> {
        if slot == A || slot == T { same_place(at) } else { Vec::new() }
    }

    fn equation(&self) -> Equation {
        self.0.back()
    }
}
