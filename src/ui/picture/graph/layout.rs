//! Computes the layout of a scalar graph: the columns that fit, and a row for each node and for each line that passes through a column.
//!
//! This is a layered drawing. A node is one column to the right of the deepest node that it reads; an input is just left of its first reader. An edge that spans
//! several columns has an item in each column between, so that it bends around the nodes there:
//!
//! ```text
//! column  0     1     2
//!         a ─┬─ b ─┬─ d     c is read by b and d: column 0 has its node,
//!         c ─┴─────╯        column 1 the line from it to d
//! ```
//!
//! Passes from left to right and back order each column by the mean row of its neighbours (the barycentre heuristic), and then move its items as little as
//! their distances allow. The first plan in which every column fits is used: more columns before wider spacing. If none fits, columns scroll one by one.

use std::collections::BTreeMap;
use std::ops::Range;

use super::nodes::{GraphNode, cells};

/// The distances from node to node that are tried, in rows. `true` puts value and derivative above and below the node, `false` beside it.
const SPACINGS: [(i32, bool); 6] = [(6, true), (5, true), (4, true), (3, true), (2, false), (1, false)];

/// The smallest and largest gap between two columns, in cells.
const GAP: (i32, i32) = (4, 18);

/// The smallest height that has room for numbers above and below the nodes, and for marks above and below these.
const LEAST_ROOMY: i32 = 5;

/// The number of passes over the columns, alternately to the right and to the left. The last one puts each node at the mean row of the nodes that it reads.
const PASSES: usize = 9;

/// The resolution of computed rows, in parts of a row: means are not rounded to whole rows at every pass.
const PART: i32 = 8;

/// The columns that fit, the current node's among them. `first` is the depth of the first; `places` has the left end and width of each.
pub struct GraphColumns {
    pub first: usize,
    pub places: Vec<(i32, i32)>,
}

/// An item in a row of a column: a node, or the line from the node `source` to a later column.
pub struct LayoutItem {
    pub source: usize,
    pub is_node: bool,
    pub column: usize,
    /// In units of 1 / [`PART`] of a row.
    row: i32,
}

/// The layout of a graph.
pub struct Plan {
    pub roomy: bool,
    pub columns: GraphColumns,
    pub items: Vec<LayoutItem>,
    /// The index of the item of a node, or of its line, by node and column. Empty before [`Plan::place`].
    pub item_at: BTreeMap<(usize, usize), usize>,
    /// The visible rows. If a column has more, the rows above and below these are left for the marks that count them.
    pub rows: Range<i32>,
}

impl LayoutItem {
    /// Returns the row on the screen.
    pub fn row(&self) -> i32 {
        self.row.div_euclid(PART)
    }
}

/// Returns the width of the widest node of each column.
fn wides(nodes: &[GraphNode], deepest: usize, roomy: bool) -> Vec<i32> {
    let mut wides = vec![1; deepest + 1];
    for node in nodes {
        wides[node.depth] = wides[node.depth].max(node.wide[usize::from(roomy)]);
    }
    wides
}

impl GraphColumns {
    /// Returns the columns around the first node of `focus` that fit, at most `most`, spread over the width. It grows first towards the second node of `focus`.
    fn new(nodes: &[GraphNode], focus: &[usize], wides: &[i32], width: i32, most: usize) -> Self {
        let depth = |n: usize| focus.get(n).map(|node| nodes[*node].depth);
        let here = depth(0).unwrap_or(0);
        let other = depth(1).unwrap_or(here);
        let deepest = wides.len() - 1;
        let (mut first, mut end) = (0, deepest + 1);
        let needed = |first: usize, end: usize| wides[first..end].iter().sum::<i32>() + cells(end - first - 1) * GAP.0;
        let mut margin = 0;
        if end > most || needed(first, end) > width {
            // the marks of cut edges need a margin on both sides
            margin = 3;
            (first, end) = (here, here + 1);
            while end - first < most {
                let left = first > 0 && needed(first - 1, end) <= width - 2 * margin;
                let right = end <= deepest && needed(first, end + 1) <= width - 2 * margin;
                match (left, right) {
                    (_, true) if other >= end => end += 1,
                    (true, true) if here - first > end - 1 - here => end += 1,
                    (true, _) => first -= 1,
                    (_, true) => end += 1,
                    _ => break,
                }
            }
        }
        let gaps = cells(end - first - 1).max(1);
        let gap = (GAP.0 + (width - 2 * margin - needed(first, end)) / gaps).clamp(GAP.0, GAP.1);
        let mut left = margin;
        let places = wides[first..end].iter().map(|wide| {
            left += wide + gap;
            (left - wide - gap, *wide)
        });
        Self { places: places.collect(), first }
    }

    /// Returns the column of a depth; `None` if it is not shown.
    pub fn of(&self, depth: usize) -> Option<usize> {
        depth.checked_sub(self.first).filter(|column| *column < self.places.len())
    }
}

impl Plan {
    /// Returns the plan with the most columns, and of those the one with the widest spacing. If not all nodes fit, those of `focus` are in view, the first one
    /// always.
    pub fn best(nodes: &[GraphNode], focus: &[usize], (width, height): (i32, i32)) -> Self {
        let deepest = nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        let wides = [false, true].map(|roomy| wides(nodes, deepest, roomy));
        let columns = |roomy: bool, most: usize| GraphColumns::new(nodes, focus, &wides[usize::from(roomy)], width, most);
        let widest = [false, true].map(|roomy| columns(roomy, deepest + 1).places.len());
        for most in (2.min(deepest + 1)..=widest[0].max(widest[1])).rev() {
            let mut plans = [None, None];
            for (apart, roomy) in SPACINGS.into_iter().filter(|(_, roomy)| widest[usize::from(*roomy)] >= most) {
                let made = &mut plans[usize::from(roomy)];
                let plan = made.get_or_insert_with(|| Self::new(nodes, roomy, columns(roomy, most), (0, height)));
                if plan.may_fit(apart)
                    && plan.place(nodes, apart)
                    && let Some(mut plan) = made.take()
                {
                    plan.centre();
                    return plan;
                }
            }
        }
        let (apart, roomy) = if height < LEAST_ROOMY { (1, false) } else { (3, true) };
        let mut plan = Self::new(nodes, roomy, columns(roomy, 2), (1, height - 1));
        if !plan.place(nodes, apart) {
            plan.scroll(focus);
        }
        plan
    }

    /// Returns `false` if a column has more items than rows, so that no order of them fits.
    fn may_fit(&self, apart: i32) -> bool {
        let room = self.rows.end - self.rows.start - 1;
        let mut counts = vec![(0, 0); self.columns.places.len()];
        for item in &self.items {
            let (items, nodes) = &mut counts[item.column];
            *items += 1;
            *nodes += i32::from(item.is_node);
        }
        counts.into_iter().all(|(items, nodes)| items - 1 <= room && (nodes - 1) * apart <= room)
    }

    /// Returns a plan with the items of each column, but without their rows. Nodes and their numbers have to fit between two rows.
    fn new(nodes: &[GraphNode], roomy: bool, columns: GraphColumns, (top, bottom): (i32, i32)) -> Self {
        let mut items = Vec::new();
        for (source, node) in nodes.iter().enumerate() {
            let readers = node.readers.iter().map(|reader| nodes[*reader].depth);
            let shown = columns.of(node.depth);
            // a node left of the picture has only the lines that end in the picture
            let farthest = readers.filter(|depth| shown.is_some() || columns.of(*depth).is_some()).max().unwrap_or(0);
            for depth in node.depth.max(columns.first)..farthest.max(node.depth + 1) {
                let Some(column) = columns.of(depth) else { break };
                items.push(LayoutItem { source, is_node: depth == node.depth, column, row: 0 });
            }
        }
        let margin = i32::from(roomy);
        Self { roomy, columns, items, item_at: BTreeMap::new(), rows: top + margin..bottom - margin }
    }

    /// Returns the neighbours of each item: those to the left, and those to the right.
    fn links(&self, nodes: &[GraphNode]) -> Vec<[Vec<usize>; 2]> {
        let mut links = vec![[const { Vec::new() }; 2]; self.items.len()];
        for (&(source, column), &item) in &self.item_at {
            let deep = self.columns.first + column + 1;
            let readers = nodes[source].readers.iter().copied().filter(|reader| nodes[*reader].depth == deep);
            for next in std::iter::once(source).chain(readers).filter_map(|next| self.item_at.get(&(next, column + 1))) {
                links[item][1].push(*next);
                links[*next][0].push(item);
            }
        }
        links
    }

    /// Returns the smallest distance from an item to the next one below, in rows.
    fn apart(&self, upper: usize, lower: usize, nodes: i32) -> i32 {
        match (self.items[upper].is_node, self.items[lower].is_node) {
            (true, true) => nodes,
            (false, false) => 1,
            _ if self.roomy => 2,
            _ => 1,
        }
    }

    /// Gives each item a row near the mean row of its neighbours, with nodes `apart` rows from each other. Returns whether all fit.
    fn place(&mut self, nodes: &[GraphNode], apart: i32) -> bool {
        if self.item_at.is_empty() {
            self.item_at = self.items.iter().enumerate().map(|(i, item)| ((item.source, item.column), i)).collect();
        }
        let links = self.links(nodes);
        let (least, most) = (self.rows.start, self.rows.end - 1);
        let mut columns: Vec<Vec<usize>> = vec![Vec::new(); self.columns.places.len()];
        for (i, item) in self.items.iter().enumerate() {
            columns[item.column].push(i);
        }
        for column in &mut columns {
            // inputs go below other nodes
            column.sort_by_key(|i| nodes[self.items[*i].source].given);
            for (n, &i) in column.iter().enumerate() {
                self.items[i].row = (2 * cells(n) + 1) * (least + most + 1) * PART / (2 * cells(column.len()));
            }
        }
        let mut fits = true;
        for pass in 0..PASSES {
            let all = pass + 1 < PASSES;
            for n in 0..columns.len() {
                let column = if pass % 2 == 0 { n } else { columns.len() - 1 - n };
                fits &= self.settle(&mut columns[column], &links, all, apart, (least, most));
            }
        }
        fits
    }

    /// Moves all items to the middle of the rows.
    fn centre(&mut self) {
        let rows = || self.items.iter().map(LayoutItem::row);
        let (least, most) = (rows().min().unwrap_or(0), rows().max().unwrap_or(0));
        let shift = (self.rows.start + self.rows.end - 1 - most - least) / 2;
        for item in &mut self.items {
            item.row += shift * PART;
        }
    }

    /// Scrolls each column that does not fit, to its middle and then until its node of `focus` is in view.
    fn scroll(&mut self, focus: &[usize]) {
        let (first, last) = (self.rows.start, self.rows.end - 1);
        for column in 0..self.columns.places.len() {
            let items = || self.items.iter().filter(|item| item.column == column);
            let (upper, lower) = (items().map(LayoutItem::row).min().unwrap_or(first), items().map(LayoutItem::row).max().unwrap_or(last));
            if first <= upper && lower <= last {
                continue;
            }
            let middle = (first + last - upper - lower) / 2;
            let wanted = focus.iter().find_map(|node| items().find(|item| item.is_node && item.source == *node)).map(LayoutItem::row);
            let shift = wanted.map_or(middle, |row| (row + middle).min(last).max(first) - row);
            for item in self.items.iter_mut().filter(|item| item.column == column) {
                item.row += shift * PART;
            }
        }
    }

    /// Orders one column by the mean rows of the neighbours, and moves its items between two rows, as little as their distances require. Returns whether they
    /// fit there.
    fn settle(&mut self, column: &mut [usize], links: &[[Vec<usize>; 2]], all: bool, apart: i32, (least, most): (i32, i32)) -> bool {
        let wanted: BTreeMap<usize, (i32, i32)> = column.iter().map(|&i| (i, self.wanted(i, links, all))).collect();
        column.sort_by_key(|i| wanted[i].0);
        // with the distances subtracted, rows must not decrease: items that do are pooled at their mean (pool adjacent violators)
        let mut below = 0;
        let mut pools: Vec<(i32, i32, i32)> = Vec::new();
        let mut distances = Vec::new();
        for (n, &i) in column.iter().enumerate() {
            below += if n > 0 { self.apart(column[n - 1], i, apart) * PART } else { 0 };
            distances.push(below);
            let (row, weight) = wanted[&i];
            let mut pool = ((row - below) * weight, weight, 1);
            while let Some(upper) = pools.pop_if(|upper| upper.0 * pool.1 > pool.0 * upper.1) {
                pool = (pool.0 + upper.0, pool.1 + upper.1, pool.2 + upper.2);
            }
            pools.push(pool);
        }
        let (least, most) = (least * PART, most * PART - below);
        let rows = pools.into_iter().flat_map(|(sum, weight, count)| (0..count).map(move |_| sum.div_euclid(weight)));
        for ((&i, distance), row) in column.iter().zip(distances).zip(rows) {
            self.items[i].row = distance + if least <= most { row.clamp(least, most) } else { row };
        }
        least <= most
    }

    /// Returns the mean row of all of an item's neighbours, or of those to the left, with its weight. An item without neighbours keeps its row, with a small
    /// weight.
    fn wanted(&self, item: usize, links: &[[Vec<usize>; 2]], all: bool) -> (i32, i32) {
        let near = links[item].iter().take(if all { 2 } else { 1 }).flatten();
        let (sum, count) = near.fold((0, 0), |(sum, count), other| (sum + self.items[*other].row, count + 1));
        if count == 0 { (self.items[item].row, 1) } else { (sum / count, 16) }
    }
}
