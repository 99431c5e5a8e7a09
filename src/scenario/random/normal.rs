//! Normal numbers by Box and Muller: √(−2 ln(1 − u)) · cos(2π v) for two uniform numbers u and v in [0, 1).
//!
//! A network's weights are made before its first frame is drawn, and with `libm`'s functions one by one they took half of that time. Here are their steps for
//! these arguments alone, without a branch, so that they run in vector registers. They are the same steps in the same order, so they give the same bits. The
//! few arguments so close to a multiple of π/2 that `libm` takes a longer way are left to it.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else
#![allow(clippy::excessive_precision, clippy::unreadable_literal)] // the constants as libm writes them

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};

/// The numbers that are computed side by side.
pub(super) const BLOCK: usize = 64;

/// The normal number of each pair of uniform ones.
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

/// The normal number of one pair.
pub(super) fn normal(u: f64, v: f64) -> f64 {
    (-2.0 * libm::log(1.0 - u)).sqrt() * libm::cos(2.0 * PI * v)
}

/// ln x for 2⁻⁵³ ≤ x ≤ 1: x = 2ᵏ (1 + f) with √½ ≤ 1 + f < √2, and ln(1 + f) from a polynomial in s = f / (2 + f).
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
    // a whole number in the last bits of 2⁵² is a number, without the conversion that not every processor has
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
    /// The argument may be so near to a multiple of π/2 that this value is not `libm`'s.
    near: bool,
}

/// cos x for 0 ≤ x ≤ 2π: x = n π/2 + y, where y is the sum of two numbers.
#[inline(always)]
fn cos(x: f64) -> Cosine {
    /// The first 33 bits of π/2, and the rest.
    const HALF_PI: [f64; 2] = [1.57079632673412561417e+00, 6.07710050650619224932e-11];
    /// About π/4, 3π/4, 5π/4, 7π/4: `libm` looks at the upper half of the bits alone.
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

/// cos(x + y) for |x| up to about π/4 and a y that is far smaller.
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

/// sin(x + y) for the same.
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

    /// Uniform numbers as the generator makes them.
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
    fn the_bits_are_those_of_libm_where_a_function_changes_its_way() {
        let eighths = (0..=8_u32).flat_map(|n| (-3000..=3000).map(move |step| f64::from(n) / 8.0 + f64::from(step) * STEP));
        let coarse = (0..=8_u32).flat_map(|n| (-3000..=3000).map(move |step| f64::from(n) / 8.0 + f64::from(step) / 4e9));
        let v = eighths.chain(coarse).filter(|v| (0.0..1.0).contains(v)).map(|v| (v / STEP).floor() * STEP);
        agree(v.map(|v| (1.0 - v - STEP, v)));
        let halves = (0..53).flat_map(|n| [0.5_f64.powi(n), (0.5_f64.powi(n) * 0.5_f64.sqrt() / STEP).floor() * STEP]);
        let around = halves.flat_map(|x| (-5..=5).map(move |step| x + f64::from(step) * STEP));
        agree(around.filter(|u| (0.0..1.0).contains(u)).map(|u| (u, u)));
    }
}
