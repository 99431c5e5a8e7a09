//! Files that are written as a whole or not at all. The bytes go to a temporary file in the same folder, which replaces the target at the end.
//!
//! ```text
//! begin    open a file without a name (Linux), or create `.gradstep-unfinished-0`; lock it
//! write    the target is unchanged
//! finish   no target yet:    link the file without a name to the target's name
//!          target exists:    link it to `.gradstep-unfinished-0`, then rename that to the target's name
//! ```
//!
//! A rename replaces a file atomically, but needs a name, so the file has a temporary name for a moment. A process that is killed at that moment leaves the
//! temporary file. The next save in the folder removes it, unless it is locked: then another process is still writing it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// An open output file.
#[derive(Debug)]
pub enum SaveTarget {
    /// The target itself: a pipe, a device, or a file in a folder that takes no other file.
    Itself(File),
    /// A temporary file, and the save that puts it in the target's place.
    Beside(File, Saved),
}

/// A save in progress. If it is dropped before [`Saved::finish`], the temporary file is removed.
#[derive(Debug)]
pub struct Saved {
    file: File,
    /// The name of the temporary file. `None` if it has no name: then nothing is left behind, even after SIGKILL.
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl SaveTarget {
    /// Begins to write to a path. An existing file is not changed yet. A link is followed, and the mode of the file is kept.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        // opening the target waits for the reader of a pipe, and fails if the target may not be written
        let there = match OpenOptions::new().write(true).open(path) {
            Ok(file) => Some(file),
            // a dangling link: create the file that it points to
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => return File::create(path).map(Self::Itself),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let about = there.as_ref().map(File::metadata).transpose()?;
        if let (Some(file), Some(about)) = (&there, &about)
            && (!about.is_file() || is_open_elsewhere(path))
        {
            if about.is_file() {
                file.set_len(0)?;
            }
            return file.try_clone().map(Self::Itself);
        }
        let path = if there.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
        match (Saved::begin(path), there) {
            (Ok(saved), _) => {
                if let Some(about) = about {
                    like(&saved.file, &about)?;
                }
                Ok(Self::Beside(saved.file.try_clone()?, saved))
            }
            // no temporary file can be made in the folder: write to the target itself
            (Err(_), Some(file)) => {
                file.set_len(0)?;
                Ok(Self::Itself(file))
            }
            (Err(error), None) => Err(error),
        }
    }
}

/// Whether a path names an open file descriptor, which other processes may write to.
fn is_open_elsewhere(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc"].iter().any(|open| path.starts_with(open))
}

/// Gives a file the mode of another, and its owner and group if that is allowed.
fn like(file: &File, about: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Gid, Uid, fchown};
        use std::os::unix::fs::MetadataExt as _;
        // before the mode, because chown clears bits of it; not every user may give a file away
        let _ = fchown(file, Some(Uid::from_raw(about.uid())), Some(Gid::from_raw(about.gid())));
    }
    file.set_permissions(about.permissions())
}

impl Saved {
    fn begin(path: PathBuf) -> io::Result<Self> {
        clear(folder(&path));
        if let Some(file) = nameless(folder(&path)) {
            // the lock keeps later saves from removing the file once it has a name
            hold(&file);
            return Ok(Self { file, temporary: None, path });
        }
        let mut made = None;
        let temporary = free(&path, |name| {
            let file = OpenOptions::new().write(true).create_new(true).open(name)?;
            hold(&file);
            made = Some(file);
            Ok(())
        })?;
        let file = made.ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { file, temporary: Some(temporary), path })
    }

    /// Puts the written file in the target's place.
    ///
    /// # Errors
    /// If that fails; then the target is unchanged.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if !self.take_name()? {
            if self.temporary.is_none() {
                self.temporary = Some(free(&self.path, |name| link(&self.file, name))?);
            }
            if let Some(temporary) = &self.temporary {
                fs::rename(temporary, &self.path)?;
            }
        }
        self.temporary = None;
        sync(folder(&self.path))
    }

    /// Links a file without a name to the target's name, if no file has that name.
    fn take_name(&self) -> io::Result<bool> {
        if self.temporary.is_some() {
            return Ok(false);
        }
        match link(&self.file, &self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // a failure cannot be reported from `drop`
            let _ = fs::remove_file(temporary);
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The number of temporary names, `.gradstep-unfinished-0` to `-999`. All processes use the same ones, so that each can remove the files of a killed one.
const NAMES: u32 = 1000;

fn name(folder: &Path, n: u32) -> PathBuf {
    folder.join(format!(".gradstep-unfinished-{n}"))
}

/// Calls `make` with temporary names beside `path` until one is free. Returns that name.
fn free(path: &Path, mut make: impl FnMut(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    for name in (0..NAMES).map(|n| name(folder(path), n)) {
        match make(&name) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes the temporary files that killed processes have left in a folder.
fn clear(folder: &Path) {
    // names are checked up to the first free one, but at least 8: a name may be free again although later ones are in use
    const LOOKED_AT: u32 = 8;
    for n in 0..NAMES {
        let name = name(folder, n);
        if fs::symlink_metadata(&name).is_ok() {
            clear_one(&name);
        } else if n >= LOOKED_AT {
            return;
        }
    }
}

/// Locks a file to mark it as being written. The lock ends with the process. If the file system has no locks, temporary files are never removed.
fn hold(file: &File) {
    #[cfg(unix)]
    let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    #[cfg(not(unix))]
    let _ = file;
}

/// Removes a temporary file if no process has locked it. After a failure the next save tries again.
#[cfg(unix)]
fn clear_one(name: &Path) {
    use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
    use std::os::unix::fs::MetadataExt as _;

    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(CWD, name, flags, Mode::empty()).map(File::from) else { return };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    // another process may have reused the name meanwhile
    let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino()) && a.is_file();
    if let (Ok(ours), Ok(there)) = (file.metadata(), fs::symlink_metadata(name))
        && same(&ours, &there)
    {
        let _ = fs::remove_file(name);
    }
}

#[cfg(not(unix))]
fn clear_one(_name: &Path) {}

/// Waits until the names of a folder are on the disk. Does nothing if the file system cannot, or if the folder may not be read.
fn sync(folder: &Path) -> io::Result<()> {
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

/// Creates a file without a name in a folder; `None` if the system cannot.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
    // without /proc the file could not be linked to a name
    fs::metadata(descriptor(&file)).is_ok().then_some(file)
}

#[cfg(target_os = "linux")]
fn descriptor(file: &File) -> String {
    use std::os::fd::AsRawFd as _;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Gives a file a name.
#[cfg(target_os = "linux")]
fn link(file: &File, name: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    Ok(linkat(CWD, descriptor(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_folder: &Path) -> Option<File> {
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

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A save with a named temporary file, as on systems without unnamed files.
    fn named(path: &Path) -> Saved {
        let temporary = free(path, |name| File::create_new(name).map(|_| ())).unwrap();
        let file = OpenOptions::new().write(true).open(&temporary).unwrap();
        hold(&file);
        Saved { file, temporary: Some(temporary), path: path.to_owned() }
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for begin in [|path: &Path| Saved::begin(path.to_owned()).unwrap(), named] {
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

    /// Leaves the temporary file unlocked, as a process does that is killed between link and rename.
    fn killed(saved: Saved) {
        let mut saved = saved;
        if saved.temporary.is_none() {
            free(&saved.path, |name| link(&saved.file, name)).unwrap();
        }
        // without a name, `drop` removes nothing
        saved.temporary = None;
    }

    #[test]
    #[cfg(unix)]
    fn the_next_save_removes_the_files_of_killed_processes_only() {
        for begin in [|path: &Path| Saved::begin(path.to_owned()).unwrap(), named] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            let save = |bytes: &[u8]| {
                let mut saved = Saved::begin(path.clone()).unwrap();
                saved.file.write_all(bytes).unwrap();
                saved
            };
            fs::write(&path, "old").unwrap();
            [begin(&path), begin(&path)].into_iter().for_each(killed);
            assert_eq!(names(folder.path()).len(), 3);
            let living = named(&path);
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
        let saved = Saved::begin(folder.path().join("out")).unwrap();
        // not every file system has files without a name
        assert!(saved.temporary.is_some() || names(folder.path()).is_empty());
    }
}
