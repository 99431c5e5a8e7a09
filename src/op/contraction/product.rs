//! Kernel for the product of two matrices, `ik,kj->ij`, for a batch of such products, `bik,bkj->bij`, and for their two derivatives.
//!
//! The lanes of a register hold neighbouring entries of a row of the computed tensor. In y = A B all lanes of a register multiply the same entry of A, the
//! *row's factor*, by neighbouring entries of B, the *lanes' factors*. All lanes add their first term, then their second, …, so each sum adds its terms in
//! order ([`crate::sums`]).
//!
//! | computed | row's factor | lanes' factors | terms |
//! | --- | --- | --- | --- |
//! | `y[i, j]` | `A[i, k]` | `B[k, j]`, `B[k, j + 1]`, … | k |
//! | `∂C/∂B[k, j]` | `A[i, k]` | `∂C/∂y[i, j]`, `∂C/∂y[i, j + 1]`, … | i |
//! | `∂C/∂A[i, k]` | `∂C/∂y[i, j]` | `B[k, j]`, `B[k + 1, j]`, … | j |
//!
//! In the last case the lanes' factors are a column of B, and far apart in memory. They are copied next to each other first. The same is done for rows whose
//! length is not a multiple of the number of lanes.

use std::ops::Range;

use smallvec::SmallVec;

use super::{EndLabels, Label};
use crate::scratch::Scratch;
use crate::sums::{FactorSource, Init, LANES, Products, add};
use crate::threads::chunks;

/// The smallest number of lanes that are used. For fewer, most lanes of a register would be idle.
const MIN_LANES: usize = 4;
/// The smallest number of products for which the preparations pay off.
const MIN_PRODUCTS: usize = 256;
/// The largest number of terms that are added at once, so that the factors of the lanes stay in the cache.
const MAX_TERMS: usize = 256;
/// The largest number of rows whose sums are computed at once.
const MAX_ROWS: usize = 64;

/// A row of the computed tensor, with the indices of the factors of its first term.
#[derive(Clone, Copy, Debug)]
struct ProductRow {
    /// The index of the first lane's factor.
    lanes: usize,
    /// The index of the row's factor.
    own: usize,
    /// The index of the row.
    index: usize,
}

/// The factors of a group of rows, which have the same lanes' factors.
struct GroupFactors<'a> {
    /// The tensor of the rows' factors.
    own: &'a [f64],
    /// The lanes' factors: their tensor, or a packed copy.
    lanes: &'a [f64],
    /// The index of the first lane's factor of the first term.
    first: usize,
    /// For each term, the offsets of the row's factor and of the lanes' factors from those of the first term.
    taps: &'a [(usize, usize)],
}

/// The labels of a product of matrices in one view.
#[derive(Debug)]
pub(super) struct MatrixProduct<'a> {
    labels: &'a EndLabels,
    /// The label of the lanes: the innermost one of the computed tensor.
    lane: Label,
    /// The ends of the row's factor and of the lanes' factors, as indices in [`Edge::ends`](super::super::nest::Edge::ends).
    ends: [usize; 2],
}

impl<'a> MatrixProduct<'a> {
    /// The product that computes a tensor with `entries` entries; `None` if there are too few terms, or if neighbouring entries have no factor in common.
    pub fn new(labels: &'a EndLabels, ends: [usize; 2], entries: usize) -> Option<Self> {
        let lane = *labels.own.last()?;
        let [first, second] = ends;
        let ends = match (lane.strides[first], lane.strides[second]) {
            (0, 1..) => [first, second],
            (1.., 0) => [second, first],
            _ => return None,
        };
        let is_large = entries.saturating_mul(labels.term_count()) >= MIN_PRODUCTS;
        (is_large && lane.size >= MIN_LANES && entries.is_multiple_of(lane.size)).then_some(Self { labels, lane, ends })
    }

    /// Returns whether the row's factors are the entries of this end.
    pub fn has_rows_from(&self, end: usize) -> bool {
        self.ends[0] == end
    }

    /// Computes the sums. `factors` are the tensors of the row's factors and of the lanes' factors, in the order of `ends`.
    pub fn compute(&self, factors: [&[f64]; 2], sums: &mut [f64], init: Init) {
        let count = self.lane.size;
        let taps = self.taps();
        let width = count.next_multiple_of(LANES);
        let is_packed = self.lane.strides[self.ends[1]] != 1 || count != width;
        // where the factors of each term are after packing
        let packed_taps: Vec<(usize, usize)> =
            if is_packed { taps.iter().enumerate().map(|(n, (i, _))| (*i, n % MAX_TERMS * width)).collect() } else { Vec::new() };
        chunks(sums, count, taps.len() as u64, |first, sums| {
            let first_row = first / count;
            let mut rows: Vec<ProductRow> = (first_row..first_row + sums.len() / count).map(|index| self.row(index)).collect();
            // rows with the same lanes' factors are computed together
            if !rows.is_sorted_by_key(|row| row.lanes) {
                rows.sort_by_key(|row| row.lanes);
            }
            let mut packed = Scratch::new(if is_packed { taps.len().min(MAX_TERMS) * width } else { 0 });
            for rows in rows.chunk_by(|a, b| a.lanes == b.lanes) {
                for begin in (0..taps.len()).step_by(MAX_TERMS) {
                    let init = if begin == 0 { init } else { Init::Accumulate };
                    let range = begin..taps.len().min(begin + MAX_TERMS);
                    let sums = (first_row, &mut *sums);
                    if is_packed {
                        let stride = self.lane.strides[self.ends[1]];
                        pack(factors[1], (rows[0].lanes, stride), count, &taps[range.clone()], &mut packed);
                        let factors = GroupFactors { own: factors[0], lanes: &packed, first: 0, taps: &packed_taps[range] };
                        self.add_group(&factors, rows, sums, init);
                    } else {
                        let factors = GroupFactors { own: factors[0], lanes: factors[1], first: rows[0].lanes, taps: &taps[range] };
                        self.add_group(&factors, rows, sums, init);
                    }
                }
            }
        });
    }

    /// For each term, the offsets of the row's factor and of the lanes' factors from those of the first term.
    fn taps(&self) -> Vec<(usize, usize)> {
        let [own, lanes] = self.ends;
        let mut taps = vec![(0, 0)];
        for label in &self.labels.summed {
            let step = |n: usize| (label.strides[own] * n, label.strides[lanes] * n);
            taps = taps.into_iter().flat_map(|(a, b)| (0..label.size).map(step).map(move |(i, j)| (a + i, b + j))).collect();
        }
        taps
    }

    /// The row of the computed tensor with this index.
    fn row(&self, index: usize) -> ProductRow {
        let [own, lanes] = self.ends;
        let outer = &self.labels.own[..self.labels.own.len() - 1];
        let (mut rest, mut row) = (index, ProductRow { lanes: 0, own: 0, index });
        for label in outer.iter().rev() {
            let value = rest % label.size;
            rest /= label.size;
            row.lanes += value * label.strides[lanes];
            row.own += value * label.strides[own];
        }
        row
    }

    /// Adds the terms of some taps to the rows of a group. `sums` has the index of a row, and the sums from this row on.
    fn add_group(&self, factors: &GroupFactors<'_>, group: &[ProductRow], sums: (usize, &mut [f64]), init: Init) {
        let &GroupFactors { own, lanes, first, taps } = factors;
        let (first_row, sums) = sums;
        let count = self.lane.size;
        let width = count.next_multiple_of(LANES);
        let lane_firsts: SmallVec<[usize; 16]> = (0..width).step_by(LANES).map(|lane| first + lane).collect();
        for rows in group.chunks(MAX_ROWS) {
            let firsts: SmallVec<[usize; MAX_ROWS]> = rows.iter().map(|row| row.own).collect();
            let products = Products {
                rows: FactorSource { numbers: own, firsts: &firsts },
                lanes: FactorSource { numbers: lanes, firsts: &lane_firsts },
                taps,
                chunk: taps.len(),
                used_taps: 0..taps.len(),
            };
            let place = |row: &ProductRow| (row.index - first_row) * count..(row.index - first_row + 1) * count;
            let are_neighbours = rows.windows(2).all(|pair| pair[1].index == pair[0].index + 1);
            if count == width && are_neighbours {
                let range: Range<usize> = place(&rows[0]).start..place(&rows[rows.len() - 1]).end;
                add(&products, &mut sums[range], init);
                continue;
            }
            let mut wide = Scratch::new(rows.len() * width);
            for (row, wide) in rows.iter().zip(wide.chunks_exact_mut(width)) {
                let (wide, rest) = wide.split_at_mut(count);
                wide.copy_from_slice(&sums[place(row)]);
                rest.fill(0.0);
            }
            add(&products, &mut wide, init);
            for (row, wide) in rows.iter().zip(wide.chunks_exact(width)) {
                sums[place(row)].copy_from_slice(&wide[..count]);
            }
        }
    }
}

/// Copies the lanes' factors of each term next to each other. The lanes after the last factor are 0.
fn pack(numbers: &[f64], (first, stride): (usize, usize), count: usize, taps: &[(usize, usize)], packed: &mut [f64]) {
    let width = count.next_multiple_of(LANES);
    let are_neighbours = taps.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1);
    if stride != 1 && are_neighbours {
        // the factors of a lane are neighbours: a block of lanes and terms is transposed
        let lane_factors = |lane: usize| &numbers[first + taps[0].1 + lane * stride..][..taps.len()];
        for begin in (0..count).step_by(LANES) {
            let lanes = begin..count.min(begin + LANES);
            let factors: [&[f64]; LANES] = std::array::from_fn(|n| lane_factors((begin + n).min(lanes.end - 1)));
            for (term, packed) in packed.chunks_exact_mut(width).take(taps.len()).enumerate() {
                for (to, factors) in packed[lanes.clone()].iter_mut().zip(factors) {
                    *to = factors[term];
                }
                packed[lanes.end..(begin + LANES).min(width)].fill(0.0);
            }
        }
        return;
    }
    for ((_, j), packed) in taps.iter().zip(packed.chunks_exact_mut(width)) {
        let (factors, rest) = packed.split_at_mut(count);
        if stride == 1 {
            factors.copy_from_slice(&numbers[first + j..][..count]);
        } else {
            for (factor, number) in factors.iter_mut().zip(numbers[first + j..].iter().step_by(stride)) {
                *factor = *number;
            }
        }
        rest.fill(0.0);
    }
}
