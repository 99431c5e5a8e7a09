//! The names of the layers in a scenario file that may have faults.
//!
//! After a fault, the list of names may be incomplete. For example, the default name of a layer of unknown type is unknown. A reference to a name that is not
//! in the list is then not reported, because the name may exist when the other faults are corrected.

use std::collections::{HashMap, HashSet};

use crate::op::LAYERS;
use crate::words::suggest;

/// The names that a layer may have although they are not in the list of known names. The variants are in the order from fewer to more names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UnknownNames {
    /// No further names: the list is complete.
    None,
    /// Any default name, such as `fc2`. Default names are numbered for each type of layer. If the type of a layer is unknown, so are the default names of this
    /// layer and of later ones.
    Default,
    /// Any name: a layer could not be read, or must be renamed.
    Any,
}

/// The names of the layers.
#[derive(Debug)]
pub(super) struct LayerNames {
    /// The names in file order.
    pub list: Vec<String>,
    /// The index of the layer with this name, in file order. If two layers have the same name, it is the index of the last one.
    pub indices: HashMap<String, usize>,
    /// The names that may exist although they are not in `list`.
    pub unknown: UnknownNames,
    /// The invalid names, as written in the file. The user will probably correct one to a similar name.
    pub invalid: Vec<String>,
    /// The names after a key `from` that no layer has. For each of them a fault is reported at the `from`, so its other uses are not reported.
    pub missing: HashSet<String>,
}

impl LayerNames {
    pub fn new(list: Vec<String>, unknown: UnknownNames, invalid: Vec<String>) -> Self {
        let indices = list.iter().cloned().zip(0..).collect();
        Self { list, indices, unknown, invalid, missing: HashSet::new() }
    }

    /// Returns whether the list is complete and every name is valid.
    pub fn is_complete(&self) -> bool {
        self.unknown == UnknownNames::None && self.invalid.is_empty()
    }

    /// Returns whether a layer that is not in the list may have this name.
    pub fn may_have(&self, name: &str) -> bool {
        let is_similar = |invalid: &String| invalid == name || suggest::nearest(name, [invalid.as_str()]).is_some();
        if self.invalid.iter().any(is_similar) {
            return true;
        }
        match self.unknown {
            UnknownNames::None => false,
            UnknownNames::Default => {
                // a default name is a base and a number, such as `fc` and 2. The number is at least 1 and at most the number of layers
                let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
                let number: Option<usize> = name[base.len()..].parse().ok();
                LAYERS.iter().any(|kind| kind.default_name == base) && number.is_some_and(|n| (1..=self.list.len()).contains(&n))
            }
            UnknownNames::Any => true,
        }
    }

    /// Returns `true` if it is certain that no layer has this name, and this was not reported yet.
    pub fn certainly_lacks(&self, name: &str) -> bool {
        !self.indices.contains_key(name) && !self.missing.contains(name) && !self.may_have(name)
    }

    /// Returns the layer name that is most similar to `name`.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        suggest::nearest(name, self.list.iter().map(String::as_str))
    }
}
