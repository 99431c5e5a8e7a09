//! Gradient descent without a trace: each iteration is computed in the memory of the one before, and its update in the place of the parameters. The terms
//! and their order are those of [`super::Batch`], so the bits are too.

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
    /// Its place among the parameters.
    place: usize,
    gradient: Id,
    /// The velocity of the iteration before, once there is one, where there is momentum.
    velocity: Option<Vec<f64>>,
}

/// Parameters on their way.
#[derive(Debug)]
pub(super) struct Learner<'a> {
    network: &'a Network,
    reduction: BatchReduction,
    sgd: Option<SgdOptions>,
    /// All that does not come from a sample.
    parameters: Given,
    learned: Vec<Learned>,
    /// The runs of the last batch, with its gradients.
    runs: Vec<Run>,
}

/// Entries of which all terms are added before the next: few enough that they stay near the processor.
const CHUNK: usize = 1024;

impl<'a> Learner<'a> {
    /// The beginning of a descent from these parameters.
    pub fn new(network: &'a Network, reduction: BatchReduction, train: Option<&Train>, parameters: Given) -> Self {
        let place: HashMap<Id, usize> = parameters.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
        let gradients = gradients(network);
        let learned = |id: &Id| Some(Learned { place: *place.get(id)?, gradient: *gradients.get(id)?, velocity: None });
        let learned = train.into_iter().flat_map(|train| &train.learned).filter_map(learned).collect();
        Self { network, reduction, sgd: train.map(|train| train.sgd), parameters, learned, runs: Vec::new() }
    }

    /// Computes these samples; their loss, reduced.
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

    /// Updates the parameters with the gradients of the last batch, which are lost.
    pub fn update(&mut self) {
        let Self { reduction, sgd: Some(sgd), parameters, learned, runs, .. } = self else { return };
        let by = coefficient(*reduction, runs.len());
        for run in &mut *runs {
            // the parameters belong to nobody else, so that they need not be copied
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

    /// The parameters as they are now.
    pub fn into_parameters(self) -> HashMap<Id, Arc<Tensor>> {
        self.parameters.into_iter().collect()
    }
}

/// The gradients of tensors, by these.
fn gradients(network: &Network) -> HashMap<Id, Id> {
    let gradient = |id: Id| match network.tensor(id).role {
        Role::Gradient(of) => Some((of, id)),
        _ => None,
    };
    (0..network.tensors().len()).filter_map(gradient).collect()
}
