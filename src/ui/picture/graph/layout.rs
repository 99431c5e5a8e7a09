//! Where the nodes stand: which columns have room, and the row of each node and of each line that passes by.

use std::collections::BTreeMap;
use std::ops::Range;

use super::nodes::{Node, cells};

/// The rows from node to node that are tried, and whether value and derivative then stand above and below the node, or else beside it.
const SPACINGS: [(i32, bool); 6] = [(6, true), (5, true), (4, true), (3, true), (2, false), (1, false)];

/// Cells between two columns: at least, and at most.
const GAP: (i32, i32) = (4, 18);

/// The least rows for numbers above and below the nodes, where marks stand above and below these.
const LEAST_ROOMY: i32 = 5;

/// Passes over the columns, from left to right and back; the last, to the right, puts each node in the middle of what it reads.
const PASSES: usize = 9;

/// Parts of a row in which the rows are computed, so that means are not rounded at every pass.
const PART: i32 = 8;

/// The columns that have room, with the current node's among them: their left ends and widths.
pub struct Columns {
    pub first: usize,
    pub places: Vec<(i32, i32)>,
}

/// What stands in a row of a column: a node, or the line from an earlier node on its way to a later column.
pub struct Item {
    pub source: usize,
    pub is_node: bool,
    pub column: usize,
    /// In [`PART`]s of a row.
    row: i32,
}

/// The picture with all places known.
pub struct Plan {
    pub roomy: bool,
    pub columns: Columns,
    pub items: Vec<Item>,
    /// The item of a node, or of its line, by node and column; once they have rows.
    pub ways: BTreeMap<(usize, usize), usize>,
    /// The rows in which an item is seen; where a column has more, the rows above and below are left to the marks that say so.
    pub rows: Range<i32>,
}

impl Item {
    /// On the screen.
    pub fn row(&self) -> i32 {
        self.row.div_euclid(PART)
    }
}

/// The widest node of each column, up to the deepest.
fn wides(nodes: &[Node], deepest: usize, roomy: bool) -> Vec<i32> {
    let mut wides = vec![1; deepest + 1];
    for node in nodes {
        wides[node.depth] = wides[node.depth].max(node.wide[usize::from(roomy)]);
    }
    wides
}

impl Columns {
    /// The columns around the first node of `focus` that have room, at most so many, spread over the width; the next one's comes first.
    fn new(nodes: &[Node], focus: &[usize], wides: &[i32], width: i32, most: usize) -> Self {
        let depth = |n: usize| focus.get(n).map(|node| nodes[*node].depth);
        let here = depth(0).unwrap_or(0);
        let other = depth(1).unwrap_or(here);
        let deepest = wides.len() - 1;
        let (mut first, mut end) = (0, deepest + 1);
        let needed = |first: usize, end: usize| wides[first..end].iter().sum::<i32>() + cells(end - first - 1) * GAP.0;
        let mut margin = 0;
        if end > most || needed(first, end) > width {
            // a mark of cut edges at both sides
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

    /// The column of a depth, where it is shown.
    pub fn of(&self, depth: usize) -> Option<usize> {
        depth.checked_sub(self.first).filter(|column| *column < self.places.len())
    }
}

impl Plan {
    /// The plan with the most columns, and of those the most spacious. Where there is no room for all nodes, those of `focus` are in view, the first
    /// of them for certain.
    pub fn best(nodes: &[Node], focus: &[usize], (width, height): (i32, i32)) -> Self {
        let deepest = nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        let wides = [false, true].map(|roomy| wides(nodes, deepest, roomy));
        let columns = |roomy: bool, most: usize| Columns::new(nodes, focus, &wides[usize::from(roomy)], width, most);
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

    /// Whether the items of each column could have room, whatever their order.
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

    /// The items of each column, without their rows, to be placed with all their numbers between two rows.
    fn new(nodes: &[Node], roomy: bool, columns: Columns, (top, bottom): (i32, i32)) -> Self {
        let mut items = Vec::new();
        for (source, node) in nodes.iter().enumerate() {
            let readers = node.readers.iter().map(|reader| nodes[*reader].depth);
            let shown = columns.of(node.depth);
            // of a node to the left only the lines that end in view are drawn
            let farthest = readers.filter(|depth| shown.is_some() || columns.of(*depth).is_some()).max().unwrap_or(0);
            for depth in node.depth.max(columns.first)..farthest.max(node.depth + 1) {
                let Some(column) = columns.of(depth) else { break };
                items.push(Item { source, is_node: depth == node.depth, column, row: 0 });
            }
        }
        let margin = i32::from(roomy);
        Self { roomy, columns, items, ways: BTreeMap::new(), rows: top + margin..bottom - margin }
    }

    /// The items that a line leads to from each: those to the left, and those to the right.
    fn links(&self, nodes: &[Node]) -> Vec<[Vec<usize>; 2]> {
        let mut links = vec![[const { Vec::new() }; 2]; self.items.len()];
        for (&(source, column), &item) in &self.ways {
            let deep = self.columns.first + column + 1;
            let readers = nodes[source].readers.iter().copied().filter(|reader| nodes[*reader].depth == deep);
            for next in std::iter::once(source).chain(readers).filter_map(|next| self.ways.get(&(next, column + 1))) {
                links[item][1].push(*next);
                links[*next][0].push(item);
            }
        }
        links
    }

    /// The least distance from an item to the next below it, in rows.
    fn apart(&self, upper: usize, lower: usize, nodes: i32) -> i32 {
        match (self.items[upper].is_node, self.items[lower].is_node) {
            (true, true) => nodes,
            (false, false) => 1,
            _ if self.roomy => 2,
            _ => 1,
        }
    }

    /// Gives each item a row: near the mean of what it reads and of what reads it, nodes `apart` rows from each other. Whether all have room.
    fn place(&mut self, nodes: &[Node], apart: i32) -> bool {
        if self.ways.is_empty() {
            self.ways = self.items.iter().enumerate().map(|(i, item)| ((item.source, item.column), i)).collect();
        }
        let links = self.links(nodes);
        let (least, most) = (self.rows.start, self.rows.end - 1);
        let mut columns: Vec<Vec<usize>> = vec![Vec::new(); self.columns.places.len()];
        for (i, item) in self.items.iter().enumerate() {
            columns[item.column].push(i);
        }
        for column in &mut columns {
            // what reads nothing goes below
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

    /// Moves everything to the middle of the rows.
    fn centre(&mut self) {
        let rows = || self.items.iter().map(Item::row);
        let (least, most) = (rows().min().unwrap_or(0), rows().max().unwrap_or(0));
        let shift = (self.rows.start + self.rows.end - 1 - most - least) / 2;
        for item in &mut self.items {
            item.row += shift * PART;
        }
    }

    /// Moves each column that has no room by itself: to its middle, and on until its node of `focus` is in view.
    fn scroll(&mut self, focus: &[usize]) {
        let (first, last) = (self.rows.start, self.rows.end - 1);
        for column in 0..self.columns.places.len() {
            let items = || self.items.iter().filter(|item| item.column == column);
            let (upper, lower) = (items().map(Item::row).min().unwrap_or(first), items().map(Item::row).max().unwrap_or(last));
            if first <= upper && lower <= last {
                continue;
            }
            let middle = (first + last - upper - lower) / 2;
            let wanted = focus.iter().find_map(|node| items().find(|item| item.is_node && item.source == *node)).map(Item::row);
            let shift = wanted.map_or(middle, |row| (row + middle).min(last).max(first) - row);
            for item in self.items.iter_mut().filter(|item| item.column == column) {
                item.row += shift * PART;
            }
        }
    }

    /// Orders one column by the mean row of the neighbours, and moves its items as little as their distances ask for, between two rows. Whether
    /// they have room there.
    fn settle(&mut self, column: &mut [usize], links: &[[Vec<usize>; 2]], all: bool, apart: i32, (least, most): (i32, i32)) -> bool {
        let wanted: BTreeMap<usize, (i32, i32)> = column.iter().map(|&i| (i, self.wanted(i, links, all))).collect();
        column.sort_by_key(|i| wanted[i].0);
        // without the distances, rows must only not fall: neighbours that do are pooled at their mean
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

    /// The mean row of all of an item's neighbours, or of those to the left, with its weight; its own row weighs little.
    fn wanted(&self, item: usize, links: &[[Vec<usize>; 2]], all: bool) -> (i32, i32) {
        let near = links[item].iter().take(if all { 2 } else { 1 }).flatten();
        let (sum, count) = near.fold((0, 0), |(sum, count), other| (sum + self.items[*other].row, count + 1));
        if count == 0 { (self.items[item].row, 1) } else { (sum / count, 16) }
    }
}
