//! What there is to choose from: the bundled scenarios, and the files of the current folder.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::bundled;
use super::source::{file, here};
use crate::app::Offer;
use crate::text::escape;

/// A larger file is opened by its name: looking into it would hold the picker up.
const LARGEST: usize = 256 << 10;
/// Bytes that are looked through in all.
const IN_ALL: usize = 8 << 20;

/// The bundled scenarios.
#[must_use]
pub fn bundled() -> Vec<Offer> {
    bundled::ALL.iter().filter_map(|bundled| offer(bundled.name, bundled.text, true)).collect()
}

/// The bundled scenarios, then the files of the current folder that look like scenarios.
pub(super) fn all() -> Vec<Offer> {
    let mut offers = bundled();
    let mut left = IN_ALL;
    for name in here() {
        let Ok(bytes) = file(Path::new(&name), LARGEST.min(left)) else { continue };
        left -= bytes.len();
        offers.extend(String::from_utf8(bytes).ok().and_then(|text| offer(&name, &text, false)));
    }
    offers
}

/// What a text says of itself; `None` when it is no scenario at all.
fn offer(name: &str, text: &str, bundled: bool) -> Option<Offer> {
    let table = DeTable::parse(text).ok()?;
    let table = table.get_ref();
    let line = |key: &str| match table.get(key)?.get_ref() {
        DeValue::String(text) => Some(escape(text).replace('\n', " ")),
        _ => None,
    };
    if !table.contains_key("layer") && !table.contains_key("graph") {
        return None;
    }
    Some(Offer {
        name: name.to_owned(),
        title: line("title")?,
        summary: line("summary").unwrap_or_default(),
        source: line("source").unwrap_or_default(),
        bundled,
    })
}
