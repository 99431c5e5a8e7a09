//! Reads the value of the key `padding`. It is a number `1`, a list `[1, 2]` or `[0, 1, 2, 3]`, or one of the words `"same"` and `"valid"`.

use toml::de::DeValue;

use super::reader::{ScenarioReader, TomlValue};
use crate::op::layer::Reported;
use crate::op::padding::Padding;
use crate::text::counted;
use crate::words::{self, Vocabulary};

/// Reads a padding along `axes` axes, 1 or 2: the implementation of [`Args::padding`](crate::op::layer::Args::padding).
pub(super) fn read(reader: &mut ScenarioReader, key: &str, value: &TomlValue<'_>, axes: usize) -> Result<Padding, Reported> {
    let forms = if axes == 1 {
        "an integer, [left, right], \"same\" or \"valid\""
    } else {
        "an integer, [vertical, horizontal], [top, bottom, left, right], \"same\" or \"valid\""
    };
    let on_axes = |[rows, columns]: [[usize; 2]; 2]| Padding::Places([if axes == 1 { [0, 0] } else { rows }, columns]);
    match value.get_ref() {
        DeValue::Integer(_) => {
            let n = reader.size(key, value, 0)?;
            Ok(on_axes([[n, n]; 2]))
        }
        DeValue::Array(items) => {
            let sizes: Vec<_> = items.iter().map(|item| reader.size(key, item, 0)).collect();
            let sizes = sizes.into_iter().collect::<Result<Vec<usize>, Reported>>()?;
            match (&sizes[..], axes) {
                (&[left, right], 1) => Ok(on_axes([[0, 0], [left, right]])),
                (&[vertical, horizontal], 2) => Ok(on_axes([[vertical, vertical], [horizontal, horizontal]])),
                (&[top, bottom, left, right], 2) => Ok(on_axes([[top, bottom], [left, right]])),
                _ => {
                    let message = format!("{key} has {}", counted(items.len(), "entry"));
                    Err(reader.report(value.span(), message, format!("write {forms}")))
                }
            }
        }
        DeValue::String(word) => match word.as_ref() {
            "same" => Ok(Padding::Same),
            "valid" => Ok(on_axes([[0, 0]; 2])),
            other => Err(reader.wrong_type(key, value, forms, &word_help(other))),
        },
        _ => Err(reader.wrong_type(key, value, forms, "")),
    }
}

/// Returns the help text for a word where numbers are needed; empty if there is none.
pub(super) fn word_help(word: &str) -> String {
    // no word of the format can replace this one, so the rows of this vocabulary have only help texts, and there are no candidates
    let (candidates, is_allowed) = (&[], |_: &str| false);
    words::table_help(Vocabulary::Padding, word, candidates, is_allowed).unwrap_or_default()
}
