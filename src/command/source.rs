//! Finds and reads the scenario that SCENARIO names: a path, a bundled name or the beginning of one, or `-`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, is_separator};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use anyhow::{Context as _, anyhow, bail};

use super::bundled::{self, Bundled};
use super::holds;
use super::read::{file, shown};
use crate::app::Document;
use crate::files::{Folder, read_limited};
use crate::output::{self, standard};
use crate::scenario::{self, Faults, Files, Limits, MAX_BYTES, NoFiles, Scenario, Source};
use crate::text::{line, sentence};
use crate::weights::WeightsError;
use crate::words::suggest;

/// Whether an argument is always a path: it has a separator or ends in `.toml`.
pub(super) fn is_path(typed: &OsStr) -> bool {
    let text = typed.to_string_lossy();
    text.contains(is_separator) || Path::new(typed).extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"))
}

/// Returns whether an argument is to be taken as a scenario: `-`, a path, an existing file, or a bundled name or its beginning. A path need not exist.
pub(super) fn exists(typed: &OsStr) -> bool {
    let is_bundled = || typed.to_str().is_some_and(|name| bundled::find(name).is_some());
    typed == "-" || is_path(typed) || is_bundled() || Path::new(typed).exists() || by_prefix(typed).is_some()
}

/// Finds the only bundled scenario whose name begins with the argument, and a note to print about it.
///
/// Returns `None` if there is none, or if the argument is a whole name, a path or a file. The error lists the scenarios if there are several.
pub(super) fn by_prefix(typed: &OsStr) -> Option<anyhow::Result<(Bundled, String)>> {
    let text = typed.to_str().filter(|text| !text.is_empty() && bundled::find(text).is_none())?;
    if is_path(typed) || Path::new(typed).exists() {
        return None;
    }
    let begin: Vec<Bundled> = bundled::ALL.iter().filter(|bundled| bundled.name.starts_with(text)).copied().collect();
    match begin[..] {
        [] => None,
        [one] => Some(Ok((one, format!("{text} opens {}, the only bundled scenario whose name begins with it", one.name)))),
        _ => {
            let names: Vec<&str> = begin.iter().map(|bundled| bundled.name).collect();
            Some(Err(anyhow!("{} bundled scenarios begin with {text}: {}; name one of them", names.len(), names.join(", "))))
        }
    }
}

const PIPED: NoFiles =
    NoFiles { why: "it comes from the standard input, so it has no folder", help: "save it as a file in the folder of its weights" };
const BUNDLED: NoFiles = NoFiles { why: "it is inside the program, so it has no folder", help: "" };

/// The largest total size of the files in a recording, in bytes.
const LARGEST_RECORDING: usize = 32 << 20;

/// The files beside a scenario that is being recorded. It keeps the bytes of each file that is read.
#[derive(Debug)]
struct RecordedFiles {
    files: Arc<dyn Files>,
    read: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Files for RecordedFiles {
    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, WeightsError> {
        let bytes = self.files.read(path, most)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(path.to_owned(), bytes.clone());
        if read.values().map(Vec::len).sum::<usize>() > LARGEST_RECORDING {
            let help = "open it without --record";
            return Err(WeightsError::new("a recording contains its scenario's files, and these are larger than 32 MiB", help));
        }
        Ok(bytes)
    }
}

/// The files in a recorded session, by their paths.
#[derive(Debug)]
pub(super) struct SessionFiles(pub BTreeMap<String, Vec<u8>>);

impl Files for SessionFiles {
    fn read(&self, path: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
        let found = self.0.get(path).cloned();
        found.ok_or_else(|| WeightsError::new(format!("the session does not contain the file \"{path}\""), "record it again"))
    }
}

/// Reads a scenario that is to be recorded. Returns it with the files that it reads.
///
/// # Errors
/// As [`ScenarioLoader::scenario`], and if the files are too large to be recorded.
pub(super) fn recorded(typed: &OsStr, limits: Limits) -> anyhow::Result<(Scenario, BTreeMap<String, Vec<u8>>)> {
    let (source, files) = source(typed)?;
    let recorded = Arc::new(RecordedFiles { files, read: Mutex::default() });
    let scenario = scenario::read_beside(source, limits, Arc::clone(&recorded) as Arc<dyn Files>)?;
    let read = std::mem::take(&mut *recorded.read.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((scenario, read))
}

/// Reads the text of a scenario, and opens the folder of its files. A bundled name comes before a file of the same name.
fn source(typed: &OsStr) -> anyhow::Result<(Source, Arc<dyn Files>)> {
    if typed == "-" {
        standard::stdin_is_open()?;
        let bytes = read_limited(&mut io::stdin().lock(), 0, MAX_BYTES).context("cannot read the standard input")?;
        let bytes = bytes.ok_or_else(|| anyhow!("the standard input is larger than 4 MiB, so it is not a scenario"))?;
        return Ok((Source::from_bytes("-".to_owned(), "<stdin>".to_owned(), bytes)?, Arc::new(PIPED)));
    }
    if !is_path(typed) {
        if let Some(bundled) = typed.to_str().and_then(bundled::find) {
            let name = bundled.name.to_owned();
            return Ok((Source { path_shown: name.clone(), name, text: bundled.text.to_owned() }, Arc::new(BUNDLED)));
        }
        if let Some(found) = by_prefix(typed) {
            let (bundled, note) = found?;
            let mut to = output::stderr();
            writeln!(to, "{note}")?;
            to.finish()?;
            return source(OsStr::new(bundled.name));
        }
        if !Path::new(typed).exists() {
            return Err(unknown(typed));
        }
    }
    let path = Path::new(typed);
    if holds::is_weights(path) && path.exists() {
        return Err(anyhow!(holds::listing(path)?));
    }
    let bytes = file(path, MAX_BYTES)?;
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if !utf16 && bytes.contains(&0) && std::str::from_utf8(&bytes).is_err() {
        bail!("{} is a binary file, but a scenario is a TOML file; `gradstep list` shows the bundled ones", shown(path));
    }
    let name = path.file_stem().map_or_else(|| shown(path), |stem| stem.to_string_lossy().into_owned());
    let folder = Folder::of(path).with_context(|| format!("cannot open the folder of {}", shown(path)))?;
    Ok((Source::from_bytes(name, path.to_string_lossy().into_owned(), bytes)?, Arc::new(folder)))
}

fn unknown(typed: &OsStr) -> anyhow::Error {
    let typed_text = typed.to_string_lossy();
    let near = suggest::clause(suggest::nearest(&typed_text, bundled::ALL.iter().map(|bundled| bundled.name)));
    anyhow!("{} is neither a bundled scenario nor a file{near} (`gradstep list` shows the bundled ones)", shown(typed))
}

/// The loader of scenarios.
#[derive(Clone, Copy, Debug)]
pub struct ScenarioLoader {
    /// The limits for reading a scenario.
    pub limits: Limits,
    /// Whether the picker opens files besides the bundled scenarios. In a recorded session it does not, so that the session replays on any machine.
    pub files: bool,
}

impl ScenarioLoader {
    /// A loader of the bundled scenarios only.
    #[must_use]
    pub fn bundled(limits: Limits) -> Self {
        Self { limits, files: false }
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// [`Faults`] if it is not valid, otherwise one sentence.
    pub(super) fn scenario(&self, typed: &OsStr) -> anyhow::Result<Scenario> {
        let (source, files) = source(typed)?;
        Ok(scenario::read_beside(source, self.limits, files)?)
    }

    /// Opens an entry of the picker.
    ///
    /// # Errors
    /// One sentence for the status line.
    pub fn open(&self, name: &str) -> Result<Document, String> {
        if !self.files && bundled::find(name).is_none() {
            return Err(format!("{} is a file, and a recorded session opens only bundled scenarios", shown(name)));
        }
        match self.scenario(OsStr::new(name)) {
            Ok(scenario) => Ok(Document::new(scenario)),
            Err(error) => Err(match error.downcast_ref::<Faults>() {
                Some(faults) => format!("{} is not valid: {}", shown(name), first_of(name, faults)),
                None => sentence(&format!("{error:#}")),
            }),
        }
    }
}

/// The first fault of a file, and the command that shows its place.
fn first_of(name: &str, faults: &Faults) -> String {
    let first = faults.faults().first().map_or("", |fault| &fault.message);
    format!("{} (`gradstep check {}` shows where)", line(first), shown(name))
}

/// The names of the scenario files in the current folder.
pub(super) fn here() -> Vec<String> {
    const MOST: usize = 300;
    let Ok(folder) = fs::read_dir(".") else { return Vec::new() };
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // leave out names with characters that are shown escaped: the picker opens a file by the name it shows
    let plain = |name: &String| is_path(OsStr::new(name)) && !name.starts_with('.') && shown(name) == *name;
    let mut names: Vec<String> = names.filter(plain).take(MOST).collect();
    names.sort();
    names
}
