//! Every stride-th place of an axis has its taps at the same distances. Laid out phase by phase, any strided or dilated window slides evenly:
//! a tap is a shift.

use super::axis::Axis;
use super::edges::View;

/// Places of the entries' axis that are a stride apart, and what they read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The first place.
    pub first: usize,
    /// From one place to the next.
    pub step: usize,
    /// How many places there are.
    pub count: usize,
    /// Where each comb of places that are read begins; below 0 and beyond the end is padding.
    pub combs: Vec<isize>,
    /// From one place of a comb to the next.
    pub pitch: usize,
    /// Places of a comb.
    pub len: usize,
    /// What is read: entry n finds it at place n + shift of its comb.
    pub taps: Vec<Shift>,
}

/// One tap of all places of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The kernel place.
    pub kernel: usize,
    /// The comb.
    pub comb: usize,
    /// How far along the comb.
    pub by: usize,
}

/// The phases of the outputs ([`View::Output`], reading inputs) or of the inputs ([`View::Input`], reading outputs). Taps that reach nothing and places
/// that nothing reaches are left out.
#[must_use]
pub fn phases(axis: &Axis, view: View) -> Vec<Phase> {
    let kernels = (0..axis.kernel).filter(|&k| !axis.outputs(k).is_empty());
    let Axis { stride, padding, dilation, .. } = *axis;
    if view == View::Input {
        let phase = |first: usize| {
            let count = axis.input.checked_sub(first + 1)? / stride + 1;
            let reads = kernels.clone().filter(|k| (k * dilation) % stride == (first + padding) % stride);
            let reads = reads.map(|k| (k, 0, ((first + padding).cast_signed() - (k * dilation).cast_signed()) / stride.cast_signed()));
            Phase { first, step: stride, count, combs: vec![0], pitch: 1, len: 0, taps: Vec::new() }.with(reads)
        };
        return (0..stride.min(axis.input)).filter_map(phase).collect();
    }
    let mut combs: Vec<isize> = Vec::new();
    let reads: Vec<_> = kernels
        .map(|k| {
            let start = (k * dilation % stride).cast_signed() - padding.cast_signed();
            let comb = combs.iter().position(|&comb| comb == start).unwrap_or_else(|| {
                combs.push(start);
                combs.len() - 1
            });
            (k, comb, (k * dilation / stride).cast_signed())
        })
        .collect();
    let phase = Phase { first: 0, step: 1, count: axis.output, combs, pitch: stride, len: 0, taps: Vec::new() };
    phase.with(reads.into_iter()).into_iter().collect()
}

impl Phase {
    /// The same with taps: kernel place, comb, and the place of the comb that entry 0 reads.
    fn with(mut self, reads: impl Iterator<Item = (usize, usize, isize)> + Clone) -> Option<Self> {
        let places = reads.clone().map(|(.., place)| place);
        let (low, high) = (places.clone().min()?, places.max()?);
        self.len = self.count + low.abs_diff(high);
        for comb in &mut self.combs {
            *comb += low * self.pitch.cast_signed();
        }
        self.taps = reads.map(|(kernel, comb, place)| Shift { kernel, comb, by: place.abs_diff(low) }).collect();
        Some(self)
    }

    /// The first place of a comb that is not before the axis.
    fn first_inside(&self, comb: isize) -> usize {
        comb.min(0).unsigned_abs().div_ceil(self.pitch)
    }

    /// Those of a comb's things that lie on an axis of `n` places, each with its place there.
    fn inside<T>(&self, things: impl Iterator<Item = T>, comb: isize, n: usize) -> impl Iterator<Item = (T, usize)> {
        let begin = self.first_inside(comb);
        let first = comb.saturating_add_unsigned(begin * self.pitch).cast_unsigned();
        things.skip(begin).zip((first..n).step_by(self.pitch))
    }
}

/// Images of this height and width, one after the other, laid out comb by comb with 0 for padding: for every image, every comb of rows and every comb of columns, a
/// plane of the phases' lengths. After the last come `more` zeros.
#[must_use]
pub fn combed(images: &[f64], [height, width]: [usize; 2], [rows, columns]: [&Phase; 2], more: usize) -> Vec<f64> {
    let plane = rows.len * columns.len;
    let count = images.len() / (height * width) * rows.combs.len() * columns.combs.len();
    let mut all = vec![0.0; count * plane + more];
    let mut planes = all.chunks_exact_mut(plane);
    for image in images.chunks_exact(height * width) {
        for top in &rows.combs {
            for left in &columns.combs {
                let lines = planes.next().expect("a plane for each comb").chunks_exact_mut(columns.len);
                for (line, y) in rows.inside(lines, *top, height) {
                    let row = &image[y * width..][..width];
                    if columns.pitch == 1 {
                        let begin = columns.first_inside(*left);
                        let from = row.get(left.wrapping_add_unsigned(begin).cast_unsigned()..).unwrap_or_default();
                        for (to, from) in line.iter_mut().skip(begin).zip(from) {
                            *to = *from;
                        }
                        continue;
                    }
                    for (to, x) in columns.inside(line.iter_mut(), *left, width) {
                        *to = row[x];
                    }
                }
            }
        }
    }
    all
}
