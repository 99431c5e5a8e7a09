//! Makes the step at a position from its term and its running sum.

use super::running_sums::PartialSum;
use super::{Position, Trace};
use crate::expr::{Expr, Notation};
use crate::glyph;
use crate::network::{Id, Network};
use crate::op::rule::{Arg, Origin, Term};
use crate::op::slot::Reads;
use crate::step::{Factor, Step, TensorEntry};
use crate::tensor::{Index, joined_index, unravel};

impl Trace {
    /// Returns step k, or `None` if there is no such step.
    #[must_use]
    pub fn get(&self, k: u64) -> Option<Step> {
        self.position(k).map(|position| self.step(&position))
    }

    /// Returns the step at a position.
    #[must_use]
    pub fn step(&self, at: &Position) -> Step {
        self.step_after(at, self.sum_before(at))
    }

    /// Returns the step at a position without its running sum (it is NaN), and the index of the part to which its term belongs. This takes no additions.
    #[must_use]
    pub fn step_without_sum(&self, at: &Position) -> (Step, usize) {
        let (part, terms_before) = self.part_of(at.segment, at.entry, at.term).unwrap_or_default();
        (self.step_after(at, PartialSum { part, terms_before, sum: f64::NAN }), part)
    }

    /// Returns the step at a position, with the state of the entry's sum before it.
    fn step_after(&self, at: &Position, PartialSum { part, terms_before, sum }: PartialSum) -> Step {
        let (run, op, op_index) = self.op(at.segment);
        let (rule, x) = run.part(op, op_index, part);
        let Term { kind, function, args, value } = rule.term(&x, at.entry, at.term - terms_before);
        let network = self.network_of(at.run_index);
        let info = network.tensor(op.output);
        let step = Step {
            iteration: self.iteration,
            sample: self.runs[at.run_index].sample.map(|sample| sample + 1),
            step: at.step,
            pass: op.pass,
            op: info.name.clone(),
            index: unravel(at.entry, &info.shape),
            term: at.term + 1,
            terms: at.terms,
            kind,
            factors: args.iter().map(|arg| factor(network, &op.parts[part].operands, arg)).collect(),
            function,
            value,
            sum: sum + value,
        };
        match &self.future {
            // only in tests, which replace the numbers after some step
            Some(future) => future.step(step),
            None => step,
        }
    }

    /// Returns the name of a derived factor, which is computed from operands by an expression, such as `relu'(conv1.z)`. `expr` is the expression, and `part`
    /// is the index of the factor's part in the op at a position.
    #[must_use]
    pub fn derived_name(&self, at: &Position, part: usize, expr: &Expr) -> String {
        derived_name(self.network_of(at.run_index), &self.op_at(at).parts[part].operands, expr)
    }

    /// Returns the index of the part to which the term at a position belongs.
    #[must_use]
    pub fn part_at(&self, at: &Position) -> usize {
        self.part_of(at.segment, at.entry, at.term).map_or(0, |(part, _)| part)
    }
}

/// Converts an argument of a term to a factor of a step, with the name of its tensor and the index of its entry.
fn factor(network: &Network, operands: &Reads<Id>, arg: &Arg) -> Factor {
    let value = arg.value;
    match &arg.origin {
        Origin::Constant => Factor { name: None, index: Index::new(), value, source: None, derived: None, slice: None },
        &Origin::Slice { slot, places } => {
            let source = Some(TensorEntry { tensor: operands[slot], at: places.first });
            let name = Some(network.tensor(operands[slot]).name.clone());
            Factor { name, index: Index::new(), value, source, derived: None, slice: Some(places) }
        }
        &Origin::Entry { slot, at } => {
            let info = network.tensor(operands[slot]);
            let source = Some(TensorEntry { tensor: operands[slot], at });
            Factor { name: Some(info.name.clone()), index: unravel(at, &info.shape), value, source, derived: None, slice: None }
        }
        &Origin::Derived { expr, slot, at, second } => {
            let info = network.tensor(operands[slot]);
            let index = joined_index(unravel(at, &info.shape), second.map(|second| unravel(second, &info.shape)));
            let source = Some(TensorEntry { tensor: operands[slot], at });
            Factor { name: Some(derived_name(network, operands, expr).into()), index, value, source, derived: Some(expr), slice: None }
        }
    }
}

/// Returns the text of an expression with the names of the operands: `relu'(conv1.z)`.
fn derived_name(network: &Network, operands: &Reads<Id>, expr: &Expr) -> String {
    glyph::ascii_text(&expr.text(Notation::Ascii, &mut |slot, _| network.tensor(operands[slot]).name.to_string()))
}
