//! The values of an expression for many entries at once. They have the same bits as those of [`Expr::value_at`].
//!
//! Each node of the tree is visited once for a block of entries, and not once for each entry. It computes the values of all these entries in vector registers.
//! The operations and their order are the same as for a single entry. In an expression with cases, the values of all cases are computed, and each entry takes
//! the value of its case.

use pulp::Arch;

use super::{Case, Definition, Expr, Primitive, Relation, Slot};

/// The number of entries of a block.
pub const BLOCK: usize = 32;

/// A number for each entry of a block.
pub type Block = [f64; BLOCK];

/// Computes a function for a block of entries: one block for each argument, and the block of the values.
pub type BlockFunction = fn(&[&Block], &mut Block);

/// Computes a function of one number for a block of entries; `function` replaces each number of a slice by its value.
pub fn map(x: &[&Block], values: &mut Block, function: fn(&mut [f64])) {
    *values = *x[0];
    function(values);
}

/// Sets each number of `values` to the function of the entry's numbers in `a`.
pub fn each(a: &Block, values: &mut Block, function: impl Fn(f64) -> f64) {
    Arch::new().dispatch(move || values.iter_mut().zip(a).for_each(|(value, a)| *value = function(*a)));
}

/// Sets each number of `values` to the function of the entry's numbers in `a` and `b`.
pub fn each_pair(a: &Block, b: &Block, values: &mut Block, function: impl Fn(f64, f64) -> f64) {
    Arch::new().dispatch(move || values.iter_mut().zip(a).zip(b).for_each(|((value, a), b)| *value = function(*a, *b)));
}

/// Returns 1 for each entry for which the comparison is true, and 0 for the others. These numbers have 64 bits like those that are compared, because vector
/// registers need equal sizes.
fn compare(a: &Block, b: &Block, is_true: impl Fn(f64, f64) -> bool) -> [u64; BLOCK] {
    let mut results = [0; BLOCK];
    let to = &mut results;
    Arch::new().dispatch(move || to.iter_mut().zip(a.iter().zip(b)).for_each(|(result, (a, b))| *result = u64::from(is_true(*a, *b))));
    results
}

/// The numbers that an expression reads: the arguments ([`Expr::Arg`]) and, in a derivative, the function's value.
#[derive(Clone, Copy)]
struct BlockContext<'a> {
    arguments: &'a [&'a Block],
    value: Option<&'a Block>,
}

/// The largest number of arguments of a function that is computed for blocks.
const MAX_ARGUMENTS: usize = 3;

impl Expr {
    /// Computes the values. `None` if a subexpression is not a number.
    fn evaluate_block(&self, context: BlockContext<'_>, values: &mut Block) -> Option<()> {
        match self {
            Self::Entry(Slot::Output) => *values = *context.value?,
            Self::Arg(n) => *values = **context.arguments.get(*n)?,
            Self::Number(number) => *values = [*number; BLOCK],
            Self::ClosedGate => *values = [0.0; BLOCK],
            Self::Neg(a) => Self::one(a, context, values, |a| -a)?,
            Self::Square(a) => Self::one(a, context, values, |a| a * a)?,
            Self::Add(ab) => Self::two(ab, context, values, |a, b| a + b)?,
            Self::Sub(ab) => Self::two(ab, context, values, |a, b| a - b)?,
            Self::Mul(ab) => Self::two(ab, context, values, |a, b| a * b)?,
            Self::Div(ab) => Self::two(ab, context, values, |a, b| a / b)?,
            Self::Cases(cases, other) => Self::select(cases, other, context, values)?,
            Self::Of(function, arguments) => {
                let mut blocks = [[0.0; BLOCK]; MAX_ARGUMENTS];
                let blocks = blocks.get_mut(..arguments.len())?;
                for (block, argument) in blocks.iter_mut().zip(*arguments) {
                    argument.evaluate_block(context, block)?;
                }
                match blocks {
                    [a] => function.block(&[a], values)?,
                    [a, b] => function.block(&[a, b], values)?,
                    [a, b, c] => function.block(&[a, b, c], values)?,
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Computes a function of one subexpression.
    fn one(a: &Self, context: BlockContext<'_>, values: &mut Block, function: impl Fn(f64) -> f64) -> Option<()> {
        a.evaluate_block(context, values)?;
        Arch::new().dispatch(move || values.iter_mut().for_each(|a| *a = function(*a)));
        Some(())
    }

    /// Computes a function of two subexpressions.
    fn two([a, b]: &[Self; 2], context: BlockContext<'_>, values: &mut Block, function: impl Fn(f64, f64) -> f64) -> Option<()> {
        a.evaluate_block(context, values)?;
        // a number or an argument is read without a copy
        if let Self::Number(b) = b {
            Arch::new().dispatch(move || values.iter_mut().for_each(|a| *a = function(*a, *b)));
            return Some(());
        }
        let mut copy = [0.0; BLOCK];
        let b = match b {
            Self::Arg(n) => context.arguments.get(*n)?,
            Self::Entry(Slot::Output) => context.value?,
            _ => {
                b.evaluate_block(context, &mut copy)?;
                &copy
            }
        };
        Arch::new().dispatch(move || values.iter_mut().zip(b).for_each(|(a, b)| *a = function(*a, *b)));
        Some(())
    }

    /// Computes the values of an expression with cases.
    fn select(cases: &[Case], other: &Self, context: BlockContext<'_>, values: &mut Block) -> Option<()> {
        let Some(([Case { left, is, right, value }], rest)) = cases.split_at_checked(1) else {
            return other.evaluate_block(context, values);
        };
        let (mut a, mut b) = ([0.0; BLOCK], [0.0; BLOCK]);
        left.evaluate_block(context, &mut a)?;
        right.evaluate_block(context, &mut b)?;
        let is_true = match is {
            Relation::Less => compare(&a, &b, |a, b| a < b),
            Relation::AtMost => compare(&a, &b, |a, b| a <= b),
            Relation::Equal => compare(&a, &b, |a, b| a == b),
            Relation::AtLeast => compare(&a, &b, |a, b| a >= b),
            Relation::Greater => compare(&a, &b, |a, b| a > b),
        };
        let count: u64 = is_true.iter().sum();
        // if no entry needs a value, it is not computed
        if count == BLOCK as u64 {
            return value.evaluate_block(context, values);
        }
        Self::select(rest, other, context, values)?;
        if count > 0 {
            value.evaluate_block(context, &mut a)?;
            let of_case = &a;
            Arch::new().dispatch(move || {
                for ((value, of_case), is_true) in values.iter_mut().zip(of_case).zip(is_true) {
                    *value = if is_true == 0 { *value } else { *of_case };
                }
            });
        }
        Some(())
    }
}

impl Primitive {
    /// Computes the function for a block of entries, given a block for each argument. See [`Primitive::value`].
    pub fn block(&self, arguments: &[&Block], values: &mut Block) -> Option<()> {
        match (self.block, self.definition) {
            (Some(block), _) => block(arguments, values),
            (None, Definition::Computed(function)) => {
                let mut of_entry = [0.0; MAX_ARGUMENTS];
                let of_entry = of_entry.get_mut(..arguments.len())?;
                for (n, value) in values.iter_mut().enumerate() {
                    of_entry.iter_mut().zip(arguments).for_each(|(of_entry, block)| *of_entry = block[n]);
                    *value = function(of_entry);
                }
            }
            (None, Definition::Expr(expr)) => expr.evaluate_block(BlockContext { arguments, value: None }, values)?,
            (None, Definition::Largest | Definition::Smallest | Definition::Rule) => return None,
        }
        Some(())
    }

    /// Computes the derivative by an argument for a block of entries. See [`Primitive::derivative`]. `value` has the function's values.
    pub fn derivative_block(&self, argument: usize, arguments: &[&Block], value: &Block, derivatives: &mut Block) -> Option<()> {
        self.derivatives.get(argument)?.evaluate_block(BlockContext { arguments, value: Some(value) }, derivatives)
    }
}
