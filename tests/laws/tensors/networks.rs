//! Writes calls of lookups, products, layers and losses, each in PyTorch's spelling and in another one.

use super::writer::{MAX_SIZE, Writer, Written, tuple, written};

pub fn gather(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=3);
    let axis = w.choices.pick(shape.len());
    let size = shape[axis];
    shape[axis] = 2;
    let ix = w.index_constant(&shape, size);
    written(format!("torch.gather({x}, {axis}, {ix})"), format!("np.take_along_axis({x}, {ix}, axis={axis})"), &shape)
}

pub fn select(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=4);
    let axis = w.choices.pick(shape.len());
    let ix = w.index_constant(&[3], shape[axis]);
    shape[axis] = 3;
    written(format!("torch.index_select({x}, {axis}, {ix})"), format!("np.take({x}, {ix}, axis={axis})"), &shape)
}

pub fn embedding(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.ranked(2..=2);
    let rank = 1 + w.choices.pick(2);
    let mut result = w.shape(rank);
    let ix = w.index_constant(&result, shape[0]);
    result.push(shape[1]);
    written(format!("F.embedding({ix}, {x})"), format!("{x}[{ix}]"), &result)
}

pub fn one_hot(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.ranked(2..=2);
    let ix = w.index_constant(&[2], shape[0]);
    written(
        format!("F.one_hot({ix}, {}).double() @ {x}", shape[0]),
        format!("F.one_hot({ix}, num_classes={}) @ {x}", shape[0]),
        &[2, shape[1]],
    )
}

pub fn arange(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let last = *shape.last()?;
    written(format!("{x} * torch.arange({last})"), format!("{x} * np.arange(0, {last}, 1)"), &shape)
}

pub fn filled(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let sizes = tuple(&shape);
    let (torch, numpy) = match name {
        "zeros" | "ones" => (format!("torch.{name}({sizes})"), format!("np.{name}({sizes})")),
        "full" => (format!("torch.full({sizes}, 0.25)"), format!("np.full({sizes}, 0.25)")),
        "full_like" => (format!("torch.full_like({x}, 0.25)"), format!("np.full_like({x}, 0.25)")),
        _ => (format!("torch.{name}({x})"), format!("np.{name}({x})")),
    };
    written(format!("{x} + {torch}"), format!("{x} + {numpy}"), &shape)
}

pub fn eye(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(2..=2);
    written(format!("torch.{name}({}) @ {x}", shape[0]), format!("np.eye({}) @ {x}", shape[0]), &shape)
}

pub fn literal(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    written(format!("{x} * torch.{name}([2, -1])[1]"), format!("{x} * np.array([2, -1])[1]"), &shape)
}

pub fn matmul(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let inner = *shape.last()?;
    if w.choices.one_in(4) {
        let y = w.input(&[inner]);
        return written(format!("{x} @ {y}"), format!("np.matmul({x}, {y})"), &shape[..shape.len() - 1]);
    }
    let columns = 1 + w.choices.pick(MAX_SIZE);
    // the batch axes of y and of the result; y has none if x is a vector, or if the result would have more than two
    let x_batch = &shape[..shape.len().saturating_sub(2)];
    let (mut y_batch, mut result_batch) = w.other_shape(x_batch);
    if result_batch.len() > 2 || shape.len() < 2 {
        (y_batch, result_batch) = (Vec::new(), x_batch.to_vec());
    }
    let y = w.input(&y_batch.into_iter().chain([inner, columns]).collect::<Vec<_>>());
    let rows = shape.len().checked_sub(2).map(|at| shape[at]);
    let result: Vec<usize> = result_batch.into_iter().chain(rows).chain([columns]).collect();
    let torch = if name == "@" { format!("{x} @ {y}") } else { format!("torch.matmul({x}, {y})") };
    written(torch, format!("np.matmul({x}, {y})"), &result)
}

pub fn matmul_of_rank(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let rank = if name == "bmm" { 3 } else { 2 };
    let (x, shape) = w.ranked(rank..=rank);
    let inner = shape[rank - 1];
    let y_shape: Vec<usize> = match name {
        "mv" => vec![inner],
        "mm" => vec![inner, 2],
        _ => vec![shape[0], inner, 2],
    };
    let y = w.input(&y_shape);
    let mut result = shape[..rank - 1].to_vec();
    result.extend((name != "mv").then_some(2));
    written(format!("torch.{name}({x}, {y})"), format!("{x} @ {y}"), &result)
}

pub fn product_of_vectors(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=1);
    if name == "outer" {
        let y = w.input(&[2]);
        return written(format!("torch.outer({x}, {y})"), format!("np.outer({x}, {y})"), &[shape[0], 2]);
    }
    let y = w.input(&shape);
    written(format!("torch.{name}({x}, {y})"), format!("np.dot({x}, {y})"), &[])
}

pub fn linear(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=3);
    let inner = shape.pop()?;
    let (weight, bias) = (w.input(&[2, inner]), w.input(&[2]));
    shape.push(2);
    written(format!("F.linear({x}, {weight}, {bias})"), format!("{x} @ {weight}.T + {bias}"), &shape)
}

pub fn einsum(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.ranked(2..=2);
    let [n, m] = shape[..] else { return None };
    let (equation, operands, result) = match w.choices.pick(6) {
        0 => ("ij->ji", vec![], vec![m, n]),
        1 => ("ij,jk->ik", vec![w.input(&[m, 2])], vec![n, 2]),
        2 => ("ij,ij->i", vec![w.input(&[n, m])], vec![n]),
        3 => ("ij,kj->ki", vec![w.input(&[2, m])], vec![2, n]),
        4 => ("ij,jk,k->i", vec![w.input(&[m, 2]), w.input(&[2])], vec![n]),
        _ => ("ij,b->bij", vec![w.input(&[2])], vec![2, n, m]),
    };
    let all = std::iter::once(x).chain(operands).collect::<Vec<_>>().join(", ");
    written(format!("torch.einsum('{equation}', {all})"), format!("np.einsum('{equation}', {all})"), &result)
}

pub fn conv(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let axes = if name == "conv1d" { 1 } else { 2 };
    let channels = 1 + w.choices.pick(2);
    let (image, kernel): (Vec<usize>, Vec<usize>) = (0..axes).map(|_| (2 + w.choices.pick(3), 1 + w.choices.pick(2))).unzip();
    let padding = w.choices.pick(2);
    let result: Vec<usize> = [1, 2].into_iter().chain(image.iter().zip(&kernel).map(|(n, k)| n + 2 * padding - k + 1)).collect();
    let x = w.input(&[&[1, channels][..], &image].concat());
    let weight = w.input(&[&[2, channels][..], &kernel].concat());
    let bias = w.input(&[2]);
    written(
        format!("F.{name}({x}, {weight}, {bias}, padding={padding})"),
        format!("torch.nn.functional.{name}({x}, {weight}, {bias}, 1, {padding})"),
        &result,
    )
}

pub fn conv_transpose(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let n = 2 + w.choices.pick(2);
    let stride = 1 + w.choices.pick(2);
    let axes = if name.ends_with("1d") { 1 } else { 2 };
    let of_size = |channels: [usize; 2], size: usize| [&channels[..], &vec![size; axes]].concat();
    let (x, weight) = (w.input(&of_size([1, 2], n)), w.input(&of_size([2, 1], 2)));
    let result = of_size([1, 1], (n - 1) * stride + 2);
    written(format!("F.{name}({x}, {weight}, stride={stride})"), format!("{name}({x}, {weight}, None, {stride})"), &result)
}

pub fn pool(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let axes = if name.ends_with("1d") { 1 } else { 2 };
    let image: Vec<usize> = (0..axes).map(|_| 2 + w.choices.pick(3)).collect();
    let x = w.input(&[&[1, 2][..], &image].concat());
    let result: Vec<usize> = [1, 2].into_iter().chain(image.iter().map(|n| n - 1)).collect();
    written(format!("F.{name}({x}, 2, stride=1)"), format!("F.{name}({x}, kernel_size=2, stride=1)"), &result)
}

pub fn layer_norm(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let last = *shape.last()?;
    if last < 2 {
        return None;
    }
    let weight = w.input(&[last]);
    written(format!("F.{name}({x}, ({last},), {weight}, eps=1e-3)"), format!("F.{name}({x}, [{last}], weight={weight}, eps=0.001)"), &shape)
}

pub fn channel_norm(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let shape = [2 + w.choices.pick(2), 2, 1 + w.choices.pick(3)];
    let x = w.input(&shape);
    let (weight, bias) = (w.input(&[2]), w.input(&[2]));
    if name == "group_norm" {
        return written(
            format!("F.group_norm({x}, 1, {weight}, {bias}, eps=1e-3)"),
            format!("F.group_norm({x}, num_groups=1, weight={weight}, bias={bias}, eps=0.001)"),
            &shape,
        );
    }
    if name == "instance_norm" {
        // a channel of one entry has no variance
        if shape[2] < 2 {
            return None;
        }
        return written(
            format!("F.instance_norm({x}, None, None, {weight}, {bias}, eps=1e-3)"),
            format!("F.instance_norm({x}, weight={weight}, bias={bias}, eps=0.001)"),
            &shape,
        );
    }
    written(
        format!("F.batch_norm({x}, None, None, {weight}, {bias}, training=True, eps=1e-3)"),
        format!("F.batch_norm({x}, None, None, weight={weight}, bias={bias}, training=True, eps=0.001)"),
        &shape,
    )
}

pub fn normalize_or_dropout(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    if name == "dropout" {
        let (x, shape) = w.any();
        return written(format!("F.dropout({x}, training=False)"), format!("F.dropout({x}, p=0)"), &shape);
    }
    let (x, shape) = w.ranked(2..=4);
    written(format!("F.normalize({x})"), format!("F.normalize({x}, p=2, dim=1)"), &shape)
}

pub fn attention(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (t, d) = (1 + w.choices.pick(3), 1 + w.choices.pick(2));
    let [q, k, v] = [0; 3].map(|_| w.input(&[2, t, d]));
    let causal = if w.choices.one_in(2) { "True" } else { "False" };
    written(
        format!("F.{name}({q}, {k}, {v}, is_causal={causal})"),
        format!("torch.nn.functional.{name}({q}, {k}, {v}, None, 0.0, {causal})"),
        &[2, t, d],
    )
}

/// Chooses a reduction of a loss, and returns it with the shape of the loss. Without a reduction, the shape is `rows`.
pub fn reduction(w: &mut Writer<'_>, rows: &[usize]) -> (&'static str, Vec<usize>) {
    let reduction = w.choices.choose(&["mean", "sum", "none"]);
    (reduction, if reduction == "none" { rows.to_vec() } else { Vec::new() })
}

pub fn class_loss(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(2..=2);
    let y = w.index_constant(&shape[..1], shape[1]);
    let (reduction, result) = reduction(w, &shape[..1]);
    if name == "nll_loss" {
        let logp = format!("F.log_softmax({x}, dim=1)");
        return written(
            format!("F.nll_loss({logp}, {y}, reduction='{reduction}')"),
            format!("F.nll_loss(input={logp}, target={y}, reduction='{reduction}')"),
            &result,
        );
    }
    let smoothing = w.choices.choose(&["0.0", "0.1"]);
    written(
        format!("F.cross_entropy({x}, {y}, reduction='{reduction}', label_smoothing={smoothing})"),
        format!("cross_entropy({x}, target={y}, label_smoothing={smoothing}, reduction='{reduction}')"),
        &result,
    )
}

pub fn distance_loss(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let y = w.input(&shape);
    let (reduction, result) = reduction(w, &shape);
    written(
        format!("F.{name}({x}, {y}, reduction='{reduction}')"),
        format!("{name}(input={x}, target={y}, reduction='{reduction}')"),
        &result,
    )
}

pub fn binary_loss(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let t = w.input(&shape);
    let (reduction, result) = reduction(w, &shape);
    let input = if name.ends_with("logits") { x } else { format!("torch.sigmoid({x})") };
    written(
        format!("F.{name}({input}, torch.sigmoid({t}), reduction='{reduction}')"),
        format!("{name}({input}, target=torch.sigmoid({t}), reduction='{reduction}')"),
        &result,
    )
}

pub fn to_whole_numbers(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let torch = if name == "round" { format!("torch.round({x})") } else { format!("{x}.{name}()") };
    let numpy = if name == "round" { format!("{x}.round()") } else { torch.clone() };
    written(format!("{x} * {torch}"), format!("{x} * {numpy}"), &shape)
}

pub fn sizes(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let torch = match name {
        "len" => format!("len({x})"),
        "size" => format!("{x}.size(0)"),
        _ => format!("{x}.{name}()"),
    };
    let number = match name {
        "len" | "size" => shape[0],
        "dim" | "ndimension" => shape.len(),
        _ => shape.iter().product(),
    };
    written(format!("{x} / {torch}"), format!("{x} / {number}"), &shape)
}
