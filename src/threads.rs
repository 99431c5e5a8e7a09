//! How many threads may compute at once: one setting for everything that can be shared out. No result depends on it.
//!
//! The helpers are asleep until something large begins. From its first large part to its end they stay awake, as a thread that has to be woken is later
//! than many a part takes.

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

static MOST: OnceLock<NonZeroUsize> = OnceLock::new();

/// Nothing here gets faster by more, and a system does not give a program any number of them.
const SENSIBLE: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The module's tests share out what is tiny, and among as many on every machine.
const FEW: usize = 3;

/// About five microseconds.
const WORTH: u64 = if cfg!(test) { 1 << 4 } else { 1 << 17 };

/// About forty microseconds.
const WORTH_WAKING: u64 = if cfg!(test) { 1 << 6 } else { 1 << 20 };

/// Sets how many there may be. It counts where nothing has asked yet; after that it is too late, and nothing happens.
pub fn limit(threads: NonZeroUsize) {
    let _ = MOST.set(threads.min(SENSIBLE));
}

/// How many there may be: what was set, or as many as the machine has cores for this program.
#[must_use]
pub fn most() -> usize {
    MOST.get_or_init(|| NonZeroUsize::new(cores()).unwrap_or(NonZeroUsize::MIN)).get()
}

/// How many cores this program may use.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| if cfg!(test) { FEW } else { available_parallelism().map_or(1, NonZeroUsize::get) })
}

/// How many share the parts of a run. They do not sleep, so those without a core would only keep others from working; a few are no harm, and show on a
/// small machine what happens on a larger one.
fn team() -> usize {
    most().min(cores().max(8))
}

/// All threads but the one that asks; none where the system gives none.
fn helpers() -> Option<&'static ThreadPool> {
    static HELPERS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || ThreadPoolBuilder::new().num_threads(team() - 1).build().ok();
    if team() == 1 { None } else { HELPERS.get_or_init(build).as_ref() }
}

/// The helpers are awake until the last of these is dropped.
#[derive(Debug)]
struct Awake;

/// How many there are.
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

/// Does a helper's work as it comes, until nobody wants it awake.
fn stay_awake() {
    thread_local! {
        static HERE: Cell<bool> = const { Cell::new(false) };
    }
    // work that came may be the wish of another run to stay awake: this helper does already, and one within the other they would never end
    if HERE.replace(true) {
        return;
    }
    let mut turn = 0;
    while AWAKE.load(Ordering::Relaxed) > 0 {
        if rayon::yield_now() != Some(Yield::Executed) {
            rest(&mut turn);
        }
    }
    HERE.set(false);
}

/// What this thread has under way: helpers come to it with the first part that is large.
#[derive(Debug, Default)]
enum Team {
    /// Nothing that is shared out, or a piece of what is.
    #[default]
    Nobody,
    /// Nothing large until now.
    Asleep,
    Awake(Awake),
}

thread_local! {
    static TEAM: RefCell<Team> = const { RefCell::new(Team::Nobody) };
}

impl Team {
    /// Does something with this team; afterwards there is the one from before again.
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

/// Does something whose parts are [`share`]d out where that is worth it.
pub fn together<R>(run: impl FnOnce() -> R) -> R {
    Team::Asleep.during(run)
}

/// A moment, and now and then a longer one for whoever else needs the processor.
fn rest(turn: &mut u8) {
    *turn = turn.wrapping_add(1) % 64;
    if *turn == 0 { thread::yield_now() } else { hint::spin_loop() }
}

/// Work of which every thread takes a piece when it is done with the last one: some from the front and some from the back, so that what one has written
/// is mostly near to it when it reads it again.
#[derive(Debug)]
pub struct Pieces<'a, T> {
    work: &'a Mutex<IntoIter<T>>,
    back: bool,
}

impl<T> Iterator for Pieces<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        // what a panic of another thread left is still whole: a piece is taken or not
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if self.back { work.next_back() } else { work.next() }
    }
}

/// How many threads are worth their while for so many multiplications, if they are awake.
#[must_use]
pub fn worth(multiplications: u64) -> usize {
    usize::try_from(multiplications / WORTH).unwrap_or(usize::MAX).clamp(1, team())
}

/// How many threads take part in so many multiplications: helpers that are awake, or are woken for them.
#[must_use]
pub fn hands(multiplications: u64) -> usize {
    let helped = TEAM.with_borrow_mut(|team| match team {
        Team::Nobody => false,
        Team::Awake(_) => true,
        Team::Asleep => {
            let helpers = if multiplications < WORTH_WAKING { None } else { helpers() };
            if let Some(helpers) = helpers {
                *team = Team::Awake(Awake::new(helpers));
            }
            helpers.is_some()
        }
    });
    if helped { worth(multiplications) } else { 1 }
}

/// Does something to all entries, in chunks of whole units, and says where each begins. An entry takes about as long as `each` multiplications.
pub fn chunks(entries: &mut [f64], unit: usize, each: u64, run: impl Fn(usize, &mut [f64]) + Sync) {
    let long = usize::try_from(WORTH / each.max(1)).unwrap_or(usize::MAX).max(1).next_multiple_of(unit.max(1));
    let multiplications = entries.len() as u64 * each;
    if entries.len() <= long || hands(multiplications) == 1 {
        return run(0, entries);
    }
    share(entries.chunks_mut(long).enumerate().collect(), multiplications, |chunks| {
        chunks.for_each(|(n, chunk)| run(n * long, chunk));
    });
}

/// Starts a thread that works beside this one. Where the system gives no thread, `run` is dropped: whoever calls this does all the work alone, so what
/// `run` would do must be there to be taken by anyone.
pub fn beside<'scope>(scope: &'scope Scope<'scope, '_>, run: impl FnOnce() + Send + 'scope) -> bool {
    Builder::new().spawn_scoped(scope, run).is_ok()
}

/// The result of work that another thread does while this one goes on. If this is dropped, the work still ends, and its result is dropped too. All such
/// work shares one thread and is done in turn: an allocator keeps freed memory for the thread that had allocated it, so that a second thread would double it.
#[derive(Debug)]
pub struct Elsewhere<T>(Arc<End<T>>);

/// The result, and the condition variable on which others wait for it.
#[derive(Debug)]
struct End<T> {
    result: Mutex<Outcome<T>>,
    told: Condvar,
}

#[derive(Debug)]
enum Outcome<T> {
    Awaited,
    There(thread::Result<T>),
    Taken,
}

impl<T> End<T> {
    fn result(&self) -> MutexGuard<'_, Outcome<T>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Elsewhere<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The number of [`Elsewhere`] and [`discard`] that have not ended, and the condition variable on which others wait for the end.
static BUSY: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// One of these, counted until it is dropped.
#[derive(Debug)]
struct Busy;

impl Busy {
    fn count() -> MutexGuard<'static, usize> {
        BUSY.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new() -> Self {
        *Self::count() += 1;
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *Self::count() -= 1;
        BUSY.1.notify_all();
    }
}

/// Waits until no work of [`Elsewhere`] or [`discard`] is left, so that the memory of abandoned work is free again. Returns whether there was any.
pub fn quiet() -> bool {
    let count = Busy::count();
    let any = *count > 0;
    drop(BUSY.1.wait_while(count, |count| *count > 0));
    any
}

type Work = Box<dyn FnOnce() + Send>;

/// The queue of the one thread that [`Elsewhere`] uses. `None` if the system gives no thread, and on that thread itself, which would wait for itself.
fn other() -> Option<mpsc::Sender<Work>> {
    thread_local! {
        static OTHER: Cell<bool> = const { Cell::new(false) };
    }
    static WORK: Mutex<Option<mpsc::Sender<Work>>> = Mutex::new(None);
    if OTHER.get() {
        return None;
    }
    let mut work = WORK.lock().unwrap_or_else(PoisonError::into_inner);
    if work.is_none() {
        let (give, given) = mpsc::channel::<Work>();
        let run = move || {
            OTHER.set(true);
            for work in given {
                work();
            }
        };
        *work = Builder::new().spawn(run).is_ok().then_some(give);
    }
    work.clone()
}

impl<T: Send + 'static> Elsewhere<T> {
    /// Queues `run(input)`.
    ///
    /// # Errors
    /// Gives `input` back if the system gives no thread, or if this is called on the other thread: the caller does the work.
    pub fn begin<I: Send + 'static>(input: I, run: impl FnOnce(I) -> T + Send + 'static) -> Result<Self, I> {
        let Some(other) = other() else { return Err(input) };
        let end = Arc::new(End { result: Mutex::new(Outcome::Awaited), told: Condvar::new() });
        let (tell, busy) = (Arc::downgrade(&end), Busy::new());
        let work = move || {
            // the last that goes, as what comes of it may be dropped here
            let _busy = busy;
            let result = catch_unwind(AssertUnwindSafe(|| run(input)));
            if let Some(end) = tell.upgrade() {
                *end.result() = Outcome::There(result);
                end.told.notify_all();
            }
        };
        // that thread never ends
        let _ = other.send(Box::new(work));
        Ok(Self(end))
    }

    /// Waits for the result, but no longer than `wait`. Returns whether it is there.
    #[must_use]
    pub fn is_done_within(&self, wait: Duration) -> bool {
        let awaited = |result: &mut Outcome<T>| matches!(result, Outcome::Awaited);
        let waited = self.0.told.wait_timeout_while(self.0.result(), wait, awaited);
        !awaited(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Waits for the result and takes it; `None` if it was already taken, here or through a clone.
    ///
    /// # Panics
    /// If the work panicked, with the same panic.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        let awaited = |result: &mut Outcome<T>| matches!(result, Outcome::Awaited);
        let mut result = self.0.told.wait_while(self.0.result(), awaited).unwrap_or_else(PoisonError::into_inner);
        match mem::replace(&mut *result, Outcome::Taken) {
            Outcome::There(result) => Some(result.unwrap_or_else(|panic| resume_unwind(panic))),
            Outcome::Awaited | Outcome::Taken => None,
        }
    }
}

/// Drops something large on a thread of its own.
pub fn discard(large: impl Send + 'static) {
    let busy = Busy::new();
    // where the system gives no thread, the closure is dropped here, and both with it
    let _ = Builder::new().spawn(move || {
        drop(large);
        drop(busy);
    });
}

/// Does all the work, which is about so many multiplications.
pub fn share<T: Send>(work: Vec<T>, multiplications: u64, run: impl Fn(Pieces<'_, T>) + Sync) {
    let threads = if work.len() > 1 { hands(multiplications).min(work.len()) } else { 1 };
    let work = &Mutex::new(work.into_iter());
    let Some(helpers) = helpers().filter(|_| threads > 1) else { return run(Pieces { work, back: false }) };
    helpers.in_place_scope(|scope| {
        let (hand, run) = (Arc::new(()), &run);
        for thread in 1..threads {
            let hand = Arc::clone(&hand);
            scope.spawn(move |_| {
                run(Pieces { work, back: thread % 2 == 1 });
                drop(hand);
            });
        }
        Team::Nobody.during(|| run(Pieces { work, back: false }));
        // at the end of the scope this thread would go to sleep
        let mut turn = 0;
        while Arc::strong_count(&hand) > 1 {
            rest(&mut turn);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;

    /// All entries counted up, in chunks within chunks; who did it.
    fn count_up(entries: &mut [f64]) -> Vec<ThreadId> {
        let threads = Mutex::new(Vec::new());
        chunks(entries, 3, 1, |at, entries| {
            threads.lock().expect("nobody panics").push(thread::current().id());
            chunks(entries, 1, 1, |inside, entries| {
                for (n, entry) in entries.iter_mut().enumerate() {
                    #[allow(clippy::cast_precision_loss)] // few
                    let place = (at + inside + n) as f64;
                    *entry += place;
                }
            });
        });
        threads.into_inner().expect("nobody panics")
    }

    #[test]
    fn every_entry_has_its_turn_once() {
        let mut entries = vec![0.5; 10_000];
        let alone = count_up(&mut entries);
        assert_eq!(alone, [thread::current().id()], "nobody helps with what is not large");
        let shared = together(|| count_up(&mut entries));
        assert!(shared.len() > 3, "{shared:?}");
        #[allow(clippy::cast_precision_loss)] // few
        let expected: Vec<f64> = (0..entries.len()).map(|n| 2.0 * n as f64 + 0.5).collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn runs_at_the_same_time_share_the_helpers() {
        let run = || {
            let mut entries = vec![0.0; 300];
            for _ in 0..200 {
                together(|| count_up(&mut entries));
            }
            entries[299]
        };
        thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            assert!(runs.into_iter().all(|run| run.join().expect("no panic") == 200.0 * 299.0));
        });
    }

    #[test]
    fn what_is_done_elsewhere_is_taken_once() {
        let (open, opened) = mpsc::channel::<()>();
        let sum = Elsewhere::begin(vec![1, 2, 3], move |numbers| {
            opened.recv().expect("it is opened");
            numbers.iter().sum::<i32>()
        })
        .expect("a thread");
        assert!(!sum.is_done_within(Duration::ZERO));
        open.send(()).expect("it waits");
        let other = sum.clone();
        assert!(sum.is_done_within(Duration::from_secs(60)));
        assert_eq!((other.take(), sum.take()), (Some(6), None));
        let panics = Elsewhere::begin((), |()| assert_eq!(1, 2)).expect("a thread");
        assert!(catch_unwind(AssertUnwindSafe(|| panics.take())).is_err());
    }

    #[test]
    fn it_is_quiet_when_what_nobody_waits_for_is_gone() {
        let kept = Arc::new(());
        for _ in 0..20 {
            let inside = Arc::clone(&kept);
            drop(Elsewhere::begin(inside, |inside| (inside, thread::sleep(Duration::from_millis(1)))));
            discard(Arc::clone(&kept));
            quiet();
            assert_eq!(Arc::strong_count(&kept), 1);
        }
    }

    #[test]
    fn a_panic_of_any_piece_reaches_whoever_shared() {
        for bad in [0, 50, 99] {
            let work = || share((0..100).collect(), 1 << 20, |pieces| pieces.for_each(|piece| assert_ne!(piece, bad)));
            assert!(catch_unwind(AssertUnwindSafe(|| together(work))).is_err(), "{bad}");
        }
        let mut entries = vec![0.0; 100];
        together(|| count_up(&mut entries));
        assert_eq!(entries[99], 99.0, "the helpers are there for the next");
    }
}
