//! Converts addresses such as `fc1.z[1]#2` to steps and back, and finds the steps that compute or read an entry.

use std::fmt;
use std::ops::Range;

use smallvec::SmallVec;

use super::{Position, Trace};
use crate::network::{Id, IterationRun, Network, Reader, Role};
use crate::op::rule::{Arg, Origin, PossibleUse, Term};
use crate::op::slot::{Reads, Slot};
use crate::step::{Address, Kind, Location, Pass, Scope, Unit};
use crate::tensor::{index_text, len, ravel, shape_text, unravel};
use crate::text::counted;
use crate::words::{suggest, tensors};

/// The entries that a term reads. Each is a tensor and the offset of the entry in row-major order.
pub type Sources = SmallVec<[(Id, usize); 4]>;

/// The largest number of arguments of a term in [`Sources`]. Further arguments are left out. To find whether a term with many arguments reads an entry, use
/// [`Trace::term_reads`].
pub const MAX_ARGUMENTS: usize = 1024;

/// A step that reads an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingStep {
    /// The tensor that the step computes.
    pub tensor: Id,
    /// The offset of the entry that the step computes.
    pub entry: usize,
    /// The number of the step.
    pub step: u64,
    /// `false` if numbers that are not known yet decide whether the step reads the entry ([`Trace::possible_uses`]).
    pub is_certain: bool,
}

impl Trace {
    /// Returns the first step that an address means.
    ///
    /// # Errors
    /// A message for the user: what is wrong, and what exists instead.
    pub fn resolve(&self, address: &Address) -> Result<u64, String> {
        match address.iteration {
            None => {}
            Some(n) if n == self.iteration => {}
            Some(n) => return Err(format!("there is no iteration {n}: this is iteration {}", self.iteration)),
        }
        match &address.location {
            Location::First => Ok(1),
            Location::Last => Ok(self.len),
            Location::Step(k) if *k <= self.len => Ok(*k),
            Location::Step(k) => Err(format!("there is no step {k}: the last is {}", self.len)),
            Location::Backward => self
                .passes()
                .find(|(_, pass, _)| *pass == Pass::Backward)
                .map(|(.., span)| span.start)
                .ok_or_else(|| "there is no backward pass".to_owned()),
            // in a graph, `loss` is the node with this name; if there is none, it is the output
            Location::Loss => {
                let network = self.network();
                let loss = network.find("loss").unwrap_or(network.loss());
                let (index, term) = (None, None);
                self.resolve_op(Scope::Any, &network.tensor(loss).name, index, term)
            }
            Location::Op { scope, name, index, term } => self.resolve_op(*scope, name, index.as_deref(), *term),
        }
    }

    /// Returns all steps that an address means: the steps of a term, an entry, an op or a pass.
    ///
    /// # Errors
    /// As [`Trace::resolve`].
    pub fn range(&self, address: &Address) -> Result<Range<u64>, String> {
        let first = self.resolve(address)?;
        let unit = match &address.location {
            Location::Op { index: None, term: None, .. } | Location::Loss => Unit::Op,
            Location::Op { term: None, .. } => Unit::Entry,
            Location::Backward => Unit::Pass,
            _ => Unit::Step,
        };
        Ok(self.span(first, unit))
    }

    /// Returns the first step of an op, an entry or a term.
    fn resolve_op(&self, scope: Scope, name: &str, index: Option<&[usize]>, term: Option<u64>) -> Result<u64, String> {
        let run_index = self.run_index(scope)?;
        let network = self.network_of(run_index);
        let Some((tensor, producer)) = self.find_computed(run_index, scope, name)? else {
            // no op of the sample computes this tensor, but an op of the update does
            return self.resolve_op(Scope::Update, name, index, term);
        };
        let pass = network.ops()[producer].pass;
        if scope == Scope::Reduce && pass != Pass::Reduce || scope == Scope::Update && pass != Pass::Update {
            return Err(format!("{name} is not in that pass, but in {}", pass.name()));
        }
        let segment = self.segment(run_index, producer);
        let shape = &network.tensor(tensor).shape;
        let entry = index.map(|index| entry_offset(name, index, shape)).transpose()?;
        let before_op = self.segments[segment].steps_before;
        let (steps_before, steps) = match entry {
            None => (before_op, self.last_step(segment) - before_op),
            Some(entry) => {
                let before_entry = self.terms_before(segment, entry);
                (before_op + before_entry, self.terms_before(segment, entry + 1) - before_entry)
            }
        };
        let entry_address = || {
            let term = None;
            Address::from(Location::Op { scope, name: name.to_owned(), index: index.map(SmallVec::from_slice), term })
        };
        match term.unwrap_or(1) {
            _ if steps == 0 => {
                let why = self.reason_unreached(run_index, tensor, entry.unwrap_or(0));
                Err(zero_sentence(&entry_address(), why))
            }
            _ if term.is_some() && entry.is_none() && !shape.is_empty() => {
                Err(format!("a term belongs to an entry: write {name}[…]#{}", term.unwrap_or(1)))
            }
            term if term > steps => Err(format!("there is no term {term}: {} has {steps}", entry_address())),
            term => Ok(steps_before + term),
        }
    }

    /// Finds an op of a run by name. Returns the tensor that the op computes and the index of the op. Returns `None` if only the update computes a tensor with
    /// this name.
    fn find_computed(&self, run_index: usize, scope: Scope, name: &str) -> Result<Option<(Id, usize)>, String> {
        let network = self.network_of(run_index);
        let tensor = network.find(name);
        if let Some((tensor, producer)) = tensor.and_then(|tensor| Some((tensor, network.producer(tensor)?))) {
            return Ok(Some((tensor, producer)));
        }
        // in a sample's network, no op computes a parameter; the update computes its new value
        if self.run_of_update(scope, name).is_some() {
            return Ok(None);
        }
        if tensor.is_some() {
            return Err(format!("{name} is given, not computed: no step makes it"));
        }
        if scope != Scope::Any && name.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "a step's number counts over the whole iteration and takes nothing in front: write {name}, not {scope}{name}"
            ));
        }
        let ops: Vec<&str> = network.ops().iter().map(|op| network.tensor(op.output).name.as_ref()).collect();
        Err(format!("there is no op {name}{}", suggest::clause(tensors::best_match(name, &ops).as_deref())))
    }

    /// Checks whether a location can exist in another iteration, whose batch has these samples (from 0). The result is `Ok` if it exists or might exist. A term
    /// is not checked, because the number of terms of an entry may depend on the values.
    ///
    /// All iterations have the same number of samples and the same ops, with two exceptions: in the first iteration there is no previous velocity, and the last
    /// iteration may have no update.
    ///
    /// # Errors
    /// As [`Trace::resolve`].
    pub fn check_location(&self, location: &Location, samples: &[usize]) -> Result<(), String> {
        let Location::Op { scope, name, index, term } = location else { return Ok(()) };
        let run_of_first_sample = 0;
        let run_index = match (scope, self.run_index(*scope)) {
            (Scope::Sample(n), _) if !samples.contains(&(n - 1)) => return Err(no_sample(*n, samples.iter().copied())),
            // if this batch has one sample, so do all batches
            (Scope::Reduce, Err(message)) => return Err(message),
            // the other iteration may have an update
            (Scope::Update, Err(_)) => return Ok(()),
            // this iteration has no update; another one may have it, and `name` may be a tensor of that update
            (Scope::Any, _) if !self.computes(run_of_first_sample, name) && self.run_index(Scope::Update).is_err() => return Ok(()),
            (Scope::Reduce | Scope::Update, Ok(run_index)) => run_index,
            // all samples have the same network
            (Scope::Any | Scope::Sample(_), _) => run_of_first_sample,
        };
        let network = self.network_of(run_index);
        // an input, a parameter or a target has no op, but its entries have an address
        let tensor = match network.find(name).filter(|tensor| term.is_none() && network.producer(*tensor).is_none()) {
            Some(given) => Some(given),
            None => self.find_computed(run_index, *scope, name)?.map(|(tensor, _)| tensor),
        };
        if let Some((tensor, index)) = tensor.zip(index.as_deref()) {
            entry_offset(name, index, &network.tensor(tensor).shape)?;
        }
        Ok(())
    }

    /// Returns whether an op of a run computes a tensor with this name.
    fn computes(&self, run_index: usize, name: &str) -> bool {
        let network = self.network_of(run_index);
        network.find(name).is_some_and(|id| network.producer(id).is_some())
    }

    /// Returns the run and the tensor that an address names. The tensor may be an input.
    ///
    /// # Errors
    /// A message for the user, if there is no such tensor.
    pub fn tensor(&self, address: &Address) -> Result<(usize, Id), String> {
        let Location::Op { scope, name, .. } = &address.location else {
            return Err(format!("{address} is not a tensor: write a name such as loss or grad.fc1.weight"));
        };
        let mut run_index = self.run_index(*scope)?;
        if let Some(batch) = self.run_of_update(*scope, name).filter(|_| self.network_of(run_index).find(name).is_none()) {
            run_index = batch;
        }
        self.network_of(run_index).find(name).map(|id| (run_index, id)).ok_or_else(|| format!("there is no tensor {name}"))
    }

    /// Returns the index of the batch's run, if its update computes a tensor with this name: the new value of a parameter, or a velocity. Returns `None` if
    /// `scope` names a sample or a pass.
    fn run_of_update(&self, scope: Scope, name: &str) -> Option<usize> {
        let batch = (scope == Scope::Any).then(|| self.run_index(Scope::Update).ok()).flatten()?;
        self.computes(batch, name).then_some(batch)
    }

    /// Returns the index of the run that a scope means; 0 for [`Scope::Any`].
    fn run_index(&self, scope: Scope) -> Result<usize, String> {
        let batch = || self.runs.iter().position(|run| run.sample.is_none());
        let has = |pass: Pass| move |run_index: &usize| self.network_of(*run_index).ops().iter().any(|op| op.pass == pass);
        match scope {
            Scope::Any => Ok(0),
            Scope::Sample(n) => {
                let samples = || self.runs.iter().filter_map(|run| run.sample);
                self.runs.iter().position(|run| run.sample == Some(n - 1)).ok_or_else(|| no_sample(n, samples()))
            }
            Scope::Reduce => {
                batch().filter(has(Pass::Reduce)).ok_or_else(|| "there is no reduce pass: the batch has one sample".to_owned())
            }
            Scope::Update => {
                batch().filter(has(Pass::Update)).ok_or_else(|| "there is no update pass: the scenario has no [train]".to_owned())
            }
        }
    }

    /// Returns the address of a position, with its op, entry and term.
    #[must_use]
    pub fn address(&self, at: &Position) -> Address {
        let op = self.op_at(at);
        let info = self.network_of(at.run_index).tensor(op.output);
        let scope = match (self.runs[at.run_index].sample, op.pass) {
            (Some(_), _) if at.run_index == 0 && self.samples() == 1 => Scope::Any,
            (Some(sample), _) => Scope::Sample(sample + 1),
            (None, Pass::Reduce) => Scope::Reduce,
            (None, _) => Scope::Update,
        };
        let index = unravel(at.entry, &info.shape);
        let location =
            Location::Op { scope, name: info.name.to_string(), index: (!index.is_empty()).then_some(index), term: Some(at.term + 1) };
        location.into()
    }

    /// Returns the steps that compute an entry; empty for an entry without terms, `None` for an input or a parameter.
    #[must_use]
    pub fn entry_steps(&self, run_index: usize, tensor: Id, entry: usize) -> Option<Range<u64>> {
        let segment = self.segment(run_index, self.network_of(run_index).producer(tensor)?);
        let before = self.segments[segment].steps_before;
        Some(before + self.terms_before(segment, entry) + 1..before + self.terms_before(segment, entry + 1) + 1)
    }

    /// Returns the reason why an entry of a computed tensor has no terms, as one clause.
    #[must_use]
    pub fn reason_unreached(&self, run_index: usize, tensor: Id, entry: usize) -> &'static str {
        let IterationRun { network, run, .. } = &self.runs[run_index];
        let Some(op_index) = network.producer(tensor) else { return "no step computes it" };
        let op = &network.ops()[op_index];
        if op.parts.is_empty() {
            // the gradient of an input that no statement reads
            return "the output does not depend on it";
        }
        let (rule, x) = run.part(op, op_index, 0);
        rule.reason_unreached(&x, entry)
    }

    /// Converts a tensor of the samples to the tensor that the batch makes of it, and returns the index of the batch's run with this tensor. The batch reduces
    /// the loss, the gradients of parameters and those of updated inputs of a graph, or adds a penalty. Returns `None` for every other tensor.
    #[must_use]
    pub fn in_batch(&self, sample_tensor: Id) -> Option<(usize, Id)> {
        let batch = self.samples();
        let network = &self.runs.get(batch)?.network;
        let id = network.find(&self.network().tensor(sample_tensor).name)?;
        (network.tensor(id).role == Role::Reduced(sample_tensor)).then_some((batch, id))
    }

    /// Returns the step that completes the loss of the batch. If the batch has no op for its loss, returns the step that completes the loss of its only sample.
    #[must_use]
    pub fn loss_step(&self) -> u64 {
        // `None` if the batch has no op for its loss: it has one sample and no penalty
        let loss = |run_index: usize| self.entry_steps(run_index, self.network_of(run_index).loss(), 0);
        loss(self.runs.len() - 1).or_else(|| loss(0)).map_or(1, |steps| steps.end - 1)
    }

    /// Returns the steps that read an entry, in order.
    #[must_use]
    pub fn uses(&self, run_index: usize, tensor: Id, entry: usize) -> Vec<ReadingStep> {
        self.possible_uses(run_index, tensor, entry, &|_, _| true)
    }

    /// Returns the steps that read an entry, or may read it, in order. `is_known` returns whether an entry of a tensor is known. If an unknown entry decides
    /// whether a step reads the entry, as a mask does, the step is listed too.
    #[must_use]
    pub fn possible_uses(&self, run_index: usize, tensor: Id, entry: usize, is_known: &dyn Fn(Id, usize) -> bool) -> Vec<ReadingStep> {
        let mut uses = Vec::new();
        let IterationRun { network, run, .. } = &self.runs[run_index];
        for &Reader { op: op_index, part, slot } in network.readers(tensor) {
            let (op, segment) = (&network.ops()[op_index], self.segment(run_index, op_index));
            let (rule, x) = run.part(op, op_index, part);
            let is_operand_known = |slot: Slot, at: usize| is_known(op.parts[part].operands[slot], at);
            for PossibleUse { found, is_certain } in rule.possible_uses(&x, slot, entry, &is_operand_known) {
                let before_op = self.segments[segment].steps_before;
                let before_entry = self.terms_before(segment, found.entry);
                let before_part = self.terms_before_part(segment, found.entry, part);
                let step = before_op + before_entry + before_part + found.term + 1;
                uses.push(ReadingStep { tensor: op.output, entry: found.entry, step, is_certain });
            }
        }
        // a step that reads the entry several times is listed once, as certain if one of its reads is
        uses.sort_unstable_by_key(|found| (found.step, !found.is_certain));
        uses.dedup_by_key(|found| found.step);
        uses
    }
}

/// Returns the sentence about an entry without terms: `grad.input[0,1,1] is 0: no window covers it: the stride steps over it`.
#[must_use]
pub fn zero_sentence(name: &impl fmt::Display, why: &str) -> String {
    format!("{name} is 0: {why}")
}

/// Returns the message that an iteration, which has only these samples (from 0), does not have sample `n` (from 1).
fn no_sample(n: usize, samples: impl Iterator<Item = usize>) -> String {
    let numbers: Vec<String> = samples.map(|sample| (sample + 1).to_string()).collect();
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!("there is no sample {n} in this iteration: it has the sample{plural} {}", numbers.join(", "))
}

/// Returns the offset of an entry of the tensor `name`. If the index does not fit the shape, the error is a message.
fn entry_offset(name: &str, index: &[usize], shape: &[usize]) -> Result<usize, String> {
    ravel(index, shape).ok_or_else(|| wrong_index(name, index, shape))
}

/// The message for an index that does not fit the shape of the tensor `name`.
fn wrong_index(name: &str, index: &[usize], shape: &[usize]) -> String {
    if shape.is_empty() {
        return format!("{name} is a single number: it has no index");
    }
    if index.len() != shape.len() {
        return format!("{name} has {}, not {}: its shape is {}", counted(shape.len(), "index"), index.len(), shape_text(shape));
    }
    let last = index_text(&unravel(len(shape).saturating_sub(1), shape));
    format!("{name} has no entry {}; its last entry is {last}", index_text(index))
}

/// Returns the entries that an argument of a term reads.
///
/// A derived argument is computed from operands by an expression, such as relu′(z). The expression may have several operands, and the argument reads the
/// same entry of each. An operand with another shape than the one in the argument's own slot is left out.
fn sources_of_argument(network: &Network, operands: &Reads<Id>, arg: &Arg) -> Sources {
    let (main_slot, at) = match arg.origin {
        Origin::Entry { slot, at } | Origin::Derived { slot, at, .. } => (slot, at),
        Origin::Slice { slot, places } => return places.each().take(MAX_ARGUMENTS).map(|at| (operands[slot], at)).collect(),
        Origin::Constant => return Sources::new(),
    };
    let shape = |slot: Slot| &network.tensor(operands[slot]).shape;
    arg.slots().filter(|slot| shape(*slot) == shape(main_slot)).map(|slot| (operands[slot], at)).collect()
}

/// Returns the entries that a term reads.
pub(super) fn sources_of_term(network: &Network, operands: &Reads<Id>, term: &Term) -> Sources {
    let mut sources = Sources::new();
    for arg in term.args.iter().take(MAX_ARGUMENTS) {
        match arg.origin {
            // this case is the most frequent one: a picture of the network reads thousands of such arguments
            Origin::Entry { slot, at } => sources.push((operands[slot], at)),
            _ => sources.extend(sources_of_argument(network, operands, arg)),
        }
    }
    sources
}

impl Trace {
    /// Returns the entries that a term (from 0) of the entry at a position reads. Only the first [`MAX_ARGUMENTS`] arguments of the term count.
    #[must_use]
    pub fn sources(&self, at: &Position, term: u64) -> Sources {
        self.sources_of(at, term..term + 1).next().unwrap_or_default()
    }

    /// Iterates over these terms (from 0) of the entry at a position. Each item is a list of the entries that the term reads.
    pub fn sources_of<'a>(&'a self, at: &Position, terms: Range<u64>) -> impl Iterator<Item = Sources> + use<'a> {
        self.each_term(at, terms, sources_of_term)
    }

    /// Iterates over these terms (from 0) of the entry at a position. Each item is the value of the term and the entries that the term reads. If the term
    /// selects one argument, as a maximum or a minimum does, only the selected entry counts as read.
    pub fn contributions<'a>(&'a self, at: &Position, terms: Range<u64>) -> impl Iterator<Item = (f64, Sources)> + use<'a> {
        self.each_term(at, terms, |network, operands, term| {
            let is_selected = |arg: &Arg| arg.value.to_bits() == term.value.to_bits();
            let selected = term.args.iter().find(|arg| term.kind == Kind::Select && is_selected(arg));
            let read_one =
                |arg: &Arg| sources_of_term(network, operands, &Term { args: [arg.clone()].into_iter().collect(), ..term.clone() });
            (term.value, selected.map_or_else(|| sources_of_term(network, operands, term), read_one))
        })
    }

    /// Iterates over these terms (from 0) of the entry at a position. Each item is the result of `visit(network, operands, term)`, where `operands` are those
    /// of the term's part.
    fn each_term<'a, T, F>(&'a self, at: &Position, terms: Range<u64>, visit: F) -> impl Iterator<Item = T> + use<'a, T, F>
    where
        F: Fn(&Network, &Reads<Id>, &Term) -> T,
    {
        let (run, op, op_index) = self.op(at.segment);
        let network = self.network_of(at.run_index);
        let (entry, segment) = (at.entry, at.segment);
        let offsets = self.network_of(at.run_index).part_offsets(op_index).unwrap_or_default();
        // returns the part after `part`, and the index of its first term, if `term` belongs to it; usually, it does
        let next_part = move |part: usize, term: u64| {
            offsets
                .get(part + 1..part + 3)
                .is_some_and(|bounds| (bounds[0]..bounds[1]).contains(&term))
                .then(|| (part + 1, offsets[part + 1]))
        };
        // the index of the current part, its operands, its rule and its terms
        let mut current_part: Option<(usize, _, _, _, Range<u64>)> = None;
        terms.map_while(move |term| {
            if current_part.as_ref().is_none_or(|(.., part_terms)| !part_terms.contains(&term)) {
                let next = current_part.as_ref().and_then(|(part, ..)| next_part(*part, term));
                let (part, first) = next.or_else(|| self.part_of(segment, entry, term))?;
                let (rule, x) = run.part(op, op_index, part);
                // `prefix_terms` counts the terms of all entries before an entry, so the difference is the number of terms of one entry
                let part_terms = first..first + rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry);
                current_part = Some((part, &op.parts[part].operands, rule, x, part_terms));
            }
            let (_, operands, rule, x, part_terms) = current_part.as_ref()?;
            Some(visit(network, operands, &rule.term(x, entry, term - part_terms.start)))
        })
    }

    /// Iterates over the parts that have terms for the entry at a position. Each item is the index of the part's first term.
    pub fn first_terms(&self, at: &Position) -> impl Iterator<Item = u64> {
        let (run, op, op_index) = self.op(at.segment);
        let mut next = 0;
        run.parts(op, op_index).filter_map(move |(rule, x)| {
            let first = next;
            next += rule.prefix_terms(&x, at.entry + 1) - rule.prefix_terms(&x, at.entry);
            (next > first).then_some(first)
        })
    }

    /// Returns the padding of the image over which the op at a position slides a window, as in [`Window`](crate::op::window::Window). If a stride puts gaps
    /// between the entries of the image, there is no padding to draw.
    #[must_use]
    pub fn padding_around(&self, at: &Position) -> [[usize; 2]; 2] {
        let window = self.op_at(at).window().map(|(_, window)| window);
        window.filter(|window| window.spread == [1, 1]).map_or([[0; 2]; 2], |window| window.padding)
    }
}
