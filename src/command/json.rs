//! JSON of many numbers, made by two threads and written in order.
//!
//! The JSON is an iterator of pieces: texts, names, numbers, and ranges of a tensor's entries. Pieces are gathered into groups of about 4096 numbers. The
//! main thread and a helper each take the next group, make its text, and take another one; the main thread writes the texts in the order of the groups:
//!
//! ```text
//! groups   0 1 2 3 4 5 …
//! main     0   2   4       makes text 0, then 2, …; writes 0, 1, 2, … as they become ready
//! helper     1   3   5     makes text 1, then 3, …; at most 4 of its texts wait
//! ```
//!
//! The JSON of `grads` has some tensors twice. Their text is made once ([`RepeatedTensors`]).

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

/// A part of the JSON text.
#[derive(Clone)]
pub(super) enum JsonPiece<'a> {
    /// Written as it is.
    Text(&'static str),
    /// Written as a JSON string.
    Word(&'a str),
    Number(f64),
    /// A range of a tensor's entries, with the commas and brackets before each, and the closing brackets after the last entry of the tensor. A repeated
    /// tensor has the cache of the text.
    Entries(Nested<'a>, Range<usize>, Option<CachedText>),
}

/// A text that is made once.
type CachedText = Arc<OnceLock<Vec<u8>>>;

/// The number of entries of a piece, and about that of a group: a fraction of a millisecond, and a text that fits the caches.
const AT_A_TIME: usize = 1 << 12;

/// The largest number of bytes of a number and the comma before it, as in `,-1.7976931348623157e+308`.
const WIDEST: usize = 25;

/// The largest number of entries whose texts are cached.
const CACHED: usize = 1 << 17;

/// The tensors that occur more than once: the cached texts of their pieces, by the address of their values.
#[derive(Default)]
pub(super) struct RepeatedTensors(HashMap<usize, Vec<CachedText>>);

impl RepeatedTensors {
    /// Finds the tensors that occur more than once, up to [`CACHED`] entries in all.
    pub fn among<'a>(tensors: impl Iterator<Item = Nested<'a>>) -> Self {
        let (mut seen, mut repeated, mut left) = (HashSet::new(), HashMap::new(), CACHED);
        for Nested { values, .. } in tensors {
            if !seen.insert(place(values)) && values.len() <= left && !repeated.contains_key(&place(values)) {
                left -= values.len();
                repeated.insert(place(values), (0..values.len().div_ceil(AT_A_TIME)).map(|_| CachedText::default()).collect());
            }
        }
        Self(repeated)
    }

    /// The pieces of a tensor.
    pub fn tensor<'a>(&self, tensor: Nested<'a>) -> impl Iterator<Item = JsonPiece<'a>> + use<'a> {
        let entries = tensor.values.len();
        let kept = self.0.get(&place(tensor.values)).cloned().unwrap_or_default();
        (0..entries)
            .step_by(AT_A_TIME)
            .enumerate()
            .map(move |(n, at)| JsonPiece::Entries(tensor, at..entries.min(at + AT_A_TIME), kept.get(n).cloned()))
    }
}

fn place(values: &[f64]) -> usize {
    values.as_ptr().addr()
}

/// Joins items with commas.
pub(super) fn comma_separated<'a, I: Iterator<Item = JsonPiece<'a>>>(
    items: impl Iterator<Item = I>,
) -> impl Iterator<Item = JsonPiece<'a>> {
    items.enumerate().flat_map(|(n, item)| iter::once(JsonPiece::Text(if n == 0 { "" } else { "," })).chain(item))
}

/// The largest number of finished texts that wait to be written.
const AHEAD: usize = 4;

/// Writes pieces in order; a helper thread makes about half of the texts.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn write<'a>(pieces: impl Iterator<Item = JsonPiece<'a>> + Send, to: &mut dyn Write) -> io::Result<()> {
    let groups = &Mutex::new(PieceGroups { pieces: pieces.fuse(), taken: 0 });
    let rooms: &Mutex<Vec<Vec<u8>>> = &Mutex::new(Vec::new());
    let room = || locked(rooms).pop().unwrap_or_default();
    let (done, texts) = mpsc::sync_channel(AHEAD);
    thread::scope(move |scope| {
        let (mut done, mut ready, mut written) = (Some(done), BTreeMap::<usize, Vec<u8>>::new(), 0);
        loop {
            while let Some(text) = ready.remove(&written) {
                to.write_all(&text)?;
                locked(rooms).push(text);
                written += 1;
            }
            // texts that wait for a slow helper take memory: make no more than this many
            let group = if ready.len() < AHEAD { locked(groups).next() } else { None };
            if let Some((number, group)) = group {
                if number == 1
                    && threads::limit() > 1
                    && let Some(done) = done.take()
                {
                    // `send` fails if the output has failed. If no helper can be started, all groups are made here.
                    threads::try_spawn(scope, move || {
                        while let Some((number, group)) = { locked(groups).next() }
                            && done.send((number, made(&group, room()))).is_ok()
                        {}
                    });
                }
                ready.insert(number, made(&group, room()));
            } else {
                drop(done.take());
                match texts.recv() {
                    Ok((number, text)) => ready.insert(number, text),
                    // the helper is done, or has panicked: then the scope panics too
                    Err(_) => return Ok(()),
                };
            }
            ready.extend(texts.try_iter());
        }
    })
}

/// Gathers pieces into groups of at least [`AT_A_TIME`] numbers, and numbers the groups from 0.
struct PieceGroups<I> {
    pieces: I,
    taken: usize,
}

impl<'a, I: Iterator<Item = JsonPiece<'a>>> Iterator for PieceGroups<I> {
    type Item = (usize, Vec<JsonPiece<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        let (mut group, mut numbers) = (Vec::new(), 0);
        while numbers < AT_A_TIME {
            let Some(piece) = self.pieces.next() else { break };
            numbers += piece.numbers();
            group.push(piece);
        }
        self.taken += 1;
        (!group.is_empty()).then_some((self.taken - 1, group))
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // a poisoned lock is ignored: the panic that poisoned it ends the program anyway
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the text of a group. The buffer of an earlier text is reused.
fn made(pieces: &[JsonPiece<'_>], mut text: Vec<u8>) -> Vec<u8> {
    text.clear();
    for piece in pieces {
        piece.add_to(&mut text);
    }
    text
}

impl JsonPiece<'_> {
    /// The approximate work, as a count of numbers.
    fn numbers(&self) -> usize {
        match self {
            Self::Entries(_, range, _) => range.len(),
            _ => 1,
        }
    }

    fn add_to(&self, text: &mut Vec<u8>) {
        match self {
            Self::Text(plain) => text.extend_from_slice(plain.as_bytes()),
            Self::Word(word) => serde_json::to_writer(text, word).expect("writing to a vector cannot fail"),
            Self::Number(value) => write_json(*value, text),
            Self::Entries(tensor, range, None) => entries(tensor, range.clone(), text),
            Self::Entries(tensor, range, Some(cached)) => text.extend_from_slice(cached.get_or_init(|| {
                let mut text = Vec::new();
                entries(tensor, range.clone(), &mut text);
                text
            })),
        }
    }
}

/// Appends the entries of a range, with the brackets and commas before each.
///
/// The number of arrays that begin before entry `at` is the number of trailing dimensions whose product divides `at`. With the shape `[2,2]`:
/// `[[` before entry 0, `],[` before entry 2, `]]` after entry 3.
fn entries(tensor: &Nested<'_>, range: Range<usize>, text: &mut Vec<u8>) {
    let Nested { shape, values } = *tensor;
    let arrays_before = |at: usize| {
        let mut size = 1;
        let whole = |n: &&usize| {
            size *= **n;
            at.is_multiple_of(size)
        };
        shape.iter().rev().take_while(whole).count()
    };
    let row = shape.last().copied().unwrap_or(1);
    // reserve once: growing would move the text, and the freed memory would come back as new pages
    text.reserve(range.len() * WIDEST);
    let mut at = range.start;
    while at < range.end {
        let arrays = arrays_before(at);
        if at > 0 {
            text.extend(iter::repeat_n(b']', arrays));
            text.push(b',');
        }
        text.extend(iter::repeat_n(b'[', arrays));
        let end = range.end.min(at - at % row + row);
        for (n, &value) in values[at..end].iter().enumerate() {
            if n > 0 {
                text.push(b',');
            }
            write_json(value, text);
        }
        at = end;
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

    /// The shapes have slightly fewer or more than [`AT_A_TIME`] entries.
    #[test]
    fn the_json_of_a_tensor_is_that_of_serde() {
        let numbers = [0.0, -0.0, 1.0, -2.5, 1.0 / 3.0, 1e21, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        let shapes =
            [&[][..], &[1], &[2, 1, 3], &[1, 2, 2, 2], &[AT_A_TIME], &[3, AT_A_TIME / 2 + 1], &[AT_A_TIME + 1, 1, 2], &[7, 1, 5, 13, 17]];
        for shape in shapes {
            let values: Vec<f64> = numbers.iter().copied().cycle().take(len(shape)).collect();
            let nested = Nested { shape, values: &values };
            let text = serde_json::to_string(&nested).expect("JSON");
            assert_eq!(written(RepeatedTensors::default().tensor(nested)), text, "{shape:?}");
            let repeated = RepeatedTensors::among([nested, nested].into_iter());
            let both = [nested, nested].map(|nested| repeated.tensor(nested));
            assert_eq!(written(comma_separated(both.into_iter())), format!("{text},{text}"), "{shape:?}, twice");
        }
    }

    #[test]
    fn only_repeated_tensors_are_cached_up_to_a_size() {
        let (large, other) = (vec![0.5; CACHED], vec![0.5; CACHED + 1]);
        let cached = |tensors: &[&[f64]]| {
            let tensors = tensors.iter().map(|values| Nested { shape: &[], values });
            RepeatedTensors::among(tensors).0.into_keys().collect::<Vec<_>>()
        };
        assert!(cached(&[&large, &other]).is_empty());
        assert_eq!(cached(&[&large, &other, &large, &other, &large]), [place(&large)]);
        assert_eq!(cached(&[&other[..1], &other[1..], &other[1..], &other[..1]]), [place(&other[1..])]);
    }

    #[test]
    fn the_reserved_memory_is_enough_for_the_widest_numbers() {
        for value in [-f64::MAX, -f64::MIN_POSITIVE, -1.234_567_890_123_456_7e-300, 5e-324, -0.000_012_345_678_901_234_567] {
            let values = vec![value; AT_A_TIME];
            let mut text = Vec::new();
            entries(&Nested { shape: &[AT_A_TIME], values: &values }, 0..AT_A_TIME - 1, &mut text);
            assert_eq!(text.capacity(), (AT_A_TIME - 1) * WIDEST, "{value}");
        }
    }

    #[test]
    fn any_number_of_pieces_stays_in_order() {
        for count in [0, 1, AT_A_TIME - 1, AT_A_TIME, AT_A_TIME + 1, 20 * AT_A_TIME + 3] {
            let numbers = (0_u32..).take(count).map(|n| iter::once(JsonPiece::Number(n.into())));
            let expected: Vec<String> = (0..count).map(|n| format!("{n}.0")).collect();
            assert_eq!(written(comma_separated(numbers)), expected.join(","), "{count}");
        }
        assert_eq!(written([JsonPiece::Word("a\"\u{1}"), JsonPiece::Text("\n")].into_iter()), "\"a\\\"\\u0001\"\n");
    }

    #[test]
    fn a_full_output_is_an_error() {
        let mut little = [0_u8; 100];
        let large = Nested { shape: &[100_000], values: &vec![1.5; 100_000] };
        assert!(write(RepeatedTensors::default().tensor(large), &mut &mut little[..]).is_err());
    }
}
