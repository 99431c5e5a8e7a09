//! Reads the input and target of a sample, and the loss.

use toml::de::DeValue;

use super::excerpt::quoted;
use super::gap;
use super::keys::TableArgs;
use super::layers::LastLayer;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use super::spelling::mend_keys;
use super::tensor::{read_tensor, with_rank};
use crate::op::layer::{Fan, Reported};
use crate::op::loss::{BATCH_REDUCTION, BatchReduction, LOSSES, Loss, LossKind, NetworkOutput};
use crate::tensor::{Tensor, from_flat, len, shape_words};
use crate::words::{self, Vocabulary};

/// The largest rank of an input: channels, height, width.
const RANK: usize = 3;

/// Reads the network's input. Leading dimensions of size 1 are added up to the rank that the first layer requires.
pub(super) fn input(
    reader: &mut ScenarioReader,
    table: &TomlTable<'_>,
    at: Option<&Span>,
    rank: Option<usize>,
) -> Result<Tensor, Reported> {
    let Some(value) = table.get("input") else {
        let help = "add input = …, with the numbers that the first layer reads";
        return Err(match at {
            None => reader.fault(gap::after_keys(table), "input is missing", help),
            Some(at) => reader.fault(at.clone(), "this sample has no input", help),
        });
    };
    let found = read_tensor(reader, "input", value)?;
    let Some(shape) = found.shape() else {
        let help = "add its shape, such as shape = [1, 4, 4]";
        return Err(reader.fault(value.span(), "the shape of the input is not known", help));
    };
    if shape.len() > RANK {
        let message = format!("input has {} dimensions ({}), but at most {RANK} are possible", shape.len(), shape_words(shape));
        let help = match *shape {
            [1, c, h, w] => {
                format!("its first dimension seems to count one sample: leave it out, an image is channels x height x width, {c}x{h}x{w}")
            }
            [n, c, h, w] => format!(
                "its first dimension seems to count {n} samples: write each as a [[sample]] of its own, with an input of {c}x{h}x{w} and its target"
            ),
            _ => "an image is channels x height x width".to_owned(),
        };
        return Err(reader.fault(value.span(), message, help));
    }
    let shape = rank.and_then(|rank| with_rank(shape, rank)).unwrap_or_else(|| shape.to_vec());
    reader.claim_given(&value.span(), &shape)?;
    // if only numbers are faulty, the shape is still known
    Ok(found.fill(reader, "input", &shape, Fan::of(&shape)).unwrap_or_else(|Reported| from_flat(&shape, vec![0.0; len(&shape)])))
}

/// The kind of the loss, its table if it has one, and its position.
type NamedLoss<'t, 'i> = (&'static LossKind, Option<&'t TomlTable<'i>>, Span);

fn named<'t, 'i>(reader: &mut ScenarioReader, table: &'t TomlTable<'i>) -> Result<NamedLoss<'t, 'i>, Reported> {
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
        _ => return Err(reader.wrong_type("loss", value, "a string, or { type = …, … }", "")),
    };
    let Some(kind) = find(name) else {
        let names: Vec<&str> = LOSSES.iter().map(|kind| kind.name).collect();
        return Err(reader.fault(place, format!("there is no loss {}", quoted(name)), words::help(Vocabulary::Loss, name, &names)));
    };
    Ok((kind, own, place))
}

/// Corrects the keys of a loss.
pub(super) fn mend(reader: &mut ScenarioReader, table: &mut TomlTable<'_>) {
    let kind = table.get("type").and_then(|name| find(name.get_ref().as_str()?));
    let mut known = vec!["type", BATCH_REDUCTION];
    known.extend(LOSSES.iter().filter(|loss| kind.is_none_or(|kind| kind.name == loss.name)).flat_map(|loss| loss.keys));
    let owner = kind.map_or_else(|| "a loss".to_owned(), |kind| format!("the loss \"{}\"", kind.name));
    mend_keys(reader, table, &known, Vocabulary::LossKey, &owner);
}

fn find(name: &str) -> Option<&'static LossKind> {
    LOSSES.iter().find(|kind| kind.name == name)
}

/// The loss and how it is reduced over the samples.
#[derive(Debug)]
pub(super) struct Objective {
    pub loss: Result<Loss, Reported>,
    /// The reduction over the samples.
    pub reduction: Result<BatchReduction, Reported>,
    /// `true` if the kind of the loss is known.
    pub named: bool,
    /// `true` if the loss gives the target of all samples, as `upstream` with `gradient` does.
    pub gives_target: bool,
}

/// Reads the loss and checks it against the last layer, if that is known.
pub(super) fn goal(reader: &mut ScenarioReader, table: &TomlTable<'_>, last: Option<&LastLayer>) -> Objective {
    let named = named(reader, table);
    let own = table.get("loss").and_then(|value| value.get_ref().as_table());
    let gives_target =
        named.as_ref().map_or(true, |(kind, ..)| kind.keys.contains(&"gradient")) && own.is_some_and(|own| own.contains_key("gradient"));
    let place = named.as_ref().map_or_else(|Reported| Span::default(), |(.., place)| place.clone());
    let shape = last.and_then(|last| last.shape.as_deref().ok());
    let words = last.zip(shape).map_or_else(String::new, |(last, shape)| last.words(shape));
    let mut keys = TableArgs::new(reader, own, place, "the loss", &[], &words);
    let reduction = BatchReduction::read(&mut keys);
    let loss = named.as_ref().map_err(|&fault| fault).and_then(|(kind, ..)| {
        keys.sized = shape.is_some();
        let activation = last.map_or(Err(Reported), |last| last.activation);
        if activation.is_err() {
            keys.suppress("type");
        }
        let output = NetworkOutput {
            layer: last.map_or("", |last| &last.name),
            shape: shape.unwrap_or(&[1]),
            activation: activation.unwrap_or_default(),
        };
        (kind.build)(&mut keys, &output)
    });
    Objective { loss: if keys.sized { loss } else { Err(Reported) }, reduction, named: named.is_ok(), gives_target }
}

/// Reads the target of a sample, in the shape of the output.
pub(super) fn target(reader: &mut ScenarioReader, value: &TomlValue<'_>, last: Option<&LastLayer>) -> Result<Tensor, Reported> {
    let Some((last, shape)) = last.and_then(|last| Some((last, last.shape.as_ref().ok()?))) else {
        // errors of the target itself are reported
        return read_tensor(reader, "target", value).and(Err(Reported));
    };
    reader.claim_given(&value.span(), shape)?;
    let (entries, words) = (len(shape), last.words(shape));
    if entries > 1 && matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_)) {
        return class(reader, value, shape, &words);
    }
    let found = read_tensor(reader, "target", value)?;
    if let Some(own) = found.shape()
        && with_rank(own, shape.len()).as_ref() != Some(shape)
        && own != [entries]
        && !(entries == 1 && own.is_empty())
    {
        let flat = if shape.len() > 1 { ", or a flat vector of as many numbers" } else { "" };
        let message = format!("target must be {}{flat}, not {}", shape_words(shape), shape_words(own));
        return Err(reader.fault(value.span(), message, words));
    }
    found.fill(reader, "target", shape, Fan::of(shape))
}

/// Makes the one-hot target of a class index.
fn class(reader: &mut ScenarioReader, value: &TomlValue<'_>, shape: &[usize], words: &str) -> Result<Tensor, Reported> {
    let entries = len(shape);
    let help = format!("{words}: write an integer from 0 to {}, or all {entries} numbers", entries - 1);
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
    Ok(from_flat(shape, data))
}
