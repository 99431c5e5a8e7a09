//! `.safetensors`: the length of a JSON header, the header, then the numbers of all tensors without a gap.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::dtype::{Dtype, READ};
use super::{Archive, Layout, Names, Wrong, number};

/// A header is at most so long: room for more tensors than are read.
const LONGEST: usize = 16 << 20;

#[derive(Debug)]
struct Safetensors {
    bytes: Vec<u8>,
    infos: Vec<Info>,
    names: Names,
    /// Where the numbers begin.
    begin: usize,
}

/// What the header says of a tensor.
#[derive(Debug, Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [usize; 2],
}

/// All tensors of a header, a name that is there twice too: a map would keep one of them.
struct Infos(Vec<(String, Info)>);

impl<'de> Deserialize<'de> for Infos {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Infos;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Infos, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        all.push((name, map.next_value()?));
                    }
                }
                Ok(Infos(all))
            }
        }
        deserializer.deserialize_map(All)
    }
}

pub(super) fn open(bytes: Vec<u8>) -> Result<Arc<dyn Archive>, Wrong> {
    let damaged = |what: String| Wrong::new(what, "the file is damaged or incomplete");
    let length = number::<8>(&bytes, 0).ok_or_else(|| damaged("it is too short for a .safetensors file".to_owned()))?;
    let rest = bytes.len() - 8;
    let Some(length) = usize::try_from(length).ok().filter(|&length| length <= rest) else {
        return Err(damaged(format!("its header claims {length} bytes, but the file has {rest} after its length")));
    };
    if length > LONGEST {
        return Err(Wrong::new(format!("its header has {length} bytes, but at most 16 MiB are read"), ""));
    }
    let begin = 8 + length;
    let Infos(all) =
        serde_json::from_slice(&bytes[8..begin]).map_err(|error| damaged(format!("its header is not that of safetensors: {error}")))?;
    let (names, infos): (Vec<String>, Vec<Info>) = all.into_iter().unzip();
    let names = Names::new(names)?;
    let mut places: Vec<[usize; 2]> = infos.iter().map(|info| info.data_offsets).collect();
    places.sort_unstable();
    let mut filled = 0;
    for [from, to] in places {
        if from != filled || to < from {
            return Err(damaged(format!("its tensors overlap or leave a gap, at byte {filled} of the numbers")));
        }
        filled = to;
    }
    if filled != bytes.len() - begin {
        return Err(damaged(format!("its header claims {filled} bytes of numbers, but there are {}", bytes.len() - begin)));
    }
    Ok(Arc::new(Safetensors { bytes, infos, names, begin }))
}

impl Safetensors {
    fn range(&self, place: usize) -> Range<usize> {
        let [from, to] = self.infos[place].data_offsets;
        self.begin + from..self.begin + to
    }
}

impl Archive for Safetensors {
    fn names(&self) -> Option<&Names> {
        Some(&self.names)
    }

    fn layout(&self, place: usize) -> Result<Layout, Wrong> {
        let Info { dtype, shape, .. } = &self.infos[place];
        let Some(dtype) = Dtype::safetensors(dtype) else {
            return Err(Wrong::new(format!("its numbers have the type {dtype:?}"), format!("bf16, {READ}")));
        };
        Layout::new(shape, dtype, false, false, self.range(place).len())
    }

    fn bytes(&self, place: usize) -> Result<Cow<'_, [u8]>, Wrong> {
        Ok(Cow::Borrowed(&self.bytes[self.range(place)]))
    }
}
