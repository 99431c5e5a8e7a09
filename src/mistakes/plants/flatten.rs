//! Mistakes about the order of entries: of a flatten, of the input's channels, and in the gradient of a weight.

use std::sync::Arc;

use super::super::plan::{OpChange, Ops, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::site::Site;
use super::super::wrong_rule::moved;
use super::convolution::reversed_channels;
use super::places::places;
use crate::network::{Id, Role};
use crate::op::constant_weights::{ConstantWeightsRule, Weights};
use crate::op::contraction::Contraction;
use crate::op::edges::{Edges as _, View};
use crate::tensor::{len, unravel};

/// An order of an image's entries in the vector: a function from the rank of the image to its axes, from the slowest to the fastest.
type Order = fn(usize) -> Vec<usize>;

/// The first index runs fastest, as in a Fortran array.
const COLUMN_MAJOR: Order = |rank| (0..rank).rev().collect();
/// Height, width, channels.
const CHANNELS_LAST: Order = |rank| (1..rank).chain([0]).collect();
/// Width before height: the columns of each channel one after the other.
const COLUMNS_OF_CHANNELS: Order = |rank| (0..rank.saturating_sub(2)).chain([rank - 1, rank - 2]).collect();

/// For each entry of the vector, the place in the image that this order gives it.
fn image_places(shape: &[usize], order: &[usize]) -> Arc<[usize]> {
    let ordered_shape: Vec<usize> = order.iter().map(|axis| shape[*axis]).collect();
    let place = |at: usize| {
        let ordered_index = unravel(at, &ordered_shape);
        let mut image_index = vec![0; shape.len()];
        order.iter().zip(ordered_index).for_each(|(axis, index)| image_index[*axis] = index);
        image_index.iter().zip(shape).fold(0, |place, (index, size)| place * size + index)
    };
    (0..len(shape)).map(place).collect()
}

/// The inverse of a permutation.
fn inverse(places: &[usize]) -> Arc<[usize]> {
    let mut inverse = vec![0; places.len()];
    places.iter().enumerate().for_each(|(at, place)| inverse[*place] = at);
    inverse.into()
}

/// The image that a site flattens in row-major order: its shape, if it has several axes of more than one entry. A `flatten` of another order is left out: its
/// vector has one of the orders that are wrong here.
fn image<'a>(site: &Site<'a>) -> Option<&'a [usize]> {
    let rule = site.rule_as::<ConstantWeightsRule<Contraction>>().filter(|rule| matches!(rule.weights(), Weights::Copy))?;
    let [shape, flat] = [site.of, site.y].map(|id| site.iteration.shape(id));
    let has_several_axes = |shape: &[usize]| shape.iter().filter(|size| **size > 1).count() > 1;
    let is_flattened = rule.view == View::Input && !has_several_axes(flat) && has_several_axes(shape) && len(flat) == len(shape);
    let is_row_major = || (0..len(shape)).all(|at| rule.edges().edge(View::Input, at, 0).output == at);
    (is_flattened && is_row_major()).then_some(shape)
}

/// A wrong order: its axes, the beginning of the names of its variants (empty for the usual order), and the end of the sentence about it.
struct WrongOrder {
    order: Order,
    name: &'static str,
    detail: &'static str,
}

const IN_COLUMN_MAJOR: WrongOrder = WrongOrder { order: COLUMN_MAJOR, name: "", detail: "" };
const CHANNEL_BY_CHANNEL: WrongOrder = WrongOrder {
    order: COLUMNS_OF_CHANNELS,
    name: "channel-by-channel",
    detail: " within each channel: only height and width are exchanged",
};
const WITH_CHANNELS_LAST: WrongOrder = WrongOrder { order: CHANNELS_LAST, name: "", detail: "" };

/// The column-major orders of an image. Without channels there is only one.
fn column_majors(site: &Site<'_>) -> &'static [WrongOrder] {
    if image(site).is_some_and(|shape| shape.len() > 2) { &[IN_COLUMN_MAJOR, CHANNEL_BY_CHANNEL] } else { &[IN_COLUMN_MAJOR] }
}

/// In the forward pass the vector has a wrong order. In the backward pass the error has the same order, or the right one.
fn flattened(site: &Site<'_>, orders: &[WrongOrder]) -> Vec<Variant> {
    let Some(shape) = image(site) else { return Vec::new() };
    let mut variants = Vec::new();
    for WrongOrder { order, name, detail } in orders {
        let image_places = image_places(shape, &order(shape.len()));
        let back = site.with_rule(moved(site.rule, inverse(&image_places)));
        let Some(forward) = site.with_forward_rule(|rule| moved(rule, Arc::clone(&image_places))) else { continue };
        let prefix = if name.is_empty() { String::new() } else { format!("{name}-") };
        variants.push(Variant::named(format!("{prefix}both-ways"), *detail, [forward.clone(), back]));
        let detail = format!("{detail}, but its error goes back in row-major order");
        variants.push(Variant::named(format!("{prefix}forward-only"), detail, [forward]));
    }
    variants
}

/// Only the backward pass has a wrong order: the forward pass writes the vector in the right one.
fn unflattened(site: &Site<'_>, orders: &[WrongOrder]) -> Vec<Variant> {
    let Some(shape) = image(site) else { return Vec::new() };
    let variant = |WrongOrder { order, name, detail }: &WrongOrder| {
        let image_places = image_places(shape, &order(shape.len()));
        let edit = site.with_rule(moved(site.rule, inverse(&image_places)));
        let name = Some(*name).filter(|name| !name.is_empty());
        Variant { name: name.map(str::to_owned), detail: (*detail).to_owned(), edits: vec![edit] }
    };
    orders.iter().map(variant).collect()
}

pub fn column_major(site: &Site<'_>) -> Vec<Variant> {
    flattened(site, column_majors(site))
}

pub fn channels_last(site: &Site<'_>) -> Vec<Variant> {
    if image(site).is_some_and(|shape| shape.len() == 3) { flattened(site, &[WITH_CHANNELS_LAST]) } else { Vec::new() }
}

pub fn back_column_major(site: &Site<'_>) -> Vec<Variant> {
    unflattened(site, column_majors(site))
}

pub fn back_channels_last(site: &Site<'_>) -> Vec<Variant> {
    if image(site).is_some_and(|shape| shape.len() == 3) { unflattened(site, &[WITH_CHANNELS_LAST]) } else { Vec::new() }
}

/// The channels of the network's input are in reverse order.
pub fn input_channels_reversed(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let (trace, network) = (wrong_tensor.iteration.trace, wrong_tensor.iteration.network);
    let Some(input) = network.with_role(Role::Input { learns: false }).next() else { return Vec::new() };
    let Some(places) = reversed_channels(&network.tensor(input).shape) else { return Vec::new() };
    let Some(reader) = network.readers(input).first() else { return Vec::new() };
    let reader_name = wrong_tensor.iteration.place_of(network.ops()[reader.op].output);
    let given = |run: usize| {
        let right = trace.run(run).values(input);
        PassChange::Given(run, input, places.iter().map(|place| right[*place]).collect())
    };
    vec![Variant::named("forward", "", (0..trace.samples()).map(given).collect::<Vec<_>>()).at(vec![reader_name])]
}

/// The gradient of one square matrix is written as its transpose, or that of one filter with as many inputs as outputs with its first two axes exchanged.
pub fn layout_transposed(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    let network = wrong_tensor.iteration.trace.network_of(wrong_tensor.run);
    let shape = &network.tensor(wrong_tensor.id).shape;
    let ([rows, columns, rest @ ..], Some(op)) = (shape.as_slice(), network.producer(wrong_tensor.id)) else { return Vec::new() };
    if rows != columns || *rows < 2 || !is_weight(wrong_tensor, wrong_tensor.of) || (rest.len() != 2 && !rest.is_empty()) {
        return Vec::new();
    }
    let exchanged = places(shape, |index| {
        index.swap(0, 1);
        true
    });
    let ops = if wrong_tensor.iteration.trace.runs()[wrong_tensor.run].sample.is_some() { Ops::Sample } else { Ops::Batch };
    let change = OpChange::Each(Arc::new(move |rule| moved(rule, Arc::clone(&exchanged))));
    let at = vec![wrong_tensor.iteration.place_of(wrong_tensor.of)];
    vec![Variant::unnamed(PassChange::Op(ops, op, change)).at(at)]
}

fn is_weight(wrong_tensor: &WrongTensor<'_>, id: Id) -> bool {
    wrong_tensor.iteration.network.tensor(id).role.is_learnable()
}
