//! Gather: each entry of y is a copy of an entry of x. Slices, lookups and `max` along an axis gather entries.
//!
//! In y = (x₂, x₀, x₂) the entries of y are copies of x₂, x₀ and x₂. The backward pass adds the derivatives of all copies of an entry, which is also called a
//! scatter-add: ∂C/∂x₂ = ∂C/∂y₀ + ∂C/∂y₂, ∂C/∂x₀ = ∂C/∂y₁, and ∂C/∂x₁ has no term and is 0. A [`CopyMap`] has both directions.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::OnceLock;

use smallvec::smallvec;

use super::numpy::NumPyForm;
use super::reuse::Reuse;
use super::rule::{Equation, IsKnown, Memo, Operands, PossibleUse, Rule, Term, TermNumbers, Use, constant, entry};
use super::slot::{
    Reads,
    Slot::{self, Input, Upstream},
};
use super::written::Written;
use crate::sums::{Init, clear, put};

/// The entries of x and their copies in y.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyMap {
    /// Entry i of y is a copy of entry i of x, for each i.
    Identity,
    /// Any copies.
    Table(CopyTable),
}

/// Any copies, as runs of evenly spaced copies. In a reversed map, an entry of y can have several entries of x, such as equal maxima. The kernels
/// follow the runs. The lists of single entries are made when they are first used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTable {
    /// The runs. In their order, the copies of each entry of x are ascending, and so are the entries of x that an entry of y copies.
    runs: Vec<CopyRun>,
    /// The number of entries of y and of x.
    counts: [usize; 2],
    /// A direction in which each computed entry has at most one term.
    single_term_direction: Direction,
    /// For each entry of y the entries of x that it copies, and for each entry of x its copies in y.
    lists: OnceLock<[Lists; 2]>,
}

/// Evenly spaced copies: `firsts`, `firsts + steps`, …. Each array has a number for y, and then one for x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CopyRun {
    firsts: [usize; 2],
    steps: [isize; 2],
    len: usize,
}

/// Neighbouring entries of y that are copies of neighbouring entries of x.
#[derive(Clone, Copy, Debug)]
pub struct NeighbourRun {
    /// The first entry of y.
    pub entry: usize,
    /// The first place in x.
    pub place: usize,
    /// The number of copies.
    pub len: usize,
}

/// Turns runs of neighbours into runs of evenly spaced copies. A run of a single copy is joined to the run before it, if it continues that run. For example,
/// three single copies of the places 1, 4 and 7 become one run with the step 3 in x.
fn joined(neighbours: impl Iterator<Item = NeighbourRun>) -> Vec<CopyRun> {
    let mut runs: Vec<CopyRun> = Vec::new();
    // the run that may be continued; empty at first
    let mut run = CopyRun { firsts: [0; 2], steps: [1, 1], len: 0 };
    for NeighbourRun { entry, place, len } in neighbours {
        // the distance in x from the first place of the current run
        let from_first = place.wrapping_sub(run.firsts[1]).cast_signed();
        let is_next = len == 1 && run.len > 0 && run.firsts[0] + run.len == entry;
        if is_next && run.len == 1 {
            (run.steps, run.len) = ([1, from_first], 2);
        } else if is_next && from_first == run.steps[1].wrapping_mul(run.len.cast_signed()) {
            run.len += 1;
        } else {
            if run.len > 0 {
                runs.push(run);
            }
            run = CopyRun { firsts: [entry, place], steps: [1, 1], len };
        }
    }
    if run.len > 0 {
        runs.push(run);
    }
    runs
}

impl CopyRun {
    /// The places in y (end 0) or in x (end 1).
    fn places(self, end: usize) -> impl Iterator<Item = usize> {
        let (first, step) = (self.firsts[end], self.steps[end]);
        (0..self.len).map(move |n| first.wrapping_add_signed(step * n.cast_signed()))
    }

    /// The places in y or in x, if they are neighbours in ascending order.
    fn range(self, end: usize) -> Option<Range<usize>> {
        (self.len == 1 || self.steps[end] == 1).then(|| self.firsts[end]..self.firsts[end] + self.len)
    }

    /// For each copy, in order, replaces the number of the computed entry by `function` of this number and of the number of the entry that is read. The
    /// direction tells which end is computed and which is read.
    #[inline]
    fn follow(self, direction: Direction, out: &mut [f64], read: &[f64], function: impl Fn(f64, f64) -> f64) {
        let [computed_end, read_end] = direction.ends();
        if let (Some(entries), Some(places)) = (self.range(computed_end), self.range(read_end)) {
            out[entries].iter_mut().zip(&read[places]).for_each(|(sum, value)| *sum = function(*sum, *value));
        } else {
            let copies = self.places(computed_end).zip(self.places(read_end));
            copies.for_each(|(entry, place)| out[entry] = function(out[entry], read[place]));
        }
    }
}

/// A list of places for each entry. One array contains all lists.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lists {
    /// The index in `places` of each entry's first place. One more number at the end is the length of `places`.
    starts: Vec<usize>,
    places: Vec<usize>,
}

impl Lists {
    /// The places of one entry.
    fn places_of(&self, entry: usize) -> &[usize] {
        &self.places[self.starts[entry]..self.starts[entry + 1]]
    }
}

impl CopyTable {
    /// Makes the lists of a direction: for each entry the places at the other end, ascending.
    fn lists_of(&self, direction: Direction) -> Lists {
        let [computed_end, read_end] = direction.ends();
        // A counting sort by entry, in linear time. First starts[e + 1] is the number of copies of entry e, then the sum of these numbers up to entry e.
        let mut starts = vec![0; self.counts[computed_end] + 1];
        self.runs.iter().flat_map(|run| run.places(computed_end)).for_each(|entry| starts[entry + 1] += 1);
        for n in 1..starts.len() {
            starts[n] += starts[n - 1];
        }
        // where the next place of each entry is written
        let mut next = starts.clone();
        let mut places = vec![0; starts[self.counts[computed_end]]];
        for run in &self.runs {
            for (entry, place) in run.places(computed_end).zip(run.places(read_end)) {
                places[next[entry]] = place;
                next[entry] += 1;
            }
        }
        Lists { starts, places }
    }

    /// The lists of a direction.
    fn lists(&self, direction: Direction) -> &Lists {
        let lists = self.lists.get_or_init(|| [Direction::Forward, Direction::Backward].map(|direction| self.lists_of(direction)));
        let [computed_end, _] = direction.ends();
        &lists[computed_end]
    }

    /// For each entry that a direction computes, `true` if it has a term.
    fn has_copies(&self, direction: Direction) -> Vec<bool> {
        let [computed_end, _] = direction.ends();
        let mut has_copies = vec![false; self.counts[computed_end]];
        for run in &self.runs {
            match run.range(computed_end) {
                Some(range) => has_copies[range].fill(true),
                None => run.places(computed_end).for_each(|entry| has_copies[entry] = true),
            }
        }
        has_copies
    }
}

impl CopyMap {
    /// The map of entries of y that each copy at most one entry of x. `sources` has, for each entry of y, the place of that entry of x, or `None` if there is
    /// none. x has `count` entries.
    pub fn of_sources(sources: impl IntoIterator<Item = Option<usize>>, count: usize) -> Self {
        // counted while the sources are visited
        let mut entry_count = 0;
        let runs = sources.into_iter().enumerate().filter_map(|(entry, place)| {
            entry_count = entry + 1;
            place.map(|place| NeighbourRun { entry, place, len: 1 })
        });
        let runs = joined(runs);
        Self::table(runs, [entry_count, count])
    }

    /// The map of neighbouring entries of y that are copies of neighbouring entries of x. The runs are in ascending order of the entries of y, and do not
    /// overlap. `counts` are the numbers of entries of y and of x.
    pub fn of_runs(runs: impl IntoIterator<Item = NeighbourRun>, counts: [usize; 2]) -> Self {
        Self::table(joined(runs.into_iter()), counts)
    }

    fn table(runs: Vec<CopyRun>, counts: [usize; 2]) -> Self {
        Self::Table(CopyTable { runs, counts, single_term_direction: Direction::Forward, lists: OnceLock::new() })
    }

    /// The same map with x and y exchanged.
    #[must_use]
    pub fn reversed(self) -> Self {
        let Self::Table(table) = self else { return self };
        let runs = table.runs.into_iter();
        let runs =
            runs.map(|CopyRun { firsts: [y, x], steps: [y_step, x_step], len }| CopyRun { firsts: [x, y], steps: [x_step, y_step], len });
        let [y, x] = table.counts;
        Self::Table(CopyTable {
            runs: runs.collect(),
            counts: [x, y],
            single_term_direction: table.single_term_direction.reversed(),
            lists: OnceLock::new(),
        })
    }

    /// The lists of a direction; `None` for the identity.
    fn lists(&self, direction: Direction) -> Option<&Lists> {
        match self {
            Self::Identity => None,
            Self::Table(table) => Some(table.lists(direction)),
        }
    }

    /// The entries that the terms of an entry read: entries of x for an entry of y ([`Direction::Forward`]), or the reverse.
    #[must_use]
    pub fn operand_entries(&self, direction: Direction, entry: usize) -> Cow<'_, [usize]> {
        self.lists(direction).map_or_else(|| vec![entry].into(), |lists| lists.places_of(entry).into())
    }

    /// The entry that the n-th term of an entry reads.
    fn operand_entry(&self, direction: Direction, entry: usize, n: u64) -> usize {
        let n = usize::try_from(n).expect("the terms of an entry fit in memory");
        self.lists(direction).map_or(entry, |lists| lists.places_of(entry)[n])
    }

    /// The number of terms of all entries before `entry`.
    #[must_use]
    pub fn prefix(&self, direction: Direction, entry: usize) -> u64 {
        self.lists(direction).map_or(entry, |lists| lists.starts[entry]) as u64
    }

    /// The terms that read the entry `at`.
    #[must_use]
    pub fn uses(&self, direction: Direction, at: usize) -> Vec<Use> {
        let use_of = |entry: &usize| Use { entry: *entry, term: self.rank(direction, *entry, at).unwrap_or(0) };
        self.operand_entries(direction.reversed(), at).iter().map(use_of).collect()
    }

    /// The number of the term of an entry that reads the entry `at`; `None` if no term does.
    #[must_use]
    pub fn rank(&self, direction: Direction, entry: usize, at: usize) -> Option<u64> {
        self.operand_entries(direction, entry).binary_search(&at).ok().map(|n| n as u64)
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
    /// The ends of a copy, 0 in y and 1 in x: first the end that is computed, then the end that is read.
    fn ends(self) -> [usize; 2] {
        match self {
            Self::Forward => [0, 1],
            Self::Backward => [1, 0],
        }
    }

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

    /// The entries of y that copy the entry `place` of x, or may copy it, as in [`Rule::possible_uses`]. Each comes with `true` if it certainly copies `place`.
    /// `None` if all entries that decide this are known: then [`Gather::copy_map`] has the copies.
    fn possible_copies(&self, _operands: &Operands<'_>, _place: usize, _is_known: IsKnown<'_>) -> Option<Vec<(usize, bool)>> {
        None
    }

    /// Returns whether [`Gather::share`] is not `None` for some output.
    fn has_shares(&self) -> bool {
        false
    }

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

    /// The share of a term that reads this place.
    fn share(&self, operands: &Operands<'_>, place: usize) -> Option<f64> {
        if self.direction == Direction::Backward { self.gather.share(operands, place) } else { None }
    }

    /// The value of a term that reads this place.
    fn value(&self, operands: &Operands<'_>, place: usize) -> f64 {
        let value = operands.get(self.read_slot(), place);
        self.share(operands, place).map_or(value, |share| value * share)
    }
}

impl<L: Gather> Rule for GatherRule<L> {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        self.gather.memo(tensors)
    }

    fn accumulate(&self, operands: &Operands<'_>, out: &mut [f64]) {
        let read = operands.tensors[self.read_slot()];
        match self.gather.copy_map(operands) {
            CopyMap::Table(table) if self.gather.has_shares() => {
                let [computed_end, read_end] = self.direction.ends();
                for run in &table.runs {
                    let copies = run.places(computed_end).zip(run.places(read_end));
                    copies.for_each(|(entry, place)| out[entry] += self.value(operands, place));
                }
            }
            CopyMap::Table(table) => {
                table.runs.iter().for_each(|run| run.follow(self.direction, out, read, |sum, value| sum + value));
            }
            CopyMap::Identity => put(out, read.iter().copied(), Init::Accumulate),
        }
    }

    fn overwrite(&self, operands: &Operands<'_>, sums: &mut [f64]) {
        let read = operands.tensors[self.read_slot()];
        match self.gather.copy_map(operands) {
            CopyMap::Table(table) if table.single_term_direction == self.direction && !self.gather.has_shares() => {
                // an entry is a copy, or has no term
                sums.fill(0.0);
                table.runs.iter().for_each(|run| run.follow(self.direction, sums, read, |_, value| value));
            }
            CopyMap::Table(table) => {
                // the sums start with −0, because −0 + x has the bits of x for every x, whereas 0 + −0 is 0; the entries without terms then become 0
                sums.fill(-0.0);
                self.accumulate(operands, sums);
                clear(sums, &table.has_copies(self.direction));
            }
            CopyMap::Identity => sums.copy_from_slice(read),
        }
    }

    fn prefix_terms(&self, operands: &Operands<'_>, entry: usize) -> u64 {
        self.gather.copy_map(operands).prefix(self.direction, entry)
    }

    fn has_terms(&self, operands: &Operands<'_>, _count: usize) -> Option<Vec<bool>> {
        match self.gather.copy_map(operands) {
            CopyMap::Identity => None,
            CopyMap::Table(table) => Some(table.has_copies(self.direction)),
        }
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
        let place = self.gather.copy_map(operands).operand_entry(self.direction, at, term);
        let read = entry(operands, self.read_slot(), place);
        match (self.direction, self.share(operands, place)) {
            (Direction::Forward, _) => Term::copy(read),
            (Direction::Backward, None) => Term::product(smallvec![read]),
            (Direction::Backward, Some(share)) => Term::product(smallvec![read, constant(share)]),
        }
    }

    fn add_terms(&self, operands: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        let copy_map = self.gather.copy_map(operands);
        terms.fold(sum, |sum, term| sum + self.value(operands, copy_map.operand_entry(self.direction, entry, term)))
    }

    fn uses(&self, operands: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        if slot == self.read_slot() { self.gather.copy_map(operands).uses(self.direction, at) } else { Vec::new() }
    }

    fn possible_uses(&self, operands: &Operands<'_>, slot: Slot, at: usize, is_known: IsKnown<'_>) -> Vec<PossibleUse> {
        let is_read_by_y = self.direction == Direction::Forward && slot == self.read_slot();
        match self.gather.possible_copies(operands, at, is_known).filter(|_| is_read_by_y) {
            Some(copies) => {
                let possible = |(entry, is_certain)| PossibleUse { found: Use { entry, term: 0 }, is_certain };
                copies.into_iter().map(possible).collect()
            }
            None => self.uses(operands, slot, at).into_iter().map(PossibleUse::certain).collect(),
        }
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
