//! The lines of the edges, and the marks where the picture is cut: at its sides those of edges, above and below those of nodes.

use super::layout::{Columns, Plan};
use super::nodes::{Node, cells};
use crate::text::width;

/// From one cell to another.
pub type Line = ((i32, i32), (i32, i32));

/// A cell with the mark of a cut edge.
pub type Cut = ((i32, i32), &'static str);

/// What a column has above or below the rows that are seen.
pub struct Beyond {
    /// The cell of its mark.
    pub place: (i32, i32),
    /// Cells up to the next column.
    pub room: usize,
    /// `↑` or `↓`.
    pub mark: &'static str,
    /// The nodes; none where only lines pass there.
    pub nodes: Vec<usize>,
}

impl Plan {
    /// What is not seen for want of rows, column by column; `last` is the last row of the picture.
    pub fn beyond(&self, last: i32) -> Vec<Beyond> {
        let mut found = Vec::new();
        for (column, &(x, wide)) in self.columns.places.iter().enumerate() {
            let next = self.columns.places.get(column + 1).map_or(x + wide + 3, |next| next.0 - 1);
            let room = usize::try_from(next - x).unwrap_or(0);
            for (mark, y) in [("↑", 0), ("↓", last)] {
                let is_beyond = |row: i32| if y == 0 { row < self.rows.start } else { row >= self.rows.end };
                let items = self.items.iter().filter(|item| item.column == column && is_beyond(item.row()));
                let nodes: Vec<usize> = items.clone().filter(|item| item.is_node).map(|item| item.source).collect();
                if items.count() > 0 {
                    found.push(Beyond { place: (x, y), room, mark, nodes });
                }
            }
        }
        found
    }

    /// The lines of one edge, and the marks where it is cut. Slopes lie between the columns, where no numbers are; into what is above or below the
    /// rows that are seen, nothing but a slope leads.
    pub fn edge(&self, nodes: &[Node], from: usize, to: usize) -> (Vec<Line>, Vec<Cut>) {
        let (mut lines, mut cuts) = (Vec::new(), Vec::new());
        let Columns { first, places } = &self.columns;
        let (start, end) = (nodes[from].depth, nodes[to].depth);
        let row = |node: usize, column: usize| self.ways.get(&(node, column)).map(|item| self.items[*item].row());
        // where the edge is in a column: on its way, or at its end
        let at = |column: usize| row(if column + first == end { to } else { from }, column);
        let seen = |y: &i32| self.rows.contains(y);
        if start < *first
            && let (Some(y), true) = (at(0).filter(seen), self.columns.of(end).is_some())
        {
            cuts.push(((places[0].0 - 3, y), "←"));
            lines.push(((places[0].0 - 2, y), (places[0].0 - 1, y)));
        }
        for (column, &(x, wide)) in places.iter().enumerate().filter(|(column, _)| (start..end).contains(&(column + first))) {
            let Some(y) = at(column) else { continue };
            let name = if column + first == start { cells(width(&nodes[from].name)) + if self.roomy { 3 } else { 1 } } else { 0 };
            if seen(&y) {
                lines.push(((x + name.min(wide), y), (x + wide, y)));
            }
            match (places.get(column + 1), at(column + 1)) {
                (Some(next), Some(below)) if seen(&y) || seen(&below) => lines.push(((x + wide, y), (next.0 - 1, below))),
                (None, _) if seen(&y) => cuts.push(((x + wide + 1, y), "→")),
                _ => {}
            }
        }
        (lines, cuts)
    }
}
