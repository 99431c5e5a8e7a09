//! Polyphase layout of one axis of a convolution. With this layout, a strided and dilated convolution is a sum of shifted copies. Vector registers can add such
//! copies quickly.
//!
//! A *place* is an index along the axis. To compute output n, kernel place k reads the input place n · stride + k · dilation − padding. With stride 1,
//! neighbouring outputs read neighbouring inputs, so one load fills a register for several outputs. With stride 2, neighbouring outputs read every second
//! input. The inputs are therefore copied into *components*: first all even places, then all odd places. (With stride s there are s components, each with every
//! s-th place.) Within a component, neighbouring outputs read neighbouring numbers again, and each kernel place is a shift along the component.
//!
//! For 6 inputs, a kernel of 3, stride 2 and padding 1, the components are (`_` is padding):
//!
//! | component | first place | inputs in it | kernel places, with their shifts |
//! | --- | --- | --- | --- |
//! | 0 | −1 | _ 1 3 5 | 0 (shift 0), 2 (shift 1) |
//! | 1 | 0 | 0 2 4 _ | 1 (shift 0) |
//!
//! Output n is the sum of three products. They multiply kernel place 0 by number n of component 0, kernel place 1 by number n of component 1, and kernel place
//! 2 by number n + 1 of component 0.
//!
//! In the backward pass the derivative of an input reads the derivatives of the outputs. With stride s, two inputs are multiplied by the same kernel places
//! only if the distance between the inputs is a multiple of s. So the inputs are split into s *phases*: with stride 2, the even inputs and the odd inputs. The
//! outputs stay in a single component, and each phase slides along this component.

use std::ops::Range;

use super::axis::Axis;
use super::edges::View;
use crate::scratch::Scratch;
use crate::threads::chunks;

/// The polyphase layout of an axis that is read: the inputs in the forward pass, the outputs in the backward pass. It also has the phases of the entries that
/// read this axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polyphase {
    /// The place on the axis at which each component begins. Places below 0 and past the end of the axis are padding.
    pub components: Vec<isize>,
    /// The distance on the axis between neighbours within a component.
    pub pitch: usize,
    /// The length of each component.
    pub len: usize,
    /// The phases of the entries that read something.
    pub phases: Vec<EntryPhase>,
}

/// A phase: the entries `first + n · step`, which all read the same kernel places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPhase {
    /// The first entry.
    pub first: usize,
    /// The distance between neighbouring entries of the phase.
    pub step: usize,
    /// The number of entries of the phase.
    pub count: usize,
    /// The numbers that each entry reads, in the order of its terms.
    pub taps: Vec<PhaseTap>,
}

/// One number that every entry of a phase reads: entry n of the phase reads number `n + offset` of the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseTap {
    /// The kernel place.
    pub kernel: usize,
    /// The index of the component.
    pub component: usize,
    /// The shift along the component: entry 0 of the phase reads number `offset`.
    pub offset: usize,
}

/// An [`EntryPhase`] before the components are shortened to the places that taps read.
struct RawPhase {
    first: usize,
    step: usize,
    count: usize,
    taps: Vec<RawTap>,
}

/// A [`PhaseTap`] before the components are shortened to the places that taps read. Its offset may be negative.
#[derive(Clone, Copy)]
struct RawTap {
    kernel: usize,
    component: usize,
    offset: isize,
}

/// Returns the layout for one pass. For [`View::Output`] it is the layout of the inputs, which the outputs read. For [`View::Input`] it is the layout of the
/// outputs, which the inputs read.
///
/// Kernel places that are only over padding are left out, and so are places at both ends of the axis that no entry reads.
#[must_use]
pub fn polyphase(axis: &Axis, view: View) -> Polyphase {
    // the kernel places that are over an input for some output
    let kernels = (0..axis.kernel).filter(|&k| !axis.output_range(k).is_empty());
    let Axis { stride, padding, dilation, .. } = *axis;
    if view == View::Input {
        let phase = |first: usize| {
            // input i is under kernel place k at output (i + padding − k · dilation) / stride, if the division leaves no remainder
            let reads = kernels.clone().filter(|k| (k * dilation) % stride == (first + padding) % stride);
            let output = |k: usize| ((first + padding).cast_signed() - (k * dilation).cast_signed()) / stride.cast_signed();
            let taps = reads.map(|kernel| RawTap { kernel, component: 0, offset: output(kernel) }).collect();
            RawPhase { first, step: stride, count: (axis.input - first).div_ceil(stride), taps }
        };
        // the outputs in a single component, without gaps
        let (components, pitch) = (vec![0], 1);
        return Polyphase::new(components, pitch, (0..stride.min(axis.input)).map(phase).collect());
    }
    let mut components: Vec<isize> = Vec::new();
    let taps = kernels.map(|k| {
        // output 0 reads place k · dilation − padding, which is number k · dilation / stride of the component that begins at `start`
        let start = (k * dilation % stride).cast_signed() - padding.cast_signed();
        let component = components.iter().position(|&component| component == start).unwrap_or_else(|| {
            components.push(start);
            components.len() - 1
        });
        RawTap { kernel: k, component, offset: (k * dilation / stride).cast_signed() }
    });
    let taps = taps.collect();
    Polyphase::new(components, stride, vec![RawPhase { first: 0, step: 1, count: axis.output, taps }])
}

impl Polyphase {
    /// Builds the layout. It shortens the given `components` to the places that taps read: in the layout, each component begins at the lowest offset of all
    /// taps.
    fn new(components: Vec<isize>, pitch: usize, phases: Vec<RawPhase>) -> Self {
        // each tap of a phase reads a range of its component
        let read_ranges = || {
            let range = |count: usize, tap: &RawTap| (tap.offset, tap.offset.saturating_add_unsigned(count));
            phases.iter().flat_map(move |phase| phase.taps.iter().map(move |tap| range(phase.count, tap)))
        };
        let lowest = read_ranges().map(|(from, _)| from).min().unwrap_or(0);
        let len = read_ranges().map(|(_, to)| to.abs_diff(lowest)).max().unwrap_or(0);
        let tap = |RawTap { kernel, component, offset }| PhaseTap { kernel, component, offset: offset.abs_diff(lowest) };
        let phase = |RawPhase { first, step, count, taps }| EntryPhase { first, step, count, taps: taps.into_iter().map(tap).collect() };
        Self {
            components: components.into_iter().map(|begin| begin + lowest * pitch.cast_signed()).collect(),
            pitch,
            len,
            phases: phases.into_iter().filter(|phase| !phase.taps.is_empty()).map(phase).collect(),
        }
    }

    /// Returns the range of those taps that do not read padding when entry `n` of a phase is computed. The axis has `len` places. The taps of this range are
    /// consecutive, because each kernel place reads at a fixed distance from the place before it.
    #[must_use]
    pub fn unpadded_taps(&self, phase: &EntryPhase, n: usize, len: usize) -> Range<usize> {
        let place = |tap: &PhaseTap| self.components[tap.component].saturating_add_unsigned((n + tap.offset) * self.pitch);
        let is_inside = |tap: &PhaseTap| (0..len.cast_signed()).contains(&place(tap));
        let first = phase.taps.iter().take_while(|tap| !is_inside(tap)).count();
        first..first + phase.taps[first..].iter().take_while(|tap| is_inside(tap)).count()
    }

    /// Returns the layout for a range of the entries of every phase. In the new layout, entry `entries.start` of each phase is entry 0, but
    /// [`EntryPhase::first`] is still the first entry of the whole phase.
    #[must_use]
    pub fn restricted_to(&self, entries: Range<usize>) -> Self {
        let restricted =
            |phase: &EntryPhase| EntryPhase { count: phase.count.min(entries.end).saturating_sub(entries.start), ..phase.clone() };
        let phases: Vec<_> = self.phases.iter().map(restricted).filter(|phase| phase.count > 0).collect();
        let ends = phases.iter().flat_map(|phase| phase.taps.iter().map(|tap| tap.offset + phase.count));
        Self {
            components: self.components.iter().map(|component| component + (entries.start * self.pitch).cast_signed()).collect(),
            pitch: self.pitch,
            len: ends.max().unwrap_or(0),
            phases,
        }
    }

    /// Returns whether the layout is the axis itself, which has `n` places.
    fn is_whole_axis(&self, n: usize) -> bool {
        self.components == [0] && self.pitch == 1 && self.len == n
    }

    /// Returns the range of a component that is not padding, and the place on the axis at which this range begins. The component itself begins at the place
    /// `begin`, which may be in the padding. The axis has `n` places.
    ///
    /// The component from −1 in the example above has the range 1..4, which begins at place 1.
    fn inside(&self, begin: isize, n: usize) -> (Range<usize>, usize) {
        let padding_before = begin.min(0).unsigned_abs().div_ceil(self.pitch).min(self.len);
        let first_place = begin.saturating_add_unsigned(padding_before * self.pitch).max(0).cast_unsigned().min(n);
        let places_on_axis = (n - first_place).div_ceil(self.pitch);
        (padding_before..(padding_before + places_on_axis).min(self.len), first_place)
    }
}

/// The cost of copying one entry, in multiplications.
const COPY_COST: u64 = 8;

/// Lays out `height` x `width` images in their components, with 0 for padding, and returns them: in `memory`, or the images themselves if they have this layout
/// already. Each image becomes one plane for each pair of a component of the rows and a component of the columns. The last image is followed by
/// `zeros_after_end` zeros, so that a vector register may read past its end.
#[must_use]
pub fn lay_out<'a>(
    images: &'a [f64],
    [height, width]: [usize; 2],
    [rows, columns]: &[Polyphase; 2],
    zeros_after_end: usize,
    memory: &'a mut Scratch,
) -> &'a [f64] {
    if zeros_after_end == 0 && rows.is_whole_axis(height) && columns.is_whole_axis(width) {
        return images;
    }
    let plane_area = rows.len * columns.len;
    if plane_area == 0 {
        return &[];
    }
    let image_area = height * width;
    let len_per_image = rows.components.len() * columns.components.len() * plane_area;
    let image_count = images.len() / image_area;
    memory.take(image_count * len_per_image + zeros_after_end);
    let (all_planes, zeros) = memory.split_at_mut(image_count * len_per_image);
    zeros.fill(0.0);
    chunks(all_planes, len_per_image, COPY_COST, |first, some_planes| {
        // `first` is the first entry of an image in `all_planes`
        let some_images = images[first / len_per_image * image_area..].chunks_exact(image_area);
        for (planes, image) in some_planes.chunks_exact_mut(len_per_image).zip(some_images) {
            let mut planes = planes.chunks_exact_mut(plane_area);
            for top in &rows.components {
                let (inside_rows, first_row) = rows.inside(*top, height);
                for (left, plane) in columns.components.iter().zip(&mut planes) {
                    let (inside_columns, first_column) = columns.inside(*left, width);
                    if inside_rows.len() < rows.len || inside_columns.len() < columns.len {
                        // the whole plane is filled, not only its padding: many short fills would take longer
                        plane.fill(0.0);
                    }
                    let plane_rows = plane.chunks_exact_mut(columns.len).skip(inside_rows.start).take(inside_rows.len());
                    for (plane_row, image_row) in plane_rows.zip(image.chunks_exact(width).skip(first_row).step_by(rows.pitch)) {
                        copy_strided(&mut plane_row[inside_columns.clone()], columns.pitch, &image_row[first_column..]);
                    }
                }
            }
        }
    });
    memory
}

/// Copies a row. Most rows are short, and `copy_from_slice` is a function call. So a row of 8 to 32 numbers is copied in pieces of 8, which may overlap: a row
/// of 10 is copied as the numbers 0 to 7 and 2 to 9.
fn copy_row(to: &mut [f64], from: &[f64]) {
    const PIECE: usize = 8;
    let len = to.len();
    let mut copy = |first: usize| to[first..first + PIECE].copy_from_slice(&from[first..first + PIECE]);
    match len {
        PIECE..=16 => [0, len - PIECE].into_iter().for_each(&mut copy),
        17..=32 => [0, PIECE, len - 2 * PIECE, len - PIECE].into_iter().for_each(&mut copy),
        _ => to.copy_from_slice(from),
    }
}

/// Copies every `step`-th number of `from` until `to` is full.
///
/// # Panics
/// If `from` is too short.
pub fn copy_strided(to: &mut [f64], step: usize, from: &[f64]) {
    match step {
        1 => copy_row(to, &from[..to.len()]),
        // the usual stride, without bounds checks
        2 => {
            let (pairs, rest) = from.as_chunks::<2>();
            let (to_pairs, to_last) = to.split_at_mut(to.len().min(pairs.len()));
            for (to, [first, _]) in to_pairs.iter_mut().zip(pairs) {
                *to = *first;
            }
            to_last.copy_from_slice(&rest[..to_last.len()]);
        }
        _ => {
            for (n, to) in to.iter_mut().enumerate() {
                *to = from[n * step];
            }
        }
    }
}
