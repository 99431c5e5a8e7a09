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
    /// They come in stretches of so many,
    pub stretch: usize,
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

/// Sums in registers.
type Tile<S, const R: usize, const V: usize> = [[<S as Simd>::f64s; V]; R];

/// Adds the products to rows of sums, each as long as all lanes.
pub fn add(products: &Products<'_>, sums: &mut [f64]) {
    Arch::new().dispatch(Cover { products, sums });
}

struct Cover<'a> {
    products: &'a Products<'a>,
    sums: &'a mut [f64],
}

impl WithSimd for Cover<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (blocks, rest) = self.products.rows.firsts.as_chunks::<4>();
        for (n, rows) in blocks.iter().enumerate() {
            self.rows(simd, 4 * n, *rows);
        }
        let (pairs, rest) = rest.as_chunks::<2>();
        let mut row = 4 * blocks.len();
        for rows in pairs {
            self.rows(simd, row, *rows);
            row += 2;
        }
        for first in rest {
            self.rows(simd, row, [*first]);
        }
    }
}

impl Cover<'_> {
    /// Some rows, from `row` on, which share one load of the lanes' factors.
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, simd: S, row: usize, rows: [usize; R]) {
        // the tile, its lanes, a factor and a product must fit into the registers
        let most = if S::REGISTER_COUNT < 32 { 2 } else { 4 };
        let count = self.products.lanes.firsts.len() * (LANES / S::F64_LANES);
        let mut at = 0;
        while at < count {
            let left = (count - at).min(most);
            match left {
                4 => self.tile::<S, R, 4>(simd, row, rows, at),
                3 => self.tile::<S, R, 3>(simd, row, rows, at),
                2 => self.tile::<S, R, 2>(simd, row, rows, at),
                _ => self.tile::<S, R, 1>(simd, row, rows, at),
            }
            at += left;
        }
    }

    /// All taps for `V` registers of the rows, from register `at` on.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, rows: [usize; R], at: usize) {
        let firsts = self.products.lanes.firsts;
        let count = firsts.len() * LANES;
        let mut tile: Tile<S, R, V> = [[simd.splat_f64s(0.0); V]; R];
        let sums = &mut self.sums[row * count..][..R * count];
        for (tile, row) in tile.iter_mut().zip(sums.chunks_exact(count)) {
            *tile = std::array::from_fn(|v| load::<S>(row, (at + v) * S::F64_LANES));
        }
        let lanes = std::array::from_fn(|v| {
            let lane = (at + v) * S::F64_LANES;
            firsts[lane / LANES] + lane % LANES
        });
        self.products.add(simd, rows, lanes, &mut tile);
        for (tile, row) in tile.iter().zip(sums.chunks_exact_mut(count)) {
            S::as_mut_simd_f64s(&mut row[at * S::F64_LANES..][..V * S::F64_LANES]).0.copy_from_slice(tile);
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
        let rows = even(rows.map(|first| &self.rows.numbers[first..]));
        let lanes = even(lanes.map(|first| &self.lanes.numbers[first..]));
        let mut tile = *sums;
        for taps in self.taps.chunks_exact(self.stretch) {
            for (i, j) in &taps[self.part.clone()] {
                let lanes = lanes.map(|lanes| load::<S>(lanes, *j));
                for (sums, row) in tile.iter_mut().zip(rows) {
                    let factor = simd.splat_f64s(row[*i]);
                    for (sum, lane) in sums.iter_mut().zip(&lanes) {
                        *sum = simd.add_f64s(*sum, simd.mul_f64s(factor, *lane));
                    }
                }
            }
        }
        *sums = tile;
    }
}

/// The same, equally long, so that one look at the length does for all.
#[inline(always)]
fn even<const N: usize>(slices: [&[f64]; N]) -> [&[f64]; N] {
    let len = slices.iter().map(|slice| slice.len()).min().unwrap_or(0);
    slices.map(|slice| &slice[..len])
}
