//! JSON of many numbers: written in order, made by two threads where it is worth one.

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

/// A part of the text.
#[derive(Clone)]
pub(super) enum Piece<'a> {
    /// As it stands.
    Text(&'static str),
    /// In quotation marks.
    Word(&'a str),
    Number(f64),
    /// Some entries of a tensor, with the commas and brackets before them, and those at its end; where they come again, with their text.
    Entries(Nested<'a>, Range<usize>, Option<Kept>),
}

/// A text that is made once.
type Kept = Arc<OnceLock<Vec<u8>>>;

/// So many numbers are made at a time: a fraction of a millisecond, and less than the caches.
const AT_A_TIME: usize = 1 << 12;

/// The most bytes of a number and the comma before it, as in `,-1.7976931348623157e+308`.
const WIDEST: usize = 25;

/// Of so many numbers the texts are kept.
const KEPT: usize = 1 << 17;

/// Tensors that come more than once: the texts of their entries, some at a time, by where their numbers lie.
#[derive(Default)]
pub(super) struct Repeated(HashMap<usize, Vec<Kept>>);

impl Repeated {
    /// What comes again among these, up to a size.
    pub fn among<'a>(tensors: impl Iterator<Item = Nested<'a>>) -> Self {
        let (mut seen, mut repeated, mut left) = (HashSet::new(), HashMap::new(), KEPT);
        for Nested { values, .. } in tensors {
            if !seen.insert(place(values)) && values.len() <= left && !repeated.contains_key(&place(values)) {
                left -= values.len();
                repeated.insert(place(values), (0..values.len().div_ceil(AT_A_TIME)).map(|_| Kept::default()).collect());
            }
        }
        Self(repeated)
    }

    /// All of a tensor.
    pub fn tensor<'a>(&self, tensor: Nested<'a>) -> impl Iterator<Item = Piece<'a>> + use<'a> {
        let entries = tensor.values.len();
        let kept = self.0.get(&place(tensor.values)).cloned().unwrap_or_default();
        (0..entries)
            .step_by(AT_A_TIME)
            .enumerate()
            .map(move |(n, at)| Piece::Entries(tensor, at..entries.min(at + AT_A_TIME), kept.get(n).cloned()))
    }
}

fn place(values: &[f64]) -> usize {
    values.as_ptr().addr()
}

/// Items with commas between them.
pub(super) fn listed<'a, I: Iterator<Item = Piece<'a>>>(items: impl Iterator<Item = I>) -> impl Iterator<Item = Piece<'a>> {
    items.enumerate().flat_map(|(n, item)| iter::once(Piece::Text(if n == 0 { "" } else { "," })).chain(item))
}

/// Texts of the helper that wait until it is their turn.
const AHEAD: usize = 4;

/// Writes pieces, one after the other. A helper makes texts too: each takes the next group when it is done with one, so that none waits for the other.
///
/// # Errors
/// When they cannot be written.
pub(super) fn write<'a>(pieces: impl Iterator<Item = Piece<'a>> + Send, to: &mut dyn Write) -> io::Result<()> {
    let groups = &Mutex::new(Groups { pieces: pieces.fuse(), taken: 0 });
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
            // what waits for a slow helper takes memory
            let group = if ready.len() < AHEAD { locked(groups).next() } else { None };
            if let Some((number, group)) = group {
                if number == 1
                    && threads::most() > 1
                    && let Some(done) = done.take()
                {
                    // an error means that nobody writes any more: the output has failed; without a helper all groups are made here
                    threads::beside(scope, move || {
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
                    // the helper is done, or has panicked: the scope hears of that
                    Err(_) => return Ok(()),
                };
            }
            ready.extend(texts.try_iter());
        }
    })
}

/// Pieces that are made into one text, by their number.
struct Groups<I> {
    pieces: I,
    taken: usize,
}

impl<'a, I: Iterator<Item = Piece<'a>>> Iterator for Groups<I> {
    type Item = (usize, Vec<Piece<'a>>);

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
    // who panicked while it was locked ends the program
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text of some pieces, in the room of another text.
fn made(pieces: &[Piece<'_>], mut text: Vec<u8>) -> Vec<u8> {
    text.clear();
    for piece in pieces {
        piece.add_to(&mut text);
    }
    text
}

impl Piece<'_> {
    /// About how many numbers it is worth.
    fn numbers(&self) -> usize {
        match self {
            Self::Entries(_, range, _) => range.len(),
            _ => 1,
        }
    }

    fn add_to(&self, text: &mut Vec<u8>) {
        match self {
            Self::Text(plain) => text.extend_from_slice(plain.as_bytes()),
            Self::Word(word) => serde_json::to_writer(text, word).expect("a text takes every string"),
            Self::Number(value) => write_json(*value, text),
            Self::Entries(tensor, range, None) => entries(tensor, range.clone(), text),
            Self::Entries(tensor, range, Some(kept)) => text.extend_from_slice(kept.get_or_init(|| {
                let mut text = Vec::new();
                entries(tensor, range.clone(), &mut text);
                text
            })),
        }
    }
}

fn entries(tensor: &Nested<'_>, range: Range<usize>, text: &mut Vec<u8>) {
    let Nested { shape, values } = *tensor;
    // arrays that begin or end before an entry
    let turns = |at: usize| {
        let mut size = 1;
        let whole = |n: &&usize| {
            size *= **n;
            at.is_multiple_of(size)
        };
        shape.iter().rev().take_while(whole).count()
    };
    let row = shape.last().copied().unwrap_or(1);
    // a text that grows is moved, and memory that it leaves goes back to the system and comes again as new pages
    text.reserve(range.len() * WIDEST);
    let mut at = range.start;
    while at < range.end {
        let turns = turns(at);
        if at > 0 {
            text.extend(iter::repeat_n(b']', turns));
            text.push(b',');
        }
        text.extend(iter::repeat_n(b'[', turns));
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

    fn written<'a>(pieces: impl Iterator<Item = Piece<'a>> + Send) -> String {
        let mut text = Vec::new();
        write(pieces, &mut text).expect("a text takes everything");
        String::from_utf8(text).expect("UTF-8")
    }

    /// Shapes around the number of entries that are made at a time, on both sides of it.
    #[test]
    fn tensors_are_what_serde_makes_of_them() {
        let numbers = [0.0, -0.0, 1.0, -2.5, 1.0 / 3.0, 1e21, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        let shapes =
            [&[][..], &[1], &[2, 1, 3], &[1, 2, 2, 2], &[AT_A_TIME], &[3, AT_A_TIME / 2 + 1], &[AT_A_TIME + 1, 1, 2], &[7, 1, 5, 13, 17]];
        for shape in shapes {
            let values: Vec<f64> = numbers.iter().copied().cycle().take(len(shape)).collect();
            let nested = Nested { shape, values: &values };
            let text = serde_json::to_string(&nested).expect("JSON");
            assert_eq!(written(Repeated::default().tensor(nested)), text, "{shape:?}");
            let repeated = Repeated::among([nested, nested].into_iter());
            let both = [nested, nested].map(|nested| repeated.tensor(nested));
            assert_eq!(written(listed(both.into_iter())), format!("{text},{text}"), "{shape:?}, twice");
        }
    }

    #[test]
    fn only_what_comes_again_is_kept_and_not_too_much_of_it() {
        let (large, other) = (vec![0.5; KEPT], vec![0.5; KEPT + 1]);
        let kept = |tensors: &[&[f64]]| {
            let tensors = tensors.iter().map(|values| Nested { shape: &[], values });
            Repeated::among(tensors).0.into_keys().collect::<Vec<_>>()
        };
        assert!(kept(&[&large, &other]).is_empty());
        assert_eq!(kept(&[&large, &other, &large, &other, &large]), [place(&large)]);
        assert_eq!(kept(&[&other[..1], &other[1..], &other[1..], &other[..1]]), [place(&other[1..])]);
    }

    #[test]
    fn the_text_of_entries_does_not_grow() {
        for value in [-f64::MAX, -f64::MIN_POSITIVE, -1.234_567_890_123_456_7e-300, 5e-324, -0.000_012_345_678_901_234_567] {
            let values = vec![value; AT_A_TIME];
            let mut text = Vec::new();
            entries(&Nested { shape: &[AT_A_TIME], values: &values }, 0..AT_A_TIME - 1, &mut text);
            assert_eq!(text.capacity(), (AT_A_TIME - 1) * WIDEST, "{value}");
        }
    }

    #[test]
    fn pieces_stay_in_order_however_many_there_are() {
        for count in [0, 1, AT_A_TIME - 1, AT_A_TIME, AT_A_TIME + 1, 20 * AT_A_TIME + 3] {
            let numbers = (0_u32..).take(count).map(|n| iter::once(Piece::Number(n.into())));
            let expected: Vec<String> = (0..count).map(|n| format!("{n}.0")).collect();
            assert_eq!(written(listed(numbers)), expected.join(","), "{count}");
        }
        assert_eq!(written([Piece::Word("a\"\u{1}"), Piece::Text("\n")].into_iter()), "\"a\\\"\\u0001\"\n");
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let mut little = [0_u8; 100];
        let large = Nested { shape: &[100_000], values: &vec![1.5; 100_000] };
        assert!(write(Repeated::default().tensor(large), &mut &mut little[..]).is_err());
    }
}
