//! How many threads may compute at once: one setting for everything that can be shared out. No result depends on it.

use std::num::NonZeroUsize;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::vec::IntoIter;

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

/// Work of which every thread takes the next piece when it is done with the last one.
#[derive(Debug)]
pub struct Pieces<'a, T>(&'a Mutex<IntoIter<T>>);

impl<T> Iterator for Pieces<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        // what a panic of another thread left is still whole: a piece is taken or not
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

/// Does all the work; below some millions of multiplications another thread costs more than it helps.
pub fn share<T: Send>(work: Vec<T>, multiplications: u64, run: impl Fn(Pieces<'_, T>) + Sync) {
    /// About a sixth of a millisecond; until a thread has begun and is joined, more than half of that is over.
    const WORTH: u64 = 1 << 22;
    let threads = if multiplications < WORTH { 1 } else { most().min(work.len()) };
    let (work, run) = (&Mutex::new(work.into_iter()), &run);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(move || run(Pieces(work)));
        }
        run(Pieces(work));
    });
}
