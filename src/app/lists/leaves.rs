//! The leaves of an entry: follows its largest terms down to the inputs and parameters from which it is computed.
//!
//! For z = w·x + b with w·x = 0.6 and b = −0.2:
//!
//! ```text
//! z[0]    = 0.4                100 %
//!   w[0]  = 2     w·x  2·0.3    75 %
//!   x[0]  = 0.3   w·x  2·0.3    75 %
//!   b[0]  = −0.2  b    −0.2     25 %
//! ```
//!
//! The search always follows the entry with the largest share next, so that the list has the largest shares at any depth. From an entry of the batch it
//! continues in the samples.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use crate::app::{Action, List, ListRow, Stepper};
use crate::network::Id;
use crate::scene::{EntryState, Scene};
use crate::step::TensorEntry;

/// The largest number of rows.
const MAX_ROWS: usize = 200;
/// The largest number of examined terms. It limits the search to a few milliseconds.
const MAX_EXAMINED_TERMS: u64 = 20_000;
/// The smallest listed share: the smallest that is not rounded to 0.0 %.
const MIN_SHARE: f64 = 0.000_5;
/// If a row is deeper than this, all rows are indented by one cell for each level instead of two.
const NARROW_INDENT_FROM: usize = 8;

/// The largest number of followed terms of an entry whose terms are all 0.
const MAX_ZERO_TERMS: u64 = 20;

/// An entry of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RunEntry {
    run: usize,
    tensor: Id,
    at: usize,
}

/// The scene of the step on the screen, and the scenes of the samples at which the search arrives.
struct RunScenes<'a> {
    here: &'a Scene<'a>,
    samples: Vec<(usize, Scene<'a>)>,
}

impl<'a> RunScenes<'a> {
    /// Returns the scene of a run.
    fn of(&mut self, run: usize) -> &Scene<'a> {
        if run == self.here.at.run_index {
            return self.here;
        }
        let known = self.samples.iter().position(|(other, _)| *other == run);
        let at = known.or_else(|| {
            self.samples.push((run, self.here.in_run(run)?));
            Some(self.samples.len() - 1)
        });
        at.map_or(self.here, |at| &self.samples[at].1)
    }

    /// Returns the name of an entry in the list: with the sample or the pass in front if the list begins in the batch.
    fn name(&mut self, RunEntry { run, tensor, at }: RunEntry) -> String {
        let is_of_batch = self.here.sample().is_none();
        let there = self.of(run);
        if is_of_batch { there.address_of(tensor, at) } else { there.name(tensor, at) }
    }
}

/// An entry that contributes to the first one.
#[derive(Clone, Copy, Debug)]
struct Contribution {
    entry: RunEntry,
    /// Its share of the first entry: the product of the shares along the way.
    share: f64,
    /// The order in which it was found.
    order: usize,
    /// The row of the entry that reads it, and the step of the term with it; `None` for the first entry.
    reader: Option<(usize, u64)>,
    depth: usize,
}

impl PartialEq for Contribution {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Contribution {}

impl PartialOrd for Contribution {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Contribution {
    /// The larger share is first; of two equal shares, the share that was found first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.share.total_cmp(&other.share).then(other.order.cmp(&self.order))
    }
}

/// The found rows in order, and facts for the note below the list.
#[derive(Default)]
struct ContributionSearch {
    rows: Vec<Contribution>,
    /// `true` if an entry is found more than once.
    has_repeats: bool,
    /// `true` if shares below [`MIN_SHARE`] are left out.
    has_small: bool,
    /// `true` if a limit ended the search.
    is_cut: bool,
}

/// Returns the run and the tensor that an entry of a scene comes from. A tensor of the batch may come from a sample.
fn canonical_entry(scene: &Scene<'_>, tensor: Id, at: usize) -> RunEntry {
    let (run, tensor) = scene.canonical(tensor);
    RunEntry { run, tensor, at }
}

/// Finds the entries with the largest shares.
fn search(scenes: &mut RunScenes<'_>, first: RunEntry) -> ContributionSearch {
    let mut search = ContributionSearch::default();
    let mut next = BinaryHeap::from([Contribution { entry: first, share: 1.0, order: 0, reader: None, depth: 0 }]);
    let (mut seen, mut found, mut examined) = (HashSet::new(), 1, 0);
    while let Some(contribution) = next.pop() {
        let Contribution { entry, share, depth, .. } = contribution;
        if !seen.insert(entry) {
            search.has_repeats = true;
            continue;
        }
        if search.rows.len() == MAX_ROWS {
            search.is_cut = true;
            break;
        }
        let row = search.rows.len();
        search.rows.push(contribution);
        let Ok(there) = scenes.of(entry.run).last_step_of(entry.tensor, entry.at) else { continue };
        let room = MAX_EXAMINED_TERMS - examined;
        search.is_cut |= there.at.term >= room;
        let terms: Vec<_> = there.done_terms(room).collect();
        examined += terms.len() as u64;
        let magnitude: f64 = terms.iter().map(|(value, _)| value.abs()).sum();
        let start = there.at.step - there.at.term;
        for (step, (value, sources)) in (start..).zip(terms) {
            // ∞ and NaN have no shares: each term that is not finite counts as the whole
            let part = match magnitude {
                0.0 => 0.0,
                _ if magnitude.is_finite() => value.abs() / magnitude,
                _ => f64::from(u8::from(!value.is_finite())),
            };
            // if the first entry is 0, its terms show why, and so do the terms of its factors that are 0
            let is_shown_zero = (row == 0 || share == 0.0) && magnitude == 0.0 && step < start + MAX_ZERO_TERMS;
            if share * part < MIN_SHARE && !is_shown_zero {
                search.has_small |= share * part > 0.0;
                continue;
            }
            for (tensor, at) in sources {
                let reader = Some((row, step));
                let entry = canonical_entry(&there, tensor, at);
                next.push(Contribution { entry, share: share * part, order: found, reader, depth: depth + 1 });
                found += 1;
            }
        }
    }
    search
}

/// Returns the rows in display order: each row is below the row that reads its entry. Of the rows below one row, larger shares come first.
fn ordered(rows: &[Contribution]) -> Vec<usize> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    for (row, contribution) in rows.iter().enumerate() {
        if let Some((reader, _)) = contribution.reader {
            below[reader].push(row);
        }
    }
    let (mut order, mut stack) = (Vec::with_capacity(rows.len()), vec![0]);
    while let Some(row) = stack.pop() {
        order.push(row);
        // with equal shares, the factors of a term stay together and terms are in the order of their steps
        let key = |row: &usize| (rows[*row].reader.map_or(0, |(_, step)| step), rows[*row].order);
        below[row].sort_by(|a, b| rows[*b].share.total_cmp(&rows[*a].share).then(key(a).cmp(&key(b))));
        stack.extend(below[row].iter().rev());
    }
    order
}

/// Lists the entries from which an entry is computed, along its largest terms, with their shares of it. Enter goes to the step that computes the entry; for an
/// input or a parameter, to the step that reads it.
pub(super) fn list(_: &Stepper, scene: &Scene<'_>, entry: TensorEntry) -> Result<List, String> {
    let there = scene.last_step_of(entry.tensor, entry.at)?;
    let mut scenes = RunScenes { here: scene, samples: Vec::new() };
    let first = canonical_entry(scene, entry.tensor, entry.at);
    let ContributionSearch { rows, has_repeats, has_small, is_cut } = search(&mut scenes, first);
    let indent = if rows.iter().any(|contribution| contribution.depth > NARROW_INDENT_FROM) { " " } else { "  " };
    // if all terms are 0, there are no shares
    let is_zero = rows.len() > 1 && rows.iter().all(|contribution| contribution.depth != 1 || contribution.share == 0.0);
    let mut row = |number: usize| {
        let Contribution { entry, share, reader, depth, .. } = rows[number];
        let name = format!("{}{}", indent.repeat(depth), scenes.name(entry));
        let own = scenes.of(entry.run);
        // the format of the tensor's matrix, so that all rows of a tensor have the same number of decimals
        let form = |value: f64| own.format(entry.tensor).text_or_short(value);
        let (value, step) = match own.state_of(entry.tensor, entry.at) {
            EntryState::Given(value) => (form(value), reader.map(|(_, step)| step)),
            EntryState::Complete { value, steps } => (form(value), Some(steps.start)),
            EntryState::Partial { sum, steps } => (format!("{} so far", form(sum)), Some(steps.start)),
            EntryState::NoTerms(_) => ("0".to_owned(), reader.map(|(_, step)| step)),
            EntryState::Pending { .. } => (String::new(), None),
        };
        let term = reader.and_then(|(_, step)| scene.at_step(step)).map(|there| {
            let term = there.term(there.at.term);
            [there.in_symbols(&term), there.in_numbers(&term).unwrap_or_default()]
        });
        let [symbols, numbers] = term.unwrap_or_default();
        let cells = [name, format!("= {value}"), symbols, numbers, format!("{:>5.1} %", if is_zero { 0.0 } else { 100.0 * share })];
        ListRow { cells: cells.into(), action: step.map(Action::GoToStep), ..ListRow::default() }
    };
    let list_rows = ordered(&rows).into_iter().map(&mut row).collect();
    let mut list = List::new(format!("{}: down to the leaves", there.address_of(there.output, entry.at)), list_rows);
    let mut note = if is_zero {
        "every term is 0 because one of its factors is 0"
    } else {
        "shares are of Σ|terms|, multiplied along the way; each factor of a term has the share of the whole term"
    }
    .to_owned();
    if !there.is_complete() {
        note = format!("the terms so far; {note}");
    }
    if has_repeats {
        note.push_str("; an entry that is found twice has one row");
    }
    if is_cut {
        note.push_str("; only the largest shares are listed");
    } else if has_small {
        note.push_str("; shares below 0.05 % are left out");
    }
    list.note = note;
    // on a narrow screen the numbers of the term are left out first, then its symbols; the selected row shows both below the list
    list.spare = &[3, 2];
    Ok(list)
}
