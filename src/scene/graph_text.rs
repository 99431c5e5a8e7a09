//! Finds the statement of a graph for a step: the one with the operation that the step computes, or whose derivative it computes. Also finds the folds around
//! it: groups of neighbouring nodes, such as those of one statement, that the picture can show as one node.

use std::ops::Range;

use super::Scene;
use crate::network::{Id, Role, Turn};

/// The statement of a graph for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementHere<'a> {
    /// The statement as one line.
    pub text: &'a str,
    /// The number of its line in the file, from 1.
    pub line: usize,
    /// The range of the operation in the statement, in bytes.
    pub part: Range<usize>,
    /// The number of the operation in the statement, from 1, and the number of all its operations.
    pub number: [usize; 2],
    /// The turn of the innermost loop around the statement; `None` outside of loops.
    pub turn: Option<Turn>,
}

impl<'a> Scene<'a> {
    /// Returns whether the step is inside a fold. It is if it computes one of the fold's tensors, or the derivative by a tensor that only the fold reads.
    #[must_use]
    pub fn is_inside(&self, fold: usize) -> bool {
        let computed = self.neuron(self.output);
        let fold = self.network().text().fold(fold);
        fold.is_some_and(|fold| fold.members.contains(&computed) && !(self.is_backward() && fold.output() == computed))
    }

    /// Returns the folds that the step is inside.
    pub fn folds_here(&self) -> impl Iterator<Item = usize> {
        self.network().text().folds_around(self.neuron(self.output)).filter(|fold| self.is_inside(*fold))
    }

    /// Returns the statement with the operation of the step. In the forward pass, it is the operation that the step computes. In the backward pass, a term of
    /// ∂J/∂x reads ∂J/∂y, and it is the operation that computes y.
    #[must_use]
    pub fn statement(&self) -> Option<StatementHere<'a>> {
        let part = self.op().parts.get(self.part());
        let differentiated = part.into_iter().flat_map(|part| part.operands.iter()).find_map(|id| match self.network().tensor(*id).role {
            Role::Gradient(of) => Some(of),
            _ => None,
        });
        let text = self.network().text();
        let computed = differentiated.unwrap_or_else(|| self.neuron(self.output));
        let origin = text.origin(computed)?;
        let fold = text.folds_around(computed).last().and_then(|fold| text.fold(fold));
        let number = fold.map_or([1, 1], |fold| [computed + 1 - fold.members.start, fold.members.len()]);
        let statement = text.statement(origin.statement).filter(|statement| !statement.text.is_empty())?;
        Some(StatementHere { text: &statement.text, line: statement.line, part: origin.byte_range.clone(), number, turn: origin.turn })
    }

    /// Returns the source text that computes a tensor, such as `F.cross_entropy(logits, y)`.
    #[must_use]
    pub fn written(&self, tensor: Id) -> Option<String> {
        let text = self.network().text();
        let origin = text.origin(tensor)?;
        text.statement(origin.statement)?.text.get(origin.byte_range.clone()).map(str::to_owned)
    }
}
