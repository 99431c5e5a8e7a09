//! Watches: entries whose values stay on the screen in every step.

use crate::network::{Id, Network, Role};
use crate::scene::{EntryState, Scene};
use crate::step::TensorEntry;
use crate::tensor::len;
use crate::trace::Trace;

/// The largest number of watches; the oldest are dropped first.
const MAX_WATCHES: usize = 20;

/// The run to which a watched entry belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WatchScope {
    /// The run of the first sample of the batch. It is used for a parameter, which is the same in all samples, and for all entries if the batch has one sample.
    Shared,
    /// The run of the sample with this number in the file, from 0.
    Sample(usize),
    /// The run of the batch.
    Batch,
}

/// A watched entry. In each iteration it is found by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The address, as the pane shows it.
    pub address: String,
    scope: WatchScope,
    tensor: String,
    at: usize,
}

impl Watch {
    /// Returns a watch of an entry of the scene.
    fn of(scene: &Scene<'_>, TensorEntry { tensor, at }: TensorEntry) -> Self {
        // some tensors of the batch are copies of a sample's tensor; then the entry of the sample is watched
        let (run, tensor) = scene.canonical(tensor);
        let scene_of_run = scene.in_run(run);
        let scene = scene_of_run.as_ref().unwrap_or(scene);
        let info = scene.network().tensor(tensor);
        let scope = match scene.sample() {
            None => WatchScope::Batch,
            Some(sample) if scene.samples().len() > 1 && info.role != Role::Parameter => WatchScope::Sample(sample),
            Some(_) => WatchScope::Shared,
        };
        Self { address: scene.address_of(tensor, at), scope, tensor: info.name.to_string(), at }
    }

    /// Returns the state of the entry at a step. Returns `None` if this iteration does not have the entry: its sample is not in the batch, or the batch has no
    /// tensor of this name.
    #[must_use]
    pub fn state(&self, scene: &Scene<'_>) -> Option<EntryState> {
        let (run_index, tensor) = self.find(scene)?;
        Some(scene.state_in(run_index, tensor, self.at))
    }

    /// Returns the index of the run and the tensor of the entry in the iteration of the scene.
    fn find(&self, scene: &Scene<'_>) -> Option<(usize, Id)> {
        match self.scope {
            WatchScope::Shared => scene.tensor_in(Some(scene.samples().next()?), &self.tensor),
            WatchScope::Sample(sample) => scene.tensor_in(Some(sample), &self.tensor),
            WatchScope::Batch => scene.tensor_in(None, &self.tensor),
        }
    }
}

/// The watched entries, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watches(Vec<Watch>);

impl Watches {
    /// Watches an entry, or stops watching it. Returns the address, and whether the entry is watched now.
    pub(super) fn toggle(&mut self, scene: &Scene<'_>, entry: TensorEntry) -> (String, bool) {
        let watch = Watch::of(scene, entry);
        let address = watch.address.clone();
        let before = self.0.len();
        self.0.retain(|other| other.address != address);
        let is_new = self.0.len() == before;
        if is_new {
            self.0.push(watch);
            let surplus = self.0.len().saturating_sub(MAX_WATCHES);
            self.0.drain(..surplus);
        }
        (address, is_new)
    }

    /// Removes the watches of entries that no network of the iteration has.
    pub(super) fn keep_entries_of(&mut self, trace: &Trace) {
        let has = |network: &Network, watch: &Watch| {
            network.find(&watch.tensor).is_some_and(|tensor| watch.at < len(&network.tensor(tensor).shape))
        };
        self.0.retain(|watch| trace.runs().iter().any(|run| has(&run.network, watch)));
    }

    /// Returns the watches, in order.
    #[must_use]
    pub fn all(&self) -> &[Watch] {
        &self.0
    }
}
