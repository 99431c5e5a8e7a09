//! Reads the input and the target of one sample, and the loss.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::insertion;
use super::keys::TableArgs;
use super::layers::LastLayer;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use super::spelling::mend_keys;
use super::tensor::{TensorSource, read_tensor, with_rank, without_batch};
use crate::op::layer::{Fan, Reported};
use crate::op::loss::{BATCH_REDUCTION, BatchLoss, L2, LOSSES, Loss, LossKind, NetworkOutput};
use crate::tensor::{Tensor, flat, from_flat, len, shape_words};
use crate::words::{self, Vocabulary};

/// The largest number of dimensions of an input: channels, height and width.
const MAX_RANK: usize = 3;

/// Makes the input of a sample. `rank` is the number of dimensions that the first layer needs, if it needs a certain number. If the input has fewer, leading
/// dimensions of size 1 are added. `span` is the position of the input.
pub(super) fn input(
    reader: &mut ScenarioReader,
    span: &Span,
    source: TensorSource<'_, '_>,
    rank: Option<usize>,
) -> Result<Tensor, Reported> {
    if let Some(stored) = source.stored() {
        stored.warn_of_bytes(reader);
    }
    let shape = input_shape(reader, span, &source, rank)?;
    reader.claim_for_sample(span, &shape)?;
    // the input may be written with any initializer. Those for weights, such as `he_normal`, need a fan-in and a fan-out
    let fan = Fan::of(&shape);
    // after a fault in the numbers, the shape is still known, so zeros replace the numbers
    Ok(source.fill(reader, "input", &shape, fan).unwrap_or_else(|Reported| from_flat(&shape, vec![0.0; len(&shape)])))
}

/// Returns the shape of an input with the number of dimensions that the first layer needs. If the first axis only counts one sample, it is removed. If the
/// input has more dimensions than needed, they stay, and the layer reports them.
fn input_shape(
    reader: &mut ScenarioReader,
    span: &Span,
    source: &TensorSource<'_, '_>,
    rank: Option<usize>,
) -> Result<Vec<usize>, Reported> {
    let Some(shape) = source.shape() else {
        let help = "add its shape, such as shape = [1, 4, 4]";
        return Err(reader.report(span.clone(), "the shape of the input is not known", help));
    };
    let shape = without_batch(shape, rank.unwrap_or(MAX_RANK));
    if shape.len() > MAX_RANK {
        let message = format!("input has {} dimensions ({}), but at most {MAX_RANK} are possible", shape.len(), shape_words(shape));
        let help = match *shape {
            [n, _, _, _] => format!("its first dimension seems to count {n} samples: write it below [samples], with a target for each"),
            _ => "an image is channels x height x width".to_owned(),
        };
        return Err(reader.report(span.clone(), message, help));
    }
    Ok(rank.and_then(|rank| with_rank(shape, rank)).unwrap_or_else(|| shape.to_vec()))
}

/// Returns the kind of loss that the file names, and the position of the name.
fn loss_kind(reader: &mut ScenarioReader, table: &TomlTable<'_>) -> Result<(&'static LossKind, Span), Reported> {
    let Some(value) = table.get("loss") else {
        return Err(reader.report(
            insertion::after_top_level_keys(table),
            "loss is missing",
            "add loss = \"squared_error\", or another loss",
        ));
    };
    let (name, span) = match value.get_ref() {
        DeValue::String(name) => (name.as_ref(), value.span()),
        DeValue::Table(loss_table) => match reader.string(loss_table, "type")? {
            Some(name_and_span) => name_and_span,
            None => {
                return Err(reader.report(
                    value.span(),
                    "the type of the loss is missing",
                    "add type = \"squared_error\", or another loss",
                ));
            }
        },
        _ => return Err(reader.wrong_type("loss", value, "a string, or { type = …, … }", "")),
    };
    let Some(kind) = find_loss(name) else {
        let names: Vec<&str> = LOSSES.iter().map(|kind| kind.name).collect();
        return Err(reader.report(span, format!("there is no loss {}", quoted(name)), words::help(Vocabulary::Loss, name, &names)));
    };
    Ok((kind, span))
}

/// Reports and mends the unknown keys of a loss that is written as a table.
pub(super) fn mend(reader: &mut ScenarioReader, table: &mut TomlTable<'_>) {
    let kind = table.get("type").and_then(|name| find_loss(name.get_ref().as_str()?));
    let mut known = vec!["type", BATCH_REDUCTION, L2];
    known.extend(LOSSES.iter().filter(|loss| kind.is_none_or(|kind| kind.name == loss.name)).flat_map(|loss| loss.keys));
    let owner = kind.map_or_else(|| "a loss".to_owned(), |kind| format!("the loss \"{}\"", kind.name));
    mend_keys(reader, table, &known, Vocabulary::LossKey, &owner);
}

fn find_loss(name: &str) -> Option<&'static LossKind> {
    LOSSES.iter().find(|kind| kind.name == name)
}

/// The loss of a sample, and that of a batch.
#[derive(Debug)]
pub(super) struct Objective {
    pub loss: Result<Loss, Reported>,
    /// The loss of a batch: the mean or sum over the samples, and the penalty.
    pub batch_loss: Result<BatchLoss, Reported>,
    /// `true` if the kind of the loss is known.
    pub is_kind_known: bool,
    /// `true` if the table of the loss gives the target, one for all samples. Only the loss `upstream` does: its key `gradient`, the given ∂C/∂a, takes the
    /// place of a target.
    pub gives_target: bool,
}

/// Reads the loss. If the last layer is known, checks that the loss fits the output of this layer.
pub(super) fn objective(reader: &mut ScenarioReader, table: &TomlTable<'_>, last: Option<&LastLayer>) -> Objective {
    let kind = loss_kind(reader, table);
    let loss_table = table.get("loss").and_then(|value| value.get_ref().as_table());
    let may_have_gradient = kind.as_ref().map_or(true, |(kind, _)| kind.keys.contains(&"gradient"));
    let gives_target = may_have_gradient && loss_table.is_some_and(|loss_table| loss_table.contains_key("gradient"));
    let span = kind.as_ref().map_or_else(|Reported| Span::default(), |(_, span)| span.clone());
    let shape = last.and_then(|last| last.shape.as_deref().ok());
    let shape_help = || last.zip(shape).map_or_else(String::new, |(last, shape)| last.shape_sentence(shape));
    let mut keys = TableArgs::new(reader, loss_table, span, "the loss", &[], &shape_help);
    let batch_loss = BatchLoss::read(&mut keys);
    let loss = kind.as_ref().map_err(|&reported| reported).and_then(|(kind, _)| {
        // if the shape of the output is unknown, the loss is built with an assumed one, to check its keys
        keys.has_sizes = shape.is_some();
        let activation = last.map_or(Err(Reported), |last| last.activation);
        if activation.is_err() {
            // it is unknown whether this loss fits the activation, so a fault about this (at the key `type`) is not reported
            keys.suppress("type");
        }
        let output = NetworkOutput {
            layer: last.map_or("", |last| &last.name),
            shape: shape.unwrap_or(&[1]),
            activation: activation.unwrap_or_default(),
        };
        (kind.build)(&mut keys, &output)
    });
    let loss = if keys.has_sizes { loss } else { Err(Reported) };
    Objective { loss, batch_loss, is_kind_known: kind.is_ok(), gives_target }
}

/// Reads the target of a sample, and gives it the shape of the network's output. Returns an error if that shape is unknown.
pub(super) fn target(reader: &mut ScenarioReader, value: &TomlValue<'_>, last: Option<&LastLayer>) -> Result<Tensor, Reported> {
    let Some((last, shape)) = last.and_then(|last| Some((last, last.shape.as_ref().ok()?))) else {
        // only the faults of the target itself are reported
        return read_tensor(reader, "target", value).and(Err(Reported));
    };
    if len(shape) > 1 && matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_)) {
        reader.claim_for_sample(&value.span(), shape)?;
        return one_hot_of_value(reader, value, shape, &last.shape_sentence(shape));
    }
    let source = read_tensor(reader, "target", value)?;
    fitted_target(reader, &value.span(), source, None, Some(last))
}

/// Makes a target in the shape of the network's output. `span` is the position of the target. `number` is the index of the sample in `[samples]`, and a message
/// names the sample. It is `None` if `span` belongs to this sample alone.
pub(super) fn fitted_target(
    reader: &mut ScenarioReader,
    span: &Span,
    source: TensorSource<'_, '_>,
    number: Option<usize>,
    last: Option<&LastLayer>,
) -> Result<Tensor, Reported> {
    let Some((last, shape)) = last.and_then(|last| Some((last, last.shape.as_ref().ok()?))) else { return Err(Reported) };
    reader.claim_for_sample(span, shape)?;
    let (entries, shape_help) = (len(shape), last.shape_sentence(shape));
    let source = if shape.len() == MAX_RANK { source.in_image_layout(reader) } else { source };
    // if the output has several entries, a single number (2, [2] or [[2]]) is the index of a class
    if entries > 1 && source.shape().is_some_and(|written| len(written) == 1 && written.len() <= 2) {
        let written = source.shape().unwrap_or_default().to_vec();
        let class = source.fill(reader, "target", &written, Fan::of(&written))?;
        return one_hot_of_float(flat(&class)[0], shape).map_err(|message| {
            let message = match number {
                Some(number) => format!("{message}, the target of sample {}", number + 1),
                None => message,
            };
            reader.report(span.clone(), message, class_help(&shape_help, entries))
        });
    }
    // the target may also be a flat vector, or a single number if the output has one entry, and one more dimension of size 1 may count the sample
    if let Some(written) = source.shape()
        && with_rank(without_batch(written, shape.len()), shape.len()).as_ref() != Some(shape)
        && written != [entries]
        && !(entries == 1 && written.is_empty())
    {
        let or_flat = if shape.len() > 1 { ", or a flat vector of as many numbers" } else { "" };
        let message = format!("target must be {}{or_flat}, not {}", shape_words(shape), shape_words(written));
        return Err(reader.report(span.clone(), message, shape_help));
    }
    source.fill(reader, "target", shape, Fan::of(shape))
}

/// Returns the target for a class index that is given as a tensor with one number, such as `[2]`: 1 at the entry with this index, and 0 elsewhere.
/// [`one_hot_of_value`] does the same for a plain number.
fn one_hot_of_float(class: f64, shape: &[usize]) -> Result<Tensor, String> {
    let mut data = vec![0.0; len(shape)];
    #[allow(clippy::cast_precision_loss)] // the number of classes is far less than 2⁵³
    let index = (0..data.len()).find(|&index| index as f64 == class);
    *index.and_then(|index| data.get_mut(index)).ok_or_else(|| format!("there is no class {class}"))? = 1.0;
    Ok(from_flat(shape, data))
}

/// Returns the help text for a number that is not a class.
fn class_help(shape_help: &str, entries: usize) -> String {
    format!("{shape_help}: write an integer from 0 to {} (classes count from 0), or all {entries} numbers", entries - 1)
}

/// Makes the target for a class index that is given as a plain number, such as `2`. `shape_help` describes the shape of the output.
fn one_hot_of_value(reader: &mut ScenarioReader, value: &TomlValue<'_>, shape: &[usize], shape_help: &str) -> Result<Tensor, Reported> {
    let entries = len(shape);
    let help = class_help(shape_help, entries);
    let index = match value.get_ref() {
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix()).ok(),
        _ => return Err(reader.report(value.span(), "a target that is one number is the index of a class, an integer", help)),
    };
    let Some(class) = index.and_then(|index| usize::try_from(index).ok()).filter(|&index| index < entries) else {
        let index = index.map_or_else(|| "of this index".to_owned(), |index| index.to_string());
        return Err(reader.report(value.span(), format!("there is no class {index}"), help));
    };
    let mut data = vec![0.0; entries];
    data[class] = 1.0;
    Ok(from_flat(shape, data))
}
