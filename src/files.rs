//! Floor 9: reads regular files up to a size limit. Files that a scenario names must be inside the scenario's folder.
//!
//! A scenario may come from a stranger, so it must not be able to read any file:
//!
//! 1. Absolute paths and `..` are refused.
//! 2. Symbolic links in the path are resolved. The result must be inside the folder.
//! 3. On Unix, the resolved path is opened without following links. Otherwise another program could replace a folder of the path by a link between steps 2
//!    and 3.

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
    /// The open folder. If the folder is renamed and another one gets its path, this descriptor still refers to the first folder.
    #[cfg(unix)]
    descriptor: Arc<OwnedFd>,
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
            descriptor: Arc::new(beneath::open_folder(&root)?),
            root,
        })
    }

    /// Opens a file inside the folder. Symbolic links are followed if their target is inside the folder too.
    fn open(&self, path: &str) -> Result<File, WeightsError> {
        let help = "name a file in the scenario's folder, or in a folder of it";
        let cannot_read = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                let help = if path.starts_with('~') {
                    "~ is no folder here: copy the file to the folder of the scenario, and write its name alone"
                } else {
                    "the path goes from the folder of the scenario; is the file there, and is each letter right?"
                };
                WeightsError::new(format!("there is no file \"{path}\" in the scenario's folder"), help)
            }
            _ => WeightsError::new(format!("\"{path}\" cannot be read: {error}"), ""),
        };
        for attempt in 1.. {
            let resolved = fs::canonicalize(self.root.join(path)).map_err(|error| cannot_read(&error))?;
            let Ok(relative) = resolved.strip_prefix(&self.root) else {
                return Err(WeightsError::new(format!("\"{path}\" is a symbolic link that leads out of the scenario's folder"), help));
            };
            match self.open_without_links(relative) {
                Ok(file) => return Ok(file),
                // the path has changed after it was resolved, so it is resolved again
                Err(error) if path_has_changed(&error) && attempt < ATTEMPTS => {}
                Err(error) => return Err(cannot_read(&error)),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Opens a resolved path, relative to the folder.
    #[cfg(unix)]
    fn open_without_links(&self, path: &Path) -> io::Result<File> {
        beneath::open(&self.descriptor, path)
    }

    /// Opens a resolved path, relative to the folder. Links are followed here, because std has no other way to open a file.
    #[cfg(not(unix))]
    fn open_without_links(&self, path: &Path) -> io::Result<File> {
        open(&self.root.join(path))
    }
}

/// The largest number of attempts to open a path. A second attempt is made if another program has changed the path after it was resolved.
const ATTEMPTS: u32 = 8;

/// Returns whether a resolved path could not be opened because it has changed: it now contains a link, one of its folders is a file now, or a part of it no
/// longer exists.
fn path_has_changed(error: &io::Error) -> bool {
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

/// Opens files below a folder without following links, even if another program changes the path meanwhile.
#[cfg(unix)]
mod beneath {
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::{Component, Path};

    use rustix::fs::{CWD, Mode, OFlags, openat};
    use rustix::io::Errno;

    /// Flags for reading without waiting: neither a pipe without a writer nor a terminal blocks.
    pub const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

    const READ_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    /// Flags for a folder in which files are opened. On Linux, `PATH` works even for a folder that may be searched but not listed.
    #[cfg(target_os = "linux")]
    const FOLDER: OFlags = READ_FOLDER.union(OFlags::PATH);
    #[cfg(not(target_os = "linux"))]
    const FOLDER: OFlags = READ_FOLDER;

    /// Opens a folder, beneath which [`open`] then opens files.
    pub fn open_folder(path: &Path) -> io::Result<OwnedFd> {
        Ok(openat(CWD, path, FOLDER, Mode::empty())?)
    }

    /// Opens the file at a path below a folder. Fails if the path contains a symbolic link.
    pub fn open(folder: &impl AsFd, path: &Path) -> io::Result<File> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{ResolveFlags, openat2};
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(folder, path, READ, Mode::empty(), resolve) {
                // an old kernel has no openat2, and some sandboxes forbid it; then the function below is used
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return Ok(opened?.into()),
            }
        }
        open_by_component(folder, path)
    }

    /// Does the same as [`open`] with calls that every Unix has. It opens the folders of the path one after the other.
    pub fn open_by_component(folder: &impl AsFd, path: &Path) -> io::Result<File> {
        let mut opened = folder.as_fd().try_clone_to_owned()?;
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            let name = match part {
                Component::Normal(name) => name,
                Component::CurDir => std::ffi::OsStr::new("."),
                _ => return Err(Errno::XDEV.into()),
            };
            let flags = if parts.peek().is_some() { FOLDER } else { READ };
            opened = openat(&opened, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(opened.into())
    }

    #[cfg(test)]
    mod tests {
        use std::fs;
        use std::io::Read as _;
        use std::os::unix::fs::symlink;

        use super::*;

        type OpenFile = fn(&OwnedFd, &Path) -> io::Result<File>;

        #[test]
        fn both_open_functions_read_the_same_files_and_follow_no_link() {
            let outside = tempfile::tempdir().unwrap();
            let inside = outside.path().join("inside");
            fs::create_dir_all(inside.join("sub/deep")).unwrap();
            fs::write(outside.path().join("a"), "outside").unwrap();
            fs::write(inside.join("a"), "1").unwrap();
            fs::write(inside.join("sub/deep/b"), "2").unwrap();
            symlink("..", inside.join("up")).unwrap();
            symlink("a", inside.join("link")).unwrap();
            symlink("sub", inside.join("folder")).unwrap();
            let root = open_folder(&inside).unwrap();
            for open in [open as OpenFile, open_by_component as OpenFile] {
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
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, WeightsError> {
        // `a/..` is refused although it seems to stay in the folder: if `a` is a symbolic link, `a/..` is the parent of its target
        for part in Path::new(path).components() {
            let (problem, help) = match part {
                Component::Normal(_) | Component::CurDir => continue,
                Component::ParentDir => ("has a .., and a path may not go up", "write it without .., from the scenario's folder down"),
                Component::RootDir | Component::Prefix(_) => ("is an absolute path", "write it from the scenario's folder down"),
            };
            return Err(WeightsError::new(format!("\"{path}\" {problem}"), help));
        }
        let cannot_read = |error: &io::Error| WeightsError::new(format!("\"{path}\" cannot be read: {error}"), "");
        let mut file = self.open(path)?;
        let metadata = file.metadata().map_err(|error| cannot_read(&error))?;
        if !metadata.is_file() {
            let kind = if metadata.is_dir() { "a folder" } else { "not a regular file" };
            return Err(WeightsError::new(format!("\"{path}\" is {kind}"), ""));
        }
        let bytes = if metadata.len() > limit as u64 {
            None
        } else {
            read_limited(&mut file, metadata.len(), limit).map_err(|error| cannot_read(&error))?
        };
        bytes.ok_or_else(|| match limit {
            // nothing of the limit is used yet, so this is the first file
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

/// Reads a stream to its end. Returns `None` if it has more than `limit` bytes. `expected` is the probable number of bytes; memory for them is allocated at
/// once.
pub(crate) fn read_limited(stream: &mut dyn Read, expected: u64, limit: usize) -> io::Result<Option<Vec<u8>>> {
    // with one byte more, `read_to_end` notices the end of the stream without a larger buffer
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(limit).min(limit) + 1);
    // if one byte more than the limit can be read, the stream is too long
    stream.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}
