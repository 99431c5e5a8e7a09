//! The widget of an operand.

use ratatui::layout::Rect;

use super::arrange::GAP;
use super::marks::MarkedEntries;
use super::region::around;
use crate::app::Setting;
use crate::expr::Notation;
use crate::network::{Id, Role};
use crate::number::ColumnFormat;
use crate::op::repetition::Repetition;
use crate::scene::{Grid, ShownTensor};
use crate::step::Pass;
use crate::tensor::len;
use crate::ui::matrix::{ImageKind, Mark, Matrix};
use crate::ui::operand::OperandMatrix;
use crate::ui::theme::{Colours, StyleRole};
use crate::ui::view::StepView;

/// The largest number of entries of a matrix that is still drawn as numbers if another matrix of the pane is drawn as a heat map.
const MAX_NUMBERS: usize = 64;

/// The area of the pane.
#[derive(Clone, Copy)]
pub struct PaneArea {
    pub area: Rect,
    /// `true` if the width of the pane is final.
    pub has_final_width: bool,
    /// `true` if some matrix does not fit and is drawn as an image.
    pub has_images: bool,
    /// `true` if the copies that a broadcast makes are drawn, because all matrices fit with them.
    pub has_repetitions: bool,
}

/// Returns the kind of image for an operand; `None` if it is drawn as numbers. A matrix is drawn as an image if its numbers do not fit into the pane, or if it
/// is large and another matrix is an image. The choice is the same at each step of an op.
fn image_kind(view: &StepView<'_>, operand: &OperandMatrix, matrix: &Matrix<'_>, pane: PaneArea) -> Option<ImageKind> {
    let grid = Grid::of(matrix.shape);
    if !view.state.settings.is_on(Setting::HeatMap) || grid.rows < 2 || grid.columns < 2 || !pane.has_final_width {
        return None;
    }
    let untitled_size = |matrix: &Matrix<'_>| matrix.untitled_size(matrix.shape, matrix.padding);
    let (wide, high) = if matrix.format == operand.reserved {
        untitled_size(matrix)
    } else {
        untitled_size(&Matrix { format: operand.reserved, ..matrix.clone() })
    };
    let kind = match (view.notation, view.theme.colours) {
        (Notation::Ascii, _) => ImageKind::AsciiShades,
        (_, Colours::True | Colours::Indexed) => ImageKind::HalfBlocks,
        _ => ImageKind::Shades,
    };
    // one line for the title
    let does_not_fit = wide > pane.area.width.saturating_sub(GAP) || high >= pane.area.height;
    (does_not_fit || pane.has_images && len(matrix.shape) > MAX_NUMBERS).then_some(kind)
}

/// Builds the widget of an operand and calls `use_matrix` with it. The widget refers to closures of this function, so it cannot be returned.
pub fn with_matrix<T>(
    view: &StepView<'_>,
    operand: &OperandMatrix,
    (format, pane): (ColumnFormat, PaneArea),
    marks: &MarkedEntries,
    use_matrix: impl FnOnce(&Matrix<'_>) -> T,
) -> T {
    let ShownTensor { tensor, padding, turned, is_result } = operand.shown;
    let info = view.network().tensor(tensor);
    let repeated = repetition(operand, pane);
    // converts a place in the drawn matrix to the entry, and an entry to the first place where it is drawn
    let entry_of = |place: usize| repeated.map_or(place, |(repetition, _)| repetition.entry(place));
    let first_place = |entry: usize| repeated.map_or(entry, |(repetition, _)| repetition.first_copy(entry));
    let is_copy = |place: usize| first_place(entry_of(place)) != place;
    let value = |place: usize| view.number(tensor, entry_of(place));
    let mark = |place: usize| match repeated {
        Some((repetition, full)) => marks.mark_of_copy(view, &operand.shown, (repetition.entry(place), place), *full),
        None => marks.mark(view, &operand.shown, place),
    };
    let is_shared = info.role == Role::Parameter && has_shared_weights(view, tensor);
    let has_edit = view.stepper.has_old_values();
    // a number that the last edit has changed is underlined
    let tint = |place: usize| {
        let shared = match () {
            () if !is_shared => None,
            () if mark(place) == Mark::Entry => view.weight_style_on_entry(tensor, entry_of(place)),
            () => view.weight_style(tensor, entry_of(place)),
        };
        let is_changed = has_edit && view.stepper.value_before_edit(view, tensor, entry_of(place)).is_some();
        if is_changed { Some(shared.unwrap_or_default().underlined()) } else { shared }
    };
    let cursor = view.cursor().filter(|entry| entry.tensor == tensor).map(|entry| first_place(entry.at));
    let focus = if cursor.is_some() {
        cursor
    } else if is_result {
        Some(view.at.entry)
    } else {
        let read_now = view.sources_now().iter().find(|source| source.tensor == tensor).map(|source| source.at);
        // if this step does not read the operand, the focus is an entry that another term reads
        read_now.or_else(|| marks.by_entry.entries(tensor).next())
    };
    // the channel that the user has chosen with the keys [ and ]
    let grid = Grid::of(&info.shape);
    let focus = focus.filter(|_| repeated.is_none()).map(|at| {
        let [block, row, column] = grid.coordinates(at);
        let block = block.saturating_add_signed(view.stepper.channel_offset).min(grid.blocks.saturating_sub(1));
        if cursor.is_some() { at } else { grid.entry([block, row, column]) }
    });
    let differs = |place: usize| view.compared_entry(tensor, entry_of(place)).is_some_and(|user| user.differs);
    let matrix = Matrix {
        differs: view.compared_tensor(tensor).map(|_| &differs as &dyn Fn(usize) -> bool),
        cursor,
        role: if view.pass_of(tensor) == Some(Pass::Backward) { StyleRole::Backward } else { StyleRole::Forward },
        focus,
        padding,
        turned,
        around: around(view, operand, marks, focus),
        name: &operand.name,
        leading: view.leading_names(info),
        scroll: view.stepper.scroll,
        first_index: view.first_index,
        tint: if is_shared || has_edit { Some(&tint) } else { None },
        heat: (!is_shared && len(&info.shape) > 1).then_some(operand.largest),
        axes: &operand.axes,
        is_copy: repeated.map(|_| &is_copy as &dyn Fn(usize) -> bool),
        shape_before_broadcast: repeated.map(|_| &info.shape[..]),
        ..Matrix::new(&operand.symbol, shape(view, operand, pane), format, &value, &mark)
    };
    match image_kind(view, operand, &matrix, pane) {
        // as numbers, shared weights have no colours of `heat`; in an image, colours show the size of a number
        Some(kind) => use_matrix(&Matrix { image: Some(kind), heat: Some(operand.largest), ..matrix }),
        None => use_matrix(&matrix),
    }
}

/// Returns the repetition with which an operand is drawn, and the tensor whose shape the operand gets by it; `None` if the operand is drawn without copies.
pub fn repetition(operand: &OperandMatrix, pane: PaneArea) -> Option<&(Repetition, Id)> {
    operand.repetition.as_ref().filter(|_| pane.has_repetitions)
}

/// Returns the shape in which an operand is drawn.
pub fn shape<'a>(view: &'a StepView<'_>, operand: &'a OperandMatrix, pane: PaneArea) -> &'a [usize] {
    repetition(operand, pane).map_or_else(|| &view.network().tensor(operand.shown.tensor).shape[..], |(repetition, _)| repetition.shape())
}

/// Returns whether one weight of this tensor is used at many positions, as in a filter.
fn has_shared_weights(view: &StepView<'_>, id: Id) -> bool {
    view.network().tensor(id).shape.len() == 4
}
