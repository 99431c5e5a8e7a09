//! Tensors from weight files: `{ file = "weights.npz", key = "conv1.weight" }`.

use std::fmt::{self, Debug};
use std::sync::Arc;

use super::excerpt::{cut_at_word, quoted};
use super::reader::{ScenarioReader, Span, TomlTable};
use crate::op::layer::Reported;
use crate::tensor::len;
use crate::weights::{Archive, TensorLayout, TensorNames, WeightsError};
use crate::words::suggest;

/// The largest width in cells of an error message of a weight file, which may quote the file.
const QUOTED: usize = 380;
/// The largest number of keys in a list.
const LISTED: usize = 12;

/// The keys of a tensor from a file.
pub(super) const KEYS: &[&str] = &["file", "key"];

/// A tensor in a weight file, before its numbers are read.
#[derive(Clone)]
pub(super) struct StoredTensor {
    archive: Arc<dyn Archive>,
    place: usize,
    layout: TensorLayout,
    /// The tensor's name in messages.
    label: String,
    span: Span,
}

impl Debug for StoredTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTensor").field("label", &self.label).field("layout", &self.layout).finish_non_exhaustive()
    }
}

fn fault(reader: &mut ScenarioReader, span: Span, wrong: &WeightsError) -> Reported {
    reader.fault(span, cut_at_word(&wrong.message, QUOTED), cut_at_word(&wrong.help, QUOTED))
}

impl StoredTensor {
    /// Finds the tensor that a table `{ file = … }` names, and reports the table's errors.
    pub fn read(reader: &mut ScenarioReader, key: &str, table: &TomlTable<'_>, span: &Span) -> Result<Self, Reported> {
        if reader.full() {
            return Err(Reported);
        }
        let (path, name) = (reader.string(table, "file")?, reader.string(table, "key")?);
        let Some((path, path_span)) = path else { return Err(Reported) };
        let opened = reader.archives.opened.get(path).cloned();
        let archive = opened.unwrap_or_else(|| {
            let archive = reader.archives.open(path).map_err(|wrong| fault(reader, path_span.clone(), &wrong));
            reader.archives.opened.insert(path.to_owned(), archive.clone());
            archive
        })?;
        let (place, label, span) = match (archive.names(), name) {
            (None, None) => (0, quoted(path), path_span),
            (None, Some((_, span))) => {
                return Err(reader.fault(span, format!("{} is one tensor and has no keys", quoted(path)), "leave key out"));
            }
            (Some(names), None) => {
                let message = format!("{key} needs key = …: {} holds tensors by name", quoted(path));
                return Err(reader.fault(span.clone(), message, listed(names)));
            }
            (Some(names), Some((name, span))) => match names.find(name) {
                Some(place) => (place, format!("{} in {}", quoted(name), quoted(path)), span),
                None => return Err(missing(reader, span, name, path, names)),
            },
        };
        let layout = archive.layout(place).map_err(|wrong| unreadable(reader, &span, &label, &wrong))?;
        Ok(Self { archive, place, layout, label, span })
    }

    /// Returns the tensor's shape.
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// Reads the numbers in row-major order. The caller has claimed their memory.
    pub fn fill(&self, reader: &mut ScenarioReader) -> Result<Vec<f64>, Reported> {
        let Some(left) = reader.archives.unpacked.checked_sub(self.layout.size()) else {
            return Err(reader.fault(self.span.clone(), "with this tensor, the tensors from files take more than 256 MiB", ""));
        };
        reader.archives.unpacked = left;
        if reader.defers(len(self.shape())) {
            return Ok(vec![0.0; len(self.shape())]);
        }
        let numbers = self.archive.bytes(self.place).and_then(|bytes| self.layout.numbers(&bytes));
        numbers.map_err(|wrong| unreadable(reader, &self.span, &self.label, &wrong))
    }
}

fn unreadable(reader: &mut ScenarioReader, span: &Span, label: &str, wrong: &WeightsError) -> Reported {
    let wrong = WeightsError::new(format!("{label} cannot be read: {}", wrong.message), wrong.help.clone());
    fault(reader, span.clone(), &wrong)
}

fn missing(reader: &mut ScenarioReader, span: Span, name: &str, path: &str, names: &TensorNames) -> Reported {
    let nearest = suggest::nearest(name, names.list().iter().map(String::as_str));
    let nearest = nearest.map_or_else(String::new, |nearest| suggest::question(nearest) + " ");
    let message = format!("there is no {} in {}", quoted(name), quoted(path));
    fault(reader, span, &WeightsError::new(message, format!("{nearest}{}", listed(names))))
}

/// Returns a help line that lists the first keys of a file.
fn listed(names: &TensorNames) -> String {
    let (list, more) = names.list().split_at(names.list().len().min(LISTED));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let list: Vec<String> = list.iter().map(|name| quoted(name)).collect();
    if list.is_empty() { "it holds no tensors".to_owned() } else { format!("it holds {}{more}", list.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::scenario::archives::Files;
    use crate::scenario::{Limits, Source, read_beside};

    /// A file with two tensors, together too large for the first pass. The second tensor ends with `last`.
    #[derive(Debug)]
    struct Two {
        last: f32,
        read: AtomicUsize,
    }

    const ENTRIES: usize = 600_000;

    impl Files for Two {
        fn read(&self, _: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
            self.read.fetch_add(1, Ordering::Relaxed);
            let (size, end) = (4 * ENTRIES, 8 * ENTRIES);
            let info = |from: usize| format!("{{\"dtype\":\"F32\",\"shape\":[{ENTRIES}],\"data_offsets\":[{from},{}]}}", from + size);
            let header = format!("{{\"a\":{},\"b\":{}}}", info(0), info(size));
            let mut bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; end]].concat();
            let last = bytes.len() - 4;
            bytes[last..].copy_from_slice(&self.last.to_le_bytes());
            Ok(bytes)
        }
    }

    #[test]
    fn a_scenario_beyond_the_memory_limit_is_refused_before_numbers_are_read() {
        let read_file = |last: f32, memory: u64| {
            let files = Arc::new(Two { last, read: AtomicUsize::new(0) });
            let sample = |key: &str| format!("[[sample]]\ninput = {{ file = \"x.safetensors\", key = \"{key}\" }}\ntarget = 0\n");
            let layers = "[[layer]]\ntype = \"activation\"\nfunction = \"relu\"\n[[layer]]\ntype = \"flatten\"\n";
            let text = format!("title = \"t\"\nloss = \"squared_error\"\n{}{}{layers}", sample("a"), sample("b"));
            let source = Source { name: "t".into(), path_shown: "t".into(), text };
            let scenario = read_beside(source, Limits { memory }, files.clone());
            let last = scenario.map(|scenario| scenario.samples[1].input.as_ref().and_then(|input| input.last().copied()));
            let faults = |faults: crate::scenario::Faults| faults.faults().iter().map(|fault| fault.message.clone()).collect::<Vec<_>>();
            (last.map_err(faults), files.read.load(Ordering::Relaxed))
        };
        assert_eq!(read_file(2.5, 1 << 30), (Ok(Some(2.5)), 1));
        let (nan, _) = read_file(f32::NAN, 1 << 30);
        assert!(nan.as_ref().is_err_and(|faults| faults.len() == 1 && faults[0].contains("NaN")), "{nan:?}");
        let (refused, _) = read_file(f32::NAN, 30 << 20);
        assert!(refused.as_ref().is_err_and(|faults| faults.len() == 1 && faults[0].contains("the limit is")), "{refused:?}");
    }
}
