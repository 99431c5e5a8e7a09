//! Breakpoints: steps at which the key `c` (continue) stops. The user sets one with `:break` and one of these texts:
//!
//! ```text
//! conv1.z             at the first step of the op, in each sample and iteration
//! conv1.z[0,1,1]      at the last term of the entry
//! |conv1.z| > 1       at the last term of the first entry for which this holds, each time the op is computed
//! |conv1.z[0,1,1]|>1  at the last term of the entry, if this holds
//! 3/2:conv1.z         only in sample 2 of iteration 3
//! ```

use std::collections::HashMap;
use std::fmt;

use super::Document;
use crate::network::Id;
use crate::scene::Scene;
use crate::step::{Address, Location, Pass, Scope};
use crate::tensor::{Index, ravel, unravel};
use crate::trace::{Stop, Stops, Trace, ValueTest};

/// The largest number of breakpoints.
const MAX_BREAKPOINTS: usize = 99;

/// The op or entry at which a breakpoint stops, and its condition.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakpointSpec {
    /// The only iteration in which it stops; `None` for every iteration.
    iteration: Option<u64>,
    /// The only sample in which it stops, or the only pass of the batch; `Any` for every sample.
    scope: Scope,
    /// The name of the op.
    name: String,
    /// The index of the entry; `None` for the op.
    index: Option<Index>,
    /// The condition on the value; `None` if it always stops.
    test: Option<ValueTest>,
}

/// A breakpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Breakpoint {
    /// Its number, from 1. The number of a removed breakpoint is not used again.
    pub number: u32,
    /// The place at which it stops, and its condition.
    pub spec: BreakpointSpec,
}

/// The breakpoints of a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Breakpoints {
    all: Vec<Breakpoint>,
    last_number: u32,
}

impl BreakpointSpec {
    /// Returns the spec of a breakpoint at an entry of a tensor of the scene. If `entry` is `None`, it is a breakpoint at the op of the tensor.
    #[must_use]
    pub fn at(scene: &Scene<'_>, tensor: Id, entry: Option<usize>) -> Self {
        let info = scene.network().tensor(tensor);
        let scope = match (scene.sample(), scene.pass_of(tensor)) {
            (Some(_), _) | (None, None) => Scope::Any,
            (None, Some(Pass::Reduce)) => Scope::Reduce,
            (None, Some(_)) => Scope::Update,
        };
        let index = entry.map(|entry| unravel(entry, &info.shape));
        Self { iteration: None, scope, name: info.name.to_string(), index, test: None }
    }

    /// Limits the spec to one sample. Samples are numbered from 0 in the order of the file.
    #[must_use]
    pub fn only_in(self, sample: usize) -> Self {
        Self { scope: Scope::Sample(sample + 1), ..self }
    }

    /// Parses a spec, and checks that its op or entry exists.
    ///
    /// # Errors
    /// A sentence about the error and about what to write instead.
    pub fn parse(text: &str, document: &Document) -> Result<Self, String> {
        let (address, condition) = split(text.trim())?;
        let address: Address = address.parse().map_err(|why: crate::step::AddressError| why.to_string())?;
        let iteration = address.iteration;
        // fails if there is no such iteration
        document.other_iteration(&Address { iteration, location: Location::First })?;
        let address_here = Address { iteration: None, ..address };
        let trace = &document.trace;
        let step = trace.resolve(&address_here)?;
        let position = trace.position(step).ok_or("there is no step")?;
        let Location::Op { scope: scope_of_step, name, index: index_of_step, .. } = trace.address(&position).location else {
            return Err("there is no op".to_owned());
        };
        let (scope, index) = match address_here.location {
            Location::Op { term: Some(_), .. } => return Err("a breakpoint is at an entry or an op, not at a term: leave out #".to_owned()),
            Location::Op { scope, index, .. } => (scope, index),
            // the address of a step means the entry that the step computes, in every sample. A tensor that is a single number has the empty index
            Location::Step(_) | Location::First | Location::Last => (Scope::Any, Some(index_of_step.unwrap_or_default())),
            Location::Loss | Location::Backward => (Scope::Any, None),
        };
        // an address without a prefix means the op in every sample; if the samples do not have this op, it means the op of the batch
        let scope = if scope == Scope::Any && matches!(scope_of_step, Scope::Reduce | Scope::Update) { scope_of_step } else { scope };
        Ok(Self { iteration, scope, name, index, test: condition })
    }

    /// Returns the address of the breakpoint's op or entry.
    #[must_use]
    pub fn address(&self) -> Address {
        // the address of a tensor that is a single number has no index
        let index = self.index.clone().filter(|index| !index.is_empty());
        Address { iteration: self.iteration, location: Location::Op { scope: self.scope, name: self.name.clone(), index, term: None } }
    }

    /// Describes the step at which it stops, such as `at the last term`.
    #[must_use]
    pub fn stops_at(&self) -> String {
        match (&self.index, &self.test) {
            (None, None) => "at the first step of the op".to_owned(),
            (Some(_), None) => "at the last term".to_owned(),
            (None, Some(_)) => "at the first entry for which it holds".to_owned(),
            (Some(_), Some(_)) => "at the last term, if it holds".to_owned(),
        }
    }

    /// Returns whether it can stop in the ops of this pass, sample and iteration. `sample` counts from 0 and is `None` for the batch.
    fn is_in(&self, iteration: u64, sample: Option<usize>, pass: Pass) -> bool {
        let is_in_scope = match self.scope {
            Scope::Any => sample.is_some(),
            // a scope counts samples from 1
            Scope::Sample(number) => sample == Some(number - 1),
            Scope::Reduce => sample.is_none() && pass == Pass::Reduce,
            Scope::Update => sample.is_none() && pass == Pass::Update,
        };
        is_in_scope && self.iteration.is_none_or(|only| only == iteration)
    }

    /// Converts the spec to a [`Stop`] in an op whose tensor has this shape; `None` if the index is outside the shape.
    fn stop(&self, shape: &[usize]) -> Option<Stop> {
        let entry = match &self.index {
            None => return Some(self.test.map_or(Stop::Op, Stop::FirstValue)),
            Some(index) => ravel(index, shape)?,
        };
        Some(self.test.map_or(Stop::Entry(entry), |test| Stop::Value(entry, test)))
    }
}

/// Splits a spec into its address and its condition: `z > 1` into `z` and `> 1`, and `|z| > 1` into `z` and `|x| > 1`. In a condition, x is the value.
fn split(text: &str) -> Result<(&str, Option<ValueTest>), String> {
    if let Some(rest) = text.strip_prefix('|') {
        let (address, condition) = rest.split_once('|').ok_or("the second | is missing, as in |grad.fc1.z| > 1")?;
        let condition = if condition.trim().is_empty() {
            return Err(format!("a condition is missing: |{}| > 1", address.trim()));
        } else {
            format!("|x| {condition}")
        };
        return Ok((address.trim(), Some(condition.parse()?)));
    }
    let sign = text.find(['<', '>', '=', '!']);
    // a condition in words begins after the first blank: `z nan`, `z not finite`
    let in_words = || text.find(char::is_whitespace).filter(|blank| ValueTest::starts_condition(&text[*blank..]));
    match sign.or_else(in_words) {
        None => Ok((text, None)),
        Some(begin) => Ok((text[..begin].trim(), Some(text[begin..].parse()?))),
    }
}

impl fmt::Display for BreakpointSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            None => write!(f, "{}", self.address()),
            Some(test) if test.is_on_magnitude => write!(f, "|{}| {test}", self.address()),
            Some(test) => write!(f, "{} {test}", self.address()),
        }
    }
}

/// The breakpoints, grouped by the name of their op.
pub(super) struct ByName<'a>(HashMap<&'a str, Vec<&'a Breakpoint>>);

impl ByName<'_> {
    /// Returns the stops in the op that computes a tensor of a run.
    pub fn stops(&self, trace: &Trace, run: usize, tensor: Id) -> Stops {
        let network = trace.network_of(run);
        let info = network.tensor(tensor);
        let Some(breakpoints) = self.0.get(&*info.name) else { return Stops::new() };
        let Some(op) = network.producer(tensor) else { return Stops::new() };
        let (iteration, sample, pass) = (trace.iteration(), trace.runs()[run].sample, network.ops()[op].pass);
        let in_this_op = breakpoints.iter().filter(|breakpoint| breakpoint.spec.is_in(iteration, sample, pass));
        in_this_op.filter_map(|breakpoint| Some((breakpoint.number, breakpoint.spec.stop(&info.shape)?))).collect()
    }
}

impl Breakpoints {
    /// Returns all breakpoints in the order of their numbers.
    #[must_use]
    pub fn all(&self) -> &[Breakpoint] {
        &self.all
    }

    /// Returns the breakpoint of this number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Breakpoint> {
        self.all.iter().find(|breakpoint| breakpoint.number == number)
    }

    /// Returns whether a breakpoint is in the op that computes a tensor of the scene.
    #[must_use]
    pub fn has_breakpoint_in_op(&self, scene: &Scene<'_>, tensor: Id) -> bool {
        let Some(pass) = scene.pass_of(tensor) else { return false };
        let name = &*scene.network().tensor(tensor).name;
        self.all.iter().any(|breakpoint| breakpoint.spec.name == name && breakpoint.spec.is_in(scene.step.iteration, scene.sample(), pass))
    }

    /// Adds a breakpoint and returns it; `None` if there is one with the same spec.
    ///
    /// # Errors
    /// A sentence if there are [`MAX_BREAKPOINTS`].
    pub(super) fn add(&mut self, spec: BreakpointSpec) -> Result<Option<&Breakpoint>, String> {
        if self.all.iter().any(|breakpoint| breakpoint.spec == spec) {
            return Ok(None);
        }
        if self.all.len() >= MAX_BREAKPOINTS {
            return Err(format!("there are {MAX_BREAKPOINTS} breakpoints: remove some with :delete"));
        }
        self.last_number += 1;
        self.all.push(Breakpoint { number: self.last_number, spec });
        Ok(self.all.last())
    }

    /// Removes the breakpoint with this spec, and returns it.
    pub(super) fn remove_spec(&mut self, spec: &BreakpointSpec) -> Option<Breakpoint> {
        let at = self.all.iter().position(|breakpoint| breakpoint.spec == *spec)?;
        Some(self.all.remove(at))
    }

    /// Removes the breakpoint of this number, and returns it.
    pub(super) fn remove(&mut self, number: u32) -> Option<Breakpoint> {
        let at = self.all.iter().position(|breakpoint| breakpoint.number == number)?;
        Some(self.all.remove(at))
    }

    /// Removes all breakpoints, and returns their number.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.all).len()
    }

    /// Returns the breakpoints, grouped by the name of their op.
    pub(super) fn by_name(&self) -> ByName<'_> {
        let mut by_name: HashMap<&str, Vec<&Breakpoint>> = HashMap::new();
        for breakpoint in &self.all {
            by_name.entry(&breakpoint.spec.name).or_default().push(breakpoint);
        }
        ByName(by_name)
    }
}
