//! ln x. With x = 2ᵏ (1 + f) and √½ ≤ 1 + f < √2, ln x = k ln 2 + ln(1 + f). ln(1 + f) is computed from a polynomial in s² for s = f / (2 + f).

use super::{LN2, VectorFunction, exponent, stage};

/// Returns ln x for a positive, normal, finite x.
#[must_use]
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    /// The coefficients of the polynomial.
    const L: [f64; 7] = [
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
    ];
    /// The bits of 1.0.
    const ONE: u64 = 0x3ff0_0000 << 32;
    /// The bits of √½, cut to the upper 32 bits.
    const ROOT_HALF: u64 = 0x3fe6_a09e << 32;
    /// The bits of the fraction of an f64.
    const FRACTION: u64 = (1 << 52) - 1;
    // the exponent of `bits` is that of 2ᵏ, and the fraction plus ROOT_HALF is the bit pattern of 1 + f
    let bits = x.to_bits() + (ONE - ROOT_HALF);
    let k = exponent(bits);
    let f = f64::from_bits((bits & FRACTION) + ROOT_HALF) - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    // the terms with even and with odd powers of z
    let even = w * (L[1] + w * (L[3] + w * L[5]));
    let odd = z * (L[0] + w * (L[2] + w * (L[4] + w * L[6])));
    let r = odd + even;
    s * (half_square + r) + k * LN2[1] - half_square + f + k * LN2[0]
}

/// The function ln x.
#[derive(Clone, Copy)]
pub(super) struct Log;

impl VectorFunction for Log {
    #[inline(always)]
    fn values<const N: usize>(self, x: &[f64; N]) -> [f64; N] {
        // for a special x, the sum of the bits could overflow
        stage(|n| ln(if self.is_special(x[n]) { 1.0 } else { x[n] }))
    }

    #[inline(always)]
    fn is_special(self, x: f64) -> bool {
        !(f64::MIN_POSITIVE..f64::INFINITY).contains(&x)
    }

    fn scalar(self, x: f64) -> f64 {
        libm::log(x)
    }
}
