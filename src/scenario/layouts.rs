//! Help texts for tensors of the wrong shape. If a shape looks like that of another library, the text says how to convert the tensor.
//!
//! By default, an image is channels x height x width, and the filters of a convolution are out x in x height x width, as in PyTorch. In Keras, an image is
//! height x width x channels, and the filters are height x width x in x out.

use super::axes::AxisOrder;
use crate::tensor::{len, shape_text};
use crate::text::{are, counted};

/// Returns whether a shape is a row or column of `entries` entries, such as 1 x n, n x 1 or n x 1 x 1.
pub(super) fn is_vector(shape: &[usize], entries: usize) -> bool {
    len(shape) == entries && shape.iter().filter(|&&n| n != 1).count() <= 1
}

/// Returns the help text for an input that is probably height x width x channels, where channels x height x width is needed. This is probable if its last
/// dimension is 1 or 3 (the usual numbers of channels), its first dimension is neither 1 nor 3, and its second dimension is more than 1.
pub(super) fn channels_last(shape: &[usize]) -> Option<String> {
    match *shape {
        [h, w, c @ (1 | 3)] if !matches!(h, 1 | 3) && w > 1 => Some(format!(
            "the input, {h}x{w}x{c}, is read as channels x height x width; if it is height x width x channels, add image_layout = \"hwc\" at the top of the file"
        )),
        _ => None,
    }
}

/// Returns the help text for a weight of shape `actual` where the layer needs `expected`.
///
/// `input` is the shape of the network's input if the layer reads it, because the mistake may be in the input. `kind` is the type of the layer. `order` is the
/// order of axes that the file uses for this weight; `None` for PyTorch's.
pub(super) fn weight(
    expected: &[usize],
    actual: &[usize],
    input: Option<&[usize]>,
    kind: &str,
    order: Option<AxisOrder>,
) -> Option<String> {
    match (expected, actual) {
        (&[out, inputs], &[rows, columns]) if (rows, columns) == (inputs, out) => Some(match order {
            None => "yours is in x out: add weight_layout = \"in_out\" to this layer".to_owned(),
            Some(_) => "yours is out x in: write weight_layout = \"out_in\" in this layer".to_owned(),
        }),
        (&[_, inputs, ..], actual) if kind == "conv2d" && order.is_none() => filters(inputs, actual, input),
        _ => input.and_then(channels_last),
    }
}

/// Returns the help text for a weight that is probably a depthwise kernel of Keras: height x width x in x multiplier.
pub(super) fn depthwise([height, width, inputs]: [usize; 3]) -> Option<String> {
    (height == width && height > 1 && inputs > 1).then(|| {
        format!(
            "yours looks like height x width x in x multiplier, a depthwise kernel of Keras: add weight_layout = \"hwio\" and groups = {inputs} to this layer"
        )
    })
}

/// Returns the help text for the weight of a linear layer. The weight reads `actual` numbers, and the input has `expected`.
pub(super) fn other_inputs(shape_help: &str, expected: usize, actual: usize) -> Option<String> {
    let check = "are the layers in the order of the model, with its padding, strides and pools?";
    (expected != actual).then(|| format!("{shape_help}; yours reads {}: {check}", counted(actual, "number")))
}

/// Returns the help text for a weight with too many or too few dimensions; empty for other tensors.
pub(super) fn of_rank(key: &str, expected: usize, actual: usize) -> &'static str {
    match (key, expected, actual) {
        ("weight", 2, 4) => "the weight of a linear layer is out x in; one of four dimensions is that of a layer with type = \"conv2d\"",
        ("weight", 2, 3) => "the weight of a linear layer is out x in; one of three dimensions is that of a layer with type = \"conv1d\"",
        ("weight", 3, 4) => "one of four dimensions is the weight of a layer with type = \"conv2d\"",
        ("weight", 4, 2) => "a matrix is read as one filter; as out x in it is the weight of a layer with type = \"linear\"",
        _ => "",
    }
}

/// Returns the help text for the filters of a convolution with the wrong shape `actual`. The filters should read `channels` input channels (in each group).
/// `input` is the same as in [`weight`].
fn filters(channels: usize, actual: &[usize], input: Option<&[usize]>) -> Option<String> {
    const EXPECTED: &str = "out x in x height x width";
    let transpose = |shape: [usize; 4], axes: &str| format!("{EXPECTED} is {}, w.transpose({axes}) in NumPy", shape_text(&shape));
    // most kernels are square and larger than 1x1, so two equal neighbouring sizes are probably the height and the width
    match *actual {
        [h, w, inputs, _] if channels == 1 && depthwise([h, w, inputs]).is_some() => depthwise([h, w, inputs]),
        [filters, h, w] if channels == 1 => {
            let are = are(filters);
            Some(format!("{} of one channel {are} {filters}x1x{h}x{w}: write the 1 too", counted(filters, "filter")))
        }
        [h, w, inputs, _] if h == w && h > 1 && inputs == channels => {
            Some("yours looks like height x width x in x out, as in Keras and JAX: add weight_layout = \"hwio\" to this layer".to_owned())
        }
        [out, h, w, inputs] if h == w && h > 1 && inputs == channels && inputs > 1 => {
            Some(format!("yours looks like out x height x width x in: {}", transpose([out, inputs, h, w], "0, 3, 1, 2")))
        }
        [inputs, out, h, w] if inputs == channels && inputs > 1 => {
            Some(format!("yours looks like in x out: {}", transpose([out, inputs, h, w], "1, 0, 2, 3")))
        }
        // the channels are last in the filters and in the input
        [h, w, inputs, _] if h == w && input.is_some_and(|input| input.len() == 3 && input[2] == inputs && input[0] != inputs) => Some(
            "if yours is height x width x in x out, and the input height x width x channels, add layout = \"keras\" at the top of the file"
                .to_owned(),
        ),
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
        // checks the beginning of the help text; an empty `begin` means that there is no help text
        let help_begins = |expected: &[usize], actual: &[usize], input: Option<&[usize]>, begin: &str| {
            let help = weight(expected, actual, input, if expected.len() == 2 { "linear" } else { "conv2d" }, None).unwrap_or_default();
            assert!(help.starts_with(begin) && help.is_empty() == begin.is_empty(), "{actual:?}: {help}");
        };
        help_begins(&[3, 4], &[4, 3], None, "yours is in x out: add weight_layout");
        help_begins(&[3, 4], &[3, 5], None, "");
        help_begins(
            &[3, 2, 3, 8],
            &[3, 3, 2, 8],
            None,
            "yours looks like height x width x in x out, as in Keras and JAX: add weight_layout = \"hwio\"",
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
