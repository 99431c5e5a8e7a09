//! Fast gradient descent for `gradstep train`, which needs no steps. Each iteration uses the memory of the previous one, and the update overwrites the
//! parameters. The results have the same bits as those of [`super::Batch`], because the terms and their order are the same.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::batch::{batch_loss, coefficient, penalty_factor};
use super::optimizer::{Optimizer, UpdateOperand, UpdatePlan, UpdateSum, UpdateSummand};
use super::train::{Given, Train};
use super::{Id, Network, Role, Run};
use crate::op::combination::{add_scaled, scale, set_scaled};
use crate::op::loss::BatchLoss;
use crate::op::update::{add_rated, add_squares};
use crate::tensor::{Tensor, flat, flat_mut};

/// A parameter that is updated.
#[derive(Debug)]
struct Learned {
    /// Its index in [`Learner::parameters`].
    index: usize,
    gradient: Id,
    /// The factor of the parameter in its gradient, if the loss has a penalty on it.
    penalty: Option<f64>,
    /// The states of the previous iteration. Empty before the first update, and for a state that the next iteration does not read.
    states: Vec<Vec<f64>>,
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
    /// The runs of the last batch, one for each sample. They have the gradients.
    runs: Vec<Run>,
    /// Memory in which an update adds up: a chunk for each state, and one for the new parameter.
    sums: Vec<[f64; CHUNK]>,
}

/// The number of entries that are updated together. It is so small that they stay in the cache until all terms are added.
const CHUNK: usize = 1024;

impl<'a> Learner<'a> {
    /// Starts a descent from these parameters.
    pub fn new(network: &'a Network, loss: BatchLoss, train: Option<&Train>, parameters: Given) -> Self {
        let indices: HashMap<Id, usize> = parameters.iter().enumerate().map(|(index, (id, _))| (*id, index)).collect();
        let gradients = gradients(network);
        let weights: Vec<Id> = network.weights().filter(|_| loss.l2 != 0.0).collect();
        let learned = |id: &Id| {
            let penalty = weights.contains(id).then(|| penalty_factor(loss.l2));
            Some(Learned { index: *indices.get(id)?, gradient: *gradients.get(id)?, penalty, states: Vec::new() })
        };
        let learned = train.into_iter().flat_map(|train| &train.learned).filter_map(learned).collect();
        let weights = weights.iter().map(|id| indices[id]).collect();
        Self {
            network,
            loss,
            optimizer: train.map(|train| train.optimizer),
            parameters,
            weights,
            learned,
            runs: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Computes the runs of these samples, and returns the loss of the batch.
    pub fn pass<'s>(&mut self, samples: impl ExactSizeIterator<Item = &'s Given>) -> f64 {
        let Self { network, parameters, runs, .. } = self;
        let mut spare = std::mem::take(runs).into_iter();
        let mut given = Given::new();
        for sample in samples {
            given.clear();
            given.extend(parameters.iter().chain(sample).map(|(id, tensor)| (*id, Arc::clone(tensor))));
            runs.push(match spare.next() {
                Some(run) => run.rerun(network, &given),
                None => Run::new(network, &given),
            });
        }
        let weights = self.weights.iter().map(|index| flat(&self.parameters[*index].1));
        batch_loss(self.loss, self.runs.iter().map(|run| run.values(self.network.loss())[0]), weights)
    }

    /// Updates the parameters with the gradients of the last batch, which belongs to this iteration (from 1). The gradients of the batch overwrite those of its
    /// first sample.
    pub fn update(&mut self, iteration: u64) {
        let Self { loss, optimizer: Some(optimizer), parameters, learned, runs, sums, .. } = self else { return };
        let coefficient = coefficient(loss.reduction, runs.len());
        for run in &mut *runs {
            // the runs drop their references to the parameters, so that `Arc::make_mut` makes no copy
            for (id, _) in &*parameters {
                run.forget(*id);
            }
        }
        let [first, others @ ..] = &mut runs[..] else { return };
        let plan = optimizer.plan(iteration);
        sums.resize(plan.states.len() + 1, [0.0; CHUNK]);
        for Learned { index, gradient: id, penalty, states } in learned {
            let parameter = flat_mut(Arc::make_mut(&mut parameters[*index].1));
            let gradient = first.values_mut(*id);
            let initial = optimizer.initial_state().unwrap_or(0.0);
            let kept = |state: usize| if plan.states[state].is_kept { vec![initial; gradient.len()] } else { Vec::new() };
            if states.is_empty() {
                *states = (0..plan.states.len()).map(kept).collect();
            }
            for begin in (0..gradient.len()).step_by(CHUNK) {
                let chunk = begin..gradient.len().min(begin + CHUNK);
                let (w, g) = (&mut parameter[chunk.clone()], &mut gradient[chunk.clone()]);
                // g is now the gradient of the batch
                if !others.is_empty() {
                    scale(coefficient, g);
                    for run in others.iter() {
                        add_scaled(coefficient, &run.values(*id)[chunk.clone()], g);
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
        let (computed, rest) = sums.split_at_mut(state.unwrap_or(plan.states.len()));
        let sum = &mut rest[0][..len];
        let operand = |operand: UpdateOperand| match operand {
            UpdateOperand::Gradient => g,
            UpdateOperand::Old => &*w,
            UpdateOperand::Previous(state) => &states[state][chunk.clone()],
            UpdateOperand::State(state) => &computed[state][..len],
        };
        // −0 + x has the bits of x for every x, so the first summand is simply stored
        let is_set = if let Some(UpdateSummand::Scaled(coefficient, _, of)) = summands.first() {
            set_scaled(*coefficient, operand(*of), sum);
            true
        } else {
            sum.fill(-0.0);
            false
        };
        for summand in summands.iter().skip(usize::from(is_set)) {
            match *summand {
                UpdateSummand::Scaled(coefficient, _, of) => add_scaled(coefficient, operand(of), sum),
                UpdateSummand::Squared(coefficient, _, of) => add_squares(coefficient, operand(of), sum),
                UpdateSummand::Rated { coefficient, operand: of, squares, mean, options, .. } => {
                    let mean = mean.map(|state| operand(UpdateOperand::State(state)));
                    add_rated(coefficient, operand(of), operand(UpdateOperand::State(squares)), mean, options, sum);
                }
            }
        }
    }
    w.copy_from_slice(&sums[plan.states.len()][..len]);
    for (state, sum) in states.iter_mut().zip(&*sums).filter(|(state, _)| !state.is_empty()) {
        state[chunk.clone()].copy_from_slice(&sum[..len]);
    }
}

/// Returns a map from each tensor x to its tensor ∂C/∂x.
fn gradients(network: &Network) -> HashMap<Id, Id> {
    let gradient = |id: Id| match network.tensor(id).role {
        Role::Gradient(of) => Some((of, id)),
        _ => None,
    };
    (0..network.tensors().len()).filter_map(gradient).collect()
}
