//! The symbols of a tensor and its entries in equations, in the notation of V. Petersen's articles "A guided tour through a
//! convolutional neural network": a⁽¹⁾₂, δ⁽²⁾₁, ∂C/∂w⁽¹⁾₁₂.

use compact_str::{CompactString, format_compact};

use crate::expr::{Notation, letter};
use crate::glyph;
use crate::tensor::unravel;

/// The symbol of a tensor. The caller decides whether subscripts count from 1, as in mathematics, or from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The relation between the tensor and the letter.
    pub kind: SymbolKind,
    /// The letter of an entry: `w`.
    pub letter: CompactString,
    /// The letter of the whole tensor: `W`.
    pub whole: CompactString,
    /// The number of the layer in the superscript, which is 0 for the input; `None` for no superscript.
    pub layer: Option<usize>,
    /// The letter of the derivative ∂C/∂x, if it has one, such as `δ` for ∂C/∂z.
    pub own_derivative: Option<&'static str>,
}

/// The relation between a tensor and the letter x of its symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// The tensor is x itself.
    Itself,
    /// The tensor is the derivative ∂C/∂x. The string is the letter C of the loss.
    Derivative(CompactString),
    /// The tensor is a state of x in gradient descent. The string is the letter of the state, such as v for a velocity.
    State(&'static str),
}

impl Symbol {
    /// Creates a symbol with one letter for both the whole tensor and its entries.
    #[must_use]
    pub fn of(letter: impl Into<CompactString>, layer: Option<usize>) -> Self {
        let letter = letter.into();
        Self { kind: SymbolKind::Itself, whole: letter.clone(), letter, layer, own_derivative: None }
    }

    /// Returns the symbol of the derivative of the loss by this tensor x. It is ∂C/∂x, or `δ` if x has `own_derivative`. `loss` is the letter C.
    #[must_use]
    pub fn derivative(&self, loss: &str) -> Self {
        match self.own_derivative {
            Some(letter) => Self::of(letter, self.layer),
            None => Self {
                kind: SymbolKind::Derivative(loss.into()),
                letter: self.letter.clone(),
                whole: self.whole.clone(),
                layer: self.layer,
                own_derivative: None,
            },
        }
    }

    /// Returns the symbol of a sample's tensor in the batch's network: C₂ for the loss C, and ∂C₂/∂w for ∂C/∂w. `loss` is the letter C. Other derivatives and
    /// states stay as they are. Any other symbol becomes C₂, so a derivative with its own letter, such as δ, is not allowed.
    #[must_use]
    pub fn of_sample(self, number: usize, loss: &str) -> Self {
        let numbered = |letter: &str| format_compact!("{letter}{}", glyph::subscript(&[number], false));
        match &self.kind {
            SymbolKind::Derivative(numerator) if numerator == loss => Self { kind: SymbolKind::Derivative(numbered(numerator)), ..self },
            SymbolKind::Derivative(_) | SymbolKind::State(_) => self,
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
        let no_subscripts = "";
        self.with_prefix(&self.whole, self.layer, no_subscripts, notation)
    }

    /// Returns the symbol of an entry of a tensor with this shape. `place` is the offset of the entry in row-major order. The subscripts count from `first`.
    #[must_use]
    pub fn entry(&self, place: usize, shape: &[usize], first: usize, notation: Notation) -> String {
        self.with_prefix(&self.letter, self.layer, &subscripts(place, shape, first), notation)
    }

    /// Returns the symbol of one entry without its layer, for narrow equations. The arguments are those of [`Symbol::entry`].
    #[must_use]
    pub fn short_entry(&self, place: usize, shape: &[usize], first: usize, notation: Notation) -> String {
        let no_layer = None;
        self.with_prefix(&self.letter, no_layer, &subscripts(place, shape, first), notation)
    }

    /// Returns the letter of an entry, without layer and index.
    #[must_use]
    pub fn letter_in(&self, notation: Notation) -> String {
        let (no_layer, no_subscripts) = (None, "");
        self.with_prefix(&self.letter, no_layer, no_subscripts, notation)
    }

    /// Returns the symbol with this letter, layer and subscripts. A derivative begins with ∂C/∂, a velocity with v.
    fn with_prefix(&self, name: &str, layer: Option<usize>, subscripts: &str, notation: Notation) -> String {
        if notation == Notation::Ascii {
            return glyph::ascii_text(&self.with_prefix(name, layer, subscripts, Notation::Unicode));
        }
        if notation == Notation::Unicode {
            return self.in_unicode(name, layer, subscripts);
        }
        // the symbol without the ∂C/∂ or v at its beginning
        let mut bare = letter(name, notation).into_owned();
        if let Some(layer) = layer {
            bare.extend(["^{(", &layer.to_string(), ")}"]);
        }
        bare.push_str(&glyph::latex(subscripts));
        match &self.kind {
            SymbolKind::Itself => bare,
            SymbolKind::Derivative(loss) => format!(r"\frac{{\partial {}}}{{\partial {bare}}}", letter(loss, notation)),
            SymbolKind::State(letter) => format!("{letter}_{{{bare}}}"),
        }
    }

    /// Does the same as [`Self::with_prefix`] in Unicode. A frame has dozens of symbols, so the text is allocated once.
    fn in_unicode(&self, name: &str, layer: Option<usize>, subscripts: &str) -> String {
        let mut text = String::with_capacity(48);
        match &self.kind {
            SymbolKind::Itself => {}
            SymbolKind::Derivative(loss) => text.extend(["∂", loss.as_str(), "/∂"]),
            SymbolKind::State(letter) => text.extend([letter, " of "]),
        }
        text.push_str(&letter(name, Notation::Unicode));
        if let Some(layer) = layer {
            glyph::push_superscript_layer(&mut text, layer);
        }
        text.push_str(subscripts);
        text
    }
}

/// Returns the subscripts of an entry, counted from `first`. `place` is its offset in row-major order. In a shape of three or more dimensions, a dimension of
/// size 1 before the last two has no subscript. If some subscript of the tensor has two digits, all entries have commas between their subscripts, because a₁₁₁₂
/// could mean a₁₁,₁₂ or a₁,₁₁₂.
fn subscripts(place: usize, shape: &[usize], first: usize) -> String {
    let leading = shape.len().saturating_sub(2);
    let is_shown = |dimension: usize| dimension >= leading || shape.len() < 3 || shape[dimension] > 1;
    let index = unravel(place, shape);
    let shown = || (0..shape.len()).filter(|dimension| is_shown(*dimension));
    // the largest subscript of a dimension is its size − 1 + `first`
    let has_commas = shown().any(|dimension| shape[dimension] + first > 10);
    glyph::subscript(&shown().map(|dimension| index[dimension] + first).collect::<Vec<_>>(), has_commas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_entries_of_a_tensor_have_commas_or_none() {
        let entry = |place, shape: &[usize], first| Symbol::of("a", None).short_entry(place, shape, first, Notation::Unicode);
        assert_eq!([entry(0, &[9, 9], 1), entry(80, &[9, 9], 1)], ["a₁₁", "a₉₉"]);
        assert_eq!([entry(0, &[10, 2], 1), entry(19, &[10, 2], 1)], ["a₁,₁", "a₁₀,₂"]);
        // counted from 0, the index of the last of ten entries has one digit
        assert_eq!([entry(19, &[10, 2], 0), entry(0, &[11, 2], 0)], ["a₉₁", "a₀,₀"]);
        // the axis of size 1 has no subscript. An axis of 12 needs commas, and two axes of 3 need none
        assert_eq!([entry(0, &[1, 12, 9], 1), entry(8, &[1, 3, 3], 1)], ["a₁,₁", "a₃₃"]);
        assert_eq!([entry(0, &[400], 1), entry(399, &[400], 1), entry(0, &[], 1)], ["a₁", "a₄₀₀", "a"]);
    }
}
