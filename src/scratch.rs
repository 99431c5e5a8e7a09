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

/// A slice of numbers for temporary results. At first, it contains arbitrary numbers: those that its last user has left.
///
/// A slice of more than 64 numbers begins at a cache line, because loading a vector register across two cache lines takes twice as long.
#[derive(Debug)]
pub struct Scratch {
    /// The memory of a small slice, which needs no pool. It does not begin at a cache line.
    small: [f64; SMALL],
    /// The memory of a larger slice; empty for a small one.
    memory: Vec<f64>,
    /// The range of the memory with the requested length. In `memory`, it begins at a cache line.
    aligned: Range<usize>,
    /// Makes the type `!Send`, so that the memory returns to the pool of the thread that took it.
    not_send: PhantomData<MutexGuard<'static, ()>>,
}

/// The largest length of a small slice. Taking memory from the pool would take longer than most computations of so few numbers.
const SMALL: usize = 64;

impl Scratch {
    /// Takes `len` numbers from the buffer that was returned last, or from a new one if that buffer is too small.
    #[must_use]
    pub fn new(len: usize) -> Self {
        if len <= SMALL {
            return Self { small: [0.0; SMALL], memory: Vec::new(), aligned: 0..len, not_send: PhantomData };
        }
        let mut memory = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
        // the extra numbers are room to begin at a cache line
        if memory.len() < len + LINE_ENTRIES {
            memory = vec![0.0; len + LINE_ENTRIES];
        }
        // `align_offset` may return `usize::MAX`, which means that it does not know; then the slice is not aligned
        let begin = memory.as_ptr().align_offset(LINE_BYTES).min(LINE_ENTRIES);
        Self { small: [0.0; SMALL], memory, aligned: begin..begin + len, not_send: PhantomData }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let memory = mem::take(&mut self.memory);
        if memory.is_empty() {
            return;
        }
        // when a thread ends, its pool may be dropped before this value; then the memory is freed
        let _ = FREE.try_with(|free| free.borrow_mut().push(memory));
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
