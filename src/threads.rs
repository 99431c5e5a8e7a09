//! How many threads may compute at once: one setting for everything that can be shared out. No result depends on it.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread::available_parallelism;

static MOST: OnceLock<NonZeroUsize> = OnceLock::new();

/// Sets how many there may be. It counts where nothing has asked yet; after that it is too late, and nothing happens.
pub fn limit(threads: NonZeroUsize) {
    let _ = MOST.set(threads);
}

/// How many there may be: what was set, or as many as the machine has cores for this program.
#[must_use]
pub fn most() -> usize {
    MOST.get_or_init(|| available_parallelism().unwrap_or(NonZeroUsize::MIN)).get()
}
