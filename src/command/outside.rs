//! Notices that another program has changed or deleted the file of the open scenario.
//!
//! A *check* compares the size, the time and the identity of the file with those of the last check. If they differ, or if the file was changed less than three
//! seconds ago, it reads the text and compares it. There is a check once a second, while the program waits for keys. It runs on the background thread, so that
//! a slow disk does not block keys.
//!
//! Only the scenario file is watched. When it is read again, so are its files with tensors.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::read::read_file;
use crate::app::FileChange;
use crate::scenario::MAX_BYTES;
use crate::threads::BackgroundTask;

/// The time between two checks.
const PERIOD: Duration = Duration::from_secs(1);
/// The time for which the program waits for the result of a check. If the check is slower, its result is taken at the next one.
const WAIT: Duration = Duration::from_millis(5);
/// The smallest age of a file for which its time is compared. Some file systems store times in steps of two seconds, so a younger file can change and keep its
/// time.
const TRUSTED_AGE: Duration = Duration::from_secs(3);

/// The file of the open scenario as the program knows it: its path and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    pub path: PathBuf,
    pub text: Arc<String>,
}

/// The size, the time and the identity of a file. If a program replaces a file by another, the identity changes. It is the device and the inode on Unix, and
/// (0, 0) on other systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    time: SystemTime,
    identity: (u64, u64),
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CheckResult {
    change: Option<FileChange>,
    /// The stamp of the file, if the file is at least [`TRUSTED_AGE`] old.
    stamp: Option<Stamp>,
}

/// The regular checks of a file.
#[derive(Clone, Debug)]
pub struct FileWatch {
    file: KnownFile,
    last_result: CheckResult,
    /// The check in progress.
    task: Option<BackgroundTask<CheckResult>>,
    /// The time of the next check, on the clock of `now`.
    next_check: Duration,
}

impl FileWatch {
    /// Returns the watch of a file. The first check is due one period after `now`.
    pub fn new(file: KnownFile, now: Duration) -> Self {
        Self { file, last_result: CheckResult { change: None, stamp: None }, task: None, next_check: now + PERIOD }
    }

    /// Returns whether the watched file has the path of `file`, and the same text in memory. A text that was read or written again is another one, even if
    /// equal.
    pub fn is_of(&self, file: &KnownFile) -> bool {
        self.file.path == file.path && Arc::ptr_eq(&self.file.text, &file.text)
    }

    /// Returns the time of the next check.
    pub fn next_check(&self) -> Duration {
        self.next_check
    }

    /// Checks the file if a check is due. Returns the change of the file since the program read or wrote it.
    pub fn look(&mut self, now: Duration) -> Option<FileChange> {
        if now >= self.next_check {
            self.next_check = now + PERIOD;
            if self.task.is_none() {
                let begun = BackgroundTask::begin((self.file.clone(), self.last_result), |(file, last_result)| check(&file, last_result));
                match begun {
                    Ok(task) => self.task = Some(task),
                    // without a background thread, this thread checks the file
                    Err((file, last_result)) => self.last_result = check(&file, last_result),
                }
            }
            if let Some(result) = self.task.take_if(|task| task.is_done_within(WAIT)).and_then(|task| task.take()) {
                self.last_result = result;
            }
        }
        self.last_result.change
    }
}

/// Returns the result of a check. If the state of the file is unknown, it is the last result.
fn check(file: &KnownFile, last_result: CheckResult) -> CheckResult {
    let metadata = match fs::metadata(&file.path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return CheckResult { change: Some(FileChange::Deleted), stamp: None },
        // the folder cannot be searched, or the disk is not available, so the state of the file is unknown
        Err(_) => return last_result,
    };
    let stamp = stamp(&metadata);
    if stamp.is_some() && stamp == last_result.stamp {
        return last_result;
    }
    let is_old = metadata.modified().is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age >= TRUSTED_AGE));
    let change = (!has_text(&file.path, &file.text)).then_some(FileChange::Changed);
    CheckResult { change, stamp: stamp.filter(|_| is_old) }
}

/// Returns whether the content of a file is exactly `text`.
pub fn has_text(path: &Path, text: &str) -> bool {
    read_file(path, MAX_BYTES).is_ok_and(|bytes| bytes == text.as_bytes())
}

/// Returns the stamp of a file; `None` if the system does not store times of files.
fn stamp(metadata: &Metadata) -> Option<Stamp> {
    #[cfg(unix)]
    let identity = {
        use std::os::unix::fs::MetadataExt as _;
        (metadata.dev(), metadata.ino())
    };
    #[cfg(not(unix))]
    let identity = (0, 0);
    Some(Stamp { bytes: metadata.len(), time: metadata.modified().ok()?, identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a file whose time is `age` ago.
    fn write(path: &Path, text: &str, age: Duration) {
        fs::write(path, text).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn changed_replaced_and_deleted_files_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.toml");
        let old = Duration::from_secs(100);
        write(&path, "one", old);
        let mut watch = FileWatch::new(KnownFile { path: path.clone(), text: Arc::new("one".to_owned()) }, Duration::ZERO);
        let mut now = Duration::ZERO;
        let mut look = |watch: &mut FileWatch| {
            now += PERIOD;
            // on a slow machine, the result is taken one period later
            watch.look(now);
            now += PERIOD;
            watch.look(now)
        };
        assert_eq!(look(&mut watch), None);
        // another file with the same size and the same time
        let replacement = folder.path().join("replacement");
        write(&replacement, "two", old);
        fs::rename(&replacement, &path).unwrap();
        assert_eq!(look(&mut watch), Some(FileChange::Changed));
        write(&path, "one", Duration::from_secs(50));
        assert_eq!(look(&mut watch), None, "the text is as it was");
        // the time of a young file is not compared
        write(&path, "one", Duration::from_secs(1));
        assert_eq!((look(&mut watch), watch.last_result.stamp), (None, None));
        write(&path, "longer", Duration::ZERO);
        assert_eq!(look(&mut watch), Some(FileChange::Changed));
        fs::remove_file(&path).unwrap();
        assert_eq!(look(&mut watch), Some(FileChange::Deleted));
        fs::create_dir(&path).unwrap();
        assert_eq!(look(&mut watch), Some(FileChange::Changed), "a folder is no scenario");
    }

    #[test]
    fn the_text_is_read_only_if_the_stamp_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.toml");
        write(&path, "one", Duration::from_secs(100));
        let file = KnownFile { path, text: Arc::new("one".to_owned()) };
        let first = check(&file, CheckResult { change: None, stamp: None });
        assert!(first.stamp.is_some());
        // the text in memory differs, so if the file were read, it would count as changed
        let other = KnownFile { text: Arc::new("two".to_owned()), ..file };
        assert_eq!(check(&other, first).change, None);
    }
}
