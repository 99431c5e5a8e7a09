//! The error function and its complement, erfc x = 1 − erf x.
//!
//! Each of four ranges of |x| has its own quotient of two polynomials in a variable s. With the quotient q and a = |x|:
//!
//! | range of a | s | formula |
//! | --- | --- | --- |
//! | up to 0.84375 | a² | erf x = x + x q |
//! | up to 1.25 | a − 1 | erf a = 0.845… + q |
//! | up to about 2.857 | 1 / a² | erfc a = exp(−a² − 0.5625 + q) / a, where −a² is computed in two parts |
//! | above | 1 / a² | the same, with other coefficients |

use super::{VectorFunction, exp::exp, from_word, stage, upper};

/// The number of numbers in the widest register.
const LANES: usize = 8;

/// The ends of the first three ranges.
const ENDS: [f64; 3] = [0.84375, 1.25, from_word(0x4006_db6d)];

/// The coefficients of the dividend: `DIVIDEND[d]` has those of sᵈ, one for each range. The last ones are 0 where the polynomial is shorter: c + 0 · s is c.
#[rustfmt::skip]
const DIVIDEND: [[f64; 4]; 8] = [
    [1.28379167095512558561e-01, -2.36211856075265944077e-03, -9.86494403484714822705e-03, -9.86494292470009928597e-03],
    [-3.25042107247001499370e-01, 4.14856118683748331666e-01, -6.93858572707181764372e-01, -7.99283237680523006574e-01],
    [-2.84817495755985104766e-02, -3.72207876035701323847e-01, -1.05586262253232909814e+01, -1.77579549177547519889e+01],
    [-5.77027029648944159157e-03, 3.18346619901161753674e-01, -6.23753324503260060396e+01, -1.60636384855821916062e+02],
    [-2.37630166566501626084e-05, -1.10894694282396677476e-01, -1.62396669462573470355e+02, -6.37566443368389627722e+02],
    [0.0, 3.54783043256182359371e-02, -1.84605092906711035994e+02, -1.02509513161107724954e+03],
    [0.0, -2.16637559486879084300e-03, -8.12874355063065934246e+01, -4.83519191608651397019e+02],
    [0.0, 0.0, -9.81432934416914548592e+00, 0.0],
];

/// The coefficients of the divisor, in the same order.
#[rustfmt::skip]
const DIVISOR: [[f64; 4]; 9] = [
    [1.0, 1.0, 1.0, 1.0],
    [3.97917223959155352819e-01, 1.06420880400844228286e-01, 1.96512716674392571292e+01, 3.03380607434824582924e+01],
    [6.50222499887672944485e-02, 5.40397917702171048937e-01, 1.37657754143519042600e+02, 3.25792512996573918826e+02],
    [5.08130628187576562776e-03, 7.18286544141962662868e-02, 4.34565877475229228821e+02, 1.53672958608443695994e+03],
    [1.32494738004321644526e-04, 1.26171219808761642112e-01, 6.45387271733267880336e+02, 3.19985821950859553908e+03],
    [-3.96022827877536812320e-06, 1.36370839120290507362e-02, 4.29008140027567833386e+02, 2.55305040643316442583e+03],
    [0.0, 1.19844998467991074170e-02, 1.08635005541779435134e+02, 4.74528541206955367215e+02],
    [0.0, 0.0, 6.57024977031928170135e+00, -2.24409524465858183362e+01],
    [0.0, 0.0, -6.04244152148580987438e-02, 0.0],
];

/// Returns the coefficient of the range that contains |x|: of the first or the second range for FAR = `false`, of the third or the fourth for FAR = `true`.
#[inline(always)]
fn coefficient<const FAR: bool>([first, second, third, fourth]: [f64; 4], size: f64) -> f64 {
    match FAR {
        false if size < ENDS[0] => first,
        false => second,
        true if size < ENDS[2] => third,
        true => fourth,
    }
}

/// Returns the quotient of the polynomials of each number. `s` are the variables, and `sizes` the numbers |x|.
#[inline(always)]
fn quotients<const FAR: bool, const N: usize>(sizes: &[f64; N], s: &[f64; N]) -> [f64; N] {
    let dividends: [f64; N] = stage(|n| {
        let p = |degree: usize| coefficient::<FAR>(DIVIDEND[degree], sizes[n]);
        let s = s[n];
        // `rest` are the terms from s⁶ on, divided by s⁶
        let polynomial = |rest: f64| p(0) + s * (p(1) + s * (p(2) + s * (p(3) + s * (p(4) + s * (p(5) + s * rest)))));
        polynomial(if FAR { p(6) + s * p(7) } else { p(6) })
    });
    stage(|n| {
        let q = |degree: usize| coefficient::<FAR>(DIVISOR[degree], sizes[n]);
        let s = s[n];
        let polynomial = |rest: f64| q(0) + s * (q(1) + s * (q(2) + s * (q(3) + s * (q(4) + s * (q(5) + s * rest)))));
        dividends[n] / polynomial(if FAR { q(6) + s * (q(7) + s * q(8)) } else { q(6) })
    })
}

/// The numbers of a block with 1.25 ≤ |x|, which take the most time and are often few: they are collected and computed together.
struct Far<const N: usize> {
    /// The numbers |x|. The last register is filled up with a number of the range.
    sizes: [f64; N],
    /// The index in the block of each number.
    places: [usize; N],
    count: usize,
}

impl<const N: usize> Far<N> {
    /// Collects the numbers.
    #[inline(always)]
    fn of(sizes: &[f64; N]) -> Self {
        let mut far = Self { sizes: [ENDS[2]; N], places: [0; N], count: 0 };
        for (n, size) in sizes.iter().enumerate() {
            // stored without a branch, and overwritten by the next number if this one is not of the range. `% N` only spares the check of the bounds
            (far.sizes[far.count % N], far.places[far.count % N]) = (*size, n);
            far.count += usize::from(*size >= ENDS[1]);
        }
        // the number that was stored last may be out of the range
        if far.count < N {
            far.sizes[far.count] = ENDS[2];
        }
        far
    }

    /// Computes erfc |x| of the numbers, for |x| < 26, and copies it to their places in the block.
    #[inline(always)]
    fn copy_complements(&self, complements: &mut [f64; N]) {
        let (registers, _) = self.sizes.as_chunks::<LANES>();
        let places = self.places[..self.count].chunks(LANES);
        for (sizes, places) in registers.iter().zip(places) {
            for (place, value) in places.iter().zip(complement(sizes)) {
                complements[place % N] = value;
            }
        }
    }
}

/// Returns erfc |x| of each number for 1.25 ≤ |x| < 26.
#[inline(always)]
fn complement(sizes: &[f64; LANES]) -> [f64; LANES] {
    let quotients = quotients::<true, LANES>(sizes, &stage(|n| 1.0 / (sizes[n] * sizes[n])));
    stage(|n| {
        let size = sizes[n];
        let z = upper(size);
        exp(-z * z - 0.5625) * exp((z - size) * (z + size) + quotients[n]) / size
    })
}

/// Returns for each x the quotient of the first two ranges, and erfc |x| for 0.84375 ≤ |x|. Either is arbitrary in the other ranges.
#[inline(always)]
fn quotients_and_complements<const N: usize>(x: &[f64; N]) -> [[f64; N]; 2] {
    /// A number near erf 1. In the second range, erf |x| is this number plus the quotient.
    const NEAR_ERF_1: f64 = 8.45062911510467529297e-01;
    let sizes: [f64; N] = stage(|n| x[n].abs());
    let quotients = quotients::<false, N>(&sizes, &stage(|n| if sizes[n] < ENDS[0] { sizes[n] * sizes[n] } else { sizes[n] - 1.0 }));
    let mut complements = stage(|n| 1.0 - NEAR_ERF_1 - quotients[n]);
    Far::of(&sizes).copy_complements(&mut complements);
    [quotients, complements]
}

/// The function erf x.
#[derive(Clone, Copy)]
pub(super) struct Erf;

impl VectorFunction for Erf {
    #[inline(always)]
    fn values<const N: usize>(self, x: &[f64; N]) -> [f64; N] {
        /// 8 times (2 / √π − 1).
        const EFX8: f64 = 1.02703333676410069053e+00;
        /// 2⁻²⁸.
        const TINY: f64 = from_word(0x3e30_0000);
        let [quotients, complements] = quotients_and_complements(x);
        stage(|n| {
            let (x, quotient) = (x[n], quotients[n]);
            let size = x.abs();
            // from 6 on, erf |x| is rounded to 1
            let far = (if size < 6.0 { 1.0 - complements[n] } else { 1.0 }).copysign(x);
            let near = if size < TINY { 0.125 * (8.0 * x + EFX8 * x) } else { x + x * quotient };
            if size < ENDS[0] { near } else { far }
        })
    }

    #[inline(always)]
    fn is_special(self, x: f64) -> bool {
        x.is_nan()
    }

    fn scalar(self, x: f64) -> f64 {
        libm::erf(x)
    }
}

/// The function erfc x.
#[derive(Clone, Copy)]
pub(super) struct Erfc;

impl VectorFunction for Erfc {
    #[inline(always)]
    fn values<const N: usize>(self, x: &[f64; N]) -> [f64; N] {
        /// 2⁻⁵⁶.
        const TINY: f64 = from_word(0x3c70_0000);
        let [quotients, complements] = quotients_and_complements(x);
        stage(|n| {
            let (x, quotient, complement) = (x[n], quotients[n], complements[n]);
            let size = x.abs();
            let far = if x < 0.0 { 2.0 - complement } else { complement };
            let near = if x < 0.25 { 1.0 - (x + x * quotient) } else { 0.5 - (x - 0.5 + x * quotient) };
            let near = if size < TINY { 1.0 - x } else { near };
            if size < ENDS[0] { near } else { far }
        })
    }

    #[inline(always)]
    fn is_special(self, x: f64) -> bool {
        !(x.abs() < 26.0)
    }

    fn scalar(self, x: f64) -> f64 {
        libm::erfc(x)
    }
}
