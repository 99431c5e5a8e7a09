//! A small heat map of a tensor, above or below its node. It is drawn with half blocks, so that a cell shows two numbers.

use ratatui::style::{Color, Style};

use crate::glyph;
use crate::network::Id;
use crate::scene::Grid;
use crate::tensor::len;
use crate::ui::theme::{Colours, StyleRole};
use crate::ui::view::StepView;

/// The largest width of a heat map, in cells.
const MAX_WIDTH: usize = 24;
/// The largest number of rows of a matrix that has a heat map.
const MAX_ROWS: usize = 12;
/// The largest number of matrices of a tensor that has a heat map.
const MAX_BLOCKS: usize = 4;

/// The size of a heat map, in cells. A vector is drawn as a row, and the matrices of a tensor of three axes are side by side, with a blank between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeatMap {
    pub width: usize,
    pub lines: usize,
}

/// A cell of a heat map: its column and line, its text, its style, and the entry that a click on it goes to.
pub struct HeatCell {
    pub column: usize,
    pub line: usize,
    pub text: char,
    pub style: Style,
    pub entry: usize,
}

/// Returns the drawn matrices for a shape. A vector is drawn as a row.
fn grid_of(shape: &[usize]) -> Grid {
    match *shape {
        [columns] => Grid::of(&[1, columns]),
        _ => Grid::of(shape),
    }
}

impl HeatMap {
    /// Returns the size of the heat map of a tensor of this shape; `None` for a single number, for a large tensor, and if the terminal has too few colours.
    pub fn of(view: &StepView<'_>, shape: &[usize]) -> Option<Self> {
        let has_colours = matches!(view.theme.colours, Colours::True | Colours::Indexed);
        if !has_colours || len(shape) < 2 {
            return None;
        }
        let Grid { blocks, rows, columns, .. } = grid_of(shape);
        let map = Self { width: (columns.saturating_add(1)).saturating_mul(blocks) - 1, lines: rows.div_ceil(2) };
        (blocks <= MAX_BLOCKS && rows <= MAX_ROWS && map.width <= MAX_WIDTH).then_some(map)
    }

    /// Returns the cells of a tensor's heat map. There are no cells before the first number of the tensor is known.
    pub fn cells(view: &StepView<'_>, id: Id) -> Vec<HeatCell> {
        let grid = grid_of(&view.network().tensor(id).shape);
        let values: Vec<Option<f64>> = (0..grid.blocks * grid.rows * grid.columns).map(|at| view.number(id, at)).collect();
        if values.iter().all(Option::is_none) {
            return Vec::new();
        }
        let largest = values.iter().flatten().filter(|value| value.is_finite()).fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let is_marked = |at: usize| {
            (id, at) == (view.output, view.at.entry) || view.sources_now().iter().any(|source| (source.tensor, source.at) == (id, at))
        };
        let colour = |at: usize| -> Option<Color> {
            if is_marked(at) { view.theme.style(StyleRole::Step).bg } else { view.theme.heat_colour(values[at]?, largest) }
        };
        let mut cells = Vec::new();
        for block in 0..grid.blocks {
            for line in 0..grid.rows.div_ceil(2) {
                for column in 0..grid.columns {
                    let entry = grid.entry([block, 2 * line, column]);
                    let lower = (2 * line + 1 < grid.rows).then(|| grid.entry([block, 2 * line + 1, column]));
                    let (text, style) = match (colour(entry), lower.map(colour)) {
                        // a single row fills the whole cell
                        (Some(only), None) if grid.rows == 1 => ('█', Style::new().fg(only)),
                        (Some(upper), Some(Some(lower))) => ('▀', Style::new().fg(upper).bg(lower)),
                        (Some(upper), _) => ('▀', Style::new().fg(upper)),
                        (None, Some(Some(lower))) => ('▄', Style::new().fg(lower)),
                        (None, _) => (glyph::TO_COME.chars().next().unwrap_or(' '), view.theme.style(StyleRole::Dim)),
                    };
                    cells.push(HeatCell { column: block * (grid.columns + 1) + column, line, text, style, entry });
                }
            }
        }
        cells
    }
}
