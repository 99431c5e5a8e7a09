//! One step of the computation, as a value. A step is one term of one entry, such as the product `weight[0,1] · input[1]` in an output of a linear layer.
//!
//! Ops make steps, panes of the screen draw steps, and commands print steps. Ops, panes and commands have only [`Step`] in common.

mod address;

pub use address::{Address, AddressError, Location, Scope};

use compact_str::CompactString;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::expr::{Expr, Primitive};
use crate::number::{self, Json};
use crate::tensor::{Index, Places};

/// The five passes of one iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    /// The outputs of the layers, from the first layer to the last.
    Forward,
    /// The loss C of the network's output.
    Loss,
    /// The derivatives of C, from the loss back to the input.
    Backward,
    /// The loss of the batch and the gradients of the parameters, summed or averaged over the samples.
    Reduce,
    /// The new parameters of gradient descent.
    Update,
}

impl Pass {
    /// The pass's name in a trace.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Loss => "loss",
            Self::Backward => "backward",
            Self::Reduce => "reduce",
            Self::Update => "update",
        }
    }
}

/// The units by which the user moves through the steps of all iterations, from fine to coarse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// One term of an entry.
    Step,
    /// One entry of a tensor.
    Entry,
    /// One op, which computes one whole tensor.
    Op,
    /// One pass: forward, loss, backward, reduce or update.
    Pass,
    /// One sample.
    Sample,
    /// One iteration of gradient descent.
    Iteration,
}

impl Unit {
    /// All units, from fine to coarse.
    pub const ALL: [Self; 6] = [Self::Step, Self::Entry, Self::Op, Self::Pass, Self::Sample, Self::Iteration];

    /// The unit's name on the screen, in the singular.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Entry => "entry",
            Self::Op => "op",
            Self::Pass => "pass",
            Self::Sample => "sample",
            Self::Iteration => "iteration",
        }
    }

    /// The unit with this name; `None` if there is no such unit.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// The unit's name in the plural.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Step => "steps",
            Self::Entry => "entries",
            Self::Op => "ops",
            Self::Pass => "passes",
            Self::Sample => "samples",
            Self::Iteration => "iterations",
        }
    }
}

/// The operation of a step: how its value follows from its factors or arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The value is the product of the factors, multiplied from left to right.
    Product,
    /// The value is a function of the arguments.
    Apply,
    /// The value is the largest or the smallest argument. A term that counts as 0 without a computation also has this kind (`op/counted_zero.rs`). An example
    /// is a term t · log a of a loss for t = 0 and a = 0, because the product 0 · −∞ has no value.
    Select,
    /// The value is the argument.
    Copy,
}

impl Kind {
    /// The kind's name in a trace.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Apply => "apply",
            Self::Select => "select",
            Self::Copy => "copy",
        }
    }
}

/// One entry of one tensor, which a pane can mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// The id of the tensor: its index in the network's list of tensors.
    pub tensor: usize,
    /// The offset of the entry in row-major order.
    pub at: usize,
}

/// One factor of a product, one argument of a function, or a slice. A slice is an argument that consists of many entries of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The name of the tensor, or the text of a derivative such as `relu'(conv1.z)`; `None` for a constant.
    pub name: Option<CompactString>,
    /// The entry's index, from 0; empty for a scalar or a constant.
    pub index: Index,
    /// The factor's value. A slice has no value, and this number is meaningless.
    pub value: f64,
    /// The entry that is the factor, or from which the factor is computed. For a slice, it is the first entry of the slice. `None` for a constant.
    pub source: Option<TensorEntry>,
    /// The expression of a factor that is computed from an entry, such as the derivative of a relu. `None` if the factor is the entry.
    pub derived: Option<&'static Expr>,
    /// The entries of a slice; `None` for a single factor.
    pub slice: Option<Places>,
}

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let field_count = if self.slice.is_some() { 4 } else { 3 };
        let mut fields = serializer.serialize_struct("Factor", field_count)?;
        fields.serialize_field("name", &self.name)?;
        if let Some(places) = self.slice {
            // a slice has no index and no value (`null`), but the number of its entries
            fields.serialize_field("index", &())?;
            fields.serialize_field("value", &())?;
            fields.serialize_field("of", &places.len())?;
        } else {
            fields.serialize_field("index", &self.index)?;
            fields.serialize_field("value", &Json(self.value))?;
        }
        fields.end()
    }
}

impl Serialize for Primitive {
    /// Writes the function's name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// One step of the computation. It has everything that a screen or a line of a trace shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The iteration of gradient descent, from 1.
    pub iteration: u64,
    /// The sample, from 1; `None` in the passes `reduce` and `update`, which belong to the whole batch.
    pub sample: Option<usize>,
    /// The number of the step within its iteration, from 1.
    pub step: u64,
    /// The pass that the step is in.
    pub pass: Pass,
    /// The name of the op, which is also the name of the tensor that the op computes.
    pub op: CompactString,
    /// The index of the entry that the step computes.
    pub index: Index,
    /// The term's number within the entry, from 1.
    pub term: u64,
    /// The number of terms of the entry.
    pub terms: u64,
    /// The operation.
    pub kind: Kind,
    /// The factors or arguments.
    pub factors: Vec<Factor>,
    /// The function that is applied; `None` for products and copies, which need none.
    pub function: Option<&'static Primitive>,
    /// The term's value, which is added to the entry.
    #[serde(serialize_with = "number::json")]
    pub value: f64,
    /// The running sum after this step. At the last term, it is the entry's value.
    #[serde(serialize_with = "number::json")]
    pub sum: f64,
}
