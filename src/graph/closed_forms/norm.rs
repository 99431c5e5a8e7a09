//! Norms: batch norm, layer norm, group norm and RMS norm, in their usual spellings. A norm is y = γ x̂ + β with x̂ = (x − mean(x)) / σ, or x̂ = x / σ in an
//! RMS norm. Here σ is √(v + ε) or √v + ε, and v is the variance, or the mean of x² in an RMS norm.

use super::BlockCandidate;
use super::matcher::Matcher;
use super::structure::{Applied, ElementwiseArgument};
use crate::graph::value::TensorId;
use crate::op::closed_form::{ClosedForm, Deviation, RepeatedOperand, is_reciprocal};
use crate::op::functions;
use crate::op::groups::Groups;
use crate::op::operator::Operator;

/// A tensor, less the mean of each group if it is centred.
#[derive(Clone, Debug, PartialEq)]
struct Centred {
    tensor: TensorId,
    /// The groups; `None` if the mean is not subtracted.
    groups: Option<Groups>,
}

/// The variance of each group, or its mean of squares if the tensor is not centred.
struct Spread {
    /// The tensor of which it is the variance or the mean of squares.
    centred: Centred,
    groups: Groups,
    /// The factor by which the sum of squares is multiplied: 1/n or 1/(n − 1).
    factor: f64,
}

/// σ or 1/σ.
struct Scale {
    spread: Spread,
    deviation: Deviation,
    is_inverse: bool,
    /// √v, if σ is √v + ε.
    root: Option<TensorId>,
}

/// Matches a norm whose x̂ is this tensor.
pub fn block(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<BlockCandidate> {
    let applied = matcher.applied(id)?;
    let (numerator, scale_operand, scale) = match (applied.operator, &applied.arguments[..]) {
        (Operator::Mul, [ElementwiseArgument::Tensor(a, a_slot), ElementwiseArgument::Tensor(b, b_slot)]) => {
            match matcher.attempt(|matcher| inverse(matcher, *b)) {
                Some(scale) => (*a, (*b, *b_slot), scale),
                None => (*b, (*a, *a_slot), matcher.attempt(|matcher| inverse(matcher, *a))?),
            }
        }
        (operator, [ElementwiseArgument::Tensor(a, _), ElementwiseArgument::Tensor(b, b_slot)]) if operator == Operator::DIV => {
            (*a, (*b, *b_slot), deviation(matcher, *b)?)
        }
        _ => return None,
    };
    let Scale { spread: Spread { centred, groups, factor }, deviation, is_inverse, root } = scale;
    let is_scale_of_numerator = match &centred.groups {
        Some(_) => self::centred(matcher, numerator)? == centred,
        None => numerator == centred.tensor,
    };
    let is_scaled_by_group =
        matcher.graph.shape(numerator) == matcher.graph.shape(id) && matcher.reads_groups(&applied, id, scale_operand, &groups);
    let is_variance = is_reciprocal(factor, groups.len) || is_reciprocal(factor, groups.len - 1);
    if !is_scale_of_numerator || !is_scaled_by_group || !is_variance || groups.len < 2 {
        return None;
    }
    let (output, weight) = affine(matcher, id);
    let mut operands = vec![id, scale_operand.0];
    operands.extend(root.map(|root| [numerator, root]).into_iter().flatten());
    operands.extend(weight.as_ref().map(|(weight, _)| *weight));
    let form = ClosedForm::Norm {
        groups,
        is_centred: centred.groups.is_some(),
        variance_factor: factor,
        deviation,
        is_inverse,
        weight: weight.map(|(_, operand)| operand),
    };
    Some(BlockCandidate { form, input: centred.tensor, output, operands })
}

/// Follows x̂ forward through a product with γ and a sum with β, if there are any, and through views before them. Returns the result, and γ.
fn affine(matcher: &mut Matcher<'_, '_, '_, '_>, normalised: TensorId) -> (TensorId, Option<(TensorId, RepeatedOperand)>) {
    let (mut output, mut weight) = (normalised, None);
    let mut end = normalised;
    while let Some(user) = matcher.graph.only_user(end) {
        if matcher.graph.view_of(user).is_some() {
            matcher.matched.push(user);
            end = user;
            continue;
        }
        let Some(Applied { operator, arguments, broadcast }) = matcher.graph.applied(user) else { break };
        let [ElementwiseArgument::Tensor(a, a_slot), ElementwiseArgument::Tensor(b, b_slot)] = arguments[..] else { break };
        let (other, slot) = if a == end { (b, b_slot) } else { (a, a_slot) };
        if matcher.graph.shape(user) != matcher.graph.shape(end) || other == end {
            break;
        }
        // a constant with a number for each entry of x̂ is not γ, but an upstream gradient, such as the G of J = (y * G).sum()
        let is_weight = matcher.graph.reader.tensors[other].flows || matcher.graph.len(other) < matcher.graph.len(end);
        match operator {
            // a second product is not matched, and β ends the search, so γ comes before β
            Operator::Mul if weight.is_none() && output == normalised && is_weight => {
                weight = Some((other, RepeatedOperand { broadcast, slot }));
            }
            Operator::Add => {}
            _ => break,
        }
        matcher.independent.push(other);
        matcher.matched.push(user);
        (end, output) = (user, user);
        if operator == Operator::Add {
            break;
        }
    }
    (output, weight)
}

/// Matches x − mean(x).
fn centred(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<Centred> {
    matcher.attempt(|matcher| {
        let applied = matcher.applied(id)?;
        let [ElementwiseArgument::Tensor(tensor, _), ElementwiseArgument::Tensor(mean, slot)] = applied.arguments[..] else { return None };
        let (averaged, groups) = self::mean(matcher, mean)?;
        let is_centred = applied.operator == Operator::Sub
            && averaged == tensor
            && matcher.graph.shape(tensor) == matcher.graph.shape(id)
            && matcher.reads_groups(&applied, id, (mean, slot), &groups);
        is_centred.then_some(Centred { tensor, groups: Some(groups) })
    })
}

/// Matches the mean of each group. Returns the tensor of which it is the mean, and the groups.
fn mean(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<(TensorId, Groups)> {
    let (sum, factor) = matcher.scaled(id);
    let (averaged, groups) = matcher.sum(sum)?;
    is_reciprocal(factor, groups.len).then_some((averaged, groups))
}

/// Matches a factor times the sum of (x − mean(x))² or of x², or the mean of x² less the square of the mean.
fn variance(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<Spread> {
    matcher
        .attempt(|matcher| {
            let (sum, outer) = matcher.scaled(id);
            let (squares, groups) = matcher.sum(sum)?;
            let (squares, inner) = matcher.scaled(squares);
            let base = matcher.square(squares)?;
            let centred = self::centred(matcher, base).unwrap_or(Centred { tensor: base, groups: None });
            let has_same_groups = centred.groups.as_ref().is_none_or(|centred_groups| *centred_groups == groups);
            has_same_groups.then_some(Spread { centred, groups, factor: outer * inner })
        })
        .or_else(|| {
            matcher.attempt(|matcher| {
                let id = matcher.without_views(id);
                let applied = matcher.applied(id)?;
                let [ElementwiseArgument::Tensor(mean_of_squares, _), ElementwiseArgument::Tensor(squared_mean, _)] = applied.arguments[..]
                else {
                    return None;
                };
                let (squares, groups) = self::mean(matcher, mean_of_squares)?;
                let x = matcher.square(squares)?;
                let squared_mean = matcher.without_views(squared_mean);
                let mean = matcher.square(squared_mean)?;
                let is_variance =
                    applied.operator == Operator::Sub && self::mean(matcher, mean)? == (x, groups.clone()) && applied.broadcast.is_none();
                #[expect(clippy::cast_precision_loss, reason = "a number of entries")]
                let factor = 1.0 / groups.len as f64;
                is_variance.then(|| Spread { centred: Centred { tensor: x, groups: Some(groups.clone()) }, groups, factor })
            })
        })
}

/// Matches v + ε, or v alone.
fn shifted_variance(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<Spread> {
    let id = matcher.without_views(id);
    variance(matcher, id).or_else(|| matcher.attempt(|matcher| plus_number(matcher, id).and_then(|inner| variance(matcher, inner))))
}

/// Matches the sum of a tensor and a number, whose value does not matter. Returns the tensor.
fn plus_number(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<TensorId> {
    let applied = matcher.applied(id)?;
    let graph = matcher.graph;
    let is_number = |argument: &ElementwiseArgument| match *argument {
        ElementwiseArgument::Number(_) => true,
        ElementwiseArgument::Tensor(tensor, _) => graph.len(tensor) == 1 && graph.reads(tensor).is_empty(),
    };
    let [a, b] = applied.arguments[..] else { return None };
    let (operand, number) = if is_number(&b) { (a, b) } else { (b, a) };
    let ElementwiseArgument::Tensor(operand, _) = operand else { return None };
    (applied.operator == Operator::Add && is_number(&number) && graph.len(operand) == graph.len(id)).then_some(operand)
}

/// Matches √(v + ε) or √v + ε.
fn deviation(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<Scale> {
    let id = matcher.without_views(id);
    let plain = matcher.attempt(|matcher| {
        let inner = matcher.root(id)?;
        shifted_variance(matcher, inner)
    });
    if let Some(spread) = plain {
        return Some(Scale { spread, deviation: Deviation::Plain, is_inverse: false, root: None });
    }
    matcher.attempt(|matcher| {
        let root = plus_number(matcher, id)?;
        let inner = matcher.without_views(root);
        let inner = matcher.root(inner)?;
        let inner = matcher.without_views(inner);
        let spread = variance(matcher, inner)?;
        Some(Scale { spread, deviation: Deviation::Shifted, is_inverse: false, root: Some(root) })
    })
}

/// Matches 1/σ.
fn inverse(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<Scale> {
    let id = matcher.without_views(id);
    let plain = matcher.attempt(|matcher| {
        let inner = matcher.function(id, functions::RSQRT).or_else(|| matcher.power(id, -0.5))?;
        shifted_variance(matcher, inner)
    });
    if let Some(spread) = plain {
        return Some(Scale { spread, deviation: Deviation::Plain, is_inverse: true, root: None });
    }
    matcher.attempt(|matcher| {
        let inner = matcher.reciprocal(id)?;
        deviation(matcher, inner).map(|scale| Scale { is_inverse: true, ..scale })
    })
}
