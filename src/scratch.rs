//! Memory that is needed for a moment, again and again: to get it anew from the system, and to clear it, takes longer than some of the work in it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut, Range};
use std::sync::MutexGuard;

thread_local! {
    /// What this thread has and does not use.
    static FREE: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) };
}

/// Numbers, whatever they were before. They begin where a line of the cache does: a register that lies across two lines takes twice as long.
#[derive(Debug)]
pub struct Scratch {
    memory: Vec<f64>,
    place: Range<usize>,
    /// It stays with its thread, so that none gathers what others have asked for.
    here: PhantomData<MutexGuard<'static, ()>>,
}

/// Bytes of a line of the cache, and the numbers in it.
const LINE: usize = 64;
const NUMBERS: usize = LINE / size_of::<f64>();

impl Scratch {
    /// So many numbers, in the memory that was given back last.
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
        // at a thread's end there is nobody to give it to
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
