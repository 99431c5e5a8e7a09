//! Step functions, which are constant except for jumps: comparisons, the logic of masks, and rounding. They have no derivative. The value of a comparison is 1
//! if it is true, and 0 if it is false.
//!
//! As in PyTorch, a comparison with NaN is false, except ≠, which is true. A mask is true where it is not 0. `round` rounds ½ to the nearest even number.

use super::computed;
use crate::expr::{Form, Primitive};

/// Creates a function of two numbers whose symbol is printed between them. `name` is its name in traces.
const fn between(name: &'static str, symbol: &'static str, value: fn(&[f64]) -> f64) -> Primitive {
    computed(name, value, &[]).form(Form::Infix).symbol(symbol).arguments(&["a", "b"])
}

/// 1 for true and 0 for false.
fn mask(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

/// a < b
pub const LESS: &Primitive = &between("<", "<", |x| mask(x[0] < x[1]));
/// a ≤ b
pub const AT_MOST: &Primitive = &between("<=", "≤", |x| mask(x[0] <= x[1]));
/// a > b
pub const GREATER: &Primitive = &between(">", ">", |x| mask(x[0] > x[1]));
/// a ≥ b
pub const AT_LEAST: &Primitive = &between(">=", "≥", |x| mask(x[0] >= x[1]));
/// a = b
#[allow(clippy::float_cmp)] // numbers are equal if they are exactly equal
pub const EQUAL: &Primitive = &between("==", "=", |x| mask(x[0] == x[1]));
/// a ≠ b
#[allow(clippy::float_cmp)] // numbers are equal if they are exactly equal
pub const NOT_EQUAL: &Primitive = &between("!=", "≠", |x| mask(x[0] != x[1]));
/// a and b, for masks.
pub const AND: &Primitive = &between("&", "∧", |x| mask(x[0] != 0.0 && x[1] != 0.0));
/// a or b, for masks.
pub const OR: &Primitive = &between("|", "∨", |x| mask(x[0] != 0.0 || x[1] != 0.0));
/// not a, for a mask.
pub const NOT: &Primitive = &computed("~", |x| mask(x[0] == 0.0), &[]).symbol("not").form(Form::Call);
/// The mask of the numbers that are not 0.
pub const BOOL: &Primitive = &computed("bool", |x| mask(x[0] != 0.0), &[]).form(Form::Call);
/// The largest whole number that is not larger than x.
pub const FLOOR: &Primitive = &computed("floor", |x| x[0].floor(), &[]).form(Form::Call);
/// The smallest whole number that is not smaller than x.
pub const CEIL: &Primitive = &computed("ceil", |x| x[0].ceil(), &[]).form(Form::Call);
/// x without its fractional part.
pub const TRUNC: &Primitive = &computed("trunc", |x| x[0].trunc(), &[]).form(Form::Call);
/// The whole number nearest to x; the even one if two are equally near.
pub const ROUND: &Primitive = &computed("round", |x| x[0].round_ties_even(), &[]).form(Form::Call);
/// The sign of x: 1, 0 or −1; 0 for NaN.
pub const SIGN: &Primitive = &computed("sign", |x| mask(x[0] > 0.0) - mask(x[0] < 0.0), &[]).form(Form::Call);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_of_pytorch() {
        let value = |function: &Primitive, arguments: &[f64]| function.value(arguments).expect("a number");
        let nan = f64::NAN;
        for (function, less, equal, greater, with_nan) in [
            (LESS, 1.0, 0.0, 0.0, 0.0),
            (AT_MOST, 1.0, 1.0, 0.0, 0.0),
            (GREATER, 0.0, 0.0, 1.0, 0.0),
            (AT_LEAST, 0.0, 1.0, 1.0, 0.0),
            (EQUAL, 0.0, 1.0, 0.0, 0.0),
            (NOT_EQUAL, 1.0, 0.0, 1.0, 1.0),
        ] {
            let values = [[1.0, 2.0], [2.0, 2.0], [3.0, 2.0], [nan, nan]].map(|both| value(function, &both));
            assert_eq!(values, [less, equal, greater, with_nan], "{function:?}");
        }
        assert_eq!([0.5, 1.5, 2.5, -0.5, -1.5].map(|x| value(ROUND, &[x])), [0.0, 2.0, 2.0, 0.0, -2.0]);
        assert_eq!([2.0, 0.0, -0.1, nan].map(|x| value(SIGN, &[x])), [1.0, 0.0, -1.0, 0.0]);
        assert_eq!([FLOOR, CEIL, TRUNC].map(|function| value(function, &[-1.5])), [-2.0, -1.0, -1.0]);
        assert_eq!([[0.0, 0.0], [0.0, 3.0], [1.0, 1.0]].map(|both| value(AND, &both)), [0.0, 0.0, 1.0]);
        assert_eq!([[0.0, 0.0], [0.0, 3.0], [1.0, 1.0]].map(|both| value(OR, &both)), [0.0, 1.0, 1.0]);
        assert_eq!([0.0, 1.0, nan].map(|x| value(NOT, &[x])), [1.0, 0.0, 0.0]);
        assert_eq!([0.0, 0.5, nan].map(|x| value(BOOL, &[x])), [0.0, 1.0, 1.0]);
    }
}
