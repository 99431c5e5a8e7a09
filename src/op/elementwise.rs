//! Elementwise operations y = f(a, b) on tensors that are broadcast to one shape: arithmetic, and functions of one or two numbers.
//!
//! The derivative by an operand is ∂C/∂a = Σ ∂C/∂y · ∂y/∂a over the entries of y that read the entry of a (part 4, figure 14 of V. Petersen's series). For
//! y = a · b with a of the shape 2 and b of the shape 3 x 2, each entry of ∂C/∂a has three terms. At kinks the derivatives are PyTorch's: abs′(0) =
//! relu′(0) = 0, a tie of min or max gives each argument half, and if an argument is NaN, each gets the whole.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::broadcast::Broadcast;
use super::mismatch::Mismatch;
use super::operator::{NamedFunction, Operator, Quotient};
use super::rule::{Arg, Arguments, Equation, Factors, Function, Gist, Operands, Rule, Term, Use, constant, derived, entry};
use super::slot::Slot::{self, Input, Output, Upstream};
use crate::expr::{Expr, SUM, whole};
use crate::op::functions::QUOTIENT;

/// One operand of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ElementwiseOperand {
    /// The input with this number. Inputs are numbered in the order in which they are read.
    Slot(usize),
    /// A constant in the formula.
    Constant(f64),
}

/// One operation y = f(a, b), entry by entry. The shape of y is the one to which those of a and b are broadcast: 3 x 2 for 3 x 2 and 2.
#[derive(Clone, Debug)]
pub struct Elementwise {
    operator: Operator,
    /// The operands, one or two.
    operands: SmallVec<[ElementwiseOperand; 2]>,
    /// The broadcast of the inputs; `None` if all have the same shape.
    broadcast: Option<Arc<Broadcast>>,
    /// The equations of y and of the derivative by the input, if they are not the general ones of a graph's node.
    equations: Option<&'static [Equation; 2]>,
}

impl Elementwise {
    /// An operation on inputs of the same shape.
    #[must_use]
    pub fn new(operator: Operator, operands: &[ElementwiseOperand]) -> Self {
        Self { operator, operands: SmallVec::from_slice(operands), broadcast: None, equations: None }
    }

    /// The same operation on inputs of these shapes.
    ///
    /// # Errors
    /// If they cannot be broadcast to one shape.
    pub fn broadcast(mut self, shapes: &[&[usize]]) -> Result<Self, Mismatch> {
        let named: SmallVec<[_; 2]> = ["first operand", "second operand"].into_iter().zip(shapes.iter().copied()).collect();
        let same = shapes.windows(2).all(|pair| pair[0] == pair[1]);
        self.broadcast = if same { None } else { Some(Arc::new(Broadcast::new(&named)?)) };
        Ok(self)
    }

    /// The same operation with these equations of y and of the derivative by its input.
    #[must_use]
    pub fn with_equations(mut self, equations: &'static [Equation; 2]) -> Self {
        self.equations = Some(equations);
        self
    }

    /// The number of terms of an entry.
    fn terms(&self) -> u64 {
        if matches!(self.operator, Operator::Add | Operator::Sub) { 2 } else { 1 }
    }

    /// The entry of the input in `slot` that an entry of y reads.
    fn place(&self, slot: usize, at: usize) -> usize {
        self.broadcast.as_ref().map_or(at, |broadcast| broadcast.operand_entry(slot, at))
    }

    /// The number of entries of y that read an entry of the input in `slot`.
    fn readers(&self, slot: usize) -> usize {
        self.broadcast.as_ref().map_or(1, |broadcast| broadcast.reader_count(slot))
    }

    /// The n-th entry of y that reads this entry of the input in `slot`.
    fn reader(&self, slot: usize, entry: usize, n: usize) -> usize {
        self.broadcast.as_ref().map_or(entry, |broadcast| broadcast.reader(slot, entry, n))
    }

    /// Operand `i` of an entry of y, as a factor.
    fn arg(&self, x: &Operands<'_>, i: usize, at: usize) -> Arg {
        match self.operands[i] {
            ElementwiseOperand::Slot(slot) => entry(x, Input(slot), self.place(slot, at)),
            ElementwiseOperand::Constant(value) => constant(value),
        }
    }

    fn number(&self, x: &Operands<'_>, i: usize, at: usize) -> f64 {
        match self.operands[i] {
            ElementwiseOperand::Slot(slot) => x.get(Input(slot), self.place(slot, at)),
            ElementwiseOperand::Constant(value) => value,
        }
    }

    /// The operands of an entry of y.
    fn numbers(&self, x: &Operands<'_>, at: usize) -> SmallVec<[f64; 2]> {
        (0..self.operands.len()).map(|i| self.number(x, i, at)).collect()
    }

    /// The operands, as expressions.
    fn arguments(&self) -> Arguments {
        let expr = |operand: &ElementwiseOperand| match *operand {
            ElementwiseOperand::Slot(slot) => Expr::All(Input(slot)),
            ElementwiseOperand::Constant(value) => Expr::Number(value),
        };
        self.operands.iter().map(expr).collect()
    }

    /// The number of the operand that is the input in `slot`.
    fn position(&self, slot: usize) -> usize {
        self.operands.iter().position(|operand| *operand == ElementwiseOperand::Slot(slot)).expect("each input is an operand")
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
        Some(Arc::new(ElementwiseBackward { of: self.clone(), by: self.position(slot), slot }))
    }
}

/// The rule of y = f(a, b).
#[derive(Debug)]
struct ElementwiseForward(Elementwise);

impl ElementwiseForward {
    /// The value of a term.
    fn value(&self, x: &Operands<'_>, at: usize, term: u64) -> f64 {
        let a = || self.0.number(x, 0, at);
        let b = || self.0.number(x, 1, at);
        match (self.0.operator, term) {
            (Operator::Add | Operator::Sub, 0) | (Operator::Copy, _) => a(),
            (Operator::Add, _) => b(),
            (Operator::Sub, _) => -b(),
            (Operator::Mul, _) => a() * b(),
            (Operator::Neg, _) => -a(),
            (Operator::Call(called), _) => called.function.value(&self.0.numbers(x, at)).unwrap_or(f64::NAN),
        }
    }
}

impl Rule for ElementwiseForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (at, sum) in out.iter_mut().enumerate() {
            *sum = self.add_terms(x, at, 0..self.0.terms(), *sum);
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        entry as u64 * self.0.terms()
    }

    fn each(&self) -> Option<u64> {
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
                Term::apply(called.function, args, self.value(x, at, term))
            }
        }
    }

    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: std::ops::Range<u64>, sum: f64) -> f64 {
        terms.fold(sum, |sum, term| sum + self.value(x, entry, term))
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let Input(input) = slot else { return Vec::new() };
        let term = u64::from(self.0.terms() == 2 && self.0.position(input) == 1);
        (0..self.0.readers(input)).map(|n| Use { entry: self.0.reader(input, at, n), term }).collect()
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
            Operator::Call(called) => Expr::Of(called.function, &BOTH[..called.arity()]),
        };
        let words = "In the forward pass, every node computes its value from the nodes that it reads.";
        Equation { right, name: "a node of the graph", gist: Gist::None, words }
    }

    fn arguments(&self) -> Arguments {
        self.0.arguments()
    }
}

/// Expressions of both operands.
const BOTH: &[Expr; 2] = &[Expr::Arg(0), Expr::Arg(1)];

/// The rule of ∂C/∂u = Σ ∂C/∂y · ∂y/∂u for an operand u, over the entries of y that read the entry of u: one entry, unless u is repeated by the broadcast.
#[derive(Debug)]
struct ElementwiseBackward {
    of: Elementwise,
    /// The number of the operand u.
    by: usize,
    /// The slot of u.
    slot: usize,
}

/// The two entries that one term of the sum belongs to.
#[derive(Clone, Copy)]
struct TermPlace {
    /// The entry of u.
    entry: usize,
    /// The entry of y that reads the entry of u.
    result: usize,
}

impl ElementwiseBackward {
    fn at(&self, entry: usize, term: u64) -> TermPlace {
        let n = usize::try_from(term).expect("the number of a term fits into usize");
        TermPlace { entry, result: self.of.reader(self.slot, entry, n) }
    }

    /// A derived factor, which belongs to the entry of y if the inputs are broadcast, else to the entry of u.
    fn derived(&self, expr: &'static Expr, at: TermPlace, value: f64) -> Arg {
        if self.of.broadcast.is_some() { derived(expr, Output, at.result, value) } else { derived(expr, Input(self.slot), at.entry, value) }
    }

    /// ∂y/∂u as a factor.
    fn local(&self, x: &Operands<'_>, at: TermPlace) -> Arg {
        match (self.of.operator, self.by) {
            (Operator::Add | Operator::Copy, _) | (Operator::Sub, 0) => constant(1.0),
            (Operator::Sub | Operator::Neg, _) => constant(-1.0),
            (Operator::Mul, by) => self.of.arg(x, 1 - by, at.result),
            (Operator::Call(called), by) => {
                let derivative = called.function.derivative(by, &self.of.numbers(x, at.result), x.get(Output, at.result));
                self.derived(self.expr(called), at, derivative.unwrap_or(f64::NAN))
            }
        }
    }

    /// The term as one quotient ([`Quotient`]), if ∂y/∂u overflows or underflows but the quotient is finite.
    fn quotient(&self, x: &Operands<'_>, at: TermPlace, local: f64) -> Option<Term> {
        let Operator::Call(called) = self.of.operator else { return None };
        let Quotient { dividend, with_constant, by } = called.quotients.get(self.by)?.as_ref().filter(|_| !local.is_normal())?;
        let number = |slot| match slot {
            Input(operand) => self.of.number(x, operand, at.result),
            slot => x.get(slot, at.result),
        };
        // with a factor of 0 the derivative is exactly 0 and has not underflowed
        let mut vanishes = false;
        dividend.visit(&mut |slot, _| vanishes |= slot != Upstream && number(slot) == 0.0);
        let has_constant = self.of.operands.iter().any(|operand| matches!(operand, ElementwiseOperand::Constant(_)));
        let dividend = match dividend {
            Expr::Entry(slot) => entry(x, *slot, at.result),
            _ => self.derived(if has_constant { with_constant } else { dividend }, at, dividend.value(&number)?),
        };
        let divisor = self.of.arg(x, *by, at.result);
        let value = dividend.value / divisor.value;
        (!vanishes && divisor.value != 0.0 && value.is_finite()).then(|| Term::apply(QUOTIENT, smallvec![dividend, divisor], value))
    }

    /// Returns whether y does not depend on this operand, such as the larger argument of min, or x in x⁰. The gradient is then 0 even for an infinite
    /// upstream.
    fn is_shut(&self, x: &Operands<'_>, at: TermPlace) -> bool {
        let Operator::Call(called) = self.of.operator else { return false };
        called.function.derivatives[self.by].is_shut(&self.of.numbers(x, at.result), x.get(Output, at.result))
    }

    /// The expression of ∂y/∂u.
    fn expr(&self, called: &'static NamedFunction) -> &'static Expr {
        match self.slot {
            _ if called.arity() == 1 => &called.prime,
            0 => &Expr::Partial(Input(0)),
            _ => &Expr::Partial(Input(1)),
        }
    }
}

impl Rule for ElementwiseBackward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (at, sum) in out.iter_mut().enumerate() {
            *sum = self.partial(x, at, self.of.readers(self.slot) as u64, *sum);
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        (entry * self.of.readers(self.slot)) as u64
    }

    fn each(&self) -> Option<u64> {
        Some(self.of.readers(self.slot) as u64)
    }

    fn term(&self, x: &Operands<'_>, entry_of_u: usize, term: u64) -> Term {
        let at = self.at(entry_of_u, term);
        let (upstream, local) = (entry(x, Upstream, at.result), self.local(x, at));
        if let Some(term) = self.quotient(x, at, local.value) {
            return term;
        }
        if self.is_shut(x, at) { Term::gated(upstream, local) } else { Term::product(smallvec![upstream, local]) }
    }

    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let results: Vec<usize> = match slot {
            Input(input) => (0..self.of.readers(input)).map(|n| self.of.reader(input, at, n)).collect(),
            _ => vec![at],
        };
        let mut uses = Vec::new();
        for result in results {
            let entry = self.of.place(self.slot, result);
            let term = self.of.broadcast.as_ref().map_or(0, |broadcast| broadcast.reader_rank(self.slot, result)) as u64;
            if self.term(x, entry, term).args.iter().any(|arg| arg.reads(slot, at)) {
                uses.push(Use { entry, term });
            }
        }
        uses.sort_unstable();
        uses
    }

    fn equation(&self) -> Equation {
        if let Some([_, back]) = self.of.equations {
            return *back;
        }
        let words = match self.of.operator {
            Operator::Add => "A sum passes the derivative on unchanged: the local derivative is 1.",
            Operator::Sub => "A difference passes the derivative on: unchanged to the first operand, with a minus to the second.",
            Operator::Mul => "A product passes the derivative on times the other factor.",
            Operator::Neg => "A minus reverses the sign of the derivative.",
            Operator::Copy => "A copy passes the derivative on unchanged.",
            Operator::Call(called) => called.words,
        };
        let right = match (self.of.readers(self.slot), self.slot) {
            (1, 0) => BY_FIRST,
            (1, _) => BY_SECOND,
            (_, 0) => Expr::Of(SUM, &[BY_FIRST]),
            _ => Expr::Of(SUM, &[BY_SECOND]),
        };
        Equation { right, name: "the chain rule", gist: Gist::Words("upstream times local derivative"), words }
    }
}

/// The expression ∂C/∂y · ∂y/∂a.
const BY_FIRST: Expr = Expr::Mul(&[whole::DY, Expr::Partial(Input(0))]);
/// The expression ∂C/∂y · ∂y/∂b.
const BY_SECOND: Expr = Expr::Mul(&[whole::DY, Expr::Partial(Input(1))]);
