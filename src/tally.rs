//! A counter of work, one for each thread. Tests use it to bound the work, for example to check that drawing a frame costs no more in a large network. Release
//! builds do not count.

#[cfg(debug_assertions)]
use std::cell::Cell;

#[cfg(debug_assertions)]
thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Adds `work` to this thread's count. Callers count 1 for each op, term or factor that they ask for, and for each comparison of some searches.
#[inline]
#[cfg_attr(not(debug_assertions), allow(unused_variables))]
pub fn count(work: u64) {
    #[cfg(debug_assertions)]
    COUNT.with(|count| count.set(count.get() + work));
}

/// Returns this thread's count and sets it to 0.
#[must_use]
#[cfg(debug_assertions)]
pub fn take() -> u64 {
    COUNT.take()
}
