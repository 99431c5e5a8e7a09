//! The calls that change files. All files that must survive a crash are changed through this module, so that tests can make each call fail, or kill the process
//! in it (`faults.rs`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

#[cfg(test)]
pub(crate) mod faults;

/// The call before each change. In tests it can fail, or kill the process.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in a test it can fail")]
fn about_to(_call: &'static str) -> io::Result<()> {
    Ok(())
}
#[cfg(test)]
use faults::about_to;

/// A file. Tests can make its writes fail.
#[derive(Debug)]
pub struct DiskFile(pub File);

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        if faults::next_call_fails() {
            // when a disk is full or the process is killed, only a part of the bytes is written
            self.0.write_all(&bytes[..bytes.len() / 2])?;
        }
        about_to("write")?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Creates a file that does not exist.
pub fn create_new(path: &Path) -> io::Result<File> {
    about_to("create")?;
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Creates a file that does not exist, to which bytes are appended.
pub fn create_to_append(path: &Path) -> io::Result<File> {
    about_to("create to append")?;
    OpenOptions::new().append(true).create_new(true).open(path)
}

/// Creates a folder and the folders above it, and waits until their names are on the disk.
pub fn create_folders(path: &Path) -> io::Result<()> {
    about_to("create a folder")?;
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(path)?;
    missing.iter().rev().filter_map(|folder| folder.parent()).try_for_each(sync_folder)
}

/// Renames a file. An existing file of the new name is replaced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    about_to("rename")?;
    fs::rename(from, to)
}

/// Gives a file a second name.
///
/// # Errors
/// `AlreadyExists` if there is a file of that name.
pub fn hard_link(from: &Path, to: &Path) -> io::Result<()> {
    about_to("link")?;
    fs::hard_link(from, to)
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    about_to("remove")?;
    fs::remove_file(path)
}

/// Waits until a file is on the disk.
pub fn sync(file: &File) -> io::Result<()> {
    about_to("sync")?;
    file.sync_all()
}

/// Waits until the names in a folder are on the disk. Does nothing if the system or the file system does not support this, or if the user may not read the
/// folder.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    about_to("sync the folder")?;
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

/// Creates a file without a name in a folder; `None` if this fails or the system does not support it.
#[cfg(target_os = "linux")]
pub fn create_nameless(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    about_to("create without a name").ok()?;
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
    // `link` works only if the folder /proc exists
    fs::metadata(descriptor_path(&file)).is_ok().then_some(file)
}

/// The path by which this process can name its open file.
#[cfg(target_os = "linux")]
fn descriptor_path(file: &File) -> String {
    use std::os::fd::AsRawFd as _;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Gives a name to a file without a name.
///
/// # Errors
/// `AlreadyExists` if there is a file of that name.
#[cfg(target_os = "linux")]
pub fn link(file: &File, name: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    about_to("link")?;
    Ok(linkat(CWD, descriptor_path(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
pub fn create_nameless(_folder: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
pub fn link(_file: &File, _name: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
