//! Errors of files that are not valid TOML. The TOML parser gives the position and the message; this module adds a help text.

use std::ops::Range;

use toml::de::{DeTable, Error};

use super::excerpt::quoted;
use super::extract::unclosed_string;
use super::fault::Diagnostic;

/// The beginning of a message of the TOML parser, and the help text for it. The first row that fits a message is used, so "unclosed array table" comes before
/// "unclosed array".
#[rustfmt::skip]
const HELP: &[(&str, &str)] = &[
    ("duplicate key", "keep one of the two; another layer begins with [[layer]], another sample with [[sample]]"),
    ("invalid mantissa", "a number has a digit before its point: 0.5"),
    ("invalid fraction", "a number has a digit after its point: 5.0"),
    ("invalid exponent", "write digits after the e: 1e-3"),
    ("unexpected leading zero", "leave out the 0 at the beginning of the number"),
    ("missing comma between array elements", "write a comma between two entries, and ] after the last one"),
    ("unclosed array table", "write two brackets at both ends: [[layer]]"),
    ("unclosed array", "add the ]"),
    ("unclosed table", "add the ]"),
    ("unclosed inline table", "add the }"),
    ("extra assignment between key-value pairs", "write a comma between two keys in braces: { init = \"normal\", seed = 1 }"),
    ("missing comma between key-value pairs", "write a comma between two keys in braces: { init = \"normal\", seed = 1 }"),
    ("extra comma", "leave the comma out"),
    ("key with no value", "write key = value"),
    ("missing assignment", "write key = value"),
    ("invalid key-value pair", "write key = value"),
    ("unexpected key or value", "write one key = value on each line; a comment begins with #"),
    ("invalid basic string, expected `\"`", "close the text with \" on this line"),
    ("missing opening quote", "write a text in quotes, \"…\""),
    ("missing escaped value", "write \\\\ for a backslash"),
    ("invalid unquoted key", "a key is made of letters from a to z, digits, - and _"),
    ("carriage return", "save the file with \\n or \\r\\n at the end of each line"),
];

/// Returns the parser's error for the first string before byte `at` that is not closed, and the range of the error.
///
/// The parser checks strings last. If a line lacks a closing quote, the parser may report another error in a line below it, such as an array that seems to be
/// unclosed. So the string alone is parsed again, to get its error.
fn unclosed_string_error(text: &str, at: usize) -> Option<(Error, Range<usize>)> {
    const KEY: &str = "a = ";
    let string = unclosed_string(text).filter(|string| string.start < at)?;
    let error = DeTable::parse(&format!("{KEY}{}", &text[string.clone()])).err()?;
    let span = error.span().filter(|span| span.start >= KEY.len())?;
    // converts a position in the text `a = …`, which is parsed here, to a position in `text`
    let position_in_text = |at: usize| string.start + at - KEY.len();
    Some((error, position_in_text(span.start)..position_in_text(span.end)))
}

/// Returns the diagnostic for a text that the parser rejects with `error`.
pub(super) fn diagnostic(error: &Error, text: &str) -> Diagnostic {
    let span = error.span().unwrap_or(text.len()..text.len());
    match unclosed_string_error(text, span.start) {
        Some((string_error, span)) => with_help(&string_error, span, text),
        None => with_help(error, span, text),
    }
}

/// Returns the diagnostic for an error of the parser at `span`, with a help text.
fn with_help(error: &Error, span: Range<usize>, text: &str) -> Diagnostic {
    let message = error.message();
    let text_from_error = text.get(span.start..).unwrap_or_default();
    let help = match HELP.iter().find(|(begin, _)| message.starts_with(begin)) {
        Some((_, help)) => (*help).to_owned(),
        None if message.starts_with("string values must be quoted") || message.starts_with("invalid boolean") => {
            unquoted_value_help(text_from_error)
        }
        None if ["None", "null", "nil"].iter().any(|none| text_from_error.trim_start().starts_with(none)) => {
            "TOML has no such value: leave the key out".to_owned()
        }
        None if message.starts_with("invalid float") => "a number is written as 12, -0.5 or 1e-3".to_owned(),
        None => String::new(),
    };
    Diagnostic { span: Some(span), message: format!("this is not TOML: {message}"), help, note: None }
}

/// Returns the help text for a value that is neither a number nor in quotes. `text_from_value` is the text of the file from the value on.
fn unquoted_value_help(text_from_value: &str) -> String {
    let word = text_from_value.split(['\n', '\r', ',', ']', '}', '#']).next().unwrap_or_default().trim();
    match word {
        "" => "write key = value".to_owned(),
        "True" | "False" => format!("write {}", word.to_lowercase()),
        _ if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            "write numbers in an array, with commas between them: [1, 2]; write a text in quotes".to_owned()
        }
        _ => format!("write a text in quotes: {}", quoted(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclosed_string_is_reported_instead_of_an_error_below_it() {
        let start_and_message = |text: &str| {
            let Diagnostic { span, message, .. } = diagnostic(&toml::de::DeTable::parse(text).expect_err(text), text);
            (span.expect("a position").start, message)
        };
        let string_error = "this is not TOML: invalid basic string, expected `\"`";
        for below in ["b = [1, 2\nc = [1]\n", "[c\n", "b = { c = 1\n"] {
            let (at, message) = start_and_message(&format!("# it's\na = \"\"\"\n\"\"\"\nb = \"b\nc = 'c'\n{below}"));
            // byte 25 is the end of the line `b = "b`, which lacks a closing quote. The quotes above it do not: that of `it's` is in a comment
            assert_eq!((at, message.as_str()), (25, string_error), "{below}");
        }
        // here, the unclosed array comes before the unclosed string
        let (at, message) = start_and_message("a = [1, 2\nb = \"b\n");
        assert!(at <= "a = [1, 2\n".len() && message != string_error, "{at}: {message}");
    }

    #[test]
    fn errors_of_the_toml_parser_have_help_texts() {
        let mut wrong = Vec::new();
        for (text, help) in [
            ("a = 1\na = 2", "keep one of the two; another layer begins with [[layer]], another sample with [[sample]]"),
            ("a = [.5]", "a number has a digit before its point: 0.5"),
            ("a = [5.]", "a number has a digit after its point: 5.0"),
            ("a = 1e", "write digits after the e: 1e-3"),
            ("a = 05", "leave out the 0 at the beginning of the number"),
            ("a = [1, 2\nb = 1", "write a comma between two entries, and ] after the last one"),
            ("a = [1, 2", "add the ]"),
            ("[[layer]\na = 1", "write two brackets at both ends: [[layer]]"),
            ("[train\na = 1", "add the ]"),
            ("a = { b = 1", "add the }"),
            ("a = { b = 1 c = 2 }", "write a comma between two keys in braces: { init = \"normal\", seed = 1 }"),
            ("a = [1,, 2]", "leave the comma out"),
            ("a: 1", "write key = value"),
            ("a 1", "write key = value"),
            ("{\"a\": 1}", "write key = value"),
            ("a = ", "write key = value"),
            ("a = 1 b = 2", "write one key = value on each line; a comment begins with #"),
            ("a = \"b\nc = 1", "close the text with \" on this line"),
            ("a = \"\\d\"", "write \\\\ for a backslash"),
            ("ä = 1", "a key is made of letters from a to z, digits, - and _"),
            ("a = relu\nb = 1", "write a text in quotes: \"relu\""),
            ("a = relu\"", "write a text in quotes, \"…\""),
            ("a = true_relu # b", "write a text in quotes: \"true_relu\""),
            ("a = True", "write true"),
            ("a = [1 2]", "write numbers in an array, with commas between them: [1, 2]; write a text in quotes"),
            ("a = 1.0.0", "a number is written as 12, -0.5 or 1e-3"),
            ("a = 1\rb = 1", "save the file with \\n or \\r\\n at the end of each line"),
        ] {
            let error = toml::de::DeTable::parse(text).expect_err(text);
            let found = diagnostic(&error, text).help;
            if found != help {
                wrong.push(format!("{text}: {}: {found}", error.message()));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
