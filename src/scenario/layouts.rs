//! Help texts for tensors of the wrong shape. Recognizes the axis orders of other libraries and says how to convert them.
//!
//! In a scenario an image is channels x height x width, and the filters of a convolution are out x in x height x width, as in PyTorch. Keras has the filters as
//! height x width x in x out and the image as height x width x channels.

use crate::tensor::{len, shape_text};

/// Returns whether a shape is a row or column of `entries` entries, such as 1 x n, n x 1 or n x 1 x 1.
pub(super) fn is_vector(shape: &[usize], entries: usize) -> bool {
    len(shape) == entries && shape.iter().filter(|&&n| n != 1).count() <= 1
}

/// Returns the help text for an input that seems to be height x width x channels, where channels x height x width is expected. An input seems to be
/// so if its last dimension is 1 or 3 (the usual numbers of channels), its first dimension is neither, and its second dimension is more than 1.
pub(super) fn channels_last(shape: &[usize]) -> Option<String> {
    match *shape {
        [h, w, c @ (1 | 3)] if !matches!(h, 1 | 3) && w > 1 => Some(format!(
            "the input, {h}x{w}x{c}, is read as channels x height x width; if it is height x width x channels, write it as {c}x{h}x{w}"
        )),
        _ => None,
    }
}

/// Returns the help text for a weight of shape `actual` where the layer needs `expected`.
///
/// `input` is the shape of the network's input if the layer reads it, because the real mistake may be in the input. The filters of a transposed convolution
/// (`is_transposed`) are in x out x height x width.
pub(super) fn weight(expected: &[usize], actual: &[usize], input: Option<&[usize]>, is_transposed: bool) -> Option<String> {
    match (expected, actual) {
        (&[out, inputs], &[rows, columns]) if (rows, columns) == (inputs, out) => {
            Some(format!("yours is in x out: write its transpose, out x in, which is {out}x{inputs}"))
        }
        (&[_, inputs, ..], actual) if expected.len() == 4 && !is_transposed => filters(inputs, actual, input),
        _ => input.and_then(channels_last),
    }
}

/// Returns the help text for the filters of a convolution with the wrong shape `actual`. The filters should read `channels` input channels (per
/// group). `input` is the same as in [`weight`].
fn filters(channels: usize, actual: &[usize], input: Option<&[usize]>) -> Option<String> {
    const EXPECTED: &str = "out x in x height x width";
    let transpose = |shape: [usize; 4], axes: &str| format!("{EXPECTED} is {}, w.transpose({axes}) in NumPy", shape_text(&shape));
    // kernels are mostly square and larger than 1x1, so two equal neighbours h and w are probably the height and the width
    match *actual {
        [filters, h, w] if channels == 1 => Some(format!("{filters} filters of one channel are {filters}x1x{h}x{w}: write the 1 too")),
        [h, w, inputs, out] if h == w && h > 1 && inputs == channels => Some(format!(
            "yours looks like height x width x in x out, as in Keras and JAX: {}",
            transpose([out, inputs, h, w], "3, 2, 0, 1")
        )),
        [out, h, w, inputs] if h == w && h > 1 && inputs == channels && inputs > 1 => {
            Some(format!("yours looks like out x height x width x in: {}", transpose([out, inputs, h, w], "0, 3, 1, 2")))
        }
        [inputs, out, h, w] if inputs == channels && inputs > 1 => {
            Some(format!("yours looks like in x out: {}", transpose([out, inputs, h, w], "1, 0, 2, 3")))
        }
        // the filters and the input both have their channels last
        [h, w, inputs, out] if h == w && input.is_some_and(|input| input.len() == 3 && input[2] == inputs && input[0] != inputs) => {
            let image = input.map(|input| shape_text(&[input[2], input[0], input[1]])).unwrap_or_default();
            Some(format!(
                "if yours is height x width x in x out, and the input height x width x channels, write the input as {image}, \
                 and this as {EXPECTED}, {}",
                shape_text(&[out, inputs, h, w])
            ))
        }
        _ => input.and_then(channels_last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_and_a_column_are_vectors() {
        assert!([&[1, 3][..], &[3, 1], &[3, 1, 1], &[1, 3, 1], &[3]].iter().all(|shape| is_vector(shape, 3)));
        assert!(is_vector(&[], 1) && is_vector(&[1, 1], 1));
        assert!(![&[3, 2][..], &[1, 2], &[6]].iter().any(|shape| is_vector(shape, 3)));
    }

    #[test]
    fn the_layouts_of_other_libraries_are_recognized() {
        // an empty `begin` means that there is no help text
        let help_begins = |expected: &[usize], actual: &[usize], input: Option<&[usize]>, begin: &str| {
            let is_transposed = false;
            let help = weight(expected, actual, input, is_transposed).unwrap_or_default();
            assert!(help.starts_with(begin) && help.is_empty() == begin.is_empty(), "{actual:?}: {help}");
        };
        help_begins(&[3, 4], &[4, 3], None, "yours is in x out: write its transpose, out x in, which is 3x4");
        help_begins(&[3, 4], &[3, 5], None, "");
        help_begins(
            &[3, 2, 3, 8],
            &[3, 3, 2, 8],
            None,
            "yours looks like height x width x in x out, as in Keras and JAX: out x in x height x width is 8x2x3x3",
        );
        help_begins(&[8, 2, 3, 2], &[8, 3, 3, 2], None, "yours looks like out x height x width x in");
        help_begins(&[2, 2, 3, 3], &[2, 8, 3, 3], None, "yours looks like in x out: out x in x height x width is 8x2x3x3");
        help_begins(&[1, 1, 3, 3], &[8, 3, 3], None, "8 filters of one channel are 8x1x3x3");
        help_begins(&[2, 8, 3, 3], &[2, 3, 3, 3], Some(&[8, 8, 3]), "the input, 8x8x3, is read as channels x height x width");
        help_begins(&[2, 3, 2, 1], &[2, 2, 2, 1], Some(&[3, 3, 2]), "if yours is height x width x in x out");
        help_begins(&[8, 2, 3, 3], &[8, 1, 3, 3], Some(&[2, 9, 9]), "");
        help_begins(&[8, 3, 3, 3], &[8, 1, 3, 3], Some(&[3, 9, 3]), "");
    }
}
