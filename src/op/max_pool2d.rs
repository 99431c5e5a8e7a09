//! `max_pool2d`: the maximum of each window of a channel.
//!
//! The input has C x H x W entries, the output C x H' x W' with H' = ⌊(H + 2 · padding − (kernel height − 1) · dilation − 1) / stride⌋ + 1, and W'
//! likewise. With `ceil_mode` the number is rounded up. Padding is never the maximum.
//!
//! | computed | equation |
//! | --- | --- |
//! | output | `y[o] = max of x over the window of o` |
//! | input gradient | `∂C/∂x[i] = Σ ∂C/∂y[o]` over the outputs o whose maximum is x\[i\] |
//!
//! The entry that is the maximum of its window is the *winner*. As in PyTorch, the first of several equal maxima in row-major order wins, and NaN is larger
//! than every number: the last NaN of a window wins. The window with the rows (1 3) and (3 2) gives 3, and its whole error goes to the upper 3.
//!
//! Source: PyTorch's `torch.nn.MaxPool2d`; figure 7 (part 1) of V. Petersen's series "A guided tour through a convolutional neural network".

mod direct;
mod running;

use std::hint::select_unpredictable;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use smallvec::smallvec;

use super::axis::{Axis, Taps};
use super::combination::add_scaled;
use super::conv2d::Conv2d;
use super::edges::{Edges, View, infer_output_shape};
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::mismatch::Mismatch;
use super::pool::{output_shape, read_windows};
use super::rule::{Equation, Function, Gist, Memo, Operands, Rule, Term, TermNumbers, Use, Window, entries, entry, one_term_each};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use crate::expr::{Definition, Expr, Form, Primitive, whole};
use crate::scratch::Scratch;
use crate::step::Kind;
use crate::tensor::{Places, len};
use crate::threads::{share, threads_for};
use running::RunningMaxima;

/// The row of `max_pool2d` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind = LayerKind {
    name: "max_pool2d",
    default_name: "pool",
    keys: &["kernel_size", "stride", "padding", "dilation", "ceil_mode"],
    rank: Some(3),
    has_several_inputs: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let is_1d = false;
    pool_layer(args, is_1d)
}

/// Makes the pool of an image, or along the only axis of channels x length if `is_1d` is set.
///
/// # Errors
/// If a key is faulty, or no window fits.
pub fn pool_layer(args: &mut dyn Args, is_1d: bool) -> Result<Layer, Reported> {
    let windows = read_windows(args, is_1d)?;
    // `read_windows` has claimed the memory of the output; running maxima need memory of their own
    if RunningMaxima::new_if_faster(&windows).is_some() {
        args.claim(&RunningMaxima::scratch_shape(&windows))?;
    }
    let a = Stage::new(A).with_part(Arc::new(MaxPool2d::new(windows)), [StageSource::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// The windows of all outputs. A window at the border of the image is smaller, because padding is not part of it.
#[derive(Debug)]
struct PoolWindows {
    /// The windows as edges of a convolution.
    edges: Conv2d,
    /// For each output row, the input rows that its windows read (see [`Taps`]).
    row_taps: Vec<Taps>,
    /// For each output column, the input columns that its windows read.
    column_taps: Vec<Taps>,
    /// For each place of a full window, in row-major order, its offset from the window's first place. A full window contains no padding.
    full_window: Vec<usize>,
    /// The output columns whose windows contain no padding.
    unpadded_columns: Range<usize>,
    /// The plan for finding the winners by running maxima. `None` if comparing all places of each window is probably faster.
    running: Option<RunningMaxima>,
}

impl PoolWindows {
    fn new(edges: Conv2d) -> Self {
        let taps = |axis: &Axis| (0..axis.output).map(|at| axis.taps(View::Output, at)).collect();
        let (row_taps, column_taps): (Vec<Taps>, Vec<Taps>) = (taps(&edges.rows), taps(&edges.columns));
        let first_place = 0;
        let full_window = window_places(&edges, first_place, edges.rows.kernel, edges.columns.kernel).collect();
        let running = RunningMaxima::new_if_faster(&edges);
        let unpadded_columns = direct::unpadded_columns(&column_taps, edges.columns.kernel);
        Self { edges, row_taps, column_taps, full_window, unpadded_columns, running }
    }

    /// Returns the window of an output.
    fn window(&self, output: usize) -> PoolWindow<'_> {
        let (height, width) = (self.row_taps.len(), self.column_taps.len());
        let (channel, rows, columns) =
            (output / (height * width), &self.row_taps[output / width % height], &self.column_taps[output % width]);
        PoolWindow { first: self.row_begin(channel, rows) + columns.first[0], rows, columns }
    }

    /// Returns the index in the image of the first entry of the window's first row, at column 0. `row_taps` are the taps of the window's rows.
    fn row_begin(&self, channel: usize, row_taps: &Taps) -> usize {
        let Conv2d { rows, columns, .. } = &self.edges;
        (channel * rows.input + row_taps.first[0]) * columns.input
    }

    /// Calls `put` with each entry of `out`, the winner of its window (as an index in the image), and the winner's value. `put` is called twice for some
    /// entries, both times with the same winner.
    fn winners<T: Send>(&self, image: &[f64], out: &mut [T], put: impl Fn(&mut T, usize, f64) + Sync) {
        let width = self.column_taps.len();
        let channel_len = self.row_taps.len() * width;
        let (rows, cost_per_output) = match &self.running {
            Some(running) => (running.rows_at_once(), RUNNING_COST),
            None => (self.row_taps.len(), self.full_window.len()),
        };
        // the work in multiplications, the unit of `threads_for`
        let multiplications = (out.len() * cost_per_output) as u64;
        // a group is `rows` rows of the outputs of one channel. It is given by the channel, its first row, and its outputs
        let groups = out.chunks_mut(channel_len).enumerate().flat_map(|(channel, out)| {
            let channel_groups = out.chunks_mut(rows * width).enumerate();
            channel_groups.map(move |(group, out)| (channel, group * rows, out))
        });
        let compute_group = |(channel, first_row, out): (usize, usize, &mut [T])| match &self.running {
            Some(running) => running.winners(image, channel, first_row, out, |out, winner| put(out, winner, image[winner])),
            None => self.direct_winners(image, channel, first_row, out, &put),
        };
        if threads_for(multiplications) == 1 {
            return groups.for_each(compute_group);
        }
        share(groups.collect(), multiplications, |groups| groups.for_each(&compute_group));
    }

    /// Returns the winner of a window, as an index in the image.
    #[allow(clippy::inline_always)] // a call costs as much as comparing one place
    #[inline(always)]
    fn winner(&self, image: &[f64], &PoolWindow { first, rows, columns }: &PoolWindow<'_>) -> usize {
        if rows.count * columns.count == self.full_window.len() {
            return winner(image, first, self.full_window.iter().map(|offset| first + offset));
        }
        winner(image, first, window_places(&self.edges, first, rows.count, columns.count))
    }

    /// Returns the outputs whose windows contain the input, in row-major order.
    fn outputs_reading(&self, input: usize) -> Vec<usize> {
        let terms = self.edges.prefix_terms(View::Input, input + 1) - self.edges.prefix_terms(View::Input, input);
        let mut outputs: Vec<usize> = (0..terms).map(|term| self.edges.edge(View::Input, input, term).output).collect();
        outputs.sort_unstable();
        outputs
    }

    /// Returns the geometry of the window for a picture. The image is in `slot`.
    fn geometry(&self, slot: Slot) -> Window {
        let Conv2d { rows, columns, .. } = &self.edges;
        Window {
            image: slot,
            filter: None,
            turned: false,
            is_1d: self.edges.is_1d,
            padding: [rows.overhang(View::Output), columns.overhang(View::Output)],
            spread: [1, 1],
            pitch: [0, 0],
        }
    }
}

/// The window of one output, without padding.
struct PoolWindow<'a> {
    /// The index in the image of the first place.
    first: usize,
    /// The taps of the window's rows.
    rows: &'a Taps,
    /// The taps of the window's columns.
    columns: &'a Taps,
}

/// The cost of one output by running maxima, in multiplications.
const RUNNING_COST: usize = 16;

/// Iterates over the indices in the image of a window of `height` x `width` places, in row-major order.
fn window_places(
    Conv2d { rows, columns, .. }: &Conv2d,
    first: usize,
    height: usize,
    width: usize,
) -> impl Iterator<Item = usize> + Clone + use<> {
    let (row_step, column_step) = (rows.dilation * columns.input, columns.dilation);
    (0..height).flat_map(move |row| (0..width).map(move |column| first + row * row_step + column * column_step))
}

/// Returns whether `value` wins over `earlier`, which is before it in row-major order.
#[allow(clippy::inline_always)] // a call costs as much as comparing one place
#[inline(always)]
fn beats(value: f64, earlier: f64) -> bool {
    value > earlier || value.is_nan()
}

/// Returns the winner among these places; `first` is the first of them.
#[allow(clippy::inline_always)] // a call costs as much as comparing one place
#[inline(always)]
fn winner(image: &[f64], first: usize, places: impl Iterator<Item = usize> + Clone) -> usize {
    let (mut winner, mut largest, mut has_nan) = (first, image[first], false);
    for at in places.clone() {
        let value = image[at];
        // a branch would often be mispredicted
        let wins = value > largest;
        winner = select_unpredictable(wins, at, winner);
        largest = if wins { value } else { largest };
        has_nan |= value.is_nan();
    }
    if has_nan { places.filter(|at| image[*at].is_nan()).last().unwrap_or(winner) } else { winner }
}

/// The function y = max of each window of x.
#[derive(Debug)]
pub struct MaxPool2d(Arc<PoolWindows>);

impl MaxPool2d {
    /// Creates the function. Each window must contain at least one place of the image.
    #[must_use]
    pub fn new(windows: Conv2d) -> Self {
        Self(Arc::new(PoolWindows::new(windows)))
    }
}

impl Function for MaxPool2d {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        infer_output_shape(&self.0.edges, &[(View::Input, "input", inputs[0])])
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(MaxPoolForward(Arc::clone(&self.0)))
    }

    fn backward(&self, _slot: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(MaxPoolBackward(Arc::clone(&self.0))))
    }
}

/// The rule of y.
#[derive(Debug)]
struct MaxPoolForward(Arc<PoolWindows>);

/// The maximum of many numbers.
const MAX: &Primitive = &Primitive { definition: Definition::Largest, ..Primitive::new("max").form(Form::Operator) };

impl Rule for MaxPoolForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let mut maxima = Scratch::new(out.len());
        self.overwrite(x, &mut maxima);
        let no_factor = None;
        add_scaled(no_factor, &maxima, out);
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.0.winners(x.tensors[Input(0)], sums, |y, _, value| *y = value);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_term_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has a term
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let window = self.0.window(at);
        let Conv2d { rows, columns, .. } = &self.0.edges;
        let steps = [rows.dilation * columns.input, columns.dilation];
        let all = Places { first: window.first, counts: [window.rows.count, window.columns.count], steps };
        let winner = self.0.winner(x.tensors[Input(0)], &window);
        // the arguments are all entries of the window; for a large window, the arguments are the winner and a slice of all entries
        Term {
            kind: Kind::Select,
            function: Some(MAX),
            args: entries(x, Input(0), winner, all, all.each()),
            value: x.get(Input(0), winner),
        }
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        self.0.outputs_reading(at).into_iter().map(|entry| Use { entry, term: 0 }).collect()
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, _slot: Slot, at: usize) -> TermNumbers {
        let input_end = 0;
        let edge_numbers = self.0.edges.nest(View::Output, entry).edge_numbers_at(input_end, at);
        // an output has one term, number 0. It reads the input if the window has an edge from the input
        edge_numbers.first().map(|_| 0).into_iter().collect()
    }

    fn is_gather(&self) -> bool {
        true
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Of(MAX, &[whole::X]),
            name: "max pooling",
            gist: Gist::Words("the largest of each window"),
            words: "Each window becomes its largest entry. If several are equal, the first one counts.",
        }
    }

    fn window(&self) -> Option<Window> {
        Some(self.0.geometry(Input(0)))
    }
}

/// The memo of the backward rule: the winners of all outputs, as indices in the image.
struct PoolWinners {
    /// The winner of each output.
    by_output: Vec<usize>,
    /// The pairs (winner, output), sorted. An input has a term for each pair in which it is the winner. Computed at the first use.
    sorted_pairs: OnceLock<Vec<(usize, usize)>>,
}

impl PoolWinners {
    fn sorted_pairs(&self) -> &[(usize, usize)] {
        self.sorted_pairs.get_or_init(|| {
            // A counting sort by winner, in linear time. At first, next[w + 1] is the number of pairs with the winner w. Then, as a running sum, next[w] is the
            // position of the first pair with the winner w. While pairs are stored, next[w] is the position of the next pair with the winner w.
            // The last index is the largest winner plus 1.
            let mut next = vec![0; self.by_output.iter().max().map_or(0, |largest| largest + 2)];
            self.by_output.iter().for_each(|winner| next[winner + 1] += 1);
            for n in 1..next.len() {
                next[n] += next[n - 1];
            }
            let mut pairs = vec![(0, 0); self.by_output.len()];
            for (output, &winner) in self.by_output.iter().enumerate() {
                pairs[next[winner]] = (winner, output);
                next[winner] += 1;
            }
            pairs
        })
    }
}

/// The rule of ∂C/∂x.
#[derive(Debug)]
pub struct MaxPoolBackward(Arc<PoolWindows>);

impl MaxPoolBackward {
    /// The windows as edges of a convolution.
    #[must_use]
    pub fn windows(&self) -> &Conv2d {
        &self.0.edges
    }

    /// Returns the winner of each output.
    fn winners<'a>(x: &'a Operands<'_>) -> &'a [usize] {
        x.memo::<PoolWinners>().map_or(&[], |winners| &winners.by_output)
    }

    /// Returns the pairs (winner, output), sorted.
    fn sorted_pairs<'a>(x: &'a Operands<'_>) -> &'a [(usize, usize)] {
        x.memo::<PoolWinners>().map_or(&[], PoolWinners::sorted_pairs)
    }

    /// Returns the index of the first pair whose winner is `input`. If no pair has this winner, returns the index at which such a pair would be.
    fn first_pair(pairs: &[(usize, usize)], input: usize) -> usize {
        pairs.partition_point(|&(winner, _)| winner < input)
    }
}

impl Rule for MaxPoolBackward {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let mut by_output = vec![0; len(&output_shape(&self.0.edges))];
        self.0.winners(tensors[Input(0)], &mut by_output, |entry, winner, _| *entry = winner);
        Some(Arc::new(PoolWinners { by_output, sorted_pairs: OnceLock::new() }))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        // outputs are visited in order, so each input adds its terms in order
        for (winner, error) in Self::winners(x).iter().zip(x.tensors[Upstream]) {
            out[*winner] += error;
        }
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        sums.fill(0.0);
        let Conv2d { rows, columns, .. } = &self.0.edges;
        if rows.stride >= rows.kernel && columns.stride >= columns.kernel && rows.dilation == 1 && columns.dilation == 1 {
            // the windows are disjoint, so no entry wins twice
            for (winner, error) in Self::winners(x).iter().zip(x.tensors[Upstream]) {
                sums[*winner] = *error;
            }
            return;
        }
        // an entry that wins no window has no terms and stays 0; the sum of a winner starts at −0, because −0 + x has the bits of x for every x
        for winner in Self::winners(x) {
            sums[*winner] = -0.0;
        }
        self.accumulate(x, sums);
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        Self::first_pair(Self::sorted_pairs(x), entry) as u64
    }

    fn has_terms(&self, x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        let mut has_terms = vec![false; count];
        for winner in Self::winners(x) {
            has_terms[*winner] = true;
        }
        Some(has_terms)
    }

    fn reason_unreached(&self, x: &Operands<'_>, entry: usize) -> &'static str {
        let outputs = self.0.outputs_reading(entry);
        let image = x.tensors[Input(0)];
        let maxima = || outputs.iter().filter_map(|output| Self::winners(x).get(*output)).map(|winner| image[*winner]);
        if outputs.is_empty() {
            self.0.edges.reason_unreached(View::Input, entry)
        } else if image[entry].is_nan() {
            // in every window that covers this NaN, a later NaN is the winner
            "a NaN after it counts as the maximum"
        } else if maxima().any(|maximum| maximum == image[entry]) {
            "an equal entry before it counts as the maximum"
        } else {
            "it was not the maximum of any window that covers it"
        }
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let pairs = Self::sorted_pairs(x);
        let (_, output) = pairs[Self::first_pair(pairs, at) + usize::try_from(term).expect("the terms of an entry fit in memory")];
        Term::product(smallvec![entry(x, Upstream, output)])
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot != Upstream {
            return Vec::new();
        }
        let Some(&winner) = Self::winners(x).get(at) else { return Vec::new() };
        let pairs = Self::sorted_pairs(x);
        let term = pairs.binary_search(&(winner, at)).map_or(0, |index| index - Self::first_pair(pairs, winner));
        vec![Use { entry: winner, term: term as u64 }]
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Remark(&whole::DY, "at the winners, else 0"),
            name: "the error goes to the winner",
            gist: Gist::None,
            words: "The output of a window is a copy of its largest entry, so this entry gets the error, unchanged. \
                A small change of the others has no effect: their derivative is 0.",
        }
    }

    fn window(&self) -> Option<Window> {
        Some(self.0.geometry(Input(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(input: usize, kernel: usize, stride: usize) -> Conv2d {
        let (padding, dilation, channels) = ([0, 0], 1, 2);
        let axis = Axis::new(input, kernel, stride, padding, dilation).expect("the window fits");
        // a pool has one group for each channel
        let groups = channels;
        Conv2d::new(channels, channels, groups, axis.clone(), axis)
    }

    #[test]
    fn running_maxima_are_for_large_overlapping_windows() {
        for (kernel, stride, is_running) in [(31, 1, true), (8, 1, true), (31, 4, true), (2, 2, false), (3, 2, false), (31, 31, false)] {
            let input = 64;
            let running = PoolWindows::new(windows(input, kernel, stride)).running;
            assert_eq!(running.is_some(), is_running, "kernel {kernel}, stride {stride}");
        }
    }

    #[test]
    fn pairs_are_sorted_by_winner_and_then_by_output() {
        let winners = PoolWinners { by_output: vec![4, 0, 4, 7, 0, 4], sorted_pairs: OnceLock::new() };
        assert_eq!(winners.sorted_pairs(), [(0, 1), (0, 4), (4, 0), (4, 2), (4, 5), (7, 3)]);
        assert!(PoolWinners { by_output: Vec::new(), sorted_pairs: OnceLock::new() }.sorted_pairs().is_empty());
    }
}
