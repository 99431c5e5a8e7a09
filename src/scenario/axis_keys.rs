//! The keys of a scenario file that name an order of axes.

use super::axes::{FileLayout, IMAGE_LAYOUT, IMAGES, LAYOUT};
use super::excerpt::quoted;
use super::reader::{ScenarioReader, TomlTable};
use crate::op::layer::Reported;
use crate::words::suggest;

/// Reads the keys `layout` and `image_layout` of a file.
pub(super) fn file_layout(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> FileLayout {
    let layout = word(reader, table, LAYOUT, &["pytorch", "keras"]).ok().flatten();
    let image_layout = word(reader, table, IMAGE_LAYOUT, &IMAGES.map(|order| order.name)).ok().flatten();
    FileLayout::new(layout, image_layout)
}

/// Reads a key whose value is one of `words`.
pub(super) fn word<'t>(
    reader: &mut ScenarioReader,
    table: &'t TomlTable<'_>,
    key: &str,
    words: &[&str],
) -> Result<Option<&'t str>, Reported> {
    let Some((found, span)) = reader.string(table, key)? else { return Ok(None) };
    if words.contains(&found) {
        return Ok(Some(found));
    }
    Err(reader.report(span, format!("{key} cannot be {}", quoted(found)), suggest::help(found, words)))
}

/// The largest number of weights that [`remark`] names.
const MAX_NAMED: usize = 6;

/// Returns a sentence about the tensors whose axes have another order in the file than on the screen; `None` if there are none.
pub(super) fn remark(reader: &ScenarioReader) -> Option<String> {
    let images = reader.layout.image().map(|order| ("images".to_owned(), order.words));
    let (named, more) = reader.reordered.split_at(reader.reordered.len().min(MAX_NAMED));
    let mut parts: Vec<String> = images.iter().chain(named).map(|(name, words)| format!("{name} as {words}")).collect();
    if !more.is_empty() {
        parts.push(format!("{} more weights in such an order", more.len()));
    }
    let list = parts.join(", ");
    (!parts.is_empty()).then(|| format!("The file has {list}; here all shapes, indices and numbers are in PyTorch's order."))
}
