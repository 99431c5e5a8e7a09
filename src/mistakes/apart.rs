//! What would tell apart mistakes that have the same numbers: a gradient that the user has not given, and that differs between them.

use std::collections::HashSet;

use super::fit::{Fit, Mine};
use super::plan::WrongPass;
use super::site::Subject;
use crate::diff::{Gradient, LossOf, TermSums, Tolerance};
use crate::network::{Id, Role};

/// The largest number of alternatives that are compared with the best one.
const MAX_COMPARED: usize = 8;

/// The gradients that the user could add to the file.
pub(super) struct Others<'a> {
    subject: Subject<'a>,
    tolerance: Tolerance,
    /// The tensors whose gradient is not given, in the order of the backward pass.
    tensors: Vec<Id>,
}

impl<'a> Others<'a> {
    /// Lists the gradients that are not in the file.
    pub fn new(subject: Subject<'a>, mine: &[Mine<'_>], tolerance: Tolerance) -> Self {
        let given: HashSet<Id> = mine.iter().map(|mine| mine.gradient.of).collect();
        let of = |id: Id| if let Role::Gradient(of) = subject.network.tensor(id).role { Some(of) } else { None };
        let tensors = subject.backward_ops().filter_map(|(_, op)| of(op.output)).filter(|of| !given.contains(of)).collect();
        Self { subject, tolerance, tensors }
    }

    /// Returns what would tell the best of several fits from the others: the sentence for each fit, empty for those beyond the first few.
    pub fn sentences(&self, fits: &[Fit]) -> Vec<String> {
        let Some((best, others)) = fits.split_first().filter(|(_, others)| !others.is_empty()) else {
            return vec![String::new(); fits.len()];
        };
        let compared = &others[..others.len().min(MAX_COMPARED)];
        let telling: Vec<Option<Id>> = self.telling(best, compared);
        let mut sentences = vec![self.telling_all(&telling).unwrap_or_else(|| by_change(best, &others[0]))];
        sentences
            .extend(telling.iter().zip(compared).map(|(of, other)| of.map_or_else(|| by_change(other, best), |of| self.sentence(&[of]))));
        sentences.resize(fits.len(), String::new());
        sentences
    }

    /// For each of other fits, the first gradient that differs between it and the best one; `None` if no gradient of the network does.
    fn telling(&self, best: &Fit, others: &[Fit]) -> Vec<Option<Id>> {
        let trace = self.subject.trace;
        let mut best_pass = WrongPass::new(trace, &best.plan);
        let mut passes: Vec<WrongPass<'_>> = others.iter().map(|fit| WrongPass::new(trace, &fit.plan)).collect();
        let mut telling = vec![None; others.len()];
        for of in &self.tensors {
            for gradient in self.gradients(*of) {
                let Some((run, id)) = gradient.find(trace) else { continue };
                let terms = TermSums::of(trace, gradient);
                for (pass, telling) in passes.iter_mut().zip(&mut telling).filter(|(_, telling)| telling.is_none()) {
                    let is_changed = best_pass.is_changed(run, id) || pass.is_changed(run, id);
                    let differs = is_changed && {
                        let numbers = best_pass.values(run, id);
                        !self.tolerance.are_equal(pass.values(run, id), numbers, |at| terms.entry(at))
                    };
                    *telling = Some(*of).filter(|_| differs);
                }
            }
        }
        telling
    }

    /// The gradients of a tensor that a file may have: that of the batch for a parameter, and those of all samples for a value.
    fn gradients(&self, of: Id) -> Vec<Gradient> {
        if self.subject.network.tensor(of).role.is_learnable() {
            return vec![Gradient { of, loss: LossOf::Batch }];
        }
        (0..self.subject.trace.samples()).map(|run| Gradient { of, loss: LossOf::Sample(run) }).collect()
    }

    /// The sentence about the gradients that tell a fit from all others; `None` if one of the others has the same gradients.
    fn telling_all(&self, telling: &[Option<Id>]) -> Option<String> {
        let mut all: Vec<Id> = telling.iter().copied().collect::<Option<_>>()?;
        let mut seen = HashSet::new();
        all.retain(|of| seen.insert(*of));
        Some(self.sentence(&all))
    }

    fn sentence(&self, tensors: &[Id]) -> String {
        let names: Vec<String> = tensors.iter().map(|of| self.subject.network.tensor(*of).name.to_string()).collect();
        match names.as_slice() {
            [] => String::new(),
            [name] => format!("∂C/∂{name} would differ: add {name} to the file"),
            [first @ .., last] => {
                let all: Vec<String> = names.iter().map(|name| format!("∂C/∂{name}")).collect();
                format!("{} would differ: add {} and {last} to the file", all.join(", "), first.join(", "))
            }
        }
    }
}

/// The sentence about mistakes that have the same numbers in all gradients of the network.
fn by_change(one: &Fit, other: &Fit) -> String {
    let candidates = one.candidates.iter().chain(&other.candidates);
    let change = candidates.map(|candidate| candidate.mistake.apart).find(|apart| !apart.is_empty());
    let change = change.map_or_else(String::new, |change| format!("; {change} may tell them apart"));
    format!("no gradient of this network differs{change}")
}
