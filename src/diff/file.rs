//! Reads a user's tensors from the bytes of a file: JSON, or a file of tensors such as `.npz`.

use std::path::Path;

use super::json::{self, JsonValue};
use crate::tensor::len;
use crate::weights::{self, MAX_BYTES, MAX_TENSORS, WeightsError, tensor_files};
use crate::words::suggest;

/// A tensor of a file, before it is known which gradient it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct FileTensor {
    /// The name in the file.
    pub name: String,
    /// The number of its sample in the batch, from 0, if the file has separate gradients for each sample.
    pub sample: Option<usize>,
    /// The shape.
    pub shape: Vec<usize>,
    /// The numbers in row-major order.
    pub values: Vec<f64>,
    /// `true` if the file has the numbers in half precision: float16 or bfloat16.
    pub is_half: bool,
    /// The user's choice.
    pub choice: Choice,
}

/// The choice of a tensor of a file by the user, as with `--tensor fc1.weight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The tensor is compared: the user has chosen none, or this one.
    #[default]
    Compared,
    /// The tensor is compared. Its name is not from the file, but from the user, so it must be a name of the network.
    Named,
    /// The user has chosen another tensor. This one is not compared, but it counts where tensors are matched by their order.
    NotCompared,
}

/// Reads the tensors of a file, in the file's order. Only a `.safetensors` file has no order: its tensors are sorted by name, `layer.2` before `layer.10`. The
/// extension of `path` decides the format: that of a tensor format, or `.json`. A file with another extension is JSON if it begins as JSON does. `only` is the
/// name of the only tensor to compare. If the file has one tensor, this tensor gets the name `only`.
///
/// # Errors
/// A message for the user. Its texts may contain control characters of the file.
pub fn read(path: &str, bytes: Vec<u8>, only: Option<&str>) -> Result<Vec<FileTensor>, WeightsError> {
    let is_json = weights::opener(path).is_err() && (path.to_lowercase().ends_with(".json") || looks_like_json(&bytes));
    let mut tensors = if is_json { of_json(&bytes, only)? } else { of_archive(path, bytes, only)? };
    let Some(only) = only else { return Ok(tensors) };
    if let [tensor] = &mut tensors[..] {
        // the only tensor of a file may have another name, such as `arr_0` in an `.npz` file
        if tensor.name != only {
            tensor.choice = Choice::Named;
            only.clone_into(&mut tensor.name);
        }
        return Ok(tensors);
    }
    if tensors.iter().all(|tensor| tensor.name != only) {
        let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        return Err(WeightsError::new(format!("it has no tensor \"{only}\""), suggest::help(only, &names)));
    }
    tensors.iter_mut().filter(|tensor| tensor.name != only).for_each(|tensor| tensor.choice = Choice::NotCompared);
    Ok(tensors)
}

/// Returns whether a file begins as a JSON object or array does, perhaps after a byte order mark.
fn looks_like_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    bytes.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'{' | b'['))
}

fn too_many(count: usize) -> WeightsError {
    WeightsError::new(format!("it has {count} tensors, but at most {MAX_TENSORS} are read"), "")
}

/// Returns the tensors of a JSON text.
fn of_json(bytes: &[u8], only: Option<&str>) -> Result<Vec<FileTensor>, WeightsError> {
    let mut tensors = Vec::new();
    match (json::parse(bytes)?, only) {
        (JsonValue::Object(fields), _) if is_output_of_grads(&fields) => of_grads(fields, &mut tensors)?,
        (object @ JsonValue::Object(_), _) => collect("", None, object, &mut tensors)?,
        (value @ (JsonValue::Tensor { .. } | JsonValue::Number(_)), Some(name)) => {
            collect(name, None, value, &mut tensors)?;
            for tensor in &mut tensors {
                tensor.choice = Choice::Named;
            }
        }
        (JsonValue::Tensor { .. } | JsonValue::Number(_), None) => return Err(nameless()),
        _ => {
            let help = "write an object from names to nested arrays: {\"fc1.weight\": [[0.5, -1]]}";
            return Err(WeightsError::new("it is not an object with tensors", help));
        }
    }
    Ok(tensors)
}

/// Returns whether an object is what `gradstep grads --format json` prints.
fn is_output_of_grads(fields: &[(String, JsonValue)]) -> bool {
    let has = |name: &str, is_kind: fn(&JsonValue) -> bool| fields.iter().any(|(field, value)| field == name && is_kind(value));
    has("format", |value| matches!(value, JsonValue::Number(_))) && has("gradients", |value| matches!(value, JsonValue::Object(_)))
}

/// Collects the gradients from the output of `gradstep grads --format json`: those of the total loss, then those of each sample.
fn of_grads(fields: Vec<(String, JsonValue)>, tensors: &mut Vec<FileTensor>) -> Result<(), WeightsError> {
    let mut samples = Vec::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("gradients", value) => collect("", None, value, tensors)?,
            ("samples", JsonValue::List(list)) => samples = list,
            _ => {}
        }
    }
    for (n, sample) in samples.into_iter().enumerate() {
        let JsonValue::Object(fields) = sample else { continue };
        for (_, value) in fields.into_iter().filter(|(name, _)| name == "gradients") {
            collect("", Some(n), value, tensors)?;
        }
    }
    Ok(())
}

/// Appends the tensors of a value. A field of an object inside an object has both names, joined with a dot: `conv1.weight`.
fn collect(name: &str, sample: Option<usize>, value: JsonValue, to: &mut Vec<FileTensor>) -> Result<(), WeightsError> {
    let (shape, values) = match value {
        JsonValue::Number(value) => (Vec::new(), vec![value]),
        JsonValue::Tensor { shape, values } => (shape, values),
        JsonValue::Object(fields) => {
            for (field, value) in fields {
                let full_name = if name.is_empty() { field } else { format!("{name}.{field}") };
                collect(&full_name, sample, value, to)?;
            }
            return Ok(());
        }
        JsonValue::List(_) | JsonValue::Other => {
            let help = "write its numbers as a nested array, such as [[0.5, -1], [0, 2]]; NaN and Infinity are read too";
            return Err(WeightsError::new(format!("\"{name}\" is not a nested array of numbers"), help));
        }
    };
    if to.len() == MAX_TENSORS {
        return Err(too_many(MAX_TENSORS + 1));
    }
    to.push(FileTensor { name: name.to_owned(), sample, shape, values, is_half: false, choice: Choice::Compared });
    Ok(())
}

/// Returns the tensors of a file in a format of tensors.
fn of_archive(path: &str, bytes: Vec<u8>, only: Option<&str>) -> Result<Vec<FileTensor>, WeightsError> {
    let file = Path::new(path).file_name().and_then(|file| file.to_str()).unwrap_or(path);
    // a format that is not read is reported here, because `weights::open` would not name the formats of gradients
    weights::opener(file).map_err(|error| {
        let formats = concat!("gradients are read from .json, ", tensor_files!());
        // the help is "tensors are read from …", or about the file's format, such as how to convert it
        let help = if error.help.starts_with("tensors") { formats.to_owned() } else { format!("{formats}; {}", error.help) };
        WeightsError::new("it is not a file of tensors that gradstep reads", help)
    })?;
    let archive = weights::open(file, bytes)?;
    let (names, choice): (Vec<String>, Choice) = match (archive.names(), only) {
        (Some(names), _) => (names.list().to_vec(), Choice::Compared),
        // the file has one tensor without a name, as `.npy` has
        (None, Some(name)) => (vec![name.to_owned()], Choice::Named),
        (None, None) => return Err(nameless()),
    };
    let (mut tensors, mut bytes_left) = (Vec::new(), MAX_BYTES);
    for (number, name) in names.into_iter().enumerate() {
        let with_name =
            |error: WeightsError| WeightsError::new(format!("its tensor \"{name}\" cannot be read: {}", error.message), error.help);
        let layout = archive.layout(number).map_err(with_name)?;
        let size = len(layout.shape()) * size_of::<f64>();
        bytes_left = bytes_left.checked_sub(size).ok_or_else(|| {
            WeightsError::new(format!("its tensors have more than {} MiB in all", MAX_BYTES >> 20), "save the gradients alone")
        })?;
        let values = archive.bytes(number).and_then(|bytes| layout.numbers_or_nan(&bytes)).map_err(with_name)?;
        let (shape, is_half) = (layout.shape().to_vec(), layout.is_half());
        tensors.push(FileTensor { name, sample: None, shape, values, is_half, choice });
    }
    if path.to_lowercase().ends_with(".safetensors") {
        tensors.sort_by_cached_key(|tensor| natural_key(&tensor.name));
    }
    Ok(tensors)
}

fn nameless() -> WeightsError {
    WeightsError::new("it is one tensor without a name", "say which one it is: --tensor fc1.weight")
}

/// A sorting key by which the numbers in names are compared as numbers: `layer.2` comes before `layer.10`. It has an item for each number, (false, the number,
/// its digits), and for each other character, (true, the code point, an empty text), so that a number comes before every other character.
fn natural_key(name: &str) -> Vec<(bool, u64, String)> {
    let mut key: Vec<(bool, u64, String)> = Vec::new();
    for c in name.chars() {
        let is_digit = c.is_ascii_digit();
        match key.last_mut() {
            Some((_, number, digits)) if is_digit && !digits.is_empty() => {
                *number = number.saturating_mul(10).saturating_add(u64::from(c) - u64::from(b'0'));
                digits.push(c);
            }
            _ if is_digit => key.push((false, u64::from(c) - u64::from(b'0'), c.to_string())),
            _ => key.push((true, u64::from(c), String::new())),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_their_numbers() {
        let mut names = ["layer.10.weight", "layer.2.weight", "layer.2.bias", "a", "layer.1.weight"];
        names.sort_by_cached_key(|name| natural_key(name));
        assert_eq!(names, ["a", "layer.1.weight", "layer.2.bias", "layer.2.weight", "layer.10.weight"]);
    }

    #[test]
    fn objects_in_objects_and_the_output_of_grads_are_read() {
        let names = |text: &str| {
            let tensors = read("mine.json", text.as_bytes().to_vec(), None).unwrap();
            tensors.into_iter().map(|tensor| (tensor.name, tensor.sample)).collect::<Vec<_>>()
        };
        assert_eq!(
            names("{\"conv1\": {\"weight\": [1], \"bias\": 2}}"),
            [("conv1.weight".to_owned(), None), ("conv1.bias".to_owned(), None)]
        );
        let grads = "{\"format\":1,\"scenario\":\"t\",\"loss\":3,\"samples\":[{\"name\":null,\"values\":{\"z\":[1]},\"gradients\":{\"z\":[2]}}],\"gradients\":{\"w\":[4]}}";
        assert_eq!(names(grads), [("w".to_owned(), None), ("z".to_owned(), Some(0))]);
    }
}
