//! The terms that contribute most to an entry. Starting at the entry, the search follows the largest terms to the entries that they read, and so on down to the
//! inputs and parameters.
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
//! The share of a term is |term| / Σ|terms|: |w·x| is 0.6 of 0.8, which is 75 %. Each factor of a term has the share of the whole term. The search always
//! continues at the found entry with the largest share, at whatever depth this entry is. From the batch, it continues in the runs of the samples.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use crate::app::{Action, List, ListRow, Stepper};
use crate::network::Id;
use crate::scene::{EntryState, Scene};
use crate::step::TensorEntry;

/// The largest number of rows.
const MAX_ROWS: usize = 200;
/// The largest number of terms that the search looks at. It limits the search to a few milliseconds. The search looks at all terms of an entry or at none: the
/// share of a term needs all of them. Only of the first entry, if it has more terms than this, it looks at the first ones.
const MAX_EXAMINED_TERMS: u64 = 20_000;
/// The smallest listed share: the smallest that is not rounded to 0.0 %.
const MIN_SHARE: f64 = 0.000_5;
/// If any row is deeper than this number of levels, each level of the list is indented by one cell instead of two.
const NARROW_INDENT_FROM: usize = 8;

/// If all terms of an entry are 0, the search follows at most this number of them.
const MAX_ZERO_TERMS: u64 = 20;

/// An entry of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RunEntry {
    run: usize,
    tensor: Id,
    at: usize,
}

/// The scene of the step on the screen, and the scenes of the samples that the search has reached.
struct RunScenes<'a> {
    here: &'a Scene<'a>,
    /// The scenes, each with the index of its run.
    samples: Vec<(usize, Scene<'a>)>,
}

impl<'a> RunScenes<'a> {
    /// Returns the scene of a run. If the run begins after the step on the screen, returns the scene on the screen.
    fn of(&mut self, run: usize) -> &Scene<'a> {
        if run == self.here.at.run_index {
            return self.here;
        }
        let reached = self.samples.iter().position(|(reached_run, _)| *reached_run == run);
        let index = reached.or_else(|| {
            self.samples.push((run, self.here.in_run(run)?));
            Some(self.samples.len() - 1)
        });
        index.map_or(self.here, |index| &self.samples[index].1)
    }

    /// Returns the name of an entry in the list. At a step of the batch it is the address ([`Scene::address_of`]), because entries of several runs are listed.
    fn name(&mut self, RunEntry { run, tensor, at }: RunEntry) -> String {
        let is_of_batch = self.here.sample().is_none();
        let there = self.of(run);
        if is_of_batch { there.address_of(tensor, at) } else { there.name(tensor, at) }
    }
}

/// An entry of the list: the first one, or an entry that contributes to it.
#[derive(Clone, Copy, Debug)]
struct Contribution {
    entry: RunEntry,
    /// Its share of the first entry. It is the product of the shares along the path from the first entry.
    share: f64,
    /// The number of entries that the search found before this one.
    order: usize,
    /// The reader of this entry, as an index of [`ContributionSearch::rows`], and the reading step; `None` for the first entry.
    reader: Option<(usize, u64)>,
    /// The number of terms on the path from the first entry to this one.
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
    /// The larger share is greater, so that the heap returns it first. Of two equal shares, the one that was found first is greater.
    fn cmp(&self, other: &Self) -> Ordering {
        self.share.total_cmp(&other.share).then(other.order.cmp(&self.order))
    }
}

/// The rows that the search found, in the order in which it found them, and facts for the note below the list.
#[derive(Default)]
struct ContributionSearch {
    rows: Vec<Contribution>,
    /// `true` if an entry is found more than once.
    has_repeats: bool,
    /// The most important kind of rows that are left out.
    left_out: LeftOut,
}

/// The kinds of rows that the list leaves out, from the least to the most important.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum LeftOut {
    #[default]
    Nothing,
    /// Shares below [`MIN_SHARE`].
    SmallShares,
    /// Rows after the first [`MAX_ROWS`].
    FurtherRows,
    /// The terms of a row, because of [`MAX_EXAMINED_TERMS`].
    TermsOfRows,
}

impl LeftOut {
    /// Returns the words of the note.
    fn words(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::SmallShares => "; shares below 0.05 % are left out",
            Self::FurtherRows => "; only the largest shares are listed",
            Self::TermsOfRows => "; below some rows, the terms are left out",
        }
    }
}

/// Returns an entry of a scene as an entry of the run that has its number ([`Scene::canonical`]). For a copy of a sample's tensor in the batch, it is the run
/// of the sample, for a parameter the run of the first sample, and for any other tensor the run of the scene.
fn canonical_entry(scene: &Scene<'_>, tensor: Id, at: usize) -> RunEntry {
    let (run, tensor) = scene.canonical(tensor);
    RunEntry { run, tensor, at }
}

/// Returns the number of done terms of a step's entry.
fn done_terms(there: &Scene<'_>) -> u64 {
    there.at.term + 1
}

/// Finds the entries with the largest shares.
fn search(scenes: &mut RunScenes<'_>, first: RunEntry) -> ContributionSearch {
    let mut search = ContributionSearch::default();
    let mut pending = BinaryHeap::from([Contribution { entry: first, share: 1.0, order: 0, reader: None, depth: 0 }]);
    let (mut seen, mut found, mut examined) = (HashSet::new(), 1, 0);
    while let Some(contribution) = pending.pop() {
        let Contribution { entry, share, depth, .. } = contribution;
        if !seen.insert(entry) {
            search.has_repeats = true;
            continue;
        }
        if search.rows.len() == MAX_ROWS {
            search.left_out = search.left_out.max(LeftOut::FurtherRows);
            break;
        }
        let row = search.rows.len();
        search.rows.push(contribution);
        let Ok(there) = scenes.of(entry.run).last_step_of(entry.tensor, entry.at) else { continue };
        let terms_left = MAX_EXAMINED_TERMS - examined;
        if row > 0 && done_terms(&there) > terms_left {
            search.left_out = LeftOut::TermsOfRows;
            continue;
        }
        let terms: Vec<_> = there.done_terms(terms_left).collect();
        examined += terms.len() as u64;
        let magnitude: f64 = terms.iter().map(|(value, _)| value.abs()).sum();
        let first_step = there.at.step - there.at.term;
        for (step, (value, sources)) in (first_step..).zip(terms) {
            // if the sum is ∞ or NaN, shares cannot be computed: each term that is ∞ or NaN gets the share 1, every other term 0
            let share_of_term = match magnitude {
                0.0 => 0.0,
                _ if magnitude.is_finite() => value.abs() / magnitude,
                _ => f64::from(u8::from(!value.is_finite())),
            };
            // terms of value 0 are listed only if all terms of their entry are 0, and if this entry is the first one or a factor of such a term: they show why
            // the first entry is 0
            let is_shown_zero = (row == 0 || share == 0.0) && magnitude == 0.0 && step < first_step + MAX_ZERO_TERMS;
            let share_of_first = share * share_of_term;
            if share_of_first < MIN_SHARE && !is_shown_zero {
                if share_of_first > 0.0 {
                    search.left_out = search.left_out.max(LeftOut::SmallShares);
                }
                continue;
            }
            for (tensor, at) in sources {
                let reader = Some((row, step));
                let entry = canonical_entry(&there, tensor, at);
                pending.push(Contribution { entry, share: share_of_first, order: found, reader, depth: depth + 1 });
                found += 1;
            }
        }
    }
    search
}

/// Returns the rows in the order of the list. A row is below the row of the entry that reads it. Among the rows below one row, larger shares come first.
fn list_order(rows: &[Contribution]) -> Vec<usize> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    for (row, contribution) in rows.iter().enumerate() {
        if let Some((reader, _)) = contribution.reader {
            below[reader].push(row);
        }
    }
    let (mut order, mut stack) = (Vec::with_capacity(rows.len()), vec![0]);
    while let Some(row) = stack.pop() {
        order.push(row);
        // rows with equal shares are in the order of the steps that read them, so that the factors of a term are neighbours
        let key = |row: &usize| (rows[*row].reader.map_or(0, |(_, step)| step), rows[*row].order);
        below[row].sort_by(|a, b| rows[*b].share.total_cmp(&rows[*a].share).then(key(a).cmp(&key(b))));
        stack.extend(below[row].iter().rev());
    }
    order
}

/// Lists the entries that contribute most to an entry, with their shares. Enter goes to the first step that computes the selected entry or, if no step computes
/// it, to the step that reads it.
pub(super) fn list(_: &Stepper, scene: &Scene<'_>, entry: TensorEntry) -> Result<List, String> {
    let there = scene.last_step_of(entry.tensor, entry.at)?;
    let mut scenes = RunScenes { here: scene, samples: Vec::new() };
    let first = canonical_entry(scene, entry.tensor, entry.at);
    let ContributionSearch { rows, has_repeats, left_out } = search(&mut scenes, first);
    let indent = if rows.iter().any(|contribution| contribution.depth > NARROW_INDENT_FROM) { " " } else { "  " };
    // the rows of depth 1 are the factors of the first entry's terms; if all these terms are 0, there are no shares
    let is_zero = rows.len() > 1 && rows.iter().all(|contribution| contribution.depth != 1 || contribution.share == 0.0);
    let mut row = |number: usize| {
        let Contribution { entry, share, reader, depth, .. } = rows[number];
        let name = format!("{}{}", indent.repeat(depth), scenes.name(entry));
        let scene_of_run = scenes.of(entry.run);
        // a value has as many decimals as in the matrix of its tensor
        let form = |value: f64| scene_of_run.format(entry.tensor).text_or_short(value);
        let (value, step) = match scene_of_run.state_of(entry.tensor, entry.at) {
            EntryState::Given(value) => (form(value), reader.map(|(_, step)| step)),
            EntryState::Complete { value, steps } => (form(value), Some(steps.start)),
            EntryState::Partial { sum, steps } => (format!("{} so far", form(sum)), Some(steps.start)),
            EntryState::NoTerms(_) => ("0".to_owned(), reader.map(|(_, step)| step)),
            EntryState::Pending { .. } => (String::new(), None),
        };
        let term = reader.and_then(|(_, step)| scene.at_step(step)).map(|reader_scene| {
            let term = reader_scene.term(reader_scene.at.term);
            [reader_scene.in_symbols(&term), reader_scene.in_numbers(&term).unwrap_or_default()]
        });
        let [symbols, numbers] = term.unwrap_or_default();
        let cells = [name, format!("= {value}"), symbols, numbers, format!("{:>5.1} %", if is_zero { 0.0 } else { 100.0 * share })];
        ListRow { cells: cells.into(), action: step.map(Action::GoToStep), ..ListRow::default() }
    };
    let list_rows = list_order(&rows).into_iter().map(&mut row).collect();
    let mut list = List::new(format!("contributions to {}", there.address_of(there.output, entry.at)), list_rows);
    let count = done_terms(&there);
    let of_first = (count > MAX_EXAMINED_TERMS).then(|| format!("the first {MAX_EXAMINED_TERMS} of {count} terms"));
    let mut note = match (is_zero, of_first) {
        (true, None) => "every term is 0".to_owned(),
        (true, Some(of_first)) => format!("{of_first} are 0"),
        (false, of_first) => format!(
            "shares are of Σ|terms|{}, multiplied along the way; each factor of a term has the share of the whole term",
            of_first.map_or_else(String::new, |of_first| format!(" over {of_first}"))
        ),
    };
    if !there.is_complete() {
        note = format!("the terms so far; {note}");
    }
    if has_repeats {
        note.push_str("; an entry that is found twice has one row");
    }
    note.push_str(left_out.words());
    list.note = note;
    // on a narrow screen, the numbers of the term are left out first, then its symbols; both are shown below the list for the selected row
    list.spare_columns = &[3, 2];
    Ok(list)
}
