//! The file of the open scenario. This module writes it with the edits, watches it for changes by other programs, and keeps its unsaved edits in a journal.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::journal::EditedNumbers;
use super::kept_edits::KeptEdits;
use super::outside::{FileWatch, KnownFile};
use super::write::{WrittenFile, write_edits};
use crate::app::{FileChange, Stepper};
use crate::scenario::Scenario;

/// The file of the open scenario.
#[derive(Clone, Debug)]
pub struct ScenarioFile {
    /// The file to which the edits were written last, with the text of the scenario that was open.
    written: Option<(WrittenFile, Arc<String>)>,
    /// The watch of the file; `None` if the scenario has no file.
    watch: Option<FileWatch>,
    /// The journals, which all clones share; `None` if there is no folder for them.
    journals: Option<Arc<Mutex<KeptEdits>>>,
}

impl ScenarioFile {
    /// Returns the value before the first scenario is opened.
    pub fn new() -> Self {
        Self { written: None, watch: None, journals: KeptEdits::new().map(Mutex::new).map(Arc::new) }
    }

    /// Begins with another scenario. Returns the unsaved edits of an earlier session with it.
    pub fn begin(&mut self, scenario: &Scenario) -> Option<EditedNumbers> {
        self.written = None;
        self.journals.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).begin(scenario)
    }

    /// Returns the file to which the edits of this scenario were written last. Returns `None` if another scenario was open then, or if the file was read again
    /// after that.
    fn written(&self, scenario: &Scenario) -> Option<&WrittenFile> {
        self.written.as_ref().filter(|(_, text)| Arc::ptr_eq(text, &scenario.text)).map(|(written, _)| written)
    }

    /// Returns the path of the scenario's file. It is the file that was written last or, if none was written, the file that was read.
    pub fn path(&self, scenario: &Scenario) -> Option<PathBuf> {
        self.known(scenario).map(|file| file.path)
    }

    /// Returns the path and the text of the scenario's file as the program read or wrote it last; `None` if the scenario has no file.
    fn known(&self, scenario: &Scenario) -> Option<KnownFile> {
        match self.written(scenario) {
            Some(written) => Some(written.file.clone()),
            None => Some(KnownFile { path: scenario.path.clone()?, text: Arc::clone(&scenario.text) }),
        }
    }

    /// Writes a scenario with its edits to `path`. If `path` is `None`, it is the scenario's own file. Returns a message for the user.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, scenario: &Scenario, path: Option<&str>) -> anyhow::Result<String> {
        let (written, sentence) = write_edits(scenario, path, self.known(scenario), self.written(scenario))?;
        self.written = Some((written, Arc::clone(&scenario.text)));
        Ok(sentence)
    }

    /// Writes the unsaved edits of the stepper to the journal.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn keep(&self, stepper: &Stepper) -> io::Result<()> {
        let Some(journals) = &self.journals else { return Ok(()) };
        let path = self.path(&stepper.document.scenario);
        journals.lock().unwrap_or_else(PoisonError::into_inner).keep(stepper, path.as_deref())
    }

    /// Checks once a second whether another program has changed the file. Returns the change.
    pub fn look(&mut self, scenario: &Scenario, now: Duration) -> Option<FileChange> {
        let file = self.known(scenario);
        // ends the watch of another file, or of this file before it was read or written again
        self.watch.take_if(|watch| file.as_ref().is_none_or(|file| !watch.is_of(file)));
        if let (None, Some(file)) = (&self.watch, file) {
            self.watch = Some(FileWatch::new(file, now));
        }
        self.watch.as_mut()?.look(now)
    }

    /// Returns the time of the next check.
    pub fn next_look(&self) -> Option<Duration> {
        self.watch.as_ref().map(FileWatch::next_check)
    }
}
