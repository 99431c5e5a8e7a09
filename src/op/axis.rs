//! One axis of a sliding window: which input, kernel and output places are multiplied with each other.
//!
//! Kernel place k at output place o lies on input place `i = o · stride + k · dilation − padding`. If i is a place of the input, (i, k, o) is a
//! *tap*; if it is padding, it is not. For an input of 3, a kernel of 3, stride 1 and padding 1, output 0 has the taps (0, 1, 0) and (1, 2, 0):
//! kernel place 0 lies on padding.
//!
//! A tap can be looked up from each of its three places: the forward pass starts at o, the weight gradient at k, the input gradient at i. Seen from
//! each, the taps are evenly spaced, so [`Taps`] holds the first one, a step and a count.

use std::ops::Range;

use super::edges::View;

/// The taps of one place, evenly spaced: tap n is `first + n · step`. The three numbers are the input, kernel and output place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    /// The first tap; meaningless if there are none.
    pub first: [usize; 3],
    /// The step of each place from one tap to the next.
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

/// One axis of a sliding window: input place = output place · stride + kernel place · dilation − padding.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The length of the input.
    pub input: usize,
    /// The length of the kernel.
    pub kernel: usize,
    /// The length of the output.
    pub output: usize,
    /// The distance on the input between neighbouring outputs.
    pub stride: usize,
    /// The number of padding places at each end.
    pub padding: usize,
    /// The distance on the input between neighbouring kernel places.
    pub dilation: usize,
    /// For each view, the number of taps before each place; filled by [`Axis::indexed`].
    prefix: [Vec<u64>; 3],
}

/// The reason why a window does not fit an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The key with the wrong value: `kernel_size`, `stride`, `padding`, `dilation` or `output_padding`.
    pub key: &'static str,
    /// The message.
    pub why: String,
}

impl Misfit {
    fn too_large(key: &'static str) -> Self {
        Self { key, why: "a size is too large".to_owned() }
    }
}

/// Returns the extent of a dilated kernel on the input: (kernel − 1) · dilation + 1.
fn reach(kernel: usize, dilation: usize) -> Result<usize, Misfit> {
    let reach = (kernel - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
    reach.ok_or_else(|| Misfit::too_large(if dilation > kernel { "dilation" } else { "kernel_size" }))
}

impl Axis {
    /// Creates the axis of a window of `kernel` places on `input` places.
    ///
    /// # Errors
    /// If no window fits, or a size overflows.
    pub fn checked(input: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Result<Self, Misfit> {
        let padded = padding.checked_mul(2).and_then(|both| both.checked_add(input)).ok_or_else(|| Misfit::too_large("padding"))?;
        let reach = reach(kernel, dilation)?;
        if reach > padded {
            let with = if padding > 0 { " with its padding" } else { "" };
            // a kernel that would fit without dilation is not too large
            let key = if kernel <= padded { "dilation" } else { "kernel_size" };
            return Err(Misfit { key, why: format!("it reaches over {reach} places, the input{with} has {padded}") });
        }
        let output = (padded - reach) / stride + 1;
        Ok(Self::of(input, kernel, output, stride, padding, dilation))
    }

    /// Creates an axis. The stride of a single output and the dilation of a single kernel place make no difference; they are set to 1, because no
    /// size of a tensor limits them.
    fn of(input: usize, kernel: usize, output: usize, stride: usize, padding: usize, dilation: usize) -> Self {
        let (stride, dilation) = (if output == 1 { 1 } else { stride }, if kernel == 1 { 1 } else { dilation });
        Self { input, kernel, output, stride, padding, dilation, prefix: [const { Vec::new() }; 3] }
    }

    /// Creates the axis of a transposed convolution that reads `places` places. It is the axis of the convolution in the other direction: its output
    /// is what the transposed convolution reads, and its input, (places − 1) · stride − 2 · padding + (kernel − 1) · dilation + 1 + `more` places
    /// long, is what it computes. `more` is PyTorch's `output_padding`.
    ///
    /// # Errors
    /// If the length would not be positive, or a size overflows.
    pub fn transposed(places: usize, kernel: usize, stride: usize, padding: usize, dilation: usize, more: usize) -> Result<Self, Misfit> {
        let reach = reach(kernel, dilation)?;
        let spread =
            (places - 1).checked_mul(stride).and_then(|spread| spread.checked_add(reach)).ok_or_else(|| Misfit::too_large("stride"))?;
        let spread = spread.checked_add(more).ok_or_else(|| Misfit::too_large("output_padding"))?;
        let cut = padding.checked_mul(2).ok_or_else(|| Misfit::too_large("padding"))?;
        if cut >= spread {
            let why = format!("the filter spreads the input over {spread} places, but the padding removes {cut} of them");
            return Err(Misfit { key: "padding", why });
        }
        Ok(Self::of(spread - cut, kernel, places, stride, padding, dilation))
    }

    /// Fills the prefix counts of all views, in time and memory proportional to the lengths.
    #[must_use]
    pub fn indexed(mut self) -> Self {
        let mut counts = [vec![0; self.output], vec![0; self.kernel], vec![0; self.input]];
        for k in 0..self.kernel {
            let outputs = self.outputs(k);
            counts[1][k] = outputs.len() as u64;
            for o in outputs {
                counts[0][o] += 1;
                counts[2][self.input_place(k, o)] += 1;
            }
        }
        self.prefix = counts.map(|counts| {
            let mut sum = 0;
            let mut prefix = Vec::with_capacity(counts.len() + 2);
            prefix.push(0);
            prefix.extend(counts.iter().map(|n| {
                sum += n;
                sum
            }));
            prefix
        });
        self
    }

    /// Returns the number of taps before each place of this view; the last of its `len + 1` entries counts all.
    #[must_use]
    pub fn prefix(&self, view: View) -> &[u64] {
        &self.prefix[index(view)]
    }

    /// Returns the number of places in this view.
    #[must_use]
    pub fn len(&self, view: View) -> usize {
        match view {
            View::Output => self.output,
            View::Weight => self.kernel,
            View::Input => self.input,
        }
    }

    /// Returns the taps of a place, in order.
    #[must_use]
    pub fn taps(&self, view: View, at: usize) -> Taps {
        let none = Taps { first: [0; 3], step: [0; 3], count: 0 };
        match view {
            View::Output => {
                let kernels = self.kernels(at);
                if kernels.is_empty() {
                    return none;
                }
                let first = [self.input_place(kernels.start, at), kernels.start, at];
                Taps { first, step: [self.dilation.cast_signed(), 1, 0], count: kernels.len() }
            }
            View::Weight => {
                let outputs = self.outputs(at);
                if outputs.is_empty() {
                    return none;
                }
                let first = [self.input_place(at, outputs.start), at, outputs.start];
                Taps { first, step: [self.stride.cast_signed(), 0, 1], count: outputs.len() }
            }
            View::Input => {
                // all k in low..high with an integer o = (place − k · dilation) / stride; if k has one, so has k + period
                let place = at + self.padding;
                let low = place.saturating_sub((self.output - 1) * self.stride).div_ceil(self.dilation);
                let high = (place / self.dilation + 1).min(self.kernel);
                let common = gcd(self.stride, self.dilation);
                let period = self.stride / common;
                let mut candidates = (low..high).take(period);
                let Some(k) = candidates.find(|k| (place - k * self.dilation).is_multiple_of(self.stride)) else { return none };
                let back = -(self.dilation / common).cast_signed();
                let first = [at, k, (place - k * self.dilation) / self.stride];
                Taps { first, step: [0, period.cast_signed(), back], count: (high - k).div_ceil(period) }
            }
        }
    }

    /// Returns the number of the tap (kernel, output) among the taps of place `at`: the inverse of [`Taps::get`].
    #[must_use]
    pub fn rank(&self, view: View, at: usize, kernel: usize, output: usize) -> usize {
        let taps = self.taps(view, at);
        match view {
            View::Output => kernel - taps.first[1],
            View::Weight => output - taps.first[2],
            View::Input => (kernel - taps.first[1]) / taps.step[1].unsigned_abs(),
        }
    }

    /// Returns the input place of a tap: `output · stride + kernel · dilation − padding`.
    #[must_use]
    pub fn input_place(&self, kernel: usize, output: usize) -> usize {
        output * self.stride + kernel * self.dilation - self.padding
    }

    /// Returns the distance between neighbours of the sliding filter on what it slides over; 0 if the stride makes it uneven.
    #[must_use]
    pub fn spacing(&self, view: View) -> usize {
        match view {
            View::Output => self.dilation,
            View::Weight => self.stride,
            View::Input if self.stride == 1 => self.dilation,
            View::Input => 0,
        }
    }

    /// Returns how many places the filter extends beyond the edge of what it slides over: the input, or for the input gradient the errors.
    #[must_use]
    pub fn overhang(&self, view: View) -> usize {
        match view {
            View::Output | View::Weight => self.padding,
            // a single place has no border to slide over
            // full padding minus the padding of the forward pass; with a stride the errors are spread out, which has no such picture
            View::Input if self.output == 1 => 0,
            View::Input if self.stride == 1 => ((self.kernel - 1) * self.dilation).saturating_sub(self.padding),
            View::Input => 0,
        }
    }

    /// Returns the kernel places that lie on the input, not on padding, at an output place.
    #[must_use]
    pub fn kernels(&self, output: usize) -> Range<usize> {
        let start = output * self.stride;
        let low = self.padding.saturating_sub(start).div_ceil(self.dilation);
        let high = (self.input + self.padding).saturating_sub(start).div_ceil(self.dilation).min(self.kernel);
        low.min(high)..high
    }

    /// Returns the output places at which a kernel place lies on the input, not on padding.
    #[must_use]
    pub fn outputs(&self, kernel: usize) -> Range<usize> {
        let start = kernel * self.dilation;
        let low = self.padding.saturating_sub(start).div_ceil(self.stride);
        let high = (self.input + self.padding).saturating_sub(start).div_ceil(self.stride).min(self.output);
        low.min(high)..high
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn index(view: View) -> usize {
    match view {
        View::Output => 0,
        View::Weight => 1,
        View::Input => 2,
    }
}
