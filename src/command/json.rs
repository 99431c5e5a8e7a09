//! A fast writer for JSON with many numbers. Two threads format the numbers; one of them writes the texts in order.
//!
//! The JSON is an iterator of [`JsonPiece`]s: texts, strings, numbers, and ranges of a tensor's entries. Pieces are collected into groups of about 4096
//! numbers. The main thread and a helper thread take one group after another and format it. The main thread writes the texts in the order of the groups:
//!
//! ```text
//! groups   0 1 2 3 4 5 …
//! main     0   2   4       formats group 0, then 2, …; writes the texts 0, 1, 2, … as they become ready
//! helper     1   3   5     formats group 1, then 3, …; at most 4 of its texts wait to be written
//! ```
//!
//! The JSON of `grads` contains some tensors twice. They are formatted once ([`RepeatedTensors`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::iter;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use crate::number::{self, write_json};
use crate::tensor::len;
use crate::threads;

/// A tensor as nested arrays; a scalar as a number.
#[derive(Clone, Copy)]
pub(super) struct Nested<'a> {
    pub shape: &'a [usize],
    pub values: &'a [f64],
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((&n, shape)) = self.shape.split_first() else { return number::json(&self.values[0], serializer) };
        let mut list = serializer.serialize_seq(Some(n))?;
        for values in self.values.chunks(len(shape)) {
            list.serialize_element(&Nested { shape, values })?;
        }
        list.end()
    }
}

/// A part of the JSON.
#[derive(Clone)]
pub(super) enum JsonPiece<'a> {
    /// JSON that is written as it is.
    Text(&'static str),
    /// A text that is written as a JSON string.
    Quoted(&'a str),
    Number(f64),
    /// A range of a tensor's entries with their commas and brackets. If the tensor is written twice, there is a cache for the text.
    Entries(Nested<'a>, Range<usize>, Option<CachedText>),
}

/// A text that is formatted by the first thread that needs it.
type CachedText = Arc<OnceLock<Vec<u8>>>;

/// The number of entries in a piece of a large tensor, and the smallest number of numbers in a group. Formatting a group takes a fraction of a millisecond, and
/// its text fits into the processor's cache.
const GROUP_NUMBERS: usize = 1 << 12;

/// The largest length of a number with the comma before it, in bytes: `,-1.7976931348623157e+308`.
const MAX_NUMBER_BYTES: usize = 25;

/// The largest number of entries whose texts are cached.
const MAX_CACHED_ENTRIES: usize = 1 << 17;

/// The tensors that are written more than once. For each, it has the cached texts of the tensor's pieces. The key is the memory address of the tensor's values.
#[derive(Default)]
pub(super) struct RepeatedTensors(HashMap<usize, Vec<CachedText>>);

impl RepeatedTensors {
    /// Finds the tensors that occur more than once in `tensors`, up to [`MAX_CACHED_ENTRIES`] entries in all.
    pub fn among<'a>(tensors: impl Iterator<Item = Nested<'a>>) -> Self {
        let (mut seen, mut repeated, mut entries_left) = (HashSet::new(), HashMap::new(), MAX_CACHED_ENTRIES);
        for Nested { values, .. } in tensors {
            let is_repeated = !seen.insert(address(values));
            if is_repeated && values.len() <= entries_left && !repeated.contains_key(&address(values)) {
                entries_left -= values.len();
                let pieces = values.len().div_ceil(GROUP_NUMBERS);
                repeated.insert(address(values), (0..pieces).map(|_| CachedText::default()).collect());
            }
        }
        Self(repeated)
    }

    /// Returns the pieces of a tensor.
    pub fn pieces_of<'a>(&self, tensor: Nested<'a>) -> impl Iterator<Item = JsonPiece<'a>> + use<'a> {
        let entries = tensor.values.len();
        let caches = self.0.get(&address(tensor.values)).cloned().unwrap_or_default();
        (0..entries)
            .step_by(GROUP_NUMBERS)
            .enumerate()
            .map(move |(n, at)| JsonPiece::Entries(tensor, at..entries.min(at + GROUP_NUMBERS), caches.get(n).cloned()))
    }
}

/// Returns the memory address of the values. It is the same if a tensor occurs twice.
fn address(values: &[f64]) -> usize {
    values.as_ptr().addr()
}

/// Joins items with commas.
pub(super) fn comma_separated<'a, I: Iterator<Item = JsonPiece<'a>>>(
    items: impl Iterator<Item = I>,
) -> impl Iterator<Item = JsonPiece<'a>> {
    items.enumerate().flat_map(|(n, item)| iter::once(JsonPiece::Text(if n == 0 { "" } else { "," })).chain(item))
}

/// The largest number of finished texts of each thread that wait until they are written.
const MAX_WAITING: usize = 4;

/// Writes pieces in order. A helper thread formats about half of them.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn write<'a>(pieces: impl Iterator<Item = JsonPiece<'a>> + Send, to: &mut dyn Write) -> io::Result<()> {
    let groups = &Mutex::new(PieceGroups { pieces: pieces.fuse(), taken: 0 });
    // buffers of texts that are written; they are used again
    let free_buffers: &Mutex<Vec<Vec<u8>>> = &Mutex::new(Vec::new());
    let buffer = || locked(free_buffers).pop().unwrap_or_default();
    let (sender, texts) = mpsc::sync_channel(MAX_WAITING);
    thread::scope(move |scope| {
        let (mut sender, mut ready, mut written) = (Some(sender), BTreeMap::<usize, Vec<u8>>::new(), 0);
        loop {
            while let Some(text) = ready.remove(&written) {
                to.write_all(&text)?;
                locked(free_buffers).push(text);
                written += 1;
            }
            // the texts of this thread wait in `ready` until the helper has sent all earlier texts; if too many wait, no further group is formatted, to limit
            // the memory
            let group = if ready.len() < MAX_WAITING { locked(groups).next() } else { None };
            if let Some((number, group)) = group {
                // the helper is started at the second group, because one group needs no helper
                if number == 1
                    && threads::limit() > 1
                    && let Some(sender) = sender.take()
                {
                    // `send` fails if the output has failed; if no thread can be started, this thread formats all groups
                    threads::try_spawn(scope, move || {
                        // the inner braces unlock the groups before a group is formatted
                        while let Some((number, group)) = { locked(groups).next() }
                            && sender.send((number, format_group(&group, buffer()))).is_ok()
                        {}
                    });
                }
                ready.insert(number, format_group(&group, buffer()));
            } else {
                // closes the channel, so that `recv` fails and does not wait if there is no helper
                drop(sender.take());
                match texts.recv() {
                    Ok((number, text)) => ready.insert(number, text),
                    // the helper has ended; if it has panicked, the scope panics too
                    Err(_) => return Ok(()),
                };
            }
            ready.extend(texts.try_iter());
        }
    })
}

/// An iterator over groups of pieces, numbered from 0. Each group except the last has at least [`GROUP_NUMBERS`] numbers.
struct PieceGroups<I> {
    pieces: I,
    /// The number of groups returned so far.
    taken: usize,
}

impl<'a, I: Iterator<Item = JsonPiece<'a>>> Iterator for PieceGroups<I> {
    type Item = (usize, Vec<JsonPiece<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        let (mut group, mut numbers) = (Vec::new(), 0);
        while numbers < GROUP_NUMBERS {
            let Some(piece) = self.pieces.next() else { break };
            numbers += piece.numbers();
            group.push(piece);
        }
        self.taken += 1;
        (!group.is_empty()).then_some((self.taken - 1, group))
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // a lock is poisoned if a thread panicked while it held it; this is ignored, because the panic ends the program anyway
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Formats a group into `text`, the buffer of an earlier group.
fn format_group(pieces: &[JsonPiece<'_>], mut text: Vec<u8>) -> Vec<u8> {
    text.clear();
    for piece in pieces {
        piece.append_to(&mut text);
    }
    text
}

impl JsonPiece<'_> {
    /// The number of numbers in the piece. A text counts as one.
    fn numbers(&self) -> usize {
        match self {
            Self::Entries(_, range, _) => range.len(),
            _ => 1,
        }
    }

    /// Appends the JSON of the piece.
    fn append_to(&self, text: &mut Vec<u8>) {
        match self {
            Self::Text(plain) => text.extend_from_slice(plain.as_bytes()),
            Self::Quoted(word) => serde_json::to_writer(text, word).expect("writing to a vector cannot fail"),
            Self::Number(value) => write_json(*value, text),
            Self::Entries(tensor, range, None) => append_entries(tensor, range.clone(), text),
            Self::Entries(tensor, range, Some(cached)) => text.extend_from_slice(cached.get_or_init(|| {
                let mut text = Vec::new();
                append_entries(tensor, range.clone(), &mut text);
                text
            })),
        }
    }
}

/// Appends a range of a tensor's entries, with the brackets and commas before each of them. After the tensor's last entry, appends the closing brackets.
///
/// With the shape `[2,2]`, `[[` is before entry 0, `],[` before entry 2, and `]]` after entry 3. The number of brackets before entry `at` is the largest k for
/// which the product of the last k dimensions divides `at`: 2 for `at = 0`, 1 for `at = 2`.
fn append_entries(tensor: &Nested<'_>, range: Range<usize>, text: &mut Vec<u8>) {
    let Nested { shape, values } = *tensor;
    let arrays_beginning_at = |at: usize| {
        let mut size = 1;
        let begins_array = |n: &&usize| {
            size *= **n;
            at.is_multiple_of(size)
        };
        shape.iter().rev().take_while(begins_array).count()
    };
    let row_len = shape.last().copied().unwrap_or(1);
    // the memory is reserved at once, because a growing buffer would be copied several times
    text.reserve(range.len() * MAX_NUMBER_BYTES);
    let mut at = range.start;
    while at < range.end {
        let arrays = arrays_beginning_at(at);
        if at > 0 {
            text.extend(iter::repeat_n(b']', arrays));
            text.push(b',');
        }
        text.extend(iter::repeat_n(b'[', arrays));
        // the end of the row that has entry `at`
        let row_end = range.end.min(at - at % row_len + row_len);
        for (n, &value) in values[at..row_end].iter().enumerate() {
            if n > 0 {
                text.push(b',');
            }
            write_json(value, text);
        }
        at = row_end;
    }
    if at == values.len() {
        text.extend(iter::repeat_n(b']', shape.len()));
    }
    debug_assert_eq!(values.len(), len(shape));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<'a>(pieces: impl Iterator<Item = JsonPiece<'a>> + Send) -> String {
        let mut text = Vec::new();
        write(pieces, &mut text).expect("writing to a vector cannot fail");
        String::from_utf8(text).expect("UTF-8")
    }

    /// Some of the shapes have more than [`GROUP_NUMBERS`] entries, so their tensors have several pieces.
    #[test]
    fn the_json_of_a_tensor_is_that_of_serde() {
        let numbers = [0.0, -0.0, 1.0, -2.5, 1.0 / 3.0, 1e21, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        let shapes = [
            &[][..],
            &[1],
            &[2, 1, 3],
            &[1, 2, 2, 2],
            &[GROUP_NUMBERS],
            &[3, GROUP_NUMBERS / 2 + 1],
            &[GROUP_NUMBERS + 1, 1, 2],
            &[7, 1, 5, 13, 17],
        ];
        for shape in shapes {
            let values: Vec<f64> = numbers.iter().copied().cycle().take(len(shape)).collect();
            let nested = Nested { shape, values: &values };
            let text = serde_json::to_string(&nested).expect("JSON");
            assert_eq!(written(RepeatedTensors::default().pieces_of(nested)), text, "{shape:?}");
            let repeated = RepeatedTensors::among([nested, nested].into_iter());
            let both = [nested, nested].map(|nested| repeated.pieces_of(nested));
            assert_eq!(written(comma_separated(both.into_iter())), format!("{text},{text}"), "{shape:?}, twice");
        }
    }

    #[test]
    fn only_repeated_tensors_are_cached_up_to_a_size() {
        let (large, too_large) = (vec![0.5; MAX_CACHED_ENTRIES], vec![0.5; MAX_CACHED_ENTRIES + 1]);
        let cached = |tensors: &[&[f64]]| {
            let tensors = tensors.iter().map(|values| Nested { shape: &[], values });
            RepeatedTensors::among(tensors).0.into_keys().collect::<Vec<_>>()
        };
        assert!(cached(&[&large, &too_large]).is_empty());
        assert_eq!(cached(&[&large, &too_large, &large, &too_large, &large]), [address(&large)]);
        // the first repeated tensor fills the cache, so the second one is not cached
        let (small, rest) = too_large.split_at(1);
        assert_eq!(cached(&[small, rest, rest, small]), [address(rest)]);
    }

    #[test]
    fn the_reserved_memory_is_enough_for_the_widest_numbers() {
        for value in [-f64::MAX, -f64::MIN_POSITIVE, -1.234_567_890_123_456_7e-300, 5e-324, -0.000_012_345_678_901_234_567] {
            let values = vec![value; GROUP_NUMBERS];
            // each number has one byte before it: `[` or `,`. The last entry is left out, because `]` would follow it
            let mut text = Vec::new();
            append_entries(&Nested { shape: &[GROUP_NUMBERS], values: &values }, 0..GROUP_NUMBERS - 1, &mut text);
            // the buffer did not grow
            assert_eq!(text.capacity(), (GROUP_NUMBERS - 1) * MAX_NUMBER_BYTES, "{value}");
        }
    }

    #[test]
    fn any_number_of_pieces_stays_in_order() {
        for count in [0, 1, GROUP_NUMBERS - 1, GROUP_NUMBERS, GROUP_NUMBERS + 1, 20 * GROUP_NUMBERS + 3] {
            let numbers = (0_u32..).take(count).map(|n| iter::once(JsonPiece::Number(n.into())));
            let expected: Vec<String> = (0..count).map(|n| format!("{n}.0")).collect();
            assert_eq!(written(comma_separated(numbers)), expected.join(","), "{count}");
        }
        assert_eq!(written([JsonPiece::Quoted("a\"\u{1}"), JsonPiece::Text("\n")].into_iter()), "\"a\\\"\\u0001\"\n");
    }

    #[test]
    fn a_full_output_is_an_error() {
        let mut little = [0_u8; 100];
        let large = Nested { shape: &[100_000], values: &vec![1.5; 100_000] };
        assert!(write(RepeatedTensors::default().pieces_of(large), &mut &mut little[..]).is_err());
    }
}
