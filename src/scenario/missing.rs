//! Help for names without a value in a graph. The help has lines that the user can paste to define the names, with the shapes that follow from the statements.

use super::excerpt::quoted;
use crate::graph::{ImpliedRole, ImpliedTensor};
use crate::text::counted;

/// The largest number of lines to paste.
const MAX_LINES: usize = 24;

/// Returns the help text. It has lines to paste, if the statements imply a shape or a use for a name. An unknown size is written `?`.
pub(super) fn help(names: &[&str], implied: &[ImpliedTensor]) -> String {
    let found: Vec<&ImpliedTensor> = names.iter().filter_map(|name| implied.iter().find(|tensor| tensor.name == *name)).collect();
    let is_constant = |tensor: &&&ImpliedTensor| matches!(tensor.role, ImpliedRole::Size(_) | ImpliedRole::Constant);
    let says_something = |tensor: &&ImpliedTensor| {
        tensor.shape.is_some() || tensor.broadcasts_with.is_some() || tensor.last_size.is_some() || tensor.role != ImpliedRole::Numbers
    };
    let them = if names.len() == 1 { "it" } else { "them" };
    if !found.iter().any(says_something) {
        let first = names.first().copied().unwrap_or_default();
        let line = format!("{first} = {{ init = \"normal\", seed = 1, shape = [2, 3] }}");
        return format!("add {them} to inputs, such as {line}, or define {them} before this node");
    }
    let (constants, tensors): (Vec<_>, Vec<_>) = found.iter().take(MAX_LINES).partition(is_constant);
    let mut seed = 0;
    let mut lines = Vec::new();
    if !tensors.is_empty() {
        lines.push(format!("add below [graph.inputs], or define {them} before this node:"));
        lines.extend(tensors.into_iter().map(|tensor| line(tensor, &mut seed)));
    }
    if !constants.is_empty() {
        lines.push("add below [graph.constants]:".to_owned());
        lines.extend(constants.into_iter().map(|tensor| line(tensor, &mut seed)));
    }
    if found.len() > MAX_LINES {
        lines.push(format!("and {} more", found.len() - MAX_LINES));
    }
    if lines.iter().any(|line| line.contains('?')) {
        lines.push("and replace each ? by a size or a value, which the statements do not imply".to_owned());
    }
    lines.join("\n")
}

/// Returns the line that defines a name. If the line has random numbers, adds 1 to `seed` for them, so that no two lines have the same seed.
fn line(tensor: &ImpliedTensor, seed: &mut u64) -> String {
    let ImpliedTensor { name, shape, role, broadcasts_with, other_ranks, last_size, probabilities } = tensor;
    let mut remarks: Vec<String> = Vec::new();
    let value = match (shape, role) {
        (_, ImpliedRole::Size(size)) => {
            remarks.push("a whole number".to_owned());
            size.map_or_else(|| "?".to_owned(), |size| size.to_string())
        }
        (None, _) => "?".to_owned(),
        (Some(sizes), role) if sizes.is_empty() => {
            remarks.push("a number".to_owned());
            if matches!(role, ImpliedRole::Indices(_)) { "0" } else { "1" }.to_owned()
        }
        (Some(sizes), ImpliedRole::Constant) => format!("{{ init = \"ones\", shape = {} }}", shape_text(sizes)),
        (Some(sizes), ImpliedRole::Indices(_)) => format!("{{ init = \"zeros\", shape = {} }}", shape_text(sizes)),
        (Some(sizes), _) => {
            *seed += 1;
            format!("{{ init = \"normal\", seed = {seed}, shape = {} }}", shape_text(sizes))
        }
    };
    match role {
        ImpliedRole::Indices(Some(below @ 1..)) => remarks.push(format!("whole numbers from 0 to {}", below - 1)),
        ImpliedRole::Indices(_) => remarks.push("whole numbers from 0".to_owned()),
        ImpliedRole::Table(rows) => remarks.push(format!("at least {}", counted(*rows, "row"))),
        ImpliedRole::Numbers | ImpliedRole::Constant | ImpliedRole::Size(_) => {}
    }
    if let Some(other) = broadcasts_with {
        let text = if shape.is_none() { "a number, or a tensor" } else { "or another shape" };
        remarks.push(format!("{text} that broadcasts with {}", shape_text(other)));
    }
    if let Some(size) = other_ranks.vector {
        remarks.push(format!("or [{size}]"));
    }
    if other_ranks.more {
        remarks.push("or more axes before these".to_owned());
    }
    if let Some(sizes) = probabilities {
        remarks.push(format!("or probabilities of shape {}", shape_text(sizes)));
    }
    if let Some(size) = last_size {
        remarks.push(format!("the last size is {size}"));
    }
    let remark = if remarks.is_empty() { String::new() } else { format!("  # {}", remarks.join(", ")) };
    // TOML demands quotes around a key with letters outside ASCII
    let key = if name.is_ascii() { name.to_string() } else { quoted(name) };
    format!("  {key} = {value}{remark}")
}

/// Returns a shape as TOML writes it, with `?` for a size that is not known.
fn shape_text(sizes: &[Option<usize>]) -> String {
    let sizes: Vec<String> = sizes.iter().map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string())).collect();
    format!("[{}]", sizes.join(", "))
}
