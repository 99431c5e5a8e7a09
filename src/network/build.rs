//! Builds a network: forward ops from layers or from the nodes of a graph, then the backward ops by the chain rule (reverse-mode differentiation).
//!
//! For `a = relu(z)`, `z = W x + b` and a loss C of a and t, the backward ops are, in this order:
//!
//! ```text
//! grad.a   from C     ∂C/∂a
//! grad.z   from a     relu′(z) ∂C/∂a
//! grad.W   from z     ∂C/∂z xᵀ           the parameters before the layer's input
//! grad.b   from z     ∂C/∂z
//! grad.x   from z     Wᵀ ∂C/∂z
//! ```
//!
//! A tensor that several ops read gets one part for each of them, and its op follows the last of their gradients.

use std::sync::Arc;

use compact_str::CompactString;

use super::{Id, LayerInfo, Network, Op, Part, Role, Symbol, TensorInfo};
use crate::expr::Expr;
use crate::op::layer::{Layer, Leaf, StageSource, TensorSymbols};
use crate::op::loss::Loss;
use crate::op::mismatch::{Mismatch, shape_of_sum};
use crate::op::rule::{Function, Rule, Window};
use crate::op::seed::Seed;
use crate::op::slot::Reads;
use crate::op::stable::StableBackward;
use crate::step::Pass;
use crate::tensor::Tensor;

/// A forward op whose rules are not created yet.
#[derive(Debug)]
struct ForwardOp {
    output: Id,
    parts: Vec<(Arc<dyn Function>, Vec<Id>)>,
}

/// A network under construction.
#[derive(Debug, Default)]
pub struct Builder {
    tensors: Vec<TensorInfo>,
    forward: Vec<ForwardOp>,
    layers: Vec<LayerInfo>,
    fixed: Vec<(Id, Arc<Tensor>)>,
}

/// A network of layers under construction.
#[derive(Debug)]
pub struct Chain {
    builder: Builder,
    input: Id,
    /// Each layer's output.
    outputs: Vec<Id>,
}

/// A node of a graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The function that computes it.
    pub function: Arc<dyn Function>,
    /// Its operands: indices into the inputs followed by the nodes.
    pub reads: Vec<usize>,
}

impl Builder {
    fn tensor(&mut self, name: impl Into<CompactString>, shape: &[usize], symbol: Symbol, role: Role, layer: Option<usize>) -> Id {
        self.tensors.push(TensorInfo { name: name.into(), shape: shape.to_vec(), symbol, role, layer, inputs_first: false });
        self.tensors.len() - 1
    }

    /// Adds a tensor that is the same for all samples.
    fn leaf(&mut self, name: impl Into<CompactString>, value: Tensor, symbol: Symbol, role: Role, layer: Option<usize>) -> Id {
        let id = self.tensor(name, value.shape(), symbol, role, layer);
        self.fixed.push((id, Arc::new(value)));
        id
    }

    /// Adds a tensor that is the sum of these functions of earlier tensors. The functions determine its shape.
    fn op(
        &mut self,
        name: impl Into<CompactString>,
        symbol: Symbol,
        role: Role,
        layer: Option<usize>,
        parts: Vec<(Arc<dyn Function>, Vec<Id>)>,
    ) -> Result<Id, Mismatch> {
        let shape = |(function, reads): &(Arc<dyn Function>, Vec<Id>)| {
            function.shape(&reads.iter().map(|id| &self.tensors[*id].shape[..]).collect::<Vec<_>>())
        };
        let shape = shape_of_sum(parts.iter().map(shape))?;
        let output = self.tensor(name, &shape, symbol, role, layer);
        self.forward.push(ForwardOp { output, parts });
        Ok(output)
    }
}

impl Chain {
    /// Starts a network with an input of this shape.
    #[must_use]
    pub fn new(input: &[usize]) -> Self {
        let mut builder = Builder::default();
        let input = builder.tensor("input", input, Symbol::of("a", Some(0)), Role::Input { learns: false }, None);
        Self { builder, input, outputs: Vec::new() }
    }

    /// Adds a layer that reads the outputs of earlier layers; `None` is the network's input.
    ///
    /// # Errors
    /// The first mismatch between shapes of operands.
    ///
    /// # Panics
    /// If the layer has no stages, or reads a later layer.
    pub fn layer(&mut self, name: &str, kind: &'static str, layer: Layer, from: &[Option<usize>]) -> Result<(), Mismatch> {
        let builder = &mut self.builder;
        let number = builder.layers.len();
        builder.layers.push(LayerInfo { name: name.into(), kind });
        let symbol = |symbols: TensorSymbols| Symbol {
            whole: symbols.whole.into(),
            own_derivative: symbols.derivative,
            ..Symbol::of(symbols.letter, Some(number + 1))
        };
        let given = |builder: &mut Builder, role: Role, Leaf { symbols, value, .. }: Leaf| {
            builder.leaf(format!("{name}.{}", symbols.suffix), value, symbol(symbols), role, Some(number))
        };
        let parameters: Vec<Id> = layer.parameters.into_iter().map(|parameter| given(builder, Role::Parameter, parameter)).collect();
        let inputs: Vec<Id> = from.iter().map(|from| from.map_or(self.input, |n| self.outputs[n])).collect();
        let mut stages: Vec<Id> = Vec::new();
        for stage in layer.stages {
            let constants: Vec<Id> = stage.constants.into_iter().map(|constant| given(builder, Role::Constant, constant)).collect();
            let read = |source: &StageSource| match *source {
                StageSource::Input(i) => inputs[i],
                StageSource::Parameter(i) => parameters[i],
                StageSource::Stage(i) => stages[i],
                StageSource::Constant(i) => constants[i],
            };
            let parts = stage.parts.into_iter().map(|(function, sources)| (function, sources.iter().map(read).collect())).collect();
            let symbols = stage.symbols;
            stages.push(builder.op(format!("{name}.{}", symbols.suffix), symbol(symbols), Role::Value, Some(number), parts)?);
        }
        self.outputs.push(*stages.last().expect("a layer has a stage"));
        Ok(())
    }

    /// Adds the loss and the backward pass.
    ///
    /// # Panics
    /// If no layer was added, or the loss does not fit the output's shape.
    #[must_use]
    pub fn finish(mut self, loss: Loss) -> Network {
        let output = *self.outputs.last().expect("a network has a layer");
        let shape = self.builder.tensors[output].shape.clone();
        let target = self.builder.tensor("target", &shape, Symbol::of("t", None), Role::Target, None);
        let last = self.builder.forward.last().expect("a layer has a stage");
        let mut reads = vec![output, target];
        if loss.reads_z {
            reads.push(last.parts[0].1[0]);
        }
        let parts = vec![(loss.function, reads)];
        let c = self.builder.op("loss", Symbol::of("C", None), Role::Loss, None, parts).expect("the loss fits the output's shape");
        let shortcut = loss.shortcut.map(|(rule, expr)| Shortcut { output, target, rule, expr });
        self.builder.network(output, c, shortcut.as_ref())
    }
}

/// A stable formula for ∂C/∂z of the output: a − t for softmax and cross-entropy.
struct Shortcut {
    output: Id,
    target: Id,
    rule: Arc<dyn Rule>,
    expr: Expr,
}

/// For each tensor, its uses: forward op, part and slot.
type ReaderLists = Vec<Vec<(usize, usize, usize)>>;

impl Builder {
    /// Builds a scalar graph. `output` is an index into the inputs followed by the nodes.
    ///
    /// # Errors
    /// The first node (from 0) whose operands do not fit together, with the mismatch.
    pub fn graph(inputs: Vec<(String, Tensor)>, nodes: Vec<Node>, output: usize) -> Result<Network, (usize, Mismatch)> {
        let mut builder = Self::default();
        for (name, value) in inputs {
            builder.leaf(name.as_str(), value, Symbol::of(name.clone(), None), Role::Input { learns: true }, None);
        }
        for (n, Node { name, function, reads }) in nodes.into_iter().enumerate() {
            let added = builder.op(name.as_str(), Symbol::of(name.clone(), None), Role::Value, None, vec![(function, reads)]);
            added.map_err(|mismatch| (n, mismatch))?;
        }
        Ok(builder.network(output, output, None))
    }

    fn network(mut self, output: Id, loss: Id, shortcut: Option<&Shortcut>) -> Network {
        let mut ops: Vec<Op> = self
            .forward
            .iter()
            .map(|op| {
                let pass = if self.tensors[op.output].role == Role::Loss { Pass::Loss } else { Pass::Forward };
                let parts =
                    op.parts.iter().map(|(f, reads)| Part { rule: f.forward(), operands: Reads::inputs(reads.iter().copied()) }).collect();
                Op { output: op.output, pass, parts }
            })
            .collect();
        for part in ops.iter().flat_map(|op| &op.parts) {
            // a transposed convolution, whose filter is rotated in the forward pass already
            if let Some(Window { filter: Some(slot), turned: true, .. }) = part.rule.window() {
                self.tensors[part.operands[slot]].inputs_first = true;
            }
        }
        let backward = self.backward(loss, shortcut);
        ops.extend(backward);
        Network::of(self.tensors, ops, self.layers, self.fixed, output, loss, &[])
    }

    /// Returns the backward ops: the derivative by each tensor as soon as those by all its readers precede it, parameters before the layer's input.
    fn backward(&mut self, loss: Id, shortcut: Option<&Shortcut>) -> Vec<Op> {
        let count = self.tensors.len();
        let loss_depends_on = self.dependencies_of(loss);
        let mut readers: ReaderLists = vec![Vec::new(); count];
        for (op, forward) in self.forward.iter().enumerate().filter(|(_, forward)| loss_depends_on[forward.output]) {
            for (part, (_, reads)) in forward.parts.iter().enumerate() {
                for (slot, &id) in reads.iter().enumerate() {
                    readers[id].push((op, part, slot));
                }
            }
        }
        // the output of a graph has a derivative too: ∂J/∂J = 1
        let graph = self.tensors[loss].role != Role::Loss;
        let by = self.tensors[loss].symbol.whole.clone();
        let mut ops = Vec::new();
        let mut gradients: Vec<Option<Id>> = vec![None; count];
        if graph {
            let part = Part { rule: Arc::new(Seed), operands: Reads::inputs([]) };
            let id = self.gradient(loss, &by);
            gradients[loss] = Some(id);
            ops.push(Op { output: id, pass: Pass::Backward, parts: vec![part] });
        }
        let mut left: Vec<usize> = readers.iter().map(Vec::len).collect();
        let unread: Vec<Id> = (0..count).filter(|&id| graph && left[id] == 0 && id != loss).collect();
        for id in unread {
            let gradient = self.gradient(id, &by);
            gradients[id] = Some(gradient);
            ops.push(Op { output: gradient, pass: Pass::Backward, parts: Vec::new() });
        }
        for number in (0..self.forward.len()).rev() {
            if !loss_depends_on[self.forward[number].output] {
                continue;
            }
            let mut ready: Vec<Id> = Vec::new();
            for &id in self.forward[number].parts.iter().flat_map(|(_, reads)| reads) {
                left[id] -= 1;
                if left[id] == 0 {
                    ready.push(id);
                }
            }
            ready.retain(|&id| !matches!(self.tensors[id].role, Role::Target | Role::Constant));
            ready.sort_by_key(|&id| self.tensors[id].role != Role::Parameter);
            for id in ready {
                let parts = readers[id].iter().filter_map(|&reader| self.part(reader, &gradients, shortcut)).collect();
                let gradient = self.gradient(id, &by);
                gradients[id] = Some(gradient);
                ops.push(Op { output: gradient, pass: Pass::Backward, parts });
            }
        }
        ops
    }

    /// Returns for each tensor whether the loss depends on it.
    fn dependencies_of(&self, loss: Id) -> Vec<bool> {
        let mut loss_depends_on = vec![false; self.tensors.len()];
        loss_depends_on[loss] = true;
        for op in self.forward.iter().rev() {
            if loss_depends_on[op.output] {
                for &id in op.parts.iter().flat_map(|(_, reads)| reads) {
                    loss_depends_on[id] = true;
                }
            }
        }
        loss_depends_on
    }

    fn gradient(&mut self, of: Id, by: &str) -> Id {
        let like = self.tensors[of].clone();
        let symbol = like.symbol.derivative(by);
        self.tensors.push(TensorInfo { name: format!("grad.{}", like.name).into(), symbol, role: Role::Gradient(of), ..like });
        self.tensors.len() - 1
    }

    /// Returns the part of a derivative that one reader of the tensor contributes.
    fn part(&self, (op, part, slot): (usize, usize, usize), gradients: &[Option<Id>], shortcut: Option<&Shortcut>) -> Option<Part> {
        let forward = &self.forward[op];
        let (function, reads) = &forward.parts[part];
        let rule = function.backward(slot)?;
        let operands = Reads::inputs(reads.iter().copied()).with_backward([forward.output]).with_backward(gradients[forward.output]);
        match shortcut {
            Some(s) if s.output == forward.output => {
                let rule = Arc::new(StableBackward { chain: rule, shortcut: Arc::clone(&s.rule), expr: s.expr });
                Some(Part { rule, operands: operands.with_backward([s.target]) })
            }
            _ => Some(Part { rule, operands }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::constant_weights::{ConstantWeights, Weights};
    use crate::op::contraction::Contraction;
    use crate::op::edges::Bilinear;
    use crate::op::layer::{A, Stage, WEIGHT};
    use crate::op::linear::{EQUATIONS, dense};
    use crate::op::rule::Equation;
    use crate::tensor::from_flat;

    /// Returns a graph with the nodes y = W x and J = Σ y, for an x with this number of entries.
    fn graph(x: usize) -> Result<Network, (usize, Mismatch)> {
        let ones = |shape: &[usize]| from_flat(shape, vec![1.0; shape.iter().product()]);
        let sum =
            ConstantWeights::new(Contraction::einsum("i->", &[('i', 3)]), Weights::Unweighted, Equation::default(), Equation::default());
        let node = |name: &str, function, reads: &[usize]| Node { name: name.to_owned(), function, reads: reads.to_vec() };
        let nodes = vec![node("y", Arc::new(Bilinear::new(dense(4, 3), EQUATIONS)), &[0, 1]), node("J", Arc::new(sum), &[2])];
        Builder::graph(vec![("x".to_owned(), ones(&[x])), ("W".to_owned(), ones(&[3, 4]))], nodes, 3)
    }

    #[test]
    fn a_node_has_the_shape_that_its_function_infers() {
        let network = graph(4).expect("shapes that fit");
        for (name, shape) in [("y", &[3][..]), ("J", &[]), ("grad.y", &[3]), ("grad.W", &[3, 4]), ("grad.x", &[4])] {
            assert_eq!(network.tensor(network.find(name).expect(name)).shape, shape, "{name}");
        }
        let (node, mismatch) = graph(5).unwrap_err();
        assert_eq!(
            (node, mismatch.to_string().as_str()),
            (
                0,
                "the input is a vector of 5 numbers, but the expected shape is a vector of 4 numbers: the input's size (5) must be the expected shape's size (4)"
            )
        );
    }

    #[test]
    fn a_layer_reports_mismatched_shapes() {
        let stage =
            Stage::new(A).with_part(Arc::new(Bilinear::new(dense(4, 3), EQUATIONS)), [StageSource::Input(0), StageSource::Parameter(0)]);
        let weight = Leaf { symbols: WEIGHT, shape: vec![3, 5], value: from_flat(&[3, 5], vec![0.0; 15]) };
        let layer = Layer { parameters: vec![weight], stages: vec![stage] };
        let inferred = layer.shapes(&[&[4]]).unwrap_err();
        assert_eq!((inferred.one.name, inferred.one.axis, &inferred.other.shape[..]), ("weight", Some(1), &[3, 4][..]));
        assert_eq!(Chain::new(&[4]).layer("fc1", "linear", layer, &[None]), Err(inferred));
    }
}
