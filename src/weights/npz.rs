//! `.npz`, NumPy's format for several arrays: a zip archive with one `.npy` file for each tensor. The tensor `w` is the file `w.npy`.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

use super::zip::{ZipEntry, entries};
use super::{Archive, MAX_TENSORS, TensorLayout, TensorNames, WeightsError, npy};

/// An opened `.npz` file.
#[derive(Debug)]
struct Npz {
    bytes: Vec<u8>,
    entries: Vec<ZipEntry>,
    names: TensorNames,
}

/// Opens an `.npz` file.
pub(super) fn open(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    let entries = entries(&bytes)?;
    let name = |entry: &ZipEntry| entry.name.strip_suffix(".npy").unwrap_or(&entry.name).to_owned();
    let names = TensorNames::new(entries.iter().map(name).collect())?;
    Ok(Arc::new(Npz { bytes, entries, names }))
}

impl Npz {
    /// Returns the layout of a tensor, and the position of the first number in its unpacked `.npy` file.
    fn header(&self, tensor: usize) -> Result<(TensorLayout, usize), WeightsError> {
        let entry = &self.entries[tensor];
        npy::layout(&entry.unpack_beginning(&self.bytes, npy::BEGINNING)?, entry.size)
    }
}

impl Archive for Npz {
    fn names(&self) -> Option<&TensorNames> {
        Some(&self.names)
    }

    fn layout(&self, tensor: usize) -> Result<TensorLayout, WeightsError> {
        Ok(self.header(tensor)?.0)
    }

    fn bytes(&self, tensor: usize) -> Result<Cow<'_, [u8]>, WeightsError> {
        let (_, data_start) = self.header(tensor)?;
        Ok(match self.entries[tensor].unpack(&self.bytes)? {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[data_start..]),
            Cow::Owned(mut bytes) => {
                bytes.drain(..data_start);
                Cow::Owned(bytes)
            }
        })
    }
}

/// A tensor to write: its name, shape, and numbers in row-major order.
pub type NamedTensor<'a> = (String, &'a [usize], &'a [f64]);

/// Writes an `.npz` file that NumPy can read. The numbers are f64, and not compressed. The bytes depend only on the tensors, because all entries of the archive
/// have the same fixed date.
///
/// # Errors
/// If writing fails, or if the tensors exceed a limit of the format. The limits are 65,534 tensors, and 65,535 bytes for a name with `.npy`. In bytes, 2³² − 2
/// (4 GiB) is the limit for each `.npy` file, for its position, and for the directory at the end.
pub fn write(to: &mut dyn Write, tensors: &[NamedTensor<'_>]) -> io::Result<()> {
    let over_limit = |what: &str| io::Error::other(format!("{what}: too much for an .npz; use --format json"));
    // the largest 16-bit count and the largest 32-bit size are not allowed: in a zip archive they mean that the real value is in another field of 64 bits
    let count = u16::try_from(tensors.len()).ok().filter(|&n| usize::from(n) < MAX_TENSORS);
    let count = count.ok_or_else(|| over_limit(&format!("{} tensors", tensors.len())))?;
    let size = |n: usize| u32::try_from(n).ok().filter(|&n| n < u32::MAX).ok_or_else(|| over_limit("more than 4 GiB"));
    // `directory` is the part of the file after all entries, and `at` is the position in the file of the next entry
    let (mut directory, mut at) = (Vec::new(), 0);
    for (name, shape, values) in tensors {
        let name = format!("{name}.npy");
        let beginning = npy::beginning(shape); // the bytes of the .npy file before its numbers
        let mut crc = crc32fast::Hasher::new();
        crc.update(&beginning);
        values.iter().for_each(|x| crc.update(&x.to_le_bytes()));
        let length = beginning.len() + values.len() * 8;
        // these fields are both in the local header and in the directory: version 2.0; flags: name in UTF-8; method: stored; time 0:00; date 1 January 1980
        let mut shared = Vec::new();
        for field in [20, 1 << 11, 0, 0, 0x21_u16] {
            shared.extend(field.to_le_bytes());
        }
        // checksum; packed size; unpacked size
        for field in [crc.finalize(), size(length)?, size(length)?] {
            shared.extend(field.to_le_bytes());
        }
        // length of the name; length 0 of the extra field
        let name_length = u16::try_from(name.len()).map_err(|_| over_limit("a name of more than 65,535 bytes"))?;
        shared.extend([name_length.to_le_bytes(), [0; 2]].concat());
        let local = [b"PK\x03\x04", &shared[..], name.as_bytes()].concat();
        to.write_all(&local)?;
        to.write_all(&beginning)?;
        // 64 KiB at a time
        for chunk in values.chunks(8192) {
            to.write_all(&chunk.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
        }
        // made by version 2.0; the shared fields; no comment, disk 0, no attributes; the position of the entry
        directory.extend([b"PK\x01\x02", &[20, 0][..], &shared, &[0; 10], &size(at)?.to_le_bytes(), name.as_bytes()].concat());
        at += local.len() + length;
    }
    to.write_all(&directory)?;
    let (position, length) = (size(at)?.to_le_bytes(), size(directory.len())?.to_le_bytes());
    let count = count.to_le_bytes();
    // disk 0 twice; entries on this disk and in total; length and position of the directory; no comment
    to.write_all(&[b"PK\x05\x06", &[0; 4][..], &count, &count, &length, &position, &[0; 2]].concat())
}
