//! Losses: C as a sum of terms over the entries of the output, and ∂C/∂a entry by entry. A new one is a file and a row of [`LOSSES`].

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
use super::rule::{Arguments, Equation, Factors, Function, Meets, Memo, Operands, Rule, Term, Use};
use super::slot::{Reads, Slot};
use crate::expr::{Case, Definition, Expr, Form, Primitive, Relation};
use crate::tensor::Tensor;

/// All losses.
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

/// How the losses of several samples become one, and with them the parameters' gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchReduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

/// The key of every loss that says how its samples are reduced.
pub const BATCH_REDUCTION: &str = "batch_reduction";

impl BatchReduction {
    /// Reads the key, absent or not.
    ///
    /// # Errors
    /// When it is neither `mean` nor `sum`.
    pub fn read(args: &mut dyn Args) -> Result<Self, Reported> {
        Ok(match args.choice(BATCH_REDUCTION, &["mean", "sum"])? {
            Some("sum") => Self::Sum,
            _ => Self::Mean,
        })
    }
}

/// A kind of loss: one row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct LossKind {
    /// Its `type`.
    pub name: &'static str,
    /// Its own keys.
    pub keys: &'static [&'static str],
    /// Reads its keys and makes the loss for this output.
    pub build: fn(&mut dyn Args, &Output<'_>) -> Result<Loss, Reported>,
}

/// What a loss may know of the network's output.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The output layer's name.
    pub layer: &'a str,
    /// The output's shape.
    pub shape: &'a [usize],
    /// The activation that computes it; `None` for a layer without one.
    pub activation: Option<&'static Activation>,
}

/// What a loss reads, by slot: the output a, the target t, and where `reads_z` the input z of the output's activation. Forwards z may be left out:
/// then the loss is that of a as it stands, whatever it came from.
const A: Slot = Slot::Input(0);
const T: Slot = Slot::Input(1);
const Z: Slot = Slot::Input(2);

/// Their entries, 1, and the rests to 1, as expressions.
const A_ENTRY: Expr = Expr::Entry(A);
const T_ENTRY: Expr = Expr::Entry(T);
const REST_OF_A: Expr = Expr::Sub(&[Expr::Number(1.0), A_ENTRY]);
const REST_OF_T: Expr = Expr::Sub(&[Expr::Number(1.0), T_ENTRY]);
/// t / a, and 0 where t is 0.
const RATIO: Expr = Expr::Of(ASKED, &[T_ENTRY, A_ENTRY]);
/// (1 − t) / (1 − a), and 0 where t is 1.
const RATIO_OF_RESTS: Expr = Expr::Of(ASKED, &[REST_OF_T, REST_OF_A]);
/// t / a, and 0 where t is 0, whatever a is: the derivative of an output that the target does not ask for.
const ASKED: &Primitive = &Primitive::differentiable("ratio", Definition::Expr(&Expr::Cases(&[NOT_ASKED], &QUOTIENT)), &[])
    .of(&["t", "a"])
    .form(Form::Meaning)
    .meaning(&QUOTIENT);
const QUOTIENT: Expr = Expr::Div(&[Expr::Arg(0), Expr::Arg(1)]);
const NOT_ASKED: Case = Case { left: Expr::Arg(0), is: Relation::Equal, right: Expr::Number(0.0), value: Expr::Number(0.0) };

/// A loss as ops.
#[derive(Debug)]
pub struct Loss {
    /// C, a scalar, of the output, the target, and z where `reads_z`.
    pub function: Arc<dyn Function>,
    /// Whether the function has z as its third input.
    pub reads_z: bool,
    /// ∂C/∂z of the output's activation in one step, from z, a, ∂C/∂a and t, with its expression.
    pub shortcut: Option<(Arc<dyn Rule>, Expr)>,
    /// The target of all samples, where the loss itself gives it.
    pub target: Option<Tensor>,
}

impl Output<'_> {
    /// The classes that the outputs are probabilities of, if they are.
    fn probabilities(&self) -> Option<Probabilities> {
        self.activation?.probabilities
    }

    /// What the output's layer has, in words: `the activation "relu"`.
    fn has(&self) -> String {
        self.activation.map_or_else(|| "no activation".to_owned(), |activation| format!("the activation \"{}\"", activation.name))
    }
}

impl Loss {
    /// A loss that reads nothing but the output and the target.
    #[must_use]
    fn entry_by_entry(function: Arc<dyn Function>) -> Self {
        Self { function, reads_z: false, shortcut: None, target: None }
    }

    /// A loss in the place of one that is not known: whatever the loss, the tensors are the same.
    #[must_use]
    pub fn stand_in() -> Self {
        upstream::of(None)
    }
}

/// A loss that looks at each entry of the output by itself.
trait Pointwise: Debug + Send + Sync + Clone + 'static {
    /// What must be known of all entries.
    fn memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }
    /// How many terms of the loss an entry gives.
    const TERMS: usize = 1;
    /// How many terms its ∂C/∂aᵢ has.
    const SLOPES: usize = 1;
    /// The factors of the loss's term `term` for entry i.
    fn loss(&self, x: &Operands<'_>, i: usize, term: usize) -> Factors;
    /// The loss's term `term` for entry i.
    fn term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::product(self.loss(x, i, term))
    }
    /// Term `term` of ∂C/∂aᵢ.
    fn gradient(&self, x: &Operands<'_>, i: usize, term: usize) -> Term;
    /// C.
    fn equation(&self) -> Equation;
    /// ∂C/∂a.
    fn back(&self) -> Equation;
    /// The arguments of both equations.
    fn arguments(&self) -> Arguments {
        Arguments::new()
    }
}

/// The function of a pointwise loss.
#[derive(Debug)]
struct Entries<P>(P);

impl<P: Pointwise> Function for Entries<P> {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(Vec::new())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(Sum(self.0.clone()))
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        (Slot::Input(slot) == A).then(|| Arc::new(Slope(self.0.clone())) as Arc<dyn Rule>)
    }
}

#[derive(Debug)]
struct Sum<P>(P);

impl<P: Pointwise> Rule for Sum<P> {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.0.memo(tensors)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for i in 0..x.tensors[A].len() {
            for term in 0..P::TERMS {
                out[0] += self.0.term(x, i, term).value;
            }
        }
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        (entry * x.tensors[A].len() * P::TERMS) as u64
    }

    fn term(&self, x: &Operands<'_>, _entry: usize, term: u64) -> Term {
        let term = place(term);
        self.0.term(x, term / P::TERMS, term % P::TERMS)
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let mut uses = Vec::new();
        for term in 0..P::TERMS {
            let entries = reading(&self.0.loss(x, at, term), slot, at, x.tensors[A].len());
            uses.extend(entries.map(|entry| Use { entry: 0, term: (entry * P::TERMS + term) as u64 }));
        }
        uses.sort_unstable();
        uses
    }

    fn meets(&self, x: &Operands<'_>, _entry: usize, slot: Slot, at: usize) -> Meets {
        if at >= x.tensors[A].len() {
            return Meets::new();
        }
        let own = (0..P::TERMS).filter(|term| self.0.loss(x, at, *term).iter().any(|arg| arg.lies_at(slot, at)));
        own.map(|term| (at * P::TERMS + term) as u64).collect()
    }

    fn equation(&self) -> Equation {
        self.0.equation()
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}

#[derive(Debug)]
struct Slope<P>(P);

impl<P: Pointwise> Rule for Slope<P> {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.0.memo(tensors)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (i, sum) in out.iter_mut().enumerate() {
            for term in 0..P::SLOPES {
                *sum += self.0.gradient(x, i, term).value;
            }
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        (entry * P::SLOPES) as u64
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        self.0.gradient(x, at, place(term))
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let mut uses = Vec::new();
        for term in 0..P::SLOPES {
            let entries = reading(&self.0.gradient(x, at, term).args, slot, at, x.tensors[A].len());
            uses.extend(entries.map(|entry| Use { entry, term: term as u64 }));
        }
        uses.sort_unstable();
        uses
    }

    fn meets(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> Meets {
        let reads = |term: &usize| self.0.gradient(x, at, *term).args.iter().any(|arg| arg.lies_at(slot, at));
        (0..P::SLOPES).filter(|term| entry == at && reads(term)).map(|term| term as u64).collect()
    }

    fn equation(&self) -> Equation {
        self.0.back()
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}

/// log a as a factor beside another; 0 where the other is 0, whatever a is.
fn log_beside(other: f64, a: f64) -> f64 {
    if other == 0.0 { 0.0 } else { libm::log(a) }
}

/// The entries whose term reads the entry `at` of the operand in `slot`, from the factors of that term for the entry `at` itself: all of them
/// where a factor names the whole operand.
fn reading(factors: &Factors, slot: Slot, at: usize, entries: usize) -> Range<usize> {
    if factors.iter().any(|arg| arg.reads_all(slot)) {
        0..entries
    } else if factors.iter().any(|arg| arg.reads(slot, at)) {
        at..at + 1
    } else {
        0..0
    }
}

fn place(term: u64) -> usize {
    usize::try_from(term).expect("a term of an entry")
}

/// The key `reduction` of the binary cross-entropies: whether it is the mean over the outputs, and the factor of each term that it makes.
fn reduction(args: &mut dyn Args, output: &Output<'_>) -> Result<(bool, f64), Reported> {
    let mean = args.choice("reduction", &["sum", "mean"])? == Some("mean");
    #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
    let entries = crate::tensor::len(output.shape) as f64;
    Ok((mean, if mean { 1.0 / entries } else { 1.0 }))
}
