//! Keeps the journal of the open scenario up to date, and offers the unsaved edits of an earlier session.

use std::io;
use std::path::{Path, PathBuf};

use super::journal::{self, EditedNumbers, Journal, Leftover};
use crate::app::{Stepper, number_name};
use crate::scenario::Scenario;

/// The journal of the open scenario, and the journal of an earlier session.
#[derive(Debug)]
pub struct KeptEdits {
    folder: PathBuf,
    /// The path of the scenario's file, if it has one.
    path: Option<PathBuf>,
    /// The beginning of the names of the scenario's journals ([`journal::key`]).
    key: String,
    journal: Journal,
    /// The journal of an earlier session, until the user has decided about it.
    leftover: Option<Leftover>,
    /// The numbers that `journal` was last asked to record.
    recorded: EditedNumbers,
}

impl KeptEdits {
    /// Returns the value before the first scenario is opened; `None` if there is no folder for journals.
    pub fn new() -> Option<Self> {
        Some(Self {
            folder: journal::folder()?,
            path: None,
            key: String::new(),
            journal: Journal::new(),
            leftover: None,
            recorded: Vec::new(),
        })
    }

    /// Begins with another scenario. Returns the unsaved edits of an earlier session.
    pub fn begin(&mut self, scenario: &Scenario) -> Option<EditedNumbers> {
        // the journal of the last scenario stays on the disk if it has unsaved edits
        (self.journal, self.recorded) = (Journal::new(), Vec::new());
        self.path.clone_from(&scenario.path);
        self.key = journal::key(scenario.path.as_deref(), &scenario.name);
        self.leftover = journal::leftover(&self.folder, &self.key);
        self.leftover.as_ref().map(|leftover| leftover.numbers.clone())
    }

    /// Writes the unsaved edits of the stepper to the journal of the file `path`. Removes the journal of an earlier session when its edits were restored or
    /// discarded.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn keep(&mut self, stepper: &Stepper, path: Option<&Path>) -> io::Result<()> {
        let scenario = &stepper.document.scenario;
        if path != self.path.as_deref() {
            // the edits were written to another file, which has all of them now
            self.path = path.map(Path::to_owned);
            self.key = journal::key(path, &scenario.name);
        }
        let numbers: EditedNumbers = stepper.edits.unsaved().map(|(number, value)| (number_name(scenario, number), value)).collect();
        if numbers != self.recorded {
            let result = self.journal.record(&self.folder, &self.key, &numbers);
            // this is done after an error too, so that the error is reported only once for each change
            self.recorded = numbers;
            result?;
        }
        // the old edits are restored or discarded, and no job is still applying them; so the new journal has what was restored
        if stepper.old_edits.is_none() && stepper.job.is_none() {
            self.leftover.take().into_iter().for_each(Leftover::remove);
        }
        Ok(())
    }
}
