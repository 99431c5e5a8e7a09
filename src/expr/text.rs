//! The text of an expression, with the brackets that it needs: as one factor of a product, and as an equation in Unicode, ASCII or LaTeX.

use std::borrow::Cow;

use super::notation::{COMMANDS, Notation, Sign, letter, number};
use super::{Case, Definition, Expr, Form, Join, Primitive, Slot};
use crate::glyph;

/// The part of an operand that an expression names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandPart {
    /// The current entry.
    Entry,
    /// The whole operand.
    Whole,
    /// The letter of its entries, before indices such as ᵢⱼ.
    Letter,
}

/// Operator precedence. An expression is bracketed if its own is lower than its context requires.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    Clause,
    Sum,
    Product,
    Juxtaposed,
    Quotient,
    Postfix,
    Single,
}

impl Primitive {
    /// Text of the function with its arguments, as one step of a trace.
    #[must_use]
    pub fn text(&self, arguments: &[String]) -> String {
        match (self.form, arguments) {
            (Form::Product, _) => arguments.join("·"),
            // −2 ^ 2 would be −(2 ^ 2)
            (Form::Power, [base, exponent]) if base.starts_with(['−', '-']) => format!("({base}) {} {exponent}", self.name),
            (Form::Infix | Form::Power, _) => arguments.join(&format!(" {} ", self.name)),
            (Form::Given, [first, rest @ ..]) if !rest.is_empty() => format!("{}({first} | {})", self.name, rest.join(", ")),
            _ => format!("{}({})", self.name, arguments.join(", ")),
        }
    }

    /// The definition: `relu(z) = 0 if z ≤ 0, else z`, or just `tanh(z)` for a function without one.
    #[must_use]
    pub fn definition_text(&self, notation: Notation) -> String {
        let arguments: Vec<Expr> = self.arguments.iter().map(|name| Expr::Name(name)).collect();
        let mut printer = Printer { notation, spaced: true, name: &mut |slot, _| slot.to_string(), arguments: &[], to: String::new() };
        printer.function(self);
        // the other arguments are constant keys of an activation: elu(z), not elu(z, α)
        printer.bracketed(|printer| printer.write(&arguments[0], Precedence::Clause));
        let body = match (self.meaning, self.definition) {
            (Some(meaning), _) => Some(meaning),
            (None, Definition::Expr(expr)) => Some(expr),
            _ => None,
        };
        if let Some(body) = body {
            printer.sign(Sign::Equals);
            Printer { arguments: &arguments, to: printer.to, ..printer }.whole(body)
        } else {
            printer.to
        }
    }

    /// The name in equations.
    fn in_notation(&self, notation: Notation) -> Cow<'static, str> {
        match notation {
            Notation::Unicode => self.symbol.into(),
            Notation::Ascii => self.name.into(),
            Notation::Latex if COMMANDS.contains(&self.symbol) => format!(r"\{}", self.symbol).into(),
            Notation::Latex if self.symbol == "Σ" => r"\sum".into(),
            Notation::Latex if self.symbol == self.name => format!(r"\operatorname{{{}}}", self.name.replace('_', r"\_")).into(),
            Notation::Latex => letter(self.symbol, notation),
        }
    }
}

impl Expr {
    /// Text of the expression as one factor of a product. `name` returns the name of an entry of the operand in a slot, or with `true` of the whole operand.
    pub fn text(&self, name: &mut dyn FnMut(Slot, bool) -> String) -> String {
        let name = &mut |slot, part| name(slot, part == OperandPart::Whole);
        let mut printer = Printer { notation: Notation::Unicode, spaced: false, name, arguments: &[], to: String::new() };
        printer.write(self, Precedence::Quotient);
        printer.to
    }

    /// Text of the expression as the right-hand side of an equation. `arguments` replace [`Expr::Arg`]; `name` returns the name of the operand in a slot, in
    /// the same notation.
    pub fn equation(&self, notation: Notation, arguments: &[Self], mut name: impl FnMut(Slot, OperandPart) -> String) -> String {
        Printer { notation, spaced: true, name: &mut name, arguments, to: String::new() }.whole(self)
    }

    /// Text of the expression as a further term of a sum, with its sign: `+ b` or `− b`.
    pub fn further_term(&self, notation: Notation, arguments: &[Self], mut name: impl FnMut(Slot, OperandPart) -> String) -> String {
        let (sign, term) = match self {
            Self::Neg(term) => (Sign::Minus, *term),
            term => (Sign::Plus, term),
        };
        let mut printer = Printer { notation, spaced: true, name: &mut name, arguments, to: String::new() };
        printer.to.push_str(sign.text(notation).trim_start());
        printer.write(term, if matches!(term, Self::Remark(..) | Self::Where(_)) { Precedence::Clause } else { Precedence::Product });
        printer.to
    }
}

/// The printer of one expression, with the text so far.
struct Printer<'p> {
    notation: Notation,
    /// Whether signs have spaces around them, as in equations but not in factors.
    spaced: bool,
    name: &'p mut dyn FnMut(Slot, OperandPart) -> String,
    arguments: &'p [Expr],
    to: String,
}

impl Printer<'_> {
    fn whole(mut self, expr: &Expr) -> String {
        self.write(expr, Precedence::Clause);
        self.to
    }

    fn sign(&mut self, sign: Sign) {
        let text = sign.text(self.notation);
        self.to.push_str(if self.spaced { text } else { text.trim() });
    }

    fn bracketed(&mut self, write: impl FnOnce(&mut Self)) {
        self.sign(Sign::Open);
        write(self);
        self.sign(Sign::Close);
    }

    fn precedence(&self, expr: &Expr) -> Precedence {
        match expr {
            Expr::Remark(..) | Expr::Where(_) | Expr::Equal(_) | Expr::Cases(..) => Precedence::Clause,
            Expr::Neg(_) | Expr::Add(_) | Expr::Sub(_) => Precedence::Sum,
            Expr::Number(number) if number.is_sign_negative() => Precedence::Sum,
            Expr::Mul(_) | Expr::Product(Join::Hadamard | Join::Convolution, _) => Precedence::Product,
            Expr::Div(_) if self.spaced && !self.is_ratio(expr) => Precedence::Product,
            Expr::Product(Join::Matrix, _) => Precedence::Juxtaposed,
            Expr::Of(Primitive { form: Form::Operator | Form::Sum, .. }, _) if self.spaced => Precedence::Juxtaposed,
            Expr::Of(Primitive { form: Form::Meaning | Form::Infix, meaning: Some(meaning), .. }, _) => self.precedence(meaning),
            Expr::Div(_) | Expr::Partial(_) | Expr::Quotient(_) => Precedence::Quotient,
            Expr::Square(_) | Expr::Transposed(_) | Expr::Of(Primitive { form: Form::Power, .. }, _) => Precedence::Postfix,
            Expr::Arg(n) => self.arguments.get(*n).map_or(Precedence::Single, |argument| self.precedence(argument)),
            _ => Precedence::Single,
        }
    }

    /// Returns whether the expression is a fraction of two constants, such as 1/n, or is one in LaTeX.
    fn is_ratio(&self, expr: &Expr) -> bool {
        let is_constant = |expr: &Expr| matches!(expr, Expr::Number(_) | Expr::Name(_));
        matches!(expr, Expr::Div([a, b]) if self.notation == Notation::Latex || (is_constant(a) && is_constant(b)))
    }

    fn write(&mut self, expr: &Expr, wanted: Precedence) {
        if self.precedence(expr) < wanted {
            self.bracketed(|printer| printer.bare(expr));
        } else {
            self.bare(expr);
        }
    }

    fn bare(&mut self, expr: &Expr) {
        use Precedence::{Clause, Juxtaposed, Product, Quotient, Sum};
        match *expr {
            Expr::Entry(slot) => self.operand(slot, OperandPart::Entry),
            Expr::All(slot) => self.operand(slot, OperandPart::Whole),
            Expr::Arg(n) => match self.arguments.get(n) {
                Some(argument) => self.bare(&argument.clone()),
                None => self.to.push('?'),
            },
            Expr::Number(value) => self.to.push_str(&number(value, self.notation)),
            Expr::Shut => self.to.push('0'),
            Expr::Name(text) => self.to.push_str(&letter(text, self.notation)),
            Expr::Neg(a) => {
                self.sign(Sign::Negative);
                self.write(a, Product);
            }
            Expr::Add(both) => self.joined(both, Sign::Plus, [Sum, Product]),
            Expr::Sub(both) => self.joined(both, Sign::Minus, [Sum, Product]),
            Expr::Mul(both) => self.joined(both, Sign::Times, [Product, if self.spaced { Juxtaposed } else { Quotient }]),
            Expr::Div(both) => self.division(both, expr),
            Expr::Product(Join::Hadamard, both) => self.joined(both, Sign::Hadamard, [Product, Juxtaposed]),
            Expr::Product(Join::Convolution, both) => self.joined(both, Sign::Convolution, [Product, Juxtaposed]),
            Expr::Product(Join::Matrix, [a, b]) => {
                self.write(a, Juxtaposed);
                self.to.push_str(if self.notation == Notation::Latex { r" \, " } else { " " });
                self.write(b, Juxtaposed);
            }
            Expr::Inner([a, b]) => {
                self.sign(Sign::InnerOpen);
                self.listed(&[*a, *b], ", ");
                self.sign(Sign::InnerClose);
            }
            Expr::Square(a) => self.raised(a, Sign::Square),
            Expr::Transposed(a) => self.raised(a, Sign::Transposed),
            Expr::Indexed(a, indices) => self.indexed(a, indices),
            Expr::Of(function, arguments) => self.application(function, arguments),
            Expr::Prime(function, arguments) => {
                self.function(function);
                self.sign(Sign::Prime);
                self.bracketed(|printer| printer.listed(arguments, ", "));
            }
            Expr::Partial(slot) => self.quotient(&Expr::Entry(Slot::Output), &Expr::Entry(slot)),
            Expr::Quotient([a, b]) => self.quotient(a, b),
            Expr::Cases(cases, other) => self.cases(cases, other),
            Expr::Remark(a, words) => {
                self.write(a, Sum);
                self.words(&format!(" {words}"));
            }
            Expr::Equal(sides) => self.listed(sides, Sign::Equals.text(self.notation)),
            Expr::Where([a, definition]) => {
                self.write(a, Clause);
                self.to.push_str(if self.notation == Notation::Latex { r", \quad " } else { ",  " });
                self.write(definition, Clause);
            }
        }
    }

    fn operand(&mut self, slot: Slot, part: OperandPart) {
        let text = (self.name)(slot, part);
        self.to.push_str(&text);
    }

    fn joined(&mut self, both: &[Expr; 2], sign: Sign, wanted: [Precedence; 2]) {
        self.write(&both[0], wanted[0]);
        self.sign(sign);
        self.write(&both[1], wanted[1]);
    }

    fn listed(&mut self, all: &[Expr], sign: &str) {
        for (n, expr) in all.iter().enumerate() {
            if n > 0 {
                self.to.push_str(sign);
            }
            self.write(expr, Precedence::Sum);
        }
    }

    fn division(&mut self, both: &[Expr; 2], expr: &Expr) {
        let [a, b] = both;
        if self.notation == Notation::Latex {
            self.fraction(|printer| printer.write(a, Precedence::Clause), |printer| printer.write(b, Precedence::Clause));
        } else if self.is_ratio(expr) || !self.spaced {
            self.write(a, Precedence::Single);
            self.to.push('/');
            self.write(b, Precedence::Single);
        } else {
            self.joined(both, Sign::Divided, [Precedence::Product, Precedence::Quotient]);
        }
    }

    /// An expression with a superscript. In LaTeX it is grouped, as it may have a superscript of its own.
    fn raised(&mut self, a: &Expr, sign: Sign) {
        let [open, close] = if self.notation == Notation::Latex { ["{", "}"] } else { [""; 2] };
        self.to.push_str(open);
        self.write(a, Precedence::Single);
        self.to.push_str(close);
        self.sign(sign);
    }

    fn fraction(&mut self, above: impl FnOnce(&mut Self), below: impl FnOnce(&mut Self)) {
        self.to.push_str(r"\frac{");
        above(self);
        self.to.push_str("}{");
        below(self);
        self.to.push('}');
    }

    fn quotient(&mut self, a: &Expr, b: &Expr) {
        let partial = |printer: &mut Self, expr: &Expr| {
            printer.sign(Sign::Partial);
            printer.write(expr, Precedence::Single);
        };
        if self.notation == Notation::Latex {
            self.fraction(|printer| partial(printer, a), |printer| partial(printer, b));
        } else {
            partial(self, a);
            self.to.push('/');
            partial(self, b);
        }
    }

    fn indexed(&mut self, a: &Expr, indices: &str) {
        match *a {
            Expr::Entry(slot) => self.operand(slot, OperandPart::Letter),
            ref other => self.write(other, Precedence::Single),
        }
        match self.notation {
            Notation::Unicode => self.to.extend(indices.chars().map(glyph::lowered)),
            Notation::Ascii => self.to.extend(["_", indices]),
            Notation::Latex => self.to.extend(["_{", indices, "}"]),
        }
    }

    /// The name of a function: its symbol in equations.
    fn function(&mut self, function: &Primitive) {
        let name = if self.spaced { function.in_notation(self.notation) } else { function.name.into() };
        self.to.push_str(&name);
    }

    fn application(&mut self, function: &Primitive, arguments: &[Expr]) {
        match (function.form, function.meaning, arguments) {
            (Form::Meaning | Form::Infix, Some(meaning), _) => {
                let inner: Vec<Expr> = arguments.iter().map(|argument| self.resolved(argument)).collect();
                let to = std::mem::take(&mut self.to);
                let printer = Printer { notation: self.notation, spaced: self.spaced, name: &mut *self.name, arguments: &inner, to };
                self.to = { printer }.whole(meaning);
            }
            (Form::Root, _, [a]) if self.spaced && self.notation == Notation::Latex => {
                self.to.push_str(r"\sqrt{");
                self.write(a, Precedence::Clause);
                self.to.push('}');
            }
            (Form::Root, _, [a]) if self.spaced && self.notation == Notation::Unicode => {
                self.to.push_str(function.symbol);
                self.write(a, Precedence::Single);
            }
            (Form::Bars, _, [a]) if self.spaced => {
                let [open, close] = if self.notation == Notation::Latex { [r"\left|", r"\right|"] } else { ["|"; 2] };
                self.to.push_str(open);
                self.write(a, Precedence::Clause);
                self.to.push_str(close);
            }
            (Form::Power, _, [a, b]) if self.spaced && self.notation == Notation::Latex => {
                self.to.push('{');
                self.write(a, Precedence::Single);
                self.to.extend(["}", function.symbol, "{"]);
                self.write(b, Precedence::Clause);
                self.to.push('}');
            }
            (Form::Power, _, [a, b]) => {
                self.write(a, Precedence::Single);
                self.to.extend([" ", function.symbol, " "]);
                self.write(b, Precedence::Single);
            }
            (Form::Operator | Form::Sum, _, [a]) if self.spaced => {
                let wanted = if function.form == Form::Sum { Precedence::Product } else { Precedence::Postfix };
                self.function(function);
                if function.form == Form::Sum || self.precedence(a) >= wanted {
                    self.to.push(' ');
                }
                self.write(a, wanted);
            }
            (Form::Given, _, [first, rest @ ..]) if !rest.is_empty() => {
                self.function(function);
                self.bracketed(|printer| {
                    printer.write(first, Precedence::Sum);
                    printer.to.push_str(Sign::Given.text(printer.notation));
                    printer.listed(rest, ", ");
                });
            }
            _ => {
                self.function(function);
                self.bracketed(|printer| printer.listed(arguments, ", "));
            }
        }
    }

    /// An argument of a function whose meaning is printed in its place.
    fn resolved(&self, argument: &Expr) -> Expr {
        match argument {
            Expr::Arg(n) => self.arguments.get(*n).copied().unwrap_or(*argument),
            other => *other,
        }
    }

    fn cases(&mut self, cases: &[Case], other: &Expr) {
        let latex = self.notation == Notation::Latex;
        self.to.push_str(if latex { r"\begin{cases} " } else { "" });
        for Case { left, is, right, value } in cases {
            self.write(value, Precedence::Sum);
            self.to.push_str(if latex { r" & \text{if } " } else { " if " });
            self.write(left, Precedence::Sum);
            self.to.push_str(is.text(self.notation));
            self.write(right, Precedence::Sum);
            self.to.push_str(if latex { r" \\ " } else { ", " });
        }
        self.to.push_str(if latex { "" } else { "else " });
        self.write(other, Precedence::Sum);
        self.to.push_str(if latex { r" & \text{else} \end{cases}" } else { "" });
    }

    fn words(&mut self, words: &str) {
        match self.notation {
            Notation::Latex => self.to.extend([r"\text{", words, "}"]),
            Notation::Unicode | Notation::Ascii => self.to.push_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Slot::{Input, Output, Upstream};
    use super::*;
    use crate::expr::{LOG, SQRT, SUM, whole};

    const A: Expr = Expr::Entry(Input(0));
    const T: Expr = Expr::Entry(Input(1));
    const ONE: Expr = Expr::Number(1.0);

    #[test]
    fn only_necessary_brackets_are_printed() {
        const SOFTMAX: &Primitive = &Primitive::new("softmax");
        let text = |expr: Expr| expr.text(&mut |slot, all| if all { format!("[{slot}]") } else { slot.to_string() });
        assert_eq!(text(Expr::Sub(&[A, T])), "(0−1)");
        assert_eq!(text(Expr::Div(&[T, A])), "1/0");
        assert_eq!(text(Expr::Div(&[Expr::Sub(&[ONE, T]), Expr::Sub(&[ONE, A])])), "(1−1)/(1−0)");
        assert_eq!(text(Expr::Of(LOG, &[Expr::Sub(&[ONE, A])])), "log(1−0)");
        assert_eq!(text(Expr::Of(LOG, &[Expr::Of(SOFTMAX, &[A, Expr::All(Input(0))])])), "log(softmax(0 | [0]))");
        let moved = Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]);
        assert_eq!(text(moved), "(dy·y)");
        assert_eq!(text(Expr::Neg(&Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)]))), "(−dy·y)");
        assert_eq!(text(Expr::Mul(&[T, Expr::Mul(&[Expr::Entry(Upstream), Expr::Entry(Output)])])), "(1·(dy·y))");
        assert_eq!(text(Expr::Partial(Input(1))), "∂y/∂1");
        assert_eq!(text(Expr::Prime(LOG, &[A])), "log′(0)");
        let power = |base: &str| Primitive::new("^").form(Form::Power).text(&[base.to_owned(), "−2".to_owned()]);
        assert_eq!((power("3"), power("−3")), ("3 ^ −2".to_owned(), "(−3) ^ −2".to_owned()));
    }

    #[test]
    fn an_equation_is_written_in_three_notations() {
        let texts = |expr: Expr| {
            [Notation::Unicode, Notation::Ascii, Notation::Latex].map(|notation| {
                expr.equation(notation, &[Expr::Number(-0.5)], |slot, _| match slot {
                    Input(0) => "a".to_owned(),
                    Input(_) => "t".to_owned(),
                    _ => letter("δ", notation).into_owned(),
                })
            })
        };
        let half_square =
            Expr::Product(Join::Matrix, &[Expr::Name("½"), Expr::Of(SUM, &[Expr::Square(&Expr::Sub(&[whole::X, whole::W]))])]);
        assert_eq!(texts(half_square), ["½ Σ (a − t)²", "1/2 sum (a - t)^2", r"\tfrac{1}{2} \, \sum {\left(a - t\right)}^{2}"]);
        let share = Expr::Mul(&[whole::SHARE, Expr::Product(Join::Hadamard, &[whole::DY, whole::X])]);
        assert_eq!(texts(share), ["1/n · (δ ∘ a)", "1/n * (e o a)", r"\frac{1}{n} \cdot \left(\delta \circ a\right)"]);
        let entropy = Expr::Neg(&Expr::Of(SUM, &[Expr::Product(Join::Matrix, &[whole::W, Expr::Of(LOG, &[whole::X])])]));
        assert_eq!(texts(entropy), ["−Σ t log a", "-sum t log a", r"-\sum t \, \log a"]);
        let scaled = Expr::Div(&[whole::X, Expr::Sub(&[whole::ONE, Expr::Arg(0)])]);
        assert_eq!(texts(scaled), ["a / (1 − (−0.5))", "a / (1 - (-0.5))", r"\frac{a}{1 - \left(-0.5\right)}"]);
        let rstd = Expr::Div(&[whole::ONE, Expr::Of(SQRT, &[Expr::Add(&[whole::X, Expr::Name("ε")])])]);
        assert_eq!(texts(rstd), ["1 / √(a + ε)", "1 / sqrt(a + E)", r"\frac{1}{\sqrt{a + \varepsilon}}"]);
        let both = Expr::Equal(&[Expr::Indexed(&Expr::Name("J"), "ji"), Expr::Quotient(&[A, T])]);
        assert_eq!(texts(both), ["Jⱼᵢ = ∂a/∂t", "J_ji = da/dt", r"J_{ji} = \frac{\partial a}{\partial t}"]);
    }
}
