//! Writes random layers that slide a window over an image.

use super::writer::{Writer, divisors};

/// The channels, the height and the width of an image.
pub fn image(shape: &[usize]) -> Option<[usize; 3]> {
    match *shape {
        [h, w] => Some([1, h, w]),
        [c, h, w] => Some([c, h, w]),
        _ => None,
    }
}

/// Divides padding between both ends of an axis, the smaller half first.
fn halves(padding: usize) -> [usize; 2] {
    [padding / 2, padding - padding / 2]
}

/// Chooses a padding of less than `limit` on each side. Returns the padding of both axes, and the value of the key. For `"same"`, whose padding depends on the
/// kernel, the padding of both axes is 0 here.
fn padding(writer: &mut Writer<'_>, limit: usize) -> ([[usize; 2]; 2], String) {
    match writer.choices.pick(6) {
        0 => ([[0; 2]; 2], "\"same\"".to_owned()),
        1 => ([[0; 2]; 2], "\"valid\"".to_owned()),
        2 | 3 => {
            let [[top, bottom], [left, right]] = [writer.two(0, limit), writer.two(0, limit)];
            ([[top, bottom], [left, right]], format!("[{top}, {bottom}, {left}, {right}]"))
        }
        _ => {
            let [rows, columns] = writer.two(0, limit);
            ([[rows, rows], [columns, columns]], if rows == columns { rows.to_string() } else { format!("[{rows}, {columns}]") })
        }
    }
}

pub fn conv2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    let sizes = [height, width];
    let (mut kernel, mut stride, mut dilation) = (writer.two(1, 3), writer.two(1, 3), writer.two(1, 2));
    let (mut padding, key) = padding(writer, 3);
    if key == "\"same\"" {
        stride = [1, 1];
        padding = [0, 1].map(|i| halves((kernel[i] - 1) * dilation[i]));
    }
    let padded = [0, 1].map(|i| sizes[i] + padding[i][0] + padding[i][1]);
    // the kernel must fit into the padded image
    for i in 0..2 {
        kernel[i] = kernel[i].min(padded[i]);
        if (kernel[i] - 1) * dilation[i] + 1 > padded[i] {
            dilation[i] = 1;
        }
    }
    let groups = writer.choices.choose(&divisors(channels));
    let outputs = groups * (1 + writer.choices.pick(2)) + if groups == 1 { writer.choices.pick(4) } else { 0 };
    writer.begin("conv2d");
    writer.tensor("weight", &[outputs, channels / groups, kernel[0], kernel[1]]);
    writer.pair("stride", stride);
    writer.line("padding", &key);
    writer.pair("dilation", dilation);
    writer.line("groups", &groups.to_string());
    if writer.choices.pick(3) > 0 {
        writer.tensor("bias", &[outputs]);
    }
    writer.activate();
    let out = |i: usize| (padded[i] - (kernel[i] - 1) * dilation[i] - 1) / stride[i] + 1;
    Some(vec![outputs, out(0), out(1)])
}

/// Writes a pool, and returns the shape of its output.
fn pool(writer: &mut Writer<'_>, kind: &str, shape: &[usize], dilates: bool) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    let sizes = [height, width];
    let (mut kernel, stride) = (writer.two(1, 3), writer.two(1, 3));
    let (mut padding, mut key) = padding(writer, 2);
    let mut dilation = if dilates { writer.two(1, 2) } else { [1, 1] };
    for i in 0..2 {
        kernel[i] = kernel[i].min(sizes[i]);
    }
    // "same" needs the stride 1, and any padding must be at most half of the kernel; otherwise the pool has no padding
    if key == "\"same\"" && stride == [1, 1] {
        dilation = [1, 1];
        padding = kernel.map(|kernel| halves(kernel - 1));
    } else if padding.iter().flatten().zip([kernel[0], kernel[0], kernel[1], kernel[1]]).any(|(side, kernel)| *side > kernel / 2)
        || key == "\"same\""
    {
        (padding, key) = ([[0; 2]; 2], "0".to_owned());
    }
    let rounds_up = writer.choices.pick(2) == 1;
    let out = |i: usize, dilation: [usize; 2]| {
        let padded = sizes[i] + padding[i][0] + padding[i][1] + if rounds_up { stride[i] - 1 } else { 0 };
        let count = padded.checked_sub((kernel[i] - 1) * dilation[i] + 1)? / stride[i] + 1;
        // when the count is rounded up, a last window that begins in the padding after the image is left out
        Some(if rounds_up && (count - 1) * stride[i] >= sizes[i] + padding[i][0] { count - 1 } else { count })
    };
    for i in 0..2 {
        // with dilation, all entries of a window may lie on padding. Such a dilation, and one that does not fit, becomes 1
        let covers_a_pixel = |o: usize| {
            (0..kernel[i]).any(|k| (o * stride[i] + k * dilation[i]).checked_sub(padding[i][0]).is_some_and(|place| place < sizes[i]))
        };
        if !out(i, dilation).is_some_and(|n| (0..n).all(covers_a_pixel)) {
            dilation[i] = 1;
        }
    }
    writer.begin(kind);
    writer.pair("kernel_size", kernel);
    writer.pair("stride", stride);
    writer.line("padding", &key);
    if dilates {
        writer.pair("dilation", dilation);
    }
    if rounds_up {
        writer.line("ceil_mode", "true");
    }
    writer.last_activation = None;
    Some(vec![channels, out(0, dilation)?, out(1, dilation)?])
}

pub fn max_pool2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    pool(writer, "max_pool2d", shape, true)
}

pub fn avg_pool2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let shape = pool(writer, "avg_pool2d", shape, false)?;
    if writer.choices.pick(2) == 1 {
        let include = writer.choices.choose(&["false", "true"]);
        writer.line("count_include_pad", include);
    }
    Some(shape)
}

pub fn global_avg_pool2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, ..] = image(shape)?;
    writer.begin("global_avg_pool2d");
    writer.last_activation = None;
    Some(vec![channels, 1, 1])
}

pub fn conv_transpose2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    let sizes = [height, width];
    if height * width > 64 {
        return None;
    }
    let (kernel, stride, mut padding, dilation) = (writer.two(1, 3), writer.two(1, 3), writer.two(0, 2), writer.two(1, 2));
    let mut output_padding = writer.two(0, 3);
    // the size of the output before `padding` is cut off at both ends
    let uncut = |i: usize, output_padding: [usize; 2]| (sizes[i] - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 + output_padding[i];
    for i in 0..2 {
        output_padding[i] = output_padding[i].min(stride[i].max(dilation[i]) - 1);
        // at least one entry is left
        padding[i] = padding[i].min((uncut(i, output_padding) - 1) / 2);
    }
    let groups = writer.choices.choose(&divisors(channels));
    let outputs = groups * (1 + writer.choices.pick(2));
    writer.begin("conv_transpose2d");
    writer.tensor("weight", &[channels, outputs / groups, kernel[0], kernel[1]]);
    writer.pair("stride", stride);
    writer.pair("padding", padding);
    writer.pair("output_padding", output_padding);
    writer.pair("dilation", dilation);
    writer.line("groups", &groups.to_string());
    if writer.choices.pick(3) > 0 {
        writer.tensor("bias", &[outputs]);
    }
    writer.activate();
    Some(vec![outputs, uncut(0, output_padding) - 2 * padding[0], uncut(1, output_padding) - 2 * padding[1]])
}

pub fn adaptive_avg_pool2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, ..] = image(shape)?;
    let [rows, columns] = writer.two(1, 4);
    writer.begin("adaptive_avg_pool2d");
    writer.pair("output_size", [rows, columns]);
    writer.last_activation = None;
    Some(vec![channels, rows, columns])
}

pub fn upsample(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    let [down, across] = writer.two(1, 3);
    if height * down > 9 || width * across > 9 {
        return None;
    }
    writer.begin("upsample");
    writer.pair("scale_factor", [down, across]);
    let mode = writer.choices.choose(&["", "\"nearest\"", "\"bilinear\"", "\"bilinear\""]);
    if !mode.is_empty() {
        writer.line("mode", mode);
    }
    writer.last_activation = None;
    Some(vec![channels, height * down, width * across])
}
