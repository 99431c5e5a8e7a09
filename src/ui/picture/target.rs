//! The places of the picture that can be clicked, and where a click on each goes.

use ratatui::layout::Rect;

use crate::network::Id;
use crate::step::TensorEntry;
use crate::ui::ClickTarget;
use crate::ui::view::View;

/// The object that is drawn at a place of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// An entry of a tensor.
    Entry(TensorEntry),
    /// A term of an entry.
    Term(Term),
    /// A step of the entry that is being computed.
    Step(u64),
}

/// A term of an entry, which is found by what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The entry.
    pub of: TensorEntry,
    /// An entry that the term reads.
    pub reads: TensorEntry,
    /// Another entry that it reads, if the first one alone can be read by several terms.
    pub with: Option<TensorEntry>,
}

/// All places that can be clicked. A place that is added later lies above the earlier ones.
#[derive(Debug, Default)]
pub struct Spots(Vec<(Rect, Spot)>);

impl Spots {
    /// Adds a place.
    pub fn add(&mut self, area: Rect, spot: Spot) {
        self.0.push((area, spot));
    }

    /// Returns what is drawn at a cell of the screen, or directly above or below it, because a line is thinner than a cell.
    pub fn at(&self, x: u16, y: u16) -> Option<Spot> {
        let exact = |(x, y): (u16, u16)| self.0.iter().rev().find(|(area, _)| area.contains((x, y).into())).map(|(_, spot)| *spot);
        let is_line = |spot: &Spot| matches!(spot, Spot::Term(_));
        let beside = |y: Option<u16>| y.and_then(|y| exact((x, y))).filter(is_line);
        exact((x, y)).or_else(|| beside(y.checked_add(1))).or_else(|| beside(y.checked_sub(1)))
    }
}

impl Spot {
    /// Returns an entry as a spot.
    pub fn entry(tensor: Id, at: usize) -> Self {
        Self::Entry(TensorEntry { tensor, at })
    }

    /// Returns where a click goes: to an entry, or to the step of a term. If no step computes the term, the click goes to its entry, which has the reason.
    pub fn target(self, view: &View<'_>) -> ClickTarget {
        match self {
            Self::Entry(TensorEntry { tensor, at }) => ClickTarget::Entry(tensor, at),
            Self::Step(step) => ClickTarget::Step(step),
            Self::Term(Term { of, reads, with }) => match view.term_reading(of, reads, with) {
                Some(step) => ClickTarget::Step(step),
                None => ClickTarget::Entry(of.tensor, of.at),
            },
        }
    }
}
