//! A choice between two tensors, entry by entry: PyTorch's `where(mask, a, b)`.
//!
//! An entry of the result is a copy of a's entry where the mask is not 0, and of b's entry where it is 0. In the backward pass only the copied entry gets the
//! derivative. A product with 0 for the other entry would be NaN for an infinite error. The mask has no derivative.
//!
//! | mask | terms of the derivative of an entry |
//! | --- | --- |
//! | [`Mask::Given`], such as a causal mask | one for each result that copied the entry |
//! | [`Mask::Computed`], such as `x > 0` | one for each result that the entry is an operand of; a term that is not chosen counts 0 |
//!
//! So the number of steps never depends on a number that a later step computes.

use std::ops::Range;
use std::sync::Arc;

use pulp::Arch;
use smallvec::smallvec;

use super::broadcast::Broadcast;
use super::counted_zero::NOT_CHOSEN;
use super::downcast::downcast;
use super::elementwise::ElementwiseOperand;
use super::elementwise::rows::{OperandRows, update};
use super::functions::step_functions::NOT;
use super::gather::{CopyMap, Direction, Gather, GatherRule, NeighbourRun};
use super::mismatch::Mismatch;
use super::numpy::NumPyForm;
use super::numpy::code::NumPyCode;
use super::one_term::{OneTerm, OneTermEach};
use super::rule::{
    Arguments, Equation, Function, Gist, IsKnown, Memo, Operands, PossibleUse, Rule, Term, TermNumbers, Use, constant, derived, entry,
};
use super::slot::Reads;
use super::slot::Slot::{self, Input, Upstream};
use super::written::Written;
use crate::expr::{Expr, Form, Primitive, SUM, whole};
use crate::step::Kind;
use crate::tensor::len;

/// The origin of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// The mask is given, or follows from constants alone.
    Given,
    /// The mask depends on inputs.
    Computed,
}

/// Creates the choice for `operands`, which are the mask, a and b. Each operand is an input or a number. `shapes` has the shape of each input; the inputs are
/// broadcast to one shape. No two operands are the same input: a tensor that is both the mask and a, as in `where(x, x, b)`, has two slots.
///
/// ```
/// use gradstep::op::{choose::{Mask, choose}, elementwise::ElementwiseOperand::{Constant, Input}};
///
/// // where(mask, −∞, x) for a mask of 3 entries and 2 x 3 entries of x
/// let masked = choose([Input(0), Constant(f64::NEG_INFINITY), Input(1)], &[&[3], &[2, 3]], Mask::Given).expect("shapes that fit");
/// assert_eq!(masked.shape(&[&[3], &[2, 3]]), Ok(vec![2, 3]));
/// assert!(masked.backward(0).is_none() && masked.backward(1).is_some());
/// ```
///
/// # Errors
/// If the shapes cannot be broadcast to one shape.
pub fn choose(operands: [ElementwiseOperand; 3], shapes: &[&[usize]], mask: Mask) -> Result<Arc<dyn Function>, Mismatch> {
    debug_assert!(
        (1..3).all(|n| matches!(operands[n], ElementwiseOperand::Constant(_)) || !operands[..n].contains(&operands[n])),
        "an input is one operand"
    );
    let name = |input| match operands.iter().position(|operand| *operand == ElementwiseOperand::Input(input)) {
        Some(0) => "mask",
        Some(1) => "first operand",
        _ => "second operand",
    };
    let named: Vec<(&'static str, &[usize])> = shapes.iter().enumerate().map(|(n, shape)| (name(n), *shape)).collect();
    let broadcast = Broadcast::new(&named)?;
    let counts = shapes.iter().map(|shape| len(shape)).collect();
    Ok(Arc::new(Choose { plan: Arc::new(ChoosePlan { operands, broadcast: Arc::new(broadcast), counts }), mask }))
}

/// Returns the broadcast of the operands of a choice; `None` for the rule of another function, and for a derivative.
#[must_use]
pub fn broadcast_of(rule: &Arc<dyn Rule>) -> Option<&Arc<Broadcast>> {
    downcast::<OneTerm<ChooseForward>>(rule).map(|forward| &forward.0.0.broadcast)
}

/// The operands of a choice.
#[derive(Debug)]
struct ChoosePlan {
    /// The mask, a and b.
    operands: [ElementwiseOperand; 3],
    broadcast: Arc<Broadcast>,
    /// The number of entries of each input.
    counts: Vec<usize>,
}

impl ChoosePlan {
    /// The operand that the entry `at` of the result copies.
    fn chosen_operand(&self, tensors: &Reads<&[f64]>, at: usize) -> ElementwiseOperand {
        let mask = match self.operands[0] {
            ElementwiseOperand::Input(slot) => tensors[Input(slot)][self.broadcast.operand_entry(slot, at)],
            ElementwiseOperand::Constant(value) => value,
        };
        // NaN counts as true, as in NumPy and PyTorch
        self.operands[if mask == 0.0 { 2 } else { 1 }]
    }

    /// Returns whether the entry `at` of the result copies an entry of the input `slot`; `None` if this is not known yet.
    fn copies(&self, x: &Operands<'_>, slot: usize, at: usize, is_known: IsKnown<'_>) -> Option<bool> {
        let is_decided = match self.operands[0] {
            ElementwiseOperand::Input(mask) => is_known(Input(mask), self.broadcast.operand_entry(mask, at)),
            ElementwiseOperand::Constant(_) => true,
        };
        match self.is_chosen_by_mask(slot) {
            // the input is the mask, which is not copied
            [false, false] => Some(false),
            _ => is_decided.then(|| self.chosen_operand(&x.tensors, at) == ElementwiseOperand::Input(slot)),
        }
    }

    /// Returns whether an input is chosen where the mask is not 0, and whether it is chosen where the mask is 0.
    fn is_chosen_by_mask(&self, slot: usize) -> [bool; 2] {
        [1, 2].map(|operand| self.operands[operand] == ElementwiseOperand::Input(slot))
    }

    /// The index of the entry of the input `slot` that the entry `at` of the result copies; `None` if it copies an entry of another operand, or a number.
    fn source(&self, tensors: &Reads<&[f64]>, slot: usize, at: usize) -> Option<usize> {
        (self.chosen_operand(tensors, at) == ElementwiseOperand::Input(slot)).then(|| self.broadcast.operand_entry(slot, at))
    }

    /// The derivative by an input in NumPy.
    fn in_numpy(&self, slot: usize) -> Option<NumPyForm> {
        let ElementwiseOperand::Input(mask) = self.operands[0] else { return None };
        let (mask, dy, zero) = (NumPyCode::input(mask), NumPyCode::upstream(), NumPyCode::Number(0.0));
        let [is_first, _] = self.is_chosen_by_mask(slot);
        let passed = if is_first { vec![mask, dy, zero] } else { vec![mask, zero, dy] };
        Some(NumPyForm::new(self.broadcast.summed_in_numpy(slot, NumPyCode::call("np.where", passed))))
    }

    /// The equation of the derivative by an input.
    fn back(&self, slot: usize) -> Equation {
        let is_sum = self.broadcast.reader_count(slot) > 1;
        Equation {
            right: Expr::Remark(if is_sum { &Expr::Of(SUM, &[whole::DY]) } else { &whole::DY }, "where it was chosen, else 0"),
            name: "derivative of a choice",
            gist: Gist::None,
            words: "Only what the mask chose is in the result and gets its derivative, unchanged. What was not chosen has no effect: its derivative is 0.",
        }
    }
}

/// The function of [`choose`].
#[derive(Debug)]
struct Choose {
    plan: Arc<ChoosePlan>,
    mask: Mask,
}

impl Function for Choose {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.plan.broadcast.shape().to_vec())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(OneTerm(ChooseForward(Arc::clone(&self.plan))))
    }

    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>> {
        let plan = Arc::clone(&self.plan);
        match (plan.operands[0], self.mask) {
            (ElementwiseOperand::Input(mask), _) if mask == input => None,
            (ElementwiseOperand::Input(mask), Mask::Computed) => Some(Arc::new(ByComputedMask { plan, slot: input, mask })),
            _ => Some(Arc::new(GatherRule::new(ChooseGather { plan, slot: input }, Direction::Backward, input))),
        }
    }
}

/// The rule of the result.
#[derive(Debug)]
struct ChooseForward(Arc<ChoosePlan>);

impl OneTermEach for ChooseForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let [mut mask, mut first, mut second] =
            self.0.operands.map(|operand| OperandRows::new(operand, Some(&self.0.broadcast), &x.tensors));
        Arch::new().dispatch(move || {
            for sums in out.chunks_mut(self.0.broadcast.row_len().max(1)) {
                let [mask, first, second] = [&mut mask, &mut first, &mut second].map(|rows| rows.next(sums.len()));
                update(sums, [mask, first], |sum, mask, value| if mask == 0.0 { sum } else { sum + value });
                update(sums, [mask, second], |sum, mask, value| if mask == 0.0 { sum + value } else { sum });
            }
        });
    }

    fn value(&self, x: &Operands<'_>, at: usize) -> f64 {
        match self.0.chosen_operand(&x.tensors, at) {
            ElementwiseOperand::Input(slot) => x.get(Input(slot), self.0.broadcast.operand_entry(slot, at)),
            ElementwiseOperand::Constant(value) => value,
        }
    }

    fn term(&self, x: &Operands<'_>, at: usize) -> Term {
        Term::copy(match self.0.chosen_operand(&x.tensors, at) {
            ElementwiseOperand::Input(slot) => entry(x, Input(slot), self.0.broadcast.operand_entry(slot, at)),
            ElementwiseOperand::Constant(value) => constant(value),
        })
    }

    fn readers(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<usize> {
        let Input(input) = slot else { return Vec::new() };
        let readers = (0..self.0.broadcast.reader_count(input)).map(|n| self.0.broadcast.reader(input, at, n));
        readers.filter(|entry| self.0.source(&x.tensors, input, *entry).is_some()).collect()
    }

    fn possible_readers(&self, x: &Operands<'_>, slot: Slot, at: usize, is_known: IsKnown<'_>) -> Vec<(usize, bool)> {
        let Input(input) = slot else { return Vec::new() };
        let readers = (0..self.0.broadcast.reader_count(input)).map(|n| self.0.broadcast.reader(input, at, n));
        let possible = |entry| match self.0.copies(x, input, entry, is_known) {
            Some(false) => None,
            copies => Some((entry, copies.is_some())),
        };
        readers.filter_map(possible).collect()
    }

    fn reads_single_entry(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> bool {
        matches!(slot, Input(input) if self.0.source(&x.tensors, input, entry) == Some(at))
    }

    fn equation(&self) -> Equation {
        Equation {
            right: Expr::Of(WHERE, &[Expr::Arg(0), Expr::Arg(1), Expr::Arg(2)]),
            name: "choice",
            gist: Gist::None,
            words: "Where the mask is true, the entry is a copy of the first operand, elsewhere of the second. Nothing is computed.",
        }
    }

    fn arguments(&self) -> Arguments {
        let expr = |operand: &ElementwiseOperand| match *operand {
            ElementwiseOperand::Input(slot) => Expr::All(Input(slot)),
            ElementwiseOperand::Constant(value) => Expr::Number(value),
        };
        self.0.operands.iter().map(expr).collect()
    }
}

/// The notation of the choice.
const WHERE: &Primitive = &Primitive::new("where").form(Form::Call);

/// The copies of an input's entries in the result.
#[derive(Debug)]
struct ChooseGather {
    plan: Arc<ChoosePlan>,
    slot: usize,
}

impl Gather for ChooseGather {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let ChoosePlan { operands, broadcast, counts } = &*self.plan;
        let is_chosen = self.plan.is_chosen_by_mask(self.slot);
        let (row_len, step) = (broadcast.row_len(), broadcast.row_step(self.slot));
        let mut masks = OperandRows::new(operands[0], Some(broadcast), tensors);
        let mut runs = Vec::new();
        for (first, place) in (0..len(broadcast.shape())).step_by(row_len.max(1)).zip(broadcast.row_places(self.slot)) {
            let mask = masks.next(row_len);
            let mut chosen = (0..row_len).filter(|n| is_chosen[usize::from(mask.at(*n) == 0.0)]);
            if step == 0 {
                runs.extend(chosen.map(|n| NeighbourRun { entry: first + n, place, len: 1 })); // all are copies of one entry
                continue;
            }
            let Some(begin) = chosen.next() else { continue };
            let mut run = begin..begin + 1;
            for n in chosen {
                if n == run.end {
                    run.end += 1;
                } else {
                    runs.push(NeighbourRun { entry: first + run.start, place: place + run.start, len: run.len() });
                    run = n..n + 1;
                }
            }
            runs.push(NeighbourRun { entry: first + run.start, place: place + run.start, len: run.len() });
        }
        Some(Arc::new(CopyMap::of_runs(runs, [len(broadcast.shape()), counts[self.slot]])))
    }

    fn copy_map<'a>(&'a self, x: &'a Operands<'_>) -> &'a CopyMap {
        x.memo::<CopyMap>().expect("the memo of this rule")
    }

    fn reason(&self, _x: &Operands<'_>, _direction: Direction, _entry: usize) -> &'static str {
        "the mask chose the other operand"
    }

    fn numpy(&self) -> Option<NumPyForm> {
        self.plan.in_numpy(self.slot)
    }

    fn equation(&self, _direction: Direction) -> Equation {
        self.plan.back(self.slot)
    }
}

/// The rule of the derivative by a or b, if the mask is computed.
#[derive(Debug)]
struct ByComputedMask {
    plan: Arc<ChoosePlan>,
    /// The input slot of a or b.
    slot: usize,
    /// The input slot of the mask.
    mask: usize,
}

impl ByComputedMask {
    /// Returns whether the entry `output` of the result is a copy of this operand.
    fn is_chosen(&self, x: &Operands<'_>, output: usize) -> bool {
        self.plan.chosen_operand(&x.tensors, output) == ElementwiseOperand::Input(self.slot)
    }

    /// The entry of the result to which the term `term` of `entry` belongs.
    fn output(&self, entry: usize, term: u64) -> usize {
        let n = usize::try_from(term).expect("the number of a term fits into usize");
        self.plan.broadcast.reader(self.slot, entry, n)
    }

    /// The number of the term that belongs to the entry `output` of the result.
    fn rank(&self, output: usize) -> u64 {
        self.plan.broadcast.reader_rank(self.slot, output) as u64
    }
}

/// 1 − mask and `not mask`, for the mask in each of the three input slots.
const OTHERWISE: &[[Expr; 2]; 3] = &[
    [Expr::Sub(&[Expr::Number(1.0), Expr::Entry(Input(0))]), Expr::Of(NOT, &[Expr::Entry(Input(0))])],
    [Expr::Sub(&[Expr::Number(1.0), Expr::Entry(Input(1))]), Expr::Of(NOT, &[Expr::Entry(Input(1))])],
    [Expr::Sub(&[Expr::Number(1.0), Expr::Entry(Input(2))]), Expr::Of(NOT, &[Expr::Entry(Input(2))])],
];

impl Rule for ByComputedMask {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        let broadcast = &self.plan.broadcast;
        let is_chosen = self.plan.is_chosen_by_mask(self.slot);
        let step = broadcast.row_step(self.slot);
        let mut masks = OperandRows::new(self.plan.operands[0], Some(broadcast), &x.tensors);
        for (dy, place) in x.tensors[Upstream].chunks(broadcast.row_len().max(1)).zip(broadcast.row_places(self.slot)) {
            let mask = masks.next(dy.len());
            for (n, dy) in dy.iter().enumerate() {
                out[place + n * step] += if is_chosen[usize::from(mask.at(n) == 0.0)] { *dy } else { 0.0 };
            }
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        (entry * self.plan.broadcast.reader_count(self.slot)) as u64
    }

    fn terms_per_entry(&self) -> Option<u64> {
        Some(self.plan.broadcast.reader_count(self.slot) as u64)
    }

    fn has_terms(&self, _x: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        None // every entry has terms
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let output = self.output(at, term);
        if self.is_chosen(x, output) {
            return Term::product(smallvec![entry(x, Upstream, output)]);
        }
        let mask_place = self.plan.broadcast.operand_entry(self.mask, output);
        let is_first = self.plan.operands[1] == ElementwiseOperand::Input(self.slot);
        // the factor that is 0: the mask for a, and 1 − mask for b, or `not mask` if the mask is another number than 1
        let gate = if is_first {
            entry(x, Input(self.mask), mask_place)
        } else {
            let is_one = x.get(Input(self.mask), mask_place) == 1.0;
            derived(&OTHERWISE[self.mask.min(2)][usize::from(!is_one)], Input(self.mask), mask_place, 0.0)
        };
        Term { kind: Kind::Select, function: Some(NOT_CHOSEN), args: smallvec![gate], value: 0.0 }
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        terms.fold(sum, |sum, term| {
            let output = self.output(entry, term);
            sum + if self.is_chosen(x, output) { x.get(Upstream, output) } else { 0.0 }
        })
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let broadcast = &self.plan.broadcast;
        let of_output = |output: usize| Use { entry: broadcast.operand_entry(self.slot, output), term: self.rank(output) };
        let mut uses: Vec<Use> = match slot {
            Upstream if self.is_chosen(x, at) => vec![of_output(at)],
            Input(mask) if mask == self.mask => {
                let readers = (0..broadcast.reader_count(mask)).map(|n| broadcast.reader(mask, at, n));
                readers.filter(|output| !self.is_chosen(x, *output)).map(of_output).collect()
            }
            _ => Vec::new(),
        };
        uses.sort_unstable();
        uses
    }

    fn possible_uses(&self, x: &Operands<'_>, slot: Slot, at: usize, is_known: IsKnown<'_>) -> Vec<PossibleUse> {
        let broadcast = &self.plan.broadcast;
        // a term belongs to an entry of the result. It reads ∂C/∂y if that entry is a copy of this operand, and the mask if it is not
        let (outputs, if_chosen): (Vec<usize>, bool) = match slot {
            Upstream => (vec![at], true),
            Input(mask) if mask == self.mask => ((0..broadcast.reader_count(mask)).map(|n| broadcast.reader(mask, at, n)).collect(), false),
            _ => return Vec::new(),
        };
        let possible = |output: usize| {
            let reads = self.plan.copies(x, self.slot, output, is_known).map(|is_chosen| is_chosen == if_chosen);
            let found = Use { entry: broadcast.operand_entry(self.slot, output), term: self.rank(output) };
            (reads != Some(false)).then_some(PossibleUse { found, is_certain: reads.is_some() })
        };
        let mut uses: Vec<PossibleUse> = outputs.into_iter().filter_map(possible).collect();
        uses.sort_unstable();
        uses
    }

    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let broadcast = &self.plan.broadcast;
        match slot {
            Upstream if broadcast.operand_entry(self.slot, at) == entry && self.is_chosen(x, at) => smallvec![self.rank(at)],
            Input(mask) if mask == self.mask => {
                let outputs = (0..broadcast.reader_count(self.slot)).map(|n| broadcast.reader(self.slot, entry, n));
                let reads = |output: &usize| broadcast.operand_entry(mask, *output) == at && !self.is_chosen(x, *output);
                outputs.filter(reads).map(|output| self.rank(output)).collect()
            }
            _ => TermNumbers::new(),
        }
    }

    fn written(&self) -> Written {
        Written { numpy: self.plan.in_numpy(self.slot), indexed: None }
    }

    fn equation(&self) -> Equation {
        self.plan.back(self.slot)
    }
}

#[cfg(test)]
mod tests {
    use super::ElementwiseOperand::{Constant, Input as In};
    use super::*;
    use crate::op::checked::{check, check_rules, factors, gradient, numbers, value};

    #[test]
    fn the_rules_agree_with_their_terms_and_with_difference_quotients() {
        let cases: [([ElementwiseOperand; 3], &[&[usize]]); 5] = [
            ([In(0), In(1), In(2)], &[&[3], &[3], &[3]]),
            ([In(0), In(1), In(2)], &[&[2, 3], &[3], &[2, 1]]),
            ([In(0), In(1), In(2)], &[&[3], &[2, 3], &[]]),
            ([In(0), Constant(f64::NEG_INFINITY), In(1)], &[&[2, 1], &[2, 3]]),
            ([In(1), In(0), Constant(0.0)], &[&[3], &[2, 3]]),
        ];
        for (operands, shapes) in cases {
            let In(mask) = operands[0] else { panic!("the mask is an input") };
            let mut inputs: Vec<Vec<f64>> = shapes.iter().zip(1..).map(|(shape, seed)| numbers(seed, len(shape))).collect();
            inputs[mask] = inputs[mask].iter().map(|x| f64::from(u8::from(*x > 0.0))).collect();
            for origin in [Mask::Given, Mask::Computed] {
                let function = choose(operands, shapes, origin).expect("shapes that fit");
                if operands.contains(&Constant(f64::NEG_INFINITY)) {
                    check_rules(&*function, shapes, &inputs); // an infinite loss has no difference quotients
                } else {
                    check(&*function, shapes, &inputs);
                }
            }
        }
    }

    #[test]
    fn nothing_passes_to_the_operand_that_was_not_chosen() {
        let inputs: [&[f64]; 3] = [&[1.0, 0.0, 0.0], &[5.0, 6.0, 7.0], &[9.0]];
        let dy = [f64::INFINITY, 2.0, 3.0];
        for origin in [Mask::Given, Mask::Computed] {
            let function = choose([In(0), In(1), In(2)], &[&[3], &[3], &[]], origin).expect("shapes that fit");
            assert_eq!(value(&*function, &inputs, 3), [5.0, 9.0, 9.0]);
            assert_eq!(gradient(&*function, &inputs, &dy, 1), Some(vec![f64::INFINITY, 0.0, 0.0]));
            assert_eq!(gradient(&*function, &inputs, &dy, 2), Some(vec![2.0 + 3.0]));
            assert_eq!(gradient(&*function, &inputs, &dy, 0), None);
        }
    }

    #[test]
    fn operands_that_do_not_fit_are_named_in_the_error() {
        let error = choose([In(0), In(1), Constant(0.0)], &[&[2], &[3]], Mask::Given).expect_err("shapes that do not fit").to_string();
        assert!(error.starts_with("the first operand is a vector of 3 numbers, but the mask is a vector of 2 numbers"), "{error}");
    }

    /// An entry that the mask did not choose has a term as well: 0.
    #[test]
    fn with_a_computed_mask_each_result_is_a_term_of_both_operands() {
        let function = choose([In(0), In(1), In(2)], &[&[3], &[3], &[]], Mask::Computed).expect("shapes that fit");
        let inputs: [&[f64]; 3] = [&[1.0, 0.0, 0.0], &[5.0, 6.0, 7.0], &[9.0]];
        let terms = |slot, entry| factors(&*function, &inputs, &[10.0, 2.0, 3.0], slot, entry);
        assert_eq!((terms(1, 0), terms(1, 1), terms(1, 2)), (vec![vec![10.0]], vec![vec![0.0]], vec![vec![0.0]]));
        assert_eq!(terms(2, 0), [[0.0], [2.0], [3.0]]);
    }
}
