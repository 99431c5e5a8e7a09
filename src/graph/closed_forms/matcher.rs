//! Matches the operations of a block, from its last one back. What is matched is noted. [`Matcher::attempt`] forgets it if the match fails.

use super::structure::{Applied, ElementwiseArgument, Structure, is_group_number};
use crate::expr::Primitive;
use crate::graph::value::TensorId;
use crate::op::functions;
use crate::op::groups::Groups;
use crate::op::operator::Operator;

/// The largest number of operations that [`Matcher::scaled`] follows back from a tensor.
const MAX_FACTORS: usize = 16;

/// A match of operations.
pub struct Matcher<'s, 'g, 't, 'c> {
    /// The operations of the graph.
    pub graph: &'s Structure<'g, 't, 'c>,
    /// The tensors that are matched.
    pub matched: Vec<TensorId>,
    /// Tensors of one number, with the value that they must have.
    pub fixed: Vec<(TensorId, f64)>,
    /// Tensors that must not depend on the input of the block.
    pub independent: Vec<TensorId>,
    /// Tensors that are subtracted from the logits of a softmax and have the same number for all entries of each of its slices, such as the slice's maximum.
    /// The softmax does not depend on them.
    pub shifts: Vec<TensorId>,
}

impl<'s, 'g, 't, 'c> Matcher<'s, 'g, 't, 'c> {
    /// Creates an empty match.
    pub fn new(graph: &'s Structure<'g, 't, 'c>) -> Self {
        Self { graph, matched: Vec::new(), fixed: Vec::new(), independent: Vec::new(), shifts: Vec::new() }
    }

    /// Tries to match, and forgets what was matched if this fails.
    pub fn attempt<T>(&mut self, matches: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let lengths = [self.matched.len(), self.fixed.len(), self.independent.len(), self.shifts.len()];
        let result = matches(self);
        if result.is_none() {
            self.matched.truncate(lengths[0]);
            self.fixed.truncate(lengths[1]);
            self.independent.truncate(lengths[2]);
            self.shifts.truncate(lengths[3]);
        }
        result
    }

    /// Matches the elementwise operation that computes a tensor. The caller compares the sizes of its operands and its result if they may differ.
    pub fn applied(&mut self, id: TensorId) -> Option<Applied> {
        let applied = self.graph.applied(id)?;
        self.matched.push(id);
        Some(applied)
    }

    /// Matches f(x) for a function of one argument.
    pub fn function(&mut self, id: TensorId, function: &Primitive) -> Option<TensorId> {
        self.attempt(|matcher| {
            let Applied { operator: Operator::Call(called), arguments, .. } = matcher.applied(id)? else { return None };
            match arguments[..] {
                [ElementwiseArgument::Tensor(operand, _)] if called.function == function => Some(operand),
                _ => None,
            }
        })
    }

    /// Matches x to the power of a number.
    pub fn power(&mut self, id: TensorId, exponent: f64) -> Option<TensorId> {
        self.attempt(|matcher| {
            let Applied { operator, arguments, .. } = matcher.applied(id)?;
            let [ElementwiseArgument::Tensor(operand, _), power] = arguments[..] else { return None };
            #[expect(clippy::float_cmp, reason = "the exponents that are looked for, such as 2 and 0.5, are exact")]
            let is_power = operator == Operator::POW && matcher.number(power)? == exponent;
            (is_power && matcher.graph.len(operand) == matcher.graph.len(id)).then_some(operand)
        })
    }

    /// Matches 1/x.
    pub fn reciprocal(&mut self, id: TensorId) -> Option<TensorId> {
        self.function(id, functions::RECIPROCAL).or_else(|| self.power(id, -1.0)).or_else(|| {
            self.attempt(|matcher| {
                let Applied { operator, arguments, .. } = matcher.applied(id)?;
                let [one, ElementwiseArgument::Tensor(operand, _)] = arguments[..] else { return None };
                #[expect(clippy::float_cmp, reason = "1 is exact")]
                let is_one = operator == Operator::DIV && matcher.number(one)? == 1.0;
                (is_one && matcher.graph.len(operand) == matcher.graph.len(id)).then_some(operand)
            })
        })
    }

    /// Matches √x.
    pub fn root(&mut self, id: TensorId) -> Option<TensorId> {
        let sqrt = self.function(id, crate::expr::SQRT).or_else(|| self.function(id, functions::guarded::ROOT_OF_SQUARES));
        sqrt.or_else(|| self.power(id, 0.5))
    }

    /// Matches x².
    pub fn square(&mut self, id: TensorId) -> Option<TensorId> {
        self.function(id, functions::SQUARE).or_else(|| self.power(id, 2.0)).or_else(|| {
            self.attempt(|matcher| match matcher.applied(id)? {
                Applied { operator: Operator::Mul, arguments, .. } => match arguments[..] {
                    [ElementwiseArgument::Tensor(a, _), ElementwiseArgument::Tensor(b, _)] if a == b => Some(a),
                    _ => None,
                },
                _ => None,
            })
        })
    }

    /// Matches a number in the source text, or a given tensor of one entry. Such a tensor is noted in `fixed`: the match holds only while it has this value.
    fn number(&mut self, argument: ElementwiseArgument) -> Option<f64> {
        match argument {
            ElementwiseArgument::Number(number) => Some(number),
            ElementwiseArgument::Tensor(id, _) if self.graph.len(id) == 1 && self.graph.reads(id).is_empty() => {
                let number = self.graph.reader.tensors[id].data.as_ref()?.first().copied()?;
                self.fixed.push((id, number));
                Some(number)
            }
            ElementwiseArgument::Tensor(..) => None,
        }
    }

    /// Follows products with a number, quotients by a number, negations and views (reshapes and plain copies) back to the tensor from which they are computed.
    /// Returns this tensor and the factor by which they multiply it. If `id` is none of these operations, returns `id` and 1.
    pub fn scaled(&mut self, id: TensorId) -> (TensorId, f64) {
        let (mut core, mut factor) = (id, 1.0);
        for _ in 0..MAX_FACTORS {
            let Some((inner, times)) = self.factor(core) else { break };
            (core, factor) = (inner, factor * times);
        }
        (core, factor)
    }

    /// Matches a product with a number, a quotient by a number, a negation or a view. Returns its operand and the factor by which it multiplies the operand: 1
    /// for a view.
    pub fn factor(&mut self, id: TensorId) -> Option<(TensorId, f64)> {
        if let Some(source) = self.graph.view_of(id) {
            self.matched.push(id);
            return Some((source, 1.0));
        }
        self.attempt(|matcher| {
            let Applied { operator, arguments, .. } = matcher.applied(id)?;
            let (operand, factor) = match (operator, &arguments[..]) {
                (Operator::Neg, [ElementwiseArgument::Tensor(operand, _)]) => (*operand, -1.0),
                (Operator::Mul, [ElementwiseArgument::Tensor(operand, _), number])
                    if matcher.graph.len(*operand) == matcher.graph.len(id) =>
                {
                    (*operand, matcher.number(*number)?)
                }
                (Operator::Mul, [number, ElementwiseArgument::Tensor(operand, _)]) => (*operand, matcher.number(*number)?),
                (operator, [ElementwiseArgument::Tensor(operand, _), number]) if operator == Operator::DIV => {
                    (*operand, 1.0 / matcher.number(*number)?)
                }
                _ => return None,
            };
            (matcher.graph.len(operand) == matcher.graph.len(id)).then_some((operand, factor))
        })
    }

    /// Follows views (reshapes and plain copies) back to the tensor that is not a view. If `id` is not a view, returns `id`.
    pub fn without_views(&mut self, mut id: TensorId) -> TensorId {
        while let Some(source) = self.graph.view_of(id) {
            self.matched.push(id);
            id = source;
        }
        id
    }

    /// Matches the sum of each group. Returns the operand and the groups of its entries.
    pub fn sum(&mut self, id: TensorId) -> Option<(TensorId, Groups)> {
        let sum = self.graph.sum(id)?;
        self.matched.push(id);
        Some(sum)
    }

    /// Returns whether an operand has one entry for each group, the operation's result has the shape of `like`, and each entry of the result reads the
    /// operand's entry for its own group. The groups are those of the entries of `like`. `slot` is the input slot of the operand.
    pub fn reads_groups(&self, applied: &Applied, like: TensorId, (operand, slot): (TensorId, usize), groups: &Groups) -> bool {
        let shape = self.graph.shape(like);
        let operand_entry = |at: usize| applied.broadcast.as_ref().map_or(at, |broadcast| broadcast.operand_entry(slot, at));
        let is_same_shape = applied.broadcast.as_ref().is_none_or(|broadcast| broadcast.shape() == shape);
        is_same_shape && self.graph.len(operand) == groups.count && is_group_number(shape, groups, operand_entry)
    }
}
