//! Writes the lines of steps; several threads make them in parallel.
//!
//! The steps are split into chunks of 1024. With n threads, thread k makes the lines of the chunks k, k + n, k + 2n, …, and the main thread writes the
//! chunks in order:
//!
//! ```text
//! thread 0   chunk 0   chunk 3   chunk 6
//! thread 1   chunk 1   chunk 4   chunk 7      n = 3
//! thread 2   chunk 2   chunk 5   chunk 8
//! ```
//!
//! A thread waits while one finished buffer of its own is not written yet, so memory is bounded. The main thread sends written buffers back for reuse.

use std::io::{self, Write};
use std::mem::replace;
use std::ops::Range;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use crate::threads;
use crate::trace::{StepVisitor, Trace, Walk};

/// The number of steps of a chunk: handing it over costs little beside making it, and its lines fit the processor's cache.
const CHUNK: usize = 1024;
/// The size at which a buffer is written before its chunk ends, in bytes. Most lines are short, but a window of a pool may be a whole image.
const FULL: usize = 1 << 20;
/// The largest number of threads: more would make lines faster than a reader reads them.
const MOST: usize = 4;

/// A format: each step of a [`Walk`] becomes a line.
pub(super) trait Lines: StepVisitor {
    /// The lines so far.
    fn buffer(&mut self) -> &mut Vec<u8>;
}

/// Writes the lines of a range of the trace's steps. The bytes are the same with any number of threads.
pub(super) fn write<L: Lines>(trace: &Trace, steps: Range<u64>, lines: impl Fn() -> L + Sync, to: &mut dyn Write) -> io::Result<()> {
    let last = steps.end;
    let chunks = steps.step_by(CHUNK).map(|first| first..last.min(first + CHUNK as u64));
    let threads = chunks.clone().take(threads::limit().min(MOST)).count();
    let alone = |to: &mut dyn Write| {
        each(trace, chunks.clone(), lines(), |lines, _| {
            to.write_all(lines)?;
            lines.clear();
            Ok(())
        })
    };
    if threads < 2 {
        return alone(to);
    }
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map_while(|first| {
                // at most one finished buffer of a thread waits, so that memory is bounded
                let (done, next) = sync_channel(1);
                let (back, empty) = channel();
                let (begin, started_threads) = channel();
                let (chunks, lines) = (chunks.clone(), &lines);
                let started = threads::try_spawn(scope, move || {
                    let Ok(threads) = started_threads.recv() else { return };
                    // the error is dropped: it only means that the output has failed, which the main thread reports
                    let _ = each(trace, chunks.skip(first).step_by(threads), lines(), |lines, whole| {
                        let lines = replace(lines, empty.try_recv().unwrap_or_default());
                        done.send((lines, whole)).map_err(|_| io::ErrorKind::BrokenPipe.into())
                    });
                });
                started.then_some((next, back, begin))
            })
            .collect();
        if workers.is_empty() {
            return alone(to);
        }
        // the system may have refused some threads: share the chunks among those that started
        for (.., begin) in &workers {
            let _ = begin.send(workers.len());
        }
        for (_, (next, back, _)) in chunks.clone().zip(workers.iter().cycle()) {
            loop {
                // the thread has panicked: the scope panics too
                let Ok((mut lines, whole)) = next.recv() else { return Ok(()) };
                to.write_all(&lines)?;
                lines.clear();
                let _ = back.send(lines);
                if whole {
                    break;
                }
            }
        }
        Ok(())
    })
}

/// Makes the lines of chunks. Calls `give(lines, true)` at the end of each chunk, and `give(lines, false)` before that if a buffer is full.
fn each(
    trace: &Trace,
    chunks: impl Iterator<Item = Range<u64>>,
    mut lines: impl Lines,
    mut give: impl FnMut(&mut Vec<u8>, bool) -> io::Result<()>,
) -> io::Result<()> {
    let mut walk = Walk::new(trace);
    for chunk in chunks {
        walk.go(chunk.start);
        let mut more = true;
        while more {
            more = walk.entry(chunk.end, &mut lines);
            if !more || lines.buffer().len() >= FULL {
                give(lines.buffer(), !more)?;
            }
        }
    }
    Ok(())
}
