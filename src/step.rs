//! Floor 1, the narrow waist: a step is a value. Ops make steps, panes draw them, exporters print them.

mod address;

pub use address::{Address, AddressError, Place, Scope};

use compact_str::CompactString;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::expr::{Expr, Primitive};
use crate::number::{self, Json};
use crate::tensor::{Index, Places};

/// The five sample_runs of one iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    /// From the input to the output.
    Forward,
    /// The loss C.
    Loss,
    /// From the loss back to the input.
    Backward,
    /// Over the samples of the batch.
    Reduce,
    /// Of the parameters.
    Update,
}

impl Pass {
    /// The pass as it is written in a trace.
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

/// The units in which one moves through the trace, from fine to coarse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// One term.
    Step,
    /// One entry of a tensor.
    Entry,
    /// One op: a whole tensor.
    Op,
    /// Forward, loss, backward, …
    Pass,
    /// One sample.
    Sample,
    /// One iteration of gradient descent.
    Iteration,
}

impl Unit {
    /// All units, from fine to coarse.
    pub const ALL: [Self; 6] = [Self::Step, Self::Entry, Self::Op, Self::Pass, Self::Sample, Self::Iteration];

    /// Its name on the screen.
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

    /// Its name for several.
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

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Its value is the product of its factors, from left to right.
    Product,
    /// Its value is a function of its arguments.
    Apply,
    /// Its value is the maximum of its arguments; or it is a term of a loss that a target of 0 leaves out, and its value is 0.
    Select,
    /// Its value is its argument.
    Copy,
}

impl Kind {
    /// The kind as it is written in a trace.
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

/// Which tensor a factor belongs to, for marking it: the number of the tensor in the network and the row-major place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The tensor's number in the network.
    pub tensor: usize,
    /// The row-major place of the entry.
    pub at: usize,
}

/// One factor of a product, or one argument of a function; or many arguments at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The tensor's name, or a derivative such as `relu'(conv1.z)`; `None` for a constant.
    pub name: Option<CompactString>,
    /// The entry, from 0; empty for a scalar or a constant.
    pub index: Index,
    /// Its value; of no meaning where it is many.
    pub value: f64,
    /// The tensor and place that it is read or derived from; of many, the first.
    pub source: Option<Source>,
    /// For a derivative: what it is made of. `None` for a tensor's own entry.
    pub derived: Option<&'static Expr>,
    /// Which entries it is, where it is many.
    pub slice: Option<Places>,
}

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Factor", if self.slice.is_some() { 4 } else { 3 })?;
        fields.serialize_field("name", &self.name)?;
        if let Some(places) = self.slice {
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
    /// Its name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// One step of the computation, explained by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The iteration of gradient descent, from 1.
    pub iteration: u64,
    /// The sample, from 1; `None` in `reduce` and `update`.
    pub sample: Option<usize>,
    /// The number of the step within its iteration, from 1.
    pub step: u64,
    /// The pass.
    pub pass: Pass,
    /// The op, named after the tensor that it computes.
    pub op: CompactString,
    /// The entry of that tensor, from 0.
    pub index: Index,
    /// Which term of the entry, from 1.
    pub term: u64,
    /// How many terms the entry has.
    pub terms: u64,
    /// What the step does.
    pub kind: Kind,
    /// The factors or arguments.
    pub factors: Vec<Factor>,
    /// The function, for an application or a selection.
    pub function: Option<&'static Primitive>,
    /// This step's contribution.
    #[serde(serialize_with = "number::json")]
    pub value: f64,
    /// The running sum after this step; at the last term, the entry's value.
    #[serde(serialize_with = "number::json")]
    pub sum: f64,
}
