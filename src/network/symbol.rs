//! How the series writes a tensor and its entries: a⁽¹⁾₂, δ⁽²⁾₁, ∂C/∂w⁽¹⁾₁₂.

use compact_str::{CompactString, format_compact};

use crate::glyph;

/// The symbol of a tensor. Subscripts count from 1, as in mathematics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// What stands before it: `∂C/∂`, or nothing.
    pub before: CompactString,
    /// The letter of an entry: `w`.
    pub letter: CompactString,
    /// The letter of the whole: `W`.
    pub whole: CompactString,
    /// The layer, from 0 for the input; `None` without a superscript.
    pub layer: Option<usize>,
    /// The letter of its derivative, where that has one of its own.
    pub own_derivative: Option<&'static str>,
}

impl Symbol {
    /// A symbol that is one letter, for the whole and for its entries.
    #[must_use]
    pub fn of(letter: impl Into<CompactString>, layer: Option<usize>) -> Self {
        let letter = letter.into();
        Self { before: CompactString::const_new(""), whole: letter.clone(), letter, layer, own_derivative: None }
    }

    /// ∂`by`/∂ of this symbol, or the letter that stands for it.
    #[must_use]
    pub fn derivative(&self, by: &str) -> Self {
        match self.own_derivative {
            Some(letter) => Self::of(letter, self.layer),
            None => Self { before: format_compact!("∂{by}/∂"), ..self.clone() },
        }
    }

    /// That of one sample: of its own loss, such as C₂, and derivatives of that.
    #[must_use]
    pub fn of_sample(self, number: usize, loss: &str) -> Self {
        let own = format!("{loss}{}", glyph::subscript(&[number]));
        if self.before.is_empty() { Self::of(own, self.layer) } else { Self { before: self.before.replace(loss, &own).into(), ..self } }
    }

    /// The whole tensor.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}{}", self.before, self.whole, self.superscript())
    }

    /// One entry, counted from 0 in `index`.
    #[must_use]
    pub fn entry(&self, index: &[usize]) -> String {
        let counted: Vec<usize> = index.iter().map(|i| i + 1).collect();
        format!("{}{}{}{}", self.before, self.letter, self.superscript(), glyph::subscript(&counted))
    }

    /// One entry without its layer, for equations that are short of room.
    #[must_use]
    pub fn short_entry(&self, index: &[usize]) -> String {
        let counted: Vec<usize> = index.iter().map(|i| i + 1).collect();
        format!("{}{}{}", self.before, self.letter, glyph::subscript(&counted))
    }

    fn superscript(&self) -> String {
        self.layer.map_or_else(String::new, glyph::superscript_layer)
    }
}
