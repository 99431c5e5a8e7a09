//! NumPy expressions, simplified and printed as a person writes them.
//!
//! A product has one number in front, and then factors whose exponents are integers. So −½ y³ · ∂C/∂y is printed as `-0.5 * dy * y**3`, and 1/n · ∂C/∂y as
//! `dy / n`.

use crate::expr::Relation;
use crate::op::slot::Slot;

/// A NumPy expression.
#[derive(Clone, Debug, PartialEq)]
pub enum NumPyCode {
    /// The tensor in a slot.
    Slot(Slot),
    /// A number.
    Number(f64),
    /// A sum.
    Sum(Vec<NumPyCode>),
    /// A number times factors, each with its exponent, which is not 0.
    Product(f64, Vec<(NumPyCode, i32)>),
    /// A power.
    Power(Box<NumPyCode>, Box<NumPyCode>),
    /// A product of matrices: `a @ b`.
    MatMul(Box<NumPyCode>, Box<NumPyCode>),
    /// A call, as its text and its arguments. In the text, `{0}` stands for the first argument: `np.exp({0})`.
    Call(String, Vec<NumPyCode>),
    /// An expression with a text after it: `a.sum(0)`, `a.T`, `a[:, None]`.
    After(Box<NumPyCode>, String),
    /// An expression in the shape of the tensor in a slot: `a.reshape(x.shape)`.
    Reshaped(Box<NumPyCode>, Slot),
    /// A comparison of two expressions. Its value is a mask.
    Compare(Box<NumPyCode>, ComparisonSign, Box<NumPyCode>),
    /// The mask of the entries for which two masks are true: `(a > 0) & (a < 1)`.
    Both(Box<NumPyCode>, Box<NumPyCode>),
}

/// The operator of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonSign {
    /// The operator of a relation, such as `<`.
    Is(Relation),
    /// `!=`
    NotEqual,
}

impl ComparisonSign {
    /// The operator of the opposite relation: `>=` for `<`.
    fn negated(self) -> Self {
        match self {
            Self::NotEqual => Self::Is(Relation::Equal),
            Self::Is(Relation::Equal) => Self::NotEqual,
            Self::Is(Relation::Less) => Self::Is(Relation::AtLeast),
            Self::Is(Relation::AtMost) => Self::Is(Relation::Greater),
            Self::Is(Relation::AtLeast) => Self::Is(Relation::Less),
            Self::Is(Relation::Greater) => Self::Is(Relation::AtMost),
        }
    }

    /// The text of the operator.
    fn text(self) -> &'static str {
        match self {
            Self::NotEqual => "!=",
            Self::Is(Relation::Less) => "<",
            Self::Is(Relation::AtMost) => "<=",
            Self::Is(Relation::Equal) => "==",
            Self::Is(Relation::AtLeast) => ">=",
            Self::Is(Relation::Greater) => ">",
        }
    }
}

/// The precedence of the outermost operator of a text, from the weakest to the strongest. It decides whether the text needs parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CodePrecedence {
    Comparison,
    And,
    Sum,
    Product,
    Power,
    Atom,
}

impl NumPyCode {
    /// The input with this index.
    #[must_use]
    pub fn input(number: usize) -> Self {
        Self::Slot(Slot::Input(number))
    }

    /// ∂C/∂y.
    #[must_use]
    pub fn upstream() -> Self {
        Self::Slot(Slot::Upstream)
    }

    /// y.
    #[must_use]
    pub fn output() -> Self {
        Self::Slot(Slot::Output)
    }

    /// A call of a function with these arguments.
    #[must_use]
    pub fn call(function: &str, arguments: Vec<Self>) -> Self {
        let placeholders: Vec<String> = (0..arguments.len()).map(|n| format!("{{{n}}}")).collect();
        Self::Call(format!("{function}({})", placeholders.join(", ")), arguments)
    }

    /// The expression with a text after it, such as `.T`.
    #[must_use]
    pub fn then(self, after: impl Into<String>) -> Self {
        match (self, after.into()) {
            (code, after) if after.is_empty() => code,
            // (xᵀ)ᵀ = x
            (Self::After(code, before), after) if before == ".T" && after == ".T" => *code,
            (code, after) => Self::After(Box::new(code), after),
        }
    }

    /// The sum of the expression over axes. `rank` is the number of axes of the expression.
    #[must_use]
    pub fn sum_over(self, axes: &[usize], rank: usize, keepdims: bool) -> Self {
        match (axes, keepdims) {
            ([], _) => self,
            // the number in front of a product is written in front of the sum
            #[expect(clippy::float_cmp, reason = "1 is exact")]
            _ if matches!(self, Self::Product(number, _) if number != 1.0) => {
                let Self::Product(number, factors) = self else { return self };
                Self::Number(number).times(Self::product(1.0, factors).sum_over(axes, rank, keepdims))
            }
            (axes, false) if axes.len() == rank => self.then(".sum()"),
            (axes, _) => self.then(format!(".sum({}{})", axes_text(axes), if keepdims { ", keepdims=True" } else { "" })),
        }
    }

    /// The expression with its axes in another order: axis n of the result is axis `order[n]`.
    #[must_use]
    pub fn permuted(self, order: &[usize]) -> Self {
        let moved: Vec<usize> = (0..order.len()).filter(|axis| order[*axis] != *axis).collect();
        if moved.is_empty() {
            self
        } else if order.iter().rev().copied().eq(0..order.len()) {
            self.then(".T")
        } else if let [a, b] = moved[..] {
            self.then(format!(".swapaxes({a}, {b})"))
        } else {
            self.then(format!(".transpose{}", axes_text(order)))
        }
    }

    /// The sum of two expressions.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        if let (Self::Number(a), Self::Number(b)) = (&self, &other) {
            return Self::Number(a + b);
        }
        let mut terms = Vec::new();
        for code in [self, other] {
            match code {
                Self::Sum(inner) => terms.extend(inner),
                Self::Number(0.0) => {}
                code => terms.push(code),
            }
        }
        if terms.len() == 1 { terms.remove(0) } else { Self::Sum(terms) }
    }

    /// −x.
    #[must_use]
    pub fn negative(self) -> Self {
        Self::Number(-1.0).times(self)
    }

    /// The product of two expressions.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let (mut all_numbers, mut all_factors) = (1.0, Vec::new());
        for code in [self, other] {
            match code {
                Self::Number(number) => all_numbers *= number,
                Self::Product(number, factors) => {
                    all_numbers *= number;
                    for (factor, exponent) in factors {
                        multiply(&mut all_factors, factor, exponent);
                    }
                }
                code => multiply(&mut all_factors, code, 1),
            }
        }
        Self::product(all_numbers, all_factors)
    }

    /// The quotient of two expressions.
    #[must_use]
    pub fn over(self, divisor: Self) -> Self {
        self.times(divisor.to_the(-1))
    }

    /// The expression to the power of an integer.
    #[must_use]
    pub fn to_the(self, exponent: i32) -> Self {
        match self {
            Self::Number(number) => Self::Number(number.powi(exponent)),
            Self::Product(number, factors) => {
                // (xᵃ)ᵇ = xᵃᵇ
                let powers = factors.into_iter().map(|(factor, inner)| (factor, inner * exponent)).collect();
                Self::product(number.powi(exponent), powers)
            }
            code => Self::product(1.0, vec![(code, exponent)]),
        }
    }

    /// A number times factors with exponents, as the simplest expression.
    fn product(number: f64, mut factors: Vec<(Self, i32)>) -> Self {
        factors.retain(|(_, exponent)| *exponent != 0);
        match (&factors[..], number) {
            ([], _) | (_, 0.0) => Self::Number(number),
            ([(_, 1)], 1.0) => factors.remove(0).0,
            _ => Self::Product(number, factors),
        }
    }

    /// The expression to the power of another expression.
    #[must_use]
    pub fn power(self, exponent: Self) -> Self {
        /// The largest absolute value of an integer exponent that is passed to [`NumPyCode::to_the`].
        const LARGEST: i32 = 9;
        match exponent {
            #[expect(clippy::float_cmp, reason = "a whole number")]
            #[expect(clippy::cast_possible_truncation, reason = "a small whole number")]
            Self::Number(number) if number == number.trunc() && number.abs() <= f64::from(LARGEST) => self.to_the(number as i32),
            exponent => Self::Power(Box::new(self), Box::new(exponent)),
        }
    }

    /// The product of matrices.
    #[must_use]
    pub fn matmul(self, other: Self) -> Self {
        Self::MatMul(Box::new(self), Box::new(other))
    }

    /// The comparison of two expressions.
    #[must_use]
    pub fn compare(self, is: Relation, other: Self) -> Self {
        Self::Compare(Box::new(self), ComparisonSign::Is(is), Box::new(other))
    }

    /// `value` where the mask is true, and `other` elsewhere.
    #[must_use]
    pub fn choice(mask: Self, value: Self, other: Self) -> Self {
        match (mask, value, other) {
            (mask, Self::Number(1.0), Self::Number(0.0)) => mask,
            (Self::Compare(a, sign, b), Self::Number(0.0), Self::Number(1.0)) => Self::Compare(a, sign.negated(), b),
            (mask, value @ (Self::Compare(..) | Self::Both(..)), Self::Number(0.0)) => Self::Both(Box::new(mask), Box::new(value)),
            (mask, value, other) => Self::call("np.where", vec![mask, value, other]),
        }
    }

    /// The text without its sign, and `true` if a minus belongs before the text. `name` returns the name of an operand.
    pub fn unsigned_text(&self, name: &mut dyn FnMut(Slot) -> String) -> (String, bool) {
        let (text, precedence, is_negative) = self.print(name);
        (if precedence < CodePrecedence::Sum { format!("({text})") } else { text }, is_negative)
    }

    /// The text as an operand: in parentheses if its precedence is less than `least`, or if it is negative. An argument of a call (`least` is
    /// `Comparison`) needs no parentheses for its minus.
    fn operand(&self, least: CodePrecedence, name: &mut dyn FnMut(Slot) -> String) -> String {
        let (text, precedence, is_negative) = self.print(name);
        match is_negative {
            true if least > CodePrecedence::Comparison => format!("(-{text})"),
            true => format!("-{text}"),
            false if precedence < least => format!("({text})"),
            false => text,
        }
    }

    /// The text without its sign, the precedence of the text, and whether the sign is a minus. Only numbers and products have a minus as their sign.
    fn print(&self, name: &mut dyn FnMut(Slot) -> String) -> (String, CodePrecedence, bool) {
        match self {
            Self::Slot(slot) => (name(*slot), CodePrecedence::Atom, false),
            Self::Number(number) => (number_text(number.abs()), CodePrecedence::Atom, number.is_sign_negative() && *number != 0.0),
            Self::Sum(terms) => {
                let text = signed_sum(terms.iter().map(|term| term.unsigned_text(name)));
                (text, CodePrecedence::Sum, false)
            }
            Self::Product(number, factors) => (product_text(*number, factors, name), CodePrecedence::Product, *number < 0.0),
            Self::Power(base, exponent) => {
                // a negative number is written without parentheses: `a**-0.5`
                let exponent = match **exponent {
                    Self::Number(number) if number < 0.0 => format!("-{}", number_text(-number)),
                    ref exponent => exponent.operand(CodePrecedence::Atom, name),
                };
                (format!("{}**{exponent}", base.operand(CodePrecedence::Atom, name)), CodePrecedence::Power, false)
            }
            Self::MatMul(left, right) => {
                let left = left.operand(CodePrecedence::Product, name);
                (format!("{left} @ {}", right.operand(CodePrecedence::Power, name)), CodePrecedence::Product, false)
            }
            Self::Call(template, arguments) => {
                let mut text = template.clone();
                for (n, argument) in arguments.iter().enumerate() {
                    text = text.replace(&format!("{{{n}}}"), &argument.operand(CodePrecedence::Comparison, name));
                }
                (text, CodePrecedence::Atom, false)
            }
            Self::After(code, after) => (format!("{}{after}", code.operand(CodePrecedence::Atom, name)), CodePrecedence::Atom, false),
            Self::Reshaped(code, slot) => {
                let code = code.operand(CodePrecedence::Atom, name);
                (format!("{code}.reshape({}.shape)", name(*slot)), CodePrecedence::Atom, false)
            }
            Self::Compare(left, sign, right) => {
                let [left, right] = [left, right].map(|side| match **side {
                    Self::Number(number) => signed_number(number),
                    ref side => side.operand(CodePrecedence::Sum, name),
                });
                (format!("{left} {} {right}", sign.text()), CodePrecedence::Comparison, false)
            }
            Self::Both(left, right) => {
                let [left, right] = [left, right].map(|side| side.operand(CodePrecedence::And, name));
                (format!("{left} & {right}"), CodePrecedence::And, false)
            }
        }
    }
}

/// Appends a factor to a product. Equal factors become a power.
fn multiply(factors: &mut Vec<(NumPyCode, i32)>, factor: NumPyCode, exponent: i32) {
    match factors.iter_mut().find(|(base, _)| *base == factor) {
        Some((_, old_exponent)) => *old_exponent += exponent,
        None => factors.push((factor, exponent)),
    }
}

/// Returns a sum as text: `a - b + c`. Each term is a text, and `true` if a minus belongs before it.
pub fn signed_sum(terms: impl Iterator<Item = (String, bool)>) -> String {
    let mut text = String::new();
    for (n, (term, is_negative)) in terms.enumerate() {
        text.push_str(match (n, is_negative) {
            (0, false) => "",
            (0, true) => "-",
            (_, false) => " + ",
            (_, true) => " - ",
        });
        text.push_str(&term);
    }
    text
}

/// Returns the text of a product without its sign.
fn product_text(number: f64, factors: &[(NumPyCode, i32)], name: &mut dyn FnMut(Slot) -> String) -> String {
    let mut power = |(factor, exponent): &(NumPyCode, i32)| match exponent.unsigned_abs() {
        1 => factor.operand(CodePrecedence::Power, name),
        exponent => format!("{}**{exponent}", factor.operand(CodePrecedence::Atom, name)),
    };
    let mut above: Vec<String> = factors.iter().filter(|(_, exponent)| *exponent > 0).map(&mut power).collect();
    let mut below: Vec<String> = factors.iter().filter(|(_, exponent)| *exponent < 0).map(&mut power).collect();
    // a number 1/n with 2 < n < 10⁹ becomes a divisor: `dy / 3`, but `0.5 * dy`
    let magnitude = number.abs();
    let inverse = (1.0 / magnitude).round();
    #[expect(clippy::float_cmp, reason = "the text must have the same value")]
    if !above.is_empty() && magnitude < 0.5 && inverse < 1e9 && 1.0 / inverse == magnitude {
        below.insert(0, number_text(inverse));
    } else if magnitude != 1.0 || above.is_empty() {
        above.insert(0, number_text(magnitude));
    }
    let above = above.join(" * ");
    match &below[..] {
        [] => above,
        [only] => format!("{above} / {only}"),
        all => format!("{above} / ({})", all.join(" * ")),
    }
}

/// Returns a number in Python's notation.
#[must_use]
pub fn signed_number(value: f64) -> String {
    let text = number_text(value.abs());
    if value < 0.0 { format!("-{text}") } else { text }
}

/// Returns a number, which is not negative, in Python's notation.
fn number_text(value: f64) -> String {
    if value.is_nan() {
        "np.nan".to_owned()
    } else if value.is_infinite() {
        "np.inf".to_owned()
    } else if (1e-5..1e16).contains(&value) || value == 0.0 {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// Returns axes in Python's notation: `1`, `(0, 1)`.
#[must_use]
pub fn axes_text(all: &[usize]) -> String {
    match all {
        [only] => only.to_string(),
        _ => format!("({})", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(code: &NumPyCode) -> String {
        let name = &mut |slot: Slot| match slot {
            Slot::Input(n) => ["a", "b", "c"][n].to_owned(),
            Slot::Output => "y".to_owned(),
            _ => "dy".to_owned(),
        };
        let (text, is_negative) = code.unsigned_text(name);
        if is_negative { format!("-{text}") } else { text }
    }

    #[test]
    fn products_are_written_without_needless_brackets() {
        let (a, b, y, dy) = (|| NumPyCode::input(0), || NumPyCode::input(1), NumPyCode::output, NumPyCode::upstream);
        let number = NumPyCode::Number;
        assert_eq!(text(&dy().times(number(-0.5).times(y().to_the(3)))), "-0.5 * dy * y**3");
        assert_eq!(text(&dy().times(number(1.0 / 3.0))), "dy / 3");
        assert_eq!(text(&dy().over(b())), "dy / b");
        assert_eq!(text(&dy().times(a().negative().over(b()).over(b()))), "-dy * a / b**2");
        assert_eq!(text(&dy().times(number(1.0).plus(y().to_the(2).negative()))), "dy * (1 - y**2)");
        assert_eq!(text(&dy().times(a().compare(Relation::Greater, number(0.0)))), "dy * (a > 0)");
        assert_eq!(text(&a().plus(b()).negative().then(".sum(0)")), "(-(a + b)).sum(0)");
        assert_eq!(text(&a().times(b()).then(".T").then(".T")), "a * b");
        assert_eq!(text(&a().power(number(-0.5)).times(dy())), "a**-0.5 * dy");
        assert_eq!(text(&a().plus(b()).matmul(dy().matmul(a()))), "(a + b) @ (dy @ a)");
        assert_eq!(text(&number(1.0).over(a())), "1 / a");
        assert_eq!(text(&a().over(b().times(y()))), "a / (b * y)");
    }
}
