//! The smooth pieces of a function with kinks, and the number of the piece that its arguments are on.
//!
//! The derivative of relu compares z with 0, so relu has three pieces: z < 0, z = 0 and z > 0. A difference quotient is valid only if both of its points
//! are on the same piece.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::{Case, Expr, Kink, Primitive};

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparand {
    Argument(usize),
    Number(f64),
    Expr(&'static Expr),
}

/// The smooth pieces of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct SmoothPieces(Test);

/// The test that separates the pieces.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// The orders of pairs of numbers.
    Orders(SmallVec<[[Comparand; 2]; 2]>),
    /// The index of the largest argument.
    Winner,
}

impl Kink {
    /// The pieces on both sides of the kinks.
    #[must_use]
    pub fn pieces(self) -> SmoothPieces {
        SmoothPieces(match self {
            Self::Winner => Test::Winner,
            Self::Pieces(derivatives) => {
                let mut orders: SmallVec<[[Comparand; 2]; 2]> = SmallVec::new();
                for derivative in derivatives {
                    collect(derivative, &mut orders);
                }
                Test::Orders(orders)
            }
        })
    }
}

/// Collects the comparisons of an expression, without duplicates.
fn collect(expr: &'static Expr, to: &mut SmallVec<[[Comparand; 2]; 2]>) {
    if let Expr::Cases(cases, _) = expr {
        for Case { left, right, .. } in *cases {
            let sides = [left, right].map(|side| match *side {
                Expr::Arg(n) => Comparand::Argument(n),
                Expr::Number(number) => Comparand::Number(number),
                _ => Comparand::Expr(side),
            });
            let [left, right] = sides;
            if !to.contains(&sides) && !to.contains(&[right, left]) {
                to.push(sides);
            }
        }
    }
    expr.parts(&mut |part| collect(part, to));
}

impl SmoothPieces {
    /// The number of the piece that `count` arguments are on. The boundary of two pieces is itself a piece.
    #[must_use]
    #[inline]
    pub fn of(&self, count: usize, argument: impl Fn(usize) -> f64) -> usize {
        match &self.0 {
            Test::Orders(orders) => match orders[..] {
                // one bound, as of relu: the usual case
                [[Comparand::Argument(n), Comparand::Number(bound)]] => order([argument(n), bound]),
                _ => orders.iter().fold(0, |piece, sides| 4 * piece + order(sides.map(|side| value(side, count, &argument)))),
            },
            Test::Winner => {
                let (mut best, mut most) = (0, argument(0));
                for i in 1..count {
                    let next = argument(i);
                    if next > most {
                        (best, most) = (i, next);
                    }
                }
                best
            }
        }
    }

    /// Returns whether these arguments are exactly on the boundary of two pieces.
    #[must_use]
    pub fn is_tie(&self, arguments: &[f64]) -> bool {
        let argument = |i: usize| arguments[i];
        match &self.0 {
            Test::Orders(orders) => orders.iter().any(|sides| order(sides.map(|side| value(side, arguments.len(), &argument))) == EQUAL),
            Test::Winner => {
                let largest = argument(self.of(arguments.len(), argument));
                arguments.iter().filter(|argument| **argument == largest).count() > 1
            }
        }
    }
}

/// The value of one side of a comparison.
#[inline]
fn value(side: Comparand, count: usize, argument: &impl Fn(usize) -> f64) -> f64 {
    match side {
        Comparand::Argument(n) => argument(n),
        Comparand::Number(number) => number,
        Comparand::Expr(expr) => evaluated(expr, &(0..count).map(argument).collect::<SmallVec<[f64; 4]>>()),
    }
}

#[cold]
fn evaluated(expr: &Expr, arguments: &[f64]) -> f64 {
    expr.of(arguments).unwrap_or(f64::NAN)
}

const EQUAL: usize = 1;

/// The order of two numbers: 0 less, 1 equal, 2 greater, 3 if one is NaN.
#[inline]
fn order([a, b]: [f64; 2]) -> usize {
    match a.partial_cmp(&b) {
        Some(Ordering::Less) => 0,
        Some(Ordering::Equal) => EQUAL,
        Some(Ordering::Greater) => 2,
        None => 3,
    }
}

impl Primitive {
    /// The pieces of the function, if it has kinks.
    #[must_use]
    pub fn pieces(&self) -> Option<SmoothPieces> {
        self.kink().map(Kink::pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Relation;

    const X: Expr = Expr::Arg(0);
    const BOUND: Expr = Expr::Neg(&Expr::Arg(1));
    const SHUT: Expr = Expr::Shut;
    const STEP: Expr = Expr::Cases(
        &[
            Case { left: X, is: Relation::AtMost, right: Expr::Number(0.0), value: SHUT },
            Case { left: X, is: Relation::Less, right: BOUND, value: SHUT },
        ],
        &X,
    );

    #[test]
    fn a_piece_ends_where_a_comparison_changes_its_result() {
        let pieces = Kink::Pieces(&[STEP]).pieces();
        let piece = |x: f64| pieces.of(2, |i| [x, -3.0][i]);
        assert!(piece(-1e-9) != piece(0.0) && piece(0.0) != piece(1e-9) && piece(-1e-9) != piece(1e-9));
        assert!(piece(1.0) == piece(2.0) && piece(2.0) != piece(3.0) && piece(3.0) != piece(4.0));
        assert!(pieces.is_tie(&[-0.0, -3.0]) && pieces.is_tie(&[3.0, -3.0]) && !pieces.is_tie(&[1e-300, -3.0]));
    }

    #[test]
    fn the_winner_is_the_first_of_the_largest() {
        let winner = |args: &[f64]| Kink::Winner.pieces().of(args.len(), |i| args[i]);
        assert_ne!(winner(&[1.0, 2.0]), winner(&[2.0, 1.0]));
        assert_eq!(winner(&[1.0, 3.0, 3.0]), 1);
        assert!(Kink::Winner.pieces().is_tie(&[1.0, 3.0, 3.0]) && !Kink::Winner.pieces().is_tie(&[1.0, 1.0, 3.0]));
    }
}
