//! `.pt` and `.pth`, the files of `torch.save`. Nothing in such a file is run: [`pickle`] reads the descriptions of tensors, and refuses everything else.
//!
//! Since PyTorch 1.6 a file is a zip archive. `NAME/data.pkl` is a pickle that describes the tensors, `NAME/data/0` has the numbers of storage 0, and
//! `NAME/byteorder` has the order of their bytes. An older file begins with five pickles: a magic number, a version, facts about the machine, the tensors, the
//! keys of the storages. The storages follow, each as its number of elements in 8 bytes, and then its elements.
//!
//! A tensor is a view of a storage: entry `[i, j]` is the number at `offset + i · strides[0] + j · strides[1]`. Several tensors may share a storage. A
//! transposed tensor is such a view, with the strides swapped. The name of a tensor consists of the keys of the dictionaries that contain it:
//! `state_dict.0.weight`.

mod dtypes;
mod pickle;
mod values;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use pickle::{Pickle, SAVE_STATE_DICT};
use values::{PickleValue, StorageInfo, StorageView};

use super::dtype::TYPES_READ;
use super::zip::{ZipEntry, entries};
use super::{Archive, MAX_BYTES, MAX_TENSORS, TensorLayout, TensorNames, WeightsError, read_le};
use crate::text::counted;

/// The beginning of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// The beginning of a file without zip: a pickle of PyTorch's magic number.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// The version of the files without zip.
const PROTOCOL: u64 = 1001;
/// The largest depth of nested dictionaries and lists.
const MAX_DEPTH: usize = 32;
/// The largest length in bytes of a tensor's name.
const MAX_NAME: usize = 1000;
/// The largest number of entries of a tensor that has more entries than its storage has bytes. (In an expanded tensor, several entries share a number.)
const MAX_EXPANDED: u64 = 1 << 20;

/// An opened file.
#[derive(Debug)]
struct Pt {
    bytes: Vec<u8>,
    /// The names of the tensors; `None` if the file is a single tensor.
    names: Option<TensorNames>,
    tensors: Vec<StorageView>,
    /// The storages, by the index in [`StorageView::storage`].
    storages: Vec<Arc<Storage>>,
    is_big_endian: bool,
}

/// The numbers of one or more tensors.
#[derive(Debug)]
struct Storage {
    /// The range of its bytes in the file.
    range: Range<usize>,
    /// The entry of the zip archive, with its checksum; `None` in a file without zip.
    entry: Option<ZipEntry>,
    /// The result of comparing the checksum; empty until it is compared.
    checksum: OnceLock<Result<(), WeightsError>>,
}

fn damaged(what: impl Into<String>) -> WeightsError {
    WeightsError::new(what, "the file is damaged or incomplete")
}

/// Opens a `.pt` or `.pth` file.
pub(super) fn open(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    if bytes.starts_with(ZIP) {
        open_zip(bytes)
    } else if bytes.starts_with(MAGIC) {
        open_without_zip(bytes)
    } else {
        Err(WeightsError::new("it is not a file that torch.save has written", "torch.save(model.state_dict(), \"model.pt\") writes one"))
    }
}

fn open_zip(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    let entries = entries(&bytes)?;
    let find = |name: &str| entries.iter().find(|entry| entry.name == name);
    let folder =
        |entry: &ZipEntry| Some(entry.name.strip_suffix("data.pkl")?.to_owned()).filter(|name| name.is_empty() || name.ends_with('/'));
    let Some((pickle_entry, prefix)) = entries.iter().find_map(|entry| Some((entry, folder(entry)?))) else {
        return Err(WeightsError::new("it has no data.pkl", "the file is not one that torch.save has written"));
    };
    if find(&format!("{prefix}constants.pkl")).is_some() {
        let help = "it holds code: in Python, save its tensors alone, torch.save(torch.jit.load(\"model.pt\").state_dict(), \"state.pt\")";
        return Err(WeightsError::new("it is a TorchScript module", help));
    }
    let is_big_endian = match find(&format!("{prefix}byteorder")) {
        Some(entry) => match &*entry.unpack(&bytes)? {
            b"little" => false,
            b"big" => true,
            _ => return Err(damaged("its order of bytes is neither little nor big")),
        },
        None => false,
    };
    let pickle_bytes = pickle_entry.unpack(&bytes)?;
    let pickle = Pickle::read(&pickle_bytes, 0)?;
    let by_name: HashMap<&str, &ZipEntry> = entries.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    if by_name.len() < entries.len() {
        return Err(damaged("it has two files of the same name"));
    }
    // a pickle may describe the same storage several times, once for each of its tensors
    let mut by_key: HashMap<&str, Arc<Storage>> = HashMap::new();
    let mut storages = Vec::with_capacity(pickle.storages.len());
    for info in &pickle.storages {
        let name = format!("{prefix}data/{}", info.key);
        let Some(entry) = by_name.get(name.as_str()) else {
            return Err(damaged(format!("it has no file \"{name}\", which its pickle names")));
        };
        let Some(range) = entry.stored_range() else {
            return Err(WeightsError::new(format!("\"{name}\" is compressed"), "torch.save writes files that are not"));
        };
        let make = || Arc::new(Storage { range, entry: Some((*entry).clone()), checksum: OnceLock::new() });
        let storage = by_key.entry(info.key.as_str()).or_insert_with(make);
        storages.push(Arc::clone(storage));
    }
    let (names, tensors) = tensors(&pickle, &storages)?;
    Ok(Arc::new(Pt { bytes, names, tensors, storages, is_big_endian }))
}

fn open_without_zip(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    let version = Pickle::read(&bytes, MAGIC.len())?;
    if version.root != PickleValue::Integer(PROTOCOL) {
        return Err(WeightsError::new("it has another version than 1001", "load it in Python and save it again"));
    }
    let machine = Pickle::read(&bytes, version.end)?;
    let little_endian_flag = |(key, value): (PickleValue, PickleValue)| (machine.text(key) == Some("little_endian")).then_some(value);
    let is_big_endian = machine.entries(machine.root).into_iter().find_map(little_endian_flag) == Some(PickleValue::Flag(false));
    let pickle = Pickle::read(&bytes, machine.end)?;
    let keys = Pickle::read(&bytes, pickle.end)?;
    let mut infos: HashMap<&str, &StorageInfo> = HashMap::new();
    for info in &pickle.storages {
        let first = infos.entry(info.key.as_str()).or_insert(info);
        if (first.element, first.count) != (info.element, info.count) {
            return Err(damaged(format!("its storage \"{}\" has two sizes", info.key)));
        }
    }
    let mut by_key: HashMap<&str, Arc<Storage>> = HashMap::new();
    let mut at = keys.end;
    for (_, key) in keys.entries(keys.root) {
        let info = keys.text(key).and_then(|key| infos.get(key)).ok_or_else(|| damaged("it has a storage that no tensor has"))?;
        let count = read_le::<8>(&bytes, at).ok_or_else(|| damaged("its storages are cut off"))?;
        let range = info.element.and_then(|element| {
            let length = usize::try_from(count).ok()?.checked_mul(element.size)?;
            (count == info.count).then_some(at + 8..(at + 8).checked_add(length)?)
        });
        let Some(range) = range.filter(|range| range.end <= bytes.len()) else {
            return Err(damaged(format!("its storage \"{}\" claims {}, which it does not have", info.key, counted(count, "number"))));
        };
        at = range.end;
        if by_key.insert(&info.key, Arc::new(Storage { range, entry: None, checksum: OnceLock::new() })).is_some() {
            return Err(damaged(format!("its storage \"{}\" is there twice", info.key)));
        }
    }
    if at != bytes.len() {
        return Err(damaged(format!("its storages end at byte {at}, but it has {}", counted(bytes.len(), "byte"))));
    }
    let find = |info: &StorageInfo| by_key.get(info.key.as_str()).cloned();
    let storages: Option<Vec<Arc<Storage>>> = pickle.storages.iter().map(find).collect();
    let storages = storages.ok_or_else(|| damaged("a tensor has a storage that the file does not have"))?;
    let (names, tensors) = tensors(&pickle, &storages)?;
    Ok(Arc::new(Pt { bytes, names, tensors, storages, is_big_endian }))
}

/// Returns the tensors of a pickle and their names. The names are `None` for a single tensor. Checks that every tensor is within its storage.
fn tensors(pickle: &Pickle<'_>, storages: &[Arc<Storage>]) -> Result<(Option<TensorNames>, Vec<StorageView>), WeightsError> {
    for (info, storage) in pickle.storages.iter().zip(storages) {
        let size = info.element.map_or(1, |element| element.size as u64);
        if info.count.checked_mul(size) != Some(storage.range.len() as u64) {
            let what = format!(
                "its storage \"{}\" claims {} of {}, but has {}",
                info.key,
                counted(info.count, "number"),
                counted(size, "byte"),
                counted(storage.range.len(), "byte")
            );
            return Err(damaged(what));
        }
    }
    let is_single = matches!(pickle.root, PickleValue::Tensor(_));
    let found = if is_single { vec![(String::new(), pickle.root)] } else { named_tensors(pickle)? };
    let mut names = Vec::with_capacity(found.len());
    let mut tensors = Vec::with_capacity(found.len());
    for (name, value) in found {
        let PickleValue::Tensor(number) = value else { continue };
        let info = &pickle.tensors[number as usize];
        check_within_storage(info, &name, storages[info.storage].range.len())?;
        names.push(name);
        tensors.push(info.clone());
    }
    if names.is_empty() {
        return Err(WeightsError::new("it has no tensors", SAVE_STATE_DICT));
    }
    Ok((if is_single { None } else { Some(TensorNames::new(names)?) }, tensors))
}

/// Returns the tensors in the dictionaries and lists of a pickle, with their names, in the order of the pickle. If a dictionary is there twice, or is in
/// itself, it is visited only once.
fn named_tensors(pickle: &Pickle<'_>) -> Result<Vec<(String, PickleValue)>, WeightsError> {
    let mut found = Vec::new();
    // lists and dictionaries are numbered separately, so 0 or 1 stands before the number
    let container = |value| match value {
        PickleValue::Items(number) => Some((0, number)),
        PickleValue::Dictionary(number) => Some((1, number)),
        _ => None,
    };
    let mut visited: std::collections::HashSet<_> = container(pickle.root).into_iter().collect();
    // the containers that are being visited, each with its name, its entries and the index of the next entry
    let mut open = vec![(String::new(), pickle.entries(pickle.root), 0)];
    while let Some((name, entries, next)) = open.last_mut() {
        let Some(&(key, value)) = entries.get(*next) else {
            open.pop();
            continue;
        };
        *next += 1;
        let key = match key {
            PickleValue::Integer(number) => number.to_string(),
            key => match pickle.text(key) {
                Some(key) => key.to_owned(),
                // no name leads to what is under another key; the same container may come again under a key that gives a name
                None => continue,
            },
        };
        let is_tensor = matches!(value, PickleValue::Tensor(_));
        let is_new_container = container(value).is_some_and(|container| visited.insert(container));
        if !is_tensor && container(value).is_none() {
            continue;
        }
        let name = if name.is_empty() { key } else { format!("{name}.{key}") };
        if name.len() > MAX_NAME || found.len() > MAX_TENSORS {
            return Err(WeightsError::new(format!("it has a name of more than {MAX_NAME} bytes, or more than {MAX_TENSORS} tensors"), ""));
        }
        if is_tensor {
            found.push((name, value));
        } else if is_new_container {
            if open.len() >= MAX_DEPTH {
                return Err(WeightsError::new(format!("its dictionaries are nested more than {MAX_DEPTH} deep"), SAVE_STATE_DICT));
            }
            open.push((name, pickle.entries(value), 0));
        }
    }
    Ok(found)
}

/// Checks that a tensor is within its storage of `bytes` bytes, and that it does not have too many entries.
fn check_within_storage(info: &StorageView, name: &str, bytes: usize) -> Result<(), WeightsError> {
    let entries = info.shape.iter().try_fold(1_u64, |entries, &n| entries.checked_mul(n));
    let Some(entries) = entries else { return Err(damaged(format!("its tensor \"{name}\" claims more numbers than any file can hold"))) };
    if entries == 0 {
        return Ok(());
    }
    let last = info.shape.iter().zip(&info.strides).try_fold(info.offset, |at, (&n, &stride)| at.checked_add((n - 1).checked_mul(stride)?));
    let end = last.and_then(|last| last.checked_add(1)?.checked_mul(info.element.size as u64));
    if end.is_none_or(|end| end > bytes as u64) {
        return Err(damaged(format!("its tensor \"{name}\" reaches beyond its storage of {}", counted(bytes, "byte"))));
    }
    if entries > MAX_EXPANDED.max(bytes as u64) || entries.checked_mul(info.element.size as u64).is_none_or(|size| size > MAX_BYTES as u64)
    {
        let message = format!("its tensor \"{name}\" has {}, but its storage only {}", counted(entries, "number"), counted(bytes, "byte"));
        return Err(WeightsError::new(message, "save a copy of it: tensor.clone()"));
    }
    Ok(())
}

impl Archive for Pt {
    fn names(&self) -> Option<&TensorNames> {
        self.names.as_ref()
    }

    fn layout(&self, tensor: usize) -> Result<TensorLayout, WeightsError> {
        let info = &self.tensors[tensor];
        let Some(dtype) = info.element.dtype else {
            return Err(WeightsError::new(
                format!("its numbers have the type {}", info.element.name),
                format!("bf16, {TYPES_READ}: save a copy, tensor.double()"),
            ));
        };
        // `check_within_storage` has limited this product
        let size = info.shape.iter().product::<u64>().saturating_mul(dtype.size() as u64);
        let fortran = false;
        TensorLayout::new(&info.shape, dtype, self.is_big_endian, fortran, usize::try_from(size).unwrap_or(usize::MAX))
    }

    fn bytes(&self, tensor: usize) -> Result<Cow<'_, [u8]>, WeightsError> {
        let info = &self.tensors[tensor];
        let storage = &self.storages[info.storage];
        let compare = || storage.entry.as_ref().map_or(Ok(()), |entry| entry.unpack(&self.bytes).map(drop));
        storage.checksum.get_or_init(compare).clone()?;
        let numbers = &self.bytes[storage.range.clone()];
        let size = info.element.size;
        // `check_within_storage` has compared all positions with the size of the storage
        let (start, positions) = (to_usize(info.offset) * size, StridedPositions::new(info));
        Ok(match positions.contiguous_len() {
            Some(entries) => Cow::Borrowed(&numbers[start..start + entries * size]),
            None => Cow::Owned(positions.flat_map(|at| numbers[at * size..(at + 1) * size].iter().copied()).collect()),
        })
    }
}

/// Converts a position, a size or a stride. Those that are used are small, because a file has at most 256 MiB.
fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The positions of a tensor's entries in its storage, in row-major order.
struct StridedPositions {
    /// The sizes and strides of the axes.
    axes: Vec<(usize, usize)>,
    /// The index of the next entry.
    index: Vec<usize>,
    /// The position of the next entry; `None` after the last.
    next: Option<usize>,
}

impl StridedPositions {
    fn new(info: &StorageView) -> Self {
        let axes: Vec<(usize, usize)> = info.shape.iter().zip(&info.strides).map(|(&n, &stride)| (to_usize(n), to_usize(stride))).collect();
        let is_empty = axes.iter().any(|(n, _)| *n == 0);
        Self { index: vec![0; axes.len()], axes, next: (!is_empty).then(|| to_usize(info.offset)) }
    }

    /// Returns the number of entries, if there are any and they are neighbours in row-major order: the stride of an axis is the product of the sizes of the
    /// later axes.
    fn contiguous_len(&self) -> Option<usize> {
        // the offset of a tensor without entries may be beyond its storage
        self.next?;
        self.axes.iter().rev().try_fold(1, |inner, &(n, stride)| (n == 1 || stride == inner).then_some(inner * n))
    }
}

impl Iterator for StridedPositions {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let current = self.next?;
        let mut at = current;
        for (index, &(n, stride)) in self.index.iter_mut().zip(&self.axes).rev() {
            if *index + 1 < n {
                *index += 1;
                self.next = Some(at + stride);
                return Some(current);
            }
            // this axis begins again at 0, and the axis before it advances
            at -= *index * stride;
            *index = 0;
        }
        self.next = None;
        Some(current)
    }
}
