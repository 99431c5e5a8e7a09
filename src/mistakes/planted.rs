//! Backward passes with mistakes in them, for tests.

use super::fit::{Fit, Mine};
use super::plan::WrongPass;
use super::search::Search;
use super::site::Subject;
use crate::diff::{Gradient, TermSums, Tolerance, UserTensor};
use crate::trace::Trace;

/// A backward pass with one mistake in it.
#[derive(Debug)]
pub struct Planting {
    /// The name of the mistake.
    pub id: &'static str,
    /// The name of the rule, if the mistake has several.
    pub variant: Option<String>,
    /// The places at which it is made.
    pub at: Vec<String>,
    /// The gradients of the pass, one for each of the wanted ones.
    pub gradients: Vec<Vec<f64>>,
}

/// For tests: returns the passes with one mistake that change one of these gradients: each mistake at each place, and at several.
#[must_use]
pub fn plantings(trace: &Trace, wanted: &[Gradient], learning_rate: Option<f64>) -> Vec<Planting> {
    let mine: Vec<UserTensor> = wanted
        .iter()
        .map(|gradient| UserTensor { gradient: *gradient, given: String::new(), values: Ok(gradient.right(trace).into_owned()) })
        .collect();
    let found = mine.iter().enumerate().filter_map(|(index, tensor)| {
        let (run, id) = tensor.gradient.find(trace)?;
        let numbers = tensor.values.as_ref().ok()?.as_slice();
        Some(Mine { index, run, id, gradient: tensor.gradient, numbers, differs: false, terms: TermSums::of(trace, tensor.gradient) })
    });
    let found: Vec<Mine<'_>> = found.collect();
    let subject = Subject { trace, network: trace.network(), learning_rate };
    let search = Search::new(subject, &found, Tolerance::FLOAT64);
    let base = Fit::default();
    let mut all = Vec::new();
    for first in 0..found.len() {
        for candidate in search.candidates(&base, first) {
            let plan = base.plan.with(trace, &candidate.edits);
            let mut pass = WrongPass::new(trace, &plan);
            // the first changed tensor, so that each is planted once
            if found.iter().position(|mine| pass.is_changed(mine.run, mine.id)) != Some(first) {
                continue;
            }
            let gradients = found.iter().map(|mine| pass.values(mine.run, mine.id).to_vec()).collect();
            all.push(Planting { id: candidate.mistake.id, variant: candidate.variant, at: candidate.at, gradients });
        }
    }
    all
}
