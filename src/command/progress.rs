//! Progress on stderr and Ctrl-C, for commands that take long.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::output;

/// The exit status after Ctrl-C: 128 + SIGINT, as in shells.
pub(super) const INTERRUPTED: u8 = 130;

/// A long task. It shows its progress after a second. The first Ctrl-C asks it to stop, the second ends the program at once.
pub(super) struct Task {
    /// The total number of pieces of work.
    total: u64,
    start: Instant,
    /// The time of the next line of progress.
    due: Instant,
    /// The time between that line and the one after it, if stderr is not a terminal.
    interval: Duration,
    shown: bool,
    terminal: bool,
    interrupted: &'static AtomicBool,
}

/// The time until the first line of progress.
const FIRST: Duration = Duration::from_secs(1);
/// The time between two updates of the line on a terminal.
const UPDATE: Duration = Duration::from_millis(100);
/// The longest time between two lines if stderr is not a terminal. The interval doubles from line to line up to this.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns the flag that Ctrl-C sets. If it is set already, Ctrl-C ends the program.
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

impl Task {
    /// Starts a task of `total` pieces.
    pub fn new(total: u64) -> io::Result<Self> {
        let interrupted = interrupted()?;
        interrupted.store(false, Ordering::Relaxed);
        let start = Instant::now();
        Ok(Self { total, start, due: start + FIRST, interval: FIRST, shown: false, terminal: io::stderr().is_terminal(), interrupted })
    }

    /// Reports that `done` pieces are done; `what` describes them. Returns whether to go on.
    pub fn go_on(&mut self, done: u64, what: impl FnOnce() -> String) -> bool {
        if Instant::now() >= self.due {
            // the work goes on even where its progress cannot be shown
            let _ = self.show(done, &what());
        }
        !self.interrupted()
    }

    fn show(&mut self, done: u64, what: &str) -> io::Result<()> {
        const BAR: usize = 30;
        let counted = format!("{done}/{}  {what}", self.total);
        if !self.terminal {
            let next = self.interval.min(LONGEST);
            (self.due, self.interval) = (self.due + next, next * 2);
            let seconds = self.start.elapsed().as_secs();
            return output::stderr().raw().write_all(format!("{counted}, after {seconds} s\n").as_bytes());
        }
        self.due = Instant::now() + UPDATE;
        self.shown = true;
        let full = usize::try_from(u128::from(done) * BAR as u128 / u128::from(self.total.max(1))).unwrap_or(0);
        let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR.saturating_sub(full)));
        let (whole, room) = (format!("[{bar}] {counted}"), room());
        let text = if whole.len() > room { counted } else { whole };
        write!(output::stderr().raw(), "\r{text:<room$.room$}")
    }

    /// Returns whether Ctrl-C was pressed.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Clears the line of progress.
    pub fn clear(&self) -> io::Result<()> {
        if self.shown {
            // 3 more cells: the terminal may have echoed ^C after the line
            write!(output::stderr().raw(), "\r{:1$}\r", "", room() + 3)?;
        }
        Ok(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }
}

/// Returns the width of the line of progress. It leaves room for ^C, because a wrapped line cannot be overwritten.
fn room() -> usize {
    let columns = crossterm::terminal::size().map_or(80, |(columns, _)| columns);
    usize::from(columns).min(80).saturating_sub(4)
}

/// The error of a computation that Ctrl-C stopped before its last iteration.
#[derive(Debug)]
pub(super) struct Interrupted {
    /// The iteration that was to come next.
    next: u64,
    /// The last iteration of the computation.
    to: u64,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped at iteration {} of {}", self.next, self.to)
    }
}

impl std::error::Error for Interrupted {}

/// Runs a computation over many iterations as a [`Task`].
///
/// `go` calls its argument as `go_on(next, last)` after each piece of work, with the next iteration and the last one. If `go_on` returns `false`, `go`
/// returns `None`.
///
/// # Errors
/// [`Interrupted`] if `go` returns `None`.
pub(super) fn with_progress<R>(go: impl FnOnce(&mut dyn FnMut(u64, u64) -> bool) -> Option<R>) -> anyhow::Result<R> {
    let mut task = Task::new(1)?;
    let (mut next, mut to) = (1, 1);
    let arrived = go(&mut |at, end| {
        (next, to, task.total) = (at, end, end);
        task.go_on(at.saturating_sub(1), || "iterations".to_owned())
    });
    task.clear()?;
    arrived.ok_or_else(|| Interrupted { next, to }.into())
}
