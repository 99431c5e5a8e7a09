//! Folds of a graph. A *fold* is a statement or a call that consists of several operations. For example, the call `softmax(x)` consists of an exponential, a
//! sum and a division. The picture and the map show a closed fold as one node, and an open fold as one node for each operation.
//!
//! The user opens and closes folds with the key `F`. Any other fold is open while the step is inside it ([`Scene::is_inside`]), so that the picture can draw
//! what the step reads.

use std::collections::BTreeMap;

use super::Stepper;
use crate::network::{GraphText, Id};
use crate::scene::Scene;

/// The folds that the user has opened or closed.
#[derive(Clone, Debug, Default)]
pub struct Folds {
    /// The state of each fold by its number: `true` if the user has opened it, `false` if closed.
    chosen: BTreeMap<usize, bool>,
}

impl Folds {
    /// Returns whether a fold is open at the step of a scene.
    #[must_use]
    pub fn is_open(&self, scene: &Scene<'_>, fold: usize) -> bool {
        self.chosen.get(&fold).copied().unwrap_or_else(|| scene.is_inside(fold))
    }

    /// Returns the folds that are open at the step of a scene, in ascending order. The map asks for each tensor of a graph whether its folds are open, so they
    /// are found once.
    pub(super) fn all_open(&self, scene: &Scene<'_>) -> Vec<usize> {
        let chosen = self.chosen.iter().filter(|(_, is_open)| **is_open).map(|(fold, _)| *fold);
        let mut open: Vec<usize> = chosen.chain(scene.folds_here().filter(|fold| self.is_open(scene, *fold))).collect();
        open.sort_unstable();
        open.dedup();
        open
    }

    /// Finds the outermost folds around these tensors. If they and all folds inside them are open, closes them; otherwise opens them all. Returns the number of
    /// the first fold, and whether it is open now. Returns `None` if no fold contains the tensors.
    fn toggle(&mut self, scene: &Scene<'_>, tensors: &[Id]) -> Option<(usize, bool)> {
        let text = scene.network().text();
        let outermost: Vec<usize> = tensors.iter().filter_map(|id| text.folds_around(*id).last()).collect();
        let first = *outermost.first()?;
        let all: Vec<usize> = outermost.into_iter().flat_map(|fold| text.folds_within(fold)).collect();
        let opens = all.iter().any(|fold| !self.is_open(scene, *fold));
        self.chosen.extend(all.into_iter().map(|fold| (fold, opens)));
        Some((first, opens))
    }
}

impl Stepper {
    /// Opens or closes the fold around a tensor, and returns a message. `of_map` is the tensor of the selected block of the map; `None` if none is selected.
    /// Without it, the tensor is the one under the cursor or, without a cursor, the one that the step computes. If no fold is around this tensor, opens or
    /// closes the folds around the tensors that the step reads.
    pub(super) fn toggle_fold(&mut self, of_map: Option<Id>) -> String {
        // a second pointer to the document: the scene borrows it, so that `self` can be changed
        let document = std::sync::Arc::clone(&self.document);
        let Some(scene) = document.scene(self.step) else { return "there is no step".to_owned() };
        // the map has the tensors of the samples' network, also at a step of the batch
        let scene = of_map.and_then(|_| scene.last_of_samples()).unwrap_or(scene);
        let selected = of_map.or(self.cursor.map(|cursor| cursor.entry(&scene).tensor)).unwrap_or(scene.output);
        // a fold contains tensors of the forward pass, so for ∂C/∂z this looks for the fold around z
        let read = scene.sources_now().iter().map(|source| scene.neuron(source.tensor)).collect::<Vec<_>>();
        let selected = [scene.neuron(selected)];
        let read = if of_map.is_some() { &[][..] } else { &read };
        let toggled = self.folds.toggle(&scene, &selected).or_else(|| self.folds.toggle(&scene, read));
        let text = scene.network().text();
        match toggled {
            Some((fold, is_open)) => sentence(&scene, text, fold, is_open),
            None => "there is no fold here: only a statement or a call with several operations can be opened".to_owned(),
        }
    }
}

/// Returns the message about a fold that was opened or closed.
fn sentence(scene: &Scene<'_>, text: &GraphText, fold: usize, is_open: bool) -> String {
    let Some(fold) = text.fold(fold) else { return String::new() };
    let name = &scene.network().tensor(fold.output()).name;
    if is_open { format!("{name} is open: its {} parts are nodes", fold.members.len()) } else { format!("{name} is one node again") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Document;
    use crate::scenario::{Limits, Source, read};

    #[test]
    fn all_open_folds_are_found() {
        let text = "title = \"t\"\n[graph]\ninputs = { x = [1.0, 2.0] }\nnodes = \"\"\"\nu = softmax(x * 2, 0) + 1\nv = tanh(u * u) + u\n\
                    J = (v * x).sum() + 1\n\"\"\"\n";
        let source = Source { name: "t".into(), path_shown: "t.toml".into(), text: text.into() };
        let document = Document::new(read(source, Limits::default()).expect("a scenario"));
        let fold_count = (0..1000).take_while(|fold| document.trace.network().text().fold(*fold).is_some()).count();
        assert!(fold_count >= 3, "{fold_count}");
        for chosen in [BTreeMap::new(), BTreeMap::from([(0, false), (2, true)])] {
            let folds = Folds { chosen };
            for step in 1..=document.trace.len() {
                let scene = Scene::of(&document.trace, step).expect("a step");
                let expected: Vec<usize> = (0..fold_count).filter(|fold| folds.is_open(&scene, *fold)).collect();
                assert_eq!(folds.all_open(&scene), expected, "step {step}");
            }
        }
    }
}
