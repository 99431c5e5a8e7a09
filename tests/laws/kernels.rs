//! The fast kernels compared with plain sums of terms, on shapes that fill vector registers and several threads, with zeros of both signs, infinities, and
//! sums that start from earlier values.

use std::ops::RangeInclusive;

use gradstep::op::axis::Axis;
use gradstep::op::bias::bias;
use gradstep::op::constant_weights::{ConstantWeights, Weights};
use gradstep::op::conv2d::{self, Conv2d};
use gradstep::op::edges::Bilinear;
use gradstep::op::einsum::{EinsumKind, einsum};
use gradstep::op::linear::{self, dense};
use gradstep::op::max_pool2d::MaxPool2d;
use gradstep::op::rule::{Equation, Function, Operands, Rule, Use};
use gradstep::op::slot::{Reads, Slot};
use gradstep::tensor::len;
use proptest::prelude::*;

use super::config;

/// Pseudo-random numbers between −1 and 1. On average, one of `special_every` numbers is 0, −0 or, if `infinite` is true, ∞ or NaN.
pub fn numbers(seed: u64, count: usize, special_every: u64, infinite: bool) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        state >> 32
    };
    let mut number = || match (next() % special_every, next() % 5) {
        (0, 0) if infinite => f64::INFINITY,
        (0, 1) if infinite => f64::NAN,
        (0, 0..=2) => 0.0,
        (0, _) => -0.0,
        #[allow(clippy::cast_precision_loss)] // 32 bits
        _ => next() as f64 / f64::from(1 << 31) - 1.0,
    };
    (0..count).map(|_| number()).collect()
}

/// Returns whether two numbers have the same bits, or are both NaN.
pub fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Compares the kernel of a rule with the sums of its terms. `operands` are the tensors that the rule reads. `accumulate` adds to `start`, and `overwrite`
/// starts from −0, but gives 0 for an entry without terms.
fn check_rule(rule: &dyn Rule, operands: &Reads<&Vec<f64>>, start: &[f64]) -> Result<(), TestCaseError> {
    let tensors = operands.map(|tensor| &tensor[..]);
    let memo = rule.memo(&tensors);
    let x = Operands { tensors, memo: &memo };
    let mut sums = start.to_vec();
    rule.accumulate(&x, &mut sums);
    let has_terms = rule.has_terms(&x, sums.len());
    // any numbers, which `overwrite` replaces
    let mut overwritten = numbers(7, start.len(), 3, true);
    rule.overwrite(&x, &mut overwritten);
    for (entry, &sum) in overwritten.iter().enumerate() {
        let terms = rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry);
        let plain = (0..terms).fold(if terms == 0 { 0.0 } else { -0.0 }, |sum, term| sum + rule.term(&x, entry, term).value);
        prop_assert!(same(sum, plain), "{rule:?}: entry {entry} is overwritten with {sum:e}, its {terms} terms add up to {plain:e}");
    }
    for (entry, (&sum, &start)) in sums.iter().zip(start).enumerate() {
        let terms = rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry);
        let plain = (0..terms).fold(start, |sum, term| sum + rule.term(&x, entry, term).value);
        prop_assert!(same(sum, plain), "{rule:?}: entry {entry} of {terms} terms is {sum:e}, its terms add up to {plain:e}");
        prop_assert!(same(rule.add_first_terms(&x, entry, terms, start), plain), "{rule:?}: the partial sum of entry {entry}");
        let halves = rule.add_terms(&x, entry, terms / 2..terms, rule.add_terms(&x, entry, 0..terms / 2, start));
        prop_assert!(same(halves, plain), "{rule:?}: the partial sum of entry {entry} in two halves");
        let entry_has_terms = has_terms.as_ref().is_none_or(|has_terms| has_terms[entry]);
        prop_assert_eq!(entry_has_terms, terms > 0, "{:?}: entry {}", rule, entry);
    }
    Ok(())
}

/// Computes y = f(x); the earlier numbers of `y` are overwritten.
pub fn forward(function: &dyn Function, x: &[f64], y: &mut [f64]) {
    let (rule, tensors) = (function.forward(), Reads::inputs([x]));
    let memo = rule.memo(&tensors);
    let x = Operands { tensors, memo: &memo };
    rule.overwrite(&x, y);
}

/// Checks the rules of a function y = f(x, w) or y = f(x), for these shapes: the forward rule, and the derivatives by x and w.
pub fn check_views(
    function: &dyn Function,
    x: &[usize],
    w: Option<&[usize]>,
    y: &[usize],
    seed: u64,
    special_every: u64,
    infinite: bool,
) -> Result<(), TestCaseError> {
    let make = |n: u64, shape: &[usize]| numbers(seed.wrapping_add(n), len(shape), special_every, infinite);
    // the first part of an op starts from −0, a second part from the sum of the first
    let start = |shape: &[usize]| if seed.is_multiple_of(2) { vec![-0.0; len(shape)] } else { make(3, shape) };
    let mut inputs = vec![make(0, x)];
    inputs.extend(w.map(|w| make(1, w)));
    // the output that a rule reads need not be f(x, w): the rule must read it, not compute it again. Only `overwrite_in_run` may rely on y = f(x, w)
    let (any_output, upstream) = (make(4, y), make(2, y));
    let output_of_run = overwritten(function.forward().as_ref(), &Reads::inputs(&inputs), len(y), false);
    let operands = Reads::inputs(&inputs);
    check_rule(function.forward().as_ref(), &operands, &start(y))?;
    let operands_of_run = operands.clone().with_output(&output_of_run).with_upstream(&upstream);
    let operands = operands.with_output(&any_output).with_upstream(&upstream);
    for (slot, shape) in [Some(x), w].into_iter().flatten().enumerate() {
        let rule = function.backward(slot).expect("a derivative");
        check_rule(rule.as_ref(), &operands, &start(shape))?;
        let [plain, in_run] = [false, true].map(|in_run| overwritten(rule.as_ref(), &operands_of_run, len(shape), in_run));
        prop_assert!(plain.iter().zip(&in_run).all(|(plain, in_run)| same(*plain, *in_run)), "{rule:?} in a run: {plain:?}, {in_run:?}");
    }
    Ok(())
}

/// Returns the `count` sums that a rule computes with [`Rule::overwrite`] or, if `in_run`, with [`Rule::overwrite_in_run`].
fn overwritten(rule: &dyn Rule, operands: &Reads<&Vec<f64>>, count: usize, in_run: bool) -> Vec<f64> {
    let tensors = operands.map(|tensor| &tensor[..]);
    let memo = rule.memo(&tensors);
    let x = Operands { tensors, memo: &memo };
    let mut sums = numbers(7, count, 3, true);
    if in_run {
        rule.overwrite_in_run(&x, &mut sums);
    } else {
        rule.overwrite(&x, &mut sums);
    }
    sums
}

/// The shape of a convolution or a pool.
#[derive(Clone, Debug)]
struct Shape {
    groups: usize,
    /// The input channels of each group.
    inputs: usize,
    /// The output channels of each group.
    outputs: usize,
    /// Length, kernel, stride, padding before and after, and dilation, for rows and for columns.
    axes: [[usize; 6]; 2],
}

fn axis(lengths: RangeInclusive<usize>) -> impl Strategy<Value = [usize; 6]> {
    (lengths, 1..=6_usize, 1..=4_usize, 0..=4_usize, 0..=4_usize, 1..=3_usize)
        .prop_map(|(n, kernel, stride, before, after, dilation)| [n, kernel, stride, before, after, dilation])
}

fn shape() -> impl Strategy<Value = Shape> {
    // the groups, and the inputs and outputs of each
    let channels =
        prop_oneof![(1..=3_usize, 1..=5_usize, 1..=9_usize), (Just(1), 1..=3_usize, 1..=70_usize), (Just(1), 1..=40_usize, 1..=3_usize)];
    (channels, axis(1..=14), axis(1..=40)).prop_map(|((groups, inputs, outputs), rows, columns)| Shape {
        groups,
        inputs,
        outputs,
        axes: [rows, columns],
    })
}

/// Returns the convolution of a shape, or `None` if no window fits.
fn conv(Shape { groups, inputs, outputs, axes: [rows, columns] }: &Shape) -> Option<Conv2d> {
    let axis = |&[n, kernel, stride, before, after, dilation]: &[usize; 6]| Axis::new(n, kernel, stride, [before, after], dilation).ok();
    Some(Conv2d::new(groups * inputs, groups * outputs, *groups, axis(rows)?, axis(columns)?))
}

fn convolution(shape: &Shape, seed: u64, special_every: u64, infinite: bool) -> Result<(), TestCaseError> {
    let conv = conv(shape).ok_or_else(|| TestCaseError::reject("no window fits"))?;
    let x = [conv.inputs, conv.rows.input, conv.columns.input];
    let w = [conv.outputs, shape.inputs, conv.rows.kernel, conv.columns.kernel];
    let y = [conv.outputs, conv.rows.output, conv.columns.output];
    check_views(&Bilinear::new(conv, conv2d::EQUATIONS), &x, Some(&w), &y, seed, special_every, infinite)
}

proptest! {
    #![proptest_config(config(200, 200))]

    #[test]
    fn convolutions_add_in_order(shape in shape(), seed in any::<u64>(), special_every in 1..=9_u64, infinite in any::<bool>()) {
        convolution(&shape, seed, special_every, infinite)?;
    }

    #[test]
    fn linear_layers_add_in_order(
        inputs in 1..=90_usize,
        outputs in 1..=40_usize,
        seed in any::<u64>(),
        special_every in 1..=9_u64,
        infinite in any::<bool>(),
    ) {
        let function = Bilinear::new(dense(inputs, outputs), linear::EQUATIONS);
        check_views(&function, &[inputs], Some(&[outputs, inputs]), &[outputs], seed, special_every, infinite)?;
    }

    #[test]
    fn biases_add_in_order(channels in 1..=40_usize, area in 1..=40_usize, seed in any::<u64>(), special_every in 1..=9_u64, infinite in any::<bool>()) {
        check_views(&bias(&[channels], &[channels, area]), &[channels], None, &[channels, area], seed, special_every, infinite)?;
    }
}

/// Products of matrices: the labels of the two operands and of the result.
const PRODUCTS: &[(&str, &str, &str)] =
    &[("ik", "kj", "ij"), ("bik", "bkj", "bij"), ("bqhd", "bkhd", "bhqk"), ("ik", "bkj", "bij"), ("ki", "jk", "ij")];

proptest! {
    #![proptest_config(config(60, 100))]

    #[test]
    fn products_of_matrices_add_in_order(
        product in prop::sample::select(PRODUCTS),
        small in prop::collection::vec(1..=5_usize, 5),
        large in prop::collection::vec((0..5_usize, 1..=34_usize), 2),
        long in prop::option::of(250..=600_usize),
        seed in any::<u64>(),
        special_every in 1..=9_u64,
        infinite in any::<bool>(),
    ) {
        let (a, b, y) = product;
        let mut letters: Vec<char> = a.chars().chain(b.chars()).collect();
        letters.sort_unstable();
        letters.dedup();
        let mut sizes = small[..letters.len()].to_vec();
        for (at, size) in large {
            sizes[at % letters.len()] = size;
        }
        // of the three labels i, j and k, the second is j: the result has long rows
        if let (Some(long), 3) = (long, letters.len()) {
            sizes[1] = long;
        }
        let labels = |text: &str| text.chars().map(|letter| letters.iter().position(|known| *known == letter).expect("known")).collect::<Vec<_>>();
        let (a, b, y) = (labels(a), labels(b), labels(y));
        let shape = |labels: &[usize]| labels.iter().map(|label| sizes[*label]).collect::<Vec<_>>();
        let function = einsum(&[&a, &b], &y, &sizes, EinsumKind::General);
        check_views(&*function, &shape(&a), Some(&shape(&b)), &shape(&y), seed, special_every, infinite)?;
    }
}

proptest! {
    #![proptest_config(config(100, 100))]

    #[test]
    fn means_add_in_order(
        channels in 1..=3_usize,
        rows in little_padding(1..=20, 1..=9),
        columns in little_padding(5..=40, 1..=9),
        seed in any::<u64>(),
        special_every in 1..=9_u64,
        infinite in any::<bool>(),
    ) {
        let shape = Shape { groups: channels, inputs: 1, outputs: 1, axes: [rows, columns] };
        let windows = conv(&shape).ok_or_else(|| TestCaseError::reject("no window fits"))?;
        let (x, y) = ([channels, windows.rows.input, windows.columns.input], [channels, windows.rows.output, windows.columns.output]);
        let mean = Equation::default();
        check_views(&ConstantWeights::new(windows, Weights::Uniform(1.0 / 3.0), mean, mean), &x, None, &y, seed, special_every, infinite)?;
    }
}

/// The position of a window's maximum, by a linear search: the first of equals, or the last NaN.
fn winner(image: &[f64], places: impl Iterator<Item = usize>) -> usize {
    places.reduce(|best, at| if image[at] > image[best] || image[at].is_nan() { at } else { best }).expect("a window")
}

/// Checks max pooling: compares the maxima and the gradient with a linear search of each window.
fn check_max_pool(shape: &Shape, seed: u64, special_every: u64, infinite: bool) -> Result<(), TestCaseError> {
    let windows = conv(shape).ok_or_else(|| TestCaseError::reject("no window fits"))?;
    let channels = windows.outputs;
    let output_area = windows.rows.output * windows.columns.output;
    let window = |output: usize| {
        let (y, x) = (output / windows.columns.output, output % windows.columns.output);
        let (down, across) = (windows.rows.kernel_range(y), windows.columns.kernel_range(x));
        let (height, width) = (windows.rows.clone(), windows.columns.clone());
        down.flat_map(move |ky| across.clone().map(move |kx| [ky, kx]))
            .map(move |[ky, kx]| height.input_position(ky, y) * width.input + width.input_position(kx, x))
    };
    if (0..output_area).any(|output| window(output).next().is_none()) {
        return Err(TestCaseError::reject("a window lies on padding"));
    }
    let (x, y) = ([channels, windows.rows.input, windows.columns.input], [channels, output_area]);
    let mut image: Vec<f64> = numbers(seed, len(&x), special_every, infinite);
    if seed.is_multiple_of(3) {
        // after rounding many numbers are equal, and the first of them must win
        for value in &mut image {
            *value = (*value * 1.5).trunc();
        }
    }
    let input_area = windows.rows.input * windows.columns.input;
    let winner_of = |n: usize| {
        let first = n / output_area * input_area;
        first + winner(&image[first..][..input_area], window(n % output_area))
    };
    let winners: Vec<usize> = (0..channels * output_area).map(winner_of).collect();
    let max = MaxPool2d::new(conv(shape).expect("as above"));
    // all numbers 7 must be overwritten
    let mut largest = vec![7.0; channels * output_area];
    let operands = Operands { tensors: Reads::inputs([&image[..]]), memo: &None };
    max.forward().overwrite(&operands, &mut largest);
    for (largest, winner) in largest.iter().zip(&winners) {
        prop_assert!(same(*largest, image[*winner]), "{largest:e} is not {:e}", image[*winner]);
    }
    // the error of output n is n + 1, so all errors differ
    #[allow(clippy::cast_precision_loss)] // some thousands
    let errors: Vec<f64> = (1..=winners.len()).map(|n| n as f64).collect();
    let backward = max.backward(0).expect("a derivative");
    let tensors = Reads::inputs([&image[..]]).with_output(&largest[..]).with_upstream(&errors);
    let memo = backward.memo(&tensors);
    let x_back = Operands { tensors, memo: &memo };
    let mut gradient = vec![7.0; image.len()];
    backward.overwrite(&x_back, &mut gradient);
    let mut right = vec![0.0; image.len()];
    for (winner, error) in winners.iter().zip(&errors) {
        right[*winner] += error;
    }
    prop_assert_eq!(gradient, right);
    for (output, &entry) in winners.iter().enumerate() {
        let uses = backward.uses(&x_back, Slot::Upstream, output);
        prop_assert!(matches!(uses[..], [Use { entry: there, .. }] if there == entry), "{uses:?} of {output}");
        prop_assert_eq!(backward.term(&x_back, entry, uses[0].term).value, errors[output]);
    }
    check_views(&max, &x, None, &y, seed, special_every, infinite)
}

/// An axis whose padding is at most half of the kernel, so that nearly every window covers a pixel.
fn little_padding(lengths: RangeInclusive<usize>, kernels: RangeInclusive<usize>) -> impl Strategy<Value = [usize; 6]> {
    let sizes = (lengths, kernels, 1..=3_usize, 1..=3_usize);
    sizes.prop_flat_map(|(n, kernel, stride, dilation)| {
        [0..=kernel / 2, 0..=kernel / 2].prop_map(move |[before, after]| [n, kernel, stride, before, after, dilation])
    })
}

proptest! {
    #![proptest_config(config(300, 200))]

    #[test]
    fn maxima_are_the_first_of_the_largest(
        channels in 1..=3_usize,
        rows in axis(1..=14),
        columns in axis(1..=40),
        seed in any::<u64>(),
        special_every in 1..=9_u64,
        infinite in any::<bool>(),
    ) {
        check_max_pool(&Shape { groups: channels, inputs: 1, outputs: 1, axes: [rows, columns] }, seed, special_every, infinite)?;
    }
}

proptest! {
    #![proptest_config(config(60, 100))]

    /// Windows so large that the kernel finds the maxima from running maxima.
    #[test]
    fn running_maxima_are_the_first_of_the_largest(
        channels in 1..=2_usize,
        axes in prop_oneof![
            (little_padding(1..=30, 3..=17), little_padding(10..=60, 3..=17)),
            (little_padding(3..=12, 3..=5), little_padding(100..=300, 3..=19)),
            (little_padding(100..=300, 3..=19), little_padding(10..=16, 3..=7)),
        ],
        seed in any::<u64>(),
        special_every in 1..=9_u64,
        infinite in any::<bool>(),
    ) {
        check_max_pool(&Shape { groups: channels, inputs: 1, outputs: 1, axes: [axes.0, axes.1] }, seed, special_every, infinite)?;
    }
}

#[test]
fn work_on_several_threads_adds_in_order() {
    let (seed, special_every, infinite) = (5, 7, true);
    let axis = [14, 3, 1, 1, 1, 1];
    let strided = [27, 3, 2, 1, 1, 1];
    for axes in [[axis, axis], [strided, axis]] {
        for (groups, inputs, outputs) in [(1, 32, 90), (2, 32, 45)] {
            convolution(&Shape { groups, inputs, outputs, axes }, seed, special_every, infinite).expect("the same sums");
        }
    }
}
