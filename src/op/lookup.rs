//! Lookup: copies of the entries that tensors of indices select: `table[ix]`, `gather`, `embedding`, `logp[arange(n), y]`.
//!
//! For the indices (5, 2, 5), row 5 of the table is read twice. So each entry of row 5 has two terms in its derivative, one for each use.
//!
//! The indices have no derivative: an index selects an entry, and there is no entry between two indices.

use std::sync::Arc;

use super::gather::{CopyMap, Direction, Gather, GatherRule, NeighbourRun};
use super::groups::Groups;
use super::mismatch::Mismatch;
use super::reuse::Reuse;
use super::rule::{Equation, Function, Gist, IsKnown, Memo, Operands, Rule};
use super::slot::{Reads, Slot::Input};
use crate::expr::{Expr, Form, Primitive, whole};
use crate::tensor::len;

/// A tensor of indices along one axis of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexOperand {
    /// The shape of the tensor.
    pub shape: Vec<usize>,
    /// The distance in the table between neighbours along the axis.
    pub stride: usize,
    /// The size of the axis. A negative index counts from its end.
    pub size: usize,
    /// For each entry of the output, the row-major index of its index in this tensor.
    pub places: Vec<usize>,
}

impl IndexOperand {
    /// Returns the distance in the table from index 0 of the axis to the index that is selected. `None` if `index` is not a whole number, or is outside the
    /// axis.
    fn offset(&self, index: f64) -> Option<usize> {
        #[allow(clippy::cast_precision_loss)] // an axis has fewer than 2⁵³ entries
        let from_start = if index < 0.0 { index + self.size as f64 } else { index };
        #[allow(clippy::cast_precision_loss)]
        let is_index = from_start >= 0.0 && from_start < self.size as f64 && from_start.fract() == 0.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a whole number from 0 to the size
        is_index.then(|| from_start as usize * self.stride)
    }
}

/// The kind of a lookup. It decides which equations and words are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupKind {
    /// Whole rows of a table: `C[ix]`, `embedding`, `index_select`.
    Rows,
    /// One entry for each row, as in `logp[arange(n), y]`, `gather`.
    Entries,
}

/// Creates the function that reads entries of a table of this shape. Input 0 is the table, and input 1 + m is the tensor of `indices[m]`. Entry o of the output
/// copies the table's entry with the row-major index `base[o] + Σₘ stride[m] · tensor[m][places[m][o]]`. If an index is outside its axis, the entry has no term
/// and is 0.
///
/// ```
/// use gradstep::op::lookup::{IndexOperand, LookupKind, lookup};
///
/// // table[ix] for a table of 5 x 2 entries and 3 indices: the output is 3 x 2
/// let base = vec![0, 1, 0, 1, 0, 1];
/// let ix = IndexOperand { shape: vec![3], stride: 2, size: 5, places: vec![0, 0, 1, 1, 2, 2] };
/// let rows = lookup(&[5, 2], &[3, 2], base, vec![ix], LookupKind::Rows);
/// assert!(rows.backward(0).is_some() && rows.backward(1).is_none());
/// ```
#[must_use]
pub fn lookup(table: &[usize], output: &[usize], base: Vec<usize>, indices: Vec<IndexOperand>, kind: LookupKind) -> Arc<dyn Function> {
    let mut runs: Vec<NeighbourRun> = Vec::new();
    for (entry, &place) in base.iter().enumerate() {
        let has_same_indices = |last: &NeighbourRun| indices.iter().all(|index| index.places[entry] == index.places[last.entry]);
        match runs.last_mut() {
            Some(last) if last.place + last.len == place && has_same_indices(last) => last.len += 1,
            _ => runs.push(NeighbourRun { entry, place, len: 1 }),
        }
    }
    Arc::new(Lookup(Arc::new(LookupPlan { entries: len(table), output: output.to_vec(), base, runs, indices, kind })))
}

/// The function of [`lookup`].
#[derive(Debug)]
struct Lookup(Arc<LookupPlan>);

/// The data of a lookup that do not depend on the values of the indices.
#[derive(Debug)]
struct LookupPlan {
    /// The number of entries of the table.
    entries: usize,
    /// The shape of the output.
    output: Vec<usize>,
    /// For each output, the row-major index in the table to which the offsets of its indices are added.
    base: Vec<usize>,
    /// Runs of neighbouring outputs with the same indices and neighbouring bases, such as the rows of a table. The places are the bases.
    runs: Vec<NeighbourRun>,
    indices: Vec<IndexOperand>,
    kind: LookupKind,
}

impl LookupPlan {
    /// The row-major index of the table's entry that an entry of the output reads; `None` if an index is outside its axis.
    fn place(&self, tensors: &Reads<&[f64]>, output: usize) -> Option<usize> {
        let mut place = self.base[output];
        for (m, index) in self.indices.iter().enumerate() {
            place += index.offset(tensors[Input(1 + m)][index.places[output]])?;
        }
        (place < self.entries).then_some(place)
    }

    /// Returns whether an entry of the output may read the entry `place` of the table: `Some(true)` if it reads it, `Some(false)` if it does not, and `None` if
    /// an index that is not known yet decides it.
    fn may_read(&self, tensors: &Reads<&[f64]>, output: usize, place: usize, is_known: IsKnown<'_>) -> Option<bool> {
        let is_index_known = |m: usize| is_known(Input(1 + m), self.indices[m].places[output]);
        if (0..self.indices.len()).all(is_index_known) {
            return Some(self.place(tensors, output) == Some(place));
        }
        // the places that the output reads for some values of the unknown indices
        let mut places = vec![self.base[output]];
        for (m, index) in self.indices.iter().enumerate() {
            let offsets: Vec<usize> = if is_index_known(m) {
                index.offset(tensors[Input(1 + m)][index.places[output]]).into_iter().collect()
            } else {
                (0..index.size).map(|n| n * index.stride).collect()
            };
            places = places.iter().flat_map(|place| offsets.iter().map(move |offset| place + offset)).collect();
        }
        if places.contains(&place) { None } else { Some(false) }
    }
}

impl Function for Lookup {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.0.output.clone())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(GatherRule::new(LookupGather(Arc::clone(&self.0)), Direction::Forward, 0))
    }

    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>> {
        // the indices have no derivative
        (input == 0).then(|| Arc::new(GatherRule::new(LookupGather(Arc::clone(&self.0)), Direction::Backward, 0)) as Arc<dyn Rule>)
    }
}

/// The copies of a lookup, which follow from the indices.
#[derive(Debug)]
pub(crate) struct LookupGather(Arc<LookupPlan>);

impl LookupGather {
    /// The size of the axis along which a tensor of indices selects entries. `number` counts the tensors of indices, from 0.
    pub(crate) fn index_size(&self, number: usize) -> Option<usize> {
        self.0.indices.get(number).map(|index| index.size)
    }

    /// Returns the number, from 0, of the index tensor that selects a class in each row of the table: output o reads the entry of row o whose class is in entry
    /// o of this tensor. `None` if the outputs read other entries. A group of `rows` has the entries of one row, one for each class. `known` returns the
    /// numbers in another index tensor, if they never change. If several index tensors look like one that selects classes, the last of them is taken.
    pub(crate) fn class_tensor<'a>(&self, rows: &Groups, known: &dyn Fn(usize) -> Option<&'a [f64]>) -> Option<usize> {
        let LookupPlan { base, indices, .. } = &*self.0;
        // the distance in the table between the entries of neighbouring classes
        let stride = if rows.len > 1 { rows.flat_index(0, 1) } else { return None };
        let is_class =
            |index: &IndexOperand| index.stride == stride && index.size == rows.len && index.places.iter().copied().eq(0..rows.count);
        let number = indices.iter().rposition(is_class)?;
        let mut bases = base.clone();
        for (n, index) in indices.iter().enumerate().filter(|(n, _)| *n != number) {
            let numbers = known(n)?;
            for (base, place) in bases.iter_mut().zip(&index.places) {
                *base += index.offset(*numbers.get(*place)?)?;
            }
        }
        bases.iter().enumerate().all(|(row, base)| *base == rows.flat_index(row, 0)).then_some(number)
    }
}

impl Gather for LookupGather {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let runs = self.0.runs.iter().filter_map(|run| {
            let place = self.0.place(tensors, run.entry)?;
            // a run that begins in the table can be longer than the rest of the table; then it ends with the table
            Some(NeighbourRun { place, len: run.len.min(self.0.entries - place), ..*run })
        });
        Some(Arc::new(CopyMap::of_runs(runs, [self.0.base.len(), self.0.entries])))
    }

    fn copy_map<'a>(&'a self, x: &'a Operands<'_>) -> &'a CopyMap {
        x.memo::<CopyMap>().expect("the memo of this rule")
    }

    fn possible_copies(&self, x: &Operands<'_>, place: usize, is_known: IsKnown<'_>) -> Option<Vec<(usize, bool)>> {
        let LookupPlan { base, indices, .. } = &*self.0;
        if indices.iter().enumerate().all(|(m, index)| (0..len(&index.shape)).all(|at| is_known(Input(1 + m), at))) {
            return None;
        }
        let reads = (0..base.len()).map(|output| (output, self.0.may_read(&x.tensors, output, place, is_known)));
        Some(reads.filter(|(_, reads)| *reads != Some(false)).map(|(output, reads)| (output, reads.is_some())).collect())
    }

    fn reason(&self, _x: &Operands<'_>, direction: Direction, _entry: usize) -> &'static str {
        match direction {
            Direction::Forward => "its index is not in the table",
            Direction::Backward => "no index reads it",
        }
    }

    fn reuse(&self, entry: usize) -> Option<Reuse> {
        match &self.0.indices[..] {
            // an index along the first axis of the table selects a row
            [index] if self.0.kind == LookupKind::Rows && index.stride * index.size == self.0.entries => {
                Some(Reuse::IndexedRow(entry / index.stride))
            }
            _ => Some(Reuse::IndexedEntry),
        }
    }

    fn equation(&self, direction: Direction) -> Equation {
        let (right, name, words) = match (self.0.kind, direction) {
            (LookupKind::Rows, Direction::Forward) => {
                (ROWS, "lookup", "Each index names a row of the table, and the row is copied. Nothing is computed.")
            }
            (LookupKind::Entries, Direction::Forward) => (
                ENTRIES,
                "lookup",
                "The indices name one entry for each place of the result, and the entry is copied. Nothing is computed.",
            ),
            (LookupKind::Rows, Direction::Backward) => (
                BACK,
                "derivative of a lookup",
                "A row that was read several times changes the loss through each of its copies, so its derivative is the sum of theirs. A row that was not read has no effect: its derivative is 0.",
            ),
            (LookupKind::Entries, Direction::Backward) => (
                BACK,
                "derivative of a lookup",
                "Only the entries that were read changed the loss, each through its copies. All others have no effect: their derivative is 0.",
            ),
        };
        Equation { right, name, gist: Gist::None, words }
    }
}

const ROWS: Expr = Expr::Of(&Primitive::new("rows").form(Form::Call), &[whole::X, whole::W]);
const ENTRIES: Expr = Expr::Of(&Primitive::new("entries").form(Form::Call), &[whole::X, whole::W]);
/// The sum over the uses of each entry.
const BACK: Expr = Expr::Of(&Primitive::new("sum_over_uses").symbol("Σᵤₛₑₛ").form(Form::Sum), &[whole::DY]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::checked::{check_rules, factors, gradient, numbers, value};

    /// table\[ix\] for a table of 3 x 2 entries.
    fn rows(index_count: usize) -> Arc<dyn Function> {
        let entries = || (0..index_count).flat_map(|n| [0, 1].map(|column| (n, column)));
        let places = entries().map(|(n, _)| n).collect();
        let ix = IndexOperand { shape: vec![index_count], stride: 2, size: 3, places };
        lookup(&[3, 2], &[index_count, 2], entries().map(|(_, column)| column).collect(), vec![ix], LookupKind::Rows)
    }

    #[test]
    fn a_row_that_is_read_twice_has_two_terms() {
        let (function, table, ix) = (rows(3), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..], &[2.0, 0.0, -1.0][..]);
        assert_eq!(value(&*function, &[table, ix], 6), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        let dy = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(gradient(&*function, &[table, ix], &dy, 0), Some(vec![3.0, 4.0, 0.0, 0.0, 6.0, 8.0]));
        assert_eq!(gradient(&*function, &[table, ix], &dy, 1), None);
        assert_eq!(factors(&*function, &[table, ix], &dy, 0, 5), [[2.0], [6.0]]);
        check_rules(&*function, &[&[3, 2], &[3]], &[table.to_vec(), ix.to_vec()]);
    }

    #[test]
    fn an_index_outside_its_axis_reads_nothing() {
        let (function, table) = (rows(4), numbers(5, 6));
        let ix = [3.0, -4.0, 0.5, f64::NAN];
        assert_eq!(value(&*function, &[&table, &ix], 8), [0.0; 8]);
        check_rules(&*function, &[&[3, 2], &[4]], &[table, ix.to_vec()]);
    }

    #[test]
    fn an_index_that_is_not_known_may_select_any_row() {
        let (forward, table, ix) = (rows(2).forward(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..], &[2.0, 0.0][..]);
        let tensors = Reads::inputs([table, ix]);
        let memo = forward.memo(&tensors);
        let x = Operands { tensors, memo: &memo };
        // the first index is known, the second is not
        let uses = |place: usize| forward.possible_uses(&x, Input(0), place, &|_, n| n == 0);
        let found = |place: usize| uses(place).iter().map(|possible| (possible.found.entry, possible.is_certain)).collect::<Vec<_>>();
        // the entries 0 and 4 of the table begin its rows 0 and 2; the outputs 0 and 2 begin the two copied rows
        assert_eq!((found(0), found(4)), (vec![(2, false)], vec![(0, true), (2, false)]));
        let known = forward.possible_uses(&x, Input(0), 4, &|_, _| true);
        assert_eq!(known.iter().map(|possible| possible.found).collect::<Vec<_>>(), forward.uses(&x, Input(0), 4));
    }

    #[test]
    fn several_indices_name_one_entry() {
        // table[rows, columns]
        let index = |stride, size| IndexOperand { shape: vec![3], stride, size, places: vec![0, 1, 2] };
        let function = lookup(&[2, 3], &[3], vec![0; 3], vec![index(3, 2), index(1, 3)], LookupKind::Entries);
        let inputs: [&[f64]; 3] = [&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[0.0, 1.0, 1.0], &[2.0, 0.0, -1.0]];
        assert_eq!(value(&*function, &inputs, 3), [3.0, 4.0, 6.0]);
        check_rules(&*function, &[&[2, 3], &[3], &[3]], &inputs.map(<[f64]>::to_vec));
    }
}
