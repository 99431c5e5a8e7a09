//! Entries, factors and terms as mathematical symbols.

use super::{EntryTerm, Scene};
use crate::network::Id;
use crate::number::short;
use crate::step::{Factor, Step};
use crate::tensor::{len, unravel};

impl Scene<'_> {
    /// Returns the symbol of an entry without its layer, and without an index for a leading dimension of size 1.
    #[must_use]
    pub fn entry(&self, tensor: Id, at: usize) -> String {
        self.network().tensor(tensor).symbol.short_entry(&self.index(tensor, at))
    }

    /// Returns the symbol of an entry with its layer.
    #[must_use]
    pub fn whole_entry(&self, tensor: Id, at: usize) -> String {
        self.network().tensor(tensor).symbol.entry(&self.index(tensor, at))
    }

    /// Returns the symbol of an entry, with its layer if the op has the same letter from another layer too, as a pool or a sum of layers does.
    #[must_use]
    pub fn disambiguated(&self, tensor: Id, at: usize) -> String {
        if self.same_letter(self.output, tensor) || self.first_read().iter().any(|other| self.same_letter(*other, tensor)) {
            self.whole_entry(tensor, at)
        } else {
            self.entry(tensor, at)
        }
    }

    /// Returns whether two different tensors have the same letter, so that only their layers distinguish them.
    #[must_use]
    pub fn same_letter(&self, one: Id, other: Id) -> bool {
        let [a, b] = [one, other].map(|id| &self.network().tensor(id).symbol);
        one != other && a.letter == b.letter && a.kind == b.kind
    }

    fn index(&self, tensor: Id, at: usize) -> Vec<usize> {
        let info = self.network().tensor(tensor);
        let index = unravel(at, &info.shape);
        let leading = info.shape.len().saturating_sub(2);
        index
            .iter()
            .zip(&info.shape)
            .enumerate()
            .filter(|(place, (_, n))| *place >= leading || info.shape.len() < 3 || **n > 1)
            .map(|(_, (i, _))| *i)
            .collect()
    }

    /// Returns a term in symbols.
    #[must_use]
    pub fn in_symbols(&self, term: &EntryTerm) -> String {
        joined(&term.step, &term.step.factors.iter().map(|factor| self.factor(factor, term.part)).collect::<Vec<_>>())
    }

    /// Returns a factor of a part of the op in symbols.
    fn factor(&self, factor: &Factor, part: usize) -> String {
        if let (Some(places), Some(source)) = (factor.slice, factor.source) {
            let info = self.network().tensor(source.tensor);
            let symbol = info.symbol.text();
            return if places.len() == len(&info.shape) { symbol } else { format!("{} of {symbol}", places.len()) };
        }
        match (factor.source, factor.derived) {
            (None, _) => short(factor.value),
            (Some(source), None) => self.disambiguated(source.tensor, source.at),
            (Some(source), Some(expr)) => {
                let operands = &self.op().parts[part].operands;
                let shape = &self.network().tensor(source.tensor).shape;
                expr.text(&mut |slot, whole| {
                    let info = self.network().tensor(operands[slot]);
                    if whole || info.shape != *shape { info.symbol.text() } else { self.entry(operands[slot], source.at) }
                })
            }
        }
    }
}

/// Joins the factors of a step as a product, or its arguments as a call.
pub(super) fn joined(step: &Step, texts: &[String]) -> String {
    step.function.map_or_else(|| texts.join("·"), |function| function.text(texts))
}
