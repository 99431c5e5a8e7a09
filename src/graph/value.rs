//! The values that names and expressions have while the text of a graph is read: tensors, whose numbers are computed later, and everything that is known now.

use std::rc::Rc;

use compact_str::CompactString;

use crate::op::extremum::Extreme;

/// The index of a tensor in the list of all tensors, in the order in which the text makes them.
pub type TensorId = usize;

/// An operand of an elementwise operation.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// A tensor.
    Tensor(TensorId),
    /// A number without a tensor: it becomes a constant of the operation.
    Number(f64),
}

/// A value of an expression.
#[derive(Clone, Debug)]
pub enum Value {
    /// A tensor.
    Tensor(TensorId),
    /// A number that is known now: a literal, a size, the variable of a loop.
    Number(Number),
    /// `True` or `False`.
    Bool(bool),
    /// A string, such as the `"mean"` of `reduction="mean"`.
    Text(CompactString),
    /// `None`, and everything that has no effect in a graph, such as a data type.
    None,
    /// `...`
    Ellipsis,
    /// A list.
    List(Rc<Vec<Value>>),
    /// A tuple, such as the shape of a tensor.
    Tuple(Rc<Vec<Value>>),
    /// `start:stop:step` in an index.
    Slice([Option<i64>; 3]),
    /// `range(start, stop, step)`
    Range(Range),
    /// PyTorch's result of `x.max(dim)`, with `.values` and `.indices`.
    Extremum(AxisExtremum),
}

/// A number that is known while the text is read.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// The value.
    pub value: Scalar,
    /// The constant tensor that has this number, if it has a name: `n` after `n = x.shape[0]`.
    pub tensor: Option<TensorId>,
    /// If the scenario gives the number: the index of this mention of it ([`StructuralUses::mentions`](super::structural::StructuralUses::mentions)).
    pub mention: Option<usize>,
}

/// A whole number or a decimal number, as in Python.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// A whole number.
    Integer(i64),
    /// A decimal number.
    Float(f64),
}

/// The whole numbers `start`, `start + step`, … before `stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first number.
    pub start: i64,
    /// The end, which the range does not contain.
    pub stop: i64,
    /// The distance between two neighbouring numbers. It is not 0.
    pub step: i64,
}

/// The largest or smallest entries along an axis, with their indices.
#[derive(Clone, Copy, Debug)]
pub struct AxisExtremum {
    /// The tensor of these entries.
    pub values: TensorId,
    /// The tensor that is searched.
    pub searched: TensorId,
    /// The axis.
    pub axis: usize,
    /// `true` if the axis stays, with the size 1.
    pub keepdim: bool,
    /// The largest or the smallest.
    pub extreme: Extreme,
}

impl Scalar {
    /// Returns the number as a float.
    #[allow(clippy::cast_precision_loss)] // as in Python
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Integer(n) => n as f64,
            Self::Float(x) => x,
        }
    }
}

impl Range {
    /// Returns the number of numbers.
    pub fn len(self) -> usize {
        let Self { start, stop, step } = self;
        let distance = if step > 0 { i128::from(stop) - i128::from(start) } else { i128::from(start) - i128::from(stop) };
        let step = i128::from(step).abs();
        // distance / step, rounded up
        usize::try_from((distance.max(0) + step - 1) / step).unwrap_or(usize::MAX)
    }

    /// Returns the numbers.
    pub fn each(self) -> impl Iterator<Item = i64> {
        (0..self.len()).map(move |n| self.start + i64::try_from(n).unwrap_or(i64::MAX) * self.step)
    }
}

impl Value {
    /// If the value is the result of PyTorch's `x.max(dim)`, a pair of values and indices, returns this pair and its tensor of values. Otherwise returns `None`
    /// and the value itself.
    pub fn split_extremum(self) -> (Option<AxisExtremum>, Self) {
        match self {
            Self::Extremum(pair) => (Some(pair), Self::Tensor(pair.values)),
            value => (None, value),
        }
    }

    /// The inverse of [`Self::split_extremum`]: returns the pair with this tensor as its values. Without a pair, returns the value itself.
    pub fn join_extremum(self, pair: Option<AxisExtremum>) -> Self {
        match (pair, self) {
            (Some(pair), Self::Tensor(values)) => Self::Extremum(AxisExtremum { values, ..pair }),
            (_, value) => value,
        }
    }

    /// Creates a whole number without a name.
    pub fn integer(n: i64) -> Self {
        Self::Number(Number { value: Scalar::Integer(n), tensor: None, mention: None })
    }

    /// Creates a size without a name.
    pub fn size(n: usize) -> Self {
        Self::integer(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// Creates a decimal number without a name.
    pub fn float(x: f64) -> Self {
        Self::Number(Number { value: Scalar::Float(x), tensor: None, mention: None })
    }

    /// Creates a tuple.
    pub fn tuple(items: Vec<Self>) -> Self {
        Self::Tuple(Rc::new(items))
    }

    /// Creates a list.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    /// Returns the number, if the value is one. `True` is 1, as in Python.
    pub fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bool(flag) => Some(Number { value: Scalar::Integer(i64::from(*flag)), tensor: None, mention: None }),
            _ => None,
        }
    }

    /// Returns the whole number, if the value is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self.number()?.value {
            Scalar::Integer(n) => Some(n),
            Scalar::Float(_) => None,
        }
    }

    /// Returns the items of a list, a tuple or a range.
    pub fn items(&self) -> Option<Vec<Self>> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items.to_vec()),
            Self::Range(range) => Some(range.each().map(Self::integer).collect()),
            _ => None,
        }
    }

    /// Returns the kind of the value for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tensor(_) => "a tensor",
            Self::Number(Number { value: Scalar::Integer(_), .. }) => "a whole number",
            Self::Number(_) => "a number",
            Self::Bool(_) => "True or False",
            Self::Text(_) => "a string",
            Self::None => "None",
            Self::Ellipsis => "...",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Slice(_) => "a slice",
            Self::Range(_) => "a range",
            Self::Extremum(_) => "a pair of values and indices",
        }
    }
}
