//! Advice for the user if several mistakes give the same numbers: a gradient that is not in the file yet, and that is different for these mistakes.

use std::collections::HashSet;

use super::fit::{ComparedTensor, Fit};
use super::mistake::Specificity;
use super::plan::WrongPass;
use super::site::Subject;
use crate::diff::{Gradient, LossOf, TermSums, Tolerance};
use crate::network::{Id, Role};

/// The largest number of fits that are compared with the best one.
const MAX_COMPARED: usize = 8;

/// The first difference between a fit and the best one.
#[derive(Clone, Copy, Debug)]
enum Separation {
    /// The gradient of this tensor.
    Gradient(Id),
    /// None: all gradients of the network are the same.
    Nothing,
    /// Unknown, because one of the two is a factor that may be at other places too.
    Unknown,
}

/// The gradients that are not in the user's file.
pub(super) struct Others<'a> {
    subject: Subject<'a>,
    tolerance: Tolerance,
    /// The tensors whose gradient is not given, in the order of the backward pass.
    tensors: Vec<Id>,
}

impl<'a> Others<'a> {
    /// Lists these gradients.
    pub fn new(subject: Subject<'a>, tensors: &[ComparedTensor<'_>], tolerance: Tolerance) -> Self {
        let given: HashSet<Id> = tensors.iter().map(|tensor| tensor.gradient.of).collect();
        let of = |id: Id| if let Role::Gradient(of) = subject.network.tensor(id).role { Some(of) } else { None };
        let tensors = subject.backward_ops().filter_map(|(_, op)| of(op.output)).filter(|of| !given.contains(of)).collect();
        Self { subject, tolerance, tensors }
    }

    /// For each of several fits with the same numbers, returns a sentence about what separates it from the best one. The sentence is empty if nothing is known.
    pub fn sentences(&self, fits: &[Fit]) -> Vec<String> {
        let Some((best, others)) = fits.split_first().filter(|(_, others)| !others.is_empty()) else {
            return vec![String::new(); fits.len()];
        };
        let compared = &others[..others.len().min(MAX_COMPARED)];
        let separations = self.separations(best, compared);
        let mut sentences = vec![self.what_separates(best, others, &separations)];
        let of_other = |(separation, other): (&Separation, &Fit)| {
            self.what_separates(other, std::slice::from_ref(best), std::slice::from_ref(separation))
        };
        sentences.extend(separations.iter().zip(compared).map(of_other));
        sentences.resize(fits.len(), String::new());
        sentences
    }

    /// The sentence about what separates a fit from others.
    fn what_separates(&self, fit: &Fit, others: &[Fit], separations: &[Separation]) -> String {
        let mut tensors: Vec<Id> =
            separations.iter().filter_map(|separation| if let Separation::Gradient(of) = separation { Some(*of) } else { None }).collect();
        let mut seen = HashSet::new();
        tensors.retain(|of| seen.insert(*of));
        if !tensors.is_empty() {
            return self.sentence(&tensors);
        }
        let candidates = fit.candidates.iter().chain(others.iter().flat_map(|other| &other.candidates));
        let change = candidates.map(|candidate| candidate.mistake.apart).find(|apart| !apart.is_empty());
        let change = change.map(|change| format!("{change} may tell them apart"));
        let nothing = separations
            .iter()
            .all(|separation| matches!(separation, Separation::Nothing))
            .then(|| "no gradient of this network differs".to_owned());
        nothing.into_iter().chain(change).collect::<Vec<_>>().join("; ")
    }

    /// For each of other fits, the first gradient that is different from that of the best fit.
    fn separations(&self, best: &Fit, others: &[Fit]) -> Vec<Separation> {
        let trace = self.subject.trace;
        let mut best_pass = WrongPass::new(trace, &best.plan);
        let mut passes: Vec<WrongPass<'_>> = others.iter().map(|fit| WrongPass::new(trace, &fit.plan)).collect();
        let is_rule = |fit: &Fit| fit.specificities().first() == Some(&Specificity::Rule);
        let start = |other: &Fit| if is_rule(best) && is_rule(other) { Separation::Nothing } else { Separation::Unknown };
        let mut separations: Vec<Separation> = others.iter().map(start).collect();
        for of in &self.tensors {
            for gradient in self.gradients(*of) {
                let Some((run, id)) = gradient.find(trace) else { continue };
                let terms = TermSums::of(trace, gradient);
                for (pass, separation) in
                    passes.iter_mut().zip(&mut separations).filter(|(_, separation)| matches!(separation, Separation::Nothing))
                {
                    let is_changed = best_pass.is_changed(run, id) || pass.is_changed(run, id);
                    let differs = is_changed && {
                        let numbers = best_pass.values(run, id);
                        !self.tolerance.are_equal(pass.values(run, id), numbers, |at| terms.entry(at))
                    };
                    if differs {
                        *separation = Separation::Gradient(*of);
                    }
                }
            }
        }
        separations
    }

    /// The gradients of a tensor: one of the batch for a parameter, one of each sample for a value.
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
