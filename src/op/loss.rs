//! Losses: the scalar C of the output a and the target t, as a sum of terms over the entries, and ∂C/∂a entry by entry.
//!
//! A new loss is a file and a row of [`LOSSES`]. Most losses implement `Pointwise`, which gives the terms of one entry.

mod binary_cross_entropy;
mod binary_cross_entropy_with_logits;
mod cross_entropy;
mod cross_entropy_with_logits;
mod distance;
mod huber;
mod l1;
mod smooth_l1;
mod squared_error;
mod upstream;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use super::activation::{Activation, Probabilities};
use super::layer::{Args, Reported};
use super::mismatch::Mismatch;
use super::rule::{Arguments, Equation, Factors, Function, Memo, Operands, Rule, Term, TermNumbers, Use};
use super::slot::{Reads, Slot};
use crate::expr::{Case, Definition, Expr, Form, Primitive, Relation};
use crate::tensor::Tensor;

/// The losses that a scenario file may name.
pub const LOSSES: &[LossKind] = &[
    binary_cross_entropy::KIND,
    binary_cross_entropy_with_logits::KIND,
    cross_entropy::KIND,
    cross_entropy_with_logits::KIND,
    huber::KIND,
    l1::KIND,
    smooth_l1::KIND,
    squared_error::KIND,
    upstream::KIND,
];

/// The reduction of the samples' losses, and of the parameters' gradients, to one of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchReduction {
    /// The mean over the samples.
    #[default]
    Mean,
    /// The sum over the samples.
    Sum,
}

/// The key of [`BatchReduction`], which every loss has.
pub const BATCH_REDUCTION: &str = "batch_reduction";

impl BatchReduction {
    /// Reads the key; the mean if it is absent.
    ///
    /// # Errors
    /// If the value is neither `mean` nor `sum`.
    pub fn read(args: &mut dyn Args) -> Result<Self, Reported> {
        Ok(match args.choice(BATCH_REDUCTION, &["mean", "sum"])? {
            Some("sum") => Self::Sum,
            _ => Self::Mean,
        })
    }
}

/// A kind of loss: one row of [`LOSSES`].
#[derive(Clone, Copy, Debug)]
pub struct LossKind {
    /// The value of `type`.
    pub name: &'static str,
    /// The keys, besides `type` and `batch_reduction`.
    pub keys: &'static [&'static str],
    /// Reads the keys and makes the loss for this output.
    pub build: fn(&mut dyn Args, &NetworkOutput<'_>) -> Result<Loss, Reported>,
}

/// The network's output, as far as a loss depends on it.
#[derive(Clone, Copy, Debug)]
pub struct NetworkOutput<'a> {
    /// The output layer's name.
    pub layer: &'a str,
    /// The output's shape.
    pub shape: &'a [usize],
    /// The activation that computes it; `None` for a layer without one.
    pub activation: Option<&'static Activation>,
}

/// The slots of a loss: the output a, the target t and, with [`Loss::reads_z`], the input z of the output's activation. The forward rule also works
/// without z; it then takes the logarithms of a itself.
const A: Slot = Slot::Input(0);
const T: Slot = Slot::Input(1);
const Z: Slot = Slot::Input(2);

/// Expressions of their entries: a, t, 1 − a and 1 − t.
const A_ENTRY: Expr = Expr::Entry(A);
const T_ENTRY: Expr = Expr::Entry(T);
const ONE_MINUS_A: Expr = Expr::Sub(&[Expr::Number(1.0), A_ENTRY]);
const ONE_MINUS_T: Expr = Expr::Sub(&[Expr::Number(1.0), T_ENTRY]);
/// t / a, but 0 if t = 0.
const RATIO: Expr = Expr::Of(SAFE_RATIO, &[T_ENTRY, A_ENTRY]);
/// (1 − t) / (1 − a), but 0 if t = 1.
const COMPLEMENT_RATIO: Expr = Expr::Of(SAFE_RATIO, &[ONE_MINUS_T, ONE_MINUS_A]);
/// t / a, but 0 if t = 0, even for a = 0: the derivative of t log a by a, if 0 log 0 = 0.
const SAFE_RATIO: &Primitive = &Primitive::differentiable("ratio", Definition::Expr(&Expr::Cases(&[IF_0], &QUOTIENT)), &[])
    .of(&["t", "a"])
    .form(Form::Meaning)
    .meaning(&QUOTIENT);
const QUOTIENT: Expr = Expr::Div(&[Expr::Arg(0), Expr::Arg(1)]);
const IF_0: Case = Case { left: Expr::Arg(0), is: Relation::Equal, right: Expr::Number(0.0), value: Expr::Number(0.0) };

/// A loss: its function, and what the network needs to connect it.
#[derive(Debug)]
pub struct Loss {
    /// The scalar C of the output, the target, and z if `reads_z`.
    pub function: Arc<dyn Function>,
    /// Whether the function reads z, the input of the output's activation, as its third input.
    pub reads_z: bool,
    /// A closed formula for ∂C/∂z of the output's activation, such as a − t, as a rule and as an expression. The rule reads z, a, ∂C/∂a and t.
    pub shortcut: Option<(Arc<dyn Rule>, Expr)>,
    /// The target of all samples, if the loss itself gives it.
    pub target: Option<Tensor>,
}

impl NetworkOutput<'_> {
    /// The kind of probabilities that the outputs are; `None` if they are not.
    fn probabilities(&self) -> Option<Probabilities> {
        self.activation?.probabilities
    }

    /// The activation of the output in words: `the activation "relu"`.
    fn activation_words(&self) -> String {
        self.activation.map_or_else(|| "no activation".to_owned(), |activation| format!("the activation \"{}\"", activation.name))
    }
}

impl Loss {
    /// A loss that reads only the output and the target.
    #[must_use]
    fn entry_by_entry(function: Arc<dyn Function>) -> Self {
        Self { function, reads_z: false, shortcut: None, target: None }
    }

    /// A placeholder for an unknown loss; the network has the same tensors with any loss.
    #[must_use]
    pub fn stand_in() -> Self {
        upstream::of(None)
    }
}

/// A loss whose terms each belong to one entry of the output.
trait Pointwise: Debug + Send + Sync + Clone + 'static {
    /// Computes numbers that all entries share, such as a log-sum-exp.
    fn memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }
    /// The number of terms of C for each entry.
    const LOSS_TERMS: usize = 1;
    /// The number of terms of ∂C/∂aᵢ.
    const GRADIENT_TERMS: usize = 1;
    /// The factors of term `term` of C for entry i.
    fn loss(&self, x: &Operands<'_>, i: usize, term: usize) -> Factors;
    /// Term `term` of C for entry i.
    fn term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::product(self.loss(x, i, term))
    }
    /// Term `term` of ∂C/∂aᵢ.
    fn gradient(&self, x: &Operands<'_>, i: usize, term: usize) -> Term;
    /// The equation of C.
    fn equation(&self) -> Equation;
    /// The equation of ∂C/∂a.
    fn back(&self) -> Equation;
    /// The expressions for [`Expr::Arg`] in both equations.
    fn arguments(&self) -> Arguments {
        Arguments::new()
    }
}

/// The function of a [`Pointwise`] loss.
#[derive(Debug)]
struct PointwiseLoss<P>(P);

impl<P: Pointwise> Function for PointwiseLoss<P> {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(Vec::new())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(LossForward(self.0.clone()))
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        (Slot::Input(slot) == A).then(|| Arc::new(LossBackward(self.0.clone())) as Arc<dyn Rule>)
    }
}

/// The rule of C.
#[derive(Debug)]
struct LossForward<P>(P);

impl<P: Pointwise> Rule for LossForward<P> {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.0.memo(tensors)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for i in 0..x.tensors[A].len() {
            for term in 0..P::LOSS_TERMS {
                out[0] += self.0.term(x, i, term).value;
            }
        }
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        (entry * x.tensors[A].len() * P::LOSS_TERMS) as u64
    }

    fn term(&self, x: &Operands<'_>, _entry: usize, term: u64) -> Term {
        let term = place(term);
        self.0.term(x, term / P::LOSS_TERMS, term % P::LOSS_TERMS)
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let mut uses = Vec::new();
        for term in 0..P::LOSS_TERMS {
            let entries = readers(&self.0.loss(x, at, term), slot, at, x.tensors[A].len());
            uses.extend(entries.map(|entry| Use { entry: 0, term: (entry * P::LOSS_TERMS + term) as u64 }));
        }
        uses.sort_unstable();
        uses
    }

    fn terms_at(&self, x: &Operands<'_>, _entry: usize, slot: Slot, at: usize) -> TermNumbers {
        if at >= x.tensors[A].len() {
            return TermNumbers::new();
        }
        let own = (0..P::LOSS_TERMS).filter(|term| self.0.loss(x, at, *term).iter().any(|arg| arg.belongs_to(slot, at)));
        own.map(|term| (at * P::LOSS_TERMS + term) as u64).collect()
    }

    fn equation(&self) -> Equation {
        self.0.equation()
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}

/// The rule of ∂C/∂a.
#[derive(Debug)]
struct LossBackward<P>(P);

impl<P: Pointwise> Rule for LossBackward<P> {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.0.memo(tensors)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (i, sum) in out.iter_mut().enumerate() {
            for term in 0..P::GRADIENT_TERMS {
                *sum += self.0.gradient(x, i, term).value;
            }
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        (entry * P::GRADIENT_TERMS) as u64
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        self.0.gradient(x, at, place(term))
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let mut uses = Vec::new();
        for term in 0..P::GRADIENT_TERMS {
            let entries = readers(&self.0.gradient(x, at, term).args, slot, at, x.tensors[A].len());
            uses.extend(entries.map(|entry| Use { entry, term: term as u64 }));
        }
        uses.sort_unstable();
        uses
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let reads = |term: &usize| self.0.gradient(x, at, *term).args.iter().any(|arg| arg.belongs_to(slot, at));
        (0..P::GRADIENT_TERMS).filter(|term| entry == at && reads(term)).map(|term| term as u64).collect()
    }

    fn equation(&self) -> Equation {
        self.0.back()
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}

/// log a as a factor beside `weight`; 0 if the weight is 0, even for a = 0.
fn weighted_log(weight: f64, a: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { libm::log(a) }
}

/// The entries whose term reads the entry `at` of the operand in `slot`: all if a factor names the whole operand, else `at` or none. `factors` are those
/// of the term of the entry `at`.
fn readers(factors: &Factors, slot: Slot, at: usize, entries: usize) -> Range<usize> {
    if factors.iter().any(|arg| arg.reads_all(slot)) {
        0..entries
    } else if factors.iter().any(|arg| arg.reads(slot, at)) {
        at..at + 1
    } else {
        0..0
    }
}

fn place(term: u64) -> usize {
    usize::try_from(term).expect("the number of a term fits into usize")
}

/// Reads the key `reduction`: whether it is the mean over the outputs, and the factor of each term, 1/n or 1.
fn reduction(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<(bool, f64), Reported> {
    let mean = args.choice("reduction", &["sum", "mean"])? == Some("mean");
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
    let entries = crate::tensor::len(output.shape) as f64;
    Ok((mean, if mean { 1.0 / entries } else { 1.0 }))
}
