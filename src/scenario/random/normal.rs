//! Normal random numbers by the Box–Muller transform: √(−2 ln(1 − u)) · cos(2π v) for uniform u and v in [0, 1). They are computed in blocks of 64 numbers.
//!
//! The random weights of a network are made before the first frame is drawn. With the functions of `libm`, they took half of the time until that frame. The
//! [`ln`] of [`crate::elementary`] and the `cos` of this file do the same operations as `libm` in the same order, so the results have the same bits. But they
//! do this only for the arguments that occur here: 2⁻⁵³ ≤ 1 − u ≤ 1 and 0 ≤ 2π v ≤ 2π. They have no branches, so the compiler can use vector registers.
//!
//! `cos` writes x as n π/2 + y. Then cos x is cos y, −sin y, −cos y, sin y or cos y for n = 0, 1, 2, 3 or 4.
//!
//! If x is close to a multiple of π/2, `libm` computes y with more digits. These few numbers are computed by `libm` itself.

// `dispatch` compiles a function for wide vector registers; this works only for code that is inlined into it
#![allow(clippy::inline_always)]
#![allow(clippy::excessive_precision, clippy::unreadable_literal)] // the constants are written as in libm

use std::f64::consts::PI;

use pulp::{Arch, Simd, WithSimd};

use crate::elementary::ln;

/// The number of normal numbers in a block.
pub(super) const BLOCK: usize = 64;

/// Returns the normal numbers for a block of pairs (u[n], v[n]) of uniform numbers.
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
        // not 0 if libm must compute some number of the block; it is an integer because the loop must have no branch
        let mut any_near = 0;
        for n in 0..BLOCK {
            let Cosine { value, is_near } = cos(2.0 * PI * v[n]);
            normals[n] = (-2.0 * ln(1.0 - u[n])).sqrt() * value;
            any_near |= u64::from(is_near);
        }
        if any_near != 0 {
            for n in (0..BLOCK).filter(|&n| cos(2.0 * PI * v[n]).is_near) {
                normals[n] = normal(u[n], v[n]);
            }
        }
        normals
    }
}

/// Returns the normal number for one pair of uniform numbers, computed by `libm`.
pub(super) fn normal(u: f64, v: f64) -> f64 {
    (-2.0 * libm::log(1.0 - u)).sqrt() * libm::cos(2.0 * PI * v)
}

/// The result of [`cos`].
struct Cosine {
    value: f64,
    /// `true` if the argument is so close to a multiple of π/2 that `value` may differ from `libm`'s.
    is_near: bool,
}

/// Returns cos x for 0 ≤ x ≤ 2π. It is computed from x = n π/2 + y + tail, where `tail` is the rounding error of the float `y`.
#[inline(always)]
fn cos(x: f64) -> Cosine {
    /// π/2 as the sum of its first 33 bits and the rest.
    const HALF_PI: [f64; 2] = [1.57079632673412561417e+00, 6.07710050650619224932e-11];
    /// π/4, 3π/4, 5π/4 and 7π/4, without their lower 32 bits, because `libm` compares only the upper 32 bits.
    const BOUNDS: [f64; 4] = [
        f64::from_bits(0x3fe9_21fc << 32),
        f64::from_bits(0x4002_d97d << 32),
        f64::from_bits(0x400f_6a7b << 32),
        f64::from_bits(0x4015_fdbd << 32),
    ];
    /// At less than this distance from a multiple of π/2, `libm` may use more digits. It is 2⁻¹⁷.
    const NEAR: f64 = 1.0 / 131_072.0;
    // n is the number of bounds ≤ x
    let reached = BOUNDS.map(|bound| if x >= bound { 1.0 } else { 0.0 });
    let n = reached[0] + reached[1] + reached[2] + reached[3];
    let z = x - n * HALF_PI[0];
    let rest = n * HALF_PI[1];
    let y = z - rest;
    let tail = (z - y) - rest;
    let (sine, cosine) = (sin_near_0(y, tail), cos_near_0(y, tail));
    let value = if n == 1.0 || n == 3.0 { sine } else { cosine };
    Cosine { value: if n == 1.0 || n == 2.0 { -value } else { value }, is_near: y.abs() < NEAR }
}

/// Returns cos(x + tail) for |x| up to about π/4 and a far smaller tail.
#[inline(always)]
fn cos_near_0(x: f64, tail: f64) -> f64 {
    /// The coefficients of x⁴, x⁶, … in a polynomial for cos x: about 1/4!, −1/6!, …
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
    let rounded = 1.0 - half;
    // (1 − rounded) − half is the rounding error of the subtraction
    rounded + (((1.0 - rounded) - half) + (z * r - x * tail))
}

/// Returns sin(x + tail) for |x| up to about π/4 and a far smaller tail.
#[inline(always)]
fn sin_near_0(x: f64, tail: f64) -> f64 {
    /// The coefficients of x³, x⁵, … in a polynomial for sin x: about −1/3!, 1/5!, …
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
    x - ((z * (0.5 * tail - v * r) - tail) - v * S[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that the normal numbers of these pairs (u, v) have the same bits as those from `libm`.
    fn assert_same_bits(pairs: impl Iterator<Item = (f64, f64)>) {
        let pairs: Vec<(f64, f64)> = pairs.collect();
        for block in pairs.chunks(BLOCK) {
            // the last block is filled up with 0.5
            let numbers = |member: fn(&(f64, f64)) -> f64| std::array::from_fn(|n| block.get(n).map_or(0.5, member));
            let (u, v) = (numbers(|pair| pair.0), numbers(|pair| pair.1));
            for (n, found) in normals(&u, &v).into_iter().enumerate() {
                let expected = normal(u[n], v[n]);
                assert_eq!(found.to_bits(), expected.to_bits(), "u {:e}, v {:e}: {found:e} is not {expected:e}", u[n], v[n]);
            }
        }
    }

    /// The distance between neighbouring uniform numbers of the generator, 2⁻⁵³.
    const STEP: f64 = 1.0 / 9_007_199_254_740_992.0;

    /// Rounds a number down to the nearest one that the generator can return.
    fn round_down(x: f64) -> f64 {
        (x / STEP).floor() * STEP
    }

    #[test]
    fn normal_numbers_have_the_bits_of_libm() {
        // a linear congruential generator
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            #[allow(clippy::cast_precision_loss)] // 53 bits
            let number = (state >> 11) as f64 * STEP;
            number
        };
        assert_same_bits((0..400_000).map(|_| (next(), next())));
        // u is near 1 and v near 0, at distances from 2⁻⁵³ to 1
        assert_same_bits((0..100_000).map(|n| {
            let (u, v) = (next() * 0.5_f64.powi(n % 53), next() * 0.5_f64.powi(n / 53 % 53));
            (1.0 - STEP - round_down(u), round_down(v))
        }));
    }

    #[test]
    fn normal_numbers_have_the_bits_of_libm_near_eighths_and_powers_of_one_half() {
        // the formula of `cos` changes at multiples of π/4, which are v = n/8. The test takes v near n/8, in steps of 2⁻⁵³ and in larger steps
        let fine = (0..=8_u32).flat_map(|n| (-3000..=3000).map(move |step| f64::from(n) / 8.0 + f64::from(step) * STEP));
        let coarse = (0..=8_u32).flat_map(|n| (-3000..=3000).map(move |step| f64::from(n) / 8.0 + f64::from(step) / 4e9));
        let v = fine.chain(coarse).filter(|v| (0.0..1.0).contains(v)).map(round_down);
        assert_same_bits(v.map(|v| (1.0 - v - STEP, v)));
        // u and v near 2⁻ⁿ and near 2⁻ⁿ √½
        let halves = (0..53).flat_map(|n| [0.5_f64.powi(n), round_down(0.5_f64.powi(n) * 0.5_f64.sqrt())]);
        let around = halves.flat_map(|x| (-5..=5).map(move |step| x + f64::from(step) * STEP));
        assert_same_bits(around.filter(|u| (0.0..1.0).contains(u)).map(|u| (u, u)));
    }
}
