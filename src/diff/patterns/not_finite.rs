//! The pattern of numbers that are not finite: the first one in the order of the backward pass, and which of the others are computed from it.

use super::Pattern;
use crate::diff::reached::reached;
use crate::diff::report::{Report, Status, UserTensor};
use crate::number::exact;
use crate::tensor::{index_text, unravel};
use crate::text::list_of_names;
use crate::trace::Trace;

/// The id of the pattern.
pub const NOT_FINITE: &str = "not-finite";

/// Finds the first number that is not finite where the right one is.
pub(super) fn find(trace: &Trace, user: &[UserTensor], report: &Report) -> Option<Pattern> {
    let is_not_finite = |tensor: &usize| report.tensors[*tensor].status == Status::NotFinite;
    let mut all = (0..report.tensors.len()).filter(is_not_finite);
    let tensor = all.next()?;
    let compared = &report.tensors[tensor];
    let values = user[tensor].values.as_ref().ok()?;
    let at = compared.wrong.iter().copied().find(|at| !values[*at].is_finite())?;
    let name = |tensor: usize| report.tensors[tensor].gradient.name(trace);
    let index = index_text(&unravel(at, compared.gradient.shape(trace)));
    let place = |tensor: usize| report.tensors[tensor].gradient.find(trace);
    let from = |tensors: &[usize]| reached(trace, &tensors.iter().filter_map(|tensor| place(*tensor)).collect::<Vec<_>>());
    let is_in = |reached: &[Vec<bool>], tensor: usize| place(tensor).is_some_and(|(run, id)| reached[run][id]);
    // the tensors that are computed from the first one, and those that are computed from any of the origins so far
    let (of_first, mut of_all, mut origins) = (from(&[tensor]), from(&[tensor]), vec![tensor]);
    let mut later = Vec::new();
    for other in all {
        if is_in(&of_first, other) {
            later.push(name(other));
        } else if !is_in(&of_all, other) {
            origins.push(other);
            of_all = from(&origins);
        }
    }
    let spreads = match later.len() {
        0 => String::new(),
        1 => format!("; it spreads backward from there to {}", later[0]),
        n => format!("; it spreads backward from there to {n} tensors: {}", list_of_names(&later)),
    };
    let others: Vec<String> = origins[1..].iter().map(|other| name(*other)).collect();
    let other_origins = match others.len() {
        0 => String::new(),
        1 => format!(
            "; {} is not computed from it, so it has another origin, or both come from a gradient that is not in the file",
            others[0]
        ),
        n => format!(
            "; {n} other tensors are not computed from it, so they have other origins, or all come from a gradient that is not in the file: {}",
            list_of_names(&others)
        ),
    };
    let words = format!(
        "{}{index} is the first number of the file that is not finite: {}{spreads}{other_origins}; the right number is finite, so look for a division by 0, a logarithm of 0 or an overflow in its computation",
        name(tensor),
        exact(values[at])
    );
    Some(Pattern { tensor, id: NOT_FINITE, words, explains: false })
}
