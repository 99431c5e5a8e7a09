//! The logarithm of the softmax, and the cross-entropy after it, in their usual spellings.

use super::BlockCandidate;
use super::matcher::Matcher;
use super::structure::{Applied, ElementwiseArgument, is_same_in_groups};
use crate::expr::LOG;
use crate::graph::value::TensorId;
use crate::op::closed_form::{ClosedForm, ProbabilityOperand, RepeatedOperand, Targets};
use crate::op::functions;
use crate::op::groups::Groups;
use crate::op::operator::Operator;

/// The logits, and the rows (slices) in which they are normalised.
#[derive(Clone, Debug, PartialEq)]
struct LogitRows {
    of: TensorId,
    rows: Groups,
}

/// Matches one of three blocks, with the loss after it:
///
/// - a log-softmax whose result is this tensor,
/// - a softmax, if the logarithm is then taken of one entry of each row,
/// - the exponentials in log Σ exp z − z\[class\].
pub fn block(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<BlockCandidate> {
    if let Some(LogitRows { of, rows }) = log_probabilities(matcher, id) {
        let loss = matcher.attempt(|matcher| cross_entropy(matcher, id, &rows));
        let Some((targets, operand, end)) = loss else {
            return Some(BlockCandidate { form: ClosedForm::LogSoftmax { rows }, input: of, output: id, operands: vec![id] });
        };
        // the loss is factor · Σ log p = −Σ log p / divisor
        let form = ClosedForm::CrossEntropy { rows, divisor: -1.0 / end.factor, probabilities: ProbabilityOperand::Logarithms, targets };
        return Some(BlockCandidate { form, input: of, output: end.loss, operands: std::iter::once(id).chain(operand).collect() });
    }
    let Some(LogitRows { of, rows }) = probabilities(matcher, id) else { return log_sum_exp_less_logit(matcher, id) };
    let picked = matcher.graph.only_user(id)?;
    let (targets, classes) = matcher.graph.picked(picked, &rows)?;
    let log = matcher.graph.only_user(picked)?;
    matcher.function(log, LOG)?;
    matcher.matched.push(picked);
    let end = end(matcher, log).filter(|end| end.factor < 0.0)?;
    let form = ClosedForm::CrossEntropy { rows, divisor: -1.0 / end.factor, probabilities: ProbabilityOperand::Probabilities, targets };
    Some(BlockCandidate { form, input: of, output: end.loss, operands: std::iter::once(id).chain(classes).collect() })
}

/// Matches the loss after log p: the sum of the entries of the classes, or of products with probabilities. Returns the tensor of the classes or probabilities
/// too.
fn cross_entropy(matcher: &mut Matcher<'_, '_, '_, '_>, log_p: TensorId, rows: &Groups) -> Option<(Targets, Option<TensorId>, End)> {
    let mut user = matcher.graph.only_user(log_p)?;
    let mut sign = 1.0;
    // −log p
    if let Some(Applied { operator: Operator::Neg, .. }) = matcher.graph.applied(user) {
        matcher.matched.push(user);
        sign = -1.0;
        user = matcher.graph.only_user(user)?;
    }
    let signed = |end: End| End { factor: sign * end.factor, ..end };
    matcher.matched.push(user);
    if let Some((targets, classes)) = matcher.graph.picked(user, rows) {
        return Some((targets, classes, end(matcher, user).map(signed).filter(|end| end.factor < 0.0)?));
    }
    let Applied { operator: Operator::Mul, arguments, broadcast } = matcher.graph.applied(user)? else { return None };
    let [ElementwiseArgument::Tensor(a, a_slot), ElementwiseArgument::Tensor(b, b_slot)] = arguments[..] else { return None };
    // the factor that is matched already is log p or −log p
    let (targets, slot) = if matcher.matched.contains(&a) { (b, b_slot) } else { (a, a_slot) };
    matcher.independent.push(targets);
    let is_weighted_log_p = a != b && matcher.graph.shape(user) == matcher.graph.shape(log_p);
    let end = end(matcher, user).map(signed).filter(|end| is_weighted_log_p && end.factor < 0.0)?;
    Some((Targets::Probabilities(RepeatedOperand { broadcast, slot }), Some(targets), end))
}

/// Matches exp s with the loss log Σ exp z − z\[class\] after it, where s is z, or z less a number of each row. `id` is exp s.
///
/// ```text
/// lse  = m + np.log(np.exp(x - m).sum(1))
/// loss = (lse - x[range(n), y]).mean()
/// ```
fn log_sum_exp_less_logit(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<BlockCandidate> {
    let exponents = matcher.function(id, functions::EXP)?;
    let sum = matcher.graph.only_user(id)?;
    let (_, rows) = matcher.sum(sum)?;
    let before_log = past_views(matcher, sum);
    let log = matcher.graph.only_user(before_log)?;
    matcher.function(log, LOG)?;
    let (mut lse, shift) = (past_views(matcher, log), shifted(matcher, exponents, &rows));
    let mut logits = exponents;
    // the shift is added again
    if let Some((of, shift)) = shift
        && let Some(sum) = matcher.graph.only_user(lse)
        && let Some(Applied { operator: Operator::Add, arguments, broadcast: None }) = matcher.graph.applied(sum)
        && let [ElementwiseArgument::Tensor(a, _), ElementwiseArgument::Tensor(b, _)] = arguments[..]
        && matcher.without_views(if a == lse { b } else { a }) == shift
    {
        matcher.matched.push(sum);
        (lse, logits) = (past_views(matcher, sum), of);
    }
    let (targets, classes, end) = matcher
        .attempt(|matcher| less_picked(matcher, lse, logits, &rows))
        .or_else(|| matcher.attempt(|matcher| sum_less_picked(matcher, lse, logits, &rows)))?;
    let form = ClosedForm::CrossEntropy { rows, divisor: 1.0 / end.factor, probabilities: ProbabilityOperand::Logits, targets };
    let input = shift.map_or(exponents, |(of, _)| of);
    let operands = std::iter::once(logits).chain(classes).chain([lse]).collect();
    (end.factor > 0.0).then_some(BlockCandidate { form, input, output: end.loss, operands })
}

/// Follows the views of a tensor forward, as long as a view is its only reader. Returns the last view; `id` if there is none.
fn past_views(matcher: &mut Matcher<'_, '_, '_, '_>, mut id: TensorId) -> TensorId {
    while let Some(user) = matcher.graph.only_user(id).filter(|user| matcher.graph.view_of(*user) == Some(id)) {
        matcher.matched.push(user);
        id = user;
    }
    id
}

/// Matches `lse - picked`, and the loss after it.
fn less_picked(
    matcher: &mut Matcher<'_, '_, '_, '_>,
    lse: TensorId,
    logits: TensorId,
    rows: &Groups,
) -> Option<(Targets, Option<TensorId>, End)> {
    let (user, other, [of_lse, of_other]) = sum_or_difference(matcher, lse)?;
    if matcher.graph.len(user) != rows.count {
        return None;
    }
    let (targets, classes, factor) = picked_entries(matcher, other, logits, rows)?;
    let end = end(matcher, user)?;
    let is_difference = is_opposite(of_lse, of_other * factor);
    is_difference.then_some((targets, classes, End { factor: of_lse * end.factor, ..end }))
}

/// Matches `lse.mean() - picked.mean()`, and the loss after it.
fn sum_less_picked(
    matcher: &mut Matcher<'_, '_, '_, '_>,
    lse: TensorId,
    logits: TensorId,
    rows: &Groups,
) -> Option<(Targets, Option<TensorId>, End)> {
    let End { loss, factor } = end(matcher, lse)?;
    let (user, other, [of_lse, of_other]) = sum_or_difference(matcher, loss)?;
    let (total, outer) = matcher.scaled(other);
    let (inner, _) = matcher.sum(total).filter(|_| matcher.graph.len(total) == 1)?;
    let (targets, classes, inner) = picked_entries(matcher, inner, logits, rows)?;
    let end = end(matcher, user)?;
    let is_difference = is_opposite(of_lse * factor, of_other * outer * inner);
    is_difference.then_some((targets, classes, End { factor: of_lse * factor * end.factor, ..end }))
}

/// Returns whether one factor is the negative of the other.
#[expect(clippy::float_cmp, reason = "both are products of the same numbers")]
fn is_opposite(one: f64, other: f64) -> bool {
    one == -other
}

/// Matches a + b or a − b, where `id` is a or b. Returns the result, the other operand, and the signs of `id` and of the other operand: 1 or −1.
fn sum_or_difference(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<(TensorId, TensorId, [f64; 2])> {
    let user = matcher.graph.only_user(id)?;
    let Applied { operator, arguments, .. } = matcher.applied(user)?;
    let [ElementwiseArgument::Tensor(a, _), ElementwiseArgument::Tensor(b, _)] = arguments[..] else { return None };
    if a == b || matcher.graph.len(a) != matcher.graph.len(b) {
        return None;
    }
    let is_first = a == id;
    let other = if is_first { b } else { a };
    match (operator, is_first) {
        (Operator::Add, _) => Some((user, other, [1.0, 1.0])),
        (Operator::Sub, true) => Some((user, other, [1.0, -1.0])),
        (Operator::Sub, false) => Some((user, other, [-1.0, 1.0])),
        _ => None,
    }
}

/// Matches the logit of the class of each row, times a number. Returns the classes, their tensor and the number.
fn picked_entries(
    matcher: &mut Matcher<'_, '_, '_, '_>,
    id: TensorId,
    logits: TensorId,
    rows: &Groups,
) -> Option<(Targets, Option<TensorId>, f64)> {
    let (picked, factor) = matcher.scaled(id);
    let (targets, classes) = matcher.graph.picked(picked, rows)?;
    matcher.matched.push(picked);
    let is_of_logits = matcher.graph.reads(picked).first() == Some(&logits);
    is_of_logits.then_some((targets, classes, factor))
}

/// The end of a loss: a single number, which is a factor times the sum of all entries.
struct End {
    loss: TensorId,
    factor: f64,
}

/// Follows sums, products with a number, quotients by a number, negations and views from a tensor forward to a single number.
fn end(matcher: &mut Matcher<'_, '_, '_, '_>, first: TensorId) -> Option<End> {
    let (mut id, mut factor) = (first, 1.0);
    while let Some(user) = matcher.graph.only_user(id) {
        if matcher.sum(user).is_none() {
            let Some((_, times)) = matcher.attempt(|matcher| matcher.factor(user).filter(|(of, _)| *of == id)) else { break };
            factor *= times;
        }
        id = user;
    }
    (matcher.graph.len(id) == 1).then_some(End { loss: id, factor })
}

/// Matches log p: a log-softmax, the logarithm of a softmax, or z − log Σ exp z.
fn log_probabilities(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<LogitRows> {
    if let Some((of, rows, true)) = matcher.graph.softmax(id) {
        matcher.matched.push(id);
        return Some(LogitRows { of, rows });
    }
    matcher
        .attempt(|matcher| {
            let p = matcher.function(id, LOG)?;
            probabilities(matcher, p)
        })
        .or_else(|| {
            matcher.attempt(|matcher| {
                let applied = matcher.applied(id)?;
                let [ElementwiseArgument::Tensor(z, _), ElementwiseArgument::Tensor(l, slot)] = applied.arguments[..] else { return None };
                let (exponents, rows, added) = log_of_sum(matcher, l)?;
                // the same shift is in both: z − u − log Σ exp(z − u), or z − (log Σ exp(z − u) + u)
                let (is_same, logits) = match shifted(matcher, exponents, &rows) {
                    Some((of, shift)) if added == Some(shift) => (z == of, of),
                    Some((of, _)) if added.is_none() => (z == exponents, of),
                    None if added.is_none() => (z == exponents, exponents),
                    _ => return None,
                };
                let is_by_row = matcher.graph.shape(z) == matcher.graph.shape(id) && matcher.reads_groups(&applied, id, (l, slot), &rows);
                (applied.operator == Operator::Sub && is_same && is_by_row).then_some(LogitRows { of: logits, rows })
            })
        })
}

/// Matches log Σ exp s, or log Σ exp s + u. Returns s, the rows and u.
fn log_of_sum(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<(TensorId, Groups, Option<TensorId>)> {
    let id = matcher.without_views(id);
    let log = |matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId| {
        matcher.attempt(|matcher| {
            let id = matcher.without_views(id);
            let sum = matcher.function(id, LOG)?;
            let sum = matcher.without_views(sum);
            let (exponentials, rows) = matcher.sum(sum)?;
            matcher.function(exponentials, functions::EXP).map(|exponents| (exponents, rows))
        })
    };
    if let Some((exponents, rows)) = log(matcher, id) {
        return Some((exponents, rows, None));
    }
    let applied = matcher.applied(id)?;
    let [ElementwiseArgument::Tensor(a, _), ElementwiseArgument::Tensor(b, _)] = applied.arguments[..] else { return None };
    let (found, shift) = match log(matcher, a) {
        Some(found) => (found, b),
        None => (log(matcher, b)?, a),
    };
    let shift = matcher.without_views(shift);
    let is_sum = applied.operator == Operator::Add && applied.broadcast.is_none();
    is_sum.then_some((found.0, found.1, Some(shift)))
}

/// Matches a softmax: the function, or exp s divided by its sum.
fn probabilities(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<LogitRows> {
    if let Some((of, rows, false)) = matcher.graph.softmax(id) {
        matcher.matched.push(id);
        return Some(LogitRows { of, rows });
    }
    matcher.attempt(|matcher| {
        let applied = matcher.applied(id)?;
        let [ElementwiseArgument::Tensor(a, a_slot), ElementwiseArgument::Tensor(b, b_slot)] = applied.arguments[..] else { return None };
        let by_sum = |matcher: &mut Matcher<'_, '_, '_, '_>, exponentials: TensorId, sum: (TensorId, usize), is_inverse: bool| {
            matcher.attempt(|matcher| {
                let mut total = matcher.without_views(sum.0);
                if is_inverse {
                    total = matcher.reciprocal(total)?;
                    total = matcher.without_views(total);
                }
                let (of, rows) = matcher.sum(total)?;
                let is_by_row = matcher.graph.shape(of) == matcher.graph.shape(id) && matcher.reads_groups(&applied, id, sum, &rows);
                // exp(z) / exp(z).sum() computes exp(z) twice, so the two exp(z) are different tensors
                let is_same =
                    of == exponentials || matcher.function(of, functions::EXP)? == matcher.function(exponentials, functions::EXP)?;
                (is_same && is_by_row).then_some((exponentials, rows))
            })
        };
        let (exponentials, rows) = match applied.operator {
            Operator::Mul => by_sum(matcher, a, (b, b_slot), true).or_else(|| by_sum(matcher, b, (a, a_slot), true))?,
            operator if operator == Operator::DIV => by_sum(matcher, a, (b, b_slot), false)?,
            _ => return None,
        };
        let exponents = matcher.function(exponentials, functions::EXP)?;
        let of = shifted(matcher, exponents, &rows).map_or(exponents, |(of, _)| of);
        Some(LogitRows { of, rows })
    })
}

/// Matches z − u, where u is the same for all entries of a row. The softmax of z − u is that of z. Returns z, and u or, if u is a
/// view, the tensor of which it is a view.
fn shifted(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId, rows: &Groups) -> Option<(TensorId, TensorId)> {
    matcher.attempt(|matcher| {
        let applied = matcher.applied(id)?;
        let [ElementwiseArgument::Tensor(of, _), ElementwiseArgument::Tensor(shift, slot)] = applied.arguments[..] else { return None };
        let shape = matcher.graph.shape(id);
        let place = |at: usize| applied.broadcast.as_ref().map_or(at, |broadcast| broadcast.operand_entry(slot, at));
        if applied.operator != Operator::Sub || matcher.graph.shape(of) != shape || !is_same_in_groups(shape, rows, place) {
            return None;
        }
        matcher.shifts.push(shift);
        let bare = matcher.without_views(shift);
        Some((of, bare))
    })
}
