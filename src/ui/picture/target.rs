//! The click targets of the picture.

use ratatui::layout::Rect;

use crate::network::Id;
use crate::step::TensorEntry;
use crate::ui::ClickTarget;
use crate::ui::view::StepView;

/// The object that is drawn at a position of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// An entry of a tensor.
    Entry(TensorEntry),
    /// A term of an entry.
    Term(TermSpot),
    /// A step of the entry that is being computed.
    Step(u64),
}

/// A term of an entry. It is found by one or two of the entries that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermSpot {
    /// The entry in whose sum the term is.
    pub of: TensorEntry,
    /// An entry that the term reads.
    pub reads: TensorEntry,
    /// Another entry that it reads, if several terms may read the first one.
    pub with: Option<TensorEntry>,
}

/// All areas that can be clicked. An area that is added later covers earlier ones. By default no areas are kept, because a frame without a click does not need
/// them.
#[derive(Debug, Default)]
pub struct Spots(Option<Vec<(Rect, Spot)>>);

impl Spots {
    /// Returns a list that keeps the areas.
    pub fn kept() -> Self {
        Self(Some(Vec::new()))
    }

    /// Adds an area with its object.
    pub fn add(&mut self, area: Rect, spot: Spot) {
        if let Some(all) = &mut self.0 {
            all.push((area, spot));
        }
    }

    /// Returns the object at a cell of the screen. The cells directly above and below a line count as the line, because a line is thinner than a cell.
    pub fn at(&self, x: u16, y: u16) -> Option<Spot> {
        let all = || self.0.iter().flatten();
        let exact = |(x, y): (u16, u16)| all().rev().find(|(area, _)| area.contains((x, y).into())).map(|(_, spot)| *spot);
        let is_line = |spot: &Spot| matches!(spot, Spot::Term(_));
        let beside = |y: Option<u16>| y.and_then(|y| exact((x, y))).filter(is_line);
        exact((x, y)).or_else(|| beside(y.checked_add(1))).or_else(|| beside(y.checked_sub(1)))
    }
}

impl Spot {
    /// Returns the spot of an entry.
    pub fn entry(tensor: Id, at: usize) -> Self {
        Self::Entry(TensorEntry { tensor, at })
    }

    /// Returns the target of a click: an entry, or the step of a term. If no step computes the term, the target is its entry.
    pub fn target(self, view: &StepView<'_>) -> ClickTarget {
        match self {
            Self::Entry(TensorEntry { tensor, at }) => ClickTarget::Entry(tensor, at),
            Self::Step(step) => ClickTarget::Step(step),
            Self::Term(TermSpot { of, reads, with }) => match view.term_reading(of, reads, with) {
                Some(step) => ClickTarget::Step(step),
                None => ClickTarget::Entry(of.tensor, of.at),
            },
        }
    }
}
