//! Help texts for tensors of the wrong shape: recognizes the layouts of other libraries, such as Keras's height x width x in x out.

use crate::tensor::{len, shape_text};

/// Returns whether a shape is a row or column of `entries` entries, such as 1 x n, n x 1 or n x 1 x 1.
pub(super) fn is_vector(shape: &[usize], entries: usize) -> bool {
    len(shape) == entries && shape.iter().filter(|&&n| n != 1).count() <= 1
}

/// Returns the help text for an image whose last dimension looks like its channels.
pub(super) fn channels_last(shape: &[usize]) -> Option<String> {
    match *shape {
        [h, w, c @ (1 | 3)] if !matches!(h, 1 | 3) && w > 1 => Some(format!(
            "the input, {h}x{w}x{c}, is read as channels x height x width; if it is height x width x channels, write it as {c}x{h}x{w}"
        )),
        _ => None,
    }
}

/// Returns the help text for a weight of shape `own` in place of `wanted`. Sizes of `wanted` that the layer does not give come from `own`. `input` is the shape
/// of the network's input, if the layer reads it; a `transposed` convolution has its input channels first.
pub(super) fn weight(wanted: &[usize], own: &[usize], input: Option<&[usize]>, transposed: bool) -> Option<String> {
    match (wanted, own) {
        (&[out, inputs], &[a, b]) if (a, b) == (inputs, out) => {
            Some(format!("yours is in x out: write its transpose, out x in, which is {out}x{inputs}"))
        }
        (&[_, inputs, ..], own) if wanted.len() == 4 && !transposed => filters(inputs, own, input),
        _ => input.and_then(channels_last),
    }
}

/// Returns the help text for the filters of a convolution that reads `channels` channels (per group).
fn filters(channels: usize, own: &[usize], input: Option<&[usize]>) -> Option<String> {
    let here = "out x in x height x width";
    let numpy = |shape: [usize; 4], axes: &str| format!("{here} is {}, w.transpose({axes}) in NumPy", shape_text(&shape));
    match *own {
        [filters, h, w] if channels == 1 => Some(format!("{filters} filters of one channel are {filters}x1x{h}x{w}: write the 1 too")),
        [h, w, a, b] if h == w && h > 1 && a == channels => {
            Some(format!("yours looks like height x width x in x out, as in Keras and JAX: {}", numpy([b, a, h, w], "3, 2, 0, 1")))
        }
        [out, h, w, a] if h == w && h > 1 && a == channels && a > 1 => {
            Some(format!("yours looks like out x height x width x in: {}", numpy([out, a, h, w], "0, 3, 1, 2")))
        }
        [a, out, h, w] if a == channels && a > 1 => Some(format!("yours looks like in x out: {}", numpy([out, a, h, w], "1, 0, 2, 3"))),
        // both the filters and the input have their channels last
        [h, w, a, out] if h == w && input.is_some_and(|input| input.len() == 3 && input[2] == a && input[0] != a) => {
            let image = input.map(|input| shape_text(&[input[2], input[0], input[1]])).unwrap_or_default();
            Some(format!(
                "if yours is height x width x in x out, and the input height x width x channels, write the input as {image}, \
                 and this as {here}, {}",
                shape_text(&[out, a, h, w])
            ))
        }
        _ => input.and_then(channels_last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_may_be_a_row_or_a_column() {
        assert!([&[1, 3][..], &[3, 1], &[3, 1, 1], &[1, 3, 1], &[3]].iter().all(|shape| is_vector(shape, 3)));
        assert!(is_vector(&[], 1) && is_vector(&[1, 1], 1));
        assert!(![&[3, 2][..], &[1, 2], &[6]].iter().any(|shape| is_vector(shape, 3)));
    }

    #[test]
    fn a_layout_is_recognised() {
        let begins = |wanted: &[usize], own: &[usize], input: Option<&[usize]>, begin: &str| {
            let help = weight(wanted, own, input, false).unwrap_or_default();
            assert!(!begin.is_empty() && help.starts_with(begin) || begin == help, "{own:?}: {help}");
        };
        begins(&[3, 4], &[4, 3], None, "yours is in x out: write its transpose, out x in, which is 3x4");
        begins(&[3, 4], &[3, 5], None, "");
        begins(
            &[3, 2, 3, 8],
            &[3, 3, 2, 8],
            None,
            "yours looks like height x width x in x out, as in Keras and JAX: out x in x height x width is 8x2x3x3",
        );
        begins(&[8, 2, 3, 2], &[8, 3, 3, 2], None, "yours looks like out x height x width x in");
        begins(&[2, 2, 3, 3], &[2, 8, 3, 3], None, "yours looks like in x out: out x in x height x width is 8x2x3x3");
        begins(&[1, 1, 3, 3], &[8, 3, 3], None, "8 filters of one channel are 8x1x3x3");
        begins(&[2, 8, 3, 3], &[2, 3, 3, 3], Some(&[8, 8, 3]), "the input, 8x8x3, is read as channels x height x width");
        begins(&[2, 3, 2, 1], &[2, 2, 2, 1], Some(&[3, 3, 2]), "if yours is height x width x in x out");
        begins(&[8, 2, 3, 3], &[8, 1, 3, 3], Some(&[2, 9, 9]), "");
        begins(&[8, 3, 3, 3], &[8, 1, 3, 3], Some(&[3, 9, 3]), "");
    }
}
