//! The keys of the pooling layers, such as `kernel_size` and `stride`, and the windows that these keys describe.

use super::axis::{Axis, Misfit, Rounding};
use super::conv2d::Conv2d;
use super::edges::View;
use super::layer::{Args, Reported};
use super::padding::Padding;

/// Reads the windows of a pool over a C x H x W image, or over C x L if `is_1d` is `true`, and adds the memory of the output to the network's memory.
///
/// The result is the geometry of a convolution with C groups, one for each channel, because channel c of the output reads only channel c of the image. Each
/// pixel of a window is an edge of this convolution.
///
/// # Errors
/// If a key is faulty, no window fits into the image, or a window covers only padding.
pub fn read_windows(args: &mut dyn Args, is_1d: bool) -> Result<Conv2d, Reported> {
    let [channels, height, width] = if is_1d { args.sequence()? } else { args.image()? };
    // All keys are read before the first fault is returned, so that the faults of all keys are reported. The second argument is the smallest value that is
    // allowed
    let kernel = args.pair_or_size("kernel_size", 1, is_1d);
    let stride = args.pair_or_size("stride", 1, is_1d);
    let padding = args.padding("padding", if is_1d { 1 } else { 2 });
    let dilation = args.pair_or_size("dilation", 1, is_1d)?.unwrap_or([1, 1]);
    let rounding = if args.flag("ceil_mode")? == Some(true) { Rounding::Up } else { Rounding::Down };
    let (stride, padding) = (stride?, padding?.unwrap_or(Padding::Places([[0; 2]; 2])));
    let Some(kernel) = kernel? else {
        return Err(args.fail("kernel_size", "kernel_size is missing".to_owned(), "add kernel_size = 2, or another size"));
    };
    let stride = stride.unwrap_or(kernel);
    let padding = args.padding_places(padding, [height, width], kernel, stride, dilation)?;
    // of each axis, the larger padding of its two sides
    let larger = [0, 1].map(|i| padding[i].into_iter().max().unwrap_or(0));
    if let Some(i) = (0..2).find(|&i| larger[i] > kernel[i] / 2) {
        let message = format!("padding is {}, but must be at most half of the kernel's size ({})", larger[i], kernel[i]);
        return Err(args.fail_for_sizes("padding", message, "take a smaller padding, or a larger kernel_size"));
    }
    let mut axis = |name: &str, i: usize, length: usize| {
        Axis::rounded(length, kernel[i], stride[i], padding[i], dilation[i], rounding).map_err(|Misfit { key, why }| {
            args.fail_for_sizes(key, format!("the window does not fit the input's {name}: {why}"), &format!("take a smaller {key}"))
        })
    };
    let (rows, columns) = (axis("height", 0, height)?, axis(if is_1d { "length" } else { "width" }, 1, width)?);
    args.claim(&[channels, rows.output, columns.output])?;
    // each axis stores a number for each row or column of the kernel; with padding the kernel may be longer than the image, so its memory is claimed too
    args.claim(&[kernel[0]])?;
    args.claim(&[kernel[1]])?;
    for (name, axis) in [("height", &rows), ("width", &columns)] {
        if let Some(at) = (0..axis.output).find(|&at| axis.kernel_range(at).is_empty()) {
            // PyTorch returns −inf for such a window, and its backward pass writes outside the gradient
            let message = format!("window {at} along the {name} lies on padding alone, so it has no maximum");
            return Err(args.fail_for_sizes("dilation", message, "take a smaller dilation or padding"));
        }
    }
    let groups = channels;
    let mut windows = Conv2d::new(channels, channels, groups, rows, columns);
    windows.is_1d = is_1d;
    Ok(windows)
}

/// Returns the shape of a pool's output: channels x height x width.
#[must_use]
pub fn output_shape(windows: &Conv2d) -> [usize; 3] {
    [windows.outputs, windows.rows.len(View::Output), windows.columns.len(View::Output)]
}
