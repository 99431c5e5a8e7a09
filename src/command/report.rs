//! What the commands share that take a while: what they are asked, how far they are, and Ctrl-C.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::look::Global;
use super::paper::Paper;
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
        table: impl FnOnce(&R, &mut Paper<'_>) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Json => {
                serde_json::to_writer(to.raw(), report).map_err(io::Error::from)?;
                to.raw().write_all(b"\n")?;
            }
            Format::Table => table(report, &mut Paper(&mut |text| to.text(&global.text(text))))?,
        }
        to.finish()
    }
}

/// The exit status of what Ctrl-C has stopped, as shells have it.
pub(super) const INTERRUPTED: u8 = 130;

/// Long work: a line says how far it is, once it takes long enough to wonder, and Ctrl-C asks it to stop.
pub(super) struct Work {
    all: u64,
    start: Instant,
    /// When the next line is due, and how long it is to the one after it.
    due: (Instant, Duration),
    shown: bool,
    terminal: bool,
    interrupted: &'static AtomicBool,
}

/// When the progress is first shown, and how often then: on a terminal one line is written over; elsewhere a line follows the other, seldom and more
/// seldom.
const FIRST: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(60);

/// Whether Ctrl-C was pressed. While this is set, Ctrl-C ends the program at once.
fn interrupted() -> io::Result<&'static AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if FLAG.get().is_none() {
        let flag = Arc::new(AtomicBool::new(true));
        #[cfg(unix)]
        {
            signal_hook::flag::register_conditional_default(signal_hook::consts::SIGINT, Arc::clone(&flag))?;
            signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&flag))?;
        }
        let _ = FLAG.set(flag);
    }
    FLAG.get().map(|flag| &**flag).ok_or_else(|| io::Error::other("no flag for Ctrl-C"))
}

impl Work {
    /// So many pieces of work. From here on, until this is dropped, Ctrl-C is only noted; a second one ends the program at once.
    pub fn new(all: u64) -> io::Result<Self> {
        let interrupted = interrupted()?;
        interrupted.store(false, Ordering::Relaxed);
        let start = Instant::now();
        Ok(Self { all, start, due: (start + FIRST, FIRST), shown: false, terminal: io::stderr().is_terminal(), interrupted })
    }

    /// So many are done, and `what` is to be said of them; whether to go on.
    pub fn go_on(&mut self, done: u64, what: impl FnOnce() -> String) -> bool {
        if Instant::now() >= self.due.0 {
            // a progress that cannot be shown is no reason to stop
            let _ = self.show(done, &what());
        }
        !self.interrupted()
    }

    fn show(&mut self, done: u64, what: &str) -> io::Result<()> {
        const BAR: u64 = 30;
        let counted = format!("{done}/{}  {what}", self.all);
        if !self.terminal {
            let next = self.due.1.min(SELDOM);
            self.due = (self.due.0 + next, next * 2);
            let seconds = self.start.elapsed().as_secs();
            return output::stderr().raw().write_all(format!("{counted}, after {seconds} s\n").as_bytes());
        }
        self.due.0 = Instant::now() + EVERY;
        self.shown = true;
        let full = usize::try_from(u128::from(done) * u128::from(BAR) / u128::from(self.all.max(1))).unwrap_or(0);
        let bar = format!("{}{}", "#".repeat(full), "-".repeat(30 - full.min(30)));
        let (whole, room) = (format!("[{bar}] {counted}"), room());
        let text = if whole.len() > room { counted } else { whole };
        write!(output::stderr().raw(), "\r{text:<room$.room$}")
    }

    /// Whether Ctrl-C was pressed.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The end: the line is as it was.
    pub fn clear(&self) -> io::Result<()> {
        if self.shown {
            // with what the terminal has put behind it for Ctrl-C
            write!(output::stderr().raw(), "\r{:1$}\r", "", room() + 3)?;
        }
        Ok(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }
}

/// Cells for the progress: with what comes behind it, it stays within a line, as a longer one could not be written over.
fn room() -> usize {
    let columns = crossterm::terminal::size().map_or(80, |(columns, _)| columns);
    usize::from(columns).min(80).saturating_sub(4)
}

/// Ctrl-C has stopped what was computed on the way to an iteration.
#[derive(Debug)]
pub(super) struct Interrupted {
    next: u64,
    to: u64,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped at iteration {} of {}", self.next, self.to)
    }
}

impl std::error::Error for Interrupted {}

/// Goes to a far iteration, with progress. What goes there asks after each piece of work, with the next iteration and the last, whether to go on.
///
/// # Errors
/// [`Interrupted`] when it was told not to, and so returns nothing.
pub(super) fn travel<R>(go: impl FnOnce(&mut dyn FnMut(u64, u64) -> bool) -> Option<R>) -> anyhow::Result<R> {
    let mut work = Work::new(1)?;
    let (mut next, mut to) = (1, 1);
    let arrived = go(&mut |at, end| {
        (next, to, work.all) = (at, end, end);
        work.go_on(at.saturating_sub(1), || "iterations".to_owned())
    });
    work.clear()?;
    arrived.ok_or_else(|| Interrupted { next, to }.into())
}
