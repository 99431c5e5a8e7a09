//! A gradient of the trace that a user's tensor can be compared with.

use std::borrow::Cow;

use crate::network::{BatchSource, Id};
use crate::step::{Address, Location, Scope};
use crate::tensor::{len, unravel};
use crate::trace::Trace;

/// The loss C of a gradient ∂C/∂x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossOf {
    /// The loss of one sample alone. The number is the index of its run in [`Trace::runs`].
    Sample(usize),
    /// The loss of the batch: the mean or the sum of the samples' losses, plus the penalty of the weights.
    Batch,
}

/// The gradient ∂C/∂x of a loss C with respect to a tensor x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gradient {
    /// The tensor x in the samples' network.
    pub of: Id,
    /// The loss C.
    pub loss: LossOf,
}

impl Gradient {
    /// Returns the run that computes the gradient and the tensor ∂C/∂x in the network of this run. `None` if the network computes no such gradient, for
    /// example if x reaches the loss only through a `detach`, or if x is a value of each sample and C is the loss of several samples.
    #[must_use]
    pub fn find(&self, trace: &Trace) -> Option<(usize, Id)> {
        let gradient = trace.network().gradient_of(self.of)?;
        match self.loss {
            LossOf::Sample(run) => Some((run, gradient)),
            LossOf::Batch => trace.in_batch(gradient).or_else(|| (trace.samples() == 1).then_some((0, gradient))),
        }
    }

    /// The numbers of the trace, with which those of the user are compared; all are 0 if the network does not compute the gradient (see [`Self::find`]).
    #[must_use]
    pub fn right<'a>(&self, trace: &'a Trace) -> Cow<'a, [f64]> {
        match self.find(trace) {
            Some((run, gradient)) => Cow::Borrowed(trace.run(run).values(gradient)),
            None => Cow::Owned(vec![0.0; len(self.shape(trace))]),
        }
    }

    /// The shape of the tensor and of its gradient.
    #[must_use]
    pub fn shape<'a>(&self, trace: &'a Trace) -> &'a [usize] {
        &trace.network().tensor(self.of).shape
    }

    /// The name of the tensor: `conv1.weight`; `2:conv1.z` for the loss of the sample with this number in the file, from 1.
    #[must_use]
    pub fn name(&self, trace: &Trace) -> String {
        let name = &trace.network().tensor(self.of).name;
        match self.loss {
            LossOf::Sample(run) if trace.samples() > 1 => format!("{}:{name}", number(trace, run)),
            _ => name.to_string(),
        }
    }

    /// The position of the gradient in the order of computation: its run, its op and, to tell two gradients of one op apart, its tensor. If C is
    /// the batch's loss, but ∂C/∂x is computed only for the loss of each sample, the gradient has the position of that of the first sample. A gradient that is
    /// not computed at all comes after the others.
    #[must_use]
    pub fn order(&self, trace: &Trace) -> (usize, usize, Id) {
        let of_sample = || trace.network().gradient_of(self.of).map(|gradient| (0, gradient));
        let place = self.find(trace).or_else(of_sample);
        let position = place.and_then(|(run, gradient)| Some((run, trace.network_of(run).producer(gradient)?)));
        let (run, op) = position.unwrap_or((usize::MAX, usize::MAX));
        (run, op, self.of)
    }

    /// The address of an entry of the gradient in the stepper, `2:grad.conv1.z[0,1,1]`; without `entry`, that of its op. `None` if the gradient is
    /// not computed.
    #[must_use]
    pub fn address(&self, trace: &Trace, entry: Option<usize>) -> Option<Address> {
        let (run, gradient) = self.find(trace)?;
        let info = trace.network_of(run).tensor(gradient);
        let scope = match trace.runs()[run].sample {
            None => Scope::Reduce,
            _ if trace.samples() == 1 => Scope::Any,
            Some(sample) => Scope::Sample(sample + 1),
        };
        let index = entry.map(|entry| unravel(entry, &info.shape)).filter(|index| !index.is_empty());
        Some(Location::Op { scope, name: info.name.to_string(), index, term: None }.into())
    }
}

/// The number of the sample of a run in the file, from 1.
fn number(trace: &Trace, run: usize) -> usize {
    trace.runs()[run].sample.map_or(run, |sample| sample) + 1
}

/// Returns the gradients of the samples whose sum or mean is a gradient of the batch, each with its run; `None` for a gradient of one sample.
pub(super) fn reduced_from(trace: &Trace, run: usize, gradient: Id) -> Option<Vec<(usize, Id)>> {
    if trace.runs()[run].sample.is_some() {
        return None;
    }
    let network = trace.network_of(run);
    let op = &network.ops()[network.producer(gradient)?];
    let sources = op.parts.iter().flat_map(|part| part.operands.each()).filter_map(|(_, id)| network.tensor(id).source);
    Some(sources.filter_map(|source| if let BatchSource::Sample(run, id) = source { Some((run, id)) } else { None }).collect())
}
