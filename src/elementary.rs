//! Elementary functions of many numbers at a time, with the bits of `libm`.
//!
//! `libm` computes one number after another, and branches. The functions of this module do the operations of `libm` in the same order, but without branches:
//! they compute the results of all branches and select one of them, so the compiler uses vector registers. Each function does this for the arguments that
//! usually occur, such as |x| < 708 for eˣ. The others are computed by `libm` itself, so the results have the same bits for all arguments. (A NaN may have
//! another sign or payload.)
//!
//! A long formula is computed in stages, each for a whole block of numbers before the next stage begins. Most operations of a formula need the result of the
//! operation before, so on one register they run one after the other. Operations on different registers can run at the same time, but a processor looks only
//! about a hundred operations ahead, so these have to be near each other. In a stage they are.
//!
//! The algorithms are those of FreeBSD's msun, from which `libm` is translated. Their comments in `libm` explain the formulas.

// a function is compiled for wide vector registers only if it is inlined into the function that `dispatch` calls
#![allow(clippy::inline_always)]
#![allow(clippy::approx_constant, clippy::excessive_precision, clippy::unreadable_literal)] // the constants are written as in libm
#![allow(clippy::neg_cmp_op_on_partial_ord)] // `!(x < bound)` is true for NaN too, unlike `x >= bound`

mod erf;
mod exp;
mod log;
mod pow;

use pulp::{Arch, Simd, WithSimd};

pub use log::ln;
pub use pow::pow;

/// A function of one number, in two versions.
trait VectorFunction: Copy {
    /// The values of a block, computed without branches. A value is arbitrary if `is_special` is true for its argument.
    fn values<const N: usize>(self, x: &[f64; N]) -> [f64; N];

    /// Returns whether x needs the version with branches.
    fn is_special(self, x: f64) -> bool;

    /// The value, computed by `libm`.
    fn scalar(self, x: f64) -> f64;
}

/// The number of numbers in a block. A smaller rest is filled up to a block, or to a small block.
const BLOCK: usize = 64;

/// The number of numbers in a small block.
const SMALL_BLOCK: usize = 16;

/// The smallest rest that is filled up; fewer numbers are computed one by one.
const MIN_FILLED_REST: usize = 4;

/// The argument that fills up a block; no function is special there.
const FILLER: f64 = 0.75;

/// A function, and the slice whose numbers it replaces: each x by f(x).
struct Apply<'a, F> {
    function: F,
    x: &'a mut [f64],
}

impl<F: VectorFunction> WithSimd for Apply<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { function, x } = self;
        let (blocks, rest) = x.as_chunks_mut::<BLOCK>();
        for block in blocks {
            apply_to_block(function, block);
        }
        if rest.len() < MIN_FILLED_REST {
            for x in rest {
                *x = function.scalar(*x);
            }
        } else if rest.len() <= SMALL_BLOCK {
            apply_to_rest::<SMALL_BLOCK>(function, rest);
        } else {
            apply_to_rest::<BLOCK>(function, rest);
        }
    }
}

/// Replaces each of at most N numbers by its value.
#[inline(always)]
fn apply_to_rest<const N: usize>(function: impl VectorFunction, rest: &mut [f64]) {
    let mut block = [FILLER; N];
    block[..rest.len()].copy_from_slice(rest);
    apply_to_block(function, &mut block);
    rest.copy_from_slice(&block[..rest.len()]);
}

/// Replaces each number of a block by its value.
#[inline(always)]
fn apply_to_block<const N: usize>(function: impl VectorFunction, x: &mut [f64; N]) {
    let values = function.values(x);
    // not 0 if some argument is special; an integer, because the loop must have no branch
    let any_special = x.iter().fold(0, |any, x| any | u64::from(function.is_special(*x)));
    if any_special == 0 {
        *x = values;
        return;
    }
    for (x, value) in x.iter_mut().zip(values) {
        *x = if function.is_special(*x) { function.scalar(*x) } else { value };
    }
}

/// Computes one stage: returns `value(n)` for each index n of a block.
#[inline(always)]
fn stage<const N: usize>(value: impl Fn(usize) -> f64) -> [f64; N] {
    // a loop, because the compiler uses vector registers in it, but not in `array::from_fn`
    let mut values = [0.0; N];
    for (n, to) in values.iter_mut().enumerate() {
        *to = value(n);
    }
    values
}

/// Replaces each x by f(x).
fn apply(function: impl VectorFunction, x: &mut [f64]) {
    Arch::new().dispatch(Apply { function, x });
}

/// Replaces each x by eˣ.
pub fn exp(x: &mut [f64]) {
    apply(exp::Exp, x);
}

/// Replaces each x by eˣ − 1.
pub fn expm1(x: &mut [f64]) {
    apply(exp::ExpM1, x);
}

/// Replaces each x by tanh x.
pub fn tanh(x: &mut [f64]) {
    apply(exp::Tanh, x);
}

/// Replaces each x by ln x.
pub fn log(x: &mut [f64]) {
    apply(log::Log, x);
}

/// Replaces each x by the error function erf x.
pub fn erf(x: &mut [f64]) {
    apply(erf::Erf, x);
}

/// Replaces each x by erfc x = 1 − erf x.
pub fn erfc(x: &mut [f64]) {
    apply(erf::Erfc, x);
}

/// The smallest positive number whose upper 32 bits are `word`. `libm` compares only these bits: where it tests `upper_word(x) >= word`, this module tests
/// `x >= from_word(word)`.
const fn from_word(word: u32) -> f64 {
    f64::from_bits((word as u64) << 32)
}

/// 2⁵².
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// Returns 2ⁿ for a whole number n from −1022 to 1023.
#[inline(always)]
fn power_of_2(n: f64) -> f64 {
    // the low bits of 2⁵² + m are the integer m; here m = n + 1023 is the exponent as an f64 stores it
    f64::from_bits((n + (TWO_52 + 1023.0)).to_bits() << 52)
}

/// The exponent of a number with these bits, which is positive and normal.
#[inline(always)]
fn exponent(bits: u64) -> f64 {
    // the inverse of `power_of_2`. Not every processor has a vector instruction that converts integers
    f64::from_bits(TWO_52.to_bits() | (bits >> 52)) - (TWO_52 + 1023.0)
}

/// Returns x with the lower 32 bits of its fraction set to 0.
#[inline(always)]
fn upper(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0xffff_ffff_0000_0000)
}

/// ln 2 as the sum of its upper bits and the rest.
const LN2: [f64; 2] = [6.93147180369123816490e-01, 1.90821492927058770002e-10];

/// 1 / ln 2.
const INV_LN2: f64 = 1.44269504088896338700e+00;

/// Slightly more than ½ ln 2: the smallest number whose upper 32 bits are larger than those of ½ ln 2.
const HALF_LN2: f64 = from_word(0x3fd6_2e43);

#[cfg(test)]
mod tests;
