//! Source positions for faults about missing keys. Such a fault points to the place at which the key can be added.

use toml::de::DeValue;

use super::reader::{Span, TomlTable};

/// Returns the position before the first key of the file.
pub(super) fn before_first_key(table: &TomlTable<'_>, text: &str) -> Span {
    let first = table.iter().map(|(key, _)| key.span().start).min().unwrap_or(0).min(text.len());
    // the span of a [header] begins after its bracket; the position goes back to the start of the line, and then forward to the first visible character
    let line = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let indentation = text[line..].len() - text[line..].trim_start().len();
    let start = line + indentation.min(first - line);
    start..start
}

/// Returns the position after the last top-level value that is neither a table nor an array of tables. It is before the first `[header]`: a key below a
/// `[header]` would belong to that table.
pub(super) fn after_top_level_keys(table: &TomlTable<'_>) -> Span {
    let is_table = |value: &DeValue<'_>| matches!(value, DeValue::Table(_));
    let end = table.iter().filter_map(|(_, value)| match value.get_ref() {
        DeValue::Table(_) => None,
        DeValue::Array(items) if items.iter().any(|item| is_table(item.get_ref())) => None,
        _ => Some(value.span().end),
    });
    let end = end.max().unwrap_or(0);
    end..end
}

/// Returns the position at the end of the file.
pub(super) fn at_end(text: &str) -> Span {
    text.len()..text.len()
}
