//! The syntax tree of a Python text: statements and expressions, each with its position.
//!
//! The depth of the tree does not grow with the length of a line. A long sum `a + b - c + …` is one [`ExprKind::Chain`], and the parser refuses deeper nesting
//! than [`MAX_DEPTH`](super::MAX_DEPTH). So functions that visit the tree may be recursive.

use std::ops::Range;

use compact_str::CompactString;

/// A range of bytes of the text.
pub type Span = Range<usize>;

/// A word with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: CompactString,
    /// Its position.
    pub span: Span,
}

/// An expression with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct PythonExpr {
    /// The position, without surrounding parentheses.
    pub span: Span,
    /// The expression.
    pub kind: ExprKind,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number without a point and an exponent: `3`, `1_000`.
    Integer(i64),
    /// A number with a point or an exponent: `.5`, `1e-3`.
    Float(f64),
    /// A string: `"mean"`.
    Text(CompactString),
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// `...`
    Ellipsis,
    /// A name: `x`.
    Name(CompactString),
    /// `base.name`
    Attribute(Box<PythonExpr>, Word),
    /// `function(arguments)`
    Call(Box<PythonExpr>, Vec<Argument>),
    /// `base[items]`. `x[i, j]` has two items, and so has `x[(i, j)]`.
    Index(Box<PythonExpr>, Vec<PythonExpr>),
    /// `start:stop:step`, only as an item of an index.
    Slice([Option<Box<PythonExpr>>; 3]),
    /// `-x`, `+x` or `~x`
    Unary(UnaryOperator, Box<PythonExpr>),
    /// Operators of the same precedence, applied from left to right: `a + b - c` is the first operand `a` and the links `+ b` and `- c`.
    Chain(Box<PythonExpr>, Vec<Link>),
    /// `base ** exponent`, also written `base ^ exponent`.
    Power(Box<PythonExpr>, Box<PythonExpr>),
    /// `left < right` and the like.
    Compare(ComparisonOperator, Box<[PythonExpr; 2]>),
    /// `a, b` or `(a, b)`
    Tuple(Vec<PythonExpr>),
    /// `[a, b]`
    List(Vec<PythonExpr>),
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The keyword, as in `dim=1`; `None` for an argument by position.
    pub keyword: Option<Word>,
    /// The value.
    pub value: PythonExpr,
}

/// An operator of a chain, with its right operand.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The operator.
    pub operator: BinaryOperator,
    /// The position of the operator.
    pub span: Span,
    /// The right operand.
    pub right: PythonExpr,
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `-`
    Minus,
    /// `+`
    Plus,
    /// `~`
    Invert,
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `//`
    FloorDiv,
    /// `%`
    Mod,
    /// `@`
    MatMul,
    /// `**`, only in an augmented assignment: `x **= 2`
    Pow,
    /// `&`
    And,
    /// `|`
    Or,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOperator {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// A statement with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The position of the whole statement.
    pub span: Span,
    /// The statement.
    pub kind: StatementKind,
}

/// The kinds of statements.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// `target = value`. `a = b = value` has two targets. A target is a name, an attribute, an index, or a tuple or list of targets.
    Assign(Vec<PythonExpr>, PythonExpr),
    /// `target += value` and the like.
    Augment(PythonExpr, BinaryOperator, PythonExpr),
    /// `for variable in iterable:` with its body. The variable is a name, or a tuple of names and of tuples of names.
    For(PythonExpr, PythonExpr, Vec<Statement>),
    /// `with context:` with its body.
    With(PythonExpr, Vec<Statement>),
    /// An expression alone, such as `print(x)` or `hs.append(h)`.
    Expression(PythonExpr),
    /// `return value`
    Return(PythonExpr),
    /// A statement without a meaning for the graph, such as an `import`, an `assert`, `pass`, `del`, `global`, a `return` without a value, or a string alone. A
    /// `print` is left out too if the parser finds an error in an argument; otherwise it is an [`Expression`](Self::Expression).
    LeftOut,
    /// A statement with an error, which is reported. The names are those that it would assign, as far as they can be read.
    Faulty(Vec<CompactString>),
}
