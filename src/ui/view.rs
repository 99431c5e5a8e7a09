//! What all panes ask about the step on the screen, worked out once for a frame.

use std::cell::OnceCell;

use crate::app::{Lesson, State, Stepper};
use crate::network::{Id, Network, Op, Role};
use crate::number::short;
use crate::op::rule::LEFT_OUT;
use crate::step::{Factor, Kind, Pass, Source, Step, Unit};
use crate::tensor::{Places, index_text, len, unravel};
use crate::trace::{Position, Trace};
use crate::ui::operand::Operand;
use crate::ui::theme::{self, Theme};

/// The step on the screen and what surrounds it.
#[derive(Debug)]
pub struct View<'a> {
    /// All that the screen shows.
    pub state: &'a State,
    /// The stepper.
    pub stepper: &'a Stepper,
    /// The open scenario.
    pub lesson: &'a Lesson,
    /// Where the step stands.
    pub at: Position,
    /// The step.
    pub step: Step,
    /// The tensor that its op computes.
    pub output: Id,
    /// The colours.
    pub theme: Theme,
    matrices: OnceCell<Vec<Operand>>,
    /// What this step reads.
    now: OnceCell<Vec<Source>>,
    /// The tensors that the first parts of the op read.
    read: OnceCell<Vec<Id>>,
}

impl<'a> View<'a> {
    /// The view of a state; `None` when no scenario is open.
    #[must_use]
    pub fn of(state: &'a State, theme: Theme) -> Option<Self> {
        let stepper = state.stepper()?;
        let lesson = &*stepper.document;
        let at = lesson.trace.position(stepper.step)?;
        let step = lesson.trace.step(&at);
        let output = lesson.trace.op_at(&at).output;
        let (matrices, now, read) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Some(Self { state, stepper, lesson, at, step, output, theme, matrices, now, read })
    }

    /// The matrices of the step, its operands and the result: made once for a frame.
    pub(super) fn matrices(&self, make: impl FnOnce() -> Vec<Operand>) -> &[Operand] {
        self.matrices.get_or_init(make)
    }

    /// The trace.
    #[must_use]
    pub fn trace(&self) -> &'a Trace {
        &self.lesson.trace
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &'a Network {
        self.lesson.trace.network_of(self.at.stretch)
    }

    /// The op on the screen.
    #[must_use]
    pub fn op(&self) -> &'a Op {
        self.trace().op_at(&self.at)
    }

    /// The colour of the pass: forward grey, backward blue.
    #[must_use]
    pub fn pass_role(&self) -> theme::Role {
        if self.step.pass == Pass::Backward { theme::Role::Backward } else { theme::Role::Forward }
    }

    /// Whether the step belongs to the backward pass.
    #[must_use]
    pub fn backward(&self) -> bool {
        self.step.pass == Pass::Backward
    }

    /// The entry's symbol, as mathematics writes it: no layer, and no index for a dimension that has only one place.
    #[must_use]
    pub fn entry(&self, tensor: Id, at: usize) -> String {
        self.network().tensor(tensor).symbol.short_entry(&self.index(tensor, at))
    }

    fn index(&self, tensor: Id, at: usize) -> Vec<usize> {
        let info = self.network().tensor(tensor);
        let index = unravel(at, &info.shape);
        let leading = info.shape.len().saturating_sub(2);
        index
            .iter()
            .zip(&info.shape)
            .enumerate()
            .filter(|(place, (_, n))| *place >= leading || info.shape.len() < 3 || **n > 1)
            .map(|(_, (i, _))| *i)
            .collect()
    }

    /// The same, with its layer where the op has the same letter of another one too, as a pool or a sum of layers does.
    #[must_use]
    pub fn told_apart(&self, tensor: Id, at: usize) -> String {
        if self.alike(self.output, tensor) || self.read_first().iter().any(|other| self.alike(*other, tensor)) {
            self.whole_entry(tensor, at)
        } else {
            self.entry(tensor, at)
        }
    }

    /// The tensors that the first term of each of the first parts reads.
    fn read_first(&self) -> &[Id] {
        self.read.get_or_init(|| self.tensors(self.trace().firsts(&self.at).take(self.op().first_parts().len())))
    }

    /// The tensors that some terms read, each once, in the order of the terms.
    fn tensors(&self, terms: impl Iterator<Item = u64>) -> Vec<Id> {
        let mut tensors = Vec::new();
        for (tensor, _) in terms.flat_map(|term| self.trace().sources(&self.at, term)) {
            if !tensors.contains(&tensor) {
                tensors.push(tensor);
            }
        }
        tensors
    }

    /// Whether two tensors have the same letter, so that their layers tell them apart.
    #[must_use]
    pub fn alike(&self, one: Id, other: Id) -> bool {
        let [a, b] = [one, other].map(|id| &self.network().tensor(id).symbol);
        one != other && a.letter == b.letter && a.of == b.of
    }

    /// An entry with its layer.
    #[must_use]
    pub fn whole_entry(&self, tensor: Id, at: usize) -> String {
        self.network().tensor(tensor).symbol.entry(&self.index(tensor, at))
    }

    /// A factor in symbols; `part` is the part of the op that its step belongs to.
    #[must_use]
    pub fn factor(&self, factor: &Factor, part: usize) -> String {
        if let (Some(places), Some(source)) = (factor.slice, factor.source) {
            let info = self.network().tensor(source.tensor);
            let symbol = info.symbol.text();
            return if places.len() == len(&info.shape) { symbol } else { format!("{} of {symbol}", places.len()) };
        }
        match (factor.source, factor.derived) {
            (None, _) => short(factor.value),
            (Some(source), None) => self.told_apart(source.tensor, source.at),
            (Some(source), Some(expr)) => {
                let operands = &self.op().parts[part].operands;
                let shape = &self.network().tensor(source.tensor).shape;
                expr.text(&mut |slot, whole| {
                    let info = self.network().tensor(operands[slot]);
                    if whole || info.shape != *shape { info.symbol.text() } else { self.entry(operands[slot], source.at) }
                })
            }
        }
    }

    /// A term in symbols.
    #[must_use]
    pub fn symbols(&self, step: &Step, part: usize) -> String {
        joined(step, &step.factors.iter().map(|factor| self.factor(factor, part)).collect::<Vec<_>>())
    }

    /// A term in numbers; a difference or a quotient that stands alone as those of its operands, for its value follows.
    #[must_use]
    pub fn numbers(&self, step: &Step, part: usize) -> String {
        let alone = step.factors.iter().filter(|factor| factor.source.is_some()).count() == 1;
        let text = |factor: &Factor| match factor.slice {
            Some(places) => format!("{} numbers", places.len()),
            None => self.worked_out(factor, part).filter(|_| alone).unwrap_or_else(|| short(factor.value)),
        };
        joined(step, &step.factors.iter().map(text).collect::<Vec<_>>())
    }

    /// A factor that is derived by mere arithmetic, such as a − t, with its operands' numbers.
    fn worked_out(&self, factor: &Factor, part: usize) -> Option<String> {
        let (source, expr) = (factor.source?, factor.derived.filter(|expr| expr.is_arithmetic())?);
        let operands = &self.op().parts[part].operands;
        let shape = &self.network().tensor(source.tensor).shape;
        let mut seen = 0;
        let mut known = true;
        let text = expr.text(&mut |slot, _| {
            known &= self.network().tensor(operands[slot]).shape == *shape;
            seen += 1;
            let number = if known { short(self.trace().run(self.at.stretch).values(operands[slot])[source.at]) } else { String::new() };
            if seen > 1 && number.starts_with('−') { format!("({number})") } else { number }
        });
        known.then_some(text)
    }

    /// What this step reads. Of a selection that is the winner alone: the others were only looked at. A term that is left out reads its factors all the same.
    #[must_use]
    pub fn sources_now(&self) -> &[Source] {
        self.now.get_or_init(|| self.reads())
    }

    fn reads(&self) -> Vec<Source> {
        if self.step.kind == Kind::Select && self.step.function != Some(LEFT_OUT) {
            let winner = self.step.factors.iter().find(|factor| factor.value.to_bits() == self.step.value.to_bits());
            return winner.and_then(|factor| factor.source).into_iter().collect();
        }
        let sources = self.trace().sources(&self.at, self.at.term);
        sources.into_iter().map(|(tensor, at)| Source { tensor, at }).collect()
    }

    /// The slices of tensors that this step reads at once.
    pub fn slices(&self) -> impl Iterator<Item = (Id, Places)> + '_ {
        self.step.factors.iter().filter_map(|factor| Some((factor.source?.tensor, factor.slice?)))
    }

    /// The step of this entry's term `term`, from 0, with the part of the op that it belongs to.
    #[must_use]
    pub fn term(&self, term: u64) -> (Step, usize) {
        if term == self.at.term {
            return (self.step.clone(), self.trace().part_at(&self.at));
        }
        let at = self.at.with_term(term);
        (self.trace().step(&at), self.trace().part_at(&at))
    }

    /// The tensors that the op reads, in the order in which its equation names them; each with its slot's part.
    #[must_use]
    pub fn operands(&self) -> Vec<Id> {
        // terms of one part read the same tensors, but for the last of some
        let mut operands = self.read_first().to_vec();
        let more = self.tensors([self.at.term, self.at.terms.saturating_sub(1)].into_iter());
        operands.extend(more.into_iter().filter(|tensor| !self.read_first().contains(tensor)));
        operands
    }

    /// The sign of the equation: an arrow where a new parameter or velocity takes the place of the old one.
    #[must_use]
    pub fn equals(&self) -> &'static str {
        if self.step.pass == Pass::Update { "←" } else { "=" }
    }

    /// The neuron's tensor behind a tensor: z for ∂C/∂z.
    #[must_use]
    pub fn neuron(&self, tensor: Id) -> Id {
        match self.network().tensor(tensor).role {
            Role::Gradient(of) => of,
            _ => tensor,
        }
    }

    /// The address of an entry, as it is typed.
    #[must_use]
    pub fn name(&self, tensor: Id, at: usize) -> String {
        let info = self.network().tensor(tensor);
        format!("{}{}", info.name, index_text(&unravel(at, &info.shape)))
    }

    /// The entry on the screen as an address: `grad.conv1.weight[0,0,1,1]`; with its sample or pass before it, where there are several.
    #[must_use]
    pub fn place(&self) -> String {
        let address = self.trace().address(&self.at.with_term(0)).to_string();
        address.trim_end_matches("#1").to_owned()
    }

    /// How far through a unit the step is: done and all.
    #[must_use]
    pub fn progress(&self, unit: Unit) -> (u64, u64) {
        let span = self.trace().span(self.at.step, unit);
        (self.at.step - span.start + 1, span.end - span.start)
    }
}

/// Factors as a product, arguments as a call.
fn joined(step: &Step, texts: &[String]) -> String {
    step.function.map_or_else(|| texts.join("·"), |function| function.text(texts))
}
