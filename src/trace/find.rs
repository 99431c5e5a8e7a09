//! From addresses to steps and back, and from an entry to the steps that made it and those that use it.

use std::ops::Range;

use super::{Position, Trace};
use crate::network::Id;
use crate::step::{Address, Pass, Place, Scope};
use crate::tensor::{len, ravel, shape_text, unravel};

/// A step that reads an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseOf {
    /// The tensor that the step contributes to.
    pub tensor: Id,
    /// The row-major place in it.
    pub entry: usize,
    /// The step.
    pub step: u64,
}

impl Trace {
    /// The step that an address means: the first one of an op, an entry or a pass.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what there is instead.
    pub fn resolve(&self, address: &Address) -> Result<u64, String> {
        match address.iteration {
            None | Some(1) => {}
            Some(n) => return Err(format!("there is no iteration {n}: this scenario has one")),
        }
        match &address.place {
            Place::First => Ok(1),
            Place::Last => Ok(self.len),
            Place::Step(k) if *k <= self.len => Ok(*k),
            Place::Step(k) => Err(format!("there is no step {k}: the last is {}", self.len)),
            Place::Backward => self
                .passes()
                .find(|(_, pass, _)| *pass == Pass::Backward)
                .map(|(.., span)| span.start)
                .ok_or_else(|| "there is no backward pass".to_owned()),
            Place::Loss => self.resolve_op(Scope::Any, &self.network.tensor(self.network.loss()).name, None, None),
            Place::Op { scope, name, index, term } => self.resolve_op(*scope, name, index.as_deref(), *term),
        }
    }

    fn resolve_op(&self, scope: Scope, name: &str, index: Option<&[usize]>, term: Option<u64>) -> Result<u64, String> {
        let sample = match scope {
            Scope::Any => 0,
            Scope::Sample(n) if n <= self.runs.len() => n - 1,
            Scope::Sample(n) => return Err(format!("there is no sample {n}: there are {}", self.runs.len())),
            Scope::Reduce => return Err("there is no reduce pass: the scenario has one sample".to_owned()),
            Scope::Update => return Err("there is no update pass: the scenario has no [train]".to_owned()),
        };
        let Some(tensor) = self.network.find(name) else {
            let near = self.nearest(name).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            return Err(format!("there is no op {name}{near}"));
        };
        let Some(made_by) = self.network.made_by(tensor) else {
            return Err(format!("{name} is given, not computed: no step makes it"));
        };
        let segment = sample * self.network.ops().len() + made_by;
        let shape = &self.network.tensor(tensor).shape;
        let entry = match index {
            None => None,
            Some(index) => Some(ravel(index, shape).ok_or_else(|| misfit(name, index, shape))?),
        };
        let (before, end) = (self.segments[segment].before, self.end(segment));
        let (first, steps) = match entry {
            None => (before, end - before),
            Some(entry) => {
                let (run, op, number) = self.op(segment);
                let first = run.before(op, number, entry);
                (before + first, run.before(op, number, entry + 1) - first)
            }
        };
        match term.unwrap_or(1) {
            _ if steps == 0 => {
                Err(format!("{} has no step: nothing reaches it, it is 0", Address::from(op_place(scope, name, index, None))))
            }
            _ if term.is_some() && entry.is_none() && !shape.is_empty() => {
                Err(format!("a term belongs to an entry: write {name}[…]#{}", term.unwrap_or(1)))
            }
            term if term > steps => {
                Err(format!("there is no term {term}: {} has {steps}", Address::from(op_place(scope, name, index, None))))
            }
            term => Ok(first + term),
        }
    }

    /// The op whose name is most like this one.
    fn nearest(&self, name: &str) -> Option<&str> {
        let ops = self.network.ops().iter().map(|op| self.network.tensor(op.output).name.as_ref());
        ops.map(|op| (strsim::damerau_levenshtein(op, name), op)).filter(|(distance, _)| *distance <= 3).min().map(|(_, op)| op)
    }

    /// The address of a position: its op, entry and term.
    #[must_use]
    pub fn address(&self, at: &Position) -> Address {
        let info = self.network.tensor(self.op_at(at).output);
        let scope = if self.runs.len() > 1 { Scope::Sample(at.sample + 1) } else { Scope::Any };
        let index = unravel(at.entry, &info.shape);
        let place = Place::Op { scope, name: info.name.to_string(), index: (!index.is_empty()).then_some(index), term: Some(at.term + 1) };
        place.into()
    }

    /// The steps that made an entry, in a sample counted from 0; empty where none did. `None` for what is given.
    #[must_use]
    pub fn made(&self, sample: usize, tensor: Id, entry: usize) -> Option<Range<u64>> {
        let segment = sample * self.network.ops().len() + self.network.made_by(tensor)?;
        let (run, op, number) = self.op(segment);
        let before = self.segments[segment].before;
        Some(before + run.before(op, number, entry) + 1..before + run.before(op, number, entry + 1) + 1)
    }

    /// The steps that read an entry, in a sample counted from 0, in the order of the trace.
    #[must_use]
    pub fn uses(&self, sample: usize, tensor: Id, entry: usize) -> Vec<UseOf> {
        let mut uses = Vec::new();
        for (number, op) in self.network.ops().iter().enumerate() {
            let segment = sample * self.network.ops().len() + number;
            let run = &self.runs[sample];
            for (part, reads) in op.parts.iter().enumerate() {
                let (rule, x) = run.part(op, number, part);
                for (slot, _) in reads.operands.iter().enumerate().filter(|(_, id)| **id == tensor) {
                    for found in rule.uses(&x, slot, entry) {
                        let earlier: u64 = (0..part)
                            .map(|part| {
                                let (rule, x) = run.part(op, number, part);
                                rule.before(&x, found.entry + 1) - rule.before(&x, found.entry)
                            })
                            .sum();
                        let step = self.segments[segment].before + run.before(op, number, found.entry) + earlier + found.term + 1;
                        uses.push(UseOf { tensor: op.output, entry: found.entry, step });
                    }
                }
            }
        }
        uses.sort_unstable_by_key(|found| found.step);
        uses.dedup();
        uses
    }
}

fn op_place(scope: Scope, name: &str, index: Option<&[usize]>, term: Option<u64>) -> Place {
    Place::Op { scope, name: name.to_owned(), index: index.map(smallvec::SmallVec::from_slice), term }
}

fn misfit(name: &str, index: &[usize], shape: &[usize]) -> String {
    if shape.is_empty() {
        return format!("{name} is a single number: it has no index");
    }
    if index.len() != shape.len() {
        return format!("{name} has {} indices, not {}: its shape is {}", shape.len(), index.len(), shape_text(shape));
    }
    let last = unravel(len(shape).saturating_sub(1), shape);
    let last: Vec<String> = last.iter().map(ToString::to_string).collect();
    format!("the index is out of range: {name} is {}, its last entry is {name}[{}]", shape_text(shape), last.join(","))
}
