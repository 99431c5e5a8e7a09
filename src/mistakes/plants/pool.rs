//! Mistakes in the backward pass of a pool.

use std::sync::Arc;

use super::super::planting::Variant;
use super::super::site::Site;
use super::super::wrong_rule::{all_terms, moved, scaled, with_terms};
use super::places::{places, upstream_place, upstream_times};
use crate::op::avg_pool2d::{pool_function, pool_weights};
use crate::op::constant_weights::{ConstantWeights, ConstantWeightsRule, Weights};
use crate::op::contraction::Contraction;
use crate::op::conv2d::Conv2d;
use crate::op::edges::{Edges, View};
use crate::op::max_pool2d::MaxPoolBackward;
use crate::op::rule::{Equation, Function, Operands, Rule, Term};
use crate::op::slot::Slot::Input;

/// New windows with the same numbers. A wrong rule must own its windows, and [`Conv2d`] cannot be cloned.
fn copy_of(windows: &Conv2d) -> Conv2d {
    Conv2d::new(windows.inputs, windows.outputs, windows.groups, windows.rows.clone(), windows.columns.clone())
}

/// Returns the share of a window's error that goes to a place of the window.
type Share = fn(&PoolPlace) -> f64;

/// A place of a window: an entry of the image that the window covers.
struct PoolPlace {
    /// `true` if the entry is the maximum of the window. Several entries can be equal to the maximum: a tie.
    is_largest: bool,
    /// `true` if the entry is the last one that is equal to the maximum.
    is_last_largest: bool,
    /// The number of entries of the window that are equal to its maximum.
    ties: f64,
    /// The number of places of the window that are in the image.
    size: f64,
    /// The number of places of the window, including those in the padding.
    full_size: f64,
}

/// The rule that gives each place of a window a share of the window's error.
fn shared(rule: &Arc<dyn Rule>, windows: &Conv2d, share: Share) -> Arc<dyn Rule> {
    let windows = copy_of(windows);
    with_terms(rule, move |_, x, input| {
        let covering = windows.prefix_terms(View::Input, input + 1) - windows.prefix_terms(View::Input, input);
        let mut outputs: Vec<usize> = (0..covering).map(|term| windows.edge(View::Input, input, term).output).collect();
        outputs.sort_unstable();
        let shares = outputs.into_iter().map(|output| (output, share(&place(&windows, x, input, output))));
        shares.filter(|(_, share)| *share != 0.0).map(|(output, share)| upstream_times(x, output, share)).collect()
    })
}

/// The place of the entry `input` of the image in the window of the entry `output` of the result.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ places
fn place(windows: &Conv2d, x: &Operands<'_>, input: usize, output: usize) -> PoolPlace {
    let image = x.tensors[Input(0)];
    let nest = windows.nest(View::Output, output);
    let covered: Vec<usize> = nest.edges(0..nest.counts.iter().product()).map(|edge| edge.input).collect();
    let largest = covered.iter().map(|at| image[*at]).fold(f64::NEG_INFINITY, f64::max);
    #[allow(clippy::float_cmp)] // a tie
    let is_largest = |at: &&usize| image[**at] == largest;
    PoolPlace {
        is_largest: is_largest(&&input),
        is_last_largest: covered.iter().rfind(is_largest) == Some(&input),
        ties: covered.iter().filter(is_largest).count() as f64,
        size: covered.len() as f64,
        full_size: (windows.rows.kernel * windows.columns.kernel) as f64,
    }
}

/// The mistake of a max pool whose backward pass gives each place of a window this share of the window's error; no variants for another op.
fn of_max_pool(site: &Site<'_>, share: Share) -> Vec<Variant> {
    let rule = site.rule_as::<MaxPoolBackward>();
    rule.map(|rule| Variant::unnamed(site.with_rule(shared(site.rule, rule.windows(), share)))).into_iter().collect()
}

/// If several entries of a window are equal to its maximum, each of them gets the whole error.
pub fn to_all_ties(site: &Site<'_>) -> Vec<Variant> {
    of_max_pool(site, |place| f64::from(u8::from(place.is_largest)))
}

/// If n entries of a window are equal to its maximum, each of them gets 1/n of the error.
pub fn split_over_ties(site: &Site<'_>) -> Vec<Variant> {
    of_max_pool(site, |place| if place.is_largest { 1.0 / place.ties } else { 0.0 })
}

/// If several entries of a window are equal to its maximum, the last one gets the error instead of the first one.
pub fn to_last_tie(site: &Site<'_>) -> Vec<Variant> {
    of_max_pool(site, |place| f64::from(u8::from(place.is_last_largest)))
}

/// The error of a window is divided equally among its places, as if the pool took means. In a variant, the padding counts as places too.
pub fn mean_of_window(site: &Site<'_>) -> Vec<Variant> {
    let mut variants = of_max_pool(site, |place| 1.0 / place.size);
    if site.rule_as::<MaxPoolBackward>().is_some_and(|rule| rule.windows().rows.padding + rule.windows().columns.padding > 0) {
        let with_padding = of_max_pool(site, |place| 1.0 / place.full_size);
        variants.extend(with_padding.into_iter().map(|variant| Variant::named("with-padding", ", whose padding counts", variant.edits)));
    }
    variants
}

/// The gradient of the padded input is not cropped: its first rows and columns, those of the padding, stay. The other numbers are then `padding` rows further
/// down and `padding` columns further right than they should be.
pub fn padding_not_cropped(site: &Site<'_>) -> Vec<Variant> {
    if let Some(rule) = site.rule_as::<ConstantWeightsRule<Conv2d>>().filter(|rule| rule.view == View::Input) {
        let Conv2d { inputs, outputs, groups, rows, columns, .. } = rule.edges();
        if rows.padding + columns.padding == 0 {
            return Vec::new();
        }
        let [rows, columns] = [rows, columns].map(|axis| axis.with_steps(axis.stride, 0, axis.dilation));
        let shifted = Conv2d::new(*inputs, *outputs, *groups, rows, columns);
        let function = ConstantWeights::new(shifted, rule.weights().clone(), Equation::default(), Equation::default());
        return function.backward(0).map(|rule| not_cropped(site, rule)).into_iter().collect();
    }
    let Some(windows) = site.rule_as::<MaxPoolBackward>().map(MaxPoolBackward::windows) else { return Vec::new() };
    let [rows, columns] = [&windows.rows, &windows.columns].map(|axis| axis.padding);
    if rows + columns == 0 {
        return Vec::new();
    }
    // entry [r, c] of the padded gradient is entry [r − padding, c − padding] of the right one. It is 0 if the index is negative: in the padding
    let shifted = places(site.iteration.shape(site.of), |index| {
        // the axes from the last one on: the columns and, in an image, the rows. A sequence has columns only
        let mut paddings = index.iter_mut().rev().zip([columns, rows]);
        paddings.all(|(index, padding)| {
            let inside = index.checked_sub(padding);
            *index = inside.unwrap_or(*index);
            inside.is_some()
        })
    });
    vec![not_cropped(site, moved(site.rule, shifted))]
}

/// The clause about an input gradient that still has the padding.
pub(super) const NOT_CROPPED: &str = ": the gradient of the padded input is not cropped";

/// The mistake of an input gradient that `rule` computes and that still has the padding.
fn not_cropped(site: &Site<'_>, rule: Arc<dyn Rule>) -> Variant {
    Variant { detail: NOT_CROPPED.to_owned(), ..Variant::unnamed(site.with_rule(rule)) }
}

/// Each place of a window gets the whole error, not only the maximum.
pub fn to_whole_window(site: &Site<'_>) -> Vec<Variant> {
    of_max_pool(site, |_| 1.0)
}

/// Whether the ranges of neighbouring windows overlap.
fn overlaps(windows: &Conv2d) -> bool {
    let Conv2d { rows, columns, .. } = windows;
    [rows, columns].iter().any(|axis| axis.output > 1 && (axis.kernel - 1) * axis.dilation >= axis.stride)
}

/// If several windows cover an entry, only the error of the last one is left.
pub fn overwritten(site: &Site<'_>) -> Vec<Variant> {
    let max_windows = site.rule_as::<MaxPoolBackward>().map(MaxPoolBackward::windows);
    let mean_windows =
        || site.rule_as::<ConstantWeightsRule<Conv2d>>().filter(|rule| rule.view == View::Input).map(ConstantWeightsRule::edges);
    let Some(windows) = max_windows.or_else(mean_windows).filter(|windows| overlaps(windows)) else { return Vec::new() };
    let last = |rule: &dyn Rule, x: &Operands<'_>, at: usize| -> Vec<Term> {
        all_terms(rule, x, at).into_iter().max_by_key(upstream_place).into_iter().collect()
    };
    let mut variants = vec![Variant::unnamed(site.with_rule(with_terms(site.rule, last)))];
    if max_windows.is_some() {
        // in this variant, a window also writes 0 to its places that are not the maximum
        let windows = copy_of(windows);
        let whole_window = with_terms(site.rule, move |rule, x, at| {
            let covering = windows.prefix_terms(View::Input, at + 1) - windows.prefix_terms(View::Input, at);
            let last_window = (0..covering).map(|term| windows.edge(View::Input, at, term).output).max();
            all_terms(rule, x, at).into_iter().filter(|term| upstream_place(term) == last_window).collect()
        });
        variants.push(Variant::named(
            "whole-window",
            ", and each entry that is not the maximum of the last window on it becomes 0",
            [site.with_rule(whole_window)],
        ));
    }
    variants
}

/// The error of a mean is not divided. In a variant, the forward pass does not divide either; a global pool has no such variant.
pub fn divisor_missing(site: &Site<'_>) -> Vec<Variant> {
    // the rules of a sum: the forward rule (`None` for a global pool) and the backward rule
    let undivided = if let Some(rule) = site.rule_as::<ConstantWeightsRule<Conv2d>>().filter(|rule| rule.view == View::Input) {
        let sum = ConstantWeights::new(copy_of(rule.edges()), Weights::Unweighted, Equation::default(), Equation::default());
        Some((Some(sum.forward()), sum.backward(0)))
    } else {
        let rule =
            site.rule_as::<ConstantWeightsRule<Contraction>>().filter(|rule| rule.view == View::Input && site.rule.window().is_some());
        rule.and_then(|rule| match rule.weights() {
            Weights::Uniform(k) => Some((None, Some(scaled(site.rule, 1.0 / k)))),
            _ => None,
        })
    };
    let Some((forward, Some(back))) = undivided else { return Vec::new() };
    let mut variants = vec![Variant::unnamed(site.with_rule(back.clone()))];
    if let Some(forward) = forward
        && let Some(edit) = site.with_forward_rule(|_| Arc::clone(&forward))
    {
        variants.push(Variant::named("both-ways", ", nor is the sum in the forward pass", [edit, site.with_rule(back)]));
    }
    variants
}

/// The divisor counts the padding if it should not, or does not count it if it should.
pub fn count_include_pad(site: &Site<'_>) -> Vec<Variant> {
    let Some(rule) = site.rule_as::<ConstantWeightsRule<Conv2d>>().filter(|rule| rule.view == View::Input) else { return Vec::new() };
    let windows = rule.edges();
    if windows.rows.padding + windows.columns.padding == 0 {
        return Vec::new();
    }
    let counts_padding = *rule.weights() == pool_weights(windows, true);
    let function = pool_function(copy_of(windows), !counts_padding);
    let Some(back) = function.backward(0) else { return Vec::new() };
    let mut variants = Vec::new();
    if let Some(forward) = site.with_forward_rule(|_| function.forward()) {
        variants.push(Variant::named("both-ways", "", [forward, site.with_rule(Arc::clone(&back))]));
    }
    variants.push(Variant::named("backward-only", " in the backward pass", [site.with_rule(back)]));
    variants
}
