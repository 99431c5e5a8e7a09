//! The report of `gradcheck` as a table. Each row has a tensor, its counts and its worst entry.

use super::{GradcheckReport, REDUCE, TensorRow, WorstEntry};
use crate::gradcheck::{FLOOR, NEAR, TOLERANCE};
use crate::number::exact;
use crate::text::{align_left, align_right, width};

impl GradcheckReport<'_> {
    /// Returns the table with explanations below it.
    pub fn text(&self) -> String {
        let total = |count: fn(&TensorRow) -> usize| self.tensors.iter().map(count).sum::<usize>();
        let (entries, checked, off) = (total(|row| row.entries), total(|row| row.checked), total(|row| row.off));
        let (kinks, near) = (total(|row| row.kinks), total(|row| row.near_kinks));
        let (not_finite, undefined, unsettled) = (total(|row| row.not_finite), total(|row| row.undefined), total(|row| row.unsettled));
        let mut columns: Vec<ReportColumn> = COLUMNS.to_vec();
        columns.retain(|column| match column.when {
            ColumnCondition::Always => true,
            ColumnCondition::NonZero(count) => total(count) > 0,
            ColumnCondition::AllChecked => checked == entries,
            ColumnCondition::SomeChecked => checked < entries,
        });
        let mut rows = vec![columns.iter().map(|column| column.title.to_owned()).collect::<Vec<_>>()];
        rows.extend(self.tensors.iter().map(|row| columns.iter().map(|column| (column.cell)(row)).collect()));
        let widths: Vec<usize> = (0..columns.len()).map(|n| rows.iter().map(|row| width(&row[n])).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&columns).zip(&widths).map(|((cell, column), &width)| match column.align {
                Alignment::Left => align_left(cell, width),
                Alignment::Right => align_right(cell, width),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines = vec![self.scenario.to_owned(), String::new(), line(&rows[0])];
        let mut has_batch_heading = false;
        for (row, cells) in self.tensors.iter().zip(&rows[1..]) {
            if row.is_reduced && !has_batch_heading {
                lines.extend([String::new(), "derivatives of the batch's loss".to_owned()]);
                has_batch_heading = true;
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
            lines.push(format!("only {checked} of {entries} derivatives were checked"));
        }
        lines.push(if self.passed {
            format!("{} of {checked} derivatives agree with central differences within {TOLERANCE:e}", total(TensorRow::agreeing))
        } else if off == 0 {
            format!("none of {checked} derivatives could be compared with central differences")
        } else {
            format!("{off} of {checked} derivatives off: more than {TOLERANCE:e} away from central differences")
        });
        if kinks > 0 {
            let are = if kinks == 1 { "is" } else { "are" };
            lines.push(format!("{kinks} {are} at a kink: the loss has no derivative there, only a convention"));
        }
        if near > 0 {
            let (is, was) = if near == 1 { ("is", "was") } else { ("are", "were") };
            lines.push(format!(
                "{near} {is} within {NEAR:e} of a kink and {was} compared on {} side of it",
                if near == 1 { "its" } else { "their" }
            ));
        }
        for (count, why) in [
            (not_finite, "the loss or its differences are not finite there"),
            (undefined, "an intermediate derivative is infinite, or overflows"),
            (unsettled, "rounding errors hide the slope"),
        ] {
            if count > 0 {
                lines.push(format!("{count} could not be compared: {why}"));
            }
        }
        lines.push(format!("error = |derivative − difference| / max(|derivative|, |difference|, {FLOOR:e})"));
        lines.push(String::new());
        lines.join("\n")
    }
}

/// A column of the table.
#[derive(Clone, Copy)]
struct ReportColumn {
    title: &'static str,
    align: Alignment,
    when: ColumnCondition,
    cell: fn(&TensorRow) -> String,
}

/// The side to which the cells of a column are aligned.
#[derive(Clone, Copy)]
enum Alignment {
    Left,
    Right,
}

/// The condition under which a column is printed.
#[derive(Clone, Copy)]
enum ColumnCondition {
    Always,
    /// The sum of this count over all rows is not 0.
    NonZero(fn(&TensorRow) -> usize),
    /// All entries were checked.
    AllChecked,
    /// Only some entries were checked (`--entries`).
    SomeChecked,
}

impl ReportColumn {
    /// Returns a column of counts. It is hidden if all counts are 0.
    const fn count(title: &'static str, count: fn(&TensorRow) -> usize, cell: fn(&TensorRow) -> String) -> Self {
        Self { title, align: Alignment::Right, when: ColumnCondition::NonZero(count), cell }
    }
}

/// The columns, in the order of the table.
#[rustfmt::skip]
const COLUMNS: [ReportColumn; 11] = [
    ReportColumn { title: "tensor", align: Alignment::Left, when: ColumnCondition::Always, cell: |row| row.name.trim_start_matches(REDUCE).to_owned() },
    ReportColumn { title: "entries", align: Alignment::Right, when: ColumnCondition::AllChecked, cell: |row| row.entries.to_string() },
    ReportColumn { title: "checked", align: Alignment::Right, when: ColumnCondition::SomeChecked, cell: TensorRow::checked_of_all },
    ReportColumn::count("off", |row| row.off, |row| text_unless_0(row.off)),
    ReportColumn::count("kinks", |row| row.kinks, |row| text_unless_0(row.kinks)),
    ReportColumn::count("near kinks", |row| row.near_kinks, |row| text_unless_0(row.near_kinks)),
    ReportColumn::count("not finite", |row| row.not_finite, |row| text_unless_0(row.not_finite)),
    ReportColumn::count("undefined", |row| row.undefined, |row| text_unless_0(row.undefined)),
    ReportColumn::count("unsettled", |row| row.unsettled, |row| text_unless_0(row.unsettled)),
    ReportColumn { title: "error", align: Alignment::Right, when: ColumnCondition::Always, cell: |row| row.worst.as_ref().map_or("-".to_owned(), WorstEntry::error_text) },
    ReportColumn { title: "worst entry", align: Alignment::Left, when: ColumnCondition::Always, cell: |row| row.worst.as_ref().map_or("-".to_owned(), |worst| worst.at.clone()) },
];

/// Rounds a difference quotient to 9 significant digits; the digits after them are rounding errors.
fn rounded(difference: f64) -> f64 {
    format!("{difference:.8e}").parse().unwrap_or(difference)
}

/// The text of a count; empty for 0.
fn text_unless_0(count: usize) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

impl WorstEntry {
    /// The relative error with two significant digits.
    fn error_text(&self) -> String {
        if self.error == 0.0 { "0".to_owned() } else { format!("{:.1e}", self.error) }
    }
}

impl TensorRow {
    /// The number of checked entries; `3 of 7` if not all were checked.
    fn checked_of_all(&self) -> String {
        if self.checked == self.entries { self.entries.to_string() } else { format!("{} of {}", self.checked, self.entries) }
    }
}
