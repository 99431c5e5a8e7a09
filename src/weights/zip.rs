//! A reader for the zip archives of `.npz` and `.pt` files. It reads entries (the files in the archive) that are stored or deflated.
//!
//! An archive consists of the entries, each with a local header and its data, then the central directory with one record for each entry, then an end record,
//! which has the position of the directory. Sizes of 64 bits are read too, because some writers use them for small files.
//!
//! This file does not use a zip crate: such a crate keeps only one of two entries with the same name, and here duplicate names must be reported.

use std::borrow::Cow;
use std::ops::Range;

use miniz_oxide::inflate::{TINFLStatus, decompress_slice_iter_to_slice};

use super::{MAX_BYTES, MAX_TENSORS, WeightsError, read_le};
use crate::text::counted;

/// The first four bytes of a local header, of a directory record and of the end record.
const LOCAL_SIGNATURE: u64 = 0x0403_4b50;
const RECORD_SIGNATURE: u64 = 0x0201_4b50;
const END_SIGNATURE: u64 = 0x0605_4b50;
/// The first four bytes of the end record of 64 bits, and of the record that gives its position.
const WIDE_END_SIGNATURE: u64 = 0x0606_4b50;
const LOCATOR_SIGNATURE: u64 = 0x0706_4b50;
/// The sizes in bytes of the end record of 64 bits, and of the record that gives its position.
const WIDE_END_SIZE: usize = 56;
const LOCATOR_SIZE: usize = 20;
/// The sizes in bytes of a local header, a directory record and the end record, without their texts of variable length.
const LOCAL_SIZE: usize = 30;
const RECORD_SIZE: usize = 46;
const END_SIZE: usize = 22;
/// The largest compression ratio of deflate: one byte becomes at most 1032 bytes.
const MAX_RATIO: usize = 1032;
/// The flags of encryption: encrypted data, strong encryption, encrypted directory.
const ENCRYPTED: usize = 1 | 1 << 6 | 1 << 13;
/// The flag of an entry whose sizes and checksum come after its data.
const SIZES_AFTER_DATA: usize = 1 << 3;
/// The flags that do not matter for reading: level of compression (two bits), sizes after the data, name in UTF-8.
const HARMLESS: usize = 0b110 | SIZES_AFTER_DATA | 1 << 11;

/// One file in the archive.
#[derive(Clone, Debug)]
pub(super) struct ZipEntry {
    pub name: String,
    is_deflated: bool,
    /// The range of the entry in the archive: its local header and its data.
    with_header: Range<usize>,
    /// The range of its data in the archive, possibly compressed.
    data: Range<usize>,
    /// The unpacked size in bytes.
    pub size: usize,
    crc: u32,
}

/// Returns the error for a damaged archive. `what` describes the damage, such as "it has no zip directory".
fn damaged(what: &str) -> WeightsError {
    WeightsError::new(format!("{what}, so this is not a complete zip archive"), "the file is damaged or incomplete")
}

/// Returns all entries, in the order of the central directory.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<ZipEntry>, WeightsError> {
    let end = find_end_record(bytes).ok_or_else(|| damaged("it has no zip directory"))?;
    let cut = || damaged("its zip directory is cut off");
    let two_bytes = |offset: usize| read_le::<2>(bytes, end + offset).ok_or_else(cut);
    let four_bytes = |offset: usize| read_le::<4>(bytes, end + offset).and_then(|at| usize::try_from(at).ok()).ok_or_else(cut);
    // the directory's number of records, length in bytes, and position
    let (count, length, start) = (two_bytes(10)?, four_bytes(12)?, four_bytes(16)?);
    // 65,535 records would mean that the real number is in another field, of 64 bits
    if count >= MAX_TENSORS as u64 {
        return Err(WeightsError::new(format!("it has {MAX_TENSORS} tensors or more, which is too many"), ""));
    }
    // the number of this disk, the disk of the directory, the number of records on this disk
    if two_bytes(4)? != 0 || two_bytes(6)? != 0 || two_bytes(8)? != count {
        return Err(damaged("it is one part of a zip archive in several parts"));
    }
    let directory_end = find_directory_end(bytes, end, [count, length as u64, start as u64])?;
    if start.checked_add(length) != Some(directory_end) {
        return Err(damaged("its zip directory is not at the position in its end record"));
    }
    let mut at = start;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, next) = read_entry(&bytes[..directory_end], at, start)?;
        entries.push(entry);
        at = next;
    }
    if at != directory_end {
        return Err(damaged("its zip directory does not have the length in its end record"));
    }
    refuse_overlaps(&entries)?;
    Ok(entries)
}

/// Returns the position at which the directory ends. It is the position of the end record of 64 bits, which PyTorch writes in every file. If there is none, it
/// is `end`, the position of the plain end record. `values` are the number of records, the length and the position of the directory in the plain end record.
/// The record of 64 bits must have the same values.
fn find_directory_end(bytes: &[u8], end: usize, values: [u64; 3]) -> Result<usize, WeightsError> {
    let locator = end.checked_sub(LOCATOR_SIZE).filter(|&at| read_le::<4>(bytes, at) == Some(LOCATOR_SIGNATURE));
    let Some(locator) = locator else { return Ok(end) };
    let at = read_le::<8>(bytes, locator + 8).and_then(|at| usize::try_from(at).ok());
    let record = at.filter(|&at| at.checked_add(WIDE_END_SIZE) == Some(locator) && read_le::<4>(bytes, at) == Some(WIDE_END_SIGNATURE));
    // the number of records, the length and the position of the directory
    let wide_values =
        record.and_then(|at| Some([read_le::<8>(bytes, at + 32)?, read_le::<8>(bytes, at + 40)?, read_le::<8>(bytes, at + 48)?]));
    match (record, wide_values) {
        (Some(record), Some(wide_values)) if wide_values == values => Ok(record),
        _ => Err(damaged("its two end records disagree")),
    }
}

/// Refuses entries that overlap. No writer makes such entries, and a small file with them can unpack to a huge one (a zip bomb).
fn refuse_overlaps(entries: &[ZipEntry]) -> Result<(), WeightsError> {
    let mut order: Vec<&ZipEntry> = entries.iter().collect();
    order.sort_unstable_by_key(|entry| entry.with_header.start);
    match order.windows(2).find(|pair| pair[0].with_header.end > pair[1].with_header.start) {
        Some(pair) => Err(damaged(&format!("\"{}\" and \"{}\" overlap", pair[0].name, pair[1].name))),
        None => Ok(()),
    }
}

/// Returns the position of the end record. A comment of up to 65,535 bytes may come after it, so the search begins at the end of the file and goes back.
fn find_end_record(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_SIZE)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|&at| {
        // the last field of the record is the length of the comment
        let comment_len = read_le::<2>(bytes, at + END_SIZE - 2).and_then(|n| usize::try_from(n).ok());
        read_le::<4>(bytes, at) == Some(END_SIGNATURE) && comment_len == Some(last - at)
    })
}

/// The fields that are both in the local header of an entry and in its directory record.
#[derive(Debug, PartialEq, Eq)]
struct EntryHeader<'a> {
    flags: usize,
    method: usize,
    crc: u64,
    /// The unpacked and the packed size in bytes.
    sizes: [u64; 2],
    name: &'a [u8],
}

/// The result of [`read_header`].
struct HeaderAndEnd<'a> {
    header: EntryHeader<'a>,
    /// The position of the entry's local header in the archive. It is 0 if the fields are those of a local header.
    offset: u64,
    /// The position in the archive after the extra field.
    end: usize,
}

/// Reads the fields that a local header and a directory record have in common. They begin at `at`; the name and the extra field are at `name_at`. Counted from
/// `at`, they are: 0 flags, 2 method, 4 time and date, 8 checksum, 12 packed size, 16 unpacked size, 20 length of the name, 22 length of the extra field.
///
/// `offset` is the 32-bit position of the local header. Only a directory record has it; for a local header it is `None`. Values of 64 bits in the extra field
/// replace the 32-bit values.
fn read_header(bytes: &[u8], at: usize, name_at: usize, offset: Option<u64>) -> Option<HeaderAndEnd<'_>> {
    let two_bytes = |from_at: usize| read_le::<2>(bytes, at.checked_add(from_at)?).and_then(|n| usize::try_from(n).ok());
    let four_bytes = |from_at: usize| read_le::<4>(bytes, at.checked_add(from_at)?);
    let extra_at = name_at.checked_add(two_bytes(20)?)?;
    let end = extra_at.checked_add(two_bytes(22)?)?;
    let name = bytes.get(name_at..extra_at)?;
    let narrow = [four_bytes(16)?, four_bytes(12)?, offset.unwrap_or(0)];
    let [size, packed_size, offset] = widen(bytes.get(extra_at..end)?, narrow)?;
    let header = EntryHeader { flags: two_bytes(0)?, method: two_bytes(2)?, crc: four_bytes(8)?, sizes: [size, packed_size], name };
    Some(HeaderAndEnd { header, offset, end })
}

/// Reads the directory record at `at` and the local header that it points to. Returns the entry and the position of the next record. The data of the entry
/// must end before the directory, which begins at `directory`.
fn read_entry(bytes: &[u8], at: usize, directory: usize) -> Result<(ZipEntry, usize), WeightsError> {
    let cut = || damaged("its zip directory is cut off");
    if read_le::<4>(bytes, at).ok_or_else(cut)? != RECORD_SIGNATURE {
        return Err(damaged("its zip directory is not at the position in its end record"));
    }
    let comment_len = read_le::<2>(bytes, at + 32).and_then(|n| usize::try_from(n).ok()).ok_or_else(cut)?;
    let narrow_offset = read_le::<4>(bytes, at + 42).ok_or_else(cut)?;
    // the shared fields begin at byte 8 of a directory record, and at byte 6 of a local header
    let HeaderAndEnd { header, offset, end } = read_header(bytes, at + 8, at + RECORD_SIZE, Some(narrow_offset)).ok_or_else(cut)?;
    let name = String::from_utf8_lossy(header.name).into_owned();
    let is_deflated = is_deflated(&header, &name)?;
    if str::from_utf8(header.name).is_err() {
        return Err(damaged(&format!("the name \"{name}\" is not UTF-8")));
    }
    let sized = |n: u64| usize::try_from(n).ok();
    let (Some(size), Some(packed_size), Some(offset)) = (sized(header.sizes[0]), sized(header.sizes[1]), sized(offset)) else {
        return Err(cut());
    };
    // the data comes after the local header, whose extra field can have another length than that of the directory record
    let local = (read_le::<4>(bytes, offset) == Some(LOCAL_SIGNATURE))
        .then(|| read_header(bytes, offset.checked_add(6)?, offset.checked_add(LOCAL_SIZE)?, None))
        .flatten();
    let local = local.filter(|local| local.header.name == header.name);
    let found = local.and_then(|local| Some((local.header, local.end..local.end.checked_add(packed_size)?)));
    let Some((local_header, data)) = found.filter(|(_, data)| data.end <= directory.min(bytes.len())) else {
        return Err(damaged(&format!("\"{name}\" is not at its position in the zip directory")));
    };
    if is_deflated && size > packed_size.saturating_mul(MAX_RATIO) || !is_deflated && size != packed_size {
        let [claimed, packed] = [size, packed_size].map(|bytes| counted(bytes, "byte"));
        let message = format!("\"{name}\" claims {claimed}, but {packed} of the file cannot hold them");
        return Err(WeightsError::new(message, "the file is damaged, or made to do harm"));
    }
    // some writers write the local header before they know the sizes and the checksum: they write 0 there, and the values after the data
    let is_streamed = header.flags & SIZES_AFTER_DATA != 0 && local_header.crc == 0 && local_header.sizes.iter().all(|&size| size == 0);
    if local_header != (if is_streamed { EntryHeader { crc: 0, sizes: [0; 2], ..header } } else { header }) {
        return Err(damaged(&format!("the zip directory and the header of \"{name}\" disagree")));
    }
    // the checksum of the directory record
    let crc = read_le::<4>(bytes, at + 16).and_then(|crc| u32::try_from(crc).ok()).ok_or_else(cut)?;
    Ok((ZipEntry { name, is_deflated, with_header: offset..data.end, data, size, crc }, end + comment_len))
}

/// Returns whether the entry is deflated, or an error if its flags or its method are not supported.
fn is_deflated(header: &EntryHeader<'_>, name: &str) -> Result<bool, WeightsError> {
    if header.flags & ENCRYPTED != 0 {
        return Err(WeightsError::new(format!("\"{name}\" is encrypted"), "save it without a password"));
    }
    if header.flags & !HARMLESS != 0 {
        let message = format!("\"{name}\" has the zip flags {:#06x}, which NumPy and PyTorch do not write", header.flags);
        return Err(WeightsError::new(message, "the file is damaged, or another program has written it"));
    }
    match header.method {
        0 => Ok(false),
        8 => Ok(true),
        method => {
            Err(WeightsError::new(format!("\"{name}\" is compressed by method {method}"), "np.savez and np.savez_compressed can be read"))
        }
    }
}

/// Returns `fields` (the unpacked size, the packed size and the offset) with their real values. If a field is `0xffff_ffff`, its real value has 64 bits and is
/// in the extra field. Returns `None` if the extra field is cut off.
fn widen(extra: &[u8], mut fields: [u64; 3]) -> Option<[u64; 3]> {
    /// The kind of extra field that has values of 64 bits.
    const ZIP64: u64 = 1;
    let mut at = 0;
    while let (Some(kind), Some(length)) = (read_le::<2>(extra, at), read_le::<2>(extra, at + 2)) {
        let length = usize::try_from(length).ok()?;
        let content = extra.get(at + 4..at + 4 + length)?;
        if kind == ZIP64 {
            let mut from = 0;
            for wide in fields.iter_mut().filter(|field| **field == u64::from(u32::MAX)) {
                *wide = read_le::<8>(content, from)?;
                from += 8;
            }
        }
        at += 4 + length;
    }
    Some(fields)
}

impl ZipEntry {
    /// Returns the range of the entry's data in the archive if it is not compressed.
    pub fn stored_range(&self) -> Option<Range<usize>> {
        (!self.is_deflated).then(|| self.data.clone())
    }

    /// Unpacks the first `max_len` bytes of the entry. If the entry is shorter, unpacks all. `bytes` is the whole archive. The checksum is not compared.
    pub fn unpack_beginning<'a>(&self, bytes: &'a [u8], max_len: usize) -> Result<Cow<'a, [u8]>, WeightsError> {
        let packed = &bytes[self.data.clone()];
        let len = max_len.min(self.size);
        if !self.is_deflated {
            return Ok(Cow::Borrowed(&packed[..len]));
        }
        let mut out = vec![0; len];
        let (has_zlib_header, ignores_adler32) = (false, true);
        match decompress_slice_iter_to_slice(&mut out, std::iter::once(packed), has_zlib_header, ignores_adler32) {
            Ok(length) if length == len => Ok(Cow::Owned(out)),
            Err(TINFLStatus::HasMoreOutput) => Ok(Cow::Owned(out)), // the rest is not needed
            _ => Err(self.wrong_checksum()),
        }
    }

    /// Unpacks the whole entry and compares its checksum. `bytes` is the whole archive.
    pub fn unpack<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, WeightsError> {
        let packed = &bytes[self.data.clone()];
        let unpacked = if self.is_deflated {
            if self.size > MAX_BYTES {
                return Err(WeightsError::new(format!("it has {} bytes unpacked, more than 256 MiB", self.size), ""));
            }
            let mut out = vec![0; self.size];
            let (has_zlib_header, ignores_adler32) = (false, true);
            match decompress_slice_iter_to_slice(&mut out, std::iter::once(packed), has_zlib_header, ignores_adler32) {
                Ok(length) if length == self.size => Cow::Owned(out),
                _ => return Err(self.wrong_checksum()),
            }
        } else {
            Cow::Borrowed(packed)
        };
        if crc32fast::hash(&unpacked) == self.crc { Ok(unpacked) } else { Err(self.wrong_checksum()) }
    }

    /// Returns the error for data that does not have its checksum or cannot be unpacked.
    fn wrong_checksum(&self) -> WeightsError {
        WeightsError::new(
            format!("the checksum of \"{}\" does not match its bytes", self.name),
            "the file is damaged: copy or save it again",
        )
    }
}
