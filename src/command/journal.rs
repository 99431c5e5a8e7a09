//! Journals: files in the state folder with unsaved edits. They keep the edits after a crash or Ctrl-C.
//!
//! A journal belongs to one scenario. It is in `$XDG_STATE_HOME/gradstep/edits` or `~/.local/state/gradstep/edits`. Each change of the edits appends a line of
//! JSON with all edits: `[["fc1.weight[0,1]",0.5]]`. Only the last complete line counts. So a crash while a line is written loses only this line. The program
//! locks its open journal. A journal without a lock comes from a program that ended with unsaved edits.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::output::disk::{self, DiskFile};

/// The names of edited numbers as a user types them, with their values.
pub type EditedNumbers = Vec<(String, f64)>;

/// The largest number of journals of a scenario.
const MAX_JOURNALS: usize = 20;
/// The largest size of a journal that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// The largest number of bytes of a path in the name of a journal. The name of a file can have at most 255 bytes.
const MAX_NAME_BYTES: usize = 180;

/// The journal of the open scenario.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// The locked file; `None` while there are no unsaved edits.
    file: Option<DiskFile>,
    /// `true` when the name of the file is on the disk.
    is_name_synced: bool,
}

/// A journal of a program that ended with unsaved edits.
#[derive(Debug)]
pub struct Leftover {
    /// The path of the journal.
    pub path: PathBuf,
    /// The edits in it.
    pub numbers: EditedNumbers,
    /// The locked file. The lock prevents that another program offers the same edits.
    _file: File,
}

/// Returns the folder of the journals; `None` if there is no home folder.
pub(super) fn folder() -> Option<PathBuf> {
    Some(state_folder()?.join("edits"))
}

/// Returns the folder of files that the program keeps from one run to the next; `None` if there is no home folder.
pub(super) fn state_folder() -> Option<PathBuf> {
    base_folder("XDG_STATE_HOME", ".local/state")
}

/// Returns the program's folder in a base folder. The environment variable `name` has the base folder. If it is not set, the base folder is below the home
/// folder.
pub(super) fn base_folder(name: &str, below_home: &str) -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // the XDG Base Directory Specification says that a relative path is ignored
    let base = variable(name).filter(|path| path.is_absolute()).or_else(|| Some(variable("HOME")?.join(below_home)))?;
    Some(base.join("gradstep"))
}

/// Returns the beginning of the names of a scenario's journals: the end of its absolute path with `%` for each separator, or the name of a bundled scenario,
/// then a checksum of the whole path or name.
pub(super) fn key(path: Option<&Path>, name: &str) -> String {
    let text = match path {
        Some(path) => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().replace(['/', '\\'], "%"),
        None => name.to_owned(),
    };
    let hash = crc32fast::hash(text.as_bytes());
    let mut start = text.len().saturating_sub(MAX_NAME_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("{}-{hash:08x}", &text[start..])
}

/// Returns the possible paths of a scenario's journals.
fn paths(folder: &Path, key: &str) -> impl Iterator<Item = PathBuf> {
    let (folder, key) = (folder.to_owned(), key.to_owned());
    (0..MAX_JOURNALS).map(move |number| folder.join(format!("{key}.{number}.jsonl")))
}

/// Locks a file. Returns `false` if another program has locked it already. On other systems than Unix, locks nothing and returns `true`.
#[cfg(unix)]
fn lock(file: &File) -> bool {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(not(unix))]
fn lock(_: &File) -> bool {
    true
}

/// Returns the first leftover journal of a scenario.
pub(super) fn leftover(folder: &Path, key: &str) -> Option<Leftover> {
    paths(folder, key).find_map(|path| {
        // if the file is locked already, it is the open journal of another program
        let file = OpenOptions::new().read(true).write(true).open(&path).ok().filter(lock)?;
        let text = (file.metadata().ok()?.len() <= MAX_BYTES).then(|| fs::read_to_string(&path).ok()).flatten()?;
        // the last line may be incomplete
        let numbers: EditedNumbers = text.lines().rev().find_map(|line| serde_json::from_str(line).ok())?;
        (!numbers.is_empty()).then_some(Leftover { path, numbers, _file: file })
    })
}

impl Leftover {
    /// Removes the journal.
    pub fn remove(self) {
        let _ = disk::remove(&self.path);
    }
}

impl Journal {
    /// Returns a journal that has no file yet.
    pub fn new() -> Self {
        Self { path: PathBuf::new(), file: None, is_name_synced: false }
    }

    /// Appends the unsaved edits. If there are none, removes the journal's file.
    ///
    /// # Errors
    /// If the file cannot be written or removed.
    pub fn record(&mut self, folder: &Path, key: &str, numbers: &EditedNumbers) -> io::Result<()> {
        if numbers.is_empty() {
            return self.remove();
        }
        if self.file.is_none() {
            disk::create_folders(folder)?;
            (self.path, self.file) = create(folder, key)?;
            self.is_name_synced = false;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        // the line begins with a newline, because an error such as a full disk may have left the line before it incomplete
        let mut line = vec![b'\n'];
        serde_json::to_writer(&mut line, numbers)?;
        line.push(b'\n');
        file.write_all(&line)?;
        disk::sync(&file.0)?;
        if !self.is_name_synced {
            disk::sync_folder(folder)?;
            self.is_name_synced = true;
        }
        Ok(())
    }

    /// Removes the file. If this fails, the file stays in use, so that later edits are appended to it.
    fn remove(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            match disk::remove(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.file = None,
            }
        }
        Ok(())
    }
}

/// Creates and locks the first journal that does not exist.
fn create(folder: &Path, key: &str) -> io::Result<(PathBuf, Option<DiskFile>)> {
    for path in paths(folder, key) {
        match disk::create_to_append(&path) {
            Ok(file) => {
                lock(&file);
                return Ok((path, Some(DiskFile(file))));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("there are too many journals of unsaved edits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_line_of_an_unlocked_journal_is_offered() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, key) = (folder.path().join("edits"), key(None, "xor"));
        let numbers = |value: f64| vec![("fc1.weight[0,1]".to_owned(), value)];
        let mut journal = Journal::new();
        journal.record(&folder, &key, &numbers(0.1)).unwrap();
        journal.record(&folder, &key, &numbers(1.0 / 3.0)).unwrap();
        assert!(leftover(&folder, &key).is_none(), "the journal is in use");
        let path = journal.path.clone();
        // writes a part of a line, as if the program crashed then
        journal.file.as_mut().unwrap().write_all(b"[[\"fc1.wei").unwrap();
        drop(journal);
        let left = leftover(&folder, &key).unwrap();
        assert_eq!(left.numbers, numbers(1.0 / 3.0));
        assert!(leftover(&folder, &key).is_none(), "a leftover journal in use is not offered again");
        // a second journal does not overwrite the first
        let mut second = Journal::new();
        second.record(&folder, &key, &numbers(5.0)).unwrap();
        assert_ne!(second.path, path);
        second.record(&folder, &key, &Vec::new()).unwrap();
        assert!(!second.path.exists());
        left.remove();
        assert!(!path.exists());
    }

    #[test]
    fn long_paths_have_short_names() {
        let long = PathBuf::from(format!("/{}/net.toml", "é".repeat(300)));
        assert!(key(Some(&long), "net").len() < 200);
        assert_ne!(key(Some(&long), "net"), key(Some(&PathBuf::from(format!("/x{}/net.toml", "é".repeat(300)))), "net"));
    }
}
