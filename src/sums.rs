//! Sums of products in vector registers, with the same bits as plain loops.
//!
//! Each lane of a register holds the sum of one entry. All entries add their first term, then all add their second, and so on: each entry adds in its
//! own order, and multiplication and addition stay separate (no fused multiply-add). The result therefore does not depend on the width of the
//! registers.
//!
//! The sums form a matrix. For every tap (i, j), in order, row r and lane n add
//!
//! ```text
//! sums[r][n] += rows.numbers[rows.firsts[r] + i] · lanes.numbers[lanes.firsts[n / 8] + n % 8 + j]
//! ```
//!
//! In a convolution, r is an output channel, n an output place, i the index of a weight and j the offset of that weight in the image. A tile of
//! several rows and registers is computed at once, as large as the number of registers allows: its rows share the loads of the lanes' factors, and
//! its independent sums hide the latency of additions.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// Lanes of the widest register; lanes are always laid out in blocks of this size.
pub const LANES: usize = 8;

/// The products of a matrix of sums, as the formula at the top of this module.
#[derive(Debug)]
pub struct Products<'a> {
    /// The factors that all lanes of a row share.
    pub rows: FactorSource<'a>,
    /// The factors of the lanes; each of its `firsts` is the index of [`LANES`] neighbouring factors.
    pub lanes: FactorSource<'a>,
    /// The offsets (i, j) of each tap.
    pub taps: &'a [(usize, usize)],
    /// The number of taps in a chunk.
    pub chunk: usize,
    /// The taps of each chunk that are added; the others are skipped.
    pub part: Range<usize>,
}

/// A source of factors.
#[derive(Clone, Copy, Debug)]
pub struct FactorSource<'a> {
    /// The array that holds the factors.
    pub numbers: &'a [f64],
    /// The index of the factor of tap (0, 0), for each row or each block of lanes.
    pub firsts: &'a [usize],
}

/// The start of each sum: beta 1 or 0 in the terms of BLAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Adds to the numbers that are there (beta = 1).
    Accumulate,
    /// Replaces the numbers that are there (beta = 0).
    Overwrite,
}

impl Init {
    /// Returns the start of a sum: `sum`, or −0. Only −0 + x has the bits of x for every x; 0 + −0 would be 0.
    #[must_use]
    #[inline(always)]
    pub fn before(self, sum: f64) -> f64 {
        if self == Self::Accumulate { sum } else { -0.0 }
    }
}

/// R rows of V registers of sums.
type Tile<S, const R: usize, const V: usize> = [[<S as Simd>::f64s; V]; R];

/// Adds the products to rows of sums; each row has all lanes.
pub fn add(products: &Products<'_>, sums: &mut [f64], init: Init) {
    Arch::new().dispatch(AddProducts { products, sums, init });
}

/// Adds one term to each sum, or sets the sum to it.
pub fn put(sums: &mut [f64], terms: impl Iterator<Item = f64>, init: Init) {
    let sums = sums.iter_mut().zip(terms);
    Arch::new().dispatch(move || match init {
        Init::Accumulate => sums.for_each(|(sum, term)| *sum += term),
        Init::Overwrite => sums.for_each(|(sum, term)| *sum = term),
    });
}

/// Returns whether all sums are finite and not 0.
#[must_use]
pub fn all_ordinary(sums: &[f64]) -> bool {
    // no branches, and integers as wide as the sums, so that the compiler uses vector registers
    let odd = |odd, sum: &f64| odd | u64::from(*sum == 0.0) | u64::from(!sum.is_finite());
    Arch::new().dispatch(move || sums.iter().fold(0, odd)) == 0
}

/// The arguments of [`add`], for the dispatch to a vector width.
struct AddProducts<'a> {
    products: &'a Products<'a>,
    sums: &'a mut [f64],
    init: Init,
}

impl WithSimd for AddProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let firsts = self.products.rows.firsts;
        let mut row = 0;
        while row < firsts.len() {
            row += match &firsts[row..] {
                // 6 = 3 + 3 rather than 4 + 2: two rows are too few independent sums
                [a, b, c] | [a, b, c, _, _] | [a, b, c, _, _, _] => self.rows(simd, row, [*a, *b, *c]),
                [a, b, c, d, ..] => self.rows(simd, row, [*a, *b, *c, *d]),
                [a, b, ..] => self.rows(simd, row, [*a, *b]),
                [a, ..] => self.rows(simd, row, [*a]),
                [] => break,
            };
        }
    }
}

impl AddProducts<'_> {
    /// Adds the products of R rows from `row` on, which share the loads of the lanes' factors. Returns R.
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, simd: S, row: usize, rows: [usize; R]) -> usize {
        // registers for the sums, the lanes' factors, a row's factor and a product
        let most = match (S::REGISTER_COUNT < 32, R) {
            (true, 4) => 2,
            (true, 3) => 3,
            (true, _) | (_, 4) => 4,
            (_, 3) => 5,
            _ => 8,
        };
        let count = self.products.lanes.firsts.len() * (LANES / S::F64_LANES);
        let mut at = 0;
        while at < count {
            let left = count - at;
            // two tiles of one size rather than a large and a small one, which has too few independent sums
            let now = if left > most && left < 2 * most { left.div_ceil(2) } else { left.min(most) };
            match now {
                8 => self.tile::<S, R, 8>(simd, row, rows, at),
                7 => self.tile::<S, R, 7>(simd, row, rows, at),
                6 => self.tile::<S, R, 6>(simd, row, rows, at),
                5 => self.tile::<S, R, 5>(simd, row, rows, at),
                4 => self.tile::<S, R, 4>(simd, row, rows, at),
                3 => self.tile::<S, R, 3>(simd, row, rows, at),
                2 => self.tile::<S, R, 2>(simd, row, rows, at),
                _ => self.tile::<S, R, 1>(simd, row, rows, at),
            }
            at += now;
        }
        R
    }

    /// Adds all taps to a tile: R rows of V registers, from register `at` on.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, rows: [usize; R], at: usize) {
        let firsts = self.products.lanes.firsts;
        let count = firsts.len() * LANES;
        let part = |r: usize| (row + r) * count + at * S::F64_LANES..(row + r) * count + (at + V) * S::F64_LANES;
        let mut tile: Tile<S, R, V> = [[simd.splat_f64s(-0.0); V]; R];
        if self.init == Init::Accumulate {
            for (r, tile) in tile.iter_mut().enumerate() {
                tile.copy_from_slice(S::as_simd_f64s(&self.sums[part(r)]).0);
            }
        }
        let mut lanes = [0; V];
        for (v, place) in lanes.iter_mut().enumerate() {
            let lane = (at + v) * S::F64_LANES;
            *place = firsts[lane / LANES] + lane % LANES;
        }
        self.products.add(simd, rows, lanes, &mut tile);
        for (r, tile) in tile.iter().enumerate() {
            S::as_mut_simd_f64s(&mut self.sums[part(r)]).0.copy_from_slice(tile);
        }
    }
}

#[inline(always)]
fn load<S: Simd>(from: &[f64], at: usize) -> S::f64s {
    S::as_simd_f64s(&from[at..][..S::F64_LANES]).0[0]
}

impl Products<'_> {
    /// Adds all products to a tile. `rows` and `lanes` are the indices of the factors of tap (0, 0).
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(&self, simd: S, rows: [usize; R], lanes: [usize; V], sums: &mut Tile<S, R, V>) {
        let (rows, lanes) = (equal_slices(self.rows.numbers, rows), equal_slices(self.lanes.numbers, lanes));
        let mut tile = *sums;
        let mut rest = self.taps;
        while let Some((taps, after)) = rest.split_at_checked(self.chunk) {
            for (i, j) in &taps[self.part.clone()] {
                // a loop, as `map` on a large array is not inlined and would pass the registers through memory
                let mut factors = [simd.splat_f64s(0.0); V];
                for (factor, lanes) in factors.iter_mut().zip(&lanes) {
                    *factor = load::<S>(lanes, *j);
                }
                for (sums, row) in tile.iter_mut().zip(&rows) {
                    let factor = simd.splat_f64s(row[*i]);
                    for (sum, lane) in sums.iter_mut().zip(&factors) {
                        *sum = simd.add_f64s(*sum, simd.mul_f64s(factor, *lane));
                    }
                }
            }
            rest = after;
        }
        *sums = tile;
    }
}

/// Returns slices of equal length that begin at `firsts`, so that one bounds check serves all of them.
#[inline(always)]
fn equal_slices<const N: usize>(numbers: &[f64], firsts: [usize; N]) -> [&[f64]; N] {
    let len = numbers.len() - firsts.iter().fold(0, |last, first| last.max(*first));
    let mut slices = [numbers; N];
    for (slice, first) in slices.iter_mut().zip(firsts) {
        *slice = &numbers[first..][..len];
    }
    slices
}
