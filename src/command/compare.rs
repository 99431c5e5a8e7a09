//! Reads a file with a user's own gradients, and compares them with those of a scenario. `diff`, `--mine` and `:mine` use this.
//!
//! A comparison with a large network takes long. Except for the gradients in a replayed session, it runs on the background thread. Meanwhile, the main thread
//! checks every 15 ms for Ctrl-C or a key.
//! If the comparison is stopped, the background thread ends after at most one slice of work ([`crate::interrupt`]).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{anyhow, bail};
use clap::Args;

use super::progress::Task;
use super::read::{display_name, read_file};
use crate::app::{CompareOptions, Document, GradientComparison, SLICE};
use crate::diff;
use crate::interrupt::{Interrupted, interruptible};
use crate::text::{cut, sentence};
use crate::threads::BackgroundTask;
use crate::weights::{MAX_BYTES, WeightsError, tensor_files};

/// The option that chooses a tensor of the user's file.
#[derive(Debug, Default, Args)]
pub(super) struct TensorOption {
    /// Compare only this tensor; for an .npy file, the name of its tensor
    #[arg(long, value_name = "NAME")]
    pub tensor: Option<String>,
}

/// The options of the commands that show the user's own gradients in the stepper.
#[derive(Debug, Default, Args)]
pub(super) struct MineOptions {
    /// Compare your own gradients with the right ones, and mark the numbers that differ
    #[arg(long, value_name = "MINE", help = concat!(
        "Compare your own gradients with the right ones, and mark the numbers that differ; MINE is a file that ends in .json, ", tensor_files!()
    ))]
    pub mine: Option<PathBuf>,
    #[command(flatten)]
    tensor: TensorOption,
}

impl MineOptions {
    /// Reads the file of `--mine`; `None` without the option.
    ///
    /// # Errors
    /// If the file cannot be read, or if there is `--tensor` without `--mine`.
    pub fn read(&self) -> anyhow::Result<Option<GradientsFile>> {
        let TensorOption { tensor } = &self.tensor;
        match &self.mine {
            Some(path) => GradientsFile::read(path, tensor.as_deref()).map(Some),
            None if tensor.is_some() => bail!("--tensor names a tensor of the file of --mine: add --mine FILE"),
            None => Ok(None),
        }
    }
}

/// A file with gradients: its path, its bytes, and the name of the only tensor to read. Without a name, all tensors are read.
pub(super) struct GradientsFile {
    pub path: String,
    pub bytes: Vec<u8>,
    pub only_tensor: Option<String>,
}

/// Splits `w.npy --tensor fc1.weight` into the path and the name of the tensor, as after `:mine`.
pub(super) fn file_and_tensor(given: &str) -> (&str, Option<&str>) {
    given.rsplit_once(" --tensor ").map_or((given, None), |(path, name)| (path.trim_end(), Some(name.trim())))
}

impl GradientsFile {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path, only: Option<&str>) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            bail!("gradients are read from a file, whose name gives their format, and not from the standard input");
        }
        let bytes = read_file(path, MAX_BYTES)?;
        Ok(Self { path: path.to_string_lossy().into_owned(), bytes, only_tensor: only.map(str::to_owned) })
    }

    /// Returns the path and the tensor as they are typed after `:mine`, which [`file_and_tensor`] splits again.
    pub fn as_typed(&self) -> String {
        self.only_tensor.as_ref().map_or_else(|| self.path.clone(), |only| format!("{} --tensor {only}", self.path))
    }

    /// Compares the tensors of the file with a document's gradients, without a search for the mistakes that explain the differences.
    ///
    /// # Errors
    /// One sentence, if the file cannot be read, or if no tensor of it can be compared.
    fn compare(self, document: &Document, options: CompareOptions) -> anyhow::Result<GradientComparison> {
        let name = display_name(&self.path);
        let tensors = diff::read(&self.path, self.bytes, self.only_tensor.as_deref()).map_err(|WeightsError { message, help }| {
            let help = if help.is_empty() { String::new() } else { format!("; {help}") };
            anyhow!("{name}: {}", cut(&sentence(&format!("{message}{help}")), MAX_MESSAGE_WIDTH))
        })?;
        GradientComparison::without_causes(document, name.clone(), tensors, options).map_err(|why| anyhow!("{name}: {why}"))
    }
}

/// The largest width of a message about a file, in cells. Names in the file may be very long.
const MAX_MESSAGE_WIDTH: usize = 600;

/// Compares a file and searches for mistakes, as long as `is_wanted` returns `true`. Returns `None` if the result is no longer wanted.
///
/// # Errors
/// As [`GradientsFile::compare`].
pub(super) fn compare_while(
    document: &Document,
    file: GradientsFile,
    is_wanted: impl Fn() -> bool + Clone + 'static,
) -> anyhow::Result<Option<GradientComparison>> {
    let go_on = is_wanted.clone();
    let compared = interruptible(is_wanted, || {
        let comparison = file.compare(document, CompareOptions::default())?;
        Ok::<_, anyhow::Error>(comparison.find_causes(document, &mut |_, _| go_on()).ok())
    });
    // an interrupted comparison has no result, and no error either
    compared.unwrap_or(Ok(None))
}

/// Compares a file and searches for mistakes, with progress on stderr. Calls `after_comparison` between the two.
///
/// # Errors
/// As [`GradientsFile::compare`], those of `after_comparison`, and [`ComparisonStopped`] if Ctrl-C stops it.
pub(super) fn compare_with_progress(
    document: &Arc<Document>,
    file: GradientsFile,
    options: CompareOptions,
    after_comparison: impl FnOnce(&GradientComparison) -> anyhow::Result<()>,
) -> anyhow::Result<GradientComparison> {
    let shared = Arc::clone(document);
    // both stages are one task, so that Ctrl-C is noticed between them too. `stage` replaces the total of 1
    let mut task = Task::new(1)?;
    let comparison = stage(&mut task, "comparison", |_| ComparisonStopped::Comparing, move |_| file.compare(&shared, options))??;
    after_comparison(&comparison)?;
    let shared = Arc::clone(document);
    stage(&mut task, "mistakes", ComparisonStopped::Searching, move |progress| {
        comparison.find_causes(&shared, &mut |tried, all| progress.set(tried, all))
    })?
    // does not occur: after Ctrl-C, `stage` itself has returned the error
    .map_err(|Interrupted| ComparisonStopped::Searching([0, 0]).into())
}

/// The error of a comparison that Ctrl-C stopped.
#[derive(Debug)]
pub(super) enum ComparisonStopped {
    /// It was stopped while gradients were compared.
    Comparing,
    /// It was stopped in the search for mistakes. The numbers are those of the mistakes that were tried, and of all mistakes.
    Searching([usize; 2]),
}

impl fmt::Display for ComparisonStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comparing => f.write_str("stopped before all gradients were compared"),
            Self::Searching([_, 0]) => f.write_str("stopped before the first mistake was tried"),
            Self::Searching([tried, all]) => write!(f, "stopped after {tried} of {all} mistakes"),
        }
    }
}

impl std::error::Error for ComparisonStopped {}

/// The progress of a stage, which two threads share.
#[derive(Debug, Default)]
struct StageProgress {
    /// The number of pieces that are done, and the number of all pieces.
    counts: [AtomicUsize; 2],
    is_stopped: AtomicBool,
}

impl StageProgress {
    /// Stores the progress. Returns whether the stage should continue.
    fn set(&self, done: usize, all: usize) -> bool {
        self.counts.iter().zip([done, all]).for_each(|(count, number)| count.store(number, Ordering::Relaxed));
        self.goes_on()
    }

    fn goes_on(&self) -> bool {
        !self.is_stopped.load(Ordering::Relaxed)
    }

    fn counts(&self) -> [usize; 2] {
        self.counts.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// Does a stage of the comparison on the background thread: calls `run` there. After each slice of time, this thread checks for Ctrl-C and shows the progress
/// with the name `what`. `stopped` makes the error of Ctrl-C from the counts of the progress.
///
/// # Errors
/// [`ComparisonStopped`] after Ctrl-C.
fn stage<R: Send + 'static>(
    task: &mut Task,
    what: &'static str,
    stopped: fn([usize; 2]) -> ComparisonStopped,
    run: impl FnOnce(&StageProgress) -> R + Send + 'static,
) -> anyhow::Result<R> {
    let progress = Arc::new(StageProgress::default());
    // the background thread or, if there is none, this thread calls `work`; it captures nothing, so both can have it
    let work = |(run, progress): (_, Arc<StageProgress>)| {
        let shared = Arc::clone(&progress);
        let run: Box<dyn FnOnce(&StageProgress) -> R + Send> = run;
        interruptible(move || shared.goes_on(), || run(&progress))
    };
    let run: Box<dyn FnOnce(&StageProgress) -> R + Send> = Box::new(run);
    let result = match BackgroundTask::begin((run, Arc::clone(&progress)), work) {
        Ok(background) => loop {
            if background.is_done_within(SLICE) {
                break background.take().expect("the result is taken only here");
            }
            let [done, all] = progress.counts();
            task.set_total(all.max(1) as u64);
            if !task.go_on(done as u64, || what.to_owned()) {
                progress.is_stopped.store(true, Ordering::Relaxed);
                break Err(Interrupted);
            }
        },
        // no thread could be started
        Err(given) => work(given),
    };
    task.clear()?;
    result.map_err(|Interrupted| stopped(progress.counts()).into())
}
