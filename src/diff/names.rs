//! Finds the gradient that each tensor of a file should be.
//!
//! A name that the network has means the tensor of this name: `conv1.weight`, `grad.conv1.weight`, `2:conv1.z` for the loss of sample 2. A misspelt name, such
//! as `conv1.wieght`, means the parameter with the similar name. The tensors with other names, such as PyTorch's `0.weight` or `dW1`, are matched in the file's
//! order: each to the next parameter of its shape that is still free. But names that differ only in a number, such as `dW2` and `dW1`, are matched in the order
//! of the numbers.

use std::collections::{HashMap, HashSet};

use super::file::{Choice, FileTensor};
use super::gradient::{Gradient, LossOf};
use super::layout::Weight;
use crate::network::{Id, Network, Role};
use crate::tensor::shape_text;
use crate::text::{counted, cut, line, list_of_names};
use crate::trace::Trace;
use crate::words::suggest;

/// The relation between the shape of a tensor in a file and the shape of its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShapeFit {
    /// The same shape, apart from axes of size 1.
    Same,
    /// A stack of the samples' tensors, one after the other.
    Stack,
    /// A weight with its axes in the other order: the transpose of a matrix, Keras' filters.
    Reordered(Weight),
    /// Another shape.
    Other,
}

/// A tensor of a file with its gradient.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub tensor: FileTensor,
    pub gradient: Gradient,
}

/// The tensors of a file that have a gradient, and sentences about the names.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub named: Vec<Named>,
    pub notes: Vec<String>,
}

/// Compares the shape `given` of a tensor in a file with the shape of a gradient.
pub(super) fn fit(trace: &Trace, given: &[usize], gradient: Gradient) -> ShapeFit {
    let right = gradient.shape(trace);
    let [given_sizes, right_sizes] = [given, right].map(without_ones);
    let samples = trace.samples();
    let is_stack = || {
        let stacked: Vec<usize> = [samples].into_iter().chain(right.iter().copied()).collect();
        samples > 1 && gradient.loss == LossOf::Batch && given_sizes == without_ones(&stacked)
    };
    let reordered_filters = Weight::of(trace, gradient).filter(|weight| *weight != Weight::Matrix && weight.other_shape(right) == given);
    if given == right {
        ShapeFit::Same
    } else if let Some(weight) = reordered_filters {
        ShapeFit::Reordered(weight)
    } else if given_sizes == right_sizes {
        ShapeFit::Same
    } else if is_stack() {
        ShapeFit::Stack
    } else if let [rows, columns] = right_sizes[..]
        && given_sizes == [columns, rows]
    {
        ShapeFit::Reordered(Weight::Matrix)
    } else {
        ShapeFit::Other
    }
}

fn without_ones(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|n| *n != 1).collect()
}

/// Returns `weight` or `bias` if the end of a parameter's name says so.
fn suffix(name: &str) -> Option<&str> {
    let last = name.strip_suffix(".grad").unwrap_or(name).rsplit(['.', '/']).next()?;
    [("weight", "weight"), ("kernel", "weight"), ("bias", "bias")].into_iter().find(|(word, _)| last == *word).map(|(_, suffix)| suffix)
}

/// The meaning of a name that the network has.
enum NameMeaning {
    Gradient(Gradient),
    /// It has no gradient to compare with, for this reason: `it is the loss itself, not a gradient`.
    NotCompared(&'static str),
}

const IS_LOSS: &str = "the loss itself, not a gradient";
const IS_TARGET: &str = "a target, and no gradient is computed for it";
const IS_CONSTANT: &str = "a constant, and no gradient is computed for it";
const IS_VALUE: &str = "a value, not a gradient";

/// Finds the gradients of the tensors of a file.
pub(super) fn match_names(trace: &Trace, tensors: Vec<FileTensor>) -> Names {
    let file_names: HashSet<String> = tensors.iter().map(|tensor| tensor.name.clone()).collect();
    let mut names = Names::default();
    // the index in `named` of the tensor that has the gradient
    let mut taken: HashMap<Gradient, usize> = HashMap::new();
    let mut unknown = Vec::new();
    // the tensors that are not compared, by the reason
    let mut not_compared: Vec<(&'static str, Vec<String>)> = Vec::new();
    for tensor in tensors {
        match meaning(trace, &tensor, &file_names) {
            Some(NameMeaning::Gradient(gradient)) => match taken.get(&gradient) {
                None => {
                    if is_usual_input_name(trace, &tensor.name, gradient) {
                        names.notes.push(format!("{} is taken for {}", shown_name(&tensor), line(&gradient.name(trace))));
                    }
                    taken.insert(gradient, names.named.len());
                    names.named.push(Named { tensor, gradient });
                }
                // `grads` prints the gradients of its only sample twice
                Some(first) if is_same(&names.named[*first].tensor, &tensor) => {}
                Some(first) => {
                    let first = line(&names.named[*first].tensor.name);
                    names.notes.push(format!("{} is left out: {first} is the same gradient", line(&tensor.name)));
                }
            },
            Some(NameMeaning::NotCompared(why)) if tensor.choice != Choice::NotCompared => {
                match not_compared.iter_mut().find(|(reason, _)| *reason == why) {
                    Some((_, tensors)) => tensors.push(shown_name(&tensor)),
                    None => not_compared.push((why, vec![shown_name(&tensor)])),
                }
            }
            Some(NameMeaning::NotCompared(_)) => {}
            None if tensor.choice == Choice::Named => {
                let nearest = suggest::nearest(&tensor.name, compared_names(trace));
                names.notes.push(format!("there is no tensor {}{}", shown_name(&tensor), suggest::clause(nearest)));
            }
            // it cannot be a gradient, so the order of the others is found without it
            None if tensor.values.is_empty() => {
                if tensor.choice != Choice::NotCompared {
                    names.notes.push(format!(
                        "{} is left out: it has no numbers, its shape is {}",
                        shown_name(&tensor),
                        shape_text(&tensor.shape)
                    ));
                }
            }
            None => unknown.push(tensor),
        }
    }
    let unknown = by_spelling(trace, unknown, &mut taken, &mut names);
    by_order(trace, unknown, &taken, &mut names);
    names.notes.extend(not_compared.into_iter().map(|(why, tensors)| {
        let (are, each) = if tensors.len() == 1 { ("is", "it is") } else { ("are", "each is") };
        format!("{} {are} left out: {each} {why}", list_of_names(&tensors))
    }));
    names.named.retain(|named| named.tensor.choice != Choice::NotCompared);
    names.named.sort_by_key(|named| named.gradient.order(trace));
    names
}

/// Returns whether two tensors have the same numbers, bit for bit.
fn is_same(one: &FileTensor, other: &FileTensor) -> bool {
    one.shape == other.shape && one.values.iter().zip(&other.values).all(|(one, other)| one.to_bits() == other.to_bits())
}

/// Returns the meaning of a name that the network has; `None` for another name. `file_names` are the names of all tensors of the file.
fn meaning(trace: &Trace, tensor: &FileTensor, file_names: &HashSet<String>) -> Option<NameMeaning> {
    let network = trace.network();
    let (sample, name) = match tensor.name.split_once(':') {
        Some((number, name)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            (Some(number.parse::<usize>().ok()?), name)
        }
        _ => (None, &*tensor.name),
    };
    let run_of = |number: usize| trace.runs().iter().position(|run| number > 0 && run.sample == Some(number - 1));
    let run = match (sample, tensor.sample) {
        (Some(number), _) => Some(run_of(number)?),
        (None, Some(n)) => Some(n).filter(|n| *n < trace.samples()),
        (None, None) => None,
    };
    let loss = run.filter(|_| trace.samples() > 1).map_or(LossOf::Batch, LossOf::Sample);
    let gradient = |of: Id| Some(NameMeaning::Gradient(Gradient { of, loss }));
    if let Some(id) = find(network, name, file_names) {
        return match network.tensor(id).role {
            Role::Gradient(of) => gradient(of),
            // in a graph, the name of the loss can also mean its gradient, which is 1
            Role::Loss if network.reads_samples() || is_value_of_loss(trace, id, tensor) => Some(NameMeaning::NotCompared(IS_LOSS)),
            Role::Target => Some(NameMeaning::NotCompared(IS_TARGET)),
            Role::Constant => Some(NameMeaning::NotCompared(IS_CONSTANT)),
            _ => gradient(id),
        };
    }
    if let Some(of) = Some(name).filter(|name| INPUT_NAMES.contains(name)).and_then(|_| input(network)) {
        return gradient(of);
    }
    let (group, name_in_group) = name.split_once('.')?;
    let id = find(network, name_in_group, file_names)?;
    match group {
        "gradients" | "grad" | "grads" => gradient(id),
        "values" | "parameters" => Some(NameMeaning::NotCompared(IS_VALUE)),
        _ => None,
    }
}

/// Returns whether a tensor with the name of a graph's loss is the value of the loss. Otherwise it is the gradient of the loss, which is 1.
fn is_value_of_loss(trace: &Trace, loss: Id, tensor: &FileTensor) -> bool {
    let is_near = |one: f64, other: f64| (one - other).abs() <= 1e-4 * other.abs();
    matches!((&tensor.values[..], trace.run(0).values(loss)), ([given], [value]) if is_near(*given, *value) && !is_near(*given, 1.0))
}

/// Names that people give to the gradient of the network's input.
const INPUT_NAMES: &[&str] = &["x", "X", "dx", "dX", "x.grad", "X.grad", "input.grad", "dinput", "d_input"];

/// Returns whether a name, such as `x`, means the network's input only because people usually call it so.
fn is_usual_input_name(trace: &Trace, name: &str, gradient: Gradient) -> bool {
    let bare = name.split_once(':').map_or(name, |(_, name)| name);
    INPUT_NAMES.contains(&bare)
        && !bare.contains("input")
        && trace.network().find(bare).is_none()
        && input(trace.network()) == Some(gradient.of)
}

/// The input of a network of layers.
fn input(network: &Network) -> Option<Id> {
    network.with_role(Role::Input { learns: false }).next()
}

/// Finds a tensor by its name. An input x of a graph that is assigned again has the name `x@0`; PyTorch's `x.grad` is the gradient of this input. So `x` means
/// `x@0`, unless the file has `x@0` too.
fn find(network: &Network, name: &str, file_names: &HashSet<String>) -> Option<Id> {
    let input = format!("{name}@0");
    let assigned_again = if file_names.contains(&input) { None } else { network.find(&input) };
    assigned_again.or_else(|| network.find(name))
}

/// Gives each tensor whose name is a misspelt one of the network, such as `fc2.bais` or `FC2.bias`, the parameter that it names. Returns the other tensors.
///
/// The parameter must be free and have the tensor's shape. See [`is_misspelt`] for what counts as misspelt.
fn by_spelling(trace: &Trace, unknown: Vec<FileTensor>, taken: &mut HashMap<Gradient, usize>, names: &mut Names) -> Vec<FileTensor> {
    let network = trace.network();
    let free: Vec<(Id, &str)> = network
        .learnable()
        .filter(|of| !taken.contains_key(&Gradient { of: *of, loss: LossOf::Batch }))
        .map(|of| (of, network.tensor(of).name.as_str()))
        .collect();
    let meant_by = |tensor: &FileTensor| {
        let mut similar = free.iter().filter(|(_, name)| is_misspelt(&tensor.name, name));
        let gradient = Gradient { of: similar.next()?.0, loss: LossOf::Batch };
        (similar.next().is_none() && tensor.shape == gradient.shape(trace)).then_some(gradient)
    };
    let meanings: Vec<Option<Gradient>> = unknown.iter().map(meant_by).collect();
    let (mut others, mut pairs) = (Vec::new(), Vec::new());
    for (tensor, gradient) in unknown.into_iter().zip(&meanings) {
        // if several names are similar to one parameter, none of them gets it
        match gradient.filter(|gradient| meanings.iter().filter(|other| **other == Some(*gradient)).count() == 1) {
            Some(gradient) => {
                if tensor.choice != Choice::NotCompared {
                    pairs.push(format!("{} is {}", line(&tensor.name), line(&gradient.name(trace))));
                }
                taken.insert(gradient, names.named.len());
                names.named.push(Named { tensor, gradient });
            }
            None => others.push(tensor),
        }
    }
    if !pairs.is_empty() {
        names.notes.push(format!("matched by similar names: {}", pairs.join(", ")));
    }
    others
}

/// Returns whether `given` is `name` with other capitals, or with one typing error in one word of at least four letters: a character that is wrong, missing or
/// too many, or two that are exchanged. Numbers must be equal: `fc3.weight` may be another model's name for what is `fc2.weight` here, or for another layer.
fn is_misspelt(given: &str, name: &str) -> bool {
    let [given, name] = [given, name].map(str::to_lowercase);
    let mut wrong = given.split('.').zip(name.split('.')).filter(|(one, other)| one != other);
    let is_one_typo = |(one, other): (&str, &str)| one.len().min(other.len()) >= 4 && suggest::distance(one, other) == 1;
    let has_same_structure = given.split('.').count() == name.split('.').count() && digits(&given).eq(digits(&name));
    // at most one word is wrong
    has_same_structure && wrong.next().is_none_or(is_one_typo) && wrong.next().is_none()
}

/// The numbers in a name.
fn digits(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty())
}

/// Gives each tensor with an unknown name the next parameter of its shape that is not taken yet.
fn by_order(trace: &Trace, mut unknown: Vec<FileTensor>, taken: &HashMap<Gradient, usize>, names: &mut Names) {
    if counts_down(&unknown) {
        // a backward pass computes the last layer first
        unknown.reverse();
    }
    unknown = in_order_of_numbers(unknown);
    let network = trace.network();
    let mut ids: Vec<Id> = network.learnable().collect();
    ids.sort_by_key(|id| network.tensor(*id).layer);
    let gradients = ids.into_iter().map(|of| Gradient { of, loss: LossOf::Batch });
    let mut free: Vec<Gradient> = gradients.filter(|gradient| !taken.contains_key(gradient)).collect();
    let has_sample = |name: &str| name.contains(':');
    // `0.weight` is no bias, and `2:w` is not a gradient of the batch
    let agrees = |tensor: &FileTensor, gradient: &Gradient| {
        let [given, ours] = [&*tensor.name, &*network.tensor(gradient.of).name].map(suffix);
        !has_sample(&tensor.name) && (given.is_none() || ours.is_none() || given == ours)
    };
    let mut found = Vec::new();
    // First come the tensors with exactly the parameter's shape, then those with the same shape up to axes of size 1, then transposes and stacks. At the end,
    // if some tensors were found and as many tensors as parameters are left, they are paired in order, and their shapes are reported as wrong.
    let reordered_or_stacked = |fit: ShapeFit| matches!(fit, ShapeFit::Reordered(_) | ShapeFit::Stack);
    let same = |fit: ShapeFit| fit == ShapeFit::Same;
    for (is_exact, is_wanted) in [(true, same as fn(ShapeFit) -> bool), (false, same), (false, reordered_or_stacked)] {
        for tensor in std::mem::take(&mut unknown) {
            let fits = |gradient: &Gradient| {
                let is_shape = !is_exact || tensor.shape == gradient.shape(trace);
                is_shape && agrees(&tensor, gradient) && is_wanted(fit(trace, &tensor.shape, *gradient))
            };
            match free.iter().position(fits) {
                Some(at) => found.push(Named { tensor, gradient: free.remove(at) }),
                None => unknown.push(tensor),
            }
        }
    }
    if !found.is_empty() && unknown.len() == free.len() && unknown.iter().zip(&free).all(|(tensor, gradient)| agrees(tensor, gradient)) {
        found.extend(unknown.drain(..).zip(free.drain(..)).map(|(tensor, gradient)| Named { tensor, gradient }));
    }
    found.sort_by_key(|named| named.gradient.order(trace));
    let is_chosen = |tensor: &FileTensor| tensor.choice != Choice::NotCompared;
    let chosen = found.iter().filter(|named| is_chosen(&named.tensor));
    let pairs: Vec<String> = chosen.map(|named| format!("{} is {}", line(&named.tensor.name), line(&named.gradient.name(trace)))).collect();
    if !pairs.is_empty() {
        names.notes.push(format!("matched by order and shape: {}", pairs.join(", ")));
    }
    names.named.extend(found);
    unknown.retain(is_chosen);
    names.notes.extend(left_out(trace, &unknown));
}

/// Returns whether the numbers in the names go down, as in `dW2`, `dW1`.
fn counts_down(tensors: &[FileTensor]) -> bool {
    let number = |tensor: &FileTensor| {
        let digits: String = tensor.name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    };
    let Some(numbers) = tensors.iter().map(number).collect::<Option<Vec<u64>>>() else { return false };
    numbers.is_sorted_by(|a, b| a >= b) && numbers.first() > numbers.last()
}

/// Sorts the tensors whose names differ only in a number by this number: `dW2`, `db2`, `dW1`, `db1` become `dW1`, `db1`, `dW2`, `db2`.
fn in_order_of_numbers(tensors: Vec<FileTensor>) -> Vec<FileTensor> {
    let stem = |tensor: &FileTensor| -> String { tensor.name.chars().filter(|c| !c.is_ascii_digit()).collect() };
    let numbers = |tensor: &FileTensor| -> Vec<u64> { digits(&tensor.name).filter_map(|digits| digits.parse().ok()).collect() };
    let stems: Vec<String> = tensors.iter().map(stem).collect();
    let mut of_stem: HashMap<String, Vec<FileTensor>> = HashMap::new();
    for (tensor, stem) in tensors.into_iter().zip(&stems) {
        of_stem.entry(stem.clone()).or_default().push(tensor);
    }
    for tensors in of_stem.values_mut() {
        tensors.sort_by_key(numbers);
        // `pop` takes the last one first
        tensors.reverse();
    }
    stems.iter().filter_map(|stem| of_stem.get_mut(stem)?.pop()).collect()
}

/// The names of the tensors whose gradients can be compared.
fn compared_names(trace: &Trace) -> impl Iterator<Item = &str> {
    let is_compared = |role: Role| !matches!(role, Role::Gradient(_) | Role::Target | Role::Constant);
    trace.network().tensors().iter().filter(move |tensor| is_compared(tensor.role)).map(|tensor| tensor.name.as_str())
}

/// The name of a tensor of the file, escaped and cut.
fn shown_name(tensor: &FileTensor) -> String {
    cut(&line(&tensor.name), 60)
}

/// The largest number of unknown names that a message lists.
const MAX_SHOWN: usize = 5;

/// Sentences about the tensors without a matching gradient.
fn left_out(trace: &Trace, unknown: &[FileTensor]) -> Vec<String> {
    let network = trace.network();
    let sentence = |tensor: &FileTensor| {
        let bare = tensor.name.split_once(':').map_or(&*tensor.name, |(_, name)| name);
        let why = match tensor.name.split_once(':') {
            Some((number, name)) if network.find(name).is_some() => format!("there is no sample {} in this iteration", line(number)),
            _ => format!(
                "there is no tensor of this name, and no free parameter of the shape {}{}",
                shape_text(&tensor.shape),
                suggest::clause(suggest::nearest(bare, compared_names(trace)))
            ),
        };
        format!("{} is left out: {why}", shown_name(tensor))
    };
    let mut notes: Vec<String> = unknown.iter().take(MAX_SHOWN).map(sentence).collect();
    if unknown.len() > MAX_SHOWN {
        let names: Vec<String> = unknown[MAX_SHOWN..].iter().map(shown_name).collect();
        notes.push(format!("{} are left out too: {}", counted(names.len(), "tensor"), list_of_names(&names)));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_letter_or_other_capitals_are_misspelt_and_a_number_is_not() {
        for (given, name) in
            [("fc2.bais", "fc2.bias"), ("FC2.Bias", "fc2.bias"), ("fc1.wieght", "fc1.weight"), ("fc1.weights", "fc1.weight")]
        {
            assert!(is_misspelt(given, name), "{given}");
        }
        for (given, name) in
            [("fc3.weight", "fc2.weight"), ("1.bias", "fc1.bias"), ("dW1", "W1"), ("fc1.bais", "fc1.weight"), ("c1.bais", "fc1.bias")]
        {
            assert!(!is_misspelt(given, name), "{given}");
        }
    }

    #[test]
    fn numbers_in_names_decide_the_order() {
        let tensors = |names: &str| -> Vec<FileTensor> {
            names
                .split(' ')
                .map(|name| FileTensor {
                    name: name.to_owned(),
                    sample: None,
                    shape: vec![1],
                    values: vec![0.0],
                    is_half: false,
                    choice: Choice::Compared,
                })
                .collect()
        };
        for (given, expected) in [
            ("dW2 dW1 db2 db1", "dW1 dW2 db1 db2"),
            ("W10 b10 W9 b9", "W9 b9 W10 b10"),
            ("5.weight 5.bias 0.weight 0.bias", "0.weight 0.bias 5.weight 5.bias"),
            ("conv2.w fc1.w conv1.w", "conv1.w fc1.w conv2.w"),
            ("kernel bias", "kernel bias"),
        ] {
            let names: Vec<String> = in_order_of_numbers(tensors(given)).into_iter().map(|tensor| tensor.name).collect();
            assert_eq!(names.join(" "), expected);
        }
    }
}
