//! Writes calls of elementwise functions, of functions over axes and of functions that change the shape. Each call is written in two spellings: PyTorch's, and
//! another one, mostly NumPy's.

use super::writer::{MAX_SIZE, Writer, Written, tuple, written};

pub fn unary(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let other_spelling = if w.choices.one_in(2) { format!("{x}.{name}()") } else { format!("np.{name}({x})") };
    written(format!("torch.{name}({x})"), other_spelling, &shape)
}

/// Calls a function with an argument between −1 and 1.
pub fn of_bounded(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    written(format!("torch.{name}(torch.tanh({x}))"), format!("np.tanh({x}).{name}()"), &shape)
}

/// Calls a function with an argument of at least 0.5.
pub fn of_positive(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    written(format!("torch.{name}({x} * {x} + 0.5)"), format!("{name}({x} * {x} + 0.5)"), &shape)
}

pub fn binary(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let (y_shape, result) = w.other_shape(&shape);
    let y = w.input(&y_shape);
    let (a, b) = if w.choices.one_in(2) { (y, x) } else { (x, y) };
    let b = if matches!(name, "/" | "div" | "divide" | "true_divide") { format!("({b} * {b} + 0.5)") } else { b };
    // an operator
    if name.len() == 1 {
        return written(format!("{a} {name} {b}"), format!("({a}) {name} ({b})"), &result);
    }
    written(format!("torch.{name}({a}, {b})"), format!("np.{name}({a}, {b})"), &result)
}

pub fn power(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    if name == "**" || w.choices.one_in(2) {
        let exponent = w.choices.choose(&["2", "3", "1", "0"]);
        return written(format!("{x}**{exponent}"), format!("np.power({x}, {exponent})"), &shape);
    }
    let (y_shape, result) = w.other_shape(&shape);
    let y = w.input(&y_shape);
    written(format!("torch.{name}({x} * {x} + 0.5, {y})"), format!("({x} * {x} + 0.5)**{y}"), &result)
}

pub fn clamp(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let [torch, numpy] = match name {
        "clamp_min" => ["min=-0.4", "-0.4"],
        "clamp_max" => ["max=0.3", "0.3"],
        _ => ["min=-0.4, max=0.3", "-0.4, 0.3"],
    };
    written(format!("torch.{name}({x}, {torch})"), format!("{x}.{name}({numpy})"), &shape)
}

pub fn choice(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let (y_shape, result) = w.other_shape(&shape);
    let y = w.input(&y_shape);
    // NumPy's spelling has the intersection of two masks; x == x is true
    let comparison = w.choices.choose(&["<", "<=", ">", ">=", "==", "!="]);
    written(
        format!("torch.where({x} {comparison} {y}, {x}, {y})"),
        format!("np.where(({x} {comparison} {y}) & ({x} == {x}), {x}, {y})"),
        &result,
    )
}

pub fn masked_fill(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    written(format!("{x}.{name}({x} > 0.2, 0.7)"), format!("np.where({x} > 0.2, 0.7, {x})"), &shape)
}

/// Chooses the axes that a function reduces: one axis or, with `may_be_several`, also two or all of them. Returns the arguments after the tensor, in both
/// spellings, and the shape of the result. Returns `None` if fewer than `min_reduced` entries would be reduced to one, and for a scalar if one axis is wanted.
pub fn axes(w: &mut Writer<'_>, shape: &[usize], may_be_several: bool, min_reduced: usize) -> Option<([String; 2], Vec<usize>)> {
    let rank = shape.len();
    if rank == 0 || may_be_several && w.choices.one_in(4) {
        return (shape.iter().product::<usize>() >= min_reduced && may_be_several).then(|| ([String::new(), String::new()], Vec::new()));
    }
    let (axis, text) = w.axis(rank);
    let second = (may_be_several && rank > 1 && w.choices.one_in(3)).then(|| (axis + 1) % rank);
    let text = second.map_or(text.clone(), |second| format!("({text}, {second})"));
    let reduced: Vec<usize> = [Some(axis), second].into_iter().flatten().collect();
    if reduced.iter().map(|axis| shape[*axis]).product::<usize>() < min_reduced {
        return None;
    }
    let keeps = w.choices.one_in(3);
    let result = shape.iter().enumerate().filter(|(n, _)| keeps || !reduced.contains(n));
    let result = result.map(|(n, size)| if reduced.contains(&n) { 1 } else { *size }).collect();
    let both = if keeps {
        [format!(", dim={text}, keepdim=True"), format!(", axis={text}, keepdims=True")]
    } else {
        [format!(", dim={text}"), format!(", axis={text}")]
    };
    Some((both, result))
}

pub fn reduce(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let is_single = matches!(name, "max" | "min" | "argmax" | "argmin" | "prod");
    let ([torch, numpy], result) = axes(w, &shape, !is_single, 1)?;
    // both spellings are PyTorch's: np.max has another derivative for ties. torch.max(x, dim) is a pair of the values and their indices
    if matches!(name, "max" | "min") {
        return written(format!("torch.{name}({x}{torch}).values"), format!("{x}.{name}({})[0]", torch.trim_start_matches(", ")), &result);
    }
    written(format!("torch.{name}({x}{torch})"), format!("np.{name}({x}{numpy})"), &result)
}

/// Calls a function whose axis must be given.
pub fn reduce_torch(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let ([torch, _], result) = axes(w, &shape, true, 1).filter(|([torch, _], _)| !torch.is_empty())?;
    written(format!("torch.{name}({x}{torch})"), format!("{x}.{name}({})", torch.trim_start_matches(", ")), &result)
}

pub fn variance_or_deviation(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let ([torch, numpy], result) = axes(w, &shape, true, 2)?;
    // by default, PyTorch divides by n − 1, and NumPy by n
    let [torch, numpy] = if w.choices.one_in(2) { [format!("{torch}, correction=0"), numpy] } else { [torch, format!("{numpy}, ddof=1")] };
    written(format!("torch.{name}({x}{torch})"), format!("np.{name}({x}{numpy})"), &result)
}

pub fn norm(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let ([torch, numpy], result) = axes(w, &shape, true, 1)?;
    let p = w.choices.choose(&["2", "1", "3"]);
    written(format!("torch.{name}({x}, {p}{torch})"), format!("np.linalg.{name}({x}, {p}{numpy})"), &result)
}

pub fn along_axis(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let (_, axis) = w.axis(shape.len());
    written(format!("torch.{name}({x}, dim={axis})"), format!("{x}.{name}({axis})"), &shape)
}

pub fn reshape(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let count: usize = shape.iter().product();
    match name {
        "flatten" | "ravel" => written(format!("torch.{name}({x})"), format!("{x}.reshape(-1)"), &[count]),
        "view_as" | "reshape_as" => {
            let y = w.input(&[1, count]);
            written(format!("{x}.{name}({y})"), format!("{x}.view(1, {count})"), &[1, count])
        }
        _ => {
            let rows = if count.is_multiple_of(2) { 2 } else { 1 };
            written(format!("{x}.{name}({rows}, -1)"), format!("np.reshape({x}, ({rows}, {}))", count / rows), &[rows, count / rows])
        }
    }
}

pub fn unsqueeze(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(0..=3);
    let (axis, text) = w.axis(shape.len() + 1);
    shape.insert(axis, 1);
    let colons = ":, ".repeat(axis);
    written(
        format!("torch.{name}({x}, {text})"),
        if shape.len() == 1 { format!("{x}[None]") } else { format!("{x}[{colons}None]") },
        &shape,
    )
}

pub fn squeeze(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=4);
    let axis = shape.iter().position(|n| *n == 1)?;
    shape.remove(axis);
    written(format!("torch.squeeze({x}, {axis})"), format!("np.squeeze({x}, axis={axis})"), &shape)
}

pub fn transpose(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(2..=4);
    let ((a, first), (b, second)) = (w.axis(shape.len()), w.axis(shape.len()));
    if matches!(name, "moveaxis" | "movedim") {
        let size = shape.remove(a);
        shape.insert(b, size);
        return written(format!("torch.{name}({x}, {first}, {second})"), format!("np.moveaxis({x}, {a}, {b})"), &shape);
    }
    shape.swap(a, b);
    written(format!("torch.{name}({x}, {first}, {second})"), format!("np.swapaxes({x}, {a}, {b})"), &shape)
}

pub fn permute(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let mut axes: Vec<usize> = (0..shape.len()).collect();
    let turn = w.choices.pick(axes.len());
    axes.rotate_left(turn);
    if w.choices.one_in(2) {
        axes.reverse();
    }
    let text = axes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let shape: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
    written(format!("{x}.permute({text})"), format!("np.transpose({x}, ({text},))"), &shape)
}

pub fn transpose_matrix(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.ranked(2..=2);
    written(format!("{x}.t()"), format!("{x}.T"), &[shape[1], shape[0]])
}

pub fn expand(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    // new axes at the front, up to rank 4
    let new_axes = w.choices.pick(5usize.saturating_sub(shape.len()).max(1));
    let mut result = w.shape(new_axes);
    for size in &shape {
        result.push(if *size == 1 { 1 + w.choices.pick(MAX_SIZE) } else { *size });
    }
    if name == "expand_as" {
        let y = w.input(&result);
        return written(format!("{x}.expand_as({y})"), format!("np.broadcast_to({x}, {y}.shape)"), &result);
    }
    if result.is_empty() {
        return None;
    }
    written(format!("{x}.{name}({})", tuple(&result)), format!("np.broadcast_to({x}, {})", tuple(&result)), &result)
}

pub fn repeat(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=3);
    let counts: Vec<usize> = shape.iter().map(|_| 1 + w.choices.pick(2)).collect();
    let result: Vec<usize> = shape.iter().zip(&counts).map(|(n, count)| n * count).collect();
    written(format!("{x}.repeat({})", tuple(&counts)), format!("np.tile({x}, {})", tuple(&counts)), &result)
}

pub fn repeat_entries(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=3);
    let (axis, text) = w.axis(shape.len());
    shape[axis] *= 2;
    written(format!("torch.repeat_interleave({x}, 2, dim={text})"), format!("np.repeat({x}, 2, axis={text})"), &shape)
}

pub fn join(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=3);
    if matches!(name, "hstack" | "vstack") {
        let y = w.input(&shape.clone());
        let (axis, result) = match (name, shape.len()) {
            ("vstack", 1) => (None, vec![2, shape[0]]),
            ("vstack", _) | ("hstack", 1) => (Some(0), shape.clone()),
            _ => (Some(1), shape.clone()),
        };
        let mut result = result;
        if let Some(axis) = axis {
            result[axis] *= 2;
        }
        let numpy = axis.map_or(format!("np.stack([{x}, {y}])"), |axis| format!("np.concatenate([{x}, {y}], axis={axis})"));
        return written(format!("torch.{name}([{x}, {y}])"), numpy, &result);
    }
    if name == "stack" {
        let y = w.input(&shape.clone());
        let (axis, text) = w.axis(shape.len() + 1);
        shape.insert(axis, 2);
        return written(format!("torch.stack([{x}, {y}], dim={text})"), format!("np.stack(({x}, {y}), axis={text})"), &shape);
    }
    let (axis, text) = w.axis(shape.len());
    let mut y_shape = shape.clone();
    y_shape[axis] = 1 + w.choices.pick(MAX_SIZE);
    let y = w.input(&y_shape);
    shape[axis] += y_shape[axis];
    written(format!("torch.{name}([{x}, {y}], dim={text})"), format!("np.concatenate(({x}, {y}), axis={text})"), &shape)
}

pub fn split(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=4);
    let (axis, text) = w.axis(shape.len());
    let size = shape[axis];
    let colons = ":, ".repeat(axis);
    if name == "unbind" {
        let at = w.choices.pick(size);
        shape.remove(axis);
        return written(format!("torch.unbind({x}, {text})[{at}]"), format!("{x}[{colons}{at}]"), &shape);
    }
    // each piece has the size 1: torch.split takes the size, torch.chunk and np.split the number of pieces
    let piece = w.choices.pick(size);
    shape[axis] = 1;
    let torch = if name == "split" {
        format!("torch.split({x}, 1, dim={text})[{piece}]")
    } else {
        format!("torch.chunk({x}, {size}, dim={text})[{piece}]")
    };
    written(torch, format!("np.split({x}, {size}, axis={text})[{piece}]"), &shape)
}

pub fn flip(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(1..=4);
    let (_, text) = w.axis(shape.len());
    if name == "roll" {
        return written(format!("torch.roll({x}, 1, {text})"), format!("np.roll({x}, 1, axis={text})"), &shape);
    }
    written(format!("torch.flip({x}, [{text}])"), format!("np.flip({x}, axis={text})"), &shape)
}

pub fn tril(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.ranked(2..=4);
    let diagonal = w.choices.choose(&["0", "1", "-1"]);
    written(format!("torch.{name}({x}, diagonal={diagonal})"), format!("np.{name}({x}, k={diagonal})"), &shape)
}

pub fn pad(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=3);
    let last = shape.len() - 1;
    let pairs = (0..shape.len()).map(|axis| if axis == last { "(1, 2)" } else { "(0, 0)" }).collect::<Vec<_>>().join(", ");
    shape[last] += 3;
    written(format!("F.pad({x}, (1, 2), value=0.5)"), format!("np.pad({x}, ({pairs},), constant_values=0.5)"), &shape)
}

pub fn unchanged(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, shape) = w.any();
    let arguments = match name {
        "to" | "type" => "torch.float64",
        "type_as" => &x,
        _ => "",
    };
    written(format!("{x}.{name}({arguments})"), format!("np.copy({x})"), &shape)
}

pub fn detach(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, shape) = w.any();
    w.may_detach.then_some(())?;
    written(format!("{x}.detach()"), format!("{x}.data"), &shape)
}

pub fn item(w: &mut Writer<'_>, name: &str) -> Option<Written> {
    let (x, _) = w.any();
    // no derivative passes a Python number
    w.may_detach.then_some(())?;
    written(format!("torch.sum({x}).{name}()"), format!("np.sum({x}).{name}()"), &[])
}

pub fn index(w: &mut Writer<'_>, _: &str) -> Option<Written> {
    let (x, mut shape) = w.ranked(1..=4);
    let size = shape[0];
    let last = *shape.last()?;
    let rank = shape.len();
    let (torch, numpy) = match w.choices.pick(6) {
        0 => {
            let at = w.choices.pick(size);
            shape.remove(0);
            (format!("{x}[{at}]"), format!("{x}[-{}]", size - at))
        }
        1 => {
            shape[rank - 1] = 1;
            (format!("{x}[..., :1]"), format!("{x}[..., 0:1]"))
        }
        2 if rank < 4 => {
            shape.insert(0, 1);
            (format!("{x}[None]"), format!("{x}[np.newaxis, ...]"))
        }
        3 => {
            shape[0] = size.div_ceil(2);
            (format!("{x}[::2]"), format!("{x}[0:{size}:2]"))
        }
        4 => {
            let ix = w.index_constant(&[2], last);
            shape[rank - 1] = 2;
            (format!("{x}[..., {ix}]"), format!("np.take({x}, {ix}, axis=-1)"))
        }
        _ if rank > 1 => {
            let columns = w.index_constant(&[size], shape[1]);
            shape.remove(1);
            (format!("{x}[range({size}), {columns}]"), format!("{x}[np.arange({size}), {columns}]"))
        }
        _ => (format!("{x}[:]"), format!("{x}[...]")),
    };
    written(torch, numpy, &shape)
}
