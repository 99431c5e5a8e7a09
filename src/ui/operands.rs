//! The matrices pane: every operand of the op as a matrix, then the result so far. This step's factors are marked; the entries that the other terms of the
//! result's entry read are marked more lightly.

mod arrange;

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use self::arrange::{GAP, Size, TIERS};
use crate::network::{Id, Role};
use crate::number::{Format, round_up};
use crate::scene::{Grid, Shown};
use crate::step::{Kind, Pass};
use crate::tensor::len;
use crate::ui::ClickTarget;
use crate::ui::matrix::{Mark, Matrix};
use crate::ui::operand::OperandMatrix;
use crate::ui::theme::StyleRole;
use crate::ui::view::View;

/// The fewest columns for a title.
const TITLE: u16 = 16;
/// The most terms of an entry whose operands are marked; of a longer sum, those around this step.
const MARKED: u64 = 1024;

/// The most terms of an entry that decide which region of an operand should be visible.
const NEEDED: u64 = 128;

/// Cells reserved for a number of the result before it is computed: before the decimal point, and from the point on. The column has this width from the
/// first step of the op on, so a result of up to two digits and four decimals moves nothing. `WHOLE` applies if whole numbers are expected.
const REAL: [usize; 2] = [3, 5];
const WHOLE: [usize; 2] = [3, 0];

/// The entries of each tensor that some terms read, as ascending row-major indices.
#[derive(Default)]
struct ReadEntries(Vec<(Id, Vec<usize>)>);

/// The entries that all terms of the current entry read, and those that this step reads.
#[derive(Default)]
struct MarkedEntries {
    entry: ReadEntries,
    now: ReadEntries,
}

impl ReadEntries {
    /// Returns the entries of a tensor.
    fn of(&self, tensor: Id) -> &[usize] {
        self.0.iter().find(|(id, _)| *id == tensor).map_or(&[], |(_, places)| places)
    }

    /// Groups the entries by tensor.
    fn by_tensor(sources: impl Iterator<Item = (Id, usize)>) -> Self {
        let mut read: Vec<(Id, Vec<usize>)> = Vec::new();
        for (id, at) in sources {
            // few tensors occur, so a linear search is fast
            match read.iter_mut().find(|(own, _)| *own == id) {
                Some((_, places)) => places.push(at),
                None => read.push((id, vec![at])),
            }
        }
        for (_, places) in &mut read {
            places.sort_unstable();
            places.dedup();
        }
        Self(read)
    }
}

/// Returns the width that shows all matrices side by side.
#[must_use]
pub fn width(view: &View<'_>) -> u16 {
    let none = ReadEntries::default();
    let sizes = view.matrices(|| all(view)).iter().map(|operand| size(view, operand, &none, u16::MAX).tiers[TIERS - 1][0] + GAP);
    sizes.fold(1, u16::saturating_add)
}

/// Draws the pane.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    let marks = marks(view);
    for (operand, place, sign) in arrange(view, view.matrices(|| all(view)), area) {
        draw(view, operand, &marks, place, buf);
        if let Some((sign, place)) = sign {
            Line::styled(sign, view.theme.style(StyleRole::Dim)).render(place, buf);
        }
    }
}

/// Returns the entry under a cell of the screen.
#[must_use]
pub fn hit(view: &View<'_>, area: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let marks = marks(view);
    arrange(view, view.matrices(|| all(view)), area).into_iter().find_map(|(operand, place, _)| {
        let at = with_matrix(view, operand, operand.format, &marks, |matrix| matrix.entry_at(place, x, y))?;
        place.contains((x, y).into()).then_some(ClickTarget::Entry(operand.shown.tensor, at))
    })
}

/// Returns all matrices of the pane, the result last.
fn all(view: &View<'_>) -> Vec<OperandMatrix> {
    let shown = view.tensors();
    let expected = if view.expects_whole() { WHOLE } else { REAL };
    let operand = |shown: Shown| {
        let info = view.network().tensor(shown.tensor);
        let numbers = view.numbers(shown.tensor);
        let numbers = || numbers.iter().copied();
        let symbol = info.symbol.text();
        let name = if symbol == *info.name { String::new() } else { info.name.to_string() };
        let title = if shown.turned { format!("⟲180° {symbol}") } else { symbol };
        let largest = numbers().filter(|v| v.is_finite()).fold(0.0, |m, v| v.abs().max(m));
        if !shown.is_result {
            let format = Format::of(numbers());
            return OperandMatrix { shown, title, name, format, reserved: format, largest };
        }
        // the running sum has to fit too
        let format = Format::of(numbers().chain([view.step.sum]));
        let [before, after] = if format.is_whole() { expected } else { REAL };
        let reserved = Format::default().with_room(expected[0], expected[1]);
        OperandMatrix { shown, title, name, format: format.with_room(before, after), reserved, largest: round_up(largest) }
    };
    shown.into_iter().map(operand).collect()
}

fn marks(view: &View<'_>) -> MarkedEntries {
    let first = view.at.term.saturating_sub(MARKED / 2);
    let last = (first + MARKED).min(view.at.terms);
    let now = || view.sources_now().iter().map(|source| (source.tensor, source.at));
    let entry = view.sources_of(&view.at, first..last).flatten().chain(now());
    MarkedEntries { entry: ReadEntries::by_tensor(entry), now: ReadEntries::by_tensor(now()) }
}

/// Builds the widget of an operand and calls `f` with it.
fn with_matrix<T>(view: &View<'_>, operand: &OperandMatrix, format: Format, marks: &MarkedEntries, f: impl FnOnce(&Matrix<'_>) -> T) -> T {
    let Shown { tensor, padding, turned, is_result } = operand.shown;
    let info = view.network().tensor(tensor);
    let value = |at: usize| view.number(tensor, at);
    let (own, now) = (marks.entry.of(tensor), marks.now.of(tensor));
    // a slice may be longer than the entries listed for it
    let slice = view.slices().find(|(other, _)| *other == tensor).map(|(_, places)| places);
    let in_slice = |at: usize| slice.is_some_and(|places| places.contains(at));
    let mark = |at: usize| match () {
        () if is_result && at == view.at.entry => Mark::Result,
        () if own.binary_search(&at).is_err() && !in_slice(at) => Mark::None,
        () if now.binary_search(&at).is_ok() || view.step.kind != Kind::Select && in_slice(at) => Mark::Step,
        () => Mark::Entry,
    };
    let shared = info.role == Role::Parameter && shares(view, tensor);
    let tint = |at: usize| Some(view.theme.shared(at));
    let cursor = view.cursor().filter(|entry| entry.tensor == tensor).map(|entry| entry.at);
    let focus = if cursor.is_some() {
        cursor
    } else if is_result {
        Some(view.at.entry)
    } else {
        let now = view.sources_now().iter().find(|source| source.tensor == tensor).map(|source| source.at);
        // an operand that this step does not read shows what other terms of the entry read
        now.or_else(|| own.first().copied())
    };
    // the channel that [ and ] have chosen
    let grid = Grid::of(&info.shape);
    let focus = focus.map(|at| {
        let [block, row, column] = grid.place(at);
        let block = block.saturating_add_signed(view.stepper.channels).min(grid.blocks.saturating_sub(1));
        if cursor.is_some() { at } else { grid.entry([block, row, column]) }
    });
    let matrix = Matrix {
        cursor,
        role: if view.pass_of(tensor) == Some(Pass::Backward) { StyleRole::Backward } else { StyleRole::Forward },
        focus,
        padding,
        turned,
        around: around(view, operand, marks, focus),
        name: &operand.name,
        leading: if info.inputs_first { ["in", "out"] } else { ["out", "in"] },
        scroll: view.stepper.scroll,
        tint: if shared { Some(&tint) } else { None },
        heat: (!shared && len(&info.shape) > 1).then_some(operand.largest),
        ..Matrix::new(&operand.title, &info.shape, format, &value, &mark)
    };
    f(&matrix)
}

/// Returns the rows and columns that the terms of the entry read in the matrix of the focus.
fn around(view: &View<'_>, operand: &OperandMatrix, marks: &MarkedEntries, focus: Option<usize>) -> Option<[Range<usize>; 2]> {
    let grid = Grid::of(&view.network().tensor(operand.shown.tensor).shape);
    let [block, ..] = grid.place(focus?);
    let own = marks.entry.of(operand.shown.tensor).iter().copied().filter(|at| grid.place(*at)[0] == block);
    (!operand.shown.is_result).then(|| region(&grid, own))?
}

/// Returns the rows and columns that enclose these entries, whichever matrix each is in.
fn region(grid: &Grid, entries: impl Iterator<Item = usize>) -> Option<[Range<usize>; 2]> {
    entries.map(|at| grid.place(at)).fold(None, |region: Option<[Range<usize>; 2]>, [_, row, column]| {
        let [r, c] = region.unwrap_or([row..row + 1, column..column + 1]);
        Some([r.start.min(row)..r.end.max(row + 1), c.start.min(column)..c.end.max(column + 1)])
    })
}

/// Returns whether one weight of this tensor belongs to many edges, as in a filter.
fn shares(view: &View<'_>, id: Id) -> bool {
    view.network().tensor(id).shape.len() == 4
}

/// Returns the sizes that an operand requests. If `most` columns do not fit two of its matrices, one matrix counts as the whole. The title counts only as far
/// as it is needed to recognise the operand.
fn size(view: &View<'_>, operand: &OperandMatrix, needs: &ReadEntries, most: u16) -> Size {
    let Shown { tensor, is_result, .. } = operand.shown;
    let read = if is_result { &[] } else { needs.of(tensor) };
    let [rows, columns] = region(&Grid::of(&view.network().tensor(tensor).shape), read.iter().copied()).unwrap_or([0..1, 0..1]);
    with_matrix(view, operand, operand.reserved, &MarkedEntries::default(), |matrix| {
        size_of(matrix, operand, [rows.len(), columns.len()], most)
    })
}

fn size_of(matrix: &Matrix<'_>, operand: &OperandMatrix, [rows, columns]: [usize; 2], most: u16) -> Size {
    let shape = matrix.shape;
    let bare = |shape: &[usize], padding: [usize; 2]| Matrix { title: "", name: "", shape, padding, ..matrix.clone() }.size();
    let (titled, mut high) = matrix.size();
    let (mut wide, _) = bare(shape, operand.shown.padding);
    let Grid { rows: all, columns: all_columns, .. } = Grid::of(shape);
    let cell = u16::try_from(operand.reserved.width() + 2).unwrap_or(u16::MAX);
    let margin = bare(&[all], [0, 0]).0.saturating_sub(cell);
    if shape.len() > 2 {
        let (one, _) = bare(&shape[shape.len() - 2..], operand.shown.padding);
        if wide > one && one.saturating_mul(2) > most {
            // the title names the matrix in view, so its heading is not needed
            (wide, high) = (one, high - 1);
        }
    }
    let cells = |text: &str| u16::try_from(crate::text::width(text)).unwrap_or(u16::MAX);
    let symbol = cells(&operand.title);
    let wide = titled.min(wide.max(TITLE));
    let region = |rows: usize, columns: usize| {
        let [rows, columns] = [rows.min(all), columns.min(all_columns)];
        let part = |rows: usize| if columns > 1 { bare(&[rows, columns], [0, 0]) } else { bare(&[rows], [0, 0]) };
        [part(all).0.max(symbol).min(wide), part(rows).1.saturating_add(1).min(high)]
    };
    Size {
        // the middle tier: the region that is read, and as much again around it
        tiers: [region(rows, columns), region(2 * rows + 2, 2 * columns + 2), [wide, high]],
        margin,
        cell,
        named: if operand.name.is_empty() { symbol } else { symbol.saturating_add(1).saturating_add(cells(&operand.name)) },
        titled,
    }
}

fn draw(view: &View<'_>, operand: &OperandMatrix, marks: &MarkedEntries, area: Rect, buf: &mut Buffer) {
    with_matrix(view, operand, operand.format, marks, |matrix| matrix.render(area, buf, &view.theme));
}

/// A matrix with its area, and the sign before it with its cell.
type Placed<'a> = (&'a OperandMatrix, Rect, Option<(&'static str, Rect)>);

/// Returns the area of each matrix, and the sign before the result.
fn arrange<'a>(view: &View<'_>, operands: &'a [OperandMatrix], area: Rect) -> Vec<Placed<'a>> {
    // computed from values that are the same at every step of the op, so that nothing moves from step to step
    let needs = ReadEntries::by_tensor(view.typical_reads(NEEDED));
    let mut sizes: Vec<Size> = operands.iter().map(|operand| size(view, operand, &needs, area.width)).collect();
    let arrangement = arrange::best(&sizes, area);
    // a grid of filters may not fill all its lines: the others get the rest
    let none = MarkedEntries::default();
    let places = arrangement.places(&sizes, area);
    for ((operand, size), place) in operands.iter().zip(&mut sizes).zip(places) {
        let used = with_matrix(view, operand, operand.reserved, &none, |matrix| matrix.height_within(place));
        size.tiers = size.tiers.map(|[wide, high]| [wide, if used < place.height { high.min(used) } else { high }]);
    }
    let places = arrangement.places(&sizes, area);
    let sign = |i: usize, place: Rect| {
        let at = Rect::new(place.x.saturating_sub(2), place.y, 1, 1).intersection(area);
        (operands[i].shown.is_result && i > 0).then_some(("→", at))
    };
    operands.iter().zip(places).enumerate().map(|(i, (operand, place))| (operand, place, sign(i, place))).collect()
}
