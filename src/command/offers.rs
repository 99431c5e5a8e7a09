//! The entries of the picker: the bundled scenarios, and the files of the current folder.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::bundled;
use super::read::file;
use super::source::here;
use crate::app::ScenarioEntry;
use crate::text::sentence;

/// The size of the largest file that is read for its title, in bytes. Reading larger ones would delay the picker.
const LARGEST: usize = 256 << 10;
/// The largest number of bytes that are read from all files together.
const IN_ALL: usize = 8 << 20;

/// The bundled scenarios.
#[must_use]
pub fn bundled() -> Vec<ScenarioEntry> {
    bundled::ALL.iter().filter_map(|bundled| offer(bundled.name, bundled.text, true)).collect()
}

/// The bundled scenarios, then the files of the current folder that are scenarios, and those that may be.
pub(super) fn all() -> Vec<ScenarioEntry> {
    let mut offers = bundled();
    let mut left = IN_ALL;
    offers.extend(here().iter().filter_map(|name| of_file(name, Path::new(name), &mut left)));
    offers
}

/// The entry of a file, or `None` if it is not a scenario. A file that is too large or cannot be read has the reason in place of its title.
/// `left` is the number of bytes that may still be read.
fn of_file(name: &str, path: &Path, left: &mut usize) -> Option<ScenarioEntry> {
    let about = path.metadata();
    if about.as_ref().is_ok_and(|about| !about.is_file()) {
        return None;
    }
    let titled = |title: String| ScenarioEntry {
        name: name.to_owned(),
        title: sentence(&title),
        summary: String::new(),
        source: String::new(),
        bundled: false,
    };
    let most = LARGEST.min(*left);
    if about.is_ok_and(|about| about.len() > most as u64) {
        return Some(titled("too large to show its title here".to_owned()));
    }
    match file(path, most) {
        Ok(bytes) => {
            *left -= bytes.len();
            String::from_utf8(bytes).ok().and_then(|text| offer(name, &text, false))
        }
        Err(error) => Some(titled(format!("{error:#}"))),
    }
}

/// The entry of a scenario, or `None` for a text that is not a scenario.
///
/// The title, summary and source are in the first lines, before any table. The whole text is parsed only if these lines alone are not TOML.
fn offer(name: &str, text: &str, bundled: bool) -> Option<ScenarioEntry> {
    let (head, tables) = split(text);
    DeTable::parse(head)
        .ok()
        .and_then(|head| described(head.get_ref(), tables.lines().any(is_scenario), name, bundled))
        .or_else(|| described(DeTable::parse(text).ok()?.get_ref(), false, name, bundled))
}

/// Splits a text before the first line that begins a table.
fn split(text: &str) -> (&str, &str) {
    let first = if text.starts_with('[') { Some(0) } else { text.find("\n[").map(|place| place + 1) };
    text.split_at(first.unwrap_or(text.len()))
}

/// Returns whether a line begins a table that only scenarios have.
fn is_scenario(line: &str) -> bool {
    let name = line.trim_start_matches('[').trim_start();
    line.starts_with('[') && ["layer", "graph"].iter().any(|table| name.starts_with(table))
}

fn described(table: &DeTable<'_>, is_scenario: bool, name: &str, bundled: bool) -> Option<ScenarioEntry> {
    let line = |key: &str| match table.get(key)?.get_ref() {
        DeValue::String(text) => Some(sentence(text)),
        _ => None,
    };
    if !is_scenario && !table.contains_key("layer") && !table.contains_key("graph") {
        return None;
    }
    Some(ScenarioEntry {
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
    fn an_unreadable_file_has_the_reason_in_place_of_its_title() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let scenario = "title = \"t\"\n[[layer]]\n";
        std::fs::write(path("right.toml"), scenario).expect("a file");
        std::fs::write(path("large.toml"), scenario.to_owned() + &" ".repeat(LARGEST)).expect("a file");
        std::fs::write(path("other.toml"), "[package]\n").expect("a file");
        std::fs::create_dir(path("folder.toml")).expect("a folder");
        let title = |name: &str, mut left: usize| of_file(name, &path(name), &mut left).map(|offer| offer.title);
        assert_eq!(title("right.toml", IN_ALL).as_deref(), Some("t"));
        assert_eq!(title("large.toml", IN_ALL).as_deref(), Some("too large to show its title here"));
        assert_eq!(title("right.toml", 3).as_deref(), Some("too large to show its title here"));
        assert_eq!((title("other.toml", IN_ALL), title("folder.toml", IN_ALL)), (None, None));
        // a link that leads nowhere is listed by the folder
        assert!(title("gone.toml", IN_ALL).is_some_and(|title| title.starts_with("there is no file ")));
    }

    #[test]
    fn a_scenario_is_recognized_in_every_layout() {
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
