//! Gather: each entry of y is a copy of an entry of x. Slices, lookups and `max` along an axis gather entries.
//!
//! In y = (x₂, x₀, x₂) the entries of y are copies of x₂, x₀ and x₂. The backward pass adds the derivatives of all copies of an entry, which is also called a
//! scatter-add: ∂C/∂x₂ = ∂C/∂y₀ + ∂C/∂y₂, ∂C/∂x₀ = ∂C/∂y₁, and ∂C/∂x₁ has no term and is 0. A [`CopyMap`] has both directions.

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

/// The entries of x and their copies in y.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyMap {
    /// Entry i of y is a copy of entry i of x, for each i.
    Identity,
    /// Any copies.
    Lists {
        /// For each entry of y the entries of x that it copies, ascending. A maximum's derivative has several.
        forward: Lists,
        /// For each entry of x its copies in y, ascending.
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
        // A counting sort by place, in linear time. First starts[p + 1] is the number of copies of place p, then their running sum.
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

impl CopyMap {
    /// The map of entries of y that each copy at most one entry of x. `sources` has, for each entry of y, the place of that entry of x. x has `count` entries.
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

    /// The same map with x and y exchanged.
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

    /// The entries that a term of an entry reads: entries of x for an entry of y ([`Direction::Forward`]), or the reverse.
    #[must_use]
    pub fn of(&self, direction: Direction, entry: usize) -> Cow<'_, [usize]> {
        self.lists(direction).map_or_else(|| vec![entry].into(), |lists| lists.of(entry).into())
    }

    /// The entry that the n-th term of an entry reads.
    fn get(&self, direction: Direction, entry: usize, n: u64) -> usize {
        let n = usize::try_from(n).expect("the terms of an entry fit in memory");
        self.lists(direction).map_or(entry, |lists| lists.of(entry)[n])
    }

    /// The number of terms of all entries before `entry`.
    #[must_use]
    pub fn prefix(&self, direction: Direction, entry: usize) -> u64 {
        self.lists(direction).map_or(entry, |lists| lists.starts[entry]) as u64
    }

    /// The terms that read the entry `at`.
    #[must_use]
    pub fn uses(&self, direction: Direction, at: usize) -> Vec<Use> {
        let uses = |entry: &usize| Use { entry: *entry, term: self.rank(direction, *entry, at).unwrap_or(0) };
        self.of(direction.reversed(), at).iter().map(uses).collect()
    }

    /// The number of the term of an entry that reads the entry `at`; `None` if no term does.
    #[must_use]
    pub fn rank(&self, direction: Direction, entry: usize, at: usize) -> Option<u64> {
        self.of(direction, entry).binary_search(&at).ok().map(|n| n as u64)
    }
}

/// The direction of a gather.
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

/// The copies of one operand's entries, with the factors, reasons and equations of both directions.
pub trait Gather: Debug + Send + Sync + 'static {
    /// Computes the copies from the operands, once per run; `None` if they do not depend on the operands.
    fn memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }

    /// The entries and their copies.
    fn copy_map<'a>(&'a self, operands: &'a Operands<'_>) -> &'a CopyMap;

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

/// The rule of y, or of ∂C/∂x, of a gather.
///
/// A term of y is a copy of an entry of x. A term of ∂C/∂x is the entry of ∂C/∂y of one of its copies, times a share if there is one.
#[derive(Debug)]
pub struct GatherRule<L> {
    /// The copies.
    pub gather: L,
    /// The direction of the rule.
    pub direction: Direction,
    /// The number of the input slot that x is in.
    slot: usize,
}

impl<L: Gather> GatherRule<L> {
    /// The rule of a direction; x is the input with the number `slot`.
    pub fn new(gather: L, direction: Direction, slot: usize) -> Self {
        Self { gather, direction, slot }
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
        if self.direction == Direction::Backward { self.gather.share(operands, at) } else { None }
    }

    /// The value of the term that reads the place `at`.
    fn value(&self, operands: &Operands<'_>, at: usize) -> f64 {
        let value = operands.get(self.read_slot(), at);
        self.share(operands, at).map_or(value, |share| value * share)
    }
}

impl<L: Gather> Rule for GatherRule<L> {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.gather.memo(tensors)
    }

    fn accumulate(&self, operands: &Operands<'_>, out: &mut [f64]) {
        let read = operands.tensors[self.read_slot()];
        let value = |at: usize| self.share(operands, at).map_or(read[at], |share| read[at] * share);
        match self.gather.copy_map(operands).lists(self.direction) {
            None => out.iter_mut().enumerate().for_each(|(at, sum)| *sum += value(at)),
            Some(lists) => {
                for (sum, bounds) in out.iter_mut().zip(lists.starts.windows(2)) {
                    *sum = lists.places[bounds[0]..bounds[1]].iter().fold(*sum, |sum, at| sum + value(*at));
                }
            }
        }
    }

    fn prefix_terms(&self, operands: &Operands<'_>, entry: usize) -> u64 {
        self.gather.copy_map(operands).prefix(self.direction, entry)
    }

    fn has_terms(&self, operands: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        let lists = self.gather.copy_map(operands).lists(self.direction)?;
        Some((0..count).map(|entry| !lists.of(entry).is_empty()).collect())
    }

    fn reason_unreached(&self, operands: &Operands<'_>, entry: usize) -> &'static str {
        self.gather.reason(operands, self.direction, entry)
    }

    fn written(&self) -> Written {
        Written { numpy: self.gather.numpy().filter(|_| self.direction == Direction::Backward), indexed: None }
    }

    fn reuse(&self, entry: usize) -> Option<Reuse> {
        self.gather.reuse(entry).filter(|_| self.direction == Direction::Backward)
    }

    fn term(&self, operands: &Operands<'_>, at: usize, term: u64) -> Term {
        let place = self.gather.copy_map(operands).get(self.direction, at, term);
        let read = entry(operands, self.read_slot(), place);
        match (self.direction, self.share(operands, place)) {
            (Direction::Forward, _) => Term::copy(read),
            (Direction::Backward, None) => Term::product(smallvec![read]),
            (Direction::Backward, Some(share)) => Term::product(smallvec![read, constant(share)]),
        }
    }

    fn add_terms(&self, operands: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let copy_map = self.gather.copy_map(operands);
        terms.fold(sum, |sum, term| sum + self.value(operands, copy_map.get(self.direction, entry, term)))
    }

    fn uses(&self, operands: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot == self.read_slot() { self.gather.copy_map(operands).uses(self.direction, at) } else { Vec::new() }
    }

    fn terms_at(&self, operands: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        if slot != self.read_slot() {
            return TermNumbers::new();
        }
        self.gather.copy_map(operands).rank(self.direction, entry, at).into_iter().collect()
    }

    fn equation(&self) -> Equation {
        self.gather.equation(self.direction)
    }
}
