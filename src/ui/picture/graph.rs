//! A scalar graph as in figure 14: each node with its value above and its derivative below, as far as they are known.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, text_at};
use crate::network::{Id, Role as TensorRole};
use crate::trace::Progress;
use crate::ui::number::short;
use crate::ui::theme::Role;
use crate::ui::view::{View, cut, width};

/// The widest name of a node.
const LABEL: usize = 12;

/// The rows from node to node that are tried, and whether value and derivative then stand above and below the node, or else beside it.
const SPACINGS: [(i32, bool); 6] = [(6, true), (5, true), (4, true), (3, true), (2, false), (1, false)];

/// Cells between two columns: at least, and at most.
const GAP: (i32, i32) = (4, 18);

/// Passes over the columns, from left to right and back; the last, to the right, puts each node in the middle of what it reads.
const PASSES: usize = 9;

/// Parts of a row in which the rows are computed, so that means are not rounded at every pass.
const PART: i32 = 8;

/// A node with its column, from the left.
struct Node {
    id: Id,
    name: String,
    depth: usize,
    reads: Vec<Id>,
    /// Cells that it takes with its final numbers beside it, and with them above and below: the picture must not move while they come.
    wide: [i32; 2],
}

/// The columns that have room, with the current node's among them: their left ends and widths.
struct Columns {
    first: usize,
    places: Vec<(i32, i32)>,
}

/// What stands in a row of a column: a node, or the line from an earlier node on its way to a later column.
struct Item {
    source: usize,
    is_node: bool,
    column: usize,
    /// In [`PART`]s of a row.
    row: i32,
}

/// From one cell to another.
type Line = ((i32, i32), (i32, i32));

/// A cell with the mark of a cut edge.
type Cut = ((i32, i32), &'static str);

/// The picture with all places known.
struct Plan {
    roomy: bool,
    columns: Columns,
    items: Vec<Item>,
    /// The item of a node, or of its line, by node and column.
    ways: BTreeMap<(usize, usize), usize>,
}

/// Draws the picture.
pub fn render(view: &View<'_>, area: Rect, buf: &mut Buffer) {
    if area.height < 3 || area.width < 12 {
        return;
    }
    let nodes = nodes(view);
    let Some(here) = nodes.iter().position(|node| node.id == view.neuron(view.output)) else { return };
    let plan = Plan::best(&nodes, here, (i32::from(area.width), i32::from(area.height)));
    let mut canvas = Canvas::new(area);
    let mut marks = Vec::new();
    for (t, to) in nodes.iter().enumerate() {
        for (f, from) in nodes.iter().enumerate().filter(|(_, from)| to.reads.contains(&from.id)) {
            let now = is_now(view, from.id, to.id);
            let passed = view.backward() && derivative(view, from.id).is_some();
            let (style, rank) = match (now, passed) {
                (true, _) => (view.theme.style(Role::Result).not_underlined(), 3),
                (_, true) => (view.theme.style(Role::Backward), 2),
                _ => (view.theme.style(Role::Dim), 1),
            };
            let (lines, cuts) = plan.edge(&nodes, f, t);
            for (start, end) in lines {
                canvas.line(start, end, style, rank, now);
            }
            marks.extend(cuts.into_iter().map(|(place, mark)| (rank, place, mark, style)));
        }
    }
    canvas.render(buf);
    let on_screen = |(x, y): (i32, i32)| Some((u16::try_from(x).ok()?, u16::try_from(y).ok().filter(|y| *y < area.height)?));
    // the strongest last, over the others
    marks.sort_by_key(|mark| mark.0);
    for (_, place, mark, style) in marks {
        if let Some((x, y)) = on_screen(place) {
            text_at(buf, area, x, y, mark, style);
        }
    }
    for item in plan.items.iter().filter(|item| item.is_node) {
        if let Some(place) = on_screen((plan.columns.places[item.column].0, item.row())) {
            draw(view, &nodes[item.source], place, plan.roomy, area, buf);
        }
    }
}

/// The number of a tensor of one entry, as far as it has come.
fn known(view: &View<'_>, id: Id) -> Option<String> {
    match view.trace().progress(&view.at, id, 0) {
        Progress::Done(value) | Progress::Partial(value) => Some(short(value)),
        Progress::ToCome => None,
    }
}

fn derivative(view: &View<'_>, id: Id) -> Option<String> {
    view.network().gradient_of(id).and_then(|gradient| known(view, gradient))
}

/// The nodes whose numbers this step reads.
fn read_now<'a>(view: &'a View<'_>) -> impl Iterator<Item = Id> + 'a {
    view.step.factors.iter().filter_map(|factor| factor.source).map(|source| view.neuron(source.tensor))
}

/// Whether this step goes along the edge from one node to another, or back along it.
fn is_now(view: &View<'_>, from: Id, to: Id) -> bool {
    let output = view.neuron(view.output);
    if view.backward() {
        // the first factor is the derivative that comes from above
        return output == from && read_now(view).next() == Some(to);
    }
    output == to && read_now(view).any(|id| id == from)
}

/// The most nodes that are laid out; of a larger graph, those around the current one.
const MOST: usize = 150;

/// What a node reads.
fn reads(view: &View<'_>, id: Id) -> Vec<Id> {
    let network = view.network();
    let op = network.made_by(id).map(|n| &network.ops()[n]);
    op.into_iter().flat_map(|op| op.parts.iter().flat_map(|part| part.operands.iter().copied())).collect()
}

/// The nodes to draw, in the order of the graph.
fn chosen(view: &View<'_>) -> Vec<Id> {
    let network = view.network();
    let is_node = |id: &Id| !matches!(network.tensor(*id).role, TensorRole::Gradient(_));
    if network.tensors().len() <= 2 * MOST {
        return (0..network.tensors().len()).filter(is_node).collect();
    }
    // outwards from the current node, along what is read and what reads
    let mut found = vec![view.neuron(view.output)];
    let mut next = 0;
    while next < found.len() && found.len() < MOST {
        let id = found[next];
        next += 1;
        let readers = network.readers(id).iter().map(|reader| network.ops()[reader.op].output).filter(is_node).take(MOST / 10);
        for near in reads(view, id).into_iter().chain(readers) {
            if !found.contains(&near) {
                found.push(near);
            }
        }
    }
    found.sort_unstable();
    found
}

fn nodes(view: &View<'_>) -> Vec<Node> {
    let network = view.network();
    let mut nodes: Vec<Node> = Vec::new();
    for id in chosen(view) {
        let info = network.tensor(id);
        let reads = reads(view, id);
        let depth = nodes.iter().filter(|node| reads.contains(&node.id)).map(|node| node.depth + 1).max().unwrap_or(0);
        let name = cut(&info.name, LABEL);
        let last = |id: Id| view.trace().run(view.at.stretch).values(id).first().map_or(0, |value| width(&short(*value)));
        let (value, derivative) = (last(id), network.gradient_of(id).map_or(0, last));
        let wide = [width(&name) + value + derivative + 3, (width(&name) + 4).max(value + 2).max(derivative + 2)];
        nodes.push(Node { id, name, depth, reads, wide: wide.map(cells) });
    }
    // an input stands just before the first node that reads it
    for i in 0..nodes.len() {
        if nodes[i].reads.is_empty()
            && let Some(depth) = nodes.iter().filter(|node| node.reads.contains(&nodes[i].id)).map(|node| node.depth).min()
        {
            nodes[i].depth = depth - 1;
        }
    }
    nodes
}

fn cells(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / 2)
}

impl Item {
    /// On the screen.
    fn row(&self) -> i32 {
        self.row.div_euclid(PART)
    }
}

impl Columns {
    /// The columns around node `here` that have room, at most so many, spread over the width.
    fn new(nodes: &[Node], here: usize, roomy: bool, width: i32, most: usize) -> Self {
        let deepest = nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        let wide = |depth| nodes.iter().filter(|node| node.depth == depth).map(|node| node.wide[usize::from(roomy)]).max().unwrap_or(1);
        let wides: Vec<i32> = (0..=deepest).map(wide).collect();
        let (mut first, mut end) = (0, deepest + 1);
        let needed = |first: usize, end: usize| wides[first..end].iter().sum::<i32>() + cells(end - first - 1) * GAP.0;
        let mut margin = 0;
        if end > most || needed(first, end) > width {
            // a mark of cut edges at both sides
            margin = 3;
            (first, end) = (nodes[here].depth, nodes[here].depth + 1);
            while end - first < most {
                let left = first > 0 && needed(first - 1, end) <= width - 2 * margin;
                let right = end <= deepest && needed(first, end + 1) <= width - 2 * margin;
                match (left, right) {
                    (true, true) if nodes[here].depth - first > end - 1 - nodes[here].depth => end += 1,
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
    fn of(&self, depth: usize) -> Option<usize> {
        depth.checked_sub(self.first).filter(|column| *column < self.places.len())
    }
}

impl Plan {
    /// The plan with the most columns, and of those the most spacious.
    fn best(nodes: &[Node], here: usize, (width, height): (i32, i32)) -> Self {
        let deepest = nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        let widest = [false, true].map(|roomy| Columns::new(nodes, here, roomy, width, deepest + 1).places.len());
        for most in (2.min(deepest + 1)..=widest[0].max(widest[1])).rev() {
            for (apart, roomy) in SPACINGS.into_iter().filter(|(_, roomy)| widest[usize::from(*roomy)] >= most) {
                let mut plan = Self::new(nodes, roomy, Columns::new(nodes, here, roomy, width, most));
                if plan.may_fit(apart, height) && plan.place(nodes, apart, height, here) {
                    return plan;
                }
            }
        }
        // what has no room above or below is left out
        let mut plan = Self::new(nodes, true, Columns::new(nodes, here, true, width, 2));
        plan.place(nodes, 3, height, here);
        plan
    }

    /// Whether the items of each column could have room, whatever their order.
    fn may_fit(&self, apart: i32, height: i32) -> bool {
        let room = height - 1 - 2 * i32::from(self.roomy);
        (0..self.columns.places.len()).all(|column| {
            let items = || self.items.iter().filter(|item| item.column == column);
            cells(items().count()) - 1 <= room && (cells(items().filter(|item| item.is_node).count()) - 1) * apart <= room
        })
    }

    /// The items of each column, without their rows.
    fn new(nodes: &[Node], roomy: bool, columns: Columns) -> Self {
        let (mut items, mut ways) = (Vec::new(), BTreeMap::new());
        for (source, node) in nodes.iter().enumerate() {
            let readers = nodes.iter().filter(|reader| reader.reads.contains(&node.id)).map(|reader| reader.depth);
            let shown = columns.of(node.depth);
            // of a node to the left only the lines that end in view are drawn
            let farthest = readers.filter(|depth| shown.is_some() || columns.of(*depth).is_some()).max().unwrap_or(0);
            for depth in node.depth.max(columns.first)..farthest.max(node.depth + 1) {
                let Some(column) = columns.of(depth) else { break };
                ways.insert((source, column), items.len());
                items.push(Item { source, is_node: depth == node.depth, column, row: 0 });
            }
        }
        Self { roomy, columns, items, ways }
    }

    /// The pairs of items with a line between, from left to right.
    fn links(&self, nodes: &[Node]) -> Vec<(usize, usize)> {
        let mut links = Vec::new();
        for (&(source, column), &item) in &self.ways {
            links.extend(self.ways.get(&(source, column + 1)).map(|next| (item, *next)));
            for (reader, node) in nodes.iter().enumerate() {
                if node.depth == self.columns.first + column + 1 && node.reads.contains(&nodes[source].id) {
                    links.extend(self.ways.get(&(reader, column + 1)).map(|next| (item, *next)));
                }
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

    /// Gives each item a row: near the mean of what it reads and of what reads it, nodes `apart` rows from each other. Whether all have room; if
    /// not, node `here` is in view.
    fn place(&mut self, nodes: &[Node], apart: i32, height: i32, here: usize) -> bool {
        let links = self.links(nodes);
        let margin = i32::from(self.roomy);
        let mut columns: Vec<Vec<usize>> = vec![Vec::new(); self.columns.places.len()];
        for (i, item) in self.items.iter().enumerate() {
            columns[item.column].push(i);
        }
        for column in &mut columns {
            // what reads nothing goes below
            column.sort_by_key(|i| nodes[self.items[*i].source].reads.is_empty());
            for (n, &i) in column.iter().enumerate() {
                self.items[i].row = (2 * cells(n) + 1) * height * PART / (2 * cells(column.len()));
            }
        }
        let mut fits = true;
        for pass in 0..PASSES {
            let all = pass + 1 < PASSES;
            for n in 0..columns.len() {
                let column = if pass % 2 == 0 { n } else { columns.len() - 1 - n };
                fits &= self.settle(&mut columns[column], &links, all, apart, (margin, height - 1 - margin));
            }
        }
        let rows = || self.items.iter().map(Item::row);
        let (least, most) = (rows().min().unwrap_or(0), rows().max().unwrap_or(0));
        let mine = self.items.iter().find(|item| item.is_node && item.source == here).map_or(0, Item::row);
        let shift = if fits { (height - 1 - most - least) / 2 } else { height / 2 - mine };
        for item in &mut self.items {
            item.row += shift * PART;
        }
        fits
    }

    /// Orders one column by the mean row of the neighbours, and moves its items as little as their distances ask for, between two rows. Whether
    /// they have room there.
    fn settle(&mut self, column: &mut [usize], links: &[(usize, usize)], all: bool, apart: i32, (least, most): (i32, i32)) -> bool {
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
    fn wanted(&self, item: usize, links: &[(usize, usize)], all: bool) -> (i32, i32) {
        let near = links.iter().filter_map(|&(from, to)| if all && from == item { Some(to) } else { (to == item).then_some(from) });
        let (sum, count) = near.fold((0, 0), |(sum, count), other| (sum + self.items[other].row, count + 1));
        if count == 0 { (self.items[item].row, 1) } else { (sum / count, 16) }
    }

    /// The lines of one edge, and the marks where it is cut. Slopes lie between the columns, where no numbers are.
    fn edge(&self, nodes: &[Node], from: usize, to: usize) -> (Vec<Line>, Vec<Cut>) {
        let (mut lines, mut cuts) = (Vec::new(), Vec::new());
        let Columns { first, places } = &self.columns;
        let (start, end) = (nodes[from].depth, nodes[to].depth);
        let row = |node: usize, column: usize| self.ways.get(&(node, column)).map(|item| self.items[*item].row());
        // where the edge is in a column: on its way, or at its end
        let at = |column: usize| row(if column + first == end { to } else { from }, column);
        if start < *first
            && let (Some(y), true) = (at(0), self.columns.of(end).is_some())
        {
            cuts.push(((places[0].0 - 3, y), "←"));
            lines.push(((places[0].0 - 2, y), (places[0].0 - 1, y)));
        }
        for (column, &(x, wide)) in places.iter().enumerate().filter(|(column, _)| (start..end).contains(&(column + first))) {
            let Some(y) = at(column) else { continue };
            let name = if column + first == start { cells(width(&nodes[from].name)) + if self.roomy { 3 } else { 1 } } else { 0 };
            lines.push(((x + name.min(wide), y), (x + wide, y)));
            match (places.get(column + 1), at(column + 1)) {
                (Some(next), Some(below)) => lines.push(((x + wide, y), (next.0 - 1, below))),
                (None, _) => cuts.push(((x + wide + 1, y), "→")),
                _ => {}
            }
        }
        (lines, cuts)
    }
}

fn draw(view: &View<'_>, node: &Node, (x, y): (u16, u16), roomy: bool, area: Rect, buf: &mut Buffer) {
    let theme = &view.theme;
    let style = if node.id == view.neuron(view.output) {
        theme.style(Role::Step)
    } else if read_now(view).any(|id| id == node.id) {
        theme.style(Role::Entry).bold()
    } else {
        theme.style(Role::Plain)
    };
    let value = known(view, node.id).unwrap_or_default();
    let derivative = if view.backward() { derivative(view, node.id).unwrap_or_default() } else { String::new() };
    let (forward, backward) = (theme.style(Role::Forward), theme.style(Role::Backward).bold());
    if roomy {
        text_at(buf, area, x, y, &format!("[{}]", node.name), style);
        if let Some(above) = y.checked_sub(1) {
            text_at(buf, area, x + 1, above, &value, forward);
        }
        text_at(buf, area, x + 1, y + 1, &derivative, backward);
        return;
    }
    // blanks around each text keep the lines off the numbers
    let mut next = x.saturating_sub(1);
    let mut write = |text: &str, style: Style| {
        text_at(buf, area, next, y, text, style);
        next += u16::try_from(width(text)).unwrap_or(0);
    };
    write(" ", Style::new());
    write(&node.name, style);
    if !value.is_empty() {
        write("=", Style::new());
        write(&value, forward);
    }
    if !derivative.is_empty() {
        write(" ", Style::new());
        write(&derivative, backward);
    }
    write(" ", Style::new());
}
