//! `.npy`, NumPy's format for one array. A file has a magic number, a version, the length of the header, the header, and then the array's numbers. The header
//! is a Python dictionary: `{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }`.

use std::borrow::Cow;
use std::sync::Arc;

use super::dtype::{Dtype, TYPES_READ};
use super::{Archive, TensorLayout, TensorNames, WeightsError, read_le};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The largest length in bytes of a header that is read. NumPy writes 118 bytes for arrays of plain numbers.
const MAX_HEADER: usize = 4096;
/// The number of bytes from the beginning of a file to the end of the longest header that is read: magic number, version (2), length (4), header.
pub(super) const BEGINNING: usize = MAGIC.len() + 2 + 4 + MAX_HEADER;

/// An opened `.npy` file.
#[derive(Debug)]
struct Npy {
    bytes: Vec<u8>,
    layout: TensorLayout,
    /// The position of the first number.
    data_start: usize,
}

/// Opens an `.npy` file.
pub(super) fn open(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    let (layout, data_start) = layout(&bytes, bytes.len())?;
    Ok(Arc::new(Npy { bytes, layout, data_start }))
}

impl Archive for Npy {
    fn names(&self) -> Option<&TensorNames> {
        None
    }

    fn layout(&self, _: usize) -> Result<TensorLayout, WeightsError> {
        Ok(self.layout.clone())
    }

    fn bytes(&self, _: usize) -> Result<Cow<'_, [u8]>, WeightsError> {
        Ok(Cow::Borrowed(&self.bytes[self.data_start..]))
    }
}

/// Parses the header of a file. `beginning` has at least the first [`BEGINNING`] bytes of the file, or all of its `size` bytes. Returns the layout, and the
/// position of the first number.
pub(super) fn layout(beginning: &[u8], size: usize) -> Result<(TensorLayout, usize), WeightsError> {
    if !beginning.starts_with(MAGIC) {
        return Err(WeightsError::new("it is not an .npy file: it does not begin with \\x93NUMPY", ""));
    }
    let cut = || WeightsError::new("its header is cut off", "the file is damaged or incomplete");
    // the length of the header is at byte 8, after the magic number and the version. It has two bytes in version 1.0, and four in later versions
    let (length, header_start) = match beginning.get(MAGIC.len()..MAGIC.len() + 2).ok_or_else(cut)? {
        [1, 0] => (read_le::<2>(beginning, 8).ok_or_else(cut)?, 10),
        [2 | 3, 0] => (read_le::<4>(beginning, 8).ok_or_else(cut)?, 12),
        version => {
            let message = format!("it has version {}.{} of .npy, which is not known", version[0], version[1]);
            return Err(WeightsError::new(message, "versions 1.0, 2.0 and 3.0 are read"));
        }
    };
    let length = usize::try_from(length).ok().filter(|&length| length <= MAX_HEADER);
    let Some(length) = length else {
        return Err(WeightsError::new(format!("its header is longer than {MAX_HEADER} bytes"), "save an array of plain numbers"));
    };
    let header = beginning.get(header_start..header_start + length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).ok().and_then(|text| NpyHeader::parse(text.trim_end()));
    let Some(NpyHeader { descr, fortran, shape }) = header else {
        return Err(WeightsError::new("its header is not that of an array of plain numbers", TYPES_READ));
    };
    let (big_endian, dtype) = dtype(&descr).ok_or_else(|| unreadable_type(&descr))?;
    let data_start = header_start + length;
    Ok((TensorLayout::new(&shape, dtype, big_endian, fortran, size.saturating_sub(data_start))?, data_start))
}

/// Parses NumPy's description of a type, such as `<f8`. The first result is `true` for big-endian numbers. Returns `None` for a type that is not read.
fn dtype(descr: &str) -> Option<(bool, Dtype)> {
    let big_endian = match descr.get(..1)? {
        "<" | "|" => false,
        ">" => true,
        _ => return None,
    };
    let dtype = Dtype::numpy(&descr[1..])?;
    // `|` means that there is no byte order; this is valid only for types of one byte
    (dtype.size() == 1 || !descr.starts_with('|')).then_some((big_endian, dtype))
}

/// Returns the error for a type that is not read.
fn unreadable_type(descr: &str) -> WeightsError {
    let (what, help) = match descr.trim_start_matches(['<', '>', '|', '=']).chars().next() {
        Some('O') => (" (Python objects)", "save each array under a name of its own: np.savez(\"model.npz\", W1=W1, b1=b1)"),
        Some('c') => (" (complex numbers)", "save the real and the imaginary part as two arrays"),
        Some('U' | 'S') => (" (text)", "save the numbers of the classes: np.unique(labels, return_inverse=True)[1]"),
        Some('M' | 'm') => (" (times)", TYPES_READ),
        Some('V') => (" (structures)", TYPES_READ),
        _ => ("", TYPES_READ),
    };
    WeightsError::new(format!("its numbers have the type {descr:?}{what}"), help)
}

/// The header, such as `{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }`.
#[derive(Debug)]
struct NpyHeader {
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
}

/// A parser for the few Python literals in a header. Its text is the part that is not parsed yet.
struct HeaderParser<'a>(&'a str);

impl<'a> HeaderParser<'a> {
    /// If `text` comes next, perhaps after blanks, skips it and returns `true`. Otherwise skips nothing and returns `false`.
    fn skip(&mut self, text: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Parses a string in single or double quotes, without escapes.
    fn string(&mut self) -> Option<&'a str> {
        let quote = if self.skip("'") { '\'' } else { self.skip("\"").then_some('"')? };
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        (!text.contains('\\')).then_some(text)
    }

    /// Parses an integer without a sign.
    fn integer(&mut self) -> Option<u64> {
        let rest = self.0.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let value = rest[..end].parse().ok()?;
        self.0 = rest[end..].strip_prefix('L').unwrap_or(&rest[end..]); // Python 2 wrote 3L
        Some(value)
    }

    /// Parses a tuple of integers, such as `(2, 3)`, `(3,)` or `()`.
    fn tuple(&mut self) -> Option<Vec<u64>> {
        if !self.skip("(") {
            return None;
        }
        let mut items = Vec::new();
        while !self.skip(")") {
            items.push(self.integer()?);
            if !self.skip(",") {
                // (3) is a number in Python, not a tuple
                return (self.skip(")") && items.len() > 1).then_some(items);
            }
        }
        Some(items)
    }
}

impl NpyHeader {
    /// Parses a header; `None` if it does not describe an array of plain numbers. The header must have each of the three keys exactly once, and no other key.
    fn parse(text: &str) -> Option<Self> {
        let mut parser = HeaderParser(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        // a key comes after the opening brace or after a comma
        let mut may_have_key = parser.skip("{");
        // `replace` returns the earlier value, which must be `None`, because a key may be there only once
        while may_have_key && !parser.0.trim_start().starts_with('}') {
            let key = parser.string()?;
            let is_valid_and_new = parser.skip(":")
                && match key {
                    "descr" => descr.replace(parser.string()?).is_none(),
                    "fortran_order" if parser.skip("True") => fortran.replace(true).is_none(),
                    "fortran_order" if parser.skip("False") => fortran.replace(false).is_none(),
                    "shape" => shape.replace(parser.tuple()?).is_none(),
                    _ => false,
                };
            if !is_valid_and_new {
                return None;
            }
            may_have_key = parser.skip(",");
        }
        let is_complete = parser.skip("}") && parser.0.trim().is_empty();
        is_complete.then_some(Self { descr: descr?.to_owned(), fortran: fortran?, shape: shape? })
    }
}

/// Returns the first bytes of an `.npy` file of little-endian f64 in row-major order, up to the first number. As the format recommends, blanks make their
/// length a multiple of 64.
pub(super) fn beginning(shape: &[usize]) -> Vec<u8> {
    const ALIGN: usize = 64;
    let shape: String = match shape {
        [n] => format!("({n},)"),
        _ => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    // before the header are the magic number, two bytes for the version, and two for the length
    let header_start = MAGIC.len() + 4;
    // the last byte of the header is a line feed, after the blanks
    let padded_len = (header_start + header.len() + 1).next_multiple_of(ALIGN) - header_start;
    header.extend(std::iter::repeat_n(' ', padded_len - header.len() - 1));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a shape of few dimensions");
    [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_that_python_writes_are_parsed() {
        let shape =
            |shape: &str| NpyHeader::parse(&format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}")).map(|h| h.shape);
        for (text, expected) in [
            ("()", vec![]),
            ("(3,)", vec![3]),
            ("(2, 3)", vec![2, 3]),
            ("(2,3,)", vec![2, 3]),
            ("(3L, 4L)", vec![3, 4]),
            ("( 1 , )", vec![1]),
        ] {
            assert_eq!(shape(text), Some(expected), "{text}");
        }
        for text in ["(3)", "(,)", "(-1,)", "(2 3)", "[2]", "(2,", "(99999999999999999999,)", "(1.0,)", "", "((1,),)"] {
            assert_eq!(shape(text), None, "{text}");
        }
        for text in [
            "",
            "{}",
            "{'descr': '<f8', 'fortran_order': False}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (), } x",
            "{'descr': '<f8', 'fortran_order': 0, 'shape': ()}",
            "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': ()}",
            "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': ()}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (), 'more': 1}",
            "{'descr': '<f8' 'fortran_order': False, 'shape': ()}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': ()",
        ] {
            assert!(NpyHeader::parse(text).is_none(), "{text}");
        }
        assert!(NpyHeader::parse("{\"shape\": (), \"fortran_order\": True, \"descr\": \">i4\"}").is_some_and(|h| h.fortran));
    }

    #[test]
    fn a_type_of_several_bytes_needs_a_byte_order() {
        assert_eq!(dtype(">i2"), Some((true, Dtype::I16)));
        assert_eq!(dtype("|u1"), Some((false, Dtype::U8)));
        for descr in ["", "f8", "|f8", "<c16", "|O", "<U3", "=f8", "<f16", "é8"] {
            assert_eq!(dtype(descr), None, "{descr}");
        }
        assert_eq!(unreadable_type("|O").message, "its numbers have the type \"|O\" (Python objects)");
    }
}
