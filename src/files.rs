//! Floor 9: reads regular files up to a size limit. Files that a scenario names must be inside the scenario's folder.
//!
//! A scenario may come from a stranger, so it must not read arbitrary files. Absolute paths and `..` are refused. Links are resolved first and must lead into
//! the folder; then the resolved path is opened without following links, so that a link that is put there in between has no effect.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;

use crate::scenario::Files;
use crate::weights::{MAX_BYTES, WeightsError};

/// The folder of a scenario: the only one from which the scenario's tensors are read.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The folder's path without symbolic links.
    root: PathBuf,
    /// The opened folder. It stays the same one even if another folder takes its path.
    #[cfg(unix)]
    open: Arc<OwnedFd>,
}

impl Folder {
    /// Opens the folder that holds this scenario file.
    ///
    /// # Errors
    /// If there is no such folder or it cannot be opened.
    pub fn of(scenario: &Path) -> io::Result<Self> {
        let folder = scenario.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let root = fs::canonicalize(folder)?;
        Ok(Self {
            #[cfg(unix)]
            open: Arc::new(beneath::folder(&root)?),
            root,
        })
    }

    /// Opens a file of the folder. Links that stay inside the folder are followed.
    fn open(&self, path: &str) -> Result<File, WeightsError> {
        let inside = "name a file in the scenario's folder, or in a folder of it";
        let cannot = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => WeightsError::new(format!("there is no file \"{path}\" in the scenario's folder"), ""),
            _ => WeightsError::new(format!("\"{path}\" cannot be read: {error}"), ""),
        };
        for attempt in 1.. {
            let found = fs::canonicalize(self.root.join(path)).map_err(|error| cannot(&error))?;
            let Ok(real) = found.strip_prefix(&self.root) else {
                return Err(WeightsError::new(format!("\"{path}\" is a symbolic link that leads out of the scenario's folder"), inside));
            };
            match self.open_without_links(real) {
                Ok(file) => return Ok(file),
                // the path became a link after it was resolved: resolve it again
                Err(error) if is_a_link(&error) && attempt < ATTEMPTS => {}
                Err(error) => return Err(cannot(&error)),
            }
        }
        unreachable!("the last attempt returns")
    }

    #[cfg(unix)]
    fn open_without_links(&self, path: &Path) -> io::Result<File> {
        beneath::open(&self.open, path)
    }

    #[cfg(not(unix))]
    fn open_without_links(&self, path: &Path) -> io::Result<File> {
        open(&self.root.join(path))
    }
}

/// The number of attempts to open a path that changes meanwhile.
const ATTEMPTS: u32 = 8;

/// Returns whether a path could not be opened because it contains a link, or a file in the place of a folder.
fn is_a_link(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        [Errno::LOOP, Errno::MLINK, Errno::XDEV, Errno::NOTDIR, Errno::NOENT, Errno::AGAIN]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

/// Opens files beneath a folder without following links, even if another program changes the path meanwhile.
#[cfg(unix)]
mod beneath {
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::{Component, Path};

    use rustix::fs::{CWD, Mode, OFlags, openat};
    use rustix::io::Errno;

    const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    /// Flags for reading without waiting: neither a pipe without a writer nor a terminal blocks.
    pub const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

    /// Opens the folder itself.
    pub fn folder(path: &Path) -> io::Result<OwnedFd> {
        Ok(openat(CWD, path, SEARCH, Mode::empty())?)
    }

    /// Flags for a folder in which files are looked up: it need not be readable.
    #[cfg(target_os = "linux")]
    const SEARCH: OFlags = FOLDER.union(OFlags::PATH);
    #[cfg(not(target_os = "linux"))]
    const SEARCH: OFlags = FOLDER;

    /// Opens a file beneath a folder by a path without links.
    pub fn open(folder: &impl AsFd, path: &Path) -> io::Result<File> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{ResolveFlags, openat2};
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(folder, path, READ, Mode::empty(), resolve) {
                // an old kernel, or a sandbox that forbids openat2
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return Ok(opened?.into()),
            }
        }
        component_by_component(folder, path)
    }

    /// Does the same on any Unix: opens each folder of the path in turn.
    pub fn component_by_component(folder: &impl AsFd, path: &Path) -> io::Result<File> {
        let mut here = folder.as_fd().try_clone_to_owned()?;
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            let name = match part {
                Component::Normal(name) => name,
                Component::CurDir => std::ffi::OsStr::new("."),
                _ => return Err(Errno::XDEV.into()),
            };
            let flags = if parts.peek().is_some() { SEARCH } else { READ };
            here = openat(&here, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(here.into())
    }

    #[cfg(test)]
    mod tests {
        use std::fs;
        use std::io::Read as _;
        use std::os::unix::fs::symlink;

        use super::*;

        type Open = fn(&OwnedFd, &Path) -> io::Result<File>;

        #[test]
        fn both_ways_open_the_same_and_follow_no_link() {
            let outside = tempfile::tempdir().unwrap();
            let here = outside.path().join("here");
            fs::create_dir_all(here.join("sub/deep")).unwrap();
            fs::write(outside.path().join("a"), "outside").unwrap();
            fs::write(here.join("a"), "1").unwrap();
            fs::write(here.join("sub/deep/b"), "2").unwrap();
            symlink("..", here.join("up")).unwrap();
            symlink("a", here.join("link")).unwrap();
            symlink("sub", here.join("folder")).unwrap();
            let root = folder(&here).unwrap();
            for open in [open as Open, component_by_component as Open] {
                let read = |path: &str| -> io::Result<String> {
                    let mut text = String::new();
                    open(&root, Path::new(path))?.read_to_string(&mut text)?;
                    Ok(text)
                };
                assert_eq!((read("a").unwrap().as_str(), read("sub/deep/b").unwrap().as_str()), ("1", "2"));
                for path in ["up/a", "link", "folder/deep/b", "../a", "/a", "a/b", "none", "sub/none/b"] {
                    assert!(read(path).is_err(), "{path}");
                }
            }
        }
    }
}

impl Files for Folder {
    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, WeightsError> {
        // .. is refused even if it stays inside: behind a symbolic link it leads elsewhere
        for part in Path::new(path).components() {
            let (what, help) = match part {
                Component::Normal(_) | Component::CurDir => continue,
                Component::ParentDir => ("has a .., and a path may not go up", "write it without .., from the scenario's folder down"),
                Component::RootDir | Component::Prefix(_) => ("is an absolute path", "write it from the scenario's folder down"),
            };
            return Err(WeightsError::new(format!("\"{path}\" {what}"), help));
        }
        let cannot = |error: &io::Error| WeightsError::new(format!("\"{path}\" cannot be read: {error}"), "");
        let mut file = self.open(path)?;
        let about = file.metadata().map_err(|error| cannot(&error))?;
        if !about.is_file() {
            let what = if about.is_dir() { "a folder" } else { "not a regular file" };
            return Err(WeightsError::new(format!("\"{path}\" is {what}"), ""));
        }
        let bytes = if about.len() > most as u64 { None } else { limited(&mut file, about.len(), most).map_err(|error| cannot(&error))? };
        bytes.ok_or_else(|| match most {
            MAX_BYTES => WeightsError::new(format!("\"{path}\" is too large: files with weights have at most 256 MiB in all"), ""),
            _ => WeightsError::new(format!("with \"{path}\", the files with weights have more than 256 MiB in all"), ""),
        })
    }
}

/// Opens a file for reading without waiting: neither a pipe without a writer nor a terminal blocks.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(beneath::READ.bits().cast_signed());
    }
    options.open(path)
}

/// Reads a whole stream of about `about` bytes; `None` if it has more than `most`.
pub(crate) fn limited(from: &mut dyn Read, about: u64, most: usize) -> io::Result<Option<Vec<u8>>> {
    // one byte more, so that the end is reached without another allocation
    let mut bytes = Vec::with_capacity(usize::try_from(about).unwrap_or(most).min(most) + 1);
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= most).then_some(bytes))
}
