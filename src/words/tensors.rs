//! Suggestions for unknown tensor names in addresses, such as `conv1.w` for `conv1.weight`.

use super::suggest;
use super::{self as words, Vocabulary};

/// The prefix of the name of a gradient: `grad.fc1.weight` is ∂loss/∂`fc1.weight`.
const GRADIENT: &str = "grad.";

/// Returns the tensor of `names` that an unknown name most probably means. `grad.conv1.w` and PyTorch's `conv1.weight.grad` mean `grad.conv1.weight`. `conv1`
/// means the layer's output, `conv1.a`.
pub fn best_match(name: &str, names: &[&str]) -> Option<String> {
    // the name without `grad.` or `.grad`, and the prefix that the tensor's full name must have
    let (base, prefix) = match (name.strip_prefix(GRADIENT), name.strip_suffix(".grad")) {
        (Some(base), _) | (None, Some(base)) => (base, GRADIENT),
        (None, None) => (name, ""),
    };
    // the names that begin with `prefix`, without it
    let existing: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(prefix)).collect();
    let found = if existing.contains(&base) {
        Some(base.to_owned())
    } else if let Some((layer, suffix)) = base.rsplit_once('.') {
        let suffixes: Vec<&str> = existing.iter().filter_map(|name| name.strip_prefix(layer)?.strip_prefix('.')).collect();
        words::best_match(Vocabulary::LayerTensor, suffix, &suffixes).map(|suffix| format!("{layer}.{suffix}"))
    } else {
        Some(format!("{base}.a")).filter(|output| existing.contains(&output.as_str()))
    };
    if found.is_none() && !names_of_layer(base, prefix, names).is_empty() {
        return None; // the layer exists but has no such tensor: a similar name of another layer is not meant
    }
    found.map(|found| format!("{prefix}{found}")).or_else(|| suggest::nearest(name, names.iter().copied()).map(str::to_owned))
}

/// Returns the names that begin with `prefix` and the layer of `base`. For example, for the base `fc1.w` and the prefix `grad.` they are `grad.fc1.weight`,
/// `grad.fc1.bias` and so on.
fn names_of_layer<'a>(base: &str, prefix: &str, names: &[&'a str]) -> Vec<&'a str> {
    let Some((layer, _)) = base.rsplit_once('.') else { return Vec::new() };
    let is_of_layer =
        |name: &str| name.strip_prefix(prefix).and_then(|name| name.strip_prefix(layer)).is_some_and(|rest| rest.starts_with('.'));
    names.iter().copied().filter(|name| is_of_layer(name)).collect()
}

/// The largest number of names that a help line lists for all layers together. If there are more names, it lists only those of one layer.
const MAX_LISTED: usize = 12;

/// Returns a help line for an unknown name. It suggests the tensor that the name most probably means. If there is none, it lists all names if they are few, and
/// otherwise the tensors of the layer in the name.
pub fn help(name: &str, names: &[&str]) -> String {
    match best_match(name, names) {
        Some(likely) => suggest::did_you_mean(&likely),
        None if names.len() <= MAX_LISTED => suggest::list_names(names),
        None => {
            let (base, prefix) = name.strip_prefix(GRADIENT).map_or((name, ""), |base| (base, GRADIENT));
            suggest::list_names(&names_of_layer(base, prefix, names))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tensor_that_a_name_most_likely_means_is_found() {
        let names = ["conv1.weight", "conv1.bias", "conv1.z", "conv1.a", "grad.conv1.weight", "grad.conv1.a", "grad.conv1.z"];
        for (name, expected) in [
            ("grad.conv1.w", Some("grad.conv1.weight")),
            ("conv1.weight.grad", Some("grad.conv1.weight")),
            ("conv1.W", Some("conv1.weight")),
            ("conv1.b", Some("conv1.bias")),
            ("conv1", Some("conv1.a")),
            ("grad.conv1", Some("grad.conv1.a")),
            ("conv1.out", Some("conv1.a")),
            ("conv1.logits", Some("conv1.z")),
            ("conv2.z", Some("conv1.z")),
            ("grad.conv1.wieght", Some("grad.conv1.weight")),
            ("elsewhere.q", None),
            ("grad.conv1.bias", None),
        ] {
            assert_eq!(best_match(name, &names).as_deref(), expected, "{name}");
        }
    }
}
