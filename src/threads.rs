//! How many threads may compute at once: one setting for everything that can be shared out. No result depends on it.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread::available_parallelism;

static MOST: OnceLock<NonZeroUsize> = OnceLock::new();

/// Nothing here gets faster by more, and a system does not give a program any number of them.
const SENSIBLE: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Sets how many there may be. It counts where nothing has asked yet; after that it is too late, and nothing happens.
pub fn limit(threads: NonZeroUsize) {
    let _ = MOST.set(threads.min(SENSIBLE));
}

/// How many there may be: what was set, or as many as the machine has cores for this program.
#[must_use]
pub fn most() -> usize {
    MOST.get_or_init(|| available_parallelism().unwrap_or(NonZeroUsize::MIN)).get()
}

/// Does all the work, each thread its share of neighbours; below some millions of multiplications another thread costs more than it helps.
pub fn share<T: Send>(mut work: Vec<T>, multiplications: u64, run: impl Fn(Vec<T>) + Sync) {
    /// About a tenth of a millisecond; a thread starts in a third of that.
    const WORTH: u64 = 1 << 21;
    let threads = if multiplications < WORTH { 1 } else { most().min(work.len()) };
    let run = &run;
    std::thread::scope(|scope| {
        for others in (1..threads).rev() {
            let share = work.split_off(work.len() * others / (others + 1));
            scope.spawn(move || run(share));
        }
        run(work);
    });
}
