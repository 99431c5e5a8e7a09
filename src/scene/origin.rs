//! The steps of a sample that compute a number which a step of the batch reads as given: `1:grad.fc1.weight[0,0]`.

use std::ops::Range;

use super::Scene;
use crate::network::Id;
use crate::step::Address;

impl Scene<'_> {
    /// Returns the steps of a sample that compute an entry which the batch reads. `None` for an entry of a sample, and for one that this iteration does not
    /// compute, such as an input or a parameter.
    #[must_use]
    pub fn steps_in_sample(&self, tensor: Id, entry: usize) -> Option<Range<u64>> {
        let is_given_to_batch = self.sample().is_none() && self.pass_of(tensor).is_none();
        // in the batch, the name of a sample's tensor is its address
        let address: Address = self.name(tensor, entry).parse().ok().filter(|_| is_given_to_batch)?;
        let steps = self.trace.range(&address).ok()?;
        let run = self.trace.position(steps.start)?.sample_run;
        (run != self.at.sample_run).then_some(steps)
    }
}
