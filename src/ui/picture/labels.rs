//! Places the labels of neurons, and the name of a weight on its line.

use super::canvas::Canvas;
use super::column::{Column, Neuron};
use crate::glyph;
use crate::text::width;
use crate::ui::theme::StyleRole;
use crate::ui::view::StepView;

/// The cells of a row that are not for labels: the neurons with their blanks, and the edges. If space is short, the second number is used, with shorter edges.
pub const UNLABELLED: [usize; 2] = [11, 7];

/// The room for the labels of a column.
#[derive(Clone, Copy)]
pub struct LabelRoom {
    /// The width in cells.
    pub cells: usize,
    /// `true` if the numbers are in the row below the symbols.
    is_below: bool,
}

/// The label of a neuron: its symbol with its number, or with its number below.
pub struct NeuronLabel {
    pub beside: String,
    pub below: Option<String>,
}

impl NeuronLabel {
    /// Returns the width in cells.
    pub fn width(&self) -> usize {
        width(&self.beside).max(self.below.as_deref().map_or(0, width))
    }
}

/// Returns the width of the number of a neuron, if it is known.
fn number_width(neuron: &Neuron) -> Option<usize> {
    neuron.number.as_deref().map(width)
}

/// Returns whether this step reads or computes a neuron.
fn is_active(neuron: &&Neuron) -> bool {
    matches!(neuron.role, StyleRole::Step | StyleRole::Result)
}

/// Returns the rooms for the labels of the left and of the right column. The symbols of both get cells first, then the numbers of the active neurons, then the
/// other numbers. Numbers that do not fit beside the symbols are below them, if `can_be_below` is set and a row is free. `total` is the width of the picture.
pub fn label_rooms(view: &StepView<'_>, columns: [&Column; 2], total: usize, can_be_below: bool) -> [LabelRoom; 2] {
    let symbols = columns.map(|column| column.all().map(|neuron| width(&neuron.symbol)).max().unwrap_or(0));
    // a number that is not computed yet needs one cell; if no number of the column is computed yet, the usual width is reserved
    let numbers = columns.map(|column| column.all().filter_map(number_width).max().unwrap_or(view.digits.typical_width()));
    let beside = |neuron: &Neuron| width(&neuron.symbol) + 1 + number_width(neuron).unwrap_or(1);
    let mut full = [0, 1].map(|n| columns[n].all().map(beside).max().unwrap_or(0).max(symbols[n] + 1));
    let mut active = columns.map(|column| column.all().filter(is_active).map(beside).max().unwrap_or(0));
    // the cells for the labels of both columns: with long edges, and with short ones
    let [roomy, dense] = UNLABELLED.map(|cells| total.saturating_sub(cells));
    // numbers cannot be below the symbols if the labels are above the neurons; then the edges can keep their length
    let dense = if can_be_below { dense } else { roomy };
    let is_tight = symbols[0] + numbers[0] + symbols[1] + numbers[1] + 2 > roomy;
    let below = columns.map(|column| can_be_below && is_tight && column.distance >= 2);
    for n in [0, 1] {
        if below[n] {
            full[n] = symbols[n].max(numbers[n]);
            active[n] = full[n];
        }
    }
    let mut widths = symbols;
    // the numbers of the active neurons, as far as there is room
    for n in [0, 1] {
        let wanted = active[n].max(widths[n]);
        if wanted + widths[1 - n] <= dense {
            widths[n] = wanted;
        }
    }
    let room = if widths[0] + widths[1] <= roomy { roomy } else { dense };
    if widths[0] + widths[1] > room {
        widths = [widths[0].min(room / 2), widths[1].min(room / 2)];
    }
    // each column gets half of the spare cells, or more if the other one needs fewer
    let spare = room.saturating_sub(widths[0] + widths[1]);
    let more = [full[0].saturating_sub(widths[0]), full[1].saturating_sub(widths[1])];
    let left = more[0].min((spare / 2).max(spare.saturating_sub(more[1])));
    let cells = [widths[0] + left, widths[1] + more[1].min(spare - left)];
    [0, 1].map(|n| LabelRoom { cells: cells[n], is_below: below[n] && cells[n] >= numbers[n] })
}

/// Returns the labels of a column, such as `a₁ 0.25`: symbols and known numbers. If space is short, numbers are left out.
pub fn labels(column: &Column, room: LabelRoom) -> Vec<NeuronLabel> {
    let label = |neuron: &Neuron| {
        let number = neuron.number.as_deref().unwrap_or(glyph::TO_COME);
        if room.is_below {
            return NeuronLabel { beside: neuron.symbol.clone(), below: Some(number.to_owned()) };
        }
        let full = [&neuron.symbol, " ", number].concat();
        NeuronLabel { beside: if width(&full) <= room.cells { full } else { neuron.symbol.clone() }, below: None }
    };
    column.all().map(label).collect()
}

/// Returns the position of a text of `cells` cells on a line or directly beside it, as near to its middle as possible. Returns `None` if the text would cover
/// other lines, or would be far from its line.
pub fn place_on_line(canvas: &Canvas, ((x0, y0), (x1, y1)): ((u16, u16), (u16, u16)), cells: usize) -> Option<(u16, u16)> {
    /// The rank of this step's edge, on which the text is placed.
    const STEP_RANK: u8 = 3;
    let cells = u16::try_from(cells).ok()?;
    let last = x1.checked_sub(cells)?;
    let middle = x0.midpoint(last);
    let mut starts: Vec<u16> = (x0 + 1..last).collect();
    starts.sort_by_key(|x| x.abs_diff(middle));
    // y0 + dy · (x − x0) / dx, rounded to the nearest integer
    let row_at = |x: u16| {
        let (dx, dy) = (i32::from(x1) - i32::from(x0), i32::from(y1) - i32::from(y0));
        u16::try_from(i32::from(y0) + (dy * (i32::from(x) - i32::from(x0)) * 2 + dx * dy.signum()) / (2 * dx.max(1))).ok()
    };
    // whether all cells of a text that begins at (x, y) have one of these ranks
    let all_in_row = |x: u16, y: Option<u16>, wanted: &[u8]| y.is_some_and(|y| (x..x + cells).all(|x| wanted.contains(&canvas.rank(x, y))));
    let is_alone = |x: u16, y: u16| all_in_row(x, y.checked_sub(1), &[0, STEP_RANK]) && all_in_row(x, y.checked_add(1), &[0, STEP_RANK]);
    let on_line = |x: u16| row_at(x + cells / 2).filter(|y| all_in_row(x, Some(*y), &[STEP_RANK]));
    let clear = starts.iter().find_map(|x| on_line(*x).filter(|y| is_alone(*x, *y)).map(|y| (*x, y)));
    let beside = || {
        let rows = |x: u16| row_at(x + cells / 2).into_iter().flat_map(|y| [y.checked_sub(1), y.checked_add(1)]).flatten();
        starts.iter().find_map(|x| rows(*x).find(|y| all_in_row(*x, Some(*y), &[0])).map(|y| (*x, y)))
    };
    clear.or_else(beside).or_else(|| starts.iter().find_map(|x| on_line(*x).map(|y| (*x, y))))
}
