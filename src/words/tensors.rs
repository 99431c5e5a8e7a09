//! Suggestions for unknown tensor names in addresses.

use super::suggest;
use super::{self as words, Vocabulary};

const GRADIENT: &str = "grad.";

/// Returns the tensor of `names` that an unknown name most likely means. `grad.conv1.w` and PyTorch's `conv1.weight.grad` are `grad.conv1.weight`; `conv1`
/// alone is the layer's output `conv1.a`.
pub fn meant(name: &str, names: &[&str]) -> Option<String> {
    let (own, prefix) = match (name.strip_prefix(GRADIENT), name.strip_suffix(".grad")) {
        (Some(own), _) | (None, Some(own)) => (own, GRADIENT),
        (None, None) => (name, ""),
    };
    let there: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(prefix)).collect();
    let found = if there.contains(&own) {
        Some(own.to_owned())
    } else if let Some((layer, part)) = own.rsplit_once('.') {
        let parts: Vec<&str> = there.iter().filter_map(|name| name.strip_prefix(layer)?.strip_prefix('.')).collect();
        words::meant(Vocabulary::Part, part, &parts).map(|part| format!("{layer}.{part}"))
    } else {
        Some(format!("{own}.a")).filter(|output| there.contains(&output.as_str()))
    };
    if found.is_none() && !of_layer(own, prefix, names).is_empty() {
        return None; // the layer exists and has no tensor of that name
    }
    found.map(|found| format!("{prefix}{found}")).or_else(|| suggest::nearest(name, names.iter().copied()).map(str::to_owned))
}

/// Returns the names that begin with `prefix` and the layer of tensor `own`.
fn of_layer<'a>(own: &str, prefix: &str, names: &[&'a str]) -> Vec<&'a str> {
    let Some((layer, _)) = own.rsplit_once('.') else { return Vec::new() };
    let is_part =
        |name: &str| name.strip_prefix(prefix).and_then(|name| name.strip_prefix(layer)).is_some_and(|part| part.starts_with('.'));
    names.iter().copied().filter(|name| is_part(name)).collect()
}

/// Returns a help line for an unknown name: the tensor that it most likely means, or the tensors of its layer, or all if there are few.
pub fn help(name: &str, names: &[&str]) -> String {
    match meant(name, names) {
        Some(near) => suggest::question(&near),
        None if names.len() <= 12 => suggest::possible(names),
        None => {
            let (own, prefix) = name.strip_prefix(GRADIENT).map_or((name, ""), |own| (own, GRADIENT));
            suggest::possible(&of_layer(own, prefix, names))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        let names = ["conv1.weight", "conv1.bias", "conv1.z", "conv1.a", "grad.conv1.weight", "grad.conv1.a", "grad.conv1.z"];
        for (name, is) in [
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
            assert_eq!(meant(name, &names).as_deref(), is, "{name}");
        }
    }
}
