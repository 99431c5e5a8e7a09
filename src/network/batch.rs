//! The ops of a batch: they reduce the losses and gradients of its samples to one sum or mean, and update the parameters with PyTorch's SGD.
//!
//! ```text
//! reduce   C = Σₛ Cₛ / n,  g = Σₛ ∂Cₛ/∂w / n
//! update   v ← μ v + (g + λ w),  w ← w − η v
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use super::{Id, Network, Op, Part, Role, Symbol, TensorInfo};
use crate::expr::{Expr, Join, whole};
use crate::op::constant_weights::{ConstantWeights, Weights};
use crate::op::contraction::Contraction;
use crate::op::loss::BatchReduction;
use crate::op::rule::{Equation, Function, Gist, Rule};
use crate::op::slot::Reads;
use crate::step::Pass;

/// The hyperparameters of PyTorch's SGD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// η in w ← w − η v.
    pub learning_rate: f64,
    /// μ in v ← μ v + g.
    pub momentum: f64,
    /// λ in g ← g + λ w.
    pub weight_decay: f64,
}

/// The source of an input of the batch's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSource {
    /// A tensor of a sample (from 0) of the batch.
    Sample(usize, Id),
    /// A parameter before the update.
    Parameter(Id),
    /// A parameter's velocity of the previous iteration.
    Velocity(Id),
}

/// The ops of a batch, with the sources of their inputs.
#[derive(Debug)]
pub struct Batch {
    /// The ops of the reduce pass, then those of the update pass.
    pub network: Arc<Network>,
    /// The inputs of this network, with their sources.
    pub reads: Vec<(Id, BatchSource)>,
    /// For each updated parameter: its tensor in the samples' network, its new value in the batch's network, and its velocity there, if any.
    pub updated: Vec<(Id, Id, Option<Id>)>,
    /// The batch's loss; `None` for a batch with one sample.
    pub loss: Option<Id>,
}

const REDUCE: Equation = Equation {
    right: whole::X,
    name: "over the samples of the batch",
    gist: Gist::None,
    words: "Every sample has its own loss and its own gradient. The batch takes their mean, so that its size does not change how far a step goes.",
};
const TOTAL: Equation = Equation {
    right: whole::X,
    name: "over the samples of the batch",
    gist: Gist::None,
    words: "Every sample has its own loss and its own gradient. The batch adds them up.",
};
const STEP: Equation = Equation {
    right: whole::X,
    name: "gradient descent",
    gist: Gist::Words("a step against the gradient"),
    words: "The gradient points to where the loss grows fastest. So the parameter goes a little way, the learning rate η, in the opposite direction.",
};
const STEP_BY_VELOCITY: Equation = Equation {
    right: whole::X,
    name: "gradient descent",
    gist: Gist::Words("a step against the velocity"),
    words: "The velocity v stands for the gradient here. The parameter goes a little way, the learning rate η, in the opposite direction.",
};

/// Returns the equation of a velocity, with weight decay if `decays` and with the previous velocity if `moves`. `first`: there is momentum, but no previous
/// velocity yet.
fn velocity_equation(decays: bool, moves: bool, first: bool) -> Equation {
    let words = match (decays, moves) {
        (false, false) => "This is the first iteration: there is no velocity before it, so it is the gradient itself.",
        (false, true) => {
            "The step is not taken along the gradient alone: momentum μ keeps a part of the velocity of the iteration before, and with it of the way that was taken before."
        }
        (true, false) if first => {
            "The step is not taken along the gradient alone: weight decay λ pulls the parameter towards 0. There is no velocity before the first iteration."
        }
        (true, false) => "The step is not taken along the gradient alone: weight decay λ pulls the parameter towards 0.",
        (true, true) => {
            "The step is not taken along the gradient alone: weight decay λ pulls the parameter towards 0, and momentum μ keeps a part of the way that was taken before."
        }
    };
    Equation { right: whole::X, name: "the velocity of gradient descent", gist: Gist::None, words }
}

/// Returns the coefficient of each of `samples` samples: 1/n for a mean, `None` for 1.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ samples
pub(super) fn coefficient(reduction: BatchReduction, samples: usize) -> Option<f64> {
    (samples > 1 && reduction == BatchReduction::Mean).then(|| 1.0 / samples as f64)
}

/// Returns the batch's loss, with the terms and the order of the reduce pass.
pub(super) fn reduced(reduction: BatchReduction, losses: impl ExactSizeIterator<Item = f64>) -> f64 {
    let by = coefficient(reduction, losses.len());
    losses.fold(-0.0, |sum, loss| sum + by.map_or(loss, |by| by * loss))
}

/// A batch under construction.
struct BatchBuilder<'a> {
    network: &'a Network,
    /// The samples' numbers in the file, from 1.
    samples: &'a [usize],
    tensors: Vec<TensorInfo>,
    ops: Vec<Op>,
    reads: Vec<(Id, BatchSource)>,
    /// Each parameter, before and after the update, with its gradient.
    derivatives: Vec<(Id, Id)>,
}

/// One term of a linear combination: the coefficient, its expression, and the tensor.
type Summand = (Option<f64>, Expr, Id);

fn scaled(by: Option<f64>, right: Expr, equation: Equation) -> Arc<dyn Rule> {
    let equation = Equation { right, ..equation };
    ConstantWeights::new(Contraction::elementwise(), by.map_or(Weights::Unweighted, Weights::Uniform), equation, equation).forward()
}

impl BatchBuilder<'_> {
    fn tensor(&mut self, like: Id, name: String, symbol: Symbol, role: Role) -> Id {
        let like = self.network.tensor(like).clone();
        self.tensors.push(TensorInfo { name: name.into(), symbol, role, ..like });
        self.tensors.len() - 1
    }

    fn given(&mut self, like: Id, name: String, symbol: Symbol, from: BatchSource) -> Id {
        let id = self.tensor(like, name, symbol, Role::Input { learns: false });
        self.reads.push((id, from));
        id
    }

    fn combine(&mut self, output: Id, pass: Pass, equation: Equation, summands: &[Summand]) {
        let part = |&(by, right, id): &Summand| Part { rule: scaled(by, right, equation), operands: Reads::inputs([id]) };
        self.ops.push(Op { output, pass, parts: summands.iter().map(part).collect() });
    }

    /// Adds the reduction of a tensor over all samples, or the tensor itself if there is only one sample.
    fn reduced(&mut self, of: Id, reduction: BatchReduction) -> Id {
        let TensorInfo { name, symbol, .. } = self.network.tensor(of).clone();
        if let [_] = self.samples {
            return self.given(of, name.to_string(), symbol, BatchSource::Sample(0, of));
        }
        let by = coefficient(reduction, self.samples.len());
        let (right, equation) = match reduction {
            BatchReduction::Mean => (Expr::Product(Join::Matrix, &[whole::SHARE, whole::X]), REDUCE),
            BatchReduction::Sum => (whole::X, TOTAL),
        };
        // shared by all samples, because there may be many
        let rule = scaled(by, right, equation);
        let mut parts = Vec::with_capacity(self.samples.len());
        self.tensors.reserve(self.samples.len());
        self.reads.reserve(self.samples.len());
        for (n, sample) in self.samples.iter().enumerate() {
            let symbol = symbol.clone().of_sample(*sample, &self.network.tensor(self.network.loss()).symbol.letter);
            let given = self.given(of, format!("{sample}:{name}"), symbol, BatchSource::Sample(n, of));
            parts.push(Part { rule: Arc::clone(&rule), operands: Reads::inputs([given]) });
        }
        let output = self.tensor(of, name.to_string(), symbol, Role::Reduced(of));
        self.ops.push(Op { output, pass: Pass::Reduce, parts });
        output
    }
}

impl Batch {
    /// Creates the ops for a batch of these samples (numbers in the file, from 1). `update`: the parameters to update, and how. `first`: the first iteration,
    /// which has no previous velocity.
    #[must_use]
    pub fn new(network: &Network, samples: &[usize], reduction: BatchReduction, update: Option<(&SgdOptions, &[Id])>, first: bool) -> Self {
        let mut b = BatchBuilder { network, samples, tensors: Vec::new(), ops: Vec::new(), reads: Vec::new(), derivatives: Vec::new() };
        let loss = (samples.len() > 1).then(|| b.reduced(network.loss(), reduction));
        let mut gradients = HashMap::new();
        let updates = |id: Id| update.is_some_and(|(_, learned)| learned.contains(&id));
        for op in network.ops().iter().filter(|op| op.pass == Pass::Backward) {
            if let Role::Gradient(of) = network.tensor(op.output).role
                && ((network.tensor(of).role == Role::Parameter && samples.len() > 1) || updates(of))
            {
                gradients.insert(of, b.reduced(op.output, reduction));
            }
        }
        let mut new_values = Vec::new();
        if let Some((sgd, learned)) = update {
            for &parameter in learned {
                new_values.push(b.update(parameter, gradients[&parameter], sgd, first));
            }
        }
        let BatchBuilder { tensors, ops, reads, derivatives, .. } = b;
        let network = Network::of(tensors, ops, network.layers().to_vec(), Vec::new(), loss.unwrap_or(0), loss.unwrap_or(0), &derivatives);
        Self { network: Arc::new(network), reads, updated: new_values, loss }
    }
}

impl BatchBuilder<'_> {
    fn update(&mut self, parameter: Id, gradient: Id, sgd: &SgdOptions, first: bool) -> (Id, Id, Option<Id>) {
        let TensorInfo { name, symbol, .. } = self.network.tensor(parameter).clone();
        let old = self.given(parameter, name.to_string(), symbol.clone(), BatchSource::Parameter(parameter));
        let velocity = (sgd.momentum != 0.0 || sgd.weight_decay != 0.0).then(|| {
            let v = Symbol { kind: super::SymbolKind::Velocity, ..symbol.clone() };
            let mut summands: Vec<Summand> = vec![(None, whole::X, gradient)];
            let (decays, moves) = (sgd.weight_decay != 0.0, sgd.momentum != 0.0 && !first);
            if decays {
                summands.push((Some(sgd.weight_decay), Expr::Product(Join::Matrix, &[Expr::Name("λ"), whole::X]), old));
            }
            let named = format!("velocity.{name}");
            if moves {
                let before = self.given(parameter, named.clone(), v.clone(), BatchSource::Velocity(parameter));
                summands.push((Some(sgd.momentum), Expr::Product(Join::Matrix, &[Expr::Name("μ"), whole::X]), before));
            }
            let velocity = self.tensor(parameter, named, v, Role::Value);
            self.combine(velocity, Pass::Update, velocity_equation(decays, moves, first && sgd.momentum != 0.0), &summands);
            velocity
        });
        let new = self.tensor(parameter, name.to_string(), symbol, Role::Parameter);
        let step: [Summand; 2] = [
            (None, whole::X, old),
            (Some(-sgd.learning_rate), Expr::Neg(&Expr::Product(Join::Matrix, &[Expr::Name("η"), whole::X])), velocity.unwrap_or(gradient)),
        ];
        self.combine(new, Pass::Update, if velocity.is_some() { STEP_BY_VELOCITY } else { STEP }, &step);
        self.derivatives.extend([(old, gradient), (new, gradient)]);
        (parameter, new, velocity)
    }
}
