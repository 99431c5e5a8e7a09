//! Takes large arrays of numbers out of a scenario's text before the TOML parser reads it. For such arrays, the TOML parser needs about ten times as much time
//! as this module, and about 40 bytes of memory for each byte of text.
//!
//! For example, `weight = [1, 2, 3, 4, 5, 6, 7, 8]` becomes `weight = 00:00:00`. The array is stored in a map under the position of the `00:00:00`. Only
//! rectangular arrays of valid numbers are taken out. An array with a fault stays in the text, so that the parser reports it.

use std::collections::HashMap;
use std::ops::Range;

use super::MAX_BYTES;
use super::number::{self, NumberKind};

/// The smallest number of entries of an extracted array. Smaller arrays save no time, and pairs such as `kernel_size = [2, 3]` are not tensors.
const MIN_ENTRIES: usize = 8;
/// The largest number of dimensions of an extracted array. No tensor of the format has more.
const MAX_DEPTH: usize = 8;
/// The placeholder for an array: a time of day. No key of the format takes a time. So if the key does not take an array either, the placeholder is still an
/// error.
const PLACEHOLDER: &str = "00:00:00";

/// The shape of an array, and its numbers in row-major order.
pub(super) type Array = (Vec<usize>, Vec<f64>);

/// A text without its large arrays of numbers.
#[derive(Debug)]
pub(super) struct Extracted {
    /// The text. Each array is replaced by a placeholder and by the array's line breaks, so that line numbers stay the same.
    pub text: String,
    /// The arrays by the position of their placeholder in `text`.
    pub arrays: HashMap<usize, Array>,
}

/// Takes the large arrays of numbers out of a text. Returns `None` if the text has none, or if it is too long. A text with a TOML error still has a TOML error
/// afterwards.
pub(super) fn extract(text: &str) -> Option<Extracted> {
    let bytes = Some(text.as_bytes()).filter(|bytes| bytes.len() <= MAX_BYTES)?;
    let mut extracted = Extracted { text: String::new(), arrays: HashMap::new() };
    // `at` is the current position; the text before `copied` is already copied to the result
    let (mut at, mut copied) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'#' => line_end(bytes, at),
            b'"' | b'\'' => {
                let (Ok(end) | Err(end)) = string_end(bytes, at);
                end
            }
            // the value of a key begins here; a `=` in a string or a comment is not reached
            b'=' => {
                let blanks = bytes[at + 1..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                let start = at + 1 + blanks;
                match parse_array(text, start) {
                    Some((array, end)) => {
                        extracted.text.push_str(&text[copied..start]);
                        extracted.arrays.insert(extracted.text.len(), array);
                        extracted.text.push_str(PLACEHOLDER);
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

/// Returns the position of the line break after `at`, or the end of the text.
fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// Returns the range of the first single-line string (not `"""` or `'''`) that has no closing quote. It goes from the opening quote to the end of the line.
/// In the last line, such a string is found only if a line break follows.
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

/// Returns the end of the string that begins at `at`. If the string has no closing quote, the error is the position at which the search stops: the next line
/// break, or the end of the text for a `"""` or `'''` string, which may contain line breaks.
fn string_end(bytes: &[u8], at: usize) -> Result<usize, usize> {
    let quote = bytes[at];
    let is_multiline = bytes[at..].starts_with(&[quote; 3]);
    let delimiter = &[quote; 3][..if is_multiline { 3 } else { 1 }];
    let mut end = at + delimiter.len();
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'\\' if quote == b'"' => end += 1, // skips the escaped character too
            b'\n' if !is_multiline => return Err(end),
            _ if bytes[end..].starts_with(delimiter) => return Ok(end + delimiter.len()),
            _ => {}
        }
        end += 1;
    }
    Err(bytes.len())
}

/// Parses the array of numbers that begins at `at`. Returns the array and its end. Returns `None` if the array must stay in the text.
fn parse_array(text: &str, mut at: usize) -> Option<(Array, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    let mut data = Vec::new();
    // the length of the arrays at each depth; it is known when the first array of this depth ends
    let mut shape: Vec<Option<usize>> = Vec::new();
    // the number of items so far in each open array, the outermost first
    let mut open_counts: Vec<usize> = Vec::new();
    // true if an item may come next, false directly after an item
    let mut expects_item = true;
    loop {
        match *bytes.get(at)? {
            b' ' | b'\t' | b'\n' => at += 1,
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => at += 2,
            b',' if !expects_item => {
                expects_item = true;
                at += 1;
            }
            b'[' if expects_item && open_counts.len() < MAX_DEPTH => {
                if open_counts.len() == shape.len() {
                    if !data.is_empty() {
                        return None; // ragged: nested deeper than the numbers before it
                    }
                    shape.push(None);
                }
                open_counts.push(0);
                at += 1;
            }
            b']' => {
                let count = open_counts.pop()?;
                if count == 0 || *shape[open_counts.len()].get_or_insert(count) != count {
                    return None; // empty, or ragged: not as long as the first array of this depth
                }
                at += 1;
                let Some(outer_count) = open_counts.last_mut() else { break };
                *outer_count += 1;
                expects_item = false;
            }
            b'0'..=b'9' | b'+' | b'-' if expects_item && open_counts.len() == shape.len() => {
                let (end, kind) = number_end(bytes, at)?;
                data.push(number::from_toml(&text[at..end], kind).ok()?);
                *open_counts.last_mut()? += 1;
                expects_item = false;
                at = end;
            }
            _ => return None,
        }
    }
    // the next character must end the array: `[1, 2].5` is an error, but with the placeholder it would become the valid time 00:00:00.5
    let is_delimited = bytes.get(at).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'}' | b'#'));
    let shape: Option<Vec<usize>> = shape.into_iter().collect();
    Some(((shape?, data), at)).filter(|((_, data), _)| is_delimited && data.len() >= MIN_ENTRIES)
}

/// Returns the end and the type of the decimal number that begins at `at`. Returns `None` for an invalid number, and for rare numbers that the TOML parser
/// reads, such as `1_000` and `0xff`.
fn number_end(bytes: &[u8], at: usize) -> Option<(usize, NumberKind)> {
    // each of these two functions skips something and returns the position after it; `after_digits` needs at least one digit
    let after_sign = |at: usize| at + usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
    let after_digits = |at: usize| Some(at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()).filter(|&end| end > at);
    let start = after_sign(at);
    let mut end = after_digits(start)?;
    if bytes[start] == b'0' && end > start + 1 {
        return None; // TOML forbids a leading zero
    }
    let mut kind = NumberKind::Integer;
    if bytes.get(end) == Some(&b'.') {
        (end, kind) = (after_digits(end + 1)?, NumberKind::Float);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        (end, kind) = (after_digits(after_sign(end + 1))?, NumberKind::Float);
    }
    matches!(bytes.get(end), Some(b',' | b']' | b' ' | b'\t' | b'\r' | b'\n')).then_some((end, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text without its arrays, and the arrays in their order.
    fn extracted(text: &str) -> Option<(String, Vec<Array>)> {
        let Extracted { text, arrays } = extract(text)?;
        let mut arrays: Vec<(usize, Array)> = arrays.into_iter().collect();
        arrays.sort_by_key(|(at, _)| *at);
        assert!(arrays.iter().all(|(at, _)| text[*at..].starts_with(PLACEHOLDER)));
        Some((text, arrays.into_iter().map(|(_, array)| array).collect()))
    }

    #[test]
    fn rectangular_arrays_of_numbers_are_extracted() {
        // b has a comment, and c has the number 1_0
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
            assert!(extracted(&format!("{text}\n{array}")).is_some_and(|(rest, _)| rest == format!("{text}\nb = {PLACEHOLDER}")), "{text}");
        }
        for text in ["a = 'it' # it's", "a = \"\"\"b\"\"\"\"", "a = \"\\\\\"", "\"a=b\" = ''", "a = \"open"] {
            assert!(extracted(&format!("{text}\n{array}")).is_some(), "{text}");
        }
    }
}
