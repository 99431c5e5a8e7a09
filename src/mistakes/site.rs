//! The places where a mistake is possible. A *site* is one part of a backward op: for y = f(x, …), what this use of x adds to ∂C/∂x.

use std::sync::Arc;

use super::plan::{OpChange, PassChange};
use crate::network::{Id, Network, Op, Part, Role};
use crate::op::downcast::downcast;
use crate::op::rule::Rule;
use crate::op::slot::{Reads, Slot};
use crate::op::stable::StableBackward;
use crate::step::Pass;
use crate::tensor::len;
use crate::trace::Trace;

/// The iteration in which a mistake is searched or planted, with its right values.
#[derive(Clone, Copy, Debug)]
pub(super) struct RightIteration<'a> {
    pub trace: &'a Trace,
    /// The network of the samples.
    pub network: &'a Network,
    /// The learning rate of the update; `None` if it is unknown.
    pub learning_rate: Option<f64>,
}

impl<'a> RightIteration<'a> {
    /// The backward ops of a sample, with their indices in the network.
    pub fn backward_ops(&self) -> impl Iterator<Item = (usize, &'a Op)> + use<'a> {
        self.network.ops().iter().enumerate().filter(|(_, op)| op.pass == Pass::Backward)
    }

    /// The sites of all backward ops.
    pub fn sites(&self) -> Vec<Site<'a>> {
        self.backward_ops().flat_map(|(op, _)| self.sites_of(op)).collect()
    }

    /// The sites of one backward op: its parts that read y.
    pub fn sites_of(&self, number: usize) -> Vec<Site<'a>> {
        let op = &self.network.ops()[number];
        let Role::Gradient(of) = self.network.tensor(op.output).role else { return Vec::new() };
        let site = |(part, Part { rule, operands }): (usize, &'a Part)| {
            // the part that sets ∂J/∂J to 1 reads no y
            let y = operands.get(Slot::Output)?;
            Some(Site { iteration: *self, op: number, part, of, y, rule: unwrapped(rule), operands })
        };
        op.parts.iter().enumerate().filter_map(site).collect()
    }

    /// The number of entries of a tensor.
    pub fn len(&self, id: Id) -> usize {
        len(self.shape(id))
    }

    pub fn shape(&self, id: Id) -> &'a [usize] {
        &self.network.tensor(id).shape
    }

    /// The values of a tensor in the run of the first sample.
    pub fn values(&self, id: Id) -> &'a [f64] {
        self.trace.run(0).values(id)
    }

    /// The name of the place where a tensor is computed: its layer, or the tensor itself if it belongs to no layer, as in a graph.
    pub fn place_of(&self, id: Id) -> String {
        let tensor = self.network.tensor(id);
        tensor.layer.map_or_else(|| tensor.name.to_string(), |layer| self.network.layers()[layer].name.to_string())
    }

    /// Returns whether the network consists of layers.
    pub fn has_layers(&self) -> bool {
        !self.network.layers().is_empty()
    }

    /// The op that computes a tensor, with its number.
    pub fn producer(&self, id: Id) -> Option<(usize, &'a Op)> {
        let number = self.network.producer(id)?;
        Some((number, &self.network.ops()[number]))
    }
}

/// Returns the chain rule of a [`StableBackward`]: the product of upstream and local derivative. Returns any other rule itself. A [`StableBackward`] has the
/// same result if the product is finite; otherwise it computes the right one by a closed formula.
pub(super) fn unwrapped(rule: &Arc<dyn Rule>) -> &Arc<dyn Rule> {
    downcast::<StableBackward>(rule).map_or(rule, |stable| &stable.chain)
}

/// A part of a backward op: what a use of x in y = f(x, …) adds to ∂C/∂x.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub iteration: RightIteration<'a>,
    /// The number of the op.
    pub op: usize,
    /// The index of the part in the op.
    pub part: usize,
    /// The tensor x whose derivative this part contributes to.
    pub of: Id,
    /// The tensor y = f(x, …).
    pub y: Id,
    pub rule: &'a Arc<dyn Rule>,
    pub operands: &'a Reads<Id>,
}

impl<'a> Site<'a> {
    /// The rule, if it has this type.
    pub fn rule_as<T: 'static>(&self) -> Option<&'a T> {
        downcast(self.rule)
    }

    /// Returns the change that gives this part another rule.
    pub fn with_rule(&self, rule: Arc<dyn Rule>) -> PassChange {
        self.with_part(rule, self.operands.clone())
    }

    /// Returns the change that gives this part another rule and other operands.
    pub fn with_part(&self, rule: Arc<dyn Rule>, operands: Reads<Id>) -> PassChange {
        PassChange::sample(self.op, OpChange::Part(self.part, Part { rule, operands }))
    }

    /// Returns the change that makes this part read another tensor in a slot.
    pub fn with_operand(&self, slot: Slot, id: Id) -> PassChange {
        self.with_part(Arc::clone(self.rule), self.operands.clone().with(slot, id))
    }

    /// The op that computes y, with its number.
    pub fn forward(&self) -> Option<(usize, &'a Op)> {
        self.iteration.producer(self.y)
    }

    /// Returns the change of the forward op that computes y: another rule for the part that this site differentiates. That part reads exactly the inputs of
    /// the site. `None` if there is no such part.
    pub fn with_forward_rule(&self, other: impl Fn(&Arc<dyn Rule>) -> Arc<dyn Rule>) -> Option<PassChange> {
        let (number, op) = self.forward()?;
        let inputs: Vec<Id> = self.operands.each().filter(|(slot, _)| matches!(slot, Slot::Input(_))).map(|(_, id)| id).collect();
        let part = op.parts.iter().position(|part| part.operands.iter().eq(&inputs))?;
        let Part { rule, operands } = &op.parts[part];
        Some(PassChange::sample(number, OpChange::Part(part, Part { rule: other(rule), operands: operands.clone() })))
    }

    /// Whether y is the output of the network.
    pub fn is_output(&self) -> bool {
        self.y == self.iteration.network.output()
    }

    /// Whether y is the loss of a network of layers. Then there is no ∂C/∂y to multiply by.
    pub fn is_of_loss(&self) -> bool {
        self.operands.get(Slot::Upstream).is_none()
    }
}
