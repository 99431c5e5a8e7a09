//! The input of each pane: the scene of the step on the screen, the state of the program, and the theme.

use std::cell::{OnceCell, RefCell};
use std::ops::{Deref, Range};

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::{ComparedEntry, Document, GradientComparison, State, Stepper};
use crate::expr::Notation;
use crate::network::{Id, TensorInfo};
use crate::number::ColumnFormat;
use crate::scene::Scene;
use crate::step::TensorEntry;
use crate::ui::RenderOptions;
use crate::ui::operand::OperandMatrix;
use crate::ui::theme::{self, SHARED_COLOURS, Theme};

/// The step on the screen with its context. A view dereferences to its scene, and panes get all numbers from it.
#[derive(Debug)]
pub struct StepView<'a> {
    /// The state of the program.
    pub state: &'a State,
    /// The stepper, with the step on the screen.
    pub stepper: &'a Stepper,
    /// The open scenario with the iteration that the screen shows: [`Stepper::shown`].
    pub document: &'a Document,
    /// The scene of the step.
    pub scene: Scene<'a>,
    /// The theme.
    pub theme: Theme,
    /// The notation of equations.
    pub notation: Notation,
    /// The matrices of the matrices pane, built when they are first needed.
    matrices: OnceCell<Vec<OperandMatrix>>,
    /// The areas of the matrices for each area of the pane. They are computed when they are first needed.
    matrix_areas: RefCell<Vec<(Rect, Vec<Rect>)>>,
    /// The tensors for the pane `other tensors`, listed when they are first needed.
    other_tensors: OnceCell<OtherTensors>,
}

/// The tensors near the current op, for the pane `other tensors`.
#[derive(Debug)]
pub struct OtherTensors {
    /// The tensors in the order of the ops.
    pub all: Vec<OtherTensor>,
    /// The number of tensors before the current op.
    pub before: usize,
}

/// A tensor that the pane `other tensors` shows if there is room.
#[derive(Debug)]
pub struct OtherTensor {
    /// The tensor.
    pub id: Id,
    /// Its distance from the current op in the list of tensors, at least 1. If there is not enough room, the farthest tensors are left out.
    pub distance: usize,
    /// The texts of its matrix, computed when they are first needed.
    pub texts: OnceCell<MatrixTexts>,
}

/// The title of a matrix, the format and the colour scale of its numbers, and its size.
#[derive(Debug)]
pub struct MatrixTexts {
    /// The symbol of the tensor.
    pub title: String,
    /// The format of the numbers.
    pub format: ColumnFormat,
    /// The absolute value at the end of the colour scale.
    pub largest: f64,
    /// The width and height of the matrix.
    pub size: [u16; 2],
}

impl OtherTensors {
    /// Iterates over the indices of the tensors. The nearest comes first; of two that are equally near, the one before the op.
    pub fn nearest_first(&self) -> impl Iterator<Item = usize> + use<> {
        let (count, middle) = (self.all.len(), self.before);
        // the indices from `start` to `end` were returned already
        let (mut start, mut end) = (middle, middle);
        std::iter::from_fn(move || {
            if start > 0 && (end == count || middle - start <= end - middle) {
                start -= 1;
                return Some(start);
            }
            end += 1;
            (end <= count).then(|| end - 1)
        })
    }
}

impl<'a> StepView<'a> {
    /// Returns the view of a state; `None` if no scenario is open.
    #[must_use]
    pub fn of(state: &'a State, options: RenderOptions) -> Option<Self> {
        let stepper = state.stepper()?;
        Some(Self {
            state,
            stepper,
            document: stepper.shown(),
            scene: state.settings.applied_to(stepper.scene()?),
            theme: options.theme,
            notation: options.notation(),
            matrices: OnceCell::new(),
            matrix_areas: RefCell::default(),
            other_tensors: OnceCell::new(),
        })
    }

    /// Returns the matrices of the step: its operands and its result. The first call in a frame builds them with `make`.
    pub(super) fn matrices(&self, make: impl FnOnce() -> Vec<OperandMatrix>) -> &[OperandMatrix] {
        self.matrices.get_or_init(make)
    }

    /// Returns the areas of the matrices in an area of the matrices pane. The first call for this area in a frame computes them with `make`.
    pub(super) fn matrix_areas(&self, area: Rect, make: impl FnOnce() -> Vec<Rect>) -> Vec<Rect> {
        if let Some((_, matrix_areas)) = self.matrix_areas.borrow().iter().find(|(other, _)| *other == area) {
            return matrix_areas.clone();
        }
        let matrix_areas = make();
        self.matrix_areas.borrow_mut().push((area, matrix_areas.clone()));
        matrix_areas
    }

    /// Returns the tensors for the pane `other tensors`. The first call in a frame lists them with `make`.
    pub(super) fn other_tensors(&self, make: impl FnOnce() -> OtherTensors) -> &OtherTensors {
        self.other_tensors.get_or_init(make)
    }

    /// Returns the entry under the cursor, if the cursor is open.
    #[must_use]
    pub fn cursor(&self) -> Option<TensorEntry> {
        self.stepper.cursor.map(|cursor| cursor.entry(&self.scene))
    }

    /// Returns the comparison with the user's gradient file, if the file was compared with this iteration.
    #[must_use]
    pub fn comparison(&self) -> Option<&GradientComparison> {
        self.stepper.current_comparison()
    }

    /// Returns the user's number for an entry. Returns `None` while the scene does not have the right number.
    #[must_use]
    pub fn compared_entry(&self, tensor: Id, at: usize) -> Option<ComparedEntry> {
        self.stepper.compared_entry(&self.scene, tensor, at)
    }

    /// Returns the index of a tensor in the comparison's list of the user's tensors; `None` if the user has no gradient for it.
    #[must_use]
    pub fn compared_tensor(&self, tensor: Id) -> Option<usize> {
        self.stepper.compared_tensor(&self.scene, tensor)
    }

    /// Returns whether the scenario is a graph whose statements show more than the equations of its ops.
    #[must_use]
    pub fn has_statements(&self) -> bool {
        self.document.scenario.network.text().says_more_than_equations()
    }

    /// Returns whether a fold is open. A fold is a group of tensors of a graph, such as those of one statement. If it is closed, the picture has one node for
    /// all of them.
    #[must_use]
    pub fn is_open(&self, fold: usize) -> bool {
        self.stepper.folds.is_open(&self.scene, fold)
    }

    /// Returns the tensor whose node stands for `tensor`: that of the largest closed fold around it, or `tensor` itself if no fold around it is closed.
    #[must_use]
    pub fn shown_as(&self, tensor: Id) -> Id {
        self.network().text().shown_as(tensor, |fold| self.is_open(fold))
    }

    /// Returns the tensors that a node stands for.
    #[must_use]
    pub fn folded_into(&self, node: Id) -> Range<Id> {
        let fold = self.network().text().closed_fold(node, |fold| self.is_open(fold));
        fold.map_or(node..node + 1, |fold| fold.members.clone())
    }

    /// Returns the names of the first two dimensions of a filter; empty names for a tensor of a graph.
    #[must_use]
    pub fn leading_names(&self, info: &TensorInfo) -> [&'static str; 2] {
        match info.inputs_first {
            // the network of the batch is no graph, but its tensors are those of the graph
            _ if !self.document.scenario.network.reads_samples() => ["", ""],
            true => ["in", "out"],
            false => ["out", "in"],
        }
    }

    /// Returns the style of entry `weight` of a filter, whose weights are shared by many neurons; `None` if it has no colour.
    #[must_use]
    pub fn weight_style(&self, filter: Id, weight: usize) -> Option<Style> {
        self.weight_colour(filter, weight, SHARED_COLOURS).map(|colour| self.theme.shared(colour))
    }

    /// Returns the style of a shared weight that the step's term does not read, but another term of the same entry does; `None` if it has no colour.
    #[must_use]
    pub fn weight_style_on_entry(&self, filter: Id, weight: usize) -> Option<Style> {
        self.weight_colour(filter, weight, SHARED_COLOURS).map(|colour| self.theme.shared_on_entry(colour))
    }

    /// Returns the role that decides the style of the current pass.
    #[must_use]
    pub fn pass_role(&self) -> theme::StyleRole {
        if self.is_backward() { theme::StyleRole::Backward } else { theme::StyleRole::Forward }
    }
}

impl<'a> Deref for StepView<'a> {
    type Target = Scene<'a>;

    fn deref(&self) -> &Scene<'a> {
        &self.scene
    }
}
