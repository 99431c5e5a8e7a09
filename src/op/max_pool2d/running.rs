//! Max pooling over large windows by running maxima of 1, 2, 4, 8, … neighbours: with stride 1, about log₂ n comparisons for a window of n places.
//!
//! Let m₀ = x and mⱼ₊₁\[i\] = max(mⱼ\[i\], mⱼ\[i + 2ʲ\]). Then entry i of mⱼ is the maximum of the 2ʲ neighbours that begin at i. For a window of n places,
//! let j be the *level* with 2ʲ ≤ n < 2ʲ⁺¹. Two runs of 2ʲ neighbours, which may overlap, cover the window: one begins at the window's first place, and
//! one ends at its last place. So the maximum of the window is max(mⱼ\[first\], mⱼ\[first + n − 2ʲ\]). With dilation d the neighbours are d places apart.
//!
//! For a window of 3 places over `5 1 4 2` the level is 1:
//!
//! ```text
//! m₀ = 5 1 4 2
//! m₁ = 5 4 4          maxima of 2 neighbours
//! y  = 5 4            y[0] = max(m₁[0], m₁[1]), y[1] = max(m₁[1], m₁[2])
//! ```
//!
//! The maxima are computed along the rows of the image, and then down the columns of the result. With stride 1, an h x w window then costs about
//! log₂ h + log₂ w comparisons instead of h · w: 10 instead of 961 for 31 x 31. With stride s there are s inputs for each output along an axis, and each of
//! them needs these comparisons. So large strides are left to another kernel ([`RunningMaxima::new_if_faster`]).
//!
//! Each maximum is stored with the place that it comes from. Of two equal maxima the left or upper one wins, so the winner is the first maximum of its window
//! in row-major order. If a window contains NaNs, its last NaN wins. Neither result depends on the order of the comparisons.

#![allow(clippy::inline_always)] // a function uses wide vector registers only if it is inlined into `with_simd`

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
    first_output: usize,
    /// The number of outputs.
    output_count: usize,
    /// The first input place of the first output's window.
    first_place: usize,
    /// The distance between the beginnings of neighbouring windows.
    step: usize,
    /// The number of places of each window.
    place_count: usize,
}

impl WindowRun {
    /// Returns the level j, with 2ʲ ≤ `place_count` < 2ʲ⁺¹.
    fn level(self) -> u32 {
        self.place_count.ilog2()
    }

    /// Returns the windows of the run whose outputs are in a range. In the result, outputs are counted from the beginning of the range. `None` if no output of
    /// the run is in the range.
    fn within(self, range: &Range<usize>) -> Option<Self> {
        let (begin, end) = (self.first_output.max(range.start), (self.first_output + self.output_count).min(range.end));
        (begin < end).then(|| Self {
            first_output: begin - range.start,
            output_count: end - begin,
            first_place: self.first_place + (begin - self.first_output) * self.step,
            ..self
        })
    }
}

/// All windows along one axis.
#[derive(Debug)]
struct WindowAxis {
    /// The windows, in order, as runs that are evenly spaced.
    runs: Vec<WindowRun>,
    /// The distance between neighbouring places of a window.
    dilation: usize,
    /// The number of outputs that are computed at once.
    outputs_at_once: usize,
}

/// The windows of some neighbouring outputs along an axis.
struct AxisTile {
    /// The windows. Outputs are counted from the first of the tile, and places from `input.start`.
    runs: Vec<WindowRun>,
    /// The input places that the windows read.
    input: Range<usize>,
    /// The number of outputs.
    outputs: usize,
}

/// The smallest number of outputs along an axis that are computed at once, if the axis has as many.
const MIN_OUTPUTS: usize = 128;

/// Returns the extent of a dilated window on the input.
fn extent(axis: &Axis) -> usize {
    (axis.kernel - 1) * axis.dilation + 1
}

/// Returns the number of outputs of a tile: they are computed at once. Two neighbouring tiles overlap on the input by about one window, and both compute the
/// maxima there. A tile covers four times the extent of a window, so only a small part of the work is done twice.
fn outputs_at_once(axis: &Axis) -> usize {
    (4 * extent(axis) / axis.stride).max(MIN_OUTPUTS).min(axis.output)
}

impl WindowAxis {
    fn new(axis: &Axis) -> Self {
        let mut runs: Vec<WindowRun> = Vec::new();
        for output in 0..axis.output {
            let Taps { first: [first_place, ..], count: place_count, .. } = axis.taps(View::Output, output);
            if let Some(run) = runs.last_mut().filter(|run| run.place_count == place_count) {
                // the window continues the run if its distance from the last window is the distance between the windows of the run
                let step = first_place.checked_sub(run.first_place + (run.output_count - 1) * run.step);
                if let Some(step) = step.filter(|step| run.output_count == 1 || *step == run.step) {
                    (run.step, run.output_count) = (step, run.output_count + 1);
                    continue;
                }
            }
            runs.push(WindowRun { first_output: output, output_count: 1, first_place, step: 0, place_count });
        }
        Self { runs, dilation: axis.dilation, outputs_at_once: outputs_at_once(axis) }
    }

    /// Returns the windows of a range of outputs.
    fn tile(&self, outputs: Range<usize>) -> AxisTile {
        let first_run = self.runs.partition_point(|run| run.first_output + run.output_count <= outputs.start);
        let mut runs: Vec<WindowRun> = self.runs[first_run..].iter().map_while(|run| run.within(&outputs)).collect();
        let begin = runs.iter().map(|run| run.first_place).min().unwrap_or(0);
        let end_of = |run: &WindowRun| run.first_place + (run.output_count - 1) * run.step + (run.place_count - 1) * self.dilation + 1;
        let end = runs.iter().map(end_of).max().unwrap_or(begin);
        for run in &mut runs {
            run.first_place -= begin;
        }
        AxisTile { runs, input: begin..end, outputs: outputs.len() }
    }
}

/// The plan of the computation: the windows of one channel, along both axes.
#[derive(Debug)]
pub(super) struct RunningMaxima {
    /// The windows down the rows.
    rows: WindowAxis,
    /// The windows across the columns.
    columns: WindowAxis,
    /// The number of places of one channel of the image.
    area: usize,
    /// The number of places of one row of the image.
    width: usize,
}

impl RunningMaxima {
    /// Creates the plan; `None` if comparing every place of every window is probably faster.
    pub(super) fn new_if_faster(Conv2d { rows, columns, .. }: &Conv2d) -> Option<Self> {
        // costs are u128 and saturate, because a stride, or a kernel that covers much padding, can be far larger than any tensor

        // the operations for each output along an axis: each of its `stride` inputs is copied, and compared once for each level; the output is one comparison
        let axis_cost = |axis: &Axis| axis.stride as u128 * (u128::from(axis.kernel.ilog2()) + 1) + 1;
        // each output row needs `stride` input rows with their maxima along the row
        let running_cost = (rows.stride as u128).saturating_mul(axis_cost(columns)).saturating_add(axis_cost(rows));
        // in rows of fewer than 8 outputs, the running maxima do not fill a vector register and are slower in proportion
        let direct_cost = (rows.kernel as u128 * columns.kernel as u128).saturating_mul(columns.output.min(8) as u128) / 8;
        // a margin: running maxima are chosen only if they need less than half of the operations
        (direct_cost > running_cost.saturating_mul(2)).then(|| Self {
            rows: WindowAxis::new(rows),
            columns: WindowAxis::new(columns),
            area: rows.input * columns.input,
            width: columns.input,
        })
    }

    /// The number of rows of outputs that are computed at once.
    pub(super) fn rows_at_once(&self) -> usize {
        self.rows.outputs_at_once
    }

    /// Returns the shape of the array of maxima that the computation of a tile needs: input rows x output columns.
    pub(super) fn scratch_shape(Conv2d { rows, columns, .. }: &Conv2d) -> [usize; 2] {
        let inputs = (outputs_at_once(rows) - 1) * rows.stride + extent(rows);
        [inputs.min(rows.input), outputs_at_once(columns)]
    }

    /// Calls `put` with each entry of `out` and the winner of its window, as an index in the image. `out` are rows of outputs of a channel, from row
    /// `first_row` on.
    pub(super) fn winners<T>(&self, image: &[f64], channel: usize, first_row: usize, out: &mut [T], put: impl Fn(&mut T, usize)) {
        Arch::new().dispatch(FindWinners { running: self, image, channel, first_row, out, put });
    }
}

/// Maxima, and for each the place in the image that it comes from.
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

/// Returns the winner of two maxima, each with its place; `second` does not come before `first` in row-major order.
#[inline(always)]
fn winner(first: (f64, usize), second: (f64, usize)) -> (f64, usize) {
    let wins = beats(second.0, first.0);
    (if wins { second.0 } else { first.0 }, if wins { second.1 } else { first.1 })
}

/// The computation of the winners of some rows of outputs of one channel.
struct FindWinners<'a, T, P> {
    running: &'a RunningMaxima,
    image: &'a [f64],
    channel: usize,
    first_row: usize,
    out: &'a mut [T],
    put: P,
}

impl<T, P: Fn(&mut T, usize)> WithSimd for FindWinners<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { running, image, channel, first_row, out, put } = self;
        let RunningMaxima { rows, columns, area, width } = running;
        let output_width = columns.runs.iter().map(|run| run.output_count).sum::<usize>();
        let row_tile = rows.tile(first_row..first_row + out.len() / output_width);
        // `line` is one row of the image, and `maxima` has the maxima along all rows
        let (mut maxima, mut line, mut spare) = (Maxima::default(), Maxima::default(), Maxima::default());
        for begin in (0..output_width).step_by(columns.outputs_at_once) {
            let column_tile = columns.tile(begin..output_width.min(begin + columns.outputs_at_once));
            maxima.resize(row_tile.input.len() * column_tile.outputs);
            for (n, row) in row_tile.input.clone().enumerate() {
                let first = channel * area + row * width + column_tile.input.start;
                line.values.clear();
                line.values.extend_from_slice(&image[first..][..column_tile.input.len()]);
                line.places.clear();
                line.places.extend(first..first + column_tile.input.len());
                let values = &mut maxima.values[n * column_tile.outputs..][..column_tile.outputs];
                let places = &mut maxima.places[n * column_tile.outputs..][..column_tile.outputs];
                along_row(&column_tile, columns.dilation, &mut line, &mut spare, values, places);
            }
            down_columns(&row_tile, rows.dilation, &mut maxima, column_tile.outputs, |row, column, place| {
                put(&mut out[row * output_width + begin + column], place);
            });
        }
    }
}

/// Computes the maxima of the windows along a row, and writes them and their places to `values` and `places`. `line` has the entries of the row, and is
/// overwritten. `spare` is a buffer.
#[inline(always)]
fn along_row(tile: &AxisTile, dilation: usize, line: &mut Maxima, spare: &mut Maxima, values: &mut [f64], places: &mut [usize]) {
    let top_level = tile.runs.iter().map(|run| run.level()).max().unwrap_or(0);
    for level in 0..=top_level {
        for run in tile.runs.iter().filter(|run| run.level() == level) {
            // the beginning of the second of the two runs of 2ʲ neighbours that cover the first window
            let second = run.first_place + (run.place_count - (1 << level)) * dilation;
            let (values, places) =
                (&mut values[run.first_output..][..run.output_count], &mut places[run.first_output..][..run.output_count]);
            if run.step == 1 {
                pairwise(line, [run.first_place, second], values, places);
            } else {
                for (n, (value, place)) in values.iter_mut().zip(places).enumerate() {
                    (*value, *place) = winner(line.get(run.first_place + n * run.step), line.get(second + n * run.step));
                }
            }
        }
        // the maxima of the next level
        if level < top_level {
            let distance = dilation << level;
            let len = line.values.len() - distance;
            spare.resize(len);
            pairwise(line, [0, distance], &mut spare.values, &mut spare.places);
            std::mem::swap(line, spare);
        }
    }
}

/// Computes the winner of `line[first + n]` and `line[second + n]` for each n.
#[inline(always)]
fn pairwise(line: &Maxima, [first, second]: [usize; 2], values: &mut [f64], places: &mut [usize]) {
    let len = values.len();
    let (first_values, second_values) = (&line.values[first..][..len], &line.values[second..][..len]);
    let (first_places, second_places) = (&line.places[first..][..len], &line.places[second..][..len]);
    let places = &mut places[..len];
    for n in 0..len {
        (values[n], places[n]) = winner((first_values[n], first_places[n]), (second_values[n], second_places[n]));
    }
}

/// Computes the winners of the windows down the columns. For each output, calls `put` with the output's row, its column, and the place of its winner. `maxima`
/// has the maxima along the rows, `width` in each row, and is overwritten.
#[inline(always)]
fn down_columns(tile: &AxisTile, dilation: usize, maxima: &mut Maxima, width: usize, mut put: impl FnMut(usize, usize, usize)) {
    let top_level = tile.runs.iter().map(|run| run.level()).max().unwrap_or(0);
    let mut row_count = tile.input.len();
    for level in 0..=top_level {
        for run in tile.runs.iter().filter(|run| run.level() == level) {
            for n in 0..run.output_count {
                let upper = run.first_place + n * run.step;
                let lower = upper + (run.place_count - (1 << level)) * dilation;
                let maxima_of_row = |row: usize| maxima.values[row * width..][..width].iter().zip(&maxima.places[row * width..][..width]);
                for (column, ((value, place), (value_below, place_below))) in maxima_of_row(upper).zip(maxima_of_row(lower)).enumerate() {
                    let (_, place) = winner((*value, *place), (*value_below, *place_below));
                    put(run.first_output + n, column, place);
                }
            }
        }
        // the maxima of the next level, in place: a row only reads itself and a row below it
        if level < top_level {
            let distance = dilation << level;
            row_count -= distance;
            for row in 0..row_count {
                let (values, values_below) = maxima.values.split_at_mut((row + distance) * width);
                let (places, places_below) = maxima.places.split_at_mut((row + distance) * width);
                let (values, places) = (&mut values[row * width..][..width], &mut places[row * width..][..width]);
                let (values_below, places_below) = (&values_below[..width], &places_below[..width]);
                for n in 0..width {
                    (values[n], places[n]) = winner((values[n], places[n]), (values_below[n], places_below[n]));
                }
            }
        }
    }
}
