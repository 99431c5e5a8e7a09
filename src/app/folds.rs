//! The folds of a graph: a statement or a call of several operations is one node in the picture and in the map, until it is opened.
//!
//! A fold that the user has neither opened nor closed is open while the step computes one of its tensors, because the picture shows the edges of the step.

use std::collections::BTreeMap;

use super::Stepper;
use crate::network::{GraphText, Id};
use crate::scene::Scene;

/// The folds that the user has opened or closed.
#[derive(Clone, Debug, Default)]
pub struct Folds {
    /// The number of each of these folds, and whether it is open.
    chosen: BTreeMap<usize, bool>,
}

impl Folds {
    /// Returns whether a fold is open at the step of a scene.
    #[must_use]
    pub fn is_open(&self, scene: &Scene<'_>, fold: usize) -> bool {
        self.chosen.get(&fold).copied().unwrap_or_else(|| scene.is_inside(fold))
    }

    /// Opens the largest folds around these tensors with all folds in them, or closes them if all are open. Returns the first one and whether it is open now; `None` if there
    /// are none.
    fn toggle(&mut self, scene: &Scene<'_>, tensors: &[Id]) -> Option<(usize, bool)> {
        let text = scene.network().text();
        let largest: Vec<usize> = tensors.iter().filter_map(|id| text.folds_around(*id).last()).collect();
        let first = *largest.first()?;
        let all: Vec<usize> = largest.into_iter().flat_map(|fold| text.folds_within(fold)).collect();
        let opens = all.iter().any(|fold| !self.is_open(scene, *fold));
        self.chosen.extend(all.into_iter().map(|fold| (fold, opens)));
        Some((first, opens))
    }
}

impl Stepper {
    /// Opens or closes the fold of a tensor; without a tensor, the one that the step is in, or else those that it reads. Returns a sentence about it.
    pub(super) fn toggle_fold(&mut self, tensor: Option<Id>) -> String {
        // the scene borrows the document, not the stepper
        let document = std::sync::Arc::clone(&self.document);
        let Some(scene) = document.scene(self.step) else { return "there is no step".to_owned() };
        let own = tensor.or(self.cursor.map(|cursor| cursor.entry(&scene).tensor)).unwrap_or(scene.output);
        let read = scene.sources_now().iter().map(|source| scene.neuron(source.tensor)).collect::<Vec<_>>();
        let own = [scene.neuron(own)];
        let read = if tensor.is_some() { &[][..] } else { &read };
        let toggled = self.folds.toggle(&scene, &own).or_else(|| self.folds.toggle(&scene, read));
        let text = scene.network().text();
        match toggled {
            Some((fold, is_open)) => sentence(&scene, text, fold, is_open),
            None => "only a statement or a call of several operations can be opened, and here is none".to_owned(),
        }
    }
}

/// Returns a sentence about a fold that was opened or closed.
fn sentence(scene: &Scene<'_>, text: &GraphText, fold: usize, is_open: bool) -> String {
    let Some(fold) = text.fold(fold) else { return String::new() };
    let name = &scene.network().tensor(fold.output()).name;
    if is_open { format!("{name} is open: its {} parts are nodes", fold.members.len()) } else { format!("{name} is one node again") }
}
