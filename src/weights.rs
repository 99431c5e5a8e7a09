//! Floor 0: tensors in the bytes of `.npy`, `.npz` and `.safetensors` files, and back.
//!
//! No header is trusted: what it claims is compared with the bytes that are there before anything is allocated.

mod dtype;
mod layout;
mod npy;
pub mod npz;
mod safetensors;
mod zip;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

pub use layout::TensorLayout;

/// Files with weights have at most so many bytes in all; so have the tensors that are unpacked from them.
pub const MAX_BYTES: usize = 256 << 20;
/// A file holds at most so many tensors.
const MAX_TENSORS: usize = 65_535;

/// What is wrong with a file, unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsError {
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
}

impl WeightsError {
    /// A fault with a help line, which may be empty.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// The names of the tensors in a file; each is there once.
#[derive(Debug)]
pub struct TensorNames {
    list: Vec<String>,
    places: HashMap<String, usize>,
}

impl TensorNames {
    fn new(list: Vec<String>) -> Result<Self, WeightsError> {
        if list.len() > MAX_TENSORS {
            return Err(WeightsError::new(format!("it has {} tensors, but at most {MAX_TENSORS} are read", list.len()), ""));
        }
        let mut places = HashMap::with_capacity(list.len());
        for (place, name) in list.iter().enumerate() {
            if places.insert(name.clone(), place).is_some() {
                return Err(WeightsError::new(format!("it has two tensors with the name \"{name}\""), "save each tensor once"));
            }
        }
        Ok(Self { list, places })
    }

    /// The names in the order of the file.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.list
    }

    /// The place of the tensor with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

/// A file with tensors. Only its table of contents has been read.
pub trait Archive: Debug + Send + Sync {
    /// The names; `None` when the file is one tensor without a name, at place 0.
    fn names(&self) -> Option<&TensorNames>;

    /// The shape and type of the tensor at a place, checked against the read_le of its bytes.
    ///
    /// # Errors
    /// When its description is wrong, or not true.
    ///
    /// # Panics
    /// When there is no such place.
    fn layout(&self, place: usize) -> Result<TensorLayout, WeightsError>;

    /// The bytes of its numbers, as many as the layout says.
    ///
    /// # Errors
    /// When they are damaged.
    ///
    /// # Panics
    /// When there is no such place.
    fn bytes(&self, place: usize) -> Result<Cow<'_, [u8]>, WeightsError>;
}

type Open = fn(Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError>;

/// How a file's name ends, and what reads it.
const KINDS: [(&str, Open); 3] = [(".npy", npy::open), (".npz", npz::open), (".safetensors", safetensors::open)];

/// What reads a file of this name.
///
/// # Errors
/// When its ending says that it holds no tensors.
pub fn kind(path: &str) -> Result<Open, WeightsError> {
    let ends = |end: &str| path.len() >= end.len() && path.as_bytes()[path.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes());
    if let Some((_, open)) = KINDS.iter().find(|(end, _)| ends(end)) {
        return Ok(*open);
    }
    let pickled = [".pt", ".pth", ".bin", ".pkl", ".ckpt"].into_iter().any(ends);
    let help = if pickled {
        "a pickle can run code, so it is never opened; save the state_dict with np.savez or safetensors (docs/pytorch.md)"
    } else {
        "tensors are read from .npy, .npz and .safetensors"
    };
    Err(WeightsError::new(format!("\"{path}\" is no file with tensors that gradstep reads"), help))
}

/// The integer in two, four or eight bytes at a place, little-endian.
fn read_le<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes: [u8; N] = bytes.get(at..at.checked_add(N)?)?.try_into().ok()?;
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(&bytes);
    Some(u64::from_le_bytes(wide))
}
