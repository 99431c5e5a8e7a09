//! Writes an edited scenario to its file. The file is saved completely or not at all (`output/save.rs`). Its comments and its layout stay.
//!
//! Files with tensors are written first, under new names. So if the program is killed before all files are written, the old scenario file is still valid.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};

use super::outside::{KnownFile, has_text};
use super::read::{display_name, read_file};
use crate::output;
use crate::scenario::{MAX_BYTES, Scenario, reads_files, write_back};
use crate::tensor::{Tensor, flat};
use crate::weights::npz;

/// A written scenario file.
#[derive(Clone, Debug)]
pub(super) struct WrittenFile {
    /// The scenario file.
    pub file: KnownFile,
    /// The files with tensors that were written with it.
    tensors: Vec<PathBuf>,
}

/// The state of a file before the program writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileState {
    /// It is the scenario's file, unchanged since the program read or wrote it.
    Unchanged,
    /// It is the scenario's file, which another program has deleted.
    Deleted,
    /// There is no file.
    New,
}

/// Writes a scenario with its edits to `path`. If `path` is `None`, writes to the scenario's file, `own_file`; if there is none, to a new file in the current
/// folder. `written` is the file to which the scenario was written last. Returns the file and a message for the user.
///
/// # Errors
/// If a file cannot be written, if `path` is another existing file, if the scenario's file has changed since it was read, or if the scenario reads files of
/// another folder. The old scenario file is unchanged then.
pub(super) fn write_edits(
    scenario: &Scenario,
    path: Option<&str>,
    own_file: Option<KnownFile>,
    written: Option<&WrittenFile>,
) -> anyhow::Result<(WrittenFile, String)> {
    let path = match (path, &own_file) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(own_file)) => own_file.path.clone(),
        (None, None) => PathBuf::from(format!("{}.toml", if scenario.name == "-" { "scenario" } else { &scenario.name })),
    };
    let own_file = own_file.filter(|own_file| is_same_file(&own_file.path, &path));
    let target = check_target(&path, own_file.as_ref())?;
    if let Some(read_path) =
        scenario.path.as_deref().filter(|read_path| !is_same_file(folder_of(read_path), folder_of(&path)) && reads_files(scenario))
    {
        bail!("{} reads tensors from files in its folder: write it to that folder", display_name(read_path));
    }
    let (new, names) = write_scenario(scenario, &path, target)?;
    if let Some(old) = written.filter(|old| old.file.path == new.file.path) {
        remove_unused(old, &new);
    }
    let beside = if names.is_empty() { String::new() } else { format!(", with {} beside it", names.join(", ")) };
    let deleted = if target == FileState::Deleted { ", which had been deleted" } else { "" };
    // notes and expectations are about the old numbers
    let tables = [(!scenario.remarks.is_empty(), "[[note]]"), (!scenario.expectations.is_empty(), "[[expect]]")];
    let outdated: Vec<&str> = tables.iter().filter(|(exists, _)| *exists).map(|(_, table)| *table).collect();
    let warning = if outdated.is_empty() { String::new() } else { format!("; its {} are about the old numbers", outdated.join(" and ")) };
    Ok((new, format!("written to {}{deleted}{beside}{warning}", display_name(&path))))
}

/// Returns whether two paths name the same file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// Returns the state of the file at a path. `own_file` is the scenario's file, if the path is its path.
///
/// # Errors
/// If it must not be overwritten.
fn check_target(path: &Path, own_file: Option<&KnownFile>) -> anyhow::Result<FileState> {
    let name = display_name(path);
    match (path.symlink_metadata(), own_file) {
        (Err(error), own_file) if error.kind() == ErrorKind::NotFound => {
            Ok(if own_file.is_some() { FileState::Deleted } else { FileState::New })
        }
        (Err(error), _) => Err(error).with_context(|| format!("cannot write {name}")),
        (Ok(_), None) => bail!("{name} exists already: :write FILE writes to another file"),
        (Ok(_), Some(own_file)) if has_text(path, &own_file.text) => Ok(FileState::Unchanged),
        (Ok(_), Some(_)) => {
            bail!("{name} has changed since it was read: :e reads it again and keeps the edits, :write FILE writes to another file")
        }
    }
}

/// Writes a scenario to `path`. Returns the file, and the names of the files with tensors.
///
/// # Errors
/// If a file cannot be written. The old scenario file is unchanged then.
fn write_scenario(scenario: &Scenario, path: &Path, target: FileState) -> anyhow::Result<(WrittenFile, Vec<String>)> {
    let folder = folder_of(path);
    let stem = path.file_stem().map_or_else(|| scenario.name.clone(), |stem| stem.to_string_lossy().into_owned());
    let is_taken = |name: &str| folder.join(name).symlink_metadata().is_ok();
    let written = write_back(scenario, &stem, &is_taken).map_err(|why| anyhow!(why))?;
    let mut tensors = Vec::new();
    let result = save_tensors(&written.files, folder, &mut tensors).and_then(|()| save(path, target, written.text.as_bytes()));
    // the last thing that `save` does is to sync the folder. If only this fails, the file already has the new text, and it counts as saved
    if let Err(error) = result.or_else(|error| if has_text(path, &written.text) { Ok(()) } else { Err(error) }) {
        // the new files with tensors are removed, because no scenario file names them
        for file in &tensors {
            let _ = output::remove(file);
        }
        return Err(error);
    }
    let file = KnownFile { path: path.to_owned(), text: Arc::new(written.text) };
    let names = written.files.into_iter().map(|(name, ..)| name).collect();
    Ok((WrittenFile { file, tensors }, names))
}

/// The folder of a path; `.` for a name alone.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes the files with tensors of the last save. A file stays if the new text or another scenario in the folder names it, and if a scenario cannot be read.
/// This is done after the new text is written, because the old text needs the files until then.
fn remove_unused(old: &WrittenFile, new: &WrittenFile) {
    let unused: Vec<&PathBuf> = old.tensors.iter().filter(|file| !new.tensors.contains(file)).collect();
    if unused.is_empty() {
        return;
    }
    let folder = folder_of(&new.file.path);
    let Ok(saved_texts) = scenario_texts_in(folder) else { return };
    let texts = || saved_texts.iter().map(Vec::as_slice).chain([new.file.text.as_bytes()]);
    for file in unused {
        let Some(name) = file.file_name().map(std::ffi::OsStr::as_encoded_bytes) else { continue };
        if !texts().any(|text| text.windows(name.len()).any(|part| part == name)) {
            // an error is ignored, because a file that is left does no harm
            let _ = output::remove(file);
        }
    }
}

/// The texts of all scenario files in a folder, hidden ones too.
///
/// # Errors
/// If the folder or one of the files cannot be read.
fn scenario_texts_in(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) && !path.is_dir() {
            texts.push(read_file(&path, MAX_BYTES)?);
        }
    }
    Ok(texts)
}

/// Saves each tensor in its own file, and adds the paths of the files to `saved`.
fn save_tensors(files: &[(String, String, Arc<Tensor>)], folder: &Path, saved: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for (name, key, tensor) in files {
        let path = folder.join(name);
        let context = || format!("cannot write {}", display_name(&path));
        let mut to = output::new_file(&path).with_context(context)?;
        saved.push(path.clone());
        npz::write(to.raw(), &[(key.clone(), tensor.shape(), flat(tensor))]).with_context(context)?;
        to.finish().with_context(context)?;
    }
    Ok(())
}

/// Saves a file completely or not at all.
fn save(path: &Path, target: FileState, bytes: &[u8]) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", display_name(path));
    let open = if target == FileState::Unchanged { output::replacement } else { output::new_file };
    let mut to = open(path).with_context(context)?;
    to.raw().write_all(bytes).with_context(context)?;
    to.finish().with_context(context)
}
