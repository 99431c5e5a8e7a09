//! Memory for temporary results of kernels, with one pool for each thread. Without it, each call of a kernel would allocate and clear memory. For small
//! tensors, this takes longer than the computation.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut, Range};
use std::sync::MutexGuard;

use crate::tensor::{LINE_BYTES, LINE_ENTRIES};

thread_local! {
    /// This thread's buffers that no [`Scratch`] uses.
    static FREE: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) };
}

/// A slice of numbers for temporary results. At first, it contains arbitrary numbers, such as those that the last user of its memory has left.
///
/// A slice of more than 64 numbers begins at a cache line, because loading a vector register across two cache lines takes twice as long.
#[derive(Debug)]
pub struct Scratch {
    /// The memory of a slice that was never large. It needs no pool, and does not begin at a cache line.
    small: [f64; SMALL],
    /// The memory of a larger slice, which the slice keeps if it becomes small; empty before it is large for the first time.
    memory: Vec<f64>,
    /// The range of the memory with the requested length. If the slice is large, it begins at a cache line.
    aligned: Range<usize>,
    /// Makes the type `!Send`, so that the memory returns to the pool of the thread that took it.
    not_send: PhantomData<MutexGuard<'static, ()>>,
}

/// The largest length of a small slice. Taking memory from the pool would take longer than most computations of so few numbers.
const SMALL: usize = 64;

impl Scratch {
    /// Creates a slice of `len` numbers.
    #[must_use]
    #[inline]
    pub fn new(len: usize) -> Self {
        let mut scratch = Self::default();
        scratch.take(len);
        scratch
    }

    /// Changes the length to `len`. The slice then contains arbitrary numbers, as a new one does.
    #[inline]
    pub fn take(&mut self, len: usize) {
        if len <= SMALL {
            self.aligned = 0..len;
        } else {
            self.take_from_pool(len);
        }
    }

    /// Changes the length to `len`, with memory from the buffer that was returned last, or from a new one if that buffer is too small.
    fn take_from_pool(&mut self, len: usize) {
        if !self.memory.is_empty() {
            self.return_to_pool();
        }
        let mut memory = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
        // the extra numbers are room to begin at a cache line
        if memory.len() < len + LINE_ENTRIES {
            memory = vec![0.0; len + LINE_ENTRIES];
        }
        // `align_offset` may return `usize::MAX`, which means that it does not know; then the slice is not aligned
        let begin = memory.as_ptr().align_offset(LINE_BYTES).min(LINE_ENTRIES);
        (self.memory, self.aligned) = (memory, begin..begin + len);
    }

    /// Returns the memory of a large slice to the pool.
    fn return_to_pool(&mut self) {
        let memory = mem::take(&mut self.memory);
        // when a thread ends, its pool may be dropped before this value; then the memory is freed
        let _ = FREE.try_with(|free| free.borrow_mut().push(memory));
    }
}

impl Default for Scratch {
    /// Creates an empty slice.
    #[inline]
    fn default() -> Self {
        Self { small: [0.0; SMALL], memory: Vec::new(), aligned: 0..0, not_send: PhantomData }
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        if !self.memory.is_empty() {
            self.return_to_pool();
        }
    }
}

impl Deref for Scratch {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        let memory = if self.memory.is_empty() { &self.small[..] } else { &self.memory };
        &memory[self.aligned.clone()]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f64] {
        let memory = if self.memory.is_empty() { &mut self.small[..] } else { &mut self.memory };
        &mut memory[self.aligned.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_has_the_length_that_was_taken_last() {
        let mut scratch = Scratch::new(3);
        for len in [0, SMALL, SMALL + 1, 5, 10_000, SMALL + 1, SMALL] {
            scratch.take(len);
            scratch.fill(1.0);
            assert_eq!(scratch.len(), len);
        }
    }
}
