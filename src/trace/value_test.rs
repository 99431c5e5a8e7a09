//! Conditions on one number, in the form in which the user types them: `> 1`, `|x| >= 0.5`, `== 0`, `nan`.

use std::fmt;
use std::str::FromStr;

/// The relation of a number to the bound of its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueRelation {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    Greater,
    Nan,
    Infinite,
    NotFinite,
}

/// The relations with their signs. The first sign that matches is taken, so `<=` comes before `<`.
const RELATIONS: [(&str, ValueRelation); 9] = [
    ("<=", ValueRelation::AtMost),
    (">=", ValueRelation::AtLeast),
    ("==", ValueRelation::Equal),
    ("!=", ValueRelation::NotEqual),
    ("<", ValueRelation::Less),
    (">", ValueRelation::Greater),
    ("not finite", ValueRelation::NotFinite),
    ("nan", ValueRelation::Nan),
    ("inf", ValueRelation::Infinite),
];

/// A condition on one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueTest {
    /// `true` if the condition is on the absolute value |x|.
    pub is_on_magnitude: bool,
    relation: ValueRelation,
    bound: f64,
}

impl ValueTest {
    /// The condition that a number is NaN or infinite.
    pub const NOT_FINITE: Self = Self { is_on_magnitude: false, relation: ValueRelation::NotFinite, bound: 0.0 };

    /// Returns whether a number meets the condition. NaN meets no comparison except `!=`.
    #[must_use]
    pub fn holds(&self, number: f64) -> bool {
        let number = if self.is_on_magnitude { number.abs() } else { number };
        match self.relation {
            ValueRelation::Less => number < self.bound,
            ValueRelation::AtMost => number <= self.bound,
            ValueRelation::Equal => number == self.bound,
            ValueRelation::NotEqual => number != self.bound,
            ValueRelation::AtLeast => number >= self.bound,
            ValueRelation::Greater => number > self.bound,
            ValueRelation::Nan => number.is_nan(),
            ValueRelation::Infinite => number.is_infinite(),
            ValueRelation::NotFinite => !number.is_finite(),
        }
    }

    /// Returns whether a text looks like a condition, such as `> 1`, `|x| > 1` or `nan`, and not like the name of an op.
    #[must_use]
    pub fn starts_condition(text: &str) -> bool {
        let text = text.trim_start();
        text.starts_with(['<', '>', '=', '!', '|']) || RELATIONS.iter().any(|(sign, _)| text == *sign)
    }
}

impl FromStr for ValueTest {
    type Err = String;

    /// Parses a relation and its bound. An `x` or `|x|` may come before them.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_on_magnitude = text.starts_with("|x|");
        let text = text.strip_prefix("|x|").or_else(|| text.strip_prefix("x ")).unwrap_or(text).trim();
        let forms = "write > 1, < 0, == 0, nan, inf or |x| > 1";
        let (sign, relation) = RELATIONS.into_iter().find(|(sign, _)| text.starts_with(sign)).ok_or_else(|| {
            if text.starts_with('=') {
                "equality is written with two signs: == 0".to_owned()
            } else {
                format!("{text} is not a condition: {forms}")
            }
        })?;
        let rest = text[sign.len()..].trim();
        let takes_bound = !matches!(relation, ValueRelation::Nan | ValueRelation::Infinite | ValueRelation::NotFinite);
        let bound = match (takes_bound, rest.is_empty()) {
            (false, true) => 0.0,
            (false, false) => return Err(format!("{sign} is a condition of its own: {forms}")),
            (true, true) => return Err(format!("a number is missing after {sign}: {forms}")),
            (true, false) => rest.replace('−', "-").parse().map_err(|_| format!("{rest} is not a number: {forms}"))?,
        };
        Ok(Self { is_on_magnitude, relation, bound })
    }
}

/// Writes the relation and its bound. The caller writes the `x` or `|x|` before them.
impl fmt::Display for ValueTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = RELATIONS.iter().find(|(_, relation)| *relation == self.relation).map_or("", |(sign, _)| sign);
        match self.relation {
            ValueRelation::Nan | ValueRelation::Infinite | ValueRelation::NotFinite => f.write_str(sign),
            _ => write!(f, "{sign} {}", self.bound.to_string().replace('-', "−")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relation_is_displayed_as_it_was_written() {
        for text in ["< 0", "<= 1.5", "== 0", "!= 0", ">= 2", "> 1", "nan", "inf", "not finite"] {
            assert_eq!(text.parse::<ValueTest>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_condition_holds_for_the_numbers_that_meet_it() {
        let test: ValueTest = "|x| > 1".parse().expect("a condition");
        assert!(test.is_on_magnitude && test.holds(-2.0) && !test.holds(0.5) && !test.holds(f64::NAN));
        assert!("==0".parse::<ValueTest>().expect("a condition").holds(-0.0));
        assert!("< -1".parse::<ValueTest>().expect("a condition").holds(f64::NEG_INFINITY));
        assert!("x > 1".parse::<ValueTest>().expect("a condition").holds(1.5));
        for text in ["", ">", "= 1", "> one", "nan 1", "1 <", "conv1"] {
            assert!(text.parse::<ValueTest>().is_err(), "{text}");
        }
    }

    #[test]
    fn nan_and_infinity_are_told_apart() {
        let holds = |text: &str, number: f64| text.parse::<ValueTest>().expect(text).holds(number);
        assert!(holds("nan", f64::NAN) && !holds("nan", f64::INFINITY) && !holds("nan", 0.0));
        assert!(holds("inf", f64::NEG_INFINITY) && !holds("inf", f64::NAN) && !holds("inf", 1e300));
        assert!([f64::NAN, f64::INFINITY].iter().all(|number| ValueTest::NOT_FINITE.holds(*number)) && !ValueTest::NOT_FINITE.holds(0.0));
    }
}
