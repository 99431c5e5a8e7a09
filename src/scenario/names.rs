//! The names of the layers, as far as they are certain.

use std::collections::{HashMap, HashSet};

use crate::op::LAYERS;
use crate::words::suggest;

/// Which names a layer may have that is not among those known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// None: these are all.
    Nothing,
    /// A default name: the type of a layer is not known, and with it its number among those of its kind, and theirs.
    Defaults,
    /// Any: there may be other layers, or some must be named anew.
    Everything,
}

/// The names of the layers.
#[derive(Debug)]
pub(super) struct Names {
    /// In file order.
    pub list: Vec<String>,
    /// The last layer of each name.
    pub numbers: HashMap<String, usize>,
    pub doubt: Doubt,
    /// Names that are none, as they are written: what is like one of them may be what it will be.
    pub faulty: Vec<String>,
    /// Names that no layer has, and one may get: they were reported where a layer reads them.
    pub missing: HashSet<String>,
}

impl Names {
    pub fn new(list: Vec<String>, doubt: Doubt, faulty: Vec<String>) -> Self {
        let numbers = list.iter().cloned().zip(0..).collect();
        Self { list, numbers, doubt, faulty, missing: HashSet::new() }
    }

    /// Whether they are certain.
    pub fn are_certain(&self) -> bool {
        self.doubt == Doubt::Nothing && self.faulty.is_empty()
    }

    /// Whether a layer that is not in the list may have this name.
    pub fn may_have(&self, name: &str) -> bool {
        let like = |faulty: &String| faulty == name || suggest::nearest(name, [faulty.as_str()]).is_some();
        if self.faulty.iter().any(like) {
            return true;
        }
        match self.doubt {
            Doubt::Nothing => false,
            Doubt::Defaults => {
                let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
                // no kind has more layers than there are
                let number: Option<usize> = name[base.len()..].parse().ok();
                LAYERS.iter().any(|kind| kind.base == base) && number.is_some_and(|n| (1..=self.list.len()).contains(&n))
            }
            Doubt::Everything => true,
        }
    }

    /// Whether no layer has this name.
    pub fn lack(&self, name: &str) -> bool {
        !self.numbers.contains_key(name) && !self.missing.contains(name) && !self.may_have(name)
    }

    /// The nearest name that a layer has.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        suggest::nearest(name, self.list.iter().map(String::as_str))
    }
}
