//! Fast gradient descent for `gradstep train`, which needs no steps. Each iteration reuses the memory of the previous iteration, and the update overwrites the
//! parameters. The results have the same bits as those of [`super::Batch`], because the terms and their order are the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::batch::{SgdOptions, coefficient, reduced_loss};
use super::train::{Given, Train};
use super::{Id, Network, Role, Run};
use crate::op::combination::{add_scaled, scale};
use crate::op::loss::BatchReduction;
use crate::tensor::{Tensor, flat_mut};

/// A parameter that is updated.
#[derive(Debug)]
struct Learned {
    /// Its index in [`Learner::parameters`].
    index: usize,
    gradient: Id,
    /// The velocity of the previous iteration; `None` without momentum and in the first iteration.
    velocity: Option<Vec<f64>>,
}

/// A network that learns: its current parameters, and the runs of the last batch.
#[derive(Debug)]
pub(super) struct Learner<'a> {
    network: &'a Network,
    reduction: BatchReduction,
    sgd: Option<SgdOptions>,
    /// The tensors that are the same for all samples: parameters, constants, and the inputs of a graph.
    parameters: Given,
    /// The parameters that are updated.
    learned: Vec<Learned>,
    /// The runs of the last batch, one per sample, which have the gradients.
    runs: Vec<Run>,
}

/// The number of entries that are updated together: few enough to stay in the cache until all terms are added.
const CHUNK: usize = 1024;

impl<'a> Learner<'a> {
    /// Starts a descent from these parameters.
    pub fn new(network: &'a Network, reduction: BatchReduction, train: Option<&Train>, parameters: Given) -> Self {
        let indices: HashMap<Id, usize> = parameters.iter().enumerate().map(|(index, (id, _))| (*id, index)).collect();
        let gradients = gradients(network);
        let learned = |id: &Id| Some(Learned { index: *indices.get(id)?, gradient: *gradients.get(id)?, velocity: None });
        let learned = train.into_iter().flat_map(|train| &train.learned).filter_map(learned).collect();
        Self { network, reduction, sgd: train.map(|train| train.sgd), parameters, learned, runs: Vec::new() }
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
        reduced_loss(self.reduction, self.runs.iter().map(|run| run.values(self.network.loss())[0]))
    }

    /// Updates the parameters with the gradients of the last batch. The gradients of the first sample are overwritten with intermediate results.
    pub fn update(&mut self) {
        let Self { reduction, sgd: Some(sgd), parameters, learned, runs, .. } = self else { return };
        let coefficient = coefficient(*reduction, runs.len());
        for run in &mut *runs {
            // without the runs' references to the parameters, `Arc::make_mut` makes no copy
            for (id, _) in &*parameters {
                run.forget(*id);
            }
        }
        let [first, others @ ..] = &mut runs[..] else { return };
        for Learned { index, gradient: id, velocity } in learned {
            let parameter = flat_mut(Arc::make_mut(&mut parameters[*index].1));
            let gradient = first.values_mut(*id);
            for begin in (0..gradient.len()).step_by(CHUNK) {
                let chunk = begin..gradient.len().min(begin + CHUNK);
                let (w, g) = (&mut parameter[chunk.clone()], &mut gradient[chunk.clone()]);
                // g becomes the reduced gradient, then the velocity
                if !others.is_empty() {
                    scale(coefficient, g);
                    for run in others.iter() {
                        add_scaled(coefficient, &run.values(*id)[chunk.clone()], g);
                    }
                }
                if sgd.weight_decay != 0.0 {
                    add_scaled(Some(sgd.weight_decay), w, g);
                }
                if let Some(velocity) = velocity {
                    add_scaled(Some(sgd.momentum), &velocity[chunk], g);
                }
                add_scaled(Some(-sgd.learning_rate), g, w);
            }
            if sgd.momentum != 0.0 {
                match velocity {
                    Some(velocity) => velocity.copy_from_slice(gradient),
                    None => *velocity = Some(gradient.to_vec()),
                }
            }
        }
    }

    /// Returns the current parameters.
    pub fn into_parameters(self) -> HashMap<Id, Arc<Tensor>> {
        self.parameters.into_iter().collect()
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
