//! The edges of one entry in their order, as three nested loops in which their ends move evenly.

use std::ops::Range;

use smallvec::SmallVec;

/// One edge: the row-major places of its three ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The neuron of the layer before.
    pub input: usize,
    /// The weight.
    pub weight: usize,
    /// The neuron of this layer.
    pub output: usize,
}

impl Edge {
    /// Its ends: input, weight, output.
    #[must_use]
    pub fn ends(self) -> [usize; 3] {
        [self.input, self.weight, self.output]
    }

    /// The same some turns of a loop later, in which its ends move so far.
    #[must_use]
    pub fn moved(self, step: [isize; 3], turns: isize) -> Self {
        let [input, weight, output] = step.map(|step| step.wrapping_mul(turns));
        Self {
            input: self.input.wrapping_add_signed(input),
            weight: self.weight.wrapping_add_signed(weight),
            output: self.output.wrapping_add_signed(output),
        }
    }
}

/// The edges of one entry: planes of rows of columns, say the input channels, filter rows and filter columns under one output.
#[derive(Clone, Copy, Debug)]
pub struct Nest {
    /// The first edge; of no meaning where there is none.
    pub first: Edge,
    /// How far its ends move in each loop, from the outermost in: input, weight, output.
    pub steps: [[isize; 3]; 3],
    /// How often each loop runs.
    pub counts: [usize; 3],
}

/// Offsets of a plane that are worth a table.
const TABLE: usize = 128;

impl Nest {
    /// One loop alone.
    #[must_use]
    pub fn line(first: Edge, step: [isize; 3], count: usize) -> Self {
        Self { first, steps: [[0; 3], [0; 3], step], counts: [1, 1, count] }
    }

    /// Edge `term`.
    #[must_use]
    pub fn edge(&self, term: usize) -> Edge {
        let [_, rows, columns] = self.counts;
        let turns = [term / columns / rows, term / columns % rows, term % columns];
        self.steps.iter().zip(turns).fold(self.first, |edge, (step, turns)| edge.moved(*step, turns.cast_signed()))
    }

    /// The edges, by their numbers and in order, whose end `end` (input, weight, output) is the place `at`. In each loop only the turns are tried from
    /// which the loops within can reach it: one or two, where the places of a turn lie apart from those of the next.
    #[must_use]
    pub fn reaching(&self, end: usize, at: usize) -> SmallVec<[u64; 2]> {
        let mut found = SmallVec::new();
        if self.counts.contains(&0) {
            return found;
        }
        let steps = self.steps.map(|step| step[end]);
        let last = |n: usize| steps[n].wrapping_mul(self.counts[n].cast_signed() - 1);
        // how far the loops within the first one reach, and those within the second
        let row = [last(2).min(0), last(2).max(0)];
        let plane = [row[0] + last(1).min(0), row[1] + last(1).max(0)];
        let left = at.cast_signed().wrapping_sub(self.first.ends()[end].cast_signed());
        for p in turns(left, steps[0], self.counts[0], plane) {
            let left = left - p * steps[0];
            for r in turns(left, steps[1], self.counts[1], row) {
                let left = left - r * steps[1];
                for c in turns(left, steps[2], self.counts[2], [0, 0]) {
                    let number = (p.unsigned_abs() * self.counts[1] + r.unsigned_abs()) * self.counts[2] + c.unsigned_abs();
                    found.push(number as u64);
                }
            }
        }
        found
    }

    /// Some of the edges, in order.
    pub fn edges(&self, terms: Range<usize>) -> impl Iterator<Item = Edge> {
        let [_, rows, columns] = self.counts;
        let [plane, row, column] = self.steps;
        // what there is of none has no place to begin at
        let (mut edge, mut turn) = if terms.is_empty() {
            (self.first, [0, 0])
        } else {
            (self.edge(terms.start), [terms.start / columns % rows, terms.start % columns])
        };
        let mut row_begin = edge.moved(column, -turn[1].cast_signed());
        let mut plane_begin = row_begin.moved(row, -turn[0].cast_signed());
        terms.map(move |_| {
            if turn[1] == columns {
                turn = [turn[0] + 1, 0];
                row_begin = row_begin.moved(row, 1);
                if turn[0] == rows {
                    turn[0] = 0;
                    plane_begin = plane_begin.moved(plane, 1);
                    row_begin = plane_begin;
                }
                edge = row_begin;
            }
            turn[1] += 1;
            let now = edge;
            edge = edge.moved(column, 1);
            now
        })
    }

    /// Adds to `sum`, in order, the products of the first `terms` edges: of `a` at one end and `b` at another, each the number of that end in
    /// input, weight, output.
    #[must_use]
    pub fn products(&self, (a, i): (&[f64], usize), (b, j): (&[f64], usize), terms: usize, mut sum: f64) -> f64 {
        let [_, rows, columns] = self.counts;
        let [plane, row, column] = self.steps.map(|step| [step[i], step[j]]);
        let first = self.first.ends();
        let mut at = [first[i], first[j]];
        let area = rows * columns;
        if area == 1 {
            return line(a, b, at, plane, terms, sum);
        }
        if terms > area && area <= TABLE {
            let (whole, rest) = (terms / area, terms % area);
            let places = Self::places([rows, columns], [row, column]);
            sum = planes(a, b, at, plane, whole, &places, sum);
            let last = plane.map(|step| step.wrapping_mul(whole.cast_signed()));
            return planes(a, b, on(at, last), plane, 1, &places[..rest], sum);
        }
        let mut left = terms;
        while left > 0 {
            let mut begin = at;
            for _ in 0..rows.min(left.div_ceil(columns)) {
                let count = columns.min(left);
                sum = line(a, b, begin, column, count, sum);
                left -= count;
                begin = on(begin, row);
            }
            at = on(at, plane);
        }
        sum
    }

    /// Adds to `sum`, in order, the products of some edges, as in [`Nest::products`].
    #[must_use]
    pub fn more_products(&self, (a, i): (&[f64], usize), (b, j): (&[f64], usize), terms: Range<usize>, mut sum: f64) -> f64 {
        let [_, _, columns] = self.counts;
        let column = [self.steps[2][i], self.steps[2][j]];
        let mut term = terms.start;
        while term < terms.end {
            let count = (columns - term % columns).min(terms.end - term);
            let edge = self.edge(term).ends();
            sum = line(a, b, [edge[i], edge[j]], column, count, sum);
            term += count;
        }
        sum
    }

    /// The places of a plane, counted from its first.
    fn places([rows, columns]: [usize; 2], [row, column]: [[isize; 2]; 2]) -> SmallVec<[[usize; 2]; 32]> {
        let mut places = SmallVec::with_capacity(rows * columns);
        let mut begin = [0; 2];
        for _ in 0..rows {
            let mut place = begin;
            for _ in 0..columns {
                places.push(place);
                place = on(place, column);
            }
            begin = on(begin, row);
        }
        places
    }
}

/// The turns n below `count` after which what is left of the way, left − n·step, lies within a range.
fn turns(left: isize, step: isize, count: usize, [low, high]: [isize; 2]) -> Range<isize> {
    let all = 0..count.cast_signed();
    if step == 0 {
        return if (low..=high).contains(&left) { all } else { 0..0 };
    }
    let (from, to) = if step > 0 { (left - high, left - low) } else { (low - left, high - left) };
    let step = step.abs();
    // from the first multiple that is not below the range to the last that is not above it
    let first = from.div_euclid(step) + isize::from(from.rem_euclid(step) > 0);
    first.max(0)..(to.div_euclid(step) + 1).min(all.end)
}

fn on([i, j]: [usize; 2], [di, dj]: [isize; 2]) -> [usize; 2] {
    [i.wrapping_add_signed(di), j.wrapping_add_signed(dj)]
}

/// Adds the products of a single loop. Not inlined, as the sum only stays in a register where nothing else wants it.
#[inline(never)]
fn line(a: &[f64], b: &[f64], [mut i, mut j]: [usize; 2], [di, dj]: [isize; 2], count: usize, mut sum: f64) -> f64 {
    if (di, dj) == (1, 1) {
        for (a, b) in a[i..][..count].iter().zip(&b[j..][..count]) {
            sum += a * b;
        }
        return sum;
    }
    for _ in 0..count {
        sum += a[i] * b[j];
        [i, j] = on([i, j], [di, dj]);
    }
    sum
}

/// Adds the products of some planes, each at places counted from its first. A table of them is quicker than two loops over short rows.
#[inline(never)]
fn planes(a: &[f64], b: &[f64], mut at: [usize; 2], plane: [isize; 2], count: usize, places: &[[usize; 2]], mut sum: f64) -> f64 {
    for _ in 0..count {
        let [i, j] = at;
        for [di, dj] in places {
            sum += a[i.wrapping_add(*di)] * b[j.wrapping_add(*dj)];
        }
        at = on(at, plane);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three loops, written out.
    fn told(Nest { first, steps, counts }: Nest) -> Vec<Edge> {
        let mut edges = Vec::new();
        for plane in 0..counts[0] {
            for row in 0..counts[1] {
                for column in 0..counts[2] {
                    let turns = [plane, row, column].map(usize::cast_signed);
                    let end = |end: usize| {
                        steps.iter().zip(turns).fold(first.ends()[end], |at, (step, turn)| at.wrapping_add_signed(step[end] * turn))
                    };
                    edges.push(Edge { input: end(0), weight: end(1), output: end(2) });
                }
            }
        }
        edges
    }

    #[test]
    fn every_way_goes_through_the_same_edges() {
        let a: Vec<f64> = (0..5000).map(|n| f64::from(n).sin()).collect();
        let b: Vec<f64> = (0..5000).map(|n| f64::from(n).cos()).collect();
        let first = Edge { input: 7, weight: 40, output: 2000 };
        let steps = [[60, 300, -150], [12, 25, -20], [1, 2, -1]];
        // one loop; short rows; more places than a table has; a stretch of neighbours; planes of one; nothing
        for counts in [[1, 1, 9], [5, 3, 3], [3, 12, 11], [4, 1, 2], [6, 1, 1], [3, 0, 2]] {
            let nests =
                [Nest { first, steps, counts }, Nest { steps: [[60, 60, 60], [12, 12, 12], [1, 1, 1]], ..Nest { first, steps, counts } }];
            for nest in nests {
                let edges = told(nest);
                for (term, edge) in edges.iter().enumerate() {
                    assert_eq!(nest.edge(term), *edge, "{counts:?}");
                    assert!(nest.edges(term..edges.len()).eq(edges[term..].iter().copied()), "{counts:?} from {term}");
                    let plain = edges[term..].iter().fold(0.5, |sum, edge| sum + a[edge.weight] * b[edge.output]);
                    let sum = nest.more_products((&a, 1), (&b, 2), term..edges.len(), 0.5);
                    assert_eq!(sum.to_bits(), f64::to_bits(plain), "{counts:?}: from {term}");
                }
                for (end, place) in (0..3).flat_map(|end| edges.iter().map(move |edge| (end, edge.ends()[end]))) {
                    let expected = (0..).zip(&edges).filter(|(_, edge)| edge.ends()[end] == place).map(|(term, _)| term);
                    assert!(nest.reaching(end, place).into_iter().eq(expected), "{counts:?}: {place} at {end}");
                }
                let mut sum = -0.0;
                for terms in 0..=edges.len() {
                    assert_eq!(nest.products((&a, 1), (&b, 2), terms, -0.0).to_bits(), f64::to_bits(sum), "{counts:?}: {terms}");
                    sum += edges.get(terms).map_or(0.0, |edge| a[edge.weight] * b[edge.output]);
                }
            }
        }
    }
}
