//! Mistakes in the backward pass of a convolution.

use std::sync::Arc;

use super::super::plan::PassChange;
use super::super::planting::Variant;
use super::super::site::Site;
use super::super::wrong_rule::{Instead, all_terms, moved, reading, with_terms};
use super::places::{last_two, places};
use crate::op::axis::Axis;
use crate::op::conv_transpose2d::{Transposed, transposed_function};
use crate::op::conv2d::{Conv2d, convolution_function};
use crate::op::edges::{BilinearRule, Edges, View};
use crate::op::nest::Edge;
use crate::op::rule::Rule;
use crate::op::slot::Slot;

/// The convolution of a site, with the gradient that the site computes (`view`).
#[derive(Clone, Copy)]
struct ConvSite<'a> {
    conv: &'a Conv2d,
    view: View,
    is_transposed: bool,
    /// The slots of the image, the weight and ∂C/∂y.
    slots: [Slot; 3],
}

impl<'a> ConvSite<'a> {
    fn at(site: &Site<'a>) -> Option<Self> {
        if let Some(rule) = site.rule_as::<BilinearRule<Conv2d>>() {
            return Some(Self { conv: &rule.edges, view: rule.view, is_transposed: false, slots: rule.roles.slots() });
        }
        let rule = site.rule_as::<BilinearRule<Transposed>>()?;
        Some(Self { conv: &rule.edges.0, view: rule.view, is_transposed: true, slots: rule.roles.slots() })
    }

    /// The shape of the weight.
    fn weight_shape(&self) -> [usize; 4] {
        let Conv2d { inputs, outputs, groups, rows, columns, .. } = self.conv;
        [*outputs, inputs / groups, rows.kernel, columns.kernel]
    }

    /// Returns the rule of this gradient in the convolution with other axes: with another stride, padding or dilation.
    fn with_axes(&self, change: impl Fn(&Axis) -> Axis) -> Option<Arc<dyn Rule>> {
        let Conv2d { inputs, outputs, groups, rows, columns, .. } = self.conv;
        let conv = Conv2d::new(*inputs, *outputs, *groups, change(rows), change(columns));
        let function = if self.is_transposed { transposed_function(conv) } else { convolution_function(conv) };
        // the operand 0 is the image, and the operand 1 is the weight
        function.backward(usize::from(self.view == View::Weight))
    }
}

/// The input gradient of a plain convolution, if the site is one.
fn input_gradient<'a>(site: &Site<'a>) -> Option<ConvSite<'a>> {
    ConvSite::at(site).filter(|conv_site| conv_site.view == View::Input && !conv_site.is_transposed)
}

/// The gradient of a filter, if the site is one.
fn weight_gradient<'a>(site: &Site<'a>) -> Option<ConvSite<'a>> {
    ConvSite::at(site).filter(|conv_site| conv_site.view == View::Weight)
}

/// A function from a row and a column, and the numbers of rows and columns, to another row and column.
type OtherPixel = fn([usize; 2], [usize; 2]) -> [usize; 2];

const HALF_TURN: OtherPixel = |[r, c], [rows, columns]| [rows - 1 - r, columns - 1 - c];
const ROWS_REVERSED: OtherPixel = |[r, c], [rows, _]| [rows - 1 - r, c];
const COLUMNS_REVERSED: OtherPixel = |[r, c], [_, columns]| [r, columns - 1 - c];
const TRANSPOSE: OtherPixel = |[r, c], _| [c, r];
/// The transpose about the other diagonal. It is a transpose followed by a turn by 180°.
const ANTITRANSPOSE: OtherPixel = |[r, c], [rows, columns]| [columns - 1 - c, rows - 1 - r];
const QUARTER_TURN: OtherPixel = |[r, c], [_, columns]| [columns - 1 - c, r];
const QUARTER_TURN_BACK: OtherPixel = |[r, c], [rows, _]| [c, rows - 1 - r];

/// The rule with a rearranged filter: each weight is read at the place that `source` returns.
fn with_filter_from(site: &Site<'_>, conv_site: &ConvSite<'_>, source: OtherPixel) -> PassChange {
    let places = last_two(&conv_site.weight_shape(), source);
    site.with_rule(reading(site.rule, conv_site.slots[1], Instead::Places(places)))
}

/// The filter is not turned in the input gradient; or only its rows or its columns are reversed, it is turned by 90°, or its channels are reversed too. The
/// details continue the table's sentence `the filter of {} is not turned by 180° in the gradient of its input`.
pub fn not_flipped(site: &Site<'_>) -> Vec<Variant> {
    let Some(conv_site) = input_gradient(site) else { return Vec::new() };
    let [_, _, rows, columns] = conv_site.weight_shape();
    let mut variants = Vec::new();
    if rows * columns > 1 {
        variants.push(Variant::unnamed(with_filter_from(site, &conv_site, HALF_TURN)));
    }
    if rows > 1 && columns > 1 {
        // the rule turns the filter that it reads: reversed columns are turned back, and only the order of the rows is left reversed
        variants.push(Variant::named(
            "rows-only",
            ": only the order of its rows is reversed",
            [with_filter_from(site, &conv_site, COLUMNS_REVERSED)],
        ));
        variants.push(Variant::named(
            "columns-only",
            ": only the order of its columns is reversed",
            [with_filter_from(site, &conv_site, ROWS_REVERSED)],
        ));
    }
    if rows > 1 && rows == columns {
        variants.push(Variant::named("quarter-turn", ", but by 90° anticlockwise", [with_filter_from(site, &conv_site, QUARTER_TURN)]));
        variants.push(Variant::named(
            "quarter-turn-back",
            ", but by 90° clockwise",
            [with_filter_from(site, &conv_site, QUARTER_TURN_BACK)],
        ));
    }
    let shape = conv_site.weight_shape();
    if shape[0] * shape[1] > 1 {
        let reversed = places(&shape, |index| {
            index[0] = shape[0] - 1 - index[0];
            index[1] = shape[1] - 1 - index[1];
            true
        });
        let edit = site.with_rule(reading(site.rule, conv_site.slots[1], Instead::Places(reversed)));
        variants.push(Variant::named("all-axes", " alone: all four axes of the weight are reversed, the channels too", [edit]));
    }
    variants
}

/// The filter is turned in the input gradient of a transposed convolution.
pub fn flipped(site: &Site<'_>) -> Vec<Variant> {
    let conv_site = ConvSite::at(site).filter(|conv_site| conv_site.view == View::Input && conv_site.is_transposed);
    conv_site.map(|conv_site| Variant::unnamed(with_filter_from(site, &conv_site, HALF_TURN))).into_iter().collect()
}

/// The filter is transposed in the input gradient instead of turned.
pub fn transposed(site: &Site<'_>) -> Vec<Variant> {
    let conv_site = input_gradient(site)
        .filter(|conv_site| conv_site.conv.rows.kernel == conv_site.conv.columns.kernel && conv_site.conv.rows.kernel > 1);
    let Some(conv_site) = conv_site else { return Vec::new() };
    // the rule turns the filter that it reads by 180°: the antitranspose becomes the transpose
    vec![
        Variant::unnamed(with_filter_from(site, &conv_site, ANTITRANSPOSE)),
        Variant::named("and-rotated", ", and turned by 180°", [with_filter_from(site, &conv_site, TRANSPOSE)]),
    ]
}

/// The gradient of a filter is turned, or transposed.
pub fn weight_gradient_rotated(site: &Site<'_>) -> Vec<Variant> {
    let Some(conv_site) = weight_gradient(site) else { return Vec::new() };
    let shape = conv_site.weight_shape();
    let mut variants = vec![Variant {
        detail: ": turned by 180°".to_owned(),
        ..Variant::unnamed(site.with_rule(moved(site.rule, last_two(&shape, HALF_TURN))))
    }];
    if shape[2] == shape[3] && shape[2] > 1 {
        let edit = site.with_rule(moved(site.rule, last_two(&shape, TRANSPOSE)));
        variants.push(Variant::named("transposed", ": transposed, so that rows and columns are exchanged", [edit]));
    }
    variants
}

fn has_stride(conv_site: &ConvSite<'_>) -> bool {
    conv_site.conv.rows.stride > 1 || conv_site.conv.columns.stride > 1
}

fn has_dilation(conv_site: &ConvSite<'_>) -> bool {
    conv_site.conv.rows.dilation > 1 || conv_site.conv.columns.dilation > 1
}

/// Returns one variant without a name: the gradient is computed as in the convolution with other axes. Empty if `conv_site` is `None`.
fn with_axes(site: &Site<'_>, conv_site: Option<ConvSite<'_>>, change: impl Fn(&Axis) -> Axis) -> Vec<Variant> {
    conv_site.and_then(|conv_site| conv_site.with_axes(change)).map(|rule| Variant::unnamed(site.with_rule(rule))).into_iter().collect()
}

pub fn stride_ignored_in_input(site: &Site<'_>) -> Vec<Variant> {
    with_axes(site, input_gradient(site).filter(has_stride), |axis| axis.with_steps(1, axis.padding, axis.dilation))
}

pub fn stride_ignored_in_weight(site: &Site<'_>) -> Vec<Variant> {
    with_axes(site, weight_gradient(site).filter(has_stride), |axis| axis.with_steps(1, axis.padding, axis.dilation))
}

pub fn dilation_ignored_in_input(site: &Site<'_>) -> Vec<Variant> {
    with_axes(site, input_gradient(site).filter(has_dilation), |axis| axis.with_steps(axis.stride, axis.padding, 1))
}

pub fn dilation_ignored_in_weight(site: &Site<'_>) -> Vec<Variant> {
    with_axes(site, weight_gradient(site).filter(has_dilation), |axis| axis.with_steps(axis.stride, axis.padding, 1))
}

/// The gradient of the padded input is not cropped, so that it is shifted; or the gradient of a filter reads the input without its padding.
pub fn padding_not_cropped(site: &Site<'_>) -> Vec<Variant> {
    let of_pool = super::pool::padding_not_cropped(site);
    if !of_pool.is_empty() {
        return of_pool;
    }
    let conv_site =
        ConvSite::at(site).filter(|conv_site| !conv_site.is_transposed && conv_site.conv.rows.padding + conv_site.conv.columns.padding > 0);
    let mut variants = with_axes(site, conv_site, |axis| axis.with_steps(axis.stride, 0, axis.dilation));
    for variant in &mut variants {
        super::pool::NOT_CROPPED.clone_into(&mut variant.detail);
    }
    if conv_site.is_some_and(|conv_site| conv_site.view == View::Weight) {
        for variant in &mut variants {
            variant.name = Some("weight-gradient".to_owned());
            ": the weight gradient reads the input without it".clone_into(&mut variant.detail);
        }
    }
    variants
}

/// A wrong crop: the name of the variant, the end of its sentence, and a function from the padding to the number of rows or columns that are cut off before the
/// input.
type Crop = (&'static str, &'static str, fn(usize) -> usize);

/// The gradient of the padded input is cropped at a wrong place: by one more or one less than the padding, or by twice the padding.
pub fn cropped_elsewhere(site: &Site<'_>) -> Vec<Variant> {
    let Some(conv_site) = input_gradient(site) else { return Vec::new() };
    let [rows, columns] = [conv_site.conv.rows.padding, conv_site.conv.columns.padding];
    if rows == 0 && columns == 0 {
        return Vec::new();
    }
    let crops: [Crop; 3] = [
        ("one-more", ": one place too late", |padding| padding + 1),
        ("one-less", ": one place too early", |padding| padding - 1),
        ("twice", ": behind twice the padding", |padding| 2 * padding),
    ];
    let mut variants = Vec::new();
    // if the largest padding is 1, then one less is no padding (the mistake of `padding_not_cropped`), and twice the padding is one more
    let crops = if rows.max(columns) == 1 { &crops[..1] } else { &crops };
    for (name, detail, crop) in crops {
        let cut_off = |axis: &Axis| if axis.padding == 0 { 0 } else { crop(axis.padding) };
        let rule = conv_site.with_axes(|axis| axis.with_steps(axis.stride, cut_off(axis), axis.dilation));
        variants.extend(rule.map(|rule| Variant::named(*name, *detail, [site.with_rule(rule)])));
    }
    variants
}

/// The windows of the last row, of the last column, or of both are left out in a gradient: the loops end one turn too early.
pub fn last_windows_missing(site: &Site<'_>) -> Vec<Variant> {
    let Some(conv_site) = ConvSite::at(site).filter(|conv_site| conv_site.view != View::Output && !conv_site.is_transposed) else {
        return Vec::new();
    };
    let shape = site.iteration.shape(site.y);
    let [.., rows, columns] = *shape else { return Vec::new() };
    let (gradient, name) = if conv_site.view == View::Weight { ("weight", "weight-gradient") } else { ("input", "input-gradient") };
    let variant = |missing: &str, [kept_rows, kept_columns]: [usize; 2]| {
        let kept = places(shape, |index| index[index.len() - 2] < kept_rows && index[index.len() - 1] < kept_columns);
        let edit = site.with_rule(reading(site.rule, Slot::Upstream, Instead::Places(kept)));
        let detail = format!(": those of the last {missing}, in the {gradient} gradient");
        Variant::named(format!("{name}-{}", missing.replace(' ', "-")), detail, [edit])
    };
    let mut variants = Vec::new();
    if rows > 1 {
        variants.push(variant("row", [rows - 1, columns]));
    }
    if columns > 1 {
        variants.push(variant("column", [rows, columns - 1]));
    }
    if rows > 1 && columns > 1 {
        variants.push(variant("row and column", [rows - 1, columns - 1]));
    }
    variants
}

/// Only one filter passes its error back: the last or the first one, of all filters or of each group.
pub fn only_last_filter(site: &Site<'_>) -> Vec<Variant> {
    let Some(conv_site) = input_gradient(site) else { return Vec::new() };
    let (shape, filters, groups) = (conv_site.weight_shape(), conv_site.conv.outputs, conv_site.conv.groups);
    let keeping = |kept: usize, period: usize| {
        let places = places(&shape, |index| index[0] % period == kept);
        site.with_rule(reading(site.rule, conv_site.slots[1], Instead::Places(places)))
    };
    let mut variants = Vec::new();
    if filters > 1 {
        variants.push(Variant { detail: ": only the last".to_owned(), ..Variant::unnamed(keeping(filters - 1, filters)) });
        variants.push(Variant::named("first", ": only the first", [keeping(0, filters)]));
    }
    let per_group = filters / groups;
    if groups > 1 && per_group > 1 {
        variants.push(Variant::named("last-of-each-group", ": only the last of each group", [keeping(per_group - 1, per_group)]));
        variants.push(Variant::named("first-of-each-group", ": only the first of each group", [keeping(0, per_group)]));
    }
    variants
}

/// Each write to the gradient overwrites what earlier windows added.
pub fn overwritten(site: &Site<'_>) -> Vec<Variant> {
    let Some(rule) = site.rule_as::<BilinearRule<Conv2d>>() else {
        return [super::linear::overwritten(site), super::product::batch_overwritten(site)].concat();
    };
    let edges = Arc::clone(&rule.edges);
    match rule.view {
        View::Output => Vec::new(),
        View::Weight => {
            let positions = edges.rows.output * edges.columns.output;
            let last_window = with_terms(site.rule, move |rule, x, entry| {
                let [planes, rows, columns] = edges.nest(View::Weight, entry).counts;
                let Some(last) = (planes * rows * columns).checked_sub(1) else { return Vec::new() };
                // a weight over the padding in the last window has no product there: 0 is left
                let is_last = |edge: Edge| edge.output % positions == positions - 1;
                if is_last(edges.edge(View::Weight, entry, last as u64)) { vec![rule.term(x, entry, last as u64)] } else { Vec::new() }
            });
            vec![Variant::named(
                "weight-gradient",
                ": of the weight gradient only the last window's is left",
                [site.with_rule(last_window)],
            )]
        }
        View::Input => {
            // the terms of each filter (plane) are in the order of its weights. The first weight belongs to the last window that covers the entry
            let last_window = |is_each_filter: bool| {
                let edges = Arc::clone(&edges);
                with_terms(site.rule, move |rule, x, entry| {
                    let [planes, rows, columns] = edges.nest(View::Input, entry).counts;
                    if planes * rows * columns == 0 {
                        return Vec::new();
                    }
                    let first = if is_each_filter { 0 } else { planes - 1 };
                    (first..planes).map(|plane| rule.term(x, entry, (plane * rows * columns) as u64)).collect()
                })
            };
            vec![
                Variant::named(
                    "input-gradient",
                    ": of the input gradient only the last product is left",
                    [site.with_rule(last_window(false))],
                ),
                Variant::named(
                    "input-gradient-windows",
                    ": of the input gradient only the last window's products are left",
                    [site.with_rule(last_window(true))],
                ),
            ]
        }
    }
}

/// Input and output channels of the filter are exchanged in the input gradient.
pub fn channels_swapped(site: &Site<'_>) -> Vec<Variant> {
    let conv_site = ConvSite::at(site).filter(|conv_site| conv_site.view == View::Input && is_square(conv_site));
    let swapped = |conv_site: ConvSite<'_>| {
        let places = places(&conv_site.weight_shape(), |index| {
            index.swap(0, 1);
            true
        });
        Variant::unnamed(site.with_rule(reading(site.rule, conv_site.slots[1], Instead::Places(places))))
    };
    conv_site.map(swapped).into_iter().collect()
}

/// Whether a filter has as many input channels as output channels, and more than one.
fn is_square(conv_site: &ConvSite<'_>) -> bool {
    let [outputs, inputs, ..] = conv_site.weight_shape();
    outputs == inputs && outputs > 1
}

/// Input and output channels are exchanged in the gradient of a filter.
pub fn weight_channels_swapped(site: &Site<'_>) -> Vec<Variant> {
    let conv_site = weight_gradient(site).filter(is_square);
    let swapped = |conv_site: ConvSite<'_>| {
        let places = places(&conv_site.weight_shape(), |index| {
            index.swap(0, 1);
            true
        });
        Variant::unnamed(site.with_rule(moved(site.rule, places)))
    };
    conv_site.map(swapped).into_iter().collect()
}

/// The channels of the input are read in reverse order in the weight gradient.
pub fn input_channels_reversed(site: &Site<'_>) -> Vec<Variant> {
    let Some(conv_site) = weight_gradient(site) else { return Vec::new() };
    let image = site.operands[conv_site.slots[0]];
    let shape = site.iteration.shape(image);
    let Some(places) = reversed_channels(shape) else { return Vec::new() };
    vec![Variant::named(
        "weight-gradient",
        " in the weight gradient",
        [site.with_rule(reading(site.rule, conv_site.slots[0], Instead::Places(places)))],
    )]
}

/// The places of an image whose channels are in reverse order; `None` for a tensor that is not an image of several channels.
pub(super) fn reversed_channels(shape: &[usize]) -> Option<Arc<[usize]>> {
    let [channels, _, _] = *shape else { return None };
    (channels > 1).then(|| {
        places(shape, |index| {
            index[0] = channels - 1 - index[0];
            true
        })
    })
}

/// The groups are ignored: every group reads the channels of the first one, or adds to them.
pub fn groups_ignored(site: &Site<'_>) -> Vec<Variant> {
    let Some(conv_site) = ConvSite::at(site).filter(|conv_site| conv_site.conv.groups > 1 && !conv_site.is_transposed) else {
        return Vec::new();
    };
    let Conv2d { inputs, groups, rows, columns, .. } = conv_site.conv;
    let (inputs_per_group, area, groups) = (inputs / groups, rows.input * columns.input, *groups);
    if conv_site.view == View::Weight {
        let shape = [*inputs, rows.input, columns.input];
        let places = places(&shape, |index| {
            index[0] %= inputs_per_group;
            true
        });
        let edit = site.with_rule(reading(site.rule, conv_site.slots[0], Instead::Places(places)));
        return vec![Variant::named("weight-gradient", ": each reads the channels of the first group in the weight gradient", [edit])];
    }
    let summed = |to_each_group: bool| {
        with_terms(site.rule, move |rule, x, entry| {
            let (channel, pixel) = (entry / area, entry % area);
            if channel >= inputs_per_group && !to_each_group {
                return Vec::new();
            }
            let entry_in = |group: usize| (group * inputs_per_group + channel % inputs_per_group) * area + pixel;
            (0..groups).flat_map(|group| all_terms(rule, x, entry_in(group))).collect()
        })
    };
    vec![
        Variant::named("first-group", ": the errors of all groups go to the channels of the first", [site.with_rule(summed(false))]),
        Variant::named("all-groups", ": the errors of all groups go to the channels of each", [site.with_rule(summed(true))]),
    ]
}
