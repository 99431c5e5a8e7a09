//! The sizes of the windows of a convolution, in words: `Stride 2: the filter moves 2 places at a time.`

use super::axis::Axis;
use super::edges::View;

/// The sizes of the windows of a convolution, as pairs of rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSizes {
    /// The distance between neighbouring windows.
    pub stride: [usize; 2],
    /// The rows and columns of padding on each side of the image.
    pub padding: [usize; 2],
    /// The distance between neighbouring weights.
    pub dilation: [usize; 2],
    /// The number of groups of channels.
    pub groups: usize,
}

impl WindowSizes {
    /// Returns the sizes of a convolution with these axes.
    #[must_use]
    pub fn new(rows: &Axis, columns: &Axis, groups: usize) -> Self {
        let pair = |size: fn(&Axis) -> usize| [size(rows), size(columns)];
        Self { stride: pair(|axis| axis.stride), padding: pair(|axis| axis.padding), dilation: pair(|axis| axis.dilation), groups }
    }

    /// Returns whether windows move by more than one place.
    #[must_use]
    pub fn is_strided(&self) -> bool {
        self.stride != [1, 1]
    }

    /// Returns a sentence for each size that matters to the output, to the weight gradient or to the input gradient of a convolution.
    #[must_use]
    pub fn words(&self, view: View) -> String {
        let [stride, padding, dilation] = [self.stride, self.padding, self.dilation].map(pair_text);
        let mut sentences = Vec::new();
        if self.is_strided() {
            sentences.push(match view {
                View::Output => format!("Stride {stride}: the filter moves {stride} places at a time."),
                View::Weight => format!("Stride {stride}: neighbouring errors belong to windows that are {stride} places apart."),
                View::Input => format!("Stride {stride}: the error is spread first, so that its entries are {stride} places apart. The places between them are no neurons, so they make no steps."),
            });
        }
        if self.padding != [0, 0] {
            sentences.push(match view {
                View::Output => format!("Padding {padding}: the filter also lies on a border of {padding} around the input. The border is no neuron, so it makes no steps."),
                View::Weight => format!("Padding {padding}: where the filter lay on the border, there is no step."),
                View::Input => format!("Padding {padding}: what the filter read from the border leads back to no neuron."),
            });
        }
        if self.dilation != [1, 1] {
            sentences.push(format!("Dilation {dilation}: neighbouring weights are {dilation} places apart."));
        }
        if self.groups > 1 {
            sentences
                .push(format!("Groups {}: an output channel is connected only with the input channels of its own group.", self.groups));
        }
        sentences.join(" ")
    }
}

/// Returns a pair of sizes as a text: `2`, or `2x1` if rows and columns differ.
fn pair_text([rows, columns]: [usize; 2]) -> String {
    if rows == columns { rows.to_string() } else { format!("{rows}x{columns}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_named_only_if_they_matter() {
        let plain = WindowSizes { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };
        let strided = WindowSizes { stride: [2, 1], padding: [1, 1], ..plain };
        for view in [View::Output, View::Weight, View::Input] {
            assert_eq!(plain.words(view), "");
            let words = strided.words(view);
            assert!(words.starts_with("Stride 2x1: ") && words.contains("Padding 1: ") && !words.contains("Dilation"), "{words}");
        }
        assert_eq!(WindowSizes { dilation: [3, 3], ..plain }.words(View::Output), "Dilation 3: neighbouring weights are 3 places apart.");
    }
}
