//! One axis of a sliding window, either its rows or its columns: which kernel position is over which input position, for which output position.
//!
//! When the window computes output position o, its kernel position k is over input position `i = o · stride + k · dilation − padding`. If i is inside
//! the input, the three positions (i, k, o) are a *tap*. If i is outside, i is padding, and there is no tap.
//!
//! For an input of 3 positions, a kernel of 3, stride 1 and padding 1, output 0 has the taps (0, 1, 0) and (1, 2, 0), because kernel position 0 is over
//! padding.
//!
//! Each pass needs the taps of the position that it computes: the forward pass those of o, the weight gradient those of k, and the input gradient those of i.
//! The taps of one such position are evenly spaced, so [`Taps`] has only the first tap, a step and a count.

use std::ops::Range;

use super::edges::View;
use crate::text::counted;

/// The taps of one position, which are evenly spaced: tap n is `first + n · step`. A tap is an array of its input, kernel and output position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    /// The first tap; meaningless if `count` is 0.
    pub first: [usize; 3],
    /// The difference between neighbouring taps, for each of the three positions.
    pub step: [isize; 3],
    /// The number of taps.
    pub count: usize,
}

impl Taps {
    /// Returns tap `n`.
    #[must_use]
    pub fn get(&self, n: usize) -> [usize; 3] {
        std::array::from_fn(|i| self.first[i].wrapping_add_signed(self.step[i].wrapping_mul(n.cast_signed())))
    }

    /// Iterates over the taps, in order.
    pub fn iter(self) -> impl Iterator<Item = [usize; 3]> {
        (0..self.count).map(move |n| self.get(n))
    }
}

/// One axis of a sliding window. Lengths are numbers of positions.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The length of the input.
    pub input: usize,
    /// The length of the kernel.
    pub kernel: usize,
    /// The length of the output.
    pub output: usize,
    /// The distance on the input between the windows of neighbouring outputs.
    pub stride: usize,
    /// The number of padding positions before the input.
    pub padding: usize,
    /// The number of padding positions after the input. With [`Rounding::Up`] the last window may reach beyond them.
    pub padding_after: usize,
    /// The distance on the input between neighbouring kernel positions.
    pub dilation: usize,
    /// For each view (output, weight, input): the numbers of [`Axis::prefix_taps`]. Empty until [`Axis::with_prefix_counts`] fills it.
    prefix_counts: [Vec<u64>; 3],
}

/// The reason why no window has a kernel position over an input position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The input position is between two windows, because the stride is longer than the window.
    Stride,
    /// The input position is inside a window, but between two of its kernel positions, because the window is dilated.
    Dilation,
    /// The input position is after the last window, and one more window would not fit.
    AfterLast,
}

/// The rounding of the number of windows of a pool: PyTorch's `ceil_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Every window lies within the padded input.
    Down,
    /// The last window may reach beyond the padded input, but it begins inside the input or the padding before it.
    Up,
}

/// The reason why a window does not fit along an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The key with the wrong value: `kernel_size`, `stride`, `padding`, `dilation` or `output_padding`.
    pub key: &'static str,
    /// The reason in words, as the second half of an error message.
    pub why: String,
}

impl Misfit {
    /// Creates the misfit for a length that overflows because of the value of `key`.
    fn too_large(key: &'static str) -> Self {
        Self { key, why: "a size is too large".to_owned() }
    }
}

/// Returns the number of input positions from the first to the last position of a kernel: (kernel − 1) · dilation + 1.
fn extent(kernel: usize, dilation: usize) -> Result<usize, Misfit> {
    let extent = (kernel - 1).checked_mul(dilation).and_then(|extent| extent.checked_add(1));
    extent.ok_or_else(|| Misfit::too_large(if dilation > kernel { "dilation" } else { "kernel_size" }))
}

impl Axis {
    /// Creates the axis of a convolution or a pool: a window of `kernel` positions slides over an input of `input` positions, with `padding` before and after
    /// it.
    ///
    /// # Errors
    /// If the window is longer than the padded input, or if a size overflows.
    pub fn new(input: usize, kernel: usize, stride: usize, padding: [usize; 2], dilation: usize) -> Result<Self, Misfit> {
        Self::rounded(input, kernel, stride, padding, dilation, Rounding::Down)
    }

    /// Creates the axis like [`Axis::new`]. With [`Rounding::Up`] the number of outputs is
    /// ⌈(input + padding − extent) / stride⌉ + 1, or one less if the last window would begin after the input.
    ///
    /// ```
    /// use gradstep::op::axis::{Axis, Rounding};
    ///
    /// let outputs = |rounding| Axis::rounded(5, 2, 2, [0, 0], 1, rounding).map(|axis| axis.output);
    /// assert_eq!((outputs(Rounding::Down), outputs(Rounding::Up)), (Ok(2), Ok(3)));
    /// ```
    ///
    /// # Errors
    /// If no window fits, or if a size overflows.
    pub fn rounded(
        input: usize,
        kernel: usize,
        stride: usize,
        [before, after]: [usize; 2],
        dilation: usize,
        rounding: Rounding,
    ) -> Result<Self, Misfit> {
        let padded_len = before.checked_add(after).and_then(|both| both.checked_add(input)).ok_or_else(|| Misfit::too_large("padding"))?;
        let extent = extent(kernel, dilation)?;
        // ⌈n / stride⌉ is ⌊(n + stride − 1) / stride⌋
        let beyond = if rounding == Rounding::Up { stride - 1 } else { 0 };
        let room = padded_len.checked_add(beyond).ok_or_else(|| Misfit::too_large("stride"))?;
        if extent > room {
            let with = if before + after > 0 { " with its padding" } else { "" };
            // a kernel that would fit without dilation is not too large
            let key = if kernel <= padded_len { "dilation" } else { "kernel_size" };
            return Err(Misfit { key, why: format!("it reaches over {}, the input{with} has {padded_len}", counted(extent, "place")) });
        }
        let output = (room - extent) / stride + 1;
        let begins_after_input = (output - 1).checked_mul(stride).is_none_or(|begin| begin >= input + before);
        let output = if rounding == Rounding::Up && begins_after_input { output - 1 } else { output };
        Ok(Self::from_lengths(input, kernel, output, stride, [before, after], dilation))
    }

    /// Creates an axis from three lengths that are known to fit together.
    ///
    /// The stride of a single output and the dilation of a single kernel position make no difference, so they may be of any size. They are set to 1,
    /// because the arithmetic with a huge number could overflow.
    fn from_lengths(input: usize, kernel: usize, output: usize, stride: usize, padding: [usize; 2], dilation: usize) -> Self {
        let (stride, dilation) = (if output == 1 { 1 } else { stride }, if kernel == 1 { 1 } else { dilation });
        let [padding, padding_after] = padding;
        Self { input, kernel, output, stride, padding, padding_after, dilation, prefix_counts: [const { Vec::new() }; 3] }
    }

    /// Creates an axis with the same three lengths, but another stride, padding and dilation. It may describe windows that end before the input does, or that
    /// reach beyond the end of the input.
    #[must_use]
    pub fn with_steps(&self, stride: usize, padding: usize, dilation: usize) -> Self {
        Self::from_lengths(self.input, self.kernel, self.output, stride, [padding, self.padding_after], dilation)
    }

    /// Creates the axis for a transposed convolution that reads `read` positions.
    ///
    /// A transposed convolution is a convolution with input and output swapped, and the axis describes that convolution. So the axis's `output` is `read`, the
    /// length that the transposed convolution reads. The axis's `input` is the length that the transposed convolution computes:
    /// (read − 1) · stride − 2 · padding + (kernel − 1) · dilation + 1 + `output_padding`.
    ///
    /// # Errors
    /// If the computed length would not be positive, or if a size overflows.
    pub fn transposed_convolution(
        read: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        dilation: usize,
        output_padding: usize,
    ) -> Result<Self, Misfit> {
        let extent = extent(kernel, dilation)?;
        let covered =
            (read - 1).checked_mul(stride).and_then(|begin| begin.checked_add(extent)).ok_or_else(|| Misfit::too_large("stride"))?;
        let uncropped = covered.checked_add(output_padding).ok_or_else(|| Misfit::too_large("output_padding"))?;
        let removed = padding.checked_mul(2).ok_or_else(|| Misfit::too_large("padding"))?;
        if removed >= uncropped {
            let places = counted(uncropped, "place");
            let why = format!("the filter spreads the input over {places}, but the padding removes {removed} of them");
            return Err(Misfit { key: "padding", why });
        }
        Ok(Self::from_lengths(uncropped - removed, kernel, read, stride, [padding, padding], dilation))
    }

    /// Counts the taps of all views, for [`Axis::prefix_taps`]. This takes memory proportional to the lengths, and time proportional to the number of
    /// taps.
    #[must_use]
    pub fn with_prefix_counts(mut self) -> Self {
        let [mut by_output, mut by_kernel, mut by_input] = [self.output, self.kernel, self.input].map(|len| vec![0; len]);
        for k in 0..self.kernel {
            let outputs = self.output_range(k);
            by_kernel[k] = outputs.len() as u64;
            for o in outputs {
                by_output[o] += 1;
                by_input[self.input_position(k, o)] += 1;
            }
        }
        self.prefix_counts = [by_output, by_kernel, by_input].map(|counts| {
            let mut sum = 0;
            let mut prefix = Vec::with_capacity(counts.len() + 1);
            prefix.push(0);
            prefix.extend(counts.iter().map(|n| {
                sum += n;
                sum
            }));
            prefix
        });
        self
    }

    /// Returns, for each position of this view, the number of taps of all earlier positions. One more number at the end counts all taps.
    /// The slice is empty if [`Axis::with_prefix_counts`] was not called.
    #[must_use]
    pub fn prefix_taps(&self, view: View) -> &[u64] {
        let [by_output, by_kernel, by_input] = &self.prefix_counts;
        match view {
            View::Output => by_output,
            View::Weight => by_kernel,
            View::Input => by_input,
        }
    }

    /// Returns the number of positions of this view: the length of the output, the kernel or the input.
    #[must_use]
    pub fn len(&self, view: View) -> usize {
        match view {
            View::Output => self.output,
            View::Weight => self.kernel,
            View::Input => self.input,
        }
    }

    /// Returns the taps of position `at` of this view, in the order of the terms.
    #[must_use]
    pub fn taps(&self, view: View, at: usize) -> Taps {
        let none = Taps { first: [0; 3], step: [0; 3], count: 0 };
        match view {
            View::Output => {
                let kernels = self.kernel_range(at);
                if kernels.is_empty() {
                    return none;
                }
                let first = [self.input_position(kernels.start, at), kernels.start, at];
                Taps { first, step: [self.dilation.cast_signed(), 1, 0], count: kernels.len() }
            }
            View::Weight => {
                let outputs = self.output_range(at);
                if outputs.is_empty() {
                    return none;
                }
                let first = [self.input_position(at, outputs.start), at, outputs.start];
                Taps { first, step: [self.stride.cast_signed(), 0, 1], count: outputs.len() }
            }
            View::Input => {
                // A tap needs an integer output o = (at + padding − k · dilation) / stride with 0 ≤ o < output. The bounds of o give a range of kernel
                // positions k: o ≥ 0 its end, and o ≤ output − 1 its start. In this range, o is an integer for every `period`-th k: with stride 2 and
                // dilation 1, for every second one.
                let padded_at = at + self.padding;
                let low = padded_at.saturating_sub((self.output - 1) * self.stride).div_ceil(self.dilation);
                let high = (padded_at / self.dilation + 1).min(self.kernel);
                let common = gcd(self.stride, self.dilation);
                let period = self.stride / common;
                let mut candidates = (low..high).take(period);
                let Some(k) = candidates.find(|k| (padded_at - k * self.dilation).is_multiple_of(self.stride)) else { return none };
                // while k grows by the period, o decreases by period · dilation / stride = dilation / common
                let output_step = -(self.dilation / common).cast_signed();
                let first = [at, k, (padded_at - k * self.dilation) / self.stride];
                Taps { first, step: [0, period.cast_signed(), output_step], count: (high - k).div_ceil(period) }
            }
        }
    }

    /// Returns the reason why an input position has no tap; `None` if it has one.
    #[must_use]
    pub fn gap(&self, at: usize) -> Option<Gap> {
        if self.taps(View::Input, at).count > 0 {
            return None;
        }
        let padded_at = at + self.padding;
        let last_window = (self.output - 1) * self.stride;
        let extent = (self.kernel - 1) * self.dilation + 1;
        Some(match padded_at {
            _ if padded_at >= last_window + extent => Gap::AfterLast,
            // the position is inside the last window that begins at or before the position
            _ if padded_at - (padded_at / self.stride).min(self.output - 1) * self.stride < extent => Gap::Dilation,
            _ => Gap::Stride,
        })
    }

    /// Returns the index of a tap among the taps of position `at`. The tap is given by its kernel and output position. This is the inverse of [`Taps::get`].
    #[must_use]
    pub fn rank(&self, view: View, at: usize, kernel: usize, output: usize) -> usize {
        let taps = self.taps(view, at);
        match view {
            View::Output => kernel - taps.first[1],
            View::Weight => output - taps.first[2],
            View::Input => (kernel - taps.first[1]) / taps.step[1].unsigned_abs(),
        }
    }

    /// Returns the input position of the tap with these kernel and output positions: `output · stride + kernel · dilation − padding`.
    #[must_use]
    pub fn input_position(&self, kernel: usize, output: usize) -> usize {
        output * self.stride + kernel * self.dilation - self.padding
    }

    /// Returns the distance between neighbouring entries of the filter, for the drawing. The filter is drawn over the image, whose entries are drawn at the
    /// distance [`Axis::spread`]. Each view has its own image and filter:
    ///
    /// | view | image | filter | distance |
    /// | --- | --- | --- | --- |
    /// | `Output` | the input | the kernel | `dilation` |
    /// | `Weight` | the input | the errors of the outputs | `stride` |
    /// | `Input` | the errors of the outputs | the kernel | `dilation` |
    #[must_use]
    pub fn spacing(&self, view: View) -> usize {
        match view {
            View::Output | View::Input => self.dilation,
            View::Weight => self.stride,
        }
    }

    /// Returns the distance between neighbouring entries of the image, for the drawing. For the input gradient it is the stride, because a stride spreads the
    /// errors out before they meet the kernel; otherwise it is 1. The image is as in [`Axis::spacing`].
    #[must_use]
    pub fn spread(&self, view: View) -> usize {
        match view {
            View::Output | View::Weight => 1,
            View::Input => self.stride,
        }
    }

    /// Returns the number of positions by which the filter extends beyond the beginning and the end of the image, for the drawing. The entries of the image are
    /// at the distance [`Axis::spread`]. The image is as in [`Axis::spacing`].
    #[must_use]
    pub fn overhang(&self, view: View) -> [usize; 2] {
        let padding = [self.padding, self.padding_after];
        let reach = (self.kernel - 1) * self.dilation;
        match view {
            View::Output | View::Weight => {
                let end = (self.output - 1) * self.stride + reach + 1;
                [self.padding, self.padding_after.max(end.saturating_sub(self.padding + self.input))]
            }
            // the image is a single error: it is drawn without a border, since each entry of the gradient is this error times one entry of the filter
            View::Input if self.output == 1 => [0, 0],
            // a full convolution would extend by kernel − 1 positions, but the padding of the forward pass takes some of them away
            View::Input => padding.map(|padding| reach.saturating_sub(padding)),
        }
    }

    /// Returns the number of positions of an output's window that lie on the input or its padding. The window must not be dilated. The number is less than the
    /// kernel's length only if the window reaches beyond the padding.
    #[must_use]
    pub fn padded_window_len(&self, output: usize) -> usize {
        (self.input + self.padding + self.padding_after).saturating_sub(output * self.stride).min(self.kernel)
    }

    /// Returns the kernel positions that are over the input, not over padding, when the window computes an output position.
    #[must_use]
    pub fn kernel_range(&self, output: usize) -> Range<usize> {
        // the input position of kernel position 0, counted from the first position of the padding
        let start = output * self.stride;
        let low = self.padding.saturating_sub(start).div_ceil(self.dilation);
        let high = (self.input + self.padding).saturating_sub(start).div_ceil(self.dilation).min(self.kernel);
        low.min(high)..high
    }

    /// Returns the output positions for which a kernel position is over the input, not over padding.
    #[must_use]
    pub fn output_range(&self, kernel: usize) -> Range<usize> {
        // the input position for output 0, counted from the first position of the padding
        let start = kernel * self.dilation;
        let low = self.padding.saturating_sub(start).div_ceil(self.stride);
        let high = (self.input + self.padding).saturating_sub(start).div_ceil(self.stride).min(self.output);
        low.min(high)..high
    }
}

/// Returns the greatest common divisor.
fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
