//! The numbers that wrong rules give for the answer to a question.

use super::question::{About, Question, WrongNumber};
use crate::expr::{Expr, Slot};
use crate::network::{Id, Op, Role};
use crate::scene::HiddenNumber;
use crate::step::{Factor, Kind, Pass, Step, TensorEntry};
use crate::tensor::{ravel, unravel};

/// The number of terms of an entry that mistakes with a single term are tried with: for example, each of them is left out in turn.
const MAX_SINGLE_TERMS: usize = 64;

/// Returns a wrong number whose hint names no term, factor or entry.
pub(super) fn without_subject(value: Option<f64>) -> Vec<WrongNumber> {
    value.map(|value| WrongNumber { value, about: About::Nothing }).into_iter().collect()
}

/// Returns whether a factor is the derivative of a function.
pub(super) fn is_derivative(factor: &Factor) -> bool {
    matches!(factor.derived, Some(Expr::Prime(..) | Expr::Partial(_) | Expr::RepeatedPartial(_)))
}

/// For each position in the products, returns the answer without the factors at this position that `is_left_out` accepts.
pub(super) fn without_factors(question: &Question<'_>, is_left_out: impl Fn(&Factor) -> bool) -> Vec<WrongNumber> {
    let positions = question.terms.iter().map(|term| term.factors.len()).max().unwrap_or(0);
    let has_removable_factor =
        |term: &Step, at: usize| term.function.is_none() && term.factors.len() > 1 && term.factors.get(at).is_some_and(&is_left_out);
    let without = |at: usize| {
        let term = question.terms.iter().position(|term| has_removable_factor(term, at))?;
        let value = question.with_terms(|term| {
            let others = || term.factors.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, factor)| factor.value);
            has_removable_factor(term, at).then(|| others().product())
        })?;
        Some(WrongNumber { value, about: About::Factor { term, at } })
    };
    (0..positions).filter_map(without).collect()
}

/// Returns whether the op updates a parameter.
fn is_update(question: &Question<'_>) -> bool {
    question.trace.op_at(&question.at).pass == Pass::Update
}

/// Returns the answer without a constant factor, in all passes but the update.
pub(super) fn constant_missing(question: &Question<'_>) -> Vec<WrongNumber> {
    let is_constant = |factor: &Factor| factor.source.is_none() && factor.value.abs() != 1.0;
    if is_update(question) { Vec::new() } else { without_factors(question, is_constant) }
}

/// Returns the update without the learning rate η: w − g instead of w − η·g; and w + g, where the sign is wrong too.
pub(super) fn learning_rate_missing(question: &Question<'_>) -> Vec<WrongNumber> {
    // w − η·g is computed as w + (−η)·g: `without` has the factor 1 in the place of −η, `signed` has −1
    let without = if is_update(question) { without_factors(question, |factor| factor.source.is_none()) } else { Vec::new() };
    let signed = question.with_factors(|factor| factor.source.is_none().then(|| factor.value.signum()));
    without.into_iter().flat_map(|wrong| [signed.map(|value| WrongNumber { value, ..wrong }), Some(wrong)]).flatten().collect()
}

/// Returns the entry to which `other_index` moves an entry, by its last two indices. Returns `None` if this is the same entry, if it is outside the tensor, or
/// if the tensor has fewer than two axes.
fn at_other_index(shape: &[usize], at: usize, other_index: OtherIndex) -> Option<usize> {
    let mut index = unravel(at, shape);
    let row = index.len().checked_sub(2)?;
    let [other_row, other_column] = other_index([index[row], index[row + 1]], [shape[row], shape[row + 1]]);
    (index[row], index[row + 1]) = (other_row, other_column);
    ravel(&index, shape).filter(|other| *other != at)
}

/// A function from a row and a column, and the numbers of rows and columns, to another row and column.
type OtherIndex = fn([usize; 2], [usize; 2]) -> [usize; 2];

fn rotated_180([row, column]: [usize; 2], [rows, columns]: [usize; 2]) -> [usize; 2] {
    [rows - 1 - row, columns - 1 - column]
}

fn transposed([row, column]: [usize; 2], _: [usize; 2]) -> [usize; 2] {
    [column, row]
}

/// Returns the index that reads the transpose of a matrix where the rule reads the matrix turned by 180°.
fn transposed_not_turned(index: [usize; 2], sizes: [usize; 2]) -> [usize; 2] {
    transposed(rotated_180(index, sizes), sizes)
}

/// Returns the answer with the entries of one tensor read at another index.
fn read_elsewhere(question: &Question<'_>, tensor: Id, other_index: OtherIndex) -> Option<f64> {
    let (shape, values) = (question.shape(tensor), question.values(tensor));
    question.with_factors(|factor| {
        let source = factor.source.filter(|source| source.tensor == tensor && factor.derived.is_none())?;
        values.get(at_other_index(shape, source.at, other_index)?).copied()
    })
}

/// Returns the filter of the op, and whether the op turns it.
fn filter(question: &Question<'_>) -> Option<(Id, bool)> {
    let (part, window) = question.trace.op_at(&question.at).window()?;
    let filter = part.operands.get(window.filter?)?;
    let is_parameter = question.trace.network_of(question.at.run_index).tensor(filter).role == Role::Parameter;
    is_parameter.then_some((filter, window.turned))
}

/// Returns the answer with the filter not turned, if the op turns it (`is_turned`), or with the filter turned, if the op does not turn it.
pub(super) fn turned_filter(question: &Question<'_>, is_turned: bool) -> Vec<WrongNumber> {
    let filter = filter(question).filter(|(_, op_turns)| *op_turns == is_turned);
    without_subject(filter.and_then(|(filter, _)| read_elsewhere(question, filter, rotated_180)))
}

/// Returns the gradient of a filter with the error turned by 180°.
pub(super) fn turned_error(question: &Question<'_>) -> Vec<WrongNumber> {
    if !is_gradient_of_filter(question) {
        return Vec::new();
    }
    let network = question.trace.network_of(question.at.run_index);
    let is_error = |source: &TensorEntry| matches!(network.tensor(source.tensor).role, Role::Gradient(_));
    let error = question.terms.first().and_then(|term| term.factors.iter().filter_map(|factor| factor.source).find(is_error));
    without_subject(error.and_then(|error| read_elsewhere(question, error.tensor, rotated_180)))
}

/// Returns the answer with a transposed filter. If the op turns the filter, it is transposed instead of turned.
pub(super) fn transposed_filter(question: &Question<'_>) -> Vec<WrongNumber> {
    let square = filter(question).filter(|(filter, _)| is_square(question, *filter));
    let index_for = |is_turned| if is_turned { transposed_not_turned } else { transposed };
    without_subject(square.and_then(|(filter, is_turned)| read_elsewhere(question, filter, index_for(is_turned))))
}

/// Returns whether the last two sizes of a tensor are equal, so that it has the shape of its transpose.
fn is_square(question: &Question<'_>, tensor: Id) -> bool {
    matches!(question.shape(tensor), [.., rows, columns] if rows == columns)
}

/// Returns the answer with the transpose of a matrix in its place.
pub(super) fn transposed_factor(question: &Question<'_>) -> Vec<WrongNumber> {
    let Some(first) = question.terms.first() else { return Vec::new() };
    let of_matrix = |(at, factor): (usize, &Factor)| {
        let tensor = factor.source?.tensor;
        let is_matrix = question.shape(tensor).len() == 2 && is_square(question, tensor);
        let value = read_elsewhere(question, tensor, transposed).filter(|_| is_matrix)?;
        Some(WrongNumber { value, about: About::Factor { term: 0, at } })
    };
    first.factors.iter().enumerate().filter_map(of_matrix).collect()
}

/// Returns another entry of the tensor that the op computes, if the question is about an entry. A term that is alone in its entry counts as the entry.
fn other_entry(question: &Question<'_>, at: Option<usize>) -> Option<WrongNumber> {
    let tensor = question.output();
    let is_about_entry = question.hidden == HiddenNumber::Entry || question.at.terms == 1;
    let wrong = |at: usize| WrongNumber { value: question.values(tensor)[at], about: About::Entry(TensorEntry { tensor, at }) };
    at.filter(|_| is_about_entry).map(wrong)
}

pub(super) fn transposed_entry(question: &Question<'_>) -> Vec<WrongNumber> {
    let shape = question.shape(question.output());
    let other = if shape.len() == 2 { at_other_index(shape, question.at.entry, transposed) } else { None };
    other_entry(question, other).into_iter().collect()
}

/// Returns the entry of a filter's gradient at the place that is turned by 180°.
pub(super) fn rotated_entry(question: &Question<'_>) -> Vec<WrongNumber> {
    let shape = question.shape(question.output());
    let other = if is_gradient_of_filter(question) { at_other_index(shape, question.at.entry, rotated_180) } else { None };
    other_entry(question, other).into_iter().collect()
}

/// Returns whether the op computes the gradient of a filter.
fn is_gradient_of_filter(question: &Question<'_>) -> bool {
    let network = question.trace.network_of(question.at.run_index);
    let is_gradient_of_parameter =
        matches!(network.tensor(question.output()).role, Role::Gradient(of) if network.tensor(of).role == Role::Parameter);
    question.shape(question.output()).len() == 4 && is_gradient_of_parameter
}

/// Returns the arguments of the function that the answer is a value of, if the function is of this kind: an activation (`Apply`) or a maximum (`Select`).
pub(super) fn arguments(question: &Question<'_>, kind: Kind) -> Vec<WrongNumber> {
    let [term] = question.terms.as_slice() else { return Vec::new() };
    let factors = term.factors.iter().enumerate().filter(|(_, factor)| term.kind == kind && factor.slice.is_none());
    factors.map(|(at, factor)| WrongNumber { value: factor.value, about: About::Factor { term: 0, at } }).collect()
}

/// Returns the answer with the activation's derivative at its output a instead of z.
pub(super) fn derivative_at_a(question: &Question<'_>) -> Vec<WrongNumber> {
    let network = question.trace.network_of(question.at.run_index);
    let activation = |z: Id| {
        let reads_z = |op: &&Op| op.pass == Pass::Forward && op.parts.iter().any(|part| part.operands.each().any(|(_, id)| id == z));
        network.ops().iter().find(reads_z).map(|op| op.output).filter(|a| question.shape(*a) == question.shape(z))
    };
    without_subject(question.with_factors(|factor| {
        let expr = factor.derived.filter(|_| is_derivative(factor))?;
        let source = factor.source?;
        let a = *question.values(activation(source.tensor)?).get(source.at)?;
        // a derivative may be written with the output of its function, as a·(1 − a) for the sigmoid: here the output for the input a
        let output = if let Expr::Prime(function, _) = expr { function.value(&[a])? } else { return None };
        expr.value(&|slot| if slot == Slot::Output { output } else { a })
    }))
}

/// Returns the running sum, if the question is about a term.
pub(super) fn sum_so_far(question: &Question<'_>) -> Vec<WrongNumber> {
    without_subject(question.terms.first().filter(|_| question.hidden == HiddenNumber::Term && question.at.term > 0).map(|term| term.sum))
}

/// Returns the terms of an entry with several terms, each with its number; none if the question is about a term.
fn each_term<'q>(question: &'q Question<'_>) -> impl Iterator<Item = (u64, &'q Step)> {
    let has_several = question.hidden == HiddenNumber::Entry && question.terms.len() > 1;
    (0..).zip(&question.terms).filter(move |_| has_several)
}

/// Returns the terms of [`each_term`]; of more than [`MAX_SINGLE_TERMS`] terms, the first and the last ones.
fn terms_at_both_ends<'q>(question: &'q Question<'_>) -> impl Iterator<Item = (u64, &'q Step)> {
    const AT_EACH_END: u64 = MAX_SINGLE_TERMS as u64 / 2;
    let last = question.at.terms.saturating_sub(AT_EACH_END);
    each_term(question).filter(move |(n, _)| *n < AT_EACH_END || *n >= last)
}

pub(super) fn term_left_out(question: &Question<'_>) -> Vec<WrongNumber> {
    let without = |(n, term): (u64, &Step)| WrongNumber { value: question.answer - term.value, about: About::Term(n) };
    let mut all: Vec<WrongNumber> = terms_at_both_ends(question).map(without).collect();
    // people forget the last terms, such as a bias, most often
    all.reverse();
    all
}

/// Returns the single terms of an entry with three or more terms. With two terms, `term_left_out` gives the same numbers.
pub(super) fn single_terms(question: &Question<'_>) -> Vec<WrongNumber> {
    let terms = terms_at_both_ends(question).filter(|_| question.at.terms > 2);
    terms.map(|(n, term)| WrongNumber { value: term.value, about: About::Term(n) }).collect()
}

/// Returns the sums of the first n terms, for 2 ≤ n ≤ terms − 2. Other rows give a single term, and the entry without its last term.
pub(super) fn partial_sums(question: &Question<'_>) -> Vec<WrongNumber> {
    // `n` counts from 0, so the sum after term n has n + 1 terms
    let unfinished = each_term(question).take(MAX_SINGLE_TERMS).filter(|(n, _)| *n > 0 && n + 2 < question.at.terms);
    unfinished.map(|(n, term)| WrongNumber { value: term.sum, about: About::Term(n) }).collect()
}

pub(super) fn term_sign_flipped(question: &Question<'_>) -> Vec<WrongNumber> {
    terms_at_both_ends(question).map(|(n, term)| WrongNumber { value: question.answer - 2.0 * term.value, about: About::Term(n) }).collect()
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2⁵³ terms")]
pub(super) fn mean_instead_of_sum(question: &Question<'_>) -> Vec<WrongNumber> {
    let has_several = question.hidden == HiddenNumber::Entry && question.at.terms > 1;
    without_subject(has_several.then(|| question.answer / question.at.terms as f64))
}

pub(super) fn factors_added(question: &Question<'_>) -> Vec<WrongNumber> {
    let is_product = |term: &Step| term.kind == Kind::Product && term.factors.len() > 1;
    without_subject(question.with_terms(|term| is_product(term).then(|| term.factors.iter().map(|factor| factor.value).sum())))
}

pub(super) fn neighbour_terms(question: &Question<'_>) -> Vec<WrongNumber> {
    let at = &question.at;
    let beside = [at.term.checked_sub(1), Some(at.term + 1).filter(|next| *next < at.terms)];
    let beside = beside.into_iter().flatten().filter(|_| question.hidden == HiddenNumber::Term);
    beside.map(|n| WrongNumber { value: question.trace.step(&at.with_term(n)).value, about: About::Term(n) }).collect()
}

/// Returns the entries beside the one that is asked for, along each axis.
pub(super) fn neighbour_entries(question: &Question<'_>) -> Vec<WrongNumber> {
    let shape = question.shape(question.output());
    let index = unravel(question.at.entry, shape);
    let beside = |axis: usize, by: isize| {
        let mut index = index.clone();
        index[axis] = index[axis].checked_add_signed(by)?;
        ravel(&index, shape)
    };
    let all = (0..shape.len()).flat_map(|axis| [beside(axis, -1), beside(axis, 1)]);
    all.filter_map(|at| other_entry(question, at)).collect()
}
