//! Max pooling over large windows in O(log n) comparisons an output, by running maxima of 1, 2, 4, 8, … neighbours.
//!
//! With m₀ = x and mⱼ₊₁\[i\] = max(mⱼ\[i\], mⱼ\[i + 2ʲ\]), entry i of mⱼ is the maximum of 2ʲ neighbours. A window of n places, 2ʲ ≤ n < 2ʲ⁺¹, is
//! covered by two such runs, which may overlap: max(mⱼ\[first\], mⱼ\[first + n − 2ʲ\]). With dilation d the neighbours are d places apart. For a
//! window of 3 over `5 1 4 2`:
//!
//! ```text
//! m₀ = 5 1 4 2
//! m₁ = 5 4 4          maxima of 2 neighbours
//! y  = 5 4            y[0] = max(m₁[0], m₁[1]), y[1] = max(m₁[1], m₁[2])
//! ```
//!
//! This is done along the rows of the image, and then down the columns of the result. An h x w window so costs about log₂ h + log₂ w comparisons
//! instead of h · w: 10 instead of 961 for 31 x 31. Each maximum keeps the place that it comes from. Of two equal maxima the left or upper one wins,
//! so the winner is the first of its window in row-major order; of several NaN it is the last. Neither depends on the order of the comparisons.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::beats;
use crate::op::axis::{Axis, Taps};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;

/// Neighbouring outputs along one axis whose windows have the same size and evenly spaced beginnings.
#[derive(Clone, Copy, Debug)]
struct WindowRun {
    /// The first output.
    output: usize,
    /// The number of outputs.
    outputs: usize,
    /// The first input place of the first output's window.
    first: usize,
    /// The distance between the beginnings of neighbouring windows.
    step: usize,
    /// The number of places of each window.
    count: usize,
}

impl WindowRun {
    /// Returns j with 2ʲ ≤ count < 2ʲ⁺¹.
    fn level(self) -> u32 {
        self.count.ilog2()
    }

    /// Returns the part of the run in a range of outputs, which are counted from the range's beginning.
    fn within(self, range: &Range<usize>) -> Option<Self> {
        let (begin, end) = (self.output.max(range.start), (self.output + self.outputs).min(range.end));
        (begin < end).then(|| Self {
            output: begin - range.start,
            outputs: end - begin,
            first: self.first + (begin - self.output) * self.step,
            ..self
        })
    }
}

/// All windows along one axis.
#[derive(Debug)]
struct WindowAxis {
    runs: Vec<WindowRun>,
    dilation: usize,
    /// The number of outputs that are computed at once.
    outputs_at_once: usize,
}

/// The windows of some outputs along an axis, with the range of input places that they read.
struct AxisTile {
    runs: Vec<WindowRun>,
    input: Range<usize>,
    outputs: usize,
}

/// The smallest number of outputs that are computed at once.
const MIN_OUTPUTS: usize = 128;

/// Returns the extent of a dilated window.
fn reach(axis: &Axis) -> usize {
    (axis.kernel - 1) * axis.dilation + 1
}

/// Returns the number of outputs that are computed at once: they cover four times the input that neighbouring groups both read.
fn outputs_at_once(axis: &Axis) -> usize {
    (4 * reach(axis) / axis.stride).max(MIN_OUTPUTS).min(axis.output)
}

impl WindowAxis {
    fn new(axis: &Axis) -> Self {
        let mut runs: Vec<WindowRun> = Vec::new();
        for output in 0..axis.output {
            let Taps { first: [first, ..], count, .. } = axis.taps(View::Output, output);
            if let Some(run) = runs.last_mut().filter(|run| run.count == count) {
                let step = first.checked_sub(run.first + (run.outputs - 1) * run.step);
                if let Some(step) = step.filter(|step| run.outputs == 1 || *step == run.step) {
                    (run.step, run.outputs) = (step, run.outputs + 1);
                    continue;
                }
            }
            runs.push(WindowRun { output, outputs: 1, first, step: 0, count });
        }
        Self { runs, dilation: axis.dilation, outputs_at_once: outputs_at_once(axis) }
    }

    /// Returns the windows of some outputs, with places counted from the first one that they read.
    fn tile(&self, outputs: Range<usize>) -> AxisTile {
        let from = self.runs.partition_point(|run| run.output + run.outputs <= outputs.start);
        let mut runs: Vec<WindowRun> = self.runs[from..].iter().map_while(|run| run.within(&outputs)).collect();
        let begin = runs.iter().map(|run| run.first).min().unwrap_or(0);
        let end = |run: &WindowRun| run.first + (run.outputs - 1) * run.step + (run.count - 1) * self.dilation + 1;
        let end = runs.iter().map(end).max().unwrap_or(begin);
        for run in &mut runs {
            run.first -= begin;
        }
        AxisTile { runs, input: begin..end, outputs: outputs.len() }
    }
}

/// The windows of one channel, along both axes.
#[derive(Debug)]
pub(super) struct Running {
    down: WindowAxis,
    across: WindowAxis,
    /// The number of places of a channel of the image, and of a row.
    area: usize,
    width: usize,
}

impl Running {
    /// Creates the windows; `None` if comparing every place of every window is faster.
    pub(super) fn worthwhile(Conv2d { rows, columns, .. }: &Conv2d) -> Option<Self> {
        // no tensor's size limits a stride, or a kernel that lies on padding, so the products may overflow
        let each = |axis: &Axis| axis.stride as u128 * (u128::from(axis.kernel.ilog2()) + 1) + 1;
        let running = (rows.stride as u128).saturating_mul(each(columns)).saturating_add(each(rows));
        // short rows do not fill the registers
        let plain = (rows.kernel as u128 * columns.kernel as u128).saturating_mul(columns.output.min(8) as u128) / 8;
        (plain > running.saturating_mul(2)).then(|| Self {
            down: WindowAxis::new(rows),
            across: WindowAxis::new(columns),
            area: rows.input * columns.input,
            width: columns.input,
        })
    }

    /// The number of rows of outputs that are computed at once.
    pub(super) fn rows_at_once(&self) -> usize {
        self.down.outputs_at_once
    }

    /// Returns the shape of the array of maxima that a group of outputs needs.
    pub(super) fn room(Conv2d { rows, columns, .. }: &Conv2d) -> [usize; 2] {
        let inputs = (outputs_at_once(rows) - 1) * rows.stride + reach(rows);
        [inputs.min(rows.input), outputs_at_once(columns)]
    }

    /// Calls `put` with each output of some rows of a channel and the place of its maximum.
    pub(super) fn winners<T>(&self, image: &[f64], channel: usize, first_row: usize, out: &mut [T], put: impl Fn(&mut T, usize)) {
        Arch::new().dispatch(RowGroup { running: self, image, channel, first_row, out, put });
    }
}

/// Maxima, and the places in the image that they come from.
#[derive(Default)]
struct Maxima {
    values: Vec<f64>,
    places: Vec<usize>,
}

impl Maxima {
    fn resize(&mut self, len: usize) {
        self.values.resize(len, 0.0);
        self.places.resize(len, 0);
    }

    fn get(&self, at: usize) -> (f64, usize) {
        (self.values[at], self.places[at])
    }
}

/// Returns the winner of two maxima; `second` does not come before `first` in row-major order.
#[inline(always)]
fn winner(first: (f64, usize), second: (f64, usize)) -> (f64, usize) {
    let wins = beats(second.0, first.0);
    (if wins { second.0 } else { first.0 }, if wins { second.1 } else { first.1 })
}

/// The computation of some rows of outputs of one channel.
struct RowGroup<'a, T, P> {
    running: &'a Running,
    image: &'a [f64],
    channel: usize,
    first_row: usize,
    out: &'a mut [T],
    put: P,
}

impl<T, P: Fn(&mut T, usize)> WithSimd for RowGroup<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { running, image, channel, first_row, out, put } = self;
        let Running { down, across, area, width } = running;
        let wide = across.runs.iter().map(|run| run.outputs).sum::<usize>();
        let rows = down.tile(first_row..first_row + out.len() / wide);
        let (mut maxima, mut line, mut spare) = (Maxima::default(), Maxima::default(), Maxima::default());
        for begin in (0..wide).step_by(across.outputs_at_once) {
            let columns = across.tile(begin..wide.min(begin + across.outputs_at_once));
            maxima.resize(rows.input.len() * columns.outputs);
            for (n, row) in rows.input.clone().enumerate() {
                let first = channel * area + row * width + columns.input.start;
                line.values.clear();
                line.values.extend_from_slice(&image[first..][..columns.input.len()]);
                line.places.clear();
                line.places.extend(first..first + columns.input.len());
                let values = &mut maxima.values[n * columns.outputs..][..columns.outputs];
                let places = &mut maxima.places[n * columns.outputs..][..columns.outputs];
                along_row(&columns, across.dilation, &mut line, &mut spare, values, places);
            }
            down_columns(&rows, down.dilation, &mut maxima, columns.outputs, |row, column, place| {
                put(&mut out[row * wide + begin + column], place);
            });
        }
    }
}

/// Computes the winners of the windows along a row.
#[inline(always)]
fn along_row(tile: &AxisTile, dilation: usize, line: &mut Maxima, spare: &mut Maxima, values: &mut [f64], places: &mut [usize]) {
    let levels = tile.runs.iter().map(|run| run.level()).max().unwrap_or(0);
    for level in 0..=levels {
        for run in tile.runs.iter().filter(|run| run.level() == level) {
            let last = run.first + (run.count - (1 << level)) * dilation;
            let (values, places) = (&mut values[run.output..][..run.outputs], &mut places[run.output..][..run.outputs]);
            if run.step == 1 {
                pairwise(line, [run.first, last], values, places);
            } else {
                for (n, (value, place)) in values.iter_mut().zip(places).enumerate() {
                    (*value, *place) = winner(line.get(run.first + n * run.step), line.get(last + n * run.step));
                }
            }
        }
        if level < levels {
            let apart = dilation << level;
            let len = line.values.len() - apart;
            spare.resize(len);
            pairwise(line, [0, apart], &mut spare.values, &mut spare.places);
            std::mem::swap(line, spare);
        }
    }
}

/// Computes the winners of two stretches of a row, entry by entry.
#[inline(always)]
fn pairwise(line: &Maxima, [a, b]: [usize; 2], values: &mut [f64], places: &mut [usize]) {
    let len = values.len();
    let (u, v) = (&line.values[a..][..len], &line.values[b..][..len]);
    let (p, q) = (&line.places[a..][..len], &line.places[b..][..len]);
    let places = &mut places[..len];
    for n in 0..len {
        (values[n], places[n]) = winner((u[n], p[n]), (v[n], q[n]));
    }
}

/// Computes the winners of the windows down the columns of maxima with `wide` entries a row, and calls `put` with the row and column of each output
/// and the place of its winner.
#[inline(always)]
fn down_columns(tile: &AxisTile, dilation: usize, maxima: &mut Maxima, wide: usize, mut put: impl FnMut(usize, usize, usize)) {
    let levels = tile.runs.iter().map(|run| run.level()).max().unwrap_or(0);
    let mut rows = tile.input.len();
    for level in 0..=levels {
        for run in tile.runs.iter().filter(|run| run.level() == level) {
            for n in 0..run.outputs {
                let upper = run.first + n * run.step;
                let lower = upper + (run.count - (1 << level)) * dilation;
                let row = |row: usize| maxima.values[row * wide..][..wide].iter().zip(&maxima.places[row * wide..][..wide]);
                for (column, ((u, p), (v, q))) in row(upper).zip(row(lower)).enumerate() {
                    put(run.output + n, column, winner((*u, *p), (*v, *q)).1);
                }
            }
        }
        if level < levels {
            let apart = dilation << level;
            rows -= apart;
            for row in 0..rows {
                let (values, below) = maxima.values.split_at_mut((row + apart) * wide);
                let (places, places_below) = maxima.places.split_at_mut((row + apart) * wide);
                let (values, places) = (&mut values[row * wide..][..wide], &mut places[row * wide..][..wide]);
                let (below, places_below) = (&below[..wide], &places_below[..wide]);
                for n in 0..wide {
                    (values[n], places[n]) = winner((values[n], places[n]), (below[n], places_below[n]));
                }
            }
        }
    }
}
