//! The matrices pane. It shows each operand of the op as a matrix, and then the result so far. The factors of this step are marked. The factors of the other
//! terms of the same entry are marked too, in a fainter style.

pub(super) mod arrange;
mod corner;
mod legend;
mod marks;
mod region;
mod widget;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use self::arrange::{Candidates, GAP, RequestedSizes};
use self::legend::HeatScale;
use self::marks::ReadEntries;
pub(super) use self::marks::{MarkedEntries, marks};
use self::region::region;
use self::widget::{PaneArea, repetition, shape, with_matrix};
use crate::number::{ColumnFormat, round_up};
use crate::scene::{Grid, ShownTensor};
use crate::ui::ClickTarget;
use crate::ui::line::DrawLine as _;
use crate::ui::matrix::{ImageKind, Matrix};
use crate::ui::operand::OperandMatrix;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The smallest width that a title gets, in columns.
const MIN_TITLE: u16 = 16;
/// The smallest number of rows and of columns that a heat map requests.
const MIN_IMAGE: usize = 10;

/// The largest number of terms of an entry that decide which part of an operand should be visible.
const MAX_DECIDING_TERMS: u64 = 128;

/// Returns the smallest width of the pane at which all matrices are completely visible. The pane may use 3/5 of `room`, or 7/10 for the three matrices of a
/// product. If the matrices do not fit there, returns a larger width.
#[must_use]
pub fn width(view: &StepView<'_>, _: Rect, room: Rect) -> u16 {
    let none = ReadEntries::default();
    let most = room.width * 3 / 5;
    let area = Rect { width: most, height: room.height.saturating_sub(1), ..room };
    let operands = view.matrices(|| all_matrices(view));
    let pane = PaneArea { area, has_final_width: false, has_images: false, has_repetitions: true };
    let pane = PaneArea { has_repetitions: fit_with_repetitions(view, operands, pane), ..pane };
    let sizes: Vec<RequestedSizes> = operands.iter().map(|operand| size(view, operand, &none, pane)).collect();
    let product_area = Rect { width: room.width * 7 / 10, ..pane.area };
    let product_width = corner::product_indices(view, operands).and_then(|indices| corner::width(indices, &sizes, product_area, most));
    product_width.unwrap_or_else(|| {
        let narrowest = arrange::narrowest(&sizes, pane.area);
        if narrowest > most { u16::MAX } else { narrowest }
    })
}

/// Draws the pane.
pub fn render(view: &StepView<'_>, area: Rect, buf: &mut Buffer) {
    let marks = marks(view);
    let (pane, scales) = final_pane(view, area);
    if let [(kind, _), ..] = scales[..] {
        let scales: Vec<HeatScale<'_>> = scales.into_iter().map(|(_, scale)| scale).collect();
        let line = Rect { x: area.x + GAP.min(area.width), y: pane.area.bottom(), width: area.width.saturating_sub(GAP), height: 1 };
        legend::render(kind, &scales, view.digits, &view.theme, line.intersection(area), buf);
    }
    for PlacedMatrix { operand, area, gutter, sign } in arrange(view, view.matrices(|| all_matrices(view)), pane) {
        with_matrix(view, operand, (operand.format, pane), &marks, |matrix| {
            Matrix { min_gutter: gutter, ..matrix.clone() }.render(area, buf, &view.theme);
        });
        if let Some((sign, cell)) = sign {
            Line::styled(sign, view.theme.style(StyleRole::Dim)).draw(cell, buf);
        }
    }
}

/// Returns the entry under a cell of the screen.
#[must_use]
pub fn hit(view: &StepView<'_>, area: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let marks = marks(view);
    let (pane, _) = final_pane(view, area);
    arrange(view, view.matrices(|| all_matrices(view)), pane).into_iter().find_map(|PlacedMatrix { operand, area, gutter, .. }| {
        let find = |matrix: &Matrix<'_>| Matrix { min_gutter: gutter, ..matrix.clone() }.entry_at(area, x, y);
        // the index in the matrix as it is drawn, with the copies that a broadcast makes
        let drawn = with_matrix(view, operand, (operand.format, pane), &marks, find)?;
        let entry = repetition(operand, pane).map_or(drawn, |(repetition, _)| repetition.entry(drawn));
        area.contains((x, y).into()).then_some(ClickTarget::Entry(operand.shown.tensor, entry))
    })
}

/// Returns the number of lines that the pane fills in an area, with its title.
#[must_use]
pub fn filled_lines(view: &StepView<'_>, area: Rect) -> u16 {
    let area = super::below_title(area);
    let (pane, scales) = final_pane(view, area);
    let none = MarkedEntries::default();
    let bottom_of = |PlacedMatrix { operand, area, .. }: PlacedMatrix<'_>| {
        area.y + with_matrix(view, operand, (operand.reserved, pane), &none, |matrix| matrix.height_within(area)).min(area.height)
    };
    let bottom = arrange(view, view.matrices(|| all_matrices(view)), pane).into_iter().map(bottom_of).max().unwrap_or(area.y);
    1 + bottom.saturating_sub(area.y) + u16::from(!scales.is_empty())
}

/// Returns the pane, and the kind and the scale of each heat map in it. If there are heat maps, the last line of the area is reserved for their legend.
fn final_pane<'a>(view: &'a StepView<'_>, area: Rect) -> (PaneArea, Vec<(ImageKind, HeatScale<'a>)>) {
    let pane = PaneArea { area, has_final_width: true, has_images: false, has_repetitions: true };
    let pane = PaneArea { has_repetitions: fit_with_repetitions(view, view.matrices(|| all_matrices(view)), pane), ..pane };
    let scales = |pane: PaneArea| -> Vec<(ImageKind, HeatScale<'a>)> {
        let operands = view.matrices(|| all_matrices(view)).iter();
        let kind = |operand| with_matrix(view, operand, (operand.reserved, pane), &MarkedEntries::default(), |matrix| matrix.image);
        operands.filter_map(|operand| Some((kind(operand)?, HeatScale { symbol: &operand.symbol, largest: operand.largest }))).collect()
    };
    if scales(pane).is_empty() {
        return (pane, Vec::new());
    }
    // the legend takes one line. With less room, the same matrices are heat maps, and perhaps more
    let pane = PaneArea { area: Rect { height: area.height.saturating_sub(1), ..area }, has_images: true, ..pane };
    (pane, scales(pane))
}

/// Returns whether a broadcast repeats some operands, and all matrices are completely visible with the repetitions.
fn fit_with_repetitions(view: &StepView<'_>, operands: &[OperandMatrix], pane: PaneArea) -> bool {
    if operands.iter().all(|operand| operand.repetition.is_none()) {
        return false;
    }
    let none = ReadEntries::default();
    let sizes: Vec<RequestedSizes> = operands.iter().map(|operand| size(view, operand, &none, pane)).collect();
    arrange::fitting_width(&sizes, pane.area).is_some()
}

/// Returns all matrices of the pane, the result last.
fn all_matrices(view: &StepView<'_>) -> Vec<OperandMatrix> {
    let shown = view.tensors();
    let operand = |shown: ShownTensor| {
        let info = view.network().tensor(shown.tensor);
        let numbers = view.numbers(shown.tensor);
        let numbers = || numbers.iter().copied();
        let symbol = view.title(shown.tensor);
        let name = if symbol == *info.name { String::new() } else { info.name.to_string() };
        let axes = view.axes(shown.tensor).iter().map(Option::as_deref).collect::<Option<Vec<_>>>().unwrap_or_default().join(" × ");
        let symbol = if shown.turned { format!("rot180({symbol})") } else { symbol };
        let largest = numbers().filter(|value| value.is_finite()).fold(0.0, |largest, value| value.abs().max(largest));
        let format = view.format(shown.tensor);
        if !shown.is_result {
            let repetition = view.repetition(shown.tensor);
            return OperandMatrix { shown, symbol, name, axes, format, reserved: format, largest, repetition };
        }
        let [before, after] = view.reserved_cells();
        let reserved = ColumnFormat::default().with_room(before, after);
        OperandMatrix { shown, symbol, name, axes, format, reserved, largest: round_up(largest), repetition: None }
    };
    let mut operands: Vec<OperandMatrix> = shown.into_iter().map(operand).collect();
    // matrices that are added have the same colour scale, so that they can be compared
    if view.adds_up() {
        let largest = operands.iter().map(|operand| operand.largest).fold(0.0, f64::max);
        for operand in &mut operands {
            operand.largest = largest;
        }
    }
    corner::align(view, &mut operands);
    operands
}

/// Returns the sizes that an operand requests ([`arrange`]). `needs` are the entries that should be visible first. If the operand consists of several matrices
/// and the pane has no room for two side by side, it requests the size of one matrix.
fn size(view: &StepView<'_>, operand: &OperandMatrix, needs: &ReadEntries, pane: PaneArea) -> RequestedSizes {
    let ShownTensor { tensor, is_result, .. } = operand.shown;
    let first_copy = |entry: usize| repetition(operand, pane).map_or(entry, |(repetition, _)| repetition.first_copy(entry));
    let read = needs.entries(tensor).filter(|_| !is_result).map(first_copy);
    let [rows, columns] = region(&Grid::of(shape(view, operand, pane)), read).unwrap_or([0..1, 0..1]);
    with_matrix(view, operand, (operand.reserved, pane), &MarkedEntries::default(), |matrix| {
        size_of(matrix, operand, [rows.len(), columns.len()], pane.area.width)
    })
}

/// Does the same as [`size`] for a widget. `rows` and `columns` are the numbers of rows and columns that should be visible first.
fn size_of(matrix: &Matrix<'_>, operand: &OperandMatrix, [rows, columns]: [usize; 2], pane_width: u16) -> RequestedSizes {
    let shape = matrix.shape;
    // the size of a matrix of this shape without a title
    let untitled_size = |shape: &[usize], padding: [[usize; 2]; 2]| matrix.untitled_size(shape, padding);
    let (width_with_title, mut high) = matrix.size();
    let (mut wide, _) = untitled_size(shape, operand.shown.padding);
    let Grid { rows: all_rows, columns: all_columns, .. } = Grid::of(shape);
    let cell = u16::try_from(matrix.cell_width()).unwrap_or(u16::MAX);
    // a vector with this number of rows has one cell beside the row indices
    let gutter = untitled_size(&[all_rows], [[0; 2]; 2]).0.saturating_sub(cell);
    if shape.len() > 2 {
        let (one, _) = untitled_size(&shape[shape.len() - 2..], operand.shown.padding);
        if wide > one && one.saturating_mul(2) > pane_width {
            // the title names the visible matrix, so it has no heading
            (wide, high) = (one, high - 1);
        }
    }
    let cells = |text: &str| u16::try_from(crate::text::width(text)).unwrap_or(u16::MAX);
    let symbol_width = cells(&operand.symbol);
    let wide = width_with_title.min(wide.max(MIN_TITLE));
    // a smaller image would show too little
    let min_count = if matrix.image.is_some() { MIN_IMAGE } else { 1 };
    let tier = |rows: usize, columns: usize| {
        let [rows, columns] = [rows.max(min_count), columns.max(min_count)];
        let [rows, columns] = [rows.min(all_rows), columns.min(all_columns)];
        let part_size =
            |rows: usize| if columns > 1 { untitled_size(&[rows, columns], [[0; 2]; 2]) } else { untitled_size(&[rows], [[0; 2]; 2]) };
        // the width includes the indices of all rows; the height includes the title and the column indices
        [part_size(all_rows).0.max(symbol_width).min(wide), matrix.lines_of(rows, wide).min(high)]
    };
    RequestedSizes {
        // the second tier is about twice as large as the region that is read
        tiers: [tier(rows.max(2), columns), tier(2 * rows + 2, 2 * columns + 2), [wide, high]],
        gutter,
        cell,
        name_width: if operand.name.is_empty() {
            symbol_width
        } else {
            symbol_width.saturating_add(1).saturating_add(cells(&operand.name))
        },
        title_width: width_with_title,
    }
}

/// A matrix with its area.
struct PlacedMatrix<'a> {
    operand: &'a OperandMatrix,
    area: Rect,
    /// The width of the row indices. It is the same for all matrices that begin at the same column of the screen.
    gutter: usize,
    /// The sign before the matrix, with its cell.
    sign: Option<(&'static str, Rect)>,
}

/// Returns the area of each matrix, with a sign before the result.
fn arrange<'a>(view: &StepView<'_>, operands: &'a [OperandMatrix], pane: PaneArea) -> Vec<PlacedMatrix<'a>> {
    let areas = view.matrix_areas(pane.area, || best_areas(view, operands, pane));
    let indices_width = |i: usize| {
        with_matrix(view, &operands[i], (operands[i].reserved, pane), &MarkedEntries::default(), |matrix| {
            usize::from(matrix.row_indices_width())
        })
    };
    let gutter = |x: u16| (0..operands.len()).filter(|i| areas[*i].x == x).map(indices_width).max().unwrap_or(0);
    let place = |(i, (operand, area)): (usize, (&'a OperandMatrix, &Rect))| {
        let cell = Rect::new(area.x.saturating_sub(2), area.y, 1, 1).intersection(pane.area);
        let sign = (operand.shown.is_result && i > 0).then_some(("→", cell));
        PlacedMatrix { operand, area: *area, gutter: gutter(area.x), sign }
    };
    operands.iter().zip(&areas).enumerate().map(place).collect()
}

/// Returns areas in which as much of the matrices as possible is visible. The result has as many visible rows as the operands.
fn best_areas(view: &StepView<'_>, operands: &[OperandMatrix], pane: PaneArea) -> Vec<Rect> {
    // these values are the same at each step of the op, so that nothing moves
    let needs = ReadEntries::new(view.typical_reads(MAX_DECIDING_TERMS));
    let sizes: Vec<RequestedSizes> = operands.iter().map(|operand| size(view, operand, &needs, pane)).collect();
    let indices = corner::product_indices(view, operands).filter(|_| !pane.has_images);
    if let Some(areas) = indices.and_then(|indices| corner::areas(indices, &sizes, pane.area)) {
        return areas;
    }
    let candidates = Candidates::new(&sizes, pane.area);
    let mut areas = areas(view, operands, sizes.clone(), &candidates, pane);
    // the result should have as many visible rows as the operand with the most, or all its rows
    let result = operands.len() - 1;
    let rows_in = |i: usize, areas: &[Rect]| {
        with_matrix(view, &operands[i], (operands[i].reserved, pane), &MarkedEntries::default(), |matrix| matrix.rows_within(areas[i]))
    };
    let all_rows = Grid::of(&view.network().tensor(operands[result].shown.tensor).shape).rows;
    // the number of rows that the result lacks
    let missing = |areas: &[Rect]| {
        let most = (0..result).map(|i| rows_in(i, areas)).max().unwrap_or(0);
        most.min(all_rows).saturating_sub(rows_in(result, areas))
    };
    let mut fewest_missing = missing(&areas);
    if fewest_missing == 0 {
        return areas;
    }
    let first_height = areas.get(result).map_or(0, |area| area.height) + 1;
    let most_rows = (0..result).map(|i| rows_in(i, &areas)).max().unwrap_or(0);
    let widths: Vec<u16> = areas.iter().map(|area| area.width).collect();
    let lines = |i: usize, rows: usize| {
        with_matrix(view, &operands[i], (operands[i].reserved, pane), &MarkedEntries::default(), |matrix| matrix.lines_of(rows, widths[i]))
    };
    // first the result requests more lines
    let more = (first_height..=pane.area.height).map(|high| (high, None));
    // then the operands request fewer rows
    let fewer = (1..most_rows).rev().map(|rows| (lines(result, rows), Some(rows)));
    for (result_height, operand_rows) in more.chain(fewer) {
        if fewest_missing == 0 {
            break;
        }
        let max_height = |i: usize| operand_rows.map_or(u16::MAX, |rows| lines(i, rows));
        let mut limited = sizes.clone();
        for (i, size) in limited.iter_mut().enumerate() {
            size.tiers = size.tiers.map(|[wide, high]| [wide, if i == result { high.max(result_height) } else { high.min(max_height(i)) }]);
        }
        let mut next = self::areas(view, operands, limited, &candidates, pane);
        // the highest matrix decides the height of a row of matrices, so the others are cut to the height that they request
        for (i, area) in next.iter_mut().enumerate().take(result) {
            area.height = area.height.min(max_height(i));
        }
        if missing(&next) < fewest_missing {
            fewest_missing = missing(&next);
            areas = next;
        }
    }
    areas
}

/// Returns the areas of matrices that request these sizes. The candidates are for matrices of the same widths.
fn areas(
    view: &StepView<'_>,
    operands: &[OperandMatrix],
    mut sizes: Vec<RequestedSizes>,
    candidates: &Candidates<'_>,
    pane: PaneArea,
) -> Vec<Rect> {
    let arrangement = candidates.best(&sizes);
    // a grid of filters may not use all lines of its area, so the height is divided again, and other matrices get the unused lines
    let no_marks = MarkedEntries::default();
    let first_areas = arrangement.areas(&sizes);
    let mut has_unused_lines = false;
    for ((operand, size), first_area) in operands.iter().zip(&mut sizes).zip(&first_areas) {
        let used = with_matrix(view, operand, (operand.reserved, pane), &no_marks, |matrix| matrix.height_within(*first_area));
        if used < first_area.height {
            has_unused_lines = true;
            size.tiers = size.tiers.map(|[wide, high]| [wide, high.min(used)]);
        }
    }
    if has_unused_lines { arrangement.areas(&sizes) } else { first_areas }.into_vec()
}
