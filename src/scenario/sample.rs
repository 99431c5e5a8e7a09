//! What a sample gives: the input, and the target that the loss compares the output with; and the loss itself.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::gap;
use super::keys::Keys;
use super::layers::Last;
use super::reader::{Reader, Span, Table, Value};
use super::suggest;
use super::tensor::{fan, raised, written};
use crate::op::layer::Faulty;
use crate::op::loss::{BATCH_REDUCTION, BatchReduction, LOSSES, Loss, LossKind, Output};
use crate::tensor::{Tensor, from_flat, len, shape_words};

/// The highest rank of an input: channels, height, width.
const RANK: usize = 3;

/// The network's input, raised to the rank that its first reader wants.
pub(super) fn input(reader: &mut Reader, table: &Table<'_>, at: Option<&Span>, rank: Option<usize>) -> Result<Tensor, Faulty> {
    let Some(value) = table.get("input") else {
        let help = "add input = …, with the numbers that the first layer reads";
        return Err(match at {
            None => reader.fault(gap::after_keys(table), "input is missing", help),
            Some(at) => reader.fault(at.clone(), "this sample has no input", help),
        });
    };
    let found = written(reader, "input", value)?;
    let Some(shape) = found.shape() else {
        let help = "add its shape, such as shape = [1, 4, 4]";
        return Err(reader.fault(value.span(), "the shape of the input is not known", help));
    };
    if shape.len() > RANK {
        let message = format!("input has {} dimensions ({}), but at most {RANK} are possible", shape.len(), shape_words(shape));
        return Err(reader.fault(value.span(), message, "an image is channels x height x width"));
    }
    let shape = rank.and_then(|rank| raised(shape, rank)).unwrap_or_else(|| shape.to_vec());
    reader.claim(&value.span(), &shape)?;
    let fan = fan(&shape);
    found.fill(reader, "input", &shape, fan)
}

/// The kind of the loss, its own table, and where it stands.
type Named<'t, 'i> = (&'static LossKind, Option<&'t Table<'i>>, Span);

fn named<'t, 'i>(reader: &mut Reader, table: &'t Table<'i>) -> Result<Named<'t, 'i>, Faulty> {
    let Some(value) = table.get("loss") else {
        return Err(reader.fault(gap::after_keys(table), "loss is missing", "add loss = \"squared_error\", or another loss"));
    };
    let (name, place, own) = match value.get_ref() {
        DeValue::String(name) => (name.as_ref(), value.span(), None),
        DeValue::Table(own) => match reader.string(own, "type")? {
            Some((name, place)) => (name, place, Some(own)),
            None => {
                return Err(reader.fault(value.span(), "the type of the loss is missing", "add type = \"squared_error\", or another loss"));
            }
        },
        _ => return Err(reader.wrong("loss", value, "a string, or { type = …, … }", "")),
    };
    let Some(kind) = LOSSES.iter().find(|kind| kind.name == name) else {
        let names: Vec<&str> = LOSSES.iter().map(|kind| kind.name).collect();
        return Err(reader.fault(place, format!("there is no loss {}", quoted(name)), suggest::help(name, &names)));
    };
    if let Some(own) = own {
        let mut known = vec!["type", BATCH_REDUCTION];
        known.extend(kind.keys);
        reader.unknown(own, &known, &format!("the loss \"{name}\""));
    }
    Ok((kind, own, place))
}

/// The loss for the output of the last layer, and how it is reduced over several samples.
pub(super) fn loss(reader: &mut Reader, table: &Table<'_>, last: Result<&Last, Faulty>) -> Result<(Loss, BatchReduction), Faulty> {
    let (kind, own, place) = named(reader, table)?;
    let (shape, shapes) = last.map_or_else(|Faulty| Default::default(), |last| (last.shape.clone(), last.words()));
    let inputs = [shape.as_slice()];
    let mut keys = Keys::new(reader, own, place, "the loss", &inputs, &shapes);
    let batch = BatchReduction::read(&mut keys);
    let last = last?;
    let output = Output { layer: &last.name, shape: &last.shape, activation: last.activation };
    Ok(((kind.build)(&mut keys, &output)?, batch?))
}

/// The target of the sample, in the shape of the output.
pub(super) fn target(
    reader: &mut Reader,
    table: &Table<'_>,
    place: Span,
    last: Result<&Last, Faulty>,
    loss: Option<&Tensor>,
) -> Result<Tensor, Faulty> {
    let value = table.get_key_value("target");
    match (value, loss, last) {
        (Some((key, _)), Some(_), _) => {
            Err(reader.fault(key.span(), "the target is given twice: here, and as gradient of the loss", "leave one of the two out"))
        }
        (None, Some(given), _) => Ok(given.clone()),
        (None, None, Ok(last)) => {
            let help = format!("add target = …; {}", last.words());
            Err(reader.fault(place, "target is missing", help))
        }
        (None, None, Err(fault)) => Err(fault),
        (Some((_, value)), None, Ok(last)) => {
            reader.claim(&value.span(), &last.shape)?;
            given(reader, value, last)
        }
        (Some((_, value)), None, Err(fault)) => {
            let _ = written(reader, "target", value); // its own faults are reported
            Err(fault)
        }
    }
}

fn given(reader: &mut Reader, value: &Value<'_>, last: &Last) -> Result<Tensor, Faulty> {
    let entries = len(&last.shape);
    if entries > 1 && matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_)) {
        return class(reader, value, last, entries);
    }
    let found = written(reader, "target", value)?;
    if let Some(own) = found.shape()
        && raised(own, last.shape.len()).as_ref() != Some(&last.shape)
        && own != [entries]
        && !(entries == 1 && own.is_empty())
    {
        let flat = if last.shape.len() > 1 { ", or a flat vector of as many numbers" } else { "" };
        let message = format!("target must be {}{flat}, not {}", shape_words(&last.shape), shape_words(own));
        return Err(reader.fault(value.span(), message, last.words()));
    }
    let fan = fan(&last.shape);
    found.fill(reader, "target", &last.shape, fan)
}

/// The one-hot target of a class index.
fn class(reader: &mut Reader, value: &Value<'_>, last: &Last, entries: usize) -> Result<Tensor, Faulty> {
    let help = format!("{}: write an integer from 0 to {}, or all {entries} numbers", last.words(), entries - 1);
    let index = match value.get_ref() {
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix()).ok(),
        _ => return Err(reader.fault(value.span(), "a target that is one number is the index of a class, an integer", help)),
    };
    let Some(place) = index.and_then(|index| usize::try_from(index).ok()).filter(|&index| index < entries) else {
        let index = index.map_or_else(|| "of this index".to_owned(), |index| index.to_string());
        return Err(reader.fault(value.span(), format!("there is no class {index}"), help));
    };
    let mut data = vec![0.0; entries];
    data[place] = 1.0;
    Ok(from_flat(&last.shape, data))
}
