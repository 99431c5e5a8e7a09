//! The symbols of the series for a tensor and its entries: a⁽¹⁾₂, δ⁽²⁾₁, ∂C/∂w⁽¹⁾₁₂.

use compact_str::{CompactString, format_compact};

use crate::expr::{Notation, letter};
use crate::glyph;

/// The symbol of a tensor. Subscripts count from 1, as in mathematics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// What the tensor is of the tensor with this letter.
    pub kind: SymbolKind,
    /// The letter of an entry: `w`.
    pub letter: CompactString,
    /// The letter of the whole: `W`.
    pub whole: CompactString,
    /// The layer, from 0 for the input; `None` without a superscript.
    pub layer: Option<usize>,
    /// The letter of its derivative, where that has one of its own.
    pub own_derivative: Option<&'static str>,
}

/// What a tensor is of the tensor with its letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// The tensor itself.
    Itself,
    /// ∂C/∂ of it, with the letter of C.
    Derivative(CompactString),
    /// The velocity of gradient descent.
    Velocity,
}

impl Symbol {
    /// A symbol that is one letter, for the whole and for its entries.
    #[must_use]
    pub fn of(letter: impl Into<CompactString>, layer: Option<usize>) -> Self {
        let letter = letter.into();
        Self { kind: SymbolKind::Itself, whole: letter.clone(), letter, layer, own_derivative: None }
    }

    /// ∂`by`/∂ of this symbol, or the letter that stands for it.
    #[must_use]
    pub fn derivative(&self, by: &str) -> Self {
        match self.own_derivative {
            Some(letter) => Self::of(letter, self.layer),
            None => Self { kind: SymbolKind::Derivative(by.into()), ..self.clone() },
        }
    }

    /// The symbol for one sample: of its own loss, such as C₂, and of the derivatives of that.
    #[must_use]
    pub fn of_sample(self, number: usize, loss: &str) -> Self {
        let own = |letter: &str| format_compact!("{letter}{}", glyph::subscript(&[number]));
        match &self.kind {
            SymbolKind::Derivative(by) if by == loss => Self { kind: SymbolKind::Derivative(own(by)), ..self },
            SymbolKind::Derivative(_) | SymbolKind::Velocity => self,
            SymbolKind::Itself => Self::of(own(loss), self.layer),
        }
    }

    /// The whole tensor, in Unicode.
    #[must_use]
    pub fn text(&self) -> String {
        self.whole_in(Notation::Unicode)
    }

    /// The whole tensor.
    #[must_use]
    pub fn whole_in(&self, notation: Notation) -> String {
        self.with_prefix(&self.whole, self.layer, &[], notation)
    }

    /// One entry, counted from 0 in `index`, in Unicode.
    #[must_use]
    pub fn entry(&self, index: &[usize]) -> String {
        self.with_prefix(&self.letter, self.layer, index, Notation::Unicode)
    }

    /// One entry without its layer, for equations that are short of room.
    #[must_use]
    pub fn short_entry(&self, index: &[usize]) -> String {
        self.short_entry_in(index, Notation::Unicode)
    }

    /// One entry without its layer.
    #[must_use]
    pub fn short_entry_in(&self, index: &[usize], notation: Notation) -> String {
        self.with_prefix(&self.letter, None, index, notation)
    }

    fn with_prefix(&self, name: &str, layer: Option<usize>, index: &[usize], notation: Notation) -> String {
        if notation == Notation::Ascii {
            return glyph::ascii_text(&self.with_prefix(name, layer, index, Notation::Unicode));
        }
        let latex = notation == Notation::Latex;
        let mut own = letter(name, notation).into_owned();
        if let Some(layer) = layer {
            if latex {
                own.extend(["^{(", &layer.to_string(), ")}"]);
            } else {
                own.push_str(&glyph::superscript_layer(layer));
            }
        }
        let counted: Vec<usize> = index.iter().map(|i| i + 1).collect();
        let subscript = glyph::subscript(&counted);
        own.push_str(&if latex { glyph::latex(&subscript) } else { subscript });
        match &self.kind {
            SymbolKind::Itself => own,
            SymbolKind::Derivative(by) if latex => format!(r"\frac{{\partial {}}}{{\partial {own}}}", letter(by, notation)),
            SymbolKind::Derivative(by) => format!("∂{by}/∂{own}"),
            SymbolKind::Velocity if latex => format!("v_{{{own}}}"),
            SymbolKind::Velocity => format!("v of {own}"),
        }
    }
}
