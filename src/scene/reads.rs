//! The tensors that the screen shows for a step, and the entries that a step or a term reads. The functions of this file return entries, but no numbers.

use std::cmp::Ordering;
use std::ops::Range;

use super::{EntryState, Position, Scene, ShownTensor, Sources};
use crate::network::{BatchSource, Id, Role};
use crate::op::counted_zero;
use crate::op::repetition::Repetition;
use crate::op::slot::Slot;
use crate::step::{Factor, Kind, Pass, TensorEntry};
use crate::tensor::{Places, index_text, len, unravel};
use crate::trace::{ReadingStep, TermRead};

/// The largest number of entries of an op whose terms are looked at to find the tensors that it reads.
const SAMPLED_ENTRIES: usize = 32;

/// A step that reads an entry, or may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryUse {
    /// The step.
    pub step: u64,
    /// The address of the entry that it computes. If the scene's step belongs to a sample and the entry to the batch, the address has the pass of the entry.
    pub name: String,
    /// Its pass.
    pub pass: Pass,
    /// `false` if numbers that are not known yet decide whether it reads the entry.
    pub is_certain: bool,
}

impl Scene<'_> {
    /// Returns the steps that read an entry, in order: those of this run, then those of the batch. A step that chooses between entries by a number that is
    /// not known yet, such as a mask, is listed for each of these entries.
    #[must_use]
    pub fn uses_of(&self, tensor: Id, entry: usize) -> Vec<EntryUse> {
        let (this_run, batch) = (self.at.run_index, self.trace.runs().len() - 1);
        let uses_in = |run: usize, tensor: Id| {
            let is_known =
                |id: Id, at: usize| !matches!(self.state_in(run, id, at), EntryState::Pending { .. } | EntryState::Partial { .. });
            self.trace.possible_uses(run, tensor, entry, &is_known)
        };
        let mut uses = uses_in(this_run, tensor);
        let count_in_this_run = uses.len();
        if self.sample().is_some() && batch != this_run {
            let in_batch = [BatchSource::Sample(this_run, tensor), BatchSource::Parameter(tensor)];
            let copies = in_batch.into_iter().filter_map(|source| self.trace.network_of(batch).input_from(source));
            uses.extend(copies.flat_map(|copy| uses_in(batch, copy)));
        }
        let entry_use = |(number, found): (usize, &ReadingStep)| {
            let run = if number < count_in_this_run { this_run } else { batch };
            let network = self.trace.network_of(run);
            let info = network.tensor(found.tensor);
            let pass = network.producer(found.tensor).map_or(Pass::Forward, |op| network.ops()[op].pass);
            let scope = if run == this_run { String::new() } else { format!("{}:", pass.name()) };
            let name = format!("{scope}{}{}", info.name, index_text(&unravel(found.entry, &info.shape)));
            EntryUse { step: found.step, name, pass, is_certain: found.is_certain }
        };
        uses.iter().enumerate().map(entry_use).collect()
    }

    /// Describes a step relative to this one: "done", "this step" or "to come".
    #[must_use]
    pub fn relation_to_now(&self, step: u64) -> &'static str {
        match step.cmp(&self.at.step) {
            Ordering::Less => "done",
            Ordering::Equal => "this step",
            Ordering::Greater => "to come",
        }
    }

    /// Returns whether several samples of the batch read a tensor, such as a parameter.
    #[must_use]
    pub fn is_shared_by_samples(&self, tensor: Id) -> bool {
        self.trace.samples() > 1 && self.sample().is_some() && self.network().tensor(tensor).role == Role::Parameter
    }

    /// Returns the tensors of the step in display order: the image that a filter slides over, the filter, the other operands, the result.
    #[must_use]
    pub fn tensors(&self) -> Vec<ShownTensor> {
        let window = self.op().window();
        let operand = |slot: Slot| window.map(|(part, _)| part.operands[slot]);
        let image = window.and_then(|(_, w)| operand(w.image));
        let filter = window.and_then(|(_, w)| w.filter.and_then(operand));
        let mut operands = self.operands();
        let rank = |id: Id| match Some(id) {
            id if id == image => 0,
            id if id == filter => 1,
            _ => 2,
        };
        operands.sort_by_key(|id| rank(*id));
        let shown = |(tensor, is_result)| ShownTensor {
            tensor,
            padding: if Some(tensor) == image { self.trace.padding_around(&self.at) } else { [[0; 2]; 2] },
            turned: Some(tensor) == filter && window.is_some_and(|(_, w)| w.turned && !w.is_1d),
            is_result,
        };
        operands.into_iter().map(|id| (id, false)).chain([(self.output, true)]).map(shown).collect()
    }

    /// Returns the way in which the op repeats a tensor by broadcasting, and the tensor whose shape it gets: the result or, in a derivative, the upstream
    /// derivative. Returns `None` if the tensor is not repeated, if it is a single number, or if the op reads it several times.
    #[must_use]
    pub fn repetition(&self, tensor: Id) -> Option<(Repetition, Id)> {
        let parts = self.op().first_16_parts().iter();
        let mut uses = parts.flat_map(|part| part.operands.each().filter(|(_, id)| *id == tensor).map(move |(slot, _)| (part, slot)));
        let (part, slot) = uses.next().filter(|_| uses.next().is_none() && len(&self.network().tensor(tensor).shape) > 1)?;
        let repetition = Repetition::of(&part.rule, slot)?;
        let larger = part.operands.get(Slot::Upstream).unwrap_or(self.output);
        (self.network().tensor(larger).shape == repetition.shape()).then_some((repetition, larger))
    }

    /// Returns whether the op adds up several tensors, as in the mean of the samples' gradients. Such an op has several parts, and each reads one tensor.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let parts = self.op().first_16_parts();
        parts.len() > 1 && parts.iter().all(|part| part.operands.iter().count() == 1)
    }

    /// Returns the tensors that the op reads, in the order of its equation.
    fn operands(&self) -> Vec<Id> {
        // in most ops, all terms of a part read the same tensors as the first. In the other ops, this step's term or the last term may read more
        let mut operands = self.read_by_first_terms().to_vec();
        let last_term = self.at.terms.saturating_sub(1);
        let more = self.read_by([self.at.term, last_term].into_iter());
        operands.extend(more.into_iter().filter(|tensor| !self.read_by_first_terms().contains(tensor)));
        operands
    }

    /// Returns the tensors that the first terms of the op's first 16 parts read. In a graph, several entries are looked at, because an entry may have no terms
    /// of a part.
    pub(super) fn read_by_first_terms(&self) -> &[Id] {
        self.read_by_first_terms.get_or_init(|| {
            let first_terms = |at: &Position| self.trace.first_terms(at).take(self.op().first_16_parts().len()).collect::<Vec<_>>();
            if self.network().reads_samples() {
                return self.read_by(first_terms(&self.at).into_iter());
            }
            let entries = len(&self.network().tensor(self.output).shape);
            let stride = entries.div_ceil(SAMPLED_ENTRIES).max(1);
            // pairs of a part and a tensor that it reads
            let mut read: Vec<(usize, Id)> = Vec::new();
            for at in (0..entries).step_by(stride).filter_map(|entry| self.first_position(self.output, entry)) {
                for term in first_terms(&at) {
                    let part = self.trace.part_at(&at.with_term(term));
                    for (tensor, _) in self.trace.sources(&at, term) {
                        if !read.contains(&(part, tensor)) {
                            read.push((part, tensor));
                        }
                    }
                }
            }
            read.sort_by_key(|(part, _)| *part);
            let is_first = |n: usize| !read[..n].iter().any(|(_, tensor)| *tensor == read[n].1);
            (0..read.len()).filter(|n| is_first(*n)).map(|n| read[n].1).collect()
        })
    }

    /// Returns the tensors that some terms read, in the order of the terms, without duplicates.
    fn read_by(&self, terms: impl Iterator<Item = u64>) -> Vec<Id> {
        let mut tensors = Vec::new();
        for (tensor, _) in terms.flat_map(|term| self.trace.sources(&self.at, term)) {
            if !tensors.contains(&tensor) {
                tensors.push(tensor);
            }
        }
        tensors
    }

    /// Returns the entries that this step reads. If the step selects one of its arguments, as a maximum does, it reads only that one; while the maximum is
    /// hidden, it reads none. A term that counts 0 because of a target or a mask still reads its factors.
    #[must_use]
    pub fn sources_now(&self) -> &[TensorEntry] {
        self.sources_now.get_or_init(|| {
            if self.step.kind == Kind::Select && counted_zero::reason(self.step.function).is_none() {
                // the selected entry would show the hidden value
                let is_selected = |factor: &&Factor| !self.hides_number() && factor.value.to_bits() == self.step.value.to_bits();
                let selected = self.step.factors.iter().find(is_selected);
                return selected.and_then(|factor| factor.source).into_iter().collect();
            }
            self.sources().into_iter().map(|(tensor, at)| TensorEntry { tensor, at }).collect()
        })
    }

    /// Returns the entries that the factors of this step read.
    #[must_use]
    pub fn sources(&self) -> Sources {
        self.trace.sources(&self.at, self.at.term)
    }

    /// Returns the slices that this step reads as a whole, each with its tensor. For example, a softmax reads all its arguments.
    pub fn slices(&self) -> impl Iterator<Item = (Id, Places)> + '_ {
        self.step.factors.iter().filter_map(|factor| Some((factor.source?.tensor, factor.slice?)))
    }

    /// Returns the entries that each of these terms of the entry at a position reads.
    pub fn sources_of(&self, at: &Position, terms: Range<u64>) -> impl Iterator<Item = Sources> + use<'_> {
        self.trace.sources_of(at, terms)
    }

    /// Returns the entries that the first `most` terms of one entry read: the entry in the middle of the op's tensor. They are the same at each step of the op,
    /// so a layout that depends on them does not move.
    pub fn typical_reads(&self, most: u64) -> impl Iterator<Item = (Id, usize)> + '_ {
        let shape = &self.network().tensor(self.output).shape;
        // the entry with the index [n / 2, …] for the sizes n of the shape
        let middle = shape.iter().fold(0, |at, n| at * n + n / 2);
        let at = self.first_position(self.output, middle).unwrap_or(self.at);
        self.sources_of(&at, 0..at.terms.min(most)).flatten()
    }

    /// Returns the position of the first step of an entry; `None` if no step computes the entry.
    #[must_use]
    pub fn first_position(&self, tensor: Id, entry: usize) -> Option<Position> {
        let steps = self.trace.entry_steps(self.at.run_index, tensor, entry).filter(|steps| !steps.is_empty())?;
        self.trace.position(steps.start)
    }

    /// Returns the step of the first term of the entry `computed` that reads the entry `read`. If `also_read` is given, the term must read this entry too.
    /// Returns `None` if there is no such term.
    #[must_use]
    pub fn term_reading(&self, computed: TensorEntry, read: TensorEntry, also_read: Option<TensorEntry>) -> Option<u64> {
        let first = self.first_position(computed.tensor, computed.at)?;
        let terms = self.term_reads(&first, read.tensor, &[read.at]);
        let reads_both = |term: &&TermRead| also_read.is_none_or(|entry| term.reads.contains(&(entry.tensor, entry.at)));
        terms.iter().find(reads_both).map(|term| first.with_term(term.term).step)
    }

    /// Returns the entry that is selected for another entry, as a maximum selects one. Returns `None` before the step that selects it, and for an entry that
    /// selects nothing.
    #[must_use]
    pub fn selected_by(&self, tensor: Id, entry: usize) -> Option<TensorEntry> {
        let selecting = self.at_step(self.first_position(tensor, entry)?.step)?;
        let selects =
            selecting.step.kind == Kind::Select && !selecting.hides_number() && counted_zero::reason(selecting.step.function).is_none();
        if selects { selecting.sources_now().first().copied() } else { None }
    }

    /// Returns the terms of the entry at a position that read any of these entries of a tensor, in order. `entries` must be sorted.
    #[must_use]
    pub fn term_reads(&self, at: &Position, tensor: Id, entries: &[usize]) -> Vec<TermRead> {
        self.trace.term_reads(at, tensor, entries)
    }
}
