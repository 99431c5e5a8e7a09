//! Floor 8: reading files: regular ones, up to a limit; those that a scenario names from inside its folder only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::scenario::Files;
use crate::weights::{MAX_BYTES, Wrong};

/// The folder of a scenario.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Without symbolic links.
    root: PathBuf,
}

impl Folder {
    /// The folder that holds this scenario file.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(scenario: &Path) -> io::Result<Self> {
        let folder = scenario.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { root: fs::canonicalize(folder)? })
    }
}

impl Files for Folder {
    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, Wrong> {
        let inside = "name a file in the scenario's folder, or in a folder of it";
        // refused wherever it leads: behind a symbolic link a .. goes up from somewhere else
        for part in Path::new(path).components() {
            let (what, help) = match part {
                Component::Normal(_) | Component::CurDir => continue,
                Component::ParentDir => ("has a .., and a path may not go up", "write it without .., from the scenario's folder down"),
                Component::RootDir | Component::Prefix(_) => ("is an absolute path", "write it from the scenario's folder down"),
            };
            return Err(Wrong::new(format!("\"{path}\" {what}"), help));
        }
        let cannot = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => Wrong::new(format!("there is no file \"{path}\" in the scenario's folder"), ""),
            _ => Wrong::new(format!("\"{path}\" cannot be read: {error}"), ""),
        };
        let found = fs::canonicalize(self.root.join(path)).map_err(|error| cannot(&error))?;
        if !found.starts_with(&self.root) {
            return Err(Wrong::new(format!("\"{path}\" is a symbolic link that leads out of the scenario's folder"), inside));
        }
        // a link that was put there meanwhile is not followed
        let mut file = open(&found, false).map_err(|error| cannot(&error))?;
        let about = file.metadata().map_err(|error| cannot(&error))?;
        if !about.is_file() {
            let what = if about.is_dir() { "a folder" } else { "not a regular file" };
            return Err(Wrong::new(format!("\"{path}\" is {what}"), ""));
        }
        let bytes = if about.len() > most as u64 { None } else { limited(&mut file, about.len(), most).map_err(|error| cannot(&error))? };
        bytes.ok_or_else(|| match most {
            MAX_BYTES => Wrong::new(format!("\"{path}\" is too large: files with weights have at most 256 MiB in all"), ""),
            _ => Wrong::new(format!("with \"{path}\", the files with weights have more than 256 MiB in all"), ""),
        })
    }
}

/// Opened so that neither a pipe without a writer nor a terminal can hold us up.
pub(crate) fn open(path: &Path, follow_link: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let link = if follow_link { OFlags::empty() } else { OFlags::NOFOLLOW };
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY | link).bits().cast_signed());
    }
    #[cfg(not(unix))]
    let _ = follow_link;
    options.open(path)
}

/// All of a stream, which may have `about` bytes; `None` when it has more than `most`.
pub(crate) fn limited(from: &mut dyn Read, about: u64, most: usize) -> io::Result<Option<Vec<u8>>> {
    // one byte more: the end is seen without another allocation
    let mut bytes = Vec::with_capacity(usize::try_from(about).unwrap_or(most).min(most) + 1);
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= most).then_some(bytes))
}
