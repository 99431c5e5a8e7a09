//! What there is to choose from: the bundled scenarios, and the files of the current folder.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::bundled;
use super::read::file;
use super::source::here;
use crate::app::Offer;
use crate::text::sentence;

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

/// The title and the rest that the picker shows of a scenario; `None` for a text that is no scenario.
///
/// They are in its first lines, before any table, and the whole text is parsed only where these alone are no TOML.
fn offer(name: &str, text: &str, bundled: bool) -> Option<Offer> {
    let (head, tables) = split(text);
    DeTable::parse(head)
        .ok()
        .and_then(|head| described(head.get_ref(), tables.lines().any(is_scenario), name, bundled))
        .or_else(|| described(DeTable::parse(text).ok()?.get_ref(), false, name, bundled))
}

/// A text up to the first line that begins a table, and from there on.
fn split(text: &str) -> (&str, &str) {
    let first = if text.starts_with('[') { Some(0) } else { text.find("\n[").map(|place| place + 1) };
    text.split_at(first.unwrap_or(text.len()))
}

/// Whether a line begins a table that every scenario has.
fn is_scenario(line: &str) -> bool {
    let name = line.trim_start_matches('[').trim_start();
    line.starts_with('[') && ["layer", "graph"].iter().any(|table| name.starts_with(table))
}

fn described(table: &DeTable<'_>, is_scenario: bool, name: &str, bundled: bool) -> Option<Offer> {
    let line = |key: &str| match table.get(key)?.get_ref() {
        DeValue::String(text) => Some(sentence(text)),
        _ => None,
    };
    if !is_scenario && !table.contains_key("layer") && !table.contains_key("graph") {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_a_bundled_scenario_are_enough() {
        for bundled in bundled::ALL {
            let (head, tables) = split(bundled.text);
            assert!(tables.lines().any(is_scenario), "{}", bundled.name);
            assert!(head.len() < bundled.text.len());
            let head = described(DeTable::parse(head).expect("TOML").get_ref(), true, bundled.name, true).expect("a title");
            let whole = described(DeTable::parse(bundled.text).expect("TOML").get_ref(), false, bundled.name, true).expect("a title");
            assert_eq!(format!("{head:?}"), format!("{whole:?}"));
        }
    }

    #[test]
    fn a_scenario_is_known_however_it_is_laid_out() {
        let title = |text: &str| offer("a", text, false).map(|offer| offer.title);
        let known = Some("t".to_owned());
        for text in [
            "title = \"t\"\n[[layer]]\n",
            "title = \"t\"\n[ graph ]\n",
            "title = \"t\"\ngraph = {}\n",
            "input = [[1],\n[2]]\ntitle = \"t\"\n[[layer]]\n",
            "title = \"t\"\nnotes = \"\"\"\n[1]\n\"\"\"\n[[layer]]\n",
            "layer = [\n[]]\ntitle = \"t\"\n",
        ] {
            assert_eq!(title(text), known, "{text}");
        }
        for text in ["", "title = \"t\"", "title = \"t\"\n[package]\n", "[[layer]]\n", "title = \"t\"\n[dependencies]\nlayer = 1\n"] {
            assert_eq!(title(text), None, "{text}");
        }
    }
}
