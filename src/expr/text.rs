//! The text of an expression, with as few brackets as possible.
//!
//! There are two styles. In a step of a trace, the expression is a factor of a product and has no spaces: `(a−t)`. In an equation, signs have spaces around
//! them, and the notation is Unicode, ASCII or LaTeX: `a − t`.

use std::borrow::Cow;

use super::notation::{LATEX_COMMANDS, Notation, Sign, letter, number};
use super::{Case, Definition, Expr, Form, Join, Primitive, Slot};
use crate::glyph;

/// The form in which an expression names an operand: as one entry, as the whole tensor, or by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandForm {
    /// The current entry, with its index.
    Entry,
    /// The whole operand.
    Whole,
    /// The letter of an entry, without an index. The expression itself writes indices such as ᵢⱼ after the letter.
    Letter,
}

/// The precedence of operators, from the loosest to the tightest. An expression is put in brackets if its precedence is lower than its context allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    /// Anything, such as `a = b` or cases.
    Clause,
    /// `a + b`, `−a`
    Sum,
    /// `a · b`, `a / b`
    Product,
    /// `W a`, `log a`
    Juxtaposed,
    /// `1/n`, `∂a/∂b`
    Quotient,
    /// `a²`, `aᵀ`
    Postfix,
    /// A letter, a number or `f(a)`.
    Single,
}

impl Primitive {
    /// The function with the texts of its arguments, as in a step of a trace: `max(a, b)`. In ASCII it has the same text as in Unicode.
    #[must_use]
    pub fn text(&self, arguments: &[String], notation: Notation) -> String {
        let [open, close] = [Sign::Open, Sign::Close].map(|sign| sign.text(notation));
        match (self.form, arguments) {
            (Form::Product, _) if notation == Notation::Latex => arguments.join(Sign::Times.text(notation)),
            (Form::Power, [base, exponent]) if notation == Notation::Latex => {
                let base = if base.starts_with('-') { format!("{open}{base}{close}") } else { base.clone() };
                format!("{{{base}}}^{{{exponent}}}")
            }
            (Form::Infix, _) if notation == Notation::Latex => arguments.join(&format!(" {} ", letter(self.name, notation))),
            (Form::Given, [first, rest @ ..]) if notation == Notation::Latex && !rest.is_empty() => {
                format!("{}{open}{first}{}{}{close}", self.name_in(notation), Sign::Given.text(notation), rest.join(", "))
            }
            _ if notation == Notation::Latex => format!("{}{open}{}{close}", self.name_in(notation), arguments.join(", ")),
            (Form::Product, _) => arguments.join("·"),
            // without brackets, −2 ^ 2 would mean −(2 ^ 2)
            (Form::Power, [base, exponent]) if base.starts_with(['−', '-']) => format!("({base}) {} {exponent}", self.name),
            (Form::Infix | Form::Power, _) => arguments.join(&format!(" {} ", self.name)),
            (Form::Given, [first, rest @ ..]) if !rest.is_empty() => format!("{}({first} | {})", self.name, rest.join(", ")),
            _ => format!("{}({})", self.name_in_step(), arguments.join(", ")),
        }
    }

    /// Returns the definition, such as `relu(z) = 0 if z ≤ 0, else z`. If the function has no definition that can be printed, returns only its name and
    /// argument: `tanh(z)`.
    #[must_use]
    pub fn definition_text(&self, notation: Notation) -> String {
        let arguments: Vec<Expr> = self.arguments.iter().map(|name| Expr::Name(name)).collect();
        let mut printer = Printer { notation, is_equation: true, name: &mut |slot, _| slot.to_string(), arguments: &[], to: String::new() };
        printer.function_name(self);
        // the other arguments are constants of the scenario file, such as the α of elu, so elu(z) is printed, and not elu(z, α)
        printer.bracketed(|printer| printer.write(&arguments[0], Precedence::Clause));
        let body = match (self.meaning, self.definition) {
            (Some(meaning), _) => Some(meaning),
            (None, Definition::Expr(expr)) => Some(expr),
            _ => None,
        };
        if let Some(body) = body {
            printer.sign(Sign::Equals);
            Printer { arguments: &arguments, to: printer.to, ..printer }.finish(body)
        } else {
            printer.to
        }
    }

    /// Returns the name in a step, in Unicode. If an equation writes the function as a call, such as `σ(z)`, it is the symbol. Otherwise it is the name, such
    /// as `sum(…)` for `Σ`.
    fn name_in_step(&self) -> &'static str {
        if matches!(self.form, Form::Call | Form::Given) { self.symbol } else { self.name }
    }

    /// The name of the function in equations.
    fn name_in(&self, notation: Notation) -> Cow<'static, str> {
        match notation {
            Notation::Unicode => self.symbol.into(),
            Notation::Ascii => self.name.into(),
            Notation::Latex if LATEX_COMMANDS.contains(&self.symbol) => format!(r"\{}", self.symbol).into(),
            Notation::Latex if self.symbol == "Σ" => r"\sum".into(),
            // the index of a sum is written below its sign: Σⱼ
            Notation::Latex if self.symbol.starts_with('Σ') => {
                format!(r"\sum_{{{}}}", glyph::ascii_text(self.symbol.trim_start_matches('Σ'))).into()
            }
            Notation::Latex if self.symbol == self.name => format!(r"\operatorname{{{}}}", self.name.replace('_', r"\_")).into(),
            Notation::Latex => letter(self.symbol, notation),
        }
    }
}

impl Expr {
    /// Returns the text of the expression as one factor of a product. `name(slot, is_whole)` returns the name of the operand in a slot, or of its current
    /// entry. In LaTeX, signs have spaces, as in an equation.
    pub fn text(&self, notation: Notation, name: &mut dyn FnMut(Slot, bool) -> String) -> String {
        let name = &mut |slot, form| name(slot, form == OperandForm::Whole);
        let mut printer = Printer { notation, is_equation: notation == Notation::Latex, name, arguments: &[], to: String::new() };
        // a sum or a product is put in brackets if it is a factor
        printer.write(self, Precedence::Quotient);
        printer.to
    }

    /// Returns the text of the expression as the right-hand side of an equation. `arguments` replace [`Expr::Arg`]. `name` returns the name of the operand in a
    /// slot, in `notation`.
    pub fn equation(&self, notation: Notation, arguments: &[Self], mut name: impl FnMut(Slot, OperandForm) -> String) -> String {
        Printer { notation, is_equation: true, name: &mut name, arguments, to: String::new() }.finish(self)
    }

    /// Returns the text of the expression as a later term of a sum, with its sign: `+ b` or `− b`. The arguments are those of [`Expr::equation`].
    pub fn further_term(&self, notation: Notation, arguments: &[Self], mut name: impl FnMut(Slot, OperandForm) -> String) -> String {
        let (sign, term) = match self {
            Self::Neg(term) => (Sign::Minus, *term),
            term => (Sign::Plus, term),
        };
        let mut printer = Printer { notation, is_equation: true, name: &mut name, arguments, to: String::new() };
        printer.to.push_str(sign.text(notation).trim_start());
        // if words end the sum, no brackets are needed
        printer.write(term, if matches!(term, Self::Remark(..) | Self::Where(_)) { Precedence::Clause } else { Precedence::Product });
        printer.to
    }
}

/// The printer of one expression.
struct Printer<'p> {
    notation: Notation,
    /// `true` for an equation, whose signs have spaces around them; `false` for a factor.
    is_equation: bool,
    /// Returns the name of the operand in a slot.
    name: &'p mut dyn FnMut(Slot, OperandForm) -> String,
    /// The expressions that replace [`Expr::Arg`].
    arguments: &'p [Expr],
    /// The text so far.
    to: String,
}

impl Printer<'_> {
    /// Appends the expression and returns the whole text.
    fn finish(mut self, expr: &Expr) -> String {
        self.write(expr, Precedence::Clause);
        self.to
    }

    fn sign(&mut self, sign: Sign) {
        let text = sign.text(self.notation);
        self.to.push_str(if self.is_equation { text } else { text.trim() });
    }

    /// Appends an opening bracket, then the text that `write` appends, then a closing bracket.
    fn bracketed(&mut self, write: impl FnOnce(&mut Self)) {
        self.sign(Sign::Open);
        write(self);
        self.sign(Sign::Close);
    }

    /// Returns the precedence of the outermost operator of the printed expression.
    fn precedence(&self, expr: &Expr) -> Precedence {
        match expr {
            Expr::Remark(..)
            | Expr::Where(_)
            | Expr::Equal(_)
            | Expr::Cases(..)
            | Expr::Of(Primitive { form: Form::Infix, meaning: None, .. }, _) => Precedence::Clause,
            Expr::Neg(_) | Expr::Add(_) | Expr::Sub(_) => Precedence::Sum,
            Expr::Number(number) if number.is_sign_negative() => Precedence::Sum,
            Expr::Mul(_) | Expr::Product(Join::Hadamard | Join::Convolution, _) => Precedence::Product,
            Expr::Div(_) if self.is_equation && !self.is_fraction(expr) => Precedence::Product,
            Expr::Product(Join::Juxtaposed, _) => Precedence::Juxtaposed,
            Expr::Of(Primitive { form: Form::Operator | Form::Sum, .. }, _) if self.is_equation => Precedence::Juxtaposed,
            Expr::Of(Primitive { form: Form::Meaning | Form::Infix, meaning: Some(meaning), .. }, _) => self.precedence(meaning),
            Expr::Div(_) | Expr::Partial(_) | Expr::RepeatedPartial(_) | Expr::PartialOf(_) => Precedence::Quotient,
            Expr::Square(_) | Expr::Transposed(_) | Expr::Of(Primitive { form: Form::Power, .. }, _) => Precedence::Postfix,
            Expr::Arg(n) => self.arguments.get(*n).map_or(Precedence::Single, |argument| self.precedence(argument)),
            _ => Precedence::Single,
        }
    }

    /// Returns whether a division is printed as a fraction without spaces. In LaTeX every division is; otherwise, only a division of two constants is, such as
    /// 1/n.
    fn is_fraction(&self, expr: &Expr) -> bool {
        let is_constant = |expr: &Expr| matches!(expr, Expr::Number(_) | Expr::Name(_));
        matches!(expr, Expr::Div([a, b]) if self.notation == Notation::Latex || (is_constant(a) && is_constant(b)))
    }

    /// Appends the expression, with brackets if its precedence is lower than `least`.
    fn write(&mut self, expr: &Expr, least: Precedence) {
        if self.precedence(expr) < least {
            self.bracketed(|printer| printer.write_bare(expr));
        } else {
            self.write_bare(expr);
        }
    }

    /// Appends the expression without brackets around it.
    fn write_bare(&mut self, expr: &Expr) {
        use Precedence::{Clause, Juxtaposed, Product, Quotient, Sum};
        match *expr {
            Expr::Entry(slot) => self.operand(slot, OperandForm::Entry),
            Expr::All(slot) => self.operand(slot, OperandForm::Whole),
            Expr::Arg(n) => match self.arguments.get(n) {
                Some(argument) => self.write_bare(&argument.clone()),
                None => self.to.push('?'),
            },
            Expr::Number(value) => self.to.push_str(&number(value, self.notation)),
            Expr::ClosedGate => self.to.push('0'),
            Expr::Name(text) => self.to.push_str(&letter(text, self.notation)),
            Expr::Neg(a) => {
                self.sign(Sign::Negative);
                self.write(a, Product);
            }
            Expr::Add(both) => self.infix(both, Sign::Plus, [Sum, Product]),
            Expr::Sub(both) => self.infix(both, Sign::Minus, [Sum, Product]),
            Expr::Mul(both) => self.infix(both, Sign::Times, [Product, if self.is_equation { Juxtaposed } else { Quotient }]),
            Expr::Div(both) => self.division(both, expr),
            Expr::Product(Join::Hadamard, both) => self.infix(both, Sign::Hadamard, [Product, Juxtaposed]),
            Expr::Product(Join::Convolution, both) => self.infix(both, Sign::Convolution, [Product, Juxtaposed]),
            Expr::Product(Join::Juxtaposed, [a, b]) => {
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
                self.function_name(function);
                self.sign(Sign::Prime);
                self.bracketed(|printer| printer.listed(arguments, ", "));
            }
            Expr::Partial(slot) | Expr::RepeatedPartial(slot) => self.partial_derivative(&Expr::Entry(Slot::Output), &Expr::Entry(slot)),
            Expr::PartialOf([a, b]) => self.partial_derivative(a, b),
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

    fn operand(&mut self, slot: Slot, form: OperandForm) {
        let text = (self.name)(slot, form);
        self.to.push_str(&text);
    }

    /// Appends two expressions with a sign between them. `least` has the lowest precedence that needs no brackets, for the left and for the right side.
    fn infix(&mut self, both: &[Expr; 2], sign: Sign, least: [Precedence; 2]) {
        self.write(&both[0], least[0]);
        self.sign(sign);
        self.write(&both[1], least[1]);
    }

    /// Appends expressions with a separator between them.
    fn listed(&mut self, all: &[Expr], separator: &str) {
        for (n, expr) in all.iter().enumerate() {
            if n > 0 {
                self.to.push_str(separator);
            }
            self.write(expr, Precedence::Sum);
        }
    }

    fn division(&mut self, both: &[Expr; 2], expr: &Expr) {
        let [a, b] = both;
        if self.notation == Notation::Latex {
            self.fraction(|printer| printer.write(a, Precedence::Clause), |printer| printer.write(b, Precedence::Clause));
        } else if self.is_fraction(expr) || !self.is_equation {
            self.write(a, Precedence::Single);
            self.to.push('/');
            self.write(b, Precedence::Single);
        } else {
            self.infix(both, Sign::Divided, [Precedence::Product, Precedence::Quotient]);
        }
    }

    /// Appends an expression with a superscript. In LaTeX, the expression is put in braces: it may end with a superscript, and LaTeX does not accept two
    /// superscripts in a row.
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

    /// Appends ∂a/∂b.
    fn partial_derivative(&mut self, a: &Expr, b: &Expr) {
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
            Expr::Entry(slot) => self.operand(slot, OperandForm::Letter),
            ref other => self.write(other, Precedence::Single),
        }
        match self.notation {
            Notation::Unicode => self.to.extend(indices.chars().map(glyph::subscript_letter)),
            Notation::Ascii => self.to.extend(["_", indices]),
            Notation::Latex => self.to.extend(["_{", indices, "}"]),
        }
    }

    /// Appends the name of a function: [`Primitive::name_in_step`] in a step in Unicode, otherwise [`Primitive::name_in`].
    fn function_name(&mut self, function: &Primitive) {
        let is_step = !self.is_equation && self.notation == Notation::Unicode;
        let name = if is_step { function.name_in_step().into() } else { function.name_in(self.notation) };
        self.to.push_str(&name);
    }

    /// Appends a function with its arguments, in the notation of its [`Form`].
    fn application(&mut self, function: &Primitive, arguments: &[Expr]) {
        match (function.form, function.meaning, arguments) {
            (Form::Meaning | Form::Infix, Some(meaning), _) => {
                let arguments: Vec<Expr> = arguments.iter().map(|argument| self.resolved(argument)).collect();
                let to = std::mem::take(&mut self.to);
                let printer = Printer { arguments: &arguments, name: &mut *self.name, to, ..*self };
                self.to = printer.finish(meaning);
            }
            (Form::Infix, None, [a, b]) => {
                let sign =
                    if self.notation == Notation::Latex { letter(function.symbol, self.notation) } else { function.name_in(self.notation) };
                self.write(a, Precedence::Sum);
                self.to.extend([" ", &sign, " "]);
                self.write(b, Precedence::Sum);
            }
            (Form::Root, _, [a]) if self.is_equation && self.notation == Notation::Latex => {
                self.to.push_str(r"\sqrt{");
                self.write(a, Precedence::Clause);
                self.to.push('}');
            }
            (Form::Root, _, [a]) if self.is_equation && self.notation == Notation::Unicode => {
                self.to.push_str(function.symbol);
                self.write(a, Precedence::Single);
            }
            (Form::Bars, _, [a]) if self.is_equation => {
                let [open, close] = if self.notation == Notation::Latex { [r"\left|", r"\right|"] } else { ["|"; 2] };
                self.to.push_str(open);
                self.write(a, Precedence::Clause);
                self.to.push_str(close);
            }
            (Form::Power, _, [a, b]) if self.is_equation && self.notation == Notation::Latex => {
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
            (Form::Operator | Form::Sum, _, [a]) if self.is_equation => {
                let least = if function.form == Form::Sum { Precedence::Product } else { Precedence::Postfix };
                self.function_name(function);
                // `log a` and `Σ (a − t)`, but `log(a − t)`
                if function.form == Form::Sum || self.precedence(a) >= least {
                    self.to.push(' ');
                }
                self.write(a, least);
            }
            (Form::Given, _, [first, rest @ ..]) if !rest.is_empty() => {
                self.function_name(function);
                self.bracketed(|printer| {
                    printer.write(first, Precedence::Sum);
                    printer.to.push_str(Sign::Given.text(printer.notation));
                    printer.listed(rest, ", ");
                });
            }
            _ => {
                self.function_name(function);
                self.bracketed(|printer| printer.listed(arguments, ", "));
            }
        }
    }

    /// Prepares an argument of a function that is printed as its meaning. In the equation, `Expr::Arg(0)` is the first expression of `self.arguments`. Inside
    /// the meaning, it would be the first argument of the function. So if the argument is an [`Expr::Arg`], it is replaced by the expression of the equation.
    fn resolved(&self, argument: &Expr) -> Expr {
        match argument {
            Expr::Arg(n) => self.arguments.get(*n).copied().unwrap_or(*argument),
            other => *other,
        }
    }

    fn cases(&mut self, cases: &[Case], other: &Expr) {
        let is_latex = self.notation == Notation::Latex;
        self.to.push_str(if is_latex { r"\begin{cases} " } else { "" });
        for Case { left, is, right, value } in cases {
            self.write(value, Precedence::Sum);
            self.to.push_str(if is_latex { r" & \text{if } " } else { " if " });
            self.write(left, Precedence::Sum);
            self.to.push_str(is.text(self.notation));
            self.write(right, Precedence::Sum);
            self.to.push_str(if is_latex { r" \\ " } else { ", " });
        }
        self.to.push_str(if is_latex { "" } else { "else " });
        self.write(other, Precedence::Sum);
        self.to.push_str(if is_latex { r" & \text{else} \end{cases}" } else { "" });
    }

    /// Appends words. LaTeX sets them as text, not as mathematics.
    fn words(&mut self, words: &str) {
        match self.notation {
            Notation::Latex => self.to.extend([r"\text{", words, "}"]),
            Notation::Unicode | Notation::Ascii => self.to.push_str(words),
        }
    }
}

#[cfg(test)]
mod tests;
