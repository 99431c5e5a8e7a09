//! The report on several runs of gradient descent: their losses side by side, and as curves in one chart.

use std::io;

use serde::Serialize;

use super::{TrainReport, Trained, distance_of_rows, is_row};
use crate::app::{Curve, Curves};
use crate::command::format::CommandOutput;
use crate::command::report::{CommandReport, write_json};
use crate::command::text_writer::TextWriter;
use crate::network::NotFinite;
use crate::number::exact;
use crate::text::{align_left, align_right, counted, width};
use crate::ui;

/// The columns and rows of the chart.
const CHART_SIZE: (u16, u16) = (76, 20);

/// The report on several runs.
pub(super) struct RunsReport<'a> {
    pub runs: &'a [Trained],
    pub reports: &'a [TrainReport<'a>],
    /// `true` if the chart has only ASCII characters.
    pub is_ascii: bool,
}

/// The JSON: the report of each run, as for a single scenario.
#[derive(Serialize)]
struct RunsJson<'a> {
    /// The version of the JSON format.
    format: u8,
    runs: &'a [TrainReport<'a>],
}

impl CommandReport for RunsReport<'_> {
    fn json(&self, to: &mut CommandOutput) -> io::Result<()> {
        write_json(&RunsJson { format: 1, runs: self.reports }, to)
    }

    /// Writes two lines about each run, at most about 40 losses of each run, and the chart.
    fn table(&self, out: &mut TextWriter<'_>) -> io::Result<()> {
        let letters = || ('a'..).take(self.runs.len());
        let name_width = self.runs.iter().map(|run| width(run.name())).max().unwrap_or(0);
        for ((run, report), letter) in self.runs.iter().zip(self.reports).zip(letters()) {
            let name = align_left(run.name(), name_width);
            out.line(&format!("{letter}  {name}  {}", run.optimizer.summary()))?;
            let why = if run.result.stopped { ", stopped by the tolerance" } else { "" };
            let iterations = counted(run.result.losses.len(), "iteration");
            let not_finite =
                NotFinite::of(run.result.losses.iter().copied()).map(|not_finite| format!("; {}", not_finite.sentence("the loss")));
            let not_finite = not_finite.unwrap_or_default();
            out.line(&format!("   {iterations}{why}; after the last update, over all samples: loss  {}{not_finite}", exact(report.loss)))?;
        }
        let longest = self.runs.iter().map(|run| run.result.losses.len()).max().unwrap_or(0);
        let every = distance_of_rows(longest);
        // each run's last iteration is printed too
        let is_last = |n: usize| self.runs.iter().any(|run| run.result.losses.len() == n + 1);
        let mut rows: Vec<Vec<String>> = vec![["loss".to_owned()].into_iter().chain(letters().map(String::from)).collect()];
        for n in (0..longest).filter(|n| is_row(*n, every) || is_last(*n)) {
            let losses = self.runs.iter().map(|run| run.result.losses.get(n).map_or_else(String::new, |loss| exact(*loss)));
            rows.push([(n + 1).to_string()].into_iter().chain(losses).collect());
        }
        out.line("")?;
        if every > 1 {
            out.line(&format!("one loss in {every} is shown, and the last of each run"))?;
        }
        let widths: Vec<usize> =
            (0..=self.runs.len()).map(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0)).collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(n, (cell, width))| if n == 0 { align_right(cell, *width) } else { align_left(cell, *width) });
            out.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        out.line("")?;
        out.text(&ui::chart_text(&self.curves(), CHART_SIZE, self.is_ascii))
    }
}

impl RunsReport<'_> {
    /// The curves of the losses. The chart needs a current curve: that of the first run.
    fn curves(&self) -> Curves {
        let points = |run: &Trained| (1..).zip(run.result.losses.iter().copied()).collect();
        let curve = |run: &Trained| Curve {
            edit: None,
            other_scenario: Some(run.name().to_owned()),
            points: points(run),
            not_finite: NotFinite::of(run.result.losses.iter().copied()),
        };
        let mut curves = self.runs.iter().map(curve);
        let current = curves.next().expect("there are several runs");
        let iterations = self.runs.iter().map(|run| run.result.losses.len() as u64).max().unwrap_or(1);
        Curves {
            name: "loss".to_owned(),
            shows_loss: true,
            current,
            others: curves.collect(),
            here: 0,
            known: iterations,
            computed: iterations,
            iterations,
            is_complete: true,
            optimizer: String::new(),
        }
    }
}
