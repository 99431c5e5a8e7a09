//! Sums that run side by side in vector registers: one entry in each lane, so that every entry adds in its own order, and nothing is fused.
//! The bits are those of the plain loops, whatever registers there are.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

use pulp::{Arch, Simd, WithSimd};

/// Rows of sums are stretched to a multiple of so many: the lanes of the widest register that there is.
pub const LANES: usize = 8;

/// How `count` rows of sums are taken: 4, 2 or 1 at a time share one load of the lanes' factors.
pub fn heights(count: usize) -> impl Iterator<Item = usize> {
    std::iter::repeat_n(4, count / 4).chain([2, 1].into_iter().filter(move |height| count & height != 0))
}

/// For each row r and each lane n, adds `rows[k][r] · lanes[starts[k] + n]` for every tap k, in order.
#[derive(Debug)]
pub struct Slide<'a> {
    /// For each tap the factor of every row.
    pub rows: &'a [f64],
    /// The lanes' factors: from every start on as many as a row of sums has, stretched.
    pub lanes: &'a [f64],
    /// For each tap the place of lane 0.
    pub starts: &'a [usize],
}

/// Sums in registers.
type Tile<S, const R: usize, const V: usize> = [[<S as Simd>::f64s; V]; R];

/// Adds the taps to rows of sums: 1, 2 or 4, each of `count`, stretched to a multiple of [`LANES`]; what the rest of it holds has no meaning.
pub fn add(taps: &Slide<'_>, sums: &mut [f64], count: usize) {
    Arch::new().dispatch(Cover { taps, sums, count });
}

struct Cover<'a> {
    taps: &'a Slide<'a>,
    sums: &'a mut [f64],
    count: usize,
}

impl WithSimd for Cover<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match self.sums.len() / self.count.next_multiple_of(LANES) {
            4 => self.rows::<S, 4>(simd),
            2 => self.rows::<S, 2>(simd),
            _ => self.rows::<S, 1>(simd),
        }
    }
}

impl Cover<'_> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(&mut self, simd: S) {
        // the tile, its lanes, a factor and a product must fit into the registers
        let most = if S::REGISTER_COUNT < 32 { 2 } else { 4 };
        let mut at = 0;
        while at < self.count {
            let left = (self.count - at).div_ceil(S::F64_LANES).min(most);
            match left {
                4 => self.tile::<S, R, 4>(simd, at),
                3 => self.tile::<S, R, 3>(simd, at),
                2 => self.tile::<S, R, 2>(simd, at),
                _ => self.tile::<S, R, 1>(simd, at),
            }
            at += left * S::F64_LANES;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, at: usize) {
        let stride = self.count.next_multiple_of(LANES);
        let mut tile: Tile<S, R, V> = [[simd.splat_f64s(0.0); V]; R];
        for (tile, row) in tile.iter_mut().zip(self.sums.chunks_exact(stride)) {
            *tile = load::<S, V>(row, at);
        }
        self.taps.add(simd, at, &mut tile);
        for (tile, row) in tile.iter().zip(self.sums.chunks_exact_mut(stride)) {
            S::as_mut_simd_f64s(&mut row[at..][..V * S::F64_LANES]).0.copy_from_slice(tile);
        }
    }
}

#[inline(always)]
fn load<S: Simd, const V: usize>(from: &[f64], at: usize) -> [S::f64s; V] {
    let (registers, _) = S::as_simd_f64s(&from[at..][..V * S::F64_LANES]);
    registers.try_into().expect("V registers")
}

#[inline(always)]
fn step<S: Simd, const R: usize, const V: usize>(simd: S, tile: &mut Tile<S, R, V>, rows: [&f64; R], lanes: &[S::f64s; V]) {
    for (sums, factor) in tile.iter_mut().zip(rows) {
        let factor = simd.splat_f64s(*factor);
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            *sum = simd.add_f64s(*sum, simd.mul_f64s(factor, *lane));
        }
    }
}

impl Slide<'_> {
    /// Adds all taps to the sums of the lanes from `at` on.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(&self, simd: S, at: usize, sums: &mut Tile<S, R, V>) {
        let mut tile = *sums;
        for (rows, start) in self.rows.as_chunks::<R>().0.iter().zip(self.starts) {
            step(simd, &mut tile, rows.each_ref(), &load::<S, V>(self.lanes, start + at));
        }
        *sums = tile;
    }
}
