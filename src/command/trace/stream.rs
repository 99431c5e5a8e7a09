//! Writes the lines of many steps. Several threads make the lines, and the main thread writes them in order.
//!
//! The steps are split into chunks of 1024. With n threads, thread k makes the lines of the chunks k, k + n, k + 2n, …:
//!
//! ```text
//! thread 0   chunk 0   chunk 3   chunk 6
//! thread 1   chunk 1   chunk 4   chunk 7      n = 3
//! thread 2   chunk 2   chunk 5   chunk 8
//! ```
//!
//! To limit the memory, a thread has at most two finished buffers that the main thread has not received: one in the channel, and one that it waits to send.
//! The main thread sends written buffers back to their thread, which uses them again.

use std::io::{self, Write};
use std::mem::replace;
use std::ops::Range;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use crate::threads;
use crate::trace::{StepVisitor, Trace, Traversal};

/// The number of steps of a chunk. It is so large that sending a chunk to the main thread costs little, and so small that its lines fit into the processor's
/// cache.
const CHUNK_STEPS: usize = 1024;
/// The size in bytes from which a buffer is written before its chunk ends. It is needed for very long lines, such as that of a pool whose window is a whole
/// image.
const FULL_BUFFER: usize = 1 << 20;
/// The largest number of threads. More threads would make lines faster than the reader of a pipe can read them.
const MAX_THREADS: usize = 4;

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
    let last = steps.end;
    let chunks = steps.step_by(CHUNK_STEPS).map(|first| first..last.min(first + CHUNK_STEPS as u64));
    let threads = chunks.clone().take(threads::limit().min(MAX_THREADS)).count();
    let on_this_thread = |to: &mut dyn Write| {
        make_lines(trace, chunks.clone(), new_visitor(), |lines, _| {
            to.write_all(lines)?;
            lines.clear();
            Ok(())
        })
    };
    if threads < 2 {
        return on_this_thread(to);
    }
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map_while(|number| {
                // the channel has room for one finished buffer; a thread that has finished another one waits to send it
                let (full_sender, full_buffers) = sync_channel(1);
                let (empty_sender, empty_buffers) = channel();
                // for the number of threads that the system has started, which is known only after the last attempt
                let (count_sender, count_receiver) = channel();
                let (chunks, new_visitor) = (chunks.clone(), &new_visitor);
                let started = threads::try_spawn(scope, move || {
                    let Ok(started_count) = count_receiver.recv() else { return };
                    // the error only means that the output has failed, which the main thread reports
                    let _ = make_lines(trace, chunks.skip(number).step_by(started_count), new_visitor(), |lines, ends_chunk| {
                        let lines = replace(lines, empty_buffers.try_recv().unwrap_or_default());
                        full_sender.send((lines, ends_chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
                    });
                });
                started.then_some((full_buffers, empty_sender, count_sender))
            })
            .collect();
        if workers.is_empty() {
            return on_this_thread(to);
        }
        // the system may not have started all threads, so the chunks are divided among those that it has started
        for (.., count_sender) in &workers {
            let _ = count_sender.send(workers.len());
        }
        for (_, (full_buffers, empty_sender, _)) in chunks.clone().zip(workers.iter().cycle()) {
            loop {
                // if the thread has panicked, the scope panics too
                let Ok((mut lines, ends_chunk)) = full_buffers.recv() else { return Ok(()) };
                to.write_all(&lines)?;
                lines.clear();
                let _ = empty_sender.send(lines);
                if ends_chunk {
                    break;
                }
            }
        }
        Ok(())
    })
}

/// Makes the lines of chunks. Calls `emit(lines, true)` at the end of each chunk. If the buffer is full before, calls `emit(lines, false)`.
fn make_lines(
    trace: &Trace,
    chunks: impl Iterator<Item = Range<u64>>,
    mut visitor: impl LineBuffer,
    mut emit: impl FnMut(&mut Vec<u8>, bool) -> io::Result<()>,
) -> io::Result<()> {
    let mut traversal = Traversal::new(trace);
    for chunk in chunks {
        traversal.go_to(chunk.start);
        let mut more = true;
        while more {
            more = traversal.visit_entry(chunk.end, &mut visitor);
            if !more || visitor.buffer().len() >= FULL_BUFFER {
                emit(visitor.buffer(), !more)?;
            }
        }
    }
    Ok(())
}
