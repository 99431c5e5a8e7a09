//! Sums of products in vector registers, with the same bits as plain loops.
//!
//! Each lane of a register contains the sum of one entry. All entries add their first term, then all add their second term, and so on. So each entry adds its
//! terms in the order of a plain loop. Multiplication and addition stay separate (no fused multiply-add). So the result does not depend on the width of the
//! registers.
//!
//! The sums form a matrix of rows and lanes. Each sum adds one product for each tap. A tap is a pair of offsets (i, j): i in the array of the rows' factors, j
//! in the array of the lanes' factors. For every tap, in order, the sum of row r and lane n grows by one product:
//!
//! ```text
//! sums[r][n] += rows.numbers[rows.firsts[r] + i] · lanes.numbers[lanes.firsts[n / 8] + n % 8 + j]
//! ```
//!
//! In a convolution, r is an output channel and n a pixel of the output; i is the index of a weight, and j the offset in the image of the pixel that this
//! weight multiplies.
//!
//! A tile of several rows and several registers is computed at once. Its rows share the loaded factors of the lanes. Its sums do not depend on each other, so
//! the processor starts the next addition before the last one is finished. The number of registers limits the size of a tile.

#![allow(clippy::inline_always)] // a function that is not inlined into `with_simd` would be compiled without the vector instructions chosen there

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use smallvec::SmallVec;

/// The number of lanes of the widest register. Lanes are in blocks of this size, even if the registers are narrower.
pub const LANES: usize = 8;

/// The products of a matrix of sums. The top of this module has the formula.
#[derive(Debug)]
pub struct Products<'a> {
    /// The left factors: one per row and tap, which all lanes of the row share.
    pub rows: FactorSource<'a>,
    /// The right factors: one per lane and tap, which all rows share. Each of its `firsts` is the index of the first of [`LANES`] consecutive factors.
    pub lanes: FactorSource<'a>,
    /// The offsets (i, j) of each tap.
    pub taps: &'a [(usize, usize)],
    /// The number of taps in a chunk, such as the weights of one input channel. `taps` consists of whole chunks.
    pub chunk_len: usize,
    /// The range of taps that are added. It is the same in each chunk: if `chunk_len` is 3 and this is 1..3, the taps 1, 2, 4, 5, … are added.
    pub used_taps: Range<usize>,
}

/// The factors of all rows, or of all lanes.
#[derive(Clone, Copy, Debug)]
pub struct FactorSource<'a> {
    /// The array that holds the factors.
    pub numbers: &'a [f64],
    /// The index in `numbers` of the factor of tap (0, 0), for each row or for each block of [`LANES`] lanes.
    pub firsts: &'a [usize],
}

/// The initial value of each sum: BLAS's beta, which is 1 or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Adds to the current contents of the output (beta = 1).
    Accumulate,
    /// Replaces the current contents of the output (beta = 0).
    Overwrite,
}

impl Init {
    /// Returns the first number of a sum: its current value `sum`, or −0. A sum that starts with −0 has the bits of its first term x, because −0 + x = x for
    /// every x. With 0, the sign of x = −0 would be lost.
    #[must_use]
    #[inline(always)]
    pub fn start(self, sum: f64) -> f64 {
        if self == Self::Accumulate { sum } else { -0.0 }
    }
}

/// The sums of a tile: R rows of V registers.
type Tile<S, const R: usize, const V: usize> = [[<S as Simd>::f64s; V]; R];

/// Adds the products to `sums`, a matrix in row-major order: `rows.firsts.len()` rows of `lanes.firsts.len() · LANES` lanes.
pub fn add(products: &Products<'_>, sums: &mut [f64], init: Init) {
    let row_len = products.lanes.firsts.len() * LANES;
    // `collect` would fill a list elsewhere and then copy its whole memory here
    let mut places = SmallVec::<[usize; 64]>::new();
    places.extend((0..row_len).step_by(LANES));
    let mut rows = SmallVec::<[&mut [f64]; 64]>::new();
    rows.extend(sums.chunks_exact_mut(row_len.max(1)));
    add_to_rows(products, &mut rows, &places, init);
}

/// Adds the products to sums that are not a matrix. Each row has a slice, and `places` has for each block of [`LANES`] sums its place in this slice. Two blocks
/// may overlap if `init` is [`Init::Overwrite`] and if their common sums have the same products.
pub fn add_to_rows(products: &Products<'_>, rows: &mut [&mut [f64]], places: &[usize], init: Init) {
    Arch::new().dispatch(AddProducts { products, sums: rows, places, init });
}

/// Adds one term to each sum, or replaces each sum by its term.
pub fn put(sums: &mut [f64], terms: impl Iterator<Item = f64>, init: Init) {
    let sums = sums.iter_mut().zip(terms);
    Arch::new().dispatch(move || match init {
        Init::Accumulate => sums.for_each(|(sum, term)| *sum += term),
        Init::Overwrite => sums.for_each(|(sum, term)| *sum = term),
    });
}

/// Sets the sums without terms to 0. `has_terms` is `true` for each sum that has a term.
pub fn clear(sums: &mut [f64], has_terms: &[bool]) {
    Arch::new().dispatch(move || {
        for (sum, has_terms) in sums.iter_mut().zip(has_terms) {
            // the mask is all ones or all zeros; a branch would often be mispredicted in the backward pass of a pool
            *sum = f64::from_bits(sum.to_bits() & u64::from(*has_terms).wrapping_neg());
        }
    });
}

/// Returns whether all sums are finite and not 0.
#[must_use]
pub fn all_finite_and_nonzero(sums: &[f64]) -> bool {
    count(sums, |sum| (sum == 0.0) | !sum.is_finite()) == 0
}

/// Returns whether all numbers are finite.
#[must_use]
pub fn all_finite(numbers: &[f64]) -> bool {
    count(numbers, |number| !number.is_finite()) == 0
}

/// Returns the number of zeros, 0 or −0.
#[must_use]
pub fn count_zeros(numbers: &[f64]) -> usize {
    count(numbers, |number| number == 0.0)
}

/// Returns the number of sums that are −0.
#[must_use]
pub fn count_negative_zeros(sums: &[f64]) -> usize {
    count(sums, |sum| sum.to_bits() == (-0.0_f64).to_bits())
}

/// Replaces `places` by the indices of the numbers that are not 0, in ascending order.
pub fn find_nonzero(numbers: &[f64], places: &mut Vec<usize>) {
    const BITS: usize = 64;
    places.clear();
    for (first, numbers) in (0..).step_by(BITS).zip(numbers.chunks(BITS)) {
        // a bit for each number: there are no branches, so that the compiler uses vector registers
        let set_bit = |bits, (n, number): (u64, &f64)| bits | (u64::from(*number != 0.0) << n);
        let mut bits: u64 = Arch::new().dispatch(move || (0..).zip(numbers).fold(0, set_bit));
        while bits != 0 {
            places.push(first + bits.trailing_zeros() as usize);
            bits &= bits - 1; // clears the lowest bit
        }
    }
}

/// Returns the number of numbers with a property.
fn count(numbers: &[f64], has_property: impl Fn(f64) -> bool) -> usize {
    // there are no branches, and the integers are as wide as the numbers, so that the compiler uses vector registers
    let count = Arch::new().dispatch(move || numbers.iter().fold(0, |count, number| count + u64::from(has_property(*number))));
    usize::try_from(count).expect("at most the number of numbers")
}

/// The arguments of [`add_to_rows`]. `pulp` calls `with_simd` with the widest vector instructions of the processor.
struct AddProducts<'a, 'b> {
    products: &'a Products<'a>,
    sums: &'a mut [&'b mut [f64]],
    places: &'a [usize],
    init: Init,
}

impl WithSimd for AddProducts<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let firsts = self.products.rows.firsts;
        let mut row = 0;
        while row < firsts.len() {
            row += match &firsts[row..] {
                // 5 and 6 rows begin with a tile of 3: after a tile of 4, the last 1 or 2 rows would have too few independent sums
                [a, b, c] | [a, b, c, _, _] | [a, b, c, _, _, _] => self.add_rows(simd, row, [*a, *b, *c]),
                [a, b, c, d, ..] => self.add_rows(simd, row, [*a, *b, *c, *d]),
                [a, b, ..] => self.add_rows(simd, row, [*a, *b]),
                [a, ..] => self.add_rows(simd, row, [*a]),
                [] => break,
            };
        }
    }
}

impl AddProducts<'_, '_> {
    /// Adds the products of R rows from `row` on. They share the loaded factors of the lanes. `firsts` are the `firsts` of these rows. Returns R.
    #[inline(always)]
    fn add_rows<S: Simd, const R: usize>(&mut self, simd: S, row: usize, firsts: [usize; R]) -> usize {
        // the largest used width V of a tile, in registers. A tile needs R · V registers for the sums, V for the factors of the lanes, and two more for a row's
        // factor and a product: with R = 4 and V = 2, this is 12 of 16 registers
        let max_width = match (S::REGISTER_COUNT < 32, R) {
            (true, 4) => 2,
            (true, 3) => 3,
            (true, _) | (_, 4) => 4,
            (_, 3) => 5,
            _ => 8,
        };
        let registers = self.products.lanes.firsts.len() * (LANES / S::F64_LANES);
        let mut register = 0;
        while register < registers {
            let remaining = registers - register;
            // two tiles of equal width are better than a wide and a narrow one, because the narrow one would have too few independent sums
            let is_split_in_two = remaining > max_width && remaining < 2 * max_width;
            let width = if is_split_in_two { remaining.div_ceil(2) } else { remaining.min(max_width) };
            match width {
                8 => self.add_tile::<S, R, 8>(simd, row, firsts, register),
                7 => self.add_tile::<S, R, 7>(simd, row, firsts, register),
                6 => self.add_tile::<S, R, 6>(simd, row, firsts, register),
                5 => self.add_tile::<S, R, 5>(simd, row, firsts, register),
                4 => self.add_tile::<S, R, 4>(simd, row, firsts, register),
                3 => self.add_tile::<S, R, 3>(simd, row, firsts, register),
                2 => self.add_tile::<S, R, 2>(simd, row, firsts, register),
                _ => self.add_tile::<S, R, 1>(simd, row, firsts, register),
            }
            register += width;
        }
        R
    }

    /// Adds all taps to a tile: R rows from `row` on, V registers from `register` on.
    #[inline(always)]
    fn add_tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, row_firsts: [usize; R], register: usize) {
        // for each register, the index of the factor of tap (0, 0) of its first lane, and the place of the sum of its first lane
        let (mut lane_firsts, mut places) = ([0; V], [0; V]);
        for (v, (first, place)) in lane_firsts.iter_mut().zip(&mut places).enumerate() {
            let lane = (register + v) * S::F64_LANES;
            *first = self.products.lanes.firsts[lane / LANES] + lane % LANES;
            *place = self.places[lane / LANES] + lane % LANES;
        }
        let mut tile: Tile<S, R, V> = [[simd.splat_f64s(-0.0); V]; R];
        if self.init == Init::Accumulate {
            for (tile_row, sums) in tile.iter_mut().zip(&self.sums[row..]) {
                for (sum, place) in tile_row.iter_mut().zip(places) {
                    *sum = load::<S>(sums, place);
                }
            }
        }
        self.products.add(simd, row_firsts, lane_firsts, &mut tile);
        for (tile_row, sums) in tile.iter().zip(&mut self.sums[row..]) {
            for (sum, place) in tile_row.iter().zip(places) {
                S::as_mut_simd_f64s(&mut sums[place..][..S::F64_LANES]).0[0] = *sum;
            }
        }
    }
}

/// Loads one register from `from[at..]`.
#[inline(always)]
fn load<S: Simd>(from: &[f64], at: usize) -> S::f64s {
    S::as_simd_f64s(&from[at..][..S::F64_LANES]).0[0]
}

impl Products<'_> {
    /// Adds all products to a tile. `rows` and `lanes` are the indices of the factors of tap (0, 0), of each row and of each register's first lane.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(&self, simd: S, rows: [usize; R], lanes: [usize; V], tile: &mut Tile<S, R, V>) {
        let (rows, lanes) = (equal_slices(self.rows.numbers, rows), equal_slices(self.lanes.numbers, lanes));
        let mut sums = *tile;
        let mut remaining_taps = self.taps;
        while let Some((taps, later_taps)) = remaining_taps.split_at_checked(self.chunk_len) {
            for (i, j) in &taps[self.used_taps.clone()] {
                // this is a loop, because `map` on a large array is not inlined and would pass the registers through memory
                let mut lane_factors = [simd.splat_f64s(0.0); V];
                for (lane_factor, numbers) in lane_factors.iter_mut().zip(&lanes) {
                    *lane_factor = load::<S>(numbers, *j);
                }
                for (row_sums, numbers) in sums.iter_mut().zip(&rows) {
                    let row_factor = simd.splat_f64s(numbers[*i]);
                    for (sum, lane_factor) in row_sums.iter_mut().zip(&lane_factors) {
                        *sum = simd.add_f64s(*sum, simd.mul_f64s(row_factor, *lane_factor));
                    }
                }
            }
            remaining_taps = later_taps;
        }
        *tile = sums;
    }
}

/// Returns slices of `numbers` that begin at `firsts`. All have the same length, so one check of an index is enough for all of them.
#[inline(always)]
fn equal_slices<const N: usize>(numbers: &[f64], firsts: [usize; N]) -> [&[f64]; N] {
    let len = numbers.len() - firsts.iter().fold(0, |largest, first| largest.max(*first));
    let mut slices = [numbers; N];
    for (slice, first) in slices.iter_mut().zip(firsts) {
        *slice = &numbers[first..][..len];
    }
    slices
}
