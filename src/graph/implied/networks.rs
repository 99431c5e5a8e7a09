//! The shapes of products, lookups, norms, convolutions, losses and attention, and what they imply for the shapes of their parameters.

use super::arguments::{ImpliedArguments, sizes, tensor};
use super::inference::{Implied, Inference, Likely, Usage};
use super::shapes::Size;

pub fn matmul(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    inference.matmul(&arguments.get(0), &arguments.get(1))
}

/// The product of two batches of matrices: three axes each.
pub fn bmm(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    for at in [0, 1] {
        let shape = inference.any_shape(&arguments.get(at));
        inference.shapes.with_rank(shape, 3);
    }
    matmul(inference, arguments)
}

pub fn linear(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let weight = inference.any_shape(&arguments.get(1));
    let &[outputs, inputs] = &inference.shapes.with_rank(weight, 2)[..] else { return Implied::Unknown };
    let bias = inference.any_shape(&arguments.get(2));
    if arguments.has(2) {
        inference.shapes.set(bias, vec![outputs]);
    }
    let input = inference.any_shape(&arguments.get(0));
    let Some(mut sizes) = inference.shapes.sizes(input) else { return Implied::Unknown };
    let Some(last) = sizes.pop() else { return Implied::Unknown };
    inference.shapes.join(last, inputs);
    sizes.push(outputs);
    tensor(inference, sizes)
}

/// `einsum("ij,jk->ik", a, b)`: each letter is a size. An axis of size 1 is broadcast, so it does not determine the size of its letter.
pub fn einsum(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let Implied::Text(equation) = arguments.get(0) else { return Implied::Unknown };
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let Some((inputs, output)) = equation.split_once("->") else { return Implied::Unknown };
    if equation.contains('.') {
        return Implied::Unknown;
    }
    let mut letters: Vec<(char, Size)> = Vec::new();
    let mut size_of = |inference: &mut Inference, letter: char| {
        if let Some((_, size)) = letters.iter().find(|(known, _)| *known == letter) {
            return *size;
        }
        let size = inference.shapes.unknown_size();
        letters.push((letter, size));
        size
    };
    for (operand, value) in inputs.split(',').zip(&arguments.starred_arguments) {
        let sizes: Vec<Size> = operand.chars().map(|letter| size_of(inference, letter)).collect();
        let shape = inference.any_shape(value);
        let own_sizes = inference.shapes.with_rank(shape, sizes.len());
        inference.shapes.has_conflict |= own_sizes.len() != sizes.len();
        for (own_size, size) in own_sizes.into_iter().zip(sizes) {
            if inference.shapes.value(own_size) != Some(1) {
                inference.shapes.join(own_size, size);
            }
        }
    }
    let sizes = output.chars().map(|letter| size_of(inference, letter)).collect();
    tensor(inference, sizes)
}

pub fn embedding(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let weight = inference.any_shape(&arguments.get(1));
    let &[rows, columns] = &inference.shapes.with_rank(weight, 2)[..] else { return Implied::Unknown };
    inference.mark_indices(&arguments.get(0), Some(rows));
    inference.mark_table(weight, &arguments.get(0));
    let Some(mut sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    sizes.push(columns);
    tensor(inference, sizes)
}

pub fn one_hot(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let classes = if arguments.has(1) { inference.size(&arguments.get(1)) } else { inference.shapes.unknown_size() };
    inference.mark_indices(&arguments.get(0), Some(classes));
    let Some(mut sizes) = sizes(inference, arguments) else { return Implied::Unknown };
    sizes.push(classes);
    tensor(inference, sizes)
}

pub fn gather(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    inference.mark_indices(&arguments.get(2), None);
    Implied::Tensor(inference.any_shape(&arguments.get(2)))
}

/// The weight and the bias of a norm have the last axes of the input, which the second argument lists.
pub fn layer_norm(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let items = match arguments.get(1) {
        Implied::Items(items) => items.to_vec(),
        size => vec![size],
    };
    let sizes: Vec<Size> = items.iter().map(|value| inference.size(value)).collect();
    let input = inference.any_shape(&arguments.get(0));
    if let Some(own) = inference.shapes.sizes(input) {
        own.iter().rev().zip(sizes.iter().rev()).for_each(|(a, b)| inference.shapes.join(*a, *b));
    }
    // the last parameter is eps
    for at in 2..arguments.values.len() - 1 {
        parameter(inference, arguments, at, &sizes);
    }
    Implied::Tensor(input)
}

/// Gives the argument of this parameter of the function, such as a weight, these sizes, if there is one.
fn parameter(inference: &mut Inference, arguments: &ImpliedArguments, at: usize, sizes: &[Size]) {
    if arguments.has(at) {
        let shape = inference.any_shape(&arguments.get(at));
        inference.shapes.set(shape, sizes.to_vec());
    }
}

/// Gives the arguments at these positions a number for each channel, which is axis 1 of the input. Returns the input's shape.
fn per_channel(inference: &mut Inference, arguments: &ImpliedArguments, positions: &[usize]) -> Implied {
    let input = inference.any_shape(&arguments.get(0));
    if let Some(&channels) = inference.shapes.sizes(input).as_ref().and_then(|sizes| sizes.get(1)) {
        for at in positions {
            parameter(inference, arguments, *at, &[channels]);
        }
    }
    Implied::Tensor(input)
}

pub fn batch_norm(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    for at in [1, 2] {
        let statistics = inference.any_shape(&arguments.get(at));
        if let Some(missing) = inference.missing_of(statistics) {
            missing.usage = Usage::Constant;
        }
    }
    per_channel(inference, arguments, &[1, 2, 3, 4])
}

pub fn group_norm(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    per_channel(inference, arguments, &[2, 3])
}

pub fn conv2d(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    convolution(inference, arguments, 2)
}

pub fn conv1d(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    convolution(inference, arguments, 1)
}

/// The weight has an axis for the outputs, one for the inputs, and one for each of the `window_axes` axes of the window.
fn convolution(inference: &mut Inference, arguments: &ImpliedArguments, window_axes: usize) -> Implied {
    let weight = inference.any_shape(&arguments.get(1));
    let weight = inference.shapes.with_rank(weight, window_axes + 2);
    if weight.len() != window_axes + 2 {
        return Implied::Unknown;
    }
    parameter(inference, arguments, 2, &weight[..1]);
    let Some(mut sizes) = sizes(inference, arguments).filter(|sizes| sizes.len() > window_axes) else { return Implied::Unknown };
    let channels = sizes.len() - window_axes - 1;
    // with `groups`, parameter 6, an output reads only some of the channels
    if !arguments.has(6) {
        inference.shapes.join(sizes[channels], weight[1]);
    }
    sizes[channels] = weight[0];
    sizes[channels + 1..].iter_mut().for_each(|size| *size = inference.shapes.unknown_size());
    tensor(inference, sizes)
}

/// Returns the shape of a loss: a number, unless parameter `reduction` is `"none"` or not known.
fn loss(inference: &mut Inference, arguments: &ImpliedArguments, reduction: usize) -> Implied {
    if arguments.has(reduction) && !matches!(arguments.get(reduction), Implied::Text(text) if text == "mean" || text == "sum") {
        return Implied::Unknown;
    }
    tensor(inference, Vec::new())
}

/// Gives the target its shape: a class for each row of the input, or a probability for each entry. The classes are axis 1 of the input, or axis 0 of a
/// vector.
fn set_target_shape(inference: &mut Inference, arguments: &ImpliedArguments) {
    let Some(mut rows) = sizes(inference, arguments).filter(|sizes| !sizes.is_empty()) else { return };
    let axis = usize::from(rows.len() > 1);
    let class_count = rows.remove(axis);
    let target = inference.any_shape(&arguments.get(1));
    match inference.shapes.sizes(target) {
        // probabilities
        Some(sizes) if sizes.len() == rows.len() + 1 => {
            rows.insert(axis, class_count);
            inference.shapes.set(target, rows);
        }
        Some(_) => inference.shapes.set(target, rows),
        None if inference.assumes => {
            inference.mark_indices(&arguments.get(1), Some(class_count));
            inference.shapes.set(target, rows);
            let input = inference.any_shape(&arguments.get(0));
            if let Some(missing) = inference.missing_of(target) {
                missing.probabilities = Some(input);
            }
        }
        None => {}
    }
}

pub fn cross_entropy(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    set_target_shape(inference, arguments);
    loss(inference, arguments, 4)
}

pub fn nll_loss(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    set_target_shape(inference, arguments);
    loss(inference, arguments, 4)
}

pub fn mse_loss(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    inference.broadcast(&[arguments.get(0), arguments.get(1)], Likely::Whole);
    loss(inference, arguments, 2)
}

pub fn binary_loss(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    inference.broadcast(&[arguments.get(0), arguments.get(1)], Likely::Whole);
    loss(inference, arguments, 3)
}

/// Queries of L x E, keys of S x E and values of S x V give L x V.
pub fn attention(inference: &mut Inference, arguments: &ImpliedArguments) -> Implied {
    let [query, key, value] = [0, 1, 2].map(|at| {
        let shape = inference.any_shape(&arguments.get(at));
        inference.shapes.sizes(shape).filter(|sizes| sizes.len() > 1)
    });
    let (Some(mut query), Some(key), Some(value)) = (query, key, value) else { return Implied::Unknown };
    let last = query.len() - 1;
    inference.shapes.join(query[last], key[key.len() - 1]);
    inference.shapes.join(key[key.len() - 2], value[value.len() - 2]);
    query[last] = value[value.len() - 1];
    tensor(inference, query)
}
