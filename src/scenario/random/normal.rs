//! Normal random numbers by the Box–Muller transform: √(−2 ln(1 − u)) · cos(2π v) for uniform u and v in [0, 1), 64 numbers at a time.
//!
//! Weights are made before the first frame is drawn; with `libm`'s scalar functions they took half of that time. The `log` and `cos` of this file repeat
//! `libm`'s operations in the same order, restricted to the ranges 2⁻⁵³ ≤ 1 − u ≤ 1 and 0 ≤ 2π v ≤ 2π. They have no branches, so the compiler vectorizes
//! the loop, and the results agree with `libm` to the last bit:
//!
//! - ln x: x = 2ᵏ (1 + f), ln x = k ln 2 + ln(1 + f);
//! - cos x: x = n π/2 + y, and cos x is cos y, −sin y, −cos y or sin y for n = 0, 1, 2, 3.
//!
//! Close to a multiple of π/2 `libm` reduces the argument with more digits; those few numbers are computed by `libm` itself.

#![allow(clippy::inline_always)] // only inlined into the dispatched function is the code compiled for its vector registers
#![allow(clippy::excessive_precision, clippy::unreadable_literal)] // the constants as libm writes them

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};

/// The count of numbers in a block.
pub(super) const BLOCK: usize = 64;

/// Returns the normal numbers of a block of pairs (u, v).
pub(super) fn normals(u: &[f64; BLOCK], v: &[f64; BLOCK]) -> [f64; BLOCK] {
    Arch::new().dispatch(NormalBlock { u, v })
}

struct NormalBlock<'a> {
    u: &'a [f64; BLOCK],
    v: &'a [f64; BLOCK],
}

impl WithSimd for NormalBlock<'_> {
    type Output = [f64; BLOCK];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> [f64; BLOCK] {
        let Self { u, v } = self;
        let mut normals = [0.0; BLOCK];
        let mut odd = 0;
        for n in 0..BLOCK {
            let Cosine { value, near } = cos(2.0 * PI * v[n]);
            normals[n] = (-2.0 * log(1.0 - u[n])).sqrt() * value;
            odd |= u64::from(near);
        }
        if odd != 0 {
            for n in (0..BLOCK).filter(|&n| cos(2.0 * PI * v[n]).near) {
                normals[n] = normal(u[n], v[n]);
            }
        }
        normals
    }
}

/// Returns the normal number of one pair, computed by `libm`.
pub(super) fn normal(u: f64, v: f64) -> f64 {
    (-2.0 * libm::log(1.0 - u)).sqrt() * libm::cos(2.0 * PI * v)
}

/// Returns ln x for 2⁻⁵³ ≤ x ≤ 1: x = 2ᵏ (1 + f) with √½ ≤ 1 + f < √2, and ln(1 + f) is a polynomial in s = f / (2 + f).
#[inline(always)]
fn log(x: f64) -> f64 {
    const LN2: [f64; 2] = [6.93147180369123816490e-01, 1.90821492927058770002e-10];
    const L: [f64; 7] = [
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
    ];
    const ONE: u64 = 0x3ff0_0000 << 32;
    const ROOT_HALF: u64 = 0x3fe6_a09e << 32;
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = x.to_bits() + (ONE - ROOT_HALF);
    // converts the exponent to f64: an integer in the low bits of 2⁵² adds its value; not every processor has an instruction for it
    let k = f64::from_bits(TWO_52.to_bits() | (bits >> 52)) - (TWO_52 + 1023.0);
    let f = f64::from_bits((bits & FRACTION) + ROOT_HALF) - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (L[1] + w * (L[3] + w * L[5]));
    let uneven = z * (L[0] + w * (L[2] + w * (L[4] + w * L[6])));
    let r = uneven + even;
    s * (half_square + r) + k * LN2[1] - half_square + f + k * LN2[0]
}

const TWO_52: f64 = 4_503_599_627_370_496.0;

struct Cosine {
    value: f64,
    /// `true` if the argument is so close to a multiple of π/2 that `value` may differ from `libm`'s.
    near: bool,
}

/// Returns cos x for 0 ≤ x ≤ 2π: x = n π/2 + y, with y as the sum of two floats.
#[inline(always)]
fn cos(x: f64) -> Cosine {
    /// π/2 as the sum of its first 33 bits and the rest.
    const HALF_PI: [f64; 2] = [1.57079632673412561417e+00, 6.07710050650619224932e-11];
    /// π/4, 3π/4, 5π/4 and 7π/4, cut to their upper 32 bits: `libm` compares only these.
    const BETWEEN: [f64; 4] = [
        f64::from_bits(0x3fe9_21fc << 32),
        f64::from_bits(0x4002_d97d << 32),
        f64::from_bits(0x400f_6a7b << 32),
        f64::from_bits(0x4015_fdbd << 32),
    ];
    const NEAR: f64 = 1.0 / 131_072.0;
    let past = BETWEEN.map(|between| if x >= between { 1.0 } else { 0.0 });
    let n = past[0] + past[1] + past[2] + past[3];
    let z = x - n * HALF_PI[0];
    let rest = n * HALF_PI[1];
    let y = z - rest;
    let tail = (z - y) - rest;
    let (sine, cosine) = (sin_near_0(y, tail), cos_near_0(y, tail));
    let value = if n == 1.0 || n == 3.0 { sine } else { cosine };
    Cosine { value: if n == 1.0 || n == 2.0 { -value } else { value }, near: y.abs() < NEAR }
}

/// Returns cos(x + y) for |x| up to about π/4 and a far smaller y.
#[inline(always)]
fn cos_near_0(x: f64, y: f64) -> f64 {
    const C: [f64; 6] = [
        4.16666666666666019037e-02,
        -1.38888888888741095749e-03,
        2.48015872894767294178e-05,
        -2.75573143513906633035e-07,
        2.08757232129817482790e-09,
        -1.13596475577881948265e-11,
    ];
    let z = x * x;
    let w = z * z;
    let r = z * (C[0] + z * (C[1] + z * C[2])) + w * w * (C[3] + z * (C[4] + z * C[5]));
    let half = 0.5 * z;
    let w = 1.0 - half;
    w + (((1.0 - w) - half) + (z * r - x * y))
}

/// Returns sin(x + y) for the same arguments.
#[inline(always)]
fn sin_near_0(x: f64, y: f64) -> f64 {
    const S: [f64; 6] = [
        -1.66666666666666324348e-01,
        8.33333333332248946124e-03,
        -1.98412698298579493134e-04,
        2.75573137070700676789e-06,
        -2.50507602534068634195e-08,
        1.58969099521155010221e-10,
    ];
    let z = x * x;
    let w = z * z;
    let r = S[1] + z * (S[2] + z * S[3]) + z * w * (S[4] + z * S[5]);
    let v = z * x;
    x - ((z * (0.5 * y - v * r) - y) - v * S[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(pairs: impl Iterator<Item = (f64, f64)>) {
        let pairs: Vec<(f64, f64)> = pairs.collect();
        for block in pairs.chunks(BLOCK) {
            let side = |take: fn(&(f64, f64)) -> f64| std::array::from_fn(|n| block.get(n).map_or(0.5, take));
            let (u, v) = (side(|pair| pair.0), side(|pair| pair.1));
            for (n, is) in normals(&u, &v).into_iter().enumerate() {
                let right = normal(u[n], v[n]);
                assert_eq!(is.to_bits(), right.to_bits(), "u {:e}, v {:e}: {is:e} is not {right:e}", u[n], v[n]);
            }
        }
    }

    /// The distance between neighbouring uniform numbers of the generator, 2⁻⁵³.
    const STEP: f64 = 1.0 / 9_007_199_254_740_992.0;

    #[test]
    fn the_bits_are_those_of_libm() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            #[allow(clippy::cast_precision_loss)] // 53 bits
            let number = (state >> 11) as f64 * STEP;
            number
        };
        agree((0..400_000).map(|_| (next(), next())));
        // numbers near 0 and near 1, of every size
        agree((0..100_000).map(|n| {
            let (u, v) = (next() * 0.5_f64.powi(n % 53), next() * 0.5_f64.powi(n / 53 % 53));
            let whole = |x: f64| (x / STEP).floor() * STEP;
            (1.0 - STEP - whole(u), whole(v))
        }));
    }

    #[test]
    fn the_bits_are_those_of_libm_around_case_boundaries() {
        let eighths = (0..=8_u32).flat_map(|n| (-3000..=3000).map(move |step| f64::from(n) / 8.0 + f64::from(step) * STEP));
        let coarse = (0..=8_u32).flat_map(|n| (-3000..=3000).map(move |step| f64::from(n) / 8.0 + f64::from(step) / 4e9));
        let v = eighths.chain(coarse).filter(|v| (0.0..1.0).contains(v)).map(|v| (v / STEP).floor() * STEP);
        agree(v.map(|v| (1.0 - v - STEP, v)));
        let halves = (0..53).flat_map(|n| [0.5_f64.powi(n), (0.5_f64.powi(n) * 0.5_f64.sqrt() / STEP).floor() * STEP]);
        let around = halves.flat_map(|x| (-5..=5).map(move |step| x + f64::from(step) * STEP));
        agree(around.filter(|u| (0.0..1.0).contains(u)).map(|u| (u, u)));
    }
}
