//! The way down from an entry, along its largest terms, to the inputs and parameters.
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
//! The entry with the largest share is always followed next, so the list has the largest shares, wherever they are. From an entry of the batch the way goes on into
//! its samples.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use crate::app::{Action, List, ListRow, Stepper};
use crate::network::Id;
use crate::scene::{EntryState, Scene};
use crate::step::TensorEntry;

/// The largest number of rows.
const LISTED: usize = 200;
/// The largest number of terms that are looked at, which takes a few milliseconds.
const EXAMINED: u64 = 20_000;
/// The smallest share of a row. It is the smallest that is not shown as 0.0 %.
const SMALLEST: f64 = 0.000_5;
/// The depth from which on a level is indented by one cell instead of two.
const DEEP: usize = 8;

/// The largest number of terms that are followed if all of them are 0.
const ZEROS: u64 = 20;

/// An entry of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RunEntry {
    run: usize,
    tensor: Id,
    at: usize,
}

/// The scene of the step on the screen, and those of the samples that are reached from it.
struct Scenes<'a> {
    here: &'a Scene<'a>,
    samples: Vec<(usize, Scene<'a>)>,
}

impl<'a> Scenes<'a> {
    /// Returns the scene of a run.
    fn of(&mut self, run: usize) -> &Scene<'a> {
        if run == self.here.at.sample_run {
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

/// An entry that is reached from the first one.
#[derive(Clone, Copy, Debug)]
struct Reached {
    entry: RunEntry,
    /// Its share of the first entry: the product of the shares along the way.
    share: f64,
    /// The order in which it was found.
    order: usize,
    /// The row of the entry that has it in a term, and the step of this term; `None` for the first entry.
    reader: Option<(usize, u64)>,
    depth: usize,
}

impl PartialEq for Reached {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Reached {}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reached {
    /// The larger share is first; of two equal shares, the share that was found first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.share.total_cmp(&other.share).then(other.order.cmp(&self.order))
    }
}

/// The rows, in the order in which they are found, and the facts for the note.
#[derive(Default)]
struct Search {
    rows: Vec<Reached>,
    /// `true` if an entry is reached more than once.
    has_repeats: bool,
    /// `true` if shares below [`SMALLEST`] are left out.
    has_small: bool,
    /// `true` if a limit ended the search.
    is_cut: bool,
}

/// Returns the entry of the run that a number of a scene comes from.
fn home(scene: &Scene<'_>, tensor: Id, at: usize) -> RunEntry {
    let (run, tensor) = scene.home(tensor);
    RunEntry { run, tensor, at }
}

/// Finds the entries with the largest shares.
fn search(scenes: &mut Scenes<'_>, first: RunEntry) -> Search {
    let mut search = Search::default();
    let mut next = BinaryHeap::from([Reached { entry: first, share: 1.0, order: 0, reader: None, depth: 0 }]);
    let (mut seen, mut found, mut examined) = (HashSet::new(), 1, 0);
    while let Some(reached) = next.pop() {
        let Reached { entry, share, depth, .. } = reached;
        if !seen.insert(entry) {
            search.has_repeats = true;
            continue;
        }
        if search.rows.len() == LISTED {
            search.is_cut = true;
            break;
        }
        let row = search.rows.len();
        search.rows.push(reached);
        let Ok(there) = scenes.of(entry.run).last_step_of(entry.tensor, entry.at) else { continue };
        let room = EXAMINED - examined;
        search.is_cut |= there.at.term >= room;
        let terms: Vec<_> = there.done_terms(room).collect();
        examined += terms.len() as u64;
        let magnitude: f64 = terms.iter().map(|(value, _)| value.abs()).sum();
        let start = there.at.step - there.at.term;
        for (step, (value, sources)) in (start..).zip(terms) {
            // of ∞ or NaN there are no shares, so the terms that are not finite count in full
            let part = match magnitude {
                0.0 => 0.0,
                _ if magnitude.is_finite() => value.abs() / magnitude,
                _ => f64::from(u8::from(!value.is_finite())),
            };
            // of a first entry that is 0, the terms show why, and so do those of its factors that are 0
            let is_shown_zero = (row == 0 || share == 0.0) && magnitude == 0.0 && step < start + ZEROS;
            if share * part < SMALLEST && !is_shown_zero {
                search.has_small |= share * part > 0.0;
                continue;
            }
            for (tensor, at) in sources {
                let reader = Some((row, step));
                let entry = home(&there, tensor, at);
                next.push(Reached { entry, share: share * part, order: found, reader, depth: depth + 1 });
                found += 1;
            }
        }
    }
    search
}

/// Returns the rows in display order: each row is below the row that reads its entry. Of the rows below one row, larger shares come first.
fn ordered(rows: &[Reached]) -> Vec<usize> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    for (row, reached) in rows.iter().enumerate() {
        if let Some((reader, _)) = reached.reader {
            below[reader].push(row);
        }
    }
    let (mut order, mut stack) = (Vec::with_capacity(rows.len()), vec![0]);
    while let Some(row) = stack.pop() {
        order.push(row);
        // the factors of one term stay together, and terms of equal shares are in the order of their steps
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
    let mut scenes = Scenes { here: scene, samples: Vec::new() };
    let first = home(scene, entry.tensor, entry.at);
    let Search { rows, has_repeats, has_small, is_cut } = search(&mut scenes, first);
    let indent = if rows.iter().any(|reached| reached.depth > DEEP) { " " } else { "  " };
    // where all terms are 0, nothing has a share
    let is_zero = rows.len() > 1 && rows.iter().all(|reached| reached.depth != 1 || reached.share == 0.0);
    let mut row = |number: usize| {
        let Reached { entry, share, reader, depth, .. } = rows[number];
        let name = format!("{}{}", indent.repeat(depth), scenes.name(entry));
        let own = scenes.of(entry.run);
        // as in the matrix of the tensor, so that the rows of a tensor have the same number of decimals
        let form = |value: f64| own.format(entry.tensor).text_or_short(value);
        let (value, step) = match own.state_of(entry.tensor, entry.at) {
            EntryState::Given(value) => (form(value), reader.map(|(_, step)| step)),
            EntryState::Complete { value, steps } => (form(value), Some(steps.start)),
            EntryState::Partial { sum, steps } => (format!("{} so far", form(sum)), Some(steps.start)),
            EntryState::Unreached(_) => ("0".to_owned(), reader.map(|(_, step)| step)),
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
        "every term is 0: the factors that are 0 say why"
    } else {
        "shares are of Σ|terms|, multiplied along the way; each factor of a term has the share of the whole term"
    }
    .to_owned();
    if !there.is_complete() {
        note = format!("the terms so far; {note}");
    }
    if has_repeats {
        note.push_str("; an entry that is reached twice has one row");
    }
    if is_cut {
        note.push_str("; the largest shares are listed");
    } else if has_small {
        note.push_str("; shares below 0.05 % are left out");
    }
    list.note = note;
    // the numbers of the term, then its symbols: the selected row shows all below the list
    list.spare = &[3, 2];
    Ok(list)
}
