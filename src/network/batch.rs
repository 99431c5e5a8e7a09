//! The ops of a batch. They reduce the losses and gradients of its samples to one sum or mean, and update the parameters ([`super::optimizer`]).
//!
//! ```text
//! reduce   C = Σₛ Cₛ / n,  g = Σₛ ∂Cₛ/∂w / n       C: loss of the batch, Cₛ: loss of sample s, n: number of samples, or 1 for a sum instead of a mean
//!          C = … + λ Σ w²,  g = … + 2 λ w          with a penalty of the weights, where λ is its `l2`
//! update   v ← μ v + (g + λ w),  w ← w − η v       v: velocity, μ: momentum, λ: weight decay, η: learning rate, for SGD
//! ```
//!
//! If the batch has one sample, it has the loss and the gradients of this sample. Then the reduce pass has an op only for a tensor to which a penalty is added.
//!
//! The ops form a separate network. Its inputs are tensors of the samples' runs, the old parameters and their old states, such as velocities.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::optimizer::{Optimizer, UpdateOperand, UpdatePlan, UpdateSummand};
use super::{BatchSource, Id, Network, Op, Part, Role, Symbol, SymbolKind, TensorInfo};
use crate::expr::{Expr, Join, whole};
use crate::op::constant_weights::{ConstantWeights, Weights};
use crate::op::contraction::Contraction;
use crate::op::loss::{BatchLoss, BatchReduction};
use crate::op::penalty::{PENALTY_GRADIENT, Penalty, add_penalty};
use crate::op::rule::{Equation, Function, Gist, Rule};
use crate::op::slot::Reads;
use crate::op::update::{Rated, Squares};
use crate::step::Pass;
use crate::tensor::len;

/// The tensors of the batch for one updated parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatedParameter {
    /// The parameter, a tensor of the samples' network.
    pub parameter: Id,
    /// The new value of the parameter, a tensor of the batch's network.
    pub new: Id,
    /// The states that the next iteration reads: for each, its index among all states of the update, and its tensor in the batch's network.
    pub states: Vec<(usize, Id)>,
}

/// The ops of a batch, with the sources of their inputs.
#[derive(Debug)]
pub struct Batch {
    /// The ops of the reduce pass, then those of the update pass.
    pub network: Arc<Network>,
    /// The updated parameters; empty if the batch has no update.
    pub updated: Vec<UpdatedParameter>,
    /// The loss of the batch, a tensor of the batch's network; `None` for a batch with one sample and no penalty.
    pub loss: Option<Id>,
}

// The equations of the ops. Their right-hand side `whole::X` is a placeholder: `scaled` replaces it, for example by λ X.
const MEAN_OF_SAMPLES: Equation = Equation {
    right: whole::X,
    name: "over the samples of the batch",
    gist: Gist::None,
    words: "Every sample has its own loss and its own gradient. The batch takes their mean, so that its size does not change how far a parameter moves.",
};
const SUM_OF_SAMPLES: Equation = Equation {
    right: whole::X,
    name: "over the samples of the batch",
    gist: Gist::None,
    words: "Every sample has its own loss and its own gradient. The batch adds them up.",
};

const OF_ONE_SAMPLE: Equation = Equation {
    right: whole::X,
    name: "the batch's only sample",
    gist: Gist::None,
    words: "The batch has one sample, so it takes what this sample has. The penalty of the weights is added once for each batch.",
};

/// Returns the factor of each sample in the reduction of a batch of n samples. It is 1/n for a mean. `None` means the factor 1, for a sum or a single sample.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
pub(super) fn coefficient(reduction: BatchReduction, samples: usize) -> Option<f64> {
    (samples > 1 && reduction == BatchReduction::Mean).then(|| 1.0 / samples as f64)
}

/// Returns the loss of a batch, given the losses of its samples and the weights. It has the same bits as in the reduce pass, because the terms and their order
/// are the same.
pub(super) fn batch_loss<'a>(
    BatchLoss { reduction, l2 }: BatchLoss,
    losses: impl ExactSizeIterator<Item = f64>,
    weights: impl Iterator<Item = &'a [f64]>,
) -> f64 {
    let coefficient = coefficient(reduction, losses.len());
    // a sum starts at −0, because −0 + x has the bits of x for every x
    let sum = losses.fold(-0.0, |sum, loss| sum + coefficient.map_or(loss, |coefficient| coefficient * loss));
    if l2 == 0.0 { sum } else { weights.fold(sum, |sum, weight| add_penalty(l2, weight, sum)) }
}

/// Returns the factor of a weight in the gradient of the penalty: 2 λ.
pub(super) fn penalty_factor(l2: f64) -> f64 {
    2.0 * l2
}

/// A batch under construction.
struct BatchBuilder<'a> {
    network: &'a Network,
    /// The numbers of the samples in the file, from 1.
    samples: &'a [usize],
    loss: BatchLoss,
    tensors: Vec<TensorInfo>,
    ops: Vec<Op>,
    /// For each parameter that an op reads, its tensor before the update.
    old: HashMap<Id, Id>,
    /// Pairs of a parameter (its old or new value) and its gradient.
    derivatives: Vec<(Id, Id)>,
}

/// Returns the rule that multiplies a tensor by a coefficient; `None` is the factor 1. Its equation is `equation` with the right-hand side `right`.
fn scaled(coefficient: Option<f64>, right: Expr, equation: Equation) -> Arc<dyn Rule> {
    let equation = Equation { right, ..equation };
    ConstantWeights::new(Contraction::elementwise(), coefficient.map_or(Weights::Unweighted, Weights::Uniform), equation, equation)
        .forward()
}

impl BatchBuilder<'_> {
    /// Adds a tensor with the shape of the tensor `like` of the samples' network.
    fn tensor(&mut self, like: Id, name: String, symbol: Symbol, role: Role) -> Id {
        let info = self.network.tensor(like).clone();
        self.tensors.push(TensorInfo { name: name.into(), symbol, role, source: None, ..info });
        self.tensors.len() - 1
    }

    /// Adds a tensor that the update computes: the velocity or the new value of a parameter.
    fn updated(&mut self, parameter: Id, name: String, symbol: Symbol, role: Role) -> Id {
        let id = self.tensor(parameter, name, symbol, role);
        self.tensors[id].parameter = Some(parameter);
        id
    }

    /// Adds an input with the shape of the tensor `like` of the samples' network.
    fn input(&mut self, like: Id, name: String, symbol: Symbol, from: BatchSource) -> Id {
        let id = self.tensor(like, name, symbol, Role::Input { learns: false });
        let parameter = match from {
            BatchSource::Sample(..) => None,
            BatchSource::Parameter(parameter) | BatchSource::State(_, parameter) => Some(parameter),
        };
        self.tensors[id].source = Some(from);
        self.tensors[id].parameter = parameter;
        id
    }

    /// Returns the tensor of a parameter before the update. The first call adds it.
    fn old(&mut self, parameter: Id) -> Id {
        if let Some(id) = self.old.get(&parameter) {
            return *id;
        }
        let TensorInfo { name, symbol, .. } = self.network.tensor(parameter).clone();
        let id = self.input(parameter, name.to_string(), symbol, BatchSource::Parameter(parameter));
        self.old.insert(parameter, id);
        id
    }

    /// Returns the weights whose penalty is added to a tensor: all weights for the loss, and the weight w for the gradient ∂C/∂w.
    fn penalised(&self, of: Id) -> Vec<Id> {
        let is_penalised = |weight: &Id| of == self.network.loss() || self.network.tensor(of).role == Role::Gradient(*weight);
        if self.loss.l2 == 0.0 { Vec::new() } else { self.network.weights().filter(is_penalised).collect() }
    }

    /// Returns whether the batch has an op for a tensor of the samples' network. The op reduces the tensor over the samples, or adds a penalty to it.
    fn computes(&self, of: Id) -> bool {
        self.samples.len() > 1 || !self.penalised(of).is_empty()
    }

    /// Adds the op that reduces a tensor of the samples' network over all samples and adds the penalty. Returns the tensor that the op computes. A batch of one
    /// sample needs no op for a tensor without a penalty; then the sample's tensor becomes an input of the batch, and this input is returned.
    fn reduced(&mut self, of: Id) -> Id {
        let TensorInfo { name, symbol, .. } = self.network.tensor(of).clone();
        if !self.computes(of) {
            return self.input(of, name.to_string(), symbol, BatchSource::Sample(0, of));
        }
        let coefficient = coefficient(self.loss.reduction, self.samples.len());
        let (right, equation) = match self.loss.reduction {
            _ if self.samples.len() == 1 => (whole::X, OF_ONE_SAMPLE),
            BatchReduction::Mean => (Expr::Product(Join::Juxtaposed, &[whole::SHARE, whole::X]), MEAN_OF_SAMPLES),
            BatchReduction::Sum => (whole::X, SUM_OF_SAMPLES),
        };
        // all parts share one rule, because there may be many samples
        let rule = scaled(coefficient, right, equation);
        let mut parts = SmallVec::with_capacity(self.samples.len());
        self.tensors.reserve(self.samples.len());
        // the number of the sample is written at the letter of the loss, also in a gradient: ∂C₂/∂w
        let loss_letter = &self.network.tensor(self.network.loss()).symbol.letter;
        for (n, sample) in self.samples.iter().enumerate() {
            let symbol = symbol.clone().of_sample(*sample, loss_letter);
            let input = self.input(of, format!("{sample}:{name}"), symbol, BatchSource::Sample(n, of));
            parts.push(Part { rule: Arc::clone(&rule), operands: Reads::inputs([input]) });
        }
        for weight in self.penalised(of) {
            let entries = len(&self.network.tensor(weight).shape);
            let rule: Arc<dyn Rule> = if of == self.network.loss() {
                Arc::new(Penalty { lambda: self.loss.l2, entries })
            } else {
                scaled(Some(penalty_factor(self.loss.l2)), PENALTY_GRADIENT.right, PENALTY_GRADIENT)
            };
            parts.push(Part { rule, operands: Reads::inputs([self.old(weight)]) });
        }
        let output = self.tensor(of, name.to_string(), symbol, Role::Reduced(of));
        self.ops.push(Op { output, pass: Pass::Reduce, parts });
        output
    }
}

impl Batch {
    /// Creates the ops for a batch of these samples (numbers in the file, from 1). `update` has the optimizer and the parameters to update; `None` for no
    /// update. `iteration` is the number of the iteration, because the sums of the update depend on it.
    #[must_use]
    pub fn new(network: &Network, samples: &[usize], loss: BatchLoss, update: Option<(&Optimizer, &[Id])>, iteration: u64) -> Self {
        let (tensors, ops, old, derivatives) = (Vec::new(), Vec::new(), HashMap::new(), Vec::new());
        let mut builder = BatchBuilder { network, samples, loss, tensors, ops, old, derivatives };
        let loss = builder.computes(network.loss()).then(|| builder.reduced(network.loss()));
        let mut gradients = HashMap::new();
        let is_updated = |id: Id| update.is_some_and(|(_, learned)| learned.contains(&id));
        for op in network.ops().iter().filter(|op| op.pass == Pass::Backward) {
            // the gradient of a parameter is reduced even if there is no update
            if let Role::Gradient(of) = network.tensor(op.output).role
                && ((network.tensor(of).role == Role::Parameter && builder.computes(op.output)) || is_updated(of))
            {
                let gradient = builder.reduced(op.output);
                // the batch has the old parameter by now only if its penalty reads it; otherwise the update adds it
                builder.derivatives.extend(builder.old.get(&of).map(|old| (*old, gradient)));
                gradients.insert(of, gradient);
            }
        }
        let mut updated = Vec::new();
        if let Some((optimizer, learned)) = update {
            let plan = optimizer.plan(iteration);
            for &parameter in learned {
                updated.push(builder.update(parameter, gradients[&parameter], &plan));
            }
        }
        let BatchBuilder { tensors, ops, derivatives, .. } = builder;
        // every network must name a tensor as its output and its loss; a batch without a loss of its own names any tensor
        let output = loss.unwrap_or(0);
        // the batch has no tensors with the same numbers in every run: even the parameters change. So each run gets all tensors that the ops read
        let shared_tensors = Vec::new();
        let network = Network::new(tensors, ops, network.layers().to_vec(), shared_tensors, output, output, &derivatives);
        Self { network: Arc::new(network), updated, loss }
    }
}

impl BatchBuilder<'_> {
    /// Adds the update of one parameter.
    fn update(&mut self, parameter: Id, gradient: Id, plan: &UpdatePlan) -> UpdatedParameter {
        let TensorInfo { name, symbol, .. } = self.network.tensor(parameter).clone();
        let old = self.old(parameter);
        let state_name = |state: usize| format!("{}.{name}", plan.states[state].prefix);
        let state_symbol = |state: usize| Symbol { kind: SymbolKind::State(plan.states[state].letter), ..symbol.clone() };
        // the states of this iteration that are computed so far
        let mut states: Vec<Id> = Vec::with_capacity(plan.states.len());
        let mut new = old; // the last sum replaces it
        for sum in &plan.sums {
            let mut tensor_of = |builder: &mut Self, operand: UpdateOperand| match operand {
                UpdateOperand::Gradient => gradient,
                UpdateOperand::Old => old,
                UpdateOperand::Previous(state) => {
                    builder.input(parameter, state_name(state), state_symbol(state), BatchSource::State(state, parameter))
                }
                UpdateOperand::State(state) => states[state],
            };
            let mut parts = SmallVec::with_capacity(sum.summands.len());
            for summand in &sum.summands {
                parts.push(self.part_of_update(summand, sum.equation, &mut tensor_of));
            }
            let output = match sum.state {
                Some(state) => self.updated(parameter, state_name(state), state_symbol(state), Role::Value),
                None => self.updated(parameter, name.to_string(), symbol.clone(), Role::Parameter),
            };
            self.ops.push(Op { output, pass: Pass::Update, parts });
            match sum.state {
                Some(_) => states.push(output),
                None => new = output,
            }
        }
        self.derivatives.extend([(old, gradient), (new, gradient)]);
        let kept_states = states.into_iter().enumerate().filter(|(state, _)| plan.states[*state].is_kept);
        UpdatedParameter { parameter, new, states: kept_states.collect() }
    }

    /// Returns the part for one summand. `tensor_of` returns the tensor of an operand.
    fn part_of_update(
        &mut self,
        summand: &UpdateSummand,
        equation: Equation,
        tensor_of: &mut impl FnMut(&mut Self, UpdateOperand) -> Id,
    ) -> Part {
        match *summand {
            UpdateSummand::Scaled(coefficient, right, of) => {
                Part { rule: scaled(coefficient, right, equation), operands: Reads::inputs([tensor_of(self, of)]) }
            }
            UpdateSummand::Squared(coefficient, right, of) => {
                let rule = Squares { coefficient, equation: Equation { right, ..equation } };
                Part { rule: Arc::new(rule), operands: Reads::inputs([tensor_of(self, of)]) }
            }
            UpdateSummand::Rated { coefficient, expr, operand: of, squares, mean, options } => {
                let rule = Rated { coefficient, options, is_centred: mean.is_some(), equation: Equation { right: expr, ..equation } };
                let states = [Some(squares), mean].into_iter().flatten().map(UpdateOperand::State);
                let operands: Vec<Id> = std::iter::once(of).chain(states).map(|of| tensor_of(self, of)).collect();
                Part { rule: Arc::new(rule), operands: Reads::inputs(operands) }
            }
        }
    }
}
