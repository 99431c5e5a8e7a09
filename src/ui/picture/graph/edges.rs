//! Computes the lines of a graph's edges, and the marks at the border: `←` and `→` where an edge leads out of the picture, `↑` and `↓` for hidden nodes.
//!
//! Coordinates are columns and rows of screen cells, from the upper left corner of the picture.

use super::layout::{EXIT_MARGIN, GraphColumns, GraphLayout, NodeForm};
use super::nodes::GraphNode;

/// A line from one cell to another.
pub type LineSegment = ((i32, i32), (i32, i32));

/// A mark where an edge leads out of the picture: its cell and its text.
pub type ExitMark = ((i32, i32), &'static str);

/// The hidden items of a column (nodes and lines, see [`layout`](super::layout)): all above the visible rows, or all below them.
pub struct HiddenItems {
    /// The cell of the mark.
    pub cell: (i32, i32),
    /// The number of cells from the mark to the next column, or to the right edge of the picture.
    pub room: usize,
    /// `↑` or `↓`.
    pub mark: &'static str,
    /// The hidden nodes; empty if only lines are hidden.
    pub nodes: Vec<usize>,
}

impl GraphLayout {
    /// Returns the items whose rows are not visible, column by column. `last` is the last row of the picture.
    pub fn hidden(&self, last: i32) -> Vec<HiddenItems> {
        let mut found = Vec::new();
        for (column, &(x, column_width)) in self.columns.places.iter().enumerate() {
            let end = self.columns.places.get(column + 1).map_or(x + column_width + EXIT_MARGIN, |(next_x, _)| next_x - 1);
            let room = usize::try_from(end - x).unwrap_or(0);
            for (mark, y) in [("↑", 0), ("↓", last)] {
                let is_hidden = |row: i32| if y == 0 { row < self.rows.start } else { row >= self.rows.end };
                let items = self.items.iter().filter(|item| item.column == column && is_hidden(item.row()));
                let nodes: Vec<usize> = items.clone().filter(|item| item.is_node).map(|item| item.source).collect();
                if items.count() > 0 {
                    found.push(HiddenItems { cell: (x, y), room, mark, nodes });
                }
            }
        }
        found
    }

    /// Returns the lines of the edge between two nodes, and the marks where the edge leads out of the picture.
    ///
    /// Within a column, lines are horizontal. Between two columns, where there are no numbers, they can slope. Only sloping lines lead to hidden rows.
    pub fn edge(&self, nodes: &[GraphNode], from: usize, to: usize) -> (Vec<LineSegment>, Vec<ExitMark>) {
        let (mut lines, mut exit_marks) = (Vec::new(), Vec::new());
        let GraphColumns { first, places } = &self.columns;
        let (start, end) = (nodes[from].depth, nodes[to].depth);
        let row = |node: usize, column: usize| self.item_at.get(&(node, column)).map(|item| self.items[*item].row());
        // the row of the edge in a column: the row of the node `to` in its column, and the row of the line in the other columns
        let edge_row = |column: usize| row(if column + first == end { to } else { from }, column);
        let is_visible = |y: &i32| self.rows.contains(y);
        if start < *first
            && let (Some(y), true) = (edge_row(0).filter(is_visible), self.columns.column_of(end).is_some())
        {
            let (first_x, _) = places[0];
            exit_marks.push(((first_x - EXIT_MARGIN, y), "←"));
            lines.push(((first_x - 2, y), (first_x - 1, y)));
        }
        for (column, &(x, column_width)) in places.iter().enumerate().filter(|(column, _)| (start..end).contains(&(column + first))) {
            let Some(y) = edge_row(column) else { continue };
            // the line begins after the name of the node, its brackets and a blank
            let name_width = nodes[from].label_width() + if self.form == NodeForm::Beside { 1 } else { 3 };
            let taken = if column + first == start { name_width } else { 0 };
            if is_visible(&y) {
                lines.push(((x + taken.min(column_width), y), (x + column_width, y)));
            }
            match (places.get(column + 1), edge_row(column + 1)) {
                (Some((next_x, _)), Some(next_y)) if is_visible(&y) || is_visible(&next_y) => {
                    lines.push(((x + column_width, y), (next_x - 1, next_y)));
                }
                (None, _) if is_visible(&y) => exit_marks.push(((x + column_width + 1, y), "→")),
                _ => {}
            }
        }
        (lines, exit_marks)
    }
}
