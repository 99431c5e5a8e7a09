//! A table of shape functions for the functions of a graph. A shape function computes the shape of the result, as far as the shapes of the arguments are known,
//! and records what the call implies for these. A function that is not in the table implies nothing, and its result has an unknown shape.

use std::rc::Rc;

use super::arguments::{ImpliedArguments, axis, sizes, tensor};
use super::inference::{Implied, Inference, Likely};
use super::networks::{
    attention, batch_norm, binary_loss, bmm, conv1d, conv2d, cross_entropy, einsum, embedding, gather, group_norm, layer_norm, linear,
    matmul, mse_loss, nll_loss, one_hot,
};
use super::shapes::{Shape, Size};

/// The first name of a function in the registry, and its shape function.
type ShapeRow = (&'static str, fn(&mut Inference, &ImpliedArguments) -> Implied);

#[rustfmt::skip]
const ROWS: &[ShapeRow] = &[
    ("exp", same), ("log", same), ("log1p", same), ("expm1", same), ("sqrt", same), ("rsqrt", same), ("square", same), ("abs", same), ("sin", same),
    ("cos", same), ("tan", same), ("tanh", same), ("sigmoid", same), ("relu", same), ("silu", same), ("reciprocal", same), ("erf", same),
    ("logsigmoid", same), ("sign", same), ("floor", same), ("ceil", same), ("trunc", same), ("softplus", same), ("leaky_relu", same), ("elu", same),
    ("gelu", same), ("clamp", same), ("clamp_min", same), ("clamp_max", same), ("neg", same), ("softmax", same), ("log_softmax", same),
    ("cumsum", same), ("zeros_like", same), ("ones_like", same), ("full_like", same), ("flip", same), ("roll", same), ("tril", same), ("triu", same),
    ("detach", same), ("clone", same), ("float", same), ("normalize", same), ("dropout", same), ("long", same), ("bool", same), ("masked_fill", masked_fill),
    ("add", broadcast_two), ("sub", broadcast_two), ("mul", broadcast_two), ("div", broadcast_two), ("pow", broadcast_two),
    ("maximum", broadcast_two), ("minimum", broadcast_two),
    ("where", broadcast_three),
    ("sum", sum), ("mean", reduce), ("var", moment), ("std", moment), ("prod", reduce), ("logsumexp", reduce), ("amax", reduce), ("amin", reduce),
    ("argmax", reduce), ("argmin", reduce), ("norm", norm), ("max", extreme), ("min", extreme),
    ("matmul", matmul), ("mm", matmul), ("mv", matmul), ("bmm", bmm), ("dot", matmul), ("linear", linear), ("einsum", einsum),
    ("embedding", embedding), ("one_hot", one_hot), ("gather", gather), ("reshape", view), ("view", view), ("flatten", flatten), ("ravel", flatten),
    ("unsqueeze", unsqueeze), ("squeeze", squeeze), ("transpose", transpose), ("swapaxes", transpose), ("t", reverse), ("permute", permute),
    ("stack", stack), ("cat", cat), ("split", split), ("chunk", chunk), ("unbind", unbind), ("zeros", filled), ("ones", filled), ("full", full),
    ("eye", eye), ("arange", arange), ("range", arange), ("tensor", first), ("list", first), ("tuple", first), ("len", length), ("size", size),
    ("item", number), ("int", whole_number), ("numel", whole_number), ("dim", whole_number), ("layer_norm", layer_norm), ("rms_norm", layer_norm),
    ("batch_norm", batch_norm), ("group_norm", group_norm), ("instance_norm", batch_norm), ("conv2d", conv2d), ("conv1d", conv1d),
    ("cross_entropy", cross_entropy), ("nll_loss", nll_loss),
    ("mse_loss", mse_loss), ("l1_loss", mse_loss), ("smooth_l1_loss", mse_loss), ("huber_loss", mse_loss), ("binary_cross_entropy", binary_loss),
    ("binary_cross_entropy_with_logits", binary_loss), ("scaled_dot_product_attention", attention),
];

/// Returns the shape of the result of a function.
pub fn result(inference: &mut Inference, canonical: &str, arguments: &ImpliedArguments) -> Implied {
    match ROWS.iter().find(|(name, _)| *name == canonical) {
        Some((_, shape)) => shape(inference, arguments),
        None => Implied::Unknown,
    }
}

fn number(_: &mut Inference, _: &ImpliedArguments) -> Implied {
    Implied::Number
}

fn whole_number(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    match arguments.get(0) {
        Implied::Integer(n) => Implied::Integer(n),
        Implied::Tensor(shape) if inference.shapes.sizes(shape).is_some_and(|sizes| !sizes.is_empty()) => Implied::Unknown,
        _ => Implied::Number,
    }
}

fn first(_: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    arguments.get(0)
}

fn same(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    Implied::Tensor(inference.any_shape(&arguments.get(0)))
}

fn masked_fill(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    inference.broadcast(&[arguments.get(0), arguments.get(1)], Likely::Any)
}

fn broadcast_two(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    inference.broadcast(&[arguments.get(0), arguments.get(1)], Likely::Any)
}

fn broadcast_three(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    inference.broadcast(&[arguments.get(0), arguments.get(1), arguments.get(2)], Likely::Any)
}

fn reduce(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let [dim, keepdim] = [1, 2].map(|at| arguments.values.get(at).cloned().flatten());
    reduced(inference, &arguments.get(0), dim, keepdim.as_ref())
}

/// In `(y * G).sum()` G is the derivative of a loss by y, so it has the shape of y.
fn sum(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    if let Implied::Tensor(shape) = arguments.get(0) {
        arguments.factors.iter().for_each(|factor| inference.mark_likely(*factor, Likely::Whole(shape)));
    }
    reduce(inference, arguments)
}

/// `x.var(dim, unbiased, keepdim)`: the axes are parameter 1, `keepdim` is parameter 3.
fn moment(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let [dim, keepdim] = [1, 3].map(|at| arguments.values.get(at).cloned().flatten());
    reduced(inference, &arguments.get(0), dim, keepdim.as_ref())
}

/// `x.norm(p, dim, keepdim)`: the axes are parameter 2, `keepdim` is parameter 3.
fn norm(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let [dim, keepdim] = [2, 3].map(|at| arguments.values.get(at).cloned().flatten());
    reduced(inference, &arguments.get(0), dim, keepdim.as_ref())
}

/// Returns the result of a function over axes: `dim` is a number, a list of numbers, or nothing for all axes. `keepdim` is 1 for `True`.
fn reduced(inference: &mut Inference, value: &Implied, dim: Option<Implied>, keepdim: Option<&Implied>) -> Implied {
    let dims = match dim {
        None | Some(Implied::Nothing) => None,
        Some(Implied::Items(items)) => Some(items.to_vec()),
        Some(dim) => Some(vec![dim]),
    };
    let Some(dims) = dims else {
        return if keepdim.is_some() { Implied::Unknown } else { tensor(inference, Vec::new()) };
    };
    let shape = inference.any_shape(value);
    let Some(mut sizes) = inference.shapes.sizes(shape) else { return Implied::Unknown };
    let axes: Option<Vec<usize>> = dims.iter().map(|dim| axis(inference, dim, sizes.len())).collect();
    let Some(mut axes) = axes else { return Implied::Unknown };
    axes.sort_unstable();
    let keeps = match keepdim.map(|value| inference.integer(value)) {
        None => false,
        Some(Some(n)) => n != 0,
        Some(None) => return Implied::Unknown,
    };
    for axis in axes.into_iter().rev() {
        if keeps {
            sizes[axis] = inference.shapes.size(1);
        } else {
            sizes.remove(axis);
        }
    }
    tensor(inference, sizes)
}

/// `max` and `min`: of two tensors if the second argument is not an axis; else over an axis or over all entries.
fn extreme(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let is_axis = inference.integer(&arguments.get(1)).is_some();
    if arguments.has(1) && (arguments.is_bare || !is_axis) {
        return inference.broadcast(&[arguments.get(0), arguments.get(1)], Likely::Any);
    }
    match reduce(inference, arguments) {
        Implied::Tensor(shape) if arguments.has(1) => Implied::Pair(shape),
        result => result,
    }
}

fn view(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let wanted = arguments.starred(inference);
    if wanted.iter().any(|value| matches!(value, Implied::Unknown)) {
        return Implied::Unknown;
    }
    let sizes_after: Vec<Size> = wanted.iter().map(|value| inference.size(value)).collect();
    if let Some(before) = sizes(inference, arguments) {
        inference.products.push([before, sizes_after.clone()]);
        // solved now, so that the next statements can use the sizes
        inference.solve_products();
    }
    tensor(inference, sizes_after)
}

fn flatten(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Some(before) = sizes(inference, arguments) else { return Implied::Unknown };
    let start = if arguments.has(1) { axis(inference, &arguments.get(1), before.len()) } else { Some(0) };
    let end = if arguments.has(2) { axis(inference, &arguments.get(2), before.len()) } else { before.len().checked_sub(1) };
    let (Some(start), Some(end)) = (start, end) else { return Implied::Unknown };
    let middle = inference.shapes.unknown_size();
    let after: Vec<Size> = before[..start].iter().copied().chain([middle]).chain(before[end + 1..].iter().copied()).collect();
    inference.products.push([before[start..=end].to_vec(), vec![middle]]);
    inference.solve_products();
    tensor(inference, after)
}

fn unsqueeze(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Some(mut sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    let Some(axis) = axis(inference, &arguments.get(1), sizes.len() + 1) else { return Implied::Unknown };
    sizes.insert(axis, inference.shapes.size(1));
    tensor(inference, sizes)
}

fn squeeze(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Some(mut sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    let Some(axis) = axis(inference, &arguments.get(1), sizes.len()) else { return Implied::Unknown };
    match inference.shapes.value(sizes[axis]) {
        Some(1) => drop(sizes.remove(axis)),
        Some(_) => {}
        None => return Implied::Unknown,
    }
    tensor(inference, sizes)
}

fn transpose(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let wanted = arguments.starred(inference);
    let [first, second] = &wanted[..] else {
        return if wanted.is_empty() { reverse(inference, arguments) } else { permute(inference, arguments) };
    };
    let Some(mut sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    let (Some(a), Some(b)) = (axis(inference, first, sizes.len()), axis(inference, second, sizes.len())) else { return Implied::Unknown };
    sizes.swap(a, b);
    tensor(inference, sizes)
}

/// `x.T`: the axes in reverse order.
pub fn reverse(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Some(mut sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    sizes.reverse();
    tensor(inference, sizes)
}

fn permute(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let wanted = arguments.starred(inference);
    let Some(sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    let axes: Option<Vec<usize>> = wanted.iter().map(|value| axis(inference, value, sizes.len())).collect();
    match axes {
        Some(axes) if axes.len() == sizes.len() => tensor(inference, axes.into_iter().map(|axis| sizes[axis]).collect()),
        _ => Implied::Unknown,
    }
}

/// Returns the sizes of each tensor of the first argument, and the axis that joins them; `None` if they are not known, or the ranks differ. The result has
/// `new_axes` axes more than each tensor.
fn joined(inference: &mut Inference, arguments: &ImpliedArguments, new_axes: usize) -> Option<(Vec<Vec<Size>>, usize)> {
    let Implied::Items(items) = arguments.get(0) else { return None };
    let shapes: Vec<Shape> = items.iter().map(|item| inference.any_shape(item)).collect();
    let sizes: Vec<Vec<Size>> = shapes.iter().map(|shape| inference.shapes.sizes(*shape)).collect::<Option<_>>()?;
    let rank = sizes.first()?.len();
    let axis = if arguments.has(1) { axis(inference, &arguments.get(1), rank + new_axes)? } else { 0 };
    sizes.iter().all(|other| other.len() == rank).then_some((sizes, axis))
}

fn stack(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Some((all, axis)) = joined(inference, arguments, 1) else { return Implied::Unknown };
    for other in &all[1..] {
        all[0].iter().zip(other).for_each(|(a, b)| inference.shapes.join(*a, *b));
    }
    let mut sizes = all[0].clone();
    sizes.insert(axis, inference.shapes.size(all.len()));
    tensor(inference, sizes)
}

fn cat(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Some((all, axis)) = joined(inference, arguments, 0).filter(|(all, axis)| *axis < all[0].len()) else { return Implied::Unknown };
    let total: Option<usize> = all.iter().map(|sizes| inference.shapes.value(sizes[axis])).sum();
    let mut sizes = all[0].clone();
    for other in &all[1..] {
        sizes.iter().zip(other).enumerate().filter(|(n, _)| *n != axis).for_each(|(_, (a, b))| inference.shapes.join(*a, *b));
    }
    sizes[axis] = inference.shapes.size_or_unknown(total);
    tensor(inference, sizes)
}

/// Returns the pieces into which an axis is cut: the axis that the parameter with the index `axis_at` gives, by default axis 0. `size` maps the size of the
/// axis to that of a piece; `None` if the pieces have different sizes, or their size is not known.
fn pieces(
    inference: &mut Inference,
    arguments: &ImpliedArguments,
    axis_at: usize,
    size: impl Fn(&Inference, Size) -> Option<usize>,
) -> Implied {
    let Some(mut sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    let axis = if arguments.has(axis_at) { axis(inference, &arguments.get(axis_at), sizes.len()) } else { Some(0) };
    let Some(axis) = axis.filter(|axis| *axis < sizes.len()) else { return Implied::Unknown };
    let size = size(inference, sizes[axis]);
    sizes[axis] = inference.shapes.size_or_unknown(size);
    Implied::Pieces(inference.shapes.of(sizes))
}

fn split(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    if arguments.is_numpy {
        // np.split takes the number of pieces, torch.split the size of a piece
        return chunk(inference, arguments);
    }
    let piece = inference.integer(&arguments.get(1)).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    // a bare `split` may be NumPy's or PyTorch's
    pieces(inference, arguments, 2, |inference, size| {
        piece.filter(|piece| inference.shapes.value(size).is_some_and(|n| n % piece == 0 && !arguments.is_bare))
    })
}

fn chunk(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let count = inference.integer(&arguments.get(1)).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    pieces(inference, arguments, 2, |inference, size| {
        count.zip(inference.shapes.value(size)).filter(|(count, n)| n % count == 0).map(|(count, n)| n / count)
    })
}

fn unbind(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Some(mut sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    let axis = if arguments.has(1) { axis(inference, &arguments.get(1), sizes.len()) } else { Some(0) };
    let Some(axis) = axis.filter(|axis| *axis < sizes.len()) else { return Implied::Unknown };
    sizes.remove(axis);
    Implied::Pieces(inference.shapes.of(sizes))
}

fn filled(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let wanted = arguments.starred(inference);
    if wanted.iter().any(|value| matches!(value, Implied::Unknown)) {
        return Implied::Unknown;
    }
    let sizes = wanted.iter().map(|value| inference.size(value)).collect();
    tensor(inference, sizes)
}

fn full(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    match arguments.get(0) {
        Implied::Items(items) => {
            let sizes = items.iter().map(|value| inference.size(value)).collect();
            tensor(inference, sizes)
        }
        _ => Implied::Unknown,
    }
}

fn eye(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let n = inference.size(&arguments.get(0));
    let m = if arguments.has(1) { inference.size(&arguments.get(1)) } else { n };
    tensor(inference, vec![n, m])
}

/// `arange(n)` and `range(n)`: the numbers from 0; with a start or a step, or with keywords, their count is not known.
fn arange(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let sizes: Vec<Size> = arguments.starred_arguments.iter().map(|value| inference.size(value)).collect();
    let has_keywords = arguments.values.iter().any(Option::is_some);
    let count = if let ([count], false) = (&sizes[..], has_keywords) { *count } else { inference.shapes.unknown_size() };
    tensor(inference, vec![count])
}

fn length(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    if let Implied::Items(items) = arguments.get(0) {
        return Implied::Integer(i64::try_from(items.len()).unwrap_or(i64::MAX));
    }
    sizes(inference, arguments).and_then(|sizes| sizes.first().copied()).map_or(Implied::Number, Implied::Size)
}

fn size(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Some(sizes) = sizes(inference, arguments) else { return if arguments.has(1) { Implied::Number } else { Implied::Unknown } };
    if arguments.has(1) {
        return axis(inference, &arguments.get(1), sizes.len()).map_or(Implied::Number, |axis| Implied::Size(sizes[axis]));
    }
    Implied::Items(Rc::new(sizes.into_iter().map(Implied::Size).collect()))
}
