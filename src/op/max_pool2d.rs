//! `max_pool2d`: the maximum of each window of a channel.
//!
//! The input has C x H x W entries, the output C x H' x W' with H' = ⌊(H + 2 · padding − (kh − 1) · dilation − 1) / stride⌋ + 1. Padding is never the
//! maximum.
//!
//! | computed | equation |
//! | --- | --- |
//! | output | `y[o] = max of x over the window of o` |
//! | input gradient | `∂C/∂x[i] = Σ ∂C/∂y[o]` over the outputs o whose maximum is x\[i\] |
//!
//! As in PyTorch, the first of several equal maxima in row-major order wins, and NaN is larger than every number: the last NaN of a window wins. The
//! window (1 3; 3 2) gives 3, and its whole error goes to the upper 3.
//!
//! Source: PyTorch's `torch.nn.MaxPool2d`; figure 7 (part 1) of V. Petersen's series "A guided tour through a convolutional neural network".

mod running;

use std::hint::select_unpredictable;
use std::sync::{Arc, OnceLock};

use smallvec::smallvec;

use super::axis::{Axis, Taps};
use super::conv2d::Conv2d;
use super::edges::{Edges, View, infer_output_shape};
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use super::mismatch::Mismatch;
use super::pool::{shape, windows};
use super::rule::{Equation, Function, Gist, Memo, Operands, Rule, Term, TermNumbers, Use, Window, entries, entry, one_each};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use crate::expr::{Definition, Expr, Form, Primitive, whole};
use crate::step::Kind;
use crate::tensor::{Places, len};
use crate::threads::{share, threads_for};
use running::Running;

/// The entry of the layer registry.
pub const KIND: LayerKind = LayerKind {
    name: "max_pool2d",
    base: "pool",
    keys: &["kernel_size", "stride", "padding", "dilation"],
    rank: Some(3),
    joins: false,
    activation: None,
    build,
};

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    let windows = windows(args)?;
    if Running::worthwhile(&windows).is_some() {
        args.claim(&Running::room(&windows))?;
    }
    let a = Stage::new(A).with(Arc::new(Max::new(windows)), [StageSource::Input(0)]);
    Ok(Layer { parameters: Vec::new(), stages: vec![a] })
}

/// The windows of the outputs, without padding.
#[derive(Debug)]
struct MaxPool2d {
    edges: Conv2d,
    /// The taps of each row and of each column of outputs.
    down: Vec<Taps>,
    across: Vec<Taps>,
    /// The offsets of a full window's places from its first, in row-major order.
    whole: Vec<usize>,
    /// Running maxima, for windows so large that comparing all their places is slower.
    running: Option<Running>,
}

impl MaxPool2d {
    fn new(edges: Conv2d) -> Self {
        let taps = |axis: &Axis| (0..axis.output).map(|at| axis.taps(View::Output, at)).collect();
        let (down, across) = (taps(&edges.rows), taps(&edges.columns));
        let whole = places(&edges, 0, edges.rows.kernel, edges.columns.kernel).collect();
        let running = Running::worthwhile(&edges);
        Self { edges, down, across, whole, running }
    }

    /// Returns the window of an output: the index of its first place in the image, and the taps of its rows and columns.
    fn window(&self, output: usize) -> (usize, &Taps, &Taps) {
        let (h, w) = (self.down.len(), self.across.len());
        let (channel, down, across) = (output / (h * w), &self.down[output / w % h], &self.across[output % w]);
        (self.begin(channel, down) + across.first[0], down, across)
    }

    /// Returns the index in the image of a window's first row.
    fn begin(&self, channel: usize, down: &Taps) -> usize {
        let Conv2d { rows, columns, .. } = &self.edges;
        (channel * rows.input + down.first[0]) * columns.input
    }

    /// Calls `put` with each output and its winner: the index of its window's maximum in the image.
    fn winners<T: Send>(&self, image: &[f64], out: &mut [T], put: impl Fn(&mut T, usize) + Sync) {
        let wide = self.across.len();
        let plane = self.down.len() * wide;
        let (rows, each) = match &self.running {
            Some(running) => (running.rows_at_once(), RUNNING_COST),
            None => (self.down.len(), self.whole.len()),
        };
        let multiplications = (out.len() * each) as u64;
        let groups = out.chunks_mut(plane).enumerate().flat_map(|(channel, out)| {
            let groups = out.chunks_mut(rows * wide).enumerate();
            groups.map(move |(group, out)| (channel, group * rows, out))
        });
        let group = |(channel, first_row, out): (usize, usize, &mut [T])| match &self.running {
            Some(running) => running.winners(image, channel, first_row, out, &put),
            None => self.direct_winners(image, channel, first_row, out, &put),
        };
        if threads_for(multiplications) == 1 {
            return groups.for_each(group);
        }
        share(groups.collect(), multiplications, |groups| groups.for_each(&group));
    }

    /// Finds the winners of some rows of outputs by comparing all places of their windows.
    fn direct_winners<T>(&self, image: &[f64], channel: usize, first_row: usize, out: &mut [T], put: impl Fn(&mut T, usize)) {
        for (down, out) in self.down[first_row..].iter().zip(out.chunks_mut(self.across.len())) {
            let begin = self.begin(channel, down);
            for (across, out) in self.across.iter().zip(out) {
                put(out, self.winner(image, (begin + across.first[0], down, across)));
            }
        }
    }

    /// Returns the winner of a window.
    #[allow(clippy::inline_always)] // a call costs as much as comparing one place
    #[inline(always)]
    fn winner(&self, image: &[f64], (first, down, across): (usize, &Taps, &Taps)) -> usize {
        if down.count * across.count == self.whole.len() {
            return winner(image, first, self.whole.iter().map(|place| first + place));
        }
        winner(image, first, places(&self.edges, first, down.count, across.count))
    }

    /// Returns the outputs whose windows contain an input, in row-major order.
    fn readers(&self, input: usize) -> Vec<usize> {
        let terms = self.edges.prefix_terms(View::Input, input + 1) - self.edges.prefix_terms(View::Input, input);
        let mut outputs: Vec<usize> = (0..terms).map(|term| self.edges.edge(View::Input, input, term).output).collect();
        outputs.sort_unstable();
        outputs
    }

    fn image(&self, slot: Slot) -> Window {
        let Conv2d { rows, columns, .. } = &self.edges;
        Window {
            image: slot,
            filter: None,
            turned: false,
            padding: [rows.overhang(View::Output), columns.overhang(View::Output)],
            pitch: [0, 0],
        }
    }
}

/// The cost of an output by running maxima, in multiplications.
const RUNNING_COST: usize = 16;

/// Iterates over the places of a window of `down` rows and `across` columns, in row-major order.
fn places(Conv2d { rows, columns, .. }: &Conv2d, first: usize, down: usize, across: usize) -> impl Iterator<Item = usize> + Clone + use<> {
    let (line, pitch) = (rows.dilation * columns.input, columns.dilation);
    (0..down).flat_map(move |y| (0..across).map(move |x| first + y * line + x * pitch))
}

/// Returns whether a value wins over one that precedes it in row-major order.
#[allow(clippy::inline_always)] // as above
#[inline(always)]
fn beats(value: f64, earlier: f64) -> bool {
    value > earlier || value.is_nan()
}

/// Returns the place of the maximum; `first` is the first of the places.
#[allow(clippy::inline_always)] // as above
#[inline(always)]
fn winner(image: &[f64], first: usize, places: impl Iterator<Item = usize> + Clone) -> usize {
    let (mut best, mut largest, mut has_nan) = (first, image[first], false);
    for at in places.clone() {
        let value = image[at];
        // the winner is unpredictable, so there should be no branch
        let wins = value > largest;
        best = select_unpredictable(wins, at, best);
        largest = if wins { value } else { largest };
        has_nan |= value.is_nan();
    }
    if has_nan { places.filter(|at| image[*at].is_nan()).last().unwrap_or(best) } else { best }
}

/// The function y = max of each window of x.
#[derive(Debug)]
pub struct Max(Arc<MaxPool2d>);

impl Max {
    /// Creates the function. Each window must contain at least one place that is not padding.
    #[must_use]
    pub fn new(windows: Conv2d) -> Self {
        Self(Arc::new(MaxPool2d::new(windows)))
    }
}

impl Function for Max {
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

#[derive(Debug)]
struct MaxPoolForward(Arc<MaxPool2d>);

/// The maximum of the entries of a window.
const MAX: &Primitive = &Primitive { definition: Definition::Largest, ..Primitive::new("max").form(Form::Operator) };

impl Rule for MaxPoolForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.0.winners(x.tensors[Input(0)], out, |y, winner| *y += x.tensors[Input(0)][winner]);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        one_each(entry)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let window = self.0.window(at);
        let (first, down, across) = window;
        let Conv2d { rows, columns, .. } = &self.0.edges;
        let steps = [rows.dilation * columns.input, columns.dilation];
        let all = Places { first, counts: [down.count, across.count], steps };
        let winner = self.0.winner(x.tensors[Input(0)], window);
        Term {
            kind: Kind::Select,
            function: Some(MAX),
            args: entries(x, Input(0), winner, all, all.each()),
            value: x.get(Input(0), winner),
        }
    }

    fn uses(&self, _x: &Operands<'_>, _slot: Slot, at: usize) -> Vec<Use> {
        self.0.readers(at).into_iter().map(|entry| Use { entry, term: 0 }).collect()
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, _slot: Slot, at: usize) -> TermNumbers {
        let reads = self.0.edges.nest(View::Output, entry).reaching(0, at);
        reads.first().map(|_| 0).into_iter().collect()
    }

    fn gathers(&self) -> bool {
        true
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Of(MAX, &[whole::X]),
            name: "max pooling",
            gist: Gist::Words("the largest of each window"),
            words: "Each window keeps its largest entry and forgets the others. If several are equal, the first one counts.",
        }
    }

    fn window(&self) -> Option<Window> {
        Some(self.0.image(Input(0)))
    }
}

/// The winners of all outputs, kept for the backward pass.
struct Winners {
    /// The winner of each output.
    of: Vec<usize>,
    /// Pairs of winner and output, sorted, to find the terms of an input; computed at the first use.
    pairs: OnceLock<Vec<(usize, usize)>>,
}

impl Winners {
    fn pairs(&self) -> &[(usize, usize)] {
        self.pairs.get_or_init(|| {
            let mut next = vec![0; self.of.iter().max().map_or(0, |last| last + 2)];
            self.of.iter().for_each(|winner| next[winner + 1] += 1);
            for n in 1..next.len() {
                next[n] += next[n - 1];
            }
            // a counting sort by winner, stable and linear
            let mut pairs = vec![(0, 0); self.of.len()];
            for (output, &winner) in self.of.iter().enumerate() {
                pairs[next[winner]] = (winner, output);
                next[winner] += 1;
            }
            pairs
        })
    }
}

#[derive(Debug)]
struct MaxPoolBackward(Arc<MaxPool2d>);

impl MaxPoolBackward {
    /// Returns the winner of each output.
    fn of<'a>(x: &'a Operands<'_>) -> &'a [usize] {
        x.memo::<Winners>().map_or(&[], |winners| &winners.of)
    }

    /// Returns the pairs of winner and output, sorted.
    fn winners<'a>(x: &'a Operands<'_>) -> &'a [(usize, usize)] {
        x.memo::<Winners>().map_or(&[], Winners::pairs)
    }

    fn first(winners: &[(usize, usize)], input: usize) -> usize {
        winners.partition_point(|&(winner, _)| winner < input)
    }
}

impl Rule for MaxPoolBackward {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let mut of = vec![0; len(&shape(&self.0.edges))];
        self.0.winners(tensors[Input(0)], &mut of, |of, winner| *of = winner);
        Some(Arc::new(Winners { of, pairs: OnceLock::new() }))
    }

    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        // outputs are visited in order, so each input adds its terms in order
        for (winner, error) in Self::of(x).iter().zip(x.tensors[Upstream]) {
            out[*winner] += error;
        }
    }

    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        sums.fill(0.0);
        // the others have no terms and stay 0
        for winner in Self::of(x) {
            sums[*winner] = -0.0;
        }
        self.accumulate(x, sums);
    }

    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64 {
        Self::first(Self::winners(x), entry) as u64
    }

    fn has_terms(&self, x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        let mut reached = vec![false; count];
        for winner in Self::of(x) {
            reached[*winner] = true;
        }
        Some(reached)
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let winners = Self::winners(x);
        let (_, output) = winners[Self::first(winners, at) + usize::try_from(term).expect("the terms of an entry fit in memory")];
        Term::product(smallvec![entry(x, Upstream, output)])
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot != Upstream {
            return Vec::new();
        }
        let Some(&winner) = Self::of(x).get(at) else { return Vec::new() };
        let winners = Self::winners(x);
        let term = winners.binary_search(&(winner, at)).map_or(0, |place| place - Self::first(winners, winner));
        vec![Use { entry: winner, term: term as u64 }]
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Remark(&whole::DY, "at the winners, else 0"),
            name: "the error goes to the winner",
            gist: Gist::None,
            words: "Only the largest entry of a window made its output, so it alone gets the error, unchanged. All others could move a little without any effect: their derivative is 0.",
        }
    }

    fn window(&self) -> Option<Window> {
        Some(self.0.image(Input(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(input: usize, kernel: usize, stride: usize) -> Conv2d {
        let axis = Axis::new(input, kernel, stride, 0, 1).expect("the window fits");
        Conv2d::new(2, 2, 2, axis.clone(), axis)
    }

    #[test]
    fn running_maxima_are_for_large_overlapping_windows() {
        for (kernel, stride, running) in [(31, 1, true), (8, 1, true), (31, 4, true), (2, 2, false), (3, 2, false), (31, 31, false)] {
            assert_eq!(MaxPool2d::new(windows(64, kernel, stride)).running.is_some(), running, "{kernel}, stride {stride}");
        }
    }

    #[test]
    fn winners_are_sorted_by_winner_and_output() {
        let of = vec![4, 0, 4, 7, 0, 4];
        let winners = Winners { of, pairs: OnceLock::new() };
        assert_eq!(winners.pairs(), [(0, 1), (0, 4), (4, 0), (4, 2), (4, 5), (7, 3)]);
        assert!(Winners { of: Vec::new(), pairs: OnceLock::new() }.pairs().is_empty());
    }
}
