//! Mathematical expressions, such as a − t, as constant trees.
//!
//! An expression is written only once, in the source code. Everything else is computed from its tree: its value, the operands that it reads, the kinks (points
//! where a derivative jumps), and its text in Unicode, ASCII and LaTeX. An expression names its operands by [`Slot`]. This example computes a value and a text
//! from the tree of a − t:
//!
//! ```
//! use gradstep::expr::{Expr, Notation, OperandForm, Slot};
//!
//! const A: Expr = Expr::Entry(Slot::Input(0));
//! const T: Expr = Expr::Entry(Slot::Input(1));
//! const ERROR: Expr = Expr::Sub(&[A, T]);
//! let entry = |slot| if slot == Slot::Input(0) { 0.7 } else { 1.0 };
//! assert_eq!(ERROR.value(&entry), Some(0.7 - 1.0));
//! let name = |slot, _: OperandForm| if slot == Slot::Input(0) { "a".to_owned() } else { "t".to_owned() };
//! assert_eq!(ERROR.equation(Notation::Unicode, &[], name), "a − t");
//! ```

pub mod block;
mod kink;
mod notation;
mod text;
mod value;

use std::fmt;

use crate::elementary;
use block::BlockFunction;

pub use kink::SmoothPieces;
pub use notation::{Notation, Sign, latex_number, letter};
pub use text::OperandForm;

/// The role of an operand in the function y = f(x₀, x₁, …) or in its derivatives. C is the loss of the network. A forward rule computes y. A backward rule
/// computes ∂C/∂xᵢ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The input xᵢ; i counts from 0.
    Input(usize),
    /// The output y; only a backward rule reads it.
    Output,
    /// The upstream gradient ∂C/∂y; only a backward rule reads it.
    Upstream,
    /// The target t. Only a closed formula for the derivative by an output layer's z reads it, such as a − t.
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
/// Two functions are equal if they have the same `name` and the same `meaning`.
pub struct Primitive {
    /// Name in traces: `sigmoid`.
    pub name: &'static str,
    /// Name in equations: `σ`.
    pub symbol: &'static str,
    /// The notation of the function with its arguments.
    pub form: Form,
    /// The names of the arguments in the printed definition.
    pub arguments: &'static [&'static str],
    /// The computation of the value.
    pub definition: Definition,
    /// The computation of many values in vector registers. It gives the same bits as `definition`. `None` if there is no faster way.
    pub block: Option<BlockFunction>,
    /// The definition as a textbook writes it, if the value is computed in another way. For example, the sigmoid is written as 1 / (1 + e⁻ˣ), and it is
    /// computed by a formula that does not overflow.
    pub meaning: Option<&'static Expr>,
    /// The derivatives by the arguments, in order; those by the last arguments may be missing. A derivative reads the arguments as [`Expr::Arg`], and the
    /// function's value y as [`Slot::Output`].
    pub derivatives: &'static [Expr],
    /// `true` if the function has no kinks, although its derivatives have cases. Such a case gives a value where the formula has none, as for 0⁰.
    pub is_smooth: bool,
    /// The function in NumPy, with `{0}` and `{1}` for its arguments: `np.exp({0})`. Empty if NumPy has no short expression for it.
    pub numpy: &'static str,
}

/// The computation of a function's value.
#[derive(Clone, Copy)]
pub enum Definition {
    /// There is no formula here. The rule that applies the function (`op::rule`) computes the value. This is so for functions of many entries, such as softmax,
    /// and for functions that are only notation, such as `vec`.
    Rule,
    /// The value is the largest argument.
    Largest,
    /// The value is the smallest argument.
    Smallest,
    /// A Rust function of the arguments.
    Computed(fn(&[f64]) -> f64),
    /// An expression of the arguments. It is evaluated in the order in which it is printed.
    Expr(&'static Expr),
}

/// The notation of a function with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `min(a, b)`
    Call,
    /// `softmax(a | b, c)`: the function of the first argument, given the others. If there is only one argument, it is written like `Call`.
    Given,
    /// `a / b`
    Infix,
    /// `a ^ b`, with brackets around a negative base.
    Power,
    /// `a·b`: the arguments as a product, without the function's name.
    Product,
    /// `log a` in equations. An argument that is a sum, a product, a quotient or another such function is in brackets. In a factor of a step, it is `log(a)`.
    Operator,
    /// `Σ a b` in equations. Only an argument that is a sum is in brackets. In a factor of a step, it is `sum(a)`.
    Sum,
    /// `√a` in equations in Unicode and LaTeX; otherwise `sqrt(a)`.
    Root,
    /// `|a|` in equations, `abs(a)` in a factor of a step.
    Bars,
    /// The text of [`Primitive::meaning`], without the function's name.
    Meaning,
}

/// The way in which a function with kinks is divided into smooth pieces: two lists of arguments are in the same piece if the variant gives the same for both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kink {
    /// The results of all comparisons in these derivatives.
    Comparisons(&'static [Expr]),
    /// The index of the largest argument, as in a max pool.
    Largest,
    /// The index of the smallest argument.
    Smallest,
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
    /// Creates a function in the notation [`Form::Given`], with [`Definition::Rule`].
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let (form, definition) = (Form::Given, Definition::Rule);
        Self {
            name,
            symbol: name,
            form,
            arguments: &["z"],
            definition,
            block: None,
            meaning: None,
            derivatives: &[],
            is_smooth: false,
            numpy: "",
        }
    }

    /// Creates a function with its derivatives, as in [`Primitive::derivatives`].
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
    pub const fn symbol(self, symbol: &'static str) -> Self {
        Self { symbol, ..self }
    }

    /// The same function with names for its arguments.
    #[must_use]
    pub const fn arguments(self, arguments: &'static [&'static str]) -> Self {
        Self { arguments, ..self }
    }

    /// The same function with its textbook definition.
    #[must_use]
    pub const fn meaning(self, meaning: &'static Expr) -> Self {
        Self { meaning: Some(meaning), ..self }
    }

    /// The same function with a faster way to compute many values.
    #[must_use]
    pub const fn in_blocks(self, block: BlockFunction) -> Self {
        Self { block: Some(block), ..self }
    }

    /// The same function, declared to have no kinks although its derivatives have cases.
    #[must_use]
    pub const fn smooth(self) -> Self {
        Self { is_smooth: true, ..self }
    }

    /// The same function with its form in NumPy.
    #[must_use]
    pub const fn numpy(self, numpy: &'static str) -> Self {
        Self { numpy, ..self }
    }

    /// The way in which the function is divided into smooth pieces; `None` for a function without kinks. The largest or smallest of many numbers has kinks. Any
    /// other function has kinks if one of its derivatives has cases, unless it is declared smooth.
    #[must_use]
    pub fn kink(&self) -> Option<Kink> {
        match self.definition {
            Definition::Largest => Some(Kink::Largest),
            Definition::Smallest => Some(Kink::Smallest),
            _ if self.is_smooth => None,
            _ => self.derivatives.iter().any(Expr::has_cases).then_some(Kink::Comparisons(self.derivatives)),
        }
    }
}

/// The natural logarithm.
pub const LOG: &Primitive =
    &Primitive::differentiable("log", Definition::Computed(|x| libm::log(x[0])), &[Expr::Div(&[Expr::Number(1.0), Expr::Arg(0)])])
        .in_blocks(|x, values| block::map(x, values, elementary::log))
        .numpy("np.log({0})")
        .form(Form::Operator);
/// The sum over all entries of an operand.
pub const SUM: &Primitive = &Primitive::new("sum").symbol("Σ").form(Form::Sum);
/// The mean over entries.
pub const MEAN: &Primitive = &Primitive::new("mean").form(Form::Operator);
/// The square root.
pub const SQRT: &Primitive = &Primitive::differentiable(
    "sqrt",
    Definition::Computed(|x| x[0].sqrt()),
    &[Expr::Div(&[Expr::Number(1.0), Expr::Mul(&[Expr::Number(2.0), Expr::Entry(Slot::Output)])])],
)
.symbol("√")
.form(Form::Root)
.in_blocks(|x, values| block::each(x[0], values, f64::sqrt))
.numpy("np.sqrt({0})");

/// Expressions of whole operands, and the numbers 1, n and 1/n.
pub mod whole {
    use super::{Expr, Slot};

    /// The first input.
    pub const X: Expr = Expr::All(Slot::Input(0));
    /// The second input: the weight of a linear layer, the mask of a dropout, the target of a loss.
    pub const W: Expr = Expr::All(Slot::Input(1));
    /// The output.
    pub const Y: Expr = Expr::All(Slot::Output);
    /// The upstream gradient.
    pub const DY: Expr = Expr::All(Slot::Upstream);
    /// 1
    pub const ONE: Expr = Expr::Number(1.0);
    /// n, the number of entries of which a mean is taken.
    pub const N: Expr = Expr::Name("n");
    /// 1/n, the coefficient of an entry in a mean.
    pub const SHARE: Expr = Expr::Div(&[ONE, N]);
}

/// The kind of a product of tensors, which decides the sign between the factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// `a ∘ b`: the Hadamard product, entry by entry.
    Hadamard,
    /// `W a`: two factors side by side without a sign, such as the product of matrices, or of a number and a tensor.
    Juxtaposed,
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

/// One case of an expression with cases. For example, `0 if z ≤ 0` has the value 0, the left side z, and the right side 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// The left side of the comparison.
    pub left: Expr,
    /// The comparison.
    pub is: Relation,
    /// The right side.
    pub right: Expr,
    /// The value if the comparison holds.
    pub value: Expr,
}

/// A mathematical expression. It names operands by slot: the entry at the current index ([`Expr::Entry`]) or the whole tensor ([`Expr::All`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expr {
    /// The entry at the current index of the operand in a slot.
    Entry(Slot),
    /// All entries of the operand in a slot.
    All(Slot),
    /// The argument with this index. In a definition or a derivative, it is an argument of the function. In an equation, it is one of the expressions that
    /// `Rule::arguments` returns.
    Arg(usize),
    /// A constant.
    Number(f64),
    /// The derivative 0 of a closed gate, such as relu for z < 0: the output does not depend on the input. If it is multiplied by an upstream gradient, the
    /// result is 0, even if the gradient is ∞ or NaN.
    ClosedGate,
    /// A constant that is printed by its name, such as n or ε.
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
    /// A letter with indices: aᵢⱼ is the letter a with the indices `ij`.
    Indexed(&'static Expr, &'static str),
    /// A function applied to arguments.
    Of(&'static Primitive, &'static [Expr]),
    /// The derivative of a function with respect to its first argument, applied to arguments: f′(a).
    Prime(&'static Primitive, &'static [Expr]),
    /// The local derivative ∂y/∂x, where y is the output and x the operand in a slot.
    Partial(Slot),
    /// The local derivative ∂y/∂x of an operand that is repeated along axes of y. It is printed like [`Expr::Partial`], but it names only the entry of y,
    /// because the entry of x is at another place.
    RepeatedPartial(Slot),
    /// The value of the first case whose comparison is true. If none is true, the last expression.
    Cases(&'static [Case], &'static Expr),
    /// The partial derivative ∂a/∂b.
    PartialOf(&'static [Expr; 2]),
    /// An expression and words after it: `1/n · δ all over the channel`.
    Remark(&'static Expr, &'static str),
    /// a = b = …
    Equal(&'static [Expr]),
    /// An expression, and the definition of a name in it: `Jᵀ δ,  Jⱼᵢ = ∂aⱼ/∂zᵢ`.
    Where(&'static [Expr; 2]),
}

impl Expr {
    /// Calls `visitor(slot, is_whole)` for each operand that the expression names, in printing order. `is_whole` is `true` for a whole operand and `false` for
    /// one entry.
    pub fn visit(&self, visitor: &mut impl FnMut(Slot, bool)) {
        match *self {
            Self::Entry(slot) => visitor(slot, false),
            Self::All(slot) => visitor(slot, true),
            Self::RepeatedPartial(_) => visitor(Slot::Output, false),
            Self::Partial(slot) => [Slot::Output, slot].into_iter().for_each(|slot| visitor(slot, false)),
            _ => self.for_each_child(&mut |child| child.visit(visitor)),
        }
    }

    /// Calls `visitor` for each direct subexpression, in printing order.
    fn for_each_child(&self, visitor: &mut dyn FnMut(&'static Self)) {
        match *self {
            Self::Entry(_)
            | Self::All(_)
            | Self::Arg(_)
            | Self::Number(_)
            | Self::ClosedGate
            | Self::Name(_)
            | Self::Partial(_)
            | Self::RepeatedPartial(_) => {}
            Self::Neg(a) | Self::Square(a) | Self::Transposed(a) | Self::Indexed(a, _) | Self::Remark(a, _) => visitor(a),
            Self::Add(both)
            | Self::Sub(both)
            | Self::Mul(both)
            | Self::Div(both)
            | Self::Product(_, both)
            | Self::Inner(both)
            | Self::PartialOf(both)
            | Self::Where(both) => both.iter().for_each(visitor),
            Self::Of(_, all) | Self::Prime(_, all) | Self::Equal(all) => all.iter().for_each(visitor),
            Self::Cases(cases, other) => {
                for Case { left, right, value, .. } in cases {
                    [value, left, right].into_iter().for_each(&mut *visitor);
                }
                visitor(other);
            }
        }
    }

    /// Returns whether the expression names one entry of the operand in `slot`.
    #[must_use]
    pub fn names_entry(&self, slot: Slot) -> bool {
        let is_whole = false;
        self.names(slot, is_whole)
    }

    /// Returns whether the expression names the whole operand in `slot`.
    #[must_use]
    pub fn names_whole(&self, slot: Slot) -> bool {
        let is_whole = true;
        self.names(slot, is_whole)
    }

    fn names(&self, slot: Slot, is_whole: bool) -> bool {
        let mut found = false;
        self.visit(&mut |other, other_is_whole| found |= (other, other_is_whole) == (slot, is_whole));
        found
    }

    /// Returns whether the expression or one of its subexpressions has cases.
    #[must_use]
    pub fn has_cases(&self) -> bool {
        let mut found = matches!(self, Self::Cases(..));
        self.for_each_child(&mut |child| found |= child.has_cases());
        found
    }

    /// Returns whether the printed expression consists only of entries, arguments, numbers and the signs + − · /.
    #[must_use]
    pub fn is_arithmetic(&self) -> bool {
        let mut all = true;
        self.for_each_child(&mut |child| all &= child.is_arithmetic());
        all && match self {
            Self::Entry(_) | Self::Arg(_) | Self::Number(_) | Self::Neg(_) | Self::Add(_) | Self::Sub(_) | Self::Mul(_) | Self::Div(_) => {
                true
            }
            Self::Of(Primitive { form: Form::Meaning, meaning: Some(meaning), .. }, _) => meaning.is_arithmetic(),
            _ => false,
        }
    }
}
