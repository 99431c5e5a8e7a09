//! As much of zip as `.npz` needs: entries that are stored or deflated, found by the central directory.
//!
//! The crates for zip keep one of two entries with the same name; here that must be seen. Sizes of 64 bits are read where a writer put
//! them needlessly; a file is never that large.

use std::borrow::Cow;
use std::ops::Range;

use miniz_oxide::inflate::{TINFLStatus, decompress_slice_iter_to_slice};

use super::{MAX_BYTES, MAX_TENSORS, Wrong, number};

const LOCAL: u64 = 0x0403_4b50;
const CENTRAL: u64 = 0x0201_4b50;
const END: u64 = 0x0605_4b50;
/// Bytes of the fixed part of each.
const LOCAL_SIZE: usize = 30;
const CENTRAL_SIZE: usize = 46;
const END_SIZE: usize = 22;
/// Deflate turns one byte into at most so many.
const RATIO: usize = 1032;

/// One file inside.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: String,
    deflated: bool,
    /// Its bytes as they lie in the archive.
    packed: Range<usize>,
    /// Bytes of it unpacked; what is stored has as many packed.
    pub size: usize,
    crc: u32,
}

fn damaged(what: &str) -> Wrong {
    Wrong::new(format!("{what}, so this is no complete .npz"), "the file is damaged or incomplete")
}

/// All entries, in the order of the central directory.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Entry>, Wrong> {
    let end = end(bytes).ok_or_else(|| damaged("it has no zip directory"))?;
    let cut = || damaged("its zip directory is cut off");
    let count = number::<2>(bytes, end + 10).ok_or_else(cut)?;
    let start = number::<4>(bytes, end + 16).and_then(|at| usize::try_from(at).ok()).ok_or_else(cut)?;
    if count >= MAX_TENSORS as u64 {
        return Err(Wrong::new(format!("it has {MAX_TENSORS} tensors or more, which is too many"), ""));
    }
    if start > end {
        return Err(cut());
    }
    let mut at = start;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, next) = entry(&bytes[..end], at, start)?;
        entries.push(entry);
        at = next;
    }
    Ok(entries)
}

/// Where the record at the end begins; only a comment comes after it.
fn end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_SIZE)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|&at| {
        let comment = number::<2>(bytes, at + END_SIZE - 2).and_then(|n| usize::try_from(n).ok());
        number::<4>(bytes, at) == Some(END) && comment == Some(last - at)
    })
}

/// The entry described at a place of the directory, and where the next description is; the files end where the directory begins.
fn entry(bytes: &[u8], at: usize, directory: usize) -> Result<(Entry, usize), Wrong> {
    let cut = || damaged("its zip directory is cut off");
    let short = |offset: usize| number::<2>(bytes, at + offset).and_then(|n| usize::try_from(n).ok()).ok_or_else(cut);
    let long = |offset: usize| number::<4>(bytes, at + offset).ok_or_else(cut);
    if long(0)? != CENTRAL {
        return Err(damaged("its zip directory is not what its end says"));
    }
    let (flags, method) = (short(8)?, short(10)?);
    let (name_length, extra_length, comment_length) = (short(28)?, short(30)?, short(32)?);
    let name_at = at + CENTRAL_SIZE;
    let extra_at = name_at + name_length;
    let name = bytes.get(name_at..extra_at).ok_or_else(cut)?;
    let extra = bytes.get(extra_at..extra_at + extra_length).ok_or_else(cut)?;
    let (size, packed, offset) = wide(extra, [long(24)?, long(20)?, long(42)?]).ok_or_else(cut)?;
    let crc = u32::try_from(long(16)?).map_err(|_| cut())?;
    let shown = String::from_utf8_lossy(name).into_owned();
    if flags & 1 == 1 {
        return Err(Wrong::new(format!("\"{shown}\" is encrypted"), "save it without a password"));
    }
    let deflated = match method {
        0 => false,
        8 => true,
        _ => {
            return Err(Wrong::new(
                format!("\"{shown}\" is compressed by method {method}"),
                "np.savez and np.savez_compressed can be read",
            ));
        }
    };
    // the name and extra fields of the local header may have other lengths
    let local = |offset_in: usize| number::<2>(bytes, offset.checked_add(offset_in)?).and_then(|n| usize::try_from(n).ok());
    let begin = (number::<4>(bytes, offset) == Some(LOCAL))
        .then(|| offset.checked_add(LOCAL_SIZE)?.checked_add(local(26)?)?.checked_add(local(28)?))
        .flatten();
    let same_name = offset.checked_add(LOCAL_SIZE).and_then(|at| bytes.get(at..at.checked_add(name.len())?)) == Some(name);
    let range = begin.and_then(|begin| Some(begin..begin.checked_add(packed)?)).filter(|range| range.end <= directory.min(bytes.len()));
    let Some(range) = range.filter(|_| same_name && local(26) == Some(name.len())) else {
        return Err(damaged(&format!("\"{shown}\" is not where the zip directory says")));
    };
    if deflated && size > packed.saturating_mul(RATIO) || !deflated && size != packed {
        let message = format!("\"{shown}\" claims {size} bytes, but {packed} bytes of the file cannot hold them");
        return Err(Wrong::new(message, "the file is damaged, or made to do harm"));
    }
    Ok((Entry { name: shown, deflated, packed: range, size, crc }, extra_at + extra_length + comment_length))
}

/// Size, packed size and offset, from the field for 64 bits where the fields of 32 say so.
fn wide(extra: &[u8], mut fields: [u64; 3]) -> Option<(usize, usize, usize)> {
    const ID: u64 = 1;
    let mut at = 0;
    while let (Some(id), Some(length)) = (number::<2>(extra, at), number::<2>(extra, at + 2)) {
        if id == ID {
            let mut from = at + 4;
            for field in fields.iter_mut().filter(|field| **field == u64::from(u32::MAX)) {
                *field = number::<8>(extra, from)?;
                from += 8;
            }
        }
        at += 4 + usize::try_from(length).ok()?;
    }
    let [size, packed, offset] = fields.map(|field| usize::try_from(field).ok());
    Some((size?, packed?, offset?))
}

impl Entry {
    /// The first bytes of it, at most `most`.
    pub fn beginning<'a>(&self, bytes: &'a [u8], most: usize) -> Result<Cow<'a, [u8]>, Wrong> {
        let packed = &bytes[self.packed.clone()];
        let most = most.min(self.size);
        if !self.deflated {
            return Ok(Cow::Borrowed(&packed[..most]));
        }
        let mut out = vec![0; most];
        match decompress_slice_iter_to_slice(&mut out, std::iter::once(packed), false, true) {
            Ok(length) if length == most => Ok(Cow::Owned(out)),
            Err(TINFLStatus::HasMoreOutput) => Ok(Cow::Owned(out)),
            _ => Err(self.broken()),
        }
    }

    /// All of it, with its checksum verified.
    pub fn whole<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, Wrong> {
        let packed = &bytes[self.packed.clone()];
        let whole = if self.deflated {
            if self.size > MAX_BYTES {
                return Err(Wrong::new(format!("it has {} bytes unpacked, more than 256 MiB", self.size), ""));
            }
            let mut out = vec![0; self.size];
            match decompress_slice_iter_to_slice(&mut out, std::iter::once(packed), false, true) {
                Ok(length) if length == self.size => Cow::Owned(out),
                _ => return Err(self.broken()),
            }
        } else {
            Cow::Borrowed(packed)
        };
        if crc32fast::hash(&whole) == self.crc { Ok(whole) } else { Err(self.broken()) }
    }

    fn broken(&self) -> Wrong {
        Wrong::new(format!("the checksum of \"{}\" does not match its bytes", self.name), "the file is damaged: copy or save it again")
    }
}
