//! Tensors from weight files: `{ file = "weights.npz", key = "conv1.weight" }`.

use std::fmt::{self, Debug};
use std::sync::Arc;

use super::excerpt::{cut_at_word, quoted};
use super::reader::{ScenarioReader, Span, TomlTable};
use crate::op::layer::Reported;
use crate::tensor::len;
use crate::weights::{Archive, TensorLayout, TensorNames, WeightsError};
use crate::words::suggest;

/// The largest width in terminal cells of an error message about a weight file. The message may quote the file, whose texts can be long.
const MAX_WIDTH: usize = 380;
/// The largest number of tensor names that a help text lists.
const MAX_LISTED: usize = 12;

/// The keys of `{ file = … }`.
pub(super) const KEYS: &[&str] = &["file", "key"];

/// A tensor in a weight file. Its shape is known; its numbers are read by [`Self::fill`].
#[derive(Clone)]
pub(super) struct StoredTensor {
    archive: Arc<dyn Archive>,
    /// The index of the tensor in the file.
    index: usize,
    layout: TensorLayout,
    /// The tensor's name in messages: `"conv1.weight" in "weights.npz"`.
    label: String,
    /// The position for messages: the value of `key`, or of `file` if the file is a single tensor.
    span: Span,
}

impl Debug for StoredTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTensor").field("label", &self.label).field("layout", &self.layout).finish_non_exhaustive()
    }
}

fn report(reader: &mut ScenarioReader, span: Span, error: &WeightsError) -> Reported {
    reader.report(span, cut_at_word(&error.message, MAX_WIDTH), cut_at_word(&error.help, MAX_WIDTH))
}

impl StoredTensor {
    /// Finds the tensor that a table `{ file = … }` names, and reports the table's errors. `owner` is the name of the scenario's tensor in messages, such as
    /// `weight of fc1`. `span` is the position of the table.
    pub fn read(reader: &mut ScenarioReader, owner: &str, table: &TomlTable<'_>, span: &Span) -> Result<Self, Reported> {
        if reader.is_full() {
            return Err(Reported);
        }
        let (path, name) = (reader.string(table, "file")?, reader.string(table, "key")?);
        let Some((path, path_span)) = path else { return Err(Reported) };
        let opened = reader.archives.opened.get(path).cloned();
        let archive = opened.unwrap_or_else(|| {
            let archive = reader.archives.open(path).map_err(|error| report(reader, path_span.clone(), &error));
            reader.archives.opened.insert(path.to_owned(), archive.clone());
            archive
        })?;
        let (index, label, span) = match (archive.names(), name) {
            (None, None) => (0, quoted(path), path_span),
            (None, Some((_, span))) => {
                return Err(reader.report(span, format!("{} is one tensor and has no keys", quoted(path)), "leave key out"));
            }
            (Some(names), None) => {
                let message = format!("{owner} needs key = …: {} holds tensors by name", quoted(path));
                return Err(reader.report(span.clone(), message, listed(names)));
            }
            (Some(names), Some((name, span))) => match names.find(name) {
                Some(index) => (index, format!("{} in {}", quoted(name), quoted(path)), span),
                None => return Err(report_missing(reader, span, name, path, names)),
            },
        };
        let layout = archive.layout(index).map_err(|error| report_unreadable(reader, &span, &label, &error))?;
        Ok(Self { archive, index, layout, label, span })
    }

    /// Returns the tensor's shape.
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// Reads the numbers in row-major order. The caller must have claimed their memory. The first pass over the file returns zeros if there are too many
    /// numbers.
    pub fn fill(&self, reader: &mut ScenarioReader) -> Result<Vec<f64>, Reported> {
        let Some(left) = reader.archives.decodable_bytes.checked_sub(self.layout.size()) else {
            return Err(reader.report(self.span.clone(), "with this tensor, the tensors from files take more than 256 MiB", ""));
        };
        reader.archives.decodable_bytes = left;
        if reader.defer(len(self.shape())) {
            return Ok(vec![0.0; len(self.shape())]);
        }
        let numbers = self.archive.bytes(self.index).and_then(|bytes| self.layout.numbers(&bytes));
        numbers.map_err(|error| report_unreadable(reader, &self.span, &self.label, &error))
    }
}

fn report_unreadable(reader: &mut ScenarioReader, span: &Span, label: &str, error: &WeightsError) -> Reported {
    let error = WeightsError::new(format!("{label} cannot be read: {}", error.message), error.help.clone());
    report(reader, span.clone(), &error)
}

fn report_missing(reader: &mut ScenarioReader, span: Span, name: &str, path: &str, names: &TensorNames) -> Reported {
    let nearest = suggest::nearest(name, names.list().iter().map(String::as_str));
    let nearest = nearest.map_or_else(String::new, |nearest| suggest::did_you_mean(nearest) + " ");
    let message = format!("there is no {} in {}", quoted(name), quoted(path));
    report(reader, span, &WeightsError::new(message, format!("{nearest}{}", listed(names))))
}

/// Returns a help text that lists the first names of tensors in a file.
fn listed(names: &TensorNames) -> String {
    let (list, more) = names.list().split_at(names.list().len().min(MAX_LISTED));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let list: Vec<String> = list.iter().map(|name| quoted(name)).collect();
    if list.is_empty() { "it holds no tensors".to_owned() } else { format!("it holds {}{more}", list.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::scenario::archives::Files;
    use crate::scenario::{Limits, Source, read_with_files};

    /// A file with two tensors `a` and `b`. The last number of `b` is `last`, the others are 0. The two tensors together are too large for the first pass
    /// over the scenario, so the numbers of `b` are read in the second pass.
    #[derive(Debug)]
    struct TwoTensors {
        last: f32,
        /// The number of times that the file was read.
        reads: AtomicUsize,
    }

    const ENTRIES: usize = 600_000;

    impl Files for TwoTensors {
        fn read(&self, _: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            // F32 has 4 bytes
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
            let files = Arc::new(TwoTensors { last, reads: AtomicUsize::new(0) });
            let sample = |key: &str| format!("[[sample]]\ninput = {{ file = \"x.safetensors\", key = \"{key}\" }}\ntarget = 0\n");
            let layers = "[[layer]]\ntype = \"activation\"\nfunction = \"relu\"\n[[layer]]\ntype = \"flatten\"\n";
            let text = format!("title = \"t\"\nloss = \"squared_error\"\n{}{}{layers}", sample("a"), sample("b"));
            let source = Source { name: "t".into(), path_shown: "t".into(), text };
            let scenario = read_with_files(source, Limits { memory }, files.clone());
            let last = scenario.map(|scenario| scenario.samples[1].input.as_ref().and_then(|input| input.last().copied()));
            let faults = |faults: crate::scenario::Faults| faults.faults().iter().map(|fault| fault.message.clone()).collect::<Vec<_>>();
            (last.map_err(faults), files.reads.load(Ordering::Relaxed))
        };
        assert_eq!(read_file(2.5, 1 << 30), (Ok(Some(2.5)), 1));
        // NaN is an error, which is found only if the numbers of `b` are read
        let (nan, _) = read_file(f32::NAN, 1 << 30);
        assert!(nan.as_ref().is_err_and(|faults| faults.len() == 1 && faults[0].contains("NaN")), "{nan:?}");
        // with a limit of 30 MiB, the scenario does not fit: this error comes before the numbers of `b` are read
        let (refused, _) = read_file(f32::NAN, 30 << 20);
        assert!(refused.as_ref().is_err_and(|faults| faults.len() == 1 && faults[0].contains("the limit is")), "{refused:?}");
    }
}
