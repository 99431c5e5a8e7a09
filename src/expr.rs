//! Floor 1: mathematical expressions as constant trees. From one tree come its value, the operands that it reads, its kinks, and its text in Unicode, ASCII
//! and LaTeX.
//!
//! ```
//! use gradstep::expr::{Expr, Notation, OperandPart, Slot};
//!
//! const A: Expr = Expr::Entry(Slot::Input(0));
//! const T: Expr = Expr::Entry(Slot::Input(1));
//! const ERROR: Expr = Expr::Sub(&[A, T]);
//! let entry = |slot| if slot == Slot::Input(0) { 0.7 } else { 1.0 };
//! assert_eq!(ERROR.value(&entry), Some(0.7 - 1.0));
//! let name = |slot, _: OperandPart| if slot == Slot::Input(0) { "a".to_owned() } else { "t".to_owned() };
//! assert_eq!(ERROR.equation(Notation::Unicode, &[], name), "a − t");
//! ```

mod kink;
mod notation;
mod text;
mod value;

use std::fmt;

pub use kink::SmoothPieces;
pub use notation::{Notation, Sign, letter};
pub use text::OperandPart;

/// An operand of a rule that belongs to the function y = f(x₀, x₁, …).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The input xᵢ; i counts from 0.
    Input(usize),
    /// The output y; only a backward rule reads it.
    Output,
    /// The upstream gradient ∂C/∂y; only a backward rule reads it.
    Upstream,
    /// The target t, which the closed formula for an output layer's error reads.
    Target,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(input) => write!(f, "{input}"),
            Self::Output => f.write_str("y"),
            Self::Upstream => f.write_str("dy"),
            Self::Target => f.write_str("t"),
        }
    }
}

/// A mathematical function: its names, its value, its derivatives and its notation.
///
/// Two functions are equal if they have the same name and meaning.
pub struct Primitive {
    /// Name in traces: `sigmoid`.
    pub name: &'static str,
    /// Name in equations: `σ`.
    pub symbol: &'static str,
    /// Notation with arguments.
    pub form: Form,
    /// Names of the arguments in its definition.
    pub arguments: &'static [&'static str],
    /// The computation of its value.
    pub definition: Definition,
    /// The definition in mathematics, if the value is computed in another way.
    pub meaning: Option<&'static Expr>,
    /// The derivative by each argument, as an expression of the arguments ([`Expr::Arg`]) and of the value y ([`Slot::Output`]).
    pub derivatives: &'static [Expr],
    /// Whether it has no kinks, although its derivatives have cases: these give a value where the formula has none, as for 0⁰.
    pub smooth: bool,
}

/// The computation of a function's value.
#[derive(Clone, Copy)]
pub enum Definition {
    /// No computation of its own: the rule that applies it computes the value. For functions of whole slices, and for mere notations.
    Rule,
    /// The largest argument.
    Largest,
    /// A Rust function of the arguments.
    Computed(fn(&[f64]) -> f64),
    /// An expression of the arguments, evaluated in printing order.
    Expr(&'static Expr),
}

/// The notation of a function with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `min(a, b)`
    Call,
    /// `softmax(a | all)`: the first argument, given the others.
    Given,
    /// `a / b`
    Infix,
    /// `a ^ b`, with brackets around a negative base.
    Power,
    /// `a·b`: the product of the arguments, without the function's name.
    Product,
    /// `log a` in equations, with brackets around sums and products; `log(a)` in factors.
    Operator,
    /// `Σ a b` in equations, with brackets around sums.
    Sum,
    /// `√a`
    Root,
    /// `|a|` in equations.
    Bars,
    /// The text of `meaning`, without the function's name.
    Meaning,
}

/// The test that separates the smooth pieces of a function with kinks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kink {
    /// The comparisons in the derivatives, as expressions of the arguments.
    Pieces(&'static [Expr]),
    /// The index of the largest argument, as in a max-pool window.
    Winner,
}

impl fmt::Debug for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Primitive {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.meaning == other.meaning
    }
}

impl Eq for Primitive {}

impl Primitive {
    /// A function in the notation [`Form::Given`], whose value comes from the rule that applies it.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let (form, definition) = (Form::Given, Definition::Rule);
        Self { name, symbol: name, form, arguments: &["z"], definition, meaning: None, derivatives: &[], smooth: false }
    }

    /// A function of one argument with its derivative.
    #[must_use]
    pub const fn differentiable(name: &'static str, definition: Definition, derivatives: &'static [Expr]) -> Self {
        Self { definition, derivatives, ..Self::new(name) }
    }

    /// The same function with another notation.
    #[must_use]
    pub const fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The same function with a symbol for equations.
    #[must_use]
    pub const fn written(self, symbol: &'static str) -> Self {
        Self { symbol, ..self }
    }

    /// The same function with names for its arguments.
    #[must_use]
    pub const fn of(self, arguments: &'static [&'static str]) -> Self {
        Self { arguments, ..self }
    }

    /// The same function with its definition in mathematics.
    #[must_use]
    pub const fn meaning(self, meaning: &'static Expr) -> Self {
        Self { meaning: Some(meaning), ..self }
    }

    /// The same function without kinks, whatever the cases of its derivatives.
    #[must_use]
    pub const fn smooth(self) -> Self {
        Self { smooth: true, ..self }
    }

    /// The kinks, at which a derivative changes from one case to another; `None` for a smooth function.
    #[must_use]
    pub fn kink(&self) -> Option<Kink> {
        match self.definition {
            Definition::Largest => Some(Kink::Winner),
            _ if self.smooth => None,
            _ => self.derivatives.iter().any(Expr::has_cases).then_some(Kink::Pieces(self.derivatives)),
        }
    }
}

/// The natural logarithm.
pub const LOG: &Primitive =
    &Primitive::differentiable("log", Definition::Computed(|x| libm::log(x[0])), &[Expr::Div(&[Expr::Number(1.0), Expr::Arg(0)])])
        .form(Form::Operator);
/// The sum over all entries of an operand.
pub const SUM: &Primitive = &Primitive::new("sum").written("Σ").form(Form::Sum);
/// The mean over entries.
pub const MEAN: &Primitive = &Primitive::new("mean").form(Form::Operator);
/// The square root.
pub const SQRT: &Primitive = &Primitive::differentiable(
    "sqrt",
    Definition::Computed(|x| x[0].sqrt()),
    &[Expr::Div(&[Expr::Number(1.0), Expr::Mul(&[Expr::Number(2.0), Expr::Entry(Slot::Output)])])],
)
.written("√")
.form(Form::Root);

/// Whole operands and the numbers of equations, as expressions.
pub mod whole {
    use super::{Expr, Slot};

    /// The first input.
    pub const X: Expr = Expr::All(Slot::Input(0));
    /// The second input: a weight, a mask, a target.
    pub const W: Expr = Expr::All(Slot::Input(1));
    /// The output.
    pub const Y: Expr = Expr::All(Slot::Output);
    /// The upstream gradient.
    pub const DY: Expr = Expr::All(Slot::Upstream);
    /// 1
    pub const ONE: Expr = Expr::Number(1.0);
    /// n, the number of entries.
    pub const N: Expr = Expr::Name("n");
    /// 1/n
    pub const SHARE: Expr = Expr::Div(&[ONE, N]);
}

/// The sign of a product of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// `a ∘ b`: the Hadamard product, entry by entry.
    Hadamard,
    /// `W a`: the product of matrices, or of a number and a tensor.
    Matrix,
    /// `W * a`: the convolution.
    Convolution,
}

/// A comparison of two numbers, which is false if one of them is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// a < b
    Less,
    /// a ≤ b
    AtMost,
    /// a = b
    Equal,
    /// a ≥ b
    AtLeast,
    /// a > b
    Greater,
}

/// One piece of a function: its value where the comparison holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// The left side of the comparison.
    pub left: Expr,
    /// The comparison.
    pub is: Relation,
    /// The right side.
    pub right: Expr,
    /// The value.
    pub value: Expr,
}

/// An expression: of operand entries at one index, or of whole operands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expr {
    /// One entry of the operand in a slot.
    Entry(Slot),
    /// All entries of the operand in a slot.
    All(Slot),
    /// An argument of the function that the expression defines, or of the rule whose equation it is.
    Arg(usize),
    /// A constant.
    Number(f64),
    /// The 0 of a closed gate: the product with it is 0, even for ∞ and NaN.
    Shut,
    /// A constant that is printed by name.
    Name(&'static str),
    /// −a
    Neg(&'static Expr),
    /// a + b
    Add(&'static [Expr; 2]),
    /// a − b
    Sub(&'static [Expr; 2]),
    /// a · b
    Mul(&'static [Expr; 2]),
    /// a / b
    Div(&'static [Expr; 2]),
    /// a²
    Square(&'static Expr),
    /// A product of tensors.
    Product(Join, &'static [Expr; 2]),
    /// ⟨a, b⟩, the inner product.
    Inner(&'static [Expr; 2]),
    /// aᵀ
    Transposed(&'static Expr),
    /// A letter with indices: `a` and `ij` are aᵢⱼ.
    Indexed(&'static Expr, &'static str),
    /// A function applied to arguments.
    Of(&'static Primitive, &'static [Expr]),
    /// The derivative of a function, applied to arguments.
    Prime(&'static Primitive, &'static [Expr]),
    /// The local derivative ∂y/∂x of the output by the operand x in a slot.
    Partial(Slot),
    /// The value of the first case whose comparison holds, or else the last expression.
    Cases(&'static [Case], &'static Expr),
    /// ∂a/∂b
    Quotient(&'static [Expr; 2]),
    /// An expression followed by words.
    Remark(&'static Expr, &'static str),
    /// a = b = …
    Equal(&'static [Expr]),
    /// An expression, then a definition of a name in it.
    Where(&'static [Expr; 2]),
}

impl Expr {
    /// Calls `see` for each slot in printing order, with `true` if the expression names the whole operand.
    pub fn visit(&self, see: &mut impl FnMut(Slot, bool)) {
        match *self {
            Self::Entry(slot) => see(slot, false),
            Self::All(slot) => see(slot, true),
            Self::Partial(slot) => [Slot::Output, slot].into_iter().for_each(|slot| see(slot, false)),
            _ => self.parts(&mut |part| part.visit(see)),
        }
    }

    /// Calls `see` for each direct subexpression, in printing order.
    fn parts(&self, see: &mut dyn FnMut(&'static Self)) {
        match *self {
            Self::Entry(_) | Self::All(_) | Self::Arg(_) | Self::Number(_) | Self::Shut | Self::Name(_) | Self::Partial(_) => {}
            Self::Neg(a) | Self::Square(a) | Self::Transposed(a) | Self::Indexed(a, _) | Self::Remark(a, _) => see(a),
            Self::Add(both)
            | Self::Sub(both)
            | Self::Mul(both)
            | Self::Div(both)
            | Self::Product(_, both)
            | Self::Inner(both)
            | Self::Quotient(both)
            | Self::Where(both) => both.iter().for_each(see),
            Self::Of(_, all) | Self::Prime(_, all) | Self::Equal(all) => all.iter().for_each(see),
            Self::Cases(cases, other) => {
                for Case { left, right, value, .. } in cases {
                    [value, left, right].into_iter().for_each(&mut *see);
                }
                see(other);
            }
        }
    }

    /// Returns whether the expression names one entry of the operand in `slot`, or with `all` the whole operand.
    #[must_use]
    pub fn names(&self, slot: Slot, all: bool) -> bool {
        let mut found = false;
        self.visit(&mut |named, whole| found |= (named, whole) == (slot, all));
        found
    }

    /// Returns whether the expression or a part of it has cases.
    #[must_use]
    pub fn has_cases(&self) -> bool {
        let mut found = matches!(self, Self::Cases(..));
        self.parts(&mut |part| found |= part.has_cases());
        found
    }

    /// Returns whether the printed expression has only entries, arguments, constants and + − · / in it.
    #[must_use]
    pub fn is_arithmetic(&self) -> bool {
        let mut all = true;
        self.parts(&mut |part| all &= part.is_arithmetic());
        all && match self {
            Self::Entry(_) | Self::Arg(_) | Self::Number(_) | Self::Neg(_) | Self::Add(_) | Self::Sub(_) | Self::Mul(_) | Self::Div(_) => {
                true
            }
            Self::Of(Primitive { form: Form::Meaning, meaning: Some(meaning), .. }, _) => meaning.is_arithmetic(),
            _ => false,
        }
    }
}
