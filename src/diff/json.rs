//! Reads JSON with tensors: nested arrays of numbers, in objects.
//!
//! Programs write NaN and infinities in several ways that JSON does not have: `NaN`, `-Infinity`, `"nan"`, `"-inf"`. All of them are read. A key that occurs
//! twice is an error.

use std::collections::HashMap;

use crate::tensor::shape_text;
use crate::weights::WeightsError;

/// The largest depth of nested arrays and objects.
const MAX_DEPTH: usize = 40;

/// A value of a JSON text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum JsonValue {
    /// A number, or a text such as `"-inf"`.
    Number(f64),
    /// A nested array of numbers, all of whose rows have the same length.
    Tensor { shape: Vec<usize>, values: Vec<f64> },
    /// An object, in its order.
    Object(Vec<(String, JsonValue)>),
    /// An array of other values.
    List(Vec<JsonValue>),
    /// A text, a boolean or null.
    Other,
}

/// Parses a JSON text.
///
/// # Errors
/// A message with line and column.
pub(super) fn parse(bytes: &[u8]) -> Result<JsonValue, WeightsError> {
    // a byte order mark
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let place = place(bytes, error.valid_up_to());
        WeightsError::new(format!("{place}: this is not UTF-8"), "save the JSON as UTF-8")
    })?;
    let mut parser = Parser { bytes: text.as_bytes(), text, at: 0, depth: 0 };
    let value = parser.value()?;
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.error(parser.at, "there is more text after the end of the value", "a file has one object")),
    }
}

/// Returns the text `line 3, column 7` of a position.
fn place(bytes: &[u8], at: usize) -> String {
    let before = &bytes[..at.min(bytes.len())];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let line = before.split(|b| *b == b'\n').count();
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    format!("line {line}, column {column}")
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, at: usize, message: &str, help: &str) -> WeightsError {
        WeightsError::new(format!("{}: {message}", place(self.bytes, at)), help)
    }

    /// Skips blanks and returns the next byte.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn unexpected(&mut self, expected: &str) -> WeightsError {
        let found = self.peek().and_then(|_| self.text[self.at..].chars().next());
        let found = found.map_or_else(|| "the end of the file".to_owned(), |c| format!("\"{c}\""));
        let help = if self.at >= self.bytes.len() { "the file is incomplete" } else { "" };
        self.error(self.at, &format!("expected {expected}, not {found}"), help)
    }

    fn value(&mut self) -> Result<JsonValue, WeightsError> {
        match self.peek() {
            Some(open @ (b'{' | b'[')) => {
                if self.depth == MAX_DEPTH {
                    return Err(self.error(self.at, &format!("arrays and objects are nested deeper than {MAX_DEPTH}"), ""));
                }
                self.depth += 1;
                self.at += 1;
                let value = if open == b'{' { self.object() } else { self.list() };
                self.depth -= 1;
                value
            }
            Some(b'"') => Ok(number_of_text(&self.string()?).map_or(JsonValue::Other, JsonValue::Number)),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => self.word(),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Reads a number, or a name such as `true` or `NaN`.
    fn word(&mut self) -> Result<JsonValue, WeightsError> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        match word {
            "true" | "false" | "null" => return Ok(JsonValue::Other),
            _ => {}
        }
        let number = number_of_text(word);
        number.map(JsonValue::Number).ok_or_else(|| {
            let shown = crate::text::cut(word, 40);
            self.error(start, &format!("\"{shown}\" is not a number"), "write numbers such as -0.5, 1e-3, NaN or Infinity")
        })
    }

    fn string(&mut self) -> Result<String, WeightsError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                Some(b'\\') => self.at += 2,
                Some(b'"') => break,
                Some(_) => self.at += 1,
                None => return Err(self.error(start, "this text has no end", "the file is incomplete")),
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(quoted)
            .map_err(|_| self.error(start, "this text is not valid JSON", "escape \\ as \\\\ and control characters as \\u0000"))
    }

    fn object(&mut self) -> Result<JsonValue, WeightsError> {
        let (mut fields, mut seen) = (Vec::new(), HashMap::new());
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(JsonValue::Object(fields));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in quotes"));
            }
            let start = self.at;
            let name = self.string()?;
            if let Some(first) = seen.insert(name.clone(), start) {
                let first = place(self.bytes, first);
                return Err(self.error(start, &format!("\"{name}\" is there twice, first in {first}"), "keep one of them"));
            }
            if self.peek() != Some(b':') {
                return Err(self.unexpected("a colon"));
            }
            self.at += 1;
            fields.push((name, self.value()?));
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(JsonValue::Object(fields));
                }
                _ => return Err(self.unexpected("a comma or }")),
            }
        }
    }

    fn list(&mut self) -> Result<JsonValue, WeightsError> {
        // numbers and tensors are appended to `values`, other items to `items`; `shape` is the shape of each item so far, or `None` if the items are no tensors
        let (mut items, mut values, mut shape, mut count) = (Vec::new(), Vec::new(), None::<Vec<usize>>, 0);
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(JsonValue::Tensor { shape: vec![0], values });
        }
        loop {
            self.peek();
            let start = self.at;
            // the shape of the item; `None` if it is no tensor
            let item_shape = match self.value()? {
                JsonValue::Number(number) => {
                    values.push(number);
                    Some(Vec::new())
                }
                JsonValue::Tensor { shape: item_shape, values: item_values } => {
                    values.extend(item_values);
                    Some(item_shape)
                }
                other => {
                    items.push(other);
                    None
                }
            };
            if count > 0 && item_shape != shape {
                return Err(self.ragged(start, shape.as_deref(), item_shape.as_deref()));
            }
            shape = item_shape;
            count += 1;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("a comma or ]")),
            }
        }
        self.at += 1;
        Ok(match shape {
            Some(mut shape) => {
                shape.insert(0, count);
                JsonValue::Tensor { shape, values }
            }
            None => JsonValue::List(items),
        })
    }

    /// The error for an item with another shape than the previous item.
    fn ragged(&self, at: usize, before: Option<&[usize]>, item_shape: Option<&[usize]>) -> WeightsError {
        let words = |shape: Option<&[usize]>| match shape {
            None => "no number".to_owned(),
            Some([]) => "a number".to_owned(),
            Some([n]) => format!("a row of {n}"),
            Some(shape) => shape_text(shape),
        };
        let help =
            if item_shape.is_none() { "write NaN for a number that is missing" } else { "all rows of a tensor have the same length" };
        self.error(at, &format!("this is {}, but the entry before it is {}", words(item_shape), words(before)), help)
    }
}

/// Reads a number: also `NaN`, `inf` and `-Infinity`.
fn number_of_text(text: &str) -> Option<f64> {
    let text = text.trim();
    // 400 bytes are enough for 1e308 and 5e-324 without an exponent
    let is_short = text.len() <= 400;
    text.parse().ok().filter(|_| is_short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_programs_write_them() {
        let parsed =
            parse(b"\xef\xbb\xbf{\"a\": [[1, -2.5e-3], [\"nan\", -Infinity]], \"b\": {\"c\": 4, \"d\": [null]}, \"e\": []}").unwrap();
        let JsonValue::Object(fields) = &parsed else { panic!("{parsed:?}") };
        let JsonValue::Tensor { shape, values } = &fields[0].1 else { panic!("{parsed:?}") };
        assert_eq!((&shape[..], &values[..2]), (&[2, 2][..], &[1.0, -2.5e-3][..]));
        assert!(values[2].is_nan() && values[3] == f64::NEG_INFINITY);
        let inner = vec![("c".to_owned(), JsonValue::Number(4.0)), ("d".to_owned(), JsonValue::List(vec![JsonValue::Other]))];
        assert_eq!(fields[1].1, JsonValue::Object(inner));
    }

    #[test]
    fn each_fault_has_its_place() {
        let deep = "[".repeat(100);
        for (text, message) in [
            ("{\"a\": [1, 2}", "line 1, column 12: expected a comma or ], not \"}\""),
            ("{\"a\": [1, 2", "line 1, column 12: expected a comma or ], not the end of the file"),
            ("{\"a\": 1,\n \"a\": 2}", "line 2, column 2: \"a\" is there twice, first in line 1, column 2"),
            ("{\"a\": [[1, 2], [3]]}", "line 1, column 16: this is a row of 1, but the entry before it is a row of 2"),
            ("{\"a\": [1, null]}", "line 1, column 11: this is no number, but the entry before it is a number"),
            ("{\"a\": [1, x]}", "line 1, column 11: \"x\" is not a number"),
            ("{a: 1}", "line 1, column 2: expected a name in quotes, not \"a\""),
            ("{\"a\": \"", "line 1, column 7: this text has no end"),
            ("1 2", "line 1, column 3: there is more text after the end of the value"),
            ("", "line 1, column 1: expected a value, not the end of the file"),
            (&deep, "line 1, column 41: arrays and objects are nested deeper than 40"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().message, message, "{text}");
        }
        assert_eq!(parse(b"{\"\xff\": 1}").unwrap_err().message, "line 1, column 3: this is not UTF-8");
    }
}
