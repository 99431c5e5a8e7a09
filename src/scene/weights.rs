//! The colours of shared weights. A weight of a filter has the same colour wherever it is drawn, and no two weights of a filter have the same colour. If a
//! filter has more weights than there are colours, only some have one: those that the terms around this step read.

use super::Scene;
use crate::network::{Id, Role};
use crate::tensor::len;

/// A coloured weight: its tensor, its index in the tensor, and the index of its colour.
pub(super) type ColouredWeight = (Id, usize, usize);

impl Scene<'_> {
    /// Returns the index of a weight's colour, which is less than `colours`. Returns `None` if the weight has no colour. `colours` must be the same in every
    /// call.
    #[must_use]
    pub fn weight_colour(&self, filter: Id, weight: usize, colours: usize) -> Option<usize> {
        if len(&self.network().tensor(filter).shape) <= colours {
            return Some(weight);
        }
        let coloured = self.coloured_weights.get_or_init(|| self.weights_around(colours));
        coloured.iter().find(|(id, at, _)| (*id, *at) == (filter, weight)).map(|(.., colour)| *colour)
    }

    /// Returns the weights that the `most` terms around this step read, each with a different colour. A weight keeps its colour while the step moves through
    /// the entry.
    fn weights_around(&self, most: usize) -> Vec<ColouredWeight> {
        let is_weight = |id: Id| self.network().tensor(id).role == Role::Parameter;
        let computed = self.neuron(self.output);
        // if the step computes a weight or its gradient, only this weight has a colour
        if is_weight(computed) {
            return vec![(computed, self.at.entry, 0)];
        }
        let terms = self.terms_around(most);
        let numbered = (terms.start..).zip(self.sources_of(&self.at, terms.clone()));
        let colour = |term: u64| usize::try_from(term % most as u64).unwrap_or(0);
        numbered
            .flat_map(|(term, sources)| sources.into_iter().filter(|(id, _)| is_weight(*id)).map(move |(id, at)| (id, at, colour(term))))
            .collect()
    }

    /// Returns the range of the `most` terms of the current entry around this step's term. If there are fewer, returns all.
    #[must_use]
    pub fn terms_around(&self, most: usize) -> std::ops::Range<u64> {
        let (most, terms) = (most as u64, self.at.terms);
        let first = self.at.term.saturating_sub(most / 2).min(terms.saturating_sub(most));
        first..(first + most).min(terms)
    }
}
