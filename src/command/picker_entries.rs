//! The entries of the picker, the list of scenarios that `gradstep` opens: files that were opened before, the bundled scenarios, and the
//! scenario files of the current folder.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::bundled::{self, Bundled};
use super::read::read_file;
use super::recent::{self, RecentFile};
use super::source::scenario_files_in;
use crate::app::{ScenarioEntry, ScenarioGroup};
use crate::text::{line, sentence};

/// The size of the largest file that is read for its title, in bytes. A larger file would delay the picker.
const MAX_FILE_BYTES: usize = 256 << 10;
/// The largest number of bytes that are read from all files together.
const MAX_TOTAL_BYTES: usize = 8 << 20;

/// The entries of the bundled scenarios in the recommended order for learning.
#[must_use]
pub fn bundled() -> Vec<ScenarioEntry> {
    named(bundled::LEARNING)
}

/// Returns the entries of bundled scenarios with these names. A name that is not bundled gets an entry too, so that the rows keep their numbers.
#[must_use]
pub fn named(names: &[impl AsRef<str>]) -> Vec<ScenarioEntry> {
    let entry = |name: &str| {
        let found = bundled::find(name).and_then(bundled_entry);
        found.unwrap_or_else(|| untitled_entry(&line(name), "this program has no such scenario", ScenarioGroup::Bundled))
    };
    names.iter().map(|name| entry(name.as_ref())).collect()
}

/// The entries of the bundled scenarios, then those of the files in the current folder that are scenarios or cannot be read.
pub(super) fn all() -> Vec<ScenarioEntry> {
    with_files(&[])
}

/// The entries of the files that were opened before, newest first, then those of [`all`].
pub(super) fn all_with_recent() -> Vec<ScenarioEntry> {
    with_files(&recent::files())
}

/// The entries of `recent` files, then those of the bundled scenarios, then those of the other files in the current folder.
fn with_files(recent: &[RecentFile]) -> Vec<ScenarioEntry> {
    let mut bytes_left = MAX_TOTAL_BYTES;
    let mut entry = |name: &str, path: &Path, group| file_entry(name, path, group, &mut bytes_left);
    let mut entries: Vec<_> = recent.iter().filter_map(|file| entry(&file.name, &file.path, ScenarioGroup::Recent)).collect();
    entries.extend(bundled());
    let is_recent = |name: &String| recent.iter().any(|file| file.name == *name);
    let here = scenario_files_in(Path::new(".")).into_iter().filter(|name| !is_recent(name));
    entries.extend(here.filter_map(|name| entry(&name, Path::new(&name), ScenarioGroup::Folder)));
    entries
}

/// Returns an entry that has `reason` instead of a title.
fn untitled_entry(name: &str, reason: &str, group: ScenarioGroup) -> ScenarioEntry {
    ScenarioEntry { name: name.to_owned(), title: sentence(reason), summary: String::new(), source: String::new(), group }
}

/// The entry of a file; `None` if the file is not a scenario. If the file is too large or cannot be read, the title of the entry is the reason.
///
/// `bytes_left` is the number of bytes that may still be read; the size of the file is subtracted.
fn file_entry(name: &str, path: &Path, group: ScenarioGroup, bytes_left: &mut usize) -> Option<ScenarioEntry> {
    let metadata = path.metadata();
    if metadata.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
        return None;
    }
    let max_bytes = MAX_FILE_BYTES.min(*bytes_left);
    if metadata.is_ok_and(|metadata| metadata.len() > max_bytes as u64) {
        return Some(untitled_entry(name, "too large to show its title here", group));
    }
    match read_file(path, max_bytes) {
        Ok(bytes) => {
            *bytes_left -= bytes.len();
            String::from_utf8(bytes).ok().and_then(|text| text_entry(name, &text, group))
        }
        Err(error) => Some(untitled_entry(name, &format!("{error:#}"), group)),
    }
}

/// Returns the entry of a scenario text; `None` if the text is not a scenario.
///
/// Only the lines before the first table are parsed, because they have the title, the summary and the source. If these lines are not valid TOML, or if they do
/// not show a scenario with a title, the whole text is parsed.
fn text_entry(name: &str, text: &str, group: ScenarioGroup) -> Option<ScenarioEntry> {
    let (head, tables) = split_before_tables(text);
    let has_scenario_table = tables.lines().any(begins_scenario_table);
    DeTable::parse(head).ok().and_then(|head| table_entry(head.get_ref(), has_scenario_table, name, group)).or_else(|| {
        let is_known_scenario = false; // the whole table itself shows whether it is a scenario
        table_entry(DeTable::parse(text).ok()?.get_ref(), is_known_scenario, name, group)
    })
}

/// Returns the entry of a bundled scenario. In the text of a bundled scenario, the title, the summary and the source come before the notes; a test checks this.
fn bundled_entry(bundled: Bundled) -> Option<ScenarioEntry> {
    let before_notes = bundled.text.split_once("\nnotes = ").map_or(bundled.text, |(before, _)| before);
    let is_known_scenario = true;
    table_entry(DeTable::parse(before_notes).ok()?.get_ref(), is_known_scenario, bundled.name, ScenarioGroup::Bundled)
}

/// Splits a text before the first line that begins a table.
fn split_before_tables(text: &str) -> (&str, &str) {
    let first_table = if text.starts_with('[') { Some(0) } else { text.find("\n[").map(|newline| newline + 1) };
    text.split_at(first_table.unwrap_or(text.len()))
}

/// `true` if a line begins a table that only scenarios have: `[graph]`, `[[layer]]` or a table inside them, such as `[graph.x]`.
fn begins_scenario_table(line: &str) -> bool {
    let name = line.trim_start_matches('[').trim_start();
    let is_end_of_word = |rest: &str| rest.trim_start().starts_with([']', '.']);
    line.starts_with('[') && ["layer", "graph"].iter().any(|table| name.strip_prefix(table).is_some_and(is_end_of_word))
}

/// The entry of a parsed text; `None` if the text is not a scenario or has no title. If `is_known_scenario` is `false`, the text counts as a scenario only if
/// `table` has the key `layer` or `graph`.
fn table_entry(table: &DeTable<'_>, is_known_scenario: bool, name: &str, group: ScenarioGroup) -> Option<ScenarioEntry> {
    let text_of = |key: &str| match table.get(key)?.get_ref() {
        DeValue::String(text) => Some(sentence(text)),
        _ => None,
    };
    if !is_known_scenario && !table.contains_key("layer") && !table.contains_key("graph") {
        return None;
    }
    Some(ScenarioEntry {
        name: name.to_owned(),
        title: text_of("title")?,
        summary: text_of("summary").unwrap_or_default(),
        source: text_of("source").unwrap_or_default(),
        group,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_a_bundled_scenario_are_enough() {
        for bundled in bundled::ALL {
            let (head, tables) = split_before_tables(bundled.text);
            let entry = |text: &str, is_known_scenario: bool| {
                let table = DeTable::parse(text).expect("TOML");
                table_entry(table.get_ref(), is_known_scenario, bundled.name, ScenarioGroup::Bundled).expect("a title")
            };
            assert!(tables.lines().any(begins_scenario_table), "{}", bundled.name);
            assert!(head.len() < bundled.text.len());
            // the whole text has tables that only scenarios have; the head has no tables
            let (of_head, of_text) = (entry(head, /* is_known_scenario */ true), entry(bundled.text, /* is_known_scenario */ false));
            assert_eq!(format!("{of_head:?}"), format!("{of_text:?}"));
            assert_eq!(format!("{:?}", bundled_entry(*bundled)), format!("{:?}", Some(of_text)));
        }
    }

    #[test]
    fn an_unreadable_file_has_the_reason_in_place_of_its_title() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let scenario = "title = \"t\"\n[[layer]]\n";
        std::fs::write(path("right.toml"), scenario).expect("a file");
        std::fs::write(path("large.toml"), scenario.to_owned() + &" ".repeat(MAX_FILE_BYTES)).expect("a file");
        // tables whose names only begin as those of a scenario do
        std::fs::write(path("other.toml"), "title = \"t\"\n[graphics]\nlayer = 1\n[[layers]]\n").expect("a file");
        std::fs::create_dir(path("folder.toml")).expect("a folder");
        let title = |name: &str, mut bytes_left: usize| {
            file_entry(name, &path(name), ScenarioGroup::Folder, &mut bytes_left).map(|entry| entry.title)
        };
        assert_eq!(title("right.toml", MAX_TOTAL_BYTES).as_deref(), Some("t"));
        assert_eq!(title("large.toml", MAX_TOTAL_BYTES).as_deref(), Some("too large to show its title here"));
        // only 3 more bytes may be read
        assert_eq!(title("right.toml", 3).as_deref(), Some("too large to show its title here"));
        assert_eq!((title("other.toml", MAX_TOTAL_BYTES), title("folder.toml", MAX_TOTAL_BYTES)), (None, None));
        // a file that does not exist: a folder can list one, as a symbolic link whose target is gone
        assert!(title("gone.toml", MAX_TOTAL_BYTES).is_some_and(|title| title.starts_with("there is no file ")));
    }

    #[test]
    fn a_scenario_is_recognized_in_every_layout() {
        let title = |text: &str| text_entry("a", text, ScenarioGroup::Folder).map(|entry| entry.title);
        let expected = Some("t".to_owned());
        for text in [
            "title = \"t\"\n[[layer]]\n",
            "title = \"t\"\n[ graph ]\n",
            "title = \"t\"\ngraph = {}\n",
            "input = [[1],\n[2]]\ntitle = \"t\"\n[[layer]]\n",
            "title = \"t\"\nnotes = \"\"\"\n[1]\n\"\"\"\n[[layer]]\n",
            "layer = [\n[]]\ntitle = \"t\"\n",
        ] {
            assert_eq!(title(text), expected, "{text}");
        }
        for text in ["", "title = \"t\"", "title = \"t\"\n[package]\n", "[[layer]]\n", "title = \"t\"\n[dependencies]\nlayer = 1\n"] {
            assert_eq!(title(text), None, "{text}");
        }
    }
}
