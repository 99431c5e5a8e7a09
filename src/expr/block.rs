//! The values of an expression for many entries at once. They have the same bits as those of [`Expr::value_at`].
//!
//! Each node of the tree is visited once for a block of entries, and not once for each entry. It computes the values of all these entries in vector registers.
//! The operations and their order are the same as for a single entry. In an expression with cases, the value of each case that holds for some entry is
//! computed for all entries, and each entry takes the value of its case.

use pulp::Arch;

use super::{Case, Definition, Expr, Primitive, Relation, Slot};
use crate::scratch::Scratch;

/// The largest number of entries of a block. A larger block would not stay in the fastest cache.
pub const BLOCK: usize = 256;

/// Computes a function for a block of entries. There is a slice of numbers for each argument, and one for the values; all have the same length.
pub type BlockFunction = fn(&[&[f64]], &mut [f64]);

/// Computes a function of one number for a block of entries; `function` replaces each number of a slice by its value.
pub fn map(x: &[&[f64]], values: &mut [f64], function: fn(&mut [f64])) {
    values.copy_from_slice(x[0]);
    function(values);
}

/// Sets `values[n]` to `function(a[n])` for each n.
pub fn each(a: &[f64], values: &mut [f64], function: impl Fn(f64) -> f64) {
    Arch::new().dispatch(move || values.iter_mut().zip(a).for_each(|(value, a)| *value = function(*a)));
}

/// Sets `values[n]` to `function(a[n], b[n])` for each n.
pub fn each_pair(a: &[f64], b: &[f64], values: &mut [f64], function: impl Fn(f64, f64) -> f64) {
    Arch::new().dispatch(move || values.iter_mut().zip(a).zip(b).for_each(|((value, a), b)| *value = function(*a, *b)));
}

/// Sets `results[n]` to 1 if the comparison of `a[n]` with `b[n]` is true, else to 0. Returns whether it is true for any n, and whether it is for all.
fn compare(a: &[f64], b: &[f64], results: &mut [f64], is_true: impl Fn(f64, f64) -> bool) -> [bool; 2] {
    // numbers as wide as those that are compared, as vector registers need it
    let result = |a: f64, b: f64| if is_true(a, b) { 1.0 } else { 0.0 };
    Arch::new().dispatch(move || {
        results.iter_mut().zip(a.iter().zip(b)).for_each(|(to, (a, b))| *to = result(*a, *b));
        // all bits of 0.0 are 0, and some bits of 1.0 are 1
        let bits = || results.iter().map(|result| result.to_bits());
        [bits().fold(0, |any, bits| any | bits) != 0, bits().fold(u64::MAX, |all, bits| all & bits) != 0]
    })
}

/// The numbers that an expression reads: the arguments ([`Expr::Arg`]) and, in a derivative, the function's value.
#[derive(Clone, Copy)]
struct BlockContext<'a> {
    arguments: &'a [&'a [f64]],
    value: Option<&'a [f64]>,
}

/// The largest number of arguments of a function that is computed for blocks.
const MAX_ARGUMENTS: usize = 3;

/// The largest number of subexpressions whose values are needed at the same time.
const MAX_TEMPORARIES: usize = 10;

/// Returns memory for the values of the subexpressions of a block with this number of entries.
fn temporaries(len: usize) -> Scratch {
    Scratch::new(MAX_TEMPORARIES * len)
}

impl Expr {
    /// Computes the values. The contents of `memory` are arbitrary. `None` if a subexpression is not a number, or if the expression needs more memory or
    /// arguments than [`MAX_TEMPORARIES`] and [`MAX_ARGUMENTS`].
    fn evaluate_block(&self, context: BlockContext<'_>, values: &mut [f64], memory: &mut [f64]) -> Option<()> {
        match self {
            Self::Entry(Slot::Output) => values.copy_from_slice(context.value?),
            Self::Arg(n) => values.copy_from_slice(context.arguments.get(*n)?),
            Self::Number(number) => values.fill(*number),
            Self::ClosedGate => values.fill(0.0),
            Self::Neg(a) => Self::one(a, context, values, memory, |a| -a)?,
            Self::Square(a) => Self::one(a, context, values, memory, |a| a * a)?,
            Self::Add(ab) => Self::two(ab, context, values, memory, |a, b| a + b)?,
            Self::Sub(ab) => Self::two(ab, context, values, memory, |a, b| a - b)?,
            Self::Mul(ab) => Self::two(ab, context, values, memory, |a, b| a * b)?,
            Self::Div(ab) => Self::two(ab, context, values, memory, |a, b| a / b)?,
            Self::Cases(cases, other) => Self::select(cases, other, context, values, memory)?,
            Self::Of(function, arguments) => {
                let len = values.len();
                let (argument_memory, memory) = memory.split_at_mut_checked(arguments.len() * len)?;
                let mut blocks: [&[f64]; MAX_ARGUMENTS] = [&[]; MAX_ARGUMENTS];
                for (n, (block, argument)) in argument_memory.chunks_exact_mut(len).zip(*arguments).enumerate() {
                    *blocks.get_mut(n)? = if let Some(block) = argument.as_block(context) {
                        block
                    } else {
                        argument.evaluate_block(context, block, memory)?;
                        block
                    };
                }
                function.block_in(&blocks[..arguments.len()], values, memory)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// Returns the block that has the values of the expression already: an argument, or the value of the function.
    fn as_block<'a>(&self, context: BlockContext<'a>) -> Option<&'a [f64]> {
        match self {
            Self::Arg(n) => context.arguments.get(*n).copied(),
            Self::Entry(Slot::Output) => context.value,
            _ => None,
        }
    }

    /// Computes a function of one subexpression.
    fn one(a: &Self, context: BlockContext<'_>, values: &mut [f64], memory: &mut [f64], function: impl Fn(f64) -> f64) -> Option<()> {
        if let Some(a) = a.as_block(context) {
            each(a, values, function);
            return Some(());
        }
        a.evaluate_block(context, values, memory)?;
        Arch::new().dispatch(move || values.iter_mut().for_each(|a| *a = function(*a)));
        Some(())
    }

    /// Computes a function of two subexpressions.
    fn two(
        [a, b]: &[Self; 2],
        context: BlockContext<'_>,
        values: &mut [f64],
        memory: &mut [f64],
        function: impl Fn(f64, f64) -> f64,
    ) -> Option<()> {
        // numbers, and blocks that exist already, are read without a copy
        match (a, a.as_block(context), b, b.as_block(context)) {
            (_, Some(a), _, Some(b)) => each_pair(a, b, values, function),
            (_, Some(a), Self::Number(b), _) => each(a, values, |a| function(a, *b)),
            (Self::Number(a), _, _, Some(b)) => each(b, values, |b| function(*a, b)),
            (_, None, Self::Number(b), _) => Self::one(a, context, values, memory, |a| function(a, *b))?,
            (Self::Number(a), ..) => Self::one(b, context, values, memory, |b| function(*a, b))?,
            (_, Some(a), _, None) => {
                b.evaluate_block(context, values, memory)?;
                Arch::new().dispatch(move || values.iter_mut().zip(a).for_each(|(b, a)| *b = function(*a, *b)));
            }
            (_, None, _, block_of_b) => {
                a.evaluate_block(context, values, memory)?;
                let (copy, memory) = memory.split_at_mut_checked(values.len())?;
                let b = if let Some(b) = block_of_b {
                    b
                } else {
                    b.evaluate_block(context, copy, memory)?;
                    copy
                };
                Arch::new().dispatch(move || values.iter_mut().zip(b).for_each(|(a, b)| *a = function(*a, *b)));
            }
        }
        Some(())
    }

    /// Computes the values of an expression with cases.
    fn select(cases: &[Case], other: &Self, context: BlockContext<'_>, values: &mut [f64], memory: &mut [f64]) -> Option<()> {
        let Some(([Case { left, is, right, value }], later_cases)) = cases.split_at_checked(1) else {
            return other.evaluate_block(context, values, memory);
        };
        let (case_values, memory) = memory.split_at_mut_checked(values.len())?;
        let (is_true, memory) = memory.split_at_mut_checked(values.len())?;
        // for the comparison, `case_values` holds its left side, and `values` its right side
        left.evaluate_block(context, case_values, memory)?;
        right.evaluate_block(context, values, memory)?;
        let [any, all] = match is {
            Relation::Less => compare(case_values, values, is_true, |a, b| a < b),
            Relation::AtMost => compare(case_values, values, is_true, |a, b| a <= b),
            Relation::Equal => compare(case_values, values, is_true, |a, b| a == b),
            Relation::AtLeast => compare(case_values, values, is_true, |a, b| a >= b),
            Relation::Greater => compare(case_values, values, is_true, |a, b| a > b),
        };
        // a value that no entry selects is not computed
        if all {
            return value.evaluate_block(context, values, memory);
        }
        Self::select(later_cases, other, context, values, memory)?;
        if any {
            value.evaluate_block(context, case_values, memory)?;
            Arch::new().dispatch(move || {
                for ((value, case_value), is_true) in values.iter_mut().zip(case_values).zip(is_true) {
                    *value = if *is_true == 0.0 { *value } else { *case_value };
                }
            });
        }
        Some(())
    }
}

impl Primitive {
    /// Computes the function for a block of entries, from a slice for each argument; as [`Primitive::value`] for each entry.
    /// Returns `None` if the function cannot be computed for blocks.
    pub fn block(&self, arguments: &[&[f64]], values: &mut [f64]) -> Option<()> {
        // only an expression needs memory
        let len = if matches!(self.definition, Definition::Expr(_)) { values.len() } else { 0 };
        self.block_in(arguments, values, &mut temporaries(len))
    }

    /// Computes the function as [`Primitive::block`], with memory for the values of subexpressions.
    fn block_in(&self, arguments: &[&[f64]], values: &mut [f64], memory: &mut [f64]) -> Option<()> {
        match (self.block, self.definition) {
            (Some(block), _) => block(arguments, values),
            (None, Definition::Computed(function)) => {
                let mut numbers = [0.0; MAX_ARGUMENTS];
                // the arguments for one entry
                let numbers = numbers.get_mut(..arguments.len())?;
                for (n, value) in values.iter_mut().enumerate() {
                    numbers.iter_mut().zip(arguments).for_each(|(number, block)| *number = block[n]);
                    *value = function(numbers);
                }
            }
            (None, Definition::Expr(expr)) => expr.evaluate_block(BlockContext { arguments, value: None }, values, memory)?,
            (None, Definition::Largest | Definition::Smallest | Definition::Rule) => return None,
        }
        Some(())
    }

    /// Computes the derivative with respect to an argument for a block of entries; as [`Primitive::derivative`] for each entry. `value` are the function's
    /// values.
    pub fn derivative_block(&self, argument: usize, arguments: &[&[f64]], value: &[f64], derivatives: &mut [f64]) -> Option<()> {
        let context = BlockContext { arguments, value: Some(value) };
        self.derivatives.get(argument)?.evaluate_block(context, derivatives, &mut temporaries(derivatives.len()))
    }
}
