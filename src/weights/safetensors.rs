//! `.safetensors`: the length of a JSON header, the header, then the numbers of all tensors without a gap.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use super::dtype::{Dtype, READ};
use super::{Archive, TensorLayout, TensorNames, WeightsError, read_le};

/// A header is at most so long: room for more tensors than are read.
const LONGEST: usize = 16 << 20;

#[derive(Debug)]
struct Safetensors {
    bytes: Vec<u8>,
    infos: Vec<TensorInfo>,
    names: TensorNames,
    /// Where the numbers begin.
    begin: usize,
}

/// What the header says of a tensor.
#[derive(Debug, Deserialize)]
struct TensorInfo {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [usize; 2],
}

/// All tensors of a header, a name that is there twice too: a map would keep one of them.
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
                        // strings alone, as the format says: anything else is damage
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
    // as a whole, since serde does not look into what it skips
    let header = str::from_utf8(&bytes[8..begin])
        .map_err(|error| damaged(format!("its header is not that of safetensors: it is not UTF-8 at byte {}", 8 + error.valid_up_to())))?;
    let TensorInfos(all) =
        serde_json::from_str(header).map_err(|error| damaged(format!("its header is not that of safetensors: {error}")))?;
    let (names, infos): (Vec<String>, Vec<TensorInfo>) = all.into_iter().unzip();
    let names = TensorNames::new(names)?;
    check(&names, &infos, bytes.len() - begin)?;
    Ok(Arc::new(Safetensors { bytes, infos, names, begin }))
}

/// Every tensor's claims, of those too that nobody asks for: where one is false, the file is damaged, and what the others claim may be too.
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

/// The bits of a read_le of this type; `None` where safetensors has no such type.
fn bits(dtype: &str) -> Option<u64> {
    if let Some(dtype) = Dtype::safetensors(dtype) {
        return Some(8 * dtype.size() as u64);
    }
    UNREAD.iter().find(|(name, _)| *name == dtype).map(|(_, bits)| *bits)
}

/// The types of the format that are not read, with the bits of a read_le: a file may have them beside those that are.
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
