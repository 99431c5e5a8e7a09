//! `.safetensors`: the length of the header in 8 bytes, the header in JSON, then the numbers of all tensors without gaps.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use super::dtype::{Dtype, READ};
use super::{Archive, TensorLayout, TensorNames, WeightsError, read_le};

/// The largest size of a header in bytes, enough for more than the largest number of tensors.
const LONGEST: usize = 16 << 20;

#[derive(Debug)]
struct Safetensors {
    bytes: Vec<u8>,
    infos: Vec<TensorInfo>,
    names: TensorNames,
    /// The byte at which the numbers begin.
    begin: usize,
}

/// The header's description of a tensor.
#[derive(Debug, Deserialize)]
struct TensorInfo {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [usize; 2],
}

/// All tensors of a header, including duplicate names: a map would keep only one of them.
struct TensorInfos(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for TensorInfos {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = TensorInfos;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TensorInfos, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        // the format allows only strings here
                        map.next_value::<HashMap<String, String>>()?;
                    } else {
                        all.push((name, map.next_value()?));
                    }
                }
                Ok(TensorInfos(all))
            }
        }
        deserializer.deserialize_map(All)
    }
}

pub(super) fn open(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, WeightsError> {
    let damaged = |what: String| WeightsError::new(what, "the file is damaged or incomplete");
    let length = read_le::<8>(&bytes, 0).ok_or_else(|| damaged("it is too short for a .safetensors file".to_owned()))?;
    let rest = bytes.len() - 8;
    let Some(length) = usize::try_from(length).ok().filter(|&length| length <= rest) else {
        return Err(damaged(format!("its header claims {length} bytes, but the file has {rest} after its length")));
    };
    if length > LONGEST {
        return Err(WeightsError::new(format!("its header has {length} bytes, but at most 16 MiB are read"), ""));
    }
    let begin = 8 + length;
    // the whole header is checked, because serde does not check the strings that it skips
    let header = str::from_utf8(&bytes[8..begin])
        .map_err(|error| damaged(format!("its header is not that of safetensors: it is not UTF-8 at byte {}", 8 + error.valid_up_to())))?;
    let TensorInfos(all) =
        serde_json::from_str(header).map_err(|error| damaged(format!("its header is not that of safetensors: {error}")))?;
    let (names, infos): (Vec<String>, Vec<TensorInfo>) = all.into_iter().unzip();
    let names = TensorNames::new(names)?;
    check(&names, &infos, bytes.len() - begin)?;
    Ok(Arc::new(Safetensors { bytes, infos, names, begin }))
}

/// Checks the descriptions of all tensors, also of those that are not used: one wrong description means that the file is damaged.
fn check(names: &TensorNames, infos: &[TensorInfo], there: usize) -> Result<(), WeightsError> {
    let mut places: Vec<usize> = (0..infos.len()).collect();
    places.sort_unstable_by_key(|&place| infos[place].data_offsets);
    let mut filled = 0;
    for place in places {
        let TensorInfo { dtype, shape, data_offsets: [from, to] } = &infos[place];
        let damaged =
            |what: String| WeightsError::new(format!("its tensor \"{}\" {what}", names.list()[place]), "the file is damaged or incomplete");
        if *from != filled || to < from {
            return Err(damaged(format!("overlaps another or leaves a gap, at byte {filled} of the numbers")));
        }
        let Some(bits) = bits(dtype) else {
            return Err(damaged(format!("has the type {dtype:?}, which safetensors does not have")));
        };
        let claimed = shape.iter().try_fold(bits, |bits, &n| bits.checked_mul(n));
        if claimed != (to - from).checked_mul(8).and_then(|bits| bits.try_into().ok()) {
            let sizes: Vec<String> = shape.iter().map(u64::to_string).collect();
            return Err(damaged(format!("has the shape [{}] of {dtype}, but {} bytes of numbers", sizes.join(", "), to - from)));
        }
        filled = *to;
    }
    if filled != there {
        return Err(WeightsError::new(
            format!("its header claims {filled} bytes of numbers, but there are {there}"),
            "the file is damaged or incomplete",
        ));
    }
    Ok(())
}

/// Returns the number of bits of a type; `None` if safetensors has no such type.
fn bits(dtype: &str) -> Option<u64> {
    if let Some(dtype) = Dtype::safetensors(dtype) {
        return Some(8 * dtype.size() as u64);
    }
    UNREAD.iter().find(|(name, _)| *name == dtype).map(|(_, bits)| *bits)
}

/// The types of the format that are not read, with their bits. Other tensors of such a file are read.
const UNREAD: [(&str, u64); 9] = [
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
    fn range(&self, place: usize) -> Range<usize> {
        let [from, to] = self.infos[place].data_offsets;
        self.begin + from..self.begin + to
    }
}

impl Archive for Safetensors {
    fn names(&self) -> Option<&TensorNames> {
        Some(&self.names)
    }

    fn layout(&self, place: usize) -> Result<TensorLayout, WeightsError> {
        let TensorInfo { dtype, shape, .. } = &self.infos[place];
        let Some(dtype) = Dtype::safetensors(dtype) else {
            return Err(WeightsError::new(format!("its numbers have the type {dtype:?}"), format!("bf16, {READ}")));
        };
        TensorLayout::new(shape, dtype, false, false, self.range(place).len())
    }

    fn bytes(&self, place: usize) -> Result<Cow<'_, [u8]>, WeightsError> {
        Ok(Cow::Borrowed(&self.bytes[self.range(place)]))
    }
}
