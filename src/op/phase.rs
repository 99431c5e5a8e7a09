//! Polyphase layout: turns strided and dilated convolutions into sums of shifted copies, which vector registers can add.
//!
//! With stride 1, output n reads input n + k · dilation − padding for kernel place k: neighbouring outputs read neighbouring inputs, so a whole
//! register of outputs takes one load. With stride 2 they read every second input. The axis is therefore split into components: all even places, then
//! all odd places (for stride s, every s-th place from each start). Within a component, neighbouring outputs read neighbours again, and each kernel
//! place is a shift along it.
//!
//! For 6 inputs, a kernel of 3, stride 2 and padding 1 (`_` is padding), the components are
//!
//! | component | holds inputs | kernel place: offset |
//! | --- | --- | --- |
//! | 0, from −1 | _ 1 3 5 | 0: 0, 2: 1 |
//! | 1, from 0 | 0 2 4 _ | 1: 0 |
//!
//! and output n reads component 0 at n (kernel place 0) and n + 1 (kernel place 2), and component 1 at n (kernel place 1).
//!
//! In the backward pass the inputs read the outputs. There only every stride-th input meets the same kernel places, so the inputs are split into
//! phases, and each phase slides along the one component that holds all outputs.

use std::ops::Range;

use super::axis::Axis;
use super::edges::View;
use crate::scratch::Scratch;
use crate::threads::chunks;

/// The polyphase layout of an axis, and the phases of the entries that read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polyphase {
    /// The place on the axis at which each component begins. Places below 0 or past the end are padding.
    pub components: Vec<isize>,
    /// The distance on the axis between neighbours in a component.
    pub pitch: usize,
    /// The length of each component.
    pub len: usize,
    /// All entries that read something, by phase.
    pub phases: Vec<EntryPhase>,
}

/// Entries `first + n · step`, all of which read the same kernel places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPhase {
    /// The first entry.
    pub first: usize,
    /// The distance between neighbouring entries of the phase.
    pub step: usize,
    /// The number of entries.
    pub count: usize,
    /// The reads of each entry, in the order of its terms.
    pub taps: Vec<Shift>,
}

/// One read of every entry of a phase: entry n reads place `n + offset` of the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The kernel place.
    pub kernel: usize,
    /// The index of the component.
    pub component: usize,
    /// The place in the component that entry 0 reads.
    pub offset: usize,
}

/// A [`Shift`] before the components' beginnings are known: kernel place, component, and the place that entry 0 reads, which may be negative.
type RawTap = (usize, usize, isize);

/// Returns the layout of the inputs as the outputs read them ([`View::Output`]), or of the outputs as the inputs read them ([`View::Input`]). Kernel
/// places that only meet padding are left out, and so are places that no entry reads.
#[must_use]
pub fn polyphase(axis: &Axis, view: View) -> Polyphase {
    let kernels = (0..axis.kernel).filter(|&k| !axis.output_range(k).is_empty());
    let Axis { stride, padding, dilation, .. } = *axis;
    if view == View::Input {
        let phase = |first: usize| {
            let reads = kernels.clone().filter(|k| (k * dilation) % stride == (first + padding) % stride);
            let place = |k: usize| ((first + padding).cast_signed() - (k * dilation).cast_signed()) / stride.cast_signed();
            let taps: Vec<RawTap> = reads.map(|k| (k, 0, place(k))).collect();
            (first, stride, (axis.input - first).div_ceil(stride), taps)
        };
        return Polyphase::new(vec![0], 1, (0..stride.min(axis.input)).map(phase).collect());
    }
    let mut components: Vec<isize> = Vec::new();
    let taps = kernels.map(|k| {
        let start = (k * dilation % stride).cast_signed() - padding.cast_signed();
        let component = components.iter().position(|&component| component == start).unwrap_or_else(|| {
            components.push(start);
            components.len() - 1
        });
        (k, component, (k * dilation / stride).cast_signed())
    });
    let taps = taps.collect();
    Polyphase::new(components, stride, vec![(0, 1, axis.output, taps)])
}

impl Polyphase {
    /// Builds the layout from phases given as first entry, step, count and reads.
    fn new(components: Vec<isize>, pitch: usize, phases: Vec<(usize, usize, usize, Vec<RawTap>)>) -> Self {
        let places =
            || phases.iter().flat_map(|(.., count, taps)| taps.iter().map(|(.., place)| (*place, place.saturating_add_unsigned(*count))));
        let low = places().map(|(from, _)| from).min().unwrap_or(0);
        let len = places().map(|(_, to)| to.abs_diff(low)).max().unwrap_or(0);
        let shift = |(kernel, component, place): RawTap| Shift { kernel, component, offset: place.abs_diff(low) };
        let phase = |(first, step, count, taps): (usize, usize, usize, Vec<RawTap>)| EntryPhase {
            first,
            step,
            count,
            taps: taps.into_iter().map(shift).collect(),
        };
        Self {
            components: components.into_iter().map(|component| component + low * pitch.cast_signed()).collect(),
            pitch,
            len,
            phases: phases.into_iter().filter(|(.., taps)| !taps.is_empty()).map(phase).collect(),
        }
    }

    /// Returns the range of reads of a phase's entry `n` that lie on an axis of `len` places and not on padding. They are consecutive, because the
    /// places grow evenly.
    #[must_use]
    pub fn unpadded_taps(&self, phase: &EntryPhase, n: usize, len: usize) -> Range<usize> {
        let place = |tap: &Shift| self.components[tap.component].saturating_add_unsigned((n + tap.offset) * self.pitch);
        let inside = |tap: &Shift| (0..len.cast_signed()).contains(&place(tap));
        let first = phase.taps.iter().take_while(|tap| !inside(tap)).count();
        first..first + phase.taps[first..].iter().take_while(|tap| inside(tap)).count()
    }

    /// Restricts the layout to a range of entries of every phase. Entry 0 of the result is entry `entries.start`.
    #[must_use]
    pub fn part(&self, entries: Range<usize>) -> Self {
        let inside = |phase: &EntryPhase| EntryPhase { count: phase.count.min(entries.end).saturating_sub(entries.start), ..phase.clone() };
        let phases: Vec<_> = self.phases.iter().map(inside).filter(|phase| phase.count > 0).collect();
        let ends = phases.iter().flat_map(|phase| phase.taps.iter().map(|tap| tap.offset + phase.count));
        Self {
            components: self.components.iter().map(|component| component + (entries.start * self.pitch).cast_signed()).collect(),
            pitch: self.pitch,
            len: ends.max().unwrap_or(0),
            phases,
        }
    }

    /// Returns the first place of a component that is not padding before the axis.
    fn first_inside(&self, component: isize) -> usize {
        component.min(0).unsigned_abs().div_ceil(self.pitch)
    }

    /// Returns the range of a component that lies on an axis of `n` places, and the place on the axis of the first of them.
    fn inside(&self, component: isize, n: usize) -> (Range<usize>, usize) {
        let begin = self.first_inside(component).min(self.len);
        let first = component.saturating_add_unsigned(begin * self.pitch).max(0).cast_unsigned().min(n);
        (begin..(begin + (n - first).div_ceil(self.pitch)).min(self.len), first)
    }
}

/// Lays out `height` x `width` images by components, with 0 for padding. Each image becomes one plane for each pair of a row component and a column
/// component. `more` zeros follow the last image, so that a register may read past it.
#[must_use]
pub fn lay_out(images: &[f64], [height, width]: [usize; 2], [rows, columns]: &[Polyphase; 2], more: usize) -> Scratch {
    let plane = rows.len * columns.len;
    if plane == 0 {
        return Scratch::new(0);
    }
    let whole = rows.components.len() * columns.components.len() * plane;
    let count = images.len() / (height * width);
    let mut all = Scratch::new(count * whole + more);
    let (laid, zeros) = all.split_at_mut(count * whole);
    zeros.fill(0.0);
    chunks(laid, whole, 8, |at, laid| {
        for (laid, image) in laid.chunks_exact_mut(whole).zip(images[at / whole * height * width..].chunks_exact(height * width)) {
            let mut planes = laid.chunks_exact_mut(plane);
            for top in &rows.components {
                let (down, y) = rows.inside(*top, height);
                for (left, plane) in columns.components.iter().zip(&mut planes) {
                    let (across, x) = columns.inside(*left, width);
                    plane[..down.start * columns.len].fill(0.0);
                    plane[down.end * columns.len..].fill(0.0);
                    let lines = plane.chunks_exact_mut(columns.len).skip(down.start).take(down.len());
                    for (line, row) in lines.zip(image.chunks_exact(width).skip(y).step_by(rows.pitch)) {
                        line[..across.start].fill(0.0);
                        line[across.end..].fill(0.0);
                        copy_strided(&mut line[across.clone()], columns.pitch, &row[x..]);
                    }
                }
            }
        }
    });
    all
}

/// Copies every `step`-th number of `from` until `to` is full.
///
/// # Panics
/// If `from` is too short.
pub fn copy_strided(to: &mut [f64], step: usize, from: &[f64]) {
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
