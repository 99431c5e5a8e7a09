//! Writes entries, factors and terms in mathematical symbols.
//!
//! The symbol of an entry is a letter with the layer above and the index below. Row 1, column 2 of the weights of layer 1 is `w₁₂⁽¹⁾`, or `w₁₂` if the layer is
//! clear. A factor is an entry, or is computed from entries, such as `a₁ − t₁`. A term is a product of factors, such as `a₂·w₁₂`, or a function of them.

use super::forms::after_sign_in;
use super::{EntryTerm, Scene};
use crate::expr::{Form, Notation, Sign, latex_number};
use crate::network::{BatchSource, Id, Role};
use crate::step::{Factor, Pass, Step};
use crate::tensor::len;

impl Scene<'_> {
    /// Returns the symbol of the loss, or of the output of a graph: `C`.
    #[must_use]
    pub fn loss_symbol(&self, notation: Notation) -> String {
        let network = self.trace.network();
        network.tensor(network.loss()).symbol.letter_in(notation)
    }

    /// Returns the symbol of an entry of a sample's tensor. If `entry` is `None`, returns the letter of the tensor. `tensor` is a tensor of the samples'
    /// network.
    #[must_use]
    pub fn given_symbol(&self, tensor: Id, entry: Option<usize>, notation: Notation) -> String {
        let info = self.trace.network().tensor(tensor);
        match entry {
            Some(at) => info.symbol.short_entry(at, &info.shape, self.first_index, notation),
            None => info.symbol.letter_in(notation),
        }
    }

    /// Returns the title of a tensor's matrix, which is its symbol. In an update, the old and the new parameter have the same symbol, so the title begins with
    /// `old` or `new`.
    #[must_use]
    pub fn title(&self, tensor: Id) -> String {
        let info = self.network().tensor(tensor);
        let is_updated = || self.network().find(&info.name).is_some_and(|id| id != tensor);
        let is_new = info.role == Role::Parameter && self.pass_of(tensor) == Some(Pass::Update);
        let word = match info.source {
            Some(BatchSource::State(..)) => "old ",
            // without an update, a parameter has only one value
            Some(BatchSource::Parameter(_)) if is_updated() => "old ",
            _ if is_new => "new ",
            _ => "",
        };
        format!("{word}{}", info.symbol.text())
    }

    /// Returns the symbol of an entry without its layer: `w₁₂`.
    #[must_use]
    pub fn entry_symbol(&self, tensor: Id, at: usize) -> String {
        let info = self.network().tensor(tensor);
        info.symbol.short_entry(at, &info.shape, self.first_index, self.term_notation)
    }

    /// Returns the symbol of an entry with its layer: `w₁₂⁽¹⁾`.
    #[must_use]
    pub fn entry_symbol_with_layer(&self, tensor: Id, at: usize) -> String {
        let info = self.network().tensor(tensor);
        info.symbol.entry(at, &info.shape, self.first_index, self.term_notation)
    }

    /// Returns the symbol of an entry. It has the layer if the op also has a tensor with the same letter from another layer. For example, a pool computes
    /// `a⁽²⁾` from `a⁽¹⁾`.
    #[must_use]
    pub fn unambiguous_symbol(&self, tensor: Id, at: usize) -> String {
        if self.same_letter(self.output, tensor) || self.read_by_first_terms().iter().any(|other| self.same_letter(*other, tensor)) {
            self.entry_symbol_with_layer(tensor, at)
        } else {
            self.entry_symbol(tensor, at)
        }
    }

    /// Returns whether the symbols of two tensors differ only in their layers.
    #[must_use]
    pub fn same_letter(&self, one: Id, other: Id) -> bool {
        let [a, b] = [one, other].map(|id| &self.network().tensor(id).symbol);
        one != other && a.letter == b.letter && a.kind == b.kind && a.layer != b.layer
    }

    /// Returns a term in symbols, such as `a₂·w₁₂`.
    #[must_use]
    pub fn in_symbols(&self, term: &EntryTerm) -> String {
        joined(&term.step, term.step.factors.iter().map(|factor| self.factor(factor, term.part)).collect(), self.term_notation)
    }

    /// Returns a factor of a part of the op in symbols.
    pub(crate) fn factor(&self, factor: &Factor, part: usize) -> String {
        if let (Some(slice), Some(source)) = (factor.slice, factor.source) {
            let info = self.network().tensor(source.tensor);
            let symbol = info.symbol.whole_in(self.term_notation);
            let of = if self.term_notation == Notation::Latex { r"\text{ of }" } else { " of " };
            return if slice.len() == len(&info.shape) { symbol } else { format!("{}{of}{symbol}", slice.len()) };
        }
        match (factor.source, factor.derived) {
            (None, _) => number_in(self.short(factor.value), self.term_notation),
            (Some(source), None) => self.unambiguous_symbol(source.tensor, source.at),
            (Some(source), Some(expr)) => {
                let operands = &self.op().parts[part].operands;
                let shape = &self.network().tensor(source.tensor).shape;
                expr.text(self.term_notation, &mut |slot, is_whole| {
                    let info = self.network().tensor(operands[slot]);
                    if is_whole || info.shape != *shape {
                        info.symbol.whole_in(self.term_notation)
                    } else {
                        self.entry_symbol(operands[slot], source.at)
                    }
                })
            }
        }
    }
}

/// Joins the texts of a step's factors as a product, or as a call if the step applies a function. Negative factors of a product, and negative operands after a
/// sign, are put in brackets.
pub(super) fn joined(step: &Step, texts: Vec<String>, notation: Notation) -> String {
    let after_sign = |text: String| after_sign_in(text, notation);
    let Some(function) = step.function else {
        let sign = if notation == Notation::Latex { Sign::Times.text(notation) } else { "·" };
        return if texts.len() > 1 { texts.into_iter().map(after_sign).collect::<Vec<_>>().join(sign) } else { texts.concat() };
    };
    match function.form {
        Form::Product => function.text(&texts.into_iter().map(after_sign).collect::<Vec<_>>(), notation),
        Form::Infix | Form::Power => {
            let operand = |(n, text): (usize, String)| if n > 0 { after_sign(text) } else { text };
            function.text(&texts.into_iter().enumerate().map(operand).collect::<Vec<_>>(), notation)
        }
        _ => function.text(&texts, notation),
    }
}

/// Converts the text of a number from Unicode to another notation. If the screen is ASCII, terms stay in Unicode here, and the whole screen is converted at the
/// end.
pub(super) fn number_in(text: String, notation: Notation) -> String {
    if notation == Notation::Latex { latex_number(&text) } else { text }
}
