//! Where what a file leaves out belongs: the place of a fault that no text of the file has.

use toml::de::DeValue;

use super::reader::{Span, TomlTable};

/// Before the first key of the file.
pub(super) fn before_all(table: &TomlTable<'_>, text: &str) -> Span {
    let first = table.iter().map(|(key, _)| key.span().start).min().unwrap_or(0).min(text.len());
    // of a [header] the bracket
    let line = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let start = line + (text[line..].len() - text[line..].trim_start().len()).min(first - line);
    start..start
}

/// After the last of the file's own keys, where there is room for another: below a [header] it would be that table's.
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

/// Vocabulary the end of the file.
pub(super) fn after_all(text: &str) -> Span {
    text.len()..text.len()
}
