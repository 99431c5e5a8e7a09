//! Elementwise operations y = f(a, b) on tensors that are broadcast to one shape: arithmetic, and functions of one, two or three numbers.
//!
//! The derivative with respect to an operand is ∂C/∂a = Σ ∂C/∂y · ∂y/∂a. The sum is over the entries of y that read the entry of a (part 4, figure 14 of
//! V. Petersen's series "A guided tour through a convolutional neural network").
//!
//! Example: y = a · b, where a has the shape 2 and b the shape 3 x 2. Three entries of y read each entry of a, so each entry of ∂C/∂a has three terms.
//!
//! Where a derivative jumps (a kink), its value is PyTorch's: abs′(0) = relu′(0) = 0. If the arguments of min or max are equal, each gets half of the
//! derivative. If an argument of min or max is NaN, each argument gets the whole derivative.

mod kernel;
pub(super) mod rows;
pub mod shared;
mod texts;

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::broadcast::Broadcast;
use super::mismatch::Mismatch;
use super::numpy::code::NumPyCode;
use super::operator::{NamedFunction, Operator, Quotient};
use super::reuse::Reuse;
use super::rule::{Arg, Arguments, Equation, Factors, Function, Gist, Operands, Rule, Term, Use, constant, derived, entry};
use super::slot::Slot::{self, Input, Output, Upstream};
use super::written::Written;
use crate::expr::{Expr, SUM, whole};
use crate::op::functions::QUOTIENT;
use crate::sums::Init;

/// One operand of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ElementwiseOperand {
    /// The tensor in the input slot with this number.
    Input(usize),
    /// A constant in the formula.
    Constant(f64),
}

impl ElementwiseOperand {
    /// The operand as NumPy text.
    fn numpy(self) -> NumPyCode {
        match self {
            Self::Input(slot) => NumPyCode::input(slot),
            Self::Constant(value) => NumPyCode::Number(value),
        }
    }
}

/// One operation y = f(a, b), entry by entry. The shapes of a and b are broadcast to the shape of y: 3 x 2 and 2 give 3 x 2.
#[derive(Clone, Debug)]
pub struct Elementwise {
    pub(crate) operator: Operator,
    /// The operands, one to three.
    pub(crate) operands: SmallVec<[ElementwiseOperand; 3]>,
    /// The broadcast of the inputs; `None` if all have the same shape.
    pub(crate) broadcast: Option<Arc<Broadcast>>,
    /// The equations of y and of the derivative with respect to the only input, for the operation of a layer. `None` for a node of a graph, which has the
    /// general equations.
    equations: Option<&'static [Equation; 2]>,
}

impl Elementwise {
    /// Creates an operation on inputs of the same shape.
    #[must_use]
    pub fn new(operator: Operator, operands: &[ElementwiseOperand]) -> Self {
        Self { operator, operands: SmallVec::from_slice(operands), broadcast: None, equations: None }
    }

    /// Returns the same operation for inputs of these shapes, one for each input.
    ///
    /// # Errors
    /// If the shapes cannot be broadcast to one shape.
    pub fn broadcast(mut self, shapes: &[&[usize]]) -> Result<Self, Mismatch> {
        // a constant is an operand too, but no input
        let name = |slot| ["first operand", "second operand", "third operand"][self.operand_number(slot)];
        let named: SmallVec<[_; 2]> = shapes.iter().enumerate().map(|(slot, shape)| (name(slot), *shape)).collect();
        let are_equal = shapes.windows(2).all(|pair| pair[0] == pair[1]);
        self.broadcast = if are_equal { None } else { Some(Arc::new(Broadcast::new(&named)?)) };
        Ok(self)
    }

    /// Returns the same operation with other equations of y and of the derivative with respect to its only input.
    #[must_use]
    pub fn with_equations(mut self, equations: &'static [Equation; 2]) -> Self {
        self.equations = Some(equations);
        self
    }

    /// The number of terms of each entry of y.
    fn terms(&self) -> u64 {
        if matches!(self.operator, Operator::Add | Operator::Sub) { 2 } else { 1 }
    }

    /// The index of the entry of the input `slot` that the entry `at` of y reads.
    fn input_place(&self, slot: usize, at: usize) -> usize {
        self.broadcast.as_ref().map_or(at, |broadcast| broadcast.operand_entry(slot, at))
    }

    /// The number of entries of y that read one entry of the input `slot`. It is the same for every entry of the input.
    fn reader_count(&self, slot: usize) -> usize {
        self.broadcast.as_ref().map_or(1, |broadcast| broadcast.reader_count(slot))
    }

    /// The n-th entry of y, from 0, that reads the entry `entry` of the input `slot`.
    fn reader(&self, slot: usize, entry: usize, n: usize) -> usize {
        self.broadcast.as_ref().map_or(entry, |broadcast| broadcast.reader(slot, entry, n))
    }

    /// The entry of operand `i` that the entry `at` of y reads, as a factor.
    fn arg(&self, x: &Operands<'_>, i: usize, at: usize) -> Arg {
        match self.operands[i] {
            ElementwiseOperand::Input(slot) => entry(x, Input(slot), self.input_place(slot, at)),
            ElementwiseOperand::Constant(value) => constant(value),
        }
    }

    /// The value of operand `i` that the entry `at` of y reads.
    fn value(&self, x: &Operands<'_>, i: usize, at: usize) -> f64 {
        match self.operands[i] {
            ElementwiseOperand::Input(slot) => x.get(Input(slot), self.input_place(slot, at)),
            ElementwiseOperand::Constant(value) => value,
        }
    }

    /// The values of all operands that the entry `at` of y reads.
    fn values(&self, x: &Operands<'_>, at: usize) -> SmallVec<[f64; 3]> {
        (0..self.operands.len()).map(|i| self.value(x, i, at)).collect()
    }

    /// The operands, as expressions.
    fn arguments(&self) -> Arguments {
        let expr = |operand: &ElementwiseOperand| match *operand {
            ElementwiseOperand::Input(slot) => Expr::All(Input(slot)),
            ElementwiseOperand::Constant(value) => Expr::Number(value),
        };
        self.operands.iter().map(expr).collect()
    }

    /// The index, among the operands, of the input `slot`.
    fn operand_number(&self, slot: usize) -> usize {
        self.operands.iter().position(|operand| *operand == ElementwiseOperand::Input(slot)).expect("each input is an operand")
    }
}

impl Function for Elementwise {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        match &self.broadcast {
            Some(broadcast) => Ok(broadcast.shape().to_vec()),
            None => Ok(inputs.first().map_or_else(Vec::new, |shape| shape.to_vec())),
        }
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::new(ElementwiseForward(self.clone()))
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        let operand = self.operand_number(slot);
        // a comparison has no derivative
        let has_derivative = !matches!(self.operator, Operator::Call(called) if !called.has_derivative(operand));
        has_derivative.then(|| Arc::new(ElementwiseBackward { operation: self.clone(), operand, slot }) as Arc<dyn Rule>)
    }
}

/// The rule of y = f(a, b).
#[derive(Debug)]
pub struct ElementwiseForward(pub Elementwise);

impl ElementwiseForward {
    /// The value of a term of the entry `at`.
    fn term_value(&self, x: &Operands<'_>, at: usize, term: u64) -> f64 {
        let a = || self.0.value(x, 0, at);
        let b = || self.0.value(x, 1, at);
        match (self.0.operator, term) {
            (Operator::Add | Operator::Sub, 0) | (Operator::Copy, _) => a(),
            (Operator::Add, _) => b(),
            (Operator::Sub, _) => -b(),
            (Operator::Mul, _) => a() * b(),
            (Operator::Neg, _) => -a(),
            (Operator::Call(called), _) => called.function.value(&self.0.values(x, at)).unwrap_or(f64::NAN),
        }
    }
}

impl Rule for ElementwiseForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.compute(x, out, Init::Accumulate);
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.compute(x, sums, Init::Overwrite);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        entry as u64 * self.0.terms()
    }

    fn terms_per_entry(&self) -> Option<u64> {
        Some(self.0.terms())
    }

    fn term(&self, x: &Operands<'_>, at: usize, term: u64) -> Term {
        let arg = |i| self.0.arg(x, i, at);
        match (self.0.operator, term) {
            (Operator::Add | Operator::Sub, 0) => Term::product(smallvec![arg(0)]),
            (Operator::Add, _) => Term::product(smallvec![arg(1)]),
            (Operator::Sub, _) => Term::product(smallvec![constant(-1.0), arg(1)]),
            (Operator::Mul, _) => Term::product(smallvec![arg(0), arg(1)]),
            (Operator::Neg, _) => Term::product(smallvec![constant(-1.0), arg(0)]),
            (Operator::Copy, _) => Term::copy(arg(0)),
            (Operator::Call(called), _) => {
                let args: Factors = (0..self.0.operands.len()).map(arg).collect();
                Term::apply(called.function, args, self.term_value(x, at, term))
            }
        }
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: std::ops::Range<u64>, sum: f64) -> f64 {
        terms.fold(sum, |sum, term| sum + self.term_value(x, entry, term))
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let Input(input) = slot else { return Vec::new() };
        let is_second_term = self.0.terms() == 2 && self.0.operand_number(input) == 1;
        let term = u64::from(is_second_term);
        (0..self.0.reader_count(input)).map(|n| Use { entry: self.0.reader(input, at, n), term }).collect()
    }

    fn equation(&self) -> Equation {
        if let Some([forward, _]) = self.0.equations {
            return *forward;
        }
        let right = match self.0.operator {
            Operator::Add => Expr::Add(BOTH),
            Operator::Sub => Expr::Sub(BOTH),
            Operator::Mul => Expr::Mul(BOTH),
            Operator::Neg => Expr::Neg(&BOTH[0]),
            Operator::Copy => BOTH[0],
            Operator::Call(called) => Expr::Of(called.function, &ALL[..called.arity()]),
        };
        let words = "In the forward pass, every node computes its value from the nodes that it reads.";
        Equation { right, name: "a node of the graph", gist: Gist::None, words }
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}

/// Both operands, as expressions.
const BOTH: &[Expr; 2] = &[Expr::Arg(0), Expr::Arg(1)];
/// All operands of a function, as expressions.
const ALL: &[Expr; 3] = &[Expr::Arg(0), Expr::Arg(1), Expr::Arg(2)];

/// The rule of ∂C/∂u = Σ ∂C/∂y · ∂y/∂u for an operand u. The sum is over the entries of y that read the entry of u. It has one term, unless the broadcast
/// repeats u.
#[derive(Debug)]
pub struct ElementwiseBackward {
    /// The operation.
    pub operation: Elementwise,
    /// The index of u among the operands, including the constants.
    pub operand: usize,
    /// The index of u's input slot.
    pub slot: usize,
}

/// The two entries that a term of the sum reads.
#[derive(Clone, Copy)]
struct TermPlace {
    /// The index of the entry of u.
    input: usize,
    /// The index of the entry of y that reads the entry of u.
    output: usize,
}

impl ElementwiseBackward {
    /// The entries that a term of the entry `input` of u reads.
    fn term_place(&self, input: usize, term: u64) -> TermPlace {
        let n = usize::try_from(term).expect("the number of a term fits into usize");
        TermPlace { input, output: self.operation.reader(self.slot, input, n) }
    }

    /// A factor that is computed from entries, such as `exp′(u)` or the dividend of a quotient: `expr` is its text, and `value` its value. If the inputs are
    /// broadcast, the picture of the network shows the factor beside the entry of y. Otherwise it shows the factor beside the entry of u.
    fn derived(&self, expr: &'static Expr, place: TermPlace, value: f64) -> Arg {
        if self.operation.broadcast.is_some() {
            derived(expr, Output, place.output, value)
        } else {
            derived(expr, Input(self.slot), place.input, value)
        }
    }

    /// ∂y/∂u as a factor.
    fn local_derivative(&self, x: &Operands<'_>, place: TermPlace) -> Arg {
        match (self.operation.operator, self.operand) {
            (Operator::Add | Operator::Copy, _) | (Operator::Sub, 0) => constant(1.0),
            (Operator::Sub | Operator::Neg, _) => constant(-1.0),
            // the other operand: if u is operand 0, it is operand 1, and the reverse
            (Operator::Mul, operand) => self.operation.arg(x, 1 - operand, place.output),
            (Operator::Call(called), operand) => {
                let derivative = called.function.derivative(operand, &self.operation.values(x, place.output), x.get(Output, place.output));
                self.derived(self.local_expr(called), place, derivative.unwrap_or(f64::NAN))
            }
        }
    }

    /// Writes the term as one quotient ([`Quotient`]) if the value `local` of ∂y/∂u has overflowed or underflowed but the quotient is finite. Returns `None`
    /// otherwise; then the term is the product of ∂C/∂y and `local`.
    fn as_quotient(&self, x: &Operands<'_>, place: TermPlace, local: f64) -> Option<Term> {
        let Operator::Call(called) = self.operation.operator else { return None };
        if local.is_normal() {
            return None;
        }
        // `with_constant` is the text of the dividend if an operand is a constant, such as the 3 in x^3, or is broadcast
        let Quotient { dividend, with_constant, divisor } = called.quotients.get(self.operand)?.as_ref()?;
        let number = |slot| match slot {
            // in a dividend, `Input(n)` means operand n, which can be a constant; everywhere else it means the n-th input tensor
            Input(operand) => self.operation.value(x, operand, place.output),
            slot => x.get(slot, place.output),
        };
        // if a factor of the dividend other than ∂C/∂y is 0, then ∂y/∂u is exactly 0 and has not underflowed
        let mut is_exactly_zero = false;
        dividend.visit(&mut |slot, _| is_exactly_zero |= slot != Upstream && number(slot) == 0.0);
        // a text names entries by the index of the entry of y. A constant has no entry, and an entry of a broadcast operand has another index
        let has_unnameable_operand = self.operation.operands.iter().any(|operand| match *operand {
            ElementwiseOperand::Constant(_) => true,
            ElementwiseOperand::Input(slot) => self.operation.reader_count(slot) > 1,
        });
        let dividend = if let Expr::Entry(slot) = dividend {
            entry(x, *slot, place.output)
        } else {
            let printed = if has_unnameable_operand { with_constant } else { dividend };
            self.derived(printed, place, dividend.value(&number)?)
        };
        let divisor = self.operation.arg(x, *divisor, place.output);
        let value = dividend.value / divisor.value;
        let is_usable = !is_exactly_zero && divisor.value != 0.0 && value.is_finite();
        is_usable.then(|| Term::apply(QUOTIENT, smallvec![dividend, divisor], value))
    }

    /// The value of a term of a function's derivative.
    fn call_term(&self, x: &Operands<'_>, called: &'static NamedFunction, place: TermPlace) -> f64 {
        let (values, y) = (self.operation.values(x, place.output), x.get(Output, place.output));
        let local = called.function.derivative(self.operand, &values, y).unwrap_or(f64::NAN);
        // at a closed gate ([`Self::is_closed_gate`]) the derivative is 0, which is not normal
        if local.is_normal() {
            return x.get(Upstream, place.output) * local;
        }
        self.term_at(x, place).value
    }

    /// The term that reads these two entries.
    fn term_at(&self, x: &Operands<'_>, place: TermPlace) -> Term {
        let (upstream, local) = (entry(x, Upstream, place.output), self.local_derivative(x, place));
        if let Some(term) = self.as_quotient(x, place, local.value) {
            return term;
        }
        if self.is_closed_gate(x, place) { Term::gated(upstream, local) } else { Term::product(smallvec![upstream, local]) }
    }

    /// Returns whether this entry of y does not depend on u at all. Examples are min, which does not depend on its larger argument, and x⁰. The term is then 0,
    /// even if ∂C/∂y is infinite or NaN.
    fn is_closed_gate(&self, x: &Operands<'_>, place: TermPlace) -> bool {
        let Operator::Call(called) = self.operation.operator else { return false };
        called.function.derivatives[self.operand].is_closed_gate(&self.operation.values(x, place.output), x.get(Output, place.output))
    }
}

impl Rule for ElementwiseBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        self.compute(x, out, Init::Accumulate);
    }

    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.compute(x, sums, Init::Overwrite);
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        (entry * self.operation.reader_count(self.slot)) as u64
    }

    fn terms_per_entry(&self) -> Option<u64> {
        Some(self.operation.reader_count(self.slot) as u64)
    }

    fn term(&self, x: &Operands<'_>, entry_of_u: usize, term: u64) -> Term {
        self.term_at(x, self.term_place(entry_of_u, term))
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        // each term belongs to one entry of y; `outputs` are the entries of y whose terms may read the entry `at`
        let outputs: Vec<usize> = match slot {
            Input(input) => (0..self.operation.reader_count(input)).map(|n| self.operation.reader(input, at, n)).collect(),
            _ => vec![at],
        };
        let mut uses = Vec::new();
        for output in outputs {
            let entry = self.operation.input_place(self.slot, output);
            // without a broadcast an entry of u has a single term, with index 0
            let term = self.operation.broadcast.as_ref().map_or(0, |broadcast| broadcast.reader_rank(self.slot, output)) as u64;
            if self.term(x, entry, term).args.iter().any(|arg| arg.reads(slot, at)) {
                uses.push(Use { entry, term });
            }
        }
        uses.sort_unstable();
        uses
    }

    fn written(&self) -> Written {
        Written { numpy: self.in_numpy(), indexed: self.indexed() }
    }

    fn reuse(&self, _entry: usize) -> Option<Reuse> {
        (self.operation.reader_count(self.slot) > 1).then_some(Reuse::Entry)
    }

    fn equation(&self) -> Equation {
        if let Some([_, back]) = self.operation.equations {
            return *back;
        }
        let words = match self.operation.operator {
            Operator::Add => "A sum passes the derivative on unchanged: the local derivative is 1.",
            Operator::Sub => "A difference passes the derivative on: unchanged to the first operand, with a minus to the second.",
            Operator::Mul => "A product passes the derivative on, multiplied by the other factor.",
            Operator::Neg => "A minus reverses the sign of the derivative.",
            Operator::Copy => "A copy passes the derivative on unchanged.",
            Operator::Call(called) => called.words,
        };
        let right = match (self.operation.reader_count(self.slot), self.slot) {
            (1, 0) => BY_FIRST,
            (1, 1) => BY_SECOND,
            (1, _) => BY_THIRD,
            (_, 0) => Expr::Of(SUM, &[BY_FIRST]),
            (_, 1) => Expr::Of(SUM, &[BY_SECOND]),
            _ => Expr::Of(SUM, &[BY_THIRD]),
        };
        Equation { right, name: "the chain rule", gist: Gist::Words("upstream times local derivative"), words }
    }
}

/// The expression ∂C/∂y · ∂y/∂a.
const BY_FIRST: Expr = Expr::Mul(&[whole::DY, Expr::Partial(Input(0))]);
/// The expression ∂C/∂y · ∂y/∂b.
const BY_SECOND: Expr = Expr::Mul(&[whole::DY, Expr::Partial(Input(1))]);
/// The expression ∂C/∂y · ∂y/∂c.
const BY_THIRD: Expr = Expr::Mul(&[whole::DY, Expr::Partial(Input(2))]);

#[cfg(test)]
mod tests;
