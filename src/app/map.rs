//! The map of the network: a diagram of its blocks. A block is a layer or a fold. The user selects a block and goes to its first step.

use std::sync::Arc;

use super::Stepper;
use crate::scene::Blocks;

/// The map with its selected block.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkMap {
    /// The blocks of the samples' network.
    pub blocks: Arc<Blocks>,
    /// The index of the selected block in `blocks`.
    pub selected: usize,
}

impl NetworkMap {
    /// Returns the map. The block of the step on the screen is selected. `None` if there is no step.
    pub(super) fn of(stepper: &Stepper) -> Option<Self> {
        let blocks = Arc::new(Self::blocks_of(stepper));
        let selected = stepper.scene()?.block(&blocks);
        Some(Self { blocks, selected })
    }

    /// Returns the blocks. A closed fold is one block.
    pub(super) fn blocks_of(stepper: &Stepper) -> Blocks {
        let open = stepper.scene().map_or_else(Vec::new, |scene| stepper.folds.all_open(&scene));
        Blocks::of(stepper.document.trace.network(), &|fold| open.binary_search(&fold).is_ok())
    }

    /// Replaces the blocks after a fold was opened or closed. The block of the same tensor stays selected.
    pub(super) fn replace(&mut self, blocks: Arc<Blocks>) {
        let tensor = self.blocks.get(self.selected).map(|block| block.tensor);
        self.selected = tensor.map_or(0, |tensor| blocks.of_tensor(tensor));
        self.blocks = blocks;
    }

    /// Moves the selection by a number of blocks. Stops at the first and the last block.
    pub(super) fn select(&mut self, blocks: i16) {
        self.selected = self.selected.saturating_add_signed(blocks.into()).min(self.blocks.len().saturating_sub(1));
    }

    /// Moves the selection along a line: to the last block that reads the selected block, or with `back` to the first block that the selected block reads.
    /// Returns whether there is such a block.
    pub(super) fn follow(&mut self, back: bool) -> bool {
        let Some(block) = self.blocks.get(self.selected) else { return false };
        let next = if back { block.reads().next() } else { block.last_reader };
        self.selected = next.unwrap_or(self.selected);
        next.is_some()
    }

    /// Returns the first step of the selected block in the pass of the step on the screen. If it has none there, returns its first step in another pass, or the
    /// first step that reads its output.
    pub(super) fn step(&self, stepper: &Stepper) -> Option<u64> {
        stepper.scene()?.block_step(&self.blocks, self.selected)
    }
}
