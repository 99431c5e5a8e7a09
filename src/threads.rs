//! The thread pool. Helper threads share the work of a computation with the calling thread. `--threads` limits the number of threads. No result depends on
//! the number of threads.
//!
//! - [`share`] splits a list of work items among the calling thread and the helpers; [`chunks`] splits the entries of an array. Small work stays on the
//!   calling thread.
//! - [`parallel`] encloses a computation with many calls of [`share`] and [`chunks`], such as the forward pass of a network. The helpers sleep until the
//!   first call that has enough work to wake them. Then they spin until the computation ends, because waking a thread takes longer than many of the calls.
//! - [`BackgroundTask`] does long work on another thread while the caller continues, so that the user interface stays responsive.

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

/// The limit on the number of threads, once it is set or read.
static LIMIT: OnceLock<NonZeroUsize> = OnceLock::new();

/// The largest limit. More threads make nothing faster, and the system may refuse to start them.
const MAX_LIMIT: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The number of cores that tests assume, so that they do the same on every machine.
const TEST_CORES: usize = 3;

/// The amount of work, in multiplications, for which one more thread is worth its cost. It takes about five microseconds. In tests it is tiny, so that small
/// work is shared too.
const HELPER_COST: u64 = if cfg!(test) { 1 << 4 } else { 1 << 17 };

/// The amount of work, in multiplications, for which waking the helpers is worth the cost. It takes about forty microseconds.
const WAKE_COST: u64 = if cfg!(test) { 1 << 6 } else { 1 << 20 };

/// Sets the limit on the number of threads. Only the first call has an effect, and only before any call of [`limit`].
pub fn set_limit(threads: NonZeroUsize) {
    let _ = LIMIT.set(threads.min(MAX_LIMIT));
}

/// Returns the limit on the number of threads: the number of cores if none was set.
#[must_use]
pub fn limit() -> usize {
    LIMIT.get_or_init(|| NonZeroUsize::new(cores()).unwrap_or(NonZeroUsize::MIN)).get()
}

/// Returns the number of cores that this program may use.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| if cfg!(test) { TEST_CORES } else { available_parallelism().map_or(1, NonZeroUsize::get) })
}

/// Returns the number of threads of a computation, including the calling thread: min(limit, max(cores, 8)).
///
/// More threads than cores slow each other down, because helpers spin. But up to 8 are allowed on a small machine too, to reproduce the behaviour of a larger
/// machine.
fn team_size() -> usize {
    limit().min(cores().max(8))
}

/// Returns the pool of helpers, which are all threads of a computation except the calling thread. Returns `None` if a computation has only the calling thread,
/// or if the system refuses to start helpers.
fn helpers() -> Option<&'static ThreadPool> {
    static HELPERS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || ThreadPoolBuilder::new().num_threads(team_size() - 1).build().ok();
    if team_size() == 1 { None } else { HELPERS.get_or_init(build).as_ref() }
}

/// A guard that keeps the helpers awake. When the last guard is dropped, the helpers go to sleep.
#[derive(Debug)]
struct AwakeGuard;

/// The number of [`AwakeGuard`]s that exist.
static AWAKE_GUARDS: AtomicUsize = AtomicUsize::new(0);

impl AwakeGuard {
    fn new(helpers: &ThreadPool) -> Self {
        AWAKE_GUARDS.fetch_add(1, Ordering::Relaxed);
        helpers.spawn_broadcast(|_| stay_awake());
        Self
    }
}

impl Drop for AwakeGuard {
    fn drop(&mut self) {
        AWAKE_GUARDS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs on each helper and does the work that arrives, until no [`AwakeGuard`] exists.
fn stay_awake() {
    thread_local! {
        static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    }
    // the work that arrives may be a call of this function, for another computation; without this check, the outer call could not return before the inner one
    if IS_RUNNING.replace(true) {
        return;
    }
    let mut spins = 0;
    while AWAKE_GUARDS.load(Ordering::Relaxed) > 0 {
        // `yield_now` does one piece of work, if there is any
        if rayon::yield_now() != Some(Yield::Executed) {
            spin(&mut spins);
        }
    }
    IS_RUNNING.set(false);
}

/// The helpers of this thread's current computation.
#[derive(Debug, Default)]
enum Team {
    /// There are no helpers: the thread is not inside [`parallel`], or it already does a part of the work that [`share`] has divided.
    #[default]
    None,
    /// The helpers sleep, because no call of [`share`] had enough work yet.
    Asleep,
    /// The helpers spin.
    Awake(AwakeGuard),
}

thread_local! {
    static TEAM: RefCell<Team> = const { RefCell::new(Team::None) };
}

impl Team {
    /// Calls `run` with this team as the thread's team. Restores the previous team afterwards, even after a panic.
    fn during<R>(self, run: impl FnOnce() -> R) -> R {
        struct RestoreTeam(Team);
        impl Drop for RestoreTeam {
            fn drop(&mut self) {
                TEAM.replace(mem::take(&mut self.0));
            }
        }
        let _restore = RestoreTeam(TEAM.replace(self));
        run()
    }
}

/// Calls `run`. The calls of [`share`] and [`chunks`] in it use the helpers if their work is large enough.
pub fn parallel<R>(run: impl FnOnce() -> R) -> R {
    Team::Asleep.during(run)
}

/// Waits for a moment. Every 64th call lets another thread use the core. `count` counts the calls.
fn spin(count: &mut u8) {
    *count = count.wrapping_add(1) % 64;
    if *count == 0 { thread::yield_now() } else { hint::spin_loop() }
}

/// A queue of work items from which several threads take one item at a time.
///
/// Every second helper takes from the back, and all other threads from the front. So in successive calls of [`share`], a thread usually gets the same part of
/// the entries, which is still in its cache.
#[derive(Debug)]
pub struct WorkQueue<'a, T> {
    work: &'a Mutex<IntoIter<T>>,
    takes_from_back: bool,
}

impl<T> Iterator for WorkQueue<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        // a poisoned queue is still valid: each item is either in it or was taken
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if self.takes_from_back { work.next_back() } else { work.next() }
    }
}

/// Returns the number of threads that are worth their cost for this number of multiplications, if the helpers are awake.
#[must_use]
pub fn useful_threads(multiplications: u64) -> usize {
    usize::try_from(multiplications / HELPER_COST).unwrap_or(usize::MAX).clamp(1, team_size())
}

/// Returns the number of threads to use for this number of multiplications. If there is enough work, wakes sleeping helpers.
#[must_use]
pub fn threads_for(multiplications: u64) -> usize {
    let has_helpers = TEAM.with_borrow_mut(|team| match team {
        Team::None => false,
        Team::Awake(_) => true,
        Team::Asleep => {
            let helpers = if multiplications < WAKE_COST { None } else { helpers() };
            if let Some(helpers) = helpers {
                *team = Team::Awake(AwakeGuard::new(helpers));
            }
            helpers.is_some()
        }
    });
    if has_helpers { useful_threads(multiplications) } else { 1 }
}

/// Calls `run` for chunks of `entries`, on several threads if this is worth the cost. The arguments of `run` are the index of the chunk's first entry, and the
/// chunk.
///
/// The length of a chunk, except the last one, is a multiple of `unit`. An entry costs about `entry_cost` multiplications.
pub fn chunks(entries: &mut [f64], unit: usize, entry_cost: u64, run: impl Fn(usize, &mut [f64]) + Sync) {
    // a chunk is just large enough that one more thread is worth its cost
    let chunk_len = usize::try_from(HELPER_COST / entry_cost.max(1)).unwrap_or(usize::MAX).max(1).next_multiple_of(unit.max(1));
    let multiplications = entries.len() as u64 * entry_cost;
    if entries.len() <= chunk_len || threads_for(multiplications) == 1 {
        return run(0, entries);
    }
    share(entries.chunks_mut(chunk_len).enumerate().collect(), multiplications, |chunks| {
        chunks.for_each(|(n, chunk)| run(n * chunk_len, chunk));
    });
}

/// Starts a scoped thread. Returns `false` and drops `run` if the system refuses to start a thread: then the caller must do the work.
pub fn try_spawn<'scope>(scope: &'scope Scope<'scope, '_>, run: impl FnOnce() + Send + 'scope) -> bool {
    Builder::new().spawn_scoped(scope, run).is_ok()
}

/// The future result of work on the background thread. If the task is dropped, the work still runs to its end, and its result is dropped.
///
/// All tasks run on one thread, in order. An allocator keeps freed memory for the thread that allocated it, so two threads would need twice the memory.
#[derive(Debug)]
pub struct BackgroundTask<T>(Arc<Completion<T>>);

/// The state of the work, and a condition variable that is notified when the work is done.
#[derive(Debug)]
struct Completion<T> {
    outcome: Mutex<TaskOutcome<T>>,
    changed: Condvar,
}

/// The state of the work of a [`BackgroundTask`].
#[derive(Debug)]
enum TaskOutcome<T> {
    /// The work is not done.
    Pending,
    /// The result, or the panic of the work.
    Ready(thread::Result<T>),
    /// A caller has taken the result.
    Taken,
}

impl<T> Completion<T> {
    fn lock_outcome(&self) -> MutexGuard<'_, TaskOutcome<T>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for BackgroundTask<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The number of unfinished [`BackgroundTask`]s and calls of [`drop_in_background`], and a condition variable that is notified when the number falls.
static PENDING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A guard for unfinished background work, counted in [`PENDING`] until it is dropped.
#[derive(Debug)]
struct PendingWork;

impl PendingWork {
    /// Locks the number in [`PENDING`].
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

/// Waits until all work of [`BackgroundTask`] and [`drop_in_background`] is done, so that abandoned work has freed its memory. Returns `false` if there
/// was no such work.
pub fn wait_until_idle() -> bool {
    let count = PendingWork::count();
    let was_busy = *count > 0;
    drop(PENDING.1.wait_while(count, |count| *count > 0));
    was_busy
}

/// One piece of work for the background thread.
type Work = Box<dyn FnOnce() + Send>;

/// Returns the queue of the background thread. The first call starts the thread. Returns `None` if the system refuses to start it. Also returns `None` if the
/// background thread itself calls this: a thread that waits for work in its own queue would wait forever.
fn worker() -> Option<mpsc::Sender<Work>> {
    thread_local! {
        static IS_WORKER: Cell<bool> = const { Cell::new(false) };
    }
    static QUEUE: Mutex<Option<mpsc::Sender<Work>>> = Mutex::new(None);
    if IS_WORKER.get() {
        return None;
    }
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    if queue.is_none() {
        let (sender, receiver) = mpsc::channel::<Work>();
        let run = move || {
            IS_WORKER.set(true);
            for work in receiver {
                work();
            }
        };
        *queue = Builder::new().spawn(run).is_ok().then_some(sender);
    }
    queue.clone()
}

impl<T: Send + 'static> BackgroundTask<T> {
    /// Queues `run(input)`.
    ///
    /// # Errors
    /// Returns `input` if the system refuses to start the background thread, or if this is the background thread: then the caller must do the work.
    pub fn begin<I: Send + 'static>(input: I, run: impl FnOnce(I) -> T + Send + 'static) -> Result<Self, I> {
        let Some(worker) = worker() else { return Err(input) };
        let completion = Arc::new(Completion { outcome: Mutex::new(TaskOutcome::Pending), changed: Condvar::new() });
        let (weak, pending) = (Arc::downgrade(&completion), PendingWork::new());
        let work = move || {
            // `_pending` is dropped at the end of this closure, after `result`. So if the task was dropped, the memory of the result is freed before the work
            // counts as done
            let _pending = pending;
            let result = catch_unwind(AssertUnwindSafe(|| run(input)));
            if let Some(completion) = weak.upgrade() {
                *completion.lock_outcome() = TaskOutcome::Ready(result);
                completion.changed.notify_all();
            }
        };
        // sending cannot fail: the background thread never ends, so its queue is never closed
        let _ = worker.send(Box::new(work));
        Ok(Self(completion))
    }

    /// Waits for the result, for at most `wait`. Returns whether the work is done.
    #[must_use]
    pub fn is_done_within(&self, wait: Duration) -> bool {
        let is_pending = |outcome: &mut TaskOutcome<T>| matches!(outcome, TaskOutcome::Pending);
        let waited = self.0.changed.wait_timeout_while(self.0.lock_outcome(), wait, is_pending);
        !is_pending(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Waits for the result and takes it. Returns `None` if this task or a clone of it has taken the result before.
    ///
    /// # Panics
    /// If the work panicked, with the same panic.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        let is_pending = |outcome: &mut TaskOutcome<T>| matches!(outcome, TaskOutcome::Pending);
        let mut outcome = self.0.changed.wait_while(self.0.lock_outcome(), is_pending).unwrap_or_else(PoisonError::into_inner);
        match mem::replace(&mut *outcome, TaskOutcome::Taken) {
            TaskOutcome::Ready(result) => Some(result.unwrap_or_else(|panic| resume_unwind(panic))),
            TaskOutcome::Pending | TaskOutcome::Taken => None,
        }
    }
}

/// Drops a large value on a new thread, because freeing its memory takes long. If the system starts no thread, drops it on this thread.
pub fn drop_in_background(large: impl Send + 'static) {
    let pending = PendingWork::new();
    // if the system starts no thread, `spawn` drops the closure here, and both values with it
    let _ = Builder::new().spawn(move || {
        drop(large);
        drop(pending);
    });
}

/// Calls `run` on several threads. If more threads are not worth their cost, calls it only on the calling thread. All threads take their work from one queue.
/// `share` returns when the queue is empty and each call of `run` has returned. `multiplications` is an estimate of the total work.
pub fn share<T: Send>(work: Vec<T>, multiplications: u64, run: impl Fn(WorkQueue<'_, T>) + Sync) {
    let threads = if work.len() > 1 { threads_for(multiplications).min(work.len()) } else { 1 };
    let work = &Mutex::new(work.into_iter());
    let Some(helpers) = helpers().filter(|_| threads > 1) else { return run(WorkQueue { work, takes_from_back: false }) };
    helpers.in_place_scope(|scope| {
        // each helper holds a clone of this handle while it works
        let (busy, run) = (Arc::new(()), &run);
        for thread in 1..threads {
            let busy = Arc::clone(&busy);
            scope.spawn(move |_| {
                run(WorkQueue { work, takes_from_back: thread % 2 == 1 });
                drop(busy);
            });
        }
        // inside `run`, calls of `share` use no helpers
        Team::None.during(|| run(WorkQueue { work, takes_from_back: false }));
        // spins until the helpers are done; otherwise, this thread would sleep at the end of the scope while it waits
        let mut spins = 0;
        while Arc::strong_count(&busy) > 1 {
            spin(&mut spins);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;

    /// Adds its index to each entry. The entries are split into chunks, which are split into chunks again. Returns the thread of each outer chunk.
    fn add_indices(entries: &mut [f64]) -> Vec<ThreadId> {
        let threads = Mutex::new(Vec::new());
        let (outer_unit, inner_unit, entry_cost) = (3, 1, 1);
        chunks(entries, outer_unit, entry_cost, |outer_first, entries| {
            threads.lock().expect("no thread panicked").push(thread::current().id());
            chunks(entries, inner_unit, entry_cost, |inner_first, entries| {
                for (n, entry) in entries.iter_mut().enumerate() {
                    #[allow(clippy::cast_precision_loss)] // the index is small
                    let index = (outer_first + inner_first + n) as f64;
                    *entry += index;
                }
            });
        });
        threads.into_inner().expect("no thread panicked")
    }

    #[test]
    fn chunks_visit_every_entry_once() {
        let mut entries = vec![0.5; 10_000];
        let alone = add_indices(&mut entries);
        assert_eq!(alone, [thread::current().id()], "outside `parallel`, this thread does all the work");
        let shared = parallel(|| add_indices(&mut entries));
        assert!(shared.len() > TEST_CORES, "there are more chunks than threads: {shared:?}");
        // each of the two calls has added the index
        #[allow(clippy::cast_precision_loss)] // the index is small
        let expected: Vec<f64> = (0..entries.len()).map(|n| 2.0 * n as f64 + 0.5).collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn concurrent_computations_share_the_helpers() {
        let run = || {
            let mut entries = vec![0.0; 300];
            for _ in 0..200 {
                parallel(|| add_indices(&mut entries));
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
        // the work waits until the sender `open` sends something
        let (open, opened) = mpsc::channel::<()>();
        let sum = BackgroundTask::begin(vec![1, 2, 3], move |numbers| {
            opened.recv().expect("the sender exists");
            numbers.iter().sum::<i32>()
        })
        .expect("the system starts a thread");
        assert!(!sum.is_done_within(Duration::ZERO));
        open.send(()).expect("the work waits");
        let clone_of_sum = sum.clone();
        assert!(sum.is_done_within(Duration::from_secs(60)));
        assert_eq!((clone_of_sum.take(), sum.take()), (Some(6), None));
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
    fn a_panic_in_any_work_item_reaches_the_caller() {
        for bad in [0, 50, 99] {
            let multiplications = 1 << 20; // enough to wake the helpers
            let work = || share((0..100).collect(), multiplications, |items| items.for_each(|item| assert_ne!(item, bad)));
            assert!(catch_unwind(AssertUnwindSafe(|| parallel(work))).is_err(), "{bad}");
        }
        let mut entries = vec![0.0; 100];
        parallel(|| add_indices(&mut entries));
        assert_eq!(entries[99], 99.0, "the helpers still work after a panic");
    }
}
