//! Work that is counted while tests run: what a frame asks for must not grow with what is in the file. A release counts nothing.

#[cfg(debug_assertions)]
use std::cell::Cell;

#[cfg(debug_assertions)]
thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// Counts some work of this thread.
#[inline]
#[cfg_attr(not(debug_assertions), allow(unused_variables))]
pub fn count(work: u64) {
    #[cfg(debug_assertions)]
    ASKED.with(|asked| asked.set(asked.get() + work));
}

/// The work that this thread has counted since this was last asked.
#[must_use]
#[cfg(debug_assertions)]
pub fn taken() -> u64 {
    ASKED.take()
}
