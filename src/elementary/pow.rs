//! xʸ = 2^(y log₂ x), where the logarithm and its product with y are sums of two numbers: the first has few digits, so that its products are exact.

use pulp::{Arch, Simd, WithSimd};

use super::exp::P;
use super::{BLOCK, FILLER, exponent, from_word, power_of_2, upper};

/// Replaces each x by xʸ. Both slices have the same length.
pub fn pow(x: &mut [f64], y: &[f64]) {
    match y {
        [first, ..] if y.iter().all(|y| y.to_bits() == first.to_bits()) => pow_same(x, *first),
        _ => Arch::new().dispatch(Pow { x, y }),
    }
}

/// Replaces each x by xʸ, with the same y for all.
fn pow_same(x: &mut [f64], y: f64) {
    // libm has the same formulas for these y. It returns 1 for x = 1 before it uses them, but they give 1 too
    if y == 2.0 {
        Arch::new().dispatch(|| x.iter_mut().for_each(|x| *x *= *x));
    } else if y == -1.0 {
        Arch::new().dispatch(|| x.iter_mut().for_each(|x| *x = 1.0 / *x));
    } else if y != 1.0 {
        for x in x.chunks_mut(BLOCK) {
            let y = [y; BLOCK];
            Arch::new().dispatch(Pow { y: &y[..x.len()], x });
        }
    }
}

/// The computation of many powers.
struct Pow<'a> {
    x: &'a mut [f64],
    y: &'a [f64],
}

impl WithSimd for Pow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (x, y) in self.x.chunks_mut(BLOCK).zip(self.y.chunks(BLOCK)) {
            let (mut bases, mut exponents) = ([FILLER; BLOCK], [FILLER; BLOCK]);
            bases[..x.len()].copy_from_slice(x);
            exponents[..x.len()].copy_from_slice(y);
            let powers = powers(&bases, &exponents);
            x.copy_from_slice(&powers[..x.len()]);
        }
    }
}

/// Computes a block of powers.
#[inline(always)]
fn powers(x: &[f64; BLOCK], y: &[f64; BLOCK]) -> [f64; BLOCK] {
    let mut powers = [0.0; BLOCK];
    let mut special = [0_u64; BLOCK];
    let mut any_special = 0;
    for n in 0..BLOCK {
        let (value, is_special) = power(x[n], y[n]);
        powers[n] = value;
        special[n] = u64::from(is_special);
        any_special |= special[n];
    }
    if any_special != 0 {
        for n in (0..BLOCK).filter(|n| special[*n] != 0) {
            powers[n] = libm::pow(x[n], y[n]);
        }
    }
    powers
}

/// Returns xʸ, and `true` if this value must not be used because x or y is special. There are four cases:
///
/// - x is not positive, normal and finite.
/// - |y| is 2³¹ or more.
/// - y is a number for which `libm` has a formula of its own.
/// - The power is near the largest or the smallest normal number.
#[inline(always)]
fn power(x: f64, y: f64) -> (f64, bool) {
    let is_special_x = !(f64::MIN_POSITIVE..f64::INFINITY).contains(&x);
    let has_formula = y == 0.0 || y == 0.5 || y == 1.0 || y == 2.0 || y == -1.0;
    let is_special_y = !(y.abs() < 2_147_483_648.0) || has_formula;
    let logarithm = log2(if is_special_x { 1.0 } else { x });
    // y log₂ x = first + rest
    let y_upper = upper(y);
    let rest = (y - y_upper) * logarithm[0] + y * logarithm[1];
    let first = y_upper * logarithm[0];
    let sum = rest + first;
    let is_special_power = !(sum.abs() < 1021.0);
    let power = exp2(sum, first, rest);
    (if x == 1.0 { 1.0 } else { power }, is_special_x || is_special_y || is_special_power)
}

/// Returns log₂ x as the sum of two numbers, the first with only 21 significant bits. x is positive, normal and finite. With x = 2ⁿ a, where a is near 1 or
/// near 1.5, the logarithm of a is computed from a polynomial in s² for s = (a − 1) / (a + 1) or s = (a − 1.5) / (a + 1.5).
#[inline(always)]
fn log2(x: f64) -> [f64; 2] {
    /// The coefficients of the polynomial.
    const L: [f64; 6] = [
        5.99999999999994648725e-01,
        4.28571428578550184252e-01,
        3.33333329818377432918e-01,
        2.72728123808534006489e-01,
        2.30660745775561754067e-01,
        2.06975017800338417784e-01,
    ];
    /// 2 / (3 ln 2), its upper bits, and the rest.
    const CP: [f64; 3] = [9.61796693925975554329e-01, 9.61796700954437255859e-01, -7.02846165095275826516e-09];
    /// log₂ 1.5 as the sum of its upper bits and the rest.
    const LOG_3_HALVES: [f64; 2] = [5.84962487220764160156e-01, 1.35003920212974897128e-08];
    /// About √(3/2) and √3. A fraction up to the first is a, near 1; up to the second it is a, near 1.5; above, half of it is a, near 1.
    const BOUNDS: [f64; 2] = [from_word(0x3ff3_988f), from_word(0x3ffb_b67a)];
    /// The bits of 1.0.
    const ONE: u64 = 0x3ff0_0000 << 32;
    /// The bits of the fraction of an f64.
    const FRACTION: u64 = (1 << 52) - 1;
    let fraction = f64::from_bits((x.to_bits() & FRACTION) | ONE);
    let is_halved = fraction >= BOUNDS[1];
    let is_near_1 = fraction < BOUNDS[0] || is_halved;
    let a = if is_halved { 0.5 * fraction } else { fraction };
    let n = exponent(x.to_bits()) + if is_halved { 1.0 } else { 0.0 };
    let (base, log_base) = if is_near_1 { (1.0, [0.0, 0.0]) } else { (1.5, LOG_3_HALVES) };
    // s, and below its upper part and the rest
    let u = a - base;
    let v = 1.0 / (a + base);
    let s = u * v;
    let s_upper = upper(s);
    // the divisor a + base as the sum of its upper part and the rest. For a = 1 + m, the bits shifted by 33 instead of 32 with the offset are those of 2 + m or
    // 2.5 + m
    let offset: u64 = if is_near_1 { 0x0008_0000 } else { 0x000c_0000 };
    let divisor_upper = f64::from_bits((((a.to_bits() >> 33) | 0x2000_0000) + offset) << 32);
    let divisor_rest = a - (divisor_upper - base);
    let s_rest = v * ((u - s_upper * divisor_upper) - s_upper * divisor_rest);
    // log₂ (a / base) = 2 / (3 ln 2) · p with p = s t and t = 3 + s² + s⁴ (L₀ + L₁ s² + …)
    let z = s * s;
    let r = z * z * (L[0] + z * (L[1] + z * (L[2] + z * (L[3] + z * (L[4] + z * L[5])))));
    let r = r + s_rest * (s_upper + s);
    let z = s_upper * s_upper;
    let t_upper = upper(3.0 + z + r);
    let t_rest = r - ((t_upper - 3.0) - z);
    let u = s_upper * t_upper;
    let v = s_rest * t_upper + t_rest * s;
    let p_upper = upper(u + v);
    let p_rest = v - (p_upper - u);
    let z_upper = CP[1] * p_upper;
    let z_rest = CP[2] * p_upper + p_rest * CP[0] + log_base[1];
    let first = upper(((z_upper + z_rest) + log_base[0]) + n);
    [first, z_rest - (((first - n) - log_base[0]) - z_upper)]
}

/// Returns 2^(first + rest), where `sum` is the rounded sum, between −1021 and 1021.
#[inline(always)]
fn exp2(sum: f64, first: f64, rest: f64) -> f64 {
    /// ln 2, its upper bits, and the rest.
    const LG2: [f64; 3] = [6.93147180559945286227e-01, 6.93147182464599609375e-01, -1.90465429995776804525e-09];
    // the whole number nearest to the sum; libm computes it from the upper word
    let size = upper(sum).abs();
    let n = if size > 0.5 { (size + 0.5).trunc().copysign(sum) } else { 0.0 };
    let first = first - n;
    let t = upper(rest + first);
    let u = t * LG2[1];
    let v = (rest - (t - first)) * LG2[0] + t * LG2[2];
    let z = u + v;
    let w = v - (z - u);
    let t = z * z;
    let t = z - t * (P[0] + t * (P[1] + t * (P[2] + t * (P[3] + t * P[4]))));
    let r = (z * t) / (t - 2.0) - (w + z * w);
    (1.0 - (r - z)) * power_of_2(n)
}
