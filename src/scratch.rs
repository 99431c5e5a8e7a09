//! Reusable scratch memory for kernels, one pool for each thread. Allocating and clearing it for every call would take longer than some of the work.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut, Range};
use std::sync::MutexGuard;

thread_local! {
    /// The free memory of this thread.
    static FREE: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) };
}

/// Numbers with arbitrary values, those of their last use. They are aligned to a cache line, because loading a register across two lines takes twice
/// as long.
#[derive(Debug)]
pub struct Scratch {
    memory: Vec<f64>,
    place: Range<usize>,
    /// Makes the type `!Send`, so that memory goes back to the thread that took it.
    here: PhantomData<MutexGuard<'static, ()>>,
}

/// The size of a cache line, in bytes and in numbers.
const LINE: usize = 64;
const NUMBERS: usize = LINE / size_of::<f64>();

impl Scratch {
    /// Takes `len` numbers, from the memory that was returned last if that is large enough.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let mut memory = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
        if memory.len() < len + NUMBERS {
            memory = vec![0.0; len + NUMBERS];
        }
        let begin = memory.as_ptr().align_offset(LINE).min(NUMBERS);
        Self { memory, place: begin..begin + len, here: PhantomData }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let memory = mem::take(&mut self.memory);
        // at the end of a thread the pool may be gone
        let _ = FREE.try_with(|free| free.borrow_mut().push(memory));
    }
}

impl Deref for Scratch {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.memory[self.place.clone()]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f64] {
        &mut self.memory[self.place.clone()]
    }
}
