//! The scenario files that were opened last. Their absolute paths are in the file `$XDG_STATE_HOME/gradstep/recent`, one on each line, the newest first. If
//! this file cannot be read, the list is empty; if it cannot be written, it stays as it is. No error is reported.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::journal::state_folder;
use super::read::{display_name, read_file};
use super::source::is_path;
use crate::output::{self, disk};

/// The largest number of files in the list.
const MAX_FILES: usize = 8;
/// The size of the largest list that is read, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// A file that was opened before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecentFile {
    /// The text that opens it: the path from the current folder if the file is in it, and if this text cannot mean a bundled scenario; otherwise the absolute
    /// path.
    pub name: String,
    /// The path.
    pub path: PathBuf,
}

/// Returns the files that were opened before and still exist, newest first.
pub(super) fn files() -> Vec<RecentFile> {
    let paths = state_folder().map(|folder| paths(&folder)).unwrap_or_default();
    let here = fs::canonicalize(".").unwrap_or_default();
    paths.into_iter().filter(|path| path.is_file()).map(|path| RecentFile { name: name_from(&here, &path), path }).collect()
}

/// Puts a file at the head of the list.
pub(super) fn add(path: &Path) {
    if let Some(folder) = state_folder() {
        // an error is ignored, because the scenario is open in any case
        let _ = add_in(&folder, path);
    }
}

/// Returns the text that opens a file from the folder `here`.
fn name_from(here: &Path, path: &Path) -> String {
    // a name without a separator and without .toml could also mean a bundled scenario
    let inside = path.strip_prefix(here).ok().filter(|name| is_path(name.as_os_str()));
    inside.unwrap_or(path).to_string_lossy().into_owned()
}

/// Returns the paths in the list. A line is left out if it is not an absolute path, or if the screen would show it differently.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let bytes = read_file(&folder.join("recent"), MAX_BYTES).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter(|line| is_listed(Path::new(line))).take(MAX_FILES).map(PathBuf::from).collect()
}

/// Returns whether a path can be in the list. It must be absolute. The screen must show it unchanged, because the picker opens a file by the text that it
/// shows.
fn is_listed(path: &Path) -> bool {
    path.is_absolute() && path.to_str().is_some_and(|text| display_name(path) == text)
}

fn add_in(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let path = fs::canonicalize(path)?;
    if !is_listed(&path) {
        return Ok(());
    }
    let before = paths(folder);
    if before.first() == Some(&path) {
        return Ok(());
    }
    let others = before.iter().filter(|other| **other != path);
    let lines = std::iter::once(&path).chain(others).take(MAX_FILES).map(|path| format!("{}\n", path.display()));
    let text: String = lines.collect();
    disk::create_folders(folder)?;
    let mut to = output::replacement(&folder.join("recent"))?;
    to.raw().write_all(text.as_bytes())?;
    to.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_eight_files_are_kept_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let path = |name: &str| fs::canonicalize(folder.path()).unwrap().join(name);
        for name in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "3", "with\nnewline"] {
            fs::write(path(name), "").unwrap();
            add_in(&state, &path(name)).unwrap();
        }
        assert_eq!(paths(&state), ["3", "9", "8", "7", "6", "5", "4", "2"].map(path));
        assert!(add_in(&state, &path("gone")).is_err());
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn damaged_lines_are_left_out_and_a_list_that_is_missing_or_too_large_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(paths(folder.path()), Vec::<PathBuf>::new());
        fs::write(folder.path().join("recent"), b"relative.toml\n/a\x1b[31m.toml\n\xff\n\n/b.toml\r\n").unwrap();
        assert_eq!(paths(folder.path()), [PathBuf::from("/b.toml")]);
        fs::write(folder.path().join("recent"), vec![b'/'; MAX_BYTES + 1]).unwrap();
        assert_eq!(paths(folder.path()), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_file_in_the_current_folder_has_a_short_name() {
        let name = |path: &str| name_from(Path::new("/home/maria"), Path::new(path));
        assert_eq!(name("/home/maria/net.toml"), "net.toml");
        assert_eq!(name("/home/maria/lab/net.toml"), "lab/net.toml");
        assert_eq!(name("/home/maria/xor"), "/home/maria/xor", "xor alone is the bundled one");
        assert_eq!(name("/srv/net.toml"), "/srv/net.toml");
    }
}
