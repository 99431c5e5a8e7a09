//! The symbols of a tensor and its entries in equations, in the notation of V. Petersen's series: a⁽¹⁾₂, δ⁽²⁾₁, ∂C/∂w⁽¹⁾₁₂.

use compact_str::{CompactString, format_compact};

use crate::expr::{Notation, letter};
use crate::glyph;

/// The symbol of a tensor. The caller decides whether subscripts count from 1, as in mathematics, or from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The relation of the tensor to the letter.
    pub kind: SymbolKind,
    /// The letter of an entry: `w`.
    pub letter: CompactString,
    /// The letter of the whole tensor: `W`.
    pub whole: CompactString,
    /// The layer in the superscript, 0 for the input; `None` for no superscript.
    pub layer: Option<usize>,
    /// The letter of the derivative, if the derivative has a letter of its own: `δ` for ∂C/∂z. Otherwise `None`.
    pub own_derivative: Option<&'static str>,
}

/// The relation of a tensor to the letter x of its symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// The tensor is x itself.
    Itself,
    /// The tensor is the derivative ∂C/∂x. The string is the letter of C.
    Derivative(CompactString),
    /// The tensor is the velocity of x in gradient descent.
    Velocity,
}

impl Symbol {
    /// Creates a symbol with one letter for both the whole tensor and its entries.
    #[must_use]
    pub fn of(letter: impl Into<CompactString>, layer: Option<usize>) -> Self {
        let letter = letter.into();
        Self { kind: SymbolKind::Itself, whole: letter.clone(), letter, layer, own_derivative: None }
    }

    /// Returns the symbol of the derivative of the loss by this tensor x: `δ` if x has `own_derivative`, otherwise ∂C/∂x. `loss` is the letter C.
    #[must_use]
    pub fn derivative(&self, loss: &str) -> Self {
        match self.own_derivative {
            Some(letter) => Self::of(letter, self.layer),
            None => Self { kind: SymbolKind::Derivative(loss.into()), ..self.clone() },
        }
    }

    /// Returns the symbol for one sample: C₂ for the loss C, ∂C₂/∂w for a derivative ∂C/∂w. `loss` is the letter C. The caller has a symbol of one of these two
    /// kinds, never a derivative with a letter of its own, such as δ.
    #[must_use]
    pub fn of_sample(self, number: usize, loss: &str) -> Self {
        let numbered = |letter: &str| format_compact!("{letter}{}", glyph::subscript(&[number]));
        match &self.kind {
            SymbolKind::Derivative(numerator) if numerator == loss => Self { kind: SymbolKind::Derivative(numbered(numerator)), ..self },
            SymbolKind::Derivative(_) | SymbolKind::Velocity => self,
            SymbolKind::Itself => Self::of(numbered(loss), self.layer),
        }
    }

    /// Returns the symbol of the whole tensor, in Unicode.
    #[must_use]
    pub fn text(&self) -> String {
        self.whole_in(Notation::Unicode)
    }

    /// Returns the symbol of the whole tensor.
    #[must_use]
    pub fn whole_in(&self, notation: Notation) -> String {
        let no_subscripts = &[];
        self.with_prefix(&self.whole, self.layer, no_subscripts, notation)
    }

    /// Returns the symbol of one entry. `index` counts from 0, and the subscripts count from `first`.
    #[must_use]
    pub fn entry(&self, index: &[usize], first: usize, notation: Notation) -> String {
        self.with_prefix(&self.letter, self.layer, &subscripts(index, first), notation)
    }

    /// Returns the symbol of one entry without its layer, for narrow equations. The arguments are those of [`Symbol::entry`].
    #[must_use]
    pub fn short_entry(&self, index: &[usize], first: usize, notation: Notation) -> String {
        let no_layer = None;
        self.with_prefix(&self.letter, no_layer, &subscripts(index, first), notation)
    }

    /// Returns the letter of an entry, without layer and index.
    #[must_use]
    pub fn letter_in(&self, notation: Notation) -> String {
        let (no_layer, no_subscripts) = (None, &[]);
        self.with_prefix(&self.letter, no_layer, no_subscripts, notation)
    }

    /// Returns the symbol with this letter, layer and subscripts, and with the ∂C/∂ of a derivative or the v of a velocity before it.
    fn with_prefix(&self, name: &str, layer: Option<usize>, subscripts: &[usize], notation: Notation) -> String {
        if notation == Notation::Ascii {
            return glyph::ascii_text(&self.with_prefix(name, layer, subscripts, Notation::Unicode));
        }
        let latex = notation == Notation::Latex;
        // the symbol without ∂C/∂ or v before it
        let mut bare = letter(name, notation).into_owned();
        if let Some(layer) = layer {
            if latex {
                bare.extend(["^{(", &layer.to_string(), ")}"]);
            } else {
                bare.push_str(&glyph::superscript_layer(layer));
            }
        }
        let subscript = glyph::subscript(subscripts);
        bare.push_str(&if latex { glyph::latex(&subscript) } else { subscript });
        match &self.kind {
            SymbolKind::Itself => bare,
            SymbolKind::Derivative(loss) if latex => format!(r"\frac{{\partial {}}}{{\partial {bare}}}", letter(loss, notation)),
            SymbolKind::Derivative(loss) => format!("∂{loss}/∂{bare}"),
            SymbolKind::Velocity if latex => format!("v_{{{bare}}}"),
            SymbolKind::Velocity => format!("v of {bare}"),
        }
    }
}

/// Returns the subscripts of an index: `index[i] + first` for each i.
fn subscripts(index: &[usize], first: usize) -> Vec<usize> {
    index.iter().map(|i| i + first).collect()
}
