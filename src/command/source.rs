//! Finds and reads a scenario. The argument SCENARIO is a path, the name of a bundled scenario, the beginning of such a name, or `-`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf, is_separator};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use anyhow::{Context as _, anyhow, bail};

use super::bundled::{self, Bundled};
use super::read::{display_name, read_file};
use super::templates;
use super::weights_listing;
use crate::app::Document;
use crate::files::{Folder, read_limited};
use crate::output::{self, standard};
use crate::scenario::{self, Faults, Files, Limits, MAX_BYTES, NoFiles, Scenario, Source};
use crate::text::{line, sentence};
use crate::weights::{ForeignFormat, WeightsError};
use crate::words::suggest;

/// `true` if an argument is a path even if there is no such file: it contains a separator or ends in `.toml`.
pub(super) fn is_path(typed: &OsStr) -> bool {
    let text = typed.to_string_lossy();
    text.contains(is_separator) || Path::new(typed).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// `true` if an argument is a SCENARIO: `-`, a path (even if the file does not exist), an existing file, or a bundled name or its beginning.
pub(super) fn is_scenario_argument(typed: &OsStr) -> bool {
    let is_bundled = || typed.to_str().is_some_and(|name| bundled::find(name).is_some());
    typed == "-" || is_path(typed) || is_bundled() || Path::new(typed).exists() || find_by_prefix(typed).is_some()
}

/// Finds the only bundled scenario whose name begins with the argument. Returns the scenario and a note for the user: `xo opens xor, …`.
///
/// Returns `None` if no name begins with the argument, or if the argument is a whole name, a path or a file.
///
/// # Errors
/// If several names begin with the argument; the message lists them.
pub(super) fn find_by_prefix(typed: &OsStr) -> Option<anyhow::Result<(Bundled, String)>> {
    let text = typed.to_str().filter(|text| !text.is_empty() && bundled::find(text).is_none())?;
    if is_path(typed) || Path::new(typed).exists() {
        return None;
    }
    let matches: Vec<Bundled> = bundled::ALL.iter().filter(|bundled| bundled.name.starts_with(text)).copied().collect();
    match matches[..] {
        [] => None,
        [found] => Some(Ok((found, format!("{text} opens {}, the only bundled scenario whose name begins with it", found.name)))),
        _ => {
            let names: Vec<&str> = matches.iter().map(|bundled| bundled.name).collect();
            Some(Err(anyhow!("{} bundled scenarios begin with {text}: {}; name one of them", names.len(), names.join(", "))))
        }
    }
}

/// The reason why a scenario from the standard input cannot read files.
const PIPED: NoFiles =
    NoFiles { why: "it comes from the standard input, so it has no folder", help: "save it as a file in the folder of its weights" };
/// The reason why a bundled scenario cannot read files.
const BUNDLED: NoFiles = NoFiles { why: "it is inside the program, so it has no folder", help: "" };

/// The largest total size of the files in a recording, in bytes.
pub(super) const MAX_RECORDED_BYTES: usize = 32 << 20;

/// A source of a scenario's files that stores a copy of each file that it reads, for the recording.
#[derive(Debug)]
struct CopyingFiles {
    files: Arc<dyn Files>,
    /// The bytes of each file that was read, by its path.
    copies: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Files for CopyingFiles {
    fn read(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, WeightsError> {
        let bytes = self.files.read(path, max_bytes)?;
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.insert(path.to_owned(), bytes.clone());
        if copies.values().map(Vec::len).sum::<usize>() > MAX_RECORDED_BYTES {
            let help = "open it without --record";
            return Err(WeightsError::new("a recording contains its scenario's files, and these are larger than 32 MiB", help));
        }
        Ok(bytes)
    }
}

/// The files in a recorded session: the bytes of each file, by its path.
#[derive(Debug)]
pub(super) struct SessionFiles(pub BTreeMap<String, Vec<u8>>);

impl Files for SessionFiles {
    fn read(&self, path: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
        let found = self.0.get(path).cloned();
        found.ok_or_else(|| WeightsError::new(format!("the session does not contain the file \"{path}\""), "record it again"))
    }
}

/// Reads a scenario for a recording. Returns the scenario and the bytes of the files that it reads.
///
/// # Errors
/// Those of [`ScenarioLoader::load`], and if the files are too large for a recording.
pub(super) fn read_for_recording(typed: &OsStr, limits: Limits) -> anyhow::Result<(Scenario, BTreeMap<String, Vec<u8>>)> {
    let (source, files) = read_source(typed)?;
    let recorded = Arc::new(CopyingFiles { files, copies: Mutex::default() });
    let mut scenario = scenario::read_with_files(source, limits, Arc::clone(&recorded) as Arc<dyn Files>)?;
    scenario.path = path_of(typed);
    let copies = std::mem::take(&mut *recorded.copies.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((scenario, copies))
}

/// Reads the text of a scenario, and opens the folder of its files. If a bundled scenario and a file have the same name, the bundled scenario is read.
fn read_source(typed: &OsStr) -> anyhow::Result<(Source, Arc<dyn Files>)> {
    if typed == "-" {
        standard::ensure_stdin_is_open()?;
        let expected_len = 0; // unknown
        let bytes = read_limited(&mut io::stdin().lock(), expected_len, MAX_BYTES).context("cannot read the standard input")?;
        let bytes = bytes.ok_or_else(|| anyhow!("the standard input is larger than 4 MiB, so it is not a scenario"))?;
        return Ok((Source::from_bytes("-".to_owned(), "<stdin>".to_owned(), bytes)?, Arc::new(PIPED)));
    }
    if !is_path(typed) {
        if let Some(bundled) = typed.to_str().and_then(bundled::find) {
            let name = bundled.name.to_owned();
            return Ok((Source { path_shown: name.clone(), name, text: bundled.text.to_owned() }, Arc::new(BUNDLED)));
        }
        if let Some(found) = find_by_prefix(typed) {
            let (bundled, note) = found?;
            let mut to = output::stderr();
            writeln!(to, "{note}")?;
            to.finish()?;
            return read_source(OsStr::new(bundled.name));
        }
        if !Path::new(typed).exists() {
            return Err(unknown_scenario(typed));
        }
    }
    let path = Path::new(typed);
    if path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) && !weights_listing::is_weights_path(path) {
        bail!("{} is not a regular file; write `-` to read the standard input", display_name(path));
    }
    read_path(path)
}

/// Reads the text of a scenario file, and opens the folder of its files.
fn read_path(path: &Path) -> anyhow::Result<(Source, Arc<dyn Files>)> {
    if weights_listing::is_weights_path(path) && path.exists() {
        let proposes = false;
        return Err(anyhow!(weights_listing::listing(path, proposes)?));
    }
    let bytes = match read_file(path, MAX_BYTES) {
        // a file of tensors may be too large to be read; then its name tells its format
        Err(error) => return Err(foreign_format_error(path, &[]).unwrap_or(error)),
        Ok(bytes) => bytes,
    };
    if let Some(error) = foreign_format_error(path, &bytes) {
        return Err(error);
    }
    // UTF-16 text also contains zero bytes, but is not binary; `Source::from_bytes` reports that it must be UTF-8
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if !is_utf16 && bytes.contains(&0) && std::str::from_utf8(&bytes).is_err() {
        bail!("{} is a binary file, but a scenario is a TOML file; `gradstep list` shows the bundled ones", display_name(path));
    }
    let name = path.file_stem().map_or_else(|| display_name(path), |stem| stem.to_string_lossy().into_owned());
    let folder = Folder::of(path).with_context(|| format!("cannot open the folder of {}", display_name(path)))?;
    Ok((Source::from_bytes(name, path.to_string_lossy().into_owned(), bytes)?, Arc::new(folder)))
}

/// The error for an existing file in a format of tensors or models that gradstep does not read; `None` for any other file.
fn foreign_format_error(path: &Path, bytes: &[u8]) -> Option<anyhow::Error> {
    let name = path.file_name()?.to_str().filter(|_| path.is_file())?;
    // a text with a title may be a scenario, whatever its name is
    let may_be_scenario = !bytes.is_empty() && std::str::from_utf8(bytes).is_ok_and(|text| text.contains("title"));
    let format = ForeignFormat::by_bytes(bytes).or_else(|| ForeignFormat::by_name(name).filter(|_| !may_be_scenario))?;
    let error = format.error(&display_name(name));
    Some(anyhow!("{} is not a scenario: {}; {}", display_name(path), error.message, error.help))
}

/// Returns the path of a scenario's file; `None` for a bundled scenario, and for one from the standard input.
fn path_of(typed: &OsStr) -> Option<PathBuf> {
    let has_no_file =
        typed == "-" || !is_path(typed) && (bundled::find(&typed.to_string_lossy()).is_some() || find_by_prefix(typed).is_some());
    (!has_no_file).then(|| PathBuf::from(typed))
}

/// The error for an argument that is neither a bundled scenario nor a file.
fn unknown_scenario(typed: &OsStr) -> anyhow::Error {
    let typed_text = typed.to_string_lossy();
    let near = suggest::clause(suggest::nearest(&typed_text, bundled::ALL.iter().map(|bundled| bundled.name)));
    let kind = templates::kind_meant_by(&typed_text);
    let how_to_start = kind.map_or_else(String::new, |kind| format!("; `gradstep new {kind}` prints one to start from"));
    anyhow!("{} is neither a bundled scenario nor a file{near} (`gradstep list` shows the bundled ones){how_to_start}", display_name(typed))
}

/// A loader of scenarios.
#[derive(Clone, Copy, Debug)]
pub struct ScenarioLoader {
    /// The limits for reading a scenario.
    pub limits: Limits,
    /// `true` if the picker opens files, not only bundled scenarios. In a recorded session it is `false`, so that the session replays on any machine.
    pub opens_files: bool,
}

impl ScenarioLoader {
    /// A loader with which the picker opens only bundled scenarios.
    #[must_use]
    pub fn bundled(limits: Limits) -> Self {
        Self { limits, opens_files: false }
    }

    /// Reads a scenario. `typed` is the argument SCENARIO.
    ///
    /// # Errors
    /// [`Faults`] if it is not valid, otherwise one sentence.
    pub(super) fn load(&self, typed: &OsStr) -> anyhow::Result<Scenario> {
        let (source, files) = read_source(typed)?;
        let mut scenario = scenario::read_with_files(source, self.limits, files)?;
        scenario.path = path_of(typed);
        Ok(scenario)
    }

    /// Rereads the file of an open scenario.
    ///
    /// # Errors
    /// One sentence for the status line.
    pub(super) fn reload(&self, path: &Path) -> Result<Scenario, String> {
        let read = || {
            let (source, files) = read_path(path)?;
            let mut scenario = scenario::read_with_files(source, self.limits, files)?;
            scenario.path = Some(path.to_owned());
            Ok::<_, anyhow::Error>(scenario)
        };
        read().map_err(|error| one_sentence(&display_name(path), &error))
    }

    /// Opens the scenario of a row of the picker.
    ///
    /// # Errors
    /// One sentence for the status line.
    pub fn open(&self, name: &str) -> Result<Document, String> {
        if !self.opens_files && bundled::find(name).is_none() {
            return Err(format!("{} is a file, and a recorded session opens only bundled scenarios", display_name(name)));
        }
        self.scenario(name).map(Document::new)
    }

    /// Reads a scenario, as [`Self::load`] does.
    ///
    /// # Errors
    /// One sentence for the status line.
    pub(super) fn scenario(&self, name: &str) -> Result<Scenario, String> {
        if name == "-" {
            return Err("only the command line reads the standard input; name a file".to_owned());
        }
        self.load(OsStr::new(name)).map_err(|error| one_sentence(&display_name(name), &error))
    }
}

/// Returns the reason why a file cannot be read as one sentence: the first fault with its line and column, and the command that shows all faults.
fn one_sentence(name: &str, error: &anyhow::Error) -> String {
    let Some(faults) = error.downcast_ref::<Faults>() else { return sentence(&format!("{error:#}")) };
    let place = faults.first_place().map_or_else(String::new, |(line, column)| format!(", line {line}, column {column}"));
    let first = faults.faults().first().map_or("", |fault| &fault.message);
    format!("{name} is not valid{place}: {} (`gradstep check {name}` shows all)", line(first))
}

/// The names of the scenario files in a folder, sorted; at most 300, the first ones.
pub(super) fn scenario_files_in(folder: &Path) -> Vec<String> {
    const MAX_FILES: usize = 300;
    let Ok(folder) = fs::read_dir(folder) else { return Vec::new() };
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // the picker opens a file by the text that it shows, so only names that are shown unchanged are listed
    let is_listed = |name: &String| is_path(OsStr::new(name)) && !name.starts_with('.') && display_name(name) == *name;
    let mut names: Vec<String> = names.filter(is_listed).collect();
    names.sort();
    names.truncate(MAX_FILES);
    names
}
