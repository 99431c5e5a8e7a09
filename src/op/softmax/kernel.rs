//! The kernels of softmax and log-softmax. Exponentials are computed for several slices at once, in vector registers ([`elementary`]); all sums are added in
//! their order.

// the compiler uses wide registers only in code that is inlined into `with_simd`
#![allow(clippy::inline_always)]

use pulp::{Arch, Simd, WithSimd};

use super::{Slice, Slices, SoftmaxNormaliser, SoftmaxVariant};
use crate::elementary;
use crate::scratch::Scratch;

/// The number of entries whose exponentials are computed at once, unless a slice is longer.
const MAX_EXPONENTIALS: usize = 1024;

/// Calls `visit` with each slice and with exp(z − m) of the slice's entries. `largest` returns the m of a slice.
fn for_each_exponentials(slices: Slices, z: &[f64], largest: impl Fn(Slice) -> f64, mut visit: impl FnMut(Slice, f64, &[f64])) {
    let n = slices.length_and_step(z.len()).0;
    let slices_at_once = (MAX_EXPONENTIALS / n.max(1)).max(1);
    let mut all = slices.all(z.len()).peekable();
    let mut exponentials = Scratch::new(n * slices_at_once.min(z.len() / n.max(1)));
    let mut group: Vec<(Slice, f64)> = Vec::with_capacity(slices_at_once);
    while all.peek().is_some() {
        group.clear();
        group.extend(all.by_ref().take(slices_at_once).map(|slice| (slice, largest(slice))));
        let exponentials = &mut exponentials[..group.len() * n];
        for ((slice, largest), exponentials) in group.iter().zip(exponentials.chunks_exact_mut(n)) {
            exponentials.iter_mut().zip(slice.values(z).iter()).for_each(|(exponential, z)| *exponential = z - largest);
        }
        elementary::exp(exponentials);
        for ((slice, largest), exponentials) in group.iter().zip(exponentials.chunks_exact(n)) {
            visit(*slice, *largest, exponentials);
        }
    }
}

/// Returns the normalisers of all slices, in order.
pub(super) fn normalisers(variant: &SoftmaxVariant, slices: Slices, z: &[f64]) -> Vec<SoftmaxNormaliser> {
    let mut all = Vec::with_capacity(z.len() / slices.length_and_step(z.len()).0.max(1));
    let largest = |slice: Slice| slice.values(z).iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for_each_exponentials(slices, z, largest, |slice, largest, exponentials| {
        all.push(SoftmaxNormaliser { largest, sum: (variant.normaliser)(&slice.values(z), largest, exponentials) });
    });
    all
}

/// Adds the softmax of each entry to `out`.
pub(super) fn add_softmax(slices: Slices, z: &[f64], normalisers: &[SoftmaxNormaliser], out: &mut [f64]) {
    for_each_exponentials(
        slices,
        z,
        |slice| normalisers[slice.number].largest,
        |slice, _, exponentials| {
            let sum = normalisers[slice.number].sum;
            if slice.step == 1 {
                out[slice.first..][..slice.n].iter_mut().zip(exponentials).for_each(|(out, exponential)| *out += exponential / sum);
            } else {
                slice.places().each().zip(exponentials).for_each(|(at, exponential)| out[at] += exponential / sum);
            }
        },
    );
}

/// Adds all terms of ∂C/∂z to `out`: term j of entry i of a slice is daⱼ aⱼ ([i=j] − pᵢ), without the factor aⱼ for log-softmax.
pub(super) fn add_gradient(variant: &SoftmaxVariant, slices: Slices, a: &[f64], da: &[f64], out: &mut [f64]) {
    let mut p = Scratch::new(if variant.has_factor_a { 0 } else { a.len() });
    if !variant.has_factor_a {
        p.copy_from_slice(a);
        elementary::exp(&mut p);
    }
    let p = if variant.has_factor_a { a } else { &p };
    let mut factors = Scratch::new(slices.length_and_step(a.len()).0);
    for slice in slices.all(out.len()) {
        let (a, da, p) = (slice.values(a), slice.values(da), slice.values(p));
        for (factor, (a, da)) in factors.iter_mut().zip(a.iter().zip(da.iter())) {
            *factor = if variant.has_factor_a { da * a } else { *da };
        }
        if slice.step == 1 {
            Arch::new().dispatch(Gradient { factors: &factors, p: &p, sums: &mut out[slice.first..][..slice.n] });
            continue;
        }
        let mut sums = slice.values(out).into_owned();
        Arch::new().dispatch(Gradient { factors: &factors, p: &p, sums: &mut sums });
        for (at, sum) in slice.places().each().zip(sums) {
            out[at] = sum;
        }
    }
}

/// The number of sums that are kept in registers.
const TILE: usize = 16;

/// The gradient of one slice: `sums[i] += factors[j] · ([i=j] − p[i])` for each j in order.
struct Gradient<'a> {
    factors: &'a [f64],
    p: &'a [f64],
    sums: &'a mut [f64],
}

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (first, (sums, p)) in (0..).step_by(TILE).zip(self.sums.chunks_mut(TILE).zip(self.p.chunks(TILE))) {
            // 0 − p and not −p, because for p = 0 the two have different bits
            let (mut of_others, mut of_same, mut tile) = ([0.0; TILE], [0.0; TILE], [0.0; TILE]);
            for (n, p) in p.iter().enumerate() {
                (of_others[n], of_same[n]) = (0.0 - p, 1.0 - p);
            }
            tile[..sums.len()].copy_from_slice(sums);
            let end = (first + TILE).min(self.factors.len());
            for factor in &self.factors[..first] {
                add_scaled(*factor, &of_others, &mut tile);
            }
            for (same, factor) in self.factors[first..end].iter().enumerate() {
                // there is a comparison for each lane, because a single store into the array would delay the loads into the registers
                let of_factor = std::array::from_fn(|n| if n == same { of_same[n] } else { of_others[n] });
                add_scaled(*factor, &of_factor, &mut tile);
            }
            for factor in &self.factors[end..] {
                add_scaled(*factor, &of_others, &mut tile);
            }
            sums.copy_from_slice(&tile[..sums.len()]);
        }
    }
}

/// Adds `factor` times each number to the sums.
#[inline(always)]
fn add_scaled(factor: f64, numbers: &[f64; TILE], sums: &mut [f64; TILE]) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum += factor * number;
    }
}
