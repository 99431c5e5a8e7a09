//! The cursor on the matrices. The user moves it to an entry, and then asks about this entry, for example with the key `r`: which steps read it?

use crate::network::Id;
use crate::scene::{Grid, Scene};
use crate::step::TensorEntry;

/// A cursor on an entry of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The run of the step at which the cursor was placed. In a step of another run, the cursor is on the entry that the step computes.
    run_index: usize,
    entry: TensorEntry,
}

impl Cursor {
    /// Returns a cursor on an entry of a tensor of the scene.
    #[must_use]
    pub fn on(scene: &Scene<'_>, tensor: Id, at: usize) -> Self {
        Self { run_index: scene.at.run_index, entry: TensorEntry { tensor, at } }
    }

    /// Returns a cursor on the entry that the step computes.
    #[must_use]
    pub fn on_result(scene: &Scene<'_>) -> Self {
        Self::on(scene, scene.output, scene.at.entry)
    }

    /// Returns the entry under the cursor. If the cursor's tensor is not on the screen, returns the entry that the step computes.
    #[must_use]
    pub fn entry(&self, scene: &Scene<'_>) -> TensorEntry {
        let is_shown = self.run_index == scene.at.run_index && scene.tensors().iter().any(|shown| shown.tensor == self.entry.tensor);
        if is_shown { self.entry } else { TensorEntry { tensor: scene.output, at: scene.at.entry } }
    }

    /// Returns the cursor `down` rows below and `right` columns to the right. At the edge of a channel it moves on to the next channel. At the edge of the
    /// tensor it stops.
    #[must_use]
    pub fn moved(&self, scene: &Scene<'_>, [down, right]: [isize; 2]) -> Self {
        let TensorEntry { tensor, mut at } = self.entry(scene);
        let Some(shown) = scene.tensors().into_iter().find(|shown| shown.tensor == tensor) else { return *self };
        let shape = &scene.network().tensor(tensor).shape;
        let grid = Grid::of(shape);
        // a vector is drawn as a column or as a row, so both directions move along it
        let [down, right] = if shape.len() == 1 { [down + right, 0] } else { [down, right] };
        for _ in 0..down.unsigned_abs() + right.unsigned_abs() {
            let direction = [down.signum(), right.signum()];
            match shown.neighbour(&grid, at, direction).or_else(|| grid.over_the_edge(at, direction, shown.turned)) {
                Some(next) => at = next,
                None => break,
            }
        }
        Self::on(scene, tensor, at)
    }

    /// Returns the cursor in the matrix that is `shift` matrices later on the screen, earlier if negative. It is on the entry that the step reads or computes
    /// there. If there is no such entry, it is on the first entry.
    #[must_use]
    pub fn in_matrix(&self, scene: &Scene<'_>, shift: isize) -> Self {
        let shown = scene.tensors();
        let now = shown.iter().position(|shown| shown.tensor == self.entry(scene).tensor).unwrap_or(0);
        let count = isize::try_from(shown.len()).unwrap_or(1);
        let wanted = isize::try_from(now).unwrap_or(0).saturating_add(shift).rem_euclid(count);
        let next = shown[usize::try_from(wanted).unwrap_or(0)];
        if next.is_result {
            return Self::on_result(scene);
        }
        let read = scene.sources_now().iter().find(|source| source.tensor == next.tensor);
        Self::on(scene, next.tensor, read.map_or(0, |source| source.at))
    }

    /// Returns the cursor on the same row and column of the channel (or filter) that is `shift` channels later, earlier if negative.
    #[must_use]
    pub fn in_channel(&self, scene: &Scene<'_>, shift: isize) -> Self {
        let TensorEntry { tensor, at } = self.entry(scene);
        let grid = Grid::of(&scene.network().tensor(tensor).shape);
        let [block, row, column] = grid.coordinates(at);
        let block = block.saturating_add_signed(shift).min(grid.blocks.saturating_sub(1));
        Self::on(scene, tensor, grid.entry([block, row, column]))
    }
}
