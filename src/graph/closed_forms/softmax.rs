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
    logits: TensorId,
    rows: Groups,
}

/// Matches one of three blocks:
///
/// - a log-softmax whose result is this tensor, with the loss after it if there is one,
/// - a softmax whose result is this tensor, with the logarithm of one entry of each row and the loss after it,
/// - the exponentials in log Σ exp z − z\[class\], with the loss after them.
pub fn block(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<BlockCandidate> {
    if let Some(LogitRows { logits, rows }) = log_probabilities(matcher, id) {
        let loss = matcher.attempt(|matcher| cross_entropy(matcher, id, &rows));
        let Some((targets, operand, end)) = loss else {
            return Some(BlockCandidate { form: ClosedForm::LogSoftmax { rows }, input: logits, output: id, operands: vec![id] });
        };
        // the loss is factor · Σ log p = −Σ log p / divisor
        let form = ClosedForm::CrossEntropy { rows, divisor: -1.0 / end.factor, probabilities: ProbabilityOperand::Logarithms, targets };
        return Some(BlockCandidate { form, input: logits, output: end.loss, operands: std::iter::once(id).chain(operand).collect() });
    }
    let Some(LogitRows { logits, rows }) = probabilities(matcher, id) else { return log_sum_exp_less_logit(matcher, id) };
    let picked = matcher.graph.only_user(id)?;
    let (targets, classes) = matcher.graph.picked(picked, &rows)?;
    let log = matcher.graph.only_user(picked)?;
    matcher.function(log, LOG)?;
    matcher.matched.push(picked);
    let end = loss_end(matcher, log).filter(|end| end.factor < 0.0)?;
    let form = ClosedForm::CrossEntropy { rows, divisor: -1.0 / end.factor, probabilities: ProbabilityOperand::Probabilities, targets };
    Some(BlockCandidate { form, input: logits, output: end.loss, operands: std::iter::once(id).chain(classes).collect() })
}

/// Matches the loss after log p: the sum of the entries of the classes, or of products with probabilities. Returns the targets, the
/// tensor of the classes or probabilities, and the loss.
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
        return Some((targets, classes, loss_end(matcher, user).map(signed).filter(|end| end.factor < 0.0)?));
    }
    let Applied { operator: Operator::Mul, arguments, broadcast } = matcher.graph.applied(user)? else { return None };
    let [ElementwiseArgument::Tensor(a, a_slot), ElementwiseArgument::Tensor(b, b_slot)] = arguments[..] else { return None };
    // the factor that is matched already is log p or −log p
    let (targets, slot) = if matcher.matched.contains(&a) { (b, b_slot) } else { (a, a_slot) };
    matcher.independent.push(targets);
    let is_weighted_log_p = a != b && matcher.graph.shape(user) == matcher.graph.shape(log_p);
    let end = loss_end(matcher, user).map(signed).filter(|end| is_weighted_log_p && end.factor < 0.0)?;
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
    // the sum, or the last view of the sum
    let before_log = past_views(matcher, sum);
    let log = matcher.graph.only_user(before_log)?;
    matcher.function(log, LOG)?;
    let (mut lse, shift) = (past_views(matcher, log), shifted(matcher, exponents, &rows));
    let mut logits = exponents;
    // log Σ exp(z − m) + m: the shift m is added to the logarithm
    if let Some((z, shift)) = shift
        && let Some(sum) = matcher.graph.only_user(lse)
        && let Some(Applied { operator: Operator::Add, arguments, broadcast: None }) = matcher.graph.applied(sum)
        && let [ElementwiseArgument::Tensor(a, _), ElementwiseArgument::Tensor(b, _)] = arguments[..]
        && matcher.without_views(if a == lse { b } else { a }) == shift
    {
        matcher.matched.push(sum);
        (lse, logits) = (past_views(matcher, sum), z);
    }
    let (targets, classes, end) = matcher
        .attempt(|matcher| less_picked(matcher, lse, logits, &rows))
        .or_else(|| matcher.attempt(|matcher| sum_less_picked(matcher, lse, logits, &rows)))?;
    let form = ClosedForm::CrossEntropy { rows, divisor: 1.0 / end.factor, probabilities: ProbabilityOperand::Logits, targets };
    let input = shift.map_or(exponents, |(z, _)| z);
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
    let (user, other, [lse_sign, other_sign]) = sum_or_difference(matcher, lse)?;
    if matcher.graph.len(user) != rows.count {
        return None;
    }
    let (targets, classes, factor) = picked_entries(matcher, other, logits, rows)?;
    let end = loss_end(matcher, user)?;
    let is_difference = is_opposite(lse_sign, other_sign * factor);
    is_difference.then_some((targets, classes, End { factor: lse_sign * end.factor, ..end }))
}

/// Matches `lse.mean() - picked.mean()`, and the loss after it.
fn sum_less_picked(
    matcher: &mut Matcher<'_, '_, '_, '_>,
    lse: TensorId,
    logits: TensorId,
    rows: &Groups,
) -> Option<(Targets, Option<TensorId>, End)> {
    let End { loss, factor } = loss_end(matcher, lse)?;
    let (user, other, [lse_sign, other_sign]) = sum_or_difference(matcher, loss)?;
    let (total, outer) = matcher.scaled(other);
    let (summed, _) = matcher.sum(total).filter(|_| matcher.graph.len(total) == 1)?;
    let (targets, classes, inner) = picked_entries(matcher, summed, logits, rows)?;
    let end = loss_end(matcher, user)?;
    let is_difference = is_opposite(lse_sign * factor, other_sign * outer * inner);
    is_difference.then_some((targets, classes, End { factor: lse_sign * factor * end.factor, ..end }))
}

/// Returns whether a = −b.
#[expect(clippy::float_cmp, reason = "both are products of the same numbers")]
fn is_opposite(a: f64, b: f64) -> bool {
    a == -b
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
fn loss_end(matcher: &mut Matcher<'_, '_, '_, '_>, first: TensorId) -> Option<End> {
    let (mut id, mut factor) = (first, 1.0);
    while let Some(user) = matcher.graph.only_user(id) {
        if matcher.sum(user).is_none() {
            let Some((_, times)) = matcher.attempt(|matcher| matcher.factor(user).filter(|(operand, _)| *operand == id)) else { break };
            factor *= times;
        }
        id = user;
    }
    (matcher.graph.len(id) == 1).then_some(End { loss: id, factor })
}

/// Matches log p: a log-softmax, the logarithm of a softmax, or z − log Σ exp z.
fn log_probabilities(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<LogitRows> {
    if let Some((logits, rows, true)) = matcher.graph.softmax(id) {
        matcher.matched.push(id);
        return Some(LogitRows { logits, rows });
    }
    matcher
        .attempt(|matcher| {
            let p = matcher.function(id, LOG)?;
            probabilities(matcher, p)
        })
        .or_else(|| {
            matcher.attempt(|matcher| {
                let applied = matcher.applied(id)?;
                let [ElementwiseArgument::Tensor(minuend, _), ElementwiseArgument::Tensor(lse, slot)] = applied.arguments[..] else {
                    return None;
                };
                let (exponents, rows, added_shift) = log_of_sum(matcher, lse)?;
                // with the shift u, the logarithm is z − u − log Σ exp(z − u), or z − (log Σ exp(z − u) + u). `minuend` is z − u or z
                let (is_right_minuend, logits) = match shifted(matcher, exponents, &rows) {
                    Some((z, shift)) if added_shift == Some(shift) => (minuend == z, z),
                    Some((z, _)) if added_shift.is_none() => (minuend == exponents, z),
                    None if added_shift.is_none() => (minuend == exponents, exponents),
                    _ => return None,
                };
                let is_by_row =
                    matcher.graph.shape(minuend) == matcher.graph.shape(id) && matcher.reads_groups(&applied, id, (lse, slot), &rows);
                (applied.operator == Operator::Sub && is_right_minuend && is_by_row).then_some(LogitRows { logits, rows })
            })
        })
}

/// Matches log Σ exp s, or log Σ exp s + u. Returns s, the rows and u.
fn log_of_sum(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<(TensorId, Groups, Option<TensorId>)> {
    let id = matcher.without_views(id);
    let log_sum_exp = |matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId| {
        matcher.attempt(|matcher| {
            let id = matcher.without_views(id);
            let sum = matcher.function(id, LOG)?;
            let sum = matcher.without_views(sum);
            let (exponentials, rows) = matcher.sum(sum)?;
            matcher.function(exponentials, functions::EXP).map(|exponents| (exponents, rows))
        })
    };
    if let Some((exponents, rows)) = log_sum_exp(matcher, id) {
        return Some((exponents, rows, None));
    }
    let applied = matcher.applied(id)?;
    let [ElementwiseArgument::Tensor(a, _), ElementwiseArgument::Tensor(b, _)] = applied.arguments[..] else { return None };
    let ((exponents, rows), shift) = match log_sum_exp(matcher, a) {
        Some(exponents_and_rows) => (exponents_and_rows, b),
        None => (log_sum_exp(matcher, b)?, a),
    };
    let shift = matcher.without_views(shift);
    let is_sum = applied.operator == Operator::Add && applied.broadcast.is_none();
    is_sum.then_some((exponents, rows, Some(shift)))
}

/// Matches a softmax: the function, or exp s divided by its sum.
fn probabilities(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId) -> Option<LogitRows> {
    if let Some((logits, rows, false)) = matcher.graph.softmax(id) {
        matcher.matched.push(id);
        return Some(LogitRows { logits, rows });
    }
    matcher.attempt(|matcher| {
        let applied = matcher.applied(id)?;
        let [ElementwiseArgument::Tensor(a, a_slot), ElementwiseArgument::Tensor(b, b_slot)] = applied.arguments[..] else { return None };
        // matches exp s / Σ exp s; if `is_inverse`, exp s · (1 / Σ exp s), where `sum` is 1 / Σ exp s and its input slot
        let over_sum = |matcher: &mut Matcher<'_, '_, '_, '_>, exponentials: TensorId, sum: (TensorId, usize), is_inverse: bool| {
            matcher.attempt(|matcher| {
                let mut total = matcher.without_views(sum.0);
                if is_inverse {
                    total = matcher.reciprocal(total)?;
                    total = matcher.without_views(total);
                }
                let (summed, rows) = matcher.sum(total)?;
                let is_by_row = matcher.graph.shape(summed) == matcher.graph.shape(id) && matcher.reads_groups(&applied, id, sum, &rows);
                // exp(z) / exp(z).sum() computes exp(z) twice, so the two exp(z) are different tensors
                let is_same = summed == exponentials
                    || matcher.function(summed, functions::EXP)? == matcher.function(exponentials, functions::EXP)?;
                (is_same && is_by_row).then_some((exponentials, rows))
            })
        };
        let (exponentials, rows) = match applied.operator {
            Operator::Mul => over_sum(matcher, a, (b, b_slot), true).or_else(|| over_sum(matcher, b, (a, a_slot), true))?,
            operator if operator == Operator::DIV => over_sum(matcher, a, (b, b_slot), false)?,
            _ => return None,
        };
        let exponents = matcher.function(exponentials, functions::EXP)?;
        let logits = shifted(matcher, exponents, &rows).map_or(exponents, |(z, _)| z);
        Some(LogitRows { logits, rows })
    })
}

/// Matches z − u, where u is the same for all entries of a row. The softmax of z − u is that of z. Returns z, and u or, if u is a
/// view, the tensor of which u is a view.
fn shifted(matcher: &mut Matcher<'_, '_, '_, '_>, id: TensorId, rows: &Groups) -> Option<(TensorId, TensorId)> {
    matcher.attempt(|matcher| {
        let applied = matcher.applied(id)?;
        let [ElementwiseArgument::Tensor(z, _), ElementwiseArgument::Tensor(shift, slot)] = applied.arguments[..] else { return None };
        let shape = matcher.graph.shape(id);
        let shift_entry = |at: usize| applied.broadcast.as_ref().map_or(at, |broadcast| broadcast.operand_entry(slot, at));
        if applied.operator != Operator::Sub || matcher.graph.shape(z) != shape || !is_same_in_groups(shape, rows, shift_entry) {
            return None;
        }
        matcher.shifts.push(shift);
        let bare = matcher.without_views(shift);
        Some((z, bare))
    })
}
