//! From addresses to steps and back, and from an entry to the steps that made it and those that use it.

use std::ops::Range;

use smallvec::SmallVec;

use super::{Position, Trace};
use crate::network::{Id, Network, Reader, SampleRun};
use crate::op::rule::{Arg, Origin, Term};
use crate::op::slot::{Reads, Slot};
use crate::step::{Address, Pass, Place, Scope, Unit};
use crate::tensor::{index_text, len, ravel, shape_text, unravel};
use crate::words::{suggest, tensors};

/// What a term reads: tensors and places.
pub type Sources = SmallVec<[(Id, usize); 4]>;

/// So many arguments of a term are told at most; of a term that reads more, [`Trace::meetings`] knows which.
pub const ARGUMENTS: usize = 1024;

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
            None => {}
            Some(n) if n == self.iteration => {}
            Some(n) => return Err(format!("there is no iteration {n}: this is iteration {}", self.iteration)),
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
            // the loss of a network, a graph's node of that name, or else its output
            Place::Loss => {
                let network = self.network();
                let loss = network.find("loss").unwrap_or(network.loss());
                self.resolve_op(Scope::Any, &network.tensor(loss).name, None, None)
            }
            Place::Op { scope, name, index, term } => self.resolve_op(*scope, name, index.as_deref(), *term),
        }
    }

    /// The steps that an address means: a term's, an entry's, an op's, or those of a pass.
    ///
    /// # Errors
    /// As [`Trace::resolve`].
    pub fn range(&self, address: &Address) -> Result<Range<u64>, String> {
        let first = self.resolve(address)?;
        let unit = match &address.place {
            Place::Op { index: None, term: None, .. } | Place::Loss => Unit::Op,
            Place::Op { term: None, .. } => Unit::Entry,
            Place::Backward => Unit::Pass,
            _ => Unit::Step,
        };
        Ok(self.span(first, unit))
    }

    fn resolve_op(&self, scope: Scope, name: &str, index: Option<&[usize]>, term: Option<u64>) -> Result<u64, String> {
        let sample_run = self.sample_run(scope)?;
        let network = self.network_of(sample_run);
        let Some((tensor, producer)) = self.computed(sample_run, scope, name)? else {
            return self.resolve_op(Scope::Update, name, index, term);
        };
        let pass = network.ops()[producer].pass;
        if scope == Scope::Reduce && pass != Pass::Reduce || scope == Scope::Update && pass != Pass::Update {
            return Err(format!("{name} is not in that pass, but in {}", pass.name()));
        }
        let segment = self.segment(sample_run, producer);
        let shape = &network.tensor(tensor).shape;
        let entry = index.map(|index| entry(name, index, shape)).transpose()?;
        let (before, end) = (self.segments[segment].before, self.end(segment));
        let (first, steps) = match entry {
            None => (before, end - before),
            Some(entry) => {
                let first = self.terms_before(segment, entry);
                (before + first, self.terms_before(segment, entry + 1) - first)
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

    /// Finds an op by name in a sample_run: its tensor and its number. Returns `None` if the op is in the update instead.
    fn computed(&self, sample_run: usize, scope: Scope, name: &str) -> Result<Option<(Id, usize)>, String> {
        let network = self.network_of(sample_run);
        let tensor = network.find(name);
        if let Some((tensor, producer)) = tensor.and_then(|tensor| Some((tensor, network.producer(tensor)?))) {
            return Ok(Some((tensor, producer)));
        }
        // the update computes new values of tensors that are given to the samples
        if self.update_of(scope, name).is_some() {
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
        Err(format!("there is no op {name}{}", suggest::clause(tensors::meant(name, &ops).as_deref())))
    }

    /// Checks whether a place may exist in another iteration, which has these samples, counted from 0. `Ok` if only its computation can tell.
    ///
    /// All iterations have the same ops and as many samples. The first has no velocity before it, and the last may have no update.
    ///
    /// # Errors
    /// As [`Trace::resolve`].
    pub fn may_exist(&self, place: &Place, samples: &[usize]) -> Result<(), String> {
        let Place::Op { scope, name, index, .. } = place else { return Ok(()) };
        let sample_run = match (scope, self.sample_run(*scope)) {
            (Scope::Sample(n), _) if !samples.contains(&(n - 1)) => return Err(no_sample(*n, samples.iter().copied())),
            (Scope::Reduce, Err(none)) => return Err(none),
            // there may be an update where there is none here
            (Scope::Update, Err(_)) => return Ok(()),
            (Scope::Any, _) if !self.computes(0, name) && self.sample_run(Scope::Update).is_err() => return Ok(()),
            (Scope::Reduce | Scope::Update, Ok(sample_run)) => sample_run,
            (Scope::Any | Scope::Sample(_), _) => 0,
        };
        if let Some(((tensor, _), index)) = self.computed(sample_run, *scope, name)?.zip(index.as_deref()) {
            entry(name, index, &self.network_of(sample_run).tensor(tensor).shape)?;
        }
        Ok(())
    }

    fn computes(&self, sample_run: usize, name: &str) -> bool {
        let network = self.network_of(sample_run);
        network.find(name).is_some_and(|id| network.producer(id).is_some())
    }

    /// The sample_run and the tensor that an op's address names, computed or given.
    ///
    /// # Errors
    /// One sentence, when there is none.
    pub fn tensor(&self, address: &Address) -> Result<(usize, Id), String> {
        let Place::Op { scope, name, .. } = &address.place else { return Err(format!("{address} is no tensor")) };
        let mut sample_run = self.sample_run(*scope)?;
        if let Some(batch) = self.update_of(*scope, name).filter(|_| self.network_of(sample_run).find(name).is_none()) {
            sample_run = batch;
        }
        self.network_of(sample_run).find(name).map(|id| (sample_run, id)).ok_or_else(|| format!("there is no tensor {name}"))
    }

    /// The update that computes an op of this name, where nothing says in which pass it is: a parameter's new value, or its velocity.
    fn update_of(&self, scope: Scope, name: &str) -> Option<usize> {
        let batch = (scope == Scope::Any).then(|| self.sample_run(Scope::Update).ok()).flatten()?;
        self.computes(batch, name).then_some(batch)
    }

    /// The sample_run that a scope means; where it says nothing, the first.
    fn sample_run(&self, scope: Scope) -> Result<usize, String> {
        let batch = || self.sample_runs.iter().position(|sample_run| sample_run.sample.is_none());
        let has = |pass: Pass| move |sample_run: &usize| self.network_of(*sample_run).ops().iter().any(|op| op.pass == pass);
        match scope {
            Scope::Any => Ok(0),
            Scope::Sample(n) => {
                let samples = || self.sample_runs.iter().filter_map(|sample_run| sample_run.sample);
                self.sample_runs.iter().position(|sample_run| sample_run.sample == Some(n - 1)).ok_or_else(|| no_sample(n, samples()))
            }
            Scope::Reduce => {
                batch().filter(has(Pass::Reduce)).ok_or_else(|| "there is no reduce pass: the batch has one sample".to_owned())
            }
            Scope::Update => {
                batch().filter(has(Pass::Update)).ok_or_else(|| "there is no update pass: the scenario has no [train]".to_owned())
            }
        }
    }

    /// The address of a position: its op, entry and term.
    #[must_use]
    pub fn address(&self, at: &Position) -> Address {
        let op = self.op_at(at);
        let info = self.network_of(at.sample_run).tensor(op.output);
        let scope = match (self.sample_runs[at.sample_run].sample, op.pass) {
            (Some(_), _) if at.sample_run == 0 && self.samples() == 1 => Scope::Any,
            (Some(sample), _) => Scope::Sample(sample + 1),
            (None, Pass::Reduce) => Scope::Reduce,
            (None, _) => Scope::Update,
        };
        let index = unravel(at.entry, &info.shape);
        let place = Place::Op { scope, name: info.name.to_string(), index: (!index.is_empty()).then_some(index), term: Some(at.term + 1) };
        place.into()
    }

    /// The steps that made an entry, in a sample_run; empty where none did. `None` for what is given.
    #[must_use]
    pub fn made(&self, sample_run: usize, tensor: Id, entry: usize) -> Option<Range<u64>> {
        let segment = self.segment(sample_run, self.network_of(sample_run).producer(tensor)?);
        let before = self.segments[segment].before;
        Some(before + self.terms_before(segment, entry) + 1..before + self.terms_before(segment, entry + 1) + 1)
    }

    /// The step that completes the loss of the batch; of a batch of one sample, that sample's loss.
    #[must_use]
    pub fn loss_step(&self) -> u64 {
        let loss = |sample_run: usize| self.made(sample_run, self.network_of(sample_run).loss(), 0);
        loss(self.sample_runs.len() - 1).or_else(|| loss(0)).map_or(1, |made| made.end - 1)
    }

    /// The steps that read an entry, in a sample_run, in the order of the trace.
    #[must_use]
    pub fn uses(&self, sample_run: usize, tensor: Id, entry: usize) -> Vec<UseOf> {
        let mut uses = Vec::new();
        let SampleRun { network, run, .. } = &self.sample_runs[sample_run];
        for &Reader { op: number, part, slot } in network.readers(tensor) {
            let (op, segment) = (&network.ops()[number], self.segment(sample_run, number));
            let (rule, x) = run.part(op, number, part);
            for found in rule.uses(&x, slot, entry) {
                let earlier = self.before_part(segment, found.entry, part);
                let step = self.segments[segment].before + self.terms_before(segment, found.entry) + earlier + found.term + 1;
                uses.push(UseOf { tensor: op.output, entry: found.entry, step });
            }
        }
        uses.sort_unstable_by_key(|found| found.step);
        uses.dedup();
        uses
    }
}

fn no_sample(n: usize, samples: impl Iterator<Item = usize>) -> String {
    let there: Vec<String> = samples.map(|sample| (sample + 1).to_string()).collect();
    format!("there is no sample {n} in this iteration: there is {}", there.join(", "))
}

/// Returns the row-major place of an entry of the tensor `name`.
fn entry(name: &str, index: &[usize], shape: &[usize]) -> Result<usize, String> {
    ravel(index, shape).ok_or_else(|| misfit(name, index, shape))
}

fn op_place(scope: Scope, name: &str, index: Option<&[usize]>, term: Option<u64>) -> Place {
    Place::Op { scope, name: name.to_owned(), index: index.map(SmallVec::from_slice), term }
}

fn misfit(name: &str, index: &[usize], shape: &[usize]) -> String {
    if shape.is_empty() {
        return format!("{name} is a single number: it has no index");
    }
    if index.len() != shape.len() {
        return format!("{name} has {} indices, not {}: its shape is {}", shape.len(), index.len(), shape_text(shape));
    }
    let last = index_text(&unravel(len(shape).saturating_sub(1), shape));
    format!("the index is out of range: {name} is {}, its last is {last}", shape_text(shape))
}

/// The entries that a factor is, or names: those of a derived one lie at the same place of all operands of its text that have one shape.
fn places(network: &Network, operands: &Reads<Id>, arg: &Arg) -> Sources {
    let (own, at) = match arg.origin {
        Origin::Entry { slot, at } | Origin::Derived { slot, at, .. } => (slot, at),
        Origin::Slice { slot, places } => return places.each().take(ARGUMENTS).map(|at| (operands[slot], at)).collect(),
        Origin::Constant => return Sources::new(),
    };
    let shape = |slot: Slot| &network.tensor(operands[slot]).shape;
    arg.slots().filter(|slot| shape(*slot) == shape(own)).map(|slot| (operands[slot], at)).collect()
}

/// What a term reads.
pub(super) fn read(network: &Network, operands: &Reads<Id>, term: &Term) -> Sources {
    let mut sources = Sources::new();
    for arg in term.args.iter().take(ARGUMENTS) {
        match arg.origin {
            // by far the most, and there are thousands in a picture
            Origin::Entry { slot, at } => sources.push((operands[slot], at)),
            _ => sources.extend(places(network, operands, arg)),
        }
    }
    sources
}

impl Trace {
    /// What a term of the entry at a position reads: tensors and places, from 0. A derived factor reads all that it names; of a term of more than
    /// [`ARGUMENTS`] the first are told.
    #[must_use]
    pub fn sources(&self, at: &Position, term: u64) -> Sources {
        self.sources_of(at, term..term + 1).next().unwrap_or_default()
    }

    /// What some terms of the entry at a position read, term by term.
    pub fn sources_of<'a>(&'a self, at: &Position, terms: Range<u64>) -> impl Iterator<Item = Sources> + use<'a> {
        let (run, op, number) = self.op(at.segment);
        let network = self.network_of(at.sample_run);
        let (entry, segment) = (at.entry, at.segment);
        // the part at hand, with its terms
        let mut here = None;
        terms.map_while(move |term| {
            if here.as_ref().is_none_or(|(.., own): &(_, _, _, Range<u64>)| !own.contains(&term)) {
                let (part, first) = self.part_of(segment, entry, term)?;
                let (rule, x) = run.part(op, number, part);
                let own = first..first + rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry);
                here = Some((&op.parts[part].operands, rule, x, own));
            }
            let (operands, rule, x, own) = here.as_ref()?;
            Some(read(network, operands, &rule.term(x, entry, term - own.start)))
        })
    }

    /// The first term, from 0, of each part of the op that has any for the entry at a position.
    pub fn firsts(&self, at: &Position) -> impl Iterator<Item = u64> {
        let (run, op, number) = self.op(at.segment);
        let mut next = 0;
        run.parts(op, number).filter_map(move |(rule, x)| {
            let first = next;
            next += rule.prefix_terms(&x, at.entry + 1) - rule.prefix_terms(&x, at.entry);
            (next > first).then_some(first)
        })
    }

    /// How many rows and columns of padding the filter of the op at a position reaches over, above and to the left of its image.
    #[must_use]
    pub fn ring(&self, at: &Position) -> [usize; 2] {
        self.op_at(at).window().map_or([0, 0], |(_, window)| window.padding)
    }
}
