//! Losses: a loss C is a single number, computed from the network's output a and the target t. C is a sum of terms, and each term belongs to one entry of a.
//!
//! A new loss needs a file and a row of [`LOSSES`]. It implements `Pointwise`: the terms of C and of ∂C/∂a for one entry. For the squared error with
//! a = (1, 3) and t = (0, 1) the terms of C are ½ · 1 · 1 and ½ · 2 · 2.

mod binary_cross_entropy;
mod binary_cross_entropy_with_logits;
mod cross_entropy;
mod cross_entropy_with_logits;
mod distance;
mod huber;
mod kl_div;
mod l1;
mod multi_margin;
mod nll;
mod smooth_l1;
mod squared_error;
mod upstream;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use smallvec::smallvec;

use super::activation::{Activation, Probabilities};
use super::layer::{Args, Reported};
use super::mismatch::Mismatch;
use super::rule::{Arg, Arguments, Equation, Factors, Function, Memo, Operands, Rule, Term, TermNumbers, Use, constant};
use super::slot::{Reads, Slot};
use crate::expr::{Case, Definition, Expr, Form, Primitive, Relation};
use crate::tensor::Tensor;

/// The losses that a scenario file may name. A row `PYTORCH` has the name and the defaults of PyTorch's function, such as `huber_loss`.
pub const LOSSES: &[LossKind] = &[
    binary_cross_entropy::KIND,
    binary_cross_entropy_with_logits::KIND,
    cross_entropy::KIND,
    cross_entropy_with_logits::KIND,
    huber::KIND,
    huber::PYTORCH,
    kl_div::KIND,
    l1::KIND,
    l1::PYTORCH,
    squared_error::PYTORCH,
    multi_margin::KIND,
    multi_margin::PYTORCH,
    nll::KIND,
    nll::PYTORCH,
    smooth_l1::KIND,
    smooth_l1::PYTORCH,
    squared_error::KIND,
    upstream::KIND,
];

/// The computation of a batch's loss from the losses of its samples. The gradients of the parameters are reduced in the same way.
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
    /// Reads the key; the mean if [`Args::choice`] returns `None`.
    ///
    /// # Errors
    /// As for [`Args::choice`].
    pub fn read(args: &mut dyn Args) -> Result<Self, Reported> {
        Ok(match args.choice(BATCH_REDUCTION, &["mean", "sum"])? {
            Some("sum") => Self::Sum,
            _ => Self::Mean,
        })
    }
}

/// The key of the penalty ([`BatchLoss::l2`]), which every loss has.
pub const L2: &str = "l2";

/// The computation of a batch's loss: C = Σₛ Cₛ / n + λ Σ w² for the mean, or C = Σₛ Cₛ + λ Σ w² for the sum. Cₛ are the losses of the n samples, and w the
/// weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BatchLoss {
    /// The reduction of the samples' losses.
    pub reduction: BatchReduction,
    /// λ in the penalty λ Σ w²; 0 for no penalty.
    pub l2: f64,
}

impl From<BatchReduction> for BatchLoss {
    /// Creates a batch's loss without a penalty.
    fn from(reduction: BatchReduction) -> Self {
        Self { reduction, l2: 0.0 }
    }
}

impl BatchLoss {
    /// Reads the keys `batch_reduction` and `l2`.
    ///
    /// # Errors
    /// If `l2` is less than 0.
    pub fn read(args: &mut dyn Args) -> Result<Self, Reported> {
        let (reduction, l2) = (BatchReduction::read(args), args.number(L2));
        let l2 = match l2? {
            Some(l2) if l2 < 0.0 => {
                let help = "it is λ in the penalty λ Σ w², which makes large weights cost more; leave it out for no penalty";
                return Err(args.fail(L2, "l2 must be at least 0".to_owned(), help));
            }
            l2 => l2.unwrap_or(0.0),
        };
        Ok(Self { reduction: reduction?, l2 })
    }
}

/// A kind of loss: one row of [`LOSSES`].
#[derive(Clone, Copy, Debug)]
pub struct LossKind {
    /// The name in scenario files: the value of `type`.
    pub name: &'static str,
    /// The keys, without `type`, `batch_reduction` and `l2`.
    pub keys: &'static [&'static str],
    /// Reads the keys and makes the loss for this output of the network.
    pub build: fn(&mut dyn Args, &NetworkOutput<'_>) -> Result<Loss, Reported>,
}

/// The facts about the network's output that a loss depends on.
#[derive(Clone, Copy, Debug)]
pub struct NetworkOutput<'a> {
    /// The name of the output layer.
    pub layer: &'a str,
    /// The shape of the output.
    pub shape: &'a [usize],
    /// The activation that computes the output; `None` for a layer without one.
    pub activation: Option<&'static Activation>,
}

/// The slot of the output a.
const A: Slot = Slot::Input(0);
/// The slot of the target t.
const T: Slot = Slot::Input(1);
/// The slot of z, the input of the output's activation. Only a loss with [`Loss::reads_z`] has a tensor in this slot.
const Z: Slot = Slot::Input(2);

/// The whole output a.
const ALL_A: Expr = Expr::All(A);
/// The whole target t.
const ALL_T: Expr = Expr::All(T);
/// One entry of a.
const A_ENTRY: Expr = Expr::Entry(A);
/// One entry of t.
const T_ENTRY: Expr = Expr::Entry(T);
/// 1 − a of one entry.
const ONE_MINUS_A: Expr = Expr::Sub(&[Expr::Number(1.0), A_ENTRY]);
/// 1 − t of one entry.
const ONE_MINUS_T: Expr = Expr::Sub(&[Expr::Number(1.0), T_ENTRY]);
/// t / a, but 0 if t = 0.
const RATIO: Expr = Expr::Of(SAFE_RATIO, &[T_ENTRY, A_ENTRY]);
/// (1 − t) / (1 − a), but 0 if t = 1.
const COMPLEMENT_RATIO: Expr = Expr::Of(SAFE_RATIO, &[ONE_MINUS_T, ONE_MINUS_A]);
/// t / a, but 0 if t = 0, even for a = 0. This is the derivative of t log a with respect to a. For t = 0 a loss takes t log a as 0 for every a, so the
/// derivative is 0 too.
const SAFE_RATIO: &Primitive = &Primitive::differentiable("ratio", Definition::Expr(&Expr::Cases(&[IF_0], &QUOTIENT)), &[])
    .arguments(&["t", "a"])
    .form(Form::Meaning)
    .meaning(&QUOTIENT);
/// The value of [`SAFE_RATIO`].
fn safe_ratio(t: f64, a: f64) -> f64 {
    if t == 0.0 { 0.0 } else { t / a }
}

/// The first argument divided by the second.
const QUOTIENT: Expr = Expr::Div(&[Expr::Arg(0), Expr::Arg(1)]);
/// The case t = 0 of [`SAFE_RATIO`].
const IF_0: Case = Case { left: Expr::Arg(0), is: Relation::Equal, right: Expr::Number(0.0), value: Expr::Number(0.0) };

/// A loss: its function, and the inputs that the network must connect to it.
#[derive(Debug)]
pub struct Loss {
    /// The function C of the output, the target and, with `reads_z`, z.
    pub function: Arc<dyn Function>,
    /// `true` if the function has z, the input of the output's activation, as its third input.
    pub reads_z: bool,
    /// A closed formula for ∂C/∂z, such as a − t, as a rule and as an expression; `None` for a loss without such a formula. The rule has the slots of the
    /// activation's backward rule, not those of the loss: z is in `Input(0)`, a in `Output`, ∂C/∂a in `Upstream`, and t in `Target`.
    pub closed_formula: Option<(Arc<dyn Rule>, Expr)>,
    /// The target of all samples, if a key of the loss gives it.
    pub target: Option<Tensor>,
}

impl NetworkOutput<'_> {
    /// The kind of probabilities of the outputs; `None` if they are not probabilities.
    fn probabilities(&self) -> Option<Probabilities> {
        self.activation?.probabilities
    }

    /// The activation of the output in words: `the activation "relu"` or `no activation`.
    fn activation_words(&self) -> String {
        self.activation.map_or_else(|| "no activation".to_owned(), |activation| format!("the activation \"{}\"", activation.name))
    }
}

impl Loss {
    /// Creates a loss that reads only the output and the target, and has no closed formula.
    #[must_use]
    fn of_output_and_target(function: Arc<dyn Function>) -> Self {
        Self { function, reads_z: false, closed_formula: None, target: None }
    }

    /// Creates a loss that takes the place of an unknown loss, so that the rest of the file can be checked. Any loss would do, because the network has the same
    /// tensors with every loss.
    #[must_use]
    pub fn placeholder() -> Self {
        upstream::loss(None)
    }
}

/// A loss that is a sum of terms, where each term belongs to one entry i of the output. ∂C/∂aᵢ is a sum of terms too.
trait Pointwise: Debug + Send + Sync + Clone + 'static {
    /// Computes, once per run, the numbers that the terms of C share, such as a log-sum-exp.
    fn memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }
    /// Computes, once per run, the numbers that the terms of ∂C/∂a share: by default, those of C.
    fn gradient_memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.memo(tensors)
    }
    /// The number of terms of C for each entry of the output.
    const LOSS_TERMS: usize = 1;
    /// The number of terms of ∂C/∂aᵢ.
    const GRADIENT_TERMS: usize = 1;
    /// The factors of a term of C: the one that belongs to entry i and has the index `term`, from 0.
    fn loss_factors(&self, x: &Operands<'_>, i: usize, term: usize) -> Factors;
    /// The term of C that belongs to entry i and has the index `term`, from 0.
    fn loss_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term {
        Term::product(self.loss_factors(x, i, term))
    }
    /// The term of ∂C/∂aᵢ with the index `term`, from 0.
    fn gradient_term(&self, x: &Operands<'_>, i: usize, term: usize) -> Term;
    /// The value of [`Pointwise::loss_term`]. A loss with a simple formula computes the value directly, because creating a term takes many times as long.
    fn loss_value(&self, x: &Operands<'_>, i: usize, term: usize) -> f64 {
        self.loss_term(x, i, term).value
    }
    /// The value of [`Pointwise::gradient_term`].
    fn gradient_value(&self, x: &Operands<'_>, i: usize, term: usize) -> f64 {
        self.gradient_term(x, i, term).value
    }
    /// The equation of C.
    fn equation(&self) -> Equation;
    /// The equation of ∂C/∂a.
    fn gradient_equation(&self) -> Equation;
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
                out[0] += self.0.loss_value(x, i, term);
            }
        }
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        (entry * x.tensors[A].len() * P::LOSS_TERMS) as u64
    }

    fn term(&self, x: &Operands<'_>, _entry: usize, term: u64) -> Term {
        let term = to_usize(term);
        self.0.loss_term(x, term / P::LOSS_TERMS, term % P::LOSS_TERMS)
    }

    fn add_terms(&self, x: &Operands<'_>, _entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let terms = to_usize(terms.start)..to_usize(terms.end);
        terms.fold(sum, |sum, term| sum + self.0.loss_value(x, term / P::LOSS_TERMS, term % P::LOSS_TERMS))
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let mut uses = Vec::new();
        for term in 0..P::LOSS_TERMS {
            let entries = reading_entries(&self.0.loss_factors(x, at, term), slot, at, x.tensors[A].len());
            uses.extend(entries.map(|entry| Use { entry: 0, term: (entry * P::LOSS_TERMS + term) as u64 }));
        }
        uses.sort_unstable();
        uses
    }

    fn terms_at(&self, x: &Operands<'_>, _entry: usize, slot: Slot, at: usize) -> TermNumbers {
        // every term belongs to an entry of a, so there are no terms past the end of a
        if at >= x.tensors[A].len() {
            return TermNumbers::new();
        }
        let reads = |term: &usize| self.0.loss_factors(x, at, *term).iter().any(|arg| arg.reads_single_entry(slot, at));
        (0..P::LOSS_TERMS).filter(reads).map(|term| (at * P::LOSS_TERMS + term) as u64).collect()
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
        self.0.gradient_memo(tensors)
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (i, sum) in out.iter_mut().enumerate() {
            for term in 0..P::GRADIENT_TERMS {
                *sum += self.0.gradient_value(x, i, term);
            }
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        (entry * P::GRADIENT_TERMS) as u64
    }

    fn term(&self, x: &Operands<'_>, entry: usize, term: u64) -> Term {
        self.0.gradient_term(x, entry, to_usize(term))
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let mut uses = Vec::new();
        for term in 0..P::GRADIENT_TERMS {
            let entries = reading_entries(&self.0.gradient_term(x, at, term).args, slot, at, x.tensors[A].len());
            uses.extend(entries.map(|entry| Use { entry, term: term as u64 }));
        }
        uses.sort_unstable();
        uses
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let reads = |term: &usize| self.0.gradient_term(x, at, *term).args.iter().any(|arg| arg.reads_single_entry(slot, at));
        (0..P::GRADIENT_TERMS).filter(|term| entry == at && reads(term)).map(|term| term as u64).collect()
    }

    fn equation(&self) -> Equation {
        self.0.gradient_equation()
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}

/// log a for the product weight · log a. It is 0 if the weight is 0, because log 0 is −∞ and 0 · −∞ would be NaN.
fn log_for_weight(weight: f64, a: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { libm::log(a) }
}

/// The entries of the output whose terms read the entry `at` of the operand in `slot`. The terms of all entries have the same form: the term of entry i reads
/// whole operands, and single entries only at i. So `factors`, those of the term of entry `at`, decide. `entries` is the number of entries of the output.
fn reading_entries(factors: &Factors, slot: Slot, at: usize, entries: usize) -> Range<usize> {
    if factors.iter().any(|arg| arg.reads_whole(slot)) {
        0..entries
    } else if factors.iter().any(|arg| arg.reads(slot, at)) {
        at..at + 1
    } else {
        0..0
    }
}

fn to_usize(term: u64) -> usize {
    usize::try_from(term).expect("the number of a term fits into usize")
}

/// The way in which the terms of all outputs become the loss of one sample: their sum or their mean.
#[derive(Clone, Copy, Debug)]
struct LossReduction {
    is_mean: bool,
    /// The factor of each term: 1/n for the mean over n outputs, 1 for the sum.
    scale: f64,
}

impl LossReduction {
    /// Reads the key `reduction`; the sum if it is absent.
    fn read(args: &mut dyn Args, output: &NetworkOutput<'_>) -> Result<Self, Reported> {
        Self::read_or(args, output, "sum")
    }

    /// Reads the key `reduction`, whose default is `default`.
    fn read_or(args: &mut dyn Args, output: &NetworkOutput<'_>, default: &'static str) -> Result<Self, Reported> {
        let is_mean = args.choice("reduction", &["sum", "mean"])?.unwrap_or(default) == "mean";
        #[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ entries
        let entries = crate::tensor::len(output.shape) as f64;
        Ok(Self { is_mean, scale: if is_mean { 1.0 / entries } else { 1.0 } })
    }

    /// The factors of a term. For the sum this is only `factor`; for the mean it is 1/n and then `factor`.
    fn scaled(self, factor: Arg) -> Factors {
        if self.is_mean { smallvec![constant(self.scale), factor] } else { smallvec![factor] }
    }
}
