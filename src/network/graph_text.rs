//! The text of a graph: the statement that computes each tensor, and the *folds*. A fold is a group of tensors that a picture may show as one node.
//!
//! For example, the statement `loss = F.cross_entropy(x @ W, y)` computes the tensors `loss.1` to `loss.4` and `loss`. The whole statement is a fold, and the
//! call in it is another one. Forward ops outside a fold read only its last tensor, so one node can represent all of its tensors:
//!
//! ```text
//! loss.1 ── loss.2 ── loss.3 ── loss.4 ── loss
//! │         └──────── the call ────────────┤
//! └────────────────── the statement ───────┘
//! ```

use std::collections::HashMap;
use std::ops::Range;

use compact_str::CompactString;

use super::Id;
use crate::op::closed_form::ClosedForm;

/// A statement of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementText {
    /// The statement as one line, without comments.
    pub text: CompactString,
    /// The number of its first line in the file, from 1.
    pub line: usize,
}

/// One iteration of a `for` loop of the text. It is called a *turn*, because the word iteration means one of gradient descent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The number of the turn, from 1.
    pub number: usize,
    /// The number of turns.
    pub count: usize,
}

/// The place in the text that computes a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlace {
    /// The index of the statement.
    pub statement: usize,
    /// The range of bytes of the operation in the statement's text.
    pub byte_range: Range<usize>,
    /// The turn of the innermost loop around the statement; `None` outside of loops.
    pub turn: Option<Turn>,
}

/// A group of neighbouring tensors. Forward ops outside the fold read only the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The tensors, in the order of computation.
    pub members: Range<Id>,
    /// The index of the smallest fold around this one; `None` if there is none.
    pub parent: Option<usize>,
}

impl Fold {
    /// Returns the last tensor, which forward ops outside the fold read.
    #[must_use]
    pub fn output(&self) -> Id {
        self.members.end.saturating_sub(1)
    }
}

/// A group of operations with a *closed form*: one formula that also gives the derivative by the group's input. A batch norm is an example.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedBlock {
    /// The closed form.
    pub form: ClosedForm,
    /// The input.
    pub input: Id,
    /// The result.
    pub output: Id,
    /// The operands of the closed form. Its first operand is not in this list: it is the derivative by the result.
    pub operands: Vec<Id>,
    /// The tensors that the block computes, in order.
    pub members: Vec<Id>,
    /// Tensors of one number with the value that they must have for the closed form, such as the n of `x.sum() / n`.
    pub fixed: Vec<(Id, f64)>,
}

/// A use of a number that affects the structure of the graph, such as its use as a size. Such a number cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructuralUse {
    /// The use in words: "a size".
    pub what: String,
    /// The number of the line of the file with the use, from 1; `None` if it is no single line, as for "a number that the text makes".
    pub line: Option<usize>,
}

/// The text of a graph; empty for a network of layers.
#[derive(Clone, Debug, Default)]
pub struct GraphText {
    statements: Vec<StatementText>,
    /// The number of inputs and constants, which come before the computed tensors.
    leaf_count: usize,
    /// The origin of each computed tensor.
    origins: Vec<SourcePlace>,
    folds: Vec<Fold>,
    /// See [`GraphText::says_more_than_equations`].
    says_more: bool,
    /// The names of the axes, for the tensors that have some.
    axes: HashMap<Id, Vec<Option<CompactString>>>,
    has_turns: bool,
    /// The inputs and constants on which the structure of the graph depends.
    structural: HashMap<Id, StructuralUse>,
    /// The blocks with closed forms, sorted by their inputs.
    closed_blocks: Vec<ClosedBlock>,
    /// The index of the smallest fold around each computed tensor.
    fold_of: Vec<Option<usize>>,
}

impl GraphText {
    /// Creates the text of a graph. `leaf_count` is the number of its inputs and constants. `origins` has the origin of each computed tensor. `folds` are
    /// ranges of computed tensors, which are counted from 0. Two folds have no tensor in common, or one contains the other. `has_tensors` is `false` for a
    /// graph of single numbers.
    #[must_use]
    pub fn new(
        has_tensors: bool,
        leaf_count: usize,
        statements: Vec<StatementText>,
        origins: Vec<SourcePlace>,
        mut folds: Vec<Range<usize>>,
    ) -> Self {
        // sorted so that a fold comes after those that contain it
        folds.sort_unstable_by_key(|members| (members.start, std::cmp::Reverse(members.end)));
        folds.dedup();
        let mut fold_of = vec![None; origins.len()];
        let mut all: Vec<Fold> = Vec::with_capacity(folds.len());
        for members in folds {
            let parent = fold_of.get(members.start).copied().flatten();
            fold_of[members.clone()].fill(Some(all.len()));
            all.push(Fold { members: members.start + leaf_count..members.end + leaf_count, parent });
        }
        let says_more = has_tensors || origins.windows(2).any(|pair| pair[0].statement == pair[1].statement);
        let has_turns = origins.iter().any(|origin| origin.turn.is_some());
        Self {
            statements,
            leaf_count,
            says_more,
            axes: HashMap::new(),
            has_turns,
            structural: HashMap::new(),
            closed_blocks: Vec::new(),
            origins,
            folds: all,
            fold_of,
        }
    }

    /// Returns the number of nodes: inputs, constants and computed tensors. They are the tensors 0, 1, … of the network; the gradients come after them.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.leaf_count + self.origins.len()
    }

    /// Adds the names of axes, by tensor.
    #[must_use]
    pub fn with_axes(self, axes: HashMap<Id, Vec<Option<CompactString>>>) -> Self {
        Self { axes, ..self }
    }

    /// Returns the names of the axes of a tensor; empty if it has none.
    #[must_use]
    pub fn axes(&self, id: Id) -> &[Option<CompactString>] {
        self.axes.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Adds the inputs and constants on which the structure of the graph depends.
    #[must_use]
    pub fn with_structural(self, structural: HashMap<Id, StructuralUse>) -> Self {
        Self { structural, ..self }
    }

    /// Returns the use of an input or a constant that affects the structure of the graph; `None` if only values depend on it.
    #[must_use]
    pub fn structural_use(&self, id: Id) -> Option<&StructuralUse> {
        self.structural.get(&id)
    }

    /// Adds the blocks with closed forms.
    #[must_use]
    pub fn with_closed_blocks(self, mut closed_blocks: Vec<ClosedBlock>) -> Self {
        closed_blocks.sort_by_key(|block| block.input);
        Self { closed_blocks, ..self }
    }

    /// Returns the blocks with a closed form of the derivative by this input.
    pub fn closed_blocks_of(&self, input: Id) -> impl Iterator<Item = &ClosedBlock> {
        let first = self.closed_blocks.partition_point(|block| block.input < input);
        self.closed_blocks[first..].iter().take_while(move |block| block.input == input)
    }

    /// Returns whether the statements show more than the equations of the ops. They do if a statement has several operations, or if the graph has tensors.
    #[must_use]
    pub fn says_more_than_equations(&self) -> bool {
        self.says_more
    }

    /// Returns whether some tensors are computed in the turns of a loop.
    #[must_use]
    pub fn has_turns(&self) -> bool {
        self.has_turns
    }

    /// Returns the number of the turn in which a tensor is computed, from 1; `None` outside of loops.
    #[must_use]
    pub fn turn(&self, id: Id) -> Option<usize> {
        Some(self.origin(id)?.turn?.number)
    }

    /// Returns the origin of a tensor; `None` for an input, a constant and a derivative.
    #[must_use]
    pub fn origin(&self, id: Id) -> Option<&SourcePlace> {
        self.origins.get(id.checked_sub(self.leaf_count)?)
    }

    /// Returns whether a tensor is the result of an operation of the text. An operation such as a batch norm computes several tensors, and only the last one is
    /// its result. `true` for an input and for a tensor of a layer.
    #[must_use]
    pub fn is_result(&self, id: Id) -> bool {
        // the tensors of one operation are neighbours with the same origin
        let with_next = id.checked_sub(self.leaf_count).and_then(|node| self.origins.get(node..=node + 1));
        with_next.is_none_or(|pair| pair[0] != pair[1])
    }

    /// Returns a statement.
    #[must_use]
    pub fn statement(&self, number: usize) -> Option<&StatementText> {
        self.statements.get(number)
    }

    /// Returns a fold.
    #[must_use]
    pub fn fold(&self, number: usize) -> Option<&Fold> {
        self.folds.get(number)
    }

    /// Returns the indices of the folds that contain a tensor, the smallest fold first.
    pub fn folds_around(&self, id: Id) -> impl Iterator<Item = usize> + '_ {
        let smallest = id.checked_sub(self.leaf_count).and_then(|node| self.fold_of.get(node).copied().flatten());
        std::iter::successors(smallest, |fold| self.folds[*fold].parent)
    }

    /// Returns the index of a fold and the indices of the folds in it.
    pub fn folds_within(&self, fold: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.folds.get(fold).map_or(0, |fold| fold.members.end);
        // the folds in a fold come directly after it
        (fold..self.folds.len()).take_while(move |inner| self.folds[*inner].members.start < end)
    }

    /// Returns the tensor whose node represents the tensor `id` in the picture. It is the output of the largest closed fold around `id`. Without a closed fold,
    /// it is `id` itself.
    pub fn shown_as(&self, id: Id, is_open: impl Fn(usize) -> bool) -> Id {
        self.folds_around(id).filter(|fold| !is_open(*fold)).last().map_or(id, |fold| self.folds[fold].output())
    }

    /// Returns the largest closed fold that the node of the tensor `id` represents. Returns `None` if the node represents only its own tensor, or is not drawn.
    pub fn closed_fold(&self, id: Id, is_open: impl Fn(usize) -> bool) -> Option<&Fold> {
        self.folds_around(id).filter(|fold| !is_open(*fold)).last().map(|fold| &self.folds[fold]).filter(|fold| fold.output() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with two inputs and six computed tensors. The first statement computes five of them, with a call that computes three. The second statement
    /// computes one.
    fn text() -> GraphText {
        let origin = |statement| SourcePlace { statement, byte_range: 0..1, turn: None };
        let statement = |text: &str, line| StatementText { text: text.into(), line };
        let origins = vec![origin(0), origin(0), origin(0), origin(0), origin(0), origin(1)];
        // the range of the call is given twice: equal ranges become one fold
        GraphText::new(true, 2, vec![statement("u = f(x @ W) + 1", 1), statement("J = u * 2", 2)], origins, vec![1..4, 0..5, 1..4])
    }

    #[test]
    fn a_node_represents_the_largest_closed_fold() {
        let text = text();
        // tensors 2 to 7 are computed; the first statement is 2 to 6, and the call is 3 to 5
        assert_eq!(text.fold(0), Some(&Fold { members: 2..7, parent: None }));
        assert_eq!(text.fold(1), Some(&Fold { members: 3..6, parent: Some(0) }));
        assert_eq!(text.fold(2), None);
        assert_eq!([0, 2, 3, 5, 6, 7].map(|id| text.shown_as(id, |_| false)), [0, 6, 6, 6, 6, 7]);
        assert_eq!([2, 3, 4, 5, 6].map(|id| text.shown_as(id, |fold| fold == 0)), [2, 5, 5, 5, 6]);
        assert_eq!([2, 3, 4, 5, 6].map(|id| text.shown_as(id, |_| true)), [2, 3, 4, 5, 6]);
        assert_eq!(text.folds_around(4).collect::<Vec<_>>(), [1, 0]);
        assert_eq!([0, 1, 2].map(|fold| text.folds_within(fold).collect::<Vec<_>>()), [vec![0, 1], vec![1], vec![]]);
        assert_eq!(text.closed_fold(6, |_| false).map(Fold::output), Some(6));
        assert_eq!(text.closed_fold(5, |fold| fold == 0).map(|fold| fold.members.clone()), Some(3..6));
        assert_eq!(text.closed_fold(4, |_| false), None);
    }

    #[test]
    fn only_computed_tensors_have_an_origin() {
        let text = text();
        assert_eq!(text.origin(1), None);
        assert_eq!(text.origin(7).and_then(|origin| text.statement(origin.statement)).map(|statement| statement.line), Some(2));
        assert_eq!(text.origin(8), None);
    }
}
