//! Fast gradient descent for `gradstep train`, which needs no steps. Each iteration uses the memory of the previous one, and the update overwrites the
//! parameters. The results have the same bits as those of [`super::Batch`], because the terms and their order are the same.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::batch::{batch_loss, coefficient, penalty_factor};
use super::optimizer::{Optimizer, UpdateOperand, UpdatePlan, UpdateSum, UpdateSummand};
use super::train::{Given, Train};
use super::{Id, Network, Role, Run};
use crate::op::combination::{add_scaled, scale, set_scaled};
use crate::op::contraction::{Contraction, MatrixShape};
use crate::op::edges::{BilinearRule, X};
use crate::op::loss::BatchLoss;
use crate::op::slot::Slot::Upstream;
use crate::op::update::{add_rated, add_squares};
use crate::tensor::{Tensor, flat, flat_mut};

/// A parameter that is updated.
#[derive(Debug)]
struct Learned {
    /// Its index in [`Learner::parameters`].
    index: usize,
    gradient: ParameterGradient,
    /// The factor of the parameter in its gradient, if the loss has a penalty on it.
    penalty: Option<f64>,
    /// The states of the previous iteration. Empty before the first update, and for a state that the next iteration does not read.
    states: Vec<Vec<f64>>,
}

/// The gradient of a parameter, for one sample.
#[derive(Clone, Copy, Debug)]
enum ParameterGradient {
    /// A tensor that [`Learner::run_samples`] computes.
    Tensor(Id),
    /// The outer product e xᵀ of a linear layer, which is as large as its weight. The update computes it piece by piece, so that it need not be stored and
    /// loaded again.
    OuterProduct {
        /// The shape of the product.
        shape: MatrixShape,
        /// x.
        input: Id,
        /// e.
        error: Id,
    },
}

impl ParameterGradient {
    /// The gradient in the tensor `id`. `is_shared` returns whether a tensor is in [`Learner::parameters`].
    fn new(network: &Network, id: Id, is_shared: impl Fn(Id) -> bool) -> Self {
        let product = || {
            let [part] = &network.ops()[network.producer(id)?].parts[..] else { return None };
            let rule = (part.rule.as_ref() as &dyn Any).downcast_ref::<BilinearRule<Contraction>>()?;
            let (input, error) = (part.operands[X], part.operands[Upstream]);
            // no op may read the product, because it is not stored. x and e must not be parameters, which the update changes while it still reads x and e
            let is_usable = network.readers(id).is_empty() && !is_shared(input) && !is_shared(error);
            rule.outer_product().filter(|_| is_usable).map(|shape| Self::OuterProduct { shape, input, error })
        };
        product().unwrap_or(Self::Tensor(id))
    }

    /// The tensors that [`Learner::run_samples`] must compute.
    fn tensors(self) -> SmallVec<[Id; 2]> {
        match self {
            Self::Tensor(id) => smallvec![id],
            Self::OuterProduct { input, error, .. } => smallvec![input, error],
        }
    }

    /// Copies some entries of the gradient.
    fn copy(self, run: &Run, entries: &Range<usize>, to: &mut [f64]) {
        match self {
            Self::Tensor(id) => to.copy_from_slice(&run.values(id)[entries.clone()]),
            Self::OuterProduct { shape, input, error } => {
                shape.set_part_of_outer_product(run.values(input), run.values(error), entries.start, to);
            }
        }
    }
}

/// A network in training: its current parameters, and the runs of the last batch.
#[derive(Debug)]
pub(super) struct Learner<'a> {
    network: &'a Network,
    loss: BatchLoss,
    optimizer: Option<Optimizer>,
    /// The tensors that are the same for all samples: parameters, constants, and the inputs of a graph.
    parameters: Given,
    /// For each weight with a penalty, in file order, its index in `parameters`.
    weights: Vec<usize>,
    /// The parameters that are updated.
    learned: Vec<Learned>,
    /// The numbers of the ops on which the loss and the gradients of the `learned` parameters depend. The others, such as the gradient of an input, are not
    /// computed.
    ops: Vec<usize>,
    /// The runs of the last batch, one for each sample. They have the gradients.
    runs: Vec<Run>,
    /// Memory in which an update adds up: a chunk for each state, and one for the new parameter.
    sums: Vec<[f64; CHUNK]>,
    /// Memory for a chunk of the gradient: that of the batch, and that of a sample.
    gradients: Box<[[f64; CHUNK]; 2]>,
}

/// The number of entries that are updated together: so few that they stay in the cache until all terms are added.
const CHUNK: usize = 1024;

impl<'a> Learner<'a> {
    /// Starts a descent from these parameters.
    pub fn new(network: &'a Network, loss: BatchLoss, train: Option<&Train>, parameters: Given) -> Self {
        let indices: HashMap<Id, usize> = parameters.iter().enumerate().map(|(index, (id, _))| (*id, index)).collect();
        let gradients = gradients(network);
        let penalised: Vec<Id> = network.weights().filter(|_| loss.l2 != 0.0).collect();
        let learned = |id: &Id| {
            let penalty = penalised.contains(id).then(|| penalty_factor(loss.l2));
            let gradient = ParameterGradient::new(network, *gradients.get(id)?, |id| indices.contains_key(&id));
            Some(Learned { index: *indices.get(id)?, gradient, penalty, states: Vec::new() })
        };
        let learned: Vec<_> = train.into_iter().flat_map(|train| &train.learned).filter_map(learned).collect();
        let wanted = learned.iter().flat_map(|learned| learned.gradient.tensors()).chain([network.loss()]);
        let ops = ops_before(network, wanted.collect());
        let weights = penalised.iter().map(|id| indices[id]).collect();
        Self {
            network,
            loss,
            optimizer: train.map(|train| train.optimizer),
            parameters,
            weights,
            learned,
            ops,
            runs: Vec::new(),
            sums: Vec::new(),
            gradients: Box::new([[0.0; CHUNK]; 2]),
        }
    }

    /// Computes the runs of these samples, and returns the loss of the batch.
    pub fn run_samples<'s>(&mut self, samples: impl ExactSizeIterator<Item = &'s Given>) -> f64 {
        let Self { network, parameters, runs, ops, .. } = self;
        let count = samples.len();
        runs.truncate(count);
        runs.resize_with(count, || Run::empty(network));
        for (run, sample) in runs.iter_mut().zip(samples) {
            run.rerun_ops(network, [parameters, sample], ops.iter().copied());
        }
        let weights = self.weights.iter().map(|index| flat(&self.parameters[*index].1));
        batch_loss(self.loss, self.runs.iter().map(|run| run.values(self.network.loss())[0]), weights)
    }

    /// Updates the parameters with the gradients of the last batch, which belongs to this iteration (from 1).
    pub fn update(&mut self, iteration: u64) {
        let Self { loss, optimizer: Some(optimizer), parameters, learned, runs, sums, gradients, .. } = self else { return };
        let coefficient = coefficient(loss.reduction, runs.len());
        for run in &mut *runs {
            // the runs drop their references to the parameters, so that `Arc::make_mut` makes no copy
            for (id, _) in &*parameters {
                run.forget(*id);
            }
        }
        let [first, others @ ..] = &runs[..] else { return };
        let plan = optimizer.plan(iteration);
        sums.resize(plan.states.len() + 1, [0.0; CHUNK]);
        let [batch_gradient, sample_gradient] = &mut **gradients;
        for Learned { index, gradient, penalty, states } in learned {
            let parameter = flat_mut(Arc::make_mut(&mut parameters[*index].1));
            let initial = optimizer.initial_state().unwrap_or(0.0);
            let initial_numbers = |state: usize| if plan.states[state].is_kept { vec![initial; parameter.len()] } else { Vec::new() };
            if states.is_empty() {
                *states = (0..plan.states.len()).map(initial_numbers).collect();
            }
            for begin in (0..parameter.len()).step_by(CHUNK) {
                let chunk = begin..parameter.len().min(begin + CHUNK);
                let (w, g) = (&mut parameter[chunk.clone()], &mut batch_gradient[..chunk.len()]);
                gradient.copy(first, &chunk, g);
                if !others.is_empty() {
                    scale(coefficient, g);
                    for run in others {
                        let sample_gradient = &mut sample_gradient[..chunk.len()];
                        gradient.copy(run, &chunk, sample_gradient);
                        add_scaled(coefficient, sample_gradient, g);
                    }
                }
                if penalty.is_some() {
                    add_scaled(*penalty, w, g);
                }
                update_chunk(&plan, g, w, states, &chunk, sums);
            }
        }
    }

    /// Returns the current parameters.
    pub fn into_parameters(self) -> HashMap<Id, Arc<Tensor>> {
        self.parameters.into_iter().collect()
    }
}

/// Computes the sums of an update for one chunk of a parameter `w` with the gradient `g`. Overwrites `w` and the chunk of each kept state. `sums` is memory for
/// intermediate results.
fn update_chunk(plan: &UpdatePlan, g: &[f64], w: &mut [f64], states: &mut [Vec<f64>], chunk: &Range<usize>, sums: &mut [[f64; CHUNK]]) {
    let len = chunk.len();
    for UpdateSum { state, summands, .. } in &plan.sums {
        if let (
            None,
            [UpdateSummand::Scaled(None, _, UpdateOperand::Old), UpdateSummand::Scaled(coefficient, _, UpdateOperand::Gradient)],
        ) = (state, &summands[..])
        {
            // w ← w + c g, in place
            add_scaled(*coefficient, g, w);
            continue;
        }
        // the earlier states are computed already; the chunk of the new parameter comes after those of all states
        let (computed, not_computed) = sums.split_at_mut(state.unwrap_or(plan.states.len()));
        let sum = &mut not_computed[0][..len];
        let numbers_of = |operand: UpdateOperand| match operand {
            UpdateOperand::Gradient => g,
            UpdateOperand::Old => &*w,
            UpdateOperand::Previous(state) => &states[state][chunk.clone()],
            UpdateOperand::State(state) => &computed[state][..len],
        };
        // −0 + x has the bits of x for every x, so a first summand that is scaled is simply stored
        let is_set = if let Some(UpdateSummand::Scaled(coefficient, _, of)) = summands.first() {
            set_scaled(*coefficient, numbers_of(*of), sum);
            true
        } else {
            sum.fill(-0.0);
            false
        };
        for summand in summands.iter().skip(usize::from(is_set)) {
            match *summand {
                UpdateSummand::Scaled(coefficient, _, of) => add_scaled(coefficient, numbers_of(of), sum),
                UpdateSummand::Squared(coefficient, _, of) => add_squares(coefficient, numbers_of(of), sum),
                UpdateSummand::Rated { coefficient, operand: of, squares, mean, options, .. } => {
                    let mean = mean.map(|state| numbers_of(UpdateOperand::State(state)));
                    add_rated(coefficient, numbers_of(of), numbers_of(UpdateOperand::State(squares)), mean, options, sum);
                }
            }
        }
        if state.is_none() {
            // the last sum
            w.copy_from_slice(sum);
        }
    }
    for (state, sum) in states.iter_mut().zip(&*sums).filter(|(state, _)| !state.is_empty()) {
        state[chunk.clone()].copy_from_slice(&sum[..len]);
    }
}

/// Returns the numbers of the ops on which these tensors depend, in ascending order.
fn ops_before(network: &Network, mut wanted: Vec<Id>) -> Vec<usize> {
    let mut is_needed = vec![false; network.ops().len()];
    while let Some(id) = wanted.pop() {
        if let Some(op) = network.producer(id).filter(|op| !is_needed[*op]) {
            is_needed[op] = true;
            wanted.extend(network.ops()[op].parts.iter().flat_map(|part| part.operands.each().map(|(_, id)| id)));
        }
    }
    (0..is_needed.len()).filter(|op| is_needed[*op]).collect()
}

/// Returns a map from each tensor x to its tensor ∂C/∂x.
fn gradients(network: &Network) -> HashMap<Id, Id> {
    let gradient = |id: Id| match network.tensor(id).role {
        Role::Gradient(of) => Some((of, id)),
        _ => None,
    };
    (0..network.tensors().len()).filter_map(gradient).collect()
}
