//! The smooth pieces of a function with kinks (points where a derivative jumps).
//!
//! The derivative of relu compares z with 0, so relu has three pieces: z < 0, z = 0 and z > 0. Each piece has a number. Before the difference quotient of two
//! points is used, the numbers of their pieces are compared. If they differ, there is a kink between the points, and the difference quotient does not
//! approximate a derivative.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::{Case, Expr, Kink, Primitive};

/// One side of a comparison in a derivative.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparand {
    /// The argument of the function with this number.
    Argument(usize),
    /// A constant.
    Number(f64),
    /// Any other expression of the arguments, such as −delta.
    Expr(&'static Expr),
}

/// The smooth pieces of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct SmoothPieces(PieceTest);

/// The method by which the piece of given arguments is found.
#[derive(Clone, Debug, PartialEq)]
enum PieceTest {
    /// The comparisons in the derivatives, each with its two sides. A comparison has four results: less, equal, greater, or unordered if a side is NaN.
    /// Each combination of results is a piece.
    Orders(SmallVec<[[Comparand; 2]; 2]>),
    /// The piece is the index of the largest or of the smallest argument.
    Extreme {
        /// `true` for the smallest argument.
        is_smallest: bool,
    },
}

impl Kink {
    /// The smooth pieces between these kinks.
    #[must_use]
    pub fn pieces(self) -> SmoothPieces {
        SmoothPieces(match self {
            Self::Largest => PieceTest::Extreme { is_smallest: false },
            Self::Smallest => PieceTest::Extreme { is_smallest: true },
            Self::Comparisons(derivatives) => {
                let mut orders: SmallVec<[[Comparand; 2]; 2]> = SmallVec::new();
                for derivative in derivatives {
                    collect_comparisons(derivative, &mut orders);
                }
                PieceTest::Orders(orders)
            }
        })
    }
}

/// Adds the comparisons of an expression to `to`. A comparison that is in `to` already, perhaps with its sides swapped, is left out.
fn collect_comparisons(expr: &'static Expr, to: &mut SmallVec<[[Comparand; 2]; 2]>) {
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
    expr.for_each_child(&mut |child| collect_comparisons(child, to));
}

impl SmoothPieces {
    /// Returns the number of the piece in which the arguments are. `argument(i)` returns argument i, for i from 0 to `count` − 1.
    ///
    /// Two points are in the same piece if their numbers are equal. If the pieces are separated by comparisons, the boundary between two pieces is a piece too.
    /// Each comparison has one of four results, numbered by `order`. The number for two comparisons is 4 · first result + second result. For a maximum, the
    /// number is the index of the largest argument; if several are equal, it is the index of the first.
    #[must_use]
    #[inline]
    pub fn piece_at(&self, count: usize, argument: impl Fn(usize) -> f64) -> usize {
        match &self.0 {
            PieceTest::Orders(orders) => match orders[..] {
                // the most frequent case comes first, for speed: one comparison with a constant, as for relu
                [[Comparand::Argument(n), Comparand::Number(bound)]] => order([argument(n), bound]),
                _ => orders.iter().fold(0, |piece, sides| 4 * piece + order(sides.map(|side| value(side, count, &argument)))),
            },
            PieceTest::Extreme { is_smallest } => {
                let argument = |i: usize| if *is_smallest { -argument(i) } else { argument(i) };
                let (mut winner, mut largest) = (0, argument(0));
                for i in 1..count {
                    let next = argument(i);
                    if next > largest {
                        (winner, largest) = (i, next);
                    }
                }
                winner
            }
        }
    }

    /// Returns whether these arguments are exactly on a boundary: two sides of a comparison are equal, or two arguments are the largest (or the smallest).
    #[must_use]
    pub fn is_tie(&self, arguments: &[f64]) -> bool {
        let argument = |i: usize| arguments[i];
        match &self.0 {
            PieceTest::Orders(orders) => {
                orders.iter().any(|sides| order(sides.map(|side| value(side, arguments.len(), &argument))) == EQUAL)
            }
            PieceTest::Extreme { .. } => {
                let extreme = argument(self.piece_at(arguments.len(), argument));
                arguments.iter().filter(|argument| **argument == extreme).count() > 1
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

/// The value of an expression of the arguments. This case is rare. It is a separate function, so that [`value`] stays short for the frequent cases.
#[cold]
fn evaluated(expr: &Expr, arguments: &[f64]) -> f64 {
    expr.value_at(arguments).unwrap_or(f64::NAN)
}

/// The [`order`] of equal numbers.
const EQUAL: usize = 1;

/// The order of two numbers: 0 for less, 1 for equal, 2 for greater, and 3 if one of them is NaN.
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
    /// The smooth pieces of the function; `None` for a function without kinks.
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
    const MINUS_Y: Expr = Expr::Neg(&Expr::Arg(1));
    const CLOSED: Expr = Expr::ClosedGate;
    /// Cases with two comparisons: x ≤ 0 and x < −y.
    const TWO_COMPARISONS: Expr = Expr::Cases(
        &[
            Case { left: X, is: Relation::AtMost, right: Expr::Number(0.0), value: CLOSED },
            Case { left: X, is: Relation::Less, right: MINUS_Y, value: CLOSED },
        ],
        &X,
    );

    #[test]
    fn a_piece_ends_where_a_comparison_changes_its_result() {
        let pieces = Kink::Comparisons(&[TWO_COMPARISONS]).pieces();
        // with y = −3, the kinks are at x = 0 and at x = 3
        let piece = |x: f64| pieces.piece_at(2, |i| [x, -3.0][i]);
        assert!(piece(-1e-9) != piece(0.0) && piece(0.0) != piece(1e-9) && piece(-1e-9) != piece(1e-9));
        assert!(piece(1.0) == piece(2.0) && piece(2.0) != piece(3.0) && piece(3.0) != piece(4.0));
        assert!(pieces.is_tie(&[-0.0, -3.0]) && pieces.is_tie(&[3.0, -3.0]) && !pieces.is_tie(&[1e-300, -3.0]));
    }

    #[test]
    fn the_piece_of_a_maximum_is_the_index_of_the_first_of_the_largest() {
        let piece = |args: &[f64]| Kink::Largest.pieces().piece_at(args.len(), |i| args[i]);
        assert_ne!(piece(&[1.0, 2.0]), piece(&[2.0, 1.0]));
        assert_eq!(piece(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(Kink::Smallest.pieces().piece_at(3, |i| [3.0, 1.0, 1.0][i]), 1);
        assert!(Kink::Largest.pieces().is_tie(&[1.0, 3.0, 3.0]) && !Kink::Largest.pieces().is_tie(&[1.0, 1.0, 3.0]));
    }
}
