//! Reads the numbers of a text, such as `12`, `0xff`, `1_000` and `1.5e-3`.

use super::super::characters::continues_name;
use super::{LexicalFault, TokenKind};

/// Returns the length of the digits at the beginning of a text. A single `_` may be between two digits.
fn digits_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut length = 0;
    while is_digit(length) || (length > 0 && bytes.get(length) == Some(&b'_') && is_digit(length + 1)) {
        length += 1;
    }
    length
}

/// Returns the length and the value of the number at the beginning of a text.
pub(super) fn number(text: &str) -> (usize, TokenKind) {
    let bytes = text.as_bytes();
    let radix = match bytes.get(..2) {
        Some(b"0x" | b"0X") => 16,
        Some(b"0o" | b"0O") => 8,
        Some(b"0b" | b"0B") => 2,
        _ => 10,
    };
    if radix != 10 {
        let length = text.find(|c: char| !continues_name(c)).unwrap_or(text.len());
        let digits = text[2..length].replace('_', "");
        // a single `_` may be before a digit
        let has_wrong_underscore = text[..length].contains("__") || text[..length].ends_with('_');
        let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)) && !has_wrong_underscore;
        let kind = if is_number { integer(&digits, radix) } else { TokenKind::Fault(LexicalFault::NotANumber) };
        return (length, kind);
    }
    let mut length = digits_length(text);
    let mut is_integer = true;
    if text[length..].starts_with('.') {
        is_integer = false;
        length += 1 + digits_length(&text[length + 1..]);
    }
    if text[length..].starts_with(['e', 'E']) {
        let sign = usize::from(text[length + 1..].starts_with(['+', '-']));
        let exponent = digits_length(&text[length + 1 + sign..]);
        if exponent > 0 {
            is_integer = false;
            length += 1 + sign + exponent;
        }
    }
    let digits = text[..length].replace('_', "");
    (length, if is_integer { integer(&digits, radix) } else { float(&digits) })
}

fn integer(digits: &str, radix: u32) -> TokenKind {
    i64::from_str_radix(digits, radix).map_or(TokenKind::Fault(LexicalFault::IntegerTooLarge), TokenKind::Integer)
}

fn float(text: &str) -> TokenKind {
    let Ok(value) = text.parse::<f64>() else { return TokenKind::Fault(LexicalFault::NotANumber) };
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    if value.is_infinite() {
        TokenKind::Fault(LexicalFault::FloatTooLarge)
    } else if value == 0.0 && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        TokenKind::Fault(LexicalFault::FloatTooSmall)
    } else {
        TokenKind::Float(value)
    }
}
