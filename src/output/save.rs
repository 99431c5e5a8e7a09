//! A file that is written whole or not at all: its bytes go to a file of no name, or of one beside it, and take its place at the end.
//!
//! No system call puts a file without a name in the place of another, so there is a moment with a name of our own. Who is killed in it leaves a file, which
//! the next save in the folder removes: a lock tells it from one that is still being written.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What is written to a path, before it is there.
#[derive(Debug)]
pub enum Target {
    /// A pipe, a device, or a file that nothing can be put beside: written as it is.
    Itself(File),
    /// All others: the bytes, and what makes them the file.
    Beside(File, Saved),
}

/// A file on its way to a path. Dropped before [`Saved::finish`], nothing of it stays.
#[derive(Debug)]
pub struct Saved {
    file: File,
    /// Its own name; `None` while it has none, so that not even SIGKILL leaves anything behind.
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl Target {
    /// Begins to write to a path. What is there stays as it is; a link is followed, and its mode kept.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        // as it opens: a pipe waits for its reader, what may not be written is refused
        let there = match OpenOptions::new().write(true).open(path) {
            Ok(file) => Some(file),
            // a link that leads nowhere makes its target
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
            // its folder takes no other file
            (Err(_), Some(file)) => {
                file.set_len(0)?;
                Ok(Self::Itself(file))
            }
            (Err(error), None) => Err(error),
        }
    }
}

/// Whether a path is a name of what is open already, which others write too.
fn is_open_elsewhere(path: &Path) -> bool {
    ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc"].iter().any(|open| path.starts_with(open))
}

/// Gives a file the mode of another, and its owner and group where that is allowed.
fn like(file: &File, about: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Gid, Uid, fchown};
        use std::os::unix::fs::MetadataExt as _;
        // before the mode, of which it takes a part away; who may not give a file away keeps it
        let _ = fchown(file, Some(Uid::from_raw(about.uid())), Some(Gid::from_raw(about.gid())));
    }
    file.set_permissions(about.permissions())
}

impl Saved {
    fn begin(path: PathBuf) -> io::Result<Self> {
        clear(folder(&path));
        if let Some(file) = nameless(folder(&path)) {
            // whoever tidies up later sees by the lock that this one lives
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

    /// Puts the file, all of which is written, in its place.
    ///
    /// # Errors
    /// When it cannot be; what was there before is there still.
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

    /// Gives a file without a name the one that it is for, at once, where nothing has that name.
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
            // nobody is left to be told
            let _ = fs::remove_file(temporary);
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The names that a file beside others has until it is whole: the same for every process, so that one that was killed leaves them where the next looks.
const NAMES: u32 = 1000;

fn name(folder: &Path, n: u32) -> PathBuf {
    folder.join(format!(".gradstep-unfinished-{n}"))
}

/// Makes a file of a name beside `path` that nobody has, and returns the name.
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

/// Removes what a process left in a folder that was killed between giving its file a name and putting it in its place.
fn clear(folder: &Path) {
    // the first name is free again as soon as its file is in its place, though the next one is not
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

/// Locks a file as one that is being written; the lock goes with the process. Where the file system has no locks, nothing is ever tidied up.
fn hold(file: &File) {
    #[cfg(unix)]
    let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    #[cfg(not(unix))]
    let _ = file;
}

/// Removes one file if no process holds it. Failures leave it for the next.
#[cfg(unix)]
fn clear_one(name: &Path) {
    use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
    use std::os::unix::fs::MetadataExt as _;

    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(CWD, name, flags, Mode::empty()).map(File::from) else { return };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    // the name may have become another file's meanwhile
    let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino()) && a.is_file();
    if let (Ok(ours), Ok(there)) = (file.metadata(), fs::symlink_metadata(name))
        && same(&ours, &there)
    {
        let _ = fs::remove_file(name);
    }
}

#[cfg(not(unix))]
fn clear_one(_name: &Path) {}

/// Waits until the names of a folder are on the disk. Some file systems have no such call, and who may write in a folder may not always read it.
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

/// A new file of a folder that has no name yet; `None` where there is no such thing.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
    // without /proc it could get no name
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

    /// Begun with a name of its own, as where a file without one cannot be.
    fn named(path: &Path) -> Saved {
        let temporary = free(path, |name| File::create_new(name).map(|_| ())).unwrap();
        let file = OpenOptions::new().write(true).open(&temporary).unwrap();
        hold(&file);
        Saved { file, temporary: Some(temporary), path: path.to_owned() }
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
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

    /// As if the process had been killed between the name and the place: nobody holds the file any more.
    fn killed(saved: Saved) {
        let mut saved = saved;
        if saved.temporary.is_none() {
            free(&saved.path, |name| link(&saved.file, name)).unwrap();
        }
        // dropped without a name, it removes none
        saved.temporary = None;
    }

    #[test]
    #[cfg(unix)]
    fn what_a_killed_process_left_goes_with_the_next_save_and_what_a_living_one_writes_stays() {
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
        // not every file system can
        assert!(saved.temporary.is_some() || names(folder.path()).is_empty());
    }
}
