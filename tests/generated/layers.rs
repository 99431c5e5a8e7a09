//! Random networks of layers, as scenario files.

use std::fmt::Write as _;

use super::choices::{Choices, Flavour};
use super::writer::{Writer, tensor};
use super::{norms, sequences, windows};

/// A layer's generator: writes a layer that reads this shape and returns its output's shape, or `None` if the layer refuses the shape.
type Make = fn(&mut Writer<'_>, &[usize]) -> Option<Vec<usize>>;

/// One row for each kind of layer.
pub const LAYERS: &[(&str, Make)] = &[
    ("linear", linear),
    ("conv2d", windows::conv2d),
    ("max_pool2d", windows::max_pool2d),
    ("flatten", flatten),
    ("activation", activation),
    ("add", add),
    ("avg_pool2d", windows::avg_pool2d),
    ("conv_transpose2d", windows::conv_transpose2d),
    ("dropout", dropout),
    ("global_avg_pool2d", windows::global_avg_pool2d),
    ("layer_norm", norms::layer_norm),
    ("adaptive_avg_pool2d", windows::adaptive_avg_pool2d),
    ("avg_pool1d", sequences::avg_pool1d),
    ("batch_norm1d", norms::batch_norm1d),
    ("batch_norm2d", norms::batch_norm2d),
    ("cat", cat),
    ("conv1d", sequences::conv1d),
    ("max_pool1d", sequences::max_pool1d),
    ("upsample", windows::upsample),
    ("group_norm", norms::group_norm),
    ("instance_norm2d", norms::instance_norm2d),
];

/// A scenario with layers.
pub fn network(choices: &mut Choices, flavour: Flavour) -> String {
    let mut shape = match choices.pick(4) {
        0 => vec![1 + choices.pick(5)],
        1 => vec![1 + choices.pick(6), 1 + choices.pick(6)],
        _ => vec![1 + choices.pick(4), 1 + choices.pick(6), 1 + choices.pick(6)],
    };
    let input_shape = shape.clone();
    let known = vec![("input".to_owned(), shape.clone())];
    let mut writer = Writer::new(choices, flavour, known);
    let count = 1 + writer.choices.pick(4);
    for number in 0..count {
        let is_image = shape.len() > 1;
        // every kind of layer, and the usual kinds more often: the choices beyond the rows of LAYERS
        let make = match writer.choices.pick(LAYERS.len() + 4).checked_sub(LAYERS.len()) {
            Some(0 | 1) if is_image => windows::conv2d,
            Some(_) if is_image => windows::max_pool2d,
            Some(_) => linear,
            None => writer.choices.choose(LAYERS).1,
        };
        if let Some(next) = make(&mut writer, &shape) {
            shape = next;
            writer.known.last_mut().expect("the layer that `make` began").1.clone_from(&shape);
        // a network has at least one layer
        } else if number + 1 == count {
            shape = activation(&mut writer, &shape).expect("accepts every shape");
        }
    }

    if shape.len() == 1 && writer.choices.pick(2) == 1 {
        shape = linear(&mut writer, &shape).expect("reads a vector");
    }
    let loss = writer.loss(&shape);
    let layers = writer.text;
    let mut head = String::from("title = \"random\"\n");
    let input = tensor(choices, flavour, &input_shape);
    writeln!(head, "input = {input}\n{loss}").expect("a string");
    head + &layers
}

fn linear(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let &[inputs] = shape else { return None };
    let most = if writer.choices.one_in(4) { 20 } else { 4 };
    let outputs = 1 + writer.choices.pick(most);
    writer.begin("linear");
    writer.tensor("weight", &[outputs, inputs]);
    if writer.choices.pick(3) > 0 {
        writer.tensor("bias", &[outputs]);
    }
    writer.activate();
    Some(vec![outputs])
}

/// Adds the output so far and earlier tensors of the same shape, apart from first axes of length 1. Some of the earlier tensors pass through an activation
/// first.
fn add(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let without_ones = |shape: &[usize]| shape.iter().copied().skip_while(|n| *n == 1).collect::<Vec<_>>();
    let of_same_shape: Vec<(String, Vec<usize>)> =
        writer.known.iter().filter(|(_, other)| without_ones(other) == without_ones(shape)).cloned().collect();
    let mut summands = vec![writer.known.last()?.0.clone()];
    let mut rank = shape.len();
    for _ in 0..=writer.choices.pick(2) {
        let (name, summand_shape) = of_same_shape[writer.choices.pick(of_same_shape.len())].clone();
        rank = rank.max(summand_shape.len());
        if writer.choices.pick(2) == 0 {
            summands.push(name);
            continue;
        }
        activation(writer, &summand_shape)?;
        writer.line("from", &format!("\"{name}\""));
        let (branch, branch_shape) = writer.known.last_mut()?;
        *branch_shape = summand_shape;
        summands.push(branch.clone());
    }
    let first = writer.choices.pick(summands.len());
    summands.rotate_left(first);
    writer.begin("add");
    writer.line("from", &format!("{summands:?}"));
    writer.last_activation = None;
    // the result has the axes of the summand with the most axes; the additional first axes have length 1
    let added_axes = rank - shape.len();
    Some([vec![1; added_axes], shape.to_vec()].concat())
}

/// Concatenates the output so far and earlier tensors of the same height and width, unless the result has more than 12 channels.
fn cat(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let fits = |other: &[usize]| other.len() == shape.len() && other[1..] == shape[1..];
    let fitting: Vec<(String, Vec<usize>)> = writer.known.iter().filter(|(_, other)| fits(other)).cloned().collect();
    let mut sources = vec![writer.known.last()?.0.clone()];
    let mut channels = shape[0];
    for _ in 0..=writer.choices.pick(2) {
        let (name, source_shape) = fitting[writer.choices.pick(fitting.len())].clone();
        channels += source_shape[0];
        sources.push(name);
    }
    if channels > 12 {
        return None;
    }
    let first = writer.choices.pick(sources.len());
    sources.rotate_left(first);
    writer.begin("cat");
    writer.line("from", &format!("{sources:?}"));
    writer.last_activation = None;
    Some([&[channels], &shape[1..]].concat())
}

#[allow(clippy::unnecessary_wraps)] // the type of the rows of LAYERS
fn dropout(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    writer.begin("dropout");
    let mask = tensor(writer.choices, Flavour::Mask, shape);
    writer.line("mask", &mask);
    let p = writer.choices.choose(&["", "0.25", "0", "0.9"]);
    if !p.is_empty() {
        writer.line("p", p);
    }
    writer.last_activation = None;
    Some(shape.to_vec())
}

#[allow(clippy::unnecessary_wraps)] // the type of the rows of LAYERS
fn flatten(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    writer.begin("flatten");
    if shape.len() == 3 && writer.choices.pick(3) == 0 {
        writer.line("order", "\"hwc\"");
    }
    writer.last_activation = None;
    Some(vec![shape.iter().product()])
}

#[allow(clippy::unnecessary_wraps)] // the type of the rows of LAYERS
fn activation(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    writer.begin("activation");
    writer.write_activation("function");
    Some(shape.to_vec())
}
