//! The stepper: the screen that shows one step of an open scenario.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Bookmarks, Breakpoints, ComparedEntry, Cursor, Document, EditEffect, Edits, FileChange, Folds, ForwardMoves, GradientComparison, Job,
    List, MistakeHere, Mode, Prediction, Search, Training, Visit, Visits, Watches,
};
use crate::network::Id;
use crate::scene::{Grid, Scene};
use crate::step::{Address, TensorEntry, Unit};
use crate::trace::{Position, Trace};

/// An open scenario at one of its steps.
#[derive(Clone, Debug)]
pub struct Stepper {
    /// The scenario with the iteration on the screen. Moves go to the steps of this iteration; the screen shows [`Stepper::shown`].
    pub document: Arc<Document>,
    /// The step on the screen, counted from 1.
    pub step: u64,
    /// The unit by which the keys for forward and back move.
    pub unit: Unit,
    /// The number that the user has typed before a key, such as 57 in `57G`.
    pub count: Option<u64>,
    /// The mode. It decides what a key does.
    pub mode: Mode,
    /// The long computation in progress. It continues while an overlay or the picker covers the stepper.
    pub job: Option<Job>,
    /// The time of the next move of play; `None` if play is paused. While a job is in progress, play makes no move. A long move of play is itself a job.
    pub play: Option<Duration>,
    /// The distance, in rows and columns, by which the user has scrolled the matrices away from the entries of this step.
    pub scroll: [isize; 2],
    /// The number of channels (or filters) between the channel of this step and the shown one; negative if the shown one comes before.
    pub channel_offset: isize,
    /// The cursor on the matrices, if it is open.
    pub cursor: Option<Cursor>,
    /// `true` after the key `e`, until an action that does not move the cursor. While it is `true`, a typed digit or sign begins the new value of the entry
    /// under the cursor.
    pub awaits_value: bool,
    /// The places that jumps have left.
    pub visits: Visits,
    /// The places that the user has marked.
    pub bookmarks: Bookmarks,
    /// The entries that the user watches.
    pub watches: Watches,
    /// The folds of a graph that the user has opened or closed.
    pub folds: Folds,
    /// The result of a gradient check, until it is shown.
    pub(super) check_result: Option<List>,
    /// The last search.
    pub search: Option<Search>,
    /// The breakpoints.
    pub breakpoints: Breakpoints,
    /// The last moves forward, which `h` can undo; `None` after any other move.
    pub forward_moves: Option<ForwardMoves>,
    /// The edits of the scenario's numbers.
    pub edits: Edits,
    /// The unsaved edits of an earlier session, until the user has restored or discarded them.
    pub old_edits: Option<Vec<(String, f64)>>,
    /// The training runs whose losses the chart draws.
    pub(super) training: Training,
    /// The effect of the last edit.
    pub(super) effect: Option<EditEffect>,
    /// The document before the last edit, to show old values.
    pub(super) before_edit: Option<Arc<Document>>,
    /// The state of prediction.
    pub prediction: Prediction,
    /// The comparison with the gradients of the user's own program; `None` if none are loaded.
    pub comparison: Option<Arc<GradientComparison>>,
    /// The last change of the scenario's file by another program; `None` if the file is as gradstep read or wrote it.
    pub file_change: Option<FileChange>,
    /// `true` after the file was read again, until overlays about the old network are closed.
    pub(super) is_reloaded: bool,
}

impl Stepper {
    /// Returns a stepper at step `at`, or at the nearest step that exists.
    #[must_use]
    pub fn new(document: Arc<Document>, at: u64) -> Self {
        let step = at.clamp(1, document.trace.len());
        let training = Training::new(document.descent.losses());
        Self {
            document,
            step,
            unit: Unit::Step,
            count: None,
            mode: Mode::Normal,
            job: None,
            play: None,
            scroll: [0, 0],
            channel_offset: 0,
            cursor: None,
            awaits_value: false,
            visits: Visits::default(),
            bookmarks: Bookmarks::default(),
            watches: Watches::default(),
            folds: Folds::default(),
            check_result: None,
            search: None,
            breakpoints: Breakpoints::default(),
            forward_moves: None,
            edits: Edits::default(),
            old_edits: None,
            training,
            effect: None,
            before_edit: None,
            prediction: Prediction::default(),
            comparison: None,
            file_change: None,
            is_reloaded: false,
        }
    }

    /// Returns the units of this scenario, from fine to coarse. If there is only one sample or one iteration, this unit is left out.
    pub(super) fn units(&self) -> Vec<Unit> {
        let (samples, iterations) = (self.document.trace.samples(), self.document.descent.iterations());
        let is_offered = |unit: &Unit| match unit {
            Unit::Sample => samples > 1,
            Unit::Iteration => iterations > 1,
            _ => true,
        };
        Unit::ALL.into_iter().filter(is_offered).collect()
    }

    /// Returns the step on the screen or, if prediction hides its number, the step before it.
    pub(super) fn last_known(&self) -> u64 {
        self.step - u64::from(self.hidden_number().is_some())
    }

    /// Returns the scenario with the iteration as the screen shows it: if the tolerance ends the descent with this iteration and its loss is not known yet, the
    /// planned iteration ([`Document`]); otherwise [`Stepper::document`].
    #[must_use]
    pub fn shown(&self) -> &Arc<Document> {
        self.document.planned_at(self.last_known()).unwrap_or(&self.document)
    }

    /// Returns the trace, and the position of the step on the screen. All tensors on the screen belong to the run of this position.
    #[must_use]
    pub fn trace_and_position(&self) -> Option<(&Trace, Position)> {
        let trace = &self.shown().trace;
        Some((trace, trace.position(self.step)?))
    }

    /// Returns the scene of the step on the screen. In prediction it hides the number to predict.
    #[must_use]
    pub fn scene(&self) -> Option<Scene<'_>> {
        Some(self.shown().scene(self.step)?.with_hidden(self.hidden_number()))
    }

    /// Returns the entry that commands such as "what reads it?" are about. It is the entry under the cursor. Without a cursor, it is the entry that the step
    /// computes.
    #[must_use]
    pub fn subject(&self, scene: &Scene<'_>) -> TensorEntry {
        self.cursor.map_or(TensorEntry { tensor: scene.output, at: scene.at.entry }, |cursor| cursor.entry(scene))
    }

    /// Returns the comparison with the user's gradients, if it is valid for the iteration on the screen ([`GradientComparison::is_of_iteration`]).
    #[must_use]
    pub fn current_comparison(&self) -> Option<&GradientComparison> {
        self.comparison.as_deref().filter(|comparison| comparison.is_of_iteration(&self.document))
    }

    /// Returns the user's number for an entry ([`GradientComparison::entry`]). Returns `None` without a comparison that is valid for the iteration on the
    /// screen.
    #[must_use]
    pub fn compared_entry(&self, scene: &Scene<'_>, tensor: Id, at: usize) -> Option<ComparedEntry> {
        self.current_comparison()?.entry(&self.document.trace, scene, tensor, at)
    }

    /// Returns the user's mistakes that concern the step of the scene.
    pub fn mistakes_here<'a>(&'a self, scene: &Scene<'_>) -> Vec<MistakeHere<'a>> {
        let found = self.current_comparison().map(|comparison| comparison.mistakes_here(&self.document.trace, scene).collect());
        found.unwrap_or_default()
    }

    /// Returns the index of the user's tensor for a tensor of the run on the screen.
    #[must_use]
    pub fn compared_tensor(&self, scene: &Scene<'_>, tensor: Id) -> Option<usize> {
        self.current_comparison()?.tensor(&self.document.trace, scene.at.run_index, tensor)
    }

    /// Returns the iteration and the step on the screen.
    #[must_use]
    pub fn current_visit(&self) -> Visit {
        Visit { iteration: self.document.trace.iteration(), step: self.step }
    }

    /// Returns the address of the step on the screen. If there are several iterations, the address has its iteration.
    #[must_use]
    pub fn address_here(&self) -> Option<Address> {
        let (trace, at) = self.trace_and_position()?;
        let iteration = (self.document.iterations() > 1).then_some(trace.iteration());
        Some(Address { iteration, ..trace.address(&at) })
    }

    /// Scrolls the matrices by numbers of rows and columns. The whole distance is at most the size of the largest matrix.
    pub(super) fn scroll_by(&mut self, distance: [i16; 2]) {
        let most = self.largest_matrix();
        for axis in 0..2 {
            self.scroll[axis] = (self.scroll[axis] + isize::from(distance[axis])).clamp(-most[axis], most[axis]);
        }
    }

    /// Returns the largest numbers of rows and of columns of the matrices on the screen.
    fn largest_matrix(&self) -> [isize; 2] {
        let Some((trace, at)) = self.trace_and_position() else { return [0, 0] };
        let op = trace.op_at(&at);
        let read = op.first_16_parts().iter().flat_map(|part| part.operands.iter().copied());
        let size = |id| Grid::of(&trace.network_of(at.run_index).tensor(id).shape);
        let sizes = read.chain([op.output]).map(size).map(|grid| [grid.rows, grid.columns]);
        sizes.fold([0, 0], |most: [usize; 2], size| [most[0].max(size[0]), most[1].max(size[1])]).map(|n| isize::try_from(n).unwrap_or(0))
    }
}
