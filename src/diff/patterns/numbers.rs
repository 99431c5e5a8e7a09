//! Patterns of the numbers: each of the user's entries follows from the right tensor, for example as twice the right entry.

use super::{ROUNDED, WrongValues, ZERO};
use crate::number::with_digits;
use crate::tensor::{len, ravel, unravel};

/// A pattern: its id and its words.
pub(super) type FoundPattern = (&'static str, String);

/// The largest size of an axis whose permutations are searched.
const MAX_PERMUTED: usize = 64;

/// Returns the first pattern that the numbers have.
pub(super) fn find(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    if wrong.user.iter().chain(wrong.right).any(|value| !value.is_finite()) {
        return None;
    }
    rounded(wrong)
        .or_else(|| zero(wrong))
        .or_else(|| multiple(wrong))
        .or_else(|| exchanged(wrong))
        .or_else(|| turned_or_flipped(wrong))
        .or_else(|| permuted(wrong))
        .or_else(|| reshaped(wrong))
        .or_else(|| shifted(wrong))
        .or_else(|| summed(wrong))
}

/// Returns `value` rounded to `decimals` digits after the point.
fn with_decimals(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

/// The right numbers, printed with few digits: `%.3g` or `round(x, 4)`. Rounding changes a number by at most half a unit of its last digit; 0.5001 units are
/// allowed, because the user's numbers have rounding errors too.
fn rounded(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    // the user's number in single precision is not equal to the printed number, but near it
    let is_printed = |user: f64, printed: f64| (user - printed).abs() <= 1e-7 * printed.abs();
    let has_digits = |digits: usize| {
        let significant = |value: f64| format!("{value:.*e}", digits - 1).parse().unwrap_or(value);
        let unit = |right: f64| 10f64.powi(exponent(right) + 1 - i32::try_from(digits).unwrap_or(0));
        let is_rounded =
            |(user, right): (&f64, &f64)| is_printed(*user, significant(*user)) && (user - right).abs() <= 0.5001 * unit(*right);
        wrong.user.iter().zip(wrong.right).all(is_rounded)
    };
    if let Some(digits) = (2..=7).find(|digits| has_digits(*digits)) {
        return Some((ROUNDED, format!("these are the right numbers, rounded to {digits} significant digits: save more digits")));
    }
    let has_decimals = |decimals: usize| {
        let unit = 10f64.powi(-i32::try_from(decimals).unwrap_or(0));
        let is_rounded =
            |(user, right): (&f64, &f64)| is_printed(*user, with_decimals(*user, decimals)) && (user - right).abs() <= 0.5001 * unit;
        // the largest number must have two digits, as 9.5 units have, which are rounded to 10: with one digit, it could be equal to the number of another
        // tensor
        let largest = super::super::tolerance::largest(wrong.user);
        largest >= 9.5 * unit && wrong.user.iter().zip(wrong.right).all(is_rounded)
    };
    let decimals = (1..=8).find(|decimals| has_decimals(*decimals))?;
    Some((ROUNDED, format!("these are the right numbers, rounded to {decimals} decimals: save more digits")))
}

/// The power of ten of the first digit of a number; −300 for 0, so that a right 0 is rounded only to 0.
#[allow(clippy::cast_possible_truncation)] // an exponent
fn exponent(value: f64) -> i32 {
    if value == 0.0 { -300 } else { libm::floor(libm::log10(value.abs())) as i32 }
}

fn zero(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    wrong.user.iter().all(|user| *user == 0.0).then(|| (ZERO, "every entry is 0".to_owned()))
}

/// Every entry is the same multiple of the right one.
fn multiple(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let (at, largest) = wrong.right.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    let ratio = wrong.user[at] / largest;
    if !ratio.is_finite() || ratio == 0.0 {
        return None;
    }
    let scaled: Vec<f64> = wrong.user.iter().map(|user| user / ratio).collect();
    let nonzero = wrong.right.iter().filter(|right| **right != 0.0).count();
    // a single number is a multiple of any other number, so only a simple multiple is a pattern
    if nonzero < 2 && simple(ratio).is_none() {
        return None;
    }
    let is_multiple = wrong.tolerance.are_equal(&scaled, wrong.right, |at| wrong.terms.entry(at));
    is_multiple.then(|| {
        let (every, one) = if wrong.user.len() == 1 { ("it", "number") } else { ("every wrong entry", "one") };
        let words = match simple(ratio) {
            Some(text) if text == "-1" => format!("{every} has the wrong sign"),
            Some(text) => format!("{every} is {text} times the right {one}"),
            None => format!("{every} is {} times the right {one}", with_digits(ratio, 6)),
        };
        ("multiple", words)
    })
}

/// The text of a small whole number, of its inverse, or of a fraction with a denominator of at most 16: `3`, `-1`, `1/400`, `2/3`.
fn simple(ratio: f64) -> Option<String> {
    let is_whole = |value: f64| (value - value.round()).abs() <= 1e-6 * value.abs() && value.abs() < 1e6 && value.round() != 0.0;
    if is_whole(ratio) {
        return Some(format!("{}", ratio.round()));
    }
    let inverse = 1.0 / ratio;
    if is_whole(inverse) {
        let sign = if inverse < 0.0 { "-" } else { "" };
        return Some(format!("{sign}1/{}", inverse.abs().round()));
    }
    (2..=16u32).find(|n| is_whole(ratio * f64::from(*n))).map(|n| format!("{}/{n}", (ratio * f64::from(n)).round()))
}

/// Two axes are exchanged: the transpose.
fn exchanged(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let shape = wrong.shape;
    // the pairs of axes, the last axes first
    let pairs = (0..shape.len()).flat_map(|first| (first + 1..shape.len()).map(move |second| (first, second))).rev();
    let is_exchanged = |(first, second): &(usize, usize)| {
        shape[*first] == shape[*second]
            && shape[*first] > 1
            && wrong.is_moved(|at| {
                let mut index = unravel(at, shape);
                index.swap(*first, *second);
                ravel(&index, shape)
            })
    };
    let (first, second) = pairs.into_iter().find(is_exchanged)?;
    let words = if shape.len() == 2 {
        "this is the transpose of the right matrix".to_owned()
    } else if second + 1 == shape.len() && first + 2 == shape.len() {
        "each matrix is the transpose of the right one".to_owned()
    } else {
        format!("axes {first} and {second} are exchanged")
    };
    Some(("transpose", words))
}

/// Each matrix of the last two axes is turned by 180° or 90°, or one axis is reversed.
fn turned_or_flipped(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let shape = wrong.shape;
    let is_reversed = |axes: &[usize]| {
        axes.iter().all(|axis| shape[*axis] > 1)
            && wrong.is_moved(|at| {
                let mut index = unravel(at, shape);
                for axis in axes {
                    index[*axis] = shape[*axis] - 1 - index[*axis];
                }
                ravel(&index, shape)
            })
    };
    // `rows` and `columns` are the numbers of the last two axes
    if let [.., rows, columns] = *(0..shape.len()).collect::<Vec<_>>()
        && is_reversed(&[rows, columns])
    {
        return Some(("turn", "this is the right tensor turned by 180°: rows and columns run backwards".to_owned()));
    }
    if let [.., rows, columns] = *(0..shape.len()).collect::<Vec<_>>()
        && shape[rows] == shape[columns]
        && shape[rows] > 1
    {
        for (clockwise, way) in [(true, "clockwise"), (false, "anticlockwise")] {
            let is_turned = wrong.is_moved(|at| {
                let mut index = unravel(at, shape);
                let (row, column, last) = (index[rows], index[columns], shape[rows] - 1);
                (index[rows], index[columns]) = if clockwise { (last - column, row) } else { (column, last - row) };
                ravel(&index, shape)
            });
            if is_turned {
                return Some(("turn", format!("each matrix is the right one turned by 90° {way}")));
            }
        }
    }
    let axis = (0..shape.len()).rev().find(|axis| is_reversed(&[*axis]))?;
    let words = match shape.len() - axis {
        _ if shape.len() == 1 => "the entries are in reverse order".to_owned(),
        1 => "each row runs backwards".to_owned(),
        2 => "the rows are in reverse order".to_owned(),
        _ => format!("axis {axis} runs backwards"),
    };
    Some(("flip", words))
}

/// The slices along an axis are the right ones in another order.
fn permuted(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let shape = wrong.shape;
    (0..shape.len()).find_map(|axis| {
        let n = shape[axis];
        // in a vector, a slice is a single number
        if !(2..=MAX_PERMUTED).contains(&n) || len(shape) / n < 2 {
            return None;
        }
        let order = order_along(wrong, axis)?;
        let text: Vec<String> = order.iter().take(8).map(ToString::to_string).collect();
        let more = if n > 8 { ", …" } else { "" };
        Some(("axis-permutation", format!("along axis {axis}, these are the right numbers in the order {}{more}", text.join(", "))))
    })
}

/// For each slice of the user's tensor along an axis, the index of the right slice with the same numbers; `None` if a slice has no such index, or several, or
/// if two slices have the same index.
fn order_along(wrong: &WrongValues<'_>, axis: usize) -> Option<Vec<usize>> {
    let (shape, n) = (wrong.shape, wrong.shape[axis]);
    let (inner, largest) = (len(&shape[axis + 1..]), super::super::tolerance::largest(wrong.right));
    // the entry k of a slice: `k / inner` counts the indices before the axis, and `k % inner` those after it
    let places = |slice: usize| (0..len(shape) / n).map(move |k| (k / inner * n + slice) * inner + k % inner);
    let is_equal = |slice: usize, right: usize| {
        places(slice)
            .zip(places(right))
            .all(|(at, from)| wrong.tolerance.is_equal(wrong.user[at], wrong.right[from], largest, || wrong.terms.entry(from)))
    };
    let mut order = Vec::with_capacity(n);
    for slice in 0..n {
        let mut equal = (0..n).filter(|right| is_equal(slice, *right));
        let only = equal.next().filter(|only| !order.contains(only))?;
        if equal.next().is_some() {
            return None;
        }
        order.push(only);
    }
    Some(order)
}

/// The numbers are those of the transpose, read row by row into our shape.
fn reshaped(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let shape = wrong.shape;
    let [rows, columns] = shape[..] else { return None };
    // the entry `at` of the transpose is the entry [at % rows, at / rows] of the right matrix
    let is_reshaped = rows > 1 && columns > 1 && wrong.is_moved(|at| Some(at % rows * columns + at / rows));
    is_reshaped.then(|| ("transpose", "these are the numbers of the transpose, read row by row into this shape".to_owned()))
}

/// The right numbers, moved by one place along an axis.
fn shifted(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let shape = wrong.shape;
    for axis in (0..shape.len()).rev().filter(|axis| shape[*axis] > 2) {
        for (is_later, way) in [(true, "later"), (false, "earlier")] {
            let is_shifted = wrong.is_moved(|at| {
                let mut index = unravel(at, shape);
                index[axis] = if is_later { index[axis].checked_sub(1)? } else { index[axis] + 1 };
                ravel(&index, shape)
            });
            if is_shifted {
                let along = if shape.len() == 1 { String::new() } else { format!(" along axis {axis}") };
                return Some(("shifted", format!("these are the right numbers, one place {way}{along}")));
            }
        }
    }
    None
}

/// Every entry is the sum or the mean of the right ones along an axis.
fn summed(wrong: &WrongValues<'_>) -> Option<FoundPattern> {
    let shape = wrong.shape;
    for axis in (0..shape.len()).filter(|axis| shape[*axis] > 1) {
        let (n, inner) = (shape[axis], len(&shape[axis + 1..]));
        // the entries of the line along the axis through the entry `at`
        let along = |at: usize| (0..n).map(move |k| (at / inner / n * n + k) * inner + at % inner);
        let sums: Vec<f64> = (0..len(shape)).map(|at| along(at).map(|from| wrong.right[from]).sum()).collect();
        let terms = |at: usize| along(at).map(|from| wrong.right[from].abs().max(wrong.terms.entry(from))).sum::<f64>();
        // sums that cancel are noise
        let largest = super::super::tolerance::largest(wrong.right);
        let is_zero = |(at, sum): (usize, &f64)| wrong.tolerance.is_equal(*sum, 0.0, largest, || terms(at));
        if sums.iter().enumerate().all(is_zero) {
            continue;
        }
        if wrong.tolerance.are_equal(wrong.user, &sums, terms) {
            return Some(("sum-over-axis", format!("every entry is the sum of the right ones along axis {axis}")));
        }
        #[allow(clippy::cast_precision_loss)] // a size
        let means: Vec<f64> = sums.iter().map(|sum| sum / n as f64).collect();
        if wrong.tolerance.are_equal(wrong.user, &means, terms) {
            return Some(("mean-over-axis", format!("every entry is the mean of the right ones along axis {axis}")));
        }
    }
    None
}
