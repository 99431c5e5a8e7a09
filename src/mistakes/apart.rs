//! The gradient that decides between mistakes with the same numbers: it is not in the user's file, and it is different for each of them.

use std::collections::HashSet;

use super::fit::{Fit, Mine};
use super::mistake::Says;
use super::plan::WrongPass;
use super::site::Subject;
use crate::diff::{Gradient, LossOf, TermSums, Tolerance};
use crate::network::{Id, Role};

/// The largest number of alternatives that are compared with the best one.
const MAX_COMPARED: usize = 8;

/// The difference between a fit and the best one.
#[derive(Clone, Copy, Debug)]
enum Telling {
    /// The gradient of this tensor differs.
    Gradient(Id),
    /// No gradient of the network differs.
    Nothing,
    /// One of the two is a factor, which may be at other places too.
    Unknown,
}

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

    /// Returns a sentence for each of several fits with the same numbers: how to decide between this fit and the best one. Empty after the first few.
    pub fn sentences(&self, fits: &[Fit]) -> Vec<String> {
        let Some((best, others)) = fits.split_first().filter(|(_, others)| !others.is_empty()) else {
            return vec![String::new(); fits.len()];
        };
        let compared = &others[..others.len().min(MAX_COMPARED)];
        let telling = self.telling(best, compared);
        let mut sentences = vec![self.what_tells(best, others, &telling)];
        let of_other =
            |(telling, other): (&Telling, &Fit)| self.what_tells(other, std::slice::from_ref(best), std::slice::from_ref(telling));
        sentences.extend(telling.iter().zip(compared).map(of_other));
        sentences.resize(fits.len(), String::new());
        sentences
    }

    /// The sentence about what would tell a fit from others.
    fn what_tells(&self, fit: &Fit, others: &[Fit], telling: &[Telling]) -> String {
        let mut tensors: Vec<Id> =
            telling.iter().filter_map(|telling| if let Telling::Gradient(of) = telling { Some(*of) } else { None }).collect();
        let mut seen = HashSet::new();
        tensors.retain(|of| seen.insert(*of));
        if !tensors.is_empty() {
            return self.sentence(&tensors);
        }
        let candidates = fit.candidates.iter().chain(others.iter().flat_map(|other| &other.candidates));
        let change = candidates.map(|candidate| candidate.mistake.apart).find(|apart| !apart.is_empty());
        let change = change.map(|change| format!("{change} may tell them apart"));
        let nothing =
            telling.iter().all(|telling| matches!(telling, Telling::Nothing)).then(|| "no gradient of this network differs".to_owned());
        nothing.into_iter().chain(change).collect::<Vec<_>>().join("; ")
    }

    /// For each of other fits, what tells it from the best one: the first gradient that differs.
    fn telling(&self, best: &Fit, others: &[Fit]) -> Vec<Telling> {
        let trace = self.subject.trace;
        let mut best_pass = WrongPass::new(trace, &best.plan);
        let mut passes: Vec<WrongPass<'_>> = others.iter().map(|fit| WrongPass::new(trace, &fit.plan)).collect();
        let is_rule = |fit: &Fit| fit.says().first() == Some(&Says::Rule);
        let start = |other: &Fit| if is_rule(best) && is_rule(other) { Telling::Nothing } else { Telling::Unknown };
        let mut telling: Vec<Telling> = others.iter().map(start).collect();
        for of in &self.tensors {
            for gradient in self.gradients(*of) {
                let Some((run, id)) = gradient.find(trace) else { continue };
                let terms = TermSums::of(trace, gradient);
                for (pass, telling) in passes.iter_mut().zip(&mut telling).filter(|(_, telling)| matches!(telling, Telling::Nothing)) {
                    let is_changed = best_pass.is_changed(run, id) || pass.is_changed(run, id);
                    let differs = is_changed && {
                        let numbers = best_pass.values(run, id);
                        !self.tolerance.are_equal(pass.values(run, id), numbers, |at| terms.entry(at))
                    };
                    if differs {
                        *telling = Telling::Gradient(*of);
                    }
                }
            }
        }
        telling
    }

    /// The possible gradients of a tensor: for a parameter that of the batch, for a value those of all samples.
    fn gradients(&self, of: Id) -> Vec<Gradient> {
        if self.subject.network.tensor(of).role.is_learnable() {
            return vec![Gradient { of, loss: LossOf::Batch }];
        }
        (0..self.subject.trace.samples()).map(|run| Gradient { of, loss: LossOf::Sample(run) }).collect()
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
