//! Progress on stderr and Ctrl-C for commands that run for a long time.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::output;

/// The exit status after Ctrl-C: 128 + SIGINT, as in shells.
pub(super) const INTERRUPTED: u8 = 130;

/// A long task of a command. It shows its progress after a second. The first Ctrl-C asks the task to stop, and the second ends the program at once.
pub(super) struct Task {
    /// The total number of pieces of work, such as iterations or derivatives.
    total: u64,
    start: Instant,
    /// The time of the next line of progress.
    next_line: Instant,
    /// If stderr is not a terminal: the time between the next line and the line after it.
    interval: Duration,
    /// `true` if a line of progress is on the terminal.
    is_shown: bool,
    /// `true` if stderr is a terminal.
    is_terminal: bool,
    /// The flag that Ctrl-C sets ([`interrupt_flag`]).
    interrupted: &'static AtomicBool,
}

/// The time until the first line of progress.
const FIRST_LINE: Duration = Duration::from_secs(1);
/// The time between two updates of the line on a terminal.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);
/// The longest time between two lines if stderr is not a terminal. The time doubles after each line until it reaches this limit.
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// Returns the flag that Ctrl-C sets. If Ctrl-C is pressed when the flag is already set, the program ends. Outside of a task, it is always set.
fn interrupt_flag() -> io::Result<&'static AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if FLAG.get().is_none() {
        // the flag is set, because no task is running yet
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
        let interrupted = interrupt_flag()?;
        interrupted.store(false, Ordering::Relaxed);
        let start = Instant::now();
        Ok(Self {
            total,
            start,
            next_line: start + FIRST_LINE,
            interval: FIRST_LINE,
            is_shown: false,
            is_terminal: io::stderr().is_terminal(),
            interrupted,
        })
    }

    /// Sets the total number of pieces when it becomes known.
    pub fn set_total(&mut self, total: u64) {
        self.total = total;
    }

    /// Reports that `done` pieces are done. `what` describes the pieces in the line of progress. Returns `false` if Ctrl-C was pressed.
    pub fn go_on(&mut self, done: u64, what: impl FnOnce() -> String) -> bool {
        if Instant::now() >= self.next_line {
            // an error of stderr does not stop the work
            let _ = self.show(done, &what());
        }
        !self.is_interrupted()
    }

    /// Writes a line of progress: `[###---] 10/20  iterations` on a terminal, otherwise `10/20  iterations, after 4 s`.
    fn show(&mut self, done: u64, what: &str) -> io::Result<()> {
        const BAR_WIDTH: usize = 30;
        let counts = format!("{done}/{}  {what}", self.total);
        if !self.is_terminal {
            let interval = self.interval.min(MAX_INTERVAL);
            (self.next_line, self.interval) = (self.next_line + interval, interval * 2);
            let seconds = self.start.elapsed().as_secs();
            return output::stderr().raw().write_all(format!("{counts}, after {seconds} s\n").as_bytes());
        }
        self.next_line = Instant::now() + UPDATE_INTERVAL;
        self.is_shown = true;
        let filled = usize::try_from(u128::from(done) * BAR_WIDTH as u128 / u128::from(self.total.max(1))).unwrap_or(0);
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(BAR_WIDTH.saturating_sub(filled)));
        let (with_bar, columns) = (format!("[{bar}] {counts}"), line_width());
        let text = if with_bar.len() > columns { counts } else { with_bar };
        write!(output::stderr().raw(), "\r{text:<columns$.columns$}")
    }

    /// `true` if Ctrl-C was pressed.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Clears the line of progress.
    pub fn clear(&self) -> io::Result<()> {
        if self.is_shown {
            // clears 3 more cells, enough for the ^C that the terminal may have written after the line
            write!(output::stderr().raw(), "\r{:1$}\r", "", line_width() + 3)?;
        }
        Ok(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }
}

/// The width of the line of progress. It leaves room for the ^C that the terminal writes, because a line that is broken in two cannot be overwritten.
fn line_width() -> usize {
    let columns = crossterm::terminal::size().map_or(80, |(columns, _)| columns);
    usize::from(columns).min(80).saturating_sub(4)
}

/// The error of a computation that Ctrl-C stopped before its end.
#[derive(Debug)]
pub(super) struct DescentInterrupted {
    /// The iteration that was being computed.
    iteration: u64,
    /// The last iteration of the computation.
    last: u64,
}

impl fmt::Display for DescentInterrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped at iteration {} of {}", self.iteration, self.last)
    }
}

impl std::error::Error for DescentInterrupted {}

/// Runs a computation over many iterations as a [`Task`].
///
/// `compute` gets a function `go_on` and calls `go_on(iteration, last)` after each piece of work, with the numbers of the iteration in progress and of the last
/// one. If `go_on` returns `false`, `compute` must stop and return `None`.
///
/// # Errors
/// [`DescentInterrupted`] if `compute` returns `None`.
pub(super) fn with_progress<R>(compute: impl FnOnce(&mut dyn FnMut(u64, u64) -> bool) -> Option<R>) -> anyhow::Result<R> {
    // the first call of `go_on` sets the total number
    let mut task = Task::new(1)?;
    let (mut iteration, mut last) = (1, 1);
    let result = compute(&mut |in_progress, last_iteration| {
        (iteration, last, task.total) = (in_progress, last_iteration, last_iteration);
        task.go_on(iteration.saturating_sub(1), || "iterations".to_owned())
    });
    task.clear()?;
    result.ok_or_else(|| DescentInterrupted { iteration, last }.into())
}
