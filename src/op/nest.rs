//! Describes the terms of one entry by three nested loops. So terms can be counted, found and added without a list of terms.
//!
//! Each term is an edge: an input, a weight and an output, which are called its *ends* and given by their row-major indices. In a convolution, loops over input
//! channels (planes), filter rows and filter columns produce the edges of one output. In each loop the three ends change by a fixed step, so the edge in plane
//! p, row r and column c is `first + p · steps[0] + r · steps[1] + c · steps[2]`.
//!
//! For a 2x2 filter on one channel of a 3x3 image, with indices in row-major order, output 0 has these edges:
//!
//! ```text
//! counts = [1, 2, 2]     the loops over channels, filter rows and filter columns
//! input:  steps 3 and 1 for rows and columns, so the terms read inputs 0 1 3 4
//! weight: steps 2 and 1 for rows and columns, so the terms read weights 0 1 2 3
//! ```
//!
//! From these numbers one can compute the n-th edge, a range of edges, and the edges that have a given input, weight or output.

use std::ops::Range;

use smallvec::SmallVec;

/// One edge, given by the row-major indices of its three ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The index in the input.
    pub input: usize,
    /// The index in the weight.
    pub weight: usize,
    /// The index in the output.
    pub output: usize,
}

impl Edge {
    /// Returns the ends: input, weight, output.
    #[must_use]
    pub fn ends(self) -> [usize; 3] {
        [self.input, self.weight, self.output]
    }

    /// Returns the edge after `count` iterations of a loop: each end moves by its step · `count`.
    #[must_use]
    pub fn moved(self, step: [isize; 3], count: isize) -> Self {
        let [input, weight, output] = step.map(|step| step.wrapping_mul(count));
        Self {
            input: self.input.wrapping_add_signed(input),
            weight: self.weight.wrapping_add_signed(weight),
            output: self.output.wrapping_add_signed(output),
        }
    }
}

/// The edges of one entry: three nested loops over planes, rows and columns, such as input channels, filter rows and filter columns.
#[derive(Clone, Copy, Debug)]
pub struct Nest {
    /// The first edge; meaningless if the entry has no edges.
    pub first: Edge,
    /// For each loop, from the outermost to the innermost: the steps of input, weight and output.
    pub steps: [[isize; 3]; 3],
    /// The number of iterations of each loop: planes, rows in a plane, columns in a row.
    pub counts: [usize; 3],
}

/// [`Nest::products`] makes a table of offsets if a plane has at most this many edges.
const MAX_TABLE: usize = 128;

impl Nest {
    /// Creates a single loop.
    #[must_use]
    pub fn line(first: Edge, step: [isize; 3], count: usize) -> Self {
        Self { first, steps: [[0; 3], [0; 3], step], counts: [1, 1, count] }
    }

    /// Returns edge `term`, counted from 0.
    #[must_use]
    pub fn edge(&self, term: usize) -> Edge {
        let [_, rows, columns] = self.counts;
        let iterations = [term / columns / rows, term / columns % rows, term % columns];
        self.steps.iter().zip(iterations).fold(self.first, |edge, (step, n)| edge.moved(*step, n.cast_signed()))
    }

    /// Returns the numbers of the edges that have a given end, in order: those whose input (`end` = 0), weight (1) or output (2) has the index `at`.
    ///
    /// In each loop, an iteration is tried only if the inner loops can reach `at` from it. Usually that is true for one or two iterations of a loop. It is true
    /// for more only if several iterations of the loop reach overlapping ranges of indices.
    #[must_use]
    pub fn edge_numbers_at(&self, end: usize, at: usize) -> SmallVec<[u64; 2]> {
        let mut found = SmallVec::new();
        if self.counts.contains(&0) {
            return found;
        }
        let steps = self.steps.map(|step| step[end]);
        // the offset of the last iteration of loop n, where loop 0 is over planes, 1 over rows and 2 over columns
        let last_offset = |n: usize| steps[n].wrapping_mul(self.counts[n].cast_signed() - 1);
        // the lowest and the highest offset within a row, and within a plane
        let row_range = [last_offset(2).min(0), last_offset(2).max(0)];
        let plane_range = [row_range[0] + last_offset(1).min(0), row_range[1] + last_offset(1).max(0)];
        // the index `at` minus the index of the first edge; an edge is found if p · steps[0] + r · steps[1] + c · steps[2] is equal to this offset
        let offset = at.cast_signed().wrapping_sub(self.first.ends()[end].cast_signed());
        for p in iterations_within(offset, steps[0], self.counts[0], plane_range) {
            let offset_in_plane = offset - p * steps[0];
            for r in iterations_within(offset_in_plane, steps[1], self.counts[1], row_range) {
                let offset_in_row = offset_in_plane - r * steps[1];
                for c in iterations_within(offset_in_row, steps[2], self.counts[2], [0, 0]) {
                    let number = (p.unsigned_abs() * self.counts[1] + r.unsigned_abs()) * self.counts[2] + c.unsigned_abs();
                    found.push(number as u64);
                }
            }
        }
        found
    }

    /// Iterates over a range of the edges, in order.
    pub fn edges(&self, terms: Range<usize>) -> impl Iterator<Item = Edge> {
        let [_, rows, columns] = self.counts;
        let [plane, row, column] = self.steps;
        // an empty range needs no edge, and in a nest without edges `self.edge` would divide by zero
        let (mut edge, mut row_and_column) = if terms.is_empty() {
            (self.first, [0, 0])
        } else {
            (self.edge(terms.start), [terms.start / columns % rows, terms.start % columns])
        };
        let mut row_begin = edge.moved(column, -row_and_column[1].cast_signed());
        let mut plane_begin = row_begin.moved(row, -row_and_column[0].cast_signed());
        terms.map(move |_| {
            if row_and_column[1] == columns {
                row_and_column = [row_and_column[0] + 1, 0];
                row_begin = row_begin.moved(row, 1);
                if row_and_column[0] == rows {
                    row_and_column[0] = 0;
                    plane_begin = plane_begin.moved(plane, 1);
                    row_begin = plane_begin;
                }
                edge = row_begin;
            }
            row_and_column[1] += 1;
            let current = edge;
            edge = edge.moved(column, 1);
            current
        })
    }

    /// Adds the products of the first `terms` edges to `sum`, in order, and returns the new sum. Each factor is given as a tensor and the number of an end (0
    /// input, 1 weight, 2 output). The index of this end selects the entry of the tensor. For Σ w · x the factors are (weights, 1) and (inputs, 0).
    #[must_use]
    pub fn products(&self, (a, i): (&[f64], usize), (b, j): (&[f64], usize), terms: usize, mut sum: f64) -> f64 {
        let [_, rows, columns] = self.counts;
        let [plane, row, column] = self.steps.map(|step| [step[i], step[j]]);
        let first = self.first.ends();
        let mut at = [first[i], first[j]];
        let area = rows * columns; // the number of edges of a plane
        // if each plane has a single edge, the loop over planes is the only loop
        if area == 1 {
            return add_line(a, b, at, plane, terms, sum);
        }
        // several small planes: a table has the offsets of the edges of a plane. First the whole planes are added, then the remaining edges,
        // which are in the next plane
        if terms > area && area <= MAX_TABLE {
            let (planes, remaining) = (terms / area, terms % area);
            let offsets = Self::plane_offsets([rows, columns], [row, column]);
            sum = add_planes(a, b, at, plane, planes, &offsets, sum);
            let last_plane = advance(at, plane.map(|step| step.wrapping_mul(planes.cast_signed())));
            let last_plane_count = 1;
            return add_planes(a, b, last_plane, plane, last_plane_count, &offsets[..remaining], sum);
        }
        // large planes: row by row
        let mut remaining = terms;
        while remaining > 0 {
            let mut row_begin = at;
            for _ in 0..rows.min(remaining.div_ceil(columns)) {
                let count = columns.min(remaining);
                sum = add_line(a, b, row_begin, column, count, sum);
                remaining -= count;
                row_begin = advance(row_begin, row);
            }
            at = advance(at, plane);
        }
        sum
    }

    /// Adds the products of a range of edges to `sum`, in order, and returns the new sum. The factors are those of [`Nest::products`].
    #[must_use]
    pub fn products_in_range(&self, (a, i): (&[f64], usize), (b, j): (&[f64], usize), terms: Range<usize>, mut sum: f64) -> f64 {
        let [_, _, columns] = self.counts;
        let column = [self.steps[2][i], self.steps[2][j]];
        let mut term = terms.start;
        while term < terms.end {
            let count = (columns - term % columns).min(terms.end - term);
            let edge = self.edge(term).ends();
            sum = add_line(a, b, [edge[i], edge[j]], column, count, sum);
            term += count;
        }
        sum
    }

    /// Returns the offset of each edge of a plane from the plane's first edge, for two of the ends. `row` and `column` are the steps of these ends. A negative
    /// offset is stored as a `usize` that wraps around.
    fn plane_offsets([rows, columns]: [usize; 2], [row, column]: [[isize; 2]; 2]) -> SmallVec<[[usize; 2]; 32]> {
        let mut offsets = SmallVec::with_capacity(rows * columns);
        let mut row_begin = [0; 2];
        for _ in 0..rows {
            let mut offset = row_begin;
            for _ in 0..columns {
                offsets.push(offset);
                offset = advance(offset, column);
            }
            row_begin = advance(row_begin, row);
        }
        offsets
    }
}

/// Returns the iterations n, 0 ≤ n < `count`, for which `low ≤ offset − n · step ≤ high`.
fn iterations_within(offset: isize, step: isize, count: usize, [low, high]: [isize; 2]) -> Range<isize> {
    let all = 0..count.cast_signed();
    if step == 0 {
        return if (low..=high).contains(&offset) { all } else { 0..0 };
    }
    // from ≤ n · |step| ≤ to
    let (from, to) = if step > 0 { (offset - high, offset - low) } else { (low - offset, high - offset) };
    let step = step.abs();
    // `from / step` rounded up
    let first = from.div_euclid(step) + isize::from(from.rem_euclid(step) > 0);
    first.max(0)..(to.div_euclid(step) + 1).min(all.end)
}

/// Moves two indices by one step each.
fn advance([i, j]: [usize; 2], [di, dj]: [isize; 2]) -> [usize; 2] {
    [i.wrapping_add_signed(di), j.wrapping_add_signed(dj)]
}

/// Adds the products `a[i] · b[j]` of a single loop. There are `count` of them, and i and j change by `di` and `dj` each time. The function is not inlined,
/// because in a larger function the compiler does not keep the sum in a register.
#[inline(never)]
fn add_line(a: &[f64], b: &[f64], [mut i, mut j]: [usize; 2], [di, dj]: [isize; 2], count: usize, mut sum: f64) -> f64 {
    if (di, dj) == (1, 1) {
        for (a, b) in a[i..][..count].iter().zip(&b[j..][..count]) {
            sum += a * b;
        }
        return sum;
    }
    for _ in 0..count {
        sum += a[i] * b[j];
        [i, j] = advance([i, j], [di, dj]);
    }
    sum
}

/// Adds the products of `count` planes. `at` has the indices of the first edge, `plane` is the step between planes, and `offsets` has the offsets within a
/// plane. For short rows this table is faster than two nested loops.
#[inline(never)]
fn add_planes(a: &[f64], b: &[f64], mut at: [usize; 2], plane: [isize; 2], count: usize, offsets: &[[usize; 2]], mut sum: f64) -> f64 {
    for _ in 0..count {
        let [i, j] = at;
        for [di, dj] in offsets {
            sum += a[i.wrapping_add(*di)] * b[j.wrapping_add(*dj)];
        }
        at = advance(at, plane);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists the edges by three plain loops.
    fn edges_by_loops(Nest { first, steps, counts }: Nest) -> Vec<Edge> {
        let mut edges = Vec::new();
        for plane in 0..counts[0] {
            for row in 0..counts[1] {
                for column in 0..counts[2] {
                    let iterations = [plane, row, column].map(usize::cast_signed);
                    let end = |end: usize| {
                        steps.iter().zip(iterations).fold(first.ends()[end], |at, (step, n)| at.wrapping_add_signed(step[end] * n))
                    };
                    edges.push(Edge { input: end(0), weight: end(1), output: end(2) });
                }
            }
        }
        edges
    }

    #[test]
    fn edges_ranges_and_products_match_plain_loops() {
        // the products are a[weight] · b[output]: ends 1 and 2 of each edge
        let a: Vec<f64> = (0..5000).map(|n| f64::from(n).sin()).collect();
        let b: Vec<f64> = (0..5000).map(|n| f64::from(n).cos()).collect();
        let first = Edge { input: 7, weight: 40, output: 2000 };
        let steps = [[60, 300, -150], [12, 25, -20], [1, 2, -1]];
        // a single loop; planes of short rows; planes larger than the table; planes of one short row; planes of one edge; no edges
        for counts in [[1, 1, 9], [5, 3, 3], [3, 12, 11], [4, 1, 2], [6, 1, 1], [3, 0, 2]] {
            // in the second nest all ends move by 1 from column to column, so the factors of a row are neighbours in memory
            let steps_of_neighbours = [[60, 60, 60], [12, 12, 12], [1, 1, 1]];
            for steps in [steps, steps_of_neighbours] {
                let nest = Nest { first, steps, counts };
                let edges = edges_by_loops(nest);
                for (term, edge) in edges.iter().enumerate() {
                    assert_eq!(nest.edge(term), *edge, "{counts:?}");
                    assert!(nest.edges(term..edges.len()).eq(edges[term..].iter().copied()), "{counts:?} from {term}");
                    let plain = edges[term..].iter().fold(0.5, |sum, edge| sum + a[edge.weight] * b[edge.output]);
                    let sum = nest.products_in_range((&a, 1), (&b, 2), term..edges.len(), 0.5);
                    assert_eq!(sum.to_bits(), f64::to_bits(plain), "{counts:?}: from {term}");
                }
                for (end, index) in (0..3).flat_map(|end| edges.iter().map(move |edge| (end, edge.ends()[end]))) {
                    let expected = (0..).zip(&edges).filter(|(_, edge)| edge.ends()[end] == index).map(|(term, _)| term);
                    assert!(nest.edge_numbers_at(end, index).into_iter().eq(expected), "{counts:?}: {index} at {end}");
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
