//! Writes the lines of many steps. Several threads make the lines, and the main thread writes them in order.
//!
//! The steps are split into chunks of 512. A thread that is free takes the next chunk. The main thread makes lines too: it first writes the finished chunks
//! whose turn it is, and then takes the next chunk. For example, with a slow helper:
//!
//! ```text
//! main thread   make 0   write 0   make 2   make 3   write 1, 2, 3   …
//! helper        make 1 ─────────────────────┘   make 4 …
//! ```
//!
//! To limit the memory, no thread takes a chunk that comes long after the chunk that is written next ([`CHUNKS_AHEAD`]). The buffers of written chunks are used
//! again: memory that is touched for the first time costs as much as the lines in it.
//!
//! A short output is made by the main thread alone, because a thread that starts takes longer than a few chunks ([`CHUNKS_PER_THREAD`]).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::mem::replace;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::threads;
use crate::trace::{StepVisitor, Trace, Traversal};

/// The number of steps of a chunk. Handing smaller chunks to the main thread would cost more. Of larger chunks, the lines that wait for their turn would not
/// fit into the processor's cache.
const CHUNK_STEPS: u64 = 512;
/// The size in bytes from which a buffer is written before its chunk ends. It is needed for very long lines, such as that of a pool whose window is a whole
/// image.
const FULL_BUFFER: usize = 1 << 20;
/// The size of a new buffer in bytes. The lines of most chunks fit into it.
const NEW_BUFFER: usize = 3 << 16;
/// The largest number of threads. More threads would make lines faster than the reader of a pipe can read them.
const MAX_THREADS: usize = 4;
/// The number of chunks for which one more thread is worth its start. A chunk takes about 0.1 ms, and a thread starts within about 0.2 ms.
const CHUNKS_PER_THREAD: u64 = 8;
/// For each thread, the number of chunks that may be taken before the next chunk is written.
const CHUNKS_AHEAD: u64 = 4;

/// A visitor of steps that appends a line for each step to a buffer. Each format of `trace` has one; a [`Traversal`] visits the steps.
pub(super) trait LineBuffer: StepVisitor {
    /// Returns the buffer with the lines that are not written yet.
    fn buffer(&mut self) -> &mut Vec<u8>;
}

/// Writes the lines of a range of steps. `new_visitor` makes the visitor of a thread. The bytes do not depend on the number of threads.
pub(super) fn write<L: LineBuffer>(
    trace: &Trace,
    steps: Range<u64>,
    new_visitor: impl Fn() -> L + Sync,
    to: &mut dyn Write,
) -> io::Result<()> {
    let threads = useful_threads(&steps, threads::limit());
    write_with(threads, trace, steps, new_visitor, to)
}

/// Returns the number of threads to use, if at most `limit` are allowed.
fn useful_threads(steps: &Range<u64>, limit: usize) -> usize {
    let useful = steps.end.saturating_sub(steps.start).div_ceil(CHUNK_STEPS) / CHUNKS_PER_THREAD;
    usize::try_from(useful).unwrap_or(usize::MAX).clamp(1, limit.min(MAX_THREADS))
}

/// Does the same as [`write`] with this number of threads, including the calling thread.
fn write_with<L: LineBuffer>(
    threads: usize,
    trace: &Trace,
    steps: Range<u64>,
    new_visitor: impl Fn() -> L + Sync,
    to: &mut dyn Write,
) -> io::Result<()> {
    let (queue, new_visitor) = (&ChunkQueue::new(steps, threads), &new_visitor);
    thread::scope(|scope| {
        let _closed_by_a_panic = CloseOnPanic(queue);
        // if the system does not start a thread, the others do its work
        for _ in 1..threads {
            threads::try_spawn(scope, move || {
                let _closed_by_a_panic = CloseOnPanic(queue);
                let mut maker = LineMaker::new(trace, new_visitor());
                while let Some(number) = queue.take() {
                    // the error only means that the output has failed, which the main thread reports
                    if maker.make(queue.chunk(number), |lines, ends_chunk| queue.hand_over(number, lines, ends_chunk)).is_err() {
                        return;
                    }
                }
            });
        }
        let mut maker = LineMaker::new(trace, new_visitor());
        let result = write_and_make(queue, &mut maker, to);
        queue.close();
        result
    })
}

/// The work of the main thread: writes all chunks in order. While the next one is not finished, makes the lines of others.
fn write_and_make(queue: &ChunkQueue, maker: &mut LineMaker<'_, impl LineBuffer>, to: &mut dyn Write) -> io::Result<()> {
    while let Some(task) = queue.next_task() {
        let number = match task {
            Task::Make(number) => number,
            Task::Write(lines) => {
                to.write_all(&lines)?;
                queue.recycle(lines);
                continue;
            }
        };
        maker.make(queue.chunk(number), |lines, ends_chunk| {
            // a whole chunk can wait for its turn, but a part of one cannot: the parts might be many
            while !ends_chunk && let Some(earlier) = queue.earlier(number)? {
                to.write_all(&earlier)?;
                queue.recycle(earlier);
            }
            if !queue.is_turn_of(number) {
                return queue.hand_over(number, lines, ends_chunk);
            }
            to.write_all(lines)?;
            lines.clear();
            if ends_chunk {
                queue.count_written();
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Makes the lines of chunks.
struct LineMaker<'a, L> {
    traversal: Traversal<'a>,
    visitor: L,
}

impl<'a, L: LineBuffer> LineMaker<'a, L> {
    fn new(trace: &'a Trace, mut visitor: L) -> Self {
        visitor.buffer().reserve(NEW_BUFFER);
        Self { traversal: Traversal::new(trace), visitor }
    }

    /// Makes the lines of a chunk, and calls `emit(lines, true)` at its end. If the buffer is full before, calls `emit(lines, false)`. `emit` must leave an
    /// empty buffer.
    fn make(&mut self, chunk: Range<u64>, mut emit: impl FnMut(&mut Vec<u8>, bool) -> io::Result<()>) -> io::Result<()> {
        self.traversal.go_to(chunk.start);
        let mut more = true;
        while more {
            more = self.traversal.visit_entry(chunk.end, &mut self.visitor);
            if !more || self.visitor.buffer().len() >= FULL_BUFFER {
                emit(self.visitor.buffer(), !more)?;
            }
        }
        Ok(())
    }
}

/// The next work of the main thread.
enum Task {
    /// Write these lines: it is their turn.
    Write(Vec<u8>),
    /// Make the lines of the chunk with this number.
    Make(u64),
}

/// The chunks that no thread has taken yet, and the lines of chunks that are not written yet.
struct ChunkQueue {
    steps: Range<u64>,
    /// The number of chunks.
    chunks: u64,
    /// The number of chunks that may be taken before the next chunk is written.
    ahead: u64,
    state: Mutex<QueueState>,
    /// Notified when the state changes.
    changed: Condvar,
}

/// The state of a [`ChunkQueue`].
#[derive(Default)]
struct QueueState {
    /// The number of chunks that threads have taken.
    taken: u64,
    /// The number of chunks that are written. The chunk with this number is written next.
    written: u64,
    /// For each chunk with finished lines that are not written: the lines, and `true` if they end the chunk.
    finished: BTreeMap<u64, (Vec<u8>, bool)>,
    /// Empty buffers that can be used again.
    free: Vec<Vec<u8>>,
    /// `true` after the end of the output, after its failure, and after a panic.
    is_closed: bool,
}

impl QueueState {
    /// Removes and returns the finished lines that are written next.
    fn next_finished(&mut self) -> Option<Vec<u8>> {
        let (lines, ends_chunk) = self.finished.remove(&self.written)?;
        self.written += u64::from(ends_chunk);
        Some(lines)
    }
}

impl ChunkQueue {
    fn new(steps: Range<u64>, threads: usize) -> Self {
        let chunks = steps.end.saturating_sub(steps.start).div_ceil(CHUNK_STEPS);
        Self { steps, chunks, ahead: CHUNKS_AHEAD * threads as u64, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Returns the steps of a chunk.
    fn chunk(&self, number: u64) -> Range<u64> {
        let first = self.steps.start + number * CHUNK_STEPS;
        first..self.steps.end.min(first + CHUNK_STEPS)
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // a panic ends the program anyway
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `find` returns something.
    fn wait_for<R>(&self, mut find: impl FnMut(&mut QueueState) -> Option<R>) -> R {
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&mut state) {
                return found;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Changes the state, and wakes the threads that wait for a change.
    fn change<R>(&self, change: impl FnOnce(&mut QueueState) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Takes the next chunk, if the threads are not too far ahead. Returns its number.
    fn take_from(&self, state: &mut QueueState) -> Option<u64> {
        let number = state.taken;
        (number < self.chunks.min(state.written + self.ahead)).then(|| {
            state.taken += 1;
            number
        })
    }

    /// Takes the next chunk for a helper. Waits while the threads are too far ahead. Returns `None` if no chunk is left or the queue is closed.
    fn take(&self) -> Option<u64> {
        self.wait_for(|state| if state.is_closed || state.taken == self.chunks { Some(None) } else { self.take_from(state).map(Some) })
    }

    /// Returns the next work of the main thread, and waits for it. Returns `None` if all chunks are written or the queue is closed.
    fn next_task(&self) -> Option<Task> {
        let task = self.wait_for(|state| {
            if let Some(lines) = state.next_finished() {
                return Some(Some(Task::Write(lines)));
            }
            if state.is_closed || state.written == self.chunks {
                return Some(None);
            }
            self.take_from(state).map(|number| Some(Task::Make(number)))
        });
        if let Some(Task::Write(_)) = task {
            self.changed.notify_all();
        }
        task
    }

    /// Waits until the chunk with this number is written next, or until earlier lines are finished. Returns these lines.
    ///
    /// # Errors
    /// If the queue is closed.
    fn earlier(&self, number: u64) -> io::Result<Option<Vec<u8>>> {
        let lines = self.wait_for(|state| match state.next_finished() {
            None if state.is_closed => Some(Err(io::ErrorKind::BrokenPipe.into())),
            None if state.written < number => None,
            lines => Some(Ok(lines)),
        });
        self.changed.notify_all();
        lines
    }

    /// Returns whether the chunk with this number is written next.
    fn is_turn_of(&self, number: u64) -> bool {
        self.lock().written == number
    }

    /// Counts a chunk that the main thread has written without handing it over.
    fn count_written(&self) {
        self.change(|state| state.written += 1);
    }

    /// Hands the lines of a chunk, or of a part of it, to the main thread, and replaces them by an empty buffer. Waits while an earlier part of the same chunk
    /// is not written.
    ///
    /// # Errors
    /// If the queue is closed.
    fn hand_over(&self, number: u64, lines: &mut Vec<u8>, ends_chunk: bool) -> io::Result<()> {
        let free = self.wait_for(|state| {
            (state.is_closed || !state.finished.contains_key(&number)).then(|| (!state.is_closed).then(|| state.free.pop()))
        });
        let Some(free) = free else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let full = replace(lines, free.unwrap_or_else(|| Vec::with_capacity(NEW_BUFFER)));
        self.change(|state| state.finished.insert(number, (full, ends_chunk)));
        Ok(())
    }

    /// Takes back a buffer whose lines are written.
    fn recycle(&self, mut lines: Vec<u8>) {
        lines.clear();
        self.lock().free.push(lines);
    }

    /// Ends all waiting.
    fn close(&self) {
        self.change(|state| state.is_closed = true);
    }
}

/// Closes a queue if its thread panics, so that no other thread waits for this one.
struct CloseOnPanic<'a>(&'a ChunkQueue);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::command::source::ScenarioLoader;
    use crate::op::rule::Term;
    use crate::scenario::Limits;
    use crate::trace::Position;

    /// Writes the number of each step in a line of `width` characters. Panics at one step.
    struct Numbers {
        lines: Vec<u8>,
        width: usize,
        panics_at: u64,
    }

    impl StepVisitor for Numbers {
        fn op(&mut self, _: &Position) {}

        fn entry(&mut self, _: &Position) {}

        fn step(&mut self, at: &Position, _: usize, _: &Term, _: f64) {
            assert_ne!(at.step, self.panics_at);
            let width = self.width;
            writeln!(self.lines, "{:width$}", at.step).expect("a vector");
        }
    }

    impl LineBuffer for Numbers {
        fn buffer(&mut self) -> &mut Vec<u8> {
            &mut self.lines
        }
    }

    /// An output that fails after `room` bytes.
    struct Full {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.written.len() + bytes.len() > self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    static TRACE: LazyLock<Trace> =
        LazyLock::new(|| ScenarioLoader::bundled(Limits::default()).open("figure-01").expect("a scenario").trace);

    /// Writes the numbers of steps. Returns the bytes, the result, and the number of threads that have made lines.
    fn numbers(threads: usize, steps: Range<u64>, width: usize, room: usize, panics_at: u64) -> (Vec<u8>, io::Result<()>, usize) {
        let (mut to, makers) = (Full { room, written: Vec::new() }, AtomicUsize::new(0));
        let new_visitor = || {
            makers.fetch_add(1, Ordering::Relaxed);
            Numbers { lines: Vec::new(), width, panics_at }
        };
        let result = write_with(threads, &TRACE, steps, new_visitor, &mut to);
        (to.written, result, makers.into_inner())
    }

    #[test]
    fn the_lines_are_in_order_with_any_number_of_threads() {
        // 512 lines of 3000 bytes fill a buffer of 1 MiB before their chunk ends
        for (steps, width) in [(1..1, 9), (7..8, 9), (5..20_000, 9), (1..3000, 3000)] {
            let expected = steps.clone().map(|step| format!("{step:width$}\n")).collect::<Vec<_>>().concat();
            for threads in 1..=4 {
                let (lines, result, makers) = numbers(threads, steps.clone(), width, usize::MAX, 0);
                assert!(result.is_ok() && lines == expected.as_bytes(), "{threads} threads, steps {steps:?}");
                assert_eq!(makers, threads);
            }
        }
    }

    #[test]
    fn a_failed_output_and_a_panic_end_all_threads() {
        for threads in 1..=4 {
            for width in [9, 3000] {
                let (.., result, _) = numbers(threads, 1..6000, width, 4000 * width, 0);
                assert_eq!(result.map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull), "{threads} threads");
                let panics = || numbers(threads, 1..6000, width, usize::MAX, 4000);
                assert!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "{threads} threads");
            }
        }
    }

    #[test]
    fn a_short_output_is_made_by_one_thread() {
        let threads = |steps: u64, limit| useful_threads(&(5..5 + steps), limit);
        let enough_for_two = 2 * CHUNKS_PER_THREAD * CHUNK_STEPS;
        assert_eq!([0, 1, enough_for_two - CHUNK_STEPS].map(|steps| threads(steps, 9)), [1, 1, 1]);
        assert_eq!([1, 2, 3, 9].map(|limit| threads(enough_for_two, limit)), [1, 2, 2, 2]);
        assert_eq!([1, 2, 3, 9].map(|limit| threads(1 << 20, limit)), [1, 2, 3, 4]);
    }

    /// While nothing is written, threads take only a few chunks. The main thread's next chunk is then the one that it must write.
    #[test]
    fn no_thread_is_far_ahead_of_the_output() {
        let queue = ChunkQueue::new(1..1 << 20, 2);
        let take = || queue.take_from(&mut queue.lock());
        let taken: Vec<u64> = std::iter::from_fn(take).collect();
        assert_eq!(taken, (0..2 * CHUNKS_AHEAD).collect::<Vec<_>>());
        queue.hand_over(1, &mut vec![1], true).expect("an open queue");
        assert_eq!(take(), None, "chunk 0 is not written");
        queue.hand_over(0, &mut vec![0], true).expect("an open queue");
        for chunk in 0..2 {
            assert!(matches!(queue.next_task(), Some(Task::Write(lines)) if lines == [chunk]));
        }
        assert_eq!([take(), take(), take()], [Some(8), Some(9), None]);
    }
}
