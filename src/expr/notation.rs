//! Signs, letters and numbers of equations in three notations: Unicode, ASCII and LaTeX. A product is `a · b`, `a * b` or `a \cdot b`.

use std::borrow::Cow;

use super::Relation;
use crate::glyph;
use crate::number::exact;

/// The notation of an equation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notation {
    /// Unicode, as on the screen: `∂C/∂a ∘ σ′(z)`.
    #[default]
    Unicode,
    /// ASCII only: `dC/da o sigmoid'(z)`.
    Ascii,
    /// LaTeX, for mathematical mode: `\frac{\partial C}{\partial a} \circ \sigma'(z)`.
    Latex,
}

impl Notation {
    /// Converts a sentence to this notation. In ASCII, other characters are replaced, such as `≤` by `<=`. Unicode and LaTeX keep them.
    #[must_use]
    pub fn words(self, text: &str) -> Cow<'_, str> {
        if self == Self::Ascii { glyph::spelled_out(text).into() } else { text.into() }
    }
}

/// Signs that differ between notations.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// a + b
    Plus,
    /// a − b
    Minus,
    /// −a
    Negative,
    /// a · b
    Times,
    /// a ∘ b
    Hadamard,
    /// a * b
    Convolution,
    /// a / b
    Divided,
    /// a = b
    Equals,
    /// a ← b: a takes the value b.
    Becomes,
    /// f′
    Prime,
    /// ∂
    Partial,
    /// a²
    Square,
    /// aᵀ
    Transposed,
    /// An opening bracket.
    Open,
    /// A closing bracket.
    Close,
    /// ⟨
    InnerOpen,
    /// ⟩
    InnerClose,
    /// The bar of f(a | b).
    Given,
}

impl Sign {
    /// The sign in Unicode, ASCII and LaTeX.
    #[rustfmt::skip]
    const fn texts(self) -> [&'static str; 3] {
        match self {
            Self::Plus => [" + ", " + ", " + "],
            Self::Minus => [" − ", " - ", " - "],
            Self::Negative => ["−", "-", "-"],
            Self::Times => [" · ", " * ", r" \cdot "],
            Self::Hadamard => [" ∘ ", " o ", r" \circ "],
            Self::Convolution => [" * ", " conv ", " * "],
            Self::Divided => [" / ", " / ", " / "],
            Self::Equals => [" = ", " = ", " = "],
            Self::Becomes => [" ← ", " <- ", r" \leftarrow "],
            Self::Prime => ["′", "'", "'"],
            Self::Partial => ["∂", "d", r"\partial "],
            Self::Square => ["²", "^2", "^{2}"],
            Self::Transposed => ["ᵀ", "^T", r"^{\mathsf{T}}"],
            Self::Open => ["(", "(", r"\left("],
            Self::Close => [")", ")", r"\right)"],
            Self::InnerOpen => ["⟨", "<", r"\left\langle "],
            Self::InnerClose => ["⟩", ">", r"\right\rangle"],
            Self::Given => [" | ", " | ", r" \mid "],
        }
    }

    /// The sign in a notation, with the spaces around it.
    #[must_use]
    pub const fn text(self, notation: Notation) -> &'static str {
        let [unicode, ascii, latex] = self.texts();
        match notation {
            Notation::Unicode => unicode,
            Notation::Ascii => ascii,
            Notation::Latex => latex,
        }
    }
}

impl Relation {
    /// The sign of the comparison, with the spaces around it.
    #[rustfmt::skip]
    pub(super) const fn text(self, notation: Notation) -> &'static str {
        let [unicode, ascii, latex] = match self {
            Self::Less => [" < ", " < ", " < "],
            Self::AtMost => [" ≤ ", " <= ", r" \le "],
            Self::Equal => [" = ", " = ", " = "],
            Self::AtLeast => [" ≥ ", " >= ", r" \ge "],
            Self::Greater => [" > ", " > ", " > "],
        };
        match notation {
            Notation::Unicode => unicode,
            Notation::Ascii => ascii,
            Notation::Latex => latex,
        }
    }
}

/// The functions that have a LaTeX command of their own, such as `\exp`.
pub(super) const LATEX_COMMANDS: &[&str] = &["cos", "exp", "log", "max", "min", "sin", "tan", "tanh"];

/// Returns a letter or a name in a notation: `δ` is `e` in ASCII and `\delta` in LaTeX. A word such as `rstd` is `\mathrm{rstd}` in LaTeX.
#[must_use]
pub fn letter(text: &str, notation: Notation) -> Cow<'_, str> {
    match notation {
        Notation::Unicode => text.into(),
        Notation::Ascii => glyph::spelled_out(text).into(),
        Notation::Latex => {
            let is_word = text.len() > 1 && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            if is_word { format!(r"\mathrm{{{}}}", text.replace('_', r"\_")).into() } else { glyph::latex(text).into() }
        }
    }
}

/// Returns the text of a number in a notation. It has the fewest digits from which the same value can be read back.
pub(super) fn number(value: f64, notation: Notation) -> String {
    let text = exact(value);
    match notation {
        Notation::Unicode => text.replace('-', "−"),
        Notation::Ascii => text,
        Notation::Latex => latex_number(&text),
    }
}

/// The text of a number in LaTeX, from its text in Unicode or ASCII: `−2e−7` becomes `-2 \cdot 10^{-7}`.
#[must_use]
pub fn latex_number(text: &str) -> String {
    let text = text.replace('−', "-");
    match text.split_once('e') {
        Some((digits, exponent)) => format!(r"{digits} \cdot 10^{{{exponent}}}"),
        None => text.replace("inf", r"\infty").replace('∞', r"\infty").replace("nan", r"\mathrm{NaN}").replace("NaN", r"\mathrm{NaN}"),
    }
}
