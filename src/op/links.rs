//! A link is a pair of an entry of y and an entry of x: the entry of y is a copy of the entry of x. Slices, lookups and `max` along an axis are made of links.
//!
//! In y = (x₂, x₀, x₂) the links are y₀ – x₂, y₁ – x₀ and y₂ – x₂. The backward pass follows the same links in the other direction: ∂C/∂x₂ = ∂C/∂y₀ + ∂C/∂y₂,
//! ∂C/∂x₀ = ∂C/∂y₁, and ∂C/∂x₁ has no term and is 0.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;

use smallvec::smallvec;

use super::numpy::NumPyForm;
use super::reuse::Reuse;
use super::rule::{Equation, Memo, Operands, Rule, Term, TermNumbers, Use, constant, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use super::written::Written;

/// The links between the entries of x and the entries of y = f(x).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// Entry i of x is linked with entry i of y, for each i.
    Identity,
    /// Any links.
    Lists {
        /// For each entry of y the linked places in x, ascending.
        forward: Lists,
        /// For each entry of x the linked places in y, ascending.
        backward: Lists,
    },
}

/// A list of places for each entry. One array contains all lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    /// The index in `places` of each entry's first place. One more number at the end is the length of `places`.
    starts: Vec<usize>,
    places: Vec<usize>,
}

impl Lists {
    /// The places of one entry.
    fn of(&self, entry: usize) -> &[usize] {
        &self.places[self.starts[entry]..self.starts[entry + 1]]
    }

    /// The inverse lists: for each of the `count` places, the entries whose list contains the place, ascending.
    fn reversed(&self, count: usize) -> Self {
        // A counting sort by place, in linear time. First starts[p + 1] is the number of links of place p, then their running sum.
        let mut starts = vec![0; count + 1];
        self.places.iter().for_each(|place| starts[place + 1] += 1);
        for n in 1..starts.len() {
            starts[n] += starts[n - 1];
        }
        let mut next = starts.clone();
        let mut places = vec![0; self.places.len()];
        for entry in 0..self.starts.len() - 1 {
            for place in self.of(entry) {
                places[next[*place]] = entry;
                next[*place] += 1;
            }
        }
        Self { starts, places }
    }
}

impl Links {
    /// Links each entry of y with at most one entry of x. `sources` has, for each entry of y, the place of that entry of x. x has `count` entries.
    pub fn of_sources(sources: impl IntoIterator<Item = Option<usize>>, count: usize) -> Self {
        let sources = sources.into_iter();
        let (least, _) = sources.size_hint();
        let (mut starts, mut places) = (Vec::with_capacity(least + 1), Vec::with_capacity(least));
        starts.push(0);
        for source in sources {
            places.extend(source);
            starts.push(places.len());
        }
        let forward = Lists { starts, places };
        let backward = forward.reversed(count);
        Self::Lists { forward, backward }
    }

    /// The same links with x and y exchanged.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Identity => Self::Identity,
            Self::Lists { forward, backward } => Self::Lists { forward: backward, backward: forward },
        }
    }

    /// The lists of a direction; `None` for the identity.
    fn lists(&self, direction: Direction) -> Option<&Lists> {
        match (self, direction) {
            (Self::Identity, _) => None,
            (Self::Lists { forward, .. }, Direction::Forward) => Some(forward),
            (Self::Lists { backward, .. }, Direction::Backward) => Some(backward),
        }
    }

    /// The places that are linked with an entry: places in x for an entry of y ([`Direction::Forward`]), or the reverse.
    #[must_use]
    pub fn of(&self, direction: Direction, entry: usize) -> Cow<'_, [usize]> {
        self.lists(direction).map_or_else(|| vec![entry].into(), |lists| lists.of(entry).into())
    }

    /// The n-th place that is linked with an entry.
    fn get(&self, direction: Direction, entry: usize, n: u64) -> usize {
        let n = usize::try_from(n).expect("the terms of an entry fit in memory");
        self.lists(direction).map_or(entry, |lists| lists.of(entry)[n])
    }

    /// The number of links of all entries before `entry`.
    #[must_use]
    pub fn prefix(&self, direction: Direction, entry: usize) -> u64 {
        self.lists(direction).map_or(entry, |lists| lists.starts[entry]) as u64
    }

    /// The terms that read the place `at`: one for each entry that is linked with it.
    #[must_use]
    pub fn uses(&self, direction: Direction, at: usize) -> Vec<Use> {
        let uses = |entry: &usize| Use { entry: *entry, term: self.rank(direction, *entry, at).unwrap_or(0) };
        self.of(direction.reversed(), at).iter().map(uses).collect()
    }

    /// The position of the place `at` in the list of places that are linked with an entry; `None` if the list does not contain `at`.
    #[must_use]
    pub fn rank(&self, direction: Direction, entry: usize, at: usize) -> Option<u64> {
        self.of(direction, entry).binary_search(&at).ok().map(|n| n as u64)
    }
}

/// The direction in which links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// y is computed from x.
    Forward,
    /// ∂C/∂x is computed from ∂C/∂y.
    Backward,
}

impl Direction {
    /// The other direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
}

/// The links of one operand, with the factors, reasons and equations that the rules of [`Linked`] need.
pub trait Linking: Debug + Send + Sync + 'static {
    /// Computes the links from the operands, once per run; `None` if the links do not depend on the operands.
    fn memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }

    /// The links.
    fn links<'a>(&'a self, operands: &'a Operands<'_>) -> &'a Links;

    /// The factor of ∂C/∂y\[output\] in the terms of ∂C/∂x, such as ½ for two equal maxima; `None` for 1.
    fn share(&self, _operands: &Operands<'_>, _output: usize) -> Option<f64> {
        None
    }

    /// The reason why an entry has no terms, as [`Rule::reason_unreached`].
    fn reason(&self, operands: &Operands<'_>, direction: Direction, entry: usize) -> &'static str;

    /// The gradient in NumPy, as in [`Rule::written`].
    fn numpy(&self) -> Option<NumPyForm> {
        None
    }

    /// The reason why an entry is used several times, as in [`Rule::reuse`].
    fn reuse(&self, _entry: usize) -> Option<Reuse> {
        None
    }

    /// The equation of a direction.
    fn equation(&self, direction: Direction) -> Equation;
}

/// The rule of y, or of ∂C/∂x, that follows links.
///
/// A term of y is a copy of the linked entry of x. A term of ∂C/∂x is the linked entry of ∂C/∂y, times a share if there is one.
#[derive(Debug)]
pub struct Linked<L> {
    /// The links.
    pub linking: L,
    /// The direction in which the links are followed.
    pub direction: Direction,
    /// The number of the input slot that x is in.
    slot: usize,
}

impl<L: Linking> Linked<L> {
    /// The rule of a direction; x is the input with the number `slot`.
    pub fn new(linking: L, direction: Direction, slot: usize) -> Self {
        Self { linking, direction, slot }
    }

    /// The slot of the operand whose entries are added.
    fn read_slot(&self) -> Slot {
        match self.direction {
            Direction::Forward => Input(self.slot),
            Direction::Backward => Upstream,
        }
    }

    /// The share of the term that reads the place `at`.
    fn share(&self, operands: &Operands<'_>, at: usize) -> Option<f64> {
        if self.direction == Direction::Backward { self.linking.share(operands, at) } else { None }
    }

    /// The value of the term that reads the place `at`.
    fn value(&self, operands: &Operands<'_>, at: usize) -> f64 {
        let value = operands.get(self.read_slot(), at);
        self.share(operands, at).map_or(value, |share| value * share)
    }
}

impl<L: Linking> Rule for Linked<L> {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.linking.memo(tensors)
    }

    fn accumulate(&self, operands: &Operands<'_>, out: &mut [f64]) {
        let read = operands.tensors[self.read_slot()];
        let value = |at: usize| self.share(operands, at).map_or(read[at], |share| read[at] * share);
        match self.linking.links(operands).lists(self.direction) {
            None => out.iter_mut().enumerate().for_each(|(at, sum)| *sum += value(at)),
            Some(lists) => {
                for (sum, bounds) in out.iter_mut().zip(lists.starts.windows(2)) {
                    *sum = lists.places[bounds[0]..bounds[1]].iter().fold(*sum, |sum, at| sum + value(*at));
                }
            }
        }
    }

    fn prefix_terms(&self, operands: &Operands<'_>, entry: usize) -> u64 {
        self.linking.links(operands).prefix(self.direction, entry)
    }

    fn has_terms(&self, operands: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        let lists = self.linking.links(operands).lists(self.direction)?;
        Some((0..count).map(|entry| !lists.of(entry).is_empty()).collect())
    }

    fn reason_unreached(&self, operands: &Operands<'_>, entry: usize) -> &'static str {
        self.linking.reason(operands, self.direction, entry)
    }

    fn written(&self) -> Written {
        Written { numpy: self.linking.numpy().filter(|_| self.direction == Direction::Backward), indexed: None }
    }

    fn reuse(&self, entry: usize) -> Option<Reuse> {
        self.linking.reuse(entry).filter(|_| self.direction == Direction::Backward)
    }

    fn term(&self, operands: &Operands<'_>, at: usize, term: u64) -> Term {
        let place = self.linking.links(operands).get(self.direction, at, term);
        let read = entry(operands, self.read_slot(), place);
        match (self.direction, self.share(operands, place)) {
            (Direction::Forward, _) => Term::copy(read),
            (Direction::Backward, None) => Term::product(smallvec![read]),
            (Direction::Backward, Some(share)) => Term::product(smallvec![read, constant(share)]),
        }
    }

    fn add_terms(&self, operands: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let links = self.linking.links(operands);
        terms.fold(sum, |sum, term| sum + self.value(operands, links.get(self.direction, entry, term)))
    }

    fn uses(&self, operands: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot == self.read_slot() { self.linking.links(operands).uses(self.direction, at) } else { Vec::new() }
    }

    fn terms_at(&self, operands: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        if slot != self.read_slot() {
            return TermNumbers::new();
        }
        self.linking.links(operands).rank(self.direction, entry, at).into_iter().collect()
    }

    fn equation(&self) -> Equation {
        self.linking.equation(self.direction)
    }
}
