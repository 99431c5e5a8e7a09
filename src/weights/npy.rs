//! `.npy`, NumPy's format for one array: a header that is a Python dictionary, then the numbers.

use std::borrow::Cow;
use std::sync::Arc;

use super::dtype::{Dtype, READ};
use super::{Archive, TensorLayout, TensorNames, WeightsError, read_le};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The largest size of the header's text in bytes; NumPy writes 118 for arrays of plain numbers.
const LONGEST: usize = 4096;
/// The number of bytes at the beginning of a file that surely hold the whole header.
pub(super) const BEGINNING: usize = MAGIC.len() + 2 + 4 + LONGEST;

#[derive(Debug)]
struct Npy {
    bytes: Vec<u8>,
    layout: TensorLayout,
    begin: usize,
}

pub(super) fn open(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    let (layout, begin) = layout(&bytes, bytes.len())?;
    Ok(Arc::new(Npy { bytes, layout, begin }))
}

impl Archive for Npy {
    fn names(&self) -> Option<&TensorNames> {
        None
    }

    fn layout(&self, _: usize) -> Result<TensorLayout, WeightsError> {
        Ok(self.layout.clone())
    }

    fn bytes(&self, _: usize) -> Result<Cow<'_, [u8]>, WeightsError> {
        Ok(Cow::Borrowed(&self.bytes[self.begin..]))
    }
}

/// Parses the header at the beginning of a file of `size` bytes. Returns the layout and the byte at which the numbers begin.
pub(super) fn layout(beginning: &[u8], size: usize) -> Result<(TensorLayout, usize), WeightsError> {
    if !beginning.starts_with(MAGIC) {
        return Err(WeightsError::new("it is not an .npy file: it does not begin with \\x93NUMPY", ""));
    }
    let cut = || WeightsError::new("its header is cut off", "the file is damaged or incomplete");
    let (length, begin) = match beginning.get(MAGIC.len()..MAGIC.len() + 2).ok_or_else(cut)? {
        [1, 0] => (read_le::<2>(beginning, 8).ok_or_else(cut)?, 10),
        [2 | 3, 0] => (read_le::<4>(beginning, 8).ok_or_else(cut)?, 12),
        version => {
            let message = format!("it has version {}.{} of .npy, which is not known", version[0], version[1]);
            return Err(WeightsError::new(message, "versions 1.0, 2.0 and 3.0 are read"));
        }
    };
    let length = usize::try_from(length).ok().filter(|&length| length <= LONGEST);
    let Some(length) = length else {
        return Err(WeightsError::new(format!("its header is longer than {LONGEST} bytes"), "save an array of plain numbers"));
    };
    let header = beginning.get(begin..begin + length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).ok().and_then(|text| NpyHeader::parse(text.trim_end()));
    let Some(NpyHeader { descr, fortran, shape }) = header else {
        return Err(WeightsError::new("its header is not that of an array of plain numbers", READ));
    };
    let (big_endian, dtype) = dtype(&descr).ok_or_else(|| unread(&descr))?;
    let begin = begin + length;
    Ok((TensorLayout::new(&shape, dtype, big_endian, fortran, size.saturating_sub(begin))?, begin))
}

/// Parses a `descr` such as `<f8`: whether it is big-endian, and the type.
fn dtype(descr: &str) -> Option<(bool, Dtype)> {
    let big_endian = match descr.get(..1)? {
        "<" | "|" => false,
        ">" => true,
        _ => return None,
    };
    let dtype = Dtype::numpy(&descr[1..])?;
    // `|` means no byte order, which only types of one byte have
    (dtype.size() == 1 || !descr.starts_with('|')).then_some((big_endian, dtype))
}

fn unread(descr: &str) -> WeightsError {
    let what = match descr.trim_start_matches(['<', '>', '|', '=']).chars().next() {
        Some('O') => " (Python objects)",
        Some('c') => " (complex numbers)",
        Some('U' | 'S') => " (text)",
        Some('M' | 'm') => " (times)",
        Some('V') => " (structures)",
        _ => "",
    };
    WeightsError::new(format!("its numbers have the type {descr:?}{what}"), READ)
}

/// The header, such as `{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }`.
#[derive(Debug)]
struct NpyHeader {
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
}

/// A parser for the few Python literals in a header. It holds the text that is still to be parsed.
struct HeaderParser<'a>(&'a str);

impl<'a> HeaderParser<'a> {
    /// Skips blanks, and then `text` if it comes next.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn string(&mut self) -> Option<&'a str> {
        let quote = if self.take("'") { '\'' } else { self.take("\"").then_some('"')? };
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn integer(&mut self) -> Option<u64> {
        let rest = self.0.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let value = rest[..end].parse().ok()?;
        self.0 = rest[end..].strip_prefix('L').unwrap_or(&rest[end..]); // Python 2 wrote 3L
        Some(value)
    }

    fn tuple(&mut self) -> Option<Vec<u64>> {
        let mut items = Vec::new();
        let mut comma = self.take("(");
        while comma && !self.take(")") {
            items.push(self.integer()?);
            comma = self.take(",");
            if !comma {
                // (3) is a number in Python, not a tuple
                return (self.take(")") && items.len() > 1).then_some(items);
            }
        }
        comma.then_some(items)
    }
}

impl NpyHeader {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = HeaderParser(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut comma = rest.take("{");
        while comma && !rest.0.trim_start().starts_with('}') {
            let key = rest.string()?;
            let once = rest.take(":")
                && match key {
                    "descr" => descr.replace(rest.string()?).is_none(),
                    "fortran_order" if rest.take("True") => fortran.replace(true).is_none(),
                    "fortran_order" if rest.take("False") => fortran.replace(false).is_none(),
                    "shape" => shape.replace(rest.tuple()?).is_none(),
                    _ => false,
                };
            if !once {
                return None;
            }
            comma = rest.take(",");
        }
        let done = rest.take("}") && rest.0.trim().is_empty();
        done.then_some(Self { descr: descr?.to_owned(), fortran: fortran?, shape: shape? })
    }
}

/// Writes the header of an `.npy` file of little-endian f64 in row-major order.
pub(super) fn beginning(shape: &[usize]) -> Vec<u8> {
    const ALIGN: usize = 64;
    let shape: String = match shape {
        [n] => format!("({n},)"),
        _ => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    let length = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(ALIGN) - MAGIC.len() - 4;
    header.extend(std::iter::repeat_n(' ', length - header.len() - 1));
    header.push('\n');
    let size = u16::try_from(header.len()).expect("a shape of few dimensions");
    [MAGIC, &[1, 0], &size.to_le_bytes(), header.as_bytes()].concat()
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
    fn a_dtype_has_a_byte_order() {
        assert_eq!(dtype(">i2"), Some((true, Dtype::I16)));
        assert_eq!(dtype("|u1"), Some((false, Dtype::U8)));
        for descr in ["", "f8", "|f8", "<c16", "|O", "<U3", "=f8", "<f16", "é8"] {
            assert_eq!(dtype(descr), None, "{descr}");
        }
        assert_eq!(unread("|O").message, "its numbers have the type \"|O\" (Python objects)");
    }
}
