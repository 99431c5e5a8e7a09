//! A reader for the zip archives of `.npz` files: entries that are stored or deflated, found through the central directory.
//!
//! Zip crates keep only one of two entries with the same name, and here duplicates must be reported. Sizes in 64-bit fields are read too, because some
//! writers use them for small files.

use std::borrow::Cow;
use std::ops::Range;

use miniz_oxide::inflate::{TINFLStatus, decompress_slice_iter_to_slice};

use super::{MAX_BYTES, MAX_TENSORS, WeightsError, read_le};

const LOCAL: u64 = 0x0403_4b50;
const CENTRAL: u64 = 0x0201_4b50;
const END: u64 = 0x0605_4b50;
/// The sizes in bytes of the fixed part of each record.
const LOCAL_SIZE: usize = 30;
const CENTRAL_SIZE: usize = 46;
const END_SIZE: usize = 22;
/// Deflate's largest ratio: one byte becomes at most 1032.
const RATIO: usize = 1032;
/// The flags of encryption: of the data, strong encryption, and of the directory.
const ENCRYPTED: usize = 1 | 1 << 6 | 1 << 13;
/// The flag of an entry whose sizes and checksum follow its data.
const AFTERWARDS: usize = 1 << 3;
/// The flags that do not matter for reading: level of compression (two bits), sizes after the data, name in UTF-8.
const KNOWN: usize = 0b110 | AFTERWARDS | 1 << 11;

/// One file in the archive.
#[derive(Debug)]
pub(super) struct ZipEntry {
    pub name: String,
    deflated: bool,
    /// The bytes of the archive that belong to the entry, including its header.
    whole: Range<usize>,
    /// The bytes of its data in the archive, possibly compressed.
    packed: Range<usize>,
    /// The unpacked size in bytes.
    pub size: usize,
    crc: u32,
}

fn damaged(what: &str) -> WeightsError {
    WeightsError::new(format!("{what}, so this is not a complete .npz"), "the file is damaged or incomplete")
}

/// Returns all entries, in the order of the central directory.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<ZipEntry>, WeightsError> {
    let end = end(bytes).ok_or_else(|| damaged("it has no zip directory"))?;
    let cut = || damaged("its zip directory is cut off");
    let short = |offset: usize| read_le::<2>(bytes, end + offset).ok_or_else(cut);
    let long = |offset: usize| read_le::<4>(bytes, end + offset).and_then(|at| usize::try_from(at).ok()).ok_or_else(cut);
    let (count, length, start) = (short(10)?, long(12)?, long(16)?);
    if count >= MAX_TENSORS as u64 {
        return Err(WeightsError::new(format!("it has {MAX_TENSORS} tensors or more, which is too many"), ""));
    }
    if short(4)? != 0 || short(6)? != 0 || short(8)? != count {
        return Err(damaged("it is one part of a zip archive in several parts"));
    }
    if start.checked_add(length) != Some(end) {
        return Err(damaged("its zip directory is not at the position in its end record"));
    }
    let mut at = start;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, next) = entry(&bytes[..end], at, start)?;
        entries.push(entry);
        at = next;
    }
    if at != end {
        return Err(damaged("its zip directory does not have the length in its end record"));
    }
    apart(&entries)?;
    Ok(entries)
}

/// Refuses entries that overlap: no writer makes them, and a small file of such entries can unpack to a huge one (a zip bomb).
fn apart(entries: &[ZipEntry]) -> Result<(), WeightsError> {
    let mut order: Vec<&ZipEntry> = entries.iter().collect();
    order.sort_unstable_by_key(|entry| entry.whole.start);
    match order.windows(2).find(|pair| pair[0].whole.end > pair[1].whole.start) {
        Some(pair) => Err(damaged(&format!("\"{}\" and \"{}\" overlap", pair[0].name, pair[1].name))),
        None => Ok(()),
    }
}

/// Finds the end record; only a comment comes after it.
fn end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_SIZE)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|&at| {
        let comment = read_le::<2>(bytes, at + END_SIZE - 2).and_then(|n| usize::try_from(n).ok());
        read_le::<4>(bytes, at) == Some(END) && comment == Some(last - at)
    })
}

/// The fields that an entry's local header and its directory record share.
#[derive(Debug, PartialEq, Eq)]
struct EntryHeader<'a> {
    flags: usize,
    method: usize,
    crc: u64,
    /// The unpacked and the packed size in bytes.
    sizes: [u64; 2],
    name: &'a [u8],
}

/// Reads the shared fields of a local header or directory record at `at`, with the name and extra field at `name_at`. Returns them with the sizes and
/// offset, 64-bit ones included, and the end of the extra field.
fn about(bytes: &[u8], at: usize, name_at: usize, more: Option<u64>) -> Option<(EntryHeader<'_>, [u64; 3], usize)> {
    let short = |offset: usize| read_le::<2>(bytes, at.checked_add(offset)?).and_then(|n| usize::try_from(n).ok());
    let long = |offset: usize| read_le::<4>(bytes, at.checked_add(offset)?);
    let extra_at = name_at.checked_add(short(20)?)?;
    let end = extra_at.checked_add(short(22)?)?;
    let name = bytes.get(name_at..extra_at)?;
    let wide = wide(bytes.get(extra_at..end)?, [long(16)?, long(12)?, more.unwrap_or(0)])?;
    let about = EntryHeader { flags: short(0)?, method: short(2)?, crc: long(8)?, sizes: [wide[0], wide[1]], name };
    Some((about, wide, end))
}

/// Reads the directory record at `at`. Returns the entry and the byte of the next record. Data must end before `directory`.
fn entry(bytes: &[u8], at: usize, directory: usize) -> Result<(ZipEntry, usize), WeightsError> {
    let cut = || damaged("its zip directory is cut off");
    if read_le::<4>(bytes, at).ok_or_else(cut)? != CENTRAL {
        return Err(damaged("its zip directory is not at the position in its end record"));
    }
    let comment = read_le::<2>(bytes, at + 32).and_then(|n| usize::try_from(n).ok()).ok_or_else(cut)?;
    let offset = read_le::<4>(bytes, at + 42).ok_or_else(cut)?;
    let (about, [size, packed, offset], extra_end) = self::about(bytes, at + 8, at + CENTRAL_SIZE, Some(offset)).ok_or_else(cut)?;
    let shown = String::from_utf8_lossy(about.name).into_owned();
    let deflated = readable(&about, &shown)?;
    if str::from_utf8(about.name).is_err() {
        return Err(damaged(&format!("the name \"{shown}\" is not UTF-8")));
    }
    let sized = |n: u64| usize::try_from(n).ok();
    let (Some(size), Some(packed), Some(offset)) = (sized(size), sized(packed), sized(offset)) else { return Err(cut()) };
    // the local header, which must agree with the directory; its extra field may have another length
    let local = (read_le::<4>(bytes, offset) == Some(LOCAL))
        .then(|| self::about(bytes, offset.checked_add(6)?, offset.checked_add(LOCAL_SIZE)?, None))
        .flatten();
    let local = local.filter(|(local, ..)| local.name == about.name);
    let found = local.and_then(|(local, _, begin)| Some((local, begin..begin.checked_add(packed)?)));
    let Some((local, range)) = found.filter(|(_, range)| range.end <= directory.min(bytes.len())) else {
        return Err(damaged(&format!("\"{shown}\" is not at its position in the zip directory")));
    };
    if deflated && size > packed.saturating_mul(RATIO) || !deflated && size != packed {
        let message = format!("\"{shown}\" claims {size} bytes, but {packed} bytes of the file cannot hold them");
        return Err(WeightsError::new(message, "the file is damaged, or made to do harm"));
    }
    // a streaming writer does not know these fields yet: it writes 0 here and the values after the data
    let unknown = about.flags & AFTERWARDS != 0 && local.crc == 0 && local.sizes.iter().all(|&size| size == 0);
    if local != (if unknown { EntryHeader { crc: 0, sizes: [0; 2], ..about } } else { about }) {
        return Err(damaged(&format!("the zip directory and the header of \"{shown}\" disagree")));
    }
    let crc = read_le::<4>(bytes, at + 16).and_then(|crc| u32::try_from(crc).ok()).ok_or_else(cut)?;
    Ok((ZipEntry { name: shown, deflated, whole: offset..range.end, packed: range, size, crc }, extra_end + comment))
}

/// Returns whether the entry is deflated, or an error if its flags or method are not supported.
fn readable(about: &EntryHeader<'_>, shown: &str) -> Result<bool, WeightsError> {
    if about.flags & ENCRYPTED != 0 {
        return Err(WeightsError::new(format!("\"{shown}\" is encrypted"), "save it without a password"));
    }
    if about.flags & !KNOWN != 0 {
        let message = format!("\"{shown}\" has the zip flags {:#06x}, which are not those of an .npz", about.flags);
        return Err(WeightsError::new(message, "the file is damaged, or not one that NumPy has written"));
    }
    match about.method {
        0 => Ok(false),
        8 => Ok(true),
        method => {
            Err(WeightsError::new(format!("\"{shown}\" is compressed by method {method}"), "np.savez and np.savez_compressed can be read"))
        }
    }
}

/// Replaces those of `[unpacked size, packed size, offset]` that are `0xffff_ffff` by their values in the 64-bit extra field. `None` if a field is cut off.
fn wide(extra: &[u8], mut fields: [u64; 3]) -> Option<[u64; 3]> {
    const ID: u64 = 1;
    let mut at = 0;
    while let (Some(id), Some(length)) = (read_le::<2>(extra, at), read_le::<2>(extra, at + 2)) {
        let length = usize::try_from(length).ok()?;
        let field = extra.get(at + 4..at + 4 + length)?;
        if id == ID {
            let mut from = 0;
            for wide in fields.iter_mut().filter(|wide| **wide == u64::from(u32::MAX)) {
                *wide = read_le::<8>(field, from)?;
                from += 8;
            }
        }
        at += 4 + length;
    }
    Some(fields)
}

impl ZipEntry {
    /// Unpacks the first bytes, at most `most`.
    pub fn beginning<'a>(&self, bytes: &'a [u8], most: usize) -> Result<Cow<'a, [u8]>, WeightsError> {
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

    /// Unpacks the whole entry and verifies its checksum.
    pub fn whole<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, WeightsError> {
        let packed = &bytes[self.packed.clone()];
        let whole = if self.deflated {
            if self.size > MAX_BYTES {
                return Err(WeightsError::new(format!("it has {} bytes unpacked, more than 256 MiB", self.size), ""));
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

    fn broken(&self) -> WeightsError {
        WeightsError::new(
            format!("the checksum of \"{}\" does not match its bytes", self.name),
            "the file is damaged: copy or save it again",
        )
    }
}
