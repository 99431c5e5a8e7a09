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
/// The slice begins at a cache line, because loading a vector register across two cache lines takes twice as long.
#[derive(Debug)]
pub struct Scratch {
    memory: Vec<f64>,
    /// The range of `memory` that begins at a cache line and has the requested length.
    aligned: Range<usize>,
    /// Makes the type `!Send`, so that the memory returns to the pool of the thread that took it.
    not_send: PhantomData<MutexGuard<'static, ()>>,
}

impl Scratch {
    /// Takes `len` numbers from the buffer that was returned last, or from a new one if that buffer is too small.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let mut memory = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
        // the extra numbers are room to begin at a cache line
        if memory.len() < len + LINE_ENTRIES {
            memory = vec![0.0; len + LINE_ENTRIES];
        }
        let begin = memory.as_ptr().align_offset(LINE_BYTES).min(LINE_ENTRIES);
        Self { memory, aligned: begin..begin + len, not_send: PhantomData }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let memory = mem::take(&mut self.memory);
        // when a thread ends, its pool may be dropped before this value; then the memory is freed
        let _ = FREE.try_with(|free| free.borrow_mut().push(memory));
    }
}

impl Deref for Scratch {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.memory[self.aligned.clone()]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f64] {
        &mut self.memory[self.aligned.clone()]
    }
}
