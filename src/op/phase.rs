//! Every stride-th place of an axis has its taps at the same distances. Laid out phase by phase, any strided or dilated window slides evenly:
//! a tap is a shift.

use std::ops::Range;

use super::axis::Axis;
use super::edges::View;
use crate::scratch::Scratch;
use crate::threads::chunks;

/// How entries read an axis: it is laid out in combs, and every phase of the entries slides along them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combed {
    /// Where each comb begins; below 0 and beyond the end is padding.
    pub combs: Vec<isize>,
    /// From one place of a comb to the next.
    pub pitch: usize,
    /// Places of a comb.
    pub len: usize,
    /// The entries.
    pub phases: Vec<Phase>,
}

/// Entries that are a stride apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The first place.
    pub first: usize,
    /// From one place to the next.
    pub step: usize,
    /// How many places there are.
    pub count: usize,
    /// What is read, in the order of the terms.
    pub taps: Vec<Shift>,
}

/// One tap of all places of a phase: entry n finds it at place n + `by` of the comb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The kernel place.
    pub kernel: usize,
    /// The comb.
    pub comb: usize,
    /// How far along the comb; while it is laid out, from a place that may be padding.
    pub by: usize,
}

/// A tap before it is known where the combs begin: kernel place, comb, and the place that entry 0 reads.
type Tap = (usize, usize, isize);

/// How the outputs read inputs ([`View::Output`]), or the inputs outputs ([`View::Input`]). Taps that reach nothing and places that nothing reaches are
/// left out.
#[must_use]
pub fn comb(axis: &Axis, view: View) -> Combed {
    let kernels = (0..axis.kernel).filter(|&k| !axis.outputs(k).is_empty());
    let Axis { stride, padding, dilation, .. } = *axis;
    if view == View::Input {
        let phase = |first: usize| {
            let reads = kernels.clone().filter(|k| (k * dilation) % stride == (first + padding) % stride);
            let place = |k: usize| ((first + padding).cast_signed() - (k * dilation).cast_signed()) / stride.cast_signed();
            let taps: Vec<Tap> = reads.map(|k| (k, 0, place(k))).collect();
            (first, stride, (axis.input - first).div_ceil(stride), taps)
        };
        return Combed::new(vec![0], 1, (0..stride.min(axis.input)).map(phase).collect());
    }
    let mut combs: Vec<isize> = Vec::new();
    let taps = kernels.map(|k| {
        let start = (k * dilation % stride).cast_signed() - padding.cast_signed();
        let comb = combs.iter().position(|&comb| comb == start).unwrap_or_else(|| {
            combs.push(start);
            combs.len() - 1
        });
        (k, comb, (k * dilation / stride).cast_signed())
    });
    let taps = taps.collect();
    Combed::new(combs, stride, vec![(0, 1, axis.output, taps)])
}

impl Combed {
    /// From phases: first place, step, count, taps.
    fn new(combs: Vec<isize>, pitch: usize, phases: Vec<(usize, usize, usize, Vec<Tap>)>) -> Self {
        let places =
            || phases.iter().flat_map(|(.., count, taps)| taps.iter().map(|(.., place)| (*place, place.saturating_add_unsigned(*count))));
        let low = places().map(|(from, _)| from).min().unwrap_or(0);
        let len = places().map(|(_, to)| to.abs_diff(low)).max().unwrap_or(0);
        let shift = |(kernel, comb, place): Tap| Shift { kernel, comb, by: place.abs_diff(low) };
        let phase = |(first, step, count, taps): (usize, usize, usize, Vec<Tap>)| Phase {
            first,
            step,
            count,
            taps: taps.into_iter().map(shift).collect(),
        };
        Self {
            combs: combs.into_iter().map(|comb| comb + low * pitch.cast_signed()).collect(),
            pitch,
            len,
            phases: phases.into_iter().filter(|(.., taps)| !taps.is_empty()).map(phase).collect(),
        }
    }

    /// Which taps of a phase entry `n` of it finds on an axis of `len` places, and not in the padding: as the places move evenly, neighbours.
    #[must_use]
    pub fn met(&self, phase: &Phase, n: usize, len: usize) -> Range<usize> {
        let place = |tap: &Shift| self.combs[tap.comb].saturating_add_unsigned((n + tap.by) * self.pitch);
        let inside = |tap: &Shift| (0..len.cast_signed()).contains(&place(tap));
        let first = phase.taps.iter().take_while(|tap| !inside(tap)).count();
        first..first + phase.taps[first..].iter().take_while(|tap| inside(tap)).count()
    }

    /// What some of the entries of every phase read, as if they were all: the phases' first places are counted from the part's own.
    #[must_use]
    pub fn part(&self, entries: Range<usize>) -> Self {
        let inside = |phase: &Phase| Phase { count: phase.count.min(entries.end).saturating_sub(entries.start), ..phase.clone() };
        let phases: Vec<_> = self.phases.iter().map(inside).filter(|phase| phase.count > 0).collect();
        let ends = phases.iter().flat_map(|phase| phase.taps.iter().map(|tap| tap.by + phase.count));
        Self {
            combs: self.combs.iter().map(|comb| comb + (entries.start * self.pitch).cast_signed()).collect(),
            pitch: self.pitch,
            len: ends.max().unwrap_or(0),
            phases,
        }
    }

    /// The first place of a comb that is not before the axis.
    fn first_inside(&self, comb: isize) -> usize {
        comb.min(0).unsigned_abs().div_ceil(self.pitch)
    }

    /// The places of a comb that lie on an axis of `n` places, and where the first of them lies there.
    fn inside(&self, comb: isize, n: usize) -> (Range<usize>, usize) {
        let begin = self.first_inside(comb).min(self.len);
        let first = comb.saturating_add_unsigned(begin * self.pitch).max(0).cast_unsigned().min(n);
        (begin..(begin + (n - first).div_ceil(self.pitch)).min(self.len), first)
    }
}

/// Images of this height and width, one after the other, laid out comb by comb with 0 for padding: for every image, every comb of rows and every comb of columns, a
/// plane of the combs' lengths. After the last come `more` zeros.
#[must_use]
pub fn laid_out(images: &[f64], [height, width]: [usize; 2], [rows, columns]: &[Combed; 2], more: usize) -> Scratch {
    let plane = rows.len * columns.len;
    if plane == 0 {
        return Scratch::new(0);
    }
    let whole = rows.combs.len() * columns.combs.len() * plane;
    let count = images.len() / (height * width);
    let mut all = Scratch::new(count * whole + more);
    let (laid, zeros) = all.split_at_mut(count * whole);
    zeros.fill(0.0);
    chunks(laid, whole, 8, |at, laid| {
        for (laid, image) in laid.chunks_exact_mut(whole).zip(images[at / whole * height * width..].chunks_exact(height * width)) {
            let mut planes = laid.chunks_exact_mut(plane);
            for top in &rows.combs {
                let (down, y) = rows.inside(*top, height);
                for (left, plane) in columns.combs.iter().zip(&mut planes) {
                    let (across, x) = columns.inside(*left, width);
                    plane[..down.start * columns.len].fill(0.0);
                    plane[down.end * columns.len..].fill(0.0);
                    let lines = plane.chunks_exact_mut(columns.len).skip(down.start).take(down.len());
                    for (line, row) in lines.zip(image.chunks_exact(width).skip(y).step_by(rows.pitch)) {
                        line[..across.start].fill(0.0);
                        line[across.end..].fill(0.0);
                        every(&mut line[across.clone()], columns.pitch, &row[x..]);
                    }
                }
            }
        }
    });
    all
}

/// Copies every `step`-th number, as many as there is room for.
///
/// # Panics
/// When there are fewer.
pub fn every(to: &mut [f64], step: usize, from: &[f64]) {
    match step {
        1 => to.copy_from_slice(&from[..to.len()]),
        2 => {
            let (pairs, rest) = from.as_chunks::<2>();
            let (to, last) = to.split_at_mut(to.len().min(pairs.len()));
            for (to, [first, _]) in to.iter_mut().zip(pairs) {
                *to = *first;
            }
            last.copy_from_slice(&rest[..last.len()]);
        }
        _ => {
            for (n, to) in to.iter_mut().enumerate() {
                *to = from[n * step];
            }
        }
    }
}
