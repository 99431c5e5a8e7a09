//! Reads the tensors of a scenario file. A tensor is written as a number, as nested arrays of numbers, as a rule `{ init = … }`, or as a tensor of a weight
//! file `{ file = … }`.

use toml::de::DeValue;

use super::axes;
use super::excerpt::quoted;
use super::init::{self, Initializer};
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue, type_name};
use super::weight_file::StoredTensor;
use crate::op::layer::{Fan, Reported};
use crate::tensor::{Tensor, aligned, flat, from_flat, len};
use crate::words::{self, Vocabulary};

/// A tensor as the scenario file writes it. Its final shape is decided later: a layer may add dimensions of size 1, and a rule gets its shape from the layer.
#[derive(Clone, Debug)]
pub(super) enum TensorSource<'t, 'i> {
    /// Numbers with their shape.
    Inline { shape: Vec<usize>, data: Vec<f64> },
    /// A rule that makes the numbers.
    Init(Initializer<'t, 'i>),
    /// A tensor in a weight file.
    File(StoredTensor),
    /// A tensor that the file writes with its axes in another order than PyTorch's.
    Permuted(Box<Permuted<'t, 'i>>),
}

/// A tensor that the file writes with its axes in another order than PyTorch's.
#[derive(Clone, Debug)]
pub(super) struct Permuted<'t, 'i> {
    source: TensorSource<'t, 'i>,
    /// The order of axes: axis n of the tensor is axis `axes[n]` in the file.
    axes: Vec<usize>,
    /// The shape of the tensor; `None` for an initializer without the key `shape`.
    shape: Option<Vec<usize>>,
}

/// Adds leading dimensions of size 1 until the shape has `rank` dimensions: `[2, 3]` with rank 3 becomes `[1, 2, 3]`. `None` if the shape has more than `rank`.
pub(super) fn with_rank(shape: &[usize], rank: usize) -> Option<Vec<usize>> {
    let missing = rank.checked_sub(shape.len())?;
    Some(std::iter::repeat_n(1, missing).chain(shape.iter().copied()).collect())
}

/// Removes leading dimensions of size 1 until the shape has `rank` dimensions. For example, a batch of one sample `[1, 3, 4, 4]` becomes `[3, 4, 4]` for rank
/// 3. If the first dimension is not 1, the shape stays as it is.
pub(super) fn without_batch(shape: &[usize], rank: usize) -> &[usize] {
    let extra = shape.len().saturating_sub(rank);
    let removed = shape.iter().take(extra).take_while(|&&n| n == 1).count();
    &shape[removed..]
}

/// Reads the tensor `value` and reports its faults. `label` is the tensor's name in messages, such as `weight of fc1`. If a number has a fault, it is replaced
/// by 0, so that the shape is still returned.
pub(super) fn read_tensor<'t, 'i>(
    reader: &mut ScenarioReader,
    label: &str,
    value: &'t TomlValue<'i>,
) -> Result<TensorSource<'t, 'i>, Reported> {
    match value.get_ref() {
        DeValue::Table(table) => from_table(reader, label, table, value.span()),
        DeValue::Integer(_) | DeValue::Float(_) => {
            Ok(TensorSource::Inline { shape: Vec::new(), data: vec![reader.number(label, value).unwrap_or(0.0)] })
        }
        DeValue::Array(_) => {
            let mut shape = Vec::new();
            let mut inner = value;
            while let DeValue::Array(items) = inner.get_ref() {
                shape.push(items.len());
                // at each depth, the first item decides the shape
                let Some(first) = items.first() else {
                    return Err(reader.report(inner.span(), format!("{label} holds an empty array"), "write at least one number"));
                };
                inner = first;
            }
            let mut data = Vec::new();
            collect(reader, label, value, &shape, &mut data);
            // an array of another length than the first was reported and left out; then numbers are missing
            if data.len() == len(&shape) { Ok(TensorSource::Inline { shape, data }) } else { Err(Reported) }
        }
        // a value of any other type may be the placeholder of a large array that `extract` took out of the text. The array is found by the position of the
        // placeholder
        _ => match reader.arrays.as_mut().and_then(|arrays| arrays.remove(&value.span().start)) {
            Some((shape, data)) => Ok(TensorSource::Inline { shape, data }),
            None => Err(reader.wrong_type(
                label,
                value,
                "a number, nested arrays of numbers, { init = … } or { file = … }",
                &help_for_word(label, value),
            )),
        },
    }
}

/// Returns the help text for a word where a tensor is needed, such as `bias = true` or `weight = "xavier"`. `label` begins with the key: `bias of fc1`.
fn help_for_word(label: &str, value: &TomlValue<'_>) -> String {
    let init_names: Vec<&str> = init::names().collect();
    let key = label.split(' ').next().unwrap_or(label);
    let help_for_key = |word: &str| match key {
        "bias" => {
            // no word of the format can replace this one, so the rows of this vocabulary have only help texts, and there are no candidates
            let (candidates, is_allowed) = (&[], |_: &str| false);
            words::table_help(Vocabulary::Bias, word, candidates, is_allowed).unwrap_or_default()
        }
        "target" => "write its numbers; a class is a number too, counted from 0".to_owned(),
        "input" => "write its numbers, such as input = [0.5, 1]".to_owned(),
        "weight" => "write the numbers, or weight = { init = \"he_normal\", seed = 1 }".to_owned(),
        _ => "write the numbers".to_owned(),
    };
    match value.get_ref() {
        DeValue::Boolean(flag) => help_for_key(if *flag { "true" } else { "false" }),
        DeValue::String(word) => match words::best_match(Vocabulary::InitRule, word, &init_names) {
            Some(name) if init::is_random(name) => format!("write {{ init = \"{name}\", seed = 1 }}"),
            Some(name) => format!("write {{ init = \"{name}\" }}"),
            None if word.ends_with(".npy") => format!("write {{ file = {} }}", quoted(word)),
            None if [".npz", ".safetensors", ".pt", ".pth"].iter().any(|end| word.ends_with(end)) => {
                format!("write {{ file = {}, key = \"…\" }}", quoted(word))
            }
            None => help_for_key(word),
        },
        _ => String::new(),
    }
}

/// Reads the tensor of a table: `{ init = … }` or `{ file = … }`.
fn from_table<'t, 'i>(
    reader: &mut ScenarioReader,
    label: &str,
    table: &'t TomlTable<'i>,
    span: Span,
) -> Result<TensorSource<'t, 'i>, Reported> {
    if table.contains_key("file") {
        let (stored, axes) = StoredTensor::read(reader, label, table, &span)?;
        let source = TensorSource::File(stored);
        return Ok(if let Some(axes) = axes { source.with_axes(&axes) } else { source });
    }
    Initializer::read(reader, label, table, span).map(TensorSource::Init)
}

/// Appends the numbers of `value` to `data`. `value` must be nested arrays of this shape. An inner array of another shape is reported and left out. A value of
/// the wrong type is reported too; if it is in the place of a number, it becomes 0. The TOML parser limits the depth of nesting, and so the depth of this
/// recursion.
fn collect(reader: &mut ScenarioReader, label: &str, value: &TomlValue<'_>, shape: &[usize], data: &mut Vec<f64>) {
    match (value.get_ref(), shape) {
        (DeValue::Array(items), [length, inner_shape @ ..]) => {
            if items.len() != *length {
                let message = format!("{label} is ragged: this array has length {}, the first has length {length}", items.len());
                reader.report(value.span(), message, "all arrays of one depth must be equally long");
                return;
            }
            for item in &items[..] {
                collect(reader, label, item, inner_shape, data);
            }
        }
        (DeValue::Array(_), []) => {
            reader.report(
                value.span(),
                format!("{label} is ragged: an array where the entries before are numbers"),
                "nest all entries equally deep",
            );
        }
        (DeValue::Integer(_) | DeValue::Float(_), [_, ..]) => {
            reader.report(
                value.span(),
                format!("{label} is ragged: a number where the entries before are arrays"),
                "nest all entries equally deep",
            );
        }
        (DeValue::Integer(_) | DeValue::Float(_), []) => data.push(reader.number(label, value).unwrap_or(0.0)),
        (no_number, _) => {
            reader.report(value.span(), format!("{label} may hold only numbers, not {}", type_name(no_number)), "");
            if shape.is_empty() {
                data.push(0.0);
            }
        }
    }
}

impl TensorSource<'_, '_> {
    /// Returns the shape, with the axes in PyTorch's order; `None` for a rule without the key `shape`.
    pub fn shape(&self) -> Option<&[usize]> {
        match self {
            Self::Inline { shape, .. } => Some(shape),
            Self::Init(init) => init.shape.as_deref(),
            Self::File(stored) => Some(stored.shape()),
            Self::Permuted(permuted) => permuted.shape.as_deref(),
        }
    }

    /// Changes the shape. The new one has the same number of entries, in the same row-major order.
    pub fn with_shape(self, new: Vec<usize>) -> Self {
        match self {
            Self::Inline { data, .. } => Self::Inline { shape: new, data },
            Self::File(stored) => Self::File(stored.with_shape(new)),
            Self::Init(mut init) => {
                init.shape = Some(new);
                Self::Init(init)
            }
            // the axes are permuted first, and then the result gets the new shape. So the outer order of axes is 0, 1, 2, …
            Self::Permuted(_) => Self::Permuted(Box::new(Permuted { axes: (0..new.len()).collect(), shape: Some(new), source: self })),
        }
    }

    /// Returns the tensor of the weight file from which the numbers come, if they come from one.
    pub fn stored(&self) -> Option<&StoredTensor> {
        match self {
            Self::File(stored) => Some(stored),
            Self::Permuted(permuted) => permuted.source.stored(),
            Self::Inline { .. } | Self::Init(_) => None,
        }
    }

    /// Returns the tensor with the information that the file writes its axes in the order `axes`. Missing leading dimensions have the size 1. A tensor with
    /// more dimensions stays as it is: the caller reports its shape.
    pub fn with_axes(self, axes: &[usize]) -> Self {
        let shape = match self.shape().map(|shape| with_rank(shape, axes.len())) {
            Some(None) => return self,
            Some(Some(written)) => Some(axes::shape(&written, axes)),
            None => None,
        };
        Self::Permuted(Box::new(Permuted { source: self, axes: axes.to_vec(), shape }))
    }

    /// Returns an image in PyTorch's order of axes, if the file writes images in another order. Any tensor of rank 3 may be an image; one more dimension of
    /// size 1 may count the sample.
    pub fn in_image_layout(self, reader: &ScenarioReader) -> Self {
        let Some(order) = reader.layout.image() else { return self };
        let rank = order.axes.len();
        let Some(shape) = self.shape().map(<[usize]>::to_vec) else { return self.with_axes(order.axes) };
        match (without_batch(&shape, rank), self) {
            (image, source) if image.len() != rank => source,
            (image, source) => source.with_shape(image.to_vec()).with_axes(order.axes),
        }
    }

    /// Makes the tensor with this shape. The caller must have claimed its memory, and compared the shape with [`Self::shape`]. `label` is the tensor's name in
    /// messages. Some rules need `fan`, the fan-in and fan-out.
    pub fn fill(self, reader: &mut ScenarioReader, label: &str, shape: &[usize], fan: Fan) -> Result<Tensor, Reported> {
        match self {
            Self::Init(init) => init.fill(reader, label, shape, fan),
            source => {
                let data = source.numbers(reader, label, shape, fan)?;
                debug_assert_eq!(data.len(), len(shape));
                Ok(aligned(from_flat(shape, data)))
            }
        }
    }

    /// Makes the numbers of the tensor in row-major order.
    fn numbers(self, reader: &mut ScenarioReader, label: &str, shape: &[usize], fan: Fan) -> Result<Vec<f64>, Reported> {
        match self {
            Self::Inline { data, .. } => Ok(data),
            Self::Init(init) => Ok(flat(&init.fill(reader, label, shape, fan)?).to_vec()),
            Self::File(stored) => stored.fill(reader),
            Self::Permuted(permuted) => {
                let Permuted { source, axes, shape: known_shape } = *permuted;
                let shape = known_shape.unwrap_or_else(|| shape.to_vec());
                let file_shape = axes::shape(&shape, &axes::inverse(&axes));
                let data = source.numbers(reader, label, &file_shape, fan)?;
                Ok(axes::permuted(data, &file_shape, &axes))
            }
        }
    }
}
