//! Writes an edited scenario to its file. The file is saved as a whole or not at all (`output/save.rs`), and its comments and layout stay.
//!
//! The files with tensors are written first, under new names. So the old scenario file is still right if the program is killed between two files.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};

use super::read::display_name;
use crate::output;
use crate::scenario::{Scenario, write_back};
use crate::tensor::{Tensor, flat};
use crate::weights::npz;

/// A written scenario file.
#[derive(Debug)]
pub(super) struct WrittenFile {
    /// The path of the scenario file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// A sentence for the user.
    pub sentence: String,
}

/// Writes a scenario with its edits: to `path` if there is one, else to the file that was `written` last, else to the scenario's own file. A scenario without a
/// file is written to the current folder.
///
/// # Errors
/// If a file cannot be written, if `path` is another file that exists, or if the scenario's file has changed since it was read. The old scenario file is then
/// unchanged.
pub(super) fn write_edits(scenario: &Scenario, path: Option<&str>, written: Option<&(PathBuf, String)>) -> anyhow::Result<WrittenFile> {
    let (own_path, own_text) = match written {
        Some((path, text)) => (Some(path.as_path()), text.as_str()),
        None => (scenario.path.as_deref(), scenario.text.as_str()),
    };
    let path = match (path, own_path) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(own)) => own.to_owned(),
        (None, None) => PathBuf::from(format!("{}.toml", if scenario.name == "-" { "scenario" } else { &scenario.name })),
    };
    if own_path == Some(&path) {
        // a file that was removed meanwhile is written again
        if fs::read(&path).is_ok_and(|bytes| bytes != own_text.as_bytes()) {
            bail!("{} has changed since it was read: :write FILE writes to another file", display_name(&path));
        }
    } else {
        match path.symlink_metadata() {
            Ok(_) => bail!("{} exists already: :write FILE writes to another file", display_name(&path)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", display_name(&path))),
        }
    }
    write_scenario(scenario, &path)
}

/// Writes a scenario to `path`.
///
/// # Errors
/// If a file cannot be written. The old scenario file is then unchanged.
fn write_scenario(scenario: &Scenario, path: &Path) -> anyhow::Result<WrittenFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_stem().map_or_else(|| scenario.name.clone(), |stem| stem.to_string_lossy().into_owned());
    let is_taken = |name: &str| folder.join(name).symlink_metadata().is_ok();
    let written = write_back(scenario, &stem, &is_taken).map_err(|why| anyhow!(why))?;
    let mut new_files = Vec::new();
    let result = save_tensors(&written.files, folder, &mut new_files).and_then(|()| save(path, written.text.as_bytes()));
    if let Err(error) = result {
        // the scenario file does not name them
        for file in &new_files {
            let _ = fs::remove_file(file);
        }
        return Err(error);
    }
    let names: Vec<&str> = written.files.iter().map(|(name, ..)| name.as_str()).collect();
    let beside = if names.is_empty() { String::new() } else { format!(", with {} beside it", names.join(", ")) };
    // the authors of notes and expectations had the old numbers in mind
    let tables = [(!scenario.remarks.is_empty(), "[[note]]"), (!scenario.expectations.is_empty(), "[[expect]]")];
    let old: Vec<&str> = tables.iter().filter(|(exists, _)| *exists).map(|(_, table)| *table).collect();
    let warning = if old.is_empty() { String::new() } else { format!("; its {} are about the old numbers", old.join(" and ")) };
    let sentence = format!("written to {}{beside}{warning}", display_name(path));
    Ok(WrittenFile { path: path.to_owned(), text: written.text, sentence })
}

/// Saves each tensor in a file of its own, and adds the paths of the files to `saved`.
fn save_tensors(files: &[(String, String, Arc<Tensor>)], folder: &Path, saved: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for (name, key, tensor) in files {
        let path = folder.join(name);
        let context = || format!("cannot write {}", display_name(&path));
        let mut to = output::file(&path).with_context(context)?;
        saved.push(path.clone());
        npz::write(to.raw(), &[(key.clone(), tensor.shape(), flat(tensor))]).with_context(context)?;
        to.finish().with_context(context)?;
    }
    Ok(())
}

/// Saves a file as a whole or not at all.
fn save(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", display_name(path));
    let mut to = output::file(path).with_context(context)?;
    to.raw().write_all(bytes).with_context(context)?;
    to.finish().with_context(context)
}
