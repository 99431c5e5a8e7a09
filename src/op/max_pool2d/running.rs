//! The winners of large windows, by maxima of 1, 2, 4, 8, … neighbours.
//!
//! With m₀ = x and mⱼ₊₁\[i\] = max(mⱼ\[i\], mⱼ\[i + 2ʲ\]), entry i of mⱼ is the maximum of 2ʲ neighbours. A window of n places, 2ʲ ≤ n < 2ʲ⁺¹, is two such
//! chunks, which may overlap: max(mⱼ\[first\], mⱼ\[first + n − 2ʲ\]). With a dilation d the neighbours are d places apart.
//!
//! This is done along the rows of the image, and then down the columns of what came of it. An h x w window so costs about log₂ h + log₂ w comparisons
//! instead of h · w: 10 instead of 961 for 31 x 31. The place of each maximum goes along with it. The left of two equal maxima stays, and the upper one, so
//! the winner is the first of the window in row-major order, and of several NaN the last, whatever the order of the comparisons.

#![allow(clippy::inline_always)] // vector registers are chosen where the loops are built in, and nowhere else

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::beats;
use crate::op::axis::{Axis, Taps};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;

/// Outputs side by side along one axis whose windows have equally many places and begin evenly apart.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The first output.
    output: usize,
    /// The number of outputs.
    outputs: usize,
    /// The first input place of the first output's window.
    first: usize,
    /// Input places from one window's beginning to the next.
    step: usize,
    /// Places of each window.
    count: usize,
}

impl Run {
    /// The j of 2ʲ ≤ count < 2ʲ⁺¹.
    fn level(self) -> u32 {
        self.count.ilog2()
    }

    /// The part of it within a range of outputs, counted from the range's beginning.
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

/// The windows along one axis.
#[derive(Debug)]
struct Line {
    runs: Vec<Run>,
    dilation: usize,
    /// The outputs that are computed together.
    together: usize,
}

/// Some windows along an axis, with the input places that they reach over.
struct Part {
    runs: Vec<Run>,
    input: Range<usize>,
    outputs: usize,
}

/// The least number of outputs that are computed together.
const GROUP: usize = 128;

/// The places from a window's first to its last.
fn reach(axis: &Axis) -> usize {
    (axis.kernel - 1) * axis.dilation + 1
}

/// The outputs that are computed together: what they read alone is four times what they share with the next.
fn together(axis: &Axis) -> usize {
    (4 * reach(axis) / axis.stride).max(GROUP).min(axis.output)
}

impl Line {
    fn new(axis: &Axis) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for output in 0..axis.output {
            let Taps { first: [first, ..], count, .. } = axis.taps(View::Output, output);
            if let Some(run) = runs.last_mut().filter(|run| run.count == count) {
                let step = first.checked_sub(run.first + (run.outputs - 1) * run.step);
                if let Some(step) = step.filter(|step| run.outputs == 1 || *step == run.step) {
                    (run.step, run.outputs) = (step, run.outputs + 1);
                    continue;
                }
            }
            runs.push(Run { output, outputs: 1, first, step: 0, count });
        }
        Self { runs, dilation: axis.dilation, together: together(axis) }
    }

    /// The windows of some outputs; places are counted from the first that one of them reads.
    fn part(&self, outputs: Range<usize>) -> Part {
        let from = self.runs.partition_point(|run| run.output + run.outputs <= outputs.start);
        let mut runs: Vec<Run> = self.runs[from..].iter().map_while(|run| run.within(&outputs)).collect();
        let begin = runs.iter().map(|run| run.first).min().unwrap_or(0);
        let end = |run: &Run| run.first + (run.outputs - 1) * run.step + (run.count - 1) * self.dilation + 1;
        let end = runs.iter().map(end).max().unwrap_or(begin);
        for run in &mut runs {
            run.first -= begin;
        }
        Part { runs, input: begin..end, outputs: outputs.len() }
    }
}

/// The windows of one channel.
#[derive(Debug)]
pub(super) struct Running {
    down: Line,
    across: Line,
    /// The places of one channel of the image, and of one row.
    area: usize,
    width: usize,
}

impl Running {
    /// The windows along both axes, where this is faster than to look at every place of every window.
    pub(super) fn worthwhile(Conv2d { rows, columns, .. }: &Conv2d) -> Option<Self> {
        // what no tensor's size bounds, a stride or a kernel on padding, may be as large as there are numbers
        let each = |axis: &Axis| axis.stride as u128 * (u128::from(axis.kernel.ilog2()) + 1) + 1;
        let running = (rows.stride as u128).saturating_mul(each(columns)).saturating_add(each(rows));
        // short rows do not fill the registers
        let plain = (rows.kernel as u128 * columns.kernel as u128).saturating_mul(columns.output.min(8) as u128) / 8;
        (plain > running.saturating_mul(2)).then(|| Self {
            down: Line::new(rows),
            across: Line::new(columns),
            area: rows.input * columns.input,
            width: columns.input,
        })
    }

    /// Rows of outputs that are computed together.
    pub(super) fn rows_together(&self) -> usize {
        self.down.together
    }

    /// The number of maxima, each with its place, that one group of outputs keeps.
    pub(super) fn room(Conv2d { rows, columns, .. }: &Conv2d) -> [usize; 2] {
        let inputs = (together(rows) - 1) * rows.stride + reach(rows);
        [inputs.min(rows.input), together(columns)]
    }

    /// Puts the winners of some rows of a channel's outputs into `out`.
    pub(super) fn winners<T>(&self, image: &[f64], channel: usize, first_row: usize, out: &mut [T], put: impl Fn(&mut T, usize)) {
        Arch::new().dispatch(Group { running: self, image, channel, first_row, out, put });
    }
}

/// Maxima and their places.
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

/// The winner of two, of which the second is not before the first in row-major order.
#[inline(always)]
fn winner(first: (f64, usize), second: (f64, usize)) -> (f64, usize) {
    let wins = beats(second.0, first.0);
    (if wins { second.0 } else { first.0 }, if wins { second.1 } else { first.1 })
}

/// Rows of outputs of one channel.
struct Group<'a, T, P> {
    running: &'a Running,
    image: &'a [f64],
    channel: usize,
    first_row: usize,
    out: &'a mut [T],
    put: P,
}

impl<T, P: Fn(&mut T, usize)> WithSimd for Group<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { running, image, channel, first_row, out, put } = self;
        let Running { down, across, area, width } = running;
        let wide = across.runs.iter().map(|run| run.outputs).sum::<usize>();
        let rows = down.part(first_row..first_row + out.len() / wide);
        let (mut maxima, mut line, mut spare) = (Maxima::default(), Maxima::default(), Maxima::default());
        for begin in (0..wide).step_by(across.together) {
            let columns = across.part(begin..wide.min(begin + across.together));
            maxima.resize(rows.input.len() * columns.outputs);
            for (n, row) in rows.input.clone().enumerate() {
                let first = channel * area + row * width + columns.input.start;
                line.values.clear();
                line.values.extend_from_slice(&image[first..][..columns.input.len()]);
                line.places.clear();
                line.places.extend(first..first + columns.input.len());
                let values = &mut maxima.values[n * columns.outputs..][..columns.outputs];
                let places = &mut maxima.places[n * columns.outputs..][..columns.outputs];
                along(&columns, across.dilation, &mut line, &mut spare, values, places);
            }
            downwards(&rows, down.dilation, &mut maxima, columns.outputs, |row, column, place| {
                put(&mut out[row * wide + begin + column], place);
            });
        }
    }
}

/// The winners of the windows of a row.
#[inline(always)]
fn along(part: &Part, dilation: usize, line: &mut Maxima, spare: &mut Maxima, values: &mut [f64], places: &mut [usize]) {
    let levels = part.runs.iter().map(|run| run.level()).max().unwrap_or(0);
    for level in 0..=levels {
        for run in part.runs.iter().filter(|run| run.level() == level) {
            let last = run.first + (run.count - (1 << level)) * dilation;
            let (values, places) = (&mut values[run.output..][..run.outputs], &mut places[run.output..][..run.outputs]);
            if run.step == 1 {
                pairs(line, [run.first, last], values, places);
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
            pairs(line, [0, apart], &mut spare.values, &mut spare.places);
            std::mem::swap(line, spare);
        }
    }
}

/// The winners of two chunks of a row, entry by entry.
#[inline(always)]
fn pairs(line: &Maxima, [a, b]: [usize; 2], values: &mut [f64], places: &mut [usize]) {
    let len = values.len();
    let (u, v) = (&line.values[a..][..len], &line.values[b..][..len]);
    let (p, q) = (&line.places[a..][..len], &line.places[b..][..len]);
    let places = &mut places[..len];
    for n in 0..len {
        (values[n], places[n]) = winner((u[n], p[n]), (v[n], q[n]));
    }
}

/// The winners of the windows down the columns of `wide` maxima a row, told with the row and column of their output.
#[inline(always)]
fn downwards(part: &Part, dilation: usize, maxima: &mut Maxima, wide: usize, mut tell: impl FnMut(usize, usize, usize)) {
    let levels = part.runs.iter().map(|run| run.level()).max().unwrap_or(0);
    let mut rows = part.input.len();
    for level in 0..=levels {
        for run in part.runs.iter().filter(|run| run.level() == level) {
            for n in 0..run.outputs {
                let upper = run.first + n * run.step;
                let lower = upper + (run.count - (1 << level)) * dilation;
                let row = |row: usize| maxima.values[row * wide..][..wide].iter().zip(&maxima.places[row * wide..][..wide]);
                for (column, ((u, p), (v, q))) in row(upper).zip(row(lower)).enumerate() {
                    tell(run.output + n, column, winner((*u, *p), (*v, *q)).1);
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
