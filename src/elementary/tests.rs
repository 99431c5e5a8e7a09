//! Each function has the bits of `libm`.

use super::*;

/// The name of a function, the function in this module, and the function in `libm`.
type Pair = (&'static str, fn(&mut [f64]), fn(f64) -> f64);

const FUNCTIONS: [Pair; 6] = [
    ("exp", exp, libm::exp),
    ("expm1", expm1, libm::expm1),
    ("tanh", tanh, libm::tanh),
    ("log", log, libm::log),
    ("erf", erf, libm::erf),
    ("erfc", erfc, libm::erfc),
];

/// The number of random arguments of each kind. More are tried with `ELEMENTARY_CASES`.
fn cases() -> usize {
    std::env::var("ELEMENTARY_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

/// Returns pseudo-random bits: a linear congruential generator whose upper half is mixed into the lower.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    *state ^ (*state >> 33)
}

/// Returns a pseudo-random number from 0 to 1.
#[allow(clippy::cast_precision_loss)] // 53 bits
fn uniform(state: &mut u64) -> f64 {
    (random(state) >> 11) as f64 / TWO_52 / 2.0
}

/// Zeros, infinities, NaN, the smallest and the largest numbers, and numbers around every bound of every function: upper words with their neighbours.
fn edges() -> Vec<f64> {
    let words: [u32; 34] = [
        0x3fd6_2e42,
        0x3ff0_a2b2,
        0x3e30_0000,
        0x4086_232b,
        0x4086_2000,
        0x4043_687a,
        0x4043_6666,
        0x3c90_0000,
        0x3fe1_93ea,
        0x3fd0_58ae,
        0x4034_0000,
        0x4033_6666,
        0x0010_0000,
        0x3ff0_0000,
        0x3fe6_a09e,
        0x7fe0_0000,
        0x7ff0_0000,
        0x3feb_0000,
        0x3fd0_0000,
        0x3ff4_0000,
        0x4006_db6d,
        0x4018_0000,
        0x403c_0000,
        0x403a_0000,
        0x3c70_0000,
        0x3ff3_988e,
        0x3ffb_b67a,
        0x41e0_0000,
        0x3fe0_0000,
        0x4000_0000,
        0x4090_0000,
        0x3fd0_0000,
        0x408f_f000,
        0x3ca0_0000,
    ];
    let of_word = |word: u32| [-2, -1, 0, 1, 2_i32].map(|step| u64::from(word.wrapping_add_signed(step)) << 32);
    let lower_words = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xfa39_ef35, 0xffff_fffe, 0xffff_ffff_u64];
    let of_words = words.into_iter().flat_map(of_word).flat_map(move |bits| lower_words.map(|lower| f64::from_bits(bits | lower)));
    let around = |x: f64| (-40..=40_i64).map(move |step| f64::from_bits(x.to_bits().wrapping_add_signed(step)));
    let bounds = [
        708.0,
        709.782712893384,
        708.396418532264,
        745.133219101941,
        38.8,
        38.816242111356935,
        19.4,
        20.0,
        26.0,
        28.0,
        6.0,
        1021.0,
        1022.0,
        1024.0,
        1075.0,
    ];
    // the multiples of ½ ln 2, at which another power of 2 is taken
    let multiples = (1..=120).map(|n| f64::from(n) * std::f64::consts::LN_2 / 2.0);
    let small = [f64::from_bits(1), f64::from_bits(2), f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NAN, 1e-300, 1e300, 0.0];
    let positive = of_words.chain(bounds.into_iter().chain(multiples).flat_map(around)).chain(small);
    positive.flat_map(|x| [x, -x]).collect()
}

/// The [`edges`], numbers with random bits, and random numbers of sizes at which the functions change.
fn arguments() -> Vec<f64> {
    let mut state = 1;
    let mut all = edges();
    all.extend((0..cases()).map(|_| f64::from_bits(random(&mut state))));
    for size in [1e-8, 0.5, 1.0, 3.0, 7.0, 30.0, 45.0, 800.0] {
        all.extend((0..cases()).map(|_| (2.0 * uniform(&mut state) - 1.0) * size));
    }
    all
}

/// The bits of a number; all NaNs have the same.
fn bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }
}

#[test]
fn functions_of_one_number_have_the_bits_of_libm() {
    for (name, function, scalar) in FUNCTIONS {
        let arguments = arguments();
        let mut values = arguments.clone();
        function(&mut values);
        for (x, value) in arguments.into_iter().zip(values) {
            let expected = scalar(x);
            assert_eq!(bits(value), bits(expected), "{name}({x:e}) is {expected:e}, not {value:e}");
        }
    }
}

#[test]
fn powers_have_the_bits_of_libm() {
    let check = |x: &[f64], y: &[f64]| {
        let mut powers = x.to_vec();
        pow(&mut powers, y);
        for ((x, y), power) in x.iter().zip(y).zip(powers) {
            let expected = libm::pow(*x, *y);
            assert_eq!(bits(power), bits(expected), "{x:e} ^ {y:e} is {expected:e}, not {power:e}");
        }
    };
    let mut state = 5;
    let x = arguments();
    for y in [
        0.0,
        -0.0,
        0.5,
        -0.5,
        1.0,
        -1.0,
        2.0,
        -2.0,
        3.0,
        -3.0,
        1.5,
        1.0 / 3.0,
        10.0,
        -17.3,
        1e-9,
        700.0,
        1e10,
        1e300,
        f64::INFINITY,
        f64::NAN,
    ] {
        check(&x, &vec![y; x.len()]);
    }
    let mut y = x.clone();
    for elevenths in [1, 2, 7] {
        // other pairs of x and y each time
        let distance = y.len() * elevenths / 11;
        y.rotate_left(distance);
        check(&x, &y);
    }
    // bases with the upper words at which the logarithm changes its formula: it has almost the same values on both sides
    for word in [0x3ff3_988d, 0x3ff3_988e, 0x3ff3_988f, 0x3ffb_b679, 0x3ffb_b67a, 0x3ffb_b67b] {
        let x: Vec<f64> = (0..cases()).map(|_| f64::from_bits(from_word(word).to_bits() | random(&mut state) >> 32)).collect();
        let y: Vec<f64> = (0..cases()).map(|_| (2.0 * uniform(&mut state) - 1.0) * 40.0).collect();
        check(&x, &y);
    }
    // bases from 1 to 2^log2_base, and exponents from −max_exponent to max_exponent: powers of every size
    let pairs = |state: &mut u64, log2_base: f64, max_exponent: f64| -> (Vec<f64>, Vec<f64>) {
        (0..cases()).map(|_| ((uniform(state) * log2_base).exp2(), (2.0 * uniform(state) - 1.0) * max_exponent)).unzip()
    };
    for (log2_base, max_exponent) in [(1e-5, 1e5), (1.0, 5.0), (1.0, 1024.0), (-1.0, 1024.0), (20.0, 52.0), (-700.0, 1.6), (1000.0, 1.1)] {
        let (x, y) = pairs(&mut state, log2_base, max_exponent);
        check(&x, &y);
    }
}

#[test]
fn the_number_of_numbers_does_not_matter() {
    // up to 99 numbers: a block of 64 and all kinds of rests, which are computed one by one or fill up a block
    let arguments: Vec<f64> = edges().into_iter().step_by(7).take(100).collect();
    for (name, function, scalar) in FUNCTIONS {
        for count in 0..arguments.len() {
            let mut values = arguments[..count].to_vec();
            function(&mut values);
            let expected: Vec<u64> = arguments[..count].iter().map(|x| bits(scalar(*x))).collect();
            assert_eq!(values.into_iter().map(bits).collect::<Vec<_>>(), expected, "{name} of {count} numbers");
        }
    }
}
