//! eˣ, eˣ − 1 and tanh x.
//!
//! x = k ln 2 + r with a whole number k and |r| ≤ ½ ln 2, and eˣ = 2ᵏ eʳ. So that no digits are lost, ln 2 is the sum of two numbers, `LN2[0]` with its upper
//! bits and `LN2[1]` with the rest. Then r = `hi` − `lo` with `hi` = x − k `LN2[0]` and `lo` = k `LN2[1]`. As in `libm`, k is 0 if |x| is below about ½ ln 2.

use super::{HALF_LN2, INV_LN2, LN2, VectorFunction, from_word, power_of_2, stage};

/// The coefficients of the polynomial in r² from which eʳ is computed.
pub(super) const P: [f64; 5] = [
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
];

/// Returns the whole number k, as `libm` chooses it.
#[inline(always)]
fn multiple_of_ln2(x: f64) -> f64 {
    // between ½ ln 2 and 1.5 ln 2, libm takes 1 without this formula (and −1 for a negative x), but the formula gives the same
    let k = (INV_LN2 * x + 0.5_f64.copysign(x)).trunc();
    if x.abs() >= HALF_LN2 { k } else { 0.0 }
}

/// Returns eˣ for |x| ≤ 708.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    /// The smallest |x| for which the polynomial is used: about 2⁻²⁸.
    const TINY: f64 = from_word(0x3e30_0001);
    let k = multiple_of_ln2(x);
    let (hi, lo) = (x - k * LN2[0], k * LN2[1]);
    let r = hi - lo;
    let z = r * r;
    let c = r - z * (P[0] + z * (P[1] + z * (P[2] + z * (P[3] + z * P[4]))));
    let y = 1.0 + (r * c / (2.0 - c) - lo + hi);
    if x.abs() >= TINY { y * power_of_2(k) } else { 1.0 + x }
}

/// Returns eˣ − 1 of each number, for |x| ≤ 38.8.
#[inline(always)]
fn exp_m1<const N: usize>(x: &[f64; N]) -> [f64; N] {
    /// The coefficients of the polynomial.
    const Q: [f64; 5] = [
        -3.33333333333331316428e-02,
        1.58730158725481460165e-03,
        -7.93650757867487942473e-05,
        4.00821782732936239552e-06,
        -2.01099218183624371326e-07,
    ];
    /// 2⁻⁵⁴. For a smaller |x| the value is x.
    const TINY: f64 = from_word(0x3c90_0000);
    let multiples: [f64; N] = stage(|n| multiple_of_ln2(x[n]));
    let parts = |n: usize| (x[n] - multiples[n] * LN2[0], multiples[n] * LN2[1]);
    let r: [f64; N] = stage(|n| {
        let (hi, lo) = parts(n);
        hi - lo
    });
    let c: [f64; N] = stage(|n| {
        let (hi, lo) = parts(n);
        (hi - r[n]) - lo
    });
    let half_square = |r: f64| r * (0.5 * r);
    let polynomials: [f64; N] = stage(|n| {
        let s = half_square(r[n]);
        1.0 + s * (Q[0] + s * (Q[1] + s * (Q[2] + s * (Q[3] + s * Q[4]))))
    });
    let quotients: [f64; N] = stage(|n| {
        let (r, polynomial) = (r[n], polynomials[n]);
        let t = 3.0 - polynomial * (0.5 * r);
        half_square(r) * ((polynomial - t) / (6.0 - r * t))
    });
    // the value is 2ᵏ (r − e + 1) − 1, added up in an order that depends on k: `of_1` is the value for k = 1, `of_large` for k ≥ 20, and so on
    let e: [f64; N] = stage(|n| (r[n] * (quotients[n] - c[n]) - c[n]) - half_square(r[n]));
    stage(|n| {
        let (x, multiple, r, e) = (x[n], multiples[n], r[n], e[n]);
        let (scale, inverse) = (power_of_2(multiple), power_of_2(-multiple));
        let of_0 = r - (r * quotients[n] - half_square(r));
        let of_minus_1 = 0.5 * (r - e) - 0.5;
        let of_1 = if r < -0.25 { -2.0 * (e - (r + 0.5)) } else { 1.0 + 2.0 * (r - e) };
        let of_negative = (r - e + 1.0) * scale - 1.0;
        let of_small = (r - e + (1.0 - inverse)) * scale;
        let of_large = (r - (e + inverse) + 1.0) * scale;
        let of_positive = if multiple >= 20.0 { of_large } else { of_small };
        let of_positive = if multiple == 1.0 { of_1 } else { of_positive };
        let of_negative = if multiple == -1.0 { of_minus_1 } else { of_negative };
        let value = if multiple > 0.0 { of_positive } else { of_negative };
        let value = if multiple == 0.0 { of_0 } else { value };
        if x.abs() < TINY { x } else { value }
    })
}

/// For a smaller x, eˣ is 0.
const EXP_IS_0: f64 = -745.13321910194110842;

/// The function eˣ.
#[derive(Clone, Copy)]
pub(super) struct Exp;

impl VectorFunction for Exp {
    #[inline(always)]
    fn values<const N: usize>(self, x: &[f64; N]) -> [f64; N] {
        // −∞ is usual: it is a masked entry of a softmax
        stage(|n| if x[n] < EXP_IS_0 { 0.0 } else { exp(x[n]) })
    }

    #[inline(always)]
    fn is_special(self, x: f64) -> bool {
        // true for NaN too
        !(x.abs() < 708.0) && !(x < EXP_IS_0)
    }

    fn scalar(self, x: f64) -> f64 {
        libm::exp(x)
    }
}

/// The function eˣ − 1.
#[derive(Clone, Copy)]
pub(super) struct ExpM1;

impl VectorFunction for ExpM1 {
    #[inline(always)]
    fn values<const N: usize>(self, x: &[f64; N]) -> [f64; N] {
        exp_m1(x)
    }

    #[inline(always)]
    fn is_special(self, x: f64) -> bool {
        !(x.abs() < 38.8)
    }

    fn scalar(self, x: f64) -> f64 {
        libm::expm1(x)
    }
}

/// The function tanh x.
#[derive(Clone, Copy)]
pub(super) struct Tanh;

/// About 20: for a larger |x|, tanh x is ±1.
const TANH_IS_1: f64 = from_word(0x4034_0001);

impl VectorFunction for Tanh {
    #[inline(always)]
    fn values<const N: usize>(self, x: &[f64; N]) -> [f64; N] {
        /// About ½ ln 3. For a larger |x|, tanh |x| = 1 − 2 / (e²ˣ + 1).
        const LARGE: f64 = from_word(0x3fe1_93eb);
        /// About ½ ln (5/3). From here to ½ ln 3, tanh |x| = (e²ˣ − 1) / (e²ˣ + 1). For a smaller |x|, tanh |x| = (1 − e⁻²ˣ) / (e⁻²ˣ + 1). In all three
        /// formulas, x means |x|.
        const MEDIUM: f64 = from_word(0x3fd0_58af);
        let sizes: [f64; N] = stage(|n| x[n].abs());
        let t = exp_m1::<N>(&stage(|n| if sizes[n] >= MEDIUM { 2.0 * sizes[n] } else { -2.0 * sizes[n] }));
        let quotients: [f64; N] = stage(|n| {
            let (size, t) = (sizes[n], t[n]);
            let dividend = if size >= MEDIUM { t } else { -t };
            // the dividend is selected by its bits. With an `if`, the compiler would divide both possible dividends and select a quotient, and a division is
            // slow
            let large_mask = u64::from(size >= LARGE).wrapping_neg();
            let dividend = f64::from_bits(2.0_f64.to_bits() & large_mask | dividend.to_bits() & !large_mask);
            dividend / (t + 2.0)
        });
        stage(|n| {
            let (size, quotient) = (sizes[n], quotients[n]);
            let value = if size >= LARGE { 1.0 - quotient } else { quotient };
            (if size >= TANH_IS_1 { 1.0 } else { value }).copysign(x[n])
        })
    }

    #[inline(always)]
    fn is_special(self, x: f64) -> bool {
        // e²ˣ − 1 is computed for |2x| < 38.8 ([`ExpM1`]), and so tanh x for |x| < 19.4
        !(x.abs() < 19.4) && !(x.abs() >= TANH_IS_1)
    }

    fn scalar(self, x: f64) -> f64 {
        libm::tanh(x)
    }
}
