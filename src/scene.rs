//! Floor 5: the scene of a step. The scene has everything that the screen may show at this step: the tensors of the step in the order of the screen, the
//! entries that the step reads, the neighbours of an entry on the screen, symbols such as `w₁₂`, and the numbers that are *known*.
//!
//! A step computes one term of an entry, such as `a₁·w₁` in `z = a₁·w₁ + a₂·w₂ + b`. An op is one equation for a whole tensor. It has one or several *parts*:
//! here, the products are one part, and the bias is another.
//!
//! A number is known if it is given (an input, a parameter of this iteration, a target, a constant), or if this step or an earlier one has computed it. The
//! running sum of the current entry is known too. Only `scene/known.rs` reads numbers of the trace, and panes read numbers only from the scene. So no width,
//! colour or picture can depend on a number that is not computed yet.
//!
//! In prediction, the scene also hides the number that the user has to predict. It is the value of this step's term, or of its whole entry.

mod blocks;
mod constants;
mod forms;
mod graph_text;
mod grid;
mod known;
mod numpy;
mod origin;
mod reads;
mod symbols;
mod weights;

use std::cell::{OnceCell, RefCell};
use std::ops::Range;

pub use crate::trace::{ClosedEntry, MAX_ARGUMENTS, Path, Position, Sources, TermRead};
pub use blocks::{Block, Blocks, MAX_LANES};
pub use forms::{after_sign, after_sign_in};
pub use graph_text::StatementHere;
pub use grid::{Grid, ShownTensor};
pub use known::{EntryState, EntryTerm, HiddenNumber};
pub use reads::EntryUse;

use crate::expr::Notation;
use crate::network::{Id, Network, Op, Role};
use crate::number::{ColumnFormat, Digits};
use crate::op::product_layout::ProductLayout;
use crate::op::reuse::Reuse;
use crate::op::rule::Equation;
use crate::op::slot::Slot;
use crate::step::{Address, Location, Pass, Scope, Step, TensorEntry, Unit};
use crate::tensor::{index_text, ravel, shape_text, unravel};
use crate::trace::Trace;

/// A number of uses with three digits. It stands for any number when the longest possible sentence is measured.
const LONGEST_COUNT: u64 = 999;

/// One step, with everything that the screen can show of it.
#[derive(Debug)]
pub struct Scene<'a> {
    trace: &'a Trace,
    /// The position of the step in its trace.
    pub at: Position,
    /// The step: its factors, its value and the running sum. Numbers that are hidden are NaN.
    pub step: Step,
    /// The number that prediction hides; `None` if it hides none.
    pub hidden: Option<HiddenNumber>,
    /// The last step whose numbers are known; 0 if there is none. It is this step or, if numbers are hidden, an earlier one.
    pub last_known: u64,
    /// The tensor that the step's op computes.
    pub output: Id,
    /// The first index of subscripts, headings and channels: 1 as in mathematics, or 0.
    pub first_index: usize,
    /// The number of significant digits of numbers.
    pub digits: Digits,
    /// The notation of entries and terms, which is Unicode on the screen.
    term_notation: Notation,
    /// The number formats of tensors, sorted by tensor. Each is computed when it is first needed.
    formats: RefCell<Vec<(Id, ColumnFormat)>>,
    /// The entries that this step reads. They are computed when they are first needed.
    sources_now: OnceCell<Vec<TensorEntry>>,
    /// The tensors that the first terms of the op's first 16 parts read. They are computed when they are first needed.
    read_by_first_terms: OnceCell<Vec<Id>>,
    /// The weights that have a colour, if not all have one. They are computed when they are first needed.
    coloured_weights: OnceCell<Vec<weights::ColouredWeight>>,
}

impl<'a> Scene<'a> {
    /// Returns the scene of step `number`, counted from 1; `None` if the trace has no such step.
    #[must_use]
    pub fn of(trace: &'a Trace, number: u64) -> Option<Self> {
        let at = trace.position(number)?;
        let output = trace.op_at(&at).output;
        Some(Self {
            trace,
            at,
            step: known::step(trace, &at),
            hidden: None,
            last_known: number,
            output,
            first_index: 1,
            digits: Digits::default(),
            term_notation: Notation::Unicode,
            formats: RefCell::default(),
            sources_now: OnceCell::new(),
            read_by_first_terms: OnceCell::new(),
            coloured_weights: OnceCell::new(),
        })
    }

    /// Sets the first index of subscripts, headings and channels.
    #[must_use]
    pub fn counting_from(self, first: usize) -> Self {
        Self { first_index: first, ..self }
    }

    /// Sets the number of significant digits.
    #[must_use]
    pub fn with_digits(self, digits: Digits) -> Self {
        Self { digits, formats: RefCell::default(), ..self }
    }

    /// Sets the notation of entries and terms.
    #[must_use]
    pub fn with_terms_in(self, term_notation: Notation) -> Self {
        Self { term_notation, ..self }
    }

    /// Returns the scene of another step of this iteration. Returns `None` if there is no such step, or if its numbers are not known: it comes later than this
    /// one, or prediction hides them.
    #[must_use]
    pub fn at_step(&self, number: u64) -> Option<Scene<'a>> {
        let scene = if number <= self.last_known {
            Scene::of(self.trace, number)?
        } else {
            // this step itself has a scene even if its numbers are hidden
            Scene::of(self.trace, number).filter(|_| number == self.at.step)?.with_hidden(self.hidden)
        };
        Some(scene.counting_from(self.first_index).with_digits(self.digits).with_terms_in(self.term_notation))
    }

    /// Returns the network whose tensors are shown: the network of the samples, or the network of the batch.
    #[must_use]
    pub fn network(&self) -> &'a Network {
        self.trace.network_of(self.at.run_index)
    }

    /// Returns the op of the step.
    #[must_use]
    pub fn op(&self) -> &'a Op {
        self.trace.op_at(&self.at)
    }

    /// Returns the pass of the op that computes a tensor; `None` if no op computes it.
    #[must_use]
    pub fn pass_of(&self, tensor: Id) -> Option<Pass> {
        self.network().producer(tensor).map(|op| self.network().ops()[op].pass)
    }

    /// Returns whether the step belongs to the backward pass.
    #[must_use]
    pub fn is_backward(&self) -> bool {
        self.step.pass == Pass::Backward
    }

    /// Returns the part of the op to which the step's term belongs, counted from 0.
    #[must_use]
    pub fn part(&self) -> usize {
        self.trace.part_at(&self.at)
    }

    /// Returns the equation of a part of the op.
    #[must_use]
    pub fn equation(&self, part: usize) -> Equation {
        self.trace.equation(&self.at, part)
    }

    /// Returns the rule of a part of the op in words, with sizes of the layer such as its stride and, in a derivative, with the number of uses of the entry.
    #[must_use]
    pub fn words(&self, part: usize) -> String {
        self.words_with(part, self.trace.reuse(&self.at, part))
    }

    /// Returns [`Scene::words`] for the entry with the longest words. The entries of one op can have different words.
    #[must_use]
    pub fn longest_words(&self, part: usize) -> String {
        let reuse = self.trace.reuse(&self.at, part);
        self.words_with(part, reuse.map(|(reuse, _)| (reuse, LONGEST_COUNT)))
    }

    fn words_with(&self, part: usize, reuse: Option<(Reuse, u64)>) -> String {
        let (rule, sizes) = (self.equation(part).words, self.trace.size_words(&self.at, part));
        let reuse = reuse.map(|(reuse, count)| self.reuse_sentence(reuse, count));
        let sentences = [self.with_letters(rule, part), sizes, reuse.unwrap_or_default()];
        sentences.into_iter().filter(|sentence| !sentence.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Replaces `{x}`, `{y}` and `{C}` in the words of a part's rule by the letters of its tensors.
    fn with_letters(&self, words: &str, part: usize) -> String {
        if !words.contains('{') {
            return words.to_owned();
        }
        let network = self.network();
        let operands = self.op().parts.get(part).map(|part| &part.operands);
        let letter = |id: Id| network.tensor(id).symbol.letter_in(Notation::Unicode);
        let of_slot = |slot: Slot| {
            operands.and_then(|operands| operands.each().find(|(operand_slot, _)| *operand_slot == slot)).map(|(_, id)| letter(id))
        };
        let x = of_slot(Slot::Input(0)).unwrap_or_default();
        let y = of_slot(Slot::Output).unwrap_or_else(|| letter(self.output));
        words.replace("{x}", &x).replace("{y}", &y).replace("{C}", &letter(network.loss()))
    }

    /// Returns a sentence about an entry that is used several times, such as `b₇ was used 4 times, so its gradient is the sum of 4 terms.`
    fn reuse_sentence(&self, reuse: Reuse, count: u64) -> String {
        let read = self.neuron(self.output);
        let info = self.network().tensor(read);
        let what = match reuse {
            Reuse::IndexedRow(row) => format!("Row {} of {}", row + self.first_index, info.symbol.whole_in(self.term_notation)),
            Reuse::Entry | Reuse::IndexedEntry => self.entry_symbol(read, self.at.entry),
        };
        let verb = if reuse == Reuse::Entry { "used" } else { "read" };
        // if the op has several parts, the other parts add up other uses
        let (here, whose) = if self.op().parts.len() > 1 { (" here", "this part of its gradient") } else { ("", "its gradient") };
        match count {
            1 => format!("{what} was {verb} once{here}."),
            2 => format!("{what} was {verb} twice{here}, so {whose} is the sum of 2 terms."),
            _ => format!("{what} was {verb} {count} times{here}, so {whose} is the sum of {count} terms."),
        }
    }

    /// Returns the three tensors of a matrix product, or of one of its gradients; `None` for any other op.
    #[must_use]
    pub fn product_layout(&self) -> Option<ProductLayout<Id>> {
        self.trace.product_layout(&self.at)
    }

    /// Returns the right-hand side of a part's equation with the symbols of the operands. All parts except the first begin with a sign: `+ b⁽¹⁾`.
    #[must_use]
    pub fn right_hand_side(&self, part: usize, notation: Notation) -> String {
        self.trace.right_hand_side(&self.at, part, notation)
    }

    /// Does the same as [`Scene::right_hand_side`], with the names of tensors instead of their symbols.
    #[must_use]
    pub fn right_hand_side_by_name(&self, part: usize, notation: Notation) -> String {
        self.trace.right_hand_side_with(&self.at, part, notation, true)
    }

    /// Returns whether the step belongs to the update pass, which changes a parameter or its velocity.
    #[must_use]
    pub fn is_update(&self) -> bool {
        self.step.pass == Pass::Update
    }

    /// Converts a tensor to the tensor of its neurons: the gradient ∂C/∂z to z. Any other tensor is returned as it is.
    #[must_use]
    pub fn neuron(&self, tensor: Id) -> Id {
        match self.network().tensor(tensor).role {
            Role::Gradient(differentiated) => differentiated,
            _ => tensor,
        }
    }

    /// Returns the entry of this network that an address names. An address without an index names the only entry of a scalar.
    ///
    /// # Errors
    /// A sentence if it names no entry.
    pub fn find_entry(&self, text: &str) -> Result<TensorEntry, String> {
        let address = text.parse::<Address>().map_err(|why| why.to_string())?;
        let (name, index) = match &address.location {
            Location::Op { scope: Scope::Any, name, index, .. } => (name.as_str(), index.as_deref().unwrap_or_default()),
            Location::Loss => ("loss", &[][..]),
            _ => return Err(format!("{text} is not an entry: write a name with its index, such as fc1.z[0]")),
        };
        let Some(tensor) = self.network().find(name) else { return Err(format!("there is no tensor {name} here")) };
        let shape = &self.network().tensor(tensor).shape;
        let at = ravel(index, shape).ok_or_else(|| format!("{text} is not an entry: {name} has the shape {}", shape_text(shape)))?;
        Ok(TensorEntry { tensor, at })
    }

    /// Returns the name of an entry as a user types it: `fc1.weight[0,1]`.
    #[must_use]
    pub fn name(&self, tensor: Id, at: usize) -> String {
        let info = self.network().tensor(tensor);
        format!("{}{}", info.name, index_text(&unravel(at, &info.shape)))
    }

    /// Returns the address of the step's entry, such as `grad.conv1.weight[0,0,1,1]`. If several runs have a tensor of this name, the sample or pass comes
    /// first, as in `2:fc1.a[0]`.
    #[must_use]
    pub fn address(&self) -> String {
        // the address of a term ends with `#` and its number; the address of the entry does not
        let address = self.trace.address(&self.at.with_term(0)).to_string();
        address.trim_end_matches("#1").to_owned()
    }

    /// Returns the address of an entry of this step's run. If several runs have a tensor of this name, the sample or pass comes first.
    #[must_use]
    pub fn address_of(&self, tensor: Id, entry: usize) -> String {
        if let Some(first) = self.first_position(tensor, entry) {
            let address = self.trace.address(&first).to_string();
            return address.trim_end_matches("#1").to_owned();
        }
        let name = self.name(tensor, entry);
        let differs_between_samples = self.network().tensor(tensor).role != Role::Parameter && self.trace.samples() > 1;
        self.sample().filter(|_| differs_between_samples).map_or_else(|| name.clone(), |sample| format!("{}:{name}", sample + 1))
    }

    /// Returns the whole equation of the op: `z⁽¹⁾ = W⁽¹⁾ a⁽⁰⁾ + b⁽¹⁾`.
    #[must_use]
    pub fn equation_text(&self, notation: Notation) -> String {
        self.trace.equation_text(&self.at, notation)
    }

    /// Returns the number of steps of the iteration.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.trace.len()
    }

    /// Returns the range of steps of the unit that contains this step.
    #[must_use]
    pub fn span(&self, unit: Unit) -> Range<u64> {
        self.trace.span(self.at.step, unit)
    }

    /// Returns the progress in the unit that contains this step: the number of its steps up to this one, and the number of all its steps.
    #[must_use]
    pub fn progress(&self, unit: Unit) -> (u64, u64) {
        let span = self.span(unit);
        (self.at.step - span.start + 1, span.end - span.start)
    }

    /// Returns whether this step is the last of its entry.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.at.term + 1 == self.at.terms
    }

    /// Returns the index of the sample in the file; `None` for a step of the batch.
    #[must_use]
    pub fn sample(&self) -> Option<usize> {
        self.trace.runs()[self.at.run_index].sample
    }

    /// Returns the samples of the batch, as indices in the file.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.trace.runs()[..self.trace.samples()].iter().map(|run| run.sample.unwrap_or(0))
    }

    /// Returns the index of a run, and its tensor with this name. The run is that of `sample`, or that of the batch if `sample` is `None`. Returns `None` if
    /// the iteration has no such run or tensor.
    #[must_use]
    pub fn tensor_in(&self, sample: Option<usize>, name: &str) -> Option<(usize, Id)> {
        let run = self.trace.runs().iter().position(|run| run.sample == sample)?;
        Some((run, self.trace.network_of(run).find(name)?))
    }

    /// Returns the pass of the op that computes a tensor of a run; `None` if no op computes it.
    #[must_use]
    pub fn pass_in(&self, run_index: usize, tensor: Id) -> Option<Pass> {
        let network = self.trace.network_of(run_index);
        network.producer(tensor).map(|op| network.ops()[op].pass)
    }

    /// Returns the address of an entry that a run computes. If the first step of the entry comes after the scene's step, also returns that first step.
    #[must_use]
    pub fn address_in(&self, run_index: usize, tensor: Id, entry: usize) -> (String, Option<u64>) {
        let info = self.trace.network_of(run_index).tensor(tensor);
        let name = format!("{}{}", info.name, index_text(&unravel(entry, &info.shape)));
        let steps = self.trace.entry_steps(run_index, tensor, entry).unwrap_or(0..0);
        let prefix = match (self.trace.runs()[run_index].sample, self.pass_in(run_index, tensor)) {
            (Some(sample), _) if self.trace.samples() > 1 => format!("{}:", sample + 1),
            (None, Some(pass)) => format!("{}:", pass.name()),
            _ => String::new(),
        };
        (format!("{prefix}{name}"), Some(steps.start).filter(|start| !steps.is_empty() && *start > self.at.step))
    }

    /// Returns whether an op computes a tensor of a run.
    #[must_use]
    pub fn is_computed(&self, run_index: usize, tensor: Id) -> bool {
        self.trace.network_of(run_index).producer(tensor).is_some()
    }

    /// Returns the passes of this step's sample and of the batch, each with its range of steps. If this is a step of the batch, they are those of the last
    /// sample and of the batch.
    pub fn passes(&self) -> impl Iterator<Item = (Pass, Range<u64>)> + '_ {
        // the runs of the samples come first, then the run of the batch
        let samples = self.trace.samples();
        let sample = self.at.run_index.min(samples.saturating_sub(1));
        let runs = std::iter::once(sample).chain(samples..self.trace.runs().len());
        runs.flat_map(|run_index| self.trace.passes_of(run_index))
    }

    /// Iterates over this step's op and the later ops of this run that have steps. Each item is the tensor that the op computes, and the range of its steps.
    pub fn ops_from(&self) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        self.trace.ops_from(self.at.run_index, self.at.op)
    }

    /// Does the same as [`Scene::ops_from`] for the ops before this step's op. The nearest comes first.
    pub fn ops_before(&self) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        self.trace.ops_before(self.at.run_index, self.at.op)
    }
}

#[cfg(test)]
mod tests;
