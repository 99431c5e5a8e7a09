//! Takes large arrays of numbers out of a scenario's text before the TOML parser reads it. For them the parser needs some 40 bytes of memory per byte of text
//! and ten times as long.
//!
//! `weight = [1, 2, 3, 4, 5, 6, 7, 8]` becomes `weight = 00:00:00`, and the array is kept under the byte at which the `00:00:00` begins. Only rectangular
//! arrays of valid numbers are extracted; everything else stays, so that the parser reports its errors.

use std::collections::HashMap;
use std::ops::Range;

use super::MAX_BYTES;
use super::number::{self, NumberKind};

/// The smallest extracted array. Smaller ones save nothing, and pairs such as `kernel_size = [2, 3]` must stay.
const LEAST: usize = 8;
/// The deepest extracted nesting; no tensor of the format is deeper.
const DEEPEST: usize = 8;
/// The placeholder for an array: a time of day. No key of the format takes one, so an array at a wrong key is still reported.
const STAND_IN: &str = "00:00:00";

/// The shape and the numbers of an array.
pub(super) type Array = (Vec<usize>, Vec<f64>);

/// A text without its large arrays of numbers.
#[derive(Debug)]
pub(super) struct Extracted {
    /// The text, with a placeholder and the array's line breaks in place of each array: line numbers stay the same.
    pub text: String,
    /// The arrays by the byte at which their placeholder begins.
    pub arrays: HashMap<usize, Array>,
}

/// Extracts the large arrays of numbers; `None` if there are none or the text is too long. Text that is not valid TOML stays invalid.
pub(super) fn extract(text: &str) -> Option<Extracted> {
    let bytes = Some(text.as_bytes()).filter(|bytes| bytes.len() <= MAX_BYTES)?;
    let mut extracted = Extracted { text: String::new(), arrays: HashMap::new() };
    let (mut at, mut copied) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'#' => line_end(bytes, at),
            b'"' | b'\'' => {
                let (Ok(end) | Err(end)) = string_end(bytes, at);
                end
            }
            b'=' => {
                let start = at + 1 + bytes[at + 1..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                match array(text, start) {
                    Some((found, end)) => {
                        extracted.text.push_str(&text[copied..start]);
                        extracted.arrays.insert(extracted.text.len(), found);
                        extracted.text.push_str(STAND_IN);
                        extracted.text.extend(text[start..end].matches('\n'));
                        copied = end;
                        end
                    }
                    None => start,
                }
            }
            _ => at + 1,
        };
    }
    extracted.text.push_str(&text[copied..]);
    (copied > 0).then_some(extracted)
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// Returns the range of the first single-line string that is still open at its line break: from its quote to the end of the line.
pub(super) fn unclosed_string(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'#' => line_end(bytes, at),
            b'"' | b'\'' => match string_end(bytes, at) {
                Err(end) if bytes.get(end) == Some(&b'\n') => return Some(at..end),
                Ok(end) | Err(end) => end,
            },
            _ => at + 1,
        };
    }
    None
}

/// Returns the end of the string that begins at `at`; if it is not closed, the end of its line or of the text as an error.
fn string_end(bytes: &[u8], at: usize) -> Result<usize, usize> {
    let quote = bytes[at];
    let long = bytes[at..].starts_with(&[quote; 3]);
    let close = &[quote; 3][..if long { 3 } else { 1 }];
    let mut end = at + close.len();
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'\\' if quote == b'"' => end += 1,
            b'\n' if !long => return Err(end),
            _ if bytes[end..].starts_with(close) => return Ok(end + close.len()),
            _ => {}
        }
        end += 1;
    }
    Err(bytes.len())
}

/// Parses the array of numbers that begins at `at`. Returns it and its end.
fn array(text: &str, mut at: usize) -> Option<(Array, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    let mut data = Vec::new();
    // the length of the arrays at each depth, and the items so far of those that are open
    let mut shape: Vec<Option<usize>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    // true if an item comes next, false if a comma
    let mut item = true;
    loop {
        match *bytes.get(at)? {
            b' ' | b'\t' | b'\n' => at += 1,
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => at += 2,
            b',' if !item => {
                item = true;
                at += 1;
            }
            b'[' if item && open.len() < DEEPEST => {
                if open.len() == shape.len() {
                    if !data.is_empty() {
                        return None; // nested deeper than the entries before
                    }
                    shape.push(None);
                }
                open.push(0);
                at += 1;
            }
            b']' => {
                let count = open.pop()?;
                if count == 0 || *shape[open.len()].get_or_insert(count) != count {
                    return None;
                }
                at += 1;
                let Some(outer) = open.last_mut() else { break };
                *outer += 1;
                item = false;
            }
            b'0'..=b'9' | b'+' | b'-' if item && open.len() == shape.len() => {
                let (end, kind) = number_end(bytes, at)?;
                data.push(number::from_toml(&text[at..end], kind).ok()?);
                *open.last_mut()? += 1;
                item = false;
                at = end;
            }
            _ => return None,
        }
    }
    // [1, 2].5 is an error, but 00:00:00.5 would be a time
    let ended = bytes.get(at).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'}' | b'#'));
    let shape: Option<Vec<usize>> = shape.into_iter().collect();
    Some(((shape?, data), at)).filter(|((_, data), _)| ended && data.len() >= LEAST)
}

/// Returns the end and the kind of the decimal number that begins at `at`; `None` for underscores, another radix, or text that is not a number.
fn number_end(bytes: &[u8], at: usize) -> Option<(usize, NumberKind)> {
    let sign = |at: usize| at + usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
    let digits = |at: usize| Some(at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()).filter(|&end| end > at);
    let start = sign(at);
    let mut end = digits(start)?;
    if bytes[start] == b'0' && end > start + 1 {
        return None;
    }
    let mut kind = NumberKind::Integer;
    if bytes.get(end) == Some(&b'.') {
        (end, kind) = (digits(end + 1)?, NumberKind::Float);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        (end, kind) = (digits(sign(end + 1))?, NumberKind::Float);
    }
    matches!(bytes.get(end), Some(b',' | b']' | b' ' | b'\t' | b'\r' | b'\n')).then_some((end, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extracted(text: &str) -> Option<(String, Vec<Array>)> {
        let Extracted { text, arrays } = extract(text)?;
        let mut arrays: Vec<(usize, Array)> = arrays.into_iter().collect();
        arrays.sort_by_key(|(at, _)| *at);
        assert!(arrays.iter().all(|(at, _)| text[*at..].starts_with(STAND_IN)));
        Some((text, arrays.into_iter().map(|(_, array)| array).collect()))
    }

    #[test]
    fn rectangular_arrays_of_numbers_are_extracted() {
        let text = "a = 1\nb = [ # no\n1]\nc = [[1, -2.5, +3e2, 0.25],\r\n [0, -0, 5E-1, 1_0] ]\n";
        assert_eq!(extracted(text), None);
        let text = "a = [1, 2]\nb =[[1, -2.5, +3e2, 0.25],\r\n [0, -0.0, 5E-1, 10,],\n] # [\nc = { d = [1, 2, 3, 4, 5, 6, 7, 8], e = 1 }";
        let (rest, arrays) = extracted(text).expect("two arrays");
        assert_eq!(rest, "a = [1, 2]\nb =00:00:00\n\n # [\nc = { d = 00:00:00, e = 1 }");
        assert_eq!(arrays[0], (vec![2, 4], vec![1.0, -2.5, 300.0, 0.25, 0.0, -0.0, 0.5, 10.0]));
        assert!(arrays[0].1[5].is_sign_negative());
        assert_eq!(arrays[1], (vec![8], (1..=8).map(f64::from).collect()));
    }

    #[test]
    fn other_arrays_stay_in_the_text() {
        for array in [
            "[1, 2, 3, 4, 5, 6, 7]",
            "[[1, 2, 3, 4], [5, 6, 7, 8, 9]]",
            "[[1, 2, 3, 4, 5, 6, 7, 8], 9]",
            "[1, 2, 3, 4, 5, 6, 7, [8, 9]]",
            "[[], [1, 2, 3, 4, 5, 6, 7, 8, 9]]",
            "[1, 2, 3, 4, 5, 6, 7, 8,, 9]",
            "[, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
            "[1 2, 3, 4, 5, 6, 7, 8, 9]",
            "[1, 2, 3, 4, 5, 6, 7, 8, 9",
            "[1, 2, 3, 4, 5, 6, 7, 8, 09]",
            "[1, 2, 3, 4, 5, 6, 7, 8, .9]",
            "[1, 2, 3, 4, 5, 6, 7, 8, 9.]",
            "[1, 2, 3, 4, 5, 6, 7, 8, 1e400]",
            "[1, 2, 3, 4, 5, 6, 7, 8, 1e-400]",
            "[1, 2, 3, 4, 5, 6, 7, 8, 9007199254740993]",
            "[1, 2, 3, 4, 5, 6, 7, 8, -99999999999999999999]",
            "[1, 2, 3, 4, 5, 6, 7, 8, inf]",
            "[1, 2, 3, 4, 5, 6, 7, 8, +nan]",
            "[1, 2, 3, 4, 5, 6, 7, 8, 0x9]",
            "[1, 2, 3, 4, 5, 6, 7, 8, -]",
            "[1, 2, 3, 4, 5, 6, 7, 8, 1-2]",
            "[1, 2, 3, 4, 5, 6, 7, 8, 1e]",
            "[1, 2, 3, 4, 5, 6, 7, 8].5",
            "[[[[[[[[[1, 2, 3, 4, 5, 6, 7, 8, 9]]]]]]]]]",
        ] {
            assert_eq!(extracted(&format!("a = {array}")), None, "{array}");
        }
    }

    #[test]
    fn strings_and_comments_stay_in_the_text() {
        let array = "b = [1, 2, 3, 4, 5, 6, 7, 8]";
        for text in [
            "# {}",
            "a = \"{}\"",
            "a = '{}'",
            "a = \"\"\"\n{}\n\"\"\"",
            "a = '''\n\\{}\n'''",
            "a = \"\\\"{}\"",
            "a = \"\"\"\\\"\"\" {}\"\"\"",
        ] {
            let text = text.replace("{}", array);
            assert_eq!(extracted(&text), None, "{text}");
            assert!(extracted(&format!("{text}\n{array}")).is_some_and(|(rest, _)| rest == format!("{text}\nb = {STAND_IN}")), "{text}");
        }
        for text in ["a = 'it' # it's", "a = \"\"\"b\"\"\"\"", "a = \"\\\\\"", "\"a=b\" = ''", "a = \"open"] {
            assert!(extracted(&format!("{text}\n{array}")).is_some(), "{text}");
        }
    }
}
