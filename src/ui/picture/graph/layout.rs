//! Computes the layout of a graph: the columns that fit, and a row for each node and for each line that passes through a column.
//!
//! This is a layered drawing. A node is one column to the right of the rightmost node that it reads. An input is one column to the left of the first node that
//! reads it. The *depth* of a node is its column in the whole graph. An *item* of a column is a node, or a line that passes through the column. An edge over
//! several columns has an item in each column between its ends, so that it bends around the nodes there:
//!
//! ```text
//! column  0     1     2
//!         a ─┬─ b ─┬─ d     b and d read c: the node c is an item of column 0,
//!         c ─┴─────╯        the line from c to d is an item of column 1
//! ```
//!
//! The items of each column are sorted by the mean row of their neighbours (the barycentre heuristic). This is repeated for all columns several times, from
//! left to right and back. Each item gets the row nearest to this mean at which it keeps the smallest distance to the other items.
//!
//! Layouts with many columns are tried before layouts with few, and wide spacings before narrow ones. The first layout in which all columns fit is used. If
//! there is none, columns that are too high are scrolled.

use std::collections::BTreeMap;
use std::ops::Range;

use super::nodes::{GraphNode, NodeIndices, cells};

/// The place of the numbers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeForm {
    /// Value and derivative are beside the name.
    Beside,
    /// The value is above the name, the derivative below.
    Around,
    /// The same as `Around`, with a heat map of the whole tensor above the value, and one below the derivative.
    Maps,
}

/// The spacings that are tried, in this order. Each is the distance between two nodes in rows, and the form of the nodes.
const SPACINGS: [(i32, NodeForm); 8] = [
    (12, NodeForm::Around),
    (9, NodeForm::Around),
    (6, NodeForm::Around),
    (5, NodeForm::Around),
    (4, NodeForm::Around),
    (3, NodeForm::Around),
    (2, NodeForm::Beside),
    (1, NodeForm::Beside),
];

/// The spacings that are tried with heat maps. The distance is that between the screen lines of two nodes.
const MAP_SPACINGS: [(i32, NodeForm); 3] = [(5, NodeForm::Maps), (3, NodeForm::Maps), (2, NodeForm::Maps)];

/// The smallest number of columns of a picture with heat maps. If the width has room for fewer columns with heat maps, it is their number; but a single column
/// has heat maps only if the width has no room for two columns without them. If these columns do not fit into the height, there are no heat maps.
const MIN_MAP_COLUMNS: usize = 3;

/// The smallest and largest gap between two columns, in cells.
const GAP: (i32, i32) = (4, 30);

/// The smallest height with room for a node, the numbers above and below it, and the marks above and below the numbers.
const MIN_ROOMY_HEIGHT: i32 = 5;

/// The cells on the left and on the right of the columns for the marks of edges that lead out of the picture.
pub const EXIT_MARGIN: i32 = 3;

/// The number of times that the columns are sorted, alternately to the right and to the left. It is odd, so that the last time goes to the right.
const ROUNDS: usize = 9;

/// Rows are computed in *subrows*: a row has this number of them. In whole rows, the means would be rounded too often.
const SUBROWS: i32 = 8;

/// The columns that fit, including the column of the current node.
pub struct GraphColumns {
    /// The depth of the first column.
    pub first: usize,
    /// The left end and the width of each column, in cells.
    pub places: Vec<(i32, i32)>,
}

/// An item in a row of a column: a node, or a line that passes through the column to a later column.
pub struct LayoutItem {
    /// The index of the node, or of the node at which the line begins.
    pub source: usize,
    /// `true` for a node, `false` for a line.
    pub is_node: bool,
    /// The column in the picture, from 0.
    pub column: usize,
    /// The numbers of screen lines that the item needs above and below its row, for numbers and heat maps.
    screen_lines: [i32; 2],
    /// The row, in subrows ([`SUBROWS`]).
    subrow: i32,
}

/// The layout of a graph.
pub struct GraphLayout {
    pub form: NodeForm,
    pub columns: GraphColumns,
    pub items: Vec<LayoutItem>,
    /// The index of each item, by its `source` and its column. Empty before [`GraphLayout::place_items`].
    pub item_at: BTreeMap<(usize, usize), usize>,
    /// The visible rows. If columns are scrolled, the rows above and below are reserved for the marks with the numbers of hidden items.
    pub rows: Range<i32>,
}

/// Neighbouring items of a column that have the smallest allowed distances, and so are placed together.
#[derive(Clone, Copy)]
struct ItemPool {
    /// The weighted sum of (wanted row − smallest distance from the first item), in subrows.
    sum: i32,
    /// The sum of the weights.
    weight: i32,
    /// The number of items.
    count: i32,
}

impl LayoutItem {
    /// Returns the row on the screen.
    pub fn row(&self) -> i32 {
        self.subrow.div_euclid(SUBROWS)
    }
}

/// Returns the width of the widest node of each column.
fn column_widths(nodes: &[GraphNode], deepest: usize, form: NodeForm) -> Vec<i32> {
    let mut widths = vec![1; deepest + 1];
    for node in nodes {
        widths[node.depth] = widths[node.depth].max(node.widths[form as usize]);
    }
    widths
}

impl GraphColumns {
    /// Returns at most `max_columns` columns around the first node of `to_show`, with equal gaps over the whole width. If the second node of `to_show` is
    /// farther to the right, the columns up to it are added first; then columns are added on both sides in turn. `widths` are those of all the graph's columns.
    fn new(nodes: &[GraphNode], to_show: &[usize], widths: &[i32], width: i32, max_columns: usize) -> Self {
        let depth = |n: usize| to_show.get(n).map(|node| nodes[*node].depth);
        let current = depth(0).unwrap_or(0);
        let second = depth(1).unwrap_or(current);
        let deepest = widths.len() - 1;
        let (mut first, mut end) = (0, deepest + 1);
        let needed = |first: usize, end: usize| widths[first..end].iter().sum::<i32>() + cells(end - first - 1) * GAP.0;
        let mut margin = 0;
        if end > max_columns || needed(first, end) > width {
            margin = EXIT_MARGIN;
            (first, end) = (current, current + 1);
            while end - first < max_columns {
                let can_grow_left = first > 0 && needed(first - 1, end) <= width - 2 * margin;
                let can_grow_right = end <= deepest && needed(first, end + 1) <= width - 2 * margin;
                match (can_grow_left, can_grow_right) {
                    (_, true) if second >= end => end += 1,
                    // adds a column on the side with fewer columns
                    (true, true) if current - first > end - 1 - current => end += 1,
                    (true, _) => first -= 1,
                    (_, true) => end += 1,
                    _ => break,
                }
            }
        }
        let gaps = cells(end - first - 1).max(1);
        let gap = (GAP.0 + (width - 2 * margin - needed(first, end)) / gaps).clamp(GAP.0, GAP.1);
        let mut left = margin;
        let places = widths[first..end].iter().map(|column_width| {
            let place = (left, *column_width);
            left += column_width + gap;
            place
        });
        Self { places: places.collect(), first }
    }

    /// Returns the column of the picture with this depth; `None` if it is not shown.
    pub fn column_of(&self, depth: usize) -> Option<usize> {
        depth.checked_sub(self.first).filter(|column| *column < self.places.len())
    }
}

impl GraphLayout {
    /// Returns the layout with the most columns and, among these, the widest spacing. If not all nodes fit, the first node of `to_show` is visible, and as many
    /// of the other nodes of `to_show` as possible.
    pub fn best(nodes: &[GraphNode], to_show: &[usize], (width, height): (i32, i32)) -> Self {
        let deepest = nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        let widths = [NodeForm::Beside, NodeForm::Around, NodeForm::Maps].map(|form| column_widths(nodes, deepest, form));
        let columns = |form: NodeForm, max_columns: usize| GraphColumns::new(nodes, to_show, &widths[form as usize], width, max_columns);
        // the largest numbers of columns that fit in each form
        let fitting = [NodeForm::Beside, NodeForm::Around, NodeForm::Maps].map(|form| columns(form, deepest + 1).places.len());
        let most_columns = fitting[NodeForm::Beside as usize].max(fitting[NodeForm::Around as usize]);
        // returns the layout of `count` columns with the first of these spacings that fits
        let plan_with = |spacings: &[(i32, NodeForm)], count: usize| {
            let mut plans = [const { None }; 3];
            for &(spacing, form) in spacings.iter().filter(|(_, form)| fitting[*form as usize] >= count) {
                // the layout of this form whose items were not placed, or did not fit with a wider spacing
                let unplaced = &mut plans[form as usize];
                let plan = unplaced.get_or_insert_with(|| Self::new(nodes, form, columns(form, count), (0, height)));
                if plan.can_fit(spacing)
                    && plan.place_items(nodes, spacing)
                    && let Some(mut plan) = unplaced.take()
                {
                    plan.centre();
                    return Some(plan);
                }
            }
            None
        };
        if nodes.iter().any(|node| node.map.is_some()) {
            let fitting_with_maps = fitting[NodeForm::Maps as usize];
            let mut with_maps = (MIN_MAP_COLUMNS.min(fitting_with_maps).max(2.min(most_columns))..=fitting_with_maps).rev();
            if let Some(plan) = with_maps.find_map(|count| plan_with(&MAP_SPACINGS, count)) {
                return plan;
            }
        }
        if let Some(plan) = (2.min(deepest + 1)..=most_columns).rev().find_map(|count| plan_with(&SPACINGS, count)) {
            return plan;
        }
        let (spacing, form) = if height < MIN_ROOMY_HEIGHT { (1, NodeForm::Beside) } else { (3, NodeForm::Around) };
        // the first and the last row are for the marks of hidden items
        let mut plan = Self::new(nodes, form, columns(form, 2), (1, height - 1));
        if !plan.place_items(nodes, spacing) {
            plan.scroll(to_show);
        }
        plan
    }

    /// Returns `false` if a column has more items than rows. This check is quick, but `true` does not mean that the items fit.
    fn can_fit(&self, spacing: i32) -> bool {
        let room = self.rows.end - self.rows.start - 1;
        let mut counts = vec![(0, 0); self.columns.places.len()];
        for item in &self.items {
            let (items, nodes) = &mut counts[item.column];
            *items += 1;
            *nodes += i32::from(item.is_node);
        }
        counts.into_iter().all(|(items, nodes)| items - 1 <= room && (nodes - 1) * spacing <= room)
    }

    /// Returns a layout with the items of each column, before their rows are chosen. The nodes and their numbers must be in the rows `top..bottom`.
    fn new(nodes: &[GraphNode], form: NodeForm, columns: GraphColumns, (top, bottom): (i32, i32)) -> Self {
        let mut items = Vec::new();
        for (source, node) in nodes.iter().enumerate() {
            let reader_depths = node.readers.iter().map(|reader| nodes[*reader].depth);
            let is_shown = columns.column_of(node.depth).is_some();
            // a line that begins to the left of the picture is drawn only if it ends in the picture
            let farthest = reader_depths.filter(|depth| is_shown || columns.column_of(*depth).is_some()).max().unwrap_or(0);
            for depth in node.depth.max(columns.first)..farthest.max(node.depth + 1) {
                let Some(column) = columns.column_of(depth) else { break };
                let is_node = depth == node.depth;
                let screen_lines = if is_node && form == NodeForm::Maps { node.lines } else { [0, 0] };
                items.push(LayoutItem { source, is_node, column, screen_lines, subrow: 0 });
            }
        }
        // the largest numbers of screen lines above and below the names
        let most_lines = |side: usize| items.iter().map(|item: &LayoutItem| item.screen_lines[side]).max().unwrap_or(0);
        let [above, below] = if form == NodeForm::Around { [1, 1] } else { [most_lines(0), most_lines(1)] };
        Self { form, columns, items, item_at: BTreeMap::new(), rows: top + above..bottom - below }
    }

    /// Returns the neighbours of each item: the items in the column to the left and to the right to which it is connected.
    fn links(&self, nodes: &[GraphNode]) -> Vec<[NodeIndices; 2]> {
        let mut links = vec![<[NodeIndices; 2]>::default(); self.items.len()];
        for (&(source, column), &item) in &self.item_at {
            let next_depth = self.columns.first + column + 1;
            let readers = nodes[source].readers.iter().copied().filter(|reader| nodes[*reader].depth == next_depth);
            // the rest of the line, and the nodes that read its source
            for next in std::iter::once(source).chain(readers).filter_map(|next| self.item_at.get(&(next, column + 1))) {
                links[item][1].push(*next);
                links[*next][0].push(item);
            }
        }
        links
    }

    /// Returns the smallest distance from an item to the next item below, in rows. The distance between two nodes, or between their screen lines, is `spacing`.
    fn min_distance(&self, upper: usize, lower: usize, spacing: i32) -> i32 {
        let screen_lines = self.items[upper].screen_lines[1] + self.items[lower].screen_lines[0];
        let distance = match (self.items[upper].is_node, self.items[lower].is_node) {
            (true, true) => spacing,
            (false, false) => 1,
            // the number of the node is between the node and the line
            _ if self.form == NodeForm::Around => 2,
            _ => 1,
        };
        screen_lines + distance
    }

    /// Gives each item a row near the mean row of its neighbours. The distance between two nodes is at least `spacing` rows. Returns whether all items fit.
    fn place_items(&mut self, nodes: &[GraphNode], spacing: i32) -> bool {
        if self.item_at.is_empty() {
            self.item_at = self.items.iter().enumerate().map(|(i, item)| ((item.source, item.column), i)).collect();
        }
        let links = self.links(nodes);
        let (top, bottom) = (self.rows.start, self.rows.end - 1);
        let mut columns: Vec<Vec<usize>> = vec![Vec::new(); self.columns.places.len()];
        for (i, item) in self.items.iter().enumerate() {
            columns[item.column].push(i);
        }
        for column in &mut columns {
            // inputs are below the other nodes
            column.sort_by_key(|i| nodes[self.items[*i].source].is_given);
            // the first rows have equal distances: the n-th of k items is at the fraction (n + ½) / k of the height
            for (n, &i) in column.iter().enumerate() {
                self.items[i].subrow = (2 * cells(n) + 1) * (top + bottom + 1) * SUBROWS / (2 * cells(column.len()));
            }
        }
        let mut fits = true;
        for round in 0..ROUNDS {
            let uses_both_sides = round + 1 < ROUNDS;
            for n in 0..columns.len() {
                let column = if round % 2 == 0 { n } else { columns.len() - 1 - n };
                fits &= self.settle_column(&mut columns[column], &links, uses_both_sides, spacing, (top, bottom));
            }
        }
        fits
    }

    /// Moves all items by the same number of rows, so that the space above equals the space below.
    fn centre(&mut self) {
        let rows = || self.items.iter().map(LayoutItem::row);
        let (upper, lower) = (rows().min().unwrap_or(0), rows().max().unwrap_or(0));
        let shift = (self.rows.start + self.rows.end - 1 - lower - upper) / 2;
        for item in &mut self.items {
            item.subrow += shift * SUBROWS;
        }
    }

    /// Scrolls each column that does not fit to its middle, and from there only as far as necessary to make its first node of `to_show` visible.
    fn scroll(&mut self, to_show: &[usize]) {
        let (first, last) = (self.rows.start, self.rows.end - 1);
        for column in 0..self.columns.places.len() {
            let items = || self.items.iter().filter(|item| item.column == column);
            let (upper, lower) = (items().map(LayoutItem::row).min().unwrap_or(first), items().map(LayoutItem::row).max().unwrap_or(last));
            if first <= upper && lower <= last {
                continue;
            }
            let shift_to_middle = (first + last - upper - lower) / 2;
            let row_to_show =
                to_show.iter().find_map(|node| items().find(|item| item.is_node && item.source == *node)).map(LayoutItem::row);
            let shift = row_to_show.map_or(shift_to_middle, |row| (row + shift_to_middle).min(last).max(first) - row);
            for item in self.items.iter_mut().filter(|item| item.column == column) {
                item.subrow += shift * SUBROWS;
            }
        }
    }

    /// Sorts the items of a column by their wanted rows. Gives each item the nearest row between `top` and `bottom` that the distances between items allow.
    /// Returns whether the items fit.
    ///
    /// Item n wants the row rₙ with the weight wₙ, and must be at least dₙ rows below the first item. The rows xₙ minimise Σ wₙ (xₙ − rₙ)² under the condition
    /// that xₙ − dₙ does not decrease. The pool-adjacent-violators algorithm solves this: if rₙ − dₙ decreases from one item to the next, the two are merged to
    /// a pool at their weighted mean. This is repeated until it decreases nowhere.
    fn settle_column(
        &mut self,
        column: &mut [usize],
        links: &[[NodeIndices; 2]],
        uses_both_sides: bool,
        spacing: i32,
        (top, bottom): (i32, i32),
    ) -> bool {
        let wanted: BTreeMap<usize, (i32, i32)> = column.iter().map(|&i| (i, self.wanted_row(i, links, uses_both_sides))).collect();
        column.sort_by_key(|i| wanted[i].0);
        let mut distance = 0;
        let mut pools: Vec<ItemPool> = Vec::new();
        let mut distances = Vec::new();
        for (n, &i) in column.iter().enumerate() {
            distance += if n > 0 { self.min_distance(column[n - 1], i, spacing) * SUBROWS } else { 0 };
            distances.push(distance);
            let (row, weight) = wanted[&i];
            let mut pool = ItemPool { sum: (row - distance) * weight, weight, count: 1 };
            // compares the means sum / weight without a division
            while let Some(upper) = pools.pop_if(|upper| upper.sum * pool.weight > pool.sum * upper.weight) {
                pool = ItemPool { sum: pool.sum + upper.sum, weight: pool.weight + upper.weight, count: pool.count + upper.count };
            }
            pools.push(pool);
        }
        let (least, most) = (top * SUBROWS, bottom * SUBROWS - distance);
        let rows = pools.into_iter().flat_map(|pool| (0..pool.count).map(move |_| pool.sum.div_euclid(pool.weight)));
        for ((&i, distance), row) in column.iter().zip(distances).zip(rows) {
            self.items[i].subrow = distance + if least <= most { row.clamp(least, most) } else { row };
        }
        least <= most
    }

    /// Returns the wanted row of an item in subrows, and its weight. The row is the mean row of the neighbours on both sides, or only on the left. An item
    /// without neighbours wants to stay in its row, with a small weight.
    fn wanted_row(&self, item: usize, links: &[[NodeIndices; 2]], uses_both_sides: bool) -> (i32, i32) {
        let neighbours = links[item].iter().take(if uses_both_sides { 2 } else { 1 }).flatten();
        let (sum, count) = neighbours.fold((0, 0), |(sum, count), other| (sum + self.items[*other].subrow, count + 1));
        if count == 0 { (self.items[item].subrow, 1) } else { (sum / count, 16) }
    }
}
