//! Sums that run side by side in vector registers: one entry in each lane, so that every entry adds in its own order, and nothing is fused.
//! The bits are those of the plain loops, whatever registers there are.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

/// Lanes come so many together, as many as the widest register has that there is.
pub const LANES: usize = 8;

/// Sums of products: row r and lane n add `rows.numbers[rows.firsts[r] + i] · lanes.numbers[first of n + j]` for every tap (i, j), in order.
#[derive(Debug)]
pub struct Products<'a> {
    /// One factor for a whole row.
    pub rows: Side<'a>,
    /// One factor for each lane. Its `firsts` say where every [`LANES`] of them lie, side by side.
    pub lanes: Side<'a>,
    /// How far each tap goes on both sides.
    pub taps: &'a [(usize, usize)],
    /// They come in chunks of so many,
    pub chunk: usize,
    /// of which these are taken.
    pub part: Range<usize>,
}

/// Where factors lie.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// All numbers.
    pub numbers: &'a [f64],
    /// Where tap (0, 0) finds its own.
    pub firsts: &'a [usize],
}

/// Where sums were init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Where they go on.
    Accumulate,
    /// Overwrite: what stands there has no meaning.
    Overwrite,
}

impl Init {
    /// What a sum was before: −0 is the only start that leaves every first term as it is.
    #[must_use]
    #[inline(always)]
    pub fn before(self, sum: f64) -> f64 {
        if self == Self::Accumulate { sum } else { -0.0 }
    }
}

/// Sums in registers.
type Tile<S, const R: usize, const V: usize> = [[<S as Simd>::f64s; V]; R];

/// Adds the products to rows of sums, each as long as all lanes.
pub fn add(products: &Products<'_>, sums: &mut [f64], init: Init) {
    Arch::new().dispatch(Cover { products, sums, init });
}

/// Adds one term to each sum.
pub fn put(sums: &mut [f64], terms: impl Iterator<Item = f64>, init: Init) {
    let sums = sums.iter_mut().zip(terms);
    Arch::new().dispatch(move || match init {
        Init::Accumulate => sums.for_each(|(sum, term)| *sum += term),
        Init::Overwrite => sums.for_each(|(sum, term)| *sum = term),
    });
}

/// Whether no sum is 0 or not finite.
#[must_use]
pub fn plain(sums: &[f64]) -> bool {
    // without a branch, and as wide as the sums, so that it is done in registers
    let odd = |odd, sum: &f64| odd | u64::from(*sum == 0.0) | u64::from(!sum.is_finite());
    Arch::new().dispatch(move || sums.iter().fold(0, odd)) == 0
}

struct Cover<'a> {
    products: &'a Products<'a>,
    sums: &'a mut [f64],
    init: Init,
}

impl WithSimd for Cover<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let firsts = self.products.rows.firsts;
        let mut row = 0;
        while row < firsts.len() {
            row += match &firsts[row..] {
                // three and three rather than four and two, of which a sum would wait for itself
                [a, b, c] | [a, b, c, _, _] | [a, b, c, _, _, _] => self.rows(simd, row, [*a, *b, *c]),
                [a, b, c, d, ..] => self.rows(simd, row, [*a, *b, *c, *d]),
                [a, b, ..] => self.rows(simd, row, [*a, *b]),
                [a, ..] => self.rows(simd, row, [*a]),
                [] => break,
            };
        }
    }
}

impl Cover<'_> {
    /// Some rows, from `row` on, which share one load of the lanes' factors; how many they are.
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, simd: S, row: usize, rows: [usize; R]) -> usize {
        // the tile, its lanes, a factor and a product must fit into the registers
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
            // two of a size rather than a large one and a small one, in which sums wait for themselves
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

    /// All taps for `V` registers of the rows, from register `at` on.
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
    /// Adds the products of rows that begin there, and of registers that begin there.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(&self, simd: S, rows: [usize; R], lanes: [usize; V], sums: &mut Tile<S, R, V>) {
        let (rows, lanes) = (even(self.rows.numbers, rows), even(self.lanes.numbers, lanes));
        let mut tile = *sums;
        let mut rest = self.taps;
        while let Some((taps, after)) = rest.split_at_checked(self.chunk) {
            for (i, j) in &taps[self.part.clone()] {
                // no `map`: of a large array it is a call, and its registers go through memory
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

/// What begins at each place, equally long, so that one look at the length does for all.
#[inline(always)]
fn even<const N: usize>(numbers: &[f64], firsts: [usize; N]) -> [&[f64]; N] {
    let len = numbers.len() - firsts.iter().fold(0, |last, first| last.max(*first));
    let mut slices = [numbers; N];
    for (slice, first) in slices.iter_mut().zip(firsts) {
        *slice = &numbers[first..][..len];
    }
    slices
}
