//! Finds the values of the constants in an equation, such as η in w ← w − η v. They are computed from the coefficient of a term: if it is −0.5, then −η = −0.5,
//! so η = 0.5.

use super::Scene;
use crate::expr::Expr;

/// The number of terms of an entry that are looked at: this many first terms, and the last term. An update has the most constants, and its entries have at most
/// this many terms.
const MAX_TERMS: u64 = 4;

impl Scene<'_> {
    /// Returns the names and values of the constants in the equation of the op: η, μ and λ of an update, n of a mean.
    #[must_use]
    pub fn named_constants(&self) -> Vec<(&'static str, f64)> {
        let mut found: Vec<(&'static str, f64)> = Vec::new();
        let last = self.at.terms.saturating_sub(1);
        for number in (0..last.min(MAX_TERMS)).chain([last]) {
            let term = self.term(number);
            let coefficient = term.step.factors.iter().find(|factor| factor.source.is_none()).map(|factor| factor.value);
            let constant = coefficient.and_then(|value| solved(&self.equation(term.part).right, value));
            found.extend(constant.filter(|(name, _)| !found.iter().any(|(other, _)| other == name)));
        }
        found
    }
}

/// Solves the equation `expr = coefficient` for the name in the expression. For `−η v` and −0.5, it returns η = 0.5. For `1/n x` and 0.25, it returns n = 4.
fn solved(expr: &Expr, coefficient: f64) -> Option<(&'static str, f64)> {
    match expr {
        // a name such as ½ is a number and needs no value
        Expr::Name(name) => name.chars().all(char::is_alphabetic).then_some((*name, coefficient)),
        Expr::Neg(a) => solved(a, -coefficient),
        // for example 2 λ
        Expr::Product(_, [Expr::Number(factor), a]) => solved(a, coefficient / factor),
        Expr::Product(_, [a, _]) | Expr::Mul([a, _]) => solved(a, coefficient),
        Expr::Remark(a, _) => solved(a, coefficient),
        // n is a number of entries, which is positive, but some terms of a loss have a negative coefficient
        Expr::Div([Expr::Number(share), Expr::Name(name)]) => Some((*name, (share / coefficient).abs().round())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::{Join, whole};

    const ETA: Expr = Expr::Neg(&Expr::Product(Join::Juxtaposed, &[Expr::Name("η"), whole::X]));
    const TWO_NTHS: Expr = Expr::Mul(&[Expr::Div(&[Expr::Number(2.0), whole::N]), whole::X]);

    #[test]
    fn a_constant_is_solved_from_a_coefficient() {
        assert_eq!(solved(&ETA, -0.5), Some(("η", 0.5)));
        assert_eq!(solved(&Expr::Remark(&Expr::Mul(&[whole::SHARE, whole::DY]), "all over the channel"), 1.0 / 49.0), Some(("n", 49.0)));
        assert_eq!([2.0 / 3.0, -2.0 / 3.0].map(|coefficient| solved(&TWO_NTHS, coefficient)), [Some(("n", 3.0)); 2]);
        assert_eq!(solved(&Expr::Product(Join::Juxtaposed, &[Expr::Name("½"), whole::X]), 0.5), None);
        assert_eq!(solved(&whole::X, 0.5), None);
        assert_eq!(solved(&crate::op::penalty::PENALTY_GRADIENT.right, 0.5), Some(("λ", 0.25)));
    }
}
