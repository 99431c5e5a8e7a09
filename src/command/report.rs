//! What the commands share that work on a whole scenario for a while and then report: what they are asked, how far they are, and Ctrl-C.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::look::Global;
use super::source::Shelf;
use crate::output::{self, Output};
use crate::scenario::Scenario;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Which scenario, and how to print what is found of it.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// A path, a bundled scenario's name, or - for the standard input
    pub scenario: OsString,
    /// How to print it
    #[arg(long, default_value = "table")]
    format: Format,
}

impl Asked {
    /// Reads the scenario.
    pub fn read(&self, global: &Global) -> anyhow::Result<Scenario> {
        Shelf { limits: global.limits(), files: true }.scenario(&self.scenario)
    }

    /// Prints the report, to the end.
    pub fn print<W: Write, R: Serialize>(
        &self,
        global: &Global,
        mut to: Output<W>,
        report: &R,
        table: impl FnOnce(&R) -> String,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Json => {
                serde_json::to_writer(to.raw(), report).map_err(io::Error::from)?;
                to.raw().write_all(b"\n")?;
            }
            Format::Table => to.text(&global.text(&table(report)))?,
        }
        to.finish()
    }
}

/// The exit status of what Ctrl-C has stopped, as shells have it.
pub(super) const INTERRUPTED: u8 = 130;

/// Long work: a line on the terminal says how far it is, once it takes long enough to wonder, and Ctrl-C asks it to stop.
pub(super) struct Work {
    all: u64,
    start: Instant,
    shown: Option<Instant>,
    terminal: bool,
    interrupted: Arc<AtomicBool>,
}

/// When the progress is first shown, and how often then.
const FIRST: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(100);

impl Work {
    /// So many pieces of work. From here on Ctrl-C is only noted; a second one ends the program at once.
    pub fn new(all: u64) -> io::Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        {
            signal_hook::flag::register_conditional_default(signal_hook::consts::SIGINT, Arc::clone(&interrupted))?;
            signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&interrupted))?;
        }
        Ok(Self { all, start: Instant::now(), shown: None, terminal: io::stderr().is_terminal(), interrupted })
    }

    /// So many are done, and `what` is to be said of them; whether to go on.
    pub fn go_on(&mut self, done: u64, what: impl FnOnce() -> String) -> bool {
        const BAR: u64 = 30;
        let due = self.shown.map_or(self.start + FIRST, |shown| shown + EVERY);
        if self.terminal && Instant::now() >= due {
            self.shown = Some(Instant::now());
            let full = usize::try_from(u128::from(done) * u128::from(BAR) / u128::from(self.all.max(1))).unwrap_or(0);
            let bar = format!("{}{}", "#".repeat(full), "-".repeat(30 - full.min(30)));
            let (counted, what, room) = (format!("{done}/{}", self.all), what(), room());
            let whole = format!("[{bar}] {counted}  {what}");
            let text = if whole.len() > room { format!("{counted}  {what}") } else { whole };
            // a progress that cannot be shown is no reason to stop
            let _ = write!(output::stderr().raw(), "\r{text:<room$.room$}");
        }
        !self.interrupted()
    }

    /// Whether Ctrl-C was pressed.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The end: the line is as it was.
    pub fn clear(&self) -> io::Result<()> {
        if self.shown.is_some() {
            // with what the terminal has put behind it for Ctrl-C
            write!(output::stderr().raw(), "\r{:1$}\r", "", room() + 3)?;
        }
        Ok(())
    }
}

/// Cells for the progress: with what comes behind it, it stays within a line, as a longer one could not be written over.
fn room() -> usize {
    let columns = crossterm::terminal::size().map_or(80, |(columns, _)| columns);
    usize::from(columns).min(80).saturating_sub(4)
}
