//! `.safetensors`, Hugging Face's format for tensors. A file has the length of the header in 8 bytes, the header in JSON, and then the numbers of all tensors
//! without gaps. The header has a description of each tensor: `{"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use super::dtype::{Dtype, TYPES_READ};
use super::{Archive, TensorLayout, TensorNames, WeightsError, read_le};
use crate::text::counted;

/// The largest length in bytes of a header that is read: about 250 bytes for each of the [`MAX_TENSORS`](super::MAX_TENSORS) tensors.
const MAX_HEADER: usize = 16 << 20;

/// An opened `.safetensors` file.
#[derive(Debug)]
struct Safetensors {
    bytes: Vec<u8>,
    infos: Vec<HeaderTensor>,
    names: TensorNames,
    /// The position of the first number.
    data_start: usize,
}

/// The header's description of a tensor.
#[derive(Debug, Deserialize)]
struct HeaderTensor {
    dtype: String,
    shape: Vec<u64>,
    /// The range of the tensor's bytes, counted from `data_start`.
    data_offsets: [usize; 2],
}

/// The names and descriptions of all tensors in a header. They are in a list: a map would keep only one of two equal names, and duplicate names must be
/// reported.
struct TensorInfos(Vec<(String, HeaderTensor)>);

impl<'de> Deserialize<'de> for TensorInfos {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = TensorInfos;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TensorInfos, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        // the values are not used; but if a value is not a string, the file is invalid
                        map.next_value::<HashMap<String, String>>()?;
                    } else {
                        all.push((name, map.next_value()?));
                    }
                }
                Ok(TensorInfos(all))
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// Opens a `.safetensors` file.
pub(super) fn open(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    let damaged = |what: String| WeightsError::new(what, "the file is damaged or incomplete");
    let length = read_le::<8>(&bytes, 0).ok_or_else(|| damaged("it is too short for a .safetensors file".to_owned()))?;
    let remaining = bytes.len() - 8;
    let Some(length) = usize::try_from(length).ok().filter(|&length| length <= remaining) else {
        return Err(damaged(format!("its header claims {}, but the file has {remaining} after its length", counted(length, "byte"))));
    };
    if length > MAX_HEADER {
        return Err(WeightsError::new(format!("its header has {length} bytes, but at most 16 MiB are read"), ""));
    }
    let data_start = 8 + length;
    // the whole header must be UTF-8; serde does not check the strings that it skips
    let header = str::from_utf8(&bytes[8..data_start])
        .map_err(|error| damaged(format!("its header is not that of safetensors: it is not UTF-8 at byte {}", 8 + error.valid_up_to())))?;
    let TensorInfos(all) =
        serde_json::from_str(header).map_err(|error| damaged(format!("its header is not that of safetensors: {error}")))?;
    let (names, infos): (Vec<String>, Vec<HeaderTensor>) = all.into_iter().unzip();
    let names = TensorNames::new(names)?;
    check_infos(&names, &infos, bytes.len() - data_start)?;
    Ok(Arc::new(Safetensors { bytes, infos, names, data_start }))
}

/// Checks the descriptions of all tensors, also of those that the scenario does not use: if one description is wrong, the file is damaged. Together, the
/// tensors must cover all `data_len` bytes after the header, without overlaps and gaps.
fn check_infos(names: &TensorNames, infos: &[HeaderTensor], data_len: usize) -> Result<(), WeightsError> {
    // the indices of the tensors, in the order of their bytes
    let mut by_offset: Vec<usize> = (0..infos.len()).collect();
    by_offset.sort_unstable_by_key(|&tensor| infos[tensor].data_offsets);
    // the number of bytes of the tensors before the current one, so the current one must begin here
    let mut covered = 0;
    for tensor in by_offset {
        let HeaderTensor { dtype, shape, data_offsets: [from, to] } = &infos[tensor];
        let damaged = |what: String| {
            WeightsError::new(format!("its tensor \"{}\" {what}", names.list()[tensor]), "the file is damaged or incomplete")
        };
        if *from != covered || to < from {
            return Err(damaged(format!("overlaps another or leaves a gap, at byte {covered} of the numbers")));
        }
        let Some(bits_of_number) = bits(dtype) else {
            return Err(damaged(format!("has the type {dtype:?}, which safetensors does not have")));
        };
        let bits_of_shape = shape.iter().try_fold(bits_of_number, |bits, &n| bits.checked_mul(n));
        // the sizes are compared in bits, because some types have less than a byte
        if bits_of_shape != (to - from).checked_mul(8).and_then(|bits| bits.try_into().ok()) {
            let sizes: Vec<String> = shape.iter().map(u64::to_string).collect();
            return Err(damaged(format!("has the shape [{}] of {dtype}, but {} of numbers", sizes.join(", "), counted(to - from, "byte"))));
        }
        covered = *to;
    }
    if covered != data_len {
        return Err(WeightsError::new(
            format!("its header claims {} of numbers, but the file has {data_len}", counted(covered, "byte")),
            "the file is damaged or incomplete",
        ));
    }
    Ok(())
}

/// Returns the number of bits of one number of a type; `None` if safetensors has no such type.
fn bits(dtype: &str) -> Option<u64> {
    if let Some(dtype) = Dtype::safetensors(dtype) {
        return Some(8 * dtype.size() as u64);
    }
    UNREADABLE_TYPES.iter().find(|(name, _)| *name == dtype).map(|(_, bits)| *bits)
}

/// The types of the format that gradstep does not read, each with the number of bits of one number. A file may have tensors of these types, if the scenario
/// does not use them.
const UNREADABLE_TYPES: [(&str, u64); 9] = [
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("F8_E4M3", 8),
    ("F8_E5M2", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("C64", 64),
];

impl Safetensors {
    /// Returns the range of a tensor's bytes in the file.
    fn range(&self, tensor: usize) -> Range<usize> {
        let [from, to] = self.infos[tensor].data_offsets;
        self.data_start + from..self.data_start + to
    }
}

impl Archive for Safetensors {
    fn names(&self) -> Option<&TensorNames> {
        Some(&self.names)
    }

    fn layout(&self, tensor: usize) -> Result<TensorLayout, WeightsError> {
        let HeaderTensor { dtype, shape, .. } = &self.infos[tensor];
        let Some(dtype) = Dtype::safetensors(dtype) else {
            return Err(WeightsError::new(
                format!("its numbers have the type {dtype:?}"),
                format!("bf16, {TYPES_READ}: save a copy, tensor.double()"),
            ));
        };
        let (big_endian, fortran) = (false, false);
        TensorLayout::new(shape, dtype, big_endian, fortran, self.range(tensor).len())
    }

    fn bytes(&self, tensor: usize) -> Result<Cow<'_, [u8]>, WeightsError> {
        Ok(Cow::Borrowed(&self.bytes[self.range(tensor)]))
    }
}
