//! Builds a network. It first makes the forward ops from layers or from the nodes of a graph, and then the backward ops by the chain rule (reverse-mode
//! differentiation).
//!
//! For `a = relu(z)`, `z = W x + b` and a loss C of a and the target t, the backward ops are, in this order:
//!
//! ```text
//! grad.a   because C reads a     ∂C/∂a
//! grad.z   because a reads z     relu′(z) ∂C/∂a
//! grad.W   because z reads W     ∂C/∂z xᵀ           the parameters of a layer come before its input
//! grad.b   because z reads b     ∂C/∂z
//! grad.x   because z reads x     Wᵀ ∂C/∂z
//! ```
//!
//! If two ops read x and compute p and q, the op `grad.x` has two parts, and comes after `grad.p` and `grad.q`.

use std::sync::Arc;

use compact_str::CompactString;
use smallvec::{SmallVec, smallvec};

use super::grouped::Grouped;
use super::{GraphText, Id, LayerInfo, Network, Op, Part, Role, Symbol, TensorInfo};
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

/// A forward op under construction. When the network is finished, its functions create the rules of the forward op and of the backward ops.
#[derive(Debug)]
struct ForwardOp {
    output: Id,
    /// The function and the operands of each part.
    parts: ForwardParts,
}

/// The parts of a forward op: functions with their operands.
type ForwardParts = SmallVec<[(Arc<dyn Function>, SmallVec<[Id; 2]>); 1]>;

/// A network under construction.
#[derive(Debug, Default)]
pub struct Builder {
    tensors: Vec<TensorInfo>,
    forward: Vec<ForwardOp>,
    layers: Vec<LayerInfo>,
    shared: Vec<(Id, Arc<Tensor>)>,
    /// The ids of the computed tensors without a derivative, in ascending order.
    without_derivative: Vec<Id>,
}

/// A network of layers under construction. A layer reads the input or any earlier layers.
#[derive(Debug)]
pub struct LayersBuilder {
    builder: Builder,
    input: Id,
    /// The output of each layer.
    outputs: Vec<Id>,
}

/// The value of `layer` for a tensor that belongs to no layer.
const NO_LAYER: Option<usize> = None;

/// A tensor of a graph that is not computed: an input or a constant.
#[derive(Clone, Debug)]
pub struct GraphLeaf {
    /// The name.
    pub name: CompactString,
    /// The numbers.
    pub value: Arc<Tensor>,
    /// `true` if it has a derivative; `false` for a constant, and for an input that is used only as an index or a mask.
    pub is_differentiated: bool,
}

/// A node of a graph.
#[derive(Clone, Debug)]
pub struct Node {
    /// The name.
    pub name: CompactString,
    /// A second name. If h is assigned three times, the last node has the name `h` and the alias `h@3`.
    pub alias: Option<CompactString>,
    /// The text that equations write for the node instead of its name: its source text, such as `(diff**2)`.
    pub symbol: Option<CompactString>,
    /// `true` if the node has a derivative. It has none, for example, if it does not depend on an input, or if it is used only as an index or a mask.
    pub is_differentiated: bool,
    /// The function that computes the node.
    pub function: Arc<dyn Function>,
    /// The operands, as indices into the list of the graph's inputs and constants, followed by its nodes.
    pub reads: SmallVec<[usize; 2]>,
}

impl Node {
    /// Creates a node that has a derivative and is written as its name in equations.
    #[must_use]
    pub fn new(name: impl Into<CompactString>, function: Arc<dyn Function>, reads: &[usize]) -> Self {
        Self { name: name.into(), alias: None, symbol: None, is_differentiated: true, function, reads: SmallVec::from_slice(reads) }
    }
}

impl Builder {
    /// Adds a tensor without numbers.
    fn tensor(&mut self, name: impl Into<CompactString>, shape: &[usize], symbol: Symbol, role: Role, layer: Option<usize>) -> Id {
        self.tensors.push(TensorInfo {
            name: name.into(),
            shape: shape.to_vec(),
            symbol,
            role,
            layer,
            inputs_first: false,
            suffix: "",
            source: None,
            parameter: None,
        });
        self.tensors.len() - 1
    }

    /// Adds a tensor that is the same for all samples.
    fn leaf(&mut self, name: impl Into<CompactString>, value: Tensor, symbol: Symbol, role: Role, layer: Option<usize>) -> Id {
        let id = self.tensor(name, value.shape(), symbol, role, layer);
        self.shared.push((id, Arc::new(value)));
        id
    }

    /// Adds a tensor, and the forward op that computes it: the sum of these functions of earlier tensors. The functions determine its shape.
    fn op(
        &mut self,
        name: impl Into<CompactString>,
        symbol: Symbol,
        role: Role,
        layer: Option<usize>,
        parts: ForwardParts,
    ) -> Result<Id, Mismatch> {
        let shape_of_part = |(function, reads): &(Arc<dyn Function>, SmallVec<[Id; 2]>)| {
            function.shape(&reads.iter().map(|id| &self.tensors[*id].shape[..]).collect::<SmallVec<[_; 4]>>())
        };
        let shape = shape_of_sum(parts.iter().map(shape_of_part))?;
        let output = self.tensor(name, &shape, symbol, role, layer);
        self.forward.push(ForwardOp { output, parts });
        Ok(output)
    }
}

impl LayersBuilder {
    /// Starts a network with an input of this shape.
    #[must_use]
    pub fn new(input: &[usize]) -> Self {
        let mut builder = Builder::default();
        let input = builder.tensor("input", input, Symbol::of("a", Some(0)), Role::Input { learns: false }, NO_LAYER);
        Self { builder, input, outputs: Vec::new() }
    }

    /// Adds a layer. `from` are the indices of the layers whose outputs the new layer reads; `None` means the network's input.
    ///
    /// A layer has one or more stages, and each stage computes one tensor. For example, a linear layer with a relu has the stages z = W x + b and a = relu(z).
    /// The last stage computes the output of the layer.
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
        let add_leaf = |builder: &mut Builder, role: Role, Leaf { symbols, value, .. }: Leaf| {
            let id = builder.leaf(format!("{name}.{}", symbols.suffix), value, symbol(symbols), role, Some(number));
            builder.tensors[id].suffix = symbols.suffix;
            id
        };
        let parameters: Vec<Id> = layer.parameters.into_iter().map(|parameter| add_leaf(builder, Role::Parameter, parameter)).collect();
        let inputs: Vec<Id> = from.iter().map(|from| from.map_or(self.input, |n| self.outputs[n])).collect();
        let mut stages: Vec<Id> = Vec::new();
        for stage in layer.stages {
            let constants: Vec<Id> = stage.constants.into_iter().map(|constant| add_leaf(builder, Role::Constant, constant)).collect();
            let read = |source: &StageSource| match *source {
                StageSource::Input(i) => inputs[i],
                StageSource::Parameter(i) => parameters[i],
                StageSource::Stage(i) => stages[i],
                StageSource::Constant(i) => constants[i],
            };
            let parts = stage.parts.into_iter().map(|(function, sources)| (function, sources.iter().map(read).collect())).collect();
            let symbols = stage.symbols;
            let id = builder.op(format!("{name}.{}", symbols.suffix), symbol(symbols), Role::Value, Some(number), parts)?;
            builder.tensors[id].suffix = symbols.suffix;
            if !stage.has_derivative {
                builder.without_derivative.push(id);
            }
            stages.push(id);
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
        let target = self.builder.tensor("target", &shape, Symbol::of("t", NO_LAYER), Role::Target, NO_LAYER);
        let last = self.builder.forward.last().expect("a layer has a stage");
        let mut reads: SmallVec<[Id; 2]> = smallvec![output, target];
        if loss.reads_z {
            // z: the operand of the activation that computes the output
            let z = last.parts[0].1[0];
            reads.push(z);
        }
        let parts = smallvec![(loss.function, reads)];
        let loss_id =
            self.builder.op("loss", Symbol::of("C", NO_LAYER), Role::Loss, NO_LAYER, parts).expect("the loss fits the output's shape");
        let closed_formula = loss.closed_formula.map(|(rule, expr)| ClosedFormula { output, target, rule, expr });
        self.builder.network(output, loss_id, closed_formula.as_ref())
    }
}

/// A formula for ∂C/∂z that is numerically stable, where z is the pre-activation of the output. It is a Σt − t for softmax and cross-entropy: a − t if Σt = 1.
struct ClosedFormula {
    output: Id,
    target: Id,
    rule: Arc<dyn Rule>,
    /// The right-hand side of the formula.
    expr: Expr,
}

/// One use of a tensor as an operand: the index of the forward op, the index of the op's part, and the index of the operand in the part.
type OperandUse = (usize, usize, usize);

impl Builder {
    /// Builds a graph. `output` is an index into the list of inputs and constants, followed by the nodes. `text` has the statements of the nodes, if there are
    /// any.
    ///
    /// # Errors
    /// The index of the first node whose operands do not fit together, and the mismatch.
    pub fn graph(leaves: Vec<GraphLeaf>, nodes: Vec<Node>, output: usize, text: GraphText) -> Result<Network, (usize, Mismatch)> {
        let mut builder = Self::default();
        // each tensor may have a derivative
        builder.tensors.reserve(2 * (leaves.len() + nodes.len()));
        builder.forward.reserve(nodes.len());
        let mut aliases = Vec::new();
        for GraphLeaf { name, value, is_differentiated } in leaves {
            let role = if is_differentiated { Role::Input { learns: true } } else { Role::Constant };
            let id = builder.tensor(name.clone(), value.shape(), Symbol::of(name, NO_LAYER), role, NO_LAYER);
            builder.shared.push((id, value));
        }
        for (n, Node { name, alias, symbol, is_differentiated, function, reads }) in nodes.into_iter().enumerate() {
            let letter = symbol.unwrap_or_else(|| name.clone());
            let added = builder.op(name, Symbol::of(letter, NO_LAYER), Role::Value, NO_LAYER, smallvec![(function, reads)]);
            let id = added.map_err(|mismatch| (n, mismatch))?;
            if !is_differentiated {
                builder.without_derivative.push(id);
            }
            aliases.extend(alias.map(|alias| (alias, id)));
        }
        let (loss, closed_formula) = (output, None);
        let mut network = builder.network(output, loss, closed_formula);
        network.text = Box::new(text);
        for (alias, id) in aliases {
            network.add_name(alias, id);
        }
        Ok(network)
    }

    /// Creates the rules of the forward ops, adds the backward ops, and returns the network.
    fn network(mut self, output: Id, loss: Id, closed_formula: Option<&ClosedFormula>) -> Network {
        let mut ops: Vec<Op> = self
            .forward
            .iter()
            .map(|op| {
                let pass = if self.tensors[op.output].role == Role::Loss { Pass::Loss } else { Pass::Forward };
                let parts = op
                    .parts
                    .iter()
                    .map(|(function, reads)| Part { rule: function.forward(), operands: Reads::inputs(reads.iter().copied()) })
                    .collect();
                Op { output: op.output, pass, parts }
            })
            .collect();
        for part in ops.iter().flat_map(|op| &op.parts) {
            // only a transposed convolution turns its filter by 180° in the forward pass; its filter has the shape [in, out, …]
            if let Some(Window { filter: Some(slot), turned: true, .. }) = part.rule.window() {
                self.tensors[part.operands[slot]].inputs_first = true;
            }
        }
        let backward = self.backward(loss, closed_formula);
        ops.extend(backward);
        let further_derivatives = &[];
        Network::new(self.tensors, ops, self.layers, self.shared, output, loss, further_derivatives)
    }

    /// Returns the backward ops, in the order of the example at the top of this file. The forward ops are visited from the last to the first. The op of ∂C/∂x
    /// is appended at the visit of the first forward op that reads x: then the list has the op of ∂C/∂y for every y that is computed from x. Of the ops that
    /// are appended at the same visit, those of parameters come first.
    fn backward(&mut self, loss: Id, closed_formula: Option<&ClosedFormula>) -> Vec<Op> {
        let count = self.tensors.len();
        let loss_depends_on = self.dependencies_of(loss);
        let forward = self.forward.iter().enumerate().filter(|(_, forward)| loss_depends_on[forward.output]);
        let parts = forward.flat_map(|(op, forward)| forward.parts.iter().enumerate().map(move |part| (op, part)));
        let uses: Grouped<OperandUse> = Grouped::new(
            count,
            parts.flat_map(|(op, (part, (_, reads)))| reads.iter().enumerate().map(move |(operand, id)| (*id, (op, part, operand)))),
        );
        let is_graph = self.tensors[loss].role != Role::Loss;
        let loss_symbol = self.tensors[loss].symbol.whole.clone();
        let mut ops = Vec::new();
        let mut gradients: Vec<Option<Id>> = vec![None; count];
        if is_graph {
            // the derivative of the output J of a graph by itself is ∂J/∂J = 1
            let part = Part { rule: Arc::new(Seed), operands: Reads::inputs([]) };
            let id = self.gradient(loss, &loss_symbol);
            gradients[loss] = Some(id);
            ops.push(Op { output: id, pass: Pass::Backward, parts: smallvec![part] });
        }
        // for each tensor, the number of its uses in ops that the loop below still has to visit
        let mut pending: Vec<usize> = (0..count).map(|id| uses.of(id).len()).collect();
        let has_derivative: Vec<bool> = (0..count)
            .map(|id| {
                !matches!(self.tensors[id].role, Role::Target | Role::Constant) && self.without_derivative.binary_search(&id).is_err()
            })
            .collect();
        // in a graph, the gradient of a tensor that the output does not depend on is 0: an op without parts
        let unread: Vec<Id> = (0..count).filter(|&id| is_graph && pending[id] == 0 && id != loss && has_derivative[id]).collect();
        for id in unread {
            let gradient = self.gradient(id, &loss_symbol);
            gradients[id] = Some(gradient);
            ops.push(Op { output: gradient, pass: Pass::Backward, parts: SmallVec::new() });
        }
        let mut ready: Vec<Id> = Vec::new();
        for number in (0..self.forward.len()).rev() {
            if !loss_depends_on[self.forward[number].output] {
                continue;
            }
            for &id in self.forward[number].parts.iter().flat_map(|(_, reads)| reads) {
                pending[id] -= 1;
                if pending[id] == 0 {
                    ready.push(id);
                }
            }
            ready.retain(|&id| has_derivative[id]);
            ready.sort_by_key(|&id| self.tensors[id].role != Role::Parameter);
            for id in ready.drain(..) {
                // an op that reads the tensor adds nothing to its gradient if the result of the op has no derivative, such as an index or a mask
                let uses_with_gradient = uses.of(id).iter().filter(|(op, ..)| has_derivative[self.forward[*op].output]);
                let mut parts = SmallVec::with_capacity(uses.of(id).len());
                parts.extend(uses_with_gradient.filter_map(|&tensor_use| self.backward_part(tensor_use, &gradients, closed_formula)));
                let gradient = self.gradient(id, &loss_symbol);
                gradients[id] = Some(gradient);
                ops.push(Op { output: gradient, pass: Pass::Backward, parts });
            }
        }
        ops
    }

    /// Returns a `bool` for each tensor: `true` if the loss depends on it.
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

    /// Adds the tensor ∂C/∂x for the tensor x = `of`. Both have the same shape.
    fn gradient(&mut self, of: Id, loss_symbol: &str) -> Id {
        let TensorInfo { name: of_name, shape, symbol, layer, inputs_first, suffix, source, parameter, .. } = &self.tensors[of];
        let mut name = CompactString::const_new("grad.");
        name.push_str(of_name);
        self.tensors.push(TensorInfo {
            name,
            shape: shape.clone(),
            symbol: symbol.derivative(loss_symbol),
            role: Role::Gradient(of),
            layer: *layer,
            inputs_first: *inputs_first,
            suffix,
            source: *source,
            parameter: *parameter,
        });
        self.tensors.len() - 1
    }

    /// Returns the part that one use of a tensor adds to the tensor's gradient. Returns `None` if the function has no derivative by this operand.
    fn backward_part(
        &self,
        (op, part, operand): OperandUse,
        gradients: &[Option<Id>],
        closed_formula: Option<&ClosedFormula>,
    ) -> Option<Part> {
        let forward = &self.forward[op];
        let (function, reads) = &forward.parts[part];
        let rule = function.backward(operand)?;
        let mut operands = Reads::inputs(reads.iter().copied()).with_output(forward.output);
        // the loss of a network of layers has no ∂C/∂C
        if let Some(upstream) = gradients[forward.output] {
            operands = operands.with_upstream(upstream);
        }
        match closed_formula {
            // this op is the activation a = f(z) of the output: its gradient ∂C/∂z has the stable formula
            Some(formula) if formula.output == forward.output => {
                let rule = Arc::new(StableBackward { chain: rule, closed_formula: Arc::clone(&formula.rule), expr: formula.expr });
                Some(Part { rule, operands: operands.with_target(formula.target) })
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

    /// Returns a graph with the nodes y = W x and J = Σ y, where x has this number of entries.
    fn graph(x: usize) -> Result<Network, (usize, Mismatch)> {
        let ones = |shape: &[usize]| from_flat(shape, vec![1.0; shape.iter().product()]);
        let sum =
            ConstantWeights::new(Contraction::einsum("i->", &[('i', 3)]), Weights::Unweighted, Equation::default(), Equation::default());
        let nodes = vec![Node::new("y", Arc::new(Bilinear::new(dense(4, 3), EQUATIONS)), &[0, 1]), Node::new("J", Arc::new(sum), &[2])];
        // the list of inputs and nodes is x, W, y, J
        let output = 3;
        let leaf = |name: &str, shape: &[usize]| GraphLeaf { name: name.into(), value: Arc::new(ones(shape)), is_differentiated: true };
        Builder::graph(vec![leaf("x", &[x]), leaf("W", &[3, 4])], nodes, output, GraphText::default())
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
    fn a_layer_with_mismatched_shapes_is_an_error() {
        let stage =
            Stage::new(A).with_part(Arc::new(Bilinear::new(dense(4, 3), EQUATIONS)), [StageSource::Input(0), StageSource::Parameter(0)]);
        let weight = Leaf { symbols: WEIGHT, shape: vec![3, 5], value: from_flat(&[3, 5], vec![0.0; 15]) };
        let layer = Layer { parameters: vec![weight], stages: vec![stage] };
        let inferred = layer.shapes(&[&[4]]).unwrap_err();
        assert_eq!((inferred.one.name, inferred.one.axis, &inferred.other.shape[..]), ("weight", Some(1), &[3, 4][..]));
        assert_eq!(LayersBuilder::new(&[4]).layer("fc1", "linear", layer, &[None]), Err(inferred));
    }
}
