//! Reads tensors from the bytes of `.npy`, `.npz`, `.safetensors` and `.pt` files, and writes `.npz`.
//!
//! No header is trusted. Before memory is allocated, the sizes in the header are compared with the size of the file. Otherwise a small damaged file could take
//! all memory of the machine.

mod dtype;
mod foreign;
mod layout;
mod npy;
pub mod npz;
mod pt;
mod safetensors;
mod zip;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

pub use foreign::ForeignFormat;
pub use layout::TensorLayout;

/// The largest total size in bytes of all weight files of a scenario. The tensors that are decoded from them have a separate limit of the same size.
pub const MAX_BYTES: usize = 256 << 20;
/// The largest number of tensors in a file.
pub const MAX_TENSORS: usize = 65_535;

/// An error in a weight file. The texts may contain control characters from the file, so the caller must escape the texts before it shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsError {
    /// The message.
    pub message: String,
    /// The help: what to write instead. It may be empty.
    pub help: String,
}

impl WeightsError {
    /// Makes an error; `help` may be empty.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    /// Writes "in the rows from 3 on, " before the message of an error about `rows` (here `3..`), because the message counts from the first of these rows.
    fn of_rows(self, rows: &Range<usize>) -> Self {
        Self { message: format!("in the rows from {} on, {}", rows.start, self.message), ..self }
    }
}

/// The names of the tensors in a file, without duplicates.
#[derive(Debug)]
pub struct TensorNames {
    list: Vec<String>,
    /// The index of each name in `list`.
    indices: HashMap<String, usize>,
}

impl TensorNames {
    fn new(list: Vec<String>) -> Result<Self, WeightsError> {
        if list.len() > MAX_TENSORS {
            return Err(WeightsError::new(format!("it has {} tensors, but at most {MAX_TENSORS} are read", list.len()), ""));
        }
        let mut indices = HashMap::with_capacity(list.len());
        for (index, name) in list.iter().enumerate() {
            if indices.insert(name.clone(), index).is_some() {
                return Err(WeightsError::new(format!("it has two tensors with the name \"{name}\""), "save each tensor once"));
            }
        }
        Ok(Self { list, indices })
    }

    /// Returns the names in the order of the file.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.list
    }

    /// Returns the index of the tensor with this name, in the order of the file.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.indices.get(name).copied()
    }
}

/// An opened file with tensors. The index of a tensor is its position in [`TensorNames::list`]. The values of a tensor are read only when `bytes` is called.
pub trait Archive: Debug + Send + Sync {
    /// Returns the names of the tensors. Returns `None` if the file is a single tensor without a name, whose index is 0.
    fn names(&self) -> Option<&TensorNames>;

    /// Returns the shape, the number type and the order of a tensor. Checks that they fit the number of the tensor's bytes.
    ///
    /// # Errors
    /// If the description is invalid or contradicts the number of bytes.
    ///
    /// # Panics
    /// If there is no such tensor.
    fn layout(&self, tensor: usize) -> Result<TensorLayout, WeightsError>;

    /// Returns the bytes of the tensor's values, [`TensorLayout::size`] bytes.
    ///
    /// # Errors
    /// If the bytes are damaged.
    ///
    /// # Panics
    /// If there is no such tensor.
    fn bytes(&self, tensor: usize) -> Result<Cow<'_, [u8]>, WeightsError>;
}

/// A function that opens a file from its bytes.
type OpenArchive = fn(Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError>;

/// The file name extensions of [`KINDS`], as a list for messages and helps.
macro_rules! tensor_files {
    () => {
        ".npy, .npz, .safetensors, .pt or .pth"
    };
}
pub(crate) use tensor_files;

/// The file name extensions, each with the function that opens such a file.
const KINDS: [(&str, OpenArchive); 5] =
    [(".npy", npy::open), (".npz", npz::open), (".safetensors", safetensors::open), (".pt", pt::open), (".pth", pt::open)];

/// Returns the function that opens a file with this name.
///
/// # Errors
/// If no format of tensor files has this extension.
pub fn opener(path: &str) -> Result<OpenArchive, WeightsError> {
    let has_extension =
        |end: &str| path.len() >= end.len() && path.as_bytes()[path.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes());
    if let Some((_, open)) = KINDS.iter().find(|(end, _)| has_extension(end)) {
        return Ok(*open);
    }
    let message = format!("\"{path}\" is not a file of tensors that gradstep reads");
    Err(match ForeignFormat::by_name(path) {
        Some(format) => {
            let error = format.error(path);
            WeightsError::new(format!("{message}: {}", error.message), error.help)
        }
        None => WeightsError::new(message, concat!("tensors are read from ", tensor_files!())),
    })
}

/// Opens a file from its name and bytes.
///
/// # Errors
/// If the file is damaged, or has another format than its name says.
pub fn open(path: &str, bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    let open = opener(path)?;
    match ForeignFormat::by_bytes(&bytes) {
        Some(format) => Err(format.error(path)),
        None => open(bytes),
    }
}

/// Reads the little-endian integer of `N` (1, 2, 4 or 8) bytes at `at`. Returns `None` if there are fewer than `N` bytes.
fn read_le<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes: [u8; N] = bytes.get(at..at.checked_add(N)?)?.try_into().ok()?;
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(&bytes);
    Some(u64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::KINDS;

    #[test]
    fn the_list_for_messages_has_all_kinds() {
        let ends: Vec<&str> = KINDS.iter().map(|(end, _)| *end).collect();
        let (last, others) = ends.split_last().expect("kinds");
        assert_eq!(tensor_files!(), format!("{} or {last}", others.join(", ")));
    }
}
