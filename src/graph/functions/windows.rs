//! Convolutions and pools, called from a graph. A convolution of a batch is one convolution for each example. A pool of a batch is one pool of an image that
//! has the channels of all examples.

use crate::graph::arithmetic;
use crate::graph::call::{Call, FunctionRow};
use crate::graph::index;
use crate::graph::reader::GraphReader;
use crate::graph::value::{TensorId, Value};
use crate::op::avg_pool2d::pool_function as avg_pool;
use crate::op::axis::{Axis, Misfit, Rounding};
use crate::op::conv_transpose2d::transposed_function;
use crate::op::conv2d::{Conv2d, convolution_function};
use crate::op::layer::Reported;
use crate::op::max_pool2d::MaxPool2d;
use crate::op::operator::Operator;
use crate::text::counted;
use std::sync::Arc;

use super::join::stacked;
use super::shape::viewed;

/// The functions of this file, with their names and parameters.
pub const ROWS: &[FunctionRow] = &[
    FunctionRow { names: &["conv2d"], parameters: CONVOLUTION, build: |reader, call| conv(reader, call, 2, false) },
    FunctionRow { names: &["conv1d"], parameters: CONVOLUTION, build: |reader, call| conv(reader, call, 1, false) },
    FunctionRow { names: &["conv_transpose2d"], parameters: TRANSPOSED, build: |reader, call| conv(reader, call, 2, true) },
    FunctionRow { names: &["conv_transpose1d"], parameters: TRANSPOSED, build: |reader, call| conv(reader, call, 1, true) },
    FunctionRow { names: &["max_pool2d"], parameters: MAX_POOL, build: |reader, call| pool(reader, call, 2, true) },
    FunctionRow { names: &["max_pool1d"], parameters: MAX_POOL, build: |reader, call| pool(reader, call, 1, true) },
    FunctionRow { names: &["avg_pool2d"], parameters: AVG_POOL, build: |reader, call| pool(reader, call, 2, false) },
    FunctionRow { names: &["avg_pool1d"], parameters: AVG_POOL, build: |reader, call| pool(reader, call, 1, false) },
];

const CONVOLUTION: &[&str] = &["input", "weight", "bias", "stride", "padding", "dilation", "groups"];
const TRANSPOSED: &[&str] = &["input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"];
const MAX_POOL: &[&str] = &["input", "kernel_size", "stride", "padding", "dilation", "ceil_mode"];
const AVG_POOL: &[&str] = &["input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"];

/// Reads a size for rows and columns. One number is used for both. In a one-dimensional call, the size of the rows is `rows`.
fn pair(
    reader: &mut GraphReader<'_, '_>,
    call: &Call,
    at: usize,
    default: [usize; 2],
    (is_1d, rows): (bool, usize),
) -> Result<[usize; 2], Reported> {
    let Some((value, span)) = call.get(at).map(|(value, span)| (value.clone(), span.clone())) else { return Ok(default) };
    let items = value.items().unwrap_or_else(|| vec![value]);
    let sizes: Vec<usize> = items.iter().map(|item| arithmetic::size(reader, item, "a size", &span)).collect::<Result<_, _>>()?;
    match (&sizes[..], is_1d) {
        ([n], true) => Ok([rows, *n]),
        ([n], false) => Ok([*n, *n]),
        ([a, b], false) => Ok([*a, *b]),
        _ => Err(reader.fail(&span, "one number is needed here, or one for the rows and one for the columns", "")),
    }
}

/// Checks sizes that must be at least 1.
fn check_positive(reader: &mut GraphReader<'_, '_>, call: &Call, sizes: &[(&str, [usize; 2])]) -> Result<(), Reported> {
    match sizes.iter().find(|(_, pair)| pair.contains(&0)) {
        Some((what, _)) => Err(reader.fail(&call.span, format!("{what} must be at least 1"), "")),
        None => Ok(()),
    }
}

/// The images of a call: a batch of examples of channels x height x width.
struct Images {
    id: TensorId,
    /// The number of examples; `None` for a single one, without an axis for the examples.
    batch: Option<usize>,
    channels: usize,
    /// The height and the width.
    size: [usize; 2],
    /// `true` if the call is one-dimensional: the images have one row.
    is_1d: bool,
}

/// Reads the input of a call. A one-dimensional input becomes images with one row.
fn images(reader: &mut GraphReader<'_, '_>, call: &Call, dimensions: usize) -> Result<Images, Reported> {
    let id = call.tensor(reader, 0)?;
    let is_1d = dimensions == 1;
    let shape = reader.shape(id).to_vec();
    let wanted = if is_1d { 2 } else { 3 };
    let (batch, image_shape) = match shape.len() {
        rank if rank == wanted => (None, &shape[..]),
        rank if rank == wanted + 1 => (Some(shape[0]), &shape[1..]),
        _ => {
            let axes = if is_1d { "channels x length" } else { "channels x height x width" };
            let message = format!("{} is not an input of {}", reader.describe(id), call.name);
            return Err(reader.fail(
                &call.span,
                message,
                format!("the input is {axes}, with an axis for the examples before it if there are several"),
            ));
        }
    };
    let channels = image_shape[0];
    let size = if is_1d { [1, image_shape[1]] } else { [image_shape[1], image_shape[2]] };
    Ok(Images { id, batch, channels, size, is_1d })
}

/// The padding of a convolution, from its size or from `"same"` and `"valid"`.
fn padding(
    reader: &mut GraphReader<'_, '_>,
    call: &Call,
    kernel: [usize; 2],
    dilation: [usize; 2],
    is_1d: bool,
) -> Result<[[usize; 2]; 2], Reported> {
    if let Some((Value::Text(text), span)) = call.get(4) {
        let span = span.clone();
        match text.as_str() {
            "valid" => return Ok([[0; 2]; 2]),
            "same" if pair(reader, call, 3, [1, 1], (is_1d, 1))? != [1, 1] => {
                return Err(reader.fail(&span, "\"same\" padding needs the stride 1, as in PyTorch", "give the padding as a number"));
            }
            "same" => {
                // each axis is padded by dilation · (kernel − 1) places; of an odd number, the larger half is after the input
                let totals = [0, 1].map(|axis| dilation[axis].saturating_mul(kernel[axis] - 1));
                return Ok(totals.map(|n| [n / 2, n - n / 2]));
            }
            _ => return Err(reader.fail(&span, "padding is a number, \"same\" or \"valid\"", "")),
        }
    }
    equal_padding(reader, call, 4, is_1d)
}

/// The padding that this parameter gives. It is the same before and after the input.
fn equal_padding(reader: &mut GraphReader<'_, '_>, call: &Call, at: usize, is_1d: bool) -> Result<[[usize; 2]; 2], Reported> {
    let both = pair(reader, call, at, [0, 0], (is_1d, 0))?;
    Ok(both.map(|n| [n, n]))
}

fn misfit(reader: &mut GraphReader<'_, '_>, call: &Call, Misfit { key, why }: Misfit) -> Reported {
    reader.fail(&call.span, format!("the window does not fit the input: {why}"), format!("take a smaller {key}"))
}

/// Makes a convolution, or a transposed one, of images with one or two dimensions.
fn conv(reader: &mut GraphReader<'_, '_>, call: &Call, dimensions: usize, is_transposed: bool) -> Result<Value, Reported> {
    let weight_axes = if is_transposed {
        "the weight is in x out/groups x height x width, as in PyTorch"
    } else {
        "the weight is out x in/groups x height x width, as in PyTorch"
    };
    let images = images(reader, call, dimensions)?;
    let span = &call.span;
    let mut weight = call.tensor(reader, 1)?;
    let mut shape = reader.shape(weight).to_vec();
    if images.is_1d && shape.len() == 3 {
        shape.insert(2, 1);
        weight = viewed(reader, weight, &shape, span)?;
    }
    let [first, second, height, width] = shape[..] else {
        let message = format!("{} is not a weight of {}", reader.describe(weight), call.name);
        return Err(reader.fail(span, message, weight_axes));
    };
    let (groups_at, dilation_at) = if is_transposed { (6, 7) } else { (6, 5) };
    let one_row = (images.is_1d, 1);
    let stride = pair(reader, call, 3, [1, 1], one_row)?;
    let dilation = pair(reader, call, dilation_at, [1, 1], one_row)?;
    check_positive(reader, call, &[("the stride", stride), ("the dilation", dilation), ("the kernel", [height, width])])?;
    let padding = padding(reader, call, [height, width], dilation, images.is_1d)?;
    let groups = call.integer(reader, groups_at)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
    let (inputs, outputs) = if is_transposed { (first, second.saturating_mul(groups)) } else { (second.saturating_mul(groups), first) };
    if groups == 0 || inputs != images.channels || !outputs.is_multiple_of(groups) {
        let message = format!(
            "{} has {}, but the weight {} is for {inputs}",
            reader.describe(images.id),
            counted(images.channels, "channel"),
            reader.describe(weight)
        );
        return Err(reader.fail(span, message, weight_axes));
    }
    let output_padding = if is_transposed { pair(reader, call, 5, [0, 0], (images.is_1d, 0))? } else { [0, 0] };
    let axis = |i: usize| {
        let (len, kernel) = (images.size[i], [height, width][i]);
        if is_transposed {
            Axis::transposed_convolution(len, kernel, stride[i], padding[i][0], dilation[i], output_padding[i])
        } else {
            Axis::new(len, kernel, stride[i], padding[i], dilation[i])
        }
    };
    let (rows, columns) = (axis(0).map_err(|why| misfit(reader, call, why))?, axis(1).map_err(|why| misfit(reader, call, why))?);
    // of an axis, a convolution computes `output` positions, and a transposed convolution `input` positions
    reader.claim_tensor(&[outputs, rows.output.max(rows.input), columns.output.max(columns.input)], span)?;
    let function = if is_transposed {
        transposed_function(Conv2d::new(outputs, inputs, groups, rows, columns))
    } else {
        convolution_function(Conv2d::new(inputs, outputs, groups, rows, columns))
    };
    let image_shape = [images.channels, images.size[0], images.size[1]];
    let mut results = Vec::new();
    for example in 0..images.batch.unwrap_or(1) {
        let mut image = images.id;
        if images.batch.is_some() {
            image = index::select(reader, image, &[(Value::size(example), span.clone())], span)?;
        }
        if images.is_1d {
            image = viewed(reader, image, &image_shape, span)?;
        }
        results.push(reader.emit(Arc::clone(&function), &[image, weight], span)?);
    }
    let mut result = if images.batch.is_some() { stacked(reader, &results, 0, span)? } else { results[0] };
    if images.is_1d {
        let mut shape = reader.shape(result).to_vec();
        shape.remove(shape.len() - 2);
        result = viewed(reader, result, &shape, span)?;
    }
    let Some((bias, bias_span)) = call.get(2).map(|(value, span)| (value.clone(), span.clone())) else { return Ok(Value::Tensor(result)) };
    let bias = reader.tensor(&bias, &bias_span)?;
    let wide = if images.is_1d { vec![outputs, 1] } else { vec![outputs, 1, 1] };
    if reader.shape(bias) != [outputs] {
        let message = format!("the bias {} must have one number for each of the {outputs} output channels", reader.describe(bias));
        return Err(reader.fail(&bias_span, message, ""));
    }
    let bias = viewed(reader, bias, &wide, span)?;
    reader.elementwise(Operator::Add, &[Value::Tensor(result), Value::Tensor(bias)], span).map(Value::Tensor)
}

/// Makes a max pool, or an average pool, of images with one or two dimensions.
fn pool(reader: &mut GraphReader<'_, '_>, call: &Call, dimensions: usize, is_max: bool) -> Result<Value, Reported> {
    let images = images(reader, call, dimensions)?;
    let span = &call.span;
    let one_row = (images.is_1d, 1);
    call.required(reader, 1)?;
    let kernel = pair(reader, call, 1, [1, 1], one_row)?;
    let stride = pair(reader, call, 2, kernel, one_row)?;
    let dilation = if is_max { pair(reader, call, 4, [1, 1], one_row)? } else { [1, 1] };
    check_positive(reader, call, &[("the stride", stride), ("the dilation", dilation), ("the kernel", kernel)])?;
    let padding = equal_padding(reader, call, 3, images.is_1d)?;
    let rounding = if call.flag(reader, if is_max { 5 } else { 4 }, false)? { Rounding::Up } else { Rounding::Down };
    if (0..2).any(|i| padding[i].iter().any(|side| *side > kernel[i] / 2)) {
        return Err(reader.fail(span, "the padding is larger than half of the kernel", "take a smaller padding"));
    }
    let axis = |i: usize| Axis::rounded(images.size[i], kernel[i], stride[i], padding[i], dilation[i], rounding);
    let (rows, columns) = (axis(0).map_err(|why| misfit(reader, call, why))?, axis(1).map_err(|why| misfit(reader, call, why))?);
    let is_empty = |axis: &Axis| (0..axis.output).any(|at| axis.kernel_range(at).is_empty());
    if is_empty(&rows) || is_empty(&columns) {
        return Err(reader.fail(span, "a window lies on padding alone", "take a smaller dilation or padding"));
    }
    let channels = images.channels * images.batch.unwrap_or(1);
    let size = [rows.output, columns.output];
    reader.claim_tensor(&[channels, size[0], size[1]], span)?;
    let windows = Conv2d::new(channels, channels, channels, rows, columns);
    let image = viewed(reader, images.id, &[channels, images.size[0], images.size[1]], span)?;
    let function = if is_max {
        Arc::new(MaxPool2d::new(windows))
    } else {
        let count_include_pad = call.flag(reader, 5, true)?;
        avg_pool(windows, count_include_pad)
    };
    let pooled = reader.emit(function, &[image], span)?;
    let mut shape: Vec<usize> = images.batch.into_iter().collect();
    shape.push(images.channels);
    shape.extend(if images.is_1d { &size[1..] } else { &size[..] });
    viewed(reader, pooled, &shape, span).map(Value::Tensor)
}
