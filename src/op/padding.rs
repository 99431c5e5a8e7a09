//! The key `padding` of convolutions and pools: numbers, `"valid"` (no padding) or `"same"` (the output has the size of the input).
//!
//! `"same"` has the same meaning as in PyTorch. With stride 1, an axis gets (kernel − 1) · dilation positions of padding, half of them before the input. If
//! this number is odd, there is one more position after the input than before it. A kernel of 4 gets 1 position before and 2 positions after.

/// The value of the key `padding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The rows above and below the image, and the columns at its left and at its right.
    Places([[usize; 2]; 2]),
    /// The padding that keeps the size of the image.
    Same,
}

impl Padding {
    /// Returns the padding before and after the rows, and before and after the columns.
    ///
    /// ```
    /// use gradstep::op::padding::Padding;
    ///
    /// let (size, kernel, stride, dilation) = ([5, 5], [3, 4], [1, 1], [1, 1]);
    /// assert_eq!(Padding::Same.places(size, kernel, stride, dilation), Ok([[1, 1], [1, 2]]));
    /// ```
    ///
    /// # Errors
    /// If the padding is `"same"` and the stride is not 1, which PyTorch refuses. The error is the help text for the message. It names the padding that Keras
    /// uses for an input of `size`.
    pub fn places(self, size: [usize; 2], kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2]) -> Result<[[usize; 2]; 2], String> {
        // the number of padding positions, on both sides together
        let needed = |axis: usize| {
            let reach = (kernel[axis] - 1).saturating_mul(dilation[axis]);
            // the beginning of the last of the ⌈size / stride⌉ windows
            let last_begin = size[axis].saturating_sub(1) / stride[axis] * stride[axis];
            last_begin.saturating_add(reach).saturating_add(1).saturating_sub(size[axis])
        };
        let halves = [0, 1].map(|axis| {
            let both = needed(axis);
            [both / 2, both - both / 2]
        });
        let [[top, bottom], [left, right]] = halves;
        match self {
            Self::Places(places) => Ok(places),
            Self::Same if stride == [1, 1] => Ok(halves),
            Self::Same if size[0] == 1 && kernel[0] == 1 => {
                Err(format!("write the numbers: padding = [{left}, {right}] is what Keras takes here"))
            }
            Self::Same => Err(format!("write the numbers: padding = [{top}, {bottom}, {left}, {right}] is what Keras takes here")),
        }
    }
}
