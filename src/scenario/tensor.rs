//! Reads tensors: a number, nested arrays of numbers, an initializer `{ init = … }` or a tensor from a file `{ file = … }`.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::file::StoredTensor;
use super::init::{self, Initializer};
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue, type_name};
use crate::op::layer::{Fan, Reported};
use crate::tensor::{Tensor, from_flat, len};
use crate::words::{self, Vocabulary};

/// A tensor as written in the file, before its final shape is known.
#[derive(Clone, Debug)]
pub(super) enum TensorSource<'t, 'i> {
    /// Numbers with their shape.
    Inline { shape: Vec<usize>, data: Vec<f64> },
    /// A rule that makes the numbers.
    Init(Initializer<'t, 'i>),
    /// A tensor in a weight file.
    File(StoredTensor),
}

/// Adds leading dimensions of size 1 up to `rank`: `[2, 3]` with rank 3 is `[1, 2, 3]`. `None` if the shape has more dimensions.
pub(super) fn with_rank(shape: &[usize], rank: usize) -> Option<Vec<usize>> {
    let missing = rank.checked_sub(shape.len())?;
    Some(std::iter::repeat_n(1, missing).chain(shape.iter().copied()).collect())
}

/// Reads the tensor under `key` and reports its errors. If only single numbers are faulty, the shape is still returned.
pub(super) fn read_tensor<'t, 'i>(
    reader: &mut ScenarioReader,
    key: &str,
    value: &'t TomlValue<'i>,
) -> Result<TensorSource<'t, 'i>, Reported> {
    match value.get_ref() {
        DeValue::Table(table) => from_table(reader, key, table, value.span()),
        DeValue::Integer(_) | DeValue::Float(_) => {
            Ok(TensorSource::Inline { shape: Vec::new(), data: vec![reader.number(key, value).unwrap_or(0.0)] })
        }
        DeValue::Array(_) => {
            let mut shape = Vec::new();
            let mut inner = value;
            while let DeValue::Array(items) = inner.get_ref() {
                shape.push(items.len());
                let Some(first) = items.first() else {
                    return Err(reader.fault(inner.span(), format!("{key} holds an empty array"), "write at least one number"));
                };
                inner = first;
            }
            let mut data = Vec::new();
            collect(reader, key, value, &shape, &mut data);
            // ragged arrays leave out some numbers
            if data.len() == len(&shape) { Ok(TensorSource::Inline { shape, data }) } else { Err(Reported) }
        }
        _ => match reader.arrays.as_mut().and_then(|arrays| arrays.remove(&value.span().start)) {
            Some((shape, data)) => Ok(TensorSource::Inline { shape, data }),
            None => {
                Err(reader.wrong_type(key, value, "a number, nested arrays of numbers, { init = … } or { file = … }", &meant(key, value)))
            }
        },
    }
}

/// Returns the help text for a word in the place of a tensor, such as `bias = true` or `weight = "xavier"`. `label` begins with the key.
fn meant(label: &str, value: &TomlValue<'_>) -> String {
    let names: Vec<&str> = init::names().collect();
    let key = label.split(' ').next().unwrap_or(label);
    let instead = |word: &str| match key {
        "bias" => words::answer(Vocabulary::Bias, word, &[], |_| false).unwrap_or_default(),
        "target" => "write its numbers; a class is a number too, counted from 0".to_owned(),
        "input" => "write its numbers, such as input = [0.5, 1]".to_owned(),
        "weight" => "write the numbers, or weight = { init = \"he_normal\", seed = 1 }".to_owned(),
        _ => "write the numbers".to_owned(),
    };
    match value.get_ref() {
        DeValue::Boolean(flag) => instead(if *flag { "true" } else { "false" }),
        DeValue::String(word) => match words::meant(Vocabulary::Init, word, &names) {
            Some(name) if init::is_random(name) => format!("write {{ init = \"{name}\", seed = 1 }}"),
            Some(name) => format!("write {{ init = \"{name}\" }}"),
            None if word.ends_with(".npy") => format!("write {{ file = {} }}", quoted(word)),
            None if word.ends_with(".npz") || word.ends_with(".safetensors") => format!("write {{ file = {}, key = \"…\" }}", quoted(word)),
            None => instead(word),
        },
        _ => String::new(),
    }
}

fn from_table<'t, 'i>(
    reader: &mut ScenarioReader,
    key: &str,
    table: &'t TomlTable<'i>,
    span: Span,
) -> Result<TensorSource<'t, 'i>, Reported> {
    if table.contains_key("file") {
        return StoredTensor::read(reader, key, table, &span).map(TensorSource::File);
    }
    Initializer::read(reader, key, table, span).map(TensorSource::Init)
}

/// Appends the numbers of an array of this shape to `data`. Ragged parts are reported and left out; a value that is not a number is reported and counts as 0.
/// The recursion is bounded, because the TOML parser limits nesting.
fn collect(reader: &mut ScenarioReader, key: &str, value: &TomlValue<'_>, shape: &[usize], data: &mut Vec<f64>) {
    match (value.get_ref(), shape) {
        (DeValue::Array(items), [n, inner @ ..]) => {
            if items.len() != *n {
                let message = format!("{key} is ragged: this array has length {}, the first has length {n}", items.len());
                reader.fault(value.span(), message, "all arrays of one depth must be equally long");
                return;
            }
            for item in &items[..] {
                collect(reader, key, item, inner, data);
            }
        }
        (DeValue::Array(_), []) => {
            reader.fault(
                value.span(),
                format!("{key} is ragged: an array where the entries before are numbers"),
                "nest all entries equally deep",
            );
        }
        (DeValue::Integer(_) | DeValue::Float(_), [_, ..]) => {
            reader.fault(
                value.span(),
                format!("{key} is ragged: a number where the entries before are arrays"),
                "nest all entries equally deep",
            );
        }
        (DeValue::Integer(_) | DeValue::Float(_), []) => data.push(reader.number(key, value).unwrap_or(0.0)),
        (other, _) => {
            reader.fault(value.span(), format!("{key} may hold only numbers, not {}", type_name(other)), "");
            data.extend(shape.is_empty().then_some(0.0));
        }
    }
}

impl TensorSource<'_, '_> {
    /// Returns the shape, if the file gives it.
    pub fn shape(&self) -> Option<&[usize]> {
        match self {
            Self::Inline { shape, .. } => Some(shape),
            Self::Init(init) => init.shape.as_deref(),
            Self::File(stored) => Some(stored.shape()),
        }
    }

    /// Makes the tensor with this shape. The caller has claimed its memory and checked the shape.
    pub fn fill(self, reader: &mut ScenarioReader, key: &str, shape: &[usize], fan: Fan) -> Result<Tensor, Reported> {
        let data = match self {
            Self::Inline { data, .. } => data,
            Self::Init(init) => init.fill(reader, key, shape, fan)?,
            Self::File(stored) => stored.fill(reader)?,
        };
        debug_assert_eq!(data.len(), len(shape));
        Ok(from_flat(shape, data))
    }
}
