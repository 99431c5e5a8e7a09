//! One axis of a sliding window: which input, kernel and output places meet. Padding is no place.

use std::ops::Range;

use super::edges::View;

/// The taps of one place: each is an input, a kernel and an output place, and from one tap to the next these move evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    /// The first tap; of no meaning where there is none.
    pub first: [usize; 3],
    /// How far each place moves from tap to tap.
    pub step: [isize; 3],
    /// How many there are.
    pub count: usize,
}

impl Taps {
    /// Tap `n`.
    #[must_use]
    pub fn get(&self, n: usize) -> [usize; 3] {
        std::array::from_fn(|i| self.first[i].wrapping_add_signed(self.step[i].wrapping_mul(n.cast_signed())))
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = [usize; 3]> {
        (0..self.count).map(move |n| self.get(n))
    }
}

/// One axis of a sliding window: input place = output place · stride + kernel place · dilation − padding.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Length of the input.
    pub input: usize,
    /// Length of the kernel.
    pub kernel: usize,
    /// Length of the output.
    pub output: usize,
    /// Input places from one output to the next.
    pub stride: usize,
    /// Places of padding at either end.
    pub padding: usize,
    /// Input places from one kernel place to the next.
    pub dilation: usize,
    /// For each view, how many taps the places before a place have; filled by [`Axis::indexed`].
    prefix: [Vec<u64>; 3],
}

/// The reason why a window does not fit an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The key with the wrong value: `kernel_size`, `stride`, `padding`, `dilation` or `output_padding`.
    pub key: &'static str,
    /// What is wrong.
    pub why: String,
}

impl Misfit {
    fn too_large(key: &'static str) -> Self {
        Self { key, why: "a size is too large".to_owned() }
    }
}

/// Returns the number of places from the first to the last of a dilated kernel: (kernel − 1) · dilation + 1.
fn reach(kernel: usize, dilation: usize) -> Result<usize, Misfit> {
    let reach = (kernel - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
    reach.ok_or_else(|| Misfit::too_large(if dilation > kernel { "dilation" } else { "kernel_size" }))
}

impl Axis {
    /// The axis of a window of `kernel` places on `input` places.
    ///
    /// # Errors
    /// When no window fits, or when a size is too large for any machine.
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

    /// A stride with a single output leads nowhere, and so does a dilation with a single kernel place: either is 1 then, as no size of a tensor bounds what
    /// was asked for.
    fn of(input: usize, kernel: usize, output: usize, stride: usize, padding: usize, dilation: usize) -> Self {
        let (stride, dilation) = (if output == 1 { 1 } else { stride }, if kernel == 1 { 1 } else { dilation });
        Self { input, kernel, output, stride, padding, dilation, prefix: [const { Vec::new() }; 3] }
    }

    /// The axis of a transposed convolution that reads `places` places: the same edges, looked at from the other end, so that the input of
    /// this axis is what that convolution computes. `more` places of it come after the last that a plain one would have.
    ///
    /// # Errors
    /// When nothing is left of it, or when a size is too large for any machine.
    pub fn transposed(places: usize, kernel: usize, stride: usize, padding: usize, dilation: usize, more: usize) -> Result<Self, Misfit> {
        let reach = reach(kernel, dilation)?;
        let spread =
            (places - 1).checked_mul(stride).and_then(|spread| spread.checked_add(reach)).ok_or_else(|| Misfit::too_large("stride"))?;
        let spread = spread.checked_add(more).ok_or_else(|| Misfit::too_large("output_padding"))?;
        let cut = padding.checked_mul(2).ok_or_else(|| Misfit::too_large("padding"))?;
        if cut >= spread {
            let why = format!("the filter spreads the input over {spread} places, and the padding takes {cut} of them away");
            return Err(Misfit { key: "padding", why });
        }
        Ok(Self::of(spread - cut, kernel, places, stride, padding, dilation))
    }

    /// The same axis with its counts; costs time and memory in proportion to its length.
    #[must_use]
    pub fn indexed(mut self) -> Self {
        let mut counts = [vec![0; self.output], vec![0; self.kernel], vec![0; self.input]];
        for k in 0..self.kernel {
            let outputs = self.outputs(k);
            counts[1][k] = outputs.len() as u64;
            for o in outputs {
                counts[0][o] += 1;
                counts[2][self.source(k, o)] += 1;
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

    /// How many taps the places before each place have in this view; one longer than the places.
    #[must_use]
    pub fn prefix(&self, view: View) -> &[u64] {
        &self.prefix[number(view)]
    }

    /// Places in this view.
    #[must_use]
    pub fn len(&self, view: View) -> usize {
        match view {
            View::Output => self.output,
            View::Weight => self.kernel,
            View::Input => self.input,
        }
    }

    /// The taps of a place, in order.
    #[must_use]
    pub fn taps(&self, view: View, at: usize) -> Taps {
        let none = Taps { first: [0; 3], step: [0; 3], count: 0 };
        match view {
            View::Output => {
                let kernels = self.kernels(at);
                if kernels.is_empty() {
                    return none;
                }
                let first = [self.source(kernels.start, at), kernels.start, at];
                Taps { first, step: [self.dilation.cast_signed(), 1, 0], count: kernels.len() }
            }
            View::Weight => {
                let outputs = self.outputs(at);
                if outputs.is_empty() {
                    return none;
                }
                let first = [self.source(at, outputs.start), at, outputs.start];
                Taps { first, step: [self.stride.cast_signed(), 0, 1], count: outputs.len() }
            }
            View::Input => {
                // kernel places k and output places o with o · stride + k · dilation = place: every period-th k of a range
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

    /// Which tap of its place a pair of kernel and output place is.
    #[must_use]
    pub fn rank(&self, view: View, at: usize, kernel: usize, output: usize) -> usize {
        let taps = self.taps(view, at);
        match view {
            View::Output => kernel - taps.first[1],
            View::Weight => output - taps.first[2],
            View::Input => (kernel - taps.first[1]) / taps.step[1].unsigned_abs(),
        }
    }

    /// The input place under kernel place `kernel` at output place `output`; the pair must be a tap.
    #[must_use]
    pub fn source(&self, kernel: usize, output: usize) -> usize {
        output * self.stride + kernel * self.dilation - self.padding
    }

    /// How many places of what a filter lies on are between neighbours of the filter; 0 where a stride spreads it.
    #[must_use]
    pub fn pitch(&self, view: View) -> usize {
        match view {
            View::Output => self.dilation,
            View::Weight => self.stride,
            View::Input if self.stride == 1 => self.dilation,
            View::Input => 0,
        }
    }

    /// How far a filter reaches over the edge of what it slides over: the input, or the output on the error's way back.
    #[must_use]
    pub fn ring(&self, view: View) -> usize {
        match view {
            View::Output | View::Weight => self.padding,
            // full padding, less what the forward pass padded; a stride spreads the error and has no such picture
            // of a single place nothing slides over
            View::Input if self.output == 1 => 0,
            View::Input if self.stride == 1 => ((self.kernel - 1) * self.dilation).saturating_sub(self.padding),
            View::Input => 0,
        }
    }

    /// The kernel places that lie on the input (not on padding) at an output place.
    #[must_use]
    pub fn kernels(&self, output: usize) -> Range<usize> {
        let start = output * self.stride;
        let low = self.padding.saturating_sub(start).div_ceil(self.dilation);
        let high = (self.input + self.padding).saturating_sub(start).div_ceil(self.dilation).min(self.kernel);
        low.min(high)..high
    }

    /// The output places at which a kernel place lies on the input.
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

fn number(view: View) -> usize {
    match view {
        View::Output => 0,
        View::Weight => 1,
        View::Input => 2,
    }
}
