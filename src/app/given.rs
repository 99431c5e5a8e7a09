//! Finds the numbers that can be edited, by a name such as `fc1.weight[0,1]` or by an entry on the screen, and makes edits that change them.

use super::Document;
use super::edits::{Change, Edit};
use super::number_name::{name_without_index, number_name};
use crate::network::{Id, Role, StructuralUse, parameter_of_state};
use crate::number::exact_on_screen;
use crate::scenario::{GivenNumber, Scenario, TypedValue};
use crate::scene::Scene;
use crate::step::{Address, Location, Scope, TensorEntry};
use crate::tensor::{index_text, len, ravel, shape_text, unravel};
use crate::text::{counted, list_of_names};

/// Returns the number of the file for an entry on the screen.
///
/// # Errors
/// A sentence if the entry is computed.
pub(super) fn given_number(document: &Document, scene: &Scene<'_>, TensorEntry { tensor, at }: TensorEntry) -> Result<GivenNumber, String> {
    let name = scene.name(tensor, at);
    if scene.pass_of(tensor).is_some() {
        let computed = find_computed(&document.scenario, &scene.network().tensor(tensor).name);
        return Err(format!("{}; m goes to its steps", message_if_computed(&document.scenario, computed, &name)));
    }
    // the run and the tensor that have the number: those of a sample, unless the number is a state of the optimizer, such as a velocity. The batch has such a
    // state only after the first iteration
    let (run_index, tensor) = scene.canonical(tensor);
    let Some(sample) = document.trace.runs()[run_index].sample else {
        return Err(format!("{name} is computed by the iteration before"));
    };
    let number = number_of_file(&document.scenario, sample, tensor, at)?;
    check_iteration(document, number)?;
    Ok(number)
}

/// Checks that the iteration on the screen reads the number as it is in the file.
///
/// # Errors
/// A sentence if earlier updates have changed it.
pub(super) fn check_iteration(document: &Document, number: GivenNumber) -> Result<(), String> {
    let previous = document.trace.iteration() - 1;
    let is_updated = || matches!(number, GivenNumber::Shared { tensor, .. } if document.is_updated(tensor));
    if previous > 0 && is_updated() {
        let name = number_name(&document.scenario, number);
        return Err(format!("edit {name} in iteration 1: here it was computed by the update of iteration {previous}"));
    }
    Ok(())
}

/// Returns the number of the file for an entry of a sample's tensor.
///
/// # Errors
/// A sentence if the entry is computed.
fn number_of_file(scenario: &Scenario, sample: usize, tensor: Id, at: usize) -> Result<GivenNumber, String> {
    let network = &scenario.network;
    let info = network.tensor(tensor);
    if network.producer(tensor).is_some() {
        let name = format!("{}{}", info.name, index_text(&unravel(at, &info.shape)));
        return Err(message_if_computed(scenario, Some(tensor), &name));
    }
    // a sample of the file has its own inputs and targets; all other given numbers are the same in all samples
    Ok(match info.role {
        Role::Input { learns: false } | Role::Target => GivenNumber::Sample { sample, tensor, at },
        _ => GivenNumber::Shared { tensor, at },
    })
}

/// Returns the tensor of the samples with this name. A state of the optimizer, such as `velocity.fc1.weight`, exists only in the batch: for its name, returns
/// the gradient from which the update computes it.
fn find_computed(scenario: &Scenario, name: &str) -> Option<Id> {
    let network = &scenario.network;
    let gradient_of_state = || network.gradient_of(network.find(parameter_of_state(name)?)?);
    network.find(name).or_else(|| scenario.train.as_ref().and_then(|_| gradient_of_state()))
}

/// Returns the message about an entry that cannot be edited because it is computed. It names the given tensors from which `tensor` is computed, the nearest
/// first.
fn message_if_computed(scenario: &Scenario, tensor: Option<Id>, name: &str) -> String {
    let Some(tensor) = tensor else { return format!("{name} is computed") };
    let given = sources(scenario, tensor);
    if given.is_empty() {
        return format!("{name} is computed, from numbers that the text of the graph has");
    }
    format!("{name} is computed from {}: edit one of these", list_of_names(&given))
}

/// Returns the names of the given tensors from which a tensor is computed and that an edit can change, the nearest first.
fn sources(scenario: &Scenario, tensor: Id) -> Vec<&str> {
    let network = &scenario.network;
    // also the queue of a breadth-first search; `next` is the index of the first tensor in it that is not visited yet
    let mut found = vec![tensor];
    let mut seen = vec![false; network.tensors().len()];
    seen[tensor] = true;
    let mut next = 0;
    while let Some(&tensor) = found.get(next) {
        next += 1;
        let Some(op) = network.producer(tensor) else { continue };
        for id in network.ops()[op].parts.iter().flat_map(|part| part.operands.iter().copied()) {
            if !seen[id] {
                seen[id] = true;
                found.push(id);
            }
        }
    }
    // an edit cannot change a number on which the structure of the graph depends
    let is_editable = |id: &Id| network.producer(*id).is_none() && network.text().structural_use(*id).is_none();
    found.into_iter().filter(is_editable).map(|id| &*network.tensor(id).name).collect()
}

/// The tensor or number that a typed name refers to.
enum EditTarget {
    /// A number.
    Number(GivenNumber),
    /// The whole target of a sample. The user types a class.
    WholeTarget { sample: usize, tensor: Id },
}

/// Returns what a name refers to. A name without a sample is about the sample `sample_here`, counted from 0.
///
/// # Errors
/// A sentence if there is no such number.
fn find(scenario: &Scenario, sample_here: usize, name: &str) -> Result<EditTarget, String> {
    if name == "learning_rate" {
        let exists = scenario.train.is_some();
        let number = exists.then_some(EditTarget::Number(GivenNumber::LearningRate));
        return number.ok_or_else(|| "there is no learning rate: the scenario has no [train]".to_owned());
    }
    let no_entry = || format!("{name} is not an entry: write a name with its index, such as fc1.weight[0,1]");
    let address: Address = name.parse().map_err(|_| no_entry())?;
    let (scope, tensor_name, index) = match &address.location {
        Location::Op { scope, name, index, term: None } => (scope, name, index),
        // only a computed entry has terms
        Location::Op { name: op, .. } => {
            let computed = find_computed(scenario, op).ok_or_else(|| format!("there is no tensor {op}"))?;
            return Err(message_if_computed(scenario, Some(computed), name));
        }
        Location::Loss => return Err(message_if_computed(scenario, Some(scenario.network.loss()), name)),
        _ => return Err(no_entry()),
    };
    if address.iteration.is_some() {
        return Err("the file gives the numbers of iteration 1: write the entry without an iteration".to_owned());
    }
    let network = &scenario.network;
    let sample = match scope {
        // addresses count samples from 1
        Scope::Sample(number) if (1..=scenario.samples.len()).contains(number) => number - 1,
        Scope::Sample(number) => return Err(format!("there is no sample {number}: there are {}", scenario.samples.len())),
        _ => sample_here,
    };
    let Some(tensor) = network.find(tensor_name) else {
        let computed = find_computed(scenario, tensor_name).ok_or_else(|| format!("there is no tensor {tensor_name}"))?;
        return Err(message_if_computed(scenario, Some(computed), name));
    };
    let info = network.tensor(tensor);
    if info.role == Role::Target && index.is_none() && len(&info.shape) > 1 {
        return Ok(EditTarget::WholeTarget { sample, tensor });
    }
    let index = index.as_deref().unwrap_or_default();
    if network.producer(tensor).is_some() {
        return Err(message_if_computed(scenario, Some(tensor), name));
    }
    // the index of a tensor with one entry may be left out
    let at = if index.is_empty() && len(&info.shape) == 1 { Some(0) } else { ravel(index, &info.shape) };
    let at = at.ok_or_else(|| {
        let first = index_text(&vec![0; info.shape.len()]);
        format!("{name} is not an entry: {tensor_name} has the shape {}; its first entry is {tensor_name}{first}", shape_text(&info.shape))
    })?;
    number_of_file(scenario, sample, tensor, at).map(EditTarget::Number)
}

/// Returns the number with this name. Returns `None` if the scenario has no such number, or does not allow this value for it.
pub(super) fn find_editable(scenario: &Scenario, name: &str, value: f64) -> Option<GivenNumber> {
    match find(scenario, 0, name) {
        Ok(EditTarget::Number(number)) => check_value(scenario, number, value).ok().map(|()| number),
        _ => None,
    }
}

/// Returns the edit that sets a named number to a value, or a named target to a class. A name without a sample is about the sample `sample_here`.
///
/// # Errors
/// A sentence if there is no such number, or if the value is not possible.
pub(super) fn edit_by_name(scenario: &Scenario, sample_here: usize, name: &str, value: TypedValue) -> Result<Edit, String> {
    match find(scenario, sample_here, name)? {
        EditTarget::Number(number) => edit_of_numbers(scenario, &[(number, value.applied_to(scenario.given_value(number))?)]),
        EditTarget::WholeTarget { sample, tensor } => class_edit(scenario, sample, tensor, value),
    }
}

/// Returns the edit that makes a class the target: the entry of the class is 1, all others are 0.
fn class_edit(scenario: &Scenario, sample: usize, tensor: Id, class: TypedValue) -> Result<Edit, String> {
    let classes = len(&scenario.network.tensor(tensor).shape);
    let is_typed = |number: &usize| class == TypedValue::from(f64::from(u32::try_from(*number).unwrap_or(u32::MAX)));
    let Some(class) = (0..classes).find(is_typed) else {
        let entries = counted(classes, "entry");
        return Err(format!("the target has {entries}: write a class from 0 to {}, or an entry such as target[0]", classes - 1));
    };
    let values: Vec<_> = (0..classes).map(|at| (GivenNumber::Sample { sample, tensor, at }, if at == class { 1.0 } else { 0.0 })).collect();
    edit_of_numbers(scenario, &values)
}

/// Returns the edit that sets numbers to these values.
///
/// # Errors
/// A sentence if a value is not possible, or if nothing would change.
pub(super) fn edit_of_numbers(scenario: &Scenario, values: &[(GivenNumber, f64)]) -> Result<Edit, String> {
    let mut changes = Vec::new();
    for &(number, new) in values {
        check_value(scenario, number, new)?;
        let old = scenario.given_value(number);
        if old.to_bits() != new.to_bits() {
            changes.push(Change { number, old, new });
        }
    }
    let name = match values {
        [(number, _)] => number_name(scenario, *number),
        // several numbers are the entries of one target
        [(number, _), ..] => name_without_index(scenario, *number),
        [] => String::new(),
    };
    match (changes.is_empty(), values) {
        (true, [(_, value)]) => Err(format!("{name} is already {}", exact_on_screen(*value))),
        (true, _) => Err(format!("{name} already has these values")),
        (false, _) => Ok(Edit { name, changes }),
    }
}

/// Returns whether a tensor is the mask of a layer.
fn is_mask_of_layer(scenario: &Scenario, tensor: Id) -> bool {
    let info = scenario.network.tensor(tensor);
    info.role == Role::Constant && info.layer.is_some()
}

/// Checks that a number may be set to a value.
///
/// # Errors
/// A sentence with the reason why it may not.
fn check_value(scenario: &Scenario, number: GivenNumber, value: f64) -> Result<(), String> {
    match number {
        GivenNumber::LearningRate if value == 0.0 => Err("the learning rate must not be 0".to_owned()),
        GivenNumber::Shared { tensor, .. } if let Some(StructuralUse { what, line }) = scenario.network.text().structural_use(tensor) => {
            let name = &scenario.network.tensor(tensor).name;
            let its_use = match line {
                Some(line) => format!("line {line} uses {name} as {what}"),
                None => format!("{name} is {what}"),
            };
            Err(format!("{its_use}, on which the graph depends: change it in the file, which is then read again"))
        }
        GivenNumber::Shared { tensor, .. } if is_mask_of_layer(scenario, tensor) && value != 0.0 && value != 1.0 => {
            Err("the entries of a mask are 0 or 1".to_owned())
        }
        _ => Ok(()),
    }
}
