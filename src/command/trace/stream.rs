//! From steps to lines to the output: in chunks, which several threads write into memory side by side.

use std::io::{self, Write};
use std::mem::replace;
use std::ops::Range;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use crate::threads;
use crate::trace::{Tell, Trace, Walk};

/// Steps of a chunk: so many that handing them over costs nothing beside writing them, and so few that their lines stay in the processor's cache.
const CHUNK: usize = 1024;
/// Bytes that go out before their chunk ends. Few lines are long, but a window of a pool may hold a whole image.
const FULL: usize = 1 << 20;
/// More threads write faster than a reader reads.
const MOST: usize = 4;

/// A format: each step that it is told of becomes a line.
pub(super) trait Lines: Tell {
    /// The lines so far.
    fn buffer(&mut self) -> &mut Vec<u8>;
}

/// Writes the lines of these steps, which must be some of the trace's. The bytes are the same with any number of threads.
pub(super) fn write<L: Lines>(trace: &Trace, steps: Range<u64>, lines: impl Fn() -> L + Sync, to: &mut dyn Write) -> io::Result<()> {
    let last = steps.end;
    let chunks = steps.step_by(CHUNK).map(|first| first..last.min(first + CHUNK as u64));
    let threads = chunks.clone().take(threads::most().min(MOST)).count();
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
        let hands: Vec<_> = (0..threads)
            .map_while(|first| {
                // a thread is never further ahead than what waits here, so that memory is bounded
                let (done, next) = sync_channel(1);
                let (back, empty) = channel();
                let (begin, told) = channel();
                let (chunks, lines) = (chunks.clone(), &lines);
                let started = threads::beside(scope, move || {
                    let Ok(threads) = told.recv() else { return };
                    // an error means that nobody writes any more: the output has failed
                    let _ = each(trace, chunks.skip(first).step_by(threads), lines(), |lines, whole| {
                        let lines = replace(lines, empty.try_recv().unwrap_or_default());
                        done.send((lines, whole)).map_err(|_| io::ErrorKind::BrokenPipe.into())
                    });
                });
                started.then_some((next, back, begin))
            })
            .collect();
        if hands.is_empty() {
            return alone(to);
        }
        // each of those that the system gives has its share of the chunks
        for (.., begin) in &hands {
            let _ = begin.send(hands.len());
        }
        for (_, (next, back, _)) in chunks.clone().zip(hands.iter().cycle()) {
            loop {
                // a thread that is gone has panicked, and the scope passes that on
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

/// Makes the lines of some chunks. Gives them away at the end of each, which it says, and before where they grow long.
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
