//! Saves a file as a whole or not at all. The bytes are written to a temporary file in the same folder, which replaces the target at the end.
//!
//! ```text
//! begin    open a file without a name (Linux), or create `.gradstep-unfinished-0`; lock the file
//! write    the target is unchanged
//! finish   a file without a name, if there is no target:    link the file to the target's name
//!          a file without a name, if there is a target:     link the file to `.gradstep-unfinished-0`, then rename that to the target's name
//!          `.gradstep-unfinished-0`:                        rename it to the target's name
//! ```
//!
//! If the name `.gradstep-unfinished-0` is taken, the number is higher. A rename replaces a file atomically, but only a file with a name can be renamed. So
//! even a file without a name gets a temporary name for a moment. If the process is killed while the temporary name exists, the temporary file stays. On Unix
//! the next save in the folder removes it. A locked temporary file is not removed, because another process is still writing it.
//!
//! If the target is not a regular file, or if the folder allows no temporary file, the output is written to the target itself.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The open file for the output.
#[derive(Debug)]
pub enum SaveTarget {
    /// The target itself: a pipe, a device, or a file in a folder in which no other file can be created.
    Direct(File),
    /// A temporary file, and the save that replaces the target by it.
    Temporary(File, PendingSave),
}

/// A save in progress. If it is dropped before [`PendingSave::finish`], the temporary file is removed.
#[derive(Debug)]
pub struct PendingSave {
    file: File,
    /// The path of the temporary file; `None` if it has no name. A file without a name vanishes with the process.
    temporary: Option<PathBuf>,
    /// The path of the target.
    target: PathBuf,
}

impl SaveTarget {
    /// Opens the file to which the output for a path is written. An existing target is not changed yet, except if the output goes to the target itself. Links
    /// are followed. The new file gets the mode of the existing one.
    ///
    /// # Errors
    /// If the path cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        // open the target: for a pipe this waits for the reader, and it fails if the user may not write the file
        let existing = match OpenOptions::new().write(true).open(path) {
            Ok(file) => Some(file),
            // a link to a file that does not exist: create that file
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => return File::create(path).map(Self::Direct),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let metadata = existing.as_ref().map(File::metadata).transpose()?;
        if let (Some(file), Some(metadata)) = (&existing, &metadata)
            && (!metadata.is_file() || is_file_descriptor(path))
        {
            // a pipe or a device has no length
            if metadata.is_file() {
                file.set_len(0)?;
            }
            return file.try_clone().map(Self::Direct);
        }
        let path = if existing.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
        match (PendingSave::begin(path), existing) {
            (Ok(save), _) => {
                if let Some(metadata) = metadata {
                    copy_mode_and_owner(&metadata, &save.file)?;
                }
                Ok(Self::Temporary(save.file.try_clone()?, save))
            }
            // no temporary file can be created in the folder: write to the target itself
            (Err(_), Some(file)) => {
                file.set_len(0)?;
                Ok(Self::Direct(file))
            }
            (Err(error), None) => Err(error),
        }
    }
}

/// Returns whether a path names an open file descriptor, such as `/dev/stdout`. Other processes may write to the same open file, so the file must not be
/// replaced.
fn is_file_descriptor(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc"].iter().any(|folder| path.starts_with(folder))
}

/// Gives a file the mode of another file, and its owner and group if that is allowed.
fn copy_mode_and_owner(from: &Metadata, to: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Gid, Uid, fchown};
        use std::os::unix::fs::MetadataExt as _;
        // set the owner before the mode, because chown clears bits of the mode. An error is ignored: not every user may give a file away
        let _ = fchown(to, Some(Uid::from_raw(from.uid())), Some(Gid::from_raw(from.gid())));
    }
    to.set_permissions(from.permissions())
}

impl PendingSave {
    /// Begins to save to a path.
    fn begin(path: PathBuf) -> io::Result<Self> {
        remove_abandoned(folder(&path));
        if let Some(file) = create_nameless(folder(&path)) {
            // once the file has a name, the lock keeps other saves from removing it
            lock(&file);
            return Ok(Self { file, temporary: None, target: path });
        }
        let mut created = None;
        let temporary = with_free_name(&path, |name| {
            let file = OpenOptions::new().write(true).create_new(true).open(name)?;
            lock(&file);
            created = Some(file);
            Ok(())
        })?;
        let file = created.ok_or(io::ErrorKind::NotFound)?; // never an error: the closure has succeeded, and so has set `created`
        Ok(Self { file, temporary: Some(temporary), target: path })
    }

    /// Replaces the target by the written file.
    ///
    /// # Errors
    /// If the target cannot be replaced. Then it is unchanged.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if !self.link_to_target()? {
            if self.temporary.is_none() {
                self.temporary = Some(with_free_name(&self.target, |name| link(&self.file, name))?);
            }
            if let Some(temporary) = &self.temporary {
                fs::rename(temporary, &self.target)?;
            }
        }
        self.temporary = None; // so that `drop` removes nothing
        sync_folder(folder(&self.target))
    }

    /// Links a file without a name to the target's name. Returns `false` if the file has a name, or if the target exists.
    fn link_to_target(&self) -> io::Result<bool> {
        if self.temporary.is_some() {
            return Ok(false);
        }
        match link(&self.file, &self.target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for PendingSave {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // a failure cannot be reported from `drop`
            let _ = fs::remove_file(temporary);
        }
    }
}

/// The folder of a path; `.` for a name alone.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The number of temporary names: `.gradstep-unfinished-0` to `.gradstep-unfinished-999`. All processes use these names, so each process finds the files that
/// a killed process has left.
const MAX_NAMES: u32 = 1000;

/// The temporary name with the number `n`.
fn temporary_name(folder: &Path, n: u32) -> PathBuf {
    folder.join(format!(".gradstep-unfinished-{n}"))
}

/// Calls `create` with one temporary name after another in the folder of `path`. An `AlreadyExists` error means that the name is taken. Returns the first
/// name with which `create` succeeds.
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

/// Removes the temporary files that killed processes have left in a folder.
fn remove_abandoned(folder: &Path) {
    // The names are checked up to the first unused name, but names 0 to 8 are always checked: name 0 may be unused while name 1 is in use
    const MIN_CHECKED: u32 = 8;
    for n in 0..MAX_NAMES {
        let name = temporary_name(folder, n);
        if fs::symlink_metadata(&name).is_ok() {
            remove_if_abandoned(&name);
        } else if n >= MIN_CHECKED {
            return;
        }
    }
}

/// Locks a file, which means that a process is writing it. The lock ends with the process. On a file system without locks, temporary files are never removed.
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
    // another process may have created a new file of this name since the file was opened
    let is_same_file = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino()) && a.is_file();
    if let (Ok(locked), Ok(named)) = (file.metadata(), fs::symlink_metadata(name))
        && is_same_file(&locked, &named)
    {
        let _ = fs::remove_file(name);
    }
}

#[cfg(not(unix))]
fn remove_if_abandoned(_name: &Path) {}

/// Waits until the new name in a folder is on the disk. Does nothing if the file system does not support this, or if the user may not read the folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Ok(open) = File::open(folder) {
        match open.sync_all() {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput && error.kind() != io::ErrorKind::Unsupported => return Err(error),
            _ => {}
        }
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Creates a file without a name in a folder; `None` if the system does not support this.
#[cfg(target_os = "linux")]
fn create_nameless(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
    // `link` works only if /proc is there
    fs::metadata(descriptor_path(&file)).is_ok().then_some(file)
}

/// The path of an open file.
#[cfg(target_os = "linux")]
fn descriptor_path(file: &File) -> String {
    use std::os::fd::AsRawFd as _;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Gives a file a name.
#[cfg(target_os = "linux")]
fn link(file: &File, name: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    Ok(linkat(CWD, descriptor_path(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn create_nameless(_folder: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn link(_file: &File, _name: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

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

    /// A save whose temporary file has a name, as on systems that cannot create a file without a name.
    fn begin_named(path: &Path) -> PendingSave {
        let temporary = with_free_name(path, |name| File::create_new(name).map(|_| ())).unwrap();
        let file = OpenOptions::new().write(true).open(&temporary).unwrap();
        lock(&file);
        PendingSave { file, temporary: Some(temporary), target: path.to_owned() }
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for begin in [|path: &Path| PendingSave::begin(path.to_owned()).unwrap(), begin_named] {
            fs::write(&path, "old").unwrap();
            let mut saved = begin(&path);
            saved.file.write_all(b"half").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
            drop(saved);
            assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"old".to_vec(), vec!["out".to_owned()]));
            let mut saved = begin(&path);
            saved.file.write_all(b"new").unwrap();
            saved.finish().unwrap();
            assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"new".to_vec(), vec!["out".to_owned()]));
        }
    }

    /// Leaves the temporary file unlocked, like a process that is killed between link and rename.
    fn kill(saved: PendingSave) {
        let mut saved = saved;
        if saved.temporary.is_none() {
            with_free_name(&saved.target, |name| link(&saved.file, name)).unwrap();
        }
        // `drop` must not remove the file
        saved.temporary = None;
    }

    #[test]
    #[cfg(unix)]
    fn the_next_save_removes_only_the_files_of_killed_processes() {
        for begin in [|path: &Path| PendingSave::begin(path.to_owned()).unwrap(), begin_named] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            let save = |bytes: &[u8]| {
                let mut saved = PendingSave::begin(path.clone()).unwrap();
                saved.file.write_all(bytes).unwrap();
                saved
            };
            fs::write(&path, "old").unwrap();
            [begin(&path), begin(&path)].into_iter().for_each(kill);
            assert_eq!(names(folder.path()).len(), 3);
            let living = begin_named(&path);
            save(b"new").finish().unwrap();
            let left = vec![living.temporary.as_ref().unwrap().file_name().unwrap().to_str().unwrap().to_owned(), "out".to_owned()];
            assert_eq!(names(folder.path()), left);
            living.finish().unwrap();
            assert_eq!(names(folder.path()), ["out"]);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_unfinished_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let saved = PendingSave::begin(folder.path().join("out")).unwrap();
        // some file systems do not support files without a name
        assert!(saved.temporary.is_some() || names(folder.path()).is_empty());
    }
}
