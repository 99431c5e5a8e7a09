//! The layers' names, and which other names may still exist while the file has errors.

use std::collections::{HashMap, HashSet};

use crate::op::LAYERS;
use crate::words::suggest;

/// The names that a layer may have although the list of known names lacks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UnknownNames {
    /// No other names: the list is complete.
    None,
    /// Default names such as `fc2`: the type of a layer is unknown, so its own default name and those of later layers are too.
    Default,
    /// Any name: a layer may be missing, or must be renamed.
    Any,
}

/// The names of the layers.
#[derive(Debug)]
pub(super) struct LayerNames {
    /// The names in file order.
    pub list: Vec<String>,
    /// The number of the last layer with each name.
    pub numbers: HashMap<String, usize>,
    pub unknown: UnknownNames,
    /// Invalid names as written; a corrected name is likely to resemble one of them.
    pub faulty: Vec<String>,
    /// Names that a `from` uses and no layer has. They are reported there, so no other use is reported.
    pub missing: HashSet<String>,
}

impl LayerNames {
    pub fn new(list: Vec<String>, unknown: UnknownNames, faulty: Vec<String>) -> Self {
        let numbers = list.iter().cloned().zip(0..).collect();
        Self { list, numbers, unknown, faulty, missing: HashSet::new() }
    }

    /// Returns whether the list is complete and every name is valid.
    pub fn are_certain(&self) -> bool {
        self.unknown == UnknownNames::None && self.faulty.is_empty()
    }

    /// Returns whether a layer that is not in the list may have this name.
    pub fn may_have(&self, name: &str) -> bool {
        let like = |faulty: &String| faulty == name || suggest::nearest(name, [faulty.as_str()]).is_some();
        if self.faulty.iter().any(like) {
            return true;
        }
        match self.unknown {
            UnknownNames::None => false,
            UnknownNames::Default => {
                let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
                // default names are numbered from 1, at most up to the number of layers
                let number: Option<usize> = name[base.len()..].parse().ok();
                LAYERS.iter().any(|kind| kind.base == base) && number.is_some_and(|n| (1..=self.list.len()).contains(&n))
            }
            UnknownNames::Any => true,
        }
    }

    /// Returns whether certainly no layer has this name and no error about it was reported.
    pub fn lacks(&self, name: &str) -> bool {
        !self.numbers.contains_key(name) && !self.missing.contains(name) && !self.may_have(name)
    }

    /// Returns the layer name that is most similar to `name`.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        suggest::nearest(name, self.list.iter().map(String::as_str))
    }
}
