//! The thread pool: one limit for all parallel work (`--threads`), and helpers that share it. No result depends on the number of threads.
//!
//! - [`share`] splits work over the helpers, [`chunks`] does so for the entries of an array. Small work stays on the calling thread.
//! - [`parallel`] encloses a computation of many such parts, such as the run of a network. The helpers sleep until the first part that is large
//!   enough to wake them, and then spin until the computation ends: waking a thread takes longer than many parts do.
//! - [`BackgroundTask`] runs one long piece of work beside the caller, so that the user interface stays responsive.

use std::cell::{Cell, RefCell};
use std::hint;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread::{self, Builder, Scope, available_parallelism};
use std::time::Duration;
use std::vec::IntoIter;

use rayon::{ThreadPool, ThreadPoolBuilder, Yield};

static LIMIT: OnceLock<NonZeroUsize> = OnceLock::new();

/// The largest limit. More threads make nothing faster, and a system does not start any number of them.
const MAX_LIMIT: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The number of cores in tests, the same on every machine.
const TEST_CORES: usize = 3;

/// The work that is worth one more thread, in multiplications: about five microseconds. Tests share tiny work.
const HELPER_COST: u64 = if cfg!(test) { 1 << 4 } else { 1 << 17 };

/// The work that is worth waking the helpers, in multiplications: about forty microseconds.
const WAKE_COST: u64 = if cfg!(test) { 1 << 6 } else { 1 << 20 };

/// Sets the limit. It has no effect once [`limit`] was called.
pub fn set_limit(threads: NonZeroUsize) {
    let _ = LIMIT.set(threads.min(MAX_LIMIT));
}

/// Returns the limit: the one that was set, or else the number of cores.
#[must_use]
pub fn limit() -> usize {
    LIMIT.get_or_init(|| NonZeroUsize::new(cores()).unwrap_or(NonZeroUsize::MIN)).get()
}

/// Returns the number of cores that this program may use.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| if cfg!(test) { TEST_CORES } else { available_parallelism().map_or(1, NonZeroUsize::get) })
}

/// Returns the number of threads of a run: the limit, but at most one for each core, as helpers spin and would take cores from each other. With fewer
/// than 8 cores up to 8 are allowed, so that a small machine can show what happens on a larger one.
fn team() -> usize {
    limit().min(cores().max(8))
}

/// Returns the pool of helpers: the team without the calling thread. `None` if the team is one thread, or the system starts none.
fn helpers() -> Option<&'static ThreadPool> {
    static HELPERS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || ThreadPoolBuilder::new().num_threads(team() - 1).build().ok();
    if team() == 1 { None } else { HELPERS.get_or_init(build).as_ref() }
}

/// Keeps the helpers awake until the last `Awake` is dropped.
#[derive(Debug)]
struct Awake;

/// The number of [`Awake`].
static AWAKE: AtomicUsize = AtomicUsize::new(0);

impl Awake {
    fn new(helpers: &ThreadPool) -> Self {
        AWAKE.fetch_add(1, Ordering::Relaxed);
        helpers.spawn_broadcast(|_| stay_awake());
        Self
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        AWAKE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs a helper's work as it arrives, until there is no [`Awake`].
fn stay_awake() {
    thread_local! {
        static HERE: Cell<bool> = const { Cell::new(false) };
    }
    // the work that arrives may be this function, for another run; nested calls would keep each other from returning
    if HERE.replace(true) {
        return;
    }
    let mut turn = 0;
    while AWAKE.load(Ordering::Relaxed) > 0 {
        if rayon::yield_now() != Some(Yield::Executed) {
            spin(&mut turn);
        }
    }
    HERE.set(false);
}

/// The helpers of this thread's current computation.
#[derive(Debug, Default)]
enum Team {
    /// No helpers: nothing is parallel here, or this is itself a part of shared work.
    #[default]
    None,
    /// The helpers sleep, as there was no large part yet.
    Asleep,
    Awake(Awake),
}

thread_local! {
    static TEAM: RefCell<Team> = const { RefCell::new(Team::None) };
}

impl Team {
    /// Calls `run` with this team in place, and restores the previous one at the end, even after a panic.
    fn during<R>(self, run: impl FnOnce() -> R) -> R {
        struct Before(Team);
        impl Drop for Before {
            fn drop(&mut self) {
                TEAM.replace(mem::take(&mut self.0));
            }
        }
        let _before = Before(TEAM.replace(self));
        run()
    }
}

/// Calls `run`, with helpers for the parts in it that are large enough to [`share`].
pub fn parallel<R>(run: impl FnOnce() -> R) -> R {
    Team::Asleep.during(run)
}

/// Waits for a moment; every 64th time it gives up the core.
fn spin(turn: &mut u8) {
    *turn = turn.wrapping_add(1) % 64;
    if *turn == 0 { thread::yield_now() } else { hint::spin_loop() }
}

/// A queue of work that several threads take from, one piece at a time. Some take from the front and some from the back, so that a thread mostly gets
/// the entries that it wrote in the previous part, which are still in its cache.
#[derive(Debug)]
pub struct WorkQueue<'a, T> {
    work: &'a Mutex<IntoIter<T>>,
    back: bool,
}

impl<T> Iterator for WorkQueue<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        // a poisoned queue is still valid: each piece was either taken or not
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if self.back { work.next_back() } else { work.next() }
    }
}

/// Returns the number of threads that are worth it for this number of multiplications, if the helpers are awake.
#[must_use]
pub fn useful_threads(multiplications: u64) -> usize {
    usize::try_from(multiplications / HELPER_COST).unwrap_or(usize::MAX).clamp(1, team())
}

/// Returns the number of threads for this number of multiplications, and wakes the helpers if they are worth it.
#[must_use]
pub fn threads_for(multiplications: u64) -> usize {
    let helped = TEAM.with_borrow_mut(|team| match team {
        Team::None => false,
        Team::Awake(_) => true,
        Team::Asleep => {
            let helpers = if multiplications < WAKE_COST { None } else { helpers() };
            if let Some(helpers) = helpers {
                *team = Team::Awake(Awake::new(helpers));
            }
            helpers.is_some()
        }
    });
    if helped { useful_threads(multiplications) } else { 1 }
}

/// Calls `run` with chunks of the entries and the index of each chunk's first entry, on several threads if that is worth it. Chunks are multiples of
/// `unit` long; an entry costs about `each` multiplications.
pub fn chunks(entries: &mut [f64], unit: usize, each: u64, run: impl Fn(usize, &mut [f64]) + Sync) {
    let long = usize::try_from(HELPER_COST / each.max(1)).unwrap_or(usize::MAX).max(1).next_multiple_of(unit.max(1));
    let multiplications = entries.len() as u64 * each;
    if entries.len() <= long || threads_for(multiplications) == 1 {
        return run(0, entries);
    }
    share(entries.chunks_mut(long).enumerate().collect(), multiplications, |chunks| {
        chunks.for_each(|(n, chunk)| run(n * long, chunk));
    });
}

/// Starts a scoped thread; returns `false` if the system starts none. `run` is dropped then, so the caller must be able to do its work as well.
pub fn try_spawn<'scope>(scope: &'scope Scope<'scope, '_>, run: impl FnOnce() + Send + 'scope) -> bool {
    Builder::new().spawn_scoped(scope, run).is_ok()
}

/// The future result of work on the background thread. If it is dropped, the work is still finished, and its result is dropped.
///
/// All such work runs on one thread, in order: an allocator keeps freed memory for the thread that allocated it, so a second thread would double the
/// memory.
#[derive(Debug)]
pub struct BackgroundTask<T>(Arc<Completion<T>>);

/// The state of the work, and a condition variable that is notified when it changes.
#[derive(Debug)]
struct Completion<T> {
    result: Mutex<Outcome<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum Outcome<T> {
    Pending,
    Ready(thread::Result<T>),
    Taken,
}

impl<T> Completion<T> {
    fn result(&self) -> MutexGuard<'_, Outcome<T>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for BackgroundTask<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The number of unfinished [`BackgroundTask`] and [`drop_in_background`], and a condition variable that is notified when it changes.
static PENDING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// One unfinished piece of work, counted in [`PENDING`].
#[derive(Debug)]
struct PendingWork;

impl PendingWork {
    fn count() -> MutexGuard<'static, usize> {
        PENDING.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new() -> Self {
        *Self::count() += 1;
        Self
    }
}

impl Drop for PendingWork {
    fn drop(&mut self) {
        *Self::count() -= 1;
        PENDING.1.notify_all();
    }
}

/// Waits until all work of [`BackgroundTask`] and [`drop_in_background`] is done, so that abandoned work has freed its memory. Returns whether there was
/// any.
pub fn wait_until_idle() -> bool {
    let count = PendingWork::count();
    let any = *count > 0;
    drop(PENDING.1.wait_while(count, |count| *count > 0));
    any
}

type Work = Box<dyn FnOnce() + Send>;

/// Returns the queue of the background thread, which is started if necessary. `None` if the system starts no thread, and on the background thread,
/// which would wait for itself.
fn worker() -> Option<mpsc::Sender<Work>> {
    thread_local! {
        static IS_WORKER: Cell<bool> = const { Cell::new(false) };
    }
    static WORK: Mutex<Option<mpsc::Sender<Work>>> = Mutex::new(None);
    if IS_WORKER.get() {
        return None;
    }
    let mut work = WORK.lock().unwrap_or_else(PoisonError::into_inner);
    if work.is_none() {
        let (give, given) = mpsc::channel::<Work>();
        let run = move || {
            IS_WORKER.set(true);
            for work in given {
                work();
            }
        };
        *work = Builder::new().spawn(run).is_ok().then_some(give);
    }
    work.clone()
}

impl<T: Send + 'static> BackgroundTask<T> {
    /// Queues `run(input)`.
    ///
    /// # Errors
    /// Returns `input` if the system starts no thread, or on the background thread itself: the caller must do the work.
    pub fn begin<I: Send + 'static>(input: I, run: impl FnOnce(I) -> T + Send + 'static) -> Result<Self, I> {
        let Some(worker) = worker() else { return Err(input) };
        let end = Arc::new(Completion { result: Mutex::new(Outcome::Pending), changed: Condvar::new() });
        let (completion, pending) = (Arc::downgrade(&end), PendingWork::new());
        let work = move || {
            // dropped last, as the result may be dropped here
            let _pending = pending;
            let result = catch_unwind(AssertUnwindSafe(|| run(input)));
            if let Some(end) = completion.upgrade() {
                *end.result() = Outcome::Ready(result);
                end.changed.notify_all();
            }
        };
        // the background thread never ends, so its queue is never closed
        let _ = worker.send(Box::new(work));
        Ok(Self(end))
    }

    /// Waits for the result for at most `wait`. Returns whether it is there.
    #[must_use]
    pub fn is_done_within(&self, wait: Duration) -> bool {
        let pending = |result: &mut Outcome<T>| matches!(result, Outcome::Pending);
        let waited = self.0.changed.wait_timeout_while(self.0.result(), wait, pending);
        !pending(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Waits for the result and takes it; `None` if it was already taken, here or through a clone.
    ///
    /// # Panics
    /// If the work panicked: the panic goes on in the caller.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        let pending = |result: &mut Outcome<T>| matches!(result, Outcome::Pending);
        let mut result = self.0.changed.wait_while(self.0.result(), pending).unwrap_or_else(PoisonError::into_inner);
        match mem::replace(&mut *result, Outcome::Taken) {
            Outcome::Ready(result) => Some(result.unwrap_or_else(|panic| resume_unwind(panic))),
            Outcome::Pending | Outcome::Taken => None,
        }
    }
}

/// Drops a large value on a thread of its own.
pub fn drop_in_background(large: impl Send + 'static) {
    let pending = PendingWork::new();
    // if the system starts no thread, the closure is dropped here, with both values
    let _ = Builder::new().spawn(move || {
        drop(large);
        drop(pending);
    });
}

/// Calls `run` on each of several threads with one queue, from which they take all the work. `multiplications` is about the size of the work.
pub fn share<T: Send>(work: Vec<T>, multiplications: u64, run: impl Fn(WorkQueue<'_, T>) + Sync) {
    let threads = if work.len() > 1 { threads_for(multiplications).min(work.len()) } else { 1 };
    let work = &Mutex::new(work.into_iter());
    let Some(helpers) = helpers().filter(|_| threads > 1) else { return run(WorkQueue { work, back: false }) };
    helpers.in_place_scope(|scope| {
        let (hand, run) = (Arc::new(()), &run);
        for thread in 1..threads {
            let hand = Arc::clone(&hand);
            scope.spawn(move |_| {
                run(WorkQueue { work, back: thread % 2 == 1 });
                drop(hand);
            });
        }
        Team::None.during(|| run(WorkQueue { work, back: false }));
        // waits here, as at the end of the scope this thread would go to sleep
        let mut turn = 0;
        while Arc::strong_count(&hand) > 1 {
            spin(&mut turn);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;

    /// Adds to each entry its index twice over, in nested chunks. Returns the threads that did it.
    fn count_up(entries: &mut [f64]) -> Vec<ThreadId> {
        let threads = Mutex::new(Vec::new());
        chunks(entries, 3, 1, |at, entries| {
            threads.lock().expect("no thread panicked").push(thread::current().id());
            chunks(entries, 1, 1, |inside, entries| {
                for (n, entry) in entries.iter_mut().enumerate() {
                    #[allow(clippy::cast_precision_loss)] // few
                    let place = (at + inside + n) as f64;
                    *entry += place;
                }
            });
        });
        threads.into_inner().expect("no thread panicked")
    }

    #[test]
    fn chunks_visit_every_entry_once() {
        let mut entries = vec![0.5; 10_000];
        let alone = count_up(&mut entries);
        assert_eq!(alone, [thread::current().id()], "without a team, this thread does all the work");
        let shared = parallel(|| count_up(&mut entries));
        assert!(shared.len() > 3, "{shared:?}");
        #[allow(clippy::cast_precision_loss)] // few
        let expected: Vec<f64> = (0..entries.len()).map(|n| 2.0 * n as f64 + 0.5).collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn concurrent_runs_share_the_helpers() {
        let run = || {
            let mut entries = vec![0.0; 300];
            for _ in 0..200 {
                parallel(|| count_up(&mut entries));
            }
            entries[299]
        };
        thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            assert!(runs.into_iter().all(|run| run.join().expect("no panic") == 200.0 * 299.0));
        });
    }

    #[test]
    fn a_background_result_is_taken_once() {
        let (open, opened) = mpsc::channel::<()>();
        let sum = BackgroundTask::begin(vec![1, 2, 3], move |numbers| {
            opened.recv().expect("the sender exists");
            numbers.iter().sum::<i32>()
        })
        .expect("the system starts a thread");
        assert!(!sum.is_done_within(Duration::ZERO));
        open.send(()).expect("the work waits");
        let other = sum.clone();
        assert!(sum.is_done_within(Duration::from_secs(60)));
        assert_eq!((other.take(), sum.take()), (Some(6), None));
        let panics = BackgroundTask::begin((), |()| assert_eq!(1, 2)).expect("the system starts a thread");
        assert!(catch_unwind(AssertUnwindSafe(|| panics.take())).is_err());
    }

    #[test]
    fn waiting_until_idle_frees_abandoned_work() {
        let kept = Arc::new(());
        for _ in 0..20 {
            let inside = Arc::clone(&kept);
            drop(BackgroundTask::begin(inside, |inside| (inside, thread::sleep(Duration::from_millis(1)))));
            drop_in_background(Arc::clone(&kept));
            wait_until_idle();
            assert_eq!(Arc::strong_count(&kept), 1);
        }
    }

    #[test]
    fn a_panic_in_any_piece_reaches_the_caller() {
        for bad in [0, 50, 99] {
            let work = || share((0..100).collect(), 1 << 20, |pieces| pieces.for_each(|piece| assert_ne!(piece, bad)));
            assert!(catch_unwind(AssertUnwindSafe(|| parallel(work))).is_err(), "{bad}");
        }
        let mut entries = vec![0.0; 100];
        parallel(|| count_up(&mut entries));
        assert_eq!(entries[99], 99.0, "the helpers still work after a panic");
    }
}
