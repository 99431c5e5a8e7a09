//! Gradient descent without a trace, in place: each iteration reuses the memory of the previous one, and the update overwrites the parameters. The terms and
//! their order are those of [`super::Batch`], so the results have the same bits.

use std::collections::HashMap;
use std::sync::Arc;

use super::batch::{SgdOptions, coefficient, reduced};
use super::train::{Given, Train};
use super::{Id, Network, Role, Run};
use crate::op::combination::{add_scaled, scale};
use crate::op::loss::BatchReduction;
use crate::tensor::{Tensor, flat_mut};

/// A parameter that is updated.
#[derive(Debug)]
struct Learned {
    /// Its index among the parameters.
    place: usize,
    gradient: Id,
    /// The velocity of the previous iteration, if there is one and momentum is used.
    velocity: Option<Vec<f64>>,
}

/// The parameters of a network that learns, with the memory of its runs.
#[derive(Debug)]
pub(super) struct Learner<'a> {
    network: &'a Network,
    reduction: BatchReduction,
    sgd: Option<SgdOptions>,
    /// The tensors that are the same for all samples.
    parameters: Given,
    learned: Vec<Learned>,
    /// The runs of the last batch, with its gradients.
    runs: Vec<Run>,
}

/// The number of entries that are updated at a time, small enough to stay in the cache.
const CHUNK: usize = 1024;

impl<'a> Learner<'a> {
    /// Starts a descent from these parameters.
    pub fn new(network: &'a Network, reduction: BatchReduction, train: Option<&Train>, parameters: Given) -> Self {
        let place: HashMap<Id, usize> = parameters.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
        let gradients = gradients(network);
        let learned = |id: &Id| Some(Learned { place: *place.get(id)?, gradient: *gradients.get(id)?, velocity: None });
        let learned = train.into_iter().flat_map(|train| &train.learned).filter_map(learned).collect();
        Self { network, reduction, sgd: train.map(|train| train.sgd), parameters, learned, runs: Vec::new() }
    }

    /// Computes these samples, and returns the loss of the batch.
    pub fn pass<'s>(&mut self, samples: impl ExactSizeIterator<Item = &'s Given>) -> f64 {
        let Self { network, parameters, runs, .. } = self;
        let mut spare = std::mem::take(runs).into_iter();
        let mut given = Given::new();
        for sample in samples {
            given.clear();
            given.extend(parameters.iter().chain(sample).map(|(id, tensor)| (*id, Arc::clone(tensor))));
            runs.push(match spare.next() {
                Some(run) => run.again(network, &given),
                None => Run::new(network, &given),
            });
        }
        reduced(self.reduction, self.runs.iter().map(|run| run.values(self.network.loss())[0]))
    }

    /// Updates the parameters with the gradients of the last batch, and overwrites these.
    pub fn update(&mut self) {
        let Self { reduction, sgd: Some(sgd), parameters, learned, runs, .. } = self else { return };
        let by = coefficient(*reduction, runs.len());
        for run in &mut *runs {
            // drop the runs' references to the parameters, so that the update needs no copy
            for (id, _) in &*parameters {
                run.forget(*id);
            }
        }
        let [first, others @ ..] = &mut runs[..] else { return };
        for Learned { place, gradient: id, velocity } in learned {
            let parameter = flat_mut(Arc::make_mut(&mut parameters[*place].1));
            let gradient = first.own(*id);
            for begin in (0..gradient.len()).step_by(CHUNK) {
                let here = begin..gradient.len().min(begin + CHUNK);
                let (w, g) = (&mut parameter[here.clone()], &mut gradient[here.clone()]);
                if !others.is_empty() {
                    scale(by, g);
                    for run in others.iter() {
                        add_scaled(by, &run.values(*id)[here.clone()], g);
                    }
                }
                if sgd.weight_decay != 0.0 {
                    add_scaled(Some(sgd.weight_decay), w, g);
                }
                if let Some(velocity) = velocity {
                    add_scaled(Some(sgd.momentum), &velocity[here], g);
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

/// Maps each tensor to the derivative of the loss by it.
fn gradients(network: &Network) -> HashMap<Id, Id> {
    let gradient = |id: Id| match network.tensor(id).role {
        Role::Gradient(of) => Some((of, id)),
        _ => None,
    };
    (0..network.tensors().len()).filter_map(gradient).collect()
}
