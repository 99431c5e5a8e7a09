//! Saves a file completely or not at all. It writes a temporary file in the same folder, which replaces the target at the end.
//!
//! ```text
//! begin    open a file without a name (Linux), or create `.gradstep-unfinished-0`; lock the file
//! write    the target is unchanged
//! finish   a file without a name, if there is no target:    link the file to the target's name
//!          a file without a name, if there is a target:     link the file to `.gradstep-unfinished-0`, then rename that to the target's name
//!          `.gradstep-unfinished-0`:                        rename it to the target's name
//! ```
//!
//! If the name `.gradstep-unfinished-0` is in use, the number is higher. A rename replaces a file in one operation, but only a file with a name can be renamed.
//! So a file without a name gets a temporary name for a moment. If the process is killed in this moment, the temporary file remains. On Unix, the next save in
//! the folder removes it. A temporary file with a lock is not removed, because another process is still writing it.
//!
//! If the target is not a regular file, the output is written directly to it. The same is done if the user may not create files in the folder, and the caller
//! allows it ([`Existing::Overwritten`]).
//!
//! With [`Existing::Kept`] a target of any kind makes the save fail, even if another program creates it in the meantime. So `.gradstep-unfinished-0` is not
//! renamed: the target's name becomes a second name of this file (a hard link), and then the first name is removed. On a file system without hard links the
//! file is renamed if there is no target. There, a target that is created between this check and the rename is replaced.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::disk;

/// The open file for the output.
#[derive(Debug)]
pub enum SaveTarget {
    /// The target itself: a pipe, a device, an open file such as `/dev/stdout`, the new file of a link that led nowhere, or a file in a folder in which the
    /// user may not create files.
    Direct(File),
    /// A temporary file, and the save that replaces the target by it.
    Temporary(File, PendingSave),
}

/// The way in which an existing file at the target's path is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// A regular file is replaced, or overwritten if the user may not create files in its folder.
    Overwritten,
    /// A regular file is replaced. If it cannot be replaced, the save fails.
    Replaced,
    /// It is kept, whatever it is, and the save fails.
    Kept,
}

/// A save in progress. If it is dropped before [`PendingSave::finish`], the temporary file is removed.
#[derive(Debug)]
pub struct PendingSave {
    file: File,
    /// The path of the temporary file; `None` if it has no name. A file without a name vanishes with the process.
    temporary: Option<PathBuf>,
    /// The path of the target.
    target: PathBuf,
    /// `true` if a file at the target's path is replaced, `false` if such a file makes the save fail.
    replaces: bool,
}

impl SaveTarget {
    /// Opens the file to which the output for a path is written. An existing target stays unchanged, unless the output is written directly to it. Links are
    /// followed, except with [`Existing::Kept`]. The new file gets the mode of the existing one, and its owner and group if that is allowed.
    ///
    /// # Errors
    /// If the path cannot be written.
    pub fn open(path: &Path, existing: Existing) -> io::Result<Self> {
        if existing == Existing::Kept {
            return Self::temporary(PendingSave::begin(path.to_owned(), /* replaces */ false)?);
        }
        // opening the target waits for the reader of a pipe; it fails if the user may not write the file
        let old = match OpenOptions::new().write(true).open(path) {
            Ok(file) => Some(file),
            // opening a link to a file that does not exist creates this file
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => return File::create(path).map(Self::Direct),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let metadata = old.as_ref().map(File::metadata).transpose()?;
        if let (Some(file), Some(metadata)) = (&old, &metadata)
            && (!metadata.is_file() || is_file_descriptor(path))
        {
            // a pipe or a device has no length
            if metadata.is_file() {
                file.set_len(0)?;
            }
            return file.try_clone().map(Self::Direct);
        }
        let path = if old.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
        match (PendingSave::begin(path, /* replaces */ true), old) {
            (Ok(save), _) => {
                if let Some(metadata) = metadata {
                    copy_mode_and_owner(&metadata, &save.file)?;
                }
                Self::temporary(save)
            }
            // the user may not create files in the folder, so the target itself is written. After any other error, such as a full disk, this is not done,
            // because the old file could be lost
            (Err(error), Some(file)) if existing == Existing::Overwritten && is_forbidden(&error) => {
                file.set_len(0)?;
                Ok(Self::Direct(file))
            }
            (Err(error), _) => Err(error),
        }
    }

    fn temporary(save: PendingSave) -> io::Result<Self> {
        Ok(Self::Temporary(save.file.try_clone()?, save))
    }
}

/// Returns whether an error means that the user may not create a file.
fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Returns whether a path may name an open file descriptor, as `/dev/stdout` and `/proc/self/fd/1` do. Other processes may write to the same open file, so the
/// file must not be replaced. Every path below `/proc` counts.
fn is_file_descriptor(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc"].iter().any(|folder| path.starts_with(folder))
}

/// Gives a file the mode of another file, and its owner and group if that is allowed.
fn copy_mode_and_owner(from: &Metadata, to: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Gid, Uid, fchown};
        use std::os::unix::fs::MetadataExt as _;
        // the owner is set before the mode, because chown clears bits of the mode. An error is ignored: not every user may give a file to another one
        let _ = fchown(to, Some(Uid::from_raw(from.uid())), Some(Gid::from_raw(from.gid())));
    }
    to.set_permissions(from.permissions())
}

impl PendingSave {
    /// Begins to save to a path.
    fn begin(target: PathBuf, replaces: bool) -> io::Result<Self> {
        remove_abandoned(folder(&target));
        if let Some(file) = disk::create_nameless(folder(&target)) {
            // when the file gets a name, the lock prevents that other saves remove it
            lock(&file);
            return Ok(Self { file, temporary: None, target, replaces });
        }
        let mut created = None;
        let temporary = with_free_name(&target, |name| {
            let file = disk::create_new(name)?;
            lock(&file);
            created = Some(file);
            Ok(())
        })?;
        let file = created.ok_or(io::ErrorKind::NotFound)?; // never an error: the closure has succeeded, and so has set `created`
        Ok(Self { file, temporary: Some(temporary), target, replaces })
    }

    /// Gives the target's name to the written file, which replaces the target if that is allowed.
    ///
    /// # Errors
    /// If the target cannot or must not be replaced; it is unchanged then. Or if the folder cannot be synced; the target is replaced then.
    pub fn finish(mut self) -> io::Result<()> {
        disk::sync(&self.file)?;
        let result = match &self.temporary {
            Some(_) if self.replaces => self.rename(),
            Some(temporary) => match disk::hard_link(temporary, &self.target) {
                // the file system does not allow a second name for a file
                Err(error) if is_forbidden(&error) || error.kind() == io::ErrorKind::Unsupported => self.rename_to_free_target(),
                // `drop` then removes the temporary name
                result => result,
            },
            None => disk::link(&self.file, &self.target),
        };
        match result {
            // a link does not replace the target, so the file without a name gets a temporary name and is renamed
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.replaces => {
                self.temporary = Some(with_free_name(&self.target, |name| disk::link(&self.file, name))?);
                self.rename()?;
            }
            result => result?,
        }
        disk::sync_folder(folder(&self.target))
    }

    /// Renames the temporary file to the target's name. `drop` then removes nothing: another process may create a file of the temporary name.
    fn rename(&mut self) -> io::Result<()> {
        let temporary = self.temporary.as_ref().ok_or(io::ErrorKind::NotFound)?; // never an error: only a file with a name is renamed
        disk::rename(temporary, &self.target)?;
        self.temporary = None;
        Ok(())
    }

    /// Renames the temporary file to the target's name if there is no file of that name.
    fn rename_to_free_target(&mut self) -> io::Result<()> {
        match self.target.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename(),
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }
}

impl Drop for PendingSave {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // a failure cannot be reported from `drop`
            let _ = disk::remove(temporary);
        }
    }
}

/// The folder of a path; `.` for a name alone.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The number of temporary names: `.gradstep-unfinished-0` to `.gradstep-unfinished-999`. All processes use the same names, so that each finds the files of
/// processes that were killed.
const MAX_NAMES: u32 = 1000;

/// The temporary name with the number `n`.
fn temporary_name(folder: &Path, n: u32) -> PathBuf {
    folder.join(format!(".gradstep-unfinished-{n}"))
}

/// Calls `create` with one temporary name after the other in the folder of `path`, as long as it returns `AlreadyExists`. Returns the name with which `create`
/// succeeds.
fn with_free_name(path: &Path, mut create: impl FnMut(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    for name in (0..MAX_NAMES).map(|n| temporary_name(folder(path), n)) {
        match create(&name) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes temporary files of killed processes in a folder.
fn remove_abandoned(folder: &Path) {
    // the names 0 to 8 are always checked, because name 1 may be in use while name 0 is not. Further names are checked up to the first unused one
    const LAST_ALWAYS_CHECKED: u32 = 8;
    for n in 0..MAX_NAMES {
        let name = temporary_name(folder, n);
        if fs::symlink_metadata(&name).is_ok() {
            remove_if_abandoned(&name);
        } else if n >= LAST_ALWAYS_CHECKED {
            return;
        }
    }
}

/// Locks a file to show that this process is writing it. The lock ends with the process. On a file system without locks, no later save removes a temporary
/// file.
fn lock(file: &File) {
    #[cfg(unix)]
    let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    #[cfg(not(unix))]
    let _ = file;
}

/// Removes a temporary file if no process has locked it. After a failure the next save tries again.
#[cfg(unix)]
fn remove_if_abandoned(name: &Path) {
    use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
    use std::os::unix::fs::MetadataExt as _;

    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(CWD, name, flags, Mode::empty()).map(File::from) else { return };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    // another process may have replaced the file of this name after it was opened
    let is_same_file = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino()) && a.is_file();
    if let (Ok(locked), Ok(named)) = (file.metadata(), fs::symlink_metadata(name))
        && is_same_file(&locked, &named)
    {
        let _ = fs::remove_file(name);
    }
}

#[cfg(not(unix))]
fn remove_if_abandoned(_name: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// The names of the files in a folder, sorted.
    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Begins a save whose temporary file has a name, as on systems that cannot create a file without a name.
    fn begin_named(path: &Path) -> PendingSave {
        let temporary = with_free_name(path, |name| File::create_new(name).map(|_| ())).unwrap();
        let file = OpenOptions::new().write(true).open(&temporary).unwrap();
        lock(&file);
        PendingSave { file, temporary: Some(temporary), target: path.to_owned(), replaces: true }
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for begin in [|path: &Path| PendingSave::begin(path.to_owned(), true).unwrap(), begin_named] {
            fs::write(&path, "old").unwrap();
            let mut unfinished = begin(&path);
            unfinished.file.write_all(b"half").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
            drop(unfinished);
            assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"old".to_vec(), vec!["out".to_owned()]));
            let mut unfinished = begin(&path);
            unfinished.file.write_all(b"new").unwrap();
            unfinished.finish().unwrap();
            assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"new".to_vec(), vec!["out".to_owned()]));
        }
    }

    /// Leaves the temporary file unlocked, as a process does that is killed between link and rename.
    fn kill(mut unfinished: PendingSave) {
        if unfinished.temporary.is_none() {
            with_free_name(&unfinished.target, |name| disk::link(&unfinished.file, name)).unwrap();
        }
        // `drop` must not remove the file
        unfinished.temporary = None;
    }

    #[test]
    #[cfg(unix)]
    fn the_next_save_removes_only_the_files_of_killed_processes() {
        for begin in [|path: &Path| PendingSave::begin(path.to_owned(), true).unwrap(), begin_named] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            let begin_with = |bytes: &[u8]| {
                let mut unfinished = PendingSave::begin(path.clone(), true).unwrap();
                unfinished.file.write_all(bytes).unwrap();
                unfinished
            };
            fs::write(&path, "old").unwrap();
            [begin(&path), begin(&path)].into_iter().for_each(kill);
            // the target and two temporary files
            assert_eq!(names(folder.path()).len(), 3);
            let running = begin_named(&path);
            begin_with(b"new").finish().unwrap();
            let expected = vec![running.temporary.as_ref().unwrap().file_name().unwrap().to_str().unwrap().to_owned(), "out".to_owned()];
            assert_eq!(names(folder.path()), expected);
            running.finish().unwrap();
            assert_eq!(names(folder.path()), ["out"]);
        }
    }

    #[test]
    fn a_new_file_does_not_replace_a_file_that_another_program_creates() {
        let begin_named_without_replacing = |path: &Path| {
            let mut unfinished = begin_named(path);
            unfinished.replaces = false;
            unfinished
        };
        for begin in [|path: &Path| PendingSave::begin(path.to_owned(), false).unwrap(), begin_named_without_replacing] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            let mut unfinished = begin(&path);
            unfinished.file.write_all(b"mine").unwrap();
            fs::write(&path, "theirs").unwrap();
            assert_eq!(unfinished.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"theirs".to_vec(), vec!["out".to_owned()]));
            fs::remove_file(&path).unwrap();
            let mut unfinished = begin(&path);
            unfinished.file.write_all(b"mine").unwrap();
            unfinished.finish().unwrap();
            assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"mine".to_vec(), vec!["out".to_owned()]));
        }
    }

    /// After the rename, another process can create a file of the temporary name.
    #[test]
    fn a_file_that_was_renamed_has_no_temporary_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut unfinished = begin_named(&path);
        let temporary = unfinished.temporary.clone().unwrap();
        unfinished.rename_to_free_target().unwrap();
        fs::write(&temporary, "theirs").unwrap();
        drop(unfinished);
        assert_eq!(fs::read(&temporary).unwrap(), b"theirs");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_unfinished_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = PendingSave::begin(folder.path().join("out"), true).unwrap();
        // some file systems do not support files without a name
        assert!(unfinished.temporary.is_some() || names(folder.path()).is_empty());
    }
}
