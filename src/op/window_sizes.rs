//! The settings of a convolution, in words: `Stride 2: the filter moves 2 places at a time.`

use super::axis::Axis;
use super::edges::View;

/// The settings of a convolution other than the size of its filter. Stride, padding and dilation are pairs: for the axis of the rows and the axis of the
/// columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSizes {
    /// The distance between neighbouring windows.
    pub stride: [usize; 2],
    /// The padding above and below the image, and at its left and at its right.
    pub padding: [[usize; 2]; 2],
    /// The distance between neighbouring weights.
    pub dilation: [usize; 2],
    /// The number of groups of channels.
    pub groups: usize,
    /// `true` for `conv1d`.
    pub is_1d: bool,
}

impl WindowSizes {
    /// Returns the settings of a convolution with these axes. A convolution along one axis has no `rows`: stride, padding and dilation of `columns` are
    /// then used for both axes.
    #[must_use]
    pub fn new(rows: Option<&Axis>, columns: &Axis, groups: usize) -> Self {
        let is_1d = rows.is_none();
        let rows = rows.unwrap_or(columns);
        let pair = |size: fn(&Axis) -> usize| [size(rows), size(columns)];
        let padding = [rows, columns].map(|axis| [axis.padding, axis.padding_after]);
        Self { stride: pair(|axis| axis.stride), padding, dilation: pair(|axis| axis.dilation), groups, is_1d }
    }

    /// Returns whether windows move by more than one position at a time.
    #[must_use]
    pub fn is_strided(&self) -> bool {
        self.stride != [1, 1]
    }

    /// Returns a sentence for each setting that matters to the output, to the weight gradient or to the input gradient of a convolution.
    #[must_use]
    pub fn words(&self, view: View) -> String {
        let [stride, dilation] = [self.stride, self.dilation].map(pair_text);
        let mut sentences = Vec::new();
        if self.is_strided() {
            sentences.push(match view {
                View::Output => format!("Stride {stride}: the filter moves {stride} places at a time."),
                View::Weight => format!("Stride {stride}: neighbouring errors belong to windows that are {stride} places apart."),
                View::Input => format!("Stride {stride}: the error is spread first, so that its entries are {stride} places apart. There are no neurons between them, so there are no steps."),
            });
        }
        if self.padding != [[0; 2]; 2] {
            let [[top, bottom], [left, right]] = self.padding;
            let is_symmetric = top == bottom && left == right;
            let padding = match (is_symmetric, self.is_1d) {
                (true, _) => pair_text([top, left]),
                (false, true) => format!("[{left}, {right}]"),
                (false, false) => format!("[{top}, {bottom}, {left}, {right}]"),
            };
            let border = if self.is_1d && left != right {
                format!("a border of {left} before and {right} after the input")
            } else if is_symmetric {
                format!("a border of {padding} around the input")
            } else {
                format!("a border of {top} above, {bottom} below, {left} to the left and {right} to the right of the input")
            };
            sentences.push(match view {
                View::Output => {
                    format!(
                        "Padding {padding}: the filter also lies on {border}. There are no neurons in the border, so there are no steps."
                    )
                }
                View::Weight => format!("Padding {padding}: there is no step where the filter lay on the border."),
                View::Input => format!("Padding {padding}: there are no neurons in the border, so its derivatives are not computed."),
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
    fn only_settings_other_than_the_defaults_have_a_sentence() {
        let plain = WindowSizes { stride: [1, 1], padding: [[0; 2]; 2], dilation: [1, 1], groups: 1, is_1d: false };
        let strided = WindowSizes { stride: [2, 1], padding: [[1; 2]; 2], ..plain };
        for view in [View::Output, View::Weight, View::Input] {
            assert_eq!(plain.words(view), "");
            let words = strided.words(view);
            assert!(words.starts_with("Stride 2x1: ") && words.contains("Padding 1: ") && !words.contains("Dilation"), "{words}");
        }
        let uneven = WindowSizes { padding: [[0, 1], [2, 3]], ..plain }.words(View::Output);
        assert!(
            uneven.starts_with("Padding [0, 1, 2, 3]: ") && uneven.contains("0 above, 1 below, 2 to the left and 3 to the right"),
            "{uneven}"
        );
        assert_eq!(WindowSizes { dilation: [3, 3], ..plain }.words(View::Output), "Dilation 3: neighbouring weights are 3 places apart.");
    }
}
