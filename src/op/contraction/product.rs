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
//! In the last case the lanes' factors are a column of B, and far apart in memory. They are copied next to each other first. The same is done for rows that do
//! not fill whole registers, if the registers may not overlap ([`Lanes`]).

use smallvec::SmallVec;

use super::{EndLabels, Label};
use crate::scratch::Scratch;
use crate::shuffle::transpose_matrix;
use crate::sums::{FactorSource, Init, LANES, Products, add, add_to_rows};
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
    first_lane_factor: usize,
    /// The index of the row's factor.
    row_factor: usize,
    /// The index of the row.
    index: usize,
}

/// The factors of a group of rows, which have the same lanes' factors.
struct GroupFactors<'a> {
    /// The tensor of the rows' factors.
    row_factors: &'a [f64],
    /// The lanes' factors: their tensor, or a packed copy.
    lane_factors: &'a [f64],
    /// The index of the first lane's factor of the first term.
    first_lane_factor: usize,
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
    /// The product that computes a tensor with `entries` entries. `None` if there are too few products, if the rows are too short, or if neighbouring entries
    /// do not have exactly one factor in common.
    pub fn new(labels: &'a EndLabels, ends: [usize; 2], entries: usize) -> Option<Self> {
        let lane = *labels.free.last()?;
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
    pub fn has_row_factors_from(&self, end: usize) -> bool {
        self.ends[0] == end
    }

    /// Computes the sums. `factors` are the tensors of the row's factors and of the lanes' factors, in the order of `ends`.
    pub fn compute(&self, factors: [&[f64]; 2], sums: &mut [f64], init: Init) {
        let count = self.lane.size;
        let taps = self.taps();
        let stride = self.lane.strides[self.ends[1]];
        // overlapping registers compute some sums twice, which is right only if all their terms are added at once
        let lanes = Lanes::new(count, if taps.len() <= MAX_TERMS { init } else { Init::Accumulate });
        let is_packed = stride != 1 || lanes.width > count;
        // the offsets of each term's factors after packing: up to `MAX_TERMS` terms are packed at once, `lanes.width` apart
        let packed_taps: Vec<(usize, usize)> = if is_packed {
            taps.iter().enumerate().map(|(n, (row_offset, _))| (*row_offset, n % MAX_TERMS * lanes.width)).collect()
        } else {
            Vec::new()
        };
        chunks(sums, count, taps.len() as u64, |first_entry, sums| {
            let first_row = first_entry / count;
            let mut rows: Vec<ProductRow> = (first_row..first_row + sums.len() / count).map(|index| self.row(index)).collect();
            // rows with the same lanes' factors are computed together
            if !rows.is_sorted_by_key(|row| row.first_lane_factor) {
                rows.sort_by_key(|row| row.first_lane_factor);
            }
            let mut packed = Scratch::new(if is_packed { taps.len().min(MAX_TERMS) * lanes.width } else { 0 });
            for rows in rows.chunk_by(|a, b| a.first_lane_factor == b.first_lane_factor) {
                for begin in (0..taps.len()).step_by(MAX_TERMS) {
                    let init = if begin == 0 { init } else { Init::Accumulate };
                    let range = begin..taps.len().min(begin + MAX_TERMS);
                    let sums = (first_row, &mut *sums);
                    if is_packed {
                        pack(factors[1], (rows[0].first_lane_factor, stride), &lanes, &taps[range.clone()], &mut packed);
                        let factors = GroupFactors {
                            row_factors: factors[0],
                            lane_factors: &packed,
                            first_lane_factor: 0,
                            taps: &packed_taps[range],
                        };
                        add_group(&factors, &lanes, rows, sums, init);
                    } else {
                        let factors = GroupFactors {
                            row_factors: factors[0],
                            lane_factors: factors[1],
                            first_lane_factor: rows[0].first_lane_factor,
                            taps: &taps[range],
                        };
                        add_group(&factors, &lanes, rows, sums, init);
                    }
                }
            }
        });
    }

    /// For each term, the offsets of the row's factor and of the lanes' factors from those of the first term.
    fn taps(&self) -> Vec<(usize, usize)> {
        let [row_end, lane_end] = self.ends;
        let mut taps = vec![(0, 0)];
        for label in &self.labels.summed {
            let step = |n: usize| (label.strides[row_end] * n, label.strides[lane_end] * n);
            taps = taps.into_iter().flat_map(|(a, b)| (0..label.size).map(step).map(move |(i, j)| (a + i, b + j))).collect();
        }
        taps
    }

    /// The row of the computed tensor with this index.
    fn row(&self, index: usize) -> ProductRow {
        let [row_end, lane_end] = self.ends;
        let outer = &self.labels.free[..self.labels.free.len() - 1];
        let (mut outer_index, mut row) = (index, ProductRow { first_lane_factor: 0, row_factor: 0, index });
        for label in outer.iter().rev() {
            let value = outer_index % label.size;
            outer_index /= label.size;
            row.first_lane_factor += value * label.strides[lane_end];
            row.row_factor += value * label.strides[row_end];
        }
        row
    }
}

/// Adds the terms of some taps to the rows of a group. `sums` has the index of a row, and the sums from this row on.
fn add_group(factors: &GroupFactors<'_>, lanes: &Lanes, group: &[ProductRow], sums: (usize, &mut [f64]), init: Init) {
    let &GroupFactors { row_factors, lane_factors, first_lane_factor, taps } = factors;
    let (first_row, sums) = sums;
    let lane_firsts: SmallVec<[usize; 16]> = lanes.firsts.iter().map(|lane| first_lane_factor + lane).collect();
    // the rows of a group are in ascending order
    let (mut all_rows, mut next_row) = (sums.chunks_exact_mut(lanes.count), first_row);
    for rows in group.chunks(MAX_ROWS) {
        let firsts: SmallVec<[usize; MAX_ROWS]> = rows.iter().map(|row| row.row_factor).collect();
        let products = Products {
            rows: FactorSource { numbers: row_factors, firsts: &firsts },
            lanes: FactorSource { numbers: lane_factors, firsts: &lane_firsts },
            taps,
            chunk_len: taps.len(),
            used_taps: 0..taps.len(),
        };
        let row_sums = rows.iter().map(|row| {
            let skipped = row.index - next_row;
            next_row = row.index + 1;
            all_rows.nth(skipped).expect("the sums of each row")
        });
        let mut row_sums: SmallVec<[&mut [f64]; MAX_ROWS]> = row_sums.collect();
        if lanes.width == lanes.count {
            add_to_rows(&products, &mut row_sums, &lanes.firsts, init);
            continue;
        }
        let mut wide = Scratch::new(rows.len() * lanes.width);
        for (row, wide) in row_sums.iter().zip(wide.chunks_exact_mut(lanes.width)) {
            let (wide, unused) = wide.split_at_mut(lanes.count);
            wide.copy_from_slice(row);
            unused.fill(0.0);
        }
        add(&products, &mut wide, init);
        for (row, wide) in row_sums.iter_mut().zip(wide.chunks_exact(lanes.width)) {
            row.copy_from_slice(&wide[..lanes.count]);
        }
    }
}

/// The registers of a row of sums.
struct Lanes {
    /// The number of sums of a row.
    count: usize,
    /// The number of lanes for the sums of a row: `count`, or more if the last register has lanes without a sum.
    width: usize,
    /// The sum at which each register begins.
    firsts: SmallVec<[usize; 16]>,
}

impl Lanes {
    /// The registers of rows with `count` sums. If the sums are overwritten, the last register may end with the row: of 27 sums, the fourth register has the
    /// sums 19 to 26, of which the third one has 19 to 23 too.
    fn new(count: usize, init: Init) -> Self {
        let may_overlap = init == Init::Overwrite && count >= LANES;
        let width = if may_overlap { count } else { count.next_multiple_of(LANES) };
        Self { count, width, firsts: (0..width).step_by(LANES).map(|first| first.min(width - LANES)).collect() }
    }
}

/// Copies the lanes' factors of each term next to each other. The lanes after the last factor are 0.
fn pack(numbers: &[f64], (first, stride): (usize, usize), lanes: &Lanes, taps: &[(usize, usize)], packed: &mut [f64]) {
    let &Lanes { count, width, .. } = lanes;
    let are_neighbours = taps.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1);
    if stride >= taps.len() && are_neighbours {
        // the factors of a lane are neighbours, and those of the next lane follow after them: the rows of a matrix become its columns
        let read_len = (count - 1) * stride + taps.len();
        transpose_matrix(&numbers[first + taps[0].1..][..read_len], stride, &mut packed[..taps.len() * width], width);
        return;
    }
    for ((_, lane_offset), packed) in taps.iter().zip(packed.chunks_exact_mut(width)) {
        let (factors, unused) = packed.split_at_mut(count);
        if stride == 1 {
            factors.copy_from_slice(&numbers[first + lane_offset..][..count]);
        } else {
            for (factor, number) in factors.iter_mut().zip(numbers[first + lane_offset..].iter().step_by(stride)) {
                *factor = *number;
            }
        }
        unused.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss)] // small whole numbers

    use crate::op::contraction::{Contraction, Subscripts};
    use crate::op::edges::{Edges, View, Weighted};

    /// Compares the three views of a product with plain sums, overwritten and added to earlier numbers.
    fn check(text: &str, [b, i, k, j]: [usize; 4]) {
        let size = |label| match label {
            'b' => b,
            'i' => i,
            'k' => k,
            _ => j,
        };
        let contraction: Contraction = Subscripts::parse(text).expect("labels").contraction(size).expect("few loops");
        let number = |n: usize| ((n * 7919 + 13) % 1009) as f64 / 77.0 - 6.5;
        let numbers = |seed: usize, count: usize| (seed..seed + count).map(number).collect::<Vec<_>>();
        let batch = if text.contains('b') { b } else { 1 };
        let [weight, input, output] = [numbers(1, batch * i * k), numbers(2, batch * k * j), numbers(3, batch * i * j)];
        let views =
            [(View::Output, &weight, &input, &output), (View::Weight, &input, &output, &weight), (View::Input, &weight, &output, &input)];
        for (view, left, right, before) in views {
            let plain = |entry: usize, start: f64| {
                let terms = contraction.prefix_terms(view, entry + 1) - contraction.prefix_terms(view, entry);
                contraction.add_terms(view, left, right, entry, usize::try_from(terms).expect("few terms"), start).to_bits()
            };
            let bits = |sums: Vec<f64>| sums.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            let (mut accumulated, mut overwritten) = (before.clone(), before.clone());
            contraction.accumulate(view, left, right, &mut accumulated);
            contraction.overwrite(view, left, right, &mut overwritten);
            let expected: Vec<u64> = (0..before.len()).map(|entry| plain(entry, before[entry])).collect();
            assert_eq!(bits(accumulated), expected, "{view:?} of {text}, {b} {i} {k} {j}");
            let expected: Vec<u64> = (0..before.len()).map(|entry| plain(entry, -0.0)).collect();
            assert_eq!(bits(overwritten), expected, "{view:?} of {text}, {b} {i} {k} {j}");
        }
    }

    #[test]
    fn products_match_plain_sums_for_rows_of_every_length() {
        for j in 3..40 {
            check("ik,kj->ij", [1, 9, 11, j]);
            check("bik,bkj->bij", [3, 5, 9, j]);
        }
    }

    #[test]
    fn products_with_many_rows_and_terms_match_plain_sums() {
        // more than `MAX_ROWS` rows or `MAX_TERMS` terms in at least one of the three views
        check("ik,kj->ij", [1, 70, 300, 27]);
        check("ik,kj->ij", [1, 27, 30, 300]);
        check("bik,bkj->bij", [2, 66, 257, 12]);
    }
}
