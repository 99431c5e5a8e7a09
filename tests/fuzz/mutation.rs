//! Damages a file as typing errors, disk errors and attacks would.

use proptest::prelude::*;
use proptest::sample::Index;

/// One change to a byte string. Positions are relative, so a change fits any length.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// Changes bits of a byte.
    Flip(Index, u8),
    /// Removes this number of bytes from a position on.
    Remove(Index, usize),
    /// Removes all bytes from a position on.
    Cut(Index),
    /// Copies this number of bytes from the first position to the second.
    Copy(Index, usize, Index),
    /// Inserts a token.
    Insert(Index, &'static [u8]),
    /// Replaces a run of digits. The position chooses among all runs of the file.
    ReplaceNumber(Index, &'static [u8]),
    /// Exchanges two lines.
    SwapLines(Index, Index),
    /// Removes a line.
    RemoveLine(Index),
}

/// Tokens that are usual in the files, or hostile.
const TOKENS: &[&[u8]] = &[
    b"[[layer]]\n",
    b"type = \"conv2d\"\n",
    b"padding = 1\n",
    b"stride = [2, 1]\n",
    b"dilation = 2\n",
    b"groups = 2\n",
    b"activation = \"softmax\"\n",
    b"{ init = \"normal\", seed = 1, shape = [2, 3] }",
    b"{ file = \"weights/net.npz\", key = \"fc1.weight\" }",
    b"[train]\nlearning_rate = 0.1\niterations = 3\n",
    b"[[sample]]\n",
    b"start = \"2/loss\"\n",
    b"[graph]\n",
    b"\"u = a / b\",",
    b"^",
    b"\n[graph.constants]\nn = 3\n",
    b"for t in range(10**9):\n    ",
    b".sum(0, keepdim=True)",
    b"torch.einsum('ij,jk->ik', x, x)",
    b"[10**18]",
    b"@",
    b"((((((((",
    b".view(-1)",
    b" = hs = ",
    b"\\\n",
    b"\"",
    b"\\u202e",
    b"\x1b]52;c;AA\x07",
    b"\xe2\x80\xae",
    b"\xff\xfe",
    b"\0",
    b"[[[[[[[[",
    b"}}",
    b"\"data_offsets\":[0,8]",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"\x93NUMPY\x01\x00",
    b"(0, 18446744073709551615)",
    b"[1,\"work\",9223372036854775807]\n",
    b"[4294967295,\"key\",\"<Space>\"]\n",
    b"[3,\"resize\",[65535,65535]]\n",
    b"[3,\"click\",\"grad.input[0,0]\"]\n",
];

/// Numbers at the limits of what is representable and of what is allowed.
#[rustfmt::skip]
const NUMBERS: &[&[u8]] = &[
    b"0", b"-1", b"1", b"2", b"3", b"-0.0", b"1e308", b"1e-320", b"1e999", b"nan", b"inf", b"65536", b"4294967296", b"9223372036854775807",
    b"18446744073709551615", b"0x7f", b"1_0", b"99999999999999999999999",
];

/// From one to five changes.
pub fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let mutation = prop_oneof![
        3 => (any::<Index>(), 1..=255_u8).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        2 => (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        1 => any::<Index>().prop_map(Mutation::Cut),
        2 => (any::<Index>(), 1..60_usize, any::<Index>()).prop_map(|(from, length, to)| Mutation::Copy(from, length, to)),
        3 => (any::<Index>(), prop::sample::select(TOKENS)).prop_map(|(at, token)| Mutation::Insert(at, token)),
        5 => (any::<Index>(), prop::sample::select(NUMBERS)).prop_map(|(at, number)| Mutation::ReplaceNumber(at, number)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::SwapLines(a, b)),
        2 => any::<Index>().prop_map(Mutation::RemoveLine),
    ];
    prop::collection::vec(mutation, 1..6)
}

/// Returns the bytes after all changes, made one after another.
pub fn apply(bytes: &[u8], changes: &[Mutation]) -> Vec<u8> {
    changes.iter().fold(bytes.to_vec(), apply_one)
}

fn apply_one(mut bytes: Vec<u8>, change: &Mutation) -> Vec<u8> {
    // from 0 to the length: the last position is the end
    let position = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
    match change {
        Mutation::Flip(at, bits) => {
            let at = position(at, &bytes);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
        }
        Mutation::Remove(at, length) => {
            let at = position(at, &bytes);
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Mutation::Cut(at) => bytes.truncate(position(at, &bytes)),
        Mutation::Copy(from, length, to) => {
            let (from, to) = (position(from, &bytes), position(to, &bytes));
            let copy = bytes[from..(from + length).min(bytes.len())].to_vec();
            bytes.splice(to..to, copy);
        }
        Mutation::Insert(at, token) => {
            let at = position(at, &bytes);
            bytes.splice(at..at, token.iter().copied());
        }
        Mutation::ReplaceNumber(at, number) => {
            let numbers = digit_runs(&bytes);
            if !numbers.is_empty() {
                bytes.splice(at.get(&numbers).clone(), number.iter().copied());
            }
        }
        Mutation::SwapLines(a, b) => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            if !lines.is_empty() {
                let (a, b) = (a.index(lines.len()), b.index(lines.len()));
                lines.swap(a, b);
                bytes = lines.concat();
            }
        }
        Mutation::RemoveLine(at) => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            if !lines.is_empty() {
                lines.remove(at.index(lines.len()));
                bytes = lines.concat();
            }
        }
    }
    bytes
}

/// The ranges of all runs of digits.
fn digit_runs(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut begin = None;
    // the space ends a run at the end of the file
    for (at, byte) in bytes.iter().chain([&b' ']).enumerate() {
        match (byte.is_ascii_digit(), begin) {
            (true, None) => begin = Some(at),
            (false, Some(first)) => {
                found.push(first..at);
                begin = None;
            }
            _ => {}
        }
    }
    found
}
