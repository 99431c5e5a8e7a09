//! The number types in weight files, and their lossless conversion to f64.

use super::WeightsError;

/// The type of a tensor's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

/// The help text for a type that is not read.
pub(super) const TYPES_READ: &str = "f64, f32, f16, integers and booleans are read";

/// A type, its name in NumPy without the byte order, and its name in safetensors.
type DtypeNames = (Dtype, Option<&'static str>, &'static str);

#[rustfmt::skip]
const NAMES: [DtypeNames; 13] = [
    (Dtype::F64, Some("f8"), "F64"),
    (Dtype::F32, Some("f4"), "F32"),
    (Dtype::F16, Some("f2"), "F16"),
    (Dtype::Bf16, None, "BF16"),
    (Dtype::I64, Some("i8"), "I64"),
    (Dtype::I32, Some("i4"), "I32"),
    (Dtype::I16, Some("i2"), "I16"),
    (Dtype::I8, Some("i1"), "I8"),
    (Dtype::U64, Some("u8"), "U64"),
    (Dtype::U32, Some("u4"), "U32"),
    (Dtype::U16, Some("u2"), "U16"),
    (Dtype::U8, Some("u1"), "U8"),
    (Dtype::Bool, Some("b1"), "BOOL"),
];

impl Dtype {
    /// Returns the type with this NumPy name, such as `f4`: without the byte order of `<f4`.
    pub fn numpy(name: &str) -> Option<Self> {
        NAMES.iter().find(|row| row.1 == Some(name)).map(|row| row.0)
    }

    /// Returns the type with this safetensors name, such as `F32`.
    pub fn safetensors(name: &str) -> Option<Self> {
        NAMES.iter().find(|row| row.2 == name).map(|row| row.0)
    }

    /// Returns the name of the type in messages, such as `f32`.
    pub fn name(self) -> String {
        NAMES.iter().find(|row| row.0 == self).map_or_else(String::new, |row| row.2.to_lowercase())
    }

    /// Returns the size of one number in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Converts bytes to numbers. Fails if f64 cannot hold a number exactly, or if a boolean is neither 0 nor 1. The error has the index of the first such
    /// number, and the reason.
    pub fn numbers(self, bytes: &[u8], big_endian: bool) -> Result<Vec<f64>, (usize, WeightsError)> {
        // in each row below, `b` is one number in little-endian order
        let bytes = (bytes, big_endian);
        match self {
            Self::F64 => each(bytes, |b| Ok(f64::from_le_bytes(b))),
            Self::F32 => each(bytes, |b| Ok(f32::from_le_bytes(b).into())),
            Self::F16 => each(bytes, |b| Ok(half(u16::from_le_bytes(b)))),
            Self::Bf16 => each(bytes, |b| Ok(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16).into())),
            Self::I64 => each(bytes, |b| exact(i64::from_le_bytes(b).into())),
            Self::I32 => each(bytes, |b| Ok(i32::from_le_bytes(b).into())),
            Self::I16 => each(bytes, |b| Ok(i16::from_le_bytes(b).into())),
            Self::I8 => each(bytes, |b| Ok(i8::from_le_bytes(b).into())),
            Self::U64 => each(bytes, |b| exact(u64::from_le_bytes(b).into())),
            Self::U32 => each(bytes, |b| Ok(u32::from_le_bytes(b).into())),
            Self::U16 => each(bytes, |b| Ok(u16::from_le_bytes(b).into())),
            Self::U8 => each(bytes, |[b]| Ok(b.into())),
            Self::Bool => each(bytes, |[b]| match b {
                0 | 1 => Ok(b.into()),
                _ => Err(WeightsError::new(format!("the byte {b}, which is not a boolean"), "the file is damaged")),
            }),
        }
    }
}

/// Converts each number of `N` bytes with `read`, which gets these bytes in little-endian order. An error has the index of the number.
fn each<const N: usize>(
    (bytes, big_endian): (&[u8], bool),
    read: impl Fn([u8; N]) -> Result<f64, WeightsError>,
) -> Result<Vec<f64>, (usize, WeightsError)> {
    let (chunks, _) = bytes.as_chunks::<N>();
    let mut numbers = Vec::with_capacity(chunks.len());
    for (index, &(mut chunk)) in chunks.iter().enumerate() {
        if big_endian {
            chunk.reverse();
        }
        numbers.push(read(chunk).map_err(|error| (index, error))?);
    }
    Ok(numbers)
}

/// Returns an error if a number is not finite: the index of the first such number, and a message that completes "entry `[0,1]` is …".
pub(super) fn check_finite(values: &[f64]) -> Result<(), (usize, WeightsError)> {
    let Some(index) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let what = if values[index].is_nan() { "not a number (NaN)" } else { "infinite" };
    Err((index, WeightsError::new(what, "numbers must be finite")))
}

/// Converts an integer to f64; an error if f64 would round it.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // if the cast changes the value, the cast back shows it
fn exact(value: i128) -> Result<f64, WeightsError> {
    let float = value as f64;
    if float as i128 == value {
        return Ok(float);
    }
    Err(WeightsError::new(format!("{value}, which f64 cannot hold"), "save the tensor as float64, which rounds it"))
}

/// Converts an IEEE 754 half-precision number: a sign of 1 bit, an exponent of 5 bits with bias 15, a mantissa of 10 bits.
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (u64::from(bits >> 10 & 0x1f), u64::from(bits & 0x3ff));
    let magnitude = match exponent {
        // a subnormal number is a multiple of 2⁻²⁴
        0 => f64::from(bits & 0x3ff) / f64::from(1 << 24),
        0x1f if mantissa == 0 => f64::INFINITY,
        0x1f => f64::NAN,
        // f64 has the bias 1023 and not 15, and a mantissa of 52 bits and not 10, so the mantissa moves up by 42 bits
        _ => f64::from_bits((exponent + 1023 - 15) << 52 | mantissa << 42),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_follows_ieee_754() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2f64.powi(-24)),
            (0x03ff, 1023.0 * 2f64.powi(-24)),
            (0x0400, 2f64.powi(-14)),
            (0x3c00, 1.0),
            // 1/3, rounded to 11 bits
            (0x3555, 0.333_251_953_125),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
    }

    #[test]
    fn an_integer_beyond_f64_is_refused_with_its_index() {
        // 2⁵³ + 1, the number of index 1, is the smallest positive integer that f64 cannot hold
        let bytes: Vec<u8> = [1 << 53, (1 << 53) + 1].iter().flat_map(|n: &i64| n.to_be_bytes()).collect();
        let big_endian = true;
        let (index, error) = Dtype::I64.numbers(&bytes, big_endian).unwrap_err();
        assert_eq!((index, error.message.as_str()), (1, "9007199254740993, which f64 cannot hold"));
        assert_eq!(Dtype::I64.numbers(&bytes[..8], big_endian), Ok(vec![9_007_199_254_740_992.0]));
        let big_endian = false;
        assert!(Dtype::U64.numbers(&u64::MAX.to_le_bytes(), big_endian).is_err());
    }
}
