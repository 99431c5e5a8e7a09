//! Tensors from weight files: `{ file = "weights.npz", key = "conv1.weight" }`.
//!
//! Three keys change the tensor of the file, in this order: `index` takes one row of its first axis, `reshape` gives it another shape, and `permute` gives it
//! another order of axes.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;

use super::excerpt::{cut_at_word, quoted};
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use crate::op::layer::Reported;
use crate::tensor::{len, shape_words};
use crate::text::counted;
use crate::weights::{Archive, TensorLayout, TensorNames, WeightsError};
use crate::words::suggest;

/// The largest width in terminal cells of an error message about a weight file. The message may quote the file, whose texts can be long.
const MAX_WIDTH: usize = 380;
/// The largest number of tensor names that a help text lists.
const MAX_LISTED: usize = 12;

/// The keys of `{ file = … }`.
pub(super) const KEYS: &[&str] = &["file", "key", "index", "reshape", "permute"];

/// A tensor in a weight file. Its shape is known. [`Self::fill`] reads its numbers.
#[derive(Clone)]
pub(super) struct StoredTensor {
    archive: Arc<dyn Archive>,
    /// The index of the tensor in the file.
    tensor_index: usize,
    layout: TensorLayout,
    /// The rows of the first axis that are read; `None` for the whole tensor.
    rows: Option<Range<usize>>,
    /// The shape of the part that is read: these rows, or the whole tensor.
    shape: Vec<usize>,
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
    /// Finds the tensor that a table `{ file = … }` names, and reports the table's faults. `owner` is the name of the scenario's tensor in messages, such as
    /// `weight of fc1`. `table_span` is the position of the table. The second result is the order of axes under the key `permute`.
    pub fn read(
        reader: &mut ScenarioReader,
        owner: &str,
        table: &TomlTable<'_>,
        table_span: &Span,
    ) -> Result<(Self, Option<Vec<usize>>), Reported> {
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
        let (tensor_index, label, span) = match (archive.names(), name) {
            (None, None) => (0, quoted(path), path_span),
            (None, Some((_, span))) => {
                return Err(reader.report(span, format!("{} is one tensor and has no keys", quoted(path)), "leave key out"));
            }
            (Some(names), None) => {
                let message = format!("{owner} needs key = …: {} holds tensors by name", quoted(path));
                return Err(reader.report(table_span.clone(), message, listed(names)));
            }
            (Some(names), Some((name, span))) => match names.find(name) {
                Some(index) => (index, format!("{} in {}", quoted(name), quoted(path)), span),
                None => return Err(report_missing(reader, span, name, path, names)),
            },
        };
        let layout = archive.layout(tensor_index).and_then(|layout| layout.check_not_empty().map(|()| layout));
        let layout = layout.map_err(|error| report_unreadable(reader, &span, &label, &error))?;
        let shape = layout.shape().to_vec();
        let tensor = Self { archive, tensor_index, layout, rows: None, shape, label, span };
        let changed = tensor.apply_keys(reader, table);
        // after a fault in one of these keys, the shape of the tensor is unknown
        changed.ok_or(Reported)
    }

    /// Reads the keys `index`, `reshape` and `permute`. Returns the tensor after `index` and `reshape`, and the order of axes under `permute`. Returns `None`
    /// after a fault.
    fn apply_keys(mut self, reader: &mut ScenarioReader, table: &TomlTable<'_>) -> Option<(Self, Option<Vec<usize>>)> {
        if let Some(value) = table.get("index") {
            let row = reader.size("index", value, 0).ok()?;
            let Some((&count, row_shape)) = self.shape.split_first() else {
                reader.report(value.span(), format!("{} is a single number and has no rows", self.label), "leave index out");
                return None;
            };
            if row >= count {
                let message = format!("{} has {}, so there is no row {row}", self.label, counted(count, "row"));
                reader.report(value.span(), message, format!("rows count from 0: the last is {}", count - 1));
                return None;
            }
            self.rows = Some(row..row + 1);
            self.shape = row_shape.to_vec();
        }
        if let Some(value) = table.get("reshape") {
            let shape = integers(reader, "reshape", value, 1)?;
            if shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)) != Some(len(&self.shape)) {
                let (current, wanted) = (shape_words(&self.shape), shape_words(&shape));
                let message = format!("{} is {current}, which cannot have the shape {wanted}", self.label);
                reader.report(value.span(), message, format!("the sizes must have the product {}", len(&self.shape)));
                return None;
            }
            self.shape = shape;
        }
        let Some(value) = table.get("permute") else { return Some((self, None)) };
        let axes = integers(reader, "permute", value, 0)?;
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if sorted != (0..self.shape.len()).collect::<Vec<_>>() {
            let message = format!("{} is {}, and permute does not have each of its axes once", self.label, shape_words(&self.shape));
            let example: Vec<String> = (0..self.shape.len()).rev().map(|axis| axis.to_string()).collect();
            let axes = counted(self.shape.len(), "axis");
            let help = format!("write its {axes}, counted from 0, in the order that you want: permute = [{}]", example.join(", "));
            reader.report(value.span(), message, help);
            return None;
        }
        Some((self, Some(axes)))
    }

    /// Returns the tensor's shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Warns if this tensor, an input of the network, has bytes from 0 to 255. Most models need pixels between 0 and 1.
    pub fn warn_of_bytes(&self, reader: &mut ScenarioReader) {
        if self.layout.type_name() == "u8" {
            let message = format!("{} has bytes, from 0 to 255", self.label);
            let help =
                "most models were trained on x / 255 or normalised pixels: save what the model reads, such as np.save(\"x.npy\", x / 255)";
            reader.warn(self.span.clone(), message, help);
        }
    }

    /// Changes the shape. The new one has the same number of entries.
    pub fn with_shape(self, shape: Vec<usize>) -> Self {
        debug_assert_eq!(len(&shape), len(&self.shape));
        Self { shape, ..self }
    }

    /// Returns some rows of the first axis. A row has the shape of the tensor without its first axis. Returns `None` if the tensor has fewer rows or is a
    /// single number, or if `index` or `reshape` changed the tensor.
    pub fn rows(&self, rows: Range<usize>) -> Option<Self> {
        let (count, row_shape) = self.shape.split_first()?;
        let is_whole = self.rows.is_none() && self.shape == self.layout.shape();
        let shape = [&[rows.len()], row_shape].concat();
        (is_whole && rows.end <= *count).then(|| Self { rows: Some(rows), shape, ..self.clone() })
    }

    /// Reads the numbers in row-major order. The caller must have claimed their memory. In the first pass over the scenario, returns zeros if
    /// [`ScenarioReader::defer`] says so.
    pub fn fill(&self, reader: &mut ScenarioReader) -> Result<Vec<f64>, Reported> {
        let Some(left) = reader.archives.decodable_bytes.checked_sub(self.layout.size()) else {
            return Err(reader.report(self.span.clone(), "with this tensor, the tensors from files take more than 256 MiB", ""));
        };
        reader.archives.decodable_bytes = left;
        if reader.defer(len(self.shape())) {
            return Ok(vec![0.0; len(self.shape())]);
        }
        let numbers = self.archive.bytes(self.tensor_index).and_then(|bytes| match &self.rows {
            Some(rows) => self.layout.row_numbers(&bytes, rows.clone()),
            None => self.layout.numbers(&bytes),
        });
        numbers.map_err(|error| report_unreadable(reader, &self.span, &self.label, &error))
    }
}

/// Reads an array of integers that are at least `min`; `None` after a fault.
fn integers(reader: &mut ScenarioReader, key: &str, value: &TomlValue<'_>, min: usize) -> Option<Vec<usize>> {
    let DeValue::Array(items) = value.get_ref() else {
        reader.wrong_type(key, value, "an array of integers", &format!("write it as {key} = [0, 1]"));
        return None;
    };
    items.iter().map(|item| reader.size(&format!("an entry of {key}"), item, min).ok()).collect()
}

fn report_unreadable(reader: &mut ScenarioReader, span: &Span, label: &str, error: &WeightsError) -> Reported {
    let error = WeightsError::new(format!("{label} cannot be read: {}", error.message), error.help.clone());
    report(reader, span.clone(), &error)
}

fn report_missing(reader: &mut ScenarioReader, span: Span, name: &str, path: &str, names: &TensorNames) -> Reported {
    let message = format!("there is no {} in {}", quoted(name), quoted(path));
    let all = || names.list().iter().map(String::as_str);
    let is_last_word = |path: &str, word: &str| path.strip_suffix(word).is_some_and(|before| before.ends_with(['.', '/']));
    // `fc1` may be the name of a layer, whose tensors are `fc1.weight` and `fc1.bias`
    let of_layer: Vec<&str> = all().filter(|stored| stored.strip_prefix(name).is_some_and(|after| after.starts_with(['.', '/']))).collect();
    if !of_layer.is_empty() {
        let help = format!("{} is a group of tensors: write the name of one, such as {}", quoted(name), list(&of_layer));
        return report(reader, span, &WeightsError::new(message, help));
    }
    // the file may have the tensors in a dictionary: `state_dict.fc1.weight`
    let in_dictionary = || all().find(|stored| is_last_word(stored, name));
    // the user's name may have a word before it that the file does not have: `model.fc1.weight`
    let without_prefix = || all().find(|stored| is_last_word(name, stored));
    let nearest = in_dictionary().or_else(|| suggest::nearest(name, all())).or_else(without_prefix);
    let nearest = nearest.map_or_else(String::new, |nearest| suggest::did_you_mean(nearest) + " ");
    report(reader, span, &WeightsError::new(message, format!("{nearest}{}", listed(names))))
}

/// Returns a help text that lists the first names of tensors in a file.
fn listed(names: &TensorNames) -> String {
    if names.list().is_empty() { "it holds no tensors".to_owned() } else { format!("it holds {}", list(names.list())) }
}

/// Returns the first of some names as a list, and the number of the others.
fn list(names: &[impl AsRef<str>]) -> String {
    let (first, more) = names.split_at(names.len().min(MAX_LISTED));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let first: Vec<String> = first.iter().map(|name| quoted(name.as_ref())).collect();
    first.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::scenario::archives::Files;
    use crate::scenario::{Limits, Source, read_with_files};

    /// A file with two tensors `a` and `b`. The last number of `b` is `last`, and all other numbers are 0. Together the tensors are too large for the first
    /// pass over the scenario, so the numbers of `b` are read in the second pass.
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

    /// A file with twenty tensors `block.0`, `block.1`, … of one number each.
    #[derive(Debug)]
    struct TwentyTensors;

    impl Files for TwentyTensors {
        fn read(&self, _: &str, _: usize) -> Result<Vec<u8>, WeightsError> {
            let info = |n: usize| format!("\"block.{n}\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{},{}]}}", 4 * n, 4 * n + 4);
            let header = format!("{{{}}}", (0..20).map(info).collect::<Vec<_>>().join(","));
            Ok([&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 80]].concat())
        }
    }

    #[test]
    fn all_tensors_of_a_group_are_counted() {
        for key in ["block", "x"] {
            let text = format!(
                "title = \"t\"\nloss = \"squared_error\"\ninput = {{ file = \"x.safetensors\", key = \"{key}\" }}\ntarget = 0\n[[layer]]\ntype = \"flatten\"\n"
            );
            let source = Source { name: "t".into(), path_shown: "t".into(), text };
            let faults = read_with_files(source, Limits::default(), Arc::new(TwentyTensors)).expect_err("no such tensor");
            let help = &faults.faults()[0].help;
            // twelve of the twenty are listed
            assert!(help.contains("\"block.11\" and 8 more"), "{help}");
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
        // NaN is a fault, but only if the numbers of `b` are read
        let (nan, _) = read_file(f32::NAN, 1 << 30);
        assert!(nan.as_ref().is_err_and(|faults| faults.len() == 1 && faults[0].contains("NaN")), "{nan:?}");
        // with a limit of 30 MiB the scenario is too large, and this fault comes before the numbers of `b` are read
        let (refused, _) = read_file(f32::NAN, 30 << 20);
        assert!(refused.as_ref().is_err_and(|faults| faults.len() == 1 && faults[0].contains("the limit is")), "{refused:?}");
    }
}
