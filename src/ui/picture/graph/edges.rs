//! Computes the lines of the edges, and the marks at the edges of the picture: `←` and `→` for cut edges, `↑` and `↓` for hidden nodes.

use super::layout::{GraphColumns, Plan};
use super::nodes::{GraphNode, cells};
use crate::text::width;

/// A line from one cell to another.
pub type LineSegment = ((i32, i32), (i32, i32));

/// The mark of a cut edge, with its cell.
pub type CutMark = ((i32, i32), &'static str);

/// The items of a column above or below the visible rows.
pub struct HiddenItems {
    /// The cell of the mark.
    pub place: (i32, i32),
    /// The number of cells up to the next column.
    pub room: usize,
    /// `↑` or `↓`.
    pub mark: &'static str,
    /// The hidden nodes; empty if only lines are hidden.
    pub nodes: Vec<usize>,
}

impl Plan {
    /// Returns the items that are hidden because their rows do not fit, column by column; `last` is the last row of the picture.
    pub fn hidden(&self, last: i32) -> Vec<HiddenItems> {
        let mut found = Vec::new();
        for (column, &(x, wide)) in self.columns.places.iter().enumerate() {
            let next = self.columns.places.get(column + 1).map_or(x + wide + 3, |next| next.0 - 1);
            let room = usize::try_from(next - x).unwrap_or(0);
            for (mark, y) in [("↑", 0), ("↓", last)] {
                let is_hidden = |row: i32| if y == 0 { row < self.rows.start } else { row >= self.rows.end };
                let items = self.items.iter().filter(|item| item.column == column && is_hidden(item.row()));
                let nodes: Vec<usize> = items.clone().filter(|item| item.is_node).map(|item| item.source).collect();
                if items.count() > 0 {
                    found.push(HiddenItems { place: (x, y), room, mark, nodes });
                }
            }
        }
        found
    }

    /// Returns the lines of one edge, and the marks where it is cut. Within a column lines are horizontal; they slope only between columns, where there are no
    /// numbers. Only sloping lines lead to hidden rows.
    pub fn edge(&self, nodes: &[GraphNode], from: usize, to: usize) -> (Vec<LineSegment>, Vec<CutMark>) {
        let (mut lines, mut cuts) = (Vec::new(), Vec::new());
        let GraphColumns { first, places } = &self.columns;
        let (start, end) = (nodes[from].depth, nodes[to].depth);
        let row = |node: usize, column: usize| self.item_at.get(&(node, column)).map(|item| self.items[*item].row());
        // the row of the edge in a column: of its line, or of the node at its end
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
