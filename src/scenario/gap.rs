//! Source positions for missing keys: the place where the key should be added.

use toml::de::DeValue;

use super::reader::{Span, TomlTable};

/// Returns the position before the first key of the file.
pub(super) fn before_all(table: &TomlTable<'_>, text: &str) -> Span {
    let first = table.iter().map(|(key, _)| key.span().start).min().unwrap_or(0).min(text.len());
    // the span of a [header] begins after its bracket, so go back to the start of the line
    let line = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let start = line + (text[line..].len() - text[line..].trim_start().len()).min(first - line);
    start..start
}

/// Returns the position after the last top-level key. A key below a `[header]` would belong to that table.
pub(super) fn after_keys(table: &TomlTable<'_>) -> Span {
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
pub(super) fn after_all(text: &str) -> Span {
    text.len()..text.len()
}
