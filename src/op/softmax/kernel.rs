//! The kernels of softmax and log-softmax. Exponentials are computed for several slices at once, in vector registers ([`elementary`]); all sums are added in
//! their order.

// the compiler uses wide registers only in code that is inlined into `with_simd`
#![allow(clippy::inline_always)]

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{Slice, Slices, SoftmaxNormaliser, SoftmaxVariant};
use crate::elementary;
use crate::scratch::Scratch;
use crate::sums::{Init, put};

/// The number of entries whose exponentials are computed at once, unless a slice is longer.
const MAX_EXPONENTIALS: usize = 1024;

/// The groups of neighbouring slices whose exponentials are computed at once, each as the range of its slices. `count` is the number of slices, of n entries
/// each.
fn groups(count: usize, n: usize) -> impl Iterator<Item = Range<usize>> {
    let slices_at_once = (MAX_EXPONENTIALS / n.max(1)).max(1);
    (0..count).step_by(slices_at_once).map(move |first| first..count.min(first + slices_at_once))
}

/// Computes exp(z − m) of the entries of neighbouring slices, slice after slice, in `memory`. `normalisers` has the largest entry m of each, and `first` is the
/// number of the first of these slices.
fn exponentials<'m>(slices: Slices, z: &[f64], first: usize, normalisers: &[SoftmaxNormaliser], memory: &'m mut Scratch) -> &'m mut [f64] {
    let n = slices.length_and_step(z.len()).0;
    memory.take(normalisers.len() * n);
    for ((number, SoftmaxNormaliser { largest, .. }), exponentials) in (first..).zip(normalisers).zip(memory.chunks_exact_mut(n)) {
        put(exponentials, slices.get(number, z.len()).values(z).iter().map(|z| z - largest), Init::Overwrite);
    }
    elementary::exp(memory);
    memory
}

/// Folds each row of `n` numbers, and calls `visit` with the results in order. Each step of a fold waits for the previous one, so several rows are folded at
/// once.
fn fold_rows(rows: &[f64], n: usize, start: f64, fold: impl Fn(f64, f64) -> f64, mut visit: impl FnMut(f64)) {
    const ROWS: usize = 8;
    let groups = rows.chunks_exact(ROWS * n);
    let last_rows = groups.remainder();
    for group in groups {
        let rows: [&[f64]; ROWS] = std::array::from_fn(|row| &group[row * n..][..n]);
        let mut results = [start; ROWS];
        for at in 0..n {
            for (result, row) in results.iter_mut().zip(rows) {
                *result = fold(*result, row[at]);
            }
        }
        results.into_iter().for_each(&mut visit);
    }
    last_rows.chunks_exact(n).for_each(|row| visit(row.iter().copied().fold(start, &fold)));
}

/// Returns the normalisers of all slices, in order.
pub(super) fn normalisers(variant: &SoftmaxVariant, slices: Slices, z: &[f64]) -> Vec<SoftmaxNormaliser> {
    let (n, step) = slices.length_and_step(z.len());
    let count = z.len() / n.max(1);
    let mut all = Vec::with_capacity(count);
    if n == 0 {
        return all;
    }
    let mut add_largest = |largest| all.push(SoftmaxNormaliser { largest, sum: 0.0 });
    if step == 1 {
        fold_rows(z, n, f64::NEG_INFINITY, f64::max, add_largest);
    } else {
        let largest = |slice: Slice| slice.values(z).iter().copied().fold(f64::NEG_INFINITY, f64::max);
        slices.all(z.len()).for_each(|slice| add_largest(largest(slice)));
    }
    let mut memory = Scratch::default();
    for group in groups(count, n) {
        let (first, group) = (group.start, &mut all[group]);
        let exponentials = exponentials(slices, z, first, group, &mut memory);
        if !variant.has_factor_a {
            // the sum of log-softmax lacks the exponential of the largest entry, so it is set to 0
            for ((number, SoftmaxNormaliser { largest, .. }), exponentials) in (first..).zip(&*group).zip(exponentials.chunks_exact_mut(n))
            {
                let skipped = slices.get(number, z.len()).values(z).iter().position(|z| z == largest);
                if let Some(skipped) = skipped {
                    exponentials[skipped] = 0.0;
                }
            }
        }
        let mut group = group.iter_mut();
        let set_sum = |sum| {
            if let Some(normaliser) = group.next() {
                normaliser.sum = (variant.normaliser_sum)(sum);
            }
        };
        // no exponential is negative, so neither the start 0 nor an exponential that was set to 0 changes a bit of the sum
        fold_rows(exponentials, n, 0.0, |sum, exponential| sum + exponential, set_sum);
    }
    all
}

/// Adds the softmax of each entry to `out`.
pub(super) fn add_softmax(slices: Slices, z: &[f64], normalisers: &[SoftmaxNormaliser], out: &mut [f64]) {
    let (n, step) = slices.length_and_step(z.len());
    let mut memory = Scratch::default();
    for group in groups(normalisers.len(), n) {
        let (first, normalisers) = (group.start, &normalisers[group]);
        let exponentials = exponentials(slices, z, first, normalisers, &mut memory);
        for ((number, SoftmaxNormaliser { sum, .. }), exponentials) in (first..).zip(normalisers).zip(exponentials.chunks_exact(n)) {
            let slice = slices.get(number, z.len());
            if step == 1 {
                put(&mut out[slice.first..][..n], exponentials.iter().map(|exponential| exponential / sum), Init::Accumulate);
            } else {
                slice.places().each().zip(exponentials).for_each(|(at, exponential)| out[at] += exponential / sum);
            }
        }
    }
}

/// Adds the log-softmax of each entry to `out`.
pub(super) fn add_log_softmax(slices: Slices, z: &[f64], normalisers: &[SoftmaxNormaliser], out: &mut [f64]) {
    for (slice, SoftmaxNormaliser { largest, sum }) in slices.all(z.len()).zip(normalisers) {
        if slice.step == 1 {
            let range = slice.first..slice.first + slice.n;
            put(&mut out[range.clone()], z[range].iter().map(|z| (z - largest) - sum), Init::Accumulate);
        } else {
            slice.places().each().for_each(|at| out[at] += (z[at] - largest) - sum);
        }
    }
}

/// Adds all terms of ∂C/∂z to `out`: term j of entry i of a slice is daⱼ aⱼ ([i=j] − pᵢ), without the factor aⱼ for log-softmax. `da` is ∂C/∂a, and p are the
/// probabilities.
pub(super) fn add_gradient(variant: &SoftmaxVariant, slices: Slices, a: &[f64], da: &[f64], out: &mut [f64]) {
    let mut exponentials;
    let p = if variant.has_factor_a {
        a
    } else {
        exponentials = Scratch::new(a.len());
        exponentials.copy_from_slice(a);
        elementary::exp(&mut exponentials);
        &exponentials
    };
    let (n, step) = slices.length_and_step(a.len());
    let mut factors = Scratch::new(a.len());
    if variant.has_factor_a {
        put(&mut factors, da.iter().zip(a).map(|(da, a)| da * a), Init::Overwrite);
    } else {
        factors.copy_from_slice(da);
    }
    if step == 1 {
        return Arch::new().dispatch(Gradients { n, factors: &factors, p, sums: out });
    }
    for slice in slices.all(out.len()) {
        let (factors, p, mut sums) = (slice.values(&factors), slice.values(p), slice.values(out).into_owned());
        Arch::new().dispatch(Gradients { n, factors: &factors, p: &p, sums: &mut sums });
        for (at, sum) in slice.places().each().zip(sums) {
            out[at] = sum;
        }
    }
}

/// The number of sums that are kept in registers: for slices of up to 16 entries, and for longer ones.
const TILES: [usize; 2] = [16, 32];

/// The gradients of slices of n neighbouring entries: `sums[i] += factors[j] · ([i=j] − p[i])` for each j of the slice in order.
struct Gradients<'a> {
    n: usize,
    factors: &'a [f64],
    p: &'a [f64],
    sums: &'a mut [f64],
}

impl WithSimd for Gradients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { n, factors, p, sums } = self;
        for ((factors, p), sums) in factors.chunks(n.max(1)).zip(p.chunks(n.max(1))).zip(sums.chunks_mut(n.max(1))) {
            if n <= TILES[0] {
                add_gradient_of_slice::<{ TILES[0] }>(factors, p, sums);
            } else {
                add_gradient_of_slice::<{ TILES[1] }>(factors, p, sums);
            }
        }
    }
}

/// Adds the terms of one slice, for `TILE` sums i at a time: first the terms j before these, then the terms j among them, of which one has j = i, then the
/// terms j after them.
#[inline(always)]
fn add_gradient_of_slice<const TILE: usize>(factors: &[f64], p: &[f64], sums: &mut [f64]) {
    for (first, (sums, p)) in (0..).step_by(TILE).zip(sums.chunks_mut(TILE).zip(p.chunks(TILE))) {
        // 0 − p as in the term: −p would have other bits for p = 0
        let (mut zero_minus_p, mut tile) = ([0.0; TILE], [0.0; TILE]);
        zero_minus_p.iter_mut().zip(p).for_each(|(zero_minus_p, p)| *zero_minus_p = 0.0 - p);
        tile[..sums.len()].copy_from_slice(sums);
        let end = (first + TILE).min(factors.len());
        for factor in &factors[..first] {
            add_scaled(*factor, &zero_minus_p, &mut tile);
        }
        for (row, factor) in factors[first..end].iter().enumerate() {
            // (0 − p) + 1 has the bits of 1 − p, and (0 − p) + 0 those of 0 − p
            let deltas = &DELTAS[TILES[1] - row..][..TILE];
            for ((sum, number), delta) in tile.iter_mut().zip(&zero_minus_p).zip(deltas) {
                *sum += factor * (number + delta);
            }
        }
        for factor in &factors[end..] {
            add_scaled(*factor, &zero_minus_p, &mut tile);
        }
        sums.copy_from_slice(&tile[..sums.len()]);
    }
}

/// A 1 between zeros. From index `TILES[1]` − i on it is row i of the identity matrix: \[i=j\] for each j.
const DELTAS: [f64; 2 * TILES[1]] = {
    let mut deltas = [0.0; 2 * TILES[1]];
    deltas[TILES[1]] = 1.0;
    deltas
};

/// Adds the products of a factor to the sums.
#[inline(always)]
fn add_scaled<const TILE: usize>(factor: f64, numbers: &[f64; TILE], sums: &mut [f64; TILE]) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum += factor * number;
    }
}
