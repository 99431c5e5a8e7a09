//! The maximum or minimum over axes: PyTorch's `max(dim)`, `amax`, `max()` and `argmax`, and `min(dim)`, `amin`, `min()` and `argmin`.
//!
//! | function | if several entries are the largest (or smallest) |
//! | --- | --- |
//! | `max(dim)`, `min(dim)` | the first one gets the whole derivative |
//! | `amax`, `max()`, `amin`, `min()` | the m equal entries get 1/m of the derivative each |
//!
//! A *group* is the entries that one output reads, such as a row. NaN is treated as larger and as smaller than every number: the first NaN of a group is its
//! maximum and its minimum.
//!
//! Source: PyTorch's `torch.max`, `torch.amax` and `torch.argmax`.

use std::sync::Arc;

use super::gather::{CopyMap, Direction, Gather, GatherRule};
use super::groups::{Groups, reduced_shape};
use super::mismatch::Mismatch;
use super::one_term::{OneTerm, OneTermEach};
use super::rule::{Equation, Function, Gist, Memo, Operands, Rule, Term};
use super::slot::{
    Reads,
    Slot::{self, Input},
};
use crate::expr::{Definition, Expr, Form, Primitive, whole};
use crate::step::Kind;

/// The entry of a group that is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

impl Extreme {
    /// The name of the function of two numbers that returns this entry: `max` or `min`.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Extreme::Max => "max",
            Extreme::Min => "min",
        }
    }
}

/// The entries that get the derivative if several are the largest (or the smallest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// The first one.
    First,
    /// All of them, with equal shares.
    Shared,
}

/// Creates the maximum or minimum over some axes of a tensor of this shape. With `keepdim` a reduced axis stays, with size 1.
///
/// The axes must satisfy [`Groups::is_regular`].
///
/// ```
/// use gradstep::op::extremum::{Extreme, Ties, extremum};
///
/// let row_maxima = extremum(&[2, 3], &[1], false, Extreme::Max, Ties::First);
/// assert_eq!(row_maxima.shape(&[&[2, 3]]), Ok(vec![2]));
/// ```
#[must_use]
pub fn extremum(shape: &[usize], axes: &[usize], keepdim: bool, extreme: Extreme, ties: Ties) -> Arc<dyn Function> {
    let output = reduced_shape(shape, axes, keepdim);
    Arc::new(Extremum { plan: Arc::new(ExtremumPlan { groups: Groups::along(shape, axes), output, extreme }), ties })
}

/// Creates the index of the maximum or minimum along an axis, or in the row-major order of all entries. It has no derivative.
///
/// ```
/// use gradstep::op::extremum::{Extreme, argmax};
///
/// assert!(argmax(&[2, 3], Some(1), false, Extreme::Max).backward(0).is_none());
/// ```
#[must_use]
pub fn argmax(shape: &[usize], axis: Option<usize>, keepdim: bool, extreme: Extreme) -> Arc<dyn Function> {
    let reduced: Vec<usize> = axis.map_or_else(|| (0..shape.len()).collect(), |axis| vec![axis]);
    let output = reduced_shape(shape, &reduced, keepdim);
    Arc::new(ArgMax(Arc::new(ExtremumPlan { groups: Groups::along(shape, &reduced), output, extreme })))
}

/// The groups, and which entry is selected from each.
#[derive(Debug)]
struct ExtremumPlan {
    groups: Groups,
    /// The shape of the output.
    output: Vec<usize>,
    extreme: Extreme,
}

impl ExtremumPlan {
    /// Returns whether `value` is selected instead of `earlier`, the selected one of the entries before `value`.
    fn beats(&self, value: f64, earlier: f64) -> bool {
        match self.extreme {
            _ if earlier.is_nan() => false,
            _ if value.is_nan() => true,
            Extreme::Max => value > earlier,
            Extreme::Min => value < earlier,
        }
    }

    /// The index of the selected entry within its group.
    fn winner(&self, x: &[f64], group: usize) -> usize {
        let (mut winner, mut winner_value) = (0, x[self.groups.flat_index(group, 0)]);
        for (n, at) in self.groups.flat_indices(group).enumerate() {
            if self.beats(x[at], winner_value) {
                (winner, winner_value) = (n, x[at]);
            }
        }
        winner
    }

    /// The index of the selected entry in the tensor.
    fn winner_place(&self, x: &[f64], group: usize) -> usize {
        self.groups.flat_index(group, self.winner(x, group))
    }

    /// The entry of the output that reads the entry `at` of the input: the result of its group. Empty for another slot.
    fn readers(&self, slot: Slot, at: usize) -> Vec<usize> {
        if slot == Input(0) { vec![self.groups.group_of(at).0] } else { Vec::new() }
    }

    /// Returns whether an entry of the output reads the entry `at` of the input. It does if `at` is in its group.
    fn reads(&self, entry: usize, slot: Slot, at: usize) -> bool {
        slot == Input(0) && self.groups.group_of(at).0 == entry
    }
}

/// The function of [`extremum`].
#[derive(Debug)]
struct Extremum {
    plan: Arc<ExtremumPlan>,
    ties: Ties,
}

impl Function for Extremum {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.plan.output.clone())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(OneTerm(ExtremumForward { plan: Arc::clone(&self.plan), ties: self.ties }))
    }

    fn backward(&self, _input: usize) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(GatherRule::new(ExtremumGather { plan: Arc::clone(&self.plan), ties: self.ties }, Direction::Backward, 0)))
    }
}

/// The rule of the maximum or minimum.
#[derive(Debug)]
struct ExtremumForward {
    plan: Arc<ExtremumPlan>,
    ties: Ties,
}

/// The largest of many numbers.
const MAX: &Primitive = &Primitive { definition: Definition::Largest, ..Primitive::new("max").form(Form::Operator) };
/// The smallest of many numbers.
const MIN: &Primitive = &Primitive { definition: Definition::Smallest, ..Primitive::new("min").form(Form::Operator) };

impl OneTermEach for ExtremumForward {
    fn value(&self, x: &Operands<'_>, group: usize) -> f64 {
        let read = x.tensors[Input(0)];
        read[self.plan.winner_place(read, group)]
    }

    fn term(&self, x: &Operands<'_>, at: usize) -> Term {
        let winner_place = self.plan.winner_place(x.tensors[Input(0)], at);
        let function = if self.plan.extreme == Extreme::Max { MAX } else { MIN };
        let args = self.plan.groups.arguments(x, Input(0), at, winner_place);
        Term { kind: Kind::Select, function: Some(function), args, value: x.get(Input(0), winner_place) }
    }

    fn readers(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<usize> {
        self.plan.readers(slot, at)
    }

    fn reads_single_entry(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> bool {
        self.plan.reads(entry, slot, at)
    }

    fn is_gather(&self) -> bool {
        true
    }

    fn equation(&self) -> Equation {
        let (right, name) = match self.plan.extreme {
            Extreme::Max => (Expr::Of(MAX, &[whole::X]), "maximum"),
            Extreme::Min => (Expr::Of(MIN, &[whole::X]), "minimum"),
        };
        let words = match (self.plan.extreme, self.ties) {
            (Extreme::Max, Ties::First) => "The result is the largest entry along the axis. If several are equal, the first one counts.",
            (Extreme::Min, Ties::First) => "The result is the smallest entry along the axis. If several are equal, the first one counts.",
            (Extreme::Max, Ties::Shared) => "The result is the largest entry.",
            (Extreme::Min, Ties::Shared) => "The result is the smallest entry.",
        };
        Equation { right, name, gist: Gist::None, words }
    }
}

/// The entries that share an output's derivative, for each output.
#[derive(Debug)]
pub(crate) struct ExtremumGather {
    plan: Arc<ExtremumPlan>,
    ties: Ties,
}

impl ExtremumGather {
    /// The groups, one for each output.
    pub(crate) fn groups(&self) -> &Groups {
        &self.plan.groups
    }
}

/// The memo of [`ExtremumGather`].
struct ExtremumWinners {
    copy_map: CopyMap,
    /// The number of entries that share the derivative of each output.
    counts: Vec<usize>,
}

impl ExtremumGather {
    fn winners<'a>(x: &'a Operands<'_>) -> &'a ExtremumWinners {
        x.memo::<ExtremumWinners>().expect("the memo of this rule")
    }
}

impl Gather for ExtremumGather {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let (x, groups) = (tensors[Input(0)], &self.plan.groups);
        let winner_places: Vec<usize> = (0..groups.count).map(|group| self.plan.winner_place(x, group)).collect();
        let mut counts = vec![0; groups.count];
        // for each entry of x, the output whose derivative it gets
        let mut outputs = vec![None; x.len()];
        for (group, winner_place) in winner_places.into_iter().enumerate() {
            let gets_derivative = |at: &usize| match self.ties {
                Ties::First => *at == winner_place,
                #[allow(clippy::float_cmp)] // a tie
                Ties::Shared => x[*at] == x[winner_place] || (x[*at].is_nan() && x[winner_place].is_nan()),
            };
            for at in groups.flat_indices(group).filter(gets_derivative) {
                outputs[at] = Some(group);
                counts[group] += 1;
            }
        }
        // `of_sources` takes at most one source for each entry. An entry of x has at most one output, but an output can have several entries of x (a tie).
        // So the map is made with x and y exchanged, and then reversed
        Some(Arc::new(ExtremumWinners { copy_map: CopyMap::of_sources(outputs, groups.count).reversed(), counts }))
    }

    fn copy_map<'a>(&'a self, x: &'a Operands<'_>) -> &'a CopyMap {
        &Self::winners(x).copy_map
    }

    fn has_shares(&self) -> bool {
        self.ties == Ties::Shared
    }

    fn share(&self, x: &Operands<'_>, output: usize) -> Option<f64> {
        let count = Self::winners(x).counts[output];
        #[allow(clippy::cast_precision_loss)] // a tensor has fewer than 2⁵³ entries
        let share = (count > 1).then(|| 1.0 / count as f64);
        share
    }

    fn reason(&self, x: &Operands<'_>, _direction: Direction, entry: usize) -> &'static str {
        let read = x.tensors[Input(0)];
        let winner_value = read[self.plan.winner_place(read, self.plan.groups.group_of(entry).0)];
        let is_later_nan = winner_value.is_nan() && read[entry].is_nan();
        #[allow(clippy::float_cmp)] // a tie
        let is_tie = winner_value == read[entry];
        match self.plan.extreme {
            Extreme::Max if is_later_nan => "a NaN before it counts as the maximum",
            Extreme::Min if is_later_nan => "a NaN before it counts as the minimum",
            Extreme::Max if is_tie => "an equal entry before it counts as the maximum",
            Extreme::Min if is_tie => "an equal entry before it counts as the minimum",
            Extreme::Max => "it was not the maximum",
            Extreme::Min => "it was not the minimum",
        }
    }

    fn equation(&self, _direction: Direction) -> Equation {
        let (right, words) = match self.ties {
            Ties::First => (
                Expr::Remark(&whole::DY, "at the selected entry, else 0"),
                "The result is a copy of the selected entry, so this entry gets the derivative, unchanged. A small change of the others has no effect: their derivative is 0.",
            ),
            Ties::Shared => (
                Expr::Remark(&whole::DY, "at the selected entry, else 0"),
                "The result is a copy of the selected entry, so this entry gets the derivative. If m entries are equal, each of them gets 1/m of it. A small change of the others has no effect: their derivative is 0.",
            ),
        };
        Equation { right, name: "the derivative goes to the selected entry", gist: Gist::None, words }
    }
}

/// The function of [`argmax`].
#[derive(Debug)]
struct ArgMax(Arc<ExtremumPlan>);

impl Function for ArgMax {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.0.output.clone())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(OneTerm(ArgMaxForward(Arc::clone(&self.0))))
    }

    fn backward(&self, _input: usize) -> Option<Arc<dyn Rule>> {
        None // a small change of an entry does not change the index
    }
}

/// The rule of the index.
#[derive(Debug)]
struct ArgMaxForward(Arc<ExtremumPlan>);

const ARG_MAX: &Primitive = &Primitive::new("argmax").form(Form::Call);
const ARG_MIN: &Primitive = &Primitive::new("argmin").form(Form::Call);

impl OneTermEach for ArgMaxForward {
    #[allow(clippy::cast_precision_loss)] // a tensor has fewer than 2⁵³ entries
    fn value(&self, x: &Operands<'_>, group: usize) -> f64 {
        self.0.winner(x.tensors[Input(0)], group) as f64
    }

    fn term(&self, x: &Operands<'_>, at: usize) -> Term {
        let winner_place = self.0.winner_place(x.tensors[Input(0)], at);
        let function = if self.0.extreme == Extreme::Max { ARG_MAX } else { ARG_MIN };
        Term::apply(function, self.0.groups.arguments(x, Input(0), at, winner_place), self.value(x, at))
    }

    fn readers(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<usize> {
        self.0.readers(slot, at)
    }

    fn reads_single_entry(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> bool {
        self.0.reads(entry, slot, at)
    }

    fn is_gather(&self) -> bool {
        true
    }

    fn equation(&self) -> Equation {
        let (right, name, words) = match self.0.extreme {
            Extreme::Max => (
                Expr::Of(ARG_MAX, &[whole::X]),
                "index of the maximum",
                "The index of the largest entry, from 0. If several are equal, the first one counts.",
            ),
            Extreme::Min => (
                Expr::Of(ARG_MIN, &[whole::X]),
                "index of the minimum",
                "The index of the smallest entry, from 0. If several are equal, the first one counts.",
            ),
        };
        Equation { right, name, gist: Gist::None, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::checked::{check, check_rules, gradient, numbers, value};
    use crate::tensor::len;

    fn all_kinds() -> impl Iterator<Item = (Extreme, Ties)> {
        [Extreme::Max, Extreme::Min].into_iter().flat_map(|extreme| [Ties::First, Ties::Shared].map(|ties| (extreme, ties)))
    }

    #[test]
    fn the_rules_agree_with_their_terms_and_with_difference_quotients() {
        let cases: [(&[usize], &[usize]); 7] =
            [(&[3, 4], &[1]), (&[3, 4], &[0]), (&[2, 3, 2], &[0, 2]), (&[2, 3, 2], &[1]), (&[5], &[0]), (&[], &[]), (&[3, 7], &[0, 1])];
        for (shape, axes) in cases {
            for (extreme, ties) in all_kinds() {
                let function = extremum(shape, axes, false, extreme, ties);
                check(&*function, &[shape], &[numbers(5, len(shape))]);
                // rounded to 0 and ±1, so that several entries are equal
                check_rules(&*function, &[shape], &[numbers(6, len(shape)).into_iter().map(f64::round).collect()]);
            }
            check_rules(&*argmax(shape, None, true, Extreme::Min), &[shape], &[numbers(5, len(shape))]);
        }
    }

    #[test]
    fn ties_go_to_the_first_or_are_shared() {
        let x = [1.0, 3.0, 3.0, 2.0, 2.0, 2.0];
        let gradient_of =
            |extreme, ties| gradient(&*extremum(&[2, 3], &[1], false, extreme, ties), &[&x], &[1.0, 6.0], 0).expect("a gradient");
        assert_eq!(gradient_of(Extreme::Max, Ties::First), [0.0, 1.0, 0.0, 6.0, 0.0, 0.0]);
        assert_eq!(gradient_of(Extreme::Max, Ties::Shared), [0.0, 0.5, 0.5, 2.0, 2.0, 2.0]);
        assert_eq!(gradient_of(Extreme::Min, Ties::First), [1.0, 0.0, 0.0, 6.0, 0.0, 0.0]);
        let index = |extreme| value(&*argmax(&[2, 3], Some(1), false, extreme), &[&x], 2);
        assert_eq!((index(Extreme::Max), index(Extreme::Min)), (vec![1.0, 0.0], vec![0.0, 0.0]));
        assert_eq!(value(&*argmax(&[2, 3], None, false, Extreme::Min), &[&x], 1), [0.0]);
    }

    #[test]
    fn the_first_nan_wins() {
        let x = [1.0, f64::NAN, 5.0, f64::NAN];
        for (extreme, ties) in all_kinds() {
            let function = extremum(&[4], &[0], false, extreme, ties);
            assert!(value(&*function, &[&x], 1)[0].is_nan());
            let expected = if ties == Ties::First { [0.0, 1.0, 0.0, 0.0] } else { [0.0, 0.5, 0.0, 0.5] };
            assert_eq!(gradient(&*function, &[&x], &[1.0], 0).expect("a gradient"), expected);
            assert_eq!(value(&*argmax(&[4], None, false, extreme), &[&x], 1), [1.0]);
            check_rules(&*function, &[&[4]], &[x.to_vec()]);
        }
    }
}
