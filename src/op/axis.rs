//! One axis of a sliding window: which input, kernel and output places meet. Padding is no place.

use std::ops::Range;

use super::edges::View;

/// One axis of a sliding window: input place = output place · stride + kernel place · dilation − padding.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Length of the input.
    pub input: usize,
    /// Length of the kernel.
    pub kernel: usize,
    /// Length of the output.
    pub output: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    /// For each view, how many taps the places before a place have; filled by [`Axis::indexed`].
    prefix: [Vec<u64>; 3],
}

impl Axis {
    /// The axis of a window of `kernel` places on `input` places.
    ///
    /// # Errors
    /// Says why when no window fits, or when a size is too large for any machine.
    pub fn checked(input: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Result<Self, String> {
        let sizes = || {
            let padded = padding.checked_mul(2)?.checked_add(input)?;
            let reach = (kernel - 1).checked_mul(dilation)?.checked_add(1)?;
            Some((padded, reach))
        };
        let Some((padded, reach)) = sizes() else {
            return Err("a size is too large".to_owned());
        };
        if reach > padded {
            let with = if padding > 0 { " with its padding" } else { "" };
            return Err(format!("it reaches over {reach} places, the input{with} has {padded}"));
        }
        let output = (padded - reach) / stride + 1;
        Ok(Self { input, kernel, output, stride, padding, dilation, prefix: [const { Vec::new() }; 3] })
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

    /// How many taps a place has in this view.
    #[must_use]
    pub fn taps(&self, view: View, at: usize) -> usize {
        match view {
            View::Output => self.kernels(at).len(),
            View::Weight => self.outputs(at).len(),
            View::Input => self.each(view, at).count(),
        }
    }

    /// The taps of a place, in order: input, kernel and output place of each.
    pub fn each(&self, view: View, at: usize) -> impl Iterator<Item = [usize; 3]> + '_ {
        let candidates = match view {
            View::Output => self.kernels(at),
            View::Weight => self.outputs(at),
            View::Input => 0..self.kernel,
        };
        candidates.filter_map(move |c| match view {
            View::Output => Some([self.source(c, at), c, at]),
            View::Weight => Some([self.source(at, c), at, c]),
            View::Input => {
                let from = (at + self.padding).checked_sub(c * self.dilation)?;
                let output = from / self.stride;
                (from % self.stride == 0 && output < self.output).then_some([at, c, output])
            }
        })
    }

    /// Tap `n` of a place.
    ///
    /// # Panics
    /// When the place has fewer.
    #[must_use]
    pub fn tap(&self, view: View, at: usize, n: usize) -> [usize; 3] {
        match view {
            View::Output => {
                let k = self.kernels(at).start + n;
                [self.source(k, at), k, at]
            }
            View::Weight => {
                let o = self.outputs(at).start + n;
                [self.source(at, o), at, o]
            }
            View::Input => self.each(view, at).nth(n).expect("a tap of the place"),
        }
    }

    /// Which tap of its place a pair of kernel and output place is.
    #[must_use]
    pub fn rank(&self, view: View, at: usize, kernel: usize, output: usize) -> usize {
        match view {
            View::Output => kernel - self.kernels(at).start,
            View::Weight => output - self.outputs(at).start,
            View::Input => self.each(view, at).take_while(|tap| tap[1] < kernel).count(),
        }
    }

    /// The input place under kernel place `kernel` at output place `output`; the pair must be a tap.
    #[must_use]
    pub fn source(&self, kernel: usize, output: usize) -> usize {
        output * self.stride + kernel * self.dilation - self.padding
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

fn number(view: View) -> usize {
    match view {
        View::Output => 0,
        View::Weight => 1,
        View::Input => 2,
    }
}
