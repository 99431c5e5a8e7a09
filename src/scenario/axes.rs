//! The order of a tensor's axes in a scenario file. In memory, every tensor has PyTorch's order of axes; a file can have another one, such as Keras'.
//!
//! An order is a list of axes as in NumPy: `numpy.transpose(written, axes)` is the tensor in PyTorch's order. For example, Keras writes the filters of a
//! convolution as height x width x in x out, and PyTorch as out x in x height x width. So the list is 3, 2, 0, 1: PyTorch's first axis (out) is axis 3 of
//! Keras, its second axis (in) is axis 2, and so on.

use ndarray::{ArrayD, IxDyn};

/// The key of a layer that names the order of its weight's axes.
pub(super) const WEIGHT_LAYOUT: &str = "weight_layout";
/// The key at the top of a file that names the order of an image's axes.
pub(super) const IMAGE_LAYOUT: &str = "image_layout";
/// The key at the top of a file with the name of a library. It sets the defaults of the other two keys.
pub(super) const LAYOUT: &str = "layout";

/// An order of axes: its name, the list of axes, and a description in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct AxisOrder {
    pub name: &'static str,
    pub axes: &'static [usize],
    pub words: &'static str,
}

impl AxisOrder {
    /// Returns the axes of a depthwise kernel of Keras in words.
    pub fn depthwise_words(&self) -> &'static str {
        if self.axes.len() == 3 { "width x in x multiplier" } else { "height x width x in x multiplier" }
    }
}

/// The orders of a weight's axes: the name of the layer's type, PyTorch's order, Keras' order.
#[rustfmt::skip]
const WEIGHTS: [(&str, [AxisOrder; 2]); 4] = [
    ("linear", [
        AxisOrder { name: "out_in", axes: &[0, 1], words: "out x in" },
        AxisOrder { name: "in_out", axes: &[1, 0], words: "in x out" },
    ]),
    ("conv1d", [
        AxisOrder { name: "oik", axes: &[0, 1, 2], words: "out x in x width" },
        AxisOrder { name: "kio", axes: &[2, 1, 0], words: "width x in x out" },
    ]),
    ("conv2d", [
        AxisOrder { name: "oihw", axes: &[0, 1, 2, 3], words: "out x in x height x width" },
        AxisOrder { name: "hwio", axes: &[3, 2, 0, 1], words: "height x width x in x out" },
    ]),
    ("conv_transpose2d", [
        AxisOrder { name: "iohw", axes: &[0, 1, 2, 3], words: "in x out x height x width" },
        AxisOrder { name: "hwoi", axes: &[3, 2, 0, 1], words: "height x width x out x in" },
    ]),
];

/// The orders of an image's axes: PyTorch's and Keras'.
pub(super) const IMAGES: [AxisOrder; 2] = [
    AxisOrder { name: "chw", axes: &[0, 1, 2], words: "channels x height x width" },
    AxisOrder { name: "hwc", axes: &[2, 0, 1], words: "height x width x channels" },
];

/// Keys of layers with another default in a file with `layout = "keras"`, and this default. For example, `flatten` then writes all channels of a pixel before
/// those of the next pixel.
const KERAS_DEFAULTS: [(&str, &str); 1] = [("order", "hwc")];

/// Returns the keys of a type of layer that name an order of axes.
pub(super) fn layer_keys(kind: &str) -> &'static [&'static str] {
    if weight_orders(kind).is_some() { &[WEIGHT_LAYOUT] } else { &[] }
}

/// Returns the orders of the axes of the weight of a type of layer, PyTorch's first; `None` if there is only one.
pub(super) fn weight_orders(kind: &str) -> Option<&'static [AxisOrder; 2]> {
    WEIGHTS.iter().find(|(name, _)| *name == kind).map(|(_, orders)| orders)
}

/// The orders of axes of a whole file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FileLayout {
    is_keras: bool,
    has_channels_last: bool,
}

impl FileLayout {
    /// Returns the layout that the keys `layout` and `image_layout` describe. Both keys are optional.
    pub fn new(layout: Option<&str>, image_layout: Option<&str>) -> Self {
        let is_keras = layout == Some("keras");
        Self { is_keras, has_channels_last: image_layout.map_or(is_keras, |name| name == IMAGES[1].name) }
    }

    /// Returns the order of an image's axes; `None` if it is PyTorch's.
    pub fn image(self) -> Option<AxisOrder> {
        self.has_channels_last.then_some(IMAGES[1])
    }

    /// Returns the order of a weight's axes; `None` if it is PyTorch's. `layout` is the value of the layer's key `weight_layout`.
    pub fn weight(self, kind: &str, layout: Option<&str>) -> Option<AxisOrder> {
        let [pytorch, keras] = weight_orders(kind)?;
        let is_pytorch = layout.map_or(!self.is_keras, |layout| layout == pytorch.name);
        (!is_pytorch).then_some(*keras)
    }

    /// Returns the default of a layer's key in this layout, if it differs from PyTorch's. `words` are the possible values of the key.
    pub fn default_word(self, key: &str, words: &[&'static str]) -> Option<&'static str> {
        let (_, default) = KERAS_DEFAULTS.into_iter().find(|(name, _)| self.is_keras && *name == key)?;
        words.iter().find(|word| **word == default).copied()
    }
}

/// Returns the shape of a tensor in PyTorch's order. `written` is its shape in the file.
pub(super) fn shape(written: &[usize], axes: &[usize]) -> Vec<usize> {
    axes.iter().map(|&axis| written[axis]).collect()
}

/// Returns the inverse of an order: it converts a tensor from PyTorch's order to the order of the file.
pub(super) fn inverse(axes: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; axes.len()];
    for (axis, &axis_in_file) in axes.iter().enumerate() {
        inverse[axis_in_file] = axis;
    }
    inverse
}

/// Returns the numbers of a tensor in PyTorch's order. `data` has them in the row-major order of the shape `written`.
pub(super) fn permuted(data: Vec<f64>, written: &[usize], axes: &[usize]) -> Vec<f64> {
    match ArrayD::from_shape_vec(IxDyn(written), data) {
        Ok(tensor) => tensor.permuted_axes(axes).iter().copied().collect(),
        Err(_) => Vec::new(), // not possible: the callers give as many numbers as the shape has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_and_its_inverse_cancel() {
        let data: Vec<f64> = (0..24).map(f64::from).collect();
        let (written, axes) = ([3, 1, 2, 4], [3, 2, 0, 1]);
        let shape = shape(&written, &axes);
        assert_eq!(shape, [4, 2, 3, 1]);
        let tensor = permuted(data.clone(), &written, &axes);
        // w[out 1, in 0, row 0, column 0] is the second number in the file; in PyTorch's order, the 2 · 3 · 1 numbers of out 0 are before it
        assert_eq!(tensor[6], 1.0);
        assert_eq!(permuted(tensor, &shape, &inverse(&axes)), data);
    }

    #[test]
    fn a_file_of_keras_has_its_orders_unless_a_key_says_otherwise() {
        let keras = FileLayout::new(Some("keras"), None);
        assert_eq!(keras.weight("conv_transpose2d", None).map(|order| order.words), Some("height x width x out x in"));
        assert!(keras.weight("linear", Some("out_in")).is_none() && keras.weight("layer_norm", None).is_none());
        assert!(keras.image().is_some() && FileLayout::new(Some("keras"), Some("chw")).image().is_none());
        assert_eq!(keras.default_word("order", &["chw", "hwc"]), Some("hwc"));
        let none = FileLayout::default();
        assert!(none.image().is_none() && none.weight("linear", None).is_none() && none.default_word("order", &["chw", "hwc"]).is_none());
    }
}
