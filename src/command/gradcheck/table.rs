//! What was found, for people: a row for each tensor, with its worst entry.

use super::{Gradcheck, REDUCE, Row, Worst};
use crate::gradcheck::{FLOOR, TOLERANCE};
use crate::number::exact;
use crate::text::{to_left, to_right, width};

impl Gradcheck<'_> {
    /// The whole text.
    pub fn text(&self) -> String {
        let total = |count: fn(&Row) -> usize| self.tensors.iter().map(count).sum::<usize>();
        let (entries, checked, off) = (total(|row| row.entries), total(|row| row.checked), total(|row| row.off));
        let (kinks, near) = (total(|row| row.kinks), total(|row| row.near_kinks));
        let (infinite, undefined, unsettled) = (total(|row| row.not_finite), total(|row| row.undefined), total(|row| row.unsettled));
        let mut columns: Vec<Column> = COLUMNS.to_vec();
        columns.retain(|column| match column.when {
            When::Always => true,
            When::Any(count) => total(count) > 0,
            When::Sampled(sampled) => sampled == (checked < entries),
        });
        let mut rows = vec![columns.iter().map(|column| column.title.to_owned()).collect::<Vec<_>>()];
        rows.extend(self.tensors.iter().map(|row| columns.iter().map(|column| (column.cell)(row)).collect()));
        let wide: Vec<usize> = (0..columns.len()).map(|n| rows.iter().map(|row| width(&row[n])).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&columns).zip(&wide).map(|((cell, column), &wide)| match column.side {
                Side::Left => to_left(cell, wide),
                Side::Right => to_right(cell, wide),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines = vec![self.scenario.to_owned(), String::new(), line(&rows[0])];
        let mut reduced = false;
        for (row, cells) in self.tensors.iter().zip(&rows[1..]) {
            if row.reduced && !reduced {
                lines.extend([String::new(), "of the batch's loss, after reduce".to_owned()]);
                reduced = true;
            }
            lines.push(line(cells));
        }
        lines.push(String::new());
        for worst in self.tensors.iter().filter(|row| row.off > 0).filter_map(|row| row.worst.as_ref()) {
            lines.push(format!("{} is {}, by differences {}", worst.at, exact(worst.derivative), exact(rounded(worst.difference))));
        }
        if off > 0 {
            lines.push(String::new());
        }
        if checked < entries {
            lines.push(format!("only {checked} of {entries} derivatives were looked at"));
        }
        lines.push(if self.passed {
            format!("{} of {checked} derivatives agree with central differences within {TOLERANCE:e}", total(Row::agree))
        } else if off == 0 {
            format!("none of {checked} derivatives could be compared with central differences")
        } else {
            format!("{off} of {checked} derivatives off: more than {TOLERANCE:e} away from central differences")
        });
        if kinks > 0 {
            let stand = if kinks == 1 { "stands" } else { "stand" };
            lines.push(format!("{kinks} {stand} at a kink, where there is no derivative, only a convention"));
        }
        if near > 0 {
            let (is, was) = if near == 1 { ("is", "was") } else { ("are", "were") };
            lines.push(format!(
                "{near} {is} within 1e-6 of a kink and {was} compared on {} own side of it",
                if near == 1 { "its" } else { "their" }
            ));
        }
        for (count, why) in [
            (infinite, "the loss is not finite there"),
            (undefined, "a derivative on the way is infinite, or overflows"),
            (unsettled, "rounding hides the slope"),
        ] {
            if count > 0 {
                lines.push(format!("{count} could not be compared: {why}"));
            }
        }
        lines.push(format!("errors are relative to the derivative, or to {FLOOR:e} where it is smaller"));
        lines.push(String::new());
        lines.join("\n")
    }
}

/// A column of the table.
#[derive(Clone, Copy)]
struct Column {
    title: &'static str,
    side: Side,
    when: When,
    cell: fn(&Row) -> String,
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// When a column is there.
#[derive(Clone, Copy)]
enum When {
    Always,
    /// Where there is any of these.
    Any(fn(&Row) -> usize),
    /// Where not all entries were looked at; or where all were.
    Sampled(bool),
}

impl Column {
    /// A column of counts, empty at 0.
    const fn count(title: &'static str, of: fn(&Row) -> usize, cell: fn(&Row) -> String) -> Self {
        Self { title, side: Side::Right, when: When::Any(of), cell }
    }
}

#[rustfmt::skip]
const COLUMNS: [Column; 11] = [
    Column { title: "tensor", side: Side::Left, when: When::Always, cell: |row| row.name.trim_start_matches(REDUCE).to_owned() },
    Column { title: "entries", side: Side::Right, when: When::Sampled(false), cell: |row| row.entries.to_string() },
    Column { title: "looked at", side: Side::Right, when: When::Sampled(true), cell: Row::looked_at },
    Column::count("off", |row| row.off, |row| positive(row.off)),
    Column::count("kinks", |row| row.kinks, |row| positive(row.kinks)),
    Column::count("near kinks", |row| row.near_kinks, |row| positive(row.near_kinks)),
    Column::count("not finite", |row| row.not_finite, |row| positive(row.not_finite)),
    Column::count("undefined", |row| row.undefined, |row| positive(row.undefined)),
    Column::count("rounded", |row| row.unsettled, |row| positive(row.unsettled)),
    Column { title: "error", side: Side::Right, when: When::Always, cell: |row| row.worst.as_ref().map_or("-".to_owned(), Worst::error) },
    Column { title: "worst entry", side: Side::Left, when: When::Always, cell: |row| row.worst.as_ref().map_or("-".to_owned(), |worst| worst.at.clone()) },
];

/// As many digits as a difference is good for.
fn rounded(difference: f64) -> f64 {
    format!("{difference:.8e}").parse().unwrap_or(difference)
}

/// A count; nothing for 0.
fn positive(count: usize) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

impl Worst {
    fn error(&self) -> String {
        if self.error == 0.0 { "0".to_owned() } else { format!("{:.1e}", self.error) }
    }
}

impl Row {
    /// How many entries were looked at, and of how many where that is not all.
    fn looked_at(&self) -> String {
        if self.checked == self.entries { self.entries.to_string() } else { format!("{} of {}", self.checked, self.entries) }
    }
}
